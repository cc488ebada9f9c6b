/* Plans of sorts, cogroups, indexes, kept collections and two-level exchanges. */
#include "planning.h"

/* ---- sorts ---- */

static void test_sort_from_source(void **state)
{
    next_id = next_stage = 1;
    node *a = words();
    node *n =
        make_spec((node_spec){NODE_SORT, .operation = "sort_by_key", .partitions = 6, .descending = true}, a, NULL);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 3);
    const plan_stage *s = p.plan->stages;
    assert_int_equal(s[0].output.kind, PLAN_OUTPUT_SAMPLE);
    assert_in_range(s[0].output.sample, 6 * 16 / 3, 100000);
    assert_int_equal(s[0].branches[0].op_count, 1);
    assert_false(s[0].resumable);
    assert_int_equal(s[1].output.partitioner, PLAN_PARTITION_RANGE);
    assert_int_equal(s[1].output.order, PLAN_ORDER_DESCENDING);
    assert_int_equal(s[1].bound_by, s[0].id);
    assert_int_equal(s[1].branches[0].op_count, 1);
    assert_true(s[1].resumable);
    assert_int_equal(input_of(&p, 2)->read, PLAN_READ_MERGE);
    assert_true(input_of(&p, 2)->descending);
    assert_int_equal(input_of(&p, 2)->source, s[1].id);
    assert_int_equal(s[2].tasks, 6);
    assert_int_equal(s[0].tasks, s[1].tasks);
    for (uint32_t i = 0; i < s[0].tasks; i++) {
        assert_ptr_not_equal(p.pieces[0].pieces[i].split.path, p.pieces[1].pieces[i].split.path); /* each its own */
        assert_int_equal(p.pieces[0].pieces[i].split.offset, p.pieces[1].pieces[i].split.offset);
    }
    planned_commit(&p);
    assert_int_equal(n->stages[0], s[1].id);
    assert_int_equal(n->aux_stage, s[0].id);
    planned_clear(&p);
    p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    planned_clear(&p);
    RELEASE(n, a);
}

/* How many stages a sort of it takes: 3 with a sample of its own, 3 also when materialised, but then by FORWARD. */
static void expect_sort(node *n, bool materialised)
{
    node *sort = make_wide(NODE_SORT, n, "sort_by_key", NULL, 5);
    planned p = plan_of(sort, &collect);
    const plan_stage *s = &p.plan->stages[p.plan->stage_count - 3];
    assert_int_equal(s[0].output.kind, materialised ? PLAN_OUTPUT_SHUFFLE : PLAN_OUTPUT_SAMPLE);
    assert_true(s[0].output.sample > 0);
    assert_int_equal(s[1].bound_by, s[0].id);
    assert_int_equal(s[1].output.partitioner, PLAN_PARTITION_RANGE);
    if (materialised) {
        assert_int_equal(s[0].output.partitioner, PLAN_PARTITION_FORWARD);
        assert_int_equal(s[0].output.partitions, s[0].tasks);
        assert_int_equal(s[1].branches[0].input.source, s[0].id);
        assert_int_equal(s[1].branches[0].op_count, 0);
    }
    assert_int_equal(s[1].tasks, s[0].tasks);
    planned_clear(&p);
    node_unref(sort, NULL, NULL);
}

static void test_sort_materialises_what_is_dear(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *both = make_union(a, a), *memory = make_memory("bytes", 3);
    node *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3),
         *turn = make_wide(NODE_REPARTITION, a, "r", NULL, 3);
    node *sample = make_op(PLAN_OP_SAMPLE, a, "sample", NULL), *index = make_wide(NODE_INDEX, a, "index", NULL, 0);
    node *skipping = make_op(PLAN_OP_FILTER, a, "filter", "keep");
    node_set_errors(skipping, PLAN_ERRORS_SKIP);
    node *mapped = make_op(PLAN_OP_MAP, sum, "map", "same"), *mixed = make_union(a, sum);
    expect_sort(a, false);
    expect_sort(both, false);
    expect_sort(memory, false);
    expect_sort(turn, false); /* what is written already, as it is */
    expect_sort(sum, true);
    expect_sort(mapped, true);
    expect_sort(mixed, true);
    expect_sort(sample, true);
    expect_sort(index, true);
    expect_sort(skipping, true); /* or its errors would be counted twice */
    RELEASE(mixed, mapped, skipping, index, sample, turn, sum, memory, both, a);
}

