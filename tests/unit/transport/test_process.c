/* process: where workers die, hang, lie, or are not workers at all; and what a host may do meanwhile.
 * The program is its own worker; called with a mode (through command=) it is one that misbehaves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sdf/sdf.h>

#include "base/error.h"
#include "base/wire.h"
#include "transport/conformance.h"
#include "transport/process.h"

static char self_path[4096];
static store *memory_store;

static void nap_ms(int ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- what misbehaves ---- */

static int hello_by_hand(const char *token, const char *program, uint16_t version)
{
    buf b = BUF_EMPTY;
    wire_put_u32(&b, PROCESS_MAGIC);
    wire_put_u16(&b, version);
    wire_put_text(&b, token);
    wire_put_text(&b, program);
    wire_put_text(&b, "");
    wire_put_u32(&b, (uint32_t)getpid());
    sdf_slice s = buf_slice(&b);
    int rc = frame_send(PROCESS_SOCKET, FRAME_HELLO, 0, &s, 1);
    buf_free(&b);
    return rc;
}

/* Says hello and waits for the request; what comes then is the mode's. */
static void until_request(char *id)
{
    frame_reader r = {0};
    frame f;
    const char *token = strchr(getenv(PROCESS_ENV), ':') + 1;
    hello_by_hand(token, sdf_program_id(), PROCESS_WIRE_VERSION);
    while (frame_read(&r, PROCESS_SOCKET, &f) == FRAME_READY && f.type != FRAME_REQUEST)
        ;
    memcpy(id, f.payload.data, 8);
    frame_free(&r);
}

static int misbehave(const char *mode)
{
    char id[8];
    uint8_t noise[64];
    if (!strcmp(mode, "exit7"))
        return 7;
    if (!strcmp(mode, "forgot")) { /* a host's main that goes on with its own work */
        sdf_error *err = NULL;
        sdf_context *c = sdf_context_open("process:1", "mem:", NULL, &err);
        fprintf(stderr, "forgetful host: %s\n", c ? "a context was opened" : sdf_status_name(sdf_error_code(err)));
        sdf_error_free(err);
        sdf_context_close(c);
        return 1;
    }
    if (!strcmp(mode, "other")) {
        sdf_function f;
        sdf_function_init(&f);
        f.name = "only_in_the_worker";
        f.reduce = (sdf_reduce_fn)(uintptr_t)1;
        sdf_register(&f, NULL);
        return sdf_worker_main();
    }
    if (!strcmp(mode, "badregister")) {
        sdf_function f;
        sdf_function_init(&f);
        f.name = "no such name!";
        sdf_register_or_remember(&f);
        return sdf_worker_main();
    }
    if (!strcmp(mode, "wrongtoken"))
        return hello_by_hand("00000000000000000000000000000000", sdf_program_id(), PROCESS_WIRE_VERSION), pause();
    if (!strcmp(mode, "wrongversion"))
        return hello_by_hand(strchr(getenv(PROCESS_ENV), ':') + 1, sdf_program_id(), 99), pause();
    if (!strcmp(mode, "noisehello")) {
        memset(noise, 0xee, sizeof(noise));
        send(PROCESS_SOCKET, noise, sizeof(noise), MSG_NOSIGNAL);
        return pause();
    }
    until_request(id);
    sdf_slice body[2] = {{id, 8}, {"x", 1}};
    if (!strcmp(mode, "exit3")) {
        fprintf(stderr, "last words\n");
        return 3;
    }
    if (!strcmp(mode, "segv")) {
        fprintf(stderr, "about to crash\n");
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    } else if (!strcmp(mode, "noise")) {
        memset(noise, 0xee, sizeof(noise));
        send(PROCESS_SOCKET, noise, sizeof(noise), MSG_NOSIGNAL);
    } else if (!strcmp(mode, "wrongid")) {
        id[0] ^= 1;
        frame_send(PROCESS_SOCKET, FRAME_REPLY, 0, body, 2);
    } else if (!strcmp(mode, "shortreply")) {
        frame_send(PROCESS_SOCKET, FRAME_REPLY, 0, body + 1, 1);
    } else if (!strcmp(mode, "oddfailure")) {
        frame_send(PROCESS_SOCKET, FRAME_FAILED, 0, body, 2);
    } else if (!strcmp(mode, "tworeplies")) {
        frame_send(PROCESS_SOCKET, FRAME_REPLY, 0, body, 2);
        frame_send(PROCESS_SOCKET, FRAME_REPLY, 0, body, 2);
    } else if (!strcmp(mode, "retire")) {
        frame_send(PROCESS_SOCKET, FRAME_REPLY, FRAME_RETIRE, body, 2);
        return 0;
    } else if (!strcmp(mode, "forkholder")) { /* dies, but a child of it keeps socket and stderr open */
        if (fork() == 0) {
            nap_ms(20000);
            _exit(0);
        }
        raise(SIGKILL);
    } else if (!strcmp(mode, "closes")) { /* lets go of its socket, but goes on */
        close(PROCESS_SOCKET);
    } else if (!strcmp(mode, "chatty")) {
        for (int i = 0; i < 20000; i++)
            fprintf(stderr, "line %d of a talkative worker\n", i);
        fprintf(stderr, "the end\n");
        frame_send(PROCESS_SOCKET, FRAME_REPLY, 0, body, 2);
    }
    pause();
    return 0;
}

