/* Filling and reading the buffer. Once a value has gone to scratch all later ones do, so that their order stays. */
#include "exec/group_buffer.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/wire.h"

#define BUFFER_FIRST (16u << 10)
#define SIZE_BYTES   4

void group_buffer_init(group_buffer *b, task_env *env, type_kind kind, uint64_t most)
{
    memset(b, 0, sizeof *b);
    b->env = env;
    b->kind = kind;
    b->most = most;
}

void group_buffer_clear(group_buffer *b)
{
    run_close(b->run);
    spill_abort(b->writer);
    spill_free(b->file);
    b->run = NULL;
    b->writer = NULL;
    b->file = NULL;
    b->used = 0;
}

void group_buffer_close(group_buffer *b)
{
    if (!b->env)
        return;
    group_buffer_clear(b);
    free(b->bytes);
    budget_give(b->env->budget, b->capacity);
    memset(b, 0, sizeof *b);
}

/* Whether there is room for `size` bytes more: as memory stands, nobody is asked to spill for it. */
static bool buffer_room(group_buffer *b, uint64_t size)
{
    if (size <= b->capacity - b->used)
        return true;
    uint64_t capacity = b->capacity ? b->capacity * 2 : BUFFER_FIRST;
    if (capacity - b->used < size)
        capacity = b->used + size;
    if (capacity > b->most || !budget_try(b->env->budget, capacity - b->capacity))
        return false;
    uint8_t *bigger = realloc(b->bytes, capacity);
    if (!bigger) {
        budget_give(b->env->budget, capacity - b->capacity);
        return false;
    }
    b->bytes = bigger;
    b->capacity = capacity;
    return true;
}

/* Returns how many it copied. */
static size_t buffer_keep(group_buffer *b, const sdf_column *values, size_t first, size_t count)
{
    size_t i = 0;
    for (; i < count; i++) {
        sdf_slice v = column_get(values, first + i);
        if (v.size > UINT32_MAX || !buffer_room(b, SIZE_BYTES + v.size))
            break;
        store_u32(b->bytes + b->used, (uint32_t)v.size);
        if (v.size)
            memcpy(b->bytes + b->used + SIZE_BYTES, v.data, v.size);
        b->used += SIZE_BYTES + v.size;
    }
    return i;
}

int group_buffer_add(group_buffer *b, const sdf_column *values, size_t first, size_t count, sdf_error **err)
{
    size_t kept = b->writer ? 0 : buffer_keep(b, values, first, count);
    sdf_column no_keys;
    if (kept == count)
        return SDF_OK;
    column_set_null(&no_keys);
    int rc = b->writer ? SDF_OK : spill_open(&b->writer, b->env, TYPE_NULL, b->kind, err);
    if (rc) {
        b->writer = NULL;
        return rc;
    }
    return spill_add(b->writer, &no_keys, values, first + kept, count - kept, err);
}

int group_buffer_end(group_buffer *b, sdf_error **err)
{
    group_buffer_rewind(b);
    if (!b->writer)
        return SDF_OK;
    int rc = spill_end_run(b->writer, &b->extent, err);
    if (rc)
        return rc;
    spill_writer *w = b->writer;
    b->writer = NULL;
    return spill_finish(w, &b->file, err);
}

void group_buffer_rewind(group_buffer *b)
{
    run_close(b->run);
    b->run = NULL;
    b->read = 0;
    b->at = b->batch.count = 0;
}

int group_buffer_next(group_buffer *b, sdf_slice *value, sdf_error **err)
{
    if (b->read < b->used) {
        *value = (sdf_slice){b->bytes + b->read + SIZE_BYTES, load_u32(b->bytes + b->read)};
        b->read += SIZE_BYTES + value->size;
        return SDF_OK;
    }
    if (!b->file)
        return SDF_END;
    if (b->at == b->batch.count) {
        int rc = b->run ? SDF_OK : run_open_spill(&b->run, b->env, b->file, &b->extent, TYPE_NULL, b->kind, err);
        if (rc) {
            b->run = NULL;
            return rc;
        }
        b->at = b->batch.count = 0;
        if ((rc = run_next(b->run, &b->batch, err)))
            return rc;
    }
    *value = column_get(&b->batch.value, b->at++);
    return SDF_OK;
}
