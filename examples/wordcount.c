/* Counts words: wordcount IN... prints word TAB count, one line a word, in no order.
 * Words are what ASCII white space separates, bytes kept as they are.
 *
 * The whole computation is the three lines in `counts_of`; the rest shows how results are read.
 * What this leaves out: normalising case and punctuation (write a map function for it). */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static sdf_rdd *counts_of(example *x, const char *uris)
{
    sdf_rdd *lines = sdf_text_file(x->context, uris, NULL);
    sdf_rdd *words = sdf_flat_map(lines, "sdf.words", NULL, 0); /* (word, 1) */
    return sdf_reduce_by_key(words, "sdf.sum", x->partitions);
}

/* ---- the most frequent words, as a table ---- */

typedef struct entry {
    int64_t count;
    char *word;
    size_t size;
} entry;

/* More frequent first, then in byte order. */
static int compare(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    int order = memcmp(x->word, y->word, x->size < y->size ? x->size : y->size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* Keeps the first `top` of what it has seen; table has room for one more than that. */
static int offer(entry *table, uint32_t *used, uint32_t top, const sdf_slice *word, int64_t count)
{
    if (*used == top && count < table[top - 1].count)
        return 0;
    entry e = {count, malloc(word->size ? word->size : 1), word->size};
    if (!e.word)
        return -1;
    memcpy(e.word, word->data, word->size);
    uint32_t at = *used;
    while (at > 0 && compare(&e, &table[at - 1]) < 0) {
        table[at] = table[at - 1];
        at--;
    }
    table[at] = e;
    if (*used < top)
        ++*used;
    else
        free(table[top].word);
    return 0;
}

static void print_row(uint32_t rank, const entry *e)
{
    printf("%5u  %10lld  ", rank, (long long)e->count);
    fwrite(e->word, 1, e->size, stdout);
    putchar('\n');
}

static int print_top(sdf_result *result, uint32_t top, sdf_error **err)
{
    entry *table = calloc((size_t)top + 1, sizeof *table);
    const sdf_batch *batch;
    uint32_t used = 0;
    int rc = table ? SDF_OK : SDF_E_NO_MEMORY;
    while (rc == SDF_OK && (rc = sdf_result_next(result, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(batch) && rc == SDF_OK; i++) {
            sdf_slice word, count;
            sdf_batch_get(batch, SDF_KEY, i, &word);
            sdf_batch_get(batch, SDF_VALUE, i, &count);
            rc = offer(table, &used, top, &word, sdf_slice_i64(&count)) ? SDF_E_NO_MEMORY : SDF_OK;
        }
    }
    if (rc == SDF_E_NO_MEMORY && !*err)
        *err = sdf_error_new(rc, "no memory for the table of words", "ask for fewer with --top");
    if (rc == SDF_END)
        printf("%5s  %10s  %s\n", "rank", "count", "word");
    for (uint32_t i = 0; i < used; i++) {
        if (rc == SDF_END)
            print_row(i + 1, &table[i]);
        free(table[i].word);
    }
    free(table);
    return rc == SDF_END ? SDF_OK : rc;
}

static int top_words(example *x, sdf_rdd *counts, const char *text)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    uint32_t top;
    int code = example_number(x, text, &top);
    if (code || x->explain || x->output)
        return code ? example_close(x, code) : example_finish(x, counts);
    int rc = sdf_iterate(counts, &result, &err);
    if (rc == SDF_OK)
        rc = print_top(result, top, &err);
    sdf_result_free(result);
    return example_close(x, rc == SDF_OK ? 0 : example_fail(err));
}

int main(int argc, char **argv)
{
    if (sdf_worker_requested()) /* this process was started as a worker */
        return sdf_worker_main();

    example x;
    example_option own[] = {{"top", "N: a table of the N most frequent words", NULL}, {NULL, NULL, NULL}};
    int code = example_open(&x, argc, argv, "wordcount [OPTIONS] [--top N] IN...", own, 1, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;

    char *uris = example_uris(&x, 0);
    sdf_rdd *counts = uris ? counts_of(&x, uris) : NULL;
    free(uris);
    return own[0].value ? top_words(&x, counts, own[0].value) : example_finish(&x, counts);
}
