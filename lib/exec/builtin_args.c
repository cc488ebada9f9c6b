/* Arguments of the library's own aggregators, which are text: a number, or a few quantiles. Read when a plan is made,
 * so that what can't be meant is an error then, and again where a task opens the aggregator. */
#include "base/error.h"
#include "base/num.h"
#include "exec/builtins.h"

#define SKETCH_K_MIN     16
#define SKETCH_K_MAX     65535
#define SKETCH_K_DEFAULT 1000

int arg_count(const char *what, const sdf_slice *arg, uint64_t least, uint64_t most, uint64_t otherwise,
              uint64_t *count, sdf_error **err)
{
    int64_t v = (int64_t)otherwise;
    if ((arg->size && !num_parse_i64(arg->data, arg->size, &v)) || v < (int64_t)least || v > (int64_t)most) {
        error_set(err, SDF_E_INVALID, "%s can't be \"%.*s\"", what, (int)(arg->size < 40 ? arg->size : 40),
                  arg->size ? (const char *)arg->data : "");
        error_hint(err, "give a whole number from %llu to %llu", (unsigned long long)least, (unsigned long long)most);
        return SDF_E_INVALID;
    }
    *count = (uint64_t)v;
    return SDF_OK;
}

/* ---- quantiles ---- */

static bool is_separator(char c)
{
    return c == ',' || c == ' ';
}

static int quantile_add(const char *word, size_t size, bool sketch, quantiles *q, sdf_error **err)
{
    sdf_slice k = {word + 2, size - 2};
    uint64_t number;
    if (sketch && size > 2 && !memcmp(word, "k=", 2)) {
        int rc = arg_count("k, the size of a sketch,", &k, SKETCH_K_MIN, SKETCH_K_MAX, 0, &number, err);
        q->k = rc ? 0 : (uint32_t)number;
        return rc;
    }
    double at;
    if (!num_parse_f64(word, size, &at) || !(at >= 0 && at <= 1)) {
        error_set(err, SDF_E_INVALID, "\"%.*s\" is no quantile", (int)(size < 40 ? size : 40), word);
        error_hint(err, "give numbers from 0 to 1, such as \"0.5,0.9,0.99\"%s", sketch ? ", and perhaps k=2000" : "");
        return SDF_E_INVALID;
    }
    if (q->count == QUANTILES_MAX)
        return error_set(err, SDF_E_LIMIT, "more than %d quantiles", QUANTILES_MAX);
    q->at[q->count++] = at;
    return SDF_OK;
}

static void quantiles_order(quantiles *q)
{
    for (uint32_t i = 0; i < q->count; i++) {
        uint32_t at = i;
        for (; at && q->at[q->by_size[at - 1]] > q->at[i]; at--)
            q->by_size[at] = q->by_size[at - 1];
        q->by_size[at] = (uint8_t)i;
    }
}

int arg_quantiles(const sdf_slice *arg, bool sketch, quantiles *q, sdf_error **err)
{
    const char *p = arg->data, *end = p + arg->size;
    memset(q, 0, sizeof *q);
    q->k = SKETCH_K_DEFAULT;
    while (p < end) {
        const char *word = p;
        while (p < end && !is_separator(*p))
            p++;
        int rc = p > word ? quantile_add(word, (size_t)(p - word), sketch, q, err) : SDF_OK;
        if (rc)
            return rc;
        p += p < end;
    }
    if (q->count) {
        quantiles_order(q);
        return SDF_OK;
    }
    error_set(err, SDF_E_INVALID, "no quantile was named");
    error_hint(err, "give them as the argument, such as \"0.5,0.9,0.99\"");
    return SDF_E_INVALID;
}

static int open_as(const sdf_slice *arg, bool sketch, void **state, sdf_error **err)
{
    quantiles *q = malloc(sizeof *q);
    int rc = q ? arg_quantiles(arg, sketch, q, err) : error_no_memory(err);
    if (rc)
        free(q);
    else
        *state = q;
    return rc;
}

int quantiles_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    return open_as(arg, false, state, err);
}

int quantiles_open_sketch(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    return open_as(arg, true, state, err);
}

int quantiles_emit(const quantiles *q, const double *results, sdf_out *out)
{
    uint8_t tuple[2 + QUANTILES_MAX * ITEM_NUMBER_BYTES];
    size_t size = 0;
    if (q->count == 1)
        return sdf_emit_f64(out, NULL, results[0]);
    sdf_key_begin_tuple(tuple, sizeof tuple, &size);
    for (uint32_t i = 0; i < q->count; i++)
        sdf_key_put_f64(tuple, sizeof tuple, &size, results[i]);
    sdf_key_end_tuple(tuple, sizeof tuple, &size);
    return sdf_emit(out, NULL, &(sdf_slice){tuple, size});
}
