/* See error_log.h, and record_error in chain.h. A line of the log:
 * {"source":"FILE","offset":N,"operator":"LABEL","reason":"WHY","record":"TEXT"}, where source and offset may be null
 * and bytes that are no UTF-8 come as "record_base64". */
#include "exec/error_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <sdf/record.h>

#include "base/base64.h"
#include "base/error.h"
#include "exec/chain.h"
#include "exec/counters.h"
#include "exec/part_writer.h"

#define PIECE_BYTES 3072u       /* of a record, put into JSON at a time; a whole number of base64's threes */
#define TEXT_MAX    (64u << 10) /* bytes of a record of numbers or tuples, as text */

struct error_log {
    task_env *env;
    part_place place;
    part_writer writer;
    uint64_t records;
    bool open;
    buf line; /* scratch: a part of a line */
};

int error_log_new(error_log **log, task_env *env, sdf_error **err)
{
    *log = calloc(1, sizeof **log);
    if (!*log)
        return error_no_memory(err);
    (*log)->env = env;
    return SDF_OK;
}

void error_log_free(error_log *log)
{
    if (!log)
        return;
    part_writer_close(&log->writer);
    buf_free(&log->line);
    free(log);
}

static int log_open(error_log *log, sdf_error **err)
{
    const task_request *q = log->env->request;
    log->place.uri = log->env->plan->errors_uri;
    part_place_names(&log->place, log->env, "e-", "_errors/");
    /* Several stages of a job may divert, so the name has the stage in it. */
    snprintf(log->place.final, sizeof log->place.final, "_errors/s%u-t%u-l%u.jsonl", q->stage, q->task, q->leg);
    log->open = true;
    return part_writer_open(&log->writer, log->env, &log->place, err);
}

int error_log_finish(error_log *log, task_reply *reply, sdf_error **err)
{
    uint64_t digest;
    if (!log->open)
        return SDF_OK;
    int rc = part_writer_finish(&log->writer, &reply->errors_temp, &digest, err);
    if (rc)
        return rc;
    reply->errors_bytes = log->writer.bytes;
    reply->errors_records = log->records;
    reply->errors_final = strdup(log->place.final);
    return reply->errors_final ? SDF_OK : error_no_memory(err);
}

/* ---- lines ---- */

static int log_flush(error_log *log, size_t from, size_t to, sdf_error **err)
{
    return part_writer_put(&log->writer, log->line.data + from, to - from, err);
}

