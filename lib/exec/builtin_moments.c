/* Mean, variance and standard deviation (of the population), and several figures at once: moments.h as aggregators. An
 * i64 beyond 2^53 is rounded to f64 for a variance. */
#include "exec/builtins.h"
#include "exec/moments.h"

static int emit_double(sdf_out *out, double value)
{
    return sdf_emit_f64(out, NULL, value);
}

/* ---- stats ---- */

typedef struct stats {
    moments moments;
    exact_sum sum;
    double least, most;
} stats;

static int stats_init(void *state, sdf_memory *memory, void *user)
{
    *(stats *)state = (stats){.least = NAN, .most = -INFINITY};
    return SDF_OK;
}

static inline void stats_add(stats *s, double value)
{
    moments_add(&s->moments, value);
    exact_sum_add(&s->sum, value);
    s->least = f64_below(value, s->least) ? value : s->least;
    s->most = f64_below(s->most, value) ? value : s->most;
}

static bool stats_merge(stats *s, const stats *other)
{
    if (!moments_merge(&s->moments, &other->moments))
        return false;
    exact_sum_merge(&s->sum, &other->sum);
    s->least = f64_below(other->least, s->least) ? other->least : s->least;
    s->most = f64_below(s->most, other->most) ? other->most : s->most;
    return true;
}

/* tuple(count, sum, min, max, mean, variance) */
static int stats_finish(const void *state, sdf_out *out, void *user)
{
    const stats *s = state;
    double sum = exact_sum_value(&s->sum);
    uint8_t tuple[2 + 6 * ITEM_NUMBER_BYTES];
    size_t size = 0;
    sdf_key_begin_tuple(tuple, sizeof tuple, &size);
    sdf_key_put_i64(tuple, sizeof tuple, &size, s->moments.count);
    sdf_key_put_f64(tuple, sizeof tuple, &size, sum);
    sdf_key_put_f64(tuple, sizeof tuple, &size, s->least);
    sdf_key_put_f64(tuple, sizeof tuple, &size, s->most);
    sdf_key_put_f64(tuple, sizeof tuple, &size, sum / (double)s->moments.count);
    sdf_key_put_f64(tuple, sizeof tuple, &size, moments_variance(&s->moments));
    sdf_key_end_tuple(tuple, sizeof tuple, &size);
    return sdf_emit(out, NULL, &(sdf_slice){tuple, size});
}

/* ---- results ---- */

static int mean_f64_finish(const void *state, sdf_out *out, void *user)
{
    return emit_double(out, mean_f64_value(state));
}
static int mean_i64_finish(const void *state, sdf_out *out, void *user)
{
    return emit_double(out, mean_i64_value(state));
}
static int variance_finish(const void *state, sdf_out *out, void *user)
{
    return emit_double(out, moments_variance(state));
}
static int stdev_finish(const void *state, sdf_out *out, void *user)
{
    return emit_double(out, sqrt(moments_variance(state)));
}

/* ---- the aggregators ---- */

/* The ways to fold a value, a batch of them, and a shuffled state. */
#define FOLD(what, state_type, add, read, number, merge)                                                               \
    static int what##_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)                      \
    {                                                                                                                  \
        add((state_type *)state, (number)read(value));                                                                 \
        return SDF_OK;                                                                                                 \
    }                                                                                                                  \
    static int what##_many(void *const *states, const sdf_column *values, size_t count, void *user)                    \
    {                                                                                                                  \
        for (size_t i = 0; i < count; i++) {                                                                           \
            sdf_slice value = column_get(values, i);                                                                   \
            add((state_type *)states[i], (number)read(&value));                                                        \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }                                                                                                                  \
    static int what##_fold(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)                     \
    {                                                                                                                  \
        state_type other;                                                                                              \
        memcpy(&other, shuffled->data, sizeof other);                                                                  \
        return merge((state_type *)state, &other) ? SDF_OK : SDF_E_CORRUPT;                                            \
    }
FOLD(mean_f64, mean_f64, mean_f64_add, read_f64, double, mean_f64_merge)
FOLD(mean_i64, mean_i64, mean_i64_add, read_i64, int64_t, mean_i64_merge)
FOLD(variance_f64, moments, moments_add, read_f64, double, moments_merge)
FOLD(variance_i64, moments, moments_add, read_i64, double, moments_merge)
FOLD(stats_f64, stats, stats_add, read_f64, double, stats_merge)
FOLD(stats_i64, stats, stats_add, read_i64, double, stats_merge)

#define MOMENT(name, state, first, what, finished)                                                                     \
    static const sdf_aggregator aggregate_##name = {.struct_size = sizeof(sdf_aggregator),                             \
                                                    .state_type = SDF_BYTES,                                           \
                                                    .state_size = sizeof(state),                                       \
                                                    .init = first,                                                     \
                                                    .update = what##_update,                                           \
                                                    .merge = what##_fold,                                              \
                                                    .finish = finished,                                                \
                                                    .update_many = what##_many};
MOMENT(mean_i64, mean_i64, NULL, mean_i64, mean_i64_finish)
MOMENT(mean_f64, mean_f64, NULL, mean_f64, mean_f64_finish)
MOMENT(variance_i64, moments, NULL, variance_i64, variance_finish)
MOMENT(variance_f64, moments, NULL, variance_f64, variance_finish)
MOMENT(stdev_i64, moments, NULL, variance_i64, stdev_finish)
MOMENT(stdev_f64, moments, NULL, variance_f64, stdev_finish)
MOMENT(stats_i64, stats, stats_init, stats_i64, stats_finish)
MOMENT(stats_f64, stats, stats_init, stats_f64, stats_finish)

#define STATS_TYPE "tuple(i64,f64,f64,f64,f64,f64)"

static const sdf_function rows[] = {
    AGGREGATOR_ROW("sdf.mean.i64", SDF_I64, SDF_F64, aggregate_mean_i64),
    AGGREGATOR_ROW("sdf.mean.f64", SDF_F64, SDF_F64, aggregate_mean_f64),
    AGGREGATOR_ROW("sdf.variance.i64", SDF_I64, SDF_F64, aggregate_variance_i64),
    AGGREGATOR_ROW("sdf.variance.f64", SDF_F64, SDF_F64, aggregate_variance_f64),
    AGGREGATOR_ROW("sdf.stdev.i64", SDF_I64, SDF_F64, aggregate_stdev_i64),
    AGGREGATOR_ROW("sdf.stdev.f64", SDF_F64, SDF_F64, aggregate_stdev_f64),
    AGGREGATOR_ROW("sdf.stats.i64", SDF_I64, STATS_TYPE, aggregate_stats_i64),
    AGGREGATOR_ROW("sdf.stats.f64", SDF_F64, STATS_TYPE, aggregate_stats_f64),
};
const builtin_table builtin_moments = BUILTIN_TABLE(rows);
