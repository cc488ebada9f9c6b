/* Ends of chains: results inline and in a store, counts, samples. Files are in test_file_output.c. */
#include "harness.h"

#include "base/timebase.h"
#include "base/wire.h"
#include "exec/chain.h"
#include "exec/sampler.h"
#include "shuffle/run.h"

typedef struct output_test {
    harness h;
    plan p;
    task_reply reply;
    exec_result result;
    op *o;
} output_test;

static void output_begin_test(output_test *t)
{
    memset(t, 0, sizeof *t);
    harness_init(&t->h, 4 << 20);
    t->h.request.stage = 2;
    t->h.request.attempt = 11;
    t->h.request.block_bytes = 4096;
    t->p.compression = (char *)"none";
    t->h.env.plan = &t->p;
    assert_int_equal(store_open("mem:", &t->h.env.store, NULL), SDF_OK);
}

static void output_close(output_test *t)
{
    if (t->o)
        t->o->close(t->o);
    t->o = NULL;
    assert_int_equal(t->h.budget.used, 0);
}

static void output_end_test(output_test *t)
{
    output_close(t);
    exec_result_free(&t->result);
    task_reply_clear(&t->reply);
    store_unref(t->h.env.store);
}

/* Records i of [0, count): key "k<i>", value i as i64. */
static int push_numbered(op *o, int64_t count, sdf_error **err)
{
    char texts[SDF_BATCH_MAX][24];
    sdf_slice keys[SDF_BATCH_MAX];
    int64_t values[SDF_BATCH_MAX];
    for (int64_t i = 0; i < count;) {
        sdf_batch batch = {.count = 0};
        for (; batch.count < SDF_BATCH_MAX && i < count; batch.count++, i++) {
            snprintf(texts[batch.count], sizeof texts[0], "k%lld", (long long)i);
            keys[batch.count] = text_slice(texts[batch.count]);
            values[batch.count] = i;
        }
        column_set_slices(&batch.key, keys);
        column_set_fixed(&batch.value, values, 8);
        int rc = op_push(o, &batch, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static uint64_t result_of(uint64_t inline_limit, int64_t count, bool in_store)
{
    output_test t;
    output_begin_test(&t);
    plan_output spec = {.kind = PLAN_OUTPUT_RESULT, .key_type = (char *)"bytes", .value_type = (char *)"i64"};
    t.h.request.inline_limit = inline_limit;
    assert_int_equal(result_output_new(&t.h.env, &spec, &t.reply, &t.result, &t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(t.o, count, NULL), SDF_OK);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    output_close(&t);
    assert_int_equal(t.reply.records, count);
    object_ids ids = {7, 2, 0, 0, 11};
    sdf_slice bytes = t.reply.result;
    if (!count) { /* nothing is written for nothing */
        assert_int_equal(bytes.size, 0);
        assert_int_equal(t.reply.object_bytes, 0);
        output_end_test(&t);
        return 0;
    }
    sdf_view view = {0};
    char name[TASK_NAME_MAX];
    task_name_object(name, 7, 2, 0, 0, 11);
    assert_int_equal(bytes.size == 0, in_store);
    assert_int_equal(t.reply.object_bytes != 0, in_store);
    assert_int_equal(store_get(t.h.env.store, name, 1 << 30, &view, NULL), in_store ? SDF_OK : SDF_E_NOT_FOUND);
    if (in_store)
        bytes = (sdf_slice){view.data, view.size};
    run *r = NULL;
    sdf_batch batch;
    int64_t seen = 0;
    assert_int_equal(run_open_bytes(&r, &t.h.env, bytes.data, bytes.size, &ids, 0, TYPE_BYTES, TYPE_I64, NULL), SDF_OK);
    while (run_next(r, &batch, NULL) == SDF_OK)
        for (size_t i = 0; i < batch.count; i++, seen++) {
            char key[24];
            sdf_slice k = column_get(&batch.key, i), v = column_get(&batch.value, i);
            snprintf(key, sizeof key, "k%lld", (long long)seen);
            assert_int_equal(k.size, strlen(key));
            assert_memory_equal(k.data, key, k.size);
            assert_int_equal(sdf_slice_i64(&v), seen);
        }
    assert_int_equal(seen, count);
    run_close(r);
    if (in_store)
        store_release(&view);
    uint64_t fingerprint = t.reply.fingerprint;
    output_end_test(&t);
    return fingerprint;
}

static void results_inline_and_stored(void **state)
{
    result_of(1 << 20, 0, false);
    result_of(1 << 20, 1, false);
    assert_int_equal(result_of(1 << 20, 5000, false), result_of(100, 5000, true));
    assert_true(result_of(1 << 20, 5000, false) != result_of(1 << 20, 5001, false));
}

static void an_aborted_result_leaves_nothing(void **state)
{
    output_test t;
    output_begin_test(&t);
    plan_output spec = {.kind = PLAN_OUTPUT_RESULT, .key_type = (char *)"bytes", .value_type = (char *)"i64"};
    assert_int_equal(result_output_new(&t.h.env, &spec, &t.reply, &t.result, &t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(t.o, 100000, NULL), SDF_OK);
    output_close(&t);
    uint64_t size;
    char name[TASK_NAME_MAX];
    task_name_object(name, 7, 2, 0, 0, 11);
    assert_int_equal(t.h.env.store->ops->head(t.h.env.store->self, name, &size, NULL), SDF_E_NOT_FOUND);
    output_end_test(&t);
}

static void counts(void **state)
{
    output_test t;
    output_begin_test(&t);
    assert_int_equal(count_output_new(&t.h.env, &t.reply, &t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(t.o, 777, NULL), SDF_OK);
    assert_int_equal(op_finish(t.o, NULL), SDF_OK);
    assert_int_equal(t.reply.records, 777);
    assert_int_equal(t.h.env.metrics.records_out, 777);
    output_end_test(&t);
}

/* ---- samples ---- */

static uint64_t digits(const char *text, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size && i < 18; i++)
        n = n * 10 + (uint64_t)(text[i] - '0');
    return n;
}

static uint64_t decode_samples(sdf_slice encoded, uint64_t *weight, uint64_t *sum)
{
    wire_reader in = wire_read(encoded.data, encoded.size);
    wire_u8(&in);
    *weight = wire_varint(&in);
    uint64_t count = wire_varint(&in);
    *sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sdf_slice k = wire_bytes(&in, 4096);
        assert_true(k.size > 1);
        *sum += digits((const char *)k.data + 1, k.size - 1);
    }
    assert_false(in.bad);
    return count;
}

static void samples_are_even_and_repeat(void **state)
{
    uint64_t weight, sum, first_fingerprint = 0;
    for (int round = 0; round < 2; round++) {
        output_test t;
        output_begin_test(&t);
        scan_share share = {0, 0};
        plan_output spec = {.kind = PLAN_OUTPUT_SAMPLE, .key_type = (char *)"bytes", .sample = 1000};
        t.h.request.attempt = 50 + (uint64_t)round; /* another attempt: the same sample */
        t.h.request.inline_limit = 1 << 20;
        assert_int_equal(sample_output_new(&t.h.env, &spec, &share, &t.reply, &t.result, &t.o, NULL), SDF_OK);
        assert_int_equal(push_numbered(t.o, 100000, NULL), SDF_OK);
        share = (scan_share){.seen = 10, .total = 70};
        assert_int_equal(op_finish(t.o, NULL), SDF_OK);
        assert_int_equal(decode_samples(t.reply.samples, &weight, &sum), 1000);
        assert_int_equal(weight, 700000);
        assert_true(sum / 1000 > 46000 && sum / 1000 < 54000);
        if (round)
            assert_int_equal(t.reply.fingerprint, first_fingerprint);
        first_fingerprint = t.reply.fingerprint;
        output_end_test(&t);
    }
}

static void samples_keep_all_of_little_and_thin_much(void **state)
{
    harness h;
    sampler *s;
    uint64_t weight, sum;
    buf out = BUF_EMPTY;
    static char giant[10000];
    memset(giant, '1', sizeof giant);
    harness_init(&h, 4 << 20);
    sdf_column keys;
    assert_int_equal(sampler_new(&s, &h.env, 100, NULL), SDF_OK);
    column_set_const(&keys, giant, 50);
    assert_int_equal(sampler_add(s, &keys, 60, NULL), SDF_OK);
    assert_int_equal(sampler_encode(s, 60, 0, &out, NULL), SDF_OK);
    assert_int_equal(decode_samples(buf_slice(&out), &weight, &sum), 60);
    buf_clear(&out);
    assert_int_equal(sampler_encode(s, 60, 1000, &out, NULL), SDF_OK);
    assert_in_range(decode_samples(buf_slice(&out), &weight, &sum), 10, 20);
    assert_int_equal(weight, 60);
    column_set_const(&keys, giant, sizeof giant);
    assert_int_equal(sampler_add(s, &keys, 100, NULL), SDF_OK);
    assert_true(h.budget.used < 100 * 5000);
    buf_clear(&out);
    assert_int_equal(sampler_encode(s, 160, 0, &out, NULL), SDF_OK);
    assert_true(out.size < 100 * 4200);
    buf_free(&out);
    sampler_free(s);
    assert_int_equal(h.budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_inline_and_stored),
        cmocka_unit_test(an_aborted_result_leaves_nothing),
        cmocka_unit_test(counts),
        cmocka_unit_test(samples_are_even_and_repeat),
        cmocka_unit_test(samples_keep_all_of_little_and_thin_much),
    };
    return cmocka_run_group_tests_name("exec/outputs", tests, NULL, NULL);
}
