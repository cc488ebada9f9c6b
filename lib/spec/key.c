/* The ordered encoding of sdf/key.h, one item at a time, and the hash that places a key. */
#include <sdf/key.h>

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/wire.h"
#include "spec/type.h"

#define NUMBER_BYTES 11 /* class, 8, 2 */
#define SIGN         (UINT64_C(1) << 63)

static int put(void *buffer, size_t capacity, size_t *length, const void *data, size_t size)
{
    if (!length || (!buffer && capacity))
        return SDF_E_INVALID;
    size_t at = *length;
    *length += size;
    if (at > capacity || capacity - at < size)
        return SDF_E_LIMIT;
    if (size)
        memcpy((uint8_t *)buffer + at, data, size);
    return SDF_OK;
}

static int put_byte(void *buffer, size_t capacity, size_t *length, uint8_t c)
{
    return put(buffer, capacity, length, &c, 1);
}

/* d has its canonical bits; rest is below the distance to the next double. */
static void number_bytes(uint8_t out[NUMBER_BYTES], double d, uint16_t rest)
{
    uint64_t bits;
    memcpy(&bits, &d, 8);
    bits = bits & SIGN ? ~bits : bits | SIGN;
    bits = __builtin_bswap64(bits);
    out[0] = SDF_ITEM_NUMBER;
    memcpy(out + 1, &bits, 8);
    out[9] = (uint8_t)(rest >> 8);
    out[10] = (uint8_t)rest;
}

static void i64_bytes(uint8_t out[NUMBER_BYTES], int64_t value)
{
    /* Rounds to nearest; where that is above the value, the double below it is the one. INT64_MAX rounds to 2^63,
     * which no int64_t holds, so that it is never converted back. */
    double d = (double)value;
    if (d >= 0x1p63 || (int64_t)d > value)
        d = nextafter(d, -INFINITY);
    number_bytes(out, d, (uint16_t)(value - (int64_t)d));
}

int sdf_key_put_null(void *buffer, size_t capacity, size_t *length)
{
    return put_byte(buffer, capacity, length, SDF_ITEM_NULL);
}

int sdf_key_put_i64(void *buffer, size_t capacity, size_t *length, int64_t value)
{
    uint8_t item[NUMBER_BYTES];
    i64_bytes(item, value);
    return put(buffer, capacity, length, item, sizeof item);
}

int sdf_key_put_f64(void *buffer, size_t capacity, size_t *length, double value)
{
    uint8_t item[NUMBER_BYTES];
    uint64_t bits;
    memcpy(&bits, &value, 8);
    bits = type_canonical_f64(bits);
    memcpy(&value, &bits, 8);
    number_bytes(item, value, 0);
    return put(buffer, capacity, length, item, sizeof item);
}

int sdf_key_put_bytes(void *buffer, size_t capacity, size_t *length, const sdf_slice *value)
{
    const uint8_t *p = value ? value->data : NULL, *end = p + (value ? value->size : 0);
    int rc = put_byte(buffer, capacity, length, SDF_ITEM_BYTES);
    while (p < end) {
        const uint8_t *zero = memchr(p, 0, (size_t)(end - p));
        const uint8_t *stop = zero ? zero + 1 : end;
        rc |= put(buffer, capacity, length, p, (size_t)(stop - p));
        if (zero)
            rc |= put_byte(buffer, capacity, length, 0xff);
        p = stop;
    }
    rc |= put_byte(buffer, capacity, length, 0);
    return !length || (!buffer && capacity) ? SDF_E_INVALID : rc ? SDF_E_LIMIT : SDF_OK;
}

int sdf_key_begin_tuple(void *buffer, size_t capacity, size_t *length)
{
    return put_byte(buffer, capacity, length, SDF_ITEM_TUPLE);
}

int sdf_key_end_tuple(void *buffer, size_t capacity, size_t *length)
{
    return put_byte(buffer, capacity, length, SDF_ITEM_TUPLE_END);
}

