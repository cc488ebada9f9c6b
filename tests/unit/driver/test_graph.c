/* Stages of several branches, producers and sides: what requests say of them, and what happens when one of the
 * producers' objects is bad. */
#include "rig.h"

#include "shuffle/splitters.h"

/* Commits a map with `records` in each of its partitions. */
static void commit_counts(rig *r, uint32_t stage, uint32_t task, const uint64_t *records, uint32_t partitions)
{
    rig_call *c = rig_last(r, stage, task);
    rig_put(r, c, NULL);
    shuffle_index x = {.partitions = partitions, .fingerprint = 5 + records[0]};
    x.extents = calloc(partitions, sizeof *x.extents);
    uint64_t offset = OBJECT_HEADER_BYTES;
    for (uint32_t p = 0; p < partitions; p++) {
        if (!records[p])
            continue;
        x.extents[x.count++] = (index_extent){p, offset, 100, 90, records[p], 90};
        offset += 100;
    }
    buf index = BUF_EMPTY;
    assert_int_equal(shuffle_index_encode(&x, &index), SDF_OK);
    task_reply reply = rig_reply(c);
    reply.index = buf_slice(&index);
    reply.fingerprint = x.fingerprint;
    reply.object_bytes = offset;
    rig_answer_reply(r, c, &reply);
    buf_free(&index);
    shuffle_index_clear(&x);
}

static void expect_leaf(const task_leaf *leaf, uint32_t stage, uint32_t first, uint32_t count)
{
    assert_int_equal(leaf->stage, stage);
    assert_int_equal(leaf->extent_count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(leaf->extents[i].task, first + i);
}

/* Maps 1 (3 tasks) and 2 (2 tasks), 4 partitions each; `id` is a union of them and of a cogroup of both, with a side.
 */
static void add_union(rig *r)
{
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 1, 3, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 4, PLAN_PARTITION_HASH);
    s = rig_stage(p, 2, 2, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 4, PLAN_PARTITION_HASH);
    s = rig_stage(p, 3, 1, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 1, PLAN_PARTITION_HASH);
    s = rig_stage(p, 4, 3, PLAN_OUTPUT_RESULT);
    rig_reads(s, 1);
    plan_branch *b = plan_add_branch(s);
    rig_branch_types(b, 4);
    b->input.kind = PLAN_INPUT_COGROUP;
    b->input.how = PLAN_COGROUP_LISTS;
    b->input.call.label = strdup("cogroup#9");
    rig_reads_into(plan_add_source(&b->input), 4, 2);
    rig_reads_into(plan_add_source(&b->input), 4, 1);
    plan_side *side = plan_add_side(s);
    *side = (plan_side){3, strdup("side"), strdup("null"), strdup("bytes")};
    stage_pieces pieces = {calloc(5, sizeof *pieces.pieces), calloc(4, sizeof *pieces.first)};
    pieces.pieces[0] = (plan_piece){.branch = 0, .partition = 0, .from = 1, .to = 3};
    pieces.pieces[1] = (plan_piece){.branch = 0, .partition = 1, .from = 0, .to = 1};
    pieces.pieces[2] = (plan_piece){.branch = 1, .partition = 2};
    pieces.pieces[3] = (plan_piece){.branch = 0, .partition = 3, .from = 2, .to = 9};
    pieces.first[1] = 2; /* task 1 has piece 2, task 2 has 3; nobody has 4 */
    pieces.first[2] = 3;
    pieces.first[3] = 4;
    rig_add(r, p, (stage_pieces[]){rig_splits(3), rig_splits(2), rig_splits(1), pieces});
}

static void commit_inputs(rig *r)
{
    rig_step(r);
    rig_commit_maps(r, 1, 3, 4);
    assert_int_equal(rig_submitted(r, 4), 0);
    rig_commit_maps(r, 2, 2, 4);
    assert_int_equal(rig_submitted(r, 4), 0);
    rig_commit_maps(r, 3, 1, 1);
    assert_int_equal(rig_submitted(r, 4), 3);
}

