/* process:N, the driver's side: the operations of the transport, and waiting for all workers at once.
 * Not here: what happens in one place (process_place.c). */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <sdf/function.h>

#include "base/error.h"
#include "base/timebase.h"
#include "transport/process_place.h"
#include "transport/transport.h"

#define LIVENESS_MS    250 /* a dead worker's socket may be held open by a process it forked: look at the pids too */
#define REAP_MS        50
#define STOP_IDLE_US   1000000 /* idle workers end by themselves; later they are killed */
#define STOP_KILLED_US 2000000

typedef struct process_transport {
    process_pool pool;
    struct pollfd *fds; /* the eventfd, then socket and log of each place that has a worker: the system refuses a
                         * list longer than the limit of open files, even where entries are empty */
    place **owners;     /* of fds[1 + 2 * i] and the next */
    uint32_t owner_count;
    int64_t look_us; /* when to look at the pids next */
} process_transport;

static void pool_clear(process_pool *pool)
{
    for (uint32_t i = 0; pool->places && i < pool->options.places; i++) {
        frame_free(&pool->places[i].in);
        buf_free(&pool->places[i].control);
    }
    if (pool->event >= 0)
        close(pool->event);
    sdf_error_free(pool->broken);
    free(pool->dead.pids);
    free(pool->places);
    free(pool->scratch_dir);
    free(pool->program_id);
    process_options_clear(&pool->options);
}

static int pool_init(process_pool *pool, sdf_error **err)
{
    uint32_t n = pool->options.places;
    pool->event = -1;
    pool->places = calloc(n, sizeof(*pool->places));
    pool->dead.capacity = 2 * (size_t)n;
    pool->dead.pids = calloc(pool->dead.capacity, sizeof(*pool->dead.pids));
    if (!pool->places || !pool->dead.pids)
        return error_no_memory(err);
    for (uint32_t i = 0; i < n; i++) {
        pool->places[i].pool = pool;
        pool->places[i].socket = -1;
        pool->places[i].log.fd = -1;
    }
    pool->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return pool->event >= 0 ? SDF_OK : error_errno(err, errno, "process: could not make an eventfd");
}

int process_open(const char *rest, void *user, void **self, sdf_error **err)
{
    process_transport *t = calloc(1, sizeof(*t));
    if (!t)
        return error_no_memory(err);
    int rc = process_options_parse(rest, &t->pool.options, err);
    if (rc) {
        free(t);
        return rc;
    }
    rc = pool_init(&t->pool, err);
    if (!rc) {
        t->fds = calloc(1 + 2 * (size_t)t->pool.options.places, sizeof(*t->fds));
        t->owners = calloc(t->pool.options.places, sizeof(*t->owners));
        rc = t->fds && t->owners ? SDF_OK : error_no_memory(err);
    }
    if (rc) {
        free(t->fds);
        free(t->owners);
        pool_clear(&t->pool);
        free(t);
        return rc;
    }
    *self = t;
    return SDF_OK;
}

static int process_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    const process_transport *t = self;
    limits->scope = SDF_SCOPE_HOST;
    limits->concurrency = t->pool.options.places;
    limits->slots_per_process = 1;
    limits->max_request = limits->max_response = FRAME_MAX - REQUEST_HEADER;
    limits->max_duration_ms = 0;
    return SDF_OK;
}

/* No process is started here: the first invocations need them, later ones find them. */
static int process_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    process_pool *pool = &((process_transport *)self)->pool;
    if (transport_process_requested())
        return error_set(err, SDF_E_BUSY, "this process is a worker itself; it can't start workers");
    pool->host = *host;
    pool->scratch_dir = strdup(host->scratch_dir ? host->scratch_dir : "");
    pool->program_id = strdup(host->program_id ? host->program_id : sdf_program_id());
    if (!pool->scratch_dir || !pool->program_id)
        return error_no_memory(err);
    pool->started = true;
    return SDF_OK;
}

/* A free place, the warmer the better. NULL: all have an invocation. */
static place *find_place(process_pool *pool)
{
    place *best = NULL;
    for (uint32_t i = 0; i < pool->options.places; i++) {
        place *p = &pool->places[i];
        if (p->job != JOB_NONE)
            continue;
        if (!best || p->process > best->process)
            best = p;
        if (best->process == PROCESS_READY)
            break;
    }
    return best;
}

