/* Parts of outputs: every format, every codec, and nothing left of what failed. Delimited text is held against a reader
 * of its own, JSON against cJSON. */
#include "harness.h"

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>

#include <sdf/key.h>

#include "base/path.h"
#include "base/timebase.h"
#include "codec/codec.h"
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

static void file_begin(file_test *f, plan_format_kind format, const char *key_type, const char *value_type)
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

static int file_new(file_test *f, sdf_error **err)
{
    return file_output_new(&f->h.env, &f->spec, &f->reply, &f->o, err);
}

static void file_close_op(file_test *f)
{
    if (f->o)
        f->o->close(f->o);
    f->o = NULL;
    assert_int_equal(f->h.budget.used, 0);
}

static void file_end(file_test *f)
{
    file_close_op(f);
    task_reply_clear(&f->reply);
    output_abort(f->driver);
    assert_int_equal(path_remove_tree(f->folder, NULL), SDF_OK);
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

static buf read_file(const char *path)
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
static buf file_content(file_test *f)
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
static buf file_of(file_test *f, const sdf_batch *batch)
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

static void file_write_one(file_test *f, const sdf_batch *batch, const void *expected, size_t size)
{
    buf content = file_of(f, batch);
    if (content.size != size || memcmp(content.data, expected, size))
        fail_msg("\"%.*s\" is not \"%.*s\"", (int)content.size, content.data, (int)size, (const char *)expected);
    buf_free(&content);
}

#define TEXT_OUT(f, batch, literal) file_write_one(f, batch, literal, sizeof(literal) - 1)

/* One record, whose sides are as they lie. */
static sdf_batch one_record(const void *key, size_t key_size, const void *value, size_t value_size)
{
    sdf_batch batch = {.count = 1};
    column_set_const(&batch.key, key, key_size);
    column_set_const(&batch.value, value, value_size);
    return batch;
}

/* The output refuses the record, with the code, and says the text; nothing is left. */
static void file_refuses(file_test *f, sdf_batch batch, int code, const char *text)
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

/* ---- text and binary ---- */

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

    file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, numbers, 8);
    TEXT_OUT(&f, &batch, "a\t0\n\t-5\nb\0c\t-9223372036854775808\n");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_TEXT, "null", "f64");
    column_set_null(&batch.key);
    column_set_fixed(&batch.value, reals, 8);
    TEXT_OUT(&f, &batch, "0.1\n-1e+300\n3\n");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_TEXT, "tuple(bytes,i64)", "null");
    batch.count = 2;
    column_set_const(&batch.key, tuple, length);
    column_set_null(&batch.value);
    TEXT_OUT(&f, &batch, "x\t42\nx\t42\n");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_BINARY, "bytes", "bytes");
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
    file_begin(&f, PLAN_FORMAT_TEXT, "null", "bytes");
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
    file_begin(&f, PLAN_FORMAT_TEXT, "null", "tuple(bytes)");
    file_write_one(&f, &batch, expected, size + 1);
    file_end(&f);
    free(tuple);
    free(big);
    free(expected);
}

