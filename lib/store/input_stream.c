/* The bytes of an input file from a position on, decompressed if it is compressed. */
#include "store/input.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/codec.h"

#define STREAM_BUFFER       (256u << 10) /* stored bytes read at a time */
#define STREAM_BUFFER_LEAST 4096

struct input_stream {
    input *in;
    budget *budget;
    uint64_t charged;
    char *path;
    uint64_t size;     /* stored bytes of the file, as planned */
    uint64_t offset;   /* where the reader wants to begin */
    uint64_t position; /* decompressed bytes behind it */
    uint64_t stored;   /* stored bytes read */
    decoder *decoder;  /* NULL: the file is plain */
    uint8_t *buffer;
    size_t at, end, capacity; /* of the buffer */
    bool ended;
};

/* The decoder and its buffer, charged before they are made. A fourth of the budget stays for those who read. */
static int make_decoder(input_stream *s, codec_kind kind, sdf_error **err)
{
    uint64_t size = s->budget->limit / 16, room = s->budget->limit - s->budget->limit / 4;
    size = size > STREAM_BUFFER ? STREAM_BUFFER : size < STREAM_BUFFER_LEAST ? STREAM_BUFFER_LEAST : size;
    uint64_t cost = size + decoder_cost(kind, room);
    int rc = budget_take(s->budget, cost, NULL, err);
    if (rc != SDF_OK) {
        error_prefix(err, "decompressing the input file \"%s\"", s->path);
        return rc;
    }
    s->charged = cost;
    s->capacity = (size_t)size;
    s->buffer = malloc(s->capacity);
    if (s->buffer == NULL)
        return error_no_memory(err);
    return decoder_new(kind, room, &s->decoder, err);
}

int input_stream_open(const task_split *split, uint64_t offset, budget *b, input_stream **out, sdf_error **err)
{
    input_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err);
    s->budget = b;
    s->size = split->file_size;
    s->offset = offset;
    s->path = strdup(split->path);
    int rc = s->path != NULL ? input_open(split, &s->in, err) : error_no_memory(err);
    if (rc == SDF_OK && split->codec != CODEC_NONE)
        rc = make_decoder(s, (codec_kind)split->codec, err);
    if (rc != SDF_OK) {
        input_stream_close(s);
        return rc;
    }
    if (s->decoder == NULL)
        s->position = offset;
    *out = s;
    return SDF_OK;
}

static int read_plain(input_stream *s, void *data, size_t size, size_t *got, sdf_error **err)
{
    int rc = input_read(s->in, data, size, s->position, got, err);
    s->position += *got;
    s->stored += *got;
    return rc != SDF_OK ? rc : *got == 0 && size > 0 ? SDF_END : SDF_OK;
}

/* The next piece of the file, when the one before is used up. */
static int fill(input_stream *s, sdf_error **err)
{
    if (s->at < s->end || s->stored == s->size)
        return SDF_OK;
    s->at = 0;
    int rc = input_read(s->in, s->buffer, s->capacity, s->stored, &s->end, err);
    if (rc != SDF_OK)
        s->end = 0;
    s->stored += s->end;
    return rc;
}

static int decode(input_stream *s, void *data, size_t size, size_t *got, sdf_error **err)
{
    *got = 0;
    while (*got == 0) {
        int rc = fill(s, err);
        if (rc != SDF_OK)
            return rc;
        size_t used;
        rc = decoder_run(s->decoder, s->buffer + s->at, s->end - s->at, &used, data, size, got, s->stored == s->size,
                         err);
        s->at += used;
        if (rc == SDF_END) {
            s->ended = true;
            return *got > 0 ? SDF_OK : SDF_END;
        }
        if (rc != SDF_OK) {
            error_prefix(err, "the input file \"%s\", near its byte %llu", s->path,
                         (unsigned long long)decoder_offset(s->decoder));
            return rc;
        }
    }
    return SDF_OK;
}

int input_stream_read(input_stream *s, void *data, size_t size, size_t *got, sdf_error **err)
{
    *got = 0;
    if (s->decoder == NULL)
        return read_plain(s, data, size, got, err);
    if (size == 0)
        return SDF_OK;
    for (;;) {
        if (s->ended)
            return SDF_END;
        /* What lies before the offset goes through the reader's memory, and is dropped. */
        uint64_t before = s->position < s->offset ? s->offset - s->position : 0;
        int rc = decode(s, data, before > 0 && before < size ? (size_t)before : size, got, err);
        if (rc != SDF_OK)
            return rc;
        s->position += *got;
        if (before == 0)
            return SDF_OK;
        *got = 0;
    }
}

uint64_t input_stream_position(const input_stream *s)
{
    return s->position < s->offset ? s->offset : s->position;
}

uint64_t input_stream_stored(const input_stream *s)
{
    return s->stored;
}

void input_stream_close(input_stream *s)
{
    if (s == NULL)
        return;
    decoder_free(s->decoder);
    input_close(s->in);
    free(s->buffer);
    budget_give(s->budget, s->charged);
    free(s->path);
    free(s);
}