/* The system may have room for fewer workers than were asked for: then those there are do the work. */
static int could_not_start(process_pool *pool, sdf_error *why, sdf_error **err)
{
    bool any = false;
    for (uint32_t i = 0; i < pool->options.places && !any; i++)
        any = pool->places[i].process != PROCESS_NONE;
    if (!any)
        return error_move(err, &why);
    if (!pool->warned_few && pool->host.warn)
        pool->host.warn(pool->host.host, sdf_error_message(why));
    pool->warned_few = true;
    int rc = error_set(err, SDF_E_BUSY, "%s", sdf_error_message(why));
    sdf_error_free(why);
    return rc;
}

static int process_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    process_pool *pool = &((process_transport *)self)->pool;
    if (pool->broken) {
        if (err)
            *err = error_copy(pool->broken);
        return sdf_error_code(pool->broken);
    }
    if (request->size > FRAME_MAX - REQUEST_HEADER)
        return error_set(err, SDF_E_LIMIT, "a request of %zu bytes is too long for process: (%u bytes at most)",
                         request->size, FRAME_MAX - REQUEST_HEADER);
    place *p = find_place(pool);
    if (!p)
        return error_set(err, SDF_E_BUSY, "all %u worker processes have a task", pool->options.places);
    if (p->process == PROCESS_NONE) {
        sdf_error *why = NULL;
        int rc = place_spawn(p, &why);
        if (rc)
            return could_not_start(pool, why, err);
    }
    place_begin(p, id, request, deadline_ms);
    return SDF_OK;
}

/* ---- waiting ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Fills in fds and tells until when to wait at most (monotonic); INT64_MAX: no limit of ours. */
static int64_t prepare(process_transport *t)
{
    int64_t until = t->pool.dead.count ? timebase_monotonic_us() + REAP_MS * 1000 : INT64_MAX;
    bool running = false;
    t->fds[0] = (struct pollfd){t->pool.event, POLLIN, 0};
    t->owner_count = 0;
    for (uint32_t i = 0; i < t->pool.options.places; i++) {
        place *p = &t->pool.places[i];
        if (p->deadline.give_up_us && (p->job == JOB_SENT || p->job == JOB_WAITING))
            until = earlier(until, p->deadline.give_up_us);
        if (p->process == PROCESS_NONE)
            continue;
        if (p->process == PROCESS_STARTING)
            until = earlier(until, p->hello_by_us);
        running = running || p->job == JOB_SENT;
        /* The socket first: where a reply is seen, what the worker printed before it is seen then too. */
        struct pollfd *fd = &t->fds[1 + 2 * t->owner_count];
        fd[0] = (struct pollfd){p->socket, place_has_output(p) ? POLLIN | POLLOUT : POLLIN, 0};
        fd[1] = (struct pollfd){p->log.fd, POLLIN, 0};
        t->owners[t->owner_count++] = p;
    }
    return running ? earlier(until, t->look_us) : until;
}

static int wait_ms(int64_t until_us, int timeout_ms)
{
    if (until_us == INT64_MAX)
        return timeout_ms;
    int64_t ms = (until_us - timebase_monotonic_us() + 999) / 1000;
    if (ms < 0)
        ms = 0;
    return timeout_ms < 0 || ms < timeout_ms ? (int)ms : timeout_ms;
}

static void serve(process_transport *t)
{
    for (uint32_t i = 0; i < t->owner_count; i++) {
        place *p = t->owners[i];
        const struct pollfd *fd = &t->fds[1 + 2 * i];
        /* A place whose worker changed meanwhile (an answer's callback may do that) waits for the next turn. */
        if (fd[1].revents && p->log.fd == fd[1].fd && !log_read(&p->log))
            log_close(&p->log);
        if (p->socket != fd[0].fd || p->socket < 0)
            continue;
        if (fd[0].revents & POLLOUT)
            place_write(p);
        if (fd[0].revents & (POLLIN | POLLHUP | POLLERR))
            place_read(p);
    }
}

static void look_at_pids(process_transport *t, int64_t now_us)
{
    if (now_us < t->look_us)
        return;
    t->look_us = now_us + LIVENESS_MS * 1000;
    for (uint32_t i = 0; i < t->pool.options.places; i++) {
        place *p = &t->pool.places[i];
        if (p->process == PROCESS_READY && p->job == JOB_SENT && !process_alive(p->pid))
            place_read(p); /* its last words first */
        if (p->process == PROCESS_READY && p->job == JOB_SENT && !process_alive(p->pid))
            place_ended(p);
    }
}

/* Hands over the answers that wait; the callback may submit and cancel. */
static bool deliver(process_pool *pool)
{
    bool any = false;
    for (uint32_t i = 0; i < pool->options.places; i++)
        if (pool->places[i].job == JOB_ANSWERED) {
            place_deliver(&pool->places[i]);
            any = true;
        }
    return any;
}

