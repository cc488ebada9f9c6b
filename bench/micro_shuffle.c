/* How fast shuffle blocks are written and read, in MB of record bytes a second on one thread:
 *   words    {bytes, i64}: words of 1 to 5 syllables with small counts, as a combiner hands them on
 *   records  10-byte random keys and 90-byte values of text, as in a sort
 *   noise    the same with values that don't compress
 * each with and without LZ4, as blocks alone, and as a whole object of 32 partitions in a mem: store.
 * Usage: micro_shuffle [MEGABYTES] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timebase.h"
#include "shuffle/run.h"

#define PARTITIONS 32
#define ROUNDS     3

typedef struct data {
    const char *name;
    type_kind value;
    size_t count, bytes;
    sdf_slice *keys;                  /* words */
    uint8_t *key_bytes, *value_bytes; /* fixed: records; words: letters, and i64 values */
    uint32_t value_width;
} data;

static void die(sdf_error *err)
{
    fprintf(stderr, "micro_shuffle: %s\n", sdf_error_text(err));
    exit(1);
}

static void *get(size_t size)
{
    void *p = malloc(size);
    if (!p)
        die(NULL);
    return p;
}

static data words(size_t bytes)
{
    static const char *const syllables[] = {"a",  "ab", "ing", "con", "de",   "ed", "er",   "es",  "ex",  "i",
                                            "in", "le", "ly",  "men", "ness", "o",  "on",   "per", "pre", "pro",
                                            "re", "s",  "ter", "the", "ti",   "to", "tion", "un",  "ver", "y"};
    rng r = {1};
    data d = {.name = "words", .value = TYPE_I64, .value_width = 8};
    d.keys = get(bytes / 9 * sizeof(sdf_slice));
    d.key_bytes = get(bytes + 64);
    d.value_bytes = get(bytes);
    uint8_t *at = d.key_bytes;
    while (d.bytes + 32 < bytes) {
        size_t n = 0;
        for (size_t i = 1 + rng_below(&r, 3) + rng_below(&r, 3); i; i--) {
            const char *syllable = syllables[rng_below(&r, sizeof syllables / sizeof syllables[0])];
            memcpy(at + n, syllable, strlen(syllable));
            n += strlen(syllable);
        }
        uint64_t v = 1 + rng_below(&r, 1 + rng_below(&r, 300));
        d.keys[d.count] = (sdf_slice){at, n};
        memcpy(d.value_bytes + d.count * 8, &v, 8);
        at += n;
        d.count++;
        d.bytes += n + 8;
    }
    return d;
}

static data records(size_t bytes, const char *name, int noise)
{
    rng r = {2};
    data d = {.name = name, .value = TYPE_BYTES, .value_width = 90, .count = bytes / 100, .bytes = bytes / 100 * 100};
    d.key_bytes = get(d.count * 10);
    d.value_bytes = get(d.count * 90);
    for (size_t i = 0; i < d.count * 10; i++)
        d.key_bytes[i] = (uint8_t)(' ' + rng_below(&r, 95));
    for (size_t i = 0; i < d.count; i++) {
        uint8_t *v = d.value_bytes + i * 90;
        for (size_t n = 0; n < 90; n++)
            v[n] = noise ? (uint8_t)rng_next(&r) : (uint8_t)('A' + (i + n / 10) % 26);
    }
    return d;
}

static void columns(const data *d, size_t at, sdf_column *k, sdf_column *v)
{
    if (d->keys)
        column_set_slices(k, d->keys + at);
    else
        column_set_fixed(k, d->key_bytes + at * 10, 10);
    column_set_fixed(v, d->value_bytes + at * d->value_width, d->value_width);
}

static double seconds_since(int64_t start)
{
    return (double)(timebase_monotonic_us() - start) / 1e6;
}

static size_t step(const data *d, size_t at)
{
    return d->count - at < SDF_BATCH_MAX ? d->count - at : SDF_BATCH_MAX;
}

/* Blocks one after another into *out. Returns seconds. */
static double encode(const data *d, block_codec codec, buf *out)
{
    budget b;
    budget_init(&b, 64 << 20);
    block_builder *builder = NULL;
    sdf_error *err = NULL;
    sdf_slice encoded;
    block_header h;
    uint64_t digest;
    double spent = 0;
    buf_clear(out);
    if (block_builder_new(&builder, TYPE_BYTES, d->value, BLOCK_BYTES_DEFAULT, &b, &err) != SDF_OK)
        die(err);
    int64_t start = timebase_monotonic_us();
    for (size_t at = 0; at < d->count;) {
        sdf_column k, v;
        columns(d, at, &k, &v);
        size_t n = block_builder_room(builder, &k, &v, 0, step(d, at));
        if (block_builder_add(builder, &k, &v, 0, n, &err) != SDF_OK)
            die(err);
        at += n;
        if (n == 0 || at == d->count) {
            if (block_builder_finish(builder, 0, codec, &encoded, &h, &digest, &err) != SDF_OK)
                die(err);
            spent += seconds_since(start);
            buf_append(out, encoded.data, encoded.size);
            start = timebase_monotonic_us();
        }
    }
    block_builder_free(builder);
    return spent;
}

