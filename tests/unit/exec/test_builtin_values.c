/* Values kept as they came: extremes, first, last, lists, concat, the n largest and smallest; against sorting. */
#include "folding.h"

static char *folded(const char *name, const char *type, const char *arg, const sdf_slice *values, size_t n,
                    size_t parts)
{
    folding f;
    folding_init(&f, name, type, arg, 64 << 20);
    void *state = folding_in_parts(&f, values, n, parts);
    char *text = folding_text(&f, state);
    free(state);
    folding_free(&f);
    return text;
}

static void expect(const char *name, const char *type, const char *arg, const sdf_slice *values, size_t n,
                   const char *want)
{
    for (size_t parts = 1; parts <= n + 1; parts += 1 + n / 5) {
        char *got = folded(name, type, arg, values, n, parts);
        assert_string_equal(got, want);
        free(got);
    }
}

static void test_texts(void **state)
{
    const sdf_slice v[] = {{"pear", 4}, {"", 0}, {"apple", 5}, {"fig", 3}, {"apples", 6}, {"fig", 3}};
    expect("sdf.first", "bytes", NULL, v, 6, "pear");
    expect("sdf.last", "bytes", NULL, v, 6, "fig");
    expect("sdf.first", "bytes", NULL, v + 1, 5, "");
    expect("sdf.last", "bytes", NULL, v, 2, "");
    expect("sdf.min", "bytes", NULL, v, 6, "");
    expect("sdf.max", "bytes", NULL, v, 6, "pear");
    expect("sdf.min", "bytes", NULL, v + 2, 4, "apple");
    expect("sdf.concat", "bytes", NULL, v, 6, "pear,,apple,fig,apples,fig");
    expect("sdf.concat", "bytes", " - ", v + 1, 2, " - apple");
    expect("sdf.concat", "bytes", "|", v + 1, 1, "");
    expect("sdf.list", "bytes", NULL, v, 6, "pear\t\tapple\tfig\tapples\tfig");
    expect("sdf.top", "bytes", "3", v, 6, "pear\tfig\tfig");
    expect("sdf.bottom", "bytes", "3", v, 6, "\tapple\tapples");
    expect("sdf.top", "bytes", "100", v, 6, "pear\tfig\tfig\tapples\tapple\t");
    expect("sdf.count", "bytes", NULL, v, 6, "6");
    expect("sdf.none", "bytes", NULL, v, 6, "");
}

static void test_numbers(void **state)
{
    const int64_t v[] = {5, -7, INT64_MAX, INT64_MIN, 0, 5};
    const double d[] = {2.5, -0.0, NAN, -INFINITY, 1e300};
    sdf_slice *values = slices_of_i64(v, 6), *doubles = slices_of_doubles(d, 5);
    expect("sdf.first", "i64", NULL, values, 6, "5");
    expect("sdf.last", "i64", NULL, values, 4, "-9223372036854775808");
    expect("sdf.concat", "i64", ";", values, 3, "5;-7;9223372036854775807");
    expect("sdf.top", "i64", "2", values, 6, "9223372036854775807\t5");
    expect("sdf.bottom", "i64", "3", values, 6, "-9223372036854775808\t-7\t0");
    expect("sdf.first", "f64", NULL, doubles, 5, "2.5");
    expect("sdf.top", "f64", "2", doubles, 5, "nan\t1e+300");
    expect("sdf.bottom", "f64", "2", doubles, 5, "-inf\t0");
    expect("sdf.max", "f64", NULL, doubles, 5, "nan");
    expect("sdf.min", "f64", NULL, doubles, 5, "-inf");
    expect("sdf.list", "f64", NULL, doubles, 2, "2.5\t0");
    free(values);
    free(doubles);
}

/* Encoded values keep their type. */
static void test_tuples(void **state)
{
    uint8_t a[32], b[32];
    size_t an = 0, bn = 0;
    sdf_key_begin_tuple(a, sizeof a, &an);
    sdf_key_put_i64(a, sizeof a, &an, 3);
    sdf_key_put_bytes(a, sizeof a, &an, &(sdf_slice){"z", 1});
    sdf_key_end_tuple(a, sizeof a, &an);
    sdf_key_begin_tuple(b, sizeof b, &bn);
    sdf_key_put_i64(b, sizeof b, &bn, 20);
    sdf_key_put_bytes(b, sizeof b, &bn, &(sdf_slice){"", 0});
    sdf_key_end_tuple(b, sizeof b, &bn);
    const sdf_slice v[] = {{a, an}, {b, bn}, {a, an}};
    static const char *const names[] = {"sdf.min", "sdf.max", "sdf.first", "sdf.last"};
    static const char *const want[] = {"3\tz", "20\t", "3\tz", "3\tz"};
    for (size_t i = 0; i < 4; i++)
        expect(names[i], "tuple(i64,bytes)", NULL, v, 3, want[i]);
    expect("sdf.top", "tuple(i64,bytes)", "2", v, 3, "(20,)\t(3,z)");
    expect("sdf.list", "tuple(i64,bytes)", NULL, v, 3, "(3,z)\t(20,)\t(3,z)");
    folding f;
    folding_init(&f, "sdf.list", "any", NULL, 1 << 20);
    void *s = folding_state(&f);
    assert_true(folding_add(&f, s, a, an - 1) < 0);
    free(s);
    folding_free(&f);
}

