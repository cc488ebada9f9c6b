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
    node *text = make_text("x", 0), *words = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
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
    node *text = make_text("x", 0), *bad = make_op(PLAN_OP_MAP, text, "map", "wrods"),
         *after = make_op(PLAN_OP_FILTER, bad, "filter", "keep");
    node *later = make_wide(NODE_SORT, after, "sort_by_key", NULL, 3);
    expect_error(bad, SDF_E_NOT_FOUND, "map#2 wrods", "words");
    expect_error(after, SDF_E_NOT_FOUND, "map#2 wrods", "words");
    expect_error(later, SDF_E_NOT_FOUND, "map#2 wrods", "words");
    assert_string_equal(sdf_error_operator(later->error), "map#2 wrods");
    node *all[] = {text, bad, after, later};
    for (int i = 0; i < 4; i++)
        node_unref(all[i], NULL, NULL);
}

static void check_refused(node *n, int code, const char *a, const char *b)
{
    expect_error(n, code, a, b);
    node_unref(n, NULL, NULL);
}

static node *aggregate(node *parent, const char *operation, const char *fn)
{
    return make_wide(NODE_AGGREGATE, parent, operation, fn, 0);
}

static void test_what_does_not_fit(void **state)
{
    node *text = make_text("x", 0), *words = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    check_refused(make_op(PLAN_OP_MAP, text, "map", "numbers"), SDF_E_TYPE, "i64", "text_file#");
    check_refused(make_op(PLAN_OP_MAP, text, "map", "keep"), SDF_E_TYPE, "map function", "filter function");
    check_refused(make_op(PLAN_OP_FILTER, text, "filter", "same"), SDF_E_TYPE, "filter function", "\"same\"");
    check_refused(make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "batches"), SDF_E_TYPE, "batch", "sdf_map_batches");
    check_refused(make_op(PLAN_OP_BATCH, text, "map_batches", "same"), SDF_E_TYPE, "batch function", "map function");
    check_refused(make_op(PLAN_OP_MAP_VALUES, text, "map_values", "keep"), SDF_E_TYPE, "map function", "keep");
    check_refused(make_cogroup(PLAN_COGROUP_CALL, text, NULL, "map_groups", "sum", 0), SDF_E_TYPE, "group function",
                  "reduce function");
    check_refused(aggregate(text, "reduce_by_key", "sum"), SDF_E_TYPE, "i64", "bytes");
    check_refused(aggregate(text, "reduce_by_key", "same"), SDF_E_TYPE, "aggregator", "map function");
    check_refused(aggregate(text, "reduce_by_key", "counter"), SDF_E_TYPE, "i64", "sdf_aggregate_by_key");
    check_refused(make_op(PLAN_OP_MAP, text, "map", NULL), SDF_E_INVALID, "no function", "map#");
    check_refused(make_op(PLAN_OP_MAP, text, "map", ""), SDF_E_INVALID, "no function", "map#");
    RELEASE(words, text);
}

static void test_aggregates(void **state)
{
    node *text = make_text("x", 0), *words = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    node *sum = make_wide(NODE_AGGREGATE, words, "reduce_by_key", "sum", 0);
    assert_null(sum->error);
    assert_string_equal(sum->state_type, "i64");
    assert_string_equal(sum->value_type, "i64");
    assert_string_equal(sum->key_type, "bytes");
    node *counter = make_wide(NODE_AGGREGATE, text, "aggregate_by_key", "counter", 0);
    assert_string_equal(counter->state_type, "i64");
    assert_string_equal(counter->value_type, "i64"); /* no finish: the state as it is */
    node *shown = make_wide(NODE_AGGREGATE, text, "aggregate_by_key", "counter_text", 0);
    assert_string_equal(shown->state_type, "i64");
    assert_string_equal(shown->value_type, "bytes");
    node *groups = make_cogroup(PLAN_COGROUP_CALL, words, NULL, "map_groups", "groups", 0);
    assert_string_equal(groups->key_type, "bytes");
    assert_string_equal(groups->value_type, "f64");
    node *all[] = {text, words, sum, counter, shown, groups};
    for (int i = 0; i < 6; i++)
        node_unref(all[i], NULL, NULL);
}

