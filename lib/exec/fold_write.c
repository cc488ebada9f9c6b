/* A table read out: as columns, and as shuffled states by part. */
#include "exec/fold.h"

#define FETCH_AHEAD 16 /* slots */

sdf_batch fold_gather(const fold *f, table_slot *const *slots, size_t count, gathered *g)
{
    const aggregate *a = f->aggregate;
    bool key_words = type_is_number(f->key), state_words = type_is_number(a->state);
    for (size_t i = 0; i < count; i++) {
        gathered_set(&g->keys, key_words, i, slot_key(slots[i]));
        gathered_set(&g->values, state_words, i, (sdf_slice){slot_state(&f->table, slots[i]), a->state_size});
    }
    return gathered_batch(g, f->key, a->state, count);
}

/* Puts the indexes of the used slots in the table's order, by part, and where each part ends in to->ends. */
static void fold_arrange(fold *f, const fold_target *to)
{
    hashtable *t = &f->table;
    uint32_t sum = 0;
    memset(to->ends, 0, to->parts * sizeof *to->ends);
    for (uint64_t i = 0; i < t->capacity; i++) {
        table_slot *s = &t->slots[i];
        if (!s->length1)
            continue;
        s->tag = to->part(to->self, s);
        to->ends[s->tag]++;
    }
    for (uint32_t p = 0; p < to->parts; p++) {
        uint32_t n = to->ends[p];
        to->ends[p] = sum;
        sum += n;
    }
    for (uint64_t i = 0; i < t->capacity; i++)
        if (t->slots[i].length1)
            t->order[to->ends[t->slots[i].tag]++] = (uint32_t)i;
}

static int write_fixed(fold *f, const fold_target *to, uint32_t part, const uint32_t *order, uint32_t count,
                       sdf_error **err)
{
    table_slot *slots[SDF_BATCH_MAX], *table = f->table.slots;
    gathered g;
    int rc = SDF_OK;
    for (uint32_t at = 0; at < count && !rc; at += SDF_BATCH_MAX) {
        uint32_t n = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX;
        for (uint32_t i = 0; i < n; i++) {
            slots[i] = &table[order[at + i]];
            if (at + i + FETCH_AHEAD < count)
                __builtin_prefetch(&table[order[at + i + FETCH_AHEAD]]);
        }
        sdf_batch batch = fold_gather(f, slots, n, &g);
        rc = to->add(to->self, part, &batch.key, &batch.value, n, err);
    }
    return rc;
}

static int write_variable(fold *f, const fold_target *to, uint32_t part, const uint32_t *order, uint32_t count,
                          sdf_error **err)
{
    for (uint32_t i = 0; i < count; i++) {
        table_slot *s = &f->table.slots[order[i]];
        sdf_slice key = slot_key(s), shuffled;
        sdf_column keys, values;
        int rc = aggregate_encode(f->aggregate, slot_state(&f->table, s), &shuffled, err);
        column_set_const(&keys, key.data, key.size);
        column_set_const(&values, shuffled.data, shuffled.size);
        rc = rc ? rc : to->add(to->self, part, &keys, &values, 1, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

int fold_write(fold *f, const fold_target *to, sdf_error **err)
{
    fold_arrange(f, to);
    uint32_t begin = 0;
    for (uint32_t p = 0; p < to->parts; p++) {
        const uint32_t *order = f->table.order + begin;
        uint32_t count = to->ends[p] - begin;
        int rc = f->aggregate->variable ? write_variable(f, to, p, order, count, err)
                                        : write_fixed(f, to, p, order, count, err);
        if (!rc && to->end)
            rc = to->end(to->self, p, err);
        if (rc)
            return rc;
        begin = to->ends[p];
    }
    return SDF_OK;
}
