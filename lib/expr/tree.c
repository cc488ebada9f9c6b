/* Making, sharing and freeing the nodes of expressions. A tree's depth, nodes and bytes are bounded when it is made, so
 * that everything that walks one may recurse. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/tree.h"

static expr *new_node(expr_kind kind, size_t args)
{
    expr *e = calloc(1, sizeof *e + args * sizeof(expr *));
    if (!e)
        return NULL;
    atomic_init(&e->refs, 1);
    atomic_init(&e->types, NULL);
    e->kind = kind;
    e->depth = e->nodes = 1;
    return e;
}

/* Stands for what there was no memory to make; lives forever. */
static expr no_memory = {.kind = EXPR_ERROR, .depth = 1, .nodes = 1};

expr *expr_ref(expr *e)
{
    if (e && e != &no_memory)
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void expr_unref(expr *e)
{
    if (!e || e == &no_memory || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (e->kind == EXPR_ERROR)
        sdf_error_free(e->error);
    else if (e->kind == EXPR_LIT_BYTES || e->kind == EXPR_FIELD)
        free(e->text.data);
    else if (e->kind == EXPR_CALL)
        for (uint32_t i = 0; i < e->call.count; i++)
            expr_unref(e->args[i]);
    expr_type_pool types = {atomic_load(&e->types)};
    expr_type_pool_free(&types);
    free(e);
}

const sdf_error *expr_error(const expr *e)
{
    if (e == &no_memory) {
        sdf_error *err = NULL;
        error_no_memory(&err);
        return err;
    }
    return e && e->kind == EXPR_ERROR ? e->error : NULL;
}

expr *expr_make_error(sdf_error *err)
{
    expr *e = new_node(EXPR_ERROR, 0);
    if (!e) {
        sdf_error_free(err);
        return &no_memory;
    }
    e->error = err;
    return e;
}

static expr *make_text(expr_kind kind, const void *data, size_t size)
{
    if (size > EXPR_TEXT_MAX) {
        sdf_error *err = NULL;
        error_set(&err, SDF_E_LIMIT, "%s of an expression has %zu bytes; at most %u are allowed",
                  kind == EXPR_FIELD ? "the name of a field" : "a literal", size, EXPR_TEXT_MAX);
        return expr_make_error(err);
    }
    expr *e = new_node(kind, 0);
    char *copy = e ? malloc(size + 1) : NULL;
    if (!copy) {
        free(e);
        return NULL;
    }
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    e->text.data = copy;
    e->text.size = size;
    e->bytes = (uint32_t)size;
    return e;
}

expr *expr_make_bound_field(const char *name, size_t size, uint32_t column)
{
    expr *e;
    if (!size || memchr(name, 0, size)) {
        sdf_error *err = NULL;
        error_set(&err, SDF_E_INVALID, "a field of an expression has no name");
        error_hint(&err, "a field is the name of a column, or the path of a JSON field: $tip, $user.name");
        return expr_make_error(err);
    }
    e = make_text(EXPR_FIELD, name, size);
    if (e && e->kind == EXPR_FIELD)
        e->text.column = column;
    return e;
}

expr *expr_make_field(const char *name)
{
    return expr_make_bound_field(name ? name : "", name ? strlen(name) : 0, 0);
}

expr *expr_make_bytes(const void *data, size_t size)
{
    return make_text(EXPR_LIT_BYTES, data, data ? size : 0);
}

expr *expr_make_i64(int64_t value)
{
    expr *e = new_node(EXPR_LIT_I64, 0);
    if (e)
        e->i64 = value;
    return e;
}

expr *expr_make_f64(double value)
{
    expr *e = new_node(EXPR_LIT_F64, 0);
    if (e)
        e->f64 = isnan(value) ? NAN : value; /* one NaN, so that its text is the same tree */
    return e;
}

expr *expr_make_null(void)
{
    return new_node(EXPR_LIT_NULL, 0);
}

static expr *refuse_size(const expr_function *f, const char *what, uint64_t is, unsigned most)
{
    sdf_error *err = NULL;
    error_set(&err, SDF_E_LIMIT, "an expression with \"%s\" on top has %s: %llu; at most %u are allowed", f->name, what,
              (unsigned long long)is, most);
    error_hint(&err, "make it smaller: in(x, ...) for many comparisons, a function of the host for much computing");
    return expr_make_error(err);
}

expr *expr_make_function(const expr_function *f, expr *const *args, size_t count)
{
    uint64_t depth = 0, nodes = 1, bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!args[i]) {
            sdf_error *err = NULL;
            error_no_memory(&err);
            return expr_make_error(err);
        }
        if (args[i]->kind == EXPR_ERROR)
            return expr_ref(args[i]);
        depth = args[i]->depth > depth ? args[i]->depth : depth;
        nodes += args[i]->nodes;
        bytes += args[i]->bytes;
    }
    if (++depth > EXPR_DEPTH_MAX)
        return refuse_size(f, "too many levels", depth, EXPR_DEPTH_MAX);
    if (nodes > EXPR_NODES_MAX)
        return refuse_size(f, "too many parts", nodes, EXPR_NODES_MAX);
    if (bytes > EXPR_BYTES_MAX)
        return refuse_size(f, "too many bytes in names and literals", bytes, EXPR_BYTES_MAX);
    expr *e = new_node(EXPR_CALL, count);
    if (!e)
        return NULL;
    e->call.function = f;
    e->call.count = (uint32_t)count;
    e->depth = (uint32_t)depth;
    e->nodes = (uint32_t)nodes;
    e->bytes = (uint32_t)bytes;
    for (size_t i = 0; i < count; i++)
        e->args[i] = expr_ref(args[i]);
    return e;
}

static expr *refuse_call(const char *name, size_t size, size_t count, const expr_function *named)
{
    sdf_error *err = NULL;
    int shown = (int)(size < 64 ? size : 64);
    if (!named) {
        error_set(&err, SDF_E_NOT_FOUND, "there is no function or operator \"%.*s\" in expressions", shown, name);
        const char *near = expr_function_near(name, size);
        if (near)
            error_hint(&err, "did you mean \"%s\"?", near);
    } else if (named->least == named->most) {
        error_set(&err, SDF_E_INVALID, "\"%.*s\" was given %zu arguments; it takes %u", shown, name, count,
                  named->least);
    } else if (count < named->least) {
        error_set(&err, SDF_E_INVALID, "\"%.*s\" was given %zu arguments; it takes at least %u", shown, name, count,
                  named->least);
    } else {
        error_set(&err, SDF_E_INVALID, "\"%.*s\" was given %zu arguments; it takes at most %u", shown, name, count,
                  named->most);
    }
    return expr_make_error(err);
}

expr *expr_make_call(const char *name, expr *const *args, size_t count)
{
    const expr_function *named, *f;
    if (!name)
        name = "";
    if (!args && count) {
        sdf_error *err = NULL;
        error_set(&err, SDF_E_INVALID, "\"%.64s\" was given no arguments, but a count of %zu", name, count);
        return expr_make_error(err);
    }
    f = expr_function_find(name, strlen(name), count, &named);
    return f ? expr_make_function(f, args, count) : refuse_call(name, strlen(name), count, named);
}
