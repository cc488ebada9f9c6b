/* Two-level exchange: whether a shuffle of M producers into R partitions goes straight there, or by way of about
 * sqrt(R) groups of partitions, which a second stage brings to where they belong.
 *
 * One level costs M puts and M * R gets, since every consumer reads a part of every producer's object. In two levels
 * each of G * S tasks (G groups of partitions, S slices of producers) reads one group of M / S producers and writes an
 * object, of which the R / G consumers of the group read a part each: 2 puts and 2 * sqrt(M) gets per task for M = R,
 * and every byte is read and written once more. Which is dearer follows from the prices of an object store and of
 * functions (us-east-1, 2026): a get $4e-7, a put $5e-6, a GB-second $1.66667e-5; a function moves 300 MiB at
 * 1.2 GiB/s and then 75 MiB/s. So two levels pay from about 260 producers and partitions of 0.4 GB, or 800 of 1 GB.
 * Stores without a price per request are also glad not to serve 10^6 requests for small ranges, but not before.
 *
 * Round robin has no second level: a record's partition does not follow from the record, so the groups could not be
 * kept apart. */
#include "base/error.h"
#include "plan/builder.h"

#define GET_DOLLARS       4e-7
#define PUT_DOLLARS       5e-6
#define GB_SECOND_DOLLARS 1.66667e-5
#define FUNCTION_GB       1.769 /* with one whole processor */
#define FUNCTION_START_S  1.0   /* of a stage's tasks, until data flows */
#define BURST_BYTES       (300.0 * 1048576)
#define BURST_RATE        (1.2 * 1073741824)
#define STEADY_RATE       (75.0 * 1048576)
#define PAIRS_MIN         65536   /* producers times partitions: below, requests are too few to matter */
#define TASKS_MAX         1000000 /* of the second level */

/* The least g with g * g >= n. */
static uint32_t root_of(uint32_t n)
{
    uint32_t g = 1;
    while ((uint64_t)g * g < n)
        g++;
    return g;
}

static double move_seconds(double bytes)
{
    return bytes <= BURST_BYTES ? bytes / BURST_RATE : BURST_BYTES / BURST_RATE + (bytes - BURST_BYTES) / STEADY_RATE;
}

/* What the second level saves, and what it costs, in dollars. `bytes`: of all producers together. */
static bool pays(uint32_t m, uint32_t r, double bytes)
{
    double groups = root_of(r), slices = root_of(m), tasks = groups * slices;
    double saved = ((double)m * r - (m * groups + r * slices)) * GET_DOLLARS - tasks * PUT_DOLLARS;
    double pass = tasks * (FUNCTION_START_S + move_seconds(bytes / tasks)) * FUNCTION_GB * GB_SECOND_DOLLARS;
    return saved > pass;
}

/* The producers' bytes: what is known of them, or what a split usually has. */
static double producer_bytes(const builder *b, const segment *s)
{
    if (s->known)
        return (double)s->estimate;
    return s->bytes ? (double)s->bytes : (double)s->tasks * (double)b->config->split_bytes;
}

static bool wants_two(const builder *b, const segment *s, const shuffle_spec *spec)
{
    uint32_t m = s->tasks, r = spec->partitions;
    if (m < 2 || r < 2 || b->config->exchange == 1 || spec->partitioner == PLAN_PARTITION_ROUND_ROBIN ||
        (uint64_t)root_of(m) * root_of(r) > TASKS_MAX)
        return false;
    if (b->config->exchange == 2)
        return true;
    return (uint64_t)m * r >= PAIRS_MIN && pays(m, r, producer_bytes(b, s));
}

/* Reads the groups: task g * slices + i takes group g of the i-th slice of the producers. So a consumer, which reads
 * tasks in their order, still has the producers in theirs. */
static int middle_segment(const shuffle_spec *spec, uint32_t first, uint32_t producers, uint32_t groups, segment *s)
{
    uint32_t slices = root_of(producers);
    if (segment_read(s, spec->at, spec->key_type, spec->value_type, first, groups))
        return SDF_E_NO_MEMORY;
    plan_input *in = &s->branches[0].plan.input;
    if (fit_set(&in->key_type, spec->key_type, NULL) || fit_set(&in->value_type, spec->value_type, NULL) ||
        segment_split(s, slices))
        return SDF_E_NO_MEMORY;
    for (uint32_t t = 0; t < s->tasks; t++) {
        uint64_t slice = t % slices;
        s->pieces[t].from = (uint32_t)(slice * producers / slices);
        s->pieces[t].to = (uint32_t)((slice + 1) * producers / slices);
    }
    return SDF_OK;
}

int exchange_shuffle(builder *b, segment *s, const shuffle_spec *spec, uint32_t *stage, uint32_t *middle,
                     sdf_error **err)
{
    *middle = 0;
    if (!wants_two(b, s, spec))
        return emit_shuffle(b, s, spec, "", stage, err);
    uint32_t producers = s->tasks, groups = root_of(spec->partitions);
    shuffle_spec first = *spec;
    first.spread = spec->partitions;
    first.partitions = groups;
    first.order = PLAN_ORDER_NONE; /* the second level sorts */
    segment second = {0};
    int rc =
        builder_choice(
            b, spec->at, "two_levels", "%u producers and %u partitions make %llu reads in one level, %llu in two: %s",
            producers, spec->partitions, (unsigned long long)producers * spec->partitions,
            (unsigned long long)producers * groups + (unsigned long long)spec->partitions * root_of(producers),
            b->config->exchange == 2 ? "as the setting says" : "cheaper, with one more pass of the data")
            ? error_no_memory(err)
            : SDF_OK;
    rc = rc ? rc : emit_shuffle(b, s, &first, " (groups)", middle, err);
    if (rc)
        return rc;
    shuffle_spec last = *spec;
    last.merging = spec->combine != NULL;
    if (middle_segment(spec, *middle, producers, groups, &second))
        rc = error_no_memory(err);
    else
        rc = emit_shuffle(b, &second, &last, " (exchange)", stage, err);
    segment_clear(&second);
    return rc;
}
