/* Sources and operators: each makes a handle and, with the model, the rows that it must have. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "case.h"

#define ROWS_MAX 3000
#define KEYS     40

uint64_t pick(test_case *t, uint64_t n)
{
    uint64_t z = (t->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % n;
}

void trail(test_case *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->trail + t->trail_size, TRAIL_MAX - t->trail_size, format, args);
    va_end(args);
    if (n > 0 && t->trail_size + (size_t)n < TRAIL_MAX)
        t->trail_size += (size_t)n;
}

/* A full pool forgets a random member; what was made from it must stay good. */
static void add(test_case *t, sdf_rdd *rdd, rows r, int order, const char *what)
{
    size_t at = t->count;
    if (t->count == POOL_MAX) {
        at = pick(t, POOL_MAX);
        sdf_rdd_free(t->pool[at].rdd);
    } else {
        t->count++;
    }
    t->pool[at] = (member){rdd, r, order};
    trail(t, "  [%zu] = %s: %c,%c %zu rows\n", at, what, r.key, r.value, r.count);
}

/* ---- sources ---- */

static sdf_slice random_value(test_case *t, char type, uint64_t spread, size_t size)
{
    if (type == 'n')
        return (sdf_slice){"", 0};
    int64_t n = (int64_t)pick(t, spread) - (int64_t)(spread / 4);
    if (type == 'i')
        return slice_i64(n);
    if (type == 'f') {
        double v = (double)n * 0.25 + 0.125; /* never 0: the two zeros are one key */
        return slice_copy(&v, sizeof v);
    }
    char text[600];
    size_t length = (size_t)snprintf(text, 32, "%lld", (long long)n);
    for (size_t extra = size ? pick(t, size) : 0; extra > 0 && length < sizeof text; extra--)
        text[length++] = (char)('a' + n % 23 + (n < 0 ? 23 : 0));
    if (pick(t, 20) == 0 && length < sizeof text)
        text[length++] = 0;
    return slice_copy(text, length);
}

static rows random_rows(test_case *t)
{
    static const char keys[] = "iibbfn", values[] = "iiiibbfn";
    static const size_t counts[] = {0, 1, 2, 7, 60, 300, 1500};
    rows r = {.key = keys[pick(t, sizeof keys - 1)], .value = values[pick(t, sizeof values - 1)]};
    size_t count = counts[pick(t, sizeof counts / sizeof counts[0])];
    unsigned skew = (unsigned)pick(t, 4);
    for (size_t i = 0; i < count; i++) {
        uint64_t spread = skew == 0 && pick(t, 10) ? 1 : skew == 1 ? 1000000 : KEYS;
        rows_add(&r, random_value(t, r.key, spread, pick(t, 50) ? 6 : 500), random_value(t, r.value, 2000, 30));
    }
    return r;
}

static void source_memory(test_case *t)
{
    rows r = random_rows(t);
    sdf_slice *keys = case_alloc((r.count + 1) * sizeof *keys), *values = case_alloc((r.count + 1) * sizeof *values);
    for (size_t i = 0; i < r.count; i++) {
        keys[i] = r.at[i].key;
        values[i] = r.at[i].value;
    }
    sdf_column k = {.struct_size = sizeof k, .layout = SDF_LAYOUT_SLICES, .slices = keys}, v = k;
    v.slices = values;
    add(t,
        sdf_parallelize(t->context, type_name(r.key), type_name(r.value), r.key == 'n' ? NULL : &k,
                        r.value == 'n' ? NULL : &v, r.count, (uint32_t)pick(t, 9)),
        r, 0, "parallelize");
}

static void source_range(test_case *t)
{
    int64_t start = (int64_t)pick(t, 100) - 50, step = (int64_t)pick(t, 7) - 3, count = (int64_t)pick(t, 200);
    step = step ? step : 1;
    rows r = {.key = 'n', .value = 'i'};
    for (int64_t i = 0; i < count; i++)
        rows_add(&r, (sdf_slice){"", 0}, slice_i64(start + i * step));
    add(t, sdf_range(t->context, start, start + count * step, step, 1 + (uint32_t)pick(t, 6)), r, 0, "range");
}

