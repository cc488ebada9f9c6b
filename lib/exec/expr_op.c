/* filter and map by expressions: evaluated on whole batches; what comes out are views of the results, or the batch's
 * own records, without a copy. What an expression is, and what it can't make sense of: expr/expr.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"
#include "exec/gather.h"
#include "expr/expr.h"

#define REASON_MAX 512

typedef struct expr_op {
    op base;
    const plan_op *spec;
    op_types in;
    expr_program *program;
    expr_result results[2];
    sdf_out *out;    /* filter */
    bool nothing[2]; /* map: this side has type null */
    gathered made;   /* map, where records are left out */
    uint64_t offsets[SDF_BATCH_MAX];
} expr_op;

static int expr_reject(expr_op *e, const sdf_batch *batch, size_t i, const char *reason, sdf_error **err)
{
    return record_reject(e->base.env, e->spec->errors, e->spec->call.label, e->in, batch, i, reason, err);
}

static int expr_reject_bad(expr_op *e, const sdf_batch *batch, size_t i, sdf_error **err)
{
    char reason[REASON_MAX];
    expr_program_why(e->program, i, reason, sizeof reason);
    return expr_reject(e, batch, i, reason, err);
}

/* ---- filter ---- */

/* kept[] gets the numbers of the records for which the condition holds. */
static int filter_choose(expr_op *e, const sdf_batch *batch, uint8_t kept[SDF_BATCH_MAX], size_t *count,
                         sdf_error **err)
{
    const expr_result *r = &e->results[0];
    size_t n = 0;
    for (size_t i = 0; i < batch->count; i++) {
        int state = r->state ? r->state[i] : EXPR_OK;
        kept[n] = (uint8_t)i;
        if (__builtin_expect(state == EXPR_BAD, 0)) {
            int rc = expr_reject_bad(e, batch, i, err);
            if (rc)
                return rc;
        } else if (state == EXPR_OK) {
            sdf_slice answer = column_get(&r->column, i);
            n += load_u64(answer.data) != 0;
        }
    }
    *count = n;
    return SDF_OK;
}

static int filter_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    expr_op *e = (expr_op *)self;
    uint8_t kept[SDF_BATCH_MAX];
    size_t count = 0;
    int rc = expr_program_run(e->program, batch, NULL, e->results, err);
    if (!rc)
        rc = filter_choose(e, batch, kept, &count, err);
    if (rc)
        return rc;
    if (count == batch->count) {
        out_pass(e->out, batch);
        return out_settle(e->out, err);
    }
    for (size_t i = 0; i < count; i++) {
        sdf_slice key = column_get(&batch->key, kept[i]), value = column_get(&batch->value, kept[i]);
        out_origin(e->out, batch->offsets ? batch->offsets[kept[i]] : UINT64_MAX);
        if (out_keep(e->out, &key, &value))
            break;
    }
    return out_settle(e->out, err);
}

static int filter_drain(op *self, sdf_error **err)
{
    return out_flush(((expr_op *)self)->out, err);
}

static int filter_finish(op *self, sdf_error **err)
{
    int rc = out_flush(((expr_op *)self)->out, err);
    return rc && rc != OP_STOP ? rc : op_finish(self->next, err);
}

/* ---- map ---- */

static const char *const side_names[] = {"key", "value"};

/* Whether record i can go on; if not, that it can't has been taken care of (or *rc is why not). */
static bool map_good(expr_op *e, const sdf_batch *batch, size_t i, int *rc, sdf_error **err)
{
    for (int side = 0; side < 2; side++) {
        int state = e->nothing[side] || !e->results[side].state ? EXPR_OK : e->results[side].state[i];
        if (state == EXPR_OK)
            continue;
        char reason[64];
        snprintf(reason, sizeof reason, "the expression for the %s gives null", side_names[side]);
        *rc = state == EXPR_BAD ? expr_reject_bad(e, batch, i, err) : expr_reject(e, batch, i, reason, err);
        return false;
    }
    return true;
}

static void map_column(const expr_op *e, int side, sdf_column *column)
{
    if (e->nothing[side])
        column_set_null(column);
    else
        *column = e->results[side].column;
}

