/* Approximate quantiles in bounded memory: the KLL sketch (Karnin, Lang, Liberty, "Optimal quantile approximation in
 * streams", 2016), laid out as in the DataSketches library: levels side by side in one array, of which level h holds
 * values that stand for 2^h each; all but level 0 are in order. Values are added at the front; when there is no room
 * the lowest level that has its share is sorted, every other value of it goes up, the rest go.
 *
 * Whether the odd or the even ones go is a coin tossed with the values themselves, so that the same values in the same
 * order, merged in the same order, give the same result. Up to about 3 k values nothing goes, and quantiles are exact.
 */
#include <math.h>

#include "base/hash.h"
#include "exec/builtins.h"
#include "exec/ordered.h"

#define LEVELS_MAX     60 /* enough for COUNT_MAX values */
#define COUNT_MAX      (UINT64_C(1) << 62)
#define LEVEL_LEAST    8 /* values that any level may have */
#define FIRST_CAPACITY 8
#define HEAD_BYTES     24 /* of the shuffled form: k, levels, least, most; then the size of each level, then values */

/* The block: where levels start (one more than levels: the end), room for the head of the shuffled form, values. */
typedef struct sketch {
    uint8_t *block; /* NULL: nothing yet */
    uint32_t capacity;
    uint32_t tosses;
    uint32_t levels;
    uint32_t full; /* the block has its final size */
    uint64_t least, most;
} sketch;

static inline uint32_t starts_room(const sketch *s)
{
    return s->full ? LEVELS_MAX + 2 : 2; /* even: values are aligned to 8 bytes */
}
static inline uint32_t *starts(const sketch *s)
{
    return (uint32_t *)(void *)s->block;
}
static inline size_t values_offset(const sketch *s)
{
    return HEAD_BYTES + 2 * (size_t)starts_room(s) * sizeof(uint32_t);
}
static inline uint64_t *values_of(const sketch *s)
{
    return (uint64_t *)(void *)(s->block + values_offset(s));
}
static inline uint32_t level_size(const sketch *s, uint32_t h)
{
    return starts(s)[h + 1] - starts(s)[h];
}

static uint32_t full_capacity(uint32_t k)
{
    return 3 * k + LEVEL_LEAST * LEVELS_MAX;
}

/* A block of `capacity`, with what there is at its end. Only one level has been there so far. */
static int sketch_move(sketch *s, uint32_t capacity, bool full, sdf_memory *memory)
{
    sketch to = *s;
    uint32_t used = s->block ? level_size(s, 0) : 0;
    to.full = full;
    to.capacity = capacity;
    to.levels = 1;
    to.block = sdf_memory_alloc(memory, values_offset(&to) + capacity * sizeof(uint64_t));
    if (!to.block)
        return SDF_E_NO_MEMORY;
    if (used)
        memcpy(values_of(&to) + capacity - used, values_of(s) + starts(s)[0], used * sizeof(uint64_t));
    starts(&to)[0] = capacity - used;
    starts(&to)[1] = capacity;
    *s = to;
    return SDF_OK;
}

/* So many further values need no memory, however many there are in a full block. */
static int sketch_reserve(sketch *s, uint32_t k, uint64_t more, sdf_memory *memory)
{
    uint64_t used = s->block && !s->full ? level_size(s, 0) : 0, need = used + more, capacity = FIRST_CAPACITY;
    if (s->full || (s->block && need <= s->capacity))
        return SDF_OK;
    while (capacity < need)
        capacity *= 2;
    return capacity < k ? sketch_move(s, (uint32_t)capacity, false, memory)
                        : sketch_move(s, full_capacity(k), true, memory);
}

/* ---- compaction ---- */

/* The lowest level that has its share: k at the top, two thirds of the one above below it. Where there is no room at
 * all, one has. */
static uint32_t level_over(const sketch *s, uint32_t k)
{
    uint32_t found = s->levels - 1, share = k;
    for (uint32_t h = s->levels; h-- > 0;) {
        if (level_size(s, h) >= share)
            found = h;
        share = share * 2 / 3 > LEVEL_LEAST ? share * 2 / 3 : LEVEL_LEAST;
    }
    return found;
}

static void level_add(sketch *s)
{
    s->levels++;
    starts(s)[s->levels] = s->capacity;
}

/* Merges two ascending runs to where the first ends and as far before the second as the first is long: when that is at
 * its end, the rest of the second is in its place. */
static void merge_runs(const uint64_t *a, size_t an, const uint64_t *b, size_t bn)
{
    const uint64_t *a_end = a + an, *b_end = b + bn;
    uint64_t *to = (uint64_t *)(uintptr_t)a_end;
    while (a < a_end)
        *to++ = b < b_end && *b < *a ? *b++ : *a++;
}

