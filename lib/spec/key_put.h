/* Writers of the ordered encoding (sdf/key.h) into memory that is known to be large enough: what key.c does, without
 * its checks. Each returns the end of what it wrote. */
#ifndef SPEC_KEY_PUT_H
#define SPEC_KEY_PUT_H

#include <string.h>

#include <sdf/key.h>

#define KEY_NUMBER_BYTES     11
#define KEY_BYTES_ROOM(size) (2 * (size) + 2) /* that an item of bytes may take */

static inline uint8_t *key_put_f64(uint8_t *to, double value)
{
    uint64_t bits;
    if (value != value)
        bits = UINT64_C(0x7ff8000000000000);
    else
        memcpy(&bits, &(double){value + 0.0}, 8); /* -0 + 0 is 0 */
    bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    bits = __builtin_bswap64(bits);
    to[0] = SDF_ITEM_NUMBER;
    memcpy(to + 1, &bits, 8);
    to[9] = to[10] = 0;
    return to + KEY_NUMBER_BYTES;
}

static inline uint8_t *key_put_i64(uint8_t *to, int64_t value)
{
    size_t size = 0;
    if (value >= -(INT64_C(1) << 53) && value <= INT64_C(1) << 53)
        return key_put_f64(to, (double)value);
    sdf_key_put_i64(to, KEY_NUMBER_BYTES, &size, value);
    return to + size;
}

static inline uint8_t *key_put_bytes(uint8_t *to, const uint8_t *p, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint8_t *end = p + size;
    uint64_t chunk;
    *to++ = SDF_ITEM_BYTES;
    while (end - p >= 8) {
        memcpy(&chunk, p, 8);
        if ((chunk - ones) & ~chunk & ones << 7)
            break; /* there is a zero in it */
        memcpy(to, &chunk, 8);
        to += 8;
        p += 8;
    }
    for (; p < end; p++) {
        *to++ = *p;
        if (!*p)
            *to++ = 0xff;
    }
    *to++ = 0;
    return to;
}

#endif
