/* Kernels of points in time as text, "YYYY-MM-DD", "YYYY-MM-DD HH:MM:SS" and their like (ISO 8601 with a blank or 'T'):
 * they are checked, and a part of the text is given. Not here: arithmetic on time, and time zones (what stands behind
 * the seconds is checked and left). */
#include "expr/kernel.h"

#define DATE_BYTES 10
#define TIME_BYTES 19

static bool digits(const uint8_t *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((uint8_t)(x[i] - '0') > 9)
            return false;
    return true;
}

static unsigned two(const uint8_t *x)
{
    return (unsigned)(x[0] - '0') * 10 + (unsigned)(x[1] - '0');
}

static bool date_good(const uint8_t *x)
{
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!digits(x, 4) || x[4] != '-' || !digits(x + 5, 2) || x[7] != '-' || !digits(x + 8, 2))
        return false;
    unsigned year = two(x) * 100 + two(x + 2), month = two(x + 5), day = two(x + 8);
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return false;
    return month != 2 || day < 29 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* What may stand behind the seconds: a fraction, then Z or an offset. */
static bool tail_good(const uint8_t *x, size_t size)
{
    size_t i = 0;
    if (i < size && x[i] == '.') {
        for (i++; i < size && (uint8_t)(x[i] - '0') <= 9; i++)
            ;
        if (i == 1)
            return false;
    }
    if (i < size && x[i] == 'Z')
        return i + 1 == size;
    if (i < size && (x[i] == '+' || x[i] == '-'))
        return size - i == 6 && digits(x + i + 1, 2) && x[i + 3] == ':' && digits(x + i + 4, 2) &&
               two(x + i + 1) < 24 && two(x + i + 4) < 60;
    return i == size;
}

/* `second` may be 60, as it is now and then. */
static bool time_good(const uint8_t *x, size_t size)
{
    return size >= TIME_BYTES && (x[10] == ' ' || x[10] == 'T') && digits(x + 11, 2) && x[13] == ':' &&
           digits(x + 14, 2) && x[16] == ':' && digits(x + 17, 2) && two(x + 11) < 24 && two(x + 14) < 60 &&
           two(x + 17) <= 60 && tail_good(x + TIME_BYTES, size - TIME_BYTES);
}

static int part(expr_program *p, const insn *in, const row_list *rows, size_t from, size_t count)
{
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        const sdf_slice *x = bytes_at(a, i);
        const uint8_t *text = x->data;
        bool good = x->size >= DATE_BYTES && date_good(text) &&
                    ((x->size == DATE_BYTES && from < DATE_BYTES) || time_good(text, x->size));
        if (good)
            to[i] = (sdf_slice){text + from, count};
        else
            reg_mark(in->dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

static int year(expr_program *p, const insn *in, const row_list *rows)
{
    return part(p, in, rows, 0, 4);
}

static int month(expr_program *p, const insn *in, const row_list *rows)
{
    return part(p, in, rows, 0, 7);
}

static int date(expr_program *p, const insn *in, const row_list *rows)
{
    return part(p, in, rows, 0, DATE_BYTES);
}

static int hour(expr_program *p, const insn *in, const row_list *rows)
{
    return part(p, in, rows, 11, 2);
}

kernel kernel_time(expr_op op)
{
    switch (op) {
    case OP_YEAR:
        return year;
    case OP_MONTH:
        return month;
    case OP_DATE:
        return date;
    default:
        return hour;
    }
}
