/* Collecting the records of a block as two columns. Not here: the encoded form (block_encode.c). */
#include "shuffle/block_columns.h"

#include <string.h>

#include "base/wire.h"
#include "shuffle/charge.h"

#define LENGTH_ESTIMATE 2 /* bytes that a variable value's length is taken to need */

static bool is_variable(type_kind k)
{
    return k != TYPE_NULL && !type_is_number(k);
}

/* ---- memory ---- */

static size_t records_for(size_t block_bytes)
{
    size_t n = block_bytes / 8;
    return n < SDF_BATCH_MAX ? SDF_BATCH_MAX : n > BLOCK_RECORDS_MAX ? BLOCK_RECORDS_MAX : n;
}

/* The estimate of builder_size errs low only in lengths of 4 bytes, which values over 64 KiB have. */
static size_t raw_for(size_t block_bytes)
{
    return BLOCK_HEADER_BYTES + block_bytes + block_bytes / 16384 + 64;
}

static size_t packed_for(size_t raw_capacity)
{
    return raw_capacity - (raw_capacity - BLOCK_HEADER_BYTES) / BLOCK_GAIN;
}

static uint64_t column_cost(type_kind k, size_t block_bytes, size_t room)
{
    return type_is_number(k) ? room * 8 : is_variable(k) ? block_bytes + room * 4 : 0;
}

uint64_t block_builder_cost(type_kind key, type_kind value, size_t block_bytes)
{
    size_t room = records_for(block_bytes), raw = raw_for(block_bytes);
    return sizeof(block_builder) + column_cost(key, block_bytes, room) + column_cost(value, block_bytes, room) + raw +
           packed_for(raw);
}

static int column_open(block_builder *b, column_builder *c, type_kind kind, size_t block_bytes, sdf_error **err)
{
    c->kind = kind;
    c->capacity = type_is_number(kind) ? b->room * 8 : is_variable(kind) ? block_bytes : 0;
    if (c->capacity && !(c->data = charge_alloc(b->budget, c->capacity, err)))
        return SDF_E_NO_MEMORY;
    c->lengths_capacity = is_variable(kind) ? b->room * 4 : 0;
    if (c->lengths_capacity && !(c->lengths = charge_alloc(b->budget, c->lengths_capacity, err)))
        return SDF_E_NO_MEMORY;
    return SDF_OK;
}

int block_builder_new(block_builder **out, type_kind key, type_kind value, size_t block_bytes, budget *charged,
                      sdf_error **err)
{
    if (block_bytes > BLOCK_RAW_MAX / 2)
        return error_set(err, SDF_E_LIMIT, "blocks of %zu bytes: the limit is %u", block_bytes, BLOCK_RAW_MAX / 2);
    block_builder *b = charge_alloc(charged, sizeof *b, err);
    if (!b)
        return SDF_E_NO_MEMORY;
    memset(b, 0, sizeof *b);
    b->budget = charged;
    b->block_bytes = block_bytes;
    b->room = records_for(block_bytes);
    b->raw_capacity = raw_for(block_bytes);
    b->packed_capacity = packed_for(b->raw_capacity);
    if (column_open(b, &b->column[SDF_KEY], key, block_bytes, err) != SDF_OK ||
        column_open(b, &b->column[SDF_VALUE], value, block_bytes, err) != SDF_OK ||
        !(b->raw = charge_alloc(charged, b->raw_capacity, err)) ||
        !(b->packed = charge_alloc(charged, b->packed_capacity, err))) {
        block_builder_free(b);
        return SDF_E_NO_MEMORY;
    }
    block_builder_empty(b);
    *out = b;
    return SDF_OK;
}

void block_builder_free(block_builder *b)
{
    if (!b)
        return;
    block_lone_release(b);
    for (int i = 0; i < 2; i++) {
        charge_free(b->budget, b->column[i].data, b->column[i].capacity);
        charge_free(b->budget, b->column[i].lengths, b->column[i].lengths_capacity);
    }
    charge_free(b->budget, b->raw, b->raw_capacity);
    charge_free(b->budget, b->packed, b->packed_capacity);
    charge_free(b->budget, b, sizeof *b);
}

void block_builder_empty(block_builder *b)
{
    b->count = 0;
    for (int i = 0; i < 2; i++) {
        column_builder *c = &b->column[i];
        c->size = 0;
        c->same = true;
        c->shortest = UINT32_MAX;
        c->longest = 0;
        c->low = INT64_MAX;
        c->high = INT64_MIN;
    }
}

static int grow(block_builder *b, void **p, size_t *capacity, size_t needed, size_t used, sdf_error **err)
{
    size_t size = *capacity * 2 > needed ? *capacity * 2 : needed;
    void *bigger = charge_alloc(b->budget, size, err);
    if (!bigger)
        return SDF_E_NO_MEMORY;
    if (used)
        memcpy(bigger, *p, used);
    charge_free(b->budget, *p, *capacity);
    *p = bigger;
    *capacity = size;
    return SDF_OK;
}

