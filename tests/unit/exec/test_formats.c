/* Records as delimited text, held against a reader of its own, and as JSON, held against cJSON. */
#include "file_test.h"

#include <math.h>

#include <cjson/cJSON.h>

#include <sdf/key.h>

#include "base/timebase.h"

/* ---- tuples for tests, written as text: numbers, 'words', nulls as -, nested in parentheses ---- */

static void put_items(buf *b, const char **text)
{
    uint8_t item[256];
    while (**text && **text != ')') {
        size_t size = 0;
        char *end;
        if (**text == ' ') {
            ++*text;
            continue;
        }
        if (**text == '(') {
            ++*text;
            sdf_key_begin_tuple(item, sizeof item, &size);
            assert_int_equal(buf_append(b, item, size), SDF_OK);
            put_items(b, text);
            size = 0;
            sdf_key_end_tuple(item, sizeof item, &size);
            ++*text;
        } else if (**text == '\'') {
            sdf_slice word = {*text + 1, strcspn(*text + 1, "'")};
            char bytes[64];
            memcpy(bytes, word.data, word.size);
            for (size_t i = 0; i < word.size; i++)
                bytes[i] = bytes[i] == '~' ? 0 : bytes[i]; /* "~": a zero */
            *text += word.size + 2;
            word.data = bytes;
            sdf_key_put_bytes(item, sizeof item, &size, &word);
        } else if (**text == '-' && (*text)[1] != 'i' && ((*text)[1] < '0' || (*text)[1] > '9')) {
            ++*text;
            sdf_key_put_null(item, sizeof item, &size);
        } else if (strcspn(*text, ".einx") < strcspn(*text, " )")) {
            sdf_key_put_f64(item, sizeof item, &size, strtod(*text, &end));
            *text = end;
        } else {
            sdf_key_put_i64(item, sizeof item, &size, strtoll(*text, &end, 10));
            *text = end;
        }
        assert_int_equal(buf_append(b, item, size), SDF_OK);
    }
}

static sdf_slice tuple(const char *text)
{
    static buf bufs[4];
    static int next;
    buf *b = &bufs[next++ % 4];
    buf_clear(b);
    put_items(b, &text);
    return buf_slice(b);
}

static sdf_batch tuples(const char *key, const char *value)
{
    sdf_slice k = tuple(key), v = tuple(value);
    return one_record(k.data, k.size, v.data, v.size);
}

/* ---- delimited ---- */

