/* The table of sinks. */
#include "store/sink.h"

#include <stdlib.h>

#include "base/error.h"

static int open_files(void *user, void **self, sdf_error **err)
{
    *self = NULL;
    return SDF_OK;
}

static sink files = {.base = {.head = {.name = "file"}, .open = open_files, .lock = PTHREAD_MUTEX_INITIALIZER}};
static scheme_table table = {
    .what = "sink",
    .hint = "register it with sdf_sink_register",
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .entries = {&files.base.head},
    .count = 1,
};
static pthread_once_t builtin_once = PTHREAD_ONCE_INIT;

static void builtin_fill(void)
{
    files.ops = file_sink_ops;
    files.base.destroy = file_sink_ops.destroy;
}

sink *sink_of(const char *uri)
{
    pthread_once(&builtin_once, builtin_fill);
    service *found = service_of(&table, uri);
    return found != NULL ? (sink *)found : &files;
}

int sdf_sink_register(const char *scheme, const sdf_sink_ops *ops, sdf_sink_open_fn open, void *user, sdf_error **err)
{
    static const char *const names[] = {"begin",      "publish",    "finish",     "abort",  "part_open",
                                        "part_write", "part_close", "part_abort", "destroy"};
    int rc = scheme_check_name(scheme, err);
    if (rc != SDF_OK)
        return rc;
    if (open == NULL)
        return error_set(err, SDF_E_INVALID, "sink \"%s\" has no open function", scheme);
    sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err);
    rc = scheme_check_ops("sink", scheme, ops, &s->ops, sizeof s->ops, sizeof s->ops, SDF_SINK_VERSION,
                          offsetof(sdf_sink_ops, begin), names, err);
    if (rc == SDF_OK && (s->ops.scope < SDF_SCOPE_PROCESS || s->ops.scope > SDF_SCOPE_NETWORK))
        rc = error_set(err, SDF_E_INVALID, "sink \"%s\" does not state its scope", scheme);
    if (rc != SDF_OK) {
        free(s);
        return rc;
    }
    return service_register(&table, &s->base, scheme, ops, open, s->ops.destroy, user, err);
}
