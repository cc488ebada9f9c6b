/* Writing a shuffle object: header, blocks, index, trailer; to the store, or kept as bytes while it is small. */
#include "shuffle/object_format.h"

#include <stdlib.h>
#include <string.h>

#include "shuffle/charge.h"
#include "shuffle/stream.h"

#define BLOCK_BYTES_MIN 256

/* One extent written, with what the fingerprint needs of it. */
typedef struct written {
    index_extent x;
    uint64_t digest;
} written;

struct object_writer {
    task_env *env;
    object_ids ids;
    uint32_t partitions;
    stream stream;
    written *extents;
    size_t count, capacity;
    uint64_t records; /* of ended extents */
    uint64_t inline_limit;
    buf kept; /* the object so far, while it is inline */
    bool in_store;
    void *store_writer;
    char name[TASK_NAME_MAX];
};

/* ---- where the bytes go ---- */

static int store_failed(object_writer *w, int rc, sdf_error **err)
{
    if (rc == SDF_E_THROTTLED)
        w->env->metrics.store_throttled++;
    error_prefix(err, "writing shuffle object %s", w->name);
    return rc;
}

static int store_append(object_writer *w, const sdf_slice *parts, size_t count, sdf_error **err)
{
    store *s = w->env->store;
    int rc = task_env_check(w->env, err);
    if (rc != SDF_OK)
        return rc;
    if (!w->store_writer) {
        rc = s->ops->writer_open(s->self, w->name, 1, &w->store_writer, err);
        if (rc != SDF_OK) {
            w->store_writer = NULL;
            return store_failed(w, rc, err);
        }
    }
    rc = s->ops->writer_append(s->self, w->store_writer, parts, count, err);
    return rc == SDF_OK ? rc : store_failed(w, rc, err);
}

static void drop_kept(object_writer *w)
{
    if (w->env->budget)
        budget_give(w->env->budget, w->kept.size);
    buf_free(&w->kept);
}

