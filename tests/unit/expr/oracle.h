/* What expressions mean, told again: an evaluator that walks the tree for one row at a time. */
#ifndef TESTS_EXPR_ORACLE_H
#define TESTS_EXPR_ORACLE_H

#include "exprs.h"

#include <errno.h>
#include <math.h>

#include "base/num.h"
#include "expr/tree.h"

typedef enum oracle_type { O_BOOL, O_I64, O_F64, O_BYTES, O_NULL } oracle_type;

typedef struct oracle_value {
    int state; /* an expr_state */
    oracle_type type;
    int64_t i64; /* and bool */
    double f64;
    char text[2048];
    size_t size;
} oracle_value;

typedef struct oracle_row {
    const char *fields[3]; /* a, b, c; NULL: null */
} oracle_row;

static void walk(const expr *e, const oracle_row *row, oracle_value *v);

static void set_bytes(oracle_value *v, const char *data, size_t size)
{
    v->type = O_BYTES;
    v->size = size < sizeof v->text ? size : sizeof v->text;
    memcpy(v->text, data, v->size);
}

static void set_bool(oracle_value *v, bool b)
{
    v->type = O_BOOL;
    v->i64 = b;
}

static long double as_number(const oracle_value *v)
{
    return v->type == O_I64 ? (long double)v->i64 : (long double)v->f64;
}

static int order(const oracle_value *a, const oracle_value *b)
{
    if (a->type == O_BYTES) {
        int c = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
        return c ? c : (a->size > b->size) - (a->size < b->size);
    }
    if (a->type == O_BOOL)
        return (int)(a->i64 - b->i64);
    long double x = as_number(a), y = as_number(b);
    if (isnan(x) || isnan(y))
        return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}

/* A decimal number with blanks around, and nothing else. The rows have no hexadecimal ones. */
static bool read_number(const oracle_value *x, bool whole, oracle_value *v)
{
    char copy[2100], *end, *at = copy;
    memcpy(copy, x->text, x->size);
    copy[x->size] = '\0';
    while (*at == ' ' || *at == '\t')
        at++;
    if (!*at || strlen(copy) != x->size || strchr("\n\r\v\f", *at))
        return false;
    if (whole) {
        errno = 0;
        long long n = strtoll(at, &end, 10);
        if (errno)
            return false;
        v->type = O_I64;
        v->i64 = n;
    } else {
        v->type = O_F64;
        v->f64 = strtod(at, &end);
    }
    if (end == at)
        return false;
    while (*end == ' ' || *end == '\t')
        end++;
    return !*end;
}

/* All arguments at once; the worst state, for functions of which null makes null. */
static int walk_all(const expr *e, const oracle_row *row, oracle_value *args)
{
    int worst = EXPR_OK;
    for (uint32_t i = 0; i < e->call.count; i++) {
        walk(e->args[i], row, &args[i]);
        worst = args[i].state > worst ? args[i].state : worst;
    }
    return worst;
}

static void arithmetic(char op, const oracle_value *a, const oracle_value *b, oracle_value *v)
{
    v->type = O_I64;
    if (a->type == O_F64 || b->type == O_F64) {
        double x = a->type == O_I64 ? (double)a->i64 : a->f64, y = b->type == O_I64 ? (double)b->i64 : b->f64;
        v->type = O_F64;
        v->f64 = op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : op == '/' ? x / y : fmod(x, y);
        return;
    }
    __int128 x = a->i64, y = b->i64, z = 0;
    if ((op == '/' || op == '%') && y == 0) {
        v->state = EXPR_BAD;
        return;
    }
    z = op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : op == '/' ? x / y : x % y;
    v->i64 = (int64_t)z;
    if (z != v->i64)
        v->state = EXPR_BAD;
}

