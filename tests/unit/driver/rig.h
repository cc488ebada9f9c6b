/* A driver over a scripted transport and a store that can refuse: the test is the platform, and says what each
 * invocation answers and when. Time moves only when the test says so. */
#ifndef TESTS_DRIVER_RIG_H
#define TESTS_DRIVER_RIG_H

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
#include "driver/driver.h"
#include "shuffle/object.h"

#define RIG_CONTEXT 0x77
#define RIG_CALLS   512
#define RIG_JOBS    4

typedef struct rig_call {
    uint64_t id;
    task_request request; /* decoded; points into bytes */
    buf bytes;
    int64_t deadline_ms;
    bool cancelled, answered;
} rig_call;

typedef struct rig_answer {
    uint64_t id;
    int status;
    buf response;
} rig_answer;

typedef struct rig_job {
    bool over;
    int status;
    sdf_error *error;
    driver_totals totals;
    uint64_t records;
    uint32_t parts;
    char last_part[64];
} rig_job;

typedef struct rig {
    driver *driver;
    transport transport;
    sdf_transport_limits limits;
    const sdf_transport_host *host;
    bool started, stopped;
    int refuse; /* status of submit */
    rig_call calls[RIG_CALLS];
    uint32_t call_count;
    rig_answer answers[RIG_CALLS]; /* handed over by the next poll */
    uint32_t answer_count;
    store *memory; /* where objects really are */
    store store;
    const char *no_put; /* names with this in them can't be written */
    int no_put_status;
    int64_t now;
    timebase clock;
    rig_job jobs[RIG_JOBS + 1];
    uint32_t half_done[16], half_done_count;
    uint32_t failures; /* events of failed attempts */
    char last_failure[256];
} rig;

static volatile bool rig_busy; /* what the rig itself allocates is not the driver's */

/* ---- the transport ---- */

static int rig_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    *limits = ((rig *)self)->limits;
    return SDF_OK;
}

static int rig_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    rig *r = self;
    r->host = host;
    r->started = true;
    return SDF_OK;
}

static int rig_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    rig *r = self;
    if (r->refuse)
        return error_set(err, r->refuse, "the rig refuses");
    assert_true(r->call_count < RIG_CALLS);
    rig_busy = true;
    rig_call *c = &r->calls[r->call_count++];
    *c = (rig_call){.id = id, .deadline_ms = deadline_ms};
    assert_int_equal(buf_append(&c->bytes, request->data, request->size), SDF_OK);
    assert_int_equal(task_request_decode(c->bytes.data, c->bytes.size, &c->request, NULL), SDF_OK);
    rig_busy = false;
    return SDF_OK;
}

static int rig_poll(void *self, int timeout_ms, sdf_error **err)
{
    rig *r = self;
    for (uint32_t i = 0; i < r->answer_count; i++) {
        rig_answer *a = &r->answers[i];
        sdf_invocation_result result = {.struct_size = sizeof result,
                                        .id = a->id,
                                        .status = a->status,
                                        .response = buf_slice(&a->response),
                                        .message = a->status ? "the rig says so" : NULL};
        r->host->done(r->host->host, &result);
        buf_free(&a->response);
    }
    r->answer_count = 0;
    return SDF_OK;
}

static void rig_wake(void *self)
{
}

static void rig_cancel(void *self, uint64_t id)
{
    rig *r = self;
    for (uint32_t i = 0; i < r->call_count; i++)
        if (r->calls[i].id == id)
            r->calls[i].cancelled = true;
}

static int rig_stop(void *self)
{
    ((rig *)self)->stopped = true;
    return 0;
}

static void rig_destroy(void *self)
{
}

static const sdf_transport_ops rig_transport = {sizeof rig_transport,
                                                SDF_TRANSPORT_VERSION,
                                                rig_limits,
                                                rig_start,
                                                rig_submit,
                                                rig_poll,
                                                rig_wake,
                                                rig_cancel,
                                                rig_stop,
                                                rig_destroy};

