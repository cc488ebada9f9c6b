/* Sorting within a task: order, stability, budgets, being asked for memory at any time. */
#include "sources.h"

#include "exec/local_sort.h"

typedef struct sorting {
    harness h;
    local_sort *s;
    sorted_stream *stream;
} sorting;

static void sorting_init(sorting *t, uint64_t memory, uint64_t room, const char *key, const char *value)
{
    sdf_error *err = NULL;
    harness_init(&t->h, memory);
    t->h.env.scratch_dir = "/tmp";
    t->stream = NULL;
    assert_int_equal(local_sort_new(&t->s, &t->h.env, "sort#1", type_of(key), type_of(value), room, &err), SDF_OK);
}

static void sorting_open(sorting *t)
{
    sdf_error *err = NULL;
    assert_int_equal(local_sort_open(t->s, 1, &t->stream, &err), SDF_OK);
}

static void check_sorted(sorting *t, const table_of *want, const char *key)
{
    size_t *index = stable_order(want->keys, want->count, order_of(key), false), n = 0;
    sdf_batch batch;
    sdf_error *err = NULL;
    int rc;
    while (!(rc = sorted_stream_next(t->stream, &batch, &err))) {
        assert_true(batch.count && n + batch.count <= want->count);
        for (size_t i = 0; i < batch.count; i++, n++) {
            uint64_t room;
            assert_slices_equal(column_get(&batch.key, i), canonical_key(key, &want->keys[index[n]], &room));
            assert_slices_equal(column_get(&batch.value, i), want->values[index[n]]);
        }
    }
    assert_int_equal(rc, SDF_END);
    assert_int_equal(sorted_stream_next(t->stream, &batch, &err), SDF_END);
    assert_int_equal(n, want->count);
    free(index);
}

static void sorting_end(sorting *t)
{
    sorted_stream_close(t->stream);
    assert_int_equal(t->h.budget.used, 0);
    assert_null(t->h.budget.spillers);
    assert_true(t->h.budget.peak <= t->h.budget.limit + EXCHANGE_SLACK);
}

static void push_some(sorting *t, const table_of *w, size_t from, size_t to)
{
    sdf_error *err = NULL;
    for (size_t at = from; at < to; at += SDF_BATCH_MAX) {
        sdf_batch batch = {.count = to - at < SDF_BATCH_MAX ? to - at : SDF_BATCH_MAX};
        column_set_slices(&batch.key, w->keys + at);
        column_set_slices(&batch.value, w->values + at);
        assert_int_equal(op_push(local_sort_op(t->s), &batch, &err), SDF_OK);
    }
}

static void ask_for_memory(sorting *t)
{
    sdf_error *err = NULL;
    uint64_t bytes = t->h.budget.limit / 3;
    assert_int_equal(budget_take(&t->h.budget, bytes, NULL, &err), SDF_OK);
    budget_give(&t->h.budget, bytes);
}

static void run_sort(const char *key, size_t count, uint64_t distinct, uint64_t memory, int ask, uint64_t seed)
{
    sorting t;
    table_of w;
    sdf_error *err = NULL;
    typed_table(&w, key, "i64", count, distinct, seed);
    sorting_init(&t, memory, memory / 2, key, "i64");
    push_some(&t, &w, 0, count / 3);
    if (ask & 1)
        ask_for_memory(&t);
    push_some(&t, &w, count / 3, count);
    assert_int_equal(op_finish(local_sort_op(t.s), &err), SDF_OK);
    if (ask & 2)
        ask_for_memory(&t);
    sorting_open(&t);
    check_sorted(&t, &w, key);
    sorting_end(&t);
    table_free(&w);
}

static void test_sorts(void **state)
{
    static const char *const keys[] = {"bytes", "i64", "f64", "tuple(bytes,i64)", "null"};
    for (uint64_t i = 0; i < 40; i++) {
        size_t count = i % 8 == 7 ? 0 : i % 8 == 6 ? 1 : 300 << i % 8;
        run_sort(keys[i % 5], count, 700 + i, i % 2 ? 64u << 20 : 1u << 20, (int)(i / 5 % 4), i);
    }
}

/* Input that is sorted already, or the other way round, in more runs than one. */
static void test_presorted(void **state)
{
    for (int down = 0; down < 2; down++) {
        sorting t;
        table_of w = {0};
        sdf_error *err = NULL;
        for (int64_t i = 0; i < 100000; i++) {
            int64_t key = (down ? -i : i) / 3;
            table_add_i64(&w, (sdf_slice){&key, 8}, i);
        }
        sorting_init(&t, 2u << 20, 1u << 20, "i64", "i64");
        push_some(&t, &w, 0, w.count);
        assert_int_equal(op_finish(local_sort_op(t.s), &err), SDF_OK);
        assert_true(t.h.env.metrics.spills > 1);
        sorting_open(&t);
        check_sorted(&t, &w, "i64");
        sorting_end(&t);
        table_free(&w);
    }
}

/* Records larger than the buffer, between small ones. */
static void test_large_records(void **state)
{
    sorting t;
    table_of w = {0};
    sdf_error *err = NULL;
    uint8_t *value = calloc(1, 300000);
    for (size_t i = 0; i < 30; i++) {
        int64_t key = (int64_t)(i * 7 % 11);
        store_u64(value, i);
        table_add(&w, (sdf_slice){&key, 8}, (sdf_slice){value, i % 5 ? 10 : 300000});
    }
    sorting_init(&t, 4u << 20, 200000, "i64", "bytes");
    push_some(&t, &w, 0, w.count);
    assert_int_equal(op_finish(local_sort_op(t.s), &err), SDF_OK);
    sorting_open(&t);
    check_sorted(&t, &w, "i64");
    sorting_end(&t);
    table_free(&w);
    free(value);
}

static void test_given_up(void **state)
{
    sorting t;
    table_of w;
    sdf_error *err = NULL;
    typed_table(&w, "i64", "bytes", 60000, 1000, 3);
    sorting_init(&t, 1u << 20, 1u << 19, "i64", "bytes");
    push_some(&t, &w, 0, w.count);
    local_sort_free(t.s);
    sorting_end(&t);
    local_sort_free(NULL);
    sorting_init(&t, 1u << 20, 1u << 19, "i64", "bytes");
    t.h.env.scratch_dir = "/nonexistent/folder"; /* and no store */
    for (size_t at = 0; at < w.count; at += SDF_BATCH_MAX) {
        sdf_batch batch = {.count = SDF_BATCH_MAX};
        column_set_slices(&batch.key, w.keys + at);
        column_set_slices(&batch.value, w.values + at);
        if (w.count - at < SDF_BATCH_MAX || op_push(local_sort_op(t.s), &batch, &err))
            break;
    }
    assert_non_null(err);
    assert_int_equal(sdf_error_code(err), SDF_E_NO_SPACE);
    assert_string_equal(sdf_error_operator(err), "sort#1");
    sdf_error_free(err);
    local_sort_free(t.s);
    sorting_end(&t);
    table_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorts),
        cmocka_unit_test(test_presorted),
        cmocka_unit_test(test_large_records),
        cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests_name("exec/local_sort", tests, NULL, NULL);
}
