/* Jobs whose input tests/checks/check_formats.py knows, with everything that goes over the wire kept:
 *     formats_dump FOLDER
 *         reads lines.txt, rows.csv and records.bin (10 bytes of key, 6 of value)
 *     formats_dump FOLDER NAME:KEY_TYPE:VALUE_TYPE ...
 *         reads sets of records, files of that name: u32 length and bytes of key and value in turn
 * FOLDER/wire gets request and reply of each attempt, N.request and N.reply, N.pieces where the request's list of
 * pieces lies in the store, N.object what it wrote, and plans that lie there, by their hash. FOLDER/store is the store;
 * settings come from the environment.
 * Prints "ready" when all jobs are done and keeps their data until its standard input ends.
 *
 * The transport "dump:FOLDER" that it brings runs tasks one after another on the driver's thread. */
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <sdf/sdf.h>
#include <sdf/sys/transport.h>

#define PATH_BYTES 1024
#define MAX_REQUEST 4600 /* so small that a long list of pieces has to go through the store */
#define LONG_ARG 5000    /* so long that its plan has to */
#define NUMBERS 1000
#define MANY 400         /* tasks */
#define RESULTS 8

static void die(const char *what)
{
    fprintf(stderr, "formats_dump: %s\n", what);
    exit(1);
}

static char *read_file(const char *folder, const char *name, size_t *size)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END))
        die(path);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, f) != *size)
        die(path);
    fclose(f);
    return data;
}

static void write_file(const char *folder, uint64_t id, const char *what, const sdf_slice *bytes)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/wire/%llu.%s", folder, (unsigned long long)id, what);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes->data, 1, bytes->size, f) != bytes->size || fclose(f))
        die(path);
}

/* ---- the transport ---- */

typedef struct dump {
    char folder[PATH_BYTES];
    sdf_transport_host host;
    sdf_worker *worker;
    int event;
    int waiting; /* 1: there is an invocation that has no answer yet */
    uint64_t id;
    sdf_slice request;
} dump;

static int dump_open(const char *rest, void *user, void **self, sdf_error **err)
{
    dump *d = calloc(1, sizeof *d);
    if (!d)
        die("no memory");
    snprintf(d->folder, sizeof d->folder, "%s", rest);
    d->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    *self = d;
    return d->event < 0 ? SDF_E_IO : SDF_OK;
}

static int dump_limits(void *self, sdf_transport_limits *limits, sdf_error **err)
{
    *limits = (sdf_transport_limits){.struct_size = sizeof *limits,
                                     .scope = SDF_SCOPE_HOST,
                                     .concurrency = 1,
                                     .slots_per_process = 1,
                                     .max_request = MAX_REQUEST};
    return SDF_OK;
}

static int dump_start(void *self, const sdf_transport_host *host, sdf_error **err)
{
    dump *d = self;
    d->host = *host;
    return sdf_worker_open(NULL, host->memory, NULL, &d->worker, err);
}

static int dump_submit(void *self, uint64_t id, const sdf_slice *request, int64_t deadline_ms, sdf_error **err)
{
    dump *d = self;
    if (d->waiting)
        return SDF_E_BUSY;
    d->waiting = 1;
    d->id = id;
    d->request = *request;
    return SDF_OK;
}

/* Keeps an object of the store that goes before the jobs end: under what its name has last, or ID.pieces. */
static void keep_files(const dump *d, const char *pattern, const char *as)
{
    char name[PATH_BYTES + 64];
    glob_t found = {0};
    snprintf(name, sizeof name, "%s/store/%s", d->folder, pattern);
    if (glob(name, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            snprintf(name, sizeof name, "%s/wire/%s", d->folder, as ? as : strrchr(found.gl_pathv[i], '/') + 1);
            if (access(name, F_OK) && link(found.gl_pathv[i], name))
                die(name);
        }
    }
    globfree(&found);
}

/* The list of pieces of an attempt goes when it ends, a plan with the last of its stages. */
static void keep_all(const dump *d)
{
    char pattern[64], as[64];
    snprintf(pattern, sizeof pattern, "*/*/*.a%llu.pieces", (unsigned long long)d->id);
    snprintf(as, sizeof as, "%llu.pieces", (unsigned long long)d->id);
    keep_files(d, pattern, as);
    keep_files(d, "sdf-*/plan/*", NULL);
}

