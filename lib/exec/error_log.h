/* The diverted records of a task, as JSON lines beside the output: nothing is there before the first one, and nothing
 * stays of a task that fails. What counts as such a record: chain.h. */
#ifndef EXEC_ERROR_LOG_H
#define EXEC_ERROR_LOG_H

#include "shuffle/env.h"

typedef struct error_log error_log;
int error_log_new(error_log **log, task_env *env, sdf_error **err);
/* Ends what was written and says so in the reply. */
int error_log_finish(error_log *log, task_reply *reply, sdf_error **err);
/* Frees it; what was not finished goes. NULL is fine. */
void error_log_free(error_log *log);

#endif
