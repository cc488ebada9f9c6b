/* process: where workers die, hang, lie, or are not workers at all. */
#include "process_bench.h"

static void test_killed(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    good(&b, bench_round(&b, "warm") && bench_calls(&b, 1) && bench_probe(&b, 0, "x", 10000, 0) &&
                 bench_submit(&b, 0, 0) && bench_poll(&b, 20));
    kill(only_child(), SIGKILL);
    good(&b, bench_wait(&b, 1, 5000));
    assert_int_equal(b.calls[0].status, SDF_E_LOST);
    assert_non_null(memmem(b.calls[0].response.data, b.calls[0].response.size, "signal 9 (Killed)", 17));
    assert_non_null(memmem(b.calls[0].response.data, b.calls[0].response.size, "out of memory", 13));
    good(&b, bench_round(&b, "a fresh one") && bench_close(&b));
    assert_int_equal(children(NULL, 0, false), 0);
}

static void test_killed_idle(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    good(&b, bench_round(&b, "warm"));
    kill(only_child(), SIGKILL);
    nap_ms(20);
    /* Whether or not the driver has seen it: this call is lost or goes to a fresh worker, and the next goes well. */
    good(&b, bench_calls(&b, 1) && bench_probe(&b, 0, "x", 0, 0) && bench_submit(&b, 0, 0) && bench_wait(&b, 1, 5000));
    assert_true(b.calls[0].status == SDF_OK || b.calls[0].status == SDF_E_LOST);
    good(&b, bench_round(&b, "after"));
    kill(only_child(), SIGKILL);
    nap_ms(20);
    good(&b, bench_poll(&b, 100) && bench_round(&b, "seen in poll") && bench_close(&b));
    assert_int_equal(children(NULL, 0, false), 0);
}

static void test_stopped(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    good(&b, bench_round(&b, "warm"));
    kill(only_child(), SIGSTOP);
    good(&b,
         bench_calls(&b, 1) && bench_probe(&b, 0, "x", 0, 0) && bench_submit(&b, 0, 200) && bench_wait(&b, 1, 5000));
    assert_int_equal(b.calls[0].status, SDF_E_TIMEOUT);
    good(&b, bench_round(&b, "after"));
    kill(only_child(), SIGSTOP); /* stop must end an idle one that doesn't see its socket, too */
    good(&b, bench_close(&b));
    assert_int_equal(children(NULL, 0, false), 0);
}

static void test_stopped_reader(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    size_t size = 16 << 20;
    char *echo = malloc(size + 1);
    memset(echo, 'e', size);
    echo[size] = 0;
    good(&b, bench_round(&b, "warm"));
    kill(only_child(), SIGSTOP);
    int64_t start = bench_now_ms();
    good(&b, bench_calls(&b, 1) && bench_probe(&b, 0, echo, 0, 0) && bench_submit(&b, 0, 300));
    assert_true(bench_now_ms() - start < 250); /* submit didn't wait for the reader */
    good(&b, bench_poll(&b, 0) && bench_poll(&b, 10) && bench_wait(&b, 1, 5000));
    assert_int_equal(b.calls[0].status, SDF_E_TIMEOUT);
    good(&b, bench_round(&b, "after") && bench_close(&b));
    free(echo);
}

static void test_deaths(void **state)
{
    expect("exit3", SDF_E_LOST, "exited with code 3");
    expect("segv", SDF_E_LOST, "killed by signal 11 (Segmentation fault)");
    expect("noise", SDF_E_LOST, "protocol");
    expect("wrongid", SDF_E_LOST, "answers nothing");
    expect("shortreply", SDF_E_LOST, "answers nothing");
    expect("oddfailure", SDF_E_LOST, "answers nothing");
    expect("closes", SDF_E_LOST, "closed its connection");
    expect("tworeplies", SDF_OK, "x");
    expect("retire", SDF_OK, "x");
    expect("lingers", SDF_OK, "x");
    assert_int_equal(children(NULL, 0, false), 0);
}

/* A worker's own child holds its socket and its stderr open: the death is seen all the same, and the child ends too. */
static void test_fork_holds_on(void **state)
{
    char text[2000];
    int pid = 0;
    bench b;
    open_bench(&b, mode_uri("forkholder"));
    assert_int_equal(call_status(&b, 10000, text, sizeof(text)), SDF_E_LOST);
    assert_non_null(strstr(text, "signal 9"));
    assert_int_equal(sscanf(text, "worker process %d", &pid), 1);
    for (int i = 0; group_lives(pid); i++) {
        assert_true(i < 200);
        nap_ms(10);
    }
    good(&b, bench_close(&b));
}

