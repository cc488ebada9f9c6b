/* A part of an output folder: records formatted as text or raw, through one buffer, into a temporary file that the
 * driver publishes. Nothing here makes anything visible. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "base/num.h"
#include "exec/chain.h"
#include "store/output.h"

#define FILE_BUFFER       (256u << 10)
#define FILE_BUFFER_LEAST 4096
#define FILE_NAME_MAX     96

typedef struct file_output {
    op base;
    const plan_output *spec;
    type_kind key, value;
    output_part *part;
    task_reply *reply;
    XXH3_state_t *digest; /* of all bytes written */
    uint64_t records, bytes;
    uint8_t *buffer;
    size_t used, capacity;
    char temp[FILE_NAME_MAX], final[FILE_NAME_MAX];
} file_output;

static int file_write(file_output *f, const void *data, size_t size, sdf_error **err)
{
    int rc = task_env_check(f->base.env, err);
    if (rc)
        return rc;
    XXH3_64bits_update(f->digest, data, size);
    f->bytes += size;
    return output_part_write(f->part, data, size, err);
}

static int file_flush(file_output *f, sdf_error **err)
{
    size_t size = f->used;
    f->used = 0;
    return size ? file_write(f, f->buffer, size, err) : SDF_OK;
}

static int file_bytes(file_output *f, const void *data, size_t size, sdf_error **err)
{
    if (size > f->capacity - f->used) {
        int rc = file_flush(f, err);
        if (rc)
            return rc;
        if (size > f->capacity)
            return file_write(f, data, size, err);
    }
    if (size)
        memcpy(f->buffer + f->used, data, size);
    f->used += size;
    return SDF_OK;
}

/* Tuples and the like, whose text may be of any length: formatted in place if it fits, else in memory of its own. */
static int file_formatted(file_output *f, const char *type, const sdf_slice *raw, sdf_error **err)
{
    int64_t size = sdf_format(type, raw, (char *)f->buffer + f->used, f->capacity - f->used);
    if (size < 0)
        return error_set(err, (int)size, "a record's bytes are no %s, so it can't be written as text", type);
    if ((uint64_t)size < f->capacity - f->used) {
        f->used += (size_t)size;
        return SDF_OK;
    }
    size_t room = (size_t)size + 1;
    int rc = budget_take(f->base.env->budget, room, NULL, err);
    if (rc)
        return rc;
    char *text = malloc(room);
    if (text) {
        sdf_format(type, raw, text, room);
        rc = file_bytes(f, text, (size_t)size, err);
    } else {
        rc = error_no_memory(err);
    }
    free(text);
    budget_give(f->base.env->budget, room);
    return rc;
}

static int file_text(file_output *f, type_kind kind, const char *type, const sdf_slice *raw, sdf_error **err)
{
    char text[NUM_TEXT];
    switch (kind) {
    case TYPE_BYTES:
        return file_bytes(f, raw->data, raw->size, err);
    case TYPE_I64:
        return file_bytes(f, text, num_i64(text, sdf_slice_i64(raw)), err);
    case TYPE_F64:
        return file_bytes(f, text, num_f64(text, sdf_slice_f64(raw)), err);
    case TYPE_NULL:
        return SDF_OK;
    default:
        return file_formatted(f, type, raw, err);
    }
}

