/* Rows of delimited text against a parser that goes byte by byte: over every place to split, every cut, random quotes,
 * files that are compressed; headers; and quotes that stay open. */
#include "reading.h"

#include "base/timebase.h"
#include "codec/codec.h"
#include "exec/scan.h"

static void rows_begin(reading *t, char *path, uint64_t size, bool multiline)
{
    reading_init(t, PLAN_FORMAT_DELIMITED, "rows#1", 4 << 20);
    t->branch.input.format.delimiter = ',';
    t->branch.input.format.quote = '"';
    t->branch.input.format.multiline = multiline;
    reading_file(t, 0, path, size);
}

/* ---- the oracle ---- */

typedef struct dialect {
    char delimiter, quote, escape;
    bool multiline;
} dialect;

/* The end of the row at `at`: its newline or the end. *open: it ends within quotes. */
static size_t naive_row(const dialect *d, const char *text, size_t size, size_t at, bool *open)
{
    enum { START, PLAIN, QUOTED, AFTER } state = START;
    for (; at < size; at++) {
        char c = text[at];
        if (state == QUOTED) {
            if (c == '\n' && !d->multiline)
                break;
            if (d->escape && c == d->escape)
                at += at + 1 < size && (d->multiline || text[at + 1] != '\n');
            else if (c == d->quote && !d->escape && at + 1 < size && text[at + 1] == d->quote)
                at++;
            else if (c == d->quote)
                state = AFTER;
        } else if (c == '\n') {
            break;
        } else if (c == d->delimiter) {
            state = START;
        } else if (state == START && d->quote && c == d->quote) {
            state = QUOTED;
        } else {
            state = PLAIN;
        }
    }
    *open = state == QUOTED;
    return at;
}

/* Rows that begin in [from, to) of lines (not multiline: every newline ends a line). Returns how many are bad. */
static size_t naive_rows(const dialect *d, const char *text, size_t size, size_t from, size_t to, buf *out,
                         size_t *count)
{
    size_t bad = 0;
    *count = 0;
    for (size_t at = 0; at < size;) {
        bool open;
        size_t end = naive_row(d, text, size, at, &open), length = end - at;
        if (open && d->multiline) {
            const char *nl = memchr(text + at, '\n', size - at);
            end = nl ? (size_t)(nl - text) : size;
        }
        if (length && text[at + length - 1] == '\r')
            length--;
        if (at >= from && at < to) {
            bad += open;
            if (!open && length) {
                buf_append(out, "\x1f", 1);
                buf_append(out, text + at, length);
                buf_append(out, "\x1e", 1);
                ++*count;
            }
        }
        at = end + 1;
    }
    return bad;
}

/* ---- splits and cuts ---- */

static const char *const texts[] = {
    "",
    "\n\n",
    "a,b\nc,d\n",
    "a,b\r\n\r\nc,d\r\ne,f",
    "\"a\",\"b,c\"\n1,\"x\"\"y\"\n\"\",\"\"\"\"\nend",
    "5\" pipe,x\n\"q\",5\" pipe,\"z\"\na\"\"b,\"c\"\n",
    "ok,1\n\"open,2\nok,3\n4,\"open too\n\"fine\",5\n",
    "\"a\"tail,1\n\"a\"t\"a,il\",2\n\"a\" ,\"b\n",
};

static void every_split(void **state)
{
    dialect d = {',', '"', 0, false};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t size = strlen(texts[i]);
        char *path = harness_file(texts[i], size);
        for (size_t from = 0; from <= size; from++) {
            for (size_t to = from; to <= size; to++) {
                reading t;
                buf expected = BUF_EMPTY;
                size_t count, bad = naive_rows(&d, texts[i], size, from, to, &expected, &count);
                rows_begin(&t, path, size, false);
                t.branch.input.errors = PLAN_ERRORS_SKIP;
                t.pieces[0].split.offset = from;
                t.pieces[0].split.length = to - from;
                assert_int_equal(reading_go(&t, NULL), SDF_OK);
                assert_bytes(&t.c.text, expected.data, expected.size);
                assert_int_equal(t.h.env.metrics.record_errors, bad);
                assert_int_equal(t.h.env.metrics.records_in, count);
                reading_end(&t);
                buf_free(&expected);
            }
        }
        remove_file(path);
    }
}

