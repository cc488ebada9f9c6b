/* Output folders: workers leave temporary files, the driver publishes the winners, _SUCCESS comes last.
 *
 *     OUT/_temporary/...         what attempts write, each a name of its own; losers stay and go with the folder
 *     OUT/part-NNNNN             a winner's file, renamed here by output_publish
 *     OUT/_SUCCESS               the manifest; when it is there, OUT is whole
 *
 * Durability: a part is synced when it is closed; the folder (so that the parts have their names) and the manifest are
 * synced before the manifest becomes _SUCCESS, and the folder and its parent once more after that.
 * Folders are named by a path or a file: URI. */
#ifndef STORE_OUTPUT_H
#define STORE_OUTPUT_H

#include <stdint.h>

#include <sdf/base.h>

/* ---- driver ---- */
/* The folder's name as a worker with any working folder can use it. malloc'd. SDF_E_UNSUPPORTED: no such kind of
 * output. */
int output_absolute(const char *uri, char **absolute, sdf_error **err);

typedef struct output output;
/* Creates the folder (one that exists is SDF_E_EXISTS, even empty) with _temporary in it. Parents are made. `token`
 * names this job: bytes of object names without '/'. */
int output_begin(const char *uri, const char *token, output **out, sdf_error **err);
/* Gives a winner's temporary file its name, "part-00000". Idempotent: once done, it may be asked for again. A file that
 * has not the size that the winner reported is SDF_E_CORRUPT. */
int output_publish(output *out, const char *temp, const char *final, uint64_t bytes, uint64_t records, sdf_error **err);
/* Removes what lost, writes _SUCCESS (the manifest as JSON: parts with bytes and records, by name), syncs. Frees out.
 * When it fails, everything is removed as by output_abort. */
int output_finish(output *out, sdf_error **err);
/* Removes everything the job made, the folder too unless somebody else put something there. Frees out. NULL is fine. */
void output_abort(output *out);

/* ---- worker ---- */
typedef struct output_part output_part;
/* `temp` as reported in the reply: "_temporary/s1-t0-l0-a42". SDF_E_EXISTS: an attempt of that name was here before;
 * SDF_E_NOT_FOUND: the job is over, or this machine does not see the driver's folder. Buffering is the caller's. */
int output_part_open(const char *uri, const char *temp, output_part **part, sdf_error **err);
int output_part_write(output_part *part, const void *data, size_t size, sdf_error **err);
int output_part_close(output_part *part, sdf_error **err); /* synced and closed; frees, on failure too (then removed) */
void output_part_abort(output_part *part);

#endif
