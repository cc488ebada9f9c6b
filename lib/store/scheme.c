/* The table of store schemes. Entries are added and never removed, so that readers may keep pointers to them. */
#include "store/scheme.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/versioned.h"
#include "store/store.h"

#define HOST_SCHEMES_MAX 64

static store_scheme builtin[3] = {{.name = "mem"}, {.name = "file"}, {.name = "fault"}};
static store_scheme *host_schemes[HOST_SCHEMES_MAX];
static size_t host_count;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;

static void builtin_fill(void)
{
    builtin[0].ops = mem_store_ops;
    builtin[0].open = mem_store_open;
    builtin[1].ops = file_store_ops;
    builtin[1].open = file_store_open;
    builtin[1].absolute = file_store_absolute;
    builtin[2].ops = fault_store_ops;
    builtin[2].open = fault_store_open;
    builtin[2].absolute = fault_store_absolute;
}

/* Locks: table_lock is held. */
static store_scheme *table_find(const char *name, size_t size)
{
    for (size_t i = 0; i < 3; i++)
        if (strlen(builtin[i].name) == size && memcmp(builtin[i].name, name, size) == 0)
            return &builtin[i];
    for (size_t i = 0; i < host_count; i++)
        if (strlen(host_schemes[i]->name) == size && memcmp(host_schemes[i]->name, name, size) == 0)
            return host_schemes[i];
    return NULL;
}

static int unknown_scheme(const char *name, sdf_error **err)
{
    const char *names[3 + HOST_SCHEMES_MAX];
    size_t count = 0;
    pthread_mutex_lock(&table_lock);
    for (; count < 3; count++)
        names[count] = builtin[count].name;
    for (size_t i = 0; i < host_count; i++)
        names[count++] = host_schemes[i]->name;
    pthread_mutex_unlock(&table_lock);
    const char *near = error_nearest(name, names, count);
    error_set(err, SDF_E_INVALID, "there is no store scheme \"%s:\"", name);
    if (near != NULL)
        error_hint(err, "did you mean \"%s:\"?", near);
    else
        error_hint(err, "use mem:, file:DIR, or a scheme that the program registers with sdf_store_register");
    return SDF_E_INVALID;
}

int scheme_find(const char *uri, const store_scheme **found, const char **rest, sdf_error **err)
{
    pthread_once(&builtin_once, builtin_fill);
    if (uri == NULL || *uri == 0)
        return error_set(err, SDF_E_INVALID, "the store's URI is empty");
    if (strnlen(uri, STORE_URI_MAX + 1) > STORE_URI_MAX)
        return error_set(err, SDF_E_LIMIT, "a store's URI is longer than %d bytes", STORE_URI_MAX);
    const char *colon = strchr(uri, ':');
    if (colon == NULL) {
        error_set(err, SDF_E_INVALID, "the store \"%.200s\" has no scheme", uri);
        error_hint(err, "for a folder write \"file:%.200s\"", uri);
        return SDF_E_INVALID;
    }
    char name[33] = "";
    size_t size = (size_t)(colon - uri);
    memcpy(name, uri, size < sizeof name ? size : sizeof name - 1);
    pthread_mutex_lock(&table_lock);
    *found = table_find(uri, size);
    pthread_mutex_unlock(&table_lock);
    *rest = colon + 1;
    return *found != NULL ? SDF_OK : unknown_scheme(name, err);
}

int scheme_absolute(const char *uri, char **out, sdf_error **err)
{
    const store_scheme *scheme;
    const char *rest;
    int rc = scheme_find(uri, &scheme, &rest, err);
    if (rc != SDF_OK)
        return rc;
    if (scheme->absolute == NULL) {
        *out = strdup(uri);
        return *out != NULL ? SDF_OK : error_no_memory(err);
    }
    char *tail;
    rc = scheme->absolute(rest, &tail, err);
    if (rc != SDF_OK)
        return rc;
    buf text = BUF_EMPTY;
    rc = buf_printf(&text, "%s:%s", scheme->name, tail);
    free(tail);
    *out = rc == SDF_OK ? buf_take_text(&text) : NULL;
    buf_free(&text);
    return *out != NULL ? SDF_OK : error_no_memory(err);
}

