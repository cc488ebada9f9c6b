/* From many sorted runs to as many as a share of memory holds open, and these as one stream. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/room.h"
#include "exec/sorted_runs.h"

/* How many items from `first` on can be open at once in `memory` bytes. */
static uint32_t items_fit(const sorted_runs *s, uint32_t first, uint64_t memory)
{
    uint64_t sum = sizeof(sdf_batch) * MERGE_RUNS_MAX;
    uint32_t n = 0;
    for (; first + n < s->count && n < MERGE_RUNS_MAX; n++) {
        sum += sorted_runs_cost(s, first + n);
        if (sum > memory)
            break;
    }
    return n;
}

static bool all_fit(const sorted_runs *s, uint64_t memory)
{
    return items_fit(s, 0, memory) == s->count;
}

/* Memory for the last merge: operators further on need as much as each of the streams that are read together. */
static uint64_t last_memory(const sorted_runs *s, uint32_t share)
{
    return budget_left(s->env->budget) / ((uint64_t)share + 1);
}

static int merge_copy(sorted_runs *s, merge *m, spill_writer *w, sdf_error **err)
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

/* Merges items first.. into one run in scratch, which takes their place. */
static int merge_group(sorted_runs *s, uint32_t first, uint32_t count, sdf_error **err)
{
    merge *m = NULL;
    int rc = sorted_runs_merge(s, first, count, &m, err);
    rc = rc ? rc : merge_copy(s, m, s->writer, err);
    rc = rc ? rc : sorted_runs_end_run(s, err);
    merge_free(m);
    if (!rc)
        sorted_runs_replace(s, first, count);
    return rc;
}

static int merge_pass(sorted_runs *s, uint32_t share, bool *advanced, sdf_error **err)
{
    *advanced = false;
    for (uint32_t at = 0; at < s->count; at++) {
        uint64_t left = budget_left(s->env->budget);
        if (all_fit(s, last_memory(s, share)))
            break;
        uint32_t n = items_fit(s, at, left - left / 4);
        /* No more than is needed to end with as many runs as fit. */
        uint32_t most = items_fit(s, 0, last_memory(s, share));
        if (most > 1 && s->count - most + 1 < n)
            n = s->count - most + 1;
        if (n < 2)
            continue;
        int rc = merge_group(s, at, n, err);
        if (rc)
            return rc;
        *advanced = true;
    }
    return SDF_OK;
}

static int merge_too_big(sorted_runs *s, sdf_error **err)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->count; i++)
        most = sorted_runs_cost(s, i) > most ? sorted_runs_cost(s, i) : most;
    error_set(err, SDF_E_NO_MEMORY,
              "two sorted runs can't be open at once: one takes %llu bytes for its largest block, and %llu of the "
              "task's %llu are free",
              (unsigned long long)most, (unsigned long long)budget_left(s->env->budget),
              (unsigned long long)s->env->budget->limit);
    error_hint(err, "raise the setting \"memory\" (--memory), or split the largest records");
    return SDF_E_NO_MEMORY;
}

/* Passes until all that is left can be open at once. */
static int merge_down(sorted_runs *s, uint32_t share, sdf_error **err)
{
    while (!all_fit(s, last_memory(s, share))) {
        bool advanced = false;
        spill_writer *w;
        int rc = sorted_runs_writer(s, &w, err);
        rc = rc ? rc : merge_pass(s, share, &advanced, err);
        rc = rc ? rc : sorted_runs_end_file(s, err);
        if (rc)
            return rc;
        if (advanced)
            continue;
        uint64_t left = budget_left(s->env->budget);
        return all_fit(s, left - left / 8) ? SDF_OK : merge_too_big(s, err);
    }
    return SDF_OK;
}

int sorted_runs_read(sorted_runs *s, uint32_t share, merge **m, sdf_error **err)
{
    int rc = s->count ? make_room(s->env->budget, s->env->budget->limit / ((uint64_t)share + 2), err) : SDF_OK;
    rc = rc ? rc : merge_down(s, share, err);
    return rc ? rc : sorted_runs_merge(s, 0, s->count, m, err);
}

/* ---- a leaf as a stream ---- */

typedef struct sorted_input {
    sorted_stream base;
    sorted_runs runs;
    merge *merge;
} sorted_input;

static int input_next(sorted_stream *self, sdf_batch *batch, sdf_error **err)
{
    return merge_next(((sorted_input *)self)->merge, batch, err);
}

static void input_close(sorted_stream *self)
{
    sorted_input *s = (sorted_input *)self;
    merge_free(s->merge);
    sorted_runs_close(&s->runs);
    free(s);
}

int sorted_input_open(sorted_stream **out, task_env *env, sorted_spec spec, const task_leaf *leaf, uint32_t partition,
                      uint32_t share, sdf_error **err)
{
    sorted_input *s = calloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err);
    s->base = (sorted_stream){input_next, input_close};
    int rc = sorted_runs_open(&s->runs, env, spec, leaf, partition, err);
    rc = rc ? rc : sorted_runs_read(&s->runs, share, &s->merge, err);
    if (rc) {
        input_close(&s->base);
        return rc;
    }
    *out = &s->base;
    return SDF_OK;
}
