/* Environments, and objects with known contents, for the tests of this room. */
#ifndef TEST_SHUFFLE_OBJECTS_H
#define TEST_SHUFFLE_OBJECTS_H

#include "records.h"

#include <stdio.h>
#include <unistd.h>

#include "base/path.h"
#include "shuffle/object.h"
#include "shuffle/run.h"

#define MB (1u << 20)

typedef struct world {
    task_env env;
    task_request request;
    plan plan;
    budget budget;
    char dir[64]; /* of a file: store and of scratch */
} world;

/* kind: "mem:", "file:" (in a folder of its own) or any other URI; "{}" in it stands for the folder. */
static inline void world_open(world *w, const char *uri, uint64_t memory, uint32_t block_bytes)
{
    memset(w, 0, sizeof *w);
    strcpy(w->dir, "/tmp/sdf-shuffle-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    char text[256];
    const char *hole = strstr(uri, "{}");
    if (hole)
        snprintf(text, sizeof text, "%.*s%s/store%s", (int)(hole - uri), uri, w->dir, hole + 2);
    else
        snprintf(text, sizeof text, "%s", uri);
    assert_ok(store_open(text, &w->env.store, err));
    budget_init(&w->budget, memory);
    w->request =
        (task_request){.context = 0xabc, .stage = 3, .task = 7, .leg = 1, .attempt = 42, .block_bytes = block_bytes};
    w->env.request = &w->request;
    w->env.budget = &w->budget;
    w->env.plan = &w->plan;
    w->env.clock = &timebase_real;
    w->env.scratch_dir = w->dir;
}

static inline void world_close(world *w)
{
    assert_int_equal(w->budget.used, 0);
    store_unref(w->env.store);
    assert_ok(path_remove_tree(w->dir, err));
}

static inline object_ids ids_of(uint32_t task)
{
    return (object_ids){0xabc, 3, task, 0, 100 + task};
}

/* Records of one object: run r, partition p has keys[r][p], values[r][p]. */
#define RUNS_MAX       4
#define PARTITIONS_MAX 40
typedef struct contents {
    uint32_t runs, partitions;
    type_kind key, value;
    values keys[RUNS_MAX][PARTITIONS_MAX], vals[RUNS_MAX][PARTITIONS_MAX];
} contents;

/* Some partitions are empty, one is large. */
static inline contents *contents_make(uint64_t seed, uint32_t runs, uint32_t partitions, type_kind key, shape ks,
                                      type_kind value, shape vs, size_t records)
{
    contents *c = calloc(1, sizeof *c);
    rng r = {seed};
    c->runs = runs;
    c->partitions = partitions;
    c->key = key;
    c->value = value;
    for (uint32_t i = 0; i < runs; i++)
        for (uint32_t p = 0; p < partitions; p++) {
            size_t n = rng_below(&r, 3) ? rng_below(&r, records) : 0;
            if (p == partitions / 2)
                n = records * 10;
            c->keys[i][p] = values_make(&r, ks, n);
            c->vals[i][p] = values_make(&r, vs, n);
        }
    return c;
}

static inline void contents_free(contents *c)
{
    for (uint32_t i = 0; i < c->runs; i++)
        for (uint32_t p = 0; p < c->partitions; p++) {
            values_free(&c->keys[i][p]);
            values_free(&c->vals[i][p]);
        }
    free(c);
}

/* Adds everything in batches of at most 128 in changing layouts; some by ones. */
static inline int contents_add_as(const contents *c, object_writer *w, uint64_t seed, sdf_error **err)
{
    rng r = {seed};
    int rc = SDF_OK;
    for (uint32_t i = 0; i < c->runs && rc == SDF_OK; i++) {
        for (uint32_t p = 0; p < c->partitions && rc == SDF_OK; p++) {
            const values *k = &c->keys[i][p], *v = &c->vals[i][p];
            for (size_t at = 0; at < k->count && rc == SDF_OK;) {
                size_t n = rng_below(&r, 128) + 1;
                n = n < k->count - at ? n : k->count - at;
                if (rng_below(&r, 10) == 0) {
                    rc = object_writer_add_one(w, p, &k->at[at], &v->at[at], err);
                    at++;
                    continue;
                }
                made_column kc = column_make(k, at, n, (sdf_layout)rng_below(&r, 4));
                made_column vc = column_make(v, at, n, (sdf_layout)rng_below(&r, 4));
                rc = object_writer_add(w, p, &kc.column, &vc.column, 0, n, err);
                column_drop(&kc);
                column_drop(&vc);
                at += n;
            }
        }
        if (rc == SDF_OK && i + 1 < c->runs)
            rc = object_writer_end_run(w, err);
    }
    return rc;
}

static inline int contents_add(const contents *c, object_writer *w, sdf_error **err)
{
    return contents_add_as(c, w, 5, err);
}

/* The extents of a partition as a reducer gets them. */
static inline uint32_t extents_of(const shuffle_index *x, const object_ids *ids, uint32_t partition, task_extent *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        const index_extent *e = &x->extents[i];
        if (e->partition == partition)
            out[n++] =
                (task_extent){ids->task, ids->leg, ids->attempt, e->offset, e->stored, e->raw, e->records, e->max_raw};
    }
    return n;
}

/* The run gives the records of these columns one after another, then ends. Returns what run_next returned last. */
static inline int run_matches(run *r, const values *const *keys, const values *const *vals, size_t columns,
                              sdf_error **err)
{
    sdf_batch batch;
    size_t c = 0, at = 0;
    int rc;
    while ((rc = run_next(r, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < batch.count; i++) {
            while (c < columns && at == keys[c]->count) {
                c++;
                at = 0;
            }
            assert_true(c < columns);
            sdf_slice k = column_get(&batch.key, i), v = column_get(&batch.value, i);
            assert_int_equal(k.size, keys[c]->at[at].size);
            assert_int_equal(v.size, vals[c]->at[at].size);
            assert_true(k.size == 0 || memcmp(k.data, keys[c]->at[at].data, k.size) == 0);
            assert_true(v.size == 0 || memcmp(v.data, vals[c]->at[at].data, v.size) == 0);
            at++;
        }
    }
    if (rc == SDF_END) {
        while (c < columns && at == keys[c]->count) {
            c++;
            at = 0;
        }
        assert_int_equal(c, columns);
    }
    return rc;
}

#endif
