/* Whole tasks: several pieces and branches in one, legs over them, limits, samples, and operators that count by piece.
 */
#include "whole_task.h"

#include "base/timebase.h"
#include "exec/range.h"

static int opened, closed;

static int open_counting(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    *state = malloc(1);
    opened++;
    return SDF_OK;
}

static void close_counting(void *state)
{
    closed++;
    free(state);
}

static int same(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_view(out, &in->key, &in->value);
}

static int fail_on_x(const sdf_record *in, sdf_out *out, void *state)
{
    if (in->value.size == 1 && *(const char *)in->value.data == 'x')
        return sdf_fail(out, "an x");
    return sdf_emit(out, &in->key, &in->value);
}

static void pieces_of_a_branch_share_its_chain(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    whole_op(&t, 0, PLAN_OP_MAP, "same", "null", "bytes");
    whole_op(&t, 1, PLAN_OP_MAP, "same", "null", "bytes");
    whole_piece(&t, 0, "a\nb\n");
    whole_piece(&t, 0, "c");
    whole_piece(&t, 1, "");
    whole_piece(&t, 1, "d\n");
    whole_piece(&t, 0, "e\n");
    opened = closed = 0;
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "a\nb\nc\nd\ne\n");
    assert_int_equal(opened, 3); /* for a, b, c; for d; for e */
    assert_int_equal(closed, 3);
    assert_int_equal(t.reply.records, 5);
    assert_int_equal(t.h.env.metrics.records_in, 5);
    whole_end(&t);
}

static void pieces_that_can_not_be(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    assert_int_equal(whole_run(&t, NULL), SDF_E_INVALID);
    whole_piece(&t, 0, "a\n");
    t.pieces[0].branch = 1;
    t.h.stage.branch_count = 1;
    assert_int_equal(whole_run(&t, NULL), SDF_E_INVALID);
    t.pieces[0].branch = 0;
    t.branches[0].op_count = 1;
    t.ops[0][0] = (plan_op){.kind = 99, .call.label = (char *)"odd#1"};
    assert_int_equal(whole_run(&t, NULL), SDF_E_UNSUPPORTED);
    t.branches[0].op_count = 0;
    t.branches[0].input.kind = 99;
    assert_int_equal(whole_run(&t, NULL), SDF_E_UNSUPPORTED);
    t.branches[0].input.kind = PLAN_INPUT_FILES;
    t.branches[0].input.format.kind = 99;
    assert_int_equal(whole_run(&t, NULL), SDF_E_UNSUPPORTED);
    whole_end(&t);
}

/* Legs, cut after so many records or by the clock at every border, give what one gives; each can be run again. */
static void legs_go_over_pieces(void **state)
{
    static const char *const texts[] = {"a\nb\nc\n", "", "d\n", "e\nf\n", "", "g\nh\ni\nj\nk\n", ""};
    for (uint64_t every = 1; every < 14; every++) {
        whole_task t, again;
        size_t legs = 0;
        whole_init(&t, 4 << 20);
        whole_init(&again, 4 << 20);
        whole_op(&t, 0, PLAN_OP_MAP, "same", "null", "bytes");
        whole_op(&again, 0, PLAN_OP_MAP, "same", "null", "bytes");
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            whole_piece(&t, 0, texts[i]);
            whole_piece(&again, 0, texts[i]);
        }
        t.h.stage.resumable = again.h.stage.resumable = true;
        t.h.request.cut_records = every;
        again.h.request.cut_records = 1; /* does not count: the end is given */
        do {
            size_t before = t.text.size;
            assert_int_equal(whole_run(&t, NULL), SDF_OK);
            assert_true(t.reply.records <= every);
            again.h.request.cut_start = t.h.request.cut_start;
            again.h.request.cut_end = t.reply.cut;
            if (!t.reply.cut.size)
                again.h.request.cut_records = 0;
            buf_clear(&again.text);
            assert_int_equal(whole_run(&again, NULL), SDF_OK);
            assert_bytes(&again.text, t.text.data + before, t.text.size - before);
            assert_bytes(&again.result.cut, t.reply.cut.data, t.reply.cut.size);
            assert_int_equal(again.reply.fingerprint, t.reply.fingerprint);
            legs++;
        } while (whole_next_leg(&t));
        assert_text(&t.text, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n");
        assert_true(legs >= 11 / every && legs <= 11 / every + 2);
        whole_end(&t);
        whole_end(&again);
    }
}

