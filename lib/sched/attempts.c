/* Attempts whose end is not settled: found by id, ordered by deadline.
 * An attempt leaves the table when its commit is visible, when its data was discarded, or when it never began. */
#include "sched/state.h"

#include <string.h>

static void queue_by_deadline(sched *s, attempt *a, uint32_t index)
{
    a->older = s->newest;
    a->newer = NONE;
    if (s->newest != NONE)
        s->attempts[s->newest].newer = index;
    else
        s->oldest = index;
    s->newest = index;
    a->queued = true;
}

void sched_attempt_unqueue(sched *s, attempt *a)
{
    if (!a->queued)
        return;
    if (a->older != NONE)
        s->attempts[a->older].newer = a->newer;
    else
        s->oldest = a->newer;
    if (a->newer != NONE)
        s->attempts[a->newer].older = a->older;
    else
        s->newest = a->older;
    a->queued = false;
}

attempt *sched_attempt_new(sched *s, stage *st, uint32_t t, uint32_t l)
{
    uint32_t index = s->attempt_free;
    if (index != NONE) {
        s->attempt_free = s->attempts[index].newer;
    } else {
        if (!sched_grow(s, &s->attempts, &s->attempt_room, s->attempt_count, sizeof *s->attempts))
            return NULL;
        index = s->attempt_count++;
    }
    uint64_t id = ++s->last_attempt;
    if (!idmap_put(&s->attempt_ids, id, index)) {
        s->broken = true;
        return NULL;
    }
    leg *g = sched_stage_leg(st, t, l);
    attempt *a = &s->attempts[index];
    memset(a, 0, sizeof *a);
    a->id = id;
    a->stage = st;
    a->stage_id = st->id;
    a->task = t;
    a->leg = l;
    a->state = ATTEMPT_LIVE;
    a->sibling = g->entrants;
    g->entrants = index + 1;
    a->deadline = NEVER;
    if (s->config.task_timeout_ms) {
        a->deadline = s->now + s->config.task_timeout_ms + s->config.lease_grace_ms;
        queue_by_deadline(s, a, index);
    }
    s->in_flight++;
    st->running++;
    st->attempts++;
    return a;
}

attempt *sched_attempt_find(sched *s, uint64_t id)
{
    const uint64_t *index = idmap_find(&s->attempt_ids, id);
    return index ? &s->attempts[*index] : NULL;
}

/* Takes it off its leg: it can't win any more. */
static void detach(sched *s, attempt *a)
{
    if (a->stage == NULL)
        return;
    leg *g = sched_stage_leg(a->stage, a->task, a->leg);
    uint32_t number = (uint32_t)(a - s->attempts) + 1;
    uint32_t *link = &g->entrants;
    while (*link != number)
        link = &s->attempts[*link - 1].sibling;
    *link = a->sibling;
    a->stage = NULL;
}

void sched_attempt_forget(sched *s, attempt *a)
{
    sched_attempt_answered(s, a);
    detach(s, a);
    sched_attempt_unqueue(s, a);
    idmap_remove(&s->attempt_ids, a->id);
    a->id = 0;
    a->newer = s->attempt_free;
    s->attempt_free = (uint32_t)(a - s->attempts);
}

static sched_action *emit_about(sched *s, sched_action_kind kind, const attempt *a)
{
    sched_action *x = sched_emit(s, kind);
    x->stage = a->stage_id;
    x->task = a->task;
    x->leg = a->leg;
    x->attempt = a->id;
    return x;
}

void sched_attempt_discard(sched *s, attempt *a)
{
    emit_about(s, SCHED_DISCARD, a)->failed = !a->committed;
    sched_attempt_forget(s, a);
}

void sched_attempt_answered(sched *s, attempt *a)
{
    if (a->state == ATTEMPT_LIVE)
        a->stage->running--;
    if (a->state == ATTEMPT_LIVE || a->state == ATTEMPT_DOOMED) {
        s->in_flight--;
        s->hold_until = 0; /* a place is free */
    }
    a->state = ATTEMPT_SPENT; /* until the caller says otherwise */
}

void sched_attempt_spend(sched *s, attempt *a)
{
    detach(s, a);
    if (a->queued)
        a->state = ATTEMPT_SPENT;
    else /* no lease, or it is over */
        sched_attempt_discard(s, a);
}

void sched_attempts_doom(sched *s, leg *g, uint64_t winner)
{
    for (uint32_t i = g->entrants, next; i; i = next) {
        attempt *a = &s->attempts[i - 1];
        next = a->sibling;
        if (a->id == winner)
            continue;
        switch (a->state) {
        case ATTEMPT_LIVE:
            emit_about(s, SCHED_STOP, a);
            a->stage->running--;
            detach(s, a);
            a->state = ATTEMPT_DOOMED;
            break;
        case ATTEMPT_COMMITTING:
            detach(s, a);
            a->state = ATTEMPT_UNDONE;
            break;
        default: /* LATE: its lease is over */
            sched_attempt_discard(s, a);
            break;
        }
    }
}

void sched_attempts_expire(sched *s)
{
    while (s->oldest != NONE && s->attempts[s->oldest].deadline <= s->now) {
        attempt *a = &s->attempts[s->oldest];
        sched_attempt_unqueue(s, a);
        if (a->state == ATTEMPT_LIVE) {
            emit_about(s, SCHED_STOP, a)->failed = true;
            retry_lost(s, a);
        } else {
            sched_attempt_discard(s, a);
        }
    }
}
