/* Nodes: labels, sticky errors, types that fit or don't, references and what is dropped with them. */
#include "support.h"

static void expect_error(node *n, int code, const char *a, const char *b)
{
    assert_non_null(n->error);
    assert_int_equal(sdf_error_code(n->error), code);
    if (!strstr(sdf_error_text(n->error), a) || !strstr(sdf_error_text(n->error), b))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", sdf_error_text(n->error), a, b);
    assert_string_equal(n->key_type, "");
    assert_string_equal(n->value_type, "");
}

static void test_labels_and_types(void **state)
{
    next_id = 1;
    node *text = make_text("x", 0), *words = make(NODE_FLAT_MAP, text, "flat_map", "words");
    assert_string_equal(text->label, "text_file#1");
    assert_string_equal(text->key_type, "null");
    assert_string_equal(text->value_type, "bytes");
    assert_string_equal(words->label, "flat_map#2 words");
    assert_string_equal(words->key_type, "bytes");
    assert_string_equal(words->value_type, "i64");
    assert_int_equal(words->call.version, 7);
    assert_int_equal(node_set_name(words, "tokens"), SDF_OK);
    assert_string_equal(words->label, "flat_map#2 tokens");
    assert_string_equal(words->call.label, "flat_map#2 tokens");
    assert_string_equal(words->call.function, "words");
    assert_int_equal(node_set_name(words, NULL), SDF_OK);
    assert_string_equal(words->label, "flat_map#2");
    node_unref(text, NULL, NULL);
    node_unref(words, NULL, NULL);
}

static void test_errors_stick(void **state)
{
    next_id = 1;
    node *text = make_text("x", 0), *bad = make(NODE_MAP, text, "map", "wrods"),
         *after = make(NODE_FILTER, bad, "filter", "keep");
    node *later = make_wide(NODE_SORT, after, "sort_by_key", NULL, 3);
    expect_error(bad, SDF_E_NOT_FOUND, "map#2 wrods", "words");
    expect_error(after, SDF_E_NOT_FOUND, "map#2 wrods", "words");
    expect_error(later, SDF_E_NOT_FOUND, "map#2 wrods", "words");
    assert_string_equal(sdf_error_operator(later->error), "map#2 wrods");
    node *all[] = {text, bad, after, later};
    for (int i = 0; i < 4; i++)
        node_unref(all[i], NULL, NULL);
}

static void check_refused(node *parent, node_kind kind, const char *operation, const char *fn, int code, const char *a,
                          const char *b)
{
    node *n = make(kind, parent, operation, fn);
    expect_error(n, code, a, b);
    node_unref(n, NULL, NULL);
}

static void test_what_does_not_fit(void **state)
{
    node *text = make_text("x", 0), *words = make(NODE_FLAT_MAP, text, "flat_map", "words");
    check_refused(text, NODE_MAP, "map", "numbers", SDF_E_TYPE, "i64", "text_file#");
    check_refused(text, NODE_MAP, "map", "keep", SDF_E_TYPE, "map function", "filter function");
    check_refused(text, NODE_FILTER, "filter", "same", SDF_E_TYPE, "filter function", "\"same\"");
    check_refused(text, NODE_FLAT_MAP, "flat_map", "batches", SDF_E_TYPE, "batch", "sdf_map_batches");
    check_refused(text, NODE_BATCH, "map_batches", "same", SDF_E_TYPE, "batch function", "map function");
    check_refused(text, NODE_MAP_GROUPS, "map_groups", "sum", SDF_E_TYPE, "group function", "reduce function");
    check_refused(text, NODE_AGGREGATE, "reduce_by_key", "sum", SDF_E_TYPE, "i64", "bytes");
    check_refused(text, NODE_AGGREGATE, "reduce_by_key", "same", SDF_E_TYPE, "aggregator", "map function");
    check_refused(text, NODE_AGGREGATE, "reduce_by_key", "counter", SDF_E_TYPE, "i64", "sdf_aggregate_by_key");
    check_refused(text, NODE_MAP, "map", NULL, SDF_E_INVALID, "no function", "map#");
    check_refused(text, NODE_MAP, "map", "", SDF_E_INVALID, "no function", "map#");
    node_unref(words, NULL, NULL);
    node_unref(text, NULL, NULL);
}

