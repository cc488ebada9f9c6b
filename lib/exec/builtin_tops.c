/* The n largest, or smallest, values of a key: a heap of items in the ordered encoding, whose bytes compare as their
 * values do, with the one to go first at its root. The items lie in one block, which is squeezed in place when it is
 * full of ones that went; it is kept twice as large as what it holds, so that the result can be put in order there.
 *
 * Shuffled are the items as they lie. */
#include "base/error.h"
#include "exec/builtins.h"

#define TOP_MAX 10000000

typedef struct top_entry {
    size_t offset, size;
} top_entry;

typedef struct top {
    uint8_t *bytes;
    size_t used, live, capacity; /* live: of those used, bytes of items that are still held */
    top_entry *entries;
    size_t count, room;
} top;

/* What open makes of the argument. */
typedef struct top_spec {
    size_t n;
    int sign; /* 1: the largest stay; -1: the smallest */
} top_spec;

static int spec_open(const sdf_slice *arg, int sign, void **state, sdf_error **err)
{
    uint64_t n;
    int rc = arg_count("the number of values to keep", arg, 1, TOP_MAX, 0, &n, err);
    if (rc)
        return rc;
    top_spec *spec = malloc(sizeof *spec);
    if (!spec)
        return error_no_memory(err);
    *spec = (top_spec){(size_t)n, sign};
    *state = spec;
    return SDF_OK;
}

static int top_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    return spec_open(arg, 1, state, err);
}

static int bottom_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    return spec_open(arg, -1, state, err);
}

/* ---- the heap; `before` says which of two entries is nearer to its root ---- */

typedef bool (*before_fn)(const top *t, const top_entry *a, const top_entry *b, int sign);

static bool worse(const top *t, const top_entry *a, const top_entry *b, int sign)
{
    size_t least = a->size < b->size ? a->size : b->size;
    int c = memcmp(t->bytes + a->offset, t->bytes + b->offset, least);
    if (!c)
        c = a->size < b->size ? -1 : a->size > b->size;
    return c * sign < 0;
}

static bool behind(const top *t, const top_entry *a, const top_entry *b, int sign)
{
    return a->offset > b->offset;
}

static void sift_down(top *t, size_t count, size_t i, before_fn before, int sign)
{
    top_entry moving = t->entries[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && before(t, &t->entries[child + 1], &t->entries[child], sign))
            child++;
        if (!before(t, &t->entries[child], &moving, sign))
            break;
        t->entries[i] = t->entries[child];
    }
    t->entries[i] = moving;
}

static void sift_up(top *t, size_t i, int sign)
{
    top_entry moving = t->entries[i];
    for (size_t parent; i && worse(t, &moving, &t->entries[parent = (i - 1) / 2], sign); i = parent)
        t->entries[i] = t->entries[parent];
    t->entries[i] = moving;
}

static void heapify(top *t, before_fn before, int sign)
{
    for (size_t i = t->count / 2; i-- > 0;)
        sift_down(t, t->count, i, before, sign);
}

/* The entry that `before` puts at the root comes last. */
static void heap_sort(top *t, before_fn before, int sign)
{
    heapify(t, before, sign);
    for (size_t n = t->count; n > 1; n--) {
        top_entry root = t->entries[0];
        t->entries[0] = t->entries[n - 1];
        t->entries[n - 1] = root;
        sift_down(t, n - 1, 0, before, sign);
    }
}

/* ---- the block ---- */

/* Leaves no gaps; the entries are in the order of their offsets then, and no heap. */
static void squeeze(top *t)
{
    size_t at = 0;
    heap_sort(t, behind, 0);
    for (size_t i = 0; i < t->count; i++) {
        top_entry *e = &t->entries[i];
        memmove(t->bytes + at, t->bytes + e->offset, e->size);
        e->offset = at;
        at += e->size;
    }
    t->used = at;
}

/* So many further items of so many bytes in all will find room, and the result beside them. SDF_E_NO_MEMORY: nothing
 * has changed for who looks on. */
