/* What requests and replies have in common on the wire: magic and version at the front, bounded texts, hashes.
 * Writers add their status to *rc: 0, or the first that failed. */
#ifndef SPEC_TASK_WIRE_H
#define SPEC_TASK_WIRE_H

#include "base/wire.h"
#include "spec/task.h"

/* Longest texts and bytes, the same for writing and reading, so that what was written can be read. */
#define TASK_TEXT_MAX    8192       /* a URI, a path, a ticket, a version of a file */
#define TASK_PROGRAM_MAX 64         /* a program id */
#define TASK_BYTES_MAX   (1u << 31) /* plan, splitters, index, result, samples: of each */

void task_wire_begin(buf *out, const char magic[4], int *rc);
void task_wire_text(buf *out, const char *text, size_t limit, int *rc);
void task_wire_slice(buf *out, sdf_slice bytes, size_t limit, int *rc);

/* Refuses another magic or version; what names it in messages: "task request". */
int task_wire_open(wire_reader *in, const char magic[4], const char *what, sdf_error **err);
/* A text of 32 hex digits, or an empty one, into `hash`. */
void task_wire_hash(wire_reader *in, char hash[33]);
/* A u32 in a varint; larger is bad. */
uint32_t task_wire_u32(wire_reader *in);
/* SDF_OK if all was read and nothing is left over; else says why not. */
int task_wire_close(const wire_reader *in, const char *what, sdf_error **err);

/* Text that may be missing: "" reads as NULL, without memory. */
char *task_wire_text_or_null(wire_reader *in, size_t limit);

/* ---- task_pieces.c: pieces and sides, without magic ---- */
void task_wire_put_pieces(buf *out, const task_request *q, int *rc);
/* Into q, which has none; never more memory than a small multiple of the bytes that are left. task_request_clear frees
 * what is there, after a failure too. */
void task_wire_pieces(wire_reader *in, task_request *q);
void task_pieces_clear(task_request *q);

#endif
