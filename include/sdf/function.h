/* Functions and aggregators of the host, their registration, and the worker.
 *
 * A function crosses the wire by its registered name, so the program that drives and
 * the program that works must register the same table before they do anything else.
 *
 * Where nothing else is said - Errors: SDF_E_INVALID (a definition that can't be), SDF_E_EXISTS, SDF_E_BUSY (too late).
 * Threads: any, before the first context or worker is opened. Since: 0.1 */
#ifndef SDF_FUNCTION_H
#define SDF_FUNCTION_H

#include <sdf/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The task a function's state is opened for. */
typedef struct sdf_task sdf_task;
/* Where the task stands: its stage, its partition within it, and the id of this attempt at it. */
SDF_API uint32_t sdf_task_stage(const sdf_task *task);
SDF_API uint32_t sdf_task_partition(const sdf_task *task);
SDF_API uint64_t sdf_task_attempt(const sdf_task *task);

/* Makes the state of one task from the bytes given with the operator (they live as
 * long as the state). Optional; without it `state` is NULL. Never shared between
 * threads. Returns SDF_OK or an error (set *err with sdf_error_new to say why). */
typedef int (*sdf_open_fn)(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err);
typedef void (*sdf_close_fn)(void *state);

/* map and flat_map: emits exactly one record, or any number. */
typedef int (*sdf_map_fn)(const sdf_record *in, sdf_out *out, void *state);
/* filter: 1 keeps the record, 0 drops it, below 0 is an error (`out` only for sdf_fail). */
typedef int (*sdf_filter_fn)(const sdf_record *in, sdf_out *out, void *state);
/* map_batches: the primitive; one call for up to SDF_BATCH_MAX records. */
typedef int (*sdf_batch_fn)(const sdf_batch *in, sdf_out *out, void *state);
/* map_groups: one key and the stream of its values, in producer order. The function
 * may stop before the end. `key` lives until it returns. */
typedef int (*sdf_group_fn)(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state);
/* map_cogroups: one key and a stream of values for each collection (empty where it has none), independent of each
 * other; the rest as for map_groups. Since: 0.2 */
typedef int (*sdf_cogroup_fn)(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state);
/* reduce_by_key: two values to one of the same type (emit it once, with a NULL key).
 * Must be associative; values arrive in producer order. */
typedef int (*sdf_reduce_fn)(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state);

/* Accounted memory of a task, for states that grow. It is freed all at once when the
 * states have been spilled or finished: there is no free. NULL: the budget is spent and
 * the function returns SDF_E_NO_MEMORY (the library spills and calls again). Ownership: the task's. Threads: that of
 * the aggregator's call. Since: 0.1 */
typedef struct sdf_memory sdf_memory;
SDF_API void *sdf_memory_alloc(sdf_memory *memory, size_t size);

/* An aggregator folds the values of a key into a state. What is shuffled is the state.
 * `state` points to `state_size` zeroed bytes, 8-aligned. A state that is fixed
 * (`variable` 0) is shuffled as its bytes; a variable one points to memory from
 * sdf_memory_alloc and is shuffled as what `encode` emits. A call that returns
 * SDF_E_NO_MEMORY must have left its state as it was.
 * Threads: the calls for one task come from one thread; different tasks run at once. */
typedef struct sdf_aggregator {
    size_t struct_size;
    const char *state_type; /* type of the shuffled state; NULL: bytes */
    uint32_t state_size;    /* 1 .. 4096; up to 8 is fastest */
    uint32_t variable;      /* 0 or 1 */
    /* Optional: a fresh state (default: zeros). */
    int (*init)(void *state, sdf_memory *memory, void *user);
    /* Mandatory: fold in one value. */
    int (*update)(void *state, const sdf_slice *value, sdf_memory *memory, void *user);
    /* Mandatory: fold in a shuffled state, which came from a later part of the input. */
    int (*merge)(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user);
    /* Mandatory if variable: emit the shuffled form, once, with a NULL key. */
    int (*encode)(const void *state, sdf_out *out, void *user);
    /* Optional: emit the result, once, with a NULL key (default: the shuffled form). */
    int (*finish)(const void *state, sdf_out *out, void *user);
    /* Optional: `count` updates at once; value i goes to states[i] (may repeat).
     * Not for variable states. */
    int (*update_many)(void *const *states, const sdf_column *values, size_t count, void *user);
} sdf_aggregator;

