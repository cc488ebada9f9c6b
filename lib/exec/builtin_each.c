/* "sdf.each": an aggregator of fixed size for each field of a tuple, all in one pass over the values and one state.
 * When a plan is made, "sum mean" over tuple(i64,f64) becomes "sum.i64 mean.f64" of the function whose states have as
 * many slots of 8 bytes as that needs; the tuple is decoded where it lies. */
#include <stdio.h>

#include "base/error.h"
#include "exec/builtins.h"
#include "exec/moments.h"

#define EACH_MAX 64 /* fields, and slots */

typedef enum each_kind {
    EACH_COUNT,
    EACH_SUM_I64,
    EACH_SUM_F64,
    EACH_MIN_I64,
    EACH_MIN_F64,
    EACH_MAX_I64,
    EACH_MAX_F64,
    EACH_MEAN_I64,
    EACH_MEAN_F64,
    EACH_VARIANCE_I64,
    EACH_VARIANCE_F64,
    EACH_STDEV_I64,
    EACH_STDEV_F64,
    EACH_KINDS
} each_kind;

#define MOMENT_SLOTS 3
_Static_assert(sizeof(mean_i64) == 24 && sizeof(mean_f64) == 24 && sizeof(moments) == 24, "slots of moments");

static const struct {
    const char *name;
    uint8_t slots;
    bool i64; /* reads whole numbers */
    const char *result;
} kinds[EACH_KINDS] = {
    [EACH_COUNT] = {"count", 1, false, SDF_I64},
    [EACH_SUM_I64] = {"sum.i64", 1, true, SDF_I64},
    [EACH_SUM_F64] = {"sum.f64", 1, false, SDF_F64},
    [EACH_MIN_I64] = {"min.i64", 1, true, SDF_I64},
    [EACH_MIN_F64] = {"min.f64", 1, false, SDF_F64},
    [EACH_MAX_I64] = {"max.i64", 1, true, SDF_I64},
    [EACH_MAX_F64] = {"max.f64", 1, false, SDF_F64},
    [EACH_MEAN_I64] = {"mean.i64", MOMENT_SLOTS, true, SDF_F64},
    [EACH_MEAN_F64] = {"mean.f64", MOMENT_SLOTS, false, SDF_F64},
    [EACH_VARIANCE_I64] = {"variance.i64", MOMENT_SLOTS, true, SDF_F64},
    [EACH_VARIANCE_F64] = {"variance.f64", MOMENT_SLOTS, false, SDF_F64},
    [EACH_STDEV_I64] = {"stdev.i64", MOMENT_SLOTS, true, SDF_F64},
    [EACH_STDEV_F64] = {"stdev.f64", MOMENT_SLOTS, false, SDF_F64},
};

typedef struct each {
    uint32_t count;
    struct {
        uint8_t kind, slot;
    } fields[EACH_MAX];
} each;

typedef union slot {
    int64_t i64;
    double f64;
} slot;

/* ---- words of the argument ---- */

/* The next word of *rest, which are parted by blanks or commas; false: there is none. */
static bool next_word(sdf_slice *rest, sdf_slice *word)
{
    const char *p = rest->data, *end = p + rest->size;
    while (p < end && (*p == ' ' || *p == ','))
        p++;
    *word = (sdf_slice){p, 0};
    while (p < end && *p != ' ' && *p != ',')
        p++;
    word->size = (size_t)(p - (const char *)word->data);
    *rest = (sdf_slice){p, (size_t)(end - p)};
    return word->size;
}

/* EACH_KINDS: there is none of this name. */
static each_kind kind_of(const sdf_slice *word, const char *type)
{
    char name[32];
    int size = snprintf(name, sizeof name, "%.*s%s%s", (int)(word->size < 20 ? word->size : 20),
                        (const char *)word->data, type ? "." : "", type ? type : "");
    for (unsigned k = 0; k < EACH_KINDS && word->size < 20; k++)
        if (strlen(kinds[k].name) == (size_t)size && !memcmp(kinds[k].name, name, (size_t)size))
            return (each_kind)k;
    return EACH_KINDS;
}

/* ---- open: a bound argument, for states of so many slots ---- */

