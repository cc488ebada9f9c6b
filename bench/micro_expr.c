/* How fast expressions are: conditions and values over taxi-like rows of delimited text and over JSON lines, in memory,
 * on one thread. Prints one JSON line per case. micro_expr [MEGABYTES] [CASE] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "expr/expr.h"

#define MEMORY (64u << 20)
#define RUNS   5

static const char columns[] = "VendorID\ntpep_pickup_datetime\ntpep_dropoff_datetime\npassenger_count\ntrip_distance\n"
                              "pickup_longitude\npickup_latitude\nRatecodeID\nstore_and_fwd_flag\ndropoff_longitude\n"
                              "dropoff_latitude\npayment_type\nfare_amount\nextra\nmta_tax\ntip_amount\ntolls_amount\n"
                              "improvement_surcharge\ntotal_amount";
static const char h2o_columns[] = "id1\nid2\nid3\nid4\nid5\nid6\nv1\nv2\nv3";

#define INSIDE                                                                                                         \
    "f64($dropoff_longitude) >= -74.0144185 and f64($dropoff_longitude) <= -74.013777 and "                            \
    "f64($dropoff_latitude) >= 40.7138745 and f64($dropoff_latitude) <= 40.7152275"

typedef enum data_kind { TAXI, QUOTED, H2O, EVENTS, KINDS } data_kind;

static const struct {
    const char *name;
    data_kind data;
    const char *outputs[2];
} cases[] = {
    {"taxi_q1_filter", TAXI, {INSIDE}},
    {"taxi_q1_hour", TAXI, {"substr($tpep_dropoff_datetime, 12, 2)", "1"}},
    {"taxi_q3_filter", TAXI, {INSIDE " and f64($tip_amount) > 10"}},
    {"taxi_q4_key", TAXI, {"concat(substr($tpep_pickup_datetime, 1, 7), ',', $payment_type)", "1"}},
    {"taxi_all_numbers", TAXI, {"f64($fare_amount) + f64($tip_amount) + f64($tolls_amount) + f64($trip_distance)"}},
    {"taxi_quoted_filter", QUOTED, {INSIDE}},
    {"h2o_q1", H2O, {"$id1", "i64($v1)"}},
    {"h2o_q3", H2O, {"$id3", "f64($v3)"}},
    {"h2o_q10_key", H2O, {"tuple($id1, $id2, $id3, i64($id4), i64($id5), i64($id6))", "f64($v3)"}},
    {"json_first", EVENTS, {"$type"}},
    {"json_nested", EVENTS, {"$actor.login", "i64($payload.size)"}},
    {"json_last", EVENTS, {"$created_at = '2015-01-01T15:00:00Z' and f64($payload.score) > 0.5"}},
    {"json_missing", EVENTS, {"coalesce($nothing, 'none')"}},
    {"regex", EVENTS, {"matches($repo.name, '^[a-m]+/.*[0-9]$')"}},
};

typedef struct data {
    char *text;
    size_t size, count;
    sdf_slice *rows;
} data;

static uint64_t random_state = 7;

static uint64_t next(void)
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double unit(void)
{
    return (double)(next() >> 11) / 9007199254740992.0;
}

/* Coordinates as they are in the files of 2015: floats, printed as doubles. */
static int put_taxi(char *row, size_t room, const char *q)
{
    double lon = (float)(-74.02 + 0.1 * unit()), lat = (float)(40.70 + 0.1 * unit());
    double lon2 = (float)(-74.02 + 0.1 * unit()), lat2 = (float)(40.70 + 0.1 * unit());
    int day = (int)(next() % 28) + 1, hour = (int)(next() % 24), minute = (int)(next() % 60);
    double fare = 2.5 + (double)(next() % 100) * 0.5;
    return snprintf(row, room,
                    "%s%d%s,%s2015-01-%02d %02d:%02d:39%s,%s2015-01-%02d %02d:%02d:42%s,%d,%.2f,%.15g,%.15g,1,%sN%s,"
                    "%.15g,%.15g,%d,%g,0.5,0.5,%.2f,0,0.3,%.2f",
                    q, (int)(next() % 2) + 1, q, q, day, hour, minute, q, q, day, hour, minute, q,
                    (int)(next() % 6) + 1, unit() * 10, lon, lat, q, q, lon2, lat2, (int)(next() % 2) + 1, fare,
                    unit() * 12, fare + 2);
}

static int put_h2o(char *row, size_t room)
{
    return snprintf(row, room, "id%03d,id%03d,id%010d,%d,%d,%d,%d,%d,%.6f", (int)(next() % 100) + 1,
                    (int)(next() % 100) + 1, (int)(next() % 100000) + 1, (int)(next() % 100) + 1,
                    (int)(next() % 100) + 1, (int)(next() % 100000) + 1, (int)(next() % 5) + 1, (int)(next() % 15) + 1,
                    unit() * 100);
}

