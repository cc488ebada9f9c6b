/* The memory of pending pairs, and pushing them on. */
#include "exec/pairs.h"

#include <stdlib.h>

#include "base/error.h"

#define PAIRS_BYTES (64u << 10) /* memory that a batch normally gets */
#define PAIRS_KEPT  (1u << 20)  /* more than that is given back after the batch that needed it */

static int pairs_resize(pairs *p, size_t capacity, sdf_error **err)
{
    budget *b = p->env->budget;
    free(p->bytes);
    budget_give(b, p->capacity);
    p->bytes = NULL;
    p->capacity = 0;
    int rc = budget_take(b, capacity, NULL, err);
    if (rc)
        return rc;
    if (!(p->bytes = malloc(capacity))) {
        budget_give(b, capacity);
        return error_no_memory(err);
    }
    p->capacity = capacity;
    return SDF_OK;
}

int pairs_open(pairs *p, task_env *env, op *next, type_kind key, sdf_error **err)
{
    memset(p, 0, sizeof *p);
    p->env = env;
    p->next = next;
    p->kind = key;
    if (!(p->batch = malloc(sizeof *p->batch)))
        return error_no_memory(err);
    return pairs_resize(p, PAIRS_BYTES, err);
}

void pairs_close(pairs *p)
{
    if (!p->env)
        return;
    free(p->batch);
    free(p->bytes);
    budget_give(p->env->budget, p->capacity);
    memset(p, 0, sizeof *p);
}

int pairs_flush(pairs *p, sdf_error **err)
{
    size_t count = p->count;
    p->count = 0;
    p->key_copy = NULL;
    if (!count)
        return SDF_OK;
    int rc = op_check(p->env, p->pushed++, err);
    if (rc)
        return rc;
    sdf_batch batch = gathered_batch(p->batch, p->kind, TYPE_TUPLE, count);
    rc = op_push(p->next, &batch, err);
    poison(p->bytes, p->used);
    p->used = 0;
    return rc;
}

int pairs_make_room(pairs *p, size_t size, sdf_error **err)
{
    int rc = pairs_flush(p, err);
    size_t need = size + p->key.size;
    if (rc || (need <= p->capacity && p->capacity <= PAIRS_KEPT))
        return rc;
    return pairs_resize(p, need > PAIRS_BYTES ? need : PAIRS_BYTES, err);
}
