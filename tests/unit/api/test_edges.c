/* The edges of a context's life: forked children, tasks that meddle, jobs side by side, stores that fill up, lineages
 * that never end. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

static uint64_t job_metric(sdf_job *job, const char *name)
{
    uint64_t v = 0;
    assert_int_equal(sdf_job_metric(job, name, &v), SDF_OK);
    return v;
}

/* Each job counts what was done for it, whatever runs beside it. */
static void test_metrics_of_jobs(void **state)
{
    sdf_context *c = open_context("threads:2", "mem:", NULL);
    sdf_job *jobs[8];
    for (uint32_t i = 0; i < 8; i++)
        jobs[i] = sdf_submit_count(sdf_map(numbers(c, 100, i + 1), "fn_same", NULL, 0), NULL);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(sdf_job_wait(jobs[i], -1, NULL), SDF_OK);
        assert_int_equal(job_metric(jobs[i], "tasks"), i + 1);
        assert_int_equal(job_metric(jobs[i], "attempts"), i + 1);
        assert_int_equal(job_metric(jobs[i], "stages"), 1);
        assert_int_equal(job_metric(jobs[i], "jobs"), 1);
        assert_int_equal(job_metric(jobs[i], "records_fetched"), 100);
        sdf_job_free(jobs[i]);
    }
    sdf_context_close(c);
}

/* In a forked child there is no driver thread: nothing may wait for it. */
static void test_forked_child(void **state)
{
    sdf_context *c = plain_context();
    sdf_job *job = sdf_submit_count(sdf_map(numbers(c, 200, 4), "fn_slow", NULL, 0), NULL);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        uint64_t n;
        alarm(20);
        sdf_job_cancel(job);
        int bad = sdf_context_metric(c, "jobs", &n) != SDF_E_INVALID;
        bad |= sdf_job_wait(job, -1, NULL) != SDF_E_INVALID;
        bad |= sdf_job_count(job, &n, NULL) != SDF_E_BUSY;
        _exit(bad);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(sdf_job_wait(job, -1, NULL), SDF_OK); /* the parent's goes on */
    sdf_job_free(job);
    sdf_context_close(c);
}

static sdf_context *meddled;

/* A task that tries to close the context it runs in, and to run a job in it. */
static int fn_meddle(const sdf_record *in, sdf_out *out, void *state)
{
    uint64_t n = 0;
    sdf_context_close(meddled);
    int rc = sdf_context_metric(meddled, "jobs", &n);
    return rc ? sdf_fail(out, "the context is gone") : sdf_emit_view(out, &in->key, &in->value);
}

static void test_close_in_a_task(void **state)
{
    meddled = plain_context();
    assert_int_equal(count_of(sdf_map(numbers(meddled, 4, 2), "fn_meddle", NULL, 0)), 4);
    sdf_context_close(meddled);
}

/* Results that neither the process nor the store can hold end the job, with the reason, before all its tasks ran. */
static void test_no_room_for_results(void **state)
{
    const char *const sets[] = {"memory", "1M", "inline_limit", "64K", NULL};
    sdf_context *c = open_context("threads:1", "mem:cap=200K", sets);
    sdf_rdd *many = sdf_map(numbers(c, 1000, 1000), "fn_wide", NULL, 0);
    sdf_result *r = NULL;
    sdf_error *err = NULL;
    uint64_t before, after;
    assert_int_equal(sdf_context_metric(c, "tasks", &before), SDF_OK);
    assert_int_equal(sdf_collect(many, &r, &err), SDF_E_NO_SPACE);
    assert_null(r);
    sdf_error_free(err);
    assert_int_equal(sdf_context_metric(c, "tasks", &after), SDF_OK);
    assert_true(after - before < 500);
    assert_int_equal(count_of(many), 1000); /* the context is good, and what was kept is gone */
    sdf_context_close(c);
}

/* Each step builds on the one before, as iterative algorithms do. */
static void test_long_lineage(void **state)
{
    sdf_context *c = open_context("threads:1", "mem:", NULL);
    sdf_rdd *at = numbers(c, 3, 1);
    for (int i = 0; i < 1000; i++) {
        sdf_rdd *next = sdf_partition_by(sdf_map(at, "fn_same", NULL, 0), 1);
        sdf_rdd_free(at);
        at = next;
        if (i % 10 == 0)
            assert_int_equal(count_of(at), 3);
    }
    assert_int_equal(count_of(at), 3);
    sdf_context_close(c);
}

/* Two jobs need a stage that fails; the file changes; both are planned anew. */
static void test_both_planned_anew(void **state)
{
    const char *const sets[] = {"retries", "0", "backoff", "1ms", NULL};
    sdf_context *c = open_context("threads:2", "mem:", sets);
    char *folder = make_folder();
    write_text(folder, "a", "1 2 3\n");
    sdf_rdd *words = sdf_flat_map(sdf_text_file(c, folder, NULL), "sdf.words", NULL, 0);
    sdf_rdd *counts = sdf_reduce_by_key(sdf_map(words, "fn_moody", NULL, 0), "sdf.sum", 2);
    __atomic_store_n(&fn_moody_fails, 1, __ATOMIC_SEQ_CST);
    sdf_job *one = sdf_submit_count(counts, NULL), *two = sdf_submit_count(counts, NULL);
    sdf_job *other =
        sdf_submit_count(sdf_map(numbers(c, 20, 2), "fn_slow", NULL, 0), NULL); /* has nothing to do with it */
    assert_int_equal(sdf_job_wait(one, -1, NULL), SDF_E_USER);
    assert_int_equal(sdf_job_wait(two, -1, NULL), SDF_E_USER);
    __atomic_store_n(&fn_moody_fails, 0, __ATOMIC_SEQ_CST);
    write_text(folder, "a", "1 2 3 4\n");
    assert_int_equal(count_of(counts), 4);
    assert_int_equal(sdf_job_wait(other, -1, NULL), SDF_OK);
    sdf_job_free(one);
    sdf_job_free(two);
    sdf_job_free(other);
    drop_folder(folder);
    sdf_context_close(c);
}

/* 16 KiB that don't compress. */
static int fn_wide(const sdf_record *in, sdf_out *out, void *state)
{
    uint64_t bytes[2048], x = (uint64_t)sdf_slice_i64(&in->value) + 1;
    for (size_t i = 0; i < 2048; i++)
        bytes[i] = x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    sdf_slice value = {bytes, sizeof bytes};
    return sdf_emit(out, &in->key, &value);
}

int main(void)
{
    register_functions();
    SDF_REGISTER(fn_meddle, .map = fn_meddle);
    SDF_REGISTER(fn_wide, .map = fn_wide, .in_value = "i64", .out_value = "bytes");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_of_jobs), cmocka_unit_test(test_forked_child),
        cmocka_unit_test(test_close_in_a_task), cmocka_unit_test(test_no_room_for_results),
        cmocka_unit_test(test_long_lineage),    cmocka_unit_test(test_both_planned_anew),
    };
    return cmocka_run_group_tests_name("api/edges", tests, NULL, NULL);
}
