/* Sources read as a task reads them: pieces of one branch into a collector, leg by leg. */
#ifndef TESTS_EXEC_READING_H
#define TESTS_EXEC_READING_H

#include "harness.h"

#include "codec/codec.h"
#include "exec/chain.h"
#include "exec/range.h"

#define READING_PIECES 64

typedef struct reading {
    harness h;
    collector c;
    plan_branch branch;
    task_piece pieces[READING_PIECES];
    scan_share share;
    bool sampling;
    buf cut, start;
} reading;

static inline void reading_init(reading *t, plan_format_kind format, const char *label, uint64_t memory)
{
    memset(t, 0, sizeof *t);
    harness_init(&t->h, memory);
    collector_init(&t->c, &t->h);
    t->branch.input = (plan_input){.kind = PLAN_INPUT_FILES,
                                   .label = (char *)label,
                                   .key_type = (char *)"null",
                                   .value_type = (char *)"bytes",
                                   .format.kind = format};
    t->h.stage.branches = &t->branch;
    t->h.stage.branch_count = 1;
    t->h.request.pieces = t->pieces;
    t->h.request.piece_count = 1;
}

/* All of a plain file as piece i; the name stays the caller's. */
static inline void reading_file(reading *t, uint32_t i, char *path, uint64_t size)
{
    t->pieces[i] = (task_piece){.partition = i, .split = {.path = path, .length = size, .file_size = size}};
    if (i >= t->h.request.piece_count)
        t->h.request.piece_count = i + 1;
}

/* All of a compressed file as piece 0, in memory for any decoder. */
static inline void reading_compressed(reading *t, codec_kind kind, char *path, uint64_t size)
{
    reading_file(t, 0, path, size);
    t->pieces[0].split.codec = (uint8_t)kind;
    t->pieces[0].split.length = UINT64_MAX;
    budget_init(&t->h.budget, 64u << 20);
}

static inline void compress(codec_kind kind, const buf *plain, buf *packed)
{
    encoder *e;
    size_t used, made, at = 0;
    uint8_t out[4096];
    int rc;
    assert_int_equal(encoder_new(kind, 0, &e, NULL), SDF_OK);
    do {
        rc = encoder_run(e, plain->data + at, plain->size - at, &used, out, sizeof out, &made, true, NULL);
        assert_true(rc >= 0);
        at += used;
        assert_int_equal(buf_append(packed, out, made), SDF_OK);
    } while (rc != SDF_END);
    encoder_free(e);
}

static inline int reading_pieces(reading *t, leg *l, op *first, sdf_error **err)
{
    int rc = SDF_OK;
    for (uint32_t i = l->from.piece; i < t->h.request.piece_count && !rc; i++) {
        int enters = leg_enters(l, i, err);
        if (enters <= 0)
            return enters;
        t->h.env.piece = &t->pieces[i];
        rc = input_run(&t->h.env, &t->branch.input, first, err);
        leg_passed(l);
    }
    return rc;
}

/* One leg into `first`; the cut, if there is one, is t->cut. */
static inline int reading_into(reading *t, op *first, sdf_error **err)
{
    leg l;
    t->share = (scan_share){0, 0};
    buf_clear(&t->cut);
    int rc = leg_open(&l, &t->h.env, t->sampling ? &t->share : NULL, err);
    t->h.env.leg = &l;
    if (!rc)
        rc = reading_pieces(t, &l, first, err);
    if (!rc || rc == OP_STOP)
        rc = op_finish(first, err);
    t->h.env.leg = NULL;
    return rc ? rc : leg_write_cut(&l, &t->cut, err);
}

static inline int reading_go(reading *t, sdf_error **err)
{
    int rc = reading_into(t, &t->c.base, err);
    assert_int_equal(t->h.budget.used, 0);
    return rc;
}

/* The next leg begins where this one was cut. */
static inline bool reading_next_leg(reading *t)
{
    buf_clear(&t->start);
    assert_int_equal(buf_append(&t->start, t->cut.data, t->cut.size), SDF_OK);
    t->h.request.cut_start = buf_slice(&t->start);
    return t->cut.size > 0;
}

static inline void reading_end(reading *t)
{
    buf_free(&t->c.text);
    buf_free(&t->cut);
    buf_free(&t->start);
}

/* A cut as the request has it: piece, and 0 or the position plus 1. */
static inline sdf_slice cut_of(uint8_t bytes[2], uint8_t piece, uint8_t place)
{
    bytes[0] = piece;
    bytes[1] = place;
    return (sdf_slice){bytes, 2};
}

static inline void remove_file(char *path)
{
    unlink(path);
    free(path);
}

#endif
