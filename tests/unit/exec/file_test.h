/* What the tests of parts of outputs share: an output with its folder, records for it, and what came of them. */
#ifndef TESTS_EXEC_FILE_TEST_H
#define TESTS_EXEC_FILE_TEST_H

#include "harness.h"

#include "base/path.h"
#include "exec/chain.h"
#include "store/output.h"

typedef struct file_test {
    harness h;
    task_reply reply;
    op *o;
    char folder[64];
    char out[96];
    output *driver;
    plan_output spec;
} file_test;

static inline void file_begin(file_test *f, plan_format_kind format, const char *key_type, const char *value_type)
{
    memset(f, 0, sizeof *f);
    harness_init(&f->h, 32 << 20);
    f->h.request.stage = 2;
    f->h.request.attempt = 11;
    f->h.request.output_token = (char *)"tok";
    strcpy(f->folder, "/tmp/sdf-out-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->out, sizeof f->out, "%s/out", f->folder);
    assert_int_equal(output_begin(f->out, "tok", false, &f->driver, NULL), SDF_OK);
    f->spec = (plan_output){.kind = PLAN_OUTPUT_FILE,
                            .format = {.kind = format, .delimiter = ',', .quote = '"'},
                            .key_type = (char *)key_type,
                            .value_type = (char *)value_type,
                            .uri = f->out};
}

static inline int file_new(file_test *f, sdf_error **err)
{
    return file_output_new(&f->h.env, &f->spec, &f->reply, &f->o, err);
}

static inline void file_close_op(file_test *f)
{
    if (f->o)
        f->o->close(f->o);
    f->o = NULL;
    assert_int_equal(f->h.budget.used, 0);
}

static inline void file_end(file_test *f)
{
    file_close_op(f);
    task_reply_clear(&f->reply);
    output_abort(f->driver);
    assert_int_equal(path_remove_tree(f->folder, NULL), SDF_OK);
}

/* Records i of [0, count): key "k<i>", value i as i64. */
static inline int push_numbered(op *o, int64_t count, sdf_error **err)
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

static inline buf read_file(const char *path)
{
    buf content = BUF_EMPTY;
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    for (size_t n = 1; n; content.size += n) {
        assert_int_equal(buf_reserve(&content, 65536), SDF_OK);
        n = fread(content.data + content.size, 1, 65536, in);
    }
    fclose(in);
    return content;
}

/* What the operator has written, after it is finished. */
static inline buf file_content(file_test *f)
{
    char path[600];
    assert_int_equal(op_finish(f->o, NULL), SDF_OK);
    file_close_op(f);
    snprintf(path, sizeof path, "%s/_temporary/%s", f->out, f->reply.file_temp);
    buf content = read_file(path);
    assert_int_equal(f->reply.file_bytes, content.size);
    return content;
}

/* A whole part of one batch. */
static inline buf file_of(file_test *f, const sdf_batch *batch)
{
    sdf_error *err = NULL;
    task_reply_clear(&f->reply);
    memset(&f->reply, 0, sizeof f->reply);
    f->h.request.attempt++;
    if (file_new(f, &err) || (batch->count && op_push(f->o, batch, &err)))
        fail_msg("%s", sdf_error_text(err));
    buf content = file_content(f);
    assert_int_equal(f->reply.records, batch->count);
    return content;
}

static inline void file_write_one(file_test *f, const sdf_batch *batch, const void *expected, size_t size)
{
    buf content = file_of(f, batch);
    if (content.size != size || memcmp(content.data, expected, size))
        fail_msg("\"%.*s\" is not \"%.*s\"", (int)content.size, content.data, (int)size, (const char *)expected);
    buf_free(&content);
}

#define TEXT_OUT(f, batch, literal) file_write_one(f, batch, literal, sizeof(literal) - 1)

/* One record, whose sides are as they lie. */
static inline sdf_batch one_record(const void *key, size_t key_size, const void *value, size_t value_size)
{
    sdf_batch batch = {.count = 1};
    column_set_const(&batch.key, key, key_size);
    column_set_const(&batch.value, value, value_size);
    return batch;
}

/* The output refuses the record, with the code, and says the text; nothing is left. */
static inline void file_refuses(file_test *f, sdf_batch batch, int code, const char *text)
{
    sdf_error *err = NULL;
    f->h.request.attempt++;
    int rc = file_new(f, &err);
    if (!rc)
        rc = op_push(f->o, &batch, &err);
    assert_int_equal(rc, code);
    if (!strstr(sdf_error_text(err), text))
        fail_msg("\"%s\" does not say \"%s\"", sdf_error_text(err), text);
    sdf_error_free(err);
    file_close_op(f);
}

#endif
