/* Lines of splits against a byte-by-byte oracle: over every place to split, every cut, and what files do to their
 * readers. */
#include "reading.h"

#include "base/timebase.h"
#include "base/wire.h"

typedef struct text_case {
    const char *data;
    size_t size;
} text_case;
#define TEXT(literal)                                                                                                  \
    {                                                                                                                  \
        literal, sizeof(literal) - 1                                                                                   \
    }

static const text_case cases[] = {
    TEXT(""),
    TEXT("\n"),
    TEXT("\n\n\n"),
    TEXT("a"),
    TEXT("a\n"),
    TEXT("one\ntwo\nthree\n"),
    TEXT("one\ntwo\nthree"),
    TEXT("one\r\ntwo\r\n\r\nthree\r\n"),
    TEXT("cr at the end\r"),
    TEXT("\r\r\n\r\n\rx\r"),
    TEXT("nul \0 in it\nand\0\n\0\n"),
    TEXT("a very long first line, longer than all of the others together, and then\nb\nc\n\nd"),
    TEXT("b\nc\n\nd\na very long last line, longer than all of the others together, and then"),
};

/* What the lines of [from, to) are, by the rule alone: a line belongs to where it begins. */
static size_t naive_lines(const char *data, size_t size, size_t from, size_t to, buf *out)
{
    size_t lines = 0;
    for (size_t start = 0; start < size;) {
        size_t end = start;
        while (end < size && data[end] != '\n')
            end++;
        if (start >= from && start < to) {
            size_t length = end - start;
            if (end < size && length && data[end - 1] == '\r')
                length--;
            buf_append(out, "\x1f", 1);
            buf_append(out, data + start, length);
            buf_append(out, "\x1e", 1);
            lines++;
        }
        start = end + 1;
    }
    return lines;
}

typedef reading text_test;

static void text_begin(text_test *t, char *path, uint64_t size, uint64_t from, uint64_t to, uint64_t memory)
{
    reading_init(t, PLAN_FORMAT_TEXT, "text#1", memory);
    reading_file(t, 0, path, size);
    t->pieces[0].split.offset = from;
    t->pieces[0].split.length = to - from;
}

static void check_split(char *path, const text_case *f, size_t from, size_t to)
{
    text_test t;
    sdf_error *err = NULL;
    buf expected = BUF_EMPTY;
    text_begin(&t, path, f->size, from, to, 1 << 20);
    assert_int_equal(reading_go(&t, &err), SDF_OK);
    assert_null(err);
    size_t lines = naive_lines(f->data, f->size, from, to, &expected);
    assert_int_equal(t.c.records, lines);
    assert_bytes(&t.c.text, expected.data, expected.size);
    assert_int_equal(t.c.finished, 1);
    assert_int_equal(t.h.env.metrics.records_in, lines);
    assert_int_equal(t.cut.size, 0);
    buf_free(&expected);
    reading_end(&t);
}

static void every_split(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = harness_file(cases[i].data, cases[i].size);
        for (size_t from = 0; from <= cases[i].size; from++)
            for (size_t to = from; to <= cases[i].size; to++)
                check_split(path, &cases[i], from, to);
        remove_file(path);
    }
}

/* Legs of one split, each cut after so many records, give what one leg gives; and each can be run again to the same
 * end. */
