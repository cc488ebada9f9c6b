/* Collections (handles) and transformations. Sources and sinks: sdf/io.h; actions and jobs: sdf/action.h.
 *
 * A transformation never fails on the spot: a handle that went wrong carries its error
 * and the action reports it, naming the operator. A NULL handle in gives NULL out, and
 * an action on NULL is SDF_E_INVALID. The context owns all handles. Strings, arguments and
 * options are copied.
 *
 * The element of a record: its value where the key is null, its key where the value is null, else the tuple(K,V) of
 * both.
 *
 * Ownership: handles are the context's. Errors: what the handle carries. Threads: as sdf_context_open says. Since: 0.1,
 * and 0.2 where it says so. */
#ifndef SDF_RDD_H
#define SDF_RDD_H

#include <sdf/context.h>
#include <sdf/expr.h>
#include <sdf/function.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sdf_rdd sdf_rdd;

/* Lets a handle go early; handles made from it stay good. NULL is fine. */
SDF_API void sdf_rdd_free(sdf_rdd *rdd);
/* Its types ("" if the handle carries an error). Ownership: the handle's. */
SDF_API const char *sdf_rdd_key_type(const sdf_rdd *rdd);
SDF_API const char *sdf_rdd_value_type(const sdf_rdd *rdd);
/* The error it carries, or NULL. Ownership: the handle's. */
SDF_API const sdf_error *sdf_rdd_error(const sdf_rdd *rdd);
/* A name for events, errors and explain. Returns rdd. */
SDF_API sdf_rdd *sdf_rdd_set_name(sdf_rdd *rdd, const char *name);

/* What becomes of a record that a source or operator can't make sense of: a field that is no number, a row with an
 * unclosed quote, or a map, flat_map or filter function that returns sdf_fail. Such records are always counted: metric
 * "record_errors", and accumulator "sdf.errors.OPERATOR", once however many read the collection in a job. Diverted ones
 * are written as JSON lines (source, offset, operator, reason, record) to the folder "_errors" in the output of the
 * job, so only a save can run them. */
typedef enum sdf_errors { SDF_ERRORS_FAIL = 0, SDF_ERRORS_SKIP = 1, SDF_ERRORS_DIVERT = 2 } sdf_errors;
/* Sets the policy of the source or operator that made this handle (default: fail), before anything is made from it or
 * run. What has no such records (a sort, a batch function) carries an error then. Returns rdd. Since: 0.2 */
SDF_API sdf_rdd *sdf_rdd_on_error(sdf_rdd *rdd, int errors);

/* ---- one record at a time; `arg` is copied and given to the function's open ---- */

/* Calls a map function for each record, which emits exactly one. */
SDF_API sdf_rdd *sdf_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
/* Calls a map function for each record, which emits any number. The library has "sdf.words", (word, 1) for each word of
 * a text (i64; words are parted by blanks, tabs and the like), and "sdf.split_words", (null, word). */
