/* Words of keys: what tables and sorts compare before they look at the bytes themselves.
 * Not the order's definition: that is type_compare; here is the same, inline, for hot loops. */
#ifndef EXEC_PREFIX_H
#define EXEC_PREFIX_H

#include <stdint.h>
#include <string.h>

#include <sdf/base.h>

#include "spec/type.h"

/* The first up to 8 bytes, first byte lowest, zero-padded. A short key is read with 8 bytes at once where that can't
 * leave its page; sanitizers would rightly complain of it, so they see exact reads. */
static inline uint64_t key_word(const uint8_t *p, size_t size)
{
    uint64_t w = 0;
    if (size >= 8) {
        memcpy(&w, p, 8);
        return w;
    }
    if (!size)
        return 0;
#ifndef SDF_SANITIZE
    if (((uintptr_t)p & 4095) <= 4096 - 8) {
        memcpy(&w, p, 8);
        return w & ((UINT64_C(1) << (8 * size)) - 1);
    }
#endif
    memcpy(&w, p, size);
    return w;
}

/* The same with the first byte highest: compares as memcmp does. */
static inline uint64_t key_word_ordered(const void *p, size_t size)
{
    return __builtin_bswap64(key_word(p, size));
}

/* type_order_prefix, inline for the common kinds. */
static inline uint64_t key_prefix(type_kind kind, const void *p, size_t size)
{
    if (kind == TYPE_I64 && size == 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        return w ^ (UINT64_C(1) << 63);
    }
    if (type_is_number(kind) || kind == TYPE_NULL)
        return type_order_prefix(kind, p, size);
    return key_word_ordered(p, size);
}

/* Whether equal prefixes mean equal keys. */
static inline bool prefix_decides(type_kind kind)
{
    return type_is_number(kind) || kind == TYPE_NULL;
}

/* Order of two keys of a kind that its prefix does not decide, from byte `from` on (both equal before that, where
 * they reach). */
static inline int key_compare_from(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, size_t from)
{
    size_t n = a_size < b_size ? a_size : b_size;
    int d = n > from ? memcmp(a + from, b + from, n - from) : 0;
    return d ? d : (a_size > b_size) - (a_size < b_size);
}

#endif