/* Reads nothing at all after its hello. */
static int never_reads(void)
{
    hello_by_hand(strchr(getenv(PROCESS_ENV), ':') + 1, sdf_program_id(), PROCESS_WIRE_VERSION);
    return pause();
}

/* ---- helpers ---- */

static void open_bench(bench *b, const char *uri)
{
    *b = (bench){.uri = uri, .store_uri = "mem:", .store = memory_store};
    if (!bench_open(b))
        fail_msg("%s: %s", uri, b->why);
}

static const char *mode_uri(const char *mode)
{
    static char uri[5000];
    snprintf(uri, sizeof(uri), "process:1?stderr=capture&command=%s %s", self_path, mode);
    return uri;
}

static void good(bench *b, bool ok)
{
    if (!ok || b->why[0])
        fail_msg("%s: %s", b->uri, b->why);
}

/* One probe; the status it was answered with, and the message in text. */
static int call_status(bench *b, int64_t deadline_ms, char *text, size_t size)
{
    good(b, bench_calls(b, 1) && bench_probe(b, 0, "x", 0, 0) && bench_submit(b, 0, deadline_ms) && bench_wait(b, 1, 15000));
    snprintf(text, size, "%.*s", (int)b->calls[0].response.size,
             b->calls[0].response.data ? (const char *)b->calls[0].response.data : "");
    return b->calls[0].status;
}

static void expect(const char *mode, int status, const char *words)
{
    char text[2000];
    bench b;
    open_bench(&b, mode_uri(mode));
    int got = call_status(&b, 10000, text, sizeof(text));
    if (got != status || !strstr(text, words))
        fail_msg("%s: %s: %s", mode, sdf_status_name(got), text);
    good(&b, bench_close(&b));
}

/* The worker may have seen its deadline itself, and said so. */
static void timed_out(const bench *b, size_t i)
{
    if (b->calls[i].status != SDF_E_TIMEOUT)
        assert_int_equal(bench_failure(b, i), FAILURE_TIMEOUT);
}

static size_t count_fds(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* The children of this process; zombies only if asked. */
static size_t children(pid_t *pids, size_t most, bool zombies)
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; (e = readdir(d));) {
        char path[300], line[600] = "";
        snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
        FILE *f = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!f)
            continue;
        char *end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
        fclose(f);
        int parent;
        char state;
        if (end && sscanf(end + 2, "%c %d", &state, &parent) == 2 && parent == getpid() && (!zombies || state == 'Z')) {
            if (n < most)
                pids[n] = (pid_t)atoi(e->d_name);
            n++;
        }
    }
    closedir(d);
    return n;
}

