/* Zstandard. Windows are limited, so that no file can ask for more memory than was charged. */
#define ZSTD_STATIC_LINKING_ONLY /* for the estimates of memory */
#include <zstd.h>
#include <zstd_errors.h>

#include <stddef.h>

#include "base/error.h"
#include "base/wire.h"
#include "codec/format.h"

#define ZSTD_LEVEL       3
#define WINDOW_LOG_MOST  23 /* 8 MiB, what RFC 8878 asks every decoder to support */
#define WINDOW_LOG_LEAST 17 /* as large as a block */

typedef struct zstd_reader {
    ZSTD_DCtx *context;
    int window_log; /* the most that a frame may want */
} zstd_reader;

/* Frames, and frames to skip; not those of versions before 0.8, whose decoders know no limit. */
static bool zstd_is_magic(const uint8_t *head)
{
    uint32_t magic = load_u32(head);
    return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static int window_log(uint64_t room)
{
    int log = WINDOW_LOG_MOST;
    while (log > WINDOW_LOG_LEAST && ZSTD_estimateDStreamSize((size_t)1 << log) > room)
        log--;
    return log;
}

static int zstd_open(void *state, uint64_t room, sdf_error **err)
{
    zstd_reader *r = state;
    r->window_log = window_log(room);
    r->context = ZSTD_createDCtx();
    if (r->context == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(r->context, ZSTD_d_windowLogMax, r->window_log)))
        return error_no_memory(err);
    return SDF_OK;
}

static int zstd_begin(void *state, sdf_error **err)
{
    ZSTD_DCtx_reset(((zstd_reader *)state)->context, ZSTD_reset_session_only);
    return SDF_OK;
}

static int window_too_large(const zstd_reader *r, sdf_error **err)
{
    error_set(err, SDF_E_LIMIT, "the zstd data needs a window of more than %d KiB to be decompressed",
              (1 << r->window_log) >> 10);
    error_hint(err, r->window_log < WINDOW_LOG_MOST
                        ? "give the task more memory (the setting \"memory\"), or compress it again at a lower level"
                        : "compress it again without --long and --ultra");
    return SDF_E_LIMIT;
}

static int zstd_failed(const zstd_reader *r, size_t code, sdf_error **err)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return error_no_memory(err);
    case ZSTD_error_frameParameter_windowTooLarge:
        return window_too_large(r, err);
    case ZSTD_error_dictionary_wrong:
        return codec_damaged("zstd", "it needs a dictionary, which can't be given", err);
    default:
        return codec_damaged("zstd", ZSTD_getErrorName(code), err);
    }
}

static int zstd_run(void *state, codec_io *io, sdf_error **err)
{
    ZSTD_inBuffer in = {io->in, io->in_left, 0};
    ZSTD_outBuffer out = {io->out, io->out_left, 0};
    const zstd_reader *r = state;
    size_t code = ZSTD_decompressStream(r->context, &out, &in);
    codec_io_advance(io, in.pos, out.pos);
    if (ZSTD_isError(code))
        return zstd_failed(r, code, err);
    return code == 0 ? SDF_END : SDF_OK;
}

static void zstd_close(void *state)
{
    ZSTD_freeDCtx(((zstd_reader *)state)->context);
}

const decoder_format zstd_decoder = {
    .name = "zstd",
    .state_size = sizeof(zstd_reader),
    .magic_size = 4,
    .is_magic = zstd_is_magic,
    .open = zstd_open,
    .begin = zstd_begin,
    .run = zstd_run,
    .close = zstd_close,
};

uint64_t zstd_decoder_cost(uint64_t room)
{
    return ZSTD_estimateDStreamSize((size_t)1 << window_log(room));
}

/* ---- encoding ---- */

static int zstd_encoder_open(void *state, int level, sdf_error **err)
{
    ZSTD_CCtx **c = state;
    *c = ZSTD_createCCtx();
    if (*c == NULL || ZSTD_isError(ZSTD_CCtx_setParameter(*c, ZSTD_c_checksumFlag, 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(*c, ZSTD_c_compressionLevel, level <= 0 ? ZSTD_LEVEL : level)))
        return error_no_memory(err);
    return SDF_OK;
}

static int zstd_encoder_run(void *state, codec_io *io, bool finish, sdf_error **err)
{
    ZSTD_inBuffer in = {io->in, io->in_left, 0};
    ZSTD_outBuffer out = {io->out, io->out_left, 0};
    size_t code = 1;
    do {
        code = ZSTD_compressStream2(*(ZSTD_CCtx **)state, &out, &in, finish ? ZSTD_e_end : ZSTD_e_continue);
    } while (!ZSTD_isError(code) && out.pos < out.size && (in.pos < in.size || (finish && code > 0)));
    codec_io_advance(io, in.pos, out.pos);
    if (ZSTD_isError(code))
        return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation
                   ? error_no_memory(err)
                   : error_set(err, SDF_E_INTERNAL, "zstd compression failed: %s", ZSTD_getErrorName(code));
    return finish && code == 0 ? SDF_END : SDF_OK;
}

static void zstd_encoder_close(void *state)
{
    ZSTD_freeCCtx(*(ZSTD_CCtx **)state);
}

const encoder_format zstd_encoder = {sizeof(ZSTD_CCtx *), zstd_encoder_open, zstd_encoder_run, zstd_encoder_close};

uint64_t zstd_encoder_cost(void)
{
    return ZSTD_estimateCStreamSize(ZSTD_LEVEL);
}
