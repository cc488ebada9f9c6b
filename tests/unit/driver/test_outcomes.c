/* What comes back from the platform: whole, late, twice, garbage, for somebody else, not at all. */
#include "rig.h"

static rig *begin(uint32_t maps, uint32_t reduces)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, maps, reduces, PLAN_OUTPUT_RESULT, NULL, 0);
    return r;
}

static void test_a_job(void **state)
{
    rig *r = begin(2, 2);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    assert_int_equal(r->call_count, 2);
    const task_request *q = &rig_last(r, 1, 1)->request;
    assert_int_equal(q->context, RIG_CONTEXT);
    assert_int_equal(q->job, 1);
    assert_int_equal(q->piece_count, 1);
    assert_int_equal(q->pieces[0].partition, 1);
    assert_string_equal(q->pieces[0].split.path, "/dev/null");
    assert_int_equal(q->pieces[0].leaf_count, 0);
    assert_string_equal(q->output_token, "");
    assert_int_equal(q->lease_ms, r->now + 60000);
    assert_true(q->plan_inline.size > 0);
    rig_commit_maps(r, 1, 2, 2);
    q = &rig_last(r, 2, 1)->request;
    assert_int_equal(q->piece_count, 1);
    assert_int_equal(q->pieces[0].leaf_count, 1);
    const task_leaf *leaf = q->pieces[0].leaves;
    assert_int_equal(leaf->stage, 1);
    assert_int_equal(leaf->extent_count, 2); /* partition 1 of both maps */
    assert_int_equal(leaf->extents[0].task, 0);
    assert_int_equal(leaf->extents[1].task, 1);
    assert_int_equal(leaf->extents[1].offset, OBJECT_HEADER_BYTES + 100);
    rig_commit_result(r, rig_last(r, 2, 1), "one");
    rig_step(r);
    assert_string_equal(j->last_part, "1.0/1 a4 one");
    assert_false(j->over);
    rig_commit_result(r, rig_last(r, 2, 0), "zero");
    rig_step(r);
    assert_true(j->over);
    assert_int_equal(j->status, SDF_OK);
    assert_int_equal(j->records, 2);
    assert_int_equal(j->parts, 2);
    assert_int_equal(j->totals.tasks, 4);
    assert_int_equal(j->totals.attempts, 4);
    assert_int_equal(j->totals.stages, 2);
    assert_int_equal(j->totals.tasks_metrics.records_in, 40);
    assert_int_equal(rig_objects(r, "s1/"), 2);
    driver_drop_stage(r->driver, 2);
    driver_drop_stage(r->driver, 1);
    driver_drop_stage(r->driver, 9);
    rig_step(r);
    assert_int_equal(rig_objects(r, ""), 0);
    rig_free(r);
}

/* Each of these costs an attempt and says why; the next attempt makes it good. */
static void expect_retry(rig *r, uint64_t first, const char *why)
{
    rig_step(r);
    assert_int_equal(r->failures, 1);
    if (!strstr(r->last_failure, why))
        fail_msg("%s", r->last_failure);
    rig_pass(r, 1000);
    assert_int_not_equal(rig_last(r, 1, 0)->id, first);
    rig_commit_maps(r, 1, 1, 1);
    rig_commit_result(r, rig_last(r, 2, 0), "x");
    rig_step(r);
    assert_true(r->jobs[1].over);
    assert_int_equal(r->jobs[1].status, SDF_OK);
    rig_pass(r, 70000); /* what the first one may have left is gone once its lease is over */
    assert_int_equal(rig_objects(r, "s1/"), 1);
    rig_free(r);
}

static rig *begin_one(rig_call **call)
{
    rig *r = begin(1, 1);
    rig_submit_job(r, 1, 2);
    rig_step(r);
    *call = rig_last(r, 1, 0);
    rig_put(r, *call, NULL);
    rig_put(r, *call, "spill7");
    return r;
}

static void test_garbage(void **state)
{
    rig_call *c;
    rig *r = begin_one(&c);
    rig_answer_bytes(r, c->id, SDF_OK, "\x01garbage", 8);
    expect_retry(r, c->id, "reply of a worker");
    r = begin_one(&c);
    rig_answer_bytes(r, c->id, SDF_OK, "", 0);
    expect_retry(r, c->id, "reply of a worker");
}

