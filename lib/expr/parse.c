/* The text form of expressions: precedence climbing over the tokens of lexer.c. docs/expressions.md has the grammar. A
 * mistake becomes the tree's error, with the place in characters and what stands there. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "expr/lexer.h"

#define LEVELS_MAX                                                                                                     \
    (4 * EXPR_DEPTH_MAX) /* of the parser: the text of the deepest tree needs two for each of its levels */

typedef struct parser {
    const char *text, *at;
    token token;
    unsigned level; /* of nested parentheses and prefixes */
} parser;

typedef struct expr_list {
    expr **items;
    size_t count, room;
} expr_list;

static expr *parse_rank(parser *p, unsigned rank);

/* ---- errors ---- */

static size_t characters(const char *from, const char *to)
{
    size_t n = 0;
    for (; from < to; from++)
        n += (*from & 0xc0) != 0x80;
    return n;
}

static expr *mistake(const parser *p, const char *where, const char *problem, const char *hint)
{
    sdf_error *err = NULL;
    size_t shown = strcspn(where, "\n");
    const char *cut = "";
    if (shown > 24) {
        cut = "...";
        for (shown = 24; shown && (where[shown] & 0xc0) == 0x80;)
            shown--;
    }
    size_t at = characters(p->text, where) + 1;
    if (*where)
        error_set(&err, SDF_E_INVALID, "the expression is wrong at character %zu, \"%.*s%s\": %s", at, (int)shown,
                  where, cut, problem);
    else
        error_set(&err, SDF_E_INVALID, "the expression is wrong at its end, character %zu: %s", at, problem);
    if (hint)
        error_hint(&err, "%s", hint);
    return expr_make_error(err);
}

static bool failed(const expr *e)
{
    return e->kind == EXPR_ERROR;
}

static expr *no_memory(void)
{
    sdf_error *err = NULL;
    error_no_memory(&err);
    return expr_make_error(err);
}

/* A node, or the error that there was no memory for it: from here on no tree is NULL. */
static expr *made(expr *e)
{
    return e ? e : no_memory();
}

/* The error of a node that could not be made, with the place in front. */
static expr *placed(const parser *p, const char *where, expr *e)
{
    if (!e)
        return no_memory();
    if (!failed(e) || sdf_error_code(e->error) == SDF_E_NO_MEMORY)
        return e;
    error_prefix(&e->error, "the expression is wrong at character %zu", characters(p->text, where) + 1);
    return e;
}

/* ---- tokens ---- */

/* Goes on to the next token. NULL: done; else the error. */
static expr *advance(parser *p)
{
    if (lexer_next(&p->at, &p->token))
        return no_memory();
    return p->token.kind == TOKEN_BAD ? mistake(p, p->token.start, p->token.problem, p->token.hint) : NULL;
}

static bool is_sign(const parser *p, char c)
{
    return p->token.kind == TOKEN_SIGN && p->token.size == 1 && *p->token.start == c;
}

static bool is_word(const parser *p, const char *word)
{
    return p->token.kind == TOKEN_NAME && p->token.size == strlen(word) && !memcmp(p->token.start, word, p->token.size);
}

/* Frees e and gives the error. */
static expr *instead(expr *e, expr *error)
{
    expr_unref(e);
    return error;
}

/* Made of the current token; goes on to the next. */
static expr *finish(parser *p, expr *e)
{
    expr *wrong = failed(e) ? NULL : advance(p);
    return wrong ? instead(e, wrong) : e;
}

/* ---- lists of arguments ---- */

static void list_free(expr_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        expr_unref(l->items[i]);
    free(l->items);
}

/* Takes e over. NULL: done; else the error. */
static expr *list_add(const parser *p, expr_list *l, const char *where, expr *e)
{
    if (l->count == EXPR_ARGS_MAX)
        return instead(e, mistake(p, where, "too many arguments", "at most 1024"));
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 4;
        expr **items = realloc(l->items, room * sizeof *items);
        if (!items)
            return instead(e, no_memory());
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = e;
    return NULL;
}

