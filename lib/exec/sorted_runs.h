/* Any number of sorted runs, extents of a shuffle or in scratch, made one sorted stream: where there are more than
 * memory can hold open, neighbours are merged into scratch first, pass by pass, so that the order of the runs, and with
 * it stability, is kept. */
#ifndef EXEC_SORTED_RUNS_H
#define EXEC_SORTED_RUNS_H

#include "exec/merge.h"
#include "exec/sorted_stream.h"

typedef struct sorted_spec {
    type_kind key, value;
    bool descending;
} sorted_spec;

/* A run in scratch. */
typedef struct scratch_run {
    spill_extent extent;
    uint32_t file;
} scratch_run;

typedef struct scratch_file {
    spill_file *file; /* NULL: still being written, or all of it is read */
    uint32_t unread;  /* its runs that nobody has merged yet */
} scratch_file;

typedef struct sorted_runs {
    task_env *env;
    sorted_spec spec;
    const task_leaf *leaf; /* NULL: all runs are in scratch */
    uint32_t partition;    /* of the leaf's extents */
    uint32_t *items;       /* runs in order: an extent of the leaf, or, from `extents` on, one in scratch */
    uint32_t count, capacity, extents;
    scratch_run *runs;
    uint32_t run_count, run_capacity;
    scratch_file *files;
    uint32_t file_count;
    spill_writer *writer; /* of the last file, while that is being written */
    uint64_t charged;
} sorted_runs;

/* leaf: its extents are the first runs; NULL: none. It stays the caller's. */
int sorted_runs_open(sorted_runs *s, task_env *env, sorted_spec spec, const task_leaf *leaf, uint32_t partition,
                     sdf_error **err);
void sorted_runs_close(sorted_runs *s); /* a zeroed one is fine */
/* The writer of the scratch file at hand; a new file if there is none. What is written up to sorted_runs_end_run is the
 * next run, behind all others. */
int sorted_runs_writer(sorted_runs *s, spill_writer **w, sdf_error **err);
int sorted_runs_end_run(sorted_runs *s, sdf_error **err);
int sorted_runs_end_file(sorted_runs *s, sdf_error **err); /* no file is open: nothing to do */
/* For passes: the bytes that item i takes while it is open; opens `count` of them merged; puts the run in scratch that
 * was ended last, made of items first.., in their place. */
uint64_t sorted_runs_cost(const sorted_runs *s, uint32_t i);
int sorted_runs_merge(sorted_runs *s, uint32_t first, uint32_t count, merge **m, sdf_error **err);
void sorted_runs_replace(sorted_runs *s, uint32_t first, uint32_t count);

/* ---- merge_passes.c ---- */
/* Passes until all runs can be open at once, and opens them. `share`: how many streams are still to be opened that will
 * be read together, this one among them; they share what memory is left, and leave as much to others. */
int sorted_runs_read(sorted_runs *s, uint32_t share, merge **m, sdf_error **err);
/* All extents of a leaf as a sorted stream. */
int sorted_input_open(sorted_stream **out, task_env *env, sorted_spec spec, const task_leaf *leaf, uint32_t partition,
                      uint32_t share, sdf_error **err);

#endif
