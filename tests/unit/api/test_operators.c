/* Every transformation and action on little data, by hand. The context is one for all tests. */
#include "shown.h"

#include <math.h>

static sdf_context *c;

static int fn_letters(const sdf_record *in, sdf_out *out, void *state) /* "abc": a, b, c with the key */
{
    for (size_t i = 0; i < in->value.size; i++) {
        sdf_slice v = {(const char *)in->value.data + i, 1};
        int rc = sdf_emit_view(out, NULL, &v);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static int fn_upper(const sdf_record *in, sdf_out *out, void *state)
{
    char text[64];
    size_t n = in->value.size < sizeof text ? in->value.size : sizeof text;
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(((const char *)in->value.data)[i] - 32);
    sdf_slice v = {text, n}, key = {"lost", 4};
    return sdf_emit(out, &key, &v);
}

static int fn_length(const sdf_record *in, sdf_out *out, void *state)
{
    int64_t n = (int64_t)in->value.size;
    sdf_slice key = {&n, 8};
    return sdf_emit(out, &key, NULL);
}

static int fn_counts(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        sdf_slice v;
        int rc;
        for (total *= 10; (rc = sdf_values_next(values[i], &v)) == SDF_OK;)
            total++;
        if (rc != SDF_END)
            return rc;
    }
    return sdf_emit_i64(out, key, total);
}

static int fn_tally(const sdf_batch *in, sdf_out *out, void *state)
{
    return sdf_accumulate(out, "tally", (int64_t)sdf_batch_count(in));
}

static int setup(void **state)
{
    register_functions();
    SDF_REGISTER(fn_letters, .map = fn_letters, .in_value = "bytes", .out_value = "bytes");
    SDF_REGISTER(fn_upper, .map = fn_upper, .in_value = "bytes", .out_value = "bytes");
    SDF_REGISTER(fn_length, .map = fn_length, .in_value = "bytes", .out_key = "i64", .out_value = "null");
    SDF_REGISTER(fn_counts, .cogroup = fn_counts, .out_value = "i64");
    SDF_REGISTER(fn_tally, .batch = fn_tally);
    c = plain_context();
    return 0;
}

static int teardown(void **state)
{
    sdf_context_close(c);
    return 0;
}

/* "a=x b=y" as records; a word without '=' has no key. */
static sdf_rdd *words(const char *text, uint32_t partitions)
{
    sdf_slice keys[64], values[64];
    size_t n = 0, keyed = 0;
    for (const char *p = text; *p; p += *p == ' ') {
        size_t size = strcspn(p, " "), at = strcspn(p, " =");
        keys[n] = (sdf_slice){p, at < size ? at : 0};
        values[n] = (sdf_slice){p + (at < size ? at + 1 : 0), size - (at < size ? at + 1 : 0)};
        keyed += at < size;
        n++;
        p += size;
    }
    sdf_column k, v;
    column_set_slices(&k, keys);
    column_set_slices(&v, values);
    return sdf_parallelize(c, keyed ? "bytes" : NULL, "bytes", keyed ? &k : NULL, &v, n, partitions);
}

static void test_values_and_keys(void **state)
{
    sdf_rdd *w = words("a=xy b= a=z", 2);
    expect_rdd(sdf_flat_map_values(w, "fn_letters", NULL, 0), "a:x a:y a:z");
    expect_rdd(sdf_map_values(w, "fn_upper", NULL, 0), "a:XY b: a:Z");
    expect_rdd(sdf_only_keys(w), ":a :b :a");
    expect_rdd(sdf_only_values(w), ":xy : :z");
    sdf_rdd *keyed = sdf_key_by(w, "fn_length", NULL, 0);
    assert_string_equal(sdf_rdd_key_type(keyed), "i64");
    assert_string_equal(sdf_rdd_value_type(keyed), "tuple(bytes,bytes)");
    expect_rdd(keyed, "2:a,xy 0:b, 1:a,z");
    sdf_rdd *plain = words("xy z", 1);
    expect_rdd(sdf_key_by(plain, "fn_length", NULL, 0), "2:xy 1:z");
    sdf_rdd_free(plain);
    sdf_rdd_free(w);
}

static void test_partitions(void **state)
{
    sdf_rdd *a = numbers(c, 5, 2), *b = sdf_range(c, 10, 3, -3, 2), *both[] = {a, b, a};
    expect_rdd(sdf_union(both, 3), ":0 :1 :2 :3 :4 :10 :7 :4 :0 :1 :2 :3 :4");
    expect_rdd(sdf_coalesce(sdf_union(both, 2), 3), ":0 :1 :2 :3 :4 :10 :7 :4");
    expect_rdd(sdf_coalesce(a, 1), ":0 :1 :2 :3 :4");
    expect_rdd(sdf_repartition(a, 7), "~:0 :1 :2 :3 :4");
    expect_rdd(sdf_zip_with_index(b), "10:0 7:1 4:2");
    expect_rdd(sdf_range(c, 0, 0, 1, 3), "");
    expect_rdd(sdf_range(c, INT64_MAX - 1, INT64_MAX, 5, 0), ":9223372036854775806");
    expect_rdd(sdf_range(c, INT64_MIN, INT64_MAX, INT64_MAX, 2), ":-9223372036854775808 :-1 :9223372036854775806");
    assert_int_equal(count_of(sdf_range(c, INT64_MIN, INT64_MIN + 100000, 1, 3)), 100000);
    sdf_rdd_free(a);
    sdf_rdd_free(b);
}

static void test_by_key(void **state)
{
    sdf_rdd *w = words("a=2 b=1 a=1 c=3 b=1", 3), *o = words("b=7 d=9 b=8", 2), *both[] = {w, o};
    expect_rdd(sdf_group_by_key(w, 2), "~a:2,1 b:1,1 c:3");
    expect_rdd(sdf_reduce_by_key(w, "sdf.first", 2), "~a:2 b:1 c:3");
    expect_rdd(sdf_aggregate_by_key(w, "sdf.concat", "+", 1, 2), "~a:2+1 b:1+1 c:3");
    expect_rdd(sdf_aggregate_by_key(w, "sdf.top", "1", 1, 2), "~a:2 b:1 c:3");
    expect_rdd(sdf_distinct(w, 2), "~a:1 a:2 b:1 c:3");
    expect_rdd(sdf_distinct(sdf_only_keys(w), 0), "~:a :b :c");
    expect_rdd(sdf_subtract_by_key(w, o, 2), "~a:1 a:2 c:3");
    expect_rdd(sdf_cogroup(both, 2, 2), "~a:(2,1),() b:(1,1),(7,8) c:(3),() d:(),(9)");
    expect_rdd(sdf_map_cogroups(both, 2, "fn_counts", NULL, 0, 3), "~a:20 b:22 c:10 d:1");
    sdf_rdd *x = words("p=1 q=2 p=1 r=3", 2), *y = words("r=3 p=1 p=2", 1);
    expect_rdd(sdf_intersection(x, y, 2), "~p:1 r:3");
    sdf_rdd_free(x);
    sdf_rdd_free(y);
    sdf_rdd_free(w);
    sdf_rdd_free(o);
}

static void test_joins(void **state)
{
    static const char *const want[] = {"~a:1,8 a:1,9 a:2,8 a:2,9", "~a:1,8 a:1,9 a:2,8 a:2,9 b:3,",
                                       "~a:1,8 a:1,9 a:2,8 a:2,9 c:,7", "~a:1,8 a:1,9 a:2,8 a:2,9 b:3, c:,7"};
    static const char *const types[] = {"tuple(bytes,bytes)", "tuple(bytes,optional(bytes))",
                                        "tuple(optional(bytes),bytes)", "tuple(optional(bytes),optional(bytes))"};
    sdf_rdd *left = words("a=1 b=3 a=2", 2), *right = words("a=8 c=7 a=9", 2);
    for (uint32_t how = 0; how < 4; how++)
        for (uint32_t strategy = 0; strategy < 4; strategy++) {
            sdf_join_options o;
            sdf_join_options_init(&o);
            o.how = how;
            o.strategy = strategy;
            sdf_rdd *joined = sdf_join(left, right, &o);
            bool left_table = strategy == SDF_JOIN_BROADCAST_LEFT && (how & SDF_JOIN_LEFT);
            bool right_table = strategy == SDF_JOIN_BROADCAST_RIGHT && (how & SDF_JOIN_RIGHT);
            if (left_table || right_table) {
                expect_bad(joined, SDF_E_INVALID, "join");
                continue;
            }
            assert_string_equal(sdf_rdd_value_type(joined), types[how]);
            expect_rdd(joined, want[how]);
        }
    expect_rdd(sdf_join(left, right, NULL), want[0]);
    sdf_rdd_free(left);
    sdf_rdd_free(right);
}

static void test_sorts(void **state)
{
    sdf_rdd *w = words("b=aaa a=a c=aa b=", 2);
    sdf_sort_options o;
    sdf_sort_options_init(&o);
    expect_rdd(sdf_sort_by(w, "fn_length", NULL, 0, NULL), "b: a:a c:aa b:aaa");
    o.descending = 1;
    expect_rdd(sdf_sort_by(w, "fn_length", NULL, 0, &o), "b:aaa c:aa a:a b:");
    expect_rdd(sdf_sort_by_key(w, &o), "c:aa b:aaa b: a:a");
    sdf_expr *e = sdf_expr_parse("len(value)");
    expect_rdd(sdf_sort_by_expr(w, e, NULL), "b: a:a c:aa b:aaa");
    sdf_expr_free(e);
    sdf_rdd *plain = words("ccc a bb", 2);
    e = sdf_expr_parse("value");
    expect_rdd(sdf_sort_by_expr(plain, e, &o), ":ccc :bb :a");
    sdf_expr_free(e);
    sdf_rdd_free(plain);
    sdf_rdd_free(w);
}

static void test_expressions(void **state)
{
    sdf_rdd *w = words("a=10 b=7 c=12", 2);
    expect_rdd(sdf_where(w, "i64(value) >= 10"), "a:10 c:12");
    sdf_rdd *sel = sdf_select(w, "i64(value) % 2", "tuple(key, i64(value) * 2)");
    assert_string_equal(sdf_rdd_value_type(sel), "tuple(bytes,i64)");
    expect_rdd(sel, "0:a,20 1:b,14 0:c,24");
    expect_rdd(sdf_select(w, NULL, "f64(value) / 4"), ":2.5 :1.75 :3");
    sel = sdf_select(w, "key", "tuple(i64(value), f64(value))");
    expect_rdd(sdf_aggregate_by_key(sel, "sdf.each", "sum mean", 8, 0), "~a:10,10 b:7,7 c:12,12");
    sdf_rdd_free(sel);
    sdf_rdd_free(w);
}

static void test_samples(void **state)
{
    sdf_rdd *n = numbers(c, 20000, 4);
    assert_int_equal(count_of(sdf_sample(n, 0, 1, 0)), 0);
    assert_int_equal(count_of(sdf_sample(n, 1, 1, 0)), 20000);
    uint64_t tenth = count_of(sdf_sample(n, 0.1, 7, 0)), twice = count_of(sdf_sample(n, 2, 7, 1));
    assert_true(tenth > 1700 && tenth < 2300 && tenth == count_of(sdf_sample(n, 0.1, 7, 0)));
    assert_true(twice > 38500 && twice < 41500);
    expect_bad(sdf_sample(n, 1.5, 7, 0), SDF_E_INVALID, "1.5");
    expect_bad(sdf_sample(n, -0.5, 7, 1), SDF_E_INVALID, "-0.5");
    expect_bad(sdf_sample(n, NAN, 7, 1), SDF_E_INVALID, "nan");
    expect_bad(sdf_sample(n, 1001, 7, 1), SDF_E_INVALID, "1000");
    sdf_rdd_free(n);
}

#define GIVES(call, want)                                                                                              \
    do {                                                                                                               \
        sdf_result *r = NULL;                                                                                          \
        sdf_error *err = NULL;                                                                                         \
        int rc = call;                                                                                                 \
        expect_result(rc, r, err, want);                                                                               \
    } while (0)

static void test_summaries(void **state)
{
    sdf_rdd *w = words("b=3 a=1 c=2 a=1", 3), *n = numbers(c, 100, 3), *none = numbers(c, 0, 2);
    int64_t zero = -5;
    sdf_slice z = {&zero, 8};
    GIVES(sdf_reduce(n, "fn_add", &r, &err), ":4950");
    GIVES(sdf_reduce(none, "fn_add", &r, &err), "");
    GIVES(sdf_fold(n, "sdf.max", &z, &r, &err), ":99");
    GIVES(sdf_fold(none, "sdf.max", &z, &r, &err), ":-5");
    GIVES(sdf_aggregate(n, "sdf.quantiles", "0.5,0.9", 7, &r, &err), ":49.5,89.10000000000001");
    GIVES(sdf_aggregate(w, "sdf.concat", NULL, 0, &r, &err), ":3,1,2,1");
    GIVES(sdf_take_ordered(n, 3, &r, &err), "0: 1: 2:");
    GIVES(sdf_top(n, 2, &r, &err), "99: 98:");
    GIVES(sdf_top(n, 0, &r, &err), "");
    GIVES(sdf_top(none, 2, &r, &err), "");
    GIVES(sdf_take_ordered(w, 3, &r, &err), "a,1: a,1: b,3:");
    GIVES(sdf_top(sdf_only_values(w), 9, &r, &err), "3: 2: 1: 1:");
    GIVES(sdf_count_by_key(w, &r, &err), "~a:2 b:1 c:1");
    GIVES(sdf_count_by_value(w, &r, &err), "~a,1:2 b,3:1 c,2:1");
    GIVES(sdf_first(n, &r, &err), ":0");
    GIVES(sdf_lookup(w, &((sdf_slice){"a", 1}), &r, &err), "a:1 a:1");
    GIVES(sdf_lookup(w, &((sdf_slice){"x", 1}), &r, &err), "");
    sdf_error *err = NULL;
    sdf_result *r;
    int empty = -1;
    assert_int_equal(sdf_first(none, &r, &err), SDF_E_NOT_FOUND);
    expect_error(err, SDF_E_NOT_FOUND, "no records");
    sdf_error_free(err);
    assert_int_equal(sdf_is_empty(none, &empty, NULL), SDF_OK);
    assert_int_equal(empty, 1);
    assert_int_equal(sdf_is_empty(n, &empty, NULL), SDF_OK);
    assert_int_equal(empty, 0);
    sdf_rdd_free(w);
    sdf_rdd_free(n);
    sdf_rdd_free(none);
}

/* More than a heap keeps: through a sort, with the same answer. */
static void test_take_ordered_of_many(void **state)
{
    sdf_rdd *n = sdf_range(c, 0, 150000, 1, 4);
    sdf_result *r = NULL;
    assert_int_equal(sdf_top(n, 120000, &r, NULL), SDF_OK);
    pairs p = read_pairs(r);
    assert_int_equal(p.count, 120000);
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.at[i].key, 149999 - (int64_t)i);
    free(p.at);
    assert_int_equal(sdf_top(n, UINT64_C(1) << 40, &r, NULL), SDF_E_LIMIT);
    sdf_rdd_free(n);
}

