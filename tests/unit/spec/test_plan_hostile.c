/* Plans that nobody vouches for: the place of what is wrong, what must hold across fields, limits, damaged text. */
#include "plans.h"

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
        buf b = encode(p);
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
        {"\"version\":2,", "\"version\":1,", SDF_E_VERSION, "version 2"},
        {"\"version\":2,", "", SDF_E_VERSION, "version 2"},
        {"\"version\":2,", "\"version\":\"2\",", SDF_E_VERSION, "version 2"},
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
        {"\"branches\":[", "\"branches\":[],\"ops\":[", SDF_E_CORRUPT, "stages[0].ops: there is no such field"},
        {"\"branches\":[", "\"branches\":[null,", SDF_E_CORRUPT, "stages[0].branches[0]: an object"},
        {"\"kind\":\"files\"", "\"kind\":\"FILES\"", SDF_E_CORRUPT, "branches[0].input.kind: \"FILES\""},
        {"\"kind\":\"files\"", "\"kind\":\"range\"", SDF_E_CORRUPT, "stages[0].branches[0].input.format"},
        {"\"kind\":\"text\"", "\"kind\":\"binary\"", SDF_E_CORRUPT, "branches[0].input.format"},
        {"\"kind\":\"text\"", "\"kind\":\"delimited\"", SDF_E_CORRUPT, "branches[0].input.format.delimiter"},
        {"\"18446744073709551615\"", "\"18446744073709551616\"", SDF_E_CORRUPT, "max_record"},
        {"\"18446744073709551615\"", "\"17\"", SDF_E_CORRUPT, "max_record"},
        {"\"18446744073709551615\"", "\"018446744073709551615\"", SDF_E_CORRUPT, "max_record"},
        {"\"18446744073709551615\"", "18446744073709551615", SDF_E_CORRUPT, "max_record"},
        {"\"errors\":\"fail\"", "\"errors\":\"hide\"", SDF_E_CORRUPT, "branches[0].input.errors"},
        {"\"delimiter\":59", "\"delimiter\":0", SDF_E_CORRUPT, "branches[1].input.format.delimiter"},
        {"\"delimiter\":59", "\"delimiter\":10", SDF_E_CORRUPT, "format.delimiter: an end of line"},
        {"\"delimiter\":59", "\"delimiter\":256", SDF_E_CORRUPT, "format.delimiter"},
        {"\"quote\":34", "\"quote\":59", SDF_E_CORRUPT, "format.quote"},
        {"\"escape\":92", "\"escape\":59", SDF_E_CORRUPT, "format.escape"},
        {"\"header\":true", "\"header\":1", SDF_E_CORRUPT, "format.header"},
        {"\"columns_base64\":\"", "\"columns\":7,\"columns_base64\":\"", SDF_E_CORRUPT, "format.columns: given twice"},
        {"\"start\":\"-9223372036854775808\"", "\"start\":\"-9223372036854775809\"", SDF_E_CORRUPT, "input.start"},
        {"\"start\":\"-9223372036854775808\"", "\"start\":\"-1\"", SDF_E_CORRUPT, "branches[2].input.start"},
        {"\"start\":\"-9223372036854775808\"", "\"start\":\"9223372036854775808\"", SDF_E_CORRUPT, "input.start"},
        {"\"step\":-7", "\"step\":-7.5", SDF_E_CORRUPT, "branches[2].input.step"},
        {"\"key_type\":\"null\"", "\"key_type\":\"nil\"", SDF_E_CORRUPT, "input.key_type: the type \"nil\""},
        {"\"function\":\"split_words\"", "\"function\":\"\"", SDF_E_CORRUPT, "branches[0].ops[0].call.function"},
        {"\"function\":\"split_words\",", "", SDF_E_CORRUPT, "branches[0].ops[0].call.function: a string"},
        {"\"arg\":\"YQA=\"", "\"arg\":\"YQA\"", SDF_E_CORRUPT, "branches[0].ops[1].call.arg: not base64"},
        {"\"kind\":\"flat_map\"", "\"kind\":7", SDF_E_CORRUPT, "branches[0].ops[1].kind"},
        {"\"kind\":\"map\",\"call\"", "\"kind\":\"map\",\"cal\"", SDF_E_CORRUPT, "branches[0].ops[0].cal:"},
        {"\"kind\":\"filter_expr\",\"call\":{", "\"kind\":\"filter_expr\",\"call\":{\"function\":\"f\",", SDF_E_CORRUPT,
         "branches[0].ops[7].call.function: there is no such field"},
        {"\"side\":0", "\"side\":1", SDF_E_CORRUPT, "branches[0].ops[13].side: the stage has 1 sides"},
        {"\"how\":\"left\"", "\"how\":\"right\"", SDF_E_CORRUPT, "branches[0].ops[13].how"},
        {"\"arg\":\"Aw==\"", "\"arg\":\"/w==\"", SDF_E_CORRUPT, "branches[0].ops[9].call.arg: no way to project"},
        {"\"source\":900", "\"source\":1", SDF_E_CORRUPT, "stages[0].sides[0].source: stage 1 doesn't come before"},
        {"\"source\":900", "\"source\":3", SDF_E_CORRUPT, "stages[0].sides[0].source: stage 3 doesn't come before"},
        {"\"source\":900", "\"source\":-1", SDF_E_CORRUPT, "stages[0].sides[0].source"},
        {"\"partitions\":16", "\"partitions\":0", SDF_E_CORRUPT, "stages[0].output.partitions"},
        {"\"spread\":100", "\"spread\":15", SDF_E_CORRUPT, "stages[0].output.spread"},
        {"\"partitioner\":\"hash\"", "\"partitioner\":\"\"", SDF_E_CORRUPT, "stages[0].output.partitioner"},
        {"\"partitioner\":\"hash\"", "\"partitioner\":\"forward\"", SDF_E_CORRUPT, "stages[0].output.spread"},
        {"\"combine\":{\"function\":\"sdf.sum.i64\",\"version\":7,\"label\":\"combine\"},", "", SDF_E_CORRUPT,
         "stages[0].output.merging"},
        {"\"resumable\":true", "\"resumable\":1", SDF_E_CORRUPT, "stages[0].resumable: true or false"},
        {"\"how\":\"full\"", "\"how\":\"call\"", SDF_E_CORRUPT, "stages[1].branches[0].input.call: missing"},
        {"\"how\":\"call\"", "\"how\":\"lists\"", SDF_E_CORRUPT, "branches[0].input.sources[0].input.call: too much"},
        {"\"how\":\"call\",\"call\":{\"function\":\"three_of_them\",\"version\":7,\"label\":\"cogroup#8\"}",
         "\"how\":\"inner\"", SDF_E_CORRUPT, "sources[0].input.sources: from 2 to 2 sources expected, not 3"},
        {"\"source\":1,\"read\":\"merge\",\"descending\":true", "\"source\":3,\"read\":\"merge\",\"descending\":true",
         SDF_E_CORRUPT, "stages[1].branches[0].input.sources[0].input.sources[1].input.source: stage 3"},
        {"\"read\":\"aggregate\"", "\"read\":\"merge\"", SDF_E_CORRUPT, "input.sources[1].input.call: too much"},
        {"\"bound_by\":1", "\"bound_by\":4294967295", SDF_E_CORRUPT, "stages[1].bound_by: stage 4294967295"},
        {"\"codec\":\"zstd\"", "\"codec\":\"rar\"", SDF_E_CORRUPT, "stages[1].output.codec"},
        {"\"kind\":\"json\"", "\"kind\":\"whole\"", SDF_E_CORRUPT, "stages[1].output.format"},
        {"\"uri_base64\":", "\"uri\":\"x\",\"uri_base64\":", SDF_E_CORRUPT, "stages[1].output.uri"},
        {"\"uri_base64\":\"", "\"uri_base64\":\"AAAA", SDF_E_CORRUPT, "NUL"},
        {"\"record_bytes\":100", "\"record_bytes\":0", SDF_E_CORRUPT, "stages[2].branches[0].input.format"},
        {"\"key_bytes\":10", "\"key_bytes\":101", SDF_E_CORRUPT, "stages[2].branches[0].input.format.key_bytes"},
        {"\"name\":\"empty\"", "\"name\":\"zones\"", SDF_E_CORRUPT, "two are named \"zones\""},
        {"\"name\":\"empty\"", "\"name\":\"\"", SDF_E_CORRUPT, "broadcasts[1].name"},
        {"\"errors_uri\":\"file:/out\",", "", SDF_E_CORRUPT, "branches[0].ops[0].errors: records are to be diverted"},
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
}