/* Some records are left out: the others move together. */
static int map_some(expr_op *e, const sdf_batch *batch, const sdf_batch *mapped, sdf_error **err)
{
    type_kind key = type_of(e->spec->key_type), value = type_of(e->spec->value_type);
    size_t n = 0;
    int rc = SDF_OK;
    for (size_t i = 0; i < batch->count; i++) {
        if (!map_good(e, batch, i, &rc, err)) {
            if (rc)
                return rc;
            continue;
        }
        if (key != TYPE_NULL)
            gathered_set(&e->made.keys, type_is_number(key), n, column_get(&mapped->key, i));
        if (value != TYPE_NULL)
            gathered_set(&e->made.values, type_is_number(value), n, column_get(&mapped->value, i));
        e->offsets[n++] = batch->offsets ? batch->offsets[i] : UINT64_MAX;
    }
    sdf_batch some = gathered_batch(&e->made, key, value, n);
    if (batch->offsets)
        some.offsets = e->offsets;
    return n ? op_push(e->base.next, &some, err) : SDF_OK;
}

static bool map_whole(const expr_op *e, int side, size_t count)
{
    static const uint8_t good[SDF_BATCH_MAX]; /* EXPR_OK */
    const uint8_t *state = e->nothing[side] ? NULL : e->results[side].state;
    return !state || memcmp(state, good, count) == 0;
}

static int map_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    expr_op *e = (expr_op *)self;
    sdf_batch mapped = {.count = batch->count, .offsets = batch->offsets};
    int rc = expr_program_run(e->program, batch, NULL, e->results, err);
    if (rc)
        return rc;
    map_column(e, 0, &mapped.key);
    map_column(e, 1, &mapped.value);
    if (!map_whole(e, 0, batch->count) || !map_whole(e, 1, batch->count))
        return map_some(e, batch, &mapped, err);
    return op_push(self->next, &mapped, err);
}

static int map_finish(op *self, sdf_error **err)
{
    return op_finish(self->next, err);
}

/* ---- both ---- */

static void expr_close(op *self)
{
    expr_op *e = (expr_op *)self;
    expr_program_free(e->program);
    out_free(e->out);
    free(e);
}

static int table_get(void *self, const char *name, sdf_slice *bytes, sdf_error **err)
{
    task_env *env = self;
    if (!env->broadcast)
        return error_set(err, SDF_E_NOT_FOUND, "there is no broadcast value \"%s\"", name);
    return env->broadcast(env, name, bytes, err);
}

/* What the expressions give must be what the plan says. */
static int expr_fits(expr_op *e, sdf_error **err)
{
    bool filter = e->spec->kind == PLAN_OP_FILTER_EXPR;
    const char *wanted[2] = {filter ? "bool" : e->spec->key_type, e->spec->value_type};
    size_t count = filter ? 1 : 2;
    if (expr_program_outputs(e->program) != count)
        return error_set(err, SDF_E_INVALID, "the plan has %zu expressions where there should be %zu",
                         expr_program_outputs(e->program), count);
    for (size_t i = 0; i < count; i++) {
        const char *type = expr_program_type(e->program, i);
        if (strcmp(type, wanted[i]) != 0)
            return error_set(err, SDF_E_TYPE, "an expression of type %s stands where the plan says %s", type,
                             wanted[i]);
        e->nothing[i] = strcmp(type, SDF_NULL) == 0;
    }
    return SDF_OK;
}

static int expr_open(expr_op *e, sdf_error **err)
{
    task_env *env = e->base.env;
    expr_tables tables = {table_get, env};
    sdf_slice bound = buf_slice(&e->spec->call.arg);
    int rc = expr_program_new(&e->program, env->budget, &bound, &tables, err);
    if (!rc)
        rc = expr_fits(e, err);
    if (!rc && e->spec->kind == PLAN_OP_FILTER_EXPR) {
        e->out = out_new(env, e->base.next, type_of(e->in.key), type_of(e->in.value), err);
        rc = e->out ? SDF_OK : SDF_E_NO_MEMORY;
    }
    return rc;
}

int expr_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    expr_op *e = calloc(1, sizeof *e);
    if (!e)
        return error_no_memory(err);
    bool filter = spec->kind == PLAN_OP_FILTER_EXPR;
    e->base = (op){.push = filter ? filter_push : map_push,
                   .finish = filter ? filter_finish : map_finish,
                   .close = expr_close,
                   .drain = filter ? filter_drain : NULL,
                   .next = next,
                   .env = env};
    e->base.origins = true;
    e->spec = spec;
    e->in = in;
    int rc = expr_open(e, err);
    if (rc) {
        expr_close(&e->base);
        return rc;
    }
    *out = &e->base;
    return SDF_OK;
}
