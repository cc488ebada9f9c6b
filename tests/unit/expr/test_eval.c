/* What each function gives, one record at a time: values, nulls, and why a record can't be evaluated. */
#include "exprs.h"

#include <sdf/key.h>

typedef struct example {
    const char *text, *expected;
} example;

static void check_all(const example *examples, size_t count, const expr_input *in, const char *row)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = evaluate(examples[i].text, in, row);
        if (strcmp(got, examples[i].expected))
            fail_msg("%s gave \"%s\" instead of \"%s\"", examples[i].text, got, examples[i].expected);
    }
}
#define CHECK_ALL(examples, in, row) check_all(examples, sizeof(examples) / sizeof *(examples), in, row)

static const example number_examples[] = {
    {"1 + 2 * 3 - 4", "3"},
    {"7 / 2", "3"},
    {"-7 / 2", "-3"},
    {"7 % 2", "1"},
    {"-7 % 2", "-1"},
    {"7.5 % 2.0", "1.5"},
    {"7 / 2.0", "3.5"},
    {"1.0 / 0", "inf"},
    {"0.0 / 0", "nan"},
    {"1 / 0", "bad: 1 / 0: 1, 0: division by zero"},
    {"1 % 0", "bad: 1 % 0: 1, 0: division by zero"},
    {"i64($a) / (i64($a) - 12)", "bad: i64($a) / (i64($a) - 12): 12, 0: division by zero"},
    {"9223372036854775807 + 1",
     "bad: 9223372036854775807 + 1: 9223372036854775807, 1: the result is out of the range of i64"},
    {"-9223372036854775808 - 1",
     "bad: -9223372036854775808 - 1: -9223372036854775808, 1: the result is out of the range of i64"},
    {"4611686018427387904 * 2",
     "bad: 4611686018427387904 * 2: 4611686018427387904, 2: the result is out of the range of i64"},
    {"-(-9223372036854775808)",
     "bad: -(-9223372036854775808): -9223372036854775808: the result is out of the range of i64"},
    {"abs(-9223372036854775808)",
     "bad: abs(-9223372036854775808): -9223372036854775808: the result is out of the range of i64"},
    {"-9223372036854775808 / -1",
     "bad: -9223372036854775808 / -1: -9223372036854775808, -1: the result is out of the range of i64"},
    {"-9223372036854775808 % -1", "0"},
    {"9223372036854775807 + 1.0", "9.223372036854776e+18"},
    {"abs(-5)", "5"},
    {"abs(-5.5)", "5.5"},
    {"floor(-1.5)", "-2"},
    {"ceil(1.2)", "2"},
    {"round(2.5)", "3"},
    {"round(-2.5)", "-3"},
    {"round(7)", "7"},
    {"min(3, 1, 2)", "1"},
    {"max(3, 1.5, 2)", "3"},
    {"min('b', 'a', 'ab')", "a"},
    {"max('b', 'ba')", "ba"},
    {"max(1.0, nan)", "nan"},
    {"min(1.0, nan)", "1"},
    {"min(1, null)", "(null)"},
    {"i64('12')", "12"},
    {"i64(' -12\t')", "-12"},
    {"i64('+5')", "5"},
    {"i64('')", "bad: i64(''): \"\" is no i64"},
    {"i64('1.0')", "bad: i64('1.0'): \"1.0\" is no i64"},
    {"i64('1 2')", "bad: i64('1 2'): \"1 2\" is no i64"},
    {"i64('9223372036854775808')", "bad: i64('9223372036854775808'): \"9223372036854775808\" is no i64"},
    {"i64(2.9)", "2"},
    {"i64(-2.9)", "-2"},
    {"i64(1e19)", "bad: i64(1e+19): 1e+19 is out of the range of i64"},
    {"i64(nan)", "bad: i64(nan): nan is out of the range of i64"},
    {"f64('1e3')", "1000"},
    {"f64(' .5 ')", "0.5"},
    {"f64('inf')", "inf"},
    {"f64('1,5')", "bad: f64('1,5'): \"1,5\" is no number"},
    {"f64('0x10')", "bad: f64('0x10'): \"0x10\" is no number"},
    {"f64($b)", "bad: f64($b): \"x\xc3\xa9?y\" is no number"},
    {"bytes(-12)", "-12"},
    {"bytes(0.1)", "0.1"},
    {"bytes('a')", "a"},
    {"i64($a) + 1", "13"},
    {"f64($c)", "-73.98765432"},
};

