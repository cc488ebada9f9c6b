/* Eight digits at once, for reading numbers: the bytes of a text as one little-endian integer. */
#ifndef BASE_NUM_DIGITS_H
#define BASE_NUM_DIGITS_H

#include <stdbool.h>
#include <stdint.h>

/* Are all eight bytes digits? */
static inline bool num_is_8_digits(uint64_t chunk)
{
    const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0), zeros = UINT64_C(0x3030303030303030);
    return !(((chunk & high) ^ zeros) | (((chunk + UINT64_C(0x0606060606060606)) & high) ^ zeros));
}

/* Their value: pairs, then fours, then all. */
static inline uint64_t num_of_8_digits(uint64_t chunk)
{
    chunk -= UINT64_C(0x3030303030303030);
    chunk = chunk * 10 + (chunk >> 8);
    return ((chunk & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
            ((chunk >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
           32;
}

#endif
