/* Commits: a winner goes into the journal, and becomes visible once it is there.
 * What came second, or too late, is discarded here. */
#include "sched/state.h"

void commit_came(sched *s, const sched_event *e)
{
    attempt *a = sched_attempt_find(s, e->attempt);
    if (a == NULL || a->state == ATTEMPT_SPENT || a->state == ATTEMPT_COMMITTING || a->state == ATTEMPT_UNDONE)
        return; /* answered before: what it wrote is settled, or will be at its deadline */
    if (e->throttled)
        launch_throttled(s);
    else
        launch_succeeded(s);
    bool may_win = a->state == ATTEMPT_LIVE || a->state == ATTEMPT_LATE;
    sched_attempt_answered(s, a);
    sched_attempt_unqueue(s, a);
    a->committed = true;
    if (!may_win) {
        sched_attempt_discard(s, a);
        return;
    }
    leg *g = sched_stage_leg(a->stage, a->task, a->leg); /* without a winner yet: one would have doomed this attempt */
    bool same = e->fingerprint == g->fingerprint && e->cut == ((g->flags & LEG_CUT) != 0);
    if (g->flags & LEG_RERUN && !same && !rollback_consumers(s, a, e->cut))
        return;
    sched_attempts_doom(s, g, a->id);
    g->state = LEG_COMMITTING;
    a->state = ATTEMPT_COMMITTING;
    a->fingerprint = e->fingerprint;
    a->cut = e->cut;
    sched_action *x = sched_emit(s, SCHED_JOURNAL);
    x->record = x->attempt = a->id; /* an attempt has one record at most */
    x->stage = a->stage_id;
    x->task = a->task;
    x->leg = a->leg;
}

static void undo(sched *s, attempt *a)
{
    sched_action *x = sched_emit(s, SCHED_UNPUBLISH);
    x->stage = a->stage_id;
    x->task = a->task;
    x->leg = a->leg;
    x->attempt = a->id;
    sched_attempt_discard(s, a);
}

static void task_done(sched *s, stage *st, uint32_t t)
{
    sched_action *x = sched_emit(s, SCHED_TASK_DONE);
    x->stage = st->id;
    x->task = t;
    x->leg = sched_task_legs(&st->task[t]) - 1;
    if (++st->done < st->tasks)
        return;
    sched_emit(s, SCHED_STAGE_DONE)->stage = st->id;
    st->complete = true;
    s->dirty = true;
}

/* The leg ended with a cut: its task goes on in the next one. */
static void add_leg(sched *s, stage *st, uint32_t t, uint64_t winner)
{
    uint32_t next = sched_task_legs(&st->task[t]);
    if (next >= s->config.legs_max) {
        sched_action why = {.stage = st->id, .task = t, .leg = next - 1, .attempt = winner, .status = SDF_E_LIMIT};
        sched_jobs_fail(s, st, &why);
    }
    /* Added all the same, so that the task isn't taken for done. */
    if (sched_stage_add_leg(s, st, t))
        sched_stage_queue(s, st, t, next);
}

void commit_journaled(sched *s, const sched_event *e)
{
    attempt *a = sched_attempt_find(s, e->record);
    if (a && a->state == ATTEMPT_UNDONE)
        undo(s, a);
    if (a == NULL || a->state != ATTEMPT_COMMITTING)
        return;
    stage *st = a->stage;
    uint32_t t = a->task, l = a->leg;
    leg *g = sched_stage_leg(st, t, l);
    if (g->flags & LEG_RERUN) { /* what it stands in for */
        sched_action *x = sched_emit(s, SCHED_DISCARD);
        x->stage = st->id;
        x->task = t;
        x->leg = l;
        x->attempt = g->attempt;
    }
    g->attempt = a->id;
    g->fingerprint = a->fingerprint;
    g->flags = a->cut ? LEG_CUT : 0;
    g->state = LEG_VISIBLE;
    g->launches = g->failures = g->throttles = 0;
    sched_attempt_forget(s, a);
    st->task[t].visible++;
    if (g->flags & LEG_CUT && l + 1 == sched_task_legs(&st->task[t]))
        add_leg(s, st, t, g->attempt);
    if (st->task[t].visible == sched_task_legs(&st->task[t]))
        task_done(s, st, t);
}
