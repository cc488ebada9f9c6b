/* What the tests of this room share: functions for tasks, a naive reader of results, throw-away folders. */
#ifndef TEST_API_SUPPORT_H
#define TEST_API_SUPPORT_H

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

#include "base/batch.h"
#include "base/path.h"

/* ---- functions that tasks run ---- */

static inline int fn_same(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_view(out, &in->key, &in->value);
}
/* Value i64: key becomes value % 10. */
static inline int fn_by_digit(const sdf_record *in, sdf_out *out, void *state)
{
    int64_t value = sdf_slice_i64(&in->value), digit = value % 10;
    sdf_slice key = {&digit, 8};
    return sdf_emit(out, &key, &in->value);
}
/* Fails as long as the test says so. */
static int fn_moody_fails;
static inline int fn_moody(const sdf_record *in, sdf_out *out, void *state)
{
    (void)state;
    if (__atomic_load_n(&fn_moody_fails, __ATOMIC_SEQ_CST))
        return sdf_fail(out, "not now");
    return sdf_emit(out, &in->key, &in->value);
}

static inline int fn_even(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_slice_i64(&in->value) % 2 == 0;
}
static inline int fn_fail(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_slice_i64(&in->value) == 7 ? sdf_fail(out, "seven is not allowed")
                                          : sdf_emit_view(out, &in->key, &in->value);
}
static inline int fn_slow(const sdf_record *in, sdf_out *out, void *state)
{
    usleep(20000);
    return sdf_emit_view(out, &in->key, &in->value);
}
/* Emits value copies of itself. */
static inline int fn_repeat(const sdf_record *in, sdf_out *out, void *state)
{
    for (int64_t i = sdf_slice_i64(&in->value); i > 0; i--) {
        int rc = sdf_emit_view(out, &in->key, &in->value);
        if (rc)
            return rc;
    }
    return SDF_OK;
}
/* The smallest and the number of a key's values, as a sum: order and completeness both show. */
static inline int fn_group(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    int64_t sum = 0, count = 0;
    sdf_slice v;
    int rc;
    while ((rc = sdf_values_next(values, &v)) == SDF_OK) {
        sum += sdf_slice_i64(&v);
        count++;
    }
    return rc == SDF_END ? sdf_emit_i64(out, key, sum * 1000000 + count) : rc;
}
static inline int fn_add(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, NULL, sdf_slice_i64(a) + sdf_slice_i64(b));
}

static inline void register_functions(void)
{
    SDF_REGISTER(fn_same, .map = fn_same);
    SDF_REGISTER(fn_by_digit, .map = fn_by_digit, .in_value = "i64", .out_key = "i64", .out_value = "i64");
    SDF_REGISTER(fn_moody, .map = fn_moody);
    SDF_REGISTER(fn_even, .filter = fn_even, .in_value = "i64");
    SDF_REGISTER(fn_fail, .map = fn_fail, .in_value = "i64");
    SDF_REGISTER(fn_slow, .map = fn_slow);
    SDF_REGISTER(fn_repeat, .map = fn_repeat, .in_value = "i64");
    SDF_REGISTER(fn_group, .group = fn_group, .in_value = "i64", .out_value = "i64");
    SDF_REGISTER(fn_add, .reduce = fn_add, .in_value = "i64", .out_value = "i64");
}

/* ---- results ---- */

typedef struct pair {
    int64_t key, value; /* 0 where null */
} pair;

typedef struct pairs {
    pair *at;
    size_t count;
} pairs;

static inline int64_t number(const sdf_batch *b, int side, size_t i)
{
    sdf_slice s;
    sdf_batch_get(b, side, i, &s);
    return sdf_slice_i64(&s);
}

static inline pairs read_pairs(sdf_result *r)
{
    pairs p = {NULL, 0};
    const sdf_batch *b;
    sdf_error *err = NULL;
    int rc;
    while ((rc = sdf_result_next(r, &b, &err)) == SDF_OK) {
        p.at = realloc(p.at, (p.count + sdf_batch_count(b)) * sizeof *p.at);
        for (size_t i = 0; i < sdf_batch_count(b); i++)
            p.at[p.count++] = (pair){number(b, SDF_KEY, i), number(b, SDF_VALUE, i)};
    }
    if (rc != SDF_END)
        fail_msg("%s", sdf_error_text(err));
    sdf_result_free(r);
    return p;
}

static inline pairs collect_pairs(sdf_rdd *rdd)
{
    sdf_result *r = NULL;
    sdf_error *err = NULL;
    if (sdf_collect(rdd, &r, &err))
        fail_msg("%s", sdf_error_text(err));
    return read_pairs(r);
}

static inline int by_pair(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static inline uint64_t count_of(sdf_rdd *rdd)
{
    uint64_t n = 0;
    sdf_error *err = NULL;
    if (sdf_count(rdd, &n, &err))
        fail_msg("%s", sdf_error_text(err));
    return n;
}

/* ---- sources ---- */

/* Values 0 .. count-1 (times step), key null. */
static inline sdf_rdd *numbers(sdf_context *c, uint64_t count, uint32_t partitions)
{
    int64_t *v = malloc((count + 1) * sizeof *v);
    for (uint64_t i = 0; i < count; i++)
        v[i] = (int64_t)i;
    sdf_column column;
    column_set_fixed(&column, v, 8);
    sdf_rdd *rdd = sdf_parallelize(c, NULL, "i64", NULL, &column, count, partitions);
    free(v);
    return rdd;
}

static inline sdf_context *open_context(const char *transport, const char *store, const char *const *sets)
{
    sdf_error *err = NULL;
    sdf_config *config = sdf_config_new();
    for (; sets && *sets; sets += 2)
        assert_int_equal(sdf_config_set(config, sets[0], sets[1], NULL), SDF_OK);
    sdf_context *c = sdf_context_open(transport, store, config, &err);
    if (!c)
        fail_msg("%s", sdf_error_text(err));
    sdf_config_free(config);
    return c;
}

static inline sdf_context *plain_context(void)
{
    return open_context("threads:2", "mem:", NULL);
}

static inline char *make_folder(void)
{
    char *folder = strdup("/tmp/sdf-api-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void drop_folder(char *folder)
{
    path_remove_tree(folder, NULL);
    free(folder);
}

static inline char *in_folder(const char *folder, const char *name)
{
    return path_join(folder, name);
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
    char *path = in_folder(folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    free(path);
}

#endif
