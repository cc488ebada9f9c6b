/* Store conformance: writing and reading, one thread. */
#include "store/conformance.h"

#include <stdlib.h>
#include <string.h>

#include "base/timebase.h"

#define NAME(n) CONFORMANCE_PREFIX n

static int round_trip(suite *s)
{
    static const size_t sizes[] = {0,     1,     2,      7,      4095,    4096,          4097,         65535,
                                   65536, 65537, 262143, 262145, 1 << 20, (1 << 20) + 1, (5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i], pieces = i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 37;
        if (suite_put(s, s->a, NAME("round"), size, i, pieces, 0, SDF_OK) ||
            suite_head(s, s->a, NAME("round"), size, SDF_OK) || suite_get(s, s->a, NAME("round"), 0, size, i, SDF_OK))
            return 1;
    }
    return 0;
}

static int no_append(suite *s)
{
    sdf_error *err = NULL;
    void *writer = NULL;
    const sdf_store_ops *ops = s->a->ops;
    if (suite_status(s, "writer_open", ops->writer_open(s->a->self, NAME("none"), 1, &writer, &err), &err, SDF_OK))
        return 1;
    int rc = ops->writer_append(s->a->self, writer, NULL, 0, &err);
    if (suite_status(s, "writer_append of no parts", rc, &err, SDF_OK)) {
        ops->writer_abort(s->a->self, writer);
        return 1;
    }
    return suite_status(s, "writer_commit", ops->writer_commit(s->a->self, writer, &err), &err, SDF_OK) ||
           suite_head(s, s->a, NAME("none"), 0, SDF_OK) || suite_get(s, s->a, NAME("none"), 0, 0, 0, SDF_OK);
}

static int ranges(suite *s)
{
    const uint64_t size = (1 << 20) + 17;
    static const uint64_t some[][2] = {{0, 0},
                                       {0, 1},
                                       {1, 0},
                                       {4095, 2},
                                       {4096, 4096},
                                       {1000, 65536},
                                       {(1 << 20) + 16, 1},
                                       {(1 << 20) + 17, 0},
                                       {0, (1 << 20) + 17}};
    if (suite_put(s, s->a, NAME("ranges"), size, 5, 11, 0, SDF_OK))
        return 1;
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        if (suite_get(s, s->a, NAME("ranges"), some[i][0], some[i][1], 5, SDF_OK))
            return 1;
    rng random = {99};
    for (int i = 0; i < 40; i++) {
        uint64_t offset = rng_below(&random, size), length = rng_below(&random, size - offset + 1);
        if (suite_get(s, s->a, NAME("ranges"), offset, length, 5, SDF_OK))
            return 1;
    }
    return 0;
}

static int beyond_the_end(suite *s)
{
    static const uint64_t some[][2] = {{0, 101},
                                       {100, 1},
                                       {101, 0},
                                       {50, 51},
                                       {1, UINT64_MAX},
                                       {UINT64_MAX, 1},
                                       {UINT64_MAX, UINT64_MAX},
                                       {0, UINT64_C(1) << 62}};
    if (suite_put(s, s->a, NAME("short"), 100, 6, 1, 0, SDF_OK))
        return 1;
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        if (suite_get(s, s->a, NAME("short"), some[i][0], some[i][1], 6, SDF_E_CORRUPT))
            return 1;
    return 0;
}

static int not_found(suite *s)
{
    if (suite_put(s, s->a, NAME("here/object"), 10, 1, 1, 0, SDF_OK))
        return 1;
    static const char *const names[] = {NAME("nowhere"), NAME("no/where"), NAME("here/nothing"), NAME("here"),
                                        NAME("here/object.more")};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (suite_head(s, s->a, names[i], 0, SDF_E_NOT_FOUND) ||
            suite_get(s, s->a, names[i], 0, 0, 0, SDF_E_NOT_FOUND) ||
            suite_get(s, s->a, names[i], 0, 10, 0, SDF_E_NOT_FOUND))
            return 1;
    return 0;
}

/* ---- several reads in one call ---- */

#define MANY 24

