/* What the parts of process: share: the driver's side (process.c, process_uri.c), starting and ending processes
 * (process_spawn.c), their stderr (process_log.c) and the worker's side (process_child.c).
 *
 * The two ends talk in frames (frame.h) over a private socket pair. Worker first:
 *   HELLO        u32 magic, u16 version, text token, text program id, text failure of registration, u32 pid
 * The driver answers WELCOME if the program is the same, else DESCRIBE, to say what differs.
 *   WELCOME      u32 driver's pid, u64 memory, text scratch folder
 *   DESCRIBE     nothing;  DESCRIPTION  text
 * Then, one at a time, until the driver closes the socket:
 *   REQUEST      u64 id, u64 deadline (epoch ms, 0: none), the request
 *   REPLY        u64 id, the response;  FAILED  u64 id, u32 -status, text message
 * Texts are varint length and bytes. */
#ifndef TRANSPORT_PROCESS_H
#define TRANSPORT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sdf/sys/transport.h>

#include "transport/frame.h"

#define PROCESS_ENV          "_SDF_WORKER" /* "SOCKET:TOKEN" in a worker's environment; it removes it at once */
#define PROCESS_SOCKET       3             /* the socket's number there */
#define PROCESS_TOKEN        33            /* 32 hex digits and a NUL */
#define PROCESS_MAGIC        0x57464453u   /* "SDFW" */
#define PROCESS_WIRE_VERSION 1
#define PROCESS_TEXT_MAX     (4u << 20) /* of any text in a frame: descriptions of large programs are the longest */

enum { FRAME_HELLO = 1, FRAME_WELCOME, FRAME_DESCRIBE, FRAME_DESCRIPTION, FRAME_REQUEST, FRAME_REPLY, FRAME_FAILED };
#define FRAME_RETIRE 1 /* flag of REPLY and FAILED: this worker ends now, by its own wish */

#define REQUEST_HEADER (FRAME_HEADER + 16)

/* ---- the stderr of one worker ---- */

#define LOG_TAIL 4096
#define LOG_LINE 1024

typedef struct process_log {
    int fd;       /* nonblocking read end; -1: none */
    bool forward; /* line by line to the host's stderr */
    char tail[2 * LOG_TAIL];
    size_t tail_size;
    char line[LOG_LINE]; /* a line not yet whole */
    size_t line_size;
} process_log;

void log_open(process_log *l, int fd, bool forward);
/* Takes what is there, a bounded amount; false: no more will come. */
bool log_read(process_log *l);
void log_close(process_log *l);                              /* forwards what is left; the tail stays */
void log_clear(process_log *l);                              /* forgets the tail */
void log_copy_tail(process_log *l, const process_log *from); /* where another worker's words are the reason */
/* The last bytes, at most LOG_TAIL, as text. */
void log_tail(const process_log *l, char text[LOG_TAIL + 1]);

/* ---- processes ---- */

typedef struct process_options {
    uint32_t places;
    char **command;    /* NULL-terminated; NULL: this program again */
    bool capture;      /* stderr is only kept, not forwarded */
    uint64_t hello_ms; /* how long a worker may take from its start to its hello */
} process_options;

int process_options_parse(const char *rest, process_options *o, sdf_error **err);
void process_options_clear(process_options *o);

typedef struct process_spawned {
    pid_t pid;
    int socket, log; /* nonblocking, close-on-exec */
    char token[PROCESS_TOKEN];
} process_spawned;

/* Starts a worker in a process group of its own. It has /dev/null as stdin, the log pipe as stdout and stderr, its
 * socket, and nothing else that is open in the host. */
int process_spawn(const process_options *o, process_spawned *p, sdf_error **err);
/* Kills it and what it started, unless the pid may no longer be ours. Does not wait. */
void process_kill(pid_t pid);
/* True: it has ended and is reaped (by us or by the host); processes it left in its group are killed. `text` then says
 * how, as "was killed by signal 9 (Killed)".
 */
bool process_reap(pid_t pid, char *text, size_t size);
/* True: it runs still, as far as can be told. Reaps nothing. */
bool process_alive(pid_t pid);

#endif
