/* Ends of chains: results inline and in a store, counts, samples, and files of every type. */
#include "harness.h"

#include <dirent.h>
#include <sys/stat.h>

#include <sdf/key.h>

#include "base/path.h"
#include "base/timebase.h"
#include "base/wire.h"
#include "exec/chain.h"
#include "exec/sampler.h"
#include "shuffle/run.h"
#include "store/output.h"

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

/* ---- files ---- */

typedef struct file_test {
    output_test t;
    char folder[64];
    output *driver;
    plan_output spec;
} file_test;

static void file_begin(file_test *f, plan_file_format format, const char *key_type, const char *value_type)
{
    output_begin_test(&f->t);
    strcpy(f->folder, "/tmp/sdf-out-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    strcat(f->folder, "/out");
    assert_int_equal(output_begin(f->folder, "tok", &f->driver, NULL), SDF_OK);
    f->spec = (plan_output){.kind = PLAN_OUTPUT_FILE,
                            .format = format,
                            .key_type = (char *)key_type,
                            .value_type = (char *)value_type,
                            .uri = f->folder};
}

static void file_end(file_test *f)
{
    output_end_test(&f->t);
    output_abort(f->driver);
    *strrchr(f->folder, '/') = 0;
    assert_int_equal(path_remove_tree(f->folder, NULL), SDF_OK);
}

static void file_write_one(file_test *f, const sdf_batch *batch, const void *expected, size_t size)
{
    char path[200];
    buf content = BUF_EMPTY;
    assert_int_equal(file_output_new(&f->t.h.env, &f->spec, &f->t.reply, &f->t.o, NULL), SDF_OK);
    assert_int_equal(op_push(f->t.o, batch, NULL), SDF_OK);
    assert_int_equal(op_finish(f->t.o, NULL), SDF_OK);
    output_close(&f->t);
    assert_int_equal(f->t.reply.file_bytes, size);
    assert_int_equal(f->t.reply.records, batch->count);
    snprintf(path, sizeof path, "%s/%s", f->folder, f->t.reply.file_temp);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(buf_reserve(&content, size + 1), SDF_OK);
    content.size = fread(content.data, 1, size + 1, in);
    fclose(in);
    assert_bytes(&content, expected, size);
    buf_free(&content);
}

#define TEXT_OUT(f, batch, literal) file_write_one(f, batch, literal, sizeof(literal) - 1)

static void text_of_each_type(void **state)
{
    file_test f;
    int64_t numbers[] = {0, -5, INT64_MIN};
    double reals[] = {0.1, -1e300, 3};
    sdf_slice texts[] = {{"a", 1}, {"", 0}, {"b\0c", 3}};
    uint8_t tuple[64];
    size_t length = 0;
    sdf_slice item = {"x", 1};
    sdf_key_begin_tuple(tuple, sizeof tuple, &length);
    sdf_key_put_bytes(tuple, sizeof tuple, &length, &item);
    sdf_key_put_i64(tuple, sizeof tuple, &length, 42);
    sdf_key_end_tuple(tuple, sizeof tuple, &length);
    sdf_batch batch = {.count = 3};

    file_begin(&f, PLAN_FILE_TEXT, "bytes", "i64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, numbers, 8);
    TEXT_OUT(&f, &batch, "a\t0\n\t-5\nb\0c\t-9223372036854775808\n");
    file_end(&f);

    file_begin(&f, PLAN_FILE_TEXT, "null", "f64");
    column_set_null(&batch.key);
    column_set_fixed(&batch.value, reals, 8);
    TEXT_OUT(&f, &batch, "0.1\n-1e+300\n3\n");
    file_end(&f);

    file_begin(&f, PLAN_FILE_TEXT, "tuple(bytes,i64)", "null");
    batch.count = 2;
    column_set_const(&batch.key, tuple, length);
    column_set_null(&batch.value);
    TEXT_OUT(&f, &batch, "x\t42\nx\t42\n");
    file_end(&f);

    file_begin(&f, PLAN_FILE_BINARY, "bytes", "bytes");
    batch.count = 3;
    column_set_slices(&batch.key, texts);
    column_set_const(&batch.value, "--", 2);
    TEXT_OUT(&f, &batch, "a----b\0c--");
    file_end(&f);
}

static void large_values_pass_the_buffer(void **state)
{
    file_test f;
    size_t size = 1 << 20;
    char *big = malloc(size), *expected = malloc(size + 4);
    memset(big, 'x', size);
    sdf_slice values[] = {{"a", 1}, {big, size}};
    sdf_batch batch = {.count = 2};
    memcpy(expected, "a\n", 2);
    memcpy(expected + 2, big, size);
    expected[size + 2] = '\n';
    column_set_null(&batch.key);
    column_set_slices(&batch.value, values);
    file_begin(&f, PLAN_FILE_TEXT, "null", "bytes");
    file_write_one(&f, &batch, expected, size + 3);
    file_end(&f);

    /* The same as an item of a tuple, whose text does not fit the buffer either. */
    uint8_t *tuple = malloc(size + 64);
    size_t length = 0;
    sdf_key_begin_tuple(tuple, size + 64, &length);
    sdf_key_put_bytes(tuple, size + 64, &length, &values[1]);
    sdf_key_end_tuple(tuple, size + 64, &length);
    batch.count = 1;
    column_set_const(&batch.value, tuple, length);
    expected[size] = '\n';
    memcpy(expected, big, size);
    file_begin(&f, PLAN_FILE_TEXT, "null", "tuple(bytes)");
    file_write_one(&f, &batch, expected, size + 1);
    file_end(&f);
    free(tuple);
    free(big);
    free(expected);
}

static uint64_t file_fingerprint(uint64_t memory, const char *extra)
{
    file_test f;
    file_begin(&f, PLAN_FILE_TEXT, "bytes", "i64");
    budget_init(&f.t.h.budget, memory);
    assert_int_equal(file_output_new(&f.t.h.env, &f.spec, &f.t.reply, &f.t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.t.o, 30000, NULL), SDF_OK);
    if (*extra) {
        sdf_batch batch = {.count = 1};
        int64_t zero = 0;
        column_set_const(&batch.key, extra, strlen(extra));
        column_set_const(&batch.value, &zero, 8);
        assert_int_equal(op_push(f.t.o, &batch, NULL), SDF_OK);
    }
    assert_int_equal(op_finish(f.t.o, NULL), SDF_OK);
    uint64_t fingerprint = f.t.reply.fingerprint;
    file_end(&f);
    return fingerprint;
}

static void fingerprints_are_of_the_bytes(void **state)
{
    uint64_t one = file_fingerprint(1 << 20, "");
    assert_int_equal(one, file_fingerprint(100000, ""));
    assert_true(one != file_fingerprint(1 << 20, "x"));
    assert_true(file_fingerprint(1 << 20, "y") != file_fingerprint(1 << 20, "x"));
}

static void names_sort_like_the_data(void **state)
{
    static const struct {
        uint32_t tasks, task, leg;
        const char *final;
    } cases[] = {
        {1, 0, 0, "part-00000"},
        {100000, 99999, 0, "part-99999"},
        {100001, 7, 0, "part-000007"},
        {3, 2, 1, "part-00002-0001"},
        {3, 2, 9999, "part-00002-9999"},
        {3, 2, 10000, "part-00002-x0000010000"},
        {4000000000u, 1, 0, "part-0000000001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file_test f;
        file_begin(&f, PLAN_FILE_TEXT, "null", "bytes");
        f.t.h.stage.tasks = cases[i].tasks;
        f.t.h.request.task = cases[i].task;
        f.t.h.request.leg = cases[i].leg;
        assert_int_equal(file_output_new(&f.t.h.env, &f.spec, &f.t.reply, &f.t.o, NULL), SDF_OK);
        assert_int_equal(op_finish(f.t.o, NULL), SDF_OK);
        assert_string_equal(f.t.reply.file_final, cases[i].final);
        char temp[100];
        snprintf(temp, sizeof temp, "_temporary/s2-t%u-l%u-a11", cases[i].task, cases[i].leg);
        assert_string_equal(f.t.reply.file_temp, temp);
        file_end(&f);
    }
}

static size_t temporaries(const char *folder)
{
    char path[200];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/_temporary", folder);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void failed_files_leave_nothing(void **state)
{
    file_test f;
    sdf_error *err = NULL;
    file_begin(&f, PLAN_FILE_TEXT, "bytes", "i64");
    assert_int_equal(file_output_new(&f.t.h.env, &f.spec, &f.t.reply, &f.t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.t.o, 100000, NULL), SDF_OK);
    assert_int_equal(temporaries(f.folder), 1);
    output_close(&f.t);
    assert_int_equal(temporaries(f.folder), 0);

    /* A lease that ends before the end: nothing is kept. */
    assert_int_equal(file_output_new(&f.t.h.env, &f.spec, &f.t.reply, &f.t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.t.o, 10, NULL), SDF_OK);
    f.t.h.request.lease_ms = 1;
    assert_int_equal(op_finish(f.t.o, NULL), SDF_E_TIMEOUT);
    output_close(&f.t);
    assert_int_equal(temporaries(f.folder), 0);
    f.t.h.request.lease_ms = 0;

    /* A folder that is not there, and a tuple that is none. */
    f.spec.uri = (char *)"/tmp/sdf-no-such-folder";
    assert_int_equal(file_output_new(&f.t.h.env, &f.spec, &f.t.reply, &f.t.o, &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_text(err), "sdf-no-such-folder"));
    sdf_error_free(err);
    err = NULL;
    f.spec.uri = f.folder;
    f.spec.key_type = (char *)"tuple(bytes)";
    assert_int_equal(file_output_new(&f.t.h.env, &f.spec, &f.t.reply, &f.t.o, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.t.o, 10, &err), SDF_E_CORRUPT);
    assert_non_null(strstr(sdf_error_text(err), "tuple(bytes)"));
    sdf_error_free(err);
    file_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_inline_and_stored),
        cmocka_unit_test(an_aborted_result_leaves_nothing),
        cmocka_unit_test(counts),
        cmocka_unit_test(samples_are_even_and_repeat),
        cmocka_unit_test(samples_keep_all_of_little_and_thin_much),
        cmocka_unit_test(text_of_each_type),
        cmocka_unit_test(large_values_pass_the_buffer),
        cmocka_unit_test(fingerprints_are_of_the_bytes),
        cmocka_unit_test(names_sort_like_the_data),
        cmocka_unit_test(failed_files_leave_nothing),
    };
    return cmocka_run_group_tests_name("exec/outputs", tests, NULL, NULL);
}
