/* Records taken apart into fields. See fields.h. */
#include "exec/fields.h"

#include <string.h>

#include <sdf/key.h>

/* Past one type in a canonical text: at ',', ')' or the end. */
static const char *type_end(const char *type)
{
    int depth = 0;
    for (; *type && (depth || (*type != ',' && *type != ')')); type++)
        depth += (*type == '(') - (*type == ')');
    return type;
}

/* The whole tuple that *rest begins with. */
static int read_tuple(sdf_slice *rest, const char *type, field_value *v)
{
    sdf_slice at = *rest;
    unsigned depth = 0;
    do {
        int item = sdf_key_next(&at, NULL, NULL, NULL, NULL);
        if (item == SDF_E_CORRUPT || item == SDF_ITEM_END)
            return SDF_E_CORRUPT;
        depth += item == SDF_ITEM_TUPLE;
        depth -= item == SDF_ITEM_TUPLE_END;
        if (depth > TYPE_DEPTH_MAX)
            return SDF_E_CORRUPT;
    } while (depth);
    v->kind = FIELD_TUPLE;
    v->bytes = (sdf_slice){rest->data, rest->size - at.size};
    v->type = type;
    *rest = at;
    return SDF_OK;
}

/* One item of a canonical type (NULL: any), *rest moves past it. */
static int read_item(sdf_slice *rest, const char *type, field_value *v)
{
    type_kind kind = type ? type_of(type) : TYPE_ANY;
    bool optional = kind == TYPE_OPTIONAL || kind == TYPE_NULL;
    while (kind == TYPE_OPTIONAL) {
        type += strlen("optional(");
        kind = type_of(type);
    }
    bool any = kind == TYPE_ANY;
    if (rest->size && *(const uint8_t *)rest->data == SDF_ITEM_TUPLE)
        return any || kind == TYPE_TUPLE ? read_tuple(rest, any ? NULL : type, v) : SDF_E_CORRUPT;
    int exact = 0;
    v->escaped = true;
    switch (sdf_key_next(rest, &v->i64, &v->f64, &exact, &v->bytes)) {
    case SDF_ITEM_NULL:
        v->kind = FIELD_NULL;
        return any || optional ? SDF_OK : SDF_E_CORRUPT;
    case SDF_ITEM_NUMBER:
        v->kind = exact && kind != TYPE_F64 ? FIELD_I64 : FIELD_F64;
        return any || kind == TYPE_F64 || (kind == TYPE_I64 && exact) ? SDF_OK : SDF_E_CORRUPT;
    case SDF_ITEM_BYTES:
        v->kind = FIELD_BYTES;
        return any || kind == TYPE_BYTES ? SDF_OK : SDF_E_CORRUPT;
    default:
        return SDF_E_CORRUPT;
    }
}

int tuple_begin(tuple_reader *t, const sdf_slice *item, const char *type)
{
    t->rest = *item;
    t->type = type ? type + strlen("tuple(") : NULL;
    t->more = true;
    return sdf_key_next(&t->rest, NULL, NULL, NULL, NULL) == SDF_ITEM_TUPLE ? SDF_OK : SDF_E_CORRUPT;
}

int tuple_next(tuple_reader *t, field_value *v)
{
    if (t->rest.size && *(const uint8_t *)t->rest.data == SDF_ITEM_TUPLE_END) {
        sdf_key_next(&t->rest, NULL, NULL, NULL, NULL);
        return t->rest.size || (t->type && t->more) ? SDF_E_CORRUPT : SDF_END;
    }
    if (!t->more)
        return SDF_E_CORRUPT;
    int rc = read_item(&t->rest, t->type, v);
    if (!rc && t->type) {
        t->type = type_end(t->type);
        t->more = *t->type == ',';
        t->type += t->more;
    }
    return rc;
}

void side_fields_init(side_fields *s, const char *type)
{
    s->type = type ? type : SDF_BYTES;
    s->kind = type_of(s->type);
    s->count = s->kind != TYPE_NULL;
    if (s->kind != TYPE_TUPLE)
        return;
    for (const char *p = type_end(s->type + strlen("tuple(")); *p == ','; p = type_end(p + 1))
        s->count++;
}

static int read_side_tuple(const side_fields *s, const sdf_slice *raw, field_value *fields)
{
    tuple_reader t;
    field_value behind;
    int rc = tuple_begin(&t, raw, s->type);
    for (uint32_t i = 0; !rc && i < s->count; i++)
        rc = tuple_next(&t, &fields[i]);
    if (!rc)
        rc = tuple_next(&t, &behind);
    return rc == SDF_END ? SDF_OK : SDF_E_CORRUPT;
}

int side_fields_read(const side_fields *s, const sdf_slice *raw, field_value *fields)
{
    switch (s->kind) {
    case TYPE_NULL:
        return raw->size ? SDF_E_CORRUPT : SDF_OK;
    case TYPE_I64:
        fields->kind = FIELD_I64;
        fields->i64 = sdf_slice_i64(raw);
        return raw->size == 8 ? SDF_OK : SDF_E_CORRUPT;
    case TYPE_F64:
        fields->kind = FIELD_F64;
        fields->f64 = sdf_slice_f64(raw);
        return raw->size == 8 ? SDF_OK : SDF_E_CORRUPT;
    case TYPE_BYTES:
        fields->kind = FIELD_BYTES;
        fields->bytes = *raw;
        fields->escaped = false;
        return SDF_OK;
    case TYPE_TUPLE:
        return read_side_tuple(s, raw, fields);
    default: {
        sdf_slice rest = *raw;
        int rc = read_item(&rest, s->type, fields);
        return !rc && rest.size ? SDF_E_CORRUPT : rc;
    }
    }
}