static void test_sort_into_one_needs_no_sample(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_wide(NODE_SORT, a, "sort_by_key", NULL, 1);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[0].output.order, PLAN_ORDER_ASCENDING);
    assert_int_equal(p.plan->stages[0].bound_by, 0);
    assert_int_equal(input_of(&p, 1)->read, PLAN_READ_MERGE);
    planned_clear(&p);
    RELEASE(n, a);
}

/* ---- cogroups ---- */

static void test_groups(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_cogroup(PLAN_COGROUP_CALL, a, NULL, "map_groups", "groups", 5);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stages[0].output.order, PLAN_ORDER_ASCENDING);
    assert_int_equal(p.plan->stages[0].output.partitioner, PLAN_PARTITION_HASH);
    assert_null(p.plan->stages[0].output.combine.function);
    const plan_input *in = input_of(&p, 1);
    assert_int_equal(in->kind, PLAN_INPUT_COGROUP);
    assert_int_equal(in->how, PLAN_COGROUP_CALL);
    assert_string_equal(in->call.function, "groups");
    assert_int_equal(in->source_count, 1);
    assert_int_equal(in->sources[0].input.read, PLAN_READ_MERGE);
    assert_string_equal(in->sources[0].input.stored_value_type, "i64");
    assert_string_equal(in->value_type, "f64");
    assert_int_equal(p.plan->stages[1].tasks, 5);
    planned_clear(&p);
    node *other = make_cogroup(PLAN_COGROUP_LISTS, n, NULL, "cogroup", NULL, 0);
    p = plan_of(other, &collect); /* a group function may give other keys: they are shuffled again */
    assert_int_equal(p.plan->stage_count, 3);
    planned_clear(&p);
    RELEASE(other, n, a);
}

static void test_cogroup_shuffles_each(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2);
    node *n = make_cogroup(PLAN_COGROUP_LISTS, a, b, "cogroup", NULL, 6);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 3);
    const plan_input *in = input_of(&p, 2);
    assert_int_equal(in->source_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(p.plan->stages[i].output.partitions, 6);
        assert_int_equal(p.plan->stages[i].output.order, PLAN_ORDER_ASCENDING);
        assert_int_equal(in->sources[i].input.source, p.plan->stages[i].id);
        assert_int_equal(in->sources[i].input.leaf, i);
    }
    assert_int_equal(p.plan->stages[2].branches[0].leaves, 2);
    planned_commit(&p);
    assert_int_equal(n->stages[0], p.plan->stages[0].id);
    assert_int_equal(n->stages[1], p.plan->stages[1].id);
    planned_clear(&p);
    const uint32_t lost = n->stages[1];
    assert_int_equal(node_forget(n, &lost, 1, NULL, NULL), SDF_OK);
    config.partitions = 9; /* what is there says how many partitions */
    p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[0].output.partitions, 6);
    assert_int_equal(p.reused_count, 1);
    planned_clear(&p);
    config.partitions = 4;
    RELEASE(n, a, b);
}

static void test_what_is_in_place_stays(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 6);
    node *kept = make_op(PLAN_OP_FILTER, sum, "filter", "keep"), *b = make_memory("bytes", 2);
    node *n = make_cogroup(PLAN_COGROUP_INNER, kept, b, "join", NULL, 0);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 3); /* the aggregate's map side, b's shuffle, the join */
    const plan_input *in = input_of(&p, 2);
    assert_int_equal(p.plan->stages[2].tasks, 6);
    assert_int_equal(in->sources[0].input.read, PLAN_READ_AGGREGATE);
    assert_int_equal(in->sources[0].op_count, 1);
    assert_int_equal(in->sources[1].input.read, PLAN_READ_MERGE);
    planned_clear(&p);
    /* Aggregates over it fold in place, partition_by does nothing, and all keep the partitioning. */
    node *again = make_wide(NODE_AGGREGATE, n, "aggregate_by_key", "counter", 0);
    node *placed = make_wide(NODE_PARTITION, again, "partition_by", NULL, 0);
    node *values = make_op(PLAN_OP_MAP_VALUES, placed, "map_values", "same");
    node *last = make_wide(NODE_AGGREGATE, values, "reduce_by_key", "sum", 6);
    p = plan_of(last, &collect);
    assert_int_equal(p.plan->stage_count, 3);
    const plan_branch *branch = p.plan->stages[2].branches;
    const plan_op_kind kinds[] = {PLAN_OP_FOLD, PLAN_OP_MAP_VALUES, PLAN_OP_FOLD};
    assert_int_equal(branch->op_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(branch->ops[i].kind, kinds[i]);
    assert_string_equal(branch->ops[0].call.function, "counter");
    assert_null(p.pieces[2].first);
    planned_clear(&p);
    node *more = make_wide(NODE_PARTITION, again, "partition_by", NULL, 7); /* into another number */
    p = plan_of(more, &collect);
    assert_int_equal(p.plan->stage_count, 4);
    planned_clear(&p);
    RELEASE(more, last, values, placed, again, n, b, kept, sum, a);
}

