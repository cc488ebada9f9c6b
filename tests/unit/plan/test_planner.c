/* Plans of narrow chains, unions and single shuffles: where stages are cut, what they read and write, what is reused.
 */
#include "planning.h"

static void test_narrow_is_one_stage(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_op(PLAN_OP_MAP, a, "map", "same"), *c = make_op(PLAN_OP_FILTER, b, "filter", "keep");
    node *d = make_op(PLAN_OP_BATCH, c, "map_batches", "batches");
    planned p = plan_of(d, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    const plan_stage *s = p.plan->stages;
    assert_string_equal(s->label, "stage 1: text_file#1");
    assert_int_equal(s->tasks, 3);
    assert_int_equal(s->branch_count, 1);
    const plan_branch *branch = s->branches;
    assert_int_equal(branch->input.kind, PLAN_INPUT_FILES);
    assert_int_equal(branch->input.format.kind, PLAN_FORMAT_TEXT);
    assert_int_equal(branch->op_count, 4);
    const plan_op_kind kinds[] = {PLAN_OP_FLAT_MAP, PLAN_OP_MAP, PLAN_OP_FILTER, PLAN_OP_BATCH};
    for (int i = 0; i < 4; i++)
        assert_int_equal(branch->ops[i].kind, kinds[i]);
    assert_string_equal(branch->ops[0].key_type, "bytes");
    assert_string_equal(branch->ops[0].value_type, "i64");
    assert_int_equal(branch->ops[0].call.version, 7);
    assert_int_equal(s->output.kind, PLAN_OUTPUT_RESULT);
    assert_true(s->resumable);
    assert_int_equal(p.input_bytes[0], 50);
    assert_int_equal(p.target, 1);
    planned_clear(&p);
    RELEASE(a, b, c, d);
}

static void test_aggregate_and_reuse(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 0),
         *kept = make_op(PLAN_OP_FILTER, sum, "filter", "keep");
    planned p = plan_of(kept, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    const plan_output *out = &p.plan->stages[0].output;
    assert_int_equal(out->kind, PLAN_OUTPUT_SHUFFLE);
    assert_int_equal(out->partitions, 4);
    assert_int_equal(out->partitioner, PLAN_PARTITION_HASH);
    assert_int_equal(out->order, PLAN_ORDER_NONE);
    assert_string_equal(out->combine.function, "sum");
    assert_string_equal(out->value_type, "i64");
    assert_true(p.plan->stages[0].resumable);
    const plan_stage *s = &p.plan->stages[1];
    assert_string_equal(s->label, "stage 2: reduce_by_key#3 sum");
    assert_int_equal(s->tasks, 4);
    assert_null(p.pieces[1].first);
    assert_int_equal(s->branches[0].input.source, 1);
    assert_int_equal(s->branches[0].input.read, PLAN_READ_AGGREGATE);
    assert_string_equal(s->branches[0].input.call.function, "sum");
    assert_string_equal(s->branches[0].input.stored_value_type, "i64");
    assert_false(s->resumable);
    assert_int_equal(sum->stages[0], 0); /* nothing is changed before the commit */
    planned_commit(&p);
    assert_int_equal(sum->stages[0], 1);
    planned_clear(&p);

    p = plan_of(kept, &(planner_action){.output = PLAN_OUTPUT_COUNT});
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.plan->stages[0].id, 3);
    assert_int_equal(input_of(&p, 0)->source, 1);
    assert_int_equal(p.plan->stages[0].tasks, 4);
    assert_int_equal(p.reused_count, 1);
    assert_int_equal(p.reused[0], 1);
    assert_int_equal(p.plan->stages[0].output.kind, PLAN_OUTPUT_COUNT);
    planned_clear(&p);

    const uint32_t lost = 1; /* a failed job left it half done */
    assert_int_equal(node_forget(kept, &lost, 1, NULL, NULL), SDF_OK);
    p = plan_of(kept, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    planned_clear(&p);
    RELEASE(a, sum, kept);
}

static void test_state_differs_from_value(void **state)
{
    next_id = next_stage = 1;
    node *text = make_text(folder, 0), *n = make_wide(NODE_AGGREGATE, text, "aggregate_by_key", "counter_text", 2);
    planned p = plan_of(n, &collect);
    assert_string_equal(p.plan->stages[0].output.value_type, "i64");
    assert_string_equal(input_of(&p, 1)->stored_value_type, "i64");
    assert_string_equal(input_of(&p, 1)->value_type, "bytes");
    planned_clear(&p);
    RELEASE(n, text);
}

static void test_repartition_and_parallelize(void **state)
{
    next_id = next_stage = 1;
    node *source = make_memory("i64", 7);
    node *n = make_wide(NODE_PARTITION, source, "partition_by", NULL, 3);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.parallelize_count, 1);
    assert_ptr_equal(p.parallelize[0], source);
    assert_int_equal(p.reused_count, 0);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(input_of(&p, 0)->source, 1);
    assert_int_equal(input_of(&p, 0)->read, PLAN_READ_CONCAT);
    assert_int_equal(p.plan->stages[0].tasks, 7);
    assert_string_equal(input_of(&p, 0)->stored_key_type, "i64");
    assert_int_equal(input_of(&p, 1)->read, PLAN_READ_CONCAT);
    assert_int_equal(p.plan->stages[1].tasks, 3);
    planned_clear(&p);
    node *turn = make_wide(NODE_REPARTITION, source, "repartition", NULL, 5);
    p = plan_of(turn, &collect);
    assert_int_equal(p.plan->stages[0].output.partitioner, PLAN_PARTITION_ROUND_ROBIN);
    assert_int_equal(p.plan->stages[0].output.partitions, 5);
    assert_int_equal(p.plan->stages[1].tasks, 5);
    planned_clear(&p);
    RELEASE(turn, n, source);
}

