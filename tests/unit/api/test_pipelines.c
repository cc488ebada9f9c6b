/* Whole pipelines on threads, against naive oracles: what comes out, in which partition, in which order. */
#include "support.h"

#include <sdf/key.h>

/* Values that are far from sorted and have many equals. */
static int64_t scramble(int64_t i)
{
    return (i * 7919 + 13) % 1009;
}

/* Key scramble(i), value i. */
static sdf_rdd *scrambled(sdf_context *c, int64_t count, uint32_t partitions)
{
    int64_t *k = malloc((size_t)(count + 1) * sizeof *k), *v = malloc((size_t)(count + 1) * sizeof *v);
    for (int64_t i = 0; i < count; i++) {
        k[i] = scramble(i);
        v[i] = i;
    }
    sdf_column keys, values;
    column_set_fixed(&keys, k, 8);
    column_set_fixed(&values, v, 8);
    sdf_rdd *rdd = sdf_parallelize(c, "i64", "i64", &keys, &values, (uint64_t)count, partitions);
    free(k);
    free(v);
    return rdd;
}

static void test_parallelize_gives_back(void **state)
{
    sdf_context *c = plain_context();
    static const uint64_t counts[] = {0, 1, 2, 127, 128, 129, 5000};
    static const uint32_t parts[] = {1, 2, 7, 300};
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < 4; j++) {
            sdf_rdd *rdd = numbers(c, counts[i], parts[j]);
            pairs p = collect_pairs(rdd);
            assert_int_equal(p.count, counts[i]);
            for (size_t k = 0; k < p.count; k++)
                assert_int_equal(p.at[k].value, k);
            assert_int_equal(count_of(rdd), counts[i]);
            free(p.at);
            sdf_rdd_free(rdd);
        }
    }
    assert_int_equal(count_of(sdf_parallelize(c, NULL, NULL, NULL, NULL, 0, 100000)), 0);
    sdf_context_close(c);
}

/* Every layout, and types of every kind of length. */
static void test_layouts(void **state)
{
    sdf_context *c = plain_context();
    static const char text[] = "onetwothree";
    static const uint32_t offsets[] = {0, 3, 6, 11};
    sdf_slice slices[] = {{text, 3}, {text + 3, 3}, {text + 6, 5}};
    sdf_column by_offset, by_slice;
    column_set_slices(&by_slice, slices);
    column_set_null(&by_offset);
    by_offset.layout = SDF_LAYOUT_OFFSETS;
    by_offset.data = text;
    by_offset.offsets = offsets;
    sdf_rdd *rdd = sdf_parallelize(c, NULL, NULL, &by_offset, &by_slice, 3, 2);
    sdf_result *r;
    const sdf_batch *b;
    size_t seen = 0;
    assert_int_equal(sdf_collect(rdd, &r, NULL), SDF_OK);
    while (sdf_result_next(r, &b, NULL) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(b); i++, seen++) {
            sdf_slice k, v;
            sdf_batch_get(b, SDF_KEY, i, &k);
            sdf_batch_get(b, SDF_VALUE, i, &v);
            assert_int_equal(k.size, slices[seen].size);
            assert_memory_equal(k.data, slices[seen].data, k.size);
            assert_int_equal(v.size, k.size);
            assert_memory_equal(v.data, k.data, k.size);
        }
    }
    assert_int_equal(seen, 3);
    sdf_result_free(r);
    int64_t five = 5;
    sdf_column same;
    column_set_const(&same, &five, 8);
    pairs p = collect_pairs(sdf_parallelize(c, NULL, "i64", NULL, &same, 1000, 3));
    assert_int_equal(p.count, 1000);
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.at[i].value, 5);
    free(p.at);
    sdf_context_close(c);
}

