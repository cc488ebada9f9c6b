/* Kernels of bytes. */
#include "expr/kernel.h"

/* ---- conditions ---- */

#define CONDITION(name, expression)                                                                                    \
    static int name(expr_program *p, const insn *in, const row_list *rows)                                             \
    {                                                                                                                  \
        operand a = operand_of(in, 0), b = operand_of(in, 1);                                                          \
        uint8_t *to = in->dst->own;                                                                                    \
        EACH_ROW(i)                                                                                                    \
        {                                                                                                              \
            const sdf_slice *x = bytes_at(a, i), *y = bytes_at(b, i);                                                  \
            to[i] = !y->size || (x->size >= y->size && (expression));                                                  \
        }                                                                                                              \
        return SDF_OK;                                                                                                 \
    }
CONDITION(contains, memmem(x->data, x->size, y->data, y->size) != NULL)
CONDITION(starts_with, !memcmp(x->data, y->data, y->size))
CONDITION(ends_with, !memcmp((const uint8_t *)x->data + x->size - y->size, y->data, y->size))

static int matches(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    uint8_t *to = in->dst->own;
    EACH_ROW(i)
    {
        sdf_slice match;
        int found = regex_search((regex *)(uintptr_t)in->aux, bytes_at(a, i), &match);
        if (found == SDF_E_NO_MEMORY)
            return found;
        to[i] = found == 1;
        if (found < 0)
            reg_mark(in->dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

static int extract(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        to[i] = (sdf_slice){NULL, 0};
        int found = regex_search((regex *)(uintptr_t)in->aux, bytes_at(a, i), &to[i]);
        if (found == SDF_E_NO_MEMORY)
            return found;
        if (found < 0 || !to[i].data)
            reg_mark(in->dst, i, found < 0 ? EXPR_BAD : EXPR_NULL);
    }
    return SDF_OK;
}

/* ---- parts ---- */

static int len(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    int64_t *to = in->dst->own;
    EACH_ROW(i)
    to[i] = (int64_t)bytes_at(a, i)->size;
    return SDF_OK;
}

static int substr(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0), from = operand_of(in, 1), counts = operand_of(in, in->count - 1);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        const sdf_slice *x = bytes_at(a, i);
        int64_t first = i64_at(from, i), count = in->count == 3 ? i64_at(counts, i) : INT64_MAX;
        if (first < 1 || count < 0) {
            reg_mark(in->dst, i, EXPR_BAD);
            continue;
        }
        uint64_t skip = (uint64_t)first - 1, left = skip < x->size ? x->size - skip : 0;
        to[i] = (sdf_slice){left ? (const uint8_t *)x->data + skip : x->data,
                            left < (uint64_t)count ? left : (uint64_t)count};
    }
    return SDF_OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int trim(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        const uint8_t *x = bytes_at(a, i)->data, *end = x + bytes_at(a, i)->size;
        while (x < end && is_space(*x))
            x++;
        while (x < end && is_space(end[-1]))
            end--;
        to[i] = (sdf_slice){x, (size_t)(end - x)};
    }
    return SDF_OK;
}

/* ---- new text ---- */

static int change_case(expr_program *p, const insn *in, const row_list *rows, char first)
{
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        const sdf_slice *x = bytes_at(a, i);
        uint8_t *text = arena_copy(p->scratch, x->data, x->size);
        if (!text)
            return SDF_E_NO_MEMORY;
        for (size_t k = 0; k < x->size; k++)
            text[k] ^= (uint8_t)((uint8_t)(text[k] - first) < 26) << 5;
        to[i] = (sdf_slice){text, x->size};
    }
    return SDF_OK;
}

static int lower(expr_program *p, const insn *in, const row_list *rows)
{
    return change_case(p, in, rows, 'A');
}

static int upper(expr_program *p, const insn *in, const row_list *rows)
{
    return change_case(p, in, rows, 'a');
}

static int concat(expr_program *p, const insn *in, const row_list *rows)
{
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        size_t size = 0;
        for (uint32_t n = 0; n < in->count; n++)
            size += bytes_at(operand_of(in, n), i)->size;
        uint8_t *text = arena_alloc(p->scratch, size ? size : 1), *at = text;
        if (!text)
            return SDF_E_NO_MEMORY;
        for (uint32_t n = 0; n < in->count; n++) {
            const sdf_slice *x = bytes_at(operand_of(in, n), i);
            if (x->size)
                memcpy(at, x->data, x->size);
            at += x->size;
        }
        to[i] = (sdf_slice){text, size};
    }
    return SDF_OK;
}

kernel kernel_text(expr_op op)
{
    switch (op) {
    case OP_LEN:
        return len;
    case OP_SUBSTR:
        return substr;
    case OP_CONTAINS:
        return contains;
    case OP_STARTS_WITH:
        return starts_with;
    case OP_ENDS_WITH:
        return ends_with;
    case OP_MATCHES:
        return matches;
    case OP_EXTRACT:
        return extract;
    case OP_LOWER:
        return lower;
    case OP_UPPER:
        return upper;
    case OP_TRIM:
        return trim;
    case OP_YEAR:
    case OP_MONTH:
    case OP_DATE:
    case OP_HOUR:
        return kernel_time(op);
    default:
        return concat;
    }
}

/* ---- tables ---- */

int kernel_lookup(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    if (!table_get(in->aux, bytes_at(a, i), &to[i]))
        reg_mark(in->dst, i, EXPR_NULL);
    return SDF_OK;
}

int kernel_in_set(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    uint8_t *to = in->dst->own;
    sdf_slice value;
    EACH_ROW(i)
    to[i] = table_get(in->aux, bytes_at(a, i), &value);
    return SDF_OK;
}
