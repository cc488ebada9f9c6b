/* The contract of a sink: outputs under names of a scheme, which appear all or nothing. Workers write parts that nobody
 * sees; the driver publishes the winners. Paths and file: URIs are the library's own.
 *
 * An output is a folder of parts, which is whole when its _SUCCESS (the manifest) is there; or, where the mark `single`
 * is given, one file, which is whole when it is there. Structs grow at their end, as in sdf/sys/store.h. Ops return
 * SDF_OK or an sdf_status, with *err made by sdf_error_new. Ops of a worker (part_*) may be called from several threads
 * and processes at once; those of the driver come from one thread for each output. */
#ifndef SDF_SYS_SINK_H
#define SDF_SYS_SINK_H

#include <sdf/sys/store.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDF_SINK_VERSION 1

typedef struct sdf_sink_ops {
    size_t struct_size;
    uint32_t version; /* SDF_SINK_VERSION */
    uint32_t scope;   /* an sdf_scope: who can write it. Checked against the transport's workers */

    /* ---- driver, mandatory ---- */
    /* Claims `name`. Something is there already: SDF_E_EXISTS (the message says so where it is another job's that still
     * runs, or died). token: names this job, bytes of object names without '/'. */
    int (*begin)(void *self, const char *name, const char *token, int single, void **output, sdf_error **err);
    /* Makes a winner's part visible as `final` ("part-00000", "_errors/part-00003"; of a single output: ""). `ticket`
     * is what part_close gave. Idempotent: once done it may be asked for again. A part that has not `bytes` bytes is
     * SDF_E_CORRUPT. */
    int (*publish)(void *self, void *output, const char *ticket, const char *final, uint64_t bytes, sdf_error **err);
    /* Removes what lost and makes the output whole: writes `manifest` (JSON) as _SUCCESS, last, unless it is single.
     * Frees output. When it fails, everything is removed as by abort. */
    int (*finish)(void *self, void *output, const sdf_slice *manifest, sdf_error **err);
    /* Removes everything the job made, also what workers that still run may leave yet. Frees output. */
    void (*abort)(void *self, void *output);

    /* ---- worker, mandatory ---- */
    /* Begins a part that nobody sees. attempt: unique in the job, bytes of object names without '/'. `token` as given
     * to begin. */
    int (*part_open)(void *self, const char *name, const char *token, int single, const char *attempt,
                     const char *final, void **part, sdf_error **err);
    int (*part_write)(void *self, void *part, const void *data, size_t size, sdf_error **err);
    /* All is written, durably. ticket: at most 1023 bytes and NUL, text that lets the driver publish it. Frees part, on
     * failure too (then nothing is left). */
    int (*part_close)(void *self, void *part, char *ticket, size_t capacity, sdf_error **err);
    void (*part_abort)(void *self, void *part);

    /* Frees the sink; called once, when the process exits in order (exit, or return from main) and no call is under way
     * any more. */
    void (*destroy)(void *self);
} sdf_sink_ops;

/* Opens the sink of a scheme; called once in a process, when a name of the scheme is first used. */
typedef int (*sdf_sink_open_fn)(void *user, void **self, sdf_error **err);

/* Adds a scheme, as sdf_store_register does; "file" is taken. Errors: SDF_E_INVALID, SDF_E_VERSION,
 * SDF_E_EXISTS. Threads: any, before the first context or worker is opened. Since: 0.2 */
SDF_API int sdf_sink_register(const char *scheme, const sdf_sink_ops *ops, sdf_sink_open_fn open, void *user,
                              sdf_error **err);

#ifdef __cplusplus
}
#endif
#endif
