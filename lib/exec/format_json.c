/* Records as JSON objects, one a line. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/num.h"
#include "exec/fields.h"
#include "exec/format.h"

typedef struct json_format {
    record_format base;
    const plan_output *spec;
    side_fields key, value;
    field_value *fields; /* of the record at hand */
    uint32_t count;
    buf names;    /* of field i, with what stands around it: {"a": or ,"b": */
    size_t *ends; /* in `names` */
    uint64_t records;
} json_format;

/* ---- strings ---- */

enum { PLAIN = 0, ESCAPED, HIGH };

static const uint8_t classes[256] = {
    [0 ... 0x1f] = ESCAPED,
    ['"'] = ESCAPED,
    ['\\'] = ESCAPED,
    [0x80 ... 0xff] = HIGH,
};

static int not_utf8(const json_format *f, uint32_t field, sdf_error **err)
{
    sdf_slice name = {f->names.data + (field ? f->ends[field - 1] : 0) + 1, 0};
    name.size = f->ends[field] - (size_t)((const uint8_t *)name.data - f->names.data) - 1;
    error_set(err, SDF_E_INVALID, "record %" PRIu64 " of the part: %.*s is not valid UTF-8, so JSON can't hold it",
              f->records + 1, name.size > 200 ? 200 : (int)name.size, (const char *)name.data);
    error_hint(err, "turn it into UTF-8 first, or save as \"text\" or \"delimited\"");
    return SDF_E_INVALID;
}

static int put_escape(part_writer *w, uint8_t c, sdf_error **err)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', (char)c, '0', '0', hex[c >> 4], hex[c & 15]};
    size_t size = 2;
    if (c == '\n')
        text[1] = 'n';
    else if (c == '\t')
        text[1] = 't';
    else if (c == '\r')
        text[1] = 'r';
    else if (c < 0x20) {
        text[1] = 'u';
        size = 6;
    }
    return part_writer_put(w, text, size, err);
}

/* Bytes of a string without its quotes. `escaped`: 00 stands as 00 ff. */
static int put_string(const json_format *f, part_writer *w, const sdf_slice *bytes, bool escaped, uint32_t field,
                      sdf_error **err)
{
    const uint8_t *p = bytes->data, *end = p + bytes->size;
    int rc = SDF_OK;
    while (!rc && p < end) {
        const uint8_t *from = p;
        while (p < end && classes[*p] == PLAIN)
            p++;
        const uint8_t *high = p;
        while (p < end && classes[*p] == HIGH)
            p++;
        if (p > high && !buf_is_utf8((const char *)high, (size_t)(p - high)))
            return not_utf8(f, field, err);
        rc = part_writer_put(w, from, (size_t)(p - from), err);
        if (!rc && p < end && classes[*p] == ESCAPED) {
            rc = put_escape(w, *p, err);
            p += *p == 0 && escaped ? 2 : 1;
        }
    }
    return rc;
}

/* ---- values ---- */

static int not_of_type(const json_format *f, sdf_error **err)
{
    return error_set(err, SDF_E_CORRUPT,
                     "record %" PRIu64 " of the part is not of the output's types (%s, %s), so it can't be written",
                     f->records + 1, f->spec->key_type, f->spec->value_type);
}

static int put_value(const json_format *f, part_writer *w, const field_value *v, uint32_t field, sdf_error **err);

/* Depth: bounded by what is a value. */
static int put_array(const json_format *f, part_writer *w, const field_value *tuple, uint32_t field, sdf_error **err)
{
    tuple_reader t;
    field_value v;
    if (tuple_begin(&t, &tuple->bytes, tuple->type))
        return not_of_type(f, err);
    int rc = part_writer_put(w, "[", 1, err), next = SDF_OK;
    for (bool first = true; !rc && (next = tuple_next(&t, &v)) == SDF_OK; first = false) {
        if (!first)
            rc = part_writer_put(w, ",", 1, err);
        if (!rc)
            rc = put_value(f, w, &v, field, err);
    }
    if (rc)
        return rc;
    return next == SDF_END ? part_writer_put(w, "]", 1, err) : not_of_type(f, err);
}

