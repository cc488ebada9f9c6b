/* Making, naming and freeing lineage nodes. What types and functions mean for them is in fit.c. */
#include "plan/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "spec/type.h"

#define LABEL_MAX 256 /* bytes of a name or function that a label shows */
#define URIS_MAX  (1u << 20)

bool node_is_wide(const node *n)
{
    return n->kind >= NODE_AGGREGATE;
}

bool node_is_source(const node *n)
{
    return n->kind <= NODE_BINARY;
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

static int check_uris(const char *uris, sdf_error **err)
{
    if (!uris || !*uris) {
        error_set(err, SDF_E_INVALID, "no file was named");
        error_hint(err, "give a path, a glob or a folder");
        return SDF_E_INVALID;
    }
    if (strlen(uris) > URIS_MAX)
        return error_set(err, SDF_E_LIMIT, "the names of the input have more than %u bytes", URIS_MAX);
    return SDF_OK;
}

static int check_binary(node *n, sdf_error **err)
{
    if (!n->record_bytes) {
        error_set(err, SDF_E_INVALID, "record_bytes is 0");
        error_hint(err, "set record_bytes in the options: the length of one record");
        return SDF_E_INVALID;
    }
    if (n->key_bytes > n->record_bytes)
        return error_set(err, SDF_E_INVALID, "key_bytes is %u, more than the %u bytes of a record", n->key_bytes,
                         n->record_bytes);
    return SDF_OK;
}

static int set_types(node *n, const char *key, const char *value, sdf_error **err)
{
    int rc = type_parse(key, &n->key_type, err);
    return rc ? rc : type_parse(value, &n->value_type, err);
}

static int define_source(node *n, const node_spec *spec, sdf_error **err)
{
    if (n->kind == NODE_PARALLELIZE)
        return set_types(n, spec->key_type, spec->value_type, err);
    int rc = check_uris(spec->uris, err);
    if (rc)
        return rc;
    if (!(n->uris = strdup(spec->uris)))
        return error_no_memory(err);
    if (n->kind == NODE_TEXT)
        return set_types(n, SDF_NULL, SDF_BYTES, err);
    rc = check_binary(n, err);
    return rc ? rc : set_types(n, n->key_bytes ? SDF_BYTES : SDF_NULL, SDF_BYTES, err);
}

static int define(node *n, const node_spec *spec, sdf_error **err)
{
    if (spec->error) {
        *err = error_copy(spec->error);
        return sdf_error_code(spec->error);
    }
    if (n->partitions > PLAN_TASKS_MAX)
        return error_set(err, SDF_E_LIMIT, "%u partitions are more than the %u that are allowed", n->partitions,
                         PLAN_TASKS_MAX);
    if (node_is_source(n))
        return define_source(n, spec, err);
    if (n->kind == NODE_SORT || n->kind == NODE_PARTITION)
        return set_types(n, n->parent->key_type, n->parent->value_type, err);
    return node_fit(n, spec, err);
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

static void node_release(node *n)
{
    free(n->label);
    free(n->key_type);
    free(n->value_type);
    free(n->state_type);
    free(n->uris);
    free(n->call.function);
    free(n->call.label);
    buf_free(&n->call.arg);
    buf_free(&n->data);
    sdf_error_free(n->error);
    free(n);
}

node *node_new(const node_spec *spec)
{
    node *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->kind = spec->kind;
    n->id = spec->id;
    n->refs = 1;
    n->partitions = spec->partitions;
    n->descending = spec->descending;
    n->split_bytes = spec->split_bytes;
    n->max_line = spec->max_line;
    n->record_bytes = spec->record_bytes;
    n->key_bytes = spec->key_bytes;
    n->parent = node_ref(spec->parent);
    n->label = label_make(spec->operation, spec->id, spec->function);
    if (!n->label) {
        node_unref(n, NULL, NULL);
        return NULL;
    }
    if (n->parent && n->parent->error)
        n->error = error_copy(n->parent->error);
    else if (define(n, spec, &n->error))
        error_at(&n->error, NULL, n->label);
    if (n->error && (replace_text(&n->key_type, "") || replace_text(&n->value_type, ""))) {
        node_unref(n, NULL, NULL);
        return NULL;
    }
    return n;
}

node *node_ref(node *n)
{
    if (n)
        n->refs++;
    return n;
}

void node_unref(node *n, void (*drop)(void *user, uint32_t stage), void *user)
{
    while (n && --n->refs == 0) { /* a loop: a lineage may be long */
        node *parent = n->parent;
        if (drop && n->stage)
            drop(user, n->stage);
        if (drop && n->aux_stage)
            drop(user, n->aux_stage);
        node_release(n);
        n = parent;
    }
}

int node_set_name(node *n, const char *name)
{
    size_t operation = strcspn(n->label, "#");
    char *bare = strndup(n->label, operation);
    char *label = bare ? label_make(bare, n->id, name) : NULL;
    free(bare);
    if (!label)
        return SDF_E_NO_MEMORY;
    free(n->label);
    n->label = label;
    if (n->call.label && replace_text(&n->call.label, label))
        return SDF_E_NO_MEMORY;
    return SDF_OK;
}
