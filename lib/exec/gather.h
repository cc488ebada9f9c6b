/* Records from here and there gathered into the two columns of one batch. Nothing is copied but numbers: the rest are
 * slices of where the values lie. */
#ifndef EXEC_GATHER_H
#define EXEC_GATHER_H

#include "base/batch.h"
#include "base/wire.h"
#include "spec/type.h"

typedef union gathered_side {
    sdf_slice slices[SDF_BATCH_MAX];
    uint64_t words[SDF_BATCH_MAX]; /* numbers */
} gathered_side;

typedef struct gathered {
    gathered_side keys, values;
} gathered;

static inline void gathered_set(gathered_side *side, bool number, size_t i, sdf_slice value)
{
    if (number)
        side->words[i] = load_u64(value.data);
    else
        side->slices[i] = value;
}

static inline void gathered_column(const gathered_side *side, type_kind kind, sdf_column *column)
{
    if (kind == TYPE_NULL)
        column_set_null(column);
    else if (type_is_number(kind))
        column_set_fixed(column, side->words, 8);
    else
        column_set_slices(column, side->slices);
}

/* The batch of the first `count`; it points into g. */
static inline sdf_batch gathered_batch(const gathered *g, type_kind key, type_kind value, size_t count)
{
    sdf_batch batch = {.count = count};
    gathered_column(&g->keys, key, &batch.key);
    gathered_column(&g->values, value, &batch.value);
    return batch;
}

#endif
