/* What a plan says of itself: text for people (explain_text.c), or a JSON document (explain_json.c). Both read the same
 * `planned`; neither changes it. */
#ifndef PLAN_EXPLAIN_H
#define PLAN_EXPLAIN_H

#include "plan/planner.h"

char *explain_text(const planned *p); /* malloc'd; NULL: no memory */
char *explain_json(const planned *p);

/* Words for what stands in a plan. */
const char *explain_input(const plan_input *in); /* "text", "range", "shuffle", "cogroup" ... */
const char *explain_read(plan_read read);
const char *explain_op(plan_op_kind kind);
const char *explain_how(plan_cogroup how);
const char *explain_format(plan_format_kind kind);
const char *explain_output(plan_output_kind kind);
const char *explain_partitioner(plan_partitioner p);
const char *explain_order(plan_order order);
const char *explain_errors(plan_errors policy);

uint64_t explain_tasks(const planned *p);
uint64_t explain_bytes(const planned *p);
bool explain_is_reused(const planned *p, uint32_t stage);
bool explain_is_memory(const planned *p, uint32_t stage); /* records that the host brought along */

#endif
