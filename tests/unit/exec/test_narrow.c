/* map, flat_map, filter, map_batches, limit and the built-in word splitters. */
#include "harness.h"

#include "base/timebase.h"
#include "exec/chain.h"

/* ---- functions of a host ---- */

static int swap(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_view(out, &in->value, &in->key);
}

static int twice(const sdf_record *in, sdf_out *out, void *state)
{
    int rc = sdf_emit(out, &in->key, &in->value);
    return rc ? rc : sdf_emit(out, &in->key, &in->value);
}

static int complain(const sdf_record *in, sdf_out *out, void *state)
{
    return in->value.size == 3 ? sdf_fail(out, "three bytes are too many") : sdf_emit_view(out, &in->key, &in->value);
}

static int keep_odd(const sdf_record *in, sdf_out *out, void *state)
{
    return in->value.size ? ((const char *)in->value.data)[in->value.size - 1] & 1 : 0;
}

static int answer_seven(const sdf_record *in, sdf_out *out, void *state)
{
    return 7;
}

static int filter_emits(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_emit(out, &in->key, &in->value);
    return 1;
}

static int whole_batch(const sdf_batch *in, sdf_out *out, void *state)
{
    return sdf_emit_columns(out, sdf_batch_count(in), sdf_batch_column(in, SDF_KEY), sdf_batch_column(in, SDF_VALUE));
}

static int opened, closed;

static int open_counting(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    if (arg->size == 4 && memcmp(arg->data, "fail", 4) == 0) {
        *err = sdf_error_new(SDF_E_NOT_FOUND, "no such table", "bring one");
        return SDF_E_NOT_FOUND;
    }
    opened++;
    char text[64];
    snprintf(text, sizeof text, "%u/%u/%llu/%.*s", sdf_task_stage(task), sdf_task_partition(task),
             (unsigned long long)sdf_task_attempt(task), (int)arg->size, (const char *)arg->data);
    *state = strdup(text);
    return SDF_OK;
}

static void close_counting(void *state)
{
    closed++;
    free(state);
}

static int emit_state(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_slice v = text_slice(state);
    return sdf_emit(out, &in->key, &v);
}

static int endless(const sdf_record *in, sdf_out *out, void *state)
{
    for (;;) {
        int rc = sdf_emit(out, &in->key, &in->value);
        if (rc)
            return rc;
    }
}

/* ---- one operator over a collector ---- */

typedef struct narrow_test {
    harness h;
    collector c;
    plan_op spec;
    op *o;
} narrow_test;

static int narrow_begin(narrow_test *t, plan_op_kind kind, const char *name, const char *arg, sdf_error **err)
{
    harness_init(&t->h, 1 << 20);
    collector_init(&t->c, &t->h);
    t->h.request.stage = 3;
    t->h.request.task = 5;
    t->h.request.attempt = 99;
    t->o = NULL;
    t->spec = (plan_op){.kind = kind, .key_type = (char *)"bytes", .value_type = (char *)"bytes"};
    t->spec.call = (plan_call){.function = (char *)name, .version = 1, .label = (char *)"op#1"};
    buf_text(&t->spec.call.arg, arg);
    return narrow_new(&t->h.env, &t->spec, (op_types){"bytes", "bytes"}, &t->c.base, &t->o, err);
}

static void narrow_end(narrow_test *t)
{
    if (t->o)
        t->o->close(t->o);
    assert_int_equal(t->h.budget.used, 0);
    buf_free(&t->c.text);
    buf_free(&t->spec.call.arg);
}

/* Values from text, keys "k", in memory that is gone after the push. */
static int push_values(narrow_test *t, const char *const *values, size_t count, sdf_error **err)
{
    sdf_batch batch = {.count = count};
    sdf_slice *slices = calloc(count, sizeof *slices);
    for (size_t i = 0; i < count; i++)
        slices[i] = (sdf_slice){strdup(values[i]), strlen(values[i])};
    column_set_const(&batch.key, "k", 1);
    column_set_slices(&batch.value, slices);
    int rc = op_push(t->o, &batch, err);
    for (size_t i = 0; i < count; i++) {
        memset((char *)slices[i].data, '!', slices[i].size);
        free((char *)slices[i].data);
    }
    free(slices);
    return rc;
}

