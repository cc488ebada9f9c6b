/* What the outputs that write a shuffle object share: the object, where a key goes, and the reply at the end.
 * The ways of holding records back before they are written are combine.c and sorter.c. */
#ifndef EXEC_SHUFFLE_OUTPUT_H
#define EXEC_SHUFFLE_OUTPUT_H

#include <sdf/key.h>

#include "base/hash.h"
#include "exec/op.h"
#include "exec/sampler.h"
#include "shuffle/object.h"
#include "shuffle/splitters.h"

typedef struct shuffle_sink {
    task_env *env;
    const plan_output *spec;
    task_reply *reply;
    exec_result *result;
    object_writer *writer;
    splitters *splitters; /* range */
    sampler *sampler;     /* NULL: no sample is wanted */
    type_kind key, value;
    uint32_t partitions; /* of the object */
    uint32_t targets;    /* that keys are divided among: partitions, or more of them where a second level follows */
    uint32_t next;       /* round robin: the target of the next record */
} shuffle_sink;

int sink_open(shuffle_sink *s, task_env *env, const plan_output *spec, task_reply *reply, exec_result *result,
              sdf_error **err);
/* Commits the object and fills in the reply. */
int sink_commit(shuffle_sink *s, sdf_error **err);
void sink_close(shuffle_sink *s); /* drops what was not committed; a zeroed one is fine */
/* The label of the output on an error that has none yet. */
int sink_blame(const shuffle_sink *s, int rc, sdf_error **err);

/* The partition written for one of `spread` (of one level: for itself). */
static inline uint32_t sink_fold(const shuffle_sink *s, uint32_t partition)
{
    return s->partitions == s->targets ? partition : (uint32_t)((uint64_t)partition * s->partitions / s->targets);
}
/* Where a key goes; not for round robin. An f64 key must be canonical already: then the frozen hash is XXH3 of its
 * bytes, as for other keys. */
static inline uint32_t sink_partition(const shuffle_sink *s, const sdf_slice *key)
{
    if (s->splitters)
        return sink_fold(s, splitters_find(s->splitters, key));
    if (s->spec->partitioner == PLAN_PARTITION_FORWARD)
        return s->env->request->task;
    return s->partitions > 1 ? sink_fold(s, sdf_partition_of(hash_xxh3(key->data, key->size), s->targets)) : 0;
}
/* Where the next record goes whose key does not matter. */
static inline uint32_t sink_next(shuffle_sink *s)
{
    uint32_t target = s->next;
    s->next = target + 1 == s->targets ? 0 : target + 1;
    return sink_fold(s, target);
}
/* Whether all records of the task go to one partition, *partition. */
bool sink_single(const shuffle_sink *s, uint32_t *partition);

/* Each takes over the opened sink, on failure too. */
int combine_new(shuffle_sink *sink, op **out, sdf_error **err);
int sorter_new(shuffle_sink *sink, op **out, sdf_error **err);

#endif
