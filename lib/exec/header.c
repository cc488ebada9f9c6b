/* See header.h. */
#include "exec/header.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/expr.h"

#define SHOWN_MOST 400 /* bytes of a header in a message */

typedef struct header {
    const plan_format *format;
    const sdf_slice *row;
    const char *path;
    sdf_slice *fields;
    uint8_t *text; /* of one field, unquoted */
} header;

static size_t columns_count(const char *columns)
{
    size_t count = 1;
    for (const char *p = columns; (p = strchr(p, '\n')); p++)
        count++;
    return count;
}

/* The planned header as it would stand in a file. */
static void columns_show(const plan_format *f, char shown[SHOWN_MOST + 1])
{
    size_t size = strlen(f->columns);
    size = size < SHOWN_MOST ? size : SHOWN_MOST;
    for (size_t i = 0; i < size; i++)
        shown[i] = f->columns[i] == '\n' ? (char)f->delimiter : f->columns[i];
    shown[size] = 0;
}

static int header_differs(const header *h, sdf_error **err, int rc)
{
    char planned[SHOWN_MOST + 1];
    int shown = (int)(h->row->size < SHOWN_MOST ? h->row->size : SHOWN_MOST);
    columns_show(h->format, planned);
    error_hint(err,
               "all files of a source must have the same header: here it is \"%.*s\", the job was planned with \"%s\"",
               shown, (const char *)h->row->data, planned);
    return rc;
}

static int header_compare(const header *h, size_t fields, sdf_error **err)
{
    const char *column = h->format->columns;
    size_t wanted = columns_count(column);
    for (size_t i = 0; i < fields && i < wanted; i++) {
        const char *end = strchrnul(column, '\n');
        sdf_slice name = row_unquote(h->format, &h->fields[i], h->text);
        if (name.size != (size_t)(end - column) || (name.size && memcmp(name.data, column, name.size)))
            return header_differs(
                h, err,
                error_set(err, SDF_E_CORRUPT, "\"%s\": column %zu of the header is \"%.*s\", it should be \"%.*s\"",
                          h->path, i + 1, (int)(name.size < 100 ? name.size : 100), (const char *)name.data,
                          (int)(end - column < 100 ? end - column : 100), column));
        column = end + (*end != 0);
    }
    if (fields == wanted)
        return SDF_OK;
    return header_differs(h, err,
                          error_set(err, SDF_E_CORRUPT, "\"%s\": the header has %zu columns, it should have %zu",
                                    h->path, fields, wanted));
}

int header_check(const plan_format *format, const sdf_slice *row, const char *path, sdf_error **err)
{
    header h = {.format = format, .row = row, .path = path};
    int64_t fields = row_split(format, row, NULL, 0);
    if (fields < 0)
        return error_set(err, SDF_E_CORRUPT, "\"%s\": the header can't be taken apart, its quotes do not fit", path);
    h.fields = malloc(((size_t)fields + 1) * sizeof *h.fields);
    h.text = malloc(row->size + 1);
    int rc = SDF_OK;
    if (h.fields && h.text) {
        row_split(format, row, h.fields, (size_t)fields);
        rc = header_compare(&h, (size_t)fields, err);
    } else {
        rc = error_no_memory(err);
    }
    free(h.fields);
    free(h.text);
    return rc;
}
