/* The library's own aggregators: sums, counts, extremes, lists. Sums and counts are also compiled into the loops of
 * fold.c, which is where nearly all of them run; what stands here is the same, value by value.
 *
 * sdf.sum.f64 adds plainly, in fold order: its error is at most (n-1) * 2^-53 * the sum of absolute values, and another
 * partition count may give another last digit. */
#include <sdf/key.h>

#include "base/wire.h"
#include "exec/aggregate.h"

static inline int64_t read_i64(const sdf_slice *value)
{
    return value->size == 8 ? (int64_t)load_u64(value->data) : 0;
}
static inline double read_f64(const sdf_slice *value)
{
    double d = 0;
    if (value->size == 8)
        memcpy(&d, value->data, 8);
    return d;
}

/* ---- sums and counts ---- */

static int add_i64(void *state, int64_t more)
{
    int64_t sum;
    memcpy(&sum, state, sizeof sum);
    if (__builtin_add_overflow(sum, more, &sum))
        return SDF_E_LIMIT;
    memcpy(state, &sum, sizeof sum);
    return SDF_OK;
}

static int sum_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return add_i64(state, read_i64(value));
}

static int sum_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    double sum;
    memcpy(&sum, state, sizeof sum);
    sum += read_f64(value);
    memcpy(state, &sum, sizeof sum);
    return SDF_OK;
}

static int count_one(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return add_i64(state, 1);
}

static const sdf_aggregator aggregate_sum_i64 = {
    .struct_size = sizeof(sdf_aggregator), .state_type = SDF_I64, .state_size = 8, .update = sum_i64, .merge = sum_i64};
static const sdf_aggregator aggregate_sum_f64 = {
    .struct_size = sizeof(sdf_aggregator), .state_type = SDF_F64, .state_size = 8, .update = sum_f64, .merge = sum_f64};
static const sdf_aggregator aggregate_count = {.struct_size = sizeof(sdf_aggregator),
                                               .state_type = SDF_I64,
                                               .state_size = 8,
                                               .update = count_one,
                                               .merge = sum_i64};

/* ---- extremes of numbers; order as keys: -0 is 0, NaN is the largest ---- */

static bool f64_below(double a, double b)
{
    return a == a && (b != b || a < b);
}

static void least_i64(int64_t *state, int64_t value)
{
    *state = value < *state ? value : *state;
}
static void most_i64(int64_t *state, int64_t value)
{
    *state = value > *state ? value : *state;
}
static void least_f64(double *state, double value)
{
    *state = f64_below(value, *state) ? value : *state;
}
static void most_f64(double *state, double value)
{
    *state = f64_below(*state, value) ? value : *state;
}

