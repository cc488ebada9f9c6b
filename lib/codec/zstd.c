/* Zstandard. Windows are limited, so that no file can ask for more memory than was charged. */
#define ZSTD_STATIC_LINKING_ONLY /* for the estimates of memory */
#include <zstd.h>
#include <zstd_errors.h>

#include <stddef.h>

#include "base/error.h"
#include "base/wire.h"
#include "codec/format.h"

#define ZSTD_LEVEL 3

/* Frames, and frames to skip; not those of versions before 0.8, whose decoders know no limit. */
static bool zstd_is_magic(const uint8_t *head)
{
    uint32_t magic = load_u32(head);
    return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static int zstd_open(void *state, sdf_error **err)
{
    ZSTD_DCtx **d = state;
    *d = ZSTD_createDCtx();
    if (*d == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(*d, ZSTD_d_windowLogMax, CODEC_ZSTD_WINDOW_LOG)))
        return error_no_memory(err);
    return SDF_OK;
}

static int zstd_begin(void *state, sdf_error **err)
{
    ZSTD_DCtx_reset(*(ZSTD_DCtx **)state, ZSTD_reset_session_only);
    return SDF_OK;
}

static int zstd_failed(size_t code, sdf_error **err)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return error_no_memory(err);
    case ZSTD_error_frameParameter_windowTooLarge:
        error_set(err, SDF_E_LIMIT, "the zstd data needs a window of more than %d MiB to be decompressed",
                  (1 << CODEC_ZSTD_WINDOW_LOG) >> 20);
        error_hint(err, "compress it again without --long and --ultra");
        return SDF_E_LIMIT;
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
    size_t code = ZSTD_decompressStream(*(ZSTD_DCtx **)state, &out, &in);
    codec_io_advance(io, in.pos, out.pos);
    if (ZSTD_isError(code))
        return zstd_failed(code, err);
    return code == 0 ? SDF_END : SDF_OK;
}

static void zstd_close(void *state)
{
    ZSTD_freeDCtx(*(ZSTD_DCtx **)state);
}

const decoder_format zstd_decoder = {
    .name = "zstd",
    .state_size = sizeof(ZSTD_DCtx *),
    .magic_size = 4,
    .is_magic = zstd_is_magic,
    .open = zstd_open,
    .begin = zstd_begin,
    .run = zstd_run,
    .close = zstd_close,
};

uint64_t zstd_decoder_cost(void)
{
    return ZSTD_estimateDStreamSize((size_t)1 << CODEC_ZSTD_WINDOW_LOG);
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
