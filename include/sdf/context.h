/* Settings, contexts and events.
 *
 * Where nothing else is said - Ownership: what is opened or made is the caller's; an event's texts are the event's.
 * Errors: SDF_E_INVALID (a name, a value). Threads: as sdf_context_open says. Since: 0.1 */
#ifndef SDF_CONTEXT_H
#define SDF_CONTEXT_H

#include <sdf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Settings by name, from one property table. Precedence: defaults < configuration
 * file (path in SDF_CONFIG, or sdf_config_load) < environment (SDF_ and the name in
 * capitals with '_' for '.') < sdf_config_set. An unknown name is an error with the
 * nearest one. Sizes take K, M, G (1024); times take ms, s, m, h.
 * Ownership: the caller frees it; strings are copied. Threads: one at a time for each config.
 * Errors: SDF_E_INVALID (unknown name, a value that can't be), of load also those of reading. Since: 0.1 */
typedef struct sdf_config sdf_config;

/* The defaults, what the file that SDF_CONFIG names says, and the environment; what is wrong with those is told when a
 * context is opened with it. NULL: no memory. */
SDF_API sdf_config *sdf_config_new(void);
/* Sets one setting, whatever file and environment say. */
SDF_API int sdf_config_set(sdf_config *config, const char *name, const char *value, sdf_error **err);
/* Reads a file of lines `name = value`; `#` at the start of a line or after a space starts a comment. */
SDF_API int sdf_config_load(sdf_config *config, const char *path, sdf_error **err);
/* The value in force as text, NULL if the name is unknown. Ownership: the config's. */
SDF_API const char *sdf_config_get(const sdf_config *config, const char *name);
/* NULL is fine. */
SDF_API void sdf_config_free(sdf_config *config);

/* The property table, for --help and documents: entry i, or SDF_END. Ownership: static. */
SDF_API int sdf_property(size_t i, const char **name, const char **default_value, const char **text);

/* A context: one transport, one store, the handles and the data between their stages.
 * It starts one thread, which drives jobs whether or not the host waits for them.
 *   transport  "threads:N", "process:N", "fault:...:URI", or a scheme of the host's
 *   store      "mem:", "file:DIR", "fault:...:URI", or a scheme of the host's
 * NULL for either takes the setting "transport" or "store"; config NULL: defaults. The config is copied.
 * Errors: SDF_E_INVALID (URI, setting), SDF_E_SCOPE, SDF_E_BUSY when this process was
 * started as a worker and did not call sdf_worker_main.
 * Threads: a context and its handles may be used from any thread, one at a time (sdf_job_cancel
 * also while another waits); different contexts at once. After a fork the child must not use it. Since: 0.1 */
typedef struct sdf_context sdf_context;
SDF_API sdf_context *sdf_context_open(const char *transport, const char *store, const sdf_config *config,
                                      sdf_error **err);
/* Cancels what runs, waits for its end, removes the context's data, frees all handles.
 * NULL is fine. Jobs and results that are left become unusable (but for freeing them). Delivers
 * the last events. Does nothing inside an event callback or a function that a task runs, or in a forked child. */
SDF_API void sdf_context_close(sdf_context *context);

/* Something that happened: a stage started, a task failed, progress.
 * Ownership: the library's; an event and what its accessors give live until the callback returns. */
typedef struct sdf_event sdf_event;
/* Kinds are append-only. */
typedef enum sdf_event_kind {
    SDF_EVENT_JOB_STARTED = 1,
    SDF_EVENT_STAGE_STARTED = 2,
    SDF_EVENT_PROGRESS = 3,    /* coalesced when the host is slow to read */
    SDF_EVENT_TASK_FAILED = 4, /* one attempt failed; never dropped */
    SDF_EVENT_STAGE_FINISHED = 5,
    SDF_EVENT_JOB_FINISHED = 6,
    SDF_EVENT_WARNING = 7
} sdf_event_kind;
/* An sdf_event_kind. */
SDF_API int sdf_event_get_kind(const sdf_event *event);
/* The event as one line of JSON, without newline; docs/events.md names its fields. */
SDF_API const char *sdf_event_json(const sdf_event *event);
/* A number field of the event by name (0 if absent): job, stage, partition, attempt, tasks_done,
 * tasks_total, records, bytes_read, bytes_shuffled, elapsed_ms ... */
SDF_API int64_t sdf_event_number(const sdf_event *event, const char *field);

/* Calls back for every event, on a thread that waits, polls or runs an action, never
 * on the library's own. An action inside the callback is SDF_E_BUSY. NULL stops it. */
typedef void (*sdf_event_fn)(const sdf_event *event, void *user);
SDF_API void sdf_context_on_event(sdf_context *context, sdf_event_fn callback, void *user);

/* A ready-made listener that draws a progress line on a file descriptor; `user` is the
 * object made here. Free it after the context. */
typedef struct sdf_progress sdf_progress;
SDF_API sdf_progress *sdf_progress_new(int fd);
SDF_API void sdf_progress_event(const sdf_event *event, void *progress);
SDF_API void sdf_progress_free(sdf_progress *progress);

/* Totals over all jobs of the context so far: "jobs", "stages", "tasks", "attempts",
 * "failed_attempts", "records_read", "bytes_read", "records_written", "bytes_written",
 * "records_shuffled", "bytes_shuffled", "record_errors", "bytes_spilled", "peak_memory" (largest task,
 * accounted bytes), "peak_rss" (largest worker process, bytes), "elapsed_ms".
 * Returns SDF_OK or SDF_E_NOT_FOUND. docs/metrics.md lists all. */
SDF_API int sdf_context_metric(sdf_context *context, const char *name, uint64_t *value);

#ifdef __cplusplus
}
#endif
#endif
