/* Plans: where stages are cut, what they read and write, what is reused, what explain says. */
#include <cjson/cJSON.h>

#include "support.h"

static char *folder;
static uint32_t next_stage;
static planner_config config = {
    .partitions = 4, .split_bytes = 20, .compression = "lz4", .program_id = "p", .next_stage = &next_stage};
static const planner_action collect = {.output = PLAN_OUTPUT_RESULT};

static int setup(void **state)
{
    folder = make_folder();
    write_file(folder, "a", 50); /* three splits of 20, 20, 10 */
    return 0;
}

static int teardown(void **state)
{
    drop_folder(folder);
    return 0;
}

static planned plan_of(node *target, const planner_action *action)
{
    planned p;
    sdf_error *err = NULL;
    if (planner_plan(target, action, &config, &p, &err))
        fail_msg("%s", sdf_error_text(err));
    buf json = BUF_EMPTY;
    plan *back = NULL;
    assert_int_equal(plan_encode(p.plan, &json, NULL), SDF_OK); /* what is planned can be sent */
    assert_int_equal(plan_decode(json.data, json.size, &back, NULL), SDF_OK);
    plan_free(back);
    buf_free(&json);
    return p;
}

static node *words(void)
{
    node *text = make_text(folder, 0), *n = make(NODE_FLAT_MAP, text, "flat_map", "words");
    node_unref(text, NULL, NULL);
    return n;
}

static void test_narrow_is_one_stage(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make(NODE_MAP, a, "map", "same"), *c = make(NODE_FILTER, b, "filter", "keep");
    node *d = make(NODE_BATCH, c, "map_batches", "batches");
    planned p = plan_of(d, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    const plan_stage *s = p.plan->stages;
    assert_string_equal(s->label, "stage 1: text_file#1");
    assert_int_equal(s->tasks, 3);
    assert_int_equal(s->input.kind, PLAN_INPUT_TEXT);
    assert_int_equal(s->op_count, 4);
    const plan_op_kind kinds[] = {PLAN_OP_FLAT_MAP, PLAN_OP_MAP, PLAN_OP_FILTER, PLAN_OP_BATCH};
    for (int i = 0; i < 4; i++)
        assert_int_equal(s->ops[i].kind, kinds[i]);
    assert_string_equal(s->ops[0].key_type, "bytes");
    assert_string_equal(s->ops[0].value_type, "i64");
    assert_int_equal(s->ops[0].call.version, 7);
    assert_int_equal(s->output.kind, PLAN_OUTPUT_RESULT);
    assert_true(s->resumable);
    assert_int_equal(p.input_bytes[0], 50);
    assert_int_equal(p.target, 1);
    planned_clear(&p);
    node *all[] = {a, b, c, d};
    for (int i = 0; i < 4; i++)
        node_unref(all[i], NULL, NULL);
}

static void test_aggregate_and_reuse(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 0),
         *kept = make(NODE_FILTER, sum, "filter", "keep");
    planned p = plan_of(kept, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    const plan_output *out = &p.plan->stages[0].output;
    assert_int_equal(out->kind, PLAN_OUTPUT_SHUFFLE);
    assert_int_equal(out->partitions, 4);
    assert_int_equal(out->partitioner, PLAN_PARTITION_HASH);
    assert_int_equal(out->order, PLAN_ORDER_NONE);
    assert_string_equal(out->combine.function, "sum");
    assert_string_equal(out->value_type, "i64");
    const plan_stage *s = &p.plan->stages[1];
    assert_string_equal(s->label, "stage 2: reduce_by_key#3 sum");
    assert_int_equal(s->tasks, 4);
    assert_int_equal(s->input.source, 1);
    assert_int_equal(s->input.read, PLAN_READ_AGGREGATE);
    assert_string_equal(s->input.call.function, "sum");
    assert_string_equal(s->input.stored_value_type, "i64");
    assert_false(s->resumable);
    assert_int_equal(sum->stage, 0); /* nothing is changed before the commit */
    planned_commit(&p);
    assert_int_equal(sum->stage, 1);
    planned_clear(&p);

    p = plan_of(kept, &(planner_action){.output = PLAN_OUTPUT_COUNT});
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.plan->stages[0].id, 3);
    assert_int_equal(p.plan->stages[0].input.source, 1);
    assert_int_equal(p.plan->stages[0].tasks, 4);
    assert_int_equal(p.reused, 1);
    assert_int_equal(p.plan->stages[0].output.kind, PLAN_OUTPUT_COUNT);
    planned_clear(&p);
    node *all[] = {a, sum, kept};
    for (int i = 0; i < 3; i++)
        node_unref(all[i], NULL, NULL);
}

