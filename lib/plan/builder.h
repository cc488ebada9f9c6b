/* What the planner's files share while they build one plan. Each builds the segment of one kind of node out of those of
 * its parents, and emits stages where segments end. */
#ifndef PLAN_BUILDER_H
#define PLAN_BUILDER_H

#include "plan/planner.h"
#include "plan/segment.h"

/* What is known of a node during one plan. */
typedef struct node_info {
    segment seg;         /* if a consumer still needs it */
    uint32_t uses;       /* consumers that have not taken it yet */
    bool needed;         /* its records are computed, or read, by this plan */
    uint32_t hash;       /* it is partitioned by the hash of its key into so many partitions; 0: it is not */
    uint32_t partitions; /* wide nodes: how many */
    node_join join;      /* joins: what was chosen */
    const node *source;  /* rows_source: found before */
    char *columns;       /* of a source, if has_columns */
    bool has_columns;
} node_info;

typedef struct builder {
    const planner_config *config;
    const planner_action *action;
    planned *out;
    uint32_t next_stage;
    node **order; /* parents first; order[i]->slot is i + 1 */
    node_info *info;
    uint32_t count;
    uint64_t text; /* about what the stages so far take in the document */
} builder;

static inline node_info *info_of(const builder *b, const node *n)
{
    return &b->info[n->slot - 1];
}

/* The segment of a parent, for one consumer: moved to the last one, copied for those before. */
int builder_take(builder *b, const node *parent, segment *s, sdf_error **err);
/* Notes for planned_commit: `to_note.node` is set, and what is not 0. */
int builder_note(builder *b, planned_node to_note, sdf_error **err);
int builder_note_reused(builder *b, uint32_t stage, sdf_error **err);
int builder_choice(builder *b, const node *n, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- emit.c: a segment becomes a stage ---- */
typedef struct shuffle_spec {
    const node *at; /* whose shuffle it is: its label */
    const char *key_type, *value_type;
    uint32_t partitions;
    plan_partitioner partitioner;
    plan_order order;
    const plan_call *combine; /* NULL: none */
    bool merging;
    uint32_t sample;
    uint32_t spread;
    uint32_t bound_by;
} shuffle_spec;
/* Takes what the segment holds. *out, with everything but its output, is valid until the next stage. remark: behind the
 * label, "" or " (sample)". */
int emit_stage(builder *b, const node *at, segment *s, const char *remark, plan_stage **out, sdf_error **err);
int emit_shuffle(builder *b, segment *s, const shuffle_spec *spec, const char *remark, uint32_t *stage,
                 sdf_error **err);
/* As the tasks are: partition i is what task i yields. */
int emit_forward(builder *b, const node *at, segment *s, const char *key_type, const char *value_type, uint32_t sample,
                 const char *remark, uint32_t *stage, sdf_error **err);
int emit_sample(builder *b, const node *at, segment *s, const char *key_type, const char *value_type, uint32_t sample,
                uint32_t *stage, sdf_error **err);
/* The last stage; keeps only the tasks that the action wants. */
int emit_action(builder *b, const node *target, segment *s, sdf_error **err);

/* ---- exchange.c: a shuffle, in one level or two ---- */
int exchange_shuffle(builder *b, segment *s, const shuffle_spec *spec, uint32_t *stage, uint32_t *middle,
                     sdf_error **err);

/* ---- narrow.c ---- */
int narrow_apply(builder *b, const node *n, segment *s, sdf_error **err);
/* The files whose rows the values of n are: of all that lead there one, which stands for all (their columns are the
 * same). */
int rows_source(builder *b, const node *n, const node **source, sdf_error **err);
int rows_columns(builder *b, const node *source, const char **columns, sdf_error **err);

/* ---- sources.c ---- */
int source_segment(builder *b, node *n, segment *s, sdf_error **err);

/* ---- wide.c, sorts.c, cogroups.c, joins.c: the segment of a wide node, stages before it ---- */
/* The stage that carries parent i to a wide node: that is there already, or a new one. */
int wide_feed(builder *b, node *n, uint32_t i, const shuffle_spec *spec, uint32_t *stage, sdf_error **err);
int wide_segment(builder *b, node *n, segment *s, sdf_error **err);
int sort_segment(builder *b, node *n, segment *s, sdf_error **err);
int cogroup_segment(builder *b, node *n, segment *s, sdf_error **err);
/* Chooses how to do a join, once; other cogroups are partitioned. */
int join_choose(builder *b, node *n, sdf_error **err);
int join_segment(builder *b, node *n, segment *s, sdf_error **err); /* with a table */

/* planner_plan, also for what is only to be explained. */
int builder_plan(node *target, const planner_action *action, const planner_config *config, bool dry, planned *out,
                 sdf_error **err);

#endif
