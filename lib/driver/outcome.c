/* What comes back from an invocation, as events for the scheduler. */
#include <stddef.h>
#include <stdlib.h>

#include "driver/internal.h"

failure_class outcome_class(int status)
{
    switch (status) {
    case SDF_OK:
        return FAILURE_NONE;
    case SDF_E_THROTTLED:
        return FAILURE_THROTTLED;
    case SDF_E_TIMEOUT:
        return FAILURE_TIMEOUT;
    case SDF_E_NO_MEMORY:
        return FAILURE_MEMORY;
    case SDF_E_LOST:
    case SDF_E_CANCELLED:
        return FAILURE_LOST;
    case SDF_E_USER:
        return FAILURE_USER;
    case SDF_E_IO:
    case SDF_E_BUSY:
    case SDF_E_NO_SPACE: /* what fills it may go */
    case SDF_E_CORRUPT:  /* of a reply: the next one may come whole */
        return FAILURE_TRANSIENT;
    default:
        return FAILURE_FATAL;
    }
}

/* Was it begun for an output that is over by now? Then that may be why it failed, and the next attempt, which another
 * job needs, won't try to write there. */
static bool output_is_over(const driver *d, const attempt *a)
{
    char token[OUTPUT_TOKEN_MAX];
    const stage *s = a->writes ? stage_find(d, a->stage) : NULL;
    if (!s || !s->spec)
        return false;
    job_output_token(d, s, token);
    return !*token;
}

/* The attempt came to nothing. `r` says more when the worker itself did (else NULL). Takes error. */
static void outcome_failed(driver *d, attempt *a, failure_class failure, sdf_error *error, const task_reply *r)
{
    sched_event e = {.failure = output_is_over(d, a) ? FAILURE_THROTTLED : failure}; /* it costs no retry */
    if (r) {
        e.bad_stage = r->bad_stage;
        e.bad_task = r->bad_task;
        e.bad_leg = r->bad_leg;
        e.bad_attempt = r->bad_attempt;
        e.throttled = (uint32_t)r->metrics.store_throttled;
    }
    if (!error)
        error_set(&error, SDF_E_INTERNAL, "a task failed and gave no reason");
    error_where(&error, a->stage, a->partition, (int64_t)a->id);
    if (!a->stopped) { /* else it was not wanted any more, or was told of as lost */
        jobs_count(d, a->stage, &(driver_totals){.failed_attempts = 1});
        attempt_emit_failed(d, a, error, failure);
    }
    attempt_failed(d, a, &e, error);
}

/* Is all there that the stage's consumers, or its output, will need? What isn't would be lost without a word. */
static int reply_whole(const stage *s, const task_reply *r, const commit *c, sdf_error **err)
{
    if (!s || !s->spec)
        return SDF_OK;
    const plan_output *out = &s->spec->output;
    if (commit_text(c, COMMIT_ERRORS_TEMP) && !commit_text(c, COMMIT_ERRORS_FINAL))
        return error_set(err, SDF_E_CORRUPT, "it does not say where the records that task %u diverted belong", r->task);
    if (out->kind == PLAN_OUTPUT_SHUFFLE)
        return stage_check_index(s, c, err);
    if (out->kind == PLAN_OUTPUT_FILE &&
        !(commit_text(c, COMMIT_FILE_TEMP) && (out->single || commit_text(c, COMMIT_FILE_FINAL))))
        return error_set(err, SDF_E_CORRUPT, "it names no file that task %u has written", r->task);
    return SDF_OK;
}

static void outcome_replied(driver *d, attempt *a, task_reply *r, const char *log)
{
    task_metrics *m = &d->totals.tasks_metrics;
    if (r->metrics.peak_memory > m->peak_memory)
        m->peak_memory = r->metrics.peak_memory;
    if (r->metrics.peak_rss > m->peak_rss)
        m->peak_rss = r->metrics.peak_rss;
    if (r->failure != FAILURE_NONE) {
        sdf_error *error = r->error;
        r->error = NULL;
        if (log && *log)
            error_log_tail(&error, log);
        outcome_failed(d, a, r->failure, error, r);
        return;
    }
    sdf_error *error = NULL;
    int rc = commit_new(d, r, &a->candidate, &error);
    if (!rc)
        rc = reply_whole(stage_find(d, a->stage), r, a->candidate, &error);
    if (rc) { /* whatever became of its index: the next attempt makes another, but no smaller reply */
        error_prefix(&error, "reply of a worker");
        outcome_failed(d, a, rc == SDF_E_LIMIT ? FAILURE_FATAL : FAILURE_TRANSIENT, error, NULL);
        return;
    }
    a->candidate->leg = a->leg;
    a->metrics = r->metrics;
    attempt_answered(d, a);
    sched_event e = {.kind = SCHED_COMMITTED,
                     .attempt = a->id,
                     .fingerprint = r->fingerprint,
                     .cut = r->cut.size > 0,
                     .throttled = (uint32_t)r->metrics.store_throttled};
    push_event(d, &e);
}

static bool reply_fits(const attempt *a, const task_reply *r)
{
    return r->kind == TASK_RUN && r->attempt == a->id && r->stage == a->stage && r->task == a->partition &&
           r->leg == a->leg;
}

/* Transports of an older version end the struct before it. */
static bool has_hint(const sdf_invocation_result *result)
{
    return result->struct_size >= offsetof(sdf_invocation_result, hint) + sizeof result->hint && result->hint &&
           *result->hint;
}

void outcome_done(void *host, const sdf_invocation_result *result)
{
    driver *d = host;
    attempt *a = attempt_find(d, result->id);
    if (!a || a->answered)
        return; /* doubled or forgotten: its data goes with the attempt's DISCARD */
    if (a->discarded) {
        attempt_remove(d, a);
        return;
    }
    a->ran = result->status != SDF_E_THROTTLED;
    sdf_error *error = NULL;
    if (result->status != SDF_OK) {
        error_set(&error, result->status, "%s",
                  result->message && *result->message ? result->message : "the transport lost the task");
        if (has_hint(result))
            error_hint(&error, "%s", result->hint);
        if (result->log && *result->log)
            error_log_tail(&error, result->log);
        outcome_failed(d, a, outcome_class(result->status), error, NULL);
        return;
    }
    task_reply r;
    int rc = task_reply_decode(result->response.data, result->response.size, &r, &error);
    if (rc) {
        error_prefix(&error, "reply of a worker");
        outcome_failed(d, a, rc == SDF_E_VERSION ? FAILURE_FATAL : FAILURE_TRANSIENT, error, NULL);
        return;
    }
    if (!reply_fits(a, &r)) {
        /* A request that was cut short on its way is answered without ids: that answer says why. */
        error = r.error;
        r.error = NULL;
        if (!error)
            error_set(&error, SDF_E_CORRUPT, "a worker answered for stage %u task %u attempt %llu instead", r.stage,
                      r.task, (unsigned long long)r.attempt);
        bool why = r.failure != FAILURE_NONE && r.failure != FAILURE_UPSTREAM;
        outcome_failed(d, a, why ? r.failure : FAILURE_TRANSIENT, error, NULL);
    } else {
        outcome_replied(d, a, &r, result->log);
    }
    task_reply_clear(&r);
}
