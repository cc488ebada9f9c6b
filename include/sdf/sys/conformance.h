/* The conformance suites that every store and transport passes, for authors of their
 * own. A suite opens `uri` (its scheme registered before), runs, and writes
 * one line per case ("ok NAME" or "FAILED NAME: why") through `report`.
 *
 * Errors: what kept the suite from running. Threads: one suite at a time. Since: 0.1 */
#ifndef SDF_SYS_CONFORMANCE_H
#define SDF_SYS_CONFORMANCE_H

#include <sdf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*sdf_report_fn)(const char *line, void *user);

/* Returns the number of failed cases, or an sdf_status if the suite could not run.
 * The store must be empty under the prefix "sdf-conformance/"; it is so afterwards. */
SDF_API int sdf_store_conformance(const char *uri, sdf_report_fn report, void *user, sdf_error **err);

/* `prefix` begins names of the scheme where the suite may write through a sink ("mem:", "myfs:/tmp/x/"); a source is
 * given files to read by `put`, which makes a file of that name and content. Since: 0.2 */
typedef int (*sdf_conformance_put_fn)(const char *name, const void *data, size_t size, void *user);
SDF_API int sdf_source_conformance(const char *prefix, sdf_conformance_put_fn put, sdf_report_fn report, void *user,
                                   sdf_error **err);
/* `get` reads a published file back: its size, or an sdf_status; at most `capacity` bytes are stored. Since: 0.2 */
typedef int64_t (*sdf_conformance_get_fn)(const char *name, void *data, size_t capacity, void *user);
SDF_API int sdf_sink_conformance(const char *prefix, sdf_conformance_get_fn get, sdf_report_fn report, void *user,
                                 sdf_error **err);

/* Registers the functions that sdf_transport_conformance runs on the workers; call it
 * where the program registers its own (before sdf_worker_requested). */
SDF_API int sdf_transport_conformance_register(sdf_error **err);
/* `store` is a store its workers reach. The calling program must be a worker too. */
SDF_API int sdf_transport_conformance(const char *uri, const char *store, sdf_report_fn report, void *user,
                                      sdf_error **err);

#ifdef __cplusplus
}
#endif
#endif
