/* See range.h. A cut is the piece's number, then 0 or the position within it plus 1, both as varints. */
#include "exec/range.h"

#include <limits.h>

#include "base/error.h"
#include "base/wire.h"
#include "codec/codec.h"

#define STEP_BATCHES 8 /* between two looks at clock and lease */

/* ---- cuts ---- */

static int request_bad(const char *what, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "the request can't be: %s", what);
}

static int cut_read(const task_request *q, const sdf_slice *cut, leg_mark *mark, sdf_error **err)
{
    wire_reader r = wire_read(cut->data, cut->size);
    uint64_t piece = wire_varint(&r), at = wire_varint(&r);
    if (r.bad || wire_left(&r))
        return request_bad("a cut is no two numbers", err);
    if (piece >= q->piece_count)
        return request_bad("a cut lies behind the task's pieces", err);
    *mark = (leg_mark){(uint32_t)piece, at > 0, at ? at - 1 : 0};
    const task_split *s = &q->pieces[piece].split;
    if (mark->inside && (mark->at < s->offset || mark->at - s->offset > s->length))
        return request_bad("a cut lies outside of its split", err);
    return SDF_OK;
}

static bool mark_before(const leg_mark *a, const leg_mark *b)
{
    if (a->piece != b->piece)
        return a->piece < b->piece;
    return a->inside == b->inside ? a->at < b->at : b->inside;
}

int leg_write_cut(const leg *l, buf *cut, sdf_error **err)
{
    const leg_mark *end = l->bounded ? &l->to : &l->end;
    buf_clear(cut);
    if (!l->bounded && !l->cut)
        return SDF_OK;
    return wire_put_varint(cut, end->piece) || wire_put_varint(cut, end->inside ? end->at + 1 : 0)
               ? error_no_memory(err)
               : SDF_OK;
}

/* ---- legs ---- */

/* How much there is to read of a piece, in bytes. */
static uint64_t piece_weight(const task_env *env, const task_piece *p)
{
    const plan_input *in = &env->stage->branches[p->branch].input;
    uint64_t bytes = 0;
    if (in->kind == PLAN_INPUT_FILES)
        return p->split.codec == CODEC_NONE ? p->split.length : p->split.file_size;
    if (in->kind == PLAN_INPUT_RANGE)
        return p->split.length * sizeof(int64_t);
    for (uint32_t i = 0; i < p->leaf_count; i++)
        for (uint32_t k = 0; k < p->leaves[i].extent_count; k++)
            bytes += p->leaves[i].extents[k].raw;
    return bytes;
}

int leg_open(leg *l, task_env *env, scan_share *share, sdf_error **err)
{
    const task_request *q = env->request;
    int rc = SDF_OK;
    *l = (leg){.env = env, .share = share};
    if (!q->piece_count)
        return request_bad("it has no pieces", err);
    for (uint32_t i = 0; i < q->piece_count; i++)
        if (q->pieces[i].branch >= env->stage->branch_count)
            return request_bad("a piece is of a branch that the stage does not have", err);
    if (q->cut_start.size)
        rc = cut_read(q, &q->cut_start, &l->from, err);
    if (!rc && q->cut_end.size) {
        rc = cut_read(q, &q->cut_end, &l->to, err);
        l->bounded = true;
        if (!rc && mark_before(&l->to, &l->from))
            rc = request_bad("it ends before it begins", err);
    }
    l->may_cut = env->stage->resumable && !l->bounded && !share && (q->cut_ms || q->cut_records);
    for (uint32_t i = 0; share && i < q->piece_count; i++)
        l->weight += piece_weight(env, &q->pieces[i]);
    return rc;
}

static bool leg_is_due(const leg *l, bool ask_clock)
{
    const task_request *q = l->env->request;
    if (!l->may_cut)
        return false;
    if (q->cut_records && l->records >= q->cut_records)
        return true;
    return ask_clock && q->cut_ms && timebase_now(l->env->clock) >= q->cut_ms;
}

int leg_enters(leg *l, uint32_t i, sdf_error **err)
{
    if (l->bounded && (i > l->to.piece || (i == l->to.piece && !l->to.inside)))
        return 0;
    if (i == l->from.piece)
        return 1;
    int rc = task_env_check(l->env, err);
    if (rc)
        return rc;
    if (!leg_is_due(l, true))
        return 1;
    l->cut = true;
    l->end = (leg_mark){i, false, 0};
    return 0;
}

