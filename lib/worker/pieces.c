/* What a task is to read, held against the plan before anything relies on it: a request is only bytes that somebody
 * sent. A list too long for the request comes from the store. */
#include <stdlib.h>

#include "base/error.h"
#include "worker/internal.h"

static int wrong(const char *what, uint32_t i, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "%s %u of the request doesn't fit the plan's stage", what, i);
}

/* What a piece of a branch must have: collected once for each branch, since pieces and inputs may both be many. */
typedef struct expectation {
    uint32_t *sources; /* stages of its leaves; NULL: not looked at yet, or none */
    bool known;
    bool files; /* something in it reads files */
} expectation;

static void collect(const plan_input *in, expectation *x)
{
    if (in->kind == PLAN_INPUT_SHUFFLE)
        x->sources[in->leaf] = in->source;
    x->files = x->files || in->kind == PLAN_INPUT_FILES;
    for (uint32_t i = 0; i < in->source_count; i++)
        collect(&in->sources[i].input, x);
}

static int expect(const plan_branch *b, expectation *x, sdf_error **err)
{
    if (x->known)
        return SDF_OK;
    x->sources = b->leaves ? calloc(b->leaves, sizeof *x->sources) : NULL;
    if (b->leaves && !x->sources)
        return error_no_memory(err);
    collect(&b->input, x);
    x->known = true;
    return SDF_OK;
}

/* Is there a leaf of the right stage for each shuffle input, and a name where files are to be read? A piece may also
 * say that there is nothing to read. */
static bool fits(const task_piece *p, const plan_branch *b, const expectation *x)
{
    if (p->leaf_count != b->leaves || (x->files && !p->split.path && p->split.length))
        return false;
    for (uint32_t i = 0; i < p->leaf_count; i++)
        if (p->leaves[i].stage != x->sources[i])
            return false;
    return true;
}

static int check_pieces(const task_request *q, const plan_stage *s, sdf_error **err)
{
    expectation *expected = calloc(s->branch_count, sizeof *expected);
    int rc = expected ? SDF_OK : error_no_memory(err);
    for (uint32_t i = 0; i < q->piece_count && !rc; i++) {
        const task_piece *p = &q->pieces[i];
        if (p->branch >= s->branch_count) {
            rc = wrong("piece", i, err);
            break;
        }
        expectation *x = &expected[p->branch];
        rc = expect(&s->branches[p->branch], x, err);
        if (!rc && !fits(p, &s->branches[p->branch], x))
            rc = wrong("piece", i, err);
    }
    for (uint32_t i = 0; expected && i < s->branch_count; i++)
        free(expected[i].sources);
    free(expected);
    return rc;
}

static int check_sides(const task_request *q, const plan_stage *s, sdf_error **err)
{
    if (q->side_count != s->side_count)
        return wrong("side", q->side_count, err);
    for (uint32_t i = 0; i < q->side_count; i++)
        if (q->sides[i].stage != s->sides[i].source)
            return wrong("side", i, err);
    return SDF_OK;
}

int task_pieces_get(task_run *t, sdf_error **err)
{
    task_request *q = &t->request;
    if (*q->pieces_name) {
        sdf_view view = {0};
        t->own_objects = true;
        t->env.metrics.store_reads++;
        int rc = store_get_sealed(t->env.store, q->pieces_name, WORKER_PIECES_MAX, &view, err);
        if (!rc) {
            rc = task_pieces_decode(view.data, view.size, q, err);
            store_release(&view);
        }
        if (rc) {
            error_prefix(err, "list of pieces \"%s\"", q->pieces_name);
            return rc;
        }
        t->own_objects = false;
    }
    int rc = check_pieces(q, t->env.stage, err);
    return rc ? rc : check_sides(q, t->env.stage, err);
}
