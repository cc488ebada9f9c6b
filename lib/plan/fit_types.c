/* The types of operators that call no function: expressions, projections, and what several collections become together.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/expr.h"
#include "plan/lineage.h"
#include "spec/type.h"

int fit_set(char **type, const char *text, sdf_error **err)
{
    char *canonical = NULL;
    int rc = type_parse(text, &canonical, err);
    if (rc)
        return rc;
    free(*type);
    *type = canonical;
    return SDF_OK;
}

static int set_types(node *n, const char *key, const char *value, sdf_error **err)
{
    int rc = fit_set(&n->key_type, key, err);
    return rc ? rc : fit_set(&n->value_type, value, err);
}

/* ---- expressions ---- */

static int take_expression(node *n, int i, expr *e, sdf_error **err)
{
    if (!e && n->op == PLAN_OP_FILTER_EXPR)
        return error_set(err, SDF_E_INVALID, "%s: it was given no condition", n->label);
    const sdf_error *bad = e ? expr_error(e) : NULL;
    if (bad) {
        sdf_error *why = error_copy(bad);
        error_prefix(&why, "%s", n->label);
        return error_move(err, &why);
    }
    n->exprs[i] = e ? expr_ref(e) : expr_make_null();
    return n->exprs[i] ? SDF_OK : error_no_memory(err);
}

/* Checks one expression against the records of the parent; *type lives as long as the expression. */
static int check_expression(node *n, int i, const char **type, sdf_error **err)
{
    const node *parent = n->parents[0];
    expr_input in = {.key_type = parent->key_type,
                     .value_type = parent->value_type,
                     .format = parent->rows ? &parent->rows->format : NULL,
                     .columns = parent->rows ? parent->rows->format.columns : NULL};
    sdf_error *why = NULL;
    if (expr_check(n->exprs[i], &in, type, &why) == SDF_OK)
        return SDF_OK;
    error_prefix(&why, "%s", n->label);
    return error_move(err, &why);
}

/* Does the expression give the value as it stands, so that rows remain rows? */
static bool is_value(const expr *e)
{
    char *text = expr_text(e);
    bool same = text && !strcmp(text, "value");
    free(text);
    return same;
}

static int fit_condition(node *n, sdf_error **err)
{
    const char *type;
    int rc = check_expression(n, 0, &type, err);
    if (rc)
        return rc;
    if (strcmp(type, "bool")) {
        error_set(err, SDF_E_TYPE, "%s: the condition is of type %s, not bool", n->label, type);
        error_hint(err, "compare it with something: ... != 0");
        return SDF_E_TYPE;
    }
    n->rows = n->parents[0]->rows;
    return set_types(n, n->parents[0]->key_type, n->parents[0]->value_type, err);
}

int fit_expressions(node *n, const node_spec *spec, sdf_error **err)
{
    int count = n->op == PLAN_OP_FILTER_EXPR ? 1 : 2, rc = SDF_OK;
    for (int i = 0; i < count && !rc; i++)
        rc = take_expression(n, i, spec->exprs[i], err);
    if (rc)
        return rc;
    if (count == 1)
        return fit_condition(n, err);
    char **types[2] = {&n->key_type, &n->value_type};
    for (int i = 0; i < 2; i++) {
        const char *type;
        rc = check_expression(n, i, &type, err);
        if (!rc && !strcmp(type, "bool")) {
            rc = error_set(err, SDF_E_TYPE, "%s: the %s would be of type bool, which records can't hold", n->label,
                           i ? "value" : "key");
            error_hint(err, "make a number of it: if(..., 1, 0)");
        }
        rc = rc ? rc : fit_set(types[i], type, err);
        if (rc)
            return rc;
    }
    n->rows = is_value(n->exprs[1]) ? n->parents[0]->rows : NULL;
    return SDF_OK;
}

/* ---- projections ---- */

static bool is_pair(const char *type)
{
    int depth = 0, commas = 0;
    if (type_of(type) != TYPE_TUPLE)
        return false;
    for (const char *at = type; *at; at++) {
        depth += (*at == '(') - (*at == ')');
        commas += *at == ',' && depth == 1;
    }
    return commas == 1;
}

