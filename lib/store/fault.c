/* "fault:key=value,...:URI" wraps any store and lets it fail, from a seed: for tests of what stands on stores.
 *
 *   seed=N              of the random numbers (default 1); equal calls in equal order fail equally
 *   read_error=P        a read, or head, fails (SDF_E_IO)
 *   read_missing=P      an object seems not to be there (SDF_E_NOT_FOUND)
 *   read_short=P        an object seems cut (SDF_E_CORRUPT)
 *   read_flip=P         one bit of what is read is wrong, in a copy
 *   throttle=P          a read, head, or the start of an object is refused (SDF_E_THROTTLED)
 *   write_error=P       an append fails (SDF_E_IO)
 *   commit_error=P      a commit fails, and nothing becomes visible (SDF_E_IO)
 *   commit_lost_reply=P a commit is done, but reported as failed (SDF_E_IO)
 *   no_space_after=SIZE appends fail once so many bytes have been written (SDF_E_NO_SPACE)
 *   delay_ms=N          each read, append and commit takes up to so much longer
 *
 * P is a probability from 0 to 1. Listing, removing and sweeping never fail, so that tests can clean up.
 * Not here: faults of transports, which a fault: before a transport's URI makes. */
#include "store/scheme.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/options.h"
#include "base/timebase.h"
#include "store/store.h"

typedef struct fault_store {
    store *inner;
    pthread_mutex_t lock; /* guards random */
    rng random;
    uint64_t seed, no_space_after, delay_ms;
    uint64_t written; /* atomic */
    double read_error, read_missing, read_short, read_flip, throttle, write_error, commit_error, commit_lost_reply;
} fault_store;

#define FIELD(f) offsetof(fault_store, f)
static const option_spec fault_options[] = {
    {"seed", OPTION_U64, FIELD(seed), NULL},
    {"read_error", OPTION_UNIT, FIELD(read_error), NULL},
    {"read_missing", OPTION_UNIT, FIELD(read_missing), NULL},
    {"read_short", OPTION_UNIT, FIELD(read_short), NULL},
    {"read_flip", OPTION_UNIT, FIELD(read_flip), NULL},
    {"throttle", OPTION_UNIT, FIELD(throttle), NULL},
    {"write_error", OPTION_UNIT, FIELD(write_error), NULL},
    {"commit_error", OPTION_UNIT, FIELD(commit_error), NULL},
    {"commit_lost_reply", OPTION_UNIT, FIELD(commit_lost_reply), NULL},
    {"no_space_after", OPTION_SIZE, FIELD(no_space_after), NULL},
    {"delay_ms", OPTION_U64, FIELD(delay_ms), NULL},
};
#define OPTION_COUNT (sizeof fault_options / sizeof fault_options[0])
#define DELAY_MAX    60000 /* ms */

typedef struct fault_writer {
    void *inner;
    char name[];
} fault_writer;

/* ---- chance ---- */

static uint64_t draw(fault_store *f, uint64_t bound)
{
    pthread_mutex_lock(&f->lock);
    uint64_t v = rng_below(&f->random, bound);
    pthread_mutex_unlock(&f->lock);
    return v;
}

static int happens(fault_store *f, double probability)
{
    if (probability <= 0)
        return 0;
    pthread_mutex_lock(&f->lock);
    double v = rng_unit(&f->random);
    pthread_mutex_unlock(&f->lock);
    return v < probability;
}

static void delay(fault_store *f)
{
    if (f->delay_ms == 0)
        return;
    uint64_t us = draw(f, f->delay_ms * 1000 + 1);
    struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (nanosleep(&t, &t) != 0)
        ;
}

static int injected(int code, const char *what, const char *name, sdf_error **err)
{
    return error_set(err, code, "fault: %s, object \"%s\"", what, name);
}

/* What befalls a read or head before it reaches the store. */
static int read_fault(fault_store *f, const char *name, sdf_error **err)
{
    if (happens(f, f->throttle))
        return injected(SDF_E_THROTTLED, "injected throttling", name, err);
    if (happens(f, f->read_error))
        return injected(SDF_E_IO, "injected read error", name, err);
    if (happens(f, f->read_missing))
        return injected(SDF_E_NOT_FOUND, "injected missing object", name, err);
    return SDF_OK;
}

/* ---- ops: reading ---- */

/* Puts a copy with one wrong bit in the place of what was read. */
static int flip(fault_store *f, sdf_read *r)
{
    uint8_t *copy = malloc(r->view.size);
    if (copy == NULL)
        return error_no_memory(&r->err);
    memcpy(copy, r->view.data, r->view.size);
    uint64_t bit = draw(f, (uint64_t)r->view.size * 8);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    size_t size = r->view.size;
    store_release(&r->view);
    r->view = (sdf_view){copy, size, free, copy};
    return SDF_OK;
}

static void read_one(fault_store *f, sdf_read *r)
{
    r->status = read_fault(f, r->name, &r->err);
    if (r->status == SDF_OK && happens(f, f->read_short))
        r->status = injected(SDF_E_CORRUPT, "injected short object", r->name, &r->err);
    if (r->status != SDF_OK)
        return;
    sdf_error *err = NULL;
    int rc = f->inner->ops->read(f->inner->self, &r, 1, &err);
    if (rc != SDF_OK) {
        r->status = rc;
        r->err = err;
        return;
    }
    if (r->status != SDF_OK || r->view.size == 0 || !happens(f, f->read_flip))
        return;
    r->status = flip(f, r);
    if (r->status != SDF_OK)
        store_release(&r->view);
}

