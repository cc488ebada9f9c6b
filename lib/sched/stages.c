/* Stages and their legs: the tables, what is ready in which order, and bringing a stage back to rest.
 * Not here: which stages are wanted (jobs.c). */
#include "sched/state.h"

#include <stdlib.h>
#include <string.h>

stage *sched_stage_find(const sched *s, uint32_t id)
{
    for (uint32_t i = s->stage_count; i-- > 0;) /* recent ones are asked for most */
        if (s->stages[i]->id == id)
            return s->stages[i];
    return NULL;
}

uint32_t sched_task_legs(const task *t)
{
    return 1 + (t->more ? t->more->count : 0);
}

leg *sched_stage_leg(const stage *st, uint32_t t, uint32_t l)
{
    if (t >= st->tasks || st->task == NULL)
        return NULL;
    if (l == 0)
        return &st->task[t].first;
    more_legs *m = st->task[t].more;
    return m && l - 1 < m->count ? &m->legs[l - 1] : NULL;
}

void sched_stage_free(sched *s, stage *st)
{
    for (uint32_t t = 0; st->task && t < st->tasks; t++) {
        if (st->task[t].more)
            s->leg_bytes -= sizeof(more_legs) + st->task[t].more->room * sizeof(leg);
        free(st->task[t].more);
    }
    free(st->task);
    free(st->parents);
    free(st->ready);
    free(st);
}

/* SDF_OK, or why the stage can't be. */
static int fill(sched *s, stage *st, const sched_stage *spec)
{
    st->id = spec->id;
    st->tasks = spec->tasks;
    st->publishes = spec->publishes;
    st->elsewhere = st->complete = spec->done;
    st->done = spec->done ? spec->tasks : 0;
    st->rank = NONE;
    st->order = s->stage_count ? s->stages[s->stage_count - 1]->order + 1 : 0;
    if (spec->bind) {
        st->wants_bind = true;
        st->bind = sched_stage_find(s, spec->bind);
        if (st->bind == NULL)
            return SDF_E_INVALID;
    }
    if (spec->parent_count) {
        st->parents = calloc(spec->parent_count, sizeof *st->parents);
        if (st->parents == NULL)
            return SDF_E_NO_MEMORY;
    }
    for (; st->parent_count < spec->parent_count; st->parent_count++) {
        stage *p = sched_stage_find(s, spec->parents[st->parent_count]);
        if (p == NULL)
            return SDF_E_INVALID;
        st->parents[st->parent_count] = p;
    }
    if (!spec->done && spec->tasks) {
        st->task = calloc(spec->tasks, sizeof *st->task); /* pages come when tasks run */
        if (st->task == NULL)
            return SDF_E_NO_MEMORY;
    }
    return SDF_OK;
}

int sched_add_stage(sched *s, const sched_stage *spec)
{
    if (spec->id == 0 || sched_stage_find(s, spec->id))
        return SDF_E_INVALID;
    stage *st = calloc(1, sizeof *st);
    if (st == NULL)
        return SDF_E_NO_MEMORY;
    int rc = fill(s, st, spec);
    if (rc == SDF_OK && !sched_grow(s, &s->stages, &s->stage_room, s->stage_count, sizeof *s->stages))
        rc = SDF_E_NO_MEMORY;
    if (rc != SDF_OK) {
        sched_stage_free(s, st);
        return rc;
    }
    s->stages[s->stage_count++] = st;
    return SDF_OK;
}

bool sched_stage_add_leg(sched *s, stage *st, uint32_t t)
{
    task *k = &st->task[t];
    uint32_t room = k->more ? k->more->room : 0;
    if (k->more == NULL || k->more->count == room) {
        uint32_t bigger = room ? room * 2 : 2;
        more_legs *m = realloc(k->more, sizeof *m + bigger * sizeof(leg));
        if (m == NULL) {
            s->broken = true;
            return false;
        }
        if (k->more == NULL) {
            m->count = 0;
            s->leg_bytes += sizeof *m;
        }
        s->leg_bytes += (bigger - room) * sizeof(leg);
        m->room = bigger;
        k->more = m;
    }
    memset(&k->more->legs[k->more->count++], 0, sizeof(leg));
    return true;
}

/* ---- what is ready, in the order of tasks ---- */

void sched_stage_queue(sched *s, stage *st, uint32_t t, uint32_t l)
{
    sched_stage_leg(st, t, l)->state = LEG_READY;
    if (!sched_grow(s, &st->ready, &st->ready_room, st->ready_count, sizeof *st->ready))
        return;
    uint64_t key = (uint64_t)t << 32 | l;
    uint32_t i = st->ready_count++;
    for (; i && st->ready[(i - 1) / 2] > key; i = (i - 1) / 2)
        st->ready[i] = st->ready[(i - 1) / 2];
    st->ready[i] = key;
}