/* tuple(A,B) to tuple(B,A). */
static int swap_sides(node *n, const char *value, sdf_error **err)
{
    if (!is_pair(value))
        return error_set(err, SDF_E_TYPE, "%s: values of type %s have not two sides", n->label, value);
    const char *first = value + strlen("tuple("), *comma = first, *end = value + strlen(value) - 1;
    for (int depth = 0; *comma != ',' || depth; comma++)
        depth += (*comma == '(') - (*comma == ')');
    buf b = BUF_EMPTY;
    int rc = buf_printf(&b, "tuple(%.*s,%.*s)%c", (int)(end - comma - 1), comma + 1, (int)(comma - first), first, 0);
    rc = rc ? error_no_memory(err) : fit_set(&n->value_type, (char *)b.data, err);
    buf_free(&b);
    return rc;
}

/* The records that elements of type `element` were made of, as spec says. */
static int unelement(node *n, const node_spec *spec, const char *element, sdf_error **err)
{
    int rc = set_types(n, spec->key_type, spec->value_type, err);
    if (rc)
        return rc;
    char *made = type_element(n->key_type, n->value_type);
    if (!made)
        return error_no_memory(err);
    if (!type_equal(made, element))
        rc = error_set(err, SDF_E_TYPE, "%s: elements of type %s are none of records (%s, %s)", n->label, element,
                       n->key_type, n->value_type);
    free(made);
    return rc;
}

int fit_projection(node *n, const node_spec *spec, sdf_error **err)
{
    node *parent = n->parents[0];
    const char *key = parent->key_type, *value = parent->value_type;
    char *element;
    int rc;
    switch (n->call.arg.size == 1 ? n->call.arg.data[0] : 0) {
    case PLAN_PROJECT_VALUE:
        n->rows = parent->rows;
        return set_types(n, SDF_NULL, value, err);
    case PLAN_PROJECT_KEY:
        return set_types(n, SDF_NULL, key, err);
    case PLAN_PROJECT_KEY_ONLY:
        return set_types(n, key, SDF_NULL, err);
    case PLAN_PROJECT_SWAP:
        return set_types(n, value, key, err);
    case PLAN_PROJECT_ELEMENT:
        element = type_element(key, value);
        rc = element ? set_types(n, element, SDF_NULL, err) : error_no_memory(err);
        free(element);
        return rc;
    case PLAN_PROJECT_UNELEMENT:
        return unelement(n, spec, key, err);
    case PLAN_PROJECT_UNVALUE:
        rc = unelement(n, spec, value, err);
        if (!rc && type_of(n->key_type) == TYPE_NULL)
            n->rows = parent->rows; /* the value is the element */
        return rc;
    case PLAN_PROJECT_SWAP_SIDES:
        rc = swap_sides(n, value, err);
        return rc ? rc : fit_set(&n->key_type, key, err);
    default:
        return error_set(err, SDF_E_INVALID, "%s: there is no such projection", n->label);
    }
}

/* ---- several collections ---- */

static int check_count(const node *n, sdf_error **err)
{
    bool many = n->kind == NODE_UNION || n->kind == NODE_COGROUP;
    bool two = n->kind == NODE_COGROUP && n->how >= PLAN_COGROUP_INNER;
    if (!n->parent_count)
        return error_set(err, SDF_E_INVALID, "%s: no collection was given", n->label);
    if ((!many && n->parent_count != 1) || (two && n->parent_count != 2))
        return error_set(err, SDF_E_INVALID, "%s takes %s, not %u", n->label,
                         two ? "two collections" : "one collection", n->parent_count);
    if (n->kind == NODE_COGROUP && n->parent_count > PLAN_SOURCES_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: %u collections are more than the %u that are brought together at once",
                  n->label, n->parent_count, PLAN_SOURCES_MAX);
        error_hint(err, "tag the values and unite them with sdf_union, or do it in several steps");
        return SDF_E_LIMIT;
    }
    if (n->kind == NODE_COALESCE && !n->partitions)
        return error_set(err, SDF_E_INVALID, "%s: 0 partitions; it needs at least 1", n->label);
    return SDF_OK;
}

static int check_agree(const node *n, sdf_error **err)
{
    for (uint32_t i = 1; i < n->parent_count; i++) {
        const node *a = n->parents[0], *b = n->parents[i];
        bool value = n->kind == NODE_UNION && !type_equal(a->value_type, b->value_type);
        if (!value && type_equal(a->key_type, b->key_type))
            continue;
        error_set(err, SDF_E_TYPE, "%s: %ss of %s are of type %s, those of %s of type %s", n->label,
                  value ? "value" : "key", a->label, value ? a->value_type : a->key_type, b->label,
                  value ? b->value_type : b->key_type);
        error_hint(err, "convert one of them with a map before");
        return SDF_E_TYPE;
    }
    return SDF_OK;
}

