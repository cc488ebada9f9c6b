/* One place of process:N on the driver's side: a worker process, or none yet, and at most one invocation. The two live
 * apart: an invocation outlives a worker that dies before it said hello, and a worker outlives an invocation that is
 * cancelled before it was sent. process.c owns the places and the waiting; this is what happens in one of them.
 *
 * Thread: the driver's. */
#ifndef TRANSPORT_PROCESS_PLACE_H
#define TRANSPORT_PROCESS_PLACE_H

#include "transport/process.h"
#include "transport/schemes.h"

#define START_TRIES 3 /* workers in a row that may die before their hello */
#define MESSAGE_MAX 768

typedef enum place_process { PROCESS_NONE, PROCESS_STARTING, PROCESS_READY } place_process;

typedef enum place_job {
    JOB_NONE,
    JOB_WAITING, /* for the worker's hello */
    JOB_SENT,    /* or on its way */
    JOB_ANSWERED /* status and message wait for poll to hand them over */
} place_job;

typedef struct place {
    struct process_pool *pool;

    place_process process;
    pid_t pid;
    int socket;
    int64_t hello_by_us; /* STARTING */
    char token[PROCESS_TOKEN];
    frame_reader in;
    buf control; /* frames that go before any request */
    size_t control_sent;
    process_log log; /* its tail outlives the process */

    place_job job;
    uint64_t id;
    sdf_slice request; /* the caller's until answered */
    uint8_t header[REQUEST_HEADER];
    size_t sent; /* of header and request together */
    transport_deadline deadline;
    uint32_t cold;
    int status; /* ANSWERED */
    char message[MESSAGE_MAX];
} place;

/* Processes that have been killed, or have said that they end, and are still to be reaped. */
typedef struct graveyard {
    pid_t *pids;
    size_t count, capacity;
} graveyard;

typedef struct process_pool {
    process_options options;
    sdf_transport_host host;
    char *scratch_dir, *program_id;
    place *places;
    graveyard dead;
    unsigned failed_starts; /* in a row */
    unsigned slow_ends;     /* workers that closed their socket and did not end */
    bool proven;            /* a worker was welcomed: one that fails to start then is an accident */
    sdf_error *broken;      /* set: no worker of this program will do; every submit says so */
    int event;              /* eventfd */
    bool warned_few;        /* the host knows that fewer workers run than it asked for */
    bool started, stopped;
} process_pool;

/* Starts a worker where there is none. */
int place_spawn(place *p, sdf_error **err);
/* Takes an invocation; the place has none. */
void place_begin(place *p, uint64_t id, const sdf_slice *request, int64_t deadline_ms);
void place_answer(place *p, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Kills the worker, if there is one. */
void place_kill(place *p);

bool place_has_output(const place *p);
/* Sends what the socket takes; errors show when it is read. */
void place_write(place *p);
/* Handles what came; may call host.done. */
void place_read(place *p);
/* The worker is gone or has closed its end. */
void place_ended(place *p);
/* Deadlines; now is monotonic. */
void place_check_time(place *p, int64_t now_us);
/* Hands over an answer that waits. */
void place_deliver(place *p);

/* Reaps what has ended meanwhile. */
void graveyard_visit(graveyard *g);
void graveyard_add(graveyard *g, pid_t pid);
/* Kills those that were left to end by themselves. */
void graveyard_kill(const graveyard *g);

#endif
