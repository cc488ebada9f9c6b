/* A raw value as text, the way text sinks write it. The value is checked against its type on the way. */
#include <sdf/key.h>
#include <sdf/record.h>

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "spec/type.h"

/* Where text goes: what doesn't fit is counted, not written. */
typedef struct sink {
    char *text;
    size_t capacity; /* without the NUL */
    size_t size;
} sink;

static void write_bytes(sink *s, const void *data, size_t size)
{
    if (s->size < s->capacity) {
        size_t room = s->capacity - s->size;
        if (size)
            memcpy(s->text + s->size, data, size < room ? size : room);
    }
    s->size += size;
}

static void write_i64(sink *s, int64_t v)
{
    char text[NUM_TEXT];
    write_bytes(s, text, num_i64(text, v));
}

static void write_f64(sink *s, double v)
{
    char text[NUM_TEXT];
    write_bytes(s, text, num_f64(text, v));
}

static void write_escaped(sink *s, const sdf_slice *escaped)
{
    const uint8_t *p = escaped->data, *end = p + escaped->size;
    while (p < end) {
        const uint8_t *zero = memchr(p, 0, (size_t)(end - p));
        const uint8_t *stop = zero ? zero + 1 : end;
        write_bytes(s, p, (size_t)(stop - p));
        p = zero ? stop + 1 : stop;
    }
}

/* Past one type in a canonical text: at ',', ')' or the end. */
static const char *type_end(const char *type)
{
    int depth = 0;
    for (; *type && (depth || (*type != ',' && *type != ')')); type++)
        depth += (*type == '(') - (*type == ')');
    return type;
}

static int write_item(sink *s, sdf_slice *rest, const char *type, int depth);

/* The items of a tuple, whose first byte is read: with tabs between them at the outside, "(a,b)" within.
 * `type` stands at the first item's, or is NULL for "any". */
static int write_items(sink *s, sdf_slice *rest, const char *type, int depth)
{
    if (depth > TYPE_DEPTH_MAX)
        return SDF_E_CORRUPT;
    if (depth > 1)
        write_bytes(s, "(", 1);
    bool more = true; /* types */
    for (unsigned i = 0;; i++) {
        if (rest->size && *(const uint8_t *)rest->data == SDF_ITEM_TUPLE_END)
            break;
        if (!more)
            return SDF_E_CORRUPT;
        if (i)
            write_bytes(s, depth > 1 ? "," : "\t", 1);
        int rc = write_item(s, rest, type, depth);
        if (rc)
            return rc;
        if (type) {
            type = type_end(type);
            more = *type == ',';
            type += more;
        }
    }
    sdf_key_next(rest, NULL, NULL, NULL, NULL);
    if (depth > 1)
        write_bytes(s, ")", 1);
    return type && more ? SDF_E_CORRUPT : SDF_OK;
}

/* One item of a canonical type (NULL: any). */
static int write_item(sink *s, sdf_slice *rest, const char *type, int depth)
{
    type_kind kind = type ? type_of(type) : TYPE_ANY;
    bool optional = kind == TYPE_OPTIONAL;
    while (kind == TYPE_OPTIONAL) {
        type += strlen("optional(");
        kind = type_of(type);
    }
    bool any = kind == TYPE_ANY;
    int64_t i64 = 0;
    double f64 = 0;
    int exact = 0;
    sdf_slice bytes;
    switch (sdf_key_next(rest, &i64, &f64, &exact, &bytes)) {
    case SDF_ITEM_NULL:
        return any || optional || kind == TYPE_NULL ? SDF_OK : SDF_E_CORRUPT;
    case SDF_ITEM_NUMBER:
        if (!(any || kind == TYPE_F64 || (kind == TYPE_I64 && exact)))
            return SDF_E_CORRUPT;
        if (exact && kind != TYPE_F64)
            write_i64(s, i64);
        else
            write_f64(s, f64);
        return SDF_OK;
    case SDF_ITEM_BYTES:
        write_escaped(s, &bytes);
        return any || kind == TYPE_BYTES ? SDF_OK : SDF_E_CORRUPT;
    case SDF_ITEM_TUPLE:
        if (!any && kind != TYPE_TUPLE)
            return SDF_E_CORRUPT;
        return write_items(s, rest, any ? NULL : type + strlen("tuple("), depth + 1);
    default:
        return SDF_E_CORRUPT;
    }
}

static int write_value(sink *s, const char *type, const sdf_slice *raw)
{
    type_kind kind = type_of(type);
    if (kind == TYPE_BYTES) {
        write_bytes(s, raw->data, raw->size);
        return SDF_OK;
    }
    if (kind == TYPE_NULL)
        return raw->size ? SDF_E_CORRUPT : SDF_OK;
    if (type_is_number(kind)) {
        if (raw->size != 8)
            return SDF_E_CORRUPT;
        if (kind == TYPE_I64)
            write_i64(s, sdf_slice_i64(raw));
        else
            write_f64(s, sdf_slice_f64(raw));
        return SDF_OK;
    }
    sdf_slice rest = *raw;
    int rc = write_item(s, &rest, type, 0);
    return rc || !rest.size ? rc : SDF_E_CORRUPT;
}

/* Whether a text is canonical already. Hosts format record after record of one type, so the last one is remembered. */
static bool is_canonical(const char *type)
{
    static _Thread_local char last[256];
    static const char *const plain[] = {SDF_BYTES, SDF_I64, SDF_F64, SDF_NULL, SDF_ANY};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcmp(type, plain[i]))
            return true;
    if (*last && !strcmp(type, last))
        return true;
    char *canonical;
    if (strnlen(type, sizeof last) == sizeof last || type_parse(type, &canonical, NULL))
        return false;
    bool same = !strcmp(type, canonical);
    if (same)
        strcpy(last, canonical);
    free(canonical);
    return same;
}

int64_t sdf_format(const char *type, const sdf_slice *raw, char *text, size_t capacity)
{
    char *canonical = NULL;
    const char *known = type ? type : SDF_BYTES;
    if (!is_canonical(known)) {
        int rc = type_parse(type, &canonical, NULL);
        if (rc)
            return rc == SDF_E_NO_MEMORY ? rc : SDF_E_TYPE;
        known = canonical;
    }
    sink s = {text, capacity ? capacity - 1 : 0, 0};
    static const sdf_slice nothing = {NULL, 0};
    int rc = write_value(&s, known, raw ? raw : &nothing);
    free(canonical);
    if (capacity)
        text[s.size < s.capacity ? s.size : s.capacity] = '\0';
    return rc ? rc : (int64_t)s.size;
}
