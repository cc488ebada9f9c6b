/* Expressions in plans: their types, whose rows they read, and that each branch binds them to its own columns. */
#include "expr/expr.h"
#include "planning.h"

static int write_tables(void **state)
{
    folder = make_folder();
    write_text(folder, "one.csv", "id,name,fare\n1,x,2.5\n");
    write_text(folder, "two.csv", "fare,id\n2.5,1\n");
    write_text(folder, "same.csv", "id,name,fare\n2,y,3\n");
    write_text(folder, "rows.json", "{\"id\": 1}\n");
    return 0;
}

static node *table(const char *name, plan_format format)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return make_files(format, path, 0);
}

static node *csv(const char *name)
{
    return table(name, (plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true});
}

static node *where(node *parent, const char *text)
{
    expr *e = expr_parse(text);
    node *n = make_spec((node_spec){NODE_NARROW, .operation = "filter_expr", .op = PLAN_OP_FILTER_EXPR, .exprs = {e}},
                        parent, NULL);
    expr_unref(e);
    return n;
}

static node *select_fields(node *parent, const char *key, const char *value)
{
    expr *k = key ? expr_parse(key) : NULL, *v = value ? expr_parse(value) : NULL;
    node *n = make_spec((node_spec){NODE_NARROW, .operation = "map_expr", .op = PLAN_OP_MAP_EXPR, .exprs = {k, v}},
                        parent, NULL);
    expr_unref(k);
    expr_unref(v);
    return n;
}

static void check(node *n, const char *key, const char *value)
{
    if (n->error)
        fail_msg("%s", sdf_error_text(n->error));
    assert_string_equal(n->key_type, key);
    assert_string_equal(n->value_type, value);
}

static void refuse(node *n, int code, const char *a, const char *b)
{
    assert_non_null(n->error);
    assert_int_equal(sdf_error_code(n->error), code);
    assert_string_equal(sdf_error_operator(n->error), n->label);
    if (!strstr(sdf_error_text(n->error), a) || !strstr(sdf_error_text(n->error), b))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", sdf_error_text(n->error), a, b);
    node_unref(n, NULL, NULL);
}

static void test_types(void **state)
{
    node *a = csv("one.csv"), *n = select_fields(a, "$id", "i64($fare)");
    check(n, "bytes", "i64");
    node *pair = select_fields(n, "tuple(key, value)", "f64(value) * 2.0");
    check(pair, "tuple(bytes,i64)", "f64");
    node *none = select_fields(a, NULL, NULL);
    check(none, "null", "null");
    node *kept = where(n, "value > 3");
    check(kept, "bytes", "i64");
    refuse(where(n, "value + 3"), SDF_E_TYPE, "bool", "filter_expr#");
    refuse(where(n, "value > "), SDF_E_INVALID, "filter_expr#", "");
    refuse(where(n, "$id = '1'"), SDF_E_TYPE, "filter_expr#", "fields"); /* no rows any more */
    refuse(select_fields(n, "key", "value > 3"), SDF_E_TYPE, "bool", "if(");
    refuse(make_spec((node_spec){NODE_NARROW, .operation = "filter_expr", .op = PLAN_OP_FILTER_EXPR}, n, NULL),
           SDF_E_INVALID, "no condition", "");
    RELEASE(kept, none, pair, n, a);
}

/* What the operator behind the only branch, or the i-th, was bound to. */
static sdf_slice bound(const planned *p, uint32_t branch)
{
    const plan_stage *s = &p->plan->stages[p->plan->stage_count - 1];
    const plan_branch *b = &s->branches[branch];
    return buf_slice(&b->ops[b->op_count - 1].call.arg);
}

static void expect_bound(const planned *p, uint32_t branch, const node *n, const expr_input *in)
{
    buf expected = BUF_EMPTY;
    sdf_slice got = bound(p, branch);
    assert_int_equal(expr_bind((expr *const *)n->exprs, n->op == PLAN_OP_FILTER_EXPR ? 1 : 2, in, &expected, NULL),
                     SDF_OK);
    assert_int_equal(got.size, expected.size);
    assert_memory_equal(got.data, expected.data, got.size);
    buf_free(&expected);
}

static void test_columns_of_the_header(void **state)
{
    node *a = csv("one.csv"), *n = select_fields(a, "$name", "f64($fare)"), *bad = where(a, "$nmae = 'x'");
    planned p = plan_of(n, &collect);
    assert_string_equal(input_of(&p, 0)->format.columns, "id\nname\nfare"); /* every file's must be so */
    expect_bound(&p, 0, n, &(expr_input){"null", "bytes", &a->format, "id\nname\nfare"});
    planned_clear(&p);
    expect_failure(bad, &collect, SDF_E_NOT_FOUND, "filter_expr#", "name");
    RELEASE(bad, n, a);
}

static void test_given_columns_are_checked_at_once(void **state)
{
    plan_format given = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .columns = "a\nb\nc"};
    node *a = table("one.csv", given), *n = where(a, "$b = 'x'");
    check(n, "null", "bytes");
    refuse(where(a, "$bb = 'x'"), SDF_E_NOT_FOUND, "filter_expr#", "bb");
    planned p = plan_of(n, &collect);
    expect_bound(&p, 0, n, &(expr_input){"null", "bytes", &a->format, "a\nb\nc"});
    planned_clear(&p);
    RELEASE(n, a);
}

