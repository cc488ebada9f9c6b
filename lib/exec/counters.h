/* The named numbers of a task: accumulators of functions, and counts of record errors. One thread's. A task that only
 * samples counts nothing: what it reads is read again by the stage that counts. */
#ifndef EXEC_COUNTERS_H
#define EXEC_COUNTERS_H

#include "exec/op.h"

#define COUNTERS_USER_MAX 200 /* the rest of TASK_COUNTERS_MAX is the library's */

typedef struct counters counters;
int counters_new(counters **c, sdf_error **err);
void counters_free(counters *c); /* NULL is fine */
/* Copies them, sorted by name, into the reply. */
int counters_reply(const counters *c, task_reply *reply, sdf_error **err);

/* Adds to one of env->counters; sums wrap around. The name is cut to TASK_COUNTER_NAME bytes. SDF_E_LIMIT: too many. */
int counter_add(task_env *env, const char *name, int64_t delta, sdf_error **err);

#endif
