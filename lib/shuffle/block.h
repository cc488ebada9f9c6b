/* Blocks: some records of one partition as two columns, and their encoding.
 * Source of the layout: docs/formats.md, "Block". */
#ifndef SHUFFLE_BLOCK_H
#define SHUFFLE_BLOCK_H

#include "base/batch.h"
#include "base/budget.h"
#include "base/buf.h"
#include "spec/type.h"

#define BLOCK_HEADER_BYTES 24
#define BLOCK_RAW_MAX (1u << 30)

typedef enum block_codec { BLOCK_RAW = 0, BLOCK_LZ4 = 1 } block_codec;

typedef struct block_header {
    uint32_t partition;
    uint32_t raw, stored; /* payload bytes before and after compression */
    uint32_t records;
    uint32_t codec;
    uint32_t crc32c; /* of the first 20 bytes of the header and the stored payload */
} block_header;

/* Collects records and encodes them. Memory is charged to the budget. */
typedef struct block_builder block_builder;
int block_builder_new(block_builder **b, type_kind key, type_kind value, size_t block_bytes, budget *budget, sdf_error **err);
void block_builder_free(block_builder *b);
/* Copies `count` records from `first` on. The block is due when block_builder_size passes block_bytes. */
int block_builder_add(block_builder *b, const sdf_column *keys, const sdf_column *values, size_t first, size_t count, sdf_error **err);
int block_builder_add_one(block_builder *b, const sdf_slice *key, const sdf_slice *value, sdf_error **err);
size_t block_builder_size(const block_builder *b); /* raw bytes so far */
size_t block_builder_count(const block_builder *b);
/* Header and payload, valid until the next call; compressed if that makes it smaller. *digest: XXH3-64 of the raw payload. Empties the builder. */
int block_builder_finish(block_builder *b, uint32_t partition, block_codec codec, sdf_slice *encoded, block_header *header, uint64_t *digest, sdf_error **err);

/* Header fields from bytes; SDF_E_CORRUPT if they can't be. */
int block_header_read(const void *data, size_t size, block_header *h, sdf_error **err);

/* Reads a block's records as batches. */
typedef struct block_reader block_reader;
int block_reader_new(block_reader **r, type_kind key, type_kind value, budget *budget, sdf_error **err);
void block_reader_free(block_reader *r);
/* Verifies and takes one encoded block (header and payload at the front of data[0..size)); *used is its length. The bytes must stay while its batches are used. */
int block_reader_open(block_reader *r, const void *data, size_t size, size_t *used, block_header *h, sdf_error **err);
/* The next up to SDF_BATCH_MAX records: SDF_OK or SDF_END. Slices live until the next block_reader_open. */
int block_reader_next(block_reader *r, sdf_batch *batch);

#endif
