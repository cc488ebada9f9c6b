/* Sorts 100-byte records by their first 10 bytes: terasort IN --output DIR writes part-NNNNN files whose
 * concatenation is sorted, and _SUCCESS; without --output the records go to standard output.
 *
 * What this leaves out: checking the records' own format. */
#include "common.h"

#include <stdlib.h>

static sdf_rdd *sorted_of(example *x, const char *uris)
{
    sdf_binary_options records;
    sdf_binary_options_init(&records);
    records.record_bytes = 100;
    records.key_bytes = 10;
    sdf_sort_options order;
    sdf_sort_options_init(&order);
    order.partitions = x->partitions;
    return sdf_sort_by_key(sdf_binary_file(x->context, uris, &records), &order);
}

static int print_all(sdf_result *result, sdf_error **err)
{
    const sdf_batch *batch;
    int rc = SDF_OK;
    while (!ferror(stdout) && (rc = sdf_result_next(result, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice key, value;
            sdf_batch_get(batch, SDF_KEY, i, &key);
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            fwrite(key.data, 1, key.size, stdout);
            fwrite(value.data, 1, value.size, stdout);
        }
    }
    return rc == SDF_END ? SDF_OK : rc;
}

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    int code = example_open(&x, argc, argv, "terasort [OPTIONS] IN [--output DIR]", NULL, 1, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;

    char *uris = example_uris(&x, 0);
    sdf_rdd *sorted = uris ? sorted_of(&x, uris) : NULL;
    free(uris);
    int explained = example_explained(&x, sorted);
    if (explained)
        return example_close(&x, explained < 0 ? EXAMPLE_FAILED : 0);

    sdf_error *err = NULL;
    sdf_result *result = NULL;
    int rc;
    if (x.output)
        rc = sdf_save_as_binary_file(sorted, x.output, &err);
    else if ((rc = sdf_iterate(sorted, &result, &err)) == SDF_OK)
        rc = print_all(result, &err);
    sdf_result_free(result);
    return example_close(&x, rc == SDF_OK ? 0 : example_fail(err));
}
