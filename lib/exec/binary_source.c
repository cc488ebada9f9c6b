/* Fixed-length records: the first key_bytes of each are its key, the rest its value. Whole records are pushed as views
 * of the buffer; where there is only a key or only a value, as a fixed column. */
#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "exec/range.h"
#include "exec/reader.h"
#include "exec/sources.h"

typedef struct binary {
    range range;
    reader reader;
    op *first;
    uint32_t record, key; /* bytes */
    sdf_slice keys[SDF_BATCH_MAX], values[SDF_BATCH_MAX];
    uint64_t offsets[SDF_BATCH_MAX];
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

/* Pushes the whole records in the buffer. What is decompressed may go on behind the stretch's end. */
static int binary_push(binary *b, sdf_error **err)
{
    reader *r = &b->reader;
    size_t held = reader_held(r);
    held = held < r->stop - r->at ? held : (size_t)(r->stop - r->at);
    for (size_t left = held / b->record; left;) {
        sdf_batch batch = {.count = range_room(&b->range)};
        batch.count = batch.count < left ? batch.count : left;
        binary_columns(b, r->bytes + r->begin, &batch);
        for (size_t i = 0; b->first->origins && i < batch.count; i++)
            b->offsets[i] = r->at + i * b->record;
        batch.offsets = b->first->origins ? b->offsets : NULL;
        int rc = op_push(b->first, &batch, err);
        if (rc)
            return rc;
        poison(r->bytes + r->begin, batch.count * b->record);
        reader_skip(r, batch.count * b->record);
        left -= batch.count;
        if (r->ended && !reader_held(r) && !b->range.bounded)
            b->range.stop = r->at; /* where a compressed file ends is known only now */
        if ((rc = range_step(&b->range, batch.count, r->at, err)))
            return rc;
    }
    return SDF_OK;
}

static int left_over(const binary *b, uint64_t bytes, uint64_t over, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT,
              "\"%s\" has %llu bytes, which is no whole number of records of %u bytes: %llu are left over",
              b->range.split->path, (unsigned long long)bytes, b->record, (unsigned long long)over);
    error_hint(err, "the file was cut short, or record_bytes is not its record length");
    return SDF_E_CORRUPT;
}

/* Records in [at, stop): SDF_OK at the end, OP_STOP after a cut or when nobody wants more. */
static int binary_stretch(binary *b, uint64_t at, uint64_t stop, sdf_error **err)
{
    reader *r = &b->reader;
    r->stop = stop;
    int rc = reader_seek(r, at, err);
    while (!rc && r->at < stop) {
        if (reader_held(r) >= b->record)
            rc = binary_push(b, err);
        else if (!r->ended)
            rc = reader_fill(r, "record", 0, err);
        else
            return reader_held(r) ? left_over(b, r->at + reader_held(r), reader_held(r), err) : SDF_OK;
    }
    return rc;
}

static int binary_sample(binary *b, sdf_error **err)
{
    uint64_t chunk = SAMPLE_CHUNK_BYTES / b->record * b->record;
    int rc = SDF_OK;
    for (unsigned i = 0; i < b->range.chunks && !rc; i++) {
        uint64_t at = range_chunk(&b->range, i, SAMPLE_CHUNK_BYTES) / b->record * b->record;
        rc = binary_stretch(b, at, at + chunk, err);
        range_seen(&b->range, chunk);
    }
    return rc;
}

static int binary_whole(binary *b, sdf_error **err)
{
    int rc = binary_stretch(b, b->range.start, b->range.stop, err);
    if (rc)
        return rc;
    range_seen(&b->range, b->range.split->codec ? b->range.split->file_size : b->reader.at - b->range.start);
    return range_close(&b->range, b->reader.at, err);
}

static int binary_check(const binary *b, sdf_error **err)
{
    const task_split *s = b->range.split;
    if (!b->record || b->key > b->record)
        return error_set(err, SDF_E_INVALID, "records of %u bytes with keys of %u can't be", b->record, b->key);
    if (!s->codec && s->file_size % b->record)
        return left_over(b, s->file_size, s->file_size % b->record, err);
    if (b->range.start % b->record || (b->range.stop != UINT64_MAX && b->range.stop % b->record))
        return error_set(err, SDF_E_INVALID, "\"%s\": a split or cut lies within a record", s->path);
    return SDF_OK;
}

int binary_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    const task_split *s = &env->piece->split;
    binary *b = calloc(1, sizeof *b);
    if (!b)
        return error_no_memory(err);
    b->first = first;
    b->record = in->format.record_bytes;
    b->key = in->format.key_bytes;
    int rc = range_open(&b->range, env, reader_file_end(s), s->codec || b->record > SAMPLE_CHUNK_BYTES, err);
    if (!rc)
        rc = binary_check(b, err);
    if (!rc && b->range.chunks) {
        rc = reader_open(&b->reader, env, b->range.stop - b->range.start, err);
        b->reader.exact = true;
        if (!rc)
            rc = b->range.chunks == UINT_MAX ? binary_whole(b, err) : binary_sample(b, err);
    }
    reader_close(&b->reader);
    free(b);
    return rc;
}
