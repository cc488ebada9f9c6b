/* Whole numbers, sizes and times as text. Doubles are in num_f64.c. */
#include "base/num.h"
#include "base/num_digits.h"

#include <math.h>
#include <string.h>

size_t num_i64(char text[NUM_TEXT], int64_t v)
{
    char digits[20];
    size_t n = 0, size = 0;
    uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        text[size++] = '-';
    while (n)
        text[size++] = digits[--n];
    text[size] = '\0';
    return size;
}

bool num_parse_i64(const char *text, size_t size, int64_t *v)
{
    size_t i = 0;
    bool negative = false;
    if (size && (text[0] == '-' || text[0] == '+'))
        negative = text[i++] == '-';
    if (i == size)
        return false;
    uint64_t u = 0, most = (uint64_t)INT64_MAX + negative, chunk;
    for (; size - i >= 8 && u <= 9999999999; i += 8) { /* eight digits more are below 10^18 */
        memcpy(&chunk, text + i, 8);
        if (!num_is_8_digits(chunk))
            break;
        u = u * 100000000 + num_of_8_digits(chunk);
    }
    for (; i < size; i++) {
        unsigned digit = (unsigned)((unsigned char)text[i] - '0');
        if (digit > 9 || (u >= INT64_MAX / 10 && u > (most - digit) / 10))
            return false;
        u = u * 10 + digit;
    }
    *v = negative ? (int64_t)-u : (int64_t)u;
    return true;
}

/* The digits at the front of a number with a unit: [0-9]+, or with a point in them. Returns their bytes; 0: none. */
static size_t number_length(const char *text, bool *whole)
{
    size_t digits = 0, points = 0, i = 0;
    for (; (text[i] >= '0' && text[i] <= '9') || text[i] == '.'; i++) {
        digits += text[i] != '.';
        points += text[i] == '.';
    }
    *whole = !points;
    return digits && points <= 1 ? i : 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool num_parse_size(const char *text, uint64_t *bytes)
{
    static const char *const units[][3] = {
        {"", "B", "B"},     {"K", "KB", "KiB"}, {"M", "MB", "MiB"},
        {"G", "GB", "GiB"}, {"T", "TB", "TiB"}, {"P", "PB", "PiB"},
    };
    bool whole;
    size_t n = number_length(text, &whole);
    if (!n)
        return false;
    const char *unit = text + n + (text[n] == ' ');
    unsigned shift = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++, shift += 10) {
        if (!same_word(unit, units[i][0]) && !same_word(unit, units[i][1]) && !same_word(unit, units[i][2]))
            continue;
        int64_t v;
        if (whole) {
            if (!num_parse_i64(text, n, &v) || (uint64_t)v > UINT64_MAX >> shift)
                return false;
            *bytes = (uint64_t)v << shift;
            return true;
        }
        double d;
        if (!num_parse_f64(text, n, &d) || ldexp(d, (int)shift) >= 0x1p63)
            return false;
        *bytes = (uint64_t)ldexp(d, (int)shift);
        return true;
    }
    return false;
}

bool num_parse_ms(const char *text, int64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60e3}, {"min", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    bool whole;
    size_t n = number_length(text, &whole);
    if (!n)
        return false;
    const char *unit = text + n + (text[n] == ' ');
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double d;
        if (!same_word(unit, units[i].name))
            continue;
        if (!num_parse_f64(text, n, &d) || d * units[i].ms >= 0x1p53) /* exact up to there */
            return false;
        *ms = (int64_t)(d * units[i].ms + 0.5);
        return true;
    }
    return false;
}
