/* The worker as a function: what it answers to good, failing and hostile requests, and what it keeps. */
#include "fixture.h"

#include "worker/internal.h"

#include <malloc.h>
#include <sys/stat.h>

/* ---- functions of a host ---- */

static int keep_all(const sdf_record *in, sdf_out *out, void *state)
{
    return 1;
}

static int complain(const sdf_record *in, sdf_out *out, void *state)
{
    return in->value.size == 5 ? sdf_fail(out, "line 2 is bad") : 1;
}

static int returns_limit(const sdf_record *in, sdf_out *out, void *state)
{
    return SDF_E_LIMIT;
}

static int mistyped(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit(out, NULL, &in->value);
}

/* Counts lines through a filter. */
static void count_plan(fixture *f, const char *filter)
{
    plan_stage *s = fixture_text_stage(f, 1);
    fixture_op(s, PLAN_OP_FILTER, filter, "null", "bytes");
    fixture_output(s, PLAN_OUTPUT_COUNT, "null", "bytes");
    fixture_plan(f);
}

static void counting_lines(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    fixture_file(&f, "one\nline2\nthree\n", 16);
    count_plan(&f, "keep_all");
    fixture_run_ok(&f);
    assert_int_equal(f.reply.records, 3);
    assert_int_equal(f.reply.metrics.records_in, 3);
    assert_int_equal(f.reply.metrics.bytes_read, 16);
    assert_true(f.reply.metrics.peak_memory > 0);
    assert_true(f.reply.metrics.peak_rss > 1 << 20);
    f.request.limit = 2;
    fixture_run_ok(&f);
    assert_int_equal(f.reply.records, 2);
    fixture_close(&f);
}

