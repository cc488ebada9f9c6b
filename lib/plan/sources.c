/* Segments of sources: files in pieces, numbers in pieces, records that the host brought along. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/codec.h"
#include "plan/builder.h"

#define COMPRESSED_TIMES 4 /* what a compressed file is taken to grow to */
#define NUMBER_BYTES     8

static void count_bytes(segment *s)
{
    for (uint32_t i = 0; i < s->first[s->tasks]; i++) {
        const task_split *split = &s->pieces[i].split;
        bool whole = split->codec != CODEC_NONE;
        s->bytes += whole ? split->file_size : split->length;
        s->estimate += whole ? split->file_size * COMPRESSED_TIMES : split->length;
    }
    s->known = true;
}

static int files_segment(builder *b, const node *n, segment *s, sdf_error **err)
{
    segment_branch *branch = segment_add_branch(s, n->label, n->key_type, n->value_type);
    if (!branch || plan_copy_format(&branch->plan.input.format, &n->format))
        return error_no_memory(err);
    plan_input *in = &branch->plan.input;
    in->kind = PLAN_INPUT_FILES;
    in->errors = n->errors;
    branch->rows = n->rows;
    stage_pieces pieces = {NULL, NULL};
    int rc = splits_make(n, b->config, &pieces, &s->tasks, err);
    if (rc)
        return rc;
    s->pieces = pieces.pieces;
    s->first = pieces.first;
    count_bytes(s);
    if (n->format.kind == PLAN_FORMAT_DELIMITED && n->format.header && !in->format.columns) {
        const char *columns; /* every file must have the same header */
        rc = rows_columns(b, n, &columns, err);
        if (!rc && columns && !(in->format.columns = strdup(columns)))
            rc = error_no_memory(err);
    }
    return rc;
}

static int range_segment(builder *b, const node *n, segment *s, sdf_error **err)
{
    segment_branch *branch = segment_add_branch(s, n->label, n->key_type, n->value_type);
    if (!branch)
        return error_no_memory(err);
    plan_input *in = &branch->plan.input;
    in->kind = PLAN_INPUT_RANGE;
    in->start = n->start;
    in->step = n->step;
    uint32_t tasks = n->partitions ? n->partitions : b->config->partitions ? b->config->partitions : 1;
    s->pieces = calloc(tasks, sizeof *s->pieces);
    s->first = calloc(tasks + (size_t)1, sizeof *s->first);
    if (!s->pieces || !s->first)
        return error_no_memory(err);
    s->tasks = tasks;
    for (uint32_t t = 0; t < tasks; t++) {
        uint64_t from = (uint64_t)((unsigned __int128)n->count * t / tasks);
        uint64_t to = (uint64_t)((unsigned __int128)n->count * (t + 1) / tasks);
        s->pieces[t].partition = t;
        s->pieces[t].split.offset = from;
        s->pieces[t].split.length = to - from;
        s->first[t + 1] = t + 1;
    }
    s->estimate = n->count > UINT64_MAX / NUMBER_BYTES ? UINT64_MAX : n->count * NUMBER_BYTES;
    s->known = true;
    return SDF_OK;
}

static int parallelize_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    planned *p = b->out;
    node **list = realloc(p->parallelize, (p->parallelize_count + 1) * sizeof *list);
    if (list)
        p->parallelize = list;
    if (!list || segment_read(s, n, n->key_type, n->value_type, n->stages[0], n->partitions ? n->partitions : 1))
        return error_no_memory(err);
    list[p->parallelize_count++] = n;
    s->estimate = n->data.size ? n->data.size : n->data_bytes;
    s->known = s->estimate > 0;
    return SDF_OK;
}

int source_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    int rc = n->kind == NODE_FILES   ? files_segment(b, n, s, err)
             : n->kind == NODE_RANGE ? range_segment(b, n, s, err)
                                     : parallelize_segment(b, n, s, err);
    if (rc)
        error_at(err, NULL, n->label);
    return rc ? rc : segment_weigh(s, n, err);
}
