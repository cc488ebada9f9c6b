/* The encoded form of a block: layouts chosen, columns written, compressed, sealed. docs/formats.md, "Block". */
#define XXH_INLINE_ALL /* for a state on the stack */
#include <xxhash.h>

#include "shuffle/block_columns.h"

#include <string.h>

#include <lz4.h>

#include "base/hash.h"
#include "base/wire.h"
#include "shuffle/charge.h"

#define LZ4_ACCELERATION 1
#define LZ4_SKIP_MAX     32 /* blocks left alone after many that did not compress */

void block_header_write(const block_header *h, uint8_t out[BLOCK_HEADER_BYTES])
{
    store_u32(out, h->partition);
    store_u32(out + 4, h->raw);
    store_u32(out + 8, h->stored);
    store_u32(out + 12, h->records);
    store_u32(out + 16, h->codec);
    store_u32(out + 20, h->crc32c);
}

/* ---- columns ---- */

static block_layout column_layout(const column_builder *c)
{
    switch (c->kind) {
    case TYPE_NULL:
        return BLOCK_EMPTY;
    case TYPE_F64:
        return c->same ? BLOCK_CONST : BLOCK_FIXED;
    case TYPE_I64:
        if (c->low == c->high)
            return BLOCK_CONST;
        if (c->low >= INT8_MIN && c->high <= INT8_MAX)
            return BLOCK_INT8;
        if (c->low >= INT16_MIN && c->high <= INT16_MAX)
            return BLOCK_INT16;
        return c->low >= INT32_MIN && c->high <= INT32_MAX ? BLOCK_INT32 : BLOCK_FIXED;
    default:
        if (c->longest == 0)
            return BLOCK_EMPTY;
        if (c->same)
            return BLOCK_CONST;
        if (c->shortest == c->longest)
            return BLOCK_FIXED;
        return c->longest <= UINT8_MAX ? BLOCK_VAR8 : c->longest <= UINT16_MAX ? BLOCK_VAR16 : BLOCK_VAR32;
    }
}

static uint32_t column_length(const column_builder *c)
{
    return type_is_number(c->kind) ? 8 : c->longest;
}

static uint64_t column_encoded_size(const column_builder *c, block_layout layout, size_t count)
{
    switch (layout) {
    case BLOCK_EMPTY:
        return 0;
    case BLOCK_CONST:
        return 4 + (uint64_t)column_length(c);
    case BLOCK_FIXED:
        return 4 + c->size;
    case BLOCK_VAR8:
    case BLOCK_INT8:
        return count + (layout == BLOCK_VAR8 ? c->size : 0);
    case BLOCK_VAR16:
    case BLOCK_INT16:
        return count * 2 + (layout == BLOCK_VAR16 ? c->size : 0);
    default:
        return (uint64_t)count * 4 + (layout == BLOCK_VAR32 ? c->size : 0);
    }
}

/* Numbers of 1 or 2 bytes from `step` bytes apart; their low bytes come first. */
static uint8_t *narrow(uint8_t *out, const uint8_t *in, size_t step, size_t width, size_t count)
{
    if (width == 1) {
        for (size_t i = 0; i < count; i++)
            out[i] = in[i * step];
    } else if (width == 2) {
        for (size_t i = 0; i < count; i++)
            memcpy(out + i * 2, in + i * step, 2);
    } else {
        for (size_t i = 0; i < count; i++)
            memcpy(out + i * 4, in + i * step, 4);
    }
    return out + count * width;
}

static uint8_t *column_write(const column_builder *c, block_layout layout, size_t count, uint8_t *out)
{
    const uint8_t *lengths = (const uint8_t *)c->lengths;
    switch (layout) {
    case BLOCK_EMPTY:
        return out;
    case BLOCK_CONST:
    case BLOCK_FIXED:
        store_u32(out, column_length(c));
        size_t size = layout == BLOCK_CONST ? column_length(c) : c->size;
        memcpy(out + 4, c->data, size);
        return out + 4 + size;
    case BLOCK_INT8:
        return narrow(out, c->data, 8, 1, count);
    case BLOCK_INT16:
        return narrow(out, c->data, 8, 2, count);
    case BLOCK_INT32:
        return narrow(out, c->data, 8, 4, count);
    case BLOCK_VAR8:
        out = narrow(out, lengths, 4, 1, count);
        break;
    case BLOCK_VAR16:
        out = narrow(out, lengths, 4, 2, count);
        break;
    case BLOCK_VAR32:
        out = narrow(out, lengths, 4, 4, count);
        break;
    }
    memcpy(out, c->data, c->size);
    return out + c->size;
}

