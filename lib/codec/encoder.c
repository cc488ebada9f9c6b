/* Encoding: one member. */
#include "codec/codec.h"

#include <stdlib.h>

#include "base/error.h"
#include "codec/format.h"

struct encoder {
    const encoder_format *format;
    bool ended;
    uint64_t state[];
};

static const encoder_format *const formats[] = {
    [CODEC_GZIP] = &gzip_encoder,
    [CODEC_ZSTD] = &zstd_encoder,
    [CODEC_LZ4] = &lz4_encoder,
    [CODEC_BZIP2] = &bzip2_encoder,
};

int encoder_new(codec_kind kind, int level, encoder **e, sdf_error **err)
{
    if ((unsigned)kind >= sizeof formats / sizeof formats[0] || formats[kind] == NULL)
        return error_set(err, SDF_E_INVALID, "there is no encoder number %d", (int)kind);
    encoder *made = calloc(1, sizeof *made + formats[kind]->state_size);
    if (made == NULL)
        return error_no_memory(err);
    made->format = formats[kind];
    int rc = made->format->open(made->state, level, err);
    if (rc != SDF_OK) {
        encoder_free(made);
        return rc;
    }
    *e = made;
    return SDF_OK;
}

int encoder_run(encoder *e, const void *in, size_t in_size, size_t *used, void *out, size_t out_size, size_t *made,
                bool finish, sdf_error **err)
{
    codec_io io = {in, in_size, out, out_size};
    int rc = e->ended ? SDF_END : out_size > 0 ? e->format->run(e->state, &io, finish, err) : SDF_OK;
    e->ended = rc == SDF_END;
    *used = in_size - io.in_left;
    *made = out_size - io.out_left;
    return rc;
}

void encoder_free(encoder *e)
{
    if (e == NULL)
        return;
    e->format->close(e->state);
    free(e);
}