static void test_what_loses_its_place(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 4);
    node *lost[] = {
        make_op(PLAN_OP_MAP, sum, "map", "same"),
        make_op(PLAN_OP_BATCH, sum, "map_batches", "batches"),
        make_project(PLAN_PROJECT_SWAP, sum, NULL, NULL),
        make_wide(NODE_COALESCE, sum, "coalesce", NULL, 2),
        make_union(sum, sum),
        make_wide(NODE_INDEX, sum, "zip_with_index", NULL, 0),
        make_wide(NODE_SORT, sum, "sort_by_key", NULL, 4),
        make_wide(NODE_REPARTITION, sum, "repartition", NULL, 4),
    };
    node *kept[] = {
        make_op(PLAN_OP_FILTER, sum, "filter", "keep"),
        make_op(PLAN_OP_MAP_VALUES, sum, "map_values", "same"),
        make_op(PLAN_OP_FLAT_MAP_VALUES, sum, "flat_map_values", "same"),
        make_op(PLAN_OP_SAMPLE, sum, "sample", NULL),
        make_project(PLAN_PROJECT_KEY_ONLY, sum, NULL, NULL),
        make_wide(NODE_PARTITION, sum, "partition_by", NULL, 4),
    };
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        node *n = make_wide(NODE_AGGREGATE, lost[i], "aggregate_by_key", "counter", 4);
        planned p = plan_of(n, &collect);
        assert_int_equal(input_of(&p, p.plan->stage_count - 1)->read, PLAN_READ_AGGREGATE);
        assert_int_equal(p.plan->stages[p.plan->stage_count - 1].branches[0].op_count, 0);
        planned_clear(&p);
        RELEASE(n, lost[i]);
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        node *n = make_wide(NODE_AGGREGATE, kept[i], "aggregate_by_key", "counter", 4);
        planned p = plan_of(n, &collect);
        assert_int_equal(p.plan->stage_count, 2);
        assert_true(plan_has_op(&p.plan->stages[1], PLAN_OP_FOLD));
        planned_clear(&p);
        RELEASE(n, kept[i]);
    }
    RELEASE(sum, a);
}

static void test_cogroups_nest_within_limits(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_wide(NODE_AGGREGATE, a, "aggregate_by_key", "counter", 3);
    for (int i = 0; i < 40; i++) { /* each doubles the sources */
        node *next = make_cogroup(PLAN_COGROUP_SUBTRACT, n, n, "subtract_by_key", NULL, 0);
        node_unref(n, NULL, NULL);
        n = next;
    }
    planned p = plan_of(n, &collect); /* encodes and decodes, so it is not nested too deep */
    assert_in_range(p.plan->stage_count, 3, 200);
    for (uint32_t i = 1; i < p.plan->stage_count; i++)
        assert_int_equal(p.plan->stages[i].tasks, 3);
    planned_clear(&p);
    RELEASE(n, a);
}

