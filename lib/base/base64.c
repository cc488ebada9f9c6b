/* Base64 both ways. */
#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_append(buf *out, const void *data, size_t size)
{
    const uint8_t *p = data;
    if (size > SIZE_MAX / 2 || buf_reserve(out, (size + 2) / 3 * 4))
        return SDF_E_NO_MEMORY;
    for (; size; p += 3) {
        size_t n = size < 3 ? size : 3;
        uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        uint8_t *to = out->data + out->size;
        to[0] = (uint8_t)digits[v >> 18];
        to[1] = (uint8_t)digits[v >> 12 & 63];
        to[2] = n > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
        to[3] = n > 2 ? (uint8_t)digits[v & 63] : '=';
        out->size += 4;
        size -= n;
    }
    return SDF_OK;
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(buf *out, const char *text, size_t size)
{
    size_t start = out->size;
    if (size % 4)
        return SDF_E_CORRUPT;
    if (buf_reserve(out, size / 4 * 3))
        return SDF_E_NO_MEMORY;
    for (size_t i = 0; i < size; i += 4) {
        size_t pad = i + 4 < size ? 0 : (size_t)((text[i + 3] == '=') + (text[i + 2] == '=' && text[i + 3] == '='));
        uint32_t v = 0;
        int bad = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k < 4 - pad ? digit_value(text[i + k]) : 0;
            bad |= digit < 0;
            v = v << 6 | (uint32_t)(digit & 63);
        }
        if (bad || (v & ((UINT32_C(1) << (8 * pad)) - 1))) { /* bits that no byte has must be zero */
            out->size = start;
            return SDF_E_CORRUPT;
        }
        for (size_t k = 0; k < 3 - pad; k++)
            out->data[out->size++] = (uint8_t)(v >> (16 - 8 * k));
    }
    return SDF_OK;
}
