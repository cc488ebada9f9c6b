/* Records as rows of delimited text. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/num.h"
#include "exec/fields.h"
#include "exec/format.h"

#define SCRATCH_LEAST 256

typedef struct delimited_format {
    record_format base;
    const plan_output *spec;
    budget *budget;
    side_fields key, value;
    field_value *fields; /* of the record at hand */
    uint32_t count;
    char delimiter, quote;
    bool special[256]; /* bytes for which a field must be quoted */
    uint64_t records;
    uint8_t *scratch; /* a field that does not stand in the record as it is written */
    size_t size, capacity;
} delimited_format;

/* ---- scratch ---- */

static int scratch_put(delimited_format *f, const void *data, size_t size, sdf_error **err)
{
    if (size > f->capacity - f->size) {
        size_t capacity = f->size + size > 2 * f->capacity ? f->size + size : 2 * f->capacity;
        capacity = capacity < SCRATCH_LEAST ? SCRATCH_LEAST : capacity;
        int rc = budget_take(f->budget, capacity - f->capacity, NULL, err);
        if (rc)
            return rc;
        uint8_t *scratch = realloc(f->scratch, capacity);
        if (!scratch) {
            budget_give(f->budget, capacity - f->capacity);
            return error_no_memory(err);
        }
        f->scratch = scratch;
        f->capacity = capacity;
    }
    if (size)
        memcpy(f->scratch + f->size, data, size);
    f->size += size;
    return SDF_OK;
}

static int scratch_unescaped(delimited_format *f, const sdf_slice *escaped, sdf_error **err)
{
    const uint8_t *p = escaped->data, *end = p + escaped->size;
    int rc = SDF_OK;
    while (!rc && p < end) {
        const uint8_t *zero = memchr(p, 0, (size_t)(end - p)), *stop = zero ? zero + 1 : end;
        rc = scratch_put(f, p, (size_t)(stop - p), err);
        p = zero ? stop + 1 : stop; /* ff follows a zero */
    }
    return rc;
}

static int not_of_type(const delimited_format *f, sdf_error **err)
{
    return error_set(err, SDF_E_CORRUPT,
                     "record %" PRIu64 " of the part is not of the output's types (%s, %s), so it can't be written",
                     f->records + 1, f->spec->key_type, f->spec->value_type);
}

/* "(a,(b,c))". Depth: bounded by what is a value. */
static int scratch_tuple(delimited_format *f, const field_value *tuple, sdf_error **err)
{
    tuple_reader t;
    field_value v;
    char text[NUM_TEXT];
    if (tuple_begin(&t, &tuple->bytes, tuple->type))
        return not_of_type(f, err);
    const char *separator = "(";
    int rc, next;
    while ((next = tuple_next(&t, &v)) == SDF_OK) {
        rc = scratch_put(f, separator, 1, err);
        separator = ",";
        if (!rc && v.kind == FIELD_I64)
            rc = scratch_put(f, text, num_i64(text, v.i64), err);
        else if (!rc && v.kind == FIELD_F64)
            rc = scratch_put(f, text, num_f64(text, v.f64), err);
        else if (!rc && v.kind == FIELD_BYTES)
            rc = scratch_unescaped(f, &v.bytes, err);
        else if (!rc && v.kind == FIELD_TUPLE)
            rc = scratch_tuple(f, &v, err);
        if (rc)
            return rc;
    }
    if (next != SDF_END)
        return not_of_type(f, err);
    return *separator == '(' ? scratch_put(f, "()", 2, err) : scratch_put(f, ")", 1, err);
}

/* ---- fields ---- */

static int cannot_quote(const delimited_format *f, sdf_error **err)
{
    error_set(err, SDF_E_INVALID,
              "record %" PRIu64 " of the part has a delimiter or newline in a field, and the output has no quotes",
              f->records + 1);
    error_hint(err, "give the output a quote character, or another delimiter");
    return SDF_E_INVALID;
}

static int put_quoted(const delimited_format *f, part_writer *w, const uint8_t *p, size_t size, sdf_error **err)
{
    if (!f->quote)
        return cannot_quote(f, err);
    int rc = part_writer_put(w, &f->quote, 1, err);
    while (!rc && size) {
        const uint8_t *quote = memchr(p, f->quote, size);
        size_t n = quote ? (size_t)(quote - p) + 1 : size;
        rc = part_writer_put(w, p, n, err);
        if (!rc && quote)
            rc = part_writer_put(w, quote, 1, err);
        p += n;
        size -= n;
    }
    return rc ? rc : part_writer_put(w, &f->quote, 1, err);
}