int block_raw_reserve(block_builder *b, size_t raw, sdf_error **err)
{
    size_t needed = BLOCK_HEADER_BYTES + raw;
    if (needed <= b->raw_capacity)
        return SDF_OK;
    void *p = b->raw;
    int rc = grow(b, &p, &b->raw_capacity, needed, 0, err);
    b->raw = p;
    return rc;
}

/* Room for `count` more records whose values of this column have `bytes`. */
static int column_reserve(block_builder *b, column_builder *c, uint64_t bytes, sdf_error **err)
{
    if (bytes > BLOCK_RAW_MAX - 64 || c->size + bytes > BLOCK_RAW_MAX - 64)
        return error_set(err, SDF_E_LIMIT, "%llu bytes of records in one block: the limit is %u",
                         (unsigned long long)(c->size + bytes), BLOCK_RAW_MAX);
    if (c->size + bytes <= c->capacity)
        return SDF_OK;
    void *p = c->data;
    int rc = grow(b, &p, &c->capacity, c->size + bytes, c->size, err);
    c->data = p;
    return rc;
}

static int lengths_reserve(block_builder *b, column_builder *c, size_t count, sdf_error **err)
{
    if (!c->lengths || b->count + count <= c->lengths_capacity / 4)
        return SDF_OK;
    void *p = c->lengths;
    int rc = grow(b, &p, &c->lengths_capacity, (b->count + count) * 4, b->count * 4, err);
    c->lengths = p;
    return rc;
}

static int builder_reserve(block_builder *b, const uint64_t bytes[2], size_t count, sdf_error **err)
{
    if (count > BLOCK_RECORDS_MAX || b->count + count > BLOCK_RECORDS_MAX)
        return error_set(err, SDF_E_LIMIT, "more than %u records in one block", BLOCK_RECORDS_MAX);
    int rc = SDF_OK;
    for (int i = 0; i < 2 && rc == SDF_OK; i++) {
        rc = column_reserve(b, &b->column[i], bytes[i], err);
        if (rc == SDF_OK)
            rc = lengths_reserve(b, &b->column[i], count, err);
    }
    return rc;
}

/* ---- how much ---- */

size_t block_builder_count(const block_builder *b)
{
    return b->count;
}

/* Grows by what value_cost says of each value, so that blocks end at the same record however records are added. */
static size_t column_size(const column_builder *c, size_t count)
{
    return c->kind == TYPE_NULL ? 0 : 4 + c->size + (is_variable(c->kind) ? count * LENGTH_ESTIMATE : 0);
}

/* Raw bytes so far; the encoded layout may be smaller. */
static size_t builder_size(const block_builder *b)
{
    return BLOCK_PREFIX_BYTES + column_size(&b->column[SDF_KEY], b->count) +
           column_size(&b->column[SDF_VALUE], b->count);
}

/* Bytes of values first..first+count, or UINT64_MAX if one of them can't be a value of this kind. */
static uint64_t column_measure(type_kind kind, const sdf_column *in, size_t first, size_t count)
{
    if (kind == TYPE_NULL)
        return 0;
    uint64_t sum = 0, wrong = 0;
    if (!in)
        return type_is_number(kind) && count ? UINT64_MAX : 0;
    switch (in->layout) {
    case SDF_LAYOUT_SLICES:
        for (size_t i = first; i < first + count; i++) {
            sum += in->slices[i].size;
            wrong |= in->slices[i].size ^ 8;
        }
        break;
    case SDF_LAYOUT_FIXED:
        sum = (uint64_t)in->width * count;
        wrong = in->width ^ 8;
        break;
    case SDF_LAYOUT_OFFSETS:
        sum = in->offsets[first + count] - in->offsets[first];
        for (size_t i = first; i < first + count; i++)
            wrong |= (in->offsets[i + 1] - in->offsets[i]) ^ 8;
        break;
    default:
        sum = in->size <= BLOCK_RAW_MAX ? (uint64_t)in->size * count : BLOCK_RAW_MAX;
        wrong = in->size ^ 8;
    }
    return type_is_number(kind) && wrong ? UINT64_MAX : sum;
}

static uint64_t value_cost(type_kind kind, const sdf_slice *v)
{
    return kind == TYPE_NULL ? 0 : type_is_number(kind) ? 8 : (uint64_t)v->size + LENGTH_ESTIMATE;
}

static sdf_slice column_value(const sdf_column *c, size_t i)
{
    return c ? column_get(c, i) : (sdf_slice){NULL, 0};
}

