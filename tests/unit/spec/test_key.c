/* The ordered encoding and the partition hash against tests/vectors/, which another implementation wrote. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/key.h>

#include "base/timebase.h"

/* Tests run at the root of the sources. */
static cJSON *read_vectors(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, 1 << 20);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    return root;
}

static sdf_slice unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
    return (sdf_slice){out, n};
}

static const char *text_of(const cJSON *array, int i)
{
    return cJSON_GetArrayItem(array, i)->valuestring;
}

static double double_of(const char *hex)
{
    uint64_t bits = strtoull(hex, NULL, 16);
    double d;
    memcpy(&d, &bits, 8);
    return d;
}

static void encode(const cJSON *value, void *out, size_t capacity, size_t *length)
{
    const char *kind = text_of(value, 0);
    uint8_t bytes[1024];
    if (!strcmp(kind, "null")) {
        sdf_key_put_null(out, capacity, length);
    } else if (!strcmp(kind, "i64")) {
        sdf_key_put_i64(out, capacity, length, strtoll(text_of(value, 1), NULL, 10));
    } else if (!strcmp(kind, "f64")) {
        sdf_key_put_f64(out, capacity, length, double_of(text_of(value, 1)));
    } else if (!strcmp(kind, "bytes")) {
        sdf_slice s = unhex(text_of(value, 1), bytes);
        sdf_key_put_bytes(out, capacity, length, &s);
    } else {
        sdf_key_begin_tuple(out, capacity, length);
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetArrayItem(value, 1)) encode(item, out, capacity, length);
        sdf_key_end_tuple(out, capacity, length);
    }
}

static void check_number(const cJSON *value, int64_t i64, double f64, int exact)
{
    if (!strcmp(text_of(value, 0), "i64")) {
        assert_int_equal(exact, 1);
        assert_int_equal(i64, strtoll(text_of(value, 1), NULL, 10));
        assert_true(f64 == (double)i64);
        return;
    }
    double d = double_of(text_of(value, 1));
    assert_true(isnan(d) ? isnan(f64) : f64 == d);
    assert_false(f64 == 0 && signbit(f64));
    assert_int_equal(exact, d >= -0x1p63 && d < 0x1p63 && d == floor(d));
    if (exact)
        assert_true((double)i64 == d);
}

static void check_decoded(const cJSON *value, sdf_slice *rest)
{
    const char *kind = text_of(value, 0);
    int64_t i64 = 0;
    double f64 = 0;
    int exact = -1;
    sdf_slice bytes;
    int got = sdf_key_next(rest, &i64, &f64, &exact, &bytes);
    if (!strcmp(kind, "null")) {
        assert_int_equal(got, SDF_ITEM_NULL);
    } else if (!strcmp(kind, "bytes")) {
        uint8_t expected[1024], plain[1024];
        sdf_slice s = unhex(text_of(value, 1), expected);
        assert_int_equal(got, SDF_ITEM_BYTES);
        assert_int_equal(sdf_key_unescape(&bytes, plain), s.size);
        assert_memory_equal(plain, expected, s.size);
    } else if (!strcmp(kind, "tuple")) {
        assert_int_equal(got, SDF_ITEM_TUPLE);
        const cJSON *item;
        cJSON_ArrayForEach(item, cJSON_GetArrayItem(value, 1)) check_decoded(item, rest);
        assert_int_equal(sdf_key_next(rest, NULL, NULL, NULL, NULL), SDF_ITEM_TUPLE_END);
    } else {
        assert_int_equal(got, SDF_ITEM_NUMBER);
        check_number(value, i64, f64, exact);
    }
}

