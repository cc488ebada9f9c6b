/* Making, naming, keeping, walking and freeing lineage nodes. What a source was given is checked in define.c; what
 * types and functions mean for the others is in fit.c. */
#include "plan/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/expr.h"

#define LABEL_MAX 256 /* bytes of a name or function that a label shows */
#define ON_STACK  UINT32_MAX

bool node_is_wide(const node *n)
{
    return n->kind >= NODE_AGGREGATE;
}

static bool is_source(const node *n)
{
    return n->kind <= NODE_RANGE;
}

static char *label_make(const char *operation, uint32_t id, const char *name)
{
    buf b = BUF_EMPTY;
    int rc = buf_printf(&b, "%s#%u", operation, id);
    if (!rc && name && *name)
        rc = buf_printf(&b, " %.*s", LABEL_MAX, name);
    if (!rc)
        return buf_take_text(&b);
    buf_free(&b);
    return NULL;
}

static int replace_text(char **field, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return SDF_E_NO_MEMORY;
    free(*field);
    *field = copy;
    return SDF_OK;
}

/* ---- making ---- */

static int take_parents(node *n, const node_spec *spec)
{
    uint32_t count = spec->parent_count, stages = count ? count : 1;
    n->parents = calloc(count + 1, sizeof(node *)); /* one more: none is no lack of memory */
    n->stages = calloc(stages, sizeof *n->stages);
    n->middles = calloc(stages, sizeof *n->middles);
    if (!n->parents || !n->stages || !n->middles)
        return SDF_E_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        n->parents[n->parent_count++] = node_ref(spec->parents[i]);
    return SDF_OK;
}

static int define(node *n, const node_spec *spec, sdf_error **err)
{
    for (uint32_t i = 0; i < n->parent_count; i++)
        if (n->parents[i]->error) {
            *err = error_copy(n->parents[i]->error);
            return sdf_error_code(*err);
        }
    int rc;
    if (spec->error) {
        *err = error_copy(spec->error);
        rc = sdf_error_code(spec->error);
    } else if (n->partitions > PLAN_TASKS_MAX) {
        rc = error_set(err, SDF_E_LIMIT, "%u partitions are more than the %u that are allowed", n->partitions,
                       PLAN_TASKS_MAX);
    } else {
        rc = is_source(n) ? node_define_source(n, spec, err) : node_fit(n, spec, err);
    }
    if (rc)
        error_at(err, NULL, n->label);
    return rc;
}

int node_become_error(node *n)
{
    return replace_text(&n->key_type, "") || replace_text(&n->value_type, "") ? SDF_E_NO_MEMORY : SDF_OK;
}

node *node_new(const node_spec *spec)
{
    node *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->kind = spec->kind;
    n->id = spec->id;
    n->refs = 1;
    n->op = spec->op;
    n->how = spec->how;
    n->join = spec->join;
    n->partitions = spec->partitions;
    n->descending = spec->descending;
    n->split_bytes = spec->split_bytes;
    n->start = spec->start;
    n->step = spec->step;
    n->count = spec->count;
    n->label = label_make(spec->operation, spec->id, spec->function);
    if (!n->label || take_parents(n, spec) || (define(n, spec, &n->error) && node_become_error(n))) {
        node_unref(n, NULL, NULL);
        return NULL;
    }
    return n;
}

/* ---- references ---- */

static void node_release(node *n)
{
    free(n->parents);
    free(n->label);
    free(n->key_type);
    free(n->value_type);
    free(n->state_type);
    free(n->uris);
    free(n->format.columns);
    free(n->call.function);
    free(n->call.label);
    buf_free(&n->call.arg);
    expr_unref(n->exprs[0]);
    expr_unref(n->exprs[1]);
    free(n->stages);
    free(n->middles);
    buf_free(&n->data);
    sdf_error_free(n->error);
    free(n);
}

static void drop_one(void (*drop)(void *user, uint32_t stage), void *user, uint32_t *stage)
{
    if (drop && *stage)
        drop(user, *stage);
    *stage = 0;
}

static void drop_stages(node *n, void (*drop)(void *user, uint32_t stage), void *user)
{
    for (uint32_t i = 0; n->stages && n->middles && i < (n->parent_count ? n->parent_count : 1); i++) {
        drop_one(drop, user, &n->stages[i]);
        drop_one(drop, user, &n->middles[i]);
    }
    drop_one(drop, user, &n->aux_stage);
    drop_one(drop, user, &n->cache_stage);
}

node *node_ref(node *n)
{
    if (n)
        n->refs++;
    return n;
}

void node_unref(node *n, void (*drop)(void *user, uint32_t stage), void *user)
{
    if (!n || --n->refs)
        return;
    node *dead = n; /* a list, no recursion: a lineage may be long */
    while (dead) {
        n = dead;
        dead = n->next_dead;
        for (uint32_t i = 0; i < n->parent_count; i++) {
            node *parent = n->parents[i];
            if (--parent->refs)
                continue;
            parent->next_dead = dead;
            dead = parent;
        }
        drop_stages(n, drop, user);
        node_release(n);
    }
}

/* ---- names and policies ---- */

int node_set_name(node *n, const char *name)
{
    size_t operation = strcspn(n->label, "#");
    char *bare = strndup(n->label, operation);
    char *label = bare ? label_make(bare, n->id, name) : NULL;
    free(bare);
    if (!label)
        return SDF_E_NO_MEMORY;
    if (n->call.label && replace_text(&n->call.label, label)) {
        free(label);
        return SDF_E_NO_MEMORY;
    }
    free(n->label);
    n->label = label;
    return SDF_OK;
}

