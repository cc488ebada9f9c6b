/* Aggregation from map-side tables through a shuffle to results, against a plain array. */
#include "exchange.h"

#include "exec/hashtable.h"

/* ---- the oracle: sorted distinct keys with their sums, counts, extremes ---- */

typedef struct total {
    sdf_slice key;
    int64_t sum, count, least, most;
} total;

static size_t make_totals(const table_of *t, total **out)
{
    size_t *order = stable_order(t->keys, t->count, bytes_order, false), n = 0;
    total *totals = calloc(t->count + 1, sizeof *totals);
    for (size_t i = 0; i < t->count; i++) {
        sdf_slice key = t->keys[order[i]];
        int64_t v = sdf_slice_i64(&t->values[order[i]]);
        if (!n || bytes_order(&key, &totals[n - 1].key))
            totals[n++] = (total){key, 0, 0, INT64_MAX, INT64_MIN};
        total *s = &totals[n - 1];
        s->sum += v;
        s->count++;
        s->least = v < s->least ? v : s->least;
        s->most = v > s->most ? v : s->most;
    }
    free(order);
    *out = totals;
    return n;
}

static int64_t total_of(const total *t, const char *name)
{
    return strstr(name, "sum") || strstr(name, "add") ? t->sum
           : strstr(name, "count")                    ? t->count
           : strstr(name, "min")                      ? t->least
                                                      : t->most;
}

/* What came out is each key once, with what the function makes of it, in its partition. */
static void check_totals(const table_of *in, const keeper *k, const size_t *ends, uint32_t partitions, const char *name)
{
    total *totals;
    size_t n = make_totals(in, &totals);
    assert_int_equal(k->table.count, n);
    size_t *order = stable_order(k->table.keys, k->table.count, bytes_order, false);
    for (size_t i = 0; i < n; i++) {
        assert_slices_equal(k->table.keys[order[i]], totals[i].key);
        assert_int_equal(sdf_slice_i64(&k->table.values[order[i]]), total_of(&totals[i], name));
    }
    for (uint32_t p = 0; p < partitions; p++)
        for (size_t i = p ? ends[p - 1] : 0; i < ends[p]; i++)
            assert_int_equal(sdf_partition_of(sdf_partition_hash(NULL, &k->table.keys[i]), partitions), p);
    free(order);
    free(totals);
}

static void run_totals(const table_of *t, const char *name, uint32_t maps, uint32_t partitions, uint64_t memory)
{
    exchange x;
    keeper k;
    size_t *ends = calloc(partitions, sizeof *ends);
    exchange_init(&x, "bytes", "i64", partitions);
    exchange_aggregate(&x, name, "i64", "i64");
    x.write_memory = x.read_memory = memory;
    keeper_init(&k);
    exchange_write_all(&x, t, maps);
    exchange_read_all(&x, &k, ends);
    assert_int_equal(k.finished, partitions);
    check_totals(t, &k, ends, partitions, name);
    table_free(&k.table);
    free(ends);
    exchange_free(&x);
}

static void fill(table_of *t, key_style style, size_t count, uint64_t seed)
{
    rng r = {seed};
    uint8_t room[64];
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < count; i++) {
        sdf_slice key = make_key(style, i, &r, room);
        table_add_i64(t, key, (int64_t)rng_below(&r, 2000) - 1000);
    }
}

/* A reduce function of the host, by calls. */
static int add_calls(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, NULL, sdf_slice_i64(a) + sdf_slice_i64(b));
}

/* A fixed-state aggregator without update_many. */
static int plain_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    *(int64_t *)state += sdf_slice_i64(value);
    return SDF_OK;
}

/* A variable-size one: the sum in allocated memory, refused now and then. */
static int boxed_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    int64_t **box = state;
    if (!*box) {
        if (!(*box = sdf_memory_alloc(memory, 200)))
            return SDF_E_NO_MEMORY;
        **box = 0;
    }
    **box += sdf_slice_i64(value);
    return SDF_OK;
}
static int boxed_encode(const void *state, sdf_out *out, void *user)
{
    return sdf_emit_i64(out, NULL, **(int64_t *const *)state);
}

/* 24 bytes of fixed state: sum, count, and a finish that gives the sum. */
typedef struct wide_state {
    int64_t sum, count, unused;
} wide_state;
static int wide_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    wide_state *w = state;
    w->sum += sdf_slice_i64(value);
    w->count++;
    return SDF_OK;
}
static int wide_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    wide_state *w = state, other;
    assert_int_equal(shuffled->size, sizeof other);
    memcpy(&other, shuffled->data, sizeof other);
    w->sum += other.sum;
    w->count += other.count;
    return SDF_OK;
}
static int wide_finish(const void *state, sdf_out *out, void *user)
{
    return sdf_emit_i64(out, NULL, ((const wide_state *)state)->sum);
}

