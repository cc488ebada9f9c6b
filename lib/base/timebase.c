/* The real clocks, and the seeded generator. */
#include "base/timebase.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t real_now_ms(void *self)
{
    (void)self;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const timebase timebase_real = {real_now_ms, NULL};

int64_t timebase_monotonic_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

uint64_t rng_next(rng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t rng_below(rng *r, uint64_t bound)
{
    return (uint64_t)(((__uint128_t)rng_next(r) * bound) >> 64);
}

double rng_unit(rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

uint64_t rng_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed)
        return seed;
    /* Early in boot there may be no entropy yet: what differs between processes and moments must do. */
    rng r = {(uint64_t)real_now_ms(NULL) ^ (uint64_t)timebase_monotonic_us() << 20 ^ (uint64_t)getpid() << 44};
    return rng_next(&r);
}