static void every_cut(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = harness_file(cases[i].data, cases[i].size);
        for (uint64_t every = 1; every < 4; every++) {
            text_test t;
            buf expected = BUF_EMPTY, start = BUF_EMPTY;
            size_t from = cases[i].size / 3, legs = 0,
                   lines = naive_lines(cases[i].data, cases[i].size, from, cases[i].size, &expected);
            text_begin(&t, path, cases[i].size, from, cases[i].size, 1 << 20);
            t.h.stage.resumable = true;
            t.h.request.cut_records = every;
            do {
                size_t before = t.c.records, before_bytes = t.c.text.size;
                assert_int_equal(reading_go(&t, NULL), SDF_OK);
                assert_true(t.c.records - before <= every);
                if (t.cut.size) {
                    buf piece = BUF_EMPTY;
                    buf_append(&piece, t.c.text.data + before_bytes, t.c.text.size - before_bytes);
                    text_test again;
                    text_begin(&again, path, cases[i].size, from, cases[i].size, 1 << 20);
                    again.h.stage.resumable = true;
                    again.h.request.cut_records = 1; /* does not count: the end is given */
                    again.h.request.cut_start = buf_slice(&start);
                    again.h.request.cut_end = buf_slice(&t.cut);
                    assert_int_equal(reading_go(&again, NULL), SDF_OK);
                    assert_bytes(&again.c.text, piece.data, piece.size);
                    assert_bytes(&again.cut, t.cut.data, t.cut.size);
                    reading_end(&again);
                    buf_free(&piece);
                }
                buf_clear(&start);
                buf_append(&start, t.cut.data, t.cut.size);
                t.h.request.cut_start = buf_slice(&start);
                assert_true(legs++ < 100);
            } while (t.cut.size);
            assert_int_equal(t.c.records, lines);
            assert_bytes(&t.c.text, expected.data, expected.size);
            assert_int_equal(legs, lines ? (lines + every - 1) / every : 1);
            buf_free(&expected);
            buf_free(&start);
            reading_end(&t);
        }
        remove_file(path);
    }
}

static int64_t late(void *self)
{
    return 1000;
}

static void the_clock_cuts_but_lets_it_move(void **state)
{
    buf data = BUF_EMPTY;
    for (int i = 0; i < 20000; i++)
        buf_printf(&data, "line %d\n", i);
    char *path = harness_file(data.data, data.size);
    text_test t;
    timebase clock = {late, NULL};
    size_t legs = 0;
    text_begin(&t, path, data.size, 0, data.size, 1 << 20);
    t.h.env.clock = &clock;
    t.h.stage.resumable = true;
    t.h.request.cut_ms = 999;
    do {
        size_t before = t.c.records;
        assert_int_equal(reading_go(&t, NULL), SDF_OK);
        assert_true(t.c.records > before);
        legs++;
    } while (reading_next_leg(&t));
    assert_true(legs > 3);
    assert_int_equal(t.c.records, 20000);
    t.h.stage.resumable = false; /* then the clock does not matter */
    t.h.request.cut_start.size = 0;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.cut.size, 0);
    assert_int_equal(t.c.records, 40000);
    t.h.request.lease_ms = 900; /* but the lease does */
    assert_int_equal(reading_go(&t, NULL), SDF_E_TIMEOUT);
    reading_end(&t);
    remove_file(path);
    buf_free(&data);
}

static void bad_cuts_are_refused(void **state)
{
    char *path = harness_file("one\ntwo\nthree\n", 14);
    static const struct {
        const char *start, *end;
        size_t start_size, end_size;
        int code;
    } bad[] = {
        {"\0", "", 1, 0, SDF_E_INVALID},
        {"\0\5\0", "", 3, 0, SDF_E_INVALID},
        {"\1\0", "", 2, 0, SDF_E_INVALID},
        {"\0\377\377\377\377\377\377\377\377\377\1", "", 11, 0, SDF_E_INVALID},
        {"\0\11", "\0\5", 2, 2, SDF_E_INVALID},
        {"\0\5", "\0\0", 2, 2, SDF_E_INVALID},
        {"", "\0\7", 0, 2, SDF_E_NONDETERMINISTIC},
        {"", "\0\20", 0, 2, SDF_E_INVALID},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        text_test t;
        text_begin(&t, path, 14, 0, 14, 1 << 20);
        t.h.request.cut_start = (sdf_slice){bad[i].start, bad[i].start_size};
        t.h.request.cut_end = (sdf_slice){bad[i].end, bad[i].end_size};
        assert_int_equal(reading_go(&t, NULL), bad[i].code);
        reading_end(&t);
    }
    text_test t; /* a leg that begins at the end */
    text_begin(&t, path, 14, 0, 14, 1 << 20);
    t.h.request.cut_start = (sdf_slice){"\0\17", 2};
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 0);
    assert_int_equal(t.c.finished, 1);
    reading_end(&t);
    text_begin(&t, path, 14, 10, 20, 1 << 20);
    assert_int_equal(reading_go(&t, NULL), SDF_E_INVALID);
    reading_end(&t);
    text_begin(&t, NULL, 14, 0, 14, 1 << 20);
    assert_int_equal(reading_go(&t, NULL), SDF_E_INVALID);
    reading_end(&t);
    remove_file(path);
}

