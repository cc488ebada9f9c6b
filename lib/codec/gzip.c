/* gzip by ISA-L, which inflates at about twice zlib's speed and deflates at several times it. */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/format.h"

#define GZIP_LEVEL 1 /* ISA-L's: 0 .. 3 */

typedef struct gzip_reader {
    struct inflate_state *inflate;
} gzip_reader;

static bool gzip_is_magic(const uint8_t *head)
{
    return head[0] == 0x1f && head[1] == 0x8b && head[2] == 8;
}

static int gzip_open(void *state, uint64_t room, sdf_error **err)
{
    gzip_reader *r = state;
    r->inflate = malloc(sizeof *r->inflate);
    return r->inflate != NULL ? SDF_OK : error_no_memory(err);
}

static int gzip_begin(void *state, sdf_error **err)
{
    gzip_reader *r = state;
    isal_inflate_init(r->inflate);
    r->inflate->crc_flag = ISAL_GZIP;
    return SDF_OK;
}

static const char *gzip_fault(int code)
{
    switch (code) {
    case ISAL_INVALID_BLOCK:
        return "a block is of no known kind, or its codes make no sense";
    case ISAL_INVALID_SYMBOL:
        return "a symbol that has no meaning";
    case ISAL_INVALID_LOOKBACK:
        return "a reference to before its beginning";
    case ISAL_INCORRECT_CHECKSUM:
        return "a checksum does not fit";
    default:
        return "its head makes no sense";
    }
}

static int gzip_run(void *state, codec_io *io, sdf_error **err)
{
    struct inflate_state *s = ((gzip_reader *)state)->inflate;
    s->next_in = (uint8_t *)io->in; /* is only read */
    s->avail_in = io->in_left > CODEC_PIECE ? CODEC_PIECE : (uint32_t)io->in_left;
    s->next_out = io->out;
    s->avail_out = io->out_left > CODEC_PIECE ? CODEC_PIECE : (uint32_t)io->out_left;
    int code = isal_inflate(s);
    codec_io_advance(io, (size_t)(s->next_in - io->in), (size_t)(s->next_out - io->out));
    if (code < 0 || code > ISAL_OUT_OVERFLOW)
        return codec_damaged("gzip", gzip_fault(code), err);
    return s->block_state == ISAL_BLOCK_FINISH ? SDF_END : SDF_OK;
}

static void gzip_close(void *state)
{
    free(((gzip_reader *)state)->inflate);
}

const decoder_format gzip_decoder = {
    .name = "gzip",
    .state_size = sizeof(gzip_reader),
    .magic_size = 3,
    .padded = true,
    .is_magic = gzip_is_magic,
    .open = gzip_open,
    .begin = gzip_begin,
    .run = gzip_run,
    .close = gzip_close,
};

uint64_t gzip_decoder_cost(uint64_t room)
{
    return sizeof(struct inflate_state);
}

/* ---- encoding ---- */

typedef struct gzip_writer {
    struct isal_zstream *deflate;
    uint8_t *level_memory;
} gzip_writer;

static uint32_t level_bytes(int level)
{
    return level == 1 ? ISAL_DEF_LVL1_DEFAULT : level == 2 ? ISAL_DEF_LVL2_DEFAULT : ISAL_DEF_LVL3_DEFAULT;
}

static int gzip_encoder_open(void *state, int level, sdf_error **err)
{
    gzip_writer *w = state;
    level = level <= 0 ? GZIP_LEVEL : level > 3 ? 3 : level;
    w->deflate = malloc(sizeof *w->deflate);
    w->level_memory = malloc(level_bytes(level));
    if (w->deflate == NULL || w->level_memory == NULL)
        return error_no_memory(err);
    isal_deflate_init(w->deflate);
    w->deflate->gzip_flag = IGZIP_GZIP;
    w->deflate->level = (uint32_t)level;
    w->deflate->level_buf = w->level_memory;
    w->deflate->level_buf_size = level_bytes(level);
    return SDF_OK;
}

static int gzip_encoder_run(void *state, codec_io *io, bool finish, sdf_error **err)
{
    struct isal_zstream *s = ((gzip_writer *)state)->deflate;
    bool all = io->in_left <= CODEC_PIECE;
    s->next_in = (uint8_t *)io->in;
    s->avail_in = all ? (uint32_t)io->in_left : CODEC_PIECE;
    s->next_out = io->out;
    s->avail_out = io->out_left > CODEC_PIECE ? CODEC_PIECE : (uint32_t)io->out_left;
    s->end_of_stream = finish && all;
    int code = isal_deflate(s);
    codec_io_advance(io, (size_t)(s->next_in - io->in), (size_t)(s->next_out - io->out));
    if (code != COMP_OK)
        return error_set(err, SDF_E_INTERNAL, "gzip compression failed with code %d", code);
    return s->internal_state.state == ZSTATE_END ? SDF_END : SDF_OK;
}

static void gzip_encoder_close(void *state)
{
    gzip_writer *w = state;
    free(w->deflate);
    free(w->level_memory);
}

const encoder_format gzip_encoder = {sizeof(gzip_writer), gzip_encoder_open, gzip_encoder_run, gzip_encoder_close};

uint64_t gzip_encoder_cost(void)
{
    return sizeof(struct isal_zstream) + level_bytes(GZIP_LEVEL);
}
