/* One task from its input to its output: builds the chain that the plan's stage says, runs it, closes it. */
#include "exec/exec.h"

#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"

static int output_new(task_env *env, scan_share *share, task_reply *reply, exec_result *result, op **out,
                      sdf_error **err)
{
    const plan_output *spec = &env->stage->output;
    switch (spec->kind) {
    case PLAN_OUTPUT_SHUFFLE:
        return shuffle_output_new(env, spec, reply, result, out, err);
    case PLAN_OUTPUT_RESULT:
        return result_output_new(env, spec, reply, result, out, err);
    case PLAN_OUTPUT_COUNT:
    case PLAN_OUTPUT_NONE:
        return count_output_new(env, reply, out, err);
    case PLAN_OUTPUT_FILE:
        return file_output_new(env, spec, reply, out, err);
    case PLAN_OUTPUT_SAMPLE:
        return sample_output_new(env, spec, share, reply, result, out, err);
    }
    return error_set(err, SDF_E_UNSUPPORTED, "an output of kind %d is not known here", (int)spec->kind);
}

/* A limit cuts only what the job wants in the end: what other stages read must be whole. */
static bool limited(const task_env *env)
{
    plan_output_kind kind = env->stage->output.kind;
    return env->request->limit != UINT64_MAX && kind != PLAN_OUTPUT_SHUFFLE && kind != PLAN_OUTPUT_SAMPLE;
}

/* From the output backwards. *first is the chain so far, on failure too. */
static int chain_build(task_env *env, scan_share *share, task_reply *reply, exec_result *result, op **first,
                       sdf_error **err)
{
    const plan_stage *s = env->stage;
    int rc = output_new(env, share, reply, result, first, err);
    if (rc) {
        if (err && *err && !*sdf_error_operator(*err))
            error_at(err, NULL, s->output.label);
        return rc;
    }
    if (limited(env))
        rc = limit_new(env, env->request->limit, *first, first, err);
    for (uint32_t i = s->op_count; i > 0 && !rc; i--) {
        const char *in_value = i > 1 ? s->ops[i - 2].value_type : s->input.value_type;
        rc = narrow_new(env, &s->ops[i - 1], in_value, *first, first, err);
    }
    return rc;
}

static int chain_run(task_env *env, op *first, scan_share *share, exec_result *result, sdf_error **err)
{
    const plan_input *spec = &env->stage->input;
    if (env->stage->output.kind != PLAN_OUTPUT_SAMPLE)
        share = NULL;
    switch (spec->kind) {
    case PLAN_INPUT_TEXT:
        return text_source_run(env, first, share, &result->cut, err);
    case PLAN_INPUT_BINARY:
        return binary_source_run(env, first, share, &result->cut, err);
    case PLAN_INPUT_SHUFFLE:
        return shuffle_input_run(env, spec, first, err);
    }
    return error_set(err, SDF_E_UNSUPPORTED, "an input of kind %d is not known here", (int)spec->kind);
}

static void chain_close(op *first)
{
    while (first) {
        op *next = first->next;
        first->close(first);
        first = next;
    }
}

int exec_run(task_env *env, task_reply *reply, exec_result *out, sdf_error **err)
{
    scan_share share = {0, 0};
    op *first = NULL;
    memset(out, 0, sizeof *out);
    int rc = task_env_check(env, err);
    if (!rc)
        rc = chain_build(env, &share, reply, out, &first, err);
    if (!rc)
        rc = chain_run(env, first, &share, out, err);
    chain_close(first);
    reply->cut = buf_slice(&out->cut);
    env->metrics.peak_memory = env->budget->peak;
    return rc;
}

void exec_result_free(exec_result *out)
{
    buf_free(&out->index);
    buf_free(&out->inline_object);
    buf_free(&out->samples);
    buf_free(&out->cut);
}
