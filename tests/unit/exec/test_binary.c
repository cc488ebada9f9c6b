/* Fixed-length records: every split of whole records, cuts, layouts, and files or requests that can't be. */
#include "reading.h"

typedef reading binary_test;

static void binary_begin(binary_test *t, char *path, uint64_t size, uint32_t record, uint32_t key)
{
    reading_init(t, PLAN_FORMAT_BINARY, "binary#1", 1 << 20);
    t->branch.input.format.record_bytes = record;
    t->branch.input.format.key_bytes = key;
    reading_file(t, 0, path, size);
}

static void expect_records(const uint8_t *data, size_t from, size_t to, size_t record, size_t key, buf *out)
{
    for (size_t i = from; i < to; i += record) {
        buf_append(out, data + i, key);
        buf_append(out, "\x1f", 1);
        buf_append(out, data + i + key, record - key);
        buf_append(out, "\x1e", 1);
    }
}

static void every_split_and_layout(void **state)
{
    uint8_t data[60];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)('0' + i);
    char *path = harness_file(data, sizeof data);
    for (uint32_t record = 1; record <= 60; record++) {
        if (60 % record)
            continue;
        for (uint32_t key = 0; key <= record; key += 1 + key / 3) {
            for (size_t from = 0; from <= 60; from += record) {
                size_t to = from + (60 - from) / record / 2 * record;
                binary_test t;
                buf expected = BUF_EMPTY;
                binary_begin(&t, path, 60, record, key);
                t.pieces[0].split.offset = from;
                t.pieces[0].split.length = to - from;
                assert_int_equal(reading_go(&t, NULL), SDF_OK);
                expect_records(data, from, to, record, key, &expected);
                assert_bytes(&t.c.text, expected.data, expected.size);
                assert_int_equal(t.c.finished, 1);
                assert_int_equal(t.cut.size, 0);
                buf_free(&expected);
                reading_end(&t);
            }
        }
    }
    remove_file(path);
}

static void cuts_give_the_same_records(void **state)
{
    enum { RECORDS = 1000, RECORD = 10 };
    uint8_t data[RECORDS * RECORD];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 % 251);
    char *path = harness_file(data, sizeof data);
    buf expected = BUF_EMPTY;
    expect_records(data, 0, sizeof data, RECORD, 4, &expected);
    for (uint64_t every = 90; every < 1100; every += 170) {
        binary_test t;
        size_t legs = 0;
        binary_begin(&t, path, sizeof data, RECORD, 4);
        t.h.stage.resumable = true;
        t.h.request.cut_records = every;
        do {
            assert_int_equal(reading_go(&t, NULL), SDF_OK);
            legs++;
        } while (reading_next_leg(&t));
        assert_int_equal(legs, (RECORDS + every - 1) / every);
        assert_bytes(&t.c.text, expected.data, expected.size);
        reading_end(&t);
    }
    buf_free(&expected);
    remove_file(path);
}

/* A leg that runs again ends where it ended before, though more is decompressed by then. */
static void a_rerun_of_a_compressed_leg(void **state)
{
    enum { RECORDS = 5000, RECORD = 10, LEG = 700 };
    buf plain = BUF_EMPTY, expected = BUF_EMPTY;
    for (size_t i = 0; i < RECORDS * RECORD; i++)
        assert_int_equal(buf_append(&plain, &(uint8_t){(uint8_t)(i * 7 % 251)}, 1), SDF_OK);
    expect_records(plain.data, 0, LEG * RECORD, RECORD, 4, &expected);
    for (codec_kind kind = CODEC_GZIP; kind <= CODEC_BZIP2; kind++) {
        buf packed = BUF_EMPTY, cut = BUF_EMPTY;
        compress(kind, &plain, &packed);
        char *path = harness_file(packed.data, packed.size);
        binary_test t;
        binary_begin(&t, path, packed.size, RECORD, 4);
        reading_compressed(&t, kind, path, packed.size);
        t.h.stage.resumable = true;
        t.h.request.cut_records = LEG;
        assert_int_equal(reading_go(&t, NULL), SDF_OK);
        assert_bytes(&t.c.text, expected.data, expected.size);
        assert_int_equal(buf_append(&cut, t.cut.data, t.cut.size), SDF_OK);
        t.h.request.cut_end = buf_slice(&cut);
        buf_clear(&t.c.text);
        assert_int_equal(reading_go(&t, NULL), SDF_OK);
        assert_bytes(&t.c.text, expected.data, expected.size);
        reading_end(&t);
        remove_file(path);
        buf_free(&packed);
        buf_free(&cut);
    }
    buf_free(&plain);
    buf_free(&expected);
}