/* As the library of a newer header makes them: the store must walk the pointers. */
typedef struct longer_read {
    sdf_read known;
    uint64_t later[3];
} longer_read;

static int check_many(suite *s, sdf_read *const *reads, const uint8_t *x, const uint8_t *y)
{
    for (size_t i = 0; i < MANY; i++) {
        int expected = i % 4 == 2 ? SDF_E_NOT_FOUND : i % 4 == 3 ? SDF_E_CORRUPT : SDF_OK;
        const uint8_t *bytes = i % 4 == 0 ? x : y;
        if (suite_status(s, "one of many reads", reads[i]->status, &reads[i]->err, expected))
            return 1;
        EXPECT(s,
               expected != SDF_OK || (reads[i]->view.size == reads[i]->length &&
                                      memcmp(reads[i]->view.data, bytes + reads[i]->offset, reads[i]->length) == 0),
               "read %zu of many in one call has the wrong bytes", i);
    }
    return 0;
}

static int many_reads(suite *s)
{
    uint8_t *x = suite_bytes(5000, 7), *y = suite_bytes(5000, 8);
    uint8_t room[MANY][64];
    longer_read reads[MANY];
    sdf_read *list[MANY];
    static const char *const names[] = {NAME("many-x"), NAME("many-y"), NAME("many-z"), NAME("many-y")};
    int failed = x == NULL || y == NULL || suite_put(s, s->a, names[0], 5000, 7, 3, 0, SDF_OK) ||
                 suite_put(s, s->a, names[1], 5000, 8, 3, 0, SDF_OK);
    memset(reads, 0, sizeof reads);
    for (size_t i = 0; i < MANY; i++) {
        sdf_read *r = list[i] = &reads[i].known;
        r->struct_size = sizeof reads[i];
        r->name = names[i % 4];
        r->offset = i % 4 == 3 ? 4990 : i * 13;
        r->length = 40;
        r->buffer = i % 3 == 0 ? room[i] : NULL;
    }
    if (!failed) {
        sdf_error *err = NULL;
        failed = suite_status(s, "read", s->a->ops->read(s->a->self, list, MANY, &err), &err, SDF_OK);
        if (!failed)
            failed = check_many(s, list, x, y);
        for (size_t i = 0; i < MANY; i++) {
            sdf_error_free(list[i]->err);
            if (list[i]->status == SDF_OK)
                store_release(&list[i]->view);
        }
    }
    free(x);
    free(y);
    return failed;
}

static int no_reads(suite *s)
{
    sdf_error *err = NULL;
    return suite_status(s, "a call with no reads", s->a->ops->read(s->a->self, NULL, 0, &err), &err, SDF_OK);
}

/* A buffer is used within its bounds or not at all. */
static int buffers(suite *s)
{
    uint8_t room[128], bytes[300];
    sdf_view view;
    sdf_error *err = NULL;
    suite_fill(bytes, sizeof bytes, 9);
    memset(room, 0xaa, sizeof room);
    if (suite_put(s, s->a, NAME("buffer"), sizeof bytes, 9, 2, 0, SDF_OK))
        return 1;
    int rc = store_get_range(s->a, NAME("buffer"), 50, 100, room + 14, &view, &err);
    if (suite_status(s, "a read into a buffer", rc, &err, SDF_OK))
        return 1;
    int good = view.size == 100 && memcmp(view.data, bytes + 50, 100) == 0;
    store_release(&view);
    EXPECT(s, good, "a read into a buffer lends the wrong bytes");
    for (size_t i = 0; i < sizeof room; i++)
        EXPECT(s, room[i] == 0xaa || (i >= 14 && i < 114), "a read into a buffer wrote outside of it");
    return 0;
}

/* ---- visibility ---- */

static int invisible(suite *s, const char *name)
{
    if (suite_head(s, s->a, name, 0, SDF_E_NOT_FOUND) || suite_get(s, s->a, name, 0, 1, 0, SDF_E_NOT_FOUND) ||
        suite_count(s, s->a, name, 0))
        return 1;
    return s->b != NULL && (suite_head(s, s->b, name, 0, SDF_E_NOT_FOUND) || suite_count(s, s->b, name, 0));
}

