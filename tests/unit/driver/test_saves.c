/* Outputs of jobs: claimed at once, published from what stands at the end, with what was diverted; all or nothing. */
#include "rig.h"

#include "base/path.h"
#include "store/output.h"

typedef struct place {
    char folder[64], out[96];
} place;

static place place_new(void)
{
    place x;
    strcpy(x.folder, "/tmp/sdf-driver-XXXXXX");
    assert_non_null(mkdtemp(x.folder));
    snprintf(x.out, sizeof x.out, "%s/out", x.folder);
    return x;
}

static void place_free(place *x)
{
    assert_int_equal(path_remove_tree(x->folder, NULL), 0);
}

static bool there(const place *x, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", x->out, name);
    return access(path, F_OK) == 0;
}

/* What a worker would leave: its ticket. */
static void leave(const rig_call *c, const place *x, const char *final, char ticket[OUTPUT_TICKET_MAX])
{
    char attempt[64];
    output_part *part;
    sdf_error *err = NULL;
    snprintf(attempt, sizeof attempt, "a%llu.%zu", (unsigned long long)c->id, strlen(final));
    if (output_part_open(x->out, c->request.output_token, false, attempt, final, &part, &err))
        fail_msg("%s", sdf_error_text(err));
    assert_int_equal(output_part_write(part, "data", 4, NULL), SDF_OK);
    assert_int_equal(output_part_close(part, ticket, NULL), SDF_OK);
}

/* A map that diverted one record; diverts false: none. */
static void commit_map(rig *r, rig_call *c, uint32_t partitions, uint64_t fingerprint, const place *x, bool diverts)
{
    buf index = BUF_EMPTY;
    char ticket[OUTPUT_TICKET_MAX], final[64];
    rig_put(r, c, NULL);
    rig_index(partitions, &index);
    task_reply reply = rig_reply(c);
    reply.index = buf_slice(&index);
    reply.fingerprint = fingerprint;
    reply.object_bytes = OBJECT_HEADER_BYTES + 100ull * partitions;
    if (diverts) {
        snprintf(final, sizeof final, "_errors/s%u-t%u", c->request.stage, c->request.task);
        leave(c, x, final, ticket);
        reply.errors_temp = ticket;
        reply.errors_final = final;
        reply.errors_bytes = 4;
        reply.errors_records = 1;
        reply.metrics.record_errors = 1;
    }
    rig_answer_reply(r, c, &reply);
    buf_free(&index);
}

static void commit_file(rig *r, rig_call *c, const place *x)
{
    char ticket[OUTPUT_TICKET_MAX], final[64];
    snprintf(final, sizeof final, "part-%05u", c->request.task);
    leave(c, x, final, ticket);
    task_reply reply = rig_reply(c);
    reply.file_temp = ticket;
    reply.file_final = final;
    reply.file_bytes = 4;
    rig_answer_reply(r, c, &reply);
}

static rig *begin(const place *x, uint32_t maps, uint32_t reduces)
{
    rig *r = rig_new();
    rig_start_driver(r);
    rig_add_plan(r, 1, maps, reduces, PLAN_OUTPUT_FILE, x->out, 0);
    rig_submit_save(r, 1, 2, x->out);
    rig_step(r);
    return r;
}

static void test_save(void **state)
{
    place x = place_new();
    rig *r = begin(&x, 3, 2);
    assert_string_equal(rig_last(r, 1, 0)->request.output_token, "0000000000000077-j1");
    assert_true(access(x.out, F_OK) == 0); /* claimed */
    commit_map(r, rig_last(r, 1, 0), 2, 5, &x, true);
    commit_map(r, rig_last(r, 1, 1), 2, 5, &x, false);
    commit_map(r, rig_last(r, 1, 2), 2, 5, &x, true);
    rig_step(r);
    commit_file(r, rig_last(r, 2, 1), &x);
    rig_step(r);
    assert_false(there(&x, "part-00001")); /* not before all of it is there */
    assert_false(there(&x, "_errors"));
    commit_file(r, rig_last(r, 2, 0), &x);
    rig_step(r);
    assert_true(r->jobs[1].over);
    assert_int_equal(r->jobs[1].status, SDF_OK);
    assert_int_equal(r->jobs[1].totals.tasks_metrics.record_errors, 2);
    assert_true(there(&x, "_SUCCESS"));
    assert_true(there(&x, "part-00000") && there(&x, "part-00001"));
    assert_true(there(&x, "_errors/s1-t0") && there(&x, "_errors/s1-t2"));
    assert_false(there(&x, "_errors/s1-t1"));
    assert_false(there(&x, "_temporary"));
    rig_free(r);
    place_free(&x);
}

