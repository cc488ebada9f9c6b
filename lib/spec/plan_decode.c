/* A plan out of JSON that nobody vouches for. Every object has exactly the fields of its kind, every number is in its
 * range, every type parses. The first thing that is wrong is said with its place. What holds across fields is in
 * plan_check.c. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "spec/plan_reader.h"

/* The fields of a call; an operator without a function has argument and label alone. */
static void get_call_fields(plan_reader *r, const cJSON *object, bool calls, plan_call *c)
{
    const char *fields = "arg label";
    if (calls) {
        fields = "function version arg label";
        c->function = plan_get_text(r, object, "function", PLAN_FUNCTION_MAX);
        if (c->function && !*c->function)
            plan_refuse(r, SDF_E_CORRUPT, "function", "empty");
        c->version = plan_get_u32(r, object, "version", 0, UINT32_MAX);
    }
    if (plan_field(r, object, "arg"))
        plan_get_base64(r, object, "arg", PLAN_ARG_MAX, &c->arg);
    c->label = plan_get_text(r, object, "label", PLAN_LABEL_MAX);
    plan_only_fields(r, object, fields);
}

/* A call that may be absent. */
static void get_call(plan_reader *r, const cJSON *object, const char *name, plan_call *c)
{
    const cJSON *item = plan_field(r, object, name);
    if (!item)
        return;
    size_t mark = plan_enter(r, name, -1);
    get_call_fields(r, item, true, c);
    plan_leave(r, mark);
}

/* A call that must be there, or must not: why is said by `what`. */
static void get_call_if(plan_reader *r, const cJSON *object, bool calls, const char *what, plan_call *c)
{
    get_call(r, object, "call", c);
    if (!r->rc && calls != (c->function != NULL))
        plan_refuse(r, SDF_E_CORRUPT, "call", "%s; %s calls %s function", calls ? "missing" : "too much", what,
                    calls ? "a" : "no");
}

static uint8_t get_byte(plan_reader *r, const cJSON *object, const char *name, uint32_t least)
{
    return (uint8_t)plan_get_u32(r, object, name, least, UINT8_MAX);
}

static void get_dialect(plan_reader *r, const cJSON *object, plan_format *f)
{
    f->delimiter = get_byte(r, object, "delimiter", 1);
    f->quote = get_byte(r, object, "quote", 0);
    f->escape = get_byte(r, object, "escape", 0);
    f->multiline = plan_get_bool(r, object, "multiline");
    f->header = plan_get_bool(r, object, "header");
    if (f->delimiter == '\n' || f->delimiter == '\r')
        plan_refuse(r, SDF_E_CORRUPT, "delimiter", "an end of line");
    if (f->quote == '\n' || f->quote == '\r' || (f->quote && f->quote == f->delimiter))
        plan_refuse(r, SDF_E_CORRUPT, "quote", "an end of line, or the delimiter");
    if (f->escape == '\n' || f->escape == '\r' || (f->escape && f->escape == f->delimiter))
        plan_refuse(r, SDF_E_CORRUPT, "escape", "an end of line, or the delimiter");
}

static void get_format(plan_reader *r, const cJSON *parent, plan_format *f)
{
    const cJSON *object = plan_field(r, parent, "format");
    size_t mark = plan_enter(r, "format", -1);
    f->kind = (plan_format_kind)plan_get_enum(r, object, "kind", &plan_format_names);
    const char *fields = "kind max_record";
    if (f->kind == PLAN_FORMAT_BINARY) {
        fields = "kind record_bytes key_bytes";
        f->record_bytes = plan_get_u32(r, object, "record_bytes", 0, UINT32_MAX);
        f->key_bytes = plan_get_u32(r, object, "key_bytes", 0, f->record_bytes);
    } else {
        f->max_record = plan_get_u64(r, object, "max_record", 0, UINT64_MAX);
    }
    if (f->kind == PLAN_FORMAT_DELIMITED) {
        fields = "kind max_record delimiter quote escape multiline header columns columns_base64";
        get_dialect(r, object, f);
    } else if (f->kind == PLAN_FORMAT_JSON) {
        fields = "kind max_record columns columns_base64";
    }
    plan_only_fields(r, object, fields);
    if (plan_field(r, object, "columns") || plan_field(r, object, "columns_base64"))
        f->columns = plan_get_bytes(r, object, "columns", "columns_base64", PLAN_COLUMNS_MAX);
    plan_leave(r, mark);
}

