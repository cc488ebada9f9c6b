/* An expression as text that parses to the same tree. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "expr/tree.h"

static bool is_name_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c >= 0x80;
}

static int print_field(const char *name, size_t size, buf *out)
{
    size_t i = 0;
    while (i < size && is_name_char((unsigned char)name[i]))
        i++;
    int rc = buf_text(out, i == size ? "$" : "${");
    if (i == size)
        return rc ? rc : buf_append(out, name, size);
    for (i = 0; i < size && !rc; i++) {
        rc = buf_append(out, name + i, 1);
        if (!rc && name[i] == '}')
            rc = buf_text(out, "}");
    }
    return rc ? rc : buf_text(out, "}");
}

/* As text where it is some, else in hexadecimal digits. */
static int print_bytes(const char *data, size_t size, buf *out)
{
    bool plain = buf_is_utf8(data, size);
    for (size_t i = 0; i < size && plain; i++)
        plain = (unsigned char)data[i] >= ' ' || data[i] == '\t' || data[i] == '\n';
    int rc = buf_text(out, plain ? "'" : "x'");
    for (size_t i = 0; i < size && !rc; i++) {
        if (!plain)
            rc = buf_printf(out, "%02x", (unsigned char)data[i]);
        else
            rc = buf_append(out, data[i] == '\'' ? "''" : data + i, data[i] == '\'' ? 2 : 1);
    }
    return rc ? rc : buf_text(out, "'");
}

static int print_f64(double v, buf *out)
{
    char text[NUM_TEXT];
    size_t size = num_f64(text, v);
    int rc = buf_append(out, text, size);
    if (!rc && isfinite(v) && strspn(text, "-0123456789") == size)
        rc = buf_text(out, ".0");
    return rc;
}

/* How close the top of it binds; what is no operator binds closest. */
static unsigned rank_of(const expr *e)
{
    bool negative = (e->kind == EXPR_LIT_I64 && e->i64 < 0) || (e->kind == EXPR_LIT_F64 && signbit(e->f64));
    if (negative && !(e->kind == EXPR_LIT_F64 && isnan(e->f64)))
        return 7;
    return e->kind == EXPR_CALL && e->call.function->rank ? e->call.function->rank : 100;
}

static int print_within(const expr *e, bool parens, buf *out)
{
    int rc = parens ? buf_text(out, "(") : SDF_OK;
    rc = rc ? rc : expr_print(e, out);
    return rc || !parens ? rc : buf_text(out, ")");
}

static int print_operator(const expr *e, buf *out)
{
    const expr_function *f = e->call.function;
    int rc = SDF_OK;
    if (f->form == FORM_PREFIX) {
        const expr *a = e->args[0];
        /* A number behind a minus sign would become a negative literal. */
        bool parens = rank_of(a) < f->rank || (f->op == OP_NEG && a->kind != EXPR_CALL && a->kind != EXPR_FIELD);
        rc = buf_text(out, f->op == OP_NOT ? "not " : "-");
        return rc ? rc : print_within(a, parens || (f->op == OP_NEG && rank_of(a) == f->rank), out);
    }
    for (uint32_t i = 0; i < e->call.count && !rc; i++) {
        unsigned rank = rank_of(e->args[i]);
        /* "and" and "or" take all they see at their level, comparisons don't chain, the rest leans to the left. */
        bool chains = f->rank > 4 && i == 0;
        if (i)
            rc = buf_printf(out, " %s ", f->name);
        rc = rc ? rc : print_within(e->args[i], rank < f->rank || (rank == f->rank && !chains), out);
    }
    return rc;
}

static int print_call(const expr *e, buf *out)
{
    const expr_function *f = e->call.function;
    int rc = buf_text(out, f->name);
    if (f->form == FORM_NAME)
        return rc;
    for (uint32_t i = 0; i < e->call.count && !rc; i++) {
        rc = buf_text(out, i ? ", " : "(");
        rc = rc ? rc : expr_print(e->args[i], out);
    }
    return rc ? rc : buf_text(out, ")");
}

int expr_print(const expr *e, buf *out)
{
    switch (e->kind) {
    case EXPR_LIT_NULL:
        return buf_text(out, "null");
    case EXPR_LIT_I64:
        return buf_printf(out, "%lld", (long long)e->i64);
    case EXPR_LIT_F64:
        return print_f64(e->f64, out);
    case EXPR_LIT_BYTES:
        return print_bytes(e->text.data, e->text.size, out);
    case EXPR_FIELD:
        return print_field(e->text.data, e->text.size, out);
    case EXPR_CALL:
        return e->call.function->rank ? print_operator(e, out) : print_call(e, out);
    default:
        return SDF_E_INVALID;
    }
}

char *expr_text(const expr *e)
{
    buf out = BUF_EMPTY;
    if (!e || expr_print(e, &out)) {
        buf_free(&out);
        return NULL;
    }
    return buf_take_text(&out);
}

const char *expr_quote(const expr *e, char text[EXPR_QUOTE_MAX + 4])
{
    buf out = BUF_EMPTY;
    if (expr_print(e, &out)) {
        buf_free(&out);
        return strcpy(text, "?");
    }
    size_t size = out.size;
    if (size > EXPR_QUOTE_MAX) {
        size = EXPR_QUOTE_MAX;
        while (size && (out.data[size] & 0xc0) == 0x80) /* not within a character */
            size--;
    }
    memcpy(text, out.data, size);
    strcpy(text + size, size < out.size ? "..." : "");
    buf_free(&out);
    return text;
}
