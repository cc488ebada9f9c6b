/* A driver's life: what it refuses, what a full store or a small transport does to it, jobs side by side, and its end
 * at any moment. */
#include "rig.h"

static void test_scope(void **state)
{
    rig *r = rig_new();
    r->limits.scope = SDF_SCOPE_NETWORK;
    driver_config c = rig_config(r);
    sdf_error *err = NULL;
    assert_int_equal(driver_new(&c, &r->driver, &err), SDF_E_SCOPE);
    assert_non_null(strstr(sdf_error_message(err), "other machines"));
    assert_true(*sdf_error_hint(err));
    assert_false(r->started);
    sdf_error_free(err);
    rig_free(r);
}

/* A large plan goes through the store once; while it can't be written, tasks fail and are tried again. */
static void test_large_plan(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, 2, 1, PLAN_OUTPUT_RESULT, NULL, 10000);
    r->no_put = "/plan/";
    r->no_put_status = SDF_E_NO_SPACE;
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    assert_int_equal(r->call_count, 0);
    assert_int_equal(r->failures, 2);
    assert_non_null(strstr(r->last_failure, "can't be written"));
    r->no_put = NULL;
    rig_pass(r, 1000);
    assert_int_equal(r->call_count, 2);
    assert_int_equal(rig_last(r, 1, 0)->request.plan_inline.size, 0);
    assert_int_equal(rig_objects(r, "plan/"), 1);
    rig_commit_maps(r, 1, 2, 1);
    rig_commit_result(r, rig_last(r, 2, 0), "x");
    rig_step(r);
    assert_true(j->over && !j->status);
    driver_drop_stage(r->driver, 2);
    rig_step(r);
    assert_int_equal(rig_objects(r, "plan/"), 1); /* stage 1 may have to run again */
    driver_drop_stage(r->driver, 1);
    rig_step(r);
    assert_int_equal(rig_objects(r, ""), 0);
    rig_free(r);
}

static void test_plan_never_written(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, 1, 1, PLAN_OUTPUT_RESULT, NULL, 10000);
    r->no_put = "/plan/";
    r->no_put_status = SDF_E_ACCESS;
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    assert_true(j->over);
    assert_int_equal(j->status, SDF_E_ACCESS);
    assert_int_equal(sdf_error_stage(j->error), 1);
    rig_free(r);
}

static void test_object_not_written(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    sdf_error *err = NULL;
    assert_int_equal(driver_add_object(r->driver, 1, "no object", 9, &err), SDF_E_CORRUPT);
    sdf_error_free(err);
    rig_step(r);
    rig_add_plan(r, 1, 1, 1, PLAN_OUTPUT_RESULT, NULL, 0); /* the id is free again */
    rig_free(r);
}