/* Bytes of a text that end with a whole character. */
static size_t whole_characters(const uint8_t *text, size_t size, size_t most)
{
    if (size <= most)
        return size;
    while (most > 0 && (text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

/* Piece by piece, so that a large record needs no memory. The quotes of the pieces are left out. */
static int log_text(error_log *log, const sdf_slice *record, sdf_error **err)
{
    const uint8_t *at = record->data;
    int rc = SDF_OK;
    for (size_t left = record->size; left && !rc;) {
        size_t n = whole_characters(at, left, PIECE_BYTES);
        buf_clear(&log->line);
        if (buf_json_string(&log->line, (const char *)at, n))
            return error_no_memory(err);
        rc = log_flush(log, 1, log->line.size - 1, err);
        at += n;
        left -= n;
    }
    return rc;
}

static int log_base64(error_log *log, const sdf_slice *record, sdf_error **err)
{
    const uint8_t *at = record->data;
    int rc = SDF_OK;
    for (size_t left = record->size; left && !rc;) {
        size_t n = left < PIECE_BYTES ? left : PIECE_BYTES;
        buf_clear(&log->line);
        if (base64_append(&log->line, at, n))
            return error_no_memory(err);
        rc = log_flush(log, 0, log->line.size, err);
        at += n;
        left -= n;
    }
    return rc;
}

static int line_string(buf *line, const char *text)
{
    return text ? buf_json_string(line, text, strlen(text)) : buf_text(line, "null");
}

static int line_head(buf *line, const char *source, uint64_t offset, const char *label, const char *reason, bool text)
{
    buf_clear(line);
    if (buf_text(line, "{\"source\":") || line_string(line, source) || buf_text(line, ",\"offset\":") ||
        (offset == UINT64_MAX ? buf_text(line, "null") : buf_printf(line, "%" PRIu64, offset)) ||
        buf_text(line, ",\"operator\":") || line_string(line, label) || buf_text(line, ",\"reason\":") ||
        line_string(line, reason) || buf_text(line, text ? ",\"record\":\"" : ",\"record_base64\":\""))
        return SDF_E_NO_MEMORY;
    return SDF_OK;
}

/* The file that the piece at hand lies in, or NULL. */
static const char *source_of_piece(const task_env *env)
{
    const char *path = env->piece ? env->piece->split.path : NULL;
    return path && *path ? path : NULL;
}

static int log_record(error_log *log, const char *label, uint64_t offset, const sdf_slice *record, const char *reason,
                      sdf_error **err)
{
    bool text = !record->size || buf_is_utf8(record->data, record->size);
    int rc = log->open ? SDF_OK : log_open(log, err);
    if (rc)
        return rc;
    if (line_head(&log->line, source_of_piece(log->env), offset, label, reason, text))
        return error_no_memory(err);
    rc = log_flush(log, 0, log->line.size, err);
    if (!rc)
        rc = text ? log_text(log, record, err) : log_base64(log, record, err);
    if (!rc)
        rc = part_writer_put(&log->writer, "\"}\n", 3, err);
    log->records++;
    return rc;
}

/* ---- record_error ---- */

void record_locate(const task_env *env, uint64_t offset, sdf_error **err)
{
    const char *source = source_of_piece(env);
    if (source && offset != UINT64_MAX)
        error_prefix(err, "\"%s\", byte %" PRIu64, source, offset);
    else if (source)
        error_prefix(err, "\"%s\"", source);
}

static int record_refused(const task_env *env, const char *label, uint64_t offset, const char *reason, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT, "%s", reason);
    record_locate(env, offset, err);
    error_hint(err, "mend the input, or have such records skipped or diverted (sdf_rdd_on_error)");
    error_at(err, NULL, label);
    return SDF_E_CORRUPT;
}

int record_error(task_env *env, plan_errors policy, const char *label, uint64_t offset, const sdf_slice *record,
                 const char *reason, sdf_error **err)
{
    char name[TASK_COUNTER_NAME + 1];
    if (policy == PLAN_ERRORS_FAIL)
        return record_refused(env, label, offset, reason, err);
    /* What a sampling task reads is read again by one that counts and diverts. */
    if (env->stage->output.kind == PLAN_OUTPUT_SAMPLE)
        return SDF_OK;
    env->metrics.record_errors++;
    snprintf(name, sizeof name, "sdf.errors.%s", label ? label : "");
    int rc = counter_add(env, name, 1, err);
    /* No token: the job whose output it was is over, and another one needs the stage. */
    const char *token = env->request->output_token;
    if (rc || policy == PLAN_ERRORS_SKIP || !token || !*token)
        return rc;
    if (!env->errors)
        return error_set(err, SDF_E_INTERNAL, "records are to be diverted, but the plan names no place for them");
    return log_record(env->errors, label, offset, record, reason, err);
}

/* A record as text: key, tab, value; a null side and its tab are left out. Cut to the room there is. */
static size_t record_text(op_types types, const sdf_slice *key, const sdf_slice *value, char *text, size_t room)
{
    int64_t size = 0;
    bool tab = type_of(types.key) != TYPE_NULL && type_of(types.value) != TYPE_NULL;
    if (type_of(types.key) != TYPE_NULL)
        size = sdf_format(types.key, key, text, room);
    if (size < 0 || (size_t)size + 1 >= room)
        return size < 0 ? 0 : room - 1;
    if (tab)
        text[size++] = '\t';
    if (type_of(types.value) == TYPE_NULL)
        return (size_t)size;
    int64_t more = sdf_format(types.value, value, text + size, room - (size_t)size);
    more = more < 0 ? 0 : more;
    return (size_t)(size + more) < room ? (size_t)(size + more) : room - 1;
}

int record_reject(task_env *env, plan_errors policy, const char *label, op_types types, const sdf_batch *batch,
                  size_t i, const char *reason, sdf_error **err)
{
    uint64_t offset = batch->offsets ? batch->offsets[i] : UINT64_MAX;
    sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i);
    type_kind k = type_of(types.key), v = type_of(types.value);
    if (policy != PLAN_ERRORS_DIVERT || (k == TYPE_NULL && v == TYPE_BYTES) || (v == TYPE_NULL && k == TYPE_BYTES))
        return record_error(env, policy, label, offset, v == TYPE_BYTES ? &value : &key, reason, err);
    char *text = malloc(TEXT_MAX);
    if (!text)
        return error_no_memory(err);
    sdf_slice record = {text, record_text(types, &key, &value, text, TEXT_MAX)};
    int rc = record_error(env, policy, label, offset, &record, reason, err);
    free(text);
    return rc;
}
