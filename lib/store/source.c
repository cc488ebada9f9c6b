/* The table of sources. */
#include "store/source.h"

#include <stdlib.h>

#include "base/error.h"

static int open_files(void *user, void **self, sdf_error **err)
{
    *self = NULL;
    return SDF_OK;
}

/* "manifest:" is no source, but names that begin with it mean something. */
static source files = {.base = {.head = {.name = "file"}, .open = open_files, .lock = PTHREAD_MUTEX_INITIALIZER}};
static source manifest = {.base = {.head = {.name = "manifest"}}};
static scheme_table table = {
    .what = "source",
    .hint = "register it with sdf_source_register",
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .entries = {&files.base.head, &manifest.base.head},
    .count = 2,
};
static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;

static void builtin_fill(void)
{
    files.ops = file_source_ops;
    files.base.destroy = file_source_ops.destroy;
}

source *source_of(const char *uri)
{
    pthread_once(&builtin_once, builtin_fill);
    service *found = service_of(&table, uri);
    return found != NULL && found != &manifest.base ? (source *)found : &files;
}

int sdf_source_register(const char *scheme, const sdf_source_ops *ops, sdf_source_open_fn open, void *user,
                        sdf_error **err)
{
    static const char *const names[] = {"list", "open", "read", "close", "destroy"};
    int rc = scheme_check_name(scheme, err);
    if (rc != SDF_OK)
        return rc;
    if (open == NULL)
        return error_set(err, SDF_E_INVALID, "source \"%s\" has no open function", scheme);
    source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err);
    rc = scheme_check_ops("source", scheme, ops, &s->ops, sizeof s->ops, sizeof s->ops, SDF_SOURCE_VERSION,
                          offsetof(sdf_source_ops, list), names, err);
    if (rc == SDF_OK && (s->ops.scope < SDF_SCOPE_PROCESS || s->ops.scope > SDF_SCOPE_NETWORK))
        rc = error_set(err, SDF_E_INVALID, "source \"%s\" does not state its scope", scheme);
    if (rc != SDF_OK) {
        free(s);
        return rc;
    }
    return service_register(&table, &s->base, scheme, ops, open, s->ops.destroy, user, err);
}