/* What an attempt wrote for a later stage of its own job goes with that job. */
static void keep_object(const dump *d)
{
    char pattern[64], as[64];
    snprintf(pattern, sizeof pattern, "sdf-*/*/*.a%llu", (unsigned long long)d->id);
    snprintf(as, sizeof as, "%llu.object", (unsigned long long)d->id);
    keep_files(d, pattern, as);
}

static void dump_invoke(dump *d)
{
    sdf_invocation_result result = {.struct_size = sizeof result, .id = d->id};
    keep_all(d);
    write_file(d->folder, d->id, "request", &d->request);
    result.status = sdf_worker_invoke(d->worker, &d->request, 0, &result.response, NULL);
    if (result.status == SDF_OK)
        write_file(d->folder, d->id, "reply", &result.response);
    keep_object(d);
    d->waiting = 0;
    d->host.done(d->host.host, &result);
}

static int dump_poll(void *self, int timeout_ms, sdf_error **err)
{
    dump *d = self;
    struct pollfd fd = {d->event, POLLIN, 0};
    eventfd_t count;
    if (d->waiting)
        dump_invoke(d);
    else if (poll(&fd, 1, timeout_ms) > 0 && eventfd_read(d->event, &count))
        return SDF_OK; /* somebody else has read it: nothing to do either way */
    return SDF_OK;
}

static void dump_wake(void *self)
{
    eventfd_write(((dump *)self)->event, 1);
}

static void dump_cancel(void *self, uint64_t id)
{
}

static int dump_stop(void *self)
{
    return 0;
}

static void dump_destroy(void *self)
{
    dump *d = self;
    sdf_worker_close(d->worker);
    close(d->event);
    free(d);
}

static const sdf_transport_ops dump_ops = {
    .struct_size = sizeof dump_ops, .version = SDF_TRANSPORT_VERSION, .limits = dump_limits, .start = dump_start,
    .submit = dump_submit, .poll = dump_poll, .wake = dump_wake, .cancel = dump_cancel, .stop = dump_stop,
    .destroy = dump_destroy,
};

/* ---- functions ---- */

static int keep(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_emit_view(out, &in->key, &in->value);
}

static int even(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_slice_i64(&in->value) % 2 == 0;
}

static int batches(const sdf_batch *in, sdf_out *out, void *state)
{
    return sdf_emit_columns(out, sdf_batch_count(in), sdf_batch_column(in, SDF_KEY), sdf_batch_column(in, SDF_VALUE));
}

static int later(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    return sdf_emit(out, NULL, b);
}

/* How many values the key has. */
static int values_of(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    sdf_slice value;
    int64_t n = 0;
    int rc;
    while ((rc = sdf_values_next(values, &value)) == SDF_OK)
        n++;
    return rc == SDF_END ? sdf_emit_i64(out, key, n) : rc;
}

static int not_seven(const sdf_record *in, sdf_out *out, void *state)
{
    return sdf_slice_i64(&in->value) == 7 ? sdf_fail(out, "7 is not wanted here") : keep(in, out, state);
}

/* A tenth of them to a key. */
static int keyed(const sdf_record *in, sdf_out *out, void *state)
{
    int64_t n = sdf_slice_i64(&in->value), key = n % 10;
    sdf_slice slice = {&key, sizeof key};
    return sdf_emit_i64(out, &slice, n);
}

static int shared_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    sdf_slice bytes;
    int rc = sdf_task_broadcast(task, "greeting", &bytes, err);
    *state = rc ? NULL : calloc(1, sizeof(sdf_slice));
    if (*state)
        *(sdf_slice *)*state = bytes;
    return rc;
}

/* The broadcast value in place of each, counted. */
static int shared(const sdf_record *in, sdf_out *out, void *state)
{
    int rc = sdf_accumulate(out, "shared", 2);
    return rc ? rc : sdf_emit(out, &in->key, state);
}

/* ---- jobs ---- */

typedef struct jobs {
    sdf_context *context;
    const char *folder;
    sdf_error *err;
    sdf_result *results[RESULTS]; /* kept: what is large of them stays in the store that long */
    size_t result_count;
} jobs;

static void check(jobs *j, int rc)
{
    if (rc != SDF_OK)
        die(sdf_error_text(j->err));
}

static void count(jobs *j, sdf_rdd *rdd)
{
    uint64_t n;
    check(j, sdf_count(rdd, &n, &j->err));
}

static void collect(jobs *j, sdf_rdd *rdd)
{
    if (j->result_count == RESULTS)
        die("too many results");
    check(j, sdf_collect(rdd, &j->results[j->result_count++], &j->err));
}

