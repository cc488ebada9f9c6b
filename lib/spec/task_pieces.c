/* What a task reads, on the wire: its pieces, with their splits and extents, and its sides. Inside of a request, or as
 * an object of its own ("SDFP"). */
#include <stdlib.h>

#include "base/error.h"
#include "codec/codec.h"
#include "spec/task_wire.h"

static const char what[] = "list of pieces";

/* The fewest bytes that each takes: what a count can promise. */
#define EXTENT_BYTES_MIN 8 /* eight varints */
#define LEAF_BYTES_MIN   2
#define PIECE_BYTES_MIN  5

static void note(int bad, int *rc)
{
    if (bad && !*rc)
        *rc = SDF_E_NO_MEMORY;
}

static void put_extent(buf *out, const task_extent *e, int *rc)
{
    int bad = *rc;
    bad |= wire_put_varint(out, e->task);
    bad |= wire_put_varint(out, e->leg);
    bad |= wire_put_varint(out, e->attempt);
    bad |= wire_put_varint(out, e->offset);
    bad |= wire_put_varint(out, e->stored);
    bad |= wire_put_varint(out, e->raw);
    bad |= wire_put_varint(out, e->records);
    bad |= wire_put_varint(out, e->max_raw);
    note(bad, rc);
}

static void put_leaves(buf *out, const task_leaf *leaves, uint32_t count, int *rc)
{
    note(wire_put_varint(out, count), rc);
    for (uint32_t i = 0; i < count && !*rc; i++) {
        note(wire_put_varint(out, leaves[i].stage), rc);
        note(wire_put_varint(out, leaves[i].extent_count), rc);
        for (uint32_t j = 0; j < leaves[i].extent_count && !*rc; j++)
            put_extent(out, &leaves[i].extents[j], rc);
    }
}

/* A split that says nothing is one byte. */
static bool has_split(const task_split *s)
{
    return (s->path && *s->path) || s->offset || s->length || s->file_size || s->file_mtime_ns ||
           (s->version && *s->version) || s->codec;
}

static void put_split(buf *out, const task_split *s, int *rc)
{
    bool has = has_split(s);
    note(wire_put_u8(out, has), rc);
    if (!has)
        return;
    task_wire_text(out, s->path, TASK_TEXT_MAX, rc);
    int bad = *rc;
    bad |= wire_put_varint(out, s->offset);
    bad |= wire_put_varint(out, s->length);
    bad |= wire_put_varint(out, s->file_size);
    bad |= wire_put_u64(out, (uint64_t)s->file_mtime_ns);
    note(bad, rc);
    task_wire_text(out, s->version, TASK_TEXT_MAX, rc);
    note(wire_put_u8(out, s->codec), rc);
}

void task_wire_put_pieces(buf *out, const task_request *q, int *rc)
{
    note(wire_put_varint(out, q->piece_count), rc);
    for (uint32_t i = 0; i < q->piece_count && !*rc; i++) {
        const task_piece *p = &q->pieces[i];
        note(wire_put_varint(out, p->branch), rc);
        note(wire_put_varint(out, p->partition), rc);
        note(wire_put_varint(out, p->start), rc);
        put_split(out, &p->split, rc);
        put_leaves(out, p->leaves, p->leaf_count, rc);
    }
    put_leaves(out, q->sides, q->side_count, rc);
}

/* A zeroed array of as many elements as a varint says, if the bytes that are left can hold them. NULL: none, or bad. */
static void *get_array(wire_reader *in, size_t bytes_min, size_t element, uint32_t *count)
{
    uint32_t n = task_wire_u32(in);
    *count = 0;
    if (n > wire_left(in) / bytes_min)
        wire_refuse(in);
    if (in->bad || !n)
        return NULL;
    void *array = calloc(n, element);
    if (array)
        *count = n;
    else
        in->bad = in->no_memory = true;
    return array;
}

static void get_extent(wire_reader *in, task_extent *e)
{
    e->task = task_wire_u32(in);
    e->leg = task_wire_u32(in);
    e->attempt = wire_varint(in);
    e->offset = wire_varint(in);
    e->stored = wire_varint(in);
    e->raw = wire_varint(in);
    e->records = wire_varint(in);
    e->max_raw = task_wire_u32(in);
}

static task_leaf *get_leaves(wire_reader *in, uint32_t *count)
{
    task_leaf *leaves = get_array(in, LEAF_BYTES_MIN, sizeof *leaves, count);
    for (uint32_t i = 0; i < *count && !in->bad; i++) {
        task_leaf *l = &leaves[i];
        l->stage = task_wire_u32(in);
        l->extents = get_array(in, EXTENT_BYTES_MIN, sizeof *l->extents, &l->extent_count);
        for (uint32_t j = 0; j < l->extent_count && !in->bad; j++)
            get_extent(in, &l->extents[j]);
    }
    return leaves;
}

static void get_split(wire_reader *in, task_split *s)
{
    uint8_t has = wire_u8(in);
    if (has > 1)
        wire_refuse(in);
    if (has != 1)
        return;
    s->path = task_wire_text_or_null(in, TASK_TEXT_MAX);
    s->offset = wire_varint(in);
    s->length = wire_varint(in);
    s->file_size = wire_varint(in);
    s->file_mtime_ns = (int64_t)wire_u64(in);
    s->version = task_wire_text_or_null(in, TASK_TEXT_MAX);
    s->codec = wire_u8(in);
    if (s->length > UINT64_MAX - s->offset || s->codec > CODEC_BZIP2)
        wire_refuse(in);
}

void task_wire_pieces(wire_reader *in, task_request *q)
{
    q->pieces = get_array(in, PIECE_BYTES_MIN, sizeof *q->pieces, &q->piece_count);
    for (uint32_t i = 0; i < q->piece_count && !in->bad; i++) {
        task_piece *p = &q->pieces[i];
        p->branch = task_wire_u32(in);
        p->partition = task_wire_u32(in);
        p->start = wire_varint(in);
        get_split(in, &p->split);
        p->leaves = get_leaves(in, &p->leaf_count);
    }
    q->sides = get_leaves(in, &q->side_count);
}

static void leaves_clear(task_leaf *leaves, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(leaves[i].extents);
    free(leaves);
}

void task_pieces_clear(task_request *q)
{
    for (uint32_t i = 0; i < q->piece_count; i++) {
        free(q->pieces[i].split.path);
        free(q->pieces[i].split.version);
        leaves_clear(q->pieces[i].leaves, q->pieces[i].leaf_count);
    }
    free(q->pieces);
    leaves_clear(q->sides, q->side_count);
    q->pieces = NULL;
    q->sides = NULL;
    q->piece_count = q->side_count = 0;
}

int task_pieces_encode(const task_request *q, buf *out)
{
    size_t start = out->size;
    int rc = SDF_OK;
    task_wire_begin(out, "SDFP", &rc);
    task_wire_put_pieces(out, q, &rc);
    if (rc)
        out->size = start;
    return rc;
}

int task_pieces_decode(const void *data, size_t size, task_request *q, sdf_error **err)
{
    wire_reader in = wire_read(data, size);
    int rc = task_wire_open(&in, "SDFP", what, err);
    if (rc)
        return rc;
    task_wire_pieces(&in, q);
    if (!q->piece_count)
        wire_refuse(&in);
    rc = task_wire_close(&in, what, err);
    if (rc)
        task_pieces_clear(q);
    return rc;
}
