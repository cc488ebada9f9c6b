/* One part of an output. See part_writer.h. */
#include "exec/part_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sdf/record.h>

#include "base/error.h"

#define BUFFER_BYTES 262144 /* as much as the budget allows, a sixteenth */
#define BUFFER_LEAST 4096

void part_place_names(part_place *p, const task_env *env, const char *attempt_prefix, const char *final_prefix)
{
    const task_request *q = env->request;
    int width = 5;
    uint64_t last = (uint64_t)env->stage->first_task + env->stage->tasks;
    last = last > q->task ? last - 1 : q->task;
    for (uint64_t n = 100000; n <= last; n *= 10)
        width++;
    snprintf(p->attempt, sizeof p->attempt, "%ss%u-t%u-l%u-a%" PRIu64, attempt_prefix, q->stage, q->task, q->leg,
             q->attempt);
    int size = snprintf(p->final, sizeof p->final, "%spart-%0*u", final_prefix, width, q->task);
    if (q->leg) /* '_' comes behind the '.' of a suffix */
        size += snprintf(p->final + size, sizeof p->final - (size_t)size, q->leg < 10000 ? "_%04u" : "_x%010u", q->leg);
    snprintf(p->final + size, sizeof p->final - (size_t)size, "%s", codec_suffix(p->codec));
}

/* The memory that it takes, charged first. */
static int make_buffers(part_writer *w, codec_kind codec, sdf_error **err)
{
    uint64_t size = w->env->budget->limit / 16;
    size = size > BUFFER_BYTES ? BUFFER_BYTES : size < BUFFER_LEAST ? BUFFER_LEAST : size;
    uint64_t cost = size + (codec != CODEC_NONE ? size + encoder_cost(codec) : 0);
    int rc = budget_take(w->env->budget, cost, NULL, err);
    if (rc)
        return rc;
    w->charged = cost;
    w->capacity = (size_t)size;
    w->buffer = malloc(w->capacity);
    w->digest = XXH3_createState();
    if (!w->buffer || !w->digest)
        return error_no_memory(err);
    XXH3_64bits_reset(w->digest);
    if (codec == CODEC_NONE)
        return SDF_OK;
    w->packed_capacity = w->capacity;
    w->packed = malloc(w->packed_capacity);
    return w->packed ? encoder_new(codec, 0, &w->encoder, err) : error_no_memory(err);
}

int part_writer_open(part_writer *w, task_env *env, const part_place *place, sdf_error **err)
{
    w->env = env;
    int rc = make_buffers(w, place->codec, err);
    if (!rc)
        rc = task_env_check(env, err);
    return rc ? rc
              : output_part_open(place->uri, env->request->output_token, place->single, place->attempt, place->final,
                                 &w->part, err);
}

static int write_part(part_writer *w, const void *data, size_t size, sdf_error **err)
{
    int rc = task_env_check(w->env, err);
    if (rc)
        return rc;
    w->bytes += size;
    return output_part_write(w->part, data, size, err);
}

/* Through the encoder; `finish`: to its end. */
static int write_encoded(part_writer *w, const uint8_t *data, size_t size, bool finish, sdf_error **err)
{
    for (;;) {
        size_t used, made;
        int rc = encoder_run(w->encoder, data, size, &used, w->packed, w->packed_capacity, &made, finish, err);
        if (rc < 0)
            return rc;
        int written = made ? write_part(w, w->packed, made, err) : SDF_OK;
        if (written)
            return written;
        data += used;
        size -= used;
        if (finish ? rc == SDF_END : !size && made < w->packed_capacity)
            return SDF_OK;
    }
}

static int write_bytes(part_writer *w, const void *data, size_t size, sdf_error **err)
{
    if (!size)
        return SDF_OK;
    XXH3_64bits_update(w->digest, data, size);
    return w->encoder ? write_encoded(w, data, size, false, err) : write_part(w, data, size, err);
}

int part_writer_flush(part_writer *w, sdf_error **err)
{
    size_t size = w->used;
    w->used = 0;
    return write_bytes(w, w->buffer, size, err);
}

int part_writer_large(part_writer *w, const void *data, size_t size, sdf_error **err)
{
    int rc = part_writer_flush(w, err);
    if (rc)
        return rc;
    if (size > w->capacity)
        return write_bytes(w, data, size, err);
    memcpy(w->buffer, data, size);
    w->used = size;
    return SDF_OK;
}

/* Formatted in place if it fits, else in memory of its own. */
int part_writer_put_text(part_writer *w, const char *type, const sdf_slice *raw, sdf_error **err)
{
    int64_t size = sdf_format(type, raw, (char *)w->buffer + w->used, w->capacity - w->used);
    if (size < 0)
        return error_set(err, (int)size, "a record's bytes are no %s, so it can't be written as text", type);
    if ((uint64_t)size < w->capacity - w->used) {
        w->used += (size_t)size;
        return SDF_OK;
    }
    size_t room = (size_t)size + 1;
    int rc = budget_take(w->env->budget, room, NULL, err);
    if (rc)
        return rc;
    char *text = malloc(room);
    if (text) {
        sdf_format(type, raw, text, room);
        rc = part_writer_put(w, text, (size_t)size, err);
    } else {
        rc = error_no_memory(err);
    }
    free(text);
    budget_give(w->env->budget, room);
    return rc;
}

int part_writer_finish(part_writer *w, char **ticket, uint64_t *digest, sdf_error **err)
{
    char text[OUTPUT_TICKET_MAX];
    int rc = part_writer_flush(w, err);
    if (!rc && w->encoder)
        rc = write_encoded(w, NULL, 0, true, err);
    if (!rc)
        rc = task_env_check(w->env, err);
    if (rc)
        return rc;
    output_part *part = w->part;
    w->part = NULL;
    if ((rc = output_part_close(part, text, err)))
        return rc;
    *digest = XXH3_64bits_digest(w->digest);
    *ticket = strdup(text);
    return *ticket ? SDF_OK : error_no_memory(err);
}

void part_writer_close(part_writer *w)
{
    output_part_abort(w->part);
    encoder_free(w->encoder);
    XXH3_freeState(w->digest);
    free(w->buffer);
    free(w->packed);
    if (w->env)
        budget_give(w->env->budget, w->charged);
    memset(w, 0, sizeof *w);
}
