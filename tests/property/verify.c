/* Actions on a random member of the pool, compared with the model. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

static int wrong(const test_case *t, const char *what, const char *why)
{
    (void)t;
    printf("%s: %s\n", what, why);
    return 1;
}

static int failed(const test_case *t, const char *what, sdf_error *err)
{
    wrong(t, what, err ? sdf_error_text(err) : "failed without an error");
    sdf_error_free(err);
    return 1;
}

/* All records of a result, in order; frees it. */
static int read_all(sdf_result *result, rows *out, sdf_error **err)
{
    const sdf_batch *batch;
    int rc;
    while ((rc = sdf_result_next(result, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice key, value;
            sdf_batch_get(batch, SDF_KEY, i, &key);
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            rows_add(out, slice_copy(key.data, key.size), slice_copy(value.data, value.size));
        }
    }
    sdf_result_free(result);
    return rc == SDF_END ? SDF_OK : rc;
}

static rows copy_sorted(const rows *in)
{
    rows out = {.key = in->key, .value = in->value};
    for (size_t i = 0; i < in->count; i++)
        rows_add(&out, in->at[i].key, in->at[i].value);
    model_sort(&out, 1, 0);
    return out;
}

static int same_row(const row *a, const row *b)
{
    return !compare_bytes(&a->key, &b->key) && !compare_bytes(&a->value, &b->value);
}

/* As multisets. */
static int compare(const test_case *t, const char *what, const rows *got, const rows *want)
{
    char why[160];
    if (got->count != want->count) {
        snprintf(why, sizeof why, "%zu records, expected %zu", got->count, want->count);
        return wrong(t, what, why);
    }
    rows a = copy_sorted(got), b = copy_sorted(want);
    for (size_t i = 0; i < a.count; i++) {
        if (same_row(&a.at[i], &b.at[i]))
            continue;
        snprintf(why, sizeof why, "record %zu of both sorted differs (key sizes %zu and %zu)", i, a.at[i].key.size,
                 b.at[i].key.size);
        return wrong(t, what, why);
    }
    return 0;
}

static int in_order(const test_case *t, const rows *got, int order)
{
    for (size_t i = 1; i < got->count; i++)
        if (order * compare_slices(got->key, &got->at[i - 1].key, &got->at[i].key) > 0)
            return wrong(t, "collect", "the records of a sorted collection are not in order");
    return 0;
}

static int check_collect(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    rows got = {.key = m->rows.key, .value = m->rows.value};
    int rc = pick(t, 2) ? sdf_collect(m->rdd, &result, &err) : sdf_iterate(m->rdd, &result, &err);
    if (rc || read_all(result, &got, &err))
        return failed(t, "collect", err);
    return compare(t, "collect", &got, &m->rows) || (m->order && in_order(t, &got, m->order));
}

static int check_count(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    uint64_t count = 0;
    int empty = 0;
    if (sdf_count(m->rdd, &count, &err) || sdf_is_empty(m->rdd, &empty, &err))
        return failed(t, "count", err);
    return count != m->rows.count || empty != (count == 0) ? wrong(t, "count", "another number") : 0;
}

/* Every record taken must be there, no more often than it is there. */
static int check_take(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    uint64_t n = pick(t, 50);
    rows got = {.key = m->rows.key, .value = m->rows.value};
    if (sdf_take(m->rdd, n, &result, &err) || read_all(result, &got, &err))
        return failed(t, "take", err);
    if (got.count != (n < m->rows.count ? n : m->rows.count))
        return wrong(t, "take", "another number of records");
    rows all = copy_sorted(&m->rows), taken = copy_sorted(&got);
    size_t j = 0;
    for (size_t i = 0; i < taken.count; i++, j++) {
        while (j < all.count && !same_row(&all.at[j], &taken.at[i]))
            j++;
        if (j == all.count)
            return wrong(t, "take", "a record that is not there");
    }
    return 0;
}

/* ---- saved text ---- */

static int compare_lines(const void *a, const void *b)
{
    return compare_bytes(a, b);
}

static sdf_slice line_of(const rows *r, size_t i)
{
    static char key[2048], value[2048], line[4096];
    int64_t k = sdf_format(type_name(r->key), &r->at[i].key, key, sizeof key);
    int64_t v = sdf_format(type_name(r->value), &r->at[i].value, value, sizeof value);
    size_t size = (size_t)k;
    memcpy(line, key, size);
    if (r->key != 'n' && r->value != 'n')
        line[size++] = '\t';
    memcpy(line + size, value, (size_t)v);
    return slice_copy(line, size + (size_t)v);
}

static size_t split_lines(const char *path, sdf_slice *lines, size_t count, size_t room)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    size_t size = 0;
    ssize_t n;
    while (in && (n = getline(&text, &size, in)) > 0)
        if (count < room)
            lines[count++] = slice_copy(text, (size_t)n - (text[n - 1] == '\n'));
    free(text);
    if (in)
        fclose(in);
    return count;
}

static size_t read_lines(const char *folder, sdf_slice *lines, size_t room)
{
    DIR *d = opendir(folder);
    size_t count = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (!strncmp(e->d_name, "part-", 5))
            count = split_lines(path, lines, count, room);
    }
    if (d)
        closedir(d);
    return d ? count : split_lines(folder, lines, 0, room);
}