/* Bad records that are left out are counted once, whoever reads the rest: it is written down for the job. */
static void test_shared_errors(void **state)
{
    for (int spares = 0; spares < 3; spares++) { /* 2: to be shuffled for both sides */
        next_id = next_stage = 1;
        node *a = words(), *again = spares == 2 ? make_cogroup(PLAN_COGROUP_SUBTRACT, a, a, "subtract_by_key", NULL, 0)
                                                : make_union(a, a);
        a->errors = spares ? PLAN_ERRORS_SKIP : PLAN_ERRORS_FAIL;
        planned p = plan_of(again, &collect);
        assert_int_equal(p.plan->stage_count, spares == 0 ? 1 : spares == 1 ? 2 : 4);
        assert_int_equal(p.scratch_count, spares > 0);
        uint32_t spare = 0;
        for (uint32_t i = 0; i < p.plan->stage_count; i++)
            for (uint32_t k = 0; k < p.plan->stages[i].branch_count; k++)
                spare += p.plan->stages[i].branches[k].op_count && p.plan->stages[i].branches[k].ops[0].errors;
        assert_int_equal(spare, spares > 0);
        planned_clear(&p);
        RELEASE(again, a);
    }
}

/* Rows whose columns differ can't be told apart when they are read back: they are read twice. */
static void test_shared_rows(void **state)
{
    char *names[2];
    node *csv[2];
    next_id = next_stage = 1;
    for (int i = 0; i < 2; i++) {
        names[i] = path_join(folder, i ? "b.csv" : "a.csv");
        FILE *f = fopen(names[i], "w");
        assert_non_null(f);
        fputs(i ? "x,y\n1,2\n" : "y,x\n1,2\n", f);
        assert_int_equal(fclose(f), 0);
        csv[i] =
            make_files((plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .header = true}, names[i], 0);
        csv[i]->errors = PLAN_ERRORS_SKIP;
    }
    node *rows = make_union(csv[0], csv[1]), *twice = make_union(rows, rows), *same = make_union(csv[0], csv[0]);
    planned p = plan_of(twice, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    planned_clear(&p);
    p = plan_of(same, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    planned_clear(&p);
    RELEASE(twice, same, rows, csv[0], csv[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unlink(names[i]), 0);
        free(names[i]);
    }
}

/* ---- indexes and kept collections ---- */

static void test_index(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_wide(NODE_INDEX, a, "zip_with_index", NULL, 0);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[0].output.partitioner, PLAN_PARTITION_FORWARD);
    assert_true(p.plan->stages[0].resumable);
    const plan_stage *s = &p.plan->stages[1];
    assert_int_equal(s->bound_by, p.plan->stages[0].id);
    assert_int_equal(s->branches[0].ops[0].kind, PLAN_OP_INDEX);
    assert_int_equal(s->tasks, 3);
    assert_false(s->resumable);
    planned_commit(&p);
    planned_clear(&p);
    assert_int_equal(n->cache_tasks, 3);
    write_file(folder, "b", 200); /* later jobs read what was counted, whatever became of the files */
    p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.plan->stages[0].tasks, 3);
    assert_int_equal(p.plan->stages[0].bound_by, n->aux_stage);
    planned_clear(&p);
    RELEASE(n, a);
    teardown(NULL);
    setup(NULL);
}

static void test_union_of_indexes(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *one = make_wide(NODE_INDEX, a, "zip_with_index", NULL, 0),
         *two = make_wide(NODE_INDEX, a, "zip_with_index", NULL, 0), *n = make_union(one, two),
         *same = make_union(one, one);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 4); /* a stage counts by one other; the second index is written down */
    uint32_t counting = 0;
    for (uint32_t i = 0; i < 4; i++)
        counting += p.plan->stages[i].bound_by != 0;
    assert_int_equal(counting, 2);
    assert_int_equal(p.scratch_count, 1); /* that goes with the job */
    planned_clear(&p);
    p = plan_of(same, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    assert_int_equal(p.plan->stages[1].branch_count, 2);
    planned_clear(&p);
    RELEASE(same, n, two, one, a);
}

