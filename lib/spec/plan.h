/* The plan document: the stages of a job, as JSON between driver and workers.
 * docs/formats.md says it field by field. Splits are not here (a task's request carries its own), so a plan's
 * size does not depend on its number of tasks. */
#ifndef SPEC_PLAN_H
#define SPEC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <sdf/base.h>

#include "base/buf.h"

#define PLAN_VERSION      2
#define PLAN_BYTES_MAX    (16u << 20)
#define PLAN_STAGES_MAX   4096
#define PLAN_OPS_MAX      1024       /* per branch */
#define PLAN_BRANCHES_MAX 65536      /* per stage */
#define PLAN_SOURCES_MAX  64         /* of a cogroup */
#define PLAN_NESTED_MAX   16         /* cogroups within cogroups */
#define PLAN_SIDES_MAX    64         /* per stage */
#define PLAN_ARG_MAX      (1u << 20) /* bytes of an argument */
#define PLAN_TASKS_MAX    10000000u  /* of a stage */

typedef enum plan_input_kind {
    PLAN_INPUT_FILES = 1, /* records of (parts of) files, in a format */
    PLAN_INPUT_RANGE,     /* numbers: value i64 = start + i * step, i counted by the piece's split */
    PLAN_INPUT_SHUFFLE,   /* what a stage wrote for the piece's partition */
    PLAN_INPUT_COGROUP    /* several sources, each sorted by key, brought together by key */
} plan_input_kind;

typedef enum plan_format_kind {
    PLAN_FORMAT_TEXT = 1,  /* lines: key null, value the line */
    PLAN_FORMAT_BINARY,    /* fixed-length records: key_bytes of key, the rest value */
    PLAN_FORMAT_WHOLE,     /* a file is a record: key its path, value its bytes */
    PLAN_FORMAT_DELIMITED, /* rows of delimited text: key null, value the row as it stands */
    PLAN_FORMAT_JSON       /* a JSON document per line: as text; sources check nothing of it, sinks write it */
} plan_format_kind;

/* How records lie in a file: of sources and of sinks. */
typedef struct plan_format {
    plan_format_kind kind;
    uint64_t max_record;              /* text, delimited, JSON: bytes of one; 0: what memory holds */
    uint32_t record_bytes, key_bytes; /* binary */
    uint8_t delimiter, quote, escape; /* delimited; quote 0: none; escape 0: a quote in quotes is doubled */
    bool multiline;                   /* delimited source: newlines in quotes belong to the field (one split a file) */
    bool header;                      /* delimited: the first row of each file is the header */
    char *columns;                    /* names, joined by '\n'; NULL: none. Delimited source with a header: what each
                                       * file's must be. Sinks: what to write as header, or as names of JSON fields */
} plan_format;

/* What becomes of a record that a source or operator can't make sense of. */
typedef enum plan_errors {
    PLAN_ERRORS_FAIL = 0, /* the task fails, saying which record */
    PLAN_ERRORS_SKIP,     /* it is left out and counted */
    PLAN_ERRORS_DIVERT    /* left out, counted, and written beside the output: source, offset, operator, reason, bytes */
} plan_errors;

/* How a shuffled partition is read. */
typedef enum plan_read {
    PLAN_READ_CONCAT = 1, /* producers in order, as they come */
    PLAN_READ_AGGREGATE,  /* states merged by key with `call`, then finished */
    PLAN_READ_MERGE       /* sorted runs merged by key, stable */
} plan_read;

/* What is made of the values that the sources have for one key. Joins give value tuple(L, R), a side that may be
 * missing as optional; order: by key, then left, then right position. */
typedef enum plan_cogroup {
    PLAN_COGROUP_CALL = 1, /* `call`: a group function (1 source) or a cogroup function */
    PLAN_COGROUP_LISTS,    /* one record: the tuple of each source's tuple of values (type any) */
    PLAN_COGROUP_INNER,    /* joins of 2 sources */
    PLAN_COGROUP_LEFT,
    PLAN_COGROUP_RIGHT,
    PLAN_COGROUP_FULL,
    PLAN_COGROUP_SUBTRACT, /* records of the first whose key no other has */
    PLAN_COGROUP_INTERSECT /* key, null: once for each key that all have */
} plan_cogroup;

/* A registered function and its argument, with the label that errors and events use ("map#3 parse"). */
typedef struct plan_call {
    char *function; /* NULL: none */
    uint32_t version;
    buf arg;
    char *label;
} plan_call;

