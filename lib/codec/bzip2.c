/* bzip2. */
#include <bzlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/format.h"

#define BZIP2_LEVEL 9 /* hundreds of kB per block */

typedef struct bzip2_reader {
    bz_stream stream;
    bool open;
} bzip2_reader;

static bool bzip2_is_magic(const uint8_t *head)
{
    return head[0] == 'B' && head[1] == 'Z' && head[2] == 'h' && head[3] >= '1' && head[3] <= '9';
}

static int bzip2_open(void *state, uint64_t room, sdf_error **err)
{
    return SDF_OK;
}

static void bzip2_close(void *state)
{
    bzip2_reader *r = state;
    if (r->open)
        BZ2_bzDecompressEnd(&r->stream);
    r->open = false;
}

static int bzip2_begin(void *state, sdf_error **err)
{
    bzip2_reader *r = state;
    bzip2_close(r);
    memset(&r->stream, 0, sizeof r->stream);
    if (BZ2_bzDecompressInit(&r->stream, 0, 0) != BZ_OK)
        return error_no_memory(err);
    r->open = true;
    return SDF_OK;
}

static int bzip2_run(void *state, codec_io *io, sdf_error **err)
{
    bz_stream *s = &((bzip2_reader *)state)->stream;
    s->next_in = (char *)io->in; /* is only read */
    s->avail_in = io->in_left > CODEC_PIECE ? CODEC_PIECE : (unsigned)io->in_left;
    s->next_out = (char *)io->out;
    s->avail_out = io->out_left > CODEC_PIECE ? CODEC_PIECE : (unsigned)io->out_left;
    int code = BZ2_bzDecompress(s);
    codec_io_advance(io, (size_t)((const uint8_t *)s->next_in - io->in), (size_t)((uint8_t *)s->next_out - io->out));
    switch (code) {
    case BZ_OK:
        return SDF_OK;
    case BZ_STREAM_END:
        return SDF_END;
    case BZ_MEM_ERROR:
        return error_no_memory(err);
    default:
        return codec_damaged("bzip2", "a block or checksum makes no sense", err);
    }
}

const decoder_format bzip2_decoder = {
    .name = "bzip2",
    .state_size = sizeof(bzip2_reader),
    .magic_size = 4,
    .is_magic = bzip2_is_magic,
    .open = bzip2_open,
    .begin = bzip2_begin,
    .run = bzip2_run,
    .close = bzip2_close,
};

/* By bzip2's manual: 100 kB and 4 bytes for each of a block, and for compression 400 kB and 8. */
uint64_t bzip2_decoder_cost(uint64_t room)
{
    return 100000 + 4 * UINT64_C(900000);
}

/* ---- encoding ---- */

static int bzip2_encoder_open(void *state, int level, sdf_error **err)
{
    bzip2_reader *w = state;
    level = level <= 0 || level > BZIP2_LEVEL ? BZIP2_LEVEL : level;
    if (BZ2_bzCompressInit(&w->stream, level, 0, 0) != BZ_OK)
        return error_no_memory(err);
    w->open = true;
    return SDF_OK;
}

static int bzip2_encoder_run(void *state, codec_io *io, bool finish, sdf_error **err)
{
    bz_stream *s = &((bzip2_reader *)state)->stream;
    int code;
    do {
        bool all = io->in_left <= CODEC_PIECE;
        if (!finish && io->in_left == 0)
            return SDF_OK;
        s->next_in = (char *)io->in;
        s->avail_in = all ? (unsigned)io->in_left : CODEC_PIECE;
        s->next_out = (char *)io->out;
        s->avail_out = io->out_left > CODEC_PIECE ? CODEC_PIECE : (unsigned)io->out_left;
        code = BZ2_bzCompress(s, finish && all ? BZ_FINISH : BZ_RUN);
        codec_io_advance(io, (size_t)((const uint8_t *)s->next_in - io->in),
                         (size_t)((uint8_t *)s->next_out - io->out));
    } while (code == BZ_RUN_OK && io->in_left > 0 && io->out_left > 0);
    if (code < 0)
        return error_set(err, SDF_E_INTERNAL, "bzip2 compression failed with code %d", code);
    return code == BZ_STREAM_END ? SDF_END : SDF_OK;
}

static void bzip2_encoder_close(void *state)
{
    bzip2_reader *w = state;
    if (w->open)
        BZ2_bzCompressEnd(&w->stream);
}

const encoder_format bzip2_encoder = {sizeof(bzip2_reader), bzip2_encoder_open, bzip2_encoder_run, bzip2_encoder_close};

uint64_t bzip2_encoder_cost(void)
{
    return 400000 + 8 * UINT64_C(900000);
}
