/* Shuffle objects: a header, blocks by partition in one or more runs, an index, a trailer.
 * Written once through the store, or, if small and wanted so, kept as bytes. */
#ifndef SHUFFLE_OBJECT_H
#define SHUFFLE_OBJECT_H

#include "shuffle/block.h"
#include "shuffle/env.h"

#define OBJECT_VERSION       1
#define OBJECT_HEADER_BYTES  48
#define OBJECT_TRAILER_BYTES 24

typedef struct object_ids {
    uint64_t context;
    uint32_t stage, task, leg;
    uint64_t attempt;
} object_ids;

/* What the index says of one extent: consecutive blocks of one partition, one (sorted) run. */
typedef struct index_extent {
    uint32_t partition;
    uint64_t offset, stored, raw, records;
    uint32_t max_raw;
} index_extent;

typedef struct shuffle_index {
    uint32_t partitions;
    index_extent *extents; /* by (partition, run) */
    uint32_t count;
    uint64_t fingerprint; /* over each partition's record count and content digest */
} shuffle_index;
/* One step of folding digests: how blocks give an extent's digest, extents a partition's, and partitions the
 * fingerprint. */
uint64_t digest_fold(uint64_t digest, uint64_t next);
#define DIGEST_START UINT64_C(0x5344462d44494745)
int shuffle_index_encode(const shuffle_index *x, buf *out);
int shuffle_index_decode(const void *data, size_t size, shuffle_index *x, sdf_error **err);
void shuffle_index_clear(shuffle_index *x);

typedef struct object_writer object_writer;
/* inline_limit > 0: the object is not put in the store if it stays within so many bytes. */
int object_writer_open(object_writer **w, task_env *env, const object_ids *ids, uint32_t partitions, type_kind key,
                       type_kind value, uint64_t inline_limit, sdf_error **err);
/* Records of one partition; partitions ascend within a run. */
int object_writer_add(object_writer *w, uint32_t partition, const sdf_column *keys, const sdf_column *values,
                      size_t first, size_t count, sdf_error **err);
int object_writer_add_one(object_writer *w, uint32_t partition, const sdf_slice *key, const sdf_slice *value,
                          sdf_error **err);
/* The next records start a new run: their partitions begin again at 0. */
int object_writer_end_run(object_writer *w, sdf_error **err);
uint64_t object_writer_records(const object_writer *w);
/* Makes it visible. *index: filled in, the caller clears it. inline_bytes (may be NULL if inline_limit is 0): the whole
 * object if it stayed inline, else left empty. Counts into env->metrics what was written: as shuffled data, unless the
 * stage's output is a result. Frees w, on failure too. */
int object_writer_commit(object_writer *w, shuffle_index *index, buf *inline_bytes, uint64_t *object_bytes,
                         sdf_error **err);
void object_writer_abort(object_writer *w);

/* The first bytes of an object: SDF_E_CORRUPT or SDF_E_VERSION if they are not what `expect` (NULL: anybody's) should
 * have. */
int object_check_header(const void *data, size_t size, const object_ids *expect, sdf_error **err);
/* Reads the index of a whole object that lies in memory: for results and tools. expect NULL: anybody's. */
int object_read_index(const void *data, size_t size, const object_ids *expect, shuffle_index *x, sdf_error **err);
/* The same of an object of `size` bytes in the store, without reading its blocks; patient where that may help. */
int object_fetch_index(store *s, const object_ids *ids, uint64_t size, shuffle_index *x, sdf_error **err);

#endif