static void test_state_differs_from_value(void **state)
{
    next_id = next_stage = 1;
    node *text = make_text(folder, 0), *n = make_wide(NODE_AGGREGATE, text, "aggregate_by_key", "counter_text", 2);
    planned p = plan_of(n, &collect);
    assert_string_equal(p.plan->stages[0].output.value_type, "i64");
    assert_string_equal(p.plan->stages[1].input.stored_value_type, "i64");
    assert_string_equal(p.plan->stages[1].input.value_type, "bytes");
    planned_clear(&p);
    node_unref(n, NULL, NULL);
    node_unref(text, NULL, NULL);
}

static void test_groups(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_wide(NODE_MAP_GROUPS, a, "map_groups", "groups", 5);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stages[0].output.order, PLAN_ORDER_ASCENDING);
    assert_int_equal(p.plan->stages[0].output.partitioner, PLAN_PARTITION_HASH);
    assert_null(p.plan->stages[0].output.combine.function);
    assert_int_equal(p.plan->stages[1].input.read, PLAN_READ_GROUP);
    assert_string_equal(p.plan->stages[1].input.stored_value_type, "i64");
    assert_string_equal(p.plan->stages[1].input.value_type, "f64");
    assert_int_equal(p.plan->stages[1].tasks, 5);
    planned_clear(&p);
    node_unref(n, NULL, NULL);
    node_unref(a, NULL, NULL);
}

static void test_sort_from_source(void **state)
{
    next_id = next_stage = 1;
    node *a = words();
    node *n = node_new(
        &(node_spec){NODE_SORT, .id = 3, .parent = a, .operation = "sort_by_key", .partitions = 6, .descending = true});
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 3);
    const plan_stage *s = p.plan->stages;
    assert_int_equal(s[0].output.kind, PLAN_OUTPUT_SAMPLE);
    assert_in_range(s[0].output.sample, 6 * 16 / 3, 100000);
    assert_int_equal(s[0].op_count, 1);
    assert_false(s[0].resumable);
    assert_int_equal(s[1].output.partitioner, PLAN_PARTITION_RANGE);
    assert_int_equal(s[1].output.order, PLAN_ORDER_DESCENDING);
    assert_int_equal(s[1].sampled_by, s[0].id);
    assert_int_equal(s[1].op_count, 1);
    assert_true(s[1].resumable);
    assert_int_equal(s[2].input.read, PLAN_READ_MERGE);
    assert_true(s[2].input.descending);
    assert_int_equal(s[2].input.source, s[1].id);
    assert_int_equal(s[2].tasks, 6);
    assert_int_equal(s[0].tasks, s[1].tasks);
    for (uint32_t i = 0; i < s[0].tasks; i++) {
        assert_ptr_not_equal(p.splits[0][i].path, p.splits[1][i].path); /* each its own */
        assert_int_equal(p.splits[0][i].offset, p.splits[1][i].offset);
    }
    planned_commit(&p);
    assert_int_equal(n->stage, s[1].id);
    assert_int_equal(n->aux_stage, s[0].id);
    planned_clear(&p);
    node_unref(n, NULL, NULL);
    node_unref(a, NULL, NULL);
}

