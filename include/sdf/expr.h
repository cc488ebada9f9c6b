/* Expressions: computing on records without a function of the host, from any language. docs/expressions.md is the
 * language in full.
 *
 *     $name        a field: a column of delimited text, or the path of a JSON field (${odd name}, $user.tags.0)
 *     key  value   the record's own
 *     1  2.5  'text'  x'00ff'  null  true  false
 *     + - * / %    = != < <= > >=    and or not
 *     i64(x) f64(x) bytes(x) len(x) substr(x, from, count) contains(x, y) starts_with ends_with lower upper trim
 *     concat(x, ...) matches(x, 'regex') extract(x, 'regex') lookup('broadcast', x)
 *     if(c, a, b) coalesce(x, ...) is_null(x) in(x, ...)  tuple(x, ...) optional(x) item(x, n)
 *     abs floor ceil round min max
 *     year(x) month(x) date(x) hour(x)   of texts "YYYY-MM-DD HH:MM:SS" and their like: "2015", "2015-02", ...
 *
 * Nothing depends on the locale. What can't be evaluated for a record (a field that is no number) is a record error.
 *
 * Ownership: each expression is the caller's. Threads: any. Since: 0.2 */
#ifndef SDF_EXPR_H
#define SDF_EXPR_H

#include <sdf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Like a collection, an expression that went wrong carries its error, which what is made of it hands on. Immutable.
 * Ownership: the caller frees each one; those made from it stay good. NULL: out of memory, and taken as such.
 * Threads: any. Since: 0.2 */
typedef struct sdf_expr sdf_expr;

/* From text, with a position in the error if it can't be read. */
SDF_API sdf_expr *sdf_expr_parse(const char *text);
/* A field of the record: a column of delimited text by its name, or the path of a JSON field. */
SDF_API sdf_expr *sdf_expr_field(const char *name);
/* A literal; `data` is copied. */
SDF_API sdf_expr *sdf_expr_bytes(const void *data, size_t size);
SDF_API sdf_expr *sdf_expr_i64(int64_t value);
SDF_API sdf_expr *sdf_expr_f64(double value);
SDF_API sdf_expr *sdf_expr_null(void);
/* A call of a function or operator by name: "+", "and", "substr", "key" (no arguments). */
SDF_API sdf_expr *sdf_expr_call(const char *name, const sdf_expr *const *args, size_t count);
/* The error it carries, or NULL. Ownership: the expression's. */
SDF_API const sdf_error *sdf_expr_error(const sdf_expr *expr);
/* Its text, which parses to the same tree. NULL: no memory, or it carries an error.
 * Ownership: the caller's; free with sdf_string_free. */
SDF_API char *sdf_expr_text(const sdf_expr *expr);
/* NULL is fine. */
SDF_API void sdf_expr_free(sdf_expr *expr);

#ifdef __cplusplus
}
#endif
#endif
