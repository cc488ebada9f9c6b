/* Whole streams, in and out: in pieces, several behind one another, against the libraries' own one-shot functions. */
#include "codec_test.h"

#include <malloc.h>

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <zstd.h>

static void test_names(void **state)
{
    static const struct {
        const char *path;
        codec_kind kind;
    } paths[] = {{"a.gz", CODEC_GZIP},     {"/x/y.csv.GZ", CODEC_GZIP}, {"a.zst", CODEC_ZSTD},
                 {"a.zstd", CODEC_ZSTD},   {"s3://b/c.lz4", CODEC_LZ4}, {"a.bz2", CODEC_BZIP2},
                 {"a.gz.txt", CODEC_NONE}, {"agz", CODEC_NONE},         {"", CODEC_NONE},
                 {"a.bz", CODEC_NONE},     {"gz", CODEC_NONE}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(codec_of_path(paths[i].path), paths[i].kind);
    for (int k = CODEC_NONE; k <= CODEC_BZIP2; k++) {
        codec_kind kind;
        char path[20];
        assert_int_equal(codec_of_name(codec_name((codec_kind)k), &kind, NULL), SDF_OK);
        assert_int_equal(kind, k);
        snprintf(path, sizeof path, "x%s", codec_suffix((codec_kind)k));
        assert_int_equal(codec_of_path(path), k);
        assert_int_equal(decoder_cost(kind, UINT64_MAX) > 0, k != CODEC_NONE);
        assert_int_equal(encoder_cost(kind) > 0, k != CODEC_NONE);
    }
    codec_kind kind;
    sdf_error *err = NULL;
    assert_int_equal(codec_of_name("gzipp", &kind, &err), SDF_E_INVALID);
    assert_non_null(strstr(sdf_error_text(err), "\"gzip\""));
    sdf_error_free(err);
    decoder *d;
    encoder *e;
    assert_int_equal(decoder_new(CODEC_NONE, UINT64_MAX, &d, NULL), SDF_E_INVALID);
    assert_int_equal(encoder_new((codec_kind)77, 0, &e, NULL), SDF_E_INVALID);
}

/* ---- the libraries at once ---- */

static buf library_encoded(codec_kind kind, const buf *plain)
{
    buf b = BUF_EMPTY;
    size_t room = plain->size + plain->size / 10 + (1 << 16);
    assert_int_equal(buf_reserve(&b, room), SDF_OK);
    unsigned n = (unsigned)room;
    struct isal_zstream s;
    switch (kind) {
    case CODEC_GZIP:
        isal_deflate_stateless_init(&s);
        s.gzip_flag = IGZIP_GZIP;
        s.next_in = plain->data;
        s.avail_in = (uint32_t)plain->size;
        s.next_out = b.data;
        s.avail_out = n;
        s.end_of_stream = 1;
        assert_int_equal(isal_deflate_stateless(&s), COMP_OK);
        b.size = s.total_out;
        break;
    case CODEC_ZSTD:
        b.size = ZSTD_compress(b.data, room, plain->data, plain->size, 5);
        assert_false(ZSTD_isError(b.size));
        break;
    case CODEC_LZ4:
        b.size = LZ4F_compressFrame(b.data, room, plain->data, plain->size, NULL);
        assert_false(LZ4F_isError(b.size));
        break;
    default:
        assert_int_equal(BZ2_bzBuffToBuffCompress((char *)b.data, &n, plain->size ? (char *)plain->data : (char[1]){0},
                                                  (unsigned)plain->size, 1, 0, 0),
                         BZ_OK);
        b.size = n;
    }
    return b;
}

static buf library_decoded(codec_kind kind, const buf *stored, size_t size)
{
    buf b = BUF_EMPTY;
    assert_int_equal(buf_reserve(&b, size + 1), SDF_OK);
    unsigned n = (unsigned)size + 1;
    size_t got = size + 1, used = stored->size;
    struct inflate_state s;
    LZ4F_dctx *lz4;
    switch (kind) {
    case CODEC_GZIP:
        isal_inflate_init(&s);
        s.crc_flag = ISAL_GZIP;
        s.next_in = stored->data;
        s.avail_in = (uint32_t)stored->size;
        s.next_out = b.data;
        s.avail_out = n;
        assert_int_equal(isal_inflate_stateless(&s), ISAL_DECOMP_OK);
        b.size = s.total_out;
        break;
    case CODEC_ZSTD:
        b.size = ZSTD_decompress(b.data, size + 1, stored->data, stored->size);
        assert_false(ZSTD_isError(b.size));
        break;
    case CODEC_LZ4:
        assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)));
        assert_int_equal(LZ4F_decompress(lz4, b.data, &got, stored->data, &used, NULL), 0);
        assert_int_equal(used, stored->size);
        LZ4F_freeDecompressionContext(lz4);
        b.size = got;
        break;
    default:
        assert_int_equal(
            BZ2_bzBuffToBuffDecompress((char *)b.data, &n, (char *)stored->data, (unsigned)stored->size, 0, 0), BZ_OK);
        b.size = n;
    }
    return b;
}

