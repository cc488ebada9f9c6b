/* Buffers, JSON strings, base64, and wire fields: edges, and readers that never run past their end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/base64.h"
#include "base/batch.h"
#include "base/timebase.h"
#include "base/wire.h"

static void assert_json(const char *text, size_t size, const char *expected)
{
    buf b = BUF_EMPTY;
    assert_int_equal(buf_json_string(&b, text, size), SDF_OK);
    char *got = buf_take_text(&b);
    assert_string_equal(got, expected);
    free(got);
}

static void json_strings_are_valid_whatever_goes_in(void **state)
{
    assert_json(NULL, 0, "\"\"");
    assert_json("a\"b\\c\n\t\r\x01\x7f", 10, "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\"");
    assert_json("\0", 1, "\"\\u0000\"");
    assert_json("gr\xc3\xb6\xc3\x9f"
                "e \xe2\x82\xac \xf0\x9f\x98\x80",
                16,
                "\"gr\xc3\xb6\xc3\x9f"
                "e \xe2\x82\xac \xf0\x9f\x98\x80\"");
    assert_json("\xff"
                "a\xc3",
                3,
                "\"\xef\xbf\xbd"
                "a\xef\xbf\xbd\"");
    assert_json("\xc0\x80", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");                                   /* overlong */
    assert_json("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");                   /* surrogate */
    assert_json("\xf4\x90\x80\x80x", 5, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""); /* past U+10FFFF */
    assert_true(buf_is_utf8("", 0));
    assert_true(buf_is_utf8("\xed\x9f\xbf\xee\x80\x80", 6));
    assert_false(buf_is_utf8("ok\xe2\x82", 4));
}

static void a_buffer_grows_and_gives_its_text_away(void **state)
{
    buf b = BUF_EMPTY;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_printf(&b, "%d,", i), SDF_OK);
    assert_int_equal(b.size, 10 * 2 + 90 * 3 + 900 * 4);
    buf_clear(&b);
    assert_int_equal(buf_text(&b, "abc"), SDF_OK);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 1), SDF_E_NO_MEMORY);
    assert_int_equal(b.size, 3);
    char *text = buf_take_text(&b);
    assert_string_equal(text, "abc");
    assert_null(b.data);
    free(text);
    buf_free(&b);
}

static void base64_goes_both_ways_and_refuses_the_rest(void **state)
{
    static const struct {
        const char *bytes, *text;
    } known[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
    static const char *const wrong[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm 9", "Zm9v\n", "=m9v"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        buf a = BUF_EMPTY, b = BUF_EMPTY;
        size_t size = strlen(known[i].bytes);
        assert_int_equal(base64_append(&a, known[i].bytes, size), SDF_OK);
        assert_int_equal(a.size, strlen(known[i].text));
        if (a.size)
            assert_memory_equal(a.data, known[i].text, a.size);
        assert_int_equal(base64_decode(&b, known[i].text, a.size), SDF_OK);
        assert_int_equal(b.size, size);
        if (size)
            assert_memory_equal(b.data, known[i].bytes, size);
        buf_free(&a);
        buf_free(&b);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        buf b = BUF_EMPTY;
        assert_int_equal(base64_decode(&b, wrong[i], strlen(wrong[i])), SDF_E_CORRUPT);
        assert_int_equal(b.size, 0);
        buf_free(&b);
    }
}

static const uint64_t edges[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};

static void put_all(buf *b)
{
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        assert_int_equal(wire_put_u8(b, (uint8_t)edges[i]), SDF_OK);
        assert_int_equal(wire_put_u16(b, (uint16_t)edges[i]), SDF_OK);
        assert_int_equal(wire_put_u32(b, (uint32_t)edges[i]), SDF_OK);
        assert_int_equal(wire_put_u64(b, edges[i]), SDF_OK);
        assert_int_equal(wire_put_varint(b, edges[i]), SDF_OK);
    }
    assert_int_equal(wire_put_text(b, "text"), SDF_OK);
    assert_int_equal(wire_put_text(b, NULL), SDF_OK);
    assert_int_equal(wire_put_bytes(b, "a\0b", 3), SDF_OK);
}

static void get_all(wire_reader *r, bool check)
{
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        uint64_t a = wire_u8(r), b = wire_u16(r), c = wire_u32(r), d = wire_u64(r), e = wire_varint(r);
        if (!check)
            continue;
        assert_int_equal(a, (uint8_t)edges[i]);
        assert_int_equal(b, (uint16_t)edges[i]);
        assert_int_equal(c, (uint32_t)edges[i]);
        assert_int_equal(d, edges[i]);
        assert_int_equal(e, edges[i]);
    }
    char *text = wire_text(r, 4), *none = wire_text(r, 0);
    sdf_slice bytes = wire_bytes(r, 3);
    if (check) {
        assert_string_equal(text, "text");
        assert_string_equal(none, "");
        assert_int_equal(bytes.size, 3);
    }
    free(text);
    free(none);
}