static void pop_ready(stage *st)
{
    uint64_t key = st->ready[--st->ready_count];
    uint32_t i = 0, n = st->ready_count;
    for (uint32_t c = 1; c < n; c = 2 * i + 1) {
        if (c + 1 < n && st->ready[c + 1] < st->ready[c])
            c++;
        if (st->ready[c] >= key)
            break;
        st->ready[i] = st->ready[c];
        i = c;
    }
    st->ready[i] = key;
}

bool sched_stage_next(stage *st, uint32_t *t, uint32_t *l)
{
    while (st->ready_count &&
           sched_stage_leg(st, (uint32_t)(st->ready[0] >> 32), (uint32_t)st->ready[0])->state != LEG_READY)
        pop_ready(st);
    while (st->cursor < st->tasks && st->task[st->cursor].first.state != LEG_IDLE)
        st->cursor++;
    if (st->ready_count && st->ready[0] >> 32 <= st->cursor) {
        *t = (uint32_t)(st->ready[0] >> 32);
        *l = (uint32_t)st->ready[0];
        pop_ready(st);
        return true;
    }
    if (st->cursor >= st->tasks)
        return false;
    *t = st->cursor++;
    *l = 0;
    return true;
}

/* ---- back to rest ---- */

void sched_task_undone(sched *s, stage *st, uint32_t t)
{
    sched_action *x = sched_emit(s, SCHED_TASK_UNDONE);
    x->stage = st->id;
    x->task = t;
    st->done--;
}

void sched_stage_park(sched *s, stage *st)
{
    retry_forget(s, st);
    st->ready_count = 0;
    st->cursor = 0;
    st->started = false;
    if (!st->bound)
        st->bind_asked = false;
    for (uint32_t t = 0; t < st->tasks; t++) {
        for (uint32_t l = 0, n = sched_task_legs(&st->task[t]); l < n; l++) {
            leg *g = sched_stage_leg(st, t, l);
            if (g->state == LEG_VISIBLE || g->state == LEG_COMMITTING)
                continue;
            sched_attempts_doom(s, g, 0);
            g->failures = g->launches = g->throttles = g->reruns = 0;
            g->state = LEG_IDLE;
            if (l)
                sched_stage_queue(s, st, t, l);
        }
    }
}

static void take_back(sched *s, const stage *st, uint32_t t, uint32_t l, bool unpublish)
{
    leg *g = sched_stage_leg(st, t, l);
    sched_attempts_doom(s, g, 0);
    if (g->state != LEG_VISIBLE && !(g->flags & LEG_RERUN))
        return;
    for (int discard = !unpublish; discard < 2; discard++) {
        sched_action *x = sched_emit(s, discard ? SCHED_DISCARD : SCHED_UNPUBLISH);
        x->stage = st->id;
        x->task = t;
        x->leg = l;
        x->attempt = g->attempt;
    }
}

void sched_stage_rewind(sched *s, stage *st)
{
    retry_forget(s, st);
    for (uint32_t t = 0; t < st->tasks; t++) {
        task *k = &st->task[t];
        if (k->visible == sched_task_legs(k))
            sched_task_undone(s, st, t);
        for (uint32_t l = 0, n = sched_task_legs(k); l < n; l++)
            take_back(s, st, t, l, true);
        if (k->more)
            s->leg_bytes -= sizeof(more_legs) + k->more->room * sizeof(leg);
        free(k->more);
        memset(k, 0, sizeof *k);
    }
    st->ready_count = 0;
    st->cursor = 0;
    st->complete = false;
    st->started = false;
    s->dirty = true;
}

void sched_stage_drop(sched *s, stage *st)
{
    sched_action why = {.status = SDF_E_INVALID, .stage = st->id};
    sched_jobs_fail(s, st, &why); /* the driver says nobody needs it; should a job do so, it must not wait for ever */
    retry_forget(s, st);
    for (uint32_t t = 0; st->task && t < st->tasks; t++)
        for (uint32_t l = 0, n = sched_task_legs(&st->task[t]); l < n; l++)
            take_back(s, st, t, l, false);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->stage_count; i++) {
        stage *other = s->stages[i];
        if (other == st)
            continue;
        for (uint32_t p = 0; p < other->parent_count; p++)
            if (other->parents[p] == st)
                other->parents[p] = NULL;
        if (other->bind == st)
            other->bind = NULL;
        s->stages[kept++] = other;
    }
    s->stage_count = kept;
    uint32_t active = 0;
    for (uint32_t i = 0; i < s->active_count; i++)
        if (s->active[i] != st)
            s->active[active++] = s->active[i];
    s->active_count = active;
    sched_stage_free(s, st);
    s->dirty = true;
}

bool sched_stage_has_commits(const stage *st)
{
    for (uint32_t t = 0; st->task && t < st->tasks; t++)
        for (uint32_t l = 0, n = sched_task_legs(&st->task[t]); l < n; l++) {
            const leg *g = sched_stage_leg(st, t, l);
            if (g->state == LEG_VISIBLE || g->state == LEG_COMMITTING || g->flags & LEG_RERUN)
                return true;
        }
    return false;
}
