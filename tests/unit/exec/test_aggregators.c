/* Aggregators and reduce functions one by one: results, order, what grows too large, what fails. */
#include "exchange.h"

static int plain_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    *(int64_t *)state += sdf_slice_i64(value);
    return SDF_OK;
}

static int update_fails(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return sdf_slice_i64(value) == 13 ? -77 : SDF_OK;
}
static int update_starves(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return SDF_E_NO_MEMORY;
}
static int reduce_fails(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    return sdf_fail(out, "no two of these");
}
static int reduce_silent(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    return SDF_OK;
}
static int reduce_join(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    char text[4096];
    if (a->size + b->size > sizeof text)
        return sdf_fail(out, "too long");
    memcpy(text, a->data, a->size);
    memcpy(text + a->size, b->data, b->size);
    sdf_slice joined = {text, a->size + b->size};
    return sdf_emit(out, NULL, &joined);
}

static const sdf_aggregator failing = {.struct_size = sizeof(sdf_aggregator),
                                       .state_type = "i64",
                                       .state_size = 8,
                                       .update = update_fails,
                                       .merge = plain_update};
static const sdf_aggregator starving = {.struct_size = sizeof(sdf_aggregator),
                                        .state_type = "i64",
                                        .state_size = 8,
                                        .update = update_starves,
                                        .merge = plain_update};

static int setup(void **state)
{
    register_fold("failing", &failing, NULL, "i64");
    register_fold("starving", &starving, NULL, "i64");
    register_fold("reduce_fails", NULL, reduce_fails, "i64");
    register_fold("reduce_silent", NULL, reduce_silent, "i64");
    register_fold("reduce_join", NULL, reduce_join, "bytes");
    return 0;
}

static void test_f64_values(void **state)
{
    static const double values[] = {2.5, -0.0, -7.25, 100.0};
    static const struct {
        const char *function;
        double want;
    } cases[] = {{"sdf.sum.f64", 95.25}, {"sdf.min.f64", -7.25}, {"sdf.max.f64", 100.0}};
    for (size_t c = 0; c < 3; c++) {
        table_of t = {0};
        exchange x;
        keeper k;
        for (size_t i = 0; i < 4; i++)
            table_add(&t, (sdf_slice){"k", 1}, (sdf_slice){&values[i], 8});
        exchange_init(&x, "bytes", "f64", 1);
        exchange_aggregate(&x, cases[c].function, "f64", "f64");
        keeper_init(&k);
        exchange_write_all(&x, &t, 2);
        exchange_read_all(&x, &k, NULL);
        assert_int_equal(k.table.count, 1);
        assert_true(sdf_slice_f64(&k.table.values[0]) == cases[c].want);
        table_free(&k.table);
        table_free(&t);
        exchange_free(&x);
    }
}

static void test_bytes_are_reduced_in_order(void **state)
{
    table_of t = {0};
    exchange x;
    keeper k;
    char want[2][2000] = {"", ""};
    for (int i = 0; i < 300; i++) {
        char text[8];
        snprintf(text, sizeof text, "%d,", i);
        strcat(want[i % 2], text);
        table_add(&t, text_slice(i % 2 ? "odd" : "even"), text_slice(text));
    }
    exchange_init(&x, "bytes", "bytes", 1);
    exchange_aggregate(&x, "reduce_join", "bytes", "bytes");
    keeper_init(&k);
    exchange_write_all(&x, &t, 5);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_slices_equal(k.table.values[i], text_slice(want[k.table.keys[i].size == 3]));
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_extremes_of_bytes(void **state)
{
    for (int most = 0; most < 2; most++) {
        table_of t;
        exchange x;
        keeper k;
        rng r = {11};
        uint8_t room[64], best[64];
        memset(&t, 0, sizeof t);
        for (size_t i = 0; i < 500; i++)
            table_add(&t, text_slice("k"), make_key(KEYS_RANDOM, i, &r, room));
        size_t *order = stable_order(t.values, t.count, bytes_order, most);
        sdf_slice want = t.values[order[0]];
        memcpy(best, want.data, want.size);
        exchange_init(&x, "bytes", "bytes", 1);
        exchange_aggregate(&x, most ? "sdf.max.bytes" : "sdf.min.bytes", "bytes", "bytes");
        keeper_init(&k);
        exchange_write_all(&x, &t, 4);
        exchange_read_all(&x, &k, NULL);
        assert_int_equal(k.table.count, 1);
        assert_slices_equal(k.table.values[0], want);
        free(order);
        table_free(&k.table);
        table_free(&t);
        exchange_free(&x);
    }
}

static void test_lists(void **state)
{
    table_of t = {0};
    exchange x;
    keeper k;
    uint8_t want[512];
    size_t length = 0;
    sdf_key_begin_tuple(want, sizeof want, &length);
    for (int64_t i = 0; i < 20; i++) {
        table_add_i64(&t, text_slice("key"), i * i - 50);
        sdf_key_put_i64(want, sizeof want, &length, i * i - 50);
    }
    sdf_key_end_tuple(want, sizeof want, &length);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, "sdf.list.i64", "bytes", "any");
    keeper_init(&k);
    exchange_write_all(&x, &t, 3);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 1);
    assert_slices_equal(k.table.values[0], (sdf_slice){want, length});
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

