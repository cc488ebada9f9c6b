/* States of a table that did not stay in memory: runs in scratch, split by a hash of the key, read back part by part
 * in the order in which they were written. */
#ifndef EXEC_FOLD_SPILL_H
#define EXEC_FOLD_SPILL_H

#include "exec/fold.h"
#include "shuffle/run.h"

#define FOLD_PARTS     32
#define FOLD_DEPTH_MAX 10 /* splits of splits */

typedef struct fold_spill {
    task_env *env;
    fold *fold;
    uint32_t depth;         /* each depth splits by other bits */
    struct spill_set *sets; /* oldest first */
    uint32_t count;
} fold_spill;

void fold_spill_init(fold_spill *s, task_env *env, fold *f, uint32_t depth);
/* Writes the table out; the caller clears it, and then calls fold_spill_tidy. */
int fold_spill_table(fold_spill *s, sdf_error **err);
/* Keeps the number of files small by copying many into one. */
int fold_spill_tidy(fold_spill *s, sdf_error **err);
/* Run `i` of a part, oldest first: SDF_OK, or SDF_END when there are no more. *r is NULL if that one has no records. */
int fold_spill_open(fold_spill *s, uint32_t part, uint32_t i, run **r, sdf_error **err);
void fold_spill_free(fold_spill *s);

#endif