static void every_vector_goes_both_ways(void **state)
{
    cJSON *root = read_vectors("tests/vectors/keys.json");
    const cJSON *v;
    size_t count = 0;
    cJSON_ArrayForEach(v, cJSON_GetObjectItem(root, "vectors"))
    {
        uint8_t expected[2048], got[2048];
        const cJSON *value = cJSON_GetObjectItem(v, "value");
        sdf_slice s = unhex(cJSON_GetObjectItem(v, "hex")->valuestring, expected);
        size_t length = 0;
        encode(value, got, sizeof got, &length);
        assert_int_equal(length, s.size);
        assert_memory_equal(got, expected, s.size);
        sdf_slice rest = s;
        check_decoded(value, &rest);
        assert_int_equal(sdf_key_next(&rest, NULL, NULL, NULL, NULL), SDF_ITEM_END);
        for (size_t room = 0; room < s.size; room++) { /* a first pass measures and writes nothing past its room */
            memset(got, 0xaa, sizeof got);
            length = 0;
            encode(value, got, room, &length);
            assert_int_equal(length, s.size);
            for (size_t i = room; i < s.size + 16; i++)
                assert_int_equal(got[i], 0xaa);
        }
        count++;
    }
    assert_true(count > 300);
    cJSON_Delete(root);
}

static void memcmp_is_the_order_of_all_pairs(void **state)
{
    cJSON *root = read_vectors("tests/vectors/keys.json");
    const cJSON *list = cJSON_GetObjectItem(root, "vectors"), *v;
    static struct {
        uint8_t bytes[1024];
        size_t size;
        int rank;
    } all[1000];
    size_t n = 0;
    cJSON_ArrayForEach(v, list)
    {
        all[n].size = unhex(cJSON_GetObjectItem(v, "hex")->valuestring, all[n].bytes).size;
        all[n].rank = cJSON_GetObjectItem(v, "rank")->valueint;
        n++;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            size_t common = all[i].size < all[j].size ? all[i].size : all[j].size;
            int c = memcmp(all[i].bytes, all[j].bytes, common);
            if (!c)
                c = (all[i].size > all[j].size) - (all[i].size < all[j].size);
            int expected = (all[i].rank > all[j].rank) - (all[i].rank < all[j].rank);
            assert_int_equal((c > 0) - (c < 0), expected);
        }
    cJSON_Delete(root);
}

static void partitions_are_the_frozen_ones(void **state)
{
    cJSON *root = read_vectors("tests/vectors/partition.json");
    const cJSON *v, *place;
    size_t count = 0;
    cJSON_ArrayForEach(v, cJSON_GetObjectItem(root, "vectors"))
    {
        uint8_t bytes[8192];
        const char *type = cJSON_GetObjectItem(v, "type")->valuestring;
        sdf_slice raw = unhex(cJSON_GetObjectItem(v, "raw")->valuestring, bytes);
        uint64_t hash = strtoull(cJSON_GetObjectItem(v, "hash")->valuestring, NULL, 16);
        assert_int_equal(sdf_partition_hash(type, &raw), hash);
        if (!strcmp(type, "bytes"))
            assert_int_equal(sdf_partition_hash(NULL, &raw), hash);
        cJSON_ArrayForEach(place, cJSON_GetObjectItem(v, "partition"))
        {
            uint32_t partitions = (uint32_t)strtoul(place->string, NULL, 10);
            assert_int_equal(sdf_partition_of(hash, partitions), (uint32_t)place->valuedouble);
        }
        count++;
    }
    assert_true(count > 40);
    cJSON_Delete(root);
}

static void refuse(const char *hex)
{
    uint8_t bytes[64];
    sdf_slice rest = unhex(hex, bytes), before = rest;
    int kind;
    do
        kind = sdf_key_next(&rest, NULL, NULL, NULL, NULL);
    while (kind >= 0 && kind != SDF_ITEM_END);
    if (kind != SDF_E_CORRUPT)
        fail_msg("%s was taken", hex);
    assert_true(rest.size <= before.size);
}

