/* Stores by URI, shared by count; the table of schemes; whole-object helpers. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <sdf/sys/store.h>

#include "base/buf.h"

#define STORE_NAME_MAX 512
#define STORE_PART_MAX 200 /* of a name, between '/' */
#define STORE_URI_MAX  4096

typedef struct store {
    const sdf_store_ops *ops;
    void *self;
    char *uri; /* as any process with any working folder can open it: paths in it are absolute */
    int refs;  /* atomic */
} store;

/* "mem:" (a new one each time; "mem:cap=1G"), "file:DIR[?fsync=none|data&shared=0|1]", "fault:...:URI",
 * or a registered scheme. */
int store_open(const char *uri, store **out, sdf_error **err);
store *store_ref(store *s);
void store_unref(store *s); /* the last one destroys; NULL is fine */
uint32_t store_scope(const store *s);
uint64_t store_memory(const store *s); /* bytes it holds in this process */

/* Whole small objects. An object of that name is replaced. */
int store_put(store *s, const char *name, const void *data, size_t size, sdf_error **err);
int store_put_parts(store *s, const char *name, const sdf_slice *parts, size_t count, sdf_error **err);
/* The whole object; larger than `limit` is SDF_E_LIMIT. Release the view with store_release. */
int store_get(store *s, const char *name, uint64_t limit, sdf_view *view, sdf_error **err);
/* The same with a checksum behind the content, which get checks (damaged: reads once more, then SDF_E_CORRUPT). */
int store_put_sealed(store *s, const char *name, const void *data, size_t size, sdf_error **err);
int store_get_sealed(store *s, const char *name, uint64_t limit, sdf_view *view, sdf_error **err);
/* `buffer` NULL, or room for `length` bytes, which the view may lend. */
int store_get_range(store *s, const char *name, uint64_t offset, uint64_t length, void *buffer, sdf_view *view,
                    sdf_error **err);
void store_release(sdf_view *view);
/* Everything under the prefix, then sweep. */
int store_remove_prefix(store *s, const char *prefix, sdf_error **err);

/* SDF_OK or SDF_E_INVALID: the rules for names in sdf/sys/store.h, and for what such names can begin with. */
int store_check_name(const char *name, sdf_error **err);
int store_check_prefix(const char *prefix, sdf_error **err);

#endif