void leg_passed(leg *l)
{
    if (!l->share)
        return;
    const task_piece *p = l->env->piece;
    plan_input_kind kind = l->env->stage->branches[p->branch].input.kind;
    uint64_t weight = piece_weight(l->env, p);
    l->passed += weight;
    if (kind == PLAN_INPUT_FILES || kind == PLAN_INPUT_RANGE)
        return; /* they say themselves what was seen of them */
    l->share->total += weight;
    l->share->seen += weight;
}

/* ---- ranges ---- */

static int split_bad(const range *r, const char *what, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "the request for \"%s\" can't be: %s", r->split->path ? r->split->path : "",
                     what);
}

/* The points that stand for a task's whole input lie evenly in it; those in this piece say how much of it is read. */
static void range_plan_sample(range *r, bool whole)
{
    const leg *l = r->leg;
    uint64_t weight = piece_weight(r->env, r->env->piece);
    unsigned chunks = 0;
    l->share->total += weight;
    if (l->weight <= 2ull * SAMPLE_CHUNKS * SAMPLE_CHUNK_BYTES)
        return;
    for (unsigned i = 0; i < SAMPLE_CHUNKS; i++) {
        uint64_t point = (uint64_t)((unsigned __int128)l->weight * (2 * i + 1) / (2 * SAMPLE_CHUNKS));
        chunks += point >= l->passed && point - l->passed < weight;
    }
    if (!chunks || (!whole && weight > 2ull * chunks * SAMPLE_CHUNK_BYTES))
        r->chunks = chunks;
}

int range_open(range *r, task_env *env, uint64_t end, bool whole, sdf_error **err)
{
    const task_split *s = &env->piece->split;
    leg *l = env->leg;
    *r = (range){.env = env, .leg = l, .split = s, .chunks = UINT_MAX};
    if (s->offset > end || (s->length > end - s->offset && (s->length != UINT64_MAX || s->offset)))
        return split_bad(r, "the split ends behind the file", err);
    r->start = s->offset;
    r->stop = s->length > end - s->offset ? end : s->offset + s->length;
    if (!l)
        return SDF_OK;
    uint32_t i = (uint32_t)(env->piece - env->request->pieces);
    if (l->from.inside && l->from.piece == i) {
        r->start = l->from.at;
        r->resumed = true;
    }
    if (l->bounded && l->to.piece == i) {
        r->stop = l->to.at;
        r->bounded = true;
    }
    if (l->share)
        range_plan_sample(r, whole || r->resumed || r->bounded);
    return r->start > r->stop ? split_bad(r, "a cut lies outside of the split", err) : SDF_OK;
}

size_t range_room(const range *r)
{
    uint64_t most = r->leg && r->leg->may_cut ? r->env->request->cut_records : 0;
    if (!most || most - r->leg->records >= SDF_BATCH_MAX)
        return SDF_BATCH_MAX;
    return most - r->leg->records;
}

int range_step(range *r, size_t records, uint64_t next, sdf_error **err)
{
    leg *l = r->leg;
    uint32_t *batches = l ? &l->batches : &r->batches;
    r->env->metrics.records_in += records;
    bool look = ++*batches >= STEP_BATCHES;
    if (look) {
        *batches = 0;
        int rc = task_env_check(r->env, err);
        if (rc)
            return rc;
    }
    if (!l)
        return SDF_OK;
    l->records += records;
    if (next >= r->stop || !leg_is_due(l, look))
        return SDF_OK;
    l->cut = true;
    l->end = (leg_mark){(uint32_t)(r->env->piece - r->env->request->pieces), true, next};
    return OP_STOP;
}

int range_close(const range *r, uint64_t next, sdf_error **err)
{
    if (!r->bounded || next == r->stop)
        return SDF_OK;
    error_set(err, SDF_E_NONDETERMINISTIC, "\"%s\": a rerun should end at byte %llu, but a record ends at %llu",
              r->split->path ? r->split->path : "", (unsigned long long)r->stop, (unsigned long long)next);
    error_hint(err, "the file was changed while the job ran: run the job again");
    return SDF_E_NONDETERMINISTIC;
}

uint64_t range_chunk(const range *r, unsigned i, uint64_t size)
{
    uint64_t span = r->stop - r->start - size, gaps = r->chunks - 1;
    return r->start + (gaps ? span / gaps * i + span % gaps * i / gaps : span / 2);
}

void range_seen(const range *r, uint64_t seen)
{
    if (r->leg && r->leg->share)
        r->leg->share->seen += seen;
}