static void what_is_not_canonical_is_refused(void **state)
{
    refuse("11"); /* no such class */
    refuse("20"); /* cut short */
    refuse("208000000000000000"
           "00");
    refuse("207fffffffffffffff"
           "0000"); /* -0 */
    refuse("20fff8000000000001"
           "0000"); /* another NaN */
    refuse("2000000000000000"
           "00"
           "0000"); /* a negative NaN */
    refuse("20bff0000000000000"
           "0001"); /* 1 and something left: that is the double 2 */
    refuse("20bff8000000000000"
           "0001"); /* 1.5 */
    refuse("20c3d0000000000000"
           "0400"); /* 2^62 + 1024 is a double */
    refuse("20c3e0000000000000"
           "0001"); /* past the range of i64 */
    refuse("30");
    refuse("3061");
    refuse("306100ff");
    refuse("4010"
           "31");
}

static void random_bytes_never_lead_astray(void **state)
{
    static const uint8_t likely[] = {0x00, 0x10, 0x20, 0x30, 0x40, 0xff, 0x80, 0x7f};
    rng r = {9};
    for (int i = 0; i < 50000; i++) {
        size_t size = rng_below(&r, 40);
        uint8_t *bytes = malloc(size ? size : 1);
        for (size_t k = 0; k < size; k++)
            bytes[k] = rng_below(&r, 2) ? likely[rng_below(&r, 8)] : (uint8_t)rng_next(&r);
        sdf_slice rest = {bytes, size};
        for (int kind = 0; kind >= 0 && kind != SDF_ITEM_END;) {
            uint8_t item[64], plain[64];
            const uint8_t *start = rest.data;
            int64_t i64;
            double f64;
            int exact;
            size_t length = 0;
            sdf_slice part;
            kind = sdf_key_next(&rest, &i64, &f64, &exact, &part);
            if (kind == SDF_ITEM_NUMBER && exact)
                sdf_key_put_i64(item, sizeof item, &length, i64);
            else if (kind == SDF_ITEM_NUMBER)
                sdf_key_put_f64(item, sizeof item, &length, f64);
            else if (kind == SDF_ITEM_BYTES) {
                part = (sdf_slice){plain, sdf_key_unescape(&part, plain)};
                sdf_key_put_bytes(item, sizeof item, &length, &part);
            } else
                continue;
            /* What was taken is canonical: written again it is the same. */
            assert_int_equal(length, (const uint8_t *)rest.data - start);
            assert_memory_equal(item, start, length);
        }
        free(bytes);
    }
}

static void null_places_are_refused(void **state)
{
    (void)state;
    uint8_t out[32];
    size_t length = 0;
    sdf_slice bytes = {"a\0b", 3};
    assert_int_equal(sdf_key_put_i64(out, sizeof out, NULL, 1), SDF_E_INVALID);
    assert_int_equal(sdf_key_put_bytes(out, sizeof out, NULL, &bytes), SDF_E_INVALID);
    assert_int_equal(sdf_key_put_bytes(NULL, 5, &length, &bytes), SDF_E_INVALID);
    assert_int_equal(sdf_key_begin_tuple(NULL, 5, &length), SDF_E_INVALID);
    length = 0;
    assert_int_equal(sdf_key_put_bytes(NULL, 0, &length, &bytes), SDF_E_LIMIT); /* only measures */
    assert_int_equal(length, 6);
    assert_int_equal(sdf_key_next(NULL, NULL, NULL, NULL, NULL), SDF_ITEM_END);
    assert_int_equal(sdf_key_unescape(NULL, out), 0);
    assert_int_equal(sdf_key_unescape(&bytes, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_goes_both_ways),    cmocka_unit_test(memcmp_is_the_order_of_all_pairs),
        cmocka_unit_test(partitions_are_the_frozen_ones), cmocka_unit_test(what_is_not_canonical_is_refused),
        cmocka_unit_test(random_bytes_never_lead_astray), cmocka_unit_test(null_places_are_refused),
    };
    return cmocka_run_group_tests_name("spec/key", tests, NULL, NULL);
}
