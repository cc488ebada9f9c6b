/* Groups streamed to a function: order, unread values, giant keys, views, failures. */
#include "exchange.h"

static void fill(table_of *t, key_style style, size_t count, uint64_t seed)
{
    rng r = {seed};
    uint8_t room[64];
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < count; i++)
        table_add_i64(t, make_key(style, i, &r, room), (int64_t)i);
}

/* key -> order-sensitive digest of all its values, and emits how many there were as well. */
static uint64_t digest(uint64_t d, int64_t v)
{
    return (d ^ (uint64_t)v) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static int group_digest(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice v;
    uint64_t d = 0;
    int rc;
    while ((rc = sdf_values_next(values, &v)) == SDF_OK)
        d = digest(d, sdf_slice_i64(&v));
    if (rc != SDF_END)
        return rc;
    assert_int_equal(sdf_values_next(values, &v), SDF_END); /* and again */
    return sdf_emit_i64(out, key, (int64_t)d);
}

/* Emits the first two values as they lie, with a view of the key, and leaves the rest. */
static int group_first_two(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice v;
    int rc = SDF_OK;
    for (int i = 0; i < 2 && (rc = sdf_values_next(values, &v)) == SDF_OK; i++)
        if ((rc = sdf_emit_view(out, key, &v)))
            return rc;
    return rc < 0 ? rc : SDF_OK;
}

/* All values as views: those of earlier batches must have been settled. */
static int group_all_views(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice v;
    int rc;
    while ((rc = sdf_values_next(values, &v)) == SDF_OK)
        if ((rc = sdf_emit_view(out, key, &v)))
            return rc;
    return rc < 0 ? rc : SDF_OK;
}

static int group_none(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    return SDF_OK;
}

static int group_fails(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice v;
    sdf_values_next(values, &v);
    return sdf_fail(out, "this group is not welcome");
}

/* Hides what the stream said. */
static int group_hides(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice v;
    while (sdf_values_next(values, &v) == SDF_OK)
        ;
    return SDF_OK;
}

static void register_one(const char *name, sdf_group_fn group, const char *value)
{
    sdf_function f;
    sdf_error *err = NULL;
    sdf_function_init(&f);
    f.name = name;
    f.version = 1;
    f.out_value = value;
    f.group = group;
    assert_int_equal(sdf_register(&f, &err), SDF_OK);
}

static int setup(void **state)
{
    register_one("digest", group_digest, "i64");
    register_one("first_two", group_first_two, "bytes");
    register_one("all_views", group_all_views, "bytes");
    register_one("none", group_none, "i64");
    register_one("fails", group_fails, "i64");
    register_one("hides", group_hides, "i64");
    return 0;
}

static void run_digest(const table_of *t, uint32_t maps, uint64_t memory)
{
    exchange x;
    keeper k;
    enum { PARTITIONS = 3 };
    size_t n = 0;
    exchange_init(&x, "bytes", "i64", PARTITIONS);
    exchange_group(&x, "digest", "bytes", "i64");
    x.write_memory = x.read_memory = memory;
    x.block_bytes = 16u << 10;
    keeper_init(&k);
    exchange_write_all(&x, t, maps);
    exchange_read_all(&x, &k, NULL);
    size_t *index = stable_order(t->keys, t->count, bytes_order, false);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        for (size_t i = 0, end; i < t->count; i = end) {
            uint64_t d = 0;
            for (end = i; end < t->count && !bytes_order(&t->keys[index[i]], &t->keys[index[end]]); end++)
                d = digest(d, sdf_slice_i64(&t->values[index[end]]));
            if (sdf_partition_of(sdf_partition_hash(NULL, &t->keys[index[i]]), PARTITIONS) != p)
                continue;
            assert_true(n < k.table.count);
            assert_slices_equal(k.table.keys[n], t->keys[index[i]]); /* keys come in their order */
            assert_int_equal(sdf_slice_i64(&k.table.values[n++]), (int64_t)d);
        }
    assert_int_equal(n, k.table.count);
    free(index);
    table_free(&k.table);
    exchange_free(&x);
}

static void test_every_kind_of_key(void **state)
{
    for (int style = 0; style < KEY_STYLES; style++) {
        table_of t;
        fill(&t, (key_style)style, 4000, 50 + (uint64_t)style);
        run_digest(&t, 3, 64u << 20);
        table_free(&t);
    }
}

static void test_in_little_memory(void **state)
{
    table_of t;
    fill(&t, KEYS_SHORT, 80000, 50);
    run_digest(&t, 3, 1u << 20);
    table_free(&t);
}

/* One key with far more than memory holds. */
static void test_a_giant_key_streams(void **state)
{
    table_of t;
    fill(&t, KEYS_EQUAL, 150000, 50);
    run_digest(&t, 2, 1u << 20);
    table_free(&t);
}

static void run_views(const char *name, size_t per_key)
{
    table_of t = {0};
    exchange x;
    keeper k;
    enum { KEYS = 60, EACH = 700 };
    for (int i = 0; i < EACH; i++)
        for (int key = 0; key < KEYS; key++) {
            char text[64], value[64];
            snprintf(text, sizeof text, "a key of some length %03d", key);
            snprintf(value, sizeof value, "value %d of %d", i, key);
            table_add(&t, text_slice(text), text_slice(value));
        }
    exchange_init(&x, "bytes", "bytes", 1);
    exchange_group(&x, name, "bytes", "bytes");
    x.write_memory = 2u << 20;
    keeper_init(&k);
    exchange_write_all(&x, &t, 2);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, KEYS * per_key);
    for (size_t i = 0; i < k.table.count; i++) {
        char text[64], value[64];
        snprintf(text, sizeof text, "a key of some length %03zu", i / per_key);
        snprintf(value, sizeof value, "value %zu of %zu", i % per_key, i / per_key);
        assert_slices_equal(k.table.keys[i], text_slice(text));
        assert_slices_equal(k.table.values[i], text_slice(value));
    }
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_values_left_unread(void **state)
{
    run_views("first_two", 2);
}

static void test_views_of_all_values(void **state)
{
    run_views("all_views", 700);
}

static void test_f64_keys_group_as_one(void **state)
{
    static const double zeros[] = {0.0, -0.0};
    table_of t = {0};
    exchange x;
    keeper k;
    for (int64_t i = 0; i < 10; i++)
        table_add_i64(&t, (sdf_slice){&zeros[i % 2], 8}, i);
    exchange_init(&x, "f64", "i64", 1);
    exchange_group(&x, "digest", "f64", "i64");
    keeper_init(&k);
    exchange_write_all(&x, &t, 2);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 1);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static int run_one(const char *name, size_t stop_after, size_t *count, sdf_error **err)
{
    table_of t;
    exchange x;
    keeper k;
    fill(&t, KEYS_DISTINCT, 3000, 50);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_group(&x, name, "bytes", "i64");
    keeper_init(&k);
    k.stop_after = stop_after;
    exchange_write_all(&x, &t, 2);
    int rc = exchange_read(&x, 0, &k.base, err);
    *count = k.table.count;
    assert_int_equal(k.finished, rc == SDF_OK);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
    return rc;
}

static void test_failures_and_stops(void **state)
{
    sdf_error *err = NULL;
    size_t count;
    assert_int_equal(run_one("none", 0, &count, &err), SDF_OK);
    assert_int_equal(count, 0);
    assert_int_equal(run_one("digest", 300, &count, &err), SDF_OK);
    assert_true(count >= 300 && count < 600);
    assert_int_equal(run_one("fails", 0, &count, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_message(err), "not welcome"));
    assert_string_equal(sdf_error_operator(err), "groups#3");
    sdf_error_free(err);
    err = NULL;
    assert_int_equal(run_one("sdf.count", 0, &count, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_message(err), "no group function"));
    sdf_error_free(err);
    assert_int_equal(sdf_values_next(NULL, NULL), SDF_E_INVALID);
}

/* An upstream object that is cut short inside a group must not look like the group's end. */
static void test_damage_is_not_an_end(void **state)
{
    table_of t;
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    fill(&t, KEYS_EQUAL, 20000, 1);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_group(&x, "hides", "bytes", "i64");
    exchange_write_all(&x, &t, 1);
    x.indexes[0].extents[0].records += 1;
    keeper_init(&k);
    assert_int_equal(exchange_read(&x, 0, &k.base, &err), SDF_E_CORRUPT);
    assert_non_null(err);
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_key),   cmocka_unit_test(test_in_little_memory),
        cmocka_unit_test(test_a_giant_key_streams), cmocka_unit_test(test_values_left_unread),
        cmocka_unit_test(test_views_of_all_values), cmocka_unit_test(test_f64_keys_group_as_one),
        cmocka_unit_test(test_failures_and_stops),  cmocka_unit_test(test_damage_is_not_an_end),
    };
    return cmocka_run_group_tests_name("exec/group", tests, setup, NULL);
}
