/* The text form: what it means, that it can be printed and read again, and what is said of mistakes. */
#include "exprs.h"

#include <math.h>

static void prints(const char *text, const char *expected)
{
    expr *e = expr_parse(text);
    if (expr_error(e))
        fail_msg("%s: %s", text, sdf_error_text(expr_error(e)));
    char *printed = expr_text(e);
    assert_string_equal(printed, expected);
    expr *again = expr_parse(printed);
    assert_null(expr_error(again));
    char *twice = expr_text(again);
    assert_string_equal(twice, printed);
    free(printed);
    free(twice);
    expr_unref(e);
    expr_unref(again);
}

static void test_forms(void **state)
{
    (void)state;
    prints("$a", "$a");
    prints("${odd name}", "${odd name}");
    prints("${a}", "$a");
    prints("${a}}b}", "${a}}b}");
    prints("$user.tags.0", "$user.tags.0");
    prints("$\xc3\xa9t\xc3\xa9", "$\xc3\xa9t\xc3\xa9");
    prints("  key\t\n", "key");
    prints("value", "value");
    prints("null", "null");
    prints("true or false", "true or false");
    prints("'it''s'", "'it''s'");
    prints("''", "''");
    prints("x'00fFa0'", "x'00ffa0'");
    prints("x''", "''");
    prints("x'616263'", "'abc'");
    prints("1", "1");
    prints("-1", "-1");
    prints("9223372036854775807", "9223372036854775807");
    prints("-9223372036854775808", "-9223372036854775808");
    prints("1.0", "1.0");
    prints("1.", "1.0");
    prints(".5", "0.5");
    prints("1e3", "1000.0");
    prints("2.5e-3", "0.0025");
    prints("1e300", "1e+300");
    prints("-0.0", "-0.0");
    prints("inf", "inf");
    prints("-inf", "-inf");
    prints("nan", "nan");
    prints("substr($a,1,2)", "substr($a, 1, 2)");
    prints("in($a, 'x', 'y')", "in($a, 'x', 'y')");
    prints("if(true, 1, 0)", "if(true, 1, 0)");
}

static void test_precedence(void **state)
{
    (void)state;
    prints("1 + 2 * 3", "1 + 2 * 3");
    prints("(1 + 2) * 3", "(1 + 2) * 3");
    prints("1 - (2 - 3)", "1 - (2 - 3)");
    prints("(1 - 2) - 3", "1 - 2 - 3");
    prints("8 / 4 / 2", "8 / 4 / 2");
    prints("8 / (4 / 2)", "8 / (4 / 2)");
    prints("1-1", "1 - 1");
    prints("1--1", "1 - -1");
    prints("-(1)", "-(1)");
    prints("- 1", "-1");
    prints("-$a", "-$a");
    prints("--1", "-(-1)");
    prints("-(-$a)", "-(-$a)");
    prints("-$a * 2", "-$a * 2");
    prints("-($a * 2)", "-($a * 2)");
    prints("true and false and true", "true and false and true");
    prints("(true and false) and true", "(true and false) and true");
    prints("true or false and true", "true or false and true");
    prints("(true or false) and true", "(true or false) and true");
    prints("not true and false", "not true and false");
    prints("not (true and false)", "not (true and false)");
    prints("not not true", "not not true");
    prints("not 1 = 2", "not 1 = 2");
    prints("(not true) = false", "(not true) = false");
    prints("(1 = 2) = false", "(1 = 2) = false");
    prints("1 + 2 = 3 and 4 != 5 or 6 < 7", "1 + 2 = 3 and 4 != 5 or 6 < 7");
    prints("2 % 3 >= 1 and 2 <= 3 and 3 > 2", "2 % 3 >= 1 and 2 <= 3 and 3 > 2");
}

static void complains(const char *text, const char *expected)
{
    const char *said = parse_error(text);
    if (!said)
        fail_msg("\"%s\" was taken", text);
    if (!strstr(said, expected))
        fail_msg("\"%s\" gave \"%s\", which does not say \"%s\"", text, said, expected);
}

