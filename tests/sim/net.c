/* The virtual transport: an invocation becomes events in virtual time, and poll moves the clock from one to the next
 * instead of waiting. A worker runs in one go when its time has come; its own clock goes ahead meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "sim.h"
#include "worker/worker.h"

#define WORKERS 3

call *sim_running;

struct net {
    world *w;
    transport transport;
    sdf_transport_limits limits;
    const sdf_transport_host *host;
    call **calls; /* not answered yet */
    uint32_t call_count, call_room;
    uint32_t under_way; /* scheduled events */
    uint64_t runs;
    sdf_worker *workers[WORKERS];
    timebase clock; /* the workers' */
    bool woken;
};

/* ---- workers ---- */

/* Each look at the clock takes a while: a slow worker's lease may end between two of them. */
static int64_t worker_time(void *self)
{
    struct net *n = self;
    call *c = sim_running;
    if (c == NULL)
        return n->w->now;
    c->local_us += c->tick_us;
    c->local += c->local_us / 1000;
    c->local_us %= 1000;
    return c->local;
}

static sdf_worker *worker_take(struct net *n, uint32_t i)
{
    if (n->workers[i])
        return n->workers[i];
    worker_config config = {.store = n->host->store, .clock = &n->clock};
    sdf_error *err = NULL;
    if (worker_new(&config, &n->workers[i], &err) != SDF_OK)
        world_wrong(n->w, "no worker: %s", sdf_error_message(err));
    sdf_error_free(err);
    return n->workers[i];
}

static void worker_dies(struct net *n, uint32_t i)
{
    sdf_worker_close(n->workers[i]);
    n->workers[i] = NULL;
}

static void run(struct net *n, call *c)
{
    world *w = n->w;
    uint32_t i = world_pick(&w->chance, WORKERS);
    sdf_worker *worker = worker_take(n, i);
    sdf_slice response = {NULL, 0}, request = buf_slice(&c->request);
    sdf_error *err = NULL;
    if (worker == NULL)
        return;
    c->number = ++n->runs;
    c->local = w->now;
    c->local_us = 0;
    c->dead = false;
    c->user_fails = world_fault(w, w->faults.user, "a function fails");
    world_say(w, "a%llu runs (%u.%u.%u)", (unsigned long long)c->id, c->stage, c->task, c->leg);
    sim_running = c;
    int rc = sdf_worker_invoke(worker, &request, c->deadline, &response, &err);
    sim_running = NULL;
    if (rc != SDF_OK)
        world_wrong(w, "a worker made no reply: %s", sdf_error_message(err));
    sdf_error_free(err);
    c->runs_left--;
    if (c->answers && c->runs_left == 0 && !c->answered) {
        buf_clear(&c->response);
        buf_append(&c->response, response.data, response.size);
        world_schedule(w, c->local + c->answer_after, EVENT_ANSWER, c);
        n->under_way++;
        if (c->twice) {
            world_schedule(w, c->local + c->answer_after + world_pick(&w->chance, 300), EVENT_ANSWER, c);
            n->under_way++;
        }
    }
    if (c->dead || w->wrong[0])
        worker_dies(n, i);
}

/* ---- answers ---- */

static void forget(struct net *n, call *c)
{
    for (uint32_t i = 0; i < n->call_count; i++)
        if (n->calls[i] == c)
            n->calls[i] = n->calls[--n->call_count];
}

static void call_release(call *c)
{
    if (--c->refs > 0)
        return;
    buf_free(&c->request);
    buf_free(&c->response);
    free(c);
}

static void answer(struct net *n, call *c)
{
    static const char *const message = "virtual platform";
    bool whole = c->status == SDF_OK;
    if (c->answered && !c->twice)
        return;
    c->answered = true;
    forget(n, c);
    sdf_invocation_result r = {.struct_size = sizeof r, .id = c->id, .status = c->status, .message = message};
    if (whole)
        r.response = buf_slice(&c->response);
    world_say(n->w, "a%llu answered: %s", (unsigned long long)c->id, whole ? "reply" : sdf_status_name(c->status));
    n->host->done(n->host->host, &r);
}

/* ---- fates ---- */

static void plan_run(struct net *n, call *c, int64_t in_ms)
{
    c->runs_left++;
    n->under_way++;
    world_schedule(n->w, n->w->now + in_ms, EVENT_RUN, c);
}

