/* Counters of tasks: each committed one once, whatever became of other attempts, reruns, rollbacks and stages. */
#include "rig.h"

static int64_t sum(rig *r, const char *name)
{
    int64_t value = 77;
    int rc = driver_counter(r->driver, name, &value);
    assert_true(rc == SDF_OK || (rc == SDF_E_NOT_FOUND && value == 0));
    return rc ? INT64_MIN : value;
}

/* Commits an attempt that counted `hits` and `errors` record errors. */
static void commit(rig *r, rig_call *c, uint64_t fingerprint, int64_t hits, int64_t errors)
{
    buf index = BUF_EMPTY;
    task_reply reply = rig_reply(c);
    reply.counters = (task_counter[]){{(char *)"hits", hits}, {(char *)"sdf.errors.map#1", errors}};
    reply.counter_count = errors ? 2 : 1;
    reply.metrics.record_errors = (uint64_t)errors;
    reply.fingerprint = fingerprint;
    if (c->request.stage == 1) {
        rig_put(r, c, NULL);
        rig_index(1, &index);
        reply.index = buf_slice(&index);
        reply.object_bytes = OBJECT_HEADER_BYTES + 100;
    }
    rig_answer_reply(r, c, &reply);
    buf_free(&index);
}

static rig *begin(uint32_t maps, plan_output_kind last)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, maps, 1, last, NULL, 0);
    rig_submit_job(r, 1, 2);
    rig_step(r);
    return r;
}

static uint64_t errors(rig *r)
{
    driver_totals t;
    driver_get_totals(r->driver, &t);
    return t.tasks_metrics.record_errors;
}

static void test_sums(void **state)
{
    rig *r = begin(3, PLAN_OUTPUT_COUNT);
    const char *name;
    int64_t value;
    assert_int_equal(driver_counter_at(r->driver, 0, &name, &value), SDF_END);
    assert_int_equal(sum(r, "hits"), INT64_MIN);
    rig_call *failing = rig_last(r, 1, 2);
    task_reply reply = rig_reply(failing);
    reply.failure = FAILURE_TRANSIENT;
    reply.counters = (task_counter[]){{(char *)"hits", 100}, {(char *)"never", 1}};
    reply.counter_count = 2;
    rig_answer_reply(r, failing, &reply);
    commit(r, rig_last(r, 1, 0), 5, 4, 2);
    commit(r, rig_last(r, 1, 0), 5, 4, 2); /* twice the same answer */
    commit(r, rig_last(r, 1, 1), 5, -9, 0);
    rig_step(r);
    assert_int_equal(sum(r, "hits"), -5);
    rig_pass(r, 1000);
    commit(r, rig_last(r, 1, 2), 5, 5, 0);
    rig_step(r);
    assert_int_equal(sum(r, "hits"), 0); /* it was counted all the same */
    assert_int_equal(sum(r, "never"), INT64_MIN);
    task_reply last = rig_reply(rig_last(r, 2, 0));
    last.counters = (task_counter[]){{(char *)"a", INT64_MAX}, {(char *)"zz", 1}};
    last.counter_count = 2;
    rig_answer_reply(r, rig_last(r, 2, 0), &last);
    rig_step(r);
    assert_true(r->jobs[1].over && !r->jobs[1].status);
    assert_int_equal(r->jobs[1].totals.tasks_metrics.record_errors, 2);
    static const char *const names[] = {"a", "hits", "sdf.errors.map#1", "zz"};
    static const int64_t values[] = {INT64_MAX, 0, 2, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(driver_counter_at(r->driver, i, &name, &value), SDF_OK);
        assert_string_equal(name, names[i]);
        assert_int_equal(value, values[i]);
    }
    assert_int_equal(driver_counter_at(r->driver, 4, &name, &value), SDF_END);
    rig_free(r);
}

/* The second of two attempts loses: what it counted is nowhere. */
static void test_loser(void **state)
{
    rig *r = begin(1, PLAN_OUTPUT_COUNT);
    rig_call *first = rig_last(r, 1, 0);
    rig_pass(r, 63000);
    commit(r, first, 5, 3, 1);
    commit(r, rig_last(r, 1, 0), 5, 30, 10);
    rig_step(r);
    assert_int_equal(sum(r, "hits"), 3);
    assert_int_equal(errors(r), 1);
    rig_free(r);
}

static void blame_map(rig *r, uint64_t attempt)
{
    rig_call *c = rig_last(r, 2, 0);
    task_reply reply = rig_reply(c);
    reply.failure = FAILURE_UPSTREAM;
    reply.bad_stage = 1;
    reply.bad_attempt = attempt;
    rig_answer_reply(r, c, &reply);
    rig_step(r);
}

/* A rerun stands in for what it replaces: with the same data, or with other data, after which all that was made from
 * the first is made, and counted, anew. */
static void test_rerun(void **state)
{
    for (int other = 0; other < 2; other++) {
        rig *r = begin(2, PLAN_OUTPUT_COUNT);
        rig_call *map = rig_last(r, 1, 0);
        commit(r, map, 5, 3, 1);
        commit(r, rig_last(r, 1, 1), 5, 10, 2);
        rig_step(r);
        blame_map(r, map->id);
        assert_int_equal(sum(r, "hits"), 13); /* it stands until another takes its place */
        commit(r, rig_last(r, 1, 0), 5 + (uint64_t)other, 3 + other, 1 + other);
        rig_step(r);
        assert_int_equal(sum(r, "hits"), 13 + other);
        assert_int_equal(sum(r, "sdf.errors.map#1"), 3 + other);
        assert_int_equal(errors(r), 3 + other);
        commit(r, rig_last(r, 2, 0), 5, 100, 0);
        rig_step(r);
        assert_true(r->jobs[1].over && !r->jobs[1].status);
        assert_int_equal(r->jobs[1].totals.tasks_metrics.record_errors, 3 + other);
        assert_int_equal(sum(r, "hits"), 113 + other);
        rig_free(r);
    }
}

