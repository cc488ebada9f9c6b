/* One aggregator of the library at a time, without tables: states folded, shuffled, merged, finished. */
#ifndef TESTS_EXEC_FOLDING_H
#define TESTS_EXEC_FOLDING_H

#include "harness.h"

#include <math.h>

#include "base/timebase.h"
#include "exec/builtins.h"

typedef struct folding {
    harness h;
    aggregate a;
    arena arena;
    plan_call spec;
    char *result;
} folding;

static inline void folding_init(folding *f, const char *name, const char *type, const char *arg, uint64_t memory)
{
    sdf_error *err = NULL;
    sdf_slice text = {arg, arg ? strlen(arg) : 0};
    memset(f, 0, sizeof *f);
    harness_init(&f->h, memory);
    arena_init(&f->arena, &f->h.budget, 256, 1 << 20);
    assert_int_equal(exec_register_builtins(NULL), SDF_OK);
    const function *fn = registry_find(name, type, &err);
    if (!fn || exec_bind_aggregator(&fn, type, &text, &f->spec.arg, &f->result, &err))
        fail_msg("%s of %s: %s", name, type, sdf_error_text(err));
    if (!f->result)
        f->result = strdup(fn->def.out_value ? fn->def.out_value : type);
    f->spec.function = strdup(fn->def.name);
    f->spec.version = fn->def.version;
    f->spec.label = strdup("aggregate#1");
    if (aggregate_open(&f->a, &f->h.env, &f->spec, type, fn->aggregator.state_type, f->result, &err))
        fail_msg("%s of %s: %s", name, type, sdf_error_text(err));
    aggregate_use(&f->a, &f->arena);
}

static inline void folding_free(folding *f)
{
    aggregate_close(&f->a);
    arena_free(&f->arena);
    free(f->spec.function);
    free(f->spec.label);
    buf_free(&f->spec.arg);
    free(f->result);
    assert_int_equal(f->h.budget.used, 0);
}

/* What binding a wrong argument or type says. */
static inline int folding_refused(const char *name, const char *type, const char *arg)
{
    sdf_error *err = NULL;
    sdf_slice text = {arg, arg ? strlen(arg) : 0};
    buf bound = BUF_EMPTY;
    char *result = NULL;
    assert_int_equal(exec_register_builtins(NULL), SDF_OK);
    const function *fn = registry_find(name, type, &err);
    int rc = fn ? exec_bind_aggregator(&fn, type, &text, &bound, &result, &err) : sdf_error_code(err);
    assert_true(!rc == !err);
    sdf_error_free(err);
    buf_free(&bound);
    free(result);
    return rc;
}

static inline void *folding_state(folding *f)
{
    void *state = calloc(1, f->a.state_size);
    assert_int_equal(aggregate_init(&f->a, state, NULL), SDF_OK);
    return state;
}

static inline int folding_add(folding *f, void *state, const void *data, size_t size)
{
    return aggregate_fold(&f->a, state, false, false, &(sdf_slice){data, size}, NULL);
}

static inline int folding_merge(folding *f, void *state, const buf *shuffled)
{
    return aggregate_fold(&f->a, state, false, true, &(sdf_slice){shuffled->data, shuffled->size}, NULL);
}

static inline buf folding_encode(folding *f, const void *state)
{
    sdf_slice bytes;
    buf copy = BUF_EMPTY;
    assert_int_equal(aggregate_encode(&f->a, state, &bytes, NULL), SDF_OK);
    assert_int_equal(buf_append(&copy, bytes.data, bytes.size), SDF_OK);
    return copy;
}

static inline buf folding_finish(folding *f, const void *state)
{
    sdf_slice bytes;
    buf copy = BUF_EMPTY;
    assert_int_equal(aggregate_finish(&f->a, state, &bytes, NULL), SDF_OK);
    assert_int_equal(buf_append(&copy, bytes.data, bytes.size), SDF_OK);
    return copy;
}

/* The result as text. */
static inline char *folding_text(folding *f, const void *state)
{
    buf raw = folding_finish(f, state);
    sdf_slice s = {raw.data, raw.size};
    int64_t size = sdf_format(f->result, &s, NULL, 0);
    assert_true(size >= 0);
    char *text = malloc((size_t)size + 1);
    sdf_format(f->result, &s, text, (size_t)size + 1);
    buf_free(&raw);
    return text;
}

/* A raw result of 8 bytes. */
static inline double folding_f64(folding *f, const void *state)
{
    buf raw = folding_finish(f, state);
    double d;
    assert_int_equal(raw.size, 8);
    memcpy(&d, raw.data, 8);
    buf_free(&raw);
    return d;
}
static inline int64_t folding_i64(folding *f, const void *state)
{
    buf raw = folding_finish(f, state);
    int64_t v;
    assert_int_equal(raw.size, 8);
    memcpy(&v, raw.data, 8);
    buf_free(&raw);
    return v;
}

/* Folds values in `parts` states, which are shuffled and merged in order to a fresh one. */
static inline void *folding_in_parts(folding *f, const sdf_slice *values, size_t count, size_t parts)
{
    void *whole = folding_state(f);
    for (size_t p = 0; p < parts; p++) {
        size_t from = count * p / parts, to = count * (p + 1) / parts;
        void *state = folding_state(f);
        for (size_t i = from; i < to; i++)
            assert_int_equal(folding_add(f, state, values[i].data, values[i].size), SDF_OK);
        if (from < to) {
            buf shuffled = folding_encode(f, state);
            assert_int_equal(folding_merge(f, whole, &shuffled), SDF_OK);
            buf_free(&shuffled);
        }
        free(state);
    }
    return whole;
}

/* Shuffled states that were cut, flipped, or are noise: refused, or taken as something that still finishes. */
static inline void folding_torture(folding *f, const sdf_slice *values, size_t count)
{
    rng r = {99};
    void *state = folding_in_parts(f, values, count, 1);
    buf good = folding_encode(f, state);
    for (size_t i = 0; i < 600; i++) {
        buf bad = BUF_EMPTY;
        void *fresh = folding_state(f);
        size_t cut = i < 200 ? i * good.size / 200 : good.size;
        buf_append(&bad, good.data, f->a.variable ? cut : good.size);
        for (size_t n = rng_next(&r) % 4; n && i >= 200 && bad.size; n--)
            bad.data[rng_next(&r) % bad.size] ^= (uint8_t)(1u << rng_next(&r) % 8);
        for (size_t at = 0; i >= 500 && at < bad.size; at++)
            bad.data[at] = (uint8_t)rng_next(&r);
        sdf_slice out;
        if (!folding_merge(f, fresh, &bad)) {
            folding_merge(f, fresh, &bad);
            assert_int_equal(aggregate_encode(&f->a, fresh, &out, NULL), SDF_OK);
            int rc = aggregate_finish(&f->a, fresh, &out, NULL);
            assert_true(rc == SDF_OK || f->a.result == TYPE_I64 || f->a.result == TYPE_F64);
        }
        free(fresh);
        buf_free(&bad);
    }
    buf_free(&good);
    free(state);
}

static inline sdf_slice *slices_of_doubles(const double *values, size_t count)
{
    sdf_slice *s = malloc((count + 1) * sizeof *s);
    for (size_t i = 0; i < count; i++)
        s[i] = (sdf_slice){&values[i], 8};
    return s;
}
static inline sdf_slice *slices_of_i64(const int64_t *values, size_t count)
{
    sdf_slice *s = malloc((count + 1) * sizeof *s);
    for (size_t i = 0; i < count; i++)
        s[i] = (sdf_slice){&values[i], 8};
    return s;
}

#endif
