/* Operators that change what is key and what is value: projections there and back over every type, and the forms of map
 * that leave a side alone. */
#include "harness.h"

#include <math.h>

#include "base/timebase.h"
#include "base/wire.h"
#include "exec/chain.h"
#include "exec/item.h"

static const char *const types[] = {"bytes", "i64", "f64", "null", "tuple(i64,bytes)", "optional(bytes)", "any"};
#define TYPES (sizeof types / sizeof types[0])

/* ---- random records ---- */

typedef struct records {
    size_t count;
    sdf_slice keys[SDF_BATCH_MAX], values[SDF_BATCH_MAX];
    uint64_t key_words[SDF_BATCH_MAX], value_words[SDF_BATCH_MAX];
    uint64_t offsets[SDF_BATCH_MAX];
    uint8_t bytes[1 << 16];
    size_t used;
} records;

static uint64_t random_word(rng *r, bool f64)
{
    static const int64_t odd[] = {0, 1, -1, INT64_MAX, INT64_MIN, (1ll << 53) + 1, -(1ll << 53) - 1};
    uint64_t word = rng_below(r, 3) ? rng_next(r) : (uint64_t)odd[rng_below(r, 7)];
    double d = (double)(int64_t)word / 7;
    if (f64)
        memcpy(&word, &d, 8);
    return word;
}

static sdf_slice random_value(rng *r, const char *type, records *to, uint64_t *word)
{
    uint8_t *at = to->bytes + to->used;
    size_t size = 0;
    uint8_t text[40];
    sdf_slice content = {text, rng_below(r, sizeof text)};
    for (size_t i = 0; i < content.size; i++)
        text[i] = (uint8_t)rng_below(r, 3);
    switch (type_of(type)) {
    case TYPE_NULL:
        return (sdf_slice){NULL, 0};
    case TYPE_I64:
    case TYPE_F64:
        *word = random_word(r, type_of(type) == TYPE_F64);
        return (sdf_slice){word, 8};
    case TYPE_BYTES:
        memcpy(at, text, size = content.size);
        break;
    case TYPE_TUPLE:
        sdf_key_begin_tuple(at, SIZE_MAX, &size);
        sdf_key_put_i64(at, SIZE_MAX, &size, (int64_t)rng_next(r));
        sdf_key_put_bytes(at, SIZE_MAX, &size, &content);
        sdf_key_end_tuple(at, SIZE_MAX, &size);
        break;
    default:
        if (rng_below(r, 2))
            sdf_key_put_null(at, SIZE_MAX, &size);
        else
            sdf_key_put_bytes(at, SIZE_MAX, &size, &content);
    }
    to->used += size;
    return (sdf_slice){at, size};
}

static void column_of(const char *type, const sdf_slice *slices, const uint64_t *words, sdf_column *c)
{
    if (type_of(type) == TYPE_NULL)
        column_set_null(c);
    else if (type_is_number(type_of(type)))
        column_set_fixed(c, words, 8);
    else
        column_set_slices(c, slices);
}

static sdf_batch random_batch(rng *r, op_types t, records *to)
{
    sdf_batch batch = {.count = 1 + rng_below(r, SDF_BATCH_MAX), .offsets = to->offsets};
    to->used = 0;
    for (size_t i = 0; i < batch.count; i++) {
        to->keys[i] = random_value(r, t.key, to, &to->key_words[i]);
        to->values[i] = random_value(r, t.value, to, &to->value_words[i]);
        to->offsets[i] = i;
    }
    column_of(t.key, to->keys, to->key_words, &batch.key);
    column_of(t.value, to->values, to->value_words, &batch.value);
    return batch;
}

static void expect_record(buf *out, const sdf_slice *key, const sdf_slice *value)
{
    buf_append(out, key->data, key->size);
    buf_append(out, "\x1f", 1);
    buf_append(out, value->data, value->size);
    buf_append(out, "\x1e", 1);
}

/* ---- projections ---- */

static op *project(harness *h, plan_project kind, op_types in, op_types to, op *next)
{
    op *o = NULL;
    plan_op spec = {.kind = PLAN_OP_PROJECT, .key_type = (char *)to.key, .value_type = (char *)to.value};
    uint8_t arg = (uint8_t)kind;
    assert_int_equal(buf_append(&spec.call.arg, &arg, 1), SDF_OK);
    assert_int_equal(project_new(&h->env, &spec, in, next, &o, NULL), SDF_OK);
    buf_free(&spec.call.arg);
    return o;
}

