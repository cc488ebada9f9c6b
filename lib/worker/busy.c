/* Is this thread running a task? Asked by calls that would wait for tasks from inside one. */
#include "worker/worker.h"

static _Thread_local int depth;

bool worker_thread_busy(void)
{
    return depth > 0;
}

void worker_thread_enter(void)
{
    depth++;
}

void worker_thread_leave(void)
{
    depth--;
}
