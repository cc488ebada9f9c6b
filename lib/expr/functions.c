/* The table of functions and operators: names, how they are written, what they take. What the letters mean is in
 * types.c, what the functions do in the kernels. */
#include <string.h>

#include "base/error.h"
#include "expr/tree.h"

#define ANY EXPR_ARGS_MAX

static const expr_function functions[] = {
    {"or", OP_OR, FORM_INFIX, 1, 2, ANY, "c", 'c'},
    {"and", OP_AND, FORM_INFIX, 2, 2, ANY, "c", 'c'},
    {"not", OP_NOT, FORM_PREFIX, 3, 1, 1, "c", 'c'},
    {"=", OP_EQ, FORM_INFIX, 4, 2, 2, "e", 'c'},
    {"!=", OP_NE, FORM_INFIX, 4, 2, 2, "e", 'c'},
    {"<", OP_LT, FORM_INFIX, 4, 2, 2, "e", 'c'},
    {"<=", OP_LE, FORM_INFIX, 4, 2, 2, "e", 'c'},
    {">", OP_GT, FORM_INFIX, 4, 2, 2, "e", 'c'},
    {">=", OP_GE, FORM_INFIX, 4, 2, 2, "e", 'c'},
    {"+", OP_ADD, FORM_INFIX, 5, 2, 2, "n", 'u'},
    {"-", OP_SUB, FORM_INFIX, 5, 2, 2, "n", 'u'},
    {"*", OP_MUL, FORM_INFIX, 6, 2, 2, "n", 'u'},
    {"/", OP_DIV, FORM_INFIX, 6, 2, 2, "n", 'u'},
    {"%", OP_MOD, FORM_INFIX, 6, 2, 2, "n", 'u'},
    {"-", OP_NEG, FORM_PREFIX, 7, 1, 1, "n", 'u'},
    {"key", OP_KEY, FORM_NAME, 0, 0, 0, "", 'k'},
    {"value", OP_VALUE, FORM_NAME, 0, 0, 0, "", 'k'},
    {"true", OP_TRUE, FORM_NAME, 0, 0, 0, "", 'c'},
    {"false", OP_FALSE, FORM_NAME, 0, 0, 0, "", 'c'},
    {"i64", OP_I64, FORM_CALL, 0, 1, 1, "s", 'i'},
    {"f64", OP_F64, FORM_CALL, 0, 1, 1, "s", 'f'},
    {"bytes", OP_BYTES, FORM_CALL, 0, 1, 1, "s", 'b'},
    {"len", OP_LEN, FORM_CALL, 0, 1, 1, "b", 'i'},
    {"substr", OP_SUBSTR, FORM_CALL, 0, 2, 3, "bi", 'b'},
    {"contains", OP_CONTAINS, FORM_CALL, 0, 2, 2, "b", 'c'},
    {"starts_with", OP_STARTS_WITH, FORM_CALL, 0, 2, 2, "b", 'c'},
    {"ends_with", OP_ENDS_WITH, FORM_CALL, 0, 2, 2, "b", 'c'},
    {"matches", OP_MATCHES, FORM_CALL, 0, 2, 2, "br", 'c'},
    {"extract", OP_EXTRACT, FORM_CALL, 0, 2, 2, "br", 'b'},
    {"lower", OP_LOWER, FORM_CALL, 0, 1, 1, "b", 'b'},
    {"upper", OP_UPPER, FORM_CALL, 0, 1, 1, "b", 'b'},
    {"trim", OP_TRIM, FORM_CALL, 0, 1, 1, "b", 'b'},
    {"concat", OP_CONCAT, FORM_CALL, 0, 1, ANY, "b", 'b'},
    {"if", OP_IF, FORM_CALL, 0, 3, 3, "cx", 'u'},
    {"coalesce", OP_COALESCE, FORM_CALL, 0, 1, ANY, "x", 'u'},
    {"is_null", OP_IS_NULL, FORM_CALL, 0, 1, 1, "x", 'c'},
    {"in", OP_IN, FORM_CALL, 0, 2, ANY, "e", 'c'},
    {"lookup", OP_LOOKUP, FORM_CALL, 0, 2, 2, "lb", 'b'},
    {"tuple", OP_TUPLE, FORM_CALL, 0, 1, ANY, "t", 'T'},
    {"optional", OP_OPTIONAL, FORM_CALL, 0, 1, 1, "t", 'O'},
    {"item", OP_ITEM, FORM_CALL, 0, 2, 2, "Tm", 'I'},
    {"abs", OP_ABS, FORM_CALL, 0, 1, 1, "n", 'u'},
    {"floor", OP_FLOOR, FORM_CALL, 0, 1, 1, "n", 'u'},
    {"ceil", OP_CEIL, FORM_CALL, 0, 1, 1, "n", 'u'},
    {"round", OP_ROUND, FORM_CALL, 0, 1, 1, "n", 'u'},
    {"min", OP_MIN, FORM_CALL, 0, 1, ANY, "v", 'u'},
    {"max", OP_MAX, FORM_CALL, 0, 1, ANY, "v", 'u'},
    {"year", OP_YEAR, FORM_CALL, 0, 1, 1, "b", 'b'},
    {"month", OP_MONTH, FORM_CALL, 0, 1, 1, "b", 'b'},
    {"date", OP_DATE, FORM_CALL, 0, 1, 1, "b", 'b'},
    {"hour", OP_HOUR, FORM_CALL, 0, 1, 1, "b", 'b'},
};

#define FUNCTIONS (sizeof functions / sizeof *functions)

const expr_function *expr_function_find(const char *name, size_t size, size_t count, const expr_function **named)
{
    *named = NULL;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const expr_function *f = &functions[i];
        if (strlen(f->name) != size || memcmp(f->name, name, size))
            continue;
        if (!*named)
            *named = f;
        if (count >= f->least && count <= f->most)
            return f;
    }
    return NULL;
}

const char *expr_function_near(const char *name, size_t size)
{
    const char *names[FUNCTIONS + 1];
    char copy[64];
    if (size >= sizeof copy)
        return NULL;
    memcpy(copy, name, size);
    copy[size] = '\0';
    size_t n = 0;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        char c = functions[i].name[0];
        if (c >= 'a' && c <= 'z') /* an operator's sign is near to every short name */
            names[n++] = functions[i].name;
    }
    names[n++] = "null";
    return error_nearest(copy, names, n);
}