static void check_both_ways(codec_kind kind, const buf *plain)
{
    buf theirs = library_encoded(kind, plain), ours = encoded_at_once(kind, plain);
    buf back = library_decoded(kind, &ours, plain->size);
    assert_int_equal(back.size, plain->size);
    if (plain->size)
        assert_memory_equal(back.data, plain->data, plain->size);
    check_decodes(kind, &theirs, plain, 0, 1 << 20, 1 << 18);
    check_decodes(kind, &ours, plain, 7, 0, 0);
    check_decodes(kind, &theirs, plain, 9, 0, 0);
    if (plain->size < 5000) {
        check_decodes(kind, &theirs, plain, 0, 1, 1);
        check_decodes(kind, &ours, plain, 0, 1, 1);
    }
    buf_free(&theirs);
    buf_free(&ours);
    buf_free(&back);
}

static void test_against_libraries(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 100, 4096, 32767, 32768, 32769, 65536, 65537, 300000, 1500000};
    for (size_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            buf text = text_of(sizes[i], i), noise = noise_of(sizes[i], i);
            check_both_ways(all_kinds[k], &text);
            check_both_ways(all_kinds[k], &noise);
            buf_free(&text);
            buf_free(&noise);
        }
}

static void test_random_pieces(void **state)
{
    for (size_t k = 0; k < KINDS; k++)
        for (uint64_t seed = 1; seed <= 12; seed++) {
            buf plain = text_of(seed * 9973, seed);
            buf stored = encoded(all_kinds[k], seed % 3 ? 0 : (int)seed / 3, &plain, seed, seed % 4 ? 0 : 1, 0);
            check_decodes(all_kinds[k], &stored, &plain, seed * 31, seed % 5 ? 0 : 1, seed % 3 ? 0 : 1);
            buf_free(&plain);
            buf_free(&stored);
        }
}

/* ---- several members ---- */

static void test_members(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        buf plain = BUF_EMPTY, stored = BUF_EMPTY, nothing = BUF_EMPTY;
        for (uint64_t i = 0; i < 12; i++) {
            buf one = i % 4 == 3 ? nothing : text_of(i * i * 500, i);
            buf code = i % 2 ? library_encoded(all_kinds[k], &one) : encoded_at_once(all_kinds[k], &one);
            if (one.size)
                put(&plain, one.data, one.size);
            put(&stored, code.data, code.size);
            buf_free(&one);
            buf_free(&code);
        }
        check_decodes(all_kinds[k], &stored, &plain, 1, 1 << 20, 1 << 20);
        check_decodes(all_kinds[k], &stored, &plain, 0, 1, 7);
        check_decodes(all_kinds[k], &stored, &plain, 3, 0, 0);
        put(&stored, "x", 1);
        buf got = BUF_EMPTY;
        sdf_error *err = NULL;
        uint64_t offset;
        assert_int_equal(decode(all_kinds[k], stored.data, stored.size, &got, plain.size, 1, 100, 1000, &offset, &err),
                         SDF_E_CORRUPT);
        assert_non_null(strstr(sdf_error_message(err), "other bytes follow"));
        assert_int_equal(offset, stored.size);
        assert_int_equal(got.size, plain.size); /* nothing is kept back */
        sdf_error_free(err);
        buf_free(&got);
        buf_free(&plain);
        buf_free(&stored);
    }
}

