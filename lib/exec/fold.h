/* Batches folded into a hash table of states, and the table read out again.
 * Not here: where a full table goes (combine.c writes it to the shuffle object, fold_op.c to scratch). */
#ifndef EXEC_FOLD_H
#define EXEC_FOLD_H

#include "exec/aggregate.h"
#include "exec/gather.h"
#include "exec/hashtable.h"

typedef struct fold {
    aggregate *aggregate;
    hashtable table;
    type_kind key;
    bool merging; /* the values are shuffled states */
} fold;

int fold_open(fold *f, aggregate *a, budget *b, type_kind key, bool merging, uint64_t most, sdf_error **err);
void fold_close(fold *f); /* a zeroed one is fine */
/* Folds in records first.. of two columns, in order; *done of them. AGGREGATE_FULL: write the table out, clear it
 * and go on with the rest; the same answer from a table that was empty means that the record fits no memory. */
int fold_records(fold *f, const sdf_column *keys, const sdf_column *values, size_t first, size_t count, size_t *done,
                 sdf_error **err);
/* The error for a record that does not fit even into an empty table. */
int fold_too_big(fold *f, const sdf_slice *key, sdf_error **err);

/* Whether `key` is the only key there is: then writing the table out does not make room for it. */
bool fold_holds_only(const fold *f, const sdf_column *keys, size_t i);

/* ---- fold_write.c: the table read out again ---- */
/* Up to SDF_BATCH_MAX keys, and their states as they lie; only where states are fixed. The batch points into g. */
sdf_batch fold_gather(const fold *f, table_slot *const *slots, size_t count, gathered *g);

/* Where the shuffled states of a table go, part by part. */
typedef struct fold_target {
    void *self;
    uint32_t parts;
    uint32_t *ends; /* room for `parts` numbers */
    uint32_t (*part)(void *self, const table_slot *slot);
    int (*add)(void *self, uint32_t part, const sdf_column *keys, const sdf_column *values, size_t count,
               sdf_error **err);
    int (*end)(void *self, uint32_t part, sdf_error **err); /* after the last of a part; NULL: nothing to do */
} fold_target;
/* Writes all states, shuffled, by part and in each by slot. The table must be cleared then: its tags are gone. */
int fold_write(fold *f, const fold_target *to, sdf_error **err);

#endif
