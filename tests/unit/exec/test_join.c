/* Joins of sorted sources against nested loops: all kinds, types of keys, budgets, giant groups, faults. */
#include "sources.h"

#include "base/hash.h"

/* Pairs of all partitions as nested loops over sorted indexes make them; ends as of sources_read_all. */
typedef struct oracle {
    const sources *s;
    const table_of *l, *r;
    const char *key, *left, *right;
    plan_cogroup how;
    const keeper *got;
    size_t at;
    buf pair;
} oracle;

static void expect_pair(oracle *o, const sdf_slice *key, const sdf_slice *left, const sdf_slice *right)
{
    uint64_t room;
    put_pair(&o->pair, o->left, left, o->right, right);
    assert_true(o->at < o->got->table.count);
    assert_slices_equal(o->got->table.keys[o->at], canonical_key(o->key, key, &room));
    assert_slices_equal(o->got->table.values[o->at], buf_slice(&o->pair));
    o->at++;
}

static size_t same_until(const table_of *t, const size_t *index, size_t from, order_fn order)
{
    size_t end = from;
    while (end < t->count && !order(&t->keys[index[from]], &t->keys[index[end]]))
        end++;
    return end;
}

static void expect_group(oracle *o, const size_t *l, size_t ln, const size_t *r, size_t rn)
{
    bool outer_left = o->how == PLAN_COGROUP_LEFT || o->how == PLAN_COGROUP_FULL;
    bool outer_right = o->how == PLAN_COGROUP_RIGHT || o->how == PLAN_COGROUP_FULL;
    for (size_t i = 0; i < ln && rn; i++)
        for (size_t k = 0; k < rn; k++)
            expect_pair(o, &o->l->keys[l[i]], &o->l->values[l[i]], &o->r->values[r[k]]);
    for (size_t i = 0; i < ln && !rn && outer_left; i++)
        expect_pair(o, &o->l->keys[l[i]], &o->l->values[l[i]], NULL);
    for (size_t k = 0; k < rn && !ln && outer_right; k++)
        expect_pair(o, &o->r->keys[r[k]], NULL, &o->r->values[r[k]]);
}

static void expect_all(oracle *o, const size_t *ends)
{
    order_fn order = order_of(o->key);
    size_t *l = stable_order(o->l->keys, o->l->count, order, false);
    size_t *r = stable_order(o->r->keys, o->r->count, order, false);
    for (uint32_t p = 0; p < o->s->partitions; p++) {
        for (size_t i = 0, k = 0; i < o->l->count || k < o->r->count;) {
            int d = i == o->l->count ? 1 : k == o->r->count ? -1 : order(&o->l->keys[l[i]], &o->r->keys[r[k]]);
            size_t l_end = d <= 0 ? same_until(o->l, l, i, order) : i;
            size_t r_end = d >= 0 ? same_until(o->r, r, k, order) : k;
            const sdf_slice *key = d <= 0 ? &o->l->keys[l[i]] : &o->r->keys[r[k]];
            if (partition_of(o->s, key) == p)
                expect_group(o, l + i, l_end - i, r + k, r_end - k);
            i = l_end;
            k = r_end;
        }
        assert_int_equal(o->at, ends[p]);
    }
    free(l);
    free(r);
}

typedef struct shape {
    const char *key, *left, *right;
    size_t lefts, rights;
    uint64_t distinct;
    uint32_t maps;
    uint64_t memory;
    bool left_sorted, right_sorted;
} shape;

static void run_join(const shape *w, plan_cogroup how, uint64_t seed)
{
    sources s;
    table_of l, r;
    keeper k;
    enum { PARTITIONS = 3 };
    size_t ends[PARTITIONS];
    const char *values[] = {w->left, w->right};
    bool sorted[] = {w->left_sorted, w->right_sorted};
    typed_table(&l, w->key, w->left, w->lefts, w->distinct, seed);
    typed_table(&r, w->key, w->right, w->rights, w->distinct, seed + 1);
    sources_init(&s, 2, PARTITIONS, w->key, values, sorted);
    s.root.input.how = how;
    s.memory = w->memory;
    sources_write(&s, 0, &l, w->maps, w->memory);
    sources_write(&s, 1, &r, w->maps + 1, w->memory);
    keeper_init(&k);
    sources_read_all(&s, &k, ends);
    assert_int_equal(k.finished, PARTITIONS);
    oracle o = {&s, &l, &r, w->key, w->left, w->right, how, &k, 0, BUF_EMPTY};
    expect_all(&o, ends);
    buf_free(&o.pair);
    table_free(&k.table);
    table_free(&l);
    table_free(&r);
    sources_free(&s);
}

