/* What an output is to be: the host's options, checked, as what a plan does with its records. */
#include "api/internal.h"
#include "codec/codec.h"
#include "store/output.h"

void sdf_save_options_init(sdf_save_options *options)
{
    if (options)
        *options = (sdf_save_options){.struct_size = sizeof *options, .delimiter = ',', .quote = '"'};
}

static int find_format(const char *name, plan_format_kind *kind, sdf_error **err)
{
    static const char *const names[] = {"text", "binary", "delimited", "json"};
    static const plan_format_kind kinds[] = {PLAN_FORMAT_TEXT, PLAN_FORMAT_BINARY, PLAN_FORMAT_DELIMITED,
                                             PLAN_FORMAT_JSON};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name && strcmp(names[i], name))
            continue;
        *kind = kinds[i];
        return SDF_OK;
    }
    const char *near = error_nearest(name, names, sizeof names / sizeof *names);
    error_set(err, SDF_E_INVALID, "there is no output format \"%.40s\"", name);
    if (near)
        error_hint(err, "did you mean \"%s\"?", near);
    else
        error_hint(err, "one of text, binary, delimited, json");
    return SDF_E_INVALID;
}

static int check_bytes(const plan_format *f, sdf_error **err)
{
    const uint8_t bytes[] = {f->delimiter, f->quote};
    static const char *const names[] = {"delimiter", "quote"};
    for (int i = 0; i < 2; i++)
        if (!bytes[i] || bytes[i] == '\n' || bytes[i] == '\r') {
            error_set(err, SDF_E_INVALID, "the %s can't be %s", names[i], bytes[i] ? "the end of a line" : "0");
            error_hint(err, "begin with sdf_save_options_init");
            return SDF_E_INVALID;
        }
    if (f->delimiter == f->quote)
        return error_set(err, SDF_E_INVALID, "delimiter and quote are the same byte, %u", f->quote);
    return SDF_OK;
}

/* Two columns of one name could not be told apart by who reads it. */
static int check_names(const char *columns, sdf_error **err)
{
    for (const char *at = columns; at && *columns;) {
        size_t size = strcspn(at, "\n");
        if (!size)
            return error_set(err, SDF_E_INVALID, "one of the columns has no name");
        for (const char *before = columns; before < at; before += strcspn(before, "\n") + 1)
            if (strcspn(before, "\n") == size && !memcmp(before, at, size))
                return error_set(err, SDF_E_INVALID, "two columns have the name \"%.*s\"", (int)size, at);
        at = at[size] ? at + size + 1 : NULL;
    }
    return columns && !*columns ? error_set(err, SDF_E_INVALID, "`columns` is empty; NULL means no names") : SDF_OK;
}

static int fill_format(const sdf_save_options *o, plan_format *f, sdf_error **err)
{
    int rc = find_format(o->format, &f->kind, err);
    bool delimited = !rc && f->kind == PLAN_FORMAT_DELIMITED;
    if (rc)
        return rc;
    if (o->columns && !delimited && f->kind != PLAN_FORMAT_JSON) {
        error_set(err, SDF_E_INVALID, "output as %s has no names of columns", o->format ? o->format : "text");
        error_hint(err, "leave `columns` NULL, or save as \"delimited\" or \"json\"");
        return SDF_E_INVALID;
    }
    rc = option_columns(o->columns, &f->columns, err);
    rc = rc ? rc : check_names(f->columns, err);
    f->header = delimited && f->columns;
    if (!delimited)
        return rc;
    rc = rc ? rc : option_byte("delimiter", o->delimiter, &f->delimiter, err);
    rc = rc ? rc : option_byte("quote", o->quote, &f->quote, err);
    return rc ? rc : check_bytes(f, err);
}

static int check_place(const sdf_context *c, const char *uri, char **absolute, sdf_error **err)
{
    uint32_t scope = SDF_SCOPE_NETWORK;
    if (!uri || !*uri)
        return error_set(err, SDF_E_INVALID, "no output was named");
    int rc = output_absolute(uri, absolute, &scope, err);
    if (rc || scope >= c->workers)
        return rc;
    error_set(err, SDF_E_SCOPE, "the workers of %s can't write \"%s\", which is for %s only", c->transport->uri, uri,
              scope == SDF_SCOPE_PROCESS ? "this process" : "this machine");
    error_hint(err, "save to where all of them can write, or run with threads:");
    return SDF_E_SCOPE;
}

int save_begin(const sdf_context *c, const char *uri, const sdf_save_options *options, planner_action *action,
               sdf_error **err)
{
    sdf_save_options o;
    sdf_error *bad = NULL;
    codec_kind codec = CODEC_NONE;
    char *absolute = NULL;
    *action = (planner_action){.output = PLAN_OUTPUT_FILE};
    sdf_save_options_init(&o);
    if (options)
        options_copy(&o, sizeof o, options, "sdf_save_options", &bad);
    int rc = bad ? error_move(err, &bad) : check_place(c, uri, &absolute, err);
    action->uri = absolute;
    rc = rc ? rc : fill_format(&o, &action->format, err);
    if (!rc && o.compression)
        rc = codec_of_name(o.compression, &codec, err);
    else if (!rc)
        codec = codec_of_path(uri);
    action->codec = (uint8_t)codec;
    action->single = o.single != 0;
    if (rc)
        save_end(action);
    return rc;
}

void save_end(planner_action *action)
{
    free((char *)(uintptr_t)action->uri);
    free(action->format.columns);
    *action = (planner_action){0};
}
