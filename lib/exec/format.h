/* How sinks lay out records: each format is a writer of batches. What sources read is in *_source.c. */
#ifndef EXEC_FORMAT_H
#define EXEC_FORMAT_H

#include "base/batch.h"
#include "exec/part_writer.h"

typedef struct record_format record_format;
struct record_format {
    /* What stands in front of the records; NULL: nothing. */
    int (*begin)(record_format *self, part_writer *w, sdf_error **err);
    int (*write)(record_format *self, part_writer *w, const sdf_batch *batch, sdf_error **err);
    void (*close)(record_format *self);
};

/* format_text.c */
int text_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err);
int binary_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err);
/* format_delimited.c: RFC 4180 with "\n"; fields of key, then of value; null and empty bytes are nothing between the
 * delimiters; a tuple within a tuple is the field "(a,b)". The names, if there are any, are the first row. */
int delimited_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err);
/* format_json.c: an object per line; a null is null, and so are numbers that are not finite, for which JSON has no
 * word; tuples within tuples are arrays. Bytes must be UTF-8. */
int json_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err);

/* The names in plan_format.columns, one after another: *at moves on; empty with NULL data: no more. */
sdf_slice format_next_column(const char **at);
/* SDF_OK if there are as many names as fields, or none. */
int format_check_columns(const char *columns, uint32_t fields, sdf_error **err);

#endif
