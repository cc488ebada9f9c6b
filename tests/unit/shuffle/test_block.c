/* Blocks: round trips over kinds, layouts and sizes; what is chosen; damage of every byte. */
#include "records.h"

#include "base/hash.h"
#include "base/wire.h"
#include "shuffle/block.h"

#define MB (1u << 20)

typedef struct pair {
    type_kind kind;
    shape shape;
    block_layout layout; /* expected for many records */
} pair;

static const pair pairs[] = {
    {TYPE_NULL, SHAPE_EMPTY, BLOCK_EMPTY}, {TYPE_BYTES, SHAPE_EMPTY, BLOCK_EMPTY},
    {TYPE_BYTES, SHAPE_SAME, BLOCK_CONST}, {TYPE_BYTES, SHAPE_FIXED, BLOCK_FIXED},
    {TYPE_BYTES, SHAPE_SHORT, BLOCK_VAR8}, {TYPE_ANY, SHAPE_MEDIUM, BLOCK_VAR16},
    {TYPE_BYTES, SHAPE_LONG, BLOCK_VAR32}, {TYPE_I64, SHAPE_I8, BLOCK_INT8},
    {TYPE_I64, SHAPE_I16, BLOCK_INT16},    {TYPE_I64, SHAPE_I32, BLOCK_INT32},
    {TYPE_I64, SHAPE_I64, BLOCK_FIXED},    {TYPE_F64, SHAPE_F64, BLOCK_FIXED},
    {TYPE_TUPLE, SHAPE_SHORT, BLOCK_VAR8},
};
#define PAIRS (sizeof pairs / sizeof pairs[0])

/* Adds all records in uneven steps and in every input layout, and reads them back. */
static void round_trip(const pair *key, const pair *value, size_t count, block_codec codec)
{
    rng r = {count + 7};
    budget b;
    budget_init(&b, 256 * MB);
    values keys = values_make(&r, key->shape, count), vals = values_make(&r, value->shape, count);
    block_builder *builder = NULL;
    assert_ok(block_builder_new(&builder, key->kind, value->kind, 64 << 10, &b, err));
    for (size_t at = 0, step = 1; at < count; at += step, step = rng_below(&r, 200) + 1) {
        if (step > count - at)
            step = count - at;
        made_column k = column_make(&keys, at, step, (sdf_layout)rng_below(&r, 4));
        made_column v = column_make(&vals, at, step, (sdf_layout)rng_below(&r, 4));
        size_t first = step > 1 && k.column.layout != SDF_LAYOUT_CONST ? 1 : 0;
        if (first)
            assert_ok(block_builder_add_one(builder, &keys.at[at], &vals.at[at], err));
        assert_ok(block_builder_add(builder, &k.column, &v.column, first, step - first, err));
        column_drop(&k);
        column_drop(&v);
    }
    assert_int_equal(block_builder_count(builder), count);
    sdf_slice encoded;
    block_header h, h2;
    uint64_t digest, digest2;
    assert_ok(block_builder_finish(builder, 5, codec, &encoded, &h, &digest, err));
    assert_int_equal(block_builder_count(builder), 0);
    assert_int_equal(encoded.size, BLOCK_HEADER_BYTES + h.stored);
    assert_true(h.codec == BLOCK_RAW || (codec == BLOCK_LZ4 && h.stored < h.raw));
    if (codec == BLOCK_RAW) {
        const uint8_t *p = encoded.data;
        assert_int_equal(hash_xxh3(p + BLOCK_HEADER_BYTES, h.raw), digest);
        if (count > 300) {
            assert_int_equal(p[BLOCK_HEADER_BYTES + 4], key->layout);
            assert_int_equal(p[BLOCK_HEADER_BYTES + 5], value->layout);
        }
    }
    /* What follows the block is left alone. */
    uint8_t *copy = malloc(encoded.size + 3);
    memcpy(copy, encoded.data, encoded.size);
    block_reader *reader = NULL;
    size_t used, at = 0;
    assert_ok(block_reader_new(&reader, key->kind, value->kind, &b, err));
    assert_ok(block_reader_open(reader, copy, encoded.size + 3, &used, &h2, err));
    assert_int_equal(used, encoded.size);
    assert_int_equal(h2.partition, 5);
    assert_int_equal(h2.records, count);
    sdf_batch batch;
    while (block_reader_next(reader, &batch) == SDF_OK) {
        assert_batch(&batch, &keys, &vals, at);
        if (key->kind == TYPE_I64)
            assert_int_equal((uintptr_t)batch.key.data & 7, 0);
        at += batch.count;
    }
    assert_int_equal(at, count);
    assert_int_equal(block_reader_next(reader, &batch), SDF_END);

    /* Equal data in other steps: the same bytes. */
    for (size_t i = 0; i < count; i++)
        assert_ok(block_builder_add_one(builder, &keys.at[i], &vals.at[i], err));
    assert_ok(block_builder_finish(builder, 5, BLOCK_RAW, &encoded, &h, &digest2, err));
    assert_int_equal(digest, digest2);

    free(copy);
    block_reader_free(reader);
    block_builder_free(builder);
    assert_int_equal(b.used, 0);
    values_free(&keys);
    values_free(&vals);
}