/* A record to its element and back, over either side and every pair of types, is the record. */
static void elements_there_and_back(void **state)
{
    rng r = {31};
    records *some = malloc(sizeof *some);
    for (size_t i = 0; i < TYPES * TYPES * 4; i++) {
        op_types t = {types[i % TYPES], types[i / TYPES % TYPES]};
        bool over_value = i / TYPES / TYPES & 1;
        char *element = type_element(t.key, t.value);
        op_types packed = {element, "null"}, swapped = {"null", element};
        harness h;
        collector c;
        buf expected = BUF_EMPTY;
        harness_init(&h, 1 << 20);
        collector_init(&c, &h);
        op *back = project(&h, over_value ? PLAN_PROJECT_UNVALUE : PLAN_PROJECT_UNELEMENT,
                           over_value ? swapped : packed, t, &c.base);
        op *swap = over_value ? project(&h, PLAN_PROJECT_SWAP, packed, swapped, back) : back;
        op *there = project(&h, PLAN_PROJECT_ELEMENT, t, packed, swap);
        for (int round = 0; round < 4; round++) {
            sdf_batch batch = random_batch(&r, t, some);
            for (size_t k = 0; k < batch.count; k++)
                expect_record(&expected, &some->keys[k], &some->values[k]);
            assert_int_equal(op_push(there, &batch, NULL), SDF_OK);
        }
        assert_int_equal(op_finish(there, NULL), SDF_OK);
        assert_bytes(&c.text, expected.data, expected.size);
        branch_close(there, &c.base);
        assert_int_equal(h.budget.used, 0);
        buf_free(&expected);
        buf_free(&c.text);
        free(element);
    }
    free(some);
}

/* Elements are what the public encoder makes of them. */
static void elements_are_tuples(void **state)
{
    rng r = {32};
    records *some = malloc(sizeof *some);
    op_types t = {"bytes", "i64"}, packed = {"tuple(bytes,i64)", "null"};
    harness h;
    collector c;
    buf expected = BUF_EMPTY;
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    op *there = project(&h, PLAN_PROJECT_ELEMENT, t, packed, &c.base);
    sdf_batch batch = random_batch(&r, t, some);
    for (size_t k = 0; k < batch.count; k++) {
        uint8_t room[200];
        size_t size = 0;
        sdf_key_begin_tuple(room, sizeof room, &size);
        sdf_key_put_bytes(room, sizeof room, &size, &some->keys[k]);
        sdf_key_put_i64(room, sizeof room, &size, (int64_t)some->value_words[k]);
        sdf_key_end_tuple(room, sizeof room, &size);
        expect_record(&expected, &(sdf_slice){room, size}, &(sdf_slice){NULL, 0});
    }
    assert_int_equal(op_push(there, &batch, NULL), SDF_OK);
    assert_bytes(&c.text, expected.data, expected.size);
    branch_close(there, &c.base);
    buf_free(&expected);
    buf_free(&c.text);
    free(some);
}