static void failures_carry_their_place(void **state)
{
    static const struct {
        const char *filter;
        failure_class failure;
        int code;
        const char *says;
    } cases[] = {
        {"complain", FAILURE_USER, SDF_E_USER, "line 2 is bad"},
        {"returns_limit", FAILURE_USER, SDF_E_LIMIT, "SDF_E_LIMIT"},
        {"no_such", FAILURE_FATAL, SDF_E_NOT_FOUND, "no_such"},
        {"mistyped", FAILURE_FATAL, SDF_E_INVALID, "can't be used"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        fixture_open(&f, 0);
        fixture_file(&f, "one\nline2\nthree\n", 16);
        count_plan(&f, cases[i].filter);
        f.request.attempt = 31 + i;
        fixture_run_fails(&f, cases[i].failure, cases[i].code, cases[i].says);
        assert_string_equal(sdf_error_function(f.reply.error), cases[i].filter);
        assert_non_null(strstr(sdf_error_operator(f.reply.error), "op#2"));
        assert_int_equal(sdf_error_partition(f.reply.error), 0);
        fixture_close(&f);
    }
    fixture f;
    fixture_open(&f, 0);
    fixture_file(&f, "one\n", 4);
    plan_stage *s = fixture_text_stage(&f, 1);
    fixture_op(s, PLAN_OP_MAP, "mistyped", "null", "i64");
    fixture_output(s, PLAN_OUTPUT_RESULT, "null", "i64");
    fixture_plan(&f);
    fixture_run_fails(&f, FAILURE_FATAL, SDF_E_TYPE, "value of 3 bytes");
    assert_int_equal(fixture_objects(&f), 0);
    fixture_close(&f);
}

static void inputs_that_fail(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    fixture_file(&f, "one\n", 4);
    count_plan(&f, "keep_all");
    f.piece.split.file_size = f.piece.split.length = 5;
    fixture_run_fails(&f, FAILURE_FATAL, SDF_E_CORRUPT, f.path);
    assert_string_equal(sdf_error_operator(f.reply.error), "text#1");
    f.piece.split.path = (char *)"/no/such/file";
    fixture_run_fails(&f, FAILURE_FATAL, SDF_E_NOT_FOUND, "/no/such/file");
    fixture_close(&f);
}

static void a_line_beyond_the_memory(void **state)
{
    fixture f;
    size_t size = 3 << 20;
    char *line = malloc(size);
    memset(line, 'x', size);
    fixture_open(&f, 0);
    fixture_file(&f, line, size);
    count_plan(&f, "keep_all");
    f.request.memory = 1 << 20;
    fixture_run_fails(&f, FAILURE_MEMORY, SDF_E_NO_MEMORY, "--memory");
    assert_true(f.reply.metrics.peak_memory <= 1 << 20);
    f.request.memory = 16 << 20;
    fixture_run_ok(&f);
    assert_int_equal(f.reply.records, 1);
    free(line);
    fixture_close(&f);
}

static void requests_that_do_not_fit(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    fixture_file(&f, "one\n", 4);
    count_plan(&f, "keep_all");
    f.request.program_id = (char *)"0123456789abcdef0123456789abcdef";
    fixture_run_fails(&f, FAILURE_FATAL, SDF_E_PROGRAM, "0123456789abcdef");
    f.request.program_id = (char *)sdf_program_id();
    f.request.stage = 9;
    fixture_run_fails(&f, FAILURE_FATAL, SDF_E_INVALID, "no stage 9");
    f.request.stage = 1;
    f.request.task = 1;
    fixture_run_fails(&f, FAILURE_FATAL, SDF_E_INVALID, "not 1");
    f.request.task = 0;
    f.cancelled = 1;
    fixture_run_fails(&f, FAILURE_LOST, SDF_E_CANCELLED, "stop");
    f.cancelled = 0;
    f.request.lease_ms = 1000;
    fixture_run_fails(&f, FAILURE_TIMEOUT, SDF_E_TIMEOUT, "lease");
    f.request.lease_ms = 1001;
    fixture_run_ok(&f);
    fixture_close(&f);
}

static void plans_come_inline_from_the_store_or_are_known(void **state)
{
    fixture f;
    char name[TASK_NAME_MAX];
    fixture_open(&f, 0);
    fixture_file(&f, "one\n", 4);
    count_plan(&f, "keep_all");
    f.request.plan_inline.size = 0;
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_NOT_FOUND, f.request.plan_hash);
    task_name_plan(name, f.request.context, f.request.plan_hash);
    assert_int_equal(store_put(f.store, name, f.json.data, f.json.size, NULL), SDF_OK);
    fixture_run_ok(&f);
    assert_int_equal(f.store->ops->remove(f.store->self, (const char *const[]){name}, 1, NULL), SDF_OK);
    fixture_run_ok(&f); /* known by now */

    /* Others push it out, oldest first. */
    char hash[33];
    memcpy(hash, f.request.plan_hash, sizeof hash);
    for (int i = 0; i < 9; i++) {
        char label[32];
        snprintf(label, sizeof label, "another %d", i);
        free(f.plan->stages[0].label);
        f.plan->stages[0].label = own(label);
        fixture_plan(&f);
        fixture_run_ok(&f);
    }
    memcpy(f.request.plan_hash, hash, sizeof hash);
    f.request.plan_inline.size = 0;
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_NOT_FOUND, "plan");

    /* Bytes that are not what the hash says. */
    f.request.plan_inline = buf_slice(&f.json);
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_CORRUPT, "digest");
    fixture_close(&f);
}

static void probes(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    f.request.kind = TASK_PROBE;
    f.request.program_id = (char *)"";
    f.request.probe_bytes = 100000;
    f.request.probe_echo = (sdf_slice){"hello", 5};
    fixture_run_ok(&f);
    assert_int_equal(f.reply.kind, TASK_PROBE);
    assert_int_equal(f.reply.probe.size, 100005);
    assert_memory_equal(f.reply.probe.data, "hello\0\0", 7);
    f.request.probe_bytes = UINT64_MAX / 2;
    fixture_run(&f);
    assert_int_equal(sdf_error_code(f.reply.error), SDF_E_LIMIT);
    f.request.probe_bytes = 0;
    f.request.probe_sleep_ms = 100000;
    f.cancelled = 1;
    fixture_run(&f);
    assert_int_equal(sdf_error_code(f.reply.error), SDF_E_CANCELLED);
    fixture_close(&f);
}

/* ---- bytes from anywhere ---- */

