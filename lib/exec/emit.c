/* sdf_emit and its kin: what a function of the host calls. Checks the call, the types and the views;
 * the collecting itself is out.c's. */
#include <stdio.h>

#include "base/error.h"
#include "base/wire.h"
#include "exec/out.h"

static const char *const kind_names[] = {"bytes", "i64", "f64", "null", "tuple", "optional", "any"};

static int emit_refused(sdf_out *out)
{
    if (out->status)
        return out->status;
    if (out->call == OUT_MUTE) {
        error_set(&out->error, SDF_E_INVALID,
                  "a filter emitted a record: it may only keep or drop the one it was given");
        error_hint(&out->error, "return 1 or 0, or use the function with flat_map");
    } else {
        error_set(&out->error, SDF_E_INVALID, "a function emitted outside of its own call");
        error_hint(&out->error, "an sdf_out may be used only until the function it was given to returns");
    }
    return out_trouble(out, SDF_E_INVALID, false);
}

static int emit_mistyped(sdf_out *out, const out_side *side, size_t size)
{
    error_set(&out->error, SDF_E_TYPE, "a %s of %zu bytes was emitted where the type %s takes exactly %zu",
              side == &out->key ? "key" : "value", size, kind_names[side->kind], side->want);
    error_hint(&out->error, "emit %s, or declare another type for the function",
               side->want ? "the number's 8 bytes (sdf_emit_i64, sdf_emit_f64)" : "NULL");
    return out_trouble(out, SDF_E_TYPE, false);
}

static int emit_bad_column(sdf_out *out, const char *why)
{
    error_set(&out->error, SDF_E_INVALID, "sdf_emit_columns: %s", why);
    return out_trouble(out, SDF_E_INVALID, false);
}

/* SDF_OK when records can be taken now. */
static inline int emit_ready(sdf_out *out)
{
    if (!out)
        return SDF_E_INVALID;
    if (__builtin_expect(out->call != OUT_OPEN || out->status, 0))
        return emit_refused(out);
    return SDF_OK;
}

static inline int emit_typed(sdf_out *out, const out_side *side, size_t size)
{
    return side->want == SIZE_MAX || side->want == size ? SDF_OK : emit_mistyped(out, side, size);
}

static int emit_dangling(sdf_out *out)
{
    error_set(&out->error, SDF_E_INVALID, "a key or value was emitted that has a size but no data");
    return out_trouble(out, SDF_E_INVALID, false);
}

/* Both sides of a record, before anything is taken. */
static inline int emit_check(sdf_out *out, const sdf_slice *key, const sdf_slice *value)
{
    int rc = emit_ready(out);
    if (rc || (rc = emit_typed(out, &out->key, key->size)) || (rc = emit_typed(out, &out->value, value->size)))
        return rc;
    return (key->size && !key->data) || (value->size && !value->data) ? emit_dangling(out) : SDF_OK;
}

/* The first value is what a collector of one keeps; it counts the others, so that taking it can say how many. */
static inline bool emit_surplus(sdf_out *out)
{
    if (out->next || !out->count)
        return false;
    out->emitted++;
    return true;
}

static inline int emit_done(sdf_out *out, uint8_t view)
{
    out->views[out->count++] = view;
    out->emitted++;
    return out->count == SDF_BATCH_MAX && out->next ? out_push(out) : SDF_OK;
}

static inline void side_copy(sdf_out *out, out_side *side, const sdf_slice *value)
{
    if (type_is_number(side->kind)) {
        side->values.words[out->count] = load_u64(value->data);
    } else if (side->want) {
        uint8_t *to = out->bytes + out->used;
        if (value->size)
            memcpy(to, value->data, value->size);
        side->values.slices[out->count] = (sdf_slice){to, value->size};
        out->used += value->size;
    }
}

static inline void side_view(sdf_out *out, out_side *side, const sdf_slice *value)
{
    if (type_is_number(side->kind))
        side->values.words[out->count] = load_u64(value->data);
    else if (side->want)
        side->values.slices[out->count] = *value;
}

static const sdf_slice nothing = {NULL, 0};

/* A record of which the operator gives one side itself (out_own). view: the other one need not be copied. */
static int emit_owned(sdf_out *out, const sdf_slice *key, const sdf_slice *value, bool view)
{
    bool own_key = out->own_side == SDF_KEY;
    key = own_key ? &out->own : key;
    value = own_key ? value : &out->own;
    int rc = emit_check(out, key, value);
    if (rc)
        return rc;
    bool key_view = own_key ? out->own_view : view, value_view = own_key ? view : out->own_view;
    size_t size = (key_view ? 0 : key->size) + (value_view ? 0 : value->size);
    if (size > out->capacity - out->used && (rc = out_reserve(out, size)))
        return rc;
    (key_view ? side_view : side_copy)(out, &out->key, key);
    (value_view ? side_view : side_copy)(out, &out->value, value);
    return emit_done(out, key_view || value_view);
}

