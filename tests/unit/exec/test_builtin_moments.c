/* Sums, means, variances and stats, alone and field by field, against long-double arithmetic in two passes. */
#include "folding.h"

typedef struct truth {
    long double sum, mean, variance;
    double least, most;
} truth;

static truth truth_of(const double *v, size_t n)
{
    truth t = {0, 0, 0, v[0], v[0]};
    for (size_t i = 0; i < n; i++) {
        t.sum += v[i];
        t.least = v[i] < t.least ? v[i] : t.least;
        t.most = v[i] > t.most ? v[i] : t.most;
    }
    t.mean = t.sum / (long double)n;
    for (size_t i = 0; i < n; i++)
        t.variance += ((long double)v[i] - t.mean) * ((long double)v[i] - t.mean);
    t.variance /= (long double)n;
    return t;
}

static void near(double got, long double want, double relative)
{
    long double off = fabsl((long double)got - want), scale = fabsl(want) > 1e-300L ? fabsl(want) : 1;
    if (!(off <= scale * relative))
        fail_msg("%.17g, not %.17Lg", got, want);
}

static double moment(const char *name, const char *type, const sdf_slice *values, size_t n, size_t parts)
{
    folding f;
    folding_init(&f, name, type, NULL, 1 << 20);
    void *state = folding_in_parts(&f, values, n, parts);
    double got = folding_f64(&f, state);
    free(state);
    folding_free(&f);
    return got;
}

static void test_f64(void **state)
{
    enum { N = 20000 };
    static double v[N];
    static const struct {
        double offset, scale;
    } shapes[] = {{0, 1}, {1e9, 1e-3}, {-1e12, 1}, {0, 1e150}, {5, 0}};
    rng r = {3};
    for (size_t s = 0; s < 5; s++) {
        for (size_t i = 0; i < N; i++)
            v[i] = shapes[s].offset + shapes[s].scale * ((double)(rng_next(&r) >> 11) * 0x1p-53 - 0.5);
        truth t = truth_of(v, N);
        sdf_slice *values = slices_of_doubles(v, N);
        /* The error grows with mean / deviation, not with its square, as that of a sum of squares would. */
        double condition = t.variance > 0 ? (double)(fabsl(t.mean) / sqrtl(t.variance)) : 1;
        for (size_t parts = 1; parts < 200; parts += 66) {
            near(moment("sdf.mean", "f64", values, N, parts), t.mean, 1e-15);
            near(moment("sdf.variance", "f64", values, N, parts), t.variance, 1e-12 + 1e-15 * condition);
            near(moment("sdf.stdev", "f64", values, N, parts), sqrtl(t.variance), 1e-12 + 1e-15 * condition);
        }
        free(values);
    }
}

static void test_i64(void **state)
{
    enum { N = 3000 };
    static int64_t v[N];
    rng r = {4};
    __int128 sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += v[i] = i % 3 ? INT64_MAX - (int64_t)(rng_next(&r) % 1000) : (int64_t)rng_next(&r);
    sdf_slice *values = slices_of_i64(v, N);
    near(moment("sdf.mean", "i64", values, N, 1), (long double)sum / N, 1e-15);
    near(moment("sdf.mean", "i64", values, N, 7), (long double)sum / N, 1e-15);
    near(moment("sdf.mean", "i64", values, 1, 1), (long double)v[0], 1e-15);
    assert_true(moment("sdf.variance", "i64", values, 1, 1) == 0);
    free(values);
}

static void test_exact_where_a_plain_sum_is_not(void **state)
{
    const double v[] = {1e16, 1, -1e16, 1, 1e16, -1e16, 2};
    sdf_slice *values = slices_of_doubles(v, 7);
    for (size_t parts = 1; parts <= 7; parts++)
        assert_true(moment("sdf.mean", "f64", values, 7, parts) == 4.0 / 7);
    free(values);
}

static void test_infinities(void **state)
{
    const double v[] = {1, INFINITY, 2, NAN};
    sdf_slice *values = slices_of_doubles(v, 4);
    assert_true(moment("sdf.mean", "f64", values, 3, 1) == INFINITY);
    assert_true(moment("sdf.mean", "f64", values, 3, 3) == INFINITY);
    assert_true(isnan(moment("sdf.mean", "f64", values, 4, 2)));
    assert_true(isnan(moment("sdf.variance", "f64", values, 3, 2)));
    free(values);
}

static void test_stats(void **state)
{
    enum { N = 5000 };
    static double v[N];
    rng r = {8};
    for (size_t i = 0; i < N; i++)
        v[i] = (double)(int64_t)rng_next(&r) * 0x1p-40;
    truth t = truth_of(v, N);
    sdf_slice *values = slices_of_doubles(v, N);
    folding f;
    folding_init(&f, "sdf.stats", "f64", NULL, 1 << 20);
    assert_string_equal(f.result, "tuple(i64,f64,f64,f64,f64,f64)");
    for (size_t parts = 1; parts < 50; parts += 24) {
        void *s = folding_in_parts(&f, values, N, parts);
        char *text = folding_text(&f, s), *at = text;
        assert_int_equal(strtoll(at, &at, 10), N);
        near(strtod(at, &at), t.sum, 1e-13);
        assert_true(strtod(at, &at) == t.least);
        assert_true(strtod(at, &at) == t.most);
        near(strtod(at, &at), t.mean, 1e-13);
        near(strtod(at, &at), t.variance, 1e-12);
        free(text);
        free(s);
    }
    folding_torture(&f, values, 50);
    folding_free(&f);
    free(values);
}

