/* Kernels of the ordered encoding (sdf/key.h): tuples and optionals made, their items taken out. */
#include "expr/kernel.h"

/* ---- making ---- */

/* Room that one item may need. */
static size_t item_room(const reg *r, operand a, size_t i)
{
    if (reg_state(r, i) != EXPR_OK)
        return 1;
    switch (r->type.class) {
    case CLASS_I64:
    case CLASS_F64:
        return 11;
    case CLASS_ENCODED:
        return bytes_at(a, i)->size;
    default:
        return 2 * bytes_at(a, i)->size + 2;
    }
}

static void put_item(const reg *r, operand a, size_t i, uint8_t *to, size_t room, size_t *size)
{
    if (reg_state(r, i) != EXPR_OK) {
        sdf_key_put_null(to, room, size);
        return;
    }
    switch (r->type.class) {
    case CLASS_I64:
        sdf_key_put_i64(to, room, size, i64_at(a, i));
        return;
    case CLASS_F64:
        sdf_key_put_f64(to, room, size, f64_at(a, i));
        return;
    case CLASS_ENCODED:
        if (bytes_at(a, i)->size)
            memcpy(to + *size, bytes_at(a, i)->data, bytes_at(a, i)->size);
        *size += bytes_at(a, i)->size;
        return;
    default:
        sdf_key_put_bytes(to, room, size, bytes_at(a, i));
    }
}

/* A null item is null, but for the literal null. Is one of them null or bad? */
static uint8_t worst_state(const insn *in, size_t i)
{
    uint8_t worst = EXPR_OK;
    for (uint32_t n = 0; n < in->count; n++) {
        uint8_t state = in->args[n]->type.class == CLASS_NULL ? EXPR_OK : reg_state(in->args[n], i);
        worst = state > worst ? state : worst;
    }
    return worst;
}

int kernel_tuple(expr_program *p, const insn *in, const row_list *rows)
{
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        size_t room = 2, size = 0;
        uint8_t state = worst_state(in, i);
        if (state != EXPR_OK) {
            reg_mark(in->dst, i, state);
            continue;
        }
        for (uint32_t n = 0; n < in->count; n++)
            room += item_room(in->args[n], operand_of(in, n), i);
        uint8_t *text = arena_alloc(p->scratch, room);
        if (!text)
            return SDF_E_NO_MEMORY;
        sdf_key_begin_tuple(text, room, &size);
        for (uint32_t n = 0; n < in->count; n++)
            put_item(in->args[n], operand_of(in, n), i, text, room, &size);
        sdf_key_end_tuple(text, room, &size);
        to[i] = (sdf_slice){text, size};
    }
    return SDF_OK;
}

int kernel_optional(expr_program *p, const insn *in, const row_list *rows)
{
    const reg *r = in->args[0];
    operand a = operand_of(in, 0);
    sdf_slice *to = in->dst->own;
    EACH_ROW(i)
    {
        if (reg_state(r, i) == EXPR_BAD) {
            reg_mark(in->dst, i, EXPR_BAD);
            continue;
        }
        size_t room = item_room(r, a, i), size = 0;
        uint8_t *text = arena_alloc(p->scratch, room ? room : 1);
        if (!text)
            return SDF_E_NO_MEMORY;
        put_item(r, a, i, text, room, &size);
        to[i] = (sdf_slice){text, size};
    }
    return SDF_OK;
}

/* ---- taking apart ---- */

/* The item at the front of *rest as row i of dst, and *rest behind it. */
static int take_scalar(expr_program *p, reg *dst, size_t i, sdf_slice *rest)
{
    int64_t i64;
    double f64;
    int exact;
    sdf_slice bytes;
    int kind = sdf_key_next(rest, &i64, &f64, &exact, &bytes);
    expr_class class = dst->type.class;
    if (kind == SDF_ITEM_NULL) {
        reg_mark(dst, i, EXPR_NULL);
    } else if (kind == SDF_ITEM_NUMBER && class == CLASS_F64) {
        ((double *)dst->own)[i] = f64;
    } else if (kind == SDF_ITEM_NUMBER && class == CLASS_I64 && exact) {
        ((int64_t *)dst->own)[i] = i64;
    } else if (kind == SDF_ITEM_BYTES && class == CLASS_BYTES) {
        if (memchr(bytes.data, 0, bytes.size)) {
            uint8_t *copy = arena_alloc(p->scratch, bytes.size);
            if (!copy)
                return SDF_E_NO_MEMORY;
            bytes = (sdf_slice){copy, sdf_key_unescape(&bytes, copy)};
        }
        ((sdf_slice *)dst->own)[i] = bytes;
    } else {
        reg_mark(dst, i, EXPR_BAD);
    }
    return SDF_OK;
}

int kernel_decode(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    EACH_ROW(i)
    {
        sdf_slice rest = *bytes_at(a, i);
        if (take_scalar(p, in->dst, i, &rest))
            return SDF_E_NO_MEMORY;
    }
    return SDF_OK;
}

/* Moves *rest behind one item, whatever it holds. */
static bool skip_item(sdf_slice *rest)
{
    size_t depth = 0;
    do {
        int kind = sdf_key_next(rest, NULL, NULL, NULL, NULL);
        if (kind < 0 || kind == SDF_ITEM_END || (kind == SDF_ITEM_TUPLE_END && !depth))
            return false;
        depth += (kind == SDF_ITEM_TUPLE) - (kind == SDF_ITEM_TUPLE_END);
    } while (depth);
    return true;
}

int kernel_item(expr_program *p, const insn *in, const row_list *rows)
{
    operand a = operand_of(in, 0);
    reg *dst = in->dst;
    EACH_ROW(i)
    {
        sdf_slice rest = *bytes_at(a, i);
        int kind = sdf_key_next(&rest, NULL, NULL, NULL, NULL);
        bool good = kind == SDF_ITEM_TUPLE;
        for (uint64_t n = 1; n < in->number && good; n++)
            good = skip_item(&rest);
        sdf_slice item = rest;
        good = good && skip_item(&rest);
        item.size -= rest.size;
        if (kind == SDF_ITEM_NULL || !good)
            reg_mark(dst, i, kind == SDF_ITEM_NULL ? EXPR_NULL : EXPR_BAD);
        else if (dst->type.class == CLASS_ENCODED)
            ((sdf_slice *)dst->own)[i] = item;
        else if (take_scalar(p, dst, i, &item))
            return SDF_E_NO_MEMORY;
    }
    return SDF_OK;
}
