/* The table of sinks: files, and what hosts have registered. */
#ifndef STORE_SINK_H
#define STORE_SINK_H

#include <sdf/sys/sink.h>

#include "store/service.h"

typedef struct sink {
    service base;
    sdf_sink_ops ops; /* sized to what this library knows */
} sink;

/* The sink of a name: that of its scheme if there is one, else files. Never NULL. */
sink *sink_of(const char *uri);

/* sink_file.c */
extern const sdf_sink_ops file_sink_ops;

/* sink_file_part.c: its worker's side. */
int file_part_open(void *self, const char *name, const char *token, int single, const char *attempt, const char *final,
                   void **part, sdf_error **err);
int file_part_write(void *self, void *part, const void *data, size_t size, sdf_error **err);
int file_part_close(void *self, void *part, char *ticket, size_t capacity, sdf_error **err);
void file_part_abort(void *self, void *part);
/* Where attempts of an output write, malloc'd: OUT/_temporary, or beside a single file. */
char *file_temporary(const char *path, const char *token, int single);

#endif
