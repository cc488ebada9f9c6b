/* The table of store schemes. */
#include "store/scheme.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/store.h"

static store_scheme mem = {.head = {.name = "mem"}}, file = {.head = {.name = "file"}},
                    fault = {.head = {.name = "fault"}};
static scheme_table table = {
    .what = "store",
    .hint = "use mem:, file:DIR, or a scheme that the program registers with sdf_store_register",
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .entries = {&mem.head, &file.head, &fault.head},
    .count = 3,
};
static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;

static void builtin_fill(void)
{
    mem.ops = mem_store_ops;
    mem.open = mem_store_open;
    file.ops = file_store_ops;
    file.open = file_store_open;
    file.absolute = file_store_absolute;
    fault.ops = fault_store_ops;
    fault.open = fault_store_open;
    fault.absolute = fault_store_absolute;
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
    size_t size = (size_t)(colon - uri);
    *found = (const store_scheme *)scheme_table_find(&table, uri, size);
    *rest = colon + 1;
    return *found != NULL ? SDF_OK : scheme_table_unknown(&table, uri, size, err);
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
    rc = buf_printf(&text, "%s:%s", scheme->head.name, tail);
    free(tail);
    *out = rc == SDF_OK ? buf_take_text(&text) : NULL;
    buf_free(&text);
    return *out != NULL ? SDF_OK : error_no_memory(err);
}

/* ---- registration ---- */

/* Copies the ops into *known; what comes after the mandatory ones may be missing. */
static int check_ops(const char *scheme, const sdf_store_ops *ops, sdf_store_ops *known, sdf_error **err)
{
    static const char *const names[] = {"writer_open", "writer_append", "writer_commit", "writer_abort", "read",
                                        "head",        "list",          "remove",        "destroy"};
    int rc = scheme_check_ops("store", scheme, ops, known, sizeof *known, offsetof(sdf_store_ops, get_scope),
                              SDF_STORE_VERSION, offsetof(sdf_store_ops, writer_open), names, err);
    if (rc == SDF_OK && known->get_scope == NULL &&
        (known->scope < SDF_SCOPE_PROCESS || known->scope > SDF_SCOPE_NETWORK))
        rc = error_set(err, SDF_E_INVALID, "store \"%s\" does not state its scope", scheme);
    return rc;
}

int sdf_store_register(const char *scheme, const sdf_store_ops *ops, sdf_store_open_fn open, void *user,
                       sdf_error **err)
{
    pthread_once(&builtin_once, builtin_fill);
    int rc = scheme_check_name(scheme, err);
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
    entry->open = open;
    entry->head.given = ops;
    entry->head.open = (void (*)(void))open;
    entry->head.user = user;
    return scheme_table_add(&table, &entry->head, scheme, err);
}