static void cut_short_or_flipped(void **state)
{
    fixture f;
    buf bytes = BUF_EMPTY;
    fixture_open(&f, 1 << 20);
    fixture_file(&f, "one\nline2\nthree\n", 16);
    count_plan(&f, "keep_all");
    assert_int_equal(task_request_encode(&f.request, &bytes), SDF_OK);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *copy = malloc(size ? size : 1); /* its end is the end of the memory */
        memcpy(copy, bytes.data, size);
        fixture_send(&f, copy, size);
        assert_int_equal(f.reply.failure, FAILURE_TRANSIENT);
        assert_int_equal(f.reply.attempt, 0);
        free(copy);
    }
    for (size_t i = 0; i < bytes.size; i++)
        for (int bit = 0; bit < 8; bit += 1 + (i > 300)) {
            bytes.data[i] ^= (uint8_t)(1 << bit);
            fixture_send(&f, bytes.data, bytes.size);
            bytes.data[i] ^= (uint8_t)(1 << bit);
        }
    fixture_send(&f, bytes.data, bytes.size);
    assert_int_equal(f.reply.failure, FAILURE_NONE);
    buf_free(&bytes);
    fixture_close(&f);
}

/* ---- legs ---- */

static void legs_give_the_same_records(void **state)
{
    fixture f;
    buf data = BUF_EMPTY;
    for (int i = 0; i < 1000; i++)
        buf_printf(&data, "line %d\n", i);
    fixture_open(&f, 0);
    fixture_file(&f, data.data, data.size);
    plan_stage *s = fixture_text_stage(&f, 1);
    s->resumable = true;
    fixture_op(s, PLAN_OP_FILTER, "keep_all", "null", "bytes");
    fixture_output(s, PLAN_OUTPUT_RESULT, "null", "bytes");
    fixture_plan(&f);
    buf start = BUF_EMPTY;
    int seen = 0;
    f.request.cut_records = 170;
    for (f.request.leg = 0; !f.request.leg || start.size; f.request.leg++) {
        f.request.cut_start = buf_slice(&start);
        f.request.attempt++;
        fixture_run_ok(&f);
        assert_int_equal(f.reply.leg, f.request.leg);
        task_env env = {.request = &f.request, .store = f.store};
        budget memory;
        budget_init(&memory, 8 << 20);
        env.budget = &memory;
        object_ids ids = {77, 1, 0, f.request.leg, f.request.attempt};
        run *r = NULL;
        sdf_batch batch;
        assert_int_equal(
            run_open_bytes(&r, &env, f.reply.result.data, f.reply.result.size, &ids, 0, TYPE_NULL, TYPE_BYTES, NULL),
            SDF_OK);
        while (run_next(r, &batch, NULL) == SDF_OK)
            for (size_t i = 0; i < batch.count; i++, seen++) {
                char line[32];
                sdf_slice v = column_get(&batch.value, i);
                snprintf(line, sizeof line, "line %d", seen);
                assert_int_equal(v.size, strlen(line));
                assert_memory_equal(v.data, line, v.size);
            }
        run_close(r);
        buf_clear(&start);
        buf_append(&start, f.reply.cut.data, f.reply.cut.size);
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(f.request.leg, 6);
    buf_free(&start);
    buf_free(&data);
    fixture_close(&f);
}

/* ---- warm workers ---- */

static void thousands_of_tasks_without_growth(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    fixture_file(&f, "one\nline2\nthree\n", 16);
    count_plan(&f, "keep_all");
    for (int i = 0; i < 200; i++)
        fixture_run_ok(&f);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 3000; i++)
        fixture_run_ok(&f);
    f.request.plan_hash[0] ^= 1; /* of a plan that isn't known */
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_CORRUPT, "digest");
    size_t after = mallinfo2().uordblks;
    assert_true(after < before + 65536);
    fixture_close(&f);
}

