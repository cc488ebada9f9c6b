/* Several sources brought together by key: streams to functions, lists, differences, intersections, nested ones. */
#include "sources.h"

#include "base/hash.h"

static uint64_t digest(uint64_t d, const sdf_slice *v)
{
    return (d ^ hash_xxh3(v->data, v->size)) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* One i64 for each key: a digest of the values of all sources, in order. The streams are read by turns, one value of
 * each at a time, so that they show that they are independent. */
static int all_digest(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    uint64_t d[SOURCES_MAX], sum = 0;
    size_t open = count;
    bool ended[SOURCES_MAX] = {false};
    for (size_t i = 0; i < count; i++)
        d[i] = i;
    while (open)
        for (size_t i = 0; i < count; i++) {
            sdf_slice v;
            if (ended[i])
                continue;
            int rc = sdf_values_next(values[i], &v);
            if (rc == SDF_OK) {
                d[i] = digest(d[i], &v);
                continue;
            }
            if (rc != SDF_END)
                return rc;
            assert_int_equal(sdf_values_next(values[i], &v), SDF_END); /* and again */
            ended[i] = true;
            open--;
        }
    for (size_t i = 0; i < count; i++)
        sum = sum * 31 + d[i];
    return sdf_emit_i64(out, key, (int64_t)sum);
}

/* Views of the first value of each source; the rest stays unread. */
static int all_first(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    for (size_t i = count; i-- > 0;) {
        sdf_slice v;
        int rc = sdf_values_next(values[i], &v);
        if (rc == SDF_OK)
            rc = sdf_emit_view(out, key, &v);
        if (rc < 0)
            return rc;
    }
    return SDF_OK;
}

static int all_fail(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    return sdf_fail(out, "not these");
}

static int one_group(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    return SDF_OK;
}

static int setup(void **state)
{
    static const struct {
        const char *name;
        sdf_cogroup_fn cogroup;
        const char *out;
    } functions[] = {
        {"all_digest", all_digest, "i64"}, {"all_first", all_first, "bytes"}, {"all_fail", all_fail, "i64"}};
    sdf_error *err = NULL;
    sdf_function f;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        sdf_function_init(&f);
        f.name = functions[i].name;
        f.version = 1;
        f.out_value = functions[i].out;
        f.cogroup = functions[i].cogroup;
        assert_int_equal(sdf_register(&f, &err), SDF_OK);
    }
    sdf_function_init(&f);
    f.name = "one_group";
    f.version = 1;
    f.group = one_group;
    assert_int_equal(sdf_register(&f, &err), SDF_OK);
    return 0;
}

/* ---- an oracle that goes through keys and hands over each source's indexes ---- */

typedef struct together {
    sources s;
    const char *key;
    table_of tables[SOURCES_MAX];
    size_t *order[SOURCES_MAX];
    /* of the key at hand */
    sdf_slice at;
    size_t from[SOURCES_MAX], to[SOURCES_MAX];
    keeper got;
    size_t ends[8], next;
} together;

static void together_init(together *t, uint32_t count, const char *key, const char *const *values, const bool *sorted,
                          plan_cogroup how, const char *value_type)
{
    memset(t, 0, sizeof *t);
    t->key = key;
    sources_init(&t->s, count, 3, key, values, sorted);
    t->s.root.input.how = how;
    t->s.root.input.value_type = (char *)value_type;
}

static void together_call(together *t, const char *name)
{
    t->s.root.input.call = (plan_call){.function = (char *)name, .version = 1, .label = "together#9"};
}

static void together_run(together *t, uint32_t maps, uint64_t memory)
{
    t->s.memory = memory;
    for (uint32_t i = 0; i < t->s.count; i++) {
        sources_write(&t->s, i, &t->tables[i], maps + i % 2, memory);
        t->order[i] = stable_order(t->tables[i].keys, t->tables[i].count, order_of(t->key), false);
    }
    keeper_init(&t->got);
    sources_read_all(&t->s, &t->got, t->ends);
}

static void together_free(together *t)
{
    for (uint32_t i = 0; i < t->s.count; i++) {
        free(t->order[i]);
        table_free(&t->tables[i]);
    }
    table_free(&t->got.table);
    sources_free(&t->s);
}