size_t block_builder_room(const block_builder *b, const sdf_column *keys, const sdf_column *values, size_t first,
                          size_t count)
{
    type_kind key = b->column[SDF_KEY].kind, value = b->column[SDF_VALUE].kind;
    size_t size = builder_size(b);
    size_t most = b->room > b->count ? b->room - b->count : 0;
    if (size > b->block_bytes)
        return 0;
    if (count > most)
        count = most;
    uint64_t left = b->block_bytes - size;
    uint64_t lengths = (is_variable(key) ? LENGTH_ESTIMATE : 0) + (is_variable(value) ? LENGTH_ESTIMATE : 0);
    uint64_t k = column_measure(key, keys, first, count), v = column_measure(value, values, first, count);
    if (k == UINT64_MAX || v == UINT64_MAX) /* block_builder_add says what is wrong */
        return count;
    if (k + v + lengths * count <= left)
        return count;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sdf_slice one = column_value(keys, first + i), other = column_value(values, first + i);
        sum += value_cost(key, &one) + value_cost(value, &other);
        if (sum > left)
            return i;
    }
    return count;
}

bool block_builder_fits(const block_builder *b, const sdf_slice *key, const sdf_slice *value)
{
    size_t size = builder_size(b);
    if (size > b->block_bytes || b->count >= b->room)
        return false;
    uint64_t left = b->block_bytes - size;
    uint64_t k = value_cost(b->column[SDF_KEY].kind, key), v = value_cost(b->column[SDF_VALUE].kind, value);
    return k <= left && v <= left - k;
}

/* ---- adding ---- */

/* memcpy for what is mostly a few bytes: two overlapping moves instead of a call. */
static inline void bytes_copy(uint8_t *to, const uint8_t *from, size_t n)
{
    if (n > 32) {
        memcpy(to, from, n);
    } else if (n >= 16) {
        uint64_t a[2], z[2];
        memcpy(a, from, 16);
        memcpy(z, from + n - 16, 16);
        memcpy(to, a, 16);
        memcpy(to + n - 16, z, 16);
    } else if (n >= 8) {
        uint64_t a = load_u64(from), z = load_u64(from + n - 8);
        store_u64(to, a);
        store_u64(to + n - 8, z);
    } else if (n >= 4) {
        uint32_t a = load_u32(from), z = load_u32(from + n - 4);
        store_u32(to, a);
        store_u32(to + n - 4, z);
    } else if (n) {
        to[0] = from[0];
        to[n / 2] = from[n / 2];
        to[n - 1] = from[n - 1];
    }
}

/* The first column value decides; looked at only until the first difference of a block. */
static bool values_same(const column_builder *c, size_t at, const sdf_column *in, size_t first, size_t count)
{
    sdf_slice one = at ? (sdf_slice){c->data, c->lengths[0]} : column_get(in, first);
    if (in->layout == SDF_LAYOUT_CONST)
        count = 1;
    for (size_t i = 0; i < count; i++) {
        sdf_slice v = column_get(in, first + i);
        if (v.size != one.size || (v.size && memcmp(v.data, one.data, v.size) != 0))
            return false;
    }
    return true;
}

static void note_length(column_builder *c, uint32_t length)
{
    c->shortest = length < c->shortest ? length : c->shortest;
    c->longest = length > c->longest ? length : c->longest;
}

static void add_equal_lengths(column_builder *c, size_t at, uint32_t length, size_t count)
{
    for (size_t i = 0; i < count; i++)
        c->lengths[at + i] = length;
    note_length(c, length);
}

static void add_slices(column_builder *c, size_t at, const sdf_slice *in, size_t count)
{
    uint8_t *to = c->data + c->size;
    uint32_t *lengths = c->lengths + at, shortest = c->shortest, longest = c->longest;
    for (size_t i = 0; i < count; i++) {
        uint32_t n = (uint32_t)in[i].size;
        bytes_copy(to, in[i].data, n);
        to += n;
        lengths[i] = n;
        shortest = n < shortest ? n : shortest;
        longest = n > longest ? n : longest;
    }
    c->shortest = shortest;
    c->longest = longest;
}

static void add_variable(column_builder *c, size_t at, const sdf_column *in, size_t first, size_t count, size_t bytes)
{
    static const sdf_column none = {.struct_size = sizeof none, .layout = SDF_LAYOUT_CONST};
    in = in ? in : &none;
    if (c->same)
        c->same = values_same(c, at, in, first, count);
    uint8_t *to = c->data + c->size;
    switch (in->layout) {
    case SDF_LAYOUT_SLICES:
        add_slices(c, at, in->slices + first, count);
        break;
    case SDF_LAYOUT_FIXED:
        if (bytes)
            memcpy(to, (const uint8_t *)in->data + first * in->width, bytes);
        add_equal_lengths(c, at, in->width, count);
        break;
    case SDF_LAYOUT_OFFSETS:
        if (bytes)
            memcpy(to, (const uint8_t *)in->data + in->offsets[first], bytes);
        for (size_t i = 0; i < count; i++) {
            c->lengths[at + i] = in->offsets[first + i + 1] - in->offsets[first + i];
            note_length(c, c->lengths[at + i]);
        }
        break;
    default:
        for (size_t i = 0; i < count; i++)
            bytes_copy(to + i * in->size, in->data, in->size);
        add_equal_lengths(c, at, (uint32_t)in->size, count);
    }
    c->size += bytes;
}

