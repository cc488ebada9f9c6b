/* How fast the blocking operators are: words combined and merged, records sorted and merged, rows joined, through a
 * store in memory. Prints one JSON line per case. micro_exec [MILLIONS_OF_WORDS] [MILLIONS_OF_RECORDS] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/timebase.h"
#include "base/wire.h"
#include "exec/chain.h"
#include "shuffle/object.h"
#include "shuffle/splitters.h"

#define VOCABULARY  1000000
#define WORD_MAX    16
#define PARTITIONS  32
#define SPLIT_BYTES (64u << 20)
#define MEMORY      (128u << 20)
#define TASKS_MAX   64

typedef struct bench {
    store *store;
    plan plan;
    plan_stage writes, reads;
    plan_branch write_branch, read_branch;
    buf splitters;
    shuffle_index indexes[TASKS_MAX];
    uint32_t tasks;
    double write_s, read_s;
    uint64_t in, shuffled, out;
} bench;

static void check(int rc, sdf_error **err)
{
    if (!rc)
        return;
    fprintf(stderr, "micro_exec: %s\n", sdf_error_text(err ? *err : NULL));
    exit(1);
}

/* Of this thread on a processor, so that what else runs on the machine counts little. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int count_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    (void)err;
    ((bench *)self->next)->out += batch->count;
    return SDF_OK;
}
static int count_finish(op *self, sdf_error **err)
{
    (void)self;
    (void)err;
    return SDF_OK;
}

static void bench_init(bench *b, store *s, uint32_t stage, const char *key, const char *value)
{
    memset(b, 0, sizeof *b);
    b->store = s;
    b->plan.compression = (char *)"none";
    b->writes.id = stage;
    b->writes.branches = &b->write_branch;
    b->reads.branches = &b->read_branch;
    b->writes.branch_count = b->reads.branch_count = 1;
    b->write_branch.input.value_type = (char *)value;
    b->writes.output = (plan_output){.kind = PLAN_OUTPUT_SHUFFLE,
                                     .label = (char *)"write",
                                     .key_type = (char *)key,
                                     .value_type = (char *)value,
                                     .partitions = PARTITIONS,
                                     .partitioner = PLAN_PARTITION_HASH};
    b->read_branch.input = (plan_input){.kind = PLAN_INPUT_SHUFFLE,
                                        .label = (char *)"read",
                                        .key_type = (char *)key,
                                        .value_type = (char *)value,
                                        .source = stage,
                                        .stored_key_type = (char *)key,
                                        .stored_value_type = (char *)value};
}

static void bench_free(bench *b)
{
    for (uint32_t i = 0; i < b->tasks; i++)
        shuffle_index_clear(&b->indexes[i]);
    buf_free(&b->splitters);
}

typedef void (*feed_fn)(op *o, const void *data, size_t first, size_t count, bench *b);

/* One writing task over records first.. of `data`. */
static void write_task(bench *b, feed_fn feed, const void *data, size_t first, size_t count)
{
    sdf_error *err = NULL;
    budget memory;
    budget_init(&memory, MEMORY);
    task_request q = {.context = 1,
                      .stage = b->writes.id,
                      .task = b->tasks,
                      .attempt = 1,
                      .limit = UINT64_MAX,
                      .splitters = buf_slice(&b->splitters)};
    task_env env = {.request = &q, .plan = &b->plan, .stage = &b->writes, .budget = &memory, .store = b->store};
    task_reply reply = {0};
    exec_result result = {0};
    op *o;
    double start = seconds();
    check(shuffle_output_new(&env, &b->writes.output, &reply, &result, &o, &err), &err);
    feed(o, data, first, count, b);
    check(op_finish(o, &err), &err);
    o->close(o);
    b->write_s += seconds() - start;
    b->in += count;
    b->shuffled += reply.records;
    check(shuffle_index_decode(reply.index.data, reply.index.size, &b->indexes[b->tasks++], &err), &err);
    exec_result_free(&result);
}

/* What was written for a partition; the caller frees the extents. */
static task_leaf leaf_of(const bench *b, uint32_t partition)
{
    size_t count = 0;
    for (uint32_t t = 0; t < b->tasks; t++)
        count += b->indexes[t].count;
    task_leaf leaf = {b->writes.id, calloc(count + 1, sizeof(task_extent)), 0};
    for (uint32_t t = 0; leaf.extents && t < b->tasks; t++)
        for (uint32_t i = 0; i < b->indexes[t].count; i++) {
            const index_extent *e = &b->indexes[t].extents[i];
            if (e->partition == partition)
                leaf.extents[leaf.extent_count++] =
                    (task_extent){t, 0, 1, e->offset, e->stored, e->raw, e->records, e->max_raw};
        }
    return leaf;
}