static void test_persist(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *kept = make_op(PLAN_OP_MAP_VALUES, a, "map_values", "same");
    node *left = make_op(PLAN_OP_FILTER, kept, "filter", "keep"), *right = make_op(PLAN_OP_MAP, kept, "map", "same");
    node *n = make_union(left, right);
    node_set_persist(kept, true, NULL, NULL);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 2); /* computed once for both */
    assert_int_equal(p.plan->stages[0].output.partitioner, PLAN_PARTITION_FORWARD);
    assert_int_equal(p.plan->stages[1].branch_count, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(p.plan->stages[1].branches[i].input.source, p.plan->stages[0].id);
    planned_commit(&p);
    planned_clear(&p);
    assert_int_equal(kept->cache_stage, 1);
    assert_int_equal(kept->cache_tasks, 3);
    p = plan_of(left, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.reused[0], 1);
    assert_int_equal(p.plan->stages[0].tasks, 3);
    planned_clear(&p);
    node_set_persist(kept, false, NULL, NULL);
    p = plan_of(left, &collect);
    assert_int_equal(input_of(&p, 0)->kind, PLAN_INPUT_FILES);
    planned_clear(&p);
    node *turn = make_wide(NODE_REPARTITION, a, "repartition", NULL, 2); /* is kept as it is */
    node_set_persist(turn, true, NULL, NULL);
    p = plan_of(turn, &collect);
    assert_int_equal(p.plan->stage_count, 2);
    planned_clear(&p);
    RELEASE(turn, n, right, left, kept, a);
}

static void test_persist_keeps_the_place(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 5);
    node_set_persist(sum, true, NULL, NULL);
    run(sum, &collect);
    node *n = make_wide(NODE_AGGREGATE, sum, "aggregate_by_key", "counter", 0);
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.plan->stages[0].tasks, 5);
    assert_int_equal(input_of(&p, 0)->source, sum->cache_stage);
    assert_int_equal(p.plan->stages[0].branches[0].ops[0].kind, PLAN_OP_FOLD);
    planned_clear(&p);
    RELEASE(n, sum, a);
}

/* ---- shared lineage ---- */

static void test_shared_shuffle_is_written_once(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3);
    node *sort = make_wide(NODE_SORT, sum, "sort_by_key", NULL, 2),
         *join = make_join(PLAN_COGROUP_FULL, JOIN_AUTO, sum, sum, 0);
    node *n = make_cogroup(PLAN_COGROUP_LISTS, sort, join, "cogroup", NULL, 3);
    planned p = plan_of(n, &collect);
    uint32_t sums = 0;
    for (uint32_t i = 0; i < p.plan->stage_count; i++)
        sums += p.plan->stages[i].output.kind == PLAN_OUTPUT_SHUFFLE && p.plan->stages[i].output.combine.function;
    assert_int_equal(sums, 1);
    assert_int_equal(p.plan->stages[0].output.combine.function != NULL, 1);
    planned_clear(&p);
    RELEASE(n, join, sort, sum, a);
}

/* ---- two levels ---- */

static uint32_t root(uint32_t n)
{
    uint32_t r = 1;
    while (r * r < n)
        r++;
    return r;
}

/* M producers, R partitions: every producer's every group is read by one task of the second level. */
static void check_two_levels(uint32_t m, uint32_t r)
{
    next_id = next_stage = 1;
    node *a = make_memory("bytes", m), *n = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", r);
    config.exchange = 2;
    planned p = plan_of(n, &collect);
    config.exchange = 1;
    assert_int_equal(p.plan->stage_count, 3);
    const plan_stage *first = &p.plan->stages[0], *second = &p.plan->stages[1], *last = &p.plan->stages[2];
    uint32_t groups = first->output.partitions, slices = second->tasks / groups;
    assert_int_equal(groups, root(r));
    assert_int_equal(slices, root(m));
    assert_int_equal(first->output.spread, r);
    assert_int_equal(second->output.partitions, r);
    assert_int_equal(second->output.spread, 0);
    assert_true(second->output.merging);
    assert_string_equal(second->output.combine.function, "sum");
    assert_int_equal(second->branches[0].input.source, first->id);
    assert_int_equal(second->branches[0].input.read, PLAN_READ_CONCAT);
    assert_string_equal(second->branches[0].input.value_type, "i64");
    assert_int_equal(last->branches[0].input.source, second->id);
    assert_int_equal(last->branches[0].input.read, PLAN_READ_AGGREGATE);
    assert_int_equal(last->tasks, r);
    for (uint32_t t = 0; t < second->tasks; t++) {
        const plan_piece *piece = &p.pieces[1].pieces[t];
        assert_int_equal(p.pieces[1].first[t + 1], t + 1);
        assert_int_equal(piece->partition, t / slices);
        assert_int_equal(piece->from, t % slices ? piece[-1].to : 0);
        assert_true(piece->to > piece->from);
        if (t % slices == slices - 1)
            assert_int_equal(piece->to, m);
    }
    planned_commit(&p);
    assert_int_equal(n->stages[0], second->id);
    assert_int_equal(n->middles[0], first->id);
    planned_clear(&p);
    RELEASE(n, a);
}

