/* Runs over another source of bytes than the store (spills). */
#ifndef SHUFFLE_RUN_SOURCE_H
#define SHUFFLE_RUN_SOURCE_H

#include "shuffle/fetch.h"
#include "shuffle/run.h"

typedef struct object_bytes {
    const uint8_t *data;
    size_t extents_charged;
} object_bytes;

/* One extent, with a window such as one of many runs of a merge has. */
int run_open_source(run **r, task_env *env, const fetch_source *source, uint32_t stage, uint32_t partition,
                    const task_extent *x, type_kind key, type_kind value, sdf_error **err);

#endif
