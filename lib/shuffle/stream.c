/* Encoded blocks one after another, small ones written together. */
#include "shuffle/stream.h"

#include <string.h>

#include "shuffle/charge.h"

#define PENDING_MAX (64u << 10)
#define PARTS_MAX   (BLOCK_LONE_PARTS + 1) /* of one write: what is pending, then a block */

static size_t pending_for(size_t block_bytes)
{
    return block_bytes < PENDING_MAX ? block_bytes : PENDING_MAX;
}

uint64_t stream_cost(type_kind key, type_kind value, size_t block_bytes)
{
    return block_builder_cost(key, value, block_bytes) + pending_for(block_bytes);
}

static void extent_begin(stream *s, uint32_t partition)
{
    s->extent = (index_extent){.partition = partition, .offset = s->position};
    s->digest = DIGEST_START;
}

int stream_open(stream *s, budget *charged, type_kind key, type_kind value, size_t block_bytes, block_codec codec,
                stream_write_fn write, void *self, sdf_error **err)
{
    *s = (stream){.budget = charged, .codec = codec, .write = write, .self = self};
    int rc = block_builder_new(&s->builder, key, value, block_bytes, charged, err);
    if (rc != SDF_OK)
        return rc;
    s->pending_capacity = pending_for(block_bytes);
    s->pending = charge_alloc(charged, s->pending_capacity, err);
    if (!s->pending) {
        block_builder_free(s->builder);
        return SDF_E_NO_MEMORY;
    }
    extent_begin(s, 0);
    return SDF_OK;
}

void stream_close(stream *s)
{
    block_builder_free(s->builder);
    charge_free(s->budget, s->pending, s->pending_capacity);
    s->builder = NULL;
    s->pending = NULL;
}

int stream_flush(stream *s, sdf_error **err)
{
    sdf_slice all = {s->pending, s->pending_size};
    s->pending_size = 0;
    return all.size ? s->write(s->self, &all, 1, err) : SDF_OK;
}

/* Copies what is small beside the buffer; writes what is not at once, together with what was pending. */
int stream_put(stream *s, const sdf_slice *parts, size_t count, sdf_error **err)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    s->position += size;
    if (size <= s->pending_capacity / 4 && size <= s->pending_capacity - s->pending_size) {
        for (size_t i = 0; i < count; i++) {
            if (parts[i].size)
                memcpy(s->pending + s->pending_size, parts[i].data, parts[i].size);
            s->pending_size += parts[i].size;
        }
        return SDF_OK;
    }
    sdf_slice all[PARTS_MAX];
    size_t n = 0;
    if (s->pending_size)
        all[n++] = (sdf_slice){s->pending, s->pending_size};
    for (size_t i = 0; i < count; i++)
        if (parts[i].size)
            all[n++] = parts[i];
    s->pending_size = 0;
    return s->write(s->self, all, n, err);
}

static int put_block(stream *s, const sdf_slice *parts, size_t count, const block_header *h, uint64_t digest,
                     sdf_error **err)
{
    s->extent.stored += BLOCK_HEADER_BYTES + (uint64_t)h->stored;
    s->extent.raw += h->raw;
    s->extent.records += h->records;
    if (h->raw > s->extent.max_raw)
        s->extent.max_raw = h->raw;
    s->digest = digest_fold(s->digest, digest);
    return stream_put(s, parts, count, err);
}

static int end_block(stream *s, sdf_error **err)
{
    sdf_slice encoded;
    block_header h;
    uint64_t digest;
    if (block_builder_count(s->builder) == 0)
        return SDF_OK;
    int rc = block_builder_finish(s->builder, s->extent.partition, s->codec, &encoded, &h, &digest, err);
    return rc == SDF_OK ? put_block(s, &encoded, 1, &h, digest, err) : rc;
}

static int put_lone(stream *s, const sdf_slice *key, const sdf_slice *value, sdf_error **err)
{
    sdf_slice parts[BLOCK_LONE_PARTS];
    size_t count;
    block_header h;
    uint64_t digest;
    int rc = block_builder_lone(s->builder, s->extent.partition, s->codec, key, value, parts, &count, &h, &digest, err);
    return rc == SDF_OK ? put_block(s, parts, count, &h, digest, err) : rc;
}

static sdf_slice value_of(const sdf_column *c, size_t i)
{
    return c ? column_get(c, i) : (sdf_slice){NULL, 0};
}

int stream_add(stream *s, const sdf_column *keys, const sdf_column *values, size_t first, size_t count, sdf_error **err)
{
    int rc = SDF_OK;
    while (count && rc == SDF_OK) {
        size_t n = block_builder_room(s->builder, keys, values, first, count);
        if (n) {
            rc = block_builder_add(s->builder, keys, values, first, n, err);
        } else if (block_builder_count(s->builder)) {
            rc = end_block(s, err);
        } else {
            sdf_slice key = value_of(keys, first), value = value_of(values, first);
            rc = put_lone(s, &key, &value, err);
            n = 1;
        }
        first += n;
        count -= n;
    }
    return rc;
}

int stream_add_one(stream *s, const sdf_slice *key, const sdf_slice *value, sdf_error **err)
{
    if (!block_builder_fits(s->builder, key, value)) {
        int rc = end_block(s, err);
        if (rc != SDF_OK)
            return rc;
        if (!block_builder_fits(s->builder, key, value))
            return put_lone(s, key, value, err);
    }
    return block_builder_add_one(s->builder, key, value, err);
}

uint64_t stream_records(const stream *s)
{
    return s->extent.records + block_builder_count(s->builder);
}

int stream_end_extent(stream *s, index_extent *x, uint64_t *digest, sdf_error **err)
{
    int rc = end_block(s, err);
    *x = s->extent;
    *digest = s->digest;
    extent_begin(s, s->extent.partition);
    return rc;
}
