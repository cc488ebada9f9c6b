/* Kernels of comparisons. Numbers are compared as numbers whatever their types, exactly; bytes by memcmp. */
#include "expr/kernel.h"

#define COMPARE(name, type, at, expression)                                                                            \
    static int name(expr_program *p, const insn *in, const row_list *rows)                                             \
    {                                                                                                                  \
        operand a = operand_of(in, 0), b = operand_of(in, 1);                                                          \
        uint8_t *to = in->dst->own;                                                                                    \
        EACH_ROW(i)                                                                                                    \
        {                                                                                                              \
            type x = at(a, i);                                                                                         \
            type y = at(b, i);                                                                                         \
            to[i] = expression;                                                                                        \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }

/* The four that make all six: > and >= are < and <= with the sides changed. */
#define COMPARE_ALL(name, type, at, equal, less)                                                                       \
    COMPARE(name##_eq, type, at, equal(x, y))                                                                          \
    COMPARE(name##_ne, type, at, !equal(x, y))                                                                         \
    COMPARE(name##_lt, type, at, less(x, y))                                                                           \
    COMPARE(name##_le, type, at, !less(y, x))                                                                          \
    COMPARE(name##_gt, type, at, less(y, x))                                                                           \
    COMPARE(name##_ge, type, at, !less(x, y))                                                                          \
    static const kernel name##_all[] = {name##_eq, name##_ne, name##_lt, name##_le, name##_gt, name##_ge};

#define PLAIN_EQUAL(x, y) ((x) == (y))
#define PLAIN_LESS(x, y)  ((x) < (y))

static inline bool bytes_equal(const sdf_slice *x, const sdf_slice *y)
{
    return x->size == y->size && (!x->size || !memcmp(x->data, y->data, x->size));
}

static inline bool bytes_less(const sdf_slice *x, const sdf_slice *y)
{
    return bytes_compare(x, y) < 0;
}

COMPARE_ALL(i64, int64_t, i64_at, PLAIN_EQUAL, PLAIN_LESS)
COMPARE_ALL(f64, double, f64_at, number_equal, number_less)
COMPARE_ALL(bool, uint8_t, bool_at, PLAIN_EQUAL, PLAIN_LESS)
COMPARE_ALL(bytes, const sdf_slice *, bytes_at, bytes_equal, bytes_less)

/* ---- i64 with f64 ---- */

static int mixed_order(int64_t i, double d)
{
    if (d != d || d >= 0x1p63)
        return -1;
    if (d < -0x1p63)
        return 1;
    int64_t whole = (int64_t)d;
    if (i != whole)
        return i < whole ? -1 : 1;
    double rest = d - (double)whole; /* exact */
    return rest > 0 ? -1 : rest < 0;
}

static inline bool holds(expr_op op, int order)
{
    switch (op) {
    case OP_EQ:
        return order == 0;
    case OP_NE:
        return order != 0;
    case OP_LT:
        return order < 0;
    case OP_LE:
        return order <= 0;
    case OP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

#define MIXED(name, op)                                                                                                \
    static int mixed_##name(expr_program *p, const insn *in, const row_list *rows)                                     \
    {                                                                                                                  \
        bool turned = in->args[0]->type.class == CLASS_F64;                                                            \
        operand i64s = operand_of(in, turned), f64s = operand_of(in, !turned);                                         \
        uint8_t *to = in->dst->own;                                                                                    \
        EACH_ROW(i)                                                                                                    \
        {                                                                                                              \
            int order = mixed_order(i64_at(i64s, i), f64_at(f64s, i));                                                 \
            to[i] = holds(op, turned ? -order : order);                                                                \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }
MIXED(eq, OP_EQ)
MIXED(ne, OP_NE)
MIXED(lt, OP_LT)
MIXED(le, OP_LE)
MIXED(gt, OP_GT)
MIXED(ge, OP_GE)
static const kernel mixed_all[] = {mixed_eq, mixed_ne, mixed_lt, mixed_le, mixed_gt, mixed_ge};

static bool is_number(expr_class c)
{
    return c == CLASS_I64 || c == CLASS_F64;
}

kernel kernel_compare(expr_op op, expr_class left, expr_class right)
{
    size_t i = op - OP_EQ;
    if (left == CLASS_NULL)
        left = right;
    if (right == CLASS_NULL)
        right = left;
    if (is_number(left) && is_number(right) && left != right)
        return mixed_all[i];
    if (left != right)
        return NULL;
    return left == CLASS_I64    ? i64_all[i]
           : left == CLASS_F64  ? f64_all[i]
           : left == CLASS_BOOL ? bool_all[i]
                                : bytes_all[i];
}