static double decode(const data *d, const buf *in)
{
    budget b;
    budget_init(&b, 64 << 20);
    block_reader *reader = NULL;
    sdf_error *err = NULL;
    block_header h;
    sdf_batch batch;
    size_t used, count = 0;
    volatile size_t sum = 0;
    if (block_reader_new(&reader, TYPE_BYTES, d->value, &b, &err) != SDF_OK)
        die(err);
    int64_t start = timebase_monotonic_us();
    for (size_t at = 0; at < in->size; at += used) {
        if (block_reader_open(reader, in->data + at, in->size - at, &used, &h, &err) != SDF_OK)
            die(err);
        while (block_reader_next(reader, &batch) == SDF_OK) {
            count += batch.count;
            sum += column_get(&batch.key, batch.count - 1).size;
        }
    }
    double spent = seconds_since(start);
    if (count != d->count)
        die(NULL);
    block_reader_free(reader);
    return spent;
}

/* A whole object, written and read. */
static void object(const data *d, char *compression, double *write, double *read)
{
    sdf_error *err = NULL;
    store *s = NULL;
    budget b;
    budget_init(&b, 64 << 20);
    if (store_open("mem:", &s, &err) != SDF_OK)
        die(err);
    task_request request = {.context = 1, .stage = 1};
    plan p = {.compression = compression};
    task_env env = {.request = &request, .plan = &p, .budget = &b, .store = s, .clock = &timebase_real};
    object_ids ids = {.context = 1, .stage = 1};
    object_writer *w = NULL;
    shuffle_index x;
    uint64_t bytes;
    int64_t start = timebase_monotonic_us();
    if (object_writer_open(&w, &env, &ids, PARTITIONS, TYPE_BYTES, d->value, 0, &err) != SDF_OK)
        die(err);
    for (size_t at = 0; at < d->count;) {
        sdf_column k, v;
        columns(d, at, &k, &v);
        size_t n = step(d, at);
        if (object_writer_add(w, (uint32_t)(at * PARTITIONS / d->count), &k, &v, 0, n, &err) != SDF_OK)
            die(err);
        at += n;
    }
    if (object_writer_commit(w, &x, NULL, &bytes, &err) != SDF_OK)
        die(err);
    *write = seconds_since(start);
    start = timebase_monotonic_us();
    for (uint32_t i = 0; i < x.count; i++) {
        const index_extent *e = &x.extents[i];
        task_extent extent = {0, 0, 0, e->offset, e->stored, e->raw, e->records, e->max_raw};
        run *r = NULL;
        sdf_batch batch;
        int rc = run_open_extent(&r, &env, 1, e->partition, &extent, TYPE_BYTES, d->value, &err);
        while (rc == SDF_OK)
            rc = run_next(r, &batch, &err);
        if (rc != SDF_END)
            die(err);
        run_close(r);
    }
    *read = seconds_since(start);
    shuffle_index_clear(&x);
    store_unref(s);
}

static void measure(const data *d)
{
    for (int codec = 0; codec < 2; codec++) {
        double best[4] = {1e9, 1e9, 1e9, 1e9};
        buf out = BUF_EMPTY;
        for (int i = 0; i < ROUNDS; i++) {
            double t[4];
            t[0] = encode(d, (block_codec)codec, &out);
            t[1] = decode(d, &out);
            object(d, codec ? "lz4" : "none", &t[2], &t[3]);
            for (int k = 0; k < 4; k++)
                best[k] = t[k] < best[k] ? t[k] : best[k];
        }
        double mb = (double)d->bytes / 1e6;
        printf("%-8s %-5s encode %6.0f  decode %6.0f  object write %6.0f  read %6.0f MB/s  stored %.2f\n", d->name,
               codec ? "lz4" : "none", mb / best[0], mb / best[1], mb / best[2], mb / best[3],
               (double)out.size / (double)d->bytes);
        buf_free(&out);
    }
}

int main(int argc, char **argv)
{
    size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 20;
    if (bytes == 0 || argc > 2) {
        fprintf(stderr, "usage: micro_shuffle [MEGABYTES]\n");
        return 2;
    }
    data all[3] = {words(bytes), records(bytes, "records", 0), records(bytes, "noise", 1)};
    for (int i = 0; i < 3; i++) {
        measure(&all[i]);
        free(all[i].keys);
        free(all[i].key_bytes);
        free(all[i].value_bytes);
    }
    return 0;
}