/* One reading task over one leaf, or over two that are joined. */
static void read_task(bench *b, task_leaf *leaves, uint32_t count, uint32_t partition)
{
    sdf_error *err = NULL;
    budget memory;
    budget_init(&memory, MEMORY);
    task_piece piece = {.partition = partition, .leaves = leaves, .leaf_count = count};
    task_request q = {.context = 1, .stage = 9, .task = partition, .attempt = 1, .pieces = &piece, .piece_count = 1};
    task_env env = {
        .request = &q, .plan = &b->plan, .stage = &b->reads, .budget = &memory, .store = b->store, .piece = &piece};
    op counter = {.push = count_push, .finish = count_finish, .next = (op *)b, .env = &env};
    const plan_input *in = &b->read_branch.input;
    double start = seconds();
    check(in->kind == PLAN_INPUT_COGROUP ? cogroup_input_run(&env, in, &counter, &err)
                                         : shuffle_input_run(&env, in, &counter, &err),
          &err);
    b->read_s += seconds() - start;
    for (uint32_t i = 0; i < count; i++)
        free(leaves[i].extents);
}

static void read_tasks(bench *b)
{
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        task_leaf leaf = leaf_of(b, p);
        read_task(b, &leaf, 1, p);
    }
}

/* ---- words ---- */

static void feed_words(op *o, const void *data, size_t first, size_t count, bench *b)
{
    static const int64_t one = 1;
    const sdf_slice *words = data;
    sdf_error *err = NULL;
    sdf_batch batch;
    (void)b;
    column_set_const(&batch.value, &one, 8);
    for (size_t at = 0; at < count; at += SDF_BATCH_MAX) {
        batch.count = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX;
        column_set_slices(&batch.key, words + first + at);
        check(op_push(o, &batch, &err), &err);
    }
}

static sdf_slice *make_words(size_t count, char **text)
{
    rng r = {42};
    char(*vocabulary)[WORD_MAX] = calloc(VOCABULARY, WORD_MAX);
    sdf_slice *words = malloc(count * sizeof *words);
    char *at = *text = malloc(count * 12 + 16);
    if (!vocabulary || !words || !at)
        exit(1);
    for (int i = 0; i < VOCABULARY; i++) {
        int length = i < 200 ? 2 + (int)rng_below(&r, 4) : 3 + (int)rng_below(&r, 9);
        for (int j = 0; j < length; j++)
            vocabulary[i][j] = (char)('a' + rng_below(&r, 26));
    }
    for (size_t i = 0; i < count; i++) {
        int rank = (int)exp(rng_unit(&r) * log(VOCABULARY)) - 1;
        const char *word = vocabulary[rank < VOCABULARY ? rank : VOCABULARY - 1];
        words[i] = (sdf_slice){at, strlen(word)};
        memcpy(at, word, words[i].size);
        at += words[i].size + 1;
    }
    free(vocabulary);
    return words;
}

static void bench_words(store *s, size_t count)
{
    bench b;
    char *text;
    sdf_slice *words = make_words(count, &text);
    bench_init(&b, s, 1, "bytes", "i64");
    b.writes.output.combine = b.read_branch.input.call = (plan_call){.function = (char *)"sdf.sum.i64", .version = 1};
    b.read_branch.input.read = PLAN_READ_AGGREGATE;
    size_t per_task = SPLIT_BYTES * 2 / 13; /* words of a split: 6.5 bytes each with the blank */
    for (size_t at = 0; at < count; at += per_task)
        write_task(&b, feed_words, words, at, count - at < per_task ? count - at : per_task);
    read_tasks(&b);
    printf("{\"case\":\"words\",\"records\":%zu,\"shuffled\":%llu,\"keys\":%llu,\"combine_ns\":%.2f,\"merge_ns\":%.2f,"
           "\"total_s\":%.3f}\n",
           count, (unsigned long long)b.shuffled, (unsigned long long)b.out, b.write_s * 1e9 / (double)count,
           b.read_s * 1e9 / (double)b.shuffled, b.write_s + b.read_s);
    bench_free(&b);
    store_unref(s);
    free(words);
    free(text);
}

/* ---- records of 100 bytes, the first 10 their key ---- */

static void feed_records(op *o, const void *data, size_t first, size_t count, bench *b)
{
    const uint8_t *records = data;
    sdf_slice keys[SDF_BATCH_MAX], values[SDF_BATCH_MAX];
    sdf_error *err = NULL;
    sdf_batch batch;
    (void)b;
    for (size_t at = 0; at < count; at += batch.count) {
        batch.count = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX;
        for (size_t i = 0; i < batch.count; i++) {
            const uint8_t *record = records + (first + at + i) * 100;
            keys[i] = (sdf_slice){record, 10};
            values[i] = (sdf_slice){record + 10, 90};
        }
        column_set_slices(&batch.key, keys);
        column_set_slices(&batch.value, values);
        check(op_push(o, &batch, &err), &err);
    }
}

