/* The inside of the driver, shared by the files of this room only. */
#ifndef DRIVER_INTERNAL_H
#define DRIVER_INTERNAL_H

#include "base/error.h"
#include "base/idmap.h"
#include "driver/driver.h"
#include "store/output.h"

/* A plan as workers get it; shared by its stages. */
typedef struct plan_ref {
    plan *plan;
    buf json;
    char hash[33];
    bool stored; /* it is in the store already, and goes with its last stage */
    int refs;
} plan_ref;

/* The winning attempt of one leg: what its consumers, the host or the output need to know. */
typedef struct commit {
    struct commit *next; /* the task's next leg */
    uint32_t leg;
    uint64_t attempt, records, object_bytes, file_bytes;
    char *file_temp, *file_final; /* in `bytes`; NULL: no file */
    bool index_stored;            /* its index is an object too */
    uint32_t cut_size, index_size, samples_size, result_size;
    uint8_t bytes[]; /* cut, index, samples, result, then the file names */
} commit;

sdf_slice commit_cut(const commit *c);
sdf_slice commit_index(const commit *c);
sdf_slice commit_samples(const commit *c);
sdf_slice commit_result(const commit *c);
/* From a decoded reply; the side object of a large index is read here. */
int commit_new(driver *d, const task_reply *r, commit **out, sdf_error **err);

typedef struct stage {
    uint32_t id, tasks;
    const plan_stage *spec; /* NULL: a driver-made object */
    plan_ref *plan;
    task_split *splits;
    commit **commits; /* per task, legs in order */
    uint64_t limit;   /* records per task after which it may stop */
    buf splitters;
    /* What consumers read, by partition: extents of partition p are extents[first[p]] .. [first[p+1]]. Made when
     * first wanted, dropped when a commit changes. */
    task_extent *extents;
    uint32_t *first;
    uint32_t partitions;
    output *output; /* FILE: the folder being written */
    int64_t started_ms;
    uint32_t done;        /* tasks */
    task_metrics metrics; /* of its commits */
} stage;

typedef struct job {
    driver_job spec;
    char *label;
    uint32_t *stages; /* ids of what it needs, ancestors included */
    uint32_t stage_count, stage_room;
    idmap needs; /* the same, to look one up */
    uint32_t tasks_total, tasks_done;
    driver_totals totals;
    int64_t started_ms, progress_ms;
    struct job *next;
} job;

/* An attempt from its launch to its end: it became a commit, or was discarded and answered. */
typedef struct attempt {
    uint64_t id;
    uint32_t stage, task, leg;
    uint32_t partition; /* the task's number in requests and names */
    buf request;        /* until it is answered */
    char *extents_name; /* the object that holds the request's extents, until then; NULL: none */
    commit *candidate;  /* its outcome, until it wins or is discarded */
    task_metrics metrics;
    sdf_error *error; /* why it failed, until the scheduler has heard of it */
    bool ran;         /* a worker may have begun it */
    bool answered, stopped, discarded;
} attempt;

struct driver {
    driver_config config;
    sdf_transport_limits limits;
    sdf_transport_host host;
    sched *sched;
    idmap stages; /* by id */
    job *jobs;
    idmap attempts;     /* by id */
    sched_event *queue; /* events on their way to the scheduler: a ring */
    uint32_t queue_head, queue_count, queue_capacity;
    int64_t timer_ms;               /* 0: none */
    char (*garbage)[TASK_NAME_MAX]; /* names to remove at the end of the step */
    uint32_t garbage_count;
    uint64_t slot_memory;
    uint32_t block_bytes;
    uint32_t active;
    driver_totals totals;
    int failed; /* not SDF_OK: the scheduler ran out of memory; nothing goes on */
};

/* ---- stages.c ---- */
stage *stage_find(const driver *d, uint32_t id);
int stage_insert(driver *d, stage *s, sdf_error **err);
void stage_remove(driver *d, uint32_t id); /* forgets it, and the object the driver made for it */
void stage_free(driver *d, stage *s);
void stage_forget_extents(stage *s);
void plan_ref_drop(driver *d, plan_ref *p);
/* Makes c the commit of its leg (replacing an older one). */
void stage_install(driver *d, stage *s, uint32_t task, commit *c);
void stage_uninstall(stage *s, uint32_t task, uint32_t leg, uint64_t attempt);
const commit *stage_commit(const stage *s, uint32_t task, uint32_t leg, uint64_t attempt); /* NULL: not the commit */
/* Does the index of a shuffle's task fit the stage? */
int stage_check_index(const stage *s, const commit *c, sdf_error **err);
/* The extents of one partition, in fold order. */
int stage_extents(driver *d, stage *s, uint32_t partition, const task_extent **x, uint32_t *count, sdf_error **err);
int stage_bind(driver *d, stage *s, sdf_error **err); /* splitters from the samples of the stage it names */

/* ---- attempts.c ---- */
attempt *attempt_add(driver *d, uint64_t id); /* NULL: no memory */
attempt *attempt_find(const driver *d, uint64_t id);
void attempt_remove(driver *d, attempt *a);
/* Nobody works on it any more: what only its worker needed goes. */
void attempt_answered(driver *d, attempt *a);
/* It failed: keeps the error until the scheduler has dealt with it, and tells it. Takes error. */
void attempt_failed(driver *d, attempt *a, sched_event *e, sdf_error *error);
void attempt_emit_failed(driver *d, const attempt *a, const sdf_error *error, failure_class failure);

/* ---- launch.c ---- */
void launch_attempt(driver *d, const sched_action *action);

/* ---- outcome.c ---- */
void outcome_done(void *driver, const sdf_invocation_result *result); /* sdf_transport_host.done */
failure_class outcome_class(int status);

/* ---- jobs.c ---- */
job *job_find(const driver *d, uint32_t id);
void jobs_count(driver *d, uint32_t stage, const driver_totals *more); /* for the driver, and all that need the stage */
void job_task_done(driver *d, stage *s, uint32_t task);
void job_task_undone(driver *d, stage *s);                      /* a task that was done runs again */
void jobs_fail(driver *d, uint32_t stage_id, sdf_error *error); /* all that need the stage; takes error */
void job_end(driver *d, job *j, int status, sdf_error *err);    /* takes err; removes j */

/* ---- actions.c ---- */
void push_event(driver *d, const sched_event *e);
void pump(driver *d); /* feeds queued events to the scheduler and does what it says, until there are none */
void garbage_add(driver *d, const char *name);

int64_t driver_now(const driver *d);
void driver_emit(driver *d, sdf_event *e);

#endif