static void test_kinds_and_types(void **state)
{
    static const char *const keys[] = {"bytes", "i64", "f64", "tuple(bytes,i64)", "any", "null"};
    static const char *const values[] = {"bytes", "i64", "f64", "null"};
    for (plan_cogroup how = PLAN_COGROUP_INNER; how <= PLAN_COGROUP_FULL; how++)
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t count = i == 5 ? 40 : 500;
            shape w = {
                keys[i],    values[i % 4], values[(i + how) % 4], count, count / 2, 100 + how, 2, UINT64_C(64) << 20,
                i % 2 == 0, how % 2 == 0};
            run_join(&w, how, 100 + i);
        }
}

static void test_every_kind_of_key(void **state)
{
    for (uint64_t style = 0; style < KEY_STYLES; style++)
        for (int sorted = 0; sorted < 4; sorted++) {
            size_t count = style == KEYS_EQUAL || style == KEYS_SHORT ? 60 : 1500;
            shape w = {"bytes", "i64",     "bytes",    count,     count, KEY_STYLES * 50 + style,
                       3,       64u << 20, sorted & 1, sorted & 2};
            run_join(&w, PLAN_COGROUP_FULL, 7 * style + (uint64_t)sorted);
        }
}

static void test_empty_sides(void **state)
{
    for (plan_cogroup how = PLAN_COGROUP_INNER; how <= PLAN_COGROUP_FULL; how++)
        for (int empty = 1; empty < 4; empty++)
            for (int sorted = 0; sorted < 2; sorted++) {
                shape w = {"i64",    "bytes", "bytes", empty & 1 ? 0 : 300, empty & 2 ? 0 : 300, 50, 2,
                           8u << 20, sorted,  !sorted};
                run_join(&w, how, 5);
            }
}

/* Random shapes with skew, in budgets in which everything spills. */
static void test_in_little_memory(void **state)
{
    rng r = {2024};
    for (uint64_t seed = 0; seed < 12; seed++) {
        static const char *const keys[] = {"bytes", "i64", "tuple(bytes,i64)"};
        shape w = {.key = keys[seed % 3],
                   .left = seed % 2 ? "bytes" : "i64",
                   .right = "bytes",
                   .lefts = 20000 + rng_below(&r, 20000),
                   .rights = 1 + rng_below(&r, 8000),
                   .distinct = 3000 + rng_below(&r, 5000) * 10,
                   .maps = 1 + (uint32_t)rng_below(&r, 4),
                   .memory = (1u << 20) + rng_below(&r, 2u << 20),
                   .left_sorted = rng_below(&r, 2),
                   .right_sorted = rng_below(&r, 2)};
        w.distinct += w.key[0] == 'b' ? (uint64_t)(KEYS_DISTINCT + KEY_STYLES - w.distinct % KEY_STYLES) : 0;
        run_join(&w, PLAN_COGROUP_INNER + (plan_cogroup)(seed % 4), seed);
    }
}

/* More runs than can be open at once, on both sides. */
static void test_many_runs(void **state)
{
    for (int sorted = 0; sorted < 4; sorted++) {
        shape w = {"i64", "i64", "bytes", 30000, 20000, 25000, 70, 1500u << 10, sorted & 1, sorted & 2};
        run_join(&w, PLAN_COGROUP_FULL, 31 + (uint64_t)sorted);
    }
}

/* ---- giant groups: counted and digested, not kept ---- */

typedef struct digester {
    op base;
    uint64_t count, digest;
} digester;

static uint64_t mix(uint64_t d, const sdf_slice *s)
{
    return hash_xxh3(s->data, s->size) + d * UINT64_C(0x9e3779b97f4a7c15);
}

static int digester_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    digester *d = (digester *)self;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice v = column_get(&batch->value, i);
        d->digest = mix(d->digest, &v);
    }
    d->count += batch->count;
    return SDF_OK;
}

static int digester_finish(op *self, sdf_error **err)
{
    return SDF_OK;
}

static void giant_table(table_of *t, size_t before, size_t count, size_t size)
{
    char key[] = "giant";
    uint8_t *value = calloc(1, size);
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < before + count; i++) {
        key[4] = (char)(i < before ? 'a' + i % 3 : 't');
        for (size_t at = 0; at + 8 <= size; at += 8)
            store_u64(value + at, hash_mix(i, at));
        table_add(t, text_slice(key), (sdf_slice){value, size});
    }
    free(value);
}

