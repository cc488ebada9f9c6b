/* The fixed ends of a shuffle object, shared by its writer and its readers. */
#ifndef SHUFFLE_OBJECT_FORMAT_H
#define SHUFFLE_OBJECT_FORMAT_H

#include <stdbool.h>

#include "shuffle/object.h"

void object_header_write(uint8_t out[OBJECT_HEADER_BYTES], const object_ids *ids, uint32_t partitions, type_kind key,
                         type_kind value);
void object_trailer_write(uint8_t out[OBJECT_TRAILER_BYTES], uint64_t index_offset, const void *index, uint32_t size);
/* Where the index lies and its checksum; false if these bytes are no trailer. */
bool object_trailer_read(const uint8_t trailer[OBJECT_TRAILER_BYTES], uint64_t *index_offset, uint32_t *size,
                         uint32_t *crc);

#endif