static void test_stats(void **state)
{
    sdf_rdd *n = numbers(c, 101, 4), *none = numbers(c, 0, 1), *w = words("a", 1);
    sdf_stats_result s = {.struct_size = sizeof s};
    assert_int_equal(sdf_stats(n, &s, NULL), SDF_OK);
    assert_int_equal(s.count, 101);
    assert_true(s.sum == 5050 && s.mean == 50 && s.min == 0 && s.max == 100);
    assert_true(fabs(s.variance - 850) < 1e-9 && fabs(s.stdev - sqrt(850)) < 1e-9);
    assert_int_equal(sdf_stats(none, &s, NULL), SDF_OK);
    assert_true(s.count == 0 && s.sum == 0 && isnan(s.mean) && isnan(s.min) && isnan(s.stdev));
    s.struct_size = offsetof(sdf_stats_result, mean); /* an older host's */
    s.mean = 7;
    assert_int_equal(sdf_stats(n, &s, NULL), SDF_OK);
    assert_true(s.sum == 5050 && s.mean == 7);
    assert_int_equal(sdf_stats(w, &s, NULL), SDF_E_TYPE);
    s.struct_size = 0;
    assert_int_equal(sdf_stats(n, &s, NULL), SDF_E_INVALID);
    sdf_rdd_free(n);
    sdf_rdd_free(none);
    sdf_rdd_free(w);
}

