/* A plan out of JSON that nobody vouches for. Every object has exactly the fields of its kind, every number is in its
 * range, every type parses. The first thing that is wrong is said with its place. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/error.h"
#include "spec/plan_json.h"
#include "spec/type.h"

#define PATH_BYTES 256

/* Reads one field after another. After the first failure everything reads as nothing. */
typedef struct reader {
    char path[PATH_BYTES]; /* "stages[2].output" */
    size_t path_size;
    sdf_error **err;
    int rc;
} reader;

/* Steps into a field, or into an element of it (index >= 0); returns the size of the path to go back to. Places are
 * at most three names deep, so that the path holds them. */
static size_t enter(reader *r, const char *name, int index)
{
    size_t before = r->path_size, room = PATH_BYTES - before;
    const char *dot = before ? "." : "";
    int n = index < 0 ? snprintf(r->path + before, room, "%s%s", dot, name)
                      : snprintf(r->path + before, room, "%s%s[%d]", dot, name, index);
    r->path_size = before + ((size_t)n < room ? (size_t)n : room - 1);
    return before;
}

static void leave(reader *r, size_t path_size)
{
    r->path_size = path_size;
    r->path[path_size] = '\0';
}

static void refuse(reader *r, int code, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "the plan is wrong at PLACE: why"; only the first refusal counts. */
static void refuse(reader *r, int code, const char *name, const char *format, ...)
{
    if (r->rc)
        return;
    buf why = BUF_EMPTY;
    va_list args;
    va_start(args, format);
    int bad = buf_vprintf(&why, format, args);
    va_end(args);
    r->rc = error_set(r->err, code, "the plan is wrong at %s%s%.64s: %.*s", r->path, r->path_size && *name ? "." : "",
                      name, bad ? 0 : (int)why.size, bad ? "" : (const char *)why.data);
    buf_free(&why);
}

static void out_of_memory(reader *r)
{
    if (!r->rc)
        r->rc = error_no_memory(r->err);
}

/* The object has these fields, each once at most, and no others. `names` are separated by blanks. */
static void only_fields(reader *r, const cJSON *object, const char *names)
{
    if (!r->rc && !cJSON_IsObject(object))
        refuse(r, SDF_E_CORRUPT, "", "an object expected");
    if (r->rc)
        return;
    uint64_t seen = 0;
    for (const cJSON *item = object->child; item; item = item->next) {
        size_t size = strlen(item->string);
        const char *at = names;
        unsigned i = 0;
        while (*at && !(strcspn(at, " ") == size && !memcmp(at, item->string, size))) {
            at += strcspn(at, " ");
            at += *at == ' ';
            i++;
        }
        if (!*at)
            refuse(r, SDF_E_CORRUPT, item->string, "there is no such field here");
        else if (seen >> i & 1)
            refuse(r, SDF_E_CORRUPT, item->string, "the field is there twice");
        if (r->rc)
            return;
        seen |= UINT64_C(1) << i;
    }
}

static const cJSON *find(reader *r, const cJSON *object, const char *name)
{
    return r->rc ? NULL : cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A whole number up to 2^53, or a larger one as a string of digits: the forms that the encoder writes. */
static bool number_of(const cJSON *item, uint64_t *v)
{
    if (cJSON_IsNumber(item)) {
        double d = item->valuedouble;
        if (!(d >= 0 && d <= 0x1p53) || d != (double)(uint64_t)d)
            return false;
        *v = (uint64_t)d;
        return true;
    }
    if (!cJSON_IsString(item) || item->valuestring[0] == '0')
        return false;
    *v = 0;
    for (const char *p = item->valuestring; *p; p++) {
        unsigned digit = (unsigned)((unsigned char)*p - '0');
        if (digit > 9 || *v > (UINT64_MAX - digit) / 10)
            return false;
        *v = *v * 10 + digit;
    }
    return *v > UINT64_C(1) << 53;
}

static uint64_t get_u64(reader *r, const cJSON *object, const char *name, uint64_t least, uint64_t most)
{
    uint64_t v = 0;
    const cJSON *item = find(r, object, name);
    if (!r->rc && (!number_of(item, &v) || v < least || v > most))
        refuse(r, SDF_E_CORRUPT, name, "a whole number from %llu to %llu expected", (unsigned long long)least,
               (unsigned long long)most);
    return r->rc ? 0 : v;
}

static uint32_t get_u32(reader *r, const cJSON *object, const char *name, uint32_t least, uint32_t most)
{
    return (uint32_t)get_u64(r, object, name, least, most);
}

static bool get_bool(reader *r, const cJSON *object, const char *name)
{
    const cJSON *item = find(r, object, name);
    if (!r->rc && !cJSON_IsBool(item))
        refuse(r, SDF_E_CORRUPT, name, "true or false expected");
    return !r->rc && cJSON_IsTrue(item);
}

/* The string as it lies in the JSON tree; NULL once something was wrong. */
static const char *get_string(reader *r, const cJSON *object, const char *name, size_t limit)
{
    const cJSON *item = find(r, object, name);
    if (r->rc)
        return NULL;
    if (!cJSON_IsString(item))
        refuse(r, SDF_E_CORRUPT, name, "a string expected");
    else if (strlen(item->valuestring) > limit)
        refuse(r, SDF_E_LIMIT, name, "more than %zu bytes", limit);
    return r->rc ? NULL : item->valuestring;
}

static char *get_text(reader *r, const cJSON *object, const char *name, size_t limit)
{
    const char *text = get_string(r, object, name, limit);
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        out_of_memory(r);
    return copy;
}

static char *get_type(reader *r, const cJSON *object, const char *name)
{
    const char *text = get_string(r, object, name, TYPE_TEXT_MAX);
    char *canonical = NULL;
    sdf_error *why = NULL;
    if (!text)
        return NULL;
    int rc = type_parse(text, &canonical, &why);
    if (rc == SDF_E_NO_MEMORY)
        out_of_memory(r);
    else if (rc)
        refuse(r, SDF_E_CORRUPT, name, "%s", sdf_error_message(why));
    sdf_error_free(why);
    return canonical;
}

static unsigned get_enum(reader *r, const cJSON *object, const char *name, const plan_names *names)
{
    const char *text = get_string(r, object, name, SIZE_MAX);
    for (unsigned i = 0; text && i < names->count; i++)
        if (names->names[i] && !strcmp(text, names->names[i]))
            return i;
    refuse(r, SDF_E_CORRUPT, name, "\"%.40s\" is none of its values", text ? text : "");
    return 0;
}

static void get_base64(reader *r, const cJSON *object, const char *name, size_t limit, buf *out)
{
    const char *text = get_string(r, object, name, (limit + 2) / 3 * 4);
    int rc = text ? base64_decode(out, text, strlen(text)) : SDF_OK;
    if (rc == SDF_E_NO_MEMORY)
        out_of_memory(r);
    else if (rc)
        refuse(r, SDF_E_CORRUPT, name, "not base64");
    else if (out->size > limit)
        refuse(r, SDF_E_LIMIT, name, "more than %zu bytes", limit);
}

/* A call that may be absent, unless `needed` says why it must be there. */
static void get_call(reader *r, const cJSON *object, const char *name, const char *needed, plan_call *c)
{
    const cJSON *item = find(r, object, name);
    if (!item) {
        if (needed)
            refuse(r, SDF_E_CORRUPT, name, "missing; %s", needed);
        return;
    }
    size_t mark = enter(r, name, -1);
    only_fields(r, item, "function version arg label");
    c->function = get_text(r, item, "function", PLAN_FUNCTION_MAX);
    if (c->function && !*c->function)
        refuse(r, SDF_E_CORRUPT, "function", "empty");
    c->version = get_u32(r, item, "version", 0, UINT32_MAX);
    if (find(r, item, "arg"))
        get_base64(r, item, "arg", PLAN_ARG_MAX, &c->arg);
    c->label = get_text(r, item, "label", PLAN_LABEL_MAX);
    leave(r, mark);
}

static void get_shuffle_input(reader *r, const cJSON *object, plan_input *in)
{
    only_fields(r, object,
                "kind label key_type value_type source read descending stored_key_type stored_value_type call");
    in->source = get_u32(r, object, "source", 0, UINT32_MAX);
    in->read = (plan_read)get_enum(r, object, "read", &plan_read_names);
    in->descending = get_bool(r, object, "descending");
    in->stored_key_type = get_type(r, object, "stored_key_type");
    in->stored_value_type = get_type(r, object, "stored_value_type");
    bool calls = in->read == PLAN_READ_AGGREGATE || in->read == PLAN_READ_GROUP;
    get_call(r, object, "call", calls ? "this way of reading calls a function" : NULL, &in->call);
    if (!calls && in->call.function)
        refuse(r, SDF_E_CORRUPT, "call", "this way of reading calls no function");
}

static void get_input(reader *r, const cJSON *stage, plan_input *in)
{
    const cJSON *object = find(r, stage, "input");
    size_t mark = enter(r, "input", -1);
    if (!r->rc && !cJSON_IsObject(object))
        refuse(r, SDF_E_CORRUPT, "", "an object expected");
    in->kind = (plan_input_kind)get_enum(r, object, "kind", &plan_input_names);
    in->label = get_text(r, object, "label", PLAN_LABEL_MAX);
    in->key_type = get_type(r, object, "key_type");
    in->value_type = get_type(r, object, "value_type");
    if (in->kind == PLAN_INPUT_TEXT) {
        only_fields(r, object, "kind label key_type value_type max_line");
        in->max_line = get_u64(r, object, "max_line", 0, UINT64_MAX);
    } else if (in->kind == PLAN_INPUT_BINARY) {
        only_fields(r, object, "kind label key_type value_type record_bytes key_bytes");
        in->record_bytes = get_u32(r, object, "record_bytes", 1, UINT32_MAX);
        in->key_bytes = get_u32(r, object, "key_bytes", 0, in->record_bytes);
    } else {
        get_shuffle_input(r, object, in);
    }
    leave(r, mark);
}

static void get_uri(reader *r, const cJSON *object, plan_output *o)
{
    if (!find(r, object, "uri_base64")) {
        o->uri = get_text(r, object, "uri", PLAN_URI_MAX);
        return;
    }
    buf bytes = BUF_EMPTY;
    get_base64(r, object, "uri_base64", PLAN_URI_MAX, &bytes);
    if (find(r, object, "uri"))
        refuse(r, SDF_E_CORRUPT, "uri", "given twice");
    if (bytes.size && memchr(bytes.data, 0, bytes.size))
        refuse(r, SDF_E_CORRUPT, "uri_base64", "a NUL byte in it");
    if (!r->rc) {
        o->uri = buf_take_text(&bytes);
        if (!o->uri)
            out_of_memory(r);
    }
    buf_free(&bytes);
}

static void get_output(reader *r, const cJSON *stage, plan_output *o)
{
    const cJSON *object = find(r, stage, "output");
    size_t mark = enter(r, "output", -1);
    if (!r->rc && !cJSON_IsObject(object))
        refuse(r, SDF_E_CORRUPT, "", "an object expected");
    o->kind = (plan_output_kind)get_enum(r, object, "kind", &plan_output_names);
    o->label = get_text(r, object, "label", PLAN_LABEL_MAX);
    o->key_type = get_type(r, object, "key_type");
    o->value_type = get_type(r, object, "value_type");
    const char *fields = "kind label key_type value_type";
    if (o->kind == PLAN_OUTPUT_SHUFFLE) {
        fields = "kind label key_type value_type partitions partitioner order combine sample";
        o->partitioner = (plan_partitioner)get_enum(r, object, "partitioner", &plan_partitioner_names);
        /* Forward, a stage without tasks has no partition either; keys must go somewhere. */
        o->partitions = get_u32(r, object, "partitions", o->partitioner != PLAN_PARTITION_FORWARD, PLAN_TASKS_MAX);
        o->order = (plan_order)get_enum(r, object, "order", &plan_order_names);
        get_call(r, object, "combine", NULL, &o->combine);
    } else if (o->kind == PLAN_OUTPUT_FILE) {
        fields = "kind label key_type value_type format uri uri_base64";
        o->format = (plan_file_format)get_enum(r, object, "format", &plan_format_names);
        get_uri(r, object, o);
    } else if (o->kind == PLAN_OUTPUT_SAMPLE) {
        fields = "kind label key_type value_type sample";
    }
    if (o->kind == PLAN_OUTPUT_SHUFFLE || o->kind == PLAN_OUTPUT_SAMPLE)
        o->sample = get_u32(r, object, "sample", 0, UINT32_MAX);
    only_fields(r, object, fields);
    leave(r, mark);
}

static const cJSON *get_array(reader *r, const cJSON *object, const char *name)
{
    const cJSON *array = find(r, object, name);
    if (!r->rc && !cJSON_IsArray(array))
        refuse(r, SDF_E_CORRUPT, name, "a list expected");
    return r->rc ? NULL : array;
}

static void get_op(reader *r, const cJSON *object, plan_op *op)
{
    only_fields(r, object, "kind call key_type value_type");
    op->kind = (plan_op_kind)get_enum(r, object, "kind", &plan_op_names);
    get_call(r, object, "call", "an operator calls a function", &op->call);
    op->key_type = get_type(r, object, "key_type");
    op->value_type = get_type(r, object, "value_type");
}

static void get_ops(reader *r, const cJSON *stage, plan_stage *s)
{
    const cJSON *array = get_array(r, stage, "ops");
    int i = 0;
    for (const cJSON *item = array ? array->child : NULL; item && !r->rc; item = item->next, i++) {
        size_t mark = enter(r, "ops", i);
        plan_op *op = i < PLAN_OPS_MAX ? plan_add_op(s) : NULL;
        if (op)
            get_op(r, item, op);
        else if (i < PLAN_OPS_MAX)
            out_of_memory(r);
        else
            refuse(r, SDF_E_LIMIT, "", "more than %d operators in a stage", PLAN_OPS_MAX);
        leave(r, mark);
    }
}

static void get_stage(reader *r, const cJSON *object, plan_stage *s)
{
    only_fields(r, object, "id label tasks input ops output sampled_by resumable");
    s->id = get_u32(r, object, "id", 0, UINT32_MAX);
    s->label = get_text(r, object, "label", PLAN_LABEL_MAX);
    s->tasks = get_u32(r, object, "tasks", 0, PLAN_TASKS_MAX);
    get_input(r, object, &s->input);
    get_ops(r, object, s);
    get_output(r, object, &s->output);
    s->sampled_by = get_u32(r, object, "sampled_by", 0, UINT32_MAX);
    s->resumable = get_bool(r, object, "resumable");
}

static void get_stages(reader *r, const cJSON *root, plan *p)
{
    const cJSON *array = get_array(r, root, "stages");
    int i = 0;
    for (const cJSON *item = array ? array->child : NULL; item && !r->rc; item = item->next, i++) {
        size_t mark = enter(r, "stages", i);
        plan_stage *s = i < PLAN_STAGES_MAX ? plan_add_stage(p) : NULL;
        if (s)
            get_stage(r, item, s);
        else if (i < PLAN_STAGES_MAX)
            out_of_memory(r);
        else
            refuse(r, SDF_E_LIMIT, "", "more than %d stages", PLAN_STAGES_MAX);
        if (s && plan_find(p, s->id) != s)
            refuse(r, SDF_E_CORRUPT, "id", "another stage has the id %u", s->id);
        leave(r, mark);
    }
}

static void get_plan(reader *r, const cJSON *root, plan *p)
{
    /* The version first: a newer plan may have anything else in it. */
    uint64_t version = 0;
    if (!number_of(find(r, root, "version"), &version) || version != PLAN_VERSION) {
        r->rc =
            error_set(r->err, SDF_E_VERSION, "this is no plan of version %d, the one this library knows", PLAN_VERSION);
        error_hint(r->err, "use the same version of the library in the driver and in the workers");
        return;
    }
    only_fields(r, root, "version program compression stages");
    p->program_id = get_text(r, root, "program", PLAN_PROGRAM_MAX);
    p->compression = get_text(r, root, "compression", PLAN_PROGRAM_MAX);
    if (p->compression && strcmp(p->compression, "lz4") && strcmp(p->compression, "none"))
        refuse(r, SDF_E_CORRUPT, "compression", "neither \"lz4\" nor \"none\"");
    get_stages(r, root, p);
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
    reader r = {.err = err};
    plan *p = plan_new();
    if (p)
        get_plan(&r, root, p);
    else
        out_of_memory(&r);
    cJSON_Delete(root);
    if (r.rc) {
        plan_free(p);
        return r.rc;
    }
    *out = p;
    return SDF_OK;
}
