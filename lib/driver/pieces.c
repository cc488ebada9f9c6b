/* What a task reads, as its request says it: the pieces that were planned, with the extents that are there now.
 * Pieces and leaves are of one request; splits and extents are the stages', lent while it is encoded. */
#include <stdlib.h>

#include "driver/internal.h"

/* The first extent of producers from `task` on: they are in the order of tasks. */
static uint32_t first_of(const task_extent *x, uint32_t count, uint32_t task)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (x[middle].task < task)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* from, to: only of these producing tasks; both 0: of all. */
static int fill_leaf(driver *d, const stage *s, uint32_t source, uint32_t partition, uint32_t from, uint32_t to,
                     task_leaf *leaf, sdf_error **err)
{
    const task_extent *x;
    uint32_t count;
    stage *producer = stage_find(d, source);
    if (!producer)
        return error_set(err, SDF_E_INTERNAL, "stage %u reads stage %u, which is gone", s->id, source);
    int rc = stage_extents(producer, partition, &x, &count, err);
    if (rc)
        return rc;
    uint32_t begin = to ? first_of(x, count, from) : 0, end = to ? first_of(x, count, to) : count;
    *leaf = (task_leaf){source, (task_extent *)x + begin, end - begin}; /* only read */
    return SDF_OK;
}

static int fill_piece(driver *d, const stage *s, const plan_piece *planned, task_leaf *leaves, task_piece *piece,
                      sdf_error **err)
{
    const plan_branch *b = &s->spec->branches[planned->branch];
    *piece = (task_piece){.branch = planned->branch,
                          .partition = planned->partition,
                          .split = planned->split,
                          .leaves = leaves,
                          .leaf_count = b->leaves};
    for (uint32_t i = 0; i < b->leaves; i++) {
        int rc =
            fill_leaf(d, s, plan_leaf(b, i)->source, planned->partition, planned->from, planned->to, &leaves[i], err);
        if (rc)
            return rc;
    }
    if (!s->indexes || !plan_has_op(&(plan_stage){.branches = (plan_branch *)b, .branch_count = 1}, PLAN_OP_INDEX))
        return SDF_OK;
    stage *counted = stage_find(d, s->spec->bound_by);
    if (!counted)
        return error_set(err, SDF_E_INTERNAL, "stage %u numbers the records of stage %u, which is gone", s->id,
                         s->spec->bound_by);
    return stage_records_before(counted, planned->partition, &piece->start, err);
}

static int fill_sides(driver *d, const stage *s, task_request *q, sdf_error **err)
{
    for (uint32_t i = 0; i < s->spec->side_count; i++) {
        int rc = fill_leaf(d, s, s->spec->sides[i].source, 0, 0, 0, &q->sides[q->side_count++], err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

int pieces_fill(driver *d, const stage *s, uint32_t task, task_request *q, sdf_error **err)
{
    const plan_piece one = {.partition = s->spec->first_task + task}, *planned = &one;
    uint32_t count = 1;
    if (s->pieces.first) {
        planned = s->pieces.pieces + s->pieces.first[task];
        count = s->pieces.first[task + 1] - s->pieces.first[task];
    }
    if (!count)
        return error_set(err, SDF_E_INTERNAL, "task %u of stage %u has no pieces", task, s->id);
    size_t leaves = s->spec->side_count;
    for (uint32_t i = 0; i < count; i++) {
        if (planned[i].branch >= s->spec->branch_count)
            return error_set(err, SDF_E_INTERNAL, "stage %u has no branch %u", s->id, planned[i].branch);
        leaves += s->spec->branches[planned[i].branch].leaves;
    }
    q->pieces = calloc(count, sizeof *q->pieces);
    q->sides = calloc(leaves ? leaves : 1, sizeof *q->sides); /* the pieces' leaves come after the sides */
    if (!q->pieces || !q->sides)
        return error_no_memory(err);
    int rc = fill_sides(d, s, q, err);
    task_leaf *next = q->sides + s->spec->side_count;
    for (; q->piece_count < count && !rc; q->piece_count++) {
        task_piece *piece = &q->pieces[q->piece_count];
        rc = fill_piece(d, s, &planned[q->piece_count], next, piece, err);
        next += piece->leaf_count;
    }
    return rc;
}

void pieces_release(task_request *q)
{
    free(q->pieces);
    free(q->sides);
}
