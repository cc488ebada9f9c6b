/* Task requests and replies: small versioned binary. docs/formats.md says them byte by byte.
 * Decoded slices point into the bytes they came from; decoded strings and arrays belong to the struct. */
#ifndef SPEC_TASK_H
#define SPEC_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include <sdf/base.h>

#include "base/buf.h"

#define TASK_WIRE_VERSION 2
#define TASK_CUT_MAX      4096

typedef enum task_kind {
    TASK_RUN = 1,
    TASK_PROBE = 2 /* answered without a plan: waits probe_sleep_ms, returns probe_bytes bytes and echoes; for
                      conformance and warm-up */
} task_kind;

/* A consecutive part of a producer's object that holds blocks of one partition. */
typedef struct task_extent {
    uint32_t task, leg;
    uint64_t attempt;
    uint64_t offset, stored; /* in the object */
    uint64_t raw, records;
    uint32_t max_raw; /* raw bytes of its largest block */
} task_extent;

/* A part of an input file: lines or records that begin in [offset, offset+length) of its decompressed bytes. Of a
 * range input (path NULL): numbers offset .. offset+length-1. */
typedef struct task_split {
    char *path; /* a URI or path that sys/source.h opens */
    uint64_t offset, length; /* a compressed file is one split: 0, UINT64_MAX */
    uint64_t file_size;      /* stored bytes when planned: another size now is an error */
    int64_t file_mtime_ns;   /* 0: don't check */
    char *version;           /* the source's own tag of what was planned (an ETag); NULL or "": none */
    uint8_t codec;           /* a codec_kind */
} task_split;

/* The extents that one shuffle input, or one side, has to read. */
typedef struct task_leaf {
    uint32_t stage; /* that wrote them */
    task_extent *extents; /* in fold order (producer task, leg, run) */
    uint32_t extent_count;
} task_leaf;

/* A task reads its pieces one after another; each goes through the operators of its branch. */
typedef struct task_piece {
    uint32_t branch;
    uint32_t partition; /* of the shuffles that the branch reads; the split's number for files */
    uint64_t start;     /* index operator: the number of its first record */
    task_split split;   /* files, range */
    task_leaf *leaves;  /* one for each shuffle input of the branch, by plan_input.leaf */
    uint32_t leaf_count;
} task_piece;

/* The same as it is planned: which producers' extents it takes is known, the extents are not yet. */
typedef struct plan_piece {
    uint32_t branch, partition;
    uint32_t from, to; /* shuffle: only from the producing tasks [from, to); both 0: from all */
    task_split split;
} plan_piece;

/* The pieces of a stage's tasks: those of task t are pieces[first[t]] .. pieces[first[t+1]-1]. Both NULL: task t has
 * one piece, partition first_task + t of branch 0. */
typedef struct stage_pieces {
    plan_piece *pieces;
    uint32_t *first;
} stage_pieces;
void stage_pieces_clear(stage_pieces *p, uint32_t tasks);

typedef struct task_request {
    task_kind kind;
    uint64_t context; /* its objects are "sdf-%016x/..." */
    uint32_t job, stage, task, leg;
    uint64_t attempt;
    char plan_hash[33];    /* name of the plan: hash_hex128 of its bytes */
    sdf_slice plan_inline; /* the plan itself, or empty: read it from the store, or it is known already */
    char *store_uri;
    char *scratch_dir; /* "" : none */
    char *program_id;
    uint64_t memory;       /* byte budget of this task */
    uint32_t block_bytes;  /* raw size that shuffle blocks aim at */
    uint64_t inline_limit; /* a result or index up to so many bytes comes inline */
    int64_t lease_ms;      /* epoch ms after which this attempt must not write */
    int64_t cut_ms;        /* epoch ms after which a resumable task cuts; 0: never */
    uint64_t cut_records;  /* a resumable task cuts after so many input records; 0: never */
    sdf_slice cut_start;   /* where this leg begins; empty: at the start */
    sdf_slice cut_end;     /* a rerun leg ends exactly here; empty: at the end */
    char *output_token;    /* of the job's output, for sys/sink.h; "" : none */
    uint64_t limit;        /* records after which the task may stop (take); UINT64_MAX: none */
    sdf_slice splitters;   /* range partitioner: see shuffle/splitters.h */
    task_piece *pieces;    /* at least one */
    uint32_t piece_count;
    task_leaf *sides; /* as the stage's sides */
    uint32_t side_count;
    char *pieces_name;       /* the object that holds pieces and sides (task_pieces_encode); "": they are here */
    uint32_t probe_sleep_ms; /* probe */
    uint64_t probe_bytes;
    sdf_slice probe_echo;
} task_request;

