/* The lineage graph: one node per collection. Immutable once made; counted; a handle is a reference to a node. */
#ifndef PLAN_LINEAGE_H
#define PLAN_LINEAGE_H

#include <sdf/rdd.h>

#include "spec/plan.h"
#include "store/input.h"

typedef enum node_kind {
    NODE_PARALLELIZE,
    NODE_TEXT,
    NODE_BINARY,
    NODE_MAP,
    NODE_FLAT_MAP,
    NODE_FILTER,
    NODE_BATCH,
    NODE_AGGREGATE,   /* reduce_by_key, aggregate_by_key */
    NODE_MAP_GROUPS,
    NODE_SORT,
    NODE_PARTITION
} node_kind;

typedef struct node {
    node_kind kind;
    uint32_t id;            /* unique within the context: the #n in labels */
    int refs;
    struct node *parent;    /* NULL for sources */
    char *label;            /* "map#3 parse" */
    char *key_type, *value_type; /* canonical; "" if error */
    sdf_error *error;       /* sticky; owned; copies the parent's */
    plan_call call;         /* function and argument, or none */
    const char *state_type; /* AGGREGATE: of what is shuffled */
    uint32_t partitions;    /* wide and parallelize; 0: default */
    bool descending;
    char *uris;             /* TEXT, BINARY */
    uint64_t split_bytes, max_line;
    uint32_t record_bytes, key_bytes;
    /* what the context has computed or prepared of it */
    uint32_t stage;         /* the shuffle stage that feeds it (wide), or the driver-made object's (parallelize); 0: none */
    uint32_t aux_stages[2]; /* sort: the sampling (or materialising) stages; 0: none */
    buf data;               /* PARALLELIZE: encoded records; see plan/parallelize.c */
} node;

#endif