static void test_range(void **state)
{
    next_id = next_stage = 1;
    node *n = make_spec(
        (node_spec){NODE_RANGE, .operation = "range", .start = -5, .step = 3, .count = UINT64_MAX / 8, .partitions = 7},
        NULL, NULL);
    assert_null(n->error);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stages[0].tasks, 7);
    assert_true(p.plan->stages[0].resumable);
    assert_int_equal(input_of(&p, 0)->start, -5);
    assert_int_equal(input_of(&p, 0)->step, 3);
    uint64_t at = 0;
    for (uint32_t t = 0; t < 7; t++) {
        assert_int_equal(p.pieces[0].first[t], t);
        assert_null(p.pieces[0].pieces[t].split.path);
        assert_int_equal(p.pieces[0].pieces[t].split.offset, at);
        at += p.pieces[0].pieces[t].split.length;
    }
    assert_int_equal(at, UINT64_MAX / 8);
    planned_clear(&p);
    node_unref(n, NULL, NULL);
}

static void test_union_of_branches(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3);
    node *ab = make_union(a, b), *all = make_union(ab, sum), *last = make_op(PLAN_OP_FILTER, all, "filter", "keep");
    planned p = plan_of(last, &collect);
    assert_int_equal(p.plan->stage_count, 2); /* the aggregate's map side, and all three */
    const plan_stage *s = &p.plan->stages[1];
    assert_int_equal(s->branch_count, 3);
    assert_string_equal(s->label + strlen("stage N: "), "text_file#1 and 2 more");
    assert_int_equal(s->tasks, 3 + 2 + 3);
    const uint32_t ops[] = {2, 1, 1}, branches[] = {0, 0, 0, 1, 1, 2, 2, 2}, parts[] = {0, 1, 2, 0, 1, 0, 1, 2};
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(s->branches[i].op_count, ops[i]);
    for (uint32_t t = 0; t < 8; t++) {
        assert_int_equal(p.pieces[1].first[t + 1], t + 1);
        assert_int_equal(p.pieces[1].pieces[t].branch, branches[t]);
        assert_int_equal(p.pieces[1].pieces[t].partition, parts[t]);
        assert_int_equal(p.pieces[1].pieces[t].split.path != NULL, t < 3);
    }
    assert_int_equal(p.input_bytes[1], 50);
    assert_false(s->resumable);
    planned_clear(&p);
    RELEASE(last, all, ab, sum, b, a);
}