/* ---- the store: the one in memory, but for what can't be written ---- */

static int rig_writer_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    rig *r = self;
    if (r->no_put && strstr(name, r->no_put))
        return error_set(err, r->no_put_status, "object \"%s\" can't be written", name);
    return r->memory->ops->writer_open(r->memory->self, name, if_absent, writer, err);
}
static int rig_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    rig *r = self;
    return r->memory->ops->writer_append(r->memory->self, writer, parts, count, err);
}
static int rig_commit(void *self, void *writer, sdf_error **err)
{
    rig *r = self;
    return r->memory->ops->writer_commit(r->memory->self, writer, err);
}
static void rig_abort(void *self, void *writer)
{
    rig *r = self;
    r->memory->ops->writer_abort(r->memory->self, writer);
}
static int rig_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    rig *r = self;
    return r->memory->ops->read(r->memory->self, reads, count, err);
}
static int rig_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    rig *r = self;
    return r->memory->ops->head(r->memory->self, name, size, err);
}
static int rig_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    rig *r = self;
    return r->memory->ops->list(r->memory->self, prefix, callback, user, err);
}
static int rig_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    rig *r = self;
    return r->memory->ops->remove(r->memory->self, names, count, err);
}

static const sdf_store_ops rig_store = {.struct_size = sizeof rig_store,
                                        .version = SDF_STORE_VERSION,
                                        .scope = SDF_SCOPE_PROCESS,
                                        .writer_open = rig_writer_open,
                                        .writer_append = rig_append,
                                        .writer_commit = rig_commit,
                                        .writer_abort = rig_abort,
                                        .read = rig_read,
                                        .head = rig_head,
                                        .list = rig_list,
                                        .remove = rig_remove,
                                        .destroy = rig_destroy};

static int rig_count_one(const sdf_object_info *info, void *count)
{
    ++*(uint32_t *)count;
    return 0;
}

/* Objects whose names begin with sdf-CONTEXT/ and `rest`. */
static inline uint32_t rig_objects(rig *r, const char *rest)
{
    char prefix[2 * TASK_NAME_MAX];
    uint32_t count = 0;
    task_name_prefix(prefix, RIG_CONTEXT);
    strcat(prefix, rest);
    assert_int_equal(r->memory->ops->list(r->memory->self, prefix, rig_count_one, &count, NULL), SDF_OK);
    return count;
}

/* As if a worker had written it. */
static inline void rig_put(rig *r, const rig_call *c, const char *side)
{
    char name[TASK_NAME_MAX];
    const task_request *q = &c->request;
    if (side)
        task_name_side(name, RIG_CONTEXT, q->stage, q->task, q->leg, q->attempt, side);
    else
        task_name_object(name, RIG_CONTEXT, q->stage, q->task, q->leg, q->attempt);
    assert_int_equal(store_put(r->memory, name, "data", 4, NULL), SDF_OK);
}

/* ---- life ---- */

static int64_t rig_now(void *self)
{
    return ((rig *)self)->now;
}

static void rig_event(void *user, sdf_event *e)
{
    rig *r = user;
    if (sdf_event_get_kind(e) == SDF_EVENT_TASK_FAILED) {
        r->failures++;
        snprintf(r->last_failure, sizeof r->last_failure, "%s", sdf_event_json(e));
    }
    event_free(e);
}

static void rig_half_done(void *user, uint32_t stage)
{
    rig *r = user;
    r->half_done[r->half_done_count++] = stage;
}

/* A rig whose limits and refusals the test may still set. */
static inline rig *rig_new(void)
{
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->now = 1000000;
    r->clock = (timebase){rig_now, r};
    r->limits = (sdf_transport_limits){
        .struct_size = sizeof r->limits, .scope = SDF_SCOPE_PROCESS, .concurrency = 100, .slots_per_process = 1};
    assert_int_equal(store_open("mem:", &r->memory, NULL), SDF_OK);
    r->store = (store){&rig_store, r, (char *)"rig:", 1};
    r->transport = (transport){&rig_transport, r, (char *)"rig:"};
    return r;
}

