/* The conformance suite that every transport passes, at the level of the vtable: what the contract in
 * sdf/sys/transport.h says, case by case. The workers answer probes; no plan or data is involved. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sdf/function.h>
#include <sdf/sys/conformance.h>

#include "base/error.h"
#include "base/timebase.h"
#include "transport/conformance.h"
#include "transport/conformance_functions.h"

#define SLOW_MS   10000 /* a probe that sleeps so long has not ended by itself when a case is over */
#define BIG_BYTES (UINT64_C(8) << 20)

static bool case_destroy_unstarted(bench *b)
{
    transport *t = NULL;
    sdf_error *err = NULL;
    int rc = transport_open(b->uri, &t, &err);
    sdf_transport_limits limits = {.struct_size = sizeof(limits)};
    if (!rc)
        rc = t->ops->limits(t->self, &limits, &err);
    if (rc)
        bench_fail(b, "open or limits before start: %s", sdf_error_message(err));
    sdf_error_free(err);
    transport_close(t);
    if (rc)
        return false;
    if (limits.concurrency < 1 || limits.slots_per_process < 1 || limits.scope < SDF_SCOPE_PROCESS ||
        limits.scope > SDF_SCOPE_NETWORK || limits.max_duration_ms < 0)
        return bench_fail(b, "limits make no sense: concurrency %u, slots %u, scope %u", limits.concurrency,
                          limits.slots_per_process, limits.scope);
    return true;
}

static bool case_stop_unused(bench *b)
{
    return bench_open(b);
}

static bool case_echo(bench *b)
{
    return bench_open(b) && bench_round(b, "hello") && bench_round(b, "") && bench_round(b, "again");
}

