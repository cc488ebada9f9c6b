/* What accumulators and counts of record errors must come to: each stage that was finished has run each of its
 * operators over all of its input once, whatever happened on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static void name_counter(const pipeline *p, uint32_t number, char name[128])
{
    const step *s = &p->steps[number];
    if (s->kind == STEP_COUNTED)
        snprintf(name, 128, "n%u", number);
    else
        snprintf(name, 128, "sdf.errors.%s", s->node->label);
}

static bool counts(const step *s)
{
    return s->kind == STEP_COUNTED || s->kind == STEP_PICKY;
}

/* The step that a label is of: "map#4 sim.picky" names a node. */
static const step *step_of(const pipeline *p, const char *label)
{
    const char *number = label ? strchr(label, '#') : NULL;
    unsigned long id = number ? strtoul(number + 1, NULL, 10) : 0;
    for (uint32_t k = 0; k < p->count; k++)
        if (p->steps[k].first_id <= id && id <= p->steps[k].last_id)
            return &p->steps[k];
    return NULL;
}

static int64_t count_all(const step *s, const recs *in)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < in->count; i++)
        sum += s->kind == STEP_COUNTED ? step_counts(&in->at[i]) : step_refuses(&in->at[i]);
    return sum;
}

/* How a join is done: decided in this plan, or in an earlier one. */
static node_join join_of(const planned *made, const step *s)
{
    const node *join = s->node->parents[0];
    for (uint32_t i = 0; i < made->node_count; i++)
        if (made->nodes[i].node == join && made->nodes[i].join)
            return made->nodes[i].join;
    return join->join ? join->join : join->made_join;
}

/* The records behind a step, from those before it that this branch has: a branch has only a part of a union. */
static recs pass(const pipeline *p, const planned *made, const step *s, const plan_op *op, recs *in)
{
    recs out = {0};
    if (s->kind < STEP_COALESCE && s->kind >= STEP_SHIFT)
        step_run(s->kind, in, NULL, &out);
    else if (op && op->kind == PLAN_OP_LOOKUP && join_of(made, s) == JOIN_BROADCAST_LEFT)
        step_run(s->kind, &p->steps[s->parents[0]].out, in, &out);
    else if (op && op->kind == PLAN_OP_LOOKUP)
        step_run(s->kind, in, &p->steps[s->parents[1]].out, &out);
    else /* what it reads is no part of something */
        for (uint32_t i = 0; i < s->out.count; i++)
            recs_add(&out, s->out.at[i].key, s->out.at[i].key_size, s->out.at[i].value);
    recs_free(in);
    return out;
}

/* Follows the records of a branch through its operators. Returns how many are diverted. */
static int64_t note_branch(audit *a, const pipeline *p, const planned *made, const plan_branch *b, uint32_t stage,
                           bool partly)
{
    int64_t diverted = 0;
    for (uint32_t i = 0; i < b->input.source_count; i++)
        diverted += note_branch(a, p, made, &b->input.sources[i], stage, partly);
    recs none = {0}, now = {0};
    const step *at = step_of(p, b->input.label);
    if (at)
        now = pass(p, made, &(step){.kind = STEP_MEMORY, .out = at->out}, NULL, &none);
    for (uint32_t i = 0; i < b->op_count; i++) {
        const step *s = step_of(p, b->ops[i].call.label);
        if (s == NULL || s == at)
            continue; /* a further operator of the same step */
        if (counts(s)) {
            int64_t count = count_all(s, &now);
            a->entries = sim_grow(a->entries, (a->entry_count + 1) * sizeof *a->entries);
            a->entries[a->entry_count++] = (audit_entry){stage, (uint32_t)(s - p->steps), count, partly};
            diverted += s->divert ? count : 0;
        }
        now = pass(p, made, s, &b->ops[i], &now);
        at = s;
    }
    recs_free(&now);
    return diverted;
}

int64_t audit_plan(audit *a, const pipeline *p, const planned *made, bool partly)
{
    int64_t diverted = 0;
    for (uint32_t i = 0; i < made->plan->stage_count; i++) {
        const plan_stage *s = &made->plan->stages[i];
        if (s->output.kind == PLAN_OUTPUT_SAMPLE)
            continue; /* it counts nothing */
        for (uint32_t b = 0; b < s->branch_count; b++)
            diverted += note_branch(a, p, made, &s->branches[b], s->id, partly && s->id == made->target);
    }
    return diverted;
}

static bool is_finished(const audit *a, uint32_t stage)
{
    for (uint32_t i = 0; i < a->finished_count; i++)
        if (a->finished[i] == stage)
            return true;
    return false;
}

void audit_finished(audit *a, uint32_t stage)
{
    if (is_finished(a, stage))
        return;
    a->finished = sim_grow(a->finished, (a->finished_count + 1) * sizeof *a->finished);
    a->finished[a->finished_count++] = stage;
}

void audit_failed(audit *a, uint32_t stage)
{
    for (uint32_t i = a->finished_count; i-- > 0;)
        if (a->finished[i] == stage)
            a->finished[i] = a->finished[--a->finished_count];
}

/* Every error that is counted by name is in the metric, and no other. */
static void check_metric(world *w, const driver *d)
{
    driver_totals t;
    int64_t sum = 0, value;
    const char *name;
    for (size_t i = 0; driver_counter_at(d, i, &name, &value) == SDF_OK; i++)
        sum += strncmp(name, "sdf.errors.", 11) == 0 ? value : 0;
    driver_get_totals(d, &t);
    if ((int64_t)t.tasks_metrics.record_errors != sum)
        world_wrong(w, "%lld record errors in the metric, %lld by name", (long long)t.tasks_metrics.record_errors,
                    (long long)sum);
}

void audit_check(const audit *a, world *w, const pipeline *p, const driver *d)
{
    for (uint32_t k = 0; k < p->count; k++) {
        if (!counts(&p->steps[k]))
            continue;
        char name[128];
        int64_t want = 0, got;
        bool partly = false;
        for (uint32_t i = 0; i < a->entry_count; i++) {
            if (a->entries[i].step != k || !is_finished(a, a->entries[i].stage))
                continue;
            want += a->entries[i].count;
            partly = partly || a->entries[i].partly;
        }
        name_counter(p, k, name);
        driver_counter(d, name, &got);
        if (got != want && !partly)
            world_wrong(w, "%s comes to %lld, not %lld", name, (long long)got, (long long)want);
    }
    check_metric(w, d);
}

void audit_free(audit *a)
{
    free(a->entries);
    free(a->finished);
}