static const sdf_aggregator plain_add = {.struct_size = sizeof(sdf_aggregator),
                                         .state_type = "i64",
                                         .state_size = 8,
                                         .update = plain_update,
                                         .merge = plain_update};
static const sdf_aggregator boxed_add = {.struct_size = sizeof(sdf_aggregator),
                                         .state_type = "i64",
                                         .state_size = 8,
                                         .variable = 1,
                                         .update = boxed_update,
                                         .merge = boxed_update,
                                         .encode = boxed_encode};
static const sdf_aggregator wide_add = {.struct_size = sizeof(sdf_aggregator),
                                        .state_size = sizeof(wide_state),
                                        .update = wide_update,
                                        .merge = wide_merge,
                                        .finish = wide_finish};

static int setup(void **state)
{
    register_fold("add_calls", NULL, add_calls, "i64");
    register_fold("add_plain", &plain_add, NULL, "i64");
    register_fold("add_boxed", &boxed_add, NULL, "i64");
    register_fold("add_wide", &wide_add, NULL, "i64");
    return 0;
}

static void test_every_aggregator_on_every_kind_of_key(void **state)
{
    static const char *const functions[] = {"sdf.sum.i64", "sdf.count", "sdf.min.i64", "sdf.max.i64",
                                            "add_calls",   "add_plain", "add_boxed"};
    for (int style = 0; style < KEY_STYLES; style++) {
        table_of t;
        fill(&t, (key_style)style, 3000, 42 + (uint64_t)style);
        for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++)
            run_totals(&t, functions[f], 3, 4, 64u << 20);
        table_free(&t);
    }
}

static void test_empty_and_single(void **state)
{
    table_of t = {0};
    run_totals(&t, "sdf.sum.i64", 2, 3, 4u << 20);
    table_add_i64(&t, (sdf_slice){"", 0}, -5);
    run_totals(&t, "sdf.sum.i64", 1, 1, 4u << 20);
    run_totals(&t, "add_boxed", 1, 5, 4u << 20);
    table_free(&t);
}

static void test_tables_larger_than_memory(void **state)
{
    static const char *const functions[] = {"sdf.sum.i64", "sdf.max.i64", "add_calls", "add_boxed"};
    table_of t;
    fill(&t, KEYS_DISTINCT, 60000, 1);
    for (size_t i = 0; i < 20000; i++) { /* some come again, much later */
        uint8_t room[64];
        rng r = {i};
        table_add_i64(&t, make_key(KEYS_DISTINCT, i * 3, &r, room), (int64_t)i);
    }
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++)
        run_totals(&t, functions[f], 2, 1, 1u << 20);
    table_free(&t);
}

