/* Which part of a task's input is read: its pieces one after another, in legs that may be cut, as a whole or (for a
 * sample) here and there. A range is what one file or range of numbers has of it; positions in it are decompressed
 * bytes, or numbers. */
#ifndef EXEC_RANGE_H
#define EXEC_RANGE_H

#include <stdbool.h>

#include "exec/chain.h"

#define SOURCE_BYTES       (256u << 10) /* read at once: stays in a second-level cache */
#define SAMPLE_CHUNKS      16           /* of a task's input that is only sampled */
#define SAMPLE_CHUNK_BYTES (64u << 10)

/* A place in a task's input: in front of a piece, or within it, where a record begins. */
typedef struct leg_mark {
    uint32_t piece;
    bool inside;
    uint64_t at;
} leg_mark;

typedef struct leg {
    task_env *env;
    leg_mark from, to; /* to: if bounded */
    bool bounded;      /* an earlier run of this leg ended at `to` */
    bool may_cut, cut; /* cut: it ended early, at `end` */
    leg_mark end;
    uint64_t records;        /* pushed so far */
    uint32_t batches;        /* since the clock was last asked */
    scan_share *share;       /* NULL: everything is read */
    uint64_t weight, passed; /* bytes of all pieces, and of those in front of the one at hand; for a share */
} leg;

/* Reads the cuts of the request, and holds them against its pieces. share: of a task that only samples, else NULL. */
int leg_open(leg *l, task_env *env, scan_share *share, sdf_error **err);
/* In front of piece i (from l->from.piece on): 1: it is to be read; 0: the leg ends here; or an error. */
int leg_enters(leg *l, uint32_t i, sdf_error **err);
/* Behind the current piece. */
void leg_passed(leg *l);
/* At the end: writes the cut if there is more to do. */
int leg_write_cut(const leg *l, buf *cut, sdf_error **err);

typedef struct range {
    task_env *env;
    leg *leg; /* NULL: all of the piece is read, at once */
    const task_split *split;
    uint64_t start, stop; /* records that begin in [start, stop) */
    bool resumed;         /* start is a record's first byte, not just anywhere */
    bool bounded;         /* stop is where an earlier run of this leg ended */
    unsigned chunks;      /* UINT_MAX: read all; else so many chunks of it stand for the rest */
    uint32_t batches;
} range;

/* Of the current piece. end: behind its last position, as far as that is known. whole: it can't be read in parts. */
int range_open(range *r, task_env *env, uint64_t end, bool whole, sdf_error **err);
/* Records that the next batch may have at most. */
size_t range_room(const range *r);
/* After a batch of `records`, with `next` the position of the next record: SDF_OK, OP_STOP when the leg should end
 * here (a cut), or an error (lease, cancellation). */
int range_step(range *r, size_t records, uint64_t next, sdf_error **err);
/* At the end of the piece: checks a rerun's end. */
int range_close(const range *r, uint64_t next, sdf_error **err);
/* Chunk i of r->chunks begins here, when each has `size` positions. */
uint64_t range_chunk(const range *r, unsigned i, uint64_t size);
/* Of what a sampling task was to read of a piece, `seen` was. */
void range_seen(const range *r, uint64_t seen);

#endif
