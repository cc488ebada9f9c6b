/* Handles: references to lineage nodes, and the transformations, which only make nodes. */
#include "api/internal.h"

#include "base/versioned.h"

/* ---- the context's list ---- */

static void handle_link(sdf_context *c, sdf_rdd *rdd)
{
    rdd->next = c->handles;
    if (rdd->next)
        rdd->next->previous = rdd;
    c->handles = rdd;
}

static void handle_unlink(sdf_context *c, sdf_rdd *rdd)
{
    if (rdd->previous)
        rdd->previous->next = rdd->next;
    else
        c->handles = rdd->next;
    if (rdd->next)
        rdd->next->previous = rdd->previous;
}

sdf_rdd *handle_new(sdf_context *c, const node_spec *spec)
{
    sdf_rdd *rdd = calloc(1, sizeof *rdd);
    if (!rdd)
        return NULL;
    node_spec numbered = *spec;
    pthread_mutex_lock(&c->lineage);
    numbered.id = c->next_node++;
    rdd->context = c;
    rdd->node = node_new(&numbered);
    if (rdd->node)
        handle_link(c, rdd);
    pthread_mutex_unlock(&c->lineage);
    if (rdd->node)
        return rdd;
    free(rdd);
    return NULL;
}

void sdf_rdd_free(sdf_rdd *rdd)
{
    if (!rdd)
        return;
    sdf_context *c = rdd->context;
    pthread_mutex_lock(&c->lineage);
    handle_unlink(c, rdd);
    node_unref(rdd->node, context_drop_stage, c);
    pthread_mutex_unlock(&c->lineage);
    free(rdd);
}

int handle_check(const sdf_rdd *rdd, const char *what, sdf_error **err)
{
    if (!rdd) {
        error_set(err, SDF_E_INVALID, "%s: the handle is NULL", what);
        error_hint(err, "a transformation gives NULL for NULL: look for the first one of them");
        return SDF_E_INVALID;
    }
    int rc = context_enter(rdd->context, what, err);
    if (rc || !rdd->node->error)
        return rc;
    if (err)
        *err = error_copy(rdd->node->error);
    return sdf_error_code(rdd->node->error);
}

const char *sdf_rdd_key_type(const sdf_rdd *rdd)
{
    return rdd ? rdd->node->key_type : "";
}

const char *sdf_rdd_value_type(const sdf_rdd *rdd)
{
    return rdd ? rdd->node->value_type : "";
}

const sdf_error *sdf_rdd_error(const sdf_rdd *rdd)
{
    return rdd ? rdd->node->error : NULL;
}

sdf_rdd *sdf_rdd_set_name(sdf_rdd *rdd, const char *name)
{
    if (!rdd)
        return NULL;
    pthread_mutex_lock(&rdd->context->lineage);
    node_set_name(rdd->node, name); /* without memory it keeps the name it has */
    pthread_mutex_unlock(&rdd->context->lineage);
    return rdd;
}

void options_copy(void *to, size_t size, const void *options, const char *what, sdf_error **err)
{
    memset(to, 0, size);
    if (options && versioned_copy(to, size, 0, options, what, err))
        error_hint(err, "begin with %s_init, of the version of the library that runs", what);
}

/* ---- transformations ---- */

static sdf_rdd *derive(sdf_rdd *rdd, node_spec *spec)
{
    if (!rdd)
        return NULL;
    spec->parent = rdd->node;
    return handle_new(rdd->context, spec);
}

sdf_rdd *sdf_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return derive(rdd, &(node_spec){NODE_MAP, .operation = "map", .function = function, .arg = {arg, arg_size}});
}

sdf_rdd *sdf_flat_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return derive(rdd,
                  &(node_spec){NODE_FLAT_MAP, .operation = "flat_map", .function = function, .arg = {arg, arg_size}});
}

sdf_rdd *sdf_filter(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return derive(rdd, &(node_spec){NODE_FILTER, .operation = "filter", .function = function, .arg = {arg, arg_size}});
}

sdf_rdd *sdf_map_batches(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size)
{
    return derive(rdd,
                  &(node_spec){NODE_BATCH, .operation = "map_batches", .function = function, .arg = {arg, arg_size}});
}

sdf_rdd *sdf_reduce_by_key(sdf_rdd *rdd, const char *function, uint32_t partitions)
{
    return derive(rdd, &(node_spec){NODE_AGGREGATE, .operation = "reduce_by_key", .function = function,
                                    .partitions = partitions});
}

sdf_rdd *sdf_aggregate_by_key(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, uint32_t partitions)
{
    return derive(rdd, &(node_spec){NODE_AGGREGATE, .operation = "aggregate_by_key", .function = function,
                                    .arg = {arg, arg_size}, .partitions = partitions});
}

sdf_rdd *sdf_map_groups(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, uint32_t partitions)
{
    return derive(rdd, &(node_spec){NODE_MAP_GROUPS, .operation = "map_groups", .function = function,
                                    .arg = {arg, arg_size}, .partitions = partitions});
}

sdf_rdd *sdf_group_by_key(sdf_rdd *rdd, uint32_t partitions)
{
    return derive(rdd, &(node_spec){NODE_AGGREGATE, .operation = "group_by_key", .function = "sdf.list",
                                    .partitions = partitions});
}

void sdf_sort_options_init(sdf_sort_options *options)
{
    if (options)
        *options = (sdf_sort_options){.struct_size = sizeof *options};
}

sdf_rdd *sdf_sort_by_key(sdf_rdd *rdd, const sdf_sort_options *options)
{
    sdf_sort_options o;
    sdf_error *err = NULL;
    options_copy(&o, sizeof o, options, "sdf_sort_options", &err);
    sdf_rdd *sorted = derive(rdd, &(node_spec){NODE_SORT, .operation = "sort_by_key", .partitions = o.partitions,
                                               .descending = o.descending != 0, .error = err});
    sdf_error_free(err);
    return sorted;
}

sdf_rdd *sdf_partition_by(sdf_rdd *rdd, uint32_t partitions)
{
    return derive(rdd, &(node_spec){NODE_PARTITION, .operation = "partition_by", .partitions = partitions});
}
