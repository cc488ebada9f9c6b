/* Actions that give one record, or a few: each is a collection made of the host's by what there is already, which only
 * its job knows, and collected. */
#include <math.h>
#include <stdio.h>

#include <sdf/key.h>

#include "api/internal.h"
#include "spec/type.h"

#define FEW          10000               /* elements that a heap keeps for take_ordered; more are sorted */
#define MOST         (UINT64_C(1) << 31) /* that take_ordered gives */
#define NUMBER_BYTES 8

/* What each of them begins with. */
static int check(const sdf_rdd *rdd, const char *what, const void *place, sdf_error **err)
{
    return place ? handle_check(rdd, what, err) : action_no_place(what, err);
}

/* ---- all values, folded ---- */

/* One record (null, what the function makes of all values) in one partition; none if there are no records. */
static sdf_rdd *folded(sdf_rdd *rdd, const char *operation, const char *function, const void *arg, size_t arg_size)
{
    sdf_rdd *values = handle_project(rdd, operation, PLAN_PROJECT_VALUE, NULL, NULL);
    return handle_then(values, &(node_spec){NODE_AGGREGATE, .operation = operation, .function = function,
                                            .arg = {arg, arg_size}, .partitions = 1});
}

int sdf_reduce(sdf_rdd *rdd, const char *function, sdf_result **result, sdf_error **err)
{
    int rc = check(rdd, "sdf_reduce", result, err);
    return rc ? rc : action_collect(folded(rdd, "reduce", function, NULL, 0), "sdf_reduce", NULL, result, err);
}

int sdf_aggregate(sdf_rdd *rdd, const char *function, const void *arg, size_t arg_size, sdf_result **result,
                  sdf_error **err)
{
    int rc = check(rdd, "sdf_aggregate", result, err);
    return rc ? rc
              : action_collect(folded(rdd, "aggregate", function, arg, arg_size), "sdf_aggregate", NULL, result, err);
}

/* A result of one value. */
static int just(sdf_context *c, const char *type, const sdf_slice *value, sdf_result **result, sdf_error **err)
{
    sdf_column column = {.struct_size = sizeof column, .layout = SDF_LAYOUT_SLICES, .slices = value};
    sdf_rdd *rdd = sdf_parallelize(c, SDF_NULL, type, NULL, &column, 1, 1);
    return action_collect(rdd, "sdf_fold", NULL, result, err);
}

int sdf_fold(sdf_rdd *rdd, const char *function, const sdf_slice *zero, sdf_result **result, sdf_error **err)
{
    int rc = check(rdd, "sdf_fold", result, err);
    if (rc)
        return rc;
    if (!zero || (zero->size && !zero->data))
        return error_set(err, SDF_E_INVALID, "sdf_fold: it needs a zero");
    sdf_rdd *fold = folded(rdd, "fold", function, NULL, 0);
    char *type = fold ? strdup(fold->node->value_type) : NULL;
    sdf_result *all = NULL;
    rc = type ? action_collect(fold, "sdf_fold", NULL, &all, err) : error_no_memory(err);
    if (!type)
        sdf_rdd_free(fold);
    if (!rc && !result_records(all)) {
        sdf_result_free(all);
        rc = just(rdd->context, type, zero, &all, err);
    }
    if (!rc)
        *result = all;
    free(type);
    return rc;
}

/* ---- the first, in some order ---- */

int sdf_first(sdf_rdd *rdd, sdf_result **result, sdf_error **err)
{
    sdf_result *one;
    int rc = check(rdd, "sdf_first", result, err);
    rc = rc ? rc : sdf_take(rdd, 1, &one, err);
    if (rc)
        return rc;
    if (!result_records(one)) {
        sdf_result_free(one);
        error_set(err, SDF_E_NOT_FOUND, "sdf_first: %s has no records", rdd->node->label);
        error_hint(err, "sdf_is_empty tells without an error");
        return SDF_E_NOT_FOUND;
    }
    *result = one;
    return SDF_OK;
}

