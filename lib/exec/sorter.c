/* Outputs that hold records back to sort or to partition them: a full buffer becomes one run of the shuffle object, so
 * nothing is spilled on this side. Sorting is stable: equal keys stay in the order in which they came. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/gather.h"
#include "exec/records.h"
#include "exec/shuffle_output.h"

#define FETCH_AHEAD 24 /* records */

typedef struct sorter {
    op base;
    shuffle_sink sink;
    records records;
    budget_spiller spiller;
    uint32_t *ends; /* per partition; NULL where partitions are found after the sort */
    bool ordered, working;
    bool canonical; /* f64 keys that are hashed: -0 and NaNs are made one */
    bool single;    /* everything goes to `partition` */
    bool in_turn;   /* round robin */
    uint32_t partition;
} sorter;

/* ---- writing a run ---- */

/* Gathers `count` records; `ahead` entries may be fetched ahead. */
static sdf_batch sorter_gather(const sorter *s, const record_entry *e, size_t count, size_t ahead, gathered *g)
{
    bool key_words = type_is_number(s->sink.key), value_words = type_is_number(s->sink.value);
    for (size_t i = 0; i < count; i++) {
        if (i + FETCH_AHEAD < ahead) {
            const char *next = (const char *)record_at(&s->records, &e[i + FETCH_AHEAD]);
            __builtin_prefetch(next);
            __builtin_prefetch(next + 64);
        }
        const record_head *h = record_at(&s->records, &e[i]);
        gathered_set(&g->keys, key_words, i, record_key(h));
        gathered_set(&g->values, value_words, i, record_value(h));
    }
    return gathered_batch(g, s->sink.key, s->sink.value, count);
}