static const char *const three[] = {"a1", "b2", "c3"};

static void map_and_flat_map(void **state)
{
    narrow_test t;
    assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "swap", "", NULL), SDF_OK);
    assert_int_equal(push_values(&t, three, 3, NULL), SDF_OK);
    assert_int_equal(t.c.records, 0); /* too few to push: they wait as copies */
    assert_int_equal(push_values(&t, three, 1, NULL), SDF_OK);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_int_equal(t.c.finished, 1);
    assert_int_equal(t.c.batches, 1);
    assert_collected(&t.c, "a1\x1fk\x1e"
                           "b2\x1fk\x1e"
                           "c3\x1fk\x1e"
                           "a1\x1fk\x1e");
    narrow_end(&t);

    assert_int_equal(narrow_begin(&t, PLAN_OP_FLAT_MAP, "twice", "", NULL), SDF_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(push_values(&t, three, 3, NULL), SDF_OK);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_int_equal(t.c.records, 600);
    assert_int_equal(t.c.largest, SDF_BATCH_MAX);
    assert_int_equal(t.c.batches, 5);
    narrow_end(&t);
}

static void assert_push_fails(narrow_test *t, const char *const *values, size_t count, int code, const char *part)
{
    sdf_error *err = NULL;
    assert_int_equal(push_values(t, values, count, &err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    assert_string_equal(sdf_error_function(err), t->spec.call.function);
    assert_string_equal(sdf_error_operator(err), "op#1");
    sdf_error_free(err);
}

static void a_map_emits_once(void **state)
{
    narrow_test t;
    assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "twice", "", NULL), SDF_OK);
    assert_push_fails(&t, three, 3, SDF_E_USER, "emitted 2");
    narrow_end(&t);
}

static void failures_name_the_function(void **state)
{
    static const char *const mixed[] = {"ok", "no!", "ok"};
    narrow_test t;
    for (plan_op_kind kind = PLAN_OP_MAP; kind <= PLAN_OP_FLAT_MAP; kind++) {
        assert_int_equal(narrow_begin(&t, kind, "complain", "", NULL), SDF_OK);
        assert_push_fails(&t, mixed, 3, SDF_E_USER, "three bytes are too many");
        narrow_end(&t);
    }
    assert_int_equal(narrow_begin(&t, PLAN_OP_FILTER, "answer_seven", "", NULL), SDF_OK);
    assert_push_fails(&t, mixed, 3, SDF_E_USER, "it returned 7");
    narrow_end(&t);
    assert_int_equal(narrow_begin(&t, PLAN_OP_FILTER, "filter_emits", "", NULL), SDF_OK);
    assert_push_fails(&t, mixed, 3, SDF_E_INVALID, "filter emitted");
    narrow_end(&t);
}

static void filters_keep_what_they_should(void **state)
{
    narrow_test t;
    rng r = {5};
    buf expected = BUF_EMPTY;
    assert_int_equal(narrow_begin(&t, PLAN_OP_FILTER, "keep_odd", "", NULL), SDF_OK);
    for (int round = 0; round < 300; round++) {
        char text[SDF_BATCH_MAX][24];
        const char *values[SDF_BATCH_MAX];
        size_t count = 1 + rng_below(&r, SDF_BATCH_MAX), share = rng_below(&r, 4);
        for (size_t i = 0; i < count; i++) {
            uint64_t n = rng_below(&r, 1000);
            n = share == 0 ? n | 1 : share == 1 ? n & ~1ull : n;
            snprintf(text[i], sizeof text[i], "%llu", (unsigned long long)n);
            values[i] = text[i];
            if (n & 1)
                buf_printf(&expected, "k\x1f%s\x1e", text[i]);
        }
        assert_int_equal(push_values(&t, values, count, NULL), SDF_OK);
    }
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_bytes(&t.c.text, expected.data, expected.size);
    buf_free(&expected);
    narrow_end(&t);
}

