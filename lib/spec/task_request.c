/* Task requests on the wire: "SDFQ", u32 version, then the fields in the order of docs/formats.md; whole numbers that
 * are usually small as varints, times and digests as u64, texts and bytes with a varint length. */
#include <stdlib.h>

#include "base/error.h"
#include "spec/plan.h"
#include "spec/task_wire.h"

static const char what[] = "task request";

static void put_numbers(const task_request *q, buf *out, int *rc)
{
    int bad = *rc;
    bad |= wire_put_u8(out, (uint8_t)q->kind);
    bad |= wire_put_u64(out, q->context);
    bad |= wire_put_varint(out, q->job);
    bad |= wire_put_varint(out, q->stage);
    bad |= wire_put_varint(out, q->task);
    bad |= wire_put_varint(out, q->leg);
    bad |= wire_put_varint(out, q->attempt);
    bad |= wire_put_varint(out, q->memory);
    bad |= wire_put_varint(out, q->block_bytes);
    bad |= wire_put_varint(out, q->inline_limit);
    bad |= wire_put_u64(out, (uint64_t)q->lease_ms);
    bad |= wire_put_u64(out, (uint64_t)q->cut_ms);
    bad |= wire_put_varint(out, q->cut_records);
    bad |= wire_put_varint(out, q->limit);
    if (bad && !*rc)
        *rc = SDF_E_NO_MEMORY;
}

int task_request_encode(const task_request *q, buf *out)
{
    static const task_request none = {0};
    size_t start = out->size;
    int rc = SDF_OK;
    task_wire_begin(out, "SDFQ", &rc);
    put_numbers(q, out, &rc);
    task_wire_text(out, q->plan_hash, 32, &rc);
    task_wire_slice(out, q->plan_inline, PLAN_BYTES_MAX, &rc);
    task_wire_text(out, q->store_uri, TASK_TEXT_MAX, &rc);
    task_wire_text(out, q->scratch_dir, TASK_TEXT_MAX, &rc);
    task_wire_text(out, q->program_id, TASK_PROGRAM_MAX, &rc);
    task_wire_slice(out, q->cut_start, TASK_CUT_MAX, &rc);
    task_wire_slice(out, q->cut_end, TASK_CUT_MAX, &rc);
    task_wire_slice(out, q->splitters, TASK_BYTES_MAX, &rc);
    task_wire_text(out, q->output_token, TASK_TEXT_MAX, &rc);
    task_wire_text(out, q->pieces_name, TASK_TEXT_MAX, &rc);
    task_wire_put_pieces(out, q->pieces_name && *q->pieces_name ? &none : q, &rc);
    rc = rc ? rc : wire_put_varint(out, q->probe_sleep_ms);
    rc = rc ? rc : wire_put_varint(out, q->probe_bytes);
    task_wire_slice(out, q->probe_echo, TASK_BYTES_MAX, &rc);
    if (rc)
        out->size = start;
    return rc;
}

static void get_numbers(task_request *q, wire_reader *in)
{
    uint8_t kind = wire_u8(in);
    if (kind != TASK_RUN && kind != TASK_PROBE)
        wire_refuse(in);
    q->kind = (task_kind)kind;
    q->context = wire_u64(in);
    q->job = task_wire_u32(in);
    q->stage = task_wire_u32(in);
    q->task = task_wire_u32(in);
    q->leg = task_wire_u32(in);
    q->attempt = wire_varint(in);
    q->memory = wire_varint(in);
    q->block_bytes = task_wire_u32(in);
    q->inline_limit = wire_varint(in);
    q->lease_ms = (int64_t)wire_u64(in);
    q->cut_ms = (int64_t)wire_u64(in);
    q->cut_records = wire_varint(in);
    q->limit = wire_varint(in);
}

/* A task has something to read, here or in an object, not in both. */
static void get_pieces(task_request *q, wire_reader *in)
{
    task_wire_pieces(in, q);
    if (in->bad)
        return;
    bool here = q->piece_count || q->side_count, named = *q->pieces_name;
    if ((here && named) || (q->kind == TASK_RUN && !q->piece_count && !named))
        wire_refuse(in);
}

int task_request_decode(const void *data, size_t size, task_request *q, sdf_error **err)
{
    wire_reader in = wire_read(data, size);
    *q = (task_request){0};
    int rc = task_wire_open(&in, "SDFQ", what, err);
    if (rc)
        return rc;
    get_numbers(q, &in);
    task_wire_hash(&in, q->plan_hash);
    q->plan_inline = wire_bytes(&in, PLAN_BYTES_MAX);
    q->store_uri = wire_text(&in, TASK_TEXT_MAX);
    q->scratch_dir = wire_text(&in, TASK_TEXT_MAX);
    q->program_id = wire_text(&in, TASK_PROGRAM_MAX);
    q->cut_start = wire_bytes(&in, TASK_CUT_MAX);
    q->cut_end = wire_bytes(&in, TASK_CUT_MAX);
    q->splitters = wire_bytes(&in, TASK_BYTES_MAX);
    q->output_token = wire_text(&in, TASK_TEXT_MAX);
    q->pieces_name = wire_text(&in, TASK_TEXT_MAX);
    get_pieces(q, &in);
    q->probe_sleep_ms = task_wire_u32(&in);
    q->probe_bytes = wire_varint(&in);
    q->probe_echo = wire_bytes(&in, TASK_BYTES_MAX);
    rc = task_wire_close(&in, what, err);
    if (rc)
        task_request_clear(q);
    return rc;
}

void task_request_clear(task_request *q)
{
    free(q->store_uri);
    free(q->scratch_dir);
    free(q->program_id);
    free(q->output_token);
    task_pieces_clear(q);
    free(q->pieces_name);
    *q = (task_request){0};
}
