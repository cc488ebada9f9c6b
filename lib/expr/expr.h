/* Expressions: a small typed tree over one record, built from text or by calls, checked when a plan is made, carried in
 * the plan as bytes, evaluated on batches. docs/expressions.md is the language. Not here: operators (exec/expr_op.c).
 *
 * Types: bytes, i64, f64, bool (true and false; not a type of collections), null, and tuple(...) as the outermost
 * one. Any value may be null (a missing JSON field): a function of a null is null, unless it says otherwise. */
#ifndef EXPR_EXPR_H
#define EXPR_EXPR_H

#include <stdbool.h>

#include "base/batch.h"
#include "base/budget.h"
#include "base/buf.h"
#include "spec/plan.h"

#define EXPR_DEPTH_MAX   64
#define EXPR_NODES_MAX   4096
#define EXPR_TEXT_MAX    (64u << 10)
#define EXPR_MESSAGE_MAX 256

/* An immutable, counted tree; one that could not be built carries its error. Threads: counts are atomic. */
typedef struct expr expr;
expr *expr_ref(expr *e);                    /* NULL is fine */
void expr_unref(expr *e);                   /* NULL is fine */
const sdf_error *expr_error(const expr *e); /* NULL: it is good */
/* Its text, which parses to the same tree; malloc'd. */
char *expr_text(const expr *e);

/* From text. Never NULL but when memory is out; a mistake (where, what, the nearest name) is the tree's error. */
expr *expr_parse(const char *text);
expr *expr_make_field(const char *name); /* a column, or the path of a JSON field ("user.name", "tags.0") */
expr *expr_make_bytes(const void *data, size_t size);
expr *expr_make_i64(int64_t value);
expr *expr_make_f64(double value);
expr *expr_make_null(void);
/* A function or operator by name ("+", "and", "substr"); arguments get references. */
expr *expr_make_call(const char *name, expr *const *args, size_t count);

/* What an expression reads. */
typedef struct expr_input {
    const char *key_type, *value_type;
    const plan_format *format; /* whose rows the value is (delimited, JSON); NULL: it is no row, `$name` is an error */
    const char *columns; /* delimited: names joined by '\n'; NULL: not known yet (only expr_check may do with it) */
} expr_input;

/* Checks types. *type: of the result, static or owned by the tree ("bool" for a condition). The error names the
 * sub-expression. */
int expr_check(const expr *e, const expr_input *in, const char **type, sdf_error **err);
/* Checks, resolves columns (a missing one: SDF_E_NOT_FOUND with the nearest name), and appends the bound form of
 * `count` expressions (1 to 64) that are to be evaluated together. On failure nothing is appended. */
int expr_bind(expr *const *e, size_t count, const expr_input *in, buf *bound, sdf_error **err);

/* ---- evaluation: expr/eval.c; one thread's ---- */

/* Bytes of a broadcast value by name, for lookup(); they live as long as the program. */
typedef struct expr_tables {
    int (*get)(void *self, const char *name, sdf_slice *bytes, sdf_error **err);
    void *self;
} expr_tables;

typedef struct expr_program expr_program;
/* Hostile bytes are refused. Memory is charged to b. tables may be NULL: lookup() is an error then. */
int expr_program_new(expr_program **p, budget *b, const sdf_slice *bound, const expr_tables *tables, sdf_error **err);
void expr_program_free(expr_program *p);
size_t expr_program_outputs(const expr_program *p);
const char *expr_program_type(const expr_program *p, size_t output);

typedef enum expr_state { EXPR_OK = 0, EXPR_NULL = 1, EXPR_BAD = 2 } expr_state;

/* One expression's values for a batch: `column` has all rows (numbers fixed, bytes as slices, bool as fixed 8 bytes 0
 * or 1); those whose state is not EXPR_OK, and those of rows that were left out, hold nothing of use. An expression of
 * type null has the null column and no states. Valid until the next run, and as long as the batch. */
typedef struct expr_result {
    sdf_column column;
    const uint8_t *state; /* per row; NULL: all are EXPR_OK */
} expr_result;

/* Evaluates all outputs on a batch of at most SDF_BATCH_MAX records. results: room for expr_program_outputs. Rows
 * where `skip` is not 0 need not be evaluated (NULL: all rows count). A row that can't be evaluated is EXPR_BAD, not an
 * error of the call; errors are lack of memory and the like. */
int expr_program_run(expr_program *p, const sdf_batch *batch, const uint8_t *skip, expr_result *results,
                     sdf_error **err);
/* Why a row of the last run was EXPR_BAD: one line, naming the sub-expression and the value, cut to capacity. As long
 * as its batch lives. */
void expr_program_why(const expr_program *p, size_t row, char *message, size_t capacity);

/* ---- rows.c, json.c: also used by sources and tests ---- */
/* The fields of one row of delimited text, as slices of it (quotes not yet undone). Returns their number (which may be
 * more than `room`), or SDF_E_CORRUPT: a quote that does not end, or text behind one. */
int64_t row_split(const plan_format *f, const sdf_slice *row, sdf_slice *fields, size_t room);
/* The text of a field that may be in quotes; `scratch` has room for field->size. */
sdf_slice row_unquote(const plan_format *f, const sdf_slice *field, uint8_t *scratch);

#endif