static void get_branch(plan_reader *r, const cJSON *object, plan_branch *b, int nested);

static void get_shuffle_input(plan_reader *r, const cJSON *object, plan_input *in)
{
    plan_only_fields(r, object,
                     "kind label key_type value_type source read descending stored_key_type stored_value_type call");
    in->source = plan_get_u32(r, object, "source", 0, UINT32_MAX);
    in->read = (plan_read)plan_get_enum(r, object, "read", &plan_read_names);
    in->descending = plan_get_bool(r, object, "descending");
    in->stored_key_type = plan_get_type(r, object, "stored_key_type");
    in->stored_value_type = plan_get_type(r, object, "stored_value_type");
    get_call_if(r, object, in->read == PLAN_READ_AGGREGATE, "this way of reading", &in->call);
}

static void get_cogroup_input(plan_reader *r, const cJSON *object, plan_input *in, int nested)
{
    plan_only_fields(r, object, "kind label key_type value_type how call sources");
    in->how = (plan_cogroup)plan_get_enum(r, object, "how", &plan_cogroup_names);
    get_call_if(r, object, in->how == PLAN_COGROUP_CALL, "this kind of cogroup", &in->call);
    if (nested >= PLAN_NESTED_MAX)
        plan_refuse(r, SDF_E_LIMIT, "sources", "more than %d cogroups within each other", PLAN_NESTED_MAX);
    const cJSON *item = plan_get_list(r, object, "sources", PLAN_SOURCES_MAX);
    for (int64_t i = 0; item && !r->rc; item = item->next, i++) {
        size_t mark = plan_enter(r, "sources", i);
        plan_branch *source = plan_add_source(in);
        if (source)
            get_branch(r, item, source, nested + 1);
        else
            plan_no_memory(r);
        plan_leave(r, mark);
    }
}

/* nested: how many cogroups it is in. */
static void get_input(plan_reader *r, const cJSON *branch, plan_input *in, int nested)
{
    const cJSON *object = plan_field(r, branch, "input");
    size_t mark = plan_enter(r, "input", -1);
    in->kind = (plan_input_kind)plan_get_enum(r, object, "kind", &plan_input_names);
    in->label = plan_get_text(r, object, "label", PLAN_LABEL_MAX);
    in->key_type = plan_get_type(r, object, "key_type");
    in->value_type = plan_get_type(r, object, "value_type");
    switch (in->kind) {
    case PLAN_INPUT_FILES:
        plan_only_fields(r, object, "kind label key_type value_type format errors");
        get_format(r, object, &in->format);
        in->errors = (plan_errors)plan_get_enum(r, object, "errors", &plan_errors_names);
        break;
    case PLAN_INPUT_RANGE:
        plan_only_fields(r, object, "kind label key_type value_type start step");
        in->start = plan_get_i64(r, object, "start");
        in->step = plan_get_i64(r, object, "step");
        break;
    case PLAN_INPUT_SHUFFLE:
        get_shuffle_input(r, object, in);
        break;
    case PLAN_INPUT_COGROUP:
        get_cogroup_input(r, object, in, nested);
        break;
    }
    plan_leave(r, mark);
}

static void get_op(plan_reader *r, const cJSON *object, plan_op *op)
{
    op->kind = (plan_op_kind)plan_get_enum(r, object, "kind", &plan_op_names);
    const char *fields = "kind call key_type value_type errors";
    if (op->kind == PLAN_OP_LOOKUP) {
        fields = "kind call key_type value_type errors side how";
        op->side = plan_get_u32(r, object, "side", 0, UINT32_MAX);
        op->how = (plan_cogroup)plan_get_enum(r, object, "how", &plan_cogroup_names);
    }
    plan_only_fields(r, object, fields);
    const cJSON *call = plan_field(r, object, "call");
    size_t mark = plan_enter(r, "call", -1);
    get_call_fields(r, call, plan_op_calls(op->kind), &op->call);
    plan_leave(r, mark);
    op->key_type = plan_get_type(r, object, "key_type");
    op->value_type = plan_get_type(r, object, "value_type");
    op->errors = (plan_errors)plan_get_enum(r, object, "errors", &plan_errors_names);
}