/* Delimited text in one to three files, taken apart by expressions. */
static void source_delimited(test_case *t)
{
    rows r = {.key = 'b', .value = 'i'};
    char names[1024] = "", quoted[2] = {0, 0};
    for (uint64_t f = 1 + pick(t, 3); f > 0; f--) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s/in%u.csv", used ? "\n" : "", t->folder, t->files);
        char path[512];
        snprintf(path, sizeof path, "%s/in%u.csv", t->folder, t->files++);
        FILE *out = fopen(path, "wb");
        if (!out)
            exit(1);
        fputs("id,\"the name\",n\n", out);
        for (uint64_t i = pick(t, 200); i > 0; i--) {
            char name[64];
            int64_t n = (int64_t)pick(t, 500);
            quoted[0] = pick(t, 3) ? 0 : '"';
            snprintf(name, sizeof name, "k%s%llu", *quoted ? ",\"" : "", (unsigned long long)pick(t, KEYS));
            rows_add(&r, slice_copy(name, strlen(name)), slice_i64(n));
            fprintf(out, "%llu,%s", (unsigned long long)i, *quoted ? "\"k,\"\"" : "");
            fprintf(out, "%s%s,%lld%s\n", *quoted ? name + 3 : name, quoted, (long long)n, pick(t, 2) ? "" : "\r");
        }
        fclose(out);
    }
    sdf_rdd *rows_of = sdf_delimited_file(t->context, names, NULL);
    add(t, sdf_select(rows_of, "${the name}", "i64($n)"), r, 0, "delimited");
    sdf_rdd_free(rows_of);
}

void grow_source(test_case *t)
{
    uint64_t kind = pick(t, 6);
    if (kind == 0)
        source_range(t);
    else if (kind == 1)
        source_delimited(t);
    else
        source_memory(t);
}

/* ---- operators on one ---- */

static void op_narrow(test_case *t, const member *m)
{
    const rows *r = &m->rows;
    char type = r->value, drop = (char)('0' + pick(t, 3));
    int kept = m->order;
    switch (pick(t, 9)) {
    case 0:
        add(t, sdf_map(m->rdd, "turn", &type, 1), model_map_values(r), kept, "map turn");
        break;
    case 1:
        add(t, sdf_map_values(m->rdd, "turn", &type, 1), model_map_values(r), kept, "map_values turn");
        break;
    case 2:
        add(t, sdf_filter(m->rdd, "keep", &drop, 1), model_filter(r, (unsigned)(drop - '0')), kept, "filter keep");
        break;
    case 3:
        add(t, sdf_flat_map(m->rdd, "times", NULL, 0), model_times(r), kept, "flat_map times");
        break;
    case 4:
        add(t, sdf_flat_map_values(m->rdd, "times", NULL, 0), model_times(r), kept, "flat_map_values times");
        break;
    case 5: {
        rows keyed = model_key_by(r);
        sdf_rdd *rdd = sdf_key_by(m->rdd, "key_of", NULL, 0);
        add(t, sdf_map_values(rdd, "digest", NULL, 0), model_digest_values(&keyed), 0, "key_by, digest");
        break;
    }
    case 6: {
        int keys = (int)pick(t, 2);
        add(t, keys ? sdf_only_keys(m->rdd) : sdf_only_values(m->rdd), model_only(r, keys), 0, keys ? "keys" : "values");
        break;
    }
    case 7:
        if (r->value == 'i')
            add(t, sdf_where(m->rdd, "value % 3 != 1"), model_divisible(r), kept, "where");
        break;
    default:
        if (r->value == 'i' && r->key != 'n')
            add(t, sdf_select(m->rdd, "key", "value * 2 + 1"), model_arithmetic(r), kept, "select");
    }
}

static uint32_t partitions(test_case *t)
{
    return (uint32_t)pick(t, 6);
}

static void op_spread(test_case *t, member *m)
{
    rows r = m->rows;
    sdf_sort_options sort;
    sdf_sort_options_init(&sort);
    switch (pick(t, 6)) {
    case 0:
        add(t, sdf_repartition(m->rdd, partitions(t)), r, 0, "repartition");
        break;
    case 1:
        add(t, sdf_coalesce(m->rdd, 1 + partitions(t)), r, m->order, "coalesce");
        break;
    case 2:
        add(t, sdf_partition_by(m->rdd, partitions(t)), r, 0, "partition_by");
        break;
    case 3:
        sdf_persist(m->rdd);
        trail(t, "  persist\n");
        break;
    case 4:
        sdf_unpersist(m->rdd);
        trail(t, "  unpersist\n");
        break;
    default:
        sort.partitions = partitions(t);
        sort.descending = (uint32_t)pick(t, 2);
        add(t, sdf_sort_by_key(m->rdd, &sort), r, sort.descending ? -1 : 1, "sort_by_key");
    }
}

