/* From trees to a program: what each function becomes. Types are checked once more on the way, since the trees may have
 * come from anywhere. Registers and instructions are made by emit.c. */
#include <string.h>

#include "base/error.h"
#include "expr/emit.h"

#define SET_LEAST 6 /* literals from which in() is a hash table */

/* Everything below gives NULL where it failed and has said why. */
static reg *compile(compiler *c, const expr *e, scope *s);

/* ---- arguments ---- */

static reg *argument(compiler *c, const expr *e, uint32_t i, scope *s)
{
    char letter = e->call.function->args[0];
    reg *r = compile(c, e->args[i], s);
    return letter == 't' || letter == 'T' ? r : emit_scalar(c, r, s);
}

/* The type of a call from the registers of its arguments. */
static bool type_of_call(compiler *c, const expr *e, reg **args, expr_type *type)
{
    expr_type types[EXPR_ARGS_MAX];
    for (uint32_t i = 0; i < e->call.count; i++)
        types[i] = args[i]->type;
    return expr_type_call(e, types, &c->p->types, type, c->err) == SDF_OK;
}

/* ---- what decides which rows are looked at ---- */

static reg *combine(compiler *c, const expr *e, scope *s, kernel run, reg *a, reg *b, expr_type type)
{
    reg *args[2] = {a, b};
    insn want = {.run = run, .scope = s, .args = args, .count = 2, .loose = true, .node = e};
    return a && b ? emit_value(c, want, type) : NULL;
}

static reg *compile_logic(compiler *c, const expr *e, scope *s)
{
    bool all = e->call.function->op == OP_AND;
    expr_type type = expr_type_of_class(CLASS_BOOL);
    reg **args = emit_take(c, e->call.count * sizeof *args);
    if (!args)
        return NULL;
    reg *left = args[0] = argument(c, e, 0, s);
    for (uint32_t i = 1; i < e->call.count && left; i++) {
        scope *rest = emit_scope(c, e, s, left, all ? SCOPE_NOT_FALSE : SCOPE_NOT_TRUE);
        args[i] = rest ? argument(c, e, i, rest) : NULL;
        left = combine(c, e, s, all ? kernel_and : kernel_or, left, args[i], type);
    }
    return left && type_of_call(c, e, args, &type) ? left : NULL;
}

static reg *unified(compiler *c, reg *r, expr_type type, scope *s)
{
    return type.class == CLASS_F64 ? emit_f64(c, r, s) : r;
}

static reg *compile_if(compiler *c, const expr *e, scope *s)
{
    expr_type type;
    reg *args[3];
    args[0] = argument(c, e, 0, s);
    scope *then = args[0] ? emit_scope(c, e, s, args[0], SCOPE_TRUE) : NULL;
    scope *other = then ? emit_scope(c, e, s, args[0], SCOPE_NOT_TRUE) : NULL;
    args[1] = other ? argument(c, e, 1, then) : NULL;
    args[2] = args[1] ? argument(c, e, 2, other) : NULL;
    if (!args[2] || !type_of_call(c, e, args, &type))
        return NULL;
    args[1] = unified(c, args[1], type, then);
    args[2] = unified(c, args[2], type, other);
    insn want = {.run = kernel_if, .scope = s, .args = args, .count = 3, .loose = true, .node = e};
    return args[1] && args[2] ? emit_value(c, want, type) : NULL;
}

/* The type comes from all arguments, which only then are put together. */
static reg *compile_coalesce(compiler *c, const expr *e, scope *s)
{
    expr_type type;
    uint32_t count = e->call.count;
    reg **args = emit_take(c, count * sizeof *args);
    scope **scopes = args ? emit_take(c, count * sizeof *scopes) : NULL;
    if (!scopes)
        return NULL;
    scopes[0] = s;
    for (uint32_t i = 0; i < count; i++) {
        if (i && !(scopes[i] = emit_scope(c, e, scopes[i - 1], args[i - 1], SCOPE_NULL)))
            return NULL;
        if (!(args[i] = argument(c, e, i, scopes[i])))
            return NULL;
    }
    if (!type_of_call(c, e, args, &type))
        return NULL;
    reg *right = unified(c, args[count - 1], type, scopes[count - 1]);
    for (uint32_t i = count - 1; i-- > 0 && right;)
        right = combine(c, e, scopes[i], kernel_coalesce, unified(c, args[i], type, scopes[i]), right, type);
    return right;
}

