/* Folds what is pushed into it by key, and gives keys with results at its end: the reduce side of an aggregation (the
 * shuffled states of a partition, merged in the order of their producers), and an aggregation in place. When the table
 * is full its states go to scratch, split by hash; each part is then merged by itself, split again if need be. */
#include "exec/fold_op.h"

#include <stdlib.h>

#include "exec/blame.h"
#include "exec/chain.h"
#include "exec/fold_spill.h"

#define RESULT_LENT 4096 /* a result larger than that is lent to the next operator rather than copied */

typedef struct fold_op {
    op base;
    const plan_call *call;
    aggregate aggregate;
    fold fold;
    sdf_out *out; /* of results that are made by calls */
    budget_spiller spiller;
    fold_spill root;   /* of what is pushed */
    fold_spill *spill; /* of the depth being folded; NULL: not the time to spill */
    bool working;      /* in a fold: nor is that */
    uint64_t reserve;  /* bytes kept back for spilling, and for the operators further on */
} fold_op;

/* ---- results ---- */

/* The batches don't lie on the stack: a function may emit views of them, and views of the stack are refused. */
static int emit_plain(fold_op *f, sdf_error **err)
{
    hashtable *t = &f->fold.table;
    table_slot *slots[SDF_BATCH_MAX];
    gathered *g = malloc(sizeof *g);
    int rc = g ? SDF_OK : error_no_memory(err);
    for (uint64_t i = 0; i < t->capacity && !rc;) {
        size_t count = 0;
        for (; i < t->capacity && count < SDF_BATCH_MAX; i++)
            if (t->slots[i].length1)
                slots[count++] = &t->slots[i];
        if (!count)
            break;
        sdf_batch batch = fold_gather(&f->fold, slots, count, g);
        rc = op_push(f->base.next, &batch, err);
    }
    free(g);
    return rc;
}

static int emit_result(fold_op *f, table_slot *s, sdf_error **err)
{
    sdf_slice key = slot_key(s), result;
    int rc = aggregate_finish(&f->aggregate, slot_state(&f->fold.table, s), &result, err);
    if (rc)
        return rc;
    out_enter(f->out);
    if (result.size > RESULT_LENT) {
        sdf_column keys, values;
        column_set_const(&keys, key.data, key.size);
        column_set_const(&values, result.data, result.size);
        rc = out_emit_views(f->out, 1, &keys, &values);
    } else {
        rc = sdf_emit(f->out, &key, &result);
    }
    return out_leave(f->out, rc, f->call, err);
}

static int emit_table(fold_op *f, sdf_error **err)
{
    hashtable *t = &f->fold.table;
    int rc = SDF_OK;
    if (aggregate_plain(&f->aggregate))
        return emit_plain(f, err);
    for (uint64_t i = 0; i < t->capacity && !rc; i++)
        if (t->slots[i].length1)
            rc = emit_result(f, &t->slots[i], err);
    return rc ? rc : out_flush(f->out, err);
}

/* ---- memory ---- */

static void reserve_take(fold_op *f)
{
    uint64_t bytes = f->base.env->budget->limit / 8;
    if (!f->reserve && budget_try(f->base.env->budget, bytes))
        f->reserve = bytes;
}

static void reserve_give(fold_op *f)
{
    budget_give(f->base.env->budget, f->reserve);
    f->reserve = 0;
}

static int spill_now(fold_op *f, bool shrink, sdf_error **err)
{
    fold_spill *s = f->spill;
    reserve_give(f);
    f->spill = NULL; /* what happens in here may ask for memory, but not of us */
    int rc = f->fold.table.used ? fold_spill_table(s, err) : SDF_OK;
    if (!rc) {
        if (shrink)
            hashtable_shrink(&f->fold.table);
        else
            hashtable_clear(&f->fold.table);
        rc = fold_spill_tidy(s, err);
    }
    f->spill = s;
    return rc;
}

static int op_spill(void *self, sdf_error **err)
{
    return spill_now(self, true, err);
}

static uint64_t op_held(void *self)
{
    const fold_op *f = self;
    return f->spill && !f->working ? hashtable_bytes(&f->fold.table) + f->reserve : 0;
}

/* ---- records in ---- */

static int fold_full(fold_op *f, const sdf_batch *batch, size_t at, sdf_error **err)
{
    const hashtable *t = &f->fold.table;
    bool alone = !t->used || fold_holds_only(&f->fold, &batch->key, at);
    if ((alone && !hashtable_can_shrink(t)) || f->spill->depth == FOLD_DEPTH_MAX) {
        sdf_slice key = column_get(&batch->key, at);
        return fold_too_big(&f->fold, &key, err);
    }
    int rc = spill_now(f, alone, err); /* a state that is alone gets the memory of the slots as well */
    reserve_take(f);
    return rc;
}