static void test_round_trips(void **state)
{
    static const size_t counts[] = {1, 2, 127, 128, 129, 1000};
    for (size_t k = 0; k < PAIRS; k++)
        for (size_t v = 0; v < PAIRS; v++)
            for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
                if (c < 5 || k == v || (k + v) % 3 == 0)
                    round_trip(&pairs[k], &pairs[v], counts[c], (k + v + c) % 2 ? BLOCK_LZ4 : BLOCK_RAW);
}

static void test_numbers_at_the_edges(void **state)
{
    static const int64_t edges[][2] = {{INT8_MIN, INT8_MAX},
                                       {INT8_MIN, INT8_MAX + 1},
                                       {INT16_MIN, INT16_MAX},
                                       {INT16_MIN - 1, INT16_MAX},
                                       {INT32_MIN, INT32_MAX},
                                       {INT32_MIN, INT32_MAX + 1LL},
                                       {INT64_MIN, INT64_MAX},
                                       {-1, -1},
                                       {0, 255}};
    static const block_layout layouts[] = {BLOCK_INT8,  BLOCK_INT16, BLOCK_INT16, BLOCK_INT32, BLOCK_INT32,
                                           BLOCK_FIXED, BLOCK_FIXED, BLOCK_CONST, BLOCK_INT16};
    budget b;
    budget_init(&b, MB);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        block_builder *builder = NULL;
        block_reader *reader = NULL;
        sdf_column column;
        sdf_slice encoded;
        block_header h;
        uint64_t digest;
        size_t used;
        sdf_batch batch;
        column_set_fixed(&column, edges[i], 8);
        assert_ok(block_builder_new(&builder, TYPE_NULL, TYPE_I64, 1024, &b, err));
        assert_ok(block_reader_new(&reader, TYPE_NULL, TYPE_I64, &b, err));
        assert_ok(block_builder_add(builder, NULL, &column, 0, 2, err));
        assert_ok(block_builder_finish(builder, 0, BLOCK_RAW, &encoded, &h, &digest, err));
        assert_int_equal(((const uint8_t *)encoded.data)[BLOCK_HEADER_BYTES + 5], layouts[i]);
        assert_ok(block_reader_open(reader, encoded.data, encoded.size, &used, &h, err));
        assert_int_equal(block_reader_next(reader, &batch), SDF_OK);
        for (size_t n = 0; n < 2; n++) {
            sdf_slice s = column_get(&batch.value, n);
            assert_true(sdf_slice_i64(&s) == edges[i][n]);
        }
        block_builder_free(builder);
        block_reader_free(reader);
    }
}

static void test_wrong_numbers_are_refused(void **state)
{
    budget b;
    budget_init(&b, MB);
    block_builder *builder = NULL;
    sdf_slice seven = {"1234567", 7}, eight = {"12345678", 8};
    sdf_slice mixed[2] = {eight, seven};
    sdf_column column;
    assert_ok(block_builder_new(&builder, TYPE_BYTES, TYPE_F64, 1024, &b, err));
    assert_fails(SDF_E_TYPE, block_builder_add_one(builder, &eight, &seven, err));
    column_set_slices(&column, mixed);
    assert_fails(SDF_E_TYPE, block_builder_add(builder, &column, &column, 0, 2, err));
    column_set_fixed(&column, "1234567", 7);
    assert_fails(SDF_E_TYPE, block_builder_add(builder, &column, &column, 0, 1, err));
    assert_fails(SDF_E_TYPE, block_builder_add(builder, &column, NULL, 0, 1, err));
    assert_int_equal(block_builder_count(builder), 0);
    block_builder_free(builder);
}

