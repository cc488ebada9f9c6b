/* The sink conformance suite: a sink used as driver and workers use it, through its ops; what is published is read back
 * by the caller. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "store/sink.h"
#include "store/verdict.h"

#define NAME_ROOM   600
#define TICKET_ROOM 1024
#define THREADS     6

typedef struct sink_suite {
    verdict verdict;
    sink *to;
    char base[NAME_ROOM - 100]; /* begins the names of this run */
    char name[NAME_ROOM];       /* of the case's output */
    unsigned outputs;
    void *open; /* the case's output, until it is finished or aborted */
    sdf_conformance_get_fn get;
    void *user;
} sink_suite;

static const char text[] = "{\"format\":\"sdf-manifest\"}\n";
static const sdf_slice manifest = {text, sizeof text - 1};

/* ---- calls with their expectations ---- */

static int begin(sink_suite *s, int single, void **output, int expected)
{
    sdf_error *err = NULL;
    int rc = s->to->ops.begin(s->to->base.self, s->name, "tok1", single, output, &err);
    if (rc == SDF_OK && expected != SDF_OK)
        s->to->ops.abort(s->to->base.self, *output);
    else if (rc == SDF_OK)
        s->open = *output;
    return suite_status(s, "begin", rc, &err, expected);
}

static void abort_open(sink_suite *s)
{
    if (s->open != NULL)
        s->to->ops.abort(s->to->base.self, s->open);
    s->open = NULL;
}

/* An output of a name that nobody has used. */
static int begin_new(sink_suite *s, int single, void **output)
{
    snprintf(s->name, sizeof s->name, "%s%u", s->base, s->outputs++);
    return begin(s, single, output, SDF_OK);
}

/* Writes suite_fill bytes in pieces, overwriting what was handed over. */
static int write_pieces(sink_suite *s, void *part, uint8_t *data, size_t size)
{
    rng random = {size};
    for (size_t at = 0, n; at < size; at += n) {
        sdf_error *err = NULL;
        n = 1 + (size_t)rng_below(&random, size / 5 + 10);
        n = n < size - at ? n : size - at;
        if (suite_status(s, "part_write", s->to->ops.part_write(s->to->base.self, part, data + at, n, &err), &err,
                         SDF_OK))
            return 1;
        memset(data + at, 0xee, n);
    }
    return 0;
}

static int part(sink_suite *s, int single, const char *attempt, const char *final, size_t size, uint64_t seed,
                char ticket[TICKET_ROOM])
{
    sdf_error *err = NULL;
    void *open;
    uint8_t *data = suite_bytes(size, seed);
    EXPECT(s, data != NULL, "no memory for the test");
    int rc = s->to->ops.part_open(s->to->base.self, s->name, "tok1", single, attempt, final, &open, &err);
    int failed = suite_status(s, "part_open", rc, &err, SDF_OK);
    if (!failed) {
        failed = write_pieces(s, open, data, size);
        memset(ticket, 'x', TICKET_ROOM);
        if (failed)
            s->to->ops.part_abort(s->to->base.self, open);
        else
            failed =
                suite_status(s, "part_close", s->to->ops.part_close(s->to->base.self, open, ticket, TICKET_ROOM, &err),
                             &err, SDF_OK);
        if (!failed && memchr(ticket, 0, TICKET_ROOM) == NULL)
            failed = suite_fail(s, "part_close gives a ticket without end");
    }
    free(data);
    return failed;
}

static int publish(sink_suite *s, void *output, const char *ticket, const char *final, uint64_t bytes, int expected)
{
    sdf_error *err = NULL;
    int rc = s->to->ops.publish(s->to->base.self, output, ticket, final, bytes, &err);
    return suite_status(s, "publish", rc, &err, expected);
}

static int finish(sink_suite *s, void *output)
{
    sdf_error *err = NULL;
    s->open = NULL;
    return suite_status(s, "finish", s->to->ops.finish(s->to->base.self, output, &manifest, &err), &err, SDF_OK);
}

