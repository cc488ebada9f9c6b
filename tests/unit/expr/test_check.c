/* Types: what comes out of expressions, and what is said when things don't fit. */
#include "exprs.h"

#include <pthread.h>

#include "spec/type.h"

static void has_type(const char *text, const expr_input *in, const char *expected)
{
    expr *e = expr_parse(text);
    const char *type = NULL;
    sdf_error *err = NULL;
    if (expr_error(e))
        fail_msg("%s: %s", text, sdf_error_text(expr_error(e)));
    if (expr_check(e, in, &type, &err))
        fail_msg("%s: %s", text, sdf_error_text(err));
    assert_string_equal(type, expected);
    expr_unref(e);
}

static const char *const of_rows[][2] = {
    {"$a", "bytes"},
    {"1", "i64"},
    {"1.0", "f64"},
    {"null", "null"},
    {"key", "null"},
    {"value", "bytes"},
    {"1 + 1", "i64"},
    {"1 + 1.0", "f64"},
    {"1 + null", "i64"},
    {"null + null", "null"},
    {"-2.0", "f64"},
    {"$a = 'x'", "bool"},
    {"1 < 2.0", "bool"},
    {"$a = null", "bool"},
    {"(1 = 1) = true", "bool"},
    {"not null", "bool"},
    {"true and null or false", "bool"},
    {"i64($a)", "i64"},
    {"f64(1)", "f64"},
    {"bytes(1)", "bytes"},
    {"i64(null)", "i64"},
    {"len($a)", "i64"},
    {"substr($a, 1)", "bytes"},
    {"concat($a, $b, '-')", "bytes"},
    {"if($a = 'x', 1, 2.0)", "f64"},
    {"if(true, null, 'x')", "bytes"},
    {"if(true, 1 = 1, false)", "bool"},
    {"coalesce(null, 1)", "i64"},
    {"coalesce(null)", "null"},
    {"is_null($a)", "bool"},
    {"in($a, 'x', null)", "bool"},
    {"in(1, 2.0, 3)", "bool"},
    {"lookup('t', $a)", "bytes"},
    {"matches($a, 'x')", "bool"},
    {"extract($a, '(x)')", "bytes"},
    {"tuple($a, 1, 2.0, null)", "tuple(bytes,i64,f64,null)"},
    {"tuple(tuple(1), optional($a))", "tuple(tuple(i64),optional(bytes))"},
    {"optional(optional(1))", "optional(i64)"},
    {"item(tuple($a, 1), 2)", "i64"},
    {"item(item(tuple(1, tuple(2.0, 'x')), 2), 1)", "f64"},
    {"abs(-1)", "i64"},
    {"round(1.5)", "f64"},
    {"floor(1)", "i64"},
    {"min(1, 2.0)", "f64"},
    {"max($a, 'b')", "bytes"},
};

static void test_types(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb"), numbers = plain_input(SDF_I64, SDF_F64);
    expr_input tuples = plain_input("optional(i64)", "tuple(bytes,optional(f64),tuple(i64,any),null)");
    for (size_t i = 0; i < sizeof of_rows / sizeof *of_rows; i++)
        has_type(of_rows[i][0], &in, of_rows[i][1]);
    has_type("key", &numbers, "i64");
    has_type("value * 2", &numbers, "f64");
    has_type("key", &tuples, "optional(i64)");
    has_type("key + 1", &tuples, "i64");
    has_type("coalesce(key, 0)", &tuples, "i64");
    has_type("tuple(key, value)", &tuples, "tuple(optional(i64),tuple(bytes,optional(f64),tuple(i64,any),null))");
    has_type("item(value, 1)", &tuples, "bytes");
    has_type("item(value, 2)", &tuples, "optional(f64)");
    has_type("item(value, 2) / 2", &tuples, "f64");
    has_type("item(value, 3)", &tuples, "tuple(i64,any)");
    has_type("item(item(value, 3), 2)", &tuples, "any");
    has_type("item(value, 4)", &tuples, "null");
    has_type("value = value", &tuples, "bool");
    has_type("optional(item(value, 2))", &tuples, "optional(f64)");
    has_type("optional(item(value, 3))", &tuples, "optional(tuple(i64,any))");
    has_type("item(optional(item(value, 3)), 1)", &tuples, "i64");
}

static void complains(const char *text, const expr_input *in, int code, const char *message, const char *hint)
{
    expr *e = expr_parse(text);
    const char *type = NULL;
    sdf_error *err = NULL;
    if (expr_error(e))
        fail_msg("%s: %s", text, sdf_error_text(expr_error(e)));
    int rc = expr_check(e, in, &type, &err);
    if (rc != code)
        fail_msg("%s gave %d: %s", text, rc, sdf_error_text(err));
    if (!strstr(sdf_error_message(err), message) || !strstr(sdf_error_hint(err), hint))
        fail_msg("%s: \"%s\" (%s) does not say \"%s\" (%s)", text, sdf_error_message(err), sdf_error_hint(err), message,
                 hint);
    sdf_error_free(err);
    expr_unref(e);
}

