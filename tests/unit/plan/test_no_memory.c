/* Every allocation of making a lineage, planning and explaining it fails in turn: the call says so, nothing leaks or
 * crashes, and no node is changed. This program has its own malloc, which sanitizers have too: there the tests are
 * skipped. */
#include <errno.h>

#include "expr/expr.h"
#include "planning.h"

#include "../no_memory.h"

/* A call that leaves nothing behind. Returns its status. */
typedef int (*action)(void);

/* Fails the first allocation and all that follow, then only from the second on, ... until the action succeeds. */
static void fail_each(action act, int other_code)
{
#ifdef COUNTED
    for (long n = 0;; n++) {
        live = 0;
        countdown = n;
        int rc = act();
        countdown = -1;
        assert_int_equal(live, 0);
        if (rc == SDF_OK)
            break;
        if (rc != other_code)
            assert_int_equal(rc, SDF_E_NO_MEMORY);
        assert_true(n < 10000);
    }
#else
    (void)countdown;
    (void)live;
    (void)other_code;
    (void)act; /* it has run once, with all the memory there is */
#endif
}

/* Frees the error that a failed call must have set. */
static int finish(int rc, sdf_error *err)
{
    int code = sdf_error_code(err);
    sdf_error_free(err);
    return rc && !code ? SDF_E_INTERNAL : rc;
}

/* A lineage with everything in it: NULL, or its last node carries an error, when memory runs out on the way. */
enum { SOURCE, MEMORY, CSV, WORDS, ROWS, FIELDS, SUM, JOIN, ONES, UNION, INDEX, BACK, SORT, LISTS, COUNT };

static node *next_of(node_spec spec, node *one, node *two)
{
    node *parents[2] = {one, two};
    if (spec.kind >= NODE_NARROW && (!one || (two == NULL && spec.kind == NODE_UNION)))
        return NULL;
    spec.id = next_id++;
    spec.parents = parents;
    spec.parent_count = !one ? 0 : two ? 2 : 1;
    return node_new(&spec);
}

static void make_sources(node **all)
{
    plan_format text = {.kind = PLAN_FORMAT_TEXT};
    plan_format csv = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true};
    char path[4096];
    snprintf(path, sizeof path, "%s/t.csv", folder);
    all[SOURCE] =
        next_of((node_spec){NODE_FILES, .operation = "text_file", .uris = folder, .format = &text}, NULL, NULL);
    all[CSV] = next_of((node_spec){NODE_FILES, .operation = "csv", .uris = path, .format = &csv}, NULL, NULL);
    all[MEMORY] = next_of((node_spec){NODE_PARALLELIZE, .operation = "parallelize", .key_type = "bytes",
                                      .value_type = "i64", .partitions = 3},
                          NULL, NULL);
    if (all[MEMORY])
        all[MEMORY]->stages[0] = 77;
}

static void make_operators(node **all)
{
    expr *id = expr_parse("$id"), *big = expr_parse("i64($n) > 3"), *n = expr_parse("i64($n)");
    uint8_t back = PLAN_PROJECT_UNELEMENT;
    all[WORDS] = next_of((node_spec){NODE_NARROW, .operation = "flat_map", .op = PLAN_OP_FLAT_MAP, .function = "words"},
                         all[SOURCE], NULL);
    all[ROWS] = next_of((node_spec){NODE_NARROW, .operation = "where", .op = PLAN_OP_FILTER_EXPR, .exprs = {big}},
                        all[CSV], NULL);
    all[FIELDS] = next_of((node_spec){NODE_NARROW, .operation = "select", .op = PLAN_OP_MAP_EXPR, .exprs = {id, n}},
                          all[ROWS], NULL);
    all[SUM] = next_of((node_spec){NODE_AGGREGATE, .operation = "reduce_by_key", .function = "sum", .partitions = 5},
                       all[WORDS], NULL);
    all[JOIN] = !all[SUM] ? NULL
                          : next_of((node_spec){NODE_COGROUP, .operation = "join", .how = PLAN_COGROUP_INNER,
                                                .join = JOIN_BROADCAST_LEFT},
                                    all[MEMORY], all[SUM]);
    all[ONES] = next_of((node_spec){NODE_NARROW, .operation = "ones", .op = PLAN_OP_MAP_VALUES, .function = "ones"},
                        all[JOIN], NULL);
    all[UNION] = !all[ONES] ? NULL : next_of((node_spec){NODE_UNION, .operation = "union"}, all[FIELDS], all[ONES]);
    all[INDEX] = next_of((node_spec){NODE_INDEX, .operation = "index"}, all[UNION], NULL);
    all[BACK] = next_of((node_spec){NODE_NARROW, .operation = "back", .op = PLAN_OP_PROJECT, .arg = {&back, 1},
                                    .key_type = "bytes", .value_type = "i64"},
                        all[INDEX], NULL);
    all[SORT] = next_of((node_spec){NODE_SORT, .operation = "sort", .partitions = 4}, all[BACK], NULL);
    all[LISTS] = !all[ONES] ? NULL
                            : next_of((node_spec){NODE_COGROUP, .operation = "cogroup", .how = PLAN_COGROUP_LISTS},
                                      all[SORT], all[ONES]);
    expr_unref(id);
    expr_unref(big);
    expr_unref(n);
}

