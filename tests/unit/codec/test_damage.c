/* Hostile streams: cut at each byte, each bit turned over, nonsense, windows too large, heads without end. None hangs,
 * none is taken for whole, and nobody gets other bytes than were stored. */
#include "codec_test.h"

#include <zstd.h>

/* Two members: damage in the second is damage too. */
static buf two_members(codec_kind kind, const buf *plain)
{
    buf b = encoded_at_once(kind, plain), again = encoded_at_once(kind, plain);
    put(&b, again.data, again.size);
    buf_free(&again);
    return b;
}

static void test_cut_at_each_byte(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        buf plain = text_of(700, k), stored = two_members(all_kinds[k], &plain), got = BUF_EMPTY;
        for (size_t size = 1; size < stored.size; size++) {
            for (size_t in = 1; in < 2000; in *= 11) {
                uint64_t offset;
                sdf_error *err = NULL;
                got.size = 0;
                int rc = decode(all_kinds[k], stored.data, size, &got, 2 * plain.size, 0, in, 333, &offset, &err);
                assert_int_equal(rc, size == stored.size / 2 ? SDF_END : SDF_E_CORRUPT);
                assert_int_equal(offset, size);
                if (rc != SDF_END && size < stored.size / 2)
                    assert_non_null(strstr(sdf_error_message(err), "cut short"));
                assert_true(got.size == 0 || !memcmp(got.data, plain.data, got.size < 700 ? got.size : 700));
                sdf_error_free(err);
            }
        }
        buf_free(&plain);
        buf_free(&stored);
        buf_free(&got);
    }
}

static void check_damaged(codec_kind kind, const buf *stored, const buf *plain, uint64_t seed, size_t in, size_t out)
{
    buf got = BUF_EMPTY;
    sdf_error *err = NULL;
    int rc = decode(kind, stored->data, stored->size, &got, 1 << 20, seed, in, out, NULL, &err);
    if (rc == SDF_END) {
        /* Some bits mean nothing (times, names), and a member may become a frame to skip. */
        assert_true(got.size == 2 * plain->size || got.size == plain->size || got.size == 0);
        for (size_t at = 0; at < got.size; at += plain->size)
            assert_memory_equal(got.data + at, plain->data, plain->size);
    } else if (rc != SDF_OK) {
        assert_true(rc == SDF_E_CORRUPT || rc == SDF_E_LIMIT);
        assert_int_equal(sdf_error_code(err), rc);
        assert_true(strlen(sdf_error_message(err)) > 10);
    }
    sdf_error_free(err);
    buf_free(&got);
}

static void test_each_bit(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        buf plain = text_of(250, k), stored = two_members(all_kinds[k], &plain);
        for (size_t bit = 0; bit < 8 * stored.size; bit++) {
            stored.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            check_damaged(all_kinds[k], &stored, &plain, bit, bit % 3 ? 5000 : 1, bit % 2 ? 5000 : 13);
            stored.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        buf_free(&plain);
        buf_free(&stored);
    }
}

/* Larger ones: several blocks, of text and of what does not compress; bytes overwritten, taken out, put in. */
static void test_random_damage(void **state)
{
    rng r = {4711};
    for (size_t k = 0; k < KINDS; k++)
        for (int n = 0; n < 60; n++) {
            buf plain = n % 2 ? text_of(120000, 5) : noise_of(120000, 5), stored = two_members(all_kinds[k], &plain);
            size_t at = rng_below(&r, stored.size - 300), size = 1 + rng_below(&r, 200);
            if (n % 3 == 0) {
                buf noise = noise_of(size, (uint64_t)n);
                memcpy(stored.data + at, noise.data, size);
                buf_free(&noise);
            } else if (n % 3 == 1) {
                memmove(stored.data + at, stored.data + at + size, stored.size - at - size);
                stored.size -= size;
            } else {
                memset(stored.data + at, n % 5 ? 0 : 0xff, size);
            }
            check_damaged(all_kinds[k], &stored, &plain, (uint64_t)n, 0, n % 2 ? 0 : 65536);
            buf_free(&plain);
            buf_free(&stored);
        }
}

static void test_nonsense(void **state)
{
    for (size_t k = 0; k < KINDS; k++)
        for (uint64_t seed = 0; seed < 200; seed++) {
            buf plain = text_of(50, 1), noise = noise_of(1 + seed * 5, seed), got = BUF_EMPTY;
            sdf_error *err = NULL;
            assert_int_equal(decode(all_kinds[k], noise.data, noise.size, &got, 1 << 16, seed, 0, 0, NULL, &err),
                             SDF_E_CORRUPT);
            sdf_error_free(err);
            /* The same behind a good head. */
            buf stored = encoded_at_once(all_kinds[k], &plain);
            stored.size = 4 + seed % 12;
            put(&stored, noise.data, noise.size);
            got.size = 0;
            int rc = decode(all_kinds[k], stored.data, stored.size, &got, 1 << 16, seed, 0, 0, NULL, NULL);
            assert_true(rc == SDF_E_CORRUPT || rc == SDF_E_LIMIT || got.size > 1 << 16);
            buf_free(&plain);
            buf_free(&noise);
            buf_free(&stored);
            buf_free(&got);
        }
}

