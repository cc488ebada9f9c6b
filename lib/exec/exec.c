/* One task from its pieces to its output: builds the chains that the plan's stage says, runs them, closes them.
 *
 * Pieces of one branch that follow one another share its chain, so that a function is opened once for ten thousand
 * small files. A gate stands between the branches and the output: a chain that ends finishes up to there, the output
 * once, at the end. */
#include "exec/exec.h"

#include <stdlib.h>

#include "base/error.h"
#include "exec/blame.h"
#include "exec/counters.h"
#include "exec/error_log.h"
#include "exec/range.h"

typedef struct task {
    task_env *env;
    task_reply *reply;
    exec_result *result;
    scan_share share;
    leg leg;
    op *out;                   /* the output, perhaps behind a limit; NULL: not made */
    op gate;                   /* in front of it */
    const plan_branch *branch; /* whose chain is open; NULL: none */
    op *first;                 /* of it */
} task;

/* ---- the end of the chains ---- */

static int output_new(task *t, op **out, sdf_error **err)
{
    task_env *env = t->env;
    const plan_output *spec = &env->stage->output;
    switch (spec->kind) {
    case PLAN_OUTPUT_SHUFFLE:
        return shuffle_output_new(env, spec, t->reply, t->result, out, err);
    case PLAN_OUTPUT_RESULT:
        return result_output_new(env, spec, t->reply, t->result, out, err);
    case PLAN_OUTPUT_COUNT:
    case PLAN_OUTPUT_NONE:
        return count_output_new(env, t->reply, out, err);
    case PLAN_OUTPUT_FILE:
        return file_output_new(env, spec, t->reply, out, err);
    case PLAN_OUTPUT_SAMPLE:
        return sample_output_new(env, spec, &t->share, t->reply, t->result, out, err);
    }
    return error_set(err, SDF_E_UNSUPPORTED, "an output of kind %d is not known here", (int)spec->kind);
}

/* A limit cuts only what the job wants in the end: what other stages read must be whole. */
static bool limited(const task_env *env)
{
    plan_output_kind kind = env->stage->output.kind;
    return env->request->limit != UINT64_MAX && kind != PLAN_OUTPUT_SHUFFLE && kind != PLAN_OUTPUT_SAMPLE;
}

static int gate_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    return op_push(self->next, batch, err);
}

static int gate_finish(op *self, sdf_error **err)
{
    return SDF_OK;
}

static void gate_close(op *self)
{
}

static int end_open(task *t, sdf_error **err)
{
    const task_env *env = t->env;
    int rc = output_new(t, &t->out, err);
    if (!rc && limited(env))
        rc = limit_new(t->env, env->request->limit, t->out, &t->out, err);
    t->gate = (op){.push = gate_push, .finish = gate_finish, .close = gate_close, .next = t->out, .env = t->env};
    return blame(rc, env->stage->output.label, err);
}

/* ---- chains ---- */

static bool has_op(const plan_branch *b, plan_op_kind kind)
{
    for (uint32_t i = 0; i < b->op_count; i++)
        if (b->ops[i].kind == kind)
            return true;
    return false;
}

/* A fold hands on nothing before its end, so operators behind it that count by piece need an end for each. */
static bool shares_chain(const plan_branch *b)
{
    return !has_op(b, PLAN_OP_FOLD) || (!has_op(b, PLAN_OP_SAMPLE) && !has_op(b, PLAN_OP_INDEX));
}

/* SDF_OK, OP_STOP or an error. */
static int chain_end(task *t, sdf_error **err)
{
    if (!t->branch)
        return SDF_OK;
    int rc = op_finish(t->first, err);
    branch_close(t->first, &t->gate);
    t->branch = NULL;
    return rc;
}

static int chain_for(task *t, const task_piece *piece, sdf_error **err)
{
    const plan_branch *b = &t->env->stage->branches[piece->branch];
    int rc;
    if (t->branch == b && shares_chain(b)) {
        rc = branch_drain(t->first, &t->gate, err);
        t->env->piece = piece;
        return rc;
    }
    if ((rc = chain_end(t, err)))
        return rc;
    t->env->piece = piece;
    rc = branch_open(t->env, b, &t->gate, &t->first, err);
    t->branch = rc ? NULL : b;
    return rc;
}

/* Until the leg's end, or until nobody wants more. */
static int pieces_run(task *t, sdf_error **err)
{
    task_env *env = t->env;
    const task_request *q = env->request;
    int rc = SDF_OK, enters = 1;
    for (uint32_t i = t->leg.from.piece; i < q->piece_count && !rc; i++) {
        if ((enters = leg_enters(&t->leg, i, err)) <= 0)
            break;
        rc = chain_for(t, &q->pieces[i], err);
        if (!rc)
            rc = input_run(env, &t->branch->input, t->first, err);
        leg_passed(&t->leg);
    }
    if (rc < 0 || enters < 0)
        return rc < 0 ? rc : enters;
    rc = chain_end(t, err);
    return rc < 0 ? rc : SDF_OK;
}

/* ---- the task ---- */

static int notes_open(task_env *env, sdf_error **err)
{
    int rc = counters_new(&env->counters, err);
    if (!rc && env->plan && env->plan->errors_uri)
        rc = error_log_new(&env->errors, env, err);
    return rc;
}

static int notes_finish(task *t, sdf_error **err)
{
    task_env *env = t->env;
    int rc = env->errors ? error_log_finish(env->errors, t->reply, err) : SDF_OK;
    return rc ? rc : counters_reply(env->counters, t->reply, err);
}

static void task_close(task *t)
{
    task_env *env = t->env;
    if (t->branch)
        branch_close(t->first, &t->gate);
    branch_close(t->out, NULL);
    error_log_free(env->errors);
    counters_free(env->counters);
    env->errors = NULL;
    env->counters = NULL;
    env->leg = NULL;
}

static int task_run(task *t, sdf_error **err)
{
    task_env *env = t->env;
    bool samples = env->stage->output.kind == PLAN_OUTPUT_SAMPLE;
    int rc = task_env_check(env, err);
    if (!rc)
        rc = leg_open(&t->leg, env, samples ? &t->share : NULL, err);
    env->leg = &t->leg;
    if (!rc)
        rc = notes_open(env, err);
    if (!rc)
        rc = end_open(t, err);
    if (!rc)
        rc = pieces_run(t, err);
    if (!rc)
        rc = blame(op_finish(t->out, err), env->stage->output.label, err);
    if (!rc)
        rc = notes_finish(t, err);
    return rc ? rc : leg_write_cut(&t->leg, &t->result->cut, err);
}

int exec_run(task_env *env, task_reply *reply, exec_result *out, sdf_error **err)
{
    memset(out, 0, sizeof *out);
    task *t = calloc(1, sizeof *t);
    if (!t)
        return error_no_memory(err);
    *t = (task){.env = env, .reply = reply, .result = out};
    int rc = task_run(t, err);
    task_close(t);
    free(t);
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