static void test_narrow(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *even = sdf_filter(numbers(c, 1000, 4), "fn_even", NULL, 0);
    pairs p = collect_pairs(sdf_map(even, "fn_by_digit", NULL, 0));
    assert_int_equal(p.count, 500);
    for (size_t i = 0; i < p.count; i++) {
        assert_int_equal(p.at[i].value, 2 * i);
        assert_int_equal(p.at[i].key, 2 * i % 10);
    }
    free(p.at);
    p = collect_pairs(sdf_flat_map(numbers(c, 50, 3), "fn_repeat", NULL, 0));
    assert_int_equal(p.count, 49 * 50 / 2);
    for (size_t i = 1; i < p.count; i++)
        assert_true(p.at[i].value >= p.at[i - 1].value);
    free(p.at);
    sdf_context_close(c);
}

static void check_sums(sdf_rdd *sums, int64_t count, int64_t keys, int64_t (*key_of)(int64_t))
{
    int64_t *expected = calloc((size_t)keys, sizeof *expected);
    for (int64_t i = 0; i < count; i++)
        expected[key_of(i)] += i;
    pairs p = collect_pairs(sums);
    qsort(p.at, p.count, sizeof *p.at, by_pair);
    int64_t distinct = 0;
    for (int64_t k = 0; k < keys && k < count; k++)
        distinct++;
    assert_int_equal(p.count, distinct);
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.at[i].value, expected[p.at[i].key]);
    free(p.at);
    free(expected);
}

static void test_aggregate(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *source = scrambled(c, 20000, 5);
    check_sums(sdf_reduce_by_key(source, "fn_add", 3), 20000, 1009, scramble);
    check_sums(sdf_reduce_by_key(source, "sdf.sum", 1), 20000, 1009, scramble);
    check_sums(sdf_reduce_by_key(sdf_map(source, "fn_same", NULL, 0), "sdf.sum", 64), 20000, 1009, scramble);
    sdf_rdd *counted = sdf_aggregate_by_key(source, "sdf.count", NULL, 0, 2);
    pairs p = collect_pairs(counted);
    int64_t total = 0;
    for (size_t i = 0; i < p.count; i++)
        total += p.at[i].value;
    assert_int_equal(p.count, 1009);
    assert_int_equal(total, 20000);
    free(p.at);
    p = collect_pairs(sdf_reduce_by_key(scrambled(c, 0, 3), "sdf.sum", 4));
    assert_int_equal(p.count, 0);
    free(p.at);
    sdf_context_close(c);
}

static void test_groups(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *source = scrambled(c, 5000, 4);
    pairs p = collect_pairs(sdf_map_groups(source, "fn_group", NULL, 0, 3));
    int64_t sum[1009] = {0}, count[1009] = {0};
    for (int64_t i = 0; i < 5000; i++) {
        sum[scramble(i)] += i;
        count[scramble(i)]++;
    }
    assert_int_equal(p.count, 1009);
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.at[i].value, sum[p.at[i].key] * 1000000 + count[p.at[i].key]);
    free(p.at);
    sdf_rdd *lists = sdf_group_by_key(source, 2);
    assert_null(sdf_rdd_error(lists));
    assert_int_equal(count_of(lists), 1009);
    sdf_context_close(c);
}

static void check_sorted(sdf_rdd *sorted, int64_t count, bool descending)
{
    pairs p = collect_pairs(sorted);
    assert_int_equal(p.count, count);
    for (size_t i = 0; i < p.count; i++) {
        assert_int_equal(p.at[i].key, scramble(p.at[i].value));
        if (i && p.at[i - 1].key == p.at[i].key)
            assert_true(p.at[i - 1].value < p.at[i].value); /* stable, descending too */
        else if (i)
            assert_true(descending ? p.at[i - 1].key > p.at[i].key : p.at[i - 1].key < p.at[i].key);
    }
    free(p.at);
}