static void check_source(node_spec spec, const char *part)
{
    spec.operation = "source";
    node *n = make_spec(spec, NULL, NULL);
    if (!part) {
        if (n->error)
            fail_msg("%s", sdf_error_text(n->error));
    } else {
        assert_non_null(n->error);
        assert_string_equal(sdf_error_operator(n->error), n->label);
        if (!strstr(sdf_error_text(n->error), part))
            fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(n->error), part);
    }
    node_unref(n, NULL, NULL);
}

static void check_format(plan_format format, const char *part)
{
    check_source((node_spec){NODE_FILES, .uris = "x", .format = &format}, part);
}

static void test_sources(void **state)
{
    plan_format text = {.kind = PLAN_FORMAT_TEXT};
    check_source((node_spec){NODE_FILES, .format = &text}, "no file");
    check_source((node_spec){NODE_FILES, .uris = "", .format = &text}, "no file");
    check_source((node_spec){NODE_FILES, .uris = "x"}, "format");
    check_format((plan_format){.kind = PLAN_FORMAT_BINARY}, "record_bytes");
    check_format((plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 4, .key_bytes = 5}, "key_bytes");
    check_format((plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 5, .key_bytes = 5}, NULL);
    check_format((plan_format){.kind = 77}, "77");
    check_format((plan_format){.kind = PLAN_FORMAT_JSON}, NULL);
    check_format((plan_format){.kind = PLAN_FORMAT_WHOLE}, NULL);
    check_source((node_spec){NODE_PARALLELIZE, .key_type = "i65", .partitions = 1}, "i65");
    check_source((node_spec){NODE_RANGE, .count = 3}, "step");
    check_source((node_spec){NODE_RANGE, .count = 3, .step = -1}, NULL);
    check_source((node_spec){NODE_RANGE, .start = INT64_MAX, .count = 1, .step = 1}, NULL);
    check_source((node_spec){NODE_RANGE, .start = INT64_MAX, .count = 2, .step = 1}, "i64");
    check_source((node_spec){NODE_RANGE, .start = INT64_MIN, .count = UINT64_MAX, .step = 1}, NULL);
    check_source((node_spec){NODE_RANGE, .start = INT64_MIN, .count = 2, .step = -1}, "i64");
    check_source((node_spec){NODE_RANGE, .start = 0, .count = UINT64_MAX, .step = INT64_MAX}, "i64");
}

static void test_dialects(void **state)
{
    plan_format csv = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true};
    check_format(csv, NULL);
    csv.delimiter = 0;
    check_format(csv, "delimiter");
    csv.delimiter = '"';
    check_format(csv, "same byte");
    csv.delimiter = '\n';
    check_format(csv, "end of a line");
    csv.delimiter = '\t';
    csv.escape = '"';
    check_format(csv, NULL);
    csv.escape = '\t';
    check_format(csv, "same byte");
    csv.escape = '\\';
    csv.quote = 0;
    csv.multiline = true;
    check_format(csv, "quote");
    csv.multiline = false;
    csv.columns = "a\nb";
    check_format(csv, NULL);
    csv.columns = "a\n\nb";
    check_format(csv, "no name");
    csv.columns = "a\n";
    check_format(csv, "no name");
    csv.columns = "a\nab\na";
    check_format(csv, "\"a\"");
}

static node *map_with(node *parent, const void *arg, size_t size)
{
    return make_spec(
        (node_spec){NODE_NARROW, .operation = "map", .op = PLAN_OP_MAP, .function = "same", .arg = {arg, size}}, parent,
        NULL);
}

