/* Kernels of the ordered encoding (sdf/key.h): tuples and optionals made, their items taken out. */
#include "expr/kernel.h"
#include "spec/key_put.h"

/* ---- making ---- */

/* Room that one item may need. */
static size_t item_room(const reg *r, operand a, size_t i)
{
    if (reg_state(r, i) != EXPR_OK)
        return 1;
    switch (r->type.class) {
    case CLASS_I64:
    case CLASS_F64:
        return KEY_NUMBER_BYTES;
    case CLASS_ENCODED:
        return bytes_at(a, i)->size;
    default:
        return KEY_BYTES_ROOM(bytes_at(a, i)->size);
    }
}

static inline uint8_t *put_item(const reg *r, operand a, size_t i, uint8_t *to)
{
    if (reg_state(r, i) != EXPR_OK) {
        *to = SDF_ITEM_NULL;
        return to + 1;
    }
    switch (r->type.class) {
    case CLASS_I64:
        return key_put_i64(to, i64_at(a, i));
    case CLASS_F64:
        return key_put_f64(to, f64_at(a, i));
    case CLASS_ENCODED:
        if (bytes_at(a, i)->size)
            memcpy(to, bytes_at(a, i)->data, bytes_at(a, i)->size);
        return to + bytes_at(a, i)->size;
    default:
        return key_put_bytes(to, bytes_at(a, i)->data, bytes_at(a, i)->size);
    }
}

/* A null item makes the tuple null, but for the literal null. Rows without one go on. */
static size_t tuple_rows(const insn *in, const row_list *rows, uint8_t *good)
{
    size_t n = 0;
    EACH_ROW(i)
    {
        uint8_t worst = EXPR_OK;
        for (uint32_t a = 0; a < in->count; a++) {
            uint8_t state = in->args[a]->type.class == CLASS_NULL ? EXPR_OK : reg_state(in->args[a], i);
            worst = state > worst ? state : worst;
        }
        if (worst == EXPR_OK)
            good[n++] = (uint8_t)i;
        else
            reg_mark(in->dst, i, worst);
    }
    return n;
}

/* Column by column, so that the loops are short. */
int kernel_tuple(expr_program *p, const insn *in, const row_list *all)
{
    sdf_slice *to = in->dst->own;
    uint8_t good[ROWS], *ends[ROWS];
    row_list some = {tuple_rows(in, all, good), good};
    const row_list *rows = &some;
    size_t room = 0;
    EACH_ROW(i)
    to[i].size = 2;
    for (uint32_t n = 0; n < in->count; n++) {
        operand a = operand_of(in, n);
        EACH_ROW(i)
        to[i].size += item_room(in->args[n], a, i);
    }
    EACH_ROW(i)
    room += to[i].size;
    uint8_t *text = room ? arena_alloc(p->scratch, room) : NULL;
    if (room && !text)
        return SDF_E_NO_MEMORY;
    EACH_ROW(i)
    {
        to[i].data = text;
        *text = SDF_ITEM_TUPLE;
        ends[i] = text + 1;
        text += to[i].size;
    }
    for (uint32_t n = 0; n < in->count; n++) {
        operand a = operand_of(in, n);
        EACH_ROW(i)
        ends[i] = put_item(in->args[n], a, i, ends[i]);
    }
    EACH_ROW(i)
    {
        *ends[i] = SDF_ITEM_TUPLE_END;
        to[i].size = (size_t)(ends[i] + 1 - (const uint8_t *)to[i].data);
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
        size_t room = item_room(r, a, i);
        uint8_t *text = arena_alloc(p->scratch, room ? room : 1);
        if (!text)
            return SDF_E_NO_MEMORY;
        to[i] = (sdf_slice){text, (size_t)(put_item(r, a, i, text) - text)};
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