#define HEAD  "{\"version\":2,\"program\":\"\",\"compression\":\"none\",\"stages\":["
#define TAIL  "],\"broadcasts\":[]}"
#define TYPES "\"label\":\"\",\"key_type\":\"i64\",\"value_type\":\"i64\""
#define RANGE "{\"input\":{\"kind\":\"range\"," TYPES ",\"start\":0,\"step\":1},\"ops\":[]}"
#define OP                                                                                                             \
    "{\"kind\":\"map\",\"call\":{\"function\":\"f\",\"version\":0,\"label\":\"\"},\"errors\":\"fail\","                \
    "\"key_type\":\"i64\",\"value_type\":\"i64\"}"
#define SIDE "{\"source\":9," TYPES "}"

static void repeat(buf *b, const char *text, int count)
{
    for (int i = 0; i < count; i++) {
        buf_text(b, i ? "," : "");
        buf_text(b, text);
    }
}

static void put_stage(buf *b, int id, int branches, int ops, int sides)
{
    buf_printf(b, "{\"id\":%d,\"label\":\"\",\"tasks\":0,\"branches\":[", id);
    repeat(b, RANGE, branches - (ops > 0));
    if (ops) {
        buf_text(b, "{\"input\":{\"kind\":\"range\"," TYPES ",\"start\":0,\"step\":1},\"ops\":[");
        repeat(b, OP, ops);
        buf_text(b, "]}");
    }
    buf_text(b, "],\"sides\":[");
    repeat(b, SIDE, sides);
    buf_text(b, "],\"output\":{\"kind\":\"none\"," TYPES "},\"bound_by\":0,\"resumable\":false}");
}

