/* A uniform aggregator over registered aggregators and reduce functions: what hash tables fold with.
 * Not here: where states live (hashtable.h) and how batches reach them (fold.h). */
#ifndef EXEC_AGGREGATE_H
#define EXEC_AGGREGATE_H

#include "exec/op.h"

/* Answer of an aggregate call: memory is short as things stand and the state is as it was. Spill, then call again. */
#define AGGREGATE_FULL 3

/* How a whole batch is folded: by the library's own loops, by one call of update_many, or value by value. */
typedef enum aggregate_kernel {
    KERNEL_EACH,
    KERNEL_MANY,
    KERNEL_ADD_I64,
    KERNEL_ADD_F64,
    KERNEL_COUNT
} aggregate_kernel;

struct sdf_memory {
    arena *arena;
};

typedef struct aggregate {
    task_env *env;
    call call;
    const sdf_aggregator *vtable; /* NULL: a reduce function */
    type_kind value, state, result;
    uint32_t state_size; /* bytes of the state in a table */
    bool variable;
    aggregate_kernel update, merge;
    sdf_out *shuffled; /* what encode and reduce emit */
    sdf_out *finished; /* what finish emits; NULL where nothing is finished */
    sdf_memory memory;
} aggregate;

/* `value` is what is folded in (the state where states are merged), `state` what is shuffled (NULL: as the function
 * declares), `result` what finish gives (NULL: it is not called). */
int aggregate_open(aggregate *a, task_env *env, const plan_call *spec, const char *value, const char *state,
                   const char *result, sdf_error **err);
void aggregate_close(aggregate *a); /* a zeroed one is fine */
/* Where states allocate from; its owner frees it. */
void aggregate_use(aggregate *a, arena *memory);

/* Makes zeroed state_size bytes a fresh state. SDF_OK, AGGREGATE_FULL or an error. */
int aggregate_init(aggregate *a, void *state, sdf_error **err);
/* Folds in a value, or (merging) a shuffled state. fresh: nothing was folded in since init. Returns as
 * aggregate_init. */
int aggregate_fold(aggregate *a, void *state, bool fresh, bool merging, const sdf_slice *value, sdf_error **err);
/* `count` values at once; only where the kernel is KERNEL_MANY. */
int aggregate_fold_many(aggregate *a, void *const *states, const sdf_column *values, size_t count, sdf_error **err);
/* The shuffled form, and the result; valid until the next call for this aggregate. */
int aggregate_encode(aggregate *a, const void *state, sdf_slice *shuffled, sdf_error **err);
int aggregate_finish(aggregate *a, const void *state, sdf_slice *result, sdf_error **err);
/* Whether the result is the state's own 8 bytes, so that no call is needed. */
bool aggregate_plain(const aggregate *a);
/* "the sum overflows" and the like, for the library's own loops. */
int aggregate_overflow(aggregate *a, sdf_error **err);

#endif
