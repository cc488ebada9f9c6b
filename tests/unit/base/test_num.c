/* Numbers as text and back, under a locale with a decimal comma too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/path.h"
#include "base/timebase.h"

static void whole_numbers_go_both_ways(void **state)
{
    static const int64_t values[] = {0,         1,         -1,           9, 10, 99, 100, -100, 1234567890123,
                                     INT64_MAX, INT64_MIN, INT64_MIN + 1};
    static const char *const wrong[] = {"",
                                        "-",
                                        "+",
                                        " 1",
                                        "1 ",
                                        "0x1",
                                        "1e3",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999999",
                                        "--1",
                                        "1.0"};
    char text[NUM_TEXT], expected[NUM_TEXT];
    int64_t v;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        assert_int_equal(num_i64(text, values[i]), strlen(expected));
        assert_string_equal(text, expected);
        assert_true(num_parse_i64(text, strlen(text), &v));
        assert_int_equal(v, values[i]);
    }
    assert_true(num_parse_i64("+0012x", 5, &v));
    assert_int_equal(v, 12);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(num_parse_i64(wrong[i], strlen(wrong[i]), &v));
}

/* What Python's repr says of these, less its ".0". */
static const struct {
    double value;
    const char *text;
} known[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1.0, "1"},
    {-17.0, "-17"},
    {0.1, "0.1"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1.0 / 3, "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666"},
    {1e15, "1e+15"},
    {999999999999999.0, "999999999999999"},
    {1e16, "1e+16"},
    {123456789.125, "123456789.125"},
    {1e-5, "1e-05"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {5e-324, "5e-324"},
    {1e-320, "1e-320"},
    {9007199254740993.0, "9007199254740992"},
    {5.684341886080802e-14, "5.684341886080802e-14"},
    {0x1p-1074 * 3, "1.5e-323"},
    {1e100, "1e+100"},
    {1e22, "1e+22"},
    {INFINITY, "inf"},
    {-INFINITY, "-inf"},
};

static void check_known(void)
{
    char text[NUM_TEXT];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(num_f64(text, known[i].value), strlen(known[i].text));
        assert_string_equal(text, known[i].text);
        double v;
        assert_true(num_parse_f64(text, strlen(text), &v));
        assert_memory_equal(&v, &known[i].value, 8);
    }
}

static void check_random(unsigned count)
{
    rng r = {7};
    for (unsigned i = 0; i < count; i++) {
        uint64_t bits = rng_next(&r);
        double v, again;
        char text[NUM_TEXT];
        if (i & 1)
            v = (double)(int64_t)bits / (double)(UINT64_C(1) << rng_below(&r, 60));
        else
            memcpy(&v, &bits, 8);
        size_t size = num_f64(text, v);
        assert_int_equal(size, strlen(text));
        assert_true(size < NUM_TEXT);
        assert_null(strchr(text, ','));
        assert_true(num_parse_f64(text, size, &again));
        assert_true(again == v || (isnan(v) && isnan(again)));
    }
}

static void doubles_go_both_ways_at_their_shortest(void **state)
{
    char text[NUM_TEXT];
    double v;
    check_known();
    check_random(20000);
    assert_int_equal(num_f64(text, -NAN), 3);
    assert_string_equal(text, "nan");
    assert_true(num_parse_f64("-NaN", 4, &v) && isnan(v));
    for (int e = -1074; e < 1024; e++) { /* powers of two, whose neighbours are not equally far */
        size_t size = num_f64(text, ldexp(1, e));
        assert_true(num_parse_f64(text, size, &v));
        assert_true(v == ldexp(1, e));
    }
}

