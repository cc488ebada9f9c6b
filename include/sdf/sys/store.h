/* The contract of a shuffle store: immutable bytes under names.
 *
 * Names are 1 .. 512 bytes of [A-Za-z0-9._-] in parts of 1 .. 200 bytes separated by single
 * '/'; no part begins with '.'. A store refuses other names with SDF_E_INVALID. A name is not
 * used as the folder of another: "a" beside "a/b" (a store of files can't hold both). An
 * object appears whole at commit, or never; it does not change afterwards (under a name that
 * is replaced, a reader sees the old or the new object, never a mixture of them in one read);
 * reading one's own committed object always works (read-after-write).
 * Every op may be called from several threads at once unless it says otherwise, and
 * blocks until done. It returns SDF_OK or an sdf_status, with *err made by
 * sdf_error_new (the store says which object and why).
 *
 * Structs whose first field is struct_size grow at their end. Whoever makes one sets it
 * to its own sizeof; the other side looks at no field beyond that, and sets fields one by
 * one (an assignment of the whole struct would write as many bytes as *its* header says).
 *
 * Threads: any. Since: 0.1 */
#ifndef SDF_SYS_STORE_H
#define SDF_SYS_STORE_H

#include <sdf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDF_STORE_VERSION 1

/* Who can reach the objects: threads of this process, processes of this machine, any machine. */
typedef enum sdf_scope { SDF_SCOPE_PROCESS = 1, SDF_SCOPE_HOST = 2, SDF_SCOPE_NETWORK = 3 } sdf_scope;

/* Bytes lent by the store: valid until release(owner) is called, exactly once, from any
 * thread. release may be NULL. Frozen, like a slice: it never grows. */
typedef struct sdf_view {
    const void *data;
    size_t size;
    void (*release)(void *owner);
    void *owner;
} sdf_view;

/* One ranged read. In: struct_size, name, offset, length, buffer; view and err are empty.
 * Out: status, view (when status is SDF_OK), err (when it is below 0; may stay NULL).
 * The view has exactly `length` bytes; fewer in the object is SDF_E_CORRUPT; no object is
 * SDF_E_NOT_FOUND. `buffer`, if not NULL, has room for length bytes: the store may
 * read into it and lend that. To stores of scope SDF_SCOPE_PROCESS the library gives none
 * for shuffle data: they are taken to lend what they hold anyway. */
typedef struct sdf_read {
    size_t struct_size;
    const char *name;
    uint64_t offset;
    uint64_t length;
    void *buffer;
    int status;
    sdf_view view;
    sdf_error *err;
} sdf_read;

/* What a listing says of an object. */
typedef struct sdf_object_info {
    size_t struct_size;
    const char *name;
    uint64_t size;
    int64_t modified_ms; /* epoch; 0: not known */
} sdf_object_info;

/* Return 0 to go on, else the listing stops and returns that value. */
typedef int (*sdf_list_fn)(const sdf_object_info *info, void *user);

typedef struct sdf_store_ops {
    size_t struct_size;
    uint32_t version; /* SDF_STORE_VERSION */
    uint32_t scope;   /* an sdf_scope; a store whose scope depends on its URI sets `get_scope` */

    /* ---- mandatory ---- */
    /* Starts an object; *writer is one thread's at a time. if_absent 1: commit fails with SDF_E_EXISTS where
     * an object of that name exists by then; 0: it is replaced. */
    int (*writer_open)(void *self, const char *name, int if_absent, void **writer, sdf_error **err);
    /* Appends the parts in order; they may be reused at return. */
    int (*writer_append)(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err);
    /* Makes the object visible, whole. Frees the writer, on failure too. */
    int (*writer_commit)(void *self, void *writer, sdf_error **err);
    /* Leaves nothing behind. Frees the writer. */
    void (*writer_abort)(void *self, void *writer);
    /* Does the reads *reads[0 .. count) (a network store: many in flight); each has its own status.
     * Returns SDF_OK even when some of them failed; an error says that none was done. */
    int (*read)(void *self, sdf_read *const *reads, size_t count, sdf_error **err);
    /* SDF_E_NOT_FOUND if there is none. */
    int (*head)(void *self, const char *name, uint64_t *size, sdf_error **err);
    /* Every object whose name starts with prefix ("" all; it need not end at a '/'), in any
     * order. info lives for the call. The callback may call the store. */
    int (*list)(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err);
    /* Removes objects; one that is not there is no error. */
    int (*remove)(void *self, const char *const *names, size_t count, sdf_error **err);
    /* Frees the store; called exactly once, after all other calls have returned. */
    void (*destroy)(void *self);

    /* ---- optional (NULL: the default in brackets) ---- */
    uint32_t (*get_scope)(void *self); /* [scope] */
    /* Removes leftovers under a prefix that no listing shows: temporary files, pending
     * uploads, empty folders. [nothing] */
    int (*sweep)(void *self, const char *prefix, sdf_error **err);
    /* Bytes that the store itself holds in this process's memory. [0] */
    uint64_t (*memory)(void *self);
} sdf_store_ops;

/* Opens a store from the text after "scheme:". On failure returns an error and *self is
 * not used; the library calls ops->destroy for every *self it was given. */
typedef int (*sdf_store_open_fn)(const char *rest, void *user, void **self, sdf_error **err);

/* Adds a scheme (2 .. 32 lower-case letters, digits, '-'), so that "scheme:rest" opens it, in
 * the driver and in workers alike: register it where functions are registered. `ops` must
 * stay valid. The same registration again is fine. Errors: SDF_E_INVALID (a mandatory op is
 * missing, a wrong version or scope), SDF_E_VERSION (ops that this library doesn't know),
 * SDF_E_EXISTS (another store has the scheme).
 * Threads: any, before the first context or worker is opened. Since: 0.1 */
SDF_API int sdf_store_register(const char *scheme, const sdf_store_ops *ops, sdf_store_open_fn open, void *user,
                               sdf_error **err);

#ifdef __cplusplus
}
#endif
#endif