/* True: the parts are kept. False: no more than before is, and the object has to go to the store. */
static bool keep(object_writer *w, const sdf_slice *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    if (size > w->inline_limit || w->kept.size > w->inline_limit - size)
        return false;
    if (w->env->budget && !budget_try(w->env->budget, size))
        return false;
    if (buf_reserve(&w->kept, size) != SDF_OK) {
        if (w->env->budget)
            budget_give(w->env->budget, size);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        buf_append(&w->kept, parts[i].data, parts[i].size);
    return true;
}

static int object_write(void *self, const sdf_slice *parts, size_t count, sdf_error **err)
{
    object_writer *w = self;
    if (!w->in_store && keep(w, parts, count))
        return SDF_OK;
    if (!w->in_store && w->kept.size) {
        sdf_slice before = buf_slice(&w->kept);
        int rc = store_append(w, &before, 1, err);
        if (rc != SDF_OK)
            return rc;
        drop_kept(w);
    }
    w->in_store = true;
    return store_append(w, parts, count, err);
}

/* ---- open and close ---- */

/* What the request asks for, but so that a writer (six times as much) takes no more than a tenth of the budget. */
static size_t block_bytes_of(const task_env *env)
{
    uint64_t bytes = env->request && env->request->block_bytes ? env->request->block_bytes : BLOCK_BYTES_DEFAULT;
    if (env->budget && bytes > env->budget->limit / 64)
        bytes = env->budget->limit / 64;
    return bytes < BLOCK_BYTES_MIN ? BLOCK_BYTES_MIN : bytes > BLOCK_RAW_MAX / 2 ? BLOCK_RAW_MAX / 2 : bytes;
}

static block_codec codec_of(const task_env *env)
{
    return env->plan && env->plan->compression && strcmp(env->plan->compression, "none") == 0 ? BLOCK_RAW : BLOCK_LZ4;
}

int object_writer_open(object_writer **out, task_env *env, const object_ids *ids, uint32_t partitions, type_kind key,
                       type_kind value, uint64_t inline_limit, sdf_error **err)
{
    if (partitions == 0)
        return error_set(err, SDF_E_INVALID, "a shuffle object of no partitions");
    object_writer *w = charge_alloc(env->budget, sizeof *w, err);
    if (!w)
        return SDF_E_NO_MEMORY;
    memset(w, 0, sizeof *w);
    w->env = env;
    w->ids = *ids;
    w->partitions = partitions;
    w->inline_limit = inline_limit;
    task_name_object(w->name, ids->context, ids->stage, ids->task, ids->leg, ids->attempt);
    int rc = stream_open(&w->stream, env->budget, key, value, block_bytes_of(env), codec_of(env), object_write, w, err);
    if (rc != SDF_OK) {
        charge_free(env->budget, w, sizeof *w);
        return rc;
    }
    uint8_t header[OBJECT_HEADER_BYTES];
    object_header_write(header, ids, partitions, key, value);
    sdf_slice part = {header, sizeof header};
    rc = stream_put(&w->stream, &part, 1, err);
    index_extent none;
    uint64_t digest;
    rc = rc ? rc : stream_end_extent(&w->stream, &none, &digest, err); /* the first extent begins here */
    if (rc != SDF_OK) {
        object_writer_abort(w);
        return rc;
    }
    *out = w;
    return SDF_OK;
}

void object_writer_abort(object_writer *w)
{
    if (!w)
        return;
    store *s = w->env->store;
    if (w->store_writer)
        s->ops->writer_abort(s->self, w->store_writer);
    drop_kept(w);
    stream_close(&w->stream);
    charge_free(w->env->budget, w->extents, w->capacity * sizeof *w->extents);
    charge_free(w->env->budget, w, sizeof *w);
}

/* ---- records ---- */

/* Charged past the limit if need be: a spilling operator may be what writes here, and asking it for memory would turn
 * in a circle. */
static int extents_grow(object_writer *w, sdf_error **err)
{
    size_t capacity = w->capacity ? w->capacity * 2 : 64;
    if (capacity > UINT32_MAX)
        return error_set(err, SDF_E_LIMIT, "more than %u extents in one shuffle object", UINT32_MAX);
    written *bigger = malloc(capacity * sizeof *bigger);
    if (!bigger)
        return error_no_memory(err);
    budget_force(w->env->budget, capacity * sizeof *bigger);
    if (w->count)
        memcpy(bigger, w->extents, w->count * sizeof *bigger);
    charge_free(w->env->budget, w->extents, w->capacity * sizeof *bigger);
    w->extents = bigger;
    w->capacity = capacity;
    return SDF_OK;
}

static int end_extent(object_writer *w, sdf_error **err)
{
    written done;
    if (stream_records(&w->stream) == 0)
        return SDF_OK;
    int rc = w->count == w->capacity ? extents_grow(w, err) : SDF_OK;
    rc = rc ? rc : stream_end_extent(&w->stream, &done.x, &done.digest, err);
    if (rc != SDF_OK)
        return rc;
    w->extents[w->count++] = done;
    w->records += done.x.records;
    return SDF_OK;
}

static int enter_partition(object_writer *w, uint32_t partition, sdf_error **err)
{
    if (partition >= w->partitions || partition < w->stream.extent.partition)
        return error_set(err, SDF_E_INTERNAL, "partition %u of %u was to be written after %u", partition, w->partitions,
                         w->stream.extent.partition);
    int rc = end_extent(w, err);
    w->stream.extent.partition = partition;
    return rc;
}

int object_writer_add(object_writer *w, uint32_t partition, const sdf_column *keys, const sdf_column *values,
                      size_t first, size_t count, sdf_error **err)
{
    if (partition != w->stream.extent.partition) {
        int rc = enter_partition(w, partition, err);
        if (rc != SDF_OK)
            return rc;
    }
    return stream_add(&w->stream, keys, values, first, count, err);
}

int object_writer_add_one(object_writer *w, uint32_t partition, const sdf_slice *key, const sdf_slice *value,
                          sdf_error **err)
{
    if (partition != w->stream.extent.partition) {
        int rc = enter_partition(w, partition, err);
        if (rc != SDF_OK)
            return rc;
    }
    return stream_add_one(&w->stream, key, value, err);
}

int object_writer_end_run(object_writer *w, sdf_error **err)
{
    int rc = end_extent(w, err);
    w->stream.extent.partition = 0;
    return rc;
}

uint64_t object_writer_records(const object_writer *w)
{
    return w->records + stream_records(&w->stream);
}

/* ---- commit ---- */

/* By partition, then run: runs are written one after another, so offsets ascend with them. */
static int by_partition(const void *a, const void *b)
{
    const index_extent *x = &((const written *)a)->x, *y = &((const written *)b)->x;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Of sorted extents: over each partition that has records, its number, count and content digest. */
static uint64_t fingerprint_of(const written *e, size_t count, uint32_t partitions)
{
    uint64_t f = digest_fold(DIGEST_START, partitions);
    for (size_t i = 0; i < count;) {
        uint32_t partition = e[i].x.partition;
        uint64_t records = 0, digest = DIGEST_START;
        for (; i < count && e[i].x.partition == partition; i++) {
            records += e[i].x.records;
            digest = digest_fold(digest, e[i].digest);
        }
        f = digest_fold(digest_fold(digest_fold(f, partition), records), digest);
    }
    return f;
}

static int index_make(object_writer *w, shuffle_index *index, sdf_error **err)
{
    *index = (shuffle_index){.partitions = w->partitions, .count = (uint32_t)w->count};
    if (w->count && !(index->extents = malloc(w->count * sizeof *index->extents)))
        return error_no_memory(err);
    if (w->count)
        qsort(w->extents, w->count, sizeof *w->extents, by_partition);
    for (size_t i = 0; i < w->count; i++)
        index->extents[i] = w->extents[i].x;
    index->fingerprint = fingerprint_of(w->extents, w->count, w->partitions);
    return SDF_OK;
}

static int put_tail(object_writer *w, const shuffle_index *index, sdf_error **err)
{
    buf encoded = BUF_EMPTY;
    uint8_t trailer[OBJECT_TRAILER_BYTES];
    if (shuffle_index_encode(index, &encoded) != SDF_OK) {
        buf_free(&encoded);
        return error_no_memory(err);
    }
    int rc = SDF_OK;
    if (encoded.size > UINT32_MAX)
        rc = error_set(err, SDF_E_LIMIT, "a shuffle index of %zu bytes", encoded.size);
    object_trailer_write(trailer, w->stream.position, encoded.data, (uint32_t)encoded.size);
    sdf_slice parts[2] = {buf_slice(&encoded), {trailer, sizeof trailer}};
    rc = rc ? rc : stream_put(&w->stream, parts, 2, err);
    rc = rc ? rc : stream_flush(&w->stream, err);
    buf_free(&encoded);
    return rc;
}

static int publish(object_writer *w, sdf_error **err)
{
    store *s = w->env->store;
    int rc = task_env_check(w->env, err);
    if (rc != SDF_OK)
        return rc;
    void *writer = w->store_writer;
    w->store_writer = NULL;
    rc = s->ops->writer_commit(s->self, writer, err);
    if (rc != SDF_OK)
        return store_failed(w, rc, err);
    w->env->metrics.store_writes++;
    return SDF_OK;
}

static void count_written(object_writer *w)
{
    const plan_stage *stage = w->env->stage;
    if (stage && stage->output.kind == PLAN_OUTPUT_RESULT)
        return;
    w->env->metrics.shuffle_records_out += w->records;
    for (size_t i = 0; i < w->count; i++)
        w->env->metrics.shuffle_bytes_out += w->extents[i].x.stored;
}

int object_writer_commit(object_writer *w, shuffle_index *index, buf *inline_bytes, uint64_t *object_bytes,
                         sdf_error **err)
{
    shuffle_index made = {0};
    int rc = end_extent(w, err);
    rc = rc ? rc : index_make(w, &made, err);
    rc = rc ? rc : put_tail(w, &made, err);
    if (rc == SDF_OK && w->in_store)
        rc = publish(w, err);
    if (rc == SDF_OK) {
        count_written(w);
        *object_bytes = w->stream.position;
        *index = made;
        if (!w->in_store) {
            if (w->env->budget)
                budget_give(w->env->budget, w->kept.size);
            buf_free(inline_bytes);
            *inline_bytes = w->kept;
            w->kept = (buf)BUF_EMPTY;
        }
    } else {
        shuffle_index_clear(&made);
    }
    object_writer_abort(w);
    return rc;
}
