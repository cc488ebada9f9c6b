/* The contract of a transport: it carries a task request to a worker somewhere and the
 * reply back. It knows nothing of tasks; requests and replies are opaque bytes.
 *
 * All ops but `wake` are called by one thread, the context's driver. Replies are handed
 * over only inside `poll`. An invocation is answered exactly once, also after cancel
 * (then with SDF_E_CANCELLED or what came first). The worker's side of a transport
 * calls sdf_worker_invoke, or runs sdf_worker_main in a process of its own.
 * Structs with struct_size grow as sdf/sys/store.h says.
 *
 * Errors: SDF_E_INVALID, SDF_E_VERSION, SDF_E_EXISTS. Threads: any, before the first context is opened. Since: 0.1 */
#ifndef SDF_SYS_TRANSPORT_H
#define SDF_SYS_TRANSPORT_H

#include <sdf/base.h>
#include <sdf/sys/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDF_TRANSPORT_VERSION 1

typedef struct sdf_transport_limits {
    size_t struct_size;
    uint32_t scope;             /* an sdf_scope: where the workers are */
    uint32_t concurrency;       /* invocations that may run at once */
    uint32_t slots_per_process; /* workers that share one process's memory budget (1 or more) */
    uint64_t max_request;       /* bytes; 0: no limit */
    uint64_t max_response;      /* bytes; 0: no limit */
    int64_t max_duration_ms;    /* of one invocation; 0: no limit */
} sdf_transport_limits;

/* The answer to one invocation. status SDF_OK: `response` is the worker's reply. Else why
 * there is none: SDF_E_LOST (died, connection gone), SDF_E_TIMEOUT, SDF_E_THROTTLED (no worker began it),
 * SDF_E_NO_MEMORY (killed for memory), SDF_E_PROGRAM, SDF_E_IO, SDF_E_CANCELLED. Response and
 * texts are lent for the call. */
typedef struct sdf_invocation_result {
    size_t struct_size;
    uint64_t id;
    int status;
    sdf_slice response;         /* if the status is SDF_OK */
    const char *message;        /* why, for people; may be NULL */
    const char *log;            /* tail of the worker's stderr; may be NULL */
    uint64_t billed_ms;         /* 0: not known */
    uint64_t memory_bytes;      /* size of the function that was billed; 0: not known */
    uint32_t cold;              /* 1: the worker was started for this invocation */
    const char *hint;           /* what to do about it, for people; may be NULL */
    const char *request_id;     /* the platform's name of the call, as in its own logs; may be NULL */
    int64_t retry_after_ms;     /* SDF_E_THROTTLED: so long the platform asks to wait; 0: it did not say */
    uint64_t init_ms;           /* of the start of a cold worker; 0: not known */
    uint64_t peak_memory_bytes; /* most that the worker's process has held; 0: not known */
} sdf_invocation_result;

/* What a transport may call of the driver; valid from start to stop. */
typedef struct sdf_transport_host {
    size_t struct_size;
    void *host;
    void (*done)(void *host, const sdf_invocation_result *result); /* only inside poll */
    void (*warn)(void *host, const char *message);                 /* only inside an op */

    uint64_t memory;         /* byte budget of one worker process */
    const char *scratch_dir; /* for workers on this machine */
    const char *store_uri;   /* as the workers would open it */
    void *store;             /* the driver's own store, for the library's transports: opaque to others, whose
                              * workers open store_uri (and so never meet a mem: of the driver's) */
    const char *program_id;  /* what a worker must be */
} sdf_transport_host;

typedef struct sdf_transport_ops {
    size_t struct_size;
    uint32_t version; /* SDF_TRANSPORT_VERSION */

    /* ---- mandatory ---- */
    /* Fills in every field but struct_size. Called before and after start. */
    int (*limits)(void *self, sdf_transport_limits *limits, sdf_error **err);
    int (*start)(void *self, const sdf_transport_host *host, sdf_error **err);
    /* Begins an invocation; never blocks for long. More than `concurrency` may be taken and wait for a place, each
     * within its own deadline. `request` is copied or kept: it stays valid until the invocation is answered.
     * deadline_ms: milliseconds from now after which the worker must be given up (answer SDF_E_TIMEOUT, end what can
     * be ended; a worker that answers in time for itself is fine too); 0: none.
     * An error here means it was not begun; SDF_E_BUSY: no free place, try later. */
    int (*submit)(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err);
    /* Waits up to timeout_ms (-1: for ever) for something to happen, and hands over the
     * answers there are by host->done. Returns early after `wake`. */
    int (*poll)(void *self, int timeout_ms, sdf_error **err);
    /* From any thread, also in a signal handler: makes the current or next poll return. */
    void (*wake)(void *self);
    /* Best effort; the answer still comes. */
    void (*cancel)(void *self, uint64_t id);
    /* Ends all workers; unanswered invocations are forgotten; `done` is not called again. Called at most
     * once, only after a start. Returns the number of workers that could not be ended: a thread that hangs
     * in a function can't be, and what it stands on is then kept for as long as it lives. */
    int (*stop)(void *self);
    /* Frees the transport; called exactly once. */
    void (*destroy)(void *self);
} sdf_transport_ops;

typedef int (*sdf_transport_open_fn)(const char *rest, void *user, void **self, sdf_error **err);

/* Adds a scheme, as sdf_store_register does. Since: 0.1 */
SDF_API int sdf_transport_register(const char *scheme, const sdf_transport_ops *ops, sdf_transport_open_fn open,
                                   void *user, sdf_error **err);

#ifdef __cplusplus
}
#endif
#endif