/* Random lines, some longer than the buffer, at any split: the budget is small so that buffers are, too. */
static void random_files(void **state)
{
    rng r = {9};
    for (int round = 0; round < 60; round++) {
        buf data = BUF_EMPTY;
        size_t lines = rng_below(&r, 400), longest = round % 4 == 0 ? 40000 : 80;
        for (size_t i = 0; i < lines; i++) {
            size_t length = rng_below(&r, rng_below(&r, 10) ? 60 : longest);
            for (size_t k = 0; k < length; k++) {
                uint8_t byte = (uint8_t)('a' + rng_below(&r, 26));
                buf_append(&data, &byte, 1);
            }
            buf_text(&data, rng_below(&r, 3) ? "\n" : "\r\n");
        }
        if (data.size && rng_below(&r, 2))
            data.size--;
        text_case f = {(const char *)data.data, data.size};
        char *path = harness_file(data.data, data.size);
        size_t from = 0;
        text_test t;
        text_begin(&t, path, data.size, 0, 0, 160000);
        while (from < data.size) {
            size_t to = from + 1 + rng_below(&r, data.size / 3 + 1);
            to = to > data.size ? data.size : to;
            t.pieces[0].split.offset = from;
            t.pieces[0].split.length = to - from;
            assert_int_equal(reading_go(&t, NULL), SDF_OK);
            from = to;
        }
        buf expected = BUF_EMPTY;
        naive_lines(f.data, f.size, 0, f.size, &expected);
        assert_bytes(&t.c.text, expected.data, expected.size);
        buf_free(&expected);
        reading_end(&t);
        remove_file(path);
        buf_free(&data);
    }
}

static void assert_fails(text_test *t, int code, const char *part, const char *other)
{
    sdf_error *err = NULL;
    assert_int_equal(reading_go(t, &err), code);
    assert_int_equal(sdf_error_code(err), code);
    assert_non_null(strstr(sdf_error_text(err), part));
    assert_non_null(strstr(sdf_error_text(err), other));
    assert_string_equal(sdf_error_operator(err), "text#1");
    sdf_error_free(err);
}

static void long_lines_fail_clearly(void **state)
{
    size_t size = 3 << 20;
    char *data = malloc(size);
    memset(data, 'l', size);
    memcpy(data, "first\n", 6);
    char *path = harness_file(data, size);
    text_test t;
    text_begin(&t, path, size, 0, size, 8 << 20);
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 2);
    reading_end(&t);
    text_begin(&t, path, size, 0, size, 2 << 20);
    assert_fails(&t, SDF_E_NO_MEMORY, "line at byte 6", "--memory");
    reading_end(&t);
    text_begin(&t, path, size, 0, size, 8 << 20);
    t.branch.input.format.max_record = 100000;
    assert_fails(&t, SDF_E_LIMIT, "line at byte 6", "max_line");
    assert_true(t.h.budget.peak < 1 << 20);
    reading_end(&t);
    text_begin(&t, path, size, 100, size, 600000); /* passing over it needs no memory */
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 0);
    reading_end(&t);
    remove_file(path);
    free(data);
}

static void max_line_holds_for_short_lines(void **state)
{
    char *path = harness_file("12345\n123456\r\n1\n1234567", 23);
    text_test t;
    text_begin(&t, path, 23, 0, 12, 1 << 20);
    t.branch.input.format.max_record = 6;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 2);
    reading_end(&t);
    text_begin(&t, path, 23, 0, 23, 1 << 20);
    t.branch.input.format.max_record = 6;
    assert_fails(&t, SDF_E_LIMIT, "byte 16", path);
    reading_end(&t);
    text_begin(&t, path, 23, 0, 23, 1 << 20);
    t.branch.input.format.max_record = 5;
    assert_fails(&t, SDF_E_LIMIT, "byte 6", path);
    reading_end(&t);
    remove_file(path);
}

