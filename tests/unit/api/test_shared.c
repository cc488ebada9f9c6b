/* Broadcasts and accumulators: names, lives, what tasks see of them, and that a retried task counts once. */
#include "shown.h"

#define TABLE "one\ttwo\tthree"

typedef struct lent {
    sdf_slice bytes;
} lent;

static int open_lent(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    lent *l = calloc(1, sizeof *l);
    char name[64] = "";
    memcpy(name, arg->data, arg->size);
    int rc = sdf_task_broadcast(task, name, &l->bytes, err);
    if (rc)
        free(l);
    else
        *state = l;
    return rc;
}

/* Value: how many bytes the broadcast has. */
static int fn_size(const sdf_record *in, sdf_out *out, void *state)
{
    const lent *l = state;
    int rc = sdf_accumulate(out, "bytes.seen", (int64_t)l->bytes.size);
    return rc ? rc : sdf_emit_i64(out, NULL, (int64_t)l->bytes.size);
}

static int attempts;
/* Counts, and fails at the first attempts. */
static int fn_flaky(const sdf_record *in, sdf_out *out, void *state)
{
    int rc = sdf_accumulate(out, "flaky", 1);
    if (!rc && sdf_slice_i64(&in->value) == 50 && __atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST) < 3)
        return sdf_fail(out, "not yet");
    return rc ? rc : sdf_emit_view(out, &in->key, &in->value);
}

static int fn_names(const sdf_record *in, sdf_out *out, void *state)
{
    char name[32];
    snprintf(name, sizeof name, "n%d", (int)sdf_slice_i64(&in->value));
    return sdf_accumulate(out, name, 1);
}

static int fn_bad_name(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_accumulate(out, "sdf.mine", 1);
}

static int setup(void **state)
{
    register_functions();
    SDF_REGISTER(fn_size, .map = fn_size, .out_key = "null", .out_value = "i64", .open = open_lent, .close = free);
    SDF_REGISTER(fn_flaky, .map = fn_flaky);
    SDF_REGISTER(fn_names, .map = fn_names);
    SDF_REGISTER(fn_bad_name, .map = fn_bad_name);
    return 0;
}

static void test_broadcasts(void **state)
{
    static const char *const transports[] = {"threads:2", "process:2"};
    char *folder = make_folder(), store[300];
    snprintf(store, sizeof store, "file:%s", folder);
    for (int t = 0; t < 2; t++) {
        sdf_context *c = open_context(transports[t], store, NULL);
        assert_int_equal(sdf_broadcast(c, "table", TABLE, strlen(TABLE), NULL), SDF_OK);
        assert_int_equal(sdf_broadcast(c, "empty", NULL, 0, NULL), SDF_OK);
        sdf_rdd *n = numbers(c, 4, 2);
        expect_rdd(sdf_map(n, "fn_size", "table", 5), ":13 :13 :13 :13");
        expect_rdd(sdf_map(n, "fn_size", "empty", 5), ":0 :0 :0 :0");
        int64_t seen = 0;
        assert_int_equal(sdf_context_accumulator(c, "bytes.seen", &seen), SDF_OK);
        assert_int_equal(seen, 52);
        sdf_context_close(c);
    }
    drop_folder(folder);
}

