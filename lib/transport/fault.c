/* "fault:key=value,...:URI" wraps any transport and lets it fail, from a seed: for tests of what stands on transports.
 *
 *   seed=N          of the random numbers (default 1); equal submits in equal order meet equal faults
 *   lose=P          the task runs, but its reply never comes: SDF_E_LOST at its deadline,
 *   lose_after_ms=N   or after so long (default 1000), whichever is first
 *   crash=P         the task runs, then its worker seems to have died (SDF_E_LOST)
 *   delay=P         the reply comes late,
 *   delay_ms=N        by up to so much (default 100)
 *   reorder=P       the reply comes after a later one, or 50 ms late if there is none
 *   double=P        the task runs twice at once; the first reply counts
 *   throttle=P      answered with SDF_E_THROTTLED, not run
 *   refuse=P        not taken (SDF_E_BUSY)
 *
 * P is a probability from 0 to 1. Not here: faults of stores, which a fault: before a store's URI makes. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"
#include "base/timebase.h"
#include "transport/schemes.h"
#include "transport/transport.h"

#define REORDER_US 50000
#define COPIES     2

/* One invocation of the driver's, until it is answered and the wrapped transport has answered every copy of it. */
typedef struct held {
    struct held *next;
    uint64_t id;            /* the driver's */
    uint64_t inner[COPIES]; /* ids in the wrapped transport; 0: none, or answered */
    buf request;            /* a copy: a doubled task may run on after its answer */
    int64_t deadline_us;    /* monotonic; INT64_MAX: none */
    int64_t delay_us;       /* fates, drawn at submit */
    bool lose, crash, reorder;
    bool answered;                /* the driver has its answer */
    bool waits_for_later;         /* reordered: handed over after the next one */
    int64_t answer_us;            /* when to hand over what is below; INT64_MAX: not decided yet */
    sdf_invocation_result result; /* its pointers are into the next two */
    buf response;
    char *texts[4]; /* message, log, hint, request_id */
} held;

typedef struct fault_transport {
    transport *inner;
    sdf_transport_host host, inner_host;
    held *held;
    rng random;
    uint64_t last_inner; /* id given last */
    uint64_t seed, lose_after_ms, delay_ms;
    double lose, crash, delay, reorder, twice, throttle, refuse;
    bool started, stopped;
} fault_transport;

#define FIELD(f) offsetof(fault_transport, f)
static const option_spec fault_options[] = {
    {"seed", OPTION_U64, FIELD(seed), NULL},
    {"lose", OPTION_UNIT, FIELD(lose), NULL},
    {"lose_after_ms", OPTION_U64, FIELD(lose_after_ms), NULL},
    {"crash", OPTION_UNIT, FIELD(crash), NULL},
    {"delay", OPTION_UNIT, FIELD(delay), NULL},
    {"delay_ms", OPTION_U64, FIELD(delay_ms), NULL},
    {"reorder", OPTION_UNIT, FIELD(reorder), NULL},
    {"double", OPTION_UNIT, FIELD(twice), NULL},
    {"throttle", OPTION_UNIT, FIELD(throttle), NULL},
    {"refuse", OPTION_UNIT, FIELD(refuse), NULL},
};
#define OPTION_COUNT (sizeof(fault_options) / sizeof(fault_options[0]))
#define TIME_MAX_MS  3600000

int fault_open(const char *rest, void *user, void **self, sdf_error **err)
{
    size_t size;
    const char *uri;
    int rc = options_split(rest, "fault:", &size, &uri, err);
    if (rc)
        return rc;
    fault_transport *t = calloc(1, sizeof(*t));
    if (!t)
        return error_no_memory(err);
    t->seed = 1;
    t->lose_after_ms = 1000;
    t->delay_ms = 100;
    rc = options_read(rest, size, ',', "fault:", fault_options, OPTION_COUNT, t, err);
    if (!rc && (t->lose_after_ms > TIME_MAX_MS || t->delay_ms > TIME_MAX_MS))
        rc = error_set(err, SDF_E_INVALID, "fault: takes times up to %d ms", TIME_MAX_MS);
    if (!rc)
        rc = transport_open(uri, &t->inner, err);
    if (rc) {
        free(t);
        return rc;
    }
    t->random.state = t->seed;
    *self = t;
    return SDF_OK;
}

static void held_free(held *h)
{
    buf_free(&h->request);
    buf_free(&h->response);
    for (size_t i = 0; i < sizeof(h->texts) / sizeof(h->texts[0]); i++)
        free(h->texts[i]);
    free(h);
}

