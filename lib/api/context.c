/* Contexts: opened from settings, closed in the order that leaves nothing behind. */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "api/internal.h"
#include "base/path.h"
#include "exec/exec.h"
#include "spec/registry.h"
#include "store/local.h"

static int check_process(sdf_error **err)
{
    if (transport_process_requested()) {
        error_set(err, SDF_E_BUSY, "this process was started as a worker, and opens a context of its own");
        error_hint(err, "in main, after registering functions: if (sdf_worker_requested()) return sdf_worker_main();");
        return SDF_E_BUSY;
    }
    int rc = exec_register_builtins(err);
    return rc ? rc : registry_freeze(err);
}

/* A folder of the context's own, by an absolute name: its workers, and the host later, may have other working folders.
 */
static int make_scratch(sdf_context *c, sdf_error **err)
{
    const char *base = *c->settings.scratch ? c->settings.scratch : getenv("TMPDIR");
    char *absolute;
    int rc = local_path(base && *base ? base : "/tmp", &absolute, err);
    if (!rc)
        rc = path_make_dirs(absolute, err);
    if (!rc && !(c->scratch = path_join(absolute, "sdf-XXXXXX")))
        rc = error_no_memory(err);
    if (!rc && !mkdtemp(c->scratch)) {
        int number = errno;
        free(c->scratch);
        c->scratch = NULL;
        rc = error_errno(err, number, "can't make a scratch folder in %s", absolute);
        error_hint(err, "set \"scratch\" (SDF_SCRATCH) to a folder that can be written");
    }
    free(absolute);
    return rc;
}

static int open_parts(sdf_context *c, const char *transport_uri, const char *store_uri, const sdf_config *config,
                      sdf_error **err)
{
    c->config = config ? config_copy(config) : sdf_config_new();
    c->events = event_queue_new();
    if (!c->config || !c->events)
        return error_no_memory(err);
    int rc = config_settings(c->config, &c->settings, err);
    if (rc)
        return rc;
    rc = transport_open(transport_uri ? transport_uri : c->settings.transport, &c->transport, err);
    rc = rc ? rc : store_open(store_uri ? store_uri : c->settings.store, &c->store, err);
    if (!rc && strcmp(c->settings.compression, "auto") == 0)
        c->settings.compression = store_scope(c->store) == SDF_SCOPE_PROCESS ? "none" : "lz4";
    rc = rc ? rc : make_scratch(c, err);
    return rc ? rc : context_start(c, err);
}

static void init_locks(sdf_context *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->lineage, NULL);
}

sdf_context *sdf_context_open(const char *transport_uri, const char *store_uri, const sdf_config *config,
                              sdf_error **err)
{
    if (check_process(err))
        return NULL;
    sdf_context *c = calloc(1, sizeof *c);
    if (!c) {
        error_no_memory(err);
        return NULL;
    }
    init_locks(c);
    c->pid = getpid();
    c->id = rng_seed();
    c->next_node = c->next_stage = c->next_job = c->next_broadcast = 1;
    c->last_command = &c->commands;
    if (open_parts(c, transport_uri, store_uri, config, err) == SDF_OK)
        return c;
    sdf_context_close(c);
    return NULL;
}

static void free_handles(sdf_context *c)
{
    for (sdf_rdd *next, *rdd = c->handles; rdd; rdd = next) {
        next = rdd->next;
        node_unref(rdd->node, NULL, NULL);
        free(rdd);
    }
}

/* The driver thread has ended: nobody else is here. */
static void release_all(sdf_context *c)
{
    for (sdf_job *next, *job = c->jobs; job; job = next) {
        next = job->next;
        node_unref(job->node, NULL, NULL);
        api_job_detach(job);
    }
    for (sdf_result *next, *r = c->results; r; r = next) {
        next = r->next;
        result_detach(r);
    }
    free_handles(c);
    event_queue_free(c->events);
    transport_close(c->transport);
    store_unref(c->store);
    if (c->scratch)
        path_remove_tree(c->scratch, NULL);
    free(c->scratch);
    sdf_config_free(c->config);
    sdf_error_free(c->broken);
    free(c->drops);
    free(c->lost);
    broadcasts_release(c);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->lineage);
    free(c);
}

static void warn_leaked(sdf_context *c)
{
    sdf_event *e = c->leaked_workers ? event_new(SDF_EVENT_WARNING) : NULL;
    char text[128];
    if (!e)
        return;
    snprintf(text, sizeof text, "%d worker%s could not be ended: a function of the host does not return",
             c->leaked_workers, c->leaked_workers == 1 ? "" : "s");
    event_message(e, text);
    event_number(e, "workers", c->leaked_workers);
    context_on_driver_event(c, e);
}

void sdf_context_close(sdf_context *context)
{
    /* In a forked child the threads are the parent's; inside a callback or a task the context is still at work. */
    if (!context || context->pid != getpid() || context_in_callback() || worker_thread_busy())
        return;
    context_stop(context);
    warn_leaked(context);
    context_deliver(context); /* what the end of its jobs had to say */
    release_all(context);
}