/* Expects suite_fill bytes under the output's name and `final` ("": the name itself); SIZE_MAX: nothing. */
static int expect_bytes(sink_suite *s, const char *final, size_t size, uint64_t seed)
{
    char name[NAME_ROOM + 100];
    snprintf(name, sizeof name, "%s%s%s", s->name, *final ? "/" : "", final);
    if (size == SIZE_MAX) {
        EXPECT(s, s->get(name, NULL, 0, s->user) < 0, "\"%s\" can be read, and should not be there", name);
        return 0;
    }
    uint8_t *data = malloc(size + 1), *right = suite_bytes(size, seed);
    int64_t got = data != NULL && right != NULL ? s->get(name, data, size + 1, s->user) : SDF_E_NO_MEMORY;
    int same = got == (int64_t)size && (size == 0 || memcmp(data, right, size) == 0);
    free(data);
    free(right);
    EXPECT(s, same, "\"%s\" has not the %zu bytes that were written (%lld)", name, size, (long long)got);
    return 0;
}

static int expect_manifest(sink_suite *s)
{
    char name[NAME_ROOM + 100], data[sizeof text + 10];
    snprintf(name, sizeof name, "%s/_SUCCESS", s->name);
    int64_t got = s->get(name, data, sizeof data, s->user);
    EXPECT(s, got == (int64_t)manifest.size && memcmp(data, text, manifest.size) == 0,
           "\"%s\" is not the manifest that finish was given (%lld)", name, (long long)got);
    return 0;
}

/* ---- cases ---- */

static int writes_a_folder(sink_suite *s)
{
    void *output;
    char a[TICKET_ROOM], b[TICKET_ROOM], lost[TICKET_ROOM], nested[TICKET_ROOM];
    return begin_new(s, 0, &output) || part(s, 0, "a1", "part-00000", 5, 1, a) ||
           part(s, 0, "b1", "part-00001", (5u << 20) + 3, 2, b) || part(s, 0, "a2", "part-00000", 9, 3, lost) ||
           part(s, 0, "e1", "_errors/part-00000", 7, 4, nested) || expect_bytes(s, "part-00000", SIZE_MAX, 0) ||
           expect_bytes(s, "_SUCCESS", SIZE_MAX, 0) || publish(s, output, b, "part-00001", (5u << 20) + 3, SDF_OK) ||
           publish(s, output, a, "part-00000", 5, SDF_OK) ||
           publish(s, output, nested, "_errors/part-00000", 7, SDF_OK) || expect_bytes(s, "_SUCCESS", SIZE_MAX, 0) ||
           finish(s, output) || expect_bytes(s, "part-00000", 5, 1) ||
           expect_bytes(s, "part-00001", (5u << 20) + 3, 2) || expect_bytes(s, "_errors/part-00000", 7, 4) ||
           expect_manifest(s);
}

static int writes_nothing(sink_suite *s)
{
    void *output;
    char ticket[TICKET_ROOM];
    return begin_new(s, 0, &output) || finish(s, output) || expect_manifest(s) || begin_new(s, 0, &output) ||
           part(s, 0, "a1", "part-00000", 0, 1, ticket) || publish(s, output, ticket, "part-00000", 0, SDF_OK) ||
           finish(s, output) || expect_bytes(s, "part-00000", 0, 1) || expect_manifest(s);
}

static int writes_a_file(sink_suite *s)
{
    void *output;
    char won[TICKET_ROOM], lost[TICKET_ROOM];
    return begin_new(s, 1, &output) || part(s, 1, "a1", "", 100, 1, lost) || part(s, 1, "a2", "", 1000, 2, won) ||
           expect_bytes(s, "", SIZE_MAX, 0) || publish(s, output, won, "", 1000, SDF_OK) ||
           publish(s, output, won, "", 1000, SDF_OK) || finish(s, output) || expect_bytes(s, "", 1000, 2) ||
           begin(s, 1, &output, SDF_E_EXISTS) || expect_bytes(s, "", 1000, 2);
}

