/* Fields of JSON against cJSON: random documents, hostile ones; the forms of the scanner against each other. */
#include "exprs.h"

#include <math.h>

#include <cjson/cJSON.h>

#include "expr/json.h"
#include "expr/json_scan.h"
#include "expr/json_text.h"

static uint64_t seed = 2026;

static uint64_t below(uint64_t n)
{
    return random_next(&seed) % n;
}

/* ---- random documents, as text ---- */

static const char *const keys[] = {"a", "b", "c", "0", "1", "", "a.b", "\\u0061", "\\\"q\\\"", "\xc3\xa9"};
static const char *const strings[] = {"",
                                      "x",
                                      "\\\\",
                                      "\\\"",
                                      "a\\nb",
                                      "{}[],:",
                                      "null",
                                      "\\u00e9",
                                      "\\ud83d\\ude00",
                                      "\xe2\x82\xac",
                                      "\\\\\\\"\\\\",
                                      "long enough to pass the end of a block of 64 bytes, or nearly so"};
static const char *const numbers[] = {"0", "-1", "12.5", "1e3", "-0.25E-2", "123456789012", "true", "false", "null"};

static void put_blanks(buf *out)
{
    static const char *const blanks[] = {"", "", "", " ", "  ", "\t", "\n", "\r\n "};
    buf_text(out, blanks[below(8)]);
}

static void put_document(buf *out, int depth)
{
    put_blanks(out);
    uint64_t what = depth ? below(4) : below(2);
    if (what == 0) {
        buf_text(out, numbers[below(9)]);
    } else if (what == 1) {
        buf_printf(out, "\"%s\"", strings[below(12)]);
    } else {
        bool object = what == 2 || below(2);
        buf_text(out, object ? "{" : "[");
        put_blanks(out);
        for (uint64_t i = 0, n = below(6); i < n; i++) {
            if (i)
                buf_text(out, ",");
            put_blanks(out);
            if (object) {
                buf_printf(out, "\"%s\"", keys[below(10)]);
                put_blanks(out);
                buf_text(out, ":");
            }
            put_document(out, depth - 1);
        }
        buf_text(out, object ? "}" : "]");
    }
    put_blanks(out);
}

/* ---- the oracle ---- */

typedef struct path {
    const char *text; /* as an expression has it */
    const char *steps[6];
} path;

static const path paths[] = {
    {"a", {"a"}},
    {"b", {"b"}},
    {"a.b", {"a", "b"}},
    {"a\\.b", {"a.b"}},
    {"0", {"0"}},
    {"1", {"1"}},
    {"a.0", {"a", "0"}},
    {"b.a.c", {"b", "a", "c"}},
    {"0.1.a", {"0", "1", "a"}},
    {"\xc3\xa9", {"\xc3\xa9"}},
    {"\"q\".a", {"\"q\"", "a"}},
    {"c.1.0.b", {"c", "1", "0", "b"}},
    {"2", {"2"}},
    {"01", {"01"}},
    {"c", {"c"}},
};
#define PATHS (sizeof paths / sizeof *paths)

static const cJSON *oracle_find(const cJSON *at, const path *p)
{
    for (int i = 0; at && i < 6 && p->steps[i]; i++) {
        const char *step = p->steps[i];
        if (cJSON_IsObject(at)) {
            at = cJSON_GetObjectItemCaseSensitive(at, step);
        } else if (cJSON_IsArray(at)) {
            bool number = strspn(step, "0123456789") == strlen(step) && (*step != '0' || !step[1]);
            at = number ? cJSON_GetArrayItem(at, atoi(step)) : NULL;
        } else {
            return NULL;
        }
    }
    return at;
}

/* Objects and arrays as text: parsed again, they must be what they were. */
static bool same_value(const cJSON *want, const sdf_slice *got)
{
    if (cJSON_IsString(want))
        return strlen(want->valuestring) == got->size && !memcmp(want->valuestring, got->data, got->size);
    cJSON *again = cJSON_ParseWithLength(got->data, got->size);
    bool same = again && cJSON_Compare(want, again, 1);
    if (again && !same && !cJSON_IsNumber(want)) { /* members of one name confuse cJSON_Compare */
        char *a = cJSON_PrintUnformatted(want), *b = cJSON_PrintUnformatted(again);
        same = !strcmp(a, b);
        free(a);
        free(b);
    }
    cJSON_Delete(again);
    return same;
}

