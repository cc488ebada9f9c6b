/* Blocks: some records of one partition as two columns, and their encoding.
 * Source of the layout: docs/formats.md, "Block". */
#ifndef SHUFFLE_BLOCK_H
#define SHUFFLE_BLOCK_H

#include "base/batch.h"
#include "base/budget.h"
#include "base/buf.h"
#include "spec/type.h"

#define BLOCK_HEADER_BYTES  24
#define BLOCK_RAW_MAX       (1u << 30)
#define BLOCK_RECORDS_MAX   (1u << 24)
#define BLOCK_BYTES_DEFAULT (64u << 10)

/* How a column lies in a block. */
typedef enum block_layout {
    BLOCK_EMPTY = 0, /* no value has a byte */
    BLOCK_CONST = 1, /* all values are equal */
    BLOCK_FIXED = 2, /* all have one length */
    BLOCK_VAR8 = 3,  /* lengths of 1, 2, 4 bytes, then the values */
    BLOCK_VAR16 = 4,
    BLOCK_VAR32 = 5,
    BLOCK_INT8 = 6, /* i64 as sign-extended narrow integers */
    BLOCK_INT16 = 7,
    BLOCK_INT32 = 8
} block_layout;

typedef enum block_codec { BLOCK_RAW = 0, BLOCK_LZ4 = 1 } block_codec;

typedef struct block_header {
    uint32_t partition;
    uint32_t raw, stored; /* payload bytes before and after compression */
    uint32_t records;
    uint32_t codec;
    uint32_t crc32c; /* of the first 20 bytes of the header and the stored payload */
} block_header;

/* Collects records and encodes them. Memory is charged to the budget, all of it at once when the builder is made: only
 * a record that does not fit a block takes more. */
typedef struct block_builder block_builder;
uint64_t block_builder_cost(type_kind key, type_kind value, size_t block_bytes); /* what block_builder_new charges */
int block_builder_new(block_builder **b, type_kind key, type_kind value, size_t block_bytes, budget *budget,
                      sdf_error **err);
void block_builder_free(block_builder *b);
/* How many of these records still go into the block without making it larger than block_bytes: 0 says that it is due,
 * or, if it is empty, that the first record is larger than a block (block_builder_lone). A NULL column is null. */
size_t block_builder_room(const block_builder *b, const sdf_column *keys, const sdf_column *values, size_t first,
                          size_t count);
bool block_builder_fits(const block_builder *b, const sdf_slice *key, const sdf_slice *value);
/* Copies `count` records from `first` on, growing if they don't fit. SDF_E_TYPE: a number that is not 8 bytes. */
int block_builder_add(block_builder *b, const sdf_column *keys, const sdf_column *values, size_t first, size_t count,
                      sdf_error **err);
int block_builder_add_one(block_builder *b, const sdf_slice *key, const sdf_slice *value, sdf_error **err);
size_t block_builder_count(const block_builder *b);
/* Header and payload, valid until the next call; compressed if that makes it smaller. *digest: XXH3-64 of the raw
 * payload. Empties the builder. */
int block_builder_finish(block_builder *b, uint32_t partition, block_codec codec, sdf_slice *encoded,
                         block_header *header, uint64_t *digest, sdf_error **err);

/* One record as a block of its own, past the builder (what it has collected stays). parts[0..*count) are the bytes;
 * they point into the record and the builder and are valid until the next call. Copies (to compress) only as far as the
 * budget has room for it. */
#define BLOCK_LONE_PARTS 4
int block_builder_lone(block_builder *b, uint32_t partition, block_codec codec, const sdf_slice *key,
                       const sdf_slice *value, sdf_slice parts[BLOCK_LONE_PARTS], size_t *count, block_header *header,
                       uint64_t *digest, sdf_error **err);

void block_header_write(const block_header *h, uint8_t out[BLOCK_HEADER_BYTES]);
/* Header fields from bytes; SDF_E_CORRUPT if they can't be. */
int block_header_read(const void *data, size_t size, block_header *h, sdf_error **err);

/* Reads a block's records as batches. */
typedef struct block_reader block_reader;
int block_reader_new(block_reader **r, type_kind key, type_kind value, budget *budget, sdf_error **err);
uint64_t block_reader_cost(void); /* what block_reader_new charges */
void block_reader_free(block_reader *r);
/* Takes the memory that blocks of up to so many raw bytes need now rather than when the first one comes. */
int block_reader_reserve(block_reader *r, uint32_t max_raw, sdf_error **err);
/* Verifies and takes one encoded block (header and payload at the front of data[0..size)); *used is its length. The
 * bytes must stay while its batches are used. */
int block_reader_open(block_reader *r, const void *data, size_t size, size_t *used, block_header *h, sdf_error **err);
/* The next up to SDF_BATCH_MAX records: SDF_OK or SDF_END. The batch lives until the next call; bytes that slices point
 * to, until the next block_reader_open. Number columns are 8-aligned. */
int block_reader_next(block_reader *r, sdf_batch *batch);

#endif
