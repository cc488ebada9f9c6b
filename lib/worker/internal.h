/* The inside of this room: a worker, its plan cache, one task. */
#ifndef WORKER_INTERNAL_H
#define WORKER_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "exec/exec.h"
#include "worker/broadcasts.h"
#include "worker/worker.h"

#define WORKER_PLANS          8
#define WORKER_REPLY_SPARE    4096         /* always there, so that a failure can be told when memory is out */
#define WORKER_REPLY_KEPT     (1u << 20)   /* a larger reply's memory is given back before the next one */
#define WORKER_PROBE_MAX      (64u << 20)  /* bytes that a probe may ask for */
#define WORKER_PIECES_MAX     (256u << 20) /* bytes of a list of pieces */
#define WORKER_MEMORY_DEFAULT (64u << 20)
#define WORKER_RSS_EVERY_US   50000 /* peak_rss is measured no more often */

/* A decoded plan, and the broadcast values that its tasks have asked for. */
typedef struct known_plan {
    char hash[33];
    plan *plan;
    broadcasts broadcasts;
    uint64_t used;
} known_plan;

/* By hash; the one that was used longest ago makes place. */
typedef struct plan_cache {
    known_plan slots[WORKER_PLANS];
    uint64_t tick;
} plan_cache;

/* The plan that the request names: known, inline, or from the store. Owned by the cache; good until the next call. */
int plan_cache_get(plan_cache *c, const task_request *q, store *s, known_plan **out, sdf_error **err);
void plan_cache_clear(plan_cache *c);

struct sdf_worker {
    worker_config config;
    char *scratch_dir;  /* of the config, or NULL */
    store *opened;      /* the last store that a request named */
    char *scratch_made; /* the last scratch folder known to exist */
    plan_cache plans;
    buf reply;
    uint64_t peak_rss;
    int64_t rss_at_us; /* when it was measured; 0: never */
    atomic_bool busy;
};

/* A task's run: what run_task fills in and the reply is made of. */
typedef struct task_run {
    task_request request;
    task_env env;
    budget budget;
    exec_result result;
    task_reply reply;
    buf extra;        /* what a probe echoes */
    bool own_objects; /* it failed on the driver's own objects (plan, pieces, broadcasts): worth another try */
} task_run;

/* Runs a decoded request. What it made is in t, on failure too. */
int task_run_stage(sdf_worker *w, task_run *t, sdf_error **err);
/* Gets the pieces and sides that are in an object of their own, and holds all against the stage. */
int task_pieces_get(task_run *t, sdf_error **err);
int task_run_probe(sdf_worker *w, task_run *t, int64_t deadline_ms, sdf_error **err);
/* Removes the objects that an attempt has left in the store. */
void task_run_undo(task_run *t);

/* What a failure means for the scheduler. */
failure_class failure_of(const task_run *t, int code, const sdf_error *err);

#endif
