/* The worker: decodes a request, runs one task, encodes the reply. Keeps decoded plans and the store while warm.
 * sdf_worker_open/invoke/close are the public face of the same thing. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include <sdf/function.h>

#include "base/timebase.h"
#include "store/store.h"

typedef struct worker_config {
    store *store;                  /* shared, referenced; NULL: open the one in the request */
    uint64_t memory;               /* per task; the request's is used if smaller */
    const char *scratch_dir;       /* NULL: the request's */
    const timebase *clock;         /* NULL: real */
    const volatile int *cancelled; /* NULL: never */
} worker_config;

/* True on a thread that is inside sdf_worker_invoke: an action there would wait for itself. */
bool worker_thread_busy(void);
void worker_thread_enter(void);
void worker_thread_leave(void);

int worker_new(const worker_config *config, sdf_worker **w, sdf_error **err);

#endif
