/* A stage that writes a shuffle and one that reads it, task by task, through a store in memory: what the blocking
 * operators are tested with. Records are slices that the test owns. */
#ifndef TESTS_EXEC_EXCHANGE_H
#define TESTS_EXEC_EXCHANGE_H

#include "harness.h"

#include <sdf/key.h>

#include "base/wire.h"
#include "exec/chain.h"
#include "exec/exec.h"
#include "shuffle/object.h"

#define EXCHANGE_MAPS_MAX 1024
#define EXCHANGE_SLACK    (96u << 10) /* what the rooms below may overdraw when memory is short */

typedef struct exchange {
    store *store;
    plan plan;
    plan_stage writes, reads;
    plan_branch write_branch, read_branch;
    plan_branch source; /* of read_branch, when that groups */
    uint32_t maps;
    shuffle_index indexes[EXCHANGE_MAPS_MAX];
    uint64_t write_memory, read_memory;
    uint32_t block_bytes;
    const char *scratch;
    buf splitters;
    const plan_output *then; /* not NULL: readers write a shuffle again, within the same memory, and `to` is not used */
    uint64_t then_records;   /* in all */
    /* of the last task */
    uint64_t peak;
    task_metrics metrics;
    uint64_t fingerprint;
    exec_result result;
} exchange;

static inline void exchange_init(exchange *x, const char *key, const char *value, uint32_t partitions)
{
    sdf_error *err = NULL;
    memset(x, 0, sizeof *x);
    assert_int_equal(exec_register_builtins(&err), SDF_OK);
    assert_int_equal(store_open("mem:", &x->store, &err), SDF_OK);
    x->plan.compression = "none";
    x->write_memory = x->read_memory = 64u << 20;
    x->scratch = "/tmp";
    x->writes.id = 1;
    x->writes.branches = &x->write_branch;
    x->writes.branch_count = 1;
    x->write_branch.input.value_type = (char *)value;
    plan_output *out = &x->writes.output;
    *out = (plan_output){.kind = PLAN_OUTPUT_SHUFFLE,
                         .label = "write#1",
                         .key_type = (char *)key,
                         .value_type = (char *)value,
                         .partitions = partitions,
                         .partitioner = PLAN_PARTITION_HASH};
    x->reads.id = 2;
    x->reads.branches = &x->read_branch;
    x->reads.branch_count = 1;
    x->reads.output.kind = PLAN_OUTPUT_RESULT;
    plan_input *in = &x->read_branch.input;
    *in = (plan_input){.kind = PLAN_INPUT_SHUFFLE,
                       .label = "read#2",
                       .key_type = (char *)key,
                       .value_type = (char *)value,
                       .source = 1,
                       .read = PLAN_READ_CONCAT,
                       .stored_key_type = (char *)key,
                       .stored_value_type = (char *)value};
}

/* Folds by key with an aggregator or reduce function. */
static inline void exchange_aggregate(exchange *x, const char *name, const char *state, const char *result)
{
    plan_call c = {.function = (char *)name, .version = 1, .label = "aggregate#2"};
    x->writes.output.combine = c;
    x->writes.output.value_type = (char *)state;
    x->read_branch.input.call = c;
    x->read_branch.input.read = PLAN_READ_AGGREGATE;
    x->read_branch.input.stored_value_type = (char *)state;
    x->read_branch.input.value_type = (char *)result;
}

static inline void exchange_group(exchange *x, const char *name, const char *key, const char *value)
{
    x->writes.output.order = PLAN_ORDER_ASCENDING;
    x->source.input = x->read_branch.input;
    x->source.input.read = PLAN_READ_MERGE;
    x->read_branch.input = (plan_input){.kind = PLAN_INPUT_COGROUP,
                                        .label = "groups#3",
                                        .key_type = (char *)key,
                                        .value_type = (char *)value,
                                        .call = {.function = (char *)name, .version = 1, .label = "groups#3"},
                                        .how = PLAN_COGROUP_CALL,
                                        .sources = &x->source,
                                        .source_count = 1};
}

