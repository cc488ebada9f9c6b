/* Joins of two sorted sources. Records come by key, then left, then right position. Where a key has records on both
 * sides, the right ones are read once for each left one: from their batch where that has all of them, else from a
 * buffer that goes on in scratch. The left ones stream, so both may be larger than memory. */
#include "base/error.h"
#include "exec/cogroup.h"
#include "exec/group_buffer.h"
#include "exec/pairs.h"

#define BUFFER_SHARE 8 /* of the budget, the buffer takes at most an eighth */

typedef struct join {
    cogroup *group;
    sdf_values *left, *right;
    pairs pairs;
    group_buffer buffer;
} join;

static const sdf_slice missing = {NULL, 0};

/* All values of a key that only one side has. */
static int join_alone(join *j, sdf_values *v, sdf_error **err)
{
    int rc = SDF_OK;
    while (!rc) {
        for (; v->at < v->end && !rc; v->at++) {
            sdf_slice value = column_get(&v->batch.value, v->at);
            rc = v == j->left ? pairs_add(&j->pairs, v->value, &value, TYPE_NULL, &missing, err)
                              : pairs_add(&j->pairs, TYPE_NULL, &missing, v->value, &value, err);
        }
        rc = rc ? rc : cogroup_values(v);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

/* One left value with all right ones, which stream. */
static int join_one(join *j, sdf_error **err)
{
    sdf_values *r = j->right;
    sdf_slice left = column_get(&j->left->batch.value, j->left->at++);
    int rc = SDF_OK;
    while (!rc) {
        for (; r->at < r->end && !rc; r->at++) {
            sdf_slice right = column_get(&r->batch.value, r->at);
            rc = pairs_add(&j->pairs, j->left->value, &left, r->value, &right, err);
        }
        rc = rc ? rc : cogroup_values(r);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

/* One left value with the right ones that are at hand. */
static int with_batch(join *j, const sdf_slice *left, sdf_error **err)
{
    const sdf_values *r = j->right;
    int rc = SDF_OK;
    for (size_t i = r->at; i < r->end && !rc; i++) {
        sdf_slice right = column_get(&r->batch.value, i);
        rc = pairs_add(&j->pairs, j->left->value, left, r->value, &right, err);
    }
    return rc;
}

static int with_buffer(join *j, const sdf_slice *left, sdf_error **err)
{
    sdf_slice right;
    int rc;
    group_buffer_rewind(&j->buffer);
    while (!(rc = group_buffer_next(&j->buffer, &right, err)))
        if ((rc = pairs_add(&j->pairs, j->left->value, left, j->right->value, &right, err)))
            return rc;
    return rc == SDF_END ? SDF_OK : rc;
}

static int join_left(join *j, int (*with)(join *j, const sdf_slice *left, sdf_error **err), sdf_error **err)
{
    sdf_values *l = j->left;
    int rc = SDF_OK;
    while (!rc) {
        for (; l->at < l->end && !rc; l->at++) {
            sdf_slice left = column_get(&l->batch.value, l->at);
            rc = with(j, &left, err);
        }
        rc = rc ? rc : cogroup_values(l);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

static int buffer_right(join *j, sdf_error **err)
{
    sdf_values *r = j->right;
    int rc;
    group_buffer_clear(&j->buffer);
    do {
        rc = group_buffer_add(&j->buffer, &r->batch.value, r->at, r->end - r->at, err);
        rc = rc ? rc : cogroup_values(r);
    } while (!rc);
    return rc == SDF_END ? group_buffer_end(&j->buffer, err) : rc;
}

static int join_both(join *j, sdf_error **err)
{
    if (!j->right->open)
        return join_left(j, with_batch, err);
    if (!j->left->open && j->left->end - j->left->at == 1)
        return join_one(j, err);
    int rc = buffer_right(j, err);
    rc = rc ? rc : join_left(j, with_buffer, err);
    group_buffer_clear(&j->buffer);
    return rc;
}

static int join_all(join *j, sdf_error **err)
{
    plan_cogroup how = j->group->in->how;
    bool keep_left = how == PLAN_COGROUP_LEFT || how == PLAN_COGROUP_FULL;
    bool keep_right = how == PLAN_COGROUP_RIGHT || how == PLAN_COGROUP_FULL;
    int rc;
    while (!(rc = cogroup_next(j->group))) {
        pairs_key(&j->pairs, cogroup_key(j->group));
        if (j->left->has && j->right->has)
            rc = join_both(j, err);
        else if (j->left->has ? keep_left : keep_right)
            rc = join_alone(j, j->left->has ? j->left : j->right, err);
        if (rc)
            return rc;
    }
    return rc == SDF_END ? pairs_flush(&j->pairs, err) : rc;
}

int cogroup_join(cogroup *g, sdf_error **err)
{
    join j = {.group = g, .left = &g->sources[0], .right = &g->sources[1]};
    if (g->count != 2)
        return error_set(err, SDF_E_INTERNAL, "a join of %u sources", g->count);
    int rc = pairs_open(&j.pairs, g->env, g->first, g->kind, err);
    if (!rc) {
        group_buffer_init(&j.buffer, g->env, j.right->value, g->env->budget->limit / BUFFER_SHARE);
        rc = join_all(&j, err);
    }
    group_buffer_close(&j.buffer);
    pairs_close(&j.pairs);
    return rc;
}
