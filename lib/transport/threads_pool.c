/* The threads of threads: : each runs a worker of its own and takes calls from one queue. The driver's side is
 * threads.c.
 *
 * One critical section per call: a thread that is done hands over its answer and takes the next call in one go, and
 * writes to the eventfd only if the driver sleeps. */
#include "transport/threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timebase.h"
#include "worker/worker.h"

void call_push(call_list *list, call *c)
{
    c->next = NULL;
    if (list->last)
        list->last->next = c;
    else
        __atomic_store_n(&list->first, c, __ATOMIC_RELAXED);
    list->last = c;
    list->count++;
}

static call *call_pop(call_list *list)
{
    call *c = list->first;
    if (c) {
        __atomic_store_n(&list->first, c->next, __ATOMIC_RELAXED);
        if (!c->next)
            list->last = NULL;
        list->count--;
    }
    return c;
}

void call_remove(call_list *list, const call *c)
{
    call *before = NULL;
    for (call *at = list->first; at; before = at, at = at->next) {
        if (at != c)
            continue;
        if (before)
            before->next = at->next;
        else
            __atomic_store_n(&list->first, at->next, __ATOMIC_RELAXED);
        if (list->last == at)
            list->last = before;
        list->count--;
        return;
    }
}

void call_linger(const call_list *list)
{
    int64_t until = timebase_monotonic_us() + THREADS_LINGER_US;
    while (!__atomic_load_n(&list->first, __ATOMIC_RELAXED) && timebase_monotonic_us() < until)
        sched_yield(); /* whom we wait for may need this core */
}

void call_free(call *c)
{
    buf_free(&c->request);
    buf_free(&c->response);
    sdf_error_free(c->error);
    free(c);
}

static void call_run(call *c, sdf_worker **worker, runner *r)
{
    const worker_config config = {.store = r->pool->store,
                                  .memory = r->pool->task_memory,
                                  .scratch_dir = r->pool->scratch_dir,
                                  .cancelled = &r->cancelled};
    c->status = SDF_OK;
    c->cold = !*worker;
    if (!*worker)
        c->status = worker_new(&config, worker, &c->error);
    if (c->status)
        return;
    sdf_slice request = buf_slice(&c->request);
    sdf_slice response = {NULL, 0};
    c->status = sdf_worker_invoke(*worker, &request, c->deadline.epoch_ms, &response, &c->error);
    buf_clear(&c->response);
    if (!c->status && buf_append(&c->response, response.data, response.size))
        c->status = error_no_memory(&c->error);
}

/* Locks: p->lock. Hands the call over; true: the driver sleeps and must be woken. */
static bool runner_finish(runner *r, call *c)
{
    pool *p = r->pool;
    bool wake = false;
    if (!c->given_up) {
        c->state = CALL_DONE;
        call_push(&p->done, c);
        wake = p->driver_waits;
        p->driver_waits = false;
    }
    c->runner = NULL;
    if (--c->refs == 0)
        call_free(c);
    return wake;
}

/* Locks: p->lock. A thread that came back after it was given up serves again where it was not replaced. */
static bool runner_stays(runner *r)
{
    pool *p = r->pool;
    if (p->stopping)
        return false;
    if (r->overdue) {
        if (p->serving >= p->places)
            return false;
        r->overdue = false;
        p->serving++;
    }
    return true;
}

/* Locks: p->lock, released while it waits. NULL: the pool stops. */
static call *runner_take(runner *r)
{
    pool *p = r->pool;
    int64_t start_us = p->queue.first ? 0 : timebase_monotonic_us();
    while (!p->stopping && !p->queue.first) {
        r->idle = true;
        r->next_idle = p->idle;
        p->idle = r;
        while (r->idle)
            pthread_cond_wait(&r->awake, &p->lock);
    }
    if (p->stopping)
        return NULL;
    r->linger = !start_us || timebase_monotonic_us() - start_us < THREADS_LONG_US;
    call *c = call_pop(&p->queue);
    c->state = CALL_RUNNING;
    c->runner = r;
    c->refs++;
    __atomic_store_n(&r->cancelled, 0, __ATOMIC_RELAXED);
    return c;
}

static void wake_driver(const pool *p)
{
    uint64_t one = 1;
    ssize_t n = write(p->event, &one, sizeof(one));
    (void)n; /* it fails only when the counter is full, and then the driver wakes anyway */
}

/* Locks: p->lock. The runner moves to those that wait to be joined. */
static void runner_end(runner *r)
{
    pool *p = r->pool;
    runner **at = &p->runners;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->next = p->ended;
    p->ended = r;
    p->alive--;
    if (!r->overdue)
        p->serving--;
    pthread_cond_broadcast(&p->quiet);
}

