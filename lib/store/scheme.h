/* The table of store schemes: the built-in ones and the host's. */
#ifndef STORE_SCHEME_H
#define STORE_SCHEME_H

#include <sdf/sys/store.h>

#include "store/scheme_table.h"

typedef struct store_scheme {
    scheme_entry head;
    sdf_store_ops ops; /* sized to what this library knows; later fields are NULL */
    sdf_store_open_fn open;
    /* Makes the paths in `rest` absolute, as a malloc'd text; NULL: it has none. */
    int (*absolute)(const char *rest, char **out, sdf_error **err);
} store_scheme;

/* The scheme of "NAME:rest", and where the rest begins. The entry is never moved or freed. */
int scheme_find(const char *uri, const store_scheme **found, const char **rest, sdf_error **err);
/* The URI with absolute paths, malloc'd. */
int scheme_absolute(const char *uri, char **out, sdf_error **err);

/* The built-in stores, each in its file. */
extern const sdf_store_ops mem_store_ops, file_store_ops, fault_store_ops;
int mem_store_open(const char *rest, void *user, void **self, sdf_error **err);
int file_store_open(const char *rest, void *user, void **self, sdf_error **err);
int fault_store_open(const char *rest, void *user, void **self, sdf_error **err);
int file_store_absolute(const char *rest, char **out, sdf_error **err);
int fault_store_absolute(const char *rest, char **out, sdf_error **err);

#endif
