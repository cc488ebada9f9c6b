/* A raw value as one item of the ordered encoding (sdf/key.h): what operators build tuples from. The definition, and
 * everything that reads items, is spec/key.c; here is the writing side, inline, for hot loops. */
#ifndef EXEC_ITEM_H
#define EXEC_ITEM_H

#include <string.h>

#include <sdf/key.h>

#include "base/wire.h"
#include "spec/type.h"

#define ITEM_NUMBER_BYTES 11

/* The bytes of a value's item. Of small raw bytes it may be a few more than it will have. */
static inline size_t item_size(type_kind kind, const sdf_slice *raw)
{
    enum { SMALL = 64 };
    if (type_is_number(kind))
        return ITEM_NUMBER_BYTES;
    if (kind == TYPE_NULL)
        return 1;
    if (kind != TYPE_BYTES)
        return raw->size; /* one item already */
    if (raw->size <= SMALL)
        return 2 * raw->size + 2;
    const uint8_t *p = raw->data, *end = p + raw->size;
    size_t size = raw->size + 2;
    while ((p = memchr(p, 0, (size_t)(end - p)))) {
        size++;
        if (++p == end)
            break;
    }
    return size;
}

static inline size_t item_put_double(uint8_t *to, uint64_t bits)
{
    bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    bits = __builtin_bswap64(bits);
    to[0] = SDF_ITEM_NUMBER;
    memcpy(to + 1, &bits, 8);
    to[9] = to[10] = 0;
    return ITEM_NUMBER_BYTES;
}

/* Writes the item into `to`, which has room for item_size; returns its bytes. */
static inline size_t item_put(uint8_t *to, type_kind kind, const sdf_slice *raw)
{
    size_t size = 0;
    switch (kind) {
    case TYPE_I64: {
        int64_t v = (int64_t)load_u64(raw->data);
        double d = (double)v;
        uint64_t bits;
        if (v < -(INT64_C(1) << 53) || v > INT64_C(1) << 53) {
            sdf_key_put_i64(to, ITEM_NUMBER_BYTES, &size, v);
            return size;
        }
        memcpy(&bits, &d, 8);
        return item_put_double(to, bits);
    }
    case TYPE_F64:
        return item_put_double(to, type_canonical_f64(load_u64(raw->data)));
    case TYPE_NULL:
        to[0] = SDF_ITEM_NULL;
        return 1;
    case TYPE_BYTES:
        if (raw->size && memchr(raw->data, 0, raw->size)) {
            sdf_key_put_bytes(to, SIZE_MAX, &size, raw);
            return size;
        }
        to[0] = SDF_ITEM_BYTES;
        if (raw->size)
            memcpy(to + 1, raw->data, raw->size);
        to[1 + raw->size] = 0;
        return raw->size + 2;
    default:
        if (raw->size)
            memcpy(to, raw->data, raw->size);
        return raw->size;
    }
}

#endif