static void test_branches_have_their_own(void **state)
{
    node *a = csv("one.csv"), *b = csv("two.csv"), *ab = make_union(a, b), *aba = make_union(ab, a);
    node *kept = where(aba, "$fare != ''"), *n = select_fields(kept, "$id", "$fare");
    check(n, "bytes", "bytes");
    planned p = plan_of(n, &collect);
    assert_int_equal(p.plan->stages[0].branch_count, 3);
    const char *const columns[] = {"id\nname\nfare", "fare\nid", "id\nname\nfare"};
    for (uint32_t i = 0; i < 3; i++)
        expect_bound(&p, i, n, &(expr_input){"null", "bytes", &a->format, columns[i]});
    planned_clear(&p);
    node *missing = where(aba, "$name = 'x'"); /* one of them has no such column */
    expect_failure(missing, &collect, SDF_E_NOT_FOUND, "filter_expr#", "name");
    RELEASE(missing, n, kept, aba, ab, b, a);
}

static void test_rows_remain_rows(void **state)
{
    node *a = csv("one.csv"), *keyed = select_fields(a, "$id", "value");
    node *sorted = make_wide(NODE_SORT, keyed, "sort_by", NULL, 2);
    node *rows = make_project(PLAN_PROJECT_UNVALUE, sorted, "null", "bytes");
    node *turned = make_wide(NODE_REPARTITION, rows, "repartition", NULL, 2);
    node *few = make_wide(NODE_COALESCE, turned, "coalesce", NULL, 1), *n = select_fields(few, "$name", NULL);
    check(n, "bytes", "null");
    node_set_persist(turned, true, NULL, NULL);
    planned p = plan_of(n, &collect);
    expect_bound(&p, 0, n, &(expr_input){"null", "bytes", &a->format, "id\nname\nfare"});
    planned_commit(&p);
    planned_clear(&p);
    p = plan_of(n, &collect); /* and when they are read from what is there */
    expect_bound(&p, 0, n, &(expr_input){"null", "bytes", &a->format, "id\nname\nfare"});
    planned_clear(&p);
    node *mapped = make_op(PLAN_OP_MAP, a, "map", "same");
    refuse(where(mapped, "$id = '1'"), SDF_E_TYPE, "filter_expr#", "fields"); /* who knows what it made of them */
    RELEASE(mapped, n, few, turned, rows, sorted, keyed, a);
}

static void test_mixed_rows_behind_a_shuffle(void **state)
{
    node *a = csv("one.csv"), *b = csv("two.csv"), *same = csv("same.csv"),
         *json = table("rows.json", (plan_format){.kind = PLAN_FORMAT_JSON});
    node *good = make_union(a, same), *good_turned = make_wide(NODE_REPARTITION, good, "repartition", NULL, 2);
    node *good_where = where(good_turned, "$name = 'x'");
    planned p = plan_of(good_where, &collect);
    expect_bound(&p, 0, good_where, &(expr_input){"null", "bytes", &a->format, "id\nname\nfare"});
    planned_clear(&p);
    node *mixed = make_union(a, b), *turned = make_wide(NODE_REPARTITION, mixed, "repartition", NULL, 2);
    node *bad = where(turned, "$id = '1'");
    check(bad, "null", "bytes");
    expect_failure(bad, &collect, SDF_E_TYPE, "different columns", "sdf_select");
    node *other = make_union(a, json);
    refuse(where(other, "$id = '1'"), SDF_E_TYPE, "filter_expr#", "fields");
    node *twice = make_union(json, json), *kept = where(twice, "$id = '1'");
    check(kept, "null", "bytes");
    RELEASE(kept, twice, other, bad, turned, mixed, good_where, good_turned, good, json, same, b, a);
}

static void test_json_needs_no_file(void **state)
{
    node *json = table("rows.json", (plan_format){.kind = PLAN_FORMAT_JSON}),
         *n = select_fields(json, "$user.id", "i64($n)");
    check(n, "bytes", "i64");
    planned p = plan_of(n, &collect);
    expect_bound(&p, 0, n, &(expr_input){"null", "bytes", &json->format, NULL});
    planned_clear(&p);
    RELEASE(n, json);
}

static void test_empty_files_have_no_columns(void **state)
{
    write_text(folder, "empty.csv", "");
    node *a = csv("empty.csv"), *all = where(a, "len(value) > 2"), *some = where(a, "$id = '1'");
    planned p = plan_of(all, &collect);
    assert_int_equal(p.plan->stages[0].tasks, 1);
    planned_clear(&p);
    expect_failure(some, &collect, SDF_E_NOT_FOUND, "filter_expr#", "id");
    RELEASE(some, all, a);
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_columns_of_the_header),
        cmocka_unit_test(test_given_columns_are_checked_at_once),
        cmocka_unit_test(test_branches_have_their_own),
        cmocka_unit_test(test_rows_remain_rows),
        cmocka_unit_test(test_mixed_rows_behind_a_shuffle),
        cmocka_unit_test(test_json_needs_no_file),
        cmocka_unit_test(test_empty_files_have_no_columns),
    };
    return cmocka_run_group_tests_name("plan/expressions", tests, write_tables, teardown);
}
