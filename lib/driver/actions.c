/* Does what the scheduler says: one function an action, a table over their kinds. */
#include <stdlib.h>

#include "driver/internal.h"

#define GARBAGE_MAX 256 /* names removed in one call of the store */

void push_event(driver *d, const sched_event *e)
{
    if (d->queue_count == d->queue_capacity) {
        uint32_t capacity = d->queue_capacity ? d->queue_capacity * 2 : 256;
        sched_event *grown = malloc(capacity * sizeof *grown);
        if (!grown) {
            d->failed = SDF_E_NO_MEMORY;
            return;
        }
        for (uint32_t i = 0; i < d->queue_count; i++)
            grown[i] = d->queue[(d->queue_head + i) % d->queue_capacity];
        free(d->queue);
        d->queue = grown;
        d->queue_head = 0;
        d->queue_capacity = capacity;
    }
    d->queue[(d->queue_head + d->queue_count++) % d->queue_capacity] = *e;
}

/* ---- removal ---- */

static void garbage_flush(driver *d)
{
    if (!d->garbage_count)
        return;
    const char *names[GARBAGE_MAX];
    for (uint32_t i = 0; i < d->garbage_count; i++)
        names[i] = d->garbage[i];
    /* What can't be removed now goes with the context's prefix at its end. */
    d->config.store->ops->remove(d->config.store->self, names, d->garbage_count, NULL);
    d->garbage_count = 0;
}

void garbage_add(driver *d, const char *name)
{
    if (!d->garbage && !(d->garbage = malloc(GARBAGE_MAX * sizeof *d->garbage)))
        return;
    if (d->garbage_count == GARBAGE_MAX)
        garbage_flush(d);
    memcpy(d->garbage[d->garbage_count++], name, TASK_NAME_MAX);
}

/* Can an attempt of this stage leave objects in the store? (Temporary output files go with their folder.) */
static bool leaves_objects(const stage *s)
{
    if (!s || !s->spec)
        return true;
    return s->spec->output.kind == PLAN_OUTPUT_SHUFFLE || s->spec->output.kind == PLAN_OUTPUT_RESULT;
}

/* ---- actions ---- */

/* Its worker may go on, and may yet commit. */
static void tell_lost(driver *d, const attempt *a)
{
    sdf_error *error = NULL;
    error_set(&error, SDF_E_LOST, "no answer by the end of its time");
    jobs_count(d, a->stage, &(driver_totals){.failed_attempts = 1});
    attempt_emit_failed(d, a, error, FAILURE_LOST);
    sdf_error_free(error);
}

static void do_stop(driver *d, const sched_action *x)
{
    attempt *a = attempt_find(d, x->attempt);
    if (!a || a->answered)
        return;
    a->stopped = true;
    if (x->failed)
        tell_lost(d, a);
    d->config.transport->ops->cancel(d->config.transport->self, x->attempt);
}

/* The journal has the record of an attempt: its commit takes its place, before the scheduler lets anybody see it.
 * Records are acknowledged in the order in which they were asked for; a commit that was rolled back meanwhile is
 * taken out again by the UNPUBLISH that answers. */
static void journal_written(driver *d, uint64_t record, uint64_t attempt_id)
{
    attempt *a = attempt_find(d, attempt_id);
    stage *s = a ? stage_find(d, a->stage) : NULL;
    if (s && a->candidate) {
        driver_totals one = {.tasks_metrics = a->metrics};
        stage_install(d, s, a->task, a->candidate);
        a->candidate = NULL;
        task_metrics_add(&s->metrics, &one.tasks_metrics);
        jobs_count(d, s->id, &one);
        attempt_remove(d, a);
    }
    sched_event e = {.kind = SCHED_JOURNALED, .record = record, .attempt = attempt_id};
    push_event(d, &e);
}

/* The journal keeps nothing yet: a record is acknowledged at once. */
static void do_journal(driver *d, const sched_action *x)
{
    journal_written(d, x->record, x->attempt);
}

