/* The contract of a source: files (or what can be read like them) under names of a scheme. The library finds formats,
 * decompresses and splits; a source lists names and reads ranges. Paths and file: URIs are the library's own.
 *
 * Structs grow at their end, as in sdf/sys/store.h. Every op may be called from several threads at once and blocks
 * until done; it returns SDF_OK or an sdf_status, with *err made by sdf_error_new (the source says which name and why).
 */
#ifndef SDF_SYS_SOURCE_H
#define SDF_SYS_SOURCE_H

#include <sdf/sys/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDF_SOURCE_VERSION 1

/* What a listing says of a file. */
typedef struct sdf_source_info {
    size_t struct_size;
    const char *name;    /* full, "scheme:...": what `open` takes. Its end says whether it is compressed */
    uint64_t size;       /* stored bytes */
    int64_t modified_ns; /* epoch; 0: not known */
    const char *version; /* a tag that changes with the bytes (an ETag); NULL: none. At most 1024 bytes */
} sdf_source_info;

/* Return 0 to go on, else the listing stops and returns that value. info lives for the call. */
typedef int (*sdf_source_list_fn)(const sdf_source_info *info, void *user);

typedef struct sdf_source_ops {
    size_t struct_size;
    uint32_t version; /* SDF_SOURCE_VERSION */
    uint32_t scope;   /* an sdf_scope: who can read it. Checked against the transport's workers */

    /* ---- mandatory ---- */
    /* What `name` stands for: itself; the files of a folder, without those of folders in it and without names that begin
     * with '.' or '_'; those that match a glob (* ? [ ], and ** for folders of any depth; what it matches may be a
     * folder). In any order (the library sorts by name). None: no callback and SDF_OK, or SDF_E_NOT_FOUND. */
    int (*list)(void *self, const char *name, sdf_source_list_fn callback, void *user, sdf_error **err);
    /* Opens one file as it was listed; another size, time or version now is SDF_E_CORRUPT ("changed"). expected's
     * fields that are 0 or NULL are not checked. */
    int (*open)(void *self, const char *name, const sdf_source_info *expected, void **file, sdf_error **err);
    /* Exactly `size` bytes at `offset`, within the file's size; fewer in it is SDF_E_CORRUPT. */
    int (*read)(void *self, void *file, void *data, size_t size, uint64_t offset, sdf_error **err);
    void (*close)(void *self, void *file);
    /* Frees the source; called once, when the process exits in order (exit, or return from main) and no call is under
     * way any more. */
    void (*destroy)(void *self);
} sdf_source_ops;

/* Opens the source of a scheme; called once in a process, when a name of the scheme is first used. */
typedef int (*sdf_source_open_fn)(void *user, void **self, sdf_error **err);

/* Adds a scheme, as sdf_store_register does; "file" and "manifest" are taken. Errors: SDF_E_INVALID, SDF_E_VERSION,
 * SDF_E_EXISTS. Threads: any, before the first context or worker is opened. Since: 0.2
 */
SDF_API int sdf_source_register(const char *scheme, const sdf_source_ops *ops, sdf_source_open_fn open, void *user,
                                sdf_error **err);

#ifdef __cplusplus
}
#endif
#endif
