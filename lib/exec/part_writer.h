/* Bytes of one part of an output: through a buffer, a digest and (perhaps) an encoder, into what the driver publishes.
 * Not here: what the bytes mean (format_*.c). One thread's. */
#ifndef EXEC_PART_WRITER_H
#define EXEC_PART_WRITER_H

#include <string.h>

#include "codec/codec.h"
#include "shuffle/env.h"
#include "store/output.h"

#define PART_NAME_MAX 128

/* Where a part goes: as output_part_open takes it. */
typedef struct part_place {
    const char *uri;
    bool single;
    codec_kind codec;
    char attempt[PART_NAME_MAX]; /* of this very attempt at the task */
    char final[PART_NAME_MAX];
} part_place;

/* The names of what the task at hand writes: "s2-t0-l0-a11" and "part-00000" with leg, codec's suffix; a prefix goes in
 * front of each ("e-", "_errors/"). Their order is the order of the data: tasks as wide as the last one's number, a
 * task's later legs behind its first. */
void part_place_names(part_place *p, const task_env *env, const char *attempt_prefix, const char *final_prefix);

typedef struct part_writer {
    task_env *env;
    output_part *part;
    encoder *encoder; /* NULL: none */
    void *digest;     /* XXH3 of the bytes before the encoder, which may give others on another machine */
    uint64_t bytes;   /* given to the sink */
    uint8_t *buffer;
    size_t used, capacity;
    uint8_t *packed; /* encoder's */
    size_t packed_capacity;
    uint64_t charged;
} part_writer;

/* The writer is zeroed before; after a failure part_writer_close is still due. */
int part_writer_open(part_writer *w, task_env *env, const part_place *place, sdf_error **err);
/* Writes out what is in the buffer. */
int part_writer_flush(part_writer *w, sdf_error **err);
int part_writer_large(part_writer *w, const void *data, size_t size, sdf_error **err);
/* Appends bytes. */
static inline int part_writer_put(part_writer *w, const void *data, size_t size, sdf_error **err)
{
    if (size > w->capacity - w->used)
        return part_writer_large(w, data, size, err);
    if (size)
        memcpy(w->buffer + w->used, data, size);
    w->used += size;
    return SDF_OK;
}
/* A value of any type as sdf_format writes it. */
int part_writer_put_text(part_writer *w, const char *type, const sdf_slice *raw, sdf_error **err);
/* Ends it: *ticket is malloc'd, *digest that of all bytes. */
int part_writer_finish(part_writer *w, char **ticket, uint64_t *digest, sdf_error **err);
/* Leaves nothing behind if it was not finished, and frees what the writer holds. In any state, again too. */
void part_writer_close(part_writer *w);

#endif
