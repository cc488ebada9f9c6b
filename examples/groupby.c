/* Group-bys of the h2o benchmark: groupby Q IN... prints keys... TAB values..., one line a group, in no order.
 *
 *   q1   sum of v1 by id1
 *   q3   sum of v1 and mean of v3 by id3
 *   q10  sum of v3 and count by id1 .. id6
 *
 * Inputs are delimited text with a header: id1 .. id6, v1, v2, v3. */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static sdf_rdd *q1(sdf_rdd *rows, uint32_t partitions)
{
    return sdf_reduce_by_key(sdf_select(rows, "$id1", "i64($v1)"), "sdf.sum", partitions);
}

static sdf_rdd *q3(sdf_rdd *rows, uint32_t partitions)
{
    sdf_rdd *values = sdf_select(rows, "$id3", "tuple(i64($v1), f64($v3))");
    return sdf_aggregate_by_key(values, "sdf.each", "sum mean", 8, partitions);
}

static sdf_rdd *q10(sdf_rdd *rows, uint32_t partitions)
{
    sdf_rdd *values = sdf_select(rows, "tuple($id1, $id2, $id3, $id4, $id5, $id6)", "tuple(f64($v3), 1)");
    return sdf_aggregate_by_key(values, "sdf.each", "sum count", 9, partitions);
}

static const struct {
    const char *name;
    sdf_rdd *(*make)(sdf_rdd *rows, uint32_t partitions);
} queries[] = {{"q1", q1}, {"q3", q3}, {"q10", q10}};

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    int code = example_open(&x, argc, argv, "groupby [OPTIONS] Q IN...", NULL, 2, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;
    size_t q = 0, count = sizeof queries / sizeof queries[0];
    while (q < count && strcmp(x.inputs[0], queries[q].name))
        q++;
    if (q == count)
        return example_close(&x, example_usage(&x, "\"%s\" is no query; there are q1, q3 and q10", x.inputs[0]));

    char *uris = example_uris(&x, 1);
    sdf_rdd *groups = uris ? queries[q].make(sdf_delimited_file(x.context, uris, NULL), x.partitions) : NULL;
    free(uris);
    return example_finish(&x, groups);
}
