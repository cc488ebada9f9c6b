/* Records are held in a buffer; a full one is sorted and written as a run. What the last buffer holds is read from
 * memory when it is all there is, else it becomes the last run. */
#include "exec/local_sort.h"

#include <stdlib.h>

#include "exec/blame.h"
#include "exec/gather.h"
#include "exec/records.h"
#include "exec/sorted_runs.h"

#define FETCH_AHEAD 24 /* records */

struct local_sort {
    op base;
    sorted_stream stream;
    const char *label;
    type_kind key, value;
    records records;
    budget_spiller spiller;
    bool working; /* in push or finish, or being read: not the time to spill */
    bool sorted;  /* the records are, and no more will come */
    sorted_runs runs;
    merge *merge; /* of runs, while they are read */
    uint32_t at;  /* in records, while they are read from memory */
    gathered *batch;
};

/* `count` entries from e on; `ahead` may be fetched ahead. */
static sdf_batch sort_gather(const local_sort *s, const record_entry *e, size_t count, size_t ahead)
{
    bool key_words = type_is_number(s->key), value_words = type_is_number(s->value);
    for (size_t i = 0; i < count; i++) {
        if (i + FETCH_AHEAD < ahead) {
            const char *next = (const char *)record_at(&s->records, &e[i + FETCH_AHEAD]);
            __builtin_prefetch(next);
            __builtin_prefetch(next + 64);
        }
        const record_head *h = record_at(&s->records, &e[i]);
        gathered_set(&s->batch->keys, key_words, i, record_key(h));
        gathered_set(&s->batch->values, value_words, i, record_value(h));
    }
    return gathered_batch(s->batch, s->key, s->value, count);
}

static void sort_records(local_sort *s)
{
    record_entry *entries = records_entries(&s->records);
    if (!s->sorted)
        records_sort(&s->records, entries, entries - s->records.count, s->records.count);
}

/* What is held becomes a run in scratch. */
static int sort_write(local_sort *s, sdf_error **err)
{
    spill_writer *w;
    uint32_t count = s->records.count;
    if (!count)
        return SDF_OK;
    int rc = task_env_check(s->base.env, err);
    rc = rc ? rc : sorted_runs_writer(&s->runs, &w, err);
    if (rc)
        return rc;
    sort_records(s);
    const record_entry *e = records_entries(&s->records);
    for (uint32_t at = 0; at < count && !rc; at += SDF_BATCH_MAX) {
        uint32_t n = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX;
        sdf_batch batch = sort_gather(s, e + at, n, count - at);
        rc = spill_add(w, &batch.key, &batch.value, 0, n, err);
    }
    records_clear(&s->records);
    return rc ? rc : sorted_runs_end_run(&s->runs, err);
}

/* ---- records in ---- */

/* A record larger than the buffer is a run of its own. */
static int sort_write_alone(local_sort *s, const sdf_slice *key, const sdf_slice *value, sdf_error **err)
{
    spill_writer *w;
    int rc = sorted_runs_writer(&s->runs, &w, err);
    rc = rc ? rc : spill_add_one(w, key, value, err);
    return rc ? rc : sorted_runs_end_run(&s->runs, err);
}

static int sort_add(local_sort *s, sdf_slice key, const sdf_slice *value, sdf_error **err)
{
    uint64_t canonical;
    int rc = SDF_OK;
    if (s->key == TYPE_F64) {
        canonical = type_canonical_f64(load_u64(key.data));
        key.data = &canonical;
    }
    if (records_add(&s->records, &key, value, 0))
        return SDF_OK;
    if (s->records.count && (rc = sort_write(s, err)))
        return rc;
    if ((rc = records_begin(&s->records, &s->spiller, err)) || records_add(&s->records, &key, value, 0))
        return rc;
    return sort_write_alone(s, &key, value, err);
}

static int sort_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    local_sort *s = (local_sort *)self;
    int rc = SDF_OK;
    s->working = true;
    for (size_t i = 0; i < batch->count && !rc; i++) {
        sdf_slice value = column_get(&batch->value, i);
        rc = sort_add(s, column_get(&batch->key, i), &value, err);
    }
    s->working = false;
    return blame(rc, s->label, err);
}

