/* Runs over stores that fail: patience with what passes, blame for what stays, and never other records than were
 * written. Spills, with and without a disk. */
#include "objects.h"

#include <signal.h>
#include <sys/resource.h>
#include <dirent.h>

/* ---- objects under faults ---- */

typedef struct one_object {
    contents *c;
    shuffle_index x;
    task_extent extents[RUNS_MAX * PARTITIONS_MAX];
    char name[TASK_NAME_MAX];
} one_object;

static void object_open(one_object *o, world *w, uint32_t runs, size_t records)
{
    object_writer *writer = NULL;
    object_ids ids = ids_of(1);
    uint64_t bytes;
    o->c = contents_make(21, runs, 4, TYPE_BYTES, SHAPE_SHORT, TYPE_I64, SHAPE_I32, records);
    assert_ok(object_writer_open(&writer, &w->env, &ids, 4, TYPE_BYTES, TYPE_I64, 0, err));
    assert_ok(contents_add(o->c, writer, err));
    assert_ok(object_writer_commit(writer, &o->x, NULL, &bytes, err));
    task_name_object(o->name, ids.context, ids.stage, ids.task, ids.leg, ids.attempt);
}

static void object_close(one_object *o)
{
    contents_free(o->c);
    shuffle_index_clear(&o->x);
}

/* What reading partition p gives: SDF_END after exactly its records, or an error. */
static int read_partition(one_object *o, world *w, uint32_t p, sdf_error **err)
{
    object_ids ids = ids_of(1);
    const values *keys[RUNS_MAX], *vals[RUNS_MAX];
    for (uint32_t i = 0; i < o->c->runs; i++) {
        keys[i] = &o->c->keys[i][p];
        vals[i] = &o->c->vals[i][p];
    }
    run *r = NULL;
    uint32_t n = extents_of(&o->x, &ids, p, o->extents);
    int rc = run_open_extents(&r, &w->env, 3, p, o->extents, n, TYPE_BYTES, TYPE_I64, err);
    if (rc != SDF_OK)
        return rc;
    rc = run_matches(r, keys, vals, o->c->runs, err);
    if (rc != SDF_END) {
        sdf_batch batch;
        assert_int_equal(run_next(r, &batch, NULL), rc);
    }
    run_close(r);
    assert_int_equal(w->budget.used, 0);
    return rc;
}

/* Puts the object's bytes, changed by `change`, back under the same name. */
static void rewrite(world *w, one_object *o, size_t cut, size_t flip)
{
    sdf_view view;
    assert_ok(store_get(w->env.store, o->name, UINT64_MAX, &view, err));
    uint8_t *p = malloc(view.size);
    memcpy(p, view.data, view.size);
    if (flip < view.size)
        p[flip] ^= 0x10;
    size_t size = cut < view.size ? cut : view.size;
    store_release(&view);
    const char *name = o->name;
    assert_ok(w->env.store->ops->remove(w->env.store->self, &name, 1, err));
    assert_ok(store_put(w->env.store, o->name, p, size, err));
    free(p);
}

/* Reading partition p fails, and says whose fault it is. */
static void assert_blamed(one_object *o, world *w, uint32_t p, int expected)
{
    sdf_error *err = NULL;
    assert_int_equal(read_partition(o, w, p, &err), expected);
    assert_int_equal(sdf_error_code(err), expected);
    assert_non_null(strstr(sdf_error_message(err), "sdf-0000000000000abc/s3/t1.0.a101"));
    assert_true(*sdf_error_hint(err) != 0);
    assert_true(w->env.upstream_failed);
    assert_int_equal(w->env.bad_stage, 3);
    assert_int_equal(w->env.bad_task, 1);
    assert_int_equal(w->env.bad_leg, 0);
    assert_int_equal(w->env.bad_attempt, 101);
    w->env.upstream_failed = false;
    sdf_error_free(err);
}