static void prefix_write(uint8_t *out, size_t count, block_layout key, block_layout value)
{
    store_u32(out, (uint32_t)count);
    out[4] = (uint8_t)key;
    out[5] = (uint8_t)value;
    out[6] = out[7] = 0;
}

/* ---- the whole block ---- */

/* Data that does not shrink is tried again ever more rarely: 1, 2, 4 ... LZ4_SKIP_MAX blocks are left alone. */
static bool worth_compressing(block_builder *b, block_codec codec, size_t raw)
{
    if (codec != BLOCK_LZ4 || raw < 64)
        return false;
    if (b->skip == 0)
        return true;
    b->skip--;
    return false;
}

static void note_compression(block_builder *b, bool shrunk)
{
    b->misses = shrunk ? 0 : b->misses + 1;
    uint32_t more = b->misses > 1 ? b->misses - 2 : 0;
    b->skip = b->misses < 2 ? 0 : more < 5 ? 1u << more : LZ4_SKIP_MAX;
}

/* Bytes of the compressed payload in `out`, or 0 if it would not be at least 1/BLOCK_GAIN smaller. */
static size_t compress_payload(const uint8_t *raw, size_t size, uint8_t *out)
{
    int n =
        LZ4_compress_fast((const char *)raw, (char *)out, (int)size, (int)(size - size / BLOCK_GAIN), LZ4_ACCELERATION);
    return n > 0 ? (size_t)n : 0;
}

/* Completes the header for the payload behind it and writes it in front. */
static void seal(uint8_t *block, block_header *h)
{
    h->crc32c = 0;
    block_header_write(h, block);
    uint32_t crc = hash_crc32c(0, block, BLOCK_HEADER_BYTES - 4);
    h->crc32c = hash_crc32c(crc, block + BLOCK_HEADER_BYTES, h->stored);
    store_u32(block + BLOCK_HEADER_BYTES - 4, h->crc32c);
}

int block_builder_finish(block_builder *b, uint32_t partition, block_codec codec, sdf_slice *encoded,
                         block_header *header, uint64_t *digest, sdf_error **err)
{
    const column_builder *k = &b->column[SDF_KEY], *v = &b->column[SDF_VALUE];
    if (b->count == 0)
        return error_set(err, SDF_E_INTERNAL, "a block without records was to be encoded");
    block_layout key = column_layout(k), value = column_layout(v);
    uint64_t raw = BLOCK_PREFIX_BYTES + column_encoded_size(k, key, b->count) + column_encoded_size(v, value, b->count);
    if (raw > BLOCK_RAW_MAX)
        return error_set(err, SDF_E_LIMIT, "a block of %llu bytes: the limit is %u", (unsigned long long)raw,
                         BLOCK_RAW_MAX);
    int rc = block_raw_reserve(b, raw, err);
    if (rc != SDF_OK)
        return rc;
    uint8_t *payload = b->raw + BLOCK_HEADER_BYTES;
    prefix_write(payload, b->count, key, value);
    column_write(v, value, b->count, column_write(k, key, b->count, payload + BLOCK_PREFIX_BYTES));
    *digest = hash_xxh3(payload, raw);
    *header = (block_header){partition, (uint32_t)raw, (uint32_t)raw, (uint32_t)b->count, BLOCK_RAW, 0};
    uint8_t *block = b->raw;
    bool fits = raw - raw / BLOCK_GAIN + BLOCK_HEADER_BYTES <= b->packed_capacity;
    if (fits && worth_compressing(b, codec, raw)) {
        size_t packed = compress_payload(payload, raw, b->packed + BLOCK_HEADER_BYTES);
        note_compression(b, packed > 0);
        if (packed) {
            header->stored = (uint32_t)packed;
            header->codec = BLOCK_LZ4;
            block = b->packed;
        }
    }
    seal(block, header);
    *encoded = (sdf_slice){block, BLOCK_HEADER_BYTES + header->stored};
    block_builder_empty(b);
    return SDF_OK;
}

/* ---- one large record ---- */

void block_lone_release(block_builder *b)
{
    charge_free(b->budget, b->lone, b->lone_capacity);
    b->lone = NULL;
}