/* A function that this program has not stays away however often the task is tried; an object may come. */
static void what_is_worth_another_try(void **state)
{
    task_piece piece = {.leaf_count = 1};
    task_run t = {.env.piece = &piece};
    sdf_error *err = NULL;
    error_set(&err, SDF_E_NOT_FOUND, "not there");
    assert_int_equal(failure_of(&t, SDF_E_NOT_FOUND, err), FAILURE_TRANSIENT);
    error_at(&err, "unheard_of", "map#1");
    assert_int_equal(failure_of(&t, SDF_E_NOT_FOUND, err), FAILURE_FATAL);
    piece.leaf_count = 0;
    t.own_objects = true;
    assert_int_equal(failure_of(&t, SDF_E_NOT_FOUND, err), FAILURE_TRANSIENT);
    t.env.upstream_failed = true;
    assert_int_equal(failure_of(&t, SDF_E_NOT_FOUND, err), FAILURE_UPSTREAM);
    sdf_error_free(err);
}

static void the_public_face(void **state)
{
    sdf_worker *w = NULL;
    sdf_error *err = NULL;
    sdf_slice nothing = {NULL, 0}, response;
    assert_int_equal(sdf_worker_open("nonsense:", 0, NULL, &w, &err), SDF_E_INVALID);
    sdf_error_free(err);
    err = NULL;
    assert_int_equal(sdf_worker_open(NULL, 0, NULL, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_worker_open("mem:", 1 << 20, NULL, &w, &err), SDF_OK);
    assert_int_equal(sdf_worker_invoke(w, NULL, 0, &response, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_worker_invoke(w, &nothing, 0, &response, &err), SDF_OK);
    assert_true(response.size > 0);
    sdf_worker_close(w);
    sdf_worker_close(NULL);
}

static void the_platforms_deadline_is_a_lease(void **state)
{
    fixture f;
    buf bytes = BUF_EMPTY;
    sdf_slice response;
    fixture_open(&f, 0);
    fixture_file(&f, "one\n", 4);
    count_plan(&f, "keep_all");
    assert_int_equal(task_request_encode(&f.request, &bytes), SDF_OK);
    sdf_slice request = buf_slice(&bytes);
    assert_int_equal(sdf_worker_invoke(f.worker, &request, 900, &response, NULL), SDF_OK);
    assert_int_equal(task_reply_decode(response.data, response.size, &f.reply, NULL), SDF_OK);
    assert_int_equal(f.reply.failure, FAILURE_TIMEOUT);
    buf_free(&bytes);
    fixture_close(&f);
}

static void scratch_is_made_or_its_lack_is_told(void **state)
{
    fixture f;
    char inside[128];
    struct stat st;
    fixture_open(&f, 0);
    sdf_worker_close(f.worker);
    worker_config config = {.store = f.store};
    assert_int_equal(worker_new(&config, &f.worker, NULL), SDF_OK);
    fixture_file(&f, "one\n", 4);
    count_plan(&f, "keep_all");
    snprintf(inside, sizeof inside, "%s/a/b", f.scratch);
    f.request.scratch_dir = inside;
    fixture_run_ok(&f);
    assert_int_equal(stat(inside, &st), 0);
    rmdir(inside);
    *strrchr(inside, '/') = 0;
    rmdir(inside);
    snprintf(inside, sizeof inside, "%s/x", f.path); /* below a file */
    fixture_run(&f);
    assert_true(f.reply.failure != FAILURE_NONE);
    assert_non_null(strstr(sdf_error_text(f.reply.error), "scratch"));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_lines),
        cmocka_unit_test(failures_carry_their_place),
        cmocka_unit_test(inputs_that_fail),
        cmocka_unit_test(a_line_beyond_the_memory),
        cmocka_unit_test(requests_that_do_not_fit),
        cmocka_unit_test(plans_come_inline_from_the_store_or_are_known),
        cmocka_unit_test(probes),
        cmocka_unit_test(cut_short_or_flipped),
        cmocka_unit_test(legs_give_the_same_records),
        cmocka_unit_test(thousands_of_tasks_without_growth),
        cmocka_unit_test(what_is_worth_another_try),
        cmocka_unit_test(the_public_face),
        cmocka_unit_test(the_platforms_deadline_is_a_lease),
        cmocka_unit_test(scratch_is_made_or_its_lack_is_told),
    };
    SDF_REGISTER(keep_all, .filter = keep_all, .version = 1);
    SDF_REGISTER(complain, .filter = complain, .version = 1);
    SDF_REGISTER(returns_limit, .filter = returns_limit, .version = 1);
    SDF_REGISTER(mistyped, .map = mistyped, .version = 1);
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
