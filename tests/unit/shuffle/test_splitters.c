/* Splitters: balance and order against a naive oracle, heavy keys, every kind, hostile bytes. */
#include "records.h"

#include "base/buf.h"
#include "base/wire.h"
#include "shuffle/splitters.h"

static type_kind sort_kind;
static int by_order(const void *a, const void *b)
{
    return type_compare(sort_kind, a, b);
}

/* Samples some of `keys` over `tasks` tasks of uneven size, makes splitters. */
static buf make(const values *keys, type_kind kind, size_t tasks, size_t per_task, uint32_t partitions, rng *r)
{
    buf *samples = calloc(tasks, sizeof *samples);
    sdf_slice *slices = calloc(tasks, sizeof *slices), *picked = calloc(per_task, sizeof *picked);
    size_t at = 0;
    for (size_t t = 0; t < tasks; t++) {
        size_t n = t + 1 == tasks ? keys->count - at : rng_below(r, 2 * keys->count / tasks);
        n = n < keys->count - at ? n : keys->count - at;
        size_t take = n < per_task ? n : per_task;
        for (size_t i = 0; i < take; i++)
            picked[i] = keys->at[at + i * n / take];
        assert_int_equal(samples_encode(picked, take, n, &samples[t]), SDF_OK);
        slices[t] = buf_slice(&samples[t]);
        at += n;
    }
    buf out = BUF_EMPTY;
    assert_ok(splitters_make(kind, slices, tasks, partitions, &out, err));
    for (size_t t = 0; t < tasks; t++)
        buf_free(&samples[t]);
    free(samples);
    free(slices);
    free(picked);
    return out;
}

/* The partition by looking at every splitter in turn. */
static uint32_t naive_find(const sdf_slice *known, uint32_t count, type_kind kind, bool descending,
                           const sdf_slice *key)
{
    uint32_t n = 0;
    while (n < count && type_compare(kind, &known[n], key) <= 0)
        n++;
    return descending ? count - n : n;
}

static uint32_t decode(const buf *b, sdf_slice *out)
{
    wire_reader in = wire_read(b->data, b->size);
    wire_u8(&in);
    wire_u8(&in);
    uint32_t n = (uint32_t)wire_varint(&in);
    for (uint32_t i = 0; i < n; i++)
        out[i] = wire_bytes(&in, SAMPLE_KEY_MAX);
    assert_false(in.bad);
    return n;
}

static void check(values *keys, type_kind kind, uint32_t partitions, double tolerance)
{
    rng r = {partitions};
    buf encoded = make(keys, kind, 7, 400, partitions, &r);
    sdf_slice *known = calloc(partitions + 1, sizeof *known);
    uint32_t count = decode(&encoded, known);
    uint64_t *sizes = calloc(partitions, sizeof *sizes);
    assert_true(count < partitions);
    for (int descending = 0; descending < 2; descending++) {
        splitters *s = NULL;
        assert_ok(splitters_open(kind, encoded.data, encoded.size, descending, partitions, &s, err));
        memset(sizes, 0, partitions * sizeof *sizes);
        for (size_t i = 0; i < keys->count; i++) {
            uint32_t p = splitters_find(s, &keys->at[i]);
            assert_true(p < partitions);
            assert_int_equal(p, naive_find(known, count, kind, descending, &keys->at[i]));
            sizes[p]++;
        }
        /* Sorted keys give partitions that never go back. */
        sdf_slice *sorted = malloc((keys->count + 1) * sizeof *sorted);
        memcpy(sorted, keys->at, keys->count * sizeof *sorted);
        sort_kind = kind;
        qsort(sorted, keys->count, sizeof *sorted, by_order);
        for (size_t i = 1; i < keys->count; i++) {
            uint32_t a = splitters_find(s, &sorted[i - 1]), b = splitters_find(s, &sorted[i]);
            assert_true(descending ? a >= b : a <= b);
            if (type_compare(kind, &sorted[i - 1], &sorted[i]) == 0)
                assert_int_equal(a, b);
        }
        free(sorted);
        for (uint32_t p = 0; p < partitions && tolerance > 0; p++)
            assert_true(sizes[p] < (double)keys->count / partitions * tolerance);
        splitters_close(s);
    }
    free(known);
    free(sizes);
    buf_free(&encoded);
}

