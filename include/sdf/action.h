/* Actions, jobs and results.
 *
 * Ownership: jobs and results are the caller's, freed by it. Errors: SDF_E_INVALID and SDF_E_TYPE before anything runs;
 * SDF_E_BUSY inside an event callback; else what the job failed with, of any code. Threads: as sdf_context_open says.
 * Since: 0.1, and 0.2 where it says so. */
#ifndef SDF_ACTION_H
#define SDF_ACTION_H

#include <sdf/io.h>
#include <sdf/rdd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- results ---- */

/* Records that came back, partition by partition; read once, in order. What does not
 * fit the memory budget stays in the store until it is read. */
typedef struct sdf_result sdf_result;
/* The next batch (SDF_OK), SDF_END, or an error. *batch lives until the next call. */
SDF_API int sdf_result_next(sdf_result *result, const sdf_batch **batch, sdf_error **err);
/* The types of its records. Ownership: the result's. */
SDF_API const char *sdf_result_key_type(const sdf_result *result);
SDF_API const char *sdf_result_value_type(const sdf_result *result);
/* Frees the result and its data; cancels a job that still produces it. NULL is fine. */
SDF_API void sdf_result_free(sdf_result *result);

/* ---- actions: block until done; return SDF_OK or an error ---- */

/* All records. */
SDF_API int sdf_collect(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
/* Like collect, but hands out partitions, in order, as soon as they are done. */
SDF_API int sdf_iterate(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
/* How many records there are. */
SDF_API int sdf_count(sdf_rdd *rdd, uint64_t *count, sdf_error **err);
/* The first n records in partition order; runs no more partitions than it needs. */
SDF_API int sdf_take(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err);
/* Runs a map function on the workers for its effects; what it emits is dropped. */
SDF_API int sdf_foreach(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_error **err);
/* Runs a batch function on the workers for its effects, batch by batch of each partition. Since: 0.2 */
SDF_API int sdf_foreach_partition(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                  sdf_error **err);
/* Writes the records to files; sdf_save_options in sdf/io.h says how. options NULL: text. Since: 0.2 */
SDF_API int sdf_save(sdf_rdd *rdd, const char *uri, const sdf_save_options *options, sdf_error **err);
/* sdf_save of text, and of binary records, into a folder. */
SDF_API int sdf_save_as_text_file(sdf_rdd *rdd, const char *uri, sdf_error **err);
SDF_API int sdf_save_as_binary_file(sdf_rdd *rdd, const char *uri, sdf_error **err);

/* ---- actions that give one record, or a few. Results are as of sdf_collect, in one partition. Since: 0.2 ---- */

/* All values (keys are not looked at) folded by a reduce function or an aggregator, as sdf_aggregate_by_key would those
 * of one key: at most one record, key null. None if there is no record; sdf_fold then gives `zero` (a raw value of the
 * result's type), which otherwise plays no part. */
SDF_API int sdf_reduce(sdf_rdd *rdd, const char *function, sdf_result **result, sdf_error **err);
SDF_API int sdf_fold(sdf_rdd *rdd, const char *function, const sdf_slice *zero, sdf_result **result, sdf_error **err);
SDF_API int sdf_aggregate(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_result **result,
                          sdf_error **err);
/* The n smallest (take_ordered) or largest (top) elements, in that order, as (element, null). n up to 2^31. */
SDF_API int sdf_take_ordered(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err);
SDF_API int sdf_top(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err);
/* The first record: SDF_E_NOT_FOUND if there is none. */
SDF_API int sdf_first(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
/* *empty is 1 if there is no record, else 0. */
SDF_API int sdf_is_empty(sdf_rdd *rdd, int *empty, sdf_error **err);
/* (key, i64) for each key, and (element, i64) for each element. */
SDF_API int sdf_count_by_key(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
SDF_API int sdf_count_by_value(sdf_rdd *rdd, sdf_result **result, sdf_error **err);
/* The records of one key (raw, of the key's type); of a collection partitioned by key only that partition runs. */
SDF_API int sdf_lookup(sdf_rdd *rdd, const sdf_slice *key, sdf_result **result, sdf_error **err);
typedef struct sdf_stats_result {
    size_t struct_size;
    uint64_t count;
    double sum, mean, min, max, variance, stdev; /* of the population; NaN if count is 0 (sum: 0) */
} sdf_stats_result;
/* Count, sum, mean and so on of the values (i64 or f64). Set struct_size first: fields beyond it are not written.
 * Since: 0.2 */
SDF_API int sdf_stats(sdf_rdd *rdd, sdf_stats_result *stats, sdf_error **err);

/* ---- jobs: the same actions without blocking ---- */

typedef struct sdf_job sdf_job;
/* Each starts the action of its name and returns at once; what can't be begun is NULL and *err. */
SDF_API sdf_job *sdf_submit_collect(sdf_rdd *rdd, sdf_error **err);
SDF_API sdf_job *sdf_submit_count(sdf_rdd *rdd, sdf_error **err);
SDF_API sdf_job *sdf_submit_foreach(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                    sdf_error **err);
SDF_API sdf_job *sdf_submit_save_as_text_file(sdf_rdd *rdd, const char *uri, sdf_error **err);
SDF_API sdf_job *sdf_submit_save_as_binary_file(sdf_rdd *rdd, const char *uri, sdf_error **err);
/* Starts an sdf_save, as the others do. Since: 0.2 */
SDF_API sdf_job *sdf_submit_save(sdf_rdd *rdd, const char *uri, const sdf_save_options *options, sdf_error **err);

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
/* What a job gave, after SDF_OK: the count, or the records (ownership passes to the caller, once). */
SDF_API int sdf_job_count(sdf_job *job, uint64_t *count, sdf_error **err);
SDF_API int sdf_job_result(sdf_job *job, sdf_result **result, sdf_error **err);
/* A metric of this job; names as for sdf_context_metric. */
SDF_API int sdf_job_metric(sdf_job *job, const char *name, uint64_t *value);
/* Cancels if it still runs. NULL is fine. */
SDF_API void sdf_job_free(sdf_job *job);

#ifdef __cplusplus
}
#endif
#endif
