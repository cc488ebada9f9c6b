/* The driver thread of a context: it owns the driver, runs what the mailbox asks, steps, and tells the host's threads
 * which jobs are over. It never calls the host, and sleeps only in the transport's poll. */
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/internal.h"

#define TABLE_SHARE            32 /* a table of short records takes many times their bytes, and is not alone in a task */
#define DEFAULT_PARTITIONS_MAX 1000 /* beyond, a host should mean it: a shuffle costs (maps x partitions) blocks */

void context_job_ended(sdf_context *c, sdf_job *job)
{
    job->next_ended = c->ended;
    c->ended = job;
}

static bool append_u32(uint32_t **list, uint32_t *count, uint32_t *room, uint32_t value)
{
    if (*count == *room) {
        uint32_t more = *room ? *room * 2 : 16;
        uint32_t *grown = realloc(*list, more * sizeof *grown);
        if (!grown)
            return false;
        *list = grown;
        *room = more;
    }
    (*list)[(*count)++] = value;
    return true;
}

/* A failed job has left the stage half done. Its splits may be of files that have changed by the time it is wanted
 * again, so it is planned anew then. */
static void on_half_done(void *context, uint32_t stage)
{
    sdf_context *c = context;
    pthread_mutex_lock(&c->lock);
    append_u32(&c->lost, &c->lost_count, &c->lost_room, stage); /* without memory: it is tried as it is */
    pthread_mutex_unlock(&c->lock);
}

