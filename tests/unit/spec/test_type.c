/* Types: canonical text, refusals that show the place, order and equality of raw values. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "spec/type.h"

static void types_become_canonical(void **state)
{
    static const char *const cases[][2] = {
        {NULL, "bytes"},
        {"bytes", "bytes"},
        {" i64 ", "i64"},
        {"f64", "f64"},
        {"null", "null"},
        {"any", "any"},
        {"tuple( i64 ,bytes )", "tuple(i64,bytes)"},
        {"optional ( f64 )", "optional(f64)"},
        {"tuple(tuple(i64,optional(bytes)),\tany)", "tuple(tuple(i64,optional(bytes)),any)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *canonical = NULL, *again = NULL;
        assert_int_equal(type_parse(cases[i][0], &canonical, NULL), SDF_OK);
        assert_string_equal(canonical, cases[i][1]);
        assert_int_equal(type_parse(canonical, &again, NULL), SDF_OK);
        assert_true(type_equal(canonical, again));
        free(canonical);
        free(again);
    }
    assert_int_equal(type_of("optional(i64)"), TYPE_OPTIONAL);
    assert_int_equal(type_of("tuple(i64)"), TYPE_TUPLE);
    assert_int_equal(type_of(NULL), TYPE_BYTES);
    assert_true(type_equal(NULL, "bytes"));
    assert_false(type_equal("i64", "f64"));
}

static void wrong_types_are_refused_at_their_place(void **state)
{
    static const struct {
        const char *text, *place;
    } cases[] = {
        {"", "character 1"},
        {"i65", "character 1"},
        {"I64", "character 1"},
        {"tuple", "character 6"},
        {"tuple()", "character 7"},
        {"tuple(i64", "character 10"},
        {"tuple(i64,)", "character 11"},
        {"tuple(i64;f64)", "character 10"},
        {"optional(i64,i64)", "character 13"},
        {"i64 f64", "character 5"},
        {"bytes)", "character 6"},
        {"i64(1)", "character 4"},
        {"tuple(i64)\x01", "character 11"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *canonical = NULL;
        sdf_error *err = NULL;
        assert_int_equal(type_parse(cases[i].text, &canonical, &err), SDF_E_TYPE);
        assert_null(canonical);
        if (!strstr(sdf_error_message(err), cases[i].place))
            fail_msg("\"%s\": %s", cases[i].text, sdf_error_message(err));
        assert_true(*sdf_error_hint(err) != '\0');
        sdf_error_free(err);
    }
}

static void depth_and_length_are_limited(void **state)
{
    char text[2000] = "", *canonical;
    for (int i = 0; i < 31; i++)
        strcat(text, "tuple(");
    strcat(text, "i64");
    for (int i = 0; i < 31; i++)
        strcat(text, ")");
    assert_int_equal(type_parse(text, &canonical, NULL), SDF_OK);
    free(canonical);
    char deeper[2100] = "optional(";
    strcat(deeper, text);
    strcat(deeper, ")");
    assert_int_equal(type_parse(deeper, &canonical, NULL), SDF_E_TYPE);
    memset(text, '(', 1500);
    text[1500] = '\0';
    assert_int_equal(type_parse(text, &canonical, NULL), SDF_E_LIMIT);
}

static int sign(int c)
{
    return (c > 0) - (c < 0);
}

/* The order is `expected`'s, both ways round, and the prefix never contradicts it. */
static void assert_order(type_kind k, sdf_slice a, sdf_slice b, int expected)
{
    assert_int_equal(sign(type_compare(k, &a, &b)), expected);
    assert_int_equal(sign(type_compare(k, &b, &a)), -expected);
    uint64_t x = type_order_prefix(k, a.data, a.size), y = type_order_prefix(k, b.data, b.size);
    if (expected)
        assert_true(expected < 0 ? x <= y : x >= y);
    else
        assert_int_equal(x, y);
}

