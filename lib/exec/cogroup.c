/* Moving on through sorted sources, key by key. Nothing is held but the key, so a group may be larger than memory. */
#include "exec/cogroup.h"

#include <stdlib.h>

#include "base/error.h"
#include "exec/prefix.h"

static int cogroup_fail(cogroup *g, int rc)
{
    return g->status = rc;
}

/* The next batch of a source; views that the function has emitted so far are settled first. */
static int source_pull(sdf_values *v)
{
    cogroup *g = v->group;
    int rc = g->calling ? out_settle(g->out, &g->error) : SDF_OK;
    rc = rc ? rc : op_check(g->env, g->pulled++, &g->error);
    rc = rc ? cogroup_fail(g, rc) : sorted_stream_next(v->stream, &v->batch, &g->error);
    v->at = v->end = 0;
    if (rc == SDF_END) {
        v->ended = true;
        v->batch.count = 0;
        sorted_stream_close(v->stream); /* its memory is of use to others */
        v->stream = NULL;
        return SDF_END;
    }
    return rc ? cogroup_fail(g, rc) : SDF_OK;
}

/* Whether a record of a batch has the key at hand. */
static inline bool has_key(const cogroup *g, const sdf_batch *batch, size_t i)
{
    sdf_slice key = column_get(&batch->key, i);
    if (g->decided)
        return key_prefix(g->kind, key.data, key.size) == g->prefix;
    return key.size == g->key_size && (!key.size || !memcmp(key.data, g->key, key.size));
}

/* The end of the key at hand, which batch[at] has: in strides that double, then by halving. */
static void source_span(sdf_values *v)
{
    const cogroup *g = v->group;
    size_t low = v->at + 1, high = low, stride = 1, count = v->batch.count;
    while (high < count && has_key(g, &v->batch, high)) {
        low = high + 1;
        high += stride;
        stride *= 2;
    }
    high = high < count ? high : count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (has_key(g, &v->batch, middle))
            low = middle + 1;
        else
            high = middle;
    }
    v->end = low;
    v->open = low == count;
}

int cogroup_values(sdf_values *v)
{
    cogroup *g = v->group;
    v->at = v->end;
    if (g->status || !v->open)
        return g->status ? g->status : SDF_END;
    v->open = false;
    int rc = v->ended ? SDF_END : source_pull(v);
    if (rc)
        return rc;
    if (!has_key(g, &v->batch, 0))
        return SDF_END;
    source_span(v);
    return SDF_OK;
}

int sdf_values_next(sdf_values *values, sdf_slice *value)
{
    if (!values || !value)
        return SDF_E_INVALID;
    if (values->at == values->end) {
        int rc = cogroup_values(values);
        if (rc) /* The operators below want no more: to the function that is an end by error, like any other. */
            return rc == OP_STOP ? SDF_E_CANCELLED : rc;
    }
    *value = column_get(&values->batch.value, values->at++);
    return SDF_OK;
}

static int keep_key(cogroup *g, sdf_slice key)
{
    uint64_t canonical;
    if (g->kind == TYPE_F64) {
        memcpy(&canonical, key.data, sizeof canonical);
        canonical = type_canonical_f64(canonical);
        key.data = &canonical;
    }
    if (key.size > g->key_capacity) {
        size_t capacity = key.size < 256 ? 256 : key.size;
        int rc = budget_take(g->env->budget, capacity, NULL, &g->error);
        if (rc)
            return cogroup_fail(g, rc);
        uint8_t *data = malloc(capacity);
        budget_give(g->env->budget, data ? g->key_capacity : capacity);
        if (!data)
            return cogroup_fail(g, error_no_memory(&g->error));
        free(g->key);
        g->key = data;
        g->key_capacity = capacity;
    }
    if (key.size)
        memcpy(g->key, key.data, key.size);
    g->key_size = key.size;
    return SDF_OK;
}

/* The source's head, behind what is unread of the last key: SDF_OK, or SDF_END when it has no more. */
static int source_head(sdf_values *v)
{
    int rc;
    while (v->open)
        if ((rc = cogroup_values(v)) && rc != SDF_END)
            return rc;
    v->at = v->end;
    if (v->at == v->batch.count && (rc = v->ended ? SDF_END : source_pull(v)))
        return rc;
    v->end = v->at;
    sdf_slice key = column_get(&v->batch.key, v->at);
    v->prefix = key_prefix(v->group->kind, key.data, key.size);
    return SDF_OK;
}

static int head_compare(const sdf_values *a, const sdf_values *b)
{
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    if (a->group->decided)
        return 0;
    sdf_slice x = column_get(&a->batch.key, a->at), y = column_get(&b->batch.key, b->at);
    return key_compare_from(x.data, x.size, y.data, y.size, 0);
}

int cogroup_next(cogroup *g)
{
    const sdf_values *least = NULL;
    for (uint32_t i = 0; i < g->count; i++) {
        sdf_values *v = &g->sources[i];
        int rc = g->status ? g->status : source_head(v);
        v->has = false;
        if (rc == SDF_END)
            continue;
        if (rc)
            return rc;
        int d = least ? head_compare(v, least) : -1;
        v->has = d <= 0;
        for (uint32_t j = 0; d < 0 && j < i; j++)
            g->sources[j].has = false;
        least = d < 0 ? v : least;
    }
    if (!least)
        return SDF_END;
    g->prefix = least->prefix;
    int rc = keep_key(g, column_get(&least->batch.key, least->at));
    for (uint32_t i = 0; i < g->count && !rc; i++)
        if (g->sources[i].has)
            source_span(&g->sources[i]);
    return rc;
}
