/* What kernels are written with. A kernel reads operands at the rows it is given, and writes in->dst->own there. */
#ifndef EXPR_KERNEL_H
#define EXPR_KERNEL_H

#include <string.h>

#include <sdf/key.h>

#include "expr/program.h"

#define EACH_ROW(i) for (size_t k_ = 0, i; k_ < rows->count && (i = rows->at[k_], true); k_++)

/* Where an argument's values are: value i at data + i * stride, of any alignment (they may be the host's). */
typedef struct operand {
    const uint8_t *data;
    size_t stride;
} operand;

static inline operand operand_of(const insn *in, uint32_t n)
{
    const reg *r = in->args[n];
    return (operand){r->data, r->step * class_width(r->type.class)};
}

static inline int64_t i64_at(operand a, size_t i)
{
    int64_t v;
    memcpy(&v, a.data + i * a.stride, sizeof v);
    return v;
}

static inline double f64_at(operand a, size_t i)
{
    double v;
    memcpy(&v, a.data + i * a.stride, sizeof v);
    return v;
}

static inline uint8_t bool_at(operand a, size_t i)
{
    return a.data[i * a.stride];
}

static inline const sdf_slice *bytes_at(operand a, size_t i)
{
    return (const sdf_slice *)(const void *)(a.data + i * a.stride);
}

/* The order of sdf/key.h: NaN equals itself and comes last. Without branches. */
static inline bool number_less(double a, double b)
{
    return (a < b) | ((b != b) & (a == a));
}

static inline bool number_equal(double a, double b)
{
    return (a == b) | ((a != a) & (b != b));
}

static inline int bytes_compare(const sdf_slice *a, const sdf_slice *b)
{
    size_t n = a->size < b->size ? a->size : b->size;
    int c = n ? memcmp(a->data, b->data, n) : 0;
    return c ? c : (a->size > b->size) - (a->size < b->size);
}

#endif
