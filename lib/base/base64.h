/* Base64 (RFC 4648, with padding): bytes inside JSON. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

int base64_append(buf *out, const void *data, size_t size); /* SDF_OK or SDF_E_NO_MEMORY */
/* Appends what `text` stands for. SDF_E_CORRUPT if it isn't the one canonical text of some bytes. */
int base64_decode(buf *out, const char *text, size_t size);

#endif