static int refuses_what_exists(sink_suite *s)
{
    void *output, *second;
    return begin_new(s, 0, &output) || begin(s, 0, &second, SDF_E_EXISTS) || finish(s, output) ||
           begin(s, 0, &second, SDF_E_EXISTS) || expect_manifest(s);
}

static int publishes_again(sink_suite *s)
{
    void *output;
    char a[TICKET_ROOM], b[TICKET_ROOM];
    return begin_new(s, 0, &output) || part(s, 0, "a1", "part-00000", 50, 1, a) ||
           part(s, 0, "b1", "part-00001", 60, 2, b) || publish(s, output, a, "part-00000", 51, SDF_E_CORRUPT) ||
           publish(s, output, a, "part-00000", 50, SDF_OK) || publish(s, output, b, "part-00001", 60, SDF_OK) ||
           publish(s, output, a, "part-00000", 50, SDF_OK) || publish(s, output, a, "part-00000", 50, SDF_OK) ||
           finish(s, output) || expect_bytes(s, "part-00000", 50, 1) || expect_bytes(s, "part-00001", 60, 2);
}

static int refuses_tickets(sink_suite *s)
{
    static const char *const tickets[] = {"", "nonsense", "../../etc/passwd", "/"};
    void *output;
    if (begin_new(s, 0, &output))
        return 1;
    int failed = 0;
    for (size_t i = 0; !failed && i < sizeof tickets / sizeof tickets[0]; i++) {
        sdf_error *err = NULL;
        int rc = s->to->ops.publish(s->to->base.self, output, tickets[i], "part-00000", 0, &err);
        failed = rc < 0 ? suite_status(s, "publish", rc, &err, rc)
                        : suite_fail(s, "publish takes the ticket \"%s\", which no part_close gave", tickets[i]);
    }
    return failed;
}

/* An output of one published and one open part is aborted; the open part ends later. */
static int leaves_nothing_of(sink_suite *s, int single)
{
    void *output, *late, *again;
    char ticket[TICKET_ROOM];
    const char *final = single ? "" : "part-00000";
    sdf_error *err = NULL;
    const sdf_sink_ops *ops = &s->to->ops;
    if (begin_new(s, single, &output) || part(s, single, "a1", final, 10, 1, ticket) ||
        publish(s, output, ticket, final, 10, SDF_OK) ||
        suite_status(s, "part_open",
                     ops->part_open(s->to->base.self, s->name, "tok1", single, "a2", final, &late, &err), &err, SDF_OK))
        return 1;
    abort_open(s);
    int rc = ops->part_close(s->to->base.self, late, ticket, sizeof ticket, NULL);
    EXPECT(s, rc <= 0, "part_close answers %d", rc);
    if (expect_bytes(s, final, SIZE_MAX, 0) || expect_bytes(s, "_SUCCESS", SIZE_MAX, 0))
        return 1;
    rc = ops->part_open(s->to->base.self, s->name, "tok1", single, "a3", final, &late, NULL);
    if (rc == SDF_OK)
        ops->part_abort(s->to->base.self, late);
    if (begin(s, single, &again, SDF_OK)) /* the name is free again */
        return 1;
    abort_open(s);
    return expect_bytes(s, final, SIZE_MAX, 0);
}

static int aborts(sink_suite *s)
{
    return leaves_nothing_of(s, 0) || leaves_nothing_of(s, 1);
}

