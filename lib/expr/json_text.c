/* Strings, numbers and words of JSON. */
#include "expr/json_text.h"

#include <string.h>

#include "base/buf.h"

/* ---- numbers ---- */

static size_t digits(const uint8_t *p, size_t size)
{
    size_t n = 0;
    while (n < size && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

bool json_is_number(const uint8_t *p, size_t size)
{
    size_t i = size && *p == '-', n = digits(p + i, size - i);
    if (!n || (n > 1 && p[i] == '0'))
        return false;
    i += n;
    if (i < size && p[i] == '.') {
        n = digits(p + i + 1, size - i - 1);
        if (!n)
            return false;
        i += 1 + n;
    }
    if (i < size && (p[i] == 'e' || p[i] == 'E')) {
        i++;
        i += i < size && (p[i] == '+' || p[i] == '-');
        n = digits(p + i, size - i);
        if (!n)
            return false;
        i += n;
    }
    return i == size;
}

/* ---- strings ---- */

/* Looks at 8 bytes at a time: is any of them not plain ASCII, or a control character? */
static void look(const uint8_t *p, size_t size, bool *high, bool *control)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t above = 0, below = 0, x;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&x, p + i, 8);
        above |= x;
        below |=
            (x - ones * ' ') & ~x; /* exact where no byte before borrows, and a borrow comes only from such a byte */
    }
    for (; i < size; i++) {
        above |= p[i];
        below |= p[i] < ' ' ? tops : 0;
    }
    *high = above & tops;
    *control = below & tops;
}

const char *json_check_plain(const uint8_t *p, size_t size)
{
    bool high, control;
    look(p, size, &high, &control);
    if (control)
        return "a control character within a string";
    return high && !buf_is_utf8((const char *)p, size) ? "a string that is not UTF-8" : NULL;
}

static int hex4(const uint8_t *p, const uint8_t *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (low - 'a' + 10);
        else
            return -1;
    }
    return v;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xc0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xe0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        *to++ = (uint8_t)(0xf0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (c & 0x3f));
    }
    return to;
}

/* \uXXXX, or two of them for what is past U+FFFF; p is behind the 'u'. NULL: wrong. */
static const uint8_t *unescape_code(const uint8_t *p, const uint8_t *end, uint8_t **to)
{
    int c = hex4(p, end);
    if (c < 0 || (c >= 0xdc00 && c <= 0xdfff))
        return NULL;
    p += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        int low = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    *to = put_utf8(*to, (uint32_t)c);
    return p;
}

static char simple_escape(uint8_t c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c ? strchr(from, c) : NULL;
    return at ? to[at - from] : 0;
}

const char *json_unescape(const uint8_t *p, size_t size, uint8_t *out, size_t *written)
{
    const uint8_t *end = p + size;
    uint8_t *to = out;
    const char *problem = json_check_plain(p, size);
    if (problem)
        return problem;
    while (p < end) {
        const uint8_t *stop = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((stop ? stop : end) - p);
        memmove(to, p, plain);
        to += plain;
        p += plain;
        if (!stop)
            break;
        if (end - p < 2)
            return "an escape that does not end";
        if (p[1] == 'u') {
            p = unescape_code(p + 2, end, &to);
            if (!p)
                return "an escape \\u without a character";
        } else {
            char c = simple_escape(p[1]);
            if (!c)
                return "an unknown escape";
            *to++ = (uint8_t)c;
            p += 2;
        }
    }
    *written = (size_t)(to - out);
    return NULL;
}