/* Of what is partitioned by key only one partition runs. */
static void test_lookup_runs_one_partition(void **state)
{
    sdf_rdd *by = sdf_reduce_by_key(sdf_map(numbers(c, 1000, 4), "fn_by_digit", NULL, 0), "sdf.sum", 8);
    uint64_t before, after;
    int64_t key = 3;
    assert_int_equal(count_of(by), 10);
    assert_int_equal(sdf_context_metric(c, "tasks", &before), SDF_OK);
    GIVES(sdf_lookup(by, &((sdf_slice){&key, 8}), &r, &err), "3:49800");
    assert_int_equal(sdf_context_metric(c, "tasks", &after), SDF_OK);
    assert_int_equal(after - before, 1);
    sdf_error *err = NULL;
    sdf_result *r;
    assert_int_equal(sdf_lookup(by, &((sdf_slice){"3", 1}), &r, &err), SDF_E_TYPE);
    sdf_error_free(err);
    assert_int_equal(sdf_lookup(by, NULL, &r, NULL), SDF_E_INVALID);
}

static void test_foreach_partition(void **state)
{
    int64_t v = -1;
    sdf_rdd *n = numbers(c, 1000, 3);
    assert_int_equal(sdf_foreach_partition(n, "fn_tally", NULL, 0, NULL), SDF_OK);
    assert_int_equal(sdf_context_accumulator(c, "tally", &v), SDF_OK);
    assert_int_equal(v, 1000);
    assert_int_equal(sdf_foreach_partition(n, "fn_even", NULL, 0, NULL), SDF_E_TYPE);
    sdf_rdd_free(n);
}