static void held_forget(fault_transport *t, held *h)
{
    for (int i = 0; i < COPIES; i++)
        if (h->inner[i])
            return;
    if (!h->answered)
        return;
    held **at = &t->held;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    held_free(h);
}

/* ---- answers ---- */

/* Decides on an answer of our own making. */
static void held_decide(held *h, int status, const char *why, int64_t at_us)
{
    h->result = (sdf_invocation_result){.struct_size = sizeof(h->result), .status = status, .message = why};
    h->answer_us = at_us;
}

static void hand_over(fault_transport *t, held *h, const sdf_invocation_result *from)
{
    sdf_invocation_result result = *from;
    result.id = h->id;
    h->answered = true;
    t->host.done(t->host.host, &result);
}

static void release_reordered(fault_transport *t, const held *later)
{
    for (held *h = t->held; h; h = h->next)
        if (h != later && h->waits_for_later) {
            h->waits_for_later = false;
            h->answer_us = 0;
        }
}

/* Keeps a copy of a reply for later, once; false: no memory. */
static bool held_keep(held *h, const sdf_invocation_result *r)
{
    h->result = *r;
    const char **texts[] = {&h->result.message, &h->result.log, &h->result.hint, &h->result.request_id};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!*texts[i])
            continue;
        h->texts[i] = strdup(*texts[i]);
        if (!h->texts[i])
            return false;
        *texts[i] = h->texts[i];
    }
    if (buf_append(&h->response, r->response.data, r->response.size))
        return false;
    h->result.response = buf_slice(&h->response);
    return true;
}

/* The first reply to an invocation. */
static void first_reply(fault_transport *t, held *h, const sdf_invocation_result *r)
{
    int64_t now = timebase_monotonic_us();
    int64_t late = h->delay_us ? h->delay_us : h->reorder ? REORDER_US : 0;
    if (h->crash)
        held_decide(h, SDF_E_LOST, "fault: injected crash after the task ran", now);
    else if (r->status != SDF_OK || late == 0)
        hand_over(t, h, r);
    else if (now + late >= h->deadline_us)
        held_decide(h, SDF_E_TIMEOUT, "fault: injected delay past the deadline", h->deadline_us);
    else if (!held_keep(h, r))
        held_decide(h, SDF_E_NO_MEMORY, "fault: no memory to hold a reply back", now);
    else {
        h->answer_us = now + late;
        h->waits_for_later = h->reorder && !h->delay_us;
    }
    if (h->answered)
        release_reordered(t, h);
}

static void inner_done(void *self, const sdf_invocation_result *given)
{
    fault_transport *t = self;
    sdf_invocation_result known, *r = &known;
    transport_result_copy(r, given);
    for (held *h = t->held; h; h = h->next)
        for (int i = 0; i < COPIES; i++) {
            if (h->inner[i] != r->id)
                continue;
            h->inner[i] = 0;
            if (!h->answered && !h->lose && h->answer_us == INT64_MAX)
                first_reply(t, h, r);
            held_forget(t, h);
            return;
        }
}

static void inner_warn(void *self, const char *message)
{
    const fault_transport *t = self;
    if (t->host.warn)
        t->host.warn(t->host.host, message);
}

/* Hands over what is due. The callback may add to the list and change it, so each search starts afresh. */
static void deliver_due(fault_transport *t)
{
    for (;;) {
        held *h = t->held;
        int64_t now = timebase_monotonic_us();
        while (h && (h->answered || h->answer_us > now))
            h = h->next;
        if (!h)
            return;
        release_reordered(t, h);
        h->waits_for_later = false;
        hand_over(t, h, &h->result);
        held_forget(t, h);
    }
}

/* ---- the operations ---- */

static int fault_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    const fault_transport *t = self;
    return t->inner->ops->limits(t->inner->self, limits, err);
}

static int fault_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    fault_transport *t = self;
    t->host = *host;
    t->inner_host = *host;
    t->inner_host.host = t;
    t->inner_host.done = inner_done;
    t->inner_host.warn = inner_warn;
    int rc = t->inner->ops->start(t->inner->self, &t->inner_host, err);
    t->started = rc == SDF_OK;
    return rc;
}

/* Every number is drawn whatever the others say, so that options don't shift each other's faults. */
static void draw_fates(fault_transport *t, held *h, bool *refuse, bool *throttle, bool *twice)
{
    *refuse = rng_unit(&t->random) < t->refuse;
    *throttle = rng_unit(&t->random) < t->throttle;
    *twice = rng_unit(&t->random) < t->twice;
    h->lose = rng_unit(&t->random) < t->lose;
    h->crash = rng_unit(&t->random) < t->crash;
    h->reorder = rng_unit(&t->random) < t->reorder;
    bool delay = rng_unit(&t->random) < t->delay;
    int64_t delay_us = (int64_t)rng_below(&t->random, t->delay_ms * 1000 + 1);
    h->delay_us = delay ? delay_us : 0;
}

