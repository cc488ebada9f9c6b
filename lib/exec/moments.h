/* Running sums, means and variances: states of fixed size that take a number at a time and merge.
 *
 * The mean of f64 is a compensated sum (Neumaier 1974) over the count: its error does not grow with the number of
 * values. The mean of i64 is exact up to its last rounding: the sum has 128 bits. Variances are updated as Welford
 * (1962) and merged as Chan, Golub and LeVeque (1979), which stays good where the mean is much larger than the
 * deviation.
 *
 * Merging refuses (false) what can't be a state, and leaves its own as it was. */
#ifndef EXEC_MOMENTS_H
#define EXEC_MOMENTS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Counts add up to no more than an int64_t; a state that was sent on has counted something. */
static inline bool counts_add(int64_t a, int64_t b)
{
    return b > 0 && a >= 0 && b <= INT64_MAX - a;
}

typedef struct exact_sum {
    double high, low; /* low: what rounding took from high */
} exact_sum;

static inline void exact_sum_add(exact_sum *s, double value)
{
    double total = s->high + value;
    s->low += fabs(s->high) >= fabs(value) ? (s->high - total) + value : (value - total) + s->high;
    s->high = total;
}

static inline void exact_sum_merge(exact_sum *s, const exact_sum *other)
{
    exact_sum_add(s, other->high);
    s->low += other->low;
}

/* Beyond the range of f64 the remainder is no number; the sum itself says which infinity, or NaN. */
static inline double exact_sum_value(const exact_sum *s)
{
    return isfinite(s->high) ? s->high + s->low : s->high;
}

/* ---- means ---- */

typedef struct mean_f64 {
    int64_t count;
    exact_sum sum;
} mean_f64;

static inline void mean_f64_add(mean_f64 *m, double value)
{
    m->count++;
    exact_sum_add(&m->sum, value);
}

static inline bool mean_f64_merge(mean_f64 *m, const mean_f64 *other)
{
    if (!counts_add(m->count, other->count))
        return false;
    m->count += other->count;
    exact_sum_merge(&m->sum, &other->sum);
    return true;
}

static inline double mean_f64_value(const mean_f64 *m)
{
    return exact_sum_value(&m->sum) / (double)m->count;
}

typedef struct mean_i64 {
    int64_t count;
    uint64_t low; /* of a 128-bit sum, which so many values can't overflow */
    int64_t high;
} mean_i64;

static inline __int128 mean_i64_sum(const mean_i64 *m)
{
    return (__int128)((unsigned __int128)(uint64_t)m->high << 64 | m->low);
}

static inline void mean_i64_set(mean_i64 *m, __int128 sum)
{
    m->low = (uint64_t)sum;
    m->high = (int64_t)((unsigned __int128)sum >> 64);
}

static inline void mean_i64_add(mean_i64 *m, int64_t value)
{
    m->count++;
    mean_i64_set(m, mean_i64_sum(m) + value);
}

static inline bool mean_i64_merge(mean_i64 *m, const mean_i64 *other)
{
    __int128 total;
    if (!counts_add(m->count, other->count) || __builtin_add_overflow(mean_i64_sum(m), mean_i64_sum(other), &total))
        return false;
    m->count += other->count;
    mean_i64_set(m, total);
    return true;
}

static inline double mean_i64_value(const mean_i64 *m)
{
    return (double)mean_i64_sum(m) / (double)m->count;
}

/* ---- variance of the population ---- */

typedef struct moments {
    int64_t count;
    double mean, m2; /* m2: the sum of squared deviations from the mean */
} moments;

static inline void moments_add(moments *m, double value)
{
    double delta = value - m->mean;
    m->mean += delta / (double)++m->count;
    m->m2 += delta * (value - m->mean);
}

/* A NaN in m2 is one of the data. */
static inline bool moments_merge(moments *m, const moments *other)
{
    if (!counts_add(m->count, other->count) || other->m2 < 0)
        return false;
    if (!m->count) {
        *m = *other;
        return true;
    }
    double a = (double)m->count, b = (double)other->count, delta = other->mean - m->mean;
    m->count += other->count;
    m->mean += delta * (b / (a + b));
    m->m2 += other->m2 + delta * delta * (a * (b / (a + b)));
    return true;
}

static inline double moments_variance(const moments *m)
{
    return m->m2 / (double)m->count;
}

#endif
