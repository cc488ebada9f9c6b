/* What can't be meant: NULL, handles of two contexts, options of sources and sinks, arguments, types. Nothing runs. */
#include "shown.h"

static int setup(void **state)
{
    register_functions();
    return 0;
}

static void test_null(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *n = numbers(c, 3, 1), *with_null[] = {n, NULL};
    sdf_result *r;
    int empty;
    sdf_stats_result s = {.struct_size = sizeof s};
    assert_null(sdf_range(NULL, 0, 1, 1, 0));
    assert_null(sdf_whole_files(NULL, "x", NULL));
    assert_null(sdf_json_file(NULL, "x", NULL));
    assert_null(sdf_delimited_file(NULL, "x", NULL));
    assert_null(sdf_map_values(NULL, "x", NULL, 0));
    assert_null(sdf_flat_map_values(NULL, "x", NULL, 0));
    assert_null(sdf_key_by(NULL, "x", NULL, 0));
    assert_null(sdf_only_keys(NULL));
    assert_null(sdf_only_values(NULL));
    assert_null(sdf_filter_expr(NULL, NULL));
    assert_null(sdf_map_expr(NULL, NULL, NULL));
    assert_null(sdf_where(NULL, "1 = 1"));
    assert_null(sdf_select(NULL, NULL, NULL));
    assert_null(sdf_sample(NULL, 0.5, 1, 0));
    assert_null(sdf_union(NULL, 3));
    assert_null(sdf_union(with_null, 0));
    assert_null(sdf_union(with_null, 2));
    assert_null(sdf_repartition(NULL, 1));
    assert_null(sdf_coalesce(NULL, 1));
    assert_null(sdf_zip_with_index(NULL));
    assert_null(sdf_persist(NULL));
    assert_null(sdf_unpersist(NULL));
    assert_null(sdf_distinct(NULL, 0));
    assert_null(sdf_intersection(n, NULL, 0));
    assert_null(sdf_intersection(NULL, n, 0));
    assert_null(sdf_subtract_by_key(NULL, n, 0));
    assert_null(sdf_cogroup(with_null, 2, 0));
    assert_null(sdf_map_cogroups(with_null, 2, "x", NULL, 0, 0));
    assert_null(sdf_join(n, NULL, NULL));
    assert_null(sdf_sort_by(NULL, "x", NULL, 0, NULL));
    assert_null(sdf_sort_by_expr(NULL, NULL, NULL));
    assert_null(sdf_rdd_on_error(NULL, SDF_ERRORS_SKIP));
    assert_null(sdf_submit_save(NULL, "x", NULL, NULL));
    sdf_slice key = {"k", 1};
    assert_int_equal(sdf_save(NULL, "x", NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_reduce(NULL, "x", &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_reduce(n, "sdf.sum", NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_reduce(n, NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_fold(n, "sdf.sum", NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_aggregate(NULL, "x", NULL, 0, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_take_ordered(NULL, 1, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_top(n, 1, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_first(NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_is_empty(NULL, &empty, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_count_by_key(NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_count_by_value(NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_lookup(NULL, &key, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_stats(NULL, &s, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_stats(n, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_foreach_partition(NULL, "x", NULL, 0, NULL), SDF_E_INVALID);
    sdf_join_options_init(NULL);
    sdf_save_options_init(NULL);
    sdf_delimited_options_init(NULL);
    expect_bad(sdf_filter_expr(n, NULL), SDF_E_INVALID, "condition");
    expect_bad(sdf_where(n, NULL), SDF_E_INVALID, "condition");
    expect_bad(sdf_sort_by_expr(n, NULL, NULL), SDF_E_INVALID, "key");
    sdf_context_close(c);
}

static void test_two_contexts(void **state)
{
    sdf_context *one = plain_context(), *two = plain_context();
    sdf_rdd *a = numbers(one, 3, 1), *b = numbers(two, 3, 1), *both[] = {a, a, b};
    expect_bad(sdf_union(both, 3), SDF_E_INVALID, "collection 3 is of another context");
    expect_bad(sdf_cogroup(both, 3, 0), SDF_E_INVALID, "cogroup");
    expect_bad(sdf_join(a, b, NULL), SDF_E_INVALID, "join");
    expect_bad(sdf_intersection(a, b, 0), SDF_E_INVALID, "intersection");
    expect_bad(sdf_subtract_by_key(a, b, 0), SDF_E_INVALID, "subtract_by_key");
    sdf_context_close(two);
    assert_int_equal(count_of(a), 3);
    sdf_context_close(one);
}

static void test_partitions_and_types(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *n = numbers(c, 3, 1), *by = sdf_map(n, "fn_by_digit", NULL, 0);
    sdf_rdd *text = sdf_select(n, NULL, "'x'"), *unlike[] = {n, text}, *keys[] = {by, text};
    expect_bad(sdf_coalesce(n, 0), SDF_E_INVALID, "0 partitions");
    expect_bad(sdf_repartition(n, UINT32_MAX), SDF_E_LIMIT, "partitions");
    expect_bad(sdf_reduce_by_key(by, "sdf.sum", UINT32_MAX), SDF_E_LIMIT, "partitions");
    expect_bad(sdf_range(c, 0, 5, 0, 1), SDF_E_INVALID, "step");
    expect_bad(sdf_union(unlike, 2), SDF_E_TYPE, "union");
    expect_bad(sdf_cogroup(keys, 2, 0), SDF_E_TYPE, "cogroup");
    expect_bad(sdf_intersection(n, text, 0), SDF_E_TYPE, "intersection");
    expect_bad(sdf_reduce_by_key(by, "sdf.mean", 0), SDF_E_TYPE, "mean");
    expect_bad(sdf_aggregate_by_key(by, "sdf.quantile", "0.5", 3, 0), SDF_E_NOT_FOUND, "sdf.quantiles");
    expect_bad(sdf_aggregate_by_key(by, "sdf.quantiles", "1.5", 3, 0), SDF_E_INVALID, "aggregate_by_key");
    expect_bad(sdf_aggregate_by_key(by, "sdf.each", "sum", 3, 0), SDF_E_TYPE, "tuples");
    expect_bad(sdf_map_values(n, "fn_even", NULL, 0), SDF_E_TYPE, "map function");
    expect_bad(sdf_map_groups(by, "fn_add", NULL, 0, 0), SDF_E_TYPE, "group function");
    expect_bad(sdf_rdd_on_error(sdf_sort_by_key(by, NULL), SDF_ERRORS_SKIP), SDF_E_INVALID, "sort_by_key");
    expect_bad(sdf_rdd_on_error(sdf_map(n, "fn_same", NULL, 0), 9), SDF_E_INVALID, "policy");
    sdf_context_close(c);
}

static void test_joins(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *by = sdf_map(numbers(c, 3, 1), "fn_by_digit", NULL, 0);
    sdf_join_options o;
    sdf_join_options_init(&o);
    o.how = 4;
    expect_bad(sdf_join(by, by, &o), SDF_E_INVALID, "way to join");
    sdf_join_options_init(&o);
    o.strategy = 4;
    expect_bad(sdf_join(by, by, &o), SDF_E_INVALID, "strategy");
    o.struct_size = 0;
    expect_bad(sdf_join(by, by, &o), SDF_E_INVALID, "sdf_join_options");
    sdf_context_close(c);
}

static void test_delimited(void **state)
{
    static const struct {
        uint32_t delimiter, quote, escape, multiline;
        const char *columns, *part;
    } cases[] = {
        {'\n', '"', 0, 0, NULL, "delimiter"}, {0, '"', 0, 0, NULL, "delimiter"},
        {0x20ac, '"', 0, 0, NULL, "no byte"}, {',', ',', 0, 0, NULL, "same byte"},
        {',', '\r', 0, 0, NULL, "quote"},     {',', '"', ',', 0, NULL, "same byte"},
        {',', 0, 0, 1, NULL, "need a quote"}, {',', '"', 0, 0, "a,,b", "no name"},
        {',', '"', 0, 0, "a, b,a", "\"a\""},  {',', '"', 0, 0, "a\nb", "end of a line"},
    };
    sdf_context *c = plain_context();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sdf_delimited_options o;
        sdf_delimited_options_init(&o);
        o.delimiter = cases[i].delimiter;
        o.quote = cases[i].quote;
        o.escape = cases[i].escape;
        o.multiline = cases[i].multiline;
        o.columns = cases[i].columns;
        expect_bad(sdf_delimited_file(c, "x.csv", &o), SDF_E_INVALID, cases[i].part);
    }
    expect_bad(sdf_delimited_file(c, "", NULL), SDF_E_INVALID, "no file");
    expect_bad(sdf_json_file(c, NULL, NULL), SDF_E_INVALID, "no file");
    sdf_context_close(c);
}

static void test_saves(void **state)
{
    static const struct {
        const char *format, *compression, *columns;
        uint32_t delimiter, quote;
        const char *part;
    } cases[] = {
        {"txet", NULL, NULL, ',', '"', "\"text\""},
        {"parquet-or-so", NULL, NULL, ',', '"', "one of text"},
        {NULL, "gzpi", NULL, ',', '"', "gzip"},
        {"text", NULL, "a,b", ',', '"', "columns"},
        {"delimited", NULL, "a,b", ',', ',', "same byte"},
        {"delimited", NULL, "a,a", ',', '"', "two columns"},
        {"delimited", NULL, "a,", ',', '"', "no name"},
        {"delimited", NULL, "", ',', '"', "columns"},
        {"delimited", NULL, NULL, 0, '"', "delimiter"},
        {"delimited", NULL, NULL, ',', '\n', "quote"},
        {"delimited", NULL, NULL, 300, '"', "no byte"},
    };
    sdf_context *c = plain_context();
    sdf_rdd *n = numbers(c, 3, 1);
    char *folder = make_folder(), *out = in_folder(folder, "out");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sdf_save_options o;
        sdf_error *err = NULL;
        sdf_save_options_init(&o);
        o.format = cases[i].format;
        o.compression = cases[i].compression;
        o.columns = cases[i].columns;
        o.delimiter = cases[i].delimiter;
        o.quote = cases[i].quote;
        assert_int_equal(sdf_save(n, out, &o, &err), SDF_E_INVALID);
        expect_error(err, SDF_E_INVALID, cases[i].part);
        sdf_error_free(err);
    }
    assert_int_equal(access(out, F_OK), -1);
    assert_int_equal(sdf_save(n, "", NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_save(n, "nowhere://x", NULL, NULL), SDF_E_UNSUPPORTED);
    sdf_context_close(c);
    free(out);
    drop_folder(folder);
}

static void test_diverting_needs_a_save(void **state)
{
    sdf_context *c = plain_context();
    sdf_error *err = NULL;
    sdf_rdd *d = sdf_rdd_on_error(sdf_map(numbers(c, 10, 1), "fn_fail", NULL, 0), SDF_ERRORS_DIVERT);
    uint64_t n;
    assert_int_equal(sdf_count(d, &n, &err), SDF_E_INVALID);
    expect_error(err, SDF_E_INVALID, "diverts");
    sdf_error_free(err);
    sdf_context_close(c);
}

static void test_arguments_and_conditions(void **state)
{
    (void)state;
    sdf_context *c = plain_context();
    sdf_rdd *halves = sdf_select(numbers(c, 10, 1), "value % 2", "value");
    expect_error(sdf_rdd_error(sdf_aggregate_by_key(halves, "sdf.mean", "x", 1, 0)), SDF_E_INVALID,
                 "takes no argument");
    assert_null(sdf_rdd_error(sdf_aggregate_by_key(halves, "sdf.mean", NULL, 0, 0)));
    expect_error(sdf_rdd_error(sdf_where(halves, "null")), SDF_E_TYPE, "condition");
    sdf_context_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_two_contexts),
        cmocka_unit_test(test_partitions_and_types),
        cmocka_unit_test(test_joins),
        cmocka_unit_test(test_delimited),
        cmocka_unit_test(test_saves),
        cmocka_unit_test(test_diverting_needs_a_save),
        cmocka_unit_test(test_arguments_and_conditions),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
