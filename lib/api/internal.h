/* The inside of contexts, jobs and results, shared by the files of this room only.
 *
 * Two threads meet here: the host's (one at a time per context) and the context's driver thread, which owns the driver
 * and calls nothing of the host's. They talk through a mailbox of commands and through what `lock` guards.
 *
 * Locks: `lineage` (handles, nodes, planning; held while a job is submitted; never taken by the driver thread), then
 * `lock` (everything else that both touch; never held while a store, a file or the host is called). */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <sdf/action.h>
#include <sdf/shared.h>

#include "api/config.h"
#include "base/error.h"
#include "driver/driver.h"
#include "expr/expr.h"
#include "plan/planner.h"
#include "shuffle/run.h"
#include "worker/worker.h"

/* Something the driver thread is asked to do; the asker waits. */
typedef struct command {
    struct command *next;
    int (*work)(sdf_context *context, void *arg, sdf_error **err);
    void *arg;
    sdf_error *error;
    int rc;
    bool looks; /* it changes nothing: to be run also when the driver is broken */
    bool done;
} command;

/* A value for all tasks whose name was given up; it goes with the last job that may read it. */
typedef struct dead_broadcast {
    uint32_t id;
    uint32_t jobs; /* those numbered below may */
} dead_broadcast;

struct sdf_rdd {
    sdf_context *context;
    node *node;
    sdf_rdd *previous, *next; /* of the context's handles */
};

struct sdf_context {
    sdf_config *config;
    settings settings;
    pid_t pid; /* that opened it: a forked child must not use it */
    uint64_t id;
    store *store;
    transport *transport;
    char *scratch; /* a private folder, made and removed by the context */
    uint32_t default_partitions;
    uint32_t concurrency; /* tasks that run at once */
    uint64_t table_bytes; /* of a side of a join that a task's memory surely holds as a table */
    uint32_t workers;     /* an sdf_scope: where the transport's workers are */
    pthread_t thread;

    /* driver thread only */
    driver *driver;
    sdf_job *ended; /* jobs that are over but not yet told: see context_settle */
    bool spoiled;   /* a job that runs can't keep its result: it is of no use any more */

    pthread_mutex_t lineage;
    sdf_rdd *handles;
    uint32_t next_node, next_stage, next_job, next_broadcast;
    plan_broadcast *broadcasts;
    uint32_t broadcast_count, broadcast_room;
    char *counter_name; /* lent by sdf_context_accumulator_at */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a command is done, a job, a part somebody waits for; an event is there */
    command *commands, **last_command;
    uint32_t *drops; /* stages that nobody needs any more */
    uint32_t drop_count, drop_room;
    uint32_t *lost; /* stages of failed jobs that are not complete: planned anew when next wanted */
    uint32_t lost_count, lost_room;
    dead_broadcast *dead;
    uint32_t dead_count, dead_room;
    bool started, closing;
    sdf_error *broken; /* why the driver can't go on; written by the driver thread */
    sdf_job *jobs;
    sdf_result *results;
    sdf_event_fn callback;
    void *callback_user;
    event_queue *events;
    bool events_wait;
    uint64_t inline_held; /* bytes of results kept in this process */
    uint64_t elapsed_ms;  /* of finished jobs */
    int leaked_workers;   /* that could not be ended at close */
};

/* One leg of a task's result. */
typedef struct result_part {
    uint32_t stage, task, leg, legs;
    uint64_t attempt, records;
    void *bytes; /* the object, or NULL: none (no records), or in the store */
    size_t size;
    uint64_t object_bytes;
} result_part;

struct sdf_result {
    sdf_context *context; /* NULL: it was closed */
    sdf_result *previous, *next;
    char *key_type, *value_type;
    uint32_t *stages; /* whose data this is, dropped with the result */
    uint32_t stage_count;
    /* under the context's lock while a job still fills it */
    result_part *parts;
    uint32_t part_count, part_room;
    uint32_t first_task, tasks;
    uint32_t *by_task; /* 1 + the part of a task's first leg; 0: not there yet */
    uint32_t awaited;  /* 1 + the task (counted from 0) that a reader waits for; 0: none */
    /* the reader's */
    sdf_job *job; /* iterate: that still produces it; owned */
    uint32_t task, leg;
    bool open;     /* the reader is at that task's leg */
    uint64_t left; /* records still to hand out (take); UINT64_MAX: all */
    struct part_reader *reader;
    sdf_batch batch;
};

struct sdf_job {
    sdf_context *context;     /* NULL: it was closed */
    sdf_job *previous, *next; /* of the context's jobs, from submission to the host's sdf_job_free; under lock */
    int refs;                 /* the host's, the driver thread's; under lock */
    uint32_t id, target;
    plan_output_kind output;
    node *node;         /* keeps the lineage; lineage lock */
    int fd;             /* eventfd or -1 */
    sdf_result *sink;   /* RESULT: where parts go while it runs */
    sdf_result *result; /* the same, owned, until the host takes it */
    sdf_job *next_ended;
    bool done;
    int status;
    sdf_error *error;
    sdf_error *part_error; /* the first failure to keep a part */
    uint64_t records;
    int64_t started_us;
    uint64_t elapsed_ms;
    driver_totals totals;
};

/* ---- engine.c: the driver thread and its mailbox ---- */
int context_start(sdf_context *c, sdf_error **err);
void context_stop(sdf_context *c);
/* Has the driver thread run a function and waits for it. SDF_E_CANCELLED when the context is being closed,
 * SDF_E_INVALID in a forked child, where that thread is not. */
