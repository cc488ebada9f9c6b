/* Outputs of any scheme: names checked, parts noted for the manifest, the rest is the sink's. */
#include "store/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/local.h"
#include "store/sink.h"
#include "store/store.h"

typedef struct published {
    char *name;
    uint64_t bytes, records;
    size_t order; /* of publishing */
} published;

struct output {
    sink *to;
    void *handle; /* the sink's */
    bool single;
    published *parts;
    size_t count, capacity;
};

struct output_part {
    sink *to;
    void *handle;
};

static void output_free(output *out)
{
    service_leave(&out->to->base);
    for (size_t i = 0; i < out->count; i++)
        free(out->parts[i].name);
    free(out->parts);
    free(out);
}

int output_absolute(const char *uri, char **absolute, uint32_t *scope, sdf_error **err)
{
    const sink *to = sink_of(uri);
    if (scope != NULL)
        *scope = to->ops.scope;
    if (to == sink_of("file:"))
        return local_path(uri, absolute, err);
    *absolute = strdup(uri);
    return *absolute != NULL ? SDF_OK : error_no_memory(err);
}

/* ---- names ---- */

static bool is_plain(const char *name)
{
    return strchr(name, '/') == NULL && store_check_name(name, NULL) == SDF_OK;
}

static int check_token(const char *token, sdf_error **err)
{
    return is_plain(token) ? SDF_OK : error_set(err, SDF_E_INVALID, "\"%.100s\" can't name an output job", token);
}

/* A part may lie in a folder of the output, "_errors/part-00000", but not where the output keeps its own. */
static int check_final(const char *final, bool single, sdf_error **err)
{
    bool good = single ? *final == 0
                       : store_check_name(final, NULL) == SDF_OK && (*final != '_' || strchr(final, '/') != NULL) &&
                             strncmp(final, "_SUCCESS/", 9) != 0 && strncmp(final, "_temporary/", 11) != 0;
    return good ? SDF_OK : error_set(err, SDF_E_INVALID, "\"%.100s\" can't be a part of an output", final);
}

/* ---- driver ---- */

int output_begin(const char *uri, const char *token, bool single, output **out, sdf_error **err)
{
    int rc = check_token(token, err);
    if (rc != SDF_OK)
        return rc;
    output *o = calloc(1, sizeof *o);
    if (o == NULL)
        return error_no_memory(err);
    o->to = sink_of(uri);
    o->single = single;
    rc = service_enter(&o->to->base, err);
    if (rc != SDF_OK) {
        free(o);
        return rc;
    }
    rc = o->to->ops.begin(o->to->base.self, uri, token, single, &o->handle, err);
    if (rc != SDF_OK) {
        output_free(o);
        return rc;
    }
    *out = o;
    return SDF_OK;
}

static int note_part(output *out, const char *name, uint64_t bytes, uint64_t records, sdf_error **err)
{
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 64;
        published *parts = realloc(out->parts, capacity * sizeof *parts);
        if (parts == NULL)
            return error_no_memory(err);
        out->parts = parts;
        out->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return error_no_memory(err);
    out->parts[out->count] = (published){copy, bytes, records, out->count};
    out->count++;
    return SDF_OK;
}

int output_publish(output *out, const char *ticket, const char *final, uint64_t bytes, uint64_t records,
                   sdf_error **err)
{
    int rc = check_final(final, out->single, err);
    if (rc == SDF_OK)
        rc = out->to->ops.publish(out->to->base.self, out->handle, ticket, final, bytes, err);
    return rc == SDF_OK ? note_part(out, final, bytes, records, err) : rc;
}

static int by_name(const void *a, const void *b)
{
    const published *p = a, *q = b;
    int order = strcmp(p->name, q->name);
    return order != 0 ? order : p->order < q->order ? -1 : 1;
}

/* Parts by name; of one published twice, what came last. */
static int manifest_text(output *out, buf *text)
{
    int rc = buf_text(text, "{\"format\":\"sdf-manifest\",\"version\":1,\"parts\":[");
    const char *separator = "\n";
    if (out->count > 0)
        qsort(out->parts, out->count, sizeof *out->parts, by_name);
    for (size_t i = 0; i < out->count && rc == SDF_OK; i++) {
        const published *p = &out->parts[i];
        if (i + 1 < out->count && strcmp(p->name, out->parts[i + 1].name) == 0)
            continue;
        rc = buf_printf(text, "%s{\"name\":", separator);
        if (rc == SDF_OK)
            rc = buf_json_string(text, p->name, strlen(p->name));
        if (rc == SDF_OK)
            rc = buf_printf(text, ",\"bytes\":%llu,\"records\":%llu}", (unsigned long long)p->bytes,
                            (unsigned long long)p->records);
        separator = ",\n";
    }
    return rc == SDF_OK ? buf_text(text, "]}\n") : rc;
}

int output_finish(output *out, sdf_error **err)
{
    buf text = BUF_EMPTY;
    if (manifest_text(out, &text) != SDF_OK) {
        buf_free(&text);
        output_abort(out);
        return error_no_memory(err);
    }
    sdf_slice manifest = buf_slice(&text);
    int rc = out->to->ops.finish(out->to->base.self, out->handle, &manifest, err);
    buf_free(&text);
    output_free(out);
    return rc;
}

void output_abort(output *out)
{
    if (out == NULL)
        return;
    out->to->ops.abort(out->to->base.self, out->handle);
    output_free(out);
}

/* ---- worker ---- */

int output_part_open(const char *uri, const char *token, bool single, const char *attempt, const char *final,
                     output_part **part, sdf_error **err)
{
    int rc = check_token(token, err);
    if (rc == SDF_OK && !is_plain(attempt))
        rc = error_set(err, SDF_E_INVALID, "\"%.100s\" can't name an attempt", attempt);
    if (rc == SDF_OK)
        rc = check_final(final, single, err);
    if (rc != SDF_OK)
        return rc;
    output_part *p = calloc(1, sizeof *p);
    if (p == NULL)
        return error_no_memory(err);
    p->to = sink_of(uri);
    rc = service_enter(&p->to->base, err);
    if (rc == SDF_OK) {
        rc = p->to->ops.part_open(p->to->base.self, uri, token, single, attempt, final, &p->handle, err);
        if (rc != SDF_OK)
            service_leave(&p->to->base);
    }
    if (rc != SDF_OK) {
        free(p);
        return rc;
    }
    *part = p;
    return SDF_OK;
}

int output_part_write(output_part *part, const void *data, size_t size, sdf_error **err)
{
    return part->to->ops.part_write(part->to->base.self, part->handle, data, size, err);
}

int output_part_close(output_part *part, char ticket[OUTPUT_TICKET_MAX], sdf_error **err)
{
    memset(ticket, 0, OUTPUT_TICKET_MAX);
    int rc = part->to->ops.part_close(part->to->base.self, part->handle, ticket, OUTPUT_TICKET_MAX, err);
    ticket[OUTPUT_TICKET_MAX - 1] = 0;
    service_leave(&part->to->base);
    free(part);
    return rc;
}

void output_part_abort(output_part *part)
{
    if (part == NULL)
        return;
    part->to->ops.part_abort(part->to->base.self, part->handle);
    service_leave(&part->to->base);
    free(part);
}