static pid_t only_child(void)
{
    pid_t pid = 0;
    assert_int_equal(children(&pid, 1, false), 1);
    return pid;
}

/* ---- the tests ---- */

static void test_killed(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    good(&b, bench_round(&b, "warm") && bench_calls(&b, 1) && bench_probe(&b, 0, "x", 10000, 0) && bench_submit(&b, 0, 0) &&
                 bench_poll(&b, 20));
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
    good(&b, bench_calls(&b, 1) && bench_probe(&b, 0, "x", 0, 0) && bench_submit(&b, 0, 200) && bench_wait(&b, 1, 5000));
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
    expect("forkholder", SDF_E_LOST, "signal 9");
    expect("tworeplies", SDF_OK, "x");
    expect("retire", SDF_OK, "x");
    assert_int_equal(children(NULL, 0, false), 0);
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
    good(&b, bench_round(&b, "one") && bench_round(&b, "two") && bench_calls(&b, 2) && bench_probe(&b, 0, "x", 10000, 0) &&
                 bench_probe(&b, 1, "x", 10000, 0) && bench_submit(&b, 0, 100) && bench_submit(&b, 1, 100) &&
                 bench_wait(&b, 2, 5000));
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

/* ---- hosts ---- */

static void test_sigchld_ignored(void **state)
{
    char text[2000];
    signal(SIGCHLD, SIG_IGN);
    bench b;
    open_bench(&b, "process:2?stderr=capture");
    good(&b, bench_round(&b, "one") && bench_calls(&b, 1) && bench_probe(&b, 0, "x", 10000, 0) && bench_submit(&b, 0, 100) &&
                 bench_wait(&b, 1, 5000));
    timed_out(&b, 0);
    good(&b, bench_round(&b, "after") && bench_close(&b));
    open_bench(&b, mode_uri("exit3"));
    assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_LOST);
    assert_non_null(strstr(text, "ignores SIGCHLD"));
    good(&b, bench_close(&b));
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(children(NULL, 0, false), 0);
}

static void reap_all(int number)
{
    int saved = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = saved;
}

static void test_host_reaps(void **state)
{
    char text[2000];
    signal(SIGCHLD, reap_all);
    for (int i = 0; i < 5; i++) {
        bench b;
        open_bench(&b, mode_uri(i % 2 ? "exit3" : "segv"));
        assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_LOST);
        good(&b, bench_close(&b));
    }
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(children(NULL, 0, false), 0);
}

static void test_no_leaks(void **state)
{
    const char *uris[] = {"process:2?stderr=capture", NULL};
    size_t fds = count_fds();
    for (int i = 0; i < 3; i++) {
        bench b;
        open_bench(&b, uris[0]);
        good(&b, bench_round(&b, "x") && bench_calls(&b, 2) && bench_probe(&b, 0, "x", 10000, 0) &&
                     bench_probe(&b, 1, "x", 10000, 0) && bench_submit(&b, 0, 0) && bench_submit(&b, 1, 0) && bench_poll(&b, 10));
        b.transport->ops->cancel(b.transport->self, b.calls[0].id);
        good(&b, bench_wait(&b, 1, 5000) && bench_close(&b));
        expect("exit3", SDF_E_LOST, "");
        expect("exit7", SDF_E_PROGRAM, "");
    }
    assert_int_equal(count_fds(), fds);
    assert_int_equal(children(NULL, 0, true), 0);
}

/* No descriptor of the host's is open in a worker, close-on-exec or not. */
static void test_fds_of_worker(void **state)
{
    int fds[20];
    char path[64];
    size_t n = 0;
    for (size_t i = 0; i < 20; i++)
        fds[i] = open("/dev/zero", O_RDONLY);
    bench b;
    open_bench(&b, "process:1");
    good(&b, bench_round(&b, "x"));
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)only_child());
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char link[400], target[100];
        snprintf(link, sizeof(link), "%s/%s", path, e->d_name);
        ssize_t size = readlink(link, target, sizeof(target) - 1);
        if (e->d_name[0] == '.' || size < 0)
            continue;
        target[size] = 0;
        n++;
        assert_string_not_equal(target, "/dev/zero");
        if (!strcmp(e->d_name, "0"))
            assert_string_equal(target, "/dev/null");
    }
    closedir(d);
    assert_int_equal(n, 4); /* stdin, stdout, stderr, socket */
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    good(&b, bench_close(&b));
}

