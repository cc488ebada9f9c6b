/* fault: does what it is told, equally often for equal seeds, and answers everything once whatever it does. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sdf/sdf.h>

#include "transport/conformance.h"

#define CALLS 300

static store *memory_store;

static void open_bench(bench *b, const char *uri)
{
    *b = (bench){.uri = uri, .store_uri = "mem:", .store = memory_store};
    if (!bench_open(b))
        fail_msg("%s: %s", uri, b->why);
}

static void good(bench *b, bool ok)
{
    if (!ok || b->why[0])
        fail_msg("%s: %s", b->uri, b->why);
}

/* Runs CALLS probes; outcome i becomes a letter of text. */
static void run(const char *uri, int64_t deadline_ms, char text[CALLS + 1])
{
    bench b;
    open_bench(&b, uri);
    good(&b, bench_calls(&b, CALLS));
    for (size_t i = 0; i < CALLS; i++)
        good(&b, bench_probe(&b, i, "x", 0, 0) && bench_submit(&b, i, deadline_ms));
    good(&b, bench_wait(&b, CALLS, 20000) && bench_poll(&b, 0) && bench_poll(&b, 30));
    for (size_t i = 0; i < CALLS; i++) {
        int s = b.calls[i].status;
        text[i] = s == SDF_OK            ? '.'
                  : s == SDF_E_LOST      ? 'L'
                  : s == SDF_E_THROTTLED ? 't'
                  : s == SDF_E_TIMEOUT   ? 'T'
                                         : '?';
        if (s == SDF_OK)
            good(&b, bench_check_echo(&b, i, "x", 0));
    }
    text[CALLS] = 0;
    good(&b, bench_close(&b));
}

static size_t count(const char *text, char letter)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == letter;
    return n;
}

static void test_same_seed_same_faults(void **state)
{
    char one[CALLS + 1], two[CALLS + 1], other[CALLS + 1];
    run("fault:seed=5,crash=0.2,throttle=0.1,double=0.3,refuse=0.1:threads:2", 0, one);
    run("fault:seed=5,crash=0.2,throttle=0.1,double=0.3,refuse=0.1:threads:3", 0, two);
    run("fault:seed=6,crash=0.2,throttle=0.1,double=0.3,refuse=0.1:threads:2", 0, other);
    assert_string_equal(one, two);
    assert_string_not_equal(one, other);
    assert_in_range(count(one, 'L'), CALLS / 10, CALLS / 3);
    assert_in_range(count(one, 't'), CALLS / 30, CALLS / 5);
    assert_int_equal(count(one, '.') + count(one, 'L') + count(one, 't'), CALLS);
}

static void test_certain(void **state)
{
    char text[CALLS + 1];
    run("fault:crash=1:threads:2", 0, text);
    assert_int_equal(count(text, 'L'), CALLS);
    run("fault:throttle=1:threads:2", 0, text);
    assert_int_equal(count(text, 't'), CALLS);
    run("fault:double=1:threads:2", 0, text);
    assert_int_equal(count(text, '.'), CALLS);
    run("fault:reorder=1:threads:2", 0, text);
    assert_int_equal(count(text, '.'), CALLS);
    run("fault:delay=1,delay_ms=20:threads:2", 0, text);
    assert_int_equal(count(text, '.'), CALLS);
    run("fault:lose=1,lose_after_ms=5:threads:2", 0, text);
    assert_int_equal(count(text, 'L'), CALLS);
    run("fault:lose=1:threads:2", 5, text); /* at the deadline */
    assert_int_equal(count(text, 'L'), CALLS);
    run("fault:delay=1,delay_ms=60000:threads:2", 5, text);
    assert_true(count(text, 'T') > CALLS / 2);
}

static void test_refuse(void **state)
{
    bench b;
    sdf_slice request = {"x", 1};
    open_bench(&b, "fault:refuse=1:threads:1");
    for (int i = 0; i < 10; i++)
        assert_int_equal(b.transport->ops->submit(b.transport->self, 1, &request, 0, NULL), SDF_E_BUSY);
    good(&b, bench_close(&b));
}

static void test_all_at_once_over_processes(void **state)
{
    char text[CALLS + 1];
    run("fault:seed=11,crash=0.1,lose=0.1,lose_after_ms=30,delay=0.2,delay_ms=20,reorder=0.2,double=0.2,throttle=0.1,"
        "refuse=0.1:"
        "process:2?stderr=capture",
        0, text);
    assert_true(count(text, 'L') > CALLS / 10);
    assert_true(count(text, '.') > CALLS / 3);
    assert_int_equal(count(text, '?'), 0);
}

