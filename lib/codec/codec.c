/* The formats by number, name and suffix, and what they cost. Running them: decoder.c, encoder.c. */
#include "codec/codec.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "codec/format.h"

typedef struct format_entry {
    const char *name, *suffix;
    uint64_t (*decoder_cost)(uint64_t room);
    uint64_t (*encoder_cost)(void);
} format_entry;

static const format_entry formats[] = {
    [CODEC_NONE] = {"none", "", NULL, NULL},
    [CODEC_GZIP] = {"gzip", ".gz", gzip_decoder_cost, gzip_encoder_cost},
    [CODEC_ZSTD] = {"zstd", ".zst", zstd_decoder_cost, zstd_encoder_cost},
    [CODEC_LZ4] = {"lz4", ".lz4", lz4_decoder_cost, lz4_encoder_cost},
    [CODEC_BZIP2] = {"bzip2", ".bz2", bzip2_decoder_cost, bzip2_encoder_cost},
};
#define FORMATS (sizeof formats / sizeof formats[0])

static const format_entry *entry_of(codec_kind kind)
{
    return (unsigned)kind < FORMATS ? &formats[kind] : &formats[CODEC_NONE];
}

static bool ends_with(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

codec_kind codec_of_path(const char *path)
{
    for (size_t i = 1; i < FORMATS; i++)
        if (ends_with(path, formats[i].suffix))
            return (codec_kind)i;
    return ends_with(path, ".zstd") ? CODEC_ZSTD : CODEC_NONE;
}

int codec_of_name(const char *name, codec_kind *kind, sdf_error **err)
{
    const char *names[FORMATS];
    for (size_t i = 0; i < FORMATS; i++) {
        names[i] = formats[i].name;
        if (strcmp(name, names[i]) == 0) {
            *kind = (codec_kind)i;
            return SDF_OK;
        }
    }
    const char *near = error_nearest(name, names, FORMATS);
    error_set(err, SDF_E_INVALID, "there is no compression \"%.100s\"", name);
    if (near != NULL)
        error_hint(err, "did you mean \"%s\"?", near);
    else
        error_hint(err, "use none, gzip, zstd, lz4 or bzip2");
    return SDF_E_INVALID;
}

const char *codec_name(codec_kind kind)
{
    return entry_of(kind)->name;
}

const char *codec_suffix(codec_kind kind)
{
    return entry_of(kind)->suffix;
}

uint64_t decoder_cost(codec_kind kind, uint64_t room)
{
    const format_entry *f = entry_of(kind);
    return f->decoder_cost != NULL ? f->decoder_cost(room) : 0;
}

uint64_t encoder_cost(codec_kind kind)
{
    const format_entry *f = entry_of(kind);
    return f->encoder_cost != NULL ? f->encoder_cost() : 0;
}

int codec_damaged(const char *format, const char *why, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT, "the %s data is damaged: %s", format, why);
    error_hint(err, "get the file again from where it came from");
    return SDF_E_CORRUPT;
}
