/* Binding: a tree with the names of its fields resolved, as bytes; and back. The types are not in the bytes: who
 * decodes them checks the trees again, so that bytes from anywhere can say nothing that the checks would not allow. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/wire.h"
#include "expr/bound.h"

enum { ROWS_NONE, ROWS_DELIMITED, ROWS_JSON };

#define NAME_MAX_BYTES 32 /* of functions */

/* ---- writing ---- */

static int put_tree(const expr *e, const expr_input *in, buf *out, sdf_error **err)
{
    uint32_t column = 0;
    int rc = e->kind == EXPR_FIELD ? expr_check_field(e, in, true, &column, err) : SDF_OK;
    if (rc)
        return rc;
    rc = wire_put_u8(out, (uint8_t)e->kind);
    if (e->kind == EXPR_LIT_I64)
        rc |= wire_put_u64(out, (uint64_t)e->i64);
    if (e->kind == EXPR_LIT_F64) {
        uint64_t bits;
        memcpy(&bits, &e->f64, 8);
        rc |= wire_put_u64(out, bits);
    }
    if (e->kind == EXPR_LIT_BYTES || e->kind == EXPR_FIELD)
        rc |= wire_put_bytes(out, e->text.data, e->text.size);
    if (e->kind == EXPR_FIELD)
        rc |= wire_put_varint(out, column);
    if (e->kind == EXPR_CALL)
        rc |= wire_put_text(out, e->call.function->name) | wire_put_varint(out, e->call.count);
    if (rc)
        return error_no_memory(err);
    if (e->kind == EXPR_CALL)
        for (uint32_t i = 0; i < e->call.count && !rc; i++)
            rc = put_tree(e->args[i], in, out, err);
    return rc;
}

static int put_input(const expr_input *in, buf *out)
{
    const plan_format *f = in->format;
    int rc = wire_put_u8(out, BOUND_VERSION);
    if (f && f->kind == PLAN_FORMAT_DELIMITED)
        rc |= wire_put_u8(out, ROWS_DELIMITED) | wire_put_u8(out, f->delimiter) | wire_put_u8(out, f->quote) |
              wire_put_u8(out, f->escape);
    else
        rc |= wire_put_u8(out, f && f->kind == PLAN_FORMAT_JSON ? ROWS_JSON : ROWS_NONE);
    return rc | wire_put_text(out, in->key_type ? in->key_type : SDF_BYTES) |
           wire_put_text(out, in->value_type ? in->value_type : SDF_BYTES);
}

int expr_bind(expr *const *e, size_t count, const expr_input *in, buf *out, sdf_error **err)
{
    size_t before = out->size, nodes = 0;
    int rc = SDF_OK;
    if (!count || count > BOUND_OUTPUTS_MAX)
        return error_set(err, SDF_E_INVALID, "%zu expressions to bind; 1 to %d go together", count, BOUND_OUTPUTS_MAX);
    for (size_t i = 0; i < count && !rc; i++) {
        const char *type;
        rc = expr_check(e[i], in, &type, err);
        nodes += rc ? 0 : e[i]->nodes;
    }
    if (nodes > BOUND_NODES_MAX)
        rc = error_set(err, SDF_E_LIMIT, "the expressions have %zu parts together; at most %d are allowed", nodes,
                       BOUND_NODES_MAX);
    if (!rc && (put_input(in, out) | wire_put_varint(out, count)))
        rc = error_no_memory(err);
    for (size_t i = 0; i < count && !rc; i++)
        rc = put_tree(e[i], in, out, err);
    if (!rc && out->size - before > PLAN_ARG_MAX)
        rc = error_set(err, SDF_E_LIMIT, "the expressions take %zu bytes in the plan; at most %u are allowed",
                       out->size - before, PLAN_ARG_MAX);
    if (rc)
        out->size = before;
    return rc;
}

/* ---- reading ---- */

/* NULL: the reader is bad. A node that could not be made is one with an error. */
static expr *take_tree(wire_reader *r, unsigned depth);

static expr *take_call(wire_reader *r, unsigned depth)
{
    sdf_slice name = wire_bytes(r, NAME_MAX_BYTES);
    uint64_t count = wire_varint(r);
    const expr_function *named, *f = NULL;
    if (!r->bad && count <= EXPR_ARGS_MAX && count <= wire_left(r))
        f = expr_function_find(name.data, name.size, (size_t)count, &named);
    expr **args = f ? calloc(count + 1, sizeof *args) : NULL;
    if (!args) {
        r->no_memory |= f != NULL;
        wire_refuse(r);
        return NULL;
    }
    expr *e = NULL;
    size_t n = 0;
    while (n < count && (args[n] = take_tree(r, depth + 1)))
        n++;
    if (n == count)
        e = expr_make_function(f, args, count);
    for (size_t i = 0; i < n; i++)
        expr_unref(args[i]);
    free(args);
    return e;
}

