/* Shuffle objects: written and read back over stores, budgets, runs and partitions; fingerprints; indexes; damage. */
#include "objects.h"

static int write_object(world *w, const contents *c, uint32_t task, uint64_t inline_limit, shuffle_index *x, buf *kept,
                        uint64_t *bytes, sdf_error **err)
{
    object_writer *writer = NULL;
    object_ids ids = ids_of(task);
    int rc = object_writer_open(&writer, &w->env, &ids, c->partitions, c->key, c->value, inline_limit, err);
    if (rc != SDF_OK)
        return rc;
    rc = contents_add(c, writer, err);
    if (rc != SDF_OK) {
        object_writer_abort(writer);
        return rc;
    }
    return object_writer_commit(writer, x, kept, bytes, err);
}

/* Every partition through run_open_extents, and each extent through run_open_extent. */
static void check_object(world *w, const contents *const *c, const shuffle_index *x, uint32_t objects)
{
    task_extent extents[RUNS_MAX * 8];
    for (uint32_t p = 0; p < c[0]->partitions; p++) {
        const values *keys[RUNS_MAX * 8], *vals[RUNS_MAX * 8];
        uint32_t n = 0, columns = 0;
        for (uint32_t o = 0; o < objects; o++) {
            object_ids ids = ids_of(o);
            n += extents_of(&x[o], &ids, p, extents + n);
            for (uint32_t i = 0; i < c[o]->runs; i++)
                if (c[o]->keys[i][p].count) {
                    keys[columns] = &c[o]->keys[i][p];
                    vals[columns++] = &c[o]->vals[i][p];
                }
        }
        assert_int_equal(n, columns);
        run *r = NULL;
        uint64_t before = w->budget.used;
        assert_ok(run_open_extents(&r, &w->env, 3, p, extents, n, c[0]->key, c[0]->value, err));
        assert_ok(run_matches(r, keys, vals, columns, err) == SDF_END ? SDF_OK : SDF_E_INTERNAL);
        run_close(r);
        assert_int_equal(w->budget.used, before);
        for (uint32_t i = 0; i < n; i++) {
            assert_ok(run_open_extent(&r, &w->env, 3, p, &extents[i], c[0]->key, c[0]->value, err));
            assert_int_equal(run_matches(r, &keys[i], &vals[i], 1, NULL), SDF_END);
            assert_true(w->budget.used - before <= run_cost(extents[i].max_raw));
            run_close(r);
        }
    }
    assert_true(w->budget.peak <= w->budget.limit);
}

static void round_trip(const char *uri, uint64_t memory, uint32_t block_bytes, uint32_t runs, uint32_t partitions,
                       shape ks, shape vs, size_t records, bool lz4)
{
    world w;
    world_open(&w, uri, memory, block_bytes);
    w.plan.compression = lz4 ? "lz4" : "none";
    contents *c[3];
    shuffle_index x[3];
    uint64_t total = 0, stored = 0;
    for (uint32_t o = 0; o < 3; o++) {
        type_kind kk = ks >= SHAPE_I8 ? TYPE_I64 : TYPE_BYTES, vk = vs >= SHAPE_I8 ? TYPE_I64 : TYPE_BYTES;
        c[o] = contents_make(o + 1, runs, partitions, kk, ks, vk, vs, records);
        uint64_t bytes = 0;
        assert_ok(write_object(&w, c[o], o, 0, &x[o], NULL, &bytes, err));
        assert_int_equal(w.budget.used, 0);
        for (uint32_t i = 0; i < runs; i++)
            for (uint32_t p = 0; p < partitions; p++)
                total += c[o]->keys[i][p].count;
        for (uint32_t i = 0; i < x[o].count; i++)
            stored += x[o].extents[i].stored;
        /* The object in the store has an index equal to the one handed out. */
        char name[TASK_NAME_MAX];
        object_ids ids = ids_of(o);
        task_name_object(name, ids.context, ids.stage, ids.task, ids.leg, ids.attempt);
        sdf_view view;
        shuffle_index again;
        assert_ok(store_get(w.env.store, name, UINT64_MAX, &view, err));
        assert_int_equal(view.size, bytes);
        assert_ok(object_read_index(view.data, view.size, &ids, &again, err));
        assert_int_equal(again.count, x[o].count);
        assert_int_equal(again.fingerprint, x[o].fingerprint);
        if (again.count)
            assert_memory_equal(again.extents, x[o].extents, again.count * sizeof *again.extents);
        shuffle_index_clear(&again);
        store_release(&view);
    }
    assert_int_equal(w.env.metrics.shuffle_records_out, total);
    assert_int_equal(w.env.metrics.shuffle_bytes_out, stored);
    assert_int_equal(w.env.metrics.store_writes, 3);
    check_object(&w, (const contents *const *)c, x, 3);
    assert_int_equal(w.env.metrics.shuffle_records_in, 2 * total);
    assert_int_equal(w.env.metrics.shuffle_bytes_in, 2 * stored);
    assert_false(w.env.upstream_failed);
    for (uint32_t o = 0; o < 3; o++) {
        contents_free(c[o]);
        shuffle_index_clear(&x[o]);
    }
    world_close(&w);
}

