/* Parts of outputs: text and raw, every codec, single files, and nothing left of what failed. Other formats are in
 * test_formats.c. */
#include "file_test.h"

#include <dirent.h>
#include <sys/stat.h>

#include <sdf/key.h>

#include "codec/codec.h"

/* ---- text and binary ---- */

static void text_of_each_type(void **state)
{
    file_test f;
    int64_t numbers[] = {0, -5, INT64_MIN};
    double reals[] = {0.1, -1e300, 3};
    sdf_slice texts[] = {{"a", 1}, {"", 0}, {"b\0c", 3}};
    uint8_t tuple[64];
    size_t length = 0;
    sdf_slice item = {"x", 1};
    sdf_key_begin_tuple(tuple, sizeof tuple, &length);
    sdf_key_put_bytes(tuple, sizeof tuple, &length, &item);
    sdf_key_put_i64(tuple, sizeof tuple, &length, 42);
    sdf_key_end_tuple(tuple, sizeof tuple, &length);
    sdf_batch batch = {.count = 3};

    file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, numbers, 8);
    TEXT_OUT(&f, &batch, "a\t0\n\t-5\nb\0c\t-9223372036854775808\n");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_TEXT, "null", "f64");
    column_set_null(&batch.key);
    column_set_fixed(&batch.value, reals, 8);
    TEXT_OUT(&f, &batch, "0.1\n-1e+300\n3\n");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_TEXT, "tuple(bytes,i64)", "null");
    batch.count = 2;
    column_set_const(&batch.key, tuple, length);
    column_set_null(&batch.value);
    TEXT_OUT(&f, &batch, "x\t42\nx\t42\n");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_BINARY, "bytes", "bytes");
    batch.count = 3;
    column_set_slices(&batch.key, texts);
    column_set_const(&batch.value, "--", 2);
    TEXT_OUT(&f, &batch, "a----b\0c--");
    file_end(&f);
}

static void large_values_pass_the_buffer(void **state)
{
    file_test f;
    size_t size = 1 << 20;
    char *big = malloc(size), *expected = malloc(size + 4);
    memset(big, 'x', size);
    sdf_slice values[] = {{"a", 1}, {big, size}};
    sdf_batch batch = {.count = 2};
    memcpy(expected, "a\n", 2);
    memcpy(expected + 2, big, size);
    expected[size + 2] = '\n';
    column_set_null(&batch.key);
    column_set_slices(&batch.value, values);
    file_begin(&f, PLAN_FORMAT_TEXT, "null", "bytes");
    file_write_one(&f, &batch, expected, size + 3);
    file_end(&f);

    /* The same as an item of a tuple, whose text does not fit the buffer either. */
    uint8_t *tuple = malloc(size + 64);
    size_t length = 0;
    sdf_key_begin_tuple(tuple, size + 64, &length);
    sdf_key_put_bytes(tuple, size + 64, &length, &values[1]);
    sdf_key_end_tuple(tuple, size + 64, &length);
    batch.count = 1;
    column_set_const(&batch.value, tuple, length);
    expected[size] = '\n';
    memcpy(expected, big, size);
    file_begin(&f, PLAN_FORMAT_TEXT, "null", "tuple(bytes)");
    file_write_one(&f, &batch, expected, size + 1);
    file_end(&f);
    free(tuple);
    free(big);
    free(expected);
}

static uint64_t file_fingerprint(uint64_t memory, const char *extra)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
    budget_init(&f.h.budget, memory);
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 30000, NULL), SDF_OK);
    if (*extra) {
        sdf_batch batch = {.count = 1};
        int64_t zero = 0;
        column_set_const(&batch.key, extra, strlen(extra));
        column_set_const(&batch.value, &zero, 8);
        assert_int_equal(op_push(f.o, &batch, NULL), SDF_OK);
    }
    assert_int_equal(op_finish(f.o, NULL), SDF_OK);
    uint64_t fingerprint = f.reply.fingerprint;
    file_end(&f);
    return fingerprint;
}

static void fingerprints_are_of_the_bytes(void **state)
{
    uint64_t one = file_fingerprint(1 << 20, "");
    assert_int_equal(one, file_fingerprint(100000, ""));
    assert_true(one != file_fingerprint(1 << 20, "x"));
    assert_true(file_fingerprint(1 << 20, "y") != file_fingerprint(1 << 20, "x"));
}

