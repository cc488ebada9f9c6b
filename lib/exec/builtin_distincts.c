/* About how many distinct values there are: HyperLogLog (Flajolet et al. 2007) over the frozen 64-bit hash, with the
 * sparse beginning of HLL++ (Heule, Nunkesser, Hall 2013) and the estimator of Ertl ("New cardinality estimation
 * algorithms for HyperLogLog sketches", 2017), which needs no tables. Standard error 1.04 / sqrt(2^p).
 *
 * A state is a block {p, form, 0, 0} and then either entries, sorted (31 bits: a register of 2^25 and its rank), or
 * 2^p registers of a byte. Merging takes maxima: what was merged twice counts once. */
#include <math.h>

#include "base/error.h"
#include "base/hash.h"
#include "exec/builtins.h"

#define P_MIN         4
#define P_MAX         18
#define P_DEFAULT     14
#define FINE_BITS     25 /* of the register number of an entry */
#define FINE_RANK     40 /* the largest rank of what is left of a hash */
#define RANK_BITS     6
#define HEAD_BYTES    4
#define ENTRIES_FIRST 4
#define ENTRIES_MAX   2048
#define ENTRIES_SHARE 16 /* entries give way to registers when they take a quarter of their bytes */

typedef enum form { FORM_ENTRIES = 0, FORM_REGISTERS = 1 } form;

typedef struct distinct {
    uint8_t *block;       /* NULL: nothing yet */
    uint32_t count, room; /* entries */
} distinct;

static int distinct_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    uint64_t p;
    int rc = arg_count("p, the precision of a distinct count,", arg, P_MIN, P_MAX, P_DEFAULT, &p, err);
    if (rc)
        return rc;
    uint32_t *spec = malloc(sizeof *spec);
    if (!spec)
        return error_no_memory(err);
    *spec = (uint32_t)p;
    *state = spec;
    return SDF_OK;
}

static inline uint32_t entries_most(uint32_t p)
{
    uint32_t most = (UINT32_C(1) << p) / ENTRIES_SHARE;
    return most < ENTRIES_MAX ? most : ENTRIES_MAX;
}
static inline uint32_t *entries_of(const distinct *d)
{
    return (uint32_t *)(void *)(d->block + HEAD_BYTES);
}

static uint8_t *block_new(size_t size, uint32_t p, form which, sdf_memory *memory)
{
    uint8_t *block = sdf_memory_alloc(memory, HEAD_BYTES + size);
    if (block)
        memcpy(block, (const uint8_t[]){(uint8_t)p, (uint8_t)which, 0, 0}, HEAD_BYTES);
    return block;
}

/* ---- registers ---- */

static inline void register_raise(distinct *d, uint32_t i, uint8_t rank)
{
    uint8_t *r = d->block + HEAD_BYTES + i;
    *r = rank > *r ? rank : *r;
}

static void register_entry(distinct *d, uint32_t p, uint32_t entry)
{
    uint32_t fine = entry >> RANK_BITS, rank = entry & ((1u << RANK_BITS) - 1), width = FINE_BITS - p;
    uint32_t low = fine & ((1u << width) - 1);
    rank = low ? (uint32_t)__builtin_clz(low) - (32 - width) + 1 : width + rank;
    register_raise(d, fine >> width, (uint8_t)rank);
}

static int to_registers(distinct *d, uint32_t p, sdf_memory *memory)
{
    distinct dense = {.block = block_new((size_t)1 << p, p, FORM_REGISTERS, memory)};
    if (!dense.block)
        return SDF_E_NO_MEMORY;
    memset(dense.block + HEAD_BYTES, 0, (size_t)1 << p);
    for (uint32_t i = 0; i < d->count; i++)
        register_entry(&dense, p, entries_of(d)[i]);
    *d = dense;
    return SDF_OK;
}

/* ---- entries ---- */

