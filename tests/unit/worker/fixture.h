/* A worker with a store, and requests for small plans. */
#ifndef TESTS_WORKER_FIXTURE_H
#define TESTS_WORKER_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "shuffle/run.h"
#include "spec/plan.h"
#include "spec/registry.h"
#include "spec/task.h"
#include "worker/worker.h"

typedef struct fixture {
    store *store;
    sdf_worker *worker;
    int cancelled;
    int64_t now;
    timebase clock;
    plan *plan;
    buf json;
    task_request request; /* of one piece, */
    task_piece piece;     /* which reads the file, */
    task_leaf leaf;       /* or these extents */
    task_reply reply;
    char path[64];
    char scratch[64];
} fixture;

static inline int64_t fixture_now(void *self)
{
    return ((fixture *)self)->now;
}

static inline char *own(const char *text)
{
    return strdup(text);
}

static inline void plan_call_set(plan_call *c, const char *name, uint32_t version, const char *label)
{
    c->function = own(name);
    c->version = version;
    c->label = own(label);
}

static inline void fixture_open(fixture *f, uint64_t memory)
{
    memset(f, 0, sizeof *f);
    f->now = 1000;
    f->clock = (timebase){fixture_now, f};
    assert_int_equal(store_open("mem:", &f->store, NULL), SDF_OK);
    strcpy(f->scratch, "/tmp/sdf-worker-XXXXXX");
    assert_non_null(mkdtemp(f->scratch));
    worker_config config = {
        .store = f->store, .memory = memory, .scratch_dir = f->scratch, .clock = &f->clock, .cancelled = &f->cancelled};
    assert_int_equal(worker_new(&config, &f->worker, NULL), SDF_OK);
    f->plan = plan_new();
    f->plan->program_id = own(sdf_program_id());
    f->plan->compression = own("lz4");
    f->request = (task_request){.kind = TASK_RUN,
                                .context = 77,
                                .job = 1,
                                .stage = 1,
                                .attempt = 1,
                                .store_uri = (char *)"mem:",
                                .scratch_dir = (char *)"",
                                .program_id = (char *)sdf_program_id(),
                                .memory = 8 << 20,
                                .block_bytes = 64 << 10,
                                .inline_limit = 1 << 20,
                                .limit = UINT64_MAX,
                                .output_token = (char *)"",
                                .pieces = &f->piece,
                                .piece_count = 1,
                                .pieces_name = (char *)""};
}

static inline void fixture_close(fixture *f)
{
    task_reply_clear(&f->reply);
    sdf_worker_close(f->worker);
    plan_free(f->plan);
    buf_free(&f->json);
    store_unref(f->store);
    if (*f->path)
        unlink(f->path);
    rmdir(f->scratch);
}

/* A file of these bytes, and the piece's split over all of it. */
static inline void fixture_file(fixture *f, const void *data, size_t size)
{
    strcpy(f->path, "/tmp/sdf-input-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
    f->piece.split = (task_split){.path = f->path, .length = size, .file_size = size};
}

/* A stage that reads lines; the caller sets output and operators. */
static inline plan_stage *fixture_text_stage(fixture *f, uint32_t id)
{
    plan_stage *s = plan_add_stage(f->plan);
    assert_non_null(s);
    s->id = id;
    s->label = own("stage: text");
    s->tasks = 1;
    plan_input *in = &plan_add_branch(s)->input;
    in->kind = PLAN_INPUT_FILES;
    in->format.kind = PLAN_FORMAT_TEXT;
    in->label = own("text#1");
    in->key_type = own("null");
    in->value_type = own("bytes");
    return s;
}

static inline void fixture_output(plan_stage *s, plan_output_kind kind, const char *key, const char *value)
{
    s->output.kind = kind;
    s->output.label = own("output#9");
    s->output.key_type = own(key);
    s->output.value_type = own(value);
}

static inline void fixture_op(plan_stage *s, plan_op_kind kind, const char *name, const char *key, const char *value)
{
    plan_op *o = plan_add_op(&s->branches[0]);
    char label[64];
    snprintf(label, sizeof label, "op#2 %s", name);
    o->kind = kind;
    plan_call_set(&o->call, name, 1, label);
    o->key_type = own(key);
    o->value_type = own(value);
}

/* The piece reads extents that a stage has written. */
static inline void fixture_extents(fixture *f, uint32_t stage, task_extent *extents, uint32_t count)
{
    f->leaf = (task_leaf){stage, extents, count};
    f->piece = (task_piece){.partition = f->request.task, .leaves = &f->leaf, .leaf_count = 1};
}

/* The plan is done: requests carry it. */
static inline void fixture_plan(fixture *f)
{
    sdf_error *err = NULL;
    buf_clear(&f->json);
    int rc = plan_encode(f->plan, &f->json, &err);
    if (rc)
        fail_msg("%s", sdf_error_text(err));
    hash_hex128(f->json.data, f->json.size, f->request.plan_hash);
    f->request.plan_inline = buf_slice(&f->json);
}

/* Sends the bytes; the reply is decoded into f->reply. */
static inline void fixture_send(fixture *f, const void *data, size_t size)
{
    sdf_slice bytes = {data, size}, response = {NULL, 0};
    sdf_error *err = NULL;
    task_reply_clear(&f->reply);
    memset(&f->reply, 0, sizeof f->reply);
    assert_int_equal(sdf_worker_invoke(f->worker, &bytes, 0, &response, &err), SDF_OK);
    assert_null(err);
    assert_int_equal(task_reply_decode(response.data, response.size, &f->reply, &err), SDF_OK);
    assert_null(err);
    assert_string_equal(f->reply.program_id, sdf_program_id());
}

static inline void fixture_run(fixture *f)
{
    buf bytes = BUF_EMPTY;
    assert_int_equal(task_request_encode(&f->request, &bytes), SDF_OK);
    fixture_send(f, bytes.data, bytes.size);
    buf_free(&bytes);
    assert_int_equal(f->reply.attempt, f->request.attempt);
    assert_int_equal(f->reply.stage, f->request.stage);
}

static inline void fixture_run_ok(fixture *f)
{
    fixture_run(f);
    if (f->reply.failure)
        fail_msg("%s", sdf_error_text(f->reply.error));
}

static inline void fixture_run_fails(fixture *f, failure_class failure, int code, const char *part)
{
    fixture_run(f);
    assert_int_equal(f->reply.failure, failure);
    assert_int_equal(sdf_error_code(f->reply.error), code);
    if (!strstr(sdf_error_text(f->reply.error), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(f->reply.error), part);
    assert_int_equal(sdf_error_stage(f->reply.error), f->request.stage);
    assert_int_equal(sdf_error_attempt(f->reply.error), f->request.attempt);
    assert_int_equal(f->reply.result.size, 0);
    assert_int_equal(f->reply.index.size, 0);
    assert_int_equal(f->reply.object_bytes, 0);
}

static inline int fixture_count_one(const sdf_object_info *info, void *user)
{
    ++*(size_t *)user;
    return 0;
}

static inline size_t fixture_objects(fixture *f)
{
    size_t n = 0;
    assert_int_equal(f->store->ops->list(f->store->self, "sdf-", fixture_count_one, &n, NULL), SDF_OK);
    return n;
}

#endif
