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

int stage_insert(driver *d, stage *s, sdf_error **err)
{
    if (stage_find(d, s->id))
        return error_set(err, SDF_E_INTERNAL, "stage %u was added twice", s->id);
    return idmap_put(&d->stages, s->id, (uintptr_t)s) ? SDF_OK : error_no_memory(err);
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
    for (uint32_t t = 0; t < s->tasks; t++) {
        if (s->commits)
            commits_free(s->commits[t]);
        if (s->splits)
            free(s->splits[t].path);
    }
    stage_forget_extents(s);
    output_abort(s->output);
    plan_ref_drop(d, s->plan);
    buf_free(&s->splitters);
    free(s->commits);
    free(s->splits);
    free(s);
}

void stage_forget_extents(stage *s)
{
    free(s->extents);
    free(s->first);
    s->extents = NULL;
    s->first = NULL;
}

void stage_install(driver *d, stage *s, uint32_t task, commit *c)
{
    commit **at = &s->commits[task];
    while (*at && (*at)->leg < c->leg)
        at = &(*at)->next;
    if (*at && (*at)->leg == c->leg) {
        commit *old = *at;
        c->next = old->next;
        free(old);
    } else {
        c->next = *at;
    }
    *at = c;
    stage_forget_extents(s);
}

void stage_uninstall(stage *s, uint32_t task, uint32_t leg, uint64_t attempt_id)
{
    if (task >= s->tasks)
        return;
    for (commit **at = &s->commits[task]; *at; at = &(*at)->next) {
        if ((*at)->leg == leg && (*at)->attempt == attempt_id) {
            commit *gone = *at;
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

static int index_decode(const stage *s, const commit *c, shuffle_index *x, sdf_error **err)
{
    sdf_slice bytes = commit_index(c);
    int rc = shuffle_index_decode(bytes.data, bytes.size, x, err);
    if (rc || x->partitions == s->partitions)
        return rc;
    error_set(err, SDF_E_CORRUPT, "the shuffle index is of %u partitions, not %u", x->partitions, s->partitions);
    shuffle_index_clear(x);
    return SDF_E_CORRUPT;
}

int stage_check_index(const stage *s, const commit *c, sdf_error **err)
{
    shuffle_index x;
    int rc = index_decode(s, c, &x, err);
    if (!rc)
        shuffle_index_clear(&x);
    return rc;
}

/* Decodes every leg's index of the stage, in (task, leg) order, and hands each extent to `visit`. */
static int stage_each_extent(stage *s, void (*visit)(stage *s, const task_extent *x, uint32_t partition),
                             sdf_error **err)
{
    for (uint32_t t = 0; t < s->tasks; t++) {
        for (const commit *c = s->commits[t]; c; c = c->next) {
            shuffle_index x;
            int rc = index_decode(s, c, &x, err);
            if (rc) {
                error_prefix(err, "index of stage %u task %u leg %u", s->id, t, c->leg);
                return rc;
            }
            for (uint32_t i = 0; i < x.count; i++) {
                const index_extent *e = &x.extents[i];
                task_extent out = {t, c->leg, c->attempt, e->offset, e->stored, e->raw, e->records, e->max_raw};
                visit(s, &out, e->partition);
            }
            shuffle_index_clear(&x);
        }
    }
    return SDF_OK;
}

/* While the extents are placed, first[p+1] is where the next one of partition p goes; at the end it is where
 * p ends, which is where p+1 begins. */
static void visit_count(stage *s, const task_extent *x, uint32_t partition)
{
    s->first[partition + 2]++;
}

static void visit_place(stage *s, const task_extent *x, uint32_t partition)
{
    s->extents[s->first[partition + 1]++] = *x;
}

static int stage_transpose(stage *s, sdf_error **err)
{
    s->first = calloc((size_t)s->partitions + 2, sizeof *s->first);
    if (!s->first)
        return error_no_memory(err);
    int rc = stage_each_extent(s, visit_count, err);
    if (rc)
        return rc;
    for (uint32_t p = 1; p <= s->partitions + 1; p++)
        s->first[p] += s->first[p - 1];
    uint32_t total = s->first[s->partitions + 1];
    s->extents = malloc((total ? total : 1) * sizeof *s->extents);
    if (!s->extents)
        return error_no_memory(err);
    return stage_each_extent(s, visit_place, err);
}

int stage_extents(driver *d, stage *s, uint32_t partition, const task_extent **x, uint32_t *count, sdf_error **err)
{
    if (partition >= s->partitions)
        return error_set(err, SDF_E_INTERNAL, "stage %u has no partition %u", s->id, partition);
    if (!s->extents) {
        int rc = stage_transpose(s, err);
        if (rc) {
            stage_forget_extents(s);
            return rc;
        }
    }
    *x = s->extents + s->first[partition];
    *count = s->first[partition + 1] - s->first[partition];
    return SDF_OK;
}

int stage_bind(driver *d, stage *s, sdf_error **err)
{
    stage *from = stage_find(d, s->spec->sampled_by);
    if (!from)
        return error_set(err, SDF_E_INTERNAL, "stage %u is to be bound by stage %u, which is gone", s->id,
                         s->spec->sampled_by);
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
            samples[count++] = commit_samples(c);
    buf_clear(&s->splitters);
    int rc = splitters_make(type_of(s->spec->output.key_type), samples, count, s->spec->output.partitions,
                            &s->splitters, err);
    free(samples);
    return rc;
}
