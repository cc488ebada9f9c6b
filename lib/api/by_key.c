/* Transformations by key: folds, groups, cogroups, joins, and what is made of them: distinct, intersection. */
#include "api/internal.h"
#include "spec/type.h"

/* ---- folds and groups ---- */

sdf_rdd *sdf_reduce_by_key(sdf_rdd *rdd, const char *function, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_AGGREGATE, .operation = "reduce_by_key", .function = function,
                                         .partitions = partitions});
}

sdf_rdd *sdf_aggregate_by_key(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_AGGREGATE, .operation = "aggregate_by_key", .function = function,
                                         .arg = {arg, arg_size}, .partitions = partitions});
}

sdf_rdd *sdf_group_by_key(sdf_rdd *rdd, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_AGGREGATE, .operation = "group_by_key", .function = "sdf.list",
                                         .partitions = partitions});
}

sdf_rdd *sdf_map_groups(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_COGROUP, .operation = "map_groups", .function = function,
                                         .arg = {arg, arg_size}, .how = PLAN_COGROUP_CALL, .partitions = partitions});
}

/* ---- several collections ---- */

sdf_rdd *sdf_cogroup(sdf_rdd *const *rdds, size_t count, uint32_t partitions)
{
    return handle_from_all(
        rdds, count,
        &(node_spec){NODE_COGROUP, .operation = "cogroup", .how = PLAN_COGROUP_LISTS, .partitions = partitions});
}

sdf_rdd *sdf_map_cogroups(sdf_rdd *const *rdds, size_t count, const char *function, const void *arg, size_t arg_size,
                          uint32_t partitions)
{
    return handle_from_all(rdds, count,
                           &(node_spec){NODE_COGROUP, .operation = "map_cogroups", .function = function,
                                        .arg = {arg, arg_size}, .how = PLAN_COGROUP_CALL, .partitions = partitions});
}

static sdf_rdd *of_two(sdf_rdd *left, sdf_rdd *right, node_spec *spec)
{
    sdf_rdd *both[] = {left, right};
    return handle_from_all(both, 2, spec);
}

sdf_rdd *sdf_subtract_by_key(sdf_rdd *rdd, sdf_rdd *other, uint32_t partitions)
{
    return of_two(rdd, other,
                  &(node_spec){NODE_COGROUP, .operation = "subtract_by_key", .how = PLAN_COGROUP_SUBTRACT,
                               .partitions = partitions});
}

/* ---- elements ---- */

/* Its records are (element, null) as they are, and may be partitioned by it. */
static bool is_elements(const sdf_rdd *rdd)
{
    return type_of(rdd->node->value_type) == TYPE_NULL && type_of(rdd->node->key_type) != TYPE_NULL;
}

static sdf_rdd *elements(sdf_rdd *rdd, const char *operation)
{
    plan_project project = rdd && is_elements(rdd) ? PLAN_PROJECT_KEY_ONLY : PLAN_PROJECT_ELEMENT;
    return handle_project(rdd, operation, project, NULL, NULL);
}

/* The records of `like` whose elements these are; lets go of them. */
static sdf_rdd *records(sdf_rdd *elements_of, const char *operation, const sdf_rdd *like)
{
    if (is_elements(like))
        return elements_of;
    sdf_rdd *rdd =
        handle_project(elements_of, operation, PLAN_PROJECT_UNELEMENT, like->node->key_type, like->node->value_type);
    sdf_rdd_free(elements_of);
    return rdd;
}

sdf_rdd *sdf_distinct(sdf_rdd *rdd, uint32_t partitions)
{
    sdf_rdd *once =
        handle_then(elements(rdd, "distinct"), &(node_spec){NODE_AGGREGATE, .operation = "distinct",
                                                            .function = "sdf.none", .partitions = partitions});
    return once ? records(once, "distinct", rdd) : NULL;
}

sdf_rdd *sdf_intersection(sdf_rdd *left, sdf_rdd *right, uint32_t partitions)
{
    sdf_rdd *both[] = {elements(left, "intersection"), elements(right, "intersection")};
    sdf_rdd *common = handle_from_all(both, 2,
                                      &(node_spec){NODE_COGROUP, .operation = "intersection",
                                                   .how = PLAN_COGROUP_INTERSECT, .partitions = partitions});
    sdf_rdd_free(both[0]);
    sdf_rdd_free(both[1]);
    return common ? records(common, "intersection", left) : NULL;
}

/* ---- joins ---- */

void sdf_join_options_init(sdf_join_options *options)
{
    if (options)
        *options = (sdf_join_options){.struct_size = sizeof *options};
}

static void check_join(const sdf_join_options *o, sdf_error **err)
{
    if (*err)
        return;
    if (o->how > SDF_JOIN_FULL)
        error_set(err, SDF_E_INVALID, "join: there is no way to join of number %u", o->how);
    else if (o->strategy > SDF_JOIN_BROADCAST_RIGHT)
        error_set(err, SDF_E_INVALID, "join: there is no strategy of number %u", o->strategy);
    if (*err)
        error_hint(err, "begin with sdf_join_options_init, and use the names of sdf_join_how and sdf_join_strategy");
}

sdf_rdd *sdf_join(sdf_rdd *left, sdf_rdd *right, const sdf_join_options *options)
{
    static const plan_cogroup hows[] = {PLAN_COGROUP_INNER, PLAN_COGROUP_LEFT, PLAN_COGROUP_RIGHT, PLAN_COGROUP_FULL};
    static const node_join strategies[] = {JOIN_AUTO, JOIN_PARTITIONED, JOIN_BROADCAST_LEFT, JOIN_BROADCAST_RIGHT};
    sdf_join_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_join_options", &err);
    check_join(&o, &err);
    node_spec spec = {NODE_COGROUP, .operation = "join", .partitions = o.partitions, .error = err};
    spec.how = err ? PLAN_COGROUP_INNER : hows[o.how];
    spec.join = err ? JOIN_AUTO : strategies[o.strategy];
    sdf_rdd *join = of_two(left, right, &spec);
    sdf_error_free(err);
    return join;
}