/* What an attempt may have left: its object, its index, and side objects of its worker. */
static void remove_left(driver *d, const sched_action *x, uint32_t partition, bool index)
{
    char name[TASK_NAME_MAX];
    if (x->failed) { /* its worker may have died with spills in the store, whose number nobody knows */
        task_name_side(name, d->config.context, x->stage, partition, x->leg, x->attempt, "");
        store_remove_prefix(d->config.store, name, NULL);
    }
    if (!leaves_objects(stage_find(d, x->stage)))
        return;
    task_name_object(name, d->config.context, x->stage, partition, x->leg, x->attempt);
    garbage_add(d, name);
    if (!index)
        return;
    task_name_side(name, d->config.context, x->stage, partition, x->leg, x->attempt, "index");
    garbage_add(d, name);
}

static void do_discard(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    attempt *a = attempt_find(d, x->attempt);
    const commit *c = a ? a->candidate : s ? stage_commit(s, x->task, x->leg, x->attempt) : NULL;
    uint32_t partition = a ? a->partition : s && s->spec ? s->spec->first_task + x->task : x->task;
    if (!a || a->ran)
        remove_left(d, x, partition, !c || c->index_stored);
    if (!a)
        return;
    a->discarded = true; /* its answer, should it come, means nothing any more */
    if (a->answered && !a->error)
        attempt_remove(d, a);
}

/* The scheduler has dealt with a failure: its error has been shown where it had to be. */
static void forget_error(driver *d, uint64_t attempt_id)
{
    attempt *a = attempt_find(d, attempt_id);
    if (!a)
        return;
    sdf_error_free(a->error);
    a->error = NULL;
    if (a->discarded)
        attempt_remove(d, a);
}

static void do_unpublish(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    if (s)
        stage_uninstall(d, s, x->task, x->leg, x->attempt);
}

static void do_bind(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    if (!s)
        return;
    sdf_error *error = NULL;
    int rc = stage_bind(d, s, &error);
    if (rc) {
        error_where(&error, x->stage, -1, -1);
        jobs_fail(d, x->stage, error);
        return;
    }
    sched_event e = {.kind = SCHED_BOUND, .stage = x->stage};
    push_event(d, &e);
}

static void emit_stage(driver *d, stage *s, sdf_event_kind kind)
{
    sdf_event *e = event_new(kind);
    if (!e)
        return;
    event_number(e, "stage", s->id);
    event_number(e, "tasks_total", s->tasks);
    if (kind == SDF_EVENT_STAGE_FINISHED) {
        event_number(e, "elapsed_ms", driver_now(d) - s->started_ms);
        event_number(e, "records_read", (int64_t)(s->metrics.records_in + s->metrics.shuffle_records_in));
        event_number(e, "bytes_read", (int64_t)s->metrics.bytes_read);
        event_number(e, "bytes_shuffled", (int64_t)s->metrics.shuffle_bytes_out);
        event_number(e, "bytes_spilled", (int64_t)s->metrics.spilled_bytes);
        event_number(e, "record_errors", (int64_t)s->metrics.record_errors);
        event_number(e, "peak_memory", (int64_t)s->metrics.peak_memory);
    }
    if (s->spec)
        event_label(e, s->spec->label);
    driver_emit(d, e);
}

static void do_stage_started(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    if (!s)
        return;
    s->started_ms = driver_now(d);
    jobs_count(d, s->id, &(driver_totals){.stages = 1});
    emit_stage(d, s, SDF_EVENT_STAGE_STARTED);
}

static void do_stage_done(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    if (!s || !s->spec)
        return;
    s->complete = true;
    emit_stage(d, s, SDF_EVENT_STAGE_FINISHED);
}

static void do_task_done(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    if (s)
        job_task_done(d, s, x->task);
}

static void do_task_undone(driver *d, const sched_action *x)
{
    stage *s = stage_find(d, x->stage);
    if (s)
        job_task_undone(d, s);
}