static expr *list_call(const parser *p, expr_list *l, const char *where, const char *name, size_t size)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%.*s", (int)(size < 63 ? size : 63), name);
    expr *e = placed(p, where, expr_make_call(copy, l->items, l->count));
    list_free(l);
    return e;
}

/* ---- primaries ---- */

static expr *parse_number(parser *p, bool negative)
{
    const token *t = &p->token;
    char text[512];
    if (t->size + 2 > sizeof text)
        return mistake(p, t->start, "a number of too many digits", NULL);
    snprintf(text, sizeof text, "%s%.*s", negative ? "-" : "", (int)t->size, t->start);
    int64_t i;
    double d;
    if (t->is_f64)
        return finish(p, num_parse_f64(text, strlen(text), &d) ? made(expr_make_f64(d))
                                                               : mistake(p, t->start, "this is no number", NULL));
    if (!num_parse_i64(text, strlen(text), &i))
        return mistake(p, t->start, "the number is out of the range of i64",
                       "write it as an f64, with a point: 1.0e20");
    return finish(p, made(expr_make_i64(i)));
}

/* Reads one argument and what stands behind it, which is a ')' or leads to another argument. NULL: done. */
static expr *parse_argument(parser *p, expr_list *list)
{
    const char *where = p->token.start;
    expr *e = parse_rank(p, 1);
    expr *wrong = failed(e) ? e : list_add(p, list, where, e);
    if (wrong || is_sign(p, ')'))
        return wrong;
    if (!is_sign(p, ','))
        return mistake(p, p->token.start, "',' or ')' expected", NULL);
    wrong = advance(p);
    if (!wrong && is_sign(p, ')'))
        wrong = mistake(p, p->token.start, "an argument must follow the comma", NULL);
    return wrong;
}

static expr *parse_arguments(parser *p, const char *name, size_t size)
{
    expr_list list = {NULL, 0, 0};
    expr *wrong = advance(p); /* the parenthesis */
    while (!wrong && !is_sign(p, ')'))
        wrong = parse_argument(p, &list);
    wrong = wrong ? wrong : advance(p);
    if (wrong) {
        list_free(&list);
        return wrong;
    }
    return list_call(p, &list, name, name, size);
}

static expr *parse_name(parser *p)
{
    const char *name = p->token.start;
    size_t size = p->token.size;
    if (is_word(p, "null"))
        return finish(p, made(expr_make_null()));
    if (is_word(p, "inf") || is_word(p, "nan"))
        return finish(p, made(expr_make_f64(is_word(p, "inf") ? INFINITY : NAN)));
    const expr_function *named, *f = expr_function_find(name, size, 0, &named);
    if (f && f->form == FORM_NAME)
        return finish(p, made(expr_make_function(f, NULL, 0)));
    if (named && named->form != FORM_CALL)
        return mistake(p, name, "an operator without anything before it", NULL);
    expr *wrong = advance(p);
    if (wrong)
        return wrong;
    if (is_sign(p, '('))
        return parse_arguments(p, name, size);
    if (named)
        return mistake(p, name, "arguments must follow the name of a function", NULL);
    wrong = mistake(p, name, "no such word", NULL);
    const char *near = expr_function_near(name, size);
    int shown = (int)(size < 64 ? size : 64);
    if (near)
        error_hint(&wrong->error, "a column is written $%.*s; or did you mean \"%s\"?", shown, name, near);
    else
        error_hint(&wrong->error, "a column is written $%.*s", shown, name);
    return wrong;
}

static expr *parse_parens(parser *p)
{
    expr *wrong = advance(p);
    expr *e = wrong ? wrong : parse_rank(p, 1);
    if (failed(e))
        return e;
    if (!is_sign(p, ')'))
        return instead(e, mistake(p, p->token.start, "')' expected", NULL));
    return finish(p, e);
}

