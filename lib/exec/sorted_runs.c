/* The list of runs: what each costs to read, its file in scratch, its place in the order. */
#include "exec/sorted_runs.h"

#include <stdlib.h>

#include "base/error.h"

int sorted_runs_open(sorted_runs *s, task_env *env, sorted_spec spec, const task_leaf *leaf, uint32_t partition,
                     sdf_error **err)
{
    *s = (sorted_runs){.env = env, .spec = spec, .leaf = leaf, .partition = partition};
    s->extents = leaf ? leaf->extent_count : 0;
    if (!s->extents)
        return SDF_OK;
    uint64_t size = (uint64_t)s->extents * sizeof *s->items;
    int rc = budget_take(env->budget, size, NULL, err);
    if (rc)
        return rc;
    s->charged = size;
    if (!(s->items = malloc(size)))
        return error_no_memory(err);
    s->count = s->capacity = s->extents;
    for (uint32_t i = 0; i < s->count; i++)
        s->items[i] = i;
    return SDF_OK;
}

void sorted_runs_close(sorted_runs *s)
{
    if (!s->env)
        return;
    spill_abort(s->writer);
    for (uint32_t i = 0; i < s->file_count; i++)
        spill_free(s->files[i].file);
    budget_give(s->env->budget, s->charged);
    free(s->files);
    free(s->runs);
    free(s->items);
    memset(s, 0, sizeof *s);
}

/* Room for one more of `size` bytes behind `count`: the array, or NULL. Charged even past the limit: writing a run is
 * how memory is given back. */
static void *grow(sorted_runs *s, void *array, uint32_t count, uint32_t *capacity, size_t size, sdf_error **err)
{
    if (count < *capacity)
        return array;
    uint32_t more = *capacity ? *capacity : 16;
    void *bigger = realloc(array, ((size_t)*capacity + more) * size);
    if (!bigger) {
        error_no_memory(err);
        return NULL;
    }
    budget_force(s->env->budget, more * size);
    s->charged += more * size;
    *capacity += more;
    return bigger;
}

int sorted_runs_writer(sorted_runs *s, spill_writer **w, sdf_error **err)
{
    *w = s->writer;
    if (s->writer)
        return SDF_OK;
    scratch_file *bigger = realloc(s->files, (s->file_count + 1) * sizeof *bigger);
    if (!bigger)
        return error_no_memory(err);
    s->files = bigger;
    int rc = spill_open(&s->writer, s->env, s->spec.key, s->spec.value, err);
    if (rc) {
        s->writer = NULL;
        return rc;
    }
    s->files[s->file_count++] = (scratch_file){NULL, 0};
    *w = s->writer;
    return SDF_OK;
}

int sorted_runs_end_run(sorted_runs *s, sdf_error **err)
{
    scratch_run *runs = grow(s, s->runs, s->run_count, &s->run_capacity, sizeof *runs, err);
    if (!runs)
        return SDF_E_NO_MEMORY;
    s->runs = runs;
    uint32_t *items = grow(s, s->items, s->count, &s->capacity, sizeof *items, err);
    if (!items)
        return SDF_E_NO_MEMORY;
    s->items = items;
    scratch_run *r = &s->runs[s->run_count];
    r->file = s->file_count - 1;
    int rc = spill_end_run(s->writer, &r->extent, err);
    if (rc)
        return rc;
    s->files[r->file].unread++;
    s->items[s->count++] = s->extents + s->run_count++;
    return SDF_OK;
}

int sorted_runs_end_file(sorted_runs *s, sdf_error **err)
{
    spill_writer *w = s->writer;
    s->writer = NULL;
    return w ? spill_finish(w, &s->files[s->file_count - 1].file, err) : SDF_OK;
}

uint64_t sorted_runs_cost(const sorted_runs *s, uint32_t i)
{
    uint32_t item = s->items[i];
    return run_cost(item < s->extents ? s->leaf->extents[item].max_raw : s->runs[item - s->extents].extent.max_raw);
}

static int item_open(sorted_runs *s, uint32_t item, run **r, sdf_error **err)
{
    if (item < s->extents)
        return run_open_extent(r, s->env, s->leaf->stage, s->partition, &s->leaf->extents[item], s->spec.key,
                               s->spec.value, err);
    const scratch_run *x = &s->runs[item - s->extents];
    return run_open_spill(r, s->env, s->files[x->file].file, &x->extent, s->spec.key, s->spec.value, err);
}

int sorted_runs_merge(sorted_runs *s, uint32_t first, uint32_t count, merge **m, sdf_error **err)
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
    return merge_new(m, s->env, s->spec.key, s->spec.value, s->spec.descending, runs, count, err);
}

/* An item is merged: its file goes when it was the last one to read there. */
static void item_done(sorted_runs *s, uint32_t item)
{
    if (item < s->extents)
        return;
    scratch_file *f = &s->files[s->runs[item - s->extents].file];
    if (!--f->unread) {
        spill_free(f->file);
        f->file = NULL;
    }
}

void sorted_runs_replace(sorted_runs *s, uint32_t first, uint32_t count)
{
    uint32_t merged = s->items[--s->count];
    for (uint32_t i = 0; i < count; i++)
        item_done(s, s->items[first + i]);
    s->items[first] = merged;
    memmove(&s->items[first + 1], &s->items[first + count], (s->count - first - count) * sizeof *s->items);
    s->count -= count - 1;
}
