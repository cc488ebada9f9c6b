/* What happens on the host's own threads: waiting, and events, which are called back only here. */
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "api/internal.h"

/* This thread is inside a callback of the host's. */
static _Thread_local bool in_callback;

bool context_in_callback(void)
{
    return in_callback;
}

int context_enter(const sdf_context *c, const char *what, sdf_error **err)
{
    if (!c)
        return error_set(err, SDF_E_INVALID, "%s: its context was closed", what);
    if (in_callback) {
        error_set(err, SDF_E_BUSY, "%s: not inside an event callback", what);
        error_hint(err, "note what is to be done, and do it when the call that delivers events has returned");
        return SDF_E_BUSY;
    }
    if (worker_thread_busy()) {
        error_set(err, SDF_E_BUSY, "%s: not inside a function that a task runs", what);
        error_hint(err, "chain transformations instead, and call the action from the host program");
        return SDF_E_BUSY;
    }
    if (c->pid != getpid()) {
        error_set(err, SDF_E_INVALID, "%s: this process was forked from the one that opened the context", what);
        error_hint(err, "open a context of its own after the fork");
        return SDF_E_INVALID;
    }
    return SDF_OK;
}

/* Locks: lock. */
static void signal_jobs(sdf_context *c)
{
    for (sdf_job *job = c->jobs; job; job = job->next)
        if (job->fd >= 0)
            eventfd_write(job->fd, 1);
}

void context_on_driver_event(void *context, sdf_event *e)
{
    sdf_context *c = context;
    pthread_mutex_lock(&c->lock);
    if (c->callback) {
        event_queue_push(c->events, e);
        c->events_wait = true;
        signal_jobs(c);
        pthread_cond_broadcast(&c->changed);
        e = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    event_free(e);
}

/* The descriptors of jobs that run become quiet; one of a job that is done stays readable. Locks: lock. */
static void quiet_jobs(sdf_context *c)
{
    eventfd_t count;
    for (sdf_job *job = c->jobs; job; job = job->next)
        if (job->fd >= 0 && !job->done)
            eventfd_read(job->fd, &count); /* non-blocking */
}

void context_deliver(sdf_context *c)
{
    pthread_mutex_lock(&c->lock);
    sdf_event_fn callback = c->callback;
    void *user = c->callback_user;
    bool any = c->events_wait;
    c->events_wait = false;
    if (any)
        quiet_jobs(c);
    pthread_mutex_unlock(&c->lock);
    for (sdf_event *e; any && (e = event_queue_pop(c->events)); event_free(e)) {
        if (!callback)
            continue;
        in_callback = true;
        callback(e, user);
        in_callback = false;
    }
}

bool context_wait(sdf_context *c, int64_t deadline_us)
{
    if (deadline_us < 0)
        return pthread_cond_wait(&c->changed, &c->lock) == 0;
    struct timespec until = {deadline_us / 1000000, deadline_us % 1000000 * 1000};
    return pthread_cond_timedwait(&c->changed, &c->lock, &until) != ETIMEDOUT;
}

void sdf_context_on_event(sdf_context *context, sdf_event_fn callback, void *user)
{
    if (!context)
        return;
    pthread_mutex_lock(&context->lock);
    context->callback = callback;
    context->callback_user = user;
    pthread_mutex_unlock(&context->lock);
}