static void test_type_errors(void **state)
{
    (void)state;
    expr_input in = delimited_input("tip\nfare\ntip_amount\ntwice\ntwice");
    expr_input plain = plain_input("tuple(i64,bytes)", SDF_ANY), json = json_input();
    static const struct {
        const char *text;
        int code;
        const char *message, *hint;
    } cases[] = {
        {"$tip + 1", SDF_E_TYPE, "$tip + 1: $tip is bytes, not a number", "i64(x) or f64(x)"},
        {"1 = 1 and $tip", SDF_E_TYPE, "1 = 1 and $tip: $tip is bytes, not a condition", "compare it"},
        {"not 1", SDF_E_TYPE, "not 1: 1 is i64, not a condition", "compare it"},
        {"f64($tip) > 'x'", SDF_E_TYPE, "f64($tip) > 'x': 'x' is bytes, which does not go with f64", "f64(x)"},
        {"$tip > 10", SDF_E_TYPE, "$tip > 10: 10 is i64, which does not go with bytes", "f64(x)"},
        {"in($tip, 'a', 1)", SDF_E_TYPE, "1 is i64, which does not go with bytes", "bytes(x)"},
        {"if(true, 1, 'x')", SDF_E_TYPE, "'x' is bytes, which does not go with i64", "bytes(x)"},
        {"coalesce(1, true)", SDF_E_TYPE, "true is bool, which does not go with i64", "of one type"},
        {"if(1, 2, 3)", SDF_E_TYPE, "1 is i64, not a condition", "compare it"},
        {"len(1)", SDF_E_TYPE, "len(1): 1 is i64, not bytes", "bytes(x)"},
        {"concat('a', 1.5)", SDF_E_TYPE, "1.5 is f64, not bytes", "bytes(x)"},
        {"substr($tip, 'a')", SDF_E_TYPE, "'a' is bytes, not i64", ""},
        {"substr($tip, 1.0)", SDF_E_TYPE, "1.0 is f64, not i64", ""},
        {"bytes(1 = 1)", SDF_E_TYPE, "1 = 1 is bool, not bytes or a number", "if(condition, 1, 0)"},
        {"tuple(true)", SDF_E_TYPE, "true is bool, not a value that a record can hold", "if(condition, 1, 0)"},
        {"max(true, false)", SDF_E_TYPE, "true is bool", "if(condition, 1, 0)"},
        {"matches($tip, $fare)", SDF_E_TYPE, "the pattern must be text that stands there", ""},
        {"matches($tip, '(')", SDF_E_INVALID, "matches($tip, '('): the pattern is wrong behind character 1", ""},
        {"matches($tip, '(*UTF)x')", SDF_E_INVALID, "the pattern is wrong", ""},
        {"lookup($tip, 'x')", SDF_E_TYPE, "the name of the broadcast must be text", ""},
        {"lookup('', 'x')", SDF_E_INVALID, "this can't be the name of a broadcast", ""},
        {"item(tuple(1), 2)", SDF_E_TYPE, "item(tuple(1), 2): tuple(i64) has only 1 items", ""},
        {"item(tuple(1), 0)", SDF_E_TYPE, "must be a number that stands there, from 1 on", ""},
        {"item($tip, 1)", SDF_E_TYPE, "$tip is bytes, not a tuple", ""},
        {"$tipp = ''", SDF_E_NOT_FOUND, "$tipp: there is no such column", "did you mean $tip?"},
        {"$Tip_Amont = ''", SDF_E_NOT_FOUND, "there is no such column", "did you mean $tip_amount?"},
        {"$colour = ''", SDF_E_NOT_FOUND, "there is no such column", "the columns are: tip, fare, ..."},
        {"$twice = ''", SDF_E_INVALID, "$twice: 2 columns have this name", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        complains(cases[i].text, &in, cases[i].code, cases[i].message, cases[i].hint);
    complains("$a", &plain, SDF_E_TYPE, "$a: the records have no fields", "key and value");
    complains("key + 1", &plain, SDF_E_TYPE, "key is tuple(i64,bytes), not a number", "item(x, 1)");
    complains("value = 'x'", &plain, SDF_E_TYPE, "'x' is bytes, which does not go with any", "");
    complains("item(value, 1)", &plain, SDF_E_TYPE, "value is any, not a tuple", "");
    complains("$a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.0.1.2.3.4.5.6", &json, SDF_E_LIMIT, "33 steps", "");
    complains("${a\\b}", &json, SDF_E_INVALID, "a backslash must stand before", "");
    expr_input wrong = in;
    wrong.value_type = SDF_I64;
    complains("1", &wrong, SDF_E_TYPE, "rows are bytes, but the values are i64", "");
}

/* A long sub-expression is cut, between characters. */
static void test_long_quotes(void **state)
{
    (void)state;
    expr_input in = plain_input(SDF_NULL, SDF_NULL);
    char text[800] = "1 + '";
    for (int i = 0; i < 200; i++)
        strcat(text, "\xc3\xa9");
    strcat(text, "'");
    expr *e = expr_parse(text);
    const char *type;
    sdf_error *err = NULL;
    assert_int_equal(expr_check(e, &in, &type, &err), SDF_E_TYPE);
    assert_non_null(strstr(sdf_error_message(err), "...: '"));
    assert_true(buf_is_utf8(sdf_error_message(err), strlen(sdf_error_message(err))));
    sdf_error_free(err);
    expr_unref(e);
}

static void test_columns(void **state)
{
    (void)state;
    plan_format bare = delimited_format;
    bare.header = false;
    expr_input numbered = delimited_input(NULL), unknown = delimited_input(NULL);
    numbered.format = &bare;
    has_type("$1", &numbered, "bytes");
    has_type("$65536", &numbered, "bytes");
    complains("$0", &numbered, SDF_E_NOT_FOUND, "the columns have no names", "$1, $2");
    complains("$65537", &numbered, SDF_E_NOT_FOUND, "the columns have no names", "");
    complains("$name", &numbered, SDF_E_NOT_FOUND, "the columns have no names", "option columns");
    has_type("$anything", &unknown, "bytes"); /* until the header is read */
    expr *e = expr_parse("$anything");
    sdf_error *err = NULL;
    buf bound = BUF_EMPTY;
    assert_int_equal(expr_bind(&e, 1, &unknown, &bound, &err), SDF_E_INTERNAL);
    assert_int_equal(bound.size, 0);
    buf_free(&bound);
    sdf_error_free(err);
    expr_unref(e);
}

/* A type that was worked out lives as long as the tree, and is kept once. */
static void test_types_are_kept(void **state)
{
    (void)state;
    expr_input in = delimited_input("a"), other = plain_input(SDF_I64, SDF_BYTES);
    expr *e = expr_parse("tuple(value, key)");
    const char *first, *again, *different;
    sdf_error *err = NULL;
    assert_int_equal(expr_check(e, &in, &first, &err), SDF_OK);
    assert_int_equal(expr_check(e, &in, &again, &err), SDF_OK);
    assert_int_equal(expr_check(e, &other, &different, &err), SDF_OK);
    assert_ptr_equal(first, again);
    assert_string_equal(first, "tuple(bytes,null)");
    assert_string_equal(different, "tuple(bytes,i64)");
    expr *bad = expr_parse("(");
    assert_int_equal(expr_check(bad, &in, &first, &err), SDF_E_INVALID);
    sdf_error_free(err);
    err = NULL;
    assert_int_equal(expr_check(NULL, &in, &first, &err), SDF_E_NO_MEMORY);
    sdf_error_free(err);
    expr_unref(bad);
    expr_unref(e);
}

/* Trees are shared between threads: references and kept types are counted and added at once. */
static void *check_often(void *shared)
{
    expr *e = shared;
    expr_input inputs[] = {plain_input(SDF_I64, SDF_BYTES), plain_input(SDF_F64, SDF_BYTES)};
    for (int i = 0; i < 2000; i++) {
        const char *type;
        expr *pair[2] = {e, e}, *both = expr_make_call("tuple", pair, 2);
        if (expr_check(both, &inputs[i & 1], &type, NULL) || expr_check(e, &inputs[i & 1], &type, NULL) ||
            strcmp(type, i & 1 ? "tuple(bytes,f64)" : "tuple(bytes,i64)"))
            return e;
        expr_unref(both);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    expr *e = expr_parse("tuple(value, key)");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_often, e), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    expr_unref(e);
}

static void test_type_limits(void **state)
{
    (void)state;
    expr_input in = plain_input(SDF_NULL, SDF_NULL);
    buf text = BUF_EMPTY;
    for (int i = 0; i < 40; i++)
        buf_text(&text, "tuple(");
    buf_text(&text, "1");
    for (int i = 0; i < 40; i++)
        buf_text(&text, ")");
    buf_append(&text, "", 1);
    expr *e = expr_parse((char *)text.data);
    const char *type;
    sdf_error *err = NULL;
    assert_null(expr_error(e));
    assert_true(expr_check(e, &in, &type, &err) < 0); /* types nest less deep */
    sdf_error_free(err);
    expr_unref(e);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),   cmocka_unit_test(test_type_errors),    cmocka_unit_test(test_long_quotes),
        cmocka_unit_test(test_columns), cmocka_unit_test(test_types_are_kept), cmocka_unit_test(test_type_limits),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