/* A number that isn't in its one canonical form is refused: equal values have equal bytes. */
static int next_number(const uint8_t *item, int64_t *i64, double *f64, int *exact)
{
    uint64_t bits = __builtin_bswap64(load_u64(item + 1));
    bits = bits & SIGN ? bits & ~SIGN : ~bits;
    uint16_t rest = (uint16_t)(item[9] << 8 | item[10]);
    double d;
    memcpy(&d, &bits, 8);
    if (bits != type_canonical_f64(bits))
        return SDF_E_CORRUPT;
    int whole = d >= -0x1p63 && d < 0x1p63 && d == floor(d);
    int64_t v = whole ? (int64_t)d : 0;
    if (rest) {
        uint8_t again[NUMBER_BYTES];
        if (!whole || v > INT64_MAX - rest)
            return SDF_E_CORRUPT;
        v += rest;
        i64_bytes(again, v);
        if (memcmp(again, item, NUMBER_BYTES))
            return SDF_E_CORRUPT;
        d = (double)v;
    }
    if (i64)
        *i64 = v;
    if (f64)
        *f64 = d;
    if (exact)
        *exact = whole;
    return SDF_ITEM_NUMBER;
}

/* The bytes up to the zero that is not followed by ff. */
static int next_bytes(const uint8_t *p, const uint8_t *end, const uint8_t **stop, sdf_slice *bytes)
{
    const uint8_t *start = p;
    for (;;) {
        const uint8_t *zero = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
        if (!zero)
            return SDF_E_CORRUPT;
        if (zero + 1 == end || zero[1] != 0xff) {
            if (bytes)
                *bytes = (sdf_slice){start, (size_t)(zero - start)};
            *stop = zero + 1;
            return SDF_ITEM_BYTES;
        }
        p = zero + 2;
    }
}

int sdf_key_next(sdf_slice *rest, int64_t *i64, double *f64, int *exact, sdf_slice *bytes)
{
    const uint8_t *p = rest ? rest->data : NULL;
    if (!rest || !rest->size)
        return SDF_ITEM_END;
    const uint8_t *end = p + rest->size, *stop = p + 1;
    int kind = *p;
    switch (kind) {
    case SDF_ITEM_NULL:
    case SDF_ITEM_TUPLE:
    case SDF_ITEM_TUPLE_END:
        break;
    case SDF_ITEM_NUMBER:
        if (rest->size < NUMBER_BYTES)
            return SDF_E_CORRUPT;
        stop = p + NUMBER_BYTES;
        kind = next_number(p, i64, f64, exact);
        break;
    case SDF_ITEM_BYTES:
        kind = next_bytes(p + 1, end, &stop, bytes);
        break;
    default:
        return SDF_E_CORRUPT;
    }
    if (kind >= 0)
        *rest = (sdf_slice){stop, (size_t)(end - stop)};
    return kind;
}

size_t sdf_key_unescape(const sdf_slice *escaped, void *out)
{
    const uint8_t *p = escaped && out ? escaped->data : NULL, *end = p ? p + escaped->size : NULL;
    uint8_t *to = out;
    while (p < end) {
        const uint8_t *zero = memchr(p, 0, (size_t)(end - p));
        const uint8_t *stop = zero ? zero + 1 : end;
        memmove(to, p, (size_t)(stop - p)); /* out may be where the escaped bytes are */
        to += stop - p;
        p = zero && stop < end ? stop + 1 : stop;
    }
    return (size_t)(to - (uint8_t *)out);
}

uint64_t sdf_partition_hash(const char *type, const sdf_slice *key)
{
    if (!key)
        return hash_xxh3(NULL, 0);
    while (type && (*type == ' ' || *type == '\t'))
        type++;
    if (type_of(type) != TYPE_F64 || key->size != 8)
        return hash_xxh3(key->data, key->size);
    uint64_t bits = type_canonical_f64(load_u64(key->data));
    return hash_xxh3(&bits, 8);
}

uint32_t sdf_partition_of(uint64_t hash, uint32_t partitions)
{
    return (uint32_t)(((hash >> 32) * partitions) >> 32);
}
