/* How fast sources find records, on one core: lines, rows of delimited text without quotes, with some, with nothing but
 * quoted fields, with newlines in them, JSON lines. `micro_source [MiB] [folder]`; the folder should be in memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/timebase.h"
#include "exec/chain.h"
#include "exec/range.h"

#define ROUNDS 9

typedef struct counter {
    op base;
    uint64_t records, bytes;
} counter;

static int counter_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    ((counter *)self)->records += batch->count;
    return SDF_OK;
}

static void fail(const char *what, sdf_error *err)
{
    fprintf(stderr, "micro_source: %s: %s\n", what, sdf_error_text(err));
    exit(1);
}

/* One row, and how many bytes it has. */
typedef int (*make_row)(char *text, size_t room, uint64_t i);

static int plain_row(char *text, size_t room, uint64_t i)
{
    return snprintf(text, room,
                    "%" PRIu64 ",2015-01-15 19:05:39,2015-01-15 19:23:42,%" PRIu64 ",%u.59,-73.99,40.75,1,N,"
                    "-73.97,40.75,1,12,1,0.5,3.25,0,0.3,17.05\n",
                    i % 2 + 1, i % 6, (unsigned)(i % 20));
}

static int some_quotes_row(char *text, size_t room, uint64_t i)
{
    return snprintf(text, room,
                    "%" PRIu64 ",\"Smith, John \"\"Jack\"\"\",2015-01-15 19:23:42,%" PRIu64 ",\"a note\",-73.99,"
                    "40.75,1,N,-73.97,40.75,1,12,1,0.5\n",
                    i, i % 6);
}

static int all_quotes_row(char *text, size_t room, uint64_t i)
{
    return snprintf(text, room,
                    "\"%" PRIu64 "\",\"2015-01-15\",\"2015-01-15\",\"%u\",\"1.59\",\"-73.99\",\"40.75\",\"1\","
                    "\"N\",\"-73.97\",\"40.75\",\"1\",\"12\"\n",
                    i, (unsigned)(i % 6));
}

static int odd_quotes_row(char *text, size_t room, uint64_t i)
{
    return snprintf(text, room,
                    "%" PRIu64 ",5\" pipe, black,2015-01-15 19:23:42,1.59,-73.99,40.75,1,N,-73.97,40.75,1\n", i);
}

static int newlines_row(char *text, size_t room, uint64_t i)
{
    return snprintf(text, room,
                    "%" PRIu64 ",\"first line\nsecond, \"\"quoted\"\" line\n\",2015-01-15 19:23:42,1.59,-73.99,"
                    "40.75,1,N,-73.97,40.75,1,12,1,0.5\n",
                    i);
}

static int json_row(char *text, size_t room, uint64_t i)
{
    return snprintf(text, room,
                    "{\"id\":%" PRIu64 ",\"user\":{\"name\":\"jo\",\"age\":%u},\"tags\":[\"a\",\"b\"],\"v\":1.5}\n", i,
                    (unsigned)(i % 80));
}

static uint64_t write_file(const char *path, make_row row, uint64_t bytes)
{
    FILE *f = fopen(path, "w");
    char text[512];
    uint64_t size = 0;
    if (!f)
        exit(1);
    for (uint64_t i = 0; size < bytes; i++) {
        int n = row(text, sizeof text, i);
        fwrite(text, 1, (size_t)n, f);
        size += (uint64_t)n;
    }
    fclose(f);
    return size;
}

static void run(const char *name, char *path, uint64_t size, const plan_format *format, bool origins)
{
    plan_branch branch = {.input = {.kind = PLAN_INPUT_FILES, .label = (char *)"source#1", .format = *format}};
    task_piece piece = {.split = {.path = path, .length = size, .file_size = size}};
    task_request q = {.pieces = &piece, .piece_count = 1};
    plan_stage stage = {.branches = &branch, .branch_count = 1};
    int64_t best = INT64_MAX;
    counter c;
    for (int round = 0; round < ROUNDS; round++) {
        budget b;
        sdf_error *err = NULL;
        leg l;
        budget_init(&b, 256u << 20);
        task_env env = {.request = &q, .stage = &stage, .budget = &b, .clock = &timebase_real, .piece = &piece};
        c = (counter){.base = {.push = counter_push, .env = &env, .origins = origins}};
        int64_t from = timebase_monotonic_us();
        if (leg_open(&l, &env, NULL, &err))
            fail(name, err);
        env.leg = &l;
        if (input_run(&env, &branch.input, &c.base, &err))
            fail(name, err);
        int64_t took = timebase_monotonic_us() - from;
        best = took < best ? took : best;
    }
    printf("%-34s %6.2f GB/s  %10" PRIu64 " records\n", name, (double)size / 1e3 / (double)best, c.records);
}

int main(int argc, char **argv)
{
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) << 20;
    char path[256];
    snprintf(path, sizeof path, "%s/micro-source-%ld", argc > 2 ? argv[2] : "/dev/shm", (long)getpid());
    plan_format text = {.kind = PLAN_FORMAT_TEXT}, json = {.kind = PLAN_FORMAT_JSON},
                rows = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"'}, several = rows;
    several.multiline = true;
    uint64_t size = write_file(path, plain_row, bytes);
    run("lines", path, size, &text, false);
    run("lines with their offsets", path, size, &text, true);
    run("rows", path, size, &rows, true);
    size = write_file(path, some_quotes_row, bytes);
    run("rows, some quotes", path, size, &rows, true);
    run("rows, some quotes, multiline", path, size, &several, true);
    size = write_file(path, all_quotes_row, bytes);
    run("rows, all quoted", path, size, &rows, true);
    size = write_file(path, odd_quotes_row, bytes);
    run("rows, quotes within fields", path, size, &rows, true);
    size = write_file(path, newlines_row, bytes);
    run("rows with newlines", path, size, &several, true);
    size = write_file(path, json_row, bytes);
    run("JSON lines", path, size, &json, true);
    unlink(path);
    return 0;
}