static void test_union_with_itself(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *twice = make_union(a, a), *four = make_union(twice, twice);
    planned p = plan_of(four, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.plan->stages[0].branch_count, 4);
    assert_int_equal(p.plan->stages[0].tasks, 12);
    assert_true(p.plan->stages[0].resumable);
    for (uint32_t i = 0; i < 12; i++) /* each has a split of its own memory */
        for (uint32_t k = 0; k < i; k++)
            assert_ptr_not_equal(p.pieces[0].pieces[i].split.path, p.pieces[0].pieces[k].split.path);
    planned_clear(&p);
    RELEASE(four, twice, a);
}

static void test_coalesce(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 7);
    node *few = make_wide(NODE_COALESCE, sum, "coalesce", NULL, 3);
    planned p = plan_of(few, &collect);
    assert_int_equal(p.plan->stages[1].tasks, 3);
    const uint32_t first[] = {0, 2, 4, 7};
    for (uint32_t t = 0; t <= 3; t++)
        assert_int_equal(p.pieces[1].first[t], first[t]);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(p.pieces[1].pieces[i].partition, i);
    planned_clear(&p);
    node *same = make_wide(NODE_COALESCE, sum, "coalesce", NULL, 7);
    p = plan_of(same, &collect);
    assert_int_equal(p.plan->stages[1].tasks, 7);
    planned_clear(&p);
    node *again = make_wide(NODE_COALESCE, few, "coalesce", NULL, 1), *doubled = make_union(again, few);
    p = plan_of(doubled, &collect);
    assert_int_equal(p.plan->stages[1].tasks, 4);
    assert_int_equal(p.pieces[1].first[1], 7);
    assert_int_equal(p.pieces[1].first[4], 14);
    planned_clear(&p);
    RELEASE(doubled, again, same, few, sum, a);
}

static void test_take_runs_some(void **state)
{
    next_id = next_stage = 1;
    node *a = words();
    planned p = plan_of(a, &(planner_action){.output = PLAN_OUTPUT_RESULT, .first_task = 1, .tasks = 5});
    assert_int_equal(p.partitions, 3);
    assert_int_equal(p.plan->stages[0].first_task, 1);
    assert_int_equal(p.plan->stages[0].tasks, 2);
    assert_int_equal(p.pieces[0].first[0], 0);
    assert_int_equal(p.pieces[0].first[2], 2);
    assert_int_equal(p.pieces[0].pieces[0].split.offset, 20);
    assert_int_equal(p.pieces[0].pieces[1].split.offset, 40);
    planned_clear(&p);
    p = plan_of(a, &(planner_action){.output = PLAN_OUTPUT_RESULT, .first_task = 0, .tasks = 1});
    assert_int_equal(p.plan->stages[0].tasks, 1);
    assert_int_equal(p.pieces[0].pieces[0].split.offset, 0);
    planned_clear(&p);
    node *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 7);
    p = plan_of(sum, &(planner_action){.output = PLAN_OUTPUT_RESULT, .first_task = 4, .tasks = 2});
    assert_int_equal(p.plan->stages[0].tasks, 3); /* what it reads is all needed */
    assert_int_equal(p.plan->stages[1].first_task, 4);
    assert_int_equal(p.plan->stages[1].tasks, 2);
    assert_null(p.pieces[1].first);
    planned_clear(&p);
    RELEASE(sum, a);
}

