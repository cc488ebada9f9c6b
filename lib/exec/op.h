/* Operators: batches are pushed from an input through a chain to an output. One task, one thread.
 *
 * push    takes a batch; it lives until push returns, and nothing of it may be kept without a copy.
 * finish  the input is at its end: hand on what is held, then finish the next one. Once.
 * close   frees; after success and failure alike, once, in any state.
 * drain   between two pieces of a task: hand on what only waits to fill a batch. SDF_OK, OP_STOP or an error. NULL:
 *         there is nothing of the kind.
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
    int (*drain)(op *self, sdf_error **err);
    op *next; /* NULL for outputs */
    task_env *env;
    bool origins; /* it wants to know where records begin in their source, if anybody does (sdf_batch.offsets) */
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
/* Where the record that the function is called for next begins in its source; UINT64_MAX: not known. What is emitted
 * gets it as its own. */
void out_origin(sdf_out *out, uint64_t offset);
/* From now on every record gets this as its key or value (an sdf_side), whatever the function emits there. view: it
 * lives as long as the input batch; else it is copied. */
void out_own(sdf_out *out, sdf_side side, const sdf_slice *own, bool view);
/* Around a call for one record that may fail and be left out: what it emits is held back, at the task's expense, until
 * out_release (which answers as sdf_emit), or is forgotten together with the failure by out_drop. The latter gives what
 * sdf_fail said ("": nothing), until the next call. It also forgets the failure of a call that emits nothing. */
void out_hold(sdf_out *out);
int out_release(sdf_out *out);
const char *out_drop(sdf_out *out);
bool out_refused(const sdf_out *out); /* more is wrong than that a function said sdf_fail */
/* For operators and built-in functions, which are trusted with types: at most SDF_BATCH_MAX records lent straight to
 * the next operator, after what is pending; and one record to collect as a view. Returns as sdf_emit. */
int out_emit_views(sdf_out *out, size_t count, const sdf_column *keys, const sdf_column *values);
int out_keep(sdf_out *out, const sdf_slice *key, const sdf_slice *value);
int out_pass(sdf_out *out, const sdf_batch *batch); /* a whole batch, lent */
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
    task_env *env; /* for sdf_task_broadcast */
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

/* ---- shuffle_output.c: the door to the blocking outputs ---- */
/* Outputs of kind PLAN_OUTPUT_SHUFFLE: with combiner, sorted, or plain; hash, range or forward. They fill in the
 * reply's index, fingerprint, object_bytes, records and samples at finish. */
int shuffle_output_new(task_env *env, const plan_output *spec, task_reply *reply, exec_result *result, op **out,
                       sdf_error **err);

#endif