/* Compresses the payload of `parts` into b->lone, if the budget has room for both forms. */
static size_t lone_compress(block_builder *b, const sdf_slice *parts, size_t count, size_t raw)
{
    uint8_t *whole = charge_try(b->budget, raw);
    if (!whole)
        return 0;
    b->lone_capacity = BLOCK_HEADER_BYTES + raw - raw / BLOCK_GAIN;
    b->lone = charge_try(b->budget, b->lone_capacity);
    size_t packed = 0;
    if (b->lone) {
        size_t at = 0;
        for (size_t i = 0; i < count; i++) {
            if (parts[i].size)
                memcpy(whole + at, parts[i].data, parts[i].size);
            at += parts[i].size;
        }
        packed = compress_payload(whole, raw, b->lone + BLOCK_HEADER_BYTES);
    }
    charge_free(b->budget, whole, raw);
    if (!packed)
        block_lone_release(b);
    return packed;
}

/* The payload as parts: layouts and length prefixes from lone_fixed, the bytes where they are. */
static uint64_t lone_payload(block_builder *b, const sdf_slice *in[2], sdf_slice parts[BLOCK_LONE_PARTS])
{
    uint8_t *prefix = b->lone_fixed + BLOCK_HEADER_BYTES, *at = prefix + BLOCK_PREFIX_BYTES;
    block_layout layout[2];
    uint64_t raw = BLOCK_PREFIX_BYTES;
    for (int i = 0; i < 2; i++) {
        bool empty = b->column[i].kind == TYPE_NULL || in[i]->size == 0;
        layout[i] = empty ? BLOCK_EMPTY : BLOCK_CONST;
        parts[i * 2 + 1] = (sdf_slice){empty ? NULL : in[i]->data, empty ? 0 : in[i]->size};
        if (!empty)
            store_u32(at + i * 4, (uint32_t)in[i]->size);
        raw += empty ? 0 : 4 + (uint64_t)in[i]->size;
    }
    parts[0] = (sdf_slice){prefix, (size_t)BLOCK_PREFIX_BYTES + (layout[0] == BLOCK_CONST ? 4 : 0)};
    parts[2] = (sdf_slice){at + 4, layout[1] == BLOCK_CONST ? 4 : 0};
    prefix_write(prefix, 1, layout[0], layout[1]);
    return raw;
}

static uint64_t lone_digest(const sdf_slice parts[BLOCK_LONE_PARTS])
{
    XXH3_state_t hash;
    XXH3_64bits_reset(&hash);
    for (int i = 0; i < BLOCK_LONE_PARTS; i++)
        if (parts[i].size)
            XXH3_64bits_update(&hash, parts[i].data, parts[i].size);
    return XXH3_64bits_digest(&hash);
}

int block_builder_lone(block_builder *b, uint32_t partition, block_codec codec, const sdf_slice *key,
                       const sdf_slice *value, sdf_slice parts[BLOCK_LONE_PARTS], size_t *count, block_header *header,
                       uint64_t *digest, sdf_error **err)
{
    const sdf_slice *in[2] = {key, value};
    block_lone_release(b);
    for (int i = 0; i < 2; i++)
        if (type_is_number(b->column[i].kind) && in[i]->size != 8)
            return error_set(err, SDF_E_TYPE, "a number of %zu bytes in a record", in[i]->size);
    if (key->size > BLOCK_RAW_MAX - 64 || value->size > BLOCK_RAW_MAX - 64 - key->size) {
        int rc = error_set(err, SDF_E_LIMIT, "a record of %zu + %zu bytes: the limit is %u", key->size, value->size,
                           BLOCK_RAW_MAX - 64);
        error_hint(err, "split it into several records before it is shuffled");
        return rc;
    }
    uint64_t raw = lone_payload(b, in, parts);
    *digest = lone_digest(parts);
    *header = (block_header){partition, (uint32_t)raw, (uint32_t)raw, 1, BLOCK_RAW, 0};
    size_t packed = worth_compressing(b, codec, raw) ? lone_compress(b, parts, BLOCK_LONE_PARTS, raw) : 0;
    if (packed) {
        header->stored = (uint32_t)packed;
        header->codec = BLOCK_LZ4;
        seal(b->lone, header);
        parts[0] = (sdf_slice){b->lone, BLOCK_HEADER_BYTES + packed};
        *count = 1;
        return SDF_OK;
    }
    block_header_write(header, b->lone_fixed);
    uint32_t crc = hash_crc32c(0, b->lone_fixed, BLOCK_HEADER_BYTES - 4);
    for (int i = 0; i < BLOCK_LONE_PARTS; i++)
        crc = hash_crc32c(crc, parts[i].data, parts[i].size);
    header->crc32c = crc;
    store_u32(b->lone_fixed + BLOCK_HEADER_BYTES - 4, crc);
    parts[0] = (sdf_slice){b->lone_fixed, BLOCK_HEADER_BYTES + parts[0].size};
    *count = BLOCK_LONE_PARTS;
    return SDF_OK;
}
