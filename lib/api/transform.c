/* Transformations of one record, or one batch, at a time: functions of the host, projections, expressions, samples. */
#include <stdio.h>

#include "api/internal.h"
#include "base/num.h"

#define SAMPLE_MOST 1000 /* copies of a record, with replacement */

static sdf_rdd *call(sdf_rdd *rdd, plan_op_kind op, const char *operation, const char *function, const void *arg,
                     size_t arg_size)
{
    return handle_from(
        rdd, &(node_spec){NODE_NARROW, .operation = operation, .op = op, .function = function, .arg = {arg, arg_size}});
}

sdf_rdd *sdf_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_MAP, "map", function, arg, arg_size);
}

sdf_rdd *sdf_flat_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_FLAT_MAP, "flat_map", function, arg, arg_size);
}

sdf_rdd *sdf_filter(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_FILTER, "filter", function, arg, arg_size);
}

sdf_rdd *sdf_map_batches(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_BATCH, "map_batches", function, arg, arg_size);
}

sdf_rdd *sdf_map_values(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_MAP_VALUES, "map_values", function, arg, arg_size);
}

sdf_rdd *sdf_flat_map_values(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_FLAT_MAP_VALUES, "flat_map_values", function, arg, arg_size);
}

sdf_rdd *sdf_key_by(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return call(rdd, PLAN_OP_KEY_BY, "key_by", function, arg, arg_size);
}

sdf_rdd *sdf_only_keys(sdf_rdd *rdd)
{
    return handle_project(rdd, "only_keys", PLAN_PROJECT_KEY, NULL, NULL);
}

sdf_rdd *sdf_only_values(sdf_rdd *rdd)
{
    return handle_project(rdd, "only_values", PLAN_PROJECT_VALUE, NULL, NULL);
}

/* ---- expressions ---- */

/* Memory that was out when an expression was made is out of memory still, not the absence of one. */
static sdf_rdd *by_expressions(sdf_rdd *rdd, plan_op_kind op, const char *operation, expr *first, expr *second,
                               const sdf_error *err)
{
    return handle_from(
        rdd, &(node_spec){NODE_NARROW, .operation = operation, .op = op, .exprs = {first, second}, .error = err});
}

sdf_rdd *sdf_filter_expr(sdf_rdd *rdd, const sdf_expr *condition)
{
    return by_expressions(rdd, PLAN_OP_FILTER_EXPR, "filter", expr_of(condition), NULL, NULL);
}

sdf_rdd *sdf_map_expr(sdf_rdd *rdd, const sdf_expr *key, const sdf_expr *value)
{
    return by_expressions(rdd, PLAN_OP_MAP_EXPR, "map", expr_of(key), expr_of(value), NULL);
}

static expr *parse(const char *text, sdf_error **err)
{
    expr *e = text ? expr_parse(text) : NULL;
    if (text && !e)
        error_no_memory(err);
    return e;
}

sdf_rdd *sdf_where(sdf_rdd *rdd, const char *condition)
{
    sdf_error *err = NULL;
    expr *e = parse(condition, &err);
    sdf_rdd *where = by_expressions(rdd, PLAN_OP_FILTER_EXPR, "where", e, NULL, err);
    expr_unref(e);
    sdf_error_free(err);
    return where;
}

sdf_rdd *sdf_select(sdf_rdd *rdd, const char *key, const char *value)
{
    sdf_error *err = NULL;
    expr *k = parse(key, &err), *v = err ? NULL : parse(value, &err);
    sdf_rdd *select = by_expressions(rdd, PLAN_OP_MAP_EXPR, "select", k, v, err);
    expr_unref(k);
    expr_unref(v);
    sdf_error_free(err);
    return select;
}

/* ---- samples ---- */

sdf_rdd *sdf_sample(sdf_rdd *rdd, double fraction, uint64_t seed, int with_replacement)
{
    char text[2 * NUM_TEXT + 8];
    sdf_error *err = NULL;
    double most = with_replacement ? SAMPLE_MOST : 1;
    if (!(fraction >= 0 && fraction <= most)) {
        num_f64(text, fraction);
        error_set(&err, SDF_E_INVALID, "sample: a fraction of %s can't be", text);
        error_hint(&err, "give a number from 0 to %d%s", (int)most,
                   with_replacement ? ", how often a record is taken on average" : "; 0.1 takes a tenth");
    }
    size_t size = num_f64(text, err ? 0 : fraction);
    size +=
        (size_t)snprintf(text + size, sizeof text - size, " %llu %d", (unsigned long long)seed, with_replacement != 0);
    sdf_rdd *sample = handle_from(
        rdd, &(node_spec){NODE_NARROW, .operation = "sample", .op = PLAN_OP_SAMPLE, .arg = {text, size}, .error = err});
    sdf_error_free(err);
    return sample;
}
