/* The source conformance suite: a source used as the library uses it, through its ops, on files that the caller makes.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "store/source.h"
#include "store/verdict.h"

#define NAME_ROOM 600
#define LISTED    16
#define THREADS   6

typedef struct source_suite {
    verdict verdict;
    source *from;
    char base[NAME_ROOM - 100]; /* begins the names of this run */
    sdf_conformance_put_fn put;
    void *user;
} source_suite;

/* What a listing gave; more than LISTED are only counted. */
typedef struct listed {
    size_t count;
    char names[LISTED][NAME_ROOM];
    uint64_t sizes[LISTED];
    int64_t modified_ns[LISTED];
    char versions[LISTED][1100];
    int stop_with; /* what the callback answers */
} listed;

static void name_of(const source_suite *s, const char *what, char name[NAME_ROOM])
{
    snprintf(name, NAME_ROOM, "%s%s", s->base, what);
}

static int put(source_suite *s, const char *what, size_t size, uint64_t seed)
{
    char name[NAME_ROOM];
    uint8_t *data = suite_bytes(size, seed);
    EXPECT(s, data != NULL, "no memory for the test");
    name_of(s, what, name);
    int rc = s->put(name, data, size, s->user);
    free(data);
    EXPECT(s, rc == SDF_OK, "the caller's put of \"%s\" answers %d", name, rc);
    return 0;
}

/* ---- listing ---- */

static int note_file(const sdf_source_info *info, void *user)
{
    listed *l = user;
    if (l->count < LISTED && info->struct_size >= sizeof *info && info->name != NULL) {
        snprintf(l->names[l->count], sizeof l->names[0], "%s", info->name);
        snprintf(l->versions[l->count], sizeof l->versions[0], "%s", info->version != NULL ? info->version : "");
        l->sizes[l->count] = info->size;
        l->modified_ns[l->count] = info->modified_ns;
    }
    l->count++;
    return l->stop_with;
}

static int ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Expects the listing of a name to give just the files that end with `ends`, separated by spaces. */
static int expect_list(source_suite *s, const char *what, const char *ends)
{
    listed *l = calloc(1, sizeof *l);
    EXPECT(s, l != NULL, "no memory for the test");
    char name[NAME_ROOM];
    name_of(s, what, name);
    sdf_error *err = NULL;
    int rc = s->from->ops.list(s->from->base.self, name, note_file, l, &err);
    int failed = *ends == 0 && rc == SDF_E_NOT_FOUND ? suite_status(s, "list", rc, &err, SDF_E_NOT_FOUND)
                                                     : suite_status(s, "list", rc, &err, SDF_OK);
    size_t expected = 0;
    for (const char *end = ends; !failed && *end != 0; expected++) {
        char one[100];
        size_t size = strcspn(end, " "), found = 0;
        snprintf(one, sizeof one, "%.*s", (int)size, end);
        for (size_t i = 0; i < l->count && i < LISTED; i++)
            found += (size_t)ends_with(l->names[i], one);
        if (found != 1)
            failed = suite_fail(s, "list of \"%s\" gives %zu files \"...%s\", not one", name, found, one);
        end += size + (end[size] == ' ');
    }
    if (!failed && l->count != expected)
        failed = suite_fail(s, "list of \"%s\" gives %zu files, not %zu", name, l->count, expected);
    free(l);
    return failed;
}

static int lists_a_file(source_suite *s)
{
    return put(s, "one.txt", 1000, 1) || expect_list(s, "one.txt", "/one.txt") || expect_list(s, "none.txt", "") ||
           expect_list(s, "one.txt.more", "") || expect_list(s, "one.tx", "") || expect_list(s, "one.txt/deeper", "");
}

static int lists_a_folder(source_suite *s)
{
    return put(s, "d/b.txt", 10, 1) || put(s, "d/a.txt", 20, 2) || put(s, "d/.hidden", 5, 3) ||
           put(s, "d/_hidden", 5, 4) || put(s, "d/deep/c.txt", 30, 5) || put(s, "dx.txt", 1, 6) ||
           expect_list(s, "d", "/d/a.txt /d/b.txt") || expect_list(s, "d/", "/d/a.txt /d/b.txt") ||
           expect_list(s, "d/deep", "/d/deep/c.txt") || expect_list(s, "d/_hidden", "/d/_hidden");
}

static int lists_globs(source_suite *s)
{
    return put(s, "g/a1.csv", 1, 1) || put(s, "g/a2.csv", 2, 2) || put(s, "g/b1.txt", 3, 3) ||
           put(s, "g/in/a3.csv", 4, 4) || put(s, "g/in/der/a4.csv", 5, 5) ||
           expect_list(s, "g/*.csv", "/g/a1.csv /g/a2.csv") || expect_list(s, "g/?1.*", "/g/a1.csv /g/b1.txt") ||
           expect_list(s, "g/[b-z]*", "/g/b1.txt /g/in/a3.csv") || expect_list(s, "g/[!a]?.txt", "/g/b1.txt") ||
           expect_list(s, "g/*/a*", "/g/in/a3.csv") || expect_list(s, "g/*.none", "") ||
           expect_list(s, "g/**/*.csv", "/g/a1.csv /g/a2.csv /g/in/a3.csv /g/in/der/a4.csv") ||
           expect_list(s, "**/a4.csv", "/g/in/der/a4.csv");
}

