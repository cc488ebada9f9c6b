/* The bytes of the file of a piece, through one buffer: plain ones by ranged reads, compressed ones as a stream. What
 * is in it, in which units, is for others to say (lines.h, whole_source.c, binary_source.c). One thread's. */
#ifndef EXEC_READER_H
#define EXEC_READER_H

#include "exec/op.h"
#include "store/input.h"

typedef struct reader {
    task_env *env;
    const task_split *split;
    input *file;          /* plain */
    input_stream *stream; /* compressed: at the end of what is in the buffer */
    uint64_t counted;     /* stored bytes of the stream that the metrics know */
    uint8_t *bytes;
    size_t capacity;
    size_t begin, end; /* bytes[begin..end) was read and not yet used */
    uint64_t at;       /* position of bytes[begin] in the (decompressed) file */
    uint64_t stop;     /* little beyond it is wanted, */
    bool exact;        /* or nothing */
    bool ended;        /* nothing comes behind bytes[end) */
} reader;

/* want: bytes that the reader would buffer at most for now; it may get less. */
int reader_open(reader *r, task_env *env, uint64_t want, sdf_error **err);
void reader_close(reader *r); /* a zeroed one is fine */
/* Behind its last position, as far as that is known: UINT64_MAX for a compressed file. */
static inline uint64_t reader_file_end(const task_split *s)
{
    return s->codec ? UINT64_MAX : s->file_size;
}
/* Goes to a position; what is buffered is forgotten. */
int reader_seek(reader *r, uint64_t at, sdf_error **err);
/* Passes over bytes in the buffer. */
static inline void reader_skip(reader *r, size_t count)
{
    r->begin += count;
    r->at += count;
}
static inline size_t reader_held(const reader *r)
{
    return r->end - r->begin;
}
/* Reads on: at least a byte more, unless it has ended. May move what is held. Where that fills the buffer, it grows:
 * unit names what has to fit in it ("line"), most is how long one may be (0: as memory holds). SDF_E_LIMIT,
 * SDF_E_NO_MEMORY. */
int reader_fill(reader *r, const char *unit, uint64_t most, sdf_error **err);
int reader_too_long(const reader *r, const char *unit, uint64_t most, sdf_error **err);

#endif
