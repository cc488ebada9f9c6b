/* Every allocation of expressions fails in turn: the call says so, and nothing leaks or crashes.
 * This program has its own malloc, which sanitizers have too: there the tests are skipped. */
#include "exprs.h"

#include "../no_memory.h"

/* A call that leaves nothing behind. Returns its status. */
typedef int (*action)(void);

/* Fails the first allocation and all that follow, then only from the second on, ... until the action succeeds. */
static void fail_each(action act)
{
#ifdef COUNTED
    for (long n = 0;; n++) {
        live = 0;
        countdown = n;
        int rc = act();
        countdown = -1;
        assert_int_equal(live, 0);
        if (rc == SDF_OK)
            break;
        assert_int_equal(rc, SDF_E_NO_MEMORY);
        assert_true(n < 10000);
    }
#else
    (void)countdown;
    (void)live;
    (void)act;
    skip();
#endif
}

static const char *const text = "if(f64($a) >= -1.5 and not in($b, 'x', 'y', 'z', '1', '2', '3', '4') or is_null($c), "
                                "concat(extract($b, '([0-9]+)$'), lookup('colours', lower($b))), x'00ff')";

/* The status of the error that it carries. */
static int outcome(const expr *e)
{
    const sdf_error *err = expr_error(e);
    return !e ? SDF_E_NO_MEMORY : err ? sdf_error_code(err) : SDF_OK;
}

static int parse_and_print(void)
{
    expr *e = expr_parse(text);
    int rc = outcome(e);
    char *printed = rc ? NULL : expr_text(e);
    if (!rc && !printed)
        rc = SDF_E_NO_MEMORY;
    free(printed);
    expr_unref(e);
    return rc;
}

/* A mistake is said, or that there is no memory to say it. */
static int parse_a_mistake(void)
{
    expr *e = expr_parse("concat(lower($a), lenn($b))");
    int rc = outcome(e);
    expr_unref(e);
    return rc == SDF_E_NOT_FOUND ? SDF_OK : rc;
}

static int build(void)
{
    expr *a = expr_make_field("a"), *b = expr_make_bytes("bytes", 5);
    expr *pair[2] = {a, b}, *both = expr_make_call("concat", pair, 2), *whole = expr_make_call("len", &both, 1);
    int rc = outcome(whole);
    expr_unref(a);
    expr_unref(b);
    expr_unref(both);
    expr_unref(whole);
    return rc;
}

static int check_a_tuple(void)
{
    expr_input in = plain_input("tuple(i64,optional(bytes))", SDF_F64);
    expr *e = expr_parse("tuple(item(key, 1), key, optional(item(key, 2)), value)");
    sdf_error *err = NULL;
    const char *type;
    int rc = outcome(e);
    if (!rc)
        rc = expr_check(e, &in, &type, &err);
    assert_int_equal(sdf_error_code(err), expr_error(e) ? 0 : rc);
    sdf_error_free(err);
    expr_unref(e);
    return rc;
}

static int bind_and_run(const expr_input *in, const char *row)
{
    static char colours[] = "x1\tred\n";
    sdf_error *err = NULL;
    buf bound = BUF_EMPTY;
    budget b;
    expr_program *p = NULL;
    expr_result r;
    expr_tables tables = {tables_get, colours};
    sdf_slice value = {row, strlen(row)};
    sdf_batch batch = {.count = 1};
    expr *e = expr_parse(text);
    int rc = outcome(e);
    budget_init(&b, MEMORY);
    column_set_null(&batch.key);
    column_set_slices(&batch.value, &value);
    if (!rc)
        rc = expr_bind(&e, 1, in, &bound, &err);
    sdf_slice bytes = buf_slice(&bound);
    if (!rc)
        rc = expr_program_new(&p, &b, &bytes, &tables, &err);
    if (!rc)
        rc = expr_program_run(p, &batch, NULL, &r, &err);
    if (!rc)
        assert_string_equal(result_text(p, 0, &r, 0), "1red");
    assert_true(!rc || err || expr_error(e) || !e);
    expr_program_free(p);
    assert_int_equal(b.used, 0);
    sdf_error_free(err);
    buf_free(&bound);
    expr_unref(e);
    return rc;
}

static int run_rows(void)
{
    expr_input in = delimited_input("a\nb\nc");
    return bind_and_run(&in, "7,\"X1\",\"a\"\"b\"");
}

static int run_json(void)
{
    expr_input in = json_input();
    return bind_and_run(&in, "{\"a\":\"\\u0037\",\"b\":\"X1\"}");
}

static void test_trees(void **state)
{
    (void)state;
    fail_each(parse_and_print);
    fail_each(parse_a_mistake);
    fail_each(build);
    fail_each(check_a_tuple);
}

static void test_programs(void **state)
{
    (void)state;
    fail_each(run_rows);
    fail_each(run_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees), cmocka_unit_test(test_programs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
