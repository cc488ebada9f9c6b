/* The scheduler's door: configuration, events in, actions out.
 * Not here: what an event means (commit.c, retry.c, rollback.c, jobs.c) and what may run next (launch.c). */
#include "sched/state.h"

#include <stdlib.h>
#include <string.h>

#define ACTIONS_KEPT 65536u /* a longer list (a large stage was dropped) is given back after use */

void sched_config_init(sched_config *c)
{
    memset(c, 0, sizeof *c);
    c->seed = 1;
    c->concurrency = 1;
    c->retries = 3;
    c->throttles = 100;
    c->reruns = 3;
    c->task_timeout_ms = 600000;
    c->lease_grace_ms = 5000;
    c->backoff_ms = 100;
    c->backoff_max_ms = 30000;
    c->legs_max = 10000;
}

sched *sched_new(const sched_config *config)
{
    sched *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = *config;
    if (s->config.task_timeout_ms < 0)
        s->config.task_timeout_ms = 0;
    if (s->config.lease_grace_ms < 0)
        s->config.lease_grace_ms = 0;
    if (s->config.backoff_ms < 1)
        s->config.backoff_ms = 1;
    if (s->config.backoff_max_ms < s->config.backoff_ms)
        s->config.backoff_max_ms = s->config.backoff_ms;
    if (s->config.retries > UINT16_MAX - 1)
        s->config.retries = UINT16_MAX - 1;
    if (s->config.throttles > UINT16_MAX - 1)
        s->config.throttles = UINT16_MAX - 1;
    if (s->config.reruns > UINT16_MAX - 1)
        s->config.reruns = UINT16_MAX - 1;
    if (s->config.legs_max == 0)
        s->config.legs_max = 1;
    s->rng.state = config->seed;
    s->now = INT64_MIN;
    s->timer = NEVER;
    s->halved_at = -1;
    s->attempt_free = s->oldest = s->newest = NONE;
    launch_cap(s, config->concurrency);
    return s;
}

void sched_free(sched *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < s->stage_count; i++)
        sched_stage_free(s, s->stages[i]);
    free(s->stages);
    free(s->active);
    free(s->jobs);
    free(s->attempts);
    idmap_free(&s->attempt_ids);
    free(s->delays);
    free(s->actions);
    free(s);
}

bool sched_grow(sched *s, void *array, uint32_t *room, uint32_t count, size_t size)
{
    if (count < *room)
        return true;
    uint32_t more = *room ? *room * 2 : 16;
    void *p = more > *room ? realloc(*(void **)array, more * size) : NULL;
    if (p == NULL) {
        s->broken = true;
        return false;
    }
    *(void **)array = p;
    *room = more;
    return true;
}

sched_action *sched_emit(sched *s, sched_action_kind kind)
{
    static _Thread_local sched_action nowhere;
    sched_action *a = &nowhere;
    if (s->action_count == s->action_room) {
        size_t room = s->action_room ? s->action_room * 2 : 64;
        void *p = realloc(s->actions, room * sizeof *s->actions);
        if (p == NULL) {
            s->broken = true;
        } else {
            s->actions = p;
            s->action_room = room;
        }
    }
    if (s->action_count < s->action_room)
        a = &s->actions[s->action_count++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}

static void set_timer(sched *s)
{
    int64_t want = NEVER;
    if (s->oldest != NONE)
        want = s->attempts[s->oldest].deadline;
    if (s->delay_count && s->delays[0].at < want)
        want = s->delays[0].at;
    if (s->hold_until && s->hold_until < want)
        want = s->hold_until;
    /* A timer that is asked for and earlier does as well: its tick asks again. */
    if (want == NEVER || (want >= s->timer && s->timer > s->now))
        return;
    s->timer = want;
    sched_emit(s, SCHED_TIMER)->at_ms = want;
}

static void stage_event(sched *s, const sched_event *e)
{
    stage *st = sched_stage_find(s, e->stage);
    if (st == NULL)
        return;
    if (e->kind == SCHED_DROP) {
        sched_stage_drop(s, st);
    } else if (st->wants_bind && !st->bound) {
        st->bound = true;
        s->dirty = true;
    }
}

static void attempt_failed(sched *s, const sched_event *e)
{
    attempt *a = sched_attempt_find(s, e->attempt);
    if (a == NULL || a->state == ATTEMPT_SPENT || a->state == ATTEMPT_COMMITTING || a->state == ATTEMPT_UNDONE)
        return;
    if (e->throttled || e->failure == FAILURE_THROTTLED)
        launch_throttled(s);
    if (a->state == ATTEMPT_LIVE) {
        retry_failed(s, a, e);
        return;
    }
    sched_attempt_answered(s, a);
    sched_attempt_spend(s, a);
}

static void apply(sched *s, const sched_event *e)
{
    switch (e->kind) {
    case SCHED_JOB:
        sched_jobs_add(s, e->job, e->stage);
        break;
    case SCHED_CANCEL:
        sched_jobs_cancel(s, e->job);
        break;
    case SCHED_REFUSED: {
        attempt *a = sched_attempt_find(s, e->attempt);
        if (a)
            launch_refused(s, a);
        break;
    }
    case SCHED_COMMITTED:
        commit_came(s, e);
        break;
    case SCHED_FAILED:
        attempt_failed(s, e);
        break;
    case SCHED_JOURNALED:
        commit_journaled(s, e);
        break;
    case SCHED_BOUND:
    case SCHED_DROP:
        stage_event(s, e);
        break;
    case SCHED_CONCURRENCY:
        launch_cap(s, e->value);
        break;
    case SCHED_STARTED:
        s->refusals = 0;
        break;
    case SCHED_TICK:
        break;
    }
}

int sched_on_event(sched *s, const sched_event *event, int64_t now_ms, const sched_action **actions, size_t *count)
{
    if (now_ms > s->now)
        s->now = now_ms;
    if (s->action_room > ACTIONS_KEPT) {
        free(s->actions);
        s->actions = NULL;
        s->action_room = 0;
    }
    s->action_count = 0;
    if (!s->broken) {
        apply(s, event); /* first, so that an answer beats the deadline it just misses */
        sched_attempts_expire(s);
        retry_due(s);
        sched_jobs_refresh(s);
        launch_ready(s);
        set_timer(s);
    }
    *actions = s->actions;
    *count = s->broken ? 0 : s->action_count;
    return s->broken ? SDF_E_NO_MEMORY : SDF_OK;
}

bool sched_stage_counts(const sched *s, uint32_t id, sched_counts *c)
{
    const stage *st = sched_stage_find(s, id);
    memset(c, 0, sizeof *c);
    if (st == NULL)
        return false;
    c->tasks = st->tasks;
    c->done = st->done;
    c->running = st->running;
    c->attempts = st->attempts;
    c->failed = st->failed;
    return true;
}

uint64_t sched_bytes(const sched *s)
{
    uint64_t bytes = sizeof *s + s->leg_bytes;
    for (uint32_t i = 0; i < s->stage_count; i++) {
        const stage *st = s->stages[i];
        bytes += sizeof *st + st->parent_count * sizeof *st->parents + st->ready_room * sizeof *st->ready;
        bytes += st->task ? st->tasks * sizeof *st->task : 0;
    }
    bytes += (s->stage_room + (uint64_t)s->active_room) * sizeof(stage *) + s->job_room * sizeof *s->jobs;
    bytes += s->attempt_room * sizeof *s->attempts + s->attempt_ids.room * sizeof *s->attempt_ids.slots;
    bytes += s->delay_room * sizeof *s->delays + s->action_room * sizeof *s->actions;
    return bytes;
}
