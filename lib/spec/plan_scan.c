/* What holds for a plan's JSON before its syntax is looked at, and the names of its enums. */
#include <string.h>

#include "base/error.h"
#include "codec/codec.h"
#include "spec/plan_json.h"

#define NAMES(variable, ...)                                                                                           \
    static const char *const variable##_list[] = {__VA_ARGS__};                                                        \
    const plan_names variable = {variable##_list, sizeof variable##_list / sizeof *variable##_list}

NAMES(plan_input_names, [PLAN_INPUT_FILES] = "files", [PLAN_INPUT_RANGE] = "range", [PLAN_INPUT_SHUFFLE] = "shuffle",
      [PLAN_INPUT_COGROUP] = "cogroup");
NAMES(plan_read_names, [PLAN_READ_CONCAT] = "concat", [PLAN_READ_AGGREGATE] = "aggregate", [PLAN_READ_MERGE] = "merge");
NAMES(plan_cogroup_names, [PLAN_COGROUP_CALL] = "call", [PLAN_COGROUP_LISTS] = "lists", [PLAN_COGROUP_INNER] = "inner",
      [PLAN_COGROUP_LEFT] = "left", [PLAN_COGROUP_RIGHT] = "right", [PLAN_COGROUP_FULL] = "full",
      [PLAN_COGROUP_SUBTRACT] = "subtract", [PLAN_COGROUP_INTERSECT] = "intersect");
NAMES(plan_op_names, [PLAN_OP_MAP] = "map", [PLAN_OP_FLAT_MAP] = "flat_map", [PLAN_OP_FILTER] = "filter",
      [PLAN_OP_BATCH] = "batch", [PLAN_OP_MAP_VALUES] = "map_values", [PLAN_OP_FLAT_MAP_VALUES] = "flat_map_values",
      [PLAN_OP_KEY_BY] = "key_by", [PLAN_OP_FILTER_EXPR] = "filter_expr", [PLAN_OP_MAP_EXPR] = "map_expr",
      [PLAN_OP_PROJECT] = "project", [PLAN_OP_SAMPLE] = "sample", [PLAN_OP_INDEX] = "index", [PLAN_OP_FOLD] = "fold",
      [PLAN_OP_LOOKUP] = "lookup");
NAMES(plan_output_names, [PLAN_OUTPUT_SHUFFLE] = "shuffle", [PLAN_OUTPUT_RESULT] = "result",
      [PLAN_OUTPUT_COUNT] = "count", [PLAN_OUTPUT_NONE] = "none", [PLAN_OUTPUT_FILE] = "file",
      [PLAN_OUTPUT_SAMPLE] = "sample");
NAMES(plan_partitioner_names, [PLAN_PARTITION_HASH] = "hash", [PLAN_PARTITION_RANGE] = "range",
      [PLAN_PARTITION_FORWARD] = "forward", [PLAN_PARTITION_ROUND_ROBIN] = "round_robin");
NAMES(plan_order_names, [PLAN_ORDER_NONE] = "none", [PLAN_ORDER_ASCENDING] = "ascending",
      [PLAN_ORDER_DESCENDING] = "descending");
NAMES(plan_format_names, [PLAN_FORMAT_TEXT] = "text", [PLAN_FORMAT_BINARY] = "binary", [PLAN_FORMAT_WHOLE] = "whole",
      [PLAN_FORMAT_DELIMITED] = "delimited", [PLAN_FORMAT_JSON] = "json");
NAMES(plan_errors_names, [PLAN_ERRORS_FAIL] = "fail", [PLAN_ERRORS_SKIP] = "skip", [PLAN_ERRORS_DIVERT] = "divert");
NAMES(plan_codec_names, [CODEC_NONE] = "none", [CODEC_GZIP] = "gzip", [CODEC_ZSTD] = "zstd", [CODEC_LZ4] = "lz4",
      [CODEC_BZIP2] = "bzip2");

bool plan_op_calls(plan_op_kind kind)
{
    return (kind >= PLAN_OP_MAP && kind <= PLAN_OP_KEY_BY) || kind == PLAN_OP_FOLD;
}

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