static int fault_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    fault_store *f = self;
    for (size_t i = 0; i < count; i++) {
        delay(f);
        read_one(f, reads[i]);
    }
    return SDF_OK;
}

static int fault_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    fault_store *f = self;
    int rc = read_fault(f, name, err);
    return rc != SDF_OK ? rc : f->inner->ops->head(f->inner->self, name, size, err);
}

/* ---- ops: writing ---- */

static int fault_writer_open(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    fault_store *f = self;
    int rc = store_check_name(name, err);
    if (rc != SDF_OK)
        return rc;
    if (happens(f, f->throttle))
        return injected(SDF_E_THROTTLED, "injected throttling", name, err);
    fault_writer *w = malloc(sizeof *w + strlen(name) + 1);
    if (w == NULL)
        return error_no_memory(err);
    strcpy(w->name, name);
    rc = f->inner->ops->writer_open(f->inner->self, name, if_absent, &w->inner, err);
    if (rc != SDF_OK) {
        free(w);
        return rc;
    }
    *writer = w;
    return SDF_OK;
}

static int fault_writer_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    fault_store *f = self;
    fault_writer *w = writer;
    delay(f);
    if (happens(f, f->write_error))
        return injected(SDF_E_IO, "injected write error", w->name, err);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].size;
    if (__atomic_add_fetch(&f->written, bytes, __ATOMIC_RELAXED) > f->no_space_after)
        return injected(SDF_E_NO_SPACE, "injected full store", w->name, err);
    return f->inner->ops->writer_append(f->inner->self, w->inner, parts, count, err);
}

static int fault_writer_commit(void *self, void *writer, sdf_error **err)
{
    fault_store *f = self;
    fault_writer *w = writer;
    int rc;
    delay(f);
    if (happens(f, f->commit_error)) {
        f->inner->ops->writer_abort(f->inner->self, w->inner);
        rc = injected(SDF_E_IO, "injected commit error", w->name, err);
    } else {
        rc = f->inner->ops->writer_commit(f->inner->self, w->inner, err);
        if (rc == SDF_OK && happens(f, f->commit_lost_reply))
            rc = injected(SDF_E_IO, "injected loss of a commit's reply", w->name, err);
    }
    free(w);
    return rc;
}

static void fault_writer_abort(void *self, void *writer)
{
    fault_store *f = self;
    fault_writer *w = writer;
    f->inner->ops->writer_abort(f->inner->self, w->inner);
    free(w);
}

/* ---- ops: handed through ---- */

static int fault_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    store *s = ((fault_store *)self)->inner;
    return s->ops->list(s->self, prefix, callback, user, err);
}

static int fault_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    store *s = ((fault_store *)self)->inner;
    return s->ops->remove(s->self, names, count, err);
}

static int fault_sweep(void *self, const char *prefix, sdf_error **err)
{
    store *s = ((fault_store *)self)->inner;
    return s->ops->sweep != NULL ? s->ops->sweep(s->self, prefix, err) : SDF_OK;
}

static uint32_t fault_scope(void *self)
{
    return store_scope(((fault_store *)self)->inner);
}

static uint64_t fault_memory(void *self)
{
    return store_memory(((fault_store *)self)->inner);
}

/* ---- opening ---- */

int fault_store_absolute(const char *rest, char **out, sdf_error **err)
{
    size_t size;
    const char *uri;
    char *absolute;
    int rc = options_split(rest, "fault:", &size, &uri, err);
    if (rc == SDF_OK)
        rc = scheme_absolute(uri, &absolute, err);
    if (rc != SDF_OK)
        return rc;
    buf text = BUF_EMPTY;
    rc = buf_printf(&text, "%.*s:%s", (int)size, rest, absolute);
    free(absolute);
    *out = rc == SDF_OK ? buf_take_text(&text) : NULL;
    buf_free(&text);
    return *out != NULL ? SDF_OK : error_no_memory(err);
}

int fault_store_open(const char *rest, void *user, void **self, sdf_error **err)
{
    size_t size;
    const char *uri;
    int rc = options_split(rest, "fault:", &size, &uri, err);
    if (rc != SDF_OK)
        return rc;
    fault_store *f = calloc(1, sizeof *f);
    if (f == NULL)
        return error_no_memory(err);
    f->seed = 1;
    f->no_space_after = UINT64_MAX;
    rc = options_read(rest, size, ',', "fault: before a store", fault_options, OPTION_COUNT, f, err);
    if (rc == SDF_OK && f->delay_ms > DELAY_MAX)
        rc = error_set(err, SDF_E_INVALID, "fault: delay_ms is above %d", DELAY_MAX);
    if (rc == SDF_OK)
        rc = store_open(uri, &f->inner, err);
    if (rc != SDF_OK) {
        free(f);
        return rc;
    }
    f->random.state = f->seed;
    pthread_mutex_init(&f->lock, NULL);
    *self = f;
    return SDF_OK;
}

static void fault_destroy(void *self)
{
    fault_store *f = self;
    store_unref(f->inner);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const sdf_store_ops fault_store_ops = {
    .struct_size = sizeof(sdf_store_ops),
    .version = SDF_STORE_VERSION,
    .scope = SDF_SCOPE_PROCESS,
    .writer_open = fault_writer_open,
    .writer_append = fault_writer_append,
    .writer_commit = fault_writer_commit,
    .writer_abort = fault_writer_abort,
    .read = fault_read,
    .head = fault_head,
    .list = fault_list,
    .remove = fault_remove,
    .destroy = fault_destroy,
    .get_scope = fault_scope,
    .sweep = fault_sweep,
    .memory = fault_memory,
};
