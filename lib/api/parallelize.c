/* Records from memory: checked, and encoded as a shuffle object that no task wrote, whose partition i holds the
 * collection's partition i. The driver has it once a job wants it. */
#include "api/internal.h"
#include "shuffle/object.h"
#include "spec/type.h"

#define ROWS 128 /* copied at a time where a column's layout is not the blocks' own */

typedef struct rows_side {
    const sdf_column *column; /* NULL: null */
    bool number;
} rows_side;

/* Records first .. first+count as a column that blocks take: numbers lie at fixed width. `room` holds those that did
 * not. */
static sdf_column side_rows(const rows_side *s, uint64_t first, size_t count, uint64_t room[ROWS])
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

static int add_range(object_writer *w, uint32_t partition, const rows_side *key, const rows_side *value, uint64_t from,
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
    rows_side key = {keys, type_is_number(type_of(n->key_type))};
    rows_side value = {values, type_is_number(type_of(n->value_type))};
    int rc = SDF_OK;
    for (uint32_t i = 0; i < n->partitions && !rc && count; i++) {
        uint64_t from = part_begin(count, n->partitions, i), to = part_begin(count, n->partitions, i + UINT64_C(1));
        if (from < to)
            rc = add_range(w, i, &key, &value, from, to, err);
    }
    return rc;
}

/* Encodes records as the shuffle object of a stage. */
static int encode(sdf_context *c, uint32_t stage, const node *n, const sdf_column *keys, const sdf_column *values,
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

/* ---- what the host gave ---- */

static int offsets_ok(const char *side, const sdf_column *c, uint64_t count, sdf_error **err)
{
    for (uint64_t i = 0; i < count; i++)
        if (c->offsets[i + 1] < c->offsets[i])
            return error_set(err, SDF_E_INVALID, "the column of %ss has offsets that go down: %u after %u, at %llu",
                             side, c->offsets[i + 1], c->offsets[i], (unsigned long long)i + 1);
    if (count && c->offsets[count] && !c->data)
        return error_set(err, SDF_E_INVALID, "the column of %ss has no data", side);
    return SDF_OK;
}

static int column_ok(const char *side, const char *type, const sdf_column *c, uint64_t count, sdf_error **err)
{
    if (!c)
        return type_of(type) == TYPE_NULL
                   ? SDF_OK
                   : error_set(err, SDF_E_INVALID, "the %ss have type %s but no column", side, type);
    if (c->struct_size < sizeof *c)
        return error_set(err, SDF_E_INVALID, "the column of %ss has a struct_size of %zu, not %zu", side,
                         c->struct_size, sizeof *c);
    if (column_is_newer(c))
        return error_set(err, SDF_E_VERSION,
                         "the column of %ss has fields that this version of the library doesn't know", side);
    if (c->layout > SDF_LAYOUT_OFFSETS)
        return error_set(err, SDF_E_INVALID, "the column of %ss has no layout %u", side, c->layout);
    bool data = c->layout == SDF_LAYOUT_SLICES    ? c->slices != NULL
                : c->layout == SDF_LAYOUT_OFFSETS ? c->offsets != NULL
                : c->layout == SDF_LAYOUT_FIXED   ? c->data || !c->width
                                                  : c->data || !c->size;
    if (count && !data)
        return error_set(err, SDF_E_INVALID, "the column of %ss has no data", side);
    for (uint64_t i = 0; i < count && c->layout == SDF_LAYOUT_SLICES; i++)
        if (c->slices[i].size && !c->slices[i].data)
            return error_set(err, SDF_E_INVALID, "%s %llu has a size but no data", side, (unsigned long long)i);
    return c->layout == SDF_LAYOUT_OFFSETS ? offsets_ok(side, c, count, err) : SDF_OK;
}

static int sizes_ok(const char *side, const char *type, const sdf_column *c, uint64_t count, sdf_error **err)
{
    type_kind kind = type_of(type);
    if (!c || (kind != TYPE_NULL && !type_is_number(kind)))
        return SDF_OK;
    size_t size = kind == TYPE_NULL ? 0 : 8;
    bool varies = c->layout == SDF_LAYOUT_SLICES || c->layout == SDF_LAYOUT_OFFSETS;
    uint64_t look = varies ? count : count > 0;
    for (uint64_t i = 0; i < look; i++) {
        sdf_slice v = column_get(c, i);
        if (v.size != size)
            return error_set(err, SDF_E_INVALID, "%s %llu has %zu bytes; a value of type %s has %zu", side,
                             (unsigned long long)i, v.size, type, size);
    }
    return SDF_OK;
}

/* Encodes the records as the object of a stage that no task has to run. */
static int fill(sdf_context *c, node *n, const sdf_column *keys, const sdf_column *values, uint64_t count,
                sdf_error **err)
{
    int rc = column_ok("key", n->key_type, keys, count, err);
    rc = rc ? rc : column_ok("value", n->value_type, values, count, err);
    rc = rc ? rc : sizes_ok("key", n->key_type, keys, count, err);
    rc = rc ? rc : sizes_ok("value", n->value_type, values, count, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&c->lineage);
    uint32_t stage = c->next_stage++;
    pthread_mutex_unlock(&c->lineage);
    rc = encode(c, stage, n, keys, values, count, &n->data, err);
    if (rc)
        return rc;
    n->stages[0] = stage;
    n->data_records = count;
    n->data_bytes = n->data.size;
    return SDF_OK;
}

sdf_rdd *sdf_parallelize(sdf_context *context, const char *key_type, const char *value_type, const sdf_column *keys,
                         const sdf_column *values, uint64_t count, uint32_t partitions)
{
    if (!context)
        return NULL;
    sdf_rdd *rdd =
        handle_new(context, &(node_spec){NODE_PARALLELIZE, .operation = "parallelize",
                                         .key_type = key_type || keys ? key_type : SDF_NULL,
                                         .value_type = value_type || values ? value_type : SDF_NULL,
                                         .partitions = partitions ? partitions : context->default_partitions});
    if (!rdd || rdd->node->error)
        return rdd;
    if (fill(context, rdd->node, keys, values, count, &rdd->node->error)) {
        error_at(&rdd->node->error, NULL, rdd->node->label);
        node_become_error(rdd->node);
    }
    return rdd;
}