static void test_pieces(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    add_union(r);
    rig_submit_job(r, 1, 4);
    for (uint32_t stage = 1; stage <= 4; stage++)
        assert_true(driver_job_needs(r->driver, 1, stage));
    commit_inputs(r);
    const task_request *q = &rig_last(r, 4, 0)->request;
    assert_int_equal(q->piece_count, 2);
    expect_leaf(&q->pieces[0].leaves[0], 1, 1, 2);
    assert_int_equal(q->pieces[0].leaves[0].extents[0].offset, OBJECT_HEADER_BYTES);
    expect_leaf(&q->pieces[1].leaves[0], 1, 0, 1);
    assert_int_equal(q->pieces[1].leaves[0].extents[0].offset, OBJECT_HEADER_BYTES + 100);
    assert_int_equal(q->side_count, 1);
    expect_leaf(&q->sides[0], 3, 0, 1);
    q = &rig_last(r, 4, 1)->request;
    assert_int_equal(q->piece_count, 1);
    assert_int_equal(q->pieces[0].branch, 1);
    assert_int_equal(q->pieces[0].leaf_count, 2);
    expect_leaf(&q->pieces[0].leaves[0], 2, 0, 2);
    expect_leaf(&q->pieces[0].leaves[1], 1, 0, 3);
    q = &rig_last(r, 4, 2)->request;
    expect_leaf(&q->pieces[0].leaves[0], 1, 2, 1); /* there is no task 8 */
    rig_free(r);
}

static void blame(rig *r, rig_call *c, const task_leaf *leaf, uint32_t which)
{
    const task_extent *x = &leaf->extents[which];
    task_reply reply = rig_reply(c);
    reply.failure = FAILURE_UPSTREAM;
    reply.bad_stage = leaf->stage;
    reply.bad_task = x->task;
    reply.bad_leg = x->leg;
    reply.bad_attempt = x->attempt;
    error_set(&reply.error, SDF_E_CORRUPT, "bad upstream");
    rig_answer_reply(r, c, &reply);
    sdf_error_free(reply.error);
    rig_step(r);
}

/* Whichever of its producers it is: that one runs again, and the consumer waits for it. */
static void test_bad_producers(void **state)
{
    for (int what = 0; what < 3; what++) {
        rig *r = rig_new();
        rig_start_driver(r);
        add_union(r);
        rig_job *j = rig_submit_job(r, 1, 4);
        commit_inputs(r);
        rig_call *c = rig_last(r, 4, 1);
        const task_leaf *leaf = what == 2 ? c->request.sides : &c->request.pieces[0].leaves[what];
        uint32_t which = what == 2 ? 0 : 1;
        uint64_t first = leaf->extents[which].attempt;
        blame(r, c, leaf, which);
        rig_call *again = rig_last(r, leaf->stage, which);
        assert_int_not_equal(again->id, first);
        assert_int_equal(rig_submitted(r, 4), 3);
        rig_commit_map(r, again, what == 2 ? 1 : 4);
        rig_step(r);
        assert_int_equal(rig_submitted(r, 4), 4);
        c = rig_last(r, 4, 1);
        leaf = what == 2 ? c->request.sides : &c->request.pieces[0].leaves[what];
        assert_int_equal(leaf->extents[which].attempt, again->id);
        for (uint32_t t = 0; t < 3; t++)
            rig_commit_result(r, rig_last(r, 4, t), "x");
        rig_step(r);
        assert_true(j->over && !j->status);
        rig_free(r);
    }
}

/* zip_with_index: stage 1 is there, forward; stage 2 numbers what its pieces hold. */
static void add_index(rig *r, plan_output_kind last)
{
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 1, 4, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 4, PLAN_PARTITION_FORWARD);
    s = rig_stage(p, 2, 2, last);
    rig_op(rig_reads(s, 1), PLAN_OP_INDEX);
    s->bound_by = 1;
    stage_pieces pieces = {calloc(4, sizeof *pieces.pieces), calloc(3, sizeof *pieces.first)};
    for (uint32_t i = 0; i < 4; i++)
        pieces.pieces[i].partition = i;
    pieces.first[1] = 3;
    pieces.first[2] = 4;
    rig_add(r, p, (stage_pieces[]){rig_splits(4), pieces});
}

static void commit_forward(rig *r, uint32_t task, uint64_t records)
{
    uint64_t counts[4] = {0};
    counts[task] = records;
    commit_counts(r, 1, task, counts, 4);
}

