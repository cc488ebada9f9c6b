/* Joins: which side is held as a table, when, and what comes out of it. */
#include "planning.h"

static planned join_plan(plan_cogroup how, node_join join, node *left, node *right, node **n)
{
    *n = make_join(how, join, left, right, 0);
    if ((*n)->error)
        fail_msg("%s", sdf_error_text((*n)->error));
    return plan_of(*n, &collect);
}

/* The side that is held in the last stage: 0, 1, or 2 for none. */
static int held(const planned *p, const node *left, const node *right)
{
    const plan_stage *s = &p->plan->stages[p->plan->stage_count - 1];
    if (!s->side_count)
        return 2;
    assert_int_equal(s->side_count, 1);
    if (left == right)
        return 1;
    if (!strcmp(s->sides[0].label, left->label))
        return 0;
    assert_string_equal(s->sides[0].label, right->label);
    return 1;
}

static void test_hints(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *n;
    planned p = join_plan(PLAN_COGROUP_LEFT, JOIN_BROADCAST_RIGHT, a, b, &n);
    assert_int_equal(p.plan->stage_count, 2);
    const plan_stage *table = &p.plan->stages[0], *s = &p.plan->stages[1];
    assert_int_equal(table->output.partitions, 1);
    assert_int_equal(table->output.partitioner, PLAN_PARTITION_HASH);
    assert_int_equal(table->output.order, PLAN_ORDER_NONE);
    assert_int_equal(s->tasks, 3);
    assert_true(s->resumable);
    assert_int_equal(s->sides[0].source, table->id);
    assert_string_equal(s->sides[0].value_type, "i64");
    const plan_branch *branch = s->branches;
    assert_int_equal(branch->op_count, 2);
    assert_int_equal(branch->ops[1].kind, PLAN_OP_LOOKUP);
    assert_int_equal(branch->ops[1].how, PLAN_COGROUP_LEFT);
    assert_string_equal(branch->ops[1].value_type, "tuple(i64,optional(i64))");
    planned_commit(&p);
    assert_int_equal(n->stages[1], table->id);
    assert_int_equal(n->stages[0], 0);
    planned_clear(&p);
    p = plan_of(n, &collect); /* the table is there */
    assert_int_equal(p.plan->stage_count, 1);
    assert_int_equal(p.reused[0], n->stages[1]);
    planned_clear(&p);
    node_unref(n, NULL, NULL);

    p = join_plan(PLAN_COGROUP_RIGHT, JOIN_BROADCAST_LEFT, b, a, &n);
    branch = p.plan->stages[1].branches;
    assert_int_equal(branch->op_count, 3);
    assert_int_equal(branch->ops[1].how, PLAN_COGROUP_LEFT);
    assert_string_equal(branch->ops[1].value_type, "tuple(i64,optional(i64))");
    assert_int_equal(branch->ops[2].kind, PLAN_OP_PROJECT);
    assert_int_equal(branch->ops[2].call.arg.data[0], PLAN_PROJECT_SWAP_SIDES);
    assert_string_equal(branch->ops[2].value_type, "tuple(optional(i64),i64)");
    planned_clear(&p);
    node_unref(n, NULL, NULL);

    p = join_plan(PLAN_COGROUP_INNER, JOIN_PARTITIONED, a, b, &n);
    assert_int_equal(held(&p, a, b), 2);
    assert_int_equal(p.plan->stage_count, 3);
    planned_clear(&p);
    RELEASE(n, a, b);
}

/* By size: the folder's file has 50 bytes, the memory `bytes`; a limit of 40 bytes. */
static void check_auto(plan_cogroup how, uint64_t bytes, bool swapped, uint64_t limit, int expected)
{
    node *a = words(), *b = make_memory("bytes", 2), *n;
    b->data_bytes = bytes;
    config.broadcast_bytes = limit;
    node *left = swapped ? b : a, *right = swapped ? a : b;
    planned p = join_plan(how, JOIN_AUTO, left, right, &n);
    if (held(&p, left, right) != expected)
        fail_msg("join %d of %llu bytes, limit %llu: %d", how, (unsigned long long)bytes, (unsigned long long)limit,
                 held(&p, left, right));
    planned_clear(&p);
    config.broadcast_bytes = 0;
    RELEASE(n, a, b);
}

