/* Runs: blocks of extents, verified against what the index said of them, as batches. */
#include "shuffle/run_source.h"

#include <inttypes.h>
#include <string.h>

#include "shuffle/charge.h"

#define WINDOW_MAX   (8u << 20)
#define WINDOW_SHARE 4           /* of the budget that is left, read-ahead takes at most a fourth */
#define MERGE_WINDOW (64u << 10) /* of one run among many */
#define RESERVE_MAX  (1u << 20)  /* larger blocks are few and mostly not compressed: memory only when they come */

struct run {
    task_env *env;
    fetch *fetch;
    block_reader *reader;
    const task_extent *extents;
    uint32_t count, current;
    uint32_t partition;
    bool upstream, reread; /* reread: a second look at damaged bytes was taken */
    int failed;
    uint64_t at, records, raw; /* consumed of the current extent */
    task_extent own;           /* of runs of one extent */
    object_bytes bytes;        /* of runs over an object in memory */
    task_extent *owned;        /* its extents */
};

/* ---- open and close ---- */

static uint64_t window_of(const task_env *env, uint64_t most)
{
    uint64_t share = env->budget ? budget_left(env->budget) / WINDOW_SHARE : most;
    return share < most ? share : most;
}

static int run_start(run *r, const fetch_source *source, uint32_t stage, type_kind key, type_kind value,
                     uint64_t window, sdf_error **err)
{
    uint32_t max_raw = 0;
    for (uint32_t i = 0; i < r->count; i++)
        max_raw = r->extents[i].max_raw > max_raw ? r->extents[i].max_raw : max_raw;
    r->upstream = source->upstream;
    int rc = fetch_open(&r->fetch, r->env, source, stage, r->extents, r->count, window, err);
    rc = rc ? rc : block_reader_new(&r->reader, key, value, r->env->budget, err);
    if (rc == SDF_OK && max_raw <= RESERVE_MAX)
        rc = block_reader_reserve(r->reader, max_raw, err);
    return rc;
}

static run *run_new(task_env *env, uint32_t partition, sdf_error **err)
{
    run *r = charge_alloc(env->budget, sizeof *r, err);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    r->env = env;
    r->partition = partition;
    return r;
}

static int opened(run *r, int rc, run **out)
{
    if (rc != SDF_OK)
        run_close(r);
    else
        *out = r;
    return rc;
}

int run_open_source(run **out, task_env *env, const fetch_source *source, uint32_t stage, uint32_t partition,
                    const task_extent *x, type_kind key, type_kind value, sdf_error **err)
{
    run *r = run_new(env, partition, err);
    if (!r)
        return SDF_E_NO_MEMORY;
    r->own = *x;
    r->extents = &r->own;
    r->count = 1;
    return opened(r, run_start(r, source, stage, key, value, window_of(env, MERGE_WINDOW), err), out);
}

int run_open_extent(run **out, task_env *env, uint32_t stage, uint32_t partition, const task_extent *x, type_kind key,
                    type_kind value, sdf_error **err)
{
    fetch_source source = fetch_from_store(env);
    return run_open_source(out, env, &source, stage, partition, x, key, value, err);
}

int run_open_extents(run **out, task_env *env, uint32_t stage, uint32_t partition, const task_extent *x, uint32_t count,
                     type_kind key, type_kind value, sdf_error **err)
{
    fetch_source source = fetch_from_store(env);
    run *r = run_new(env, partition, err);
    if (!r)
        return SDF_E_NO_MEMORY;
    r->extents = x;
    r->count = count;
    return opened(r, run_start(r, &source, stage, key, value, window_of(env, WINDOW_MAX), err), out);
}

static int bytes_extents(run *r, const shuffle_index *x, sdf_error **err)
{
    if (x->count == 0)
        return SDF_OK;
    r->owned = charge_alloc(r->env->budget, x->count * sizeof *r->owned, err);
    if (!r->owned)
        return SDF_E_NO_MEMORY;
    for (uint32_t i = 0; i < x->count; i++) {
        const index_extent *e = &x->extents[i];
        if (e->partition == r->partition)
            r->owned[r->count++] = (task_extent){
                .offset = e->offset, .stored = e->stored, .raw = e->raw, .records = e->records, .max_raw = e->max_raw};
    }
    r->bytes.extents_charged = x->count * sizeof *r->owned;
    r->extents = r->owned;
    return SDF_OK;
}

/* The object's own bytes, lent. object_read_index has checked that extents lie within. */
static int bytes_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    const object_bytes *b = self;
    for (size_t i = 0; i < count; i++) {
        reads[i]->view.data = b->data + reads[i]->offset;
        reads[i]->view.size = reads[i]->length;
        reads[i]->status = SDF_OK;
    }
    return SDF_OK;
}

int run_open_bytes(run **out, task_env *env, const void *object, size_t size, const object_ids *expect,
                   uint32_t partition, type_kind key, type_kind value, sdf_error **err)
{
    shuffle_index x;
    int rc = object_read_index(object, size, expect, &x, err);
    if (rc != SDF_OK)
        return rc;
    run *r = run_new(env, partition, err);
    rc = r ? bytes_extents(r, &x, err) : SDF_E_NO_MEMORY;
    shuffle_index_clear(&x);
    if (!r)
        return rc;
    r->bytes.data = object;
    fetch_source source = {.read = bytes_read, .self = &r->bytes, .lends = true};
    return opened(r, rc ? rc : run_start(r, &source, 0, key, value, 0, err), out);
}

