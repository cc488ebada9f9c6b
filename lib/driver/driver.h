/* The driver: turns the scheduler's actions into invocations, journal records, deletions and
 * events, and what comes back into the scheduler's events. It owns the commits: which attempt of which task stands for
 * its data, and the transposed index that a consumer's request is made of.
 *
 * Thread: everything here is called on one thread (the context's driver thread; the simulator's only one). Callbacks
 * come on it too. */
#ifndef DRIVER_DRIVER_H
#define DRIVER_DRIVER_H

#include "base/timebase.h"
#include "observe/event.h"
#include "sched/sched.h"
#include "spec/plan.h"
#include "spec/task.h"
#include "store/store.h"
#include "transport/transport.h"

typedef struct driver driver;

typedef struct driver_config {
    transport *transport; /* borrowed; started and stopped by the driver */
    store *store;         /* borrowed */
    const timebase *clock;
    uint64_t context;      /* names its objects */
    uint64_t memory;       /* byte budget of one worker process; divided among its slots */
    uint32_t block_bytes;  /* 0: from the memory of a slot */
    uint64_t inline_limit; /* result or index bytes that may come in a reply */
    const char *scratch_dir;
    int64_t cut_after_ms; /* a resumable task cuts after so long; 0: only near the end of what the transport allows */
    uint64_t cut_records; /* or after so many input records; 0: never */
    sched_config sched;
    void (*on_event)(void *user, sdf_event *e); /* takes e */
    /* A job that did not end well leaves the stage half done, and no other job needs it. Not the job's own stage. */
    void (*on_half_done)(void *user, uint32_t stage);
    void *user;
} driver_config;

/* Checks scope (SDF_E_SCOPE, saying what would fit) and starts the transport. */
int driver_new(const driver_config *config, driver **d, sdf_error **err);

/* Adds a plan's stages. Takes, on success, the plan and the malloc'd array of the pieces of each of its stages (NULL:
 * each task has one piece). The plan is put in the store (or sent inline if small) before the first task of it starts.
 */
int driver_add_plan(driver *d, plan *p, stage_pieces *pieces, sdf_error **err);

/* A value that tasks may read by name (plan_broadcast): put in the store now; removed. */
int driver_put_broadcast(driver *d, uint32_t id, const void *data, size_t size, sdf_error **err);
void driver_drop_broadcast(driver *d, uint32_t id);

/* Accumulators and counts of record errors: sums over the commits that stand. SDF_E_NOT_FOUND; SDF_END. *name is valid
 * until the next step. */
int driver_counter(const driver *d, const char *name, int64_t *value);
int driver_counter_at(const driver *d, size_t i, const char **name, int64_t *value);

/* Adds a stage whose one task the driver has written itself: `object` is a whole shuffle object made with ids {context,
 * stage, 0, 0, 0}; it is put in the store now. */
int driver_add_object(driver *d, uint32_t stage, const void *object, size_t size, sdf_error **err);

/* No job from here on needs the stage: its objects are removed as soon as the jobs that do are over. Unknown ids are
 * fine. */
void driver_drop_stage(driver *d, uint32_t stage);

/* One leg of a finished task of a RESULT stage. */
typedef struct driver_part {
    uint32_t stage, task, leg, legs; /* legs: how many this task has */
    uint64_t attempt, records;
    const void *inline_bytes; /* the whole object, borrowed for the call; NULL: in the store */
    size_t inline_size;
    uint64_t object_bytes;
} driver_part;

/* Counts over the driver's life, or a job's; peak values included. */
typedef struct driver_totals {
    task_metrics tasks_metrics;
    uint64_t jobs, stages, tasks, attempts, failed_attempts;
} driver_totals;

typedef struct driver_job {
    uint32_t id;    /* unique within the context, from 1 */
    uint32_t stage; /* the stage it wants */
    const char *label;
    uint64_t limit;         /* records per task after which it may stop; UINT64_MAX: none */
    const char *output_uri; /* FILE: claimed when the job is submitted, absolute; also gets what operators divert. NULL:
                             * no output */
    bool output_single;
    /* RESULT: each leg of each task, tasks in any order, legs ascending once the task is done. Optional. */
    void (*part)(void *user, const driver_part *part);
    /* Once, at the end: status, the error (taken by the callee), what was done for it while it ran (for others, too);
     * records: that came out of the wanted stage. For FILE output: after _SUCCESS (or after everything was removed). */
    void (*done)(void *user, int status, sdf_error *err, const driver_totals *totals, uint64_t records);
    void *user;
} driver_job;
int driver_submit(driver *d, const driver_job *job, sdf_error **err); /* copied */
void driver_cancel(driver *d, uint32_t job);
bool driver_job_needs(const driver *d, uint32_t job, uint32_t stage); /* of a job that is not done */

/* Runs what can be run and waits at most timeout_ms (-1: until something happens or driver_wake); not at all once a job
 * has ended. */
int driver_step(driver *d, int timeout_ms, sdf_error **err);
void driver_wake(driver *d); /* any thread */
/* Jobs that are not done. */
uint32_t driver_active(const driver *d);
/* Cancels all jobs (their done is called), stops the transport, removes everything under the context's prefix. Returns
 * workers that could not be ended. */
int driver_free(driver *d);

void driver_get_totals(const driver *d, driver_totals *t);

#endif