static void rows(void **state)
{
    file_test f;
    int64_t numbers[] = {0, -5, 7, 8};
    sdf_slice texts[] = {{"a,b", 3}, {"say \"no\"", 8}, {"two\nlines\r", 10}, {"pl ain\t;", 8}};
    sdf_batch batch = {.count = 4};
    file_begin(&f, PLAN_FORMAT_DELIMITED, "bytes", "i64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, numbers, 8);
    TEXT_OUT(&f, &batch, "\"a,b\",0\n\"say \"\"no\"\"\",-5\n\"two\nlines\r\",7\npl ain\t;,8\n");
    f.spec.format.columns = (char *)"name\nhow, many";
    TEXT_OUT(&f, &batch, "name,\"how, many\"\n\"a,b\",0\n\"say \"\"no\"\"\",-5\n\"two\nlines\r\",7\npl ain\t;,8\n");
    batch.count = 0;
    TEXT_OUT(&f, &batch, "name,\"how, many\"\n"); /* a part without records has its header */
    batch.count = 4;
    f.spec.format = (plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = '\t', .quote = '\''};
    TEXT_OUT(&f, &batch, "a,b\t0\nsay \"no\"\t-5\n'two\nlines\r'\t7\n'pl ain\t;'\t8\n");
    f.spec.format = (plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = '5', .quote = '"'};
    batch.count = 2;
    TEXT_OUT(&f, &batch, "a,b50\n\"say \"\"no\"\"\"5\"-5\"\n");
    file_end(&f);
}

static void rows_of_tuples(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_DELIMITED, "tuple(bytes,i64,f64)",
               "tuple(optional(i64),tuple(bytes,tuple(i64,f64)),any)");
    sdf_batch batch = tuples("('x~,' 3 4.0)", "(- ('a\"' (1 2.5)) ('q' ()))");
    TEXT_OUT(&f, &batch, "\"x\0,\",3,4,,\"(a\"\",(1,2.5))\",\"(q,())\"\n");
    batch = tuples("('' -1 nan)", "(77 ('' (1 -inf)) 'any')");
    TEXT_OUT(&f, &batch, ",-1,nan,77,\"(,(1,-inf))\",any\n");
    f.spec.format.columns = (char *)"a\nb\nc\nd\ne";
    file_refuses(&f, batch, SDF_E_INVALID, "have 6 fields, and 5 columns are named");
    f.spec.format.columns = (char *)"a\nb\nc\nd\ne\nf";
    TEXT_OUT(&f, &batch, "a,b,c,d,e,f\n,-1,nan,77,\"(,(1,-inf))\",any\n");
    f.spec.format.columns = NULL;
    static const char *const wrong[] = {
        "('x' 3)", "('x' 3 4.0 5)", "(3 3 4.0)",    "('x' 3.5 4.0)", "('x' 'y' 4.0)", "-",
        "3",       "('x' - 4.0)",   "('x' (3) 4.0)"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        file_refuses(&f, tuples(wrong[i], "(1 ('' (1 2.0)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_refuses(&f, tuples("('x' 3 4.0)", "(1 ('' (1)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_end(&f);
}

/* What would be an empty line is not; sides that are null have no field. */
static void rows_of_one_field(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_DELIMITED, "null", "bytes");
    sdf_batch batch = one_record(NULL, 0, "", 0);
    TEXT_OUT(&f, &batch, "\"\"\n");
    batch = one_record(NULL, 0, "x", 1);
    TEXT_OUT(&f, &batch, "x\n");
    file_refuses(&f, one_record("key", 3, "x", 1), SDF_E_CORRUPT, "types (null, bytes)");
    f.spec.key_type = (char *)"i64";
    file_refuses(&f, one_record("key", 3, "x", 1), SDF_E_CORRUPT, "types (i64, bytes)");
    f.spec.key_type = (char *)"optional(bytes)";
    f.spec.value_type = (char *)"null";
    sdf_slice null = tuple("-");
    batch = one_record(null.data, null.size, NULL, 0);
    TEXT_OUT(&f, &batch, "\"\"\n");
    file_end(&f);
}

static void dialects_that_can_not_be(void **state)
{
    static const char bad[][2] = {{'\n', '"'}, {'\r', '"'}, {0, '"'}, {',', ','}, {',', '\n'}, {',', '\r'}};
    file_test f;
    file_begin(&f, PLAN_FORMAT_DELIMITED, "null", "bytes");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f.spec.format.delimiter = (uint8_t)bad[i][0];
        f.spec.format.quote = (uint8_t)bad[i][1];
        file_refuses(&f, one_record(NULL, 0, "x", 1), SDF_E_INVALID, "delimiter");
    }
    f.spec.format.delimiter = ';';
    f.spec.format.quote = 0;
    sdf_batch batch = one_record(NULL, 0, "\"x\",", 4);
    TEXT_OUT(&f, &batch, "\"x\",\n");
    file_refuses(&f, one_record(NULL, 0, "x;y", 3), SDF_E_INVALID, "no quotes");
    file_refuses(&f, one_record(NULL, 0, "x\ny", 3), SDF_E_INVALID, "quote character");
    file_end(&f);
}

/* Reads a field of a row as RFC 4180 says; *at stands behind what ended it, which is returned. */
static char read_field(const char **at, const char *end, buf *field)
{
    const char *p = *at;
    buf_clear(field);
    bool quoted = p < end && *p == '"';
    for (p += quoted; p < end; p++) {
        if (quoted && *p == '"' && (++p == end || *p != '"'))
            quoted = false;
        if (p == end || (!quoted && (*p == ',' || *p == '\n')))
            break;
        assert_int_equal(buf_append(field, p, 1), SDF_OK);
    }
    assert_true(p < end);
    *at = p + 1;
    return *p;
}

static void random_bytes(rng *r, char *text, size_t *size)
{
    static const char bytes[] = ",\"\n\r\0 ab\xff\t'";
    *size = rng_below(r, 9);
    for (size_t i = 0; i < *size; i++)
        text[i] = bytes[rng_below(r, sizeof bytes - 1)];
}

static void random_rows_read_back(void **state)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r = {seed};
        file_test f;
        char texts[SDF_BATCH_MAX][2][9];
        uint8_t items[SDF_BATCH_MAX][40];
        sdf_slice keys[SDF_BATCH_MAX], values[SDF_BATCH_MAX];
        size_t sizes[SDF_BATCH_MAX][2];
        sdf_batch batch = {.count = 1 + rng_below(&r, SDF_BATCH_MAX)};
        for (size_t i = 0; i < batch.count; i++) {
            random_bytes(&r, texts[i][0], &sizes[i][0]);
            random_bytes(&r, texts[i][1], &sizes[i][1]);
            keys[i] = (sdf_slice){texts[i][0], sizes[i][0]};
            values[i] = (sdf_slice){items[i], 0};
            sdf_key_begin_tuple(items[i], sizeof items[i], &values[i].size);
            sdf_key_put_bytes(items[i], sizeof items[i], &values[i].size, &(sdf_slice){texts[i][1], sizes[i][1]});
            sdf_key_end_tuple(items[i], sizeof items[i], &values[i].size);
        }
        column_set_slices(&batch.key, keys);
        column_set_slices(&batch.value, values);
        file_begin(&f, PLAN_FORMAT_DELIMITED, "bytes", "tuple(bytes)");
        buf content = file_of(&f, &batch), field = BUF_EMPTY;
        const char *at = (const char *)content.data, *end = at + content.size;
        for (size_t i = 0; i < batch.count; i++)
            for (int side = 0; side < 2; side++) {
                assert_int_equal(read_field(&at, end, &field), side ? '\n' : ',');
                assert_bytes(&field, texts[i][side], sizes[i][side]);
            }
        assert_ptr_equal(at, end);
        buf_free(&content);
        buf_free(&field);
        file_end(&f);
    }
}

/* ---- JSON ---- */

static void objects(void **state)
{
    file_test f;
    double reals[] = {0.1, -1e300, NAN, -INFINITY};
    sdf_slice texts[] = {{"a\"\\b", 4}, {"", 0}, {"\n\t\r\x01\x1f\0/", 7}, {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7", 9}};
    sdf_batch batch = {.count = 4};
    file_begin(&f, PLAN_FORMAT_JSON, "bytes", "f64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, reals, 8);
    TEXT_OUT(&f, &batch,
             "{\"key\":\"a\\\"\\\\b\",\"value\":0.1}\n{\"key\":\"\",\"value\":-1e+300}\n"
             "{\"key\":\"\\n\\t\\r\\u0001\\u001f\\u0000/\",\"value\":null}\n"
             "{\"key\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7\",\"value\":null}\n");
    f.spec.format.columns = (char *)"na\"me\nv";
    batch.count = 1;
    TEXT_OUT(&f, &batch, "{\"na\\\"me\":\"a\\\"\\\\b\",\"v\":0.1}\n");
    f.spec.format.columns = (char *)"only";
    file_refuses(&f, batch, SDF_E_INVALID, "have 2 fields, and 1 columns are named");
    f.spec.format.columns = (char *)"k\n\xff";
    file_refuses(&f, batch, SDF_E_INVALID, "column 2 is not valid UTF-8");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_JSON, "null", "i64");
    int64_t low = INT64_MIN;
    batch = one_record(NULL, 0, &low, 8);
    TEXT_OUT(&f, &batch, "{\"value\":-9223372036854775808}\n");
    f.spec.value_type = (char *)"null";
    batch = one_record(NULL, 0, NULL, 0);
    TEXT_OUT(&f, &batch, "{}\n");
    file_end(&f);
}

static void objects_of_tuples(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_JSON, "tuple(bytes,i64,f64)", "tuple(optional(i64),tuple(bytes,tuple(i64,f64)),any)");
    sdf_batch batch = tuples("('x~\"' 3 4.0)", "(- ('a' (1 2.5)) ('q' () - 4.0 (((7)))))");
    TEXT_OUT(&f, &batch,
             "{\"key_1\":\"x\\u0000\\\"\",\"key_2\":3,\"key_3\":4,\"value_1\":null,\"value_2\":[\"a\",[1,2.5]],"
             "\"value_3\":[\"q\",[],null,4,[[[7]]]]}\n");
    f.spec.format.columns = (char *)"a\nb\nc\nd\ne\nf";
    batch = tuples("('' -1 inf)", "(77 ('' (1 nan)) 'any')");
    TEXT_OUT(&f, &batch, "{\"a\":\"\",\"b\":-1,\"c\":null,\"d\":77,\"e\":[\"\",[1,null]],\"f\":\"any\"}\n");
    file_refuses(&f, tuples("('x' 3 4.0)", "(1 ('' (1)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_refuses(&f, tuples("('x' 3)", "(1 ('' (1 2.0)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_refuses(&f, tuples("('\xff' 3 4.0)", "(1 ('' (1 2.0)) -)"), SDF_E_INVALID, "\"a\"");
    file_refuses(&f, tuples("('' 3 4.0)", "(1 ('a~\xc3' (1 2.0)) -)"), SDF_E_INVALID, "\"e\"");
    file_end(&f);
}

static void only_utf8(void **state)
{
    static const char *const bad[] = {"\xff",
                                      "a\x80",
                                      "\xc3",
                                      "\xc3(",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xc0\xaf",
                                      "\xf4\x90\x80\x80",
                                      "ok\xe2\x82\xac\xe2\x28\xa1"};
    file_test f;
    file_begin(&f, PLAN_FORMAT_JSON, "i64", "bytes");
    int64_t one = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sdf_slice values[] = {{"good", 4}, {bad[i], strlen(bad[i])}};
        sdf_batch batch = {.count = 2};
        column_set_const(&batch.key, &one, 8);
        column_set_slices(&batch.value, values);
        file_refuses(&f, batch, SDF_E_INVALID, "record 2 of the part: \"value\" is not valid UTF-8");
    }
    file_end(&f);
}

static void random_objects_read_back(void **state)
{
    static const char *const pieces[] = {"\"", "\\", "\n", "\x7f", "\x1f", "a", "\xc3\xa9", "\xf0\x9f\x90\xa7",
                                         "/",  "\b"};
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r = {seed};
        file_test f;
        char texts[SDF_BATCH_MAX][64];
        sdf_slice keys[SDF_BATCH_MAX];
        double values[SDF_BATCH_MAX];
        sdf_batch batch = {.count = 1 + rng_below(&r, SDF_BATCH_MAX)};
        for (size_t i = 0; i < batch.count; i++) {
            texts[i][0] = 0;
            for (size_t n = rng_below(&r, 12); n; n--)
                strcat(texts[i], pieces[rng_below(&r, sizeof pieces / sizeof pieces[0])]);
            keys[i] = text_slice(texts[i]);
            values[i] = ldexp((double)(int64_t)rng_next(&r), (int)rng_below(&r, 200) - 100);
        }
        column_set_slices(&batch.key, keys);
        column_set_fixed(&batch.value, values, 8);
        file_begin(&f, PLAN_FORMAT_JSON, "bytes", "f64");
        buf content = file_of(&f, &batch);
        assert_int_equal(buf_append(&content, "", 1), SDF_OK);
        const char *at = (const char *)content.data;
        for (size_t i = 0; i < batch.count; i++) {
            cJSON *object = cJSON_ParseWithOpts(at, &at, 0);
            assert_non_null(object);
            assert_int_equal(cJSON_GetArraySize(object), 2);
            assert_string_equal(cJSON_GetObjectItem(object, "key")->valuestring, texts[i]);
            assert_true(cJSON_GetObjectItem(object, "value")->valuedouble == values[i]);
            assert_int_equal(*at++, '\n');
            cJSON_Delete(object);
        }
        assert_int_equal(*at, 0);
        buf_free(&content);
        file_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(rows_of_tuples),
        cmocka_unit_test(rows_of_one_field),
        cmocka_unit_test(dialects_that_can_not_be),
        cmocka_unit_test(random_rows_read_back),
        cmocka_unit_test(objects),
        cmocka_unit_test(objects_of_tuples),
        cmocka_unit_test(only_utf8),
        cmocka_unit_test(random_objects_read_back),
    };
    return cmocka_run_group_tests_name("exec/formats", tests, NULL, NULL);
}