static void test_sort(void **state)
{
    sdf_context *c = plain_context();
    static const uint32_t parts[] = {1, 2, 9, 2000};
    static const int64_t counts[] = {0, 1, 3, 10000};
    for (int d = 0; d < 2; d++) {
        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
                sdf_sort_options o;
                sdf_sort_options_init(&o);
                o.partitions = parts[i];
                o.descending = d;
                sdf_rdd *source = scrambled(c, counts[j], 3);
                check_sorted(sdf_sort_by_key(source, &o), counts[j], d);
                /* behind a shuffle: the sampled data is materialised */
                sdf_rdd *moved = sdf_sort_by_key(sdf_partition_by(source, 4), &o);
                pairs p = collect_pairs(moved);
                assert_int_equal(p.count, counts[j]);
                for (size_t k = 1; k < p.count; k++)
                    assert_true(d ? p.at[k - 1].key >= p.at[k].key : p.at[k - 1].key <= p.at[k].key);
                free(p.at);
            }
        }
    }
    sdf_context_close(c);
}

/* Records land where the frozen hash says. */
static void test_partition_by(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *moved = sdf_partition_by(scrambled(c, 3000, 3), 5);
    sdf_result *r;
    const sdf_batch *b;
    uint32_t last = 0;
    size_t seen = 0;
    assert_int_equal(sdf_collect(moved, &r, NULL), SDF_OK);
    while (sdf_result_next(r, &b, NULL) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(b); i++, seen++) {
            sdf_slice k;
            sdf_batch_get(b, SDF_KEY, i, &k);
            uint32_t p = sdf_partition_of(sdf_partition_hash("i64", &k), 5);
            assert_true(p >= last); /* partition by partition */
            last = p;
        }
    }
    assert_int_equal(seen, 3000);
    assert_int_equal(last, 4);
    sdf_result_free(r);
    sdf_context_close(c);
}

static void test_text(void **state)
{
    sdf_context *c = plain_context();
    char *folder = make_folder();
    write_text(folder, "a", "the cat\r\nthe dog\n\nlast the");
    write_text(folder, "b", "");
    write_text(folder, "c", "  cat\t the \n");
    for (uint64_t split = 0; split < 12; split++) {
        sdf_text_options o;
        sdf_text_options_init(&o);
        o.split_bytes = split;
        sdf_rdd *lines = sdf_text_file(c, folder, &o);
        assert_int_equal(count_of(lines), 5);
        sdf_rdd *counts = sdf_reduce_by_key(sdf_flat_map(lines, "sdf.words", NULL, 0), "sdf.sum", 2);
        sdf_result *r;
        const sdf_batch *b;
        char text[256] = "";
        assert_int_equal(sdf_collect(sdf_sort_by_key(counts, NULL), &r, NULL), SDF_OK);
        while (sdf_result_next(r, &b, NULL) == SDF_OK) {
            for (size_t i = 0; i < sdf_batch_count(b); i++) {
                sdf_slice k;
                sdf_batch_get(b, SDF_KEY, i, &k);
                sprintf(text + strlen(text), "%.*s=%lld ", (int)k.size, (const char *)k.data,
                        (long long)number(b, SDF_VALUE, i));
            }
        }
        sdf_result_free(r);
        assert_string_equal(text, "cat=2 dog=1 last=1 the=4 ");
    }
    drop_folder(folder);
    sdf_context_close(c);
}