static void random_text(rng *r, buf *text, size_t rows, const char *alphabet)
{
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < rows; i++) {
        size_t length = rng_below(r, rng_below(r, 50) ? 120 : 9000);
        for (size_t k = 0; k < length; k++)
            buf_append(text, &alphabet[rng_below(r, letters)], 1);
        buf_text(text, rng_below(r, 3) ? "\n" : "\r\n");
    }
}

/* Fields that are quoted as they should be. */
static void random_rows(rng *r, buf *text, size_t rows, bool newlines)
{
    for (size_t i = 0; i < rows; i++) {
        for (uint64_t k = rng_below(r, 12); k != UINT64_MAX; k--) {
            bool quoted = rng_below(r, 2);
            buf_text(text, quoted ? "\"" : "");
            for (uint64_t n = rng_below(r, rng_below(r, 30) ? 20 : 5000); n > 0; n--) {
                uint64_t draw = quoted ? rng_below(r, 20) : 19;
                buf_text(text, draw == 0 ? "\"\"" : draw == 1 ? "," : draw == 2 && newlines ? "\n" : "x");
            }
            buf_text(text, quoted ? "\"" : "");
            buf_text(text, k ? "," : rng_below(r, 3) ? "\n" : "\r\n");
        }
    }
}

/* Reads all in legs of random length, and checks rows, offsets' order and bad rows. */
static void check_rows(rng *r, const dialect *d, const buf *text)
{
    char *path = harness_file(text->data, text->size);
    buf expected = BUF_EMPTY;
    size_t count, bad = naive_rows(d, (const char *)text->data, text->size, 0, text->size, &expected, &count);
    reading t;
    rows_begin(&t, path, text->size, d->multiline);
    t.branch.input.format.delimiter = (uint8_t)d->delimiter;
    t.branch.input.format.escape = (uint8_t)d->escape;
    t.branch.input.format.quote = (uint8_t)d->quote;
    t.branch.input.errors = PLAN_ERRORS_SKIP;
    t.h.stage.resumable = true;
    do {
        t.h.request.cut_records = 1 + rng_below(r, 300);
        assert_int_equal(reading_go(&t, NULL), SDF_OK);
    } while (reading_next_leg(&t));
    assert_bytes(&t.c.text, expected.data, expected.size);
    assert_int_equal(t.c.records, count);
    assert_int_equal(t.h.env.metrics.record_errors, bad);
    reading_end(&t);
    buf_free(&expected);
    remove_file(path);
}

static void random_files(void **state)
{
    static const dialect dialects[] = {{',', '"', 0, false},    {',', '"', 0, true},    {';', '\'', 0, true},
                                       {',', '"', '\\', false}, {',', '"', '\\', true}, {'\t', 0, 0, false}};
    rng r = {21};
    for (int round = 0; round < 120; round++) {
        const dialect *d = &dialects[round % 6];
        buf text = BUF_EMPTY;
        char alphabet[64];
        snprintf(alphabet, sizeof alphabet, "abcdefghijklmn %c%c%c\r", d->delimiter, d->quote ? d->quote : 'x',
                 d->escape ? d->escape : 'y');
        if (round % 2)
            random_rows(&r, &text, rng_below(&r, 400), d->multiline);
        else
            random_text(&r, &text, rng_below(&r, 400), alphabet);
        if (text.size && rng_below(&r, 2))
            text.size--;
        check_rows(&r, d, &text);
        buf_free(&text);
    }
}

/* ---- the scan by itself ---- */

static void forms_agree(void **state)
{
    rng r = {22};
    for (int round = 0; round < 400; round++) {
        dialect d = {',', '"', 0, round % 3 == 0};
        row_marks marks = {'"', ',', d.multiline};
        buf text = BUF_EMPTY;
        size_t first[200], odd_first = 0, n_first = 0;
        if (round % 2)
            random_rows(&r, &text, 1 + rng_below(&r, 20), d.multiline);
        else
            random_text(&r, &text, 1 + rng_below(&r, 10), "abcd,\"");
        size_t most = 1 + rng_below(&r, 200);
        for (size_t f = 0; scan_form(f); f++) {
            size_t at[200], odd, n = scan_form(f)->rows(text.data, text.size, &marks, at, most, &odd), begin = 0;
            for (size_t i = 0; i < n; i++) {
                bool open;
                assert_int_equal(at[i], naive_row(&d, (const char *)text.data, text.size, begin, &open));
                assert_false(open);
                begin = at[i] + 1;
            }
            if (f) {
                assert_int_equal(n, n_first);
                assert_int_equal(odd, odd_first);
                assert_memory_equal(at, first, n * sizeof at[0]);
            }
            n_first = n;
            odd_first = odd;
            memcpy(first, at, n * sizeof at[0]);
            if (round % 2 && n < most)
                assert_int_equal(odd, SIZE_MAX); /* what is quoted as it should be is never odd */
        }
        buf_free(&text);
    }
}