/* Only the winner's file is seen, though both attempts have diverted. */
static void test_one_of_two_attempts(void **state)
{
    place x = place_new();
    rig *r = begin(&x, 1, 1);
    rig_call *late = rig_last(r, 1, 0);
    rig_pass(r, 63000);
    rig_call *second = rig_last(r, 1, 0);
    assert_int_not_equal(late->id, second->id);
    commit_map(r, late, 1, 5, &x, true);
    commit_map(r, second, 1, 5, &x, true);
    rig_step(r);
    commit_file(r, rig_last(r, 2, 0), &x);
    rig_step(r);
    assert_true(r->jobs[1].over && !r->jobs[1].status);
    assert_int_equal(r->jobs[1].totals.tasks_metrics.record_errors, 1);
    assert_true(there(&x, "_errors/s1-t0") && !there(&x, "_temporary"));
    rig_free(r);
    place_free(&x);
}

/* Ended between two completions, in all ways there are. */
static void test_nothing_half_visible(void **state)
{
    for (int how = 0; how < 3; how++) {
        place x = place_new();
        rig *r = begin(&x, 1, 2);
        commit_map(r, rig_last(r, 1, 0), 2, 5, &x, true);
        rig_step(r);
        commit_file(r, rig_last(r, 2, 0), &x);
        rig_step(r);
        rig_call *other = rig_last(r, 2, 1);
        if (how == 0) {
            driver_cancel(r->driver, 1);
        } else if (how == 1) {
            rig_fail(r, other, FAILURE_FATAL, "no");
            rig_step(r);
        } else {
            assert_int_equal(driver_free(r->driver), 0);
            r->driver = NULL;
        }
        assert_true(r->jobs[1].over && r->jobs[1].status);
        assert_false(access(x.out, F_OK) == 0);
        output_part *part; /* what still runs can't bring it back */
        sdf_error *err = NULL;
        assert_int_equal(output_part_open(x.out, other->request.output_token, false, "late", "part-00001", &part, &err),
                         SDF_E_NOT_FOUND);
        sdf_error_free(err);
        rig_free(r);
        place_free(&x);
    }
}

/* A worker that names no file for its part, or one that is not there, or one elsewhere. */
static void test_bad_names(void **state)
{
    for (int named = 0; named < 5; named++) {
        place x = place_new();
        rig *r = begin(&x, 1, 1);
        rig_job *j = &r->jobs[1];
        rig_commit_maps(r, 1, 1, 1);
        for (int tries = 0; tries < 2 && !j->over; tries++) {
            rig_call *c = rig_last(r, 2, 0);
            task_reply reply = rig_reply(c);
            if (named >= 1) {
                reply.file_temp = (char *)(named == 1 ? "_temporary/not-there" : "../../etc/passwd");
                reply.file_final = (char *)(named == 1 ? "part-00000" : "../part-00000");
                reply.file_bytes = 3;
            }
            if (named >= 3)
                reply.errors_temp = (char *)"_temporary/not-there";
            if (named == 4)
                reply.errors_final = (char *)"_errors/../../x";
            rig_answer_reply(r, c, &reply);
            rig_step(r);
            rig_pass(r, 1000);
        }
        assert_true(j->over);
        assert_int_not_equal(j->status, SDF_OK);
        assert_int_equal(sdf_error_stage(j->error), 2);
        assert_false(access(x.out, F_OK) == 0);
        rig_free(r);
        place_free(&x);
    }
}

/* All tasks are done, but the output can't be made whole: what the last stage has counted is counted when it is made
 * again, what is there already stands. */
static void test_counted_once(void **state)
{
    place x = place_new();
    rig *r = begin(&x, 1, 1);
    commit_map(r, rig_last(r, 1, 0), 1, 5, &x, true);
    rig_step(r);
    task_reply reply = rig_reply(rig_last(r, 2, 0));
    reply.file_temp = (char *)"_temporary/not-there";
    reply.file_final = (char *)"part-00000";
    reply.file_bytes = 3;
    reply.counters = (task_counter[]){{(char *)"hits", 7}};
    reply.counter_count = 1;
    reply.metrics.record_errors = 2;
    rig_answer_reply(r, rig_last(r, 2, 0), &reply);
    rig_step(r);
    assert_true(r->jobs[1].over && r->jobs[1].status);
    driver_drop_stage(r->driver, 2);
    rig_step(r);
    int64_t hits = 0;
    driver_totals t;
    driver_get_totals(r->driver, &t);
    assert_int_equal(driver_counter(r->driver, "hits", &hits), SDF_E_NOT_FOUND);
    assert_int_equal(t.tasks_metrics.record_errors, 1);
    rig_free(r);
    place_free(&x);
}

/* An output that is there, or another job's, is refused before anything runs; the job is not there then. */
static void test_taken(void **state)
{
    place x = place_new();
    rig *r = begin(&x, 1, 1);
    rig_add_plan(r, 3, 1, 1, PLAN_OUTPUT_FILE, x.out, 0);
    sdf_error *err = NULL;
    assert_int_equal(rig_wish(r, 2, 4, x.out, &err), SDF_E_EXISTS);
    assert_non_null(strstr(sdf_error_message(err), "out"));
    sdf_error_free(err);
    rig_step(r);
    assert_int_equal(rig_submitted(r, 3), 0);
    assert_int_equal(driver_active(r->driver), 1);
    rig_commit_maps(r, 1, 1, 1);
    commit_file(r, rig_last(r, 2, 0), &x);
    rig_step(r);
    assert_true(r->jobs[1].over && !r->jobs[1].status);
    assert_int_equal(rig_wish(r, 2, 4, x.out, NULL), SDF_E_EXISTS);
    rig_free(r);
    place_free(&x);
}

