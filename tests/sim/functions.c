/* The functions that virtual workers run: the operators of data.c as a host would write them. */
#include <string.h>

#include "exec/exec.h"
#include "sim.h"

static int give(sdf_out *out, const rec *r)
{
    sdf_slice key = {r->key, r->key_size};
    return sdf_emit_i64(out, &key, r->value);
}

static int step(step_kind k, const sdf_record *in, sdf_out *out)
{
    rec r = {.key_size = (uint8_t)(in->key.size < KEY_MAX ? in->key.size : KEY_MAX),
             .value = sdf_slice_i64(&in->value)};
    rec made[2];
    if (r.key_size)
        memcpy(r.key, in->key.data, r.key_size);
    uint32_t n = step_apply(k, &r, made);
    int rc = SDF_OK;
    for (uint32_t i = 0; i < n && !rc; i++)
        rc = give(out, &made[i]);
    return rc;
}

static int shift(const sdf_record *in, sdf_out *out, void *state)
{
    return step(STEP_SHIFT, in, out);
}

static int odd(const sdf_record *in, sdf_out *out, void *state)
{
    rec made[2], r = {.key_size = (uint8_t)in->key.size, .value = sdf_slice_i64(&in->value)};
    return (int)step_apply(STEP_ODD, &r, made);
}

static int expand(const sdf_record *in, sdf_out *out, void *state)
{
    return step(STEP_EXPAND, in, out);
}

static int flaky(const sdf_record *in, sdf_out *out, void *state)
{
    if (sim_running && sim_running->user_fails)
        return sdf_fail(out, "told to fail");
    return step(STEP_FLAKY, in, out);
}

/* Which run of which task and leg: another value each time it is run. */
static int unstable(const sdf_record *in, sdf_out *out, void *state)
{
    const call *c = sim_running;
    int64_t value = c ? ((int64_t)c->task << 48 | (int64_t)(c->leg & 0xffff) << 32 | (int64_t)c->number) : 0;
    return sdf_emit_i64(out, &in->key, value);
}

/* Words between blanks and tabs, each with 1. */
static int words(const sdf_record *in, sdf_out *out, void *state)
{
    const char *at = in->value.data;
    size_t size = in->value.size;
    for (size_t i = 0, end; i < size; i = end + 1) {
        for (end = i; end < size && at[end] != ' ' && at[end] != '\t'; end++)
            ;
        sdf_slice word = {at + i, end - i};
        int rc = word.size ? sdf_emit_i64(out, &word, 1) : SDF_OK;
        if (rc)
            return rc;
    }
    return SDF_OK;
}

/* The bytes of a binary record's value as a number. */
static int load(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_i64(out, &in->key, sdf_slice_i64(&in->value));
}

static int fold(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    int64_t sum = 0, count = 0, largest = INT64_MIN;
    sdf_slice v;
    int rc;
    while ((rc = sdf_values_next(values, &v)) == SDF_OK) {
        int64_t x = sdf_slice_i64(&v);
        sum += x;
        count++;
        largest = x > largest ? x : largest;
    }
    return rc == SDF_END ? sdf_emit_i64(out, key, fold_value(sum, count, largest)) : rc;
}

int functions_register(sdf_error **err)
{
    static const struct {
        const char *name;
        sdf_map_fn map;
        const char *in_value;
    } maps[] = {{"sim.shift", shift, SDF_I64},       {"sim.expand", expand, SDF_I64}, {"sim.flaky", flaky, SDF_I64},
                {"sim.unstable", unstable, SDF_I64}, {"sim.words", words, SDF_BYTES}, {"sim.load", load, SDF_BYTES}};
    sdf_function f;
    int rc = SDF_OK;
    for (size_t i = 0; i < sizeof maps / sizeof *maps && !rc; i++) {
        sdf_function_init(&f);
        f.name = maps[i].name;
        f.map = maps[i].map;
        f.in_value = maps[i].in_value;
        f.out_key = SDF_BYTES;
        f.out_value = SDF_I64;
        rc = sdf_register(&f, err);
    }
    sdf_function_init(&f);
    f.name = "sim.odd";
    f.filter = odd;
    f.in_value = SDF_I64;
    if (!rc)
        rc = sdf_register(&f, err);
    sdf_function_init(&f);
    f.name = "sim.fold";
    f.group = fold;
    f.in_value = SDF_I64;
    f.out_value = SDF_I64;
    rc = rc ? rc : sdf_register(&f, err);
    return rc ? rc : exec_register_builtins(err);
}
