/* The inside of the scheduler: its tables, shared by the files of this room and by nobody else.
 *
 * How it is kept small and quick: a stage has one array of tasks (48 bytes each, nothing on the heap for a task of one
 * leg); what has never run is behind a cursor, what comes back (retries, further legs, reruns) is in a heap of
 * (task, leg); only attempts whose end is not settled have an entry of their own, found by id. */
#ifndef SCHED_STATE_H
#define SCHED_STATE_H

#include "base/idmap.h"
#include "base/timebase.h"
#include "sched/sched.h"

#define NONE  UINT32_MAX
#define NEVER INT64_MAX

typedef enum leg_state {
    LEG_IDLE = 0,   /* not asked for; the stage's cursor finds a first leg in this state */
    LEG_READY,      /* in the stage's heap */
    LEG_BACKOFF,    /* in the scheduler's heap of delays */
    LEG_RUNNING,    /* has a live attempt */
    LEG_COMMITTING, /* its winner is on the way into the journal */
    LEG_VISIBLE
} leg_state;

#define LEG_CUT   1u /* the visible commit ended with a cut: there is a next leg */
#define LEG_RERUN 2u /* was visible once: attempt, fingerprint and LEG_CUT say what a rerun has to match */

typedef struct leg {
    uint64_t attempt;     /* that stands for the data (VISIBLE), or stood (LEG_RERUN) */
    uint64_t fingerprint; /* of what it committed */
    uint32_t entrants;    /* list of attempts that may still win: index + 1, 0 ends it (attempt.sibling) */
    uint16_t launches;    /* since it was last visible or idle; refused ones don't count */
    uint16_t failures;    /* of them, those that cost a retry */
    uint16_t throttles;   /* in a row */
    uint16_t reruns;
    uint8_t state;
    uint8_t flags;
} leg;

typedef struct more_legs {
    uint32_t count, room;
    leg legs[];
} more_legs;

typedef struct task {
    leg first;
    more_legs *more;  /* legs 1.. */
    uint32_t visible; /* legs that are; all of them: the task is done */
} task;

typedef struct stage stage;
struct stage {
    uint32_t id, order; /* order: of being added */
    uint32_t tasks, done;
    task *task;      /* NULL if made elsewhere */
    stage **parents; /* an entry is NULL once that stage was dropped */
    uint32_t parent_count;
    stage *bind; /* NULL: none, or dropped */
    bool wants_bind, bind_asked, bound;
    bool publishes, elsewhere;
    bool complete;   /* every task is done */
    bool started;    /* STAGE_STARTED was said since it was last idle */
    bool active;     /* in the active list: wanted and not complete */
    bool open;       /* active, and its tasks may start */
    bool marked;     /* scratch of graph walks */
    uint32_t rank;   /* of the first job that wants it; NONE: none */
    uint32_t cursor; /* first legs from here on may be LEG_IDLE */
    uint64_t *ready; /* heap of task << 32 | leg; an entry whose leg isn't READY is stale */
    uint32_t ready_count, ready_room;
    uint32_t running;
    uint64_t attempts, failed;
};

typedef enum attempt_state {
    ATTEMPT_LIVE = 1,   /* may win; not answered */
    ATTEMPT_LATE,       /* may win; its lease ended without an answer, and its leg was queued again */
    ATTEMPT_COMMITTING, /* won; on the way into the journal */
    ATTEMPT_DOOMED,     /* can't win; not answered */
    ATTEMPT_SPENT,      /* failed; a zombie of it may write until its deadline, then it is discarded */
    ATTEMPT_UNDONE      /* rolled back or dropped on its way into the journal */
} attempt_state;

typedef struct attempt {
    uint64_t id;
    uint64_t fingerprint; /* COMMITTING */
    int64_t deadline;     /* end of lease and grace; NEVER: no lease */
    stage *stage;         /* NULL once it can't win */
    uint32_t stage_id, task, leg;
    uint32_t sibling;      /* next entrant of the same leg: index + 1 */
    uint32_t newer, older; /* neighbours by deadline, which is the order of launch; or of the free list (newer) */
    uint8_t state;
    bool cut;       /* COMMITTING */
    bool committed; /* its worker said so */
    bool queued;    /* in the list by deadline */
} attempt;

typedef struct delay {
    int64_t at;
    stage *stage;
    uint32_t task, leg;
} delay;

typedef struct job {
    uint32_t id;
    stage *stage;
} job;

struct sched {
    sched_config config;
    rng rng;
    int64_t now; /* never goes back */
    bool broken; /* an allocation failed: unusable */
    bool dirty;  /* jobs, completeness or bindings changed: look at the graph again */

    stage **stages; /* in order of being added, so parents come first */
    uint32_t stage_count, stage_room;
    stage **active; /* by rank, then order */
    uint32_t active_count, active_room;
    job *jobs; /* in order of being wanted */
    uint32_t job_count, job_room;
    uint64_t leg_bytes; /* of more_legs */

    attempt *attempts; /* pool */
    uint32_t attempt_count, attempt_room, attempt_free;
    idmap attempt_ids;       /* id to index in the pool */
    uint32_t oldest, newest; /* list by deadline */
    uint64_t last_attempt;