static void plan_answer(struct net *n, call *c, int64_t in_ms, int status)
{
    c->status = status;
    n->under_way++;
    world_schedule(n->w, n->w->now + in_ms, EVENT_ANSWER, c);
}

/* The worker runs to its end, and the reply is on its way. */
static void plan_reply(struct net *n, call *c, int64_t start)
{
    world *w = n->w;
    c->answers = true;
    c->answer_after = 1 + world_pick(&w->chance, 10);
    plan_run(n, c, start);
    if (world_fault(w, w->faults.repeated, "the request is run twice"))
        plan_run(n, c, start + world_pick(&w->chance, 50));
    if (world_fault(w, w->faults.straggler, "straggler"))
        c->tick_us *= 1000;
    if (world_fault(w, w->faults.doubled, "the reply comes twice"))
        c->twice = true;
}

static void choose_fate(struct net *n, call *c)
{
    world *w = n->w;
    const sim_faults *f = &w->faults;
    int64_t start = world_pick(&w->chance, 20), lease = c->deadline ? c->deadline - w->now : 2000;
    c->tick_us = world_pick(&w->chance, 2000);
    c->dies_in = NONE_YET;
    if (world_fault(w, f->throttled, "throttled")) {
        plan_answer(n, c, 1, SDF_E_THROTTLED);
    } else if (world_fault(w, f->crash_before, "crash before the work")) {
        plan_answer(n, c, start, SDF_E_LOST);
    } else if (world_fault(w, f->crash_during, "crash in the work")) {
        c->dies_in = world_pick(&w->chance, 12);
        plan_run(n, c, start);
        plan_answer(n, c, start + 50, SDF_E_LOST);
    } else if (world_fault(w, f->killed, "killed for memory")) {
        c->dies_in = world_pick(&w->chance, 12);
        plan_run(n, c, start);
        plan_answer(n, c, start + 50, SDF_E_NO_MEMORY);
    } else if (world_fault(w, f->lost, "the reply is lost")) {
        plan_run(n, c, start);
        plan_answer(n, c, lease + world_pick(&w->chance, 1000), SDF_E_TIMEOUT);
    } else if (world_fault(w, f->zombie, "given up as lost, runs all the same")) {
        plan_answer(n, c, start, SDF_E_LOST);
        plan_run(n, c, start + (int64_t)rng_below(&w->chance, (uint64_t)lease + 200));
    } else {
        plan_reply(n, c, start);
        if (world_fault(w, f->late, "the reply is late"))
            c->answer_after = lease - 100 + world_pick(&w->chance, 2000);
        if (world_fault(w, f->garbled, "the reply is cut short"))
            c->status = SDF_E_CORRUPT; /* see deliver */
    }
}

/* ---- ops ---- */

static int net_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    struct net *n = self;
    *limits = n->limits;
    return SDF_OK;
}

static int net_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    ((struct net *)self)->host = host;
    return SDF_OK;
}

/* Reads whose call it is; and lets a leg that may cut get another way each time it is run. */
static void open_request(struct net *n, call *c)
{
    task_request q;
    sdf_error *err = NULL;
    if (task_request_decode(c->request.data, c->request.size, &q, &err)) {
        world_wrong(n->w, "a request can't be read: %s", sdf_error_message(err));
        sdf_error_free(err);
        return;
    }
    c->stage = q.stage;
    c->task = q.task;
    c->leg = q.leg;
    if (q.cut_records) {
        buf changed = BUF_EMPTY;
        q.cut_records = 1 + rng_below(&n->w->chance, 2 * q.cut_records);
        task_request_encode(&q, &changed);
        buf_free(&c->request);
        c->request = changed;
    }
    task_request_clear(&q);
}

static int net_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    struct net *n = self;
    if (n->call_count >= n->limits.concurrency || world_fault(n->w, n->w->faults.refused, "refused"))
        return error_set(err, SDF_E_BUSY, "virtual platform: no free place");
    if (n->limits.max_request && request->size > n->limits.max_request)
        world_wrong(n->w, "a request of %zu bytes where %llu may be", request->size,
                    (unsigned long long)n->limits.max_request);
    for (uint32_t i = 0; i < n->call_count; i++)
        if (n->calls[i]->id == id)
            world_wrong(n->w, "attempt %llu was submitted twice", (unsigned long long)id);
    call *c = sim_alloc(sizeof *c);
    c->id = id;
    c->deadline = deadline_ms ? n->w->now + deadline_ms : 0;
    buf_append(&c->request, request->data, request->size);
    open_request(n, c);
    if (n->call_count == n->call_room) {
        n->call_room = n->call_room ? n->call_room * 2 : 16;
        n->calls = sim_grow(n->calls, n->call_room * sizeof *n->calls);
    }
    n->calls[n->call_count++] = c;
    world_say(n->w, "a%llu submitted: %u.%u.%u", (unsigned long long)id, c->stage, c->task, c->leg);
    choose_fate(n, c);
    return SDF_OK;
}

