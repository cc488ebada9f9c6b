/* Operators that call a function of the host for one record or batch at a time: map, flat_map, filter, map_batches, the
 * forms of map that leave a side alone, and the limit of a take. They keep nothing from one batch to the next but what
 * `out` has not handed on yet. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"

typedef struct narrow {
    op base;
    call call;
    sdf_out *out;
    const plan_op *spec;
    op_types in;
    bool exact;    /* one record for each */
    uint8_t *room; /* key_by: the element of the record at hand */
    size_t room_size;
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

/* ---- records that a function fails for ---- */

/* Whether a call that came back with `status` says no more than that it can't make sense of its record. */
static bool is_record_error(const narrow *n, int status)
{
    return !out_refused(n->out) && (!status || status == SDF_E_USER);
}

/* The call for record i failed. *status is what to go on with: 0 if the record is left out. */
static int narrow_failed(narrow *n, const sdf_batch *batch, size_t i, int *status, sdf_error **err)
{
    if (!is_record_error(n, *status))
        return narrow_done(n, *status, err);
    if (n->spec->errors == PLAN_ERRORS_FAIL) {
        int rc = narrow_done(n, *status ? *status : SDF_E_USER, err);
        record_locate(n->base.env, batch->offsets ? batch->offsets[i] : UINT64_MAX, err);
        return rc;
    }
    const char *reason = out_drop(n->out);
    *status = SDF_OK;
    return record_reject(n->base.env, n->spec->errors, n->spec->call.label, n->in, batch, i,
                         *reason ? reason : "the function gave no reason", err);
}

/* ---- map and its forms ---- */

static int room_grow(narrow *n, size_t size, sdf_error **err)
{
    budget *b = n->base.env->budget;
    size = size < 4096 ? 4096 : size;
    free(n->room);
    budget_give(b, n->room_size);
    n->room = NULL;
    n->room_size = 0;
    int rc = budget_take(b, size, NULL, err);
    if (rc)
        return rc;
    n->room_size = size;
    n->room = malloc(size);
    return n->room ? SDF_OK : error_no_memory(err);
}

/* The side that the operator gives itself: the key that was there, or for key_by the element. */
static int own_side(narrow *n, const sdf_record *in, sdf_error **err)
{
    if (n->spec->kind != PLAN_OP_KEY_BY) {
        out_own(n->out, SDF_KEY, &in->key, true);
        return SDF_OK;
    }
    if (!element_is_tuple(n->in)) {
        out_own(n->out, SDF_VALUE, type_of(n->in.key) == TYPE_NULL ? &in->value : &in->key, true);
        return SDF_OK;
    }
    size_t need = element_room(n->in, &in->key, &in->value);
    int rc = need > n->room_size ? room_grow(n, need, err) : SDF_OK;
    if (rc)
        return rc;
    sdf_slice element = {n->room, element_write(n->room, n->in, &in->key, &in->value)};
    out_own(n->out, SDF_VALUE, &element, false);
    return SDF_OK;
}

static int map_miscounted(narrow *n, uint64_t emitted, sdf_error **err)
{
    char message[128];
    snprintf(message, sizeof message, "a map emits exactly one record for each it is given, but it emitted %llu",
             (unsigned long long)emitted);
    out_leave(n->out, SDF_OK, n->call.spec, NULL);
    int rc = call_failed(&n->call, SDF_E_USER, message, err);
    error_hint(err, "use it with flat_map, or emit once");
    return rc;
}

static int map_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    narrow *n = (narrow *)self;
    sdf_map_fn map = n->call.fn->def.map;
    bool owns = n->spec->kind != PLAN_OP_MAP && n->spec->kind != PLAN_OP_FLAT_MAP, holds = n->spec->errors;
    int rc = SDF_OK;
    out_origin(n->out, UINT64_MAX);
    out_enter(n->out);
    for (size_t i = 0; i < batch->count; i++) {
        sdf_record in = record_at(batch, i);
        if (batch->offsets)
            out_origin(n->out, batch->offsets[i]);
        if (owns && (rc = own_side(n, &in, err)))
            return rc;
        if (holds)
            out_hold(n->out);
        uint64_t before = out_count(n->out);
        int status = map(&in, n->out, n->call.state);
        if (__builtin_expect(status || out_failed(n->out), 0)) {
            rc = narrow_failed(n, batch, i, &status, err);
            if (rc || status)
                return rc;
            continue;
        }
        if (n->exact && out_count(n->out) - before != 1)
            return map_miscounted(n, out_count(n->out) - before, err);
        if (holds && out_release(n->out))
            break;
    }
    return narrow_done(n, SDF_OK, err);
}

