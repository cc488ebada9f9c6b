/* What the tests of this room share: content, and coding it in pieces of chosen or random size. */
#ifndef TEST_CODEC_H
#define TEST_CODEC_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timebase.h"
#include "codec/codec.h"

#define UNUSED __attribute__((unused))

static const codec_kind all_kinds[] = {CODEC_GZIP, CODEC_ZSTD, CODEC_LZ4, CODEC_BZIP2};
#define KINDS 4

static UNUSED void put(buf *b, const void *data, size_t size)
{
    assert_int_equal(buf_append(b, data, size), SDF_OK);
}

/* Words that repeat, lines, some noise: what compressors like, but not too much. */
static UNUSED buf text_of(size_t size, uint64_t seed)
{
    static const char *const words[] = {"pear", "apple", "fig\n", "quince,", "plum\t", "0.25", "12", "\"x\""};
    rng r = {seed};
    buf b = BUF_EMPTY;
    while (b.size < size) {
        uint64_t v = rng_next(&r);
        const char *w = words[v & 7];
        put(&b, w, strlen(w));
        if ((v >> 8) % 5 == 0)
            put(&b, &v, 3);
    }
    b.size = size;
    return b;
}

static UNUSED buf noise_of(size_t size, uint64_t seed)
{
    rng r = {seed};
    buf b = BUF_EMPTY;
    assert_int_equal(buf_reserve(&b, size + 8), SDF_OK);
    for (; b.size < size; b.size += 8) {
        uint64_t v = rng_next(&r);
        memcpy(b.data + b.size, &v, 8);
    }
    b.size = size;
    return b;
}

/* Sizes of pieces: fixed, or (0) random, most of them small. */
static UNUSED size_t piece(rng *r, size_t fixed)
{
    return fixed ? fixed : rng_below(r, 4) ? 1 + rng_below(r, 40) : rng_below(r, 70000);
}

static UNUSED buf encoded(codec_kind kind, int level, const buf *plain, uint64_t seed, size_t in_piece,
                          size_t out_piece)
{
    rng r = {seed};
    encoder *e;
    buf b = BUF_EMPTY;
    size_t at = 0;
    assert_int_equal(encoder_new(kind, level, &e, NULL), SDF_OK);
    for (int rc = SDF_OK; rc != SDF_END;) {
        size_t in = piece(&r, in_piece), room = piece(&r, out_piece), used, made;
        in = in < plain->size - at ? in : plain->size - at;
        assert_int_equal(buf_reserve(&b, room), SDF_OK);
        rc = encoder_run(e, plain->data + at, in, &used, b.data + b.size, room, &made, at + in == plain->size, NULL);
        assert_true(rc == SDF_OK || rc == SDF_END);
        assert_true(used <= in && made <= room);
        if (rc == SDF_OK)
            assert_true(used == in || made == room);
        at += used;
        b.size += made;
    }
    assert_int_equal(at, plain->size);
    encoder_free(e);
    return b;
}

static UNUSED buf encoded_at_once(codec_kind kind, const buf *plain)
{
    return encoded(kind, 0, plain, 0, plain->size + 1, 1 << 20);
}

/* Decodes in pieces until the end or an error, at most `most` bytes: the status. *offset (may be NULL): the decoder's.
 */
static UNUSED int decode(codec_kind kind, const void *data, size_t size, buf *plain, size_t most, uint64_t seed,
                         size_t in_piece, size_t out_piece, uint64_t *offset, sdf_error **err)
{
    rng r = {seed};
    decoder *d;
    size_t at = 0, rounds = 0;
    assert_int_equal(decoder_new(kind, UINT64_MAX, &d, NULL), SDF_OK);
    int rc = SDF_OK;
    while (rc == SDF_OK && plain->size <= most) {
        size_t in = piece(&r, in_piece), room = piece(&r, out_piece), used, made;
        in = in < size - at ? in : size - at;
        assert_int_equal(buf_reserve(plain, room + 1), SDF_OK);
        rc = decoder_run(d, size ? (const uint8_t *)data + at : NULL, in, &used, plain->data + plain->size, room, &made,
                         at + in == size, err);
        assert_true(used <= in && made <= room);
        assert_true(++rounds < 100 + 20 * (size + most)); /* it goes on */
        at += used;
        plain->size += made;
    }
    assert_int_equal(decoder_offset(d), at);
    if (offset)
        *offset = at;
    decoder_free(d);
    return rc;
}

static UNUSED void check_decodes(codec_kind kind, const buf *stored, const buf *plain, uint64_t seed, size_t in_piece,
                                 size_t out_piece)
{
    buf got = BUF_EMPTY;
    sdf_error *err = NULL;
    uint64_t offset;
    int rc = decode(kind, stored->data, stored->size, &got, plain->size, seed, in_piece, out_piece, &offset, &err);
    if (rc != SDF_END)
        fail_msg("%s: %s", codec_name(kind), err ? sdf_error_text(err) : "more than there was");
    assert_int_equal(offset, stored->size);
    assert_int_equal(got.size, plain->size);
    if (got.size)
        assert_memory_equal(got.data, plain->data, got.size);
    buf_free(&got);
}

#endif
