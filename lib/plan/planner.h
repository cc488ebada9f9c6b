/* From lineage to stages: where shuffles cut, what is fused, what is there already.
 *
 * A stage is an input, a chain of fused narrow operators, and an output. A wide node ends the stage before it with a
 * shuffle and begins the one that reads it. A global sort also needs splitters: if its records come from a source
 * through narrow operators only, a stage of its own recomputes them for a sample; else one stage materialises and
 * samples them. */
#ifndef PLAN_PLANNER_H
#define PLAN_PLANNER_H

#include "plan/lineage.h"
#include "spec/task.h"

typedef struct planner_config {
    uint32_t partitions;  /* default of shuffles */
    uint64_t split_bytes; /* default of sources */
    const char *compression;
    const char *program_id;
    uint32_t *next_stage; /* ids are taken from here */
} planner_config;

/* What the last stage does with its records. */
typedef struct planner_action {
    plan_output_kind output; /* RESULT, COUNT, NONE, FILE */
    plan_file_format format;
    const char *uri;
    uint32_t first_task, tasks; /* only these partitions, as far as they exist; tasks 0: all (take) */
} planner_action;

/* A stage that stands for a node from now on. */
typedef struct planned_node {
    node *node;
    uint32_t stage, aux_stage;
} planned_node;

/* New stages of a job, parents first. */
typedef struct planned {
    plan *plan;
    task_split **splits;   /* per plan stage: `tasks` of them, or NULL */
    uint64_t *input_bytes; /* per plan stage: of its splits */
    uint32_t target;       /* stage the job wants */
    uint32_t partitions;   /* of the last collection, before first_task/tasks */
    uint32_t reused;       /* stage of an earlier job that the first new stage reads; 0: none */
    node *parallelize;     /* source whose object the plan reads, or NULL; borrowed */
    planned_node *nodes;   /* what planned_commit will note; borrowed nodes */
    uint32_t node_count;
} planned;

/* Fails with the sticky error of the lineage, or a type, file or limit error that names the operator. Changes no node
 * and takes ids only when it succeeds: planned_commit notes the new stages in the nodes, so that the next plan reuses
 * them. */
int planner_plan(node *target, const planner_action *action, const planner_config *config, planned *out,
                 sdf_error **err);
void planned_commit(const planned *p);
/* After plan and splits were taken elsewhere (set to NULL) or not. */
void planned_clear(planned *p);

/* What collecting `target` would run, without changing anything. json: one document; else text for people. malloc'd. */
char *planner_explain(node *target, const planner_config *config, bool json, sdf_error **err);

/* ---- splits.c ---- */
/* The splits of a source node's files, in order; at least one, which is empty if there is no data. */
int splits_make(const node *source, uint64_t default_split_bytes, task_split **splits, uint32_t *count,
                sdf_error **err);
void splits_free(task_split *splits, uint32_t count);

#endif
