/* The worker as a function: a request's bytes in, a reply's bytes out, whatever happens in between. Keeps what is worth
 * keeping warm: decoded plans, the open store, the reply's memory. No thread, transfer or timer outlives an invocation.
 */
#include "worker/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/error.h"
#include "spec/registry.h"
#include "worker/internal.h"

int worker_new(const worker_config *config, sdf_worker **out, sdf_error **err)
{
    int rc = exec_register_builtins(err);
    if (rc || (rc = registry_freeze(err)))
        return rc;
    sdf_worker *w = calloc(1, sizeof *w);
    if (!w)
        return error_no_memory(err);
    w->config = *config;
    if (!w->config.clock)
        w->config.clock = &timebase_real;
    if (config->scratch_dir && *config->scratch_dir)
        w->scratch_dir = strdup(config->scratch_dir);
    if (config->store)
        store_ref(config->store);
    if (buf_reserve(&w->reply, WORKER_REPLY_SPARE) ||
        (config->scratch_dir && *config->scratch_dir && !w->scratch_dir)) {
        sdf_worker_close(w);
        return error_no_memory(err);
    }
    *out = w;
    return SDF_OK;
}

int sdf_worker_open(const char *store_uri, uint64_t memory, const char *scratch_dir, sdf_worker **worker,
                    sdf_error **err)
{
    worker_config config = {.memory = memory, .scratch_dir = scratch_dir};
    if (!worker)
        return error_set(err, SDF_E_INVALID, "sdf_worker_open needs a place for the worker");
    if (store_uri && *store_uri) {
        int rc = store_open(store_uri, &config.store, err);
        if (rc)
            return rc;
    }
    int rc = worker_new(&config, worker, err);
    store_unref(config.store);
    return rc;
}

void sdf_worker_close(sdf_worker *w)
{
    if (!w)
        return;
    plan_cache_clear(&w->plans);
    store_unref(w->opened);
    store_unref(w->config.store);
    free(w->scratch_dir);
    free(w->scratch_made);
    buf_free(&w->reply);
    free(w);
}

static uint64_t thread_cpu_us(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t))
        return 0;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t worker_peak_rss(sdf_worker *w, int64_t now_us)
{
    struct rusage usage;
    if (w->rss_at_us && now_us - w->rss_at_us < WORKER_RSS_EVERY_US)
        return w->peak_rss;
    w->rss_at_us = now_us;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        w->peak_rss = (uint64_t)usage.ru_maxrss * 1024;
    return w->peak_rss;
}

static void reply_ids(task_run *t)
{
    task_reply *r = &t->reply;
    const task_request *q = &t->request;
    r->kind = q->kind ? q->kind : TASK_RUN;
    r->job = q->job;
    r->stage = q->stage;
    r->task = q->task;
    r->leg = q->leg;
    r->attempt = q->attempt;
    memcpy(r->program_id, sdf_program_id(), sizeof r->program_id);
}

/* A failed attempt's reply carries why, and nothing of what it made. */
static void reply_failed(task_run *t, int code, sdf_error *error)
{
    task_reply failed = {.error = error, .failure = failure_of(t, code, error)};
    task_reply_clear(&t->reply);
    t->reply = failed;
    reply_ids(t);
    t->reply.bad_stage = t->env.bad_stage;
    t->reply.bad_task = t->env.bad_task;
    t->reply.bad_leg = t->env.bad_leg;
    t->reply.bad_attempt = t->env.bad_attempt;
}

static int worker_encode(sdf_worker *w, const task_reply *r)
{
    buf_clear(&w->reply);
    if (!w->reply.capacity && buf_reserve(&w->reply, WORKER_REPLY_SPARE))
        return SDF_E_NO_MEMORY;
    return task_reply_encode(r, &w->reply);
}

static void worker_run(sdf_worker *w, task_run *t, const sdf_slice *request, int64_t deadline_ms)
{
    sdf_error *error = NULL;
    int rc = task_request_decode(request->data, request->size, &t->request, &error);
    if (rc)
        memset(&t->request, 0, sizeof t->request); /* decode has freed what it had; nothing of it counts */
    if (!rc && deadline_ms > 0 && (t->request.lease_ms <= 0 || t->request.lease_ms > deadline_ms))
        t->request.lease_ms = deadline_ms;
    if (rc)
        t->own_objects = true;
    else if (t->request.kind == TASK_PROBE)
        rc = task_run_probe(w, t, deadline_ms, &error);
    else
        rc = task_run_stage(w, t, &error);
    if (!rc) {
        reply_ids(t);
        return;
    }
    if (!error)
        error_set(&error, rc, "the task failed with %s", sdf_status_name(rc));
    if (t->request.attempt)
        error_where(&error, t->request.stage, t->request.task, (int64_t)t->request.attempt);
    reply_failed(t, rc, error);
}

/* Encodes the reply; if there is no memory for it, one that says so and fits what is always there. */
static int worker_reply(sdf_worker *w, task_run *t)
{
    sdf_error *error = NULL;
    if (worker_encode(w, &t->reply) == SDF_OK)
        return SDF_OK;
    if (t->reply.failure == FAILURE_NONE && t->request.kind == TASK_RUN)
        task_run_undo(t);
    reply_failed(t, error_no_memory(&error), error);
    return worker_encode(w, &t->reply);
}

static void task_run_clear(task_run *t)
{
    exec_result_free(&t->result);
    buf_free(&t->extra);
    task_reply_clear(&t->reply);
    task_request_clear(&t->request);
}

int sdf_worker_invoke(sdf_worker *w, const sdf_slice *request, int64_t deadline_ms, sdf_slice *response,
                      sdf_error **err)
{
    if (!w || !request || !response || (request->size && !request->data))
        return error_set(err, SDF_E_INVALID,
                         "sdf_worker_invoke needs a worker, a request and a place for the response");
    if (atomic_exchange(&w->busy, true))
        return error_set(err, SDF_E_BUSY, "this worker runs a task already: use one worker per thread");
    if (w->reply.capacity > WORKER_REPLY_KEPT)
        buf_free(&w->reply);
    int64_t began = timebase_monotonic_us();
    uint64_t cpu = thread_cpu_us();
    task_run t;
    memset(&t, 0, sizeof t);
    worker_thread_enter();
    worker_run(w, &t, request, deadline_ms);
    worker_thread_leave();
    int64_t ended = timebase_monotonic_us();
    t.env.metrics.wall_us = (uint64_t)(ended - began);
    t.env.metrics.cpu_us = thread_cpu_us() - cpu;
    t.env.metrics.peak_rss = worker_peak_rss(w, ended);
    t.env.metrics.peak_memory = t.budget.peak;
    t.reply.metrics = t.env.metrics;
    int rc = worker_reply(w, &t);
    task_run_clear(&t);
    if (rc == SDF_OK)
        *response = buf_slice(&w->reply);
    else
        error_no_memory(err);
    atomic_store(&w->busy, false);
    return rc;
}