static int aborts_parts(sink_suite *s)
{
    void *output, *dropped;
    char ticket[TICKET_ROOM];
    sdf_error *err = NULL;
    const sdf_sink_ops *ops = &s->to->ops;
    if (begin_new(s, 0, &output) ||
        suite_status(s, "part_open",
                     ops->part_open(s->to->base.self, s->name, "tok1", 0, "a1", "part-00000", &dropped, &err), &err,
                     SDF_OK) ||
        suite_status(s, "part_write", ops->part_write(s->to->base.self, dropped, "x", 1, &err), &err, SDF_OK))
        return 1;
    ops->part_abort(s->to->base.self, dropped);
    return part(s, 0, "a2", "part-00000", 3, 1, ticket) || publish(s, output, ticket, "part-00000", 3, SDF_OK) ||
           finish(s, output) || expect_bytes(s, "part-00000", 3, 1) || expect_manifest(s);
}

/* ---- threads ---- */

typedef struct writer {
    sink_suite own;
    pthread_t thread;
    int number, started, failed;
    char final[32], ticket[TICKET_ROOM];
} writer;

static void *write_one(void *user)
{
    writer *w = user;
    char attempt[32];
    snprintf(w->final, sizeof w->final, "part-%05d", w->number);
    for (int i = 0; i < 5 && !w->failed; i++) {
        snprintf(attempt, sizeof attempt, "t%d.a%d", w->number, i);
        w->failed = part(&w->own, 0, attempt, w->final, 50000, (uint64_t)w->number, w->ticket);
    }
    return NULL;
}

static int write_at_once(sink_suite *s, void *output, writer *all)
{
    for (int i = 0; i < THREADS; i++) {
        all[i].own = *s;
        all[i].number = i;
        all[i].started = pthread_create(&all[i].thread, NULL, write_one, &all[i]) == 0;
    }
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        if (all[i].started)
            pthread_join(all[i].thread, NULL);
        if (!all[i].started || all[i].failed)
            failed = suite_fail(s, "thread %d: %s", i, all[i].started ? all[i].own.verdict.why : "could not be made");
    }
    for (int i = 0; i < THREADS && !failed; i++)
        failed = publish(s, output, all[i].ticket, all[i].final, 50000, SDF_OK);
    failed = failed || finish(s, output);
    for (int i = 0; i < THREADS && !failed; i++)
        failed = expect_bytes(s, all[i].final, 50000, (uint64_t)i);
    return failed;
}

static int writes_in_threads(sink_suite *s)
{
    void *output;
    if (begin_new(s, 0, &output))
        return 1;
    writer *all = calloc(THREADS, sizeof *all);
    EXPECT(s, all != NULL, "no memory for the test");
    int failed = write_at_once(s, output, all);
    free(all);
    return failed;
}

/* ---- the run ---- */

int sdf_sink_conformance(const char *prefix, sdf_conformance_get_fn get, sdf_report_fn report, void *user,
                         sdf_error **err)
{
    static const struct {
        const char *name;
        int (*run)(sink_suite *s);
    } cases[] = {
        {"writes a folder", writes_a_folder},
        {"writes nothing", writes_nothing},
        {"writes a single file", writes_a_file},
        {"refuses what exists", refuses_what_exists},
        {"publishes again", publishes_again},
        {"refuses tickets", refuses_tickets},
        {"aborts outputs", aborts},
        {"aborts parts", aborts_parts},
        {"writes in threads", writes_in_threads},
    };
    if (prefix == NULL || get == NULL || strlen(prefix) > NAME_ROOM / 2)
        return error_set(err, SDF_E_INVALID, "the suite needs a prefix of names, and a way to get files");
    sink_suite s = {.to = sink_of(prefix), .get = get, .user = user};
    snprintf(s.base, sizeof s.base, "%ssdf-conformance-%08x-", prefix, (unsigned)rng_seed());
    int rc = service_enter(&s.to->base, err), failed = 0;
    if (rc != SDF_OK)
        return rc;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int case_failed = cases[i].run(&s) != 0;
        abort_open(&s);
        failed += verdict_report(&s.verdict, cases[i].name, case_failed, report, user);
    }
    service_leave(&s.to->base);
    return failed;
}