static bool has_record_errors(const node *n)
{
    if (n->kind == NODE_FILES)
        return n->format.kind != PLAN_FORMAT_BINARY;
    if (n->kind != NODE_NARROW)
        return false;
    switch (n->op) {
    case PLAN_OP_MAP:
    case PLAN_OP_FLAT_MAP:
    case PLAN_OP_FILTER:
    case PLAN_OP_MAP_VALUES:
    case PLAN_OP_FLAT_MAP_VALUES:
    case PLAN_OP_KEY_BY:
    case PLAN_OP_FILTER_EXPR:
    case PLAN_OP_MAP_EXPR:
        return true;
    default:
        return false;
    }
}

void node_set_errors(node *n, plan_errors policy)
{
    if (n->error)
        return;
    if ((unsigned)policy > PLAN_ERRORS_DIVERT) {
        error_set(&n->error, SDF_E_INVALID, "%s: there is no policy %u for record errors", n->label, (unsigned)policy);
        error_hint(&n->error, "it is SDF_ERRORS_FAIL, SDF_ERRORS_SKIP or SDF_ERRORS_DIVERT");
    } else if (!has_record_errors(n)) {
        error_set(&n->error, SDF_E_INVALID, "%s has no records that it could leave out", n->label);
        error_hint(&n->error, "text sources, operators that call a map, flat_map or filter function for each record, "
                              "and those by expressions take a policy for record errors");
    } else if (n->refs > 1 || n->cache_stage) {
        error_set(&n->error, SDF_E_INVALID, "%s was used already; its policy for record errors can't change any more",
                  n->label);
        error_hint(&n->error, "set it right after the collection is made");
    } else {
        n->errors = policy;
        return;
    }
    error_at(&n->error, NULL, n->label);
    if (n->refs == 1)         /* what was made from it stays good, and needs its types */
        node_become_error(n); /* without memory its types stay; n->error counts */
}

void node_set_persist(node *n, bool persist, void (*drop)(void *user, uint32_t stage), void *user)
{
    n->persist = persist && !n->error;
    if (!n->persist)
        drop_one(drop, user, &n->cache_stage);
}

/* ---- walking ---- */

typedef struct walk {
    node **order;
    uint32_t count, room;
    struct step {
        node *n;
        uint32_t next; /* parent to look at */
    } * stack;
    uint32_t depth, stack_room;
} walk;

static int grow(void *array_at, uint32_t *room, size_t element)
{
    void *array;
    memcpy(&array, array_at, sizeof array);
    uint32_t more = *room ? *room * 2 : 16;
    array = realloc(array, more * element);
    if (!array)
        return SDF_E_NO_MEMORY;
    memcpy(array_at, &array, sizeof array);
    *room = more;
    return SDF_OK;
}

static int walk_push(walk *w, node *n)
{
    if (w->depth == w->stack_room && grow(&w->stack, &w->stack_room, sizeof *w->stack))
        return SDF_E_NO_MEMORY;
    n->slot = ON_STACK;
    w->stack[w->depth++] = (struct step){n, 0};
    return SDF_OK;
}

/* The node on top of the stack: on to its next parent, or it is done. */
static int walk_step(walk *w)
{
    struct step *top = &w->stack[w->depth - 1];
    while (top->next < top->n->parent_count) {
        node *parent = top->n->parents[top->next++];
        if (!parent->slot)
            return walk_push(w, parent);
    }
    if (w->count == w->room && grow(&w->order, &w->room, sizeof *w->order))
        return SDF_E_NO_MEMORY;
    w->order[w->count++] = top->n;
    top->n->slot = w->count;
    w->depth--;
    return SDF_OK;
}

int node_walk(node *target, node ***order, uint32_t *count)
{
    walk w = {0};
    int rc = walk_push(&w, target);
    while (!rc && w.depth)
        rc = walk_step(&w);
    for (uint32_t i = 0; i < w.depth; i++)
        w.stack[i].n->slot = 0;
    free(w.stack);
    if (rc) {
        node_walk_end(w.order, w.count);
        target->slot = 0;
        return rc;
    }
    *order = w.order;
    *count = w.count;
    return SDF_OK;
}

void node_walk_end(node **order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i]->slot = 0;
    free(order);
}

/* ---- forgetting ---- */

static bool is_among(uint32_t stage, const uint32_t *stages, uint32_t count)
{
    for (uint32_t i = 0; stage && i < count; i++)
        if (stages[i] == stage)
            return true;
    return false;
}

int node_forget(node *target, const uint32_t *stages, uint32_t count, void (*drop)(void *user, uint32_t stage),
                void *user)
{
    node **order;
    uint32_t nodes;
    if (!count)
        return SDF_OK;
    if (node_walk(target, &order, &nodes))
        return SDF_E_NO_MEMORY;
    for (uint32_t k = 0; k < nodes; k++) {
        node *n = order[k];
        bool aux = is_among(n->aux_stage, stages, count);
        for (uint32_t i = 0; node_is_wide(n) && i < n->parent_count; i++) {
            if (!aux && !is_among(n->stages[i], stages, count) && !is_among(n->middles[i], stages, count))
                continue;
            drop_one(drop, user, &n->stages[i]);
            drop_one(drop, user, &n->middles[i]);
            aux = n->aux_stage != 0; /* splitters are of no use without what they split */
        }
        if (aux)
            drop_one(drop, user, &n->aux_stage);
        if (is_among(n->cache_stage, stages, count))
            drop_one(drop, user, &n->cache_stage);
    }
    node_walk_end(order, nodes);
    return SDF_OK;
}
