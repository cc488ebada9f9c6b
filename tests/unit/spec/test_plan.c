/* Plans as JSON: round trips, canonical bytes, the place of what is wrong, limits, and hostile text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "spec/plan.h"

static char *copy(const char *text)
{
    char *s = strdup(text);
    assert_non_null(s);
    return s;
}

static void set_call(plan_call *c, const char *function, const char *label, const char *arg, size_t size)
{
    c->function = copy(function);
    c->version = 7;
    c->label = copy(label);
    assert_int_equal(buf_append(&c->arg, arg, size), SDF_OK);
}

static void set_output(plan_output *o, plan_output_kind kind, const char *key, const char *value)
{
    o->kind = kind;
    o->label = copy("out");
    o->key_type = copy(key);
    o->value_type = copy(value);
}

static void add_map_stage(plan *p)
{
    plan_stage *s = plan_add_stage(p);
    s->id = 1;
    s->label = copy("stage 1: \"lines\"\n");
    s->tasks = 12;
    s->resumable = true;
    s->input.kind = PLAN_INPUT_TEXT;
    s->input.label = copy("text_file");
    s->input.key_type = copy("null");
    s->input.value_type = copy("bytes");
    s->input.max_line = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        plan_op *op = plan_add_op(s);
        op->kind = (plan_op_kind)(PLAN_OP_MAP + i % 4);
        set_call(&op->call, "split_words", "flat_map#2", "a\0\xff", (size_t)i);
        op->key_type = copy("tuple(i64,bytes)");
        op->value_type = copy("i64");
    }
    set_output(&s->output, PLAN_OUTPUT_SHUFFLE, "bytes", "i64");
    s->output.partitions = 16;
    s->output.partitioner = PLAN_PARTITION_HASH;
    s->output.order = PLAN_ORDER_DESCENDING;
    s->output.sample = 99;
    set_call(&s->output.combine, "sdf.sum.i64", "combine", "", 0);
}

static void add_reduce_stage(plan *p)
{
    plan_stage *s = plan_add_stage(p);
    s->id = UINT32_MAX;
    s->label = copy("stage 2");
    s->tasks = 16;
    s->sampled_by = 1;
    s->input.kind = PLAN_INPUT_SHUFFLE;
    s->input.source = 1;
    s->input.read = PLAN_READ_AGGREGATE;
    s->input.descending = true;
    s->input.key_type = copy("bytes");
    s->input.value_type = copy("i64");
    s->input.stored_key_type = copy("bytes");
    s->input.stored_value_type = copy("optional(any)");
    set_call(&s->input.call, "sdf.sum.i64", "reduce", "", 0);
    set_output(&s->output, PLAN_OUTPUT_FILE, "bytes", "i64");
    s->output.format = PLAN_FILE_TEXT;
    s->output.uri = copy("file:/out/\xff\xfe"); /* a path that is no UTF-8 */
}

static plan *sample_plan(void)
{
    plan *p = plan_new();
    p->program_id = copy("0123456789abcdef0123456789abcdef");
    p->compression = copy("lz4");
    add_map_stage(p);
    add_reduce_stage(p);
    plan_stage *s = plan_add_stage(p);
    s->id = 3;
    s->input.kind = PLAN_INPUT_BINARY;
    s->input.record_bytes = 100;
    s->input.key_bytes = 10;
    set_output(&s->output, PLAN_OUTPUT_SAMPLE, "bytes", "bytes");
    s->output.sample = 5;
    return p;
}

static buf encode(const plan *p)
{
    buf b = BUF_EMPTY;
    assert_int_equal(plan_encode(p, &b, NULL), SDF_OK);
    return b;
}

static void plans_go_both_ways(void **state)
{
    plan *p = sample_plan(), *q = NULL;
    buf a = encode(p);
    sdf_error *err = NULL;
    int rc = plan_decode(a.data, a.size, &q, &err);
    if (rc)
        fail_msg("%s", sdf_error_text(err));
    buf b = encode(q);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    assert_int_equal(q->stage_count, 3);
    assert_string_equal(q->program_id, p->program_id);
    const plan_stage *s = plan_find(q, 1);
    assert_string_equal(s->label, "stage 1: \"lines\"\n");
    assert_int_equal(s->op_count, 5);
    assert_int_equal(s->ops[3].kind, PLAN_OP_BATCH);
    assert_int_equal(s->ops[3].call.arg.size, 3);
    assert_memory_equal(s->ops[3].call.arg.data, "a\0\xff", 3);
    assert_string_equal(s->ops[0].key_type, "tuple(i64,bytes)");
    assert_true(s->input.max_line == UINT64_MAX);
    assert_int_equal(s->output.combine.version, 7);
    assert_int_equal(s->output.order, PLAN_ORDER_DESCENDING);
    s = plan_find(q, UINT32_MAX);
    assert_string_equal(s->output.uri, "file:/out/\xff\xfe");
    assert_string_equal(s->input.stored_value_type, "optional(any)");
    assert_true(s->input.descending);
    assert_string_equal(plan_find(q, 3)->input.key_type, "bytes"); /* the default of a type left out */
    assert_null(plan_find(q, 2));
    plan_free(p);
    plan_free(q);
    plan_free(NULL);
    buf_free(&a);
    buf_free(&b);
}

