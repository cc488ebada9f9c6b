/* Sources: is what the host gave them meant? Whether the files are there is looked at when a job is planned. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plan/lineage.h"

#define URIS_MAX    (1u << 20)
#define COLUMNS_MAX 16384

static int check_uris(const char *uris, sdf_error **err)
{
    if (!uris || !*uris) {
        error_set(err, SDF_E_INVALID, "no file was named");
        error_hint(err, "give a path, a glob or a folder");
        return SDF_E_INVALID;
    }
    if (strnlen(uris, URIS_MAX + 1) > URIS_MAX) {
        error_set(err, SDF_E_LIMIT, "the names of the input have more than %u bytes", URIS_MAX);
        error_hint(err, "name a folder or a glob, or write the names into a file and give \"manifest:FILE\"");
        return SDF_E_LIMIT;
    }
    return SDF_OK;
}

static int check_binary(const plan_format *f, sdf_error **err)
{
    if (!f->record_bytes) {
        error_set(err, SDF_E_INVALID, "record_bytes is 0");
        error_hint(err, "set record_bytes in the options: the length of one record");
        return SDF_E_INVALID;
    }
    if (f->key_bytes > f->record_bytes)
        return error_set(err, SDF_E_INVALID, "key_bytes is %u, more than the %u bytes of a record", f->key_bytes,
                         f->record_bytes);
    return SDF_OK;
}

/* Names joined by '\n'. */
static int check_columns(const char *columns, sdf_error **err)
{
    uint32_t count = 0;
    for (const char *at = columns;; at++) {
        size_t size = strcspn(at, "\n");
        if (!size) {
            error_set(err, SDF_E_INVALID, "one of the columns has no name");
            error_hint(err, "columns are names with commas between them");
            return SDF_E_INVALID;
        }
        if (++count > COLUMNS_MAX)
            return error_set(err, SDF_E_LIMIT, "more than %u columns", COLUMNS_MAX);
        for (const char *before = columns; before < at; before += strcspn(before, "\n") + 1)
            if (strcspn(before, "\n") == size && !memcmp(before, at, size))
                return error_set(err, SDF_E_INVALID, "two columns have the name \"%.*s\"", (int)size, at);
        at += size;
        if (!*at)
            return SDF_OK;
    }
}

static int check_delimited(const plan_format *f, sdf_error **err)
{
    const struct {
        const char *what;
        uint8_t byte;
    } bytes[] = {{"delimiter", f->delimiter}, {"quote", f->quote}, {"escape", f->escape}};
    if (!f->delimiter)
        return error_set(err, SDF_E_INVALID, "the delimiter is 0; it is one byte, such as ',' or a tab");
    for (size_t i = 0; i < 3; i++) {
        if (bytes[i].byte == '\n' || bytes[i].byte == '\r')
            return error_set(err, SDF_E_INVALID, "the %s can't be the end of a line", bytes[i].what);
        for (size_t k = 0; k < i && bytes[i].byte; k++)
            if (bytes[i].byte == bytes[k].byte && !(i == 2 && k == 1)) /* an escape that is the quote doubles it */
                return error_set(err, SDF_E_INVALID, "%s and %s are the same byte, %u", bytes[k].what, bytes[i].what,
                                 bytes[i].byte);
    }
    if (f->multiline && !f->quote) {
        error_set(err, SDF_E_INVALID, "rows of several lines need a quote");
        error_hint(err, "without quotes every line is a row: leave multiline 0");
        return SDF_E_INVALID;
    }
    return f->columns ? check_columns(f->columns, err) : SDF_OK;
}

static int set_types(node *n, const char *key, const char *value, sdf_error **err)
{
    int rc = fit_set(&n->key_type, key, err);
    return rc ? rc : fit_set(&n->value_type, value, err);
}

static int define_files(node *n, const node_spec *spec, sdf_error **err)
{
    const plan_format *f = spec->format;
    int rc = check_uris(spec->uris, err);
    if (!rc && !f)
        rc = error_set(err, SDF_E_INVALID, "no format was given");
    if (rc)
        return rc;
    if (!(n->uris = strdup(spec->uris)) || plan_copy_format(&n->format, f))
        return error_no_memory(err);
    switch (f->kind) {
    case PLAN_FORMAT_TEXT:
        return set_types(n, SDF_NULL, SDF_BYTES, err);
    case PLAN_FORMAT_BINARY:
        rc = check_binary(f, err);
        return rc ? rc : set_types(n, f->key_bytes ? SDF_BYTES : SDF_NULL, SDF_BYTES, err);
    case PLAN_FORMAT_WHOLE:
        return set_types(n, SDF_BYTES, SDF_BYTES, err);
    case PLAN_FORMAT_DELIMITED:
        n->rows = n;
        rc = check_delimited(f, err);
        return rc ? rc : set_types(n, SDF_NULL, SDF_BYTES, err);
    case PLAN_FORMAT_JSON:
        n->rows = n;
        return set_types(n, SDF_NULL, SDF_BYTES, err);
    }
    return error_set(err, SDF_E_INVALID, "%u is no format of files", (unsigned)f->kind);
}

/* The last number must be one: start + (count - 1) * step. */
static int check_range(const node *n, sdf_error **err)
{
    if (!n->step) {
        error_set(err, SDF_E_INVALID, "the step is 0");
        error_hint(err, "give a step above or below 0");
        return SDF_E_INVALID;
    }
    __int128 last = (__int128)n->start + (n->count ? (__int128)(n->count - 1) * n->step : 0);
    if (last > INT64_MAX || last < INT64_MIN)
        return error_set(err, SDF_E_INVALID, "the range goes past what an i64 holds");
    return SDF_OK;
}

int node_define_source(node *n, const node_spec *spec, sdf_error **err)
{
    if (n->kind == NODE_PARALLELIZE)
        return set_types(n, spec->key_type, spec->value_type, err);
    if (n->kind == NODE_FILES)
        return define_files(n, spec, err);
    int rc = check_range(n, err);
    return rc ? rc : set_types(n, SDF_NULL, SDF_I64, err);
}
