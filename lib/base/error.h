/* Error objects, the library's side: make, annotate, move across the wire.
 * The public accessors are implemented here too. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <sdf/base.h>

#include "base/wire.h"

/* Stores a new error in *err (never reads the old value; err may be NULL) and returns
 * `code`, so that a caller can `return error_set(err, SDF_E_IO, "...")`. */
int error_set(sdf_error **err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, with ": " and strerror(number) at the end; the code follows from the errno
 * (ENOENT not found, EACCES/EPERM/EROFS access, ENOSPC/EDQUOT/EFBIG no space, EEXIST exists, ENOMEM no memory,
 * ENOTDIR/EISDIR/ELOOP/ENAMETOOLONG invalid, else I/O). I/O, timeout, throttled and lost are retriable. */
int error_errno(sdf_error **err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));
int error_no_memory(sdf_error **err); /* the system's memory is out: the static object */

/* Annotations of *err; nothing happens if err or *err is NULL. A later call replaces. */
void error_hint(sdf_error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_at(sdf_error **err, const char *function, const char *operator_label);     /* NULL: keep */
void error_where(sdf_error **err, int64_t stage, int64_t partition, int64_t attempt); /* -1: keep */
void error_log_tail(sdf_error **err, const char *log);
/* "context: message". */
void error_prefix(sdf_error **err, const char *format, ...) __attribute__((format(printf, 2, 3)));

sdf_error *error_copy(const sdf_error *err);
/* Moves *from into *to (freeing it if `to` is NULL) and returns its code, or SDF_OK if there is none. */
int error_move(sdf_error **to, sdf_error **from);

/* Wire form, bounded. Decode makes an error object of any bytes or marks the reader bad. */
int error_encode(const sdf_error *err, buf *out);
sdf_error *error_decode(wire_reader *in);

/* The nearest of `count` names to `name` by edit distance, or NULL if none is near. */
const char *error_nearest(const char *name, const char *const *names, size_t count);

#endif
