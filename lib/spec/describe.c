/* The table of functions as text, and what differs between two such texts. */
#include <string.h>

#include "spec/definition.h"
#include "spec/plan.h"
#include "spec/task.h"

#define DIFFERENCES_MAX 20 /* lines; more are counted */
#define LINE_MAX_SHOWN  300

static const char *or_dash(const char *type)
{
    return type ? type : "-";
}

static int describe_one(const function *fn, buf *out)
{
    static const char *const kinds[] = {
        [FUNCTION_MAP] = "map",         [FUNCTION_FILTER] = "filter", [FUNCTION_BATCH] = "batch",
        [FUNCTION_GROUP] = "group",     [FUNCTION_REDUCE] = "reduce", [FUNCTION_AGGREGATOR] = "aggregator",
        [FUNCTION_COGROUP] = "cogroup",
    };
    const sdf_function *d = &fn->def;
    int rc = buf_printf(out, "%s %u %s %s %s %s %s", d->name, d->version, or_dash(d->in_key), or_dash(d->in_value),
                        or_dash(d->out_key), or_dash(d->out_value), kinds[fn->kind]);
    if (!rc && fn->kind == FUNCTION_AGGREGATOR)
        rc = buf_printf(out, " of %s", fn->aggregator.state_type ? fn->aggregator.state_type : SDF_BYTES);
    return rc ? rc : buf_append(out, "\n", 1);
}

int definition_describe(const char *application, function *const *functions, size_t count, buf *out)
{
    int rc = buf_printf(out, "# plan %d, wire %d, application \"%s\"\n", PLAN_VERSION, TASK_WIRE_VERSION,
                        application ? application : "");
    for (size_t i = 0; i < count && !rc; i++)
        if (!functions[i]->builtin)
            rc = describe_one(functions[i], out);
    return rc;
}

typedef struct lines {
    const char *at;
    size_t size; /* of the line at `at`, without its end */
} lines;

static bool lines_at_end(const lines *l)
{
    return !*l->at;
}

static void lines_measure(lines *l)
{
    l->size = strcspn(l->at, "\n");
}

static void lines_next(lines *l)
{
    l->at += l->size;
    l->at += *l->at == '\n';
    lines_measure(l);
}

/* Sorted as strcmp sorts the names: a line is compared up to the blank behind its name first. */
static int lines_compare(const lines *a, const lines *b)
{
    size_t x = 0, y = 0;
    while (x < a->size && a->at[x] != ' ')
        x++;
    while (y < b->size && b->at[y] != ' ')
        y++;
    int c = memcmp(a->at, b->at, x < y ? x : y);
    if (!c)
        c = (x > y) - (x < y);
    if (!c)
        c = memcmp(a->at, b->at, a->size < b->size ? a->size : b->size);
    return c ? c : (a->size > b->size) - (a->size < b->size);
}

char *registry_difference(const char *ours, const char *theirs)
{
    lines a = {ours, 0}, b = {theirs, 0};
    buf out = BUF_EMPTY;
    size_t count = 0;
    int rc = SDF_OK;
    lines_measure(&a);
    lines_measure(&b);
    while (!rc && (!lines_at_end(&a) || !lines_at_end(&b))) {
        int c = lines_at_end(&a) ? 1 : lines_at_end(&b) ? -1 : lines_compare(&a, &b);
        lines *l = c <= 0 ? &a : &b;
        if (c && count++ < DIFFERENCES_MAX)
            rc = buf_printf(&out, "%s%s: %.*s", count > 1 ? "\n" : "", c < 0 ? "only here" : "only there",
                            (int)(l->size < LINE_MAX_SHOWN ? l->size : LINE_MAX_SHOWN), l->at);
        lines_next(l);
        if (!c)
            lines_next(&b);
    }
    if (!rc && count > DIFFERENCES_MAX)
        rc = buf_printf(&out, "\nand %zu more", count - DIFFERENCES_MAX);
    char *text = rc ? NULL : buf_take_text(&out);
    buf_free(&out);
    return text;
}