static void test_aggregates(void **state)
{
    node *text = make_text("x", 0), *words = make(NODE_FLAT_MAP, text, "flat_map", "words");
    node *sum = make(NODE_AGGREGATE, words, "reduce_by_key", "sum");
    assert_null(sum->error);
    assert_string_equal(sum->state_type, "i64");
    assert_string_equal(sum->value_type, "i64");
    assert_string_equal(sum->key_type, "bytes");
    node *counter = make(NODE_AGGREGATE, text, "aggregate_by_key", "counter");
    assert_string_equal(counter->state_type, "i64");
    assert_string_equal(counter->value_type, "i64"); /* no finish: the state as it is */
    node *shown = make(NODE_AGGREGATE, text, "aggregate_by_key", "counter_text");
    assert_string_equal(shown->state_type, "i64");
    assert_string_equal(shown->value_type, "bytes");
    node *groups = make(NODE_MAP_GROUPS, words, "map_groups", "groups");
    assert_string_equal(groups->key_type, "bytes");
    assert_string_equal(groups->value_type, "f64");
    node *all[] = {text, words, sum, counter, shown, groups};
    for (int i = 0; i < 6; i++)
        node_unref(all[i], NULL, NULL);
}

static void test_bad_sources(void **state)
{
    const node_spec specs[] = {
        {NODE_TEXT, .id = 1, .operation = "text_file"},
        {NODE_TEXT, .id = 1, .operation = "text_file", .uris = ""},
        {NODE_BINARY, .id = 1, .operation = "binary_file", .uris = "x"},
        {NODE_BINARY, .id = 1, .operation = "binary_file", .uris = "x", .record_bytes = 4, .key_bytes = 5},
        {NODE_PARALLELIZE, .id = 1, .operation = "parallelize", .key_type = "i65", .partitions = 1},
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        node *n = node_new(&specs[i]);
        assert_non_null(n->error);
        assert_string_equal(sdf_error_operator(n->error), n->label);
        node_unref(n, NULL, NULL);
    }
    node *n =
        node_new(&(node_spec){NODE_BINARY, .id = 1, .operation = "b", .uris = "x", .record_bytes = 5, .key_bytes = 5});
    assert_null(n->error);
    assert_string_equal(n->key_type, "bytes");
    node_unref(n, NULL, NULL);
}

static void test_limits(void **state)
{
    static char large[PLAN_ARG_MAX + 1];
    node *text = make_text("x", 0);
    node *n = node_new(&(node_spec){NODE_MAP, .id = 9, .parent = text, .operation = "map", .function = "same",
                                    .arg = {large, sizeof large}});
    expect_error(n, SDF_E_LIMIT, "map#9 same", "argument");
    node_unref(n, NULL, NULL);
    n = node_new(&(node_spec){NODE_MAP, .id = 9, .parent = text, .operation = "map", .function = "same",
                              .arg = {large, PLAN_ARG_MAX}});
    assert_null(n->error);
    assert_int_equal(n->call.arg.size, PLAN_ARG_MAX);
    node_unref(n, NULL, NULL);
    n = node_new(
        &(node_spec){NODE_MAP, .id = 9, .parent = text, .operation = "map", .function = "same", .arg = {NULL, 3}});
    expect_error(n, SDF_E_INVALID, "map#9 same", "NULL");
    node_unref(n, NULL, NULL);
    n = make_wide(NODE_PARTITION, text, "partition_by", NULL, PLAN_TASKS_MAX + 1);
    expect_error(n, SDF_E_LIMIT, "partition_by", "partitions");
    node_unref(n, NULL, NULL);
    node_unref(text, NULL, NULL);
}

static uint32_t dropped[8], dropped_count;

static void drop(void *user, uint32_t stage)
{
    dropped[dropped_count++] = stage;
}

static void test_references(void **state)
{
    dropped_count = 0;
    node *text = make_text("x", 0), *sort = make_wide(NODE_SORT, text, "sort_by_key", NULL, 3);
    node *left = make(NODE_MAP, sort, "map", "same"), *right = make(NODE_FILTER, sort, "filter", "keep");
    sort->stage = 5;
    sort->aux_stage = 4;
    node_unref(text, drop, NULL);
    node_unref(sort, drop, NULL);
    node_unref(left, drop, NULL);
    assert_int_equal(dropped_count, 0);
    node_unref(right, drop, NULL);
    assert_int_equal(dropped_count, 2);
    assert_int_equal(dropped[0] + dropped[1], 9);
    node_unref(NULL, drop, NULL);
}

static void test_long_lineage(void **state)
{
    node *n = make_text("x", 0);
    for (int i = 0; i < 100000; i++) {
        node *next = make(NODE_FILTER, n, "filter", "keep");
        node_unref(n, NULL, NULL);
        n = next;
    }
    node_unref(n, NULL, NULL);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_and_types),  cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_what_does_not_fit), cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_bad_sources),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_references),        cmocka_unit_test(test_long_lineage),
    };
    return cmocka_run_group_tests_name("plan/lineage", tests, NULL, NULL);
}
