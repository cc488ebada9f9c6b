/* What each format gives to decoder.c and encoder.c. Not for other rooms: codec.h. */
#ifndef CODEC_FORMAT_H
#define CODEC_FORMAT_H

#include "codec/codec.h"

/* The rest of what goes in, and the room left for what comes out. */
typedef struct codec_io {
    const uint8_t *in;
    size_t in_left;
    uint8_t *out;
    size_t out_left;
} codec_io;

static inline void codec_io_advance(codec_io *io, size_t used, size_t made)
{
    io->in += used;
    io->in_left -= used;
    io->out += made;
    io->out_left -= made;
}

#define CODEC_MAGIC_MAX 4
#define CODEC_PIECE     (1u << 30) /* what is handed over at a time to libraries that count in 32 bits */

typedef struct decoder_format {
    const char *name;
    size_t state_size;
    size_t magic_size; /* bytes that begin a member, so many as are enough to know it */
    bool padded;       /* zeros between and behind members mean nothing */
    bool (*is_magic)(const uint8_t *head);
    int (*open)(void *state, uint64_t room, sdf_error **err); /* state is zeroed; close is called after a failure too */
    int (*begin)(void *state, sdf_error **err);               /* a member; its magic comes first */
    /* Goes on until the input is used, the room is full or (SDF_END) the member is whole. SDF_E_CORRUPT and the like as
     * decoder_run. */
    int (*run)(void *state, codec_io *io, sdf_error **err);
    void (*close)(void *state);
} decoder_format;

typedef struct encoder_format {
    size_t state_size;
    int (*open)(void *state, int level, sdf_error **err); /* as above */
    int (*run)(void *state, codec_io *io, bool finish, sdf_error **err);
    void (*close)(void *state);
} encoder_format;

extern const decoder_format gzip_decoder, zstd_decoder, lz4_decoder, bzip2_decoder;
extern const encoder_format gzip_encoder, zstd_encoder, lz4_encoder, bzip2_encoder;
uint64_t gzip_decoder_cost(uint64_t room), zstd_decoder_cost(uint64_t room), lz4_decoder_cost(uint64_t room),
    bzip2_decoder_cost(uint64_t room);
uint64_t gzip_encoder_cost(void), zstd_encoder_cost(void), lz4_encoder_cost(void), bzip2_encoder_cost(void);

/* "the gzip data is damaged: WHY" */
int codec_damaged(const char *format, const char *why, sdf_error **err);

#endif
