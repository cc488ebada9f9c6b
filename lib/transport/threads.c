/* threads:N, the driver's side: invocations run on N threads of this process.
 * Not here: ending a callback that hangs. That can't be done to a thread; its invocation is answered, the thread is
 * left behind and counted (see threads.h), and another takes its place. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timebase.h"
#include "transport/threads.h"

#define QUEUE_PER_PLACE 4           /* unanswered calls per thread that are taken before submit says BUSY */
#define BUFFER_KEEP     (64u << 10) /* a buffer larger than this isn't kept for the next call */

typedef struct threads {
    pool *pool;
    sdf_transport_host host;
    call *unanswered;     /* doubly linked by before and after */
    call *spare;          /* calls to use again, with their buffers */
    uint32_t count;       /* of the unanswered */
    int64_t next_give_up; /* no later than the first of theirs; INT64_MAX: none */
    bool linger;
    bool started, stopped;
} threads;

int threads_open(const char *rest, void *user, void **self, sdf_error **err)
{
    uint32_t places;
    int rc = transport_parse_places("threads:", rest, strlen(rest), &places, err);
    if (rc)
        return rc;
    threads *t = calloc(1, sizeof(*t));
    if (!t)
        return error_no_memory(err);
    t->next_give_up = INT64_MAX;
    sdf_error *why = NULL;
    t->pool = pool_new(places, &why);
    if (!t->pool) {
        free(t);
        return error_move(err, &why);
    }
    *self = t;
    return SDF_OK;
}

static int threads_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    const threads *t = self;
    limits->scope = SDF_SCOPE_PROCESS;
    limits->concurrency = limits->slots_per_process = t->pool->places;
    limits->max_request = limits->max_response = 0;
    limits->max_duration_ms = 0;
    return SDF_OK;
}

static int threads_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    threads *t = self;
    pool *p = t->pool;
    if (host->scratch_dir) {
        p->scratch_dir = strdup(host->scratch_dir);
        if (!p->scratch_dir)
            return error_no_memory(err);
    }
    t->host = *host;
    p->task_memory = host->memory / p->places;
    if (host->store)
        p->store = store_ref(host->store);
    t->started = true;
    return SDF_OK;
}

static call *call_new(threads *t)
{
    call *c = t->spare;
    if (!c)
        return calloc(1, sizeof(*c));
    t->spare = c->next;
    return c;
}

/* Locks: none; the call is nobody else's any more. */
static void call_reuse(threads *t, call *c)
{
    sdf_error_free(c->error);
    if (c->request.capacity > BUFFER_KEEP)
        buf_free(&c->request);
    if (c->response.capacity > BUFFER_KEEP)
        buf_free(&c->response);
    *c = (call){.next = t->spare, .request = c->request, .response = c->response};
    t->spare = c;
}

static void track(threads *t, call *c)
{
    c->before = NULL;
    c->after = t->unanswered;
    if (c->after)
        c->after->before = c;
    t->unanswered = c;
    t->count++;
    if (c->deadline.give_up_us && c->deadline.give_up_us < t->next_give_up)
        t->next_give_up = c->deadline.give_up_us;
}

static void untrack(threads *t, call *c)
{
    if (c->before)
        c->before->after = c->after;
    else
        t->unanswered = c->after;
    if (c->after)
        c->after->before = c->before;
    if (--t->count == 0)
        t->next_give_up = INT64_MAX;
}

static int threads_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    threads *t = self;
    pool *p = t->pool;
    if (t->count >= p->places * QUEUE_PER_PLACE)
        return error_set(err, SDF_E_BUSY, "threads:%u has %u tasks waiting", p->places, t->count);
    call *c = call_new(t);
    if (!c)
        return error_no_memory(err);
    buf_clear(&c->request);
    if (buf_append(&c->request, request->data, request->size)) {
        call_reuse(t, c);
        return error_no_memory(err);
    }
    c->id = id;
    c->refs = 1;
    c->state = CALL_QUEUED;
    c->deadline = transport_deadline_in(deadline_ms);
    pthread_mutex_lock(&p->lock);
    call_push(&p->queue, c);
    int rc = pool_attend(p, err);
    if (rc)
        call_remove(&p->queue, c);
    pthread_mutex_unlock(&p->lock);
    if (rc) {
        call_reuse(t, c);
        return rc;
    }
    track(t, c);
    return SDF_OK;
}

