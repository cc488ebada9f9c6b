/* The inside of the "file:" store, shared by its files. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <stdint.h>
#include <sys/stat.h>

#include <sdf/sys/store.h>

#include "store/file_cache.h"

/* Temporary files lie beside their objects: ".tmp-PID-RANDOM-PART", PART being the last part of the object's name.
 * No object's part begins with '.', so listings can tell. */
#define FILE_TEMP_PREFIX ".tmp-"

typedef struct file_store {
    char *root;          /* absolute */
    int sync;            /* 1: objects and their folders are synced before they count as committed */
    int shared;          /* 1: the folder is on a file system that all workers mount */
    int no_rename_flags; /* atomic; 1: this file system can't rename without replacing (NFS), so link(2) is used */
    uint64_t seed;       /* of temporary names */
    uint64_t counter;    /* atomic */
    file_cache cache;
} file_store;

/* The path of an object, malloc'd. SDF_E_INVALID: not a name. */
int file_path(const file_store *fs, const char *name, char **path, sdf_error **err);

/* The errno of using an object as an error: a missing file is no object. */
int file_error(const file_store *fs, int number, const char *verb, const char *name, sdf_error **err);

/* file_write.c */
int file_writer_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err);
int file_writer_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err);
int file_writer_commit(void *self, void *writer, sdf_error **err);
void file_writer_abort(void *self, void *writer);

/* file_list.c */
int file_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err);
int file_sweep(void *self, const char *prefix, sdf_error **err);

#endif
