/* One place of process:N: start, handshake, request, reply, and every way in which a worker can end. */
#include "transport/process_place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timebase.h"
#include "base/wire.h"
#include "spec/registry.h"

/* From the end of its socket to the end of a process there are microseconds. One that closed its socket and runs on is
 * waited for in vain, with the driver: the next ones get half the time each. */
#define END_WAIT_US     100000
#define END_HALVES_MOST 6

#define NO_HELLO_HINT                                                                                                  \
    "does main() call sdf_worker_requested() before anything else? An interpreter needs its script: process:N?command="
#define KILLED_HINT   "something ends the workers as they start: is there memory for them?"

void graveyard_visit(graveyard *g)
{
    char text[160];
    for (size_t i = 0; i < g->count;)
        if (process_reap(g->pids[i], text, sizeof(text)))
            g->pids[i] = g->pids[--g->count];
        else
            i++;
}

void graveyard_add(graveyard *g, pid_t pid)
{
    graveyard_visit(g);
    if (g->count < g->capacity)
        g->pids[g->count++] = pid;
    /* Full (twice the places): that many killed processes hang in the system; this one stays a zombie. */
}

void graveyard_kill(const graveyard *g)
{
    for (size_t i = 0; i < g->count; i++)
        process_kill(g->pids[i]);
}

void place_answer(place *p, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->message, sizeof(p->message), format, args);
    va_end(args);
    p->status = status;
    p->job = JOB_ANSWERED;
}

/* Closes our ends. The reader's memory stays: a reply that is being handed over may lie in it. */
static void place_close(place *p)
{
    close(p->socket);
    p->socket = -1;
    log_read(&p->log);
    log_close(&p->log);
    buf_clear(&p->control);
    p->control_sent = 0;
    p->process = PROCESS_NONE;
}

void place_kill(place *p)
{
    if (p->process == PROCESS_NONE)
        return;
    process_kill(p->pid);
    place_close(p);
    graveyard_add(&p->pool->dead, p->pid);
}

int place_spawn(place *p, sdf_error **err)
{
    process_spawned s;
    int rc = process_spawn(&p->pool->options, &s, err);
    if (rc)
        return rc;
    p->pid = s.pid;
    p->socket = s.socket;
    memcpy(p->token, s.token, sizeof(p->token));
    log_open(&p->log, s.log, !p->pool->options.capture);
    p->hello_by_us = timebase_monotonic_us() + (int64_t)p->pool->options.hello_ms * 1000;
    frame_reset(&p->in);
    p->cold = 1;
    p->process = PROCESS_STARTING;
    return SDF_OK;
}

void place_begin(place *p, uint64_t id, const sdf_slice *request, int64_t deadline_ms)
{
    p->id = id;
    p->request = *request;
    p->sent = 0;
    p->deadline = transport_deadline_in(deadline_ms);
    frame_header(p->header, FRAME_REQUEST, 0, 16 + request->size);
    store_u64(p->header + FRAME_HEADER, id);
    store_u64(p->header + FRAME_HEADER + 8, (uint64_t)p->deadline.epoch_ms);
    p->job = JOB_WAITING;
    if (p->process != PROCESS_READY)
        return;
    log_clear(&p->log);
    p->job = JOB_SENT;
    place_write(p);
}

/* ---- sending ---- */

static size_t job_left(const place *p)
{
    return p->job == JOB_SENT ? sizeof(p->header) + p->request.size - p->sent : 0;
}

bool place_has_output(const place *p)
{
    return p->process != PROCESS_NONE && (p->control_sent < p->control.size || job_left(p) > 0);
}

