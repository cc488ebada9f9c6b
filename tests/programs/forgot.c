/* A host that forgot the worker check: its workers run main again, and must not start workers of their own. */
#include <stdio.h>

#include <sdf/sdf.h>

int main(int argc, char **argv)
{
    sdf_error *err = NULL;
    uint64_t count = 0;
    sdf_context *c = sdf_context_open("process:2", argc > 1 ? argv[1] : NULL, NULL, &err);
    if (c && sdf_count(sdf_text_file(c, argv[0], NULL), &count, &err) == SDF_OK)
        printf("count %llu\n", (unsigned long long)count);
    if (err)
        printf("%s\n", sdf_error_text(err));
    sdf_error_free(err);
    sdf_context_close(c);
    return 0;
}
