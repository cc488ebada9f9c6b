/* From a LAUNCH of the scheduler to an invocation: the request, made of the stage's plan, the task's pieces, its leg's
 * cuts and the stage's parameter. */
#include <stdlib.h>

#include "driver/internal.h"

#define PLAN_INLINE_MAX 4096 /* a larger plan goes through the store, once */

/* The cut before this leg, and, if the leg is run again, the one it must end at. */
static void launch_cuts(const stage *s, const sched_action *action, task_request *q)
{
    for (const commit *c = s->commits[action->task]; c; c = c->next) {
        if (c->leg + 1 == action->leg)
            q->cut_start = commit_get(c, COMMIT_CUT);
        if (c->leg == action->leg && action->rerun)
            q->cut_end = commit_get(c, COMMIT_CUT);
    }
}

static int launch_plan(driver *d, stage *s, task_request *q, sdf_error **err)
{
    plan_ref *p = s->plan;
    memcpy(q->plan_hash, p->hash, sizeof q->plan_hash);
    if (p->json.size <= PLAN_INLINE_MAX) {
        q->plan_inline = buf_slice(&p->json);
        return SDF_OK;
    }
    if (!p->stored) {
        char name[TASK_NAME_MAX];
        task_name_plan(name, d->config.context, p->hash);
        int rc = store_put(d->config.store, name, p->json.data, p->json.size, err);
        if (rc)
            return rc;
        p->stored = true;
    }
    return SDF_OK;
}

static void launch_limits(driver *d, const stage *s, const sched_action *action, task_request *q)
{
    int64_t now = driver_now(d);
    q->memory = d->slot_memory;
    q->block_bytes = d->block_bytes;
    q->inline_limit = d->config.inline_limit;
    if (d->limits.max_response && q->inline_limit > d->limits.max_response / 4)
        q->inline_limit = d->limits.max_response / 4;
    q->lease_ms = action->lease_ms ? now + action->lease_ms : 0;
    if (s->spec->resumable && !action->rerun) { /* a rerun ends where the leg ended */
        /* A platform that ends all invocations in time ends every attempt of a long task: cut before. */
        int64_t after = d->config.cut_after_ms ? d->config.cut_after_ms : d->limits.max_duration_ms / 4 * 3;
        q->cut_ms = after ? now + after : 0;
        q->cut_records = d->config.cut_records;
    }
    q->limit = s->limit;
}

static int launch_too_large(const driver *d, const task_request *q, const buf *out, sdf_error **err)
{
    error_set(err, SDF_E_LIMIT, "a request of stage %u has %zu bytes; the transport takes %llu", q->stage, out->size,
              (unsigned long long)d->limits.max_request);
    error_hint(err, "sort into fewer partitions or by shorter keys, or use a transport that takes more");
    return SDF_E_LIMIT;
}

/* A request above the transport's limit leaves what its task reads in the store. */
static int launch_shrink(driver *d, task_request *q, attempt *a, buf *out, sdf_error **err)
{
    char *name = a->pieces_name = malloc(TASK_NAME_MAX);
    if (!name)
        return error_no_memory(err);
    task_name_side(name, q->context, q->stage, q->task, q->leg, q->attempt, "pieces");
    buf list = BUF_EMPTY;
    int rc = task_pieces_encode(q, &list);
    rc = rc ? error_no_memory(err) : store_put_sealed(d->config.store, name, list.data, list.size, err);
    buf_free(&list);
    if (rc)
        return rc;
    q->pieces_name = name;
    q->piece_count = q->side_count = 0;
    buf_clear(out);
    if (task_request_encode(q, out))
        return error_no_memory(err);
    return out->size > d->limits.max_request ? launch_too_large(d, q, out, err) : SDF_OK;
}

static int launch_encode(driver *d, stage *s, const sched_action *action, attempt *a, task_request *q, sdf_error **err)
{
    launch_limits(d, s, action, q);
    launch_cuts(s, action, q);
    int rc = launch_plan(d, s, q, err);
    if (!rc)
        rc = pieces_fill(d, s, action->task, q, err);
    if (rc)
        return rc;
    if (task_request_encode(q, &a->request))
        return error_no_memory(err);
    if (d->limits.max_request && a->request.size > d->limits.max_request)
        return launch_shrink(d, q, a, &a->request, err);
    return SDF_OK;
}

static int launch_request(driver *d, stage *s, const sched_action *action, attempt *a, sdf_error **err)
{
    char token[OUTPUT_TOKEN_MAX];
    job_output_token(d, s, token);
    a->writes = *token;
    task_request q = {
        .kind = TASK_RUN,
        .context = d->config.context,
        .job = s->plan->job,
        .stage = s->id,
        .task = a->partition,
        .leg = action->leg,
        .attempt = action->attempt,
        .store_uri = d->config.store->uri,
        .scratch_dir = (char *)(d->config.scratch_dir ? d->config.scratch_dir : ""),
        .program_id = s->plan->plan->program_id,
        .output_token = token,
        .splitters = buf_slice(&s->splitters),
        .pieces_name = (char *)"",
    };
    int rc = launch_encode(d, s, action, a, &q, err);
    pieces_release(&q);
    return rc;
}

/* It never got to a worker. */
static void launch_failed(driver *d, attempt *a, sdf_error *error)
{
    sched_event e = {.failure = outcome_class(sdf_error_code(error))};
    error_where(&error, a->stage, a->partition, (int64_t)a->id);
    jobs_count(d, a->stage, &(driver_totals){.failed_attempts = 1});
    attempt_emit_failed(d, a, error, e.failure);
    attempt_failed(d, a, &e, error);
}

void launch_attempt(driver *d, const sched_action *action)
{
    sdf_error *error = NULL;
    stage *s = stage_find(d, action->stage);
    attempt *a = attempt_add(d, action->attempt);
    if (!a) {
        sched_event e = {.kind = SCHED_FAILED, .attempt = action->attempt, .failure = FAILURE_MEMORY};
        push_event(d, &e);
        return;
    }
    a->stage = action->stage;
    a->task = a->partition = action->task;
    a->leg = action->leg;
    if (!s || !s->spec) {
        error_set(&error, SDF_E_INTERNAL, "stage %u can't be launched", action->stage);
        launch_failed(d, a, error);
        return;
    }
    a->partition += s->spec->first_task;
    int rc = launch_request(d, s, action, a, &error);
    if (!rc) {
        sdf_slice request = buf_slice(&a->request);
        rc = d->config.transport->ops->submit(d->config.transport->self, a->id, &request, action->lease_ms, &error);
    }
    if (rc == SDF_E_BUSY) {
        sched_event e = {.kind = SCHED_REFUSED, .attempt = action->attempt};
        sdf_error_free(error);
        attempt_remove(d, a);
        push_event(d, &e);
        return;
    }
    if (rc) {
        if (!error)
            error_set(&error, rc, "the transport did not take a task and gave no reason");
        launch_failed(d, a, error);
        return;
    }
    a->ran = true;
    jobs_count(d, s->id, &(driver_totals){.attempts = 1});
    sched_event e = {.kind = SCHED_STARTED, .attempt = action->attempt};
    push_event(d, &e);
}