static void test_balance_and_order(void **state)
{
    static const uint32_t partitions[] = {1, 2, 7, 64};
    rng r = {17};
    for (size_t i = 0; i < 4; i++) {
        values v = values_make(&r, SHAPE_FIXED, 20000);
        check(&v, TYPE_BYTES, partitions[i], 1.8);
        values_free(&v);
        v = values_make(&r, SHAPE_I64, 20000);
        check(&v, TYPE_I64, partitions[i], 1.8);
        values_free(&v);
        v = values_make(&r, SHAPE_F64, 20000); /* any bits: infinities, NaNs */
        check(&v, TYPE_F64, partitions[i], 1.8);
        values_free(&v);
        v = values_make(&r, SHAPE_SHORT, 5000); /* 1 in 21 is empty */
        check(&v, TYPE_BYTES, partitions[i], 0);
        values_free(&v);
        v = values_make(&r, SHAPE_SAME, 1000);
        check(&v, TYPE_BYTES, partitions[i], 0);
        values_free(&v);
        v = values_make(&r, SHAPE_EMPTY, 100);
        check(&v, TYPE_NULL, partitions[i], 0);
        values_free(&v);
        v = values_make(&r, SHAPE_I8, 3000); /* few distinct */
        check(&v, TYPE_I64, partitions[i], 0);
        values_free(&v);
    }
}

/* Keys that share their first bytes, with zero bytes and prefixes of each other. */
static void test_long_common_prefixes(void **state)
{
    rng r = {5};
    values v = {5000, malloc(5000 * sizeof(sdf_slice))};
    for (size_t i = 0; i < v.count; i++) {
        char *p = calloc(1, 40);
        size_t n = 9 + rng_below(&r, 6);
        memcpy(p, rng_below(&r, 2) ? "http://www.a" : "http://\0\0ww.a", 12);
        for (size_t k = 8; k < n; k++)
            p[k] = (char)rng_below(&r, 3);
        v.at[i] = (sdf_slice){p, rng_below(&r, 10) ? n : rng_below(&r, 10)};
    }
    check(&v, TYPE_BYTES, 50, 0);
    check(&v, TYPE_TUPLE, 9, 0);
    values_free(&v);
}

/* One key is half of all: it costs its own partition and the rest is even. */
static void test_heavy_key(void **state)
{
    rng r = {6};
    values v = values_make(&r, SHAPE_FIXED, 20000);
    for (size_t i = 0; i < v.count; i++)
        if (rng_below(&r, 2))
            memcpy((void *)v.at[i].data, "dddddddddd", 10);
    buf encoded = make(&v, TYPE_BYTES, 5, 1000, 11, &r);
    splitters *s = NULL;
    uint64_t sizes[11] = {0};
    assert_ok(splitters_open(TYPE_BYTES, encoded.data, encoded.size, false, 11, &s, err));
    for (size_t i = 0; i < v.count; i++)
        sizes[splitters_find(s, &v.at[i])]++;
    sdf_slice heavy = {"dddddddddd", 10};
    uint32_t h = splitters_find(s, &heavy);
    assert_true(sizes[h] >= 9500 && sizes[h] < 11500);
    for (uint32_t p = 0; p < 11; p++)
        assert_true(p == h || sizes[p] < 1600);
    splitters_close(s);
    buf_free(&encoded);
    values_free(&v);
}

static void test_weights_count(void **state)
{
    /* Task 0 has 1,000,000 records below "m" behind 2 keys, task 1 has 10 above it behind 3. */
    sdf_slice low[2] = {{"c", 1}, {"f", 1}}, high[3] = {{"p", 1}, {"q", 1}, {"r", 1}};
    buf a = BUF_EMPTY, b = BUF_EMPTY, out = BUF_EMPTY;
    samples_encode(low, 2, 1000000, &a);
    samples_encode(high, 3, 10, &b);
    sdf_slice samples[3] = {buf_slice(&a), {NULL, 0}, buf_slice(&b)}, keys[2];
    assert_ok(splitters_make(TYPE_BYTES, samples, 3, 2, &out, err));
    assert_int_equal(decode(&out, keys), 1);
    assert_memory_equal(keys[0].data, "f", 1);
    buf_free(&a);
    buf_free(&b);
    buf_free(&out);
}