static int each_open(const sdf_slice *arg, uint32_t slots, void **state, sdf_error **err)
{
    each *e = calloc(1, sizeof *e);
    sdf_slice rest = *arg, word;
    uint32_t used = 0;
    if (!e)
        return error_no_memory(err);
    while (next_word(&rest, &word)) {
        each_kind kind = kind_of(&word, NULL);
        if (kind == EACH_KINDS || e->count == EACH_MAX || used + kinds[kind].slots > slots) {
            free(e);
            return error_set(err, SDF_E_INVALID, "sdf.each was not bound to the type of its values");
        }
        e->fields[e->count].kind = (uint8_t)kind;
        e->fields[e->count++].slot = (uint8_t)used;
        used += kinds[kind].slots;
    }
    *state = e;
    return SDF_OK;
}

/* ---- states ---- */

static int each_init(void *state, sdf_memory *memory, void *user)
{
    const each *e = user;
    for (uint32_t i = 0; i < e->count; i++) {
        slot *s = (slot *)state + e->fields[i].slot;
        switch (e->fields[i].kind) {
        case EACH_MIN_I64:
            s->i64 = INT64_MAX;
            break;
        case EACH_MAX_I64:
            s->i64 = INT64_MIN;
            break;
        case EACH_MIN_F64:
            s->f64 = NAN;
            break;
        case EACH_MAX_F64:
            s->f64 = -INFINITY;
            break;
        default:
            break;
        }
    }
    return SDF_OK;
}

static inline int slot_add(slot *s, each_kind kind, int64_t i, double d)
{
    switch (kind) {
    case EACH_COUNT:
        s->i64++;
        break;
    case EACH_SUM_I64:
        return __builtin_add_overflow(s->i64, i, &s->i64) ? SDF_E_LIMIT : SDF_OK;
    case EACH_SUM_F64:
        s->f64 += d;
        break;
    case EACH_MIN_I64:
        s->i64 = i < s->i64 ? i : s->i64;
        break;
    case EACH_MAX_I64:
        s->i64 = i > s->i64 ? i : s->i64;
        break;
    case EACH_MIN_F64:
        s->f64 = f64_below(d, s->f64) ? d : s->f64;
        break;
    case EACH_MAX_F64:
        s->f64 = f64_below(s->f64, d) ? d : s->f64;
        break;
    case EACH_MEAN_I64:
        mean_i64_add((mean_i64 *)s, i);
        break;
    case EACH_MEAN_F64:
        mean_f64_add((mean_f64 *)s, d);
        break;
    default:
        moments_add((moments *)s, kinds[kind].i64 ? (double)i : d);
        break;
    }
    return SDF_OK;
}

/* Reads a number's item. false: a whole number was asked for, and it is none. */
static inline bool number_read(const uint8_t *item, bool whole, int64_t *i, double *d)
{
    uint64_t bits = __builtin_bswap64(load_u64(item + 1));
    bits = bits >> 63 ? bits & ~(UINT64_C(1) << 63) : ~bits;
    memcpy(d, &bits, sizeof *d);
    if (!whole)
        return true;
    if (!(*d >= -0x1p63 && *d < 0x1p63))
        return false;
    *i = (int64_t)*d + (item[9] << 8 | item[10]); /* what is left is less than the distance to the next double */
    return true;
}

static inline int each_add(const each *e, slot *state, const sdf_slice *value)
{
    const uint8_t *p = value->data, *end = p + value->size;
    if (!value->size || *p++ != SDF_ITEM_TUPLE)
        return SDF_E_CORRUPT;
    for (uint32_t f = 0; f < e->count; f++) {
        each_kind kind = e->fields[f].kind;
        int64_t i = 0;
        double d = 0;
        if (end - p > ITEM_NUMBER_BYTES && *p == SDF_ITEM_NUMBER) {
            if (!number_read(p, kinds[kind].i64, &i, &d))
                return SDF_E_CORRUPT;
            p += ITEM_NUMBER_BYTES;
        } else {
            sdf_slice rest = {p, (size_t)(end - p)};
            if (kind != EACH_COUNT || !item_skip(&rest))
                return SDF_E_CORRUPT;
            p = rest.data;
        }
        int rc = slot_add(state + e->fields[f].slot, kind, i, d);
        if (rc)
            return rc;
    }
    return p + 1 == end && *p == SDF_ITEM_TUPLE_END ? SDF_OK : SDF_E_CORRUPT;
}

static int each_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    return each_add(user, state, value);
}

static int each_many(void *const *states, const sdf_column *values, size_t count, void *user)
{
    int rc = SDF_OK;
    for (size_t i = 0; i < count && !rc; i++) {
        sdf_slice value = column_get(values, i);
        rc = each_add(user, states[i], &value);
    }
    return rc;
}