static void test_missing_and_damaged_objects(void **state)
{
    static const char *const uris[] = {"mem:", "file:{}"};
    for (size_t u = 0; u < 2; u++) {
        world w;
        one_object o;
        world_open(&w, uris[u], 4 * MB, 4096);
        object_open(&o, &w, 2, 300);
        for (uint32_t p = 0; p < 4; p++)
            assert_int_equal(read_partition(&o, &w, p, NULL), SDF_END);
        /* A bit in the middle of partition 2; the others are fine still. */
        const index_extent *e = &o.x.extents[o.x.count / 2];
        while (e->partition != 2)
            e = e->partition < 2 ? e + 1 : e - 1;
        rewrite(&w, &o, SIZE_MAX, e->offset + e->stored / 2);
        assert_blamed(&o, &w, 2, SDF_E_CORRUPT);
        assert_int_equal(read_partition(&o, &w, 1, NULL), SDF_END);
        rewrite(&w, &o, SIZE_MAX, e->offset + e->stored / 2); /* back */
        assert_int_equal(read_partition(&o, &w, 2, NULL), SDF_END);
        /* A header that is another object's. */
        if (o.x.extents[0].offset == OBJECT_HEADER_BYTES) {
            rewrite(&w, &o, SIZE_MAX, 20);
            assert_blamed(&o, &w, o.x.extents[0].partition, SDF_E_CORRUPT);
            rewrite(&w, &o, SIZE_MAX, 20);
        }
        /* Cut short. */
        rewrite(&w, &o, (size_t)(e->offset + e->stored / 2), SIZE_MAX);
        assert_blamed(&o, &w, 2, SDF_E_CORRUPT);
        /* Gone. */
        const char *name = o.name;
        assert_ok(w.env.store->ops->remove(w.env.store->self, &name, 1, err));
        assert_blamed(&o, &w, 2, SDF_E_NOT_FOUND);
        object_close(&o);
        world_close(&w);
    }
}

/* An index that does not fit the blocks is caught, whatever it says. */
static void test_lying_index(void **state)
{
    world w;
    one_object o;
    world_open(&w, "file:{}", 4 * MB, 2048);
    object_open(&o, &w, 1, 200);
    rng r = {4};
    for (int round = 0; round < 3000; round++) {
        object_ids ids = ids_of(1);
        uint32_t n = extents_of(&o.x, &ids, 2, o.extents);
        task_extent *x = &o.extents[rng_below(&r, n)];
        uint64_t *fields[] = {&x->offset, &x->stored, &x->raw, &x->records};
        uint64_t bit = UINT64_C(1) << rng_below(&r, 22);
        if (rng_below(&r, 5) == 0)
            x->max_raw ^= (uint32_t)bit;
        else
            *fields[rng_below(&r, 4)] ^= rng_below(&r, 8) ? bit : UINT64_C(1) << rng_below(&r, 64);
        run *run_ = NULL;
        sdf_batch batch;
        const values *keys = &o.c->keys[0][2];
        uint64_t seen = 0;
        int rc = run_open_extents(&run_, &w.env, 3, 2, o.extents, n, TYPE_BYTES, TYPE_I64, NULL);
        while (rc == SDF_OK && (rc = run_next(run_, &batch, NULL)) == SDF_OK)
            seen += batch.count;
        run_close(run_);
        assert_true(rc < 0 || (rc == SDF_END && seen == keys->count)); /* max_raw larger than need be does no harm */
        assert_int_equal(w.budget.used, 0);
        assert_true(w.budget.peak <= w.budget.limit);
    }
    object_close(&o);
    world_close(&w);
}