static void sketch_compact(sketch *s, uint32_t k)
{
    uint32_t h = level_over(s, k), *start = starts(s);
    if (h + 1 == s->levels)
        level_add(s);
    uint64_t *v = values_of(s);
    uint32_t first = start[h], end = start[h + 1], half = (end - first) / 2;
    if (!h)
        ordered_sort(v + first, end - first);
    first += (end - first) & 1; /* an odd one stays where it is */
    uint32_t coin = (uint32_t)(hash_mix(v[first] + s->tosses++, v[first + half]) >> 32) & 1;
    for (uint32_t i = 0; i < half; i++)
        v[first + i] = v[first + 2 * i + coin];
    merge_runs(v + first, half, v + end, start[h + 2] - end);
    memmove(v + start[0] + half, v + start[0], (first - start[0]) * sizeof *v);
    start[h + 1] = end - half;
    for (uint32_t i = 0; i <= h; i++)
        start[i] += half;
}

static inline void sketch_put(sketch *s, uint32_t k, uint64_t value)
{
    if (!starts(s)[0])
        sketch_compact(s, k);
    values_of(s)[--starts(s)[0]] = value;
}

static void sketch_range(sketch *s, uint64_t least, uint64_t most, bool fresh)
{
    s->least = fresh || least < s->least ? least : s->least;
    s->most = fresh || most > s->most ? most : s->most;
}

static inline int sketch_fold(sketch *s, const quantiles *q, double value, sdf_memory *memory)
{
    uint64_t ordered = ordered_from(value);
    bool fresh = !s->block;
    int rc = fresh || !starts(s)[0] ? sketch_reserve(s, q->k, 1, memory) : SDF_OK;
    if (rc)
        return rc;
    sketch_range(s, ordered, ordered, fresh);
    sketch_put(s, q->k, ordered);
    return SDF_OK;
}

static int sketch_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return sketch_fold(state, user, (double)read_i64(value), memory);
}

static int sketch_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return sketch_fold(state, user, read_f64(value), memory);
}

/* ---- the shuffled form, and merging ---- */

/* What a block holds stands for so many values. */
static uint64_t sketch_count(const sketch *s)
{
    uint64_t count = 0;
    for (uint32_t h = 0; s->block && h < s->levels; h++)
        count += (uint64_t)level_size(s, h) << h;
    return count;
}

/* The head goes where values would come next: nothing is copied. */
static int sketch_encode(const void *state, sdf_out *out, void *user)
{
    const sketch *s = state;
    const quantiles *q = user;
    uint8_t empty[HEAD_BYTES] = {0};
    uint32_t levels = s->block ? s->levels : 0;
    uint8_t *values = levels ? (uint8_t *)(values_of(s) + starts(s)[0]) : empty + HEAD_BYTES;
    uint8_t *head = values - HEAD_BYTES - levels * sizeof(uint32_t);
    store_u32(head, q->k);
    store_u32(head + 4, levels);
    store_u64(head + 8, s->least);
    store_u64(head + 16, s->most);
    for (uint32_t h = 0; h < levels; h++)
        store_u32(head + HEAD_BYTES + h * sizeof(uint32_t), level_size(s, h));
    size_t size = (size_t)(values - head);
    if (!levels)
        return sdf_emit(out, NULL, &(sdf_slice){head, size});
    size += (s->capacity - starts(s)[0]) * sizeof(uint64_t);
    return sdf_emit_view(out, NULL, &(sdf_slice){head, size});
}

/* A shuffled sketch as it lies. */
typedef struct shuffled_sketch {
    uint32_t levels;
    uint64_t least, most, count;
    const uint8_t *sizes, *values;
} shuffled_sketch;

static inline uint32_t shuffled_size(const shuffled_sketch *x, uint32_t h)
{
    return load_u32(x->sizes + h * sizeof(uint32_t));
}

static bool level_ok(const shuffled_sketch *x, const uint8_t *at, uint32_t size, bool sorted)
{
    for (uint64_t i = 0, before = 0; i < size; i++) {
        uint64_t v = load_u64(at + i * sizeof v);
        if (!ordered_ok(v) || v < x->least || v > x->most || (sorted && v < before))
            return false;
        before = v;
    }
    return true;
}

static bool shuffled_read(const sdf_slice *shuffled, uint32_t k, shuffled_sketch *x)
{
    const uint8_t *head = shuffled->data;
    if (shuffled->size < HEAD_BYTES || load_u32(head) != k)
        return false;
    *x = (shuffled_sketch){load_u32(head + 4), load_u64(head + 8), load_u64(head + 16), 0, head + HEAD_BYTES, NULL};
    size_t left = shuffled->size - HEAD_BYTES;
    if (x->levels > LEVELS_MAX || left < x->levels * sizeof(uint32_t))
        return false;
    left -= x->levels * sizeof(uint32_t);
    x->values = x->sizes + x->levels * sizeof(uint32_t);
    const uint8_t *at = x->values;
    for (uint32_t h = 0; h < x->levels; h++) {
        uint64_t size = shuffled_size(x, h);
        if (size > full_capacity(k) || size > left / sizeof(uint64_t) || size << h >> h != size ||
            (size << h) > COUNT_MAX - x->count || !level_ok(x, at, (uint32_t)size, h > 0))
            return false;
        x->count += size << h;
        at += size * sizeof(uint64_t);
        left -= size * sizeof(uint64_t);
    }
    return !left && !x->levels == !x->count && (!x->count || (ordered_ok(x->least) && ordered_ok(x->most)));
}

