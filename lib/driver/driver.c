/* The driver's life: made, fed with plans, stepped, freed. */
#include <stdlib.h>

#include "driver/internal.h"
#include <sdf/function.h>

#include "base/hash.h"
#include "shuffle/object.h"

int64_t driver_now(const driver *d)
{
    return timebase_now(d->config.clock);
}

void driver_emit(driver *d, sdf_event *e)
{
    if (!d->config.on_event) {
        event_free(e);
        return;
    }
    event_number(e, "time_ms", driver_now(d));
    d->config.on_event(d->config.user, e);
}

static void host_warn(void *host, const char *message)
{
    sdf_event *e = event_new(SDF_EVENT_WARNING);
    if (!e)
        return;
    event_message(e, message);
    driver_emit(host, e);
}

static const char *scope_name(uint32_t scope)
{
    return scope == SDF_SCOPE_PROCESS ? "this process" : scope == SDF_SCOPE_HOST ? "this machine" : "any machine";
}

static int check_scope(const driver *d, sdf_error **err)
{
    uint32_t reach = store_scope(d->config.store);
    if (reach >= d->limits.scope)
        return SDF_OK;
    error_set(err, SDF_E_SCOPE,
              "workers of \"%s\" can't reach the store \"%s\": it is seen by %s only, and they run on %s",
              d->config.transport->uri, d->config.store->uri, scope_name(reach),
              d->limits.scope == SDF_SCOPE_HOST ? "this machine in processes of their own" : "other machines");
    error_hint(err, d->limits.scope == SDF_SCOPE_HOST
                        ? "use a store such as file:DIR, or the transport threads:N"
                        : "use a store that all of them reach, or file:DIR?shared=1 on a shared mount");
    return SDF_E_SCOPE;
}

/* Blocks are small enough that a merge of many runs fits a small slot, and large enough to compress well in a large
 * one. */
static uint32_t choose_block_bytes(uint64_t slot_memory)
{
    uint64_t bytes = slot_memory / 512;
    return bytes < 8192 ? 8192 : bytes > (128u << 10) ? 128u << 10 : (uint32_t)bytes;
}

static int driver_start(driver *d, sdf_error **err)
{
    const transport *t = d->config.transport;
    d->limits.struct_size = sizeof d->limits;
    int rc = t->ops->limits(t->self, &d->limits, err);
    if (!rc)
        rc = check_scope(d, err);
    if (rc)
        return rc;
    uint32_t slots = d->limits.slots_per_process ? d->limits.slots_per_process : 1;
    d->slot_memory = d->config.memory / slots;
    d->block_bytes = d->config.block_bytes ? d->config.block_bytes : choose_block_bytes(d->slot_memory);
    if (!d->config.sched.concurrency || d->config.sched.concurrency > d->limits.concurrency)
        d->config.sched.concurrency = d->limits.concurrency;
    if (d->limits.max_duration_ms &&
        (!d->config.sched.task_timeout_ms || d->config.sched.task_timeout_ms > d->limits.max_duration_ms))
        d->config.sched.task_timeout_ms = d->limits.max_duration_ms;
    d->sched = sched_new(&d->config.sched);
    if (!d->sched)
        return error_no_memory(err);
    d->host = (sdf_transport_host){
        .struct_size = sizeof d->host,
        .host = d,
        .done = outcome_done,
        .warn = host_warn,
        .memory = d->config.memory,
        .scratch_dir = d->config.scratch_dir,
        .store_uri = d->config.store->uri,
        .store = d->config.store,
        .program_id = sdf_program_id(),
    };
    return t->ops->start(t->self, &d->host, err);
}

int driver_new(const driver_config *config, driver **out, sdf_error **err)
{
    driver *d = calloc(1, sizeof *d);
    if (!d)
        return error_no_memory(err);
    d->config = *config;
    int rc = driver_start(d, err);
    if (rc) {
        sched_free(d->sched);
        free(d);
        return rc;
    }
    *out = d;
    return SDF_OK;
}