static void test_passing_faults(void **state)
{
    /* A task sees each of these now and then, and reads on. */
    static const char *const uris[] = {"fault:seed=%d,read_error=0.1:mem:", "fault:seed=%d,throttle=0.1:file:{}",
                                       "fault:seed=%d,read_flip=0.02:file:{}",
                                       "fault:seed=%d,read_missing=0.02:mem:", "fault:seed=%d,read_short=0.02:file:{}"};
    for (size_t u = 0; u < 5; u++) {
        int good = 0, bad = 0;
        for (int seed = 1; seed <= 6; seed++) {
            char uri[200];
            snprintf(uri, sizeof uri, uris[u], seed);
            world w;
            one_object o;
            world_open(&w, uri, 512 << 10, 2048);
            object_ids ids = ids_of(1);
            object_writer *writer = NULL;
            /* Throttling may hit the writer: then the whole attempt is repeated. */
            int rc = SDF_E_THROTTLED;
            uint64_t bytes;
            o.c = contents_make(21, 2, 4, TYPE_BYTES, SHAPE_SHORT, TYPE_I64, SHAPE_I32, 200);
            while (rc == SDF_E_THROTTLED) {
                assert_ok(object_writer_open(&writer, &w.env, &ids, 4, TYPE_BYTES, TYPE_I64, 0, err));
                rc = contents_add(o.c, writer, NULL);
                if (rc == SDF_OK)
                    rc = object_writer_commit(writer, &o.x, NULL, &bytes, NULL);
                else
                    object_writer_abort(writer);
            }
            assert_int_equal(rc, SDF_OK);
            for (uint32_t p = 0; p < 4; p++) {
                sdf_error *err = NULL;
                rc = read_partition(&o, &w, p, &err);
                good += rc == SDF_END;
                bad += rc != SDF_END;
                assert_true(rc == SDF_END || rc == SDF_E_IO || rc == SDF_E_THROTTLED || rc == SDF_E_CORRUPT ||
                            rc == SDF_E_NOT_FOUND);
                assert_true(w.env.upstream_failed == (rc == SDF_E_CORRUPT || rc == SDF_E_NOT_FOUND));
                w.env.upstream_failed = false;
                sdf_error_free(err);
            }
            object_close(&o);
            world_close(&w);
        }
        assert_true(good > bad);
        if (u < 3)
            assert_true(good >= 23);
    }
}

static void test_writing_faults(void **state)
{
    static const char *const uris[] = {"fault:seed=%d,write_error=0.3:mem:", "fault:seed=%d,commit_error=0.5:file:{}",
                                       "fault:no_space_after=2K,seed=%d:file:{}"};
    for (size_t u = 0; u < 3; u++) {
        int failed = 0;
        for (int seed = 1; seed <= 5; seed++) {
            char uri[200];
            snprintf(uri, sizeof uri, uris[u], seed);
            world w;
            world_open(&w, uri, MB, 1024);
            contents *c = contents_make(21, 2, 4, TYPE_BYTES, SHAPE_SHORT, TYPE_I64, SHAPE_I32, 50);
            object_ids ids = ids_of(1);
            object_writer *writer = NULL;
            shuffle_index x;
            uint64_t bytes, size;
            sdf_error *err = NULL;
            assert_int_equal(object_writer_open(&writer, &w.env, &ids, 4, TYPE_BYTES, TYPE_I64, 0, NULL), SDF_OK);
            int rc = contents_add(c, writer, &err);
            if (rc == SDF_OK)
                rc = object_writer_commit(writer, &x, NULL, &bytes, &err);
            else
                object_writer_abort(writer);
            assert_int_equal(sdf_error_code(err), rc);
            if (rc == SDF_OK) {
                shuffle_index_clear(&x);
            } else {
                failed++;
                assert_non_null(strstr(sdf_error_message(err), "t1.0.a101"));
                char name[TASK_NAME_MAX];
                task_name_object(name, ids.context, ids.stage, ids.task, ids.leg, ids.attempt);
                assert_int_equal(w.env.store->ops->head(w.env.store->self, name, &size, NULL), SDF_E_NOT_FOUND);
            }
            sdf_error_free(err);
            contents_free(c);
            world_close(&w);
        }
        assert_true(failed > 0);
    }
}

/* ---- a far store ---- */

/* A mem: store that says it is over a network and counts what it is asked for. */
typedef struct far_store {
    store outer;
    sdf_store_ops ops;
    store *inner;
    bool own_bytes; /* lends bytes of its own instead of filling the buffer */
    uint64_t calls, reads, bytes, largest;
} far_store;