static void test_answer_for_another(void **state)
{
    for (int what = 0; what < 5; what++) {
        rig_call *c;
        rig *r = begin_one(&c);
        task_reply reply = rig_reply(c);
        reply.stage += what == 0;
        reply.task += what == 1;
        reply.leg += what == 2;
        reply.attempt += what == 3;
        if (what == 4)
            reply.kind = TASK_PROBE;
        rig_answer_reply(r, c, &reply);
        expect_retry(r, c->id, "answered for stage");
    }
}

/* A mixed-up answer blames data that this task does not read: that is its own failure, not the end of the job. */
static void test_answer_for_another_blames(void **state)
{
    rig_call *c;
    rig *r = begin_one(&c);
    task_reply reply = rig_reply(c);
    reply.attempt += 9;
    reply.failure = FAILURE_UPSTREAM;
    reply.bad_stage = 77;
    rig_answer_reply(r, c, &reply);
    expect_retry(r, c->id, "without saying why");
}

static void test_blames_what_is_not_there(void **state)
{
    rig_call *c;
    rig *r = begin_one(&c);
    task_reply reply = rig_reply(c);
    reply.failure = FAILURE_UPSTREAM;
    reply.bad_stage = 77;
    error_set(&reply.error, SDF_E_CORRUPT, "bad upstream");
    rig_answer_reply(r, c, &reply);
    sdf_error_free(reply.error);
    expect_retry(r, c->id, "bad upstream");
}

static void test_no_or_wrong_index(void **state)
{
    rig_call *c;
    rig *r = begin_one(&c);
    task_reply reply = rig_reply(c);
    rig_answer_reply(r, c, &reply);
    expect_retry(r, c->id, "no shuffle index");
    r = begin_one(&c);
    rig_commit_map(r, c, 3);
    expect_retry(r, c->id, "of 3 partitions, not 1");
    r = begin_one(&c);
    reply = rig_reply(c);
    reply.index_name = (char *)"sdf-77/not/there";
    rig_answer_reply(r, c, &reply);
    expect_retry(r, c->id, "not/there");
}

static void test_transport_failures(void **state)
{
    static const int statuses[] = {SDF_E_LOST, SDF_E_TIMEOUT, SDF_E_NO_MEMORY, SDF_E_IO, SDF_E_CANCELLED};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        rig_call *c;
        rig *r = begin_one(&c);
        rig_answer_bytes(r, c->id, statuses[i], NULL, 0);
        expect_retry(r, c->id, "the rig says so");
    }
}

static void test_program(void **state)
{
    rig_call *c;
    rig *r = begin_one(&c);
    rig_answer_bytes(r, c->id, SDF_E_PROGRAM, NULL, 0);
    rig_step(r);
    assert_int_equal(r->jobs[1].status, SDF_E_PROGRAM);
    assert_int_equal(sdf_error_attempt(r->jobs[1].error), (int64_t)c->id);
    rig_free(r);
}

/* Twice the same answer, then one that says the contrary. */
static void test_doubled(void **state)
{
    rig *r = begin(1, 1);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    rig_call *map = rig_last(r, 1, 0);
    rig_commit_map(r, map, 1);
    rig_commit_map(r, map, 1);
    rig_fail(r, map, FAILURE_FATAL, "no");
    rig_step(r);
    rig_commit_map(r, map, 1);
    rig_step(r);
    assert_int_equal(rig_submitted(r, 2), 1);
    assert_int_equal(r->failures, 0);
    rig_commit_result(r, rig_last(r, 2, 0), "x");
    rig_commit_result(r, rig_last(r, 2, 0), "y");
    rig_answer_bytes(r, 4711, SDF_OK, "?", 1); /* for nobody */
    rig_step(r);
    assert_true(j->over && !j->status);
    assert_string_equal(j->last_part, "0.0/1 a2 x");
    assert_int_equal(j->parts, 1);
    rig_free(r);
}

