/* The pieces of a task's chain that exec.c puts together, and what its two ends share. */
#ifndef EXEC_CHAIN_H
#define EXEC_CHAIN_H

#include "exec/op.h"

/* How much of its input a sampling task has read: it may skip most of it. */
typedef struct scan_share {
    uint64_t seen, total; /* bytes; total 0: everything was seen */
} scan_share;

/* ---- branch.c ---- */
/* The operators of a branch in front of `end`: *first is where its input pushes. On failure nothing is left but `end`,
 * which stays the caller's. */
int branch_open(task_env *env, const plan_branch *b, op *end, op **first, sdf_error **err);
/* Closes the operators up to, and not with, `end`. */
void branch_close(op *first, const op *end);
/* Hands on what the operators hold only to fill a batch, before env->piece changes. SDF_OK, OP_STOP or an error. */
int branch_drain(op *first, const op *end, sdf_error **err);
/* Reads what env->piece gives to this input and pushes it; finishing is the caller's. SDF_OK, OP_STOP or an error. */
int input_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
/* All three for the current piece, and finishes the chain and with it `end`: for the sources of a cogroup. */
int branch_run(task_env *env, const plan_branch *b, op *end, sdf_error **err);
/* What a shuffle input has to read of the current piece. */
static inline const task_leaf *input_leaf(const task_env *env, const plan_input *in)
{
    return &env->piece->leaves[in->leaf];
}

/* ---- narrow.c, values_op.c, project.c, expr_op.c ...: one constructor per kind of plan_op; each takes the types that
 * come in ---- */
typedef struct op_types {
    const char *key, *value; /* canonical */
} op_types;
/* Of the records that come out of a branch. */
static inline op_types branch_types(const plan_branch *b)
{
    if (!b->op_count)
        return (op_types){b->input.key_type, b->input.value_type};
    const plan_op *last = &b->ops[b->op_count - 1];
    return (op_types){last->key_type, last->value_type};
}
int narrow_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
int expr_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
int project_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
/* The same without a plan_op: `kind` of records of types `in`, which become `to`. */
int project_open(task_env *env, plan_project kind, op_types in, op_types to, op *next, op **out, sdf_error **err);
int sample_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
int index_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
int fold_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
int lookup_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err);
int limit_new(task_env *env, uint64_t most, op *next, op **out, sdf_error **err);

/* ---- element.c: the element of a record (include/sdf/rdd.h). Its type is type_element's (spec/type.h) ---- */
/* Whether elements are tuples; else the element is the side that is not null. */
static inline bool element_is_tuple(op_types types)
{
    return type_of(types.key) != TYPE_NULL && type_of(types.value) != TYPE_NULL;
}
/* Bytes that element_write may need, and the tuple (key, value) itself: returns its bytes. */
size_t element_room(op_types types, const sdf_slice *key, const sdf_slice *value);
size_t element_write(uint8_t *to, op_types types, const sdf_slice *key, const sdf_slice *value);
/* Back again, where it is a tuple. Values that do not lie in it as they are go into `room`, of element->size +
 * ELEMENT_NUMBERS bytes. SDF_E_CORRUPT: the bytes are no such tuple. */
#define ELEMENT_NUMBERS 16
int element_split(op_types types, const sdf_slice *element, uint8_t *room, sdf_slice *key, sdf_slice *value,
                  sdf_error **err);

/* ---- error_log.c: records that can't be made sense of ---- */
/* By policy: FAIL gives the error (naming operator, source and offset), SKIP counts, DIVERT counts and writes. offset:
 * of the record in the file of the piece; UINT64_MAX: not known. */
int record_error(task_env *env, plan_errors policy, const char *label, uint64_t offset, const sdf_slice *record,
                 const char *reason, sdf_error **err);
/* The same of record i of a batch, which an operator could not take. */
int record_reject(task_env *env, plan_errors policy, const char *label, op_types types, const sdf_batch *batch,
                  size_t i, const char *reason, sdf_error **err);
/* Says in front of an error in which file and where the record begins, as far as that is known. */
void record_locate(const task_env *env, uint64_t offset, sdf_error **err);

/* ---- outputs.c, file_output.c: ends of chains ---- */
int result_output_new(task_env *env, const plan_output *spec, task_reply *reply, exec_result *result, op **out,
                      sdf_error **err);
int count_output_new(task_env *env, task_reply *reply, op **out,
                     sdf_error **err); /* also for records that nobody wants */
int sample_output_new(task_env *env, const plan_output *spec, const scan_share *share, task_reply *reply,
                      exec_result *result, op **out, sdf_error **err);
int file_output_new(task_env *env, const plan_output *spec, task_reply *reply, op **out, sdf_error **err);

/* ---- shuffle_input.c, cogroup_input.c: into `first`, without finishing it ---- */
int shuffle_input_run(task_env *env, const plan_input *in, op *first, sdf_error **err);
int cogroup_input_run(task_env *env, const plan_input *in, op *first, sdf_error **err);

#endif
