/* What the driver knows of each stage: its commits, and the transposed index that consumers' requests are made of. */
#include <stdlib.h>

#include "driver/internal.h"
#include "shuffle/object.h"
#include "shuffle/splitters.h"

void plan_ref_drop(driver *d, plan_ref *p)
{
    if (!p || --p->refs)
        return;
    if (p->stored) {
        char name[TASK_NAME_MAX];
        task_name_plan(name, d->config.context, p->hash);
        garbage_add(d, name);
    }
    plan_free(p->plan);
    buf_free(&p->json);
    free(p);
}

stage *stage_find(const driver *d, uint32_t id)
{
    const uint64_t *s = idmap_find(&d->stages, id);
    return s ? (stage *)(uintptr_t)*s : NULL;
}

/* ---- what it reads ---- */

/* Grows by doubling: its room is the next power of two. */
static int add_parent(stage *s, idmap *seen, uint32_t id)
{
    if (!id || idmap_find(seen, id))
        return SDF_OK;
    uint32_t count = s->parent_count;
    if ((count & (count - 1)) == 0) {
        uint32_t *grown = realloc(s->parents, (count ? count * 2u : 1u) * sizeof *grown);
        if (!grown)
            return SDF_E_NO_MEMORY;
        s->parents = grown;
    }
    if (!idmap_put(seen, id, 1))
        return SDF_E_NO_MEMORY;
    s->parents[s->parent_count++] = id;
    return SDF_OK;
}

static int add_parents(stage *s)
{
    idmap seen = {0};
    int rc = SDF_OK;
    for (uint32_t b = 0; b < s->spec->branch_count; b++)
        for (uint32_t i = 0; i < s->spec->branches[b].leaves && !rc; i++)
            rc = add_parent(s, &seen, plan_leaf(&s->spec->branches[b], i)->source);
    for (uint32_t i = 0; i < s->spec->side_count && !rc; i++)
        rc = add_parent(s, &seen, s->spec->sides[i].source);
    if (!rc && s->indexes) /* the numbers change when its data does */
        rc = add_parent(s, &seen, s->spec->bound_by);
    idmap_free(&seen);
    return rc;
}

/* ---- life ---- */

static int stage_insert(driver *d, stage *s, sdf_error **err)
{
    if (stage_find(d, s->id))
        return error_set(err, SDF_E_INTERNAL, "stage %u was added twice", s->id);
    return idmap_put(&d->stages, s->id, (uintptr_t)s) ? SDF_OK : error_no_memory(err);
}

int stage_new(driver *d, uint32_t id, uint32_t tasks, const plan_stage *spec, plan_ref *ref, stage **out,
              sdf_error **err)
{
    stage *s = calloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err);
    s->id = id;
    s->tasks = tasks;
    s->spec = spec;
    s->limit = UINT64_MAX;
    s->partitions = spec ? spec->output.partitions : 0;
    s->indexes = spec && plan_has_op(spec, PLAN_OP_INDEX);
    s->commits = calloc(tasks ? tasks : 1, sizeof *s->commits);
    int rc = s->commits && (!spec || !add_parents(s)) ? stage_insert(d, s, err) : error_no_memory(err);
    if (rc) {
        stage_free(d, s);
        return rc;
    }
    if (ref) {
        s->plan = ref;
        ref->refs++;
    }
    *out = s;
    return SDF_OK;
}

/* The commit does not stand any more. */
static void uncount(driver *d, stage *s, const commit *c)
{
    if (s->final)
        return;
    driver_counters_add(c, true);
    s->metrics.record_errors -= c->record_errors;
    jobs_uncount_errors(d, s->id, c->record_errors);
}

void stage_remove(driver *d, uint32_t id)
{
    stage *s = stage_find(d, id);
    if (!s)
        return;
    if (!s->spec) {
        char name[TASK_NAME_MAX];
        task_name_object(name, d->config.context, id, 0, 0, 0);
        garbage_add(d, name);
    }
    if (!s->complete) { /* who wants its data makes, and counts, all of it again */
        for (uint32_t t = 0; t < s->tasks; t++)
            for (const commit *c = s->commits[t]; c; c = c->next)
                uncount(d, s, c);
    }
    idmap_remove(&d->stages, id);
    stage_free(d, s);
}

static void commits_free(commit *c)
{
    while (c) {
        commit *next = c->next;
        free(c);
        c = next;
    }
}

void stage_free(driver *d, stage *s)
{
    if (!s)
        return;
    for (uint32_t t = 0; s->commits && t < s->tasks; t++)
        commits_free(s->commits[t]);
    stage_forget_extents(s);
    stage_pieces_clear(&s->pieces, s->tasks);
    plan_ref_drop(d, s->plan);
    buf_free(&s->splitters);
    free(s->commits);
    free(s->parents);
    free(s);
}

void stage_install(driver *d, stage *s, uint32_t task, commit *c)
{
    commit **at = &s->commits[task];
    while (*at && (*at)->leg < c->leg)
        at = &(*at)->next;
    driver_counters_add(c, false);
    if (*at && (*at)->leg == c->leg) {
        commit *old = *at;
        uncount(d, s, old);
        c->next = old->next;
        free(old);
    } else {
        c->next = *at;
    }
    *at = c;
    stage_forget_extents(s);
}

void stage_uninstall(driver *d, stage *s, uint32_t task, uint32_t leg, uint64_t attempt_id)
{
    if (task >= s->tasks)
        return;
    for (commit **at = &s->commits[task]; *at; at = &(*at)->next) {
        if ((*at)->leg == leg && (*at)->attempt == attempt_id) {
            commit *gone = *at;
            uncount(d, s, gone);
            s->complete = false;
            *at = gone->next;
            free(gone);
            stage_forget_extents(s);
            return;
        }
    }
}

const commit *stage_commit(const stage *s, uint32_t task, uint32_t leg, uint64_t attempt_id)
{
    for (const commit *c = task < s->tasks ? s->commits[task] : NULL; c; c = c->next)
        if (c->leg == leg && c->attempt == attempt_id)
            return c;
    return NULL;
}

int stage_bind(driver *d, stage *s, sdf_error **err)
{
    stage *from = stage_find(d, s->spec->bound_by);
    if (!from)
        return error_set(err, SDF_E_INTERNAL, "stage %u is to be bound by stage %u, which is gone", s->id,
                         s->spec->bound_by);
    size_t count = 0;
    for (uint32_t t = 0; t < from->tasks; t++)
        for (const commit *c = from->commits[t]; c; c = c->next)
            count++;
    sdf_slice *samples = malloc((count ? count : 1) * sizeof *samples);
    if (!samples)
        return error_no_memory(err);
    count = 0;
    for (uint32_t t = 0; t < from->tasks; t++)
        for (const commit *c = from->commits[t]; c; c = c->next)
            samples[count++] = commit_get(c, COMMIT_SAMPLES);
    buf_clear(&s->splitters);
    const plan_output *out = &s->spec->output; /* of two levels, the first divides among the partitions of the second */
    int rc = splitters_make(type_of(out->key_type), samples, count, out->spread ? out->spread : out->partitions,
                            &s->splitters, err);
    free(samples);
    return rc;
}
