/* The functions that the lineages run on workers: the same as model.c computes, through the library's own doors. */
#include "functions.h"

#include <stdlib.h>
#include <string.h>

#include "model.h"

/* The argument is a text of one letter, which lives as long as the state. */
static int open_letter(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    (void)task;
    if (arg->size != 1) {
        *err = sdf_error_new(SDF_E_INVALID, "the argument is no letter", NULL);
        return SDF_E_INVALID;
    }
    *state = (void *)arg->data;
    return SDF_OK;
}

static char letter(const void *state)
{
    return *(const char *)state;
}

static int turn(const sdf_record *in, sdf_out *out, void *state)
{
    char small[4096], *text = small;
    int rc;
    if (letter(state) == 'i')
        return sdf_emit_i64(out, &in->key, (sdf_slice_i64(&in->value) * 3 + 1) % 1000003);
    if (letter(state) == 'f')
        return sdf_emit_f64(out, &in->key, sdf_slice_f64(&in->value) + 0.5);
    if (letter(state) == 'n')
        return sdf_emit(out, &in->key, &in->value);
    if (in->value.size >= sizeof small && !(text = malloc(in->value.size + 1)))
        return SDF_E_NO_MEMORY;
    if (in->value.size)
        memcpy(text, in->value.data, in->value.size);
    text[in->value.size] = 'x';
    sdf_slice value = {text, in->value.size + 1};
    rc = sdf_emit(out, &in->key, &value);
    if (text != small)
        free(text);
    return rc;
}

static int digest(const sdf_record *in, sdf_out *out, void *state)
{
    (void)state;
    return sdf_emit_i64(out, &in->key, model_digest(&in->value));
}

static int keep(const sdf_record *in, sdf_out *out, void *state)
{
    (void)out;
    return hash_slices(&in->key, &in->value) % 3 != (unsigned)(letter(state) - '0');
}

static int times(const sdf_record *in, sdf_out *out, void *state)
{
    (void)state;
    int rc = SDF_OK;
    for (uint64_t n = hash_slices(&in->key, &in->value) % 3; n > 0 && rc == SDF_OK; n--)
        rc = n % 2 ? sdf_emit(out, &in->key, &in->value) : sdf_emit_view(out, &in->key, &in->value);
    return rc;
}

static int key_of(const sdf_record *in, sdf_out *out, void *state)
{
    (void)state;
    int64_t key = model_digest(&in->value) % 7;
    return sdf_emit(out, &(sdf_slice){&key, sizeof key}, &in->value);
}

static int sum_of(sdf_values *values, int64_t *sum)
{
    sdf_slice value;
    int rc;
    while ((rc = sdf_values_next(values, &value)) == SDF_OK)
        *sum += model_digest(&value) + 1;
    return rc == SDF_END ? SDF_OK : rc;
}

static int group(const sdf_slice *key, sdf_values *values, sdf_out *out, void *state)
{
    (void)state;
    int64_t sum = 0;
    int rc = sum_of(values, &sum);
    return rc ? rc : sdf_emit_i64(out, key, sum);
}

/* The sides are read in reverse, so that neither depends on the other. */
static int cogroup(const sdf_slice *key, sdf_values *const *values, size_t count, sdf_out *out, void *state)
{
    (void)state;
    int64_t sums[2] = {0, 0};
    int rc = SDF_OK;
    for (size_t i = count; i-- > 0 && !rc;)
        rc = sum_of(values[i], &sums[i]);
    return rc ? rc : sdf_emit_i64(out, key, sums[0] + 31 * sums[1]);
}

void functions_register(void)
{
    SDF_REGISTER(turn, .map = turn, .open = open_letter);
    SDF_REGISTER(digest, .map = digest, .out_value = SDF_I64);
    SDF_REGISTER(keep, .filter = keep, .open = open_letter);
    SDF_REGISTER(times, .map = times);
    SDF_REGISTER(key_of, .map = key_of, .out_key = SDF_I64);
    SDF_REGISTER(group, .group = group, .out_value = SDF_I64);
    SDF_REGISTER(cogroup, .cogroup = cogroup, .out_value = SDF_I64);
}