static void test_no_workers(void **state)
{
    expect("exit7", SDF_E_PROGRAM, "exited with code 7 before it said hello; does main() call sdf_worker_requested()");
    expect("forgot", SDF_E_PROGRAM, "before it said hello");
    expect("wrongtoken", SDF_E_PROGRAM, "something else than hello");
    expect("noisehello", SDF_E_PROGRAM, "hello");
    expect("wrongversion", SDF_E_PROGRAM, "same library");
    expect("other", SDF_E_PROGRAM, "only_in_the_worker");
    expect("badregister", SDF_E_PROGRAM, "no such name!");
    assert_int_equal(children(NULL, 0, false), 0);
}

static void test_mute(void **state)
{
    char text[2000];
    bench b;
    open_bench(&b, options_uri("1?hello_ms=150", "mute"));
    int64_t start = bench_now_ms();
    assert_int_equal(call_status(&b, 10000, text, sizeof(text)), SDF_E_PROGRAM);
    assert_in_range(bench_now_ms() - start, 140, 5000);
    assert_non_null(strstr(text, "did not say hello within 150 ms and was killed; does main()"));
    good(&b, bench_close(&b));
    assert_int_equal(children(NULL, 0, false), 0);
    open_bench(&b, options_uri("1?hello_ms=60000", "mute")); /* the task's time is over first */
    assert_int_equal(call_status(&b, 100, text, sizeof(text)), SDF_E_TIMEOUT);
    assert_non_null(strstr(text, "was not ready within the 100 ms"));
    good(&b, bench_close(&b));
}

/* Where workers have been, one that does not start costs an attempt, not the transport. */
static void test_start_fails_later(void **state)
{
    char text[2000], mark[] = "/tmp/sdf-test-XXXXXX";
    close(mkstemp(mark));
    unlink(mark);
    bench b;
    open_bench(&b, mode_uri(mark));
    good(&b, bench_round(&b, "the first"));
    kill(only_child(), SIGKILL);
    nap_ms(20);
    good(&b, bench_poll(&b, 0));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_LOST);
        assert_non_null(strstr(text, "exited with code 7 before it said hello"));
    }
    unlink(mark);
    good(&b, bench_round(&b, "works again") && bench_close(&b));
    unlink(mark);
}

/* A worker that closes its socket and goes on is waited for, but not long when there are many of them. */
static void test_many_close(void **state)
{
    char text[2000];
    bench b;
    open_bench(&b, mode_uri("closes"));
    int64_t start = bench_now_ms();
    for (int i = 0; i < 20; i++)
        assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_LOST);
    assert_true(bench_now_ms() - start < 1900);
    good(&b, bench_close(&b));
}

/* A program that is no worker is not started for ever: the second submit says why without starting any. */
static void test_storm(void **state)
{
    char text[2000];
    sdf_error *err = NULL;
    sdf_slice request = {"x", 1};
    bench b;
    open_bench(&b, mode_uri("forgot"));
    assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_PROGRAM);
    good(&b, bench_calls(&b, 1));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(b.transport->ops->submit(b.transport->self, b.calls[0].id, &request, 0, &err), SDF_E_PROGRAM);
        assert_non_null(strstr(sdf_error_hint(err), "sdf_worker_requested"));
        assert_non_null(strstr(sdf_error_log(err), "forgetful host: SDF_E_BUSY"));
        sdf_error_free(err);
        err = NULL;
    }
    assert_int_equal(children(NULL, 0, false), 0);
    good(&b, bench_close(&b));
}

static void test_command_missing(void **state)
{
    sdf_error *err = NULL;
    sdf_slice request = {"x", 1};
    bench b;
    open_bench(&b, "process:1?command=/nowhere/no-such-program");
    size_t fds = count_fds();
    assert_int_equal(b.transport->ops->submit(b.transport->self, 1, &request, 0, &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_message(err), "/nowhere/no-such-program"));
    sdf_error_free(err);
    assert_int_equal(count_fds(), fds);
    good(&b, bench_close(&b));
}

/* command= with a shell between us and the worker: not our child, ends all the same. */
static void test_wrapper(void **state)
{
    char uri[5000];
    snprintf(uri, sizeof(uri), "process:2?command=sh -c %s;exit%%20$?", self_path);
    bench b;
    open_bench(&b, uri);
    good(&b, bench_round(&b, "one") && bench_round(&b, "two") && bench_calls(&b, 2) &&
                 bench_probe(&b, 0, "x", 10000, 0) && bench_probe(&b, 1, "x", 10000, 0) && bench_submit(&b, 0, 100) &&
                 bench_submit(&b, 1, 100) && bench_wait(&b, 2, 5000));
    timed_out(&b, 0);
    good(&b, bench_round(&b, "after") && bench_close(&b));
}