/* Tuples of an i64, a f64, some bytes and an i64. */
static sdf_slice *tuples(const int64_t *a, const double *b, size_t n, buf *room)
{
    sdf_slice *s = malloc(n * sizeof *s);
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[128];
        size_t size = 0;
        sdf_slice odd = {"x\0y", i % 4};
        sdf_key_begin_tuple(bytes, sizeof bytes, &size);
        sdf_key_put_i64(bytes, sizeof bytes, &size, a[i]);
        sdf_key_put_f64(bytes, sizeof bytes, &size, b[i]);
        sdf_key_put_bytes(bytes, sizeof bytes, &size, &odd);
        sdf_key_put_i64(bytes, sizeof bytes, &size, -a[i]);
        sdf_key_end_tuple(bytes, sizeof bytes, &size);
        s[i].size = size;
        buf_append(room, bytes, size);
    }
    for (size_t i = 0, at = 0; i < n; at += s[i++].size)
        s[i].data = room->data + at;
    return s;
}

static void test_each(void **state)
{
    enum { N = 2000 };
    static int64_t a[N];
    static double b[N];
    static const char *const args[] = {"sum mean count max", "min,max,count,mean", "variance stdev count sum",
                                       "  max  sum, count variance "};
    static const char *const types[] = {"tuple(i64,f64,i64,i64)", "tuple(i64,f64,i64,f64)", "tuple(f64,f64,i64,i64)",
                                        "tuple(i64,f64,i64,f64)"};
    rng r = {5};
    for (size_t i = 0; i < N; i++) {
        a[i] = (int64_t)rng_next(&r) >> (8 + i % 50);
        b[i] = (double)(int64_t)rng_next(&r) * 0x1p-60;
    }
    int64_t sum = 0, least = INT64_MAX, most = INT64_MIN;
    static double ad[N], cd[N];
    for (size_t i = 0; i < N; i++) {
        sum += a[i];
        ad[i] = (double)a[i];
        cd[i] = -ad[i];
        least = a[i] < least ? a[i] : least;
        most = a[i] > most ? a[i] : most;
    }
    truth ta = truth_of(ad, N), tb = truth_of(b, N), tc = truth_of(cd, N);
    buf room = BUF_EMPTY;
    sdf_slice *values = tuples(a, b, N, &room);
    for (size_t c = 0; c < 4; c++)
        for (size_t parts = 1; parts < 30; parts += 9) {
            folding f;
            folding_init(&f, "sdf.each", "tuple(i64,f64,bytes,i64)", args[c], 1 << 20);
            assert_string_equal(f.result, types[c]);
            void *s = folding_in_parts(&f, values, N, parts);
            char *text = folding_text(&f, s), *at = text;
            if (c == 0) {
                assert_int_equal(strtoll(at, &at, 10), sum);
                near(strtod(at, &at), tb.mean, 1e-12);
                assert_int_equal(strtoll(at, &at, 10), N);
                assert_int_equal(strtoll(at, &at, 10), -least);
            } else if (c == 1) {
                assert_int_equal(strtoll(at, &at, 10), least);
                assert_true(strtod(at, &at) == tb.most);
                assert_int_equal(strtoll(at, &at, 10), N);
                near(strtod(at, &at), tc.mean, 1e-12);
            } else if (c == 2) {
                near(strtod(at, &at), ta.variance, 1e-10);
                near(strtod(at, &at), sqrtl(tb.variance), 1e-10);
                assert_int_equal(strtoll(at, &at, 10), N);
                assert_int_equal(strtoll(at, &at, 10), -sum);
            } else {
                assert_int_equal(strtoll(at, &at, 10), most);
                near(strtod(at, &at), tb.sum, 1e-10);
                assert_int_equal(strtoll(at, &at, 10), N);
                near(strtod(at, &at), tc.variance, 1e-10);
            }
            free(text);
            free(s);
            folding_torture(&f, values, 20);
            folding_free(&f);
        }
    free(values);
    buf_free(&room);
}

