/* Explaining a plan: the plan is made as if for collecting the target, told, and thrown away. Here also the words and
 * figures that both forms use. */
#include "plan/explain.h"

#include "base/error.h"
#include "plan/builder.h"

#define WORD(table, i) ((size_t)(i) < sizeof(table) / sizeof *(table) && (table)[i] ? (table)[i] : "?")

static const char *const formats[] = {
    [PLAN_FORMAT_TEXT] = "text",           [PLAN_FORMAT_BINARY] = "binary", [PLAN_FORMAT_WHOLE] = "whole",
    [PLAN_FORMAT_DELIMITED] = "delimited", [PLAN_FORMAT_JSON] = "json",
};
static const char *const reads[] = {
    [PLAN_READ_CONCAT] = "concat",
    [PLAN_READ_AGGREGATE] = "aggregate",
    [PLAN_READ_MERGE] = "merge",
};
static const char *const ops[] = {
    [PLAN_OP_MAP] = "map",
    [PLAN_OP_FLAT_MAP] = "flat_map",
    [PLAN_OP_FILTER] = "filter",
    [PLAN_OP_BATCH] = "map_batches",
    [PLAN_OP_MAP_VALUES] = "map_values",
    [PLAN_OP_FLAT_MAP_VALUES] = "flat_map_values",
    [PLAN_OP_KEY_BY] = "key_by",
    [PLAN_OP_FILTER_EXPR] = "filter_expr",
    [PLAN_OP_MAP_EXPR] = "map_expr",
    [PLAN_OP_PROJECT] = "project",
    [PLAN_OP_SAMPLE] = "sample",
    [PLAN_OP_INDEX] = "index",
    [PLAN_OP_FOLD] = "fold",
    [PLAN_OP_LOOKUP] = "lookup",
};
static const char *const hows[] = {
    [PLAN_COGROUP_CALL] = "call",         [PLAN_COGROUP_LISTS] = "lists",         [PLAN_COGROUP_INNER] = "inner",
    [PLAN_COGROUP_LEFT] = "left",         [PLAN_COGROUP_RIGHT] = "right",         [PLAN_COGROUP_FULL] = "full",
    [PLAN_COGROUP_SUBTRACT] = "subtract", [PLAN_COGROUP_INTERSECT] = "intersect",
};
static const char *const outputs[] = {
    [PLAN_OUTPUT_SHUFFLE] = "shuffle", [PLAN_OUTPUT_RESULT] = "result", [PLAN_OUTPUT_COUNT] = "count",
    [PLAN_OUTPUT_NONE] = "none",       [PLAN_OUTPUT_FILE] = "file",     [PLAN_OUTPUT_SAMPLE] = "sample",
};
static const char *const partitioners[] = {
    [PLAN_PARTITION_HASH] = "hash",
    [PLAN_PARTITION_RANGE] = "range",
    [PLAN_PARTITION_FORWARD] = "forward",
    [PLAN_PARTITION_ROUND_ROBIN] = "round_robin",
};
static const char *const orders[] = {
    [PLAN_ORDER_NONE] = "none",
    [PLAN_ORDER_ASCENDING] = "ascending",
    [PLAN_ORDER_DESCENDING] = "descending",
};
static const char *const policies[] = {
    [PLAN_ERRORS_FAIL] = "fail",
    [PLAN_ERRORS_SKIP] = "skip",
    [PLAN_ERRORS_DIVERT] = "divert",
};

const char *explain_input(const plan_input *in)
{
    switch (in->kind) {
    case PLAN_INPUT_FILES:
        return explain_format(in->format.kind);
    case PLAN_INPUT_RANGE:
        return "range";
    case PLAN_INPUT_SHUFFLE:
        return "shuffle";
    case PLAN_INPUT_COGROUP:
        return "cogroup";
    }
    return "?";
}

const char *explain_read(plan_read read)
{
    return WORD(reads, read);
}

const char *explain_op(plan_op_kind kind)
{
    return WORD(ops, kind);
}

const char *explain_how(plan_cogroup how)
{
    return WORD(hows, how);
}

const char *explain_format(plan_format_kind kind)
{
    return WORD(formats, kind);
}

const char *explain_output(plan_output_kind kind)
{
    return WORD(outputs, kind);
}

const char *explain_partitioner(plan_partitioner p)
{
    return WORD(partitioners, p);
}

const char *explain_order(plan_order order)
{
    return WORD(orders, order);
}

const char *explain_errors(plan_errors policy)
{
    return WORD(policies, policy);
}

uint64_t explain_bytes(const planned *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        sum += p->input_bytes[i];
    return sum;
}

uint64_t explain_tasks(const planned *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        sum += p->plan->stages[i].tasks;
    return sum;
}

bool explain_is_reused(const planned *p, uint32_t stage)
{
    for (uint32_t i = 0; i < p->reused_count; i++)
        if (p->reused[i] == stage)
            return true;
    return false;
}

bool explain_is_memory(const planned *p, uint32_t stage)
{
    for (uint32_t i = 0; i < p->parallelize_count; i++)
        if (p->parallelize[i]->stages[0] == stage)
            return true;
    return false;
}

char *planner_explain(node *target, const planner_config *config, bool json, sdf_error **err)
{
    planner_action action = {.output = PLAN_OUTPUT_RESULT};
    planned p;
    if (builder_plan(target, &action, config, true, &p, err))
        return NULL;
    char *text = json ? explain_json(&p) : explain_text(&p);
    planned_clear(&p);
    if (!text)
        error_no_memory(err);
    return text;
}
