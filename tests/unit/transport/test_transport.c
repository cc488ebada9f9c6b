/* URIs, the table of schemes, and what a vtable must have. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sdf/sdf.h>

#include "transport/process.h"
#include "transport/schemes.h"
#include "transport/transport.h"

static void refused(const char *uri, int code, const char *text)
{
    sdf_error *err = NULL;
    transport *t = NULL;
    int rc = transport_open(uri, &t, &err);
    if (rc != code || (text && !strstr(sdf_error_text(err), text)))
        fail_msg("\"%s\": %s", uri ? uri : "NULL", sdf_error_text(err));
    assert_null(t);
    sdf_error_free(err);
    assert_int_equal(transport_open(uri, &t, NULL), code); /* nobody wants the error */
}

static void test_bad_uris(void **state)
{
    const char *bad[] = {NULL,
                         "",
                         "threads",
                         ":",
                         ":4",
                         "threads:0",
                         "threads:-1",
                         "threads:1025",
                         "threads:x",
                         "threads:4x",
                         "threads: 4",
                         "threads:99999999999999999999",
                         "process:0",
                         "process:1025",
                         "process:2?x",
                         "process:2?a=b",
                         "process:2?stderr=loud",
                         "process:2?hello_ms=0",
                         "process:2?hello_ms=x",
                         "process:2?hello_ms=99999999",
                         "process:1?command=",
                         "process:1?command=%",
                         "process:1?command=%2",
                         "process:1?command=a%zz",
                         "process:1?command=a%00",
                         "process:1?command=a&command=b",
                         "process:1?command=   ",
                         "fault:",
                         "fault:seed=1",
                         "fault:lose=2:threads:1",
                         "fault:seed=1,seed=2:threads:1",
                         "fault:los=0.5:threads:1",
                         "fault:delay_ms=99999999:threads:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(bad[i], SDF_E_INVALID, NULL);
    refused("thread:4", SDF_E_INVALID, "threads");
    refused("proces:4", SDF_E_INVALID, "process");
    refused("fault:seed=1:nothing:", SDF_E_INVALID, "nothing");
    refused("/some/where:1", SDF_E_INVALID, NULL);
    refused("fault:los=1:threads:1", SDF_E_INVALID, "lose");
}

static void test_long_uri(void **state)
{
    char *uri = malloc(1 << 20);
    memset(uri, 'a', (1 << 20) - 1);
    uri[(1 << 20) - 1] = 0;
    refused(uri, SDF_E_INVALID, NULL);
    memcpy(uri, "threads:", 8);
    refused(uri, SDF_E_INVALID, NULL);
    memset(uri, ' ', (1 << 20) - 1);
    memcpy(uri, "process:1?command=", 18);
    refused(uri, SDF_E_INVALID, NULL);
    for (size_t i = 19; i < (1 << 20) - 1; i += 2)
        uri[i] = 'x';
    refused(uri, SDF_E_LIMIT, NULL);
    free(uri);
}

static uint32_t concurrency(const char *uri, uint32_t scope)
{
    transport *t = NULL;
    sdf_transport_limits limits = {.struct_size = sizeof(limits)};
    assert_int_equal(transport_open(uri, &t, NULL), SDF_OK);
    assert_string_equal(t->uri, uri);
    assert_int_equal(t->ops->limits(t->self, &limits, NULL), SDF_OK);
    assert_int_equal(limits.scope, scope);
    transport_close(t);
    return limits.concurrency;
}

static void test_good_uris(void **state)
{
    assert_int_equal(concurrency("threads:1", SDF_SCOPE_PROCESS), 1);
    assert_int_equal(concurrency("threads:1024", SDF_SCOPE_PROCESS), 1024);
    assert_true(concurrency("threads:", SDF_SCOPE_PROCESS) >= 1);
    assert_true(concurrency("threads:", SDF_SCOPE_PROCESS) <= (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
    assert_int_equal(concurrency("process:3", SDF_SCOPE_HOST), 3);
    assert_true(concurrency("process:", SDF_SCOPE_HOST) >= 1);
    assert_int_equal(concurrency("process:2?", SDF_SCOPE_HOST), 2);
    assert_int_equal(concurrency("process:2?stderr=capture", SDF_SCOPE_HOST), 2);
    assert_int_equal(concurrency("process:2?command=/bin/true a b&stderr=forward", SDF_SCOPE_HOST), 2);
    assert_int_equal(concurrency("fault:seed=3,lose=0.5:fault:delay=1:threads:5", SDF_SCOPE_PROCESS), 5);
    transport_close(NULL);
}

static void test_command_words(void **state)
{
    process_options o;
    assert_int_equal(
        process_options_parse("2?command=  /usr/bin/env  a%20b %2525 &stderr=capture&hello_ms=77", &o, NULL), SDF_OK);
    assert_true(o.capture);
    assert_int_equal(o.hello_ms, 77);
    assert_string_equal(o.command[0], "/usr/bin/env");
    assert_string_equal(o.command[1], "a b");
    assert_string_equal(o.command[2], "%25");
    assert_null(o.command[3]);
    process_options_clear(&o);
}

/* ---- registration ---- */

static int destroyed;

static int no_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    return SDF_OK;
}
static int no_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    return SDF_OK;
}
static int no_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    return SDF_E_BUSY;
}
static int no_poll(void *self, int timeout_ms, sdf_error **err)
{
    return SDF_OK;
}
static void no_wake(void *self)
{
}
static void no_cancel(void *self, uint64_t id)
{
}
static int no_stop(void *self)
{
    return 0;
}
static void count_destroy(void *self)
{
    destroyed++;
}
static const sdf_transport_ops good = {
    sizeof(good), SDF_TRANSPORT_VERSION, no_limits, no_start, no_submit, no_poll, no_wake, no_cancel,
    no_stop,      count_destroy};

