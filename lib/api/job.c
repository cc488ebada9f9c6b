/* Jobs: planned on the host's thread, handed to the driver thread, waited for. What an action wants of a job is in
 * action.c. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/internal.h"

/* ---- life ---- */

void api_job_unref(sdf_job *job)
{
    if (--job->refs)
        return;
    if (job->fd >= 0)
        close(job->fd);
    sdf_error_free(job->error);
    sdf_error_free(job->part_error);
    free(job);
}

static void job_link(sdf_context *c, sdf_job *job)
{
    job->next = c->jobs;
    if (job->next)
        job->next->previous = job;
    c->jobs = job;
}

static void job_unlink(sdf_context *c, sdf_job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        c->jobs = job->next;
    if (job->next)
        job->next->previous = job->previous;
}

void api_job_detach(sdf_job *job)
{
    job->context = NULL;
    job->node = NULL; /* the context frees all nodes */
}

static int cancel_on_driver(sdf_context *c, void *arg, sdf_error **err)
{
    driver_cancel(c->driver, *(uint32_t *)arg);
    return SDF_OK;
}

static bool job_runs(sdf_job *job)
{
    sdf_context *c = job->context;
    if (!c)
        return false;
    pthread_mutex_lock(&c->lock);
    bool runs = !job->done;
    pthread_mutex_unlock(&c->lock);
    return runs;
}

void sdf_job_cancel(sdf_job *job)
{
    if (job && job_runs(job))
        context_call(job->context, cancel_on_driver, &job->id, NULL);
}