/* A batch at once gives what one by one gives; values that are no such tuples are refused, cut at every byte. */
static void test_each_batches_and_bad_values(void **state)
{
    enum { N = 100, KEYS = 7 };
    int64_t a[N];
    double b[N];
    for (size_t i = 0; i < N; i++) {
        a[i] = i % 2 ? INT64_MAX / 200 : -(int64_t)i;
        b[i] = (double)i / 3;
    }
    buf room = BUF_EMPTY;
    sdf_slice *values = tuples(a, b, N, &room);
    folding f;
    folding_init(&f, "sdf.each", "tuple(i64,f64,bytes,i64)", "sum stdev count min", 1 << 20);
    void *one[KEYS], *many[KEYS], *states[N];
    for (size_t k = 0; k < KEYS; k++) {
        one[k] = folding_state(&f);
        many[k] = folding_state(&f);
    }
    for (size_t i = 0; i < N; i++) {
        states[i] = many[i * i % KEYS];
        assert_int_equal(folding_add(&f, one[i * i % KEYS], values[i].data, values[i].size), SDF_OK);
    }
    sdf_column c;
    column_set_slices(&c, values);
    assert_int_equal(f.a.update, KERNEL_MANY);
    assert_int_equal(aggregate_fold_many(&f.a, states, &c, N, NULL), SDF_OK);
    for (size_t k = 0; k < KEYS; k++) {
        assert_memory_equal(one[k], many[k], f.a.state_size);
        free(many[k]);
    }
    for (size_t cut = 0; cut < values[3].size; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, values[3].data, cut);
        assert_true(folding_add(&f, one[0], copy, cut) < 0);
        free(copy);
    }
    const uint8_t nan_as_i64[] = {0x40, 0x20, 0xff, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_true(folding_add(&f, one[0], nan_as_i64, sizeof nan_as_i64) < 0);
    for (size_t k = 0; k < KEYS; k++)
        free(one[k]);
    folding_free(&f);
    free(values);
    buf_free(&room);
}

static void test_overflow(void **state)
{
    int64_t big = INT64_MAX;
    folding f;
    folding_init(&f, "sdf.sum", "i64", NULL, 1 << 20);
    void *s = folding_state(&f);
    assert_int_equal(folding_add(&f, s, &big, 8), SDF_OK);
    assert_int_equal(folding_add(&f, s, &big, 8), SDF_E_LIMIT);
    free(s);
    folding_free(&f);
    uint8_t bytes[16];
    size_t size = 0;
    sdf_key_begin_tuple(bytes, sizeof bytes, &size);
    sdf_key_put_i64(bytes, sizeof bytes, &size, big);
    sdf_key_end_tuple(bytes, sizeof bytes, &size);
    folding_init(&f, "sdf.each", "tuple(i64)", "sum", 1 << 20);
    s = folding_state(&f);
    assert_int_equal(folding_add(&f, s, bytes, size), SDF_OK);
    assert_int_equal(folding_add(&f, s, bytes, size), SDF_E_LIMIT);
    free(s);
    folding_free(&f);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *type, *arg;
        int want;
    } cases[] = {
        {"sdf.mean", "bytes", NULL, SDF_E_TYPE},
        {"sdf.each", "i64", "sum", SDF_E_TYPE},
        {"sdf.each", "tuple(i64,f64)", "sum", SDF_E_INVALID},
        {"sdf.each", "tuple(i64,f64)", "sum sum sum", SDF_E_INVALID},
        {"sdf.each", "tuple(i64,f64)", "", SDF_E_INVALID},
        {"sdf.each", "tuple(i64,f64)", "sum avg", SDF_E_INVALID},
        {"sdf.each", "tuple(i64,f64)", "sum.i64 mean", SDF_E_INVALID},
        {"sdf.each", "tuple(i64,bytes)", "sum mean", SDF_E_TYPE},
        {"sdf.each", "tuple(optional(i64))", "sum", SDF_E_TYPE},
        {"sdf.each", "tuple(i64,f64)", "a-name-that-is-longer-than-any-aggregator-has count", SDF_E_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(folding_refused(cases[i].name, cases[i].type, cases[i].arg), cases[i].want);
    char type[600] = "tuple(", arg[600] = "";
    for (int i = 0; i < 30; i++) {
        strcat(type, i ? ",f64" : "f64");
        strcat(arg, "stdev ");
    }
    strcat(type, ")");
    assert_int_equal(folding_refused("sdf.each", type, arg), SDF_E_LIMIT);
}

static void test_torture(void **state)
{
    const double v[] = {1, 2.5, -3, 1e300};
    const int64_t n[] = {1, INT64_MAX / 2, -3, 4};
    sdf_slice *values = slices_of_doubles(v, 4), *whole = slices_of_i64(n, 4);
    static const char *const names[] = {"sdf.mean", "sdf.variance", "sdf.stdev", "sdf.sum", "sdf.min", "sdf.first"};
    for (size_t i = 0; i < 12; i++) {
        folding f;
        folding_init(&f, names[i / 2], i % 2 ? "i64" : "f64", NULL, 1 << 20);
        folding_torture(&f, i % 2 ? whole : values, 4);
        folding_free(&f);
    }
    free(whole);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f64),
        cmocka_unit_test(test_i64),
        cmocka_unit_test(test_exact_where_a_plain_sum_is_not),
        cmocka_unit_test(test_infinities),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_each_batches_and_bad_values),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