static void test_numbers(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb\nc\nd\ne");
    CHECK_ALL(number_examples, &in, "12,x\xc3\xa9\x01y,-73.98765432,,2015-01-05 17:20:11");
}

static void test_comparisons(void **state)
{
    (void)state;
    expr_input in = delimited_input("a");
    static const example examples[] = {
        {"1 < 2", "true"},
        {"1 = 1.0", "true"},
        {"9007199254740993 = 9007199254740992.0", "false"},
        {"9007199254740993 > 9007199254740992.0", "true"},
        {"9007199254740992.0 < 9007199254740993", "true"},
        {"9223372036854775807 < 9223372036854775808.0", "true"},
        {"-9223372036854775808 = -9223372036854775808.0", "true"},
        {"1 < 1.5", "true"},
        {"-1 > -1.5", "true"},
        {"0 = -0.0", "true"},
        {"-0.0 = 0.0", "true"},
        {"1 < inf", "true"},
        {"1 > -inf", "true"},
        {"1 < nan", "true"}, /* NaN is a number that comes last, and equals itself */
        {"nan = nan", "true"},
        {"inf < nan", "true"},
        {"nan > 1.0", "true"},
        {"nan <= 1.0", "false"},
        {"nan != nan", "false"},
        {"'a' < 'b'", "true"},
        {"'a' < 'aa'", "true"},
        {"'' < 'a'", "true"},
        {"x'ff' > 'z'", "true"},
        {"'a' = 'A'", "false"},
        {"true = false", "false"},
        {"(1 = 1) != (1 = 2)", "true"},
        {"tuple(1, 'a') < tuple(1, 'b')", "true"},
        {"tuple(1) = tuple(1)", "true"},
        {"null = null", "(null)"},
        {"1 = null", "(null)"},
        {"null < 'a'", "(null)"},
    };
    CHECK_ALL(examples, &in, "12");
}

static void test_logic(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb");
    static const example examples[] = {
        {"true and true", "true"},
        {"true and false", "false"},
        {"true and null", "(null)"},
        {"false and null", "false"},
        {"null and false", "false"},
        {"null and true", "(null)"},
        {"null and null", "(null)"},
        {"true or null", "true"},
        {"null or true", "true"},
        {"false or null", "(null)"},
        {"null or false", "(null)"},
        {"not null", "(null)"},
        {"not true", "false"},
        {"false and i64($a) = 1", "false"},
        {"i64($a) = 1 and false", "bad: i64($a): \"x\" is no i64"},
        {"true or i64($a) = 1", "true"},
        {"null and i64($a) = 1", "bad: i64($a): \"x\" is no i64"},
        {"true and true and i64($a) = 1", "bad: i64($a): \"x\" is no i64"},
        {"true and false and i64($a) = 1", "false"},
        {"(false and i64($a) = 1) or i64($b) = 2", "true"},
        {"if($a = 'x', 0, i64($a))", "0"},
        {"if($a = 'x', i64($a), 0)", "bad: i64($a): \"x\" is no i64"},
        {"if(null, 1, 2)", "2"},
        {"if(true, null, 2)", "(null)"},
        {"if(i64($a) = 1, 1, 2)", "bad: i64($a): \"x\" is no i64"},
        {"if(true, 1, 2.5)", "1"},
        {"if(true, false, true)", "false"},
        {"coalesce(null, 2, i64($a))", "2"},
        {"coalesce(null, null)", "(null)"},
        {"coalesce(i64($a), 1)", "bad: i64($a): \"x\" is no i64"},
        {"coalesce(lookup('colours', $a), lookup('colours', 'red'), $a)", "FF0000"},
        {"coalesce(1, 2.5)", "1"},
        {"is_null(null)", "true"},
        {"is_null($a)", "false"},
        {"is_null(i64($a))", "bad: i64($a): \"x\" is no i64"},
        {"is_null(optional(null))", "true"},
        {"is_null(tuple(null))", "false"},
        {"in($b, '1', '2')", "true"},
        {"in($b, '1', '3')", "false"},
        {"in($b, '1', null)", "(null)"},
        {"in($b, null, '2')", "true"},
        {"in(null, 1)", "(null)"},
        {"in(i64($b), 1.0, 2.0)", "true"},
        {"in($b, '0', '1', '3', '4', '5', '6', '7')", "false"},
        {"in($b, '0', '1', '3', '4', '2', '6', '7')", "true"},
        {"in('', '0', '1', '3', '4', '2', '6', '')", "true"},
        {"in(2, 2, i64($a))", "true"},
        {"in(2, i64($a), 2)", "bad: i64($a): \"x\" is no i64"},
    };
    CHECK_ALL(examples, &in, "x,2");
}