/* ---- in ---- */

static const table *literal_set(compiler *c, const expr *e)
{
    sdf_slice keys[EXPR_ARGS_MAX];
    resource *x = emit_take(c, sizeof *x);
    if (!x)
        return NULL;
    for (uint32_t i = 1; i < e->call.count; i++)
        keys[i - 1] = (sdf_slice){e->args[i]->text.data, e->args[i]->text.size};
    if (table_new_keys(&x->table, c->p->budget, keys, e->call.count - 1, c->err))
        return NULL;
    x->next = c->p->resources;
    c->p->resources = x;
    return x->table;
}

static reg *compile_in(compiler *c, const expr *e, scope *s)
{
    expr_type type, bools = expr_type_of_class(CLASS_BOOL);
    uint32_t count = e->call.count;
    reg **args = emit_take(c, count * sizeof *args), *found = NULL;
    bool texts = count > SET_LEAST, mixed = false;
    if (!args)
        return NULL;
    for (uint32_t i = 1; i < count; i++)
        texts &= e->args[i]->kind == EXPR_LIT_BYTES;
    args[0] = argument(c, e, 0, s);
    for (uint32_t i = 1; i < count && args[i - 1]; i++) {
        scope *rest = i == 1 || texts || mixed ? s : emit_scope(c, e, s, found, SCOPE_NOT_TRUE);
        args[i] = rest ? argument(c, e, i, rest) : NULL;
        if (!args[i] || texts || mixed)
            continue;
        reg *pair[2] = {args[0], args[i]};
        insn want = {.run = kernel_compare(OP_EQ, pair[0]->type.class, pair[1]->type.class),
                     .scope = rest,
                     .args = pair,
                     .count = 2,
                     .node = e};
        mixed = !want.run; /* they don't go together: the check will say so */
        if (mixed)
            continue;
        reg *equal = emit_value(c, want, bools);
        found = i == 1 ? equal : combine(c, e, s, kernel_or, found, equal, bools);
        if (!found)
            return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!args[i])
            return NULL;
    if (!type_of_call(c, e, args, &type))
        return NULL;
    if (!texts)
        return found;
    insn want = {.run = kernel_in_set, .scope = s, .args = args, .count = 1, .node = e, .aux = literal_set(c, e)};
    return want.aux ? emit_value(c, want, bools) : NULL;
}

/* ---- everything else ---- */

static const void *find_resource(compiler *c, const expr *e, const expr *literal)
{
    bool is_table = e->call.function->op == OP_LOOKUP;
    for (resource *x = c->p->resources; x; x = x->next)
        if (x->literal && (x->table != NULL) == is_table && x->literal->text.size == literal->text.size &&
            !memcmp(x->literal->text.data, literal->text.data, literal->text.size))
            return is_table ? (const void *)x->table : x->regex;
    resource *x = emit_take(c, sizeof *x);
    if (!x)
        return NULL;
    x->literal = literal;
    x->next = c->p->resources;
    c->p->resources = x;
    sdf_slice bytes = {NULL, 0};
    char quoted[EXPR_QUOTE_MAX + 4];
    int rc;
    if (!is_table)
        rc = regex_new(&x->regex, literal->text.data, literal->text.size, c->err);
    else if (!c->tables)
        rc = error_set(c->err, SDF_E_UNSUPPORTED, "%s: there are no broadcast values here", expr_quote(e, quoted));
    else if (!(rc = c->tables->get(c->tables->self, literal->text.data, &bytes, c->err)))
        rc = table_new_lines(&x->table, c->p->budget, &bytes, c->err);
    return rc ? NULL : is_table ? (const void *)x->table : x->regex;
}

