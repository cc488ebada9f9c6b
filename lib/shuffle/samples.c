/* Samples of keys on their way to the driver, and splitters out of them. docs/formats.md, "Samples and splitters". */
#include "shuffle/splitters_format.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/wire.h"

#define SHARE_ROUNDS 32

/* One sampled key, which stands for `weight` records. */
typedef struct sample {
    sdf_slice key;
    uint64_t prefix;
    double weight;
    uint32_t task;
} sample;

typedef struct sample_set {
    sample *samples;
    size_t count, capacity;
    type_kind kind;
} sample_set;

int samples_encode(const sdf_slice *keys, size_t count, uint64_t weight, buf *out)
{
    int rc = wire_put_u8(out, SAMPLES_FORMAT);
    rc = rc ? rc : wire_put_varint(out, weight);
    rc = rc ? rc : wire_put_varint(out, count);
    for (size_t i = 0; i < count && rc == SDF_OK; i++)
        rc = wire_put_bytes(out, keys[i].data, keys[i].size < SAMPLE_KEY_MAX ? keys[i].size : SAMPLE_KEY_MAX);
    return rc;
}

static int set_grow(sample_set *s, uint64_t more, sdf_error **err)
{
    if (s->count + more <= s->capacity)
        return SDF_OK;
    size_t capacity = s->capacity * 2 > s->count + more ? s->capacity * 2 : s->count + more;
    sample *bigger = realloc(s->samples, capacity * sizeof *bigger);
    if (!bigger)
        return error_no_memory(err);
    s->samples = bigger;
    s->capacity = capacity;
    return SDF_OK;
}

static int set_add(sample_set *s, uint32_t task, const sdf_slice *encoded, sdf_error **err)
{
    wire_reader in = wire_read(encoded->data, encoded->size);
    if (encoded->size == 0)
        return SDF_OK;
    uint8_t format = wire_u8(&in);
    if (format != SAMPLES_FORMAT)
        return error_set(err, SDF_E_VERSION, "samples of format %u; this library reads %d", format, SAMPLES_FORMAT);
    uint64_t weight = wire_varint(&in), count = wire_varint(&in);
    if (in.bad || count > wire_left(&in)) /* each has at least a byte */
        return error_set(err, SDF_E_CORRUPT, "the samples of task %u can't be read", task);
    int rc = set_grow(s, count, err);
    if (rc != SDF_OK)
        return rc;
    for (uint64_t i = 0; i < count; i++) {
        sdf_slice key = wire_bytes(&in, SAMPLE_KEY_MAX);
        if (in.bad || (type_is_number(s->kind) && key.size != 8))
            return error_set(err, SDF_E_CORRUPT, "sample %llu of task %u can't be a key", (unsigned long long)i, task);
        s->samples[s->count++] =
            (sample){key, type_order_prefix(s->kind, key.data, key.size), (double)weight / (double)count, task};
    }
    return wire_left(&in) ? error_set(err, SDF_E_CORRUPT, "bytes behind the samples of task %u", task) : SDF_OK;
}

static int sample_order(const void *pa, const void *pb, void *kind)
{
    const sample *a = pa, *b = pb;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    int order = type_compare(*(const type_kind *)kind, &a->key, &b->key);
    /* Equal keys by task: their weights add up in the same order everywhere. */
    return order ? order : a->task < b->task ? -1 : a->task > b->task;
}

/* Adds samples with equal keys up; what remains ascends strictly. */
static void set_merge_equal(sample_set *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (n && s->samples[n - 1].prefix == s->samples[i].prefix &&
            type_compare(s->kind, &s->samples[n - 1].key, &s->samples[i].key) == 0)
            s->samples[n - 1].weight += s->samples[i].weight;
        else
            s->samples[n++] = s->samples[i];
    }
    s->count = n;
}

/* The weight that a partition should have when each key heavier than that has one of its own: first the mean, then
 * without the heavy keys, and so on until no more of them turn up. */
static double even_share(const sample_set *s, uint32_t partitions)
{
    double share = 0;
    size_t heavy = SIZE_MAX;
    for (int round = 0; round < SHARE_ROUNDS; round++) {
        double light = 0;
        size_t heavier = 0;
        for (size_t i = 0; i < s->count; i++) {
            if (round && s->samples[i].weight > share)
                heavier++;
            else
                light += s->samples[i].weight;
        }
        if (heavier == heavy || heavier >= partitions || light <= 0)
            break;
        heavy = heavier;
        share = light / (double)(partitions - heavier);
    }
    return share;
}

/* Fills partitions one after another, each to an even share of what is left; a key belongs where it brings the sum
 * nearer to that share, and a heavy one counts as one share. out[] gets the indexes of splitters: the first key of each
 * partition but the first. */
static uint32_t set_cut(const sample_set *s, uint32_t partitions, size_t *out)
{
    double most = even_share(s, partitions), left = 0, sum = 0;
    uint32_t cuts = 0;
    for (size_t i = 0; i < s->count; i++)
        left += s->samples[i].weight < most ? s->samples[i].weight : most;
    for (size_t i = 0; i < s->count && cuts + 1 < partitions; i++) {
        double weight = s->samples[i].weight < most ? s->samples[i].weight : most;
        double share = left / (partitions - cuts), with = sum + weight;
        if (i && with - share > share - sum) {
            out[cuts++] = i;
            left -= sum;
            sum = weight;
        } else {
            sum = with;
        }
    }
    return cuts;
}

static int splitters_encode(const sample_set *s, const size_t *at, uint32_t count, buf *out)
{
    int rc = wire_put_u8(out, SPLITTERS_FORMAT);
    rc = rc ? rc : wire_put_u8(out, (uint8_t)s->kind);
    rc = rc ? rc : wire_put_varint(out, count);
    for (uint32_t i = 0; i < count && rc == SDF_OK; i++)
        rc = wire_put_bytes(out, s->samples[at[i]].key.data, s->samples[at[i]].key.size);
    return rc;
}

int splitters_make(type_kind key, const sdf_slice *samples, size_t tasks, uint32_t partitions, buf *out,
                   sdf_error **err)
{
    sample_set s = {.kind = key};
    int rc = SDF_OK;
    for (size_t t = 0; t < tasks && rc == SDF_OK; t++)
        rc = set_add(&s, (uint32_t)t, &samples[t], err);
    if (rc == SDF_OK) {
        if (s.count)
            qsort_r(s.samples, s.count, sizeof *s.samples, sample_order, &s.kind);
        set_merge_equal(&s);
        size_t most = s.count < partitions ? s.count : partitions;
        size_t *at = calloc(most + 1, sizeof *at);
        rc = at ? splitters_encode(&s, at, set_cut(&s, partitions, at), out) : SDF_E_NO_MEMORY;
        free(at);
        if (rc != SDF_OK)
            error_no_memory(err);
    }
    free(s.samples);
    return rc;
}