static void test_by_size(void **state)
{
    check_auto(PLAN_COGROUP_INNER, 30, false, 40, 1);
    check_auto(PLAN_COGROUP_INNER, 30, true, 40, 0);
    check_auto(PLAN_COGROUP_INNER, 41, false, 40, 2);
    check_auto(PLAN_COGROUP_INNER, 0, false, 40, 2);   /* its size is not known */
    check_auto(PLAN_COGROUP_INNER, 0, false, 50, 0);   /* the files are small, too */
    check_auto(PLAN_COGROUP_INNER, 30, false, 100, 1); /* the smaller one */
    check_auto(PLAN_COGROUP_INNER, 60, false, 100, 0);
    check_auto(PLAN_COGROUP_INNER, 50, false, 100, 1); /* or the right one */
    check_auto(PLAN_COGROUP_LEFT, 30, false, 40, 1);
    check_auto(PLAN_COGROUP_LEFT, 30, true, 40, 2); /* small, but the one whose records all count */
    check_auto(PLAN_COGROUP_LEFT, 30, true, 50, 1);
    check_auto(PLAN_COGROUP_RIGHT, 30, true, 40, 0);
    check_auto(PLAN_COGROUP_RIGHT, 30, false, 40, 2);
    check_auto(PLAN_COGROUP_FULL, 30, false, 100, 2);
}

static void test_a_choice_stays(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *n;
    b->data_bytes = 30;
    config.broadcast_bytes = 40;
    planned p = join_plan(PLAN_COGROUP_INNER, JOIN_AUTO, a, b, &n);
    planned_commit(&p);
    planned_clear(&p);
    assert_int_equal(n->made_join, JOIN_BROADCAST_RIGHT);
    const uint32_t lost = n->stages[1];
    node_forget(n, &lost, 1, NULL, NULL);
    config.broadcast_bytes = 0;
    p = plan_of(n, &collect);
    assert_int_equal(held(&p, a, b), 1);
    planned_clear(&p);
    RELEASE(n, a, b);
}

static void test_tables_keep_the_place(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *n;
    node *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 7);
    planned p = join_plan(PLAN_COGROUP_INNER, JOIN_BROADCAST_LEFT, b, sum, &n);
    planned_clear(&p);
    node *again = make_wide(NODE_AGGREGATE, n, "aggregate_by_key", "counter", 0);
    p = plan_of(again, &collect);
    assert_int_equal(p.plan->stage_count, 3);
    const plan_branch *branch = p.plan->stages[2].branches;
    assert_int_equal(p.plan->stages[2].tasks, 7);
    assert_int_equal(branch->ops[branch->op_count - 1].kind, PLAN_OP_FOLD);
    planned_clear(&p);
    RELEASE(again, n, sum, a, b);
}

/* Tables of several branches, of the same and of other joins, are numbered in one list; so are those of sources of a
 * cogroup. */
static void test_numbers_of_tables(void **state)
{
    next_id = next_stage = 1;
    node *a = words(), *b = make_memory("bytes", 2), *c = make_memory("bytes", 1);
    node *ab = make_join(PLAN_COGROUP_INNER, JOIN_BROADCAST_RIGHT, a, b, 0);
    node *ac = make_join(PLAN_COGROUP_INNER, JOIN_BROADCAST_RIGHT, a, c, 0);
    node *one = make_union(ab, ac), *all = make_union(one, ab);
    planned p = plan_of(all, &collect);
    const plan_stage *s = &p.plan->stages[p.plan->stage_count - 1];
    assert_int_equal(p.plan->stage_count, 3);
    assert_int_equal(s->side_count, 2);
    assert_int_equal(s->branch_count, 3);
    const uint32_t expected[] = {0, 1, 0};
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(s->branches[i].ops[1].side, expected[i]);
    planned_clear(&p);

    node *sum = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 3);
    node *sb = make_join(PLAN_COGROUP_INNER, JOIN_BROADCAST_RIGHT, sum, b, 0);
    node *sc = make_join(PLAN_COGROUP_INNER, JOIN_BROADCAST_RIGHT, sum, c, 0);
    node *lists = make_cogroup(PLAN_COGROUP_LISTS, sb, sc, "cogroup", NULL, 3);
    p = plan_of(lists, &collect);
    s = &p.plan->stages[p.plan->stage_count - 1];
    assert_int_equal(p.plan->stage_count, 4); /* map side, two tables, all the rest */
    assert_int_equal(s->side_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const plan_branch *source = &s->branches[0].input.sources[i];
        assert_int_equal(source->ops[0].kind, PLAN_OP_LOOKUP);
        assert_int_equal(source->ops[0].side, i);
    }
    planned_clear(&p);
    RELEASE(lists, sc, sb, sum, all, one, ac, ab, c, b, a);
}