static int64_t late(void *self)
{
    return 1000;
}

static void the_clock_cuts_between_pieces(void **state)
{
    whole_task t;
    timebase clock = {late, NULL};
    size_t legs = 0;
    whole_init(&t, 4 << 20);
    for (int i = 0; i < 5; i++)
        whole_piece(&t, 0, "a\nb\n");
    t.h.env.clock = &clock;
    t.h.stage.resumable = true;
    t.h.request.cut_ms = 999;
    do {
        assert_int_equal(whole_run(&t, NULL), SDF_OK);
        legs++;
    } while (whole_next_leg(&t));
    assert_int_equal(legs, 5);
    assert_text(&t.text, "a\nb\na\nb\na\nb\na\nb\na\nb\n");
    whole_end(&t);
}

static void a_limit_leaves_pieces_unread(void **state)
{
    for (uint64_t limit = 0; limit < 8; limit++) {
        whole_task t;
        whole_init(&t, 4 << 20);
        whole_op(&t, 0, PLAN_OP_MAP, "same", "null", "bytes");
        whole_piece(&t, 0, "a\nb\nc\n");
        whole_piece(&t, 1, "d\ne\n");
        whole_piece(&t, 0, "f\n");
        free(t.pieces[2].split.path);
        t.pieces[2].split.path = strdup("/nowhere/at/all");
        t.h.request.limit = limit;
        int rc = whole_run(&t, NULL);
        assert_int_equal(rc, limit > 5 ? SDF_E_NOT_FOUND : SDF_OK);
        if (!rc)
            assert_bytes(&t.text, "a\nb\nc\nd\ne\n", 2 * limit);
        whole_end(&t);
    }
}

static void failures_leave_nothing(void **state)
{
    whole_task t;
    sdf_error *err = NULL;
    whole_init(&t, 4 << 20);
    whole_op(&t, 0, PLAN_OP_MAP, "fail_on_x", "null", "bytes");
    whole_piece(&t, 0, "a\nb\n");
    whole_piece(&t, 0, "c\nx\nd\n");
    assert_int_equal(whole_run(&t, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_text(err), "in1\", byte 2: function \"fail_on_x\" failed: an x"));
    assert_string_equal(sdf_error_operator(err), "op#2");
    sdf_error_free(err);
    whole_end(&t);
}

/* ---- operators that count by piece ---- */

static void numbers_begin_where_the_piece_says(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    whole_op(&t, 0, PLAN_OP_INDEX, NULL, "bytes", "i64");
    whole_piece(&t, 0, "a\nb\n")->start = 100;
    whole_piece(&t, 0, "c\n")->start = 7;
    whole_piece(&t, 0, "d\ne\n")->start = 8;
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "a\t100\nb\t101\nc\t7\nd\t8\ne\t9\n");
    whole_end(&t);
}

/* Also behind an operator that holds records back to fill a batch. */
static void numbers_behind_a_map(void **state)
{
    whole_task t;
    whole_init(&t, 4 << 20);
    whole_op(&t, 0, PLAN_OP_MAP, "same", "null", "bytes");
    whole_op(&t, 0, PLAN_OP_INDEX, NULL, "bytes", "i64");
    whole_piece(&t, 0, "a\nb\n")->start = 100;
    whole_piece(&t, 0, "c\n")->start = 7;
    opened = 0;
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_int_equal(opened, 1);
    assert_text(&t.text, "a\t100\nb\t101\nc\t7\n");
    whole_end(&t);
}

static void lines_of_numbers(buf *text, int from, int count)
{
    buf_clear(text);
    for (int i = 0; i < count; i++)
        buf_printf(text, "%d\n", from + i);
}