/* ---- registration ---- */

static int check_scheme_name(const char *scheme, sdf_error **err)
{
    size_t size = scheme ? strnlen(scheme, 33) : 0;
    int good = size >= 2 && size <= 32;
    for (size_t i = 0; good && i < size; i++)
        good = (scheme[i] >= 'a' && scheme[i] <= 'z') || (scheme[i] >= '0' && scheme[i] <= '9') || scheme[i] == '-';
    if (good)
        return SDF_OK;
    return error_set(err, SDF_E_INVALID, "\"%.40s\" can't be a scheme: it takes 2 to 32 of a-z, 0-9 and '-'",
                     scheme ? scheme : "");
}

static const char *missing_op(const sdf_store_ops *ops)
{
    return ops->writer_open == NULL     ? "writer_open"
           : ops->writer_append == NULL ? "writer_append"
           : ops->writer_commit == NULL ? "writer_commit"
           : ops->writer_abort == NULL  ? "writer_abort"
           : ops->read == NULL          ? "read"
           : ops->head == NULL          ? "head"
           : ops->list == NULL          ? "list"
           : ops->remove == NULL        ? "remove"
           : ops->destroy == NULL       ? "destroy"
                                        : NULL;
}

/* Copies the ops into *known; what comes after the mandatory ones may be missing. */
static int check_ops(const char *scheme, const sdf_store_ops *ops, sdf_store_ops *known, sdf_error **err)
{
    if (ops == NULL)
        return error_set(err, SDF_E_INVALID, "store \"%s\" has no ops", scheme);
    int rc = versioned_copy(known, sizeof *known, offsetof(sdf_store_ops, get_scope), ops, "the table of ops", err);
    if (rc != SDF_OK) {
        error_prefix(err, "store \"%s\"", scheme);
        return rc;
    }
    if (known->version != SDF_STORE_VERSION)
        return error_set(err, SDF_E_INVALID, "store \"%s\" is of contract version %u, this library speaks %u", scheme,
                         known->version, SDF_STORE_VERSION);
    const char *missing = missing_op(known);
    if (missing != NULL)
        return error_set(err, SDF_E_INVALID, "store \"%s\" lacks the mandatory op %s", scheme, missing);
    if (known->get_scope == NULL && (known->scope < SDF_SCOPE_PROCESS || known->scope > SDF_SCOPE_NETWORK))
        return error_set(err, SDF_E_INVALID, "store \"%s\" does not state its scope", scheme);
    return SDF_OK;
}

/* Takes `entry`. Locks: takes table_lock. */
static int table_add(store_scheme *entry, sdf_error **err)
{
    pthread_mutex_lock(&table_lock);
    const store_scheme *old = table_find(entry->name, strlen(entry->name));
    int same = old != NULL && old->given == entry->given && old->open == entry->open && old->user == entry->user;
    int full = host_count == HOST_SCHEMES_MAX;
    if (old == NULL && !full)
        host_schemes[host_count++] = entry;
    pthread_mutex_unlock(&table_lock);
    int rc = SDF_OK;
    if (old != NULL && !same)
        rc = error_set(err, SDF_E_EXISTS, "the store scheme \"%s:\" is taken", entry->name);
    else if (old == NULL && full)
        rc = error_set(err, SDF_E_LIMIT, "more than %d store schemes are registered", HOST_SCHEMES_MAX);
    if (old != NULL || full)
        free(entry);
    return rc;
}

int sdf_store_register(const char *scheme, const sdf_store_ops *ops, sdf_store_open_fn open, void *user,
                       sdf_error **err)
{
    pthread_once(&builtin_once, builtin_fill);
    int rc = check_scheme_name(scheme, err);
    if (rc != SDF_OK)
        return rc;
    if (open == NULL)
        return error_set(err, SDF_E_INVALID, "store \"%s\" has no open function", scheme);
    store_scheme *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return error_no_memory(err);
    rc = check_ops(scheme, ops, &entry->ops, err);
    if (rc != SDF_OK) {
        free(entry);
        return rc;
    }
    strcpy(entry->name, scheme);
    entry->given = ops;
    entry->open = open;
    entry->user = user;
    return table_add(entry, err);
}