/* The next key behind those in to[]; false: there is none. */
static bool next_key(together *t)
{
    order_fn order = order_of(t->key);
    bool any = false;
    for (uint32_t i = 0; i < t->s.count; i++) {
        t->from[i] = t->to[i];
        if (t->from[i] == t->tables[i].count)
            continue;
        const sdf_slice *key = &t->tables[i].keys[t->order[i][t->from[i]]];
        if (!any || order(key, &t->at) < 0)
            t->at = *key;
        any = true;
    }
    for (uint32_t i = 0; i < t->s.count; i++)
        while (t->to[i] < t->tables[i].count && !order(&t->tables[i].keys[t->order[i][t->to[i]]], &t->at))
            t->to[i]++;
    return any;
}

typedef void (*expect_fn)(together *t);

static void together_expect(together *t, expect_fn expect)
{
    for (uint32_t p = 0; p < t->s.partitions; p++) {
        memset(t->to, 0, sizeof t->to);
        while (next_key(t))
            if (partition_of(&t->s, &t->at) == p)
                expect(t);
        assert_int_equal(t->next, t->ends[p]);
    }
}

static void expect_record(together *t, sdf_slice key, sdf_slice value)
{
    uint64_t room;
    assert_true(t->next < t->got.table.count);
    assert_slices_equal(t->got.table.keys[t->next], canonical_key(t->key, &key, &room));
    assert_slices_equal(t->got.table.values[t->next++], value);
}

static const sdf_slice *value_at(const together *t, uint32_t source, size_t i)
{
    return &t->tables[source].values[t->order[source][i]];
}

/* ---- functions ---- */

static void expect_digest(together *t)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < t->s.count; i++) {
        uint64_t d = i;
        for (size_t k = t->from[i]; k < t->to[i]; k++)
            d = digest(d, value_at(t, i, k));
        sum = sum * 31 + d;
    }
    expect_record(t, t->at, (sdf_slice){&sum, 8});
}

static void expect_first(together *t)
{
    for (uint32_t i = t->s.count; i-- > 0;)
        if (t->from[i] < t->to[i])
            expect_record(t, t->at, *value_at(t, i, t->from[i]));
}

static void run_call(const char *name, expect_fn expect, const char *key, uint32_t count, size_t records,
                     uint64_t memory, uint64_t seed)
{
    together t;
    static const char *const values[] = {"bytes", "bytes", "bytes", "bytes"};
    bool sorted[] = {seed & 1, seed & 2, seed & 4, seed & 8};
    together_init(&t, count, key, values, sorted, PLAN_COGROUP_CALL, expect == expect_digest ? "i64" : "bytes");
    together_call(&t, name);
    for (uint32_t i = 0; i < count; i++)
        typed_table(&t.tables[i], key, "bytes", i == 2 ? 0 : records / (1 + 7 * i), 8 * records / 3 + 5, seed + i);
    together_run(&t, 2, memory);
    together_expect(&t, expect);
    together_free(&t);
}

static void test_functions(void **state)
{
    static const char *const keys[] = {"bytes", "i64", "f64", "tuple(bytes,i64)", "null"};
    for (uint64_t seed = 0; seed < 15; seed++) {
        run_call("all_digest", expect_digest, keys[seed % 5], 1 + seed % 4, 3000, 64u << 20, seed);
        run_call("all_first", expect_first, keys[seed % 5], 1 + seed % 4, 3000, 64u << 20, seed + 1);
    }
}

static void test_functions_in_little_memory(void **state)
{
    static const char *const keys[] = {"tuple(bytes,i64)", "i64", "null"};
    for (uint64_t seed = 0; seed < 6; seed++) {
        run_call("all_digest", expect_digest, keys[seed % 3], 1 + seed % 4, 40000, (1u << 20) + seed * 300000, seed);
        run_call("all_first", expect_first, keys[seed % 3], 1 + seed % 4, 40000, 8u << 20, seed * 3);
    }
}

/* ---- lists and sets ---- */

static void expect_lists(together *t)
{
    static const char *const types[] = {"bytes", "i64", "f64"};
    buf b = BUF_EMPTY;
    put_mark(&b, SDF_ITEM_TUPLE);
    for (uint32_t i = 0; i < t->s.count; i++) {
        put_mark(&b, SDF_ITEM_TUPLE);
        for (size_t k = t->from[i]; k < t->to[i]; k++)
            put_item(&b, types[i], value_at(t, i, k));
        put_mark(&b, SDF_ITEM_TUPLE_END);
    }
    put_mark(&b, SDF_ITEM_TUPLE_END);
    expect_record(t, t->at, buf_slice(&b));
    buf_free(&b);
}