static void test_padding(void **state)
{
    static const char zeros[1000];
    buf plain = text_of(2000, 1), code = encoded_at_once(CODEC_GZIP, &plain), stored = BUF_EMPTY, twice = BUF_EMPTY;
    put(&stored, code.data, code.size);
    put(&stored, zeros, 1000);
    check_decodes(CODEC_GZIP, &stored, &plain, 0, 1, 1);
    put(&stored, code.data, code.size);
    put(&stored, zeros, 1);
    put(&twice, plain.data, plain.size);
    put(&twice, plain.data, plain.size);
    check_decodes(CODEC_GZIP, &stored, &twice, 0, 37, 100);
    buf got = BUF_EMPTY;
    assert_int_equal(decode(CODEC_GZIP, zeros, 10, &got, 10, 0, 1, 1, NULL, NULL), SDF_E_CORRUPT); /* nothing before */
    for (size_t k = 1; k < KINDS; k++) {
        buf one = encoded_at_once(all_kinds[k], &plain);
        put(&one, zeros, 8);
        got.size = 0;
        assert_int_equal(decode(all_kinds[k], one.data, one.size, &got, 9999, 0, 64, 640, NULL, NULL), SDF_E_CORRUPT);
        buf_free(&one);
    }
    buf_free(&got);
    buf_free(&plain);
    buf_free(&code);
    buf_free(&stored);
    buf_free(&twice);
}

/* Frames to skip belong to zstd and LZ4, before, between and behind. */
static void test_skipped_frames(void **state)
{
    for (size_t k = 1; k <= 2; k++) {
        static const uint8_t skip[] = {0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5},
                             none[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
        buf plain = text_of(3000, 1), code = encoded_at_once(all_kinds[k], &plain), stored = BUF_EMPTY;
        put(&stored, skip, sizeof skip);
        put(&stored, none, sizeof none);
        put(&stored, code.data, code.size);
        put(&stored, skip, sizeof skip);
        put(&stored, none, sizeof none);
        check_decodes(all_kinds[k], &stored, &plain, 0, 1, 1);
        check_decodes(all_kinds[k], &stored, &plain, 0, 4096, 4096);
        buf_free(&plain);
        buf_free(&code);
        buf_free(&stored);
    }
}

/* By gzip 1.12 with a name, and with every optional field by hand. */
static void test_gzip_heads(void **state)
{
    static const uint8_t named[] = {0x1f, 0x8b, 0x08, 0x08, 0x21, 0x43, 0x65, 0x67, 0x00, 0x03, 'a',
                                    '.',  't',  'x',  't',  0x00, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7,
                                    0x02, 0x00, 0x20, 0x30, 0x3a, 0x36, 0x06, 0x00, 0x00, 0x00};
    static const uint8_t full[] = {0x1f, 0x8b, 0x08, 0x1d, 1,    2,    3,    4,    0,    3,    3,    0,
                                   'x',  'y',  'z',  'n',  0,    'c',  'o',  0,    0xcb, 0x48, 0xcd, 0xc9,
                                   0xc9, 0xe7, 0x02, 0x00, 0x20, 0x30, 0x3a, 0x36, 6,    0,    0,    0};
    buf plain = BUF_EMPTY, stored = BUF_EMPTY;
    put(&plain, "hello\n", 6);
    for (size_t in = 1; in < 40; in++) {
        stored.size = 0;
        put(&stored, named, sizeof named);
        check_decodes(CODEC_GZIP, &stored, &plain, 0, in, 100);
        stored.size = 0;
        put(&stored, full, sizeof full);
        check_decodes(CODEC_GZIP, &stored, &plain, 0, in, 1);
    }
    buf_free(&plain);
    buf_free(&stored);
}

static void test_empty_input(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        buf nothing = BUF_EMPTY;
        check_decodes(all_kinds[k], &nothing, &nothing, 0, 1, 1);
        /* Asked again and again without input, it waits. */
        decoder *d;
        size_t used, made;
        char room[10];
        buf plain = text_of(100, 1), code = encoded_at_once(all_kinds[k], &plain);
        assert_int_equal(decoder_new(all_kinds[k], UINT64_MAX, &d, NULL), SDF_OK);
        for (size_t at = 0; at < 30; at++)
            for (int i = 0; i < 40; i++)
                assert_int_equal(
                    decoder_run(d, code.data + at, i == 20, &used, room, i % 2 ? 10 : 0, &made, false, NULL), SDF_OK);
        decoder_free(d);
        decoder_free(NULL);
        encoder_free(NULL);
        buf_free(&plain);
        buf_free(&code);
    }
}

