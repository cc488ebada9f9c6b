/* Fixed-length records of a split: the first key_bytes of each are its key, the rest its value. Whole records are read
 * into one buffer and pushed as views of it; where there is only a key or only a value, as a fixed column. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/range.h"
#include "store/input.h"

typedef struct binary {
    leg leg;
    op *first;
    input *in;
    uint32_t record, key; /* bytes */
    uint8_t *bytes;
    size_t capacity; /* whole records */
    sdf_slice keys[SDF_BATCH_MAX], values[SDF_BATCH_MAX];
} binary;

static void binary_columns(binary *b, const uint8_t *from, sdf_batch *batch)
{
    column_set_null(&batch->key);
    column_set_null(&batch->value);
    if (!b->key) {
        column_set_fixed(&batch->value, from, b->record);
        return;
    }
    if (b->key == b->record) {
        column_set_fixed(&batch->key, from, b->record);
        return;
    }
    for (size_t i = 0; i < batch->count; i++, from += b->record) {
        b->keys[i] = (sdf_slice){from, b->key};
        b->values[i] = (sdf_slice){from + b->key, b->record - b->key};
    }
    column_set_slices(&batch->key, b->keys);
    column_set_slices(&batch->value, b->values);
}

/* Pushes what one read gave; *at moves on. */
static int binary_push(binary *b, size_t records, uint64_t *at, bool *wanted, sdf_error **err)
{
    for (size_t i = 0; i < records;) {
        sdf_batch batch = {.count = leg_room(&b->leg)};
        if (batch.count > records - i)
            batch.count = records - i;
        binary_columns(b, b->bytes + i * b->record, &batch);
        int rc = op_push(b->first, &batch, err);
        i += batch.count;
        *at += (uint64_t)batch.count * b->record;
        if (rc) {
            *wanted = rc != OP_STOP;
            return rc;
        }
        if ((rc = leg_step(&b->leg, batch.count, *at, err)))
            return rc;
    }
    return SDF_OK;
}

/* Records in [*at, stop): as text_stretch of text_source.c. */
static int binary_stretch(binary *b, uint64_t *at, uint64_t stop, bool *wanted, sdf_error **err)
{
    while (*at < stop) {
        size_t got, want = stop - *at < b->capacity ? stop - *at : b->capacity;
        int rc = input_read(b->in, b->bytes, want, *at, &got, err);
        if (rc)
            return rc;
        if (got < want)
            return error_set(err, SDF_E_CORRUPT, "\"%s\" ends at byte %llu, it had %llu bytes when the job was planned",
                             b->leg.split->path, (unsigned long long)(*at + got),
                             (unsigned long long)b->leg.split->file_size);
        b->leg.env->metrics.bytes_read += got;
        if ((rc = binary_push(b, got / b->record, at, wanted, err)))
            return rc;
    }
    return SDF_OK;
}

static int binary_sample(binary *b, scan_share *share, sdf_error **err)
{
    bool wanted = true;
    uint64_t chunk = SAMPLE_CHUNK_BYTES / b->record * b->record;
    share->total = b->leg.stop - b->leg.start;
    b->leg.may_cut = false;
    for (unsigned i = 0; i < SAMPLE_CHUNKS && wanted; i++) {
        uint64_t at = leg_chunk(&b->leg, i) / b->record * b->record, from = at;
        int rc = binary_stretch(b, &at, at + chunk, &wanted, err);
        if (rc && rc != OP_STOP)
            return rc;
        share->seen += at - from;
    }
    return SDF_OK;
}

static int binary_whole(binary *b, buf *cut, sdf_error **err)
{
    bool wanted = true;
    uint64_t at = b->leg.start;
    int rc = binary_stretch(b, &at, b->leg.stop, &wanted, err);
    if (rc && rc != OP_STOP)
        return rc;
    return wanted ? leg_close(&b->leg, at, cut, err) : SDF_OK;
}

static int binary_check(const binary *b, sdf_error **err)
{
    const task_split *s = b->leg.split;
    if (!b->record || b->key > b->record)
        return error_set(err, SDF_E_INVALID, "records of %u bytes with keys of %u can't be", b->record, b->key);
    if (s->file_size % b->record) {
        error_set(err, SDF_E_CORRUPT,
                  "\"%s\" has %llu bytes, which is no whole number of records of %u bytes: %llu are left over", s->path,
                  (unsigned long long)s->file_size, b->record, (unsigned long long)(s->file_size % b->record));
        error_hint(err, "the file was cut short, or record_bytes is not its record length");
        return SDF_E_CORRUPT;
    }
    if (b->leg.start % b->record || b->leg.stop % b->record)
        return error_set(err, SDF_E_INVALID, "\"%s\": a split or cut lies within a record", s->path);
    return SDF_OK;
}

static int binary_open(binary *b, task_env *env, sdf_error **err)
{
    const plan_input *spec = &env->stage->input;
    int rc = leg_open(&b->leg, env, err);
    b->record = spec->record_bytes;
    b->key = spec->key_bytes;
    if (rc || (rc = binary_check(b, err)))
        return rc;
    const task_split *s = b->leg.split;
    if ((rc = input_open(s->path, s->file_size, s->file_mtime_ns, &b->in, err)))
        return rc;
    uint64_t most = env->budget->limit / 8 < SOURCE_BYTES ? env->budget->limit / 8 : SOURCE_BYTES;
    uint64_t need = b->leg.stop - b->leg.start;
    most = most < need ? most : need;
    size_t capacity = most < b->record ? b->record : most / b->record * b->record;
    if ((rc = budget_take(env->budget, capacity, NULL, err)))
        return rc;
    b->capacity = capacity;
    b->bytes = malloc(capacity);
    return b->bytes ? SDF_OK : error_no_memory(err);
}

int binary_source_run(task_env *env, op *first, scan_share *share, buf *cut, sdf_error **err)
{
    binary *b = calloc(1, sizeof *b);
    if (!b)
        return error_no_memory(err);
    b->first = first;
    int rc = binary_open(b, env, err);
    if (!rc)
        rc = share && leg_sampled(&b->leg) && b->record <= SAMPLE_CHUNK_BYTES ? binary_sample(b, share, err)
                                                                              : binary_whole(b, cut, err);
    if (!rc)
        rc = op_finish(first, err);
    leg_blame(env, rc, err);
    input_close(b->in);
    free(b->bytes);
    budget_give(env->budget, b->capacity);
    free(b);
    return rc;
}