static int top_reserve(top *t, const top_spec *spec, size_t items, size_t bytes, sdf_memory *memory)
{
    size_t need = 2 * (t->live + bytes) + 2, room = t->count + items;
    if (room > spec->n)
        room = spec->n;
    if (room > t->room) {
        size_t more = 2 * t->room > room ? 2 * t->room : room;
        top_entry *entries = sdf_memory_alloc(memory, more * sizeof *entries);
        if (!entries && !(entries = sdf_memory_alloc(memory, (more = room) * sizeof *entries)))
            return SDF_E_NO_MEMORY;
        if (t->count)
            memcpy(entries, t->entries, t->count * sizeof *entries);
        t->entries = entries;
        t->room = more;
    }
    if (need <= t->capacity)
        return SDF_OK;
    size_t capacity = 2 * t->capacity > need ? 2 * t->capacity : need;
    uint8_t *block = sdf_memory_alloc(memory, capacity);
    if (!block && !(block = sdf_memory_alloc(memory, capacity = need)))
        return SDF_E_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < t->count; at += t->entries[i++].size) {
        memcpy(block + at, t->bytes + t->entries[i].offset, t->entries[i].size);
        t->entries[i].offset = at;
    }
    t->bytes = block;
    t->used = at;
    t->capacity = capacity;
    return SDF_OK;
}

/* ---- values ---- */

/* Raw bytes against the escaped ones of an item, which end with a zero. */
static int compare_escaped(const sdf_slice *raw, const uint8_t *item, size_t item_size)
{
    const uint8_t *p = raw->data, *end = p + raw->size, *q = item + 1, *stop = item + item_size - 1;
    while (q < stop) {
        const uint8_t *zero = memchr(q, 0, (size_t)(stop - q));
        size_t piece = (size_t)((zero ? zero + 1 : stop) - q), left = (size_t)(end - p);
        int c = left ? memcmp(p, q, left < piece ? left : piece) : 0;
        if (c || left < piece)
            return c ? c : -1;
        p += piece;
        q += piece + (zero != NULL); /* past the ff */
    }
    return p < end;
}

/* Whether the value would not stay: the heap is full of better ones. */
static bool no_better(const top *t, const top_spec *spec, type_kind kind, const sdf_slice *value)
{
    uint8_t number[ITEM_NUMBER_BYTES];
    sdf_slice item = *value;
    if (t->count < spec->n)
        return false;
    const uint8_t *root = t->bytes + t->entries[0].offset;
    size_t size = t->entries[0].size;
    if (kind == TYPE_BYTES)
        return compare_escaped(value, root, size) * spec->sign <= 0;
    if (type_is_number(kind) || kind == TYPE_NULL)
        item = (sdf_slice){number, item_put(number, kind, value)};
    int c = memcmp(item.data, root, item.size < size ? item.size : size);
    if (!c)
        c = item.size < size ? -1 : item.size > size;
    return c * spec->sign <= 0;
}

/* Takes a value for which there is room, in the place of the worst one if the heap is full. */
static void top_put(top *t, const top_spec *spec, type_kind kind, const sdf_slice *value)
{
    size_t size = item_size(kind, value);
    if (t->count == spec->n) {
        top_entry root = t->entries[0];
        if (root.size == size && kind != TYPE_BYTES) { /* of raw bytes, size is only a bound */
            item_put(t->bytes + root.offset, kind, value);
            sift_down(t, t->count, 0, worse, spec->sign);
            return;
        }
        t->live -= root.size;
        t->entries[0] = t->entries[--t->count];
        if (t->count)
            sift_down(t, t->count, 0, worse, spec->sign);
    }
    if (size > t->capacity - t->used) {
        squeeze(t);
        heapify(t, worse, spec->sign);
    }
    size = item_put(t->bytes + t->used, kind, value);
    t->entries[t->count] = (top_entry){t->used, size};
    t->used += size;
    t->live += size;
    sift_up(t, t->count++, spec->sign);
}

static inline int top_fold(top *t, const top_spec *spec, type_kind kind, const sdf_slice *value, sdf_memory *memory)
{
    if (type_is_number(kind) && value->size != 8)
        return SDF_E_CORRUPT;
    if (no_better(t, spec, kind, value))
        return SDF_OK;
    int rc = top_reserve(t, spec, 1, item_size(kind, value), memory);
    if (!rc)
        top_put(t, spec, kind, value);
    return rc;
}