static void test_text(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nwhen");
    static const example examples[] = {
        {"len($a)", "5"},
        {"len('')", "0"},
        {"substr($when, 12, 2)", "17"},
        {"substr($when, 1, 7)", "2015-01"},
        {"substr($a, 4)", "lo"},
        {"substr($a, 4, 100)", "lo"},
        {"substr($a, 6)", ""},
        {"substr($a, 100, 2)", ""},
        {"substr($a, 1, 0)", ""},
        {"substr($a, 9223372036854775807, 9223372036854775807)", ""},
        {"substr($a, 0, 2)", "bad: substr($a, 0, 2): \"Hello\", 0, 2: substr counts from 1, and takes 0 bytes or more"},
        {"substr($a, 1, -1)",
         "bad: substr($a, 1, -1): \"Hello\", 1, -1: substr counts from 1, and takes 0 bytes or more"},
        {"contains($a, 'ell')", "true"},
        {"contains($a, 'elle')", "false"},
        {"contains($a, '')", "true"},
        {"contains('', 'x')", "false"},
        {"starts_with($a, 'He')", "true"},
        {"starts_with($a, 'he')", "false"},
        {"starts_with('H', $a)", "false"},
        {"ends_with($a, 'lo')", "true"},
        {"ends_with($a, 'Hello')", "true"},
        {"ends_with($a, 'xHello')", "false"},
        {"matches($a, '^H.*o$')", "true"},
        {"matches($a, '[0-9]')", "false"},
        {"matches('', '')", "true"},
        {"matches('a''b', '''')", "true"},
        {"matches($a, '\\w+')", "true"},
        {"extract($when, '([0-9]+):')", "17"},
        {"extract($when, '[0-9]+:')", "17:"},
        {"extract($when, 'x')", "(null)"},
        {"extract($when, '(x)?2')", "(null)"},
        {"extract($when, '^()')", ""},
        {"extract('abc', '(?=(b))')", "b"},
        {"matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '^(a+)+$')",
         "bad: matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '^(a+)+$'): "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"... takes too many steps to be searched"},
        {"lower('ABCxyz@[`{\xc3\x89')", "abcxyz@[`{\xc3\x89"},
        {"upper('abcXYZ@[`{')", "ABCXYZ@[`{"},
        {"trim('  \ta b\n ')", "a b"},
        {"trim('  ')", ""},
        {"concat($a, '-', substr($when, 1, 4))", "Hello-2015"},
        {"concat('', '')", ""},
        {"concat($a, null)", "(null)"},
        {"lookup('colours', 'red')", "FF0000"},
        {"lookup('colours', 'green')", "00FF00"},
        {"lookup('colours', 'bare')", ""},
        {"lookup('colours', '')", "empty key"},
        {"lookup('colours', 'blue')", "(null)"},
        {"lookup('colours', null)", "(null)"},
    };
    CHECK_ALL(examples, &in, "Hello,2015-01-05 17:20:11");
}

