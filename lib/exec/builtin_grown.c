/* Bytes that grow in the accounted memory of a task, which has no free: they double, or go on in place where they lie
 * at its end. And items of the ordered encoding passed over one by one. */
#include "exec/builtins.h"

int grown_reserve(grown *g, size_t more, sdf_memory *memory)
{
    arena *a = memory->arena;
    if (more <= g->capacity - g->size && g->data)
        return SDF_OK;
    size_t need = g->size + more;
    if (g->data && g->data + g->capacity == a->at && need - g->capacity + 8 <= (size_t)(a->end - a->at)) {
        size_t extra = (need - g->capacity + 7) & ~(size_t)7;
        if (sdf_memory_alloc(memory, extra) != g->data + g->capacity)
            return SDF_E_INTERNAL;
        g->capacity += extra;
        return SDF_OK;
    }
    size_t capacity = (need + (g->data ? need : 8) + 7) & ~(size_t)7;
    uint8_t *data = sdf_memory_alloc(memory, capacity);
    if (!data && !(data = sdf_memory_alloc(memory, capacity = (need + 15) & ~(size_t)7)))
        return SDF_E_NO_MEMORY;
    if (g->size)
        memcpy(data, g->data, g->size);
    g->data = data;
    g->capacity = capacity;
    return SDF_OK;
}

int grown_encode(const void *state, sdf_out *out, void *user)
{
    const grown *g = state;
    sdf_slice bytes = {g->data, g->size};
    return sdf_emit_view(out, NULL, &bytes);
}

bool item_skip(sdf_slice *rest)
{
    int depth = 0;
    do {
        switch (sdf_key_next(rest, NULL, NULL, NULL, NULL)) {
        case SDF_ITEM_TUPLE:
            if (++depth > TYPE_DEPTH_MAX)
                return false;
            break;
        case SDF_ITEM_TUPLE_END:
            if (--depth < 0)
                return false;
            break;
        case SDF_ITEM_NULL:
        case SDF_ITEM_NUMBER:
        case SDF_ITEM_BYTES:
            break;
        default:
            return false;
        }
    } while (depth > 0);
    return true;
}

bool item_is(sdf_slice bytes)
{
    return item_skip(&bytes) && !bytes.size;
}
