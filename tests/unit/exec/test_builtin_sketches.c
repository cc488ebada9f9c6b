/* Distinct counts and quantiles, exact and approximate, against sorting; errors within what is stated. */
#include "folding.h"

#include "exec/ordered.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return f64_below(x, y) ? -1 : f64_below(y, x);
}

static double quantile_of(const double *sorted, size_t n, double q)
{
    double place = q * (double)(n - 1);
    size_t low = (size_t)place;
    if (place == (double)low)
        return sorted[low];
    return sorted[low] == sorted[low + 1]
               ? sorted[low]
               : sorted[low] * (1 - (place - (double)low)) + sorted[low + 1] * (place - (double)low);
}

typedef enum shape { RANDOM, ASCENDING, DESCENDING, SAW, CONSTANT, FEW, HEAVY_TAIL, SHAPES } shape;

static void fill(double *v, size_t n, shape s, uint64_t seed)
{
    rng r = {seed};
    for (size_t i = 0; i < n; i++) {
        double u = (double)(rng_next(&r) >> 11) * 0x1p-53;
        v[i] = s == ASCENDING    ? (double)i
               : s == DESCENDING ? -(double)i
               : s == SAW        ? (double)(i % 1000)
               : s == CONSTANT   ? 42
               : s == FEW        ? (double)(rng_next(&r) % 7)
               : s == HEAVY_TAIL ? 1 / (u + 1e-9)
                                 : u - 0.5;
    }
}

static void test_ordered(void **state)
{
    rng r = {1};
    for (size_t n = 0; n < 3000; n = n * 3 / 2 + 1)
        for (int s = 0; s < SHAPES; s++) {
            double *v = malloc((n + 1) * sizeof *v);
            uint64_t *a = malloc((n + 1) * sizeof *a), *b = malloc((n + 1) * sizeof *b);
            fill(v, n, (shape)s, n + 1);
            for (size_t i = 0; i < n; i++)
                a[i] = b[i] = ordered_from(v[i]);
            qsort(v, n, sizeof *v, by_value);
            ordered_sort(a, n);
            for (size_t i = 0; i < n; i++)
                assert_true(ordered_value(a[i]) == v[i]);
            for (int tries = 0; tries < 5 && n; tries++) {
                size_t k = rng_next(&r) % n;
                ordered_select(b, n, k);
                assert_true(b[k] == a[k]);
                for (size_t i = 0; i < n; i++)
                    assert_true(i < k ? b[i] <= b[k] : b[i] >= b[k]);
            }
            free(v);
            free(a);
            free(b);
        }
    assert_true(ordered_from(-0.0) == ordered_from(0.0));
    assert_true(ordered_from(NAN) > ordered_from(INFINITY));
}

static void test_exact_quantiles(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 10, 999, 5000};
    for (size_t c = 0; c < 6; c++)
        for (int s = 0; s < SHAPES; s++)
            for (int sketch = 0; sketch < 2; sketch++) {
                size_t n = sizes[c];
                double *v = malloc(n * sizeof *v), q[4] = {0.9, 0, 0.25, 1};
                fill(v, n, (shape)s, 7);
                sdf_slice *values = slices_of_doubles(v, n);
                folding f; /* a sketch that large is exact */
                folding_init(&f, sketch ? "sdf.approx_quantiles" : "sdf.quantiles", "f64",
                             sketch ? "k=2000,0.9,0,0.25,1" : "0.9 0 0.25 1", 1 << 20);
                assert_string_equal(f.result, "tuple(f64,f64,f64,f64)");
                double *sorted = malloc(n * sizeof *sorted);
                memcpy(sorted, v, n * sizeof *v);
                qsort(sorted, n, sizeof *sorted, by_value);
                for (size_t parts = 1; parts < 12; parts += 5) {
                    void *whole = folding_in_parts(&f, values, n, parts);
                    char *text = folding_text(&f, whole), *at = text;
                    for (size_t i = 0; i < 4; i++)
                        assert_true(strtod(at, &at) == quantile_of(sorted, n, q[i]));
                    free(text);
                    free(whole);
                }
                folding_free(&f);
                free(sorted);
                free(values);
                free(v);
            }
}

