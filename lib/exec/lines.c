/* See lines.h. */
#include "exec/lines.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SCAN_MOST ((size_t)64 << 20)

static int lines_fill(lines *l, sdf_error **err)
{
    return reader_fill(&l->reader, l->unit, l->most, err);
}

/* ---- lines ---- */

int lines_find(lines *l, size_t room, size_t *count, sdf_error **err)
{
    reader *r = &l->reader;
    const uint8_t *from = r->bytes + r->begin;
    size_t held = reader_held(r), window = held - l->seen, start = 0, n = 0;
    window = window > SCAN_MOST ? SCAN_MOST : window;
    size_t found = l->scan->newlines(from + l->seen, window, l->ends, room);
    for (; n < found && r->at + start < r->stop; n++) {
        size_t end = l->ends[n] + l->seen, size = end - start;
        if (size && from[end - 1] == '\r')
            size--;
        if (l->most && size > l->most) {
            r->at += start;
            return reader_too_long(r, l->unit, l->most, err);
        }
        l->found[n] = (sdf_slice){from + start, size};
        start = end + 1;
    }
    reader_skip(r, start);
    l->seen = found ? 0 : l->seen + window;
    *count = n;
    return SDF_OK;
}

int lines_last(lines *l, size_t *count, sdf_error **err)
{
    reader *r = &l->reader;
    size_t size = reader_held(r);
    if (l->most && size > l->most)
        return reader_too_long(r, l->unit, l->most, err);
    l->found[0] = (sdf_slice){r->bytes + r->begin, size};
    reader_skip(r, size);
    *count = 1;
    return SDF_OK;
}

int lines_skip_mark(lines *l, sdf_error **err)
{
    reader *r = &l->reader;
    int rc = SDF_OK;
    while (!rc && reader_held(r) < 3 && !r->ended)
        rc = lines_fill(l, err);
    if (rc || reader_held(r) < 3 || memcmp(r->bytes + r->begin, "\xef\xbb\xbf", 3) != 0)
        return rc;
    reader_skip(r, 3);
    /* The first line begins with the mark, so it is this range's even if that ends within the mark. */
    r->stop = r->stop > r->at ? r->stop : r->at + 1;
    return SDF_OK;
}

/* ---- stretches ---- */

/* The records' bytes lie behind `begin`, from `from` on. */
static int lines_push(lines *l, size_t count, sdf_error **err)
{
    sdf_batch batch = {.count = count};
    column_set_null(&batch.key);
    column_set_slices(&batch.value, l->found);
    if (l->first->origins) {
        for (size_t i = 0; i < count; i++)
            l->offsets[i] = lines_offset(l, l->found[i].data);
        batch.offsets = l->offsets;
    }
    return op_push(l->first, &batch, err);
}

/* The next records. *count: how many were found, perhaps none; SDF_END: the stretch is at its end. */
static int lines_next(lines *l, size_t *count, sdf_error **err)
{
    reader *r = &l->reader;
    *count = 0;
    while (r->at < r->stop) {
        uint64_t at = r->at;
        int rc = l->find(l, range_room(&l->range), count, err);
        if (rc || r->at > at)
            return rc;
        if (l->seen < reader_held(r))
            continue;
        if (r->ended) {
            l->seen = 0;
            return reader_held(r) ? l->last(l, count, err) : SDF_END;
        }
        if ((rc = lines_fill(l, err)))
            return rc;
    }
    return SDF_END;
}

/* Records that begin in [at, stop): SDF_OK at the end, OP_STOP after a cut or when nobody wants more. */
static int lines_stretch(lines *l, sdf_error **err)
{
    reader *r = &l->reader;
    for (;;) {
        size_t found, count;
        uint64_t at = r->at;
        int rc = lines_next(l, &found, err);
        if (rc)
            return rc == SDF_END ? SDF_OK : rc;
        count = found;
        if (found && l->sift)
            rc = l->sift(l, &count, err);
        if (!rc && count)
            rc = lines_push(l, count, err);
        if (rc)
            return rc;
        poison(r->bytes + r->begin - (r->at - at), found ? (size_t)(r->at - at) : 0);
        if (r->ended && !reader_held(r) && !l->range.bounded)
            l->range.stop = r->at; /* where a compressed file ends is known only now */
        if ((rc = range_step(&l->range, count, r->at, err)))
            return rc;
    }
}

/* Passes over everything to behind the next newline, or to the stretch's end. */
static int lines_skip_one(lines *l, sdf_error **err)
{
    reader *r = &l->reader;
    while (r->at < r->stop) {
        const uint8_t *from = r->bytes + r->begin, *nl = memchr(from, '\n', reader_held(r));
        reader_skip(r, nl ? (size_t)(nl - from) + 1 : reader_held(r));
        if (nl || r->ended)
            return SDF_OK;
        int rc = lines_fill(l, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

/* Moves to the first line that begins at or behind `start`, which is one's first byte if `aligned`. */
static int lines_align(lines *l, uint64_t start, bool aligned, sdf_error **err)
{
    bool within = start && !aligned;
    int rc = reader_seek(&l->reader, start - within, err);
    l->seen = 0;
    if (!rc && within)
        rc = lines_skip_one(l, err);
    else if (!rc && !start && l->head)
        rc = l->head(l, err);
    return rc;
}

/* A few stretches spread over the piece stand for all of it. */
static int lines_sample(lines *l, sdf_error **err)
{
    for (unsigned i = 0; i < l->range.chunks; i++) {
        uint64_t start = range_chunk(&l->range, i, SAMPLE_CHUNK_BYTES);
        l->reader.stop = start + SAMPLE_CHUNK_BYTES;
        int rc = lines_align(l, start, false, err);
        uint64_t from = l->reader.at;
        if (!rc)
            rc = lines_stretch(l, err);
        if (rc)
            return rc;
        range_seen(&l->range, l->reader.at - from);
    }
    return SDF_OK;
}

static int lines_whole(lines *l, sdf_error **err)
{
    l->reader.stop = l->range.stop;
    int rc = lines_align(l, l->range.start, l->range.resumed, err);
    if (!rc)
        rc = lines_stretch(l, err);
    if (rc)
        return rc;
    range_seen(&l->range, l->reader.split->codec ? l->reader.split->file_size : l->reader.at - l->range.start);
    return range_close(&l->range, l->reader.at, err);
}

int lines_run(lines *l, task_env *env, const plan_input *in, op *first, bool whole, sdf_error **err)
{
    const task_split *s = &env->piece->split;
    l->in = in;
    l->first = first;
    l->scan = scan_best();
    int rc = range_open(&l->range, env, reader_file_end(s), whole || s->codec, err);
    if (!rc && l->range.chunks)
        rc = reader_open(&l->reader, env, l->range.stop - l->range.start, err);
    if (!rc && l->range.chunks)
        rc = l->range.chunks == UINT_MAX ? lines_whole(l, err) : lines_sample(l, err);
    reader_close(&l->reader);
    return rc;
}