/* Makes ended jobs visible as such, after all their events. */
static void context_settle(sdf_context *c)
{
    if (!c->ended)
        return;
    pthread_mutex_lock(&c->lock);
    while (c->ended) {
        sdf_job *job = c->ended;
        c->ended = job->next_ended;
        if (c->broken && job->status) {
            sdf_error_free(job->error);
            job->error = error_copy(c->broken);
            job->status = sdf_error_code(c->broken);
        }
        c->elapsed_ms += job->elapsed_ms;
        job->done = true;
        if (job->fd >= 0)
            eventfd_write(job->fd, 1);
        api_job_unref(job);
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the mailbox ---- */

static void run_command(sdf_context *c, command *x)
{
    x->rc = c->broken && !x->looks ? error_move(&x->error, &(sdf_error *){error_copy(c->broken)})
                                   : x->work(c, x->arg, &x->error);
    context_settle(c);
    pthread_mutex_lock(&c->lock);
    x->done = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void run_mailbox(sdf_context *c)
{
    pthread_mutex_lock(&c->lock);
    command *list = c->commands;
    c->commands = NULL;
    c->last_command = &c->commands;
    uint32_t *drops = c->drops, drop_count = c->drop_count;
    c->drops = NULL;
    c->drop_count = c->drop_room = 0;
    pthread_mutex_unlock(&c->lock);
    while (list) {
        command *next = list->next; /* the asker frees it once it is done */
        run_command(c, list);
        list = next;
    }
    for (uint32_t i = 0; i < drop_count && !c->broken; i++)
        driver_drop_stage(c->driver, drops[i]);
    free(drops);
}

static int context_ask(sdf_context *c, command *x, sdf_error **err)
{
    if (c->pid != getpid())
        return error_set(err, SDF_E_INVALID, "this process was forked from the one that opened the context");
    pthread_mutex_lock(&c->lock);
    if (c->closing) {
        pthread_mutex_unlock(&c->lock);
        return error_set(err, SDF_E_CANCELLED, "the context is being closed");
    }
    *c->last_command = x;
    c->last_command = &x->next;
    if (c->broken)
        pthread_cond_broadcast(&c->changed); /* the driver thread waits there, not in poll */
    else
        driver_wake(c->driver);
    while (!x->done)
        context_wait(c, -1);
    pthread_mutex_unlock(&c->lock);
    error_move(err, &x->error);
    return x->rc;
}

int context_call(sdf_context *c, int (*work)(sdf_context *c, void *arg, sdf_error **err), void *arg, sdf_error **err)
{
    return context_ask(c, &(command){.work = work, .arg = arg}, err);
}

int context_look(sdf_context *c, int (*work)(sdf_context *c, void *arg, sdf_error **err), void *arg, sdf_error **err)
{
    return context_ask(c, &(command){.work = work, .arg = arg, .looks = true}, err);
}

void context_drop_stage(void *context, uint32_t stage)
{
    sdf_context *c = context;
    pthread_mutex_lock(&c->lock);
    append_u32(&c->drops, &c->drop_count, &c->drop_room, stage); /* without memory: it goes with the context */
    for (uint32_t i = 0; i < c->lost_count; i++)
        if (c->lost[i] == stage)
            c->lost[i--] = c->lost[--c->lost_count];
    if (!c->broken)
        driver_wake(c->driver);
    pthread_mutex_unlock(&c->lock);
}

/* ---- the thread ---- */

static int make_driver(sdf_context *c, sdf_error **err)
{
    const settings *s = &c->settings;
    driver_config config = {
        .transport = c->transport,
        .store = c->store,
        .clock = &timebase_real,
        .context = c->id,
        .memory = s->memory,
        .block_bytes = (uint32_t)s->block_bytes,
        .inline_limit = s->inline_limit,
        .scratch_dir = c->scratch,
        .cut_after_ms = s->cut_after,
        .cut_records = s->cut_records,
        .on_event = context_on_driver_event,
        .on_half_done = on_half_done,
        .user = c,
    };
    sched_config_init(&config.sched);
    config.sched.seed = rng_seed();
    config.sched.concurrency = (uint32_t)s->concurrency;
    config.sched.retries = (uint32_t)s->retries;
    config.sched.reruns = (uint32_t)s->reruns;
    config.sched.task_timeout_ms = s->task_timeout;
    config.sched.backoff_ms = s->backoff;
    int rc = driver_new(&config, &c->driver, err);
    if (rc)
        return rc;
    sdf_transport_limits limits = {.struct_size = sizeof limits};
    rc = c->transport->ops->limits(c->transport->self, &limits, err);
    c->workers = limits.scope;
    uint64_t at_once = limits.concurrency;
    if (s->concurrency && s->concurrency < at_once)
        at_once = s->concurrency;
    c->concurrency = (uint32_t)at_once;
    c->table_bytes = s->memory / (limits.slots_per_process ? limits.slots_per_process : 1) / TABLE_SHARE;
    if (at_once > DEFAULT_PARTITIONS_MAX / 2)
        at_once = DEFAULT_PARTITIONS_MAX / 2;
    c->default_partitions = s->partitions ? (uint32_t)s->partitions : (uint32_t)(at_once ? 2 * at_once : 1);
    return rc;
}

static uint32_t running_job(sdf_context *c)
{
    uint32_t id = 0;
    pthread_mutex_lock(&c->lock);
    for (const sdf_job *job = c->jobs; job && !id; job = job->next)
        id = job->done ? 0 : job->id;
    pthread_mutex_unlock(&c->lock);
    return id;
}

/* Ends the jobs whose results can't be kept: what they would still compute is of no use. */
static void cancel_spoiled(sdf_context *c)
{
    uint32_t id;
    do {
        id = 0;
        pthread_mutex_lock(&c->lock);
        for (const sdf_job *job = c->jobs; job && !id; job = job->next)
            id = !job->done && job->part_error ? job->id : 0;
        pthread_mutex_unlock(&c->lock);
        if (id)
            driver_cancel(c->driver, id);
        context_settle(c);
    } while (id);
    c->spoiled = false;
}

static void cancel_all(sdf_context *c)
{
    for (uint32_t id; (id = running_job(c));) {
        driver_cancel(c->driver, id);
        context_settle(c);
    }
}

/* Nothing goes on: what runs fails with the reason, and so does what is asked from now on. */
static void context_break(sdf_context *c, sdf_error *why)
{
    pthread_mutex_lock(&c->lock);
    c->broken = why;
    pthread_mutex_unlock(&c->lock);
    cancel_all(c);
}

static void wait_broken(sdf_context *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->closing && !c->commands)
        context_wait(c, -1);
    pthread_mutex_unlock(&c->lock);
}

static void run_driver(sdf_context *c)
{
    for (;;) {
        pthread_mutex_lock(&c->lock);
        bool closing = c->closing;
        pthread_mutex_unlock(&c->lock);
        if (closing)
            return;
        run_mailbox(c);
        if (c->broken) {
            wait_broken(c);
            continue;
        }
        sdf_error *err = NULL;
        int rc = driver_step(c->driver, -1, &err);
        context_settle(c);
        if (c->spoiled)
            cancel_spoiled(c);
        broadcasts_bury(c);
        if (rc) {
            if (!err)
                error_set(&err, rc, "the transport \"%s\" failed", c->transport->uri);
            context_break(c, err);
        }
    }
}

typedef struct starting {
    sdf_context *context;
    sdf_error *error;
    int rc;
} starting;

static void *driver_main(void *arg)
{
    starting *start = arg;
    sdf_context *c = start->context;
    pthread_setname_np(pthread_self(), "sdf-driver");
    int rc = make_driver(c, &start->error);
    pthread_mutex_lock(&c->lock);
    start->rc = rc;
    c->started = true;
    pthread_cond_broadcast(&c->changed); /* `start` is gone once this is seen */
    pthread_mutex_unlock(&c->lock);
    if (rc && !c->driver)
        return NULL;
    if (!rc)
        run_driver(c);
    run_mailbox(c); /* what came before the close: nobody may wait for ever */
    cancel_all(c);
    c->leaked_workers = driver_free(c->driver);
    return NULL;
}

/* The host's signals stay with the host's threads. */
static int thread_start(sdf_context *c, starting *start)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&c->thread, NULL, driver_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int context_start(sdf_context *c, sdf_error **err)
{
    starting start = {.context = c};
    int rc = thread_start(c, &start);
    if (rc)
        return error_errno(err, rc, "can't start the driver's thread");
    pthread_mutex_lock(&c->lock);
    while (!c->started)
        context_wait(c, -1);
    pthread_mutex_unlock(&c->lock);
    if (!start.rc)
        return SDF_OK;
    pthread_join(c->thread, NULL);
    c->started = false;
    return error_move(err, &start.error);
}

void context_stop(sdf_context *c)
{
    if (!c->started)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_broadcast(&c->changed);
    if (!c->broken)
        driver_wake(c->driver);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
}
