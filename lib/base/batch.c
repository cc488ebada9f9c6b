/* The public readers of slices and batches. The inside is in base/batch.h. */
#include "base/batch.h"

int64_t sdf_slice_i64(const sdf_slice *raw)
{
    int64_t v = 0;
    if (raw && raw->size == sizeof v)
        memcpy(&v, raw->data, sizeof v);
    return v;
}

double sdf_slice_f64(const sdf_slice *raw)
{
    double v = 0;
    if (raw && raw->size == sizeof v)
        memcpy(&v, raw->data, sizeof v);
    return v;
}

size_t sdf_batch_count(const sdf_batch *batch)
{
    return batch ? batch->count : 0;
}

bool column_is_newer(const sdf_column *c)
{
    enum { MOST = 1024 }; /* no honest column is larger */
    const uint8_t *tail = (const uint8_t *)c + sizeof *c;
    size_t more = c->struct_size > sizeof *c ? c->struct_size - sizeof *c : 0;
    for (size_t i = 0; i < more && i < MOST; i++)
        if (tail[i])
            return true;
    return more > MOST;
}

const sdf_column *sdf_batch_column(const sdf_batch *batch, int side)
{
    if (!batch || (side != SDF_KEY && side != SDF_VALUE))
        return NULL;
    return side == SDF_KEY ? &batch->key : &batch->value;
}

void sdf_batch_get(const sdf_batch *batch, int side, size_t i, sdf_slice *out)
{
    const sdf_column *c = sdf_batch_column(batch, side);
    if (out)
        *out = c && i < batch->count ? column_get(c, i) : (sdf_slice){NULL, 0};
}