static void do_job_done(driver *d, const sched_action *x)
{
    job *j = job_find(d, x->job);
    if (j)
        job_end(d, j, SDF_OK, NULL);
}

/* For a failure that no worker has described. */
static void explain_failure(const sched_action *x, const stage *s, sdf_error **error)
{
    const char *label = s && s->spec ? s->spec->label : "a stage";
    switch (x->status) {
    case SDF_E_NONDETERMINISTIC:
        error_set(error, x->status,
                  "a rerun of %s gave other records than its first run, after results had been handed out", label);
        error_hint(
            error,
            "make its functions depend on their input only: not on time, random numbers or the order of threads");
        break;
    case SDF_E_LOST:
        error_set(error, x->status, "%s: a task gave no answer by the end of its time, nor did its retries", label);
        error_hint(error, "raise task_timeout if it needs longer; look at the workers' log if it should not");
        break;
    case SDF_E_BUSY:
        error_set(error, x->status, "%s: the transport has no free place for a task, though none is at work", label);
        error_hint(error, "look for functions that hang, or for other users of the same workers");
        break;
    case SDF_E_CORRUPT:
        error_set(error, x->status, "%s: data it reads is missing or damaged in the store and can't be made again",
                  label);
        error_hint(
            error,
            "check the store; nothing else may remove or change objects under its folder while a context is open");
        break;
    case SDF_E_LIMIT:
        error_set(error, x->status, "%s: a task went on in too many legs", label);
        error_hint(error, "raise cut_after or cut_records, so that a leg gets further");
        break;
    case SDF_E_NOT_FOUND:
        error_set(error, x->status, "%s: a stage whose data it reads has been dropped", label);
        error_hint(error, "keep the handles of a job's collections until the job is done");
        break;
    default:
        error_set(error, x->status, "%s failed", label);
    }
    error_where(error, x->stage, -1, -1);
}

static void do_job_failed(driver *d, const sched_action *x)
{
    job *j = job_find(d, x->job);
    if (!j)
        return;
    const attempt *a = x->attempt ? attempt_find(d, x->attempt) : NULL;
    sdf_error *error = NULL;
    if (a && a->error)
        error = error_copy(a->error);
    else
        explain_failure(x, stage_find(d, x->stage), &error);
    job_end(d, j, sdf_error_code(error), error);
}

static void do_timer(driver *d, const sched_action *x)
{
    d->timer_ms = x->at_ms;
}

static void (*const doers[])(driver *d, const sched_action *x) = {
    [SCHED_LAUNCH] = launch_attempt,
    [SCHED_STOP] = do_stop,
    [SCHED_JOURNAL] = do_journal,
    [SCHED_DISCARD] = do_discard,
    [SCHED_UNPUBLISH] = do_unpublish,
    [SCHED_BIND] = do_bind,
    [SCHED_STAGE_STARTED] = do_stage_started,
    [SCHED_STAGE_DONE] = do_stage_done,
    [SCHED_TASK_DONE] = do_task_done,
    [SCHED_JOB_DONE] = do_job_done,
    [SCHED_JOB_FAILED] = do_job_failed,
    [SCHED_TIMER] = do_timer,
    [SCHED_TASK_UNDONE] = do_task_undone,
};

void pump(driver *d)
{
    while (d->queue_count && !d->failed) {
        sched_event e = d->queue[d->queue_head];
        d->queue_head = (d->queue_head + 1) % d->queue_capacity;
        d->queue_count--;
        const sched_action *actions;
        size_t count;
        d->failed = sched_on_event(d->sched, &e, driver_now(d), &actions, &count);
        for (size_t i = 0; !d->failed && i < count; i++)
            doers[actions[i].kind](d, &actions[i]);
        if (e.kind == SCHED_DROP)
            stage_remove(d, e.stage);
        else if (e.kind == SCHED_FAILED)
            forget_error(d, e.attempt);
    }
    garbage_flush(d);
}