static void the_json_is_what_the_format_says(void **state)
{
    plan *p = plan_new();
    plan_stage *s = plan_add_stage(p);
    s->id = 1;
    s->input.kind = PLAN_INPUT_SHUFFLE;
    s->input.read = PLAN_READ_CONCAT;
    s->output.kind = PLAN_OUTPUT_COUNT;
    buf b = encode(p);
    static const char expected[] =
        "{\"version\":1,\"program\":\"\",\"compression\":\"none\",\"stages\":[{\"id\":1,\"label\":\"\",\"tasks\":0,"
        "\"input\":{\"kind\":\"shuffle\",\"label\":\"\",\"key_type\":\"bytes\",\"value_type\":\"bytes\",\"source\":0,"
        "\"read\":\"concat\",\"descending\":false,\"stored_key_type\":\"bytes\",\"stored_value_type\":\"bytes\"},"
        "\"ops\":[],"
        "\"output\":{\"kind\":\"count\",\"label\":\"\",\"key_type\":\"bytes\",\"value_type\":\"bytes\"},"
        "\"sampled_by\":0,\"resumable\":false}]}";
    assert_int_equal(b.size, strlen(expected));
    assert_memory_equal(b.data, expected, b.size);
    buf_free(&b);
    plan_free(p);
}

static void what_cannot_be_a_plan_is_not_written(void **state)
{
    plan *p = plan_new();
    plan_stage *s = plan_add_stage(p);
    buf b = BUF_EMPTY;
    sdf_error *err = NULL;
    assert_int_equal(plan_encode(p, &b, &err), SDF_E_INTERNAL); /* no kind of input */
    sdf_error_free(err);
    s->input.kind = PLAN_INPUT_TEXT;
    s->output.kind = PLAN_OUTPUT_NONE;
    plan_op *op = plan_add_op(s);
    op->kind = PLAN_OP_MAP;
    set_call(&op->call, "f", "", "", 0);
    assert_int_equal(buf_reserve(&op->call.arg, PLAN_ARG_MAX + 1), SDF_OK);
    memset(op->call.arg.data, 0, PLAN_ARG_MAX + 1);
    op->call.arg.size = PLAN_ARG_MAX + 1;
    err = NULL;
    assert_int_equal(plan_encode(p, &b, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_message(err), "\"f\""));
    assert_int_equal(b.size, 0);
    sdf_error_free(err);
    op->call.arg.size = PLAN_ARG_MAX;
    assert_int_equal(plan_encode(p, &b, NULL), SDF_OK);
    plan *q;
    assert_int_equal(plan_decode(b.data, b.size, &q, NULL), SDF_OK);
    plan_free(q);
    for (int i = 0; i < 14; i++) { /* too much together */
        op = plan_add_op(s);
        op->kind = PLAN_OP_MAP;
        set_call(&op->call, "f", "", "", 0);
        assert_int_equal(buf_append(&op->call.arg, s->ops[0].call.arg.data, PLAN_ARG_MAX), SDF_OK);
    }
    buf_clear(&b);
    assert_int_equal(plan_encode(p, &b, NULL), SDF_E_LIMIT);
    buf_free(&b);
    plan_free(p);
}

