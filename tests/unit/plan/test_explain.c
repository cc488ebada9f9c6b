/* What explain says: stages, branches, sources, tables, what is reused and kept, and what was chosen why. */
#include <cjson/cJSON.h>

#include "planning.h"

static void expect_parts(const char *text, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strstr(text, parts[i]))
            fail_msg("no \"%s\" in:\n%s", parts[i], text);
}

#define EXPECT(node, ...)                                                                                              \
    do {                                                                                                               \
        sdf_error *err_ = NULL;                                                                                        \
        char *text_ = planner_explain(node, &config, false, &err_);                                                    \
        if (!text_)                                                                                                    \
            fail_msg("%s", sdf_error_text(err_));                                                                      \
        const char *const parts_[] = {__VA_ARGS__};                                                                    \
        expect_parts(text_, parts_, sizeof parts_ / sizeof *parts_);                                                   \
        free(text_);                                                                                                   \
    } while (0)

static void test_stages(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 2),
         *n = make_wide(NODE_SORT, sum, "sort_by_key", NULL, 2);
    EXPECT(n, "4 stages", "stage 1: text_file#1", "flat_map#2 words", "combined with reduce_by_key#3 sum",
           "materialised", "by range", "merging sorted runs", "50 bytes");
    assert_int_equal(next_stage, 1); /* nothing was taken or noted */
    assert_int_equal(sum->stages[0], 0);
    run(sum, &collect);
    EXPECT(n, "reuses stage 1", "shuffle of stage 1 (reused)");
    char *text = planner_explain(n, &config, false, NULL);
    assert_null(strstr(text, "text_file"));
    free(text);
    RELEASE(a, sum, n);
}

static void test_graphs(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3);
    node_set_errors(b, PLAN_ERRORS_FAIL);
    node *c = make_memory("bytes", 2), *ac = make_union(a, c);
    EXPECT(ac, "text_file#1 and 1 more", "2 branches, 50 bytes", "parallelize#5, from memory");
    node *join = make_join(PLAN_COGROUP_INNER, JOIN_AUTO, sum, c, 0);
    EXPECT(join, "2 sources by key, inner", "source 1, sorted by the task", "source 2\n",
           "join#7: partitioned, since the size of neither side is known",
           "join#7: in_place, since reduce_by_key#4 sum has every key in its one of 3 partitions already");
    c->data_bytes = 100;
    config.broadcast_bytes = 1000;
    EXPECT(join, "hold    table of parallelize#5", "looked up in the table of stage 4",
           "join#7: broadcast_right, since parallelize#5 has about 100 bytes, within broadcast_bytes = 1000");
    config.broadcast_bytes = 0;
    node_set_persist(sum, true, NULL, NULL);
    EXPECT(sum, "(kept)", "as they come: materialised, for reduce_by_key#4 sum");
    node *skipping = make_op(PLAN_OP_MAP, a, "map", "same");
    node_set_errors(skipping, PLAN_ERRORS_SKIP);
    EXPECT(skipping, "map#8 same, record errors: skip");
    config.exchange = 2;
    node *parts = make_wide(NODE_PARTITION, a, "partition_by", NULL, 9);
    EXPECT(parts, "9 partitions in 3 groups by hash", "(exchange)", "(6 tasks)",
           "two_levels, since 3 producers and 9 partitions make 27 reads in one level, 27 in two: as the setting says");
    config.exchange = 1;
    RELEASE(parts, skipping, join, ac, c, sum, b, a);
}

/* The member of nested objects and lists: "stages" 0 "branches" 0 ... NULL ends it. */
static cJSON *at(cJSON *o, const char *name, int i)
{
    cJSON *member = cJSON_GetObjectItem(o, name);
    assert_non_null(member);
    return i < 0 ? member : cJSON_GetArrayItem(member, i);
}

static void test_json(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3);
    node *join = make_join(PLAN_COGROUP_LEFT, JOIN_BROADCAST_RIGHT, sum, b, 0);
    node *n = make_cogroup(PLAN_COGROUP_LISTS, join, a, "cogroup", NULL, 0);
    run(sum, &collect);
    char *json = planner_explain(n, &config, true, NULL);
    cJSON *o = cJSON_Parse(json);
    assert_non_null(o);
    assert_int_equal(at(o, "version", -1)->valueint, 2);
    assert_int_equal(cJSON_GetArraySize(at(o, "stages", -1)), 3); /* the table, a's shuffle, the cogroup */
    assert_int_equal(at(o, "reused", 0)->valueint, sum->stages[0]);
    cJSON *last = at(o, "stages", 2), *input = at(at(last, "branches", 0), "input", -1);
    assert_string_equal(at(input, "kind", -1)->valuestring, "cogroup");
    assert_string_equal(at(input, "how", -1)->valuestring, "lists");
    assert_int_equal(cJSON_GetArraySize(at(input, "sources", -1)), 2);
    cJSON *nested = at(input, "sources", 0);
    assert_true(cJSON_IsTrue(at(at(nested, "input", -1), "reused", -1)));
    assert_string_equal(at(at(nested, "operators", 0), "kind", -1)->valuestring, "lookup");
    assert_string_equal(at(at(last, "sides", 0), "label", -1)->valuestring, b->label);
    assert_string_equal(at(at(o, "choices", 0), "choice", -1)->valuestring, "broadcast_right");
    assert_string_equal(at(at(o, "choices", 0), "why", -1)->valuestring, "as asked for");
    assert_string_equal(at(at(at(o, "stages", 1), "output", -1), "partitioner", -1)->valuestring, "hash");
    cJSON_Delete(o);
    free(json);
    RELEASE(n, join, sum, b, a);
}

static void test_errors(void **state)
{
    next_id = next_stage = 1;
    sdf_error *err = NULL;
    node *a = make_text("/nowhere/at/all", 0);
    assert_null(planner_explain(a, &config, true, &err));
    assert_int_equal(sdf_error_code(err), SDF_E_NOT_FOUND);
    sdf_error_free(err);
    node_unref(a, NULL, NULL);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_graphs),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("plan/explain", tests, setup, teardown);
}