void place_write(place *p)
{
    while (place_has_output(p)) {
        struct iovec v[2];
        size_t parts = 0;
        bool control = p->control_sent < p->control.size;
        if (control) {
            v[parts++] = (struct iovec){p->control.data + p->control_sent, p->control.size - p->control_sent};
        } else {
            size_t body = 0;
            if (p->sent < sizeof(p->header))
                v[parts++] = (struct iovec){p->header + p->sent, sizeof(p->header) - p->sent};
            else
                body = p->sent - sizeof(p->header);
            v[parts++] = (struct iovec){(char *)(uintptr_t)p->request.data + body, p->request.size - body};
        }
        struct msghdr m = {.msg_iov = v, .msg_iovlen = parts};
        ssize_t n = sendmsg(p->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return; /* full: poll says when; broken: poll says that too */
        *(control ? &p->control_sent : &p->sent) += (size_t)n;
    }
}

/* ---- the handshake ---- */

/* No worker of this program will do. Answers whoever waits for one; later submits fail with the same error. */
static void pool_broken(process_pool *pool, const place *cause, int status, const char *message, const char *hint)
{
    if (pool->broken)
        return;
    char log[LOG_TAIL + 1];
    log_tail(&cause->log, log);
    error_set(&pool->broken, status, "%s", message);
    error_hint(&pool->broken, "%s", hint);
    error_log_tail(&pool->broken, log);
    for (uint32_t i = 0; i < pool->options.places; i++) {
        place *p = &pool->places[i];
        if (p->process == PROCESS_STARTING && p != cause)
            place_kill(p);
        if (p->job == JOB_WAITING) {
            place_answer(p, status, "%s; %s", message, hint);
            if (p != cause)
                log_copy_tail(&p->log, &cause->log);
        }
    }
}

/* A worker did not get as far as its hello. It is replaced, up to so many in a row; more would fail as well, unless
 * others have come so far. */
static void start_failed(place *p, unsigned tries, int status, const char *message)
{
    process_pool *pool = p->pool;
    sdf_error *why = NULL;
    if (++pool->failed_starts < tries) {
        if (p->job == JOB_WAITING && place_spawn(p, &why))
            place_answer(p, sdf_error_code(why), "%s, and after that: %s", message, sdf_error_message(why));
    } else if (!pool->proven) {
        pool_broken(pool, p, status, message, status == SDF_E_LOST ? KILLED_HINT : NO_HELLO_HINT);
    } else if (p->job == JOB_WAITING) {
        place_answer(p, SDF_E_LOST, "%s", message);
    } else if (pool->host.warn) {
        pool->host.warn(pool->host.host, message);
    }
    sdf_error_free(why);
}

static void send_control(place *p, size_t start)
{
    frame_end(&p->control, start);
    place_write(p);
}

/* The worker can't be talked to: it is killed, and who waits for it is answered. */
static void lost(place *p, const char *what)
{
    char message[MESSAGE_MAX];
    const sdf_transport_host *host = &p->pool->host;
    place_process was = p->process;
    place_kill(p);
    snprintf(message, sizeof(message), "worker process %d %s and was killed", (int)p->pid, what);
    if (was == PROCESS_STARTING)
        pool_broken(p->pool, p, SDF_E_PROGRAM, message, NO_HELLO_HINT);
    else if (p->job == JOB_SENT)
        place_answer(p, SDF_E_LOST, "%s", message);
    else if (host->warn)
        host->warn(host->host, message);
}

static void send_welcome(place *p)
{
    const process_pool *pool = p->pool;
    size_t start = p->control.size;
    if (frame_begin(&p->control, FRAME_WELCOME) || wire_put_u32(&p->control, (uint32_t)getpid()) ||
        wire_put_u64(&p->control, pool->host.memory) || wire_put_text(&p->control, pool->scratch_dir)) {
        lost(p, "could not be welcomed for want of memory");
        return;
    }
    p->pool->failed_starts = 0;
    p->pool->proven = true;
    p->process = PROCESS_READY;
    if (p->job == JOB_WAITING)
        p->job = JOB_SENT;
    send_control(p, start);
}

static void read_hello(place *p, const frame *f)
{
    wire_reader in = wire_read(f->payload.data, f->payload.size);
    uint32_t magic = wire_u32(&in);
    uint16_t version = wire_u16(&in);
    if (!in.bad && magic == PROCESS_MAGIC && version != PROCESS_WIRE_VERSION) {
        lost(p, "speaks another version of the worker protocol: driver and worker need the same library");
        return;
    }
    char *token = wire_text(&in, PROCESS_TOKEN);
    char *program = wire_text(&in, 64);
    char *failure = wire_text(&in, PROCESS_TEXT_MAX);
    bool bad = in.bad || magic != PROCESS_MAGIC || !token || !program || !failure || strcmp(token, p->token) != 0;
    if (bad) {
        lost(p, "said something else than hello");
    } else if (failure[0]) {
        char message[MESSAGE_MAX];
        snprintf(message, sizeof(message), "worker process %d could not register its functions: %s", (int)p->pid,
                 failure);
        place_kill(p);
        pool_broken(p->pool, p, SDF_E_PROGRAM, message, "check what SDF_REGISTER or sdf_register is given");
    } else if (!strcmp(program, p->pool->program_id)) {
        send_welcome(p);
    } else {
        size_t start = p->control.size;
        if (frame_begin(&p->control, FRAME_DESCRIBE))
            lost(p, "is another program than the driver");
        else
            send_control(p, start);
    }
    free(token);
    free(program);
    free(failure);
}

static void read_description(place *p, const frame *f)
{
    wire_reader in = wire_read(f->payload.data, f->payload.size);
    char *theirs = wire_text(&in, PROCESS_TEXT_MAX);
    char *ours = registry_describe();
    char *difference = theirs && ours ? registry_difference(ours, theirs) : NULL;
    char message[MESSAGE_MAX];
    snprintf(message, sizeof(message), "worker process %d is not the same program as the driver: %s", (int)p->pid,
             difference && difference[0] ? difference : "its version differs");
    place_kill(p);
    pool_broken(p->pool, p, SDF_E_PROGRAM, message,
                "driver and worker must register the same functions, and the same sdf_set_program_version, before "
                "sdf_worker_requested()");
    free(difference);
    free(ours);
    free(theirs);
}

/* ---- replies ---- */

static void hand_over(place *p, sdf_invocation_result *result)
{
    char log[LOG_TAIL + 1];
    log_tail(&p->log, log);
    result->struct_size = sizeof(*result);
    result->id = p->id;
    result->log = log[0] ? log : NULL;
    result->cold = p->cold;
    p->cold = 0;
    p->job = JOB_NONE; /* before the call: the host may submit at once */
    p->pool->host.done(p->pool->host.host, result);
}

void place_deliver(place *p)
{
    char message[MESSAGE_MAX];
    memcpy(message, p->message, sizeof(message));
    sdf_invocation_result result = {.status = p->status, .message = message};
    hand_over(p, &result);
}

/* The worker asked to be replaced: its memory has grown by what the host's functions keep. */
static void retire(place *p)
{
    const sdf_transport_host *host = &p->pool->host;
    char message[200];
    snprintf(message, sizeof(message),
             "worker process %d held more memory than its budget after a task and was replaced: a function may leak",
             (int)p->pid);
    place_close(p);
    graveyard_add(&p->pool->dead, p->pid);
    if (host->warn)
        host->warn(host->host, message);
}

static void read_reply(place *p, const frame *f)
{
    wire_reader in = wire_read(f->payload.data, f->payload.size);
    sdf_invocation_result result = {.status = SDF_OK};
    char *message = NULL;
    bool bad = p->job != JOB_SENT || job_left(p) > 0 || wire_u64(&in) != p->id;
    if (f->type == FRAME_FAILED) {
        uint32_t code = wire_u32(&in);
        message = wire_text(&in, PROCESS_TEXT_MAX);
        bad = bad || code == 0 || code > 1000 || !message;
        result.status = -(int)code;
        result.message = message;
    } else {
        result.response = (sdf_slice){in.at, wire_left(&in)};
    }
    if (bad || in.bad) {
        lost(p, "sent a reply that answers nothing");
    } else {
        if (f->flags & FRAME_RETIRE)
            retire(p);
        hand_over(p, &result);
    }
    free(message);
}

static void broke_protocol(place *p)
{
    lost(p, p->process == PROCESS_STARTING ? "said something else than hello" : "broke the worker protocol");
}

static void read_frame(place *p, const frame *f)
{
    if (p->process == PROCESS_READY && (f->type == FRAME_REPLY || f->type == FRAME_FAILED))
        read_reply(p, f);
    else if (p->process == PROCESS_STARTING && f->type == FRAME_HELLO && p->control.size == 0)
        read_hello(p, f);
    else if (p->process == PROCESS_STARTING && f->type == FRAME_DESCRIPTION && p->control.size > 0)
        read_description(p, f);
    else
        broke_protocol(p);
}

void place_read(place *p)
{
    pid_t pid = p->pid;
    do {
        frame f;
        frame_state state = frame_read(&p->in, p->socket, &f);
        if (state == FRAME_READY)
            read_frame(p, &f);
        else if (state == FRAME_CLOSED)
            place_ended(p);
        else if (state == FRAME_BAD)
            broke_protocol(p);
        if (state != FRAME_READY)
            return;
    } while (p->process != PROCESS_NONE && p->pid == pid && p->in.bytes.size > p->in.taken);
}

/* ---- the end ---- */

/* Waits the moment between the end of the socket and that of the process; then makes an end of it. */
static void reap_soon(place *p, char *how, size_t size)
{
    process_pool *pool = p->pool;
    int64_t until = timebase_monotonic_us() + (END_WAIT_US >> pool->slow_ends);
    struct timespec pause = {0, 50000};
    while (!process_reap(p->pid, how, size)) {
        if (timebase_monotonic_us() >= until) {
            snprintf(how, size, "closed its connection and was killed");
            process_kill(p->pid);
            graveyard_add(&pool->dead, p->pid);
            pool->slow_ends += pool->slow_ends < END_HALVES_MOST;
            return;
        }
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < 2000000)
            pause.tv_nsec *= 2;
    }
}