static expr *parse_primary(parser *p)
{
    token *t = &p->token;
    switch (t->kind) {
    case TOKEN_NUMBER:
        return parse_number(p, false);
    case TOKEN_BYTES:
        return finish(p, placed(p, t->start, expr_make_bytes(t->text.data, t->text.size)));
    case TOKEN_FIELD:
        return finish(p, placed(p, t->start, expr_make_bound_field((char *)t->text.data, t->text.size, 0)));
    case TOKEN_NAME:
        return parse_name(p);
    default:
        if (is_sign(p, '('))
            return parse_parens(p);
        return mistake(p, t->start, "a value is expected here", NULL);
    }
}

/* ---- operators ---- */

static expr *parse_prefix(parser *p)
{
    bool minus = is_sign(p, '-');
    const char *where = p->token.start;
    expr_list list = {NULL, 0, 0};
    expr *wrong = advance(p);
    if (wrong)
        return wrong;
    if (minus && p->token.kind == TOKEN_NUMBER)
        return parse_number(p, true);
    if (minus && is_word(p, "inf"))
        return finish(p, made(expr_make_f64(-INFINITY)));
    expr *e = parse_rank(p, minus ? 7 : 3);
    if (failed(e))
        return e;
    wrong = list_add(p, &list, where, e);
    if (wrong) {
        list_free(&list);
        return wrong;
    }
    return list_call(p, &list, where, minus ? "-" : "not", minus ? 1 : 3);
}

/* The binary operator that the current token is, if it binds at least as close as `rank`. */
static const expr_function *infix(const parser *p, unsigned rank)
{
    const expr_function *named, *f = NULL;
    if (p->token.kind == TOKEN_SIGN || p->token.kind == TOKEN_NAME)
        f = expr_function_find(p->token.start, p->token.size, 2, &named);
    return f && f->form == FORM_INFIX && f->rank >= rank ? f : NULL;
}

/* `left` and what follows it at this operator's rank: all of a chain of "and" or "or", else one operand. Takes left. */
static expr *parse_infix(parser *p, const expr_function *f, expr *left)
{
    const char *where = p->token.start;
    expr_list list = {NULL, 0, 0};
    expr *wrong = list_add(p, &list, where, left);
    do {
        wrong = wrong ? wrong : advance(p);
        if (wrong)
            break;
        expr *right = parse_rank(p, f->rank + 1u);
        wrong = failed(right) ? right : list_add(p, &list, where, right);
    } while (!wrong && f->most > 2 && infix(p, f->rank) == f);
    if (!wrong && f->rank == 4 && infix(p, 4) && infix(p, 4)->rank == 4)
        wrong = mistake(p, p->token.start, "comparisons don't chain", "write: a < b and b < c");
    if (wrong) {
        list_free(&list);
        return wrong;
    }
    return list_call(p, &list, where, f->name, strlen(f->name));
}

static expr *parse_rank(parser *p, unsigned rank)
{
    if (p->level == LEVELS_MAX)
        return mistake(p, p->token.start, "too many levels of parentheses and arguments", NULL);
    p->level++;
    bool prefix = is_sign(p, '-') || (is_word(p, "not") && rank <= 3);
    expr *e = prefix ? parse_prefix(p) : parse_primary(p);
    for (const expr_function *f; !failed(e) && (f = infix(p, rank));)
        e = parse_infix(p, f, e);
    p->level--;
    return e;
}

expr *expr_parse(const char *text)
{
    parser p = {.text = text ? text : "", .at = text ? text : ""};
    if (strlen(p.text) > EXPR_TEXT_MAX) {
        sdf_error *err = NULL;
        error_set(&err, SDF_E_LIMIT, "the text of an expression has %zu bytes; at most %u are allowed", strlen(p.text),
                  EXPR_TEXT_MAX);
        return expr_make_error(err);
    }
    expr *wrong = advance(&p);
    expr *e = wrong ? wrong : parse_rank(&p, 1);
    if (!failed(e) && p.token.kind != TOKEN_END)
        e = instead(e, mistake(&p, p.token.start, "an operator is expected here", NULL));
    buf_free(&p.token.text);
    return e;
}
