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

/* A whole number of either sign: a string, too, where a double doesn't hold it. */
static void put_i64(writer *w, const char *name, int64_t v)
{
    if (v >= 0) {
        put_u64(w, name, (uint64_t)v);
        return;
    }
    put_name(w, name);
    const char *quote = v < -(INT64_C(1) << 53) ? "\"" : "";
    if (!w->rc && buf_printf(w->out, "%s%lld%s", quote, (long long)v, quote))
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

/* Bytes without NUL that people should read if they can: "name" if they are UTF-8, else "name_base64". */
static void put_bytes(writer *w, const char *name, const char *base64_name, const char *text, size_t limit)
{
    size_t size = text ? strlen(text) : 0;
    if (buf_is_utf8(text, size))
        put_text(w, name, text, limit);
    else if (size <= limit)
        put_base64(w, base64_name, text, size);
    else if (!w->rc)
        w->rc = error_set(w->err, SDF_E_LIMIT, "a plan's %s has more than %zu bytes", name, limit);
}

static void put_arg(writer *w, const plan_call *c)
{
    if (c->arg.size > PLAN_ARG_MAX && !w->rc) {
        w->rc = error_set(w->err, SDF_E_LIMIT, "the argument of \"%s\" has %zu bytes; %u is the limit",
                          c->function ? c->function
                          : c->label  ? c->label
                                      : "",
                          c->arg.size, PLAN_ARG_MAX);
        error_hint(w->err, "put it into a broadcast, a file or an object and pass its name");
    }
    if (c->arg.size)
        put_base64(w, "arg", c->arg.data, c->arg.size);
}

/* The inside of a call: function and version only where there is one. */
static void put_call_fields(writer *w, const plan_call *c)
{
    put_raw(w, "{");
    if (c->function) {
        put_text(w, "function", c->function, PLAN_FUNCTION_MAX);
        put_u64(w, "version", c->version);
    }
    put_arg(w, c);
    put_label(w, c->label);
    put_raw(w, "}");
}

/* A call of a function, or nothing where there is none. */
static void put_call(writer *w, const char *name, const plan_call *c)
{
    if (!c->function)
        return;
    put_name(w, name);
    put_call_fields(w, c);
}

static void put_format(writer *w, const plan_format *f)
{
    put_name(w, "format");
    put_raw(w, "{");
    put_enum(w, "kind", &plan_format_names, f->kind);
    if (f->kind == PLAN_FORMAT_BINARY) {
        put_u64(w, "record_bytes", f->record_bytes);
        put_u64(w, "key_bytes", f->key_bytes);
    } else {
        put_u64(w, "max_record", f->max_record);
    }
    if (f->kind == PLAN_FORMAT_DELIMITED) {
        put_u64(w, "delimiter", f->delimiter);
        put_u64(w, "quote", f->quote);
        put_u64(w, "escape", f->escape);
        put_bool(w, "multiline", f->multiline);
        put_bool(w, "header", f->header);
    }
    if (f->columns && (f->kind == PLAN_FORMAT_DELIMITED || f->kind == PLAN_FORMAT_JSON))
        put_bytes(w, "columns", "columns_base64", f->columns, PLAN_COLUMNS_MAX);
    put_raw(w, "}");
}

static void put_branch(writer *w, const plan_branch *b, int nested);

static void put_shuffle_input(writer *w, const plan_input *in)
{
    put_u64(w, "source", in->source);
    put_enum(w, "read", &plan_read_names, in->read);
    put_bool(w, "descending", in->descending);
    put_type(w, "stored_key_type", in->stored_key_type);
    put_type(w, "stored_value_type", in->stored_value_type);
    put_call(w, "call", &in->call);
}

static void put_cogroup_input(writer *w, const plan_input *in, int nested)
{
    put_enum(w, "how", &plan_cogroup_names, in->how);
    put_call(w, "call", &in->call);
    put_name(w, "sources");
    put_raw(w, "[");
    for (uint32_t i = 0; i < in->source_count && !w->rc; i++) {
        put_raw(w, i ? "," : "");
        put_branch(w, &in->sources[i], nested + 1);
    }
    put_raw(w, "]");
}

/* nested: how many cogroups it is in. */
static void put_input(writer *w, const plan_input *in, int nested)
{
    put_name(w, "input");
    put_raw(w, "{");
    put_enum(w, "kind", &plan_input_names, in->kind);
    put_label(w, in->label);
    put_type(w, "key_type", in->key_type);
    put_type(w, "value_type", in->value_type);
    switch (in->kind) {
    case PLAN_INPUT_FILES:
        put_format(w, &in->format);
        put_enum(w, "errors", &plan_errors_names, in->errors);
        break;
    case PLAN_INPUT_RANGE:
        put_i64(w, "start", in->start);
        put_i64(w, "step", in->step);
        break;
    case PLAN_INPUT_SHUFFLE:
        put_shuffle_input(w, in);
        break;
    case PLAN_INPUT_COGROUP:
        put_cogroup_input(w, in, nested);
        break;
    }
    put_raw(w, "}");
}

static void put_op(writer *w, const plan_op *op)
{
    put_raw(w, "{");
    put_enum(w, "kind", &plan_op_names, op->kind);
    put_name(w, "call");
    put_call_fields(w, &op->call);
    put_type(w, "key_type", op->key_type);
    put_type(w, "value_type", op->value_type);
    put_enum(w, "errors", &plan_errors_names, op->errors);
    if (op->kind == PLAN_OP_LOOKUP) {
        put_u64(w, "side", op->side);
        put_enum(w, "how", &plan_cogroup_names, op->how);
    }
    put_raw(w, "}");
}

static void put_branch(writer *w, const plan_branch *b, int nested)
{
    if (nested > PLAN_NESTED_MAX && !w->rc) {
        w->rc = error_set(w->err, SDF_E_LIMIT, "more than %d joins or cogroups within each other in a stage",
                          PLAN_NESTED_MAX);
        error_hint(w->err, "put a repartition or a persist between them");
    }
    if (w->rc)
        return;
    put_raw(w, "{");
    put_input(w, &b->input, nested);
    put_name(w, "ops");
    put_raw(w, "[");
    for (uint32_t i = 0; i < b->op_count && !w->rc; i++) {
        put_raw(w, i ? "," : "");
        put_op(w, &b->ops[i]);
    }
    put_raw(w, "]}");
}

static void put_shuffle_output(writer *w, const plan_output *o)
{
    put_u64(w, "partitions", o->partitions);
    put_u64(w, "spread", o->spread);
    put_enum(w, "partitioner", &plan_partitioner_names, o->partitioner);
    put_enum(w, "order", &plan_order_names, o->order);
    put_call(w, "combine", &o->combine);
    put_bool(w, "merging", o->merging);
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
        put_shuffle_output(w, o);
    } else if (o->kind == PLAN_OUTPUT_FILE) {
        put_format(w, &o->format);
        put_enum(w, "codec", &plan_codec_names, o->codec);
        put_bool(w, "single", o->single);
        put_bytes(w, "uri", "uri_base64", o->uri, PLAN_URI_MAX);
    }
    if (o->kind == PLAN_OUTPUT_SHUFFLE || o->kind == PLAN_OUTPUT_SAMPLE)
        put_u64(w, "sample", o->sample);
    put_raw(w, "}");
}