static planner_action save(const char *uri, bool single)
{
    return (planner_action){
        .output = PLAN_OUTPUT_FILE, .format = {.kind = PLAN_FORMAT_TEXT}, .uri = uri, .single = single};
}

static void test_single_file(void **state)
{
    next_id = next_stage = 1;
    planner_action one = save("out.txt", true);
    node *a = words();
    planned p = plan_of(a, &one);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[0].output.partitioner, PLAN_PARTITION_FORWARD);
    assert_int_equal(p.plan->stages[0].output.partitions, 3);
    assert_int_equal(p.scratch_count, 1);
    assert_int_equal(p.scratch[0], p.plan->stages[0].id);
    assert_int_equal(p.plan->stages[1].tasks, 1);
    assert_int_equal(p.pieces[1].first[1], 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(p.pieces[1].pieces[i].partition, i);
    assert_true(p.plan->stages[1].output.single);
    assert_false(p.plan->stages[1].resumable);
    assert_int_equal(p.node_count, 0);
    planned_clear(&p);
    node *spread = make_wide(NODE_PARTITION, a, "partition_by", NULL, 5); /* a stage has it already, as it is */
    p = plan_of(spread, &one);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.scratch_count, 0);
    assert_int_equal(p.pieces[1].first[1], 5);
    planned_clear(&p);
    node *few = make_wide(NODE_COALESCE, a, "coalesce", NULL, 1);
    p = plan_of(few, &one);
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.pieces[0].first[1], 3);
    planned_clear(&p);
    RELEASE(few, spread, a);
}

static void test_diverted_records(void **state)
{
    next_id = next_stage = 1;
    planner_action folder_of = save("out", false), one = save("out.txt", true);
    node *a = words();
    node_set_errors(a, PLAN_ERRORS_DIVERT);
    planned p = plan_of(a, &folder_of);
    assert_string_equal(p.plan->errors_uri, "out");
    assert_int_equal(p.plan->stages[0].branches[0].ops[0].errors, PLAN_ERRORS_DIVERT);
    planned_clear(&p);
    expect_failure(a, &one, SDF_E_INVALID, "flat_map#2 words", "save into a folder");
    expect_failure(a, &collect, SDF_E_INVALID, "flat_map#2 words", "sdf_save");
    node *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 2);
    expect_failure(sum, &collect, SDF_E_INVALID, "flat_map#2 words", "sdf_save");
    run(sum, &folder_of);
    run(sum, &collect); /* what would divert has run */
    node *lists = make_cogroup(PLAN_COGROUP_LISTS, sum, sum, "cogroup", NULL, 0);
    run(lists, &collect);
    char *text = planner_explain(a, &config, false, NULL); /* only to be told */
    assert_non_null(strstr(text, "record errors: divert"));
    free(text);
    RELEASE(lists, sum, a);
}

static void test_broadcasts_are_listed(void **state)
{
    next_id = next_stage = 1;
    plan_broadcast values[] = {{.name = "codes", .id = 3, .bytes = 10, .digest = 77}};
    node *a = words();
    config.broadcasts = values;
    config.broadcast_count = 1;
    planned p = plan_of(a, &collect);
    assert_int_equal(p.plan->broadcast_count, 1);
    assert_string_equal(p.plan->broadcasts[0].name, "codes");
    assert_int_equal(p.plan->broadcasts[0].digest, 77);
    planned_clear(&p);
    config.broadcasts = NULL;
    config.broadcast_count = 0;
    node_unref(a, NULL, NULL);
}

