/* What functions emit into: collects records into batches, and remembers what went wrong until the operator asks.
 * The public sdf_emit* functions are in emit.c.
 *
 * Pending records refer to copies in `bytes` or to views of the input batch. A push hands all of them to the next
 * operator, which keeps nothing, so `bytes` starts afresh. */
#include "exec/out.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/wire.h"

static void side_init(out_side *side, type_kind kind)
{
    side->kind = kind;
    side->want = type_is_number(kind) ? 8 : kind == TYPE_NULL ? 0 : SIZE_MAX;
}

sdf_out *out_new(task_env *env, op *next, type_kind key, type_kind value, sdf_error **err)
{
    sdf_out *out = calloc(1, sizeof *out);
    if (!out) {
        error_no_memory(err);
        return NULL;
    }
    out->env = env;
    out->next = next;
    side_init(&out->key, key);
    side_init(&out->value, value);
    return out;
}

void out_drop_bytes(sdf_out *out)
{
    free(out->bytes);
    budget_give(out->env->budget, out->capacity);
    out->bytes = NULL;
    out->capacity = out->used = 0;
}

void out_free(sdf_out *out)
{
    if (!out)
        return;
    hold_free(out);
    out_drop_bytes(out);
    sdf_error_free(out->error);
    free(out);
}

int out_trouble(sdf_out *out, int status, bool downstream)
{
    if (!out->status) {
        out->status = status;
        out->downstream = downstream;
    }
    return out->status;
}

int out_pushed(sdf_out *out, int rc)
{
    if (rc == OP_STOP) {
        out->stopped = true;
        return out_trouble(out, SDF_E_CANCELLED, true);
    }
    return rc ? out_trouble(out, rc, true) : SDF_OK;
}

void out_place(sdf_out *out)
{
    for (; out->placed < out->count; out->placed++)
        out->origins[out->placed] = out->origin;
}

int out_push_first(sdf_out *out, size_t count)
{
    sdf_batch batch = {.count = count};
    gathered_column(&out->key.values, out->key.kind, &batch.key);
    gathered_column(&out->value.values, out->value.kind, &batch.value);
    if (out->tracking) {
        out_place(out);
        batch.offsets = out->origins;
    }
    return out_pushed(out, count ? op_push(out->next, &batch, &out->error) : SDF_OK);
}

int out_push(sdf_out *out)
{
    if (out->holding)
        return out->count ? hold_push(out) : SDF_OK;
    if (!out->count) {
        out->used = 0;
        return SDF_OK;
    }
    int rc = out_push_first(out, out->count);
    poison(out->bytes, out->used);
    out->count = 0;
    out->placed = 0;
    out->used = 0;
    if (out->capacity > OUT_BYTES_KEPT)
        out_drop_bytes(out);
    return rc;
}

/* A collector of one value runs inside spills, when the budget is spent by what is being spilled: it overdraws a little
 * and gives back at the next reset, rather than asking for yet another spill. */
static int out_charge(sdf_out *out, size_t size)
{
    budget *b = out->env->budget;
    if (out->next)
        return budget_take(b, size, NULL, &out->error);
    if (budget_try(b, size))
        return SDF_OK;
    if (size > b->limit / 8) {
        error_set(&out->error, SDF_E_NO_MEMORY,
                  "a value of %zu bytes does not fit in the %llu bytes of memory of this task", size,
                  (unsigned long long)b->limit);
        error_hint(&out->error, "raise the setting \"memory\", or aggregate into something smaller");
        return SDF_E_NO_MEMORY;
    }
    budget_force(b, size);
    return SDF_OK;
}

/* The buffer is full, and nothing of it may be thrown away that a call held back refers to. */
static int out_empty(sdf_out *out)
{
    int rc = out->next ? out_push(out) : SDF_OK;
    if (!rc && out->holding && out->count) /* the first push was of what came before the call */
        rc = out_push(out);
    return rc;
}

int out_reserve(sdf_out *out, size_t size)
{
    if (size <= out->capacity - out->used)
        return SDF_OK;
    int rc = out_empty(out);
    if (rc)
        return rc;
    if (size <= out->capacity - out->used)
        return SDF_OK;
    if (out->holding && (rc = hold_retire_bytes(out)))
        return rc;
    out_drop_bytes(out);
    size_t least = out->next ? OUT_BYTES : OUT_BYTES / 16, capacity = size < least ? least : size;
    rc = out_charge(out, capacity);
    if (rc)
        return out_trouble(out, rc, false);
    out->bytes = malloc(capacity);
    if (out->bytes) {
        out->capacity = capacity;
        return SDF_OK;
    }
    budget_give(out->env->budget, capacity);
    return out_trouble(out, error_no_memory(&out->error), false);
}

/* The sticky trouble as the operator reports it; the error object goes out once. */
static int out_report(sdf_out *out, const plan_call *spec, sdf_error **err)
{
    if (out->stopped)
        return OP_STOP;
    if (out->error && !out->downstream && spec)
        error_at(&out->error, spec->function, spec->label);
    if (out->error)
        error_move(err, &out->error);
    else if (out->status)
        error_set(err, out->status, "the operator failed before");
    return out->status;
}