/* Against the C library, on texts that try the fast path and its limits. */
static void parsing_rounds_as_the_c_library_does(void **state)
{
    static const char *const texts[] = {
        "1",
        "+1",
        "-1.5",
        ".5",
        "5.",
        "1e5",
        "1E+5",
        "1e-5",
        "123456789012345678901234567890",
        "9007199254740993",
        "9007199254740992e0",
        "9007199254740993e22",
        "0.000000000000000000000000000000000001",
        "1e400",
        "-1e400",
        "1e-400",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e99999999999",
        "1e-99999999999",
        "0e999999",
        "179769313486231580793e289",
        "8.5e22",
        "1e23",
        "3.14159265358979323846264338327950288",
        "1e022",
        "00000000000000001.5",
        "9007199254740993.0", /* halfway between two doubles, and a little beside */
        "9007199254740995.0",
        "9007199254740993.001",
        "9007199254740992.999",
        "18014398509481990.0000",
        "1152921504606847104.",
        "40.750110626220703",
        "18446744073709551615e-1",
        "9999999999999999999e-27",
        "1e-27",
        "0.000000000000000000000000000",
        "0000000000000000000000000000001.25",
    };
    static const char *const wrong[] = {"",   "-",     ".",     "e5",    "1e",     "1e+", "1,5", "0x10",  " 1",
                                        "1 ", "1.2.3", "1e5.0", "infin", "nan(1)", "--1", "+-1", "1_000", "1f"};
    double v;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(num_parse_f64(texts[i], strlen(texts[i]), &v));
        assert_true(v == strtod(texts[i], NULL));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(num_parse_f64(wrong[i], strlen(wrong[i]), &v));
    rng r = {11};
    for (int i = 0; i < 20000; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)rng_below(&r, 100000),
                         (unsigned long long)(rng_next(&r) >> rng_below(&r, 60)), (int)rng_below(&r, 60) - 30);
        assert_true(num_parse_f64(text, (size_t)n, &v));
        assert_true(v == strtod(text, NULL));
    }
    for (int i = 0; i < 100000; i++) { /* decimals of any length, a point anywhere */
        char digits[32], text[64];
        int n = sprintf(digits, "%llu", (unsigned long long)(rng_next(&r) >> rng_below(&r, 64)));
        int point = (int)rng_below(&r, (uint64_t)n + 1);
        n = sprintf(text, "%.*s.%s", point, digits, digits + point);
        assert_true(num_parse_f64(text, (size_t)n, &v));
        assert_true(v == strtod(text, NULL));
    }
    char *many = malloc(30000); /* zeros enough to tempt a count of the exponent to wrap */
    memset(many, '0', 30000);
    many[1] = '.';
    memcpy(many + 20000, "15e19999", 8);
    assert_true(num_parse_f64(many, 20008, &v));
    assert_true(v == 1.5);
    memcpy(many + 10011, "1e10000", 7);
    assert_true(num_parse_f64(many, 10018, &v));
    assert_true(v == 1e-10);
    free(many);
}

static void a_decimal_comma_changes_nothing(void **state)
{
    char dir[] = "/tmp/sdf-locale-XXXXXX", command[256];
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", dir);
    int made = system(command);
    setenv("LOCPATH", dir, 1);
    bool comma = made != -1 && setlocale(LC_ALL, "de_DE.UTF-8") && *localeconv()->decimal_point == ',';
    if (comma) {
        char text[8];
        snprintf(text, sizeof text, "%.1f", 1.5);
        assert_string_equal(text, "1,5");
        check_known();
        check_random(2000);
        double v;
        int64_t ms;
        assert_false(num_parse_f64("1,5", 3, &v));
        assert_true(num_parse_f64("1.5", 3, &v) && v == 1.5);
        assert_true(num_parse_f64("3.14159265358979323846", 22, &v) && v > 3.14 && v < 3.15);
        assert_true(num_parse_ms("1.5m", &ms) && ms == 90000);
        setlocale(LC_ALL, "C");
    }
    unsetenv("LOCPATH");
    assert_int_equal(path_remove_tree(dir, NULL), SDF_OK);
    if (!comma)
        skip(); /* no such locale here, and none can be made */
}

static void sizes_and_times_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } sizes[] = {{"0", 0},
                 {"64", 64},
                 {"64K", 65536},
                 {"64k", 65536},
                 {"64KB", 65536},
                 {"64MiB", 64 << 20},
                 {"1.5G", 3ull << 29},
                 {"2 MB", 2 << 20},
                 {"1T", 1ull << 40},
                 {"7B", 7},
                 {"9007199254740993", 9007199254740993ull},
                 {"0.5K", 512}};
    static const char *const wrong[] = {"",  "K",     "1X",        "-1",  "1.2.3K",
                                        ".", "1 K B", "16777216T", "1e3", "99999999999999999999"};
    static const struct {
        const char *text;
        int64_t value;
    } times[] = {{"250ms", 250},   {"2s", 2000}, {"2", 2000},   {"1.5m", 90000},  {"1h", 3600000},
                 {"1d", 86400000}, {"0", 0},     {"0.25", 250}, {"3 min", 180000}};
    static const char *const wrong_times[] = {"", "ms", "-1s", "1w", "1e9", "99999999999999999h", "1 s s"};
    uint64_t size;
    int64_t ms;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_true(num_parse_size(sizes[i].text, &size));
        assert_int_equal(size, sizes[i].value);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(num_parse_size(wrong[i], &size));
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        assert_true(num_parse_ms(times[i].text, &ms));
        assert_int_equal(ms, times[i].value);
    }
    for (size_t i = 0; i < sizeof wrong_times / sizeof *wrong_times; i++)
        assert_false(num_parse_ms(wrong_times[i], &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_go_both_ways),
        cmocka_unit_test(doubles_go_both_ways_at_their_shortest),
        cmocka_unit_test(parsing_rounds_as_the_c_library_does),
        cmocka_unit_test(a_decimal_comma_changes_nothing),
        cmocka_unit_test(sizes_and_times_have_units),
    };
    return cmocka_run_group_tests_name("base/num", tests, NULL, NULL);
}