/* ---- plans and stages ---- */

static int plan_ref_new(plan *p, plan_ref **out, sdf_error **err)
{
    plan_ref *ref = calloc(1, sizeof *ref);
    if (!ref)
        return error_no_memory(err);
    int rc = plan_encode(p, &ref->json, err);
    if (rc) {
        buf_free(&ref->json);
        free(ref);
        return rc;
    }
    hash_hex128(ref->json.data, ref->json.size, ref->hash);
    ref->plan = p;
    ref->refs = 1;
    *out = ref;
    return SDF_OK;
}

static int schedule_stage(driver *d, const stage *s, sdf_error **err)
{
    const plan_stage *spec = s->spec;
    sched_stage x = {
        .id = s->id, .tasks = s->tasks, .done = !spec, .parents = s->parents, .parent_count = s->parent_count};
    if (spec) {
        x.bind = s->indexes ? 0 : spec->bound_by; /* what an index begins at is read off its parent at each launch */
        x.publishes = spec->output.kind == PLAN_OUTPUT_RESULT;
    }
    int rc = sched_add_stage(d->sched, &x);
    return rc ? error_set(err, rc, "stage %u can't be scheduled", s->id) : SDF_OK;
}

static int add_stage(driver *d, uint32_t id, uint32_t tasks, const plan_stage *spec, plan_ref *ref, stage **s,
                     sdf_error **err)
{
    int rc = stage_new(d, id, tasks, spec, ref, s, err);
    if (!rc && (rc = schedule_stage(d, *s, err)))
        stage_remove(d, id);
    return rc;
}

int driver_add_plan(driver *d, plan *p, stage_pieces *pieces, sdf_error **err)
{
    plan_ref *ref = NULL;
    stage *s;
    int rc = plan_ref_new(p, &ref, err);
    if (rc)
        return rc;
    uint32_t added = 0;
    for (; added < p->stage_count && !rc; added++) {
        const plan_stage *spec = &p->stages[added];
        for (uint32_t b = 0; b < spec->branch_count; b++)
            plan_number_leaves(&spec->branches[b]);
        rc = add_stage(d, spec->id, spec->tasks, spec, ref, &s, err);
    }
    if (rc) {
        for (uint32_t i = 0; i + 1 < added; i++) {
            stage_find(d, p->stages[i].id)->spec = NULL; /* the plan is the caller's still */
            driver_drop_stage(d, p->stages[i].id);
        }
        ref->plan = NULL;
        plan_ref_drop(d, ref);
        return rc;
    }
    for (uint32_t i = 0; pieces && i < p->stage_count; i++)
        stage_find(d, p->stages[i].id)->pieces = pieces[i];
    free(pieces);
    plan_ref_drop(d, ref);
    return SDF_OK;
}

/* The object's own index, as the one commit of the stage's one task. */
static int install_object(driver *d, stage *s, const void *object, size_t size, sdf_error **err)
{
    object_ids ids = {d->config.context, s->id, 0, 0, 0};
    shuffle_index x;
    int rc = object_read_index(object, size, &ids, &x, err);
    if (rc)
        return rc;
    s->partitions = x.partitions;
    buf encoded = BUF_EMPTY;
    commit *c = NULL;
    rc = shuffle_index_encode(&x, &encoded);
    if (rc) {
        error_no_memory(err);
    } else {
        task_reply r = {.index = buf_slice(&encoded), .object_bytes = size};
        rc = commit_new(d, &r, &c, err);
    }
    if (!rc)
        stage_install(d, s, 0, c);
    shuffle_index_clear(&x);
    buf_free(&encoded);
    return rc;
}

int driver_add_object(driver *d, uint32_t id, const void *object, size_t size, sdf_error **err)
{
    char name[TASK_NAME_MAX];
    task_name_object(name, d->config.context, id, 0, 0, 0);
    stage *s;
    int rc = stage_new(d, id, 1, NULL, NULL, &s, err);
    if (rc)
        return rc;
    rc = install_object(d, s, object, size, err);
    if (!rc)
        rc = store_put(d->config.store, name, object, size, err);
    if (!rc)
        rc = schedule_stage(d, s, err);
    if (rc)
        stage_remove(d, id);
    return rc;
}