static void names_sort_like_the_data(void **state)
{
    static const struct {
        uint32_t tasks, task, leg;
        codec_kind codec;
        const char *final;
        bool behind; /* the one before, of the same output */
    } cases[] = {
        {1, 0, 0, CODEC_NONE, "part-00000", false},
        {100000, 99999, 0, CODEC_NONE, "part-99999", false},
        {100001, 7, 0, CODEC_NONE, "part-000007", false},
        {3, 2, 0, CODEC_NONE, "part-00002", false},
        {3, 2, 1, CODEC_NONE, "part-00002_0001", true},
        {3, 2, 9999, CODEC_NONE, "part-00002_9999", true},
        {3, 2, 10000, CODEC_NONE, "part-00002_x0000010000", true},
        {4, 3, 0, CODEC_NONE, "part-00003", true},
        {3, 1, 0, CODEC_GZIP, "part-00001.gz", false},
        {3, 1, 1, CODEC_GZIP, "part-00001_0001.gz", true},
        {3, 1, 10000, CODEC_GZIP, "part-00001_x0000010000.gz", true},
        {3, 2, 0, CODEC_GZIP, "part-00002.gz", true},
        {4000000000u, 1, 0, CODEC_NONE, "part-0000000001", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file_test f;
        file_begin(&f, PLAN_FORMAT_TEXT, "null", "bytes");
        f.h.stage.tasks = cases[i].tasks;
        f.h.request.task = cases[i].task;
        f.h.request.leg = cases[i].leg;
        f.spec.codec = (uint8_t)cases[i].codec;
        assert_int_equal(file_new(&f, NULL), SDF_OK);
        assert_int_equal(op_finish(f.o, NULL), SDF_OK);
        assert_string_equal(f.reply.file_final, cases[i].final);
        assert_true(!cases[i].behind || strcmp(cases[i - 1].final, cases[i].final) < 0);
        char temp[100];
        snprintf(temp, sizeof temp, "tok-s2-t%u-l%u-a11", cases[i].task, cases[i].leg);
        assert_string_equal(f.reply.file_temp, temp);
        file_end(&f);
    }
}

static size_t temporaries(const char *folder)
{
    char path[200];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/_temporary", folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void failed_files_leave_nothing(void **state)
{
    file_test f;
    sdf_error *err = NULL;
    file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 100000, NULL), SDF_OK);
    assert_int_equal(temporaries(f.out), 1);
    file_close_op(&f);
    assert_int_equal(temporaries(f.out), 0);

    /* A lease that ends before the end: nothing is kept. */
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 10, NULL), SDF_OK);
    f.h.request.lease_ms = 1;
    assert_int_equal(op_finish(f.o, NULL), SDF_E_TIMEOUT);
    file_close_op(&f);
    assert_int_equal(temporaries(f.out), 0);
    f.h.request.lease_ms = 0;

    /* A folder that is not there, and a tuple that is none. */
    f.spec.uri = (char *)"/tmp/sdf-no-such-folder";
    assert_int_equal(file_new(&f, &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_text(err), "sdf-no-such-folder"));
    sdf_error_free(err);
    err = NULL;
    f.spec.uri = f.out;
    f.spec.key_type = (char *)"tuple(bytes)";
    f.h.request.attempt++;
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 10, &err), SDF_E_CORRUPT);
    assert_non_null(strstr(sdf_error_text(err), "tuple(bytes)"));
    sdf_error_free(err);
    file_end(&f);
}

/* ---- compression, single files ---- */

static buf unpacked(codec_kind kind, const buf *packed)
{
    decoder *d;
    buf plain = BUF_EMPTY;
    size_t at = 0, used, made;
    assert_int_equal(decoder_new(kind, UINT64_MAX, &d, NULL), SDF_OK);
    for (int rc = SDF_OK; rc == SDF_OK; at += used, plain.size += made) {
        assert_int_equal(buf_reserve(&plain, 1 << 16), SDF_OK);
        rc = decoder_run(d, packed->data + at, packed->size - at, &used, plain.data + plain.size, 1 << 16, &made, true,
                         NULL);
        assert_true(rc == SDF_OK || rc == SDF_END);
    }
    decoder_free(d);
    return plain;
}

