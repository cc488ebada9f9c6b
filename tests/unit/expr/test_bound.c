/* The bound form: what it holds, that it reads back, and that bytes from anywhere do no harm. */
#include "exprs.h"

#include "expr/bound.h"

static const char *const texts[] = {
    "if(f64($a) >= -1.5 and not in($b, 'x', 'y'), concat(substr($a, 1, 2), x'00ff'), bytes(len(value) % 7))",
    "tuple($a, i64($b) + 1, null, optional(extract($a, '([0-9]+)')), coalesce(null, 2.5))",
    "in($b, '1', '2', '3', '4', '5', '6', '7') or matches($a, '^x') or min(1, 2.0, f64($a)) < abs(-3)",
};
#define TEXTS (sizeof texts / sizeof *texts)

static void bind(size_t first, size_t count, const expr_input *in, buf *out)
{
    expr *e[TEXTS];
    sdf_error *err = NULL;
    for (size_t i = 0; i < count; i++)
        e[i] = expr_parse(texts[first + i]);
    if (expr_bind(e, count, in, out, &err))
        fail_msg("%s", sdf_error_text(err));
    for (size_t i = 0; i < count; i++)
        expr_unref(e[i]);
}

/* Makes a program of the bytes if they are taken, and runs it. */
static int try_bytes(const void *data, size_t size)
{
    static char odd[SDF_BATCH_MAX][24];
    uint8_t *copy = malloc(size ? size : 1); /* of the very size, for the address sanitizer */
    sdf_slice bytes = {memcpy(copy, data, size), size}, rows[SDF_BATCH_MAX];
    expr_program *p;
    expr_result results[BOUND_OUTPUTS_MAX];
    sdf_error *err = NULL;
    budget b;
    expr_tables tables = {tables_get, "red\tx"};
    budget_init(&b, 8u << 20);
    int rc = expr_program_new(&p, &b, &bytes, &tables, &err);
    if (rc) {
        assert_true(rc < 0);
        assert_non_null(err);
        sdf_error_free(err);
    } else {
        for (int i = 0; i < SDF_BATCH_MAX; i++)
            rows[i] =
                (sdf_slice){odd[i], (size_t)snprintf(odd[i], sizeof odd[i], i & 1 ? "%d,\"%d\",x" : "%d", i, i * 3)};
        sdf_batch batch = {.count = SDF_BATCH_MAX};
        column_set_null(&batch.key);
        column_set_slices(&batch.value, rows);
        if (expr_program_run(p, &batch, NULL, results, &err))
            sdf_error_free(err);
        else
            for (int i = 0; i < SDF_BATCH_MAX; i++) {
                char why[100];
                expr_program_why(p, (size_t)i, why, sizeof why);
            }
        expr_program_free(p);
    }
    assert_int_equal(b.used, 0);
    free(copy);
    return rc;
}