static int open_silently_failing(const char *rest, void *user, void **self, sdf_error **err)
{
    if (!strcmp(rest, "fail"))
        return SDF_E_ACCESS;
    assert_string_equal(rest, "rest:of?it");
    assert_string_equal(user, "user");
    *self = NULL;
    return SDF_OK;
}

static void test_register_checks(void **state)
{
    sdf_error *err = NULL;
    struct {
        sdf_transport_ops ops;
        char tail[16];
    } newer = {.ops = good, .tail = {0}};
    sdf_transport_ops ops = good;
    ops.poll = NULL;
    assert_int_equal(sdf_transport_register("broken", &ops, open_silently_failing, NULL, &err), SDF_E_INVALID);
    assert_non_null(strstr(sdf_error_message(err), "poll"));
    sdf_error_free(err);
    ops = good;
    ops.version = 2;
    assert_int_equal(sdf_transport_register("broken", &ops, open_silently_failing, NULL, NULL), SDF_E_INVALID);
    ops = good;
    ops.struct_size = offsetof(sdf_transport_ops, destroy);
    assert_int_equal(sdf_transport_register("broken", &ops, open_silently_failing, NULL, NULL), SDF_E_INVALID);
    ops.struct_size = 0;
    assert_int_equal(sdf_transport_register("broken", &ops, open_silently_failing, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_transport_register("broken", NULL, open_silently_failing, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_transport_register("broken", &good, NULL, NULL, NULL), SDF_E_INVALID);
    const char *names[] = {NULL, "", "Big", "with space", "a:b", "a_b", "abcdefghijklmnopqrstuvwxyz0123456789"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(sdf_transport_register(names[i], &good, open_silently_failing, NULL, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_transport_register("threads", &good, open_silently_failing, NULL, NULL), SDF_E_EXISTS);

    newer.ops.struct_size = sizeof(newer);
    newer.tail[3] = 1;
    assert_int_equal(sdf_transport_register("newer", &newer.ops, open_silently_failing, NULL, NULL), SDF_E_VERSION);
    newer.tail[3] = 0;
    assert_int_equal(sdf_transport_register("newer", &newer.ops, open_silently_failing, NULL, NULL), SDF_OK);
    char user[] = "user";
    assert_int_equal(sdf_transport_register("my-own-2", &good, open_silently_failing, user, NULL), SDF_OK);
    assert_int_equal(sdf_transport_register("my-own-2", &good, open_silently_failing, user, NULL), SDF_OK);
    assert_int_equal(sdf_transport_register("my-own-2", &good, open_silently_failing, NULL, NULL), SDF_E_EXISTS);

    transport *t = NULL;
    assert_int_equal(transport_open("my-own-2:rest:of?it", &t, NULL), SDF_OK);
    transport_close(t);
    assert_int_equal(destroyed, 1);
    refused("my-own-2:fail", SDF_E_ACCESS, "gave no reason");
    assert_int_equal(destroyed, 1); /* what was not opened isn't destroyed */
}

static void test_register_many(void **state)
{
    int rc = SDF_OK;
    int n = 0;
    for (; n < 1000 && rc == SDF_OK; n++) {
        char name[16];
        snprintf(name, sizeof(name), "many-%d", n);
        rc = sdf_transport_register(name, &good, open_silently_failing, NULL, NULL);
    }
    assert_int_equal(rc, SDF_E_LIMIT);
    assert_true(n > 32);
}

static void test_no_worker(void **state)
{
    assert_int_equal(sdf_worker_requested(), 0);
    assert_int_equal(transport_process_requested(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_uris),        cmocka_unit_test(test_long_uri),
        cmocka_unit_test(test_good_uris),       cmocka_unit_test(test_command_words),
        cmocka_unit_test(test_register_checks), cmocka_unit_test(test_register_many),
        cmocka_unit_test(test_no_worker),
    };
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