static int stops_listing(source_suite *s)
{
    if (put(s, "stop/a", 1, 1) || put(s, "stop/b", 1, 2) || put(s, "stop/c", 1, 3))
        return 1;
    listed *l = calloc(1, sizeof *l);
    EXPECT(s, l != NULL, "no memory for the test");
    char name[NAME_ROOM];
    name_of(s, "stop", name);
    l->stop_with = 7;
    int rc = s->from->ops.list(s->from->base.self, name, note_file, l, NULL);
    size_t count = l->count;
    free(l);
    EXPECT(s, rc == 7 && count == 1, "list goes on or answers %d (%zu files) when the callback answers 7", rc, count);
    return 0;
}

/* ---- reading ---- */

/* The file as it is listed. `l` has room; what points into it lives as long. */
static int look_up(source_suite *s, const char *what, listed *l, sdf_source_info *info)
{
    char name[NAME_ROOM];
    sdf_error *err = NULL;
    name_of(s, what, name);
    memset(l, 0, sizeof *l);
    int rc = s->from->ops.list(s->from->base.self, name, note_file, l, &err);
    if (suite_status(s, "list", rc, &err, SDF_OK))
        return 1;
    EXPECT(s, l->count == 1, "list of \"%s\" gives %zu files", name, l->count);
    *info = (sdf_source_info){.struct_size = sizeof *info,
                              .name = l->names[0],
                              .size = l->sizes[0],
                              .modified_ns = l->modified_ns[0],
                              .version = l->versions[0][0] != 0 ? l->versions[0] : NULL};
    return 0;
}

static int open_listed(source_suite *s, const sdf_source_info *info, void **file, int expected)
{
    sdf_error *err = NULL;
    int rc = s->from->ops.open(s->from->base.self, info->name, info, file, &err);
    if (rc == SDF_OK && expected != SDF_OK)
        s->from->ops.close(s->from->base.self, *file);
    return suite_status(s, "open", rc, &err, expected);
}

/* Expects the bytes of suite_fill(seed) at [offset, offset + size). */
static int expect_read(source_suite *s, void *file, uint64_t offset, size_t size, uint64_t seed, int expected)
{
    sdf_error *err = NULL;
    uint8_t *data = malloc(size + 1), *right = suite_bytes((size_t)(expected == SDF_OK ? offset + size : 0), seed);
    int failed;
    if (data == NULL || right == NULL) {
        failed = suite_fail(s, "no memory for the test");
    } else {
        data[size] = 0x5a;
        int rc = s->from->ops.read(s->from->base.self, file, data, size, offset, &err);
        failed = suite_status(s, "read", rc, &err, expected);
        if (!failed && expected == SDF_OK && size > 0 && memcmp(data, right + offset, size) != 0)
            failed = suite_fail(s, "%zu bytes at %llu are not those of the file", size, (unsigned long long)offset);
        if (!failed && data[size] != 0x5a)
            failed = suite_fail(s, "read writes behind the bytes that were asked for");
    }
    free(data);
    free(right);
    return failed;
}

/* Lists, opens and calls `body` with the open file. */
static int with_file(source_suite *s, const char *what, int (*body)(source_suite *s, void *file))
{
    listed *l = calloc(1, sizeof *l);
    EXPECT(s, l != NULL, "no memory for the test");
    sdf_source_info info;
    void *file;
    int failed = look_up(s, what, l, &info) || open_listed(s, &info, &file, SDF_OK);
    if (!failed) {
        failed = body(s, file);
        s->from->ops.close(s->from->base.self, file);
    }
    free(l);
    return failed;
}

#define LARGE ((3u << 20) + 17)

static int read_ranges(source_suite *s, void *file)
{
    static const uint64_t some[][2] = {{0, 0}, {0, 1}, {LARGE - 1, 1}, {LARGE, 0}, {4095, 4098}, {0, LARGE}};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        if (expect_read(s, file, some[i][0], (size_t)some[i][1], 9, SDF_OK))
            return 1;
    rng random = {5};
    for (int i = 0; i < 30; i++) {
        uint64_t offset = rng_below(&random, LARGE);
        if (expect_read(s, file, offset, (size_t)rng_below(&random, LARGE - offset + 1), 9, SDF_OK))
            return 1;
    }
    return expect_read(s, file, LARGE - 5, 6, 9, SDF_E_CORRUPT) || expect_read(s, file, LARGE + 7, 1, 9, SDF_E_CORRUPT);
}

static int reads_ranges(source_suite *s)
{
    return put(s, "large.bin", LARGE, 9) || with_file(s, "large.bin", read_ranges);
}