static int write_partition(sorter *s, uint32_t partition, const record_entry *e, size_t count, sdf_error **err)
{
    gathered g;
    for (size_t at = 0; at < count; at += SDF_BATCH_MAX) {
        size_t n = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX;
        sdf_batch batch = sorter_gather(s, e + at, n, count - at, &g);
        int rc = object_writer_add(s->sink.writer, partition, &batch.key, &batch.value, 0, n, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

/* Sorted entries whose partitions ascend with their keys: finds where each ends by halving. */
static int write_ranges(sorter *s, const record_entry *e, size_t count, sdf_error **err)
{
    for (size_t at = 0; at < count;) {
        sdf_slice key = record_key(record_at(&s->records, &e[at]));
        uint32_t partition = sink_partition(&s->sink, &key);
        size_t low = at + 1, high = count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            key = record_key(record_at(&s->records, &e[middle]));
            if (sink_partition(&s->sink, &key) == partition)
                low = middle + 1;
            else
                high = middle;
        }
        int rc = write_partition(s, partition, e + at, low - at, err);
        if (rc)
            return rc;
        at = low;
    }
    return SDF_OK;
}

/* Entries by partition, each part in the order of arrival, from `from` (newest first) into `to`. */
static void scatter(sorter *s, const record_entry *from, record_entry *to)
{
    uint32_t count = s->records.count, sum = 0;
    memset(s->ends, 0, s->sink.partitions * sizeof *s->ends);
    for (uint32_t i = count; i-- > 0;)
        s->ends[record_at(&s->records, &from[i])->partition]++;
    for (uint32_t p = 0; p < s->sink.partitions; p++) {
        uint32_t n = s->ends[p];
        s->ends[p] = sum;
        sum += n;
    }
    for (uint32_t i = count; i-- > 0;)
        to[s->ends[record_at(&s->records, &from[i])->partition]++] = from[i];
}

static int write_scattered(sorter *s, record_entry *entries, record_entry *spare, sdf_error **err)
{
    uint32_t begin = 0;
    scatter(s, entries, spare);
    for (uint32_t p = 0; p < s->sink.partitions; p++) {
        uint32_t end = s->ends[p];
        if (s->ordered)
            records_sort(&s->records, spare + begin, entries + begin, end - begin);
        int rc = write_partition(s, p, spare + begin, end - begin, err);
        if (rc)
            return rc;
        begin = end;
    }
    return SDF_OK;
}

static int sorter_write(sorter *s, sdf_error **err)
{
    int rc;
    if (!s->records.count)
        return SDF_OK;
    if ((rc = task_env_check(s->base.env, err)))
        return rc;
    record_entry *entries = records_entries(&s->records), *spare = entries - s->records.count;
    if (s->ends) {
        rc = write_scattered(s, entries, spare, err);
    } else {
        records_sort(&s->records, entries, spare, s->records.count);
        rc = s->single ? write_partition(s, s->partition, entries, s->records.count, err)
                       : write_ranges(s, entries, s->records.count, err);
    }
    records_clear(&s->records);
    return rc ? rc : object_writer_end_run(s->sink.writer, err);
}

/* ---- taking records ---- */

/* A record larger than the buffer is a run of its own. */
static int sorter_write_alone(sorter *s, const sdf_slice *key, const sdf_slice *value, uint32_t partition,
                              sdf_error **err)
{
    int rc = object_writer_add_one(s->sink.writer, partition, key, value, err);
    return rc ? rc : object_writer_end_run(s->sink.writer, err);
}

static int sorter_add(sorter *s, sdf_slice key, const sdf_slice *value, sdf_error **err)
{
    uint64_t canonical;
    if (s->canonical) {
        canonical = type_canonical_f64(load_u64(key.data));
        key.data = &canonical;
    }
    uint32_t partition = s->partition;
    if (s->ends)
        partition = s->in_turn ? sink_next(&s->sink) : sink_partition(&s->sink, &key);
    int rc = SDF_OK;
    if (records_add(&s->records, &key, value, partition))
        return SDF_OK;
    if (s->records.count && (rc = sorter_write(s, err)))
        return rc;
    if ((rc = records_begin(&s->records, &s->spiller, err)) || records_add(&s->records, &key, value, partition))
        return rc;
    return sorter_write_alone(s, &key, value, s->ends || s->single ? partition : sink_partition(&s->sink, &key), err);
}

static int sorter_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    sorter *s = (sorter *)self;
    int rc = SDF_OK;
    s->working = true;
    if (s->sink.sampler)
        rc = sampler_add(s->sink.sampler, &batch->key, batch->count, err);
    for (size_t i = 0; i < batch->count && !rc; i++) {
        sdf_slice value = column_get(&batch->value, i);
        rc = sorter_add(s, column_get(&batch->key, i), &value, err);
    }
    s->working = false;
    return sink_blame(&s->sink, rc, err);
}

static int sorter_finish(op *self, sdf_error **err)
{
    sorter *s = (sorter *)self;
    s->working = true;
    int rc = sorter_write(s, err);
    records_release(&s->records);
    return rc ? sink_blame(&s->sink, rc, err) : sink_commit(&s->sink, err);
}

static int sorter_spill(void *self, sdf_error **err)
{
    sorter *s = self;
    int rc = sorter_write(s, err);
    records_release(&s->records);
    return rc;
}

static uint64_t sorter_held(void *self)
{
    const sorter *s = self;
    return s->working ? 0 : s->records.charged;
}

static void sorter_close(op *self)
{
    sorter *s = (sorter *)self;
    budget *b = s->base.env->budget;
    budget_remove_spiller(b, &s->spiller);
    records_release(&s->records);
    if (s->ends)
        budget_give(b, s->sink.partitions * sizeof *s->ends);
    free(s->ends);
    sink_close(&s->sink);
    free(s);
}

static int sorter_open(sorter *s, sdf_error **err)
{
    budget *b = s->base.env->budget;
    const plan_output *spec = s->sink.spec;
    size_t ends = s->sink.partitions * sizeof *s->ends;
    s->ordered = spec->order != PLAN_ORDER_NONE;
    s->single = sink_single(&s->sink, &s->partition);
    s->in_turn = spec->partitioner == PLAN_PARTITION_ROUND_ROBIN;
    s->canonical = s->sink.key == TYPE_F64 && spec->partitioner == PLAN_PARTITION_HASH;
    records_init(&s->records, b, b->limit / 2, s->sink.key, spec->order == PLAN_ORDER_DESCENDING);
    /* Ranges of sorted records are found afterwards. */
    if (s->single || (s->ordered && spec->partitioner == PLAN_PARTITION_RANGE))
        return SDF_OK;
    int rc = budget_take(b, ends, NULL, err);
    if (!rc && !(s->ends = malloc(ends))) {
        budget_give(b, ends);
        rc = error_no_memory(err);
    }
    return rc;
}

int sorter_new(shuffle_sink *sink, op **out, sdf_error **err)
{
    sorter *s = calloc(1, sizeof *s);
    if (!s) {
        sink_close(sink);
        return error_no_memory(err);
    }
    s->base = (op){.push = sorter_push, .finish = sorter_finish, .close = sorter_close, .env = sink->env};
    s->sink = *sink;
    s->spiller = (budget_spiller){.spill = sorter_spill, .held = sorter_held, .self = s};
    budget_add_spiller(sink->env->budget, &s->spiller);
    int rc = sorter_open(s, err);
    if (rc) {
        sink_blame(&s->sink, rc, err);
        sorter_close(&s->base);
        return rc;
    }
    *out = &s->base;
    return SDF_OK;
}