static void compressed_parts(void **state)
{
    uint64_t fingerprint = 0;
    buf plain = BUF_EMPTY;
    for (int codec = CODEC_NONE; codec <= CODEC_BZIP2; codec++) {
        file_test f;
        char final[40];
        file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
        f.spec.codec = (uint8_t)codec;
        assert_int_equal(file_new(&f, NULL), SDF_OK);
        assert_true(f.h.budget.used >= encoder_cost((codec_kind)codec));
        assert_int_equal(push_numbered(f.o, 100000, NULL), SDF_OK);
        buf content = file_content(&f);
        snprintf(final, sizeof final, "part-00000%s", codec_suffix((codec_kind)codec));
        assert_string_equal(f.reply.file_final, final);
        assert_int_equal(f.h.env.metrics.bytes_written, content.size);
        if (codec == CODEC_NONE) {
            plain = content;
            fingerprint = f.reply.fingerprint;
        } else {
            buf back = unpacked((codec_kind)codec, &content);
            assert_bytes(&back, plain.data, plain.size);
            assert_true(content.size < plain.size * 2 / 3);
            assert_int_equal(f.reply.fingerprint, fingerprint);
            buf_free(&back);
            buf_free(&content);
        }
        file_end(&f);
        /* A part without records is a whole file, too. */
        file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
        f.spec.codec = (uint8_t)codec;
        assert_int_equal(file_new(&f, NULL), SDF_OK);
        content = file_content(&f);
        if (codec != CODEC_NONE) {
            assert_true(content.size > 0);
            buf back = unpacked((codec_kind)codec, &content);
            assert_int_equal(back.size, 0);
            buf_free(&back);
        }
        buf_free(&content);
        file_end(&f);
    }
    buf_free(&plain);
}

static void single_files(void **state)
{
    file_test f;
    output *driver;
    char name[120], path[400];
    file_begin(&f, PLAN_FORMAT_DELIMITED, "bytes", "i64");
    snprintf(name, sizeof name, "%s/one.csv", f.folder);
    assert_int_equal(output_begin(name, "tok", true, &driver, NULL), SDF_OK);
    f.spec.uri = name;
    f.spec.single = true;
    f.spec.format.columns = (char *)"word\ncount";
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 2, NULL), SDF_OK);
    assert_int_equal(op_finish(f.o, NULL), SDF_OK);
    assert_string_equal(f.reply.file_final, "");
    assert_int_equal(output_publish(driver, f.reply.file_temp, "", f.reply.file_bytes, 2, NULL), SDF_OK);
    assert_int_equal(output_finish(driver, NULL), SDF_OK);
    buf content = read_file(name);
    assert_bytes(&content, "word,count\nk0,0\nk1,1\n", 21);
    buf_free(&content);
    snprintf(path, sizeof path, "%s/.one.csv.tok._temporary", f.folder);
    assert_int_not_equal(access(path, F_OK), 0);
    file_end(&f);
}

static void little_memory(void **state)
{
    for (uint64_t memory = 100; memory < 100000000; memory *= 4) {
        for (int format = PLAN_FORMAT_TEXT; format <= PLAN_FORMAT_JSON; format++) {
            file_test f;
            sdf_error *err = NULL;
            if (format == PLAN_FORMAT_WHOLE)
                continue;
            file_begin(&f, (plan_format_kind)format, "bytes", "i64");
            f.spec.codec = (uint8_t)(memory / 4 % 5);
            budget_init(&f.h.budget, memory);
            int rc = file_new(&f, &err);
            if (!rc)
                rc = push_numbered(f.o, 3000, &err);
            if (!rc)
                rc = op_finish(f.o, &err);
            assert_true(rc == SDF_OK || rc == SDF_E_NO_MEMORY);
            assert_true(f.h.budget.peak <= memory);
            sdf_error_free(err);
            file_end(&f);
        }
    }
}

static void formats_that_are_none(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_WHOLE, "bytes", "bytes");
    file_refuses(&f, one_record("a", 1, "b", 1), SDF_E_INVALID, "no format");
    f.spec.format.kind = PLAN_FORMAT_TEXT;
    f.spec.uri = NULL;
    file_refuses(&f, one_record("a", 1, "b", 1), SDF_E_INVALID, "names no output");
    f.spec.uri = f.out;
    f.spec.codec = 77;
    file_refuses(&f, one_record("a", 1, "b", 1), SDF_E_INVALID, "encoder");
    file_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_each_type),
        cmocka_unit_test(large_values_pass_the_buffer),
        cmocka_unit_test(fingerprints_are_of_the_bytes),
        cmocka_unit_test(names_sort_like_the_data),
        cmocka_unit_test(failed_files_leave_nothing),
        cmocka_unit_test(compressed_parts),
        cmocka_unit_test(single_files),
        cmocka_unit_test(little_memory),
        cmocka_unit_test(formats_that_are_none),
    };
    return cmocka_run_group_tests_name("exec/file_output", tests, NULL, NULL);
}