static int slot_merge(slot *s, each_kind kind, const slot *other)
{
    bool good = true;
    switch (kind) {
    case EACH_COUNT:
        if (other->i64 < 0)
            return SDF_E_CORRUPT;
        return __builtin_add_overflow(s->i64, other->i64, &s->i64) ? SDF_E_LIMIT : SDF_OK;
    case EACH_MEAN_I64:
        good = mean_i64_merge((mean_i64 *)s, (const mean_i64 *)other);
        break;
    case EACH_MEAN_F64:
        good = mean_f64_merge((mean_f64 *)s, (const mean_f64 *)other);
        break;
    case EACH_VARIANCE_I64:
    case EACH_VARIANCE_F64:
    case EACH_STDEV_I64:
    case EACH_STDEV_F64:
        good = moments_merge((moments *)s, (const moments *)other);
        break;
    default:
        return slot_add(s, kind, other->i64, other->f64);
    }
    return good ? SDF_OK : SDF_E_CORRUPT;
}

static int each_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    const each *e = user;
    slot other[EACH_MAX];
    if (shuffled->size > sizeof other)
        return SDF_E_CORRUPT;
    memcpy(other, shuffled->data, shuffled->size);
    int rc = SDF_OK;
    for (uint32_t f = 0; f < e->count && !rc; f++)
        rc = slot_merge((slot *)state + e->fields[f].slot, e->fields[f].kind, other + e->fields[f].slot);
    return rc;
}

static double slot_f64(const slot *s, each_kind kind)
{
    switch (kind) {
    case EACH_MEAN_I64:
        return mean_i64_value((const mean_i64 *)s);
    case EACH_MEAN_F64:
        return mean_f64_value((const mean_f64 *)s);
    case EACH_VARIANCE_I64:
    case EACH_VARIANCE_F64:
        return moments_variance((const moments *)s);
    case EACH_STDEV_I64:
    case EACH_STDEV_F64:
        return sqrt(moments_variance((const moments *)s));
    default:
        return s->f64;
    }
}

static int each_finish(const void *state, sdf_out *out, void *user)
{
    const each *e = user;
    uint8_t tuple[2 + EACH_MAX * ITEM_NUMBER_BYTES];
    size_t size = 0;
    sdf_key_begin_tuple(tuple, sizeof tuple, &size);
    for (uint32_t f = 0; f < e->count; f++) {
        each_kind kind = e->fields[f].kind;
        const slot *s = (const slot *)state + e->fields[f].slot;
        if (*kinds[kind].result == 'i')
            sdf_key_put_i64(tuple, sizeof tuple, &size, s->i64);
        else
            sdf_key_put_f64(tuple, sizeof tuple, &size, slot_f64(s, kind));
    }
    sdf_key_end_tuple(tuple, sizeof tuple, &size);
    return sdf_emit(out, NULL, &(sdf_slice){tuple, size});
}

/* ---- the functions, by slots of a state ---- */

#define EACH(slots)                                                                                                    \
    static int each_open_##slots(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)            \
    {                                                                                                                  \
        return each_open(arg, slots, state, err);                                                                      \
    }                                                                                                                  \
    static const sdf_aggregator aggregate_each_##slots = {.struct_size = sizeof(sdf_aggregator),                       \
                                                          .state_type = SDF_BYTES,                                     \
                                                          .state_size = (slots) * sizeof(slot),                        \
                                                          .init = each_init,                                           \
                                                          .update = each_update,                                       \
                                                          .merge = each_merge,                                         \
                                                          .finish = each_finish,                                       \
                                                          .update_many = each_many};
EACH(1)
EACH(2)
EACH(3)
EACH(4)
EACH(5)
EACH(6)
EACH(8)
EACH(10)
EACH(12)
EACH(16)
EACH(24)
EACH(32)
EACH(64)

#define EACH_ROW(slots) AGGREGATOR_ROW_ARG("sdf.each." #slots, NULL, NULL, aggregate_each_##slots, each_open_##slots)

/* The first stands for them all until it is bound. */
static const sdf_function rows[] = {
    AGGREGATOR_ROW_ARG("sdf.each", NULL, NULL, aggregate_each_1, each_open_1),
    EACH_ROW(1),
    EACH_ROW(2),
    EACH_ROW(3),
    EACH_ROW(4),
    EACH_ROW(5),
    EACH_ROW(6),
    EACH_ROW(8),
    EACH_ROW(10),
    EACH_ROW(12),
    EACH_ROW(16),
    EACH_ROW(24),
    EACH_ROW(32),
    EACH_ROW(64),
};
const builtin_table builtin_eaches = BUILTIN_TABLE(rows);