static void test_limits(void **state)
{
    static char large[PLAN_ARG_MAX + 1];
    next_id = 8;
    node *text = make_text("x", 0);
    check_refused(map_with(text, large, sizeof large), SDF_E_LIMIT, "map#9 same", "argument");
    node *n = map_with(text, large, PLAN_ARG_MAX);
    assert_null(n->error);
    assert_int_equal(n->call.arg.size, PLAN_ARG_MAX);
    node_unref(n, NULL, NULL);
    check_refused(map_with(text, NULL, 3), SDF_E_INVALID, "map#11 same", "NULL");
    check_refused(make_wide(NODE_PARTITION, text, "partition_by", NULL, PLAN_TASKS_MAX + 1), SDF_E_LIMIT,
                  "partition_by", "partitions");
    check_refused(make_wide(NODE_COALESCE, text, "coalesce", NULL, 0), SDF_E_INVALID, "coalesce", "at least 1");
    node *parents[PLAN_SOURCES_MAX + 1];
    for (size_t i = 0; i <= PLAN_SOURCES_MAX; i++)
        parents[i] = text;
    node_spec spec = {NODE_COGROUP, .operation = "cogroup", .how = PLAN_COGROUP_LISTS, .parents = parents};
    check_refused(make_spec(spec, NULL, NULL), SDF_E_INVALID, "cogroup", "no collection");
    spec.parent_count = PLAN_SOURCES_MAX + 1;
    check_refused(make_spec(spec, NULL, NULL), SDF_E_LIMIT, "cogroup", "65 collections");
    spec.parent_count--;
    n = make_spec(spec, NULL, NULL);
    assert_null(n->error);
    RELEASE(n, text);
}

static void expect_types(node *n, const char *key, const char *value)
{
    if (n->error)
        fail_msg("%s", sdf_error_text(n->error));
    assert_string_equal(n->key_type, key);
    assert_string_equal(n->value_type, value);
    node_unref(n, NULL, NULL);
}

static void test_types_of_operators(void **state)
{
    node *text = make_text("x", 0), *words = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    expect_types(make_op(PLAN_OP_MAP_VALUES, words, "map_values", "numbers"), "bytes", "i64");
    expect_types(make_op(PLAN_OP_MAP_VALUES, text, "map_values", "words"), "null", "i64");
    expect_types(make_op(PLAN_OP_FLAT_MAP_VALUES, text, "flat_map_values", "words"), "null", "i64");
    expect_types(make_op(PLAN_OP_KEY_BY, text, "key_by", "words"), "bytes", "bytes");
    expect_types(make_op(PLAN_OP_KEY_BY, words, "key_by", "same"), "bytes", "tuple(bytes,i64)");
    expect_types(make_project(PLAN_PROJECT_KEY, words, NULL, NULL), "null", "bytes");
    expect_types(make_project(PLAN_PROJECT_VALUE, words, NULL, NULL), "null", "i64");
    expect_types(make_project(PLAN_PROJECT_KEY_ONLY, words, NULL, NULL), "bytes", "null");
    expect_types(make_project(PLAN_PROJECT_SWAP, words, NULL, NULL), "i64", "bytes");
    expect_types(make_project(PLAN_PROJECT_ELEMENT, text, NULL, NULL), "bytes", "null");
    node *element = make_project(PLAN_PROJECT_ELEMENT, words, NULL, NULL);
    assert_string_equal(element->key_type, "tuple(bytes,i64)");
    expect_types(make_project(PLAN_PROJECT_UNELEMENT, element, "bytes", "i64"), "bytes", "i64");
    check_refused(make_project(PLAN_PROJECT_UNELEMENT, element, "bytes", "f64"), SDF_E_TYPE, "tuple(bytes,i64)", "f64");
    check_refused(make_project(PLAN_PROJECT_SWAP_SIDES, words, NULL, NULL), SDF_E_TYPE, "i64", "two sides");
    check_refused(make_project(99, words, NULL, NULL), SDF_E_INVALID, "project", "no such");
    node *keyed = make_op(PLAN_OP_KEY_BY, words, "key_by", "same");
    expect_types(make_project(PLAN_PROJECT_UNVALUE, keyed, "bytes", "i64"), "bytes", "i64");
    expect_types(make_project(PLAN_PROJECT_SWAP_SIDES, keyed, NULL, NULL), "bytes", "tuple(i64,bytes)");
    expect_types(make_wide(NODE_INDEX, words, "zip_with_index", NULL, 0), "tuple(bytes,i64)", "i64");
    expect_types(make_spec((node_spec){NODE_UNION, .operation = "union"}, words, words), "bytes", "i64");
    check_refused(make_spec((node_spec){NODE_UNION, .operation = "union"}, words, text), SDF_E_TYPE, "value", "union#");
    RELEASE(keyed, element, words, text);
}

