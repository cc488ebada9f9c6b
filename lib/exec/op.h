/* Operators: batches are pushed from an input through a chain to an output. One task, one thread.
 *
 * push    takes a batch; it lives until push returns, and nothing of it may be kept without a copy.
 * finish  the input is at its end: hand on what is held, then finish the next one. Once.
 * close   frees; after success and failure alike, once, in any state.
 * A return of OP_STOP from push says "I need no more" (a limit): the input stops and finishes. */
#ifndef EXEC_OP_H
#define EXEC_OP_H

#include <sdf/function.h>

#include "base/batch.h"
#include "exec/exec.h"
#include "shuffle/env.h"
#include "spec/registry.h"
#include "spec/type.h"

#define OP_STOP 2

typedef struct op op;
struct op {
    int (*push)(op *self, const sdf_batch *batch, sdf_error **err);
    int (*finish)(op *self, sdf_error **err);
    void (*close)(op *self);
    op *next; /* NULL for outputs */
    task_env *env;
};

static inline int op_push(op *o, const sdf_batch *batch, sdf_error **err)
{
    return o->push(o, batch, err);
}
static inline int op_finish(op *o, sdf_error **err)
{
    return o->finish(o, err);
}

/* Looks at lease and cancellation now and then: `n` counts the batches of a loop. */
static inline int op_check(const task_env *env, uint32_t n, sdf_error **err)
{
    return n % 64 ? SDF_OK : task_env_check(env, err);
}

/* Memory of a batch that has been handed on: in builds with a sanitizer its bytes are spoilt, so that whoever kept a
 * pointer beyond the batch's life is found out at once. */
static inline void poison(void *data, size_t size)
{
#ifdef SDF_SANITIZE
    if (size)
        memset(data, 0xdb, size);
#endif
}

/* ---- exec/out.c, emit.c: what functions emit into; collects batches for the next operator ---- */
/* Batches of at most SDF_BATCH_MAX records go to `next` when full and at out_flush. Copies go into memory of its own,
 * charged to the budget, reused after each batch. Number columns are collected as fixed columns, others as slices. */
sdf_out *out_new(task_env *env, op *next, type_kind key, type_kind value, sdf_error **err);
void out_free(sdf_out *out);
int out_flush(sdf_out *out, sdf_error **err); /* SDF_OK, OP_STOP or an error */
/* The input batch (or key) that views may point into is about to go: pushes what is pending, or, if that is little,
 * copies it so that a sparse stream still travels in full batches. Returns as out_flush, which is still due at the end.
 */
int out_settle(sdf_out *out, sdf_error **err);
/* Before a function is called with an input batch (views may point into it) and after it came back with `status`: gives
 * the status to go on with (the downstream error if there is one, else what sdf_fail said, annotated with function and
 * label). One pair may embrace many calls of the function, as long as it is left as soon as one of them returns an
 * error or out_failed says so. */
void out_enter(sdf_out *out);
void out_enter_mute(sdf_out *out);   /* for a function that may only sdf_fail (a filter) */
bool out_failed(const sdf_out *out); /* an emit was refused or the operators below failed or want no more */
int out_leave(sdf_out *out, int status, const plan_call *spec, sdf_error **err);
uint64_t out_count(const sdf_out *out); /* records emitted since out_new */
/* For operators and built-in functions, which are trusted with types: at most SDF_BATCH_MAX records lent straight to
 * the next operator, after what is pending; and one record to collect as a view. Returns as sdf_emit. */
int out_emit_views(sdf_out *out, size_t count, const sdf_column *keys, const sdf_column *values);
int out_keep(sdf_out *out, const sdf_slice *key, const sdf_slice *value);
/* A stand-alone collector of one value, for encode, finish and reduce: out_value_take gives the emitted value (valid
 * until the next out_value_reset); SDF_E_USER if not exactly one was emitted. A status that the function returned goes
 * through out_leave first. It never spills: encode runs inside spills, so a large value may overdraw the budget until
 * the reset. */
sdf_out *out_value_new(task_env *env, type_kind value, sdf_error **err);
void out_value_reset(sdf_out *out);
bool out_value_short(const sdf_out *out); /* no memory was left for the emitted value */
int out_value_take(sdf_out *out, const plan_call *spec, sdf_slice *value, sdf_error **err);

/* ---- exec/call.c: a registered function with its opened state ---- */
struct sdf_task {
    uint32_t stage, partition;
    uint64_t attempt;
};
typedef struct call {
    const function *fn;
    const plan_call *spec;
    void *state;
    struct sdf_task task; /* both live as long as the state, so a call must not move while it is open */
    sdf_slice arg;
} call;
/* Finds the function (checking version), opens its state. `value_type` resolves overloads. On failure c is closed. */
int call_open(call *c, task_env *env, const plan_call *spec, const char *value_type, sdf_error **err);
void call_close(call *c); /* a zeroed or closed one is fine */
/* SDF_E_USER (or what the function returned, if that says how to go on: memory, space, I/O, limits) with function,
 * operator and message. */
int call_failed(const call *c, int status, const char *message, sdf_error **err);
/* The same without an opened call. message NULL: it gave no reason. */
int call_error(const plan_call *spec, int status, const char *message, sdf_error **err);

/* ---- shuffle_output.c, shuffle_input.c: the doors to the blocking operators ---- */
/* Outputs of kind PLAN_OUTPUT_SHUFFLE: with combiner, sorted, or plain; hash, range or forward. They fill in the
 * reply's index, fingerprint, object_bytes, records and samples at finish. */
int shuffle_output_new(task_env *env, const plan_output *spec, task_reply *reply, exec_result *result, op **out,
                       sdf_error **err);
/* Inputs of kind PLAN_INPUT_SHUFFLE: read everything, push it into `first`, then finish it. */
int shuffle_input_run(task_env *env, const plan_input *spec, op *first, sdf_error **err);

/* Tables of built-in functions, registered by exec_register_builtins. */
extern const sdf_function builtin_aggregators[];
extern const size_t builtin_aggregator_count;
extern const sdf_function builtin_functions[];
extern const size_t builtin_function_count;

#endif
