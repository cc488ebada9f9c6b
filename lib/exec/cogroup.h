/* Sorted sources brought together by key: the heads of all sources, the key at hand, and each source's values of it as
 * a stream. What is made of them: cogroup_call.c, cogroup_kinds.c, join.c. */
#ifndef EXEC_COGROUP_H
#define EXEC_COGROUP_H

#include "exec/chain.h"
#include "exec/sorted_stream.h"

typedef struct cogroup cogroup;

/* A source, and to functions of the host its values of the key at hand. batch[at..end) are those that are at hand and
 * unread; behind `end` lie other keys, or, if `open`, perhaps more of this one in the next batch. */
struct sdf_values {
    cogroup *group;
    sorted_stream *stream;
    type_kind value;
    sdf_batch batch;
    size_t at, end;
    uint64_t prefix; /* of the head's key, batch[at], between two groups */
    bool open, ended;
    bool has; /* at least one value of the key at hand */
};

struct cogroup {
    task_env *env;
    const plan_input *in;
    op *first;
    type_kind kind; /* of the keys */
    bool decided;   /* equal prefixes are equal keys */
    sdf_values *sources;
    sdf_values **handles; /* one for each, as a function gets them */
    uint32_t count;
    uint8_t *key; /* a copy: the batches it came in go while its values are read */
    size_t key_size, key_capacity;
    uint64_t prefix;
    sdf_out *out;     /* NULL: what is emitted does not go through one */
    bool calling;     /* views that were emitted may point into batches that go: they are settled first */
    uint32_t pulled;  /* batches, to look at the lease now and then */
    int status;       /* not 0: pulling failed, and `error` says why */
    sdf_error *error; /* moved out at the end */
};

/* On to the next key, behind all unread values of the last one: SDF_OK, SDF_END or g->status. */
int cogroup_next(cogroup *g);
/* at < end now: SDF_OK; SDF_END: no more values; or g->status. What was at hand is gone. */
int cogroup_values(sdf_values *v);
static inline sdf_slice cogroup_key(const cogroup *g)
{
    return (sdf_slice){g->key, g->key_size};
}

/* Each goes through all keys and pushes what comes of them: SDF_OK, OP_STOP, or an error (in *err or g->error). */
int cogroup_call(cogroup *g, sdf_error **err);
int cogroup_lists(cogroup *g, sdf_error **err);
int cogroup_subtract(cogroup *g, sdf_error **err);
int cogroup_intersect(cogroup *g, sdf_error **err);
int cogroup_join(cogroup *g, sdf_error **err);

#endif
