/* The transport conformance suite, whole jobs: what a host sees when its functions work, fail, crash or hang on the
 * workers of a transport. Only the public interface is used, as a host would. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sdf/sdf.h>
#include <sdf/sys/store.h>

#include "base/error.h"
#include "base/timebase.h"
#include "transport/conformance_functions.h"
#include "transport/transport.h"

#define PARTITIONS 4
#define NUMBERS    400

#define PATIENCE_MS 30000 /* for tasks that should not take so long */

/* ---- the functions ---- */

static int twice(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, &in->key, 2 * sdf_slice_i64(&in->value));
}

static int fail(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_fail(out, "conformance: this function always fails");
}

/* Ends its process, so that no signal handler of the host's can save it. */
static int crash(const sdf_record *in, sdf_out *out, void *state)
{
    fprintf(stderr, "conformance: this function always crashes\n");
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return sdf_fail(out, "a crash was survived");
}

static int hang(const sdf_record *in, sdf_out *out, void *state)
{
    const struct timespec pause = {3600, 0};
    while (nanosleep(&pause, NULL) == 0)
        ;
    return sdf_emit(out, &in->key, &in->value);
}

SDF_API int sdf_transport_conformance_register(sdf_error **err)
{
    static const struct {
        const char *name;
        sdf_map_fn map;
    } functions[] = {{"conformance.twice", twice},
                     {"conformance.fail", fail},
                     {"conformance.crash", crash},
                     {"conformance.hang", hang}};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        sdf_function f;
        sdf_function_init(&f);
        f.name = functions[i].name;
        f.version = 1;
        f.map = functions[i].map;
        f.in_value = f.out_value = SDF_I64;
        int rc = sdf_register(&f, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

/* ---- the cases ---- */

typedef struct job_case {
    const char *uri, *store_uri;
    sdf_context *context;
    char why[1024];
} job_case;

static void say(job_case *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(job_case *c, const char *format, ...)
{
    va_list args;
    if (c->why[0])
        return;
    va_start(args, format);
    vsnprintf(c->why, sizeof(c->why), format, args);
    va_end(args);
}

static bool open_context(job_case *c, int64_t timeout_ms)
{
    char task_timeout[32];
    snprintf(task_timeout, sizeof(task_timeout), "%" PRId64 "ms", timeout_ms);
    const char *const settings[][2] = {{"task_timeout", task_timeout}, {"retries", "0"}, {"backoff", "10ms"}};
    sdf_error *err = NULL;
    sdf_config *config = sdf_config_new();
    int rc = config ? SDF_OK : SDF_E_NO_MEMORY;
    for (size_t i = 0; !rc && i < sizeof(settings) / sizeof(settings[0]); i++)
        rc = sdf_config_set(config, settings[i][0], settings[i][1], &err);
    if (!rc)
        c->context = sdf_context_open(c->uri, c->store_uri, config, &err);
    sdf_config_free(config);
    if (!c->context)
        say(c, "the context did not open: %s", sdf_error_message(err));
    sdf_error_free(err);
    return c->context != NULL;
}

static sdf_rdd *numbers(job_case *c)
{
    int64_t values[NUMBERS];
    for (size_t i = 0; i < NUMBERS; i++)
        values[i] = (int64_t)i;
    const sdf_column column = {
        .struct_size = sizeof(column), .layout = SDF_LAYOUT_FIXED, .width = sizeof(values[0]), .data = values};
    return sdf_parallelize(c->context, SDF_NULL, SDF_I64, NULL, &column, NUMBERS, PARTITIONS);
}

static int64_t sum_of(job_case *c, sdf_result *result)
{
    const sdf_batch *batch;
    sdf_error *err = NULL;
    int64_t sum = 0;
    int rc;
    while ((rc = sdf_result_next(result, &batch, &err)) == SDF_OK)
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice value;
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            sum += sdf_slice_i64(&value);
        }
    if (rc != SDF_END)
        say(c, "reading the result: %s", sdf_error_message(err));
    sdf_error_free(err);
    return sum;
}

static void run_good_job(job_case *c)
{
    sdf_result *result = NULL;
    sdf_error *err = NULL;
    int64_t expected = (int64_t)NUMBERS * (NUMBERS - 1);
    sdf_rdd *doubled = sdf_map(numbers(c), "conformance.twice", NULL, 0);
    if (sdf_collect(doubled, &result, &err)) {
        say(c, "a good job failed: %s", sdf_error_message(err));
        sdf_error_free(err);
        return;
    }
    int64_t sum = sum_of(c, result);
    sdf_result_free(result);
    if (sum != expected)
        say(c, "a good job's sum is %" PRId64 ", not %" PRId64, sum, expected);
}

/* Runs a job that must fail, and hands its error back. */
static sdf_error *run_bad_job(job_case *c, const char *function)
{
    uint64_t count = 0;
    sdf_error *err = NULL;
    int rc = sdf_count(sdf_map(numbers(c), function, NULL, 0), &count, &err);
    if (rc == SDF_OK)
        say(c, "a job of %s succeeded", function);
    else if (rc != sdf_error_code(err))
        say(c, "the action returned %s and its error says %s", sdf_status_name(rc),
            sdf_status_name(sdf_error_code(err)));
    return err;
}

static void case_job(job_case *c)
{
    run_good_job(c);
}

static void case_user_error(job_case *c)
{
    sdf_error *err = run_bad_job(c, "conformance.fail");
    if (sdf_error_code(err) != SDF_E_USER || !strstr(sdf_error_message(err), "always fails"))
        say(c, "a function's own error came as %s: %s", sdf_status_name(sdf_error_code(err)), sdf_error_message(err));
    if (strcmp(sdf_error_function(err), "conformance.fail"))
        say(c, "the error names the function \"%s\"", sdf_error_function(err));
    sdf_error_free(err);
    run_good_job(c);
}

static void case_crash(job_case *c)
{
    sdf_error *err = run_bad_job(c, "conformance.crash");
    if (sdf_error_code(err) != SDF_E_LOST)
        say(c, "a crash came as %s: %s", sdf_status_name(sdf_error_code(err)), sdf_error_message(err));
    sdf_error_free(err);
    run_good_job(c);
}

static void case_hang(job_case *c)
{
    sdf_error *err = run_bad_job(c, "conformance.hang");
    if (sdf_error_code(err) != SDF_E_TIMEOUT)
        say(c, "a hang came as %s: %s", sdf_status_name(sdf_error_code(err)), sdf_error_message(err));
    sdf_error_free(err);
    run_good_job(c);
}

static const struct {
    const char *name;
    void (*run)(job_case *c);
    bool own_process; /* would end, or leave a thread in, the calling program where workers are its threads */
} cases[] = {
    {"job", case_job, false},
    {"job-with-user-error", case_user_error, false},
    {"job-with-crash", case_crash, true},
    {"job-with-hang", case_hang, true},
};

static uint32_t scope_of(const char *uri)
{
    transport *t = NULL;
    sdf_transport_limits limits = {.struct_size = sizeof(limits)};
    if (transport_open(uri, &t, NULL))
        return 0;
    int rc = t->ops->limits(t->self, &limits, NULL);
    transport_close(t);
    return rc ? 0 : limits.scope;
}

/* Long enough for tasks that don't hang, and no longer. */
static int64_t hang_timeout_ms(int64_t good_ms)
{
    int64_t ms = 10 * good_ms;
    return ms < 300 ? 300 : ms > PATIENCE_MS ? PATIENCE_MS : ms;
}

int conformance_jobs(const char *uri, const char *store_uri, sdf_report_fn report, void *user)
{
    int failed = 0;
    int64_t good_ms = 0; /* what a good job took, with the start of its workers */
    bool threads = scope_of(uri) <= SDF_SCOPE_PROCESS;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[1200];
        job_case c = {.uri = uri, .store_uri = store_uri};
        if (cases[i].own_process && threads)
            continue;
        int64_t start_us = timebase_monotonic_us();
        if (open_context(&c, cases[i].run == case_hang ? hang_timeout_ms(good_ms) : PATIENCE_MS))
            cases[i].run(&c);
        sdf_context_close(c.context);
        if (cases[i].run == case_job)
            good_ms = (timebase_monotonic_us() - start_us) / 1000;
        failed += c.why[0] != 0;
        if (c.why[0])
            snprintf(line, sizeof(line), "FAILED %s: %s", cases[i].name, c.why);
        else
            snprintf(line, sizeof(line), "ok %s", cases[i].name);
        if (report)
            report(line, user);
    }
    return failed;
}
