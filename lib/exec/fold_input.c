/* The reduce side of an aggregation: merges the shuffled states of a partition in a table, in the order of their
 * producers, and pushes on keys with results. When the table is full it goes to scratch, split by hash, and each
 * part is then merged by itself, split again if need be. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/fold_spill.h"
#include "exec/shuffle_input.h"

#define RESULT_LENT 4096 /* a result larger than that is lent to the next operator rather than copied */

typedef struct fold_input {
    task_env *env;
    const plan_input *spec;
    op *first;
    aggregate aggregate;
    fold fold;
    sdf_out *out; /* of results that are made by calls */
    budget_spiller spiller;
    fold_spill *spill; /* of the depth being read; NULL: not the time to spill */
    bool working;      /* in a fold: nor is that */
    uint64_t reserve;  /* bytes kept back for spilling, and for the operators further on */
} fold_input;

/* ---- results ---- */

/* The batches don't lie on the stack: a function may emit views of them, and views of the stack are refused. */
static int emit_plain(fold_input *in, sdf_error **err)
{
    hashtable *t = &in->fold.table;
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
        sdf_batch batch = fold_gather(&in->fold, slots, count, g);
        rc = op_push(in->first, &batch, err);
    }
    free(g);
    return rc;
}

static int emit_result(fold_input *in, table_slot *s, sdf_error **err)
{
    sdf_slice key = slot_key(s), result;
    int rc = aggregate_finish(&in->aggregate, slot_state(&in->fold.table, s), &result, err);
    if (rc)
        return rc;
    out_enter(in->out);
    if (result.size > RESULT_LENT) {
        sdf_column keys, values;
        column_set_const(&keys, key.data, key.size);
        column_set_const(&values, result.data, result.size);
        rc = out_emit_views(in->out, 1, &keys, &values);
    } else {
        rc = sdf_emit(in->out, &key, &result);
    }
    return out_leave(in->out, rc, &in->spec->call, err);
}

static int emit_table(fold_input *in, sdf_error **err)
{
    hashtable *t = &in->fold.table;
    int rc = SDF_OK;
    if (aggregate_plain(&in->aggregate))
        return emit_plain(in, err);
    for (uint64_t i = 0; i < t->capacity && !rc; i++)
        if (t->slots[i].length1)
            rc = emit_result(in, &t->slots[i], err);
    return rc ? rc : out_flush(in->out, err);
}

/* ---- memory ---- */

static void reserve_take(fold_input *in)
{
    uint64_t bytes = in->env->budget->limit / 8;
    if (!in->reserve && budget_try(in->env->budget, bytes))
        in->reserve = bytes;
}

static void reserve_give(fold_input *in)
{
    budget_give(in->env->budget, in->reserve);
    in->reserve = 0;
}

static int spill_now(fold_input *in, bool shrink, sdf_error **err)
{
    fold_spill *s = in->spill;
    reserve_give(in);
    in->spill = NULL; /* what happens in here may ask for memory, but not of us */
    int rc = in->fold.table.used ? fold_spill_table(s, err) : SDF_OK;
    if (!rc) {
        if (shrink)
            hashtable_shrink(&in->fold.table);
        else
            hashtable_clear(&in->fold.table);
        rc = fold_spill_tidy(s, err);
    }
    in->spill = s;
    return rc;
}

static int input_spill(void *self, sdf_error **err)
{
    return spill_now(self, true, err);
}

static uint64_t input_held(void *self)
{
    const fold_input *in = self;
    return in->spill && !in->working ? hashtable_bytes(&in->fold.table) + in->reserve : 0;
}

/* ---- states in ---- */

static int input_full(fold_input *in, const sdf_batch *batch, size_t at, sdf_error **err)
{
    const hashtable *t = &in->fold.table;
    bool alone = !t->used || fold_holds_only(&in->fold, &batch->key, at);
    if ((alone && !hashtable_can_shrink(t)) || in->spill->depth == FOLD_DEPTH_MAX) {
        sdf_slice key = column_get(&batch->key, at);
        return fold_too_big(&in->fold, &key, err);
    }
    int rc = spill_now(in, alone, err); /* a state that is alone gets the memory of the slots as well */
    reserve_take(in);
    return rc;
}

