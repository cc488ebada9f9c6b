/* A growable byte buffer on the heap (not charged to a task's budget: for small things
 * such as requests, replies, messages). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdf/base.h>

typedef struct buf {
    uint8_t *data;
    size_t size, capacity;
} buf;

#define BUF_EMPTY                                                                                                      \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }

int buf_reserve(buf *b, size_t extra); /* SDF_OK or SDF_E_NO_MEMORY */
int buf_append(buf *b, const void *data, size_t size);
int buf_text(buf *b, const char *text);
int buf_printf(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(buf *b, const char *format, va_list args);
int buf_json_string(buf *b, const char *text, size_t size); /* quoted and escaped; not UTF-8 bytes become U+FFFD */
bool buf_is_utf8(const char *text, size_t size);            /* well-formed: buf_json_string keeps it as it is */
/* NUL-terminates (not counted in size) and gives the memory away; the buffer is empty then. NULL: no memory. */
char *buf_take_text(buf *b);
void buf_clear(buf *b); /* keeps the memory */
void buf_free(buf *b);

static inline sdf_slice buf_slice(const buf *b)
{
    return (sdf_slice){b->data, b->size};
}

#endif
