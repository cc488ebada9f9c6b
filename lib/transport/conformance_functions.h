/* The half of the transport conformance suite that runs whole jobs, with functions that fail, crash and hang. */
#ifndef TRANSPORT_CONFORMANCE_FUNCTIONS_H
#define TRANSPORT_CONFORMANCE_FUNCTIONS_H

#include <sdf/sys/conformance.h>

/* Runs its cases, reports each, and returns how many failed. */
int conformance_jobs(const char *uri, const char *store_uri, sdf_report_fn report, void *user);

#endif