/* No answer by the end of the lease: another attempt; the late one loses, or wins. */
static void test_late(void **state)
{
    for (int wins = 0; wins < 2; wins++) {
        rig *r = begin(1, 1);
        rig_job *j = rig_submit_job(r, 1, 2);
        rig_step(r);
        rig_call *first = rig_last(r, 1, 0);
        rig_put(r, first, NULL);
        rig_pass(r, 60000);
        assert_false(first->cancelled);
        rig_pass(r, 3000);
        assert_true(first->cancelled);
        assert_int_equal(r->failures, 1); /* told once, when it was lost */
        rig_call *second = rig_last(r, 1, 0);
        assert_int_not_equal(first->id, second->id);
        rig_put(r, second, NULL);
        rig_answer_map(r, wins ? first : second, 1);
        rig_step(r);
        rig_answer_map(r, wins ? second : first, 1);
        rig_step(r);
        assert_int_equal(rig_objects(r, "s1/"), 1);
        assert_int_equal(rig_last(r, 2, 0)->request.pieces[0].leaves[0].extents[0].attempt,
                         wins ? first->id : second->id);
        rig_commit_result(r, rig_last(r, 2, 0), "x");
        rig_step(r);
        assert_true(j->over && !j->status);
        assert_int_equal(r->failures, 1);
        assert_int_equal(j->totals.failed_attempts, 1);
        rig_free(r);
    }
}

static void test_never(void **state)
{
    rig *r = begin(1, 1);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_pass(r, 150000);
    assert_int_equal(r->call_count, 2);
    assert_true(j->over);
    assert_int_equal(j->status, SDF_E_LOST);
    assert_non_null(strstr(sdf_error_text(j->error), "task_timeout"));
    rig_free(r);
}

/* Many tasks fail at once: the job shows the error of the one that ended it, not "failed". */
static void test_many_errors_at_once(void **state)
{
    rig *r = begin(60, 1);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    for (uint32_t t = 0; t < 60; t++) {
        char why[32];
        snprintf(why, sizeof why, "task %u says no", t);
        rig_fail(r, rig_last(r, 1, t), FAILURE_FATAL, why);
    }
    rig_step(r);
    assert_true(j->over);
    assert_string_equal(sdf_error_message(j->error), "task 0 says no");
    assert_int_equal(sdf_error_partition(j->error), 0);
    assert_int_equal(r->half_done_count, 1);
    assert_int_equal(r->half_done[0], 1);
    rig_free(r);
}

/* An attempt that outlives its stage, which began at partition 5, still has its object removed by its right name. */
static void test_stage_gone_before_answer(void **state)
{
    for (int fails = 0; fails < 2; fails++) {
        rig *r = rig_new();
        rig_start_driver(r);
        plan *p = rig_plan();
        plan_stage *s = rig_stage(p, 1, 1, PLAN_OUTPUT_RESULT);
        s->first_task = 5;
        rig_files(s);
        rig_add(r, p, (stage_pieces[]){rig_splits(1)});
        rig_submit_job(r, 1, 1);
        rig_step(r);
        rig_call *c = rig_last(r, 1, 5);
        driver_cancel(r->driver, 1);
        driver_drop_stage(r->driver, 1);
        rig_step(r);
        assert_true(c->cancelled);
        rig_put(r, c, NULL);
        task_reply reply = rig_reply(c);
        reply.object_bytes = 4;
        if (fails)
            rig_answer_bytes(r, c->id, SDF_E_CANCELLED, NULL, 0);
        else
            rig_answer_reply(r, c, &reply);
        rig_step(r);
        rig_pass(r, 70000);
        assert_int_equal(rig_objects(r, ""), 0);
        assert_int_equal(r->failures, 0); /* it was told to stop */
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_answer_for_another),
        cmocka_unit_test(test_answer_for_another_blames),
        cmocka_unit_test(test_blames_what_is_not_there),
        cmocka_unit_test(test_no_or_wrong_index),
        cmocka_unit_test(test_transport_failures),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_doubled),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_many_errors_at_once),
        cmocka_unit_test(test_stage_gone_before_answer),
    };
    return cmocka_run_group_tests_name("driver: outcomes", tests, NULL, NULL);
}