static void test_layout(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb");
    sdf_error *err = NULL;
    buf bytes = BUF_EMPTY;
    expr *e[2] = {expr_parse("$b = 'x'"), expr_parse("-1")};
    assert_int_equal(expr_bind(e, 2, &in, &bytes, &err), SDF_OK);
    static const uint8_t expected[] = {1,   1,   ',', '"',  0,    4,    'n',  'u',  'l',  'l',  5,   'b', 'y',
                                       't', 'e', 's', 2,    6,    1,    '=',  2,    5,    1,    'b', 1,   4,
                                       1,   'x', 2,   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(bytes.size, sizeof expected);
    assert_memory_equal(bytes.data, expected, sizeof expected);
    expr_unref(e[0]);
    expr_unref(e[1]);
    buf_free(&bytes);
}

static void test_round_trip(void **state)
{
    (void)state;
    expr_input inputs[] = {delimited_input("x\na\nb"), json_input()};
    for (size_t n = 0; n < 2; n++) {
        buf bytes = BUF_EMPTY;
        bound b;
        sdf_error *err = NULL;
        bind(0, TEXTS, &inputs[n], &bytes);
        sdf_slice slice = buf_slice(&bytes);
        assert_int_equal(bound_decode(&slice, &b, &err), SDF_OK);
        assert_int_equal(b.count, TEXTS);
        for (size_t i = 0; i < TEXTS; i++) {
            char *text = expr_text(b.outputs[i]);
            assert_string_equal(text, texts[i]);
            free(text);
        }
        assert_int_equal(b.format.kind, inputs[n].format->kind);
        bound_release(&b);
        assert_int_equal(try_bytes(bytes.data, bytes.size), SDF_OK);
        buf_free(&bytes);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb");
    buf bytes = BUF_EMPTY;
    sdf_error *err = NULL;
    expr *many[BOUND_OUTPUTS_MAX + 1];
    for (size_t i = 0; i <= BOUND_OUTPUTS_MAX; i++)
        many[i] = expr_parse("$a");
    assert_int_equal(expr_bind(many, BOUND_OUTPUTS_MAX + 1, &in, &bytes, &err), SDF_E_INVALID);
    sdf_error_free(err);
    assert_int_equal(expr_bind(many, 0, &in, &bytes, &err), SDF_E_INVALID);
    sdf_error_free(err);
    assert_int_equal(expr_bind(many, BOUND_OUTPUTS_MAX, &in, &bytes, &err), SDF_OK);
    assert_int_equal(try_bytes(bytes.data, bytes.size), SDF_OK);
    bytes.data[0] = 2;
    assert_int_equal(try_bytes(bytes.data, bytes.size), SDF_E_VERSION);
    bytes.data[0] = 1;
    buf_append(&bytes, "x", 1);
    assert_int_equal(try_bytes(bytes.data, bytes.size), SDF_E_CORRUPT);
    for (size_t i = 0; i <= BOUND_OUTPUTS_MAX; i++)
        expr_unref(many[i]);
    buf_clear(&bytes);
    expr *bad[2] = {expr_parse("$a"), expr_parse("$c")};
    assert_int_equal(expr_bind(bad, 2, &in, &bytes, &err), SDF_E_NOT_FOUND);
    assert_int_equal(bytes.size, 0); /* nothing of it is left */
    sdf_error_free(err);
    expr_unref(bad[0]);
    expr_unref(bad[1]);
    buf_free(&bytes);
}

/* Trees of the greatest depth go through; deeper ones, made by hand, are refused. */
static void test_depth(void **state)
{
    (void)state;
    for (int depth = 60; depth < 70; depth++) {
        buf b = BUF_EMPTY;
        static const uint8_t head[] = {1, 0, 4, 'n', 'u', 'l', 'l', 4, 'n', 'u', 'l', 'l', 1};
        buf_append(&b, head, sizeof head);
        for (int i = 1; i < depth; i++)
            buf_append(&b, "\x06\x03not\x01", 6);
        buf_append(&b, "\x06\x04true\x00", 7);
        assert_int_equal(try_bytes(b.data, b.size), depth <= EXPR_DEPTH_MAX ? SDF_OK : SDF_E_CORRUPT);
        buf_free(&b);
    }
}

static void test_hostile(void **state)
{
    (void)state;
    expr_input inputs[] = {delimited_input("x\na\nb"), json_input()};
    uint64_t seed = 3;
    int taken = 0;
    for (size_t n = 0; n < 2; n++) {
        buf bytes = BUF_EMPTY;
        bind(0, TEXTS, &inputs[n], &bytes);
        for (size_t size = 0; size < bytes.size; size++)
            assert_true(try_bytes(bytes.data, size) < 0);
        for (size_t bit = 0; bit < bytes.size * 8; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            taken += try_bytes(bytes.data, bytes.size) == SDF_OK;
            bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (int i = 0; i < 3000; i++) {
            uint8_t copy[1024];
            memcpy(copy, bytes.data, bytes.size);
            for (uint64_t k = random_next(&seed) % 8; k; k--)
                copy[random_next(&seed) % bytes.size] = (uint8_t)random_next(&seed);
            taken += try_bytes(copy, bytes.size) == SDF_OK;
        }
        buf_free(&bytes);
    }
    assert_true(taken > 100); /* other literals, other operators */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout), cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth),  cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
