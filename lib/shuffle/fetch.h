/* The stored bytes of extents, in order, as far as a window of charged memory reaches: near ranges read together,
 * several objects in one store call, extents larger than the window piece by piece. Not here: what the bytes mean
 * (run.c). */
#ifndef SHUFFLE_FETCH_H
#define SHUFFLE_FETCH_H

#include "shuffle/object.h"

/* Does all reads, as sdf_store_ops.read does; each has its own status. */
typedef int (*fetch_read_fn)(void *self, sdf_read *const *reads, size_t count, sdf_error **err);

typedef struct fetch_source {
    fetch_read_fn read;
    void *self;
    bool lends;    /* views cost no memory: no buffer is given, and ranges are read whole */
    bool upstream; /* shuffle objects of other tasks: named, headers checked, failures blamed on them */
    uint32_t gap;  /* bytes between two ranges of one object that are worth reading with them */
} fetch_source;

typedef struct fetch fetch;

/* The extents stay the caller's and must live as long. `window`: bytes to read at once; raised to what the largest
 * block needs. stage: of the producers. */
int fetch_open(fetch **f, task_env *env, const fetch_source *source, uint32_t stage, const task_extent *x,
               uint32_t count, uint64_t window, sdf_error **err);
void fetch_close(fetch *f);
/* What fetch_open charges beside the window. */
uint64_t fetch_overhead(uint32_t count);

/* The bytes of extent i from `at` on, at least `want` of them (at + want within the extent, want no more than a block
 * of max_raw can be). Valid until the next call. i and at never go back, but after fetch_forget. */
int fetch_get(fetch *f, uint32_t i, uint64_t at, uint64_t want, const uint8_t **data, sdf_error **err);
/* What is at hand is not trusted: the next fetch_get reads it again. */
void fetch_forget(fetch *f);

/* Annotates *err with the object of extent i and notes in env who is to be run again. Returns `code`. */
int fetch_blame(fetch *f, uint32_t i, int code, sdf_error **err);

/* The store of the task. */
fetch_source fetch_from_store(task_env *env);

#endif
