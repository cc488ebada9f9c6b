/* Paths of this machine as URIs name them, and what to say when the system refuses one. */
#ifndef STORE_LOCAL_H
#define STORE_LOCAL_H

#include <sys/stat.h>

#include <sdf/base.h>

/* The absolute path of what follows "file:"; "//host/..." is refused, "///..." is fine. No percent-decoding: a '%' is
 * a '%'. malloc'd; no '/' at its end, unless it is the root. */
int local_file_path(const char *rest, char **path, sdf_error **err);
/* The same of a plain path or a file: URI; other schemes ("s3://...") are SDF_E_UNSUPPORTED. */
int local_path(const char *uri, char **path, sdf_error **err);

/* error_errno with the hint that belongs to the errno: full disk, too many open files, permission. */
int local_error(sdf_error **err, int number, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* When a file last changed, as nanoseconds since the epoch. Times that no int64_t holds wrap: only equality counts. */
int64_t local_mtime_ns(const struct stat *st);

/* open(2) again after signals, and a few times after ESTALE (NFS: the server replaced the file). -1: errno. */
int local_open(const char *path, int flags, unsigned mode);
/* Makes a folder's entries durable: 0, or an errno. File systems that can't sync folders count as done. */
int local_sync_folder(const char *path);

#endif
