/* Store conformance: several threads, and views that outlive their objects. */
#include "store/conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define NAME(n) CONFORMANCE_PREFIX n
#define THREADS 8
#define OBJECTS 12 /* per thread */
#define BYTES   20000

/* One thread's part; each has a suite of its own to note failures in. */
typedef struct worker {
    suite s;
    pthread_t thread;
    int index, started, failed;
    int won; /* commits that answered SDF_OK */
} worker;

/* Runs `body` in THREADS threads and counts the wins. */
static int in_threads(suite *s, void *(*body)(void *), int *won)
{
    static worker zero;
    worker all[THREADS];
    *won = 0;
    for (int i = 0; i < THREADS; i++) {
        all[i] = zero;
        all[i].s.a = s->b != NULL && i % 2 ? s->b : s->a;
        all[i].index = i;
        all[i].started = pthread_create(&all[i].thread, NULL, body, &all[i]) == 0;
    }
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        if (all[i].started)
            pthread_join(all[i].thread, NULL);
        else
            failed |= suite_fail(s, "no thread for the test");
        if (all[i].started && all[i].failed)
            failed |= suite_fail(s, "thread %d: %s", i, all[i].s.verdict.why);
        *won += all[i].won;
    }
    return failed;
}

static void *write_own(void *user)
{
    worker *w = user;
    char name[64];
    for (int i = 0; i < OBJECTS && !w->failed; i++) {
        uint64_t seed = (uint64_t)(w->index * 1000 + i);
        snprintf(name, sizeof name, NAME("own/%d/%d"), i, w->index);
        w->failed = suite_put(&w->s, w->s.a, name, BYTES, seed, 5, 1, SDF_OK) ||
                    suite_get(&w->s, w->s.a, name, 100, BYTES - 200, seed, SDF_OK);
    }
    return NULL;
}

static int different_names(suite *s)
{
    int won;
    char name[64];
    if (in_threads(s, write_own, &won) || suite_count(s, s->a, NAME("own/"), THREADS * OBJECTS))
        return 1;
    for (int i = 0; i < THREADS * OBJECTS; i++) {
        snprintf(name, sizeof name, NAME("own/%d/%d"), i % OBJECTS, i / OBJECTS);
        if (suite_get(s, s->a, name, 0, BYTES, (uint64_t)(i / OBJECTS * 1000 + i % OBJECTS), SDF_OK))
            return 1;
    }
    return 0;
}

/* Each thread tries to be the one who makes each of the objects. */
static void *write_same(void *user)
{
    worker *w = user;
    char name[64];
    for (int i = 0; i < OBJECTS && !w->failed; i++) {
        uint8_t bytes[512];
        void *writer = NULL;
        sdf_error *err = NULL;
        const store *s = w->s.a;
        sdf_slice part = {bytes, sizeof bytes};
        snprintf(name, sizeof name, NAME("same/%d"), i);
        memset(bytes, w->index + 1, sizeof bytes);
        w->failed =
            suite_status(&w->s, "writer_open", s->ops->writer_open(s->self, name, 1, &writer, &err), &err, SDF_OK);
        if (w->failed)
            break;
        w->failed =
            suite_status(&w->s, "writer_append", s->ops->writer_append(s->self, writer, &part, 1, &err), &err, SDF_OK);
        int rc = s->ops->writer_commit(s->self, writer, &err);
        w->failed |= suite_status(&w->s, "writer_commit", rc, &err, rc == SDF_OK ? SDF_OK : SDF_E_EXISTS);
        w->won += rc == SDF_OK;
    }
    return NULL;
}

/* 0 if the whole object is `size` times one byte. */
static int uniform(suite *s, const store *from, const char *name, size_t size)
{
    sdf_view view;
    sdf_error *err = NULL;
    store *to = (store *)(uintptr_t)from;
    if (suite_status(s, "read", store_get_range(to, name, 0, size, NULL, &view, &err), &err, SDF_OK))
        return 1;
    const uint8_t *p = view.data;
    size_t i = 1;
    while (i < size && p[i] == p[0])
        i++;
    int whole = i == size && p[0] >= 1 && p[0] <= THREADS;
    store_release(&view);
    EXPECT(s, whole, "\"%s\" is a mixture of what two writers wrote", name);
    return 0;
}

static int one_winner(suite *s)
{
    int won;
    char name[64];
    if (in_threads(s, write_same, &won))
        return 1;
    EXPECT(s, won == OBJECTS, "%d commits of %d names won, if_absent", won, OBJECTS);
    for (int i = 0; i < OBJECTS; i++) {
        snprintf(name, sizeof name, NAME("same/%d"), i);
        if (suite_head(s, s->a, name, 512, SDF_OK) || uniform(s, s->a, name, 512))
            return 1;
    }
    return 0;
}

/* Half of the threads replace one object, the others read it. */
static void *replace_or_read(void *user)
{
    worker *w = user;
    uint8_t bytes[4096];
    memset(bytes, w->index + 1, sizeof bytes);
    for (int i = 0; i < 4 * OBJECTS && !w->failed; i++) {
        sdf_error *err = NULL;
        if (w->index < THREADS / 2)
            w->failed = suite_status(&w->s, "replacing", store_put(w->s.a, NAME("hot"), bytes, sizeof bytes, &err),
                                     &err, SDF_OK);
        else
            w->failed = uniform(&w->s, w->s.a, NAME("hot"), sizeof bytes);
    }
    return NULL;
}

static int replaced_while_read(suite *s)
{
    int won;
    uint8_t bytes[4096];
    sdf_error *err = NULL;
    memset(bytes, 1, sizeof bytes);
    if (suite_status(s, "put", store_put(s->a, NAME("hot"), bytes, sizeof bytes, &err), &err, SDF_OK))
        return 1;
    return in_threads(s, replace_or_read, &won) || uniform(s, s->a, NAME("hot"), sizeof bytes);
}

static void *release_view(void *user)
{
    store_release(user);
    return NULL;
}

/* A view stays good when its object is removed, and any thread may release it. */
static int views_outlive(suite *s)
{
    sdf_view view;
    sdf_error *err = NULL;
    uint8_t bytes[3000];
    pthread_t thread;
    suite_fill(bytes, sizeof bytes, 21);
    if (suite_put(s, s->a, NAME("view"), sizeof bytes, 21, 2, 0, SDF_OK) ||
        suite_status(s, "read", store_get_range(s->a, NAME("view"), 1000, 1000, NULL, &view, &err), &err, SDF_OK))
        return 1;
    int failed = suite_put(s, s->a, NAME("view"), sizeof bytes, 22, 2, 0, SDF_OK) || suite_remove(s, NAME("view")) ||
                 suite_head(s, s->a, NAME("view"), 0, SDF_E_NOT_FOUND);
    if (!failed && memcmp(view.data, bytes + 1000, 1000) != 0)
        failed = suite_fail(s, "the bytes of a view changed when its object was removed");
    if (pthread_create(&thread, NULL, release_view, &view) == 0)
        pthread_join(thread, NULL);
    else
        store_release(&view);
    return failed;
}

const suite_case conformance_threads[] = {
    {"different_names", different_names},
    {"one_winner", one_winner},
    {"replaced_while_read", replaced_while_read},
    {"views_outlive", views_outlive},
    {NULL, NULL},
};
