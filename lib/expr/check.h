/* Types and fields of a tree against its input: what check.c shares with binding and compiling. */
#ifndef EXPR_CHECK_H
#define EXPR_CHECK_H

#include "expr/tree.h"
#include "spec/type.h"

#define EXPR_COLUMNS_MAX 65536u /* that expressions reach of delimited rows */

int expr_check_input(const expr_input *in, sdf_error **err);
/* Is there such a field? *column: its place in delimited rows (0 while the columns are not known, unless binding). */
int expr_check_field(const expr *e, const expr_input *in, bool binding, uint32_t *column, sdf_error **err);
/* The type of a tree that carries no error; texts live in the pool (or in `in`). */
int expr_check_type(const expr *e, const expr_input *in, expr_type_pool *pool, expr_type *type, sdf_error **err);

#endif
