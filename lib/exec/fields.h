/* Records as rows of fields, for sinks that name or separate them: a null side has none, a tuple one for each of its
 * items, any other value is one. Tuples within tuples stay whole. */
#ifndef EXEC_FIELDS_H
#define EXEC_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "spec/type.h"

typedef enum field_kind { FIELD_NULL, FIELD_I64, FIELD_F64, FIELD_BYTES, FIELD_TUPLE } field_kind;

typedef struct field_value {
    field_kind kind;
    bool escaped; /* bytes: 00 stands as 00 ff (sdf/key.h) */
    int64_t i64;
    double f64;
    sdf_slice bytes;  /* points into the record. A tuple: the whole item */
    const char *type; /* of a tuple, where it begins in a canonical text; NULL: any */
} field_value;

/* One side of records of a type. */
typedef struct side_fields {
    const char *type; /* canonical */
    type_kind kind;
    uint32_t count;
} side_fields;

void side_fields_init(side_fields *s, const char *type);
/* The fields of one value, `count` of them. SDF_E_CORRUPT: these bytes are no value of the type. */
int side_fields_read(const side_fields *s, const sdf_slice *raw, field_value *fields);

/* The items of an encoded tuple, one after another. */
typedef struct tuple_reader {
    sdf_slice rest;
    const char *type; /* of the next item; NULL: any */
    bool more;        /* types */
} tuple_reader;
/* `type` as in field_value; SDF_E_CORRUPT: no tuple. */
int tuple_begin(tuple_reader *t, const sdf_slice *item, const char *type);
int tuple_next(tuple_reader *t, field_value *v); /* SDF_OK, SDF_END, SDF_E_CORRUPT */

#endif
