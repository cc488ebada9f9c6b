/* When data that was visible is bad: its producer runs again, its consumers wait; and when the producer's
 * second run comes with other data, everything that was made from the first goes. */
#include "sched/state.h"

static bool is_parent(const stage *child, const stage *st)
{
    for (uint32_t p = 0; p < child->parent_count; p++)
        if (child->parents[p] == st)
            return true;
    return false;
}

/* The visible leg has to be made again. */
static void rerun(sched *s, stage *st, uint32_t t, uint32_t l)
{
    leg *g = sched_stage_leg(st, t, l);
    g->flags |= LEG_RERUN;
    if (st->task[t].visible-- == sched_task_legs(&st->task[t]))
        sched_task_undone(s, st, t);
    if (st->complete) {
        st->complete = false;
        st->active = true; /* it has work: to be parked if nobody wants it after all */
        s->dirty = true;
    }
    sched_stage_queue(s, st, t, l);
}

/* The consumer is ready again, at no cost; it starts once all it reads is visible. */
static void wait_again(sched *s, attempt *a)
{
    leg *g = sched_stage_leg(a->stage, a->task, a->leg);
    if (g->launches < UINT16_MAX)
        g->launches--;
    sched_stage_queue(s, a->stage, a->task, a->leg);
    sched_attempt_spend(s, a);
}

bool rollback_upstream(sched *s, attempt *a, const sched_event *e)
{
    stage *consumer = a->stage;
    stage *st = sched_stage_find(s, e->bad_stage);
    sched_action why = {
        .stage = consumer->id, .task = a->task, .leg = a->leg, .attempt = a->id, .status = SDF_E_CORRUPT};
    if (st == NULL || !is_parent(consumer, st)) /* had its parent been dropped, it would have lost its job */
        return false;                           /* names what it can't have read */
    if (st->elsewhere) {                        /* nobody can make it again */
        sched_attempt_spend(s, a);
        sched_jobs_fail(s, consumer, &why);
        return true;
    }
    leg *g = sched_stage_leg(st, e->bad_task, e->bad_leg);
    if (g == NULL)
        return false;
    if (g->state == LEG_VISIBLE && g->attempt == e->bad_attempt) {
        wait_again(s, a);
        rerun(s, st, e->bad_task, e->bad_leg);
        if (g->reruns++ >= s->config.reruns)
            sched_jobs_fail(s, st, &why);
        return true;
    }
    if (g->state == LEG_VISIBLE && a->id > g->attempt)
        return false; /* it was launched with the present one, so it can't have read another */
    wait_again(s, a);
    return true;
}

/* Marks the stages whose data comes from st (not st itself), directly or not. */
static void mark_descendants(sched *s, const stage *st)
{
    for (uint32_t i = 0; i < s->stage_count; i++) {
        stage *d = s->stages[i];
        d->marked = false;
        for (uint32_t p = 0; p < d->parent_count && !d->marked; p++)
            d->marked = d->parents[p] && (d->parents[p] == st || d->parents[p]->marked);
        if (d->elsewhere)
            d->marked = false;
    }
}

/* Fails the jobs that have handed out something made of st's data. */
static void fail_publishers(sched *s, const stage *st, const sched_action *why)
{
    for (uint32_t i = 0; i < s->stage_count; i++) {
        stage *d = s->stages[i];
        if (!d->publishes || !sched_stage_has_commits(d))
            continue;
        mark_descendants(s, st);
        if (d->marked)
            sched_jobs_fail(s, d, why);
    }
}

bool rollback_consumers(sched *s, attempt *a, bool cut)
{
    stage *st = a->stage;
    leg *g = sched_stage_leg(st, a->task, a->leg);
    sched_action why = {.stage = st->id, .task = a->task, .leg = a->leg, .status = SDF_E_NONDETERMINISTIC};
    bool later_legs = a->leg + 1 < sched_task_legs(&st->task[a->task]);
    if (later_legs && cut != ((g->flags & LEG_CUT) != 0))
        sched_jobs_fail(s, st, &why);
    else
        fail_publishers(s, st, &why);
    if (!sched_jobs_want(s, st)) {
        /* The leg stays one that a later job has to run again. */
        sched_stage_queue(s, st, a->task, a->leg);
        sched_attempt_discard(s, a);
        return false;
    }
    mark_descendants(s, st);
    for (uint32_t i = 0; i < s->stage_count; i++) {
        stage *d = s->stages[i];
        /* What a job of the past handed out stays as it is. */
        if (d->marked && !(d->publishes && sched_stage_has_commits(d)))
            sched_stage_rewind(s, d);
    }
    return true;
}