/* Requests with many extents leave their pieces in the store; it goes when the attempt is answered. */
static void test_small_requests(void **state)
{
    rig *r = rig_new();
    r->limits.max_request = 1500;
    r->limits.max_response = 4000;
    rig_start_driver(r);
    rig_add_plan(r, 1, 100, 2, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    assert_int_equal(rig_last(r, 1, 0)->request.inline_limit, 1000);
    rig_commit_maps(r, 1, 100, 2);
    rig_call *c = rig_last(r, 2, 1);
    assert_true(c->bytes.size <= 1500);
    assert_int_equal(c->request.piece_count, 0);
    sdf_view view = {0};
    task_request q = {0};
    assert_int_equal(store_get_sealed(r->memory, c->request.pieces_name, 1 << 20, &view, NULL), SDF_OK);
    assert_int_equal(task_pieces_decode(view.data, view.size, &q, NULL), SDF_OK);
    assert_int_equal(q.piece_count, 1);
    assert_int_equal(q.pieces[0].partition, 1);
    assert_int_equal(q.pieces[0].leaf_count, 1);
    assert_int_equal(q.pieces[0].leaves[0].extent_count, 100);
    assert_int_equal(q.pieces[0].leaves[0].extents[99].task, 99);
    task_request_clear(&q);
    store_release(&view);
    assert_int_equal(rig_objects(r, "s2/"), 2);
    rig_answer_bytes(r, c->id, SDF_E_LOST, NULL, 0);
    rig_step(r);
    assert_int_equal(rig_objects(r, "s2/"), 1);
    rig_pass(r, 1000);
    assert_int_equal(rig_objects(r, "s2/"), 2);
    rig_commit_result(r, rig_last(r, 2, 0), "x");
    rig_commit_result(r, rig_last(r, 2, 1), "y");
    rig_step(r);
    assert_true(j->over && !j->status);
    assert_int_equal(rig_objects(r, "s2/"), 0);
    rig_free(r);
}

/* Nothing can be left out of these requests. */
static void test_too_small_requests(void **state)
{
    rig *r = rig_new();
    r->limits.max_request = 100;
    rig_start_driver(r);
    rig_add_plan(r, 1, 1, 1, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    assert_int_equal(j->status, SDF_E_LIMIT);
    assert_true(*sdf_error_hint(j->error));
    assert_int_equal(rig_objects(r, ""), 0);
    rig_free(r);
}

static void test_refused_for_ever(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, 3, 1, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_job *j = rig_submit_job(r, 1, 2);
    r->refuse = SDF_E_BUSY;
    rig_pass(r, 1000);
    r->refuse = 0;
    rig_pass(r, 2000);
    assert_int_equal(r->call_count, 3);
    rig_commit_maps(r, 1, 3, 1);
    r->refuse = SDF_E_BUSY;
    rig_answer_bytes(r, rig_last(r, 2, 0)->id, SDF_E_LOST, NULL, 0);
    rig_pass(r, 3600000);
    assert_true(j->over);
    assert_int_equal(j->status, SDF_E_BUSY);
    assert_non_null(strstr(sdf_error_message(j->error), "no free place"));
    rig_free(r);
}

static void test_throttled_for_ever(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, 1, 1, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_job *j = rig_submit_job(r, 1, 2);
    rig_step(r);
    for (uint32_t answered = 0; !j->over; rig_pass(r, 1000)) {
        assert_true(r->call_count < 200 && r->now < 100000000);
        if (r->call_count > answered)
            rig_answer_bytes(r, r->calls[answered++].id, SDF_E_THROTTLED, NULL, 0);
    }
    assert_int_equal(j->status, SDF_E_THROTTLED);
    assert_int_equal(r->call_count, 102); /* one retry is allowed */
    rig_free(r);
}

/* A second job uses what the first one has begun; the first is cancelled, the second goes on. Counts are each one's. */
static void test_shared_stage(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, 2, 1, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_job *one = rig_submit_job(r, 1, 2);
    rig_step(r);
    rig_commit_map(r, rig_last(r, 1, 0), 1);
    rig_step(r);
    plan *p = rig_plan();
    rig_reads(rig_stage(p, 3, 1, PLAN_OUTPUT_COUNT), 1);
    rig_add(r, p, NULL);
    rig_job *two = rig_submit_job(r, 2, 3);
    assert_true(driver_job_needs(r->driver, 2, 1));
    assert_false(driver_job_needs(r->driver, 2, 2));
    rig_step(r);
    driver_cancel(r->driver, 1);
    driver_cancel(r->driver, 1);
    assert_true(one->over);
    assert_int_equal(one->status, SDF_E_CANCELLED);
    assert_int_equal(r->half_done_count, 0); /* the other job needs it */
    rig_step(r);
    assert_false(rig_last(r, 1, 1)->cancelled);
    rig_commit_map(r, rig_last(r, 1, 1), 1);
    rig_step(r);
    rig_answer_reply(r, rig_last(r, 3, 0), &(task_reply[]){rig_reply(rig_last(r, 3, 0))}[0]);
    rig_step(r);
    assert_true(two->over && !two->status);
    assert_int_equal(one->totals.tasks, 1);
    assert_int_equal(one->totals.attempts, 2);
    assert_int_equal(two->totals.tasks, 2);
    assert_int_equal(two->totals.attempts, 1); /* launched while it was there */
    assert_int_equal(two->totals.jobs, 1);
    assert_int_equal(driver_active(r->driver), 0);
    rig_free(r);
}

/* A job that fails leaves half-done stages to be told of, but for its own. */
static void test_half_done(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, 2, 2, PLAN_OUTPUT_RESULT, NULL, 0);
    rig_submit_job(r, 1, 2);
    rig_step(r);
    rig_commit_maps(r, 1, 2, 2);
    rig_fail(r, rig_last(r, 2, 0), FAILURE_FATAL, "no");
    rig_step(r);
    assert_true(r->jobs[1].over);
    assert_int_equal(r->half_done_count, 0); /* stage 1 is whole */
    rig_free(r);
}

/* A platform with a time limit: tasks that can, cut before it. */
static void test_cuts_before_the_end(void **state)
{
    for (int limited = 0; limited < 2; limited++) {
        rig *r = rig_new();
        r->limits.max_duration_ms = limited ? 40000 : 0;
        rig_start_driver(r);
        plan *p = rig_plan();
        plan_stage *s = rig_stage(p, 1, 1, PLAN_OUTPUT_RESULT);
        rig_files(s);
        s->resumable = true;
        rig_add(r, p, (stage_pieces[]){rig_splits(1)});
        rig_submit_job(r, 1, 1);
        rig_step(r);
        const task_request *q = &rig_last(r, 1, 0)->request;
        assert_int_equal(q->lease_ms, r->now + (limited ? 40000 : 60000));
        assert_int_equal(q->cut_ms, limited ? r->now + 30000 : 0);
        rig_free(r);
    }
}

/* Freed with invocations in flight, failed ones unsettled, answers waiting, a job not yet begun. */
static void test_free_at_any_moment(void **state)
{
    for (int moment = 0; moment < 6; moment++) {
        rig *r = rig_new();
        rig_start_driver(r);
        rig_add_plan(r, 1, 8, 2, PLAN_OUTPUT_RESULT, NULL, 10000);
        rig_job *j = rig_submit_job(r, 1, 2);
        for (int i = 0; i < moment; i++) {
            if (i == 1)
                rig_fail(r, rig_last(r, 1, 0), FAILURE_TRANSIENT, "once");
            if (i == 2)
                for (uint32_t t = 1; t < 8; t++)
                    rig_commit_map(r, rig_last(r, 1, t), 2);
            if (i == 4)
                rig_commit_map(r, rig_last(r, 1, 0), 2);
            if (i == 3)
                rig_pass(r, 1000);
            else
                rig_step(r);
        }
        if (moment == 2) /* never handed over */
            rig_commit_map(r, rig_last(r, 1, 1), 2);
        assert_false(j->over);
        assert_int_equal(driver_free(r->driver), 0);
        r->driver = NULL;
        assert_true(j->over);
        assert_int_equal(j->status, SDF_E_CANCELLED);
        rig_free(r);
    }
    assert_int_equal(driver_free(NULL), 0);
}

/* A long life: thousands of jobs leave nothing in the store, and ids need not be small. */
static void test_long_life(void **state)
{
    rig *r = rig_new();
    rig_start_driver(r);
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t id = i * 2000003 + 1;
        rig_add_plan(r, id, 1, 1, PLAN_OUTPUT_RESULT, NULL, i % 100 ? 0 : 5000);
        r->jobs[1] = (rig_job){0};
        driver_job wish = {.id = i + 1, .stage = id + 1, .limit = UINT64_MAX, .done = rig_done, .user = &r->jobs[1]};
        assert_int_equal(driver_submit(r->driver, &wish, NULL), SDF_OK);
        rig_step(r);
        rig_commit_maps(r, id, 1, 1);
        rig_commit_result(r, rig_last(r, id + 1, 0), "x");
        rig_step(r);
        assert_true(r->jobs[1].over && !r->jobs[1].status);
        driver_drop_stage(r->driver, id);
        driver_drop_stage(r->driver, id + 1);
        rig_step(r);
        assert_int_equal(rig_objects(r, ""), 0);
        for (uint32_t c = 0; c < r->call_count; c++) {
            task_request_clear(&r->calls[c].request);
            buf_free(&r->calls[c].bytes);
        }
        r->call_count = 0;
    }
    rig_free(r);
}

