/* From any number of sorted runs to as many as memory can hold open: neighbouring runs are merged into scratch, pass by
 * pass, so that the order of the runs, and with it stability, is kept. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/merge.h"

/* A run in scratch. */
typedef struct spilled {
    spill_extent extent;
    uint32_t pass;
} spilled;

typedef struct pass {
    spill_file *file;
    uint32_t unread; /* its runs that nobody has merged yet */
} pass;

struct sorted_input {
    task_env *env;
    const plan_input *spec;
    type_kind key, value;
    bool descending;
    uint32_t *items; /* runs in order: an extent of the request, or, from extents on, one in scratch */
    uint32_t count, extents;
    spilled *spills;
    uint32_t spill_count, spill_capacity;
    pass *passes;
    uint32_t pass_count;
    uint64_t charged;
    merge *merge;
};

static uint64_t item_cost(const sorted_input *s, uint32_t item)
{
    if (item < s->extents)
        return run_cost(s->env->request->extents[item].max_raw);
    return run_cost(s->spills[item - s->extents].extent.max_raw);
}

static int item_open(sorted_input *s, uint32_t item, run **r, sdf_error **err)
{
    if (item < s->extents)
        return run_open_extent(r, s->env, s->spec->source, s->env->request->task, &s->env->request->extents[item],
                               s->key, s->value, err);
    spilled *x = &s->spills[item - s->extents];
    return run_open_spill(r, s->env, s->passes[x->pass].file, &x->extent, s->key, s->value, err);
}

/* How many items from `first` on can be open at once in `memory` bytes. */
static uint32_t items_fit(const sorted_input *s, uint32_t first, uint64_t memory)
{
    uint64_t sum = sizeof(sdf_batch) * MERGE_RUNS_MAX;
    uint32_t n = 0;
    for (; first + n < s->count && n < MERGE_RUNS_MAX; n++) {
        sum += item_cost(s, s->items[first + n]);
        if (sum > memory)
            break;
    }
    return n;
}

static int merge_items(sorted_input *s, uint32_t first, uint32_t count, merge **m, sdf_error **err)
{
    run *runs[MERGE_RUNS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        int rc = item_open(s, s->items[first + i], &runs[i], err);
        if (!rc)
            continue;
        while (i--)
            run_close(runs[i]);
        return rc;
    }
    return merge_new(m, s->env, s->key, s->value, s->descending, runs, count, err);
}

static int merge_copy(sorted_input *s, merge *m, spill_writer *w, sdf_error **err)
{
    sdf_batch batch;
    int rc;
    for (uint32_t n = 0; !(rc = merge_next(m, &batch, err)); n++) {
        rc = op_check(s->env, n, err);
        rc = rc ? rc : spill_add(w, &batch.key, &batch.value, 0, batch.count, err);
        if (rc)
            return rc;
    }
    return rc == SDF_END ? SDF_OK : rc;
}

static int spills_grow(sorted_input *s, sdf_error **err)
{
    uint32_t capacity = s->spill_capacity ? s->spill_capacity * 2 : 16;
    uint64_t more = (capacity - s->spill_capacity) * sizeof *s->spills;
    int rc = budget_take(s->env->budget, more, NULL, err);
    if (rc)
        return rc;
    s->charged += more;
    spilled *bigger = realloc(s->spills, capacity * sizeof *bigger);
    if (!bigger)
        return error_no_memory(err);
    s->spills = bigger;
    s->spill_capacity = capacity;
    return SDF_OK;
}

/* An item is merged: its file goes when it was the last one to read there. */
static void item_done(sorted_input *s, uint32_t item)
{
    if (item < s->extents)
        return;
    pass *p = &s->passes[s->spills[item - s->extents].pass];
    if (!--p->unread) {
        spill_free(p->file);
        p->file = NULL;
    }
}

/* Merges items first.. into one run of the pass, which takes their place. */
static int merge_group(sorted_input *s, spill_writer *w, uint32_t first, uint32_t count, sdf_error **err)
{
    merge *m = NULL;
    int rc = s->spill_count == s->spill_capacity ? spills_grow(s, err) : SDF_OK;
    if (rc)
        return rc;
    spilled *to = &s->spills[s->spill_count];
    to->pass = s->pass_count - 1;
    rc = merge_items(s, first, count, &m, err);
    rc = rc ? rc : merge_copy(s, m, w, err);
    rc = rc ? rc : spill_end_run(w, &to->extent, err);
    merge_free(m);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < count; i++)
        item_done(s, s->items[first + i]);
    s->passes[to->pass].unread++;
    s->items[first] = s->extents + s->spill_count++;
    memmove(&s->items[first + 1], &s->items[first + count], (s->count - first - count) * sizeof *s->items);
    s->count -= count - 1;
    return SDF_OK;
}