static void expect_starts(rig *r, uint64_t a, uint64_t b, uint64_t c)
{
    const task_request *q = &rig_last(r, 2, 0)->request;
    assert_int_equal(q->piece_count, 3);
    assert_int_equal(q->pieces[0].start, 0);
    assert_int_equal(q->pieces[1].start, a);
    assert_int_equal(q->pieces[2].start, b);
    q = &rig_last(r, 2, 1)->request;
    assert_int_equal(q->pieces[0].start, c);
}

static void test_index(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    add_index(r, PLAN_OUTPUT_RESULT);
    rig_submit_job(r, 1, 2);
    rig_step(r);
    commit_forward(r, 0, 10);
    commit_forward(r, 1, 0);
    commit_forward(r, 2, UINT64_C(1) << 40);
    commit_forward(r, 3, 7);
    rig_step(r);
    expect_starts(r, 10, 10, 10 + (UINT64_C(1) << 40));
    rig_free(r);
}

/* A union of numbered records with others, of more partitions: those are not counted. */
static void test_index_in_union(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 1, 4, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 4, PLAN_PARTITION_FORWARD);
    s = rig_stage(p, 3, 1, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 9, PLAN_PARTITION_HASH);
    s = rig_stage(p, 2, 2, PLAN_OUTPUT_COUNT);
    rig_reads(s, 3);
    rig_op(rig_reads(s, 1), PLAN_OP_INDEX);
    s->bound_by = 1;
    stage_pieces pieces = {calloc(2, sizeof *pieces.pieces), calloc(3, sizeof *pieces.first)};
    pieces.pieces[0] = (plan_piece){.branch = 0, .partition = 8};
    pieces.pieces[1] = (plan_piece){.branch = 1, .partition = 3};
    pieces.first[1] = 1;
    pieces.first[2] = 2;
    rig_add(r, p, (stage_pieces[]){rig_splits(4), rig_splits(1), pieces});
    rig_submit_job(r, 1, 2);
    rig_step(r);
    for (uint32_t t = 0; t < 4; t++)
        commit_forward(r, t, 5);
    rig_commit_maps(r, 3, 1, 9);
    assert_int_equal(rig_last(r, 2, 0)->request.pieces[0].start, 0);
    assert_int_equal(rig_last(r, 2, 1)->request.pieces[0].start, 15);
    rig_free(r);
}

/* A producer's rerun has more records than its first run: all numbers after it are others, so all is done again. */
static void test_index_after_other_data(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    add_index(r, PLAN_OUTPUT_COUNT);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    for (uint32_t t = 0; t < 4; t++)
        commit_forward(r, t, 10);
    rig_step(r);
    expect_starts(r, 10, 20, 30);
    rig_answer_reply(r, rig_last(r, 2, 1), &(task_reply[]){rig_reply(rig_last(r, 2, 1))}[0]);
    rig_step(r);
    rig_call *c = rig_last(r, 2, 0);
    blame(r, c, &c->request.pieces[0].leaves[0], 0);
    uint64_t counts[4] = {11, 0, 0, 0};
    commit_counts(r, 1, 0, counts, 4);
    rig_step(r);
    assert_int_equal(rig_submitted(r, 2), 4);
    expect_starts(r, 11, 21, 31);
    for (uint32_t t = 0; t < 2; t++)
        rig_answer_reply(r, rig_last(r, 2, t), &(task_reply[]){rig_reply(rig_last(r, 2, t))}[0]);
    rig_step(r);
    assert_true(j->over && !j->status);
    rig_free(r);
}

/* A stage that is gone is named, and a plan whose stage can't be added leaves nothing. */
static void test_refused_plans(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 1, 1, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 1, PLAN_PARTITION_HASH);
    s = rig_stage(p, 2, 1, PLAN_OUTPUT_RESULT);
    rig_reads(s, 1);
    rig_reads(s, 77);
    sdf_error *err = NULL;
    assert_int_not_equal(driver_add_plan(r->driver, p, NULL, &err), SDF_OK);
    assert_non_null(strstr(sdf_error_message(err), "stage 2"));
    sdf_error_free(err);
    plan_free(p);
    rig_step(r);
    assert_false(driver_job_needs(r->driver, 1, 1));
    rig_add_plan(r, 1, 1, 1, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_free(r);
}

