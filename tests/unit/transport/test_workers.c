/* Worker processes under whole jobs: functions that leak, end the process, print, fork, or change what is the
 * process's own. Seen as a host sees it, through the public interface alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sdf/sdf.h>

#define NUMBERS 6

static char store_uri[64];

/* ---- functions ---- */

static int pid_of(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, &in->key, getpid());
}

/* Keeps 90 MB for ever, slowly enough for the worker to look at its memory afterwards. */
static int leak(const sdf_record *in, sdf_out *out, void *state)
{
    static char *kept;
    const struct timespec pause = {0, 120000000};
    char *more = malloc(90 << 20);
    if (!more)
        return sdf_fail(out, "no memory");
    memset(more, 1, 90 << 20);
    memcpy(more, &kept, sizeof(kept));
    kept = more;
    nanosleep(&pause, NULL);
    return pid_of(in, out, state);
}

static int leave(const sdf_record *in, sdf_out *out, void *state)
{
    printf("printed to standard output\n");
    exit(5);
}

static int exhaust_stack(const sdf_record *in, sdf_out *out, void *state)
{
    volatile char big[1 << 16];
    big[0] = (char)(uintptr_t)in;
    return in->key.size == SIZE_MAX ? 0 : exhaust_stack(in, out, (void *)&big[0]) + big[0];
}

/* What a careless function may do to its process, and still the job goes well. */
static int careless(const sdf_record *in, sdf_out *out, void *state)
{
    char c;
    if (read(STDIN_FILENO, &c, 1) != 0)
        return sdf_fail(out, "standard input has something to read");
    if (system("exit 3") == -1)
        return sdf_fail(out, "no system()");
    if (sdf_context_open("process:1", "mem:", NULL, NULL) != NULL)
        return sdf_fail(out, "a context was opened in a worker");
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    puts("to standard output, which is not the wire");
    return pid_of(in, out, state);
}

/* Writes over all of standard error's pipe's capacity. */
static int talk(const sdf_record *in, sdf_out *out, void *state)
{
    for (int i = 0; i < 5000; i++)
        fprintf(stderr, "a line of %d bytes or so\n", 24);
    return pid_of(in, out, state);
}

static void register_functions(void)
{
    SDF_REGISTER(pid_of, .map = pid_of, .in_value = SDF_I64, .out_value = SDF_I64, .version = 1);
    SDF_REGISTER(leak, .map = leak, .in_value = SDF_I64, .out_value = SDF_I64, .version = 1);
    SDF_REGISTER(leave, .map = leave, .in_value = SDF_I64, .out_value = SDF_I64, .version = 1);
    SDF_REGISTER(exhaust_stack, .map = exhaust_stack, .in_value = SDF_I64, .out_value = SDF_I64, .version = 1);
    SDF_REGISTER(careless, .map = careless, .in_value = SDF_I64, .out_value = SDF_I64, .version = 1);
    SDF_REGISTER(talk, .map = talk, .in_value = SDF_I64, .out_value = SDF_I64, .version = 1);
}

/* ---- helpers ---- */

static int warnings;

static void on_event(const sdf_event *event, void *user)
{
    warnings += sdf_event_get_kind(event) == SDF_EVENT_WARNING;
}

static sdf_context *open_context(const char *transport)
{
    sdf_error *err = NULL;
    sdf_config *config = sdf_config_new();
    assert_int_equal(sdf_config_set(config, "memory", "16M", NULL), SDF_OK);
    assert_int_equal(sdf_config_set(config, "retries", "1", NULL), SDF_OK);
    assert_int_equal(sdf_config_set(config, "backoff", "5ms", NULL), SDF_OK);
    sdf_context *c = sdf_context_open(transport, store_uri, config, &err);
    sdf_config_free(config);
    if (!c)
        fail_msg("%s", sdf_error_text(err));
    warnings = 0;
    sdf_context_on_event(c, on_event, NULL);
    return c;
}

