/* Spilled tables. A table is one file with a run for each part; when some files of one size class have come together
 * they are copied into one of the next, so that open files and what is known of them stay few however much is
 * spilled. */
#include "exec/fold_spill.h"

#include <stdlib.h>

#include "base/error.h"

#define CLASS_FILES 16 /* files of a class that become one of the next */
#define CLASSES     12
#define SETS_MAX    (CLASS_FILES * CLASSES)

typedef struct spill_set {
    spill_file *file;
    spill_extent *parts; /* FOLD_PARTS of them */
    uint32_t class;
} spill_set;

void fold_spill_init(fold_spill *s, task_env *env, fold *f, uint32_t depth)
{
    *s = (fold_spill){.env = env, .fold = f, .depth = depth};
}

static void set_free(fold_spill *s, spill_set *set)
{
    spill_free(set->file);
    free(set->parts);
    budget_give(s->env->budget, FOLD_PARTS * sizeof *set->parts);
}

void fold_spill_free(fold_spill *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        set_free(s, &s->sets[i]);
    free(s->sets);
    s->sets = NULL;
    s->count = 0;
}

/* A new set, the last one. What it takes is charged even past the limit: it is how memory is given back. */
static spill_set *set_new(fold_spill *s, sdf_error **err)
{
    budget *b = s->env->budget;
    if (!s->sets)
        s->sets = calloc(SETS_MAX, sizeof *s->sets);
    spill_extent *parts = s->sets ? calloc(FOLD_PARTS, sizeof *parts) : NULL;
    if (!parts) {
        error_no_memory(err);
        return NULL;
    }
    budget_force(b, FOLD_PARTS * sizeof *parts);
    spill_set *set = &s->sets[s->count++];
    *set = (spill_set){.parts = parts};
    return set;
}

/* ---- a table out ---- */

typedef struct spilling {
    uint64_t salt;
    spill_writer *writer;
    spill_extent *parts;
} spilling;

static uint32_t spilling_part(void *self, const table_slot *slot)
{
    return (uint32_t)(hash_mix(hashtable_hash(slot), ((spilling *)self)->salt) >> 32) % FOLD_PARTS;
}

static int spilling_add(void *self, uint32_t part, const sdf_column *keys, const sdf_column *values, size_t count,
                        sdf_error **err)
{
    (void)part;
    return spill_add(((spilling *)self)->writer, keys, values, 0, count, err);
}

static int spilling_end(void *self, uint32_t part, sdf_error **err)
{
    spilling *w = self;
    return spill_end_run(w->writer, &w->parts[part], err);
}

int fold_spill_table(fold_spill *s, sdf_error **err)
{
    uint32_t ends[FOLD_PARTS];
    spill_set *set = set_new(s, err);
    if (!set)
        return SDF_E_NO_MEMORY;
    spilling w = {.salt = s->depth + 1, .parts = set->parts};
    fold_target to = {&w, FOLD_PARTS, ends, spilling_part, spilling_add, spilling_end};
    int rc = spill_open(&w.writer, s->env, s->fold->key, s->fold->aggregate->state, err);
    if (rc)
        return rc;
    if ((rc = fold_write(s->fold, &to, err))) {
        spill_abort(w.writer);
        return rc;
    }
    return spill_finish(w.writer, &set->file, err);
}

/* ---- a part in again ---- */

int fold_spill_open(fold_spill *s, uint32_t part, uint32_t i, run **r, sdf_error **err)
{
    *r = NULL;
    if (i >= s->count)
        return SDF_END;
    const spill_extent *x = &s->sets[i].parts[part];
    if (!x->records)
        return SDF_OK;
    return run_open_spill(r, s->env, s->sets[i].file, x, s->fold->key, s->fold->aggregate->state, err);
}

/* ---- many files into one ---- */

static int copy_run(fold_spill *s, uint32_t part, uint32_t i, spill_writer *w, sdf_error **err)
{
    run *r;
    sdf_batch batch;
    int rc = fold_spill_open(s, part, i, &r, err);
    if (rc || !r)
        return rc;
    while (!(rc = run_next(r, &batch, err)))
        if ((rc = spill_add(w, &batch.key, &batch.value, 0, batch.count, err)))
            break;
    run_close(r);
    return rc == SDF_END ? SDF_OK : rc;
}

static int copy_sets(fold_spill *s, uint32_t first, uint32_t end, spill_set *to, sdf_error **err)
{
    spill_writer *w;
    int rc = spill_open(&w, s->env, s->fold->key, s->fold->aggregate->state, err);
    if (rc)
        return rc;
    for (uint32_t p = 0; p < FOLD_PARTS && !rc; p++) {
        for (uint32_t i = first; i < end && !rc; i++)
            rc = copy_run(s, p, i, w, err);
        rc = rc ? rc : spill_end_run(w, &to->parts[p], err);
    }
    if (rc) {
        spill_abort(w);
        return rc;
    }
    return spill_finish(w, &to->file, err);
}

int fold_spill_tidy(fold_spill *s, sdf_error **err)
{
    while (s->count >= CLASS_FILES) {
        uint32_t first = s->count - CLASS_FILES, end = s->count, class = s->sets[first].class;
        if (s->sets[end - 1].class != class)
            return SDF_OK;
        if (class + 1 == CLASSES)
            return error_set(err, SDF_E_LIMIT, "too much was spilled in one task: use more partitions");
        spill_set *to = set_new(s, err);
        if (!to)
            return SDF_E_NO_MEMORY;
        to->class = class + 1;
        int rc = copy_sets(s, first, end, to, err);
        if (rc)
            return rc;
        for (uint32_t i = first; i < end; i++)
            set_free(s, &s->sets[i]);
        s->sets[first] = *to;
        s->count = first + 1;
    }
    return SDF_OK;
}
