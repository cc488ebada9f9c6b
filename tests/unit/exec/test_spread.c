/* Where records go: partitions that stand for several (the first of two levels), in turn, by ranges, and states that
 * are merged on the way. */
#include "sources.h"

#include "shuffle/splitters.h"

static uint32_t stands_for(uint32_t target, uint32_t partitions, uint32_t spread)
{
    return (uint32_t)((uint64_t)target * partitions / spread);
}

typedef uint32_t (*target_fn)(const exchange *x, const sdf_slice *key, uint32_t task, size_t number, uint32_t targets);

static uint32_t by_hash(const exchange *x, const sdf_slice *key, uint32_t task, size_t number, uint32_t targets)
{
    return sdf_partition_of(sdf_partition_hash(x->writes.output.key_type, key), targets);
}

static uint32_t in_turn(const exchange *x, const sdf_slice *key, uint32_t task, size_t number, uint32_t targets)
{
    return (uint32_t)((task + number) % targets);
}

static uint32_t by_range(const exchange *x, const sdf_slice *key, uint32_t task, size_t number, uint32_t targets)
{
    splitters *s;
    type_kind kind = type_of(x->writes.output.key_type);
    assert_int_equal(splitters_open(kind, x->splitters.data, x->splitters.size,
                                    x->writes.output.order == PLAN_ORDER_DESCENDING, targets, &s, NULL),
                     SDF_OK);
    uint32_t target = splitters_find(s, key);
    splitters_close(s);
    return target;
}

static void run_spread(plan_partitioner partitioner, plan_order order, uint32_t partitions, uint32_t spread,
                       size_t count, uint64_t memory)
{
    enum { MAPS = 3 };
    static const target_fn targets[] = {
        [PLAN_PARTITION_HASH] = by_hash, [PLAN_PARTITION_RANGE] = by_range, [PLAN_PARTITION_ROUND_ROBIN] = in_turn};
    exchange x;
    table_of t;
    keeper k;
    size_t ends[64], at = 0;
    sdf_error *err = NULL;
    uint32_t all = spread ? spread : partitions;
    typed_table(&t, "i64", "bytes", count, 500, 9);
    exchange_init(&x, "i64", "bytes", partitions);
    x.writes.output.partitioner = partitioner;
    x.writes.output.spread = spread;
    x.writes.output.order = order;
    x.write_memory = memory;
    if (partitioner == PLAN_PARTITION_RANGE) {
        buf sample = BUF_EMPTY;
        assert_int_equal(samples_encode(t.keys, t.count < 200 ? t.count : 200, t.count, &sample), SDF_OK);
        sdf_slice one = buf_slice(&sample);
        assert_int_equal(splitters_make(TYPE_I64, &one, 1, all, &x.splitters, &err), SDF_OK);
        buf_free(&sample);
    }
    exchange_write_all(&x, &t, MAPS);
    keeper_init(&k);
    exchange_read_all(&x, &k, ends);
    assert_int_equal(ends[partitions - 1], t.count);
    size_t *index = stable_order(t.keys, t.count, i64_order, order == PLAN_ORDER_DESCENDING);
    for (uint32_t p = 0; p < partitions; p++)
        for (uint32_t m = 0; m < MAPS; m++) {
            size_t from = t.count * m / MAPS, to = t.count * (m + 1) / MAPS;
            for (size_t n = order ? 0 : from; n < (order ? t.count : to); n++) {
                size_t i = order ? index[n] : n;
                if (i < from || i >= to ||
                    stands_for(targets[partitioner](&x, &t.keys[i], m, i - from, all), partitions, all) != p)
                    continue;
                assert_true(at < ends[p]);
                assert_slices_equal(k.table.keys[at], t.keys[i]);
                assert_slices_equal(k.table.values[at++], t.values[i]);
            }
        }
    assert_int_equal(at, t.count);
    free(index);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
}

static void test_where_records_go(void **state)
{
    static const plan_partitioner ways[] = {PLAN_PARTITION_HASH, PLAN_PARTITION_RANGE, PLAN_PARTITION_ROUND_ROBIN};
    for (size_t i = 0; i < 3; i++)
        for (int order = PLAN_ORDER_NONE; order <= PLAN_ORDER_DESCENDING; order++) {
            if (ways[i] == PLAN_PARTITION_RANGE && order == PLAN_ORDER_NONE)
                continue;
            run_spread(ways[i], (plan_order)order, 7, 0, 2000, 64u << 20);
            run_spread(ways[i], (plan_order)order, 7, 50, 2000, 64u << 20);
            run_spread(ways[i], (plan_order)order, 3, 3, 2000, 64u << 20);
            run_spread(ways[i], (plan_order)order, 1, 9, 300, 64u << 20);
        }
}

