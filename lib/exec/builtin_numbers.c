/* Sums, counts and extremes of numbers, and the aggregator that keeps nothing. Sums and counts are also compiled into
 * the loops of fold.c, which is where nearly all of them run; what stands here is the same, value by value.
 *
 * sdf.sum.f64 adds plainly, in fold order: its error is at most (n-1) * 2^-53 * the sum of absolute values, and another
 * partition count may give another last digit. */
#include "exec/builtins.h"

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

/* ---- extremes; order as keys ---- */

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

/* ---- nothing: what is wanted are the keys, each once. A fixed state has at least a byte ---- */

static int none_fold(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return SDF_OK;
}

static int none_many(void *const *states, const sdf_column *values, size_t count, void *user)
{
    return SDF_OK;
}

static int none_finish(const void *state, sdf_out *out, void *user)
{
    return sdf_emit_view(out, NULL, NULL);
}

static const sdf_aggregator aggregate_none = {.struct_size = sizeof(sdf_aggregator),
                                              .state_type = SDF_BYTES,
                                              .state_size = 1,
                                              .update = none_fold,
                                              .merge = none_fold,
                                              .finish = none_finish,
                                              .update_many = none_many};

static const sdf_function rows[] = {
    AGGREGATOR_ROW("sdf.sum.i64", SDF_I64, SDF_I64, aggregate_sum_i64),
    AGGREGATOR_ROW("sdf.sum.f64", SDF_F64, SDF_F64, aggregate_sum_f64),
    AGGREGATOR_ROW("sdf.count", NULL, SDF_I64, aggregate_count),
    AGGREGATOR_ROW("sdf.min.i64", SDF_I64, SDF_I64, aggregate_least_i64),
    AGGREGATOR_ROW("sdf.min.f64", SDF_F64, SDF_F64, aggregate_least_f64),
    AGGREGATOR_ROW("sdf.max.i64", SDF_I64, SDF_I64, aggregate_most_i64),
    AGGREGATOR_ROW("sdf.max.f64", SDF_F64, SDF_F64, aggregate_most_f64),
    AGGREGATOR_ROW("sdf.none", NULL, SDF_NULL, aggregate_none),
};
const builtin_table builtin_numbers = BUILTIN_TABLE(rows);
