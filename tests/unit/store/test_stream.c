/* Input as a stream: plain and compressed, from any position, damaged, changed, and within a budget. */
#include "scratch.h"

#include "base/buf.h"
#include "base/timebase.h"
#include "codec/codec.h"
#include "store/input.h"

/* Text of `size` bytes that does not repeat too well. */
static buf text_of(size_t size, uint64_t seed)
{
    rng r = {seed};
    buf b = BUF_EMPTY;
    while (b.size < size)
        assert_int_equal(buf_printf(&b, "%llu,line\n", (unsigned long long)(rng_next(&r) >> 44)), SDF_OK);
    b.size = size;
    return b;
}

static buf packed(codec_kind kind, const buf *plain)
{
    encoder *e;
    buf b = BUF_EMPTY;
    size_t at = 0, used, made;
    assert_int_equal(encoder_new(kind, 0, &e, NULL), SDF_OK);
    for (int rc = SDF_OK; rc != SDF_END; at += used, b.size += made) {
        assert_int_equal(buf_reserve(&b, 65536), SDF_OK);
        rc = encoder_run(e, plain->size ? plain->data + at : NULL, plain->size - at, &used, b.data + b.size, 65536,
                         &made, true, NULL);
        assert_true(rc == SDF_OK || rc == SDF_END);
    }
    encoder_free(e);
    return b;
}

static void write_bytes(const char *path, const buf *b)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(b->size == 0 || fwrite(b->data, 1, b->size, f) == b->size);
    assert_int_equal(fclose(f), 0);
}

