/* Emitting: batching, copies and views, every misuse, and the collector of one value. */
#include "harness.h"

static const plan_call spec = {.function = (char *)"app.fn", .label = (char *)"map#3 app.fn"};
static const char statics[] = "static bytes";

static sdf_out *open_out(harness *h, collector *c, type_kind key, type_kind value)
{
    sdf_error *err = NULL;
    sdf_out *out = out_new(&h->env, &c->base, key, value, &err);
    assert_non_null(out);
    out_enter(out);
    return out;
}

static void assert_left(sdf_out *out, int status, int code, const char *part)
{
    sdf_error *err = NULL;
    assert_int_equal(out_leave(out, status, &spec, &err), code);
    assert_int_equal(sdf_error_code(err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    assert_string_equal(sdf_error_function(err), "app.fn");
    assert_string_equal(sdf_error_operator(err), "map#3 app.fn");
    sdf_error_free(err);
}

static void copies_outlive_their_source(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    buf expected = BUF_EMPTY;
    for (int i = 0; i < 1000; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i * 7);
        sdf_slice k = text_slice(key), v = text_slice(value);
        assert_int_equal(sdf_emit(out, &k, &v), SDF_OK);
        buf_printf(&expected, "%s\x1f%s\x1e", key, value);
        memset(key, 'X', sizeof key);
        memset(value, 'X', sizeof value);
    }
    assert_int_equal(out_leave(out, SDF_OK, &spec, NULL), SDF_OK);
    assert_int_equal(out_flush(out, NULL), SDF_OK);
    assert_bytes(&c.text, expected.data, expected.size);
    assert_int_equal(out_count(out), 1000);
    assert_int_equal(c.largest, SDF_BATCH_MAX);
    assert_int_equal(c.batches, 8);
    out_free(out);
    assert_int_equal(h.budget.used, 0);
    buf_free(&expected);
    buf_free(&c.text);
}

static void large_and_empty_records_pass(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 4 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    char *big = malloc(2 << 20);
    memset(big, 'b', 2 << 20);
    sdf_slice k = text_slice("k"), v = {big, 2 << 20}, none = {NULL, 0};
    assert_int_equal(sdf_emit(out, &k, &none), SDF_OK);
    assert_int_equal(sdf_emit(out, &k, &v), SDF_OK);
    assert_int_equal(sdf_emit(out, NULL, NULL), SDF_OK);
    assert_int_equal(out_leave(out, SDF_OK, &spec, NULL), SDF_OK);
    assert_int_equal(out_flush(out, NULL), SDF_OK);
    assert_int_equal(c.records, 3);
    assert_int_equal(c.text.size, (2 << 20) + 2 + 3 * 2);
    assert_true(h.budget.used <= 1 << 20);
    out_free(out);
    free(big);
    buf_free(&c.text);
}

static void a_record_beyond_the_budget_is_told(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 100000);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    char *big = calloc(1, 200000);
    sdf_slice v = {big, 200000};
    assert_int_equal(sdf_emit(out, NULL, &v), SDF_E_NO_MEMORY);
    assert_int_equal(sdf_emit(out, NULL, NULL), SDF_E_NO_MEMORY);
    assert_left(out, SDF_OK, SDF_E_NO_MEMORY, "100000");
    out_free(out);
    assert_int_equal(h.budget.used, 0);
    free(big);
}

static void views_are_not_copied_and_settle(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_I64);
    char *input = strdup("abcdef");
    int64_t *n = malloc(sizeof *n);
    *n = 0x4142434445464748;
    sdf_slice k = {input, 3}, v = {n, 8};
    assert_int_equal(sdf_emit_view(out, &k, &v), SDF_OK);
    k = (sdf_slice){statics, 6};
    assert_int_equal(sdf_emit_view(out, &k, &v), SDF_OK);
    assert_int_equal(h.budget.used, 0);
    assert_int_equal(out_leave(out, SDF_OK, &spec, NULL), SDF_OK);
    assert_int_equal(out_settle(out, NULL), SDF_OK);
    assert_int_equal(c.records, 0);
    memset(input, 'X', 6);
    *n = 0;
    free(input);
    free(n);
    assert_int_equal(out_flush(out, NULL), SDF_OK);
    assert_collected(&c, "abc\x1fHGFEDCBA\x1estatic\x1fHGFEDCBA\x1e");
    out_free(out);
    buf_free(&c.text);
}

static void settling_many_pushes(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_NULL, TYPE_BYTES);
    sdf_slice v = {statics, 1};
    for (int i = 0; i < 100; i++)
        assert_int_equal(sdf_emit_view(out, NULL, &v), SDF_OK);
    out_leave(out, SDF_OK, &spec, NULL);
    assert_int_equal(out_settle(out, NULL), SDF_OK);
    assert_int_equal(c.records, 100);
    assert_int_equal(h.budget.used, 0);
    out_free(out);
    buf_free(&c.text);
}

