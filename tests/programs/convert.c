/* Reads files in one format and writes them in another: convert OPTION=VALUE ... URI ...
 *   transport=threads:2 store=mem: from=text|delimited|json|whole to=text|binary|delimited|json out=URI codec=NAME
 *   columns=a,b single=1 key=EXPRESSION value=EXPRESSION split=BYTES multiline=1
 * Prints nothing; an error goes to standard error, with exit code 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/sdf.h>

typedef struct settings {
    const char *transport, *store, *from, *to, *out, *codec, *columns, *single, *key, *value, *split, *multiline;
} settings;

static const struct {
    const char *name;
    size_t offset;
} options[] = {
    {"transport", offsetof(settings, transport)},
    {"store", offsetof(settings, store)},
    {"from", offsetof(settings, from)},
    {"to", offsetof(settings, to)},
    {"out", offsetof(settings, out)},
    {"codec", offsetof(settings, codec)},
    {"columns", offsetof(settings, columns)},
    {"single", offsetof(settings, single)},
    {"key", offsetof(settings, key)},
    {"value", offsetof(settings, value)},
    {"split", offsetof(settings, split)},
    {"multiline", offsetof(settings, multiline)},
};

static int take_option(settings *s, const char *arg)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        size_t n = strlen(options[i].name);
        if (strncmp(arg, options[i].name, n) == 0 && arg[n] == '=') {
            *(const char **)((char *)s + options[i].offset) = arg + n + 1;
            return 1;
        }
    }
    return 0;
}

static sdf_rdd *open_source(sdf_context *context, const settings *s, const char *uris)
{
    sdf_text_options text;
    sdf_delimited_options delimited;
    sdf_text_options_init(&text);
    sdf_delimited_options_init(&delimited);
    text.split_bytes = delimited.split_bytes = strtoull(s->split, NULL, 10);
    delimited.multiline = s->multiline != NULL;
    if (strcmp(s->from, "delimited") == 0)
        return sdf_delimited_file(context, uris, &delimited);
    if (strcmp(s->from, "json") == 0)
        return sdf_json_file(context, uris, &text);
    return strcmp(s->from, "whole") == 0 ? sdf_whole_files(context, uris, &text) : sdf_text_file(context, uris, &text);
}

static int convert(sdf_context *context, const settings *s, const char *uris, sdf_error **err)
{
    sdf_rdd *records = open_source(context, s, uris);
    if (s->key != NULL || s->value != NULL) {
        sdf_expr *key = s->key != NULL ? sdf_expr_parse(s->key) : sdf_expr_null();
        sdf_expr *value = s->value != NULL ? sdf_expr_parse(s->value) : sdf_expr_null();
        records = sdf_map_expr(records, key, value);
        sdf_expr_free(key);
        sdf_expr_free(value);
    }
    sdf_save_options save;
    sdf_save_options_init(&save);
    save.format = s->to;
    save.compression = s->codec;
    save.columns = s->columns;
    save.single = s->single != NULL;
    return sdf_save(records, s->out, &save, err);
}

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();
    settings s = {.transport = "threads:2", .store = "mem:", .from = "text", .split = "0"};
    static char uris[65536];
    for (int i = 1; i < argc; i++)
        if (!take_option(&s, argv[i]))
            snprintf(uris + strlen(uris), sizeof uris - strlen(uris), "%s\n", argv[i]);
    sdf_error *err = NULL;
    sdf_context *context = sdf_context_open(s.transport, s.store, NULL, &err);
    int rc = context != NULL && s.out != NULL ? convert(context, &s, uris, &err) : -1;
    if (rc != SDF_OK)
        fprintf(stderr, "%s\n", sdf_error_text(err));
    sdf_error_free(err);
    sdf_context_close(context);
    return rc == SDF_OK ? 0 : 1;
}