static void test_round_trips(void **state)
{
    static const char *const uris[] = {"mem:", "file:{}"};
    for (size_t u = 0; u < 2; u++) {
        round_trip(uris[u], 64 * MB, 0, 1, 1, SHAPE_SHORT, SHAPE_I8, 2000, true);
        round_trip(uris[u], 64 * MB, 0, 3, 7, SHAPE_SHORT, SHAPE_I64, 300, true);
        round_trip(uris[u], 64 * MB, 0, 2, 40, SHAPE_FIXED, SHAPE_MEDIUM, 20, false);
        round_trip(uris[u], 1 * MB, 4096, 4, 9, SHAPE_I32, SHAPE_SHORT, 200, true);
        round_trip(uris[u], 4 * MB, 1024, 1, 40, SHAPE_SHORT, SHAPE_SHORT, 200, false);
        round_trip(uris[u], 4 * MB, 0, 2, 5, SHAPE_SHORT, SHAPE_LONG, 30, true);
        round_trip(uris[u], 4 * MB, 0, 2, 5, SHAPE_EMPTY, SHAPE_EMPTY, 3000, true);
        round_trip(uris[u], 4 * MB, 0, 1, 3, SHAPE_LONG, SHAPE_SAME, 30, false);
    }
}

/* As it would be over a network: ranges in one read when near, larger gaps. */
static void test_tiny_budgets(void **state)
{
    static const uint64_t limits[] = {48 << 10, 96 << 10, 200 << 10, 1 << 20};
    for (size_t i = 0; i < 4; i++) {
        round_trip("file:{}", limits[i], 0, 2, 4, SHAPE_SHORT, SHAPE_I16, 400, true);
        round_trip("mem:", limits[i], 0, 2, 4, SHAPE_SHORT, SHAPE_SHORT, 400, i % 2);
    }
}

static void test_empty_object(void **state)
{
    world w;
    world_open(&w, "mem:", MB, 0);
    object_writer *writer = NULL;
    object_ids ids = ids_of(0);
    shuffle_index x;
    uint64_t bytes;
    run *r = NULL;
    sdf_batch batch;
    assert_ok(object_writer_open(&writer, &w.env, &ids, 5, TYPE_BYTES, TYPE_BYTES, 0, err));
    assert_ok(object_writer_end_run(writer, err));
    assert_ok(object_writer_commit(writer, &x, NULL, &bytes, err));
    assert_int_equal(x.count, 0);
    assert_int_equal(x.partitions, 5);
    assert_ok(run_open_extents(&r, &w.env, 3, 0, NULL, 0, TYPE_BYTES, TYPE_BYTES, err));
    assert_int_equal(run_next(r, &batch, NULL), SDF_END);
    assert_int_equal(run_next(r, &batch, NULL), SDF_END);
    run_close(r);
    shuffle_index_clear(&x);
    world_close(&w);
}