static int sort_finish(op *self, sdf_error **err)
{
    local_sort *s = (local_sort *)self;
    int rc = SDF_OK;
    s->working = true;
    if (s->runs.count) {
        rc = sort_write(s, err);
        records_release(&s->records);
    } else if (s->records.count) {
        sort_records(s);
    }
    s->sorted = true;
    s->working = false;
    rc = rc ? rc : sorted_runs_end_file(&s->runs, err);
    return blame(rc, s->label, err);
}

static int sort_spill(void *self, sdf_error **err)
{
    local_sort *s = self;
    int rc = sort_write(s, err);
    records_release(&s->records);
    return rc || !s->sorted ? rc : sorted_runs_end_file(&s->runs, err);
}

static uint64_t sort_held(void *self)
{
    const local_sort *s = self;
    return s->working ? 0 : s->records.charged;
}

static void sort_close(op *self)
{
    local_sort_free((local_sort *)self);
}

/* ---- and out again ---- */

static int stream_next(sorted_stream *self, sdf_batch *batch, sdf_error **err)
{
    local_sort *s = (local_sort *)(void *)((char *)self - offsetof(local_sort, stream));
    if (s->merge)
        return merge_next(s->merge, batch, err);
    uint32_t left = s->records.count - s->at;
    if (!left)
        return SDF_END;
    uint32_t n = left < SDF_BATCH_MAX ? left : SDF_BATCH_MAX;
    *batch = sort_gather(s, records_entries(&s->records) + s->at, n, left);
    s->at += n;
    return SDF_OK;
}

static void stream_close(sorted_stream *self)
{
    local_sort_free((local_sort *)(void *)((char *)self - offsetof(local_sort, stream)));
}

int local_sort_open(local_sort *s, uint32_t share, sorted_stream **out, sdf_error **err)
{
    int rc = SDF_OK;
    if (s->runs.count)
        rc = sorted_runs_read(&s->runs, share, &s->merge, err);
    s->working = true; /* from now on its records stay where they are */
    if (rc) {
        local_sort_free(s);
        return rc;
    }
    *out = &s->stream;
    return SDF_OK;
}

int local_sort_new(local_sort **out, task_env *env, const char *label, type_kind key, type_kind value, uint64_t room,
                   sdf_error **err)
{
    int rc = budget_take(env->budget, sizeof(local_sort) + sizeof(gathered), NULL, err);
    if (rc)
        return rc;
    local_sort *s = calloc(1, sizeof *s);
    gathered *batch = malloc(sizeof *batch);
    if (!s || !batch) {
        budget_give(env->budget, sizeof *s + sizeof *batch);
        free(s);
        free(batch);
        return error_no_memory(err);
    }
    s->base = (op){.push = sort_push, .finish = sort_finish, .close = sort_close, .env = env};
    s->stream = (sorted_stream){stream_next, stream_close};
    s->label = label;
    s->key = key;
    s->value = value;
    s->batch = batch;
    s->spiller = (budget_spiller){.spill = sort_spill, .held = sort_held, .self = s};
    records_init(&s->records, env->budget, room, key, false);
    budget_add_spiller(env->budget, &s->spiller);
    rc = sorted_runs_open(&s->runs, env, (sorted_spec){key, value, false}, NULL, 0, err);
    if (rc) {
        local_sort_free(s);
        return rc;
    }
    *out = s;
    return SDF_OK;
}

op *local_sort_op(local_sort *s)
{
    return &s->base;
}

void local_sort_free(local_sort *s)
{
    if (!s)
        return;
    budget *b = s->base.env->budget;
    budget_remove_spiller(b, &s->spiller);
    merge_free(s->merge);
    records_release(&s->records);
    sorted_runs_close(&s->runs);
    free(s->batch);
    budget_give(b, sizeof *s + sizeof *s->batch);
    free(s);
}
