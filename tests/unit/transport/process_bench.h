/* What the tests of process: share: workers that misbehave, and a few looks at /proc. The test program is its own
 * worker; called with a mode (through command=) it is one that misbehaves. A test's main begins with process_test_main.
 */
#ifndef TEST_PROCESS_BENCH_H
#define TEST_PROCESS_BENCH_H

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

static inline void nap_ms(int ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* ---- what misbehaves ---- */

static inline int hello_by_hand(const char *token, const char *program, uint16_t version)
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
static inline void until_request(char *id)
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

/* Workers that take a request, and then... */
static inline int misbehave_later(const char *mode)
{
    char id[8];
    uint8_t noise[64];
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
        return (int)read(PROCESS_SOCKET, id, 1);
    } else if (!strcmp(mode, "retire")) {
        frame_send(PROCESS_SOCKET, FRAME_REPLY, FRAME_RETIRE, body, 2);
        return 0;
    } else if (!strcmp(mode, "lingers")) { /* says that it ends, and doesn't */
        frame_send(PROCESS_SOCKET, FRAME_REPLY, FRAME_RETIRE, body, 2);
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
        return (int)read(PROCESS_SOCKET, id, 1); /* until the driver closes it */
    }
    pause();
    return 0;
}

/* Workers that don't get as far as a request; those that do come back. */
static inline int misbehave(const char *mode)
{
    uint8_t noise[64];
    if (!strcmp(mode, "exit7"))
        return 7;
    if (!strcmp(mode, "mute"))
        return pause();
    if (mode[0] == '/') /* a file: its owner works, who comes later does not */
        return open(mode, O_CREAT | O_EXCL | O_WRONLY, 0600) < 0 ? 7 : sdf_worker_main();
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
    return misbehave_later(mode);
}

/* Reads nothing at all after its hello. */
static inline int never_reads(void)
{
    hello_by_hand(strchr(getenv(PROCESS_ENV), ':') + 1, sdf_program_id(), PROCESS_WIRE_VERSION);
    return pause();
}

/* ---- helpers ---- */

static inline void open_bench(bench *b, const char *uri)
{
    *b = (bench){.uri = uri, .store_uri = "mem:", .store = memory_store};
    if (!bench_open(b))
        fail_msg("%s: %s", uri, b->why);
}

static inline const char *options_uri(const char *options, const char *mode)
{
    static char uri[5000];
    snprintf(uri, sizeof(uri), "process:%s&command=%s %s", options, self_path, mode);
    return uri;
}

static inline const char *mode_uri(const char *mode)
{
    return options_uri("1?stderr=capture", mode);
}

static inline void good(bench *b, bool ok)
{
    if (!ok || b->why[0])
        fail_msg("%s: %s", b->uri, b->why);
}

/* One probe; the status it was answered with, and the message in text. */
static inline int call_status(bench *b, int64_t deadline_ms, char *text, size_t size)
{
    good(b, bench_calls(b, 1) && bench_probe(b, 0, "x", 0, 0) && bench_submit(b, 0, deadline_ms) &&
                bench_wait(b, 1, 15000));
    snprintf(text, size, "%.*s", (int)b->calls[0].response.size,
             b->calls[0].response.data ? (const char *)b->calls[0].response.data : "");
    return b->calls[0].status;
}

static inline void expect(const char *mode, int status, const char *words)
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
static inline void timed_out(const bench *b, size_t i)
{
    if (b->calls[i].status != SDF_E_TIMEOUT)
        assert_int_equal(bench_failure(b, i), FAILURE_TIMEOUT);
}

static inline size_t count_fds(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Counts the processes that are wanted, and lists the first of them. */
static inline size_t each_process(int (*wanted)(pid_t parent, pid_t group, char state, void *arg), void *arg,
                                  pid_t *pids, size_t most)
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; (e = readdir(d));) {
        char path[300], line[600] = "", state;
        int parent, group;
        snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
        FILE *f = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!f)
            continue;
        char *end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
        fclose(f);
        if (!end || sscanf(end + 2, "%c %d %d", &state, &parent, &group) != 3 || !wanted(parent, group, state, arg))
            continue;
        if (n < most)
            pids[n] = (pid_t)atoi(e->d_name);
        n++;
    }
    closedir(d);
    return n;
}

static inline int is_child(pid_t parent, pid_t group, char state, void *zombies)
{
    return parent == getpid() && (!*(bool *)zombies || state == 'Z');
}

static inline int lives_in_group(pid_t parent, pid_t group, char state, void *wanted)
{
    return group == *(int *)wanted && state != 'Z';
}

/* The children of this process; zombies: only those. */
static inline size_t children(pid_t *pids, size_t most, bool zombies)
{
    return each_process(is_child, &zombies, pids, most);
}

static inline bool group_lives(int group)
{
    return each_process(lives_in_group, &group, NULL, 0) > 0;
}

static inline pid_t only_child(void)
{
    pid_t pid = 0;
    assert_int_equal(children(&pid, 1, false), 1);
    return pid;
}

/* -1: this is the test itself; else the worker's exit code. */
static inline int process_test_main(int argc, char **argv)
{
    ssize_t n = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);
    if (n <= 0)
        return 1;
    self_path[n] = 0;
    if (argc > 1 && getenv(PROCESS_ENV))
        return !strcmp(argv[1], "neverreads") ? never_reads() : misbehave(argv[1]);
    if (sdf_worker_requested())
        return sdf_worker_main();
    return store_open("mem:", &memory_store, NULL) ? 1 : -1;
}

#endif