static void test_other_formats(void **state)
{
    buf plain = text_of(100, 1), got = BUF_EMPTY;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t other = 0; other <= KINDS; other++) {
            buf stored = other < KINDS ? encoded_at_once(all_kinds[other], &plain) : text_of(100, 2);
            sdf_error *err = NULL;
            if (other != k) {
                assert_int_equal(decode(all_kinds[k], stored.data, stored.size, &got, 1000, 0, 64, 64, NULL, &err),
                                 SDF_E_CORRUPT);
                char want[40];
                snprintf(want, sizeof want, "this is no %s data", codec_name(all_kinds[k]));
                assert_string_equal(sdf_error_message(err), want);
                sdf_error_free(err);
            }
            buf_free(&stored);
        }
    buf_free(&plain);
    buf_free(&got);
}

static void test_fails_for_good(void **state)
{
    for (size_t k = 0; k < KINDS; k++) {
        decoder *d;
        size_t used, made;
        char room[100];
        assert_int_equal(decoder_new(all_kinds[k], UINT64_MAX, &d, NULL), SDF_OK);
        assert_int_equal(decoder_run(d, "nonsense", 8, &used, room, 100, &made, true, NULL), SDF_E_CORRUPT);
        for (int i = 0; i < 3; i++)
            assert_int_equal(decoder_run(d, "nonsense", 8, &used, room, 100, &made, true, NULL), SDF_E_CORRUPT);
        decoder_free(d);
    }
}

/* ---- zstd: windows and old versions ---- */

static buf windowed(int log)
{
    buf plain = text_of(2 << 20, 3), b = BUF_EMPTY;
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, log);
    assert_int_equal(buf_reserve(&b, 4 << 20), SDF_OK);
    ZSTD_inBuffer in = {plain.data, plain.size, 0};
    ZSTD_outBuffer out = {b.data, 4 << 20, 0};
    /* Streamed, so that the frame does not say its size, but its window. */
    assert_false(ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_continue)));
    assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    b.size = out.pos;
    ZSTD_freeCCtx(c);
    buf_free(&plain);
    return b;
}

static void test_windows(void **state)
{
    buf plain = text_of(2 << 20, 3), small = windowed(23), large = windowed(24), got = BUF_EMPTY;
    check_decodes(CODEC_ZSTD, &small, &plain, 0, 65536, 65536);
    sdf_error *err = NULL;
    assert_int_equal(decode(CODEC_ZSTD, large.data, large.size, &got, 4 << 20, 0, 65536, 65536, NULL, &err),
                     SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_text(err), "8192 KiB"));
    assert_non_null(strstr(sdf_error_text(err), "--long"));
    sdf_error_free(err);
    for (uint8_t version = 0x22; version < 0x28; version++) {
        uint8_t old[20] = {version, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff};
        assert_int_equal(decode(CODEC_ZSTD, old, sizeof old, &got, 1000, 0, 64, 64, NULL, NULL), SDF_E_CORRUPT);
    }
    buf_free(&plain);
    buf_free(&small);
    buf_free(&large);
    buf_free(&got);
}

static int decode_within(uint64_t room, const buf *stored, sdf_error **err)
{
    static uint8_t out[4 << 20];
    decoder *d;
    size_t used, made;
    assert_true(decoder_cost(CODEC_ZSTD, room) <= room);
    assert_int_equal(decoder_new(CODEC_ZSTD, room, &d, NULL), SDF_OK);
    int rc = decoder_run(d, stored->data, stored->size, &used, out, sizeof out, &made, true, err);
    decoder_free(d);
    return rc;
}

/* With little memory a decoder takes the windows that fit in it. */
static void test_narrow_windows(void **state)
{
    buf small = windowed(21), large = windowed(23);
    sdf_error *err = NULL;
    assert_true(decoder_cost(CODEC_ZSTD, 6 << 20) > 4 << 20);
    assert_int_equal(decode_within(6 << 20, &small, NULL), SDF_END);
    assert_int_equal(decode_within(12 << 20, &large, NULL), SDF_END);
    assert_int_equal(decode_within(6 << 20, &large, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_text(err), "4096 KiB"));
    assert_non_null(strstr(sdf_error_text(err), "memory"));
    sdf_error_free(err);
    buf_free(&small);
    buf_free(&large);
}

/* A name without end, an extra field that is not there: nothing is kept of them. */
static void test_endless_head(void **state)
{
    uint8_t head[] = {0x1f, 0x8b, 0x08, 0x08, 0, 0, 0, 0, 0, 3};
    buf stored = BUF_EMPTY, got = BUF_EMPTY;
    put(&stored, head, sizeof head);
    for (int i = 0; i < 100000; i++)
        put(&stored, "name", 4);
    sdf_error *err = NULL;
    assert_int_equal(decode(CODEC_GZIP, stored.data, stored.size, &got, 1, 0, 777, 100, NULL, &err), SDF_E_CORRUPT);
    assert_non_null(strstr(sdf_error_message(err), "cut short"));
    sdf_error_free(err);
    stored.data[3] = 0x04;
    assert_int_equal(decode(CODEC_GZIP, stored.data, 300, &got, 1, 0, 7, 100, NULL, NULL), SDF_E_CORRUPT);
    buf_free(&stored);
    buf_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_each_byte), cmocka_unit_test(test_each_bit),
        cmocka_unit_test(test_random_damage),    cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_other_formats),    cmocka_unit_test(test_fails_for_good),
        cmocka_unit_test(test_windows),          cmocka_unit_test(test_narrow_windows),
        cmocka_unit_test(test_endless_head),
    };
    return cmocka_run_group_tests_name("codec/damage", tests, NULL, NULL);
}