void driver_drop_stage(driver *d, uint32_t id)
{
    stage *s = stage_find(d, id);
    if (!s)
        return;
    s->unneeded = true;
    if (jobs_need(d, id))
        return;
    /* The record goes once the DISCARDs of its commits, which need it, are done: see pump. */
    sched_event e = {.kind = SCHED_DROP, .stage = id};
    push_event(d, &e);
}

/* ---- broadcasts: removed with the context's prefix at the latest ---- */

int driver_put_broadcast(driver *d, uint32_t id, const void *data, size_t size, sdf_error **err)
{
    char name[TASK_NAME_MAX];
    task_name_broadcast(name, d->config.context, id);
    return store_put(d->config.store, name, data, size, err);
}

void driver_drop_broadcast(driver *d, uint32_t id)
{
    char name[TASK_NAME_MAX];
    task_name_broadcast(name, d->config.context, id);
    garbage_add(d, name);
}

/* ---- steps ---- */

static int driver_out_of_memory(driver *d, sdf_error **err)
{
    while (d->jobs) {
        sdf_error *error = NULL;
        error_no_memory(&error);
        job_end(d, d->jobs, SDF_E_NO_MEMORY, error);
    }
    return error_no_memory(err);
}

int driver_step(driver *d, int timeout_ms, sdf_error **err)
{
    uint32_t active = d->active;
    pump(d);
    int64_t now = driver_now(d);
    if (d->timer_ms && now >= d->timer_ms) {
        sched_event e = {.kind = SCHED_TICK};
        d->timer_ms = 0;
        push_event(d, &e);
        pump(d);
    }
    if (d->failed)
        return driver_out_of_memory(d, err);
    if (d->timer_ms) {
        int64_t left = d->timer_ms - driver_now(d);
        left = left < 0 ? 0 : left > 60000 ? 60000 : left;
        if (timeout_ms < 0 || left < timeout_ms)
            timeout_ms = (int)left;
    }
    if (d->active < active) /* whoever waits for what has ended already (a worker can't be started) hears of it now */
        timeout_ms = 0;
    int rc = d->config.transport->ops->poll(d->config.transport->self, timeout_ms, err);
    pump(d);
    if (d->failed)
        return driver_out_of_memory(d, err);
    return rc;
}

void driver_wake(driver *d)
{
    d->config.transport->ops->wake(d->config.transport->self);
}

uint32_t driver_active(const driver *d)
{
    return d->active;
}

void driver_get_totals(const driver *d, driver_totals *t)
{
    *t = d->totals;
}

static void free_tables(driver *d)
{
    for (uint32_t i = 0; i < d->attempts.room; i++)
        while (d->attempts.slots[i].key) /* removing one may move another there */
            attempt_remove(d, (attempt *)(uintptr_t)d->attempts.slots[i].value);
    for (uint32_t i = 0; i < d->stages.room; i++)
        if (d->stages.slots[i].key)
            stage_free(d, (stage *)(uintptr_t)d->stages.slots[i].value);
    idmap_free(&d->attempts);
    idmap_free(&d->stages);
}

int driver_free(driver *d)
{
    if (!d)
        return 0;
    while (d->jobs)
        driver_cancel(d, d->jobs->spec.id);
    pump(d);
    int leaked = d->config.transport->ops->stop(d->config.transport->self);
    free_tables(d);
    char prefix[TASK_NAME_MAX];
    task_name_prefix(prefix, d->config.context);
    store_remove_prefix(d->config.store, prefix, NULL); /* what fails here is what `gc` and lifecycle rules take */
    sched_free(d->sched);
    driver_counters_free(d);
    free(d->queue);
    free(d->garbage);
    free(d);
    return leaked;
}
