/* process:, the worker's side: recognising that this process is a worker, and serving requests until the driver
 * closes the socket. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timebase.h"
#include "base/wire.h"
#include "spec/registry.h"
#include "transport/process.h"
#include "transport/transport.h"
#include "worker/worker.h"

#define MEMORY_SLACK (UINT64_C(64) << 20) /* above the budget, before a worker asks to be replaced */
#define MEMORY_TASKS 64                   /* memory is looked at every so many tasks, */
#define MEMORY_US    100000               /* and after one that took so long */
#define WATCH_MS     100

typedef struct child {
    int socket;
    frame_reader in;
    sdf_worker *worker;
    uint64_t memory;
    char *scratch_dir;
    uint64_t tasks;
    bool retire;
} child;

/* Set once, before main's own work; read-only afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool requested;
static int driver_socket = -1; /* -1: the variable did not name a socket */
static char token[PROCESS_TOKEN];

/* 1 while a task runs: then the end of the socket ends the process. Atomic. */
static int busy;

static void recognise(void)
{
    const char *text = getenv(PROCESS_ENV);
    struct stat info;
    int fd;
    if (!text)
        return;
    requested = true;
    if (sscanf(text, "%d:%32[0-9a-f]", &fd, token) == 2 && fd > STDERR_FILENO && !fstat(fd, &info) &&
        S_ISSOCK(info.st_mode) && !fcntl(fd, F_SETFD, FD_CLOEXEC))
        driver_socket = fd;
    unsetenv(PROCESS_ENV); /* programs that a function starts are no workers */
}

int transport_process_requested(void)
{
    pthread_once(&once, recognise);
    return requested;
}

/* Ends a process whose driver is gone while a task runs, hangs even. An idle one sees the end itself. */
static void *watch(void *arg)
{
    struct pollfd fd = {driver_socket, POLLRDHUP, 0};
    for (;;) {
        if (!(fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)))
            poll(&fd, 1, -1);
        else
            poll(NULL, 0, WATCH_MS);
        if ((fd.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) && __atomic_load_n(&busy, __ATOMIC_RELAXED))
            _exit(1);
    }
    return NULL;
}

static void start_watch(void)
{
    sigset_t all, old;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (!pthread_create(&thread, NULL, watch, NULL))
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Where memory runs out, the system should take a worker, which costs an attempt, and not the host. */
static void prefer_for_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, "500", 3);
    (void)n; /* only a preference */
    close(fd);
}

