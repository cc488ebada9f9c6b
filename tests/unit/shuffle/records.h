/* Records for the tests of this room: made from a seed, kept as plain arrays, turned into columns of any layout,
 * compared with what comes back. Independent of the code under test. */
#ifndef TEST_SHUFFLE_RECORDS_H
#define TEST_SHUFFLE_RECORDS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/batch.h"
#include "base/error.h"
#include "base/timebase.h"
#include "spec/type.h"

typedef enum shape {
    SHAPE_EMPTY,  /* no bytes */
    SHAPE_SAME,   /* all equal */
    SHAPE_FIXED,  /* 10 bytes each */
    SHAPE_SHORT,  /* 0..20 bytes */
    SHAPE_MEDIUM, /* 0..600 bytes */
    SHAPE_LONG,   /* mostly short, now and then 100 KB */
    SHAPE_I8,     /* 8-byte integers by range */
    SHAPE_I16,
    SHAPE_I32,
    SHAPE_I64,
    SHAPE_F64
} shape;

/* One column of records, owned. */
typedef struct values {
    size_t count;
    sdf_slice *at;
} values;

static inline sdf_slice value_make(rng *r, shape s)
{
    size_t size = 8;
    switch (s) {
    case SHAPE_EMPTY:
        size = 0;
        break;
    case SHAPE_SAME:
        size = 5;
        break;
    case SHAPE_FIXED:
        size = 10;
        break;
    case SHAPE_SHORT:
        size = rng_below(r, 21);
        break;
    case SHAPE_MEDIUM:
        size = rng_below(r, 601);
        break;
    case SHAPE_LONG:
        size = rng_below(r, 50) ? rng_below(r, 30) : 100000 + rng_below(r, 1000);
        break;
    default:
        break;
    }
    uint8_t *p = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        p[i] = s == SHAPE_SAME ? 'x' : (uint8_t)("abcdefgh"[rng_below(r, 8)]);
    if (s >= SHAPE_I8 && s <= SHAPE_F64) {
        uint64_t v = rng_next(r);
        int64_t n = s == SHAPE_I8 ? (int8_t)v : s == SHAPE_I16 ? (int16_t)v : s == SHAPE_I32 ? (int32_t)v : (int64_t)v;
        memcpy(p, &n, 8);
    }
    return (sdf_slice){p, size};
}

static inline values values_make(rng *r, shape s, size_t count)
{
    values v = {count, malloc((count + 1) * sizeof(sdf_slice))};
    for (size_t i = 0; i < count; i++)
        v.at[i] = value_make(r, s);
    return v;
}

static inline void values_free(values *v)
{
    for (size_t i = 0; i < v->count; i++)
        free((void *)v->at[i].data);
    free(v->at);
}

/* A column of values first..first+count in a layout that fits them; memory to be freed with column_drop. */
typedef struct made_column {
    sdf_column column;
    void *memory;
} made_column;

static inline made_column column_make(const values *v, size_t first, size_t count, sdf_layout layout)
{
    made_column m = {0};
    size_t total = 0;
    bool even = true;
    for (size_t i = 0; i < count; i++) {
        total += v->at[first + i].size;
        even = even && v->at[first + i].size == v->at[first].size;
    }
    bool same = even;
    for (size_t i = 0; same && i < count; i++)
        same = memcmp(v->at[first + i].data, v->at[first].data, v->at[first].size) == 0;
    if (layout == SDF_LAYOUT_CONST && same && count) {
        column_set_const(&m.column, v->at[first].data, v->at[first].size);
    } else if ((layout == SDF_LAYOUT_FIXED && even && count) || layout == SDF_LAYOUT_OFFSETS) {
        /* Off by one byte, so that numbers are not aligned. */
        uint8_t *p = malloc(total + 1);
        uint32_t *offsets = malloc((count + 1) * 4);
        size_t at = 0;
        for (size_t i = 0; i < count; i++) {
            offsets[i] = (uint32_t)at;
            memcpy(p + 1 + at, v->at[first + i].data, v->at[first + i].size);
            at += v->at[first + i].size;
        }
        offsets[count] = (uint32_t)at;
        m.memory = p;
        if (layout == SDF_LAYOUT_FIXED) {
            column_set_fixed(&m.column, p + 1, (uint32_t)v->at[first].size);
            free(offsets);
        } else {
            column_set_null(&m.column);
            m.column.layout = SDF_LAYOUT_OFFSETS;
            m.column.data = p + 1;
            m.column.offsets = offsets;
        }
    } else {
        column_set_slices(&m.column, v->at + first);
    }
    return m;
}

static inline void column_drop(made_column *m)
{
    if (m->column.layout == SDF_LAYOUT_OFFSETS)
        free((void *)m->column.offsets);
    free(m->memory);
}

/* The batch holds exactly values[at..]. */
static inline void assert_batch(const sdf_batch *b, const values *keys, const values *vals, size_t at)
{
    assert_true(b->count > 0 && b->count <= SDF_BATCH_MAX);
    assert_true(at + b->count <= keys->count);
    for (size_t i = 0; i < b->count; i++) {
        sdf_slice k = column_get(&b->key, i), v = column_get(&b->value, i);
        assert_int_equal(k.size, keys->at[at + i].size);
        assert_int_equal(v.size, vals->at[at + i].size);
        if (k.size)
            assert_memory_equal(k.data, keys->at[at + i].data, k.size);
        if (v.size)
            assert_memory_equal(v.data, vals->at[at + i].data, v.size);
    }
}

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        sdf_error *e_ = NULL;                                                                                          \
        sdf_error **err = &e_;                                                                                         \
        int rc_ = (call);                                                                                              \
        if (rc_ != SDF_OK)                                                                                             \
            fail_msg("%s: %d %s", #call, rc_, sdf_error_text(e_));                                                     \
    } while (0)

#define assert_fails(code, call)                                                                                       \
    do {                                                                                                               \
        sdf_error *e_ = NULL;                                                                                          \
        sdf_error **err = &e_;                                                                                         \
        int rc_ = (call);                                                                                              \
        assert_int_equal(rc_, code);                                                                                   \
        assert_int_equal(sdf_error_code(e_), code);                                                                    \
        assert_true(*sdf_error_message(e_) != 0);                                                                      \
        sdf_error_free(e_);                                                                                            \
    } while (0)

#endif
