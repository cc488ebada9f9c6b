/* Values that all tasks may read (broadcasts), and numbers that they count up (accumulators).
 *
 * Errors: SDF_E_INVALID (a name that can't be), SDF_E_NOT_FOUND, SDF_E_EXISTS. Threads: as sdf_context_open says.
 * Since: 0.2 */
#ifndef SDF_SHARED_H
#define SDF_SHARED_H

#include <sdf/context.h>
#include <sdf/function.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A value under a name (letters, digits, '_', '.', '-'; at most 127) for all jobs submitted from now on: copied into
 * the store, read by a worker when a function or expression first asks for it, kept by it in memory besides its tasks'
 * budgets. A name that is taken is SDF_E_EXISTS. Errors: also those of the store. Threads: as sdf_context_open says.
 * Since: 0.2 */
SDF_API int sdf_broadcast(sdf_context *context, const char *name, const void *data, size_t size, sdf_error **err);
/* Forgets it: jobs submitted from now on can't read it. SDF_E_NOT_FOUND. */
SDF_API int sdf_unbroadcast(sdf_context *context, const char *name, sdf_error **err);
/* In a function's open: the value. *bytes lives as long as the state. Errors: SDF_E_NOT_FOUND, those of the store; open
 * hands them on. */
SDF_API int sdf_task_broadcast(const sdf_task *task, const char *name, sdf_slice *bytes, sdf_error **err);

/* In a function: adds to a number. Counted once for each task, when it is committed, however many attempts it took. A
 * collection that is used more than once may be computed, and counted, by several stages and jobs: sdf_persist keeps
 * it. Names as for broadcasts, at most 200 of them in a task and 10000 in a context; "sdf." is the library's. SDF_OK,
 * or an error that the function must hand on. */
SDF_API int sdf_accumulate(sdf_out *out, const char *name, int64_t delta);
/* The sum over all committed tasks of the context so far. SDF_E_NOT_FOUND if nothing was ever added: *value is 0.
 * Since: 0.2 */
SDF_API int sdf_context_accumulator(sdf_context *context, const char *name, int64_t *value);
/* The i-th by name, or SDF_END. *name lives until the next call for this context. */
SDF_API int sdf_context_accumulator_at(sdf_context *context, size_t i, const char **name, int64_t *value);

#ifdef __cplusplus
}
#endif
#endif
