/* Joins a stream with a side that every task reads whole: the side's records lie in a hash table, key by key in their
 * order, and each batch is looked up at once. The side's values are kept as the items that the joined tuples have.
 * The table is each task's own and read when the first record comes. */
#include <stdlib.h>

#include "exec/blame.h"
#include "exec/chain.h"
#include "exec/hashtable.h"
#include "exec/pairs.h"
#include "exec/room.h"
#include "shuffle/run.h"

/* A value of the side. The values of a key are a ring; the slot points to the last. */
typedef struct entry {
    struct entry *next;
    uint32_t size;
    uint8_t item[];
} entry;

typedef struct lookup {
    op base;
    const plan_op *spec;
    const plan_side *side;
    const task_leaf *leaf; /* of the side */
    type_kind key, value, side_value;
    bool keep; /* records without a match */
    bool loaded;
    hashtable table; /* entries are in its arena */
    pairs pairs;
} lookup;

/* ---- the table ---- */

static uint64_t side_records(const lookup *l)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < l->leaf->extent_count; i++)
        records += l->leaf->extents[i].records;
    return records;
}

static int table_full(lookup *l, uint64_t records, sdf_error **err)
{
    error_set(err, SDF_E_NO_MEMORY,
              "the table of a broadcast join does not fit: %llu of its %llu records took %llu of the task's %llu bytes "
              "of memory",
              (unsigned long long)records, (unsigned long long)side_records(l),
              (unsigned long long)hashtable_bytes(&l->table), (unsigned long long)l->base.env->budget->limit);
    error_hint(err, "raise the setting \"memory\" (--memory), or ask for a partitioned join");
    return SDF_E_NO_MEMORY;
}

static entry *entry_new(lookup *l, const sdf_slice *value)
{
    size_t size = item_size(l->side_value, value);
    if (size > UINT32_MAX || hashtable_bytes(&l->table) + size > l->table.most)
        return NULL;
    entry *e = arena_alloc(&l->table.arena, offsetof(entry, item) + size);
    if (e)
        e->size = (uint32_t)item_put(e->item, l->side_value, value);
    return e;
}

/* Adds records of the side; returns how many: fewer when there is no memory. */
static size_t table_add(lookup *l, const sdf_batch *batch)
{
    table_probe probes[SDF_BATCH_MAX];
    hashtable *t = &l->table;
    size_t i = 0;
    if (!hashtable_room(t, batch->count))
        return 0;
    hashtable_prepare(t, &batch->key, 0, batch->count, probes);
    for (; i < batch->count; i++) {
        sdf_slice value = column_get(&batch->value, i);
        entry *e = entry_new(l, &value);
        table_slot *s = hashtable_find(t, &probes[i]);
        bool fresh = !s->length1;
        if (!e || (fresh && !hashtable_insert(t, s, &probes[i])))
            break;
        entry *last = fresh ? e : s->state.pointer;
        e->next = fresh ? e : last->next;
        last->next = e;
        s->state.pointer = e;
    }
    return i;
}

