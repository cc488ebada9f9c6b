/* Does a function fit a collection? Its kind must be the operator's, its input types the collection's; from
 * both follow the types that come out. Not here: whether a sort or a sink takes a type (all do). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plan/lineage.h"
#include "spec/registry.h"
#include "spec/type.h"

static const char *const kind_names[] = {
    [FUNCTION_MAP] = "map",     [FUNCTION_FILTER] = "filter", [FUNCTION_BATCH] = "batch",
    [FUNCTION_GROUP] = "group", [FUNCTION_REDUCE] = "reduce", [FUNCTION_AGGREGATOR] = "aggregator",
};

#define KIND(k) (1u << (k))

/* The kinds of function that an operator takes, as bits, and in words. */
static unsigned kinds_taken(const node *n, const function *fn, const char **words)
{
    switch (n->kind) {
    case NODE_FILTER:
        *words = "a filter function";
        return KIND(FUNCTION_FILTER);
    case NODE_BATCH:
        *words = "a batch function";
        return KIND(FUNCTION_BATCH);
    case NODE_AGGREGATE:
        *words = "an aggregator or a reduce function";
        return KIND(FUNCTION_AGGREGATOR) | KIND(FUNCTION_REDUCE);
    case NODE_MAP_GROUPS:
        *words = "a group function";
        return KIND(FUNCTION_GROUP);
    case NODE_FLAT_MAP: /* the library's own splitters work by batches */
        *words = "a map function";
        return KIND(FUNCTION_MAP) | (fn->builtin ? KIND(FUNCTION_BATCH) : 0);
    default:
        *words = "a map function";
        return KIND(FUNCTION_MAP);
    }
}

static int check_kind(const node *n, const function *fn, sdf_error **err)
{
    const char *words;
    if (kinds_taken(n, fn, &words) & KIND(fn->kind))
        return SDF_OK;
    error_set(err, SDF_E_TYPE, "%s needs %s, and \"%s\" is a%s %s function", n->label, words, fn->def.name,
              fn->kind == FUNCTION_AGGREGATOR ? "n" : "", kind_names[fn->kind]);
    if (fn->kind == FUNCTION_BATCH)
        error_hint(err, "use sdf_map_batches for it");
    return SDF_E_TYPE;
}

static int check_side(const node *n, const function *fn, const char *side, const char *takes, const char *has,
                      sdf_error **err)
{
    if (!takes || type_equal(takes, has))
        return SDF_OK;
    error_set(err, SDF_E_TYPE, "%s: \"%s\" takes %ss of type %s, but those of %s are %s", n->label, fn->def.name, side,
              takes, n->parent->label, has);
    error_hint(err, "convert them with a map before, or register the function with .in_%s = \"%s\"", side, has);
    return SDF_E_TYPE;
}

static int set_type(char **field, const char *type)
{
    *field = strdup(type);
    return *field ? SDF_OK : SDF_E_NO_MEMORY;
}

static const char *or_else(const char *type, const char *otherwise)
{
    return type ? type : otherwise;
}

/* What a reduce function or aggregator makes of values: the state that is shuffled, and the result. */
static int fit_aggregate(node *n, const function *fn, bool reduce_by_key, sdf_error **err)
{
    const char *value = n->parent->value_type;
    const char *result = or_else(fn->def.out_value, value);
    if (fn->kind == FUNCTION_REDUCE) {
        if (set_type(&n->state_type, value))
            return error_no_memory(err);
    } else {
        int rc = type_parse(fn->aggregator.state_type, &n->state_type, err);
        if (rc)
            return rc;
        /* without `finish` the result is the state as it is */
        if (!fn->def.out_value && !fn->aggregator.finish)
            result = n->state_type;
    }
    if ((reduce_by_key || fn->kind == FUNCTION_REDUCE) && !type_equal(result, value)) {
        error_set(err, SDF_E_TYPE, "%s: \"%s\" gives values of type %s, but those of %s are %s", n->label, fn->def.name,
                  result, n->parent->label, value);
        error_hint(err, "sdf_aggregate_by_key may change the type");
        return SDF_E_TYPE;
    }
    if (set_type(&n->key_type, n->parent->key_type) || set_type(&n->value_type, result))
        return error_no_memory(err);
    return SDF_OK;
}

static int fit_out(node *n, const function *fn, sdf_error **err)
{
    const char *key = n->parent->key_type, *value = n->parent->value_type;
    if (n->kind != NODE_FILTER) {
        key = or_else(fn->def.out_key, key);
        value = or_else(fn->def.out_value, value);
    }
    return set_type(&n->key_type, key) || set_type(&n->value_type, value) ? error_no_memory(err) : SDF_OK;
}

static int fill_call(node *n, const function *fn, const sdf_slice *arg, sdf_error **err)
{
    if (arg->size > PLAN_ARG_MAX)
        return error_set(err, SDF_E_LIMIT, "%s: its argument has %zu bytes; at most %u are carried in a plan", n->label,
                         arg->size, PLAN_ARG_MAX);
    if (arg->size && !arg->data)
        return error_set(err, SDF_E_INVALID, "%s: its argument is NULL but has %zu bytes", n->label, arg->size);
    n->call.version = fn->def.version;
    if (!(n->call.function = strdup(fn->def.name)) || !(n->call.label = strdup(n->label)) ||
        buf_append(&n->call.arg, arg->data, arg->size))
        return error_no_memory(err);
    return SDF_OK;
}

static plan_op_kind op_of(const node *n, const function *fn)
{
    if (fn->kind == FUNCTION_BATCH)
        return PLAN_OP_BATCH;
    if (n->kind == NODE_FILTER)
        return PLAN_OP_FILTER;
    return n->kind == NODE_MAP ? PLAN_OP_MAP : PLAN_OP_FLAT_MAP;
}

int node_fit(node *n, const node_spec *spec, sdf_error **err)
{
    if (!spec->function || !*spec->function)
        return error_set(err, SDF_E_INVALID, "%s: no function was named", n->label);
    sdf_error *why = NULL;
    const function *fn = registry_find(spec->function, n->parent->value_type, &why);
    if (!fn) {
        error_prefix(&why, "%s", n->label);
        return error_move(err, &why);
    }
    int rc = check_kind(n, fn, err);
    if (!rc)
        rc = check_side(n, fn, "key", fn->def.in_key, n->parent->key_type, err);
    if (!rc)
        rc = check_side(n, fn, "value", fn->def.in_value, n->parent->value_type, err);
    if (!rc)
        rc = fill_call(n, fn, &spec->arg, err);
    if (rc) {
        error_at(err, fn->def.name, NULL);
        return rc;
    }
    n->op = op_of(n, fn);
    if (n->kind == NODE_AGGREGATE)
        return fit_aggregate(n, fn, !strcmp(spec->operation, "reduce_by_key"), err);
    return fit_out(n, fn, err);
}
