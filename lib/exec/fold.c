/* The loops that fold batches. A batch is hashed and its slots fetched ahead, then each record goes to its slot;
 * what is done there is compiled into the loop for sums and counts, one call a batch for update_many, else a call a
 * record. */
#include "exec/fold.h"

#include "base/error.h"
#include "base/wire.h"
#include "exec/key_text.h"

int fold_open(fold *f, aggregate *a, budget *b, type_kind key, bool merging, uint64_t most, sdf_error **err)
{
    memset(f, 0, sizeof *f);
    f->aggregate = a;
    f->key = key;
    f->merging = merging;
    return hashtable_open(&f->table, b, key, a->state_size, most, err);
}

void fold_close(fold *f)
{
    hashtable_close(&f->table);
}

/* A fresh state for a new key. NULL: no memory, or an error in *status. */
static table_slot *fold_insert(fold *f, table_slot *empty, const table_probe *p, int *status, sdf_error **err)
{
    hashtable *t = &f->table;
    *status = AGGREGATE_FULL;
    if (!hashtable_insert(t, empty, p))
        return NULL;
    *status = aggregate_init(f->aggregate, slot_state(t, empty), err);
    if (!*status)
        return empty;
    hashtable_retract(t, empty);
    return NULL;
}

typedef enum fold_add { ADD_CONSTANT, ADD_WORDS, ADD_DOUBLES } fold_add;

/* Sums; `how` is a constant where this is inlined. Returns the records done; fewer when there is no memory. */
static inline __attribute__((always_inline)) size_t fold_adding(hashtable *t, const table_probe *probes, size_t count,
                                                                fold_add how, const uint64_t *words, bool *overflow)
{
    bool over = false;
    int64_t constant = how == ADD_CONSTANT ? (int64_t)words[0] : 0;
    size_t i;
    for (i = 0; i < count; i++) {
        table_slot *s = hashtable_find(t, &probes[i]);
        if (__builtin_expect(!s->length1, 0) && !hashtable_insert(t, s, &probes[i]))
            break;
        if (how == ADD_CONSTANT) {
            over |= __builtin_add_overflow(s->state.i64, constant, &s->state.i64);
        } else if (how == ADD_WORDS) {
            over |= __builtin_add_overflow(s->state.i64, (int64_t)words[i], &s->state.i64);
        } else {
            double d;
            memcpy(&d, &words[i], sizeof d);
            s->state.f64 += d;
        }
    }
    *overflow = over;
    return i;
}

static size_t fold_add_constant(hashtable *t, const table_probe *p, size_t count, const uint64_t *words, bool *overflow)
{
    return fold_adding(t, p, count, ADD_CONSTANT, words, overflow);
}
static size_t fold_add_words(hashtable *t, const table_probe *p, size_t count, const uint64_t *words, bool *overflow)
{
    return fold_adding(t, p, count, ADD_WORDS, words, overflow);
}
static size_t fold_add_doubles(hashtable *t, const table_probe *p, size_t count, const uint64_t *words, bool *overflow)
{
    return fold_adding(t, p, count, ADD_DOUBLES, words, overflow);
}

static void gather_words(const sdf_column *c, size_t first, size_t count, uint64_t *words)
{
    for (size_t i = 0; i < count; i++) {
        sdf_slice v = column_get(c, first + i);
        words[i] = v.size == 8 ? load_u64(v.data) : 0;
    }
}

static int fold_kernel(fold *f, aggregate_kernel kernel, const table_probe *probes, const sdf_column *values,
                       size_t first, size_t count, size_t *done, sdf_error **err)
{
    uint64_t words[SDF_BATCH_MAX] = {1};
    bool overflow = false;
    if (kernel == KERNEL_ADD_I64 && values->layout == SDF_LAYOUT_CONST && values->size == 8)
        words[0] = load_u64(values->data);
    else if (kernel != KERNEL_COUNT)
        gather_words(values, first, count, words);
    if (kernel == KERNEL_ADD_F64)
        *done = fold_add_doubles(&f->table, probes, count, words, &overflow);
    else if (kernel == KERNEL_COUNT || values->layout == SDF_LAYOUT_CONST)
        *done = fold_add_constant(&f->table, probes, count, words, &overflow);
    else
        *done = fold_add_words(&f->table, probes, count, words, &overflow);
    if (overflow)
        return aggregate_overflow(f->aggregate, err);
    return *done < count ? AGGREGATE_FULL : SDF_OK;
}