/* A stage that is dropped while jobs read it, or wait for it, goes with the last of them. */
static void test_drop_while_read(void **state)
{
    for (int made = 0; made < 2; made++) {
        rig *r = rig_new();
        rig_start_driver(r);
        rig_add_plan(r, 1, 1, 1, PLAN_OUTPUT_RESULT, NULL, 0);
        plan *p = rig_plan();
        rig_reads(rig_stage(p, 3, 1, PLAN_OUTPUT_RESULT), 1);
        rig_add(r, p, NULL);
        rig_job *one = rig_submit_job(r, 1, 2), *two = rig_submit_job(r, 2, 3);
        rig_step(r);
        if (!made)
            driver_drop_stage(r->driver, 1);
        rig_step(r);
        rig_commit_maps(r, 1, 1, 1);
        rig_step(r);
        if (made)
            driver_drop_stage(r->driver, 1);
        rig_step(r);
        rig_commit_result(r, rig_last(r, 2, 0), "x");
        rig_step(r);
        assert_true(one->over && !one->status);
        assert_int_equal(rig_objects(r, ""), 1); /* the shuffle object */
        rig_commit_result(r, rig_last(r, 3, 0), "y");
        rig_step(r);
        assert_true(two->over && !two->status);
        rig_step(r);
        assert_int_equal(rig_objects(r, ""), 0);
        assert_int_equal(r->half_done_count, 0);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_large_plan),
        cmocka_unit_test(test_plan_never_written),
        cmocka_unit_test(test_object_not_written),
        cmocka_unit_test(test_small_requests),
        cmocka_unit_test(test_too_small_requests),
        cmocka_unit_test(test_refused_for_ever),
        cmocka_unit_test(test_throttled_for_ever),
        cmocka_unit_test(test_shared_stage),
        cmocka_unit_test(test_half_done),
        cmocka_unit_test(test_drop_while_read),
        cmocka_unit_test(test_cuts_before_the_end),
        cmocka_unit_test(test_free_at_any_moment),
        cmocka_unit_test(test_long_life),
    };
    return cmocka_run_group_tests_name("driver: life", tests, NULL, NULL);
}
