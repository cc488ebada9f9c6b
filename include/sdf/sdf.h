/* libserverless-dataflow: everything a host needs. Stores and transports of the
 * host's own: <sdf/sys/store.h>, <sdf/sys/transport.h>. */
#ifndef SDF_SDF_H
#define SDF_SDF_H

#include <sdf/base.h>
#include <sdf/context.h>
#include <sdf/function.h>
#include <sdf/key.h>
#include <sdf/rdd.h>
#include <sdf/record.h>

#endif
