/* The public expressions: an sdf_expr is an expr under its public name. */
#include <sdf/expr.h>

#include "expr/expr.h"

static sdf_expr *give(expr *e)
{
    return (sdf_expr *)e;
}

static expr *take(const sdf_expr *e)
{
    return (expr *)(uintptr_t)e;
}

sdf_expr *sdf_expr_parse(const char *text)
{
    return give(expr_parse(text));
}

sdf_expr *sdf_expr_field(const char *name)
{
    return give(expr_make_field(name));
}

sdf_expr *sdf_expr_bytes(const void *data, size_t size)
{
    return give(expr_make_bytes(data, size));
}

sdf_expr *sdf_expr_i64(int64_t value)
{
    return give(expr_make_i64(value));
}

sdf_expr *sdf_expr_f64(double value)
{
    return give(expr_make_f64(value));
}

sdf_expr *sdf_expr_null(void)
{
    return give(expr_make_null());
}

sdf_expr *sdf_expr_call(const char *name, const sdf_expr *const *args, size_t count)
{
    return give(expr_make_call(name, (expr *const *)(uintptr_t)args, count));
}

const sdf_error *sdf_expr_error(const sdf_expr *e)
{
    return expr_error(take(e));
}

char *sdf_expr_text(const sdf_expr *e)
{
    return expr_text(take(e));
}

void sdf_expr_free(sdf_expr *e)
{
    expr_unref(take(e));
}
