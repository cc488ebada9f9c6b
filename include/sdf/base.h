/* Statuses, slices and error objects: what every other public header needs.
 * Not here: anything that allocates a handle of its own.
 *
 * Ownership: texts are the error's and live as long as it; who gets an error object frees it.
 * Threads: an error is immutable: any, one at a time for each object. Since: 0.1 */
#ifndef SDF_BASE_H
#define SDF_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SDF_API __attribute__((visibility("default")))
#else
#define SDF_API
#endif

#define SDF_VERSION_MAJOR 0
#define SDF_VERSION_MINOR 2
#define SDF_VERSION_PATCH 0

/* The version of the library that runs, as "MAJOR.MINOR.PATCH".
 * Ownership: static. Threads: any. Since: 0.1 */
SDF_API const char *sdf_version(void);

/* Bytes that somebody else owns. `data` may be NULL when `size` is 0. */
typedef struct sdf_slice {
    const void *data;
    size_t size;
} sdf_slice;

/* What a call says of itself: SDF_OK, an error below zero, or a positive answer
 * that the call's own text explains (SDF_END of an iterator, 1 of a filter). Append only: codes
 * that a host doesn't know are errors like any other. */
typedef enum sdf_status {
    SDF_OK = 0,
    SDF_END = 1,                  /* an iterator has no more */
    SDF_E_INVALID = -1,           /* an argument or a use that can't be meant */
    SDF_E_TYPE = -2,              /* types of collection and function don't fit */
    SDF_E_NOT_FOUND = -3,         /* no such file, object, function or key */
    SDF_E_EXISTS = -4,            /* output or object is there already */
    SDF_E_ACCESS = -5,            /* permission refused */
    SDF_E_IO = -6,                /* the system failed to read or write */
    SDF_E_NO_SPACE = -7,          /* disk, quota or store cap is full */
    SDF_E_NO_MEMORY = -8,         /* the memory budget or the system's memory is spent */
    SDF_E_LIMIT = -9,             /* a stated limit was passed (record size, depth, count) */
    SDF_E_CORRUPT = -10,          /* bytes don't match their checksum or format */
    SDF_E_VERSION = -11,          /* bytes of a newer or unknown format version */
    SDF_E_TIMEOUT = -12,          /* a task, or a wait, took longer than allowed */
    SDF_E_THROTTLED = -13,        /* the platform or the store asks to slow down */
    SDF_E_LOST = -14,             /* a worker died or never answered */
    SDF_E_USER = -15,             /* a function of the host failed */
    SDF_E_CANCELLED = -16,        /* the host cancelled the job or closed the context */
    SDF_E_NONDETERMINISTIC = -17, /* a rerun gave other data than its first run */
    SDF_E_SCOPE = -18,            /* this transport's workers can't reach this store */
    SDF_E_PROGRAM = -19,          /* the worker is not the same program as the driver */
    SDF_E_BUSY = -20,             /* not now: an action in a callback, a context in use */
    SDF_E_UNSUPPORTED = -21,      /* this store, transport or operator can't do that */
    SDF_E_INTERNAL = -22          /* a defect in the library */
} sdf_status;

/* The short name of a status, such as "SDF_E_CORRUPT" ("SDF_E_?" for unknown ones).
 * Ownership: static. Threads: any. Since: 0.1 */
SDF_API const char *sdf_status_name(int status);

/* What went wrong, where, and what to do next. Every function that takes an
 * `sdf_error **err` stores a new object there when it fails (NULL: don't care)
 * and leaves it untouched when it succeeds. The caller frees it.
 * All accessors take NULL and then answer as for "no error".
 * Threads: an error object is immutable; read it from any one thread at a time. */
typedef struct sdf_error sdf_error;

SDF_API int sdf_error_code(const sdf_error *err);             /* an sdf_status */
SDF_API const char *sdf_error_message(const sdf_error *err);  /* one sentence, never NULL */
SDF_API const char *sdf_error_hint(const sdf_error *err);     /* what to do next, "" if unknown */
SDF_API const char *sdf_error_function(const sdf_error *err); /* registered function, or "" */
SDF_API const char *sdf_error_operator(const sdf_error *err); /* operator, such as "map#3 parse", or "" */
SDF_API const char *sdf_error_log(const sdf_error *err);      /* tail of the worker's log, or "" */
SDF_API int64_t sdf_error_stage(const sdf_error *err);        /* the stage, -1: not known */
SDF_API int64_t sdf_error_partition(const sdf_error *err);    /* its partition, -1: not known */
SDF_API int64_t sdf_error_attempt(const sdf_error *err);      /* the id of the attempt, -1: not known */
SDF_API int sdf_error_retriable(const sdf_error *err);        /* 1: the same call may succeed later */

/* The whole error as text for a terminal: message, where, hint, log tail.
 * Ownership: the error's; lives as long as it. */
SDF_API const char *sdf_error_text(const sdf_error *err);

/* Makes an error object, for the host's own stores and transports.
 * `message` and `hint` are copied; hint may be NULL. Never returns NULL: when
 * memory is out, a static object that says so (freeing it does nothing). */
SDF_API sdf_error *sdf_error_new(int code, const char *message, const char *hint);
/* NULL is fine. */
SDF_API void sdf_error_free(sdf_error *err);

#ifdef __cplusplus
}
#endif
#endif
