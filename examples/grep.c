/* Prints the lines that match a pattern, in the order of the input: grep PATTERN IN...
 * PATTERN is a regular expression as the function `matches` of docs/expressions.md takes it. Files that are compressed
 * are read as what is in them. Exit code 0 also if no line matches. */
#include "common.h"

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    int code = example_open(&x, argc, argv, "grep [OPTIONS] PATTERN IN...", NULL, 2, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;

    char *uris = example_uris(&x, 1);
    sdf_expr *line = sdf_expr_call("value", NULL, 0);
    sdf_expr *pattern = sdf_expr_bytes(x.inputs[0], strlen(x.inputs[0]));
    const sdf_expr *args[] = {line, pattern};
    sdf_expr *matches = sdf_expr_call("matches", args, 2);
    sdf_rdd *lines = uris ? sdf_filter_expr(sdf_text_file(x.context, uris, NULL), matches) : NULL;
    sdf_expr_free(matches);
    sdf_expr_free(pattern);
    sdf_expr_free(line);
    free(uris);
    return example_finish(&x, lines);
}
