/* Records as lines of text, and raw. */
#include <stdlib.h>

#include "base/error.h"
#include "base/num.h"
#include "exec/format.h"
#include "spec/type.h"

typedef struct text_format {
    record_format base;
    const char *key_type, *value_type;
    type_kind key, value;
} text_format;

static int write_value(part_writer *w, type_kind kind, const char *type, const sdf_slice *raw, sdf_error **err)
{
    char text[NUM_TEXT];
    switch (kind) {
    case TYPE_BYTES:
        return part_writer_put(w, raw->data, raw->size, err);
    case TYPE_I64:
        return part_writer_put(w, text, num_i64(text, sdf_slice_i64(raw)), err);
    case TYPE_F64:
        return part_writer_put(w, text, num_f64(text, sdf_slice_f64(raw)), err);
    case TYPE_NULL:
        return SDF_OK;
    default:
        return part_writer_put_text(w, type, raw, err);
    }
}

static int write_text(record_format *self, part_writer *w, const sdf_batch *batch, sdf_error **err)
{
    const text_format *f = (const text_format *)self;
    bool tab = f->key != TYPE_NULL && f->value != TYPE_NULL;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        int rc = write_value(w, f->key, f->key_type, &key, err);
        if (!rc && tab)
            rc = part_writer_put(w, "\t", 1, err);
        if (!rc)
            rc = write_value(w, f->value, f->value_type, &value, err);
        if (!rc)
            rc = part_writer_put(w, "\n", 1, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static int write_binary(record_format *self, part_writer *w, const sdf_batch *batch, sdf_error **err)
{
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        int rc = part_writer_put(w, key.data, key.size, err);
        if (!rc)
            rc = part_writer_put(w, value.data, value.size, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static void close_text(record_format *self)
{
    free(self);
}

static int new_format(const plan_output *spec,
                      int (*write)(record_format *self, part_writer *w, const sdf_batch *batch, sdf_error **err),
                      record_format **out, sdf_error **err)
{
    text_format *f = calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err);
    f->base = (record_format){.write = write, .close = close_text};
    f->key_type = spec->key_type;
    f->value_type = spec->value_type;
    f->key = type_of(spec->key_type);
    f->value = type_of(spec->value_type);
    *out = &f->base;
    return SDF_OK;
}

int text_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err)
{
    return new_format(spec, write_text, out, err);
}

int binary_format_new(task_env *env, const plan_output *spec, record_format **out, sdf_error **err)
{
    return new_format(spec, write_binary, out, err);
}