static void test_inline_objects(void **state)
{
    world w;
    world_open(&w, "mem:", 4 * MB, 0);
    contents *c = contents_make(3, 2, 3, TYPE_BYTES, SHAPE_SHORT, TYPE_I64, SHAPE_I64, 100);
    object_ids ids = ids_of(1);
    uint64_t size = 0, bytes = 0;
    for (int pass = 0; pass < 3; pass++) {
        /* First to see how large it is, then exactly that, then one byte less. */
        uint64_t limit = pass == 0 ? MB : pass == 1 ? size : size - 1;
        buf kept = BUF_EMPTY;
        shuffle_index x;
        assert_ok(write_object(&w, c, 1, limit, &x, &kept, &bytes, err));
        if (pass == 2) {
            assert_int_equal(kept.size, 0);
            assert_int_equal(w.env.metrics.store_writes, 1);
        } else {
            assert_int_equal(kept.size, bytes);
            assert_int_equal(w.env.metrics.store_writes, 0);
            size = bytes;
            for (uint32_t p = 0; p < 3; p++) {
                run *r = NULL;
                const values *keys[2] = {&c->keys[0][p], &c->keys[1][p]}, *vals[2] = {&c->vals[0][p], &c->vals[1][p]};
                assert_ok(run_open_bytes(&r, &w.env, kept.data, kept.size, &ids, p, c->key, c->value, err));
                assert_int_equal(run_matches(r, keys, vals, 2, NULL), SDF_END);
                run_close(r);
            }
            object_ids other = ids_of(2);
            run *r = NULL;
            assert_fails(SDF_E_CORRUPT,
                         run_open_bytes(&r, &w.env, kept.data, kept.size, &other, 0, c->key, c->value, err));
        }
        assert_int_equal(bytes, size);
        buf_free(&kept);
        shuffle_index_clear(&x);
    }
    contents_free(c);
    world_close(&w);
}

static uint64_t fingerprint(const contents *c, const char *compression, uint32_t task)
{
    world w;
    shuffle_index x;
    uint64_t bytes;
    world_open(&w, "mem:", 4 * MB, 2048);
    w.plan.compression = (char *)compression;
    assert_ok(write_object(&w, c, task, 0, &x, NULL, &bytes, err));
    uint64_t f = x.fingerprint;
    shuffle_index_clear(&x);
    world_close(&w);
    return f;
}

static void test_fingerprints(void **state)
{
    contents *a = contents_make(8, 2, 5, TYPE_BYTES, SHAPE_SHORT, TYPE_I64, SHAPE_I16, 200);
    uint64_t f = fingerprint(a, "lz4", 1);
    assert_int_equal(fingerprint(a, "lz4", 1), f);
    assert_int_equal(fingerprint(a, "none", 1), f);
    assert_int_equal(fingerprint(a, "lz4", 2), f); /* whoever wrote it */
    /* One bit of one value anywhere, an exchange of two records, one record less: all different. */
    int64_t *v = (int64_t *)a->vals[1][2].at[77].data;
    *v ^= 1;
    assert_int_not_equal(fingerprint(a, "lz4", 1), f);
    *v ^= 1;
    assert_int_equal(fingerprint(a, "lz4", 1), f);
    values *k = &a->keys[0][2];
    sdf_slice t = k->at[10];
    size_t other = 11;
    while (k->at[other].size == t.size)
        other++;
    k->at[10] = k->at[other];
    k->at[other] = t;
    assert_int_not_equal(fingerprint(a, "lz4", 1), f);
    k->at[other] = k->at[10];
    k->at[10] = t;
    k->count--;
    a->vals[0][2].count--;
    assert_int_not_equal(fingerprint(a, "lz4", 1), f);
    k->count++;
    a->vals[0][2].count++;
    assert_int_equal(fingerprint(a, "lz4", 1), f);
    contents_free(a);
}

