/* Does an operator fit the collections it is made from? Here: the functions that operators call. A function's kind must
 * be the operator's, its input types the collection's; from both follow the types that come out. Expressions and
 * operators without a function are in fit_types.c. Not here: whether a sort or a sink takes a type (all do). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "exec/exec.h"
#include "plan/lineage.h"
#include "spec/registry.h"
#include "spec/type.h"

static const char *const kind_names[] = {
    [FUNCTION_MAP] = "map",         [FUNCTION_FILTER] = "filter", [FUNCTION_BATCH] = "batch",
    [FUNCTION_GROUP] = "group",     [FUNCTION_REDUCE] = "reduce", [FUNCTION_AGGREGATOR] = "aggregator",
    [FUNCTION_COGROUP] = "cogroup",
};

#define KIND(k) (1u << (k))

/* The kinds of function that an operator takes, as bits, and in words. */
static unsigned kinds_taken(const node *n, const function *fn, const char **words)
{
    if (n->kind == NODE_AGGREGATE) {
        *words = "an aggregator or a reduce function";
        return KIND(FUNCTION_AGGREGATOR) | KIND(FUNCTION_REDUCE);
    }
    if (n->kind == NODE_COGROUP && n->parent_count == 1) {
        *words = "a group function";
        return KIND(FUNCTION_GROUP) | KIND(FUNCTION_COGROUP);
    }
    if (n->kind == NODE_COGROUP) {
        *words = "a cogroup function";
        return KIND(FUNCTION_COGROUP);
    }
    switch (n->op) {
    case PLAN_OP_FILTER:
        *words = "a filter function";
        return KIND(FUNCTION_FILTER);
    case PLAN_OP_BATCH:
        *words = "a batch function";
        return KIND(FUNCTION_BATCH);
    case PLAN_OP_FLAT_MAP: /* the library's own splitters work by batches */
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

static int check_side(const node *n, const node *parent, const function *fn, const char *side, const char *takes,
                      const char *has, sdf_error **err)
{
    if (!takes || type_equal(takes, has))
        return SDF_OK;
    error_set(err, SDF_E_TYPE, "%s: \"%s\" takes %ss of type %s, but those of %s are %s", n->label, fn->def.name, side,
              takes, parent->label, has);
    error_hint(err, "convert them with a map before, or register the function with .in_%s = \"%s\"", side, has);
    return SDF_E_TYPE;
}

static int check_inputs(const node *n, const function *fn, sdf_error **err)
{
    for (uint32_t i = 0; i < n->parent_count; i++) {
        const node *p = n->parents[i];
        int rc = check_side(n, p, fn, "key", fn->def.in_key, p->key_type, err);
        rc = rc ? rc : check_side(n, p, fn, "value", fn->def.in_value, p->value_type, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static const char *or_else(const char *type, const char *otherwise)
{
    return type ? type : otherwise;
}

static int set_types(node *n, const char *key, const char *value, sdf_error **err)
{
    int rc = fit_set(&n->key_type, key, err);
    return rc ? rc : fit_set(&n->value_type, value, err);
}

/* What a reduce function or aggregator makes of values: the state that is shuffled, and the result, of type `bound` if
 * that follows from the argument. */
static int fit_aggregate(node *n, const function *fn, const char *bound, bool reduce_by_key, sdf_error **err)
{
    const node *parent = n->parents[0];
    const char *value = parent->value_type;
    const char *result = or_else(bound, or_else(fn->def.out_value, value));
    int rc = fn->kind == FUNCTION_REDUCE ? fit_set(&n->state_type, value, err)
                                         : fit_set(&n->state_type, fn->aggregator.state_type, err);
    if (rc)
        return rc;
    /* without `finish` the result is the state as it is */
    if (fn->kind == FUNCTION_AGGREGATOR && !bound && !fn->def.out_value && !fn->aggregator.finish)
        result = n->state_type;
    if ((reduce_by_key || fn->kind == FUNCTION_REDUCE) && !type_equal(result, value)) {
        error_set(err, SDF_E_TYPE, "%s: \"%s\" gives values of type %s, but those of %s are %s", n->label, fn->def.name,
                  result, parent->label, value);
        error_hint(err, "sdf_aggregate_by_key may change the type");
        return SDF_E_TYPE;
    }
    return set_types(n, parent->key_type, result, err);
}

/* A group or cogroup function: what it does not say of its types is as it came in. */
static int fit_groups(node *n, const function *fn, sdf_error **err)
{
    const char *value = fn->def.out_value;
    for (uint32_t i = 1; i < n->parent_count && !value; i++) {
        if (type_equal(n->parents[0]->value_type, n->parents[i]->value_type))
            continue;
        error_set(err, SDF_E_TYPE, "%s: \"%s\" does not say what values it gives, and those it takes differ (%s, %s)",
                  n->label, fn->def.name, n->parents[0]->value_type, n->parents[i]->value_type);
        error_hint(err, "register the function with .out_value");
        return SDF_E_TYPE;
    }
    return set_types(n, or_else(fn->def.out_key, n->parents[0]->key_type), or_else(value, n->parents[0]->value_type),
                     err);
}

static int fit_narrow(node *n, const function *fn, const node_spec *spec, sdf_error **err)
{
    node *parent = n->parents[0];
    const char *key = or_else(or_else(fn->def.out_key, spec->key_type), parent->key_type);
    const char *value = or_else(or_else(fn->def.out_value, spec->value_type), parent->value_type);
    char *element = NULL;
    switch (n->op) {
    case PLAN_OP_FILTER:
        n->rows = parent->rows;
        key = parent->key_type;
        value = parent->value_type;
        break;
    case PLAN_OP_MAP_VALUES:
    case PLAN_OP_FLAT_MAP_VALUES:
        key = parent->key_type;
        break;
    case PLAN_OP_KEY_BY:
        element = type_element(parent->key_type, parent->value_type);
        if (!element)
            return error_no_memory(err);
        value = element;
        n->rows = type_of(parent->key_type) == TYPE_NULL ? parent->rows : NULL; /* the element is the value then */
        break;
    default:
        break;
    }
    int rc = set_types(n, key, value, err);
    free(element);
    return rc;
}

/* The argument and label, which operators without a function have too. */
static int fill_call(node *n, const sdf_slice *arg, sdf_error **err)
{
    if (arg->size > PLAN_ARG_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: its argument has %zu bytes; at most %u are carried in a plan", n->label,
                  arg->size, PLAN_ARG_MAX);
        error_hint(err, "larger values are for sdf_broadcast");
        return SDF_E_LIMIT;
    }
    if (arg->size && !arg->data)
        return error_set(err, SDF_E_INVALID, "%s: its argument is NULL but has %zu bytes", n->label, arg->size);
    if (!(n->call.label = strdup(n->label)) || (arg->size && buf_append(&n->call.arg, arg->data, arg->size)))
        return error_no_memory(err);
    return SDF_OK;
}

/* The library's own aggregators may depend on argument and type: the argument is replaced by the bound one. */
static int bind_aggregator(node *n, const function **fn, char **result, sdf_error **err)
{
    buf bound = BUF_EMPTY;
    sdf_slice arg = {n->call.arg.data, n->call.arg.size};
    sdf_error *why = NULL;
    int rc = exec_bind_aggregator(fn, n->parents[0]->value_type, &arg, &bound, result, &why);
    buf_free(&n->call.arg);
    n->call.arg = bound;
    if (rc)
        error_prefix(&why, "%s", n->label);
    return rc ? error_move(err, &why) : SDF_OK;
}

static int fit_function(node *n, const node_spec *spec, sdf_error **err)
{
    if (!spec->function || !*spec->function)
        return error_set(err, SDF_E_INVALID, "%s: no function was named", n->label);
    sdf_error *why = NULL;
    const function *fn = registry_find(spec->function, n->parents[0]->value_type, &why);
    if (!fn) {
        error_prefix(&why, "%s", n->label);
        return error_move(err, &why);
    }
    char *result = NULL;
    int rc = check_kind(n, fn, err);
    rc = rc ? rc : check_inputs(n, fn, err);
    if (!rc && n->kind == NODE_AGGREGATE)
        rc = bind_aggregator(n, &fn, &result, err);
    if (!rc && !(n->call.function = strdup(fn->def.name)))
        rc = error_no_memory(err);
    if (!rc) {
        n->call.version = fn->def.version;
        if (fn->kind == FUNCTION_BATCH)
            n->op = PLAN_OP_BATCH;
        if (n->kind == NODE_AGGREGATE)
            rc = fit_aggregate(n, fn, result, !strcmp(spec->operation, "reduce_by_key"), err);
        else if (n->kind == NODE_COGROUP)
            rc = fit_groups(n, fn, err);
        else
            rc = fit_narrow(n, fn, spec, err);
    }
    free(result);
    if (rc)
        error_at(err, fn->def.name, NULL);
    return rc;
}

static int fit_op(node *n, const node_spec *spec, sdf_error **err)
{
    node *parent = n->parents[0];
    switch (n->op) {
    case PLAN_OP_FILTER_EXPR:
    case PLAN_OP_MAP_EXPR:
        return fit_expressions(n, spec, err);
    case PLAN_OP_PROJECT:
        return fit_projection(n, spec, err);
    case PLAN_OP_SAMPLE:
        n->rows = parent->rows;
        return set_types(n, parent->key_type, parent->value_type, err);
    default:
        return fit_function(n, spec, err);
    }
}

int node_fit(node *n, const node_spec *spec, sdf_error **err)
{
    int rc = fit_parents(n, err);
    rc = rc ? rc : fill_call(n, &spec->arg, err);
    if (rc)
        return rc;
    switch (n->kind) {
    case NODE_NARROW:
        return fit_op(n, spec, err);
    case NODE_AGGREGATE:
        return fit_function(n, spec, err);
    case NODE_COGROUP:
        return n->how == PLAN_COGROUP_CALL ? fit_function(n, spec, err) : fit_cogroup(n, err);
    default: /* its records are its parents' */
        return SDF_OK;
    }
}
