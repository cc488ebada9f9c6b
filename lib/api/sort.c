/* Global order: by the key itself, or by one that is made for it and goes again. */
#include "api/internal.h"
#include "spec/type.h"

void sdf_sort_options_init(sdf_sort_options *options)
{
    if (options)
        *options = (sdf_sort_options){.struct_size = sizeof *options};
}

/* Sorts what `rdd` holds and, where `owned`, lets go of it. */
static sdf_rdd *sorted(sdf_rdd *rdd, bool owned, const char *operation, const sdf_sort_options *options)
{
    sdf_sort_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_sort_options", &err);
    node_spec spec = {NODE_SORT, .operation = operation, .partitions = o.partitions, .descending = o.descending != 0,
                      .error = err};
    sdf_rdd *sort = owned ? handle_then(rdd, &spec) : handle_from(rdd, &spec);
    sdf_error_free(err);
    return sort;
}

sdf_rdd *sdf_sort_by_key(sdf_rdd *rdd, const sdf_sort_options *options)
{
    return sorted(rdd, false, "sort_by_key", options);
}

/* Of records (sort key, element): sorts them, and gives those of `like` back. */
static sdf_rdd *sorted_by(sdf_rdd *keyed, const sdf_rdd *like, const sdf_sort_options *options)
{
    sdf_rdd *sort = sorted(keyed, true, "sort_by", options);
    if (!sort)
        return NULL;
    sdf_rdd *back = handle_project(sort, "sort_by", PLAN_PROJECT_UNVALUE, like->node->key_type, like->node->value_type);
    sdf_rdd_free(sort);
    return back;
}

sdf_rdd *sdf_sort_by(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                     const sdf_sort_options *options)
{
    sdf_rdd *keyed = handle_from(rdd, &(node_spec){NODE_NARROW, .operation = "sort_by", .op = PLAN_OP_KEY_BY,
                                                   .function = function, .arg = {arg, arg_size}});
    return keyed ? sorted_by(keyed, rdd, options) : NULL;
}

/* The element as an expression. */
static expr *element_of(const sdf_rdd *rdd)
{
    bool no_key = type_of(rdd->node->key_type) == TYPE_NULL, no_value = type_of(rdd->node->value_type) == TYPE_NULL;
    return expr_parse(no_key ? "value" : no_value ? "key" : "tuple(key, value)");
}

sdf_rdd *sdf_sort_by_expr(sdf_rdd *rdd, const sdf_expr *key, const sdf_sort_options *options)
{
    if (!rdd)
        return NULL;
    expr *element = element_of(rdd);
    sdf_error *err = NULL;
    if (!element)
        error_no_memory(&err);
    else if (!key)
        error_set(&err, SDF_E_INVALID, "sort_by: it was given no key");
    sdf_rdd *keyed = handle_from(rdd, &(node_spec){NODE_NARROW, .operation = "sort_by", .op = PLAN_OP_MAP_EXPR,
                                                   .exprs = {expr_of(key), element}, .error = err});
    expr_unref(element);
    sdf_error_free(err);
    return keyed ? sorted_by(keyed, rdd, options) : NULL;
}