static void test_mistakes(void **state)
{
    (void)state;
    complains("", "at its end, character 1: a value is expected here");
    complains("1 +", "at its end, character 4: a value is expected here");
    complains("1 + * 2", "at character 5, \"* 2\": a value is expected here");
    complains("1 2", "at character 3, \"2\": an operator is expected here");
    complains("(1 + 2", "')' expected");
    complains("1 + 2)", "at character 6, \")\": an operator is expected here");
    complains("len('a'", "',' or ')' expected");
    complains("len('a' 'b')", "at character 9, \"'b')\": ',' or ')' expected");
    complains("concat('a',)", "an argument must follow the comma");
    complains("len", "arguments must follow the name of a function");
    complains("len()", "\"len\" was given 0 arguments; it takes 1");
    complains("len('a', 'b')", "\"len\" was given 2 arguments; it takes 1");
    complains("substr('a')", "\"substr\" was given 1 arguments; it takes at least 2");
    complains("substr('a', 1, 2, 3)", "it takes at most 3");
    complains("lenn('a')", "there is no function or operator \"lenn\"");
    complains("lenn('a')", "did you mean \"len\"?");
    complains("tip > 3", "a column is written $tip");
    complains("nul", "did you mean \"null\"?");
    complains("and 1", "an operator without anything before it");
    complains("'abc", "this text has no end");
    complains("${abc", "this ${ has no }");
    complains("${}", "has no name");
    complains("$ a", "a name must follow $");
    complains("x'0'", "this is no x'...'");
    complains("x'0g'", "two hexadecimal digits");
    complains("\"a\" = 1", "text stands in single quotes");
    complains("1 == 1", "equal is written =");
    complains("1 <> 1", "not equal is written !=");
    complains("1 && 1", "it is written: and");
    complains("'a' || 'b'", "concat(x, y)");
    complains("1 ! 2", "this means nothing here");
    complains("1 # 2", "this means nothing here");
    complains("1 < 2 < 3", "comparisons don't chain");
    complains("1 = 2 != 3", "write: a < b and b < c");
    complains("9223372036854775808", "out of the range of i64");
    complains("-9223372036854775809", "out of the range of i64");
    complains("12abc", "a number and a word without anything between them");
    complains("1e", "this is no number");
    complains("1e+", "this is no number");
    complains("\xc3\xa9 = 1", "at character 1");
    complains("'\xc3\xa9\xc3\xa9' = #", "at character 8, \"#\"");
    complains("not", "a value is expected here");
}

static void test_limits(void **state)
{
    (void)state;
    buf text = BUF_EMPTY;
    for (int i = 0; i < 5000; i++)
        buf_text(&text, "(");
    buf_append(&text, "", 1);
    complains((char *)text.data, "too many levels of parentheses");
    buf_clear(&text);
    for (int i = 0; i < 60; i++)
        buf_text(&text, "1 + (");
    buf_text(&text, "1");
    for (int i = 0; i < 60; i++)
        buf_text(&text, ")");
    buf_append(&text, "", 1);
    assert_null(parse_error((char *)text.data));
    buf_clear(&text);
    buf_text(&text, "1");
    for (int i = 0; i < 70; i++)
        buf_text(&text, " + 1");
    buf_append(&text, "", 1);
    complains((char *)text.data, "too many levels: 65; at most 64");
    buf_clear(&text);
    buf_text(&text, "true");
    for (int i = 0; i < 1000; i++)
        buf_text(&text, " and true");
    buf_append(&text, "", 1);
    assert_null(parse_error((char *)text.data));
    buf_clear(&text);
    buf_text(&text, "in(1");
    for (int i = 0; i < 1100; i++)
        buf_text(&text, ", 1");
    buf_append(&text, ")", 2);
    complains((char *)text.data, "too many arguments");
    buf_clear(&text);
    buf_text(&text, "'");
    for (unsigned i = 0; i <= EXPR_TEXT_MAX; i++)
        buf_text(&text, "a");
    buf_append(&text, "'", 2);
    complains((char *)text.data, "at most 65536 are allowed");
    buf_free(&text);
}

/* ---- calls ---- */