static int file_push_text(op *self, const sdf_batch *batch, sdf_error **err)
{
    file_output *f = (file_output *)self;
    bool tab = f->key != TYPE_NULL && f->value != TYPE_NULL;
    f->records += batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        int rc = file_text(f, f->key, f->spec->key_type, &key, err);
        if (!rc && tab)
            rc = file_bytes(f, "\t", 1, err);
        if (!rc)
            rc = file_text(f, f->value, f->spec->value_type, &value, err);
        if (!rc)
            rc = file_bytes(f, "\n", 1, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static int file_push_binary(op *self, const sdf_batch *batch, sdf_error **err)
{
    file_output *f = (file_output *)self;
    f->records += batch->count;
    for (size_t i = 0; i < batch->count; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
        int rc = file_bytes(f, key.data, key.size, err);
        if (!rc)
            rc = file_bytes(f, value.data, value.size, err);
        if (rc)
            return rc;
    }
    return SDF_OK;
}

static int file_finish(op *self, sdf_error **err)
{
    file_output *f = (file_output *)self;
    int rc = file_flush(f, err);
    if (!rc)
        rc = task_env_check(self->env, err);
    if (rc)
        return rc;
    output_part *part = f->part;
    f->part = NULL;
    if ((rc = output_part_close(part, err)))
        return rc;
    XXH3_64bits_update(f->digest, &f->records, sizeof f->records);
    task_reply *r = f->reply;
    r->fingerprint = XXH3_64bits_digest(f->digest);
    r->records = f->records;
    r->file_bytes = f->bytes;
    r->file_temp = strdup(f->temp);
    r->file_final = strdup(f->final);
    self->env->metrics.records_out += f->records;
    self->env->metrics.bytes_written += f->bytes;
    return r->file_temp && r->file_final ? SDF_OK : error_no_memory(err);
}

static void file_close(op *self)
{
    file_output *f = (file_output *)self;
    if (f->part)
        output_part_abort(f->part);
    XXH3_freeState(f->digest);
    free(f->buffer);
    budget_give(self->env->budget, f->capacity);
    free(f);
}

/* Names whose order is the order of the data: tasks as wide as the last one's number, a task's later legs behind its
 * first. */
static void file_names(file_output *f, const task_env *env)
{
    const task_request *q = env->request;
    int width = 5;
    uint64_t last = (uint64_t)env->stage->first_task + env->stage->tasks;
    last = last > q->task ? last - 1 : q->task;
    for (uint64_t n = 100000; n <= last; n *= 10)
        width++;
    snprintf(f->temp, sizeof f->temp, "_temporary/s%u-t%u-l%u-a%" PRIu64, q->stage, q->task, q->leg, q->attempt);
    int size = snprintf(f->final, sizeof f->final, "part-%0*u", width, q->task);
    if (q->leg)
        snprintf(f->final + size, sizeof f->final - (size_t)size, q->leg < 10000 ? "-%04u" : "-x%010u", q->leg);
}

/* The buffer, the digest and the temporary file. What was made is freed by file_close. */
static int file_open(file_output *f, task_env *env, const plan_output *spec, sdf_error **err)
{
    uint64_t capacity = env->budget->limit / 16;
    capacity = capacity > FILE_BUFFER ? FILE_BUFFER : capacity < FILE_BUFFER_LEAST ? FILE_BUFFER_LEAST : capacity;
    int rc = budget_take(env->budget, capacity, NULL, err);
    if (rc)
        return rc;
    f->capacity = capacity;
    f->buffer = malloc(capacity);
    f->digest = XXH3_createState();
    if (!f->buffer || !f->digest)
        return error_no_memory(err);
    XXH3_64bits_reset(f->digest);
    rc = task_env_check(env, err);
    return rc ? rc : output_part_open(spec->uri, f->temp, &f->part, err);
}

int file_output_new(task_env *env, const plan_output *spec, task_reply *reply, op **out, sdf_error **err)
{
    if (!spec->uri || !*spec->uri)
        return error_set(err, SDF_E_INVALID, "the plan names no output folder");
    file_output *f = calloc(1, sizeof *f);
    if (!f)
        return error_no_memory(err);
    f->base = (op){.push = spec->format == PLAN_FILE_BINARY ? file_push_binary : file_push_text,
                   .finish = file_finish,
                   .close = file_close,
                   .env = env};
    f->spec = spec;
    f->key = type_of(spec->key_type);
    f->value = type_of(spec->value_type);
    f->reply = reply;
    file_names(f, env);
    int rc = file_open(f, env, spec, err);
    if (rc) {
        file_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return SDF_OK;
}
