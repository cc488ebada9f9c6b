/* Runs: sequences of blocks read back as batches, from shuffle objects, from bytes, or from this
 * task's own scratch. Verifies every block; knows how many records to expect. */
#ifndef SHUFFLE_RUN_H
#define SHUFFLE_RUN_H

#include "shuffle/object.h"

typedef struct run run;

/* One extent of an upstream object, read block by block. A missing or corrupt one sets env->upstream_failed and bad_*.
 */
int run_open_extent(run **r, task_env *env, uint32_t stage, uint32_t partition, const task_extent *x, type_kind key,
                    type_kind value, sdf_error **err);
/* Several extents one after another, in order, with neighbouring ranges read together and some read ahead (all within
 * the budget). */
int run_open_extents(run **r, task_env *env, uint32_t stage, uint32_t partition, const task_extent *x, uint32_t count,
                     type_kind key, type_kind value, sdf_error **err);
/* A whole object in memory that stays valid: an inline result. */
int run_open_bytes(run **r, task_env *env, const void *object, size_t size, const object_ids *expect,
                   uint32_t partition, type_kind key, type_kind value, sdf_error **err);
/* SDF_OK, SDF_END or an error; the batch lives until the next call. */
int run_next(run *r, sdf_batch *batch, sdf_error **err);
void run_close(run *r);
/* Budget that a run needs while it is open, for planning a merge's fan-in. */
uint64_t run_cost(uint32_t max_raw);

/* ---- spills ---- */
/* Writes sorted (or partitioned) records to scratch disk, LZ4, or to the store when there is no scratch or it is full.
 * Counts into env->metrics. */
typedef struct spill_writer spill_writer;
int spill_open(spill_writer **w, task_env *env, type_kind key, type_kind value, sdf_error **err);
int spill_add(spill_writer *w, const sdf_column *keys, const sdf_column *values, size_t first, size_t count,
              sdf_error **err);
int spill_add_one(spill_writer *w, const sdf_slice *key, const sdf_slice *value, sdf_error **err);
/* Ends a run; more may follow in the same file. */
typedef struct spill_extent {
    uint64_t offset, stored, raw, records;
    uint32_t max_raw;
} spill_extent;
int spill_end_run(spill_writer *w, spill_extent *x, sdf_error **err);
/* No more writing; the file can be read until spill_free, which removes it. */
typedef struct spill_file spill_file;
int spill_finish(spill_writer *w, spill_file **f, sdf_error **err); /* frees w, on failure too */
void spill_abort(spill_writer *w);
int run_open_spill(run **r, task_env *env, spill_file *f, const spill_extent *x, type_kind key, type_kind value,
                   sdf_error **err);
void spill_free(spill_file *f);

#endif