static void expect_subtract(together *t)
{
    for (uint32_t i = 1; i < t->s.count; i++)
        if (t->from[i] < t->to[i])
            return;
    for (size_t k = t->from[0]; k < t->to[0]; k++)
        expect_record(t, t->tables[0].keys[t->order[0][k]], *value_at(t, 0, k));
}

static void expect_intersect(together *t)
{
    for (uint32_t i = 0; i < t->s.count; i++)
        if (t->from[i] == t->to[i])
            return;
    expect_record(t, t->at, (sdf_slice){NULL, 0});
}

static void run_kind(plan_cogroup how, const char *value, expect_fn expect, const char *key, uint32_t count,
                     uint64_t distinct, uint64_t memory, uint64_t seed)
{
    together t;
    static const char *const values[] = {"bytes", "i64", "f64"};
    bool sorted[] = {seed & 1, seed & 2, seed & 4};
    together_init(&t, count, key, values, sorted, how, value);
    for (uint32_t i = 0; i < count; i++)
        typed_table(&t.tables[i], key, values[i], 6000 / (1 + 2 * i), distinct, seed + i);
    together_run(&t, 3, memory);
    together_expect(&t, expect);
    together_free(&t);
}

static void test_lists_and_sets(void **state)
{
    static const char *const keys[] = {"bytes", "i64", "f64", "any", "null"};
    for (uint64_t seed = 0; seed < 15; seed++) {
        const char *key = keys[seed % 5];
        uint64_t distinct = seed % 3 ? 3000 + seed * 8 : 90 + seed, memory = seed % 2 ? 64u << 20 : 2u << 20;
        uint32_t count = 1 + (uint32_t)seed % 3;
        run_kind(PLAN_COGROUP_LISTS, "any", expect_lists, key, count, distinct, memory, seed);
        run_kind(PLAN_COGROUP_SUBTRACT, "bytes", expect_subtract, key, count, distinct, memory, seed);
        run_kind(PLAN_COGROUP_INTERSECT, "null", expect_intersect, key, count, distinct, memory, seed);
    }
}

/* A key whose values are no list that fits: the error names it. */
static void test_a_list_too_large(void **state)
{
    sources s;
    keeper k;
    table_of t = {0};
    sdf_error *err = NULL;
    const char *values[] = {"bytes"};
    uint8_t value[1000] = {1};
    for (int i = 0; i < 9000; i++) {
        store_u64(value, hash_mix((uint64_t)i, 5));
        table_add(&t, text_slice(i < 500 ? "small" : "the giant one"), (sdf_slice){value, sizeof value});
    }
    sources_init(&s, 1, 1, "bytes", values, (bool[]){true});
    s.root.input.how = PLAN_COGROUP_LISTS;
    sources_write(&s, 0, &t, 2, 8u << 20);
    s.memory = 8u << 20;
    keeper_init(&k);
    assert_int_equal(sources_read(&s, 0, &k.base, &err), SDF_E_NO_MEMORY);
    assert_non_null(strstr(sdf_error_message(err), "\"the giant one\""));
    assert_non_null(strstr(sdf_error_message(err), "bytes so far"));
    assert_non_null(strstr(sdf_error_hint(err), "map_groups"));
    assert_string_equal(sdf_error_operator(err), "together#9");
    sdf_error_free(err);
    err = NULL;
    s.memory = 64u << 20;
    table_free(&k.table);
    keeper_init(&k);
    assert_int_equal(sources_read(&s, 0, &k.base, &err), SDF_OK);
    assert_int_equal(k.table.count, 2);
    table_free(&k.table);
    table_free(&t);
    sources_free(&s);
}

/* ---- nested: (A cogroup B as lists) cogroup C as lists, against what the same in two steps says ---- */

