/* Events and their bounded queue between the driver's thread and the host's. */
#include "observe/event.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX 4096 /* events that wait; only failures and job events go beyond */

static const char *const kind_names[] = {
    [SDF_EVENT_JOB_STARTED] = "job_started",
    [SDF_EVENT_STAGE_STARTED] = "stage_started",
    [SDF_EVENT_PROGRESS] = "progress",
    [SDF_EVENT_TASK_FAILED] = "task_failed",
    [SDF_EVENT_STAGE_FINISHED] = "stage_finished",
    [SDF_EVENT_JOB_FINISHED] = "job_finished",
    [SDF_EVENT_WARNING] = "warning",
};

sdf_event *event_new(sdf_event_kind kind)
{
    sdf_event *e = calloc(1, sizeof *e);
    if (e)
        e->kind = kind;
    return e;
}

void event_number(sdf_event *e, const char *static_name, int64_t value)
{
    if (e->count == EVENT_FIELDS_MAX)
        return;
    e->fields[e->count].name = static_name;
    e->fields[e->count++].value = value;
}

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = text && *text ? strdup(text) : NULL; /* without memory an event has no text */
}

void event_label(sdf_event *e, const char *label)
{
    set_text(&e->label, label);
}

void event_message(sdf_event *e, const char *message)
{
    set_text(&e->message, message);
}

void event_free(sdf_event *e)
{
    if (!e)
        return;
    free(e->label);
    free(e->message);
    free(e->json);
    free(e);
}

int sdf_event_get_kind(const sdf_event *e)
{
    return e ? (int)e->kind : 0;
}

int64_t sdf_event_number(const sdf_event *e, const char *field)
{
    for (uint32_t i = 0; e && field && i < e->count; i++)
        if (!strcmp(e->fields[i].name, field))
            return e->fields[i].value;
    return 0;
}

static char *event_to_json(const sdf_event *e)
{
    buf b = BUF_EMPTY;
    int rc = buf_printf(&b, "{\"event\":\"%s\"", kind_names[e->kind]);
    for (uint32_t i = 0; i < e->count && !rc; i++)
        rc = buf_printf(&b, ",\"%s\":%lld", e->fields[i].name, (long long)e->fields[i].value);
    if (!rc && e->label) {
        rc = buf_text(&b, ",\"label\":");
        rc = rc ? rc : buf_json_string(&b, e->label, strlen(e->label));
    }
    if (!rc && e->message) {
        rc = buf_text(&b, ",\"message\":");
        rc = rc ? rc : buf_json_string(&b, e->message, strlen(e->message));
    }
    if (!rc)
        rc = buf_text(&b, "}");
    if (!rc)
        return buf_take_text(&b);
    buf_free(&b);
    return NULL;
}

const char *sdf_event_json(const sdf_event *event)
{
    sdf_event *e = (sdf_event *)event; /* the text is made once, by the one thread that reads the event */
    if (!e)
        return "{}";
    if (!e->json)
        e->json = event_to_json(e);
    return e->json ? e->json : "{}";
}

/* ---- the queue ---- */

typedef struct waiting {
    struct waiting *next;
    sdf_event *event;
} waiting;

struct event_queue {
    pthread_mutex_t lock;
    waiting *first, **last;
    size_t count;
};

event_queue *event_queue_new(void)
{
    event_queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    pthread_mutex_init(&q->lock, NULL);
    q->last = &q->first;
    return q;
}

/* A waiting PROGRESS of the same job is brought up to date in its place. */
static int replace_progress(event_queue *q, sdf_event *e)
{
    for (waiting *w = q->first; w; w = w->next) {
        if (w->event->kind == SDF_EVENT_PROGRESS && sdf_event_number(w->event, "job") == sdf_event_number(e, "job")) {
            event_free(w->event);
            w->event = e;
            return 1;
        }
    }
    return 0;
}

static int may_drop(const sdf_event *e)
{
    return e->kind == SDF_EVENT_PROGRESS || e->kind == SDF_EVENT_STAGE_STARTED || e->kind == SDF_EVENT_STAGE_FINISHED;
}

void event_queue_push(event_queue *q, sdf_event *e)
{
    pthread_mutex_lock(&q->lock);
    if (e->kind != SDF_EVENT_PROGRESS || !replace_progress(q, e)) {
        waiting *w = q->count >= QUEUE_MAX && may_drop(e) ? NULL : malloc(sizeof *w);
        if (w) {
            w->next = NULL;
            w->event = e;
            *q->last = w;
            q->last = &w->next;
            q->count++;
        } else {
            event_free(e);
        }
    }
    pthread_mutex_unlock(&q->lock);
}

sdf_event *event_queue_pop(event_queue *q)
{
    pthread_mutex_lock(&q->lock);
    waiting *w = q->first;
    if (w) {
        q->first = w->next;
        if (!q->first)
            q->last = &q->first;
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    sdf_event *e = w ? w->event : NULL;
    free(w);
    return e;
}

void event_queue_free(event_queue *q)
{
    if (!q)
        return;
    for (sdf_event *e; (e = event_queue_pop(q));)
        event_free(e);
    pthread_mutex_destroy(&q->lock);
    free(q);
}
