/* The lineage graph: one node per collection, counted; a handle is a reference to a node. What a node computes
 * never changes; its label and the stages that stand for it do.
 *
 * Thread: none of its own; the context's lineage lock is held around every call. */
#ifndef PLAN_LINEAGE_H
#define PLAN_LINEAGE_H

#include <sdf/rdd.h>

#include "spec/plan.h"

typedef enum node_kind {
    NODE_PARALLELIZE,
    NODE_TEXT,
    NODE_BINARY,
    NODE_MAP,
    NODE_FLAT_MAP,
    NODE_FILTER,
    NODE_BATCH,
    NODE_AGGREGATE, /* reduce_by_key, aggregate_by_key, group_by_key */
    NODE_MAP_GROUPS,
    NODE_SORT,
    NODE_PARTITION
} node_kind;

typedef struct node {
    node_kind kind;
    uint32_t id; /* unique within the context: the #n in labels */
    int refs;
    struct node *parent;         /* referenced; NULL for sources */
    char *label;                 /* "map#3 parse" */
    char *key_type, *value_type; /* canonical; "" if there is an error */
    sdf_error *error;            /* sticky; copies the parent's */
    plan_call call;              /* function (its full registered name) and argument, or none */
    plan_op_kind op;             /* narrow nodes: what the stage runs */
    char *state_type;            /* AGGREGATE: of what is shuffled */
    uint32_t partitions;         /* wide nodes and parallelize; 0: default */
    bool descending;
    char *uris; /* TEXT, BINARY */
    uint64_t split_bytes, max_line;
    uint32_t record_bytes, key_bytes;
    /* What the context has computed or prepared of it. */
    uint32_t stage;     /* the shuffle stage that feeds it (wide), or the driver-made object's (parallelize); 0: none */
    uint32_t aux_stage; /* sort: the stage that samples, alone or while it materialises; 0: none */
    buf data;           /* PARALLELIZE: the object, until the driver has it */
} node;

/* What a node is made of; everything is copied. */
typedef struct node_spec {
    node_kind kind;
    uint32_t id;
    node *parent;          /* gets a reference */
    const char *operation; /* as the host knows it: "reduce_by_key" */
    const char *function;  /* map .. map_groups */
    sdf_slice arg;
    const char *key_type, *value_type; /* parallelize; NULL: bytes */
    uint32_t partitions;
    bool descending;
    const char *uris;
    uint64_t split_bytes, max_line;
    uint32_t record_bytes, key_bytes;
    const sdf_error *error; /* what is wrong already; NULL: nothing */
} node_spec;

/* What can't be meant becomes the node's error, not the call's. NULL: out of memory. */
node *node_new(const node_spec *spec);
node *node_ref(node *n);
/* At the last reference frees the node, and its parents as far as nothing else holds them; `drop` hears of each stage
 * that stood for one of them. drop may be NULL, n too. */
void node_unref(node *n, void (*drop)(void *user, uint32_t stage), void *user);
/* Puts `name` in the place of the function in the label; NULL or "" leaves only "map#3". SDF_E_NO_MEMORY: unchanged. */
int node_set_name(node *n, const char *name);

/* It reads a shuffle: its parents end in a stage of their own. */
bool node_is_wide(const node *n);
bool node_is_source(const node *n);

/* ---- fit.c ---- */
/* Finds the function that a node names, checks that it is of the right kind and takes the parent's types, and fills in
 * call, op, state_type, key_type and value_type. The error names the operator, both types and what would fit. */
int node_fit(node *n, const node_spec *spec, sdf_error **err);

#endif
