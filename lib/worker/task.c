/* One request on this worker: finds plan, stage, store and memory for it, runs it, and leaves nothing behind if it
 * fails. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/path.h"
#include "worker/internal.h"

static int task_program(const task_request *q, sdf_error **err)
{
    const char *theirs = q->program_id ? q->program_id : "";
    if (strcmp(theirs, sdf_program_id()) == 0)
        return SDF_OK;
    error_set(err, SDF_E_PROGRAM, "this worker is program %s, the driver is program %.64s", sdf_program_id(),
              *theirs ? theirs : "(none)");
    error_hint(
        err, "the registered functions, their versions or types, or the application's version differ: deploy the same "
             "build to both");
    return SDF_E_PROGRAM;
}

/* The shared store of the configuration, or the one the request names, kept open for the next request. */
static int task_store(sdf_worker *w, task_run *t, sdf_error **err)
{
    const char *uri = t->request.store_uri;
    if (w->config.store) {
        t->env.store = w->config.store;
        return SDF_OK;
    }
    if (!uri || !*uri) {
        error_set(err, SDF_E_INVALID, "the request names no store, and this worker was given none");
        return SDF_E_INVALID;
    }
    if (!w->opened || strcmp(w->opened->uri, uri) != 0) {
        store *fresh = NULL;
        int rc = store_open(uri, &fresh, err);
        if (rc)
            return rc;
        store_unref(w->opened);
        w->opened = fresh;
    }
    t->env.store = w->opened;
    return SDF_OK;
}

static int task_stage(sdf_worker *w, task_run *t, sdf_error **err)
{
    const task_request *q = &t->request;
    known_plan *known = NULL;
    t->own_objects = true;
    int rc = plan_cache_get(&w->plans, q, t->env.store, &known, err);
    if (rc) {
        error_prefix(err, "plan %s", q->plan_hash);
        return rc;
    }
    t->own_objects = false;
    t->env.plan = known->plan;
    t->env.broadcasts = &known->broadcasts;
    t->env.broadcast = broadcasts_get;
    known->broadcasts.failed = false;
    t->env.stage = plan_find(t->env.plan, q->stage);
    if (!t->env.stage)
        return error_set(err, SDF_E_INVALID, "the plan %s has no stage %u", q->plan_hash, q->stage);
    const plan_stage *s = t->env.stage;
    if (q->task < s->first_task || q->task - s->first_task >= s->tasks)
        return error_set(err, SDF_E_INVALID, "stage %u has tasks %u to %llu, not %u", q->stage, s->first_task,
                         (unsigned long long)s->first_task + s->tasks - 1, q->task);
    return SDF_OK;
}

/* The scratch folder: made once, not for every task. */
static int task_scratch(sdf_worker *w, task_run *t, sdf_error **err)
{
    const char *dir = w->scratch_dir ? w->scratch_dir : t->request.scratch_dir;
    if (!dir || !*dir)
        return SDF_OK;
    t->env.scratch_dir = dir;
    if (w->scratch_made && strcmp(w->scratch_made, dir) == 0)
        return SDF_OK;
    int rc = path_make_dirs(dir, err);
    if (rc) {
        error_hint(err, "name a folder that workers can write to in the setting \"scratch_dir\", or none");
        return rc;
    }
    free(w->scratch_made);
    w->scratch_made = strdup(dir);
    return SDF_OK;
}

static void task_memory(const sdf_worker *w, task_run *t)
{
    uint64_t ours = w->config.memory, theirs = t->request.memory;
    uint64_t limit = !ours ? theirs : !theirs || ours < theirs ? ours : theirs;
    budget_init(&t->budget, limit ? limit : WORKER_MEMORY_DEFAULT);
    t->env.budget = &t->budget;
}

/* The index of what was written: in the reply, or beside the object if it is too large for that. */
static int task_index(task_run *t, sdf_error **err)
{
    const task_request *q = &t->request;
    sdf_slice index = buf_slice(&t->result.index);
    char name[TASK_NAME_MAX];
    t->reply.index = (sdf_slice){NULL, 0};
    if (index.size <= q->inline_limit) {
        t->reply.index = index;
        return SDF_OK;
    }
    int rc = task_env_check(&t->env, err);
    if (rc)
        return rc;
    task_name_side(name, q->context, q->stage, q->task, q->leg, q->attempt, "index");
    t->reply.index_name = strdup(name);
    if (!t->reply.index_name)
        return error_no_memory(err);
    t->env.metrics.store_writes++;
    return store_put_sealed(t->env.store, name, index.data, index.size, err);
}

int task_run_stage(sdf_worker *w, task_run *t, sdf_error **err)
{
    t->env.request = &t->request;
    t->env.clock = w->config.clock;
    t->env.cancelled = w->config.cancelled;
    task_memory(w, t);
    int rc = task_program(&t->request, err);
    if (!rc)
        rc = task_store(w, t, err);
    if (!rc)
        rc = task_stage(w, t, err);
    if (!rc)
        rc = task_pieces_get(t, err);
    if (!rc)
        rc = task_scratch(w, t, err);
    if (rc)
        return rc;
    rc = exec_run(&t->env, &t->reply, &t->result, err);
    t->own_objects = t->env.broadcasts->failed;
    /* An object that this call has not committed may be another call's of the same attempt. */
    bool committed = !rc || t->reply.object_bytes;
    rc = rc ? rc : task_index(t, err);
    if (rc && committed)
        task_run_undo(t);
    return rc;
}

void task_run_undo(task_run *t)
{
    const task_request *q = &t->request;
    char object[TASK_NAME_MAX], side[TASK_NAME_MAX];
    const char *names[] = {object, side};
    if (!t->env.store)
        return;
    task_name_object(object, q->context, q->stage, q->task, q->leg, q->attempt);
    task_name_side(side, q->context, q->stage, q->task, q->leg, q->attempt, "index");
    t->env.store->ops->remove(t->env.store->self, names, 2, NULL);
}

/* ---- probe ---- */

static void probe_nap(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

int task_run_probe(sdf_worker *w, task_run *t, int64_t deadline_ms, sdf_error **err)
{
    const task_request *q = &t->request;
    int64_t until = timebase_now(w->config.clock) + q->probe_sleep_ms;
    if (q->probe_bytes > WORKER_PROBE_MAX)
        return error_set(err, SDF_E_LIMIT, "a probe asks for %llu bytes; %u are the most",
                         (unsigned long long)q->probe_bytes, WORKER_PROBE_MAX);
    for (int64_t now; (now = timebase_now(w->config.clock)) < until;) {
        if (w->config.cancelled && __atomic_load_n(w->config.cancelled, __ATOMIC_RELAXED))
            return error_set(err, SDF_E_CANCELLED, "the probe was told to stop");
        if (deadline_ms && now >= deadline_ms)
            return error_set(err, SDF_E_TIMEOUT, "the probe would pass the deadline of its invocation");
        probe_nap(until - now < 10 ? until - now : 10);
    }
    if (buf_reserve(&t->extra, q->probe_echo.size + q->probe_bytes) ||
        buf_append(&t->extra, q->probe_echo.data, q->probe_echo.size))
        return error_no_memory(err);
    if (q->probe_bytes)
        memset(t->extra.data + t->extra.size, 0, q->probe_bytes);
    t->extra.size += q->probe_bytes;
    t->reply.probe = buf_slice(&t->extra);
    return SDF_OK;
}