/* Anonymous memory of this process in bytes; 0: not known. */
static uint64_t anonymous_memory(void)
{
    char text[128];
    unsigned long long total, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    if (sscanf(text, "%llu %llu %llu", &total, &resident, &shared) != 3 || shared > resident)
        return 0;
    return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Does what the host's functions keep exceed the budget by far? The allocator's own leftovers don't count. */
static bool grown(const child *c)
{
#ifdef SDF_SANITIZE
    (void)c;
    (void)anonymous_memory; /* mostly the sanitizer's own */
    return false;
#else
    uint64_t most = c->memory + MEMORY_SLACK;
    if (anonymous_memory() <= most)
        return false;
    malloc_trim(0);
    return anonymous_memory() > most;
#endif
}

/* ---- the handshake ---- */

/* What registration had to complain about, on stderr too; malloc'd. NULL: no memory. */
static char *registration_failure(void)
{
    sdf_error *err = NULL;
    if (registry_freeze(&err) == SDF_OK)
        return strdup("");
    fprintf(stderr, "sdf worker: %s\n", sdf_error_text(err));
    char *text = strdup(sdf_error_message(err));
    sdf_error_free(err);
    return text;
}

static int say_hello(const child *c)
{
    char *failure = registration_failure();
    buf b = BUF_EMPTY;
    int rc = !failure || wire_put_u32(&b, PROCESS_MAGIC) || wire_put_u16(&b, PROCESS_WIRE_VERSION) ||
             wire_put_text(&b, token) || wire_put_text(&b, sdf_program_id()) || wire_put_text(&b, failure) ||
             wire_put_u32(&b, (uint32_t)getpid());
    sdf_slice payload = buf_slice(&b);
    if (!rc)
        rc = frame_send(c->socket, FRAME_HELLO, 0, &payload, 1);
    buf_free(&b);
    free(failure);
    return rc ? -1 : 0;
}

static int send_description(const child *c)
{
    char *text = registry_describe();
    buf b = BUF_EMPTY;
    int rc = !text || wire_put_text(&b, text);
    sdf_slice payload = buf_slice(&b);
    if (!rc)
        rc = frame_send(c->socket, FRAME_DESCRIPTION, 0, &payload, 1);
    buf_free(&b);
    free(text);
    return rc ? -1 : 0;
}

static int welcomed(child *c, const frame *f)
{
    wire_reader in = wire_read(f->payload.data, f->payload.size);
    uint32_t driver = wire_u32(&in);
    c->memory = wire_u64(&in);
    free(c->scratch_dir);
    c->scratch_dir = wire_text(&in, PROCESS_TEXT_MAX);
    if (in.bad || !c->scratch_dir)
        return -1;
    /* Started by a wrapper (command=), we are not its child, and only the socket tells of its end. */
    if (getppid() == (pid_t)driver)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    start_watch();
    return 0;
}

/* ---- tasks ---- */

static int send_answer(child *c, uint64_t id, int status, sdf_slice body)
{
    uint8_t numbers[12];
    uint8_t length[5];
    sdf_slice parts[3] = {{numbers, 8}, body, {NULL, 0}};
    size_t count = 2;
    store_u64(numbers, id);
    if (status) {
        size_t n = 0;
        store_u32(numbers + 8, (uint32_t)-status);
        parts[0].size = 12;
        for (size_t left = body.size; n == 0 || left; left >>= 7)
            length[n++] = (uint8_t)((left & 127) | (left >> 7 ? 128 : 0));
        parts[2] = body;
        parts[1] = (sdf_slice){length, n};
        count = 3;
    }
    return frame_send(c->socket, status ? FRAME_FAILED : FRAME_REPLY, c->retire ? FRAME_RETIRE : 0, parts, count);
}

static int send_failure(child *c, uint64_t id, int status, const char *message)
{
    return send_answer(c, id, status < 0 ? status : SDF_E_INTERNAL, (sdf_slice){message, strlen(message)});
}

static int run(child *c, uint64_t id, int64_t deadline_ms, const sdf_slice *request)
{
    sdf_error *err = NULL;
    sdf_slice response = {NULL, 0};
    int64_t start = timebase_monotonic_us();
    const worker_config config = {.memory = c->memory, .scratch_dir = c->scratch_dir[0] ? c->scratch_dir : NULL};
    int rc = c->worker ? SDF_OK : worker_new(&config, &c->worker, &err);
    if (!rc)
        rc = sdf_worker_invoke(c->worker, request, deadline_ms, &response, &err);
    if (++c->tasks % MEMORY_TASKS == 0 || timebase_monotonic_us() - start >= MEMORY_US)
        c->retire = grown(c);
    int sent = rc ? send_failure(c, id, rc, sdf_error_message(err)) : send_answer(c, id, SDF_OK, response);
    if (sent == EMSGSIZE) {
        char message[128];
        snprintf(message, sizeof(message), "the reply of %zu bytes is too long for process: (%u at most)",
                 response.size, FRAME_MAX);
        sent = send_failure(c, id, SDF_E_LIMIT, message);
    }
    sdf_error_free(err);
    return sent ? -1 : 0;
}

static int handle_request(child *c, const frame *f)
{
    wire_reader in = wire_read(f->payload.data, f->payload.size);
    uint64_t id = wire_u64(&in);
    int64_t deadline_ms = (int64_t)wire_u64(&in);
    sdf_slice request = {in.at, wire_left(&in)};
    if (in.bad || !c->scratch_dir)
        return -1;
    __atomic_store_n(&busy, 1, __ATOMIC_RELAXED);
    int rc = run(c, id, deadline_ms, &request);
    __atomic_store_n(&busy, 0, __ATOMIC_RELAXED);
    return rc;
}

/* 0: go on. */
static int handle(child *c, const frame *f)
{
    switch (f->type) {
    case FRAME_WELCOME:
        return c->scratch_dir ? -1 : welcomed(c, f);
    case FRAME_DESCRIBE:
        return send_description(c);
    case FRAME_REQUEST:
        return handle_request(c, f);
    default:
        return -1;
    }
}

int transport_process_main(void)
{
    bool started = transport_process_requested();
    child c = {.socket = driver_socket};
    if (!started || c.socket < 0) {
        fprintf(stderr, "sdf worker: this process was not started by process: (or its socket is gone)\n");
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* goes to the driver's log, in order, and is not lost if we are killed */
    prefer_for_oom();
    int rc = say_hello(&c);
    bool closed = false;
    while (!rc && !closed && !c.retire) {
        frame f;
        switch (frame_read(&c.in, c.socket, &f)) {
        case FRAME_READY:
            rc = handle(&c, &f);
            break;
        case FRAME_CLOSED:
            closed = true;
            break;
        default:
            rc = -1;
        }
    }
    sdf_worker_close(c.worker);
    frame_free(&c.in);
    free(c.scratch_dir);
    close(c.socket);
    return rc ? 1 : 0;
}
