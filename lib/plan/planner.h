/* From lineage to stages: where shuffles cut, what is fused, what is there already.
 *
 * A stage is one or several inputs, each with a chain of fused narrow operators, and an output. A wide node ends the
 * stages of its parents with shuffles and begins the one that reads them. Stages form a graph without cycles, in which
 * a shuffle with several readers is written once; narrow nodes with several consumers are computed by each of them,
 * unless they are kept (persist). builder.h says how a plan is built. */
#ifndef PLAN_PLANNER_H
#define PLAN_PLANNER_H

#include "plan/lineage.h"
#include "spec/task.h"

typedef struct planner_config {
    uint32_t partitions;      /* default of shuffles */
    uint64_t split_bytes;     /* default of sources */
    uint32_t concurrency;     /* tasks that run at once: small files are packed into about twice as many tasks */
    uint64_t broadcast_bytes; /* a side known to be no larger is joined as a table, */
    uint64_t table_bytes;     /* and has to be no larger than this, for the memory of a task; 0: any */
    uint32_t exchange;        /* levels of a shuffle: 1 or 2; 0: by the formula of exchange.c */
    uint32_t scope;           /* an sdf_scope, where the workers are: they must be able to read the sources; 0: any */
    const char *compression;
    const char *program_id;
    const plan_broadcast *broadcasts;
    uint32_t broadcast_count;
    uint32_t *next_stage; /* ids are taken from here */
} planner_config;

/* What the last stage does with its records. */
typedef struct planner_action {
    plan_output_kind output; /* RESULT, COUNT, NONE, FILE */
    plan_format format;      /* FILE; borrowed */
    uint8_t codec;
    bool single; /* the one file `uri`: the records are brought to one task, in order */
    const char *uri;
    uint32_t first_task, tasks; /* only these partitions, as far as they exist; tasks 0: all (take) */
    const sdf_slice *key;       /* only the partition that holds this key, if that is known; NULL: all (lookup) */
} planner_action;

/* What planned_commit will note in a node. */
typedef struct planned_node {
    node *node;
    uint32_t parent;                                                         /* which of node->stages is `stage` */
    uint32_t stage, middle, aux_stage, cache_stage, cache_tasks, partitions; /* 0: as it is */
    uint64_t data_bytes;
    node_join join;
} planned_node;

/* What the planner chose, for explain. */
typedef struct planned_choice {
    char *label; /* of the operator */
    char *what;  /* "broadcast_right", "two_levels" ... */
    char *why;
} planned_choice;

/* New stages of a job, parents first. */
typedef struct planned {
    plan *plan;
    stage_pieces *pieces;  /* per plan stage */
    uint64_t *input_bytes; /* per plan stage: stored bytes of its splits */
    uint32_t target;       /* stage the job wants, the last one */
    uint32_t partitions;   /* of the last collection, before first_task/tasks */
    uint32_t *scratch;     /* stages that nothing but this job needs, besides target: to be dropped with it */
    uint32_t scratch_count;
    uint32_t *reused;      /* stages of earlier jobs that the new ones read, each once */
    uint32_t reused_count;
    node **parallelize; /* sources whose object the plan reads; borrowed */
    uint32_t parallelize_count;
    planned_node *nodes; /* borrowed nodes */
    uint32_t node_count;
    planned_choice *choices;
    uint32_t choice_count;
} planned;

/* Fails with the sticky error of the lineage, or a type, file or limit error that names the operator. Changes no node
 * and takes ids only when it succeeds: planned_commit notes the new stages in the nodes, so that the next plan reuses
 * them. */
int planner_plan(node *target, const planner_action *action, const planner_config *config, planned *out,
                 sdf_error **err);
void planned_commit(const planned *p);
/* After plan and pieces were taken elsewhere (set to NULL) or not. */
void planned_clear(planned *p);

/* What collecting `target` would run, without changing anything. json: one document; else text for people. malloc'd. */
char *planner_explain(node *target, const planner_config *config, bool json, sdf_error **err);

/* ---- splits.c ---- */
/* The pieces of a files node's tasks, in order, all of branch 0: parts of large files, several small files in one task.
 * At least one, which is empty if there is no data. pieces->first has count + 1 entries. */
int splits_make(const node *source, const planner_config *config, stage_pieces *pieces, uint32_t *tasks,
                sdf_error **err);
/* ---- columns.c ---- */
/* The column names of a delimited files node, joined by '\n', malloc'd: what the host gave, or the header of the first
 * file that is not empty. NULL: it has none. */
int splits_columns(const node *source, char **columns, sdf_error **err);

#endif
