/* What consumers read of a stage: the indexes of its commits, transposed, so that a request takes one row. */
#include <stdlib.h>

#include "driver/internal.h"
#include "shuffle/object.h"

void stage_forget_extents(stage *s)
{
    free(s->extents);
    free(s->first);
    free(s->before);
    s->extents = NULL;
    s->first = NULL;
    s->before = NULL;
}

static int index_decode(const stage *s, const commit *c, shuffle_index *x, sdf_error **err)
{
    sdf_slice bytes = commit_get(c, COMMIT_INDEX);
    int rc = shuffle_index_decode(bytes.data, bytes.size, x, err);
    if (rc || x->partitions == s->partitions)
        return rc;
    error_set(err, SDF_E_CORRUPT, "the shuffle index is of %u partitions, not %u", x->partitions, s->partitions);
    shuffle_index_clear(x);
    return SDF_E_CORRUPT;
}

int stage_check_index(const stage *s, const commit *c, sdf_error **err)
{
    shuffle_index x;
    int rc = index_decode(s, c, &x, err);
    if (!rc)
        shuffle_index_clear(&x);
    return rc;
}

/* Decodes every leg's index of the stage, in (task, leg) order, and hands each extent to `visit`. */
static int stage_each_extent(stage *s, void (*visit)(stage *s, const task_extent *x, uint32_t partition),
                             sdf_error **err)
{
    for (uint32_t t = 0; t < s->tasks; t++) {
        for (const commit *c = s->commits[t]; c; c = c->next) {
            shuffle_index x;
            int rc = index_decode(s, c, &x, err);
            if (rc) {
                error_prefix(err, "index of stage %u task %u leg %u", s->id, t, c->leg);
                return rc;
            }
            for (uint32_t i = 0; i < x.count; i++) {
                const index_extent *e = &x.extents[i];
                task_extent out = {t, c->leg, c->attempt, e->offset, e->stored, e->raw, e->records, e->max_raw};
                visit(s, &out, e->partition);
            }
            shuffle_index_clear(&x);
        }
    }
    return SDF_OK;
}

/* While the extents are placed, first[p+1] is where the next one of partition p goes; at the end it is where
 * p ends, which is where p+1 begins. */
static void visit_count(stage *s, const task_extent *x, uint32_t partition)
{
    s->first[partition + 2]++;
    s->before[partition + 1] += x->records;
}

static void visit_place(stage *s, const task_extent *x, uint32_t partition)
{
    s->extents[s->first[partition + 1]++] = *x;
}

static int stage_transpose(stage *s, sdf_error **err)
{
    s->first = calloc((size_t)s->partitions + 2, sizeof *s->first);
    s->before = calloc((size_t)s->partitions + 1, sizeof *s->before);
    if (!s->first || !s->before)
        return error_no_memory(err);
    int rc = stage_each_extent(s, visit_count, err);
    if (rc)
        return rc;
    for (uint32_t p = 1; p <= s->partitions + 1; p++)
        s->first[p] += s->first[p - 1];
    for (uint32_t p = 1; p <= s->partitions; p++)
        s->before[p] += s->before[p - 1];
    uint32_t total = s->first[s->partitions + 1];
    s->extents = malloc((total ? total : 1) * sizeof *s->extents);
    if (!s->extents)
        return error_no_memory(err);
    return stage_each_extent(s, visit_place, err);
}

/* Makes the extents if they are not there. */
static int stage_has(stage *s, uint32_t partition, sdf_error **err)
{
    if (partition >= s->partitions)
        return error_set(err, SDF_E_INTERNAL, "stage %u has no partition %u", s->id, partition);
    if (s->extents)
        return SDF_OK;
    int rc = stage_transpose(s, err);
    if (rc)
        stage_forget_extents(s);
    return rc;
}

int stage_extents(stage *s, uint32_t partition, const task_extent **x, uint32_t *count, sdf_error **err)
{
    int rc = stage_has(s, partition, err);
    if (rc)
        return rc;
    *x = s->extents + s->first[partition];
    *count = s->first[partition + 1] - s->first[partition];
    return SDF_OK;
}

int stage_records_before(stage *s, uint32_t partition, uint64_t *records, sdf_error **err)
{
    int rc = stage_has(s, partition, err);
    if (!rc)
        *records = s->before[partition];
    return rc;
}