/* As good as no limit: a line longer than the buffer must not look too long. */
static void max_line_may_be_any_number(void **state)
{
    enum { LONG = 1 << 20 };
    char *data = malloc(LONG);
    memset(data, 'x', LONG);
    char *path = harness_file(data, LONG);
    text_test t;
    text_begin(&t, path, LONG, 0, LONG, 8 << 20);
    t.branch.input.format.max_record = UINT64_MAX;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 1);
    assert_int_equal(t.c.text.size, LONG + 2);
    reading_end(&t);
    free(data);
    remove_file(path);
}

static void missing_and_changed_files(void **state)
{
    text_test t;
    char *path = harness_file("one\ntwo\n", 8);
    text_begin(&t, path, 9, 0, 9, 1 << 20);
    assert_fails(&t, SDF_E_CORRUPT, path, "changed");
    reading_end(&t);
    text_begin(&t, path, 8, 0, 8, 1 << 20);
    t.pieces[0].split.file_mtime_ns = 12345;
    assert_fails(&t, SDF_E_CORRUPT, path, "changed");
    reading_end(&t);
    unlink(path);
    text_begin(&t, path, 8, 0, 8, 1 << 20);
    assert_fails(&t, SDF_E_NOT_FOUND, path, "");
    reading_end(&t);
    free(path);
}

static void downstream_may_stop_or_fail(void **state)
{
    buf data = BUF_EMPTY;
    for (int i = 0; i < 5000; i++)
        buf_text(&data, "x\n");
    char *path = harness_file(data.data, data.size);
    text_test t;
    text_begin(&t, path, data.size, 0, data.size, 1 << 20);
    t.c.stop_after = 300;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.c.records, 384);
    assert_int_equal(t.c.finished, 1);
    t.c.fail = SDF_E_NO_SPACE;
    assert_int_equal(reading_go(&t, NULL), SDF_E_NO_SPACE);
    assert_int_equal(t.c.finished, 1);
    reading_end(&t);
    remove_file(path);
    buf_free(&data);
}

static void sampling_reads_a_part(void **state)
{
    buf data = BUF_EMPTY;
    for (int i = 0; i < 1200000; i++)
        buf_printf(&data, "%07d\n", i);
    char *path = harness_file(data.data, data.size);
    text_test t;
    text_begin(&t, path, data.size, 0, data.size, 1 << 20);
    t.sampling = true;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.share.total, data.size);
    assert_int_equal(t.share.seen, t.c.records * 8);
    assert_true(t.c.records >= 16 * 8191 && t.c.records <= 16 * 8193);
    assert_memory_equal(t.c.text.data,
                        "\x1f"
                        "0000000\x1e",
                        9);
    assert_memory_equal(t.c.text.data + t.c.text.size - 9,
                        "\x1f"
                        "1199999\x1e",
                        9);
    assert_true(t.h.env.metrics.bytes_read < data.size / 4);
    reading_end(&t);
    text_begin(&t, path, data.size, 0, 1 << 20, 1 << 20); /* a short split is read whole */
    t.sampling = true;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.share.seen, t.share.total);
    assert_int_equal(t.c.records, (1 << 20) / 8);
    reading_end(&t);
    remove_file(path);
    buf_free(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(the_clock_cuts_but_lets_it_move),
        cmocka_unit_test(bad_cuts_are_refused),
        cmocka_unit_test(random_files),
        cmocka_unit_test(long_lines_fail_clearly),
        cmocka_unit_test(max_line_holds_for_short_lines),
        cmocka_unit_test(max_line_may_be_any_number),
        cmocka_unit_test(missing_and_changed_files),
        cmocka_unit_test(downstream_may_stop_or_fail),
        cmocka_unit_test(sampling_reads_a_part),
    };
    return cmocka_run_group_tests_name("exec/text", tests, NULL, NULL);
}