static inline driver_config rig_config(rig *r)
{
    driver_config c = {.transport = &r->transport,
                       .store = &r->store,
                       .clock = &r->clock,
                       .context = RIG_CONTEXT,
                       .memory = 64 << 20,
                       .inline_limit = 65536,
                       .on_event = rig_event,
                       .on_half_done = rig_half_done,
                       .user = r};
    sched_config_init(&c.sched);
    c.sched.concurrency = 0;
    c.sched.retries = 1;
    c.sched.task_timeout_ms = 60000;
    c.sched.lease_grace_ms = 1000;
    return c;
}

static inline void rig_start_driver(rig *r)
{
    driver_config c = rig_config(r);
    assert_int_equal(driver_new(&c, &r->driver, NULL), SDF_OK);
    assert_true(r->started);
}

static inline void rig_free(rig *r)
{
    if (r->driver) {
        assert_int_equal(driver_free(r->driver), 0);
        assert_true(r->stopped);
    }
    assert_int_equal(rig_objects(r, ""), 0);
    for (uint32_t i = 0; i < r->call_count; i++) {
        task_request_clear(&r->calls[i].request);
        buf_free(&r->calls[i].bytes);
    }
    for (uint32_t i = 0; i < r->answer_count; i++)
        buf_free(&r->answers[i].response);
    for (uint32_t i = 0; i <= RIG_JOBS; i++)
        sdf_error_free(r->jobs[i].error);
    store_unref(r->memory);
    free(r);
}

static inline void rig_step(rig *r)
{
    assert_int_equal(driver_step(r->driver, 0, NULL), SDF_OK);
}

/* Lets time pass, in the steps that a driver's timers would make. */
static inline void rig_pass(rig *r, int64_t ms)
{
    for (int64_t end = r->now + ms; r->now < end;) {
        r->now += 100;
        rig_step(r);
    }
}

/* ---- plans ---- */

static inline plan *rig_plan(void)
{
    plan *p = plan_new();
    assert_non_null(p);
    p->program_id = strdup("program");
    p->compression = strdup("lz4");
    return p;
}

static inline void rig_label(char **label, const char *what, uint32_t id)
{
    char text[64];
    snprintf(text, sizeof text, "%s#%u", what, id);
    *label = strdup(text);
}

static inline void rig_branch_types(plan_branch *b, uint32_t id)
{
    rig_label(&b->input.label, "in", id);
    b->input.key_type = strdup("null");
    b->input.value_type = strdup("bytes");
}

/* A stage without branches. */
static inline plan_stage *rig_stage(plan *p, uint32_t id, uint32_t tasks, plan_output_kind output)
{
    plan_stage *s = plan_add_stage(p);
    s->id = id;
    s->tasks = tasks;
    rig_label(&s->label, "stage", id);
    rig_label(&s->output.label, "out", id);
    s->output.key_type = strdup("null");
    s->output.value_type = strdup("bytes");
    s->output.kind = output;
    return s;
}

static inline void rig_shuffles(plan_stage *s, uint32_t partitions, plan_partitioner how)
{
    s->output.partitions = partitions;
    s->output.partitioner = how;
}

static inline plan_branch *rig_files(plan_stage *s)
{
    plan_branch *b = plan_add_branch(s);
    rig_branch_types(b, s->id);
    b->input.kind = PLAN_INPUT_FILES;
    b->input.format.kind = PLAN_FORMAT_TEXT;
    return b;
}

static inline plan_branch *rig_reads_into(plan_branch *b, uint32_t id, uint32_t source)
{
    rig_branch_types(b, id);
    b->input.kind = PLAN_INPUT_SHUFFLE;
    b->input.read = PLAN_READ_CONCAT;
    b->input.source = source;
    b->input.stored_key_type = strdup("null");
    b->input.stored_value_type = strdup("bytes");
    return b;
}

