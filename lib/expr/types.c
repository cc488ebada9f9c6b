/* What types the functions take and give. A function's table entry says it in letters; the last one goes for all
 * further arguments: b bytes   i i64   n a number   s bytes or a number   c a condition (bool)   x anything e,v things
 * that can be compared with one another; v without bool   t what a tuple can hold   T a tuple r,l,m literals: a
 * pattern, a name, a number from 1 on and of results: b i c as above, f f64, u what the arguments have in common, T a
 * tuple, O an optional, I an item of a tuple, k a side of the record. null goes everywhere. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/regex.h"
#include "expr/tree.h"
#include "spec/type.h"

void expr_type_pool_free(expr_type_pool *pool)
{
    for (expr_type_text *next; pool->texts; pool->texts = next) {
        next = pool->texts->next;
        free(pool->texts);
    }
}

static const char *pool_add(expr_type_pool *pool, const char *text, size_t size)
{
    expr_type_text *t = malloc(sizeof *t + size + 1);
    if (!t)
        return NULL;
    memcpy(t->text, text, size);
    t->text[size] = '\0';
    t->next = pool->texts;
    pool->texts = t;
    return t->text;
}

expr_type expr_type_of_class(expr_class class)
{
    static const char *const texts[] = {SDF_NULL, "bool", SDF_I64, SDF_F64, SDF_BYTES, SDF_ANY};
    return (expr_type){class, texts[class]};
}

expr_type expr_type_from(const char *canonical)
{
    switch (type_of(canonical)) {
    case TYPE_BYTES:
        return expr_type_of_class(CLASS_BYTES);
    case TYPE_I64:
        return expr_type_of_class(CLASS_I64);
    case TYPE_F64:
        return expr_type_of_class(CLASS_F64);
    case TYPE_NULL:
        return expr_type_of_class(CLASS_NULL);
    default:
        return (expr_type){CLASS_ENCODED, canonical};
    }
}

#define OPTIONAL      "optional("
#define OPTIONAL_SIZE (sizeof OPTIONAL - 1)

/* Is it optional(inner)? */
static bool is_optional_of(const char *text, const char *inner)
{
    size_t n = strlen(inner);
    return !strncmp(text, OPTIONAL, OPTIONAL_SIZE) && !strncmp(text + OPTIONAL_SIZE, inner, n) &&
           !strcmp(text + OPTIONAL_SIZE + n, ")");
}

expr_type expr_type_scalar(expr_type t)
{
    static const expr_class scalars[] = {CLASS_BYTES, CLASS_I64, CLASS_F64, CLASS_NULL};
    if (t.class == CLASS_ENCODED)
        for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
            if (is_optional_of(t.text, expr_type_of_class(scalars[i]).text))
                return expr_type_of_class(scalars[i]);
    return t;
}

bool expr_type_unify(expr_type a, expr_type b, expr_type *both)
{
    bool numbers = (a.class == CLASS_I64 || a.class == CLASS_F64) && (b.class == CLASS_I64 || b.class == CLASS_F64);
    *both = a.class == CLASS_NULL ? b : a;
    if (a.class == CLASS_NULL || b.class == CLASS_NULL)
        return true;
    if (numbers && a.class != b.class)
        *both = expr_type_of_class(CLASS_F64);
    return numbers || (a.class == b.class && (a.class != CLASS_ENCODED || !strcmp(a.text, b.text)));
}

expr_type expr_type_side(const expr_input *in, expr_op side)
{
    return expr_type_from(side == OP_KEY ? in->key_type : in->value_type);
}

/* ---- arguments ---- */

