/* See broadcasts.h. A value's object is its bytes alone; the plan says how many they are and what their digest is, so a
 * value found under the same numbers is the same value, whoever fetched it.
 *
 * Locks: one mutex over the list of values; it is not held while one is fetched. Who finds a value that another thread
 * is fetching waits for it, and fetches it itself if that failed. */
#include "worker/broadcasts.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

typedef struct broadcast_value {
    struct broadcast_value *next;
    uint64_t context, bytes, digest;
    uint32_t id;
    uint32_t refs; /* plans that hold it */
    bool fetching;
    store *store; /* that lends the view */
    sdf_view view;
} broadcast_value;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    broadcast_value *first;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Lock held. Where the value is, or the list's end. */
static broadcast_value **look_up(uint64_t context, const plan_broadcast *b)
{
    broadcast_value **at = &table.first;
    while (*at &&
           !((*at)->context == context && (*at)->id == b->id && (*at)->bytes == b->bytes && (*at)->digest == b->digest))
        at = &(*at)->next;
    return at;
}

static void value_free(broadcast_value *v)
{
    if (v->store)
        store_release(&v->view);
    store_unref(v->store);
    free(v);
}

/* Lock held. */
static void unlink_value(broadcast_value *v)
{
    broadcast_value **at = &table.first;
    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
}

static int fetch(broadcast_value *v, task_env *env, const char *name, sdf_error **err)
{
    char object[TASK_NAME_MAX];
    sdf_view view = {0};
    task_name_broadcast(object, v->context, v->id);
    env->metrics.store_reads++;
    int rc = store_get(env->store, object, v->bytes, &view, err);
    if (!rc) {
        uint64_t digest = hash_xxh3(view.data, view.size);
        if (view.size != v->bytes || digest != v->digest)
            rc = error_set(err, SDF_E_CORRUPT,
                           "%zu bytes with the digest %016" PRIx64 ", not %" PRIu64 " with %016" PRIx64, view.size,
                           digest, v->bytes, v->digest);
    }
    if (rc) {
        error_prefix(err, "broadcast \"%s\" (%s)", name, object);
        store_release(&view);
        return rc;
    }
    v->view = view;
    v->store = store_ref(env->store);
    return SDF_OK;
}

/* The value, held once more. */
static int acquire(task_env *env, const plan_broadcast *b, broadcast_value **out, sdf_error **err)
{
    uint64_t context = env->request->context;
    broadcast_value *v;
    pthread_mutex_lock(&table.lock);
    while ((v = *look_up(context, b)) && v->fetching)
        pthread_cond_wait(&table.changed, &table.lock);
    if (v) {
        v->refs++;
        pthread_mutex_unlock(&table.lock);
        *out = v;
        return SDF_OK;
    }
    v = calloc(1, sizeof *v);
    if (v) {
        *v = (broadcast_value){.next = table.first,
                               .context = context,
                               .bytes = b->bytes,
                               .digest = b->digest,
                               .id = b->id,
                               .refs = 1,
                               .fetching = true};
        table.first = v;
    }
    pthread_mutex_unlock(&table.lock);
    if (!v)
        return error_no_memory(err);
    int rc = fetch(v, env, b->name, err);
    pthread_mutex_lock(&table.lock);
    v->fetching = false;
    if (rc)
        unlink_value(v);
    pthread_cond_broadcast(&table.changed);
    pthread_mutex_unlock(&table.lock);
    if (rc)
        value_free(v);
    else
        *out = v;
    return rc;
}

static void release(broadcast_value *v)
{
    pthread_mutex_lock(&table.lock);
    bool last = --v->refs == 0;
    if (last)
        unlink_value(v);
    pthread_mutex_unlock(&table.lock);
    if (last)
        value_free(v);
}

static int unknown(const plan *p, const char *name, sdf_error **err)
{
    int rc = error_set(err, SDF_E_NOT_FOUND, "there is no broadcast named \"%.200s\"", name);
    const char **names = malloc((p->broadcast_count + 1) * sizeof *names);
    const char *near = NULL;
    if (names) {
        for (uint32_t i = 0; i < p->broadcast_count; i++)
            names[i] = p->broadcasts[i].name;
        near = error_nearest(name, names, p->broadcast_count);
    }
    if (near)
        error_hint(err, "did you mean \"%s\"?", near);
    else
        error_hint(err, "call sdf_broadcast before the job is submitted");
    free(names);
    return rc;
}

int broadcasts_get(task_env *env, const char *name, sdf_slice *bytes, sdf_error **err)
{
    const plan *p = env->plan;
    broadcasts *b = env->broadcasts;
    uint32_t i = 0;
    if (!name)
        return error_set(err, SDF_E_INVALID, "a broadcast's name is missing");
    while (i < p->broadcast_count && strcmp(p->broadcasts[i].name, name))
        i++;
    if (i == p->broadcast_count)
        return unknown(p, name, err);
    if (!b->values && !(b->values = calloc(p->broadcast_count, sizeof *b->values)))
        return error_no_memory(err);
    b->count = p->broadcast_count;
    if (!b->values[i]) {
        int rc = acquire(env, &p->broadcasts[i], &b->values[i], err);
        if (rc) {
            b->failed = true;
            return rc;
        }
    }
    *bytes = (sdf_slice){b->values[i]->view.data, b->values[i]->view.size};
    return SDF_OK;
}

void broadcasts_clear(broadcasts *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->values[i])
            release(b->values[i]);
    free(b->values);
    *b = (broadcasts){0};
}

size_t broadcasts_held(void)
{
    size_t count = 0;
    pthread_mutex_lock(&table.lock);
    for (const broadcast_value *v = table.first; v; v = v->next)
        count++;
    pthread_mutex_unlock(&table.lock);
    return count;
}
