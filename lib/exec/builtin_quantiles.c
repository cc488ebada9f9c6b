/* Exact quantiles: all values of a key are held, eight bytes each, and selected from at the end. Between two values the
 * quantile is interpolated: q stands at place q * (n - 1) of the values in order. */
#include <math.h>

#include "exec/builtins.h"
#include "exec/ordered.h"

static int hold(grown *g, double value, sdf_memory *memory)
{
    uint64_t ordered = ordered_from(value);
    int rc = grown_reserve(g, sizeof ordered, memory);
    if (rc)
        return rc;
    memcpy(g->data + g->size, &ordered, sizeof ordered);
    g->size += sizeof ordered;
    return SDF_OK;
}

static int hold_i64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return hold(state, (double)read_i64(value), memory);
}

static int hold_f64(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return hold(state, read_f64(value), memory);
}

static int hold_more(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    grown *g = state;
    if (shuffled->size % sizeof(uint64_t))
        return SDF_E_CORRUPT;
    for (size_t i = 0; i < shuffled->size; i += sizeof(uint64_t))
        if (!ordered_ok(load_u64((const uint8_t *)shuffled->data + i)))
            return SDF_E_CORRUPT;
    int rc = grown_reserve(g, shuffled->size, memory);
    if (rc)
        return rc;
    if (shuffled->size)
        memcpy(g->data + g->size, shuffled->data, shuffled->size);
    g->size += shuffled->size;
    return SDF_OK;
}

/* The values are the state's own to put in order. From the smallest quantile on, each looks only at what is behind the
 * one before. */
static int select_all(const void *state, sdf_out *out, void *user)
{
    const grown *g = state;
    const quantiles *q = user;
    uint64_t *values = (uint64_t *)(void *)g->data;
    size_t count = g->size / sizeof *values, done = 0;
    double results[QUANTILES_MAX];
    for (uint32_t i = 0; i < q->count; i++) {
        uint32_t which = q->by_size[i];
        double place = count ? q->at[which] * (double)(count - 1) : 0;
        size_t low = (size_t)place, high = low + (place > (double)low);
        results[which] = NAN;
        if (!count)
            continue;
        high = high < count ? high : count - 1;
        ordered_select(values + done, count - done, low - done);
        if (high > low)
            ordered_select(values + high, count - high, 0);
        results[which] = ordered_between(values[low], values[high], place - (double)low);
        done = low;
    }
    return quantiles_emit(q, results, out);
}

#define QUANTILES(type)                                                                                                \
    static const sdf_aggregator aggregate_quantiles_##type = {.struct_size = sizeof(sdf_aggregator),                   \
                                                              .state_type = SDF_BYTES,                                 \
                                                              .state_size = sizeof(grown),                             \
                                                              .variable = 1,                                           \
                                                              .update = hold_##type,                                   \
                                                              .merge = hold_more,                                      \
                                                              .encode = grown_encode,                                  \
                                                              .finish = select_all};
QUANTILES(i64)
QUANTILES(f64)

static const sdf_function rows[] = {
    AGGREGATOR_ROW_ARG("sdf.quantiles.i64", SDF_I64, NULL, aggregate_quantiles_i64, quantiles_open),
    AGGREGATOR_ROW_ARG("sdf.quantiles.f64", SDF_F64, NULL, aggregate_quantiles_f64, quantiles_open),
};
const builtin_table builtin_quantiles = BUILTIN_TABLE(rows);