static inline void exchange_free(exchange *x)
{
    for (uint32_t i = 0; i < x->maps; i++)
        shuffle_index_clear(&x->indexes[i]);
    exec_result_free(&x->result);
    buf_free(&x->splitters);
    store_unref(x->store);
}

static inline int exchange_push_all(op *o, const sdf_slice *keys, const sdf_slice *values, size_t count,
                                    sdf_error **err)
{
    int rc = SDF_OK;
    for (size_t at = 0; at < count && !rc; at += SDF_BATCH_MAX) {
        sdf_batch batch = {.count = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX};
        column_set_slices(&batch.key, keys + at);
        column_set_slices(&batch.value, values + at);
        rc = op_push(o, &batch, err);
    }
    return rc ? rc : op_finish(o, err);
}

/* Runs the writing task `x->maps`. */
static inline int exchange_write(exchange *x, const sdf_slice *keys, const sdf_slice *values, size_t count,
                                 sdf_error **err)
{
    assert_true(x->maps < EXCHANGE_MAPS_MAX);
    task_request q = {.context = 7,
                      .stage = x->writes.id,
                      .task = x->maps,
                      .attempt = x->maps + 1,
                      .limit = UINT64_MAX,
                      .block_bytes = x->block_bytes,
                      .splitters = buf_slice(&x->splitters)};
    budget b;
    budget_init(&b, x->write_memory);
    task_env env = {.request = &q,
                    .plan = &x->plan,
                    .stage = &x->writes,
                    .budget = &b,
                    .store = x->store,
                    .scratch_dir = x->scratch,
                    .clock = &timebase_real};
    task_reply reply = {0};
    op *o = NULL;
    exec_result_free(&x->result);
    memset(&x->result, 0, sizeof x->result);
    int rc = shuffle_output_new(&env, &x->writes.output, &reply, &x->result, &o, err);
    if (!rc) {
        rc = exchange_push_all(o, keys, values, count, err);
        o->close(o);
    }
    x->peak = b.peak;
    x->metrics = env.metrics;
    x->fingerprint = reply.fingerprint;
    assert_int_equal(b.used, 0);
    assert_true(b.peak <= b.limit + EXCHANGE_SLACK);
    assert_null(b.spillers);
    if (!rc) {
        assert_int_equal(shuffle_index_decode(reply.index.data, reply.index.size, &x->indexes[x->maps], err), SDF_OK);
        x->maps++;
    }
    return rc;
}

/* What was written for a partition, producer by producer; the caller frees the extents. */
static inline task_leaf exchange_leaf(const exchange *x, uint32_t partition)
{
    size_t count = 0;
    for (uint32_t m = 0; m < x->maps; m++)
        count += x->indexes[m].count;
    task_leaf leaf = {x->writes.id, calloc(count + 1, sizeof(task_extent)), 0};
    for (uint32_t m = 0; m < x->maps; m++)
        for (uint32_t i = 0; i < x->indexes[m].count; i++) {
            const index_extent *e = &x->indexes[m].extents[i];
            if (e->partition == partition)
                leaf.extents[leaf.extent_count++] =
                    (task_extent){m, 0, m + 1, e->offset, e->stored, e->raw, e->records, e->max_raw};
        }
    return leaf;
}

static inline int exchange_input(task_env *env, const plan_input *in, op *to, sdf_error **err)
{
    int rc = in->kind == PLAN_INPUT_COGROUP ? cogroup_input_run(env, in, to, err) : shuffle_input_run(env, in, to, err);
    return rc == SDF_OK || rc == OP_STOP ? op_finish(to, err) : rc;
}