static void test_nothing_sampled(void **state)
{
    buf out = BUF_EMPTY, none = BUF_EMPTY;
    splitters *s = NULL;
    sdf_slice key = {"x", 1};
    samples_encode(NULL, 0, 0, &none);
    sdf_slice samples[2] = {buf_slice(&none), {NULL, 0}};
    assert_ok(splitters_make(TYPE_BYTES, samples, 2, 100, &out, err));
    assert_ok(splitters_open(TYPE_BYTES, out.data, out.size, true, 100, &s, err));
    assert_int_equal(splitters_find(s, &key), 0);
    splitters_close(s);
    assert_ok(splitters_open(TYPE_BYTES, NULL, 0, false, 1, &s, err));
    assert_int_equal(splitters_find(s, &key), 0);
    splitters_close(s);
    buf_free(&out);
    buf_free(&none);
}

static void test_large_keys_are_cut(void **state)
{
    char *a = malloc(10000), *b = malloc(10000);
    memset(a, 'a', 10000);
    memset(b, 'b', 10000);
    sdf_slice keys[2] = {{a, 10000}, {b, 10000}};
    buf sample = BUF_EMPTY, out = BUF_EMPTY;
    samples_encode(keys, 2, 2, &sample);
    assert_true(sample.size < 2 * SAMPLE_KEY_MAX + 20);
    sdf_slice samples = buf_slice(&sample);
    splitters *s = NULL;
    assert_ok(splitters_make(TYPE_BYTES, &samples, 1, 5, &out, err));
    assert_ok(splitters_open(TYPE_BYTES, out.data, out.size, false, 5, &s, err));
    assert_true(splitters_find(s, &keys[0]) < splitters_find(s, &keys[1]));
    splitters_close(s);
    buf_free(&sample);
    buf_free(&out);
    free(a);
    free(b);
}

static void test_hostile_bytes(void **state)
{
    rng r = {7};
    values v = values_make(&r, SHAPE_SHORT, 40);
    buf sample = BUF_EMPTY, out = BUF_EMPTY, junk = BUF_EMPTY;
    samples_encode(v.at, v.count, 40, &sample);
    sdf_slice all = buf_slice(&sample);
    assert_ok(splitters_make(TYPE_BYTES, &all, 1, 8, &out, err));
    for (size_t cut = 1; cut < sample.size; cut++) {
        uint8_t *exact = malloc(cut);
        memcpy(exact, sample.data, cut);
        sdf_slice s = {exact, cut};
        assert_true(splitters_make(TYPE_BYTES, &s, 1, 8, &junk, NULL) == SDF_E_CORRUPT);
        free(exact);
    }
    for (size_t cut = 1; cut < out.size; cut++) {
        uint8_t *exact = malloc(cut);
        memcpy(exact, out.data, cut);
        splitters *s = NULL;
        assert_fails(SDF_E_CORRUPT, splitters_open(TYPE_BYTES, exact, cut, false, 8, &s, err));
        free(exact);
    }
    for (size_t i = 0; i < sample.size * 8; i++) {
        sample.data[i / 8] ^= (uint8_t)(1u << (i % 8));
        splitters_make(TYPE_BYTES, &all, 1, 8, &junk, NULL);
        buf_clear(&junk);
        sample.data[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t i = 0; i < out.size * 8; i++) {
        out.data[i / 8] ^= (uint8_t)(1u << (i % 8));
        splitters *s = NULL;
        if (splitters_open(TYPE_BYTES, out.data, out.size, false, 8, &s, NULL) == SDF_OK) {
            for (size_t k = 0; k < v.count; k++)
                assert_true(splitters_find(s, &v.at[k]) < 8);
            splitters_close(s);
        }
        out.data[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    splitters *s = NULL;
    assert_fails(SDF_E_CORRUPT, splitters_open(TYPE_BYTES, out.data, out.size, false, 7, &s, err));
    assert_fails(SDF_E_CORRUPT, splitters_open(TYPE_I64, out.data, out.size, false, 8, &s, err));
    buf_free(&sample);
    buf_free(&out);
    buf_free(&junk);
    values_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balance_and_order), cmocka_unit_test(test_long_common_prefixes),
        cmocka_unit_test(test_heavy_key),         cmocka_unit_test(test_weights_count),
        cmocka_unit_test(test_nothing_sampled),   cmocka_unit_test(test_large_keys_are_cut),
        cmocka_unit_test(test_hostile_bytes),
    };
    return cmocka_run_group_tests_name("shuffle/splitters", tests, NULL, NULL);
}
