/* What a running task has at hand; made by the worker, passed down. One thread's. */
#ifndef SHUFFLE_ENV_H
#define SHUFFLE_ENV_H

#include <stdbool.h>

#include "base/budget.h"
#include "base/timebase.h"
#include "spec/plan.h"
#include "spec/task.h"
#include "store/store.h"

typedef struct task_env {
    const task_request *request;
    const plan *plan;
    const plan_stage *stage;
    budget *budget;
    store *store;
    const char *scratch_dir; /* NULL or "": no scratch disk, spills go to the store */
    const timebase *clock;
    const task_piece *piece; /* the one that is being read; NULL before the first */
    struct leg *leg;         /* exec/range.h: how far the task is in its pieces; NULL for the sources of a cogroup */
    struct broadcasts *broadcasts;  /* the worker's, see worker/broadcasts.h; NULL: none can be had */
    int (*broadcast)(struct task_env *env, const char *name, sdf_slice *bytes, sdf_error **err); /* lives as long as
                                                                                                  * the task */
    struct counters *counters; /* exec/counters.h; made by exec_run */
    struct error_log *errors;  /* exec/error_log.h; NULL: nothing is diverted */
    const volatile int *cancelled; /* not NULL and (read atomically) not 0: the worker was told to stop */
    task_metrics metrics;
    /* A read that failed because of somebody's object: who. */
    bool upstream_failed;
    uint32_t bad_stage, bad_task, bad_leg;
    uint64_t bad_attempt;
    uint64_t next_scratch; /* numbers this task's scratch files */
} task_env;

/* SDF_OK while the attempt may write: its lease holds and nobody cancelled it. Call before every write and now and then
 * in loops. */
int task_env_check(const task_env *env, sdf_error **err);

#endif