static bool answer_many(bench *b, size_t count)
{
    char echo[32];
    if (!bench_calls(b, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        snprintf(echo, sizeof(echo), "number %zu", i);
        if (!bench_probe(b, i, echo, 0, 0) || !bench_submit(b, i, i % 2 ? BENCH_PATIENCE_MS : 0))
            return false;
    }
    if (!bench_wait(b, count, BENCH_PATIENCE_MS))
        return false;
    for (size_t i = 0; i < count; i++) {
        snprintf(echo, sizeof(echo), "number %zu", i);
        if (!bench_check_echo(b, i, echo, 0))
            return false;
    }
    /* Whatever else would come now comes too often. */
    return bench_poll(b, 0) && bench_poll(b, 20);
}

static bool case_once_each_100(bench *b)
{
    return bench_open(b) && answer_many(b, 100);
}

static bool case_once_each_10000(bench *b)
{
    if (!bench_open(b))
        return false;
    int64_t start = bench_now_ms();
    bool ok = answer_many(b, 100);
    int64_t each_us = (bench_now_ms() - start) * 10;
    return ok && answer_many(b, each_us > 1000 ? 1000 : 10000); /* a far and slow transport is spared */
}

static bool case_more_than_places(bench *b)
{
    if (!bench_open(b))
        return false;
    size_t count = 3 * (size_t)(b->limits.concurrency < 64 ? b->limits.concurrency : 64) + 1;
    if (!bench_calls(b, count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!bench_probe(b, i, "slowly", 20, 0) || !bench_submit(b, i, 0))
            return false;
    if (!bench_wait(b, count, BENCH_PATIENCE_MS))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!bench_check_echo(b, i, "slowly", 0))
            return false;
    return true;
}

/* Slow ones must not hold up quick ones where there is a place for both. */
static bool case_parallel(bench *b)
{
    if (!bench_open(b) || b->limits.concurrency < 2)
        return !b->why[0];
    if (!bench_round(b, "warm") || !bench_calls(b, 2) || !bench_probe(b, 0, "slow", 600, 0) ||
        !bench_probe(b, 1, "quick", 0, 0) || !bench_submit(b, 0, 0) || !bench_submit(b, 1, 0))
        return false;
    if (!bench_wait(b, 1, BENCH_PATIENCE_MS))
        return false;
    if (!b->calls[1].answers)
        return bench_fail(b, "a quick task waited for a slow one although there are %u places", b->limits.concurrency);
    return bench_wait(b, 2, BENCH_PATIENCE_MS) && bench_check_echo(b, 0, "slow", 0);
}

static uint64_t at_most(uint64_t limit, uint64_t spare)
{
    return limit && limit < BIG_BYTES + spare ? limit - spare : BIG_BYTES;
}

static bool case_big_request(bench *b)
{
    if (!bench_open(b) || !bench_calls(b, 1))
        return false;
    size_t size = (size_t)at_most(b->limits.max_request, 1024) / 2; /* the echo comes back: response limit too */
    size_t most = (size_t)at_most(b->limits.max_response, 1024) / 2;
    char *echo = malloc((size < most ? size : most) + 1);
    if (!echo)
        return bench_fail(b, "no memory");
    size = size < most ? size : most;
    for (size_t i = 0; i < size; i++)
        echo[i] = (char)('a' + i % 23);
    echo[size] = 0;
    bool ok = bench_probe(b, 0, echo, 0, 0) && bench_submit(b, 0, 0) && bench_wait(b, 1, BENCH_PATIENCE_MS) &&
              bench_check_echo(b, 0, echo, 0);
    free(echo);
    return ok && bench_round(b, "small");
}

static bool case_big_response(bench *b)
{
    if (!bench_open(b) || !bench_calls(b, 1))
        return false;
    uint64_t bytes = at_most(b->limits.max_response, 1024);
    return bench_probe(b, 0, "zeros", 0, bytes) && bench_submit(b, 0, 0) && bench_wait(b, 1, BENCH_PATIENCE_MS) &&
           bench_check_echo(b, 0, "zeros", bytes) && bench_round(b, "small");
}

static bool case_deadline(bench *b)
{
    if (!bench_open(b) || !bench_round(b, "warm") || !bench_calls(b, 1) || !bench_probe(b, 0, "late", SLOW_MS, 0))
        return false;
    int64_t start = bench_now_ms();
    if (!bench_submit(b, 0, 200) || !bench_wait(b, 1, SLOW_MS - 1000))
        return false;
    int64_t took = bench_now_ms() - start;
    if (b->calls[0].status != SDF_E_TIMEOUT && bench_failure(b, 0) != FAILURE_TIMEOUT)
        return bench_fail(b, "a task past its deadline was answered with %s, not SDF_E_TIMEOUT",
                          sdf_status_name(b->calls[0].status));
    if (took < 150)
        return bench_fail(b, "a deadline of 200 ms was over after %" PRId64 " ms", took);
    return bench_round(b, "after");
}

static bool case_deadline_not_reached(bench *b)
{
    return bench_open(b) && bench_calls(b, 1) && bench_probe(b, 0, "in time", 50, 0) &&
           bench_submit(b, 0, BENCH_PATIENCE_MS) && bench_wait(b, 1, BENCH_PATIENCE_MS) &&
           bench_check_echo(b, 0, "in time", 0);
}

static bool cancelled_or_done(bench *b, size_t i)
{
    int failure = bench_failure(b, i);
    if (b->calls[i].status != SDF_E_CANCELLED && failure < 0)
        return bench_fail(b, "a cancelled task was answered with %s", sdf_status_name(b->calls[i].status));
    return true;
}

static bool case_cancel(bench *b)
{
    if (!bench_open(b) || !bench_round(b, "warm") || !bench_calls(b, 1) ||
        !bench_probe(b, 0, "cancelled", SLOW_MS, 0) || !bench_submit(b, 0, 0) || !bench_poll(b, 50))
        return false;
    b->transport->ops->cancel(b->transport->self, b->calls[0].id);
    b->transport->ops->cancel(b->transport->self, b->calls[0].id); /* twice is no worse */
    return bench_wait(b, 1, SLOW_MS - 1000) && cancelled_or_done(b, 0) && bench_round(b, "after");
}

static bool case_cancel_at_once(bench *b)
{
    if (!bench_open(b) || !bench_calls(b, 1) || !bench_probe(b, 0, "cancelled", SLOW_MS, 0) || !bench_submit(b, 0, 0))
        return false;
    b->transport->ops->cancel(b->transport->self, b->calls[0].id);
    return bench_wait(b, 1, SLOW_MS - 1000) && cancelled_or_done(b, 0) && bench_round(b, "after");
}

static bool case_cancel_unknown(bench *b)
{
    if (!bench_open(b))
        return false;
    b->transport->ops->cancel(b->transport->self, 7);
    if (!bench_round(b, "first"))
        return false;
    b->transport->ops->cancel(b->transport->self, b->calls[0].id); /* answered already */
    return bench_poll(b, 0) && bench_round(b, "second");
}

static bool case_poll_timeout(bench *b)
{
    if (!bench_open(b))
        return false;
    int64_t start = bench_now_ms();
    if (!bench_poll(b, 0))
        return false;
    int64_t at_once = bench_now_ms() - start;
    if (!bench_poll(b, 100))
        return false;
    int64_t waited = bench_now_ms() - start - at_once;
    if (at_once > 1000 || waited > 5000)
        return bench_fail(b, "poll(0) took %" PRId64 " ms and poll(100) %" PRId64 " ms", at_once, waited);
    return true;
}

static void *wake_later(void *arg)
{
    const bench *b = arg;
    const struct timespec pause = {0, 50000000};
    nanosleep(&pause, NULL);
    b->transport->ops->wake(b->transport->self);
    return NULL;
}

static bool case_wake(bench *b)
{
    pthread_t thread;
    if (!bench_open(b))
        return false;
    if (pthread_create(&thread, NULL, wake_later, b))
        return bench_fail(b, "no thread");
    int64_t start = bench_now_ms();
    bool ok = bench_poll(b, SLOW_MS);
    int64_t took = bench_now_ms() - start;
    pthread_join(thread, NULL);
    if (ok && took > SLOW_MS / 2)
        return bench_fail(b, "poll returned %" PRId64 " ms after a wake", took);
    b->transport->ops->wake(b->transport->self); /* before poll: the next one returns */
    start = bench_now_ms();
    ok = ok && bench_poll(b, SLOW_MS);
    if (ok && bench_now_ms() - start > SLOW_MS / 2)
        return bench_fail(b, "a wake before poll was lost");
    return ok && bench_round(b, "after");
}

static bool case_stop_in_flight(bench *b)
{
    if (!bench_open(b) || !bench_round(b, "warm"))
        return false;
    size_t count = b->limits.concurrency < 8 ? b->limits.concurrency : 8;
    if (!bench_calls(b, count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!bench_probe(b, i, "never", SLOW_MS, 0) || !bench_submit(b, i, 0))
            return false;
    int64_t start = bench_now_ms();
    bool ok = bench_poll(b, 20) && bench_close(b); /* done after this is noted by the bench */
    if (ok && bench_now_ms() - start >= SLOW_MS - 1000)
        return bench_fail(b, "stop waited for the tasks to end");
    return ok;
}

static bool garbage_call(bench *b, const void *bytes, size_t size)
{
    if (!bench_calls(b, 1))
        return false;
    buf_clear(&b->calls[0].request);
    if (buf_append(&b->calls[0].request, bytes, size))
        return bench_fail(b, "no memory");
    return bench_submit(b, 0, BENCH_PATIENCE_MS) && bench_wait(b, 1, BENCH_PATIENCE_MS + 1000);
}

/* Any answer will do, as long as there is one and the transport goes on. */
static bool case_garbage(bench *b)
{
    unsigned char bytes[512];
    rng r = {42};
    if (!bench_open(b) || !garbage_call(b, NULL, 0))
        return false;
    for (size_t size = 1; size <= sizeof(bytes); size *= 2) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)rng_next(&r);
        if (!garbage_call(b, bytes, size))
            return false;
    }
    return bench_round(b, "after");
}