/* ---- headers ---- */

static void check_header(const char *text, const char *columns, int code, const char *part, const char *expected)
{
    char *path = harness_file(text, strlen(text));
    reading t;
    sdf_error *err = NULL;
    rows_begin(&t, path, strlen(text), false);
    t.branch.input.format.header = true;
    t.branch.input.format.columns = (char *)columns;
    assert_int_equal(reading_go(&t, &err), code);
    if (code) {
        assert_non_null(strstr(sdf_error_text(err), part));
        assert_non_null(strstr(sdf_error_text(err), path));
        assert_string_equal(sdf_error_operator(err), "rows#1");
    } else {
        assert_bytes(&t.c.text, expected, strlen(expected));
    }
    sdf_error_free(err);
    reading_end(&t);
    remove_file(path);
}

static void headers(void **state)
{
    check_header("a,b\n1,2\n", "a\nb", SDF_OK, "",
                 "\x1f"
                 "1,2\x1e");
    check_header("\xef\xbb\xbf\"a\",b\r\n1,2\n", "a\nb", SDF_OK, "",
                 "\x1f"
                 "1,2\x1e");
    check_header("\n\na,b", "a\nb", SDF_OK, "", "");
    check_header("", "a\nb", SDF_OK, "", "");
    check_header("whatever\n1,2\n", NULL, SDF_OK, "",
                 "\x1f"
                 "1,2\x1e");
    check_header("\"a \"\"x\"\"\",b\n", "a \"x\"\nb", SDF_OK, "", "");
    check_header("a,c\n1,2\n", "a\nb", SDF_E_CORRUPT, "column 2 of the header is \"c\", it should be \"b\"", "");
    check_header("a,c\n1,2\n", "a\nb", SDF_E_CORRUPT, "here it is \"a,c\", the job was planned with \"a,b\"", "");
    check_header("a\n1,2\n", "a\nb", SDF_E_CORRUPT, "has 1 columns, it should have 2", "");
    check_header("a,b,c\n1,2\n", "a\nb", SDF_E_CORRUPT, "has 3 columns, it should have 2", "");
    check_header("\"a\"x,b\n", "a\nb", SDF_E_CORRUPT, "quotes do not fit", "");
    check_header("\"a,b\n", "a\nb", SDF_E_CORRUPT, "does not end on its line", "");
}

static void only_the_first_split_has_a_header(void **state)
{
    static const char text[] = "name,number\na,1\nb,2\nc,3\n";
    char *path = harness_file(text, sizeof text - 1);
    for (size_t split = 1; split < sizeof text - 1; split++) {
        reading t;
        rows_begin(&t, path, sizeof text - 1, false);
        t.branch.input.format.header = true;
        t.branch.input.format.columns = (char *)"name\nnumber";
        reading_file(&t, 1, path, sizeof text - 1);
        t.pieces[0].split.length = t.pieces[1].split.offset = split;
        t.pieces[1].split.length = sizeof text - 1 - split;
        t.h.stage.resumable = true;
        t.h.request.cut_records = 1;
        do
            assert_int_equal(reading_go(&t, NULL), SDF_OK);
        while (reading_next_leg(&t));
        assert_collected(&t.c, "\x1f"
                               "a,1\x1e\x1f"
                               "b,2\x1e\x1f"
                               "c,3\x1e");
        reading_end(&t);
    }
    remove_file(path);
}

/* However early the first split ends. */
static void a_mark_belongs_to_the_first_row(void **state)
{
    static const char text[] = "\xef\xbb\xbf\na,1\nb,2\n";
    for (size_t from = 0; from < 2; from++) { /* with and without an empty line in front */
        char rows[sizeof text];
        size_t size = sizeof text - 1 - from;
        memcpy(rows, text, 3);
        memcpy(rows + 3, text + 3 + from, size - 3);
        char *path = harness_file(rows, size);
        for (size_t split = 1; split < size; split++) {
            reading t;
            rows_begin(&t, path, size, false);
            reading_file(&t, 1, path, size);
            t.pieces[0].split.length = t.pieces[1].split.offset = split;
            t.pieces[1].split.length = size - split;
            assert_int_equal(reading_go(&t, NULL), SDF_OK);
            assert_collected(&t.c, "\x1f"
                                   "a,1\x1e\x1f"
                                   "b,2\x1e");
            reading_end(&t);
        }
        remove_file(path);
    }
}