static void test_types_of_cogroups(void **state)
{
    node *text = make_text("x", 0), *left = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    node *right = make_op(PLAN_OP_KEY_BY, left, "key_by", "same");
    const struct {
        plan_cogroup how;
        const char *type;
    } joins[] = {
        {PLAN_COGROUP_INNER, "tuple(i64,tuple(bytes,i64))"},
        {PLAN_COGROUP_LEFT, "tuple(i64,optional(tuple(bytes,i64)))"},
        {PLAN_COGROUP_RIGHT, "tuple(optional(i64),tuple(bytes,i64))"},
        {PLAN_COGROUP_FULL, "tuple(optional(i64),optional(tuple(bytes,i64)))"},
        {PLAN_COGROUP_LISTS, "any"},
        {PLAN_COGROUP_SUBTRACT, "i64"},
        {PLAN_COGROUP_INTERSECT, "null"},
    };
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++)
        expect_types(make_cogroup(joins[i].how, left, right, "join", NULL, 0), "bytes", joins[i].type);
    expect_types(make_cogroup(PLAN_COGROUP_CALL, left, right, "map_cogroups", "bring", 0), "bytes", "i64");
    expect_types(make_cogroup(PLAN_COGROUP_CALL, left, left, "map_cogroups", "unsaid", 0), "bytes", "i64");
    check_refused(make_cogroup(PLAN_COGROUP_CALL, left, right, "map_cogroups", "unsaid", 0), SDF_E_TYPE, "i64",
                  "out_value");
    check_refused(make_cogroup(PLAN_COGROUP_CALL, left, right, "map_cogroups", "groups", 0), SDF_E_TYPE,
                  "cogroup function", "group function");
    check_refused(make_cogroup(PLAN_COGROUP_INNER, left, text, "join", NULL, 0), SDF_E_TYPE, "bytes", "null");
    check_refused(make_cogroup(PLAN_COGROUP_INNER, left, NULL, "join", NULL, 0), SDF_E_INVALID, "join", "two");
    check_refused(make_join(PLAN_COGROUP_LEFT, JOIN_BROADCAST_LEFT, left, right, 0), SDF_E_INVALID, "left",
                  "SDF_JOIN_BROADCAST_RIGHT");
    check_refused(make_join(PLAN_COGROUP_RIGHT, JOIN_BROADCAST_RIGHT, left, right, 0), SDF_E_INVALID, "right",
                  "SDF_JOIN_BROADCAST_LEFT");
    check_refused(make_join(PLAN_COGROUP_FULL, JOIN_BROADCAST_RIGHT, left, right, 0), SDF_E_INVALID, "full",
                  "SDF_JOIN_PARTITIONED");
    expect_types(make_join(PLAN_COGROUP_RIGHT, JOIN_BROADCAST_LEFT, left, right, 0), "bytes",
                 "tuple(optional(i64),tuple(bytes,i64))");
    RELEASE(right, left, text);
}

static void test_record_error_policies(void **state)
{
    node *text = make_text("x", 0);
    node_set_errors(text, PLAN_ERRORS_SKIP);
    assert_null(text->error);
    assert_int_equal(text->errors, PLAN_ERRORS_SKIP);
    node *words = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    node_set_errors(words, PLAN_ERRORS_DIVERT);
    assert_null(words->error);
    node *batches = make_op(PLAN_OP_BATCH, text, "map_batches", "batches");
    node_set_errors(batches, PLAN_ERRORS_SKIP);
    check_refused(batches, SDF_E_INVALID, "map_batches", "policy");
    node *sort = make_wide(NODE_SORT, words, "sort_by_key", NULL, 0);
    node_set_errors(sort, PLAN_ERRORS_SKIP);
    check_refused(sort, SDF_E_INVALID, "sort_by_key", "policy");
    node *bad = make_op(PLAN_OP_FILTER, text, "filter", "keep");
    node_set_errors(bad, (plan_errors)7);
    check_refused(bad, SDF_E_INVALID, "filter", "7");
    node_set_errors(text, PLAN_ERRORS_FAIL); /* it has been used */
    assert_int_equal(sdf_error_code(text->error), SDF_E_INVALID);
    node *kept = make_op(PLAN_OP_FILTER, words, "filter", "keep");
    kept->cache_stage = 9; /* what is there was made under another policy */
    node_set_errors(kept, PLAN_ERRORS_SKIP);
    check_refused(kept, SDF_E_INVALID, "filter", "can't change");
    RELEASE(words, text);
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
    node *left = make_op(PLAN_OP_MAP, sort, "map", "same"), *right = make_op(PLAN_OP_FILTER, sort, "filter", "keep");
    sort->stages[0] = 5;
    sort->middles[0] = 6;
    sort->aux_stage = 4;
    node_unref(text, drop, NULL);
    node_unref(sort, drop, NULL);
    node_unref(left, drop, NULL);
    assert_int_equal(dropped_count, 0);
    node_unref(right, drop, NULL);
    assert_int_equal(dropped_count, 3);
    assert_int_equal(dropped[0] + dropped[1] + dropped[2], 15);
    node_unref(NULL, drop, NULL);
}