int task_request_encode(const task_request *q, buf *out);
int task_request_decode(const void *data, size_t size, task_request *q, sdf_error **err);
void task_request_clear(task_request *q); /* frees what decode allocated */
/* Pieces and sides alone, for an object of their own; decode fills them into q, which has none. */
int task_pieces_encode(const task_request *q, buf *out);
int task_pieces_decode(const void *data, size_t size, task_request *q, sdf_error **err);

/* What a failed attempt was, for the scheduler. */
typedef enum failure_class {
    FAILURE_NONE = 0,
    FAILURE_TRANSIENT = 1, /* I/O and the like: try again */
    FAILURE_THROTTLED = 2, /* slow down; costs no retry */
    FAILURE_TIMEOUT = 3,
    FAILURE_MEMORY = 4,
    FAILURE_LOST = 5,     /* the worker died or never answered */
    FAILURE_USER = 6,     /* a host function returned an error */
    FAILURE_UPSTREAM = 7, /* an object this task reads is missing or corrupt */
    FAILURE_FATAL = 8     /* trying again can't help: bad plan, bad input, wrong program */
} failure_class;

/* Counters of one attempt; all are sums over a job but the peaks. */
typedef struct task_metrics {
    uint64_t records_in, bytes_read;     /* from sources */
    uint64_t records_out, bytes_written; /* to output files and results */
    uint64_t shuffle_records_in, shuffle_bytes_in;
    uint64_t shuffle_records_out, shuffle_bytes_out; /* stored bytes */
    uint64_t spilled_bytes, spills;
    uint64_t peak_memory; /* accounted, bytes */
    uint64_t peak_rss;    /* of the worker process, bytes; 0: not measured */
    uint64_t cpu_us, wall_us;
    uint64_t store_reads, store_writes, store_throttled;
    uint64_t record_errors; /* records skipped or diverted */
} task_metrics;
void task_metrics_add(task_metrics *sum, const task_metrics *one);

/* A named number that functions and record errors count up; names of the library's own begin with "sdf.". Summed over
 * committed attempts only. */
#define TASK_COUNTERS_MAX 256
#define TASK_COUNTER_NAME 127
typedef struct task_counter {
    char *name;
    int64_t value;
} task_counter;

typedef struct task_reply {
    task_kind kind;
    uint32_t job, stage, task, leg;
    uint64_t attempt;
    char program_id[33];
    failure_class failure;
    sdf_error *error;                      /* if failed; owned */
    uint32_t bad_stage, bad_task, bad_leg; /* FAILURE_UPSTREAM: whose object */
    uint64_t bad_attempt;
    task_metrics metrics;
    sdf_slice cut;         /* not empty: the task goes on from here in the next leg */
    uint64_t fingerprint;  /* of what was committed: equal data, equal number */
    uint64_t records;      /* that came out */
    uint64_t object_bytes; /* of the object written; 0: none */
    sdf_slice index;       /* shuffle index (shuffle/index.h), inline; or empty */
    char *index_name;      /* or the object that holds it; "" */
    sdf_slice result;      /* records inline: a whole shuffle object of one partition */
    sdf_slice samples;     /* sampled keys (shuffle/splitters.h) */
    char *file_temp;       /* FILE: the sink's ticket of what was written */
    char *file_final;      /* and its name in the output once published; "" if the output is that one file */
    uint64_t file_bytes;
    char *errors_temp; /* diverted records: the sink's ticket, or ""; published as errors_final */
    char *errors_final;
    uint64_t errors_bytes, errors_records;
    task_counter *counters; /* by name */
    uint32_t counter_count;
    sdf_slice probe; /* probe: the echo, then probe_bytes zeros */
} task_reply;

int task_reply_encode(const task_reply *r, buf *out);
int task_reply_decode(const void *data, size_t size, task_reply *r, sdf_error **err);
void task_reply_clear(task_reply *r);

/* Names of objects, all under "sdf-CONTEXT/". `name` has room for TASK_NAME_MAX. */
#define TASK_NAME_MAX 128
void task_name_prefix(char *name, uint64_t context);                      /* sdf-%016x/ */
void task_name_plan(char *name, uint64_t context, const char *plan_hash); /* .../plan/HASH */
void task_name_object(char *name, uint64_t context, uint32_t stage, uint32_t task, uint32_t leg,
                      uint64_t attempt); /* .../s3/t17.0.a42 */
void task_name_side(char *name, uint64_t context, uint32_t stage, uint32_t task, uint32_t leg, uint64_t attempt,
                    const char *what); /* .../s3/t17.0.a42.index */
void task_name_broadcast(char *name, uint64_t context, uint32_t id); /* .../b7 */

#endif