static void test_rows(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb\nc");
    static const struct {
        const char *row, *text, *expected;
    } cases[] = {
        {"1,2,3", "$c", "3"},
        {"1,2", "$c", "bad: $c: the row has 2 fields, this would be number 3"},
        {"", "$a", ""},
        {"", "$b", "bad: $b: the row has 1 field, this would be number 2"},
        {",,", "$c", ""},
        {"1,2,3,4", "$c", "3"},
        {"\"a,b\",2,3", "$a", "a,b"},
        {"\"a,b\",2,3", "$b", "2"},
        {"\"a\"\"b\",2,3", "$a", "a\"b"},
        {"\"\",2,3", "$a", ""},
        {"\"\"\"\",2,3", "$a", "\""},
        {"x\"y,2,3", "$a", "x\"y"},
        {"1,\"2,3", "$a", "1"},
        {"1,\"2,3", "$b", "bad: $b: the row has a quote that does not end, or text behind one"},
        {"1,\"2\"x,3", "$b", "bad: $b: the row has a quote that does not end, or text behind one"},
        {"1,\"2\"x,3", "$c", "bad: $c: the row has a quote that does not end, or text behind one"},
        {"1,2,\"3", "$b", "2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(evaluate(cases[i].text, &in, cases[i].row), cases[i].expected);
    plan_format tabs = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = '\t', .quote = '\'', .escape = '\\'};
    in.format = &tabs;
    in.columns = NULL;
    assert_string_equal(evaluate("$2", &in, "a\t'b\\'\t\\\\'\tc"), "b'\t\\");
    assert_string_equal(evaluate("$3", &in, "a\t'b\\'\t\\\\'\tc"), "c");
    assert_string_equal(evaluate("$1", &in, "a\"b\tc"), "a\"b");
    tabs.quote = 0;
    assert_string_equal(evaluate("$1", &in, "'a\tc"), "'a");
    assert_string_equal(evaluate("$2", &in, "'a\tc"), "c");
}

static const struct {
    const char *row, *text, *expected;
} documents[] = {
    {"{\"a\":1}", "$a", "1"},
    {" { \"a\" : -1.5e3 } ", "$a", "-1.5e3"},
    {"{\"a\":\"x\"}", "$a", "x"},
    {"{\"a\":true,\"b\":false}", "concat($a, $b)", "truefalse"},
    {"{\"a\":null}", "$a", "(null)"},
    {"{}", "$a", "(null)"},
    {"[]", "$a", "(null)"},
    {"1", "$a", "(null)"},
    {"\"a\"", "$a", "(null)"},
    {"[10, 20, 30]", "$1", "20"},
    {"[10, 20, 30]", "$3", "(null)"},
    {"{\"0\": \"x\"}", "$0", "x"},
    {"{\"a\":{\"b\":{\"c\":7}}}", "$a.b.c", "7"},
    {"{\"a\":{\"b\":{\"c\":7}}}", "$a.b", "{\"c\":7}"},
    {"{\"a\":{\"b\":{\"c\":7}}}", "concat($a.b, $a.b.c)", "{\"c\":7}7"},
    {"{\"a\":[1,{\"b\":[2,3]}]}", "$a.1.b.0", "2"},
    {"{\"a\":{\"b\":1}}", "$a.b.c", "(null)"},
    {"{\"a\":1,\"a\":2}", "$a", "1"},
    {"{\"a\":null,\"a\":2}", "$a", "(null)"},
    {"{\"a\":{},\"a\":{\"b\":2}}", "$a.b", "(null)"},
    {"{\"x\":{\"a\":3},\"a\":2}", "$a", "2"},
    {"{\"a.b\":5}", "${a\\.b}", "5"},
    {"{\"\":{\"\":5}}", "${.}", "5"},
    {"{\"a\":\"\\u00e9\\ud83d\\ude00\\n\\\"\\\\\\/\"}", "$a", "\xc3\xa9\xf0\x9f\x98\x80\n\"\\/"},
    {"{\"\\u0061\":5}", "$a", "5"},
    {"{\"x\":\"}]{[,:\\\"\",\"a\":5}", "$a", "5"},
    {"{\"x\":[[[{\"a\":1}]],{}],\"a\":5}", "$a", "5"},
    {"{\"x\":\"\\\\\",\"a\":5}", "$a", "5"},
    {"{\"a\":5} x", "$a", "5"},
    {"{\"a\":5} x", "$b", "bad: $b: no JSON at byte 9 of the record: text behind the document"},
    {"", "$a", "bad: $a: no JSON at byte 1 of the record: a value is expected"},
    {"{\"a\":}", "$a", "bad: $a: no JSON at byte 6 of the record: a value is expected"},
    {"{\"a\":tru}", "$a", "bad: $a: no JSON at byte 6 of the record: neither a number nor true, false or null"},
    {"{\"a\":01}", "$a", "bad: $a: no JSON at byte 6 of the record: neither a number nor true, false or null"},
    {"{\"a\":\"x", "$a", "bad: $a: no JSON at byte 6 of the record: a string that does not end"},
    {"{\"a\":[1", "$a", "bad: $a: no JSON at byte 6 of the record: a bracket that is not closed"},
    {"{\"a\" 1}", "$a", "bad: $a: no JSON at byte 6 of the record: ':' is expected"},
    {"{\"b\":1 \"a\":1}", "$a", "bad: $a: no JSON at byte 11 of the record: ',' or '}' is expected"},
    {"{\"b\":1,}", "$a", "bad: $a: no JSON at byte 8 of the record: a key in quotes is expected"},
    {"{a:1}", "$a", "bad: $a: no JSON at byte 2 of the record: a key in quotes is expected"},
    {"[1 2]", "$0", "bad: $0: no JSON at byte 2 of the record: neither a number nor true, false or null"},
    {"[\"1\" 2]", "$1", "bad: $1: no JSON at byte 6 of the record: ',' or ']' is expected"},
    {"{\"a\":\"\\ud83d\"}", "$a", "bad: $a: no JSON at byte 7 of the record: an escape \\u without a character"},
    {"{\"a\":\"\\x\"}", "$a", "bad: $a: no JSON at byte 7 of the record: an unknown escape"},
    {"{\"a\":\"\xff\"}", "$a", "bad: $a: no JSON at byte 7 of the record: a string that is not UTF-8"},
    {"{\"a\":\"\t\"}", "$a", "bad: $a: no JSON at byte 7 of the record: a control character within a string"},
    {"{\"b\":1,\"a\":2,", "$b", "1"},
    {"{\"b\":1,\"a\":2,", "coalesce($c, $b)", "bad: $c: no JSON at byte 14 of the record: a key in quotes is expected"},
};

static void test_json(void **state)
{
    (void)state;
    expr_input in = json_input();
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        const char *got = evaluate(documents[i].text, &in, documents[i].row);
        if (strcmp(got, documents[i].expected))
            fail_msg("%s of %s gave \"%s\" instead of \"%s\"", documents[i].text, documents[i].row, got,
                     documents[i].expected);
    }
}

