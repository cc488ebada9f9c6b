/* Questions about taxi trips: taxi Q IN... [--green IN] [--weather FILE] prints key TAB count, sorted by key.
 *
 *   Q0  all lines, headers included                      Q4  trips by month and way of payment
 *   Q1  drop-offs at 200 West Street, by hour            Q5  trips by month and colour (IN: yellow, --green: green)
 *   Q2  drop-offs at 388 Greenwich Street, by hour       Q6  trips by the day's precipitation (--weather: lines of
 *   Q3  Q1 with a tip over 10                                date TAB precipitation; days that it lacks are left out)
 *
 * Inputs are trip records as delimited text with a header (schema of 2015). A row whose needed fields can't be read is
 * skipped and counted (accumulators "sdf.errors....", metric "record_errors"). The queries are those of Flint (Kim and
 * Lin, 2018). There is no function of ours here: the workers need expressions alone. */
#include "common.h"

#include <stdlib.h>
#include <string.h>

typedef struct taxi {
    example x;
    const char *green, *weather;
} taxi;

static sdf_rdd *skipping(sdf_rdd *rdd)
{
    return sdf_rdd_on_error(rdd, SDF_ERRORS_SKIP);
}

static sdf_rdd *trips(taxi *t, const char *uris)
{
    return skipping(sdf_delimited_file(t->x.context, uris, NULL));
}

/* (key, 1) for each row, added up and put in order. */
static sdf_rdd *count_by(sdf_rdd *rows, const char *key)
{
    return sdf_reduce_by_key(skipping(sdf_select(rows, key, "1")), "sdf.sum", 0);
}

static sdf_rdd *by_place(taxi *t, const char *uris, const char *place)
{
    return count_by(skipping(sdf_where(trips(t, uris), place)), "hour($tpep_dropoff_datetime)");
}

static sdf_rdd *q0(taxi *t, const char *uris)
{
    return count_by(sdf_text_file(t->x.context, uris, NULL), "'lines'");
}

#define WEST_200                                                                       \
    "f64($dropoff_longitude) >= -74.0144185 and f64($dropoff_longitude) <= -74.013777" \
    " and f64($dropoff_latitude) >= 40.7138745 and f64($dropoff_latitude) <= 40.7152275"
#define GREENWICH_388                                                                  \
    "f64($dropoff_longitude) >= -74.012083 and f64($dropoff_longitude) <= -74.009867"  \
    " and f64($dropoff_latitude) >= 40.720053 and f64($dropoff_latitude) <= 40.7217236"

static sdf_rdd *q1(taxi *t, const char *uris)
{
    return by_place(t, uris, WEST_200);
}

static sdf_rdd *q2(taxi *t, const char *uris)
{
    return by_place(t, uris, GREENWICH_388);
}

static sdf_rdd *q3(taxi *t, const char *uris)
{
    return by_place(t, uris, WEST_200 " and f64($tip_amount) > 10");
}

static sdf_rdd *q4(taxi *t, const char *uris)
{
    return count_by(trips(t, uris), "concat(month($tpep_pickup_datetime), ',', bytes(i64($payment_type)))");
}

static sdf_rdd *q5(taxi *t, const char *uris)
{
    sdf_rdd *yellow = skipping(sdf_select(trips(t, uris), "concat(month($tpep_pickup_datetime), ',yellow')", "1"));
    if (!t->green)
        return sdf_reduce_by_key(yellow, "sdf.sum", 0);
    sdf_rdd *green = skipping(sdf_select(trips(t, t->green), "concat(month($lpep_pickup_datetime), ',green')", "1"));
    sdf_rdd *both[] = {yellow, green};
    return sdf_reduce_by_key(sdf_union(both, 2), "sdf.sum", 0);
}

/* Trips are counted by day before they meet the weather: the join then has a few hundred records. */
static sdf_rdd *q6(taxi *t, const char *uris)
{
    sdf_rdd *days = count_by(trips(t, uris), "date($tpep_pickup_datetime)");
    sdf_delimited_options lines;
    sdf_delimited_options_init(&lines);
    lines.header = 0;
    lines.delimiter = '\t';
    lines.quote = 0;
    lines.columns = "date,precipitation";
    sdf_rdd *weather = sdf_select(sdf_delimited_file(t->x.context, t->weather, &lines), "$date", "$precipitation");
    sdf_rdd *joined = sdf_join(days, weather, NULL); /* date, (trips, precipitation) */
    return sdf_reduce_by_key(sdf_select(joined, "item(value, 2)", "item(value, 1)"), "sdf.sum", 0);
}

static sdf_rdd *(*const queries[])(taxi *t, const char *uris) = {q0, q1, q2, q3, q4, q5, q6};

static int choose(const taxi *t, unsigned *q)
{
    const char *name = t->x.inputs[0];
    *q = name[0] == 'Q' || name[0] == 'q' ? (unsigned)(unsigned char)name[1] - '0' : 10;
    if (*q > 6 || name[2])
        return example_usage(&t->x, "\"%s\" is no query; there are Q0 to Q6", name);
    if (*q == 6 && !t->weather)
        return example_usage(&t->x, "%s needs --weather FILE", name);
    return 0;
}

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();

    taxi t = {.green = NULL};
    unsigned q = 0;
    example_option own[] = {{"green", "IN: trips of green taxis (Q5)", NULL},
                            {"weather", "FILE: lines of date TAB precipitation (Q6)", NULL},
                            {NULL, NULL, NULL}};
    int code = example_open(&t.x, argc, argv, "taxi [OPTIONS] Q IN... [--green IN] [--weather FILE]", own, 2, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;
    t.green = own[0].value;
    t.weather = own[1].value;
    if ((code = choose(&t, &q)))
        return example_close(&t.x, code);
    char *uris = example_uris(&t.x, 1);
    sdf_rdd *counts = uris ? sdf_sort_by_key(queries[q](&t, uris), NULL) : NULL;
    free(uris);
    return example_finish(&t.x, counts);
}
