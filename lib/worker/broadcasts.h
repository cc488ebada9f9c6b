/* Values that tasks read by name, out of the store: fetched once for each process, however many workers and tasks ask;
 * held as long as one of the workers knows a plan that asked. Outside of the tasks' budgets. */
#ifndef WORKER_BROADCASTS_H
#define WORKER_BROADCASTS_H

#include "shuffle/env.h"

struct broadcast_value;

/* What a worker holds for one plan. Thread: the worker's. */
typedef struct broadcasts {
    struct broadcast_value **values; /* one for each of the plan's; NULL: nobody asked for it yet */
    uint32_t count;
    bool failed; /* one couldn't be had from the store; whoever begins a task clears it */
} broadcasts;

/* task_env.broadcast. The bytes stay as long as the plan's `broadcasts`. SDF_E_NOT_FOUND: the plan has none of this
 * name; the hint says the nearest. */
int broadcasts_get(task_env *env, const char *name, sdf_slice *bytes, sdf_error **err);
void broadcasts_clear(broadcasts *b);
/* Values that are held in this process. */
size_t broadcasts_held(void);

#endif
