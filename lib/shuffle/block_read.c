/* Reading a block's records back as batches that point into it. Every length is checked before it is used. */
#include "shuffle/block.h"

#include <string.h>

#include <lz4.h>

#include "base/hash.h"
#include "base/wire.h"
#include "shuffle/charge.h"

#define LZ4_RATIO_MAX 255 /* no LZ4 stream unpacks to more than so many times its size */

typedef struct column_reader {
    type_kind kind;
    block_layout layout;
    const uint8_t *at;      /* the next value's bytes */
    const uint8_t *lengths; /* VAR: the next length */
    uint32_t width;         /* CONST, FIXED: bytes of a value */
    union {
        sdf_slice slices[SDF_BATCH_MAX];
        int64_t numbers[SDF_BATCH_MAX];
    };
} column_reader;

struct block_reader {
    budget *budget;
    uint8_t *raw; /* of a compressed block */
    size_t capacity;
    size_t left; /* records not handed out yet */
    column_reader column[2];
};

int block_reader_new(block_reader **out, type_kind key, type_kind value, budget *charged, sdf_error **err)
{
    block_reader *r = charge_alloc(charged, sizeof *r, err);
    if (!r)
        return SDF_E_NO_MEMORY;
    memset(r, 0, sizeof *r);
    r->budget = charged;
    r->column[SDF_KEY].kind = key;
    r->column[SDF_VALUE].kind = value;
    *out = r;
    return SDF_OK;
}

uint64_t block_reader_cost(void)
{
    return sizeof(block_reader);
}

void block_reader_free(block_reader *r)
{
    if (!r)
        return;
    charge_free(r->budget, r->raw, r->capacity);
    charge_free(r->budget, r, sizeof *r);
}

int block_reader_reserve(block_reader *r, uint32_t max_raw, sdf_error **err)
{
    if (max_raw <= r->capacity)
        return SDF_OK;
    r->left = 0;
    charge_free(r->budget, r->raw, r->capacity);
    r->capacity = 0;
    r->raw = charge_alloc(r->budget, max_raw, err);
    if (!r->raw)
        return SDF_E_NO_MEMORY;
    r->capacity = max_raw;
    return SDF_OK;
}

/* ---- checking ---- */

int block_header_read(const void *data, size_t size, block_header *h, sdf_error **err)
{
    const uint8_t *p = data;
    if (size < BLOCK_HEADER_BYTES)
        return error_set(err, SDF_E_CORRUPT, "%zu bytes are too few for a block header", size);
    *h = (block_header){load_u32(p),      load_u32(p + 4),  load_u32(p + 8),
                        load_u32(p + 12), load_u32(p + 16), load_u32(p + 20)};
    if (h->codec > BLOCK_LZ4)
        return error_set(err, SDF_E_CORRUPT, "block codec %u is unknown", h->codec);
    if (h->raw < 8 || h->raw > BLOCK_RAW_MAX || h->records == 0 || h->records > BLOCK_RECORDS_MAX)
        return error_set(err, SDF_E_CORRUPT, "a block of %u records in %u bytes can't be", h->records, h->raw);
    if (h->codec == BLOCK_RAW ? h->stored != h->raw : h->stored == 0 || h->stored >= h->raw)
        return error_set(err, SDF_E_CORRUPT, "a block of %u bytes stored as %u can't be", h->raw, h->stored);
    return SDF_OK;
}

static uint64_t sum_lengths(const uint8_t *p, size_t width, size_t count)
{
    uint64_t sum = 0;
    if (width == 1) {
        for (size_t i = 0; i < count; i++)
            sum += p[i];
    } else if (width == 2) {
        for (size_t i = 0; i < count; i++) {
            uint16_t v;
            memcpy(&v, p + i * 2, 2);
            sum += v;
        }
    } else {
        for (size_t i = 0; i < count; i++)
            sum += load_u32(p + i * 4);
    }
    return sum;
}

/* CONST and FIXED: a length, then `values` times as many bytes. False: it can't be. */
static bool take_fixed(column_reader *c, const uint8_t **at, const uint8_t *end, size_t values)
{
    if (end - *at < 4)
        return false;
    c->width = load_u32(*at);
    uint64_t bytes = (uint64_t)c->width * values; /* < 2^32 * 2^24 */
    if ((uint64_t)(end - *at - 4) < bytes || (type_is_number(c->kind) && c->width != 8))
        return false;
    c->at = *at + 4;
    *at += 4 + bytes;
    return true;
}

static bool take_variable(column_reader *c, const uint8_t **at, const uint8_t *end, size_t width, size_t count)
{
    uint64_t left = (uint64_t)(end - *at);
    if (type_is_number(c->kind) || count * width > left)
        return false;
    uint64_t bytes = sum_lengths(*at, width, count);
    if (bytes > left - count * width)
        return false;
    c->lengths = *at;
    c->at = *at + count * width;
    *at = c->at + bytes;
    return true;
}

/* Finds the column at *at and moves past it. */
static bool take_column(column_reader *c, uint8_t layout, const uint8_t **at, const uint8_t *end, size_t count)
{
    if (layout > BLOCK_INT32 || (c->kind == TYPE_NULL && layout != BLOCK_EMPTY))
        return false;
    c->layout = (block_layout)layout;
    switch (c->layout) {
    case BLOCK_EMPTY:
        return !type_is_number(c->kind);
    case BLOCK_CONST:
        return take_fixed(c, at, end, 1);
    case BLOCK_FIXED:
        return take_fixed(c, at, end, count) && c->width > 0;
    case BLOCK_VAR8:
        return take_variable(c, at, end, 1, count);
    case BLOCK_VAR16:
        return take_variable(c, at, end, 2, count);
    case BLOCK_VAR32:
        return take_variable(c, at, end, 4, count);
    default:
        c->width = layout == BLOCK_INT8 ? 1 : layout == BLOCK_INT16 ? 2 : 4;
        if (c->kind != TYPE_I64 || (uint64_t)count * c->width > (uint64_t)(end - *at))
            return false;
        c->at = *at;
        *at += count * c->width;
        return true;
    }
}

