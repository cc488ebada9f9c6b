/* A branch of a stage as a chain of operators, and its input run into it. Not here: which pieces go through it
 * (exec.c), and what the operators do. */
#include "exec/blame.h"
#include "exec/chain.h"
#include "exec/sources.h"

static int op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    switch (spec->kind) {
    case PLAN_OP_MAP:
    case PLAN_OP_FLAT_MAP:
    case PLAN_OP_FILTER:
    case PLAN_OP_BATCH:
    case PLAN_OP_MAP_VALUES:
    case PLAN_OP_FLAT_MAP_VALUES:
    case PLAN_OP_KEY_BY:
        return narrow_new(env, spec, in, next, out, err);
    case PLAN_OP_FILTER_EXPR:
    case PLAN_OP_MAP_EXPR:
        return expr_op_new(env, spec, in, next, out, err);
    case PLAN_OP_PROJECT:
        return project_new(env, spec, in, next, out, err);
    case PLAN_OP_SAMPLE:
        return sample_op_new(env, spec, in, next, out, err);
    case PLAN_OP_INDEX:
        return index_op_new(env, spec, in, next, out, err);
    case PLAN_OP_FOLD:
        return fold_op_new(env, spec, in, next, out, err);
    case PLAN_OP_LOOKUP:
        return lookup_op_new(env, spec, in, next, out, err);
    }
    return error_set(err, SDF_E_UNSUPPORTED, "an operator of kind %d is not known here", (int)spec->kind);
}

int branch_open(task_env *env, const plan_branch *b, op *end, op **first, sdf_error **err)
{
    *first = end;
    for (uint32_t i = b->op_count; i > 0; i--) {
        op_types in = {b->input.key_type, b->input.value_type};
        if (i > 1)
            in = (op_types){b->ops[i - 2].key_type, b->ops[i - 2].value_type};
        int rc = op_new(env, &b->ops[i - 1], in, *first, first, err);
        if (rc) {
            branch_close(*first, end);
            *first = NULL;
            return blame(rc, b->ops[i - 1].call.label, err);
        }
    }
    return SDF_OK;
}

void branch_close(op *first, const op *end)
{
    while (first && first != end) {
        op *next = first->next;
        first->close(first);
        first = next;
    }
}

int branch_drain(op *first, const op *end, sdf_error **err)
{
    int rc = SDF_OK;
    for (op *o = first; o != end && !rc; o = o->next)
        rc = o->drain ? o->drain(o, err) : SDF_OK;
    return rc;
}

static int files_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    const char *path = env->piece->split.path;
    if (!path || !*path)
        return error_set(err, SDF_E_INVALID, "the request names no input file");
    switch (in->format.kind) {
    case PLAN_FORMAT_TEXT:
        return text_source_run(env, in, first, err);
    case PLAN_FORMAT_BINARY:
        return binary_source_run(env, in, first, err);
    case PLAN_FORMAT_WHOLE:
        return whole_source_run(env, in, first, err);
    case PLAN_FORMAT_DELIMITED:
        return delimited_source_run(env, in, first, err);
    case PLAN_FORMAT_JSON:
        return json_source_run(env, in, first, err);
    }
    return error_set(err, SDF_E_UNSUPPORTED, "files of format %d are not known here", (int)in->format.kind);
}

int input_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    int rc;
    switch (in->kind) {
    case PLAN_INPUT_FILES:
        rc = files_run(env, in, first, err);
        break;
    case PLAN_INPUT_RANGE:
        rc = range_source_run(env, in, first, err);
        break;
    case PLAN_INPUT_SHUFFLE:
        rc = shuffle_input_run(env, in, first, err);
        break;
    case PLAN_INPUT_COGROUP:
        rc = cogroup_input_run(env, in, first, err);
        break;
    default:
        rc = error_set(err, SDF_E_UNSUPPORTED, "an input of kind %d is not known here", (int)in->kind);
    }
    return blame(rc, in->label, err);
}

/* All of it is read, whatever part of the piece the task's leg is to read: that is the cogroup's affair, which can't be
 * cut. */
int branch_run(task_env *env, const plan_branch *b, op *end, sdf_error **err)
{
    struct leg *leg = env->leg;
    op *first;
    int rc = branch_open(env, b, end, &first, err);
    if (rc)
        return rc;
    env->leg = NULL;
    rc = input_run(env, &b->input, first, err);
    env->leg = leg;
    if (!rc || rc == OP_STOP)
        rc = op_finish(first, err);
    branch_close(first, end);
    return rc;
}
