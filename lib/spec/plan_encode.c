/* The plan as JSON, canonical: fields in a fixed order, no blanks, only the fields that its kind of input or output
 * has, absent calls and empty arguments left out. */
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "spec/plan_json.h"

/* Writes one object after another. The first failure stops it. */
typedef struct writer {
    buf *out;
    sdf_error **err;
    int rc;
} writer;

static void put_raw(writer *w, const char *text)
{
    if (!w->rc)
        w->rc = buf_text(w->out, text) ? error_no_memory(w->err) : SDF_OK;
}

/* `"name":`, with a comma in front unless it is an object's first. */
static void put_name(writer *w, const char *name)
{
    if (w->rc)
        return;
    char last = w->out->size ? (char)w->out->data[w->out->size - 1] : '{';
    if (last != '{')
        put_raw(w, ",");
    put_raw(w, "\"");
    put_raw(w, name);
    put_raw(w, "\":");
}

static void put_text(writer *w, const char *name, const char *text, size_t limit)
{
    const char *value = text ? text : "";
    size_t size = strlen(value);
    put_name(w, name);
    if (w->rc)
        return;
    if (size > limit)
        w->rc = error_set(w->err, SDF_E_LIMIT, "\"%.40s...\" (%s) has more than %zu bytes", value, name, limit);
    else if (buf_json_string(w->out, value, size))
        w->rc = error_no_memory(w->err);
}

/* Names for people are cut to what the format allows, not refused. */
static void put_label(writer *w, const char *label)
{
    size_t size = strnlen(label ? label : "", PLAN_LABEL_MAX / 3); /* each byte may become U+FFFD: three */
    put_name(w, "label");
    if (!w->rc && buf_json_string(w->out, label, size))
        w->rc = error_no_memory(w->err);
}

static void put_type(writer *w, const char *name, const char *type)
{
    put_text(w, name, type ? type : "bytes", SIZE_MAX);
}

/* Numbers that a double doesn't hold are strings. */
static void put_u64(writer *w, const char *name, uint64_t v)
{
    put_name(w, name);
    const char *quote = v > UINT64_C(1) << 53 ? "\"" : "";
    if (!w->rc && buf_printf(w->out, "%s%llu%s", quote, (unsigned long long)v, quote))
        w->rc = error_no_memory(w->err);
}

static void put_bool(writer *w, const char *name, bool v)
{
    put_name(w, name);
    put_raw(w, v ? "true" : "false");
}

static void put_enum(writer *w, const char *name, const plan_names *names, unsigned v)
{
    if (v < names->count && names->names[v])
        put_text(w, name, names->names[v], SIZE_MAX);
    else if (!w->rc)
        w->rc = error_set(w->err, SDF_E_INTERNAL, "a plan's %s has the unknown value %u", name, v);
}

static void put_base64(writer *w, const char *name, const void *data, size_t size)
{
    put_name(w, name);
    put_raw(w, "\"");
    if (!w->rc && base64_append(w->out, data, size))
        w->rc = error_no_memory(w->err);
    put_raw(w, "\"");
}

static void put_call(writer *w, const char *name, const plan_call *c)
{
    if (!c->function)
        return;
    put_name(w, name);
    put_raw(w, "{");
    put_text(w, "function", c->function, PLAN_FUNCTION_MAX);
    put_u64(w, "version", c->version);
    if (c->arg.size > PLAN_ARG_MAX && !w->rc) {
        w->rc = error_set(w->err, SDF_E_LIMIT, "the argument of \"%s\" has %zu bytes; %u is the limit", c->function,
                          c->arg.size, PLAN_ARG_MAX);
        error_hint(w->err, "put it into a file or an object and pass its name");
    }
    if (c->arg.size)
        put_base64(w, "arg", c->arg.data, c->arg.size);
    put_label(w, c->label);
    put_raw(w, "}");
}

