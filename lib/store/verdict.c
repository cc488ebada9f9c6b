/* What conformance suites share. See verdict.h. */
#include "store/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"

int verdict_fail(verdict *v, const char *format, ...)
{
    if (v->why[0] != 0)
        return 1;
    va_list args;
    va_start(args, format);
    vsnprintf(v->why, sizeof v->why, format, args);
    va_end(args);
    return 1;
}

int verdict_status(verdict *v, const char *what, int got, sdf_error **err, int expected)
{
    int code = *err != NULL ? sdf_error_code(*err) : SDF_OK;
    int rc = 0;
    if (got != expected)
        rc = verdict_fail(v, "%s answers %s, not %s: %s", what, sdf_status_name(got), sdf_status_name(expected),
                          sdf_error_message(*err));
    else if (code != got)
        rc = verdict_fail(v, "%s answers %s with the error object of %s", what, sdf_status_name(got),
                          *err != NULL ? sdf_status_name(code) : "nothing");
    sdf_error_free(*err);
    *err = NULL;
    return rc;
}

/* ---- bytes ---- */

void suite_fill(uint8_t *data, size_t size, uint64_t seed)
{
    rng random = {seed};
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = rng_next(&random);
        memcpy(data + i, &word, size - i < 8 ? size - i : 8);
    }
}

uint8_t *suite_bytes(size_t size, uint64_t seed)
{
    uint8_t *data = malloc(size + 1);
    if (data != NULL)
        suite_fill(data, size, seed);
    return data;
}

/* ---- reports ---- */

int verdict_report(verdict *v, const char *name, int failed, sdf_report_fn report, void *user)
{
    char line[768];
    if (failed)
        snprintf(line, sizeof line, "FAILED %s: %s", name, v->why);
    else
        snprintf(line, sizeof line, "ok %s", name);
    v->why[0] = 0;
    if (report != NULL)
        report(line, user);
    return failed;
}