static int table_fill(lookup *l, run *r, sdf_error **err)
{
    sdf_batch batch;
    uint64_t records = 0;
    int rc;
    for (uint32_t n = 0; !(rc = run_next(r, &batch, err)); n++) {
        if ((rc = op_check(l->base.env, n, err)))
            return rc;
        size_t done = table_add(l, &batch);
        records += done;
        if (done < batch.count)
            return table_full(l, records, err);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

/* The table may have three fourths of the budget; the rest is for the operators around it. */
static int table_load(lookup *l, sdf_error **err)
{
    budget *b = l->base.env->budget;
    uint64_t most = b->limit - b->limit / 4, need = side_records(l) * 2 * sizeof(table_slot);
    uint64_t slots = most / 4 / sizeof(table_slot), records = side_records(l);
    run *r;
    for (uint32_t i = 0; i < l->leaf->extent_count; i++)
        need += l->leaf->extents[i].raw;
    int rc = make_room(b, need < most ? need : most, err);
    rc = rc ? rc : hashtable_open(&l->table, b, l->key, sizeof(entry *), most, err);
    if (rc)
        return rc;
    /* Keys may be far fewer than records: no more than half of the table's memory goes to slots beforehand. */
    hashtable_expect(&l->table, records < slots ? records : slots);
    rc = run_open_extents(&r, l->base.env, l->leaf->stage, 0, l->leaf->extents, l->leaf->extent_count, l->key,
                          l->side_value, err);
    if (rc)
        return rc;
    rc = table_fill(l, r, err);
    run_close(r);
    l->loaded = !rc;
    return rc;
}

/* ---- looking up ---- */

static int lookup_emit(lookup *l, const sdf_slice *value, const entry *last, sdf_error **err)
{
    static const sdf_slice missing = {NULL, 0};
    if (!last)
        return l->keep ? pairs_add(&l->pairs, l->value, value, TYPE_NULL, &missing, err) : SDF_OK;
    const entry *e = last;
    do {
        e = e->next;
        sdf_slice item = {e->item, e->size};
        int rc = pairs_add(&l->pairs, l->value, value, TYPE_ANY, &item, err);
        if (rc)
            return rc;
    } while (e != last);
    return SDF_OK;
}

static int lookup_batch(lookup *l, const sdf_batch *batch, sdf_error **err)
{
    table_probe probes[SDF_BATCH_MAX];
    const entry *found[SDF_BATCH_MAX];
    int rc = SDF_OK;
    hashtable_prepare(&l->table, &batch->key, 0, batch->count, probes);
    for (size_t i = 0; i < batch->count; i++) {
        const table_slot *s = hashtable_find(&l->table, &probes[i]);
        found[i] = s->length1 ? s->state.pointer : NULL;
        __builtin_prefetch(found[i]);
    }
    for (size_t i = 0; i < batch->count && !rc; i++) {
        if (!found[i] && !l->keep)
            continue;
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        if (l->key == TYPE_F64)
            key.data = &probes[i].k0; /* made canonical */
        pairs_key(&l->pairs, key);
        rc = lookup_emit(l, &value, found[i], err);
    }
    return rc;
}

static const char *lookup_label(const lookup *l)
{
    return l->spec->call.label ? l->spec->call.label : l->side->label;
}

static int lookup_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    lookup *l = (lookup *)self;
    int rc = l->loaded ? SDF_OK : table_load(l, err);
    rc = rc ? rc : lookup_batch(l, batch, err);
    return blame(rc, lookup_label(l), err);
}

static int lookup_drain(op *self, sdf_error **err)
{
    return pairs_flush(&((lookup *)self)->pairs, err);
}

static int lookup_finish(op *self, sdf_error **err)
{
    lookup *l = (lookup *)self;
    int rc = pairs_flush(&l->pairs, err);
    pairs_close(&l->pairs);
    hashtable_close(&l->table); /* its memory is of use to the operators that finish now */
    return rc && rc != OP_STOP ? blame(rc, lookup_label(l), err) : op_finish(self->next, err);
}

static void lookup_close(op *self)
{
    lookup *l = (lookup *)self;
    pairs_close(&l->pairs);
    hashtable_close(&l->table);
    free(l);
}

static int lookup_check(const task_env *env, const plan_op *spec, op_types in, sdf_error **err)
{
    if (spec->side >= env->stage->side_count || spec->side >= env->request->side_count)
        return error_set(err, SDF_E_INTERNAL, "side %u is not there", spec->side);
    if (spec->how != PLAN_COGROUP_INNER && spec->how != PLAN_COGROUP_LEFT)
        return error_set(err, SDF_E_INTERNAL, "a broadcast join can't be done in way %d", (int)spec->how);
    const char *side = env->stage->sides[spec->side].key_type;
    if (!type_equal(side, in.key))
        return error_set(err, SDF_E_INTERNAL, "keys of type %s are looked up among those of type %s", in.key, side);
    return SDF_OK;
}

int lookup_op_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    int rc = lookup_check(env, spec, in, err);
    if (rc)
        return rc;
    lookup *l = calloc(1, sizeof *l);
    if (!l)
        return error_no_memory(err);
    l->base = (op){.push = lookup_push,
                   .finish = lookup_finish,
                   .close = lookup_close,
                   .drain = lookup_drain,
                   .next = next,
                   .env = env};
    l->spec = spec;
    l->side = &env->stage->sides[spec->side];
    l->leaf = &env->request->sides[spec->side];
    l->key = type_of(in.key);
    l->value = type_of(in.value);
    l->side_value = type_of(l->side->value_type);
    l->keep = spec->how == PLAN_COGROUP_LEFT;
    if ((rc = pairs_open(&l->pairs, env, next, l->key, err))) {
        pairs_close(&l->pairs);
        free(l);
        return rc;
    }
    *out = &l->base;
    return SDF_OK;
}
