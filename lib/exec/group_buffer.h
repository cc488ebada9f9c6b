/* The values of one group, kept so that they can be read again and again: in memory as far as a share of it reaches,
 * the rest in scratch. */
#ifndef EXEC_GROUP_BUFFER_H
#define EXEC_GROUP_BUFFER_H

#include "exec/op.h"
#include "shuffle/run.h"

typedef struct group_buffer {
    task_env *env;
    type_kind kind; /* of the values */
    uint8_t *bytes; /* each value behind its size (4 bytes) */
    size_t used, capacity, most;
    spill_writer *writer; /* of those that memory has no room for, while they are added */
    spill_file *file;
    spill_extent extent;
    run *run;    /* of the file, being read */
    size_t read; /* bytes read from memory */
    sdf_batch batch;
    size_t at; /* in batch */
} group_buffer;

/* most: bytes of memory to use. */
void group_buffer_init(group_buffer *b, task_env *env, type_kind kind, uint64_t most);
void group_buffer_close(group_buffer *b); /* a zeroed one is fine */
void group_buffer_clear(group_buffer *b); /* for the next group */
/* Copies values first.. of a column. */
int group_buffer_add(group_buffer *b, const sdf_column *values, size_t first, size_t count, sdf_error **err);
/* No more comes: from now on it is read. */
int group_buffer_end(group_buffer *b, sdf_error **err);
void group_buffer_rewind(group_buffer *b);
/* SDF_OK, SDF_END or an error; *value lives until the next call. */
int group_buffer_next(group_buffer *b, sdf_slice *value, sdf_error **err);

#endif
