/* The functions that virtual workers run: the operators of data.c as a host would write them. */
#include <stdlib.h>
#include <string.h>

#include <sdf/key.h>
#include <sdf/shared.h>

#include "exec/exec.h"
#include "sim.h"

static int give(sdf_out *out, const rec *r)
{
    sdf_slice key = {r->key, r->key_size};
    return sdf_emit_i64(out, &key, r->value);
}

static int run_step(step_kind k, const sdf_record *in, sdf_out *out)
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
    return run_step(STEP_SHIFT, in, out);
}

static int odd(const sdf_record *in, sdf_out *out, void *state)
{
    rec made[2], r = {.key_size = (uint8_t)in->key.size, .value = sdf_slice_i64(&in->value)};
    return (int)step_apply(STEP_ODD, &r, made);
}

static int expand(const sdf_record *in, sdf_out *out, void *state)
{
    return run_step(STEP_EXPAND, in, out);
}

static int flaky(const sdf_record *in, sdf_out *out, void *state)
{
    if (sim_running && sim_running->user_fails)
        return sdf_fail(out, "told to fail");
    return run_step(STEP_FLAKY, in, out);
}

/* The key stays, whatever is emitted as one. */
static int values(const sdf_record *in, sdf_out *out, void *state)
{
    rec made[2], r = {.value = sdf_slice_i64(&in->value)};
    sdf_slice other = {"not the key", 11};
    step_apply(STEP_VALUES, &r, made);
    return sdf_emit_i64(out, &other, made[0].value);
}

/* Its argument is the counter's name, which lives as long as the state. */
static int open_name(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    *state = strndup(arg->data, arg->size);
    return *state ? SDF_OK : SDF_E_NO_MEMORY;
}

static int counted(const sdf_record *in, sdf_out *out, void *state)
{
    rec r = {.key_size = (uint8_t)in->key.size, .value = sdf_slice_i64(&in->value)};
    int rc = sdf_accumulate(out, state, step_counts(&r));
    return rc ? rc : run_step(STEP_COUNTED, in, out);
}

static int picky(const sdf_record *in, sdf_out *out, void *state)
{
    rec r = {.key_size = (uint8_t)in->key.size, .value = sdf_slice_i64(&in->value)};
    return step_refuses(&r) ? sdf_fail(out, "not this one") : run_step(STEP_PICKY, in, out);
}

static int open_bonus(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    sdf_slice bytes;
    int rc = sdf_task_broadcast(task, "bonus", &bytes, err);
    *state = (void *)(uintptr_t)bytes.data;
    return rc;
}

