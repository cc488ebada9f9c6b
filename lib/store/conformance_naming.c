/* Store conformance: names and listings. */
#include "store/conformance.h"

#include <stdio.h>
#include <string.h>

#define NAME(n) CONFORMANCE_PREFIX n

/* ---- names ---- */

static int refused(suite *s, const char *name)
{
    void *writer = NULL;
    sdf_error *err = NULL;
    const sdf_store_ops *ops = s->a->ops;
    int rc = ops->writer_open(s->a->self, name, 0, &writer, &err);
    if (rc == SDF_OK)
        ops->writer_abort(s->a->self, writer);
    if (suite_status(s, "writer_open with a bad name", rc, &err, SDF_E_INVALID))
        return suite_fail(s, "bad name \"%.60s\"", name);
    return suite_head(s, s->a, name, 0, SDF_E_INVALID) || suite_get(s, s->a, name, 0, 0, 0, SDF_E_INVALID);
}

static int bad_names(suite *s)
{
    static const char *const names[] = {
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/./b",
        "a/../b",
        "../a",
        ".hidden",
        "a/.hidden",
        "a b",
        "a\nb",
        "a\\b",
        "a:b",
        "a*",
        "a?",
        "a\x7f",
        "a\xc3\xa4",
        "a%2fb",
        "~",
        "sdf-conformance/../../x",
    };
    char longer[600];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (refused(s, names[i]))
            return 1;
    memset(longer, 'x', sizeof longer);
    longer[201] = 0; /* one part too long */
    if (refused(s, longer))
        return 1;
    for (size_t i = 0; i < sizeof longer; i++)
        longer[i] = i % 100 == 99 ? '/' : 'y';
    longer[513] = 0; /* all of it too long */
    return refused(s, longer);
}

static int good_names(suite *s)
{
    static const char *const names[] = {NAME("a"),
                                        NAME("A-Z_09.x"),
                                        NAME("-dash"),
                                        NAME("_under"),
                                        NAME("deep/er/a/b/c/d/e/f/g/h"),
                                        NAME("dots.."),
                                        NAME("0"),
                                        NAME("sdf-1/s3/t17.0.a42.index")};
    char longest[STORE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (suite_put(s, s->a, names[i], 10 + i, i, 1, 1, SDF_OK))
            return suite_fail(s, "name \"%s\"", names[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (suite_get(s, s->a, names[i], 0, 10 + i, i, SDF_OK))
            return 1;
    memset(longest, 'l', sizeof longest);
    memcpy(longest, CONFORMANCE_PREFIX, strlen(CONFORMANCE_PREFIX));
    longest[strlen(CONFORMANCE_PREFIX) + STORE_PART_MAX] = '/';
    longest[strlen(CONFORMANCE_PREFIX) + 2 * STORE_PART_MAX + 1] = '/';
    longest[STORE_NAME_MAX] = 0;
    return suite_put(s, s->a, longest, 1000, 77, 2, 1, SDF_OK) || suite_get(s, s->a, longest, 10, 900, 77, SDF_OK) ||
           suite_count(s, s->a, longest, 1) || suite_remove(s, longest) ||
           suite_head(s, s->a, longest, 0, SDF_E_NOT_FOUND);
}

/* ---- listings ---- */

static const char *const listed[] = {NAME("list/a"), NAME("list/ab"), NAME("list/b/c"), NAME("list/b/d/e"),
                                     NAME("lisp")};
#define LISTED 5

typedef struct seen {
    size_t times[LISTED];
    size_t wrong; /* sizes, or names that nobody wrote */
} seen;

static int see(const sdf_object_info *info, void *user)
{
    seen *all = user;
    for (size_t i = 0; i < LISTED; i++) {
        if (strcmp(info->name, listed[i]) != 0)
            continue;
        all->times[i]++;
        all->wrong += info->size != 100 * (i + 1);
        return 0;
    }
    all->wrong += strncmp(info->name, CONFORMANCE_PREFIX, strlen(CONFORMANCE_PREFIX)) == 0;
    return 0;
}

/* Expects exactly the objects whose bits are set. */
static int list_gives(suite *s, const char *prefix, unsigned expected)
{
    seen all = {{0}, 0};
    sdf_error *err = NULL;
    if (suite_status(s, "list", s->a->ops->list(s->a->self, prefix, see, &all, &err), &err, SDF_OK))
        return 1;
    EXPECT(s, all.wrong == 0, "list of \"%s\" shows a wrong name or size", prefix);
    for (size_t i = 0; i < LISTED; i++)
        EXPECT(s, all.times[i] == (expected >> i & 1), "list of \"%s\" shows \"%s\" %zu times", prefix, listed[i],
               all.times[i]);
    return 0;
}

static int listing(suite *s)
{
    for (size_t i = 0; i < LISTED; i++)
        if (suite_put(s, s->a, listed[i], 100 * (i + 1), i, 1, 0, SDF_OK))
            return 1;
    return list_gives(s, "", 0x1f) || list_gives(s, CONFORMANCE_PREFIX, 0x1f) || list_gives(s, "sdf-conf", 0x1f) ||
           list_gives(s, NAME("lis"), 0x1f) || list_gives(s, NAME("list"), 0x0f) ||
           list_gives(s, NAME("list/"), 0x0f) || list_gives(s, NAME("list/a"), 0x03) ||
           list_gives(s, NAME("list/b"), 0x0c) || list_gives(s, NAME("list/b/"), 0x0c) ||
           list_gives(s, NAME("list/b/d"), 0x08) || list_gives(s, NAME("list/b/d/e"), 0x08) ||
           list_gives(s, NAME("list/b/d/e/"), 0) || list_gives(s, NAME("list/a/"), 0) ||
           list_gives(s, NAME("nothing/here"), 0) || list_gives(s, "sdf-conformancf", 0);
}

static int stop_at_third(const sdf_object_info *info, void *user)
{
    return ++*(int *)user == 3 ? 42 : 0;
}

static int listing_stops(suite *s)
{
    int calls = 0;
    sdf_error *err = NULL;
    char name[64];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, NAME("stop/%d"), i);
        if (suite_put(s, s->a, name, 1, 1, 1, 0, SDF_OK))
            return 1;
    }
    int rc = s->a->ops->list(s->a->self, NAME("stop/"), stop_at_third, &calls, &err);
    EXPECT(s, err == NULL, "a listing that was stopped gives an error: %s", sdf_error_message(err));
    EXPECT(s, rc == 42 && calls == 3, "a listing stopped with 42 at call 3 returns %d after %d calls", rc, calls);
    return 0;
}

static int remove_listed(const sdf_object_info *info, void *user)
{
    suite *s = user;
    return suite_remove(s, info->name) ? -1 : 0;
}

/* The callback may call the store. */
static int listing_removes(suite *s)
{
    sdf_error *err = NULL;
    char name[64];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, NAME("rm/%d/%d"), i % 3, i);
        if (suite_put(s, s->a, name, 1, 1, 1, 0, SDF_OK))
            return 1;
    }
    int rc = s->a->ops->list(s->a->self, NAME("rm/"), remove_listed, s, &err);
    return suite_status(s, "list with a callback that removes", rc, &err, SDF_OK) ||
           suite_count(s, s->a, NAME("rm/"), 0);
}

const suite_case conformance_naming[] = {
    {"bad_names", bad_names},         {"good_names", good_names},           {"listing", listing},
    {"listing_stops", listing_stops}, {"listing_removes", listing_removes}, {NULL, NULL},
};
