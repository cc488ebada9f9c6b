/* The bench of the transport conformance suite: a host for the transport that writes down what it is told. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/function.h>

#include "base/error.h"
#include "base/timebase.h"
#include "transport/conformance.h"

#define BENCH_MEMORY (UINT64_C(64) << 20)
/* What comes later, an older transport may not know. */
#define RESULT_LEAST (offsetof(sdf_invocation_result, log) + sizeof(char *))

bool bench_fail(bench *b, const char *format, ...)
{
    if (!b->why[0]) {
        va_list args;
        va_start(args, format);
        vsnprintf(b->why, sizeof(b->why), format, args);
        va_end(args);
    }
    return false;
}

static bool bench_failed_call(bench *b, const char *op, int rc, sdf_error *err)
{
    bench_fail(b, "%s: %s: %s", op, sdf_status_name(rc), sdf_error_message(err));
    sdf_error_free(err);
    return false;
}

int64_t bench_now_ms(void)
{
    return timebase_monotonic_us() / 1000;
}

static void bench_done(void *host, const sdf_invocation_result *r)
{
    bench *b = host;
    if (!b->polling || !pthread_equal(b->driver, pthread_self()))
        bench_fail(b, "done was called outside poll, or on another thread");
    if (b->stopped)
        bench_fail(b, "done was called after stop");
    if (r->struct_size < RESULT_LEAST)
        bench_fail(b, "a result has the struct_size %zu", r->struct_size);
    if (r->id < b->first_id || r->id - b->first_id >= b->count) {
        bench_fail(b, "id %" PRIu64 " was answered, which was never submitted", r->id);
        return;
    }
    bench_call *c = &b->calls[r->id - b->first_id];
    if (c->answers++ > 0) {
        bench_fail(b, "id %" PRIu64 " was answered twice", r->id);
        return;
    }
    b->answered++;
    c->status = r->status;
    if (buf_append(&c->response, r->response.data, r->response.size))
        bench_fail(b, "no memory");
    if (r->status > 0 || r->status < -1000)
        bench_fail(b, "id %" PRIu64 " was answered with %d, which is no status", r->id, r->status);
    if (c->status != SDF_OK &&
        buf_append(&c->response, r->message ? r->message : "", r->message ? strlen(r->message) : 0))
        bench_fail(b, "no memory");
    buf_free(&c->request); /* from here on the transport must not read it */
}

static void bench_warn(void *host, const char *message)
{
    (void)host;
    (void)message;
}

bool bench_open(bench *b)
{
    sdf_error *err = NULL;
    const char *scratch = getenv("TMPDIR");
    b->driver = pthread_self();
    b->stopped = false;
    int rc = transport_open(b->uri, &b->transport, &err);
    if (rc)
        return bench_failed_call(b, "open", rc, err);
    const sdf_transport_host host = {.struct_size = sizeof(host),
                                     .host = b,
                                     .done = bench_done,
                                     .warn = bench_warn,
                                     .memory = BENCH_MEMORY,
                                     .scratch_dir = scratch ? scratch : "/tmp",
                                     .store_uri = b->store_uri,
                                     .store = b->store,
                                     .program_id = sdf_program_id()};
    rc = b->transport->ops->start(b->transport->self, &host, &err);
    if (!rc) {
        b->limits = (sdf_transport_limits){.struct_size = sizeof(b->limits)};
        rc = b->transport->ops->limits(b->transport->self, &b->limits, &err);
        if (!rc)
            return true;
        b->transport->ops->stop(b->transport->self);
    }
    transport_close(b->transport);
    b->transport = NULL;
    return bench_failed_call(b, "start or limits", rc, err);
}

static void drop_calls(bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        buf_free(&b->calls[i].request);
        buf_free(&b->calls[i].response);
    }
    free(b->calls);
    b->first_id += b->count;
    b->calls = NULL;
    b->count = b->answered = 0;
}

bool bench_close(bench *b)
{
    int hung = 0;
    if (b->transport) {
        hung = b->transport->ops->stop(b->transport->self);
        b->stopped = true;
        transport_close(b->transport);
        b->transport = NULL;
    }
    drop_calls(b);
    if (hung)
        return bench_fail(b, "%d workers could not be ended", hung);
    return true;
}

bool bench_calls(bench *b, size_t count)
{
    drop_calls(b);
    if (!b->first_id)
        b->first_id = 1000;
    b->calls = calloc(count, sizeof(*b->calls));
    if (!b->calls)
        return bench_fail(b, "no memory");
    b->count = count;
    for (size_t i = 0; i < count; i++)
        b->calls[i].id = b->first_id + i;
    return true;
}

