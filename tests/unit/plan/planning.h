/* Planning in tests: a configuration, a folder with files, plans that are checked as they are made. */
#ifndef TEST_PLAN_PLANNING_H
#define TEST_PLAN_PLANNING_H

#include "support.h"

static char *folder;
static uint32_t next_stage = 1;
static planner_config config = {.partitions = 4,
                                .split_bytes = 20,
                                .concurrency = 2,
                                .exchange = 1,
                                .compression = "lz4",
                                .program_id = "p",
                                .next_stage = &next_stage};
static const planner_action collect = {.output = PLAN_OUTPUT_RESULT};

static inline int setup(void **state)
{
    folder = make_folder();
    write_file(folder, "a", 50); /* three splits of 20, 20, 10 */
    return 0;
}

static inline int teardown(void **state)
{
    drop_folder(folder);
    return 0;
}

/* A plan that can be sent: it stays the same through the document. */
static inline planned plan_of(node *target, const planner_action *action)
{
    planned p;
    sdf_error *err = NULL;
    if (planner_plan(target, action, &config, &p, &err))
        fail_msg("%s", sdf_error_text(err));
    buf json = BUF_EMPTY, again = BUF_EMPTY;
    plan *back = NULL;
    assert_int_equal(plan_encode(p.plan, &json, NULL), SDF_OK);
    if (plan_decode(json.data, json.size, &back, &err))
        fail_msg("%s", sdf_error_text(err));
    assert_int_equal(plan_encode(back, &again, NULL), SDF_OK);
    assert_int_equal(json.size, again.size);
    assert_memory_equal(json.data, again.data, json.size);
    for (uint32_t i = 0; i < back->stage_count; i++)
        for (uint32_t k = 0; k < back->stages[i].branch_count; k++)
            assert_int_equal(back->stages[i].branches[k].leaves, p.plan->stages[i].branches[k].leaves);
    plan_free(back);
    buf_free(&json);
    buf_free(&again);
    return p;
}

/* Plans it, as if it had run. */
static inline void run(node *target, const planner_action *action)
{
    planned p = plan_of(target, action);
    planned_commit(&p);
    planned_clear(&p);
}

static inline void expect_failure(node *target, const planner_action *action, int code, const char *a, const char *b)
{
    planned p;
    sdf_error *err = NULL;
    uint32_t before = next_stage;
    assert_int_equal(planner_plan(target, action, &config, &p, &err), code);
    if (!strstr(sdf_error_text(err), a) || !strstr(sdf_error_text(err), b))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", sdf_error_text(err), a, b);
    sdf_error_free(err);
    assert_null(p.plan);
    assert_int_equal(next_stage, before);
    planned_clear(&p);
}

/* Lines of the folder, three splits; and words out of them. */
static inline node *words(void)
{
    node *text = make_text(folder, 0), *n = make_op(PLAN_OP_FLAT_MAP, text, "flat_map", "words");
    node_unref(text, NULL, NULL);
    return n;
}

static inline node *make_union(node *one, node *two)
{
    return make_spec((node_spec){NODE_UNION, .operation = "union"}, one, two);
}

/* What a host brought along: `partitions` of (key_type, i64). */
static inline node *make_memory(const char *key_type, uint32_t partitions)
{
    node *n = make_spec((node_spec){NODE_PARALLELIZE, .operation = "parallelize", .key_type = key_type,
                                    .value_type = "i64", .partitions = partitions},
                        NULL, NULL);
    n->stages[0] = next_stage++;
    return n;
}

static inline const plan_input *input_of(const planned *p, uint32_t stage)
{
    return &p->plan->stages[stage].branches[0].input;
}

#endif