/* 400 keys with lists of 40 KiB each, at 2 MB: lists that were spilled come together again, in order. */
static void test_lists_larger_than_memory_together(void **state)
{
    table_of t = {0};
    exchange x;
    keeper k;
    char big[1024];
    memset(big, 'v', sizeof big);
    for (int round = 0; round < 40; round++)
        for (int key = 0; key < 100; key++) {
            char name[16];
            snprintf(name, sizeof name, "key%d", key);
            snprintf(big, 16, "%08d", round);
            big[8] = 'v';
            table_add(&t, text_slice(name), (sdf_slice){big, sizeof big});
        }
    exchange_init(&x, "bytes", "bytes", 1);
    exchange_aggregate(&x, "sdf.list.bytes", "bytes", "any");
    x.read_memory = x.write_memory = 2u << 20;
    keeper_init(&k);
    exchange_write_all(&x, &t, 2);
    exchange_read_all(&x, &k, NULL);
    assert_true(x.metrics.spilled_bytes > 0);
    assert_int_equal(k.table.count, 100);
    for (size_t i = 0; i < 100; i++) {
        sdf_slice rest = k.table.values[i], bytes;
        assert_int_equal(sdf_key_next(&rest, NULL, NULL, NULL, NULL), SDF_ITEM_TUPLE);
        for (int round = 0; round < 40; round++) {
            char text[16];
            snprintf(text, sizeof text, "%08d", round);
            assert_int_equal(sdf_key_next(&rest, NULL, NULL, NULL, &bytes), SDF_ITEM_BYTES);
            assert_int_equal(bytes.size, sizeof big);
            assert_memory_equal(bytes.data, text, 8);
        }
        assert_int_equal(sdf_key_next(&rest, NULL, NULL, NULL, NULL), SDF_ITEM_TUPLE_END);
        assert_int_equal(rest.size, 0);
    }
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_one_list_too_big(void **state)
{
    table_of t = {0};
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    char big[1000];
    memset(big, 'v', sizeof big);
    for (int i = 0; i < 5000; i++)
        table_add(&t, text_slice(i % 50 ? "the\nbig one" : "another"), (sdf_slice){big, sizeof big});
    exchange_init(&x, "bytes", "bytes", 1);
    exchange_aggregate(&x, "sdf.list.bytes", "bytes", "any");
    x.read_memory = x.write_memory = 2u << 20;
    keeper_init(&k);
    exchange_write_all(&x, &t, 1);
    assert_int_equal(exchange_read(&x, 0, &k.base, &err), SDF_E_NO_MEMORY);
    assert_non_null(strstr(sdf_error_message(err), "the.big one"));
    assert_string_equal(sdf_error_operator(err), "aggregate#2");
    assert_non_null(strstr(sdf_error_hint(err), "map_groups"));
    assert_non_null(strstr(sdf_error_hint(err), "--memory"));
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void expect_failure(const char *name, int code, const char *message)
{
    table_of t = {0};
    exchange x;
    sdf_error *err = NULL;
    for (int64_t i = 0; i < 40; i++)
        table_add_i64(&t, text_slice("k"), i);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, name, "i64", "i64");
    assert_int_equal(exchange_write(&x, t.keys, t.values, t.count, &err), code);
    if (!strstr(sdf_error_text(err), message))
        fail_msg("no \"%s\" in: %s", message, sdf_error_text(err));
    assert_string_equal(sdf_error_operator(err), "aggregate#2");
    sdf_error_free(err);
    table_free(&t);
    exchange_free(&x);
}

static void test_functions_that_fail(void **state)
{
    expect_failure("failing", SDF_E_USER, "update returned -77");
    expect_failure("starving", SDF_E_NO_MEMORY, "does not fit");
    expect_failure("reduce_fails", SDF_E_USER, "no two of these");
    expect_failure("reduce_silent", SDF_E_USER, "exactly one value");
    expect_failure("nobody", SDF_E_NOT_FOUND, "nobody");
}

static void test_overflow_is_an_error(void **state)
{
    table_of t = {0};
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    for (int i = 0; i < 2; i++)
        table_add_i64(&t, text_slice("k"), INT64_MAX - 3);
    exchange_init(&x, "bytes", "i64", 1);
    exchange_aggregate(&x, "sdf.sum.i64", "i64", "i64");
    assert_int_equal(exchange_write(&x, t.keys, t.values, 2, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_message(err), "overflows"));
    sdf_error_free(err);
    err = NULL;
    exchange_write_all(&x, &t, 2); /* each alone fits; together they don't */
    keeper_init(&k);
    assert_int_equal(exchange_read(&x, 0, &k.base, &err), SDF_E_LIMIT);
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f64_values),
        cmocka_unit_test(test_bytes_are_reduced_in_order),
        cmocka_unit_test(test_extremes_of_bytes),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lists_larger_than_memory_together),
        cmocka_unit_test(test_one_list_too_big),
        cmocka_unit_test(test_functions_that_fail),
        cmocka_unit_test(test_overflow_is_an_error),
    };
    return cmocka_run_group_tests_name("exec/aggregators", tests, setup, NULL);
}