typedef struct plan_input {
    plan_input_kind kind;
    char *label;
    char *key_type, *value_type; /* of the records that enter the operators (after aggregate or cogroup) */
    plan_format format;          /* files */
    plan_errors errors;          /* files */
    int64_t start, step;         /* range */
    uint32_t source;             /* shuffle: the producing stage */
    plan_read read;
    bool descending;                           /* merge */
    char *stored_key_type, *stored_value_type; /* shuffle: types in the object (value: state type for aggregate) */
    plan_call call;                            /* aggregate: reduce function or aggregator; cogroup: the function */
    plan_cogroup how;                          /* cogroup */
    struct plan_branch *sources;               /* cogroup. One that is a shuffle read by merge without operators is
                                                * sorted already; any other is sorted by the task itself */
    uint32_t source_count;
    uint32_t leaf; /* shuffle: its number among the shuffle inputs of its branch, depth first. Computed by
                    * plan_number_leaves, not in the document */
} plan_input;

typedef enum plan_op_kind {
    PLAN_OP_MAP = 1,
    PLAN_OP_FLAT_MAP,
    PLAN_OP_FILTER,
    PLAN_OP_BATCH,
    PLAN_OP_MAP_VALUES,      /* a map function; the record keeps its key, the key it emits is not looked at */
    PLAN_OP_FLAT_MAP_VALUES, /* the same of a flat_map */
    PLAN_OP_KEY_BY,          /* a map function gives the key; the value is the element */
    PLAN_OP_FILTER_EXPR,     /* arg: a bound expression (expr/expr.h) */
    PLAN_OP_MAP_EXPR,        /* arg: two, for key and value */
    PLAN_OP_PROJECT,         /* arg: one byte, a plan_project */
    PLAN_OP_SAMPLE,          /* arg: a plan_sample as text, "fraction seed replacement" */
    PLAN_OP_INDEX,           /* key: the element; value: its number, from the piece's `start` */
    PLAN_OP_FOLD,            /* aggregate in place, where all records of a key are in one task already */
    PLAN_OP_LOOKUP           /* join with a side held as a table: each task's own; `how` INNER or LEFT */
} plan_op_kind;

/* The element of a record is its value where the key is null, its key where the value is null, else tuple(K,V). */
typedef enum plan_project {
    PLAN_PROJECT_VALUE = 1, /* null, value */
    PLAN_PROJECT_KEY,       /* null, key */
    PLAN_PROJECT_KEY_ONLY,  /* key, null */
    PLAN_PROJECT_SWAP,      /* value, key */
    PLAN_PROJECT_ELEMENT,   /* element, null */
    PLAN_PROJECT_UNELEMENT, /* the record whose element the key is (the types that come out say of which kind) */
    PLAN_PROJECT_UNVALUE,   /* the same where the value is the element */
    PLAN_PROJECT_SWAP_SIDES /* of a tuple(A,B) value: tuple(B,A) */
} plan_project;

typedef struct plan_op {
    plan_op_kind kind;
    plan_call call;
    char *key_type, *value_type; /* that come out */
    plan_errors errors;
    uint32_t side;    /* lookup: number in the stage's sides */
    plan_cogroup how; /* lookup */
} plan_op;

/* An input and the operators behind it. A stage has one or (a union) several; each ends in the stage's output. */
typedef struct plan_branch {
    plan_input input;
    plan_op *ops;
    uint32_t op_count;
    uint32_t leaves; /* shuffle inputs in it; computed */
} plan_branch;

/* What every task of a stage reads whole, besides its pieces: partition 0 of a stage. */
typedef struct plan_side {
    uint32_t source;
    char *label;
    char *key_type, *value_type;
} plan_side;

typedef enum plan_output_kind {
    PLAN_OUTPUT_SHUFFLE = 1, /* a shuffle object */
    PLAN_OUTPUT_RESULT,      /* records for the driver, inline or in an object */
    PLAN_OUTPUT_COUNT,       /* only the number of records */
    PLAN_OUTPUT_NONE,        /* effects only; records dropped */
    PLAN_OUTPUT_FILE,        /* a part of an output folder, or the one file */
    PLAN_OUTPUT_SAMPLE       /* only a sample of the keys */
} plan_output_kind;

