/* The wire form of what requests and replies share. */
#include "spec/task_wire.h"

#include "base/error.h"

void task_wire_begin(buf *out, const char magic[4], int *rc)
{
    *rc = *rc ? *rc : buf_append(out, magic, 4);
    *rc = *rc ? *rc : wire_put_u32(out, TASK_WIRE_VERSION);
}

void task_wire_slice(buf *out, sdf_slice bytes, size_t limit, int *rc)
{
    if (!*rc)
        *rc = bytes.size > limit ? SDF_E_LIMIT : wire_put_bytes(out, bytes.data, bytes.size);
}

void task_wire_text(buf *out, const char *text, size_t limit, int *rc)
{
    task_wire_slice(out, (sdf_slice){text, text ? strlen(text) : 0}, limit, rc);
}

int task_wire_open(wire_reader *in, const char magic[4], const char *what, sdf_error **err)
{
    if (wire_left(in) < 8 || memcmp(in->at, magic, 4))
        return error_set(err, SDF_E_CORRUPT, "these %zu bytes are no %s", wire_left(in), what);
    in->at += 4;
    uint32_t version = wire_u32(in);
    if (version == TASK_WIRE_VERSION)
        return SDF_OK;
    error_set(err, SDF_E_VERSION, "the %s has version %u, this library knows version %d", what, version,
              TASK_WIRE_VERSION);
    error_hint(err, "use the same version of the library in the driver and in the workers");
    return SDF_E_VERSION;
}

static bool is_hex(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
    return true;
}

void task_wire_hash(wire_reader *in, char hash[33])
{
    sdf_slice s = wire_bytes(in, 32);
    memset(hash, 0, 33);
    if (in->bad || !s.size)
        return;
    if (s.size == 32 && is_hex(s.data, 32))
        memcpy(hash, s.data, 32);
    else
        wire_refuse(in);
}

uint32_t task_wire_u32(wire_reader *in)
{
    uint64_t v = wire_varint(in);
    if (v <= UINT32_MAX)
        return (uint32_t)v;
    wire_refuse(in);
    return 0;
}

int task_wire_close(const wire_reader *in, const char *what, sdf_error **err)
{
    if (in->no_memory)
        return error_no_memory(err);
    if (in->bad)
        return error_set(err, SDF_E_CORRUPT, "the %s is cut short, or a field of it is out of range", what);
    if (wire_left(in))
        return error_set(err, SDF_E_CORRUPT, "the %s has %zu bytes too many", what, wire_left(in));
    return SDF_OK;
}

char *task_wire_text_or_null(wire_reader *in, size_t limit)
{
    if (wire_left(in) && !*in->at) {
        wire_u8(in);
        return NULL;
    }
    return wire_text(in, limit);
}
