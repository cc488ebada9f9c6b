/* The scheduler: a pure state machine over stages, tasks and attempts. (state, event, now) -> actions. It knows no
 * socket, thread or clock, allocates nothing per event beyond its tables, and given the same seed and
 * events does the same thing, byte for byte.
 *
 * Stages form a graph; a job is a wish for one stage. Stages outlive jobs, so that a second job finds them done.
 * A commit becomes visible in three steps: COMMITTED outcome -> action JOURNAL -> event JOURNALED. Only then do
 * consumers start. The first outcome of a (task, leg) that gets there wins; later ones are DISCARDed.
 *
 * The end of an attempt. Each one that was launched, and not REFUSED, either becomes visible or is DISCARDed, exactly
 * once (what was visible and is replaced, rolled back or dropped, is DISCARDed too). A commit that lost is DISCARDed
 * at once. After a failure a zombie of the attempt may still write until its lease ends, so the DISCARD comes at the
 * end of lease and grace, even if the job, or the stage, has gone by then: the driver goes on sending the TICKs it is
 * asked for as long as it lives, and at its own end stops the transport and removes all that has its prefix.
 * An attempt that has not answered by the end of lease and grace counts as LOST: it gets a STOP, its leg is queued
 * again, and whichever commits first wins. Its DISCARD comes when another has won, or it can't win for other reasons.
 *
 * Jobs of a failed stage fail; the others go on. A later job tries again from what is committed, with fresh retries. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include <sdf/base.h>

#include "spec/task.h"

typedef struct sched sched;

typedef struct sched_config {
    uint64_t seed;
    uint32_t concurrency;    /* attempts in flight at most */
    uint32_t retries;        /* per task (and leg) beyond its first attempt */
    uint32_t throttles;      /* of one leg in a row that are free, so that nothing waits for ever: more cost retries. So
                              * many refusals in a row, with nothing in flight, fail the job */
    uint32_t reruns;         /* of one producer because its object was bad */
    int64_t task_timeout_ms; /* an attempt's lease; 0: none */
    int64_t lease_grace_ms;  /* without a reply so long after the lease, the attempt counts as lost */
    int64_t backoff_ms;      /* first delay before a retry; doubles, full jitter, at most backoff_max_ms */
    int64_t backoff_max_ms;
    uint32_t legs_max; /* of one task; more is an error ("makes no progress") */
} sched_config;
void sched_config_init(sched_config *c);

sched *sched_new(const sched_config *config);
void sched_free(sched *s);

typedef struct sched_stage {
    uint32_t id; /* the driver's; unique, never reused */
    uint32_t tasks;
    const uint32_t *parents; /* stages whose data its tasks read */
    uint32_t parent_count;
    uint32_t bind;  /* a stage whose samples must be bound into a parameter first (BIND); 0: none */
    bool publishes; /* its commits leave the engine (output files, results handed out): they can't roll back */
    bool done;      /* committed already, elsewhere (a driver-made object): can't be rerun */
} sched_stage;
int sched_add_stage(sched *s, const sched_stage *stage); /* parents first; SDF_OK, SDF_E_INVALID, SDF_E_NO_MEMORY */

typedef enum sched_event_kind {
    SCHED_TICK = 1,   /* a timer asked for has come (or: look again) */
    SCHED_JOB,        /* job wants stage (and all it needs) done */
    SCHED_CANCEL,     /* job: no longer; what only it needs is stopped */
    SCHED_STARTED,    /* attempt: the transport took it */
    SCHED_REFUSED,    /* attempt: the transport has no place now; it never began, and is queued again at no cost */
    SCHED_COMMITTED,  /* attempt: its work is done; fingerprint, cut (is there another leg) */
    SCHED_FAILED,     /* attempt: failure class; for UPSTREAM also bad_* ; fatal details are the driver's */
    SCHED_JOURNALED,  /* record: the journal has it */
    SCHED_BOUND,      /* stage: its late-bound parameter is there (journaled by the driver) */
    SCHED_DROP,       /* stage: nobody needs it any more; its data is discarded */
    SCHED_CONCURRENCY /* value: a new cap */
} sched_event_kind;

typedef struct sched_event {
    sched_event_kind kind;
    uint32_t job, stage;
    uint64_t attempt;
    uint64_t record;
    uint64_t fingerprint;
    bool cut;
    failure_class failure;
    uint32_t bad_stage, bad_task, bad_leg;
    uint64_t bad_attempt;
    uint32_t throttled; /* store throttlings an outcome reports */
    uint64_t value;
} sched_event;

typedef enum sched_action_kind {
    SCHED_LAUNCH = 1,    /* start attempt of (stage, task, leg), with lease_ms from now (0: none) */
    SCHED_STOP,          /* attempt: best effort; its outcome, if any, will be discarded. `failed`: it gave no answer by
                          * the end of lease and grace, and counts as lost (it may yet win) */
    SCHED_JOURNAL,       /* write record: attempt won (stage, task, leg); answer JOURNALED (in a later call). Instead of
                          * becoming visible it may be UNPUBLISHed then, if it was rolled back meanwhile */
    SCHED_DISCARD,       /* attempt: remove what it wrote, (stage, task, leg); `failed`: it may have left anything */
    SCHED_UNPUBLISH,     /* (stage, task, leg), attempt: a commit rolled back; forget its index */
    SCHED_BIND,          /* stage: make its parameter from the samples of stage `bind`; answer BOUND */
    SCHED_STAGE_STARTED, /* stage: its first task starts (again, after it was stopped or rolled back) */
    SCHED_STAGE_DONE,    /* stage: all tasks are visible (again) */
    SCHED_TASK_DONE,     /* (stage, task): all its legs are visible (again, after a rerun or rollback); leg: the last */
    SCHED_JOB_DONE,      /* job */
    SCHED_JOB_FAILED,    /* job: status says why, (stage, task, leg) where, attempt (if not 0) whose error to show;
                          * SDF_E_NONDETERMINISTIC names the producer, SDF_E_CORRUPT the consumer of a bad object;
                          * SDF_E_BUSY: the transport has no place, and nothing is in flight that could free one */
    SCHED_TIMER,         /* send a TICK at at_ms (the earliest asked for counts) */
    SCHED_TASK_UNDONE    /* (stage, task): it was done, and is no longer: a leg of it runs again or was rolled back */
} sched_action_kind;

typedef struct sched_action {
    sched_action_kind kind;
    uint32_t job, stage, task, leg;
    uint64_t attempt;
    uint64_t record;
    uint32_t number;  /* LAUNCH: which try of this leg, 0 first */
    bool failed;      /* DISCARD: it never said that it had committed; STOP: it is lost */
    bool rerun;       /* LAUNCH: the leg was visible before: it must end where it ended */
    int64_t lease_ms; /* LAUNCH */
    int64_t at_ms;    /* TIMER */
    int status;       /* JOB_FAILED */
} sched_action;

/* Feeds one event; *actions is the scheduler's, valid until the next call. SDF_OK or SDF_E_NO_MEMORY (then the
 * scheduler is unusable). Events about unknown or settled attempts are normal (late, doubled replies). */
int sched_on_event(sched *s, const sched_event *event, int64_t now_ms, const sched_action **actions, size_t *count);

/* For explain, progress and tests. */
typedef struct sched_counts {
    uint32_t tasks, done, running;
    uint64_t attempts, failed;
} sched_counts;
bool sched_stage_counts(const sched *s, uint32_t stage, sched_counts *c);
uint64_t sched_bytes(const sched *s); /* memory it holds */

#endif
