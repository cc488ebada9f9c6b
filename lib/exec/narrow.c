/* Operators that look at one record or batch at a time: map, flat_map, filter, map_batches, and the limit of a take.
 * They keep nothing from one batch to the next but what `out` has not handed on yet. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"

typedef struct narrow {
    op base;
    call call;
    sdf_out *out;
} narrow;

static inline sdf_record record_at(const sdf_batch *batch, size_t i)
{
    return (sdf_record){column_get(&batch->key, i), column_get(&batch->value, i)};
}

/* After a batch: what went wrong, or what is pending is settled, since the batch goes. */
static int narrow_done(narrow *n, int status, sdf_error **err)
{
    int rc = out_leave(n->out, status, n->call.spec, err);
    return rc ? rc : out_settle(n->out, err);
}

static int map_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    narrow *n = (narrow *)self;
    sdf_map_fn map = n->call.fn->def.map;
    int status = SDF_OK;
    out_enter(n->out);
    for (size_t i = 0; i < batch->count; i++) {
        sdf_record in = record_at(batch, i);
        uint64_t before = out_count(n->out);
        status = map(&in, n->out, n->call.state);
        if (status || out_failed(n->out))
            break;
        uint64_t emitted = out_count(n->out) - before;
        if (emitted != 1) {
            char message[128];
            snprintf(message, sizeof message,
                     "a map emits exactly one record for each it is given, but it emitted %llu",
                     (unsigned long long)emitted);
            out_leave(n->out, SDF_OK, n->call.spec, NULL);
            int rc = call_failed(&n->call, SDF_E_USER, message, err);
            error_hint(err, "use it with flat_map, or emit once");
            return rc;
        }
    }
    return narrow_done(n, status, err);
}

static int flat_map_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    narrow *n = (narrow *)self;
    sdf_map_fn map = n->call.fn->def.map;
    int status = SDF_OK;
    out_enter(n->out);
    for (size_t i = 0; i < batch->count && !status && !out_failed(n->out); i++) {
        sdf_record in = record_at(batch, i);
        status = map(&in, n->out, n->call.state);
    }
    return narrow_done(n, status, err);
}

static int batch_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    narrow *n = (narrow *)self;
    out_enter(n->out);
    return narrow_done(n, n->call.fn->def.batch(batch, n->out, n->call.state), err);
}

static int filter_odd(narrow *n, int answer, sdf_error **err)
{
    char message[128];
    snprintf(message, sizeof message, "a filter returns 1 (keep), 0 (drop) or an error below 0, but it returned %d",
             answer);
    return call_failed(&n->call, SDF_E_USER, message, err);
}

/* Asks the function about every record; kept[] gets the numbers of those to keep. */
static int filter_choose(narrow *n, const sdf_batch *batch, uint8_t kept[SDF_BATCH_MAX], size_t *count, sdf_error **err)
{
    sdf_filter_fn filter = n->call.fn->def.filter;
    int answer = 0;
    *count = 0;
    out_enter_mute(n->out);
    for (size_t i = 0; i < batch->count; i++) {
        sdf_record in = record_at(batch, i);
        answer = filter(&in, n->out, n->call.state);
        if (answer < 0 || answer > 1 || out_failed(n->out))
            break;
        kept[*count] = (uint8_t)i;
        *count += (size_t)answer;
    }
    int rc = out_leave(n->out, answer < 0 ? answer : SDF_OK, n->call.spec, err);
    return rc || answer <= 1 ? rc : filter_odd(n, answer, err);
}

static int filter_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    narrow *n = (narrow *)self;
    uint8_t kept[SDF_BATCH_MAX];
    size_t count;
    int rc = filter_choose(n, batch, kept, &count, err);
    if (rc)
        return rc;
    if (count == batch->count) {
        out_emit_views(n->out, count, &batch->key, &batch->value);
    } else {
        for (size_t i = 0; i < count; i++) {
            sdf_record in = record_at(batch, kept[i]);
            if (out_keep(n->out, &in.key, &in.value))
                break;
        }
    }
    return out_settle(n->out, err);
}

static int narrow_finish(op *self, sdf_error **err)
{
    int rc = out_flush(((narrow *)self)->out, err);
    return rc && rc != OP_STOP ? rc : op_finish(self->next, err);
}

static void narrow_close(op *self)
{
    narrow *n = (narrow *)self;
    call_close(&n->call);
    out_free(n->out);
    free(n);
}

/* Which push an operator's function takes, or NULL if the function is of another kind. A flat_map may name a function
 * on batches: the built-in ones are. */
static int (*narrow_push(plan_op_kind op_kind, function_kind fn))(op *, const sdf_batch *, sdf_error **)
{
    switch (op_kind) {
    case PLAN_OP_MAP:
        return fn == FUNCTION_MAP ? map_push : NULL;
    case PLAN_OP_FLAT_MAP:
        return fn == FUNCTION_MAP ? flat_map_push : fn == FUNCTION_BATCH ? batch_push : NULL;
    case PLAN_OP_FILTER:
        return fn == FUNCTION_FILTER ? filter_push : NULL;
    case PLAN_OP_BATCH:
        return fn == FUNCTION_BATCH ? batch_push : NULL;
    }
    return NULL;
}

int narrow_new(task_env *env, const plan_op *spec, const char *in_value_type, op *next, op **out, sdf_error **err)
{
    narrow *n = calloc(1, sizeof *n);
    if (!n)
        return error_no_memory(err);
    n->base = (op){.finish = narrow_finish, .close = narrow_close, .next = next, .env = env};
    int rc = call_open(&n->call, env, &spec->call, in_value_type, err);
    if (rc) {
        free(n);
        return rc;
    }
    n->base.push = narrow_push(spec->kind, n->call.fn->kind);
    n->out = out_new(env, next, type_of(spec->key_type), type_of(spec->value_type), err);
    if (n->base.push && n->out) {
        *out = &n->base;
        return SDF_OK;
    }
    rc = SDF_E_NO_MEMORY;
    if (n->out) {
        rc = error_set(err, SDF_E_INVALID, "function \"%s\" can't be used by this operator", spec->call.function);
        error_hint(err, "map and flat_map take map functions, filter takes filters, map_batches takes batch functions");
        error_at(err, spec->call.function, spec->call.label);
    }
    narrow_close(&n->base);
    return rc;
}

/* ---- limit ---- */

typedef struct limit {
    op base;
    uint64_t left;
} limit;

static int limit_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    limit *l = (limit *)self;
    sdf_batch part = *batch;
    if (part.count > l->left)
        part.count = l->left;
    l->left -= part.count;
    int rc = part.count ? op_push(self->next, &part, err) : SDF_OK;
    return rc || l->left ? rc : OP_STOP;
}

static int limit_finish(op *self, sdf_error **err)
{
    return op_finish(self->next, err);
}

static void limit_close(op *self)
{
    free(self);
}

int limit_new(task_env *env, uint64_t most, op *next, op **out, sdf_error **err)
{
    limit *l = calloc(1, sizeof *l);
    if (!l)
        return error_no_memory(err);
    l->base = (op){.push = limit_push, .finish = limit_finish, .close = limit_close, .next = next, .env = env};
    l->left = most;
    *out = &l->base;
    return SDF_OK;
}
