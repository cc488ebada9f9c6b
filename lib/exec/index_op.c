/* zip_with_index: each record's element as key, its number as value. A piece says with which number its records begin;
 * that they are numbered in order is all there is to do, since the operator sees every record of a piece. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"

typedef struct index_op {
    op base;
    const task_piece *piece; /* that `next` counts in */
    int64_t next;
    int64_t numbers[SDF_BATCH_MAX];
} index_op;

static int index_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    index_op *n = (index_op *)self;
    sdf_batch numbered = *batch;
    if (n->piece != self->env->piece) {
        n->piece = self->env->piece;
        n->next = (int64_t)n->piece->start;
    }
    for (size_t i = 0; i < batch->count; i++)
        n->numbers[i] = n->next++;
    column_set_fixed(&numbered.value, n->numbers, sizeof n->numbers[0]);
    return op_push(self->next, &numbered, err);
}

static int index_finish(op *self, sdf_error **err)
{
    return op_finish(self->next, err);
}

static void index_close(op *self)
{
    free(self);
}

/* Numbering itself, behind a projection to elements. */
int index_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    index_op *n = calloc(1, sizeof *n);
    if (!n)
        return error_no_memory(err);
    n->base = (op){.push = index_push, .finish = index_finish, .close = index_close, .next = next, .env = env};
    n->base.origins = next->origins;
    int rc = project_open(env, PLAN_PROJECT_ELEMENT, in, (op_types){spec->key_type, SDF_NULL}, &n->base, out, err);
    if (rc)
        free(n);
    return rc;
}
