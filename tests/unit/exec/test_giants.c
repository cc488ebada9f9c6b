/* Records whose size is a good part of the memory, among many small ones: the right answer up to a share of the
 * budget, above it that or a clear refusal, and never more memory than there is. */
#include "exchange.h"

#include "sdf/function.h"

#define SMALL_RECORDS 60000
#define MIB           ((uint64_t)1 << 20)

#ifdef SDF_SANITIZE /* everything takes many times as long */
#define LARGEST  MIB
#define PARTS_BY 6
#else
#define LARGEST  (8 * MIB)
#define PARTS_BY 1
#endif

static int concat(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    char *both = malloc(a->size + b->size + 1);
    if (!both)
        return SDF_E_NO_MEMORY;
    memcpy(both, a->data, a->size);
    memcpy(both + a->size, b->data, b->size);
    sdf_slice value = {both, a->size + b->size};
    int rc = sdf_emit(out, NULL, &value);
    free(both);
    return rc;
}

static int first_size(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice value;
    int rc = sdf_values_next(values, &value);
    return rc ? rc : sdf_emit_i64(out, key, (int64_t)value.size);
}

static int register_all(void **state)
{
    const sdf_function functions[] = {
        {.struct_size = sizeof(sdf_function),
         .name = "concat",
         .version = 1,
         .in_value = "bytes",
         .out_value = "bytes",
         .reduce = concat},
        {.struct_size = sizeof(sdf_function),
         .name = "first_size",
         .version = 1,
         .out_key = "bytes",
         .out_value = "i64",
         .group = first_size},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        assert_int_equal(sdf_register(&functions[i], NULL), SDF_OK);
    return 0;
}

/* Small distinct keys with an i64 each, and two giant keys in the middle and at the end, equal but for their last
 * byte. */
static void fill_keys(table_of *t, size_t giant)
{
    uint8_t room[64];
    rng r = {1};
    char *key = malloc(giant);
    memset(key, 'g', giant);
    for (size_t i = 0; i < SMALL_RECORDS; i++) {
        table_add_i64(t, make_key(KEYS_DISTINCT, i, &r, room), 1);
        if (i != SMALL_RECORDS / 2 && i != SMALL_RECORDS - 1)
            continue;
        key[giant - 1] = i == SMALL_RECORDS / 2 ? 'b' : 'a';
        table_add_i64(t, (sdf_slice){key, giant}, 5);
        table_add_i64(t, (sdf_slice){key, giant}, 7);
    }
    free(key);
}

typedef enum way { WAY_SUM, WAY_SORT, WAY_GROUP, WAYS } way;

static const char *const way_names[] = {"sum", "sort", "group"};

static void way_begin(exchange *x, way w, uint32_t partitions, uint64_t memory)
{
    exchange_init(x, "bytes", "i64", partitions);
    if (w == WAY_SUM)
        exchange_aggregate(x, "sdf.sum.i64", "i64", "i64");
    else if (w == WAY_GROUP)
        exchange_group(x, "first_size", "bytes", "i64");
    else
        x->writes.output.order = PLAN_ORDER_ASCENDING;
    if (w == WAY_SORT)
        x->read_branch.input.read = PLAN_READ_MERGE;
    x->write_memory = x->read_memory = memory;
}

/* Sum of the values, and how many records. */
static void check_keys(const keeper *k, way w, size_t giant)
{
    int64_t sum = 0;
    size_t giants = 0;
    for (size_t i = 0; i < k->table.count; i++) {
        sum += sdf_slice_i64(&k->table.values[i]);
        giants += k->table.keys[i].size == giant;
    }
    assert_int_equal(k->table.count, SMALL_RECORDS + (w == WAY_SORT ? 4 : 2));
    assert_int_equal(giants, w == WAY_SORT ? 4 : 2);
    assert_int_equal(sum, w == WAY_GROUP ? (SMALL_RECORDS + 2) * 8 : SMALL_RECORDS + 24);
}

/* Whether it worked; if not, it must have said that memory is short. */
static bool run_keys(way w, uint32_t partitions, uint64_t memory, size_t giant)
{
    exchange x;
    keeper k;
    table_of t = {0};
    sdf_error *err = NULL;
    fill_keys(&t, giant);
    way_begin(&x, w, partitions, memory);
    keeper_init(&k);
    int rc = exchange_write(&x, t.keys, t.values, t.count / 2, &err);
    rc = rc ? rc : exchange_write(&x, t.keys + t.count / 2, t.values + t.count / 2, t.count - t.count / 2, &err);
    for (uint32_t p = 0; p < partitions && !rc; p++)
        rc = exchange_read(&x, p, &k.base, &err);
    if (!rc)
        check_keys(&k, w, giant);
    else if (rc != SDF_E_NO_MEMORY)
        print_error("%s, %u MiB, a key of %zu: %s\n", way_names[w], (unsigned)(memory / MIB), giant,
                    sdf_error_text(err));
    assert_true(rc == SDF_OK || rc == SDF_E_NO_MEMORY);
    assert_int_equal(rc, sdf_error_code(err));
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    exchange_free(&x);
    return !rc;
}

static void test_giant_keys(void **state)
{
    static const uint64_t memories[] = {1, 5, 8};
    for (size_t m = 0; m < sizeof memories / sizeof memories[0] && memories[m] * MIB <= LARGEST; m++)
        for (uint32_t partitions = 1; partitions < 100; partitions += 63)
            for (way w = 0; w < WAYS; w++)
                for (uint64_t sixteenths = 1; sixteenths < 16; sixteenths += sixteenths < 4 ? 1 : 4) {
                    uint64_t memory = memories[m] * MIB;
                    bool done = run_keys(w, partitions, memory, memory / 16 * sixteenths);
                    assert_true(done || sixteenths > 2);
                    assert_true(done || sixteenths > 4 || w != WAY_SUM || memory == MIB);
                }
}

/* `pieces` values of a key, each of `size` bytes of a letter of its own, among others; put together by a reduce
 * function. */
static bool run_values(uint64_t memory, size_t size, size_t pieces)
{
    exchange x;
    keeper k;
    sdf_error *err = NULL;
    table_of t = {0};
    char *value = malloc(size), names[] = "abcd";
    for (size_t i = 0; i < pieces * 4; i++) {
        memset(value, 'A' + (int)(i / 4), size);
        table_add(&t, (sdf_slice){&names[i % 4], 1}, (sdf_slice){value, size});
    }
    exchange_init(&x, "bytes", "bytes", 1);
    exchange_aggregate(&x, "concat", "bytes", "bytes");
    x.write_memory = memory;
    x.read_memory = 512 * MIB;
    keeper_init(&k);
    int rc = exchange_write(&x, t.keys, t.values, t.count, &err);
    if (!rc) {
        exchange_read_all(&x, &k, NULL);
        assert_int_equal(k.table.count, 4);
        for (size_t i = 0; i < 4; i++) {
            sdf_slice all = k.table.values[i];
            assert_int_equal(all.size, size * pieces);
            for (size_t piece = 0; piece < pieces; piece++)
                assert_int_equal(((const char *)all.data)[piece * size + size / 2], 'A' + (int)piece);
        }
    }
    assert_true(rc == SDF_OK || rc == SDF_E_NO_MEMORY);
    sdf_error_free(err);
    table_free(&k.table);
    table_free(&t);
    free(value);
    exchange_free(&x);
    return !rc;
}

/* Four values that grow beyond what the writer's memory holds: it writes them out when there is no memory to put them
 * together. */
static void test_giant_values_are_reduced_as_far_as_they_fit(void **state)
{
    for (uint64_t memory = MIB; memory <= LARGEST; memory *= 2)
        for (uint64_t part = 2; part <= 32; part += PARTS_BY)
            assert_true(run_values(memory, memory / part, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_giant_keys),
        cmocka_unit_test(test_giant_values_are_reduced_as_far_as_they_fit),
    };
    return cmocka_run_group_tests_name("giants", tests, register_all, NULL);
}
