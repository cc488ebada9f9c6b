/* Several collections written to shuffles and brought together by key, task by task, through a store in memory; and
 * what a serial program makes of the same records. */
#ifndef TESTS_EXEC_SOURCES_H
#define TESTS_EXEC_SOURCES_H

#include "exchange.h"

#define SOURCES_MAX 4

typedef struct sources {
    exchange x[SOURCES_MAX]; /* in depth-first order of the leaves */
    uint32_t count, partitions;
    plan_branch branches[SOURCES_MAX]; /* one for each; a nested cogroup is put together by the test itself */
    plan_branch root;
    uint64_t memory;
    const char *scratch;
    store *reading; /* NULL: the store that they were written to */
    /* of the last task */
    uint64_t peak;
    task_metrics metrics;
} sources;

/* sorted[i]: whether source i is stored in the order of its keys, or has to be sorted by the task. */
static inline void sources_init(sources *s, uint32_t count, uint32_t partitions, const char *key,
                                const char *const *values, const bool *sorted)
{
    memset(s, 0, sizeof *s);
    s->count = count;
    s->partitions = partitions;
    s->memory = 64u << 20;
    s->scratch = "/tmp";
    for (uint32_t i = 0; i < count; i++) {
        exchange *x = &s->x[i];
        exchange_init(x, key, values[i], partitions);
        x->writes.id = 1 + i;
        if (i) {
            store_unref(x->store);
            x->store = store_ref(s->x[0].store);
        }
        s->branches[i].input = x->read_branch.input;
        s->branches[i].input.source = 1 + i;
        s->branches[i].input.leaf = i;
        if (sorted[i]) {
            x->writes.output.order = PLAN_ORDER_ASCENDING;
            s->branches[i].input.read = PLAN_READ_MERGE;
        }
    }
    s->root.input = (plan_input){.kind = PLAN_INPUT_COGROUP,
                                 .label = "together#9",
                                 .key_type = (char *)key,
                                 .value_type = "any",
                                 .sources = s->branches,
                                 .source_count = count};
}

static inline void sources_free(sources *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        exchange_free(&s->x[i]);
}

static inline void sources_write(sources *s, uint32_t source, const table_of *t, uint32_t maps, uint64_t memory)
{
    s->x[source].write_memory = memory;
    s->x[source].block_bytes = memory < (4u << 20) ? 4096 : 0;
    exchange_write_all(&s->x[source], t, maps);
}

/* The task of one partition. */
static inline int sources_read(sources *s, uint32_t partition, op *to, sdf_error **err)
{
    task_leaf leaves[SOURCES_MAX];
    for (uint32_t i = 0; i < s->count; i++)
        leaves[i] = exchange_leaf(&s->x[i], partition);
    task_piece piece = {.partition = partition, .leaves = leaves, .leaf_count = s->count};
    task_request q = {.context = 7,
                      .stage = 9,
                      .task = partition,
                      .attempt = 5000 + partition,
                      .limit = UINT64_MAX,
                      .pieces = &piece,
                      .piece_count = 1};
    budget b;
    budget_init(&b, s->memory);
    plan_stage stage = {.id = 9, .branches = &s->root, .branch_count = 1};
    task_env env = {.request = &q,
                    .plan = &s->x[0].plan,
                    .stage = &stage,
                    .budget = &b,
                    .store = s->reading ? s->reading : s->x[0].store,
                    .scratch_dir = s->scratch,
                    .clock = &timebase_real,
                    .piece = &piece};
    to->env = &env;
    int rc = exchange_input(&env, &s->root.input, to, err);
    s->peak = b.peak;
    s->metrics = env.metrics;
    assert_int_equal(b.used, 0);
    assert_true(b.peak <= b.limit + EXCHANGE_SLACK);
    assert_null(b.spillers);
    for (uint32_t i = 0; i < s->count; i++)
        free(leaves[i].extents);
    return rc;
}

static inline void sources_read_all(sources *s, keeper *k, size_t *ends)
{
    for (uint32_t p = 0; p < s->partitions; p++) {
        sdf_error *err = NULL;
        int rc = sources_read(s, p, &k->base, &err);
        if (rc)
            print_error("%s\n", sdf_error_text(err));
        assert_int_equal(rc, SDF_OK);
        assert_null(err);
        ends[p] = k->table.count;
    }
}

/* ---- items, by the public functions ---- */

static inline void put_item(buf *b, const char *type, const sdf_slice *raw)
{
    size_t size = 0;
    assert_int_equal(buf_reserve(b, 2 * raw->size + 16), SDF_OK);
    uint8_t *to = b->data + b->size;
    switch (type_of(type)) {
    case TYPE_I64:
        sdf_key_put_i64(to, SIZE_MAX, &size, sdf_slice_i64(raw));
        break;
    case TYPE_F64:
        sdf_key_put_f64(to, SIZE_MAX, &size, sdf_slice_f64(raw));
        break;
    case TYPE_NULL:
        sdf_key_put_null(to, SIZE_MAX, &size);
        break;
    case TYPE_BYTES:
        sdf_key_put_bytes(to, SIZE_MAX, &size, raw);
        break;
    default:
        memcpy(to, raw->data, size = raw->size);
    }
    b->size += size;
}

