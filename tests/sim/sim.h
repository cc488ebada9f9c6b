/* The simulator: one seeded history runs the real scheduler, driver, worker, operators and shuffle under a virtual
 * clock, transport and store that lose, delay, double, crash and corrupt as the seed says; its results are held against
 * a serial oracle.
 *
 * One thread, one history at a time. Everything that may differ between two runs comes from the seed. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/timebase.h"
#include "driver/driver.h"
#include "plan/planner.h"
#include "store/store.h"
#include "transport/transport.h"

#define SIM_CONTEXT     UINT64_C(0x51)
#define SIM_SLOT_MEMORY (UINT64_C(4) << 20)

/* What goes wrong, each in so many of 1000. */
typedef struct sim_faults {
    uint32_t crash_before, crash_during;   /* of the worker */
    uint32_t lost, late, doubled, garbled; /* replies */
    uint32_t zombie;                       /* given up as lost, while the worker is yet to start */
    uint32_t repeated;                     /* the request is run twice */
    uint32_t throttled, refused, killed;   /* by the platform; killed: for memory */
    uint32_t straggler;
    uint32_t user;                   /* a function fails */
    uint32_t read, write, slow_down; /* store operations of a worker */
    uint32_t flip, vanish;           /* committed objects */
    uint32_t publish;                /* of outputs, by the driver */
    bool heavy;
} sim_faults;

/* ---- world.c: time, events, chance ---- */

typedef struct call call;

typedef enum event_kind { EVENT_RUN = 1, EVENT_ANSWER } event_kind;

typedef struct event {
    int64_t at;
    uint64_t order; /* ties: first come, first served */
    event_kind kind;
    call *call;
} event;

typedef struct world {
    uint64_t seed;
    bool trace;
    rng chance; /* of faults and delays */
    rng shape;  /* of data, pipelines, settings */
    sim_faults faults;
    int64_t now;
    timebase clock; /* the driver's */
    event *events;  /* heap */
    uint32_t event_count, event_room;
    uint64_t event_order;
    uint64_t injected; /* faults so far */
    uint64_t digest;   /* of what happened when: the same for the same seed */
    char wrong[1024];  /* the first violation; "" */
    char folder[256];  /* for files */
    struct net *net;
    struct disk *disk;
} world;

void world_begin(world *w, uint64_t seed, bool trace, const char *folder);
void world_end(world *w);
void world_schedule(world *w, int64_t at, event_kind kind, call *c);
bool world_next(world *w, int64_t until, event *e); /* takes the first event that is due by then */
void world_say(world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));   /* if traced */
void world_wrong(world *w, const char *format, ...) __attribute__((format(printf, 2, 3))); /* a violation */
bool world_fault(world *w, uint32_t in_1000, const char *what);                            /* injected, counted, told */
uint32_t world_pick(rng *r, uint32_t bound);                                               /* bound 0: 0 */
/* Memory that the simulator can't do without. */
void *sim_alloc(size_t size);
void *sim_grow(void *old, size_t size);

/* ---- net.c: the virtual transport ---- */

/* One invocation of a worker. */
struct call {
    uint64_t id;
    uint64_t number; /* of all runs of requests: differs where ids don't */
    buf request, response;
    int64_t deadline; /* 0: none */
    uint32_t stage, task, leg;
    int refs;   /* scheduled events */
    int status; /* what the answer says */
    bool answered, cancelled, forgotten;
    uint32_t runs_left;   /* answers come from the last one */
    int64_t answer_after; /* ms after the run's end */
    bool answers;         /* a run's end schedules the answer */
    bool twice;
    /* while it runs */
    int64_t local;             /* its clock */
    int64_t tick_us, local_us; /* each look at the clock takes so long */
    uint32_t dies_in;          /* store operations; NONE_YET: it does not */
    bool dead, user_fails;
    uint32_t throttles;
};
#define NONE_YET UINT32_MAX

extern call *sim_running; /* the call whose worker runs now, or NULL: the driver */

struct net *net_new(world *w, uint32_t slots, uint64_t max_request, uint64_t max_response);
transport *net_transport(struct net *n);
bool net_idle(const struct net *n); /* nothing is under way, answered or not */
void net_free(struct net *n);

/* ---- disk.c: the virtual store ---- */

struct disk *disk_new(world *w);
store *disk_store(struct disk *d);
void disk_protect(struct disk *d, uint32_t stage); /* its objects don't rot: nobody could make them again */
void disk_undo_future(struct disk *d);             /* workers were stopped before they got there */
/* Objects under the context that are no plans; all: those too. Tells and counts them. */
uint32_t disk_leftovers(struct disk *d, bool all);
/* The running worker's next operation. Not SDF_OK: it fails. */
int disk_operation(struct disk *d, uint32_t in_1000, const char *what, sdf_error **err);
void disk_free(struct disk *d);

/* ---- data.c: records, and what operators do to them, one at a time ---- */

#define KEY_MAX 15

typedef struct rec {
    char key[KEY_MAX];
    uint8_t key_size;
    int64_t value;
} rec;

typedef struct recs {
    rec *at;
    uint32_t count, room;
} recs;

void recs_add(recs *r, const void *key, size_t key_size, int64_t value);
void recs_free(recs *r);
int rec_compare_keys(const rec *a, const rec *b); /* byte order */
int rec_compare(const void *a, const void *b);    /* key, then value; for qsort */

