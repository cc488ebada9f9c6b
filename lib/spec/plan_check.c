/* What must hold across the fields of a plan: stages stand in the order in which they depend on each other, numbers
 * point at something that is there, joins have two sides. Not here: single fields (plan_decode.c), types that fit and
 * functions that exist (lib/exec, when a task opens them). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "spec/plan_reader.h"

/* Where a stage is in the plan, by id: a plan may have many stages and far more inputs. */
typedef struct stage_place {
    uint32_t id, index;
} stage_place;

typedef struct checker {
    plan_reader r; /* for its place and its refusals */
    const plan *plan;
    const plan_stage *stage; /* that is being checked, the index-th */
    uint32_t index;
    stage_place *places; /* sorted by id */
} checker;

static int by_id(const void *a, const void *b)
{
    const stage_place *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static void sort_places(checker *c)
{
    uint32_t count = c->plan->stage_count;
    if (!count)
        return;
    c->places = malloc(count * sizeof *c->places);
    if (!c->places) {
        plan_no_memory(&c->r);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        c->places[i] = (stage_place){c->plan->stages[i].id, i};
    qsort(c->places, count, sizeof *c->places, by_id);
    for (uint32_t i = 1; i < count; i++)
        if (c->places[i].id == c->places[i - 1].id) {
            plan_enter(&c->r, "stages", c->places[i].index);
            plan_refuse(&c->r, SDF_E_CORRUPT, "id", "another stage has the id %u", c->places[i].id);
            return;
        }
}

/* A stage that this one needs: an earlier one, or one that an earlier plan of the context had. */
static void check_source(checker *c, const char *name, uint32_t id)
{
    uint32_t low = 0, high = c->plan->stage_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (c->places[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < c->plan->stage_count && c->places[low].id == id && c->places[low].index >= c->index)
        plan_refuse(&c->r, SDF_E_CORRUPT, name, "stage %u doesn't come before this one", id);
}

static void check_errors(checker *c, plan_errors errors)
{
    if (errors == PLAN_ERRORS_DIVERT && !c->plan->errors_uri)
        plan_refuse(&c->r, SDF_E_CORRUPT, "errors", "records are to be diverted, but the plan has no errors_uri");
}

static void check_branch(checker *c, const plan_branch *b);

static void check_cogroup(checker *c, const plan_input *in)
{
    uint32_t least = 1, most = PLAN_SOURCES_MAX;
    if (in->how >= PLAN_COGROUP_INNER)
        least = 2;
    if (in->how >= PLAN_COGROUP_INNER && in->how <= PLAN_COGROUP_FULL)
        most = 2;
    if (in->source_count < least || in->source_count > most)
        plan_refuse(&c->r, in->source_count > PLAN_SOURCES_MAX ? SDF_E_LIMIT : SDF_E_CORRUPT, "sources",
                    "from %u to %u sources expected, not %u", least, most, in->source_count);
    for (uint32_t i = 0; i < in->source_count && !c->r.rc; i++) {
        size_t mark = plan_enter(&c->r, "sources", i);
        check_branch(c, &in->sources[i]);
        plan_leave(&c->r, mark);
    }
}

static void check_format(checker *c, const plan_format *f)
{
    size_t mark = plan_enter(&c->r, "format", -1);
    if (f->kind == PLAN_FORMAT_BINARY && !f->record_bytes)
        plan_refuse(&c->r, SDF_E_CORRUPT, "record_bytes", "records of no bytes can't be read");
    plan_leave(&c->r, mark);
}

static void check_input(checker *c, const plan_input *in)
{
    size_t mark = plan_enter(&c->r, "input", -1);
    if (in->kind == PLAN_INPUT_FILES) {
        check_format(c, &in->format);
        check_errors(c, in->errors);
    } else if (in->kind == PLAN_INPUT_SHUFFLE) {
        check_source(c, "source", in->source);
    } else if (in->kind == PLAN_INPUT_COGROUP) {
        check_cogroup(c, in);
    }
    plan_leave(&c->r, mark);
}

static void check_op(checker *c, const plan_op *op)
{
    check_errors(c, op->errors);
    if (op->kind == PLAN_OP_LOOKUP && op->side >= c->stage->side_count)
        plan_refuse(&c->r, SDF_E_CORRUPT, "side", "the stage has %u sides, none is number %u", c->stage->side_count,
                    op->side);
    if (op->kind == PLAN_OP_LOOKUP && op->how != PLAN_COGROUP_INNER && op->how != PLAN_COGROUP_LEFT)
        plan_refuse(&c->r, SDF_E_CORRUPT, "how", "\"inner\" or \"left\" expected");
    if (op->kind == PLAN_OP_PROJECT && (op->call.arg.size != 1 || op->call.arg.data[0] < PLAN_PROJECT_VALUE ||
                                        op->call.arg.data[0] > PLAN_PROJECT_SWAP_SIDES))
        plan_refuse(&c->r, SDF_E_CORRUPT, "call.arg", "no way to project");
}

static void check_branch(checker *c, const plan_branch *b)
{
    check_input(c, &b->input);
    if (b->op_count > PLAN_OPS_MAX)
        plan_refuse(&c->r, SDF_E_LIMIT, "ops", "more than %d of them", PLAN_OPS_MAX);
    for (uint32_t i = 0; i < b->op_count && !c->r.rc; i++) {
        size_t mark = plan_enter(&c->r, "ops", i);
        check_op(c, &b->ops[i]);
        plan_leave(&c->r, mark);
    }
}

/* Forward, a stage without tasks has no partition either; elsewhere records must go somewhere. */
static void check_shuffle(checker *c, const plan_output *o)
{
    bool by_key = o->partitioner == PLAN_PARTITION_HASH || o->partitioner == PLAN_PARTITION_RANGE;
    if (!o->partitions && o->partitioner != PLAN_PARTITION_FORWARD)
        plan_refuse(&c->r, SDF_E_CORRUPT, "partitions", "at least one expected");
    if (o->spread && o->spread < o->partitions)
        plan_refuse(&c->r, SDF_E_CORRUPT, "spread", "%u are spread over fewer, %u", o->partitions, o->spread);
    if (o->spread && !by_key)
        plan_refuse(&c->r, SDF_E_CORRUPT, "spread", "only partitions by hash or range have two levels");
    if (o->merging && !o->combine.function)
        plan_refuse(&c->r, SDF_E_CORRUPT, "merging", "states are merged by `combine`, which is missing");
}

static void check_output(checker *c, const plan_output *o)
{
    size_t mark = plan_enter(&c->r, "output", -1);
    if (o->kind == PLAN_OUTPUT_SHUFFLE)
        check_shuffle(c, o);
    if (o->kind == PLAN_OUTPUT_FILE && o->format.kind == PLAN_FORMAT_WHOLE)
        plan_refuse(&c->r, SDF_E_CORRUPT, "format.kind", "nothing is written as whole files");
    plan_leave(&c->r, mark);
}

static void check_stage(checker *c)
{
    const plan_stage *s = c->stage;
    if (!s->branch_count)
        plan_refuse(&c->r, SDF_E_CORRUPT, "branches", "at least one expected");
    if (s->branch_count > PLAN_BRANCHES_MAX)
        plan_refuse(&c->r, SDF_E_LIMIT, "branches", "more than %d of them", PLAN_BRANCHES_MAX);
    if (s->side_count > PLAN_SIDES_MAX)
        plan_refuse(&c->r, SDF_E_LIMIT, "sides", "more than %d of them", PLAN_SIDES_MAX);
    for (uint32_t i = 0; i < s->branch_count && !c->r.rc; i++) {
        size_t mark = plan_enter(&c->r, "branches", i);
        check_branch(c, &s->branches[i]);
        plan_leave(&c->r, mark);
    }
    for (uint32_t i = 0; i < s->side_count && !c->r.rc; i++) {
        size_t mark = plan_enter(&c->r, "sides", i);
        check_source(c, "source", s->sides[i].source);
        plan_leave(&c->r, mark);
    }
    check_output(c, &s->output);
    if (s->bound_by)
        check_source(c, "bound_by", s->bound_by);
}

static int by_name(const void *a, const void *b)
{
    const plan_broadcast *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void check_broadcasts(checker *c)
{
    uint32_t count = c->plan->broadcast_count;
    if (count > PLAN_BROADCASTS_MAX)
        plan_refuse(&c->r, SDF_E_LIMIT, "broadcasts", "more than %d of them", PLAN_BROADCASTS_MAX);
    if (!count || c->r.rc)
        return;
    const plan_broadcast **sorted = malloc(count * sizeof *sorted);
    if (!sorted) {
        plan_no_memory(&c->r);
        return;
    }
    for (uint32_t i = 0; i < count && !c->r.rc; i++) {
        sorted[i] = &c->plan->broadcasts[i];
        plan_leave(&c->r, 0);
        plan_enter(&c->r, "broadcasts", i);
        if (!sorted[i]->name || !*sorted[i]->name)
            plan_refuse(&c->r, SDF_E_CORRUPT, "name", "empty");
    }
    plan_leave(&c->r, 0);
    if (!c->r.rc)
        qsort(sorted, count, sizeof *sorted, by_name);
    for (uint32_t i = 1; i < count && !c->r.rc; i++)
        if (!strcmp(sorted[i]->name, sorted[i - 1]->name))
            plan_refuse(&c->r, SDF_E_CORRUPT, "broadcasts", "two are named \"%s\"", sorted[i]->name);
    free(sorted);
}

int plan_check(const plan *p, sdf_error **err)
{
    checker c = {.r.err = err, .plan = p};
    if (p->stage_count > PLAN_STAGES_MAX)
        plan_refuse(&c.r, SDF_E_LIMIT, "stages", "more than %d of them", PLAN_STAGES_MAX);
    else
        sort_places(&c);
    for (uint32_t i = 0; i < p->stage_count && !c.r.rc; i++) {
        c.stage = &p->stages[i];
        c.index = i;
        size_t mark = plan_enter(&c.r, "stages", i);
        check_stage(&c);
        plan_leave(&c.r, mark);
    }
    check_broadcasts(&c);
    free(c.places);
    return c.r.rc;
}