static void test_diamonds_are_walked_once(void **state)
{
    node *n = make_text("x", 0), *first = n, **order;
    uint32_t count;
    for (int i = 0; i < 64; i++) { /* 2^64 ways lead from the top to the source */
        node *next = make_spec((node_spec){NODE_UNION, .operation = "union"}, n, n);
        node_unref(n, NULL, NULL);
        n = next;
    }
    assert_int_equal(node_walk(n, &order, &count), SDF_OK);
    assert_int_equal(count, 65);
    assert_ptr_equal(order[0], first);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(order[i]->slot, i + 1);
        for (uint32_t k = 0; k < order[i]->parent_count; k++)
            assert_true(order[i]->parents[k]->slot <= i);
    }
    node_walk_end(order, count);
    assert_int_equal(n->slot, 0);
    node_unref(n, NULL, NULL);
}

static void test_forgetting(void **state)
{
    dropped_count = 0;
    node *text = make_text("x", 0), *sort = make_wide(NODE_SORT, text, "sort_by_key", NULL, 3);
    node *join = make_cogroup(PLAN_COGROUP_LISTS, sort, sort, "cogroup", NULL, 2);
    sort->stages[0] = 5;
    sort->aux_stage = 4;
    join->stages[0] = 7;
    join->stages[1] = 8;
    join->middles[1] = 9;
    join->cache_stage = 10;
    assert_int_equal(node_forget(join, NULL, 0, drop, NULL), SDF_OK);
    const uint32_t other = 3, aux = 4, middle = 9, cache = 10;
    node_forget(join, &other, 1, drop, NULL);
    assert_int_equal(dropped_count, 0);
    node_forget(join, &aux, 1, drop, NULL);
    assert_int_equal(sort->stages[0] + sort->aux_stage, 0);
    assert_int_equal(dropped_count, 2);
    node_forget(join, &middle, 1, drop, NULL);
    assert_int_equal(join->stages[0], 7);
    assert_int_equal(join->stages[1] + join->middles[1], 0);
    assert_int_equal(dropped_count, 4);
    node_forget(join, &cache, 1, drop, NULL);
    assert_int_equal(join->cache_stage, 0);
    assert_int_equal(dropped_count, 5);
    join->cache_stage = 11;
    join->persist = true;
    node_set_persist(join, false, drop, NULL);
    assert_int_equal(dropped_count, 6);
    assert_false(join->persist);
    RELEASE(text, sort, join);
}

static void test_long_lineage(void **state)
{
    node *n = make_text("x", 0), **order;
    uint32_t count;
    for (int i = 0; i < 100000; i++) {
        node *next = make_op(PLAN_OP_FILTER, n, "filter", "keep");
        node_unref(n, NULL, NULL);
        n = next;
    }
    assert_int_equal(node_walk(n, &order, &count), SDF_OK);
    assert_int_equal(count, 100001);
    node_walk_end(order, count);
    node_unref(n, NULL, NULL);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_and_types),
        cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_types_of_operators),
        cmocka_unit_test(test_types_of_cogroups),
        cmocka_unit_test(test_record_error_policies),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_diamonds_are_walked_once),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_long_lineage),
    };
    return cmocka_run_group_tests_name("plan/lineage", tests, NULL, NULL);
}
