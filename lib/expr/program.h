/* The inside of a program: registers of a batch's values, and the instructions that fill them. For lib/expr alone.
 *
 * An instruction runs for the rows of its scope. Scopes nest: what comes behind an `and` runs only for the rows that
 * the left side did not decide, so that what can't be evaluated in other rows does no harm. A value that was worked out
 * in a scope serves all scopes within it. */
#ifndef EXPR_PROGRAM_H
#define EXPR_PROGRAM_H

#include "expr/bound.h"
#include "expr/json.h"
#include "expr/regex.h"
#include "expr/rows.h"
#include "expr/table.h"

#define ROWS SDF_BATCH_MAX

/* Which rows an instruction runs for. */
typedef struct row_list {
    size_t count;
    const uint8_t *at;
} row_list;

typedef struct scope {
    struct scope *parent;
    size_t count;
    uint8_t rows[ROWS];
} scope;

typedef struct insn insn;

/* A value for each row; the type's class says how it lies: int64_t, double, sdf_slice, uint8_t for bool. */
typedef struct reg {
    expr_type type;
    uint8_t step;  /* 1; 0: one value for all rows */
    bool constant; /* known since the program was made */
    bool clean;    /* all rows that were evaluated are EXPR_OK; `state` is not filled in */
    uint8_t *state;
    void *data;       /* what is read; may be the batch's */
    void *own;        /* room for ROWS values (of a literal: for one) */
    const insn *def;  /* what fills it in; NULL: a literal, a field, key or value */
    const expr *node; /* for messages */
    struct reg *next; /* of the literals */
} reg;

/* Fills in->dst for these rows, all of whose arguments are EXPR_OK unless the instruction is loose. SDF_OK, or lack of
 * memory. */
typedef int (*kernel)(expr_program *p, const insn *in, const row_list *rows);

struct insn {
    kernel run;
    insn *next;  /* in order */
    insn *chain; /* of its hash */
    scope *scope;
    reg *dst; /* NULL: it makes a scope */
    reg **args;
    uint32_t count;
    bool loose;  /* takes arguments that are null or bad */
    bool folded; /* was run when the program was made */
    scope *makes;
    const void *aux; /* a regex, a table, a set */
    uint64_t number;
    const expr *node;
};

/* A broadcast table by name, or a regex: things that are made once. */
typedef struct resource {
    struct resource *next;
    const expr *literal;
    table *table;
    regex *regex;
} resource;

#define CHAINS 256

struct expr_program {
    budget *budget;
    bound bound;
    expr_type_pool types;
    arena memory;   /* as long as the program */
    arena text;     /* of a run */
    arena *scratch; /* where kernels put text: `memory` while constants are worked out, then `text` */
    uint64_t charged;
    scope *root;
    insn *first, **last, *chains[CHAINS];
    reg *literals, *sides[2], **outputs, **fields;
    void **widened; /* per output: room for what its register does not hold as results want it */
    size_t field_count;
    bool rows_read; /* the fields are those of delimited rows, else of JSON */
    const row_ops *row_ops;
    row_fields row_fields;
    json_paths *json;
    size_t *at;        /* delimiters of a row */
    sdf_slice *values; /* fields of a row */
    row_state *row_states;
    uint8_t *json_states;
    resource *resources;
    const sdf_batch *batch; /* last run */
};

static inline uint8_t reg_state(const reg *r, size_t row)
{
    return r->clean ? EXPR_OK : r->state[row * r->step];
}

/* Marks a row of a register that is being filled in. */
static inline void reg_mark(reg *r, size_t row, uint8_t state)
{
    if (r->clean) {
        memset(r->state, EXPR_OK, ROWS);
        r->clean = false;
    }
    r->state[row] = state;
}

static inline size_t class_width(expr_class class)
{
    return class == CLASS_BOOL ? 1 : class == CLASS_I64 || class == CLASS_F64 ? 8 : sizeof(sdf_slice);
}

/* compile.c */
int program_compile(expr_program *p, const expr_tables *tables, sdf_error **err);
/* Runs an instruction for rows. */
int insn_run(expr_program *p, const insn *in, const row_list *rows);

/* Kernels by operation and class of what they take: kernel_*.c. */
kernel kernel_arithmetic(expr_op op, expr_class class);
kernel kernel_convert(expr_class to, expr_class from); /* i64, f64, bytes */
kernel kernel_compare(expr_op op, expr_class left, expr_class right);
kernel kernel_text(expr_op op);
kernel kernel_time(expr_op op);
kernel kernel_least(expr_op op, expr_class class); /* min, max */
int kernel_in_set(expr_program *p, const insn *in, const row_list *rows);
int kernel_lookup(expr_program *p, const insn *in, const row_list *rows);
int kernel_decode(expr_program *p, const insn *in, const row_list *rows); /* optional(scalar) -> scalar */
int kernel_item(expr_program *p, const insn *in, const row_list *rows);
int kernel_tuple(expr_program *p, const insn *in, const row_list *rows);
int kernel_optional(expr_program *p, const insn *in, const row_list *rows);
/* Loose ones. */
int kernel_and(expr_program *p, const insn *in, const row_list *rows);
int kernel_or(expr_program *p, const insn *in, const row_list *rows);
int kernel_if(expr_program *p, const insn *in, const row_list *rows);
int kernel_coalesce(expr_program *p, const insn *in, const row_list *rows);
int kernel_is_null(expr_program *p, const insn *in, const row_list *rows);
/* Makes a scope of rows of its own by a condition; `number` is a scope_kind. */
typedef enum scope_kind { SCOPE_NOT_FALSE, SCOPE_NOT_TRUE, SCOPE_TRUE, SCOPE_NULL } scope_kind;
int kernel_scope(expr_program *p, const insn *in, const row_list *rows);
int kernel_not(expr_program *p, const insn *in, const row_list *rows);

/* Text that is to be a number, without the blanks and tabs around it: kernel_number.c. */
sdf_slice number_text(const sdf_slice *text);

#endif