static int put_field(const delimited_format *f, part_writer *w, const void *data, size_t size, sdf_error **err)
{
    const uint8_t *p = data;
    size_t i = 0;
    while (i < size && !f->special[p[i]])
        i++;
    return i == size ? part_writer_put(w, data, size, err) : put_quoted(f, w, p, size, err);
}

static int put_value(delimited_format *f, part_writer *w, const field_value *v, sdf_error **err)
{
    char text[NUM_TEXT];
    int rc;
    f->size = 0;
    switch (v->kind) {
    case FIELD_NULL:
        return SDF_OK;
    case FIELD_I64:
        return put_field(f, w, text, num_i64(text, v->i64), err);
    case FIELD_F64:
        return put_field(f, w, text, num_f64(text, v->f64), err);
    case FIELD_BYTES:
        if (!v->escaped || !v->bytes.size || !memchr(v->bytes.data, 0, v->bytes.size))
            return put_field(f, w, v->bytes.data, v->bytes.size, err);
        rc = scratch_unescaped(f, &v->bytes, err);
        break;
    default:
        rc = scratch_tuple(f, v, err);
    }
    return rc ? rc : put_field(f, w, f->scratch, f->size, err);
}

/* An only field that is empty would make an empty line, which readers take for none. */
static bool is_empty(const field_value *v)
{
    return v->kind == FIELD_NULL || (v->kind == FIELD_BYTES && !v->bytes.size);
}

static int write_row(delimited_format *f, part_writer *w, sdf_error **err)
{
    int rc = SDF_OK;
    if (f->count == 1 && f->quote && is_empty(f->fields))
        rc = put_quoted(f, w, NULL, 0, err);
    else
        for (uint32_t i = 0; !rc && i < f->count; i++) {
            if (i)
                rc = part_writer_put(w, &f->delimiter, 1, err);
            if (!rc)
                rc = put_value(f, w, &f->fields[i], err);
        }
    return rc ? rc : part_writer_put(w, "\n", 1, err);
}

static int delimited_write(record_format *self, part_writer *w, const sdf_batch *batch, sdf_error **err)
{
    delimited_format *f = (delimited_format *)self;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        if (side_fields_read(&f->key, &key, f->fields) || side_fields_read(&f->value, &value, f->fields + f->key.count))
            return not_of_type(f, err);
        int rc = write_row(f, w, err);
        if (rc)
            return rc;
        f->records++;
    }
    return SDF_OK;
}

static int delimited_begin(record_format *self, part_writer *w, sdf_error **err)
{
    delimited_format *f = (delimited_format *)self;
    const char *at = f->spec->format.columns;
    int rc = SDF_OK;
    for (bool first = true; !rc && at; first = false) {
        sdf_slice name = format_next_column(&at);
        if (!first)
            rc = part_writer_put(w, &f->delimiter, 1, err);
        if (!rc)
            rc = put_field(f, w, name.data, name.size, err);
    }
    return rc ? rc : part_writer_put(w, "\n", 1, err);
}

static void delimited_close(record_format *self)
{
    delimited_format *f = (delimited_format *)self;
    budget_give(f->budget, f->capacity);
    free(f->scratch);
    free(f->fields);
    free(f);
}

static int check_dialect(const plan_format *format, sdf_error **err)
{
    uint8_t delimiter = format->delimiter, quote = format->quote;
    if (!delimiter || delimiter == '\n' || delimiter == '\r' || quote == '\n' || quote == '\r' || delimiter == quote)
        return error_set(err, SDF_E_INVALID, "delimited text can't have the delimiter %u with the quote %u", delimiter,
                         quote);
    return SDF_OK;
}

int delimited_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err)
{
    int rc = check_dialect(&spec->format, err);
    if (rc)
        return rc;
    delimited_format *f = calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err);
    f->base = (record_format){delimited_begin, delimited_write, delimited_close};
    if (!spec->format.columns)
        f->base.begin = NULL;
    f->spec = spec;
    f->budget = env->budget;
    f->delimiter = (char)spec->format.delimiter;
    f->quote = (char)spec->format.quote;
    side_fields_init(&f->key, spec->key_type);
    side_fields_init(&f->value, spec->value_type);
    f->count = f->key.count + f->value.count;
    f->special[spec->format.delimiter] = f->special['\n'] = f->special['\r'] = true;
    f->special[f->quote ? spec->format.quote : spec->format.delimiter] = true;
    f->fields = calloc(f->count + 1, sizeof *f->fields);
    rc = f->fields ? format_check_columns(spec->format.columns, f->count, err) : error_no_memory(err);
    if (rc) {
        delimited_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return SDF_OK;
}
