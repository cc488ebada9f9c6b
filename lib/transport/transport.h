/* Transports by URI: "threads:N", "process:N[?command=WORDS][&stderr=forward|capture][&hello_ms=N]" (N left out: one
 * per core), "fault:key=value,...:URI", or a registered scheme. Not here: what is carried (spec/task.h) and who
 * carries (the files beside this one). */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include <sdf/sys/transport.h>

typedef struct transport {
    const sdf_transport_ops *ops;
    void *self;
    char *uri;
} transport;

int transport_open(const char *uri, transport **out, sdf_error **err);
void transport_close(transport *t); /* destroys; stop it before if it was started. NULL is fine */

/* Takes an answer of a transport whose header may be older (what it lacks is zero) or newer. */
void transport_result_copy(sdf_invocation_result *to, const sdf_invocation_result *from);

/* 1 when this process was started as a worker of process: (the token is there). */
int transport_process_requested(void);
int transport_process_main(void); /* the worker's loop; returns the exit code */

#endif
