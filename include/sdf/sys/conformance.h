/* The conformance suites that every store and transport passes, for authors of their
 * own. A suite opens `uri` (its scheme registered before), runs, and writes
 * one line per case ("ok NAME" or "FAILED NAME: why") through `report`. */
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
