/* The growable byte buffer: growth, text, JSON strings. Not an arena: nothing here is charged to a task. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int buf_reserve(buf *b, size_t extra)
{
    if (extra <= b->capacity - b->size)
        return SDF_OK;
    if (extra > SIZE_MAX / 2 - b->size)
        return SDF_E_NO_MEMORY;
    size_t want = b->size + extra;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity < want)
        capacity *= 2;
    uint8_t *data = realloc(b->data, capacity);
    if (!data)
        return SDF_E_NO_MEMORY;
    b->data = data;
    b->capacity = capacity;
    return SDF_OK;
}

int buf_append(buf *b, const void *data, size_t size)
{
    if (!size)
        return SDF_OK;
    int rc = buf_reserve(b, size);
    if (rc)
        return rc;
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return SDF_OK;
}

int buf_text(buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_vprintf(buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0)
        return SDF_E_NO_MEMORY;
    int rc = buf_reserve(b, (size_t)size + 1); /* vsnprintf writes a NUL that isn't counted */
    if (rc)
        return rc;
    vsnprintf((char *)b->data + b->size, (size_t)size + 1, format, args);
    b->size += (size_t)size;
    return SDF_OK;
}

int buf_printf(buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = buf_vprintf(b, format, args);
    va_end(args);
    return rc;
}

/* Bytes of the well-formed UTF-8 character at the front, or 0: overlong forms, surrogates and values past
 * U+10FFFF are not well-formed. */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    uint8_t c = p[0], low = 0x80, high = 0xbf;
    size_t n;
    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        n = 2;
    else if (c >= 0xe0 && c <= 0xef)
        n = 3;
    else if (c >= 0xf0 && c <= 0xf4)
        n = 4;
    else
        return 0;
    if (n > left)
        return 0;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool buf_is_utf8(const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t i = 0, n = 1;
    for (; i < size && n; i += n)
        n = utf8_length(p + i, size - i);
    return n != 0;
}

static int json_escape(buf *b, uint8_t c)
{
    switch (c) {
    case '"':
        return buf_append(b, "\\\"", 2);
    case '\\':
        return buf_append(b, "\\\\", 2);
    case '\n':
        return buf_append(b, "\\n", 2);
    case '\t':
        return buf_append(b, "\\t", 2);
    case '\r':
        return buf_append(b, "\\r", 2);
    default:
        return buf_printf(b, "\\u%04x", c);
    }
}

int buf_json_string(buf *b, const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t start = b->size, plain = 0, i = 0;
    int rc = buf_append(b, "\"", 1);
    while (!rc && i < size) {
        size_t n = utf8_length(p + i, size - i);
        if (n && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\' && p[i] != 0x7f) {
            i += n;
            continue;
        }
        rc = buf_append(b, p + plain, i - plain);
        if (!rc)
            rc = n ? json_escape(b, p[i]) : buf_append(b, "\xef\xbf\xbd", 3);
        plain = ++i;
    }
    if (!rc)
        rc = buf_append(b, p + plain, size - plain);
    if (!rc)
        rc = buf_append(b, "\"", 1);
    if (rc)
        b->size = start;
    return rc;
}

char *buf_take_text(buf *b)
{
    if (buf_append(b, "", 1))
        return NULL;
    char *text = (char *)b->data;
    *b = (buf)BUF_EMPTY;
    return text;
}

void buf_clear(buf *b)
{
    b->size = 0;
}

void buf_free(buf *b)
{
    free(b->data);
    *b = (buf)BUF_EMPTY;
}
