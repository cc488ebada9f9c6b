/* What a task is to read, held against the plan before anything relies on it: a request is only bytes that somebody
 * sent. A list too long for the request comes from the store. */
#include "base/error.h"
#include "worker/internal.h"

static int wrong(const char *what, uint32_t i, sdf_error **err)
{
    return error_set(err, SDF_E_INVALID, "%s %u of the request doesn't fit the plan's stage", what, i);
}

/* Each shuffle input of a branch has a leaf, of the stage that it reads. */
static bool leaves_fit(const plan_input *in, const task_piece *p)
{
    if (in->kind == PLAN_INPUT_SHUFFLE)
        return p->leaves[in->leaf].stage == in->source;
    for (uint32_t i = 0; i < in->source_count; i++)
        if (!leaves_fit(&in->sources[i].input, p))
            return false;
    return true;
}

/* Is there a name wherever files are to be read? A piece may also say that there is nothing. */
static bool split_fits(const plan_input *in, const task_split *s)
{
    if (in->kind == PLAN_INPUT_FILES)
        return s->path || !s->length;
    for (uint32_t i = 0; i < in->source_count; i++)
        if (!split_fits(&in->sources[i].input, s))
            return false;
    return true;
}

static int check_pieces(const task_request *q, const plan_stage *s, sdf_error **err)
{
    for (uint32_t i = 0; i < q->piece_count; i++) {
        const task_piece *p = &q->pieces[i];
        if (p->branch >= s->branch_count)
            return wrong("piece", i, err);
        const plan_branch *b = &s->branches[p->branch];
        if (p->leaf_count != b->leaves || !leaves_fit(&b->input, p) || !split_fits(&b->input, &p->split))
            return wrong("piece", i, err);
    }
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
    return check_pieces(q, t->env.stage, err);
}
