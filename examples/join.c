/* Joins two files of key TAB value lines: join LEFT RIGHT [--how inner|left|right|full] prints key TAB left TAB right.
 * A side that is missing is empty. LEFT and RIGHT may be globs and folders. A line without a tab is an error.
 *
 * What this leaves out: joining more than two (join the result again). */
#include "common.h"

#include <string.h>

static int key_value(const sdf_record *line, sdf_out *out, void *state)
{
    (void)state;
    const char *text = line->value.data;
    const char *tab = line->value.size ? memchr(text, '\t', line->value.size) : NULL;
    if (!tab)
        return sdf_fail(out, "a line has no tab: lines are key TAB value");
    sdf_slice key = {text, (size_t)(tab - text)};
    sdf_slice value = {tab + 1, line->value.size - key.size - 1};
    return sdf_emit_view(out, &key, &value);
}

static sdf_rdd *pairs(example *x, const char *uris)
{
    return sdf_map(sdf_text_file(x->context, uris, NULL), "key_value", NULL, 0);
}

static int join_kind(const example *x, const char *name, uint32_t *how)
{
    static const char *const names[] = {"inner", "left", "right", "full"};
    *how = SDF_JOIN_INNER;
    if (!name)
        return 0;
    for (*how = 0; *how < 4; ++*how)
        if (!strcmp(name, names[*how]))
            return 0;
    return example_usage(x, "--how: \"%s\" is not inner, left, right or full", name);
}

int main(int argc, char **argv)
{
    SDF_REGISTER(key_value, .map = key_value, .out_key = SDF_BYTES, .out_value = SDF_BYTES);
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    example_option own[] = {{"how", "inner (default), left, right or full", NULL}, {NULL, NULL, NULL}};
    int code = example_open(&x, argc, argv, "join [OPTIONS] LEFT RIGHT [--how inner|left|right|full]", own, 2, 2);
    if (code)
        return code < 0 ? 0 : code;
    sdf_join_options options;
    sdf_join_options_init(&options);
    options.partitions = x.partitions;
    if ((code = join_kind(&x, own[0].value, &options.how)))
        return example_close(&x, code);
    return example_finish(&x, sdf_join(pairs(&x, x.inputs[0]), pairs(&x, x.inputs[1]), &options));
}