typedef struct finder {
    budget budget;
    arena memory, text;
    json_paths *paths;
    size_t chosen[PATHS], count;
} finder;

static void finder_open(finder *f)
{
    sdf_slice list[PATHS];
    sdf_error *err = NULL;
    f->count = 0;
    while (!f->count)
        for (size_t i = 0; i < PATHS; i++)
            if (below(3) == 0) {
                list[f->count] = (sdf_slice){paths[i].text, strlen(paths[i].text)};
                assert_int_equal(json_path_check(list[f->count].data, list[f->count].size, &err), SDF_OK);
                f->chosen[f->count++] = i;
            }
    budget_init(&f->budget, 4u << 20);
    arena_init(&f->memory, &f->budget, 4096, 65536);
    arena_init(&f->text, &f->budget, 4096, 65536);
    assert_int_equal(json_paths_new(&f->paths, &f->memory, list, f->count, &err), SDF_OK);
}

static void finder_close(finder *f)
{
    arena_free(&f->text);
    arena_free(&f->memory);
    assert_int_equal(f->budget.used, 0);
}

static void check_document(finder *f, const buf *document, const cJSON *oracle)
{
    sdf_slice row = {document->data, document->size}, values[PATHS];
    uint8_t states[PATHS];
    assert_int_equal(json_extract(f->paths, &row, &f->text, values, states), SDF_OK);
    for (size_t i = 0; i < f->count; i++) {
        const cJSON *want = oracle_find(oracle, &paths[f->chosen[i]]);
        bool there = want && !cJSON_IsNull(want);
        if (states[i] != (there ? JSON_FOUND : JSON_MISSING) || (there && !same_value(want, &values[i])))
            fail_msg("%s of <%.*s>: state %d, <%.*s>", paths[f->chosen[i]].text, (int)row.size, (char *)row.data,
                     states[i], states[i] ? 0 : (int)values[i].size, (char *)values[i].data);
    }
    arena_reset(&f->text);
}

static void test_documents(void **state)
{
    (void)state;
    for (int i = 0; i < 400; i++) {
        finder f;
        finder_open(&f);
        for (int k = 0; k < 25; k++) {
            buf document = BUF_EMPTY;
            put_document(&document, (int)below(6));
            cJSON *oracle = cJSON_ParseWithLength((char *)document.data, document.size);
            assert_non_null(oracle);
            check_document(&f, &document, oracle);
            cJSON_Delete(oracle);
            buf_free(&document);
        }
        finder_close(&f);
    }
}

/* Cut short or with bytes changed: never a crash; what is still JSON gives what cJSON gives, and a problem is named for
 * what is broken. */
static void test_hostile_documents(void **state)
{
    (void)state;
    int broken = 0;
    for (int i = 0; i < 300; i++) {
        finder f;
        buf document = BUF_EMPTY;
        finder_open(&f);
        put_document(&document, 4);
        for (int k = 0; k < 60; k++) {
            size_t size = below(3) ? document.size : below(document.size + 1);
            char *copy = malloc(size ? size : 1);
            memcpy(copy, document.data, size);
            for (uint64_t n = size ? below(4) : 0; n; n--)
                copy[below(size)] = below(2) ? "\"\\{}[],:u 0n\x80"[below(13)] : (char)random_next(&seed);
            sdf_slice row = {copy, size}, values[PATHS];
            uint8_t states[PATHS];
            assert_int_equal(json_extract(f.paths, &row, &f.text, values, states), SDF_OK);
            for (size_t p = 0; p < f.count; p++) {
                size_t at;
                assert_true(states[p] <= JSON_BROKEN);
                if (states[p] == JSON_FOUND && values[p].size)
                    assert_true(buf_is_utf8(values[p].data, values[p].size) || *(char *)values[p].data == '{' ||
                                *(char *)values[p].data == '[');
                if (states[p] != JSON_BROKEN)
                    continue;
                broken++;
                assert_true(*json_explain(f.paths, &row, &f.text, &at) && at <= size);
                json_extract(f.paths, &row, &f.text, values, states);
            }
            arena_reset(&f.text);
            free(copy);
        }
        buf_free(&document);
        finder_close(&f);
    }
    assert_true(broken > 1000);
}