static void walk_logic(const expr *e, const oracle_row *row, oracle_value *v, bool decisive)
{
    bool null = false;
    oracle_value *x = malloc(sizeof *x);
    set_bool(v, !decisive);
    for (uint32_t i = 0; i < e->call.count; i++) {
        walk(e->args[i], row, x);
        if (x->state == EXPR_BAD) {
            v->state = EXPR_BAD;
            break;
        }
        null |= x->state == EXPR_NULL;
        if (x->state == EXPR_OK && x->i64 == decisive) {
            v->i64 = decisive;
            null = false;
            break;
        }
    }
    if (null && v->state == EXPR_OK)
        v->state = EXPR_NULL;
    free(x);
}

static bool is(const expr *e, const char *name)
{
    return !strcmp(e->call.function->name, name);
}

/* Functions that don't look at all of their arguments. */
static bool walk_lazy(const expr *e, const oracle_row *row, oracle_value *v)
{
    oracle_value *x = calloc(1, sizeof *x);
    bool mine = true, null = false;
    if (is(e, "and") || is(e, "or")) {
        walk_logic(e, row, v, is(e, "or"));
    } else if (is(e, "if")) {
        walk(e->args[0], row, x);
        if (x->state == EXPR_BAD)
            v->state = EXPR_BAD;
        else
            walk(e->args[x->state == EXPR_OK && x->i64 ? 1 : 2], row, v);
    } else if (is(e, "coalesce")) {
        for (uint32_t i = 0; i < e->call.count; i++) {
            memset(v, 0, sizeof *v);
            walk(e->args[i], row, v);
            if (v->state != EXPR_NULL)
                break;
        }
    } else if (is(e, "is_null")) {
        walk(e->args[0], row, x);
        set_bool(v, x->state == EXPR_NULL);
        v->state = x->state == EXPR_BAD ? EXPR_BAD : EXPR_OK;
    } else if (is(e, "in")) {
        oracle_value *y = calloc(1, sizeof *y);
        walk(e->args[0], row, x);
        set_bool(v, false);
        v->state = x->state;
        for (uint32_t i = 1; i < e->call.count && v->state != EXPR_BAD && !v->i64; i++) {
            walk(e->args[i], row, y);
            null |= y->state == EXPR_NULL;
            if (y->state == EXPR_BAD)
                v->state = EXPR_BAD;
            else if (x->state == EXPR_OK && y->state == EXPR_OK)
                v->i64 = !order(x, y);
        }
        if (v->state == EXPR_OK && !v->i64 && null)
            v->state = EXPR_NULL;
        free(y);
    } else {
        mine = false;
    }
    free(x);
    return mine;
}

static void walk_text(const expr *e, const oracle_value *a, oracle_value *v)
{
    if (is(e, "len")) {
        v->type = O_I64;
        v->i64 = (int64_t)a->size;
    } else if (is(e, "substr")) {
        int64_t from = a[1].i64, count = e->call.count == 3 ? a[2].i64 : INT64_MAX;
        size_t size = 0;
        if (from < 1 || count < 0)
            v->state = EXPR_BAD;
        else
            for (size_t i = (size_t)from - 1; i < a->size && (int64_t)size < count; i++)
                v->text[size++] = a->text[i];
        v->type = O_BYTES;
        v->size = size;
    } else if (is(e, "concat")) {
        v->type = O_BYTES;
        for (uint32_t i = 0; i < e->call.count; i++)
            for (size_t k = 0; k < a[i].size && v->size < sizeof v->text; k++)
                v->text[v->size++] = a[i].text[k];
    } else if (is(e, "upper")) {
        set_bytes(v, a->text, a->size);
        for (size_t i = 0; i < v->size; i++)
            v->text[i] -= v->text[i] >= 'a' && v->text[i] <= 'z' ? 32 : 0;
    } else if (is(e, "contains")) {
        set_bool(v, memmem(a->text, a->size, a[1].text, a[1].size) != NULL);
    } else {
        set_bool(v, a->size >= a[1].size && !memcmp(a->text, a[1].text, a[1].size)); /* starts_with */
    }
}

