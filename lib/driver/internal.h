/* The inside of the driver, shared by the files of this room only. */
#ifndef DRIVER_INTERNAL_H
#define DRIVER_INTERNAL_H

#include "base/error.h"
#include "driver/driver.h"
#include "store/output.h"

/* A plan as workers get it; shared by its stages. */
typedef struct plan_ref {
    plan *plan;
    buf json;
    char hash[33];
    bool stored; /* it is in the store already */
    int refs;
} plan_ref;

/* The winning attempt of one leg: what its consumers, the host or the output need to know. */
typedef struct commit {
    struct commit *next; /* the task's next leg */
    uint32_t leg;
    uint64_t attempt, records, object_bytes, file_bytes;
    char *file_temp, *file_final; /* in `bytes`; NULL: no file */
    uint32_t cut_size, index_size, samples_size, result_size;
    uint8_t bytes[]; /* cut, index, samples, result, then the file names */
} commit;

sdf_slice commit_cut(const commit *c);
sdf_slice commit_index(const commit *c);
sdf_slice commit_samples(const commit *c);
sdf_slice commit_result(const commit *c);
/* From a decoded reply; the side object of a large index is read here. */
int commit_new(driver *d, const task_reply *r, commit **out, sdf_error **err);

#define STAGE_ERRORS 8

typedef struct stage {
    uint32_t id, tasks;
    const plan_stage *spec; /* NULL: a driver-made object */
    plan_ref *plan;
    task_split *splits;
    commit **commits;       /* per task, legs in order */
    uint64_t limit;         /* records per task after which it may stop */
    buf splitters;
    /* What consumers read, by partition: extents of partition p are extents[first[p]] .. [first[p+1]]. Made when
     * first wanted, dropped when a commit changes. */
    task_extent *extents;
    uint32_t *first;
    uint32_t partitions;
    output *output;         /* FILE: the folder being written */
    struct {
        uint64_t attempt;
        sdf_error *error;
    } errors[STAGE_ERRORS]; /* the latest, a ring */
    uint32_t error_next;
    int64_t started_ms;
    uint32_t done;          /* tasks */
    task_metrics metrics;   /* of its commits */
} stage;

typedef struct job {
    driver_job spec;
    char *label;
    uint32_t *stages;       /* ids of what it needs, ancestors included */
    uint32_t stage_count;
    uint32_t tasks_total, tasks_done;
    task_metrics metrics;
    int64_t started_ms, progress_ms;
    struct job *next;
} job;

/* An invocation that the transport has not answered, or whose answer the scheduler has not settled. */
typedef struct attempt {
    uint64_t id;
    uint32_t stage, task, leg;
    buf request;
    char *extents_name;     /* the object that holds the request's extents; goes with the attempt. NULL: none */
    commit *candidate;      /* its outcome, until it wins or is discarded */
    task_metrics metrics;
    uint64_t fingerprint;
    bool answered, discarded;
} attempt;

struct driver {
    driver_config config;
    sdf_transport_limits limits;
    sdf_transport_host host;
    sched *sched;
    stage **stages;         /* by id */
    uint32_t stage_capacity;
    job *jobs;
    attempt **attempts;     /* open addressing by id, power of two */
    uint32_t attempt_capacity, attempt_count;
    sched_event *queue;     /* events on their way to the scheduler: a ring */
    uint32_t queue_head, queue_count, queue_capacity;
    int64_t timer_ms;       /* 0: none */
    char (*garbage)[TASK_NAME_MAX]; /* names to remove at the end of the step */
    uint32_t garbage_count;
    uint64_t slot_memory;
    uint32_t block_bytes;
    uint32_t active;
    driver_totals totals;
    buf scratch;            /* for encoding */
    int failed;             /* not SDF_OK: the scheduler ran out of memory; nothing goes on */
};

/* ---- stages.c ---- */
stage *stage_find(const driver *d, uint32_t id);
int stage_insert(driver *d, stage *s, sdf_error **err);
void stage_remove(driver *d, uint32_t id); /* forgets it, and the object the driver made for it */
void stage_free(stage *s);
void stage_forget_extents(stage *s);
void plan_ref_drop(plan_ref *p);
/* Makes c the commit of its leg (replacing an older one). */
void stage_install(driver *d, stage *s, uint32_t task, commit *c);
void stage_uninstall(stage *s, uint32_t task, uint32_t leg, uint64_t attempt);
void stage_keep_error(stage *s, uint64_t attempt, sdf_error *error); /* takes error */
const sdf_error *stage_error(const stage *s, uint64_t attempt);      /* attempt 0: the latest */
/* The extents of one partition, in fold order. */
int stage_extents(driver *d, stage *s, uint32_t partition, const task_extent **x, uint32_t *count, sdf_error **err);
int stage_bind(driver *d, stage *s, sdf_error **err); /* splitters from the samples of the stage it names */

/* ---- attempts.c ---- */
attempt *attempt_add(driver *d, uint64_t id); /* NULL: no memory */
attempt *attempt_find(const driver *d, uint64_t id);
void attempt_remove(driver *d, attempt *a);

/* ---- launch.c ---- */
void launch_attempt(driver *d, const sched_action *action);

/* ---- outcome.c ---- */
void outcome_done(void *driver, const sdf_invocation_result *result); /* sdf_transport_host.done */
failure_class outcome_class(int status);

/* ---- jobs.c ---- */
job *job_find(const driver *d, uint32_t id);
void job_commit_counted(driver *d, const stage *s, const task_metrics *m); /* a commit was installed */
void job_task_done(driver *d, stage *s, uint32_t task);
void job_task_undone(driver *d, stage *s); /* a task that was done runs again */
void jobs_fail(driver *d, uint32_t stage_id, sdf_error *error); /* all that need the stage; takes error */
void job_progress(driver *d, job *j, bool now);
void job_end(driver *d, job *j, int status, sdf_error *err); /* takes err; removes j */

/* ---- actions.c ---- */
void push_event(driver *d, const sched_event *e);
void pump(driver *d); /* feeds queued events to the scheduler and does what it says, until there are none */
void garbage_add(driver *d, const char *name);
void garbage_flush(driver *d);

int64_t driver_now(const driver *d);
void driver_emit(driver *d, sdf_event *e);

#endif
