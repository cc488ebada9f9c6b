/* The inside of sdf_batch: at most SDF_BATCH_MAX records as two columns. */
#ifndef BASE_BATCH_H
#define BASE_BATCH_H

#include <stdbool.h>
#include <string.h>

#include <sdf/record.h>

struct sdf_batch {
    size_t count;
    sdf_column key, value;
    const uint64_t *offsets; /* where each record begins in its source (decompressed bytes); NULL: not known */
};

static inline sdf_slice column_get(const sdf_column *c, size_t i)
{
    switch (c->layout) {
    case SDF_LAYOUT_SLICES:
        return c->slices[i];
    case SDF_LAYOUT_FIXED:
        return (sdf_slice){(const uint8_t *)c->data + i * c->width, c->width};
    case SDF_LAYOUT_OFFSETS:
        return (sdf_slice){(const uint8_t *)c->data + c->offsets[i], c->offsets[i + 1] - c->offsets[i]};
    default:
        return (sdf_slice){c->data, c->size};
    }
}

static inline void column_set_null(sdf_column *c)
{
    memset(c, 0, sizeof *c);
    c->struct_size = sizeof *c;
    c->layout = SDF_LAYOUT_CONST;
}
static inline void column_set_const(sdf_column *c, const void *data, size_t size)
{
    column_set_null(c);
    c->data = data;
    c->size = size;
}
static inline void column_set_slices(sdf_column *c, const sdf_slice *slices)
{
    column_set_null(c);
    c->layout = SDF_LAYOUT_SLICES;
    c->slices = slices;
}
static inline void column_set_fixed(sdf_column *c, const void *data, uint32_t width)
{
    column_set_null(c);
    c->layout = SDF_LAYOUT_FIXED;
    c->data = data;
    c->width = width;
}

/* A column of the host's uses fields that this version of the library does not know. */
bool column_is_newer(const sdf_column *c);

/* The column of records first.. of a larger one. */
static inline sdf_column column_from(const sdf_column *c, size_t first)
{
    sdf_column r = *c;
    if (c->layout == SDF_LAYOUT_SLICES)
        r.slices += first;
    else if (c->layout == SDF_LAYOUT_FIXED)
        r.data = (const uint8_t *)c->data + first * c->width;
    else if (c->layout == SDF_LAYOUT_OFFSETS)
        r.offsets += first;
    return r;
}

#endif