static void test_sort_after_shuffle(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3),
         *b = make(NODE_MAP, sum, "map", "same");
    node *n = make_wide(NODE_SORT, b, "sort_by_key", NULL, 2);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 4);
    const plan_stage *s = p.plan->stages;
    assert_int_equal(s[1].output.partitioner, PLAN_PARTITION_FORWARD);
    assert_int_equal(s[1].output.partitions, 3);
    assert_int_equal(s[1].tasks, 3);
    assert_true(s[1].output.sample > 0);
    assert_int_equal(s[1].op_count, 1);
    assert_int_equal(s[2].input.source, s[1].id);
    assert_int_equal(s[2].input.read, PLAN_READ_CONCAT);
    assert_int_equal(s[2].sampled_by, s[1].id);
    assert_int_equal(s[2].op_count, 0);
    assert_int_equal(s[2].tasks, 3);
    assert_int_equal(s[2].output.partitioner, PLAN_PARTITION_RANGE);
    assert_int_equal(s[3].input.source, s[2].id);
    assert_int_equal(s[3].tasks, 2);
    planned_commit(&p);
    assert_int_equal(n->aux_stage, s[1].id);
    planned_clear(&p);
    node *all[] = {a, sum, b, n};
    for (int i = 0; i < 4; i++)
        node_unref(all[i], NULL, NULL);
}

static void test_sort_into_one_needs_no_sample(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_wide(NODE_SORT, a, "sort_by_key", NULL, 1);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[0].output.order, PLAN_ORDER_ASCENDING);
    assert_int_equal(p.plan->stages[0].sampled_by, 0);
    assert_int_equal(p.plan->stages[1].input.read, PLAN_READ_MERGE);
    planned_clear(&p);
    node_unref(n, NULL, NULL);
    node_unref(a, NULL, NULL);
}

static void test_partition_by_and_parallelize(void **state)
{
    next_id = next_stage = 1;
    node *source = node_new(&(node_spec){NODE_PARALLELIZE, .id = 1, .operation = "parallelize", .key_type = "i64",
                                         .value_type = "null", .partitions = 7});
    source->stage = next_stage++;
    node *n = make_wide(NODE_PARTITION, source, "partition_by", NULL, 3);
    planned p = plan_of(n, &collect);
    assert_ptr_equal(p.parallelize, source);
    assert_int_equal(p.reused, 0);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[0].input.source, 1);
    assert_int_equal(p.plan->stages[0].input.read, PLAN_READ_CONCAT);
    assert_int_equal(p.plan->stages[0].tasks, 7);
    assert_string_equal(p.plan->stages[0].input.stored_key_type, "i64");
    assert_int_equal(p.plan->stages[1].input.read, PLAN_READ_CONCAT);
    assert_int_equal(p.plan->stages[1].tasks, 3);
    planned_clear(&p);
    node_unref(n, NULL, NULL);
    node_unref(source, NULL, NULL);
}

static void test_take_runs_some(void **state)
{
    next_id = next_stage = 1;
    node *a = words();
    planned p = plan_of(a, &(planner_action){.output = PLAN_OUTPUT_RESULT, .first_task = 1, .tasks = 5});
    assert_int_equal(p.partitions, 3);
    assert_int_equal(p.plan->stages[0].first_task, 1);
    assert_int_equal(p.plan->stages[0].tasks, 2);
    assert_int_equal(p.splits[0][0].offset, 20);
    assert_int_equal(p.splits[0][1].offset, 40);
    planned_clear(&p);
    p = plan_of(a, &(planner_action){.output = PLAN_OUTPUT_RESULT, .first_task = 0, .tasks = 1});
    assert_int_equal(p.plan->stages[0].tasks, 1);
    assert_int_equal(p.splits[0][0].offset, 0);
    planned_clear(&p);
    node_unref(a, NULL, NULL);
}

