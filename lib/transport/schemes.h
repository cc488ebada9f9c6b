/* The transports that come with the library: what transport.c puts in its table of schemes. */
#ifndef TRANSPORT_SCHEMES_H
#define TRANSPORT_SCHEMES_H

#include <sdf/sys/transport.h>

#define TRANSPORT_PLACES_MAX 1024 /* N of threads:N and process:N */

extern const sdf_transport_ops threads_ops;
int threads_open(const char *rest, void *user, void **self, sdf_error **err);

extern const sdf_transport_ops process_ops;
int process_open(const char *rest, void *user, void **self, sdf_error **err);

extern const sdf_transport_ops fault_ops;
int fault_open(const char *rest, void *user, void **self, sdf_error **err);

/* Reads N, 1 .. TRANSPORT_PLACES_MAX, from text[0..size); no text: the cores this process may use. */
int transport_parse_places(const char *what, const char *text, size_t size, uint32_t *places, sdf_error **err);

#endif