static void batches(void **state)
{
    narrow_test t;
    for (plan_op_kind kind = PLAN_OP_FLAT_MAP; kind <= PLAN_OP_BATCH; kind += 2) {
        assert_int_equal(narrow_begin(&t, kind, "whole_batch", "", NULL), SDF_OK);
        assert_int_equal(push_values(&t, three, 3, NULL), SDF_OK);
        assert_int_equal(push_values(&t, three, 1, NULL), SDF_OK);
        assert_int_equal(op_finish(t.o, NULL), SDF_OK);
        assert_collected(&t.c, "k\x1f"
                               "a1\x1ek\x1f"
                               "b2\x1ek\x1f"
                               "c3\x1ek\x1f"
                               "a1\x1e");
        narrow_end(&t);
    }
}

static void states_open_and_close(void **state)
{
    narrow_test t;
    sdf_error *err = NULL;
    opened = closed = 0;
    assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "emit_state", "xyz", NULL), SDF_OK);
    assert_int_equal(push_values(&t, three, 1, NULL), SDF_OK);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_collected(&t.c, "k\x1f"
                           "3/5/99/xyz\x1e");
    narrow_end(&t);
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 1);
    assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "emit_state", "fail", &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_text(err), "no such table"));
    assert_non_null(strstr(sdf_error_text(err), "bring one"));
    assert_string_equal(sdf_error_operator(err), "op#1");
    sdf_error_free(err);
    narrow_end(&t);
    assert_int_equal(closed, 1);
}

static void functions_that_do_not_fit(void **state)
{
    narrow_test t;
    sdf_error *err = NULL;
    assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "keep_odd", "", &err), SDF_E_INVALID);
    assert_string_equal(sdf_error_operator(err), "op#1");
    sdf_error_free(err);
    err = NULL;
    narrow_end(&t);
    assert_int_equal(narrow_begin(&t, PLAN_OP_FILTER, "swap", "", NULL), SDF_E_INVALID);
    narrow_end(&t);
    assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "swop", "", &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_text(err), "swap"));
    sdf_error_free(err);
    err = NULL;
    narrow_end(&t);
    t.spec.call.version = 2;
    harness_init(&t.h, 1 << 20);
    plan_op newer = {.kind = PLAN_OP_MAP, .call = {.function = (char *)"swap", .version = 9, .label = (char *)"op#1"}};
    assert_int_equal(narrow_new(&t.h.env, &newer, (op_types){"bytes", "bytes"}, &t.c.base, &t.o, &err), SDF_E_PROGRAM);
    assert_non_null(strstr(sdf_error_message(err), "version 1"));
    assert_non_null(strstr(sdf_error_message(err), "version 9"));
    sdf_error_free(err);
}

static void limits_stop_and_cut(void **state)
{
    for (uint64_t most = 0; most < 9; most++) {
        narrow_test t;
        assert_int_equal(narrow_begin(&t, PLAN_OP_MAP, "swap", "", NULL), SDF_OK);
        t.o->close(t.o);
        assert_int_equal(limit_new(&t.h.env, most, &t.c.base, &t.o, NULL), SDF_OK);
        int rc = SDF_OK;
        size_t pushes = 0;
        for (; !rc && pushes < 10; pushes++)
            rc = push_values(&t, three, 3, NULL);
        assert_int_equal(rc, OP_STOP);
        assert_int_equal(pushes, most ? (most + 2) / 3 : 1);
        assert_int_equal(t.c.records, most);
        assert_int_equal(op_finish(t.o, NULL), SDF_OK);
        assert_int_equal(t.c.finished, 1);
        narrow_end(&t);
    }
}

static void an_endless_function_is_stopped(void **state)
{
    narrow_test t;
    assert_int_equal(narrow_begin(&t, PLAN_OP_FLAT_MAP, "endless", "", NULL), SDF_OK);
    t.c.stop_after = 1000;
    assert_int_equal(push_values(&t, three, 3, NULL), OP_STOP);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_int_equal(t.c.finished, 1);
    narrow_end(&t);
}

/* ---- words ---- */

static void naive_split(const char *text, bool counted, buf *out)
{
    while (*text) {
        size_t size = strcspn(text, " \t\n\v\f\r");
        if (size) {
            if (counted)
                buf_append(out, text, size);
            buf_append(out, "\x1f", 1);
            buf_append(out, counted ? "\1\0\0\0\0\0\0\0" : text, counted ? 8 : size);
            buf_append(out, "\x1e", 1);
        }
        text += size + (text[size] != 0);
    }
}

