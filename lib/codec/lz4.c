/* LZ4 frames. */
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/format.h"

#define LZ4_BLOCK_MAX (UINT64_C(4) << 20) /* of a frame: it may hold one in and one out */
#define LZ4_HISTORY   (UINT64_C(128) << 10)
#define LZ4_STEP      (64u << 10) /* input that is compressed at a time, and the blocks' size */

static bool lz4_is_magic(const uint8_t *head)
{
    bool frame = head[0] == 0x04 && head[1] == 0x22 && head[2] == 0x4d && head[3] == 0x18;
    bool skipped = (head[0] & 0xf0) == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18;
    return frame || skipped;
}

/* The name is all that the library's stable interface tells of an error. */
static bool lz4_no_memory(size_t code)
{
    return strcmp(LZ4F_getErrorName(code), "ERROR_allocation_failed") == 0;
}

static int lz4_open(void *state, uint64_t room, sdf_error **err)
{
    return LZ4F_isError(LZ4F_createDecompressionContext(state, LZ4F_VERSION)) ? error_no_memory(err) : SDF_OK;
}

static int lz4_begin(void *state, sdf_error **err)
{
    LZ4F_resetDecompressionContext(*(LZ4F_dctx **)state);
    return SDF_OK;
}

static int lz4_run(void *state, codec_io *io, sdf_error **err)
{
    size_t used = io->in_left, made = io->out_left;
    size_t code = LZ4F_decompress(*(LZ4F_dctx **)state, io->out, &made, io->in, &used, NULL);
    if (LZ4F_isError(code) && lz4_no_memory(code))
        return error_no_memory(err);
    if (LZ4F_isError(code))
        return codec_damaged("lz4", LZ4F_getErrorName(code), err);
    codec_io_advance(io, used, made);
    return code == 0 ? SDF_END : SDF_OK;
}

static void lz4_close(void *state)
{
    LZ4F_freeDecompressionContext(*(LZ4F_dctx **)state);
}

const decoder_format lz4_decoder = {
    .name = "lz4",
    .state_size = sizeof(LZ4F_dctx *),
    .magic_size = 4,
    .is_magic = lz4_is_magic,
    .open = lz4_open,
    .begin = lz4_begin,
    .run = lz4_run,
    .close = lz4_close,
};

uint64_t lz4_decoder_cost(uint64_t room)
{
    return 2 * LZ4_BLOCK_MAX + LZ4_HISTORY + 4096;
}

/* ---- encoding ---- */

/* LZ4F wants room for the worst case of a whole step: what it makes waits in `made`. */
typedef struct lz4_writer {
    LZ4F_cctx *context;
    LZ4F_preferences_t preferences;
    uint8_t *made;
    size_t capacity, at, end;
    bool begun, ended;
} lz4_writer;

static const LZ4F_preferences_t lz4_preferences = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB, .contentChecksumFlag = LZ4F_contentChecksumEnabled},
    .autoFlush = 1,
};

static int lz4_encoder_open(void *state, int level, sdf_error **err)
{
    lz4_writer *w = state;
    w->preferences = lz4_preferences;
    w->preferences.compressionLevel = level < 0 ? 0 : level;
    w->capacity = LZ4F_compressBound(LZ4_STEP, &w->preferences) + LZ4F_HEADER_SIZE_MAX;
    w->made = malloc(w->capacity);
    if (w->made == NULL || LZ4F_isError(LZ4F_createCompressionContext(&w->context, LZ4F_VERSION)))
        return error_no_memory(err);
    return SDF_OK;
}

/* The next step into the empty `made`. */
static size_t lz4_step(lz4_writer *w, codec_io *io)
{
    if (!w->begun) {
        w->begun = true;
        return LZ4F_compressBegin(w->context, w->made, w->capacity, &w->preferences);
    }
    if (io->in_left == 0) {
        w->ended = true;
        return LZ4F_compressEnd(w->context, w->made, w->capacity, NULL);
    }
    size_t step = io->in_left < LZ4_STEP ? io->in_left : LZ4_STEP;
    size_t code = LZ4F_compressUpdate(w->context, w->made, w->capacity, io->in, step, NULL);
    codec_io_advance(io, step, 0);
    return code;
}

static int lz4_encoder_run(void *state, codec_io *io, bool finish, sdf_error **err)
{
    lz4_writer *w = state;
    for (;;) {
        size_t n = w->end - w->at < io->out_left ? w->end - w->at : io->out_left;
        if (n > 0)
            memcpy(io->out, w->made + w->at, n);
        codec_io_advance(io, 0, n);
        w->at += n;
        if (w->at < w->end)
            return SDF_OK;
        if (w->ended)
            return SDF_END;
        if (io->in_left == 0 && !finish)
            return SDF_OK;
        size_t code = lz4_step(w, io);
        if (LZ4F_isError(code) && lz4_no_memory(code))
            return error_no_memory(err);
        if (LZ4F_isError(code))
            return error_set(err, SDF_E_INTERNAL, "lz4 compression failed: %s", LZ4F_getErrorName(code));
        w->at = 0;
        w->end = code;
    }
}

static void lz4_encoder_close(void *state)
{
    lz4_writer *w = state;
    LZ4F_freeCompressionContext(w->context);
    free(w->made);
}

const encoder_format lz4_encoder = {sizeof(lz4_writer), lz4_encoder_open, lz4_encoder_run, lz4_encoder_close};

uint64_t lz4_encoder_cost(void)
{
    /* The context keeps a block and the history, and its table of 16 KiB. */
    return LZ4F_compressBound(LZ4_STEP, &lz4_preferences) + LZ4_STEP + LZ4_HISTORY + (32u << 10);
}
