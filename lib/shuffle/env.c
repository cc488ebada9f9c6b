/* May this attempt still write? Not here: what a task does (lib/exec) or who cancels it (lib/worker). */
#include "shuffle/env.h"

#include <inttypes.h>

#include "base/error.h"

int task_env_check(const task_env *env, sdf_error **err)
{
    if (env->cancelled && __atomic_load_n(env->cancelled, __ATOMIC_RELAXED))
        return error_set(err, SDF_E_CANCELLED, "the task was told to stop");
    const task_request *q = env->request;
    if (!q || q->lease_ms <= 0)
        return SDF_OK;
    const timebase *clock = env->clock ? env->clock : &timebase_real;
    int64_t now = timebase_now(clock);
    if (now < q->lease_ms)
        return SDF_OK;
    int rc =
        error_set(err, SDF_E_TIMEOUT, "the lease of attempt %" PRIu64 " ended %" PRId64 " ms ago: it must not write",
                  q->attempt, now - q->lease_ms);
    error_hint(err, "give tasks more time, or make them smaller (more partitions, smaller splits)");
    return rc;
}
