/* Cogroups and partitioned joins: each source comes sorted by key through a shuffle, or, where its keys are in their
 * partitions already, as it is: its segment becomes a source of the cogroup, and the task sorts it. */
#include "base/error.h"
#include "plan/builder.h"

#define NESTED_SOURCES_MAX 64 /* of cogroups within a cogroup: each holds memory while its task runs */

/* May the parent's segment be a source as it stands? Beyond the limits it is shuffled, which is always right. */
static bool nests(const builder *b, const node *n, uint32_t i, const segment *cogroup)
{
    const node_info *parent = info_of(b, n->parents[i]);
    return !n->stages[i] && parent->hash == info_of(b, n)->partitions && parent->seg.depth < PLAN_NESTED_MAX &&
           cogroup->weight + parent->seg.weight <= NESTED_SOURCES_MAX;
}

/* The parent's segment, which has one branch and a partition for each task, as a source. */
static int nest(builder *b, const node *n, uint32_t i, segment *cogroup, sdf_error **err)
{
    segment s = {0};
    plan_branch *source = NULL;
    int rc = builder_take(b, n->parents[i], &s, err);
    if (!rc && builder_choice(b, n, "in_place", "%s has every key in its one of %u partitions already",
                              n->parents[i]->label, info_of(b, n)->partitions))
        rc = error_no_memory(err);
    rc = rc ? rc : segment_adopt_sides(cogroup, &s, n, err);
    if (!rc && !(source = plan_add_source(&cogroup->branches[0].plan.input)))
        rc = error_no_memory(err);
    if (!rc) {
        *source = s.branches[0].plan;
        s.branches[0].plan = (plan_branch){0};
    }
    segment_clear(&s);
    return rc;
}

static int shuffle(builder *b, node *n, uint32_t i, segment *cogroup, sdf_error **err)
{
    const node *parent = n->parents[i];
    shuffle_spec spec = {.at = n,
                         .key_type = parent->key_type,
                         .value_type = parent->value_type,
                         .partitions = info_of(b, n)->partitions,
                         .partitioner = PLAN_PARTITION_HASH,
                         .order = PLAN_ORDER_ASCENDING};
    uint32_t stage;
    int rc = wide_feed(b, n, i, &spec, &stage, err);
    if (rc)
        return rc;
    segment s = {0};
    plan_branch *source = NULL;
    if (segment_read(&s, parent, parent->key_type, parent->value_type, stage, spec.partitions) ||
        !(source = plan_add_source(&cogroup->branches[0].plan.input)))
        rc = error_no_memory(err);
    if (!rc) {
        *source = s.branches[0].plan;
        source->input.read = PLAN_READ_MERGE;
        s.branches[0].plan = (plan_branch){0};
    }
    segment_clear(&s);
    return rc;
}

int cogroup_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    *s = (segment){.tasks = info_of(b, n)->partitions};
    segment_branch *branch = segment_add_branch(s, n->label, n->key_type, n->value_type);
    if (!branch)
        return error_no_memory(err);
    branch->rows = n->rows ? n : NULL;
    plan_input *in = &branch->plan.input;
    in->kind = PLAN_INPUT_COGROUP;
    in->how = n->how;
    if (n->how == PLAN_COGROUP_CALL && plan_copy_call(&in->call, &n->call))
        return error_no_memory(err);
    int rc = SDF_OK;
    for (uint32_t i = 0; i < n->parent_count && !rc; i++) {
        rc = nests(b, n, i, s) ? nest(b, n, i, s, err) : shuffle(b, n, i, s, err);
        rc = rc ? rc : segment_weigh(s, n, err);
    }
    return rc;
}
