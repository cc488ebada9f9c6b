/* Wide nodes that need no more than one shuffle, or none where their parent has every key in its place already. */
#include "base/error.h"
#include "plan/builder.h"

int wide_feed(builder *b, node *n, uint32_t i, const shuffle_spec *spec, uint32_t *stage, sdf_error **err)
{
    *stage = n->stages[i];
    if (*stage)
        return builder_note_reused(b, *stage, err);
    segment s = {0};
    planned_node to_note = {.node = n, .parent = i, .partitions = spec->partitions};
    int rc = builder_take(b, n->parents[i], &s, err);
    rc = rc ? rc : exchange_shuffle(b, &s, spec, stage, &to_note.middle, err);
    segment_clear(&s);
    if (rc)
        return rc;
    to_note.stage = *stage;
    return builder_note(b, to_note, err);
}

/* Is every key of the parent in its partition of `partitions` already? */
static bool in_place(const builder *b, const node *n)
{
    const node_info *info = info_of(b, n);
    return n->kind != NODE_REPARTITION && !n->stages[0] && info_of(b, n->parents[0])->hash == info->partitions;
}

static int stay(builder *b, node *n, segment *s, sdf_error **err)
{
    int rc = builder_take(b, n->parents[0], s, err);
    if (!rc && builder_choice(b, n, "in_place", "%s has every key in its one of %u partitions already",
                              n->parents[0]->label, info_of(b, n)->partitions))
        rc = error_no_memory(err);
    if (rc || n->kind == NODE_PARTITION)
        return rc;
    if (s->branches[0].plan.op_count == PLAN_OPS_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: more than %u operators in one stage", n->label, PLAN_OPS_MAX);
        error_hint(err, "sdf_persist a collection on the way");
        return SDF_E_LIMIT;
    }
    s->branches[0].rows = NULL;
    s->known = false;
    return segment_add_op(s, 0, PLAN_OP_FOLD, &n->call, n->key_type, n->value_type) ? SDF_OK : error_no_memory(err);
}

int wide_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    if (in_place(b, n))
        return stay(b, n, s, err);
    bool folds = n->kind == NODE_AGGREGATE;
    const node *parent = n->parents[0];
    shuffle_spec spec = {.at = n,
                         .key_type = parent->key_type,
                         .value_type = folds ? n->state_type : parent->value_type,
                         .partitions = info_of(b, n)->partitions,
                         .partitioner = n->kind == NODE_REPARTITION ? PLAN_PARTITION_ROUND_ROBIN : PLAN_PARTITION_HASH,
                         .combine = folds ? &n->call : NULL};
    uint32_t stage;
    int rc = wide_feed(b, n, 0, &spec, &stage, err);
    if (rc)
        return rc;
    if (segment_read(s, n, spec.key_type, spec.value_type, stage, spec.partitions))
        return error_no_memory(err);
    plan_input *in = &s->branches[0].plan.input;
    if (folds) {
        in->read = PLAN_READ_AGGREGATE;
        if (plan_copy_call(&in->call, &n->call))
            return error_no_memory(err);
    }
    return segment_weigh(s, n, err);
}