int sdf_emit(sdf_out *out, const sdf_slice *key, const sdf_slice *value)
{
    key = key ? key : &nothing;
    value = value ? value : &nothing;
    if (__builtin_expect(out && out->owning, 0))
        return emit_owned(out, key, value, false);
    int rc = emit_check(out, key, value);
    if (rc)
        return rc;
    if (emit_surplus(out))
        return SDF_OK;
    size_t size = key->size + value->size;
    if (size > out->capacity - out->used && (rc = out_reserve(out, size)))
        return rc;
    side_copy(out, &out->key, key);
    side_copy(out, &out->value, value);
    return emit_done(out, 0);
}

static int emit_from_stack(sdf_out *out, const char *what)
{
    error_set(&out->error, SDF_E_INVALID,
              "sdf_emit_view: the %s lies on the function's stack, which is gone when it is read", what);
    error_hint(&out->error, "use sdf_emit, which copies; views may point only into the input batch or static data");
    return out_trouble(out, SDF_E_INVALID, false);
}

int sdf_emit_view(sdf_out *out, const sdf_slice *key, const sdf_slice *value)
{
    key = key ? key : &nothing;
    value = value ? value : &nothing;
    int rc = emit_ready(out);
    if (rc)
        return rc;
    if (key->size && stack_holds(key->data))
        return emit_from_stack(out, "key");
    if (value->size && stack_holds(value->data))
        return emit_from_stack(out, "value");
    if (__builtin_expect(out->owning, 0))
        return emit_owned(out, key, value, true);
    if ((rc = emit_check(out, key, value)))
        return rc;
    if (emit_surplus(out))
        return SDF_OK;
    side_view(out, &out->key, key);
    side_view(out, &out->value, value);
    return emit_done(out, 1);
}

static int emit_number(sdf_out *out, const sdf_slice *key, type_kind kind, uint64_t bits)
{
    key = key ? key : &nothing;
    if (__builtin_expect(out && out->owning, 0) && (out->own_side == SDF_VALUE || out->value.kind == kind))
        return emit_owned(out, key, &(sdf_slice){&bits, sizeof bits}, false);
    int rc = emit_ready(out);
    if (rc || (rc = emit_typed(out, &out->key, key->size)))
        return rc;
    if (key->size && !key->data)
        return emit_dangling(out);
    if (out->value.kind != kind) {
        error_set(&out->error, SDF_E_TYPE, "a value of type %s was emitted where the function declares %s",
                  kind_names[kind], kind_names[out->value.kind]);
        error_hint(&out->error, "declare the function's out_value as \"%s\"", kind_names[kind]);
        return out_trouble(out, SDF_E_TYPE, false);
    }
    if (emit_surplus(out))
        return SDF_OK;
    if (key->size > out->capacity - out->used && (rc = out_reserve(out, key->size)))
        return rc;
    side_copy(out, &out->key, key);
    out->value.values.words[out->count] = bits;
    return emit_done(out, 0);
}

int sdf_emit_i64(sdf_out *out, const sdf_slice *key, int64_t value)
{
    return emit_number(out, key, TYPE_I64, (uint64_t)value);
}

int sdf_emit_f64(sdf_out *out, const sdf_slice *key, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return emit_number(out, key, TYPE_F64, bits);
}

int out_keep(sdf_out *out, const sdf_slice *key, const sdf_slice *value)
{
    if (out->status)
        return out->status;
    side_view(out, &out->key, key);
    side_view(out, &out->value, value);
    return emit_done(out, 1);
}

/* Why a column of the host's can't be read, or NULL. What offsets and slices hold is checked value by value. */
static const char *column_fault(const sdf_column *c)
{
    if (c->struct_size < sizeof *c)
        return "struct_size of a column is not set";
    if (column_is_newer(c))
        return "a column has fields that this version does not know";
    switch (c->layout) {
    case SDF_LAYOUT_CONST:
        return c->size && !c->data ? "a constant column has a size but no data" : NULL;
    case SDF_LAYOUT_FIXED:
        return c->width && !c->data ? "a fixed column has no data" : NULL;
    case SDF_LAYOUT_SLICES:
        return c->slices ? NULL : "a column of slices has no slices";
    case SDF_LAYOUT_OFFSETS:
        return c->offsets ? NULL : "a column of offsets has no offsets";
    default:
        return "a column has an unknown layout";
    }
}

