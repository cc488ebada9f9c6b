/* Jobs: waiting, polling, cancelling, failing, reusing; events; results while they come and beyond memory. */
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t metric(sdf_context *c, const char *name)
{
    uint64_t v = 0;
    assert_int_equal(sdf_context_metric(c, name, &v), SDF_OK);
    return v;
}

static void test_submit_and_wait(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *rdd = numbers(c, 100, 4);
    uint64_t n = 0;
    sdf_result *r = NULL;
    sdf_error *err = NULL;
    sdf_job *count = sdf_submit_count(rdd, NULL), *collect = sdf_submit_collect(rdd, NULL);
    assert_int_equal(sdf_job_wait(collect, -1, NULL), SDF_OK);
    assert_int_equal(sdf_job_wait(count, -1, NULL), SDF_OK);
    assert_int_equal(sdf_job_wait(count, -1, NULL), SDF_OK); /* again */
    assert_int_equal(sdf_job_poll(count, NULL), SDF_OK);
    assert_int_equal(sdf_job_count(count, &n, NULL), SDF_OK);
    assert_int_equal(n, 100);
    assert_int_equal(sdf_job_count(count, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_job_result(count, &r, &err), SDF_E_INVALID);
    sdf_error_free(err);
    assert_int_equal(sdf_job_result(collect, &r, NULL), SDF_OK);
    assert_int_equal(sdf_job_result(collect, &r, NULL), SDF_E_INVALID); /* taken */
    assert_int_equal(sdf_job_metric(count, "tasks", &n), SDF_OK);
    assert_int_equal(sdf_job_metric(count, "jobs", &n), SDF_OK);
    assert_int_equal(n, 1);
    assert_int_equal(sdf_job_metric(count, "bananas", &n), SDF_E_NOT_FOUND);
    sdf_job_free(count);
    sdf_job_free(collect);
    pairs p = read_pairs(r);
    assert_int_equal(p.count, 100);
    free(p.at);
    sdf_context_close(c);
}

static void test_poll_and_fd(void **state)
{
    sdf_context *c = plain_context();
    sdf_error *err = NULL;
    uint64_t n;
    sdf_job *job = sdf_submit_count(sdf_map(numbers(c, 10, 2), "fn_slow", NULL, 0), NULL);
    assert_int_equal(sdf_job_poll(job, &err), SDF_E_TIMEOUT);
    assert_null(err);
    assert_int_equal(sdf_job_wait(job, 1, &err), SDF_E_TIMEOUT);
    assert_int_equal(sdf_job_count(job, &n, NULL), SDF_E_BUSY);
    struct pollfd p = {.fd = sdf_job_fd(job), .events = POLLIN};
    assert_int_equal(sdf_job_fd(job), p.fd);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(sdf_job_poll(job, NULL), SDF_OK);
    assert_int_equal(poll(&p, 1, 0), 1); /* stays readable */
    sdf_job_free(job);
    job = sdf_submit_count(numbers(c, 1, 1), NULL);
    assert_int_equal(sdf_job_wait(job, 10000, NULL), SDF_OK);
    p.fd = sdf_job_fd(job); /* asked for when it was done already */
    assert_int_equal(poll(&p, 1, 0), 1);
    sdf_job_free(job);
    sdf_context_close(c);
}

static void test_cancel(void **state)
{
    sdf_context *c = plain_context();
    sdf_error *err = NULL;
    sdf_rdd *slow = sdf_map(numbers(c, 2000, 200), "fn_slow", NULL, 0);
    sdf_job *job = sdf_submit_collect(slow, NULL);
    assert_int_equal(sdf_job_wait(job, 30, NULL), SDF_E_TIMEOUT);
    sdf_job_cancel(job);
    assert_int_equal(sdf_job_wait(job, 1000, &err), SDF_E_CANCELLED);
    sdf_error_free(err);
    sdf_job_cancel(job);
    sdf_job_free(job);
    job = sdf_submit_count(slow, NULL);
    sdf_job_free(job);                               /* while it runs */
    assert_int_equal(count_of(numbers(c, 5, 2)), 5); /* the context is good */
    sdf_result *r;
    assert_int_equal(sdf_iterate(slow, &r, NULL), SDF_OK);
    sdf_result_free(r); /* while its job runs */
    sdf_job *another = sdf_submit_count(slow, NULL);
    job = sdf_submit_count(slow, NULL);
    sdf_context_close(c); /* two of them run */
    sdf_job_free(another);
    uint64_t n;
    assert_int_equal(sdf_job_poll(job, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_job_count(job, &n, NULL), SDF_E_CANCELLED);
    assert_int_equal(sdf_job_fd(job), -1);
    sdf_job_free(job);
}

static void test_failure(void **state)
{
    const char *const sets[] = {"retries", "1", "backoff", "1ms", NULL};
    sdf_context *c = open_context("threads:2", "mem:", sets);
    sdf_error *err = NULL;
    sdf_result *r = NULL;
    sdf_rdd *bad = sdf_map(numbers(c, 20, 4), "fn_fail", NULL, 0);
    assert_int_equal(sdf_collect(bad, &r, &err), SDF_E_USER);
    assert_null(r);
    assert_string_equal(sdf_error_function(err), "fn_fail");
    assert_non_null(strstr(sdf_error_operator(err), "map#2 fn_fail"));
    assert_non_null(strstr(sdf_error_message(err), "seven is not allowed"));
    assert_int_equal(sdf_error_partition(err), 1);
    assert_true(sdf_error_stage(err) > 0);
    sdf_error_free(err);
    assert_true(metric(c, "failed_attempts") >= 1);
    assert_int_equal(
        sdf_count(sdf_reduce_by_key(sdf_map(bad, "fn_by_digit", NULL, 0), "sdf.sum", 2), &(uint64_t){0}, NULL),
        SDF_E_USER);
    assert_int_equal(count_of(sdf_filter(numbers(c, 20, 4), "fn_even", NULL, 0)), 10);
    sdf_context_close(c);
}

/* A failed job's half-done stages are planned anew: the file has changed since. */
static void test_changed_file_after_failure(void **state)
{
    const char *const sets[] = {"retries", "0", "backoff", "1ms", NULL};
    sdf_context *c = open_context("threads:2", "mem:", sets);
    char *folder = make_folder();
    write_text(folder, "a", "1 2 3\n");
    sdf_rdd *words = sdf_flat_map(sdf_text_file(c, folder, NULL), "sdf.words", NULL, 0);
    sdf_rdd *counts = sdf_reduce_by_key(sdf_map(words, "fn_moody", NULL, 0), "sdf.sum", 2);
    __atomic_store_n(&fn_moody_fails, 1, __ATOMIC_SEQ_CST);
    assert_int_equal(sdf_count(counts, &(uint64_t){0}, NULL), SDF_E_USER);
    __atomic_store_n(&fn_moody_fails, 0, __ATOMIC_SEQ_CST);
    write_text(folder, "a", "1 2 3 4\n");
    assert_int_equal(count_of(counts), 4);
    write_text(folder, "a", "1\n"); /* what is complete stays as it was computed */
    assert_int_equal(count_of(counts), 4);
    assert_int_equal(count_of(words), 1);
    drop_folder(folder);
    sdf_context_close(c);
}

static void test_reuse(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *sums = sdf_reduce_by_key(sdf_map(numbers(c, 1000, 8), "fn_by_digit", NULL, 0), "fn_add", 3);
    assert_int_equal(count_of(sums), 10);
    uint64_t tasks = metric(c, "tasks");
    assert_int_equal(tasks, 11);
    assert_int_equal(count_of(sums), 10);
    assert_int_equal(metric(c, "tasks") - tasks, 3); /* the map side is there */
    char *text = sdf_explain(sums, NULL, NULL);
    assert_non_null(strstr(text, "reuses stage"));
    sdf_string_free(text);
    sdf_rdd *sorted = sdf_sort_by_key(sums, NULL);
    assert_int_equal(count_of(sorted), 10);
    tasks = metric(c, "tasks");
    assert_int_equal(count_of(sdf_filter(sorted, "fn_even", NULL, 0)),
                     10);                            /* sums of 100 numbers of one last digit: even */
    assert_int_equal(metric(c, "tasks") - tasks, 4); /* default partitions: 2 x 2 */
    sdf_context_close(c);
}

static void test_data_goes_with_handles(void **state)
{
    char *folder = make_folder(), uri[4096];
    snprintf(uri, sizeof uri, "file:%s", folder);
    sdf_context *c = open_context("threads:2", uri, NULL);
    sdf_rdd *source = numbers(c, 10000, 4), *keyed = sdf_map(source, "fn_by_digit", NULL, 0);
    sdf_rdd *moved = sdf_partition_by(keyed, 3);
    assert_int_equal(count_of(moved), 10000);
    char command[4200];
    snprintf(command, sizeof command, "test $(find %s -type f | wc -l) -ge 5", folder);
    assert_int_equal(system(command), 0); /* the parallelized object, and four of the shuffle */
    sdf_rdd_free(moved);
    assert_int_equal(count_of(numbers(c, 1, 1)), 1); /* the driver has gone round */
    snprintf(command, sizeof command, "test $(find %s -type f | wc -l) -le 2", folder);
    assert_int_equal(system(command), 0);
    sdf_context_close(c);
    snprintf(command, sizeof command, "test $(find %s -type f | wc -l) -eq 0", folder);
    assert_int_equal(system(command), 0);
    drop_folder(folder);
}

typedef struct seen {
    sdf_context *context;
    sdf_rdd *rdd;
    pthread_t thread;
    int kinds[16];
    int busy, other_threads, action_status;
} seen;

static void on_event(const sdf_event *e, void *user)
{
    seen *s = user;
    s->kinds[sdf_event_get_kind(e)]++;
    assert_int_equal(sdf_event_json(e)[0], '{');
    if (!pthread_equal(pthread_self(), s->thread))
        s->other_threads++;
    uint64_t n;
    s->action_status = sdf_count(s->rdd, &n, NULL);
    s->busy += s->action_status == SDF_E_BUSY;
    sdf_context_close(s->context); /* ignored here */
}

static void test_events(void **state)
{
    const char *const sets[] = {"retries", "2", "backoff", "1ms", NULL};
    sdf_context *c = open_context("threads:2", "mem:", sets);
    seen s = {.context = c, .rdd = numbers(c, 10, 2), .thread = pthread_self()};
    sdf_context_on_event(c, on_event, &s);
    assert_int_equal(count_of(sdf_partition_by(sdf_map(s.rdd, "fn_by_digit", NULL, 0), 2)), 10);
    assert_int_equal(s.kinds[SDF_EVENT_JOB_STARTED], 1);
    assert_int_equal(s.kinds[SDF_EVENT_STAGE_STARTED], 2);
    assert_int_equal(s.kinds[SDF_EVENT_STAGE_FINISHED], 2);
    assert_int_equal(s.kinds[SDF_EVENT_JOB_FINISHED], 1); /* before the action returned */
    assert_int_equal(s.other_threads, 0);
    assert_true(s.busy >= 6);
    assert_int_equal(s.action_status, SDF_E_BUSY);
    assert_int_equal(sdf_count(sdf_map(s.rdd, "fn_fail", NULL, 0), &(uint64_t){0}, NULL), SDF_E_USER);
    assert_true(s.kinds[SDF_EVENT_TASK_FAILED] >= 1);
    /* by descriptor */
    sdf_job *job = sdf_submit_count(sdf_map(s.rdd, "fn_slow", NULL, 0), NULL);
    struct pollfd p = {.fd = sdf_job_fd(job), .events = POLLIN};
    int before = s.kinds[SDF_EVENT_JOB_FINISHED];
    while (sdf_job_poll(job, NULL) == SDF_E_TIMEOUT)
        assert_int_equal(poll(&p, 1, 10000), 1);
    assert_int_equal(s.kinds[SDF_EVENT_JOB_FINISHED], before + 1);
    sdf_job_free(job);
    sdf_context_on_event(c, NULL, NULL);
    before = s.kinds[SDF_EVENT_JOB_STARTED];
    assert_int_equal(count_of(s.rdd), 10);
    assert_int_equal(s.kinds[SDF_EVENT_JOB_STARTED], before);
    sdf_context_close(c);
}

/* An action inside a function of a task, on a context of its own, would wait for itself. */
static sdf_rdd *nested_rdd;
static int nested_status;

static int fn_nested(const sdf_record *in, sdf_out *out, void *unused)
{
    uint64_t n;
    nested_status = sdf_count(nested_rdd, &n, NULL);
    return sdf_emit_view(out, &in->key, &in->value);
}

static void test_nested(void **state)
{
    sdf_context *c = plain_context(), *other = plain_context();
    nested_rdd = numbers(other, 3, 1);
    assert_int_equal(count_of(sdf_map(numbers(c, 1, 1), "fn_nested", NULL, 0)), 1);
    assert_int_equal(nested_status, SDF_E_BUSY);
    sdf_context_close(other);
    sdf_context_close(c);
}

static void test_iterate_hands_out_early(void **state)
{
    const char *const sets[] = {"concurrency", "1", NULL};
    sdf_context *c = open_context("threads:1", "mem:", sets);
    sdf_rdd *slow = sdf_map(numbers(c, 20, 10), "fn_slow", NULL, 0);
    sdf_result *r;
    const sdf_batch *b;
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    assert_int_equal(sdf_iterate(slow, &r, NULL), SDF_OK);
    assert_int_equal(sdf_result_next(r, &b, NULL), SDF_OK);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    assert_int_equal(number(b, SDF_VALUE, 0), 0);
    assert_true((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 < 300); /* all would take 400 ms */
    uint64_t got = sdf_batch_count(b);
    while (sdf_result_next(r, &b, NULL) == SDF_OK)
        for (size_t i = 0; i < sdf_batch_count(b); i++)
            assert_int_equal(number(b, SDF_VALUE, i), got++);
    assert_int_equal(got, 20);
    assert_int_equal(sdf_result_next(r, &b, NULL), SDF_END);
    sdf_result_free(r);
    sdf_context_close(c);
}

static void test_iterate_fails_late(void **state)
{
    const char *const sets[] = {"retries", "0", NULL};
    sdf_context *c = open_context("threads:1", "mem:", sets);
    sdf_result *r;
    const sdf_batch *b;
    sdf_error *err = NULL;
    int rc;
    assert_int_equal(sdf_iterate(sdf_map(numbers(c, 20, 10), "fn_fail", NULL, 0), &r, NULL), SDF_OK);
    while ((rc = sdf_result_next(r, &b, &err)) == SDF_OK)
        ;
    assert_int_equal(rc, SDF_E_USER);
    assert_non_null(strstr(sdf_error_message(err), "seven"));
    sdf_error_free(err);
    assert_int_equal(sdf_result_next(r, &b, NULL), SDF_E_USER);
    sdf_result_free(r);
    sdf_context_close(c);
}

/* More than an eighth of the memory setting comes back: the rest waits in the store. */
static void test_results_beyond_memory(void **state)
{
    static const char *const limits[] = {"16K", "0", "16M"};
    for (int i = 0; i < 3; i++) {
        const char *const sets[] = {"memory", "8M", "inline_limit", limits[i], NULL};
        char *folder = make_folder(), uri[4096];
        snprintf(uri, sizeof uri, "file:%s", folder);
        sdf_context *c = open_context("threads:2", uri, sets);
        sdf_rdd *rdd = sdf_map(numbers(c, 400000, 300), "fn_by_digit", NULL, 0);
        pairs p = collect_pairs(rdd);
        assert_int_equal(p.count, 400000);
        for (size_t k = 0; k < p.count; k++)
            assert_int_equal(p.at[k].value, k);
        free(p.at);
        assert_int_equal(count_of(numbers(c, 1, 1)), 1);
        char command[4200]; /* what was read and freed is gone, but for the sources */
        snprintf(command, sizeof command, "test $(find %s -type f | wc -l) -le 3", folder);
        assert_int_equal(system(command), 0);
        sdf_context_close(c);
        drop_folder(folder);
    }
}

static void test_result_outlives_context(void **state)
{
    sdf_context *c = plain_context();
    sdf_result *r, *half;
    const sdf_batch *b;
    sdf_rdd *rdd = numbers(c, 10000, 4);
    assert_int_equal(sdf_collect(rdd, &r, NULL), SDF_OK);
    assert_int_equal(sdf_iterate(rdd, &half, NULL), SDF_OK);
    assert_int_equal(sdf_result_next(half, &b, NULL), SDF_OK);
    sdf_context_close(c);
    assert_int_equal(sdf_result_next(r, &b, NULL), SDF_E_INVALID);
    assert_string_equal(sdf_result_value_type(r), "i64");
    sdf_result_free(r);
    sdf_result_free(half);
}

static void test_many_small_jobs(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *rdd = numbers(c, 10, 1);
    for (int i = 0; i < 500; i++)
        assert_int_equal(count_of(rdd), 10);
    sdf_job *jobs[50];
    for (int i = 0; i < 50; i++)
        jobs[i] = sdf_submit_count(rdd, NULL);
    for (int i = 49; i >= 0; i--) {
        assert_int_equal(sdf_job_wait(jobs[i], -1, NULL), SDF_OK);
        sdf_job_free(jobs[i]);
    }
    assert_int_equal(metric(c, "jobs"), 550);
    assert_int_equal(metric(c, "tasks"), 550);
    sdf_context_close(c);
}

static void *other_context(void *arg)
{
    for (int i = 0; i < 20; i++) {
        sdf_context *c = plain_context();
        sdf_rdd *sums = sdf_reduce_by_key(sdf_map(numbers(c, 1000, 3), "fn_by_digit", NULL, 0), "fn_add", 2);
        if (count_of(sums) != 10)
            *(int *)arg = 1;
        sdf_context_close(c);
    }
    return NULL;
}

static void test_two_contexts(void **state)
{
    pthread_t t;
    int failed = 0;
    assert_int_equal(pthread_create(&t, NULL, other_context, &failed), 0);
    int mine = 0;
    other_context(&mine);
    pthread_join(t, NULL);
    assert_int_equal(failed + mine, 0);
}

static void test_fork(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *rdd = numbers(c, 6, 2);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        uint64_t n;
        int rc = sdf_count(rdd, &n, NULL);
        sdf_context_close(c); /* nothing */
        _exit(rc == SDF_E_INVALID ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(count_of(rdd), 6);
    sdf_context_close(c);
}

static void test_foreach(void **state)
{
    sdf_context *c = plain_context();
    sdf_error *err = NULL;
    sdf_rdd *rdd = numbers(c, 6, 2);
    assert_int_equal(sdf_foreach(rdd, "fn_same", NULL, 0, NULL), SDF_OK);
    assert_int_equal(sdf_foreach(rdd, "fn_even", NULL, 0, &err), SDF_E_TYPE);
    assert_non_null(strstr(sdf_error_message(err), "foreach"));
    sdf_error_free(err);
    sdf_job *job = sdf_submit_foreach(rdd, "fn_same", NULL, 0, NULL);
    assert_int_equal(sdf_job_wait(job, -1, NULL), SDF_OK);
    sdf_job_free(job);
    sdf_context_close(c);
}

int main(void)
{
    register_functions();
    SDF_REGISTER(fn_nested, .map = fn_nested);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_submit_and_wait),
        cmocka_unit_test(test_poll_and_fd),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_changed_file_after_failure),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_data_goes_with_handles),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_iterate_hands_out_early),
        cmocka_unit_test(test_iterate_fails_late),
        cmocka_unit_test(test_results_beyond_memory),
        cmocka_unit_test(test_result_outlives_context),
        cmocka_unit_test(test_many_small_jobs),
        cmocka_unit_test(test_two_contexts),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_foreach),
    };
    return cmocka_run_group_tests_name("api/jobs", tests, NULL, NULL);
}
