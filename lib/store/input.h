/* Input files of any scheme: finding them, and reading their bytes, decompressed where they are compressed.
 * Names and what they may be: sdf/io.h. Paths and file: URIs are read with pread (source_file.c), since a file cut
 * short under a mapping would kill the host; other schemes by their sdf_source_ops. Not here: records (exec). */
#ifndef STORE_INPUT_H
#define STORE_INPUT_H

#include "base/budget.h"
#include "spec/task.h"

typedef struct input_file {
    char *name; /* an absolute path, or a URI of another scheme */
    uint64_t size;
    int64_t mtime_ns;
    char *version; /* NULL: none */
} input_file;

/* All files that `uris` names, in order: by name as given, then bytewise, whatever the locale. A name without a file,
 * an unreadable folder, file or manifest, and what is neither (a FIFO, a device) is an error that names it. *scope: the
 * narrowest of their sources (sdf_scope; may be NULL). */
int input_list(const char *uris, input_file **files, size_t *count, uint32_t *scope, sdf_error **err);
void input_list_free(input_file *files, size_t count);

/* One file's stored bytes. */
typedef struct input input;
/* Checks size, time and version against what was planned; another is SDF_E_CORRUPT, "changed". */
int input_open(const task_split *split, input **in, sdf_error **err);
/* Reads up to `size` bytes at offset; *got < size only at the planned end of the file (cut short since: SDF_E_CORRUPT).
 * Threads: any, at once. */
int input_read(input *in, void *data, size_t size, uint64_t offset, size_t *got, sdf_error **err);
void input_close(input *in); /* NULL is fine */

/* The decompressed bytes from a position on. For a plain file any position is reached at once; for a compressed one
 * everything before it is decompressed and dropped. One thread's. */
typedef struct input_stream input_stream;
/* Charges the decoder and its buffer to b. Reads ahead of `split` only as far as it must. */
int input_stream_open(const task_split *split, uint64_t offset, budget *b, input_stream **s, sdf_error **err);
/* The next up to `size` bytes, at least 1 before the end. SDF_OK; SDF_END: no more. Errors name the file and, of a
 * damaged one, the compressed offset. */
int input_stream_read(input_stream *s, void *data, size_t size, size_t *got, sdf_error **err);
uint64_t input_stream_position(const input_stream *s); /* decompressed bytes before what the next read gives */
uint64_t input_stream_stored(const input_stream *s);   /* stored bytes read so far */
void input_stream_close(input_stream *s);              /* NULL is fine */

#endif
