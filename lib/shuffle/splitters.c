/* Finding the partition of a key among splitters: binary search on 8-byte prefixes, ties by comparing keys.
 * Making splitters out of samples is in samples.c. */
#include "shuffle/splitters_format.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/wire.h"

struct splitters {
    type_kind kind;
    bool descending;
    bool prefix_decides; /* no two keys share a prefix unless they are equal */
    uint32_t count;
    uint64_t *prefixes;
    sdf_slice *keys; /* point into bytes */
    uint8_t *bytes;
};

void splitters_close(splitters *s)
{
    if (!s)
        return;
    free(s->prefixes);
    free(s->keys);
    free(s->bytes);
    free(s);
}

static int read_keys(splitters *s, wire_reader *in, sdf_error **err)
{
    for (uint32_t i = 0; i < s->count; i++) {
        sdf_slice key = wire_bytes(in, SAMPLE_KEY_MAX);
        if (in->bad || (type_is_number(s->kind) && key.size != 8) ||
            (i && type_compare(s->kind, &s->keys[i - 1], &key) >= 0))
            return error_set(err, SDF_E_CORRUPT, "splitter %u can't be read or does not ascend", i);
        s->keys[i] = key;
        s->prefixes[i] = type_order_prefix(s->kind, key.data, key.size);
    }
    return wire_left(in) ? error_set(err, SDF_E_CORRUPT, "%zu bytes behind the splitters", wire_left(in)) : SDF_OK;
}

static int splitters_read(splitters *s, const void *data, size_t size, uint32_t partitions, sdf_error **err)
{
    if (size == 0) /* nothing was sampled: one partition takes all */
        return SDF_OK;
    s->bytes = malloc(size);
    if (!s->bytes)
        return error_no_memory(err);
    memcpy(s->bytes, data, size);
    wire_reader in = wire_read(s->bytes, size);
    uint8_t format = wire_u8(&in), kind = wire_u8(&in);
    uint64_t count = wire_varint(&in);
    if (format != SPLITTERS_FORMAT)
        return error_set(err, SDF_E_VERSION, "splitters of format %u; this library reads %d", format, SPLITTERS_FORMAT);
    if (in.bad || kind != s->kind || count > wire_left(&in))
        return error_set(err, SDF_E_CORRUPT, "%zu bytes are no splitters for this type of key", size);
    if (count >= partitions)
        return error_set(err, SDF_E_CORRUPT, "%llu splitters are too many for %u partitions", (unsigned long long)count,
                         partitions);
    s->count = (uint32_t)count;
    s->keys = calloc(count + 1, sizeof *s->keys);
    s->prefixes = calloc(count + 1, sizeof *s->prefixes);
    return s->keys && s->prefixes ? read_keys(s, &in, err) : error_no_memory(err);
}

int splitters_open(type_kind key, const void *data, size_t size, bool descending, uint32_t partitions, splitters **out,
                   sdf_error **err)
{
    splitters *s = calloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err);
    s->kind = key;
    s->descending = descending;
    s->prefix_decides = type_is_number(key) || key == TYPE_NULL;
    int rc = splitters_read(s, data, size, partitions, err);
    if (rc != SDF_OK) {
        splitters_close(s);
        return rc;
    }
    *out = s;
    return SDF_OK;
}

/* How many of a[0..n) are at most p. */
static inline uint32_t upper_bound(const uint64_t *a, uint32_t n, uint64_t p)
{
    const uint64_t *base = a;
    while (n > 1) {
        uint32_t half = n / 2;
        base = base[half - 1] <= p ? base + half : base;
        n -= half;
    }
    return (uint32_t)(base - a) + (n && *base <= p);
}

uint32_t splitters_find(const splitters *s, const sdf_slice *key)
{
    uint64_t prefix = type_order_prefix(s->kind, key->data, key->size);
    uint32_t at = upper_bound(s->prefixes, s->count, prefix);
    if (!s->prefix_decides && at && s->prefixes[at - 1] == prefix) {
        /* Among the splitters that share the prefix, count those at most the key. */
        uint32_t low = prefix ? upper_bound(s->prefixes, at, prefix - 1) : 0;
        while (low < at) {
            uint32_t middle = low + (at - low) / 2;
            if (type_compare(s->kind, &s->keys[middle], key) <= 0)
                low = middle + 1;
            else
                at = middle;
        }
    }
    return s->descending ? s->count - at : at;
}