/* Opens a writer and appends 100,000 bytes of suite_fill. */
static int begin_object(suite *s, const char *name, uint64_t seed, int if_absent, void **writer)
{
    sdf_error *err = NULL;
    const sdf_store_ops *ops = s->a->ops;
    *writer = NULL;
    if (suite_status(s, "writer_open", ops->writer_open(s->a->self, name, if_absent, writer, &err), &err, SDF_OK))
        return 1;
    uint8_t *bytes = suite_bytes(100000, seed);
    sdf_slice part = {bytes, 100000};
    int rc = bytes != NULL ? ops->writer_append(s->a->self, *writer, &part, 1, &err) : SDF_E_NO_MEMORY;
    free(bytes);
    if (!suite_status(s, "writer_append", rc, &err, SDF_OK))
        return 0;
    ops->writer_abort(s->a->self, *writer);
    return 1;
}

static int commit(suite *s, void *writer, int expected)
{
    sdf_error *err = NULL;
    return suite_status(s, "writer_commit", s->a->ops->writer_commit(s->a->self, writer, &err), &err, expected);
}

static int not_before_commit(suite *s)
{
    void *writer;
    if (begin_object(s, NAME("later"), 3, 1, &writer))
        return 1;
    if (invisible(s, NAME("later"))) {
        s->a->ops->writer_abort(s->a->self, writer);
        return 1;
    }
    return commit(s, writer, SDF_OK) || suite_get(s, s->a, NAME("later"), 0, 100000, 3, SDF_OK) ||
           suite_count(s, s->a, NAME("later"), 1);
}

static int abort_leaves_nothing(suite *s)
{
    void *writer;
    if (begin_object(s, NAME("aborted"), 3, 0, &writer))
        return 1;
    s->a->ops->writer_abort(s->a->self, writer);
    return invisible(s, NAME("aborted"));
}

static int if_absent(suite *s)
{
    void *first, *second;
    if (suite_put(s, s->a, NAME("absent"), 1000, 1, 2, 1, SDF_OK) ||
        suite_put(s, s->a, NAME("absent"), 900, 2, 2, 1, SDF_E_EXISTS) ||
        suite_head(s, s->a, NAME("absent"), 1000, SDF_OK) || suite_get(s, s->a, NAME("absent"), 0, 1000, 1, SDF_OK) ||
        suite_remove(s, NAME("absent")) || suite_put(s, s->a, NAME("absent"), 900, 2, 2, 1, SDF_OK) ||
        suite_get(s, s->a, NAME("absent"), 0, 900, 2, SDF_OK))
        return 1;
    /* Two that are open at once: the first commit wins. */
    if (begin_object(s, NAME("race"), 11, 1, &first))
        return 1;
    if (begin_object(s, NAME("race"), 12, 1, &second)) {
        s->a->ops->writer_abort(s->a->self, first);
        return 1;
    }
    int failed = commit(s, second, SDF_OK);
    failed |= commit(s, first, SDF_E_EXISTS);
    return failed || suite_get(s, s->a, NAME("race"), 0, 100000, 12, SDF_OK);
}

static int replacement(suite *s)
{
    return suite_put(s, s->a, NAME("replace"), 1000, 1, 2, 0, SDF_OK) ||
           suite_get(s, s->a, NAME("replace"), 0, 1000, 1, SDF_OK) ||
           suite_put(s, s->a, NAME("replace"), 2000, 2, 2, 0, SDF_OK) ||
           suite_get(s, s->a, NAME("replace"), 0, 2000, 2, SDF_OK) ||
           suite_put(s, s->a, NAME("replace"), 0, 3, 1, 0, SDF_OK) || suite_head(s, s->a, NAME("replace"), 0, SDF_OK) ||
           suite_get(s, s->a, NAME("replace"), 0, 1, 3, SDF_E_CORRUPT) || suite_count(s, s->a, NAME("replace"), 1);
}

