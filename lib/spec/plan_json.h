/* What the plan's encoder and decoder share: names of enums, limits of texts, the scan before parsing, what must hold
 * across fields. */
#ifndef SPEC_PLAN_JSON_H
#define SPEC_PLAN_JSON_H

#include "spec/plan.h"

#define PLAN_DEPTH_MAX      64 /* of JSON: PLAN_NESTED_MAX cogroups, three levels each, fit in */
#define PLAN_VALUES_MAX     (2u << 20)
#define PLAN_LABEL_MAX      1024
#define PLAN_FUNCTION_MAX   127
#define PLAN_PROGRAM_MAX    64
#define PLAN_URI_MAX        8192
#define PLAN_COLUMNS_MAX    (1u << 20) /* bytes of all names together */
#define PLAN_BROADCASTS_MAX 4096

/* The names of an enum's values, at their values; NULL where there is none. */
typedef struct plan_names {
    const char *const *names;
    unsigned count;
} plan_names;

extern const plan_names plan_input_names, plan_read_names, plan_op_names, plan_output_names, plan_partitioner_names,
    plan_order_names, plan_format_names, plan_errors_names, plan_cogroup_names, plan_codec_names;

bool plan_op_calls(plan_op_kind kind); /* a function, which must be there */

/* Refuses what would cost the parser too much memory or stack, before it sees it: too long, too deep, too many
 * values; and NUL bytes, raw or escaped, which would cut strings short. Not a check of the syntax. */
int plan_scan(const char *json, size_t size, sdf_error **err);
/* Refuses, with its place, what no field shows alone: a source that isn't an earlier stage's, a side that isn't there,
 * a join of three. Run on what is written and on what was read. */
int plan_check(const plan *p, sdf_error **err);

#endif
