/* Records that functions, expressions and sources can't make sense of: failed, skipped or diverted by policy, with all
 * that was emitted for them, in whole tasks; and the numbers that functions count up. */
#include "whole_task.h"

#include <sdf/shared.h>

#include "base/base64.h"
#include "expr/expr.h"

/* ---- functions of a host ---- */

/* "N text": emits text N times, then fails if the text begins with '!'. Large texts and counts fill many batches. */
static int repeat(const sdf_record *in, sdf_out *out, void *state)
{
    const char *line = in->value.data;
    char *end;
    long n = strtol(line, &end, 10);
    sdf_slice text = {end + 1, in->value.size - (size_t)(end + 1 - line)};
    for (long i = 0; i < n; i++) {
        int rc = i % 3 ? sdf_emit(out, NULL, &text) : sdf_emit_view(out, NULL, &text);
        if (rc)
            return rc;
    }
    return text.size && *(const char *)text.data == '!' ? sdf_fail(out, "an exclamation") : SDF_OK;
}

/* Fails for '!': with a reason, without one, by sdf_fail alone, and for '?' as a system that is out of order. */
static int grumble(const sdf_record *in, sdf_out *out, void *state)
{
    const char *line = in->value.data;
    if (in->value.size && *line == '?')
        return SDF_E_IO;
    int rc = sdf_emit(out, &in->key, &in->value);
    if (rc || !in->value.size || *line != '!')
        return rc;
    if (in->value.size == 1)
        return SDF_E_USER;
    sdf_fail(out, "no good");
    return in->value.size == 2 ? SDF_OK : SDF_E_USER;
}

static int keep_plain(const sdf_record *in, sdf_out *out, void *state)
{
    const char *line = in->value.data;
    if (in->value.size && *line == '!')
        return sdf_fail(out, "no good");
    return in->value.size && *line == '-' ? 0 : 1;
}

static int emits_twice(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_emit(out, &in->key, &in->value);
    return sdf_emit(out, &in->key, &in->value);
}

static int counting(const sdf_record *in, sdf_out *out, void *state)
{
    int rc = sdf_accumulate(out, "lines", 1);
    if (!rc)
        rc = sdf_accumulate(out, "bytes", (int64_t)in->value.size);
    return rc ? rc : sdf_emit(out, &in->key, &in->value);
}

