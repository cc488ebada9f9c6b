/* Task replies on the wire: "SDFR", u32 version, then the fields in the order of docs/formats.md, as in requests. */
#include <stdlib.h>

#include "base/error.h"
#include "spec/task_wire.h"

static const char what[] = "task reply";

/* The counters in the order of the wire: append only. */
#define METRICS (sizeof(task_metrics) / sizeof(uint64_t))
_Static_assert(sizeof(task_metrics) % sizeof(uint64_t) == 0, "counters alone");

static void put_metrics(const task_metrics *m, buf *out, int *rc)
{
    uint64_t values[METRICS];
    memcpy(values, m, sizeof values);
    *rc = *rc ? *rc : wire_put_u8(out, METRICS);
    for (size_t i = 0; i < METRICS && !*rc; i++)
        *rc = wire_put_varint(out, values[i]);
}

/* By name, each once. */
static void put_counters(const task_reply *r, buf *out, int *rc)
{
    if (!*rc)
        *rc = r->counter_count > TASK_COUNTERS_MAX ? SDF_E_LIMIT : wire_put_varint(out, r->counter_count);
    for (uint32_t i = 0; i < r->counter_count && !*rc; i++) {
        task_wire_text(out, r->counters[i].name, TASK_COUNTER_NAME, rc);
        *rc = *rc ? *rc : wire_put_u64(out, (uint64_t)r->counters[i].value);
    }
}

static void put_numbers(const task_reply *r, buf *out, int *rc)
{
    int bad = *rc;
    bad |= wire_put_u8(out, (uint8_t)r->kind);
    bad |= wire_put_varint(out, r->job);
    bad |= wire_put_varint(out, r->stage);
    bad |= wire_put_varint(out, r->task);
    bad |= wire_put_varint(out, r->leg);
    bad |= wire_put_varint(out, r->attempt);
    bad |= wire_put_u8(out, (uint8_t)r->failure);
    bad |= wire_put_varint(out, r->bad_stage);
    bad |= wire_put_varint(out, r->bad_task);
    bad |= wire_put_varint(out, r->bad_leg);
    bad |= wire_put_varint(out, r->bad_attempt);
    bad |= wire_put_u64(out, r->fingerprint);
    bad |= wire_put_varint(out, r->records);
    bad |= wire_put_varint(out, r->object_bytes);
    bad |= wire_put_varint(out, r->file_bytes);
    bad |= wire_put_varint(out, r->errors_bytes);
    bad |= wire_put_varint(out, r->errors_records);
    if (bad && !*rc)
        *rc = SDF_E_NO_MEMORY;
}

int task_reply_encode(const task_reply *r, buf *out)
{
    size_t start = out->size;
    int rc = SDF_OK;
    task_wire_begin(out, "SDFR", &rc);
    put_numbers(r, out, &rc);
    task_wire_text(out, r->program_id, 32, &rc);
    rc = rc ? rc : wire_put_u8(out, r->error != NULL);
    if (r->error)
        rc = rc ? rc : error_encode(r->error, out);
    put_metrics(&r->metrics, out, &rc);
    task_wire_slice(out, r->cut, TASK_CUT_MAX, &rc);
    task_wire_slice(out, r->index, TASK_BYTES_MAX, &rc);
    task_wire_text(out, r->index_name, TASK_TEXT_MAX, &rc);
    task_wire_slice(out, r->result, TASK_BYTES_MAX, &rc);
    task_wire_slice(out, r->samples, TASK_BYTES_MAX, &rc);
    task_wire_text(out, r->file_temp, TASK_TEXT_MAX, &rc);
    task_wire_text(out, r->file_final, TASK_TEXT_MAX, &rc);
    task_wire_text(out, r->errors_temp, TASK_TEXT_MAX, &rc);
    task_wire_text(out, r->errors_final, TASK_TEXT_MAX, &rc);
    put_counters(r, out, &rc);
    task_wire_slice(out, r->probe, TASK_BYTES_MAX, &rc);
    if (rc)
        out->size = start;
    return rc;
}

static void get_metrics(task_metrics *m, wire_reader *in)
{
    uint64_t values[METRICS] = {0};
    size_t count = wire_u8(in);
    for (size_t i = 0; i < count; i++) {
        uint64_t v = wire_varint(in);
        if (i < METRICS) /* a newer worker counts more */
            values[i] = v;
    }
    memcpy(m, values, sizeof values);
}

