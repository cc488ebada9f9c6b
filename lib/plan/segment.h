/* A segment: how the records of a node are come by within one stage: branches (inputs with operators behind them), and
 * the tasks as lists of pieces. Narrow nodes change the segment of their parent, wide ones end it in a stage and begin
 * another. Not here: which of the two (planner.c), and stages (emit.c). */
#ifndef PLAN_SEGMENT_H
#define PLAN_SEGMENT_H

#include "plan/lineage.h"
#include "spec/task.h"

typedef struct segment_branch {
    plan_branch plan;
    const node *rows; /* node behind whose files the values are still the rows as they stand; NULL: they are no rows */
} segment_branch;

typedef struct segment {
    segment_branch *branches;
    uint32_t branch_count, branch_room;
    /* Task t has pieces[first[t]] .. pieces[first[t+1]-1]; first NULL: partition t of the one branch. */
    plan_piece *pieces;
    uint32_t *first;
    uint32_t tasks;
    plan_side *sides;
    uint32_t side_count;
    uint32_t bound_by; /* stage that an index operator in it counts by; 0: none */
    uint64_t bytes;    /* stored bytes of its splits */
    uint64_t estimate; /* bytes of its records, if `known`: of sources; narrow operators are taken to keep them */
    bool known;
    uint32_t weight; /* branches, sources of cogroups included */
    uint32_t depth;  /* cogroups within cogroups, 0: none */
    uint64_t text;   /* about what its branches take in the plan document */
} segment;

void segment_clear(segment *s);
/* A deep copy. On failure `to` is empty. */
int segment_copy(segment *to, const segment *from);
/* Gives a segment away: what it was is empty then. */
segment segment_move(segment *from);

/* A new branch with its input's label and types set. NULL: no memory. Its input and operators count once they are
 * complete: segment_weigh. */
segment_branch *segment_add_branch(segment *s, const char *label, const char *key_type, const char *value_type);
int segment_weigh(segment *s, const node *at, sdf_error **err);
/* What a stage wrote, a partition a task; concat. */
int segment_read(segment *s, const node *n, const char *stored_key, const char *stored_value, uint32_t stage,
                 uint32_t tasks);
/* It is just that, with nothing done to it yet: the stage, else 0. */
uint32_t segment_stored(const segment *s);
/* A new operator in branch i, with its types; the caller sets the rest. NULL: no memory. */
plan_op *segment_add_op(segment *s, uint32_t i, plan_op_kind kind, const plan_call *call, const char *key_type,
                        const char *value_type);
/* The number of `stage` in the sides, added if it isn't there. */
int segment_add_side(segment *s, const node *at, const plan_side *side, uint32_t *number, sdf_error **err);
/* The sides of `from` are sides of `to`, too, and from's lookups use the numbers that they have there. */
int segment_adopt_sides(segment *to, segment *from, const node *at, sdf_error **err);
bool segment_has_op(const segment *s, plan_op_kind kind);
/* Something in it leaves out records that it can't make sense of, and counts them. */
bool segment_spares(const segment *s);

/* `from` behind `to`, branches and tasks; from is empty then. Errors name `at`. */
int segment_append(segment *to, segment *from, const node *at, sdf_error **err);
/* At most `tasks` tasks, each of several that follow one another. */
int segment_coalesce(segment *s, uint32_t tasks);
/* Every task of a segment without explicit pieces becomes `times` tasks that read the same partition; the caller says
 * which part of it each. */
int segment_split(segment *s, uint32_t times);
/* Only the tasks [first, first + count). */
void segment_keep(segment *s, uint32_t first, uint32_t count);

#endif
