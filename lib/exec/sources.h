/* What reads the pieces of inputs of files and numbers: each pushes all that its piece gives to it, without finishing.
 * SDF_OK, OP_STOP (nobody wants more, or the leg ends here) or an error. */
#ifndef EXEC_SOURCES_H
#define EXEC_SOURCES_H

#include "exec/chain.h"

int text_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
int json_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
int delimited_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
int binary_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
int whole_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
int range_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err);

#endif
