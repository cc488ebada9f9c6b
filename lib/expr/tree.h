/* The inside of an expression: immutable nodes, shared by counting. Also the table of functions, and types of values.
 * For lib/expr alone. */
#ifndef EXPR_TREE_H
#define EXPR_TREE_H

#include <stdatomic.h>

#include "expr/expr.h"

#define EXPR_BYTES_MAX (256u << 10) /* of all names and literals of a tree */
#define EXPR_ARGS_MAX  1024
#define EXPR_QUOTE_MAX 160 /* bytes of a sub-expression that a message shows */

typedef enum expr_kind {
    EXPR_ERROR,
    EXPR_LIT_NULL,
    EXPR_LIT_I64,
    EXPR_LIT_F64,
    EXPR_LIT_BYTES,
    EXPR_FIELD,
    EXPR_CALL
} expr_kind;

/* ---- functions ---- */

typedef enum expr_op {
    OP_OR,
    OP_AND,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_NEG,
    OP_KEY,
    OP_VALUE,
    OP_TRUE,
    OP_FALSE,
    OP_I64,
    OP_F64,
    OP_BYTES,
    OP_LEN,
    OP_SUBSTR,
    OP_CONTAINS,
    OP_STARTS_WITH,
    OP_ENDS_WITH,
    OP_MATCHES,
    OP_EXTRACT,
    OP_LOWER,
    OP_UPPER,
    OP_TRIM,
    OP_CONCAT,
    OP_IF,
    OP_COALESCE,
    OP_IS_NULL,
    OP_IN,
    OP_LOOKUP,
    OP_TUPLE,
    OP_OPTIONAL,
    OP_ITEM,
    OP_ABS,
    OP_FLOOR,
    OP_CEIL,
    OP_ROUND,
    OP_MIN,
    OP_MAX,
    OP_YEAR,
    OP_MONTH,
    OP_DATE,
    OP_HOUR
} expr_op;

/* How a call is written. */
typedef enum expr_form { FORM_CALL, FORM_NAME, FORM_INFIX, FORM_PREFIX } expr_form;

typedef struct expr_function {
    const char *name;
    expr_op op;
    expr_form form;
    uint8_t rank;         /* of operators: higher binds closer */
    uint16_t least, most; /* arguments */
    const char *args;     /* what each takes, a letter (expr/types.c); the last one goes for the rest */
    char result;          /* what comes out, a letter */
} expr_function;

/* By name and number of arguments ("-" is two functions). NULL: none; then *named says if one is called so. */
const expr_function *expr_function_find(const char *name, size_t size, size_t count, const expr_function **named);
/* The nearest name, or NULL. */
const char *expr_function_near(const char *name, size_t size);

/* ---- nodes ---- */

/* The text of a type that a check worked out, kept as long as the tree whose result has it. */
typedef struct expr_type_text {
    struct expr_type_text *next;
    char text[];
} expr_type_text;

struct expr {
    atomic_uint refs;
    expr_kind kind;
    uint32_t depth, nodes, bytes; /* of the tree, shared parts counted each time */
    _Atomic(expr_type_text *) types;
    union {
        sdf_error *error;
        int64_t i64;
        double f64;
        struct {
            char *data; /* bytes of a literal, or a field's name; NUL behind */
            size_t size;
            uint32_t column; /* of a bound field of delimited text */
        } text;
        struct {
            const expr_function *function;
            uint32_t count;
        } call;
    };
    expr *args[]; /* of a call */
};

/* A tree that carries the error (taken over), or that memory is out. Never NULL. */
expr *expr_make_error(sdf_error *err);
expr *expr_make_bound_field(const char *name, size_t size, uint32_t column);
expr *expr_make_function(const expr_function *f, expr *const *args, size_t count);

/* Appends its text. */
int expr_print(const expr *e, buf *out);
/* Its text for a message, cut where it is long; always a string. */
const char *expr_quote(const expr *e, char text[EXPR_QUOTE_MAX + 4]);

/* ---- types of values: types.c ---- */

typedef enum expr_class {
    CLASS_NULL, /* only null */
    CLASS_BOOL,
    CLASS_I64,
    CLASS_F64,
    CLASS_BYTES,
    CLASS_ENCODED /* in the ordered encoding: tuple(...), optional(...), any */
} expr_class;

typedef struct expr_type {
    expr_class class;
    const char *text; /* canonical */
} expr_type;

/* Texts of types that checks work out live in a pool. */
typedef struct expr_type_pool {
    expr_type_text *texts;
} expr_type_pool;
void expr_type_pool_free(expr_type_pool *pool);

/* The type of a collection's text; NULL: bytes. */
expr_type expr_type_from(const char *canonical);
expr_type expr_type_of_class(expr_class class);
/* T of an optional(T) where T is bytes, i64 or f64; any other type as it is. */
expr_type expr_type_scalar(expr_type t);
/* Both as one: null gives way, i64 becomes f64 beside it. False: they don't go together. */
bool expr_type_unify(expr_type a, expr_type b, expr_type *both);
/* The type of a call from those of its arguments; the error names `e`. Patterns and item numbers must be literals. */
int expr_type_call(const expr *e, const expr_type *args, expr_type_pool *pool, expr_type *result, sdf_error **err);
/* What `key` or `value` is. */
expr_type expr_type_side(const expr_input *in, expr_op side);

#endif