static void columns_change_places(void **state)
{
    static const struct {
        plan_project kind;
        const char *key, *value, *expected;
    } rows[] = {
        {PLAN_PROJECT_VALUE, "null", "bytes", "\x1fv\x1e"},
        {PLAN_PROJECT_KEY, "null", "bytes", "\x1fk\x1e"},
        {PLAN_PROJECT_KEY_ONLY, "bytes", "null", "k\x1f\x1e"},
        {PLAN_PROJECT_SWAP, "bytes", "bytes", "v\x1fk\x1e"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        harness h;
        collector c;
        sdf_batch batch = {.count = 1};
        column_set_const(&batch.key, "k", 1);
        column_set_const(&batch.value, "v", 1);
        harness_init(&h, 1000); /* nothing is copied */
        collector_init(&c, &h);
        op *o =
            project(&h, rows[i].kind, (op_types){"bytes", "bytes"}, (op_types){rows[i].key, rows[i].value}, &c.base);
        assert_int_equal(op_push(o, &batch, NULL), SDF_OK);
        assert_bytes(&c.text, rows[i].expected, strlen(rows[i].expected));
        branch_close(o, &c.base);
        buf_free(&c.text);
    }
}

static void sides_change_places(void **state)
{
    rng r = {33};
    uint8_t room[2][200];
    for (int round = 0; round < 500; round++) {
        records some = {.used = 0};
        const char *left_type = types[rng_below(&r, TYPES)], *right_type = types[rng_below(&r, TYPES)];
        uint64_t words[2];
        sdf_slice left = random_value(&r, left_type, &some, &words[0]),
                  right = random_value(&r, right_type, &some, &words[1]);
        sdf_slice one = {room[0], element_write(room[0], (op_types){left_type, right_type}, &left, &right)};
        sdf_slice other = {room[1], element_write(room[1], (op_types){right_type, left_type}, &right, &left)};
        harness h;
        collector c;
        buf expected = BUF_EMPTY;
        harness_init(&h, 1 << 20);
        collector_init(&c, &h);
        op *o = project(&h, PLAN_PROJECT_SWAP_SIDES, (op_types){"bytes", "any"}, (op_types){"bytes", "any"}, &c.base);
        sdf_batch batch = {.count = 1};
        column_set_const(&batch.key, "k", 1);
        column_set_slices(&batch.value, &one);
        assert_int_equal(op_push(o, &batch, NULL), SDF_OK);
        expect_record(&expected, &(sdf_slice){"k", 1}, &other);
        assert_bytes(&c.text, expected.data, expected.size);
        branch_close(o, &c.base);
        buf_free(&c.text);
        buf_free(&expected);
    }
}

/* Bytes that are no tuple of these types are refused, wherever they are cut or changed; nothing is read beyond them. */
static void hostile_elements(void **state)
{
    op_types t = {"bytes", "i64"};
    sdf_slice key = {"a\0b", 3}, value = {"12345678", 8}, k, v;
    uint8_t whole[64], room[64 + ELEMENT_NUMBERS];
    size_t size = element_write(whole, t, &key, &value);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *some = malloc(cut + 1);
        memcpy(some, whole, cut);
        sdf_slice element = {some, cut};
        assert_int_equal(element_split(t, &element, room, &k, &v, NULL), SDF_E_CORRUPT);
        free(some);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        whole[bit / 8] ^= (uint8_t)(1 << bit % 8);
        sdf_slice element = {whole, size};
        int rc = element_split(t, &element, room, &k, &v, NULL);
        assert_true(rc == SDF_OK || rc == SDF_E_CORRUPT);
        whole[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    whole[size] = 0;
    sdf_slice longer = {whole, size + 1}, good = {whole, size};
    assert_int_equal(element_split(t, &longer, room, &k, &v, NULL), SDF_E_CORRUPT);
    assert_int_equal(element_split((op_types){"i64", "i64"}, &good, room, &k, &v, NULL), SDF_E_CORRUPT);
    assert_int_equal(element_split((op_types){"bytes", "null"}, &good, room, &k, &v, NULL), SDF_E_CORRUPT);
    assert_int_equal(element_split(t, &good, room, &k, &v, NULL), SDF_OK);
    assert_int_equal(k.size, 3);
    assert_int_equal(sdf_slice_i64(&v), sdf_slice_i64(&value));
}

static void large_elements_need_memory(void **state)
{
    size_t size = 300000;
    char *text = calloc(1, size);
    for (uint64_t memory = 2 << 20; memory >= 1 << 16; memory /= 32) {
        harness h;
        collector c;
        sdf_slice keys[3] = {{text, 10}, {text, size}, {text, 20}};
        sdf_batch batch = {.count = 3};
        column_set_slices(&batch.key, keys);
        column_set_const(&batch.value, "v", 1);
        harness_init(&h, memory);
        collector_init(&c, &h);
        op *o = project(&h, PLAN_PROJECT_ELEMENT, (op_types){"bytes", "bytes"}, (op_types){"any", "null"}, &c.base);
        assert_int_equal(op_push(o, &batch, NULL), memory > 1 << 20 ? SDF_OK : SDF_E_NO_MEMORY);
        if (memory > 1 << 20)
            assert_int_equal(c.records, 3);
        branch_close(o, &c.base);
        assert_int_equal(h.budget.used, 0);
        buf_free(&c.text);
    }
    free(text);
}

/* ---- maps that leave a side alone ---- */

/* Emits the value `n % 4` times in each way there is to emit, n its last byte; under keys that nobody looks at. */
static int emit_all_ways(const sdf_record *in, sdf_out *out, void *state)
{
    static const sdf_slice junk = {"junk", 4};
    int64_t n = sdf_slice_i64(&in->value);
    sdf_column column, keys;
    column_set_const(&keys, "more junk", 9);
    column_set_fixed(&column, in->value.data, 8);
    int rc = SDF_OK;
    for (int64_t i = 0; i < (n & 3) && !rc; i++) {
        rc = sdf_emit(out, &junk, &in->value);
        rc = rc ? rc : sdf_emit_view(out, NULL, &in->value);
        rc = rc ? rc : sdf_emit_i64(out, &junk, n);
        rc = rc ? rc : sdf_emit_columns(out, 1, &keys, &column);
    }
    return rc;
}

static int twice_as_much(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, &in->value, (int64_t)(2 * (uint64_t)sdf_slice_i64(&in->value)));
}

static int wrong_type(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_f64(out, NULL, 1);
}

static int length_key(const sdf_record *in, sdf_out *out, void *state)
{
    char text[24];
    sdf_slice key = {text, (size_t)snprintf(text, sizeof text, "%zu", in->key.size + in->value.size)};
    return sdf_emit_f64(out, &key, 1.5); /* the value is not looked at */
}

static void check_map(const char *name, plan_op_kind kind, op_types in, op_types to, uint64_t seed)
{
    rng r = {seed};
    records *some = malloc(sizeof *some);
    harness h;
    collector c;
    op *o = NULL;
    buf expected = BUF_EMPTY;
    plan_op spec = {.kind = kind,
                    .key_type = (char *)to.key,
                    .value_type = (char *)to.value,
                    .call = {.function = (char *)name, .version = 1, .label = (char *)"op#1"}};
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    assert_int_equal(narrow_new(&h.env, &spec, in, &c.base, &o, NULL), SDF_OK);
    for (int round = 0; round < 30; round++) {
        sdf_batch batch = random_batch(&r, in, some);
        for (size_t k = 0; k < batch.count; k++) {
            sdf_slice key = some->keys[k], value = some->values[k];
            int64_t n = sdf_slice_i64(&value), twice = (int64_t)(2 * (uint64_t)n);
            if (kind == PLAN_OP_FLAT_MAP_VALUES)
                for (int64_t i = 0; i < 4 * (n & 3); i++)
                    expect_record(&expected, &key, &value);
            if (kind == PLAN_OP_MAP_VALUES)
                expect_record(&expected, &key, &(sdf_slice){&twice, 8});
            if (kind != PLAN_OP_KEY_BY)
                continue;
            char text[24];
            uint8_t room[300];
            sdf_slice length = {text, (size_t)snprintf(text, sizeof text, "%zu", key.size + value.size)};
            sdf_slice element = type_of(in.key) == TYPE_NULL ? value : key;
            if (element_is_tuple(in))
                element = (sdf_slice){room, element_write(room, in, &key, &value)};
            expect_record(&expected, &length, &element);
        }
        assert_int_equal(op_push(o, &batch, NULL), SDF_OK);
        memset(some->bytes, 0xee, sizeof some->bytes); /* the batch is gone */
    }
    assert_int_equal(op_finish(o, NULL), SDF_OK);
    assert_bytes(&c.text, expected.data, expected.size);
    o->close(o);
    assert_int_equal(h.budget.used, 0);
    buf_free(&expected);
    buf_free(&c.text);
    free(some);
}

static void values_change_keys_stay(void **state)
{
    for (size_t i = 0; i < TYPES; i++) {
        check_map("emit_all_ways", PLAN_OP_FLAT_MAP_VALUES, (op_types){types[i], "i64"}, (op_types){types[i], "i64"},
                  40 + i);
        check_map("twice_as_much", PLAN_OP_MAP_VALUES, (op_types){types[i], "i64"}, (op_types){types[i], "i64"},
                  50 + i);
    }
}

static void keys_by_function(void **state)
{
    for (size_t i = 0; i < TYPES * TYPES; i++) {
        op_types t = {types[i % TYPES], types[i / TYPES]};
        char *element = type_element(t.key, t.value);
        check_map("length_key", PLAN_OP_KEY_BY, t, (op_types){"bytes", element}, 60 + i);
        free(element);
    }
}

static void a_value_of_another_type_is_refused(void **state)
{
    harness h;
    collector c;
    op *o = NULL;
    int64_t value = 1;
    sdf_batch batch = {.count = 1};
    plan_op spec = {.kind = PLAN_OP_MAP_VALUES,
                    .key_type = (char *)"bytes",
                    .value_type = (char *)"i64",
                    .call = {.function = (char *)"wrong_type", .version = 1, .label = (char *)"op#1"}};
    harness_init(&h, 1 << 20);
    collector_init(&c, &h);
    column_set_const(&batch.key, "k", 1);
    column_set_const(&batch.value, &value, 8);
    assert_int_equal(narrow_new(&h.env, &spec, (op_types){"bytes", "i64"}, &c.base, &o, NULL), SDF_OK);
    assert_int_equal(op_push(o, &batch, NULL), SDF_E_TYPE);
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_there_and_back),
        cmocka_unit_test(elements_are_tuples),
        cmocka_unit_test(columns_change_places),
        cmocka_unit_test(sides_change_places),
        cmocka_unit_test(hostile_elements),
        cmocka_unit_test(large_elements_need_memory),
        cmocka_unit_test(values_change_keys_stay),
        cmocka_unit_test(keys_by_function),
        cmocka_unit_test(a_value_of_another_type_is_refused),
    };
    SDF_REGISTER(emit_all_ways, .map = emit_all_ways, .version = 1);
    SDF_REGISTER(twice_as_much, .map = twice_as_much, .version = 1);
    SDF_REGISTER(wrong_type, .map = wrong_type, .version = 1);
    SDF_REGISTER(length_key, .map = length_key, .version = 1);
    return cmocka_run_group_tests_name("exec/shapes", tests, NULL, NULL);
}