static void counts_are_limited(void **state)
{
    static const struct {
        int branches, ops, sides;
        const char *part; /* NULL: it is taken */
    } cases[] = {
        {1, PLAN_OPS_MAX, PLAN_SIDES_MAX, NULL},
        {1, PLAN_OPS_MAX + 1, 0, "stages[0].branches[0].ops: more than 1024"},
        {1, 0, PLAN_SIDES_MAX + 1, "stages[0].sides: more than 64"},
        {PLAN_BRANCHES_MAX, 0, 0, NULL},
        {PLAN_BRANCHES_MAX + 1, 0, 0, "stages[0].branches: more than 65536"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf b = BUF_EMPTY;
        buf_text(&b, HEAD);
        put_stage(&b, 1, cases[i].branches, cases[i].ops, cases[i].sides);
        buf_text(&b, TAIL);
        assert_int_equal(decode_exactly(b.data, b.size, cases[i].part), cases[i].part ? SDF_E_LIMIT : SDF_OK);
        buf_free(&b);
    }
    buf b = BUF_EMPTY;
    buf_text(&b, HEAD);
    for (int i = 0; i <= PLAN_STAGES_MAX; i++) {
        buf_text(&b, i ? "," : "");
        put_stage(&b, i, 1, 0, 0);
    }
    buf_text(&b, TAIL);
    assert_int_equal(decode_exactly(b.data, b.size, "stages: more than 4096"), SDF_E_LIMIT);
    buf_free(&b);
}

/* `depth` cogroups, each but the innermost of one other, which is of `sources` ranges. */
static plan *nested_plan(int depth, int sources)
{
    plan *p = plan_new();
    plan_stage *s = plan_add_stage(p);
    s->id = 1;
    s->output.kind = PLAN_OUTPUT_NONE;
    plan_branch *b = plan_add_branch(s);
    for (int i = 0; i < depth; i++) {
        b->input.kind = PLAN_INPUT_COGROUP;
        b->input.how = PLAN_COGROUP_LISTS;
        for (int n = 0; i == depth - 1 && n < sources - 1; n++)
            plan_add_source(&b->input)->input.kind = PLAN_INPUT_RANGE;
        b = plan_add_source(&b->input);
    }
    b->input.kind = PLAN_INPUT_RANGE;
    return p;
}

static void nesting_is_limited(void **state)
{
    sdf_error *err = NULL;
    plan *p = nested_plan(PLAN_NESTED_MAX, PLAN_SOURCES_MAX);
    buf b = encode(p), wrapped = BUF_EMPTY;
    assert_int_equal(decode_exactly(b.data, b.size, NULL), SDF_OK);
    plan_free(p);
    /* One more around all of them. */
    assert_int_equal(buf_append(&b, "", 1), SDF_OK);
    const char *text = (const char *)b.data, *at = strstr(text, "{\"input\":"), *end = strstr(text, ",\"sides\"");
    buf_append(&wrapped, text, (size_t)(at - text));
    buf_text(&wrapped, "{\"input\":{\"kind\":\"cogroup\"," TYPES ",\"how\":\"lists\",\"sources\":[");
    buf_append(&wrapped, at, (size_t)(end - 1 - at));
    buf_text(&wrapped, "]},\"ops\":[]}");
    buf_text(&wrapped, end - 1);
    assert_int_equal(decode_exactly(wrapped.data, wrapped.size, "more than 16 cogroups"), SDF_E_LIMIT);
    buf_free(&wrapped);
    buf_clear(&b);
    p = nested_plan(PLAN_NESTED_MAX + 1, 1);
    assert_int_equal(plan_encode(p, &b, &err), SDF_E_LIMIT);
    sdf_error_free(err);
    plan_free(p);
    p = nested_plan(1, PLAN_SOURCES_MAX + 1);
    assert_int_equal(plan_encode(p, &b, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_message(err), "stages[0].branches[0].input.sources: from 1 to 64"));
    sdf_error_free(err);
    plan_free(p);
    p = nested_plan(2, 0); /* a cogroup of nothing but one */
    p->stages[0].branches[0].input.sources[0].input.kind = PLAN_INPUT_COGROUP;
    plan_release_branch(&p->stages[0].branches[0].input.sources[0].input.sources[0]);
    p->stages[0].branches[0].input.sources[0].input.source_count = 0;
    assert_int_equal(plan_encode(p, &b, &err), SDF_E_CORRUPT);
    sdf_error_free(err);
    plan_free(p);
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
        cmocka_unit_test(every_field_is_checked),
        cmocka_unit_test(limits_hold_before_memory_is_taken),
        cmocka_unit_test(counts_are_limited),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(damaged_text_is_refused_or_read),
    };
    return cmocka_run_group_tests_name("spec/plan_hostile", tests, NULL, NULL);
}
