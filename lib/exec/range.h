/* What reading a split has in common, for text and for fixed-length records: which part of the file this leg takes,
 * when it cuts, and which chunks of it a sampling task reads. Positions are absolute file offsets. */
#ifndef EXEC_RANGE_H
#define EXEC_RANGE_H

#include <stdbool.h>

#include "exec/chain.h"

#define SOURCE_BYTES       (256u << 10) /* read at once: stays in a second-level cache */
#define SAMPLE_CHUNKS      16           /* of a split that is only sampled */
#define SAMPLE_CHUNK_BYTES (64u << 10)

typedef struct leg {
    task_env *env;
    const task_split *split;
    uint64_t start, stop; /* records that begin in [start, stop) */
    bool resumed;         /* start is a record's first byte, not just anywhere */
    bool bounded;         /* stop is where an earlier run of this leg ended */
    bool may_cut;
    uint64_t records; /* pushed so far */
    uint32_t batches; /* since the clock was last asked */
} leg;

/* Checks split and cuts of the request against each other. */
int leg_open(leg *l, task_env *env, sdf_error **err);
/* Records that the next batch may have at most. */
size_t leg_room(const leg *l);
/* After a batch of `records`, with `next` the position of the next record: SDF_OK, OP_STOP when the leg should end
 * here (a cut), or an error (lease, cancellation). */
int leg_step(leg *l, size_t records, uint64_t next, sdf_error **err);
/* At the end of the leg: checks a rerun's end, writes the cut if there is more to do. */
int leg_close(const leg *l, uint64_t next, buf *cut, sdf_error **err);
/* For a sampling task over [0, length): chunk i of SAMPLE_CHUNKS begins here; false: it is too short to skip anything.
 */
bool leg_sampled(const leg *l);
uint64_t leg_chunk(const leg *l, unsigned i);
/* An error that no operator has claimed is the source's. */
void leg_blame(const task_env *env, int rc, sdf_error **err);

#endif
