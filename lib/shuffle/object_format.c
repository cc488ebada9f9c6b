/* Header and trailer of a shuffle object, and reading the index of one that lies in memory. docs/formats.md, "Shuffle
 * object". */
#include "shuffle/object_format.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/wire.h"

static const char header_magic[4] = "SDFO";
static const char trailer_magic[4] = "SDFE";

void object_header_write(uint8_t out[OBJECT_HEADER_BYTES], const object_ids *ids, uint32_t partitions, type_kind key,
                         type_kind value)
{
    memset(out, 0, OBJECT_HEADER_BYTES);
    memcpy(out, header_magic, 4);
    out[4] = OBJECT_VERSION;
    store_u64(out + 8, ids->context);
    store_u32(out + 16, ids->stage);
    store_u32(out + 20, ids->task);
    store_u32(out + 24, ids->leg);
    store_u32(out + 28, partitions);
    store_u64(out + 32, ids->attempt);
    out[40] = (uint8_t)key;
    out[41] = (uint8_t)value;
    store_u32(out + 44, hash_crc32c(0, out, 44));
}

void object_trailer_write(uint8_t out[OBJECT_TRAILER_BYTES], uint64_t index_offset, const void *index, uint32_t size)
{
    store_u64(out, index_offset);
    store_u32(out + 8, size);
    store_u32(out + 12, hash_crc32c(0, index, size));
    store_u32(out + 16, hash_crc32c(0, out, 16));
    memcpy(out + 20, trailer_magic, 4);
}

bool object_trailer_read(const uint8_t trailer[OBJECT_TRAILER_BYTES], uint64_t *index_offset, uint32_t *size,
                         uint32_t *crc)
{
    if (memcmp(trailer + 20, trailer_magic, 4) != 0 || load_u32(trailer + 16) != hash_crc32c(0, trailer, 16))
        return false;
    *index_offset = load_u64(trailer);
    *size = load_u32(trailer + 8);
    *crc = load_u32(trailer + 12);
    return true;
}

int object_check_header(const void *data, size_t size, const object_ids *expect, sdf_error **err)
{
    const uint8_t *p = data;
    if (size < OBJECT_HEADER_BYTES || memcmp(p, header_magic, 4) != 0)
        return error_set(err, SDF_E_CORRUPT, "this is no shuffle object");
    uint32_t version = p[4] | (uint32_t)p[5] << 8;
    if (version != OBJECT_VERSION)
        return error_set(err, SDF_E_VERSION, "shuffle object of version %u; this library reads %d", version,
                         OBJECT_VERSION);
    if (load_u32(p + 44) != hash_crc32c(0, p, 44))
        return error_set(err, SDF_E_CORRUPT, "the header's checksum does not match");
    object_ids ids = {load_u64(p + 8), load_u32(p + 16), load_u32(p + 20), load_u32(p + 24), load_u64(p + 32)};
    if (expect && (ids.context != expect->context || ids.stage != expect->stage || ids.task != expect->task ||
                   ids.leg != expect->leg || ids.attempt != expect->attempt))
        return error_set(err, SDF_E_CORRUPT,
                         "it says that it is of context %016" PRIx64 ", stage %u, task %u, leg %u, attempt %" PRIu64,
                         ids.context, ids.stage, ids.task, ids.leg, ids.attempt);
    return SDF_OK;
}

static int find_index(const uint8_t *p, size_t size, sdf_slice *index, sdf_error **err)
{
    if (size < OBJECT_HEADER_BYTES + OBJECT_TRAILER_BYTES)
        return error_set(err, SDF_E_CORRUPT, "%zu bytes are too few for a shuffle object", size);
    uint64_t offset, end = size - OBJECT_TRAILER_BYTES;
    uint32_t length, crc;
    if (!object_trailer_read(p + end, &offset, &length, &crc))
        return error_set(err, SDF_E_CORRUPT, "the shuffle object's trailer is damaged, or the object was cut short");
    if (offset < OBJECT_HEADER_BYTES || offset > end || length != end - offset)
        return error_set(err, SDF_E_CORRUPT, "the index of the shuffle object is not where its trailer says");
    if (hash_crc32c(0, p + offset, length) != crc)
        return error_set(err, SDF_E_CORRUPT, "the checksum of the shuffle object's index does not match");
    *index = (sdf_slice){p + offset, length};
    return SDF_OK;
}

int object_read_index(const void *data, size_t size, const object_ids *expect, shuffle_index *x, sdf_error **err)
{
    const uint8_t *p = data;
    sdf_slice index = {NULL, 0};
    *x = (shuffle_index){0};
    int rc = object_check_header(data, size, expect, err);
    rc = rc ? rc : find_index(p, size, &index, err);
    rc = rc ? rc : shuffle_index_decode(index.data, index.size, x, err);
    if (rc != SDF_OK)
        return rc;
    uint64_t end = (uint64_t)((const uint8_t *)index.data - p);
    bool fits = x->partitions == load_u32(p + 28);
    for (uint32_t i = 0; i < x->count && fits; i++)
        fits = x->extents[i].offset + x->extents[i].stored <= end;
    if (fits)
        return SDF_OK;
    shuffle_index_clear(x);
    return error_set(err, SDF_E_CORRUPT, "the index of the shuffle object points outside of it");
}