static int by_bytes(const void *a, const void *b)
{
    return type_compare(TYPE_BYTES, a, b);
}

/* Random bytes with many zeros and all lengths; the heap's block is squeezed again and again. */
static void test_tops_of_many(void **state)
{
    enum { N = 4000 };
    static const char *const counts[] = {"1", "2", "17", "1000", "5000"};
    static uint8_t room[N][80];
    sdf_slice *v = malloc(N * sizeof *v), *order = malloc(N * sizeof *order);
    rng r = {12};
    for (int shape = 0; shape < 3; shape++) {
        for (size_t i = 0; i < N; i++) {
            size_t size = rng_next(&r) % 80;
            for (size_t j = 0; j < size; j++)
                room[i][j] = (uint8_t)(rng_next(&r) % (shape ? 256 : 3));
            if (shape == 2 && size > 3) /* ascending: every one is better than all before */
                memcpy(room[i], (const uint8_t[]){(uint8_t)(i >> 8), (uint8_t)i, 0}, 3);
            order[i] = v[i] = (sdf_slice){room[i], size};
        }
        qsort(order, N, sizeof *order, by_bytes);
        for (size_t c = 0; c < 5; c++)
            for (int top = 0; top < 2; top++) {
                size_t n = (size_t)atoi(counts[c]), size = 0, at = 0;
                static uint8_t want[N * 200];
                sdf_key_begin_tuple(want, sizeof want, &size);
                for (size_t i = 0; i < n && i < N; i++)
                    sdf_key_put_bytes(want, sizeof want, &size, &order[top ? N - 1 - i : i]);
                sdf_key_end_tuple(want, sizeof want, &size);
                folding f;
                folding_init(&f, top ? "sdf.top" : "sdf.bottom", "bytes", counts[c], 1 << 30);
                for (size_t parts = 1; parts < 40; parts += 19) {
                    void *s = folding_in_parts(&f, v, N, parts);
                    buf got = folding_finish(&f, s);
                    assert_int_equal(got.size, size);
                    for (at = 0; at < size && got.data[at] == want[at]; at++)
                        continue;
                    assert_int_equal(at, size);
                    buf_free(&got);
                    free(s);
                }
                folding_free(&f);
            }
    }
    free(v);
    free(order);
}

/* Short memory is said, and the state stays as it was: with more memory the same value goes in. */
static void test_short_memory(void **state)
{
    static const struct {
        const char *name, *arg;
    } cases[] = {
        {"sdf.list", NULL}, {"sdf.concat", NULL}, {"sdf.top", "100000"}, {"sdf.max", NULL}, {"sdf.last", NULL}};
    char big[5000];
    memset(big, 'x', sizeof big);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        folding f;
        folding_init(&f, cases[c].name, "bytes", cases[c].arg, 100000);
        void *s = folding_state(&f);
        size_t n = 0, size = 100;
        int rc;
        while (!(rc = folding_add(&f, s, big, size)) && size + 37 <= sizeof big) {
            n++;
            size += 37;
        }
        if (c >= 3)
            assert_int_equal(rc, SDF_OK);
        else
            assert_int_equal(rc, AGGREGATE_FULL);
        char *before = folding_text(&f, s);
        budget_init(&f.h.budget, 1 << 20);
        f.h.budget.used = f.arena.charged;
        assert_int_equal(folding_add(&f, s, "y", 1), SDF_OK);
        char *after = folding_text(&f, s);
        assert_int_equal(strlen(after) - strlen(before) < 3 || c >= 3, 1);
        free(before);
        free(after);
        free(s);
        arena_free(&f.arena);
        f.h.budget.used = 0;
        arena_init(&f.arena, &f.h.budget, 256, 1 << 20);
        folding_free(&f);
    }
}

static void test_torture(void **state)
{
    static const char *const names[] = {"sdf.list", "sdf.concat", "sdf.top", "sdf.bottom", "sdf.min", "sdf.last"};
    const sdf_slice v[] = {{"pear", 4}, {"", 0}, {"ap\0le", 5}, {"fig", 3}, {"apples", 6}, {"fig", 3}};
    for (size_t i = 0; i < 6; i++) {
        folding f;
        folding_init(&f, names[i], "bytes", i == 2 || i == 3 ? "4" : NULL, 1 << 20);
        folding_torture(&f, v, 6);
        folding_free(&f);
    }
}

static void test_refused(void **state)
{
    assert_int_equal(folding_refused("sdf.top", "i64", NULL), SDF_E_INVALID);
    assert_int_equal(folding_refused("sdf.top", "i64", "0"), SDF_E_INVALID);
    assert_int_equal(folding_refused("sdf.top", "i64", "-1"), SDF_E_INVALID);
    assert_int_equal(folding_refused("sdf.top", "i64", "3x"), SDF_E_INVALID);
    assert_int_equal(folding_refused("sdf.bottom", "i64", "99999999999999999999"), SDF_E_INVALID);
    assert_int_equal(folding_refused("sdf.concat", "null", NULL), SDF_E_TYPE);
    assert_int_equal(folding_refused("sdf.frist", "i64", NULL), SDF_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_tuples),
        cmocka_unit_test(test_tops_of_many), cmocka_unit_test(test_short_memory), cmocka_unit_test(test_torture),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