static int count_badly(const sdf_record *in, sdf_out *out, void *state)
{
    static const char *const names[] = {"", "sdf.mine", "a b", NULL};
    for (size_t i = 0; i < 4; i++)
        if (in->value.size == i)
            return sdf_accumulate(out, names[i], 1);
    for (int i = 0; i < 201; i++) {
        char name[24];
        snprintf(name, sizeof name, "n%d", i);
        int rc = sdf_accumulate(out, name, 1);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static int64_t counter_of(const task_reply *r, const char *name)
{
    for (uint32_t i = 0; i < r->counter_count; i++) {
        if (i)
            assert_true(strcmp(r->counters[i - 1].name, r->counters[i].name) < 0);
        if (strcmp(r->counters[i].name, name) == 0)
            return r->counters[i].value;
    }
    return INT64_MIN;
}

/* ---- by policy ---- */

static void begin(whole_task *t, plan_op_kind kind, const char *name, plan_errors errors)
{
    whole_init(t, 4 << 20);
    whole_op(t, 0, kind, name, "null", "bytes")->errors = errors;
}

static void what_was_emitted_goes_too(void **state)
{
    static const char text[] = "2 a\n3 !b\n1 c\n0 !d\n400 !e\n130 f\n5000 !g\n1 h\n3000 i\n1 !j\n";
    buf expected = BUF_EMPTY;
    static const struct {
        int times;
        char letter;
    } good[] = {{2, 'a'}, {1, 'c'}, {130, 'f'}, {1, 'h'}, {3000, 'i'}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        for (int k = 0; k < good[i].times; k++)
            buf_printf(&expected, "%c\n", good[i].letter);
    for (plan_errors errors = PLAN_ERRORS_FAIL; errors <= PLAN_ERRORS_DIVERT; errors++) {
        whole_task t;
        begin(&t, PLAN_OP_FLAT_MAP, "repeat", errors);
        whole_piece(&t, 0, text);
        int rc = whole_run(&t, NULL);
        assert_int_equal(rc, errors ? SDF_OK : SDF_E_USER);
        if (!rc) {
            assert_bytes(&t.text, expected.data, expected.size);
            assert_int_equal(t.h.env.metrics.record_errors, 5);
            assert_int_equal(counter_of(&t.reply, "sdf.errors.op#2"), 5);
            assert_int_equal(t.reply.errors_records, errors == PLAN_ERRORS_DIVERT ? 5 : 0);
        }
        whole_end(&t);
    }
    buf_free(&expected);
}

/* Large copies: the buffer goes with what is held back, more than once. */
static void large_emits_are_held(void **state)
{
    buf text = BUF_EMPTY, expected = BUF_EMPTY;
    for (int i = 0; i < 12; i++) {
        bool bad = i % 3 == 1;
        buf line = BUF_EMPTY;
        buf_text(&line, bad ? "!" : "=");
        for (int k = 0; k < 3000 + 700 * i; k++)
            buf_text(&line, k % 10 ? "x" : "y");
        buf_append(&line, "", 1);
        buf_printf(&text, "%d %s\n", 40, (const char *)line.data);
        for (int k = 0; k < 40 && !bad; k++)
            buf_printf(&expected, "%s\n", (const char *)line.data);
        buf_free(&line);
    }
    buf_append(&text, "", 1);
    whole_task t;
    begin(&t, PLAN_OP_FLAT_MAP, "repeat", PLAN_ERRORS_SKIP);
    whole_piece(&t, 0, (const char *)text.data);
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_bytes(&t.text, expected.data, expected.size);
    t.h.budget.limit = 400000; /* what is held back must fit */
    assert_int_equal(whole_run(&t, NULL), SDF_E_NO_MEMORY);
    whole_end(&t);
    buf_free(&text);
    buf_free(&expected);
}

static void the_ways_to_fail(void **state)
{
    static const plan_op_kind kinds[] = {PLAN_OP_MAP, PLAN_OP_FLAT_MAP, PLAN_OP_MAP_VALUES, PLAN_OP_FLAT_MAP_VALUES,
                                         PLAN_OP_KEY_BY};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        whole_task t;
        begin(&t, kinds[i], "grumble", PLAN_ERRORS_DIVERT);
        whole_piece(&t, 0, "a\n!\nb\n!!\n!!!\n");
        assert_int_equal(whole_run(&t, NULL), SDF_OK);
        assert_text(&t.text, "a\nb\n");
        char line[512];
        buf expected = BUF_EMPTY;
        static const char *const reasons[] = {"the function gave no reason", "no good", "no good"};
        static const int offsets[] = {2, 6, 9};
        for (int k = 0; k < 3; k++) {
            snprintf(line, sizeof line,
                     "{\"source\":\"%s\",\"offset\":%d,\"operator\":\"op#2\",\"reason\":\"%s\",\"record\":\"%.*s\"}\n",
                     t.pieces[0].split.path, offsets[k], reasons[k], k + 1, "!!!");
            buf_text(&expected, line);
        }
        assert_bytes(&t.errors, expected.data, expected.size);
        assert_string_equal(t.reply.errors_final, "_errors/s2-t0-l0.jsonl");
        buf_free(&expected);
        whole_end(&t);
        begin(&t, kinds[i], "grumble", PLAN_ERRORS_SKIP); /* not every failure is the record's */
        whole_piece(&t, 0, "a\n!\n?\n");
        assert_int_equal(whole_run(&t, NULL), SDF_E_IO);
        whole_end(&t);
    }
    whole_task t;
    begin(&t, PLAN_OP_MAP, "emits_twice", PLAN_ERRORS_SKIP);
    whole_piece(&t, 0, "a\n");
    assert_int_equal(whole_run(&t, NULL), SDF_E_USER); /* a defect of the function, whatever the record */
    whole_end(&t);
}

static void filters(void **state)
{
    whole_task t;
    sdf_error *err = NULL;
    begin(&t, PLAN_OP_FILTER, "keep_plain", PLAN_ERRORS_SKIP);
    whole_piece(&t, 0, "a\n!\n-\nb\n!!\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "a\nb\n");
    assert_int_equal(t.h.env.metrics.record_errors, 2);
    t.ops[0][0].errors = PLAN_ERRORS_FAIL;
    assert_int_equal(whole_run(&t, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_text(err), "byte 2: function \"keep_plain\" failed: no good"));
    sdf_error_free(err);
    whole_end(&t);
}

/* Offsets go through filters and maps that keep records apart, and through projections. */
static void offsets_travel(void **state)
{
    whole_task t;
    begin(&t, PLAN_OP_FILTER, "keep_plain", PLAN_ERRORS_SKIP);
    whole_op(&t, 0, PLAN_OP_MAP, "grumble", "null", "bytes")->errors = PLAN_ERRORS_SKIP;
    plan_op *swap = whole_op(&t, 0, PLAN_OP_PROJECT, NULL, "null", "bytes");
    uint8_t how = PLAN_PROJECT_VALUE;
    buf_append(&swap->call.arg, &how, 1);
    whole_op(&t, 0, PLAN_OP_FLAT_MAP, "repeat", "null", "bytes")->errors = PLAN_ERRORS_DIVERT;
    whole_piece(&t, 0, "-\n2 a\n-\n!\n-\n3 !b\n-\n4 c\n");
    whole_piece(&t, 0, "-\n-\n1 !d\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "a\na\nc\nc\nc\nc\n");
    buf_append(&t.errors, "", 1);
    assert_non_null(strstr((char *)t.errors.data, "in0\",\"offset\":12,"));
    assert_non_null(strstr((char *)t.errors.data, "in1\",\"offset\":4,"));
    buf_free(&swap->call.arg);
    whole_end(&t);
}

/* ---- what is written of them ---- */

static void large_and_strange_records_are_written(void **state)
{
    whole_task t;
    buf text = BUF_EMPTY, expected = BUF_EMPTY, base64 = BUF_EMPTY;
    begin(&t, PLAN_OP_MAP, "grumble", PLAN_ERRORS_DIVERT);
    buf_text(&text, "!\"\\\t\x01\n");
    buf_text(&expected, "\"record\":\"!\\\"\\\\\\t\\u0001\"}");
    size_t from = text.size;
    buf_text(&text, "!\xff\xfe");
    for (int i = 0; i < 5000; i++)
        buf_text(&text, "abc");
    base64_append(&base64, text.data + from, text.size - from);
    buf_text(&text, "\n!");
    for (int i = 0; i < 3000; i++) /* characters of two bytes at every boundary of the pieces */
        buf_text(&text, i ? "\xc3\xa4" : "x");
    buf_append(&text, "\n", 2);
    whole_piece(&t, 0, (const char *)text.data);
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_int_equal(t.reply.errors_records, 3);
    buf_append(&t.errors, "", 1);
    char *line = (char *)t.errors.data;
    expected.data[expected.size - 1] = '}';
    buf_append(&expected, "", 1);
    assert_non_null(strstr(line, (char *)expected.data));
    buf_append(&base64, "", 1);
    char *found = strstr(line, "\"record_base64\":\"");
    assert_non_null(found);
    assert_memory_equal(found + 17, base64.data, base64.size - 1);
    assert_memory_equal(found + 17 + base64.size - 1, "\"}\n", 3);
    found = strstr(found, "\"record\":\"!x");
    assert_non_null(found);
    assert_true(buf_is_utf8(found, strlen(found)));
    assert_int_equal(strlen(found), 10 + 2 + 2 * 2999 + 3);
    whole_end(&t);
    buf_free(&text);
    buf_free(&expected);
    buf_free(&base64);
}

static void nothing_diverted_nothing_written(void **state)
{
    whole_task t;
    begin(&t, PLAN_OP_MAP, "grumble", PLAN_ERRORS_DIVERT);
    whole_piece(&t, 0, "a\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_null(t.reply.errors_temp);
    assert_int_equal(t.reply.counter_count, 0);
    whole_end(&t);
    begin(&t, PLAN_OP_MAP, "grumble", PLAN_ERRORS_DIVERT); /* diverted ones go with a task that fails */
    whole_piece(&t, 0, "!\n?\n");
    assert_int_equal(whole_run(&t, NULL), SDF_E_IO);
    t.plan.errors_uri = NULL;
    assert_int_equal(whole_run(&t, NULL), SDF_E_INTERNAL);
    whole_end(&t);
}

/* A stage that only samples reads its input a first time: it counts and diverts nothing. */
static void samples_do_not_count(void **state)
{
    whole_task t;
    begin(&t, PLAN_OP_MAP, "grumble", PLAN_ERRORS_DIVERT);
    whole_op(&t, 0, PLAN_OP_MAP, "counting", "null", "bytes");
    t.h.stage.output = (plan_output){
        .kind = PLAN_OUTPUT_SAMPLE, .label = (char *)"sample#1", .key_type = (char *)"null", .sample = 10};
    whole_piece(&t, 0, "a\n!\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_int_equal(t.reply.records, 1);
    assert_int_equal(t.reply.counter_count, 0);
    assert_int_equal(t.h.env.metrics.record_errors, 0);
    assert_null(t.reply.errors_temp);
    whole_end(&t);
}

/* ---- sources ---- */

static void rows_with_open_quotes(void **state)
{
    whole_task t;
    begin(&t, PLAN_OP_MAP, "grumble", PLAN_ERRORS_FAIL);
    t.branches[0].input.errors = PLAN_ERRORS_DIVERT;
    t.branches[0].input.format.kind = PLAN_FORMAT_DELIMITED;
    t.branches[0].input.format.delimiter = ',';
    t.branches[0].input.format.quote = '"';
    whole_piece(&t, 0, "a,b\nc,\"d\r\ne,f\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "a,b\ne,f\n");
    assert_int_equal(counter_of(&t.reply, "sdf.errors.lines#1"), 1);
    buf_append(&t.errors, "", 1);
    assert_non_null(strstr((char *)t.errors.data,
                           "\"offset\":4,\"operator\":\"lines#1\",\"reason\":\"the quote at byte "
                           "6 does not end on its line\",\"record\":\"c,\\\"d\"}"));
    whole_end(&t);
}

/* ---- expressions ---- */

static void bind_op(whole_task *t, plan_op *o, const char *key, const char *value)
{
    expr *e[2] = {expr_parse(key), value ? expr_parse(value) : NULL};
    expr_input in = {"null", "bytes", &t->branches[0].input.format, "id\nname\namount"};
    sdf_error *err = NULL;
    if (expr_bind(e, value ? 2 : 1, &in, &o->call.arg, &err))
        fail_msg("%s", sdf_error_text(err));
    expr_unref(e[0]);
    expr_unref(e[1]);
}

static void expressions(void **state)
{
    for (plan_errors errors = PLAN_ERRORS_FAIL; errors <= PLAN_ERRORS_DIVERT; errors++) {
        whole_task t;
        sdf_error *err = NULL;
        whole_init(&t, 4 << 20);
        t.branches[0].input.format = (plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"'};
        plan_op *where = whole_op(&t, 0, PLAN_OP_FILTER_EXPR, NULL, "null", "bytes");
        plan_op *select = whole_op(&t, 0, PLAN_OP_MAP_EXPR, NULL, "bytes", "i64");
        where->errors = select->errors = errors;
        where->call.label = (char *)"where#3";
        bind_op(&t, where, "i64($id) > 1", NULL);
        bind_op(&t, select, "$name", "i64($amount) * 2");
        whole_piece(&t, 0, "1,a,10\n2,b,20\nx,c,30\n3,\"d,e\",40\n4,f,many\n5,g,60\n");
        int rc = whole_run(&t, &err);
        if (errors == PLAN_ERRORS_FAIL) {
            assert_int_equal(rc, SDF_E_CORRUPT);
            assert_non_null(strstr(sdf_error_text(err), "byte 14: "));
            assert_string_equal(sdf_error_operator(err), "where#3");
        } else {
            assert_int_equal(rc, SDF_OK);
            assert_text(&t.text, "b\t40\nd,e\t80\ng\t120\n");
            assert_int_equal(t.h.env.metrics.record_errors, 2);
            assert_int_equal(counter_of(&t.reply, "sdf.errors.where#3"), 1);
            assert_int_equal(counter_of(&t.reply, "sdf.errors.op#2"), 1);
        }
        if (errors == PLAN_ERRORS_DIVERT) {
            buf_append(&t.errors, "", 1);
            assert_non_null(strstr((char *)t.errors.data, "\"offset\":14,\"operator\":\"where#3\""));
            assert_non_null(strstr((char *)t.errors.data, "\"record\":\"4,f,many\""));
        }
        sdf_error_free(err);
        buf_free(&where->call.arg);
        buf_free(&select->call.arg);
        whole_end(&t);
    }
}

static void what_is_null(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    t.branches[0].input.format = (plan_format){.kind = PLAN_FORMAT_JSON};
    plan_op *where = whole_op(&t, 0, PLAN_OP_FILTER_EXPR, NULL, "null", "bytes");
    plan_op *select = whole_op(&t, 0, PLAN_OP_MAP_EXPR, NULL, "null", "bytes");
    select->errors = PLAN_ERRORS_SKIP;
    bind_op(&t, where, "i64($a) > 1", NULL);
    bind_op(&t, select, "null", "bytes($b)");
    whole_piece(&t, 0, "{\"a\":2,\"b\":\"x\"}\n{\"b\":\"dropped\"}\n{\"a\":3}\n{\"a\":4,\"b\":\"y\"}\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "x\ny\n");
    assert_int_equal(t.h.env.metrics.record_errors, 1); /* a null result; a null condition is no error */
    select->value_type = (char *)"i64";                 /* not what the expression gives */
    assert_int_equal(whole_run(&t, NULL), SDF_E_TYPE);
    buf_free(&where->call.arg);
    assert_int_equal(whole_run(&t, NULL) < 0, 1);
    buf_free(&select->call.arg);
    whole_end(&t);
}

/* ---- accumulators ---- */

static void functions_count(void **state)
{
    whole_task t;
    begin(&t, PLAN_OP_MAP, "counting", PLAN_ERRORS_FAIL);
    whole_piece(&t, 0, "a\nbcd\n");
    whole_piece(&t, 0, "ef\n");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_int_equal(t.reply.counter_count, 2);
    assert_int_equal(counter_of(&t.reply, "lines"), 3);
    assert_int_equal(counter_of(&t.reply, "bytes"), 6);
    whole_end(&t);
}

static void counting_that_is_refused(void **state)
{
    static const char *const texts[] = {"\n", "1\n", "22\n", "333\n", "4444\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        whole_task t;
        begin(&t, PLAN_OP_FLAT_MAP, "count_badly", PLAN_ERRORS_SKIP);
        whole_piece(&t, 0, texts[i]);
        assert_int_equal(whole_run(&t, NULL), i < 4 ? SDF_E_INVALID : SDF_E_LIMIT);
        whole_end(&t);
    }
    assert_int_equal(sdf_accumulate(NULL, "x", 1), SDF_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_emitted_goes_too),
        cmocka_unit_test(large_emits_are_held),
        cmocka_unit_test(the_ways_to_fail),
        cmocka_unit_test(filters),
        cmocka_unit_test(offsets_travel),
        cmocka_unit_test(large_and_strange_records_are_written),
        cmocka_unit_test(nothing_diverted_nothing_written),
        cmocka_unit_test(samples_do_not_count),
        cmocka_unit_test(rows_with_open_quotes),
        cmocka_unit_test(expressions),
        cmocka_unit_test(what_is_null),
        cmocka_unit_test(functions_count),
        cmocka_unit_test(counting_that_is_refused),
    };
    SDF_REGISTER(repeat, .map = repeat, .version = 1);
    SDF_REGISTER(grumble, .map = grumble, .version = 1);
    SDF_REGISTER(keep_plain, .filter = keep_plain, .version = 1);
    SDF_REGISTER(emits_twice, .map = emits_twice, .version = 1);
    SDF_REGISTER(counting, .map = counting, .version = 1);
    SDF_REGISTER(count_badly, .map = count_badly, .version = 1);
    return cmocka_run_group_tests_name("exec/record_errors", tests, NULL, NULL);
}