/* In more runs than one, records in turn still go on where they were. */
static void test_in_little_memory(void **state)
{
    run_spread(PLAN_PARTITION_ROUND_ROBIN, PLAN_ORDER_NONE, 5, 0, 9000, 512u << 10);
    run_spread(PLAN_PARTITION_HASH, PLAN_ORDER_NONE, 5, 64, 9000, 512u << 10);
}

/* Both levels of an aggregation: each group's states are merged and written again, to all partitions. */
static void test_two_levels(void **state)
{
    enum { GROUPS = 3, PARTITIONS = 10 };
    exchange first, second;
    table_of t;
    keeper k;
    size_t ends[PARTITIONS], n = 0;
    typed_table(&t, "tuple(bytes,i64)", "i64", 20000, 3000, 4);
    exchange_init(&first, "tuple(bytes,i64)", "i64", GROUPS);
    exchange_aggregate(&first, "sdf.sum.i64", "i64", "i64");
    first.read_branch.input.read = PLAN_READ_CONCAT; /* the second level's tasks take the states as they are */
    first.writes.output.spread = PARTITIONS;
    exchange_write_all(&first, &t, 4);
    exchange_init(&second, "tuple(bytes,i64)", "i64", PARTITIONS);
    exchange_aggregate(&second, "sdf.sum.i64", "i64", "i64");
    second.writes.output.merging = true;
    second.write_memory = 1u << 20;
    for (uint32_t g = 0; g < GROUPS; g++) {
        sdf_error *err = NULL;
        keeper_init(&k);
        assert_int_equal(exchange_read(&first, g, &k.base, &err), SDF_OK);
        for (size_t i = 0; i < k.table.count; i++) {
            uint32_t p = by_hash(&first, &k.table.keys[i], 0, 0, PARTITIONS);
            assert_int_equal(stands_for(p, GROUPS, PARTITIONS), g);
        }
        assert_int_equal(exchange_write(&second, k.table.keys, k.table.values, k.table.count, &err), SDF_OK);
        table_free(&k.table);
    }
    keeper_init(&k);
    exchange_read_all(&second, &k, ends);
    size_t *index = stable_order(t.keys, t.count, bytes_order, false);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        size_t begin = p ? ends[p - 1] : 0,
               *got = stable_order(k.table.keys + begin, ends[p] - begin, bytes_order, false);
        size_t g = 0;
        for (size_t i = 0, end; i < t.count; i = end) {
            int64_t sum = 0;
            for (end = i; end < t.count && !bytes_order(&t.keys[index[i]], &t.keys[index[end]]); end++)
                sum += sdf_slice_i64(&t.values[index[end]]);
            if (by_hash(&first, &t.keys[index[i]], 0, 0, PARTITIONS) != p)
                continue;
            assert_true(begin + g < ends[p]);
            assert_slices_equal(k.table.keys[begin + got[g]], t.keys[index[i]]);
            assert_int_equal(sdf_slice_i64(&k.table.values[begin + got[g++]]), sum);
            n++;
        }
        free(got);
    }
    assert_int_equal(n, k.table.count);
    free(index);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&first);
    exchange_free(&second);
}

static void refuse(uint32_t partitions, uint32_t spread, bool combine)
{
    exchange x;
    sdf_error *err = NULL;
    exchange_init(&x, "i64", "i64", partitions);
    x.writes.output.partitioner = PLAN_PARTITION_ROUND_ROBIN;
    x.writes.output.spread = spread;
    if (combine)
        exchange_aggregate(&x, "sdf.count", "i64", "i64");
    assert_int_equal(exchange_write(&x, NULL, NULL, 0, &err), SDF_E_INTERNAL);
    sdf_error_free(err);
    exchange_free(&x);
}

static void test_bad_plans(void **state)
{
    refuse(0, 0, false);
    refuse(5, 3, false);
    refuse(5, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_records_go),
        cmocka_unit_test(test_in_little_memory),
        cmocka_unit_test(test_two_levels),
        cmocka_unit_test(test_bad_plans),
    };
    return cmocka_run_group_tests_name("exec/spread", tests, NULL, NULL);
}
