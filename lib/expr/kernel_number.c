/* Kernels of numbers: arithmetic, conversions, rounding, min and max. */
#include <math.h>

#include "base/num.h"
#include "expr/kernel.h"

/* ---- arithmetic ---- */

/* f64: what IEEE says. */
#define F64_BINARY(name, expression)                                                                                   \
    static int name(expr_program *p, const insn *in, const row_list *rows)                                             \
    {                                                                                                                  \
        operand a = operand_of(in, 0), b = operand_of(in, 1);                                                          \
        double *to = in->dst->own;                                                                                     \
        EACH_ROW(i)                                                                                                    \
        {                                                                                                              \
            double x = f64_at(a, i), y = f64_at(b, i);                                                                 \
            to[i] = expression;                                                                                        \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }
F64_BINARY(add_f64, x + y)
F64_BINARY(sub_f64, x - y)
F64_BINARY(mul_f64, x *y)
F64_BINARY(div_f64, x / y)
F64_BINARY(mod_f64, fmod(x, y))
F64_BINARY(min_f64, number_less(y, x) ? y : x)
F64_BINARY(max_f64, number_less(x, y) ? y : x)

#define F64_UNARY(name, expression)                                                                                    \
    static int name(expr_program *p, const insn *in, const row_list *rows)                                             \
    {                                                                                                                  \
        operand a = operand_of(in, 0);                                                                                 \
        double *to = in->dst->own;                                                                                     \
        EACH_ROW(i)                                                                                                    \
        {                                                                                                              \
            double x = f64_at(a, i);                                                                                   \
            to[i] = expression;                                                                                        \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }
F64_UNARY(neg_f64, -x)
F64_UNARY(abs_f64, fabs(x))
F64_UNARY(floor_f64, floor(x))
F64_UNARY(ceil_f64, ceil(x))
F64_UNARY(round_f64, round(x))

/* i64: `refused` says that there is no result. */
#define I64_BINARY(name, refused)                                                                                      \
    static int name(expr_program *p, const insn *in, const row_list *rows)                                             \
    {                                                                                                                  \
        operand a = operand_of(in, 0), b = operand_of(in, 1);                                                          \
        int64_t *to = in->dst->own;                                                                                    \
        EACH_ROW(i)                                                                                                    \
        {                                                                                                              \
            int64_t x = i64_at(a, i), y = i64_at(b, i), z = 0;                                                         \
            if (refused)                                                                                               \
                reg_mark(in->dst, i, EXPR_BAD);                                                                        \
            to[i] = z;                                                                                                 \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }
/* INT64_MIN / -1 is out of range; its remainder is 0. */
#define DIVIDE(x, y)    ((y) == 0 || ((y) == -1 && (x) == INT64_MIN) || ((z = (x) / (y)), false))
#define REMAINDER(x, y) ((y) == 0 || ((z = (y) == -1 ? 0 : (x) % (y)), false))
I64_BINARY(add_i64, __builtin_add_overflow(x, y, &z))
I64_BINARY(sub_i64, __builtin_sub_overflow(x, y, &z))
I64_BINARY(mul_i64, __builtin_mul_overflow(x, y, &z))
I64_BINARY(div_i64, DIVIDE(x, y))
I64_BINARY(mod_i64, REMAINDER(x, y))
I64_BINARY(min_i64, ((z = x < y ? x : y), false))
I64_BINARY(max_i64, ((z = x > y ? x : y), false))

static int neg_i64(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    int64_t *to = in->dst->own;
    EACH_ROW(i)
    if (__builtin_sub_overflow((int64_t)0, i64_at(a, i), &to[i]))
        reg_mark(in->dst, i, EXPR_BAD);
    return SDF_OK;
}

static int abs_i64(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    int64_t *to = in->dst->own;
    EACH_ROW(i)
    {
        int64_t x = i64_at(a, i);
        to[i] = x;
        if (x < 0 && __builtin_sub_overflow((int64_t)0, x, &to[i]))
            reg_mark(in->dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

kernel kernel_arithmetic(expr_op op, expr_class class)
{
    bool f = class == CLASS_F64;
    switch (op) {
    case OP_ADD:
        return f ? add_f64 : add_i64;
    case OP_SUB:
        return f ? sub_f64 : sub_i64;
    case OP_MUL:
        return f ? mul_f64 : mul_i64;
    case OP_DIV:
        return f ? div_f64 : div_i64;
    case OP_MOD:
        return f ? mod_f64 : mod_i64;
    case OP_NEG:
        return f ? neg_f64 : neg_i64;
    case OP_ABS:
        return f ? abs_f64 : abs_i64;
    case OP_FLOOR:
        return f ? floor_f64 : NULL;
    case OP_CEIL:
        return f ? ceil_f64 : NULL;
    default:
        return f ? round_f64 : NULL;
    }
}

/* ---- min and max of bytes ---- */

static int least_bytes(expr_program *p, const insn *in, const row_list *rows, bool most)
{
    operand a = operand_of(in, 0), b = operand_of(in, 1);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        const sdf_slice *x = bytes_at(a, i), *y = bytes_at(b, i);
        to[i] = (bytes_compare(x, y) > 0) == most ? *x : *y;
    }
    return SDF_OK;
}

static int min_bytes(expr_program *p, const insn *in, const row_list *rows)
{
    return least_bytes(p, in, rows, false);
}

static int max_bytes(expr_program *p, const insn *in, const row_list *rows)
{
    return least_bytes(p, in, rows, true);
}

kernel kernel_least(expr_op op, expr_class class)
{
    bool min = op == OP_MIN;
    if (class == CLASS_F64)
        return min ? min_f64 : max_f64;
    if (class == CLASS_I64)
        return min ? min_i64 : max_i64;
    return min ? min_bytes : max_bytes;
}

/* ---- conversions ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

sdf_slice number_text(const sdf_slice *text)
{
    const char *p = text->data, *end = p + text->size;
    while (p < end && is_blank(*p))
        p++;
    while (p < end && is_blank(end[-1]))
        end--;
    return (sdf_slice){p, (size_t)(end - p)};
}

static int i64_of_bytes(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    int64_t *to = in->dst->own;
    EACH_ROW(i)
    {
        const sdf_slice *x = bytes_at(a, i);
        if (num_parse_i64(x->data, x->size, &to[i]))
            continue;
        sdf_slice inner = number_text(x);
        if (inner.size == x->size || !num_parse_i64(inner.data, inner.size, &to[i]))
            reg_mark(in->dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

static int f64_of_bytes(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    double *to = in->dst->own;
    EACH_ROW(i)
    {
        const sdf_slice *x = bytes_at(a, i);
        if (num_parse_f64(x->data, x->size, &to[i]))
            continue;
        sdf_slice inner = number_text(x);
        if (inner.size == x->size || !num_parse_f64(inner.data, inner.size, &to[i]))
            reg_mark(in->dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

/* Towards zero. */
static int i64_of_f64(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    int64_t *to = in->dst->own;
    EACH_ROW(i)
    {
        double x = f64_at(a, i);
        if (x >= -0x1p63 && x < 0x1p63)
            to[i] = (int64_t)x;
        else
            reg_mark(in->dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

static int f64_of_i64(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    double *to = in->dst->own;
    EACH_ROW(i)
    to[i] = (double)i64_at(a, i);
    return SDF_OK;
}

static int bytes_of_number(expr_program *p, const insn *in, const row_list *rows, bool f64)
{
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    char *text = rows->count ? arena_alloc(p->scratch, rows->count * NUM_TEXT) : NULL;
    if (!text && rows->count)
        return SDF_E_NO_MEMORY;
    EACH_ROW(i)
    {
        size_t size = f64 ? num_f64(text, f64_at(a, i)) : num_i64(text, i64_at(a, i));
        to[i] = (sdf_slice){text, size};
        text += NUM_TEXT;
    }
    return SDF_OK;
}

static int bytes_of_i64(expr_program *p, const insn *in, const row_list *rows)
{
    return bytes_of_number(p, in, rows, false);
}

static int bytes_of_f64(expr_program *p, const insn *in, const row_list *rows)
{
    return bytes_of_number(p, in, rows, true);
}

kernel kernel_convert(expr_class to, expr_class from)
{
    if (to == from)
        return NULL;
    if (to == CLASS_I64)
        return from == CLASS_F64 ? i64_of_f64 : i64_of_bytes;
    if (to == CLASS_F64)
        return from == CLASS_I64 ? f64_of_i64 : f64_of_bytes;
    return from == CLASS_F64 ? bytes_of_f64 : bytes_of_i64;
}