static int bonus(const sdf_record *in, sdf_out *out, void *state)
{
    int64_t more;
    memcpy(&more, state, sizeof more);
    return sdf_emit_i64(out, &in->key, sdf_slice_i64(&in->value) + more);
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

/* The number that a record of a range is, as a record with a key. */
static int name(const sdf_record *in, sdf_out *out, void *state)
{
    rec r;
    number_record(sdf_slice_i64(&in->value), &r);
    return give(out, &r);
}

static int fold_values(sdf_values *all, int64_t *folded)
{
    int64_t sum = 0, count = 0, largest = 0;
    sdf_slice v;
    int rc;
    while ((rc = sdf_values_next(all, &v)) == SDF_OK) {
        int64_t x = sdf_slice_i64(&v);
        sum += x;
        largest = count == 0 || x > largest ? x : largest;
        count++;
    }
    *folded = fold_value(sum, count, largest);
    return rc == SDF_END ? SDF_OK : rc;
}

static int fold(const sdf_slice *key, sdf_values *all, sdf_out *out, void *state)
{
    int64_t folded;
    int rc = fold_values(all, &folded);
    return rc ? rc : sdf_emit_i64(out, key, folded);
}

static int meet(const sdf_slice *key, sdf_values *const *sides, size_t count, sdf_out *out, void *state)
{
    int64_t left = 0, right = 0;
    int rc = count == 2 ? fold_values(sides[0], &left) : SDF_E_INVALID;
    rc = rc ? rc : fold_values(sides[1], &right);
    return rc ? rc : sdf_emit_i64(out, key, left * 2 + right * 3);
}

/* A joined record's tuple of two numbers, each of which may be missing. */
static int pair(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_slice rest = in->value;
    int64_t numbers[2];
    int kinds[2], exact;
    if (sdf_key_next(&rest, NULL, NULL, NULL, NULL) != SDF_ITEM_TUPLE)
        return sdf_fail(out, "a joined value is no tuple");
    for (int i = 0; i < 2; i++) {
        kinds[i] = sdf_key_next(&rest, &numbers[i], NULL, &exact, NULL);
        if (kinds[i] != SDF_ITEM_NULL && (kinds[i] != SDF_ITEM_NUMBER || !exact))
            return sdf_fail(out, "a joined value is no number");
    }
    int64_t value =
        pair_value(kinds[0] == SDF_ITEM_NULL ? NULL : &numbers[0], kinds[1] == SDF_ITEM_NULL ? NULL : &numbers[1]);
    return sdf_emit_i64(out, &in->key, value);
}

/* Of a numbered element its key, and the number. */
static int number(const sdf_record *in, sdf_out *out, void *state)
{
    char key[64];
    sdf_slice rest = in->key, escaped;
    if (sdf_key_next(&rest, NULL, NULL, NULL, NULL) != SDF_ITEM_TUPLE ||
        sdf_key_next(&rest, NULL, NULL, NULL, &escaped) != SDF_ITEM_BYTES || escaped.size > sizeof key)
        return sdf_fail(out, "a numbered record is no element");
    sdf_slice whole = {key, sdf_key_unescape(&escaped, key)};
    return sdf_emit_i64(out, &whole, sdf_slice_i64(&in->value));
}

static int register_maps(sdf_error **err)
{
    static const struct {
        const char *name;
        sdf_map_fn map;
        const char *in_key, *in_value;
        sdf_open_fn open;
        sdf_close_fn close;
    } maps[] = {
        {"sim.shift", shift, SDF_BYTES, SDF_I64, NULL, NULL},
        {"sim.expand", expand, SDF_BYTES, SDF_I64, NULL, NULL},
        {"sim.values", values, SDF_BYTES, SDF_I64, NULL, NULL},
        {"sim.flaky", flaky, SDF_BYTES, SDF_I64, NULL, NULL},
        {"sim.counted", counted, SDF_BYTES, SDF_I64, open_name, free},
        {"sim.picky", picky, SDF_BYTES, SDF_I64, NULL, NULL},
        {"sim.bonus", bonus, SDF_BYTES, SDF_I64, open_bonus, NULL},
        {"sim.unstable", unstable, SDF_BYTES, SDF_I64, NULL, NULL},
        {"sim.words", words, NULL, SDF_BYTES, NULL, NULL},
        {"sim.load", load, SDF_BYTES, SDF_BYTES, NULL, NULL},
        {"sim.name", name, NULL, SDF_I64, NULL, NULL},
        {"sim.pair", pair, SDF_BYTES, NULL, NULL, NULL},
        {"sim.number", number, NULL, SDF_I64, NULL, NULL},
    };
    int rc = SDF_OK;
    for (size_t i = 0; i < sizeof maps / sizeof *maps && !rc; i++) {
        sdf_function f;
        sdf_function_init(&f);
        f.name = maps[i].name;
        f.map = maps[i].map;
        f.open = maps[i].open;
        f.close = maps[i].close;
        f.in_key = maps[i].in_key;
        f.in_value = maps[i].in_value;
        f.out_key = SDF_BYTES;
        f.out_value = SDF_I64;
        rc = sdf_register(&f, err);
    }
    return rc;
}

int functions_register(sdf_error **err)
{
    sdf_function f;
    int rc = register_maps(err);
    sdf_function_init(&f);
    f.name = "sim.odd";
    f.filter = odd;
    f.in_value = SDF_I64;
    rc = rc ? rc : sdf_register(&f, err);
    sdf_function_init(&f);
    f.name = "sim.fold";
    f.group = fold;
    f.in_value = SDF_I64;
    f.out_value = SDF_I64;
    rc = rc ? rc : sdf_register(&f, err);
    sdf_function_init(&f);
    f.name = "sim.meet";
    f.cogroup = meet;
    f.out_value = SDF_I64;
    rc = rc ? rc : sdf_register(&f, err);
    return rc ? rc : exec_register_builtins(err);
}
