/* The inside of a block builder, shared by block_build.c (collects) and block_encode.c (encodes). */
#ifndef SHUFFLE_BLOCK_COLUMNS_H
#define SHUFFLE_BLOCK_COLUMNS_H

#include "shuffle/block.h"

#define BLOCK_PREFIX_BYTES 8  /* of a payload: count, layouts, zero */
#define BLOCK_GAIN         16 /* compressed is kept if it is at least 1/16 smaller */

typedef struct column_builder {
    type_kind kind;
    uint8_t *data; /* values one after another; numbers at full width */
    size_t size, capacity;
    uint32_t *lengths;       /* NULL for numbers and null */
    size_t lengths_capacity; /* bytes */
    uint32_t shortest, longest;
    bool same;         /* all values equal the first; not kept for i64 */
    int64_t low, high; /* i64 */
} column_builder;

struct block_builder {
    budget *budget;
    size_t block_bytes;
    size_t count, room; /* records now, and at most without growing */
    column_builder column[2];
    uint8_t *raw, *packed; /* header and payload, plain and compressed */
    size_t raw_capacity, packed_capacity;
    uint8_t *lone; /* the compressed form of a block_builder_lone, and its fixed parts */
    size_t lone_capacity;
    uint8_t lone_fixed[BLOCK_HEADER_BYTES + BLOCK_PREFIX_BYTES + 8];
    uint32_t misses, skip; /* blocks in a row that did not compress; blocks not to try now */
};

void block_builder_empty(block_builder *b);
int block_raw_reserve(block_builder *b, size_t raw, sdf_error **err);
void block_lone_release(block_builder *b);

#endif
