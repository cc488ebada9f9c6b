/* See range.h. A cut is the offset of the next record's first byte, 8 bytes little-endian. */
#include "exec/range.h"

#include "base/error.h"
#include "base/wire.h"

#define CUT_BYTES    8
#define STEP_BATCHES 8 /* between two looks at clock and lease */

static int leg_bad(const leg *l, const char *what, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "the request for \"%s\" can't be: %s", l->split->path, what);
}

static int cut_read(const leg *l, const sdf_slice *cut, uint64_t *at, sdf_error **err)
{
    if (cut->size != CUT_BYTES)
        return leg_bad(l, "a cut has another length than 8 bytes", err);
    *at = load_u64(cut->data);
    if (*at < l->split->offset || *at > l->split->file_size)
        return leg_bad(l, "a cut lies outside of the split", err);
    return SDF_OK;
}

int leg_open(leg *l, task_env *env, sdf_error **err)
{
    const task_request *q = env->request;
    const task_split *s = &q->split;
    int rc = SDF_OK;
    *l = (leg){.env = env, .split = s};
    if (!s->path || !*s->path)
        return error_set(err, SDF_E_INVALID, "the request names no input file");
    if (s->offset > s->file_size || s->length > s->file_size - s->offset)
        return leg_bad(l, "the split ends behind the file", err);
    l->start = s->offset;
    l->stop = s->offset + s->length;
    if (q->cut_start.size) {
        rc = cut_read(l, &q->cut_start, &l->start, err);
        l->resumed = true;
    }
    if (!rc && q->cut_end.size) {
        rc = cut_read(l, &q->cut_end, &l->stop, err);
        l->bounded = true;
        if (!rc && l->stop < l->start)
            rc = leg_bad(l, "it ends before it begins", err);
    }
    l->may_cut = env->stage->resumable && !l->bounded && (q->cut_ms || q->cut_records);
    return rc;
}

size_t leg_room(const leg *l)
{
    uint64_t most = l->may_cut ? l->env->request->cut_records : 0;
    if (!most || most - l->records >= SDF_BATCH_MAX)
        return SDF_BATCH_MAX;
    return most - l->records;
}

int leg_step(leg *l, size_t records, uint64_t next, sdf_error **err)
{
    const task_request *q = l->env->request;
    l->records += records;
    l->env->metrics.records_in += records;
    bool look = ++l->batches >= STEP_BATCHES;
    if (look) {
        l->batches = 0;
        int rc = task_env_check(l->env, err);
        if (rc)
            return rc;
    }
    if (!l->may_cut || next >= l->stop)
        return SDF_OK;
    if (q->cut_records && l->records >= q->cut_records)
        return OP_STOP;
    return look && q->cut_ms && timebase_now(l->env->clock) >= q->cut_ms ? OP_STOP : SDF_OK;
}

int leg_close(const leg *l, uint64_t next, buf *cut, sdf_error **err)
{
    uint8_t bytes[CUT_BYTES];
    if (l->bounded && next != l->stop) {
        error_set(err, SDF_E_NONDETERMINISTIC, "\"%s\": a rerun should end at byte %llu, but a record ends at %llu",
                  l->split->path, (unsigned long long)l->stop, (unsigned long long)next);
        error_hint(err, "the file was changed while the job ran: run the job again");
        return SDF_E_NONDETERMINISTIC;
    }
    if (!l->bounded && next >= l->stop)
        return SDF_OK;
    store_u64(bytes, next);
    buf_clear(cut);
    return buf_append(cut, bytes, sizeof bytes) ? error_no_memory(err) : SDF_OK;
}

bool leg_sampled(const leg *l)
{
    return l->stop - l->start > 2ull * SAMPLE_CHUNKS * SAMPLE_CHUNK_BYTES;
}

uint64_t leg_chunk(const leg *l, unsigned i)
{
    uint64_t span = l->stop - l->start - SAMPLE_CHUNK_BYTES, gaps = SAMPLE_CHUNKS - 1;
    return l->start + span / gaps * i + span % gaps * i / gaps;
}

void leg_blame(const task_env *env, int rc, sdf_error **err)
{
    if (rc && err && *err && !*sdf_error_operator(*err))
        error_at(err, NULL, env->stage->input.label);
}