SDF_API sdf_rdd *sdf_flat_map(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
/* Keeps the records of which a filter function says 1. */
SDF_API sdf_rdd *sdf_filter(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
/* Calls a batch function for up to SDF_BATCH_MAX records at once, which emits any number. */
SDF_API sdf_rdd *sdf_map_batches(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
/* sdf_map and sdf_flat_map of which the key stays, whatever the function emits as key; so does the partitioning.
 * Since: 0.2 */
SDF_API sdf_rdd *sdf_map_values(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
SDF_API sdf_rdd *sdf_flat_map_values(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
/* Key: the key that a map function emits (its value is not looked at); value: the element. Since: 0.2 */
SDF_API sdf_rdd *sdf_key_by(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size);
/* (null, key) and (null, value) of each record. Since: 0.2 */
SDF_API sdf_rdd *sdf_only_keys(sdf_rdd *rdd);
SDF_API sdf_rdd *sdf_only_values(sdf_rdd *rdd);

/* Keeps the records of which the condition is true. Expressions (sdf/expr.h) need no function of the host. They are
 * borrowed; NULL or one that carries an error makes a handle that carries one. Since: 0.2 */
SDF_API sdf_rdd *sdf_filter_expr(sdf_rdd *rdd, const sdf_expr *condition);
/* Makes key and value of each record by expressions. NULL key: null; NULL value: null. A result of null is a record
 * error. Since: 0.2 */
SDF_API sdf_rdd *sdf_map_expr(sdf_rdd *rdd, const sdf_expr *key, const sdf_expr *value);
/* sdf_filter_expr and sdf_map_expr of text: sdf_where(rdd, "f64($tip_amount) > 10"),
 * sdf_select(rdd, "$id1", "i64($v1)"). Since: 0.2 */
SDF_API sdf_rdd *sdf_where(sdf_rdd *rdd, const char *condition);
SDF_API sdf_rdd *sdf_select(sdf_rdd *rdd, const char *key, const char *value);

/* About `fraction` of the records: each is taken with that chance (0 .. 1), or, with replacement, a Poisson number of
 * times (0 .. 1000). The same seed over the same partitions takes the same. Since: 0.2 */
SDF_API sdf_rdd *sdf_sample(sdf_rdd *rdd, double fraction, uint64_t seed, int with_replacement);

/* ---- partitions ---- */

/* Records of all, one after another: the partitions of the first, then of the second ... Types must be equal. Wherever
 * several handles are taken they must be of one context; none, or NULL among them, gives NULL. Since: 0.2 */
SDF_API sdf_rdd *sdf_union(sdf_rdd *const *rdds, size_t count);
/* Evenly over `partitions` (0: default), through a shuffle. Order is not kept. Since: 0.2 */
SDF_API sdf_rdd *sdf_repartition(sdf_rdd *rdd, uint32_t partitions);
/* At most `partitions` (> 0), by reading several where there was one; order is kept, nothing is shuffled. Since: 0.2 */
SDF_API sdf_rdd *sdf_coalesce(sdf_rdd *rdd, uint32_t partitions);
/* By the frozen hash of sdf/key.h. partitions 0: default; what is partitioned so already stays as it is. */
SDF_API sdf_rdd *sdf_partition_by(sdf_rdd *rdd, uint32_t partitions);
/* Key: the element; value (i64): its number in the order of partitions, from 0. Needs a stage of its own before it.
 * Since: 0.2 */
SDF_API sdf_rdd *sdf_zip_with_index(sdf_rdd *rdd);
/* The records are computed once, when first wanted, and kept in the store for later jobs, until sdf_unpersist or the
 * last handle goes. (What a shuffle has written is kept anyway.) Returns rdd. Since: 0.2 */
SDF_API sdf_rdd *sdf_persist(sdf_rdd *rdd);
/* Lets go of what sdf_persist keeps; jobs that were submitted before still have it. Returns rdd. Since: 0.2 */
SDF_API sdf_rdd *sdf_unpersist(sdf_rdd *rdd);

/* ---- by key; partitions 0: those of the parent if it is partitioned by key already, else the default. What is
 *      partitioned by key in as many partitions already is not shuffled again ---- */

/* Folds the values of each key into one; the combiner always runs on the map side.
 * `function`: a reduce function or an aggregator whose result has the value's type:
 * "sdf.sum" (i64, f64), "sdf.min", "sdf.max" (all but null), "sdf.first", "sdf.last" (all). */
SDF_API sdf_rdd *sdf_reduce_by_key(sdf_rdd *rdd, const char *function, uint32_t partitions);
/* The same by an aggregator whose result may be of another type: one of the host's, or any of docs/aggregators.md
 * ("sdf.count", "sdf.mean", "sdf.quantiles" ...). */
SDF_API sdf_rdd *sdf_aggregate_by_key(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                      uint32_t partitions);
/* Calls a group function for each key, values streamed; keys come in their order within a partition. */
SDF_API sdf_rdd *sdf_map_groups(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                                uint32_t partitions);
/* One record per key; its value is the tuple of all values (type "any"). Fails where one list passes the memory. */
SDF_API sdf_rdd *sdf_group_by_key(sdf_rdd *rdd, uint32_t partitions);
/* Each element once: (element as it was). Since: 0.2 */
SDF_API sdf_rdd *sdf_distinct(sdf_rdd *rdd, uint32_t partitions);
/* The elements that both have, each once. Since: 0.2 */
SDF_API sdf_rdd *sdf_intersection(sdf_rdd *left, sdf_rdd *right, uint32_t partitions);
/* The records whose key `other` does not have. Key types must be equal. Since: 0.2 */
SDF_API sdf_rdd *sdf_subtract_by_key(sdf_rdd *rdd, sdf_rdd *other, uint32_t partitions);
/* One record per key that any of them has; value: a tuple with the tuple of each one's values (type "any"). Fails where
 * the lists of one key pass the memory. Since: 0.2 */
SDF_API sdf_rdd *sdf_cogroup(sdf_rdd *const *rdds, size_t count, uint32_t partitions);
/* Calls a cogroup function for each key that any of them has, values streamed. Since: 0.2 */
SDF_API sdf_rdd *sdf_map_cogroups(sdf_rdd *const *rdds, size_t count, const char *function, const void *arg,
                                  size_t arg_size, uint32_t partitions);

typedef enum sdf_join_how { SDF_JOIN_INNER = 0, SDF_JOIN_LEFT = 1, SDF_JOIN_RIGHT = 2, SDF_JOIN_FULL = 3 } sdf_join_how;
typedef enum sdf_join_strategy {
    SDF_JOIN_AUTO = 0, /* a table where a side is known to be within the setting "broadcast_bytes" */
    SDF_JOIN_PARTITIONED = 1,
    SDF_JOIN_BROADCAST_LEFT = 2, /* every task holds the left side in memory: inner and right joins */
    SDF_JOIN_BROADCAST_RIGHT = 3 /* the right side: inner and left joins */
} sdf_join_strategy;
typedef struct sdf_join_options {
    size_t struct_size;
    uint32_t how;        /* an sdf_join_how */
    uint32_t strategy;   /* an sdf_join_strategy */
    uint32_t partitions; /* of a partitioned join */
} sdf_join_options;
/* Sets the defaults and struct_size. Since: 0.2 */
SDF_API void sdf_join_options_init(sdf_join_options *options);
/* A record for each pair of values of a key: value tuple(L,R); a side that may be missing is optional (null then).
 * Groups of any size: what does not fit the memory goes to scratch. Since: 0.2 */
SDF_API sdf_rdd *sdf_join(sdf_rdd *left, sdf_rdd *right, const sdf_join_options *options);

typedef struct sdf_sort_options {
    size_t struct_size;
    uint32_t partitions; /* 0: default */
    uint32_t descending; /* 0 or 1 */
} sdf_sort_options;
/* Sets the defaults and struct_size. */
SDF_API void sdf_sort_options_init(sdf_sort_options *options);
/* Global order by key: partition i before i+1, sorted within; stable by key, producer, position. */
SDF_API sdf_rdd *sdf_sort_by_key(sdf_rdd *rdd, const sdf_sort_options *options);
/* The records as they are, in the order of the key that a map function emits for each, or of an expression.
 * Since: 0.2 */
SDF_API sdf_rdd *sdf_sort_by(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size,
                             const sdf_sort_options *options);
SDF_API sdf_rdd *sdf_sort_by_expr(sdf_rdd *rdd, const sdf_expr *key, const sdf_sort_options *options);

/* ---- explain ---- */

/* What an action on rdd would run: stages, partitions, types, what is reused. Text for people,
 * or JSON (format "json"). Ownership: free with sdf_string_free. NULL and *err on error. */
SDF_API char *sdf_explain(sdf_rdd *rdd, const char *format, sdf_error **err);
/* Frees a text that the library made. NULL is fine. */
SDF_API void sdf_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
