/* Lines of text, and documents of JSON: one to a line, as they stand. Records have no key. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/lines.h"
#include "exec/sources.h"

static bool is_blank(const sdf_slice *line)
{
    const char *p = line->data;
    size_t i = 0;
    while (i < line->size && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r'))
        i++;
    return i == line->size;
}

static int json_sift(lines *l, size_t *count, sdf_error **err)
{
    size_t n = 0;
    for (size_t i = 0; i < *count; i++)
        if (!is_blank(&l->found[i]))
            l->found[n++] = l->found[i];
    *count = n;
    return SDF_OK;
}

static int source_run(task_env *env, const plan_input *in, bool json, op *first, sdf_error **err)
{
    lines *l = calloc(1, sizeof *l);
    if (!l)
        return error_no_memory(err);
    l->unit = "line";
    l->most = in->format.max_record;
    l->find = lines_find;
    l->last = lines_last;
    if (json) {
        l->head = lines_skip_mark;
        l->sift = json_sift;
    }
    int rc = lines_run(l, env, in, first, false, err);
    free(l);
    return rc;
}

int text_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    return source_run(env, in, false, first, err);
}

int json_source_run(task_env *env, const plan_input *in, op *first, sdf_error **err)
{
    return source_run(env, in, true, first, err);
}