/* In whatever batches, layouts and single records the data come: the same blocks. */
static void test_fingerprints_do_not_depend_on_batches(void **state)
{
    static const shape shapes[] = {SHAPE_SHORT, SHAPE_FIXED, SHAPE_I16, SHAPE_MEDIUM, SHAPE_LONG, SHAPE_EMPTY};
    for (size_t i = 0; i < 6; i++) {
        shape ks = shapes[i], vs = shapes[(i + 2) % 6];
        contents *c = contents_make(9, 2, 3, ks == SHAPE_I16 ? TYPE_I64 : TYPE_BYTES, ks,
                                    vs == SHAPE_I16 ? TYPE_I64 : TYPE_BYTES, vs, 100);
        uint64_t first = 0;
        for (uint64_t seed = 1; seed <= 5; seed++) {
            world w;
            object_writer *writer = NULL;
            object_ids ids = ids_of(0);
            shuffle_index x;
            uint64_t bytes;
            world_open(&w, "mem:", 4 * MB, 2048);
            assert_ok(object_writer_open(&writer, &w.env, &ids, 3, c->key, c->value, 0, err));
            assert_ok(contents_add_as(c, writer, seed, err));
            assert_ok(object_writer_commit(writer, &x, NULL, &bytes, err));
            first = seed == 1 ? x.fingerprint : first;
            assert_true(x.fingerprint == first);
            shuffle_index_clear(&x);
            world_close(&w);
        }
        contents_free(c);
    }
}

static void test_misuse_and_leases(void **state)
{
    world w;
    world_open(&w, "mem:", 4 * MB, 1024);
    object_writer *writer = NULL;
    object_ids ids = ids_of(0);
    uint8_t big[4000];
    memset(big, 7, sizeof big);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * i * 31 + i / 7);
    sdf_slice s = {big, sizeof big};
    assert_fails(SDF_E_INVALID, object_writer_open(&writer, &w.env, &ids, 0, TYPE_BYTES, TYPE_BYTES, 0, err));
    assert_ok(object_writer_open(&writer, &w.env, &ids, 3, TYPE_BYTES, TYPE_BYTES, 0, err));
    assert_ok(object_writer_add_one(writer, 1, &s, &s, err));
    assert_int_equal(object_writer_records(writer), 1);
    assert_fails(SDF_E_INTERNAL, object_writer_add_one(writer, 0, &s, &s, err));
    assert_fails(SDF_E_INTERNAL, object_writer_add_one(writer, 3, &s, &s, err));
    w.request.lease_ms = 1; /* long ago */
    int rc = SDF_OK;
    for (int i = 0; i < 100 && rc == SDF_OK; i++)
        rc = object_writer_add_one(writer, 1, &s, &s, NULL);
    assert_int_equal(rc, SDF_E_TIMEOUT);
    object_writer_abort(writer);
    w.request.lease_ms = 0;
    int cancelled = 1;
    w.env.cancelled = &cancelled;
    shuffle_index x;
    uint64_t bytes;
    assert_ok(object_writer_open(&writer, &w.env, &ids, 3, TYPE_BYTES, TYPE_BYTES, 0, err));
    assert_fails(SDF_E_CANCELLED, object_writer_commit(writer, &x, NULL, &bytes, err));
    cancelled = 0;
    /* Nothing was left; then it is written, once. */
    char name[TASK_NAME_MAX];
    uint64_t size;
    task_name_object(name, ids.context, ids.stage, ids.task, ids.leg, ids.attempt);
    assert_int_equal(w.env.store->ops->head(w.env.store->self, name, &size, NULL), SDF_E_NOT_FOUND);
    assert_ok(object_writer_open(&writer, &w.env, &ids, 3, TYPE_BYTES, TYPE_BYTES, 0, err));
    assert_ok(object_writer_commit(writer, &x, NULL, &bytes, err));
    shuffle_index_clear(&x);
    assert_ok(object_writer_open(&writer, &w.env, &ids, 3, TYPE_BYTES, TYPE_BYTES, 0, err));
    assert_fails(SDF_E_EXISTS, object_writer_commit(writer, &x, NULL, &bytes, err));
    world_close(&w);
}

