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

/* Which step the operator is: by its argument, or its label. */
static bool is_step(const pipeline *p, uint32_t number, const plan_op *op)
{
    char name[128];
    if (!op->call.function ||
        strcmp(op->call.function, p->steps[number].kind == STEP_COUNTED ? "sim.counted" : "sim.picky") != 0)
        return false;
    name_counter(p, number, name);
    if (p->steps[number].kind == STEP_PICKY)
        return strcmp(op->call.label, p->steps[number].node->label) == 0;
    return op->call.arg.size == strlen(name) && memcmp(op->call.arg.data, name, op->call.arg.size) == 0;
}

static int64_t note_branch(audit *a, const pipeline *p, const plan_branch *b, uint32_t stage, bool partly)
{
    int64_t diverted = 0;
    for (uint32_t i = 0; i < b->input.source_count; i++)
        diverted += note_branch(a, p, &b->input.sources[i], stage, partly);
    for (uint32_t i = 0; i < b->op_count; i++) {
        for (uint32_t k = 0; k < p->count; k++) {
            if (!counts(&p->steps[k]) || !is_step(p, k, &b->ops[i]))
                continue;
            a->entries = sim_grow(a->entries, (a->entry_count + 1) * sizeof *a->entries);
            a->entries[a->entry_count++] = (audit_entry){stage, k, partly};
            diverted += p->steps[k].divert ? p->steps[k].counted : 0;
        }
    }
    return diverted;
}

int64_t audit_plan(audit *a, const pipeline *p, const plan *document, uint32_t target, bool partly)
{
    int64_t diverted = 0;
    for (uint32_t i = 0; i < document->stage_count; i++) {
        const plan_stage *s = &document->stages[i];
        if (s->output.kind == PLAN_OUTPUT_SAMPLE)
            continue; /* it counts nothing */
        for (uint32_t b = 0; b < s->branch_count; b++)
            diverted += note_branch(a, p, &s->branches[b], s->id, partly && s->id == target);
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
            want += p->steps[k].counted;
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
