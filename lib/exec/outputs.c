/* Ends of chains that are not files or shuffles: results for the driver, counts, effects only, samples of keys. */
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "exec/chain.h"
#include "exec/sampler.h"
#include "shuffle/object.h"

/* ---- result: an object with one partition, inline if it is small; none at all where there are no records ---- */

typedef struct result_output {
    op base;
    const plan_output *spec;
    object_writer *writer; /* from the first record on */
    task_reply *reply;
    exec_result *result;
} result_output;

static int result_open(result_output *r, sdf_error **err)
{
    const task_request *q = r->base.env->request;
    object_ids ids = {q->context, q->stage, q->task, q->leg, q->attempt};
    return object_writer_open(&r->writer, r->base.env, &ids, 1, type_of(r->spec->key_type),
                              type_of(r->spec->value_type), q->inline_limit, err);
}

static int result_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    result_output *r = (result_output *)self;
    int rc = r->writer ? SDF_OK : result_open(r, err);
    return rc ? rc : object_writer_add(r->writer, 0, &batch->key, &batch->value, 0, batch->count, err);
}

static int result_finish(op *self, sdf_error **err)
{
    result_output *r = (result_output *)self;
    object_writer *writer = r->writer;
    uint64_t object_bytes = 0;
    shuffle_index index = {0};
    if (!writer)
        return SDF_OK;
    r->reply->records = object_writer_records(writer);
    r->writer = NULL; /* commit frees it, whatever comes of it */
    int rc = object_writer_commit(writer, &index, &r->result->inline_object, &object_bytes, err);
    if (rc)
        return rc;
    r->reply->fingerprint = index.fingerprint;
    shuffle_index_clear(&index);
    task_metrics *m = &self->env->metrics;
    m->records_out += r->reply->records;
    m->bytes_written += r->result->inline_object.size ? r->result->inline_object.size : object_bytes;
    r->reply->object_bytes = r->result->inline_object.size ? 0 : object_bytes;
    r->reply->result = buf_slice(&r->result->inline_object);
    return SDF_OK;
}

static void result_close(op *self)
{
    result_output *r = (result_output *)self;
    if (r->writer)
        object_writer_abort(r->writer);
    free(r);
}

int result_output_new(task_env *env, const plan_output *spec, task_reply *reply, exec_result *result, op **out,
                      sdf_error **err)
{
    result_output *r = calloc(1, sizeof *r);
    if (!r)
        return error_no_memory(err);
    r->base = (op){.push = result_push, .finish = result_finish, .close = result_close, .env = env};
    r->spec = spec;
    r->reply = reply;
    r->result = result;
    *out = &r->base;
    return SDF_OK;
}

/* ---- count, and effects only ---- */

typedef struct count_output {
    op base;
    task_reply *reply;
    uint64_t count;
} count_output;

static int count_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    ((count_output *)self)->count += batch->count;
    return SDF_OK;
}

static int count_finish(op *self, sdf_error **err)
{
    count_output *c = (count_output *)self;
    c->reply->records = c->count;
    c->reply->fingerprint = c->count;
    self->env->metrics.records_out += c->count;
    return SDF_OK;
}

static void count_close(op *self)
{
    free(self);
}

int count_output_new(task_env *env, task_reply *reply, op **out, sdf_error **err)
{
    count_output *c = calloc(1, sizeof *c);
    if (!c)
        return error_no_memory(err);
    c->base = (op){.push = count_push, .finish = count_finish, .close = count_close, .env = env};
    c->reply = reply;
    *out = &c->base;
    return SDF_OK;
}

/* ---- sample ---- */

#define SAMPLE_BYTES_LEAST (64u << 10) /* a reply has always room for so much */

typedef struct sample_output {
    op base;
    sampler *sampler;
    const scan_share *share;
    task_reply *reply;
    exec_result *result;
} sample_output;

static int sample_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    return sampler_add(((sample_output *)self)->sampler, &batch->key, batch->count, err);
}

/* The records that the whole input would have given, if the part that was read is like the rest. */
static uint64_t sample_weight(uint64_t seen, const scan_share *share)
{
    if (!share->total || !share->seen || share->seen >= share->total)
        return seen;
    return (uint64_t)((unsigned __int128)seen * share->total / share->seen);
}

static int sample_finish(op *self, sdf_error **err)
{
    sample_output *s = (sample_output *)self;
    uint64_t seen = sampler_seen(s->sampler), most = self->env->request->inline_limit;
    int rc = sampler_encode(s->sampler, sample_weight(seen, s->share),
                            most < SAMPLE_BYTES_LEAST ? SAMPLE_BYTES_LEAST : most, &s->result->samples, err);
    s->reply->samples = buf_slice(&s->result->samples);
    s->reply->records = seen;
    s->reply->fingerprint = hash_xxh3(s->result->samples.data, s->result->samples.size);
    return rc;
}

static void sample_close(op *self)
{
    sampler_free(((sample_output *)self)->sampler);
    free(self);
}

int sample_output_new(task_env *env, const plan_output *spec, const scan_share *share, task_reply *reply,
                      exec_result *result, op **out, sdf_error **err)
{
    sample_output *s = calloc(1, sizeof *s);
    if (!s)
        return error_no_memory(err);
    s->base = (op){.push = sample_push, .finish = sample_finish, .close = sample_close, .env = env};
    s->share = share;
    s->reply = reply;
    s->result = result;
    int rc = sampler_new(&s->sampler, env, spec->sample ? spec->sample : 1, err);
    if (rc) {
        free(s);
        return rc;
    }
    *out = &s->base;
    return SDF_OK;
}
