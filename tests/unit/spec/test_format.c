/* Raw values as text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <sdf/key.h>
#include <sdf/record.h>

#include "base/timebase.h"

/* Builds an encoding from a little language: n null, iN integer, fN double, 'text' bytes, ( ) tuple. */
static sdf_slice build(const char *p, uint8_t out[512])
{
    size_t n = 0;
    char *end;
    for (; *p; p++) {
        if (*p == 'n')
            sdf_key_put_null(out, 512, &n);
        else if (*p == '(')
            sdf_key_begin_tuple(out, 512, &n);
        else if (*p == ')')
            sdf_key_end_tuple(out, 512, &n);
        else if (*p == 'i')
            sdf_key_put_i64(out, 512, &n, strtoll(p + 1, &end, 10)), p = end - 1;
        else if (*p == 'f')
            sdf_key_put_f64(out, 512, &n, strtod(p + 1, &end)), p = end - 1;
        else if (*p == '\'') {
            sdf_slice s = {p + 1, strcspn(p + 1, "'")};
            sdf_key_put_bytes(out, 512, &n, &s);
            p += s.size + 1;
        }
    }
    return (sdf_slice){out, n};
}

static void assert_text(const char *type, sdf_slice raw, const char *expected)
{
    char text[600];
    size_t size = strlen(expected);
    memset(text, 'x', sizeof text);
    assert_int_equal(sdf_format(type, &raw, NULL, 0), size);
    assert_int_equal(sdf_format(type, &raw, text, sizeof text), size);
    assert_string_equal(text, expected);
    for (size_t room = 1; room <= size; room++) {
        memset(text, 'x', sizeof text);
        assert_int_equal(sdf_format(type, &raw, text, room), size);
        assert_int_equal(strlen(text), room - 1);
        assert_memory_equal(text, expected, room - 1);
        assert_int_equal(text[room], 'x');
    }
}

static void plain_types(void **state)
{
    const int64_t i = -42;
    const double d = 0.1;
    assert_text("bytes", (sdf_slice){"a\tb", 3}, "a\tb");
    assert_text(NULL, (sdf_slice){NULL, 0}, "");
    assert_text("i64", (sdf_slice){&i, 8}, "-42");
    assert_text(" f64", (sdf_slice){&d, 8}, "0.1");
    assert_text("null", (sdf_slice){NULL, 0}, "");
    sdf_slice bad = {"abc", 3};
    char text[8];
    assert_int_equal(sdf_format("i64", &bad, text, 8), SDF_E_CORRUPT);
    assert_int_equal(sdf_format("null", &bad, text, 8), SDF_E_CORRUPT);
    assert_int_equal(sdf_format("i65", &bad, text, 8), SDF_E_TYPE);
}

static void encoded_types(void **state)
{
    static const char *const cases[][3] = {
        {"tuple(i64,bytes)", "(i7'x y')", "7\tx y"},
        {"tuple(i64)", "(i-9223372036854775807)", "-9223372036854775807"},
        {"tuple(f64,f64,f64)", "(f1e15i3f0.5)", "1e+15\t3\t0.5"},
        {"tuple(i64,tuple(bytes,i64),null)", "(i1('a'i2)n)", "1\t(a,2)\t"},
        {"tuple(tuple(tuple(i64,i64),i64))", "(((i1i2)i3))", "((1,2),3)"},
        {"optional(i64)", "n", ""},
        {"optional(i64)", "i5", "5"},
        {"optional(optional(bytes))", "'z'", "z"},
        {"optional(tuple(i64,optional(bytes)))", "(i1n)", "1\t"},
        {"tuple(optional(tuple(i64)),i64)", "((i1)i2)", "(1)\t2"},
        {"any", "n", ""},
        {"any", "(i1000000000000000f1.5'a'(nn)())", "1000000000000000\t1.5\ta\t(,)\t()"},
        {"any", "()", ""},
        {"tuple(any,any)", "((i1)'b')", "(1)\tb"},
    };
    uint8_t bytes[512];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_text(cases[i][0], build(cases[i][1], bytes), cases[i][2]);
    size_t n = 0;
    sdf_slice zeros = {"a\0b\0", 4};
    char text[16];
    sdf_key_put_bytes(bytes, sizeof bytes, &n, &zeros);
    sdf_slice raw = {bytes, n};
    assert_int_equal(sdf_format("any", &raw, text, sizeof text), 4);
    assert_memory_equal(text, "a\0b\0", 5);
}

static void values_that_do_not_fit_their_type(void **state)
{
    static const char *const cases[][2] = {
        {"tuple(i64)", "i1"},
        {"tuple(i64)", "(i1i2)"},
        {"tuple(i64,i64)", "(i1)"},
        {"tuple(i64)", "('a')"},
        {"tuple(i64)", "(f0.5)"},
        {"tuple(bytes)", "(i1)"},
        {"tuple(i64)", "(n)"},
        {"tuple(i64)", "(i1"},
        {"optional(i64)", "'a'"},
        {"any", ""},
        {"any", "i1i2"},
        {"any", "(i1"},
        {"any", ")"},
        {"tuple(tuple(i64))", "(i1)"},
        {"tuple(i64)", "()"},
        {"optional(f64)", "(f1)"},
    };
    uint8_t bytes[512];
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sdf_slice raw = build(cases[i][1], bytes);
        assert_int_equal(sdf_format(cases[i][0], &raw, text, sizeof text), SDF_E_CORRUPT);
    }
    memset(bytes, SDF_ITEM_TUPLE, sizeof bytes); /* deeper than any value may be */
    sdf_slice raw = {bytes, sizeof bytes};
    assert_int_equal(sdf_format("any", &raw, text, sizeof text), SDF_E_CORRUPT);
}

static void random_bytes_are_text_or_corrupt(void **state)
{
    static const uint8_t likely[] = {0x00, 0x10, 0x20, 0x30, 0x40, 0xff, 0xbf, 0xc0};
    static const char *const types[] = {"any", "tuple(any)", "optional(bytes)", "tuple(tuple(i64,any),optional(any))"};
    rng r = {17};
    for (int i = 0; i < 50000; i++) {
        size_t size = rng_below(&r, 32);
        uint8_t *bytes = malloc(size ? size : 1);
        char text[16];
        for (size_t k = 0; k < size; k++)
            bytes[k] = rng_below(&r, 4) ? likely[rng_below(&r, 8)] : (uint8_t)rng_next(&r);
        sdf_slice raw = {bytes, size};
        int64_t n = sdf_format(types[i % 4], &raw, text, sizeof text);
        assert_true(n >= 0 || n == SDF_E_CORRUPT);
        free(bytes);
    }
}

static void nothing_is_no_bytes(void **state)
{
    char text[8] = "x";
    assert_int_equal(sdf_format(NULL, NULL, text, sizeof text), 0);
    assert_string_equal(text, "");
    assert_int_equal(sdf_format("i64", NULL, text, sizeof text), SDF_E_CORRUPT);
    assert_true(sdf_partition_hash(NULL, NULL) == sdf_partition_hash("bytes", &(sdf_slice){"", 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_types),
        cmocka_unit_test(encoded_types),
        cmocka_unit_test(values_that_do_not_fit_their_type),
        cmocka_unit_test(random_bytes_are_text_or_corrupt),
        cmocka_unit_test(nothing_is_no_bytes),
    };
    return cmocka_run_group_tests_name("spec/format", tests, NULL, NULL);
}