static int check_join(const node *n, sdf_error **err)
{
    bool joins = n->kind == NODE_COGROUP && n->how >= PLAN_COGROUP_INNER && n->how <= PLAN_COGROUP_FULL;
    if (!joins || n->join < JOIN_BROADCAST_LEFT)
        return SDF_OK;
    bool left = n->join == JOIN_BROADCAST_LEFT;
    if (n->how == PLAN_COGROUP_INNER || (left ? n->how == PLAN_COGROUP_RIGHT : n->how == PLAN_COGROUP_LEFT))
        return SDF_OK;
    error_set(err, SDF_E_INVALID,
              "%s: a %s join can't hold its %s side as a table: no task would know which of its "
              "records went without a match",
              n->label,
              n->how == PLAN_COGROUP_FULL   ? "full"
              : n->how == PLAN_COGROUP_LEFT ? "left"
                                            : "right",
              left ? "left" : "right");
    error_hint(err, "%s",
               n->how == PLAN_COGROUP_FULL ? "use SDF_JOIN_PARTITIONED"
               : left                      ? "use SDF_JOIN_BROADCAST_RIGHT or SDF_JOIN_PARTITIONED"
                                           : "use SDF_JOIN_BROADCAST_LEFT or SDF_JOIN_PARTITIONED");
    return SDF_E_INVALID;
}

/* Rows of delimited text, or of JSON, all of them? Expressions are bound for each by itself, so columns may differ. */
static node *common_rows(const node *n)
{
    node *rows = n->parents[0]->rows;
    for (uint32_t i = 1; i < n->parent_count && rows; i++)
        if (!n->parents[i]->rows || n->parents[i]->rows->format.kind != rows->format.kind)
            rows = NULL;
    return rows;
}

int fit_parents(node *n, sdf_error **err)
{
    int rc = check_count(n, err);
    rc = rc ? rc : check_agree(n, err);
    rc = rc ? rc : check_join(n, err);
    if (rc)
        return rc;
    const node *parent = n->parents[0];
    char *element;
    switch (n->kind) {
    case NODE_UNION:
    case NODE_COALESCE:
    case NODE_SORT:
    case NODE_PARTITION:
    case NODE_REPARTITION:
        n->rows = common_rows(n);
        return set_types(n, parent->key_type, parent->value_type, err);
    case NODE_INDEX:
        element = type_element(parent->key_type, parent->value_type);
        rc = element ? set_types(n, element, SDF_I64, err) : error_no_memory(err);
        free(element);
        return rc;
    default:
        return SDF_OK;
    }
}

int fit_cogroup(node *n, sdf_error **err)
{
    const char *key = n->parents[0]->key_type, *left = n->parents[0]->value_type;
    const char *right = n->parent_count > 1 ? n->parents[1]->value_type : NULL;
    const char *form = NULL;
    switch (n->how) {
    case PLAN_COGROUP_LISTS:
        return set_types(n, key, SDF_ANY, err);
    case PLAN_COGROUP_SUBTRACT:
        n->rows = n->parents[0]->rows;
        return set_types(n, key, left, err);
    case PLAN_COGROUP_INTERSECT:
        return set_types(n, key, SDF_NULL, err);
    case PLAN_COGROUP_INNER:
        form = "tuple(%s,%s)%c";
        break;
    case PLAN_COGROUP_LEFT:
        form = "tuple(%s,optional(%s))%c";
        break;
    case PLAN_COGROUP_RIGHT:
        form = "tuple(optional(%s),%s)%c";
        break;
    case PLAN_COGROUP_FULL:
        form = "tuple(optional(%s),optional(%s))%c";
        break;
    case PLAN_COGROUP_CALL:
        break;
    }
    if (!form)
        return error_set(err, SDF_E_INVALID, "%s: there is no such way to bring collections together", n->label);
    buf b = BUF_EMPTY;
    int rc = buf_printf(&b, form, left, right, 0);
    rc = rc ? error_no_memory(err) : set_types(n, key, (char *)b.data, err);
    buf_free(&b);
    return rc;
}