typedef enum step_kind {
    STEP_MEMORY, /* sources */
    STEP_WORDS,
    STEP_RECORDS,
    STEP_NUMBERS,
    STEP_SHIFT,    /* map: another key */
    STEP_ODD,      /* filter */
    STEP_EXPAND,   /* flat_map: none, one or two records for one */
    STEP_VALUES,   /* map_values */
    STEP_FLAKY,    /* map: the same, but it fails when told to */
    STEP_COUNTED,  /* map: the same, and counts */
    STEP_PICKY,    /* map: the same, but some records are errors: skipped or diverted */
    STEP_BONUS,    /* map: adds a broadcast value */
    STEP_UNSTABLE, /* map: the value says which run of which task made it */
    STEP_COALESCE,
    STEP_UNION,
    STEP_SUM,   /* reduce_by_key */
    STEP_COUNT, /* aggregate_by_key */
    STEP_FOLD,  /* map_groups */
    STEP_SORT,
    STEP_SORT_DOWN,
    STEP_PARTITION,
    STEP_REPARTITION,
    STEP_DISTINCT,
    STEP_INDEX, /* the value: its number */
    STEP_MEET,  /* map_cogroups */
    STEP_JOIN,  /* joins make one number of both values */
    STEP_JOIN_LEFT,
    STEP_JOIN_FULL,
    STEP_TABLE, /* inner and left, the right side as a table */
    STEP_TABLE_LEFT,
    STEP_SUBTRACT,
    STEP_INTERSECT,
    STEP_KINDS
} step_kind;

/* What is known of the order of records: nothing, that keys ascend or descend, all. */
typedef enum order_known { ORDER_NONE, ORDER_KEYS, ORDER_DOWN, ORDER_EXACT } order_known;

typedef struct step {
    step_kind kind;
    uint32_t parents[2]; /* steps before it */
    uint32_t partitions;
    bool persist, divert;
    bool masked; /* its values differ from run to run, or depend on an order that isn't known */
    /* What the oracle says: */
    recs out;
    order_known order;
    node *node;
    uint32_t first_id, last_id; /* of the nodes it is made of */
} step;

#define STEPS_MAX  16
#define BINARY_KEY 8    /* bytes */
#define BONUS      1000 /* the broadcast value */

typedef struct pipeline {
    step steps[STEPS_MAX];
    uint32_t count;
    char uris[STEPS_MAX][2048]; /* files of sources */
    uint64_t split_bytes;
    bool unstable;
} pipeline;

const char *step_name(step_kind k);
uint32_t step_parents(step_kind k);
/* One record through a narrow step; out has room for 2. Returns how many. */
uint32_t step_apply(step_kind k, const rec *in, rec out[2]);
bool step_refuses(const rec *in);   /* STEP_PICKY: it is an error */
int64_t step_counts(const rec *in); /* STEP_COUNTED: so much */
int64_t fold_value(int64_t sum, int64_t count, int64_t largest);
int64_t pair_value(const int64_t *left, const int64_t *right); /* joins; NULL: missing */
void number_record(int64_t number, rec *out);                  /* STEP_NUMBERS */
/* Applies a step to records: a narrow one, or a join with a table (`right`), of any part of what the step reads. */
void step_run(step_kind k, const recs *in, const recs *right, recs *out);
/* Fills in what the oracle says of the last step; its parents are done. False: too many records. */
bool oracle_step(pipeline *p, step *s);

/* ---- pipeline.c: random pipelines, as data ---- */

void pipeline_make(world *w, pipeline *p);
void pipeline_free(pipeline *p);
/* Does the step, or one that leads to it, divert records? */
bool pipeline_diverts(const pipeline *p, uint32_t step);

/* ---- lineage.c: and as lineage ---- */

/* Makes each step's node; stages of sources in memory are taken from *next_stage. */
void lineage_make(world *w, pipeline *p, uint32_t *next_stage);

/* ---- sink.c: virtual outputs, "simsink:NAME" ---- */

int sink_register(sdf_error **err);
void sink_begin(world *w); /* of a history: no outputs */
void sink_end(world *w);
/* Published files of an output, and whether it is whole. The callback may be NULL. */
typedef void (*sink_file_fn)(const char *name, const void *data, size_t size, void *user);
bool sink_look(const char *name, uint32_t *files, sink_file_fn callback, void *user);
bool sink_broke(const char *name); /* publishing it failed */

/* ---- functions.c: what workers run ---- */

int functions_register(sdf_error **err);

/* ---- audit.c: what accumulators and record errors must add up to ---- */

typedef struct audit_entry {
    uint32_t stage; /* that runs the step, or a branch of it */
    uint32_t step;
    int64_t count; /* what it comes to there */
    bool partly;   /* its job stops early */
} audit_entry;

typedef struct audit {
    audit_entry *entries;
    uint32_t entry_count;
    uint32_t *finished; /* stages */
    uint32_t finished_count;
} audit;

/* Notes the plan's operators that count. Returns how many records its stages are to divert. */
int64_t audit_plan(audit *a, const pipeline *p, const planned *made, bool partly);
void audit_finished(audit *a, uint32_t stage);
void audit_failed(audit *a, uint32_t stage); /* its job made no use of it */
/* At rest: half-done stages were dropped. */
void audit_check(const audit *a, world *w, const pipeline *p, const driver *d);
void audit_free(audit *a);

/* ---- history.c ---- */

typedef struct history_result {
    uint64_t attempts, failed, jobs, jobs_failed, injected;
    int64_t virtual_ms;
    uint64_t digest; /* of all events of the last one */
} history_result;
/* False: something was wrong; `wrong` says what. */
bool history_run(uint64_t seed, bool trace, const char *folder, history_result *r, char *wrong, size_t room);

#endif