static void op_by_key(test_case *t, const member *m)
{
    static const char *const folds[] = {"sdf.sum", "sdf.min", "sdf.max"};
    const rows *r = &m->rows;
    uint64_t kind = pick(t, 5), fold = pick(t, 3);
    if (kind == 0 && r->value == 'i')
        add(t, sdf_reduce_by_key(m->rdd, folds[fold], partitions(t)), model_reduce(r, "smM"[fold]), 0, folds[fold]);
    else if (kind == 1)
        add(t, sdf_aggregate_by_key(m->rdd, "sdf.count", NULL, 0, partitions(t)), model_count(r), 0, "count");
    else if (kind == 2)
        add(t, sdf_map_groups(m->rdd, "group", NULL, 0, partitions(t)), model_groups(r, NULL), 0, "map_groups");
    else if (kind == 3)
        add(t, sdf_distinct(m->rdd, partitions(t)), model_distinct(r), 0, "distinct");
}

/* ---- operators on two ---- */

static void op_join(test_case *t, const member *a, const member *b)
{
    static const char *const names[] = {"join", "left join", "right join", "full join"};
    if (a->rows.key != b->rows.key || model_join_size(&a->rows, &b->rows) > ROWS_MAX * 4)
        return;
    sdf_join_options options;
    sdf_join_options_init(&options);
    options.how = (uint32_t)pick(t, 4);
    options.partitions = partitions(t);
    options.strategy = (uint32_t)pick(t, 2);
    if (options.how <= SDF_JOIN_LEFT && pick(t, 3) == 0)
        options.strategy = SDF_JOIN_BROADCAST_RIGHT;
    else if ((options.how == SDF_JOIN_INNER || options.how == SDF_JOIN_RIGHT) && pick(t, 3) == 0)
        options.strategy = SDF_JOIN_BROADCAST_LEFT;
    sdf_rdd *joined = sdf_join(a->rdd, b->rdd, &options);
    trail(t, "  (strategy %u)\n", options.strategy);
    add(t, sdf_map_values(joined, "digest", NULL, 0), model_join(&a->rows, &b->rows, (join_how)options.how), 0,
        names[options.how]);
}

static void op_two(test_case *t, const member *a, const member *b)
{
    sdf_rdd *both[] = {a->rdd, b->rdd};
    int same_key = a->rows.key == b->rows.key, same = same_key && a->rows.value == b->rows.value;
    uint64_t kind = pick(t, 6);
    if (kind == 0 && same)
        add(t, sdf_union(both, 2), model_union(&a->rows, &b->rows), 0, "union");
    else if (kind == 1 && same && a->rows.count * b->rows.count < 4000000)
        add(t, sdf_intersection(a->rdd, b->rdd, partitions(t)), model_intersection(&a->rows, &b->rows), 0,
            "intersection");
    else if (kind == 2 && same_key)
        add(t, sdf_subtract_by_key(a->rdd, b->rdd, partitions(t)), model_subtract(&a->rows, &b->rows), 0, "subtract");
    else if (kind == 3 && same_key)
        add(t, sdf_map_cogroups(both, 2, "cogroup", NULL, 0, partitions(t)), model_groups(&a->rows, &b->rows), 0,
            "map_cogroups");
    else if (kind > 3)
        op_join(t, a, b);
}

void grow(test_case *t)
{
    size_t i = pick(t, t->count), j = pick(t, t->count);
    member a = t->pool[i], b = t->pool[j];
    if (a.rows.count > ROWS_MAX)
        return;
    uint64_t kind = pick(t, 10);
    trail(t, "  of [%zu]%s%c\n", i, kind > 6 ? " and " : "", kind > 6 ? (char)('0' + j % 10) : ' ');
    if (kind < 3)
        op_narrow(t, &a);
    else if (kind < 5)
        op_spread(t, &a);
    else if (kind < 7)
        op_by_key(t, &a);
    else
        op_two(t, &a, &b);
}
