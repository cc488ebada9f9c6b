/* Jobs, and what they want: which stages are active, which of them may start, when a job is done or lost.
 * All of it is looked at again, over the whole graph, whenever something about it changed: a few times per stage. */
#include "sched/state.h"

#include <stdlib.h>

void sched_jobs_add(sched *s, uint32_t id, uint32_t stage_id)
{
    for (uint32_t i = 0; i < s->job_count; i++)
        if (s->jobs[i].id == id)
            return;
    stage *st = sched_stage_find(s, stage_id);
    if (st == NULL) {
        sched_action *x = sched_emit(s, SCHED_JOB_FAILED);
        x->job = id;
        x->stage = stage_id;
        x->status = SDF_E_INVALID;
        return;
    }
    if (!sched_grow(s, &s->jobs, &s->job_room, s->job_count, sizeof *s->jobs))
        return;
    s->jobs[s->job_count++] = (job){id, st};
    s->dirty = true;
}

void sched_jobs_cancel(sched *s, uint32_t id)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->job_count; i++)
        if (s->jobs[i].id != id)
            s->jobs[kept++] = s->jobs[i];
    s->dirty = s->dirty || kept != s->job_count;
    s->job_count = kept;
}

/* Marks what the job wants: its stage, and the parents of whatever isn't complete. */
static void mark_wanted(sched *s, const job *j)
{
    for (uint32_t i = 0; i < s->stage_count; i++)
        s->stages[i]->marked = false;
    j->stage->marked = true;
    for (uint32_t i = s->stage_count; i-- > 0;) { /* children before parents */
        stage *st = s->stages[i];
        if (!st->marked || st->complete)
            continue;
        for (uint32_t p = 0; p < st->parent_count; p++)
            if (st->parents[p])
                st->parents[p]->marked = true;
        if (st->bind && !st->bound)
            st->bind->marked = true;
    }
}

void sched_jobs_fail(sched *s, stage *st, const sched_action *why)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->job_count; i++) {
        mark_wanted(s, &s->jobs[i]);
        if (!st->marked) {
            s->jobs[kept++] = s->jobs[i];
            continue;
        }
        sched_action *x = sched_emit(s, SCHED_JOB_FAILED);
        *x = *why;
        x->kind = SCHED_JOB_FAILED;
        x->job = s->jobs[i].id;
        s->dirty = true;
    }
    s->job_count = kept;
}

bool sched_jobs_want(sched *s, const stage *st)
{
    for (uint32_t i = 0; i < s->job_count; i++) {
        mark_wanted(s, &s->jobs[i]);
        if (st->marked)
            return true;
    }
    return false;
}

static void finish_jobs(sched *s)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->job_count; i++) {
        if (!s->jobs[i].stage->complete) {
            s->jobs[kept++] = s->jobs[i];
            continue;
        }
        sched_action *x = sched_emit(s, SCHED_JOB_DONE);
        x->job = s->jobs[i].id;
        x->stage = s->jobs[i].stage->id;
    }
    s->job_count = kept;
}

static void lower(stage *st, uint32_t rank)
{
    if (st && rank < st->rank)
        st->rank = rank;
}

static void rank_stages(sched *s)
{
    for (uint32_t i = 0; i < s->stage_count; i++)
        s->stages[i]->rank = NONE;
    for (uint32_t i = 0; i < s->job_count; i++)
        lower(s->jobs[i].stage, i);
    for (uint32_t i = s->stage_count; i-- > 0;) {
        const stage *st = s->stages[i];
        if (st->rank == NONE || st->complete)
            continue;
        for (uint32_t p = 0; p < st->parent_count; p++)
            lower(st->parents[p], st->rank);
        if (!st->bound)
            lower(st->bind, st->rank);
    }
}

static int by_rank(const void *a, const void *b)
{
    const stage *x = *(stage *const *)a, *y = *(stage *const *)b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void list_active(sched *s)
{
    s->active_count = 0;
    for (uint32_t i = 0; i < s->stage_count; i++) {
        stage *st = s->stages[i];
        bool wanted = st->rank != NONE && !st->complete;
        if (st->active && !wanted && !st->complete)
            sched_stage_park(s, st);
        st->active = wanted;
        st->open = false;
        if (!wanted)
            continue;
        if (!sched_grow(s, &s->active, &s->active_room, s->active_count, sizeof *s->active))
            return;
        s->active[s->active_count++] = st;
    }
    if (s->active_count)
        qsort(s->active, s->active_count, sizeof *s->active, by_rank);
}

static void begin_empty(sched *s, stage *st)
{
    sched_emit(s, SCHED_STAGE_STARTED)->stage = st->id;
    sched_emit(s, SCHED_STAGE_DONE)->stage = st->id;
    st->started = true;
    st->complete = true;
    s->dirty = true;
}

/* Opens it if all that it reads is there. */
static void open_stage(sched *s, stage *st)
{
    bool lost = st->wants_bind && !st->bound && st->bind == NULL;
    bool ready = true;
    for (uint32_t p = 0; p < st->parent_count; p++) {
        lost = lost || st->parents[p] == NULL;
        ready = ready && st->parents[p] && st->parents[p]->complete;
    }
    if (lost) { /* what it needs was dropped: nothing can bring it back */
        sched_action why = {.stage = st->id, .status = SDF_E_NOT_FOUND};
        sched_jobs_fail(s, st, &why);
        return;
    }
    if (st->wants_bind && !st->bound) {
        if (st->bind->complete && !st->bind_asked) {
            sched_emit(s, SCHED_BIND)->stage = st->id;
            st->bind_asked = true;
        }
        ready = false;
    }
    st->open = ready;
    if (ready && st->tasks == 0)
        begin_empty(s, st);
}

void sched_jobs_refresh(sched *s)
{
    while (s->dirty && !s->broken) {
        s->dirty = false;
        finish_jobs(s);
        rank_stages(s);
        list_active(s);
        for (uint32_t i = 0; i < s->active_count && !s->broken; i++)
            open_stage(s, s->active[i]);
    }
}
