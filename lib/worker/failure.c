/* Which class of failure an error is: whether, and how, trying again can help. */
#include "worker/internal.h"

/* Does the piece at hand come from other tasks? */
static bool reads_shuffles(const task_run *t)
{
    return (t->env.piece && t->env.piece->leaf_count) || t->request.side_count;
}

failure_class failure_of(const task_run *t, int code, const sdf_error *err)
{
    if (t->env.upstream_failed && code != SDF_E_CANCELLED && code != SDF_E_TIMEOUT)
        return FAILURE_UPSTREAM;
    /* A function of the host may mean anything by a limit: it gets the retries of user errors. */
    if (code == SDF_E_LIMIT && *sdf_error_function(err))
        return FAILURE_USER;
    switch (code) {
    case SDF_E_USER:
        return FAILURE_USER;
    case SDF_E_NO_MEMORY:
        return FAILURE_MEMORY;
    case SDF_E_THROTTLED:
        return FAILURE_THROTTLED;
    case SDF_E_TIMEOUT:
        return FAILURE_TIMEOUT;
    case SDF_E_LOST:
    case SDF_E_CANCELLED:
        return FAILURE_LOST;
    case SDF_E_IO:
    case SDF_E_BUSY:
    case SDF_E_EXISTS:   /* this very attempt was invoked twice: the next one has names of its own */
    case SDF_E_NO_SPACE: /* another worker's disk may have some, and what fills it may go */
        return FAILURE_TRANSIENT;
    case SDF_E_NOT_FOUND:
    case SDF_E_CORRUPT:
        if (t->own_objects) /* the driver's may not be readable yet */
            return FAILURE_TRANSIENT;
        if (*sdf_error_function(err)) /* one that this program has not, or whose states are others */
            return FAILURE_FATAL;
        /* Scratch may have rotted; an input file stays as it is. */
        return reads_shuffles(t) ? FAILURE_TRANSIENT : FAILURE_FATAL;
    default:
        return FAILURE_FATAL;
    }
}