static int fold_many(fold *f, const table_probe *probes, const sdf_column *values, size_t first, size_t count,
                     size_t *done, sdf_error **err)
{
    void *states[SDF_BATCH_MAX];
    int rc = SDF_OK;
    size_t i;
    for (i = 0; i < count && !rc; i++) {
        table_slot *s = hashtable_find(&f->table, &probes[i]);
        if (!s->length1 && !fold_insert(f, s, &probes[i], &rc, err))
            break;
        states[i] = slot_state(&f->table, s);
    }
    *done = i;
    if (rc && rc != AGGREGATE_FULL)
        return rc;
    sdf_column part = column_from(values, first);
    int folded = i ? aggregate_fold_many(f->aggregate, states, &part, i, err) : SDF_OK;
    return folded ? folded : rc;
}

static int fold_each(fold *f, const table_probe *probes, const sdf_column *values, size_t first, size_t count,
                     size_t *done, sdf_error **err)
{
    hashtable *t = &f->table;
    for (*done = 0; *done < count; ++*done) {
        const table_probe *p = &probes[*done];
        table_slot *s = hashtable_find(t, p);
        sdf_slice value = column_get(values, first + *done);
        bool fresh = !s->length1;
        int rc;
        if (fresh && !fold_insert(f, s, p, &rc, err))
            return rc;
        rc = aggregate_fold(f->aggregate, slot_state(t, s), fresh, f->merging, &value, err);
        if (rc && fresh)
            hashtable_retract(t, s);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static int fold_batch(fold *f, const sdf_column *keys, const sdf_column *values, size_t first, size_t count,
                      size_t *done, sdf_error **err)
{
    table_probe probes[SDF_BATCH_MAX];
    aggregate_kernel kernel = f->merging ? f->aggregate->merge : f->aggregate->update;
    *done = 0;
    if (!hashtable_room(&f->table, count))
        return AGGREGATE_FULL;
    hashtable_prepare(&f->table, keys, first, count, probes);
    aggregate_use(f->aggregate, &f->table.arena);
    switch (kernel) {
    case KERNEL_EACH:
        return fold_each(f, probes, values, first, count, done, err);
    case KERNEL_MANY:
        return fold_many(f, probes, values, first, count, done, err);
    default:
        return fold_kernel(f, kernel, probes, values, first, count, done, err);
    }
}

int fold_records(fold *f, const sdf_column *keys, const sdf_column *values, size_t first, size_t count, size_t *done,
                 sdf_error **err)
{
    for (*done = 0; *done < count;) {
        size_t n = count - *done < SDF_BATCH_MAX ? count - *done : SDF_BATCH_MAX, some;
        int rc = fold_batch(f, keys, values, first + *done, n, &some, err);
        *done += some;
        if (rc)
            return rc;
    }
    return SDF_OK;
}

int fold_too_big(fold *f, const sdf_slice *key, sdf_error **err)
{
    char text[KEY_TEXT_MAX];
    const plan_call *spec = f->aggregate->call.spec;
    key_text(f->key, key, text);
    error_set(err, SDF_E_NO_MEMORY,
              "the aggregate of key \"%s\" (%zu bytes) does not fit in the %llu bytes of memory of this task", text,
              key->size, (unsigned long long)f->table.budget->limit);
    error_hint(err, "raise the setting \"memory\" (--memory), or stream the values of a key with map_groups");
    error_at(err, spec->function, spec->label);
    return SDF_E_NO_MEMORY;
}

bool fold_holds_only(const fold *f, const sdf_column *keys, size_t i)
{
    table_probe p;
    if (f->table.used != 1)
        return false;
    hashtable_prepare(&f->table, keys, i, 1, &p);
    return hashtable_find(&f->table, &p)->length1 != 0;
}
