/* Doubles as numbers whose order is that of keys (-0 is 0, NaN the largest): what quantiles sort, select and merge. */
#ifndef EXEC_ORDERED_H
#define EXEC_ORDERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "spec/type.h"

#define ORDERED_SIGN (UINT64_C(1) << 63)

static inline uint64_t ordered_from(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = type_canonical_f64(bits);
    return bits & ORDERED_SIGN ? ~bits : bits | ORDERED_SIGN;
}

static inline uint64_t ordered_bits(uint64_t ordered)
{
    return ordered & ORDERED_SIGN ? ordered & ~ORDERED_SIGN : ~ordered;
}

static inline double ordered_value(uint64_t ordered)
{
    uint64_t bits = ordered_bits(ordered);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* It came from a double. */
static inline bool ordered_ok(uint64_t ordered)
{
    uint64_t bits = ordered_bits(ordered);
    return bits == type_canonical_f64(bits);
}

/* Between two neighbours in order; `part` 0 .. 1. Equal ones need no arithmetic, which infinities don't bear. */
static inline double ordered_between(uint64_t low, uint64_t high, double part)
{
    double a = ordered_value(low), b = ordered_value(high);
    return low == high || part == 0 ? a : a * (1 - part) + b * part;
}

/* In place, without memory. */
void ordered_sort(uint64_t *values, size_t count);
/* Afterwards values[k] is what it would be if they were sorted, none before it is larger and none behind it smaller.
 * Linear for any data that was not made against its choice of pivots. */
void ordered_select(uint64_t *values, size_t count, size_t k);

#endif