/* Values in order into level h, as many at a time as there is room. */
static void level_take(sketch *s, uint32_t k, uint32_t h, const uint8_t *from, uint32_t count)
{
    uint64_t *v = values_of(s);
    uint32_t *start = starts(s);
    while (count) {
        if (!start[0])
            sketch_compact(s, k);
        uint32_t n = count < start[0] ? count : start[0];
        memmove(v + start[0] - n, v + start[0], (start[h] - start[0]) * sizeof *v);
        for (uint32_t i = 0; i <= h; i++)
            start[i] -= n;
        uint64_t *to = v + start[h], *held = to + n, *end = v + start[h + 1];
        for (; n; n--, count--, from += sizeof *v) {
            uint64_t value = load_u64(from);
            while (held < end && *held <= value)
                *to++ = *held++;
            *to++ = value;
        }
    }
}

static int sketch_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    sketch *s = state;
    uint32_t k = ((const quantiles *)user)->k;
    shuffled_sketch x;
    if (!shuffled_read(shuffled, k, &x) || x.count > COUNT_MAX - sketch_count(s))
        return SDF_E_CORRUPT;
    if (!x.count)
        return SDF_OK;
    bool fresh = !s->block;
    int rc = sketch_reserve(s, k, x.levels > 1 ? full_capacity(k) : shuffled_size(&x, 0), memory);
    if (rc)
        return rc;
    sketch_range(s, x.least, x.most, fresh);
    while (s->levels < x.levels)
        level_add(s);
    const uint8_t *at = x.values;
    for (uint32_t h = 0; h < x.levels; h++) {
        uint32_t size = shuffled_size(&x, h);
        if (h)
            level_take(s, k, h, at, size);
        for (uint32_t i = 0; !h && i < size; i++)
            sketch_put(s, k, load_u64(at + i * sizeof(uint64_t)));
        at += size * sizeof(uint64_t);
    }
    return SDF_OK;
}

/* ---- quantiles ---- */

static uint32_t count_below(const uint64_t *v, uint32_t n, uint64_t bound)
{
    uint32_t low = 0;
    while (low < n) {
        uint32_t middle = low + (n - low) / 2;
        if (v[middle] < bound)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

/* The value at a place of all in order, counted from 0: the largest that no more than `place` are below. Level 0 is in
 * order. */
static uint64_t value_at(const sketch *s, uint64_t place, uint64_t count)
{
    if (!place || place >= count - 1)
        return place ? s->most : s->least;
    uint64_t low = s->least, high = s->most;
    while (low < high) {
        uint64_t middle = high - (high - low) / 2, below = 0;
        for (uint32_t h = 0; h < s->levels; h++)
            below += (uint64_t)count_below(values_of(s) + starts(s)[h], level_size(s, h), middle) << h;
        if (below <= place)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static int sketch_finish(const void *state, sdf_out *out, void *user)
{
    const sketch *s = state;
    const quantiles *q = user;
    uint64_t count = sketch_count(s);
    double results[QUANTILES_MAX];
    if (count)
        ordered_sort(values_of(s) + starts(s)[0], level_size(s, 0));
    for (uint32_t i = 0; i < q->count; i++) {
        double place = count ? q->at[i] * (double)(count - 1) : 0;
        uint64_t low = (uint64_t)place;
        results[i] =
            count ? ordered_between(value_at(s, low, count), value_at(s, low + 1, count), place - (double)low) : NAN;
    }
    return quantiles_emit(q, results, out);
}

#define SKETCH(type)                                                                                                   \
    static const sdf_aggregator aggregate_sketch_##type = {.struct_size = sizeof(sdf_aggregator),                      \
                                                           .state_type = SDF_BYTES,                                    \
                                                           .state_size = sizeof(sketch),                               \
                                                           .variable = 1,                                              \
                                                           .update = sketch_##type,                                    \
                                                           .merge = sketch_merge,                                      \
                                                           .encode = sketch_encode,                                    \
                                                           .finish = sketch_finish};
SKETCH(i64)
SKETCH(f64)

static const sdf_function rows[] = {
    AGGREGATOR_ROW_ARG("sdf.approx_quantiles.i64", SDF_I64, NULL, aggregate_sketch_i64, quantiles_open_sketch),
    AGGREGATOR_ROW_ARG("sdf.approx_quantiles.f64", SDF_F64, NULL, aggregate_sketch_f64, quantiles_open_sketch),
};
const builtin_table builtin_sketches = BUILTIN_TABLE(rows);
