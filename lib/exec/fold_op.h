/* The folding operator, as others than its constructor in chain.h need it: reading a shuffle that aggregates. */
#ifndef EXEC_FOLD_OP_H
#define EXEC_FOLD_OP_H

#include "exec/op.h"

typedef struct fold_spec {
    const plan_call *call;
    const char *key, *value; /* of what is pushed; with `merging` the values are states */
    const char *state;       /* NULL: as the function declares it */
    const char *result;
    bool merging;
} fold_spec;

int fold_op_open(task_env *env, const fold_spec *spec, op *next, op **out, sdf_error **err);
/* Before the first push: about so many keys will come. */
void fold_op_expect(op *self, uint64_t keys);
/* As finish, but the next operator is not finished: SDF_OK, OP_STOP or an error. Once. */
int fold_op_end(op *self, sdf_error **err);

#endif
