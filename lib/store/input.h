/* Input files: finding them by path, glob and folder, and reading ranges of them.
 * They are read with pread: a file cut short under a mapping would kill the host. */
#ifndef STORE_INPUT_H
#define STORE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include <sdf/base.h>

typedef struct input_file {
    char *path; /* absolute */
    uint64_t size;
    int64_t mtime_ns;
} input_file;

/* Names as sdf_text_file takes them ('\n' between several; empty ones are skipped): paths or file: URIs. A name that is
 * there as it stands is taken so, else it is a glob (* ? [ ], no braces). A folder stands for its files, without
 * folders in it and names beginning with '.' or '_'; a glob may match folders, and leaves such names out too unless it
 * spells the '.' or '_' itself. Files are sorted bytewise by path within each name, whatever the locale. A name without
 * a file, an unreadable folder or file, and what is neither (a FIFO, a device) is an error that names it. */
int input_list(const char *uris, input_file **files, size_t *count, sdf_error **err);
void input_list_free(input_file *files, size_t count);

typedef struct input input;
/* Checks the size, and the time unless mtime_ns is 0, against what was planned; another is SDF_E_CORRUPT, "changed". */
int input_open(const char *path, uint64_t size, int64_t mtime_ns, input **in, sdf_error **err);
/* Reads up to `size` bytes at offset; *got < size only at the planned end of the file (cut short since: SDF_E_CORRUPT).
 * Threads: any, at once. */
int input_read(input *in, void *data, size_t size, uint64_t offset, size_t *got, sdf_error **err);
void input_close(input *in); /* NULL is fine */

#endif