    delay *delays; /* heap by (at, stage order, task, leg) */
    uint32_t delay_count, delay_room;

    uint32_t in_flight; /* LIVE and DOOMED: they hold a place of the transport */
    uint64_t window;    /* in 1/WINDOW_ONE of an attempt */
    int64_t halved_at;  /* when it was last halved; -1: never */
    int64_t hold_until; /* the transport was full: launch nothing before; 0: none */
    uint32_t refusals;  /* in a row, with nothing in flight */
    int64_t timer;      /* asked for; NEVER: none */

    sched_action *actions;
    size_t action_count, action_room;
};

/* ---- sched.c ---- */
/* A zeroed action at the end of the list; never NULL (a dummy once memory is out). */
sched_action *sched_emit(sched *s, sched_action_kind kind);
/* Makes room for one more in an array of `size` byte elements. */
bool sched_grow(sched *s, void *array, uint32_t *room, uint32_t count, size_t size);

/* ---- attempts.c ---- */
/* A LIVE entrant of the leg, with the next id. NULL: no memory. */
attempt *sched_attempt_new(sched *s, stage *st, uint32_t t, uint32_t l);
attempt *sched_attempt_find(sched *s, uint64_t id); /* NULL: unknown or settled. Valid until the next attempt_new. */
void sched_attempt_forget(sched *s, attempt *a);
void sched_attempt_discard(sched *s, attempt *a); /* DISCARD, and forget */
/* It failed, or may have: DISCARD once its deadline has passed. */
void sched_attempt_spend(sched *s, attempt *a);
/* It came back: it holds no place any more. */
void sched_attempt_answered(sched *s, attempt *a);
void sched_attempt_unqueue(sched *s, attempt *a); /* no deadline any more */
/* None of the leg's attempts but `winner` (0: none at all) can win any more: STOP or DISCARD them. */
void sched_attempts_doom(sched *s, leg *g, uint64_t winner);
void sched_attempts_expire(sched *s); /* what the time has brought */

/* ---- stages.c ---- */
stage *sched_stage_find(const sched *s, uint32_t id);
leg *sched_stage_leg(const stage *st, uint32_t t, uint32_t l); /* NULL: no such leg */
uint32_t sched_task_legs(const task *t);
bool sched_stage_add_leg(sched *s, stage *st, uint32_t t);           /* one more, LEG_IDLE */
void sched_stage_queue(sched *s, stage *st, uint32_t t, uint32_t l); /* the leg is READY from now on */
bool sched_stage_next(stage *st, uint32_t *t, uint32_t *l); /* the ready leg that is first in order; taken out */
void sched_task_undone(sched *s, stage *st, uint32_t t);    /* it was done */
void sched_stage_park(sched *s, stage *st);   /* nobody wants it: stops it, keeps its commits, forgets its failures */
void sched_stage_rewind(sched *s, stage *st); /* back to the start: all commits UNPUBLISHed and DISCARDed */
void sched_stage_drop(sched *s, stage *st);   /* everything DISCARDed; frees st */
void sched_stage_free(sched *s, stage *st);
bool sched_stage_has_commits(const stage *st); /* visible, or on the way into the journal */

/* ---- jobs.c ---- */
void sched_jobs_add(sched *s, uint32_t id, uint32_t stage_id);
void sched_jobs_cancel(sched *s, uint32_t id);
/* All jobs that want the stage fail. Those that don't go on. */
void sched_jobs_fail(sched *s, stage *st, const sched_action *why);
bool sched_jobs_want(sched *s, const stage *st); /* does any */
void sched_jobs_refresh(sched *s);               /* while dirty: who is wanted, active, open, done */

/* ---- launch.c ---- */
#define WINDOW_ONE 65536u
void launch_cap(sched *s, uint64_t concurrency);
void launch_throttled(sched *s);
void launch_succeeded(sched *s);
void launch_refused(sched *s, attempt *a);
void launch_ready(sched *s); /* as many as may run */

/* ---- retry.c ---- */
void retry_failed(sched *s, attempt *a, const sched_event *e); /* a LIVE attempt failed: settles it */
void retry_lost(sched *s, attempt *a);                         /* a LIVE attempt's deadline passed: LATE from now on */
void retry_due(sched *s);
void retry_forget(sched *s, const stage *st); /* delays of its legs */

/* ---- commit.c ---- */
void commit_came(sched *s, const sched_event *e);
void commit_journaled(sched *s, const sched_event *e);

/* ---- rollback.c ---- */
/* A consumer's attempt, which was answered, could not read what (bad_stage, bad_task, bad_leg, bad_attempt) left.
 * True: settled, at no cost to it. False: it can't have been so, it failed like any other. */
bool rollback_upstream(sched *s, attempt *a, const sched_event *e);
/* A rerun came with other data than its leg had first: everything made from the first goes. False: it can't stand
 * in, no job is left that could use it, and it was discarded. */
bool rollback_consumers(sched *s, attempt *a, bool cut);

#endif
