/* Building blocks of a program: registers, instructions, scopes. For compile.c. Where one fails it says why (once) and
 * gives NULL; NULL registers are handed on. */
#ifndef EXPR_EMIT_H
#define EXPR_EMIT_H

#include "expr/program.h"

typedef struct compiler {
    expr_program *p;
    const expr_tables *tables;
    sdf_error **err; /* never NULL */
} compiler;

void *emit_no_memory(compiler *c);
/* Zeroed, as long as the program. */
void *emit_take(compiler *c, size_t size);
reg *emit_reg(compiler *c, expr_type type, const expr *node, size_t values);
/* One for each value. `value` is an int64_t, double, sdf_slice or uint8_t, by class. */
reg *emit_constant(compiler *c, const expr *e, expr_class class, const void *value, size_t size);
reg *emit_literal(compiler *c, const expr *e);

/* The register of `want`'s result: of a new instruction, or of one like it that serves. Its args are copied. */
reg *emit_value(compiler *c, insn want, expr_type type);
/* The rows of s for which the condition is of that kind. */
scope *emit_scope(compiler *c, const expr *e, scope *s, reg *condition, scope_kind kind);

/* optional(i64) and its like as the i64 that may be null. */
reg *emit_scalar(compiler *c, reg *r, scope *s);
/* An i64 as f64. */
reg *emit_f64(compiler *c, reg *r, scope *s);

#endif