static void test_cancel_held_back(void **state)
{
    const char *uris[] = {"fault:delay=1,delay_ms=3600000,seed=3:threads:1",
                          "fault:lose=1,lose_after_ms=3600000:threads:1",
                          "fault:lose=1,double=1,lose_after_ms=3600000:threads:2"};
    for (size_t i = 0; i < 3; i++) {
        bench b;
        open_bench(&b, uris[i]);
        good(&b, bench_calls(&b, 1) && bench_probe(&b, 0, "x", 0, 0) && bench_submit(&b, 0, 0) && bench_poll(&b, 50) &&
                     bench_poll(&b, 20));
        assert_int_equal(b.answered, 0);
        b.transport->ops->cancel(b.transport->self, b.calls[0].id);
        good(&b, bench_wait(&b, 1, 1000));
        assert_int_equal(b.calls[0].status, SDF_E_CANCELLED);
        good(&b, bench_close(&b));
    }
}

static void test_stop_with_held_back(void **state)
{
    bench b;
    open_bench(&b, "fault:delay=1,delay_ms=3600000:fault:double=1:threads:2");
    good(&b, bench_calls(&b, 4));
    for (size_t i = 0; i < 4; i++)
        good(&b, bench_probe(&b, i, "x", i % 2 ? 0 : 5000, 0) && bench_submit(&b, i, 0));
    good(&b, bench_poll(&b, 20) && bench_close(&b));
}

/* ---- over a transport of the host's, whose header is older ---- */

typedef struct old_transport {
    sdf_transport_host host;
    uint64_t id;
} old_transport;

static int old_open(const char *rest, void *user, void **self, sdf_error **err)
{
    *self = calloc(1, sizeof(old_transport));
    return SDF_OK;
}
static int old_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    limits->scope = SDF_SCOPE_PROCESS;
    limits->concurrency = limits->slots_per_process = 1;
    return SDF_OK;
}
static int old_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    ((old_transport *)self)->host = *host;
    return SDF_OK;
}
static int old_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    ((old_transport *)self)->id = id;
    return SDF_OK;
}
/* Its results end after the log: what comes then is not its to give, nor ours to read. */
static int old_poll(void *self, int timeout_ms, sdf_error **err)
{
    old_transport *t = self;
    size_t size = offsetof(sdf_invocation_result, billed_ms);
    sdf_invocation_result *r = t->id ? calloc(1, size) : NULL;
    if (!r)
        return SDF_OK;
    char message[] = "not today", log[] = "a line";
    const sdf_invocation_result known = {
        .struct_size = size, .id = t->id, .status = SDF_E_IO, .message = message, .log = log};
    memcpy(r, &known, size);
    t->id = 0;
    t->host.done(t->host.host, r);
    free(r);
    return SDF_OK;
}
static void old_wake(void *self)
{
}
static void old_cancel(void *self, uint64_t id)
{
}
static int old_stop(void *self)
{
    return 0;
}

static void old_done(void *host, const sdf_invocation_result *r)
{
    assert_int_equal(r->struct_size, sizeof(*r));
    assert_int_equal(r->status, SDF_E_IO);
    assert_string_equal(r->message, "not today");
    assert_string_equal(r->log, "a line");
    assert_null(r->hint);
    assert_int_equal(r->billed_ms, 0);
    ++*(int *)host;
}

static void test_older_header(void **state)
{
    static const sdf_transport_ops ops = {
        sizeof(ops), SDF_TRANSPORT_VERSION, old_limits, old_start, old_submit, old_poll, old_wake, old_cancel, old_stop,
        free};
    int answers = 0;
    transport *t = NULL;
    const sdf_transport_host host = {.struct_size = sizeof(host), .host = &answers, .done = old_done};
    sdf_slice request = {"x", 1};
    assert_int_equal(sdf_transport_register("old", &ops, old_open, NULL, NULL), SDF_OK);
    assert_int_equal(transport_open("fault:double=1:old:", &t, NULL), SDF_OK);
    assert_int_equal(t->ops->start(t->self, &host, NULL), SDF_OK);
    assert_int_equal(t->ops->submit(t->self, 5, &request, 0, NULL), SDF_OK);
    assert_int_equal(t->ops->poll(t->self, 0, NULL), SDF_OK);
    assert_int_equal(answers, 1);
    assert_int_equal(t->ops->stop(t->self), 0);
    transport_close(t);
}

int main(void)
{
    if (sdf_worker_requested())
        return sdf_worker_main();
    if (store_open("mem:", &memory_store, NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_faults),
        cmocka_unit_test(test_certain),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_all_at_once_over_processes),
        cmocka_unit_test(test_cancel_held_back),
        cmocka_unit_test(test_stop_with_held_back),
        cmocka_unit_test(test_older_header),
    };
    int rc = cmocka_run_group_tests_name("transport faults", tests, NULL, NULL);
    store_unref(memory_store);
    return rc;
}