static void stack_views_are_refused(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    char local[8] = "local";
    sdf_slice k = {local, 5};
    assert_int_equal(sdf_emit_view(out, &k, NULL), SDF_E_INVALID);
    assert_left(out, SDF_E_INVALID, SDF_E_INVALID, "stack");
    out_free(out);
    out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    assert_int_equal(sdf_emit_view(out, NULL, &k), SDF_E_INVALID);
    assert_left(out, SDF_OK, SDF_E_INVALID, "sdf_emit");
    out_free(out);
}

static void wrong_sizes_are_type_errors(void **state)
{
    static const struct {
        type_kind key, value;
        size_t key_size, value_size;
        const char *says;
    } cases[] = {
        {TYPE_I64, TYPE_BYTES, 4, 1, "key of 4 bytes"},  {TYPE_BYTES, TYPE_F64, 1, 9, "value of 9 bytes"},
        {TYPE_NULL, TYPE_BYTES, 1, 1, "key of 1 bytes"}, {TYPE_BYTES, TYPE_NULL, 0, 3, "type null"},
        {TYPE_I64, TYPE_NULL, 0, 0, "key of 0 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int view = 0; view < 2; view++) {
            harness h;
            collector c;
            harness_init(&h, 1 << 20);
            collector_init(&c, &h);
            sdf_out *out = open_out(&h, &c, cases[i].key, cases[i].value);
            sdf_slice k = {statics, cases[i].key_size}, v = {statics, cases[i].value_size};
            assert_int_equal((view ? sdf_emit_view : sdf_emit)(out, &k, &v), SDF_E_TYPE);
            assert_left(out, SDF_OK, SDF_E_TYPE, cases[i].says);
            out_free(out);
        }
    }
}

static void numbers_need_number_types(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_I64);
    sdf_slice k = {statics, 2};
    assert_int_equal(sdf_emit_i64(out, &k, 0x3131313131313131), SDF_OK);
    assert_int_equal(sdf_emit_f64(out, &k, 1.5), SDF_E_TYPE);
    assert_left(out, SDF_OK, SDF_E_TYPE, "f64");
    out_free(out);
    out = open_out(&h, &c, TYPE_NULL, TYPE_F64);
    assert_int_equal(sdf_emit_f64(out, NULL, 1.5), SDF_OK);
    assert_int_equal(sdf_emit_i64(out, NULL, 1), SDF_E_TYPE);
    out_free(out);
    out = open_out(&h, &c, TYPE_NULL, TYPE_BYTES);
    assert_int_equal(sdf_emit_i64(out, NULL, 1), SDF_E_TYPE);
    out_free(out);
}

