/* Records in, a stream of encoded blocks out: what object writers and spills have in common. Small blocks are written
 * together. Not here: where the bytes go, and what they are part of. */
#ifndef SHUFFLE_STREAM_H
#define SHUFFLE_STREAM_H

#include "shuffle/object.h"

/* Takes bytes at the end of what was taken before; always whole blocks. */
typedef int (*stream_write_fn)(void *self, const sdf_slice *parts, size_t count, sdf_error **err);

typedef struct stream {
    budget *budget;
    block_builder *builder;
    block_codec codec;
    stream_write_fn write;
    void *self;
    uint8_t *pending; /* bytes not written yet */
    size_t pending_size, pending_capacity;
    uint64_t position;   /* bytes put in, written or not */
    index_extent extent; /* so far; its partition is that of the records added now */
    uint64_t digest;     /* of the extent's blocks */
} stream;

/* Blocks aim at block_bytes. Charges everything now; nothing later. */
int stream_open(stream *s, budget *charged, type_kind key, type_kind value, size_t block_bytes, block_codec codec,
                stream_write_fn write, void *self, sdf_error **err);
uint64_t stream_cost(type_kind key, type_kind value, size_t block_bytes);
void stream_close(stream *s); /* drops what is pending */

int stream_add(stream *s, const sdf_column *keys, const sdf_column *values, size_t first, size_t count,
               sdf_error **err);
int stream_add_one(stream *s, const sdf_slice *key, const sdf_slice *value, sdf_error **err);
/* Records added to the extent so far. */
uint64_t stream_records(const stream *s);
/* Ends the block and the extent: what it holds (records 0: nothing). The next one begins behind it. */
int stream_end_extent(stream *s, index_extent *x, uint64_t *digest, sdf_error **err);
/* Bytes that are no block: headers and the like, in at most BLOCK_LONE_PARTS parts. Not inside an extent. */
int stream_put(stream *s, const sdf_slice *parts, size_t count, sdf_error **err);
int stream_flush(stream *s, sdf_error **err);

#endif
