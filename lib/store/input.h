/* Input files: finding them by path, glob and folder, and reading ranges of them. */
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

/* Names as sdf_text_file takes them ('\n' between several). Sorted by name within each; a name or glob without a match,
 * an unreadable folder or file is an error that names it. */
int input_list(const char *uris, input_file **files, size_t *count, sdf_error **err);
void input_list_free(input_file *files, size_t count);

typedef struct input input;
/* Checks size and time (mtime_ns 0: don't) against what was planned; another is SDF_E_CORRUPT "changed since". */
int input_open(const char *path, uint64_t size, int64_t mtime_ns, input **in, sdf_error **err);
/* Reads up to `size` bytes at offset; *got < size only at the end of the file (cut short since: an error). */
int input_read(input *in, void *data, size_t size, uint64_t offset, size_t *got, sdf_error **err);
void input_close(input *in);

#endif