/* Depth costs nothing where it is passed over, and is bounded by the path where it is not. */
static void test_depth(void **state)
{
    (void)state;
    enum { DEEP = 200000 };
    expr_input in = json_input();
    char *row = malloc(2 * DEEP + 40);
    memcpy(row, "{\"x\":", 5);
    memset(row + 5, '[', DEEP);
    memset(row + 5 + DEEP, ']', DEEP);
    strcpy(row + 5 + 2 * DEEP, ",\"a\":7}");
    assert_string_equal(evaluate("$a", &in, row), "7");
    assert_string_equal(evaluate("$x.0.0.0.a", &in, row), "(null)");
    row[5 + 2 * DEEP - 1] = row[strlen(row) - 1] = ' ';
    assert_string_equal(evaluate("$a", &in, row),
                        "bad: $a: no JSON at byte 6 of the record: a bracket that is not closed");
    free(row);
}

/* ---- the scanner ---- */

static void test_forms(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t left = 1 + below(JSON_BLOCK);
        uint8_t *block = malloc(left);
        for (size_t k = 0; k < left; k++)
            block[k] = below(2) ? (uint8_t) "\"\\{}[],: a"[below(10)] : (uint8_t)random_next(&seed);
        json_masks expected, m;
        json_ops_form(0)->classify(block, left, &expected);
        for (size_t form = 1; json_ops_form(form); form++) {
            json_ops_form(form)->classify(block, left, &m);
            assert_memory_equal(&m, &expected, sizeof m);
        }
        for (size_t k = 0; k < JSON_BLOCK; k++) {
            uint8_t c = k < left ? block[k] : 0;
            assert_int_equal(expected.quotes >> k & 1, c == '"');
            assert_int_equal(expected.backslashes >> k & 1, c == '\\');
            assert_int_equal(expected.opens >> k & 1, c == '{' || c == '[');
            assert_int_equal(expected.closes >> k & 1, c == '}' || c == ']');
            assert_int_equal(expected.separators >> k & 1, c == ',' || c == ':');
        }
        free(block);
    }
}

/* Strings and structure as one byte after the other tells, over blocks' ends. */
static void test_scan(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        size_t size = below(300), quotes = 0, structure = 0;
        uint8_t *data = malloc(size + 1);
        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t) "\"\\\\{,ab"[below(i % 3 ? 7 : 3)];
        json_scan a, b;
        json_scan_begin(&a, json_ops_best(), data, size);
        json_scan_begin(&b, json_ops_form(0), data, size);
        bool inside = false;
        for (size_t k = 0; k < size; k++) {
            if (data[k] == '\\') {
                k += inside || k + 1 == size || (data[k + 1] != '{' && data[k + 1] != ','); /* outside it is an error */
                continue;
            }
            if (data[k] == '"') {
                assert_int_equal(json_next(&a, quotes, true), k);
                quotes = k + 1;
                inside = !inside;
            } else if (!inside && (data[k] == '{' || data[k] == ',')) {
                assert_int_equal(json_next(&b, structure, false), k);
                structure = k + 1;
            }
        }
        assert_int_equal(json_next(&a, quotes, true), size);
        assert_int_equal(json_next(&b, structure, false), size);
        free(data);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "1", "10", "-12.5", "0.0", "1e1", "1E+1", "1.5e-10", "123"};
    static const char *const bad[] = {"",   "-",   "+1", "01",  "-01", "1.",  ".5",
                                      "1e", "1e+", "1x", "0x1", "1 ",  "nan", "--1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(json_is_number((const uint8_t *)good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(json_is_number((const uint8_t *)bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents), cmocka_unit_test(test_hostile_documents),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_forms),
        cmocka_unit_test(test_scan),      cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