static int check_save(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    char folder[512];
    sdf_save_options options;
    sdf_save_options_init(&options);
    options.single = (uint32_t)pick(t, 2);
    snprintf(folder, sizeof folder, "%s/out%u", t->folder, t->files++);
    if (sdf_save(m->rdd, folder, &options, &err))
        return failed(t, "save", err);
    size_t room = m->rows.count + 1;
    sdf_slice *got = case_alloc(room * sizeof *got), *want = case_alloc(room * sizeof *want);
    for (size_t i = 0; i < m->rows.count; i++)
        want[i] = line_of(&m->rows, i);
    size_t count = read_lines(folder, got, room);
    qsort(got, count, sizeof *got, compare_lines);
    qsort(want, m->rows.count, sizeof *want, compare_lines);
    if (count != m->rows.count)
        return wrong(t, options.single ? "save single" : "save", "another number of lines");
    for (size_t i = 0; i < count; i++)
        if (compare_bytes(&got[i], &want[i]))
            return wrong(t, "save", "a line differs");
    return 0;
}

/* ---- small answers ---- */

static int check_count_by_key(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    rows got = {.key = m->rows.key, .value = 'i'}, want = model_count(&m->rows);
    if (sdf_count_by_key(m->rdd, &result, &err) || read_all(result, &got, &err))
        return failed(t, "count_by_key", err);
    return compare(t, "count_by_key", &got, &want);
}

static int check_lookup(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    if (!m->rows.count || m->rows.key == 'n')
        return 0;
    sdf_slice key = m->rows.at[pick(t, m->rows.count)].key;
    rows got = {.key = m->rows.key, .value = m->rows.value}, want = got;
    for (size_t i = 0; i < m->rows.count; i++)
        if (!compare_bytes(&m->rows.at[i].key, &key))
            rows_add(&want, key, m->rows.at[i].value);
    if (sdf_lookup(m->rdd, &key, &result, &err) || read_all(result, &got, &err))
        return failed(t, "lookup", err);
    return compare(t, "lookup", &got, &want);
}

/* The elements of a collection with null keys are its values. */
static int check_ordered(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    uint64_t n = pick(t, 30), top = pick(t, 2);
    if (m->rows.key != 'n' || m->rows.value == 'n')
        return 0;
    rows swapped = {.key = m->rows.value, .value = 'n'}, got = swapped;
    for (size_t i = 0; i < m->rows.count; i++)
        rows_add(&swapped, m->rows.at[i].value, m->rows.at[i].key);
    model_sort(&swapped, 0, (int)top);
    if (swapped.count > n)
        swapped.count = n;
    if ((top ? sdf_top(m->rdd, n, &result, &err) : sdf_take_ordered(m->rdd, n, &result, &err)) ||
        read_all(result, &got, &err))
        return failed(t, top ? "top" : "take_ordered", err);
    for (size_t i = 0; i < got.count && i < swapped.count; i++)
        if (compare_slices(got.key, &got.at[i].key, &swapped.at[i].key))
            return wrong(t, top ? "top" : "take_ordered", "another element");
    return got.count != swapped.count ? wrong(t, "take_ordered", "another number of elements") : 0;
}

static int check_index(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    if (m->rows.key != 'n' && m->rows.value != 'n')
        return 0;
    rows got = {.key = m->rows.key == 'n' ? m->rows.value : m->rows.key, .value = 'n'};
    rows want = got, numbered = {.key = got.key, .value = 'i'};
    sdf_rdd *indexed = sdf_zip_with_index(m->rdd);
    int rc = sdf_collect(indexed, &result, &err);
    sdf_rdd_free(indexed);
    if (rc || read_all(result, &numbered, &err))
        return failed(t, "zip_with_index", err);
    for (size_t i = 0; i < numbered.count; i++) {
        if (sdf_slice_i64(&numbered.at[i].value) != (int64_t)i)
            return wrong(t, "zip_with_index", "the numbers do not go up by one");
        rows_add(&got, numbered.at[i].key, (sdf_slice){"", 0});
    }
    for (size_t i = 0; i < m->rows.count; i++)
        rows_add(&want, m->rows.key == 'n' ? m->rows.at[i].value : m->rows.at[i].key, (sdf_slice){"", 0});
    return compare(t, "zip_with_index", &got, &want);
}

static int sample_once(test_case *t, sdf_rdd *rdd, uint64_t seed, rows *got)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    sdf_rdd *sample = sdf_sample(rdd, 0.3, seed, 0);
    int rc = sdf_collect(sample, &result, &err);
    sdf_rdd_free(sample);
    return rc || read_all(result, got, &err) ? failed(t, "sample", err) : 0;
}

static int check_sample(test_case *t, const member *m)
{
    rows first = {.key = m->rows.key, .value = m->rows.value}, second = first;
    uint64_t seed = pick(t, 1000);
    if (sample_once(t, m->rdd, seed, &first) || sample_once(t, m->rdd, seed, &second))
        return 1;
    double expected = 0.3 * (double)m->rows.count, slack = 6 * (1 + expected);
    if (((double)first.count - expected) * ((double)first.count - expected) > slack * 6)
        return wrong(t, "sample", "far from the fraction");
    return compare(t, "sample twice", &second, &first);
}

static int check_reduce(test_case *t, const member *m)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    if (m->rows.value != 'i')
        return 0;
    rows got = {.key = 'n', .value = 'i'}, all = m->rows, want;
    all = model_only(&all, 0);
    want = model_reduce(&all, 's');
    if (sdf_reduce(m->rdd, "sdf.sum", &result, &err) || read_all(result, &got, &err))
        return failed(t, "reduce", err);
    return compare(t, "reduce", &got, &want);
}

int verify(test_case *t)
{
    static int (*const checks[])(test_case *, const member *) = {
        check_collect, check_collect, check_collect, check_count,  check_take,   check_save,   check_count_by_key,
        check_lookup,  check_ordered, check_index,   check_sample, check_reduce,
    };
    size_t at = pick(t, t->count);
    uint64_t which = pick(t, sizeof checks / sizeof checks[0]);
    trail(t, "  action %llu on [%zu]\n", (unsigned long long)which, at);
    return checks[which](t, &t->pool[at]);
}
