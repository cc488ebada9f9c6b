/* Emits of a call that may fail and be left out, as record errors are: they wait here until the call is known to be
 * good. A few fit among the pending records; what is more is moved aside, charged to the task. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "exec/out.h"

void out_hold(sdf_out *out)
{
    out->holding = true;
    out->mark = out->count;
    out->mark_used = out->used;
    out->mark_emitted = out->emitted;
}

static int hold_new(sdf_out *out, out_held **held)
{
    int rc = budget_take(out->env->budget, sizeof **held, NULL, &out->error);
    if (rc)
        return out_trouble(out, rc, false);
    out_held *h = malloc(sizeof *h);
    if (!h) {
        budget_give(out->env->budget, sizeof *h);
        return out_trouble(out, error_no_memory(&out->error), false);
    }
    h->next = NULL;
    h->count = 0;
    h->bytes = NULL;
    h->capacity = 0;
    if (out->held_last)
        out->held_last->next = h;
    else
        out->held = h;
    out->held_last = h;
    *held = h;
    return SDF_OK;
}

static out_held *hold_pop(sdf_out *out)
{
    out_held *h = out->held;
    out->held = h->next;
    if (!out->held)
        out->held_last = NULL;
    return h;
}

static void held_free(sdf_out *out, out_held *h)
{
    free(h->bytes);
    budget_give(out->env->budget, h->capacity + sizeof *h);
    free(h);
}

void hold_free(sdf_out *out)
{
    while (out->held)
        held_free(out, hold_pop(out));
}

static void side_move_down(out_side *side, size_t from, size_t count)
{
    if (type_is_number(side->kind))
        memmove(side->values.words, side->values.words + from, count * sizeof side->values.words[0]);
    else
        memmove(side->values.slices, side->values.slices + from, count * sizeof side->values.slices[0]);
}

/* The records from before the call are good: they make room. Their copies stay where they are, below those of the call.
 */
static int hold_push_good(sdf_out *out)
{
    size_t left = out->count - out->mark;
    out_place(out);
    int rc = out_push_first(out, out->mark);
    side_move_down(&out->key, out->mark, left);
    side_move_down(&out->value, out->mark, left);
    memmove(out->views, out->views + out->mark, left);
    memmove(out->origins, out->origins + out->mark, left * sizeof out->origins[0]);
    out->count = out->placed = left;
    out->mark = 0;
    return rc;
}

int hold_push(sdf_out *out)
{
    if (out->mark)
        return hold_push_good(out);
    out_held *h;
    int rc = hold_new(out, &h);
    if (rc)
        return rc;
    out_place(out);
    h->count = out->count;
    memcpy(&h->key, &out->key.values, sizeof h->key);
    memcpy(&h->value, &out->value.values, sizeof h->value);
    memcpy(h->origins, out->origins, out->count * sizeof h->origins[0]);
    out->count = 0;
    out->placed = 0;
    return SDF_OK;
}

/* The full buffer goes with the records that refer to it; all of them are held when this is called. */
int hold_retire_bytes(sdf_out *out)
{
    out_held *h = out->held_last;
    if (out->bytes && (!h || h->bytes)) {
        int rc = hold_new(out, &h);
        if (rc)
            return rc;
    }
    if (out->bytes) {
        h->bytes = out->bytes;
        h->capacity = out->capacity;
    }
    out->bytes = NULL;
    out->capacity = out->used = out->mark_used = 0;
    return SDF_OK;
}

/* Buffers may serve several batches that are held, so they go when all have been pushed. */
int out_release(sdf_out *out)
{
    out->holding = false;
    for (const out_held *h = out->held; h && !out->status; h = h->next) {
        sdf_batch batch = {.count = h->count};
        gathered_column(&h->key, out->key.kind, &batch.key);
        gathered_column(&h->value, out->value.kind, &batch.value);
        if (out->tracking)
            batch.offsets = h->origins;
        if (h->count)
            out_pushed(out, op_push(out->next, &batch, &out->error));
    }
    hold_free(out);
    return out->status;
}

const char *out_drop(sdf_out *out)
{
    if (out->holding) {
        hold_free(out);
        out->holding = false;
        out->count = out->mark;
        out->placed = out->placed < out->mark ? out->placed : out->mark;
        out->used = out->mark_used;
        out->emitted = out->mark_emitted;
    }
    if (!out->failing)
        return "";
    out->failing = false;
    return out->message;
}
