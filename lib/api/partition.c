/* Transformations of partitions: united, spread anew, brought together, numbered, kept. */
#include "api/internal.h"

sdf_rdd *sdf_union(sdf_rdd *const *rdds, size_t count)
{
    return handle_from_all(rdds, count, &(node_spec){NODE_UNION, .operation = "union"});
}

sdf_rdd *sdf_repartition(sdf_rdd *rdd, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_REPARTITION, .operation = "repartition", .partitions = partitions});
}

sdf_rdd *sdf_coalesce(sdf_rdd *rdd, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_COALESCE, .operation = "coalesce", .partitions = partitions});
}

sdf_rdd *sdf_partition_by(sdf_rdd *rdd, uint32_t partitions)
{
    return handle_from(rdd, &(node_spec){NODE_PARTITION, .operation = "partition_by", .partitions = partitions});
}

sdf_rdd *sdf_zip_with_index(sdf_rdd *rdd)
{
    return handle_from(rdd, &(node_spec){NODE_INDEX, .operation = "zip_with_index"});
}

static sdf_rdd *set_persist(sdf_rdd *rdd, bool persist)
{
    if (!rdd)
        return NULL;
    pthread_mutex_lock(&rdd->context->lineage);
    node_set_persist(rdd->node, persist, context_drop_stage, rdd->context);
    pthread_mutex_unlock(&rdd->context->lineage);
    return rdd;
}

sdf_rdd *sdf_persist(sdf_rdd *rdd)
{
    return set_persist(rdd, true);
}

sdf_rdd *sdf_unpersist(sdf_rdd *rdd)
{
    return set_persist(rdd, false);
}