static int refuse(const expr *e, size_t i, expr_type is, const char *wanted, sdf_error **err)
{
    char whole[EXPR_QUOTE_MAX + 4], part[EXPR_QUOTE_MAX + 4];
    error_set(err, SDF_E_TYPE, "%s: %s is %s, not %s", expr_quote(e, whole), expr_quote(e->args[i], part), is.text,
              wanted);
    if (is.class == CLASS_BYTES && !strcmp(wanted, "a number"))
        error_hint(err, "text becomes a number by i64(x) or f64(x)");
    else if (!strcmp(wanted, "bytes") && (is.class == CLASS_I64 || is.class == CLASS_F64))
        error_hint(err, "a number becomes text by bytes(x)");
    else if (is.class == CLASS_BOOL)
        error_hint(err, "a condition becomes a value by if(condition, 1, 0)");
    else if (!strcmp(wanted, "a condition"))
        error_hint(err, "compare it with something: x != 0, x = 'yes'");
    else if (is.class == CLASS_ENCODED && type_of(is.text) == TYPE_TUPLE)
        error_hint(err, "take a part of it: item(x, 1)");
    return SDF_E_TYPE;
}

static int check_literal(const expr *e, size_t i, char letter, sdf_error **err)
{
    const expr *a = e->args[i];
    char whole[EXPR_QUOTE_MAX + 4];
    if (letter == 'm' && (a->kind != EXPR_LIT_I64 || a->i64 < 1))
        return error_set(err, SDF_E_TYPE, "%s: the second argument must be a number that stands there, from 1 on",
                         expr_quote(e, whole));
    if (letter == 'm')
        return SDF_OK;
    if (a->kind != EXPR_LIT_BYTES)
        return error_set(err, SDF_E_TYPE, "%s: %s must be text that stands there, such as 'this'", expr_quote(e, whole),
                         letter == 'r' ? "the pattern" : "the name of the broadcast");
    if (letter == 'l' && (!a->text.size || memchr(a->text.data, 0, a->text.size)))
        return error_set(err, SDF_E_INVALID, "%s: this can't be the name of a broadcast", expr_quote(e, whole));
    return letter == 'r' ? regex_check(e, a->text.data, a->text.size, err) : SDF_OK;
}

static int check_argument(const expr *e, size_t i, char letter, expr_type is, sdf_error **err)
{
    expr_class c = is.class;
    bool number = c == CLASS_I64 || c == CLASS_F64;
    switch (letter) {
    case 'b':
        return c == CLASS_BYTES || c == CLASS_NULL ? SDF_OK : refuse(e, i, is, "bytes", err);
    case 'i':
        return c == CLASS_I64 || c == CLASS_NULL ? SDF_OK : refuse(e, i, is, "i64", err);
    case 'n':
        return number || c == CLASS_NULL ? SDF_OK : refuse(e, i, is, "a number", err);
    case 's':
        return number || c == CLASS_BYTES || c == CLASS_NULL ? SDF_OK : refuse(e, i, is, "bytes or a number", err);
    case 'c':
        return c == CLASS_BOOL || c == CLASS_NULL ? SDF_OK : refuse(e, i, is, "a condition", err);
    case 'v':
    case 't':
        return c != CLASS_BOOL ? SDF_OK : refuse(e, i, is, "a value that a record can hold", err);
    case 'T': {
        const char *text = is.text;
        while (c == CLASS_ENCODED && !strncmp(text, OPTIONAL, OPTIONAL_SIZE))
            text += OPTIONAL_SIZE;
        return c == CLASS_NULL || !strncmp(text, "tuple(", 6) ? SDF_OK : refuse(e, i, is, "a tuple", err);
    }
    case 'r':
    case 'l':
    case 'm':
        return check_literal(e, i, letter, err);
    default:
        return SDF_OK;
    }
}

/* ---- results ---- */

static int result_common(const expr *e, const expr_type *args, expr_type *result, sdf_error **err)
{
    uint32_t first = e->call.function->op == OP_IF ? 1 : 0;
    *result = expr_type_of_class(CLASS_NULL);
    for (uint32_t i = first; i < e->call.count; i++) {
        char whole[EXPR_QUOTE_MAX + 4], part[EXPR_QUOTE_MAX + 4];
        expr_type before = *result;
        if (expr_type_unify(before, args[i], result))
            continue;
        error_set(err, SDF_E_TYPE, "%s: %s is %s, which does not go with %s", expr_quote(e, whole),
                  expr_quote(e->args[i], part), args[i].text, before.text);
        bool texts = before.class == CLASS_BYTES || args[i].class == CLASS_BYTES;
        error_hint(err, texts ? "text becomes a number by i64(x) or f64(x), a number text by bytes(x)"
                              : "values that stand for one another must be of one type");
        return SDF_E_TYPE;
    }
    return SDF_OK;
}