static void test_two_levels(void **state)
{
    check_two_levels(2, 2);
    check_two_levels(3, 7);
    check_two_levels(100, 10);
    check_two_levels(9, 1000);
    check_two_levels(17, 4);
}

static void test_two_levels_of_a_sort(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *n = make_wide(NODE_SORT, a, "sort_by_key", NULL, 6);
    config.exchange = 2;
    planned p = plan_of(n, &collect);
    config.exchange = 1;
    const plan_stage *s = p.plan->stages;
    assert_int_equal(p.plan->stage_count, 4);
    assert_int_equal(s[1].bound_by, s[0].id);
    assert_int_equal(s[2].bound_by, s[0].id); /* the same splitters */
    assert_int_equal(s[1].output.order, PLAN_ORDER_NONE);
    assert_int_equal(s[2].output.order, PLAN_ORDER_ASCENDING);
    assert_int_equal(s[1].output.partitioner, PLAN_PARTITION_RANGE);
    assert_int_equal(s[1].output.spread, 6);
    assert_false(s[2].output.merging);
    planned_clear(&p);
    RELEASE(n, a);
}

static uint32_t levels(uint32_t m, uint32_t r, uint32_t setting, node_kind kind)
{
    node *a = make_memory("bytes", m), *n = make_wide(kind, a, "wide", NULL, r);
    config.exchange = setting;
    planned p = plan_of(n, &collect);
    config.exchange = 1;
    uint32_t count = p.plan->stage_count - 1;
    planned_clear(&p);
    RELEASE(n, a);
    return count;
}

static void test_levels_are_chosen(void **state)
{
    uint64_t split = config.split_bytes;
    config.split_bytes = UINT64_C(400) << 20; /* what a producer is taken to have */
    assert_int_equal(levels(100, 100, 0, NODE_PARTITION), 1);
    assert_int_equal(levels(250, 250, 0, NODE_PARTITION), 1);
    assert_int_equal(levels(400, 400, 0, NODE_PARTITION), 2);
    assert_int_equal(levels(400, 400, 1, NODE_PARTITION), 1);
    assert_int_equal(levels(400, 400, 0, NODE_REPARTITION), 1); /* in turn has no groups */
    config.split_bytes = UINT64_C(1000) << 20;
    assert_int_equal(levels(700, 700, 0, NODE_PARTITION), 1);
    assert_int_equal(levels(900, 900, 0, NODE_PARTITION), 2);
    config.split_bytes = split;
    assert_int_equal(levels(1, 100, 2, NODE_PARTITION), 1);
    assert_int_equal(levels(100, 1, 2, NODE_PARTITION), 1);
    assert_int_equal(levels(2, 2, 2, NODE_PARTITION), 2);
    assert_int_equal(levels(5000000, 5000000, 2, NODE_PARTITION), 1); /* more tasks than make sense */
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sort_from_source),
        cmocka_unit_test(test_sort_materialises_what_is_dear),
        cmocka_unit_test(test_sort_into_one_needs_no_sample),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_cogroup_shuffles_each),
        cmocka_unit_test(test_what_is_in_place_stays),
        cmocka_unit_test(test_what_loses_its_place),
        cmocka_unit_test(test_cogroups_nest_within_limits),
        cmocka_unit_test(test_shared_errors),
        cmocka_unit_test(test_shared_rows),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_union_of_indexes),
        cmocka_unit_test(test_persist),
        cmocka_unit_test(test_persist_keeps_the_place),
        cmocka_unit_test(test_shared_shuffle_is_written_once),
        cmocka_unit_test(test_two_levels),
        cmocka_unit_test(test_two_levels_of_a_sort),
        cmocka_unit_test(test_levels_are_chosen),
    };
    return cmocka_run_group_tests_name("plan/wide", tests, setup, teardown);
}
