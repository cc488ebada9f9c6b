/* Global sorts: splitters from a sample of the keys, a shuffle by range, sorted runs merged. Where the records are
 * cheap to come by (files, numbers, what a stage has written, through narrow operators), they are read a first time
 * only for the sample; otherwise they are written down once, sampled on the way, and the range shuffle reads that. */
#include "base/error.h"
#include "plan/builder.h"

#define SAMPLE_KEYS_PER_PARTITION 64   /* over all tasks: partitions then differ by about a quarter at most */
#define SAMPLE_KEYS_MIN           16   /* of a task: it may be the only one with data */
#define SAMPLE_KEYS_MAX           4096 /* of a task */

static uint32_t sample_keys(uint32_t partitions, uint32_t tasks)
{
    uint64_t keys = (uint64_t)partitions * SAMPLE_KEYS_PER_PARTITION / (tasks ? tasks : 1);
    return keys < SAMPLE_KEYS_MIN ? SAMPLE_KEYS_MIN : keys > SAMPLE_KEYS_MAX ? SAMPLE_KEYS_MAX : (uint32_t)keys;
}

/* May every record be made twice? Not where that costs a merge, draws a sample, counts, or would count or divert record
 * errors twice. */
static bool is_cheap(const segment *s)
{
    for (uint32_t i = 0; i < s->branch_count; i++) {
        const plan_input *in = &s->branches[i].plan.input;
        if (in->kind == PLAN_INPUT_COGROUP || (in->kind == PLAN_INPUT_SHUFFLE && in->read != PLAN_READ_CONCAT))
            return false;
    }
    return !segment_spares(s) && !segment_has_op(s, PLAN_OP_SAMPLE) && !segment_has_op(s, PLAN_OP_INDEX) &&
           !segment_has_op(s, PLAN_OP_FOLD);
}

/* Sees to the splitters: *aux is the stage they come from. The segment then yields the records once more. */
static int sample(builder *b, const node *n, segment *s, uint32_t partitions, uint32_t *aux, sdf_error **err)
{
    const node *parent = n->parents[0];
    uint32_t tasks = s->tasks, keys = sample_keys(partitions, tasks);
    segment first = {0};
    int rc;
    if (is_cheap(s)) {
        if (segment_copy(&first, s))
            return error_no_memory(err);
        rc = emit_sample(b, n, &first, parent->key_type, parent->value_type, keys, aux, err);
        segment_clear(&first);
        return rc;
    }
    bool known = s->known;
    uint64_t estimate = s->estimate;
    rc = emit_forward(b, n, s, parent->key_type, parent->value_type, keys, " (materialised)", aux, err);
    segment_clear(s);
    if (!rc && segment_read(s, parent, parent->key_type, parent->value_type, *aux, tasks))
        rc = error_no_memory(err);
    s->known = known;
    s->estimate = estimate;
    return rc;
}

/* The shuffle before the sort, new. */
static int sort_feed(builder *b, node *n, shuffle_spec *spec, uint32_t *stage, sdf_error **err)
{
    planned_node to_note = {.node = n, .partitions = spec->partitions};
    segment s = {0};
    int rc = builder_take(b, n->parents[0], &s, err);
    if (!rc && spec->partitions > 1) {
        spec->partitioner = PLAN_PARTITION_RANGE;
        rc = sample(b, n, &s, spec->partitions, &spec->bound_by, err);
    }
    rc = rc ? rc : exchange_shuffle(b, &s, spec, stage, &to_note.middle, err);
    segment_clear(&s);
    if (rc)
        return rc;
    to_note.stage = *stage;
    to_note.aux_stage = spec->bound_by;
    return builder_note(b, to_note, err);
}

int sort_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    shuffle_spec spec = {.at = n,
                         .key_type = n->key_type,
                         .value_type = n->value_type,
                         .partitions = info_of(b, n)->partitions,
                         .partitioner = PLAN_PARTITION_HASH,
                         .order = n->descending ? PLAN_ORDER_DESCENDING : PLAN_ORDER_ASCENDING};
    uint32_t stage = n->stages[0];
    int rc = stage ? builder_note_reused(b, stage, err) : sort_feed(b, n, &spec, &stage, err);
    if (rc)
        return rc;
    if (segment_read(s, n, n->key_type, n->value_type, stage, spec.partitions))
        return error_no_memory(err);
    s->branches[0].plan.input.read = PLAN_READ_MERGE;
    s->branches[0].plan.input.descending = n->descending;
    return segment_weigh(s, n, err);
}
