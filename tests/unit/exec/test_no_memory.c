/* Every allocation of whole tasks fails in turn: the task says so, and nothing leaks, crashes or stays behind.
 * This program has its own malloc, which sanitizers have too: there the tests are skipped. */
#include "whole_task.h"

#include <sdf/shared.h>

#include "expr/expr.h"

#include "../no_memory.h"

/* ---- functions of a host ---- */

static int fail_on_bang(const sdf_record *in, sdf_out *out, void *state)
{
    int rc = sdf_accumulate(out, "seen", 1);
    for (size_t i = 0; !rc && i < 300; i++) /* more than a batch, so that some of it is held back */
        rc = sdf_emit(out, &in->key, &in->value);
    if (rc)
        return rc;
    return in->value.size && *(const char *)in->value.data == '!' ? sdf_fail(out, "no good") : SDF_OK;
}

static int first_letter(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_slice letter = {in->value.data, in->value.size ? 1 : 0};
    return sdf_emit(out, &letter, NULL);
}

/* One run with that many allocations. */
static int run_with(whole_task *t, long allocations)
{
    output *out;
    sdf_error *err = NULL;
    assert_int_equal(output_begin(t->out, "job1", false, &out, NULL), SDF_OK);
    live = 0;
    countdown = allocations;
    int rc = exec_run(&t->h.env, &t->reply, &t->result, &err);
    countdown = -1;
    assert_int_equal(sdf_error_code(err), rc);
    sdf_error_free(err);
    task_reply_clear(&t->reply);
    exec_result_free(&t->result);
    memset(&t->reply, 0, sizeof t->reply);
    assert_int_equal(live, 0);
    assert_int_equal(t->h.budget.used, 0);
    output_abort(out);
    return rc;
}

static void fail_each(whole_task *t)
{
    assert_int_equal(run_with(t, -1), SDF_OK); /* what is made once in a process is there */
#ifdef COUNTED
    for (long n = 0;; n++) {
        int rc = run_with(t, n);
        if (!rc)
            break;
        if (rc != SDF_E_NO_MEMORY)
            fail_msg("allocation %ld: %d", n, rc);
        assert_true(n < 1000);
    }
#endif
    whole_end(t);
}

static void diverting_tasks(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    t.branches[0].input.errors = PLAN_ERRORS_DIVERT;
    t.branches[0].input.format = (plan_format){
        .kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true, .columns = (char *)"a\nb"};
    whole_op(&t, 0, PLAN_OP_FLAT_MAP, "fail_on_bang", "null", "bytes")->errors = PLAN_ERRORS_DIVERT;
    whole_piece(&t, 0, "a,b\n1,2\n!,3\n\"4,5\n6,7\n");
    fail_each(&t);
}

static void tasks_that_make_tuples(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    whole_op(&t, 0, PLAN_OP_KEY_BY, "first_letter", "bytes", "bytes");
    whole_op(&t, 0, PLAN_OP_KEY_BY, "first_letter", "bytes", "tuple(bytes,bytes)");
    whole_op(&t, 0, PLAN_OP_INDEX, NULL, "tuple(bytes,tuple(bytes,bytes))", "i64");
    plan_op *sample = whole_op(&t, 0, PLAN_OP_SAMPLE, NULL, "tuple(bytes,tuple(bytes,bytes))", "i64");
    buf_text(&sample->call.arg, "1.5 3 1");
    whole_piece(&t, 0, "alpha\nbeta\n");
    whole_piece(&t, 0, "gamma\n");
    t.h.request.limit = 100;
    fail_each(&t);
    buf_free(&sample->call.arg);
}

static void tasks_with_expressions(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    t.branches[0].input.format.kind = PLAN_FORMAT_JSON;
    plan_op *where = whole_op(&t, 0, PLAN_OP_FILTER_EXPR, NULL, "null", "bytes");
    expr *e = expr_parse("i64($a) > 1");
    expr_input in = {"null", "bytes", &t.branches[0].input.format, NULL};
    assert_int_equal(expr_bind(&e, 1, &in, &where->call.arg, NULL), SDF_OK);
    expr_unref(e);
    where->errors = PLAN_ERRORS_SKIP;
    whole_piece(&t, 0, "{\"a\":1}\n{\"a\":2}\n{\"a\":\"x\"}\n");
    fail_each(&t);
    buf_free(&where->call.arg);
}

static void tasks_of_whole_files(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    t.branches[0].input.format.kind = PLAN_FORMAT_WHOLE;
    t.h.stage.output.key_type = (char *)"bytes";
    whole_piece(&t, 0, "all of it");
    fail_each(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diverting_tasks),
        cmocka_unit_test(tasks_that_make_tuples),
        cmocka_unit_test(tasks_with_expressions),
        cmocka_unit_test(tasks_of_whole_files),
    };
    SDF_REGISTER(fail_on_bang, .map = fail_on_bang, .version = 1);
    SDF_REGISTER(first_letter, .map = first_letter, .version = 1);
    return cmocka_run_group_tests_name("exec/no_memory", tests, NULL, NULL);
}
