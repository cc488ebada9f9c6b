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
};
const builtin_table builtin_functions = BUILTIN_TABLE(rows);
