/* The conformance suite over every transport of the library, bare and behind fault:, and over one that a host
 * brings: it has no thread and runs its tasks inside poll. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <sdf/sdf.h>
#include <sdf/sys/conformance.h>
#include <sdf/sys/transport.h>

#include "base/error.h"
#include "base/timebase.h"

/* ---- a transport of the host's: one worker, run by poll, which returns after each task ---- */

typedef struct inline_call {
    uint64_t id;
    sdf_slice request;
    int64_t deadline_ms; /* epoch */
    int cancelled;
} inline_call;

typedef struct inline_transport {
    sdf_transport_host host;
    sdf_worker *worker;
    inline_call calls[4];
    size_t count;
    int event;
} inline_transport;

static int inline_open(const char *rest, void *user, void **self, sdf_error **err)
{
    inline_transport *t = calloc(1, sizeof(*t));
    t->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    *self = t;
    return SDF_OK;
}

static int inline_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    limits->scope = SDF_SCOPE_PROCESS;
    limits->concurrency = limits->slots_per_process = 1;
    limits->max_request = limits->max_response = 0;
    limits->max_duration_ms = 0;
    return SDF_OK;
}

static int inline_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    inline_transport *t = self;
    t->host = *host;
    return sdf_worker_open(host->store_uri, host->memory, host->scratch_dir, &t->worker, err);
}

static int inline_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    inline_transport *t = self;
    if (t->count == 4)
        return SDF_E_BUSY;
    t->calls[t->count++] = (inline_call){
        .id = id, .request = *request, .deadline_ms = deadline_ms ? timebase_now(&timebase_real) + deadline_ms : 0};
    return SDF_OK;
}

static int inline_poll(void *self, int timeout_ms, sdf_error **err)
{
    inline_transport *t = self;
    struct pollfd fd = {t->event, POLLIN, 0};
    uint64_t n;
    if (poll(&fd, 1, t->count ? 0 : timeout_ms) > 0 && read(t->event, &n, sizeof(n)) != sizeof(n))
        return error_set(err, SDF_E_INTERNAL, "the event could not be read");
    if (!t->count)
        return SDF_OK;
    inline_call c = t->calls[0];
    sdf_error *why = NULL;
    memmove(t->calls, t->calls + 1, --t->count * sizeof(c));
    sdf_invocation_result r = {.struct_size = sizeof(r), .id = c.id, .status = SDF_E_CANCELLED};
    /* It can't be interrupted, so a task that would run for long gets half a second. */
    int64_t latest = timebase_now(&timebase_real) + 500;
    if (!c.cancelled)
        r.status = sdf_worker_invoke(
            t->worker, &c.request, c.deadline_ms && c.deadline_ms < latest ? c.deadline_ms : latest, &r.response, &why);
    r.message = sdf_error_message(why);
    t->host.done(t->host.host, &r);
    sdf_error_free(why);
    return SDF_OK;
}

static void inline_wake(void *self)
{
    uint64_t one = 1;
    if (write(((inline_transport *)self)->event, &one, sizeof(one)) != sizeof(one))
        abort();
}

static void inline_cancel(void *self, uint64_t id)
{
    inline_transport *t = self;
    for (size_t i = 0; i < t->count; i++)
        if (t->calls[i].id == id)
            t->calls[i].cancelled = 1;
}

static int inline_stop(void *self)
{
    sdf_worker_close(((inline_transport *)self)->worker);
    return 0;
}

static void inline_destroy(void *self)
{
    close(((inline_transport *)self)->event);
    free(self);
}

static const sdf_transport_ops inline_ops = {
    .struct_size = sizeof(inline_ops),
    .version = SDF_TRANSPORT_VERSION,
    .limits = inline_limits,
    .start = inline_start,
    .submit = inline_submit,
    .poll = inline_poll,
    .wake = inline_wake,
    .cancel = inline_cancel,
    .stop = inline_stop,
    .destroy = inline_destroy,
};

/* ---- the runs: most of a run is waiting, so some go on at once ---- */

#define AT_ONCE 3

typedef struct suite_run {
    const char *uri;
    int failed;
} suite_run;

static char store_uri[64];
static suite_run runs[] = {
    {"process:1", -1}, {"process:3?stderr=capture", -1}, {"fault:seed=7:process:2?stderr=capture", -1},
    {"inline:", -1},   {"fault:seed=7:threads:2", -1},   {"threads:1", -1},
    {"threads:4", -1}};
#define RUNS (sizeof(runs) / sizeof(runs[0]))

static void report(const char *line, void *user)
{
    if (strncmp(line, "ok ", 3))
        fprintf(stderr, "%s: %s\n", (const char *)user, line);
}

/* Takes the next run until there is none. */
static void *run_some(void *next)
{
    for (size_t i; (i = __atomic_fetch_add((size_t *)next, 1, __ATOMIC_RELAXED)) < RUNS;) {
        sdf_error *err = NULL;
        runs[i].failed =
            sdf_transport_conformance(runs[i].uri, store_uri, report, (void *)(uintptr_t)runs[i].uri, &err);
        if (err)
            fprintf(stderr, "%s\n", sdf_error_text(err));
        sdf_error_free(err);
    }
    return NULL;
}

static void test_conformance(void **state)
{
    pthread_t threads[AT_ONCE];
    size_t next = 0;
    for (size_t i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, &next), 0);
    for (size_t i = 0; i < AT_ONCE; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < RUNS; i++)
        assert_int_equal(runs[i].failed, 0);
}

int main(void)
{
    sdf_error *err = NULL;
    char folder[] = "/tmp/sdf-test-XXXXXX";
    if (sdf_transport_conformance_register(&err) ||
        sdf_transport_register("inline", &inline_ops, inline_open, NULL, &err)) {
        fprintf(stderr, "%s\n", sdf_error_text(err));
        return 1;
    }
    if (sdf_worker_requested())
        return sdf_worker_main();
    if (!mkdtemp(folder))
        return 1;
    snprintf(store_uri, sizeof(store_uri), "file:%s", folder);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conformance)};
    int rc = cmocka_run_group_tests_name("transport conformance", tests, NULL, NULL);
    rmdir(folder);
    return rc;
}