static int make_all(node **all)
{
    memset(all, 0, COUNT * sizeof *all);
    make_sources(all);
    make_operators(all);
    for (int i = 0; i < COUNT; i++)
        if (!all[i])
            return SDF_E_NO_MEMORY;
    return all[LISTS]->error ? sdf_error_code(all[LISTS]->error) : SDF_OK;
}

static void release_all(node **all)
{
    for (int i = 0; i < COUNT; i++)
        node_unref(all[i], NULL, NULL);
}

static int make_lineage(void)
{
    node *all[COUNT];
    int rc = make_all(all);
    release_all(all);
    return rc;
}

static void test_lineage(void **state)
{
    assert_int_equal(make_lineage(), SDF_OK);
    fail_each(make_lineage, SDF_E_NO_MEMORY);
}

static node *lineage[COUNT];

static int plan_it(void)
{
    planned p;
    sdf_error *err = NULL;
    uint32_t before = next_stage;
    planner_action save = {
        .output = PLAN_OUTPUT_FILE, .format = {.kind = PLAN_FORMAT_TEXT}, .uri = "out", .single = true};
    int rc = planner_plan(lineage[LISTS], &save, &config, &p, &err);
    if (rc)
        assert_int_equal(next_stage, before);
    next_stage = before;
    planned_clear(&p);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(lineage[i]->slot, 0);
    return finish(rc, err);
}

static int explain_it(bool json)
{
    sdf_error *err = NULL;
    char *text = planner_explain(lineage[LISTS], &config, json, &err);
    int rc = text ? SDF_OK : sdf_error_code(err);
    free(text);
    return finish(rc, err);
}

static int explain_text(void)
{
    return explain_it(false);
}

static int explain_json(void)
{
    return explain_it(true);
}

static int name_it(void)
{
    return node_set_name(lineage[WORDS], "a name of some length, which needs memory");
}

/* What two others read is kept, or, since it leaves out bad records, written down for the job. */
static void with_lineage(action act)
{
    for (int kept = 0; kept < 2; kept++) {
        assert_int_equal(make_all(lineage), SDF_OK);
        node_set_persist(lineage[ONES], kept, NULL, NULL);
        lineage[ONES]->errors = kept ? PLAN_ERRORS_FAIL : PLAN_ERRORS_SKIP;
        config.exchange = 2;
        assert_int_equal(act(), SDF_OK);
        fail_each(act, SDF_E_NO_MEMORY);
        config.exchange = 1;
        release_all(lineage);
    }
}

static void test_plan(void **state)
{
    with_lineage(plan_it);
}

static void test_explain(void **state)
{
    with_lineage(explain_text);
    with_lineage(explain_json);
}

static void test_name(void **state)
{
    with_lineage(name_it);
}

static int prepare(void **state)
{
    setup(state);
    write_text(folder, "t.csv", "id,n\n1,2\n");
    return 0;
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lineage),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_name),
    };
    return cmocka_run_group_tests_name("plan/no_memory", tests, prepare, teardown);
}