/* room and fits never let a block pass its size, and let every block but the last come near it. */
static void test_room_keeps_blocks_small(void **state)
{
    rng r = {3};
    budget b;
    budget_init(&b, 4 * MB);
    values keys = values_make(&r, SHAPE_SHORT, 20000);
    for (int one = 0; one < 2; one++) {
        block_builder *builder = NULL;
        assert_ok(block_builder_new(&builder, TYPE_BYTES, TYPE_BYTES, 8192, &b, err));
        uint64_t charged = b.used;
        sdf_column column;
        column_set_slices(&column, keys.at);
        for (size_t at = 0; at < keys.count;) {
            size_t most = keys.count - at < 128 ? keys.count - at : 128;
            size_t n = one ? block_builder_fits(builder, &keys.at[at], &keys.at[at])
                           : block_builder_room(builder, &column, &column, at, most);
            if (n == 0) {
                sdf_slice encoded;
                block_header h;
                uint64_t digest;
                assert_true(block_builder_count(builder) > 0);
                assert_ok(block_builder_finish(builder, 0, BLOCK_RAW, &encoded, &h, &digest, err));
                assert_true(h.raw <= 8192 && h.raw > 6500);
            }
            assert_ok(block_builder_add(builder, &column, &column, at, n, err));
            at += n;
        }
        assert_int_equal(b.used, charged);
        block_builder_free(builder);
    }
    values_free(&keys);
}

static void test_lone_records(void **state)
{
    budget b;
    for (int tight = 0; tight < 2; tight++) {
        budget_init(&b, tight ? 64 << 10 : 16 * MB);
        uint8_t *big = calloc(1, 3 * MB);
        for (size_t i = 0; i < 3 * MB; i += 7)
            big[i] = (uint8_t)i;
        sdf_slice key = {"k", 1}, value = {big, 3 * MB}, parts[BLOCK_LONE_PARTS];
        block_builder *builder = NULL;
        block_header h;
        uint64_t digest, used_before;
        size_t count, total = 0, used;
        assert_ok(block_builder_new(&builder, TYPE_BYTES, TYPE_BYTES, 4096, &b, err));
        used_before = b.used;
        assert_ok(block_builder_lone(builder, 1, BLOCK_LZ4, &key, &value, parts, &count, &h, &digest, err));
        assert_int_equal(h.codec, tight ? BLOCK_RAW : BLOCK_LZ4);
        uint8_t *whole = malloc(4 * MB);
        for (size_t i = 0; i < count; i++) {
            memcpy(whole + total, parts[i].data, parts[i].size);
            total += parts[i].size;
        }
        assert_true(b.peak <= b.limit);
        if (tight)
            assert_int_equal(b.used, used_before);
        budget other;
        budget_init(&other, 16 * MB);
        block_reader *reader = NULL;
        sdf_batch batch;
        assert_ok(block_reader_new(&reader, TYPE_BYTES, TYPE_BYTES, &other, err));
        assert_ok(block_reader_open(reader, whole, total, &used, &h, err));
        assert_int_equal(used, total);
        assert_int_equal(block_reader_next(reader, &batch), SDF_OK);
        sdf_slice v = column_get(&batch.value, 0);
        assert_int_equal(v.size, 3 * MB);
        assert_memory_equal(v.data, big, v.size);
        block_reader_free(reader);
        block_builder_free(builder);
        assert_int_equal(b.used, 0);
        free(whole);
        free(big);
    }
    budget_init(&b, MB);
    block_builder *builder = NULL;
    sdf_slice parts[BLOCK_LONE_PARTS], huge = {"", (size_t)BLOCK_RAW_MAX}, small = {"", 0};
    block_header h;
    uint64_t digest;
    size_t count;
    assert_ok(block_builder_new(&builder, TYPE_BYTES, TYPE_BYTES, 4096, &b, err));
    assert_fails(SDF_E_LIMIT,
                 block_builder_lone(builder, 0, BLOCK_RAW, &huge, &small, parts, &count, &h, &digest, err));
    assert_fails(SDF_E_LIMIT,
                 block_builder_lone(builder, 0, BLOCK_RAW, &small, &huge, parts, &count, &h, &digest, err));
    block_builder_free(builder);
}

