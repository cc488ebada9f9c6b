/* What the two halves of the transport conformance suite share: the bench on which a case runs.
 * conformance_transport.c holds the suite and the cases at the level of the vtable, conformance_bench.c the bench. */
#ifndef TRANSPORT_CONFORMANCE_H
#define TRANSPORT_CONFORMANCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "spec/task.h"
#include "store/store.h"
#include "transport/transport.h"

#define BENCH_PATIENCE_MS 30000 /* nothing that must come may take longer */

typedef struct bench_call {
    buf request;
    uint64_t id;
    unsigned answers;
    int status;   /* of the first answer */
    buf response; /* of the first answer */
} bench_call;

/* A transport that was opened and started, and what it answered. */
typedef struct bench {
    const char *uri, *store_uri;
    store *store;
    transport *transport;
    sdf_transport_limits limits;
    bench_call *calls; /* call i has the id first_id + i */
    size_t count, answered;
    uint64_t first_id;
    pthread_t driver;
    bool polling, stopped;
    char why[512]; /* what failed first; empty: nothing */
} bench;

/* Notes what failed (the first counts); returns false. */
bool bench_fail(bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool bench_open(bench *b);
/* Stops and closes; false if some worker could not be ended. */
bool bench_close(bench *b);
/* Room for count calls with fresh ids; drops the earlier ones, all of which must be answered. */
bool bench_calls(bench *b, size_t count);
/* The request of call i: a probe that echoes text. */
bool bench_probe(bench *b, size_t i, const char *echo, uint32_t sleep_ms, uint64_t bytes);
/* Submits call i; while the transport has no place, waits for answers. */
bool bench_submit(bench *b, size_t i, int64_t deadline_ms);
bool bench_poll(bench *b, int timeout_ms);
/* Polls until all submitted calls are answered (`expected` of them); fails when it takes too long. */
bool bench_wait(bench *b, size_t expected, int64_t patience_ms);
/* Call i was answered, well, and with this echo and so many zeros. */
bool bench_check_echo(bench *b, size_t i, const char *echo, uint64_t bytes);
/* The failure class in the reply to call i, FAILURE_NONE if there is none, -1: no reply that can be read. */
int bench_failure(const bench *b, size_t i);
/* One probe there and back. */
bool bench_round(bench *b, const char *echo);
int64_t bench_now_ms(void);

#endif
