/* Results: the parts that tasks sent back, kept here while they are few bytes and in the store beyond that, and read
 * once, in order. */
#include "api/internal.h"

/* What results hold in this process: at most an eighth of the memory setting, and never more than comes beside the
 * budget of tasks that run in the same process. */
#define INLINE_CAP_SHARE 8
#define INLINE_CAP_MAX   (UINT64_C(16) << 20)

static void result_link(sdf_context *c, sdf_result *r)
{
    pthread_mutex_lock(&c->lock);
    r->next = c->results;
    if (r->next)
        r->next->previous = r;
    c->results = r;
    pthread_mutex_unlock(&c->lock);
}

static void result_unlink(sdf_context *c, sdf_result *r)
{
    if (r->previous)
        r->previous->next = r->next;
    else
        c->results = r->next;
    if (r->next)
        r->next->previous = r->previous;
}

static void result_release(sdf_result *r)
{
    part_reader_free(r->reader);
    for (uint32_t i = 0; i < r->part_count; i++)
        free(r->parts[i].bytes);
    free(r->parts);
    free(r->by_task);
    free(r->stages);
    free(r->key_type);
    free(r->value_type);
    free(r);
}

sdf_result *result_new(sdf_context *c, const char *key_type, const char *value_type, uint32_t first_task,
                       uint32_t tasks)
{
    sdf_result *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->key_type = strdup(key_type);
    r->value_type = strdup(value_type);
    r->stages = malloc(sizeof *r->stages);
    r->by_task = calloc(tasks ? tasks : 1, sizeof *r->by_task);
    r->first_task = first_task;
    r->tasks = tasks;
    r->left = UINT64_MAX;
    if (!r->key_type || !r->value_type || !r->stages || !r->by_task) {
        result_release(r);
        return NULL;
    }
    r->context = c;
    result_link(c, r);
    return r;
}

static void give_back(sdf_result *r, result_part *p)
{
    if (!p->bytes)
        return;
    free(p->bytes);
    p->bytes = NULL;
    r->context->inline_held -= p->size;
}

void sdf_result_free(sdf_result *r)
{
    if (!r)
        return;
    sdf_context *c = r->context;
    sdf_job *job = r->job;
    r->job = NULL;
    sdf_job_free(job); /* nothing adds parts from here on */
    if (c) {
        part_reader_free(r->reader);
        r->reader = NULL;
        pthread_mutex_lock(&c->lock);
        for (uint32_t i = 0; i < r->part_count; i++)
            give_back(r, &r->parts[i]);
        result_unlink(c, r);
        pthread_mutex_unlock(&c->lock);
        for (uint32_t i = 0; i < r->stage_count; i++)
            context_drop_stage(c, r->stages[i]);
    }
    result_release(r);
}

void result_detach(sdf_result *r)
{
    part_reader_free(r->reader);
    r->reader = NULL;
    for (uint32_t i = 0; i < r->part_count; i++)
        give_back(r, &r->parts[i]);
    r->context = NULL;
}

/* ---- filling; driver thread ---- */

/* An inline result beyond the cap goes to the name that its worker would have given it, and with its stage. */
static int move_to_store(sdf_context *c, const driver_part *p, sdf_error **err)
{
    char name[TASK_NAME_MAX];
    task_name_object(name, c->id, p->stage, p->task, p->leg, p->attempt);
    return store_put(c->store, name, p->inline_bytes, p->inline_size, err);
}

static int keep_bytes(sdf_context *c, const driver_part *p, result_part *to, sdf_error **err)
{
    if (!p->inline_bytes || !p->records)
        return SDF_OK;
    to->size = p->inline_size;
    to->object_bytes = p->inline_size;
    pthread_mutex_lock(&c->lock);
    uint64_t cap = c->settings.memory / INLINE_CAP_SHARE;
    bool fits = c->inline_held + p->inline_size <= (cap < INLINE_CAP_MAX ? cap : INLINE_CAP_MAX);
    if (fits)
        c->inline_held += p->inline_size;
    pthread_mutex_unlock(&c->lock);
    if (!fits)
        return move_to_store(c, p, err);
    to->bytes = malloc(p->inline_size);
    if (!to->bytes) {
        pthread_mutex_lock(&c->lock);
        c->inline_held -= p->inline_size;
        pthread_mutex_unlock(&c->lock);
        return error_no_memory(err);
    }
    memcpy(to->bytes, p->inline_bytes, p->inline_size);
    return SDF_OK;
}

static int append_part(sdf_result *r, const result_part *p)
{
    if (r->part_count == r->part_room) {
        uint32_t room = r->part_room ? r->part_room * 2 : 16;
        result_part *parts = realloc(r->parts, room * sizeof *parts);
        if (!parts)
            return SDF_E_NO_MEMORY;
        r->parts = parts;
        r->part_room = room;
    }
    r->parts[r->part_count++] = *p;
    return SDF_OK;
}