static int top_null(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return top_fold(state, user, TYPE_NULL, value, memory);
}
static int top_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return top_fold(state, user, TYPE_I64, value, memory);
}
static int top_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return top_fold(state, user, TYPE_F64, value, memory);
}
static int top_bytes(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return top_fold(state, user, TYPE_BYTES, value, memory);
}
static int top_encoded(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return item_is(*value) ? top_fold(state, user, TYPE_ANY, value, memory) : SDF_E_CORRUPT;
}

/* All or nothing: when the memory is short the same bytes come again. */
static int top_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    top *t = state;
    const top_spec *spec = user;
    size_t items = 0;
    for (sdf_slice rest = *shuffled; rest.size; items++)
        if (!item_skip(&rest))
            return SDF_E_CORRUPT;
    if (items > spec->n)
        return SDF_E_CORRUPT;
    int rc = top_reserve(t, spec, items, shuffled->size, memory);
    for (sdf_slice rest = *shuffled; rest.size && !rc;) {
        sdf_slice item = rest;
        item_skip(&rest);
        item.size -= rest.size;
        if (!no_better(t, spec, TYPE_ANY, &item))
            top_put(t, spec, TYPE_ANY, &item);
    }
    return rc;
}

/* The bytes of a state are its own to put in order, whoever looks on. */
static int top_encode(const void *state, sdf_out *out, void *user)
{
    top *t = (top *)(uintptr_t)state;
    squeeze(t);
    heapify(t, worse, ((const top_spec *)user)->sign);
    return sdf_emit_view(out, NULL, &(sdf_slice){t->bytes, t->used});
}

static int top_finish(const void *state, sdf_out *out, void *user)
{
    static const uint8_t empty[] = {SDF_ITEM_TUPLE, SDF_ITEM_TUPLE_END};
    top *t = (top *)(uintptr_t)state;
    if (!t->count)
        return sdf_emit_view(out, NULL, &(sdf_slice){empty, sizeof empty});
    squeeze(t);
    heap_sort(t, worse, ((const top_spec *)user)->sign);
    uint8_t *tuple = t->bytes + t->used, *to = tuple;
    *to++ = SDF_ITEM_TUPLE;
    for (size_t i = 0; i < t->count; to += t->entries[i++].size)
        memcpy(to, t->bytes + t->entries[i].offset, t->entries[i].size);
    *to++ = SDF_ITEM_TUPLE_END;
    return sdf_emit_view(out, NULL, &(sdf_slice){tuple, (size_t)(to - tuple)});
}

#define TOP(kind)                                                                                                      \
    static const sdf_aggregator aggregate_top_##kind = {.struct_size = sizeof(sdf_aggregator),                         \
                                                        .state_type = SDF_BYTES,                                       \
                                                        .state_size = sizeof(top),                                     \
                                                        .variable = 1,                                                 \
                                                        .update = top_##kind,                                          \
                                                        .merge = top_merge,                                            \
                                                        .encode = top_encode,                                          \
                                                        .finish = top_finish};
TOP(null)
TOP(i64)
TOP(f64)
TOP(bytes)
TOP(encoded)

#define TOP_ROWS(name, opener)                                                                                         \
    AGGREGATOR_ROW_ARG(name ".null", SDF_NULL, SDF_ANY, aggregate_top_null, opener),                                   \
        AGGREGATOR_ROW_ARG(name ".i64", SDF_I64, SDF_ANY, aggregate_top_i64, opener),                                  \
        AGGREGATOR_ROW_ARG(name ".f64", SDF_F64, SDF_ANY, aggregate_top_f64, opener),                                  \
        AGGREGATOR_ROW_ARG(name ".bytes", SDF_BYTES, SDF_ANY, aggregate_top_bytes, opener),                            \
        AGGREGATOR_ROW_ARG(name ".tuple", NULL, SDF_ANY, aggregate_top_encoded, opener),                               \
        AGGREGATOR_ROW_ARG(name ".optional", NULL, SDF_ANY, aggregate_top_encoded, opener),                            \
        AGGREGATOR_ROW_ARG(name ".any", SDF_ANY, SDF_ANY, aggregate_top_encoded, opener)

static const sdf_function rows[] = {TOP_ROWS("sdf.top", top_open), TOP_ROWS("sdf.bottom", bottom_open)};
const builtin_table builtin_tops = BUILTIN_TABLE(rows);
