/* Frames on a byte stream: u32 payload length, u8 type, u8 flags, u16 zero, then the payload; little-endian.
 * Used between the driver and its worker processes. Not here: what the payloads mean (process.h). */
#ifndef TRANSPORT_FRAME_H
#define TRANSPORT_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <sdf/base.h>

#include "base/buf.h"

#define FRAME_HEADER 8
#define FRAME_MAX    (256u << 20) /* payload bytes; a longer frame is refused before it is read */

typedef struct frame {
    uint8_t type, flags;
    sdf_slice payload; /* points into the reader; valid until its next call */
} frame;

/* Collects what arrives. Memory grows with the bytes that are there, never with a length that is only claimed. */
typedef struct frame_reader {
    buf bytes;
    size_t taken; /* bytes of the frame handed out last; dropped by the next call */
} frame_reader;

typedef enum frame_state {
    FRAME_READY,  /* *f is there */
    FRAME_AGAIN,  /* nothing more for now (a nonblocking socket) */
    FRAME_CLOSED, /* the other end is gone, between frames or within one */
    FRAME_BAD     /* not our protocol, or longer than FRAME_MAX, or no memory to hold it */
} frame_state;

frame_state frame_read(frame_reader *r, int fd, frame *f);
void frame_reset(frame_reader *r); /* forgets what was read; a frame handed out stays valid until the next read */
void frame_free(frame_reader *r);

void frame_header(uint8_t header[FRAME_HEADER], uint8_t type, uint8_t flags, size_t size);
/* Reserves the header of a frame in a buffer; frame_end fills it in once the payload is appended. */
int frame_begin(buf *out, uint8_t type);
void frame_end(buf *out, size_t start);

/* Sends everything on a blocking socket. 0, or an errno. Never raises SIGPIPE. */
int frame_send(int fd, uint8_t type, uint8_t flags, const sdf_slice *parts, size_t count);

#endif