static void get_branch(plan_reader *r, const cJSON *object, plan_branch *b, int nested)
{
    plan_only_fields(r, object, "input ops");
    get_input(r, object, &b->input, nested);
    const cJSON *item = plan_get_list(r, object, "ops", PLAN_OPS_MAX);
    for (int64_t i = 0; item && !r->rc; item = item->next, i++) {
        size_t mark = plan_enter(r, "ops", i);
        plan_op *op = plan_add_op(b);
        if (op)
            get_op(r, item, op);
        else
            plan_no_memory(r);
        plan_leave(r, mark);
    }
}

static void get_branches(plan_reader *r, const cJSON *stage, plan_stage *s)
{
    const cJSON *item = plan_get_list(r, stage, "branches", PLAN_BRANCHES_MAX);
    for (int64_t i = 0; item && !r->rc; item = item->next, i++) {
        size_t mark = plan_enter(r, "branches", i);
        plan_branch *b = plan_add_branch(s);
        if (b)
            get_branch(r, item, b, 0);
        else
            plan_no_memory(r);
        if (!r->rc)
            plan_number_leaves(b);
        plan_leave(r, mark);
    }
}

static void get_sides(plan_reader *r, const cJSON *stage, plan_stage *s)
{
    const cJSON *item = plan_get_list(r, stage, "sides", PLAN_SIDES_MAX);
    for (int64_t i = 0; item && !r->rc; item = item->next, i++) {
        size_t mark = plan_enter(r, "sides", i);
        plan_side *side = plan_add_side(s);
        if (!side) {
            plan_no_memory(r);
            return;
        }
        plan_only_fields(r, item, "source label key_type value_type");
        side->source = plan_get_u32(r, item, "source", 0, UINT32_MAX);
        side->label = plan_get_text(r, item, "label", PLAN_LABEL_MAX);
        side->key_type = plan_get_type(r, item, "key_type");
        side->value_type = plan_get_type(r, item, "value_type");
        plan_leave(r, mark);
    }
}

static void get_shuffle_output(plan_reader *r, const cJSON *object, plan_output *o)
{
    o->partitioner = (plan_partitioner)plan_get_enum(r, object, "partitioner", &plan_partitioner_names);
    o->partitions = plan_get_u32(r, object, "partitions", 0, PLAN_TASKS_MAX);
    o->spread = plan_get_u32(r, object, "spread", 0, PLAN_TASKS_MAX);
    o->order = (plan_order)plan_get_enum(r, object, "order", &plan_order_names);
    get_call(r, object, "combine", &o->combine);
    o->merging = plan_get_bool(r, object, "merging");
}

static void get_output(plan_reader *r, const cJSON *stage, plan_output *o)
{
    const cJSON *object = plan_field(r, stage, "output");
    size_t mark = plan_enter(r, "output", -1);
    o->kind = (plan_output_kind)plan_get_enum(r, object, "kind", &plan_output_names);
    o->label = plan_get_text(r, object, "label", PLAN_LABEL_MAX);
    o->key_type = plan_get_type(r, object, "key_type");
    o->value_type = plan_get_type(r, object, "value_type");
    const char *fields = "kind label key_type value_type";
    if (o->kind == PLAN_OUTPUT_SHUFFLE) {
        fields = "kind label key_type value_type partitions spread partitioner order combine merging sample";
        get_shuffle_output(r, object, o);
    } else if (o->kind == PLAN_OUTPUT_FILE) {
        fields = "kind label key_type value_type format codec single uri uri_base64";
        get_format(r, object, &o->format);
        o->codec = (uint8_t)plan_get_enum(r, object, "codec", &plan_codec_names);
        o->single = plan_get_bool(r, object, "single");
        o->uri = plan_get_bytes(r, object, "uri", "uri_base64", PLAN_URI_MAX);
    } else if (o->kind == PLAN_OUTPUT_SAMPLE) {
        fields = "kind label key_type value_type sample";
    }
    if (o->kind == PLAN_OUTPUT_SHUFFLE || o->kind == PLAN_OUTPUT_SAMPLE)
        o->sample = plan_get_u32(r, object, "sample", 0, UINT32_MAX);
    plan_only_fields(r, object, fields);
    plan_leave(r, mark);
}

static void get_stage(plan_reader *r, const cJSON *object, plan_stage *s)
{
    plan_only_fields(r, object, "id label tasks branches sides output bound_by resumable");
    s->id = plan_get_u32(r, object, "id", 0, UINT32_MAX);
    s->label = plan_get_text(r, object, "label", PLAN_LABEL_MAX);
    s->tasks = plan_get_u32(r, object, "tasks", 0, PLAN_TASKS_MAX);
    get_branches(r, object, s);
    get_sides(r, object, s);
    get_output(r, object, &s->output);
    s->bound_by = plan_get_u32(r, object, "bound_by", 0, UINT32_MAX);
    s->resumable = plan_get_bool(r, object, "resumable");
}

