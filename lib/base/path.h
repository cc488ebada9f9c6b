/* File-system paths: folders made and removed, short helpers over system calls. */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdf/base.h>

char *path_join(const char *a, const char *b);             /* malloc'd; NULL: no memory */
int path_make_dirs(const char *path, sdf_error **err);     /* mkdir -p; mode 0777 & umask */
int path_make_parent(const char *path, sdf_error **err);   /* folder above a file */
int path_remove_tree(const char *path, sdf_error **err);   /* nothing there is fine; follows no links */
int path_write_all(int fd, const void *data, size_t size); /* 0, or an errno; restarts after signals and short writes */
/* Reads exactly size bytes at offset; *got may be less at the end of the file. 0, or an errno. */
int path_read_at(int fd, void *data, size_t size, uint64_t offset, size_t *got);

#endif