static int far_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    far_store *f = self;
    f->calls++;
    int rc = f->inner->ops->read(f->inner->self, reads, count, err);
    for (size_t i = 0; i < count; i++) {
        f->reads++;
        sdf_read *r = reads[i];
        f->bytes += r->length;
        f->largest = r->length > f->largest ? r->length : f->largest;
        assert_non_null(r->buffer);
        if (f->own_bytes || r->status != SDF_OK)
            continue;
        memcpy(r->buffer, r->view.data, r->length);
        store_release(&r->view);
        r->view = (sdf_view){.data = r->buffer, .size = r->length};
    }
    return rc;
}

static void far_begin(far_store *f, world *w, bool own_bytes)
{
    *f = (far_store){.inner = w->env.store, .own_bytes = own_bytes};
    f->ops = *w->env.store->ops;
    f->ops.scope = SDF_SCOPE_NETWORK;
    f->ops.get_scope = NULL;
    f->ops.read = far_read;
    f->outer = (store){&f->ops, f, "far:", 1};
    w->env.store = &f->outer;
}

static void far_end(far_store *f, world *w)
{
    w->env.store = f->inner;
}

/* Near ranges come together, several objects in one call, large extents in pieces, and no more than the window at once.
 */
static void test_reading_from_afar(void **state)
{
    static const uint64_t memory[] = {300 << 10, 4 * MB, 64 * MB};
    for (int i = 0; i < 6; i++) {
        world w;
        one_object o;
        far_store f;
        world_open(&w, "mem:", memory[i % 3], 4096);
        object_open(&o, &w, 4, 1500);
        far_begin(&f, &w, i >= 3);
        for (uint32_t p = 0; p < 4; p++) {
            uint64_t most = w.budget.limit / 4;
            assert_int_equal(read_partition(&o, &w, p, NULL), SDF_END);
            assert_true(f.largest <= (most > 8 * MB ? 8 * MB : most));
        }
        assert_int_equal(w.env.metrics.store_reads, f.reads);
        if (i % 3 == 2) /* gaps are small and memory is there: a read for each partition */
            assert_int_equal(f.reads, 4);
        assert_true(w.budget.peak <= w.budget.limit);
        far_end(&f, &w);
        object_close(&o);
        world_close(&w);
    }
}

static void test_many_objects_in_one_call(void **state)
{
    world w;
    far_store f;
    shuffle_index x[40];
    task_extent extents[40];
    values keys = {0};
    rng r = {3};
    world_open(&w, "mem:", 16 * MB, 0);
    keys = values_make(&r, SHAPE_SHORT, 50);
    for (uint32_t t = 0; t < 40; t++) {
        object_writer *writer = NULL;
        object_ids ids = ids_of(t);
        uint64_t bytes;
        sdf_column column;
        column_set_slices(&column, keys.at);
        assert_ok(object_writer_open(&writer, &w.env, &ids, 2, TYPE_BYTES, TYPE_BYTES, 0, err));
        assert_ok(object_writer_add(writer, 1, &column, &column, 0, keys.count, err));
        assert_ok(object_writer_commit(writer, &x[t], NULL, &bytes, err));
        assert_int_equal(extents_of(&x[t], &ids, 1, &extents[t]), 1);
        shuffle_index_clear(&x[t]);
    }
    far_begin(&f, &w, false);
    const values *all[40];
    for (int i = 0; i < 40; i++)
        all[i] = &keys;
    run *open = NULL;
    assert_ok(run_open_extents(&open, &w.env, 3, 1, extents, 40, TYPE_BYTES, TYPE_BYTES, err));
    assert_int_equal(run_matches(open, all, all, 40, NULL), SDF_END);
    run_close(open);
    assert_int_equal(f.reads, 40);
    assert_int_equal(f.calls, 3);
    far_end(&f, &w);
    values_free(&keys);
    world_close(&w);
}

/* ---- spills ---- */

static size_t files_in(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "store") != 0;
    closedir(d);
    return n;
}