static void sample_begin(whole_task *t, const char *arg)
{
    whole_init(t, 4 << 20);
    plan_op *o = whole_op(t, 0, PLAN_OP_SAMPLE, NULL, "null", "bytes");
    buf_text(&o->call.arg, arg);
}

static void sample_end(whole_task *t)
{
    buf_free(&t->ops[0][0].call.arg);
    whole_end(t);
}

/* One task with two pieces draws what two tasks draw. */
static void samples_follow_the_partition(void **state)
{
    static const char *const args[] = {"0.3 42 0", "2.5 42 1", "900 1 1", "0 1 0", "1 1 0"};
    buf numbers[2] = {BUF_EMPTY, BUF_EMPTY};
    for (int i = 0; i < 2; i++) {
        lines_of_numbers(&numbers[i], i * 1000, 1000);
        buf_append(&numbers[i], "", 1);
    }
    for (size_t a = 0; a < sizeof args / sizeof args[0]; a++) {
        whole_task both, alone;
        buf parts = BUF_EMPTY;
        sample_begin(&both, args[a]);
        for (int i = 0; i < 2; i++) {
            whole_piece(&both, 0, (const char *)numbers[i].data);
            sample_begin(&alone, args[a]);
            whole_piece(&alone, 0, (const char *)numbers[i].data)->partition = (uint32_t)i;
            assert_int_equal(whole_run(&alone, NULL), SDF_OK);
            buf_append(&parts, alone.text.data, alone.text.size);
            sample_end(&alone);
        }
        assert_int_equal(whole_run(&both, NULL), SDF_OK);
        assert_bytes(&both.text, parts.data, parts.size);
        double expected = atof(args[a]) * 2000, deviation = 5 * (expected > 0 ? expected : 1);
        double off = (double)both.reply.records - expected;
        assert_true(off * off <= deviation * 5 || a > 2);
        if (a == 3)
            assert_int_equal(both.reply.records, 0);
        if (a == 4)
            assert_int_equal(both.reply.records, 2000);
        sample_end(&both);
        buf_free(&parts);
    }
    for (int i = 0; i < 2; i++)
        buf_free(&numbers[i]);
}

/* Poisson: mean and variance are lambda. */
static void replacement_is_poisson(void **state)
{
    static const char *const args[] = {"0.5 9 1", "3 9 1", "40 9 1"};
    buf numbers = BUF_EMPTY;
    lines_of_numbers(&numbers, 10000, 10000);
    buf_append(&numbers, "", 1);
    for (size_t a = 0; a < 3; a++) {
        whole_task t;
        double lambda = atof(args[a]), sum = 0, squares = 0;
        sample_begin(&t, args[a]);
        whole_piece(&t, 0, (const char *)numbers.data);
        assert_int_equal(whole_run(&t, NULL), SDF_OK);
        uint32_t *times = calloc(10000, sizeof *times), last = 0;
        for (size_t i = 0; i < t.text.size; i += 6) {
            uint32_t n = (uint32_t)atoi((const char *)t.text.data + i) - 10000;
            assert_true(n >= last);
            last = n;
            times[n]++;
        }
        for (int i = 0; i < 10000; i++) {
            sum += times[i];
            squares += (double)times[i] * times[i];
        }
        double mean = sum / 10000, variance = squares / 10000 - mean * mean;
        assert_true(mean > lambda * 0.95 && mean < lambda * 1.05);
        assert_true(variance > lambda * 0.9 && variance < lambda * 1.1);
        free(times);
        sample_end(&t);
    }
    buf_free(&numbers);
}

static void bad_samples_are_refused(void **state)
{
    static const char *const args[] = {
        "",        "0.5", "0.5 1", "0.5 1 2", "1.5 1 0", "-1 1 0", "nan 1 0", "0.5 x 0", "0.5 99999999999999999999 0",
        "1001 1 1"};
    for (size_t i = 0; i < sizeof args / sizeof args[0]; i++) {
        whole_task t;
        sample_begin(&t, args[i]);
        whole_piece(&t, 0, "a\n");
        assert_int_equal(whole_run(&t, NULL), SDF_E_INVALID);
        sample_end(&t);
    }
}

/* ---- other inputs ---- */