static int entries_grow(distinct *d, uint32_t p, sdf_memory *memory)
{
    uint32_t most = entries_most(p), room = d->room ? 2 * d->room : ENTRIES_FIRST;
    room = room < most ? room : most;
    uint8_t *block = block_new(room * sizeof(uint32_t), p, FORM_ENTRIES, memory);
    if (!block)
        return SDF_E_NO_MEMORY;
    if (d->count)
        memcpy(block + HEAD_BYTES, entries_of(d), d->count * sizeof(uint32_t));
    d->block = block;
    d->room = room;
    return SDF_OK;
}

/* Where the entry's register is, or belongs. */
static uint32_t entries_find(const distinct *d, uint32_t entry)
{
    uint32_t low = 0, high = d->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entries_of(d)[middle] >> RANK_BITS < entry >> RANK_BITS)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int entry_add(distinct *d, uint32_t p, uint32_t entry, sdf_memory *memory)
{
    int rc = SDF_OK;
    if (d->block && d->block[1] == FORM_REGISTERS) {
        register_entry(d, p, entry);
        return SDF_OK;
    }
    uint32_t i = entries_find(d, entry), *at = d->block ? entries_of(d) + i : NULL;
    if (i < d->count && *at >> RANK_BITS == entry >> RANK_BITS) {
        *at = entry > *at ? entry : *at;
        return SDF_OK;
    }
    if (d->count == d->room) {
        if (d->room == entries_most(p)) {
            rc = to_registers(d, p, memory);
            return rc ? rc : entry_add(d, p, entry, memory);
        }
        if ((rc = entries_grow(d, p, memory)))
            return rc;
        at = entries_of(d) + i;
    }
    memmove(at + 1, at, (d->count - i) * sizeof *at);
    *at = entry;
    d->count++;
    return SDF_OK;
}

/* ---- values ---- */

static inline int distinct_hash(distinct *d, uint32_t p, uint64_t hash, sdf_memory *memory)
{
    uint64_t rest;
    if (d->block && d->block[1] == FORM_REGISTERS) {
        rest = hash << p;
        register_raise(d, (uint32_t)(hash >> (64 - p)), (uint8_t)(rest ? __builtin_clzll(rest) + 1 : 65 - (int)p));
        return SDF_OK;
    }
    rest = hash << FINE_BITS;
    uint32_t rank = rest ? (uint32_t)__builtin_clzll(rest) + 1 : FINE_RANK;
    return entry_add(d, p, (uint32_t)(hash >> (64 - FINE_BITS)) << RANK_BITS | rank, memory);
}

static int distinct_bytes(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return distinct_hash(state, *(uint32_t *)user, hash_xxh3(value->data, value->size), memory);
}

static int distinct_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    uint64_t bits = type_canonical_f64((uint64_t)read_i64(value));
    return distinct_hash(state, *(uint32_t *)user, hash_xxh3(&bits, sizeof bits), memory);
}

static bool shuffled_ok(const sdf_slice *shuffled, uint32_t p)
{
    const uint8_t *block = shuffled->data;
    if (shuffled->size < HEAD_BYTES || block[0] != p || block[2] || block[3])
        return false;
    size_t size = shuffled->size - HEAD_BYTES;
    if (block[1] == FORM_REGISTERS) {
        if (size != (size_t)1 << p)
            return false;
        uint8_t most = 0;
        for (size_t i = 0; i < size; i++)
            most = block[HEAD_BYTES + i] > most ? block[HEAD_BYTES + i] : most;
        return most <= 65 - p;
    }
    if (block[1] != FORM_ENTRIES || size % sizeof(uint32_t) || size / sizeof(uint32_t) > entries_most(p))
        return false;
    int64_t before = -1;
    for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
        uint32_t entry = load_u32(block + HEAD_BYTES + i), rank = entry & ((1u << RANK_BITS) - 1);
        if (entry >> 31 || !rank || rank > FINE_RANK || entry >> RANK_BITS <= before)
            return false;
        before = entry >> RANK_BITS;
    }
    return true;
}

