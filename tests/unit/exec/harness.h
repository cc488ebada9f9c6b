/* What the tests of this room share: an environment without a worker, and an operator that remembers what it is given.
 */
#ifndef TESTS_EXEC_HARNESS_H
#define TESTS_EXEC_HARNESS_H

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
#include "exec/op.h"

typedef struct harness {
    task_request request;
    plan_stage stage;
    budget budget;
    task_env env;
} harness;

static inline void harness_init(harness *h, uint64_t memory)
{
    memset(h, 0, sizeof *h);
    budget_init(&h->budget, memory);
    h->request.context = 7;
    h->request.limit = UINT64_MAX;
    h->stage.tasks = 1;
    h->env.request = &h->request;
    h->env.stage = &h->stage;
    h->env.budget = &h->budget;
    h->env.clock = &timebase_real;
}

/* Collects records as text: key, 0x1f, value, 0x1e. Numbers as 8 raw bytes. */
typedef struct collector {
    op base;
    buf text;
    size_t records, batches, finished, largest;
    size_t stop_after; /* records; 0: never */
    int fail;          /* a status to fail with at the next push */
} collector;

static inline int collector_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    collector *c = (collector *)self;
    if (c->fail)
        return error_set(err, c->fail, "the collector was told to fail");
    assert_true(batch->count > 0 && batch->count <= SDF_BATCH_MAX);
    c->batches++;
    c->records += batch->count;
    if (batch->count > c->largest)
        c->largest = batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice k, v;
        sdf_batch_get(batch, SDF_KEY, i, &k);
        sdf_batch_get(batch, SDF_VALUE, i, &v);
        assert_int_equal(buf_append(&c->text, k.data, k.size), SDF_OK);
        assert_int_equal(buf_append(&c->text, "\x1f", 1), SDF_OK);
        assert_int_equal(buf_append(&c->text, v.data, v.size), SDF_OK);
        assert_int_equal(buf_append(&c->text, "\x1e", 1), SDF_OK);
    }
    return c->stop_after && c->records >= c->stop_after ? OP_STOP : SDF_OK;
}

static inline int collector_finish(op *self, sdf_error **err)
{
    ((collector *)self)->finished++;
    return SDF_OK;
}

static inline void collector_close(op *self)
{
}

static inline void collector_init(collector *c, harness *h)
{
    memset(c, 0, sizeof *c);
    c->base = (op){.push = collector_push, .finish = collector_finish, .close = collector_close, .env = &h->env};
}

static inline void collector_reset(collector *c)
{
    buf_clear(&c->text);
    c->records = c->batches = c->finished = c->largest = 0;
}

#define assert_collected(c, literal) assert_bytes(&(c)->text, literal, sizeof(literal) - 1)
static inline void assert_bytes(const buf *b, const void *data, size_t size)
{
    assert_int_equal(b->size, size);
    if (size)
        assert_memory_equal(b->data, data, size);
}

/* A file in the system's folder for temporary ones; the caller frees the name and removes the file. */
static inline char *harness_file(const void *data, size_t size)
{
    char name[] = "/tmp/sdf-exec-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
    return strdup(name);
}

static inline sdf_slice text_slice(const char *text)
{
    return (sdf_slice){text, strlen(text)};
}

#endif
