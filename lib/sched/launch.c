/* What runs next: earlier jobs first, then stages and tasks in order, as many as cap and window allow.
 * The window halves when the platform or a store throttles, at most once per backoff_ms, and grows by one per window
 * of successes. */
#include "sched/state.h"

void launch_cap(sched *s, uint64_t concurrency)
{
    if (concurrency < 1)
        concurrency = 1;
    if (concurrency > UINT32_MAX)
        concurrency = UINT32_MAX;
    bool full = s->window >= (uint64_t)s->config.concurrency * WINDOW_ONE;
    s->config.concurrency = (uint32_t)concurrency;
    /* A window that throttling has narrowed widens by successes only. */
    if (full || s->window == 0 || s->window > concurrency * WINDOW_ONE)
        s->window = concurrency * WINDOW_ONE;
}

void launch_throttled(sched *s)
{
    if (s->halved_at >= 0 && s->now - s->halved_at < s->config.backoff_ms)
        return;
    s->halved_at = s->now < 0 ? 0 : s->now;
    s->window /= 2;
    if (s->window < WINDOW_ONE)
        s->window = WINDOW_ONE;
}

void launch_succeeded(sched *s)
{
    uint64_t most = (uint64_t)s->config.concurrency * WINDOW_ONE;
    if (s->window == most)
        return;
    s->window += (uint64_t)WINDOW_ONE * WINDOW_ONE / s->window;
    if (s->window > most)
        s->window = most;
}

/* Nothing is in flight, so no answer will free a place: asks less and less often, and not for ever. */
static void refused_idle(sched *s, stage *st, uint32_t t, uint32_t l)
{
    int64_t wait = s->config.backoff_ms;
    for (uint32_t i = 0; i < s->refusals && wait < s->config.backoff_max_ms; i++)
        wait *= 2;
    s->hold_until = s->now + (wait < s->config.backoff_max_ms ? wait : s->config.backoff_max_ms);
    if (s->refusals++ < s->config.throttles || st == NULL)
        return;
    s->refusals = 0; /* another job may try as often */
    sched_action why = {.stage = st->id, .task = t, .leg = l, .status = SDF_E_BUSY};
    sched_jobs_fail(s, st, &why);
}

void launch_refused(sched *s, attempt *a)
{
    stage *st = a->stage;
    uint32_t t = a->task, l = a->leg;
    if (a->state == ATTEMPT_LIVE) {
        leg *g = sched_stage_leg(st, t, l);
        if (g->launches < UINT16_MAX)
            g->launches--;
        st->attempts--;
        sched_stage_queue(s, st, t, l);
    } else if (a->state != ATTEMPT_DOOMED) {
        return; /* it was answered, so it did begin */
    }
    sched_attempt_forget(s, a);
    s->hold_until = s->now + s->config.backoff_ms; /* or until a place is free */
    if (s->in_flight == 0)
        refused_idle(s, st, t, l);
}

static void launch(sched *s, stage *st, uint32_t t, uint32_t l)
{
    attempt *a = sched_attempt_new(s, st, t, l);
    if (a == NULL)
        return;
    leg *g = sched_stage_leg(st, t, l);
    if (!st->started) {
        sched_emit(s, SCHED_STAGE_STARTED)->stage = st->id;
        st->started = true;
    }
    sched_action *x = sched_emit(s, SCHED_LAUNCH);
    x->stage = st->id;
    x->task = t;
    x->leg = l;
    x->attempt = a->id;
    x->number = g->launches;
    x->rerun = (g->flags & LEG_RERUN) != 0;
    x->lease_ms = s->config.task_timeout_ms;
    g->state = LEG_RUNNING;
    if (g->launches < UINT16_MAX)
        g->launches++;
}

void launch_ready(sched *s)
{
    uint32_t limit = (uint32_t)(s->window / WINDOW_ONE);
    if (s->hold_until && s->now >= s->hold_until)
        s->hold_until = 0;
    if (s->hold_until)
        return;
    for (uint32_t i = 0; i < s->active_count && !s->broken; i++) {
        stage *st = s->active[i];
        uint32_t t, l;
        while (st->open && !s->broken) {
            if (s->in_flight >= limit)
                return;
            if (!sched_stage_next(st, &t, &l))
                break;
            launch(s, st, t, l);
        }
    }
}
