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
    NODE_FILES,
    NODE_RANGE,
    NODE_NARROW,    /* one operator, `op` */
    NODE_UNION,     /* any number of parents, one after another */
    NODE_COALESCE,  /* fewer tasks, no shuffle */
    NODE_INDEX,     /* zip_with_index */
    NODE_AGGREGATE, /* reduce_by_key, aggregate_by_key */
    NODE_COGROUP,   /* map_groups, group_by_key (1 parent), cogroup, joins, subtract, intersection */
    NODE_SORT,
    NODE_PARTITION,  /* by hash of the key */
    NODE_REPARTITION /* round robin */
} node_kind;

/* How a join is to be done. */
typedef enum node_join {
    JOIN_AUTO = 0,
    JOIN_PARTITIONED,
    JOIN_BROADCAST_LEFT, /* the left side is held as a table by every task: inner and right joins */
    JOIN_BROADCAST_RIGHT /* the right side: inner and left joins */
} node_join;

typedef struct node {
    node_kind kind;
    uint32_t id; /* unique within the context: the #n in labels */
    int refs;
    struct node **parents; /* referenced */
    uint32_t parent_count;
    char *label;                 /* "map#3 parse" */
    char *key_type, *value_type; /* canonical; "" if there is an error */
    sdf_error *error;            /* sticky; copies the first parent's that has one */
    plan_call call;              /* function (its full registered name) and argument, or none */
    plan_op_kind op;             /* NARROW: what the stage runs */
    struct expr *exprs[2];       /* FILTER_EXPR: [0]; MAP_EXPR: key, value; referenced */
    plan_errors errors;          /* NARROW, FILES */
    char *state_type;            /* AGGREGATE: of what is shuffled */
    plan_cogroup how;            /* COGROUP */
    node_join join;              /* COGROUP of a join */
    uint32_t partitions;         /* wide nodes, coalesce, range and parallelize; 0: default */
    bool descending;
    bool persist; /* computed once, kept for later jobs */
    char *uris;   /* FILES */
    plan_format format;
    uint64_t split_bytes;
    int64_t start, step; /* RANGE */
    uint64_t count;
    struct node *rows; /* the delimited or JSON FILES whose rows the values still are: `$name` in expressions; an
                        * ancestor, or the node itself. NULL: they are no rows */
    /* What the context has computed or prepared of it. 0: nothing */
    uint32_t *stages;   /* wide: per parent, the shuffle stage that feeds it (0 also where the parent is read in place);
                         * parallelize: [0], the driver-made object, set by the owner of the node */
    uint32_t *middles;  /* wide: per parent, the first level of a shuffle that has two (stages[i] is the second) */
    uint32_t aux_stage; /* sort: the stage that samples, alone or while it materialises. Index: that materialises */
    uint32_t cache_stage;     /* persist: that holds its records, forward */
    uint32_t cache_tasks;     /* partitions of cache_stage; of an index: of aux_stage (they are as many) */
    uint32_t made_partitions; /* wide: into how many it was planned; what is there later must agree with it */
    node_join made_join;      /* what an AUTO join was planned as: sizes of files change, stages that are there don't */
    buf data;                 /* PARALLELIZE: the object, until the driver has it */
    uint64_t data_records;
    uint64_t data_bytes;    /* of the object also when the driver has it, or about those of cache_stage; 0: not known */
    uint32_t slot;          /* of whoever walks the lineage (node_walk); 0 outside */
    struct node *next_dead; /* node_unref's */
} node;

/* What a node is made of; everything is copied. */
typedef struct node_spec {
    node_kind kind;
    uint32_t id;
    node *const *parents; /* each gets a reference */
    uint32_t parent_count;
    const char *operation; /* as the host knows it: "reduce_by_key" */
    const char *function;  /* of operators that call one; NULL: none */
    sdf_slice arg;
    plan_op_kind op; /* narrow */
    struct expr *exprs[2];
    const char *key_type, *value_type; /* parallelize (NULL: bytes), and operators whose types fit.c can't find */
    plan_cogroup how;
    node_join join;
    uint32_t partitions;
    bool descending;
    const char *uris;
    const plan_format *format;
    uint64_t split_bytes;
    int64_t start, step;
    uint64_t count;
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

/* From now on it carries n->error. SDF_E_NO_MEMORY: some of its types stay; the error counts. */
int node_become_error(node *n);
/* The policy for records that can't be made sense of. What has none of them (or was used already) gets an error. */
void node_set_errors(node *n, plan_errors policy);
/* Keep the records, or don't any longer: `drop` hears of the stage that held them. */
void node_set_persist(node *n, bool persist, void (*drop)(void *user, uint32_t stage), void *user);

/* All nodes that lead to target, and itself: each once, parents before children; order[i]->slot is i + 1 until
 * node_walk_end, which frees the array. One walk of a node at a time. SDF_E_NO_MEMORY: nothing to end. */
int node_walk(node *target, node ***order, uint32_t *count);
void node_walk_end(node **order, uint32_t count);
/* Stages that stand for nothing any more (their job failed half-way): nodes that lead to target forget them, to plan
 * them anew; `drop` hears of every stage forgotten, those that only went with them too. */
int node_forget(node *target, const uint32_t *stages, uint32_t count, void (*drop)(void *user, uint32_t stage),
                void *user);

/* It reads a shuffle: its parents end in a stage of their own. */
bool node_is_wide(const node *n);

/* ---- define.c ---- */
/* Checks what a source was given and fills it in. The error says what is wrong; node_new names the node. */
int node_define_source(node *n, const node_spec *spec, sdf_error **err);

/* ---- fit.c: operators with a function ---- */
/* Finds the types of any other node: checks the function it names (of the right kind? does it take the parents'
 * types?), its expressions or its parents' types, and fills in call, op, exprs, state_type, key_type, value_type and
 * rows. The error names the operator, both types and what would fit. */
int node_fit(node *n, const node_spec *spec, sdf_error **err);
/* ---- fit_types.c: operators without one ---- */
int fit_expressions(node *n, const node_spec *spec, sdf_error **err);
int fit_projection(node *n, const node_spec *spec, sdf_error **err);
int fit_parents(node *n, sdf_error **err); /* wide and several-parent nodes: their parents' types agree */
int fit_cogroup(node *n, sdf_error **err); /* the types that a cogroup without a function gives */
int fit_set(char **type, const char *text, sdf_error **err); /* checked: it may have grown too long */

#endif
