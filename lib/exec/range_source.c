/* Numbers: value i64 = start + i * step for each i of the piece's split. Records have no key. */
#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "exec/range.h"
#include "exec/sources.h"

#define SAMPLE_NUMBERS (SAMPLE_CHUNK_BYTES / sizeof(int64_t))

/* Numbers [i, stop). They wrap around like the range that was asked for can't: it was checked when it was planned. */
static int numbers_push(range *r, const plan_input *in, uint64_t *numbers, uint64_t *i, uint64_t stop, op *first,
                        sdf_error **err)
{
    sdf_batch batch = {.count = 0};
    column_set_null(&batch.key);
    column_set_fixed(&batch.value, numbers, sizeof numbers[0]);
    while (*i < stop) {
        size_t room = range_room(r);
        batch.count = stop - *i < room ? stop - *i : room;
        for (size_t k = 0; k < batch.count; k++)
            numbers[k] = (uint64_t)in->start + (*i + k) * (uint64_t)in->step;
        *i += batch.count;
        int rc = op_push(first, &batch, err);
        if (rc || (rc = range_step(r, batch.count, *i, err)))
            return rc;
    }
    return SDF_OK;
}

static int range_read(range *r, const plan_input *in, uint64_t *numbers, op *first, sdf_error **err)
{
    int rc = SDF_OK;
    if (r->chunks == UINT_MAX) {
        uint64_t i = r->start;
        rc = numbers_push(r, in, numbers, &i, r->stop, first, err);
        range_seen(r, (i - r->start) * sizeof(int64_t));
        return rc ? rc : range_close(r, i, err);
    }
    for (unsigned k = 0; k < r->chunks && !rc; k++) {
        uint64_t i = range_chunk(r, k, SAMPLE_NUMBERS);
        rc = numbers_push(r, in, numbers, &i, i + SAMPLE_NUMBERS, first, err);
        range_seen(r, SAMPLE_CHUNK_BYTES);
    }
    return rc;
}

/* The batch does not lie on the stack: a function may emit views of it, and views of the stack are refused. */
int range_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    range r;
    int rc = range_open(&r, env, UINT64_MAX, false, err);
    if (rc)
        return rc;
    uint64_t *numbers = malloc(SDF_BATCH_MAX * sizeof *numbers);
    rc = numbers ? range_read(&r, in, numbers, first, err) : error_no_memory(err);
    free(numbers);
    return rc;
}