/* A second save reads a stage of the first one: what that diverts stays the first one's, and is nowhere once that has
 * no output any more. */
static void test_shared_stage(void **state)
{
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        place x = place_new(), y = place_new();
        rig *r = begin(&x, 2, 1);
        plan *p = rig_plan();
        plan_stage *s = rig_stage(p, 3, 1, PLAN_OUTPUT_FILE);
        rig_reads(s, 1);
        s->output.format.kind = PLAN_FORMAT_TEXT;
        s->output.uri = strdup(y.out);
        rig_add(r, p, NULL);
        rig_submit_save(r, 2, 3, y.out);
        commit_map(r, rig_last(r, 1, 0), 1, 5, &x, true);
        rig_answer_bytes(r, rig_last(r, 1, 1)->id, SDF_E_LOST, NULL, 0);
        rig_step(r);
        if (cancelled)
            driver_cancel(r->driver, 1);
        rig_pass(r, 2000);
        rig_call *c = rig_last(r, 1, 1);
        assert_string_equal(c->request.output_token, cancelled ? "" : "0000000000000077-j1");
        commit_map(r, c, 1, 5, &x, !cancelled);
        rig_step(r);
        assert_string_equal(rig_last(r, 3, 0)->request.output_token, "0000000000000077-j2");
        commit_file(r, rig_last(r, 3, 0), &y);
        if (!cancelled)
            commit_file(r, rig_last(r, 2, 0), &x);
        rig_step(r);
        assert_true(r->jobs[2].over && !r->jobs[2].status);
        assert_true(there(&y, "_SUCCESS") && there(&y, "part-00000") && !there(&y, "_errors"));
        assert_int_equal(there(&x, "_SUCCESS"), !cancelled);
        assert_int_equal(there(&x, "_errors/s1-t1"), !cancelled);
        assert_int_equal(access(x.out, F_OK) == 0, !cancelled);
        rig_free(r);
        place_free(&x);
        place_free(&y);
    }
}

/* An attempt that was begun for an output that is gone when it wants to divert: another one does without. */
static void test_output_goes_meanwhile(void **state)
{
    place x = place_new(), y = place_new();
    rig *r = begin(&x, 1, 1);
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 3, 1, PLAN_OUTPUT_FILE);
    rig_reads(s, 1);
    s->output.format.kind = PLAN_FORMAT_TEXT;
    s->output.uri = strdup(y.out);
    rig_add(r, p, NULL);
    rig_submit_save(r, 2, 3, y.out);
    rig_step(r);
    driver_cancel(r->driver, 1);
    rig_step(r);
    rig_fail(r, rig_last(r, 1, 0), FAILURE_FATAL, "there is no such output");
    rig_pass(r, 2000);
    rig_call *c = rig_last(r, 1, 0);
    assert_int_equal(rig_submitted(r, 1), 2);
    assert_string_equal(c->request.output_token, "");
    rig_fail(r, c, FAILURE_FATAL, "it is not that");
    rig_step(r);
    assert_true(r->jobs[2].over && r->jobs[2].status);
    rig_free(r);
    place_free(&x);
    place_free(&y);
}

/* A map's rerun brings other data after a part was written: the part is made again, nothing of the first is seen. */
static void test_other_data(void **state)
{
    place x = place_new();
    rig *r = begin(&x, 1, 2);
    rig_call *map = rig_last(r, 1, 0);
    commit_map(r, map, 2, 5, &x, true);
    rig_step(r);
    rig_call *early = rig_last(r, 2, 0);
    commit_file(r, early, &x);
    rig_step(r);
    rig_call *c = rig_last(r, 2, 1);
    task_reply reply = rig_reply(c);
    reply.failure = FAILURE_UPSTREAM;
    reply.bad_stage = 1;
    reply.bad_attempt = map->id;
    rig_answer_reply(r, c, &reply);
    rig_step(r);
    map = rig_last(r, 1, 0);
    commit_map(r, map, 2, 6, &x, false);
    rig_step(r);
    assert_int_not_equal(rig_last(r, 2, 0)->id, early->id);
    commit_file(r, rig_last(r, 2, 0), &x);
    commit_file(r, rig_last(r, 2, 1), &x);
    rig_step(r);
    assert_true(r->jobs[1].over);
    assert_int_equal(r->jobs[1].status, SDF_OK);
    assert_int_equal(r->jobs[1].totals.tasks_metrics.record_errors, 0);
    assert_true(there(&x, "_SUCCESS") && !there(&x, "_errors") && !there(&x, "_temporary"));
    rig_free(r);
    place_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_one_of_two_attempts),
        cmocka_unit_test(test_nothing_half_visible),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_counted_once),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_shared_stage),
        cmocka_unit_test(test_output_goes_meanwhile),
        cmocka_unit_test(test_other_data),
    };
    return cmocka_run_group_tests_name("driver: outputs", tests, NULL, NULL);
}
