/* Clocks behind a seam, so that the simulator can own time; and seeded random numbers. */
#ifndef BASE_TIMEBASE_H
#define BASE_TIMEBASE_H

#include <stdint.h>

typedef struct timebase {
    int64_t (*now_ms)(void *self); /* milliseconds since the epoch */
    void *self;
} timebase;

extern const timebase timebase_real; /* CLOCK_REALTIME */
int64_t timebase_monotonic_us(void);

static inline int64_t timebase_now(const timebase *t)
{
    return t->now_ms(t->self);
}

/* SplitMix64: small, seedable, good enough for jitter, sampling and faults. */
typedef struct rng {
    uint64_t state;
} rng;
uint64_t rng_next(rng *r);
uint64_t rng_below(rng *r, uint64_t bound); /* bound 0: 0 */
double rng_unit(rng *r);                    /* [0,1) */
uint64_t rng_seed(void);                    /* from the system */

#endif
