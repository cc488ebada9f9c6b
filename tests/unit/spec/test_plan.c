/* Plans as JSON: round trips, canonical bytes, copies, leaves. What is refused is in test_plan_hostile.c.
 * With the name of a folder, writes the plans that it tests there, for tests/checks/check_formats.py. */
#include "plans.h"

#define RANDOM_PLANS 300

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
    assert_string_equal(q->errors_uri, "file:/out");
    assert_int_equal(q->broadcast_count, 2);
    assert_string_equal(q->broadcasts[0].name, "zones");
    assert_true(q->broadcasts[0].digest == 0xfedcba9876543210 && q->broadcasts[0].bytes == 1 << 20);
    assert_null(plan_find(q, 2));
    plan_free(p);
    plan_free(q);
    plan_free(NULL);
    buf_free(&a);
    buf_free(&b);
}

static void every_field_arrives(void **state)
{
    plan *p = sample_plan(), *q = NULL;
    buf json = encode(p);
    assert_int_equal(plan_decode(json.data, json.size, &q, NULL), SDF_OK);
    const plan_stage *s = plan_find(q, 1);
    assert_string_equal(s->label, "stage 1: \"lines\"\n");
    assert_int_equal(s->branch_count, 3);
    assert_int_equal(s->side_count, 1);
    assert_int_equal(s->sides[0].source, 900);
    assert_string_equal(s->sides[0].value_type, "tuple(bytes,null)");
    const plan_branch *b = &s->branches[0];
    assert_int_equal(b->op_count, 14);
    assert_int_equal(b->ops[2].kind, PLAN_OP_FILTER);
    assert_int_equal(b->ops[2].call.arg.size, 3);
    assert_memory_equal(b->ops[2].call.arg.data, "a\0\xff", 3);
    assert_int_equal(b->ops[0].errors, PLAN_ERRORS_DIVERT);
    assert_int_equal(b->ops[13].how, PLAN_COGROUP_LEFT);
    assert_null(b->ops[13].call.function);
    assert_string_equal(b->ops[13].call.label, "op#2");
    assert_string_equal(b->ops[0].key_type, "tuple(i64,bytes)");
    assert_true(b->input.format.max_record == UINT64_MAX);
    const plan_format *f = &s->branches[1].input.format;
    assert_true(f->delimiter == ';' && f->quote == '"' && f->escape == '\\' && f->multiline && f->header);
    assert_string_equal(f->columns, "a\nb \xff");
    assert_int_equal(s->branches[1].input.errors, PLAN_ERRORS_SKIP);
    assert_string_equal(s->branches[1].input.key_type, "bytes"); /* the default of a type left out */
    assert_true(s->branches[2].input.start == INT64_MIN && s->branches[2].input.step == -7);
    assert_int_equal(s->output.combine.version, 7);
    assert_int_equal(s->output.spread, 100);
    assert_true(s->output.merging);
    assert_int_equal(s->output.order, PLAN_ORDER_DESCENDING);
    s = plan_find(q, UINT32_MAX);
    assert_string_equal(s->output.uri, "file:/out/\xff\xfe");
    assert_true(s->output.single && s->output.codec == 2 && s->bound_by == 1);
    const plan_input *join = &s->branches[0].input;
    assert_int_equal(join->how, PLAN_COGROUP_FULL);
    assert_string_equal(join->sources[0].input.call.function, "three_of_them");
    assert_true(join->sources[0].input.sources[1].input.descending);
    assert_int_equal(join->sources[0].input.sources[2].op_count, 1);
    assert_string_equal(join->sources[1].input.stored_value_type, "optional(any)");
    plan_free(p);
    plan_free(q);
    buf_free(&json);
}

static void random_plans_go_both_ways(void **state)
{
    rng r = {4711};
    for (int i = 0; i < RANDOM_PLANS; i++) {
        plan *p = random_plan(&r), *q = NULL;
        buf a = encode(p);
        sdf_error *err = NULL;
        if (plan_decode(a.data, a.size, &q, &err))
            fail_msg("plan %d: %s", i, sdf_error_text(err));
        buf b = encode(q);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        plan_free(p);
        plan_free(q);
        buf_free(&a);
        buf_free(&b);
    }
}

/* A plan made of copies of another's branches is the same plan. */
static void copies_are_equal_and_stand_alone(void **state)
{
    rng r = {99};
    for (int i = 0; i < 50; i++) {
        plan *p = random_plan(&r);
        buf a = encode(p);
        for (uint32_t s = 0; s < p->stage_count; s++)
            for (uint32_t n = 0; n < p->stages[s].branch_count; n++) {
                plan_branch *b = &p->stages[s].branches[n], twin = {0};
                assert_int_equal(plan_copy_branch(&twin, b), SDF_OK);
                plan_release_branch(b);
                *b = twin;
                assert_non_null(plan_add_op(b)); /* room is made as for any other */
                b->op_count--;
            }
        buf b = encode(p);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        plan_free(p);
        buf_free(&a);
        buf_free(&b);
    }
}

