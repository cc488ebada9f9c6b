/* Records in the order of their keys, pulled: of a sorted shuffle (sorted_runs.h) or of what a task has sorted itself
 * (local_sort.h). */
#ifndef EXEC_SORTED_STREAM_H
#define EXEC_SORTED_STREAM_H

#include "exec/op.h"

typedef struct sorted_stream sorted_stream;
struct sorted_stream {
    /* The next batch, not empty: SDF_OK, SDF_END or an error. It lives until the next call. */
    int (*next)(sorted_stream *self, sdf_batch *batch, sdf_error **err);
    void (*close)(sorted_stream *self);
};

static inline int sorted_stream_next(sorted_stream *s, sdf_batch *batch, sdf_error **err)
{
    return s->next(s, batch, err);
}
static inline void sorted_stream_close(sorted_stream *s) /* NULL is fine */
{
    if (s)
        s->close(s);
}

#endif
