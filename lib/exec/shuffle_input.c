/* Inputs of kind shuffle: reads what a stage wrote for the piece's partition, as it is, aggregated or merged, and
 * pushes it on. */
#include "exec/blame.h"
#include "exec/chain.h"
#include "exec/fold_op.h"
#include "exec/sorted_runs.h"

static int concat_run(task_env *env, const plan_input *in, op *to, sdf_error **err)
{
    const task_leaf *leaf = input_leaf(env, in);
    run *r;
    sdf_batch batch;
    int rc = run_open_extents(&r, env, leaf->stage, env->piece->partition, leaf->extents, leaf->extent_count,
                              type_of(in->stored_key_type), type_of(in->stored_value_type), err);
    if (rc)
        return rc;
    for (uint32_t n = 0; !rc && !(rc = run_next(r, &batch, err)); n++) {
        rc = op_check(env, n, err);
        rc = rc ? rc : op_push(to, &batch, err);
    }
    run_close(r);
    return rc == SDF_END ? SDF_OK : rc;
}

/* A run has each key once (it was a table), so the longest one tells how many there are at least. */
static uint64_t longest_run(const task_leaf *leaf)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < leaf->extent_count; i++)
        most = leaf->extents[i].records > most ? leaf->extents[i].records : most;
    return most;
}

static int aggregate_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    fold_spec spec = {.call = &in->call,
                      .key = in->stored_key_type,
                      .value = in->stored_value_type,
                      .state = in->stored_value_type,
                      .result = in->value_type,
                      .merging = true};
    op *fold;
    int rc = fold_op_open(env, &spec, first, &fold, err);
    if (rc)
        return rc;
    fold_op_expect(fold, longest_run(input_leaf(env, in)));
    rc = concat_run(env, in, fold, err);
    rc = rc ? rc : fold_op_end(fold, err);
    fold->close(fold);
    return rc;
}

static int merge_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    sorted_spec spec = {type_of(in->stored_key_type), type_of(in->stored_value_type), in->descending};
    sorted_stream *s;
    sdf_batch batch;
    int rc = sorted_input_open(&s, env, spec, input_leaf(env, in), env->piece->partition, 1, err);
    if (rc)
        return rc;
    for (uint32_t n = 0; !rc && !(rc = sorted_stream_next(s, &batch, err)); n++) {
        rc = op_check(env, n, err);
        rc = rc ? rc : op_push(first, &batch, err);
    }
    sorted_stream_close(s);
    return rc == SDF_END ? SDF_OK : rc;
}

int shuffle_input_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    int rc;
    switch (in->read) {
    case PLAN_READ_CONCAT:
        rc = concat_run(env, in, first, err);
        break;
    case PLAN_READ_AGGREGATE:
        rc = aggregate_run(env, in, first, err);
        break;
    case PLAN_READ_MERGE:
        rc = merge_run(env, in, first, err);
        break;
    default:
        rc = error_set(err, SDF_E_INTERNAL, "a shuffle can't be read in way %d", (int)in->read);
    }
    return blame(rc, in->label, err);
}