void run_close(run *r)
{
    if (!r)
        return;
    block_reader_free(r->reader);
    fetch_close(r->fetch);
    charge_free(r->env->budget, r->owned, r->bytes.extents_charged);
    charge_free(r->env->budget, r, sizeof *r);
}

uint64_t run_cost(uint32_t max_raw)
{
    uint64_t block = (uint64_t)max_raw + BLOCK_HEADER_BYTES + OBJECT_HEADER_BYTES;
    return sizeof(run) + fetch_overhead(1) + block_reader_cost() + max_raw +
           (block > MERGE_WINDOW ? block : MERGE_WINDOW);
}

/* ---- reading ---- */

/* Bytes that are not what was written: of an upstream object, of this task's own spill, of an object in memory. */
static int damaged(run *r, sdf_error **err)
{
    uint64_t offset = r->extents[r->current].offset + r->at;
    error_prefix(err, "block of partition %u at offset %" PRIu64, r->partition, offset);
    if (r->upstream)
        return fetch_blame(r->fetch, r->current, SDF_E_CORRUPT, err);
    if (r->bytes.data)
        return SDF_E_CORRUPT;
    if (err)
        sdf_error_free(*err);
    int rc = error_set(err, SDF_E_IO, "spilled data came back damaged at offset %" PRIu64, offset);
    error_hint(err, "the scratch disk is not to be trusted; the task is tried again");
    return rc;
}

/* What the block's header says, against what the index promised. */
static int check_block(const run *r, const block_header *h, sdf_error **err)
{
    const task_extent *x = &r->extents[r->current];
    if (h->partition != r->partition)
        return error_set(err, SDF_E_CORRUPT, "it is of partition %u", h->partition);
    if (h->raw > x->max_raw || h->raw > x->raw - r->raw || h->records > x->records - r->records ||
        h->stored > x->stored - r->at - BLOCK_HEADER_BYTES)
        return error_set(err, SDF_E_CORRUPT, "%u records in %u bytes, stored as %u, are more than the index says",
                         h->records, h->raw, h->stored);
    return SDF_OK;
}

/* The block at the cursor, checked and open for block_reader_next. */
static int take_block(run *r, sdf_error **err)
{
    const task_extent *x = &r->extents[r->current];
    const uint8_t *data;
    block_header h;
    size_t used;
    if (x->stored - r->at < BLOCK_HEADER_BYTES)
        return error_set(err, SDF_E_CORRUPT, "only %" PRIu64 " bytes are left for a block", x->stored - r->at);
    int rc = fetch_get(r->fetch, r->current, r->at, BLOCK_HEADER_BYTES, &data, err);
    if (rc != SDF_OK) {
        r->failed = rc; /* the error is complete, and reading again was tried */
        return rc;
    }
    rc = block_header_read(data, BLOCK_HEADER_BYTES, &h, err);
    rc = rc ? rc : check_block(r, &h, err);
    if (rc != SDF_OK)
        return rc;
    rc = fetch_get(r->fetch, r->current, r->at, BLOCK_HEADER_BYTES + (uint64_t)h.stored, &data, err);
    if (rc != SDF_OK) {
        r->failed = rc;
        return rc;
    }
    rc = block_reader_open(r->reader, data, BLOCK_HEADER_BYTES + (size_t)h.stored, &used, &h, err);
    if (rc != SDF_OK)
        return rc;
    r->at += used;
    r->records += h.records;
    r->raw += h.raw;
    if (r->upstream) {
        r->env->metrics.shuffle_bytes_in += used;
        r->env->metrics.shuffle_records_in += h.records;
    }
    return SDF_OK;
}

/* Moves on to the next extent when the current one is read: SDF_END behind the last. */
static int next_extent(run *r, sdf_error **err)
{
    while (r->current < r->count && r->at == r->extents[r->current].stored) {
        const task_extent *x = &r->extents[r->current];
        if (r->records != x->records || r->raw != x->raw) {
            error_set(err, SDF_E_CORRUPT,
                      "%" PRIu64 " records in %" PRIu64 " bytes came where the index says %" PRIu64 " in %" PRIu64,
                      r->records, r->raw, x->records, x->raw);
            return damaged(r, err);
        }
        r->current++;
        r->at = r->records = r->raw = 0;
    }
    return r->current == r->count ? SDF_END : SDF_OK;
}

static int next_block(run *r, sdf_error **err)
{
    int rc = next_extent(r, err);
    if (rc != SDF_OK)
        return rc;
    sdf_error *why = NULL;
    rc = take_block(r, &why);
    if (rc == SDF_E_CORRUPT && !r->failed && !r->reread) {
        /* It may have been damaged on its way: look once more. */
        r->reread = true;
        fetch_forget(r->fetch);
        sdf_error_free(why);
        why = NULL;
        rc = take_block(r, &why);
    }
    if (rc == SDF_E_CORRUPT && !r->failed)
        rc = damaged(r, &why);
    if (rc != SDF_OK)
        error_move(err, &why);
    return rc;
}

int run_next(run *r, sdf_batch *batch, sdf_error **err)
{
    if (r->failed)
        return error_set(err, r->failed, "reading this run has failed before");
    int rc;
    while ((rc = block_reader_next(r->reader, batch)) == SDF_END) {
        rc = next_block(r, err);
        if (rc != SDF_OK) {
            r->failed = rc == SDF_END ? SDF_OK : rc;
            return rc;
        }
    }
    return rc;
}