static uint64_t file_fingerprint(uint64_t memory, const char *extra)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
    budget_init(&f.h.budget, memory);
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 30000, NULL), SDF_OK);
    if (*extra) {
        sdf_batch batch = {.count = 1};
        int64_t zero = 0;
        column_set_const(&batch.key, extra, strlen(extra));
        column_set_const(&batch.value, &zero, 8);
        assert_int_equal(op_push(f.o, &batch, NULL), SDF_OK);
    }
    assert_int_equal(op_finish(f.o, NULL), SDF_OK);
    uint64_t fingerprint = f.reply.fingerprint;
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
        codec_kind codec;
        const char *final;
        bool behind; /* the one before, of the same output */
    } cases[] = {
        {1, 0, 0, CODEC_NONE, "part-00000", false},
        {100000, 99999, 0, CODEC_NONE, "part-99999", false},
        {100001, 7, 0, CODEC_NONE, "part-000007", false},
        {3, 2, 0, CODEC_NONE, "part-00002", false},
        {3, 2, 1, CODEC_NONE, "part-00002_0001", true},
        {3, 2, 9999, CODEC_NONE, "part-00002_9999", true},
        {3, 2, 10000, CODEC_NONE, "part-00002_x0000010000", true},
        {4, 3, 0, CODEC_NONE, "part-00003", true},
        {3, 1, 0, CODEC_GZIP, "part-00001.gz", false},
        {3, 1, 1, CODEC_GZIP, "part-00001_0001.gz", true},
        {3, 1, 10000, CODEC_GZIP, "part-00001_x0000010000.gz", true},
        {3, 2, 0, CODEC_GZIP, "part-00002.gz", true},
        {4000000000u, 1, 0, CODEC_NONE, "part-0000000001", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        file_test f;
        file_begin(&f, PLAN_FORMAT_TEXT, "null", "bytes");
        f.h.stage.tasks = cases[i].tasks;
        f.h.request.task = cases[i].task;
        f.h.request.leg = cases[i].leg;
        f.spec.codec = (uint8_t)cases[i].codec;
        assert_int_equal(file_new(&f, NULL), SDF_OK);
        assert_int_equal(op_finish(f.o, NULL), SDF_OK);
        assert_string_equal(f.reply.file_final, cases[i].final);
        assert_true(!cases[i].behind || strcmp(cases[i - 1].final, cases[i].final) < 0);
        char temp[100];
        snprintf(temp, sizeof temp, "tok-s2-t%u-l%u-a11", cases[i].task, cases[i].leg);
        assert_string_equal(f.reply.file_temp, temp);
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
    file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 100000, NULL), SDF_OK);
    assert_int_equal(temporaries(f.out), 1);
    file_close_op(&f);
    assert_int_equal(temporaries(f.out), 0);

    /* A lease that ends before the end: nothing is kept. */
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 10, NULL), SDF_OK);
    f.h.request.lease_ms = 1;
    assert_int_equal(op_finish(f.o, NULL), SDF_E_TIMEOUT);
    file_close_op(&f);
    assert_int_equal(temporaries(f.out), 0);
    f.h.request.lease_ms = 0;

    /* A folder that is not there, and a tuple that is none. */
    f.spec.uri = (char *)"/tmp/sdf-no-such-folder";
    assert_int_equal(file_new(&f, &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_text(err), "sdf-no-such-folder"));
    sdf_error_free(err);
    err = NULL;
    f.spec.uri = f.out;
    f.spec.key_type = (char *)"tuple(bytes)";
    f.h.request.attempt++;
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 10, &err), SDF_E_CORRUPT);
    assert_non_null(strstr(sdf_error_text(err), "tuple(bytes)"));
    sdf_error_free(err);
    file_end(&f);
}

/* ---- tuples for tests, written as text: numbers, 'words', nulls as -, nested in parentheses ---- */

static void put_items(buf *b, const char **text)
{
    uint8_t item[256];
    while (**text && **text != ')') {
        size_t size = 0;
        char *end;
        if (**text == ' ') {
            ++*text;
            continue;
        }
        if (**text == '(') {
            ++*text;
            sdf_key_begin_tuple(item, sizeof item, &size);
            assert_int_equal(buf_append(b, item, size), SDF_OK);
            put_items(b, text);
            size = 0;
            sdf_key_end_tuple(item, sizeof item, &size);
            ++*text;
        } else if (**text == '\'') {
            sdf_slice word = {*text + 1, strcspn(*text + 1, "'")};
            char bytes[64];
            memcpy(bytes, word.data, word.size);
            for (size_t i = 0; i < word.size; i++)
                bytes[i] = bytes[i] == '~' ? 0 : bytes[i]; /* "~": a zero */
            *text += word.size + 2;
            word.data = bytes;
            sdf_key_put_bytes(item, sizeof item, &size, &word);
        } else if (**text == '-' && (*text)[1] != 'i' && ((*text)[1] < '0' || (*text)[1] > '9')) {
            ++*text;
            sdf_key_put_null(item, sizeof item, &size);
        } else if (strcspn(*text, ".einx") < strcspn(*text, " )")) {
            sdf_key_put_f64(item, sizeof item, &size, strtod(*text, &end));
            *text = end;
        } else {
            sdf_key_put_i64(item, sizeof item, &size, strtoll(*text, &end, 10));
            *text = end;
        }
        assert_int_equal(buf_append(b, item, size), SDF_OK);
    }
}