static inline plan_branch *rig_reads(plan_stage *s, uint32_t source)
{
    return rig_reads_into(plan_add_branch(s), s->id, source);
}

static inline plan_op *rig_op(plan_branch *b, plan_op_kind kind)
{
    plan_op *op = plan_add_op(b);
    op->kind = kind;
    op->call.label = strdup("op#1");
    op->key_type = strdup("null");
    op->value_type = strdup("bytes");
    return op;
}

/* One split of a file for each task. */
static inline stage_pieces rig_splits(uint32_t tasks)
{
    stage_pieces x = {calloc(tasks, sizeof *x.pieces), calloc(tasks + 1, sizeof *x.first)};
    for (uint32_t i = 0; i < tasks; i++) {
        x.pieces[i] = (plan_piece){.partition = i, .split = {.path = strdup("/dev/null"), .length = 1}};
        x.first[i + 1] = i + 1;
    }
    return x;
}

/* pieces: of each stage, or NULL. */
static inline void rig_add(rig *r, plan *p, const stage_pieces *pieces)
{
    stage_pieces *taken = pieces ? malloc(p->stage_count * sizeof *taken) : NULL;
    if (pieces)
        memcpy(taken, pieces, p->stage_count * sizeof *taken);
    sdf_error *err = NULL;
    if (driver_add_plan(r->driver, p, taken, &err))
        fail_msg("%s", sdf_error_text(err));
}

/* Stage `id` reads text and shuffles, stage `id` + 1 reads that and gives `last`: RESULT, COUNT, FILE.
 * big: bytes of an argument, to make the plan large. */
static inline void rig_add_plan(rig *r, uint32_t id, uint32_t maps, uint32_t reduces, plan_output_kind last,
                                const char *uri, size_t big)
{
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, id, maps, PLAN_OUTPUT_SHUFFLE);
    rig_shuffles(s, reduces, PLAN_PARTITION_HASH);
    plan_branch *b = rig_files(s);
    if (big) {
        plan_op *op = rig_op(b, PLAN_OP_MAP);
        op->call.function = strdup("f");
        for (size_t i = 0; i < big; i++)
            assert_int_equal(buf_append(&op->call.arg, "x", 1), SDF_OK);
    }
    s = rig_stage(p, id + 1, reduces, last);
    rig_reads(s, id);
    if (last == PLAN_OUTPUT_FILE) {
        s->output.format.kind = PLAN_FORMAT_TEXT;
        s->output.uri = strdup(uri);
    }
    rig_add(r, p, (stage_pieces[]){rig_splits(maps), {0}});
}

static void rig_part(void *user, const driver_part *p)
{
    rig_job *j = user;
    j->parts++;
    snprintf(j->last_part, sizeof j->last_part, "%u.%u/%u a%llu %.*s", p->task, p->leg, p->legs,
             (unsigned long long)p->attempt, (int)p->inline_size, p->inline_bytes ? (const char *)p->inline_bytes : "");
}

static void rig_done(void *user, int status, sdf_error *err, const driver_totals *totals, uint64_t records)
{
    rig_job *j = user;
    assert_false(j->over);
    j->over = true;
    j->status = status;
    j->error = err;
    j->totals = *totals;
    j->records = records;
    assert_int_equal(sdf_error_code(err), status);
}

static inline int rig_wish(rig *r, uint32_t id, uint32_t stage, const char *uri, sdf_error **err)
{
    driver_job wish = {.id = id,
                       .stage = stage,
                       .limit = UINT64_MAX,
                       .output_uri = uri,
                       .part = rig_part,
                       .done = rig_done,
                       .user = &r->jobs[id]};
    return driver_submit(r->driver, &wish, err);
}

/* uri: of its output, NULL: none. */
static inline rig_job *rig_submit_save(rig *r, uint32_t id, uint32_t stage, const char *uri)
{
    sdf_error *err = NULL;
    if (rig_wish(r, id, stage, uri, &err))
        fail_msg("%s", sdf_error_text(err));
    return &r->jobs[id];
}