static void test_quantiles_of_whole_numbers_and_odd_doubles(void **state)
{
    const int64_t v[] = {4, 1, 3, 2};
    const double d[] = {NAN, -INFINITY, INFINITY, -0.0, INFINITY};
    sdf_slice *values = slices_of_i64(v, 4), *doubles = slices_of_doubles(d, 5);
    folding f;
    folding_init(&f, "sdf.quantiles", "i64", "0.5", 1 << 20);
    assert_string_equal(f.result, "f64");
    void *s = folding_in_parts(&f, values, 4, 2);
    assert_true(folding_f64(&f, s) == 2.5);
    free(s);
    folding_torture(&f, values, 4);
    folding_free(&f);
    folding_init(&f, "sdf.quantiles", "f64", "0 0.25 0.5 0.6 1", 1 << 20);
    s = folding_in_parts(&f, doubles, 5, 3);
    char *text = folding_text(&f, s);
    assert_string_equal(text, "-inf\t0\tinf\tinf\tnan");
    free(text);
    free(s);
    folding_free(&f);
    free(values);
    free(doubles);
}

/* How far the value that was given stands from its place, as a share of all. */
static double rank_error(const double *sorted, size_t n, double value, double q)
{
    size_t below = 0, upto = 0, high = n;
    for (size_t step = n; step; step /= 2) {
        while (below + step <= n && sorted[below + step - 1] < value)
            below += step;
        while (upto + step <= high && sorted[upto + step - 1] <= value)
            upto += step;
    }
    double low_rank = (double)below / (double)n, high_rank = (double)upto / (double)n;
    return q < low_rank ? low_rank - q : q > high_rank ? q - high_rank : 0;
}

static void test_sketched_quantiles(void **state)
{
    enum { N = 300000 };
    static const char arg[] = "0.001 0.01 0.1 0.25 0.5 0.75 0.9 0.99 0.999 k=400";
    static const double q[] = {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999};
    static double v[N], sorted[N];
    double stated = 2.296 / pow(400, 0.9723); /* 99 of 100 are within it */
    size_t trials = 0, off = 0;
    for (int s = 0; s < SHAPES; s++)
        for (size_t parts = 1; parts < 120; parts = parts * 10 + 1) {
            fill(v, N, (shape)s, parts);
            memcpy(sorted, v, sizeof v);
            qsort(sorted, N, sizeof *sorted, by_value);
            sdf_slice *values = slices_of_doubles(v, N);
            folding f;
            folding_init(&f, "sdf.approx_quantiles", "f64", arg, 8 << 20);
            void *whole = folding_in_parts(&f, values, N, parts), *again = folding_in_parts(&f, values, N, parts);
            char *text = folding_text(&f, whole), *same = folding_text(&f, again), *at = text;
            assert_string_equal(text, same);
            for (size_t i = 0; i < 9; i++, trials++) {
                double error = rank_error(sorted, N, strtod(at, &at), q[i]);
                off += error > stated;
                if (error > 2 * stated)
                    fail_msg("shape %d in %zu parts, q %g: rank is off by %g", s, parts, q[i], error);
            }
            free(text);
            free(same);
            free(whole);
            free(again);
            folding_free(&f);
            free(values);
        }
    if (off > 1 + trials / 50)
        fail_msg("%zu of %zu are off by more than is stated", off, trials);
}

static void test_sketch_memory_and_torture(void **state)
{
    enum { N = 200000 };
    static double v[N];
    fill(v, N, RANDOM, 5);
    sdf_slice *values = slices_of_doubles(v, N);
    folding f;
    folding_init(&f, "sdf.approx_quantiles", "f64", "0.5", 1 << 20);
    void *s = folding_in_parts(&f, values, N, 1);
    assert_true(f.h.budget.peak < 80000); /* bounded, however many values */
    free(s);
    folding_torture(&f, values, 5000);
    folding_torture(&f, values, 5);
    folding_free(&f);
    folding_init(&f, "sdf.approx_quantiles", "f64", "0.5 k=16", 1 << 20);
    folding_torture(&f, values, N / 20);
    folding_free(&f);
    folding_init(&f, "sdf.approx_quantiles", "f64", "0.5", 20000);
    s = folding_state(&f);
    int rc = SDF_OK;
    for (size_t i = 0; i < 3000 && !rc; i++)
        rc = folding_add(&f, s, &v[i], 8);
    assert_int_equal(rc, AGGREGATE_FULL);
    free(s);
    folding_free(&f);
    free(values);
}

