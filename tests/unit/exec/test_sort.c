/* Sorted, partitioned and streamed shuffles, and the merge that reads them, against a stable sort of an array. */
#include "exchange.h"

#include "exec/records.h"
#include "exec/sampler.h"
#include "shuffle/splitters.h"

/* Values number the records, so that order among equal keys shows. */
static void fill(table_of *t, key_style style, size_t count, uint64_t seed)
{
    rng r = {seed};
    uint8_t room[64];
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < count; i++)
        table_add_i64(t, make_key(style, i, &r, room), (int64_t)i);
}

static void sorts(exchange *x, bool descending)
{
    x->writes.output.order = descending ? PLAN_ORDER_DESCENDING : PLAN_ORDER_ASCENDING;
    x->read_branch.input.read = PLAN_READ_MERGE;
    x->read_branch.input.descending = descending;
}

/* Splitters from all keys of the table. */
static void ranges(exchange *x, const table_of *t, type_kind kind)
{
    buf sample = BUF_EMPTY;
    sdf_error *err = NULL;
    assert_int_equal(samples_encode(t->keys, t->count, t->count, &sample), SDF_OK);
    sdf_slice one = buf_slice(&sample);
    assert_int_equal(splitters_make(kind, &one, 1, x->writes.output.partitions, &x->splitters, &err), SDF_OK);
    x->writes.output.partitioner = PLAN_PARTITION_RANGE;
    buf_free(&sample);
}

static void check_order(const table_of *t, const keeper *k, order_fn order, bool descending)
{
    assert_int_equal(k->table.count, t->count);
    size_t *index = stable_order(t->keys, t->count, order, descending);
    for (size_t i = 0; i < t->count; i++) {
        assert_slices_equal(k->table.values[i], t->values[index[i]]);
        assert_slices_equal(k->table.keys[i], t->keys[index[i]]);
    }
    free(index);
}

static void run_sort(const table_of *t, uint32_t maps, uint32_t partitions, bool descending, uint64_t memory)
{
    exchange x;
    keeper k;
    exchange_init(&x, "bytes", "i64", partitions);
    sorts(&x, descending);
    ranges(&x, t, TYPE_BYTES);
    x.write_memory = x.read_memory = memory;
    keeper_init(&k);
    exchange_write_all(&x, t, maps);
    exchange_read_all(&x, &k, NULL);
    check_order(t, &k, bytes_order, descending);
    table_free(&k.table);
    exchange_free(&x);
}

static void test_every_kind_of_key_both_ways(void **state)
{
    for (int style = 0; style < KEY_STYLES; style++) {
        table_of t;
        fill(&t, (key_style)style, 5000, 100 + (uint64_t)style);
        for (int descending = 0; descending < 2; descending++) {
            run_sort(&t, 1, 1, descending, 64u << 20);
            run_sort(&t, 3, 4, descending, 64u << 20);
        }
        table_free(&t);
    }
}

static void test_empty_one_and_few(void **state)
{
    table_of t = {0};
    run_sort(&t, 2, 3, false, 4u << 20);
    for (int64_t i = 0; i < 3; i++) {
        table_add_i64(&t, (sdf_slice){"k", (size_t)i % 2}, i);
        run_sort(&t, 2, 3, true, 4u << 20);
    }
    table_free(&t);
}

static void test_many_runs_in_little_memory(void **state)
{
    table_of t;
    fill(&t, KEYS_RANDOM, 60000, 5);
    for (int descending = 0; descending < 2; descending++) {
        exchange x;
        keeper k;
        exchange_init(&x, "bytes", "i64", 1);
        sorts(&x, descending);
        x.write_memory = x.read_memory = 1u << 20;
        x.block_bytes = 16u << 10;
        keeper_init(&k);
        exchange_write_all(&x, &t, 4);
        assert_true(x.indexes[0].count > 1);
        exchange_read_all(&x, &k, NULL);
        assert_true(x.metrics.spilled_bytes > 0); /* more runs than can be open at once */
        check_order(&t, &k, bytes_order, descending);
        table_free(&k.table);
        exchange_free(&x);
    }
    table_free(&t);
}