static inline rig_job *rig_submit_job(rig *r, uint32_t id, uint32_t stage)
{
    return rig_submit_save(r, id, stage, NULL);
}

/* ---- answers ---- */

static inline rig_call *rig_last(rig *r, uint32_t stage, uint32_t task)
{
    for (uint32_t i = r->call_count; i-- > 0;)
        if (r->calls[i].request.stage == stage && r->calls[i].request.task == task)
            return &r->calls[i];
    fail_msg("stage %u task %u was not submitted", stage, task);
    return NULL;
}

static inline uint32_t rig_submitted(const rig *r, uint32_t stage)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->call_count; i++)
        count += r->calls[i].request.stage == stage;
    return count;
}

static inline void rig_answer_bytes(rig *r, uint64_t id, int status, const void *data, size_t size)
{
    assert_true(r->answer_count < RIG_CALLS);
    rig_answer *a = &r->answers[r->answer_count++];
    *a = (rig_answer){.id = id, .status = status};
    assert_int_equal(buf_append(&a->response, data, size), SDF_OK);
}

static inline void rig_answer_reply(rig *r, rig_call *c, const task_reply *reply)
{
    buf b = BUF_EMPTY;
    assert_int_equal(task_reply_encode(reply, &b), SDF_OK);
    rig_answer_bytes(r, c->id, SDF_OK, b.data, b.size);
    buf_free(&b);
    c->answered = true;
}

static inline task_reply rig_reply(const rig_call *c)
{
    return (task_reply){.kind = TASK_RUN,
                        .job = c->request.job,
                        .stage = c->request.stage,
                        .task = c->request.task,
                        .leg = c->request.leg,
                        .attempt = c->request.attempt,
                        .program_id = "program",
                        .records = 1,
                        .metrics = {.records_in = 10, .wall_us = 1}};
}

/* An index of one extent in each partition. */
static inline void rig_index(uint32_t partitions, buf *out)
{
    shuffle_index x = {.partitions = partitions, .count = partitions, .fingerprint = 5};
    x.extents = calloc(partitions, sizeof *x.extents);
    for (uint32_t i = 0; i < partitions; i++)
        x.extents[i] = (index_extent){i, OBJECT_HEADER_BYTES + 100ull * i, 100, 90, 3, 90};
    assert_int_equal(shuffle_index_encode(&x, out), SDF_OK);
    shuffle_index_clear(&x);
}

/* Of an object that was written before. */
static inline void rig_answer_map(rig *r, rig_call *c, uint32_t partitions)
{
    buf index = BUF_EMPTY;
    rig_index(partitions, &index);
    task_reply reply = rig_reply(c);
    reply.index = buf_slice(&index);
    reply.fingerprint = 5;
    reply.object_bytes = OBJECT_HEADER_BYTES + 100ull * partitions;
    rig_answer_reply(r, c, &reply);
    buf_free(&index);
}

static inline void rig_commit_map(rig *r, rig_call *c, uint32_t partitions)
{
    rig_put(r, c, NULL);
    rig_answer_map(r, c, partitions);
}

static inline void rig_commit_result(rig *r, rig_call *c, const char *text)
{
    task_reply reply = rig_reply(c);
    reply.result = (sdf_slice){text, strlen(text)};
    rig_answer_reply(r, c, &reply);
}

static inline void rig_fail(rig *r, rig_call *c, failure_class failure, const char *why)
{
    task_reply reply = rig_reply(c);
    reply.failure = failure;
    error_set(&reply.error, SDF_E_USER, "%s", why);
    rig_answer_reply(r, c, &reply);
    sdf_error_free(reply.error);
}

/* Answers all maps of a stage, and steps. */
static inline void rig_commit_maps(rig *r, uint32_t stage, uint32_t maps, uint32_t reduces)
{
    for (uint32_t t = 0; t < maps; t++)
        rig_commit_map(r, rig_last(r, stage, t), reduces);
    rig_step(r);
}

#endif