static void get_stages(plan_reader *r, const cJSON *root, plan *p)
{
    const cJSON *item = plan_get_list(r, root, "stages", PLAN_STAGES_MAX);
    for (int64_t i = 0; item && !r->rc; item = item->next, i++) {
        size_t mark = plan_enter(r, "stages", i);
        plan_stage *s = plan_add_stage(p);
        if (s)
            get_stage(r, item, s);
        else
            plan_no_memory(r);
        plan_leave(r, mark);
    }
}

static void get_broadcasts(plan_reader *r, const cJSON *root, plan *p)
{
    const cJSON *item = plan_get_list(r, root, "broadcasts", PLAN_BROADCASTS_MAX);
    for (int64_t i = 0; item && !r->rc; item = item->next, i++) {
        size_t mark = plan_enter(r, "broadcasts", i);
        plan_broadcast *b = plan_add_broadcast(p);
        if (!b) {
            plan_no_memory(r);
            return;
        }
        plan_only_fields(r, item, "name id bytes digest");
        b->name = plan_get_text(r, item, "name", PLAN_FUNCTION_MAX);
        b->id = plan_get_u32(r, item, "id", 0, UINT32_MAX);
        b->bytes = plan_get_u64(r, item, "bytes", 0, UINT64_MAX);
        b->digest = plan_get_u64(r, item, "digest", 0, UINT64_MAX);
        plan_leave(r, mark);
    }
}

static void get_plan(plan_reader *r, const cJSON *root, plan *p)
{
    /* The version first: a newer plan may have anything else in it. */
    uint64_t version = 0;
    if (!plan_number_of(plan_field(r, root, "version"), &version) || version != PLAN_VERSION) {
        r->rc =
            error_set(r->err, SDF_E_VERSION, "this is no plan of version %d, the one this library knows", PLAN_VERSION);
        error_hint(r->err, "use the same version of the library in the driver and in the workers");
        return;
    }
    plan_only_fields(r, root, "version program compression errors_uri errors_uri_base64 stages broadcasts");
    p->program_id = plan_get_text(r, root, "program", PLAN_PROGRAM_MAX);
    p->compression = plan_get_text(r, root, "compression", PLAN_PROGRAM_MAX);
    if (p->compression && strcmp(p->compression, "lz4") && strcmp(p->compression, "none"))
        plan_refuse(r, SDF_E_CORRUPT, "compression", "neither \"lz4\" nor \"none\"");
    if (plan_field(r, root, "errors_uri") || plan_field(r, root, "errors_uri_base64"))
        p->errors_uri = plan_get_bytes(r, root, "errors_uri", "errors_uri_base64", PLAN_URI_MAX);
    get_stages(r, root, p);
    get_broadcasts(r, root, p);
}

/* The tree of a text that the scan let through. cJSON wants its NUL at the end. */
static int parse(const char *json, size_t size, cJSON **root, sdf_error **err)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return error_no_memory(err);
    if (size)
        memcpy(copy, json, size);
    copy[size] = '\0';
    const char *stop = copy;
    *root = cJSON_ParseWithOpts(copy, &stop, 1);
    size_t at = stop >= copy && stop <= copy + size ? (size_t)(stop - copy) : 0;
    free(copy);
    if (*root)
        return SDF_OK;
    return error_set(err, SDF_E_CORRUPT, "the plan is no JSON; it goes wrong near byte %zu of %zu", at, size);
}

int plan_decode(const void *json, size_t size, plan **out, sdf_error **err)
{
    cJSON *root = NULL;
    *out = NULL;
    int rc = plan_scan(json, size, err);
    if (!rc)
        rc = parse(json, size, &root, err);
    if (rc)
        return rc;
    plan_reader r = {.err = err};
    plan *p = plan_new();
    if (p)
        get_plan(&r, root, p);
    else
        plan_no_memory(&r);
    cJSON_Delete(root);
    if (!r.rc)
        r.rc = plan_check(p, err);
    if (r.rc) {
        plan_free(p);
        return r.rc;
    }
    *out = p;
    return SDF_OK;
}
