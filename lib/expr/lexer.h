/* The tokens of the text form of expressions. For parse.c alone. */
#ifndef EXPR_LEXER_H
#define EXPR_LEXER_H

#include "expr/tree.h"

typedef enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER, /* digits, with a point or exponent: is_f64 */
    TOKEN_BYTES,  /* 'text' or x'hex' */
    TOKEN_FIELD,  /* $name, ${name} */
    TOKEN_NAME,   /* of a function, a word operator or a word literal */
    TOKEN_SIGN,   /* an operator's sign, a parenthesis, a comma */
    TOKEN_BAD     /* `problem` and perhaps `hint` say what is wrong */
} token_kind;

typedef struct token {
    token_kind kind;
    const char *start; /* as it stands in the text */
    size_t size;
    bool is_f64;
    buf text; /* BYTES, FIELD: what it means */
    const char *problem, *hint;
} token;

/* Reads the token that begins at *at (blanks before it are passed over) and moves *at behind it. `t` must have been
 * zeroed before the first call; its buffer is used again and again. SDF_OK or SDF_E_NO_MEMORY. */
int lexer_next(const char **at, token *t);

#endif