static void fields_come_back_and_a_short_reader_turns_bad(void **state)
{
    buf b = BUF_EMPTY;
    put_all(&b);
    wire_reader r = wire_read(b.data, b.size);
    get_all(&r, true);
    assert_false(r.bad);
    assert_int_equal(wire_left(&r), 0);
    for (size_t size = 0; size < b.size; size++) {
        void *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
        if (size)
            memcpy(exact, b.data, size);
        r = wire_read(exact, size);
        get_all(&r, false);
        assert_true(r.bad);
        assert_false(r.no_memory);
        assert_int_equal(wire_left(&r), 0);
        free(exact);
    }
    buf_free(&b);
    r = wire_read(NULL, 0);
    assert_int_equal(wire_u8(&r), 0);
    assert_true(r.bad);
}

static void assert_bad(const char *bytes, size_t size, size_t limit, int kind)
{
    wire_reader r = wire_read(bytes, size);
    if (kind == 0)
        assert_int_equal(wire_varint(&r), 0);
    else if (kind == 1)
        assert_int_equal(wire_bytes(&r, limit).size, 0);
    else
        assert_null(wire_text(&r, limit));
    assert_true(r.bad);
}

static void hostile_lengths_are_refused(void **state)
{
    assert_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, 0, 0); /* 65 bits */
    assert_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 11, 0, 0);
    assert_bad("\x80\x80\x80", 3, 0, 0);
    assert_bad("\x05"
               "abcd",
               5, 100, 1);
    assert_bad("\x04"
               "abcd",
               5, 3, 1);
    assert_bad("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
               "a",
               11, SIZE_MAX, 1);
    assert_bad("\x02"
               "a\0",
               3, 100, 2);
}

static void batches_answer_for_every_layout(void **state)
{
    static const sdf_slice slices[] = {{"a", 1}, {"bcd", 3}};
    static const uint32_t offsets[] = {0, 2, 2};
    const int64_t numbers[] = {7, -7};
    const double d = 2.5;
    sdf_batch b = {.count = 2};
    sdf_slice s;
    column_set_slices(&b.key, slices);
    column_set_fixed(&b.value, numbers, 8);
    assert_int_equal(sdf_batch_count(&b), 2);
    sdf_batch_get(&b, SDF_KEY, 1, &s);
    assert_memory_equal(s.data, "bcd", 3);
    sdf_batch_get(&b, SDF_VALUE, 1, &s);
    assert_int_equal(sdf_slice_i64(&s), -7);
    sdf_batch_get(&b, SDF_VALUE, 2, &s);
    assert_int_equal(s.size, 0);
    sdf_column tail = column_from(&b.value, 1);
    s = column_get(&tail, 0);
    assert_int_equal(sdf_slice_i64(&s), -7);
    b.key = (sdf_column){.layout = SDF_LAYOUT_OFFSETS, .data = "xy", .offsets = offsets};
    sdf_batch_get(&b, SDF_KEY, 0, &s);
    assert_int_equal(s.size, 2);
    sdf_batch_get(&b, SDF_KEY, 1, &s);
    assert_int_equal(s.size, 0);
    column_set_const(&b.value, &d, 8);
    sdf_batch_get(&b, SDF_VALUE, 1, &s);
    assert_true(sdf_slice_f64(&s) == 2.5);
    assert_null(sdf_batch_column(&b, 2));
    assert_null(sdf_batch_column(NULL, SDF_KEY));
    assert_int_equal(sdf_batch_count(NULL), 0);
    s = (sdf_slice){"1234567", 7};
    assert_int_equal(sdf_slice_i64(&s), 0);
    assert_int_equal(sdf_slice_i64(NULL), 0);
}

static void the_generator_is_the_published_one(void **state)
{
    rng r = {1234567}; /* SplitMix64's reference values */
    assert_int_equal(rng_next(&r), UINT64_C(6457827717110365317));
    assert_int_equal(rng_next(&r), UINT64_C(3203168211198807973));
    assert_int_equal(rng_below(&r, 0), 0);
    for (int i = 0; i < 1000; i++) {
        assert_in_range(rng_below(&r, 7), 0, 6);
        double u = rng_unit(&r);
        assert_true(u >= 0 && u < 1);
    }
    assert_int_not_equal(rng_seed(), rng_seed());
    assert_true(timebase_now(&timebase_real) > INT64_C(1600000000000));
    int64_t before = timebase_monotonic_us();
    assert_true(timebase_monotonic_us() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings_are_valid_whatever_goes_in),
        cmocka_unit_test(a_buffer_grows_and_gives_its_text_away),
        cmocka_unit_test(base64_goes_both_ways_and_refuses_the_rest),
        cmocka_unit_test(fields_come_back_and_a_short_reader_turns_bad),
        cmocka_unit_test(hostile_lengths_are_refused),
        cmocka_unit_test(batches_answer_for_every_layout),
        cmocka_unit_test(the_generator_is_the_published_one),
    };
    return cmocka_run_group_tests_name("base/buf_wire", tests, NULL, NULL);
}