typedef enum plan_partitioner {
    PLAN_PARTITION_HASH = 1,   /* sdf_partition_hash of the key */
    PLAN_PARTITION_RANGE,      /* by splitters: a late-bound parameter in the request */
    PLAN_PARTITION_FORWARD,    /* task i writes partition i (a materialised collection) */
    PLAN_PARTITION_ROUND_ROBIN /* record j of task i: partition (i + j) % partitions */
} plan_partitioner;

typedef enum plan_order { PLAN_ORDER_NONE = 0, PLAN_ORDER_ASCENDING, PLAN_ORDER_DESCENDING } plan_order;

typedef struct plan_output {
    plan_output_kind kind;
    char *label;
    char *key_type, *value_type;  /* as written (value: the state type under a combiner) */
    uint32_t partitions;          /* shuffle */
    uint32_t spread;              /* shuffle, first of two levels: partition p stands for the partitions
                                   * [p * spread / partitions, ...) of `spread` that the second level writes: a record
                                   * goes to (its partition of spread) * partitions / spread. 0: one level */
    plan_partitioner partitioner; /* shuffle */
    plan_order order;             /* shuffle: runs sorted by key within a partition */
    plan_call combine;            /* shuffle: aggregator or reduce function, or none */
    bool merging;                 /* shuffle with combine: the records are states already (second level) */
    uint32_t sample;              /* keys to sample per task: SAMPLE, or a forward shuffle; 0: none */
    plan_format format;           /* file */
    uint8_t codec;                /* file: a codec_kind */
    bool single;                  /* file: uri is the file itself, written by the stage's one task */
    char *uri;                    /* file: the output folder, or the file */
} plan_output;

typedef struct plan_stage {
    uint32_t id; /* unique within the context */
    char *label; /* "stage 2: reduce_by_key#4" */
    uint32_t tasks;
    uint32_t first_task; /* requests number the tasks first_task .. first_task+tasks-1 (a job may want only some
                          * partitions). The driver's business: the document has only their upper bound, as tasks */
    plan_branch *branches;
    uint32_t branch_count;
    plan_side *sides;
    uint32_t side_count;
    plan_output output;
    uint32_t bound_by; /* stage that gives this one's parameter, 0: none. Range output: splitters from its samples;
                        * an index operator: the number of records before each partition */
    bool resumable;    /* it may commit a cut and go on in another leg */
} plan_stage;

/* A value that every task may read by name. */
typedef struct plan_broadcast {
    char *name;
    uint32_t id; /* names its object, which is its bytes alone: task_name_broadcast */
    uint64_t bytes;
    uint64_t digest; /* XXH3-64 of them */
} plan_broadcast;

typedef struct plan {
    char *program_id;
    char *compression; /* of shuffle blocks: "lz4" or "none" */
    char *errors_uri;  /* output folder where diverted records go, "_errors" in it; NULL: no operator diverts */
    plan_stage *stages;
    uint32_t stage_count;
    plan_broadcast *broadcasts;
    uint32_t broadcast_count;
} plan;

plan *plan_new(void);
void plan_free(plan *p);
/* A new zeroed stage; valid until the next call. NULL: no memory. */
plan_stage *plan_add_stage(plan *p);
plan_branch *plan_add_branch(plan_stage *s);
plan_op *plan_add_op(plan_branch *b);
plan_branch *plan_add_source(plan_input *cogroup);
plan_side *plan_add_side(plan_stage *s);
plan_broadcast *plan_add_broadcast(plan *p);
/* Deep copies; `to` is zeroed before. On failure it may be half filled in: release it. */
int plan_copy_branch(plan_branch *to, const plan_branch *from);
int plan_copy_format(plan_format *to, const plan_format *from);
int plan_copy_call(plan_call *to, const plan_call *from);
void plan_release_branch(plan_branch *b); /* what it points to */
/* Sets leaf and leaves in a branch, depth first; plan_decode has done so. */
void plan_number_leaves(plan_branch *b);
/* The shuffle input of that number in the branch, NULL: there is none. */
const plan_input *plan_leaf(const plan_branch *b, uint32_t leaf);
bool plan_has_op(const plan_stage *s, plan_op_kind kind); /* in any branch, sources of cogroups included */
const plan_stage *plan_find(const plan *p, uint32_t id);

/* JSON, canonical: equal plans give equal bytes. */
int plan_encode(const plan *p, buf *json, sdf_error **err);
/* Refuses what is too long, too deep, out of range or of another version; the error says where
 * ("stages[2].output.partitions"). */
int plan_decode(const void *json, size_t size, plan **p, sdf_error **err);

#endif
