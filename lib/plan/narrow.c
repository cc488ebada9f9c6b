/* One more operator behind every branch of a segment. Expressions are bound here, branch by branch, since each may have
 * its own columns: that is, where the values are still the rows of delimited text or JSON lines as they stand. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/expr.h"
#include "plan/builder.h"

/* ---- whose rows ---- */

int rows_columns(builder *b, const node *source, const char **columns, sdf_error **err)
{
    node_info *info = info_of(b, source);
    if (source->format.kind == PLAN_FORMAT_DELIMITED && !info->has_columns) {
        int rc = splits_columns(source, &info->columns, err);
        if (rc) {
            error_at(err, NULL, source->label);
            return rc;
        }
        info->has_columns = true;
    }
    *columns = info->columns;
    return SDF_OK;
}

/* Rows of two sources that an expression takes as one: the same dialect and columns. */
static int check_same(builder *b, const node *at, const node *one, const node *other, sdf_error **err)
{
    const plan_format *f = &one->format, *g = &other->format;
    const char *columns, *others;
    int rc = rows_columns(b, one, &columns, err);
    rc = rc ? rc : rows_columns(b, other, &others, err);
    if (rc)
        return rc;
    if (f->kind == g->kind && f->delimiter == g->delimiter && f->quote == g->quote && f->escape == g->escape &&
        !strcmp(columns ? columns : "", others ? others : ""))
        return SDF_OK;
    error_set(err, SDF_E_TYPE,
              "%s: the rows come from files with different columns, %s and %s, and nothing tells them "
              "apart any more",
              at->label, one->label, other->label);
    error_hint(err, "take the fields out of them (sdf_select) before they are brought together");
    return SDF_E_TYPE;
}

/* Adds the parents that hand rows on to the list. */
static uint32_t push_parents(const node *n, const node **list, uint32_t count, bool *seen)
{
    uint32_t parents = n->kind == NODE_UNION ? n->parent_count : 1; /* others hand on those of the first */
    for (uint32_t i = 0; i < parents; i++) {
        const node *p = n->parents[i];
        if (!seen[p->slot - 1])
            list[count++] = p;
        seen[p->slot - 1] = true;
    }
    return count;
}

int rows_source(builder *b, const node *n, const node **source, sdf_error **err)
{
    node_info *info = info_of(b, n);
    if (n->kind == NODE_FILES)
        info->source = n;
    *source = info->source;
    if (info->source)
        return SDF_OK;
    const node **list = malloc(b->count * sizeof *list);
    bool *seen = calloc(b->count, sizeof *seen);
    int rc = list && seen ? SDF_OK : error_no_memory(err);
    uint32_t count = 0;
    if (!rc)
        list[count++] = n;
    while (count && !rc) {
        const node *at = list[--count];
        if (at->kind != NODE_FILES)
            count = push_parents(at, list, count, seen);
        else if (!*source)
            *source = at;
        else
            rc = check_same(b, n, *source, at, err);
    }
    free(list);
    free(seen);
    info->source = rc ? NULL : *source;
    return rc;
}

/* ---- expressions ---- */

static int bind(builder *b, const node *n, const node *rows, buf *bound, sdf_error **err)
{
    const node *parent = n->parents[0], *source;
    expr_input in = {.key_type = parent->key_type, .value_type = parent->value_type};
    int rc = SDF_OK;
    buf_clear(bound);
    if (rows) {
        rc = rows_source(b, rows, &source, err);
        rc = rc ? rc : rows_columns(b, source, &in.columns, err);
        if (rc)
            return rc;
        in.format = &source->format;
        if (!in.columns && source->format.header)
            in.columns = ""; /* files without a row: no name stands for anything */
    }
    sdf_error *why = NULL;
    if (expr_bind((expr *const *)n->exprs, n->op == PLAN_OP_FILTER_EXPR ? 1 : 2, &in, bound, &why)) {
        error_prefix(&why, "%s", n->label);
        error_at(&why, NULL, n->label);
        return error_move(err, &why);
    }
    if (bound->size > PLAN_ARG_MAX)
        return error_set(err, SDF_E_LIMIT, "%s: its expressions have %zu bytes; at most %u are carried in a plan",
                         n->label, bound->size, PLAN_ARG_MAX);
    return SDF_OK;
}

/* ---- operators ---- */

static int apply(const node *n, segment *s, uint32_t i, const plan_call *call, sdf_error **err)
{
    segment_branch *branch = &s->branches[i];
    if (branch->plan.op_count == PLAN_OPS_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: more than %u operators in one stage", n->label, PLAN_OPS_MAX);
        error_hint(err, "put several steps into one function, or sdf_persist a collection on the way");
        return SDF_E_LIMIT;
    }
    plan_op *op = segment_add_op(s, i, n->op, call, n->key_type, n->value_type);
    if (!op)
        return error_no_memory(err);
    op->errors = n->errors;
    if (!n->rows)
        branch->rows = NULL;
    if (s->text > PLAN_BYTES_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: the operators of its stage would take more than the %u bytes of a plan",
                  n->label, PLAN_BYTES_MAX);
        error_hint(err, "give less as arguments (sdf_broadcast carries large ones), or unite fewer collections");
        return SDF_E_LIMIT;
    }
    return SDF_OK;
}

int narrow_apply(builder *b, const node *n, segment *s, sdf_error **err)
{
    bool binds = n->op == PLAN_OP_FILTER_EXPR || n->op == PLAN_OP_MAP_EXPR;
    plan_call call = n->call; /* its strings are the node's */
    buf bound = BUF_EMPTY;
    const node *before = NULL;
    int rc = SDF_OK;
    for (uint32_t i = 0; i < s->branch_count && !rc; i++) {
        const node *rows = s->branches[i].rows;
        if (binds && (!i || rows != before)) {
            rc = bind(b, n, rows, &bound, err);
            call.arg = bound;
        }
        before = rows;
        rc = rc ? rc : apply(n, s, i, &call, err);
    }
    buf_free(&bound);
    return rc;
}
