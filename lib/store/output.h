/* Output folders: workers leave temporary files, the driver publishes the winners, _SUCCESS comes last. */
#ifndef STORE_OUTPUT_H
#define STORE_OUTPUT_H

#include <stdint.h>

#include <sdf/base.h>

/* ---- driver ---- */
typedef struct output output;
/* Creates the folder (one that exists is SDF_E_EXISTS, even empty) with _temporary in it. Parents are made. `token` names this job. */
int output_begin(const char *uri, const char *token, output **out, sdf_error **err);
/* Gives a winner's temporary file its name. Idempotent. */
int output_publish(output *out, const char *temp, const char *final, uint64_t bytes, uint64_t records, sdf_error **err);
/* Removes what lost, writes _SUCCESS (the manifest as JSON: parts with bytes and records), syncs. Frees out. */
int output_finish(output *out, sdf_error **err);
/* Removes everything the job made, the folder too. Frees out. NULL is fine. */
void output_abort(output *out);

/* ---- worker ---- */
typedef struct output_part output_part;
/* `temp` as reported in the reply: "_temporary/TOKEN-...". Buffering is the caller's. */
int output_part_open(const char *uri, const char *temp, output_part **part, sdf_error **err);
int output_part_write(output_part *part, const void *data, size_t size, sdf_error **err);
int output_part_close(output_part *part, sdf_error **err); /* synced and closed; frees, on failure too (then removed) */
void output_part_abort(output_part *part);

#endif
