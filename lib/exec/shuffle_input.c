/* Inputs of kind shuffle: reads what a stage wrote for this task's partition, as it is or merged, and pushes it on. */
#include "exec/shuffle_input.h"

#include "base/error.h"
#include "exec/merge.h"

static int concat_run(task_env *env, const plan_input *spec, op *first, sdf_error **err)
{
    const task_request *q = env->request;
    run *r;
    sdf_batch batch;
    int rc = run_open_extents(&r, env, spec->source, q->task, q->extents, q->extent_count,
                              type_of(spec->stored_key_type), type_of(spec->stored_value_type), err);
    if (rc)
        return rc;
    for (uint32_t n = 0; !rc && !(rc = run_next(r, &batch, err)); n++) {
        rc = op_check(env, n, err);
        rc = rc ? rc : op_push(first, &batch, err);
    }
    run_close(r);
    return rc == SDF_END ? SDF_OK : rc;
}

static int merge_run(task_env *env, const plan_input *spec, op *first, sdf_error **err)
{
    sorted_input *s;
    sdf_batch batch;
    int rc = sorted_input_open(&s, env, spec, spec->descending, err);
    if (rc)
        return rc;
    for (uint32_t n = 0; !rc && !(rc = sorted_input_next(s, &batch, err)); n++) {
        rc = op_check(env, n, err);
        rc = rc ? rc : op_push(first, &batch, err);
    }
    sorted_input_close(s);
    return rc == SDF_END ? SDF_OK : rc;
}

int shuffle_input_run(task_env *env, const plan_input *spec, op *first, sdf_error **err)
{
    int rc;
    switch (spec->read) {
    case PLAN_READ_CONCAT:
        rc = concat_run(env, spec, first, err);
        break;
    case PLAN_READ_AGGREGATE:
        rc = fold_input_run(env, spec, first, err);
        break;
    case PLAN_READ_MERGE:
        rc = merge_run(env, spec, first, err);
        break;
    case PLAN_READ_GROUP:
        rc = group_input_run(env, spec, first, err);
        break;
    default:
        rc = error_set(err, SDF_E_INTERNAL, "a shuffle can't be read in way %d", (int)spec->read);
    }
    if (rc == SDF_OK || rc == OP_STOP)
        return op_finish(first, err);
    if (err && *err && !*sdf_error_operator(*err))
        error_at(err, NULL, spec->label);
    return rc;
}