/* Runs the reading task of a partition into `to`. */
static inline int exchange_read(exchange *x, uint32_t partition, op *to, sdf_error **err)
{
    task_leaf leaf = exchange_leaf(x, partition);
    task_piece piece = {.partition = partition, .leaves = &leaf, .leaf_count = 1};
    task_request q = {.context = 7,
                      .stage = 2,
                      .task = partition,
                      .attempt = 5000 + partition,
                      .limit = UINT64_MAX,
                      .block_bytes = x->block_bytes,
                      .pieces = &piece,
                      .piece_count = 1};
    budget b;
    budget_init(&b, x->read_memory);
    task_env env = {.request = &q,
                    .plan = &x->plan,
                    .stage = &x->reads,
                    .budget = &b,
                    .store = x->store,
                    .scratch_dir = x->scratch,
                    .clock = &timebase_real,
                    .piece = &piece};
    task_reply reply = {0};
    exec_result result = {0};
    int rc = SDF_OK;
    if (x->then)
        rc = shuffle_output_new(&env, x->then, &reply, &result, &to, err);
    if (!rc) {
        to->env = &env;
        rc = exchange_input(&env, &x->read_branch.input, to, err);
    }
    if (x->then && to)
        to->close(to);
    x->then_records += reply.records;
    exec_result_free(&result);
    x->peak = b.peak;
    x->metrics = env.metrics;
    assert_int_equal(b.used, 0);
    assert_true(b.peak <= b.limit + EXCHANGE_SLACK);
    assert_null(b.spillers);
    free(leaf.extents);
    return rc;
}

/* ---- records that a test makes up, and those that came out ---- */

typedef struct table_of {
    sdf_slice *keys, *values;
    size_t count, capacity;
} table_of;

static inline sdf_slice slice_copy(const void *data, size_t size)
{
    uint8_t *p = malloc(size ? size : 1); /* exact, so that sanitizers see a read past the end */
    if (size)
        memcpy(p, data, size);
    return (sdf_slice){p, size};
}

static inline void table_add(table_of *t, sdf_slice key, sdf_slice value)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 64;
        t->keys = realloc(t->keys, t->capacity * sizeof *t->keys);
        t->values = realloc(t->values, t->capacity * sizeof *t->values);
    }
    t->keys[t->count] = slice_copy(key.data, key.size);
    t->values[t->count++] = slice_copy(value.data, value.size);
}

static inline void table_add_i64(table_of *t, sdf_slice key, int64_t value)
{
    table_add(t, key, (sdf_slice){&value, 8});
}

static inline void table_free(table_of *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free((void *)t->keys[i].data);
        free((void *)t->values[i].data);
    }
    free(t->keys);
    free(t->values);
    memset(t, 0, sizeof *t);
}

/* An operator that keeps all records. */
typedef struct keeper {
    op base;
    table_of table;
    size_t stop_after; /* 0: never */
    int finished;
} keeper;

static inline int keeper_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    keeper *k = (keeper *)self;
    assert_true(batch->count > 0 && batch->count <= SDF_BATCH_MAX);
    for (size_t i = 0; i < batch->count; i++)
        table_add(&k->table, column_get(&batch->key, i), column_get(&batch->value, i));
    return k->stop_after && k->table.count >= k->stop_after ? OP_STOP : SDF_OK;
}

static inline int keeper_finish(op *self, sdf_error **err)
{
    ((keeper *)self)->finished++;
    return SDF_OK;
}

static inline void keeper_init(keeper *k)
{
    memset(k, 0, sizeof *k);
    k->base = (op){.push = keeper_push, .finish = keeper_finish};
}

/* All partitions, one after another; ends[p] (may be NULL): records before the end of p. */
static inline void exchange_read_all(exchange *x, keeper *k, size_t *ends)
{
    for (uint32_t p = 0; p < x->writes.output.partitions; p++) {
        sdf_error *err = NULL;
        int rc = exchange_read(x, p, &k->base, &err);
        if (rc)
            print_error("%s\n", sdf_error_text(err));
        assert_int_equal(rc, SDF_OK);
        assert_null(err);
        if (ends)
            ends[p] = k->table.count;
    }
}

/* Splits a table over `maps` writing tasks, in order. */
static inline void exchange_write_all(exchange *x, const table_of *t, uint32_t maps)
{
    for (uint32_t m = 0; m < maps; m++) {
        sdf_error *err = NULL;
        size_t from = t->count * m / maps, to = t->count * (m + 1) / maps;
        int rc = exchange_write(x, t->keys + from, t->values + from, to - from, &err);
        if (rc)
            print_error("%s\n", sdf_error_text(err));
        assert_int_equal(rc, SDF_OK);
    }
}

/* ---- an oracle's order: a stable sort by a comparison ---- */