static void put_input(writer *w, const plan_input *in)
{
    put_name(w, "input");
    put_raw(w, "{");
    put_enum(w, "kind", &plan_input_names, in->kind);
    put_label(w, in->label);
    put_type(w, "key_type", in->key_type);
    put_type(w, "value_type", in->value_type);
    if (in->kind == PLAN_INPUT_TEXT) {
        put_u64(w, "max_line", in->max_line);
    } else if (in->kind == PLAN_INPUT_BINARY) {
        put_u64(w, "record_bytes", in->record_bytes);
        put_u64(w, "key_bytes", in->key_bytes);
    } else {
        put_u64(w, "source", in->source);
        put_enum(w, "read", &plan_read_names, in->read);
        put_bool(w, "descending", in->descending);
        put_type(w, "stored_key_type", in->stored_key_type);
        put_type(w, "stored_value_type", in->stored_value_type);
        put_call(w, "call", &in->call);
    }
    put_raw(w, "}");
}

/* A path may be any bytes; JSON strings can't. */
static void put_uri(writer *w, const char *uri)
{
    size_t size = uri ? strlen(uri) : 0;
    if (buf_is_utf8(uri, size))
        put_text(w, "uri", uri, PLAN_URI_MAX);
    else if (size <= PLAN_URI_MAX)
        put_base64(w, "uri_base64", uri, size);
    else if (!w->rc)
        w->rc = error_set(w->err, SDF_E_LIMIT, "the output's name has more than %d bytes", PLAN_URI_MAX);
}

static void put_output(writer *w, const plan_output *o)
{
    put_name(w, "output");
    put_raw(w, "{");
    put_enum(w, "kind", &plan_output_names, o->kind);
    put_label(w, o->label);
    put_type(w, "key_type", o->key_type);
    put_type(w, "value_type", o->value_type);
    if (o->kind == PLAN_OUTPUT_SHUFFLE) {
        put_u64(w, "partitions", o->partitions);
        put_enum(w, "partitioner", &plan_partitioner_names, o->partitioner);
        put_enum(w, "order", &plan_order_names, o->order);
        put_call(w, "combine", &o->combine);
    } else if (o->kind == PLAN_OUTPUT_FILE) {
        put_enum(w, "format", &plan_format_names, o->format);
        put_uri(w, o->uri);
    }
    if (o->kind == PLAN_OUTPUT_SHUFFLE || o->kind == PLAN_OUTPUT_SAMPLE)
        put_u64(w, "sample", o->sample);
    put_raw(w, "}");
}

static void put_stage(writer *w, const plan_stage *s)
{
    put_raw(w, "{");
    put_u64(w, "id", s->id);
    put_label(w, s->label);
    put_u64(w, "tasks", (uint64_t)s->first_task + s->tasks);
    put_input(w, &s->input);
    put_name(w, "ops");
    put_raw(w, "[");
    for (uint32_t i = 0; i < s->op_count; i++) {
        put_raw(w, i ? ",{" : "{");
        put_enum(w, "kind", &plan_op_names, s->ops[i].kind);
        put_call(w, "call", &s->ops[i].call);
        put_type(w, "key_type", s->ops[i].key_type);
        put_type(w, "value_type", s->ops[i].value_type);
        put_raw(w, "}");
    }
    put_raw(w, "]");
    put_output(w, &s->output);
    put_u64(w, "sampled_by", s->sampled_by);
    put_bool(w, "resumable", s->resumable);
    put_raw(w, "}");
}

int plan_encode(const plan *p, buf *json, sdf_error **err)
{
    size_t start = json->size;
    writer w = {json, err, SDF_OK};
    put_raw(&w, "{");
    put_u64(&w, "version", PLAN_VERSION);
    put_text(&w, "program", p->program_id, PLAN_PROGRAM_MAX);
    put_text(&w, "compression", p->compression ? p->compression : "none", SIZE_MAX);
    put_name(&w, "stages");
    put_raw(&w, "[");
    for (uint32_t i = 0; i < p->stage_count && !w.rc; i++) {
        put_raw(&w, i ? "," : "");
        put_stage(&w, &p->stages[i]);
    }
    put_raw(&w, "]}");
    if (!w.rc)
        w.rc = plan_scan((const char *)json->data + start, json->size - start, err);
    if (w.rc)
        json->size = start;
    return w.rc;
}