/* Hands the task to the wrapped transport, twice if so fated (where there is place). */
static int submit_copies(fault_transport *t, held *h, int64_t deadline_ms, bool twice, sdf_error **err)
{
    sdf_slice request = buf_slice(&h->request);
    int rc = t->inner->ops->submit(t->inner->self, t->last_inner + 1, &request, deadline_ms, err);
    if (rc)
        return rc;
    h->inner[0] = ++t->last_inner;
    if (twice && !t->inner->ops->submit(t->inner->self, t->last_inner + 1, &request, deadline_ms, NULL))
        h->inner[1] = ++t->last_inner;
    if (h->lose) {
        int64_t lost_us = timebase_monotonic_us() + (int64_t)t->lose_after_ms * 1000;
        held_decide(h, SDF_E_LOST, "fault: injected loss of the reply",
                    lost_us < h->deadline_us ? lost_us : h->deadline_us);
    }
    return SDF_OK;
}

static int fault_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    fault_transport *t = self;
    const rng before = t->random;
    bool refuse, throttle, twice;
    held *h = calloc(1, sizeof(*h));
    if (!h || buf_append(&h->request, request->data, request->size)) {
        free(h);
        return error_no_memory(err);
    }
    h->id = id;
    h->answer_us = INT64_MAX;
    int64_t give_up_us = transport_deadline_in(deadline_ms).give_up_us;
    h->deadline_us = give_up_us ? give_up_us : INT64_MAX;
    draw_fates(t, h, &refuse, &throttle, &twice);
    int rc = SDF_OK;
    if (refuse) {
        rc = error_set(err, SDF_E_BUSY, "fault: injected refusal");
    } else if (throttle) {
        held_decide(h, SDF_E_THROTTLED, "fault: injected throttling", 0);
    } else {
        rc = submit_copies(t, h, deadline_ms, twice, err);
        if (rc)
            t->random = before; /* how often a full transport is asked must not matter */
    }
    if (rc) {
        held_free(h);
        return rc;
    }
    h->next = t->held;
    t->held = h;
    return SDF_OK;
}

static int fault_poll(void *self, int timeout_ms, sdf_error **err)
{
    fault_transport *t = self;
    int64_t next = INT64_MAX;
    for (const held *h = t->held; h; h = h->next)
        if (!h->answered && h->answer_us < next)
            next = h->answer_us;
    if (next != INT64_MAX) {
        int64_t ms = (next - timebase_monotonic_us() + 999) / 1000;
        ms = ms < 0 ? 0 : ms;
        timeout_ms = timeout_ms < 0 || ms < timeout_ms ? (int)ms : timeout_ms;
    }
    int rc = t->inner->ops->poll(t->inner->self, timeout_ms, err);
    deliver_due(t);
    return rc;
}

/* Thread: any, as the wrapped transport's. */
static void fault_wake(void *self)
{
    const fault_transport *t = self;
    t->inner->ops->wake(t->inner->self);
}

static void fault_cancel(void *self, uint64_t id)
{
    fault_transport *t = self;
    held *h = t->held;
    while (h && (h->id != id || h->answered))
        h = h->next;
    if (!h)
        return;
    for (int i = 0; i < COPIES; i++)
        if (h->inner[i])
            t->inner->ops->cancel(t->inner->self, h->inner[i]);
    if (h->answer_us != INT64_MAX) /* what is held back is let go; what runs is answered when it ends */
        held_decide(h, SDF_E_CANCELLED, "cancelled", 0);
}

static int fault_stop(void *self)
{
    fault_transport *t = self;
    t->stopped = true;
    int hung = t->inner->ops->stop(t->inner->self);
    while (t->held) {
        held *h = t->held;
        t->held = h->next;
        held_free(h);
    }
    return hung;
}

static void fault_destroy(void *self)
{
    fault_transport *t = self;
    if (t->started && !t->stopped)
        fault_stop(t);
    transport_close(t->inner);
    free(t);
}

const sdf_transport_ops fault_ops = {
    .struct_size = sizeof(sdf_transport_ops),
    .version = SDF_TRANSPORT_VERSION,
    .limits = fault_limits,
    .start = fault_start,
    .submit = fault_submit,
    .poll = fault_poll,
    .wake = fault_wake,
    .cancel = fault_cancel,
    .stop = fault_stop,
    .destroy = fault_destroy,
};
