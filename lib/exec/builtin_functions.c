/* The library's own functions for narrow operators: "sdf.words" and "sdf.split_words". They work on whole batches and
 * lend views of the input to the next operator: nothing is copied or called per record. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "exec/builtins.h"
#include "exec/scan.h"

typedef struct words_state {
    const scan_ops *scan;
    size_t count; /* of `words` that wait for a full batch */
    sdf_slice words[SDF_BATCH_MAX + SCAN_WORDS_ROOM];
} words_state;

static const int64_t one = 1;

static int words_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    words_state *w = malloc(sizeof *w);
    if (!w)
        return error_no_memory(err);
    w->scan = scan_best();
    w->count = 0;
    *state = w;
    return SDF_OK;
}

/* Words as keys with the value 1, or as values without a key. */
static int words_emit(words_state *w, size_t count, bool counted, sdf_out *out)
{
    sdf_column words, other;
    column_set_slices(&words, w->words);
    if (!counted) {
        column_set_null(&other);
        return out_emit_views(out, count, &other, &words);
    }
    column_set_const(&other, &one, sizeof one);
    return out_emit_views(out, count, &words, &other);
}

static int words_of_span(words_state *w, const uint8_t *data, size_t size, bool counted, sdf_out *out)
{
    word_scan scan = scan_words_begin(data, size);
    while (scan.at < scan.end) {
        w->count += w->scan->words(&scan, w->words + w->count, SDF_BATCH_MAX + SCAN_WORDS_ROOM - w->count);
        if (w->count < SDF_BATCH_MAX)
            continue;
        int rc = words_emit(w, SDF_BATCH_MAX, counted, out);
        if (rc)
            return rc;
        w->count -= SDF_BATCH_MAX;
        memcpy(w->words, w->words + SDF_BATCH_MAX, w->count * sizeof w->words[0]);
    }
    return SDF_OK;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (uint8_t)(c - '\t') < 5;
}

/* Lines of a text lie one after another with only their ends between them: then the whole stretch is one span to scan,
 * which saves a ragged end per line. The one or two bytes between two values of one buffer may be read. */
static bool span_goes_on(const uint8_t *end, const sdf_slice *next)
{
    const uint8_t *p = next->data;
    if ((uintptr_t)p == (uintptr_t)end + 1)
        return is_blank(end[0]);
    return (uintptr_t)p == (uintptr_t)end + 2 && is_blank(end[0]) && is_blank(end[1]);
}

/* What did not fill a batch: lent if it is worth a push, else collected. */
static int words_rest(words_state *w, bool counted, sdf_out *out)
{
    static const sdf_slice nothing = {NULL, 0}, value = {&one, sizeof one};
    size_t count = w->count;
    int rc = SDF_OK;
    w->count = 0;
    if (count > SDF_BATCH_MAX / 4)
        return words_emit(w, count, counted, out);
    for (size_t i = 0; i < count && !rc; i++)
        rc = counted ? out_keep(out, &w->words[i], &value) : out_keep(out, &nothing, &w->words[i]);
    return rc;
}

static int words_run(const sdf_batch *in, sdf_out *out, words_state *w, bool counted)
{
    size_t i = 0;
    while (i < in->count) {
        sdf_slice first = column_get(&in->value, i++), next;
        if (!first.size)
            continue;
        const uint8_t *data = first.data, *end = data + first.size;
        for (; i < in->count; i++) {
            next = column_get(&in->value, i);
            if (!next.size)
                continue;
            if (!span_goes_on(end, &next))
                break;
            end = (const uint8_t *)next.data + next.size;
        }
        int rc = words_of_span(w, data, (size_t)(end - data), counted, out);
        if (rc)
            return rc;
    }
    return words_rest(w, counted, out);
}

static int words_counted(const sdf_batch *in, sdf_out *out, void *state)
{
    return words_run(in, out, state, true);
}

static int words_split(const sdf_batch *in, sdf_out *out, void *state)
{
    return words_run(in, out, state, false);
}

/* ---- records of one key ---- */

/* The argument is the key as it lies in a record, and lives as long as the state. */
static int key_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    *state = (void *)(uintptr_t)arg;
    return SDF_OK;
}

static int key_is(const sdf_record *in, sdf_out *out, void *state)
{
    const sdf_slice *key = state;
    return in->key.size == key->size && (!key->size || !memcmp(in->key.data, key->data, key->size));
}