/* A file of the plain text, in the codec, as it is planned. */
static task_split make_file(codec_kind kind, const buf *plain)
{
    const char *path = in_scratch("file%s", codec_suffix(kind));
    if (kind == CODEC_NONE) {
        write_bytes(path, plain);
    } else {
        buf b = packed(kind, plain);
        write_bytes(path, &b);
        buf_free(&b);
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (task_split){.path = (char *)path,
                        .length = UINT64_MAX,
                        .file_size = (uint64_t)st.st_size,
                        .codec = (uint8_t)codec_of_path(path)};
}

static void check_from(const task_split *split, const buf *plain, uint64_t offset, rng *r)
{
    budget b;
    input_stream *s;
    size_t at = (size_t)offset, got;
    uint8_t data[5000];
    budget_init(&b, 64 << 20);
    OK(input_stream_open(split, offset, &b, &s, &err));
    assert_int_equal(b.used > 0, split->codec != CODEC_NONE);
    assert_int_equal(input_stream_position(s), offset);
    for (;;) {
        sdf_error *err = NULL;
        size_t want = 1 + (size_t)rng_below(r, sizeof data);
        int rc = input_stream_read(s, data, want, &got, &err);
        if (rc == SDF_END)
            break;
        if (rc != SDF_OK)
            fail_msg("%s", sdf_error_text(err));
        assert_in_range(got, 1, want);
        assert_true(at + got <= plain->size);
        assert_memory_equal(data, plain->data + at, got);
        at += got;
        assert_int_equal(input_stream_position(s), at);
    }
    assert_int_equal(at, offset < plain->size ? plain->size : offset);
    assert_int_equal(got, 0);
    assert_int_equal(input_stream_read(s, data, 10, &got, NULL), SDF_END);
    if (offset == 0)
        assert_int_equal(input_stream_stored(s), split->file_size);
    input_stream_close(s);
    assert_int_equal(b.used, 0);
}

static void test_from_any_position(void **state)
{
    static const size_t sizes[] = {0, 1, 4999, 5000, 300000};
    rng r = {3};
    for (int kind = CODEC_NONE; kind <= CODEC_BZIP2; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            buf plain = text_of(sizes[i], i);
            task_split split = make_file((codec_kind)kind, &plain);
            char *path = strdup(split.path);
            split.path = path;
            check_from(&split, &plain, 0, &r);
            check_from(&split, &plain, sizes[i], &r);
            check_from(&split, &plain, sizes[i] / 2, &r);
            for (int n = 0; n < 4; n++)
                check_from(&split, &plain, rng_below(&r, sizes[i] + 1), &r);
            free(path);
            buf_free(&plain);
        }
}

/* A file of no bytes has no content, in any format. */
static void test_empty_files(void **state)
{
    rng r = {1};
    buf nothing = BUF_EMPTY;
    for (int kind = CODEC_NONE; kind <= CODEC_BZIP2; kind++) {
        write_file(in_scratch("empty%s", codec_suffix((codec_kind)kind)), "");
        task_split split = {.path = (char *)in_scratch("empty%s", codec_suffix((codec_kind)kind)),
                            .codec = (uint8_t)kind};
        check_from(&split, &nothing, 0, &r);
    }
}

static int read_all(const task_split *split, uint64_t offset, sdf_error **err)
{
    budget b;
    input_stream *s;
    uint8_t data[4096];
    size_t got;
    budget_init(&b, 64 << 20);
    int rc = input_stream_open(split, offset, &b, &s, err);
    if (rc != SDF_OK)
        return rc;
    while ((rc = input_stream_read(s, data, sizeof data, &got, err)) == SDF_OK)
        ;
    input_stream_close(s);
    assert_int_equal(b.used, 0);
    return rc == SDF_END ? SDF_OK : rc;
}

/* The error names the file and where in it. */
static void test_damaged(void **state)
{
    for (int kind = CODEC_GZIP; kind <= CODEC_BZIP2; kind++) {
        buf plain = text_of(600000, 1), stored = packed((codec_kind)kind, &plain);
        const char *path = in_scratch("damaged%s", codec_suffix((codec_kind)kind));
        task_split split = {.path = (char *)path, .file_size = stored.size, .codec = (uint8_t)kind};
        memset(stored.data + stored.size / 2, 0x55, 64);
        write_bytes(path, &stored);
        FAILS(SDF_E_CORRUPT, "damaged", read_all(&split, 0, &err));
        FAILS(SDF_E_CORRUPT, path, read_all(&split, plain.size - 1, &err));
        FAILS(SDF_E_CORRUPT, "near its byte ", read_all(&split, 0, &err));
        stored.size = split.file_size = 1000;
        write_bytes(path, &stored);
        FAILS(SDF_E_CORRUPT, "near its byte 1000: ", read_all(&split, 0, &err));
        FAILS(SDF_E_CORRUPT, "cut short", read_all(&split, 0, &err));
        write_bytes(path, &plain);
        split.file_size = plain.size;
        FAILS(SDF_E_CORRUPT, "this is no ", read_all(&split, 0, &err));
        split.file_size = 999;
        FAILS(SDF_E_CORRUPT, "changed", read_all(&split, 0, &err));
        split.path = (char *)in_scratch("nowhere");
        FAILS(SDF_E_NOT_FOUND, "nowhere", read_all(&split, 0, &err));
        buf_free(&plain);
        buf_free(&stored);
    }
}

/* Cut short while it is read. */
static void test_cut_while_open(void **state)
{
    for (int kind = CODEC_NONE; kind <= CODEC_GZIP; kind++) {
        buf plain = text_of(3 << 20, 1);
        task_split split = make_file((codec_kind)kind, &plain);
        budget b;
        input_stream *s;
        uint8_t data[4096];
        size_t got;
        int rc;
        sdf_error *err = NULL;
        budget_init(&b, 64 << 20);
        assert_int_equal(input_stream_open(&split, 0, &b, &s, NULL), SDF_OK);
        assert_int_equal(input_stream_read(s, data, sizeof data, &got, NULL), SDF_OK);
        assert_int_equal(truncate(split.path, 300000), 0);
        while ((rc = input_stream_read(s, data, sizeof data, &got, &err)) == SDF_OK)
            ;
        assert_int_equal(rc, SDF_E_CORRUPT);
        assert_non_null(strstr(sdf_error_text(err), "changed"));
        sdf_error_free(err);
        input_stream_close(s);
        buf_free(&plain);
    }
    input_stream_close(NULL);
}

static void test_budget(void **state)
{
    buf plain = text_of(1000, 1);
    for (int kind = CODEC_GZIP; kind <= CODEC_BZIP2; kind++) {
        task_split split = make_file((codec_kind)kind, &plain);
        budget b;
        input_stream *s;
        budget_init(&b, decoder_cost((codec_kind)kind, 0));
        FAILS(SDF_E_NO_MEMORY, "decompressing the input file", input_stream_open(&split, 0, &b, &s, &err));
        assert_int_equal(b.used, 0);
        budget_init(&b, decoder_cost((codec_kind)kind, 0) * 16 / 15 + 4096);
        OK(input_stream_open(&split, 0, &b, &s, &err));
        input_stream_close(s);
    }
    buf_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_any_position), cmocka_unit_test(test_empty_files), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_cut_while_open),    cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests_name("store/stream", tests, scratch_make, scratch_remove);
}
