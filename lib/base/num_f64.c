/* Doubles as text and back, in the C locale whatever the host or its threads have set. */
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/num_digits.h"

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
    uint64_t mantissa; /* the digits as an integer, if `exact` */
    int exponent;      /* of ten */
    bool exact;        /* not more digits than `mantissa` holds, exponents below EXPONENT_MAX */
} decimal;

#define EXPONENT_MAX 10000
#define DIGITS_MAX   19 /* that fit 64 bits, whatever they are */

/* Reads digits into *mantissa (which overflows unnoticed) and returns where they end. */
static inline const char *scan_digits(const char *p, const char *end, uint64_t *mantissa)
{
    uint64_t chunk;
    while (end - p >= 8) {
        memcpy(&chunk, p, 8);
        if (!num_is_8_digits(chunk))
            break;
        *mantissa = *mantissa * 100000000 + num_of_8_digits(chunk);
        p += 8;
    }
    for (unsigned digit; p < end && (digit = (unsigned)((unsigned char)*p - '0')) <= 9; p++)
        *mantissa = *mantissa * 10 + digit;
    return p;
}

static bool scan_exponent(const char *p, const char *end, decimal *d)
{
    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *start = p;
    int exponent = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*p - '0');
    if (exponent >= EXPONENT_MAX)
        d->exact = false;
    d->exponent += negative ? -exponent : exponent;
    return p == end && p > start;
}

/* Are the digits few enough once zeros in front are left out? A point may be among them. */
static bool few_digits(const char *p, const char *end)
{
    size_t digits = 0;
    while (p < end && (*p == '0' || *p == '.'))
        p++;
    for (; p < end; p++)
        digits += *p != '.';
    return digits <= DIGITS_MAX;
}

static bool scan(const char *start, const char *end, decimal *d)
{
    *d = (decimal){.exact = true};
    const char *p = scan_digits(start, end, &d->mantissa);
    size_t digits = (size_t)(p - start), behind = 0;
    if (p < end && *p == '.') {
        const char *point = p++;
        p = scan_digits(p, end, &d->mantissa);
        behind = (size_t)(p - point) - 1;
        digits += behind;
    }
    if (!digits)
        return false;
    if (behind < EXPONENT_MAX)
        d->exponent = -(int)behind;
    else
        d->exact = false;
    if (digits > DIGITS_MAX && !few_digits(start, p))
        d->exact = false;
    return scan_exponent(p, end, d);
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

/* w / 10^k, correctly rounded, for w > 0 and 0 < k <= 27: both as integers, divided to 64 bits and a remainder, of
 * which 53 bits and whether there is more behind them decide. */
static double divide_exactly(uint64_t w, unsigned k)
{
    static const uint64_t fives[28] = {UINT64_C(1),
                                       UINT64_C(5),
                                       UINT64_C(25),
                                       UINT64_C(125),
                                       UINT64_C(625),
                                       UINT64_C(3125),
                                       UINT64_C(15625),
                                       UINT64_C(78125),
                                       UINT64_C(390625),
                                       UINT64_C(1953125),
                                       UINT64_C(9765625),
                                       UINT64_C(48828125),
                                       UINT64_C(244140625),
                                       UINT64_C(1220703125),
                                       UINT64_C(6103515625),
                                       UINT64_C(30517578125),
                                       UINT64_C(152587890625),
                                       UINT64_C(762939453125),
                                       UINT64_C(3814697265625),
                                       UINT64_C(19073486328125),
                                       UINT64_C(95367431640625),
                                       UINT64_C(476837158203125),
                                       UINT64_C(2384185791015625),
                                       UINT64_C(11920928955078125),
                                       UINT64_C(59604644775390625),
                                       UINT64_C(298023223876953125),
                                       UINT64_C(1490116119384765625),
                                       UINT64_C(7450580596923828125)};
    int up = __builtin_clzll(w), down = __builtin_clzll(fives[k]);
    uint64_t divisor = fives[k] << down;
    w <<= up;
    int large = w >= divisor; /* then one bit less, so that the quotient has 64 bits either way */
    unsigned __int128 numerator = (unsigned __int128)w << (64 - large);
    uint64_t quotient = (uint64_t)(numerator / divisor);
    bool more = (uint64_t)numerator != quotient * divisor;
    uint64_t kept = quotient >> 11, cut = quotient & 0x7ff;
    kept += cut > 0x400 || (cut == 0x400 && (more || kept & 1));
    /* kept is 2^52 to 2^53, the latter with a carry into the exponent, as it should be. */
    int exponent = 11 - (64 - large) + down - up - (int)k;
    uint64_t bits = ((uint64_t)(exponent + 52 + 1023) << 52) + (kept - (UINT64_C(1) << 52));
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

/* Digits and perhaps a point among at most DIGITS_MAX bytes: nearly all numbers of nearly all files. */
static inline bool scan_plain(const char *start, const char *end, decimal *d)
{
    uint64_t mantissa = 0;
    if (end - start > DIGITS_MAX)
        return false;
    const char *p = scan_digits(start, end, &mantissa), *point = end;
    if (p < end && *p == '.') {
        point = p + 1;
        p = scan_digits(point, end, &mantissa);
    }
    *d = (decimal){mantissa, -(int)(end - point), true};
    return p == end && end - start > (point != end || end[-1] == '.');
}

/* The value of what was scanned; false: there is no memory to work it out. */
static inline bool evaluate(const decimal *d, const char *text, size_t size, double *v)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->exact && d->mantissa <= UINT64_C(1) << 53 && d->exponent >= -22 && d->exponent <= 22) {
        /* Both parts are exact doubles, so that one operation rounds once, as it should. */
        double m = (double)(int64_t)d->mantissa;
        *v = d->exponent < 0 ? m / tens[-d->exponent] : m * tens[d->exponent];
        return true;
    }
    if (d->exact && d->mantissa && d->exponent < 0 && d->exponent >= -27) {
        *v = divide_exactly(d->mantissa, (unsigned)-d->exponent);
        return true;
    }
    return parse_slowly(text, size, v);
}

bool num_parse_f64(const char *text, size_t size, double *v)
{
    bool negative = size && text[0] == '-';
    if (size && (text[0] == '-' || text[0] == '+')) {
        text++;
        size--;
    }
    decimal d;
    double magnitude;
    if (!size)
        return false;
    if (!scan_plain(text, text + size, &d) && !scan(text, text + size, &d)) {
        if (!parse_word(text, size, &magnitude))
            return false;
    } else if (!evaluate(&d, text, size, &magnitude)) {
        return false;
    }
    *v = negative ? -magnitude : magnitude;
    return true;
}
