/* What threads.c (the driver's side) and threads_pool.c (the threads) share.
 *
 * A pool outlives its transport while a thread hangs in a callback: it is counted by reference, and
 * whoever lets go last frees it. A thread that never returns keeps it for ever, on purpose: freeing
 * memory under a running thread would be worse than the leak, which stop() has counted. */
#ifndef TRANSPORT_THREADS_H
#define TRANSPORT_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sdf/function.h>
#include <sdf/sys/transport.h>

#include "base/buf.h"
#include "store/store.h"
#include "transport/schemes.h"

#define THREADS_HUNG_MAX        16      /* threads given up on that are replaced by fresh ones */
#define THREADS_CANCEL_GRACE_US 2000000 /* a cancelled task that goes on for longer counts as hung */
#define THREADS_STOP_GRACE_US   2000000 /* how long stop waits for running tasks to see that they are cancelled */
#define THREADS_HUNG_GRACE_US   50000   /* and for threads that were given up before */

/* Tasks of a few microseconds would cost more in sleeping and waking than in running. So who waits lingers for a
 * moment before it sleeps, as long as that pays: where a wait turns out long, the next one sleeps at once. */
#define THREADS_LINGER_US 20
#define THREADS_LONG_US   100

typedef enum call_state { CALL_QUEUED, CALL_RUNNING, CALL_DONE } call_state;

struct runner;

/* One invocation. Held by the driver until it is answered and by the thread while it runs. */
typedef struct call {
    struct call *next;           /* in the queue, the list of done or of free ones */
    struct call *before, *after; /* all unanswered ones; the driver's alone */
    struct runner *runner;
    buf request, response;
    sdf_error *error;
    uint64_t id;
    transport_deadline deadline;
    call_state state;
    int refs;
    int status;
    uint32_t cold;
    bool given_up; /* answered while it still runs; the thread drops what comes */
    bool cancelled;
} call;

/* `first` is changed under the lock, and looked at without it by who lingers. */
typedef struct call_list {
    call *first, *last;
    size_t count;
} call_list;

/* A thread with its worker. */
typedef struct runner {
    struct runner *next; /* in one of the pool's two lists */
    struct runner *next_idle;
    struct pool *pool;
    pthread_t thread;
    pthread_cond_t awake;
    bool idle;
    bool linger;
    bool overdue;  /* its call was given up: it doesn't count as serving */
    int cancelled; /* the worker polls it; atomic */
} runner;

typedef struct pool {
    pthread_mutex_t lock; /* guards all below but what is said to be fixed or the driver's */
    pthread_cond_t quiet; /* a thread ended */
    call_list queue, done;
    runner *runners, *idle; /* idle: the one that slept last is first, its caches are warm */
    runner *ended;          /* to be joined */
    uint32_t serving;       /* runners that are not overdue */
    uint32_t looking;       /* runners that linger: each takes a call before it sleeps, if there is one */
    uint32_t alive;         /* runners that have not ended */
    uint32_t refs;
    bool stopping;
    bool driver_waits;    /* cleared by who writes to the eventfd for it */
    int event;            /* eventfd; fixed */
    uint32_t places;      /* N; fixed */
    uint64_t task_memory; /* fixed from start on, as are the next two */
    char *scratch_dir;
    store *store;
} pool;

pool *pool_new(uint32_t places, sdf_error **err);
void pool_unref(pool *p);

/* Locks: the caller holds p->lock. */
void call_push(call_list *list, call *c);
void call_remove(call_list *list, const call *c);
void call_free(call *c);

/* Waits a moment for something in the list. Locks: none. */
void call_linger(const call_list *list);
/* Sees to it that a thread comes for what is queued. SDF_OK, or an error when there is no thread at all and none can be
 * made. */
int pool_attend(pool *p, sdf_error **err);

/* Joins runners taken from pool.ended. Locks: none; they take the pool's to let go of it. */
void runners_join(runner *ended);

/* Ends the threads; returns how many would not. Takes the lock itself. */
int pool_stop(pool *p);

#endif