static int count_object(const sdf_object_info *info, void *user)
{
    assert_non_null(strstr(info->name, ".spill"));
    (*(size_t *)user)++;
    return 0;
}

static size_t objects_in(world *w)
{
    size_t n = 0;
    assert_ok(w->env.store->ops->list(w->env.store->self, "", count_object, &n, err));
    return n;
}

/* Writes runs, reads them all at once, interleaved, as a merge does. */
static void spill_round_trip(world *w, uint32_t runs, size_t records, shape ks, shape vs)
{
    contents *c = contents_make(31, runs, 1, TYPE_BYTES, ks, vs >= SHAPE_I8 ? TYPE_I64 : TYPE_BYTES, vs, records);
    spill_writer *writer = NULL;
    spill_extent x[RUNS_MAX];
    spill_file *f = NULL;
    run *open[RUNS_MAX] = {0};
    size_t at[RUNS_MAX] = {0};
    assert_ok(spill_open(&writer, &w->env, c->key, c->value, err));
    for (uint32_t i = 0; i < runs; i++) {
        const values *k = &c->keys[i][0], *v = &c->vals[i][0];
        for (size_t n = 0; n < k->count;) {
            size_t step = k->count - n < 100 ? k->count - n : 100;
            sdf_column kc, vc;
            column_set_slices(&kc, k->at);
            column_set_slices(&vc, v->at);
            if (n % 7 == 0) {
                assert_ok(spill_add_one(writer, &k->at[n], &v->at[n], err));
                n++;
            } else {
                assert_ok(spill_add(writer, &kc, &vc, n, step, err));
                n += step;
            }
        }
        assert_ok(spill_end_run(writer, &x[i], err));
        assert_int_equal(x[i].records, k->count);
    }
    assert_ok(spill_finish(writer, &f, err));
    assert_int_equal(w->budget.used, 0);
    for (uint32_t i = 0; i < runs; i++)
        assert_ok(run_open_spill(&open[i], &w->env, f, &x[i], c->key, c->value, err));
    for (uint32_t left = runs; left;)
        for (uint32_t i = 0; i < runs; i++) {
            sdf_batch batch;
            sdf_error *err = NULL;
            if (!open[i])
                continue;
            int rc = run_next(open[i], &batch, &err);
            if (rc == SDF_END) {
                assert_int_equal(at[i], c->keys[i][0].count);
                run_close(open[i]);
                open[i] = NULL;
                left--;
            } else {
                if (rc != SDF_OK)
                    fail_msg("%s", sdf_error_text(err));
                assert_batch(&batch, &c->keys[i][0], &c->vals[i][0], at[i]);
                at[i] += batch.count;
            }
        }
    spill_free(f);
    contents_free(c);
}

static void test_spill_to_scratch(void **state)
{
    world w;
    world_open(&w, "mem:", 4 * MB, 0);
    spill_round_trip(&w, 1, 5, SHAPE_SHORT, SHAPE_I64);
    spill_round_trip(&w, 4, 3000, SHAPE_SHORT, SHAPE_MEDIUM);
    spill_round_trip(&w, 3, 20, SHAPE_EMPTY, SHAPE_LONG);
    assert_int_equal(objects_in(&w), 0);
    assert_int_equal(files_in(w.dir), 0);
    assert_true(w.env.metrics.spilled_bytes > 100000);
    assert_int_equal(w.env.metrics.spills, 8);
    assert_int_equal(w.env.metrics.store_reads, 0);
    /* Nameless while it is open, too. */
    spill_writer *writer = NULL;
    assert_ok(spill_open(&writer, &w.env, TYPE_BYTES, TYPE_BYTES, err));
    assert_int_equal(files_in(w.dir), 0);
    spill_abort(writer);
    assert_true(w.budget.peak <= w.budget.limit);
    world_close(&w);
}