static int unpack(block_reader *r, const uint8_t *payload, const block_header *h, sdf_error **err)
{
    if (h->raw / LZ4_RATIO_MAX > h->stored)
        return error_set(err, SDF_E_CORRUPT, "%u compressed bytes can't hold %u", h->stored, h->raw);
    int rc = block_reader_reserve(r, h->raw, err);
    if (rc != SDF_OK)
        return rc;
    int n = LZ4_decompress_safe((const char *)payload, (char *)r->raw, (int)h->stored, (int)h->raw);
    return n == (int)h->raw ? SDF_OK : error_set(err, SDF_E_CORRUPT, "the compressed payload can't be unpacked");
}

int block_reader_open(block_reader *r, const void *data, size_t size, size_t *used, block_header *h, sdf_error **err)
{
    r->left = 0;
    int rc = block_header_read(data, size, h, err);
    if (rc != SDF_OK)
        return rc;
    if (h->stored > size - BLOCK_HEADER_BYTES)
        return error_set(err, SDF_E_CORRUPT, "a block of %u bytes, but only %zu are there", h->stored,
                         size - BLOCK_HEADER_BYTES);
    const uint8_t *payload = (const uint8_t *)data + BLOCK_HEADER_BYTES;
    uint32_t crc = hash_crc32c(hash_crc32c(0, data, BLOCK_HEADER_BYTES - 4), payload, h->stored);
    if (crc != h->crc32c)
        return error_set(err, SDF_E_CORRUPT, "block checksum is %08x, not %08x", crc, h->crc32c);
    if (h->codec == BLOCK_LZ4) {
        rc = unpack(r, payload, h, err);
        if (rc != SDF_OK)
            return rc;
        payload = r->raw;
    }
    const uint8_t *at = payload + 8, *end = payload + h->raw;
    if (load_u32(payload) != h->records || payload[6] || payload[7] ||
        !take_column(&r->column[SDF_KEY], payload[4], &at, end, h->records) ||
        !take_column(&r->column[SDF_VALUE], payload[5], &at, end, h->records) || at != end)
        return error_set(err, SDF_E_CORRUPT, "the block's columns don't add up (%u records, layouts %u and %u)",
                         h->records, payload[4], payload[5]);
    r->left = h->records;
    *used = BLOCK_HEADER_BYTES + h->stored;
    return SDF_OK;
}

/* ---- batches ---- */

static void next_slices(column_reader *c, size_t width, size_t count)
{
    const uint8_t *p = c->at, *lengths = c->lengths;
    if (width == 1) {
        for (size_t i = 0; i < count; i++) {
            c->slices[i] = (sdf_slice){p, lengths[i]};
            p += lengths[i];
        }
    } else if (width == 2) {
        for (size_t i = 0; i < count; i++) {
            uint16_t n;
            memcpy(&n, lengths + i * 2, 2);
            c->slices[i] = (sdf_slice){p, n};
            p += n;
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            uint32_t n = load_u32(lengths + i * 4);
            c->slices[i] = (sdf_slice){p, n};
            p += n;
        }
    }
    c->at = p;
    c->lengths += count * width;
}

static void widen(column_reader *c, size_t count)
{
    if (c->width == 1) {
        for (size_t i = 0; i < count; i++)
            c->numbers[i] = (int8_t)c->at[i];
    } else if (c->width == 2) {
        for (size_t i = 0; i < count; i++) {
            int16_t v;
            memcpy(&v, c->at + i * 2, 2);
            c->numbers[i] = v;
        }
    } else {
        for (size_t i = 0; i < count; i++)
            c->numbers[i] = (int32_t)load_u32(c->at + i * 4);
    }
    c->at += count * c->width;
}

static void next_fixed(column_reader *c, size_t count, sdf_column *out)
{
    const void *data = c->at;
    if (type_is_number(c->kind) && ((uintptr_t)data & 7)) {
        memcpy(c->numbers, data, count * 8);
        data = c->numbers;
    }
    column_set_fixed(out, data, c->width);
    c->at += count * c->width;
}

static void next_column(column_reader *c, size_t count, sdf_column *out)
{
    switch (c->layout) {
    case BLOCK_EMPTY:
        column_set_null(out);
        return;
    case BLOCK_CONST:
        if (type_is_number(c->kind))
            memcpy(c->numbers, c->at, 8);
        column_set_const(out, type_is_number(c->kind) ? (const void *)c->numbers : c->at, c->width);
        return;
    case BLOCK_FIXED:
        next_fixed(c, count, out);
        return;
    case BLOCK_VAR8:
    case BLOCK_VAR16:
    case BLOCK_VAR32:
        next_slices(c, (size_t)1 << (c->layout - BLOCK_VAR8), count);
        column_set_slices(out, c->slices);
        return;
    default:
        widen(c, count);
        column_set_fixed(out, c->numbers, 8);
    }
}

int block_reader_next(block_reader *r, sdf_batch *batch)
{
    if (r->left == 0)
        return SDF_END;
    size_t count = r->left < SDF_BATCH_MAX ? r->left : SDF_BATCH_MAX;
    *batch = (sdf_batch){.count = count};
    next_column(&r->column[SDF_KEY], count, &batch->key);
    next_column(&r->column[SDF_VALUE], count, &batch->value);
    r->left -= count;
    return SDF_OK;
}