/* ---- quotes that stay open ---- */

static void assert_refused(const char *text, size_t size, bool multiline, uint64_t most, const char *part)
{
    char *path = harness_file(text, size);
    reading t;
    sdf_error *err = NULL;
    rows_begin(&t, path, size, multiline);
    t.branch.input.format.max_record = most;
    assert_int_equal(reading_go(&t, &err), SDF_E_CORRUPT);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    assert_non_null(strstr(sdf_error_text(err), path));
    assert_string_equal(sdf_error_operator(err), "rows#1");
    sdf_error_free(err);
    reading_end(&t);
    remove_file(path);
}

static void open_quotes_are_told(void **state)
{
    assert_refused("a,b\nc,\"d\ne,f\n", 12, false, 0, "byte 4: the quote at byte 6 does not end on its line");
    assert_refused("a,b\nc,\"d\ne,f\n", 12, true, 0,
                   "byte 4: the quote at line 2, byte 6 does not end before the file");
    size_t size = 1 << 20;
    char *text = malloc(size);
    memset(text, 'x', size);
    memcpy(text, "a,b\n\"c,", 7);
    for (size_t i = 100; i < size; i += 100)
        text[i] = '\n';
    assert_refused(text, size, true, 300000, "the quote at line 2, byte 4 does not end within 300000 bytes");
    /* Skipped, the lines behind it are read for themselves. */
    char *path = harness_file(text, size);
    reading t;
    rows_begin(&t, path, size, true);
    t.branch.input.format.max_record = 300000;
    t.branch.input.errors = PLAN_ERRORS_SKIP;
    assert_int_equal(reading_go(&t, NULL), SDF_OK);
    assert_int_equal(t.h.env.metrics.record_errors, 1);
    assert_int_equal(t.c.records, size / 100 + 1);
    assert_true(t.h.budget.peak < 500000);
    reading_end(&t);
    remove_file(path);
    free(text);
}

static void long_rows_fail_clearly(void **state)
{
    size_t size = 1 << 20;
    char *text = malloc(size);
    memset(text, 'x', size);
    char *path = harness_file(text, size);
    reading t;
    sdf_error *err = NULL;
    rows_begin(&t, path, size, true);
    t.branch.input.format.max_record = 300000;
    assert_int_equal(reading_go(&t, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_text(err), "max_row"));
    sdf_error_free(err);
    reading_end(&t);
    remove_file(path);
    free(text);
}

/* ---- compressed ---- */

static void compressed_files(void **state)
{
    rng r = {23};
    dialect d = {',', '"', 0, true};
    for (codec_kind kind = CODEC_GZIP; kind <= CODEC_BZIP2; kind++) {
        buf text = BUF_EMPTY, packed = BUF_EMPTY, expected = BUF_EMPTY;
        size_t count, legs = 0;
        random_rows(&r, &text, 2000, true);
        compress(kind, &text, &packed);
        naive_rows(&d, (const char *)text.data, text.size, 0, text.size, &expected, &count);
        char *path = harness_file(packed.data, packed.size);
        reading t;
        rows_begin(&t, path, packed.size, true);
        reading_compressed(&t, kind, path, packed.size);
        t.h.stage.resumable = true;
        t.h.request.cut_records = 500;
        do {
            assert_int_equal(reading_go(&t, NULL), SDF_OK);
            legs++;
        } while (reading_next_leg(&t));
        assert_int_equal(legs, (count + 499) / 500);
        assert_bytes(&t.c.text, expected.data, expected.size);
        reading_end(&t);
        remove_file(path);
        buf_free(&text);
        buf_free(&packed);
        buf_free(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),
        cmocka_unit_test(random_files),
        cmocka_unit_test(forms_agree),
        cmocka_unit_test(headers),
        cmocka_unit_test(only_the_first_split_has_a_header),
        cmocka_unit_test(a_mark_belongs_to_the_first_row),
        cmocka_unit_test(open_quotes_are_told),
        cmocka_unit_test(long_rows_fail_clearly),
        cmocka_unit_test(compressed_files),
    };
    return cmocka_run_group_tests_name("exec/delimited", tests, NULL, NULL);
}