static void put_sides(writer *w, const plan_stage *s)
{
    put_name(w, "sides");
    put_raw(w, "[");
    for (uint32_t i = 0; i < s->side_count; i++) {
        put_raw(w, i ? ",{" : "{");
        put_u64(w, "source", s->sides[i].source);
        put_label(w, s->sides[i].label);
        put_type(w, "key_type", s->sides[i].key_type);
        put_type(w, "value_type", s->sides[i].value_type);
        put_raw(w, "}");
    }
    put_raw(w, "]");
}

static void put_stage(writer *w, const plan_stage *s)
{
    put_raw(w, "{");
    put_u64(w, "id", s->id);
    put_label(w, s->label);
    put_u64(w, "tasks", (uint64_t)s->first_task + s->tasks);
    put_name(w, "branches");
    put_raw(w, "[");
    for (uint32_t i = 0; i < s->branch_count && !w->rc; i++) {
        put_raw(w, i ? "," : "");
        put_branch(w, &s->branches[i], 0);
    }
    put_raw(w, "]");
    put_sides(w, s);
    put_output(w, &s->output);
    put_u64(w, "bound_by", s->bound_by);
    put_bool(w, "resumable", s->resumable);
    put_raw(w, "}");
}

static void put_broadcasts(writer *w, const plan *p)
{
    put_name(w, "broadcasts");
    put_raw(w, "[");
    for (uint32_t i = 0; i < p->broadcast_count; i++) {
        const plan_broadcast *b = &p->broadcasts[i];
        put_raw(w, i ? ",{" : "{");
        put_text(w, "name", b->name, PLAN_FUNCTION_MAX);
        put_u64(w, "id", b->id);
        put_u64(w, "bytes", b->bytes);
        put_u64(w, "digest", b->digest);
        put_raw(w, "}");
    }
    put_raw(w, "]");
}

static void put_plan(writer *w, const plan *p)
{
    put_raw(w, "{");
    put_u64(w, "version", PLAN_VERSION);
    put_text(w, "program", p->program_id, PLAN_PROGRAM_MAX);
    put_text(w, "compression", p->compression ? p->compression : "none", SIZE_MAX);
    if (p->errors_uri)
        put_bytes(w, "errors_uri", "errors_uri_base64", p->errors_uri, PLAN_URI_MAX);
    put_name(w, "stages");
    put_raw(w, "[");
    for (uint32_t i = 0; i < p->stage_count && !w->rc; i++) {
        put_raw(w, i ? "," : "");
        put_stage(w, &p->stages[i]);
    }
    put_raw(w, "]");
    put_broadcasts(w, p);
    put_raw(w, "}");
}

int plan_encode(const plan *p, buf *json, sdf_error **err)
{
    size_t start = json->size;
    writer w = {json, err, SDF_OK};
    put_plan(&w, p);
    if (!w.rc)
        w.rc = plan_check(p, err);
    if (!w.rc)
        w.rc = plan_scan((const char *)json->data + start, json->size - start, err);
    if (w.rc)
        json->size = start;
    return w.rc;
}