static int put_value(const json_format *f, part_writer *w, const field_value *v, uint32_t field, sdf_error **err)
{
    char text[NUM_TEXT];
    int rc;
    switch (v->kind) {
    case FIELD_I64:
        return part_writer_put(w, text, num_i64(text, v->i64), err);
    case FIELD_F64:
        if (isfinite(v->f64))
            return part_writer_put(w, text, num_f64(text, v->f64), err);
        return part_writer_put(w, "null", 4, err);
    case FIELD_BYTES:
        rc = part_writer_put(w, "\"", 1, err);
        if (!rc)
            rc = put_string(f, w, &v->bytes, v->escaped, field, err);
        return rc ? rc : part_writer_put(w, "\"", 1, err);
    case FIELD_TUPLE:
        return put_array(f, w, v, field, err);
    default:
        return part_writer_put(w, "null", 4, err);
    }
}

static int write_object(json_format *f, part_writer *w, sdf_error **err)
{
    int rc = f->count ? SDF_OK : part_writer_put(w, "{", 1, err);
    size_t at = 0;
    for (uint32_t i = 0; !rc && i < f->count; at = f->ends[i++]) {
        rc = part_writer_put(w, f->names.data + at, f->ends[i] - at, err);
        if (!rc)
            rc = put_value(f, w, &f->fields[i], i, err);
    }
    return rc ? rc : part_writer_put(w, "}\n", 2, err);
}

static int json_write(record_format *self, part_writer *w, const sdf_batch *batch, sdf_error **err)
{
    json_format *f = (json_format *)self;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        if (side_fields_read(&f->key, &key, f->fields) || side_fields_read(&f->value, &value, f->fields + f->key.count))
            return not_of_type(f, err);
        int rc = write_object(f, w, err);
        if (rc)
            return rc;
        f->records++;
    }
    return SDF_OK;
}

/* ---- names ---- */

static int add_name(json_format *f, uint32_t i, const char *name, size_t size, sdf_error **err)
{
    if (!buf_is_utf8(name, size))
        return error_set(err, SDF_E_INVALID, "the name of column %u is not valid UTF-8", i + 1);
    int rc = buf_append(&f->names, i ? "," : "{", 1);
    if (!rc)
        rc = buf_json_string(&f->names, name, size);
    if (!rc)
        rc = buf_append(&f->names, ":", 1);
    f->ends[i] = f->names.size;
    return rc ? error_no_memory(err) : SDF_OK;
}

/* "key", or of a tuple "key_1", "key_2". */
static int add_default_names(json_format *f, const side_fields *s, const char *side, uint32_t first, sdf_error **err)
{
    int rc = SDF_OK;
    for (uint32_t i = 0; !rc && i < s->count; i++) {
        char name[24];
        int size = s->kind == TYPE_TUPLE ? snprintf(name, sizeof name, "%s_%u", side, i + 1)
                                         : snprintf(name, sizeof name, "%s", side);
        rc = add_name(f, first + i, name, (size_t)size, err);
    }
    return rc;
}

static int add_names(json_format *f, sdf_error **err)
{
    const char *at = f->spec->format.columns;
    int rc = format_check_columns(at, f->count, err);
    if (!at) {
        rc = add_default_names(f, &f->key, "key", 0, err);
        return rc ? rc : add_default_names(f, &f->value, "value", f->key.count, err);
    }
    for (uint32_t i = 0; !rc && at; i++) {
        sdf_slice name = format_next_column(&at);
        rc = add_name(f, i, name.data, name.size, err);
    }
    return rc;
}

static void json_close(record_format *self)
{
    json_format *f = (json_format *)self;
    buf_free(&f->names);
    free(f->ends);
    free(f->fields);
    free(f);
}

int json_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err)
{
    json_format *f = calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err);
    f->base = (record_format){NULL, json_write, json_close};
    f->spec = spec;
    side_fields_init(&f->key, spec->key_type);
    side_fields_init(&f->value, spec->value_type);
    f->count = f->key.count + f->value.count;
    f->fields = calloc(f->count + 1, sizeof *f->fields);
    f->ends = calloc(f->count + 1, sizeof *f->ends);
    int rc = f->fields && f->ends ? add_names(f, err) : error_no_memory(err);
    if (rc) {
        json_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return SDF_OK;
}