static void test_failure_changes_nothing(void **state)
{
    next_id = next_stage = 1;
    planned p;
    sdf_error *err = NULL;
    node *text = make_text("/nowhere/at/all", 0), *n = make_wide(NODE_SORT, text, "sort_by_key", NULL, 2);
    assert_int_equal(planner_plan(n, &collect, &config, &p, &err), SDF_E_NOT_FOUND);
    assert_string_equal(sdf_error_operator(err), "text_file#1");
    assert_int_equal(next_stage, 1);
    assert_int_equal(n->stage, 0);
    assert_null(p.plan);
    planned_clear(&p);
    sdf_error_free(err);
    err = NULL;
    node *bad = make(NODE_MAP, n, "map", "nothing_like_it");
    assert_int_equal(planner_plan(bad, &collect, &config, &p, &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_message(err), "nothing_like_it"));
    sdf_error_free(err);
    node_unref(bad, NULL, NULL);
    node_unref(n, NULL, NULL);
    node_unref(text, NULL, NULL);
}

static void test_limits(void **state)
{
    next_id = next_stage = 1;
    planned p;
    sdf_error *err = NULL;
    node *n = words();
    for (uint32_t i = 0; i < PLAN_OPS_MAX; i++) {
        node *next = make(NODE_FILTER, n, "filter", "keep");
        node_unref(n, NULL, NULL);
        n = next;
    }
    assert_int_equal(planner_plan(n, &collect, &config, &p, &err), SDF_E_LIMIT);
    sdf_error_free(err);
    err = NULL;
    node_unref(n, NULL, NULL);
    n = words();
    for (uint32_t i = 0; i < PLAN_STAGES_MAX; i++) {
        node *next = make_wide(NODE_PARTITION, n, "partition_by", NULL, 1);
        node_unref(n, NULL, NULL);
        n = next;
    }
    assert_int_equal(planner_plan(n, &collect, &config, &p, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_message(err), "stages"));
    sdf_error_free(err);
    node_unref(n, NULL, NULL);
}

static void test_explain(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 2),
         *n = make_wide(NODE_SORT, sum, "sort_by_key", NULL, 2);
    char *text = planner_explain(n, &config, false, NULL);
    static const char *const expected[] = {
        "4 stages", "stage 1: text_file#1", "flat_map#2 words", "combined with reduce_by_key#3 sum", "materialised",
        "by range", "merging sorted runs",  "50 bytes"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(text, expected[i]))
            fail_msg("no \"%s\" in:\n%s", expected[i], text);
    free(text);
    assert_int_equal(next_stage, 1);

    planned p = plan_of(sum, &collect);
    planned_commit(&p);
    planned_clear(&p);
    text = planner_explain(n, &config, false, NULL);
    assert_non_null(strstr(text, "reuses stage 1"));
    assert_null(strstr(text, "text_file"));
    free(text);
    char *json = planner_explain(n, &config, true, NULL);
    cJSON *o = cJSON_Parse(json);
    assert_non_null(o);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o, "stages")), 3);
    assert_int_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(o, "reused"), 0)->valueint, 1);
    cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "stages"), 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(first, "input"), "reused")));
    cJSON_Delete(o);
    free(json);
    node *all[] = {a, sum, n};
    for (int i = 0; i < 3; i++)
        node_unref(all[i], NULL, NULL);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow_is_one_stage),
        cmocka_unit_test(test_aggregate_and_reuse),
        cmocka_unit_test(test_state_differs_from_value),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_sort_from_source),
        cmocka_unit_test(test_sort_after_shuffle),
        cmocka_unit_test(test_sort_into_one_needs_no_sample),
        cmocka_unit_test(test_partition_by_and_parallelize),
        cmocka_unit_test(test_take_runs_some),
        cmocka_unit_test(test_failure_changes_nothing),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_explain),
    };
    return cmocka_run_group_tests_name("plan/planner", tests, setup, teardown);
}
