/* The records of one part of a result: from its bytes in this process, or from the store, block by block, within a
 * budget of their own. */
#include "api/internal.h"
#include "shuffle/object.h"
#include "spec/type.h"

struct part_reader {
    task_env env;
    task_request request;
    budget budget;
    type_kind key, value;
    run *run;
    task_extent *extents; /* of a part in the store; the run borrows them */
};

int part_reader_new(sdf_context *c, const sdf_result *r, part_reader **out, sdf_error **err)
{
    part_reader *rd = calloc(1, sizeof *rd);
    if (!rd)
        return error_no_memory(err);
    budget_init(&rd->budget, c->settings.memory);
    rd->request.context = c->id;
    rd->env = (task_env){.request = &rd->request, .budget = &rd->budget, .store = c->store, .clock = &timebase_real};
    rd->key = type_of(r->key_type);
    rd->value = type_of(r->value_type);
    *out = rd;
    return SDF_OK;
}

static void reader_close(part_reader *rd)
{
    run_close(rd->run);
    free(rd->extents);
    rd->run = NULL;
    rd->extents = NULL;
}

static int open_stored(part_reader *rd, const result_part *p, const object_ids *ids, sdf_error **err)
{
    shuffle_index x;
    int rc = object_fetch_index(rd->env.store, ids, p->object_bytes, &x, err);
    if (rc)
        return rc;
    rd->extents = calloc(x.count ? x.count : 1, sizeof *rd->extents);
    for (uint32_t i = 0; rd->extents && i < x.count; i++) {
        const index_extent *e = &x.extents[i];
        rd->extents[i] =
            (task_extent){p->task, p->leg, p->attempt, e->offset, e->stored, e->raw, e->records, e->max_raw};
    }
    uint32_t count = x.count;
    shuffle_index_clear(&x);
    if (!rd->extents)
        return error_no_memory(err);
    return run_open_extents(&rd->run, &rd->env, p->stage, 0, rd->extents, count, rd->key, rd->value, err);
}

/* The job is over: nothing runs its tasks again, whatever those who read for tasks promise. */
static int reader_failed(int rc, sdf_error **err)
{
    if (rc == SDF_E_NOT_FOUND || rc == SDF_E_CORRUPT)
        error_hint(err, "this data is gone or damaged in the store: run the action again, and look at its disk");
    return rc;
}

int part_reader_open(part_reader *rd, const result_part *p, sdf_error **err)
{
    object_ids ids = {rd->request.context, p->stage, p->task, p->leg, p->attempt};
    reader_close(rd);
    if (!p->records)
        return SDF_OK;
    int rc = p->bytes ? run_open_bytes(&rd->run, &rd->env, p->bytes, p->size, &ids, 0, rd->key, rd->value, err)
                      : open_stored(rd, p, &ids, err);
    if (rc)
        error_prefix(err, "result of task %u", p->task);
    return reader_failed(rc, err);
}

int part_reader_next(part_reader *rd, sdf_batch *batch, sdf_error **err)
{
    return rd->run ? reader_failed(run_next(rd->run, batch, err), err) : SDF_END;
}

void part_reader_free(part_reader *rd)
{
    if (!rd)
        return;
    reader_close(rd);
    free(rd);
}