/* Decodes a copy of exactly these bytes; returns the code, which the error must have too. */
static int decode_exactly(const void *json, size_t size, const char *part)
{
    plan *p = NULL;
    sdf_error *err = NULL;
    uint8_t *bytes = malloc(size ? size : 1);
    if (size)
        memcpy(bytes, json, size);
    int rc = plan_decode(bytes, size, &p, &err);
    assert_int_equal(rc, sdf_error_code(err));
    assert_true((p == NULL) == (rc != SDF_OK));
    if (part && !strstr(sdf_error_message(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_message(err), part);
    if (p) { /* whatever is taken can be written */
        buf b = BUF_EMPTY;
        assert_int_equal(plan_encode(p, &b, NULL), SDF_OK);
        buf_free(&b);
    }
    plan_free(p);
    sdf_error_free(err);
    free(bytes);
    return rc;
}

/* The sample's JSON with `from` (once in it) replaced by `to`. */
static void assert_refused(const char *from, const char *to, int code, const char *part)
{
    plan *p = sample_plan();
    buf b = encode(p), changed = BUF_EMPTY;
    assert_int_equal(buf_append(&b, "", 1), SDF_OK);
    char *text = (char *)b.data, *at = strstr(text, from);
    if (!at)
        fail_msg("\"%s\" is not in the plan", from);
    buf_append(&changed, text, (size_t)(at - text));
    buf_text(&changed, to);
    buf_text(&changed, at + strlen(from));
    assert_int_equal(decode_exactly(changed.data, changed.size, part), code);
    buf_free(&b);
    buf_free(&changed);
    plan_free(p);
}

static void every_field_is_checked(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
        const char *part;
    } cases[] = {
        {"\"version\":1,", "\"version\":2,", SDF_E_VERSION, "version 1"},
        {"\"version\":1,", "", SDF_E_VERSION, "version 1"},
        {"\"version\":1,", "\"version\":\"1\",", SDF_E_VERSION, "version 1"},
        {"\"lz4\"", "\"zip\"", SDF_E_CORRUPT, "compression"},
        {"\"stages\":[", "\"stages\":{},\"x\":[", SDF_E_CORRUPT, "at x"},
        {"\"stages\":[", "\"stages\":[7,", SDF_E_CORRUPT, "at stages[0]: an object"},
        {"\"id\":1,", "\"id\":3,", SDF_E_CORRUPT, "stages[2].id: another stage"},
        {"\"id\":1,", "\"id\":4294967296,", SDF_E_CORRUPT, "stages[0].id"},
        {"\"id\":1,", "\"id\":-1,", SDF_E_CORRUPT, "stages[0].id"},
        {"\"id\":1,", "\"id\":1.5,", SDF_E_CORRUPT, "stages[0].id"},
        {"\"id\":1,", "\"id\":1e99,", SDF_E_CORRUPT, "stages[0].id"},
        {"\"id\":1,", "\"id\":null,", SDF_E_CORRUPT, "stages[0].id"},
        {"\"id\":1,", "\"id\":1,\"id\":2,", SDF_E_CORRUPT, "stages[0].id: the field is there twice"},
        {"\"id\":1,", "\"id\":1,\"extra\":2,", SDF_E_CORRUPT, "stages[0].extra: there is no such field"},
        {"\"tasks\":12", "\"tasks\":10000001", SDF_E_CORRUPT, "stages[0].tasks: a whole number from 0 to 10000000"},
        {"\"kind\":\"text\"", "\"kind\":\"TEXT\"", SDF_E_CORRUPT, "stages[0].input.kind: \"TEXT\""},
        {"\"kind\":\"text\"", "\"kind\":\"binary\"", SDF_E_CORRUPT, "stages[0].input"},
        {"\"18446744073709551615\"", "\"18446744073709551616\"", SDF_E_CORRUPT, "max_line"},
        {"\"18446744073709551615\"", "\"17\"", SDF_E_CORRUPT, "max_line"},
        {"\"18446744073709551615\"", "\"018446744073709551615\"", SDF_E_CORRUPT, "max_line"},
        {"\"18446744073709551615\"", "18446744073709551615", SDF_E_CORRUPT, "max_line"},
        {"\"key_type\":\"null\"", "\"key_type\":\"nil\"", SDF_E_CORRUPT, "stages[0].input.key_type: the type \"nil\""},
        {"\"function\":\"split_words\"", "\"function\":\"\"", SDF_E_CORRUPT, "stages[0].ops[0].call.function"},
        {"\"function\":\"split_words\",", "", SDF_E_CORRUPT, "stages[0].ops[0].call.function: a string"},
        {"\"arg\":\"YQ==\"", "\"arg\":\"YQ=\"", SDF_E_CORRUPT, "stages[0].ops[1].call.arg: not base64"},
        {"\"kind\":\"flat_map\"", "\"kind\":7", SDF_E_CORRUPT, "stages[0].ops[1].kind"},
        {"\"kind\":\"map\",\"call\"", "\"kind\":\"map\",\"cal\"", SDF_E_CORRUPT, "stages[0].ops[0].cal:"},
        {"\"partitions\":16", "\"partitions\":0", SDF_E_CORRUPT, "stages[0].output.partitions"},
        {"\"partitioner\":\"hash\"", "\"partitioner\":\"\"", SDF_E_CORRUPT, "stages[0].output.partitioner"},
        {"\"resumable\":true", "\"resumable\":1", SDF_E_CORRUPT, "stages[0].resumable: true or false"},
        {"\"read\":\"aggregate\"", "\"read\":\"merge\"", SDF_E_CORRUPT, "stages[1].input.call"},
        {"\"uri_base64\":", "\"uri\":\"x\",\"uri_base64\":", SDF_E_CORRUPT, "stages[1].output.uri"},
        {"\"uri_base64\":\"", "\"uri_base64\":\"AAAA", SDF_E_CORRUPT, "NUL"},
        {"\"record_bytes\":100", "\"record_bytes\":0", SDF_E_CORRUPT, "stages[2].input.record_bytes"},
        {"\"key_bytes\":10", "\"key_bytes\":101", SDF_E_CORRUPT, "stages[2].input.key_bytes"},
        {"\"label\":\"text_file\"", "\"label\":\"a\\u0000b\"", SDF_E_CORRUPT, "NUL"},
        {"{", "[", SDF_E_CORRUPT, "no JSON"},
        {"{", "{}{", SDF_E_CORRUPT, "no JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(cases[i].from, cases[i].to, cases[i].code, cases[i].part);
}

static void limits_hold_before_memory_is_taken(void **state)
{
    size_t size = PLAN_BYTES_MAX + 1;
    char *text = malloc(size + 1);
    assert_int_equal(decode_exactly("", 0, "no JSON"), SDF_E_CORRUPT);
    assert_int_equal(decode_exactly("{}", 2, "version"), SDF_E_VERSION);
    assert_int_equal(decode_exactly("[]", 2, "version"), SDF_E_VERSION);
    assert_int_equal(decode_exactly("\"", 1, "string"), SDF_E_CORRUPT);
    assert_int_equal(decode_exactly("\"\\", 2, "string"), SDF_E_CORRUPT);
    assert_int_equal(decode_exactly("{\0}", 3, "NUL"), SDF_E_CORRUPT);
    memset(text, '[', size);
    assert_int_equal(decode_exactly(text, size, "limit"), SDF_E_LIMIT);
    assert_int_equal(decode_exactly(text, size - 1, "nested"), SDF_E_LIMIT);
    memset(text, ',', size);
    assert_int_equal(decode_exactly(text, size - 1, "values"), SDF_E_LIMIT);
    memset(text, ' ', size);
    assert_int_equal(decode_exactly(text, size - 1, NULL), SDF_E_CORRUPT);
    free(text);
    buf b = BUF_EMPTY;
    buf_text(&b, "{\"version\":1,\"program\":\"\",\"compression\":\"none\",\"stages\":[");
    for (int i = 0; i <= PLAN_STAGES_MAX; i++)
        buf_printf(
            &b,
            "%s{\"id\":%d,\"label\":\"\",\"tasks\":0,\"input\":{\"kind\":\"text\",\"label\":\"\",\"key_type\":\"null\","
            "\"value_type\":\"bytes\",\"max_line\":0},\"ops\":[],\"output\":{\"kind\":\"none\",\"label\":\"\","
            "\"key_type\":\"bytes\",\"value_type\":\"bytes\"},\"sampled_by\":0,\"resumable\":false}",
            i ? "," : "", i);
    buf_text(&b, "]}");
    assert_int_equal(decode_exactly(b.data, b.size, "4096 stages"), SDF_E_LIMIT);
    buf_free(&b);
}

static void damaged_text_is_refused_or_read(void **state)
{
    static const char likely[] = "{}[]\",:\\0123456789eE+-.u truefalsn";
    plan *p = sample_plan();
    buf b = encode(p);
    rng r = {23};
    uint8_t *damaged = malloc(b.size);
    for (size_t size = 0; size < b.size; size++)
        assert_true(decode_exactly(b.data, size, NULL) < 0);
    for (int i = 0; i < 4000; i++) {
        memcpy(damaged, b.data, b.size);
        for (uint64_t n = 1 + rng_below(&r, 4); n; n--) {
            uint64_t at = rng_below(&r, b.size);
            damaged[at] = rng_below(&r, 4) ? (uint8_t)likely[rng_below(&r, sizeof likely - 1)] : (uint8_t)rng_next(&r);
        }
        decode_exactly(damaged, b.size, NULL);
    }
    free(damaged);
    buf_free(&b);
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_go_both_ways),
        cmocka_unit_test(the_json_is_what_the_format_says),
        cmocka_unit_test(what_cannot_be_a_plan_is_not_written),
        cmocka_unit_test(every_field_is_checked),
        cmocka_unit_test(limits_hold_before_memory_is_taken),
        cmocka_unit_test(damaged_text_is_refused_or_read),
    };
    return cmocka_run_group_tests_name("spec/plan", tests, NULL, NULL);
}
