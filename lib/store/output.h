/* Outputs of any scheme: workers leave parts that nobody sees, the driver publishes the winners; all or nothing.
 * What an output is: sdf/sys/sink.h. Paths and file: URIs are sink_file.c:
 *
 *     OUT/_temporary/...         what attempts write, each a name of its own; losers stay and go with the folder
 *     OUT/part-NNNNN             a winner's file, renamed here by output_publish
 *     OUT/_SUCCESS               the manifest; when it is there, OUT is whole
 * and, for a single file, DIR/.NAME.TOKEN._temporary/ beside it, from which the winner is linked to DIR/NAME.
 *
 * Durability: a part is synced when it is closed; the folder (so that the parts have their names) and the manifest are
 * synced before the manifest becomes _SUCCESS, and the folder and its parent once more after that. */
#ifndef STORE_OUTPUT_H
#define STORE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <sdf/base.h>

#define OUTPUT_TICKET_MAX 1024

/* ---- driver ---- */
/* The output's name as a worker with any working folder can use it, malloc'd, and who can reach it (an sdf_scope; may
 * be NULL). SDF_E_UNSUPPORTED: no such kind of output. */
int output_absolute(const char *uri, char **absolute, uint32_t *scope, sdf_error **err);

typedef struct output output;
/* Claims it (one that exists is SDF_E_EXISTS, even an empty folder). Parents are made. `token` names this job: bytes of
 * object names without '/'. */
int output_begin(const char *uri, const char *token, bool single, output **out, sdf_error **err);
/* Gives a winner's part its name, "part-00000" (single: ""). Idempotent. A part that has not the size that the winner
 * reported is SDF_E_CORRUPT. */
int output_publish(output *out, const char *ticket, const char *final, uint64_t bytes, uint64_t records,
                   sdf_error **err);
/* Removes what lost, writes _SUCCESS (the manifest as JSON: parts with bytes and records, by name). Frees out.
 * When it fails, everything is removed as by output_abort. */
int output_finish(output *out, sdf_error **err);
/* Removes everything the job made, the folder too unless somebody else put something there. Frees out. NULL is fine. */
void output_abort(output *out);

/* ---- worker ---- */
typedef struct output_part output_part;
/* SDF_E_EXISTS: an attempt of that name was here before; SDF_E_NOT_FOUND: the job is over, or this machine does not see
 * the driver's folder. Buffering is the caller's. */
int output_part_open(const char *uri, const char *token, bool single, const char *attempt, const char *final,
                     output_part **part, sdf_error **err);
int output_part_write(output_part *part, const void *data, size_t size, sdf_error **err);
/* Synced and closed; frees, on failure too (then removed). ticket: for output_publish. */
int output_part_close(output_part *part, char ticket[OUTPUT_TICKET_MAX], sdf_error **err);
void output_part_abort(output_part *part);

#endif