static inline void put_mark(buf *b, uint8_t mark)
{
    assert_int_equal(buf_append(b, &mark, 1), SDF_OK);
}

/* tuple(left, right); NULL is missing. */
static inline void put_pair(buf *b, const char *left_type, const sdf_slice *left, const char *right_type,
                            const sdf_slice *right)
{
    static const sdf_slice none = {NULL, 0};
    buf_clear(b);
    put_mark(b, SDF_ITEM_TUPLE);
    put_item(b, left ? left_type : "null", left ? left : &none);
    put_item(b, right ? right_type : "null", right ? right : &none);
    put_mark(b, SDF_ITEM_TUPLE_END);
}

/* ---- keys of a type, as an oracle orders them ---- */

static inline int f64_order(const sdf_slice *a, const sdf_slice *b)
{
    double x = sdf_slice_f64(a), y = sdf_slice_f64(b);
    if (x != x || y != y)
        return (x != x) - (y != y);
    return (x > y) - (x < y);
}

static inline int i64_order(const sdf_slice *a, const sdf_slice *b)
{
    int64_t x = sdf_slice_i64(a), y = sdf_slice_i64(b);
    return (x > y) - (x < y);
}

static inline order_fn order_of(const char *type)
{
    return type_of(type) == TYPE_I64 ? i64_order : type_of(type) == TYPE_F64 ? f64_order : bytes_order;
}

/* A key of that type, of some `distinct` ones. */
static inline sdf_slice typed_key(const char *type, uint64_t distinct, rng *r, uint8_t room[64])
{
    uint64_t n = rng_below(r, distinct);
    size_t size = 0;
    char text[32];
    sdf_slice s;
    switch (type_of(type)) {
    case TYPE_NULL:
        return (sdf_slice){room, 0};
    case TYPE_I64:
        store_u64(room, n - distinct / 2);
        return (sdf_slice){room, 8};
    case TYPE_F64: {
        static const uint64_t odd[] = {0, UINT64_C(1) << 63, UINT64_C(0x7ff8000000000000), UINT64_C(0xfff0000000000001),
                                       UINT64_C(0x7ff0000000000000)};
        double d = (double)n / 4 - 3;
        if (n % 8 < 5)
            memcpy(room, &odd[n % 8], 8);
        else
            memcpy(room, &d, 8);
        return (sdf_slice){room, 8};
    }
    case TYPE_BYTES:
        return make_key((key_style)(distinct % KEY_STYLES), n, r, room);
    default:
        s = (sdf_slice){text, (size_t)snprintf(text, sizeof text, "key %u", (unsigned)(n / 3))};
        sdf_key_begin_tuple(room, 64, &size);
        sdf_key_put_bytes(room, 64, &size, &s);
        sdf_key_put_i64(room, 64, &size, (int64_t)(n % 3));
        sdf_key_end_tuple(room, 64, &size);
        return (sdf_slice){room, size};
    }
}

static inline void typed_table(table_of *t, const char *key_type, const char *value_type, size_t count,
                               uint64_t distinct, uint64_t seed)
{
    rng r = {seed};
    uint8_t room[64];
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < count; i++) {
        sdf_slice key = typed_key(key_type, distinct, &r, room);
        uint8_t value[64];
        int64_t n = (int64_t)i;
        sdf_slice v = {&n, 8};
        if (type_of(value_type) == TYPE_NULL) {
            v.size = 0;
        } else if (type_of(value_type) == TYPE_BYTES) {
            v.data = value;
            v.size = rng_below(&r, 40);
            for (size_t k = 0; k < v.size; k++)
                value[k] = (uint8_t)(rng_below(&r, 8) ? 'a' + i % 26 : 0);
        } else if (type_of(value_type) == TYPE_F64) {
            double d = (double)i / 7;
            memcpy(&n, &d, 8);
        }
        table_add(t, key, v);
    }
}

static inline uint32_t partition_of(const sources *s, const sdf_slice *key)
{
    return sdf_partition_of(sdf_partition_hash(s->root.input.key_type, key), s->partitions);
}

/* A canonical double in place of the one at hand. */
static inline sdf_slice canonical_key(const char *type, const sdf_slice *key, uint64_t *room)
{
    if (type_of(type) != TYPE_F64)
        return *key;
    *room = type_canonical_f64(load_u64(key->data));
    return (sdf_slice){room, 8};
}

#endif
