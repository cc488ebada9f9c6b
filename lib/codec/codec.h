/* Compressed streams: gzip, zstd, LZ4 frames, bzip2; in and out, piece by piece, any number of members or frames one
 * after another. Not here: where the bytes come from, and shuffle blocks (shuffle/block.h). */
#ifndef CODEC_CODEC_H
#define CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdf/base.h>

/* These numbers stand in plans and requests. */
typedef enum codec_kind { CODEC_NONE = 0, CODEC_GZIP = 1, CODEC_ZSTD = 2, CODEC_LZ4 = 3, CODEC_BZIP2 = 4 } codec_kind;

/* By the end of a file's name: .gz .zst .zstd .lz4 .bz2, in any case; CODEC_NONE for any other. */
codec_kind codec_of_path(const char *path);
/* "none", "gzip", "zstd", "lz4", "bzip2"; SDF_E_INVALID with the nearest name. */
int codec_of_name(const char *name, codec_kind *kind, sdf_error **err);
const char *codec_name(codec_kind kind);
const char *codec_suffix(codec_kind kind); /* ".gz"; "" for none */

/* Memory that a decoder or encoder may take besides its owner's buffers, in bytes: what to charge to the budget before
 * it is made. room: what a decoder should make do with if it can; one of zstd then takes frames with smaller windows
 * only, and one that wants a larger window is SDF_E_LIMIT. */
uint64_t decoder_cost(codec_kind kind, uint64_t room);
uint64_t encoder_cost(codec_kind kind);

typedef struct decoder decoder;
int decoder_new(codec_kind kind, uint64_t room, decoder **d, sdf_error **err); /* room: as decoder_cost was given */
/* Takes some of in[0..in_size) and gives some of out[0..out_size). last: nothing comes behind this input. SDF_OK: go on
 * (with more input if all of it was used and `out` is not full); SDF_END: all members are whole, nothing is left (only
 * with `last`, or never). SDF_E_CORRUPT: not this format, damaged or cut short; the message says what, and
 * decoder_offset where. Empty input as a whole is a valid empty file for none of the formats but is accepted (a file of
 * 0 bytes has no records). Zeros behind a gzip member are skipped, other bytes behind the last member are an error. */
int decoder_run(decoder *d, const void *in, size_t in_size, size_t *used, void *out, size_t out_size, size_t *made,
                bool last, sdf_error **err);
uint64_t decoder_offset(const decoder *d); /* compressed bytes taken so far */
void decoder_free(decoder *d);             /* NULL is fine */

typedef struct encoder encoder;
/* level 0: the format's own default. */
int encoder_new(codec_kind kind, int level, encoder **e, sdf_error **err);
/* finish: ends the member; call until SDF_END. Otherwise SDF_OK when all input is taken or `out` is full. */
int encoder_run(encoder *e, const void *in, size_t in_size, size_t *used, void *out, size_t out_size, size_t *made,
                bool finish, sdf_error **err);
void encoder_free(encoder *e);

#endif