static void note_numbers(column_builder *c, const uint8_t *values, size_t count)
{
    if (c->kind == TYPE_F64) {
        uint64_t one = load_u64(c->data);
        for (size_t i = 0; c->same && i < count; i++)
            c->same = load_u64(values + i * 8) == one;
        return;
    }
    int64_t low = c->low, high = c->high;
    for (size_t i = 0; i < count; i++) {
        int64_t v = (int64_t)load_u64(values + i * 8);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    c->low = low;
    c->high = high;
}

static void add_numbers(column_builder *c, const sdf_column *in, size_t first, size_t count)
{
    uint8_t *to = c->data + c->size;
    if (in->layout == SDF_LAYOUT_SLICES) {
        for (size_t i = 0; i < count; i++)
            store_u64(to + i * 8, load_u64(in->slices[first + i].data));
    } else if (in->layout == SDF_LAYOUT_CONST) {
        uint64_t v = load_u64(in->data);
        for (size_t i = 0; i < count; i++)
            store_u64(to + i * 8, v);
    } else {
        const uint8_t *from = in->data;
        memcpy(to, from + (in->layout == SDF_LAYOUT_FIXED ? first * 8 : in->offsets[first]), count * 8);
    }
    c->size += count * 8;
    note_numbers(c, to, count);
}

static int wrong_number(const column_builder *c, int side, sdf_error **err)
{
    int rc = error_set(err, SDF_E_TYPE, "a %s of type %s that is not 8 bytes", side == SDF_KEY ? "key" : "value",
                       c->kind == TYPE_I64 ? "i64" : "f64");
    error_hint(err, "emit i64 and f64 as their 8 raw bytes, or declare the type that is emitted");
    return rc;
}

int block_builder_add(block_builder *b, const sdf_column *keys, const sdf_column *values, size_t first, size_t count,
                      sdf_error **err)
{
    const sdf_column *in[2] = {keys, values};
    uint64_t bytes[2];
    if (count == 0)
        return SDF_OK;
    for (int i = 0; i < 2; i++) {
        bytes[i] = column_measure(b->column[i].kind, in[i], first, count);
        if (bytes[i] == UINT64_MAX)
            return wrong_number(&b->column[i], i, err);
    }
    int rc = builder_reserve(b, bytes, count, err);
    if (rc != SDF_OK)
        return rc;
    for (int i = 0; i < 2; i++) {
        column_builder *c = &b->column[i];
        if (type_is_number(c->kind))
            add_numbers(c, in[i], first, count);
        else if (c->kind != TYPE_NULL)
            add_variable(c, b->count, in[i], first, count, bytes[i]);
    }
    b->count += count;
    return SDF_OK;
}

static void add_value(column_builder *c, size_t at, const sdf_slice *v)
{
    if (c->kind == TYPE_NULL)
        return;
    uint8_t *to = c->data + c->size;
    if (type_is_number(c->kind)) {
        store_u64(to, load_u64(v->data));
        note_numbers(c, to, 1);
    } else {
        if (c->same && at)
            c->same = v->size == c->lengths[0] && (!v->size || memcmp(v->data, c->data, v->size) == 0);
        bytes_copy(to, v->data, v->size);
        c->lengths[at] = (uint32_t)v->size;
        note_length(c, (uint32_t)v->size);
    }
    c->size += v->size;
}

int block_builder_add_one(block_builder *b, const sdf_slice *key, const sdf_slice *value, sdf_error **err)
{
    const sdf_slice *in[2] = {key, value};
    uint64_t bytes[2];
    for (int i = 0; i < 2; i++) {
        type_kind kind = b->column[i].kind;
        if (type_is_number(kind) && in[i]->size != 8)
            return wrong_number(&b->column[i], i, err);
        bytes[i] = kind == TYPE_NULL ? 0 : in[i]->size;
    }
    int rc = builder_reserve(b, bytes, 1, err);
    if (rc != SDF_OK)
        return rc;
    add_value(&b->column[SDF_KEY], b->count, key);
    add_value(&b->column[SDF_VALUE], b->count, value);
    b->count++;
    return SDF_OK;
}