/* A small block of every kind of column, for damage. */
static buf small_block(const pair *key, const pair *value, block_codec codec, size_t count)
{
    rng r = {11};
    budget b;
    budget_init(&b, 16 * MB);
    values keys = values_make(&r, key->shape, count), vals = values_make(&r, value->shape, count);
    block_builder *builder = NULL;
    sdf_slice encoded;
    block_header h;
    uint64_t digest;
    assert_ok(block_builder_new(&builder, key->kind, value->kind, 4096, &b, err));
    for (size_t i = 0; i < count; i++)
        assert_ok(block_builder_add_one(builder, &keys.at[i], &vals.at[i], err));
    assert_ok(block_builder_finish(builder, 0, codec, &encoded, &h, &digest, err));
    buf out = BUF_EMPTY;
    buf_append(&out, encoded.data, encoded.size);
    block_builder_free(builder);
    values_free(&keys);
    values_free(&vals);
    return out;
}

static int open_all(const uint8_t *p, size_t size, type_kind key, type_kind value, uint64_t limit)
{
    budget b;
    budget_init(&b, limit);
    block_reader *reader = NULL;
    block_header h;
    size_t used;
    sdf_batch batch;
    uint64_t sum = 0;
    assert_ok(block_reader_new(&reader, key, value, &b, err));
    int rc = block_reader_open(reader, p, size, &used, &h, NULL);
    while (rc == SDF_OK && block_reader_next(reader, &batch) == SDF_OK)
        for (size_t i = 0; i < batch.count; i++) {
            sdf_slice k = column_get(&batch.key, i), v = column_get(&batch.value, i);
            for (size_t n = 0; n < k.size; n++)
                sum += ((const uint8_t *)k.data)[n];
            for (size_t n = 0; n < v.size; n++)
                sum += ((const uint8_t *)v.data)[n];
        }
    block_reader_free(reader);
    assert_int_equal(b.used, 0);
    assert_true(b.peak <= limit);
    return rc + (sum == UINT64_MAX);
}

static void test_every_bit_and_length(void **state)
{
    for (size_t p = 0; p < PAIRS; p++) {
        if (pairs[p].shape == SHAPE_LONG)
            continue;
        for (int codec = 0; codec < 2; codec++) {
            buf block = small_block(&pairs[p], &pairs[(p + 4) % PAIRS], (block_codec)codec, 20);
            type_kind key = pairs[p].kind, value = pairs[(p + 4) % PAIRS].kind;
            if (block.size > 4096) {
                buf_free(&block);
                continue;
            }
            assert_int_equal(open_all(block.data, block.size, key, value, MB), SDF_OK);
            for (size_t cut = 0; cut < block.size; cut++) {
                uint8_t *exact = malloc(cut + 1); /* so that a sanitizer sees reads past the end */
                memcpy(exact + 1, block.data, cut);
                assert_int_equal(open_all(exact + 1, cut, key, value, MB), SDF_E_CORRUPT);
                free(exact);
            }
            for (size_t bit = 0; bit < block.size * 8; bit++) {
                block.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                assert_int_equal(open_all(block.data, block.size, key, value, MB), SDF_E_CORRUPT);
                block.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            }
            buf_free(&block);
        }
    }
}

/* Payloads that are wrong though their checksum is right: nothing but checks of lengths stand between them and memory.
 */
static void test_hostile_payloads(void **state)
{
    rng r = {99};
    for (int round = 0; round < 20000; round++) {
        size_t p = rng_below(&r, PAIRS), q = rng_below(&r, PAIRS);
        uint8_t block[BLOCK_HEADER_BYTES + 96];
        uint32_t raw = 8 + (uint32_t)rng_below(&r, 89);
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (uint8_t)(rng_below(&r, 4) ? rng_below(&r, 6) : rng_next(&r));
        uint32_t records = 1 + (uint32_t)rng_below(&r, 12), codec = (uint32_t)rng_below(&r, 2);
        if (rng_below(&r, 10) == 0)
            records = (uint32_t)rng_next(&r) & (BLOCK_RECORDS_MAX - 1);
        block_header h = {0, raw, raw, records, codec, 0};
        if (codec)
            h.raw = raw + (uint32_t)rng_below(&r, raw * 300);
        store_u32(block + BLOCK_HEADER_BYTES, records);
        block[BLOCK_HEADER_BYTES + 4] = (uint8_t)rng_below(&r, 10);
        block[BLOCK_HEADER_BYTES + 5] = (uint8_t)rng_below(&r, 10);
        block[BLOCK_HEADER_BYTES + 6] = block[BLOCK_HEADER_BYTES + 7] = 0;
        block_header_write(&h, block);
        store_u32(block + 20, hash_crc32c(hash_crc32c(0, block, 20), block + BLOCK_HEADER_BYTES, raw));
        uint8_t *exact = malloc(BLOCK_HEADER_BYTES + raw);
        memcpy(exact, block, BLOCK_HEADER_BYTES + raw);
        int rc =
            records > 100000 ? SDF_OK : open_all(exact, BLOCK_HEADER_BYTES + raw, pairs[p].kind, pairs[q].kind, MB);
        assert_true(rc == SDF_OK || rc == SDF_E_CORRUPT);
        free(exact);
    }
}

