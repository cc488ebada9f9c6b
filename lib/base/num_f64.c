/* Doubles as text and back, in the C locale whatever the host or its threads have set. */
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static locale_t c_locale;
static pthread_once_t locale_once = PTHREAD_ONCE_INIT;

/* The C library keeps this one ready: making it takes no memory and can't fail. It lives as long as the process. */
static void open_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* With `digits` significant digits; true if the text reads back as v. */
static bool try_digits(char *text, double v, int digits, size_t *size)
{
    *size = (size_t)snprintf(text, NUM_TEXT, "%.*g", digits, v);
    return strtod_l(text, NULL, c_locale) == v;
}

/* A power of two has more room above than below, so that the 16 digits above the nearest ones may read back as it
 * where the nearest don't. (Its text is in the exponent's form then: short ones have fewer digits.) */
static bool try_above(char *text, double v, size_t *size)
{
    char above[NUM_TEXT];
    *size = (size_t)snprintf(above, sizeof above, "%.15e", v);
    char *last = strchr(above, 'e') - 1;
    if (*last == '9')
        return false;
    ++*last;
    if (strtod_l(above, NULL, c_locale) != v)
        return false;
    memcpy(text, above, *size + 1);
    return true;
}

size_t num_f64(char text[NUM_TEXT], double v)
{
    if (isnan(v))
        return (size_t)(stpcpy(text, "nan") - text);
    if (isinf(v))
        return (size_t)(stpcpy(text, v < 0 ? "-inf" : "inf") - text);
    if (fabs(v) < 1e15 && v == (double)(int64_t)v && (v != 0 || !signbit(v)))
        return num_i64(text, (int64_t)v);
    pthread_once(&locale_once, open_locale);
    locale_t before = uselocale(c_locale); /* of this thread alone */
    size_t size;
    /* A normal double holds any 15 digits, so fewer need not be tried: %g drops zeros at the end. */
    int digits = fabs(v) < 0x1p-1022 ? 1 : 15;
    while (!try_digits(text, v, digits, &size) && digits < 17) {
        if (digits == 16 && try_above(text, v, &size))
            break;
        digits++;
    }
    uselocale(before);
    return size;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    if (size != strlen(word))
        return false;
    for (size_t i = 0; i < size; i++)
        if ((text[i] | 0x20) != word[i])
            return false;
    return true;
}

static bool parse_word(const char *text, size_t size, double *v)
{
    if (is_word(text, size, "inf") || is_word(text, size, "infinity"))
        *v = INFINITY;
    else if (is_word(text, size, "nan"))
        *v = NAN;
    else
        return false;
    return true;
}

/* What a scan of digits[.digits][e[sign]digits] found. */
typedef struct decimal {
    uint64_t mantissa; /* the significant digits as an integer, if `exact` */
    int exponent;      /* of ten */
    bool exact;        /* not more digits than `mantissa` holds, exponents below EXPONENT_MAX */
} decimal;

#define EXPONENT_MAX 10000

static bool scan_digit(char c, decimal *d)
{
    unsigned digit = (unsigned)((unsigned char)c - '0');
    if (digit > 9)
        return false;
    if (d->mantissa > (UINT64_MAX - 9) / 10)
        d->exact = false;
    else
        d->mantissa = d->mantissa * 10 + digit;
    return true;
}

static bool scan(const char *p, const char *end, decimal *d)
{
    const char *start = p;
    *d = (decimal){.exact = true};
    while (p < end && scan_digit(*p, d))
        p++;
    size_t digits = (size_t)(p - start);
    if (p < end && *p == '.') {
        start = ++p;
        while (p < end && scan_digit(*p, d))
            p++;
        digits += (size_t)(p - start);
        if (p - start < EXPONENT_MAX)
            d->exponent = -(int)(p - start);
        else
            d->exact = false;
    }
    if (!digits)
        return false;
    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    int exponent = 0;
    for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*p - '0');
    if (exponent >= EXPONENT_MAX)
        d->exact = false;
    d->exponent += negative ? -exponent : exponent;
    return p == end && p > start;
}

static bool parse_slowly(const char *text, size_t size, double *v)
{
    char small[128];
    char *copy = size < sizeof small ? small : malloc(size + 1);
    if (!copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    pthread_once(&locale_once, open_locale);
    *v = strtod_l(copy, NULL, c_locale);
    if (copy != small)
        free(copy);
    return true;
}

bool num_parse_f64(const char *text, size_t size, double *v)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = size && text[0] == '-';
    if (size && (text[0] == '-' || text[0] == '+')) {
        text++;
        size--;
    }
    decimal d;
    double magnitude;
    if (!size)
        return false;
    if (!scan(text, text + size, &d)) {
        if (!parse_word(text, size, &magnitude))
            return false;
    } else if (d.exact && d.mantissa <= UINT64_C(1) << 53 && d.exponent >= -22 && d.exponent <= 22) {
        /* Both parts are exact doubles, so that one operation rounds once, as it should. */
        magnitude = (double)d.mantissa;
        magnitude = d.exponent < 0 ? magnitude / tens[-d.exponent] : magnitude * tens[d.exponent];
    } else if (!parse_slowly(text, size, &magnitude)) {
        return false;
    }
    *v = negative ? -magnitude : magnitude;
    return true;
}
