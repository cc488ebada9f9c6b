/* The transports that come with the library: what transport.c puts in its table of schemes. */
#ifndef TRANSPORT_SCHEMES_H
#define TRANSPORT_SCHEMES_H

#include <stdint.h>

#include <sdf/sys/transport.h>

#define TRANSPORT_PLACES_MAX 1024 /* N of threads:N and process:N */
#define TRANSPORT_GRACE_MS                                                                                             \
    50 /* a worker knows its deadline and may answer for itself; so long after it, it is given up */

typedef struct transport_deadline {
    int64_t allowed_ms; /* as given; 0: none, as are those beyond some thousand years */
    int64_t give_up_us; /* monotonic; 0: never */
    int64_t epoch_ms;   /* for the worker; 0: none */
} transport_deadline;

transport_deadline transport_deadline_in(int64_t ms);

extern const sdf_transport_ops threads_ops;
int threads_open(const char *rest, void *user, void **self, sdf_error **err);

extern const sdf_transport_ops process_ops;
int process_open(const char *rest, void *user, void **self, sdf_error **err);

extern const sdf_transport_ops fault_ops;
int fault_open(const char *rest, void *user, void **self, sdf_error **err);

/* Reads N, 1 .. TRANSPORT_PLACES_MAX, from text[0..size); no text: the cores this process may use. */
int transport_parse_places(const char *what, const char *text, size_t size, uint32_t *places, sdf_error **err);

#endif
