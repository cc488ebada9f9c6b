/* Little-endian fields in and out of byte strings. A reader never runs past its end: it
 * turns bad, yields zeros, and the caller asks once, at the end. */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

typedef struct wire_reader {
    const uint8_t *at, *end;
    bool bad;
    bool no_memory; /* it is bad because a text found no memory, not because of its bytes */
} wire_reader;

static inline wire_reader wire_read(const void *data, size_t size)
{
    const uint8_t *p = (const uint8_t *)data;
    return (wire_reader){p, size ? p + size : p, false, false};
}

void wire_refuse(wire_reader *r); /* turns it bad: a field means nothing */
uint8_t wire_u8(wire_reader *r);
uint16_t wire_u16(wire_reader *r);
uint32_t wire_u32(wire_reader *r);
uint64_t wire_u64(wire_reader *r);
uint64_t wire_varint(wire_reader *r);               /* LEB128, at most 10 bytes */
sdf_slice wire_bytes(wire_reader *r, size_t limit); /* varint length, bytes: borrowed; longer than limit is bad */
char *wire_text(wire_reader *r,
                size_t limit); /* the same, as a malloc'd string; a NUL byte in it is bad; NULL if bad */
static inline size_t wire_left(const wire_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Writers append to a buf; SDF_OK or SDF_E_NO_MEMORY. */
int wire_put_u8(buf *b, uint8_t v);
int wire_put_u16(buf *b, uint16_t v);
int wire_put_u32(buf *b, uint32_t v);
int wire_put_u64(buf *b, uint64_t v);
int wire_put_varint(buf *b, uint64_t v);
int wire_put_bytes(buf *b, const void *data, size_t size);
int wire_put_text(buf *b, const char *text); /* NULL as "" */

/* Fixed fields in memory, any alignment. All formats of the library, and raw numbers in records, are little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "only little-endian platforms are supported");
static inline uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, 4);
}
static inline void store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

#endif