/* Checks values first.. of a column; *size grows by the bytes they need (a constant is copied once). */
static int column_measure(sdf_out *out, const out_side *side, const sdf_column *c, size_t first, size_t count,
                          size_t *size)
{
    int rc;
    if (c->layout == SDF_LAYOUT_CONST || c->layout == SDF_LAYOUT_FIXED) {
        size_t each = c->layout == SDF_LAYOUT_CONST ? c->size : c->width;
        if ((rc = emit_typed(out, side, each)))
            return rc;
        *size += side->want != SIZE_MAX ? 0 : c->layout == SDF_LAYOUT_CONST ? each : each * count;
        return SDF_OK;
    }
    for (size_t i = first; i < first + count; i++) {
        if (c->layout == SDF_LAYOUT_OFFSETS && c->offsets[i] > c->offsets[i + 1])
            return emit_bad_column(out, "the offsets of a column descend");
        sdf_slice v = column_get(c, i);
        if ((rc = emit_typed(out, side, v.size)))
            return rc;
        if (v.size && !v.data)
            return emit_bad_column(out, "a value has a size but no data");
        *size += side->want != SIZE_MAX ? 0 : v.size;
    }
    return SDF_OK;
}

static void column_copy(sdf_out *out, out_side *side, const sdf_column *c, size_t first, size_t count)
{
    size_t at = out->count;
    if (!side->want)
        return;
    if (type_is_number(side->kind)) {
        if (c->layout == SDF_LAYOUT_FIXED) {
            memcpy(side->values.words + at, (const uint8_t *)c->data + first * 8, count * 8);
            return;
        }
        for (size_t i = 0; i < count; i++)
            side->values.words[at + i] = load_u64(column_get(c, first + i).data);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sdf_slice v = column_get(c, first + i);
        if (i && c->layout == SDF_LAYOUT_CONST) {
            side->values.slices[at + i] = side->values.slices[at];
            continue;
        }
        uint8_t *to = out->bytes + out->used;
        if (v.size)
            memcpy(to, v.data, v.size);
        side->values.slices[at + i] = (sdf_slice){to, v.size};
        out->used += v.size;
    }
}

/* The next few of `left` records: as many as fit in a batch and, in large values, in its usual memory. */
static int emit_part(sdf_out *out, const sdf_column *keys, const sdf_column *values, size_t first, size_t left,
                     size_t *done)
{
    size_t room = SDF_BATCH_MAX - out->count, n = left < room ? left : room, size;
    int rc;
    for (;; n /= 2) {
        size = 0;
        if ((rc = column_measure(out, &out->key, keys, first, n, &size)) ||
            (rc = column_measure(out, &out->value, values, first, n, &size)))
            return rc;
        if (size <= OUT_BYTES || n == 1)
            break;
    }
    if (size > out->capacity - out->used && (rc = out_reserve(out, size)))
        return rc;
    column_copy(out, &out->key, keys, first, n);
    column_copy(out, &out->value, values, first, n);
    memset(out->views + out->count, 0, n);
    out->count += n;
    out->emitted += n;
    *done = n;
    return out->count == SDF_BATCH_MAX ? out_push(out) : SDF_OK;
}

static int emit_columns_owned(sdf_out *out, size_t count, const sdf_column *keys, const sdf_column *values)
{
    int rc = SDF_OK;
    for (size_t i = 0; i < count && !rc; i++) {
        sdf_slice key = column_get(keys, i), value = column_get(values, i);
        rc = emit_owned(out, &key, &value, false);
    }
    return rc;
}

int sdf_emit_columns(sdf_out *out, size_t count, const sdf_column *keys, const sdf_column *values)
{
    sdf_column null;
    size_t done;
    int rc = emit_ready(out);
    if (rc)
        return rc;
    if (!out->next)
        return emit_bad_column(out, "this function emits one value, by sdf_emit");
    column_set_null(&null);
    keys = keys ? keys : &null;
    values = values ? values : &null;
    const char *fault = column_fault(keys) ? column_fault(keys) : column_fault(values);
    if (fault)
        return emit_bad_column(out, fault);
    if (out->owning)
        return emit_columns_owned(out, count, keys, values);
    for (size_t first = 0; first < count && !rc; first += done)
        if ((rc = emit_part(out, keys, values, first, count - first, &done)))
            break;
    return rc;
}

int sdf_fail(sdf_out *out, const char *message)
{
    if (!out)
        return SDF_E_USER;
    if (out->call == OUT_CLOSED)
        return emit_refused(out);
    snprintf(out->message, sizeof out->message, "%s", message ? message : "");
    out->failing = true;
    return SDF_E_USER;
}