static int result_built(const expr *e, const expr_type *args, const char *head, expr_type_pool *pool, expr_type *result,
                        sdf_error **err)
{
    buf text = BUF_EMPTY;
    char *canonical = NULL;
    int rc = buf_printf(&text, "%s(", head);
    for (uint32_t i = 0; i < e->call.count && !rc; i++)
        rc = buf_printf(&text, "%s%s", i ? "," : "", args[i].text);
    rc = rc ? rc : buf_append(&text, ")", 2);
    if (rc) {
        rc = error_no_memory(err);
    } else if ((rc = type_parse((char *)text.data, &canonical, err)) == SDF_OK) {
        *result = (expr_type){CLASS_ENCODED, pool_add(pool, canonical, strlen(canonical))};
        rc = result->text ? SDF_OK : error_no_memory(err);
    }
    free(canonical);
    buf_free(&text);
    return rc;
}

/* The item of that number of a canonical "tuple(...)", perhaps within "optional(...)". */
static int result_item(const expr *e, expr_type tuple, expr_type_pool *pool, expr_type *result, sdf_error **err)
{
    int64_t wanted = e->args[1]->i64, item = 1;
    char whole[EXPR_QUOTE_MAX + 4], part[TYPE_TEXT_MAX + 1];
    *result = expr_type_of_class(CLASS_NULL);
    if (tuple.class == CLASS_NULL)
        return SDF_OK;
    const char *at = strstr(tuple.text, "tuple(") + 6, *start = at;
    for (int depth = 1; depth; at++) {
        depth += (*at == '(') - (*at == ')');
        if (depth > 1 || (depth == 1 && *at != ','))
            continue;
        if (item++ == wanted) {
            size_t size = (size_t)(at - start);
            memcpy(part, start, size);
            part[size] = '\0';
            *result = expr_type_from(part);
            if (result->text == part && !(result->text = pool_add(pool, part, size)))
                return error_no_memory(err);
            return SDF_OK;
        }
        start = at + 1;
    }
    return error_set(err, SDF_E_TYPE, "%s: %s has only %lld items", expr_quote(e, whole), tuple.text,
                     (long long)item - 1);
}

int expr_type_call(const expr *e, const expr_type *args, expr_type_pool *pool, expr_type *result, sdf_error **err)
{
    const expr_function *f = e->call.function;
    const char *letters = f->args;
    expr_type scalars[EXPR_ARGS_MAX], both;
    for (uint32_t i = 0; i < e->call.count; i++) {
        char letter = *letters;
        scalars[i] = letter == 't' || letter == 'T' ? args[i] : expr_type_scalar(args[i]);
        int rc = check_argument(e, i, letter, scalars[i], err);
        if (rc)
            return rc;
        letters += letters[1] != '\0';
    }
    switch (f->result) {
    case 'b':
        *result = expr_type_of_class(CLASS_BYTES);
        return SDF_OK;
    case 'i':
        *result = expr_type_of_class(CLASS_I64);
        return SDF_OK;
    case 'f':
        *result = expr_type_of_class(CLASS_F64);
        return SDF_OK;
    case 'T':
        return result_built(e, scalars, "tuple", pool, result, err);
    case 'O':
        *result = scalars[0];
        if (scalars[0].class == CLASS_ENCODED && type_of(scalars[0].text) != TYPE_TUPLE)
            return SDF_OK; /* it can be null already */
        return result_built(e, scalars, "optional", pool, result, err);
    case 'I':
        return result_item(e, scalars[0], pool, result, err);
    case 'u':
        return result_common(e, scalars, result, err);
    default:
        *result = expr_type_of_class(CLASS_BOOL);
        return letters[0] == 'e' ? result_common(e, scalars, &both, err) : SDF_OK;
    }
}
