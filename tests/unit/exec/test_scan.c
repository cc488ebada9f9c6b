/* Newlines and words: every form against a byte-by-byte oracle, over lengths, alignments and densities. */
#include "harness.h"

#include "base/timebase.h"
#include "exec/scan.h"

#define SIZE_MOST 700

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

static size_t naive_words(const uint8_t *data, size_t size, sdf_slice *words)
{
    size_t n = 0;
    for (size_t i = 0; i < size;) {
        size_t start;
        while (i < size && blank(data[i]))
            i++;
        for (start = i; i < size && !blank(data[i]);)
            i++;
        if (i > start)
            words[n++] = (sdf_slice){data + start, i - start};
    }
    return n;
}

static void check_words(const scan_ops *ops, const uint8_t *data, size_t size, size_t room)
{
    static sdf_slice expected[SIZE_MOST], found[SIZE_MOST + SCAN_WORDS_ROOM];
    size_t want = naive_words(data, size, expected), n = 0;
    word_scan scan = scan_words_begin(data, size);
    while (scan.at < scan.end) {
        size_t got = ops->words(&scan, found + n, room);
        assert_true(got <= room);
        n += got;
    }
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(found[i].data, expected[i].data);
        assert_int_equal(found[i].size, expected[i].size);
    }
}

static void check_newlines(const scan_ops *ops, const uint8_t *data, size_t size, size_t most)
{
    static size_t found[SIZE_MOST];
    size_t n = ops->newlines(data, size, found, most), seen = 0;
    for (size_t i = 0; i < size && seen < most; i++)
        if (data[i] == '\n')
            assert_int_equal(found[seen++], i);
    assert_int_equal(n, seen);
}

/* Memory of exactly the size, so that a read outside is caught by the sanitizer. */
static void check_all(const uint8_t *data, size_t size, rng *r)
{
    const scan_ops *ops;
    for (size_t form = 0; (ops = scan_form(form)); form++) {
        uint8_t *copy = malloc(size ? size : 1);
        memcpy(copy, data, size);
        check_words(ops, copy, size, SCAN_WORDS_ROOM);
        check_words(ops, copy, size, SCAN_WORDS_ROOM + rng_below(r, 100));
        check_newlines(ops, copy, size, SIZE_MOST);
        check_newlines(ops, copy, size, rng_below(r, 20));
        free(copy);
    }
}

static void every_byte_value(void **state)
{
    uint8_t data[256 + 64];
    rng r = {1};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    for (size_t from = 0; from < 64; from++)
        check_all(data + from, sizeof data - from, &r);
}

static void random_texts(void **state)
{
    static const char blanks[] = " \t\n\v\f\r\n";
    uint8_t data[SIZE_MOST];
    rng r = {42};
    for (int round = 0; round < 4000; round++) {
        size_t size = rng_below(&r, round % 3 ? 140 : SIZE_MOST), density = 1 + rng_below(&r, 40);
        for (size_t i = 0; i < size; i++)
            data[i] = rng_below(&r, density) ? (uint8_t)rng_next(&r) : (uint8_t)blanks[rng_below(&r, 7)];
        check_all(data, size, &r);
    }
}

static void all_blank_or_none(void **state)
{
    uint8_t data[SIZE_MOST];
    rng r = {3};
    for (size_t size = 0; size < 200; size++) {
        memset(data, ' ', size);
        check_all(data, size, &r);
        memset(data, 'x', size);
        check_all(data, size, &r);
        memset(data, '\n', size);
        check_all(data, size, &r);
        for (size_t i = 0; i < size; i++)
            data[i] = i % 2 ? ' ' : 'x';
        check_all(data, size, &r);
    }
}

static void the_best_form_is_the_last(void **state)
{
    size_t forms = 0;
    while (scan_form(forms))
        forms++;
    assert_ptr_equal(scan_best(), scan_form(forms - 1));
    assert_string_equal(scan_form(0)->name, "portable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_value),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(all_blank_or_none),
        cmocka_unit_test(the_best_form_is_the_last),
    };
    return cmocka_run_group_tests_name("exec/scan", tests, NULL, NULL);
}