static sdf_slice tuple(const char *text)
{
    static buf bufs[4];
    static int next;
    buf *b = &bufs[next++ % 4];
    buf_clear(b);
    put_items(b, &text);
    return buf_slice(b);
}

static sdf_batch tuples(const char *key, const char *value)
{
    sdf_slice k = tuple(key), v = tuple(value);
    return one_record(k.data, k.size, v.data, v.size);
}

/* ---- delimited ---- */

static void rows(void **state)
{
    file_test f;
    int64_t numbers[] = {0, -5, 7, 8};
    sdf_slice texts[] = {{"a,b", 3}, {"say \"no\"", 8}, {"two\nlines\r", 10}, {"pl ain\t;", 8}};
    sdf_batch batch = {.count = 4};
    file_begin(&f, PLAN_FORMAT_DELIMITED, "bytes", "i64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, numbers, 8);
    TEXT_OUT(&f, &batch, "\"a,b\",0\n\"say \"\"no\"\"\",-5\n\"two\nlines\r\",7\npl ain\t;,8\n");
    f.spec.format.columns = (char *)"name\nhow, many";
    TEXT_OUT(&f, &batch, "name,\"how, many\"\n\"a,b\",0\n\"say \"\"no\"\"\",-5\n\"two\nlines\r\",7\npl ain\t;,8\n");
    batch.count = 0;
    TEXT_OUT(&f, &batch, "name,\"how, many\"\n"); /* a part without records has its header */
    batch.count = 4;
    f.spec.format = (plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = '\t', .quote = '\''};
    TEXT_OUT(&f, &batch, "a,b\t0\nsay \"no\"\t-5\n'two\nlines\r'\t7\n'pl ain\t;'\t8\n");
    f.spec.format = (plan_format){.kind = PLAN_FORMAT_DELIMITED, .delimiter = '5', .quote = '"'};
    batch.count = 2;
    TEXT_OUT(&f, &batch, "a,b50\n\"say \"\"no\"\"\"5\"-5\"\n");
    file_end(&f);
}

static void rows_of_tuples(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_DELIMITED, "tuple(bytes,i64,f64)",
               "tuple(optional(i64),tuple(bytes,tuple(i64,f64)),any)");
    sdf_batch batch = tuples("('x~,' 3 4.0)", "(- ('a\"' (1 2.5)) ('q' ()))");
    TEXT_OUT(&f, &batch, "\"x\0,\",3,4,,\"(a\"\",(1,2.5))\",\"(q,())\"\n");
    batch = tuples("('' -1 nan)", "(77 ('' (1 -inf)) 'any')");
    TEXT_OUT(&f, &batch, ",-1,nan,77,\"(,(1,-inf))\",any\n");
    f.spec.format.columns = (char *)"a\nb\nc\nd\ne";
    file_refuses(&f, batch, SDF_E_INVALID, "have 6 fields, and 5 columns are named");
    f.spec.format.columns = (char *)"a\nb\nc\nd\ne\nf";
    TEXT_OUT(&f, &batch, "a,b,c,d,e,f\n,-1,nan,77,\"(,(1,-inf))\",any\n");
    f.spec.format.columns = NULL;
    static const char *const wrong[] = {
        "('x' 3)", "('x' 3 4.0 5)", "(3 3 4.0)",    "('x' 3.5 4.0)", "('x' 'y' 4.0)", "-",
        "3",       "('x' - 4.0)",   "('x' (3) 4.0)"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        file_refuses(&f, tuples(wrong[i], "(1 ('' (1 2.0)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_refuses(&f, tuples("('x' 3 4.0)", "(1 ('' (1)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_end(&f);
}

/* What would be an empty line is not; sides that are null have no field. */
static void rows_of_one_field(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_DELIMITED, "null", "bytes");
    sdf_batch batch = one_record(NULL, 0, "", 0);
    TEXT_OUT(&f, &batch, "\"\"\n");
    batch = one_record(NULL, 0, "x", 1);
    TEXT_OUT(&f, &batch, "x\n");
    file_refuses(&f, one_record("key", 3, "x", 1), SDF_E_CORRUPT, "types (null, bytes)");
    f.spec.key_type = (char *)"i64";
    file_refuses(&f, one_record("key", 3, "x", 1), SDF_E_CORRUPT, "types (i64, bytes)");
    f.spec.key_type = (char *)"optional(bytes)";
    f.spec.value_type = (char *)"null";
    sdf_slice null = tuple("-");
    batch = one_record(null.data, null.size, NULL, 0);
    TEXT_OUT(&f, &batch, "\"\"\n");
    file_end(&f);
}

static void dialects_that_can_not_be(void **state)
{
    static const char bad[][2] = {{'\n', '"'}, {'\r', '"'}, {0, '"'}, {',', ','}, {',', '\n'}, {',', '\r'}};
    file_test f;
    file_begin(&f, PLAN_FORMAT_DELIMITED, "null", "bytes");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        f.spec.format.delimiter = (uint8_t)bad[i][0];
        f.spec.format.quote = (uint8_t)bad[i][1];
        file_refuses(&f, one_record(NULL, 0, "x", 1), SDF_E_INVALID, "delimiter");
    }
    f.spec.format.delimiter = ';';
    f.spec.format.quote = 0;
    sdf_batch batch = one_record(NULL, 0, "\"x\",", 4);
    TEXT_OUT(&f, &batch, "\"x\",\n");
    file_refuses(&f, one_record(NULL, 0, "x;y", 3), SDF_E_INVALID, "no quotes");
    file_refuses(&f, one_record(NULL, 0, "x\ny", 3), SDF_E_INVALID, "quote character");
    file_end(&f);
}

/* Reads a field of a row as RFC 4180 says; *at stands behind what ended it, which is returned. */
static char read_field(const char **at, const char *end, buf *field)
{
    const char *p = *at;
    buf_clear(field);
    bool quoted = p < end && *p == '"';
    for (p += quoted; p < end; p++) {
        if (quoted && *p == '"' && (++p == end || *p != '"'))
            quoted = false;
        if (p == end || (!quoted && (*p == ',' || *p == '\n')))
            break;
        assert_int_equal(buf_append(field, p, 1), SDF_OK);
    }
    assert_true(p < end);
    *at = p + 1;
    return *p;
}

static void random_bytes(rng *r, char *text, size_t *size)
{
    static const char bytes[] = ",\"\n\r\0 ab\xff\t'";
    *size = rng_below(r, 9);
    for (size_t i = 0; i < *size; i++)
        text[i] = bytes[rng_below(r, sizeof bytes - 1)];
}

static void random_rows_read_back(void **state)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r = {seed};
        file_test f;
        char texts[SDF_BATCH_MAX][2][9];
        uint8_t items[SDF_BATCH_MAX][40];
        sdf_slice keys[SDF_BATCH_MAX], values[SDF_BATCH_MAX];
        size_t sizes[SDF_BATCH_MAX][2];
        sdf_batch batch = {.count = 1 + rng_below(&r, SDF_BATCH_MAX)};
        for (size_t i = 0; i < batch.count; i++) {
            random_bytes(&r, texts[i][0], &sizes[i][0]);
            random_bytes(&r, texts[i][1], &sizes[i][1]);
            keys[i] = (sdf_slice){texts[i][0], sizes[i][0]};
            values[i] = (sdf_slice){items[i], 0};
            sdf_key_begin_tuple(items[i], sizeof items[i], &values[i].size);
            sdf_key_put_bytes(items[i], sizeof items[i], &values[i].size, &(sdf_slice){texts[i][1], sizes[i][1]});
            sdf_key_end_tuple(items[i], sizeof items[i], &values[i].size);
        }
        column_set_slices(&batch.key, keys);
        column_set_slices(&batch.value, values);
        file_begin(&f, PLAN_FORMAT_DELIMITED, "bytes", "tuple(bytes)");
        buf content = file_of(&f, &batch), field = BUF_EMPTY;
        const char *at = (const char *)content.data, *end = at + content.size;
        for (size_t i = 0; i < batch.count; i++)
            for (int side = 0; side < 2; side++) {
                assert_int_equal(read_field(&at, end, &field), side ? '\n' : ',');
                assert_bytes(&field, texts[i][side], sizes[i][side]);
            }
        assert_ptr_equal(at, end);
        buf_free(&content);
        buf_free(&field);
        file_end(&f);
    }
}

/* ---- JSON ---- */

static void objects(void **state)
{
    file_test f;
    double reals[] = {0.1, -1e300, NAN, -INFINITY};
    sdf_slice texts[] = {{"a\"\\b", 4}, {"", 0}, {"\n\t\r\x01\x1f\0/", 7}, {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7", 9}};
    sdf_batch batch = {.count = 4};
    file_begin(&f, PLAN_FORMAT_JSON, "bytes", "f64");
    column_set_slices(&batch.key, texts);
    column_set_fixed(&batch.value, reals, 8);
    TEXT_OUT(&f, &batch,
             "{\"key\":\"a\\\"\\\\b\",\"value\":0.1}\n{\"key\":\"\",\"value\":-1e+300}\n"
             "{\"key\":\"\\n\\t\\r\\u0001\\u001f\\u0000/\",\"value\":null}\n"
             "{\"key\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7\",\"value\":null}\n");
    f.spec.format.columns = (char *)"na\"me\nv";
    batch.count = 1;
    TEXT_OUT(&f, &batch, "{\"na\\\"me\":\"a\\\"\\\\b\",\"v\":0.1}\n");
    f.spec.format.columns = (char *)"only";
    file_refuses(&f, batch, SDF_E_INVALID, "have 2 fields, and 1 columns are named");
    f.spec.format.columns = (char *)"k\n\xff";
    file_refuses(&f, batch, SDF_E_INVALID, "column 2 is not valid UTF-8");
    file_end(&f);

    file_begin(&f, PLAN_FORMAT_JSON, "null", "i64");
    int64_t low = INT64_MIN;
    batch = one_record(NULL, 0, &low, 8);
    TEXT_OUT(&f, &batch, "{\"value\":-9223372036854775808}\n");
    f.spec.value_type = (char *)"null";
    batch = one_record(NULL, 0, NULL, 0);
    TEXT_OUT(&f, &batch, "{}\n");
    file_end(&f);
}

static void objects_of_tuples(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_JSON, "tuple(bytes,i64,f64)", "tuple(optional(i64),tuple(bytes,tuple(i64,f64)),any)");
    sdf_batch batch = tuples("('x~\"' 3 4.0)", "(- ('a' (1 2.5)) ('q' () - 4.0 (((7)))))");
    TEXT_OUT(&f, &batch,
             "{\"key_1\":\"x\\u0000\\\"\",\"key_2\":3,\"key_3\":4,\"value_1\":null,\"value_2\":[\"a\",[1,2.5]],"
             "\"value_3\":[\"q\",[],null,4,[[[7]]]]}\n");
    f.spec.format.columns = (char *)"a\nb\nc\nd\ne\nf";
    batch = tuples("('' -1 inf)", "(77 ('' (1 nan)) 'any')");
    TEXT_OUT(&f, &batch, "{\"a\":\"\",\"b\":-1,\"c\":null,\"d\":77,\"e\":[\"\",[1,null]],\"f\":\"any\"}\n");
    file_refuses(&f, tuples("('x' 3 4.0)", "(1 ('' (1)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_refuses(&f, tuples("('x' 3)", "(1 ('' (1 2.0)) -)"), SDF_E_CORRUPT, "record 1 of the part");
    file_refuses(&f, tuples("('\xff' 3 4.0)", "(1 ('' (1 2.0)) -)"), SDF_E_INVALID, "\"a\"");
    file_refuses(&f, tuples("('' 3 4.0)", "(1 ('a~\xc3' (1 2.0)) -)"), SDF_E_INVALID, "\"e\"");
    file_end(&f);
}

static void only_utf8(void **state)
{
    static const char *const bad[] = {"\xff",
                                      "a\x80",
                                      "\xc3",
                                      "\xc3(",
                                      "\xe2\x82",
                                      "\xed\xa0\x80",
                                      "\xc0\xaf",
                                      "\xf4\x90\x80\x80",
                                      "ok\xe2\x82\xac\xe2\x28\xa1"};
    file_test f;
    file_begin(&f, PLAN_FORMAT_JSON, "i64", "bytes");
    int64_t one = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        sdf_slice values[] = {{"good", 4}, {bad[i], strlen(bad[i])}};
        sdf_batch batch = {.count = 2};
        column_set_const(&batch.key, &one, 8);
        column_set_slices(&batch.value, values);
        file_refuses(&f, batch, SDF_E_INVALID, "record 2 of the part: \"value\" is not valid UTF-8");
    }
    file_end(&f);
}

static void random_objects_read_back(void **state)
{
    static const char *const pieces[] = {"\"", "\\", "\n", "\x7f", "\x1f", "a", "\xc3\xa9", "\xf0\x9f\x90\xa7",
                                         "/",  "\b"};
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r = {seed};
        file_test f;
        char texts[SDF_BATCH_MAX][64];
        sdf_slice keys[SDF_BATCH_MAX];
        double values[SDF_BATCH_MAX];
        sdf_batch batch = {.count = 1 + rng_below(&r, SDF_BATCH_MAX)};
        for (size_t i = 0; i < batch.count; i++) {
            texts[i][0] = 0;
            for (size_t n = rng_below(&r, 12); n; n--)
                strcat(texts[i], pieces[rng_below(&r, sizeof pieces / sizeof pieces[0])]);
            keys[i] = text_slice(texts[i]);
            values[i] = ldexp((double)(int64_t)rng_next(&r), (int)rng_below(&r, 200) - 100);
        }
        column_set_slices(&batch.key, keys);
        column_set_fixed(&batch.value, values, 8);
        file_begin(&f, PLAN_FORMAT_JSON, "bytes", "f64");
        buf content = file_of(&f, &batch);
        assert_int_equal(buf_append(&content, "", 1), SDF_OK);
        const char *at = (const char *)content.data;
        for (size_t i = 0; i < batch.count; i++) {
            cJSON *object = cJSON_ParseWithOpts(at, &at, 0);
            assert_non_null(object);
            assert_int_equal(cJSON_GetArraySize(object), 2);
            assert_string_equal(cJSON_GetObjectItem(object, "key")->valuestring, texts[i]);
            assert_true(cJSON_GetObjectItem(object, "value")->valuedouble == values[i]);
            assert_int_equal(*at++, '\n');
            cJSON_Delete(object);
        }
        assert_int_equal(*at, 0);
        buf_free(&content);
        file_end(&f);
    }
}

/* ---- compression, single files ---- */

static buf unpacked(codec_kind kind, const buf *packed)
{
    decoder *d;
    buf plain = BUF_EMPTY;
    size_t at = 0, used, made;
    assert_int_equal(decoder_new(kind, &d, NULL), SDF_OK);
    for (int rc = SDF_OK; rc == SDF_OK; at += used, plain.size += made) {
        assert_int_equal(buf_reserve(&plain, 1 << 16), SDF_OK);
        rc = decoder_run(d, packed->data + at, packed->size - at, &used, plain.data + plain.size, 1 << 16, &made, true,
                         NULL);
        assert_true(rc == SDF_OK || rc == SDF_END);
    }
    decoder_free(d);
    return plain;
}

static void compressed_parts(void **state)
{
    uint64_t fingerprint = 0;
    buf plain = BUF_EMPTY;
    for (int codec = CODEC_NONE; codec <= CODEC_BZIP2; codec++) {
        file_test f;
        char final[40];
        file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
        f.spec.codec = (uint8_t)codec;
        assert_int_equal(file_new(&f, NULL), SDF_OK);
        assert_true(f.h.budget.used >= encoder_cost((codec_kind)codec));
        assert_int_equal(push_numbered(f.o, 100000, NULL), SDF_OK);
        buf content = file_content(&f);
        snprintf(final, sizeof final, "part-00000%s", codec_suffix((codec_kind)codec));
        assert_string_equal(f.reply.file_final, final);
        assert_int_equal(f.h.env.metrics.bytes_written, content.size);
        if (codec == CODEC_NONE) {
            plain = content;
            fingerprint = f.reply.fingerprint;
        } else {
            buf back = unpacked((codec_kind)codec, &content);
            assert_bytes(&back, plain.data, plain.size);
            assert_true(content.size < plain.size * 2 / 3);
            assert_int_equal(f.reply.fingerprint, fingerprint);
            buf_free(&back);
            buf_free(&content);
        }
        file_end(&f);
        /* A part without records is a whole file, too. */
        file_begin(&f, PLAN_FORMAT_TEXT, "bytes", "i64");
        f.spec.codec = (uint8_t)codec;
        assert_int_equal(file_new(&f, NULL), SDF_OK);
        content = file_content(&f);
        if (codec != CODEC_NONE) {
            assert_true(content.size > 0);
            buf back = unpacked((codec_kind)codec, &content);
            assert_int_equal(back.size, 0);
            buf_free(&back);
        }
        buf_free(&content);
        file_end(&f);
    }
    buf_free(&plain);
}

static void single_files(void **state)
{
    file_test f;
    output *driver;
    char name[120], path[400];
    file_begin(&f, PLAN_FORMAT_DELIMITED, "bytes", "i64");
    snprintf(name, sizeof name, "%s/one.csv", f.folder);
    assert_int_equal(output_begin(name, "tok", true, &driver, NULL), SDF_OK);
    f.spec.uri = name;
    f.spec.single = true;
    f.spec.format.columns = (char *)"word\ncount";
    assert_int_equal(file_new(&f, NULL), SDF_OK);
    assert_int_equal(push_numbered(f.o, 2, NULL), SDF_OK);
    assert_int_equal(op_finish(f.o, NULL), SDF_OK);
    assert_string_equal(f.reply.file_final, "");
    assert_int_equal(output_publish(driver, f.reply.file_temp, "", f.reply.file_bytes, 2, NULL), SDF_OK);
    assert_int_equal(output_finish(driver, NULL), SDF_OK);
    buf content = read_file(name);
    assert_bytes(&content, "word,count\nk0,0\nk1,1\n", 21);
    buf_free(&content);
    snprintf(path, sizeof path, "%s/.one.csv.tok._temporary", f.folder);
    assert_int_not_equal(access(path, F_OK), 0);
    file_end(&f);
}

static void little_memory(void **state)
{
    for (uint64_t memory = 100; memory < 100000000; memory *= 4) {
        for (int format = PLAN_FORMAT_TEXT; format <= PLAN_FORMAT_JSON; format++) {
            file_test f;
            sdf_error *err = NULL;
            if (format == PLAN_FORMAT_WHOLE)
                continue;
            file_begin(&f, (plan_format_kind)format, "bytes", "i64");
            f.spec.codec = (uint8_t)(memory / 4 % 5);
            budget_init(&f.h.budget, memory);
            int rc = file_new(&f, &err);
            if (!rc)
                rc = push_numbered(f.o, 3000, &err);
            if (!rc)
                rc = op_finish(f.o, &err);
            assert_true(rc == SDF_OK || rc == SDF_E_NO_MEMORY);
            assert_true(f.h.budget.peak <= memory);
            sdf_error_free(err);
            file_end(&f);
        }
    }
}

static void formats_that_are_none(void **state)
{
    file_test f;
    file_begin(&f, PLAN_FORMAT_WHOLE, "bytes", "bytes");
    file_refuses(&f, one_record("a", 1, "b", 1), SDF_E_INVALID, "no format");
    f.spec.format.kind = PLAN_FORMAT_TEXT;
    f.spec.uri = NULL;
    file_refuses(&f, one_record("a", 1, "b", 1), SDF_E_INVALID, "names no output");
    f.spec.uri = f.out;
    f.spec.codec = 77;
    file_refuses(&f, one_record("a", 1, "b", 1), SDF_E_INVALID, "encoder");
    file_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_each_type),
        cmocka_unit_test(large_values_pass_the_buffer),
        cmocka_unit_test(fingerprints_are_of_the_bytes),
        cmocka_unit_test(names_sort_like_the_data),
        cmocka_unit_test(failed_files_leave_nothing),
        cmocka_unit_test(rows),
        cmocka_unit_test(rows_of_tuples),
        cmocka_unit_test(rows_of_one_field),
        cmocka_unit_test(dialects_that_can_not_be),
        cmocka_unit_test(random_rows_read_back),
        cmocka_unit_test(objects),
        cmocka_unit_test(objects_of_tuples),
        cmocka_unit_test(only_utf8),
        cmocka_unit_test(random_objects_read_back),
        cmocka_unit_test(compressed_parts),
        cmocka_unit_test(single_files),
        cmocka_unit_test(little_memory),
        cmocka_unit_test(formats_that_are_none),
    };
    return cmocka_run_group_tests_name("exec/file_output", tests, NULL, NULL);
}