static void make_splitters(bench *b, const uint8_t *records, size_t count)
{
    sdf_slice keys[2000], sample;
    buf encoded = BUF_EMPTY;
    sdf_error *err = NULL;
    rng r = {1};
    for (size_t i = 0; i < 2000; i++)
        keys[i] = (sdf_slice){records + rng_below(&r, count) * 100, 10};
    check(samples_encode(keys, 2000, count, &encoded), NULL);
    sample = buf_slice(&encoded);
    check(splitters_make(TYPE_BYTES, &sample, 1, PARTITIONS, &b->splitters, &err), &err);
    buf_free(&encoded);
}

static void bench_sort(store *s, const char *name, size_t count, bool sorted)
{
    bench b;
    rng r = {7};
    uint8_t *records = malloc(count * 100);
    if (!records)
        exit(1);
    memset(records, '.', count * 100);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0, n = i; k < 10 && sorted; k++, n /= 10)
            records[i * 100 + 9 - k] = (uint8_t)('0' + n % 10);
        for (size_t k = 0; k < 10 && !sorted; k++)
            records[i * 100 + k] = (uint8_t)(' ' + rng_below(&r, 95));
        store_u64(records + i * 100 + 20, i);
    }
    bench_init(&b, s, 1, "bytes", "bytes");
    make_splitters(&b, records, count);
    b.writes.output.partitioner = PLAN_PARTITION_RANGE;
    b.writes.output.order = PLAN_ORDER_ASCENDING;
    b.read_branch.input.read = PLAN_READ_MERGE;
    size_t per_task = SPLIT_BYTES / 100;
    for (size_t at = 0; at < count; at += per_task)
        write_task(&b, feed_records, records, at, count - at < per_task ? count - at : per_task);
    read_tasks(&b);
    double mb = (double)count / 1e4;
    printf("{\"case\":\"%s\",\"records\":%zu,\"sort_mb_s\":%.0f,\"merge_mb_s\":%.0f,\"total_s\":%.3f}\n", name, count,
           mb / b.write_s, mb / b.read_s, b.write_s + b.read_s);
    if (b.out != count)
        fprintf(stderr, "micro_exec: %llu records came out\n", (unsigned long long)b.out);
    bench_free(&b);
    store_unref(s);
    free(records);
}

/* ---- rows with numbers as keys and text as values, 2 000 000 joined with 200 000 ---- */

#define VALUE_BYTES 24

typedef struct rows {
    int64_t *keys;
    uint8_t *values;
} rows;

static void feed_rows(op *o, const void *data, size_t first, size_t count, bench *b)
{
    const rows *t = data;
    sdf_error *err = NULL;
    sdf_batch batch;
    (void)b;
    for (size_t at = 0; at < count; at += batch.count) {
        batch.count = count - at < SDF_BATCH_MAX ? count - at : SDF_BATCH_MAX;
        column_set_fixed(&batch.key, t->keys + first + at, 8);
        column_set_fixed(&batch.value, t->values + (first + at) * VALUE_BYTES, VALUE_BYTES);
        check(op_push(o, &batch, &err), &err);
    }
}

/* Keys below `distinct`: each in turn, or at random. */
static rows make_rows(size_t count, size_t distinct, bool in_turn)
{
    rng r = {11};
    rows t = {malloc(count * sizeof *t.keys), malloc(count * VALUE_BYTES)};
    if (!t.keys || !t.values)
        exit(1);
    memset(t.values, 'v', count * VALUE_BYTES);
    for (size_t i = 0; i < count; i++) {
        t.keys[i] = (int64_t)(in_turn ? i : rng_below(&r, distinct));
        int n = snprintf((char *)t.values + i * VALUE_BYTES, VALUE_BYTES, "row %zu", i);
        t.values[i * VALUE_BYTES + (size_t)n] = 'v';
    }
    return t;
}

static void write_rows(bench *b, const rows *t, size_t count)
{
    size_t per_task = SPLIT_BYTES / 64;
    for (size_t at = 0; at < count; at += per_task)
        write_task(b, feed_rows, t, at, count - at < per_task ? count - at : per_task);
}