static void emitting_at_the_wrong_time(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    assert_int_equal(out_leave(out, SDF_OK, &spec, NULL), SDF_OK);
    assert_int_equal(sdf_emit(out, NULL, NULL), SDF_E_INVALID);
    out_enter(out);
    assert_left(out, SDF_OK, SDF_E_INVALID, "outside");
    out_free(out);

    out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    out_enter_mute(out);
    assert_int_equal(sdf_emit(out, NULL, NULL), SDF_E_INVALID);
    assert_left(out, SDF_OK, SDF_E_INVALID, "filter");
    out_free(out);
    assert_int_equal(sdf_emit(NULL, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_fail(NULL, "x"), SDF_E_USER);
    sdf_slice dangling = {NULL, 5};
    out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    assert_int_equal(sdf_emit(out, &dangling, NULL), SDF_E_INVALID);
    assert_left(out, SDF_OK, SDF_E_INVALID, "no data");
    out_free(out);
}

static void failing_says_why(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    assert_int_equal(sdf_fail(out, "line 12: no comma"), SDF_E_USER);
    assert_left(out, SDF_E_USER, SDF_E_USER, "line 12: no comma");
    out_free(out);
    out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    assert_left(out, -77, SDF_E_USER, "returned -77");
    assert_left(out, 5, SDF_E_USER, "returned 5");
    assert_left(out, SDF_E_IO, SDF_E_IO, "SDF_E_IO");
    assert_left(out, SDF_E_NOT_FOUND, SDF_E_USER, "SDF_E_NOT_FOUND");
    out_enter(out);
    sdf_fail(out, "ignored by the function"); /* it returns 0 all the same */
    assert_left(out, SDF_OK, SDF_E_USER, "ignored by the function");
    out_free(out);
}

static void downstream_errors_and_stops_come_back(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    c.fail = SDF_E_NO_SPACE;
    int rc = SDF_OK;
    for (int i = 0; i < SDF_BATCH_MAX && !rc; i++)
        rc = sdf_emit(out, NULL, NULL);
    assert_int_equal(rc, SDF_E_NO_SPACE);
    sdf_error *err = NULL;
    assert_int_equal(out_leave(out, SDF_E_USER, &spec, &err), SDF_E_NO_SPACE);
    assert_string_equal(sdf_error_function(err), "");
    sdf_error_free(err);
    assert_int_equal(out_flush(out, NULL), SDF_E_NO_SPACE);
    out_free(out);

    collector_init(&c, &h);
    c.stop_after = 1;
    out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
    for (rc = SDF_OK; !rc;)
        rc = sdf_emit(out, NULL, NULL);
    assert_true(rc < 0);
    assert_int_equal(c.records, SDF_BATCH_MAX);
    assert_int_equal(out_leave(out, rc, &spec, NULL), OP_STOP);
    assert_int_equal(out_flush(out, NULL), OP_STOP);
    out_free(out);
    buf_free(&c.text);
}

static void columns_of_each_layout(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    enum { N = 300 };
    sdf_slice slices[N];
    uint32_t offsets[N + 1];
    char data[N * 3];
    for (size_t i = 0; i < N; i++) {
        memcpy(data + i * 3, "abc", 3);
        slices[i] = (sdf_slice){data + i * 3, i % 4};
        offsets[i] = (uint32_t)(i * 3);
    }
    offsets[N] = N * 3;
    slices[N - 1].size = 1;
    sdf_column columns[4];
    column_set_const(&columns[0], "const", 5);
    column_set_fixed(&columns[1], data, 3);
    column_set_slices(&columns[2], slices);
    column_set_null(&columns[3]);
    columns[3].layout = SDF_LAYOUT_OFFSETS;
    columns[3].data = data;
    columns[3].offsets = offsets;
    for (int k = 0; k < 4; k++) {
        for (int v = 0; v < 4; v++) {
            sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
            collector_reset(&c);
            assert_int_equal(sdf_emit(out, NULL, NULL), SDF_OK);
            assert_int_equal(sdf_emit_columns(out, N, &columns[k], &columns[v]), SDF_OK);
            assert_int_equal(sdf_emit_columns(out, 1, NULL, NULL), SDF_OK);
            out_leave(out, SDF_OK, &spec, NULL);
            assert_int_equal(out_flush(out, NULL), SDF_OK);
            buf expected = BUF_EMPTY;
            buf_append(&expected, "\x1f\x1e", 2);
            for (size_t i = 0; i < N; i++) {
                sdf_slice a = column_get(&columns[k], i), b = column_get(&columns[v], i);
                buf_append(&expected, a.data, a.size);
                buf_append(&expected, "\x1f", 1);
                buf_append(&expected, b.data, b.size);
                buf_append(&expected, "\x1e", 1);
            }
            buf_append(&expected, "\x1f\x1e", 2);
            assert_bytes(&c.text, expected.data, expected.size);
            buf_free(&expected);
            out_free(out);
        }
    }
    buf_free(&c.text);
}

static void number_columns(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    int64_t numbers[3] = {0x4141414141414141, 0x4242424242424242, 0x4343434343434343};
    sdf_slice slices[3] = {{&numbers[2], 8}, {&numbers[1], 8}, {&numbers[0], 8}};
    sdf_column fixed, list;
    column_set_fixed(&fixed, numbers, 8);
    column_set_slices(&list, slices);
    sdf_out *out = open_out(&h, &c, TYPE_I64, TYPE_I64);
    assert_int_equal(sdf_emit_columns(out, 3, &fixed, &list), SDF_OK);
    out_leave(out, SDF_OK, &spec, NULL);
    memset(numbers, 0, sizeof numbers);
    assert_int_equal(out_flush(out, NULL), SDF_OK);
    assert_collected(&c, "AAAAAAAA\x1f"
                         "CCCCCCCC\x1e"
                         "BBBBBBBB\x1f"
                         "BBBBBBBB\x1e"
                         "CCCCCCCC\x1f"
                         "AAAAAAAA\x1e");
    out_free(out);
    buf_free(&c.text);
}

static void bad_columns_are_refused(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    uint32_t falling[] = {5, 3};
    sdf_column columns[6];
    for (int i = 0; i < 6; i++)
        column_set_const(&columns[i], "x", 1);
    columns[0].struct_size = 0;
    columns[1].layout = 9;
    columns[2].data = NULL;
    columns[3].layout = SDF_LAYOUT_SLICES;
    columns[4].layout = SDF_LAYOUT_OFFSETS;
    columns[5].layout = SDF_LAYOUT_OFFSETS;
    columns[5].offsets = falling;
    for (int i = 0; i < 6; i++) {
        sdf_out *out = open_out(&h, &c, TYPE_BYTES, TYPE_BYTES);
        assert_int_equal(sdf_emit_columns(out, 1, &columns[i], NULL), SDF_E_INVALID);
        assert_left(out, SDF_OK, SDF_E_INVALID, "sdf_emit_columns");
        out_free(out);
    }
}

static void large_columns_go_in_parts(void **state)
{
    harness h;
    collector c;
    harness_init(&h, 300000);
    collector_init(&c, &h);
    static char data[100 * 20000];
    sdf_column fixed;
    memset(data, 'z', sizeof data);
    column_set_fixed(&fixed, data, 20000);
    sdf_out *out = open_out(&h, &c, TYPE_NULL, TYPE_BYTES);
    assert_int_equal(sdf_emit_columns(out, 100, NULL, &fixed), SDF_OK);
    out_leave(out, SDF_OK, &spec, NULL);
    assert_int_equal(out_flush(out, NULL), SDF_OK);
    assert_int_equal(c.records, 100);
    assert_int_equal(c.text.size, 100 * 20002);
    assert_true(h.budget.peak < 200000);
    out_free(out);
    buf_free(&c.text);
}

static void one_value(void **state)
{
    harness h;
    harness_init(&h, 1 << 20);
    sdf_error *err = NULL;
    sdf_slice v, in = {statics, 6};
    sdf_out *out = out_value_new(&h.env, TYPE_BYTES, &err);
    out_value_reset(out);
    assert_int_equal(sdf_emit(out, NULL, &in), SDF_OK);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_OK);
    assert_int_equal(v.size, 6);
    assert_memory_equal(v.data, "static", 6);
    out_value_reset(out);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_message(err), "emitted 0"));
    sdf_error_free(err);
    err = NULL;
    out_value_reset(out);
    for (int i = 0; i < 200; i++)
        assert_int_equal(sdf_emit_view(out, NULL, &in), SDF_OK);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_message(err), "emitted 200"));
    sdf_error_free(err);
    err = NULL;
    out_value_reset(out);
    assert_int_equal(sdf_emit(out, &in, &in), SDF_E_TYPE);
    assert_int_equal(out_leave(out, SDF_E_TYPE, &spec, &err), SDF_E_TYPE);
    sdf_error_free(err);
    err = NULL;
    out_value_reset(out); /* trouble is forgotten */
    assert_int_equal(sdf_emit(out, NULL, NULL), SDF_OK);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_OK);
    assert_int_equal(v.size, 0);
    out_free(out);

    out = out_value_new(&h.env, TYPE_F64, &err);
    out_value_reset(out);
    assert_int_equal(sdf_emit_f64(out, NULL, 2.5), SDF_OK);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_OK);
    assert_true(sdf_slice_f64(&v) == 2.5);
    out_free(out);
    assert_int_equal(h.budget.used, 0);
}

