/* Little-endian fields in and out. Reading past the end, or a field that breaks its bounds, turns the reader bad:
 * it stands at its end from then on, so loops over `wire_left` end by themselves. */
#include "base/wire.h"

#include <stdlib.h>

void wire_refuse(wire_reader *r)
{
    r->bad = true;
    r->at = r->end;
}

/* The next `size` bytes, or NULL if there are fewer. */
static const uint8_t *take(wire_reader *r, size_t size)
{
    if (wire_left(r) < size) {
        wire_refuse(r);
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += size;
    return p;
}

uint8_t wire_u8(wire_reader *r)
{
    const uint8_t *p = take(r, 1);
    return p ? *p : 0;
}

uint16_t wire_u16(wire_reader *r)
{
    const uint8_t *p = take(r, 2);
    return p ? (uint16_t)(p[0] | p[1] << 8) : 0;
}

uint32_t wire_u32(wire_reader *r)
{
    const uint8_t *p = take(r, 4);
    return p ? load_u32(p) : 0;
}

uint64_t wire_u64(wire_reader *r)
{
    const uint8_t *p = take(r, 8);
    return p ? load_u64(p) : 0;
}

uint64_t wire_varint(wire_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; r->at < r->end; shift += 7) {
        uint8_t c = *r->at++;
        if (shift == 63 && c > 1) /* the tenth byte holds one bit */
            break;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return v;
    }
    wire_refuse(r);
    return 0;
}

sdf_slice wire_bytes(wire_reader *r, size_t limit)
{
    uint64_t size = wire_varint(r);
    if (size > limit || size > wire_left(r)) {
        wire_refuse(r);
        return (sdf_slice){NULL, 0};
    }
    return (sdf_slice){take(r, (size_t)size), (size_t)size};
}

char *wire_text(wire_reader *r, size_t limit)
{
    sdf_slice s = wire_bytes(r, limit);
    if (r->bad)
        return NULL;
    if (s.size && memchr(s.data, 0, s.size)) {
        wire_refuse(r);
        return NULL;
    }
    char *text = malloc(s.size + 1);
    if (!text) {
        wire_refuse(r);
        r->no_memory = true;
        return NULL;
    }
    if (s.size)
        memcpy(text, s.data, s.size);
    text[s.size] = '\0';
    return text;
}

int wire_put_u8(buf *b, uint8_t v)
{
    return buf_append(b, &v, 1);
}

int wire_put_u16(buf *b, uint16_t v)
{
    uint8_t p[2] = {(uint8_t)v, (uint8_t)(v >> 8)};
    return buf_append(b, p, 2);
}

int wire_put_u32(buf *b, uint32_t v)
{
    uint8_t p[4];
    store_u32(p, v);
    return buf_append(b, p, 4);
}

int wire_put_u64(buf *b, uint64_t v)
{
    uint8_t p[8];
    store_u64(p, v);
    return buf_append(b, p, 8);
}

int wire_put_varint(buf *b, uint64_t v)
{
    uint8_t p[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return buf_append(b, p, n);
}

int wire_put_bytes(buf *b, const void *data, size_t size)
{
    int rc = buf_reserve(b, size < SIZE_MAX - 10 ? size + 10 : size);
    if (!rc)
        rc = wire_put_varint(b, size);
    return rc ? rc : buf_append(b, data, size);
}

int wire_put_text(buf *b, const char *text)
{
    return wire_put_bytes(b, text, text ? strlen(text) : 0);
}