static int input_batch(fold_input *in, const sdf_batch *batch, sdf_error **err)
{
    size_t at = 0, done;
    int rc = SDF_OK;
    in->working = true;
    while (at < batch->count && !rc) {
        rc = fold_records(&in->fold, &batch->key, &batch->value, at, batch->count - at, &done, err);
        at += done;
        if (rc == AGGREGATE_FULL)
            rc = input_full(in, batch, at, err);
    }
    in->working = false;
    return rc;
}

static int input_run(fold_input *in, run *r, sdf_error **err)
{
    sdf_batch batch;
    int rc = SDF_OK;
    for (uint32_t n = 0; !rc && !(rc = run_next(r, &batch, err)); n++) {
        rc = op_check(in->env, n, err);
        rc = rc ? rc : input_batch(in, &batch, err);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

/* All that went into the table or the spill is there: pushes on the results. */
static int input_parts(fold_input *in, fold_spill *s, sdf_error **err);

static int input_end(fold_input *in, fold_spill *s, sdf_error **err)
{
    int rc = SDF_OK;
    if (s->count) { /* its runs lie in several places: none of them is whole */
        rc = in->fold.table.used ? spill_now(in, false, err) : SDF_OK;
        in->spill = NULL;
        return rc ? rc : input_parts(in, s, err);
    }
    in->spill = NULL;
    reserve_give(in);
    rc = emit_table(in, err);
    hashtable_clear(&in->fold.table);
    return rc;
}

/* A run has each key once (it was a table), so the longest one tells how many there are at least. */
static void input_expect(fold_input *in)
{
    const task_request *q = in->env->request;
    uint64_t most = 0;
    for (uint32_t i = 0; i < q->extent_count; i++)
        most = q->extents[i].records > most ? q->extents[i].records : most;
    hashtable_expect(&in->fold.table, most);
}

/* One part of a spill, merged as if it were a partition. */
static int input_part(fold_input *in, fold_spill *from, uint32_t part, sdf_error **err)
{
    fold_spill s;
    run *r;
    int rc = SDF_OK;
    fold_spill_init(&s, in->env, &in->fold, from->depth + 1);
    in->spill = &s;
    reserve_take(in);
    for (uint32_t i = 0; !rc && !(rc = fold_spill_open(from, part, i, &r, err)); i++) {
        if (r)
            rc = input_run(in, r, err);
        run_close(r);
    }
    rc = rc == SDF_END ? input_end(in, &s, err) : rc;
    in->spill = NULL;
    fold_spill_free(&s);
    return rc;
}

static int input_parts(fold_input *in, fold_spill *s, sdf_error **err)
{
    int rc = SDF_OK;
    for (uint32_t p = 0; p < FOLD_PARTS && !rc; p++)
        rc = input_part(in, s, p, err);
    return rc;
}

static int input_all(fold_input *in, sdf_error **err)
{
    const task_request *q = in->env->request;
    fold_spill s;
    run *r;
    fold_spill_init(&s, in->env, &in->fold, 0);
    in->spill = &s;
    reserve_take(in);
    input_expect(in);
    int rc = run_open_extents(&r, in->env, in->spec->source, q->task, q->extents, q->extent_count, in->fold.key,
                              in->aggregate.state, err);
    if (!rc) {
        rc = input_run(in, r, err);
        run_close(r);
    }
    rc = rc ? rc : input_end(in, &s, err);
    in->spill = NULL;
    fold_spill_free(&s);
    return rc;
}

int fold_input_run(task_env *env, const plan_input *spec, op *first, sdf_error **err)
{
    fold_input in = {.env = env, .spec = spec, .first = first};
    type_kind key = type_of(spec->stored_key_type);
    in.spiller = (budget_spiller){.spill = input_spill, .held = input_held, .self = &in};
    int rc = aggregate_open(&in.aggregate, env, &spec->call, spec->stored_value_type, spec->stored_value_type,
                            spec->value_type, err);
    if (rc)
        return rc;
    if (!(in.out = out_new(env, first, key, in.aggregate.result, err)))
        rc = SDF_E_NO_MEMORY;
    rc = rc ? rc : fold_open(&in.fold, &in.aggregate, env->budget, key, true, env->budget->limit / 2, err);
    if (!rc) {
        budget_add_spiller(env->budget, &in.spiller);
        rc = input_all(&in, err);
        budget_remove_spiller(env->budget, &in.spiller);
    }
    reserve_give(&in);
    fold_close(&in.fold);
    out_free(in.out);
    aggregate_close(&in.aggregate);
    return rc;
}