static char *file_text(const char *folder, const char *name)
{
    static char text[4096];
    char *path = in_folder(folder, name);
    FILE *f = fopen(path, "r");
    free(path);
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static void test_save(void **state)
{
    sdf_context *c = plain_context();
    char *folder = make_folder(), *out = in_folder(folder, "out");
    sdf_error *err = NULL;
    sdf_rdd *rdd = sdf_map(numbers(c, 7, 2), "fn_by_digit", NULL, 0);
    assert_int_equal(sdf_save_as_text_file(rdd, out, NULL), SDF_OK);
    assert_string_equal(file_text(out, "part-00000"), "0\t0\n1\t1\n2\t2\n");
    assert_string_equal(file_text(out, "part-00001"), "3\t3\n4\t4\n5\t5\n6\t6\n");
    assert_non_null(strstr(file_text(out, "_SUCCESS"), "part-00001"));
    assert_int_equal(sdf_save_as_text_file(rdd, out, &err), SDF_E_EXISTS);
    assert_non_null(strstr(sdf_error_message(err), "out"));
    sdf_error_free(err);
    char *binary = in_folder(folder, "binary");
    assert_int_equal(sdf_save_as_binary_file(rdd, binary, NULL), SDF_OK);
    sdf_binary_options o;
    sdf_binary_options_init(&o);
    o.record_bytes = 16;
    o.key_bytes = 8;
    pairs p = collect_pairs(sdf_binary_file(c, binary, &o));
    assert_int_equal(p.count, 7);
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.at[i].value, i);
    free(p.at);
    free(binary);
    free(out);
    drop_folder(folder);
    sdf_context_close(c);
}

static void test_take(void **state)
{
    sdf_context *c = plain_context();
    static const uint64_t wanted[] = {0, 1, 9, 10, 11, 555, 999, 1000, 5000, UINT64_MAX};
    for (int shuffled = 0; shuffled < 2; shuffled++) {
        sdf_rdd *rdd = sdf_map(numbers(c, 1000, 100), "fn_by_digit", NULL, 0);
        if (shuffled)
            rdd = sdf_partition_by(rdd, 20);
        pairs all = collect_pairs(rdd);
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            sdf_result *r;
            sdf_error *err = NULL;
            if (sdf_take(rdd, wanted[i], &r, &err))
                fail_msg("take %llu: %s", (unsigned long long)wanted[i], sdf_error_text(err));
            pairs p = read_pairs(r);
            assert_int_equal(p.count, wanted[i] < 1000 ? wanted[i] : 1000);
            for (size_t k = 0; k < p.count; k++)
                assert_memory_equal(&p.at[k], &all.at[k], sizeof all.at[k]);
            free(p.at);
        }
        free(all.at);
    }
    uint64_t before, after;
    sdf_context_metric(c, "tasks", &before);
    sdf_result *r;
    assert_int_equal(sdf_take(numbers(c, 1000, 100), 25, &r, NULL), SDF_OK);
    sdf_result_free(r);
    sdf_context_metric(c, "tasks", &after);
    assert_in_range(after - before, 3, 5); /* 1 + 4 partitions of ten records */
    sdf_context_close(c);
}

static void test_legs(void **state)
{
    const char *const sets[] = {"cut_records", "10", "split_bytes", "400", NULL};
    sdf_context *c = open_context("threads:2", "mem:", sets);
    char *folder = make_folder(), *text = malloc(20000);
    size_t size = 0;
    for (int i = 0; i < 1000; i++)
        size += (size_t)sprintf(text + size, "%d w%d\n", i, i % 3);
    write_text(folder, "a", text);
    sdf_rdd *lines = sdf_text_file(c, folder, NULL);
    assert_int_equal(count_of(lines), 1000);
    assert_int_equal(count_of(sdf_reduce_by_key(sdf_flat_map(lines, "sdf.words", NULL, 0), "sdf.sum", 3)), 1003);
    sdf_result *r;
    const sdf_batch *b;
    size_t at = 0;
    assert_int_equal(sdf_collect(lines, &r, NULL), SDF_OK);
    while (sdf_result_next(r, &b, NULL) == SDF_OK) { /* legs in order */
        for (size_t i = 0; i < sdf_batch_count(b); i++) {
            sdf_slice v;
            sdf_batch_get(b, SDF_VALUE, i, &v);
            assert_memory_equal(v.data, text + at, v.size);
            at += v.size + 1;
        }
    }
    assert_int_equal(at, size);
    sdf_result_free(r);
    free(text);
    drop_folder(folder);
    sdf_context_close(c);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallelize_gives_back),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_aggregate),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_partition_by),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_legs),
    };
    return cmocka_run_group_tests_name("api/pipelines", tests, NULL, NULL);
}