static inline int bytes_order(const sdf_slice *a, const sdf_slice *b)
{
    size_t n = a->size < b->size ? a->size : b->size;
    int d = n ? memcmp(a->data, b->data, n) : 0;
    return d ? d : (a->size > b->size) - (a->size < b->size);
}

typedef int (*order_fn)(const sdf_slice *a, const sdf_slice *b);

static inline void merge_sort_indexes(const sdf_slice *keys, size_t *index, size_t *spare, size_t n, order_fn order,
                                      int sign)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    merge_sort_indexes(keys, index, spare, half, order, sign);
    merge_sort_indexes(keys, index + half, spare, n - half, order, sign);
    while (i < half || j < n)
        spare[k++] =
            j == n || (i < half && sign * order(&keys[index[i]], &keys[index[j]]) <= 0) ? index[i++] : index[j++];
    memcpy(index, spare, n * sizeof *index);
}

/* Indexes of the records in sorted order; the caller frees them. */
static inline size_t *stable_order(const sdf_slice *keys, size_t n, order_fn order, bool descending)
{
    size_t *index = malloc((n + 1) * sizeof *index), *spare = malloc((n + 1) * sizeof *spare);
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    merge_sort_indexes(keys, index, spare, n, order, descending ? -1 : 1);
    free(spare);
    return index;
}

static inline void assert_slices_equal(sdf_slice a, sdf_slice b)
{
    assert_int_equal(a.size, b.size);
    if (a.size)
        assert_memory_equal(a.data, b.data, a.size);
}

/* ---- keys that are hard on tables and sorts ---- */

typedef enum key_style {
    KEYS_RANDOM, /* 0 .. 40 bytes, few different bytes */
    KEYS_SHORT,  /* 0 .. 3 bytes of 0 and 1: many duplicates, zero bytes at the end */
    KEYS_EDGES,  /* 6 .. 26 bytes, all of one letter or zeros: lengths about 8, 11, 12, 16 */
    KEYS_PREFIX, /* a common front of 30 bytes, then few */
    KEYS_EQUAL,
    KEYS_DISTINCT, /* decimal numbers */
    KEYS_CRAFTED,  /* 16 bytes, the second half of which zeroes a factor of the tables' hash */
    KEY_STYLES
} key_style;

static inline sdf_slice make_key(key_style style, size_t i, rng *r, uint8_t room[64])
{
    size_t size = 0;
    switch (style) {
    case KEYS_RANDOM:
        size = rng_below(r, 41);
        for (size_t k = 0; k < size; k++)
            room[k] = (uint8_t)(rng_below(r, 3) * 127);
        break;
    case KEYS_SHORT:
        size = rng_below(r, 4);
        for (size_t k = 0; k < size; k++)
            room[k] = (uint8_t)rng_below(r, 2);
        break;
    case KEYS_EDGES:
        size = 6 + rng_below(r, 21);
        memset(room, rng_below(r, 2) ? 'x' : 0, size);
        break;
    case KEYS_PREFIX:
        memset(room, 'p', 30);
        size = 30 + rng_below(r, 4);
        for (size_t k = 30; k < size; k++)
            room[k] = (uint8_t)rng_below(r, 256);
        break;
    case KEYS_EQUAL:
        size = 20;
        memset(room, 'e', size);
        break;
    case KEYS_DISTINCT:
        size = (size_t)snprintf((char *)room, 64, "%zu", i * 7919);
        break;
    default:
        size = 16;
        store_u64(room, i);
        store_u64(room + 8, UINT64_C(0xe7037ed1a0b428db));
    }
    return (sdf_slice){room, size};
}

/* An aggregator or a reduce function whose values come in and go out as `type`. */
static inline void register_fold(const char *name, const sdf_aggregator *a, sdf_reduce_fn reduce, const char *type)
{
    sdf_function f;
    sdf_error *err = NULL;
    sdf_function_init(&f);
    f.name = name;
    f.version = 1;
    f.in_value = f.out_value = type;
    f.aggregator = a;
    f.reduce = reduce;
    assert_int_equal(sdf_register(&f, &err), SDF_OK);
}

#endif