void place_ended(place *p)
{
    char how[200], message[MESSAGE_MAX];
    const sdf_transport_host *host = &p->pool->host;
    reap_soon(p, how, sizeof(how));
    place_process was = p->process;
    place_close(p);
    snprintf(message, sizeof(message), "worker process %d %s", (int)p->pid, how);
    if (was == PROCESS_STARTING) {
        bool killed = strncmp(how, "was killed", 10) == 0;
        snprintf(message, sizeof(message), "worker process %d %s before it said hello", (int)p->pid, how);
        start_failed(p, START_TRIES, killed ? SDF_E_LOST : SDF_E_PROGRAM, message);
    } else if (p->job == JOB_SENT) {
        place_answer(p, SDF_E_LOST, "%s", message);
    } else if (host->warn) {
        host->warn(host->host, message);
    }
}

void place_check_time(place *p, int64_t now_us)
{
    if (p->deadline.give_up_us && p->deadline.give_up_us <= now_us && (p->job == JOB_SENT || p->job == JOB_WAITING)) {
        if (p->job == JOB_SENT) {
            place_kill(p);
            place_answer(p, SDF_E_TIMEOUT, "worker process %d ran past its %lld ms and was killed", (int)p->pid,
                         (long long)p->deadline.allowed_ms);
        } else {
            place_answer(p, SDF_E_TIMEOUT, "worker process %d was not ready within the %lld ms of its task",
                         (int)p->pid, (long long)p->deadline.allowed_ms);
        }
    }
    if (p->process == PROCESS_STARTING && p->hello_by_us <= now_us) {
        char message[MESSAGE_MAX];
        snprintf(message, sizeof(message), "worker process %d did not say hello within %llu ms and was killed",
                 (int)p->pid, (unsigned long long)p->pool->options.hello_ms);
        place_kill(p);
        start_failed(p, 1, SDF_E_PROGRAM, message);
    }
}