/* A host that has closed 0, 1 and 2: our descriptors must not take their places. */
static void test_closed_standard_fds(void **state)
{
    int saved[3];
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
        close(i);
    }
    bench b = {.uri = "process:1?stderr=capture", .store_uri = "mem:", .store = memory_store};
    bool ok = bench_open(&b) && bench_round(&b, "x") && bench_close(&b);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    good(&b, ok);
}

/* The driver is killed: idle and busy workers end by themselves. */
static void test_driver_dies(void **state)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t driver = fork();
    if (driver == 0) {
        bench b;
        open_bench(&b, "process:2?stderr=capture");
        bool ok = bench_round(&b, "x") && bench_calls(&b, 2) && bench_probe(&b, 0, "x", 20000, 0) &&
                  bench_probe(&b, 1, "x", 20000, 0) && bench_submit(&b, 0, 0) && bench_submit(&b, 1, 0) && bench_poll(&b, 100);
        pid_t pids[2] = {0, 0};
        ok = ok && children(pids, 2, false) == 2;
        if (!ok || write(ends[1], pids, sizeof(pids)) != sizeof(pids))
            _exit(1);
        nap_ms(20000);
    }
    pid_t pids[2];
    assert_int_equal(read(ends[0], pids, sizeof(pids)), sizeof(pids));
    kill(driver, SIGKILL);
    waitpid(driver, NULL, 0);
    for (int i = 0; i < 400 && (!kill(pids[0], 0) || !kill(pids[1], 0)); i++) {
        char path[64], line[300] = "";
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pids[0]);
        FILE *f = fopen(path, "r");
        bool zombie = f && fgets(line, sizeof(line), f) && strstr(line, ") Z");
        if (f)
            fclose(f);
        if (zombie)
            break; /* ended; nobody reaps orphans here */
        nap_ms(10);
        assert_true(i < 399);
    }
    close(ends[0]);
    close(ends[1]);
    (void)byte;
}

/* A worker's own children are killed with it. */
static void test_cold_and_warm(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    int64_t start = bench_now_ms();
    good(&b, bench_round(&b, "cold"));
    assert_true(bench_now_ms() - start < 5000);
    pid_t first = only_child();
    for (int i = 0; i < 200; i++)
        good(&b, bench_round(&b, "warm"));
    assert_int_equal(only_child(), first);
    good(&b, bench_close(&b));
}

int main(int argc, char **argv)
{
    ssize_t n = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);
    if (n <= 0)
        return 1;
    self_path[n] = 0;
    if (argc > 1 && getenv(PROCESS_ENV))
        return !strcmp(argv[1], "neverreads") ? never_reads() : misbehave(argv[1]);
    if (sdf_worker_requested())
        return sdf_worker_main();
    if (store_open("mem:", &memory_store, NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),         cmocka_unit_test(test_killed_idle),    cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_stopped_reader), cmocka_unit_test(test_deaths),         cmocka_unit_test(test_no_workers),
        cmocka_unit_test(test_storm),          cmocka_unit_test(test_command_missing), cmocka_unit_test(test_wrapper),
        cmocka_unit_test(test_reads_nothing),  cmocka_unit_test(test_log_tail),       cmocka_unit_test(test_forward),
        cmocka_unit_test(test_sigchld_ignored), cmocka_unit_test(test_host_reaps),    cmocka_unit_test(test_no_leaks),
        cmocka_unit_test(test_fds_of_worker),  cmocka_unit_test(test_closed_standard_fds),
        cmocka_unit_test(test_driver_dies),    cmocka_unit_test(test_cold_and_warm),
    };
    int rc = cmocka_run_group_tests_name("transport process", tests, NULL, NULL);
    store_unref(memory_store);
    return rc;
}