static void run_giants(size_t lefts, size_t rights, size_t size, uint64_t memory, bool sorted, const char *scratch)
{
    sources s;
    table_of l, r;
    digester d = {.base = {.push = digester_push, .finish = digester_finish}};
    const char *values[] = {"bytes", "bytes"};
    sdf_error *err = NULL;
    uint64_t digest = 0, count = 0;
    buf pair = BUF_EMPTY;
    giant_table(&l, 30, lefts, size);
    giant_table(&r, 0, rights, size);
    sources_init(&s, 2, 1, "bytes", values, (bool[]){sorted, sorted});
    s.root.input.how = PLAN_COGROUP_INNER;
    s.memory = memory;
    s.scratch = scratch;
    sources_write(&s, 0, &l, 2, memory);
    sources_write(&s, 1, &r, 3, memory);
    int rc = sources_read(&s, 0, &d.base, &err);
    if (rc)
        print_error("%s\n", sdf_error_text(err));
    assert_int_equal(rc, SDF_OK);
    for (size_t i = 30; i < l.count; i++)
        for (size_t k = 0; k < r.count; k++, count++) {
            put_pair(&pair, "bytes", &l.values[i], "bytes", &r.values[k]);
            sdf_slice v = buf_slice(&pair);
            digest = mix(digest, &v);
        }
    assert_int_equal(d.count, count);
    assert_int_equal(d.digest, digest);
    buf_free(&pair);
    table_free(&l);
    table_free(&r);
    sources_free(&s);
}

static void test_giant_groups(void **state)
{
    run_giants(1, 30000, 100, 1u << 20, true, "/tmp"); /* the right streams */
    run_giants(30000, 1, 100, 1u << 20, true, "/tmp"); /* the left streams */
    run_giants(40, 8000, 100, 1u << 20, true, "/tmp"); /* the right goes to scratch */
    run_giants(40, 8000, 100, 1u << 20, false, "/tmp");
    run_giants(8000, 40, 100, 1u << 20, false, NULL); /* to the store */
    run_giants(12, 20000, 200, 8u << 20, true, "/tmp");
    run_giants(200, 300, 9, 8u << 20, false, "/tmp");
    run_giants(3, 5, 100000, 2u << 20, true, "/tmp"); /* records larger than blocks */
}

/* ---- what goes wrong ---- */

static int run_failing(const char *uri, const char *scratch, int fail_after, sdf_error **err)
{
    sources s;
    table_of l, r;
    keeper k;
    const char *values[] = {"bytes", "bytes"};
    giant_table(&l, 30, 4000, 200);
    giant_table(&r, 30, 2000, 200);
    sources_init(&s, 2, 1, "bytes", values, (bool[]){false, true});
    s.root.input.how = PLAN_COGROUP_FULL;
    s.memory = 1u << 20;
    s.scratch = scratch;
    if (uri) {
        store_unref(s.x[0].store);
        store_unref(s.x[1].store);
        assert_int_equal(store_open(uri, &s.x[0].store, err), SDF_OK);
        s.x[1].store = store_ref(s.x[0].store);
    }
    sources_write(&s, 0, &l, 1, 16u << 20);
    sources_write(&s, 1, &r, 1, 16u << 20);
    keeper_init(&k);
    k.stop_after = (size_t)fail_after;
    int rc = sources_read(&s, 0, &k.base, err);
    assert_int_equal(k.finished, rc == SDF_OK);
    table_free(&k.table);
    table_free(&l);
    table_free(&r);
    sources_free(&s);
    return rc;
}

static void test_stops_and_faults(void **state)
{
    sdf_error *err = NULL;
    assert_int_equal(run_failing(NULL, "/tmp", 1000, &err), SDF_OK);
    assert_int_equal(run_failing(NULL, "/tmp", 1, &err), SDF_OK);
    assert_null(err);
    int rc = run_failing("fault:no_space_after=1400K:mem:", NULL, 100000, &err);
    assert_int_equal(rc, SDF_E_NO_SPACE);
    assert_string_equal(sdf_error_operator(err), "together#9");
    sdf_error_free(err);
    err = NULL;
    sources s;
    const char *values[] = {"i64", "i64"};
    keeper k;
    keeper_init(&k);
    sources_init(&s, 2, 1, "i64", values, (bool[]){true, true});
    s.root.input.how = PLAN_COGROUP_INNER;
    s.root.input.source_count = 1;
    assert_int_equal(sources_read(&s, 0, &k.base, &err), SDF_E_INTERNAL);
    sdf_error_free(err);
    sources_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_and_types),  cmocka_unit_test(test_every_kind_of_key),
        cmocka_unit_test(test_empty_sides),      cmocka_unit_test(test_in_little_memory),
        cmocka_unit_test(test_many_runs),        cmocka_unit_test(test_giant_groups),
        cmocka_unit_test(test_stops_and_faults),
    };
    return cmocka_run_group_tests_name("exec/join", tests, NULL, NULL);
}
