/* The store conformance suite: runs the cases and reports them. The cases are in conformance_cases.c,
 * conformance_naming.c and conformance_threads.c. */
#include "store/conformance.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- calls with their expectations ---- */

/* Appends data in `pieces` appends of one to three parts each, overwriting what was appended after each. */
static int append_pieces(suite *s, store *to, void *writer, uint8_t *data, size_t size, size_t pieces)
{
    for (size_t i = 0; i < pieces; i++) {
        sdf_error *err = NULL;
        size_t from = size * i / pieces, n = size * (i + 1) / pieces - from, third = n / 3;
        sdf_slice parts[3] = {{data + from, third}, {data + from + third, 0}, {data + from + third, n - third}};
        if (suite_status(s, "writer_append", to->ops->writer_append(to->self, writer, parts, 3, &err), &err, SDF_OK))
            return 1;
        memset(data + from, 0xee, n);
    }
    return 0;
}

int suite_put(suite *s, store *to, const char *name, size_t size, uint64_t seed, size_t pieces, int if_absent,
              int expected)
{
    sdf_error *err = NULL;
    void *writer = NULL;
    uint8_t *data = suite_bytes(size, seed);
    EXPECT(s, data != NULL, "no memory for the test");
    int failed =
        suite_status(s, "writer_open", to->ops->writer_open(to->self, name, if_absent, &writer, &err), &err, SDF_OK);
    if (!failed) {
        failed = append_pieces(s, to, writer, data, size, pieces);
        if (failed) {
            to->ops->writer_abort(to->self, writer);
        } else {
            failed = suite_status(s, "writer_commit", to->ops->writer_commit(to->self, writer, &err), &err, expected);
        }
    }
    free(data);
    return failed;
}

static int check_range(suite *s, const char *name, const sdf_view *view, uint64_t offset, uint64_t length,
                       uint64_t seed)
{
    EXPECT(s, view->size == length, "the view of \"%s\" has %zu bytes, not %llu", name, view->size,
           (unsigned long long)length);
    uint8_t *data = suite_bytes((size_t)(offset + length), seed);
    EXPECT(s, data != NULL, "no memory for the test");
    int same = length == 0 || memcmp(view->data, data + offset, (size_t)length) == 0;
    free(data);
    EXPECT(s, same, "%llu bytes of \"%s\" at %llu are not what was written", (unsigned long long)length, name,
           (unsigned long long)offset);
    return 0;
}

int suite_get(suite *s, store *from, const char *name, uint64_t offset, uint64_t length, uint64_t seed, int expected)
{
    sdf_error *err = NULL;
    sdf_read read = {.struct_size = sizeof read, .name = name, .offset = offset, .length = length};
    sdf_read *reads[] = {&read};
    int failed = suite_status(s, "read", from->ops->read(from->self, reads, 1, &err), &err, SDF_OK) ||
                 suite_status(s, "the status of a read", read.status, &read.err, expected);
    if (!failed && expected == SDF_OK)
        failed = check_range(s, name, &read.view, offset, length, seed);
    if (read.status == SDF_OK)
        store_release(&read.view);
    return failed;
}

int suite_head(suite *s, store *from, const char *name, uint64_t size, int expected)
{
    sdf_error *err = NULL;
    uint64_t got = 0;
    if (suite_status(s, "head", from->ops->head(from->self, name, &got, &err), &err, expected))
        return 1;
    EXPECT(s, expected != SDF_OK || got == size, "head says that \"%s\" has %llu bytes, not %llu", name,
           (unsigned long long)got, (unsigned long long)size);
    return 0;
}

static int count_one(const sdf_object_info *info, void *user)
{
    ++*(size_t *)user;
    return 0;
}

int suite_count(suite *s, store *from, const char *prefix, size_t expected)
{
    sdf_error *err = NULL;
    size_t count = 0;
    if (suite_status(s, "list", from->ops->list(from->self, prefix, count_one, &count, &err), &err, SDF_OK))
        return 1;
    EXPECT(s, count == expected, "list finds %zu objects under \"%s\", not %zu", count, prefix, expected);
    return 0;
}

int suite_remove(suite *s, const char *name)
{
    sdf_error *err = NULL;
    return suite_status(s, "remove", s->a->ops->remove(s->a->self, &name, 1, &err), &err, SDF_OK);
}

/* ---- the run ---- */

/* Runs one case and removes what it left. */
static int run_case(suite *s, const suite_case *c, sdf_report_fn report, void *user)
{
    sdf_error *err = NULL;
    int failed = c->run(s);
    int rc = store_remove_prefix(s->a, CONFORMANCE_PREFIX, &err);
    if (rc != SDF_OK)
        failed = suite_fail(s, "cleaning up fails: %s", sdf_error_message(err));
    sdf_error_free(err);
    if (suite_count(s, s->a, CONFORMANCE_PREFIX, 0))
        failed = 1;
    return verdict_report(&s->verdict, c->name, failed, report, user);
}

static int check_empty(suite *s, sdf_error **err)
{
    size_t count = 0;
    int rc = s->a->ops->list(s->a->self, CONFORMANCE_PREFIX, count_one, &count, err);
    if (rc != SDF_OK || count == 0)
        return rc;
    error_set(err, SDF_E_EXISTS, "the store has objects under \"" CONFORMANCE_PREFIX "\"");
    error_hint(err, "run the suite on an empty store, or remove them");
    return SDF_E_EXISTS;
}

int sdf_store_conformance(const char *uri, sdf_report_fn report, void *user, sdf_error **err)
{
    static const suite_case *const groups[] = {conformance_basic, conformance_naming, conformance_threads};
    suite s = {NULL, NULL, {""}};
    int rc = store_open(uri, &s.a, err);
    if (rc == SDF_OK)
        rc = check_empty(&s, err);
    if (rc == SDF_OK && store_scope(s.a) >= SDF_SCOPE_HOST)
        rc = store_open(uri, &s.b, err);
    int failed = 0;
    for (size_t g = 0; rc == SDF_OK && g < sizeof groups / sizeof groups[0]; g++)
        for (const suite_case *c = groups[g]; c->name != NULL; c++)
            failed += run_case(&s, c, report, user);
    store_unref(s.b);
    store_unref(s.a);
    return rc == SDF_OK ? failed : rc;
}
