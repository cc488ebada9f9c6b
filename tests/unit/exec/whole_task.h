/* A task run whole, from its pieces to a part of an output folder, which is published and read back. */
#ifndef TESTS_EXEC_WHOLE_TASK_H
#define TESTS_EXEC_WHOLE_TASK_H

#include "harness.h"

#include "base/path.h"
#include "exec/chain.h"
#include "exec/exec.h"
#include "store/output.h"

#define TASK_BRANCHES 4
#define TASK_OPS      4
#define TASK_PIECES   40

typedef struct whole_task {
    harness h;
    plan plan;
    plan_branch branches[TASK_BRANCHES];
    plan_op ops[TASK_BRANCHES][TASK_OPS];
    task_piece pieces[TASK_PIECES];
    task_reply reply;
    exec_result result;
    buf text, errors, start; /* what the part and the diverted records are; where the next leg begins */
    char dir[64], out[96];
} whole_task;

/* Branch 0 is there: lines, no operators. */
static inline void whole_init(whole_task *t, uint64_t memory)
{
    memset(t, 0, sizeof *t);
    harness_init(&t->h, memory);
    snprintf(t->dir, sizeof t->dir, "/tmp/sdf-task-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->out, sizeof t->out, "%s/out", t->dir);
    for (int i = 0; i < TASK_BRANCHES; i++)
        t->branches[i] = (plan_branch){.input = {.kind = PLAN_INPUT_FILES,
                                                 .label = (char *)"lines#1",
                                                 .key_type = (char *)"null",
                                                 .value_type = (char *)"bytes",
                                                 .format.kind = PLAN_FORMAT_TEXT},
                                       .ops = t->ops[i]};
    t->h.stage.id = 2;
    t->h.stage.branches = t->branches;
    t->h.stage.branch_count = 1;
    t->h.stage.output = (plan_output){.kind = PLAN_OUTPUT_FILE,
                                      .label = (char *)"save#9",
                                      .key_type = (char *)"null",
                                      .value_type = (char *)"bytes",
                                      .format.kind = PLAN_FORMAT_TEXT,
                                      .uri = t->out};
    t->h.request.stage = 2;
    t->h.request.output_token = (char *)"job1";
    t->h.request.pieces = t->pieces;
    t->h.request.block_bytes = 4096;
    t->h.request.inline_limit = 1 << 20;
    t->plan.compression = (char *)"none";
    t->plan.errors_uri = t->out;
    t->h.env.plan = &t->plan;
    t->h.env.scratch_dir = t->dir;
}

/* The next operator of a branch. */
static inline plan_op *whole_op(whole_task *t, uint32_t branch, plan_op_kind kind, const char *name, const char *key,
                                const char *value)
{
    plan_branch *b = &t->branches[branch];
    plan_op *o = &b->ops[b->op_count++];
    *o = (plan_op){.kind = kind, .key_type = (char *)key, .value_type = (char *)value};
    o->call = (plan_call){.function = (char *)name, .version = 1, .label = (char *)"op#2"};
    t->h.stage.output.key_type = (char *)key;
    t->h.stage.output.value_type = (char *)value;
    if (t->h.stage.branch_count <= branch)
        t->h.stage.branch_count = branch + 1;
    return o;
}

/* The next piece: a file with this text. */
static inline task_piece *whole_piece(whole_task *t, uint32_t branch, const char *text)
{
    uint32_t i = t->h.request.piece_count++;
    char name[96];
    snprintf(name, sizeof name, "%s/in%u", t->dir, i);
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    t->pieces[i] = (task_piece){.branch = branch,
                                .partition = i,
                                .split = {.path = strdup(name), .length = strlen(text), .file_size = strlen(text)}};
    if (t->h.stage.branch_count <= branch)
        t->h.stage.branch_count = branch + 1;
    return &t->pieces[i];
}

static inline void whole_read(const char *dir, const char *name, buf *to)
{
    char path[256];
    uint8_t bytes[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;)
        assert_int_equal(buf_append(to, bytes, n), SDF_OK);
    fclose(f);
}

/* Runs a leg. What it writes is appended to t->text and t->errors; nothing is left of what fails. */
static inline int whole_run(whole_task *t, sdf_error **err)
{
    output *out;
    bool file = t->h.stage.output.kind == PLAN_OUTPUT_FILE;
    assert_int_equal(output_begin(t->out, "job1", false, &out, NULL), SDF_OK);
    task_reply_clear(&t->reply);
    exec_result_free(&t->result);
    memset(&t->reply, 0, sizeof t->reply);
    int rc = exec_run(&t->h.env, &t->reply, &t->result, err);
    assert_int_equal(t->h.budget.used, 0);
    assert_null(t->h.env.leg);
    if (rc) {
        char left[160];
        snprintf(left, sizeof left, "%s/_temporary", t->out);
        rmdir(left); /* fails, and so does the next check, if there is something in it */
        assert_int_not_equal(access(left, F_OK), 0);
        output_abort(out);
        return rc;
    }
    task_reply *r = &t->reply;
    if (file)
        assert_int_equal(output_publish(out, r->file_temp, r->file_final, r->file_bytes, r->records, NULL), SDF_OK);
    if (r->errors_temp)
        assert_int_equal(output_publish(out, r->errors_temp, r->errors_final, r->errors_bytes, r->errors_records, NULL),
                         SDF_OK);
    assert_int_equal(output_finish(out, NULL), SDF_OK);
    if (file)
        whole_read(t->out, r->file_final, &t->text);
    if (r->errors_temp)
        whole_read(t->out, r->errors_final, &t->errors);
    path_remove_tree(t->out, NULL);
    return SDF_OK;
}

static inline bool whole_next_leg(whole_task *t)
{
    buf_clear(&t->start);
    assert_int_equal(buf_append(&t->start, t->reply.cut.data, t->reply.cut.size), SDF_OK);
    t->h.request.cut_start = buf_slice(&t->start);
    t->h.request.leg++;
    return t->start.size > 0;
}

static inline void whole_end(whole_task *t)
{
    for (uint32_t i = 0; i < t->h.request.piece_count; i++)
        free(t->pieces[i].split.path);
    task_reply_clear(&t->reply);
    exec_result_free(&t->result);
    buf_free(&t->text);
    buf_free(&t->errors);
    buf_free(&t->start);
    path_remove_tree(t->dir, NULL);
}

#define assert_text(b, literal) assert_bytes(b, literal, strlen(literal))

#endif