static void numbers_are_in_order(void **state)
{
    static const int64_t ints[] = {INT64_MIN, INT64_MIN + 1, -256, -1, 0, 1, 255, 256, INT64_MAX};
    const double doubles[] = {-INFINITY, -1e300, -1.5, -5e-324, -0.0, 0.0, 5e-324, 1.5, 1e300, INFINITY, NAN, -NAN};
    static const int place[] = {0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 9};
    for (size_t i = 0; i < 9; i++)
        for (size_t j = 0; j < 9; j++)
            assert_order(TYPE_I64, (sdf_slice){&ints[i], 8}, (sdf_slice){&ints[j], 8}, (i > j) - (i < j));
    for (size_t i = 0; i < 12; i++)
        for (size_t j = 0; j < 12; j++)
            assert_order(TYPE_F64, (sdf_slice){&doubles[i], 8}, (sdf_slice){&doubles[j], 8},
                         (place[i] > place[j]) - (place[i] < place[j]));
    assert_order(TYPE_NULL, (sdf_slice){NULL, 0}, (sdf_slice){NULL, 0}, 0);
    /* Raw numbers of the wrong size still have an order. */
    assert_order(TYPE_I64, (sdf_slice){"abc", 3}, (sdf_slice){"abcd", 4}, -1);
}

static void bytes_are_in_order(void **state)
{
    rng r = {5};
    assert_order(TYPE_BYTES, (sdf_slice){NULL, 0}, (sdf_slice){"", 0}, 0);
    assert_order(TYPE_BYTES, (sdf_slice){NULL, 0}, (sdf_slice){"\0", 1}, -1);
    assert_order(TYPE_BYTES, (sdf_slice){"a", 1}, (sdf_slice){"a\0", 2}, -1);
    for (int i = 0; i < 20000; i++) {
        uint8_t a[20], b[20];
        size_t na = rng_below(&r, 21), nb = rng_below(&r, 21), same = rng_below(&r, 21);
        for (size_t k = 0; k < 20; k++) {
            a[k] = (uint8_t)(rng_below(&r, 3) * 127);
            b[k] = k < same ? a[k] : (uint8_t)(rng_below(&r, 3) * 127);
        }
        int c = memcmp(a, b, na < nb ? na : nb);
        int expected = c ? sign(c) : (na > nb) - (na < nb);
        assert_order(TYPE_BYTES, (sdf_slice){a, na}, (sdf_slice){b, nb}, expected);
        assert_order(TYPE_TUPLE, (sdf_slice){a, na}, (sdf_slice){b, nb}, expected);
    }
}

static void doubles_have_one_form(void **state)
{
    assert_int_equal(type_canonical_f64(UINT64_C(0x8000000000000000)), 0);
    assert_int_equal(type_canonical_f64(UINT64_C(0xfff8000000000001)), UINT64_C(0x7ff8000000000000));
    assert_int_equal(type_canonical_f64(UINT64_C(0x7ff0000000000001)), UINT64_C(0x7ff8000000000000));
    assert_int_equal(type_canonical_f64(UINT64_C(0xfff0000000000000)), UINT64_C(0xfff0000000000000));
    assert_int_equal(type_canonical_f64(UINT64_C(0x8000000000000001)), UINT64_C(0x8000000000000001));
}

static void elements(void **state)
{
    static const struct {
        const char *key, *value, *element;
    } cases[] = {
        {"null", "i64", "i64"},
        {"bytes", "null", "bytes"},
        {"null", "null", "null"},
        {NULL, "tuple(i64)", "tuple(bytes,tuple(i64))"},
        {"f64", NULL, "tuple(f64,bytes)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *element = type_element(cases[i].key, cases[i].value), *canonical;
        assert_string_equal(element, cases[i].element);
        assert_int_equal(type_parse(element, &canonical, NULL), SDF_OK);
        assert_string_equal(canonical, element);
        free(canonical);
        free(element);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),
        cmocka_unit_test(types_become_canonical),
        cmocka_unit_test(wrong_types_are_refused_at_their_place),
        cmocka_unit_test(depth_and_length_are_limited),
        cmocka_unit_test(numbers_are_in_order),
        cmocka_unit_test(bytes_are_in_order),
        cmocka_unit_test(doubles_have_one_form),
    };
    return cmocka_run_group_tests_name("spec/type", tests, NULL, NULL);
}