static void save(jobs *j, sdf_rdd *rdd, const char *name, int (*how)(sdf_rdd *, const char *, sdf_error **))
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", j->folder, name);
    check(j, how(rdd, path, &j->err));
}

/* A set of records, handed in, then moved to the partitions of their keys, then reduced in one. */
static void shuffle_set(jobs *j, char *set)
{
    char *key_type = strchr(set, ':'), *value_type = key_type ? strchr(key_type + 1, ':') : NULL;
    size_t size, n = 0, at = 0;
    if (!value_type)
        die(set);
    *key_type++ = *value_type++ = 0;
    char *data = read_file(j->folder, set, &size);
    sdf_slice *side[2] = {calloc(size / 8 + 1, sizeof(sdf_slice)), calloc(size / 8 + 1, sizeof(sdf_slice))};
    if (!side[0] || !side[1])
        die("no memory");
    while (at < size) {
        for (int i = 0; i < 2; i++) {
            uint32_t length;
            memcpy(&length, data + at, 4);
            side[i][n] = (sdf_slice){data + at + 4, length};
            at += 4 + (size_t)length;
        }
        n++;
    }
    sdf_column column[2];
    for (int i = 0; i < 2; i++)
        column[i] = (sdf_column){.struct_size = sizeof *column, .layout = SDF_LAYOUT_SLICES, .slices = side[i]};
    sdf_rdd *rdd = sdf_parallelize(j->context, key_type, value_type, strcmp(key_type, SDF_NULL) ? &column[0] : NULL,
                                   strcmp(value_type, SDF_NULL) ? &column[1] : NULL, n, 2);
    count(j, sdf_rdd_set_name(sdf_partition_by(rdd, 7), set));
    count(j, sdf_reduce_by_key(rdd, "later", 1));
    free(side[0]);
    free(side[1]);
    free(data);
}

/* 0 .. NUMBERS-1, without keys. */
static sdf_rdd *numbers(jobs *j, uint32_t partitions)
{
    static int64_t values[NUMBERS];
    for (int i = 0; i < NUMBERS; i++)
        values[i] = i;
    sdf_column column = {.struct_size = sizeof column, .layout = SDF_LAYOUT_FIXED, .width = 8, .data = values};
    return sdf_parallelize(j->context, SDF_NULL, SDF_I64, NULL, &column, NUMBERS, partitions);
}

static void text_jobs(jobs *j)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/lines.txt", j->folder);
    sdf_rdd *words = sdf_flat_map(sdf_text_file(j->context, path, NULL), "sdf.words", NULL, 0);
    sdf_rdd *counts = sdf_rdd_set_name(sdf_reduce_by_key(words, "sdf.sum", 3), "counts");
    save(j, counts, "counts", sdf_save_as_text_file);
    save(j, words, "not-utf8-\xff", sdf_save_as_text_file);
    sdf_sort_options order;
    sdf_sort_options_init(&order);
    order.partitions = 4;
    order.descending = 1;
    collect(j, sdf_rdd_set_name(sdf_sort_by_key(counts, &order), "words-down")); /* materialises the counts */
    collect(j, sdf_rdd_set_name(sdf_map_groups(words, "values_of", NULL, 0, 2), "groups"));
    check(j, sdf_foreach(counts, "keep", NULL, 0, &j->err));
}

static void binary_jobs(jobs *j)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/records.bin", j->folder);
    sdf_binary_options options;
    sdf_binary_options_init(&options);
    options.record_bytes = 16;
    options.key_bytes = 10;
    sdf_rdd *records = sdf_binary_file(j->context, path, &options);
    sdf_sort_options order;
    sdf_sort_options_init(&order);
    order.partitions = 3;
    save(j, sdf_rdd_set_name(sdf_sort_by_key(records, &order), "sorted"), "sorted", sdf_save_as_binary_file);
}

static void other_jobs(jobs *j)
{
    static char arg[LONG_ARG];
    uint64_t n;
    sdf_rdd *some = sdf_filter(sdf_map(numbers(j, 2), "keep", NULL, 0), "even", NULL, 0);
    sdf_rdd *through = sdf_map_batches(some, "batches", "an argument\0\xff", 13);
    collect(j, sdf_rdd_set_name(through, "through"));
    count(j, sdf_map(numbers(j, 1), "keep", arg, sizeof arg));
    count(j, sdf_rdd_set_name(sdf_reduce_by_key(sdf_map(numbers(j, MANY), "keep", NULL, 0), "later", 1), "many"));
    check(j, sdf_take(numbers(j, 3), 5, &j->results[j->result_count++], &j->err));
    if (sdf_count(sdf_map(numbers(j, 1), "not_seven", NULL, 0), &n, NULL) == SDF_OK)
        die("a job did not fail");
}

