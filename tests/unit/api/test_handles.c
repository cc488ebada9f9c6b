/* Handles without jobs: sticky errors, NULL everywhere, parallelize's columns, contexts that don't open. */
#include "support.h"

static void expect(const sdf_error *err, int code, const char *part)
{
    assert_int_equal(sdf_error_code(err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
}

static void test_null_everywhere(void **state)
{
    sdf_error *err = NULL;
    uint64_t n;
    sdf_result *r;
    assert_null(sdf_text_file(NULL, "x", NULL));
    assert_null(sdf_binary_file(NULL, "x", NULL));
    assert_null(sdf_parallelize(NULL, NULL, NULL, NULL, NULL, 0, 0));
    assert_null(sdf_map(NULL, "x", NULL, 0));
    assert_null(sdf_flat_map(NULL, "x", NULL, 0));
    assert_null(sdf_filter(NULL, "x", NULL, 0));
    assert_null(sdf_map_batches(NULL, "x", NULL, 0));
    assert_null(sdf_reduce_by_key(NULL, "x", 0));
    assert_null(sdf_aggregate_by_key(NULL, "x", NULL, 0, 0));
    assert_null(sdf_map_groups(NULL, "x", NULL, 0, 0));
    assert_null(sdf_group_by_key(NULL, 0));
    assert_null(sdf_sort_by_key(NULL, NULL));
    assert_null(sdf_partition_by(NULL, 0));
    assert_null(sdf_rdd_set_name(NULL, "x"));
    assert_null(sdf_rdd_error(NULL));
    assert_string_equal(sdf_rdd_key_type(NULL), "");
    assert_string_equal(sdf_rdd_value_type(NULL), "");
    assert_int_equal(sdf_collect(NULL, &r, &err), SDF_E_INVALID);
    expect(err, SDF_E_INVALID, "NULL");
    sdf_error_free(err);
    assert_int_equal(sdf_iterate(NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_count(NULL, &n, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_take(NULL, 1, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_foreach(NULL, "x", NULL, 0, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_save_as_text_file(NULL, "x", NULL), SDF_E_INVALID);
    assert_int_equal(sdf_save_as_binary_file(NULL, "x", NULL), SDF_E_INVALID);
    assert_null(sdf_submit_collect(NULL, NULL));
    assert_null(sdf_submit_count(NULL, NULL));
    assert_null(sdf_submit_foreach(NULL, "x", NULL, 0, NULL));
    assert_null(sdf_submit_save_as_text_file(NULL, "x", NULL));
    assert_null(sdf_submit_save_as_binary_file(NULL, "x", NULL));
    assert_null(sdf_explain(NULL, NULL, NULL));
    assert_int_equal(sdf_job_wait(NULL, 0, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_job_poll(NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_job_fd(NULL), -1);
    assert_int_equal(sdf_job_count(NULL, &n, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_job_result(NULL, &r, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_job_metric(NULL, "tasks", &n), SDF_E_INVALID);
    assert_int_equal(sdf_context_metric(NULL, "tasks", &n), SDF_E_INVALID);
    assert_int_equal(sdf_result_next(NULL, NULL, NULL), SDF_E_INVALID);
    assert_string_equal(sdf_result_key_type(NULL), "");
    assert_string_equal(sdf_result_value_type(NULL), "");
    sdf_context_on_event(NULL, NULL, NULL);
    sdf_job_cancel(NULL);
    sdf_job_free(NULL);
    sdf_result_free(NULL);
    sdf_rdd_free(NULL);
    sdf_string_free(NULL);
    sdf_context_close(NULL);
    sdf_text_options_init(NULL);
    sdf_binary_options_init(NULL);
    sdf_sort_options_init(NULL);
}

static void test_sticky_errors(void **state)
{
    sdf_context *c = plain_context();
    sdf_error *err = NULL;
    sdf_result *r;
    sdf_rdd *bad = sdf_map(numbers(c, 3, 1), "fn_smae", NULL, 0);
    sdf_rdd *later = sdf_sort_by_key(sdf_filter(bad, "fn_even", NULL, 0), NULL);
    expect(sdf_rdd_error(later), SDF_E_NOT_FOUND, "map#2 fn_smae");
    assert_string_equal(sdf_rdd_key_type(later), "");
    assert_int_equal(sdf_collect(later, &r, &err), SDF_E_NOT_FOUND);
    expect(err, SDF_E_NOT_FOUND, "fn_same"); /* the nearest */
    sdf_error_free(err);
    assert_int_equal(sdf_collect(later, NULL, NULL), SDF_E_INVALID);
    err = NULL;
    assert_null(sdf_explain(later, NULL, &err));
    expect(err, SDF_E_NOT_FOUND, "fn_smae");
    sdf_error_free(err);
    sdf_context_close(c);
}

static void test_options(void **state)
{
    sdf_context *c = plain_context();
    struct {
        sdf_sort_options known;
        uint64_t unknown;
    } longer;
    memset(&longer, 0, sizeof longer);
    longer.known.struct_size = sizeof longer;
    sdf_rdd *n = numbers(c, 3, 1);
    assert_null(sdf_rdd_error(sdf_sort_by_key(n, &longer.known))); /* a newer host, but nothing new asked for */
    longer.unknown = 1;
    expect(sdf_rdd_error(sdf_sort_by_key(n, &longer.known)), SDF_E_VERSION, "sdf_sort_options_init");
    longer.known.struct_size = 0;
    expect(sdf_rdd_error(sdf_sort_by_key(n, &longer.known)), SDF_E_INVALID, "struct_size");
    sdf_binary_options b;
    sdf_binary_options_init(&b);
    expect(sdf_rdd_error(sdf_binary_file(c, "x", &b)), SDF_E_INVALID, "record_bytes");
    expect(sdf_rdd_error(sdf_binary_file(c, "x", NULL)), SDF_E_INVALID, "record_bytes");
    b.struct_size = SIZE_MAX;
    expect(sdf_rdd_error(sdf_binary_file(c, "x", &b)), SDF_E_INVALID, "struct_size");
    expect(sdf_rdd_error(sdf_text_file(c, NULL, NULL)), SDF_E_INVALID, "no file");
    sdf_context_close(c);
}

typedef union longer_options {
    size_t struct_size;
    sdf_text_options text;
    sdf_binary_options binary;
    sdf_delimited_options delimited;
    sdf_sort_options sort;
    sdf_join_options join;
    sdf_save_options save;
    unsigned char bytes[256];
} longer_options;

static sdf_rdd *made_with(sdf_context *c, sdf_rdd *n, int which, const longer_options *o)
{
    switch (which) {
    case 0:
        return sdf_text_file(c, "x", &o->text);
    case 1:
        return sdf_binary_file(c, "x", &o->binary);
    case 2:
        return sdf_delimited_file(c, "x", &o->delimited);
    case 3:
        return sdf_sort_by_key(n, &o->sort);
    default:
        return sdf_join(n, n, &o->join);
    }
}

/* Every struct of options, of a newer host: what it sets beyond what is known here is refused, by the first byte. */
static void test_longer_options(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *n = numbers(c, 3, 1);
    static const size_t sizes[] = {sizeof(sdf_text_options), sizeof(sdf_binary_options), sizeof(sdf_delimited_options),
                                   sizeof(sdf_sort_options), sizeof(sdf_join_options)};
    for (int i = 0; i < 5; i++) {
        longer_options o = {.bytes = {0}};
        o.struct_size = sizes[i] + 1;
        o.bytes[sizes[i]] = 1;
        expect(sdf_rdd_error(made_with(c, n, i, &o)), SDF_E_VERSION, "_options");
    }
    longer_options o = {.bytes = {0}};
    o.struct_size = sizeof(sdf_save_options) + 1;
    o.bytes[sizeof(sdf_save_options)] = 1;
    sdf_error *err = NULL;
    assert_int_equal(sdf_save(n, "/nowhere/x", &o.save, &err), SDF_E_VERSION);
    expect(err, SDF_E_VERSION, "sdf_save_options_init");
    sdf_error_free(err);
    sdf_context_close(c);
}

static void check_column_refused(sdf_context *c, const char *type, const sdf_column *values, uint64_t count,
                                 const char *part)
{
    sdf_rdd *rdd = sdf_parallelize(c, NULL, type, NULL, values, count, 2);
    expect(sdf_rdd_error(rdd), SDF_E_INVALID, part);
    sdf_rdd_free(rdd);
}

static void test_columns(void **state)
{
    sdf_context *c = plain_context();
    int64_t three[] = {1, 2, 3};
    sdf_slice slices[] = {{&three[0], 8}, {&three[1], 8}, {&three[2], 7}};
    sdf_column col;
    check_column_refused(c, "i64", NULL, 3, "no column");
    column_set_fixed(&col, three, 4);
    check_column_refused(c, "i64", &col, 3, "8");
    check_column_refused(c, "null", &col, 3, "null");
    column_set_fixed(&col, NULL, 8);
    check_column_refused(c, "i64", &col, 3, "no data");
    column_set_slices(&col, slices);
    check_column_refused(c, "i64", &col, 3, "value 2 has 7 bytes");
    slices[1].data = NULL;
    check_column_refused(c, "bytes", &col, 3, "value 1 has a size but no data");
    uint32_t offsets[] = {0, 8, 4, 9};
    col = (sdf_column){.struct_size = sizeof col, .layout = SDF_LAYOUT_OFFSETS, .data = three, .offsets = offsets};
    check_column_refused(c, "bytes", &col, 3, "4 after 8, at 2");
    check_column_refused(c, "i64", &col, 3, "4 after 8, at 2");
    col.data = NULL;
    check_column_refused(c, "bytes", &col, 1, "no data");
    col.layout = 9;
    check_column_refused(c, "i64", &col, 3, "layout");
    col.struct_size = 3;
    check_column_refused(c, "i64", &col, 3, "struct_size");
    struct {
        sdf_column known;
        uint64_t unknown;
    } longer = {.unknown = 0};
    column_set_fixed(&longer.known, three, 8);
    longer.known.struct_size = sizeof longer;
    assert_null(sdf_rdd_error(sdf_parallelize(c, NULL, "i64", NULL, &longer.known, 3, 1)));
    longer.unknown = 1;
    sdf_rdd *newer = sdf_parallelize(c, NULL, "i64", NULL, &longer.known, 3, 1);
    expect(sdf_rdd_error(newer), SDF_E_VERSION, "doesn't know");
    assert_string_equal(sdf_rdd_value_type(newer), "");
    column_set_fixed(&col, three, 8);
    sdf_rdd *rdd = sdf_parallelize(c, "i46", "i64", &col, &col, 3, 1);
    assert_non_null(sdf_rdd_error(rdd));
    rdd = sdf_parallelize(c, NULL, NULL, NULL, &col, 3, 1);
    assert_null(sdf_rdd_error(rdd));
    assert_string_equal(sdf_rdd_key_type(rdd), "null");
    assert_string_equal(sdf_rdd_value_type(rdd), "bytes");
    sdf_context_close(c);
}

static void expect_no_context(const char *transport, const char *store, int code, const char *part)
{
    sdf_error *err = NULL;
    assert_null(sdf_context_open(transport, store, NULL, &err));
    expect(err, code, part);
    sdf_error_free(err);
}

static void test_contexts_that_do_not_open(void **state)
{
    expect_no_context("thread:2", "mem:", SDF_E_INVALID, "threads");
    expect_no_context("threads:0", "mem:", SDF_E_INVALID, "threads:");
    expect_no_context("", "mem:", SDF_E_INVALID, "transport");
    expect_no_context("threads:2", "men:", SDF_E_INVALID, "mem");
    expect_no_context("threads:2", "", SDF_E_INVALID, "store");
    expect_no_context("process:1", "mem:", SDF_E_SCOPE, "file:DIR");
    setenv("SDF_SCRATCH", "/proc/not/here", 1);
    sdf_error *err = NULL;
    assert_null(sdf_context_open("threads:2", "mem:", NULL, &err));
    assert_non_null(strstr(sdf_error_text(err), "/proc/not"));
    sdf_error_free(err);
    unsetenv("SDF_SCRATCH");
}

static void test_registered_too_late(void **state)
{
    sdf_context *c = plain_context();
    sdf_function f;
    sdf_function_init(&f);
    f.name = "late";
    f.map = fn_same;
    assert_int_equal(sdf_register(&f, NULL), SDF_E_BUSY);
    sdf_context_close(c);
}

static void test_free_in_any_order(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *a = numbers(c, 100, 3), *b = sdf_map(a, "fn_by_digit", NULL, 0), *d = sdf_reduce_by_key(b, "fn_add", 2);
    sdf_rdd_free(a);
    sdf_rdd_free(b);
    assert_int_equal(count_of(d), 10);
    sdf_rdd_free(d);
    a = numbers(c, 100, 3);
    sdf_map(a, "fn_by_digit", NULL, 0); /* left to the context */
    sdf_context_close(c);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_everywhere),
        cmocka_unit_test(test_sticky_errors),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_longer_options),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_contexts_that_do_not_open),
        cmocka_unit_test(test_registered_too_late),
        cmocka_unit_test(test_free_in_any_order),
    };
    return cmocka_run_group_tests_name("api/handles", tests, NULL, NULL);
}
