/* Reads fields of a plan's JSON, strictly, and says with its place what is wrong first. After a failure everything
 * reads as nothing. Not here: which fields there are (plan_decode.c). */
#ifndef SPEC_PLAN_READER_H
#define SPEC_PLAN_READER_H

#include <cjson/cJSON.h>

#include "spec/plan_json.h"

#define PLAN_PLACE_MAX 512 /* the longest is cut off: it names the outermost things then */

typedef struct plan_reader {
    char place[PLAN_PLACE_MAX]; /* "stages[2].branches[0].input" */
    size_t place_size;
    sdf_error **err;
    int rc;
} plan_reader;

/* Steps into a field, or into an element of it (index >= 0); returns what plan_leave goes back to. */
size_t plan_enter(plan_reader *r, const char *name, int64_t index);
void plan_leave(plan_reader *r, size_t before);
/* name "": the place itself. Only the first refusal counts. */
void plan_refuse(plan_reader *r, int code, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void plan_no_memory(plan_reader *r);

/* The object has these fields, each once at most, and no others. `names` are separated by blanks. */
void plan_only_fields(plan_reader *r, const cJSON *object, const char *names);
const cJSON *plan_field(plan_reader *r, const cJSON *object, const char *name); /* NULL: not there */
/* A whole number up to 2^53, or a larger one as a string of digits: the forms that the encoder writes. */
bool plan_number_of(const cJSON *item, uint64_t *v);
uint64_t plan_get_u64(plan_reader *r, const cJSON *object, const char *name, uint64_t least, uint64_t most);
uint32_t plan_get_u32(plan_reader *r, const cJSON *object, const char *name, uint32_t least, uint32_t most);
int64_t plan_get_i64(plan_reader *r, const cJSON *object, const char *name);
bool plan_get_bool(plan_reader *r, const cJSON *object, const char *name);
unsigned plan_get_enum(plan_reader *r, const cJSON *object, const char *name, const plan_names *names);
/* malloc'd; NULL after a failure. Types are canonical. Bytes are UTF-8 under `name`, others under `base64_name`. */
char *plan_get_text(plan_reader *r, const cJSON *object, const char *name, size_t limit);
char *plan_get_type(plan_reader *r, const cJSON *object, const char *name);
char *plan_get_bytes(plan_reader *r, const cJSON *object, const char *name, const char *base64_name, size_t limit);
void plan_get_base64(plan_reader *r, const cJSON *object, const char *name, size_t limit, buf *out);
/* The first element of a list of at most so many; NULL: empty, or a failure. */
const cJSON *plan_get_list(plan_reader *r, const cJSON *object, const char *name, uint32_t most);

#endif