/* Collections brought together: joins both ways, a union, an index behind it. */
static void joining_jobs(jobs *j)
{
    sdf_join_options options;
    sdf_join_options_init(&options);
    options.partitions = 3;
    options.how = SDF_JOIN_LEFT;
    options.strategy = SDF_JOIN_PARTITIONED;
    sdf_rdd *left = sdf_map(numbers(j, 2), "keyed", NULL, 0);
    sdf_rdd *right = sdf_filter(sdf_map(sdf_range(j->context, 0, 40, 2, 3), "keyed", NULL, 0), "even", NULL, 0);
    collect(j, sdf_rdd_set_name(sdf_join(left, right, &options), "joined"));
    options.how = SDF_JOIN_INNER;
    options.strategy = SDF_JOIN_BROADCAST_RIGHT;
    collect(j, sdf_rdd_set_name(sdf_join(left, right, &options), "tabled"));
    sdf_rdd *both[] = {numbers(j, 2), sdf_range(j->context, -1, -5, -1, 1)};
    collect(j, sdf_rdd_set_name(sdf_zip_with_index(sdf_union(both, 2)), "indexed"));
}

/* Rows, some without an end of their quotes; broadcasts and accumulators; outputs of other kinds. */
static void sharing_jobs(jobs *j)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/rows.csv", j->folder);
    sdf_rdd *rows = sdf_rdd_on_error(sdf_delimited_file(j->context, path, NULL), SDF_ERRORS_DIVERT);
    snprintf(path, sizeof path, "%s/rows", j->folder);
    sdf_save_options options;
    sdf_save_options_init(&options);
    options.compression = "gzip";
    check(j, sdf_save(rows, path, &options, &j->err));
    check(j, sdf_broadcast(j->context, "greeting", "hello", 5, &j->err));
    sdf_save_options_init(&options);
    options.format = "json";
    options.columns = "text";
    options.single = 1;
    snprintf(path, sizeof path, "%s/greetings.json", j->folder);
    check(j, sdf_save(sdf_map(numbers(j, 2), "shared", NULL, 0), path, &options, &j->err));
}

static sdf_context *open_context(const char *folder, sdf_error **err)
{
    char transport[PATH_BYTES + 8], store[PATH_BYTES + 16];
    snprintf(transport, sizeof transport, "dump:%s", folder);
    snprintf(store, sizeof store, "file:%s/store", folder);
    return sdf_context_open(transport, store, NULL, err);
}

int main(int argc, char **argv)
{
    jobs j = {0};
    sdf_set_program_version("1.2.3: longer than a program id needs to be, so that its text is long", NULL);
    SDF_REGISTER(keep, .map = keep, .version = 3);
    SDF_REGISTER(even, .filter = even, .in_value = SDF_I64);
    SDF_REGISTER(batches, .batch = batches);
    SDF_REGISTER(later, .reduce = later);
    SDF_REGISTER(keyed, .map = keyed, .in_value = SDF_I64, .out_key = SDF_I64);
    SDF_REGISTER(shared, .map = shared, .out_value = SDF_BYTES, .open = shared_open, .close = free);
    SDF_REGISTER(values_of, .group = values_of, .out_value = SDF_I64);
    SDF_REGISTER(not_seven, .map = not_seven, .in_value = SDF_I64);
    if (sdf_transport_register("dump", &dump_ops, dump_open, NULL, &j.err))
        die(sdf_error_text(j.err));
    if (sdf_worker_requested())
        return sdf_worker_main();
    if (argc < 2)
        return 2;
    j.folder = argv[1];
    j.context = open_context(argv[1], &j.err);
    if (!j.context)
        die(sdf_error_text(j.err));
    for (int i = 2; i < argc; i++)
        shuffle_set(&j, argv[i]);
    if (argc == 2) {
        text_jobs(&j);
        binary_jobs(&j);
        other_jobs(&j);
        joining_jobs(&j);
        sharing_jobs(&j);
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    for (size_t i = 0; i < j.result_count; i++)
        sdf_result_free(j.results[i]);
    sdf_context_close(j.context);
    return 0;
}
