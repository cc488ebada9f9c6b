/* Runs the operators of one task: input, fused chain, output. The only door of this room. */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include "shuffle/env.h"
#include "spec/registry.h"

/* Runs env->request against env->stage and fills in the reply's data fields: cut, fingerprint, records, object_bytes,
 * index bytes, result, samples, file_*. Slices in the reply point into *out, which the caller frees after encoding it.
 * On failure nothing is left visible; *err carries function and operator. */
typedef struct exec_result {
    buf index, inline_object, samples, cut;
} exec_result;
int exec_run(task_env *env, task_reply *reply, exec_result *out, sdf_error **err);
void exec_result_free(exec_result *out);

/* Adds "sdf.words", "sdf.sum", "sdf.count", "sdf.min", "sdf.max", "sdf.list" ... to the registry; idempotent. */
int exec_register_builtins(sdf_error **err);

/* What the plan carries of an aggregator that was found by name: for the library's own, another function may stand for
 * *fn, *bound (empty before) gets the argument that its open reads, *result the type of the result where it depends on
 * the argument or on the fields of a tuple (malloc'd; NULL: as the function says). Any other function stays as it is,
 * and its argument is copied. Errors: SDF_E_INVALID, SDF_E_TYPE, SDF_E_LIMIT; they don't name the operator. */
int exec_bind_aggregator(const function **fn, const char *value_type, const sdf_slice *arg, buf *bound, char **result,
                         sdf_error **err);

#endif