/* The aggregator over a function that keeps the better one; `worst` is what any value beats or equals. */
#define EXTREME(what, type, read, worst, type_name)                                                                    \
    static int what##_init(void *state, sdf_memory *memory, void *user)                                                \
    {                                                                                                                  \
        *(type *)state = worst;                                                                                        \
        return SDF_OK;                                                                                                 \
    }                                                                                                                  \
    static int what##_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)                      \
    {                                                                                                                  \
        what(state, read(value));                                                                                      \
        return SDF_OK;                                                                                                 \
    }                                                                                                                  \
    static int what##_many(void *const *states, const sdf_column *values, size_t count, void *user)                    \
    {                                                                                                                  \
        for (size_t i = 0; i < count; i++) {                                                                           \
            sdf_slice value = column_get(values, i);                                                                   \
            what(states[i], read(&value));                                                                             \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }                                                                                                                  \
    static const sdf_aggregator aggregate_##what = {.struct_size = sizeof(sdf_aggregator),                             \
                                                    .state_type = type_name,                                           \
                                                    .state_size = 8,                                                   \
                                                    .init = what##_init,                                               \
                                                    .update = what##_update,                                           \
                                                    .merge = what##_update,                                            \
                                                    .update_many = what##_many};

EXTREME(least_i64, int64_t, read_i64, INT64_MAX, SDF_I64)
EXTREME(most_i64, int64_t, read_i64, INT64_MIN, SDF_I64)
EXTREME(least_f64, double, read_f64, __builtin_nan(""), SDF_F64)
EXTREME(most_f64, double, read_f64, -__builtin_inf(), SDF_F64)

/* ---- bytes that grow: extremes of bytes, and lists ---- */

typedef struct grown {
    uint8_t *data; /* NULL: nothing yet */
    size_t size, capacity;
} grown;

/* Room for `more` bytes behind what is there: at its place if it is the arena's last piece, else in a new one twice
 * as large. */
static int grown_reserve(grown *g, size_t more, sdf_memory *memory)
{
    arena *a = memory->arena;
    if (more <= g->capacity - g->size && g->data)
        return SDF_OK;
    size_t need = g->size + more;
    if (g->data && g->data + g->capacity == a->at && need - g->capacity + 8 <= (size_t)(a->end - a->at)) {
        size_t extra = (need - g->capacity + 7) & ~(size_t)7;
        if (sdf_memory_alloc(memory, extra) != g->data + g->capacity)
            return SDF_E_INTERNAL;
        g->capacity += extra;
        return SDF_OK;
    }
    size_t capacity = (need + (g->data ? need : 8) + 7) & ~(size_t)7;
    uint8_t *data = sdf_memory_alloc(memory, capacity);
    if (!data && !(data = sdf_memory_alloc(memory, capacity = (need + 15) & ~(size_t)7)))
        return SDF_E_NO_MEMORY;
    if (g->size)
        memcpy(data, g->data, g->size);
    g->data = data;
    g->capacity = capacity;
    return SDF_OK;
}

static int grown_encode(const void *state, sdf_out *out, void *user)
{
    const grown *g = state;
    sdf_slice bytes = {g->data, g->size};
    return sdf_emit_view(out, NULL, &bytes);
}

static int keep_if(grown *g, const sdf_slice *value, bool better, sdf_memory *memory)
{
    if (g->data && !better)
        return SDF_OK;
    size_t before = g->size;
    g->size = 0;
    int rc = grown_reserve(g, value->size, memory);
    if (rc) {
        g->size = before;
        return rc;
    }
    if (value->size)
        memcpy(g->data, value->data, value->size);
    g->size = value->size;
    return SDF_OK;
}

static int compare_bytes(const grown *g, const sdf_slice *value)
{
    sdf_slice held = {g->data, g->size};
    return type_compare(TYPE_BYTES, value, &held);
}

static int least_bytes(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return keep_if(state, value, compare_bytes(state, value) < 0, memory);
}

static int most_bytes(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return keep_if(state, value, compare_bytes(state, value) > 0, memory);
}

static const sdf_aggregator aggregate_least_bytes = {.struct_size = sizeof(sdf_aggregator),
                                                     .state_type = SDF_BYTES,
                                                     .state_size = sizeof(grown),
                                                     .variable = 1,
                                                     .update = least_bytes,
                                                     .merge = least_bytes,
                                                     .encode = grown_encode};
static const sdf_aggregator aggregate_most_bytes = {.struct_size = sizeof(sdf_aggregator),
                                                    .state_type = SDF_BYTES,
                                                    .state_size = sizeof(grown),
                                                    .variable = 1,
                                                    .update = most_bytes,
                                                    .merge = most_bytes,
                                                    .encode = grown_encode};

/* ---- lists: the items of a tuple in the ordered encoding, without its first and last byte until the end ---- */

typedef int (*put_fn)(void *buffer, size_t capacity, size_t *length, const sdf_slice *value);

static int put_null(void *buffer, size_t capacity, size_t *length, const sdf_slice *value)
{
    return sdf_key_put_null(buffer, capacity, length);
}
static int put_i64(void *buffer, size_t capacity, size_t *length, const sdf_slice *value)
{
    return sdf_key_put_i64(buffer, capacity, length, read_i64(value));
}
static int put_f64(void *buffer, size_t capacity, size_t *length, const sdf_slice *value)
{
    return sdf_key_put_f64(buffer, capacity, length, read_f64(value));
}
/* Tuples, optionals and any are in that encoding already. */
static int put_encoded(void *buffer, size_t capacity, size_t *length, const sdf_slice *value)
{
    size_t at = *length;
    *length += value->size;
    if (*length > capacity)
        return SDF_E_LIMIT;
    if (value->size)
        memcpy((uint8_t *)buffer + at, value->data, value->size);
    return SDF_OK;
}

/* Room for one more byte than the items need is kept, for the end of the tuple. */
static int list_put(grown *g, const sdf_slice *value, put_fn put, size_t most, sdf_memory *memory)
{
    int rc = grown_reserve(g, most + 2, memory);
    if (rc)
        return rc;
    if (!g->size)
        g->data[g->size++] = SDF_ITEM_TUPLE;
    return put(g->data, g->capacity, &g->size, value);
}

static int list_null(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_put(state, value, put_null, 1, memory);
}
static int list_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_put(state, value, put_i64, 11, memory);
}
static int list_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_put(state, value, put_f64, 11, memory);
}
static int list_items(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return list_put(state, value, put_encoded, value->size, memory);
}