static int removal(suite *s)
{
    static const char *const names[] = {NAME("gone/a"), NAME("gone/b"), NAME("gone/never"), NAME("gone/a"),
                                        NAME("gone")};
    sdf_error *err = NULL;
    if (suite_put(s, s->a, names[0], 10, 1, 1, 0, SDF_OK) || suite_put(s, s->a, names[1], 10, 1, 1, 0, SDF_OK) ||
        suite_put(s, s->a, NAME("gone/kept"), 10, 4, 1, 0, SDF_OK) || suite_get(s, s->a, names[0], 0, 10, 1, SDF_OK) ||
        suite_status(s, "remove", s->a->ops->remove(s->a->self, names, 5, &err), &err, SDF_OK))
        return 1;
    return suite_head(s, s->a, names[0], 0, SDF_E_NOT_FOUND) ||
           suite_get(s, s->a, names[0], 0, 10, 1, SDF_E_NOT_FOUND) ||
           suite_head(s, s->a, names[1], 0, SDF_E_NOT_FOUND) ||
           suite_get(s, s->a, NAME("gone/kept"), 0, 10, 4, SDF_OK) || suite_count(s, s->a, NAME("gone/"), 1);
}

/* What one opening commits, replaces and removes, another sees. */
static int two_openings(suite *s)
{
    if (s->b == NULL)
        return 0; /* a store of one process may be a new one each time */
    return suite_put(s, s->a, NAME("shared"), 70000, 1, 3, 1, SDF_OK) ||
           suite_get(s, s->b, NAME("shared"), 5, 60000, 1, SDF_OK) ||
           suite_put(s, s->b, NAME("shared"), 10, 2, 3, 1, SDF_E_EXISTS) ||
           suite_put(s, s->b, NAME("shared"), 500, 2, 1, 0, SDF_OK) ||
           suite_get(s, s->a, NAME("shared"), 0, 500, 2, SDF_OK) || suite_count(s, s->b, NAME("shared"), 1) ||
           suite_remove(s, NAME("shared")) || suite_get(s, s->b, NAME("shared"), 0, 500, 2, SDF_E_NOT_FOUND);
}

/* Sweeping takes the leftovers of one who never ends; what is committed stays. */
static int sweeping(suite *s)
{
    void *writer;
    sdf_error *err = NULL;
    const sdf_store_ops *ops = s->a->ops;
    if (suite_put(s, s->a, NAME("sweep/kept"), 100, 1, 1, 0, SDF_OK) ||
        begin_object(s, NAME("sweep/left"), 2, 1, &writer))
        return 1;
    int rc = ops->sweep != NULL ? ops->sweep(s->a->self, CONFORMANCE_PREFIX, &err) : SDF_OK;
    int failed = suite_status(s, "sweep", rc, &err, SDF_OK) || suite_count(s, s->a, NAME("sweep/"), 1) ||
                 suite_get(s, s->a, NAME("sweep/kept"), 0, 100, 1, SDF_OK);
    /* The one swept away may still finish, or fail; there is no third way. */
    rc = ops->writer_commit(s->a->self, writer, &err);
    failed |= suite_status(s, "commit after a sweep", rc, &err, rc);
    if (failed)
        return 1;
    return rc == SDF_OK ? suite_get(s, s->a, NAME("sweep/left"), 0, 100000, 2, SDF_OK)
                        : suite_head(s, s->a, NAME("sweep/left"), 0, SDF_E_NOT_FOUND);
}

const suite_case conformance_basic[] = {
    {"round_trip", round_trip},
    {"no_append", no_append},
    {"ranges", ranges},
    {"beyond_the_end", beyond_the_end},
    {"not_found", not_found},
    {"many_reads", many_reads},
    {"no_reads", no_reads},
    {"buffers", buffers},
    {"not_before_commit", not_before_commit},
    {"abort_leaves_nothing", abort_leaves_nothing},
    {"if_absent", if_absent},
    {"replacement", replacement},
    {"removal", removal},
    {"two_openings", two_openings},
    {"sweeping", sweeping},
    {NULL, NULL},
};
