/* What holds for a plan's JSON before its syntax is looked at, and the names of its enums. */
#include <string.h>

#include "base/error.h"
#include "spec/plan_json.h"

#define NAMES(variable, ...)                                                                                           \
    static const char *const variable##_list[] = {__VA_ARGS__};                                                        \
    const plan_names variable = {variable##_list, sizeof variable##_list / sizeof *variable##_list}

NAMES(plan_input_names, [PLAN_INPUT_TEXT] = "text", [PLAN_INPUT_BINARY] = "binary", [PLAN_INPUT_SHUFFLE] = "shuffle");
NAMES(plan_read_names, [PLAN_READ_CONCAT] = "concat", [PLAN_READ_AGGREGATE] = "aggregate", [PLAN_READ_MERGE] = "merge",
      [PLAN_READ_GROUP] = "group");
NAMES(plan_op_names, [PLAN_OP_MAP] = "map", [PLAN_OP_FLAT_MAP] = "flat_map", [PLAN_OP_FILTER] = "filter",
      [PLAN_OP_BATCH] = "batch");
NAMES(plan_output_names, [PLAN_OUTPUT_SHUFFLE] = "shuffle", [PLAN_OUTPUT_RESULT] = "result",
      [PLAN_OUTPUT_COUNT] = "count", [PLAN_OUTPUT_NONE] = "none", [PLAN_OUTPUT_FILE] = "file",
      [PLAN_OUTPUT_SAMPLE] = "sample");
NAMES(plan_partitioner_names, [PLAN_PARTITION_HASH] = "hash", [PLAN_PARTITION_RANGE] = "range",
      [PLAN_PARTITION_FORWARD] = "forward");
NAMES(plan_order_names, [PLAN_ORDER_NONE] = "none", [PLAN_ORDER_ASCENDING] = "ascending",
      [PLAN_ORDER_DESCENDING] = "descending");
NAMES(plan_format_names, [PLAN_FILE_TEXT] = "text", [PLAN_FILE_BINARY] = "binary");

/* Past the string whose opening quote is at `at`, or NULL if it doesn't end or has a NUL. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (!*at)
            return NULL;
        if (*at != '\\')
            continue;
        if (end - at >= 6 && !memcmp(at, "\\u0000", 6))
            return NULL;
        at++; /* whatever is escaped, also a quote */
    }
    return at < end ? at + 1 : NULL;
}

int plan_scan(const char *json, size_t size, sdf_error **err)
{
    const char *at = json, *end = json + size;
    unsigned depth = 0, values = 1;
    if (size > PLAN_BYTES_MAX)
        return error_set(err, SDF_E_LIMIT, "the plan has %zu bytes; %u is the limit", size, PLAN_BYTES_MAX);
    while (at < end) {
        char c = *at++;
        if (c == '"') {
            at = skip_string(at - 1, end);
            if (!at)
                return error_set(err, SDF_E_CORRUPT, "the plan has a string that doesn't end, or with a NUL in it");
        } else if (c == '{' || c == '[') {
            values++;
            if (++depth > PLAN_DEPTH_MAX)
                return error_set(err, SDF_E_LIMIT, "the plan is nested deeper than %d", PLAN_DEPTH_MAX);
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ',') {
            values++;
        } else if (!c) {
            return error_set(err, SDF_E_CORRUPT, "the plan has a NUL byte at %zu", (size_t)(at - json) - 1);
        }
        if (values > PLAN_VALUES_MAX)
            return error_set(err, SDF_E_LIMIT, "the plan has more than %u values", PLAN_VALUES_MAX);
    }
    return SDF_OK;
}