/* One whole item in the ordered encoding? A list of anything else could not be read again. */
static bool is_item(sdf_slice rest)
{
    int depth = 0;
    do {
        switch (sdf_key_next(&rest, NULL, NULL, NULL, NULL)) {
        case SDF_ITEM_TUPLE:
            depth++;
            break;
        case SDF_ITEM_TUPLE_END:
            depth--;
            break;
        case SDF_ITEM_NULL:
        case SDF_ITEM_NUMBER:
        case SDF_ITEM_BYTES:
            break;
        default:
            return false;
        }
    } while (depth > 0);
    return depth == 0 && !rest.size;
}

static int list_encoded(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return is_item(*value) ? list_items(state, value, memory, user) : SDF_E_CORRUPT;
}
static int list_bytes(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    size_t size = 0;
    sdf_key_put_bytes(NULL, 0, &size, value); /* measures */
    return list_put(state, value, sdf_key_put_bytes, size, memory);
}

/* Shuffled are the items alone, so that merging is appending. */
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
                                                         .merge = list_items,                                          \
                                                         .encode = list_encode,                                        \
                                                         .finish = list_finish};
LIST(null)
LIST(i64)
LIST(f64)
LIST(bytes)
LIST(encoded)

/* ---- the table ---- */

#define AGGREGATOR(full_name, in, out, which)                                                                          \
    {                                                                                                                  \
        .struct_size = sizeof(sdf_function), .name = full_name, .version = 1, .in_value = in, .out_value = out,        \
        .aggregator = &aggregate_##which                                                                               \
    }

const sdf_function builtin_aggregators[] = {
    AGGREGATOR("sdf.sum.i64", SDF_I64, SDF_I64, sum_i64),
    AGGREGATOR("sdf.sum.f64", SDF_F64, SDF_F64, sum_f64),
    AGGREGATOR("sdf.count", NULL, SDF_I64, count),
    AGGREGATOR("sdf.min.i64", SDF_I64, SDF_I64, least_i64),
    AGGREGATOR("sdf.min.f64", SDF_F64, SDF_F64, least_f64),
    AGGREGATOR("sdf.min.bytes", SDF_BYTES, SDF_BYTES, least_bytes),
    AGGREGATOR("sdf.max.i64", SDF_I64, SDF_I64, most_i64),
    AGGREGATOR("sdf.max.f64", SDF_F64, SDF_F64, most_f64),
    AGGREGATOR("sdf.max.bytes", SDF_BYTES, SDF_BYTES, most_bytes),
    AGGREGATOR("sdf.list.null", SDF_NULL, SDF_ANY, list_null),
    AGGREGATOR("sdf.list.i64", SDF_I64, SDF_ANY, list_i64),
    AGGREGATOR("sdf.list.f64", SDF_F64, SDF_ANY, list_f64),
    AGGREGATOR("sdf.list.bytes", SDF_BYTES, SDF_ANY, list_bytes),
    AGGREGATOR("sdf.list.tuple", NULL, SDF_ANY, list_encoded),
    AGGREGATOR("sdf.list.optional", NULL, SDF_ANY, list_encoded),
    AGGREGATOR("sdf.list.any", SDF_ANY, SDF_ANY, list_encoded),
};
const size_t builtin_aggregator_count = sizeof builtin_aggregators / sizeof builtin_aggregators[0];