static int distinct_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    distinct *d = state;
    uint32_t p = *(uint32_t *)user;
    int rc = SDF_OK;
    if (!shuffled_ok(shuffled, p))
        return SDF_E_CORRUPT;
    const uint8_t *other = (const uint8_t *)shuffled->data + HEAD_BYTES;
    size_t size = shuffled->size - HEAD_BYTES;
    if (((const uint8_t *)shuffled->data)[1] == FORM_ENTRIES) {
        for (size_t i = 0; i < size && !rc; i += sizeof(uint32_t))
            rc = entry_add(d, p, load_u32(other + i), memory);
        return rc;
    }
    if (!d->block || d->block[1] == FORM_ENTRIES)
        rc = to_registers(d, p, memory);
    for (uint32_t i = 0; i < size && !rc; i++)
        register_raise(d, i, other[i]);
    return rc;
}

static int distinct_encode(const void *state, sdf_out *out, void *user)
{
    const distinct *d = state;
    const uint8_t nothing[HEAD_BYTES] = {(uint8_t) * (uint32_t *)user, FORM_ENTRIES};
    if (!d->block)
        return sdf_emit(out, NULL, &(sdf_slice){nothing, sizeof nothing});
    size_t size = d->block[1] == FORM_REGISTERS ? (size_t)1 << d->block[0] : d->count * sizeof(uint32_t);
    return sdf_emit_view(out, NULL, &(sdf_slice){d->block, HEAD_BYTES + size});
}

/* ---- the estimate ---- */

/* Ertl's sigma and tau: the corrections for registers that are still zero, and for those that are full. */
static double sigma(double x)
{
    double y = 1, z = x, before;
    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static double estimate(const uint8_t *registers, uint32_t p)
{
    uint32_t counts[66] = {0}, full = 65 - p;
    double m = (double)(UINT32_C(1) << p);
    for (uint32_t i = 0; i < UINT32_C(1) << p; i++)
        counts[registers[i]]++;
    double z = m * tau(1 - counts[full] / m);
    for (uint32_t k = full - 1; k >= 1; k--)
        z = 0.5 * (z + counts[k]);
    z += m * sigma(counts[0] / m);
    return m / (2 * M_LN2) * m / z;
}

static int distinct_finish(const void *state, sdf_out *out, void *user)
{
    const distinct *d = state;
    double n = 0, fine = (double)(UINT32_C(1) << FINE_BITS);
    if (d->block && d->block[1] == FORM_REGISTERS)
        n = estimate(d->block + HEAD_BYTES, d->block[0]);
    else if (d->count) /* linear counting of the fine registers */
        n = fine * -log1p(-(double)d->count / fine);
    return sdf_emit_i64(out, NULL, (int64_t)(n < 0x1p62 ? n + 0.5 : 0x1p62));
}

#define DISTINCT(kind)                                                                                                 \
    static const sdf_aggregator aggregate_distinct_##kind = {.struct_size = sizeof(sdf_aggregator),                    \
                                                             .state_type = SDF_BYTES,                                  \
                                                             .state_size = sizeof(distinct),                           \
                                                             .variable = 1,                                            \
                                                             .update = distinct_##kind,                                \
                                                             .merge = distinct_merge,                                  \
                                                             .encode = distinct_encode,                                \
                                                             .finish = distinct_finish};
DISTINCT(bytes)
DISTINCT(f64)

#define DISTINCT_ROW(type, in, kind)                                                                                   \
    AGGREGATOR_ROW_ARG("sdf.approx_distinct." type, in, SDF_I64, aggregate_distinct_##kind, distinct_open)

static const sdf_function rows[] = {
    DISTINCT_ROW("bytes", SDF_BYTES, bytes), DISTINCT_ROW("i64", SDF_I64, bytes), DISTINCT_ROW("f64", SDF_F64, f64),
    DISTINCT_ROW("null", SDF_NULL, bytes),   DISTINCT_ROW("tuple", NULL, bytes),  DISTINCT_ROW("optional", NULL, bytes),
    DISTINCT_ROW("any", SDF_ANY, bytes),
};
const builtin_table builtin_distincts = BUILTIN_TABLE(rows);