/* More runs than any merge opens at once: several passes, and still stable. */
static void test_a_thousand_runs(void **state)
{
    table_of t;
    exchange x;
    keeper k;
    fill(&t, KEYS_SHORT, 8000, 6);
    exchange_init(&x, "bytes", "i64", 1);
    sorts(&x, false);
    x.read_memory = 1u << 20;
    keeper_init(&k);
    exchange_write_all(&x, &t, 1000);
    exchange_read_all(&x, &k, NULL);
    check_order(&t, &k, bytes_order, false);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static int order_i64(const sdf_slice *a, const sdf_slice *b)
{
    int64_t x = sdf_slice_i64(a), y = sdf_slice_i64(b);
    return (x > y) - (x < y);
}

static int order_f64(const sdf_slice *a, const sdf_slice *b)
{
    double x = sdf_slice_f64(a), y = sdf_slice_f64(b);
    if (x != x || y != y)
        return (x != x) - (y != y);
    return (x > y) - (x < y);
}

static void run_numbers(const table_of *t, const char *type, order_fn order, bool descending)
{
    exchange x;
    keeper k;
    exchange_init(&x, type, "i64", 3);
    sorts(&x, descending);
    ranges(&x, t, type_of(type));
    keeper_init(&k);
    exchange_write_all(&x, t, 3);
    exchange_read_all(&x, &k, NULL);
    check_order(t, &k, order, descending);
    table_free(&k.table);
    exchange_free(&x);
}

static void test_numbers(void **state)
{
    static const int64_t edges[] = {0, -1, 1, INT64_MIN, INT64_MAX, 255, 256, -256};
    static const uint64_t doubles[] = {0,
                                       UINT64_C(0x8000000000000000),
                                       UINT64_C(0x7ff0000000000000),
                                       UINT64_C(0xfff0000000000000),
                                       UINT64_C(0x7ff8000000000001),
                                       UINT64_C(0xfff8000000000000),
                                       1,
                                       UINT64_C(0x8000000000000001)};
    table_of ints = {0}, floats = {0};
    rng r = {77};
    for (int64_t i = 0; i < 2000; i++) {
        int64_t v = i % 3 ? (int64_t)rng_next(&r) >> rng_below(&r, 60) : edges[rng_below(&r, 8)];
        uint64_t d = i % 3 ? rng_next(&r) : doubles[rng_below(&r, 8)];
        table_add_i64(&ints, (sdf_slice){&v, 8}, i);
        table_add_i64(&floats, (sdf_slice){&d, 8}, i);
    }
    for (int descending = 0; descending < 2; descending++) {
        run_numbers(&ints, "i64", order_i64, descending);
        run_numbers(&floats, "f64", order_f64, descending);
    }
    table_free(&ints);
    table_free(&floats);
}

static void test_presorted_and_reversed(void **state)
{
    for (int reversed = 0; reversed < 2; reversed++) {
        table_of t = {0};
        for (int64_t i = 0; i < 5000; i++) {
            char text[24];
            snprintf(text, sizeof text, "%012lld", (long long)(reversed ? 5000 - i : i));
            table_add_i64(&t, text_slice(text), i);
        }
        run_sort(&t, 2, 2, false, 64u << 20);
        run_sort(&t, 2, 2, true, 64u << 20);
        table_free(&t);
    }
}

/* Runs whose ranges don't overlap, so that whole stretches are taken at once. */
static void test_disjoint_runs(void **state)
{
    table_of t = {0};
    for (int64_t i = 0; i < 4000; i++) {
        char text[24];
        snprintf(text, sizeof text, "%06lld", (long long)((i * 7 / 1000) * 1000 + i % 1000));
        table_add_i64(&t, text_slice(text), i);
    }
    run_sort(&t, 4, 1, false, 64u << 20);
    run_sort(&t, 40, 1, true, 64u << 20);
    table_free(&t);
}

static void test_records_larger_than_the_buffer(void **state)
{
    table_of t = {0};
    size_t size = 700u << 10;
    char *big = malloc(size);
    for (int i = 0; i < 6; i++) {
        memset(big, 'a' + (7 * i) % 6, size);
        table_add_i64(&t, (sdf_slice){big, i % 2 ? size : 5}, i);
    }
    free(big);
    exchange x;
    keeper k;
    exchange_init(&x, "bytes", "i64", 1);
    sorts(&x, false);
    x.write_memory = 1u << 20;
    keeper_init(&k);
    exchange_write_all(&x, &t, 2);
    exchange_read_all(&x, &k, NULL);
    check_order(&t, &k, bytes_order, false);
    table_free(&k.table);
    keeper_init(&k);
    sdf_error *err = NULL;
    x.read_memory = 1u << 20; /* not even two of them fit */
    assert_int_equal(exchange_read(&x, 0, &k.base, &err), SDF_E_NO_MEMORY);
    assert_non_null(strstr(sdf_error_message(err), "open at once"));
    assert_string_equal(sdf_error_operator(err), "read#2");
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

/* partition_by: by hash, each partition in the order of producers and positions. */
static void test_partitioned_in_order(void **state)
{
    uint64_t memories[] = {64u << 20, 1u << 20};
    for (int m = 0; m < 2; m++) {
        table_of t;
        exchange x;
        keeper k;
        enum { PARTITIONS = 5 };
        size_t ends[PARTITIONS], n = 0;
        fill(&t, KEYS_RANDOM, 30000, 8);
        exchange_init(&x, "bytes", "i64", PARTITIONS);
        x.write_memory = memories[m];
        keeper_init(&k);
        exchange_write_all(&x, &t, 3);
        exchange_read_all(&x, &k, ends);
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            for (size_t i = 0; i < t.count; i++) {
                if (sdf_partition_of(sdf_partition_hash("bytes", &t.keys[i]), PARTITIONS) != p)
                    continue;
                assert_true(n < k.table.count);
                assert_slices_equal(k.table.keys[n], t.keys[i]);
                assert_slices_equal(k.table.values[n++], t.values[i]);
            }
            assert_int_equal(n, ends[p]);
        }
        table_free(&k.table);
        table_free(&t);
        exchange_free(&x);
    }
}

static void test_forwarded_with_a_sample(void **state)
{
    table_of t;
    exchange x;
    keeper k;
    fill(&t, KEYS_DISTINCT, 1000, 8);
    exchange_init(&x, "bytes", "i64", 4);
    x.writes.output.partitioner = PLAN_PARTITION_FORWARD;
    x.writes.output.sample = 10;
    keeper_init(&k);
    exchange_write_all(&x, &t, 4);
    assert_true(x.result.samples.size > 0);
    exchange_read_all(&x, &k, NULL);
    assert_int_equal(k.table.count, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(sdf_slice_i64(&k.table.values[i]), i);
    sdf_slice sample = buf_slice(&x.result.samples);
    buf made = BUF_EMPTY;
    sdf_error *err = NULL;
    assert_int_equal(splitters_make(TYPE_BYTES, &sample, 1, 4, &made, &err), SDF_OK);
    buf_free(&made);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_bad_splitters_are_refused(void **state)
{
    exchange x;
    sdf_error *err = NULL;
    exchange_init(&x, "bytes", "i64", 4);
    sorts(&x, false);
    x.writes.output.partitioner = PLAN_PARTITION_RANGE;
    buf_append(&x.splitters, "\xff\xff\xff", 3);
    assert_true(exchange_write(&x, NULL, NULL, 0, &err) < 0);
    assert_string_equal(sdf_error_operator(err), "write#1");
    sdf_error_free(err);
    exchange_free(&x);
}

static void test_a_missing_object_names_its_producer(void **state)
{
    table_of t;
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    char name[TASK_NAME_MAX];
    const char *names[1] = {name};
    fill(&t, KEYS_DISTINCT, 100, 8);
    exchange_init(&x, "bytes", "i64", 1);
    sorts(&x, false);
    exchange_write_all(&x, &t, 2);
    task_name_object(name, 7, 1, 1, 0, 2);
    assert_int_equal(x.store->ops->remove(x.store->self, names, 1, &err), SDF_OK);
    keeper_init(&k);
    assert_true(exchange_read(&x, 0, &k.base, &err) < 0);
    assert_non_null(err);
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

/* ---- the sort of entries by itself ---- */

static int entry_order(const void *a, const void *b)
{
    const record_entry *x = a, *y = b;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return x->low < y->low ? -1 : x->low > y->low;
}

static void test_radix(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 24, 25, 192, 193, 1000, 20000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int shape = 0; shape < 6; shape++) {
            size_t n = sizes[s];
            rng r = {s * 10 + (uint64_t)shape};
            record_entry *e = calloc(n + 1, sizeof *e), *want = calloc(n + 1, sizeof *e),
                         *spare = calloc(n + 1, sizeof *e);
            for (size_t i = 0; i < n; i++) {
                uint64_t v = rng_next(&r);
                e[i].low = (v & ~(uint64_t)UINT32_MAX) | i;
                e[i].high = shape == 0   ? rng_next(&r)
                            : shape == 1 ? 5
                            : shape == 2 ? i
                            : shape == 3 ? n - i
                            : shape == 4 ? rng_below(&r, 3) << 40
                                         : rng_next(&r) >> rng_below(&r, 64);
                if (shape == 2 || shape == 1)
                    e[i].low = i;
            }
            memcpy(want, e, n * sizeof *e);
            qsort(want, n, sizeof *want, entry_order);
            radix_sort(e, spare, n);
            assert_memory_equal(e, want, n * sizeof *e + 1);
            free(e);
            free(want);
            free(spare);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_radix),
        cmocka_unit_test(test_every_kind_of_key_both_ways),
        cmocka_unit_test(test_empty_one_and_few),
        cmocka_unit_test(test_many_runs_in_little_memory),
        cmocka_unit_test(test_a_thousand_runs),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_presorted_and_reversed),
        cmocka_unit_test(test_disjoint_runs),
        cmocka_unit_test(test_records_larger_than_the_buffer),
        cmocka_unit_test(test_partitioned_in_order),
        cmocka_unit_test(test_forwarded_with_a_sample),
        cmocka_unit_test(test_bad_splitters_are_refused),
        cmocka_unit_test(test_a_missing_object_names_its_producer),
    };
    return cmocka_run_group_tests_name("exec/sort", tests, NULL, NULL);
}
