/* Why a row could not be evaluated: looked for afterwards, so that the kernels need only mark it. */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "expr/kernel.h"

#define VALUE_SHOWN 40 /* bytes of a value that a message has */

typedef struct text {
    char *at;
    size_t left; /* with the NUL */
} text;

static void put(text *t, const char *s, size_t size)
{
    size_t n = size < t->left ? size : t->left - 1;
    memcpy(t->at, s, n);
    t->at += n;
    t->left -= n;
    *t->at = '\0';
}

static void put_text(text *t, const char *s)
{
    put(t, s, strlen(s));
}

/* On one line, with what is not text as "?". */
static void put_bytes(text *t, const sdf_slice *x)
{
    const char *p = x->data;
    size_t size = x->size < VALUE_SHOWN ? x->size : VALUE_SHOWN;
    while (size < x->size && size && (p[size] & 0xc0) == 0x80)
        size--;
    bool utf8 = buf_is_utf8(p, size);
    put_text(t, "\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)p[i];
        put(t, c < ' ' || c == 127 || (c > 127 && !utf8) ? "?" : &p[i], 1);
    }
    put_text(t, size < x->size ? "\"..." : "\"");
}

static void put_value(text *t, const reg *r, size_t i)
{
    char number[NUM_TEXT];
    operand a = {r->data, r->step * class_width(r->type.class)};
    switch (r->type.class) {
    case CLASS_I64:
        put(t, number, num_i64(number, i64_at(a, i)));
        break;
    case CLASS_F64:
        put(t, number, num_f64(number, f64_at(a, i)));
        break;
    case CLASS_BYTES:
        put_bytes(t, bytes_at(a, i));
        break;
    default:
        put_text(t, r->type.text);
    }
}

/* ---- finding ---- */

static bool in_scope(const scope *s, size_t row)
{
    return memchr(s->rows, (int)row, s->count) != NULL;
}

/* Was it worked out for this row, and is it bad there? */
static bool is_bad(const reg *r, size_t row)
{
    bool seen = r->constant || !r->def || in_scope(r->def->scope, row);
    return seen && reg_state(r, row) == EXPR_BAD;
}

/* The register where the trouble began. */
static const reg *origin(const reg *r, size_t row)
{
    for (;;) {
        const reg *from = NULL;
        for (uint32_t i = 0; r->def && i < r->def->count && !from; i++)
            if (is_bad(r->def->args[i], row))
                from = r->def->args[i];
        if (!from)
            return r;
        r = from;
    }
}

/* ---- saying ---- */

static void say_field(const expr_program *p, const reg *r, size_t row, text *t)
{
    sdf_slice value = column_get(&p->batch->value, row), field;
    char number[96];
    size_t at = 0;
    if (!p->rows_read) {
        const char *problem = json_explain(p->json, &value, (arena *)&p->text, &at);
        snprintf(number, sizeof number, "no JSON at byte %zu of the record: %s", at + 1, problem);
        put_text(t, number);
        return;
    }
    int64_t fields = row_split(&p->bound.format, &value, &field, 1);
    if (fields >= 0)
        snprintf(number, sizeof number, "the row has %lld field%s, this would be number %u", (long long)fields,
                 fields == 1 ? "" : "s", r->node->text.column + 1);
    else
        snprintf(number, sizeof number, "the row has a quote that does not end, or text behind one");
    put_text(t, number);
}

static void say_values(const insn *in, size_t row, text *t)
{
    for (uint32_t i = 0; i < in->count; i++) {
        put_text(t, i ? ", " : "");
        put_value(t, in->args[i], row);
    }
}

static void say_call(const insn *in, size_t row, text *t)
{
    const expr *e = in->node;
    bool encoded = in->run == kernel_decode || in->run == kernel_item;
    if (encoded) {
        put_text(t, "the bytes are not what the type says");
        return;
    }
    say_values(in, row, t);
    operand last = operand_of(in, in->count - 1);
    switch (e->kind == EXPR_CALL ? e->call.function->op : OP_VALUE) {
    case OP_I64:
        put_text(t, in->args[0]->type.class == CLASS_F64 ? " is out of the range of i64" : " is no i64");
        break;
    case OP_F64:
        put_text(t, " is no number");
        break;
    case OP_SUBSTR:
        put_text(t, ": substr counts from 1, and takes 0 bytes or more");
        break;
    case OP_YEAR:
    case OP_MONTH:
    case OP_DATE:
        put_text(t, " is no date YYYY-MM-DD, nor one with a time behind it");
        break;
    case OP_HOUR:
        put_text(t, " is no time YYYY-MM-DD HH:MM:SS");
        break;
    case OP_MATCHES:
    case OP_EXTRACT:
        put_text(t, " takes too many steps to be searched");
        break;
    case OP_DIV:
    case OP_MOD:
        put_text(t, i64_at(last, row) ? ": the result is out of the range of i64" : ": division by zero");
        break;
    default:
        put_text(t, ": the result is out of the range of i64");
    }
}

void expr_program_why(const expr_program *p, size_t row, char *message, size_t capacity)
{
    text t = {message, capacity};
    const reg *r = NULL;
    if (!capacity)
        return;
    *message = '\0';
    for (size_t i = 0; i < p->bound.count && !r; i++)
        if (is_bad(p->outputs[i], row))
            r = origin(p->outputs[i], row);
    if (!r) {
        put_text(&t, "nothing is wrong with this record");
        return;
    }
    char quoted[EXPR_QUOTE_MAX + 4];
    put_text(&t, expr_quote(r->node, quoted));
    put_text(&t, ": ");
    if (r->def)
        say_call(r->def, row, &t);
    else if (r->node->kind == EXPR_FIELD)
        say_field(p, r, row, &t);
    else
        put_text(&t, "this number has not 8 bytes");
}