static int batch_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    narrow *n = (narrow *)self;
    out_origin(n->out, UINT64_MAX);
    out_enter(n->out);
    return narrow_done(n, n->call.fn->def.batch(batch, n->out, n->call.state), err);
}

/* ---- filter ---- */

static int filter_odd(narrow *n, int answer, sdf_error **err)
{
    char message[128];
    snprintf(message, sizeof message, "a filter returns 1 (keep), 0 (drop) or an error below 0, but it returned %d",
             answer);
    out_leave(n->out, SDF_OK, n->call.spec, NULL);
    return call_failed(&n->call, SDF_E_USER, message, err);
}

/* Asks the function about every record; kept[] gets the numbers of those to keep. */
static int filter_choose(narrow *n, const sdf_batch *batch, uint8_t kept[SDF_BATCH_MAX], size_t *count, sdf_error **err)
{
    sdf_filter_fn filter = n->call.fn->def.filter;
    *count = 0;
    out_enter_mute(n->out);
    for (size_t i = 0; i < batch->count; i++) {
        sdf_record in = record_at(batch, i);
        int answer = filter(&in, n->out, n->call.state);
        if (__builtin_expect(answer < 0 || out_failed(n->out), 0)) {
            answer = answer < 0 ? answer : 0;
            int rc = narrow_failed(n, batch, i, &answer, err);
            if (rc)
                return rc;
            out_enter_mute(n->out);
            continue;
        }
        if (answer > 1)
            return filter_odd(n, answer, err);
        kept[*count] = (uint8_t)i;
        *count += (size_t)answer;
    }
    return out_leave(n->out, SDF_OK, n->call.spec, err);
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
        out_pass(n->out, batch);
        return out_settle(n->out, err);
    }
    for (size_t i = 0; i < count; i++) {
        sdf_record in = record_at(batch, kept[i]);
        out_origin(n->out, batch->offsets ? batch->offsets[kept[i]] : UINT64_MAX);
        if (out_keep(n->out, &in.key, &in.value))
            break;
    }
    return out_settle(n->out, err);
}

/* ---- the operator ---- */

static int narrow_drain(op *self, sdf_error **err)
{
    return out_flush(((narrow *)self)->out, err);
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
    free(n->room);
    budget_give(self->env->budget, n->room_size);
    free(n);
}

/* Which push an operator's function takes, or NULL if the function is of another kind. A flat_map may name a function
 * on batches: the built-in ones are. */
static int (*narrow_push(const plan_op *spec, function_kind fn))(op *, const sdf_batch *, sdf_error **)
{
    switch (spec->kind) {
    case PLAN_OP_MAP:
    case PLAN_OP_MAP_VALUES:
    case PLAN_OP_FLAT_MAP_VALUES:
    case PLAN_OP_KEY_BY:
        return fn == FUNCTION_MAP ? map_push : NULL;
    case PLAN_OP_FLAT_MAP:
        return fn == FUNCTION_MAP                                         ? map_push
               : fn == FUNCTION_BATCH && spec->errors == PLAN_ERRORS_FAIL ? batch_push
                                                                          : NULL;
    case PLAN_OP_FILTER:
        return fn == FUNCTION_FILTER ? filter_push : NULL;
    case PLAN_OP_BATCH:
        return fn == FUNCTION_BATCH ? batch_push : NULL;
    default:
        return NULL;
    }
}

static int narrow_misfit(const plan_op *spec, sdf_error **err)
{
    error_set(err, SDF_E_INVALID, "function \"%s\" can't be used by this operator", spec->call.function);
    error_hint(err, "map, flat_map, map_values and key_by take map functions, filter takes filters, map_batches takes "
                    "batch functions, which know no policy for record errors");
    error_at(err, spec->call.function, spec->call.label);
    return SDF_E_INVALID;
}

int narrow_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    narrow *n = calloc(1, sizeof *n);
    if (!n)
        return error_no_memory(err);
    n->base = (op){.finish = narrow_finish, .close = narrow_close, .drain = narrow_drain, .next = next, .env = env};
    n->spec = spec;
    n->in = in;
    n->exact = spec->kind == PLAN_OP_MAP || spec->kind == PLAN_OP_MAP_VALUES || spec->kind == PLAN_OP_KEY_BY;
    int rc = call_open(&n->call, env, &spec->call, in.value, err);
    if (rc) {
        free(n);
        return rc;
    }
    n->base.push = narrow_push(spec, n->call.fn->kind);
    n->base.origins = n->base.push != batch_push;
    n->out = out_new(env, next, type_of(spec->key_type), type_of(spec->value_type), err);
    if (n->base.push && n->out) {
        *out = &n->base;
        return SDF_OK;
    }
    rc = n->out ? narrow_misfit(spec, err) : SDF_E_NO_MEMORY;
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