static void test_nested(void **state)
{
    static const char *const values[] = {"bytes", "i64", "bytes"};
    for (int little = 0; little < 2; little++) {
        sources s;
        table_of t[3];
        plan_branch outer[2];
        keeper k;
        size_t ends[2];
        sources_init(&s, 3, 2, "i64", values, (bool[]){true, false, little});
        for (uint32_t i = 0; i < 3; i++) {
            typed_table(&t[i], "i64", values[i], 9000, 2000, 77 + i);
            sources_write(&s, i, &t[i], 2, little ? 1u << 20 : 64u << 20);
        }
        memset(outer, 0, sizeof outer);
        outer[0].input = s.root.input;
        outer[0].input.how = PLAN_COGROUP_LISTS;
        outer[0].input.source_count = 2;
        outer[1] = s.branches[2];
        s.root.input.how = PLAN_COGROUP_FULL;
        s.root.input.sources = outer;
        s.root.input.source_count = 2;
        s.memory = little ? 1u << 20 : 64u << 20;
        keeper_init(&k);
        sources_read_all(&s, &k, ends);
        /* Each key: its lists once for each value of C, or once with nothing. */
        size_t expected = 0, distinct[2][2000] = {{0}};
        for (uint32_t i = 0; i < 3; i++)
            for (size_t n = 0; n < t[i].count; n++)
                distinct[i / 2][sdf_slice_i64(&t[i].keys[n]) + 1000]++;
        for (size_t n = 0; n < 2000; n++)
            expected += distinct[1][n] ? distinct[1][n] : distinct[0][n] > 0;
        assert_int_equal(k.table.count, expected);
        for (size_t n = 0; n < k.table.count; n += 97) {
            sdf_slice key = k.table.keys[n], rest = k.table.values[n];
            size_t items[2] = {0}, want[2] = {0};
            for (uint32_t i = 0; i < 2; i++)
                for (size_t m = 0; m < t[i].count; m++)
                    want[i] += !i64_order(&t[i].keys[m], &key);
            assert_int_equal(sdf_key_next(&rest, NULL, NULL, NULL, NULL), SDF_ITEM_TUPLE);
            int kind = sdf_key_next(&rest, NULL, NULL, NULL, NULL);
            for (uint32_t i = 0; i < 2 && kind == SDF_ITEM_TUPLE; i++) {
                assert_int_equal(sdf_key_next(&rest, NULL, NULL, NULL, NULL), SDF_ITEM_TUPLE);
                while (sdf_key_next(&rest, NULL, NULL, NULL, NULL) != SDF_ITEM_TUPLE_END)
                    items[i]++;
            }
            assert_int_equal(items[0], want[0]);
            assert_int_equal(items[1], want[1]);
        }
        table_free(&k.table);
        for (uint32_t i = 0; i < 3; i++)
            table_free(&t[i]);
        sources_free(&s);
    }
}

/* ---- what goes wrong ---- */

static int run_one(const char *name, uint32_t count, uint64_t wrong_records, size_t stop_after, sdf_error **err)
{
    sources s;
    keeper k;
    table_of t;
    static const char *const values[] = {"i64", "i64"};
    sources_init(&s, count, 1, "i64", values, (bool[]){true, false});
    s.root.input.how = PLAN_COGROUP_CALL;
    s.root.input.value_type = "i64";
    s.root.input.call = (plan_call){.function = (char *)name, .version = 1, .label = "together#9"};
    for (uint32_t i = 0; i < count; i++) {
        typed_table(&t, "i64", "i64", 5000, 700, i);
        sources_write(&s, i, &t, 1, 64u << 20);
        table_free(&t);
    }
    s.x[0].indexes[0].extents[0].records += wrong_records;
    keeper_init(&k);
    k.stop_after = stop_after;
    int rc = sources_read(&s, 0, &k.base, err);
    table_free(&k.table);
    sources_free(&s);
    return rc;
}

static void expect_error(int rc, int code, const char *text, sdf_error **err)
{
    assert_int_equal(rc, code);
    assert_non_null(strstr(sdf_error_message(*err), text));
    sdf_error_free(*err);
    *err = NULL;
}

static void test_failures_and_stops(void **state)
{
    sdf_error *err = NULL;
    assert_int_equal(run_one("all_digest", 2, 0, 0, &err), SDF_OK);
    assert_int_equal(run_one("all_digest", 2, 0, 200, &err), SDF_OK);
    expect_error(run_one("all_fail", 2, 0, 0, &err), SDF_E_USER, "not these", &err);
    expect_error(run_one("one_group", 2, 0, 0, &err), SDF_E_USER, "not of several", &err);
    expect_error(run_one("sdf.count", 1, 0, 0, &err), SDF_E_USER, "no group function", &err);
    expect_error(run_one("all_digest", 2, 1, 0, &err), SDF_E_CORRUPT, "index says", &err);
    expect_error(run_one("all_first", 2, 1, 0, &err), SDF_E_CORRUPT, "index says", &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),      cmocka_unit_test(test_functions_in_little_memory),
        cmocka_unit_test(test_lists_and_sets), cmocka_unit_test(test_a_list_too_large),
        cmocka_unit_test(test_nested),         cmocka_unit_test(test_failures_and_stops),
    };
    return cmocka_run_group_tests_name("exec/cogroup", tests, setup, NULL);
}