static void test_failure_changes_nothing(void **state)
{
    next_id = next_stage = 1;
    node *text = make_text("/nowhere/at/all", 0), *n = make_wide(NODE_SORT, text, "sort_by_key", NULL, 2);
    expect_failure(n, &collect, SDF_E_NOT_FOUND, "text_file#1", "nowhere");
    assert_int_equal(n->stages[0], 0);
    assert_int_equal(n->slot, 0);
    node *good = words(), *both = make_cogroup(PLAN_COGROUP_LISTS, good, n, "cogroup", NULL, 2);
    expect_failure(both, &collect, SDF_E_TYPE, "cogroup", "key"); /* of different types */
    node *bad = make_op(PLAN_OP_MAP, n, "map", "nothing_like_it");
    expect_failure(bad, &collect, SDF_E_NOT_FOUND, "nothing_like_it", "map#");
    RELEASE(bad, both, good, n, text);
}

static void test_limits_of_a_chain(void **state)
{
    next_id = next_stage = 1;
    node *n = words();
    for (uint32_t i = 0; i < PLAN_OPS_MAX; i++) {
        node *next = make_op(PLAN_OP_FILTER, n, "filter", "keep");
        node_unref(n, NULL, NULL);
        n = next;
    }
    expect_failure(n, &collect, SDF_E_LIMIT, "operators", "filter#1026 keep");
    node_unref(n, NULL, NULL);
    n = words();
    for (uint32_t i = 0; i < PLAN_STAGES_MAX; i++) {
        node *next = make_wide(NODE_REPARTITION, n, "repartition", NULL, 1);
        node_unref(n, NULL, NULL);
        n = next;
    }
    expect_failure(n, &collect, SDF_E_LIMIT, "stages", "repartition#");
    node_unref(n, NULL, NULL);
}

static void test_limits_of_unions(void **state)
{
    next_id = next_stage = 1;
    node *n = make_text(folder, 0);
    for (int i = 0; i < 40; i++) { /* 2^40 branches */
        node *next = make_union(n, n);
        node_unref(n, NULL, NULL);
        n = next;
    }
    expect_failure(n, &collect, SDF_E_LIMIT, "unite fewer", "union#");
    node_unref(n, NULL, NULL);
    n = make_wide(NODE_REPARTITION, NULL, "repartition", NULL, 5);
    assert_non_null(n->error); /* of nothing */
    node_unref(n, NULL, NULL);
    node *source = make_memory("i64", PLAN_TASKS_MAX / 2 + 1), *twice = make_union(source, source);
    expect_failure(twice, &collect, SDF_E_LIMIT, "tasks", "sdf_coalesce");
    RELEASE(twice, source);
}

static void test_large_arguments_many_times(void **state)
{
    static char large[PLAN_ARG_MAX];
    next_id = next_stage = 1;
    node *n = make_text(folder, 0);
    for (int i = 0; i < 20; i++) {
        node *next = make_spec((node_spec){NODE_NARROW, .operation = "map", .op = PLAN_OP_MAP, .function = "same",
                                           .arg = {large, sizeof large}},
                               n, NULL);
        node_unref(n, NULL, NULL);
        n = next;
    }
    expect_failure(n, &collect, SDF_E_LIMIT, "bytes of a plan", "sdf_broadcast");
    node_unref(n, NULL, NULL);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow_is_one_stage),
        cmocka_unit_test(test_aggregate_and_reuse),
        cmocka_unit_test(test_state_differs_from_value),
        cmocka_unit_test(test_repartition_and_parallelize),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_union_of_branches),
        cmocka_unit_test(test_union_with_itself),
        cmocka_unit_test(test_coalesce),
        cmocka_unit_test(test_take_runs_some),
        cmocka_unit_test(test_single_file),
        cmocka_unit_test(test_diverted_records),
        cmocka_unit_test(test_broadcasts_are_listed),
        cmocka_unit_test(test_failure_changes_nothing),
        cmocka_unit_test(test_limits_of_a_chain),
        cmocka_unit_test(test_limits_of_unions),
        cmocka_unit_test(test_large_arguments_many_times),
    };
    return cmocka_run_group_tests_name("plan/planner", tests, setup, teardown);
}
