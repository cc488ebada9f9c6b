/* Every allocation of the codecs and the registry fails in turn: the call says so, and nothing leaks or crashes.
 * This program has its own malloc, which sanitizers have too: there the tests are skipped. */
#include "plans.h"
#include "spec/registry.h"
#include "spec/task.h"
#include "spec/type.h"

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
    (void)act;
    skip();
#endif
}

/* Frees the error that a failed call must have set. */
static int finish(int rc, sdf_error *err)
{
    int code = sdf_error_code(err);
    sdf_error_free(err);
    return rc && !code ? SDF_E_INTERNAL : rc;
}

static int parse_a_type(void)
{
    char *canonical = NULL;
    sdf_error *err = NULL;
    int rc = type_parse("tuple(i64, optional(bytes), tuple(f64,any), tuple(i64,i64,i64,i64,i64,i64,i64,i64))",
                        &canonical, &err);
    free(canonical);
    return finish(rc, err);
}

static int make_an_error(void)
{
    sdf_error *err = NULL, *again = NULL;
    buf b = BUF_EMPTY;
    int rc = SDF_OK;
    error_set(&err, SDF_E_USER, "bad line %d", 7);
    error_hint(&err, "look");
    error_at(&err, "f", "map#1");
    error_where(&err, 1, 2, 3);
    error_log_tail(&err, "log");
    error_prefix(&err, "there");
    again = error_copy(err);
    if (!sdf_error_text(err) || !*sdf_error_text(again) || error_encode(err, &b))
        rc = SDF_E_NO_MEMORY;
    sdf_error_free(again);
    wire_reader r = wire_read(b.data, b.size);
    again = rc ? NULL : error_decode(&r);
    if (!again || !sdf_error_log(err)[0] || strcmp(sdf_error_text(err), sdf_error_text(again)))
        rc = SDF_E_NO_MEMORY; /* what there was no memory for is just not said */
    sdf_error_free(again);
    sdf_error_free(err);
    buf_free(&b);
    return rc;
}

static int send_a_request(void)
{
    static task_extent extents[] = {{1, 0, 1, 0, 1, 1, 1, 1}, {2, 0, 1, 0, 1, 1, 1, 1}};
    static task_leaf leaves[] = {{1, extents, 2}, {2, extents, 1}};
    static task_piece pieces[] = {{.split = {.path = "p", .version = "v"}}, {.leaves = leaves, .leaf_count = 2}};
    const task_request q = {
        .kind = TASK_RUN, .store_uri = "mem:", .pieces = pieces, .piece_count = 2, .sides = leaves, .side_count = 1};
    task_request got = {0};
    sdf_error *err = NULL;
    buf b = BUF_EMPTY;
    int rc = task_request_encode(&q, &b);
    if (!rc) {
        rc = task_request_decode(b.data, b.size, &got, &err);
        rc = finish(rc, err);
        task_request_clear(&got);
    }
    buf_free(&b);
    return rc;
}

static int send_a_reply(void)
{
    static task_counter counters[] = {{"a", 1}, {"b", 2}};
    task_reply r = {
        .kind = TASK_RUN, .failure = FAILURE_USER, .index_name = "i", .counters = counters, .counter_count = 2};
    task_reply got = {0};
    r.error = sdf_error_new(SDF_E_USER, "message", "hint");
    sdf_error *err = NULL;
    buf b = BUF_EMPTY;
    int rc = task_reply_encode(&r, &b);
    if (!rc) {
        rc = task_reply_decode(b.data, b.size, &got, &err);
        rc = finish(rc, err);
        task_reply_clear(&got);
    }
    sdf_error_free(r.error);
    buf_free(&b);
    return rc;
}

static buf plan_json;

static int read_a_plan(void)
{
    plan *p = NULL;
    sdf_error *err = NULL;
    int rc = plan_decode(plan_json.data, plan_json.size, &p, &err);
    if (!rc) {
        buf again = BUF_EMPTY;
        rc = plan_encode(p, &again, &err);
        buf_free(&again);
    }
    plan_free(p);
    return finish(rc, err);
}

static plan *source;

static int copy_branches(void)
{
    int rc = SDF_OK;
    for (uint32_t i = 0; i < source->stage_count && !rc; i++)
        for (uint32_t j = 0; j < source->stages[i].branch_count && !rc; j++) {
            plan_branch twin = {0};
            rc = plan_copy_branch(&twin, &source->stages[i].branches[j]);
            plan_release_branch(&twin);
        }
    return rc;
}

/* Fails as it should while there is memory; counts as a success then. */
static int refuse_a_plan(void)
{
    plan *p = NULL;
    sdf_error *err = NULL;
    int rc = plan_decode("{\"version\":2,\"stages\":[]}", 25, &p, &err);
    plan_free(p);
    sdf_error_free(err);
    return rc == SDF_E_CORRUPT && countdown ? SDF_OK : rc;
}

static int a_map(const sdf_record *in, sdf_out *out, void *state)
{
    return SDF_OK;
}

static int an_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return SDF_OK;
}

/* Registered already: what is copied goes again. */
static int register_again(void)
{
    const sdf_aggregator a = {
        .struct_size = sizeof a, .state_type = "i64", .state_size = 8, .update = an_update, .merge = an_update};
    const sdf_function map = {
        .struct_size = sizeof map, .name = "m", .in_key = "i64", .out_value = "tuple(i64)", .map = a_map};
    const sdf_function sum = {.struct_size = sizeof sum, .name = "s", .aggregator = &a};
    sdf_error *err = NULL;
    int rc = sdf_register(&map, &err);
    if (!rc)
        rc = sdf_register(&sum, &err);
    if (!rc) {
        char *text = registry_describe(), *difference = text ? registry_difference(text, "x\n") : NULL;
        if (!difference)
            rc = error_no_memory(&err);
        free(text);
        free(difference);
    }
    return finish(rc, err);
}

static void types(void **state)
{
    fail_each(parse_a_type, 0);
}
static void errors(void **state)
{
    fail_each(make_an_error, 0);
}
static void requests(void **state)
{
    fail_each(send_a_request, 0);
}
static void replies(void **state)
{
    fail_each(send_a_reply, 0);
}
static int make_plan(void **state)
{
    source = sample_plan();
    return plan_encode(source, &plan_json, NULL);
}
static int free_plan(void **state)
{
    plan_free(source);
    buf_free(&plan_json);
    return 0;
}
static void plans(void **state)
{
    fail_each(copy_branches, 0);
    fail_each(read_a_plan, SDF_E_CORRUPT); /* the parser doesn't tell a lack of memory from wrong syntax */
    fail_each(refuse_a_plan, SDF_E_CORRUPT);
}
static void registrations(void **state)
{
    assert_int_equal(register_again(), SDF_OK);
    fail_each(register_again, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(errors),
        cmocka_unit_test(requests),
        cmocka_unit_test(replies),
        cmocka_unit_test_setup_teardown(plans, make_plan, free_plan),
        cmocka_unit_test(registrations),
    };
    return cmocka_run_group_tests_name("spec/no_memory", tests, NULL, NULL);
}
