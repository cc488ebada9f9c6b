/* Records from memory as a shuffle object that no task wrote: partition i holds the collection's partition i. */
#include "api/internal.h"
#include "shuffle/object.h"
#include "spec/type.h"

#define ROWS 128 /* copied at a time where a column's layout is not the blocks' own */

typedef struct side {
    const sdf_column *column; /* NULL: null */
    bool number;
} side;

/* Records first .. first+count as a column that blocks take: numbers lie at fixed width. `room` holds those that did
 * not. */
static sdf_column side_rows(const side *s, uint64_t first, size_t count, uint64_t room[ROWS])
{
    sdf_column c;
    if (!s->column) {
        column_set_null(&c);
        return c;
    }
    if (!s->number || s->column->layout == SDF_LAYOUT_FIXED)
        return column_from(s->column, first);
    for (size_t i = 0; i < count; i++) {
        sdf_slice v = column_get(s->column, first + i);
        memcpy(&room[i], v.data, sizeof room[i]);
    }
    column_set_fixed(&c, room, sizeof room[0]);
    return c;
}

static int add_range(object_writer *w, uint32_t partition, const side *key, const side *value, uint64_t from,
                     uint64_t to, sdf_error **err)
{
    uint64_t keys[ROWS], values[ROWS];
    while (from < to) {
        size_t n = to - from < ROWS ? (size_t)(to - from) : ROWS;
        sdf_column k = side_rows(key, from, n, keys), v = side_rows(value, from, n, values);
        int rc = object_writer_add(w, partition, &k, &v, 0, n, err);
        if (rc)
            return rc;
        from += n;
    }
    return SDF_OK;
}

static uint64_t part_begin(uint64_t count, uint32_t partitions, uint64_t i)
{
    return (uint64_t)((unsigned __int128)count * i / partitions);
}

static int add_all(object_writer *w, const node *n, const sdf_column *keys, const sdf_column *values, uint64_t count,
                   sdf_error **err)
{
    side key = {keys, type_is_number(type_of(n->key_type))};
    side value = {values, type_is_number(type_of(n->value_type))};
    int rc = SDF_OK;
    for (uint32_t i = 0; i < n->partitions && !rc && count; i++) {
        uint64_t from = part_begin(count, n->partitions, i), to = part_begin(count, n->partitions, i + UINT64_C(1));
        if (from < to)
            rc = add_range(w, i, &key, &value, from, to, err);
    }
    return rc;
}

int parallelize_encode(sdf_context *c, uint32_t stage, const node *n, const sdf_column *keys, const sdf_column *values,
                       uint64_t count, buf *object, sdf_error **err)
{
    task_request request = {.context = c->id, .stage = stage};
    plan codec = {.compression = (char *)c->settings.compression};
    budget unlimited; /* this is the host's memory, not a task's */
    budget_init(&unlimited, UINT64_MAX);
    task_env env = {
        .request = &request, .plan = &codec, .budget = &unlimited, .store = c->store, .clock = &timebase_real};
    object_ids ids = {.context = c->id, .stage = stage};
    shuffle_index index = {0};
    uint64_t size = 0;
    object_writer *w;
    int rc = object_writer_open(&w, &env, &ids, n->partitions, type_of(n->key_type), type_of(n->value_type), UINT64_MAX,
                                err);
    if (rc)
        return rc;
    rc = add_all(w, n, keys, values, count, err);
    if (rc) {
        object_writer_abort(w);
        return rc;
    }
    rc = object_writer_commit(w, &index, object, &size, err);
    if (!rc)
        shuffle_index_clear(&index);
    return rc;
}
