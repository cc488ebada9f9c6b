/* One call of a group or cogroup function for each key, with the values of each source as a stream. What the function
 * leaves unread is passed over. */
#include "base/error.h"
#include "exec/cogroup.h"

/* One call, at the first values of a key. */
static int group_call(cogroup *g, const call *c, sdf_error **err)
{
    sdf_slice key = cogroup_key(g);
    sdf_error *said = NULL;
    int rc;
    g->calling = true;
    out_enter(g->out);
    if (c->fn->def.cogroup)
        rc = c->fn->def.cogroup(&key, g->handles, g->count, g->out, c->state);
    else
        rc = c->fn->def.group(&key, g->handles[0], g->out, c->state);
    g->calling = false;
    rc = out_leave(g->out, rc, c->spec, &said);
    if (g->status) { /* what stopped a stream is the cause; what the function made of it is not */
        sdf_error_free(said);
        return g->status;
    }
    if (rc) {
        error_move(err, &said);
        return rc;
    }
    return out_settle(g->out, err); /* the key, and a view of it, ends here; so do the batches, before long */
}

static int check_kind(const cogroup *g, const call *c, sdf_error **err)
{
    if (c->fn->def.cogroup || (c->fn->def.group && g->count == 1))
        return SDF_OK;
    return call_failed(
        c, SDF_E_TYPE,
        c->fn->def.group ? "it takes the values of one collection, not of several" : "it is no group function", err);
}

int cogroup_call(cogroup *g, sdf_error **err)
{
    call c;
    int rc = call_open(&c, g->env, &g->in->call, branch_types(&g->in->sources[0]).value, err);
    if (rc)
        return rc;
    rc = check_kind(g, &c, err);
    while (!rc && !(rc = cogroup_next(g)))
        rc = group_call(g, &c, err);
    if (rc == SDF_END)
        rc = out_flush(g->out, err);
    call_close(&c);
    return rc;
}
