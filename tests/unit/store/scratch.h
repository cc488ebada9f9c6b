/* What the tests of this room share: a temporary folder, calls that must succeed, files with content. */
#ifndef TEST_STORE_SCRATCH_H
#define TEST_STORE_SCRATCH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sdf/base.h>

#include "base/path.h"

#define UNUSED __attribute__((unused))

static char scratch[64];

static UNUSED int scratch_make(void **state)
{
    strcpy(scratch, "/tmp/sdf-store-test-XXXXXX");
    return mkdtemp(scratch) == NULL;
}

static UNUSED int scratch_remove(void **state)
{
    return path_remove_tree(scratch, NULL) != SDF_OK;
}

/* A path below the scratch folder; the text lives until the eighth next call. */
static UNUSED const char *in_scratch(const char *format, ...)
{
    static char texts[8][512];
    static int next;
    char *text = texts[next++ % 8];
    int n = snprintf(text, 512, "%s/", scratch);
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, 512 - (size_t)n, format, args);
    va_end(args);
    return text;
}

static UNUSED void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static UNUSED int exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static UNUSED void check_ok(int rc, sdf_error **err, const char *file, int line)
{
    if (rc != SDF_OK)
        print_error("%s\n", sdf_error_text(*err));
    _assert_int_equal((uintmax_t)rc, SDF_OK, file, line);
}
/* The call passes &err, which is there for it. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        sdf_error *err = NULL;                                                                                         \
        int ok_rc = (call);                                                                                            \
        check_ok(ok_rc, &err, __FILE__, __LINE__);                                                                     \
    } while (0)

/* The call fails with the code, and its message or hint says `text`. */
#define FAILS(code, text, call)                                                                                        \
    do {                                                                                                               \
        sdf_error *err = NULL;                                                                                         \
        int fails_rc = (call);                                                                                         \
        assert_int_equal(fails_rc, code);                                                                              \
        assert_non_null(err);                                                                                          \
        assert_int_equal(sdf_error_code(err), code);                                                                   \
        if (strstr(sdf_error_text(err), text) == NULL)                                                                 \
            fail_msg("\"%s\" does not say \"%s\"", sdf_error_text(err), text);                                         \
        sdf_error_free(err);                                                                                           \
    } while (0)

#endif