static void test_reads_nothing(void **state)
{
    char text[2000];
    bench b;
    open_bench(&b, mode_uri("neverreads"));
    assert_int_equal(call_status(&b, 200, text, sizeof(text)), SDF_E_TIMEOUT);
    good(&b, bench_close(&b));
}

/* ---- what a worker prints ---- */

typedef struct captured {
    char log[LOG_TAIL + 100];
    int answers, status;
} captured;

static void capture_done(void *host, const sdf_invocation_result *r)
{
    captured *c = host;
    c->answers++;
    c->status = r->status;
    snprintf(c->log, sizeof(c->log), "%s", r->log ? r->log : "");
}

static void run_captured(const char *uri, captured *c)
{
    transport *t = NULL;
    const sdf_transport_host host = {.struct_size = sizeof(host), .host = c, .done = capture_done, .memory = 64 << 20};
    sdf_slice request = {"x", 1};
    assert_int_equal(transport_open(uri, &t, NULL), SDF_OK);
    assert_int_equal(t->ops->start(t->self, &host, NULL), SDF_OK);
    assert_int_equal(t->ops->submit(t->self, 1, &request, 10000, NULL), SDF_OK);
    while (!c->answers)
        assert_int_equal(t->ops->poll(t->self, 1000, NULL), SDF_OK);
    assert_int_equal(t->ops->stop(t->self), 0);
    transport_close(t);
}

static void test_log_tail(void **state)
{
    captured c = {.answers = 0};
    run_captured(mode_uri("segv"), &c);
    assert_int_equal(c.status, SDF_E_LOST);
    assert_string_equal(c.log, "about to crash\n");
    c.answers = 0;
    run_captured(mode_uri("chatty"), &c);
    assert_int_equal(c.status, SDF_OK);
    size_t n = strlen(c.log);
    assert_true(n > LOG_TAIL / 2 && n <= LOG_TAIL);
    assert_string_equal(c.log + n - 8, "the end\n");
    assert_memory_equal(c.log, "line ", 5); /* begins with a whole line */
}

/* A host whose stderr is a pipe that nobody reads: its driver must not wait for that. */
static void test_stderr_unread(void **state)
{
    int ends[2];
    captured c = {.answers = 0};
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    int64_t start = bench_now_ms();
    run_captured(options_uri("1?stderr=forward", "chatty"), &c);
    int64_t took = bench_now_ms() - start;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_true(took < 5000);
    assert_int_equal(c.status, SDF_OK);
    assert_string_equal(c.log + strlen(c.log) - 8, "the end\n");
}

/* Runs with stderr going to a file, and gives back what was written there. */
static size_t with_stderr(const char *uri, int fd, char *text, size_t size)
{
    captured c = {.answers = 0};
    int saved = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    run_captured(uri, &c);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(fd, text, size - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static void test_forward(void **state)
{
    char uri[5000], text[1000];
    char name[] = "/tmp/sdf-test-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    snprintf(uri, sizeof(uri), "process:1?command=%s segv", self_path);
    with_stderr(uri, fd, text, sizeof(text));
    assert_string_equal(text, "about to crash\n");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(with_stderr(mode_uri("segv"), fd, text, sizeof(text)), 0);
    close(fd);
    /* A host whose stderr is a pipe that nobody reads any more: no SIGPIPE. */
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    with_stderr(uri, ends[1], text, sizeof(text));
    close(ends[1]);
}

int main(int argc, char **argv)
{
    int worker = process_test_main(argc, argv);
    if (worker >= 0)
        return worker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_killed_idle),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_stopped_reader),
        cmocka_unit_test(test_deaths),
        cmocka_unit_test(test_fork_holds_on),
        cmocka_unit_test(test_no_workers),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_command_missing),
        cmocka_unit_test(test_wrapper),
        cmocka_unit_test(test_reads_nothing),
        cmocka_unit_test(test_log_tail),
        cmocka_unit_test(test_stderr_unread),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_mute),
        cmocka_unit_test(test_start_fails_later),
        cmocka_unit_test(test_many_close),
    };
    int rc = cmocka_run_group_tests_name("transport process", tests, NULL, NULL);
    store_unref(memory_store);
    return rc;
}