static int process_poll(void *self, int timeout_ms, sdf_error **err)
{
    process_transport *t = self;
    process_pool *pool = &t->pool;
    if (deliver(pool))
        timeout_ms = 0;
    int64_t until = prepare(t);
    if (poll(t->fds, 1 + 2 * (nfds_t)t->owner_count, wait_ms(until, timeout_ms)) < 0) {
        if (errno == EINTR || errno == EAGAIN)
            return SDF_OK;
        return error_errno(err, errno, "process: could not wait for the workers");
    }
    if (t->fds[0].revents) {
        uint64_t count;
        ssize_t n = read(pool->event, &count, sizeof(count));
        (void)n; /* nonblocking; nothing in it is fine */
    }
    serve(t);
    int64_t now = timebase_monotonic_us();
    if (until <= now) {
        for (uint32_t i = 0; i < pool->options.places; i++)
            place_check_time(&pool->places[i], now);
        look_at_pids(t, now);
    }
    graveyard_visit(&pool->dead);
    deliver(pool);
    return SDF_OK;
}

/* Thread: any; a signal handler too: write(2) on an eventfd is all it does. */
static void process_wake(void *self)
{
    const process_transport *t = self;
    int number = errno;
    uint64_t one = 1;
    ssize_t n = write(t->pool.event, &one, sizeof(one));
    (void)n; /* a full counter wakes as well */
    errno = number;
}

static void process_cancel(void *self, uint64_t id)
{
    process_pool *pool = &((process_transport *)self)->pool;
    for (uint32_t i = 0; i < pool->options.places; i++) {
        place *p = &pool->places[i];
        if (p->id != id || (p->job != JOB_SENT && p->job != JOB_WAITING))
            continue;
        if (p->job == JOB_SENT)
            place_kill(p);
        place_answer(p, SDF_E_CANCELLED, "cancelled");
        return;
    }
}

/* ---- the end ---- */

/* Idle workers see the end of their socket and leave; meanwhile their last words are read. */
static void let_idle_end(process_pool *pool)
{
    char how[200];
    int64_t until = timebase_monotonic_us() + STOP_IDLE_US;
    int pause_ms = 0;
    for (uint32_t left = 1; left && timebase_monotonic_us() < until;) {
        left = 0;
        for (uint32_t i = 0; i < pool->options.places; i++) {
            place *p = &pool->places[i];
            if (p->process == PROCESS_NONE)
                continue;
            log_read(&p->log);
            if (process_reap(p->pid, how, sizeof(how))) {
                log_read(&p->log);
                log_close(&p->log);
                p->process = PROCESS_NONE;
            } else {
                left++;
            }
        }
        if (left) {
            poll(NULL, 0, pause_ms);
            pause_ms = 1;
        }
    }
}

static int process_stop(void *self)
{
    process_pool *pool = &((process_transport *)self)->pool;
    pool->stopped = true;
    for (uint32_t i = 0; i < pool->options.places; i++) {
        place *p = &pool->places[i];
        if (p->job == JOB_SENT || p->process == PROCESS_STARTING)
            place_kill(p);
        p->job = JOB_NONE;
        if (p->socket >= 0)
            close(p->socket);
        p->socket = -1;
    }
    let_idle_end(pool);
    for (uint32_t i = 0; i < pool->options.places; i++) {
        place *p = &pool->places[i];
        if (p->process == PROCESS_NONE)
            continue;
        process_kill(p->pid);
        log_close(&p->log);
        p->process = PROCESS_NONE;
        graveyard_add(&pool->dead, p->pid);
    }
    int64_t until = timebase_monotonic_us() + STOP_KILLED_US;
    graveyard_kill(&pool->dead);
    graveyard_visit(&pool->dead);
    while (pool->dead.count && timebase_monotonic_us() < until) {
        poll(NULL, 0, 1);
        graveyard_visit(&pool->dead);
    }
    return (int)pool->dead.count;
}

static void process_destroy(void *self)
{
    process_transport *t = self;
    if (t->pool.started && !t->pool.stopped)
        process_stop(t);
    pool_clear(&t->pool);
    free(t->fds);
    free(t->owners);
    free(t);
}

const sdf_transport_ops process_ops = {
    .struct_size = sizeof(sdf_transport_ops),
    .version = SDF_TRANSPORT_VERSION,
    .limits = process_limits,
    .start = process_start,
    .submit = process_submit,
    .poll = process_poll,
    .wake = process_wake,
    .cancel = process_cancel,
    .stop = process_stop,
    .destroy = process_destroy,
};
