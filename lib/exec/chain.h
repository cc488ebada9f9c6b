/* The pieces of a task's chain that exec.c puts together, and what its two ends share. */
#ifndef EXEC_CHAIN_H
#define EXEC_CHAIN_H

#include "exec/op.h"

/* How much of its input a sampling task has read: it may skip most of it. */
typedef struct scan_share {
    uint64_t seen, total; /* bytes; total 0: everything was seen */
} scan_share;

/* ---- narrow.c: map, flat_map, filter, map_batches; limit ---- */
int narrow_new(task_env *env, const plan_op *spec, const char *in_value_type, op *next, op **out, sdf_error **err);
int limit_new(task_env *env, uint64_t most, op *next, op **out, sdf_error **err);

/* ---- outputs.c, file_output.c: ends of chains ---- */
int result_output_new(task_env *env, const plan_output *spec, task_reply *reply, exec_result *result, op **out,
                      sdf_error **err);
int count_output_new(task_env *env, task_reply *reply, op **out,
                     sdf_error **err); /* also for records that nobody wants */
int sample_output_new(task_env *env, const plan_output *spec, const scan_share *share, task_reply *reply,
                      exec_result *result, op **out, sdf_error **err);
int file_output_new(task_env *env, const plan_output *spec, task_reply *reply, op **out, sdf_error **err);

/* ---- text_source.c, binary_source.c: read the split, push it into `first`, finish it ---- */
/* cut: left empty, or where the next leg begins. share: not NULL for a stage that only samples. */
int text_source_run(task_env *env, op *first, scan_share *share, buf *cut, sdf_error **err);
int binary_source_run(task_env *env, op *first, scan_share *share, buf *cut, sdf_error **err);

#endif