static int64_t distinct_of(const char *arg, const char *type, uint64_t from, uint64_t n, size_t parts, uint64_t *peak)
{
    folding f;
    int64_t *v = malloc((3 * n + 1) * sizeof *v);
    for (uint64_t i = 0; i < 3 * n; i++) /* each three times */
        v[i] = (int64_t)((from + i % n) * UINT64_C(2654435761));
    sdf_slice *values = slices_of_i64(v, 3 * n);
    folding_init(&f, "sdf.approx_distinct", type, arg, 16 << 20);
    void *s = folding_in_parts(&f, values, 3 * n, parts);
    int64_t got = folding_i64(&f, s);
    if (peak)
        *peak = f.h.budget.peak;
    free(s);
    folding_free(&f);
    free(values);
    free(v);
    return got;
}

static void test_distinct(void **state)
{
    static const struct {
        const char *arg;
        unsigned p;
    } cases[] = {{NULL, 14}, {"4", 4}, {"10", 10}, {"18", 18}};
    for (size_t c = 0; c < 4; c++) {
        double error = 1.04 / sqrt((double)(1u << cases[c].p)), squares = 0;
        size_t trials = 0;
        for (uint64_t n = 1; n < 200000; n = n * 5 + 2)
            for (uint64_t seed = 0; seed < 4; seed++, trials++) {
                int64_t got = distinct_of(cases[c].arg, "i64", seed << 40, n, 1, NULL);
                assert_int_equal(got, distinct_of(cases[c].arg, "i64", seed << 40, n, 9, NULL));
                double off = ((double)got - (double)n) / (double)n;
                squares += off * off;
                if (fabs(off) > 5 * error)
                    fail_msg("p %u: %ld of %lu", cases[c].p, (long)got, (unsigned long)n);
            }
        assert_true(sqrt(squares / (double)trials) < 1.7 * error);
    }
    for (uint64_t n = 1; n <= 1000; n += 37) /* few are counted nearly exactly */
        assert_true(llabs(distinct_of(NULL, "i64", 1, n, 5, NULL) - (int64_t)n) <= 1);
}

static void test_distinct_memory_and_doubles(void **state)
{
    uint64_t peak;
    distinct_of(NULL, "i64", 0, 10, 1, &peak);
    assert_true(peak < 1000);
    distinct_of(NULL, "i64", 0, 100000, 1, &peak);
    assert_true(peak < 70000);
    const double d[] = {0.0, -0.0, NAN, -NAN, 1, 1};
    sdf_slice *values = slices_of_doubles(d, 6);
    folding f;
    folding_init(&f, "sdf.approx_distinct", "f64", NULL, 1 << 20);
    void *s = folding_in_parts(&f, values, 6, 6);
    assert_int_equal(folding_i64(&f, s), 3);
    free(s);
    folding_torture(&f, values, 6);
    folding_free(&f);
    free(values);
}

static void test_distinct_torture(void **state)
{
    enum { N = 20000 };
    static int64_t v[N];
    for (size_t i = 0; i < N; i++)
        v[i] = (int64_t)i;
    sdf_slice *values = slices_of_i64(v, N);
    for (size_t n = 1; n <= N; n *= 27) {
        folding f;
        folding_init(&f, "sdf.approx_distinct", "i64", "12", 1 << 20);
        folding_torture(&f, values, n);
        folding_free(&f);
    }
    free(values);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"",         NULL,    "1.5",     "-0.1",           "nan",   "0.5;0.9",
                                      "0.5 0.9x", "k=100", "0.5 k=3", "0.5 k=99999999", "0.5 k="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(folding_refused("sdf.quantiles", "f64", bad[i]), SDF_E_INVALID);
        assert_int_equal(folding_refused("sdf.approx_quantiles", "f64", bad[i]), SDF_E_INVALID);
    }
    char many[400] = "0";
    for (int i = 0; i < 70; i++)
        strcat(many, ",0.5");
    assert_int_equal(folding_refused("sdf.quantiles", "f64", many), SDF_E_LIMIT);
    assert_int_equal(folding_refused("sdf.quantiles", "bytes", "0.5"), SDF_E_TYPE);
    assert_int_equal(folding_refused("sdf.approx_distinct", "i64", "3"), SDF_E_INVALID);
    assert_int_equal(folding_refused("sdf.approx_distinct", "i64", "19"), SDF_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered),
        cmocka_unit_test(test_exact_quantiles),
        cmocka_unit_test(test_quantiles_of_whole_numbers_and_odd_doubles),
        cmocka_unit_test(test_sketched_quantiles),
        cmocka_unit_test(test_sketch_memory_and_torture),
        cmocka_unit_test(test_distinct),
        cmocka_unit_test(test_distinct_memory_and_doubles),
        cmocka_unit_test(test_distinct_torture),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