static node *many_joins(node *b, node_join how)
{
    node *n = words();
    for (int i = 0; i <= PLAN_SIDES_MAX; i++) { /* the types of values would grow: they become numbers again */
        node *join = make_join(PLAN_COGROUP_INNER, how, n, b, 0);
        node *next = make_op(PLAN_OP_MAP_VALUES, join, "map_values", "ones");
        RELEASE(n, join);
        n = next;
    }
    return n;
}

static void test_too_many_tables(void **state)
{
    next_id = next_stage = 1;
    node *b = make_memory("bytes", 2), *n = many_joins(b, JOIN_BROADCAST_RIGHT);
    expect_failure(n, &collect, SDF_E_LIMIT, "tables", "SDF_JOIN_PARTITIONED");
    node_unref(n, NULL, NULL);
    config.broadcast_bytes = 1000;
    b->data_bytes = 10;
    n = many_joins(b, JOIN_AUTO); /* what is not asked for is not done at any price */
    planned p = plan_of(n, &collect);
    for (uint32_t i = 0; i < p.plan->stage_count; i++)
        assert_in_range(p.plan->stages[i].side_count, 0, PLAN_SIDES_MAX);
    planned_clear(&p);
    config.broadcast_bytes = 0;
    RELEASE(n, b);
}

static void test_compressed_files_are_taken_to_grow(void **state)
{
    next_id = next_stage = 1;
    char *packed = make_folder();
    write_file(packed, "a.gz", 10);
    node *text = make_text(packed, 0), *small = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    node *sum = words(), *big = make_wide(NODE_AGGREGATE, sum, "reduce_by_key", "sum", 2), *n;
    config.broadcast_bytes = 39;
    planned p = join_plan(PLAN_COGROUP_INNER, JOIN_AUTO, big, small, &n);
    assert_int_equal(held(&p, big, small), 2);
    planned_clear(&p);
    config.broadcast_bytes = 40;
    p = plan_of(n, &collect);
    assert_int_equal(held(&p, big, small), 1);
    planned_clear(&p);
    config.broadcast_bytes = 0;
    RELEASE(n, big, sum, small, text);
    drop_folder(packed);
}

static void test_kept_tables_keep_their_size(void **state)
{
    next_id = next_stage = 1;
    node *small = words(), *a = words(), *big = make_wide(NODE_AGGREGATE, a, "reduce_by_key", "sum", 2), *n;
    node_set_persist(small, true, NULL, NULL);
    run(small, &collect);
    config.broadcast_bytes = 50;
    planned p = join_plan(PLAN_COGROUP_INNER, JOIN_AUTO, big, small, &n);
    assert_int_equal(held(&p, big, small), 1);
    planned_clear(&p);
    config.broadcast_bytes = 0;
    RELEASE(n, big, a, small);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_a_choice_stays),
        cmocka_unit_test(test_tables_keep_the_place),
        cmocka_unit_test(test_numbers_of_tables),
        cmocka_unit_test(test_too_many_tables),
        cmocka_unit_test(test_compressed_files_are_taken_to_grow),
        cmocka_unit_test(test_kept_tables_keep_their_size),
    };
    return cmocka_run_group_tests_name("plan/joins", tests, setup, teardown);
}
