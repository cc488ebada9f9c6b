/* libserverless-dataflow: everything a host needs. Stores, transports, sources and sinks of the
 * host's own: <sdf/sys/store.h>, <sdf/sys/transport.h>, <sdf/sys/source.h>, <sdf/sys/sink.h>. */
#ifndef SDF_SDF_H
#define SDF_SDF_H

#include <sdf/action.h>
#include <sdf/base.h>
#include <sdf/context.h>
#include <sdf/expr.h>
#include <sdf/function.h>
#include <sdf/io.h>
#include <sdf/key.h>
#include <sdf/rdd.h>
#include <sdf/record.h>
#include <sdf/shared.h>

#endif