static void test_names_of_broadcasts(void **state)
{
    static const char *const bad[] = {"", "a b", "a/b", "\xc3\xa4", NULL};
    sdf_context *c = plain_context();
    sdf_error *err = NULL;
    sdf_result *r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(sdf_broadcast(c, bad[i], "x", 1, NULL), SDF_E_INVALID);
    char longest[129] = "";
    memset(longest, 'n', 128);
    assert_int_equal(sdf_broadcast(c, longest, "x", 1, NULL), SDF_E_INVALID);
    longest[127] = 0;
    assert_int_equal(sdf_broadcast(c, longest, "x", 1, NULL), SDF_OK);
    assert_int_equal(sdf_broadcast(c, longest, "y", 1, &err), SDF_E_EXISTS);
    expect_error(err, SDF_E_EXISTS, "already");
    sdf_error_free(err);
    assert_int_equal(sdf_broadcast(NULL, "a", "x", 1, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_broadcast(c, "a", NULL, 1, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_unbroadcast(c, "b", NULL), SDF_E_NOT_FOUND);
    assert_int_equal(sdf_unbroadcast(c, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_unbroadcast(c, longest, NULL), SDF_OK);
    assert_int_equal(sdf_unbroadcast(c, longest, NULL), SDF_E_NOT_FOUND);
    assert_int_equal(sdf_broadcast(c, longest, "again", 5, NULL), SDF_OK);
    err = NULL;
    assert_true(sdf_collect(sdf_map(numbers(c, 1, 1), "fn_size", "lost", 4), &r, &err) < 0);
    if (!strstr(sdf_error_text(err), "lost"))
        fail_msg("%s", sdf_error_text(err));
    sdf_error_free(err);
    sdf_context_close(c);
}

/* A job that runs may read what it knew, though the name is given up meanwhile. */
static void test_unbroadcast_under_a_job(void **state)
{
    sdf_context *c = plain_context();
    assert_int_equal(sdf_broadcast(c, "table", TABLE, strlen(TABLE), NULL), SDF_OK);
    sdf_rdd *slow = sdf_map(numbers(c, 20, 10), "fn_slow", NULL, 0);
    sdf_job *job = sdf_submit_collect(sdf_map(slow, "fn_size", "table", 5), NULL);
    assert_non_null(job);
    assert_int_equal(sdf_unbroadcast(c, "table", NULL), SDF_OK);
    assert_int_equal(sdf_broadcast(c, "table", "new", 3, NULL), SDF_OK);
    sdf_result *r;
    assert_int_equal(sdf_job_wait(job, -1, NULL), SDF_OK);
    assert_int_equal(sdf_job_result(job, &r, NULL), SDF_OK);
    pairs p = read_pairs(r);
    assert_int_equal(p.count, 20);
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.at[i].value, 13);
    free(p.at);
    sdf_job_free(job);
    sdf_context_close(c);
}

static void test_accumulators(void **state)
{
    static const char *const sets[] = {"backoff", "1ms", NULL};
    sdf_context *c = open_context("threads:2", "mem:", sets);
    sdf_rdd *n = numbers(c, 100, 4);
    const char *name;
    int64_t v = 7;
    assert_int_equal(sdf_context_accumulator(c, "flaky", &v), SDF_E_NOT_FOUND);
    assert_int_equal(v, 0);
    assert_int_equal(sdf_context_accumulator_at(c, 0, &name, &v), SDF_END);
    attempts = 0;
    assert_int_equal(count_of(sdf_map(n, "fn_flaky", NULL, 0)), 100);
    assert_int_equal(sdf_context_accumulator(c, "flaky", &v), SDF_OK);
    assert_int_equal(v, 100);
    assert_int_equal(sdf_foreach(sdf_filter(n, "fn_even", NULL, 0), "fn_names", NULL, 0, NULL), SDF_OK);
    int seen = 0;
    char before[64] = "";
    for (size_t i = 0; sdf_context_accumulator_at(c, i, &name, &v) == SDF_OK; i++, seen++) {
        assert_true(strcmp(before, name) < 0);
        snprintf(before, sizeof before, "%s", name);
        assert_int_equal(v, strcmp(name, "flaky") ? 1 : 100);
    }
    assert_int_equal(seen, 51);
    assert_int_equal(sdf_context_accumulator(NULL, "x", &v), SDF_E_INVALID);
    assert_int_equal(sdf_context_accumulator_at(c, 0, NULL, &v), SDF_E_INVALID);
    sdf_error *err = NULL;
    assert_int_equal(sdf_foreach(n, "fn_bad_name", NULL, 0, &err) < 0, 1);
    sdf_error_free(err);
    err = NULL;
    assert_int_equal(sdf_foreach(numbers(c, 500, 1), "fn_names", NULL, 0, &err) < 0, 1);
    sdf_error_free(err);
    sdf_context_close(c);
}

/* Records that are left out are counted, in all ways that say so. */
static void test_record_errors(void **state)
{
    sdf_context *c = plain_context();
    sdf_rdd *n = numbers(c, 10, 2), *m = sdf_rdd_set_name(sdf_map(n, "fn_fail", NULL, 0), "sevens");
    assert_ptr_equal(sdf_rdd_on_error(m, SDF_ERRORS_SKIP), m);
    assert_int_equal(count_of(m), 9);
    uint64_t errors;
    const char *name;
    int64_t v;
    assert_int_equal(sdf_context_metric(c, "record_errors", &errors), SDF_OK);
    assert_int_equal(errors, 1);
    assert_int_equal(sdf_context_accumulator_at(c, 0, &name, &v), SDF_OK);
    assert_true(!strncmp(name, "sdf.errors.", 11) && strstr(name, "sevens"));
    assert_int_equal(v, 1);
    sdf_context_close(c);
}

int main(int argc, char **argv)
{
    setup(NULL);
    if (sdf_worker_requested())
        return sdf_worker_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcasts),
        cmocka_unit_test(test_names_of_broadcasts),
        cmocka_unit_test(test_unbroadcast_under_a_job),
        cmocka_unit_test(test_accumulators),
        cmocka_unit_test(test_record_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