/* What is kept is computed once; let go of, again. */
static void test_persist(void **state)
{
    sdf_rdd *slow = sdf_map(numbers(c, 40, 4), "fn_same", NULL, 0), *kept = sdf_persist(slow);
    assert_ptr_equal(slow, kept);
    uint64_t at[4];
    for (int i = 0; i < 4; i++) {
        if (i == 3)
            assert_ptr_equal(sdf_unpersist(kept), kept);
        assert_int_equal(count_of(kept), 40);
        assert_int_equal(sdf_context_metric(c, "stages", &at[i]), SDF_OK);
    }
    assert_int_equal(at[1] - at[0], 1);
    assert_int_equal(at[2] - at[1], 1);
    sdf_rdd_free(kept);
}

/* Jobs that were submitted before have what was kept to their end. */
static void test_unpersist_at_work(void **state)
{
    for (int made = 0; made < 2; made++) {
        sdf_rdd *kept = sdf_persist(sdf_map(numbers(c, 20, 4), "fn_slow", NULL, 0));
        sdf_rdd *slow = sdf_map(kept, "fn_slow", NULL, 0);
        sdf_error *err = NULL;
        uint64_t n = 0;
        if (made)
            assert_int_equal(count_of(kept), 20);
        sdf_job *job = sdf_submit_count(slow, NULL);
        assert_int_equal(sdf_job_wait(job, 30, NULL), SDF_E_TIMEOUT);
        sdf_unpersist(kept);
        if (sdf_job_wait(job, -1, &err))
            fail_msg("%s", sdf_error_text(err));
        assert_int_equal(sdf_job_count(job, &n, NULL), SDF_OK);
        assert_int_equal(n, 20);
        sdf_job_free(job);
        assert_int_equal(count_of(slow), 20);
        sdf_rdd_free(slow);
        sdf_rdd_free(kept);
    }
}

/* A reader beside the one that computes: two jobs at once, and a sort of what a third action wants later. */
static void test_jobs_at_once(void **state)
{
    sdf_rdd *by = sdf_reduce_by_key(sdf_map(numbers(c, 10000, 4), "fn_by_digit", NULL, 0), "sdf.count", 3);
    sdf_job *jobs[6];
    for (int i = 0; i < 6; i++)
        assert_non_null(jobs[i] = sdf_submit_count(i % 2 ? sdf_distinct(by, 2) : by, NULL));
    for (int i = 5; i >= 0; i--) {
        uint64_t n;
        assert_int_equal(sdf_job_wait(jobs[i], -1, NULL), SDF_OK);
        assert_int_equal(sdf_job_count(jobs[i], &n, NULL), SDF_OK);
        assert_int_equal(n, 10);
        sdf_job_free(jobs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_keys),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_by_key),
        cmocka_unit_test(test_joins),
        cmocka_unit_test(test_sorts),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_summaries),
        cmocka_unit_test(test_take_ordered_of_many),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_lookup_runs_one_partition),
        cmocka_unit_test(test_foreach_partition),
        cmocka_unit_test(test_persist),
        cmocka_unit_test(test_unpersist_at_work),
        cmocka_unit_test(test_jobs_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