static expr *take_node(wire_reader *r, unsigned depth)
{
    uint64_t bits;
    double d;
    sdf_slice s;
    switch (wire_u8(r)) {
    case EXPR_LIT_NULL:
        return expr_make_null();
    case EXPR_LIT_I64:
        return expr_make_i64((int64_t)wire_u64(r));
    case EXPR_LIT_F64:
        bits = wire_u64(r);
        memcpy(&d, &bits, 8);
        return expr_make_f64(d);
    case EXPR_LIT_BYTES:
        s = wire_bytes(r, EXPR_TEXT_MAX);
        return expr_make_bytes(s.data, s.size);
    case EXPR_FIELD:
        s = wire_bytes(r, EXPR_TEXT_MAX);
        bits = wire_varint(r);
        if (r->bad || bits >= EXPR_COLUMNS_MAX)
            break;
        return expr_make_bound_field(s.data, s.size, (uint32_t)bits);
    case EXPR_CALL:
        return take_call(r, depth);
    default:
        break;
    }
    wire_refuse(r);
    return NULL;
}

static expr *take_tree(wire_reader *r, unsigned depth)
{
    if (depth > EXPR_DEPTH_MAX) {
        wire_refuse(r);
        return NULL;
    }
    expr *e = take_node(r, depth);
    if (!e && !r->bad)
        r->no_memory = true;
    if (!e || r->bad || e->kind == EXPR_ERROR) {
        r->no_memory |= e && sdf_error_code(expr_error(e)) == SDF_E_NO_MEMORY;
        expr_unref(e);
        wire_refuse(r);
        return NULL;
    }
    return e;
}

static int take_type(wire_reader *r, char **type, sdf_error **err)
{
    char *canonical, *text = wire_text(r, TYPE_TEXT_MAX);
    if (!text)
        return r->no_memory ? error_no_memory(err) : SDF_E_CORRUPT;
    sdf_error *why = NULL;
    int rc = type_parse(text, &canonical, &why);
    sdf_error_free(why);
    if (!rc)
        *type = canonical;
    free(text);
    return rc == SDF_E_NO_MEMORY ? error_no_memory(err) : rc ? SDF_E_CORRUPT : SDF_OK;
}

static int take_input(wire_reader *r, bound *b, sdf_error **err)
{
    int rc;
    switch (wire_u8(r)) {
    case ROWS_NONE:
        b->format.kind = PLAN_FORMAT_TEXT;
        break;
    case ROWS_JSON:
        b->format.kind = PLAN_FORMAT_JSON;
        break;
    case ROWS_DELIMITED:
        b->format.kind = PLAN_FORMAT_DELIMITED;
        b->format.delimiter = wire_u8(r);
        b->format.quote = wire_u8(r);
        b->format.escape = wire_u8(r);
        break;
    default:
        return SDF_E_CORRUPT;
    }
    rc = take_type(r, &b->key_type, err);
    return rc ? rc : take_type(r, &b->value_type, err);
}

static int take_outputs(wire_reader *r, bound *b, sdf_error **err)
{
    uint64_t count = wire_varint(r);
    if (r->bad || !count || count > BOUND_OUTPUTS_MAX)
        return SDF_E_CORRUPT;
    b->outputs = calloc(count, sizeof *b->outputs);
    if (!b->outputs)
        return error_no_memory(err);
    size_t nodes = 0;
    while (b->count < count && nodes <= BOUND_NODES_MAX && (b->outputs[b->count] = take_tree(r, 1)))
        nodes += b->outputs[b->count++]->nodes;
    if (nodes > BOUND_NODES_MAX)
        wire_refuse(r);
    if (r->no_memory)
        return error_no_memory(err);
    return r->bad || wire_left(r) ? SDF_E_CORRUPT : SDF_OK;
}

int bound_decode(const sdf_slice *bytes, bound *b, sdf_error **err)
{
    wire_reader r = wire_read(bytes->data, bytes->size);
    memset(b, 0, sizeof *b);
    uint8_t version = wire_u8(&r);
    if (!r.bad && version != BOUND_VERSION)
        return error_set(err, SDF_E_VERSION, "bound expressions of version %u; this library reads version %d", version,
                         BOUND_VERSION);
    int rc = bytes->size > PLAN_ARG_MAX ? SDF_E_CORRUPT : take_input(&r, b, err);
    rc = rc ? rc : take_outputs(&r, b, err);
    if (rc == SDF_E_CORRUPT)
        error_set(err, rc, "the bound expressions are damaged at byte %zu of %zu",
                  (size_t)(r.at - (const uint8_t *)bytes->data), bytes->size);
    if (rc)
        bound_release(b);
    return rc;
}

void bound_release(bound *b)
{
    for (size_t i = 0; i < b->count; i++)
        expr_unref(b->outputs[i]);
    free(b->outputs);
    free(b->key_type);
    free(b->value_type);
    memset(b, 0, sizeof *b);
}

expr_input bound_input(const bound *b)
{
    return (expr_input){.key_type = b->key_type,
                        .value_type = b->value_type,
                        .format = b->format.kind == PLAN_FORMAT_TEXT ? NULL : &b->format,
                        .columns = NULL};
}