/* ---- memory ---- */

#ifndef SDF_SANITIZE
static size_t held(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* A decoder or encoder takes no more than it says, also where much comes out of little. */
static void test_cost(void **state)
{
    static uint8_t zeros[1 << 20], room[1 << 16];
    for (size_t k = 0; k < KINDS; k++) {
        encoder *e;
        decoder *d;
        buf stored = BUF_EMPTY;
        size_t used, made, most = 0;
        assert_int_equal(buf_reserve(&stored, 4 << 20), SDF_OK);
        size_t before = held();
        assert_int_equal(encoder_new(all_kinds[k], 0, &e, NULL), SDF_OK);
        for (int i = 0, rc = SDF_OK; rc != SDF_END;) {
            rc = encoder_run(e, zeros, i < 64 ? sizeof zeros : 0, &used, stored.data + stored.size, 1 << 16, &made,
                             i >= 64, NULL);
            i += used > 0;
            zeros[i * 7] = (uint8_t)i;
            stored.size += made;
            most = held() - before > most ? held() - before : most;
        }
        encoder_free(e);
        if (most > encoder_cost(all_kinds[k]) + 4096)
            fail_msg("the encoder of %s holds %zu", codec_name(all_kinds[k]), most);
        most = 0;
        before = held();
        assert_int_equal(decoder_new(all_kinds[k], UINT64_MAX, &d, NULL), SDF_OK);
        uint64_t total = 0;
        size_t at = 0;
        for (int rc = SDF_OK; rc != SDF_END; at += used, total += made) {
            rc = decoder_run(d, stored.data + at, stored.size - at, &used, room, sizeof room, &made, true, NULL);
            assert_true(rc == SDF_OK || rc == SDF_END);
            most = held() - before > most ? held() - before : most;
        }
        decoder_free(d);
        assert_true(total >= 64 << 20);
        if (most > decoder_cost(all_kinds[k], UINT64_MAX) + 4096)
            fail_msg("the decoder of %s holds %zu", codec_name(all_kinds[k]), most);
        buf_free(&stored);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_against_libraries),
        cmocka_unit_test(test_random_pieces), cmocka_unit_test(test_members),
        cmocka_unit_test(test_padding),       cmocka_unit_test(test_skipped_frames),
        cmocka_unit_test(test_gzip_heads),    cmocka_unit_test(test_empty_input),
#ifndef SDF_SANITIZE
        cmocka_unit_test(test_cost),
#endif
    };
    return cmocka_run_group_tests_name("codec/codec", tests, NULL, NULL);
}
