/* Registers and instructions of a program that is being made. What is equal and visible from where it is wanted is
 * computed once; what depends on literals alone is computed here. What expressions mean is in compile.c. */
#include "expr/emit.h"

#include "base/error.h"
#include "base/hash.h"

void *emit_no_memory(compiler *c)
{
    if (!*c->err)
        error_set(c->err, SDF_E_NO_MEMORY, "the expressions' registers don't fit the task's memory");
    return NULL;
}

void *emit_take(compiler *c, size_t size)
{
    void *x = arena_alloc(&c->p->memory, size);
    return x ? memset(x, 0, size) : emit_no_memory(c);
}

/* ---- registers ---- */

reg *emit_reg(compiler *c, expr_type type, const expr *node, size_t values)
{
    reg *r = emit_take(c, sizeof *r);
    if (!r || !(r->state = emit_take(c, values)) || !(r->own = emit_take(c, values * class_width(type.class))))
        return NULL;
    r->type = type;
    r->node = node;
    r->step = 1;
    r->clean = true;
    r->data = r->own;
    return r;
}

/* Is it the register of this literal? */
static bool is_literal(const reg *r, expr_class class, const void *value, size_t size)
{
    if (r->type.class != class)
        return false;
    if (class != CLASS_BYTES)
        return !size || !memcmp(r->own, value, size);
    const sdf_slice *a = r->own, *b = value;
    return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

reg *emit_constant(compiler *c, const expr *e, expr_class class, const void *value, size_t size)
{
    for (reg *r = c->p->literals; r; r = r->next)
        if (is_literal(r, class, value, size))
            return r;
    reg *r = emit_reg(c, expr_type_of_class(class), e, 1);
    if (!r)
        return NULL;
    r->step = 0;
    r->constant = true;
    if (size)
        memcpy(r->own, value, size);
    if (class == CLASS_NULL) {
        r->clean = false;
        *r->state = EXPR_NULL;
    }
    r->next = c->p->literals;
    c->p->literals = r;
    return r;
}

reg *emit_literal(compiler *c, const expr *e)
{
    sdf_slice bytes;
    switch (e->kind) {
    case EXPR_LIT_I64:
        return emit_constant(c, e, CLASS_I64, &e->i64, 8);
    case EXPR_LIT_F64:
        return emit_constant(c, e, CLASS_F64, &e->f64, 8);
    case EXPR_LIT_BYTES:
        bytes = (sdf_slice){e->text.data, e->text.size};
        return emit_constant(c, e, CLASS_BYTES, &bytes, sizeof bytes);
    default:
        return emit_constant(c, e, CLASS_NULL, NULL, 0);
    }
}

/* ---- instructions ---- */

static bool visible(const scope *from, const scope *s)
{
    while (s && s != from)
        s = s->parent;
    return s != NULL;
}

static uint64_t insn_hash(const insn *in)
{
    uint64_t h = hash_mix((uintptr_t)in->run, in->number + 1);
    for (uint32_t i = 0; i < in->count; i++)
        h = hash_mix(h, (uintptr_t)in->args[i]);
    return h % CHAINS;
}

static bool same(const insn *a, const insn *b)
{
    return a->run == b->run && a->count == b->count && a->number == b->number && a->aux == b->aux &&
           !memcmp(a->args, b->args, a->count * sizeof *a->args) &&
           (a->makes ? a->scope == b->scope : visible(a->scope, b->scope));
}

/* Can it be worked out now? */
static bool foldable(const insn *in)
{
    if (in->makes || !in->count)
        return false;
    for (uint32_t i = 0; i < in->count; i++)
        if (!in->args[i]->constant)
            return false;
    return true;
}

static int fold(compiler *c, insn *in)
{
    static const uint8_t first;
    row_list one = {1, &first};
    int rc = insn_run(c->p, in, &one);
    in->folded = in->dst->constant = true;
    in->dst->step = 0;
    return rc;
}

/* Appends `want`, or finds one like it that serves. Its args are copied. */
static insn *emit(compiler *c, const insn *want, expr_type type)
{
    expr_program *p = c->p;
    uint64_t chain = insn_hash(want);
    for (insn *i = p->chains[chain]; i; i = i->chain)
        if (same(i, want))
            return i;
    insn *in = emit_take(c, sizeof *in);
    reg **args = in ? emit_take(c, (want->count + 1) * sizeof *args) : NULL;
    if (!args)
        return NULL;
    *in = *want;
    in->args = memcpy(args, want->args, want->count * sizeof *args);
    if (want->run == kernel_scope) {
        if (!(in->makes = emit_take(c, sizeof(scope))))
            return NULL;
        in->makes->parent = in->scope;
    } else if (!(in->dst = emit_reg(c, type, in->node, ROWS))) {
        return NULL;
    } else {
        in->dst->def = in;
    }
    in->chain = p->chains[chain];
    p->chains[chain] = in;
    if (foldable(in))
        return fold(c, in) ? emit_no_memory(c) : in;
    *p->last = in;
    p->last = &in->next;
    return in;
}

reg *emit_value(compiler *c, insn want, expr_type type)
{
    insn *in = emit(c, &want, type);
    return in ? in->dst : NULL;
}

scope *emit_scope(compiler *c, const expr *e, scope *s, reg *condition, scope_kind kind)
{
    insn want = {.run = kernel_scope,
                 .scope = s,
                 .args = &condition,
                 .count = 1,
                 .loose = true,
                 .node = e,
                 .number = (uint64_t)kind};
    insn *in = emit(c, &want, condition->type);
    return in ? in->makes : NULL;
}

/* ---- conversions ---- */

reg *emit_scalar(compiler *c, reg *r, scope *s)
{
    expr_type t = r ? expr_type_scalar(r->type) : (expr_type){CLASS_NULL, NULL};
    if (!r || t.class == r->type.class)
        return r;
    insn want = {.run = kernel_decode, .scope = s, .args = &r, .count = 1, .node = r->node};
    return emit_value(c, want, t);
}

reg *emit_f64(compiler *c, reg *r, scope *s)
{
    if (!r || r->type.class != CLASS_I64)
        return r;
    insn want = {.run = kernel_convert(CLASS_F64, CLASS_I64), .scope = s, .args = &r, .count = 1, .node = r->node};
    return emit_value(c, want, expr_type_of_class(CLASS_F64));
}