static void test_calls(void **state)
{
    (void)state;
    expr *one = expr_make_i64(1), *name = expr_make_field("a b"), *pair[2] = {one, name};
    expr *sum = expr_make_call("+", pair, 2), *minus = expr_make_call("-", &sum, 1);
    char *text = expr_text(minus);
    assert_string_equal(text, "-(1 + ${a b})");
    free(text);
    expr *bad = expr_make_call("plus", pair, 2), *next = expr_make_call("abs", &bad, 1);
    assert_non_null(expr_error(bad));
    assert_ptr_equal(expr_error(next), expr_error(bad)); /* handed on */
    assert_null(expr_text(next));
    expr *missing[2] = {one, NULL};
    expr *lost = expr_make_call("+", missing, 2);
    assert_int_equal(sdf_error_code(expr_error(lost)), SDF_E_NO_MEMORY);
    expr *none = expr_make_call("+", NULL, 2), *nameless = expr_make_call(NULL, NULL, 0),
         *field = expr_make_field(NULL);
    assert_int_equal(sdf_error_code(expr_error(none)), SDF_E_INVALID);
    assert_int_equal(sdf_error_code(expr_error(nameless)), SDF_E_NOT_FOUND);
    assert_int_equal(sdf_error_code(expr_error(field)), SDF_E_INVALID);
    expr *key = expr_make_call("key", NULL, 0);
    assert_null(expr_error(key));
    expr *all[] = {one, name, sum, minus, bad, next, lost, none, nameless, field, key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        expr_unref(all[i]);
    expr_unref(NULL);
    assert_null(expr_ref(NULL));
}

/* Doubling by sharing makes trees that are far larger than what is allocated. */
static void test_shared_growth(void **state)
{
    (void)state;
    expr *e = expr_make_field("a");
    int levels = 0;
    while (!expr_error(e) && levels < 100) {
        expr *pair[2] = {e, e}, *next = expr_make_call("concat", pair, 2);
        expr_unref(e);
        e = next;
        levels++;
    }
    assert_int_equal(levels, 12); /* 2^12 - 1 nodes are the most */
    assert_non_null(strstr(sdf_error_text(expr_error(e)), "too many parts: 8191; at most 4096"));
    expr_unref(e);
    e = expr_make_field("a");
    for (levels = 1; !expr_error(e); levels++) {
        expr *next = expr_make_call("lower", &e, 1);
        expr_unref(e);
        e = next;
    }
    assert_int_equal(levels, EXPR_DEPTH_MAX + 1);
    expr_unref(e);
}

/* ---- random trees: text and back ---- */

static expr *random_tree(uint64_t *seed, int depth)
{
    static const char *const calls[] = {
        "or", "and", "=", "!=",  "<",      "<=",     ">",  ">=",       "+",  "-",     "*",     "/",
        "%",  "not", "-", "len", "substr", "concat", "if", "coalesce", "in", "tuple", "lookup"};
    static const int counts[] = {2, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 3, 4, 3, 2, 5, 2, 2};
    static const char *const fields[] = {"a", "b.c", "odd name", "}", "a}b", "\xc3\xa9", "1"};
    uint64_t r = random_next(seed);
    if (depth == 0 || r % 5 == 0) {
        uint64_t bits = random_next(seed);
        double d;
        memcpy(&d, &bits, 8);
        switch (r >> 8 & 7) {
        case 0:
            return expr_make_i64((int64_t)bits);
        case 1:
            return expr_make_i64((int64_t)(bits % 100) - 50);
        case 2:
            return expr_make_f64(d);
        case 3:
            return expr_make_f64((double)(int64_t)(bits % 2000) / 16 - 60);
        case 4:
            return expr_make_bytes(&bits, bits % 9);
        case 5:
            return expr_make_bytes("it's 'so'\n", bits % 11);
        case 6:
            return expr_make_field(fields[bits % 7]);
        default:
            return bits % 3 ? expr_make_null() : expr_make_call(bits & 1 ? "key" : "true", NULL, 0);
        }
    }
    size_t which = (r >> 16) % (sizeof counts / sizeof *counts);
    expr *args[8] = {NULL};
    for (int i = 0; i < counts[which]; i++)
        args[i] = random_tree(seed, depth - 1);
    expr *e = expr_make_call(calls[which], args, (size_t)counts[which]);
    for (int i = 0; i < counts[which]; i++)
        expr_unref(args[i]);
    return e;
}

static void test_random_trees(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int i = 0; i < 3000; i++) {
        expr *e = random_tree(&seed, (int)(random_next(&seed) % 6));
        assert_null(expr_error(e));
        char *text = expr_text(e);
        prints(text, text);
        free(text);
        expr_unref(e);
    }
}

/* Text with bytes changed is taken or refused, never more. */
static void test_hostile_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "if(f64($a) >= -1.5e3 and not in(${b c}, 'x', 'it''s'), substr(value, 1, 2), x'00ff')",
        "coalesce(lookup('t', lower($u.v)), concat(bytes(key), '-')) != 'a' or is_null($1)"};
    uint64_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        char copy[200];
        strcpy(copy, texts[i & 1]);
        size_t size = strlen(copy);
        for (uint64_t n = random_next(&seed) % 3 + 1; n; n--)
            copy[random_next(&seed) % size] = "()'$,{} x1.\x80+"[random_next(&seed) % 13];
        if (i % 3 == 0)
            copy[random_next(&seed) % size] = '\0';
        expr *e = expr_parse(copy);
        assert_non_null(e);
        assert_true(!expr_error(e) || sdf_error_code(expr_error(e)) < 0);
        expr_unref(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),        cmocka_unit_test(test_precedence),   cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_calls),        cmocka_unit_test(test_shared_growth),
        cmocka_unit_test(test_random_trees), cmocka_unit_test(test_hostile_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