int sdf_is_empty(sdf_rdd *rdd, int *empty, sdf_error **err)
{
    sdf_result *one;
    int rc = check(rdd, "sdf_is_empty", empty, err);
    rc = rc ? rc : sdf_take(rdd, 1, &one, err);
    if (rc)
        return rc;
    *empty = !result_records(one);
    sdf_result_free(one);
    return SDF_OK;
}

/* (element, null) of the n best, in order: a heap in each task, and one of heaps. */
static sdf_rdd *best_few(sdf_rdd *elements, const char *operation, bool top, uint64_t n)
{
    char arg[24];
    const uint8_t swap = PLAN_PROJECT_SWAP;
    const char *type = elements->node->key_type;
    int size = snprintf(arg, sizeof arg, "%llu", (unsigned long long)n), kind = type_of(type);
    char kind_text[4];
    int kind_size = snprintf(kind_text, sizeof kind_text, "%d", kind);
    sdf_rdd *swapped = handle_from(
        elements, &(node_spec){NODE_NARROW, .operation = operation, .op = PLAN_OP_PROJECT, .arg = {&swap, 1}});
    sdf_rdd *list = handle_then(swapped, &(node_spec){NODE_AGGREGATE, .operation = operation,
                                                      .function = top ? "sdf.top" : "sdf.bottom",
                                                      .arg = {arg, (size_t)size}, .partitions = 1});
    return handle_then(list, &(node_spec){NODE_NARROW, .operation = operation, .op = PLAN_OP_FLAT_MAP,
                                          .function = "sdf.items", .arg = {kind_text, (size_t)kind_size},
                                          .key_type = type, .value_type = SDF_NULL});
}

/* The n best of (element, null), which go. */
static int take_best(sdf_rdd *elements, const char *what, bool top, uint64_t n, sdf_result **result, sdf_error **err)
{
    int rc;
    if (n && n <= FEW) {
        rc = action_collect(best_few(elements, what + strlen("sdf_"), top, n), what, NULL, result, err);
    } else {
        sdf_rdd *sorted =
            handle_from(elements, &(node_spec){NODE_SORT, .operation = what + strlen("sdf_"), .descending = top});
        rc = sorted ? sdf_take(sorted, n, result, err) : error_no_memory(err);
        sdf_rdd_free(sorted);
    }
    return rc;
}

static int ordered(sdf_rdd *rdd, const char *what, bool top, uint64_t n, sdf_result **result, sdf_error **err)
{
    int rc = check(rdd, what, result, err);
    if (rc)
        return rc;
    if (n > MOST) {
        error_set(err, SDF_E_LIMIT, "%s: %llu elements are more than the %llu that it gives", what,
                  (unsigned long long)n, (unsigned long long)MOST);
        error_hint(err, "sort, and iterate over the result");
        return SDF_E_LIMIT;
    }
    sdf_rdd *elements = handle_project(rdd, what + strlen("sdf_"), PLAN_PROJECT_ELEMENT, NULL, NULL);
    rc = elements ? take_best(elements, what, top, n, result, err) : error_no_memory(err);
    sdf_rdd_free(elements);
    return rc;
}

int sdf_take_ordered(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err)
{
    return ordered(rdd, "sdf_take_ordered", false, n, result, err);
}

int sdf_top(sdf_rdd *rdd, uint64_t n, sdf_result **result, sdf_error **err)
{
    return ordered(rdd, "sdf_top", true, n, result, err);
}

/* ---- counts ---- */

static sdf_rdd *counted(sdf_rdd *rdd, const char *operation)
{
    return handle_from(rdd, &(node_spec){NODE_AGGREGATE, .operation = operation, .function = "sdf.count"});
}

int sdf_count_by_key(sdf_rdd *rdd, sdf_result **result, sdf_error **err)
{
    int rc = check(rdd, "sdf_count_by_key", result, err);
    return rc ? rc : action_collect(counted(rdd, "count_by_key"), "sdf_count_by_key", NULL, result, err);
}