static void get_numbers(task_reply *r, wire_reader *in)
{
    uint8_t kind = wire_u8(in);
    if (kind != TASK_RUN && kind != TASK_PROBE)
        wire_refuse(in);
    r->kind = (task_kind)kind;
    r->job = task_wire_u32(in);
    r->stage = task_wire_u32(in);
    r->task = task_wire_u32(in);
    r->leg = task_wire_u32(in);
    r->attempt = wire_varint(in);
    uint8_t failure = wire_u8(in);
    if (failure > FAILURE_FATAL)
        wire_refuse(in);
    r->failure = (failure_class)failure;
    r->bad_stage = task_wire_u32(in);
    r->bad_task = task_wire_u32(in);
    r->bad_leg = task_wire_u32(in);
    r->bad_attempt = wire_varint(in);
    r->fingerprint = wire_u64(in);
    r->records = wire_varint(in);
    r->object_bytes = wire_varint(in);
    r->file_bytes = wire_varint(in);
    r->errors_bytes = wire_varint(in);
    r->errors_records = wire_varint(in);
}

static void get_program(task_reply *r, wire_reader *in)
{
    sdf_slice id = wire_bytes(in, sizeof r->program_id - 1);
    if (id.size && memchr(id.data, 0, id.size))
        wire_refuse(in);
    else if (id.size)
        memcpy(r->program_id, id.data, id.size);
}

/* A failure has an error, a success none. */
static void get_error(task_reply *r, wire_reader *in)
{
    uint8_t has = wire_u8(in);
    if (has > 1 || (has && r->failure == FAILURE_NONE))
        wire_refuse(in);
    if (has && !in->bad)
        r->error = error_decode(in);
    else if (r->failure != FAILURE_NONE && !in->bad)
        r->error = sdf_error_new(SDF_E_INTERNAL, "the task failed without saying why", NULL);
}

static void get_counters(task_reply *r, wire_reader *in)
{
    uint64_t count = wire_varint(in);
    if (count > TASK_COUNTERS_MAX)
        wire_refuse(in);
    if (in->bad || !count)
        return;
    r->counters = calloc(count, sizeof *r->counters);
    if (!r->counters) {
        in->bad = in->no_memory = true;
        return;
    }
    while (r->counter_count < count && !in->bad) {
        task_counter *c = &r->counters[r->counter_count++];
        c->name = wire_text(in, TASK_COUNTER_NAME);
        c->value = (int64_t)wire_u64(in);
        if (!in->bad && (!*c->name || (c > r->counters && strcmp(c[-1].name, c->name) >= 0)))
            wire_refuse(in);
    }
}

int task_reply_decode(const void *data, size_t size, task_reply *r, sdf_error **err)
{
    wire_reader in = wire_read(data, size);
    *r = (task_reply){0};
    int rc = task_wire_open(&in, "SDFR", what, err);
    if (rc)
        return rc;
    get_numbers(r, &in);
    get_program(r, &in);
    get_error(r, &in);
    get_metrics(&r->metrics, &in);
    r->cut = wire_bytes(&in, TASK_CUT_MAX);
    r->index = wire_bytes(&in, TASK_BYTES_MAX);
    r->index_name = wire_text(&in, TASK_TEXT_MAX);
    r->result = wire_bytes(&in, TASK_BYTES_MAX);
    r->samples = wire_bytes(&in, TASK_BYTES_MAX);
    r->file_temp = wire_text(&in, TASK_TEXT_MAX);
    r->file_final = wire_text(&in, TASK_TEXT_MAX);
    r->errors_temp = wire_text(&in, TASK_TEXT_MAX);
    r->errors_final = wire_text(&in, TASK_TEXT_MAX);
    get_counters(r, &in);
    r->probe = wire_bytes(&in, TASK_BYTES_MAX);
    rc = task_wire_close(&in, what, err);
    if (rc)
        task_reply_clear(r);
    return rc;
}

void task_reply_clear(task_reply *r)
{
    sdf_error_free(r->error);
    free(r->index_name);
    free(r->file_temp);
    free(r->file_final);
    free(r->errors_temp);
    free(r->errors_final);
    for (uint32_t i = 0; i < r->counter_count; i++)
        free(r->counters[i].name);
    free(r->counters);
    *r = (task_reply){0};
}
