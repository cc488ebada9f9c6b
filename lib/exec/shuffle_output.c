/* Outputs of kind shuffle: choosing the way, opening and committing the object; and the way that holds nothing back. */
#include "exec/shuffle_output.h"

#include <stdlib.h>

#include "exec/blame.h"

#define SAMPLE_BYTES_MOST (256u << 10) /* of a task's sample in its reply */

int sink_open(shuffle_sink *s, task_env *env, const plan_output *spec, task_reply *reply, exec_result *result,
              sdf_error **err)
{
    const task_request *q = env->request;
    memset(s, 0, sizeof *s);
    s->env = env;
    s->spec = spec;
    s->reply = reply;
    s->result = result;
    s->key = type_of(spec->key_type);
    s->value = type_of(spec->value_type);
    s->partitions = spec->partitions;
    s->targets = spec->spread ? spec->spread : spec->partitions;
    if (!s->partitions || s->targets < s->partitions)
        return error_set(err, SDF_E_INTERNAL, "%u partitions stand for %u", s->partitions, s->targets);
    s->next = q->task % s->targets;
    if (spec->partitioner == PLAN_PARTITION_ROUND_ROBIN && spec->combine.function)
        return error_set(err, SDF_E_INTERNAL, "what is combined by key can't be dealt out in turn");
    if (spec->partitioner == PLAN_PARTITION_FORWARD && q->task >= spec->partitions)
        return error_set(err, SDF_E_INTERNAL, "task %u forwards to one of %u partitions", q->task, spec->partitions);
    object_ids ids = {q->context, q->stage, q->task, q->leg, q->attempt};
    int rc = SDF_OK;
    if (spec->partitioner == PLAN_PARTITION_RANGE)
        rc = splitters_open(s->key, q->splitters.data, q->splitters.size, spec->order == PLAN_ORDER_DESCENDING,
                            s->targets, &s->splitters, err);
    if (!rc && spec->sample)
        rc = sampler_new(&s->sampler, env, spec->sample, err);
    if (!rc)
        rc = object_writer_open(&s->writer, env, &ids, spec->partitions, s->key, s->value, 0, err);
    return rc;
}

void sink_close(shuffle_sink *s)
{
    object_writer_abort(s->writer);
    splitters_close(s->splitters);
    sampler_free(s->sampler);
    memset(s, 0, sizeof *s);
}

int sink_blame(const shuffle_sink *s, int rc, sdf_error **err)
{
    return blame(rc, s->spec->label, err);
}

bool sink_single(const shuffle_sink *s, uint32_t *partition)
{
    *partition = s->spec->partitioner == PLAN_PARTITION_FORWARD ? s->env->request->task : 0;
    return s->partitions == 1 || s->spec->partitioner == PLAN_PARTITION_FORWARD;
}

static int sink_reply(shuffle_sink *s, const shuffle_index *index, sdf_error **err)
{
    task_reply *r = s->reply;
    r->fingerprint = index->fingerprint;
    if (shuffle_index_encode(index, &s->result->index) != SDF_OK)
        return error_no_memory(err);
    r->index = buf_slice(&s->result->index);
    if (!s->sampler)
        return SDF_OK;
    int rc = sampler_encode(s->sampler, sampler_seen(s->sampler), SAMPLE_BYTES_MOST, &s->result->samples, err);
    r->samples = buf_slice(&s->result->samples);
    return rc;
}

int sink_commit(shuffle_sink *s, sdf_error **err)
{
    shuffle_index index = {0};
    uint64_t bytes = 0, records = object_writer_records(s->writer);
    object_writer *writer = s->writer;
    s->writer = NULL;
    int rc = object_writer_commit(writer, &index, NULL, &bytes, err);
    if (rc)
        return sink_blame(s, rc, err);
    s->reply->records = records;
    s->reply->object_bytes = bytes;
    rc = sink_reply(s, &index, err);
    shuffle_index_clear(&index);
    return sink_blame(s, rc, err);
}

/* ---- records that are written as they come ---- */

typedef struct stream_output {
    op base;
    shuffle_sink sink;
    uint32_t partition;
} stream_output;

static int stream_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    stream_output *o = (stream_output *)self;
    int rc = SDF_OK;
    if (o->sink.sampler)
        rc = sampler_add(o->sink.sampler, &batch->key, batch->count, err);
    if (!rc)
        rc = object_writer_add(o->sink.writer, o->partition, &batch->key, &batch->value, 0, batch->count, err);
    return sink_blame(&o->sink, rc, err);
}

static int stream_finish(op *self, sdf_error **err)
{
    return sink_commit(&((stream_output *)self)->sink, err);
}

static void stream_close_op(op *self)
{
    sink_close(&((stream_output *)self)->sink);
    free(self);
}

static int stream_new(shuffle_sink *sink, uint32_t partition, op **out, sdf_error **err)
{
    stream_output *o = calloc(1, sizeof *o);
    if (!o) {
        sink_close(sink);
        return error_no_memory(err);
    }
    o->base = (op){.push = stream_push, .finish = stream_finish, .close = stream_close_op, .env = sink->env};
    o->sink = *sink;
    o->partition = partition;
    *out = &o->base;
    return SDF_OK;
}

int shuffle_output_new(task_env *env, const plan_output *spec, task_reply *reply, exec_result *result, op **out,
                       sdf_error **err)
{
    shuffle_sink sink;
    uint32_t partition;
    int rc = sink_open(&sink, env, spec, reply, result, err);
    if (rc) {
        sink_blame(&sink, rc, err);
        sink_close(&sink);
        return rc;
    }
    if (spec->combine.function)
        return combine_new(&sink, out, err);
    /* f64 keys that are hashed to be grouped have to be made canonical, which a stream does not. */
    bool streams = sink_single(&sink, &partition) && spec->order == PLAN_ORDER_NONE &&
                   !(sink.key == TYPE_F64 && spec->partitioner == PLAN_PARTITION_HASH);
    return streams ? stream_new(&sink, partition, out, err) : sorter_new(&sink, out, err);
}
