/* Reservoir sampling (algorithm R): each record that passed is in the sample with the same chance. Of a long key only
 * the front is kept, which is enough to split by. */
#include "exec/sampler.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "shuffle/splitters.h"

typedef struct sampled {
    uint8_t *data;
    uint32_t size, capacity;
} sampled;

struct sampler {
    budget *budget;
    uint64_t charged;
    uint64_t seen;
    uint32_t capacity, count;
    rng rng;
    sampled keys[];
};

int sampler_new(sampler **out, task_env *env, uint32_t capacity, sdf_error **err)
{
    const task_request *q = env->request;
    size_t size = sizeof(sampler) + (size_t)capacity * sizeof(sampled);
    int rc = budget_take(env->budget, size, NULL, err);
    if (rc)
        return rc;
    sampler *s = calloc(1, size);
    if (!s) {
        budget_give(env->budget, size);
        return error_no_memory(err);
    }
    s->budget = env->budget;
    s->charged = size;
    s->capacity = capacity;
    s->rng.state = hash_mix(hash_mix(q->context, q->stage), hash_mix(q->task, q->leg));
    *out = s;
    return SDF_OK;
}

static int sampler_keep(sampler *s, uint32_t place, sdf_slice key, sdf_error **err)
{
    sampled *k = &s->keys[place];
    uint32_t size = key.size < SAMPLE_KEY_MAX ? (uint32_t)key.size : SAMPLE_KEY_MAX;
    if (size > k->capacity) {
        uint32_t capacity = (size + 15) & ~15u;
        int rc = budget_take(s->budget, capacity - k->capacity, NULL, err);
        if (rc)
            return rc;
        s->charged += capacity - k->capacity;
        uint8_t *data = realloc(k->data, capacity);
        if (!data)
            return error_no_memory(err);
        k->data = data;
        k->capacity = capacity;
    }
    if (size)
        memcpy(k->data, key.data, size);
    k->size = size;
    return SDF_OK;
}

int sampler_add(sampler *s, const sdf_column *keys, size_t count, sdf_error **err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t place = s->count < s->capacity ? s->count : rng_below(&s->rng, s->seen + 1);
        s->seen++;
        if (place >= s->capacity)
            continue;
        int rc = sampler_keep(s, (uint32_t)place, column_get(keys, i), err);
        if (rc)
            return rc;
        if (s->count < s->capacity)
            s->count++;
    }
    return SDF_OK;
}

uint64_t sampler_seen(const sampler *s)
{
    return s->seen;
}

/* The sample's order is random enough (and seeded), so every k-th key is a smaller sample of the same kind. */
static uint32_t sampler_step(const sampler *s, uint64_t max_bytes)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->count; i++)
        bytes += s->keys[i].size + 2;
    return max_bytes && bytes > max_bytes ? (uint32_t)(bytes / max_bytes + 1) : 1;
}

int sampler_encode(const sampler *s, uint64_t weight, uint64_t max_bytes, buf *out, sdf_error **err)
{
    sdf_slice *keys = malloc(((size_t)s->count + 1) * sizeof *keys);
    size_t n = 0;
    if (!keys)
        return error_no_memory(err);
    for (uint32_t i = 0, step = sampler_step(s, max_bytes); i < s->count; i += step)
        keys[n++] = (sdf_slice){s->keys[i].data, s->keys[i].size};
    int rc = samples_encode(keys, n, weight, out);
    free(keys);
    return rc ? error_set(err, rc, "the sample of keys could not be encoded") : SDF_OK;
}

void sampler_free(sampler *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->count; i++)
        free(s->keys[i].data);
    budget_give(s->budget, s->charged);
    free(s);
}