static bool case_cut_request(bench *b)
{
    if (!bench_open(b) || !bench_calls(b, 1) || !bench_probe(b, 0, "cut", 0, 0))
        return false;
    buf whole = b->calls[0].request;
    b->calls[0].request = (buf)BUF_EMPTY;
    bool ok = true;
    for (size_t size = 0; ok && size < whole.size; size += 1 + size / 4) {
        ok = garbage_call(b, whole.data, size);
        if (ok && bench_failure(b, 0) == FAILURE_NONE)
            ok = bench_fail(b, "the first %zu of a request's %zu bytes were answered as if it were whole", size,
                            whole.size);
    }
    buf_free(&whole);
    return ok && bench_round(b, "after");
}

static bool case_two_at_once(bench *b)
{
    bench other = {.uri = b->uri, .store_uri = b->store_uri, .store = b->store};
    bool ok = bench_open(b) && bench_open(&other) && bench_round(b, "one") && bench_round(&other, "two") &&
              bench_round(b, "one again");
    bench_close(&other);
    return ok && !other.why[0] ? true : bench_fail(b, "%s", other.why);
}

static const struct {
    const char *name;
    bool (*run)(bench *b);
} cases[] = {
    {"destroy-without-start", case_destroy_unstarted},
    {"stop-without-work", case_stop_unused},
    {"echo", case_echo},
    {"each-of-100-answered-once", case_once_each_100},
    {"each-of-10000-answered-once", case_once_each_10000},
    {"more-than-places", case_more_than_places},
    {"places-in-parallel", case_parallel},
    {"big-request", case_big_request},
    {"big-response", case_big_response},
    {"deadline", case_deadline},
    {"deadline-not-reached", case_deadline_not_reached},
    {"cancel", case_cancel},
    {"cancel-at-once", case_cancel_at_once},
    {"cancel-unknown", case_cancel_unknown},
    {"poll-timeout", case_poll_timeout},
    {"wake", case_wake},
    {"stop-with-work-in-flight", case_stop_in_flight},
    {"garbage-request", case_garbage},
    {"cut-request", case_cut_request},
    {"two-transports-at-once", case_two_at_once},
};

static bool run_case(const char *uri, const char *store_uri, store *s, size_t i, sdf_report_fn report, void *user)
{
    bench b = {.uri = uri, .store_uri = store_uri, .store = s};
    char line[1024];
    cases[i].run(&b);
    bench_close(&b);
    if (b.why[0])
        snprintf(line, sizeof(line), "FAILED %s: %s", cases[i].name, b.why);
    else
        snprintf(line, sizeof(line), "ok %s", cases[i].name);
    if (report)
        report(line, user);
    return !b.why[0];
}

SDF_API int sdf_transport_conformance(const char *uri, const char *store_uri, sdf_report_fn report, void *user,
                                      sdf_error **err)
{
    store *s = NULL;
    if (!uri || !store_uri)
        return error_set(err, SDF_E_INVALID, "sdf_transport_conformance needs the URIs of a transport and a store");
    if (transport_process_requested())
        return error_set(err, SDF_E_BUSY, "this process is a worker: call sdf_worker_main() instead");
    int rc = store_open(store_uri, &s, err);
    if (rc)
        return rc;
    int failed = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        failed += !run_case(uri, store_uri, s, i, report, user);
    store_unref(s);
    return failed + conformance_jobs(uri, store_uri, report, user);
}