static void walk_number(const expr *e, const oracle_value *a, oracle_value *v)
{
    char text[NUM_TEXT];
    if (is(e, "i64")) {
        v->type = O_I64;
        v->i64 = a->i64;
        if (a->type == O_F64 && !(a->f64 >= -0x1p63 && a->f64 < 0x1p63))
            v->state = EXPR_BAD;
        else if (a->type == O_F64)
            v->i64 = (int64_t)a->f64;
        else if (a->type == O_BYTES && !read_number(a, true, v))
            v->state = EXPR_BAD;
    } else if (is(e, "f64")) {
        v->type = O_F64;
        v->f64 = a->type == O_I64 ? (double)a->i64 : a->f64;
        if (a->type == O_BYTES && !read_number(a, false, v))
            v->state = EXPR_BAD;
    } else if (is(e, "bytes")) {
        if (a->type == O_BYTES)
            set_bytes(v, a->text, a->size);
        else
            set_bytes(v, text, a->type == O_I64 ? num_i64(text, a->i64) : num_f64(text, a->f64));
    } else if (is(e, "abs") || (is(e, "-") && e->call.count == 1)) {
        v->type = a->type;
        v->f64 = is(e, "abs") ? fabs(a->f64) : -a->f64;
        if (a->type == O_I64 && a->i64 == INT64_MIN)
            v->state = EXPR_BAD;
        else if (a->type == O_I64)
            v->i64 = is(e, "abs") && a->i64 > 0 ? a->i64 : -a->i64;
    } else if (is(e, "min") || is(e, "max")) {
        bool f64 = a[0].type == O_F64 || a[1].type == O_F64;
        int c = order(&a[0], &a[1]);
        *v = (is(e, "min") ? c <= 0 : c >= 0) ? a[0] : a[1];
        if (f64 && v->type == O_I64) {
            v->type = O_F64;
            v->f64 = (double)v->i64;
        }
    } else {
        arithmetic(*e->call.function->name, &a[0], &a[1], v);
    }
}

static void walk_call(const expr *e, const oracle_row *row, oracle_value *v)
{
    static const char *const comparisons[] = {"=", "!=", "<", "<=", ">", ">="};
    static const char *const texts[] = {"len", "substr", "concat", "upper", "contains", "starts_with"};
    if (is(e, "true") || is(e, "false")) {
        set_bool(v, is(e, "true"));
        return;
    }
    if (walk_lazy(e, row, v))
        return;
    oracle_value *args = calloc(e->call.count + 1, sizeof *args);
    v->state = walk_all(e, row, args);
    for (int i = 0; i < 6 && v->state == EXPR_OK; i++)
        if (is(e, comparisons[i])) {
            int c = order(&args[0], &args[1]);
            set_bool(v, i == 0 ? !c : i == 1 ? c : i == 2 ? c < 0 : i == 3 ? c <= 0 : i == 4 ? c > 0 : c >= 0);
            goto done;
        }
    for (int i = 0; i < 6 && v->state == EXPR_OK; i++)
        if (is(e, texts[i])) {
            walk_text(e, args, v);
            goto done;
        }
    if (v->state == EXPR_OK && is(e, "not"))
        set_bool(v, !args[0].i64);
    else if (v->state == EXPR_OK)
        walk_number(e, args, v);
done:
    free(args);
}

static void walk(const expr *e, const oracle_row *row, oracle_value *v)
{
    memset(v, 0, sizeof *v);
    switch (e->kind) {
    case EXPR_LIT_I64:
        v->type = O_I64;
        v->i64 = e->i64;
        return;
    case EXPR_LIT_F64:
        v->type = O_F64;
        v->f64 = e->f64;
        return;
    case EXPR_LIT_BYTES:
        set_bytes(v, e->text.data, e->text.size);
        return;
    case EXPR_FIELD: {
        const char *field = row->fields[*e->text.data - 'a'];
        v->state = field ? EXPR_OK : EXPR_NULL;
        if (field)
            set_bytes(v, field, strlen(field));
        return;
    }
    case EXPR_CALL:
        walk_call(e, row, v);
        return;
    default:
        v->state = EXPR_NULL;
        v->type = O_NULL;
    }
}

#endif