/* What a job that is over was made of comes with other data in another job: what the first one counted stands. */
static void test_over(void **state)
{
    rig *r = begin(1, PLAN_OUTPUT_COUNT);
    rig_call *map = rig_last(r, 1, 0);
    commit(r, map, 5, 1, 0);
    rig_step(r);
    commit(r, rig_last(r, 2, 0), 5, 10, 3);
    rig_step(r);
    assert_true(r->jobs[1].over && !r->jobs[1].status);
    plan *p = rig_plan();
    rig_reads(rig_stage(p, 3, 1, PLAN_OUTPUT_COUNT), 1);
    rig_add(r, p, NULL);
    rig_submit_job(r, 2, 3);
    rig_step(r);
    task_reply reply = rig_reply(rig_last(r, 3, 0));
    reply.failure = FAILURE_UPSTREAM;
    reply.bad_stage = 1;
    reply.bad_attempt = map->id;
    rig_answer_reply(r, rig_last(r, 3, 0), &reply);
    rig_step(r);
    commit(r, rig_last(r, 1, 0), 6, 2, 0);
    rig_step(r);
    assert_int_equal(sum(r, "hits"), 12);
    commit(r, rig_last(r, 3, 0), 5, 100, 0);
    rig_step(r);
    assert_true(r->jobs[2].over && !r->jobs[2].status);
    assert_int_equal(sum(r, "hits"), 112);
    assert_int_equal(errors(r), 3);
    rig_free(r);
}

/* What a finished stage counted stays when it is dropped; what a half-done one did is taken back: who wants its data
 * makes all of it again. */
static void test_drop(void **state)
{
    for (int half = 0; half < 2; half++) {
        rig *r = begin(2, PLAN_OUTPUT_COUNT);
        commit(r, rig_last(r, 1, 0), 5, 3, 1);
        if (!half)
            commit(r, rig_last(r, 1, 1), 5, 4, 0);
        rig_step(r);
        if (!half)
            commit(r, rig_last(r, 2, 0), 5, 10, 0);
        else
            driver_cancel(r->driver, 1);
        rig_step(r);
        assert_true(r->jobs[1].over);
        assert_int_equal(sum(r, "hits"), half ? 3 : 17);
        driver_drop_stage(r->driver, 2);
        driver_drop_stage(r->driver, 1);
        rig_step(r);
        assert_int_equal(sum(r, "hits"), half ? INT64_MIN : 17);
        assert_int_equal(errors(r), half ? 0 : 1);
        rig_free(r);
    }
}

/* Two jobs need the stage; the second came when half of it was there, and then that half was lost. */
static void test_second_job(void **state)
{
    rig *r = begin(2, PLAN_OUTPUT_COUNT);
    rig_call *map = rig_last(r, 1, 0);
    commit(r, map, 5, 1, 8);
    rig_step(r);
    plan *p = rig_plan();
    rig_reads(rig_stage(p, 3, 1, PLAN_OUTPUT_COUNT), 1);
    rig_add(r, p, NULL);
    rig_submit_job(r, 2, 3);
    rig_step(r);
    commit(r, rig_last(r, 1, 1), 5, 1, 2);
    rig_step(r);
    blame_map(r, map->id);
    commit(r, rig_last(r, 1, 0), 5, 1, 8);
    rig_step(r);
    commit(r, rig_last(r, 2, 0), 5, 1, 0);
    commit(r, rig_last(r, 3, 0), 5, 1, 0);
    rig_step(r);
    assert_int_equal(r->jobs[1].totals.tasks_metrics.record_errors, 10);
    assert_int_equal(r->jobs[2].totals.tasks_metrics.record_errors, 2);
    assert_int_equal(sum(r, "hits"), 4);
    assert_int_equal(errors(r), 10);
    rig_free(r);
}

/* Names are a context's for good: beyond what it holds the job fails, and says why. */
static void test_too_many_names(void **state)
{
    enum { TASKS = 51, EACH = 200 }; /* 10200 names */
    rig *r = begin(TASKS, PLAN_OUTPUT_COUNT);
    for (uint32_t t = 0; t < TASKS && !r->jobs[1].over; t++) {
        char names[EACH][16];
        task_counter counters[EACH];
        for (uint32_t i = 0; i < EACH; i++) {
            snprintf(names[i], sizeof names[i], "n%02u.%03u", t, i);
            counters[i] = (task_counter){names[i], 1};
        }
        rig_call *c = rig_last(r, 1, t);
        buf index = BUF_EMPTY;
        task_reply reply = rig_reply(c);
        reply.counters = counters;
        reply.counter_count = EACH;
        rig_put(r, c, NULL);
        rig_index(1, &index);
        reply.index = buf_slice(&index);
        reply.object_bytes = OBJECT_HEADER_BYTES + 100;
        rig_answer_reply(r, c, &reply);
        buf_free(&index);
        rig_step(r);
    }
    assert_true(r->jobs[1].over);
    assert_int_equal(r->jobs[1].status, SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_message(r->jobs[1].error), "accumulator \"n50.000\""));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),           cmocka_unit_test(test_loser),      cmocka_unit_test(test_rerun),
        cmocka_unit_test(test_drop),           cmocka_unit_test(test_second_job), cmocka_unit_test(test_over),
        cmocka_unit_test(test_too_many_names),
    };
    return cmocka_run_group_tests_name("driver: counters", tests, NULL, NULL);
}
