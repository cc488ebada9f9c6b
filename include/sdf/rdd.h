/* Collections (handles), transformations, actions, jobs and results.
 *
 * A transformation never fails on the spot: a handle that went wrong carries its error
 * and the action reports it, naming the operator. A NULL handle in gives NULL out, and
 * an action on NULL is SDF_E_INVALID. The context owns all handles. Strings, arguments and
 * options are copied.
 * Errors of actions: SDF_E_INVALID and SDF_E_TYPE before anything runs; SDF_E_BUSY inside an event
 * callback; else what the job failed with, of any code. Threads: as sdf_context_open says. */
#ifndef SDF_RDD_H
#define SDF_RDD_H

#include <sdf/context.h>
#include <sdf/function.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sdf_rdd sdf_rdd;

/* Lets a handle go early; handles made from it stay good. NULL is fine. */
SDF_API void sdf_rdd_free(sdf_rdd *rdd);
/* Its types ("" if the handle carries an error). Ownership: the handle's. */
SDF_API const char *sdf_rdd_key_type(const sdf_rdd *rdd);
SDF_API const char *sdf_rdd_value_type(const sdf_rdd *rdd);
/* The error it carries, or NULL. Ownership: the handle's. */
SDF_API const sdf_error *sdf_rdd_error(const sdf_rdd *rdd);
/* A name for events, errors and explain. Returns rdd. */
SDF_API sdf_rdd *sdf_rdd_set_name(sdf_rdd *rdd, const char *name);

/* ---- sources ---- */

/* `count` records from memory, copied now; partition i gets records [i*count/partitions, (i+1)*count/partitions).
 * Column NULL: type must be "null". Types NULL: "bytes" ("null" where the column is NULL). partitions 0: default. */
SDF_API sdf_rdd *sdf_parallelize(sdf_context *context, const char *key_type, const char *value_type,
                                 const sdf_column *keys, const sdf_column *values, uint64_t count,
                                 uint32_t partitions);

typedef struct sdf_text_options {
    size_t struct_size;
    uint64_t split_bytes; /* 0: the setting "split_bytes" */
    uint64_t max_line;    /* bytes; 0: as much as a task's memory holds */
} sdf_text_options;
SDF_API void sdf_text_options_init(sdf_text_options *options);
/* Lines of the files that `uris` names (one, or several separated by '\n'): paths or file: URIs, globs
 * (* ? [ ]), folders (their files, not recursive; names starting with '.' or '_' are left out). Key null,
 * value bytes without its "\n" or "\r\n". Order: by name, then position. options NULL: defaults. */
SDF_API sdf_rdd *sdf_text_file(sdf_context *context, const char *uris, const sdf_text_options *options);

typedef struct sdf_binary_options {
    size_t struct_size;
    uint64_t split_bytes;  /* 0: the setting; rounded down to whole records */
    uint32_t record_bytes; /* mandatory */
    uint32_t key_bytes;    /* the first so many bytes are the key, the rest the value; 0: key null */
} sdf_binary_options;
SDF_API void sdf_binary_options_init(sdf_binary_options *options);
/* Fixed-length records of binary files, named as for sdf_text_file. A file that is no
 * whole number of records is SDF_E_CORRUPT. */
SDF_API sdf_rdd *sdf_binary_file(sdf_context *context, const char *uris, const sdf_binary_options *options);

/* ---- transformations; `arg` is copied and given to the function's open ---- */

