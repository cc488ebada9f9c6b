/* Results as one line of text: "key:value" for each record, what is null left empty; sorted where the order is not
 * promised. */
#ifndef TEST_API_SHOWN_H
#define TEST_API_SHOWN_H

#include "support.h"

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char *shown_record(const char *key_type, const char *value_type, const sdf_batch *b, size_t i)
{
    sdf_slice k, v;
    char text[2][400];
    sdf_batch_get(b, SDF_KEY, i, &k);
    sdf_batch_get(b, SDF_VALUE, i, &v);
    assert_true(sdf_format(key_type, &k, text[0], sizeof text[0]) >= 0);
    assert_true(sdf_format(value_type, &v, text[1], sizeof text[1]) >= 0);
    char *both = malloc(strlen(text[0]) + strlen(text[1]) + 2);
    sprintf(both, "%s:%s", text[0], text[1]);
    for (char *p = both; *p; p++)
        *p = *p == '\t' ? ',' : *p;
    return both;
}

static inline char *shown(sdf_result *r, int sorted)
{
    const sdf_batch *b;
    sdf_error *err = NULL;
    char **records = NULL;
    size_t count = 0, size = 1;
    int rc;
    while ((rc = sdf_result_next(r, &b, &err)) == SDF_OK) {
        records = realloc(records, (count + sdf_batch_count(b)) * sizeof *records);
        for (size_t i = 0; i < sdf_batch_count(b); i++) {
            records[count] = shown_record(sdf_result_key_type(r), sdf_result_value_type(r), b, i);
            size += strlen(records[count++]) + 1;
        }
    }
    if (rc != SDF_END)
        fail_msg("%s", sdf_error_text(err));
    if (sorted && count)
        qsort(records, count, sizeof *records, by_text);
    char *line = calloc(1, size);
    for (size_t i = 0; i < count; i++) {
        strcat(line, i ? " " : "");
        strcat(line, records[i]);
        free(records[i]);
    }
    free(records);
    sdf_result_free(r);
    return line;
}

/* `want` in any order if it begins with '~'. Lets go of the handle. */
static inline void expect_rdd(sdf_rdd *rdd, const char *want)
{
    sdf_result *r = NULL;
    sdf_error *err = NULL;
    if (sdf_collect(rdd, &r, &err))
        fail_msg("%s", sdf_error_text(err));
    char *got = shown(r, *want == '~');
    assert_string_equal(got, want + (*want == '~'));
    free(got);
    sdf_rdd_free(rdd);
}

static inline void expect_result(int rc, sdf_result *r, sdf_error *err, const char *want)
{
    if (rc)
        fail_msg("%s", sdf_error_text(err));
    char *got = shown(r, *want == '~');
    assert_string_equal(got, want + (*want == '~'));
    free(got);
}

static inline void expect_error(const sdf_error *err, int code, const char *part)
{
    assert_int_equal(sdf_error_code(err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
}

/* The handle carries that error. Lets go of it. */
static inline void expect_bad(sdf_rdd *rdd, int code, const char *part)
{
    assert_non_null(rdd);
    expect_error(sdf_rdd_error(rdd), code, part);
    sdf_rdd_free(rdd);
}

#endif