static int key_is_f64(const sdf_record *in, sdf_out *out, void *state)
{
    uint64_t a = (uint64_t)read_i64(&in->key), b = (uint64_t)read_i64(state);
    return type_canonical_f64(a) == type_canonical_f64(b);
}

/* ---- the items of a tuple, as keys of their raw form ---- */

typedef struct items_state {
    type_kind kind;
    buf plain; /* one item of bytes, unescaped */
} items_state;

static int items_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    uint64_t kind;
    int rc = arg_count("the kind of items", arg, TYPE_BYTES, TYPE_ANY, TYPE_BYTES, &kind, err);
    items_state *s = rc ? NULL : calloc(1, sizeof *s);
    if (!rc && !s)
        rc = error_no_memory(err);
    if (s)
        s->kind = (type_kind)kind;
    *state = s;
    return rc;
}

static void items_close(void *state)
{
    buf_free(&((items_state *)state)->plain);
    free(state);
}

static int emit_bytes(sdf_out *out, const sdf_slice *escaped, buf *plain)
{
    sdf_slice key = *escaped;
    if (escaped->size && memchr(escaped->data, 0, escaped->size)) {
        plain->size = 0;
        if (buf_append(plain, escaped->data, escaped->size))
            return SDF_E_NO_MEMORY;
        key = (sdf_slice){plain->data, sdf_key_unescape(escaped, plain->data)};
        return sdf_emit(out, &key, NULL);
    }
    return sdf_emit_view(out, &key, NULL);
}

/* Of encoded kinds an item is the raw form. */
static int item_emit(sdf_out *out, items_state *s, sdf_slice *rest)
{
    type_kind kind = s->kind;
    sdf_slice item = *rest, escaped, key;
    int64_t i64;
    double f64;
    int exact, got;
    if (!item_skip(rest))
        return SDF_E_CORRUPT;
    item.size -= rest->size;
    key = item;
    switch (kind) {
    case TYPE_I64:
    case TYPE_F64:
        got = sdf_key_next(&item, &i64, &f64, &exact, NULL);
        if (got != SDF_ITEM_NUMBER || (kind == TYPE_I64 && !exact))
            return SDF_E_CORRUPT;
        key = (sdf_slice){kind == TYPE_I64 ? (void *)&i64 : (void *)&f64, 8};
        return sdf_emit(out, &key, NULL);
    case TYPE_BYTES:
        if (sdf_key_next(&item, NULL, NULL, NULL, &escaped) != SDF_ITEM_BYTES)
            return SDF_E_CORRUPT;
        return emit_bytes(out, &escaped, &s->plain);
    case TYPE_NULL:
        return sdf_emit(out, NULL, NULL);
    default:
        return sdf_emit_view(out, &key, NULL);
    }
}

static int items(const sdf_record *in, sdf_out *out, void *state)
{
    sdf_slice rest = in->value;
    if (!rest.size || *(const uint8_t *)rest.data != SDF_ITEM_TUPLE)
        return SDF_E_CORRUPT;
    rest = (sdf_slice){(const uint8_t *)rest.data + 1, rest.size - 1};
    int rc = SDF_OK;
    while (!rc && rest.size && *(const uint8_t *)rest.data != SDF_ITEM_TUPLE_END)
        rc = item_emit(out, state, &rest);
    return rc;
}

static const sdf_function rows[] = {
    {.struct_size = sizeof(sdf_function),
     .name = "sdf.words",
     .version = 1,
     .in_value = SDF_BYTES,
     .out_key = SDF_BYTES,
     .out_value = SDF_I64,
     .batch = words_counted,
     .open = words_open,
     .close = free},
    {.struct_size = sizeof(sdf_function),
     .name = "sdf.split_words",
     .version = 1,
     .in_value = SDF_BYTES,
     .out_key = SDF_NULL,
     .out_value = SDF_BYTES,
     .batch = words_split,
     .open = words_open,
     .close = free},
    {.struct_size = sizeof(sdf_function), .name = "sdf.key_is", .version = 1, .filter = key_is, .open = key_open},
    {.struct_size = sizeof(sdf_function),
     .name = "sdf.key_is_f64",
     .version = 1,
     .in_key = SDF_F64,
     .filter = key_is_f64,
     .open = key_open},
    {.struct_size = sizeof(sdf_function),
     .name = "sdf.items",
     .version = 1,
     .in_value = SDF_ANY,
     .map = items,
     .open = items_open,
     .close = items_close},
};
const builtin_table builtin_functions = BUILTIN_TABLE(rows);