/* The kernel of a call that needs all its arguments, and what it takes besides them. False: something is missing. */
static kernel choose(const expr *e, reg **args, expr_type type)
{
    expr_op op = e->call.function->op;
    switch (op) {
    case OP_EQ:
    case OP_NE:
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
        return kernel_compare(op, args[0]->type.class, args[1]->type.class);
    case OP_NOT:
        return kernel_not;
    case OP_I64:
        return kernel_convert(CLASS_I64, args[0]->type.class);
    case OP_F64:
        return kernel_convert(CLASS_F64, args[0]->type.class);
    case OP_BYTES:
        return kernel_convert(CLASS_BYTES, args[0]->type.class);
    case OP_MIN:
    case OP_MAX:
        return kernel_least(op, type.class);
    case OP_LOOKUP:
        return kernel_lookup;
    case OP_ITEM:
        return kernel_item;
    case OP_TUPLE:
        return kernel_tuple;
    case OP_OPTIONAL:
        return kernel_optional;
    case OP_IS_NULL:
        return kernel_is_null;
    default:
        return e->call.function->args[0] == 'n' ? kernel_arithmetic(op, type.class) : kernel_text(op);
    }
}

/* min and max of many, two by two. */
static reg *compile_least(compiler *c, const expr *e, scope *s, reg **args, expr_type type)
{
    reg *r = args[0];
    for (uint32_t i = 1; i < e->call.count && r; i++) {
        reg *pair[2] = {r, args[i]};
        insn want = {.run = choose(e, pair, type), .scope = s, .args = pair, .count = 2, .node = e};
        r = emit_value(c, want, type);
    }
    return r;
}

static reg *compile_strict(compiler *c, const expr *e, scope *s)
{
    expr_op op = e->call.function->op;
    expr_type type;
    reg **args = emit_take(c, (e->call.count + 1) * sizeof *args);
    if (!args)
        return NULL;
    for (uint32_t i = 0; i < e->call.count; i++)
        if (!(args[i] = argument(c, e, i, s)))
            return NULL;
    if (!type_of_call(c, e, args, &type))
        return NULL;
    if (e->call.function->result == 'u')
        for (uint32_t i = 0; i < e->call.count; i++)
            if (!(args[i] = unified(c, args[i], type, s)))
                return NULL;
    if (op == OP_MIN || op == OP_MAX)
        return compile_least(c, e, s, args, type);
    bool nullable = op == OP_IS_NULL || op == OP_TUPLE || op == OP_OPTIONAL;
    insn want = {
        .run = choose(e, args, type), .scope = s, .args = args, .count = e->call.count, .loose = nullable, .node = e};
    if (!want.run) /* there is nothing to do: bytes(x) of bytes, floor(x) of an i64 */
        return args[0];
    bool pattern = op == OP_MATCHES || op == OP_EXTRACT, lookup = op == OP_LOOKUP;
    if ((pattern || lookup) && !(want.aux = find_resource(c, e, e->args[lookup ? 0 : 1])))
        return NULL;
    if (pattern)
        want.count = 1;
    if (lookup) {
        want.args = &args[1];
        want.count = 1;
    }
    if (op == OP_ITEM) {
        want.number = (uint64_t)e->args[1]->i64;
        want.count = 1;
    }
    return emit_value(c, want, type);
}

static reg *compile_field(compiler *c, const expr *e)
{
    expr_program *p = c->p;
    expr_input in = bound_input(&p->bound);
    char quoted[EXPR_QUOTE_MAX + 4];
    if (!in.format) {
        error_set(c->err, SDF_E_TYPE, "%s: the records have no fields", expr_quote(e, quoted));
        return NULL;
    }
    for (size_t i = 0; i < p->field_count; i++) {
        const expr *f = p->fields[i]->node;
        if (p->rows_read ? f->text.column == e->text.column : !strcmp(f->text.data, e->text.data))
            return p->fields[i];
    }
    if (!p->rows_read && json_path_check(e->text.data, e->text.size, c->err))
        return NULL;
    reg *r = emit_reg(c, expr_type_of_class(CLASS_BYTES), e, ROWS);
    reg **fields = r ? emit_take(c, (p->field_count + 1) * sizeof *fields) : NULL;
    if (!fields)
        return NULL;
    /* Ascending columns, as row_fields wants them. */
    size_t i = p->field_count;
    for (; i && p->rows_read && p->fields[i - 1]->node->text.column > e->text.column; i--)
        fields[i] = p->fields[i - 1];
    fields[i] = r;
    if (i)
        memcpy(fields, p->fields, i * sizeof *fields);
    p->fields = fields;
    p->field_count++;
    return r;
}