/* The example of docs/formats.md, whose checksums were computed apart from this library. */
static void test_bytes_as_documented(void **state)
{
    static const uint8_t expected[] = {
        0x53, 0x44, 0x46, 0x4f, 0x01, 0x00, 0x00, 0x00, 0xbc, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
        0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x2a, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0xbe, 0xf6, 0x4e, 0x99, 0x01, 0x00, 0x00,
        0x00, 0x17, 0x00, 0x00, 0x00, 0x17, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x0d, 0xb1, 0xb3, 0x25, 0x03, 0x00, 0x00, 0x00, 0x03, 0x07, 0x00, 0x00, 0x01, 0x02, 0x03, 0x61, 0x62,
        0x63, 0x64, 0x65, 0x66, 0x01, 0x00, 0x02, 0x00, 0x2c, 0x01, 0x01, 0x02, 0x01, 0x71, 0x54, 0xd4, 0x7a,
        0x1d, 0xd9, 0xd8, 0x60, 0x01, 0x00, 0x2f, 0x17, 0x03, 0x00, 0x5f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x11, 0x00, 0x00, 0x00, 0x46, 0x42, 0x94, 0x66, 0x6a, 0x06, 0x9f, 0xb7, 0x53, 0x44, 0x46, 0x45};
    static const char *const keys[] = {"a", "bc", "def"};
    static const int64_t numbers[] = {1, 2, 300};
    world w;
    world_open(&w, "mem:", MB, 0);
    w.plan.compression = "none";
    object_ids ids = {0xabc, 3, 7, 0, 42};
    object_writer *writer = NULL;
    shuffle_index x;
    buf kept = BUF_EMPTY;
    uint64_t bytes;
    assert_ok(object_writer_open(&writer, &w.env, &ids, 2, TYPE_BYTES, TYPE_I64, MB, err));
    for (int i = 0; i < 3; i++) {
        sdf_slice key = {keys[i], strlen(keys[i])}, value = {&numbers[i], 8};
        assert_ok(object_writer_add_one(writer, 1, &key, &value, err));
    }
    assert_ok(object_writer_commit(writer, &x, &kept, &bytes, err));
    assert_int_equal(kept.size, sizeof expected);
    assert_memory_equal(kept.data, expected, sizeof expected);
    assert_true(x.fingerprint == UINT64_C(0x60d8d91d7ad45471));
    shuffle_index_clear(&x);
    buf_free(&kept);
    world_close(&w);
}

/* ---- damage ---- */

static void check_bytes(world *w, const uint8_t *p, size_t size, const contents *c)
{
    object_ids ids = ids_of(1);
    for (uint32_t part = 0; part < c->partitions; part++) {
        run *r = NULL;
        const values *keys = &c->keys[0][part], *vals = &c->vals[0][part];
        sdf_error *err = NULL;
        int rc = run_open_bytes(&r, &w->env, p, size, &ids, part, c->key, c->value, &err);
        if (rc == SDF_OK) {
            rc = run_matches(r, &keys, &vals, 1, &err); /* what it gives is right, or it fails */
            run_close(r);
        }
        assert_true(rc == SDF_END || rc == SDF_E_CORRUPT || rc == SDF_E_VERSION);
        assert_int_equal(sdf_error_code(err), rc == SDF_END ? SDF_OK : rc);
        sdf_error_free(err);
    }
    assert_int_equal(w->budget.used, 0);
}

static void test_damaged_bytes(void **state)
{
    world w;
    world_open(&w, "mem:", 4 * MB, 0);
    contents *c = contents_make(4, 1, 3, TYPE_BYTES, SHAPE_SHORT, TYPE_I64, SHAPE_I8, 6);
    buf kept = BUF_EMPTY;
    shuffle_index x;
    uint64_t bytes;
    assert_ok(write_object(&w, c, 1, MB, &x, &kept, &bytes, err));
    check_bytes(&w, kept.data, kept.size, c);
    for (size_t cut = 0; cut < kept.size; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, kept.data, cut);
        object_ids ids = ids_of(1);
        shuffle_index y;
        assert_fails(SDF_E_CORRUPT, object_read_index(exact, cut, &ids, &y, err));
        free(exact);
    }
    for (size_t bit = 0; bit < kept.size * 8; bit++) {
        kept.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        check_bytes(&w, kept.data, kept.size, c);
        kept.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buf_free(&kept);
    shuffle_index_clear(&x);
    contents_free(c);
    world_close(&w);
}

