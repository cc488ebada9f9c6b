/* The index of a shuffle object: which extent holds what. docs/formats.md, "Index". */
#include "shuffle/object.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/wire.h"

#define INDEX_FORMAT     1
#define EXTENT_BYTES_MIN 6 /* six numbers of at least a byte */

uint64_t digest_fold(uint64_t digest, uint64_t next)
{
    return hash_mix(digest, next);
}

void shuffle_index_clear(shuffle_index *x)
{
    free(x->extents);
    *x = (shuffle_index){0};
}

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Where extent i is expected to begin: behind the extent that has the same place among those of the partition before
 * (so each run is followed through the object), else behind the extent before it. `group` is the first extent of
 * i's partition, `before` the first one of the partition before. */
static uint64_t expected_offset(const index_extent *e, uint32_t i, uint32_t group, uint32_t before)
{
    uint32_t like = before + (i - group);
    if (i == 0)
        return OBJECT_HEADER_BYTES;
    const index_extent *last = like < group ? &e[like] : &e[i - 1];
    return last->offset + last->stored;
}

typedef struct index_cursor {
    uint32_t group, before;
} index_cursor;

static void cursor_step(index_cursor *c, uint32_t i, uint32_t partition_step)
{
    if (partition_step || i == 0) {
        c->before = c->group;
        c->group = i;
    }
}

int shuffle_index_encode(const shuffle_index *x, buf *out)
{
    int rc = wire_put_u8(out, INDEX_FORMAT);
    rc = rc ? rc : wire_put_varint(out, x->partitions);
    rc = rc ? rc : wire_put_varint(out, x->count);
    rc = rc ? rc : wire_put_u64(out, x->fingerprint);
    index_cursor c = {0, 0};
    for (uint32_t i = 0; i < x->count && rc == SDF_OK; i++) {
        const index_extent *e = &x->extents[i];
        uint32_t step = e->partition - (i ? e[-1].partition : 0);
        cursor_step(&c, i, step);
        rc = wire_put_varint(out, step);
        rc =
            rc ? rc
               : wire_put_varint(out, zigzag((int64_t)(e->offset - expected_offset(x->extents, i, c.group, c.before))));
        rc = rc ? rc : wire_put_varint(out, e->stored);
        rc = rc ? rc : wire_put_varint(out, e->raw);
        rc = rc ? rc : wire_put_varint(out, e->records);
        rc = rc ? rc : wire_put_varint(out, e->raw - e->max_raw);
    }
    return rc;
}

static bool extent_valid(const index_extent *e, uint64_t step, uint64_t max_gap)
{
    return step <= UINT32_MAX && e->offset >= OBJECT_HEADER_BYTES && e->offset <= INT64_MAX &&
           e->stored >= BLOCK_HEADER_BYTES && e->stored <= (uint64_t)INT64_MAX - e->offset && e->records > 0 &&
           e->raw <= INT64_MAX && max_gap <= e->raw && e->raw - max_gap >= 8 && e->raw - max_gap <= BLOCK_RAW_MAX;
}

static int read_extents(wire_reader *in, shuffle_index *x, sdf_error **err)
{
    index_cursor c = {0, 0};
    uint64_t partition = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        index_extent *e = &x->extents[i];
        uint64_t step = wire_varint(in);
        cursor_step(&c, i, step != 0);
        e->offset = expected_offset(x->extents, i, c.group, c.before) + (uint64_t)unzigzag(wire_varint(in));
        e->stored = wire_varint(in);
        e->raw = wire_varint(in);
        e->records = wire_varint(in);
        uint64_t others = wire_varint(in);
        partition += step <= UINT32_MAX ? step : 0;
        if (in->bad || !extent_valid(e, step, others) || partition >= x->partitions)
            return error_set(err, SDF_E_CORRUPT, "entry %u of the shuffle index can't be", i);
        e->partition = (uint32_t)partition;
        e->max_raw = (uint32_t)(e->raw - others);
    }
    return SDF_OK;
}

int shuffle_index_decode(const void *data, size_t size, shuffle_index *x, sdf_error **err)
{
    *x = (shuffle_index){0};
    wire_reader in = wire_read(data, size);
    uint8_t format = wire_u8(&in);
    if (!in.bad && format != INDEX_FORMAT)
        return error_set(err, SDF_E_VERSION, "shuffle index of format %u; this library reads %d", format, INDEX_FORMAT);
    uint64_t partitions = wire_varint(&in), count = wire_varint(&in);
    uint64_t fingerprint = wire_u64(&in);
    if (in.bad || partitions == 0 || partitions > UINT32_MAX || count > wire_left(&in) / EXTENT_BYTES_MIN ||
        count > UINT32_MAX)
        return error_set(err, SDF_E_CORRUPT, "%zu bytes are no shuffle index", size);
    shuffle_index made = {(uint32_t)partitions, NULL, (uint32_t)count, fingerprint};
    if (count && !(made.extents = calloc(count, sizeof *made.extents)))
        return error_no_memory(err);
    int rc = read_extents(&in, &made, err);
    if (rc == SDF_OK && wire_left(&in))
        rc = error_set(err, SDF_E_CORRUPT, "%zu bytes behind the shuffle index", wire_left(&in));
    if (rc != SDF_OK) {
        shuffle_index_clear(&made);
        return rc;
    }
    *x = made;
    return SDF_OK;
}