static void ranges_are_numbers(void **state)
{
    whole_task t;
    whole_init(&t, 1 << 20);
    t.branches[0].input = (plan_input){.kind = PLAN_INPUT_RANGE, .label = (char *)"range#1", .start = 5, .step = -3};
    t.h.stage.output.value_type = (char *)"i64";
    t.h.request.piece_count = 2;
    t.pieces[0] = (task_piece){.split = {.offset = 0, .length = 3}};
    t.pieces[1] = (task_piece){.split = {.offset = 3, .length = 2}};
    t.h.stage.resumable = true;
    t.h.request.cut_records = 2;
    do
        assert_int_equal(whole_run(&t, NULL), SDF_OK);
    while (whole_next_leg(&t));
    assert_text(&t.text, "5\n2\n-1\n-4\n-7\n");
    whole_end(&t);
}

static void whole_files_and_json(void **state)
{
    whole_task t;
    buf expected = BUF_EMPTY;
    whole_init(&t, 1 << 20);
    t.branches[0].input.format.kind = PLAN_FORMAT_WHOLE;
    t.h.stage.output.key_type = (char *)"bytes";
    whole_piece(&t, 0, "one\ntwo");
    whole_piece(&t, 0, "");
    for (int i = 0; i < 2; i++)
        buf_printf(&expected, "%s\t%s\n", t.pieces[i].split.path, i ? "" : "one\ntwo");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_bytes(&t.text, expected.data, expected.size);
    t.branches[0].input.format.max_record = 6;
    assert_int_equal(whole_run(&t, NULL), SDF_E_LIMIT);
    whole_end(&t);
    buf_free(&expected);
    whole_init(&t, 1 << 20);
    t.branches[0].input.format.kind = PLAN_FORMAT_JSON;
    whole_piece(&t, 0, "\xef\xbb\xbf{\"a\":1}\n\n \t\r\n[]\r\n3");
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_text(&t.text, "{\"a\":1}\n[]\n3\n");
    whole_end(&t);
}

/* A task that only samples keys reads a part of one large file, and few of many small ones. */
static void sampling_tasks_read_a_share(void **state)
{
    enum { PIECES = 40 };
    buf text = BUF_EMPTY;
    for (int i = 0; i < 1 << 14; i++)
        buf_printf(&text, "%07d\n", i);
    buf_append(&text, "", 1);
    whole_task t;
    whole_init(&t, 4 << 20);
    t.h.stage.output = (plan_output){
        .kind = PLAN_OUTPUT_SAMPLE, .label = (char *)"sample#1", .key_type = (char *)"bytes", .sample = 100};
    for (int i = 0; i < PIECES; i++)
        whole_piece(&t, 0, (const char *)text.data);
    assert_int_equal(whole_run(&t, NULL), SDF_OK);
    assert_true(t.h.env.metrics.bytes_read >= 1 << 20);
    assert_true(t.h.env.metrics.bytes_read < 3 << 20); /* of 5 MB */
    assert_int_equal(t.reply.counter_count, 0);
    whole_end(&t);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_a_branch_share_its_chain),
        cmocka_unit_test(pieces_that_can_not_be),
        cmocka_unit_test(legs_go_over_pieces),
        cmocka_unit_test(the_clock_cuts_between_pieces),
        cmocka_unit_test(a_limit_leaves_pieces_unread),
        cmocka_unit_test(failures_leave_nothing),
        cmocka_unit_test(numbers_begin_where_the_piece_says),
        cmocka_unit_test(numbers_behind_a_map),
        cmocka_unit_test(samples_follow_the_partition),
        cmocka_unit_test(replacement_is_poisson),
        cmocka_unit_test(bad_samples_are_refused),
        cmocka_unit_test(ranges_are_numbers),
        cmocka_unit_test(whole_files_and_json),
        cmocka_unit_test(sampling_tasks_read_a_share),
    };
    SDF_REGISTER(same, .map = same, .open = open_counting, .close = close_counting, .version = 1);
    SDF_REGISTER(fail_on_x, .map = fail_on_x, .version = 1);
    return cmocka_run_group_tests_name("exec/tasks", tests, NULL, NULL);
}