static int fold_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    fold_op *f = (fold_op *)self;
    size_t at = 0, done;
    int rc = SDF_OK;
    f->working = true;
    while (at < batch->count && !rc) {
        rc = fold_records(&f->fold, &batch->key, &batch->value, at, batch->count - at, &done, err);
        at += done;
        if (rc == AGGREGATE_FULL)
            rc = fold_full(f, batch, at, err);
    }
    f->working = false;
    return blame(rc, f->call->label, err);
}

/* ---- the end: results out, part by part where there is a spill ---- */

static int fold_parts(fold_op *f, fold_spill *s, sdf_error **err);

/* All that belongs to `s` is in the table or in its runs. */
static int fold_results(fold_op *f, fold_spill *s, sdf_error **err)
{
    int rc = SDF_OK;
    if (s->count) { /* its runs lie in several places: none of them is whole */
        rc = f->fold.table.used ? spill_now(f, false, err) : SDF_OK;
        f->spill = NULL;
        return rc ? rc : fold_parts(f, s, err);
    }
    f->spill = NULL;
    reserve_give(f);
    rc = emit_table(f, err);
    hashtable_clear(&f->fold.table);
    return rc;
}

static int fold_run(fold_op *f, run *r, sdf_error **err)
{
    sdf_batch batch;
    int rc = SDF_OK;
    for (uint32_t n = 0; !rc && !(rc = run_next(r, &batch, err)); n++) {
        rc = op_check(f->base.env, n, err);
        rc = rc ? rc : fold_push(&f->base, &batch, err);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

/* One part of a spill, merged as if it were all there is. */
static int fold_part(fold_op *f, fold_spill *from, uint32_t part, sdf_error **err)
{
    fold_spill s;
    run *r;
    int rc = SDF_OK;
    fold_spill_init(&s, f->base.env, &f->fold, from->depth + 1);
    f->spill = &s;
    reserve_take(f);
    for (uint32_t i = 0; !rc && !(rc = fold_spill_open(from, part, i, &r, err)); i++) {
        if (r)
            rc = fold_run(f, r, err);
        run_close(r);
    }
    rc = rc == SDF_END ? fold_results(f, &s, err) : rc;
    f->spill = NULL;
    fold_spill_free(&s);
    return rc;
}

static int fold_parts(fold_op *f, fold_spill *s, sdf_error **err)
{
    int rc = SDF_OK;
    f->fold.merging = true; /* what was spilled are states */
    for (uint32_t p = 0; p < FOLD_PARTS && !rc; p++)
        rc = fold_part(f, s, p, err);
    return rc;
}

int fold_op_end(op *self, sdf_error **err)
{
    fold_op *f = (fold_op *)self;
    int rc = fold_results(f, &f->root, err);
    fold_spill_free(&f->root);
    fold_close(&f->fold); /* its memory is of use to the operators that finish now */
    return blame(rc, f->call->label, err);
}

static int fold_finish(op *self, sdf_error **err)
{
    int rc = fold_op_end(self, err);
    return rc && rc != OP_STOP ? rc : op_finish(self->next, err);
}

void fold_op_expect(op *self, uint64_t keys)
{
    hashtable_expect(&((fold_op *)self)->fold.table, keys);
}

static void fold_free(op *self)
{
    fold_op *f = (fold_op *)self;
    budget_remove_spiller(self->env->budget, &f->spiller);
    reserve_give(f);
    fold_spill_free(&f->root);
    fold_close(&f->fold);
    out_free(f->out);
    aggregate_close(&f->aggregate);
    free(f);
}

static int fold_start(fold_op *f, const fold_spec *spec, sdf_error **err)
{
    task_env *env = f->base.env;
    type_kind key = type_of(spec->key);
    int rc = aggregate_open(&f->aggregate, env, spec->call, spec->value, spec->state, spec->result, err);
    if (rc)
        return rc;
    if (!(f->out = out_new(env, f->base.next, key, f->aggregate.result, err)))
        return SDF_E_NO_MEMORY;
    rc = fold_open(&f->fold, &f->aggregate, env->budget, key, spec->merging, env->budget->limit / 2, err);
    if (rc)
        return rc;
    fold_spill_init(&f->root, env, &f->fold, 0);
    f->spill = &f->root;
    reserve_take(f);
    return SDF_OK;
}

int fold_op_open(task_env *env, const fold_spec *spec, op *next, op **out, sdf_error **err)
{
    fold_op *f = calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err);
    f->base = (op){.push = fold_push, .finish = fold_finish, .close = fold_free, .next = next, .env = env};
    f->call = spec->call;
    f->spiller = (budget_spiller){.spill = op_spill, .held = op_held, .self = f};
    budget_add_spiller(env->budget, &f->spiller);
    int rc = fold_start(f, spec, err);
    if (rc) {
        fold_free(&f->base);
        return rc;
    }
    *out = &f->base;
    return SDF_OK;
}

int fold_op_new(task_env *env, const plan_op *op_spec, op_types in, op *next, op **out, sdf_error **err)
{
    fold_spec spec = {
        .call = &op_spec->call, .key = in.key, .value = in.value, .result = op_spec->value_type, .merging = false};
    return fold_op_open(env, &spec, next, out, err);
}