static void *runner_main(void *arg)
{
    runner *r = arg;
    pool *p = r->pool;
    sdf_worker *worker = NULL;
    bool wake = false;
    pthread_mutex_lock(&p->lock);
    while (runner_stays(r)) {
        if (!p->queue.first && (wake || r->linger)) {
            p->looking++;
            pthread_mutex_unlock(&p->lock);
            if (wake)
                wake_driver(p);
            wake = false;
            if (r->linger)
                call_linger(&p->queue);
            pthread_mutex_lock(&p->lock);
            p->looking--;
        }
        call *c = runner_take(r);
        if (!c)
            break;
        pthread_mutex_unlock(&p->lock);
        if (wake)
            wake_driver(p);
        call_run(c, &worker, r);
        pthread_mutex_lock(&p->lock);
        wake = runner_finish(r, c);
    }
    pthread_mutex_unlock(&p->lock);
    if (wake)
        wake_driver(p);
    sdf_worker_close(worker);
    pthread_mutex_lock(&p->lock);
    runner_end(r);
    pthread_mutex_unlock(&p->lock);
    pool_unref(p);
    return NULL;
}

/* The host's signal handlers are not for our threads; what a fault of the thread itself raises is left alone. */
static void signals_block(sigset_t *old)
{
    sigset_t set;
    sigfillset(&set);
    const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        sigdelset(&set, own[i]);
    pthread_sigmask(SIG_SETMASK, &set, old);
}

/* Locks: p->lock. */
static int runner_start(pool *p, sdf_error **err)
{
    runner *r = calloc(1, sizeof(*r));
    if (!r)
        return error_no_memory(err);
    pthread_cond_init(&r->awake, NULL);
    r->pool = p;
    p->refs++;
    sigset_t old;
    signals_block(&old);
    int number = pthread_create(&r->thread, NULL, runner_main, r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (number) {
        p->refs--;
        pthread_cond_destroy(&r->awake);
        free(r);
        return error_errno(err, number, "a thread of threads:%u could not be started", p->places);
    }
    r->next = p->runners;
    p->runners = r;
    p->alive++;
    p->serving++;
    return SDF_OK;
}

int pool_attend(pool *p, sdf_error **err)
{
    runner *r = p->idle;
    if (p->queue.count <= p->looking)
        return SDF_OK;
    if (r) {
        p->idle = r->next_idle;
        r->idle = false;
        pthread_cond_signal(&r->awake);
        return SDF_OK;
    }
    if (p->serving >= p->places)
        return SDF_OK;
    if (p->alive < p->places + THREADS_HUNG_MAX) {
        sdf_error *why = NULL;
        if (runner_start(p, &why) == SDF_OK)
            return SDF_OK;
        if (p->serving == 0)
            return error_move(err, &why);
        sdf_error_free(why); /* those there are will do */
        return SDF_OK;
    }
    if (p->serving > 0)
        return SDF_OK;
    error_set(err, SDF_E_LIMIT, "%u threads hang in callbacks that do not return; no more are started", p->alive);
    error_hint(err, "find the callback that hangs, or use process:N, which can end a worker");
    return SDF_E_LIMIT;
}

pool *pool_new(uint32_t places, sdf_error **err)
{
    pool *p = calloc(1, sizeof(*p));
    if (!p) {
        error_no_memory(err);
        return NULL;
    }
    p->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->event < 0) {
        error_errno(err, errno, "threads: could not make an eventfd");
        free(p);
        return NULL;
    }
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->quiet, &attr);
    pthread_condattr_destroy(&attr);
    p->places = places;
    p->refs = 1;
    return p;
}

static void runner_free(runner *r)
{
    pthread_cond_destroy(&r->awake);
    free(r);
}

void runners_join(runner *ended)
{
    while (ended) {
        runner *r = ended;
        ended = r->next;
        pthread_join(r->thread, NULL);
        runner_free(r);
    }
}

/* Nobody is left: runners that ended after stop were detached by it. */
static void pool_free(pool *p)
{
    while (p->ended) {
        runner *r = p->ended;
        p->ended = r->next;
        runner_free(r);
    }
    store_unref(p->store);
    free(p->scratch_dir);
    close(p->event);
    pthread_cond_destroy(&p->quiet);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void pool_unref(pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool last = --p->refs == 0;
    pthread_mutex_unlock(&p->lock);
    if (last)
        pool_free(p);
}

static void drop_all(call_list *list)
{
    call *c;
    while ((c = call_pop(list)))
        if (--c->refs == 0)
            call_free(c);
}

/* Waits for the threads to end; not long for those that have been given up already.
 * Locks: p->lock, released while it waits. */
static void pool_wait_quiet(pool *p)
{
    int64_t start_us = timebase_monotonic_us();
    while (p->alive > 0) {
        int64_t until_us = start_us + (p->serving ? THREADS_STOP_GRACE_US : THREADS_HUNG_GRACE_US);
        struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
        if (pthread_cond_timedwait(&p->quiet, &p->lock, &until))
            return;
    }
}

int pool_stop(pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    for (runner *r = p->runners; r; r = r->next) {
        __atomic_store_n(&r->cancelled, 1, __ATOMIC_RELAXED);
        r->idle = false;
        pthread_cond_signal(&r->awake);
    }
    p->idle = NULL;
    drop_all(&p->queue);
    pool_wait_quiet(p);
    drop_all(&p->done);
    int hung = 0;
    for (runner *r = p->runners; r; r = r->next, hung++)
        pthread_detach(r->thread);
    runner *ended = p->ended;
    p->ended = NULL;
    pthread_mutex_unlock(&p->lock);
    runners_join(ended);
    return hung;
}