static void test_headers_that_cannot_be(void **state)
{
    static const block_header bad[] = {
        {0, 7, 7, 1, 0, 0},    {0, BLOCK_RAW_MAX + 1, BLOCK_RAW_MAX + 1, 1, 0, 0},
        {0, 100, 99, 1, 0, 0}, {0, 100, 100, 1, 1, 0},
        {0, 100, 0, 1, 1, 0},  {0, 100, 50, 0, 1, 0},
        {0, 100, 50, 1, 2, 0}, {0, 100, 100, BLOCK_RECORDS_MAX + 1, 0, 0},
    };
    uint8_t bytes[BLOCK_HEADER_BYTES];
    block_header h;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        block_header_write(&bad[i], bytes);
        assert_fails(SDF_E_CORRUPT, block_header_read(bytes, sizeof bytes, &h, err));
    }
}

/* A block that claims to unpack to a gigabyte must not take a gigabyte. */
static void test_no_memory_for_lies(void **state)
{
    uint8_t block[BLOCK_HEADER_BYTES + 64] = {0};
    block_header h = {0, BLOCK_RAW_MAX, 64, 1, BLOCK_LZ4, 0}, got;
    block_header_write(&h, block);
    store_u32(block + 20, hash_crc32c(hash_crc32c(0, block, 20), block + BLOCK_HEADER_BYTES, 64));
    assert_int_equal(open_all(block, sizeof block, TYPE_BYTES, TYPE_BYTES, MB), SDF_E_CORRUPT);
    /* And one that may be true, but is more than the budget, is an error of memory. */
    h.raw = 64 * 255;
    block_header_write(&h, block);
    store_u32(block + 20, hash_crc32c(hash_crc32c(0, block, 20), block + BLOCK_HEADER_BYTES, 64));
    budget b;
    budget_init(&b, 12 << 10);
    block_reader *reader = NULL;
    size_t used;
    assert_ok(block_reader_new(&reader, TYPE_BYTES, TYPE_BYTES, &b, err));
    assert_fails(SDF_E_NO_MEMORY, block_reader_open(reader, block, sizeof block, &used, &got, err));
    block_reader_free(reader);
}

static void test_budget_too_small(void **state)
{
    budget b;
    for (uint64_t limit = 0; limit < 20000; limit += 997) {
        budget_init(&b, limit);
        block_builder *builder = NULL;
        if (block_builder_new(&builder, TYPE_BYTES, TYPE_I64, 4096, &b, NULL) == SDF_OK) {
            assert_true(limit >= block_builder_cost(TYPE_BYTES, TYPE_I64, 4096));
            assert_int_equal(b.used, block_builder_cost(TYPE_BYTES, TYPE_I64, 4096));
            block_builder_free(builder);
        }
        assert_int_equal(b.used, 0);
        assert_true(b.peak <= limit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_numbers_at_the_edges),
        cmocka_unit_test(test_wrong_numbers_are_refused),
        cmocka_unit_test(test_room_keeps_blocks_small),
        cmocka_unit_test(test_lone_records),
        cmocka_unit_test(test_every_bit_and_length),
        cmocka_unit_test(test_hostile_payloads),
        cmocka_unit_test(test_headers_that_cannot_be),
        cmocka_unit_test(test_no_memory_for_lies),
        cmocka_unit_test(test_budget_too_small),
    };
    return cmocka_run_group_tests_name("shuffle/block", tests, NULL, NULL);
}