static void leaves_are_numbered_depth_first(void **state)
{
    plan *p = sample_plan();
    plan_branch *b = &p->stages[1].branches[0];
    plan_number_leaves(b);
    assert_int_equal(b->leaves, 4);
    const plan_input *join = &b->input;
    assert_int_equal(join->sources[0].leaves, 3);
    assert_int_equal(join->sources[1].leaves, 1);
    for (uint32_t i = 0; i < 3; i++)
        assert_ptr_equal(plan_leaf(b, i), &join->sources[0].input.sources[i].input);
    assert_ptr_equal(plan_leaf(b, 3), &join->sources[1].input);
    assert_null(plan_leaf(b, 4));
    b = &p->stages[0].branches[0];
    plan_number_leaves(b);
    assert_int_equal(b->leaves, 0);
    assert_null(plan_leaf(b, 0));
    assert_true(plan_has_op(&p->stages[0], PLAN_OP_INDEX));
    assert_true(plan_has_op(&p->stages[1], PLAN_OP_FILTER)); /* in a source of a source */
    assert_false(plan_has_op(&p->stages[1], PLAN_OP_MAP));
    plan_free(p);
}

static void the_json_is_what_the_format_says(void **state)
{
    plan *p = plan_new();
    plan_stage *s = plan_add_stage(p);
    s->id = 1;
    plan_branch *branch = plan_add_branch(s);
    branch->input.kind = PLAN_INPUT_SHUFFLE;
    branch->input.read = PLAN_READ_CONCAT;
    s->output.kind = PLAN_OUTPUT_COUNT;
    buf b = encode(p);
    static const char expected[] =
        "{\"version\":2,\"program\":\"\",\"compression\":\"none\",\"stages\":[{\"id\":1,\"label\":\"\",\"tasks\":0,"
        "\"branches\":[{\"input\":{\"kind\":\"shuffle\",\"label\":\"\",\"key_type\":\"bytes\",\"value_type\":\"bytes\","
        "\"source\":0,\"read\":\"concat\",\"descending\":false,\"stored_key_type\":\"bytes\",\"stored_value_type\":"
        "\"bytes\"},\"ops\":[]}],\"sides\":[],"
        "\"output\":{\"kind\":\"count\",\"label\":\"\",\"key_type\":\"bytes\",\"value_type\":\"bytes\"},"
        "\"bound_by\":0,\"resumable\":false}],\"broadcasts\":[]}";
    assert_int_equal(b.size, strlen(expected));
    assert_memory_equal(b.data, expected, b.size);
    buf_free(&b);
    plan_free(p);
}

static void what_cannot_be_a_plan_is_not_written(void **state)
{
    plan *p = plan_new();
    plan_stage *s = plan_add_stage(p);
    plan_branch *only = plan_add_branch(s);
    buf b = BUF_EMPTY;
    sdf_error *err = NULL;
    assert_int_equal(plan_encode(p, &b, &err), SDF_E_INTERNAL); /* no kind of input */
    sdf_error_free(err);
    only->input.kind = PLAN_INPUT_RANGE;
    s->output.kind = PLAN_OUTPUT_NONE;
    plan_op *op = plan_add_op(only);
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
        op = plan_add_op(only);
        op->kind = PLAN_OP_MAP;
        set_call(&op->call, "f", "", "", 0);
        assert_int_equal(buf_append(&op->call.arg, only->ops[0].call.arg.data, PLAN_ARG_MAX), SDF_OK);
    }
    buf_clear(&b);
    assert_int_equal(plan_encode(p, &b, NULL), SDF_E_LIMIT);
    buf_free(&b);
    plan_free(p);
}

static int write_plans(const char *folder)
{
    rng r = {4711};
    for (int i = 0; i <= RANDOM_PLANS; i++) {
        char name[4096];
        buf json = BUF_EMPTY;
        plan *p = i ? random_plan(&r) : sample_plan();
        snprintf(name, sizeof name, "%s/%d.json", folder, i);
        FILE *f = fopen(name, "wb");
        if (!f || plan_encode(p, &json, NULL) || fwrite(json.data, 1, json.size, f) != json.size || fclose(f))
            return 1;
        plan_free(p);
        buf_free(&json);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return write_plans(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_go_both_ways),
        cmocka_unit_test(every_field_arrives),
        cmocka_unit_test(random_plans_go_both_ways),
        cmocka_unit_test(copies_are_equal_and_stand_alone),
        cmocka_unit_test(leaves_are_numbered_depth_first),
        cmocka_unit_test(the_json_is_what_the_format_says),
        cmocka_unit_test(what_cannot_be_a_plan_is_not_written),
    };
    return cmocka_run_group_tests_name("spec/plan", tests, NULL, NULL);
}