int sdf_count_by_value(sdf_rdd *rdd, sdf_result **result, sdf_error **err)
{
    int rc = check(rdd, "sdf_count_by_value", result, err);
    if (rc)
        return rc;
    sdf_rdd *elements = handle_project(rdd, "count_by_value", PLAN_PROJECT_ELEMENT, NULL, NULL);
    sdf_rdd *counts = counted(elements, "count_by_value");
    sdf_rdd_free(elements);
    return action_collect(counts, "sdf_count_by_value", NULL, result, err);
}

/* ---- lookup ---- */

int sdf_lookup(sdf_rdd *rdd, const sdf_slice *key, sdf_result **result, sdf_error **err)
{
    int rc = check(rdd, "sdf_lookup", result, err);
    if (rc)
        return rc;
    type_kind kind = type_of(rdd->node->key_type);
    size_t size = kind == TYPE_NULL ? 0 : NUMBER_BYTES;
    if (!key || (key->size && !key->data))
        return error_set(err, SDF_E_INVALID, "sdf_lookup: no key was given");
    if ((type_is_number(kind) || kind == TYPE_NULL) && key->size != size) {
        error_set(err, SDF_E_TYPE, "sdf_lookup: a key of %zu bytes was given; one of type %s has %zu", key->size,
                  rdd->node->key_type, size);
        error_hint(err, "give the key as it lies in a record: numbers as 8 bytes");
        return SDF_E_TYPE;
    }
    sdf_rdd *found =
        handle_from(rdd, &(node_spec){NODE_NARROW, .operation = "lookup", .op = PLAN_OP_FILTER,
                                      .function = kind == TYPE_F64 ? "sdf.key_is_f64" : "sdf.key_is", .arg = *key});
    return action_collect(found, "sdf_lookup", key, result, err);
}

/* ---- stats ---- */

/* The fields of sdf.stats, of which there is at most one record. */
static int read_stats(sdf_result *r, sdf_stats_result *s, sdf_error **err)
{
    const sdf_batch *batch;
    sdf_slice tuple;
    double fields[6] = {0, 0, NAN, NAN, NAN, NAN};
    int64_t count = 0;
    int rc = sdf_result_next(r, &batch, err);
    if (rc && rc != SDF_END)
        return rc;
    if (!rc) {
        sdf_batch_get(batch, SDF_VALUE, 0, &tuple);
        sdf_key_next(&tuple, NULL, NULL, NULL, NULL);
        sdf_key_next(&tuple, &count, NULL, NULL, NULL);
        for (int i = 1; i < 6; i++)
            sdf_key_next(&tuple, NULL, &fields[i], NULL, NULL);
    }
    s->count = (uint64_t)count;
    s->sum = fields[1];
    s->min = fields[2];
    s->max = fields[3];
    s->mean = fields[4];
    s->variance = fields[5];
    s->stdev = sqrt(s->variance);
    return SDF_OK;
}

int sdf_stats(sdf_rdd *rdd, sdf_stats_result *stats, sdf_error **err)
{
    sdf_stats_result s = {.struct_size = sizeof s};
    sdf_result *r;
    int rc = check(rdd, "sdf_stats", stats, err);
    if (rc)
        return rc;
    if (stats->struct_size < sizeof stats->struct_size) {
        error_set(err, SDF_E_INVALID, "sdf_stats: the struct_size of its result is %zu", stats->struct_size);
        error_hint(err, "set it to sizeof(sdf_stats_result)");
        return SDF_E_INVALID;
    }
    rc = action_collect(folded(rdd, "stats", "sdf.stats", NULL, 0), "sdf_stats", NULL, &r, err);
    if (rc)
        return rc;
    rc = read_stats(r, &s, err);
    sdf_result_free(r);
    if (rc)
        return rc;
    s.struct_size = stats->struct_size;
    memcpy(stats, &s, s.struct_size < sizeof s ? s.struct_size : sizeof s);
    return SDF_OK;
}