static void test_index_codec(void **state)
{
    rng r = {1};
    for (int round = 0; round < 300; round++) {
        uint32_t n = (uint32_t)rng_below(&r, 60);
        shuffle_index x = {(uint32_t)rng_below(&r, 100) + 1, calloc(n + 1, sizeof(index_extent)), n, rng_next(&r)}, y;
        uint32_t partition = 0;
        for (uint32_t i = 0; i < n; i++) {
            partition += rng_below(&r, 3) == 0 && partition + 1 < x.partitions;
            index_extent *e = &x.extents[i];
            e->partition = partition;
            e->offset = 48 + (rng_next(&r) >> (rng_below(&r, 60) + 2));
            e->stored = 24 + (rng_next(&r) >> (rng_below(&r, 60) + 2));
            if (e->offset + e->stored > INT64_MAX)
                e->stored = 24;
            e->max_raw = 8 + (uint32_t)(rng_next(&r) >> (35 + rng_below(&r, 26)));
            e->raw = e->max_raw + rng_below(&r, 1000);
            e->records = 1 + (rng_next(&r) >> rng_below(&r, 64)) / 2;
        }
        buf out = BUF_EMPTY;
        assert_int_equal(shuffle_index_encode(&x, &out), SDF_OK);
        assert_ok(shuffle_index_decode(out.data, out.size, &y, err));
        assert_int_equal(y.partitions, x.partitions);
        assert_int_equal(y.fingerprint, x.fingerprint);
        assert_int_equal(y.count, n);
        if (n)
            assert_memory_equal(x.extents, y.extents, n * sizeof *x.extents);
        shuffle_index_clear(&y);
        for (size_t cut = 0; cut < out.size; cut++) {
            uint8_t *exact = malloc(cut + 1);
            memcpy(exact, out.data, cut);
            int rc = shuffle_index_decode(exact, cut, &y, NULL);
            assert_true(rc == SDF_E_CORRUPT || (cut == 0 && rc != SDF_OK));
            free(exact);
        }
        for (size_t i = 0; i < out.size; i++) {
            uint8_t was = out.data[i];
            out.data[i] = (uint8_t)rng_next(&r);
            if (shuffle_index_decode(out.data, out.size, &y, NULL) == SDF_OK)
                shuffle_index_clear(&y);
            out.data[i] = was;
        }
        buf_free(&out);
        shuffle_index_clear(&x);
    }
}

/* A sequential index of many partitions and runs takes about ten bytes an extent. */
static void test_index_is_compact(void **state)
{
    uint32_t partitions = 1000, runs = 8, n = partitions * runs;
    shuffle_index x = {partitions, calloc(n, sizeof(index_extent)), n, 1};
    rng r = {1};
    uint64_t at = 48;
    for (uint32_t i = 0; i < runs; i++)
        for (uint32_t p = 0; p < partitions; p++) {
            index_extent *e = &x.extents[p * runs + i];
            uint32_t raw = 2000 + (uint32_t)rng_below(&r, 1000);
            *e = (index_extent){p, at, raw / 2, raw, raw / 10, raw};
            at += e->stored;
        }
    buf out = BUF_EMPTY;
    assert_int_equal(shuffle_index_encode(&x, &out), SDF_OK);
    assert_true(out.size < n * 11);
    buf_free(&out);
    shuffle_index_clear(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),         cmocka_unit_test(test_tiny_budgets),
        cmocka_unit_test(test_empty_object),        cmocka_unit_test(test_inline_objects),
        cmocka_unit_test(test_fingerprints),        cmocka_unit_test(test_misuse_and_leases),
        cmocka_unit_test(test_bytes_as_documented), cmocka_unit_test(test_fingerprints_do_not_depend_on_batches),
        cmocka_unit_test(test_damaged_bytes),       cmocka_unit_test(test_index_codec),
        cmocka_unit_test(test_index_is_compact),
    };
    return cmocka_run_group_tests_name("shuffle/object", tests, NULL, NULL);
}