static void test_spill_without_a_disk(void **state)
{
    static const char *const dirs[] = {NULL, "", "/nonexistent/folder", "/dev/null"};
    for (size_t i = 0; i < 4; i++) {
        world w;
        world_open(&w, i % 2 ? "mem:" : "file:{}", 4 * MB, 0);
        w.env.scratch_dir = dirs[i];
        spill_round_trip(&w, 3, 2000, SHAPE_SHORT, SHAPE_MEDIUM);
        spill_round_trip(&w, 2, 20, SHAPE_SHORT, SHAPE_I8);
        assert_int_equal(w.env.next_scratch, 2);
        assert_int_equal(w.env.metrics.store_writes, 2);
        assert_int_equal(objects_in(&w), 0);
        world_close(&w);
    }
}

/* The disk is full after so many bytes: reading goes over both parts. */
static void test_spill_to_a_full_disk(void **state)
{
    static const rlim_t limits[] = {0, 100, 50000, 200000, 300001};
    struct rlimit before;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    for (size_t i = 0; i < 5; i++) {
        world w;
        world_open(&w, "mem:", 4 * MB, 0);
        struct rlimit small = {limits[i], before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        spill_round_trip(&w, 4, 2000, SHAPE_SHORT, SHAPE_MEDIUM);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(w.env.metrics.store_writes, 1);
        assert_int_equal(objects_in(&w), 0);
        world_close(&w);
    }
}

static void test_spill_fails_clearly(void **state)
{
    world w;
    world_open(&w, "fault:no_space_after=1K:mem:", 4 * MB, 0);
    w.env.scratch_dir = NULL;
    spill_writer *writer = NULL;
    rng r = {1};
    uint8_t noise[5000];
    sdf_slice key = {"k", 1}, value = {noise, sizeof noise};
    sdf_error *why = NULL;
    int rc = SDF_OK;
    assert_ok(spill_open(&writer, &w.env, TYPE_BYTES, TYPE_BYTES, err));
    for (int i = 0; i < 100 && rc == SDF_OK; i++) {
        for (size_t n = 0; n < sizeof noise; n++)
            noise[n] = (uint8_t)rng_next(&r);
        rc = spill_add_one(writer, &key, &value, &why);
    }
    assert_int_equal(rc, SDF_E_NO_SPACE);
    assert_non_null(strstr(sdf_error_message(why), ".spill0"));
    sdf_error_free(why);
    spill_abort(writer);
    assert_int_equal(objects_in(&w), 0);
    world_close(&w);
}

/* Memory is spent to the last byte: a spill still works, and takes only a little. */
static void test_spill_with_no_memory(void **state)
{
    world w;
    world_open(&w, "mem:", 4 * MB, 0);
    w.budget.used = w.budget.limit - 100;
    spill_writer *writer = NULL;
    spill_file *f = NULL;
    spill_extent x;
    sdf_slice key = {"key", 3}, value = {"value", 5};
    assert_ok(spill_open(&writer, &w.env, TYPE_BYTES, TYPE_BYTES, err));
    assert_true(w.budget.used < w.budget.limit + (40 << 10));
    for (int i = 0; i < 10000; i++)
        assert_ok(spill_add_one(writer, &key, &value, err));
    assert_ok(spill_end_run(writer, &x, err));
    assert_ok(spill_finish(writer, &f, err));
    assert_int_equal(w.budget.used, w.budget.limit - 100);
    spill_free(f);
    w.budget.used = 0;
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_and_damaged_objects),
        cmocka_unit_test(test_lying_index),
        cmocka_unit_test(test_passing_faults),
        cmocka_unit_test(test_writing_faults),
        cmocka_unit_test(test_reading_from_afar),
        cmocka_unit_test(test_many_objects_in_one_call),
        cmocka_unit_test(test_spill_to_scratch),
        cmocka_unit_test(test_spill_without_a_disk),
        cmocka_unit_test(test_spill_to_a_full_disk),
        cmocka_unit_test(test_spill_fails_clearly),
        cmocka_unit_test(test_spill_with_no_memory),
    };
    return cmocka_run_group_tests_name("shuffle/run", tests, NULL, NULL);
}
