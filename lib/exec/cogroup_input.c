/* Inputs of kind cogroup: opens the sources, each sorted by key, and hands them to the way they are brought together.
 */
#include <stdlib.h>

#include "exec/blame.h"
#include "exec/cogroup.h"
#include "exec/local_sort.h"
#include "exec/prefix.h"
#include "exec/sorted_runs.h"

/* A source with what sorts it, while that is being filled. */
typedef struct opening {
    cogroup *group;
    local_sort **sorts; /* NULL: the source is sorted already */
    uint32_t unsorted;
} opening;

/* Whether a source is sorted as it is stored. */
static bool is_sorted(const plan_branch *b)
{
    return b->input.kind == PLAN_INPUT_SHUFFLE && b->input.read == PLAN_READ_MERGE && !b->input.descending &&
           !b->op_count;
}

/* Runs a branch into a sort. The unsorted sources share half of the budget; while one is being filled, those filled
 * before can be spilled. */
static int sort_source(opening *o, uint32_t i, sdf_error **err)
{
    cogroup *g = o->group;
    const plan_branch *b = &g->in->sources[i];
    local_sort **s = &o->sorts[i];
    int rc = local_sort_new(s, g->env, g->in->label, g->kind, g->sources[i].value,
                            g->env->budget->limit / 2 / o->unsorted, err);
    if (rc)
        return rc;
    rc = branch_run(g->env, b, local_sort_op(*s), err);
    return rc == OP_STOP ? SDF_OK : rc;
}

static int open_source(opening *o, uint32_t i, sdf_error **err)
{
    cogroup *g = o->group;
    const plan_input *in = &g->in->sources[i].input;
    uint32_t share = g->count - i;
    local_sort *s = o->sorts[i];
    o->sorts[i] = NULL;
    if (s)
        return local_sort_open(s, share, &g->sources[i].stream, err);
    sorted_spec spec = {g->kind, g->sources[i].value, false};
    return sorted_input_open(&g->sources[i].stream, g->env, spec, input_leaf(g->env, in), g->env->piece->partition,
                             share, err);
}

static int open_sources(cogroup *g, sdf_error **err)
{
    opening o = {.group = g, .sorts = calloc(g->count, sizeof *o.sorts)};
    int rc = o.sorts ? SDF_OK : error_no_memory(err);
    for (uint32_t i = 0; i < g->count; i++)
        o.unsorted += !is_sorted(&g->in->sources[i]);
    for (uint32_t i = 0; i < g->count && !rc; i++)
        if (!is_sorted(&g->in->sources[i]))
            rc = sort_source(&o, i, err);
    for (uint32_t i = 0; i < g->count && !rc; i++)
        rc = open_source(&o, i, err);
    for (uint32_t i = 0; o.sorts && i < g->count; i++)
        local_sort_free(o.sorts[i]);
    free(o.sorts);
    return rc;
}

static int cogroup_open(cogroup *g, sdf_error **err)
{
    const plan_input *in = g->in;
    g->count = in->source_count;
    if (!g->count)
        return error_set(err, SDF_E_INTERNAL, "a cogroup of no sources");
    g->kind = type_of(branch_types(&in->sources[0]).key);
    g->decided = prefix_decides(g->kind);
    g->sources = calloc(g->count, sizeof *g->sources);
    g->handles = calloc(g->count, sizeof *g->handles);
    if (!g->sources || !g->handles)
        return error_no_memory(err);
    for (uint32_t i = 0; i < g->count; i++) {
        g->sources[i].group = g;
        g->sources[i].value = type_of(branch_types(&in->sources[i]).value);
        g->handles[i] = &g->sources[i];
    }
    if (!(g->out = out_new(g->env, g->first, type_of(in->key_type), type_of(in->value_type), err)))
        return SDF_E_NO_MEMORY;
    return open_sources(g, err);
}

static int cogroup_run(cogroup *g, sdf_error **err)
{
    switch (g->in->how) {
    case PLAN_COGROUP_CALL:
        return cogroup_call(g, err);
    case PLAN_COGROUP_LISTS:
        return cogroup_lists(g, err);
    case PLAN_COGROUP_SUBTRACT:
        return cogroup_subtract(g, err);
    case PLAN_COGROUP_INTERSECT:
        return cogroup_intersect(g, err);
    case PLAN_COGROUP_INNER:
    case PLAN_COGROUP_LEFT:
    case PLAN_COGROUP_RIGHT:
    case PLAN_COGROUP_FULL:
        return cogroup_join(g, err);
    }
    return error_set(err, SDF_E_INTERNAL, "sources can't be brought together in way %d", (int)g->in->how);
}

static void cogroup_close(cogroup *g)
{
    for (uint32_t i = 0; g->sources && i < g->count; i++)
        sorted_stream_close(g->sources[i].stream);
    out_free(g->out);
    sdf_error_free(g->error);
    if (g->key)
        budget_give(g->env->budget, g->key_capacity);
    free(g->key);
    free(g->handles);
    free(g->sources);
}

int cogroup_input_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    cogroup g = {.env = env, .in = in, .first = first};
    int rc = cogroup_open(&g, err);
    rc = rc ? rc : cogroup_run(&g, err);
    if (g.status && rc == g.status && g.error)
        error_move(err, &g.error);
    cogroup_close(&g);
    return blame(rc, in->label, err);
}
