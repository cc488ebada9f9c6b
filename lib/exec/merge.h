/* Sorted runs read as one sorted stream: the merge itself, and the passes over scratch that come first where there
 * are more runs than memory can hold open. Stable: equal keys come in the order of their runs. */
#ifndef EXEC_MERGE_H
#define EXEC_MERGE_H

#include "exec/op.h"
#include "shuffle/run.h"

#define MERGE_RUNS_MAX 256 /* open at once */

typedef struct merge merge;
/* Takes over the runs, on failure too; the array stays the caller's. */
int merge_new(merge **m, task_env *env, type_kind key, type_kind value, bool descending, run *const *runs,
              uint32_t count, sdf_error **err);
/* The next batch, sorted: SDF_OK, SDF_END or an error. It lives until the next call. */
int merge_next(merge *m, sdf_batch *batch, sdf_error **err);
void merge_free(merge *m); /* NULL is fine */

/* ---- merge_passes.c ---- */
/* All extents of a shuffle input as one sorted stream. */
typedef struct sorted_input sorted_input;
int sorted_input_open(sorted_input **s, task_env *env, const plan_input *spec, bool descending, sdf_error **err);
int sorted_input_next(sorted_input *s, sdf_batch *batch, sdf_error **err);
void sorted_input_close(sorted_input *s); /* NULL is fine */

#endif
