/* What joins emit: records of a key and a tuple of two items, built in place and pushed on in full batches. */
#ifndef EXEC_PAIRS_H
#define EXEC_PAIRS_H

#include "exec/gather.h"
#include "exec/item.h"
#include "exec/op.h"

typedef struct pairs {
    task_env *env;
    op *next;
    type_kind kind;          /* of keys */
    sdf_slice key;           /* of the records to come */
    const uint8_t *key_copy; /* NULL: none since the key was set or pending records were pushed */
    gathered *batch;
    size_t count;
    uint8_t *bytes; /* keys and tuples of the pending records */
    size_t used, capacity;
    uint32_t pushed;
} pairs;

int pairs_open(pairs *p, task_env *env, op *next, type_kind key, sdf_error **err);
void pairs_close(pairs *p); /* a zeroed one is fine */
/* Pushes what is pending: SDF_OK, OP_STOP or an error. */
int pairs_flush(pairs *p, sdf_error **err);
/* Makes room for one more record of `size` bytes besides its key; may push. As pairs_flush. */
int pairs_make_room(pairs *p, size_t size, sdf_error **err);

/* The key of the records that follow: not copied before one does, so it stays as it is until then. */
static inline void pairs_key(pairs *p, sdf_slice key)
{
    p->key = key;
    p->key_copy = NULL;
}

/* *to: room for a value of at most `size` bytes. */
static inline int pairs_begin(pairs *p, size_t size, uint8_t **to, sdf_error **err)
{
    size_t need = size + (p->key_copy ? 0 : p->key.size);
    if (__builtin_expect(p->count == SDF_BATCH_MAX || need > p->capacity - p->used, 0)) {
        int rc = pairs_make_room(p, size, err);
        if (rc)
            return rc;
    }
    if (type_is_number(p->kind)) {
        p->batch->keys.words[p->count] = load_u64(p->key.data);
    } else {
        if (!p->key_copy) {
            p->key_copy = p->bytes + p->used;
            if (p->key.size)
                memcpy(p->bytes + p->used, p->key.data, p->key.size);
            p->used += p->key.size;
        }
        p->batch->keys.slices[p->count] = (sdf_slice){p->key_copy, p->key.size};
    }
    *to = p->bytes + p->used;
    return SDF_OK;
}

/* The value that was begun ends at `end`. */
static inline void pairs_end(pairs *p, const uint8_t *end)
{
    const uint8_t *value = p->bytes + p->used;
    p->batch->values.slices[p->count++] = (sdf_slice){value, (size_t)(end - value)};
    p->used = (size_t)(end - p->bytes);
}

/* One record: tuple(left, right); a side that is missing is of kind TYPE_NULL. */
static inline int pairs_add(pairs *p, type_kind left_kind, const sdf_slice *left, type_kind right_kind,
                            const sdf_slice *right, sdf_error **err)
{
    uint8_t *to;
    int rc = pairs_begin(p, item_size(left_kind, left) + item_size(right_kind, right) + 2, &to, err);
    if (rc)
        return rc;
    *to++ = SDF_ITEM_TUPLE;
    to += item_put(to, left_kind, left);
    to += item_put(to, right_kind, right);
    *to++ = SDF_ITEM_TUPLE_END;
    pairs_end(p, to);
    return SDF_OK;
}

#endif
