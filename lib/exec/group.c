/* Groups: for each key of a sorted partition one call of a group function, with its values as a stream. Nothing is
 * held but the key, so a group may be larger than memory; what the function leaves unread is passed over. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/merge.h"
#include "exec/shuffle_input.h"

struct sdf_values {
    sorted_input *input;
    sdf_out *out; /* of the group function: views may point into the batch that goes */
    sdf_batch batch;
    size_t at;       /* in batch: the next value */
    uint32_t pulled; /* batches, to look at the lease now and then */
    bool ended;      /* the input is */
    bool over;       /* the group is */
    bool calling;    /* the group function runs */
    int status;      /* not 0: pulling failed, and `error` says why */
    sdf_error *error;
    task_env *env;
    uint8_t *key; /* a copy: the batch it came in goes while its values are read */
    size_t key_size, key_capacity;
};

/* The next batch; views that the function has emitted so far are settled first. */
static int values_pull(sdf_values *v)
{
    int rc = v->calling ? out_settle(v->out, &v->error) : SDF_OK;
    rc = rc ? rc : op_check(v->env, v->pulled++, &v->error);
    if (!rc)
        rc = sorted_input_next(v->input, &v->batch, &v->error);
    v->at = 0;
    if (rc == SDF_END && !v->error) {
        v->ended = true;
        v->batch.count = 0;
        return SDF_END;
    }
    return v->status = rc;
}

/* SDF_OK: batch[at] is a value of the group. */
static int values_seek(sdf_values *v)
{
    if (v->status || v->over)
        return v->status ? v->status : SDF_END;
    if (v->at == v->batch.count) {
        int rc = v->ended ? SDF_END : values_pull(v);
        if (rc) {
            v->over = true;
            return rc;
        }
    }
    sdf_slice key = column_get(&v->batch.key, v->at);
    if (key.size == v->key_size && (!key.size || !memcmp(key.data, v->key, key.size)))
        return SDF_OK;
    v->over = true;
    return SDF_END;
}

int sdf_values_next(sdf_values *values, sdf_slice *value)
{
    if (!values || !value)
        return SDF_E_INVALID;
    int rc = values_seek(values);
    if (!rc)
        *value = column_get(&values->batch.value, values->at++);
    /* The operators below want no more: to the function that is an end by error, like any other. */
    return rc == OP_STOP ? SDF_E_CANCELLED : rc;
}

static int group_keep_key(sdf_values *v, sdf_slice key, sdf_error **err)
{
    if (key.size > v->key_capacity) {
        size_t capacity = key.size < 256 ? 256 : key.size;
        int rc = budget_take(v->env->budget, capacity, NULL, err);
        if (rc)
            return rc;
        uint8_t *data = malloc(capacity);
        budget_give(v->env->budget, data ? v->key_capacity : capacity);
        if (!data)
            return error_no_memory(err);
        free(v->key);
        v->key = data;
        v->key_capacity = capacity;
    }
    if (key.size)
        memcpy(v->key, key.data, key.size);
    v->key_size = key.size;
    return SDF_OK;
}

/* One call of the function, at the first value of a group; then past the rest of it. */
static int group_call(sdf_values *v, const call *c, sdf_error **err)
{
    int rc = group_keep_key(v, column_get(&v->batch.key, v->at), err);
    if (rc)
        return rc;
    sdf_slice key = {v->key, v->key_size};
    v->over = false;
    v->calling = true;
    out_enter(v->out);
    rc = c->fn->def.group(&key, v, v->out, c->state);
    v->calling = false;
    sdf_error *said = NULL;
    rc = out_leave(v->out, rc, c->spec, &said);
    if (v->status) { /* what stopped the stream is the cause; what the function made of it is not */
        sdf_error_free(said);
        error_move(err, &v->error);
        return v->status;
    }
    if (rc) {
        error_move(err, &said);
        return rc;
    }
    /* The key, and a view of it, ends here. */
    if ((rc = out_settle(v->out, err)))
        return rc;
    while (!(rc = values_seek(v)))
        v->at++; /* unread */
    if (rc == SDF_END)
        return SDF_OK;
    error_move(err, &v->error);
    return rc;
}

static int group_all(sdf_values *v, const call *c, sdf_error **err)
{
    for (;;) {
        int rc = SDF_OK;
        if (v->at == v->batch.count)
            rc = v->ended ? SDF_END : values_pull(v);
        if (rc == SDF_END)
            return out_flush(v->out, err);
        if (rc) {
            error_move(err, &v->error);
            return rc;
        }
        if ((rc = group_call(v, c, err)))
            return rc;
    }
}

int group_input_run(task_env *env, const plan_input *spec, op *first, sdf_error **err)
{
    call c;
    sdf_values v = {.env = env};
    int rc = call_open(&c, env, &spec->call, spec->stored_value_type, err);
    if (rc)
        return rc;
    if (c.fn->kind != FUNCTION_GROUP)
        rc = call_failed(&c, SDF_E_TYPE, "it is no group function", err);
    if (!rc && !(v.out = out_new(env, first, type_of(spec->key_type), type_of(spec->value_type), err)))
        rc = SDF_E_NO_MEMORY;
    rc = rc ? rc : sorted_input_open(&v.input, env, spec, false, err);
    rc = rc ? rc : group_all(&v, &c, err);
    sorted_input_close(v.input);
    out_free(v.out);
    sdf_error_free(v.error);
    if (v.key)
        budget_give(env->budget, v.key_capacity);
    free(v.key);
    call_close(&c);
    return rc;
}