static void test_spilling_is_seen_and_bounded(void **state)
{
    exchange x;
    keeper k;
    table_of t;
    fill(&t, KEYS_RANDOM, 60000, 9);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
    x.read_memory = x.write_memory = 1u << 20;
    keeper_init(&k);
    exchange_write_all(&x, &t, 1);
    assert_true(x.indexes[0].count > 1); /* the combiner was full more than once */
    exchange_read_all(&x, &k, NULL);
    assert_true(x.metrics.spilled_bytes > 0);
    size_t ends = k.table.count;
    check_totals(&t, &k, &ends, 1, "sum");
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_spilling_to_the_store_without_scratch(void **state)
{
    exchange x;
    keeper k;
    table_of t;
    fill(&t, KEYS_DISTINCT, 50000, 9);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, "sdf.count", "i64", "i64");
    x.read_memory = x.write_memory = 1u << 20;
    x.scratch = NULL;
    keeper_init(&k);
    exchange_write_all(&x, &t, 1);
    exchange_read_all(&x, &k, NULL);
    size_t ends = k.table.count;
    check_totals(&t, &k, &ends, 1, "count");
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_equal_runs_give_equal_bytes(void **state)
{
    uint64_t prints[2];
    table_of t;
    fill(&t, KEYS_RANDOM, 20000, 5);
    for (int i = 0; i < 2; i++) {
        exchange x;
        exchange_init(&x, "bytes", "i64", 7);
        exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
        x.write_memory = 1u << 20;
        exchange_write_all(&x, &t, 1);
        prints[i] = x.fingerprint;
        exchange_free(&x);
    }
    assert_true(prints[0] == prints[1]);
    table_free(&t);
}

static void test_wide_states(void **state)
{
    table_of t;
    exchange x;
    keeper k;
    fill(&t, KEYS_DISTINCT, 30000, 3);
    exchange_init(&x, "bytes", "i64", 2);
    exchange_aggregate(&x, "add_wide", "bytes", "i64");
    x.read_memory = x.write_memory = 1u << 20;
    size_t ends[2];
    keeper_init(&k);
    exchange_write_all(&x, &t, 2);
    exchange_read_all(&x, &k, ends);
    check_totals(&t, &k, ends, 2, "sum");
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_i64_keys(void **state)
{
    table_of t = {0};
    exchange x;
    keeper k;
    for (int64_t i = -2000; i < 2000; i++)
        for (int n = 0; n < 3; n++) {
            int64_t key = i * INT64_C(1000000007);
            table_add_i64(&t, (sdf_slice){&key, 8}, n + 1);
        }
    exchange_init(&x, "i64", "i64", 3);
    exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
    keeper_init(&k);
    exchange_write_all(&x, &t, 2);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 4000);
    for (size_t i = 0; i < k.table.count; i++)
        assert_int_equal(sdf_slice_i64(&k.table.values[i]), 6);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_f64_keys_are_canonical(void **state)
{
    static const double keys[] = {0.0, -0.0, 1.5, -1.5, 1.5};
    uint64_t nans[] = {UINT64_C(0x7ff8000000000000), UINT64_C(0xfff8000000000001), UINT64_C(0x7ff0000000000123)};
    table_of t = {0};
    exchange x;
    keeper k;
    for (size_t i = 0; i < 5; i++)
        table_add_i64(&t, (sdf_slice){&keys[i], 8}, 1);
    for (size_t i = 0; i < 3; i++)
        table_add_i64(&t, (sdf_slice){&nans[i], 8}, 1);
    exchange_init(&x, "f64", "i64", 5);
    exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
    keeper_init(&k);
    exchange_write_all(&x, &t, 3);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 4);
    for (size_t i = 0; i < 4; i++) {
        double d = sdf_slice_f64(&k.table.keys[i]);
        assert_int_equal(sdf_slice_i64(&k.table.values[i]), d != d ? 3 : d == -1.5 ? 1 : 2);
    }
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_null_keys_and_constant_values(void **state)
{
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    sdf_slice keys[300], values[300];
    int64_t one = 1;
    for (size_t i = 0; i < 300; i++) {
        keys[i] = (sdf_slice){NULL, 0};
        values[i] = (sdf_slice){&one, 8};
    }
    exchange_init(&x, "null", "i64", 1);
    exchange_aggregate(&x, "sdf.count", "i64", "i64");
    keeper_init(&k);
    assert_int_equal(exchange_write(&x, keys, values, 300, &err), SDF_OK);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 1);
    assert_int_equal(sdf_slice_i64(&k.table.values[0]), 300);
    table_free(&k.table);
    exchange_free(&x);
}

static void test_a_key_larger_than_memory(void **state)
{
    exchange x;
    sdf_error *err = NULL;
    int64_t one = 1;
    size_t size = 3u << 20;
    char *key = malloc(size);
    memset(key, 'k', size);
    sdf_slice keys[2] = {{"a", 1}, {key, size}}, values[2] = {{&one, 8}, {&one, 8}};
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
    x.write_memory = 2u << 20;
    assert_int_equal(exchange_write(&x, keys, values, 2, &err), SDF_E_NO_MEMORY);
    assert_non_null(strstr(sdf_error_message(err), "kkkk"));
    assert_true(strlen(sdf_error_message(err)) < 300);
    sdf_error_free(err);
    free(key);
    exchange_free(&x);
}

static void test_a_limit_below_stops(void **state)
{
    table_of t;
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    fill(&t, KEYS_DISTINCT, 5000, 3);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
    exchange_write_all(&x, &t, 1);
    keeper_init(&k);
    k.stop_after = 200;
    assert_int_equal(exchange_read(&x, 0, &k.base, &err), SDF_OK);
    assert_int_equal(k.finished, 1);
    assert_true(k.table.count >= 200 && k.table.count < 400);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

/* One task merges, groups or aggregates and, in the same memory, sorts, partitions or combines what comes out. */
static void test_two_operators_share_little_memory(void **state)
{
    plan_output outs[] = {
        {.kind = PLAN_OUTPUT_SHUFFLE,
         .key_type = "bytes",
         .value_type = "i64",
         .partitions = 3,
         .partitioner = PLAN_PARTITION_HASH,
         .order = PLAN_ORDER_ASCENDING},
        {.kind = PLAN_OUTPUT_SHUFFLE,
         .key_type = "bytes",
         .value_type = "i64",
         .partitions = 9,
         .partitioner = PLAN_PARTITION_HASH},
        {.kind = PLAN_OUTPUT_SHUFFLE,
         .key_type = "bytes",
         .value_type = "i64",
         .partitions = 2,
         .partitioner = PLAN_PARTITION_HASH,
         .combine = {.function = "add_boxed", .version = 1, .label = "again#4"}},
    };
    static const char *const functions[] = {"sdf.sum.i64", "add_boxed", NULL};
    table_of t;
    fill(&t, KEYS_DISTINCT, 60000, 2);
    for (size_t f = 0; f < 3; f++)
        for (size_t o = 0; o < sizeof outs / sizeof outs[0]; o++) {
            exchange x;
            sdf_error *err = NULL;
            exchange_init(&x, "bytes", "i64", 1);
            if (functions[f]) {
                exchange_aggregate(&x, functions[f], "i64", "i64");
            } else {
                x.writes.output.order = PLAN_ORDER_ASCENDING;
                x.read_branch.input.read = PLAN_READ_MERGE;
            }
            x.write_memory = x.read_memory = 1u << 20;
            exchange_write_all(&x, &t, 2);
            x.then = &outs[o];
            int rc = exchange_read(&x, 0, NULL, &err);
            if (rc)
                print_error("%zu %zu: %s\n", f, o, sdf_error_text(err));
            assert_int_equal(rc, SDF_OK);
            assert_int_equal(x.then_records, 60000);
            exchange_free(&x);
        }
    table_free(&t);
}

/* A hash that crafted keys can't make constant: a quadratic search would take minutes here. */
static void test_crafted_keys_stay_fast(void **state)
{
    hashtable t;
    budget b;
    sdf_error *err = NULL;
    budget_init(&b, 256u << 20);
    assert_int_equal(hashtable_open(&t, &b, TYPE_BYTES, 8, 128u << 20, &err), SDF_OK);
    uint64_t keys[SDF_BATCH_MAX][2];
    sdf_slice slices[SDF_BATCH_MAX];
    table_probe probes[SDF_BATCH_MAX];
    for (uint64_t i = 0; i < 2000 * SDF_BATCH_MAX; i += SDF_BATCH_MAX) {
        for (uint64_t k = 0; k < SDF_BATCH_MAX; k++) {
            keys[k][0] = i + k;
            keys[k][1] = UINT64_C(0xe7037ed1a0b428db);
            slices[k] = (sdf_slice){keys[k], 16};
        }
        sdf_column column;
        column_set_slices(&column, slices);
        assert_true(hashtable_room(&t, SDF_BATCH_MAX));
        hashtable_prepare(&t, &column, 0, SDF_BATCH_MAX, probes);
        for (size_t k = 0; k < SDF_BATCH_MAX; k++) {
            table_slot *s = hashtable_find(&t, &probes[k]);
            assert_int_equal(s->length1, 0);
            assert_non_null(hashtable_insert(&t, s, &probes[k]));
        }
    }
    assert_int_equal(t.used, 2000 * SDF_BATCH_MAX);
    hashtable_close(&t);
    assert_int_equal(b.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_aggregator_on_every_kind_of_key),
        cmocka_unit_test(test_empty_and_single),
        cmocka_unit_test(test_tables_larger_than_memory),
        cmocka_unit_test(test_spilling_is_seen_and_bounded),
        cmocka_unit_test(test_spilling_to_the_store_without_scratch),
        cmocka_unit_test(test_equal_runs_give_equal_bytes),
        cmocka_unit_test(test_wide_states),
        cmocka_unit_test(test_i64_keys),
        cmocka_unit_test(test_f64_keys_are_canonical),
        cmocka_unit_test(test_null_keys_and_constant_values),
        cmocka_unit_test(test_a_key_larger_than_memory),
        cmocka_unit_test(test_a_limit_below_stops),
        cmocka_unit_test(test_two_operators_share_little_memory),
        cmocka_unit_test(test_crafted_keys_stay_fast),
    };
    return cmocka_run_group_tests_name("exec/combine", tests, setup, NULL);
}