static void answer_text(call *c, int status, const char *text)
{
    c->status = status;
    sdf_error_free(c->error);
    c->error = NULL;
    if (status == SDF_E_TIMEOUT)
        error_set(&c->error, status, "%s (%lld ms)", text, (long long)c->deadline.allowed_ms);
    else
        error_set(&c->error, status, "%s", text);
}

/* Locks: p->lock. A running call is answered with a stand-in, because the thread still writes to its own. */
static void give_up(threads *t, call *c, call_list *out)
{
    pool *p = t->pool;
    if (c->state == CALL_QUEUED) {
        call_remove(&p->queue, c);
        untrack(t, c);
        answer_text(c, SDF_E_TIMEOUT, "no thread was free in the time allowed");
        call_push(out, c);
        return;
    }
    call *answer = call_new(t);
    if (!answer)
        return; /* no memory now: it is tried again at the next poll */
    answer->id = c->id;
    answer->refs = 1;
    answer->deadline = c->deadline;
    answer_text(answer, c->cancelled ? SDF_E_CANCELLED : SDF_E_TIMEOUT,
                c->cancelled ? "a cancelled task does not stop; its thread is left behind"
                             : "the task did not end in the time allowed; its thread is left behind");
    call_push(out, answer);
    __atomic_store_n(&c->runner->cancelled, 1, __ATOMIC_RELAXED);
    c->given_up = true;
    c->runner->overdue = true;
    p->serving--;
    untrack(t, c);
    c->refs--; /* the thread's is left */
}

/* Locks: p->lock. */
static void give_up_overdue(threads *t, call_list *out)
{
    int64_t now = timebase_monotonic_us();
    if (now < t->next_give_up)
        return;
    int64_t next = INT64_MAX;
    for (call *c = t->unanswered, *after; c; c = after) {
        after = c->after;
        if (!c->deadline.give_up_us || c->state == CALL_DONE)
            continue;
        if (c->deadline.give_up_us <= now)
            give_up(t, c, out);
        else if (c->deadline.give_up_us < next)
            next = c->deadline.give_up_us;
    }
    t->next_give_up = next;
}

/* Locks: p->lock. Threads for what is still queued after some were given up; where there can be none, those calls are
 * lost. */
static void replace_threads(threads *t, call_list *out)
{
    pool *p = t->pool;
    size_t want = p->queue.count < p->places ? p->queue.count : p->places;
    sdf_error *why = NULL;
    while (want-- > 0 && !why)
        pool_attend(p, &why);
    while (why && p->queue.first) {
        call *c = p->queue.first;
        call_remove(&p->queue, c);
        untrack(t, c);
        answer_text(c, SDF_E_LOST, sdf_error_message(why));
        call_push(out, c);
    }
    sdf_error_free(why);
}

/* What there is to answer. wait: if there is nothing, the next thread that finishes writes to the eventfd. */
static call *collect(threads *t, bool wait)
{
    pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    call_list out = p->done;
    __atomic_store_n(&p->done.first, NULL, __ATOMIC_RELAXED);
    p->done.last = NULL;
    p->done.count = 0;
    runner *ended = p->ended; /* threads that were given up, came back and left */
    p->ended = NULL;
    for (call *c = out.first; c; c = c->next)
        untrack(t, c);
    call_list late = {NULL, NULL, 0};
    give_up_overdue(t, &late);
    if (late.first)
        replace_threads(t, &late);
    if (out.last)
        out.last->next = late.first;
    else
        out.first = late.first;
    p->driver_waits = wait && !out.first;
    pthread_mutex_unlock(&p->lock);
    runners_join(ended);
    return out.first;
}

static void hand_over(threads *t, call *c)
{
    sdf_invocation_result result = {.struct_size = sizeof(result), .id = c->id, .status = c->status, .cold = c->cold};
    if (c->status == SDF_OK)
        result.response = buf_slice(&c->response);
    else
        result.message = sdf_error_message(c->error);
    t->host.done(t->host.host, &result);
    pthread_mutex_lock(&t->pool->lock);
    bool last = --c->refs == 0;
    pthread_mutex_unlock(&t->pool->lock);
    if (last)
        call_reuse(t, c);
}