static void check_words(narrow_test *t, bool counted, rng *r)
{
    buf expected = BUF_EMPTY;
    for (int round = 0; round < 60; round++) {
        /* Lines one after another in one buffer, as a text source pushes them; or with gaps that are no blanks. */
        char *text = malloc(20000), *at = text;
        sdf_slice lines[SDF_BATCH_MAX];
        size_t count = 1 + rng_below(r, SDF_BATCH_MAX), gap = rng_below(r, 4);
        for (size_t i = 0; i < count; i++) {
            size_t length = rng_below(r, 150);
            for (size_t k = 0; k < length; k++)
                at[k] = rng_below(r, 5) ? (char)('a' + rng_below(r, 26)) : " \t\v\f"[rng_below(r, 4)];
            lines[i] = (sdf_slice){at, length};
            at[length] = 0;
            naive_split(at, counted, &expected);
            at += length;
            memcpy(at, gap == 3 ? ",," : gap == 2 ? "\r\n" : "\n\n", 2);
            at += gap == 3 ? 1 + rng_below(r, 2) : gap;
        }
        sdf_batch batch = {.count = count};
        column_set_null(&batch.key);
        column_set_slices(&batch.value, lines);
        /* Without a gap two lines touch, so their words are told apart by the slices alone. */
        assert_int_equal(op_push(t->o, &batch, NULL), SDF_OK);
        memset(text, '!', 20000);
        free(text);
    }
    assert_int_equal(op_finish(t->o, NULL), SDF_OK);
    assert_bytes(&t->c.text, expected.data, expected.size);
    buf_free(&expected);
}

static int words_begin(narrow_test *t, bool counted)
{
    int rc = narrow_begin(t, PLAN_OP_FLAT_MAP, counted ? "sdf.words" : "sdf.split_words", "", NULL);
    t->o->close(t->o);
    t->spec.key_type = (char *)(counted ? "bytes" : "null");
    t->spec.value_type = (char *)(counted ? "i64" : "bytes");
    return rc ? rc : narrow_new(&t->h.env, &t->spec, (op_types){"bytes", "bytes"}, &t->c.base, &t->o, NULL);
}

static void words_are_split(void **state)
{
    narrow_test t;
    rng r = {11};
    for (int counted = 0; counted < 2; counted++) {
        assert_int_equal(words_begin(&t, counted), SDF_OK);
        check_words(&t, counted, &r);
        narrow_end(&t);
    }
}

static void sparse_words_travel_together(void **state)
{
    static const char *const sparse[] = {"", " ", "w", ""};
    narrow_test t;
    assert_int_equal(words_begin(&t, true), SDF_OK);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(push_values(&t, sparse, 4, NULL), SDF_OK);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_int_equal(t.c.records, 1000);
    assert_true(t.c.batches < 50);
    narrow_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_and_flat_map),
        cmocka_unit_test(a_map_emits_once),
        cmocka_unit_test(failures_name_the_function),
        cmocka_unit_test(filters_keep_what_they_should),
        cmocka_unit_test(batches),
        cmocka_unit_test(states_open_and_close),
        cmocka_unit_test(functions_that_do_not_fit),
        cmocka_unit_test(limits_stop_and_cut),
        cmocka_unit_test(an_endless_function_is_stopped),
        cmocka_unit_test(words_are_split),
        cmocka_unit_test(sparse_words_travel_together),
    };
    SDF_REGISTER(swap, .map = swap, .version = 1);
    SDF_REGISTER(twice, .map = twice, .version = 1);
    SDF_REGISTER(complain, .map = complain, .version = 1);
    SDF_REGISTER(keep_odd, .filter = keep_odd, .version = 1);
    SDF_REGISTER(answer_seven, .filter = answer_seven, .version = 1);
    SDF_REGISTER(filter_emits, .filter = filter_emits, .version = 1);
    SDF_REGISTER(whole_batch, .batch = whole_batch, .version = 1);
    SDF_REGISTER(emit_state, .map = emit_state, .open = open_counting, .close = close_counting, .version = 1);
    SDF_REGISTER(endless, .map = endless, .version = 1);
    if (exec_register_builtins(NULL))
        return 1;
    return cmocka_run_group_tests_name("exec/narrow", tests, NULL, NULL);
}
