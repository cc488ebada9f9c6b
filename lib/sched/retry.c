/* After a failure: what it costs by its class, how long to wait, when to give up.
 * A bad upstream object is not a failure of the task that found it: see rollback.c. */
#include "sched/state.h"

/* ---- the heap of delays ---- */

static bool before(const delay *a, const delay *b)
{
    if (a->at != b->at)
        return a->at < b->at;
    if (a->stage != b->stage)
        return a->stage->order < b->stage->order;
    return a->task != b->task ? a->task < b->task : a->leg < b->leg;
}

static void sift_up(sched *s, uint32_t i)
{
    delay d = s->delays[i];
    for (; i && before(&d, &s->delays[(i - 1) / 2]); i = (i - 1) / 2)
        s->delays[i] = s->delays[(i - 1) / 2];
    s->delays[i] = d;
}

static void pop_delay(sched *s)
{
    delay d = s->delays[--s->delay_count];
    uint32_t i = 0, n = s->delay_count;
    for (uint32_t c = 1; c < n; c = 2 * i + 1) {
        if (c + 1 < n && before(&s->delays[c + 1], &s->delays[c]))
            c++;
        if (!before(&s->delays[c], &d))
            break;
        s->delays[i] = s->delays[c];
        i = c;
    }
    s->delays[i] = d;
}

void retry_due(sched *s)
{
    while (s->delay_count && s->delays[0].at <= s->now) {
        delay d = s->delays[0];
        pop_delay(s);
        if (sched_stage_leg(d.stage, d.task, d.leg)->state == LEG_BACKOFF) /* else a late commit came */
            sched_stage_queue(s, d.stage, d.task, d.leg);
    }
}

void retry_forget(sched *s, const stage *st)
{
    uint32_t n = s->delay_count;
    s->delay_count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (s->delays[i].stage == st)
            continue;
        s->delays[s->delay_count++] = s->delays[i];
        sift_up(s, s->delay_count - 1);
    }
}

/* ---- failures ---- */

/* Exponential in the number of tries, full jitter. */
static void back_off(sched *s, stage *st, uint32_t t, uint32_t l)
{
    leg *g = sched_stage_leg(st, t, l);
    int64_t most = s->config.backoff_ms;
    for (uint32_t i = 1; i < g->launches && most < s->config.backoff_max_ms; i++)
        most *= 2;
    if (most > s->config.backoff_max_ms)
        most = s->config.backoff_max_ms;
    int64_t at = s->now + (int64_t)rng_below(&s->rng, (uint64_t)most + 1);
    if (!sched_grow(s, &s->delays, &s->delay_room, s->delay_count, sizeof *s->delays))
        return;
    g->state = LEG_BACKOFF;
    s->delays[s->delay_count++] = (delay){at, st, t, l};
    sift_up(s, s->delay_count - 1);
}

static int status_of(failure_class failure)
{
    switch (failure) {
    case FAILURE_THROTTLED:
        return SDF_E_THROTTLED;
    case FAILURE_TIMEOUT:
        return SDF_E_TIMEOUT;
    case FAILURE_MEMORY:
        return SDF_E_NO_MEMORY;
    case FAILURE_LOST:
        return SDF_E_LOST;
    case FAILURE_USER:
        return SDF_E_USER;
    case FAILURE_FATAL:
        return SDF_E_INVALID;
    default:
        return SDF_E_IO;
    }
}

/* The leg has no live attempt any more, because of `failure`. */
static void leg_failed(sched *s, stage *st, uint32_t t, uint32_t l, failure_class failure, uint64_t id)
{
    leg *g = sched_stage_leg(st, t, l);
    st->failed++;
    if (failure != FAILURE_THROTTLED)
        g->throttles = 0;
    if (failure == FAILURE_THROTTLED && g->throttles < s->config.throttles)
        g->throttles++;
    else if (failure != FAILURE_FATAL)
        g->failures++;
    if (failure != FAILURE_FATAL && g->failures <= s->config.retries) {
        back_off(s, st, t, l);
        return;
    }
    sched_action why = {.stage = st->id, .task = t, .leg = l, .attempt = id, .status = status_of(failure)};
    sched_jobs_fail(s, st, &why);
}

void retry_failed(sched *s, attempt *a, const sched_event *e)
{
    stage *st = a->stage;
    uint32_t t = a->task, l = a->leg;
    uint64_t id = a->id;
    sched_attempt_answered(s, a);
    if (e->failure == FAILURE_UPSTREAM && rollback_upstream(s, a, e)) {
        st->failed++;
        return;
    }
    sched_attempt_spend(s, a);
    leg_failed(s, st, t, l, e->failure, id);
}

void retry_lost(sched *s, attempt *a)
{
    stage *st = a->stage;
    sched_attempt_answered(s, a);
    a->state = ATTEMPT_LATE;
    leg_failed(s, st, a->task, a->leg, FAILURE_LOST, a->id);
}
