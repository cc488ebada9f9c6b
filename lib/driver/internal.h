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
    bool stored;  /* it is in the store already, and goes with its last stage */
    uint32_t job; /* that it was made for: its output is where its stages' tasks write; 0: not submitted yet */
    int refs;
} plan_ref;

/* A named sum over commits. */
typedef struct counter {
    uint64_t commits; /* that are in it; 0: it is not seen */
    int64_t value;
    char name[];
} counter;

typedef struct commit_counter {
    counter *of;
    int64_t value;
} commit_counter;

/* The parts of a commit whose size varies, in this order. */
typedef enum commit_part {
    COMMIT_FILE_TEMP,
    COMMIT_FILE_FINAL,
    COMMIT_ERRORS_TEMP,
    COMMIT_ERRORS_FINAL,
    COMMIT_CUT,
    COMMIT_INDEX,
    COMMIT_SAMPLES,
    COMMIT_RESULT, /* last: dropped once it has been handed out */
    COMMIT_PARTS
} commit_part;

/* The winning attempt of one leg: what its consumers, the host or the output need to know. */
typedef struct commit {
    struct commit *next; /* the task's next leg */
    uint32_t leg;
    bool index_stored; /* its index is an object too */
    uint64_t attempt, records, object_bytes, file_bytes;
    uint64_t errors_bytes, errors_records; /* of the file of diverted records */
    uint64_t record_errors;                /* skipped ones, too */
    uint32_t sizes[COMMIT_PARTS];
    uint32_t counter_count;
    commit_counter counters[]; /* then the parts */
} commit;

sdf_slice commit_get(const commit *c, commit_part part);
const char *commit_text(const commit *c, commit_part part); /* NULL: none */
commit *commit_without_result(commit *c);                   /* the same, smaller */
/* From a decoded reply; the side object of a large index is read here. */
int commit_new(driver *d, const task_reply *r, commit **out, sdf_error **err);

typedef struct stage {
    uint32_t id, tasks;
    const plan_stage *spec; /* NULL: a driver-made object */
    plan_ref *plan;
    stage_pieces pieces;
    uint32_t *parents; /* what it reads: each stage once */
    uint32_t parent_count;
    bool indexes;     /* it numbers records: bound_by says where each partition begins */
    bool complete;    /* all its tasks were done, once, and no job that wanted it failed to make use of it */
    bool final;       /* a job had of it what it wanted: what it has counted stands */
    bool unneeded;    /* it was dropped: it goes with the last of the jobs that still read it */
    commit **commits; /* per task, legs in order */
    uint64_t limit;   /* records per task after which it may stop */
    buf splitters;
    /* What consumers read, by partition: extents of partition p are extents[first[p]] .. [first[p+1]], and before[p]
     * records are in the partitions before it. Made when first wanted, dropped when a commit changes. */
    task_extent *extents;
    uint32_t *first;
    uint64_t *before;
    uint32_t partitions;
    int64_t started_ms;
    uint32_t done;        /* tasks */
    task_metrics metrics; /* of its commits */
} stage;

typedef struct job {
    driver_job spec;
    char *label;
    output *output;   /* claimed; NULL: none */
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
    char *pieces_name;  /* the object that holds the request's pieces, until then; NULL: none */
    commit *candidate;  /* its outcome, until it wins or is discarded */
    task_metrics metrics;
    sdf_error *error; /* why it failed, until the scheduler has heard of it */
    bool ran;         /* a worker may have begun it */
    bool writes;      /* it was given a token, of an output */
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
    counter **counters; /* by name */
    uint32_t counter_count, counter_room;
    uint64_t slot_memory;
    uint32_t block_bytes;
    uint32_t active;
    driver_totals totals;
    int failed; /* not SDF_OK: the scheduler ran out of memory; nothing goes on */
};

/* ---- stages.c ---- */
stage *stage_find(const driver *d, uint32_t id);
/* A stage in the driver's tables. ref: shared. tasks, spec and pieces as the plan has them; spec NULL: made by the
 * driver. pieces are left to the caller when it fails. */
int stage_new(driver *d, uint32_t id, uint32_t tasks, const plan_stage *spec, plan_ref *ref, stage **out,
              sdf_error **err);
void stage_remove(driver *d, uint32_t id); /* forgets it, and the object the driver made for it */
void stage_free(driver *d, stage *s);
void plan_ref_drop(driver *d, plan_ref *p);
/* Makes c the commit of its leg (replacing an older one). */
void stage_install(driver *d, stage *s, uint32_t task, commit *c);
void stage_uninstall(driver *d, stage *s, uint32_t task, uint32_t leg, uint64_t attempt);
const commit *stage_commit(const stage *s, uint32_t task, uint32_t leg, uint64_t attempt); /* NULL: not the commit */
int stage_bind(driver *d, stage *s, sdf_error **err); /* splitters from the samples of the stage it names */

/* ---- extents.c ---- */
void stage_forget_extents(stage *s);
/* Does the index of a shuffle's task fit the stage? */
int stage_check_index(const stage *s, const commit *c, sdf_error **err);
/* The extents of one partition, in fold order. */
int stage_extents(stage *s, uint32_t partition, const task_extent **x, uint32_t *count, sdf_error **err);
/* Records in the partitions before it. */
int stage_records_before(stage *s, uint32_t partition, uint64_t *records, sdf_error **err);

/* ---- pieces.c ---- */
/* What a task reads, into q's pieces and sides: names and extents stay the stages', only read while encoding. */
int pieces_fill(driver *d, const stage *s, uint32_t task, task_request *q, sdf_error **err);
void pieces_release(task_request *q);

/* ---- sums.c ---- */
int sum_named(driver *d, const char *name, counter **out, sdf_error **err); /* made if it is not there */
void driver_counters_add(const commit *c, bool take_back);
void driver_counters_free(driver *d);

/* ---- job_output.c ---- */
int job_output_claim(driver *d, job *j, sdf_error **err); /* SDF_OK where the job has no output */
#define OUTPUT_TOKEN_MAX 48
/* The token of the output in which this stage's tasks write; "": there is none, or no longer. */
void job_output_token(const driver *d, const stage *s, char token[OUTPUT_TOKEN_MAX]);
/* Publishes what was committed for the job and makes the output whole; when that fails nothing is left of it. */
int job_output_complete(driver *d, job *j, sdf_error **err);

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
bool jobs_need(const driver *d, uint32_t stage);                       /* any of them */
void jobs_count(driver *d, uint32_t stage, const driver_totals *more); /* for the driver, and all that need the stage */
void jobs_uncount_errors(driver *d, uint32_t stage, uint64_t record_errors); /* of a commit that stands no longer */
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
