/* Decoding: members one after another, whatever the pieces that come in and the room that is left. What a member is
 * made of is the formats' business. */
#include "codec/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/format.h"

struct decoder {
    const decoder_format *format;
    uint64_t offset, members; /* members: whole ones */
    uint8_t head[CODEC_MAGIC_MAX];
    size_t head_size, head_used; /* of the member that begins */
    bool inside;                 /* a member */
    bool drained; /* the last run left room: without more input there is nothing to get (zstd takes asking again and
                   * again for a fault) */
    bool failed;
    uint64_t state[];
};

static const decoder_format *const formats[] = {
    [CODEC_GZIP] = &gzip_decoder,
    [CODEC_ZSTD] = &zstd_decoder,
    [CODEC_LZ4] = &lz4_decoder,
    [CODEC_BZIP2] = &bzip2_decoder,
};

int decoder_new(codec_kind kind, uint64_t room, decoder **d, sdf_error **err)
{
    if ((unsigned)kind >= sizeof formats / sizeof formats[0] || formats[kind] == NULL)
        return error_set(err, SDF_E_INVALID, "there is no decoder number %d", (int)kind);
    decoder *made = calloc(1, sizeof *made + formats[kind]->state_size);
    if (made == NULL)
        return error_no_memory(err);
    made->format = formats[kind];
    int rc = made->format->open(made->state, room, err);
    if (rc != SDF_OK) {
        decoder_free(made);
        return rc;
    }
    *d = made;
    return SDF_OK;
}

void decoder_free(decoder *d)
{
    if (d == NULL)
        return;
    d->format->close(d->state);
    free(d);
}

uint64_t decoder_offset(const decoder *d)
{
    return d->offset;
}

static int cut_short(const decoder *d, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT, "the %s data is cut short", d->format->name);
    error_hint(err, "its end is missing; get the file again from where it came from");
    return SDF_E_CORRUPT;
}

static int foreign(const decoder *d, sdf_error **err)
{
    if (d->members > 0)
        return codec_damaged(d->format->name, "other bytes follow its end", err);
    error_set(err, SDF_E_CORRUPT, "this is no %s data", d->format->name);
    error_hint(err, "the end of a file's name says how it is compressed; give the file the name that fits its content");
    return SDF_E_CORRUPT;
}

/* Begins the next member. SDF_END: all are whole and nothing follows; SDF_OK with d->inside false: more input needed.
 */
static int next_member(decoder *d, codec_io *io, bool last, sdf_error **err)
{
    const decoder_format *f = d->format;
    while (f->padded && d->members > 0 && d->head_size == 0 && io->in_left > 0 && *io->in == 0)
        codec_io_advance(io, 1, 0);
    while (d->head_size < f->magic_size && io->in_left > 0) {
        d->head[d->head_size++] = *io->in;
        codec_io_advance(io, 1, 0);
    }
    if (d->head_size < f->magic_size)
        return !last ? SDF_OK : d->head_size == 0 ? SDF_END : d->members > 0 ? foreign(d, err) : cut_short(d, err);
    if (!f->is_magic(d->head))
        return foreign(d, err);
    d->head_used = 0;
    d->drained = false;
    d->inside = true;
    return f->begin(d->state, err);
}

/* One run of the format, on the head first. */
static int run_member(decoder *d, codec_io *io, sdf_error **err)
{
    int rc;
    if (d->head_used < d->head_size) {
        codec_io head = {d->head + d->head_used, d->head_size - d->head_used, io->out, io->out_left};
        rc = d->format->run(d->state, &head, err);
        d->head_used = d->head_size - head.in_left;
        codec_io_advance(io, 0, io->out_left - head.out_left);
    } else {
        rc = d->format->run(d->state, io, err);
    }
    d->drained = io->out_left > 0;
    if (rc == SDF_END) {
        d->inside = false;
        d->head_size = 0;
        d->members++;
    }
    return rc;
}

static int decode(decoder *d, codec_io *io, bool last, sdf_error **err)
{
    for (;;) {
        int rc = SDF_OK;
        if (!d->inside) {
            rc = next_member(d, io, last, err);
            if (rc != SDF_OK || !d->inside)
                return rc;
        }
        if (io->out_left == 0)
            return SDF_OK;
        size_t head = d->head_size - d->head_used;
        if (io->in_left + head == 0 && d->drained)
            return last ? cut_short(d, err) : SDF_OK;
        codec_io before = *io;
        rc = run_member(d, io, err);
        if (rc != SDF_OK && rc != SDF_END)
            return rc;
        bool moved = before.in_left != io->in_left || before.out_left != io->out_left || rc == SDF_END ||
                     (head > 0 && d->head_size - d->head_used < head);
        if (!moved && before.in_left + head > 0)
            return codec_damaged(d->format->name, "it does not go on", err);
    }
}

int decoder_run(decoder *d, const void *in, size_t in_size, size_t *used, void *out, size_t out_size, size_t *made,
                bool last, sdf_error **err)
{
    codec_io io = {in, in_size, out, out_size};
    *used = *made = 0;
    if (d->failed)
        return codec_damaged(d->format->name, "it was found so before", err);
    int rc = decode(d, &io, last, err);
    *used = in_size - io.in_left;
    *made = out_size - io.out_left;
    d->offset += *used;
    d->failed = rc < 0;
    return rc;
}