static void deliver(struct net *n, const event *e)
{
    call *c = e->call;
    n->under_way--;
    if (c->forgotten) {
        /* the transport was stopped */
    } else if (e->kind == EVENT_RUN) {
        if (!c->cancelled || !c->answered)
            run(n, c);
    } else {
        if (c->answers && c->status == SDF_E_CORRUPT) {
            c->status = SDF_OK;
            c->response.size = (size_t)rng_below(&n->w->chance, c->response.size);
        }
        answer(n, c);
    }
    call_release(c);
}

static int net_poll(void *self, int timeout_ms, sdf_error **err)
{
    struct net *n = self;
    world *w = n->w;
    int64_t until = timeout_ms < 0 ? INT64_MAX : w->now + timeout_ms;
    event e;
    if (n->woken) {
        n->woken = false;
        return SDF_OK;
    }
    if (!world_next(w, until, &e)) {
        if (timeout_ms < 0)
            world_wrong(w, "the driver waits for ever");
        else
            w->now = until;
        return SDF_OK;
    }
    w->now = e.at > w->now ? e.at : w->now;
    deliver(n, &e);
    while (world_next(w, w->now, &e)) /* all of this moment */
        deliver(n, &e);
    return SDF_OK;
}

static void net_wake(void *self)
{
    ((struct net *)self)->woken = true;
}

static void net_cancel(void *self, uint64_t id)
{
    struct net *n = self;
    for (uint32_t i = 0; i < n->call_count; i++) {
        call *c = n->calls[i];
        if (c->id != id || c->cancelled)
            continue;
        world_say(n->w, "a%llu is cancelled", (unsigned long long)id);
        if (world_pick(&n->w->chance, 2) == 0) { /* best effort: in time, or not at all */
            c->cancelled = true;
            c->answers = false;
            plan_answer(n, c, 1 + world_pick(&n->w->chance, 20), SDF_E_CANCELLED);
        }
        return;
    }
}

static int net_stop(void *self)
{
    struct net *n = self;
    for (uint32_t i = 0; i < n->w->event_count; i++)
        n->w->events[i].call->forgotten = true;
    n->call_count = 0;
    disk_undo_future(n->w->disk);
    n->host = NULL;
    return 0;
}

static void net_destroy(void *self)
{
}

static const sdf_transport_ops net_ops = {
    .struct_size = sizeof net_ops,
    .version = SDF_TRANSPORT_VERSION,
    .limits = net_limits,
    .start = net_start,
    .submit = net_submit,
    .poll = net_poll,
    .wake = net_wake,
    .cancel = net_cancel,
    .stop = net_stop,
    .destroy = net_destroy,
};

/* ---- its life ---- */

struct net *net_new(world *w, uint32_t slots, uint64_t max_request, uint64_t max_response)
{
    struct net *n = sim_alloc(sizeof *n);
    n->w = w;
    n->clock = (timebase){worker_time, n};
    n->limits = (sdf_transport_limits){.struct_size = sizeof n->limits,
                                       .scope = SDF_SCOPE_NETWORK,
                                       .concurrency = slots,
                                       .slots_per_process = 1,
                                       .max_request = max_request,
                                       .max_response = max_response};
    n->transport = (transport){.ops = &net_ops, .self = n, .uri = "virtual:"};
    return n;
}

transport *net_transport(struct net *n)
{
    return &n->transport;
}

bool net_idle(const struct net *n)
{
    return n->under_way == 0;
}

void net_free(struct net *n)
{
    event e;
    while (world_next(n->w, INT64_MAX, &e))
        call_release(e.call);
    for (uint32_t i = 0; i < WORKERS; i++)
        sdf_worker_close(n->workers[i]);
    free(n->calls);
    free(n);
}