SDF_API sdf_rdd *sdf_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
SDF_API sdf_rdd *sdf_flat_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
SDF_API sdf_rdd *sdf_filter(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
SDF_API sdf_rdd *sdf_map_batches(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);

/* Partitions 0: default. The combiner always runs on the map side.
 * `function` of reduce_by_key: a reduce function or an aggregator whose result has the value's type:
 * "sdf.sum", "sdf.min", "sdf.max" (i64, f64; min and max also bytes). */
SDF_API sdf_rdd *sdf_reduce_by_key(sdf_rdd *rdd, const char *function, uint32_t partitions);
/* `function` also "sdf.count" (any -> i64), "sdf.list" (any -> tuple of the values). */
SDF_API sdf_rdd *sdf_aggregate_by_key(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                      uint32_t partitions);
/* Calls a group function for each key, values streamed; keys come in their order within a partition. */
SDF_API sdf_rdd *sdf_map_groups(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                uint32_t partitions);
/* One record per key; its value is the tuple of all values (type "any"). Fails where one list passes the memory. */
SDF_API sdf_rdd *sdf_group_by_key(sdf_rdd *rdd, uint32_t partitions);

typedef struct sdf_sort_options {
    size_t struct_size;
    uint32_t partitions; /* 0: default */
    uint32_t descending; /* 0 or 1 */
} sdf_sort_options;
SDF_API void sdf_sort_options_init(sdf_sort_options *options);
/* Global order by key: partition i before i+1, sorted within; stable by key, producer, position. */
SDF_API sdf_rdd *sdf_sort_by_key(sdf_rdd *rdd, const sdf_sort_options *options);
/* By the frozen hash of sdf/key.h. */
SDF_API sdf_rdd *sdf_partition_by(sdf_rdd *rdd, uint32_t partitions);

/* ---- results ---- */

/* Records that came back, partition by partition; read once, in order. What does not
 * fit the memory budget stays in the store until it is read. */
typedef struct sdf_result sdf_result;
/* The next batch (SDF_OK), SDF_END, or an error. *batch lives until the next call. */
SDF_API int sdf_result_next(sdf_result *result, const sdf_batch **batch, sdf_error **err);
SDF_API const char *sdf_result_key_type(const sdf_result *result);
SDF_API const char *sdf_result_value_type(const sdf_result *result);
/* Frees the result and its data; cancels a job that still produces it. NULL is fine. */
SDF_API void sdf_result_free(sdf_result *result);

/* ---- actions: block until done; return SDF_OK or an error ---- */

SDF_API int sdf_collect(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
/* Like collect, but hands out partitions, in order, as soon as they are done. */
SDF_API int sdf_iterate(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
SDF_API int sdf_count(sdf_rdd *rdd, uint64_t *count, sdf_error **err);
/* The first n records in partition order; runs no more partitions than it needs. */
SDF_API int sdf_take(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err);
/* Runs a map function on the workers for its effects; what it emits is dropped. */
SDF_API int sdf_foreach(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_error **err);
/* A folder that does not exist yet: part-NNNNN files, and _SUCCESS with the manifest, last.
 * Text: key TAB value (a null side and its tab are left out). Binary: key bytes, then value bytes. */
SDF_API int sdf_save_as_text_file(sdf_rdd *rdd, const char *uri, sdf_error **err);
SDF_API int sdf_save_as_binary_file(sdf_rdd *rdd, const char *uri, sdf_error **err);

/* ---- jobs: the same actions without blocking ---- */

typedef struct sdf_job sdf_job;
SDF_API sdf_job *sdf_submit_collect(sdf_rdd *rdd, sdf_error **err);
SDF_API sdf_job *sdf_submit_count(sdf_rdd *rdd, sdf_error **err);
SDF_API sdf_job *sdf_submit_foreach(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                    sdf_error **err);
SDF_API sdf_job *sdf_submit_save_as_text_file(sdf_rdd *rdd, const char *uri, sdf_error **err);
SDF_API sdf_job *sdf_submit_save_as_binary_file(sdf_rdd *rdd, const char *uri, sdf_error **err);

/* Waits at most timeout_ms (-1: for ever). SDF_OK: the job is done; SDF_E_TIMEOUT: it
 * still runs (err untouched); else the error it failed with. Delivers events. */
SDF_API int sdf_job_wait(sdf_job *job, int64_t timeout_ms, sdf_error **err);
/* sdf_job_wait with timeout 0. */
SDF_API int sdf_job_poll(sdf_job *job, sdf_error **err);
/* A descriptor that is readable while events wait or the job is done, for poll(2).
 * Ownership: the job's. */
SDF_API int sdf_job_fd(sdf_job *job);
/* Asks for the end; the job then finishes with SDF_E_CANCELLED unless it was done.
 * Threads: any, also while another one waits for the job. */
SDF_API void sdf_job_cancel(sdf_job *job);
/* After SDF_OK: the count, or the records (ownership passes to the caller, once). */
SDF_API int sdf_job_count(sdf_job *job, uint64_t *count, sdf_error **err);
SDF_API int sdf_job_result(sdf_job *job, sdf_result **result, sdf_error **err);
/* A metric of this job; names as for sdf_context_metric. */
SDF_API int sdf_job_metric(sdf_job *job, const char *name, uint64_t *value);
/* Cancels if it still runs. NULL is fine. */
SDF_API void sdf_job_free(sdf_job *job);

/* ---- explain ---- */

/* What an action on rdd would run: stages, partitions, types, what is reused. Text for people,
 * or JSON (format "json"). Ownership: free with sdf_string_free. NULL and *err on error. */
SDF_API char *sdf_explain(sdf_rdd *rdd, const char *format, sdf_error **err);
SDF_API void sdf_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
