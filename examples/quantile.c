/* A quantile of a numeric field by key, as one JSON document:
 *     quantile --key payment_type --field fare_amount trips.csv      {"1": 22.5, "2": 18}
 * --q 0.9 is the default. Inputs are delimited text with a header; rows whose field is no number are skipped. The
 * figures are those of "sdf.quantiles" (docs/aggregators.md says how exact they are).
 *
 * What this leaves out: keys that are no UTF-8 (their odd bytes are written as \u00XX). */
#include "common.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_string(const sdf_slice *text)
{
    const unsigned char *p = text->data;
    putchar('"');
    for (size_t i = 0; i < text->size; i++) {
        if (p[i] == '"' || p[i] == '\\')
            printf("\\%c", p[i]);
        else if (p[i] < 0x20 || p[i] == 0x7f)
            printf("\\u%04x", p[i]);
        else
            putchar(p[i]);
    }
    putchar('"');
}

static int print_document(sdf_result *result, sdf_error **err)
{
    const sdf_batch *batch;
    const char *before = "{";
    int rc;
    while ((rc = sdf_result_next(result, &batch, err)) == SDF_OK) {
        for (size_t i = 0; i < sdf_batch_count(batch); i++) {
            sdf_slice key, value;
            char number[64];
            sdf_batch_get(batch, SDF_KEY, i, &key);
            sdf_batch_get(batch, SDF_VALUE, i, &value);
            fputs(before, stdout);
            print_string(&key);
            sdf_format(SDF_F64, &value, number, sizeof number);
            printf(": %s", isfinite(sdf_slice_f64(&value)) ? number : "null");
            before = ",\n ";
        }
    }
    if (rc == SDF_END)
        puts(*before == '{' ? "{}" : "}");
    return rc == SDF_END ? SDF_OK : rc;
}

/* (key, field as f64) of each row; the names become fields whatever characters they have. */
static sdf_rdd *pairs(sdf_rdd *rows, const char *key_name, const char *field_name)
{
    sdf_expr *key = sdf_expr_field(key_name), *field = sdf_expr_field(field_name);
    const sdf_expr *args[] = {field};
    sdf_expr *number = sdf_expr_call("f64", args, 1);
    sdf_rdd *rdd = sdf_rdd_on_error(sdf_map_expr(rows, key, number), SDF_ERRORS_SKIP);
    sdf_expr_free(number);
    sdf_expr_free(field);
    sdf_expr_free(key);
    return rdd;
}

static int run(example *x, sdf_rdd *quantiles)
{
    sdf_error *err = NULL;
    sdf_result *result = NULL;
    if (x->explain || x->output)
        return example_finish(x, quantiles);
    int rc = sdf_iterate(quantiles, &result, &err);
    if (rc == SDF_OK)
        rc = print_document(result, &err);
    sdf_result_free(result);
    return example_close(x, rc == SDF_OK ? 0 : example_fail(err));
}

int main(int argc, char **argv)
{
    if (sdf_worker_requested())
        return sdf_worker_main();

    example x;
    example_option own[] = {{"key", "NAME: the column to group by", NULL},
                            {"field", "NAME: the numeric column", NULL},
                            {"q", "the quantile, from 0 to 1 (default: 0.9)", NULL},
                            {NULL, NULL, NULL}};
    int code = example_open(&x, argc, argv, "quantile [OPTIONS] --key NAME --field NAME IN...", own, 1, 1 << 20);
    if (code)
        return code < 0 ? 0 : code;
    if (!own[0].value || !own[1].value)
        return example_close(&x, example_usage(&x, "%s", "both --key and --field are needed"));

    const char *q = own[2].value ? own[2].value : "0.9";
    char *uris = example_uris(&x, 0);
    sdf_rdd *rows = uris ? sdf_delimited_file(x.context, uris, NULL) : NULL;
    sdf_rdd *values = pairs(rows, own[0].value, own[1].value);
    free(uris);
    return run(&x, sdf_sort_by_key(sdf_aggregate_by_key(values, "sdf.quantiles", q, strlen(q), x.partitions), NULL));
}
