/* All values of a key: as a tuple, or joined to one text. Both grow with the data. */
#include "base/error.h"
#include "base/num.h"
#include "exec/builtins.h"

/* ---- lists: the items of a tuple, without its last byte until the end ---- */

/* Room for `most` bytes behind the tuple's first, and for one more: its end. */
static int list_begin(grown *g, size_t most, sdf_memory *memory)
{
    int rc = grown_reserve(g, most + 2, memory);
    if (!rc && !g->size)
        g->data[g->size++] = SDF_ITEM_TUPLE;
    return rc;
}

static inline int list_add(grown *g, type_kind kind, const sdf_slice *value, sdf_memory *memory)
{
    if (type_is_number(kind) && value->size != 8)
        return SDF_E_CORRUPT;
    int rc = list_begin(g, item_size(kind, value), memory);
    if (!rc)
        g->size += item_put(g->data + g->size, kind, value);
    return rc;
}

static int list_null(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_add(state, TYPE_NULL, value, memory);
}
static int list_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_add(state, TYPE_I64, value, memory);
}
static int list_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_add(state, TYPE_F64, value, memory);
}
static int list_bytes(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_add(state, TYPE_BYTES, value, memory);
}
/* A list of what is no item could not be read again. */
static int list_encoded(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return item_is(*value) ? list_add(state, TYPE_ANY, value, memory) : SDF_E_CORRUPT;
}

/* Shuffled are the items alone, so that merging is appending. */
static int list_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    for (sdf_slice rest = *shuffled; rest.size;)
        if (!item_skip(&rest))
            return SDF_E_CORRUPT;
    return list_add(state, TYPE_ANY, shuffled, memory);
}

static int list_encode(const void *state, sdf_out *out, void *user)
{
    const grown *g = state;
    sdf_slice items = {g->data, g->size};
    if (g->size)
        items = (sdf_slice){g->data + 1, g->size - 1};
    return sdf_emit_view(out, NULL, &items);
}

static int list_finish(const void *state, sdf_out *out, void *user)
{
    static const uint8_t empty[] = {SDF_ITEM_TUPLE, SDF_ITEM_TUPLE_END};
    const grown *g = state;
    sdf_slice tuple = {empty, sizeof empty};
    if (g->size) {
        g->data[g->size] = SDF_ITEM_TUPLE_END;
        tuple = (sdf_slice){g->data, g->size + 1};
    }
    return sdf_emit_view(out, NULL, &tuple);
}

#define LIST(kind)                                                                                                     \
    static const sdf_aggregator aggregate_list_##kind = {.struct_size = sizeof(sdf_aggregator),                        \
                                                         .state_type = SDF_BYTES,                                      \
                                                         .state_size = sizeof(grown),                                  \
                                                         .variable = 1,                                                \
                                                         .update = list_##kind,                                        \
                                                         .merge = list_merge,                                          \
                                                         .encode = list_encode,                                        \
                                                         .finish = list_finish};
LIST(null)
LIST(i64)
LIST(f64)
LIST(bytes)
LIST(encoded)

/* ---- concat: values as text with a separator between them ---- */

static int concat_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    static const char comma[] = ",";
    sdf_slice *separator = malloc(sizeof *separator);
    if (!separator)
        return error_no_memory(err);
    *separator = arg->size ? *arg : (sdf_slice){comma, 1}; /* arg lives as long as the state */
    *state = separator;
    return SDF_OK;
}

static int concat(void *state, const sdf_slice *text, sdf_memory *memory, void *user)
{
    grown *g = state;
    const sdf_slice *separator = user;
    bool fresh = !g->data;
    size_t between = fresh ? 0 : separator->size;
    int rc = grown_reserve(g, between + text->size, memory);
    if (rc)
        return rc;
    if (between)
        memcpy(g->data + g->size, separator->data, between);
    if (text->size)
        memcpy(g->data + g->size + between, text->data, text->size);
    g->size += between + text->size;
    return SDF_OK;
}

static int concat_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    char text[NUM_TEXT];
    sdf_slice s = {text, num_i64(text, read_i64(value))};
    return concat(state, &s, memory, user);
}

static int concat_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    char text[NUM_TEXT];
    sdf_slice s = {text, num_f64(text, read_f64(value))};
    return concat(state, &s, memory, user);
}

#define CONCAT(name, updated)                                                                                          \
    static const sdf_aggregator aggregate_##name = {.struct_size = sizeof(sdf_aggregator),                             \
                                                    .state_type = SDF_BYTES,                                           \
                                                    .state_size = sizeof(grown),                                       \
                                                    .variable = 1,                                                     \
                                                    .update = updated,                                                 \
                                                    .merge = concat,                                                   \
                                                    .encode = grown_encode};
CONCAT(concat_bytes, concat)
CONCAT(concat_i64, concat_i64)
CONCAT(concat_f64, concat_f64)

static const sdf_function rows[] = {
    AGGREGATOR_ROW("sdf.list.null", SDF_NULL, SDF_ANY, aggregate_list_null),
    AGGREGATOR_ROW("sdf.list.i64", SDF_I64, SDF_ANY, aggregate_list_i64),
    AGGREGATOR_ROW("sdf.list.f64", SDF_F64, SDF_ANY, aggregate_list_f64),
    AGGREGATOR_ROW("sdf.list.bytes", SDF_BYTES, SDF_ANY, aggregate_list_bytes),
    AGGREGATOR_ROW("sdf.list.tuple", NULL, SDF_ANY, aggregate_list_encoded),
    AGGREGATOR_ROW("sdf.list.optional", NULL, SDF_ANY, aggregate_list_encoded),
    AGGREGATOR_ROW("sdf.list.any", SDF_ANY, SDF_ANY, aggregate_list_encoded),
    AGGREGATOR_ROW_ARG("sdf.concat.bytes", SDF_BYTES, SDF_BYTES, aggregate_concat_bytes, concat_open),
    AGGREGATOR_ROW_ARG("sdf.concat.i64", SDF_I64, SDF_BYTES, aggregate_concat_i64, concat_open),
    AGGREGATOR_ROW_ARG("sdf.concat.f64", SDF_F64, SDF_BYTES, aggregate_concat_f64, concat_open),
};
const builtin_table builtin_lists = BUILTIN_TABLE(rows);
