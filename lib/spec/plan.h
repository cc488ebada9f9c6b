/* The plan document: the stages of a job, as JSON between driver and workers.
 * docs/formats.md says it field by field. Splits are not here (a task's request carries its own), so a plan's
 * size does not depend on its number of tasks. */
#ifndef SPEC_PLAN_H
#define SPEC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <sdf/base.h>

#include "base/buf.h"

#define PLAN_VERSION    1
#define PLAN_BYTES_MAX  (16u << 20)
#define PLAN_STAGES_MAX 4096
#define PLAN_OPS_MAX    1024       /* per stage */
#define PLAN_ARG_MAX    (1u << 20) /* bytes of an argument */
#define PLAN_TASKS_MAX  10000000u  /* of a stage */

typedef enum plan_input_kind {
    PLAN_INPUT_TEXT = 1, /* lines of a split */
    PLAN_INPUT_BINARY,   /* fixed-length records of a split */
    PLAN_INPUT_SHUFFLE   /* what a stage wrote for this partition */
} plan_input_kind;

/* How a shuffled partition is read. */
typedef enum plan_read {
    PLAN_READ_CONCAT = 1, /* producers in order, as they come */
    PLAN_READ_AGGREGATE,  /* states merged by key with `call`, then finished */
    PLAN_READ_MERGE,      /* sorted runs merged by key, stable */
    PLAN_READ_GROUP       /* merged, and `call` (a group function) for each key */
} plan_read;

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
    char *key_type, *value_type;      /* of the records that enter the operators (after aggregate or group) */
    uint64_t max_line;                /* text; 0: what memory holds */
    uint32_t record_bytes, key_bytes; /* binary */
    uint32_t source;                  /* shuffle: the producing stage */
    plan_read read;
    bool descending;                           /* merge */
    char *stored_key_type, *stored_value_type; /* shuffle: types in the object (value: state type for aggregate) */
    plan_call call;                            /* aggregate: reduce function or aggregator; group: group function */
} plan_input;

typedef enum plan_op_kind { PLAN_OP_MAP = 1, PLAN_OP_FLAT_MAP, PLAN_OP_FILTER, PLAN_OP_BATCH } plan_op_kind;

typedef struct plan_op {
    plan_op_kind kind;
    plan_call call;
    char *key_type, *value_type; /* that come out */
} plan_op;

typedef enum plan_output_kind {
    PLAN_OUTPUT_SHUFFLE = 1, /* a shuffle object */
    PLAN_OUTPUT_RESULT,      /* records for the driver, inline or in an object */
    PLAN_OUTPUT_COUNT,       /* only the number of records */
    PLAN_OUTPUT_NONE,        /* effects only; records dropped */
    PLAN_OUTPUT_FILE,        /* a part of an output folder */
    PLAN_OUTPUT_SAMPLE       /* only a sample of the keys */
} plan_output_kind;

typedef enum plan_partitioner {
    PLAN_PARTITION_HASH = 1, /* sdf_partition_hash of the key */
    PLAN_PARTITION_RANGE,    /* by splitters: a late-bound parameter in the request */
    PLAN_PARTITION_FORWARD   /* task i writes partition i (a materialised collection) */
} plan_partitioner;

typedef enum plan_order { PLAN_ORDER_NONE = 0, PLAN_ORDER_ASCENDING, PLAN_ORDER_DESCENDING } plan_order;
typedef enum plan_file_format { PLAN_FILE_TEXT = 1, PLAN_FILE_BINARY } plan_file_format;

typedef struct plan_output {
    plan_output_kind kind;
    char *label;
    char *key_type, *value_type;  /* as written (value: the state type under a combiner) */
    uint32_t partitions;          /* shuffle */
    plan_partitioner partitioner; /* shuffle */
    plan_order order;             /* shuffle: runs sorted by key within a partition */
    plan_call combine;            /* shuffle: aggregator or reduce function, or none */
    uint32_t sample;              /* keys to sample per task: SAMPLE, or a forward shuffle; 0: none */
    plan_file_format format;      /* file */
    char *uri;                    /* file: the output folder */
} plan_output;

typedef struct plan_stage {
    uint32_t id; /* unique within the context */
    char *label; /* "stage 2: reduce_by_key#4" */
    uint32_t tasks;
    uint32_t first_task; /* requests number the tasks first_task .. first_task+tasks-1 (a job may want only some
                          * partitions). The driver's business: the document has only their upper bound, as tasks */
    plan_input input;
    plan_op *ops;
    uint32_t op_count;
    plan_output output;
    uint32_t sampled_by; /* range: the stage whose samples give the splitters */
    bool resumable;      /* it may commit a cut and go on in another leg */
} plan_stage;

typedef struct plan {
    char *program_id;
    char *compression; /* of shuffle blocks: "lz4" or "none" */
    plan_stage *stages;
    uint32_t stage_count;
} plan;

plan *plan_new(void);
void plan_free(plan *p);
/* A new zeroed stage; valid until the next call. NULL: no memory. */
plan_stage *plan_add_stage(plan *p);
plan_op *plan_add_op(plan_stage *s);
const plan_stage *plan_find(const plan *p, uint32_t id);

/* JSON, canonical: equal plans give equal bytes. */
int plan_encode(const plan *p, buf *json, sdf_error **err);
/* Refuses what is too long, too deep, out of range or of another version; the error says where
 * ("stages[2].output.partitions"). */
int plan_decode(const void *json, size_t size, plan **p, sdf_error **err);

#endif