static sdf_rdd *numbers(sdf_context *c)
{
    int64_t values[NUMBERS] = {0};
    const sdf_column column = {
        .struct_size = sizeof(column), .layout = SDF_LAYOUT_FIXED, .width = sizeof(values[0]), .data = values};
    return sdf_parallelize(c, SDF_NULL, SDF_I64, NULL, &column, NUMBERS, NUMBERS);
}

/* Runs the function over the numbers; gives how many different values came out. */
static size_t run(sdf_context *c, const char *function)
{
    int64_t seen[NUMBERS];
    size_t records = 0, distinct = 0;
    sdf_result *result = NULL;
    const sdf_batch *batch;
    sdf_error *err = NULL;
    if (sdf_collect(sdf_map(numbers(c), function, NULL, 0), &result, &err))
        fail_msg("%s: %s", function, sdf_error_text(err));
    while (sdf_result_next(result, &batch, NULL) == SDF_OK)
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice value;
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            int64_t v = sdf_slice_i64(&value);
            size_t k = 0;
            while (k < distinct && seen[k] != v)
                k++;
            if (k == distinct)
                seen[distinct++] = v;
            records++;
        }
    assert_int_equal(records, NUMBERS);
    sdf_result_free(result);
    return distinct;
}

static void expect_lost(const char *function, const char *words, const char *log)
{
    uint64_t count;
    sdf_error *err = NULL;
    sdf_context *c = open_context("process:2?stderr=capture");
    assert_int_equal(sdf_count(sdf_map(numbers(c), function, NULL, 0), &count, &err), SDF_E_LOST);
    if (!strstr(sdf_error_message(err), words) || !strstr(sdf_error_log(err), log))
        fail_msg("%s: %s", function, sdf_error_text(err));
    sdf_error_free(err);
    assert_true(run(c, "pid_of") >= 1); /* the context and its host live on */
    sdf_context_close(c);
}

/* ---- tests ---- */

static void test_warm(void **state)
{
    sdf_context *c = open_context("process:1?stderr=capture");
    assert_int_equal(run(c, "pid_of"), 1);
    assert_int_equal(run(c, "pid_of"), 1);
    sdf_context_close(c);
}

static void test_leak(void **state)
{
#ifdef SDF_SANITIZE
    skip(); /* the worker does not look at its memory there: most of it is the sanitizer's */
#else
    uint64_t failed = 1;
    sdf_context *c = open_context("process:1?stderr=capture");
    assert_int_equal(run(c, "leak"), NUMBERS); /* a fresh process for each */
    assert_int_equal(sdf_context_metric(c, "failed_attempts", &failed), SDF_OK);
    assert_int_equal(failed, 0); /* and no attempt lost */
    assert_true(warnings > 0);
    sdf_context_close(c);
#endif
}

static void test_exit(void **state)
{
    expect_lost("leave", "exited with code 5", "printed to standard output");
}

static void test_stack(void **state)
{
#ifdef SDF_SANITIZE
    skip();
#else
    expect_lost("exhaust_stack", "signal 11", "");
#endif
}

static void test_careless(void **state)
{
    sdf_context *c = open_context("process:2?stderr=capture");
    assert_true(run(c, "careless") <= 2);
    sdf_context_close(c);
}

static void test_talk(void **state)
{
    sdf_context *c = open_context("process:2?stderr=capture");
    assert_true(run(c, "talk") <= 2);
    sdf_context_close(c);
}

int main(void)
{
    char folder[] = "/tmp/sdf-test-XXXXXX";
    register_functions();
    if (sdf_worker_requested())
        return sdf_worker_main();
    if (!mkdtemp(folder))
        return 1;
    snprintf(store_uri, sizeof(store_uri), "file:%s", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warm),  cmocka_unit_test(test_leak),     cmocka_unit_test(test_exit),
        cmocka_unit_test(test_stack), cmocka_unit_test(test_careless), cmocka_unit_test(test_talk),
    };
    int rc = cmocka_run_group_tests_name("transport workers", tests, NULL, NULL);
    rmdir(folder);
    return rc;
}