int out_flush(sdf_out *out, sdf_error **err)
{
    if (!out->status)
        out_push(out);
    return out->status ? out_report(out, NULL, err) : SDF_OK;
}

static void side_own(sdf_out *out, out_side *side, size_t i)
{
    sdf_slice *s = &side->values.slices[i];
    const uint8_t *p = s->data;
    if (side->want != SIZE_MAX || !s->size || (p >= out->bytes && p < out->bytes + out->used))
        return;
    memcpy(out->bytes + out->used, p, s->size);
    s->data = out->bytes + out->used;
    out->used += s->size;
}

static size_t side_size(const out_side *side, size_t i)
{
    return side->want == SIZE_MAX ? side->values.slices[i].size : 0;
}

int out_settle(sdf_out *out, sdf_error **err)
{
    size_t need = 0;
    if (out->status)
        return out_flush(out, err);
    if (!memchr(out->views, 1, out->count))
        return SDF_OK;
    if (out->count >= OUT_SPARSE)
        return out_flush(out, err);
    for (size_t i = 0; i < out->count; i++)
        if (out->views[i])
            need += side_size(&out->key, i) + side_size(&out->value, i);
    if (!need)
        return SDF_OK;
    if (!out->capacity && need <= OUT_BYTES && budget_try(out->env->budget, OUT_BYTES)) {
        out->capacity = OUT_BYTES;
        out->bytes = malloc(OUT_BYTES);
        if (!out->bytes)
            out_drop_bytes(out);
    }
    if (need > out->capacity - out->used)
        return out_flush(out, err);
    for (size_t i = 0; i < out->count; i++) {
        if (!out->views[i])
            continue;
        side_own(out, &out->key, i);
        side_own(out, &out->value, i);
        out->views[i] = 0;
    }
    return SDF_OK;
}

void out_enter(sdf_out *out)
{
    out->call = OUT_OPEN;
}

void out_enter_mute(sdf_out *out)
{
    out->call = OUT_MUTE;
}

bool out_failed(const sdf_out *out)
{
    return out->status || out->failing;
}

int out_leave(sdf_out *out, int status, const plan_call *spec, sdf_error **err)
{
    out->call = OUT_CLOSED;
    if (out->status)
        return out_report(out, spec, err);
    if (!status && !out->failing)
        return SDF_OK;
    return call_error(spec, status ? status : SDF_E_USER, out->failing ? out->message : NULL, err);
}

uint64_t out_count(const sdf_out *out)
{
    return out->emitted;
}

int out_pass(sdf_out *out, const sdf_batch *batch)
{
    if (out->status || (out->count && out_push(out)))
        return out->status;
    out->emitted += batch->count;
    return batch->count ? out_pushed(out, op_push(out->next, batch, &out->error)) : SDF_OK;
}

int out_emit_views(sdf_out *out, size_t count, const sdf_column *keys, const sdf_column *values)
{
    sdf_batch batch = {.count = count, .key = *keys, .value = *values};
    return out_pass(out, &batch);
}

void out_origin(sdf_out *out, uint64_t offset)
{
    if (!out->tracking && offset == UINT64_MAX)
        return;
    if (!out->tracking) {
        out->tracking = true;
        out->origin = UINT64_MAX;
    }
    out_place(out);
    out->origin = offset;
}

void out_own(sdf_out *out, sdf_side side, const sdf_slice *own, bool view)
{
    out->owning = true;
    out->own_side = side;
    out->own = *own;
    out->own_view = view;
}

bool out_refused(const sdf_out *out)
{
    return out->status;
}

sdf_out *out_value_new(task_env *env, type_kind value, sdf_error **err)
{
    return out_new(env, NULL, TYPE_NULL, value, err);
}

void out_value_reset(sdf_out *out)
{
    out->count = 0;
    out->used = 0;
    out->emitted = 0;
    out->failing = false;
    out->status = SDF_OK;
    sdf_error_free(out->error);
    out->error = NULL;
    if (out->capacity > OUT_BYTES)
        out_drop_bytes(out);
    out->call = OUT_OPEN;
}

bool out_value_short(const sdf_out *out)
{
    return out->status == SDF_E_NO_MEMORY;
}

int out_value_take(sdf_out *out, const plan_call *spec, sdf_slice *value, sdf_error **err)
{
    out->call = OUT_CLOSED;
    if (out->status)
        return out_report(out, spec, err);
    if (out->emitted != 1) {
        char message[96];
        snprintf(message, sizeof message, "it must emit exactly one value with a NULL key, but emitted %llu",
                 (unsigned long long)out->emitted);
        return call_error(spec, SDF_E_USER, message, err);
    }
    if (type_is_number(out->value.kind))
        *value = (sdf_slice){out->value.values.words, 8};
    else
        *value = out->value.kind == TYPE_NULL ? (sdf_slice){NULL, 0} : out->value.values.slices[0];
    return SDF_OK;
}
