/* Handles: references to lineage nodes, which transformations make from others. Nothing runs here, and nothing fails
 * but for lack of memory. */
#include "api/internal.h"

#include "base/versioned.h"

/* ---- the context's list ---- */

static void handle_link(sdf_context *c, sdf_rdd *rdd)
{
    rdd->next = c->handles;
    if (rdd->next)
        rdd->next->previous = rdd;
    c->handles = rdd;
}

static void handle_unlink(sdf_context *c, sdf_rdd *rdd)
{
    if (rdd->previous)
        rdd->previous->next = rdd->next;
    else
        c->handles = rdd->next;
    if (rdd->next)
        rdd->next->previous = rdd->previous;
}

sdf_rdd *handle_new(sdf_context *c, const node_spec *spec)
{
    sdf_rdd *rdd = calloc(1, sizeof *rdd);
    if (!rdd)
        return NULL;
    node_spec numbered = *spec;
    pthread_mutex_lock(&c->lineage);
    numbered.id = c->next_node++;
    rdd->context = c;
    rdd->node = node_new(&numbered);
    if (rdd->node)
        handle_link(c, rdd);
    pthread_mutex_unlock(&c->lineage);
    if (rdd->node)
        return rdd;
    free(rdd);
    return NULL;
}

void sdf_rdd_free(sdf_rdd *rdd)
{
    if (!rdd)
        return;
    sdf_context *c = rdd->context;
    pthread_mutex_lock(&c->lineage);
    handle_unlink(c, rdd);
    node_unref(rdd->node, context_drop_stage, c);
    pthread_mutex_unlock(&c->lineage);
    free(rdd);
}

int handle_check(const sdf_rdd *rdd, const char *what, sdf_error **err)
{
    if (!rdd) {
        error_set(err, SDF_E_INVALID, "%s: the handle is NULL", what);
        error_hint(err, "a transformation gives NULL for NULL: look for the first one of them");
        return SDF_E_INVALID;
    }
    int rc = context_enter(rdd->context, what, err);
    if (rc || !rdd->node->error)
        return rc;
    if (err)
        *err = error_copy(rdd->node->error);
    return sdf_error_code(rdd->node->error);
}

const char *sdf_rdd_key_type(const sdf_rdd *rdd)
{
    return rdd && !rdd->node->error ? rdd->node->key_type : "";
}

const char *sdf_rdd_value_type(const sdf_rdd *rdd)
{
    return rdd && !rdd->node->error ? rdd->node->value_type : "";
}

const sdf_error *sdf_rdd_error(const sdf_rdd *rdd)
{
    return rdd ? rdd->node->error : NULL;
}

sdf_rdd *sdf_rdd_set_name(sdf_rdd *rdd, const char *name)
{
    if (!rdd)
        return NULL;
    pthread_mutex_lock(&rdd->context->lineage);
    node_set_name(rdd->node, name); /* without memory it keeps the name it has */
    pthread_mutex_unlock(&rdd->context->lineage);
    return rdd;
}

sdf_rdd *sdf_rdd_on_error(sdf_rdd *rdd, int errors)
{
    if (!rdd)
        return NULL;
    pthread_mutex_lock(&rdd->context->lineage);
    node_set_errors(rdd->node, (plan_errors)errors);
    pthread_mutex_unlock(&rdd->context->lineage);
    return rdd;
}

void options_copy(void *to, size_t size, const void *options, const char *what, sdf_error **err)
{
    memset(to, 0, size);
    if (options && versioned_copy(to, size, 0, options, what, err))
        error_hint(err, "begin with %s_init, of the version of the library that runs", what);
}

/* ---- made from others ---- */

sdf_rdd *handle_from(sdf_rdd *parent, node_spec *spec)
{
    if (!parent)
        return NULL;
    spec->parents = &parent->node;
    spec->parent_count = 1;
    return handle_new(parent->context, spec);
}

sdf_rdd *handle_then(sdf_rdd *parent, node_spec *spec)
{
    sdf_rdd *rdd = handle_from(parent, spec);
    sdf_rdd_free(parent);
    return rdd;
}

/* With the parents' nodes in a list of their own. */
static sdf_rdd *from_list(sdf_rdd *const *parents, size_t count, node_spec *spec)
{
    node **nodes = malloc((count + 1) * sizeof *nodes);
    sdf_error *err = NULL;
    size_t n = 0;
    if (!nodes)
        return NULL;
    for (; n < count && !err; n++) {
        nodes[n] = parents[n]->node;
        if (parents[n]->context == parents[0]->context)
            continue;
        error_set(&err, SDF_E_INVALID, "%s: collection %zu is of another context than the first", spec->operation,
                  n + 1);
        error_hint(&err, "make all of them from one sdf_context; between two, save and read again");
        n--; /* a node of one context can't keep one of another */
    }
    spec->parents = nodes;
    spec->parent_count = (uint32_t)n;
    if (err)
        spec->error = err;
    sdf_rdd *rdd = handle_new(parents[0]->context, spec);
    sdf_error_free(err);
    free(nodes);
    return rdd;
}

sdf_rdd *handle_from_all(sdf_rdd *const *parents, size_t count, node_spec *spec)
{
    if (!parents || !count)
        return NULL; /* no context is known that could own a handle */
    for (size_t i = 0; i < count; i++)
        if (!parents[i])
            return NULL;
    if (count <= PLAN_BRANCHES_MAX)
        return from_list(parents, count, spec);
    sdf_error *err = NULL;
    error_set(&err, SDF_E_LIMIT, "%s: %zu collections are more than the %u allowed", spec->operation, count,
              PLAN_BRANCHES_MAX);
    error_hint(&err, "unite them in groups, or name many files in one source");
    spec->error = err;
    sdf_rdd *rdd = from_list(parents, 1, spec);
    sdf_error_free(err);
    return rdd;
}

sdf_rdd *handle_project(sdf_rdd *parent, const char *operation, plan_project project, const char *key_type,
                        const char *value_type)
{
    uint8_t which = (uint8_t)project;
    return handle_from(parent, &(node_spec){NODE_NARROW, .operation = operation, .op = PLAN_OP_PROJECT,
                                            .arg = {&which, 1}, .key_type = key_type, .value_type = value_type});
}