static int read_nothing(source_suite *s, void *file)
{
    return expect_read(s, file, 0, 0, 1, SDF_OK) || expect_read(s, file, 0, 1, 1, SDF_E_CORRUPT);
}

static int reads_an_empty_file(source_suite *s)
{
    return put(s, "empty", 0, 1) || expect_list(s, "empty", "/empty") || with_file(s, "empty", read_nothing);
}

static int open_another(source_suite *s, void *file)
{
    return with_file(s, "two.bin", read_nothing) || expect_read(s, file, 0, 100, 3, SDF_OK);
}

static int keeps_several_open(source_suite *s)
{
    return put(s, "one.bin", 100, 3) || put(s, "two.bin", 0, 4) || with_file(s, "one.bin", open_another);
}

static int misses_files(source_suite *s)
{
    char name[NAME_ROOM];
    void *file;
    name_of(s, "nowhere", name);
    sdf_source_info info = {.struct_size = sizeof info, .name = name, .size = 10};
    return open_listed(s, &info, &file, SDF_E_NOT_FOUND);
}

static int sees_changes_in(source_suite *s, listed *l)
{
    sdf_source_info info, other;
    void *file;
    if (put(s, "changed.bin", 100, 1) || look_up(s, "changed.bin", l, &info))
        return 1;
    EXPECT(s, info.size == 100, "list says that a file of 100 bytes has %llu", (unsigned long long)info.size);
    other = info;
    other.size = 99;
    if (open_listed(s, &other, &file, SDF_E_CORRUPT))
        return 1;
    other = (sdf_source_info){.struct_size = sizeof other, .name = info.name};
    if (open_listed(s, &other, &file, SDF_OK)) /* nothing is asked for */
        return 1;
    s->from->ops.close(s->from->base.self, file);
    return put(s, "changed.bin", 101, 1) || open_listed(s, &info, &file, SDF_E_CORRUPT);
}

static int sees_changes(source_suite *s)
{
    listed *l = calloc(1, sizeof *l);
    EXPECT(s, l != NULL, "no memory for the test");
    int failed = sees_changes_in(s, l);
    free(l);
    return failed;
}

/* ---- threads ---- */

typedef struct reader {
    source_suite own;
    pthread_t thread;
    void *file;
    int number, started, failed;
} reader;

static void *read_much(void *user)
{
    reader *r = user;
    rng random = {(uint64_t)r->number};
    for (int i = 0; i < 40 && !r->failed; i++) {
        uint64_t offset = rng_below(&random, 100000);
        r->failed = expect_read(&r->own, r->file, offset, (size_t)rng_below(&random, 100000 - offset + 1), 6, SDF_OK) ||
                    expect_list(&r->own, "shared.bin", "/shared.bin");
    }
    return NULL;
}

static int read_at_once(source_suite *s, void *file)
{
    reader *all = calloc(THREADS, sizeof *all);
    EXPECT(s, all != NULL, "no memory for the test");
    for (int i = 0; i < THREADS; i++) {
        all[i].own = *s;
        all[i].file = file;
        all[i].number = i;
        all[i].started = pthread_create(&all[i].thread, NULL, read_much, &all[i]) == 0;
    }
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        if (all[i].started)
            pthread_join(all[i].thread, NULL);
        if (!all[i].started || all[i].failed)
            failed = suite_fail(s, "thread %d: %s", i, all[i].started ? all[i].own.verdict.why : "could not be made");
    }
    free(all);
    return failed;
}

static int reads_in_threads(source_suite *s)
{
    return put(s, "shared.bin", 100000, 6) || with_file(s, "shared.bin", read_at_once);
}

/* ---- the run ---- */

int sdf_source_conformance(const char *prefix, sdf_conformance_put_fn put_file, sdf_report_fn report, void *user,
                           sdf_error **err)
{
    static const struct {
        const char *name;
        int (*run)(source_suite *s);
    } cases[] = {
        {"lists a file", lists_a_file},
        {"lists a folder", lists_a_folder},
        {"lists globs", lists_globs},
        {"stops listing", stops_listing},
        {"reads ranges", reads_ranges},
        {"reads an empty file", reads_an_empty_file},
        {"keeps several files open", keeps_several_open},
        {"misses files", misses_files},
        {"sees changes", sees_changes},
        {"reads in threads", reads_in_threads},
    };
    if (prefix == NULL || put_file == NULL || strlen(prefix) > NAME_ROOM / 2)
        return error_set(err, SDF_E_INVALID, "the suite needs a prefix of names, and a way to put files");
    source_suite s = {.from = source_of(prefix), .put = put_file, .user = user};
    snprintf(s.base, sizeof s.base, "%ssdf-conformance-%08x/", prefix, (unsigned)rng_seed());
    int rc = service_enter(&s.from->base, err), failed = 0;
    if (rc != SDF_OK)
        return rc;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        failed += verdict_report(&s.verdict, cases[i].name, cases[i].run(&s) != 0, report, user);
    service_leave(&s.from->base);
    return failed;
}