/* A function and what it takes and gives. Exactly one of map, filter, batch, group,
 * cogroup, reduce, aggregator is set. Types NULL: `in_*` anything, `out_*` as it came in
 * (for group, out_key NULL is the key's type; for reduce both ways the value's type). */
typedef struct sdf_function {
    size_t struct_size;
    const char *name; /* letters, digits, '_', '.', '-'; at most 127; "sdf." is the library's */
    uint32_t version; /* raise it when the function's meaning changes */
    const char *in_key;
    const char *in_value;
    const char *out_key;
    const char *out_value;
    sdf_map_fn map;
    sdf_filter_fn filter;
    sdf_batch_fn batch;
    sdf_group_fn group;
    sdf_reduce_fn reduce;
    const sdf_aggregator *aggregator; /* copied; its `user` is the state made by open */
    sdf_open_fn open;
    sdf_close_fn close;
    sdf_cogroup_fn cogroup; /* since 0.2. in_value: of every collection (NULL: anything); key and out as for group */
} sdf_function;

/* Zeroes a definition and sets its struct_size, before its fields are set. */
SDF_API void sdf_function_init(sdf_function *function);
SDF_API void sdf_aggregator_init(sdf_aggregator *aggregator);

/* Adds a function to the program's table (strings copied). Registering the same
 * definition again is fine; another under the same name is SDF_E_EXISTS.
 * Threads: any, but before the first context or worker is opened (SDF_E_BUSY after).
 * Since: 0.1 */
SDF_API int sdf_register(const sdf_function *function, sdf_error **err);

/* Sugar for C99 (not C++): SDF_REGISTER(split, .map = split, .out_key = SDF_BYTES)
 * registers under the identifier's own name; a failure is kept and reported by
 * sdf_worker_main and sdf_context_open. */
#define SDF_REGISTER(ident, ...)                                                                                       \
    sdf_register_or_remember(&(const sdf_function){.struct_size = sizeof(sdf_function), .name = #ident, __VA_ARGS__})
SDF_API void sdf_register_or_remember(const sdf_function *function);

/* The application's own version, part of the program id ("" by default); copied. */
SDF_API int sdf_set_program_version(const char *version, sdf_error **err);

/* The program id: 32 hex digits, a digest of the wire version, the application's version and
 * every registered function's name, version and types. Ownership: static. */
SDF_API const char *sdf_program_id(void);

/* 1 when a transport or a function platform started this process as a worker.
 * The host then returns sdf_worker_main() from main, before anything else. */
SDF_API int sdf_worker_requested(void);
/* Serves tasks until the driver or platform ends it. Returns the exit code. */
SDF_API int sdf_worker_main(void);

/* The worker as a function, for a host that brings its own loop: a task request in, a
 * reply out. A reply is given whatever happens in the task; an error is returned only
 * if none can be made. One worker runs one task at a time.
 * `memory` is the byte budget of a task. `store`: a store URI that overrides the one
 * in the requests; NULL: theirs. deadline_ms: when the platform stops the call, epoch ms; 0: never.
 * Ownership: *response is the worker's until its next call or close.
 * Threads: one thread at a time per worker. Since: 0.1 */
typedef struct sdf_worker sdf_worker;
SDF_API int sdf_worker_open(const char *store, uint64_t memory, const char *scratch_dir, sdf_worker **worker,
                            sdf_error **err);
SDF_API int sdf_worker_invoke(sdf_worker *worker, const sdf_slice *request, int64_t deadline_ms, sdf_slice *response,
                              sdf_error **err);
SDF_API void sdf_worker_close(sdf_worker *worker);

#ifdef __cplusplus
}
#endif
#endif