int context_call(sdf_context *c, int (*work)(sdf_context *c, void *arg, sdf_error **err), void *arg, sdf_error **err);
/* The same for looking only: also when the driver can't go on. */
int context_look(sdf_context *c, int (*work)(sdf_context *c, void *arg, sdf_error **err), void *arg, sdf_error **err);
void context_drop_stage(void *context, uint32_t stage); /* any of the host's threads; soon */
void context_job_ended(sdf_context *c, sdf_job *job);   /* driver thread: tell the host at the end of the step */

/* ---- wait.c: events and waiting on the host's thread ---- */
/* SDF_E_BUSY inside a callback or a function of a task; SDF_E_INVALID after a fork or a close. `what` begins the
 * message. */
int context_enter(const sdf_context *c, const char *what, sdf_error **err);
bool context_in_callback(void);                            /* is this thread in a callback of the host's? */
void context_on_driver_event(void *context, sdf_event *e); /* driver thread; takes e */
void context_deliver(sdf_context *c);
/* With the lock held: waits for `changed`, at most until deadline_us (monotonic; negative: for ever). false: the time
 * is over. */
bool context_wait(sdf_context *c, int64_t deadline_us);

/* ---- handles.c ---- */
sdf_rdd *handle_new(sdf_context *c, const node_spec *spec); /* spec->id is set here; NULL: no memory */
/* One made from `parent`; NULL for NULL. */
sdf_rdd *handle_from(sdf_rdd *parent, node_spec *spec);
/* The same, and lets go of the parent: a step of several that the host sees as one. */
sdf_rdd *handle_then(sdf_rdd *parent, node_spec *spec);
/* One made from several: NULL if one of them is; one that carries an error if their contexts differ, or none is given.
 */
sdf_rdd *handle_from_all(sdf_rdd *const *parents, size_t count, node_spec *spec);
/* parent, projected; `project` lives on. UNELEMENT and UNVALUE give records of these types (else NULL). */
sdf_rdd *handle_project(sdf_rdd *parent, const char *operation, plan_project project, const char *key_type,
                        const char *value_type);
/* Copies a host's struct of options of this or another version; fields it lacks are 0, as everything is where options
 * is NULL. */
void options_copy(void *to, size_t size, const void *options, const char *what, sdf_error **err);
/* A handle's error, or that there is none: what an action begins with. */
int handle_check(const sdf_rdd *rdd, const char *what, sdf_error **err);

/* ---- options.c: what sources and sinks have in common ---- */
/* One byte of an option; `otherwise` where the host's struct is too old to have it is the caller's business. */
int option_byte(const char *what, uint32_t value, uint8_t *byte, sdf_error **err);
/* Names with commas between them as a plan has them: '\n' between them, malloc'd; blanks around a name go. */
int option_columns(const char *text, char **columns, sdf_error **err);

/* ---- save.c ---- */
/* Checks where and how to save and fills in the action, which save_end gives back. */
int save_begin(const sdf_context *c, const char *uri, const sdf_save_options *options, planner_action *action,
               sdf_error **err);
void save_end(planner_action *action);

/* ---- action.c ---- */
/* The place for what an action gives is missing. */
int action_no_place(const char *what, sdf_error **err);
/* Collects what `rdd` holds and lets go of it, whatever happens. NULL: memory was out. key: only the partition that it
 * would be in, where that is known; NULL: all. */
int action_collect(sdf_rdd *rdd, const char *what, const sdf_slice *key, sdf_result **result, sdf_error **err);

/* ---- job.c ---- */
typedef struct job_spec {
    planner_action action;
    const char *name; /* "collect" */
    uint64_t limit;   /* records per task */
} job_spec;
/* Plans and submits. *partitions (may be NULL): of the collection. */
int api_job_submit(sdf_context *c, node *target, const job_spec *spec, uint32_t *partitions, sdf_job **job,
                   sdf_error **err);
void api_job_unref(sdf_job *job);  /* lock held */
void api_job_detach(sdf_job *job); /* the context goes */
/* Of a job that is done: SDF_OK, or what it failed with. */
int api_job_status(const sdf_job *job, sdf_error **err);
/* Delivers events until the job is done or the time is over. */
int api_job_wait(sdf_job *job, int64_t timeout_ms, sdf_error **err);

/* ---- result.c ---- */
sdf_result *result_new(sdf_context *c, const char *key_type, const char *value_type, uint32_t first_task,
                       uint32_t tasks);
/* Driver thread: keeps what came back, here or in the store. */
int result_add(sdf_result *r, const driver_part *part, sdf_error **err);
/* Appends the tasks of `from` to `to` (take). */
int result_absorb(sdf_result *to, sdf_result *from);
uint64_t result_records(const sdf_result *r);
void result_detach(sdf_result *r);

/* ---- shared.c ---- */
/* Driver thread: removes values that no job may read any more. */
void broadcasts_bury(sdf_context *c);
void broadcasts_release(sdf_context *c);

/* ---- reader.c: the records of one part ---- */
typedef struct part_reader part_reader;
int part_reader_new(sdf_context *c, const sdf_result *r, part_reader **out, sdf_error **err);
int part_reader_open(part_reader *rd, const result_part *part, sdf_error **err);
int part_reader_next(part_reader *rd, sdf_batch *batch, sdf_error **err); /* SDF_OK, SDF_END, or an error */
void part_reader_free(part_reader *rd);

/* ---- expr.c ---- */
/* An expression as the rooms below know it, NULL for NULL. */
static inline expr *expr_of(const sdf_expr *e)
{
    return (expr *)(uintptr_t)e;
}

/* ---- metric.c ---- */
int metric_find(const char *name, const driver_totals *t, uint64_t elapsed_ms, uint64_t *value);

planner_config context_planner(sdf_context *c); /* lineage lock held while it is used */

#endif
