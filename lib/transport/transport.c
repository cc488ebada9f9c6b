/* Transports by URI: the table of schemes, what a vtable must have, opening and closing.
 * Not here: how any transport works. */
#include "transport/transport.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "base/timebase.h"
#include "transport/schemes.h"

#define SCHEMES_MAX     64
#define SCHEME_NAME_MAX 31

typedef struct scheme {
    char name[SCHEME_NAME_MAX + 1];
    const sdf_transport_ops *ops;
    sdf_transport_open_fn open;
    void *user;
} scheme;

/* Locks: `lock` guards the table; entries are never changed or removed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static scheme schemes[SCHEMES_MAX] = {
    {"threads", &threads_ops, threads_open, NULL},
    {"process", &process_ops, process_open, NULL},
    {"fault", &fault_ops, fault_open, NULL},
};
static size_t scheme_count = 3;

/* A table larger than this library knows is fine as long as it asks for nothing there. */
static int check_ops(const char *name, const sdf_transport_ops *ops, sdf_error **err)
{
    if (!ops || ops->struct_size < sizeof(*ops) || ops->version != SDF_TRANSPORT_VERSION) {
        error_set(err, SDF_E_INVALID, "the transport \"%s\" has a vtable of another version than %d", name,
                  SDF_TRANSPORT_VERSION);
        error_hint(err, "set struct_size to sizeof(sdf_transport_ops) and version to SDF_TRANSPORT_VERSION");
        return SDF_E_INVALID;
    }
    const char *tail = (const char *)ops + sizeof(*ops);
    for (size_t i = 0; i < ops->struct_size - sizeof(*ops); i++)
        if (tail[i])
            return error_set(err, SDF_E_INVALID, "the transport \"%s\" needs operations that this library lacks", name);
    const struct {
        const char *op;
        int there;
    } mandatory[] = {
        {"limits", !!ops->limits}, {"start", !!ops->start},   {"submit", !!ops->submit}, {"poll", !!ops->poll},
        {"wake", !!ops->wake},     {"cancel", !!ops->cancel}, {"stop", !!ops->stop},     {"destroy", !!ops->destroy},
    };
    for (size_t i = 0; i < sizeof(mandatory) / sizeof(mandatory[0]); i++)
        if (!mandatory[i].there)
            return error_set(err, SDF_E_INVALID, "the transport \"%s\" lacks the mandatory operation \"%s\"", name,
                             mandatory[i].op);
    return SDF_OK;
}

static int check_name(const char *name, sdf_error **err)
{
    size_t size = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    if (size == 0 || size > SCHEME_NAME_MAX || name[size])
        return error_set(err, SDF_E_INVALID,
                         "\"%s\" is no name for a transport: 1 to %d lower-case letters, digits and '-'",
                         name ? name : "", SCHEME_NAME_MAX);
    return SDF_OK;
}

SDF_API int sdf_transport_register(const char *name, const sdf_transport_ops *ops, sdf_transport_open_fn open,
                                   void *user, sdf_error **err)
{
    int rc = check_name(name, err);
    if (!rc)
        rc = check_ops(name, ops, err);
    if (!rc && !open)
        rc = error_set(err, SDF_E_INVALID, "the transport \"%s\" has no open function", name);
    if (rc)
        return rc;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < scheme_count && !rc; i++)
        if (!strcmp(schemes[i].name, name))
            rc = error_set(err, SDF_E_EXISTS, "there is a transport \"%s\" already", name);
    if (!rc && scheme_count == SCHEMES_MAX)
        rc = error_set(err, SDF_E_LIMIT, "there are %d transports already; \"%s\" has no place", SCHEMES_MAX, name);
    if (!rc) {
        scheme *s = &schemes[scheme_count++];
        memcpy(s->name, name, strlen(name) + 1);
        s->ops = ops;
        s->open = open;
        s->user = user;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int unknown_scheme(const char *uri, const char *name, sdf_error **err)
{
    const char *names[SCHEMES_MAX];
    pthread_mutex_lock(&lock);
    size_t count = scheme_count;
    for (size_t i = 0; i < count; i++)
        names[i] = schemes[i].name;
    pthread_mutex_unlock(&lock);
    const char *near = error_nearest(name, names, count);
    error_set(err, SDF_E_INVALID, "\"%.200s\" names no transport: there is no scheme \"%s\"", uri, name);
    if (near)
        error_hint(err, "did you mean \"%s:\"?", near);
    else
        error_hint(err, "use threads:N, process:N, or register the scheme with sdf_transport_register");
    return SDF_E_INVALID;
}

static int find_scheme(const char *uri, scheme *found, sdf_error **err)
{
    const char *colon = uri ? strchr(uri, ':') : NULL;
    size_t size = colon ? (size_t)(colon - uri) : 0;
    if (size == 0 || size > SCHEME_NAME_MAX) {
        error_set(err, SDF_E_INVALID, "\"%.200s\" is no transport URI", uri ? uri : "");
        error_hint(err, "write SCHEME:REST, such as threads:4 or process:4");
        return SDF_E_INVALID;
    }
    char name[SCHEME_NAME_MAX + 1];
    memcpy(name, uri, size);
    name[size] = 0;
    bool known = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < scheme_count && !known; i++)
        if (!strcmp(schemes[i].name, name)) {
            *found = schemes[i];
            known = true;
        }
    pthread_mutex_unlock(&lock);
    return known ? SDF_OK : unknown_scheme(uri, name, err);
}

int transport_open(const char *uri, transport **out, sdf_error **err)
{
    scheme s;
    int rc = find_scheme(uri, &s, err);
    if (rc)
        return rc;
    transport *t = calloc(1, sizeof(*t));
    if (t)
        t->uri = strdup(uri);
    if (!t || !t->uri) {
        free(t);
        return error_no_memory(err);
    }
    sdf_error *why = NULL;
    rc = s.open(strchr(uri, ':') + 1, s.user, &t->self, &why);
    if (rc) {
        if (!why)
            error_set(&why, rc, "the transport \"%.200s\" did not open and gave no reason", uri);
        free(t->uri);
        free(t);
        return error_move(err, &why);
    }
    t->ops = s.ops;
    *out = t;
    return SDF_OK;
}

void transport_close(transport *t)
{
    if (!t)
        return;
    t->ops->destroy(t->self);
    free(t->uri);
    free(t);
}

static uint32_t usable_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > TRANSPORT_PLACES_MAX ? TRANSPORT_PLACES_MAX : (uint32_t)n;
}

int transport_parse_places(const char *what, const char *text, size_t size, uint32_t *places, sdf_error **err)
{
    int64_t n = 0;
    if (size == 0) {
        *places = usable_cores();
        return SDF_OK;
    }
    if (!num_parse_i64(text, size, &n) || n < 1 || n > TRANSPORT_PLACES_MAX) {
        error_set(err, SDF_E_INVALID, "%s%.*s: the number of workers must be 1 to %d", what, size > 40 ? 40 : (int)size,
                  text, TRANSPORT_PLACES_MAX);
        error_hint(err, "write %s4, or only %s for one per core", what, what);
        return SDF_E_INVALID;
    }
    *places = (uint32_t)n;
    return SDF_OK;
}

transport_deadline transport_deadline_in(int64_t ms)
{
    if (ms <= 0 || ms > INT64_MAX / 100000)
        return (transport_deadline){0, 0, 0};
    return (transport_deadline){ms, timebase_monotonic_us() + (ms + TRANSPORT_GRACE_MS) * 1000,
                                timebase_now(&timebase_real) + ms};
}
