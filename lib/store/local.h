/* Paths of this machine as URIs name them, and what to say when the system refuses one. */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include <stdbool.h>
#include <sys/stat.h>

#include <sdf/base.h>

#include "base/buf.h"

/* The absolute path of what follows "file:"; "//host/..." is refused, "///..." is fine. No percent-decoding: a '%' is
 * a '%'. malloc'd; no '/' at its end, unless it is the root. */
int local_file_path(const char *rest, char **path, sdf_error **err);
/* The same of a plain path or a file: URI; what begins like another scheme ("s3://...") is SDF_E_UNSUPPORTED. */
int local_path(const char *uri, char **path, sdf_error **err);

/* error_errno with the hint that belongs to the errno: full disk, too many open files, permission. */
int local_error(sdf_error **err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* When a file last changed, as nanoseconds since the epoch. Times that no int64_t holds wrap: only equality counts. */
int64_t local_mtime_ns(const struct stat *st);

/* open(2) again after signals, and a few times after ESTALE (NFS: the server replaced the file). -1: errno. */
int local_open(const char *path, int flags, unsigned mode);
/* A folder's entries but "." and "..": of each a byte of d_type, its name and a NUL. 0, or an errno. */
int local_entries(const char *path, buf *entries);
/* Whether the path leads to this file, links not followed. */
bool local_same_file(const char *path, const struct stat *file);
/* Gives the file `from`, which is `file`, the name `to`, which nobody must have: renameat2(RENAME_NOREPLACE), and where
 * the file system has no such thing (NFS), link(2) and unlink(2) of the old name. On NFS an answer can be lost and the
 * call sent again, which then fails although the first one did it; so after a failure the file is looked at: it is done
 * if the new name leads to it, or if it has two names (link). *no_flags, atomic, begins as 0 and remembers what works
 * here. 0, or an errno: EEXIST when the name is taken. */
int local_name_new(const char *from, const char *to, const struct stat *file, int *no_flags);
/* Makes a folder's entries durable: 0, or an errno. File systems that can't sync folders count as done. */
int local_sync_folder(const char *path);
/* The same of the folder that a path lies in; one that may not be read counts as done. */
int local_sync_parent(const char *path);

#endif