/* ---- keys and values of types ---- */

static sdf_slice tuple_of(uint8_t *room, int64_t i, const char *text, bool null)
{
    size_t size = 0;
    sdf_slice bytes = {text, strlen(text)};
    sdf_key_begin_tuple(room, 100, &size);
    sdf_key_put_i64(room, 100, &size, i);
    sdf_key_put_bytes(room, 100, &size, &bytes);
    if (null)
        sdf_key_put_null(room, 100, &size);
    else
        sdf_key_put_f64(room, 100, &size, 2.5);
    sdf_key_end_tuple(room, 100, &size);
    return (sdf_slice){room, size};
}

static void test_encoded(void **state)
{
    (void)state;
    uint8_t room[100];
    int64_t number = 41;
    double half = 0.5;
    expr_input in = plain_input(SDF_I64, "tuple(i64,bytes,optional(f64))");
    sdf_slice key = {&number, 8}, value = tuple_of(room, -7, "text", false), f64s = {&half, 8};
    assert_string_equal(evaluate_record("key + 1", &in, key, value), "42");
    assert_string_equal(evaluate_record("item(value, 1) * 2", &in, key, value), "-14");
    assert_string_equal(evaluate_record("item(value, 2)", &in, key, value), "text");
    assert_string_equal(evaluate_record("item(value, 3) + 1", &in, key, value), "3.5");
    assert_string_equal(evaluate_record("item(value, 3)", &in, key, value), "2.5");
    assert_string_equal(evaluate_record("tuple(key, value)", &in, key, value), "41\t(-7,text,2.5)");
    assert_string_equal(evaluate_record("value", &in, key, value), "-7\ttext\t2.5");
    assert_string_equal(evaluate_record("value = value", &in, key, value), "true");
    assert_string_equal(evaluate_record("is_null(item(value, 3))", &in, key, value), "false");
    value = tuple_of(room, 7, "", true);
    assert_string_equal(evaluate_record("item(value, 3) + 1", &in, key, value), "(null)");
    assert_string_equal(evaluate_record("is_null(item(value, 3))", &in, key, value), "true");
    assert_string_equal(evaluate_record("coalesce(item(value, 3), 1.5)", &in, key, value), "1.5");
    assert_string_equal(evaluate_record("tuple(key, item(value, 3))", &in, key, value), "41\t");
    assert_string_equal(evaluate_record("tuple(key, coalesce(item(value, 3), null))", &in, key, value), "(null)");
    value = (sdf_slice){"\x40\x30", 2};
    assert_string_equal(evaluate_record("item(value, 1)", &in, key, value),
                        "bad: item(value, 1): the bytes are not what the type says");
    value = (sdf_slice){"", 0};
    assert_string_equal(evaluate_record("item(value, 1)", &in, key, value),
                        "bad: item(value, 1): the bytes are not what the type says");
    in.value_type = SDF_F64;
    assert_string_equal(evaluate_record("value + key", &in, key, f64s), "41.5");
    f64s.size = 7;
    assert_string_equal(evaluate_record("value + key", &in, key, f64s), "bad: value: this number has not 8 bytes");
    in.value_type = "optional(bytes)";
    assert_string_equal(evaluate_record("concat(value, '!')", &in, key,
                                        (sdf_slice){"\x30"
                                                    "a\0\xff"
                                                    "b\0",
                                                    6}),
                        "a");
    assert_string_equal(evaluate_record("bytes(len(value))", &in, key,
                                        (sdf_slice){"\x30"
                                                    "a\0\xff"
                                                    "b\0",
                                                    6}),
                        "3");
}