void sdf_job_free(sdf_job *job)
{
    if (!job)
        return;
    sdf_job_cancel(job);
    sdf_context *c = job->context;
    sdf_result_free(job->result);
    if (!c) {
        api_job_unref(job);
        return;
    }
    pthread_mutex_lock(&c->lineage);
    node_unref(job->node, context_drop_stage, c);
    pthread_mutex_unlock(&c->lineage);
    pthread_mutex_lock(&c->lock);
    job_unlink(c, job);
    api_job_unref(job);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the driver thread's side ---- */

static void on_part(void *user, const driver_part *part)
{
    sdf_job *job = user;
    if (!job->part_error && result_add(job->sink, part, &job->part_error))
        job->context->spoiled = true;
}

static void on_done(void *user, int status, sdf_error *err, const driver_totals *totals, uint64_t records)
{
    sdf_job *job = user;
    if (job->part_error && (!status || status == SDF_E_CANCELLED)) {
        sdf_error_free(err);
        err = job->part_error;
        status = sdf_error_code(err);
        job->part_error = NULL;
    }
    if (status && !err)
        error_set(&err, status, "job %u failed and gave no reason", job->id);
    job->status = status;
    job->error = err;
    job->totals = *totals;
    job->records = records;
    job->elapsed_ms = (uint64_t)(timebase_monotonic_us() - job->started_us) / 1000;
    context_job_ended(job->context, job);
}

typedef struct submission {
    planned *planned;
    sdf_job *job;
    const char *label;
    const job_spec *spec;
} submission;

/* The records of sources from memory, before the first job that reads them. The host's thread waits and holds the
 * lineage lock. */
static int add_objects(sdf_context *c, const planned *p, sdf_error **err)
{
    int rc = SDF_OK;
    for (uint32_t i = 0; i < p->parallelize_count && !rc; i++) {
        node *source = p->parallelize[i];
        if (!source->data.size)
            continue;
        rc = driver_add_object(c->driver, source->stages[0], source->data.data, source->data.size, err);
        if (rc)
            error_at(err, NULL, source->label);
        else
            buf_free(&source->data); /* the store has it */
    }
    return rc;
}

static int submit_on_driver(sdf_context *c, void *arg, sdf_error **err)
{
    submission *s = arg;
    sdf_job *job = s->job;
    plan *p = s->planned->plan;
    int rc = add_objects(c, s->planned, err);
    rc = rc ? rc : driver_add_plan(c->driver, p, s->planned->pieces, err);
    if (rc)
        return rc;
    s->planned->plan = NULL;
    s->planned->pieces = NULL;
    driver_job wish = {.id = job->id,
                       .stage = job->target,
                       .label = s->label,
                       .limit = s->spec->limit,
                       .output_uri = s->spec->action.uri,
                       .output_single = s->spec->action.single,
                       .part = job->sink ? on_part : NULL,
                       .done = on_done,
                       .user = job};
    rc = driver_submit(c->driver, &wish, err);
    if (rc) {
        for (uint32_t i = 0; i < p->stage_count; i++) /* they go in the next step; the plan goes with them */
            driver_drop_stage(c->driver, p->stages[i].id);
        return rc;
    }
    for (uint32_t i = 0; i < s->planned->scratch_count; i++)
        driver_drop_stage(c->driver, s->planned->scratch[i]); /* goes with the job */
    if (job->output != PLAN_OUTPUT_RESULT)
        driver_drop_stage(c->driver, job->target);
    pthread_mutex_lock(&c->lock);
    job->refs++;
    job_link(c, job);
    for (uint32_t i = c->lost_count; i-- > 0;) /* lost while this job was planned: it goes on with them as they are */
        if (driver_job_needs(c->driver, job->id, c->lost[i]))
            c->lost[i] = c->lost[--c->lost_count];
    pthread_mutex_unlock(&c->lock);
    return SDF_OK;
}

/* ---- the host's side ---- */

static uint32_t exchange_levels(const char *setting)
{
    return !strcmp(setting, "one") ? 1 : !strcmp(setting, "two") ? 2 : 0;
}

planner_config context_planner(sdf_context *c)
{
    return (planner_config){.partitions = c->default_partitions,
                            .split_bytes = c->settings.split_bytes,
                            .concurrency = c->concurrency,
                            .broadcast_bytes = c->settings.broadcast_bytes,
                            .table_bytes = c->table_bytes,
                            .exchange = exchange_levels(c->settings.exchange),
                            .scope = c->workers,
                            .compression = c->settings.compression,
                            .program_id = sdf_program_id(),
                            .broadcasts = c->broadcasts,
                            .broadcast_count = c->broadcast_count,
                            .next_stage = &c->next_stage};
}

/* Stages that a failed job left half done stand for their nodes no longer. */
static int forget_lost(sdf_context *c, node *target, sdf_error **err)
{
    pthread_mutex_lock(&c->lock);
    uint32_t count = c->lost_count;
    uint32_t *lost = count ? malloc(count * sizeof *lost) : NULL;
    if (lost)
        memcpy(lost, c->lost, count * sizeof *lost);
    pthread_mutex_unlock(&c->lock);
    int rc =
        count && (!lost || node_forget(target, lost, count, context_drop_stage, c)) ? error_no_memory(err) : SDF_OK;
    free(lost);
    return rc;
}

static sdf_job *job_new(sdf_context *c, const planned *p, plan_output_kind output)
{
    sdf_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->context = c;
    job->refs = 1;
    job->fd = -1;
    job->id = c->next_job++;
    job->target = p->target;
    job->output = output;
    job->started_us = timebase_monotonic_us();
    return job;
}

static int job_sink(sdf_context *c, sdf_job *job, const node *target, const planned *p)
{
    const plan_stage *last = &p->plan->stages[p->plan->stage_count - 1];
    job->result = result_new(c, target->key_type, target->value_type, last->first_task, last->tasks);
    if (!job->result)
        return SDF_E_NO_MEMORY;
    job->result->stages[job->result->stage_count++] = job->target;
    job->sink = job->result;
    return SDF_OK;
}

static int job_hand_over(sdf_context *c, sdf_job *job, node *target, planned *p, const job_spec *spec, sdf_error **err)
{
    buf label = BUF_EMPTY;
    if (buf_printf(&label, "%s of %s%c", spec->name, target->label, 0) ||
        (spec->action.output == PLAN_OUTPUT_RESULT && job_sink(c, job, target, p))) {
        buf_free(&label);
        return error_no_memory(err);
    }
    submission s = {.planned = p, .job = job, .label = (char *)label.data, .spec = spec};
    int rc = context_call(c, submit_on_driver, &s, err);
    buf_free(&label);
    if (rc)
        return rc;
    planned_commit(p);
    job->node = node_ref(target);
    return SDF_OK;
}

int api_job_submit(sdf_context *c, node *target, const job_spec *spec, uint32_t *partitions, sdf_job **out,
                   sdf_error **err)
{
    planned p;
    sdf_job *job = NULL;
    pthread_mutex_lock(&c->lineage);
    planner_config config = context_planner(c);
    int rc = forget_lost(c, target, err);
    rc = rc ? rc : planner_plan(target, &spec->action, &config, &p, err);
    if (!rc) {
        if (partitions)
            *partitions = p.partitions;
        job = job_new(c, &p, spec->action.output);
        rc = job ? job_hand_over(c, job, target, &p, spec, err) : error_no_memory(err);
        planned_clear(&p);
    }
    pthread_mutex_unlock(&c->lineage);
    if (!rc) {
        *out = job;
        return SDF_OK;
    }
    if (job) { /* it was never linked, and the driver knows nothing of it */
        sdf_result_free(job->result);
        api_job_unref(job);
    }
    return rc;
}

/* ---- waiting ---- */

int api_job_status(const sdf_job *job, sdf_error **err)
{
    if (job->status && err)
        *err = error_copy(job->error);
    return job->status;
}

int api_job_wait(sdf_job *job, int64_t timeout_ms, sdf_error **err)
{
    sdf_context *c = job->context;
    int64_t deadline = -1;
    if (timeout_ms >= 0)
        deadline = timebase_monotonic_us() + (timeout_ms < INT64_MAX / 2000 ? timeout_ms * 1000 : INT64_MAX / 2);
    for (bool more = true;;) {
        context_deliver(c);
        pthread_mutex_lock(&c->lock);
        bool done = job->done, events = c->events_wait;
        if (!done && !events && more)
            more = timeout_ms != 0 && context_wait(c, deadline);
        else if (!done && !events)
            timeout_ms = -2; /* it is over */
        pthread_mutex_unlock(&c->lock);
        if (done && !events)
            return api_job_status(job, err);
        if (timeout_ms == -2)
            return SDF_E_TIMEOUT;
    }
}

int sdf_job_wait(sdf_job *job, int64_t timeout_ms, sdf_error **err)
{
    if (!job)
        return error_set(err, SDF_E_INVALID, "sdf_job_wait: the job is NULL");
    int rc = context_enter(job->context, "sdf_job_wait", err);
    return rc ? rc : api_job_wait(job, timeout_ms, err);
}

int sdf_job_poll(sdf_job *job, sdf_error **err)
{
    return sdf_job_wait(job, 0, err);
}

int sdf_job_fd(sdf_job *job)
{
    if (!job || !job->context)
        return -1;
    sdf_context *c = job->context;
    pthread_mutex_lock(&c->lock);
    if (job->fd < 0)
        job->fd = eventfd(job->done || c->events_wait, EFD_CLOEXEC | EFD_NONBLOCK);
    int fd = job->fd;
    pthread_mutex_unlock(&c->lock);
    return fd;
}

/* ---- what came of it ---- */

static int check_done(sdf_job *job, const char *what, sdf_error **err)
{
    if (!job)
        return error_set(err, SDF_E_INVALID, "%s: the job is NULL", what);
    if (job_runs(job)) {
        error_set(err, SDF_E_BUSY, "%s: the job still runs", what);
        error_hint(err, "call sdf_job_wait first");
        return SDF_E_BUSY;
    }
    return api_job_status(job, err);
}

int sdf_job_count(sdf_job *job, uint64_t *count, sdf_error **err)
{
    int rc = check_done(job, "sdf_job_count", err);
    if (rc)
        return rc;
    if (!count)
        return error_set(err, SDF_E_INVALID, "sdf_job_count: no place for the count");
    *count = job->records;
    return SDF_OK;
}

int sdf_job_result(sdf_job *job, sdf_result **result, sdf_error **err)
{
    int rc = check_done(job, "sdf_job_result", err);
    if (rc)
        return rc;
    if (!result || !job->result)
        return error_set(err, SDF_E_INVALID, "sdf_job_result: %s",
                         !result                             ? "no place for the result"
                         : job->output == PLAN_OUTPUT_RESULT ? "the result was taken already"
                                                             : "this action gives no records");
    *result = job->result;
    job->result = NULL;
    return SDF_OK;
}

int sdf_job_metric(sdf_job *job, const char *name, uint64_t *value)
{
    if (!job || !name || !value)
        return SDF_E_INVALID;
    static const driver_totals none = {0};
    bool over = !job_runs(job);
    return metric_find(name, over ? &job->totals : &none, over ? job->elapsed_ms : 0, value);
}