int result_add(sdf_result *r, const driver_part *part, sdf_error **err)
{
    sdf_context *c = r->context;
    result_part p = {.stage = part->stage,
                     .task = part->task,
                     .leg = part->leg,
                     .legs = part->legs,
                     .attempt = part->attempt,
                     .records = part->records,
                     .object_bytes = part->object_bytes};
    uint32_t task = part->task - r->first_task;
    if (task >= r->tasks)
        return error_set(err, SDF_E_INTERNAL, "a result of task %u, which was not asked for", part->task);
    int rc = keep_bytes(c, part, &p, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&c->lock);
    rc = append_part(r, &p);
    if (!rc && !part->leg)
        r->by_task[task] = r->part_count;
    if (!rc && r->awaited == task + 1 && part->leg + 1 == part->legs)
        pthread_cond_broadcast(&c->changed);
    if (rc && p.bytes)
        c->inline_held -= p.size;
    pthread_mutex_unlock(&c->lock);
    if (rc) {
        free(p.bytes);
        return error_no_memory(err);
    }
    return SDF_OK;
}

/* ---- take: several jobs, one result ---- */

int result_absorb(sdf_result *to, sdf_result *from)
{
    uint32_t *by_task = realloc(to->by_task, ((size_t)to->tasks + from->tasks + 1) * sizeof *by_task);
    if (by_task)
        to->by_task = by_task;
    uint32_t *stages = realloc(to->stages, (to->stage_count + from->stage_count + 1) * sizeof *stages);
    if (stages)
        to->stages = stages;
    if (!by_task || !stages)
        return SDF_E_NO_MEMORY;
    for (uint32_t t = 0; t < from->tasks; t++) {
        uint32_t first = from->by_task[t] - 1; /* the job is done: every task has a part */
        by_task[to->tasks] = to->part_count + 1;
        for (uint32_t leg = 0, legs = from->parts[first].legs; leg < legs; leg++) {
            if (append_part(to, &from->parts[first + leg]))
                return SDF_E_NO_MEMORY;
            from->parts[first + leg].bytes = NULL; /* moved */
        }
        to->tasks++;
    }
    memcpy(stages + to->stage_count, from->stages, from->stage_count * sizeof *stages);
    to->stage_count += from->stage_count;
    from->stage_count = 0;
    return SDF_OK;
}

uint64_t result_records(const sdf_result *r)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < r->part_count; i++)
        records += r->parts[i].records;
    return records;
}

/* ---- reading; the host's thread ---- */

/* Waits until the task that is next has come; SDF_END after the last. */
static int await_task(sdf_result *r, sdf_error **err)
{
    sdf_context *c = r->context;
    if (r->task >= r->tasks)
        return SDF_END;
    for (;;) {
        if (r->job)
            context_deliver(c);
        pthread_mutex_lock(&c->lock);
        uint32_t first = r->by_task[r->task];
        bool there = first && r->part_count >= first + r->parts[first - 1].legs - 1;
        bool over = !r->job || r->job->done;
        if (!there && !over && !c->events_wait) {
            r->awaited = r->task + 1;
            context_wait(c, -1);
            r->awaited = 0;
        }
        pthread_mutex_unlock(&c->lock);
        if (there)
            return SDF_OK;
        if (over)
            return r->job ? api_job_status(r->job, err)
                          : error_set(err, SDF_E_INTERNAL, "a part of a result is missing");
    }
}

/* Opens the next leg: of the task at hand, or of the next task. */
static int open_next(sdf_result *r, sdf_error **err)
{
    int rc = await_task(r, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&r->context->lock);
    result_part part = r->parts[r->by_task[r->task] - 1 + r->leg]; /* the list may move while a job fills it */
    pthread_mutex_unlock(&r->context->lock);
    rc = part_reader_open(r->reader, &part, err);
    if (rc)
        return rc;
    r->open = true;
    return SDF_OK;
}

/* What was read is not read again: its bytes go. */
static void close_part(sdf_result *r)
{
    static const result_part none = {0};
    part_reader_open(r->reader, &none, NULL);
    pthread_mutex_lock(&r->context->lock);
    result_part *p = &r->parts[r->by_task[r->task] - 1 + r->leg];
    give_back(r, p);
    r->open = false;
    if (++r->leg == p->legs) {
        r->leg = 0;
        r->task++;
    }
    pthread_mutex_unlock(&r->context->lock);
}

static int next_batch(sdf_result *r, sdf_error **err)
{
    if (!r->reader) {
        int rc = part_reader_new(r->context, r, &r->reader, err);
        if (rc)
            return rc;
    }
    while (r->left) {
        int rc = r->open ? SDF_OK : open_next(r, err);
        rc = rc ? rc : part_reader_next(r->reader, &r->batch, err);
        if (rc != SDF_END || !r->open)
            return rc;
        close_part(r);
    }
    return SDF_END;
}

int sdf_result_next(sdf_result *r, const sdf_batch **batch, sdf_error **err)
{
    if (!r || !batch)
        return error_set(err, SDF_E_INVALID, "sdf_result_next needs a result and a place for the batch");
    int rc = context_enter(r->context, "sdf_result_next", err);
    if (rc)
        return rc;
    rc = next_batch(r, err);
    if (rc)
        return rc;
    if (r->batch.count > r->left)
        r->batch.count = (size_t)r->left;
    if (r->left != UINT64_MAX)
        r->left -= r->batch.count;
    *batch = &r->batch;
    return SDF_OK;
}

const char *sdf_result_key_type(const sdf_result *result)
{
    return result ? result->key_type : "";
}

const char *sdf_result_value_type(const sdf_result *result)
{
    return result ? result->value_type : "";
}
