/* From lineage to stages: where shuffles cut, what is fused, what is there already, which types fit. */
#ifndef PLAN_PLANNER_H
#define PLAN_PLANNER_H

#include "plan/lineage.h"
#include "spec/task.h"

typedef struct planner_config {
    uint32_t partitions;   /* default of shuffles */
    uint64_t split_bytes;  /* default of sources */
    const char *compression;
    const char *program_id;
    uint32_t *next_stage;  /* ids are taken from here */
} planner_config;

/* What the last stage does with its records. */
typedef struct planner_action {
    plan_output_kind output;  /* RESULT, COUNT, NONE, FILE */
    plan_file_format format;
    const char *uri;
    const plan_call *foreach; /* NONE: the function to run, as a last operator */
    uint32_t first_task, tasks; /* RESULT: only these partitions; tasks 0: all (take) */
} planner_action;

/* New stages of a job in an order in which parents come first. Nodes' `stage` fields are set, so that the next plan reuses them. */
typedef struct planned {
    plan *plan;
    task_split **splits; /* per plan stage, or NULL */
    uint32_t target;     /* stage the job wants */
    uint32_t partitions; /* of the last collection, before first_task/tasks */
    uint32_t *reused;    /* stages that are there already */
    uint32_t reused_count;
} planned;

/* Fails with the sticky error of the lineage, or a type, file or limit error that names the operator. On failure no node is changed. */
int planner_plan(node *target, const planner_action *action, const planner_config *config, planned *out, sdf_error **err);
/* After plan and splits were taken elsewhere (set to NULL) or not. */
void planned_clear(planned *p);

/* What planner_plan would make, without changing anything. json: one document; else text for people. malloc'd. */
char *planner_explain(node *target, const planner_config *config, bool json, sdf_error **err);

#endif