/* ---- binding ---- */

/* The next field of a tuple's canonical type, of which *at stands at its beginning or at ')'. false: there is none. */
static bool next_type(const char **at, sdf_slice *type)
{
    const char *p = *at;
    if (!*p || *p == ')')
        return false;
    int depth = 0;
    for (; *p && (depth || (*p != ',' && *p != ')')); p++)
        depth += (*p == '(') - (*p == ')');
    *type = (sdf_slice){*at, (size_t)(p - *at)};
    *at = p + (*p == ',');
    return true;
}

static int unknown_word(const sdf_slice *word, const sdf_slice *type, sdf_error **err)
{
    static const char *const names[] = {"sum", "count", "min", "max", "mean", "variance", "stdev"};
    char name[32];
    snprintf(name, sizeof name, "%.*s", (int)word->size, (const char *)word->data);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name))
            continue;
        error_set(err, SDF_E_TYPE, "sdf.each: \"%s\" can't be used on a field of type %.*s", name, (int)type->size,
                  (const char *)type->data);
        error_hint(err, "it takes i64 and f64; convert the field before, with sdf_map_expr or a map");
        return SDF_E_TYPE;
    }
    error_set(err, SDF_E_INVALID, "sdf.each knows no aggregator \"%s\"", name);
    const char *near = error_nearest(name, names, sizeof names / sizeof *names);
    if (near)
        error_hint(err, "did you mean \"%s\"?", near);
    else
        error_hint(err, "one of sum, count, min, max, mean, variance, stdev for each field");
    return SDF_E_INVALID;
}

static int bind_field(const sdf_slice *word, const sdf_slice *type, bool first, uint32_t *slots, buf *bound,
                      buf *results, sdf_error **err)
{
    char text[4] = "";
    if (type->size == 3)
        memcpy(text, type->data, 3);
    each_kind kind = kind_of(word, NULL);
    if (kind != EACH_COUNT)
        kind = kind_of(word, text);
    if (kind == EACH_KINDS)
        return unknown_word(word, type, err);
    *slots += kinds[kind].slots;
    if (buf_printf(bound, "%s%s", first ? "" : " ", kinds[kind].name) ||
        buf_printf(results, "%s%s", first ? "tuple(" : ",", kinds[kind].result))
        return error_no_memory(err);
    return SDF_OK;
}

static int bind_fields(const char *types, const sdf_slice *arg, uint32_t *slots, buf *bound, buf *results,
                       sdf_error **err)
{
    sdf_slice rest = *arg, word, type;
    uint32_t words = 0, fields = 0;
    while (next_word(&rest, &word)) {
        words++;
        if (!next_type(&types, &type))
            continue;
        int rc = bind_field(&word, &type, !fields++, slots, bound, results, err);
        if (rc)
            return rc;
    }
    while (next_type(&types, &type))
        fields++;
    if (fields && words == fields)
        return buf_append(results, ")", 2) ? error_no_memory(err) : SDF_OK;
    error_set(err, SDF_E_INVALID, "sdf.each was given %u aggregator%s for tuples of %u field%s", words,
              words == 1 ? "" : "s", fields, fields == 1 ? "" : "s");
    error_hint(err, "name one for each field, such as \"sum mean count\"");
    return SDF_E_INVALID;
}

int each_bind(const char *value_type, const sdf_slice *arg, const char **name, buf *bound, char **result,
              sdf_error **err)
{
    buf results = BUF_EMPTY;
    uint32_t slots = 0;
    if (type_of(value_type) != TYPE_TUPLE) {
        error_set(err, SDF_E_TYPE, "sdf.each takes tuples, not values of type %s", value_type);
        error_hint(err, "make one with sdf_map_expr and tuple(...), or use the aggregator itself");
        return SDF_E_TYPE;
    }
    int rc = bind_fields(value_type + strlen("tuple("), arg, &slots, bound, &results, err);
    const sdf_function *row = rows + 1, *end = rows + sizeof rows / sizeof *rows;
    while (!rc && row < end && row->aggregator->state_size < slots * sizeof(slot))
        row++;
    if (!rc && (row == end || slots > EACH_MAX))
        rc = error_set(err, SDF_E_LIMIT, "sdf.each: states of %u slots are too large; there are %d", slots, EACH_MAX);
    if (!rc) {
        *name = row->name;
        rc = type_parse((const char *)results.data, result, err);
    }
    buf_free(&results);
    return rc;
}
