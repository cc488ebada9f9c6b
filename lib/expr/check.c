/* Checking an expression against what it reads: types from the leaves up, and the names of fields. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/num.h"
#include "expr/check.h"
#include "expr/json.h"

/* ---- columns of delimited text ---- */

#define COLUMNS_LISTED 512 /* that a hint chooses from */

static bool is_column(const char *at, const char *end, const char *name, size_t size)
{
    return (size_t)(end - at) == size && !memcmp(at, name, size);
}

static int refuse_column(const expr *e, const char *columns, sdf_error **err)
{
    char quoted[EXPR_QUOTE_MAX + 4];
    error_set(err, SDF_E_NOT_FOUND, "%s: there is no such column", expr_quote(e, quoted));
    char *copy = strdup(columns);
    const char *names[COLUMNS_LISTED];
    size_t count = 0;
    for (char *at = copy; at && count < COLUMNS_LISTED;) {
        names[count++] = at;
        at = strchr(at, '\n');
        if (at)
            *at++ = '\0';
    }
    const char *near = error_nearest(e->text.data, names, count);
    if (!*columns)
        error_hint(err, "the files have no rows, and so no header that names columns: name them in the options");
    else if (near)
        error_hint(err, "did you mean $%s?", near);
    else if (copy)
        error_hint(err, "the columns are: %.120s%s%s%s", names[0], count > 1 ? ", " : "", count > 1 ? names[1] : "",
                   count > 2 ? ", ..." : "");
    free(copy);
    return SDF_E_NOT_FOUND;
}

/* Rows without names: columns are called by their numbers. */
static int find_number(const expr *e, uint32_t *column, sdf_error **err)
{
    char quoted[EXPR_QUOTE_MAX + 4];
    int64_t n;
    if (num_parse_i64(e->text.data, e->text.size, &n) && n >= 1 && n <= EXPR_COLUMNS_MAX) {
        *column = (uint32_t)n - 1;
        return SDF_OK;
    }
    error_set(err, SDF_E_NOT_FOUND, "%s: the columns have no names", expr_quote(e, quoted));
    error_hint(err, "they are $1, $2, ... up to $%u; names come from a header or the option columns", EXPR_COLUMNS_MAX);
    return SDF_E_NOT_FOUND;
}

static int find_column(const expr *e, const char *columns, uint32_t *column, sdf_error **err)
{
    char quoted[EXPR_QUOTE_MAX + 4];
    uint32_t i = 0, found = 0;
    for (const char *at = columns; at; i++) {
        const char *end = strchr(at, '\n');
        if (is_column(at, end ? end : at + strlen(at), e->text.data, e->text.size) && !found++)
            *column = i;
        at = end ? end + 1 : NULL;
    }
    if (!found)
        return refuse_column(e, columns, err);
    if (found > 1)
        return error_set(err, SDF_E_INVALID, "%s: %u columns have this name", expr_quote(e, quoted), found);
    if (*column >= EXPR_COLUMNS_MAX)
        return error_set(err, SDF_E_LIMIT, "%s: it is column %u; expressions reach the first %u", expr_quote(e, quoted),
                         *column + 1, EXPR_COLUMNS_MAX);
    return SDF_OK;
}

int expr_check_field(const expr *e, const expr_input *in, bool binding, uint32_t *column, sdf_error **err)
{
    char quoted[EXPR_QUOTE_MAX + 4];
    *column = 0;
    bool delimited = in->format && in->format->kind == PLAN_FORMAT_DELIMITED;
    if (in->format && in->format->kind == PLAN_FORMAT_JSON) {
        sdf_error *why = NULL;
        if (json_path_check(e->text.data, e->text.size, &why) == SDF_OK)
            return SDF_OK;
        error_prefix(&why, "%s", expr_quote(e, quoted));
        return error_move(err, &why);
    }
    if (!delimited) {
        error_set(err, SDF_E_TYPE, "%s: the records have no fields", expr_quote(e, quoted));
        error_hint(
            err, "rows of sdf_delimited_file and sdf_json_file do, as long as they are handed on as they are; use key "
                 "and value here");
        return SDF_E_TYPE;
    }
    if (in->columns)
        return find_column(e, in->columns, column, err);
    if (!in->format->header)
        return find_number(e, column, err);
    return !binding ? SDF_OK : error_set(err, SDF_E_INTERNAL, "%s: the columns are not known", expr_quote(e, quoted));
}

/* ---- types ---- */

int expr_check_type(const expr *e, const expr_input *in, expr_type_pool *pool, expr_type *type, sdf_error **err)
{
    static const expr_class literals[] = {[EXPR_LIT_NULL] = CLASS_NULL,
                                          [EXPR_LIT_I64] = CLASS_I64,
                                          [EXPR_LIT_F64] = CLASS_F64,
                                          [EXPR_LIT_BYTES] = CLASS_BYTES};
    uint32_t column;
    if (e->kind == EXPR_FIELD) {
        *type = expr_type_of_class(CLASS_BYTES);
        return expr_check_field(e, in, false, &column, err);
    }
    if (e->kind != EXPR_CALL) {
        *type = expr_type_of_class(literals[e->kind]);
        return SDF_OK;
    }
    if (e->call.function->result == 'k') {
        *type = expr_type_side(in, e->call.function->op);
        return SDF_OK;
    }
    expr_type *args = calloc(e->call.count + 1, sizeof *args);
    if (!args)
        return error_no_memory(err);
    int rc = SDF_OK;
    for (uint32_t i = 0; i < e->call.count && !rc; i++)
        rc = expr_check_type(e->args[i], in, pool, &args[i], err);
    rc = rc ? rc : expr_type_call(e, args, pool, type, err);
    free(args);
    return rc;
}

/* The text, kept by the tree; NULL: no memory. Many may check one tree at once: texts are only ever added in front. */
static const char *keep_text(expr *e, const char *text)
{
    expr_type_text *first = atomic_load(&e->types), *mine;
    for (expr_type_text *t = first; t; t = t->next)
        if (!strcmp(t->text, text))
            return t->text;
    mine = malloc(sizeof *mine + strlen(text) + 1);
    if (!mine)
        return NULL;
    strcpy(mine->text, text);
    mine->next = first;
    while (!atomic_compare_exchange_weak(&e->types, &mine->next, mine))
        ;
    return mine->text;
}

int expr_check_input(const expr_input *in, sdf_error **err)
{
    if (in->format && type_of(in->value_type) != TYPE_BYTES)
        return error_set(err, SDF_E_TYPE, "rows are bytes, but the values are %s", in->value_type);
    return SDF_OK;
}

int expr_check(const expr *e, const expr_input *in, const char **type, sdf_error **err)
{
    expr_type_pool pool = {NULL};
    expr_type t;
    if (!e)
        return error_no_memory(err);
    if (e->kind == EXPR_ERROR) {
        sdf_error *copy = error_copy(expr_error(e));
        return error_move(err, &copy);
    }
    int rc = expr_check_input(in, err);
    rc = rc ? rc : expr_check_type(e, in, &pool, &t, err);
    if (!rc) {
        *type = t.class == CLASS_ENCODED ? keep_text((expr *)e, t.text) : t.text;
        rc = *type ? SDF_OK : error_no_memory(err);
    }
    expr_type_pool_free(&pool);
    return rc;
}