static int put_event(char *row, size_t room)
{
    unsigned id = (unsigned)(next() % 100000000);
    return snprintf(
        row, room,
        "{\"id\":\"%u\",\"type\":\"PushEvent\",\"actor\":{\"id\":%u,\"login\":\"user%u\",\"gravatar_id\":\"\","
        "\"url\":\"https://api.example.com/users/user%u\"},\"repo\":{\"id\":%u,\"name\":\"%c%c%c/project%u\","
        "\"url\":\"https://api.example.com/repos/project%u\"},\"payload\":{\"push_id\":%u,\"size\":%u,"
        "\"score\":%.6f,\"ref\":\"refs/heads/master\",\"commits\":[{\"sha\":\"a10867b14bb761a232cd80139fbd4c0d33264"
        "240\",\"author\":{\"email\":\"a@b.c\",\"name\":\"A \\\"B\\\" C\"},\"message\":\"fix, {this} [and] that\\n\","
        "\"distinct\":true}]},\"public\":true,\"created_at\":\"2015-01-01T15:00:%02uZ\"}",
        id, id / 7, id / 7, id / 7, id / 3, 'a' + id % 26, 'a' + id / 26 % 26, 'a' + id / 676 % 26, id / 3, id / 3, id,
        id % 20, unit(), id % 60);
}

static void make(data *d, data_kind kind, size_t bytes)
{
    size_t room = bytes / 40 + 1;
    d->text = malloc(bytes + 4096);
    d->rows = malloc(room * sizeof *d->rows);
    if (!d->text || !d->rows)
        exit(1);
    while (d->size < bytes && d->count < room) {
        char *at = d->text + d->size;
        int n = kind == H2O      ? put_h2o(at, 4096)
                : kind == EVENTS ? put_event(at, 4096)
                                 : put_taxi(at, 4096, kind == QUOTED ? "\"" : "");
        d->rows[d->count++] = (sdf_slice){at, (size_t)n};
        d->size += (size_t)n + 1;
        at[n] = '\n';
    }
}

static void check(int rc, sdf_error *err)
{
    if (!rc)
        return;
    fprintf(stderr, "micro_expr: %s\n", sdf_error_text(err));
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static expr_program *program(size_t n, budget *b)
{
    plan_format delimited = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true};
    plan_format json = {.kind = PLAN_FORMAT_JSON};
    data_kind kind = cases[n].data;
    expr_input in = {.key_type = SDF_NULL,
                     .value_type = SDF_BYTES,
                     .format = kind == EVENTS ? &json : &delimited,
                     .columns = kind == EVENTS ? NULL
                                : kind == H2O  ? h2o_columns
                                               : columns};
    sdf_error *err = NULL;
    expr *e[2] = {expr_parse(cases[n].outputs[0]), cases[n].outputs[1] ? expr_parse(cases[n].outputs[1]) : NULL};
    buf bound = BUF_EMPTY;
    expr_program *p;
    check(expr_bind(e, e[1] ? 2 : 1, &in, &bound, &err), err);
    sdf_slice bytes = buf_slice(&bound);
    check(expr_program_new(&p, b, &bytes, NULL, &err), err);
    buf_free(&bound);
    expr_unref(e[0]);
    expr_unref(e[1]);
    return p;
}

static void measure(size_t n, const data *d)
{
    budget b;
    budget_init(&b, MEMORY);
    expr_program *p = program(n, &b);
    double best = 1e9;
    uint64_t good = 0;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        good = 0;
        for (size_t i = 0; i < d->count; i += SDF_BATCH_MAX) {
            expr_result r[2];
            sdf_error *err = NULL;
            sdf_batch batch = {.count = d->count - i < SDF_BATCH_MAX ? d->count - i : SDF_BATCH_MAX};
            column_set_null(&batch.key);
            column_set_slices(&batch.value, d->rows + i);
            check(expr_program_run(p, &batch, NULL, r, &err), err);
            for (size_t k = 0; k < batch.count; k++)
                good += !r[0].state || r[0].state[k] == EXPR_OK;
        }
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    printf("{\"case\":\"%s\",\"rows\":%zu,\"good\":%llu,\"gb_s\":%.2f,\"ns_row\":%.1f}\n", cases[n].name, d->count,
           (unsigned long long)good, (double)d->size / best / 1e9, best / (double)d->count * 1e9);
    fflush(stdout);
    expr_program_free(p);
}

int main(int argc, char **argv)
{
    size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 20;
    data all[KINDS] = {{0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc > 2 && !strstr(cases[i].name, argv[2]))
            continue;
        if (!all[cases[i].data].size)
            make(&all[cases[i].data], cases[i].data, bytes);
        measure(i, &all[cases[i].data]);
    }
    for (size_t i = 0; i < KINDS; i++) {
        free(all[i].text);
        free(all[i].rows);
    }
    return 0;
}