/* A union of thousands of the same producer has it as a parent once, and a piece each. */
static void test_wide_union(void **state)
{
    enum { BRANCHES = 5000 };
    rig *r = rig_new();
    rig_start_driver(r);
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 1, 2, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 2, PLAN_PARTITION_HASH);
    s = rig_stage(p, 2, 1, PLAN_OUTPUT_RESULT);
    stage_pieces pieces = {calloc(BRANCHES, sizeof *pieces.pieces), calloc(2, sizeof *pieces.first)};
    for (uint32_t i = 0; i < BRANCHES; i++) {
        rig_reads(s, 1);
        pieces.pieces[i] = (plan_piece){.branch = i, .partition = i % 2};
    }
    pieces.first[1] = BRANCHES;
    rig_add(r, p, (stage_pieces[]){rig_splits(2), pieces});
    rig_submit_job(r, 1, 2);
    rig_step(r);
    rig_commit_maps(r, 1, 2, 2);
    const task_request *q = &rig_last(r, 2, 0)->request;
    assert_int_equal(q->piece_count, BRANCHES);
    expect_leaf(&q->pieces[BRANCHES - 1].leaves[0], 1, 0, 2);
    rig_free(r);
}

static void test_broadcasts(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    assert_int_equal(driver_put_broadcast(r->driver, 1, "one", 3, NULL), SDF_OK);
    assert_int_equal(driver_put_broadcast(r->driver, 2, "", 0, NULL), SDF_OK);
    assert_int_equal(rig_objects(r, "b"), 2);
    char name[TASK_NAME_MAX];
    task_name_broadcast(name, RIG_CONTEXT, 1);
    sdf_view view = {0};
    assert_int_equal(store_get(r->memory, name, 10, &view, NULL), SDF_OK);
    assert_memory_equal(view.data, "one", 3);
    store_release(&view);
    driver_drop_broadcast(r->driver, 1);
    driver_drop_broadcast(r->driver, 9);
    rig_step(r);
    assert_int_equal(rig_objects(r, "b"), 1);
    r->no_put = "/b3";
    r->no_put_status = SDF_E_NO_SPACE;
    sdf_error *err = NULL;
    assert_int_equal(driver_put_broadcast(r->driver, 3, "x", 1, &err), SDF_E_NO_SPACE);
    sdf_error_free(err);
    rig_free(r); /* the other goes with the context */
}

/* The first of two levels: its splitters are those of all partitions of the second, not of the few that it writes. */
static void test_splitters_of_two_levels(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    plan *p = rig_plan();
    rig_files(rig_stage(p, 1, 1, PLAN_OUTPUT_SAMPLE));
    plan_stage *s = rig_stage(p, 2, 1, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 3, PLAN_PARTITION_RANGE);
    s->output.spread = 9;
    s->bound_by = 1;
    free(s->output.key_type);
    s->output.key_type = strdup("i64");
    rig_reads(rig_stage(p, 3, 3, PLAN_OUTPUT_RESULT), 2);
    rig_add(r, p, (stage_pieces[]){rig_splits(1), rig_splits(1), {0}});
    rig_submit_job(r, 1, 3);
    rig_step(r);
    int64_t numbers[900];
    sdf_slice keys[900];
    for (int64_t i = 0; i < 900; i++) {
        numbers[i] = i;
        keys[i] = (sdf_slice){&numbers[i], 8};
    }
    buf samples = BUF_EMPTY;
    assert_int_equal(samples_encode(keys, 900, 900, &samples), SDF_OK);
    task_reply reply = rig_reply(rig_last(r, 1, 0));
    reply.samples = buf_slice(&samples);
    rig_answer_reply(r, rig_last(r, 1, 0), &reply);
    rig_step(r);
    buf_free(&samples);
    sdf_slice bound = rig_last(r, 2, 0)->request.splitters;
    splitters *found = NULL;
    assert_int_equal(splitters_open(TYPE_I64, bound.data, bound.size, false, 9, &found, NULL), SDF_OK);
    for (uint32_t i = 0; i < 9; i++)
        assert_int_equal(splitters_find(found, &keys[100 * i + 50]), i);
    splitters_close(found);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_bad_producers),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_index_after_other_data),
        cmocka_unit_test(test_refused_plans),
        cmocka_unit_test(test_wide_union),
        cmocka_unit_test(test_broadcasts),
        cmocka_unit_test(test_index_in_union),
        cmocka_unit_test(test_splitters_of_two_levels),
    };
    return cmocka_run_group_tests_name("driver: graphs of stages", tests, NULL, NULL);
}
