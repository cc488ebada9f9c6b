/* The map side of an aggregation: folds records into a table, and writes its states, by partition, as one run of the
 * shuffle object whenever the table is full. With `merging` the records are states already, of an exchange with two
 * levels. Folding without a shuffle behind it is fold_op.c. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"
#include "exec/fold.h"
#include "exec/shuffle_output.h"

typedef struct combine {
    op base;
    shuffle_sink sink;
    aggregate aggregate;
    fold fold;
    budget_spiller spiller;
    bool working;   /* in push or finish: not the time to spill */
    uint32_t *ends; /* per partition: see fold_target */
} combine;

static uint32_t combine_part(void *self, const table_slot *slot)
{
    sdf_slice key = slot_key(slot);
    return sink_partition(&((combine *)self)->sink, &key);
}

static int combine_add(void *self, uint32_t part, const sdf_column *keys, const sdf_column *values, size_t count,
                       sdf_error **err)
{
    return object_writer_add(((combine *)self)->sink.writer, part, keys, values, 0, count, err);
}

/* Writes the table as a run. The caller clears it. */
static int combine_write(combine *c, sdf_error **err)
{
    fold_target to = {c, c->sink.partitions, c->ends, combine_part, combine_add, NULL};
    if (!c->fold.table.used)
        return SDF_OK;
    int rc = task_env_check(c->base.env, err);
    rc = rc ? rc : fold_write(&c->fold, &to, err);
    return rc ? rc : object_writer_end_run(c->sink.writer, err);
}

/* The table is full. When it is so while it is empty, the record at hand gets the memory of the slots as well. */
static int combine_full(combine *c, const sdf_batch *batch, size_t at, bool empty, sdf_error **err)
{
    hashtable *t = &c->fold.table;
    if (empty && !hashtable_can_shrink(t)) {
        sdf_slice key = column_get(&batch->key, at);
        return fold_too_big(&c->fold, &key, err);
    }
    int rc = combine_write(c, err);
    if (rc)
        return rc;
    if (empty)
        hashtable_shrink(t);
    else
        hashtable_clear(t);
    return SDF_OK;
}

static int combine_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    combine *c = (combine *)self;
    size_t at = 0, done;
    int rc = SDF_OK;
    c->working = true;
    while (at < batch->count && !rc) {
        bool empty = !c->fold.table.used;
        rc = fold_records(&c->fold, &batch->key, &batch->value, at, batch->count - at, &done, err);
        at += done;
        if (rc != AGGREGATE_FULL)
            continue;
        rc = combine_full(c, batch, at, empty && !done, err);
    }
    c->working = false;
    return sink_blame(&c->sink, rc, err);
}

static int combine_finish(op *self, sdf_error **err)
{
    combine *c = (combine *)self;
    c->working = true;
    int rc = combine_write(c, err);
    fold_close(&c->fold);
    return rc ? sink_blame(&c->sink, rc, err) : sink_commit(&c->sink, err);
}

/* Somebody upstream needs memory. */
static int combine_spill(void *self, sdf_error **err)
{
    combine *c = self;
    int rc = combine_write(c, err);
    if (!rc)
        hashtable_shrink(&c->fold.table);
    return rc;
}

static uint64_t combine_held(void *self)
{
    const combine *c = self;
    return c->working ? 0 : hashtable_bytes(&c->fold.table);
}

static void combine_close(op *self)
{
    combine *c = (combine *)self;
    budget *b = c->base.env->budget;
    budget_remove_spiller(b, &c->spiller);
    fold_close(&c->fold);
    aggregate_close(&c->aggregate);
    if (c->ends)
        budget_give(b, c->sink.partitions * sizeof *c->ends);
    free(c->ends);
    sink_close(&c->sink);
    free(c);
}

static int combine_open(combine *c, sdf_error **err)
{
    task_env *env = c->base.env;
    const plan_output *spec = c->sink.spec;
    const char *value = spec->merging ? spec->value_type : branch_types(&env->stage->branches[0]).value;
    size_t ends = c->sink.partitions * sizeof *c->ends;
    int rc = budget_take(env->budget, ends, NULL, err);
    if (rc)
        return rc;
    if (!(c->ends = malloc(ends))) {
        budget_give(env->budget, ends);
        return error_no_memory(err);
    }
    rc = aggregate_open(&c->aggregate, env, &spec->combine, value, spec->value_type, NULL, err);
    if (!rc)
        rc = fold_open(&c->fold, &c->aggregate, env->budget, c->sink.key, spec->merging, env->budget->limit / 2, err);
    return rc;
}

int combine_new(shuffle_sink *sink, op **out, sdf_error **err)
{
    combine *c = calloc(1, sizeof *c);
    if (!c) {
        sink_close(sink);
        return error_no_memory(err);
    }
    c->base = (op){.push = combine_push, .finish = combine_finish, .close = combine_close, .env = sink->env};
    c->sink = *sink;
    c->spiller = (budget_spiller){.spill = combine_spill, .held = combine_held, .self = c};
    budget_add_spiller(sink->env->budget, &c->spiller);
    int rc = combine_open(c, err);
    if (rc) {
        sink_blame(&c->sink, rc, err);
        combine_close(&c->base);
        return rc;
    }
    *out = &c->base;
    return SDF_OK;
}