static void one_value_overdraws_a_little(void **state)
{
    harness h;
    harness_init(&h, 1 << 20);
    sdf_error *err = NULL;
    char *big = malloc(300000);
    memset(big, 'q', 300000);
    sdf_slice v, in = {big, 100000};
    sdf_out *out = out_value_new(&h.env, TYPE_BYTES, &err);
    h.budget.used = h.budget.limit;
    out_value_reset(out);
    assert_int_equal(sdf_emit(out, NULL, &in), SDF_OK);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_OK);
    assert_memory_equal(v.data, big, 100000);
    out_value_reset(out);
    assert_int_equal(h.budget.used, h.budget.limit);
    in.size = 300000;
    assert_int_equal(sdf_emit(out, NULL, &in), SDF_E_NO_MEMORY);
    assert_int_equal(out_value_take(out, &spec, &v, &err), SDF_E_NO_MEMORY);
    sdf_error_free(err);
    out_free(out);
    assert_int_equal(h.budget.used, h.budget.limit);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_outlive_their_source),
        cmocka_unit_test(large_and_empty_records_pass),
        cmocka_unit_test(a_record_beyond_the_budget_is_told),
        cmocka_unit_test(views_are_not_copied_and_settle),
        cmocka_unit_test(settling_many_pushes),
        cmocka_unit_test(stack_views_are_refused),
        cmocka_unit_test(wrong_sizes_are_type_errors),
        cmocka_unit_test(numbers_need_number_types),
        cmocka_unit_test(emitting_at_the_wrong_time),
        cmocka_unit_test(failing_says_why),
        cmocka_unit_test(downstream_errors_and_stops_come_back),
        cmocka_unit_test(columns_of_each_layout),
        cmocka_unit_test(number_columns),
        cmocka_unit_test(bad_columns_are_refused),
        cmocka_unit_test(large_columns_go_in_parts),
        cmocka_unit_test(one_value),
        cmocka_unit_test(one_value_overdraws_a_little),
    };
    return cmocka_run_group_tests_name("exec/out", tests, NULL, NULL);
}