static reg *compile_side(compiler *c, const expr *e, sdf_side side)
{
    expr_program *p = c->p;
    expr_input in = bound_input(&p->bound);
    expr_type type = expr_type_side(&in, e->call.function->op);
    if (!p->sides[side])
        p->sides[side] =
            type.class == CLASS_NULL ? emit_constant(c, e, CLASS_NULL, NULL, 0) : emit_reg(c, type, e, ROWS);
    return p->sides[side];
}

static reg *compile(compiler *c, const expr *e, scope *s)
{
    if (e->kind == EXPR_FIELD)
        return compile_field(c, e);
    if (e->kind != EXPR_CALL)
        return emit_literal(c, e);
    uint8_t truth = e->call.function->op == OP_TRUE;
    switch (e->call.function->op) {
    case OP_KEY:
        return compile_side(c, e, SDF_KEY);
    case OP_VALUE:
        return compile_side(c, e, SDF_VALUE);
    case OP_TRUE:
    case OP_FALSE:
        return emit_constant(c, e, CLASS_BOOL, &truth, 1);
    case OP_AND:
    case OP_OR:
        return compile_logic(c, e, s);
    case OP_IF:
        return compile_if(c, e, s);
    case OP_COALESCE:
        return compile_coalesce(c, e, s);
    case OP_IN:
        return compile_in(c, e, s);
    default:
        return compile_strict(c, e, s);
    }
}

/* ---- the whole ---- */

static int prepare_fields(compiler *c)
{
    expr_program *p = c->p;
    size_t n = p->field_count;
    if (!n)
        return SDF_OK;
    sdf_slice *paths = emit_take(c, n * sizeof *paths);
    uint32_t *columns = paths ? emit_take(c, n * sizeof *columns) : NULL;
    if (!columns || !(p->values = emit_take(c, n * sizeof *p->values)) ||
        !(p->row_states = emit_take(c, n * sizeof *p->row_states)) || !(p->json_states = emit_take(c, n)))
        return SDF_E_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const expr *f = p->fields[i]->node;
        columns[i] = f->text.column;
        paths[i] = (sdf_slice){f->text.data, f->text.size};
    }
    if (!p->rows_read)
        return json_paths_new(&p->json, &p->memory, paths, n, c->err);
    p->row_ops = row_ops_best();
    if (row_fields_new(&p->row_fields, &p->bound.format, columns, n, &p->memory))
        emit_no_memory(c);
    else
        p->at = emit_take(c, p->row_fields.delimiters * sizeof *p->at);
    return p->at ? SDF_OK : SDF_E_NO_MEMORY;
}

int program_compile(expr_program *p, const expr_tables *tables, sdf_error **err)
{
    compiler c = {p, tables, err};
    sdf_error *why = NULL;
    c.err = &why;
    p->last = &p->first;
    p->scratch = &p->memory;
    p->rows_read = p->bound.format.kind == PLAN_FORMAT_DELIMITED;
    p->root = emit_take(&c, sizeof *p->root);
    p->outputs = emit_take(&c, p->bound.count * sizeof *p->outputs);
    p->widened = emit_take(&c, p->bound.count * sizeof *p->widened);
    bool good = p->root && p->outputs && p->widened;
    for (size_t i = 0; i < p->bound.count && good; i++) {
        p->outputs[i] = compile(&c, p->bound.outputs[i], p->root);
        good = p->outputs[i] && (p->widened[i] = emit_take(&c, ROWS * (sizeof(sdf_slice) + 1)));
    }
    good = good && prepare_fields(&c) == SDF_OK;
    p->scratch = &p->text;
    return good ? SDF_OK : error_move(err, &why);
}
