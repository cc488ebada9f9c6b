/* The ways of reading a shuffled partition that have a file of their own; shuffle_input.c chooses. */
#ifndef EXEC_SHUFFLE_INPUT_H
#define EXEC_SHUFFLE_INPUT_H

#include "exec/op.h"

/* Each pushes all of the partition into `first`; SDF_OK, OP_STOP, or an error. Finishing is the caller's. */
int group_input_run(task_env *env, const plan_input *spec, op *first, sdf_error **err);
int fold_input_run(task_env *env, const plan_input *spec, op *first, sdf_error **err);

#endif