/* Memory for the last merge: half of what is left, as operators further on need some too. */
static bool all_fit(const sorted_input *s, uint64_t memory)
{
    return items_fit(s, 0, memory) == s->count;
}

static int merge_pass(sorted_input *s, spill_writer *w, bool *advanced, sdf_error **err)
{
    *advanced = false;
    for (uint32_t at = 0; at < s->count; at++) {
        uint64_t left = budget_left(s->env->budget);
        if (all_fit(s, left / 2))
            break;
        uint32_t n = items_fit(s, at, left - left / 4);
        /* No more than is needed to end with as many runs as fit. */
        uint32_t most = items_fit(s, 0, left / 2);
        if (most > 1 && s->count - most + 1 < n)
            n = s->count - most + 1;
        if (n < 2)
            continue;
        int rc = merge_group(s, w, at, n, err);
        if (rc)
            return rc;
        *advanced = true;
    }
    return SDF_OK;
}

static int merge_too_big(sorted_input *s, sdf_error **err)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->count; i++)
        most = item_cost(s, s->items[i]) > most ? item_cost(s, s->items[i]) : most;
    error_set(err, SDF_E_NO_MEMORY,
              "two sorted runs can't be open at once: one takes %llu bytes for its largest block, and %llu of the "
              "task's %llu are free",
              (unsigned long long)most, (unsigned long long)budget_left(s->env->budget),
              (unsigned long long)s->env->budget->limit);
    error_hint(err, "raise the setting \"memory\" (--memory), or split the largest records");
    return SDF_E_NO_MEMORY;
}

static int run_pass(sorted_input *s, bool *advanced, sdf_error **err)
{
    spill_writer *w;
    pass *bigger = realloc(s->passes, (s->pass_count + 1) * sizeof *bigger);
    if (!bigger)
        return error_no_memory(err);
    s->passes = bigger;
    s->passes[s->pass_count++] = (pass){NULL, 0};
    int rc = spill_open(&w, s->env, s->key, s->value, err);
    if (rc)
        return rc;
    if ((rc = merge_pass(s, w, advanced, err))) {
        spill_abort(w);
        return rc;
    }
    return spill_finish(w, &s->passes[s->pass_count - 1].file, err);
}

/* Passes until all that is left can be open at once. */
static int merge_down(sorted_input *s, sdf_error **err)
{
    while (!all_fit(s, budget_left(s->env->budget) / 2)) {
        bool advanced = false;
        int rc = run_pass(s, &advanced, err);
        if (rc)
            return rc;
        if (advanced)
            continue;
        uint64_t left = budget_left(s->env->budget);
        return all_fit(s, left - left / 8) ? SDF_OK : merge_too_big(s, err);
    }
    return SDF_OK;
}

int sorted_input_open(sorted_input **out, task_env *env, const plan_input *spec, bool descending, sdf_error **err)
{
    uint32_t count = env->request->extent_count;
    uint64_t size = (uint64_t)count * sizeof(uint32_t);
    int rc = budget_take(env->budget, size, NULL, err);
    if (rc)
        return rc;
    sorted_input *s = calloc(1, sizeof *s);
    uint32_t *items = malloc(size ? size : 1);
    if (!s || !items) {
        budget_give(env->budget, size);
        free(items);
        free(s);
        return error_no_memory(err);
    }
    *s = (sorted_input){.env = env, .spec = spec, .descending = descending, .items = items, .count = count};
    s->key = type_of(spec->stored_key_type);
    s->value = type_of(spec->stored_value_type);
    s->extents = count;
    s->charged = size;
    for (uint32_t i = 0; i < count; i++)
        items[i] = i;
    rc = merge_down(s, err);
    rc = rc ? rc : merge_items(s, 0, s->count, &s->merge, err);
    if (rc) {
        sorted_input_close(s);
        return rc;
    }
    *out = s;
    return SDF_OK;
}

int sorted_input_next(sorted_input *s, sdf_batch *batch, sdf_error **err)
{
    return merge_next(s->merge, batch, err);
}

void sorted_input_close(sorted_input *s)
{
    if (!s)
        return;
    merge_free(s->merge);
    for (uint32_t i = 0; i < s->pass_count; i++)
        spill_free(s->passes[i].file);
    budget_give(s->env->budget, s->charged);
    free(s->passes);
    free(s->spills);
    free(s->items);
    free(s);
}