bool bench_probe(bench *b, size_t i, const char *echo, uint32_t sleep_ms, uint64_t bytes)
{
    bench_call *c = &b->calls[i];
    const task_request q = {.kind = TASK_PROBE,
                            .context = 1,
                            .stage = 1,
                            .attempt = c->id,
                            .store_uri = (char *)(uintptr_t)b->store_uri,
                            .scratch_dir = (char *)(uintptr_t) "",
                            .program_id = (char *)(uintptr_t)sdf_program_id(),
                            .memory = BENCH_MEMORY / 4,
                            .limit = UINT64_MAX,
                            .probe_sleep_ms = sleep_ms,
                            .probe_bytes = bytes,
                            .probe_echo = {echo, strlen(echo)}};
    buf_clear(&c->request);
    if (task_request_encode(&q, &c->request))
        return bench_fail(b, "a probe could not be encoded");
    return true;
}

bool bench_submit(bench *b, size_t i, int64_t deadline_ms)
{
    int64_t until = bench_now_ms() + BENCH_PATIENCE_MS;
    for (;;) {
        sdf_error *err = NULL;
        sdf_slice request = buf_slice(&b->calls[i].request);
        int rc = b->transport->ops->submit(b->transport->self, b->calls[i].id, &request, deadline_ms, &err);
        if (rc == SDF_OK)
            return true;
        if (rc != SDF_E_BUSY)
            return bench_failed_call(b, "submit", rc, err);
        sdf_error_free(err);
        if (bench_now_ms() > until)
            return bench_fail(b, "submit said SDF_E_BUSY for %d s", BENCH_PATIENCE_MS / 1000);
        if (!bench_poll(b, 10))
            return false;
    }
}

bool bench_poll(bench *b, int timeout_ms)
{
    sdf_error *err = NULL;
    b->polling = true;
    int rc = b->transport->ops->poll(b->transport->self, timeout_ms, &err);
    b->polling = false;
    return rc ? bench_failed_call(b, "poll", rc, err) : !b->why[0];
}

bool bench_wait(bench *b, size_t expected, int64_t patience_ms)
{
    int64_t until = bench_now_ms() + patience_ms;
    while (b->answered < expected) {
        int64_t left = until - bench_now_ms();
        if (left <= 0)
            return bench_fail(b, "%zu of %zu invocations were answered within %" PRId64 " ms", b->answered, expected,
                              patience_ms);
        if (!bench_poll(b, (int)left))
            return false;
    }
    return true;
}

int bench_failure(const bench *b, size_t i)
{
    const bench_call *c = &b->calls[i];
    task_reply r = {0};
    if (c->status != SDF_OK || task_reply_decode(c->response.data, c->response.size, &r, NULL))
        return -1;
    int failure = (int)r.failure;
    task_reply_clear(&r);
    return failure;
}

bool bench_check_echo(bench *b, size_t i, const char *echo, uint64_t bytes)
{
    const bench_call *c = &b->calls[i];
    sdf_error *err = NULL;
    task_reply r = {0};
    if (c->answers == 0)
        return bench_fail(b, "a probe was not answered");
    if (c->status != SDF_OK)
        return bench_fail(b, "a probe was answered with %s: %.*s", sdf_status_name(c->status), (int)c->response.size,
                          c->response.data ? (const char *)c->response.data : "");
    int rc = task_reply_decode(c->response.data, c->response.size, &r, &err);
    if (rc)
        return bench_failed_call(b, "the reply to a probe", rc, err);
    size_t n = strlen(echo);
    bool good =
        r.failure == FAILURE_NONE && r.attempt == c->id && r.probe.size == n + bytes && !memcmp(r.probe.data, echo, n);
    for (size_t k = n; good && k < r.probe.size; k++)
        good = ((const char *)r.probe.data)[k] == 0;
    if (!good)
        bench_fail(b, "a probe's reply has failure %d, attempt %" PRIu64 " and %zu bytes: %s", (int)r.failure,
                   r.attempt, r.probe.size, sdf_error_message(r.error));
    task_reply_clear(&r);
    return good;
}

bool bench_round(bench *b, const char *echo)
{
    return bench_calls(b, 1) && bench_probe(b, 0, echo, 0, 0) && bench_submit(b, 0, 0) &&
           bench_wait(b, 1, BENCH_PATIENCE_MS) && bench_check_echo(b, 0, echo, 0);
}
