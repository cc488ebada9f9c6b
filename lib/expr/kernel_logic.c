/* Kernels that decide: and, or, not, if, coalesce, is_null, and the scopes of rows that they lead to. All but `not` are
 * loose: they see null and bad arguments. An argument that was evaluated in a narrower scope is looked at only for rows
 * of that scope, or (where nothing is null or bad) where it can't change the result. */
#include "expr/kernel.h"

int kernel_scope(expr_program *p, const insn *in, const row_list *rows)
{
    const reg *r = in->args[0];
    operand a = operand_of(in, 0);
    scope *s = in->makes;
    size_t n = 0;
    bool want = in->number == SCOPE_NOT_FALSE || in->number == SCOPE_TRUE;
    bool nulls = in->number != SCOPE_TRUE;
    if (r->clean && in->number == SCOPE_NULL) {
        s->count = 0;
        return SDF_OK;
    }
    if (r->clean) {
        EACH_ROW(i)
        {
            s->rows[n] = (uint8_t)i;
            n += bool_at(a, i) == want;
        }
        s->count = n;
        return SDF_OK;
    }
    EACH_ROW(i)
    {
        uint8_t state = reg_state(r, i);
        if (state == EXPR_NULL ? nulls : state == EXPR_OK && in->number != SCOPE_NULL && bool_at(a, i) == want)
            s->rows[n++] = (uint8_t)i;
    }
    s->count = n;
    return SDF_OK;
}

/* The left side decides where it is `decisive` or bad. */
static int logic(const insn *in, const row_list *rows, uint8_t decisive)
{
    const reg *l = in->args[0], *r = in->args[1];
    operand a = operand_of(in, 0), b = operand_of(in, 1);
    uint8_t *to = in->dst->own;
    if (l->clean && r->clean) {
        EACH_ROW(i)
        to[i] = decisive ? bool_at(a, i) | bool_at(b, i) : bool_at(a, i) & bool_at(b, i);
        return SDF_OK;
    }
    EACH_ROW(i)
    {
        uint8_t left = reg_state(l, i), right;
        to[i] = decisive;
        if (left == EXPR_BAD)
            reg_mark(in->dst, i, EXPR_BAD);
        if (left == EXPR_BAD || (left == EXPR_OK && bool_at(a, i) == decisive))
            continue;
        right = reg_state(r, i);
        if (right == EXPR_OK && bool_at(b, i) == decisive)
            continue;
        to[i] = !decisive;
        if (right == EXPR_BAD || left == EXPR_NULL || right == EXPR_NULL)
            reg_mark(in->dst, i, right == EXPR_BAD ? EXPR_BAD : EXPR_NULL);
    }
    return SDF_OK;
}

int kernel_and(expr_program *p, const insn *in, const row_list *rows)
{
    return logic(in, rows, 0);
}

int kernel_or(expr_program *p, const insn *in, const row_list *rows)
{
    return logic(in, rows, 1);
}

int kernel_not(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    uint8_t *to = in->dst->own;
    EACH_ROW(i)
    to[i] = !bool_at(a, i);
    return SDF_OK;
}

/* Row i of argument n, with its state. */
static void copy_row(const insn *in, uint32_t n, size_t i)
{
    const reg *from = in->args[n];
    uint8_t state = reg_state(from, i);
    if (state != EXPR_OK) {
        reg_mark(in->dst, i, state);
        return;
    }
    operand a = operand_of(in, n);
    size_t width = class_width(in->dst->type.class);
    memcpy((uint8_t *)in->dst->own + i * width, a.data + i * a.stride, width);
}

int kernel_if(expr_program *p, const insn *in, const row_list *rows)
{
    operand c = operand_of(in, 0);
    EACH_ROW(i)
    {
        uint8_t state = reg_state(in->args[0], i);
        if (state == EXPR_BAD)
            reg_mark(in->dst, i, EXPR_BAD);
        else
            copy_row(in, state == EXPR_OK && bool_at(c, i) ? 1 : 2, i);
    }
    return SDF_OK;
}

int kernel_coalesce(expr_program *p, const insn *in, const row_list *rows)
{
    EACH_ROW(i)
    copy_row(in, reg_state(in->args[0], i) == EXPR_NULL ? 1 : 0, i);
    return SDF_OK;
}

int kernel_is_null(expr_program *p, const insn *in, const row_list *rows)
{
    const reg *r = in->args[0];
    operand a = operand_of(in, 0);
    bool encoded = r->type.class == CLASS_ENCODED;
    uint8_t *to = in->dst->own;
    EACH_ROW(i)
    {
        uint8_t state = reg_state(r, i);
        to[i] = state == EXPR_NULL;
        if (state == EXPR_BAD)
            reg_mark(in->dst, i, EXPR_BAD);
        if (state == EXPR_OK && encoded)
            to[i] = bytes_at(a, i)->size && *(const uint8_t *)bytes_at(a, i)->data == SDF_ITEM_NULL;
    }
    return SDF_OK;
}