static void assert_fails(binary_test *t, int code, const char *part)
{
    sdf_error *err = NULL;
    assert_int_equal(reading_go(t, &err), code);
    assert_non_null(strstr(sdf_error_text(err), part));
    assert_string_equal(sdf_error_operator(err), "binary#1");
    assert_int_equal(t->c.finished, 0);
    sdf_error_free(err);
    reading_end(t);
}

static void what_can_not_be(void **state)
{
    char *path = harness_file("0123456789", 10);
    binary_test t;
    binary_begin(&t, path, 10, 3, 1);
    assert_fails(&t, SDF_E_CORRUPT, "1 are left over");
    binary_begin(&t, path, 10, 0, 0);
    assert_fails(&t, SDF_E_INVALID, "can't be");
    binary_begin(&t, path, 10, 5, 6);
    assert_fails(&t, SDF_E_INVALID, "can't be");
    binary_begin(&t, path, 10, 5, 1);
    t.pieces[0].split.offset = 1;
    t.pieces[0].split.length = 5;
    assert_fails(&t, SDF_E_INVALID, "within a record");
    binary_begin(&t, path, 20, 10, 1);
    assert_fails(&t, SDF_E_CORRUPT, "changed");
    binary_begin(&t, path, 10, 10, 1);
    unlink(path);
    assert_fails(&t, SDF_E_NOT_FOUND, path);
    free(path);
}

static void a_record_beyond_the_budget(void **state)
{
    size_t size = 3 << 20;
    char *data = calloc(1, size), *path = harness_file(data, size);
    binary_test t;
    binary_begin(&t, path, size, (uint32_t)size, 1);
    assert_fails(&t, SDF_E_NO_MEMORY, "memory");
    remove_file(path);
    free(data);
}

static void an_empty_file(void **state)
{
    char *path = harness_file("", 0);
    binary_test t;
    binary_begin(&t, path, 0, 100, 10);
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 0);
    assert_int_equal(t.c.finished, 1);
    reading_end(&t);
    remove_file(path);
}

static void sampling_reads_a_part(void **state)
{
    size_t size = 100 * 40000;
    uint8_t *data = calloc(1, size);
    for (size_t i = 0; i < 40000; i++)
        snprintf((char *)data + i * 100, 100, "%06zu", i);
    char *path = harness_file(data, size);
    binary_test t;
    binary_begin(&t, path, size, 100, 10);
    t.sampling = true;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.share.total, size);
    assert_int_equal(t.share.seen, t.c.records * 100);
    assert_int_equal(t.c.records, 16 * 655);
    assert_memory_equal(t.c.text.data, "000000", 6);
    reading_end(&t);
    remove_file(path);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_and_layout),      cmocka_unit_test(cuts_give_the_same_records),
        cmocka_unit_test(a_rerun_of_a_compressed_leg), cmocka_unit_test(what_can_not_be),
        cmocka_unit_test(a_record_beyond_the_budget),  cmocka_unit_test(an_empty_file),
        cmocka_unit_test(sampling_reads_a_part),
    };
    return cmocka_run_group_tests_name("exec/binary", tests, NULL, NULL);
}