/* ---- many at once ---- */

/* Layouts of columns, records left out, several outputs that share parts. */
static void test_batches(void **state)
{
    (void)state;
    static const char *const texts[] = {"key * 2", "concat($b, bytes(key))", "i64($a) > 5 and key >= 0", "'same'",
                                        "$b"};
    expr_input in = delimited_input("a\nb");
    fixture f;
    in.key_type = SDF_I64;
    fixture_open(&f, texts, 5, &in);
    assert_int_equal(expr_program_outputs(f.program), 5);
    char text[SDF_BATCH_MAX * 8];
    uint32_t offsets[SDF_BATCH_MAX + 1] = {0};
    char numbers[SDF_BATCH_MAX * 8 + 1];
    uint8_t skip[SDF_BATCH_MAX];
    for (int i = 0; i < SDF_BATCH_MAX; i++) {
        int64_t n = i - 10;
        memcpy(numbers + 1 + 8 * i, &n, 8); /* not aligned */
        offsets[i + 1] = offsets[i] + (uint32_t)(i % 7 ? sprintf(text + offsets[i], "%d,b%d", i % 11, i % 10)
                                                       : sprintf(text + offsets[i], "x,b"));
        skip[i] = i % 3 == 1;
    }
    for (size_t count = 0; count <= SDF_BATCH_MAX; count += count < 3 ? 1 : 25) {
        sdf_batch batch = {.count = count};
        expr_result r[5];
        sdf_error *err = NULL;
        column_set_fixed(&batch.key, numbers + 1, 8);
        column_set_null(&batch.value);
        batch.value.layout = SDF_LAYOUT_OFFSETS;
        batch.value.data = text;
        batch.value.offsets = offsets;
        assert_int_equal(expr_program_run(f.program, &batch, count % 2 ? skip : NULL, r, &err), SDF_OK);
        for (size_t i = 0; i < count; i++) {
            char expected[40];
            if (count % 2 && skip[i])
                continue;
            sprintf(expected, "%d", ((int)i - 10) * 2);
            assert_string_equal(result_text(f.program, 0, &r[0], i), expected);
            if (i % 7)
                sprintf(expected, "b%d%d", (int)i % 10, (int)i - 10);
            else
                sprintf(expected, "b%d", (int)i - 10);
            assert_string_equal(result_text(f.program, 1, &r[1], i), expected);
            const char *got = result_text(f.program, 2, &r[2], i);
            if (i % 7)
                assert_string_equal(got, i % 11 > 5 && i >= 10 ? "true" : "false");
            else
                assert_string_equal(got, "bad: i64($a): \"x\" is no i64");
            assert_string_equal(result_text(f.program, 3, &r[3], i), "same");
            assert_int_equal(r[0].column.layout, SDF_LAYOUT_FIXED);
        }
    }
    fixture_close(&f);
}

