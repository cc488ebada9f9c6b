/* Transports by URI: the table of schemes, what a vtable must have, opening and closing.
 * Not here: how any transport works. */
#include "transport/transport.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "base/timebase.h"
#include "base/versioned.h"
#include "transport/schemes.h"

#define SCHEMES_MAX     64
#define SCHEME_NAME_MAX 31

typedef struct scheme {
    char name[SCHEME_NAME_MAX + 1];
    const sdf_transport_ops *given; /* tells whether a registration is the same one again */
    sdf_transport_ops ops;
    sdf_transport_open_fn open;
    void *user;
} scheme;

/* Locks: `lock` guards the table; entries are never changed or removed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;
static scheme schemes[SCHEMES_MAX];
static size_t scheme_count;

static void builtin_fill(void)
{
    schemes[scheme_count++] = (scheme){"threads", &threads_ops, threads_ops, threads_open, NULL};
    schemes[scheme_count++] = (scheme){"process", &process_ops, process_ops, process_open, NULL};
    schemes[scheme_count++] = (scheme){"fault", &fault_ops, fault_ops, fault_open, NULL};
}

/* Copies the ops into *known; what comes after the mandatory ones may be missing. */
static int check_ops(const char *name, const sdf_transport_ops *given, sdf_transport_ops *known, sdf_error **err)
{
    const size_t least = offsetof(sdf_transport_ops, destroy) + sizeof(known->destroy);
    if (!given)
        return error_set(err, SDF_E_INVALID, "the transport \"%s\" has no operations", name);
    int rc = versioned_copy(known, sizeof(*known), least, given, "the table of ops", err);
    if (rc) {
        error_prefix(err, "transport \"%s\"", name);
        return rc;
    }
    if (known->version != SDF_TRANSPORT_VERSION)
        return error_set(err, SDF_E_INVALID, "the transport \"%s\" is of contract version %u, this library speaks %d",
                         name, known->version, SDF_TRANSPORT_VERSION);
    const struct {
        const char *op;
        int there;
    } mandatory[] = {
        {"limits", !!known->limits}, {"start", !!known->start},     {"submit", !!known->submit},
        {"poll", !!known->poll},     {"wake", !!known->wake},       {"cancel", !!known->cancel},
        {"stop", !!known->stop},     {"destroy", !!known->destroy},
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

/* Locks: takes `lock`. The same registration again is fine. */
static int table_add(const scheme *s, sdf_error **err)
{
    int rc = SDF_OK;
    pthread_mutex_lock(&lock);
    const scheme *old = NULL;
    for (size_t i = 0; i < scheme_count && !old; i++)
        if (!strcmp(schemes[i].name, s->name))
            old = &schemes[i];
    if (old && (old->given != s->given || old->open != s->open || old->user != s->user))
        rc = error_set(err, SDF_E_EXISTS, "there is another transport \"%s\" already", s->name);
    else if (!old && scheme_count == SCHEMES_MAX)
        rc = error_set(err, SDF_E_LIMIT, "there are %d transports already; \"%s\" has no place", SCHEMES_MAX, s->name);
    else if (!old)
        schemes[scheme_count++] = *s;
    pthread_mutex_unlock(&lock);
    return rc;
}

SDF_API int sdf_transport_register(const char *name, const sdf_transport_ops *ops, sdf_transport_open_fn open,
                                   void *user, sdf_error **err)
{
    pthread_once(&builtin_once, builtin_fill);
    scheme s = {.given = ops, .open = open, .user = user};
    int rc = check_name(name, err);
    if (!rc)
        rc = check_ops(name, ops, &s.ops, err);
    if (!rc && !open)
        rc = error_set(err, SDF_E_INVALID, "the transport \"%s\" has no open function", name);
    if (rc)
        return rc;
    memcpy(s.name, name, strlen(name) + 1);
    return table_add(&s, err);
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

static int find_scheme(const char *uri, const scheme **found, sdf_error **err)
{
    pthread_once(&builtin_once, builtin_fill);
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
    *found = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < scheme_count && !*found; i++)
        if (!strcmp(schemes[i].name, name))
            *found = &schemes[i];
    pthread_mutex_unlock(&lock);
    return *found ? SDF_OK : unknown_scheme(uri, name, err);
}

int transport_open(const char *uri, transport **out, sdf_error **err)
{
    const scheme *s;
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
    rc = s->open(strchr(uri, ':') + 1, s->user, &t->self, &why);
    if (rc) {
        if (!why)
            error_set(&why, rc, "the transport \"%.200s\" did not open and gave no reason", uri);
        free(t->uri);
        free(t);
        return error_move(err, &why);
    }
    t->ops = &s->ops;
    *out = t;
    return SDF_OK;
}

void transport_result_copy(sdf_invocation_result *to, const sdf_invocation_result *from)
{
    size_t size = from->struct_size < sizeof(*to) ? from->struct_size : sizeof(*to);
    memset(to, 0, sizeof(*to));
    memcpy(to, from, size);
    to->struct_size = sizeof(*to);
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