/* Milliseconds, rounded up, until the caller's time or the next deadline is over; -1: never. */
static int wait_ms(const threads *t, int timeout_ms)
{
    if (t->next_give_up == INT64_MAX)
        return timeout_ms;
    int64_t ms = (t->next_give_up - timebase_monotonic_us() + 999) / 1000;
    if (ms < 0)
        ms = 0;
    return timeout_ms < 0 || ms < timeout_ms ? (int)(ms > 1000000 ? 1000000 : ms) : timeout_ms;
}

/* Sleeps until a thread, wake, the caller's time or a deadline ends it. */
static call *sleep_and_collect(threads *t, int timeout_ms)
{
    struct pollfd fd = {t->pool->event, POLLIN, 0};
    int64_t start_us = timebase_monotonic_us();
    if (poll(&fd, 1, wait_ms(t, timeout_ms)) > 0) {
        uint64_t count;
        ssize_t n = read(t->pool->event, &count, sizeof(count));
        (void)n; /* nonblocking; nothing in it is fine */
    }
    t->linger = timebase_monotonic_us() - start_us < THREADS_LONG_US;
    return collect(t, false);
}

static int threads_poll(void *self, int timeout_ms, sdf_error **err)
{
    threads *t = self;
    if (timeout_ms != 0 && t->linger && t->count > 0)
        call_linger(&t->pool->done);
    call *c = collect(t, timeout_ms != 0);
    if (!c && timeout_ms != 0)
        c = sleep_and_collect(t, timeout_ms);
    while (c) {
        call *next = c->next;
        hand_over(t, c);
        c = next;
    }
    return SDF_OK;
}

/* Thread: any; a signal handler too: write(2) on an eventfd is all it does. */
static void threads_wake(void *self)
{
    const threads *t = self;
    int number = errno;
    uint64_t one = 1;
    ssize_t n = write(t->pool->event, &one, sizeof(one));
    (void)n; /* a full counter wakes as well */
    errno = number;
}

/* What waits in the queue is answered at once, by the next poll; what runs is told, and given up if it goes on. */
static void threads_cancel(void *self, uint64_t id)
{
    threads *t = self;
    pool *p = t->pool;
    call *c = t->unanswered;
    while (c && c->id != id)
        c = c->after;
    if (!c || c->cancelled)
        return;
    pthread_mutex_lock(&p->lock);
    if (c->state == CALL_QUEUED) {
        call_remove(&p->queue, c);
        answer_text(c, SDF_E_CANCELLED, "cancelled before it started");
        c->state = CALL_DONE;
        call_push(&p->done, c);
    } else if (c->state == CALL_RUNNING) {
        int64_t give_up_us = timebase_monotonic_us() + THREADS_CANCEL_GRACE_US;
        c->cancelled = true;
        __atomic_store_n(&c->runner->cancelled, 1, __ATOMIC_RELAXED);
        if (!c->deadline.give_up_us || give_up_us < c->deadline.give_up_us)
            c->deadline.give_up_us = give_up_us;
        if (c->deadline.give_up_us < t->next_give_up)
            t->next_give_up = c->deadline.give_up_us;
    }
    pthread_mutex_unlock(&p->lock);
}

static int threads_stop(void *self)
{
    threads *t = self;
    t->stopped = true;
    /* Calls that run are the threads' to free; the others are in a list of the pool, which frees them. */
    pthread_mutex_lock(&t->pool->lock);
    for (call *c = t->unanswered, *after; c; c = after) {
        after = c->after;
        if (c->state == CALL_RUNNING) {
            c->given_up = true;
            c->refs--;
        }
    }
    t->unanswered = NULL;
    t->count = 0;
    t->next_give_up = INT64_MAX;
    pthread_mutex_unlock(&t->pool->lock);
    return pool_stop(t->pool);
}

static void threads_destroy(void *self)
{
    threads *t = self;
    if (t->started && !t->stopped)
        threads_stop(t);
    while (t->spare) {
        call *c = t->spare;
        t->spare = c->next;
        call_free(c);
    }
    pool_unref(t->pool);
    free(t);
}

const sdf_transport_ops threads_ops = {
    .struct_size = sizeof(sdf_transport_ops),
    .version = SDF_TRANSPORT_VERSION,
    .limits = threads_limits,
    .start = threads_start,
    .submit = threads_submit,
    .poll = threads_poll,
    .wake = threads_wake,
    .cancel = threads_cancel,
    .stop = threads_stop,
    .destroy = threads_destroy,
};
