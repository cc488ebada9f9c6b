/* Sorted runs read as one sorted stream. Stable: equal keys come in the order of their runs. From any number of runs
 * to as many as memory holds open: sorted_runs.h. */
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

#endif
