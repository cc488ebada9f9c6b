/* What the cases of the conformance suites of stores, sources and sinks share: a note why one failed, bytes to write,
 * the line that reports it. A suite is any struct that has a `verdict` of this type and is called `s` in its cases. */
#ifndef STORE_VERDICT_H
#define STORE_VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include <sdf/sys/conformance.h>

typedef struct verdict {
    char why[512]; /* of the first failure of a case */
} verdict;

/* Notes why, unless something is noted already; returns 1. */
int verdict_fail(verdict *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0 if a call answered as expected. An error without an error object of the same code, or an object without an error,
 * is a failure. Frees *err and makes it NULL. */
int verdict_status(verdict *v, const char *what, int got, sdf_error **err, int expected);
/* Reports the case, "ok NAME" or "FAILED NAME: why", and forgets why. Returns `failed`. */
int verdict_report(verdict *v, const char *name, int failed, sdf_report_fn report, void *user);

#define suite_fail(s, ...)                        verdict_fail(&(s)->verdict, __VA_ARGS__)
#define suite_status(s, what, got, err, expected) verdict_status(&(s)->verdict, what, got, err, expected)
#define EXPECT(s, condition, ...)                                                                                      \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return suite_fail(s, __VA_ARGS__);                                                                         \
    } while (0)

/* Bytes that depend on seed and position. */
void suite_fill(uint8_t *data, size_t size, uint64_t seed);
/* NULL: no memory. */
uint8_t *suite_bytes(size_t size, uint64_t seed);

#endif