static void bench_partitioned_join(store *s, const rows *left, size_t lefts, const rows *right, size_t rights)
{
    bench l, r;
    plan_branch sources[2];
    memset(sources, 0, sizeof sources);
    bench_init(&l, s, 1, "i64", "bytes");
    bench_init(&r, s, 2, "i64", "bytes");
    l.writes.output.order = r.writes.output.order = PLAN_ORDER_ASCENDING;
    write_rows(&l, left, lefts);
    write_rows(&r, right, rights);
    sources[0].input = l.read_branch.input;
    sources[1].input = r.read_branch.input;
    sources[0].input.read = sources[1].input.read = PLAN_READ_MERGE;
    sources[1].input.leaf = 1;
    l.read_branch.input = (plan_input){.kind = PLAN_INPUT_COGROUP,
                                       .label = (char *)"join",
                                       .key_type = (char *)"i64",
                                       .value_type = (char *)"tuple(bytes,bytes)",
                                       .how = PLAN_COGROUP_INNER,
                                       .sources = sources,
                                       .source_count = 2};
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        task_leaf leaves[2] = {leaf_of(&l, p), leaf_of(&r, p)};
        read_task(&l, leaves, 2, p);
    }
    double rows_in = (double)(lefts + rights), write_s = l.write_s + r.write_s;
    printf("{\"case\":\"join_partitioned\",\"rows\":%.0f,\"joined\":%llu,\"write_ns\":%.1f,\"join_ns\":%.1f,"
           "\"rows_per_s\":%.0f}\n",
           rows_in, (unsigned long long)l.out, write_s * 1e9 / rows_in, l.read_s * 1e9 / rows_in,
           rows_in / (write_s + l.read_s));
    bench_free(&l);
    bench_free(&r);
}

static void bench_broadcast_join(store *s, const rows *left, size_t lefts, const rows *right, size_t rights)
{
    bench r;
    sdf_error *err = NULL;
    budget memory;
    op *lookup;
    bench_init(&r, s, 3, "i64", "bytes");
    r.writes.output.partitions = 1;
    write_rows(&r, right, rights);
    task_leaf leaf = leaf_of(&r, 0);
    plan_side side = {3, (char *)"side", (char *)"i64", (char *)"bytes"};
    plan_op spec = {.kind = PLAN_OP_LOOKUP, .how = PLAN_COGROUP_INNER, .value_type = (char *)"tuple(bytes,bytes)"};
    r.reads.sides = &side;
    r.reads.side_count = 1;
    budget_init(&memory, MEMORY);
    task_request q = {.context = 1, .stage = 9, .attempt = 1, .sides = &leaf, .side_count = 1};
    task_env env = {.request = &q, .plan = &r.plan, .stage = &r.reads, .budget = &memory, .store = r.store};
    op counter = {.push = count_push, .finish = count_finish, .next = (op *)&r, .env = &env};
    check(lookup_op_new(&env, &spec, (op_types){"i64", "bytes"}, &counter, &lookup, &err), &err);
    double start = seconds();
    feed_rows(lookup, left, 0, 1, &r); /* reads the side */
    double loaded = seconds();
    feed_rows(lookup, left, 1, lefts - 1, &r);
    check(op_finish(lookup, &err), &err);
    double end = seconds();
    lookup->close(lookup);
    printf("{\"case\":\"join_broadcast\",\"rows\":%zu,\"joined\":%llu,\"load_ns\":%.1f,\"join_ns\":%.1f,"
           "\"rows_per_s\":%.0f}\n",
           lefts + rights, (unsigned long long)r.out, (loaded - start) * 1e9 / (double)rights,
           (end - loaded) * 1e9 / (double)lefts, (double)(lefts + rights) / (end - start));
    free(leaf.extents);
    bench_free(&r);
}

static void bench_joins(store *s, size_t lefts)
{
    size_t rights = lefts / 10;
    rows left = make_rows(lefts, rights, false), right = make_rows(rights, rights, true);
    bench_partitioned_join(s, &left, lefts, &right, rights);
    bench_broadcast_join(s, &left, lefts, &right, rights);
    free(left.keys);
    free(left.values);
    free(right.keys);
    free(right.values);
    store_unref(s);
}

static store *new_store(void)
{
    sdf_error *err = NULL;
    store *s;
    check(store_open("mem:", &s, &err), &err);
    return s;
}

int main(int argc, char **argv)
{
    size_t words = (argc > 1 ? (size_t)atoi(argv[1]) : 20) * 1000000;
    size_t records = (argc > 2 ? (size_t)atoi(argv[2]) : 2) * 1000000;
    sdf_error *err = NULL;
    check(exec_register_builtins(&err), &err);
    if (words)
        bench_words(new_store(), words);
    if (records) {
        bench_sort(new_store(), "sort", records, false);
        bench_sort(new_store(), "sort_sorted", records, true);
        bench_joins(new_store(), records);
    }
    return 0;
}