/* States of one run say nothing of the next. */
static void test_again(void **state)
{
    (void)state;
    static const char *const text = "if(starts_with($a, '1'), i64($a), null)";
    static const char *const rows[][2] = {
        {"12", "12"}, {"1x", "bad: i64($a): \"1x\" is no i64"}, {"13", "13"}, {"2", "(null)"}, {"14", "14"}};
    expr_input in = delimited_input("a");
    fixture f;
    fixture_open(&f, &text, 1, &in);
    for (int i = 0; i < 20; i++) {
        sdf_slice row = {rows[i % 5][0], strlen(rows[i % 5][0])};
        sdf_batch batch = {.count = 1};
        expr_result r;
        sdf_error *err = NULL;
        column_set_null(&batch.key);
        column_set_slices(&batch.value, &row);
        assert_int_equal(expr_program_run(f.program, &batch, NULL, &r, &err), SDF_OK);
        assert_string_equal(result_text(f.program, 0, &r, 0), rows[i % 5][1]);
    }
    char message[40];
    expr_program_why(f.program, 0, message, sizeof message);
    assert_string_equal(message, "nothing is wrong with this record");
    expr_program_why(f.program, 0, message, 1);
    assert_string_equal(message, "");
    fixture_close(&f);
}

static void test_tables(void **state)
{
    (void)state;
    expr_input in = delimited_input("a");
    sdf_error *err = NULL;
    budget b;
    buf bound = BUF_EMPTY;
    expr_program *p;
    budget_init(&b, MEMORY);
    expr *e = expr_parse("lookup('shapes', $a)");
    assert_int_equal(expr_bind(&e, 1, &in, &bound, &err), SDF_OK);
    sdf_slice bytes = buf_slice(&bound);
    assert_int_equal(expr_program_new(&p, &b, &bytes, NULL, &err), SDF_E_UNSUPPORTED);
    sdf_error_free(err);
    expr_tables tables = {tables_get, NULL};
    assert_int_equal(expr_program_new(&p, &b, &bytes, &tables, &err), SDF_E_NOT_FOUND);
    assert_string_equal(sdf_error_message(err), "no broadcast shapes");
    sdf_error_free(err);
    assert_int_equal(b.used, 0);
    buf_free(&bound);
    expr_unref(e);
}

/* However little memory there is, it is refused, not passed. */
static void test_little_memory(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb");
    sdf_error *err = NULL;
    buf bound = BUF_EMPTY;
    expr *e = expr_parse("concat(lower($a), lookup('colours', 'red'), bytes(f64($b)), extract($a, 'x+'))");
    char colours[] = "red\tx";
    expr_tables tables = {tables_get, colours};
    assert_int_equal(expr_bind(&e, 1, &in, &bound, &err), SDF_OK);
    sdf_slice bytes = buf_slice(&bound), rows[SDF_BATCH_MAX];
    char wide[2000];
    memset(wide, 'x', sizeof wide);
    memcpy(wide + sizeof wide - 2, ",1", 2);
    for (int i = 0; i < SDF_BATCH_MAX; i++)
        rows[i] = (sdf_slice){wide, sizeof wide};
    sdf_batch batch = {.count = SDF_BATCH_MAX};
    column_set_null(&batch.key);
    column_set_slices(&batch.value, rows);
    int made = 0, ran = 0;
    for (uint64_t limit = 0; limit < (4u << 20) && !ran; limit += 4096) {
        budget b;
        expr_program *p;
        budget_init(&b, limit);
        int rc = expr_program_new(&p, &b, &bytes, &tables, &err);
        if (!rc) {
            expr_result r;
            made++;
            rc = expr_program_run(p, &batch, NULL, &r, &err);
            ran += rc == SDF_OK;
            expr_program_free(p);
        }
        if (rc) {
            assert_int_equal(rc, SDF_E_NO_MEMORY);
            sdf_error_free(err);
            err = NULL;
        }
        assert_true(b.peak <= limit);
        assert_int_equal(b.used, 0);
    }
    assert_true(made > 1 && ran == 1);
    buf_free(&bound);
    expr_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_comparisons),   cmocka_unit_test(test_logic),
        cmocka_unit_test(test_text),    cmocka_unit_test(test_rows),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_encoded), cmocka_unit_test(test_batches),       cmocka_unit_test(test_again),
        cmocka_unit_test(test_tables),  cmocka_unit_test(test_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
