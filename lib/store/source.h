/* The table of sources: files, and what hosts have registered. */
#ifndef STORE_SOURCE_H
#define STORE_SOURCE_H

#include <sdf/sys/source.h>

#include "store/service.h"

typedef struct source {
    service base;
    sdf_source_ops ops; /* sized to what this library knows */
} source;

/* The source of a name: that of its scheme if there is one, else files. Never NULL. */
source *source_of(const char *uri);

/* source_file.c, file_find.c: names are paths and file: URIs; it lists absolute paths. */
extern const sdf_source_ops file_source_ops;
int file_find(void *self, const char *name, sdf_source_list_fn callback, void *user, sdf_error **err);

#endif
