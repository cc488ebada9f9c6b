/* What is made of the values of a key without a function: lists, and keys that are or are not in other sources. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/cogroup.h"
#include "exec/item.h"
#include "exec/key_text.h"

#define LIST_FIRST (4u << 10)
#define LIST_KEPT  (1u << 20)
#define LIST_LENT  4096 /* a list larger than that is lent to the next operator rather than copied */

/* ---- lists ---- */

/* The tuple of one key's lists so far, in charged memory. */
typedef struct list {
    cogroup *group;
    uint8_t *bytes;
    size_t used, capacity;
} list;

static void list_release(list *l)
{
    free(l->bytes);
    budget_give(l->group->env->budget, l->capacity);
    l->bytes = NULL;
    l->capacity = 0;
}

static int list_too_big(list *l, size_t size, sdf_error **err)
{
    char text[KEY_TEXT_MAX];
    sdf_slice key = cogroup_key(l->group);
    key_text(l->group->kind, &key, text);
    error_set(err, SDF_E_NO_MEMORY,
              "the values of key \"%s\" as one list (%zu bytes so far) do not fit in the %llu bytes of memory of this "
              "task",
              text, l->used + size, (unsigned long long)l->group->env->budget->limit);
    error_hint(err, "raise the setting \"memory\" (--memory), or stream the values of a key with map_groups or "
                    "map_cogroups");
    return SDF_E_NO_MEMORY;
}

static int list_grow(list *l, size_t size, sdf_error **err)
{
    budget *b = l->group->env->budget;
    size_t capacity = l->capacity + l->capacity / 2, least = l->used + size;
    capacity = capacity < LIST_FIRST ? LIST_FIRST : capacity;
    if (capacity < least || !budget_try(b, capacity - l->capacity)) {
        sdf_error *why = NULL;
        capacity = least < LIST_FIRST ? LIST_FIRST : least;
        int rc = budget_take(b, capacity - l->capacity, NULL, &why);
        if (rc == SDF_E_NO_MEMORY) {
            sdf_error_free(why);
            return list_too_big(l, size, err);
        }
        if (rc) {
            error_move(err, &why);
            return rc;
        }
    }
    uint8_t *bigger = realloc(l->bytes, capacity);
    if (!bigger) {
        budget_give(b, capacity - l->capacity);
        return error_no_memory(err);
    }
    l->bytes = bigger;
    l->capacity = capacity;
    return SDF_OK;
}

static inline int list_item(list *l, type_kind kind, const sdf_slice *value, sdf_error **err)
{
    size_t size = item_size(kind, value) + 2; /* and what ends and begins a tuple */
    if (size > l->capacity - l->used) {
        int rc = list_grow(l, size, err);
        if (rc)
            return rc;
    }
    l->used += item_put(l->bytes + l->used, kind, value);
    return SDF_OK;
}

static int list_mark(list *l, uint8_t mark, sdf_error **err)
{
    sdf_slice one = {&mark, 1};
    return list_item(l, TYPE_ANY, &one, err);
}

static int list_source(list *l, sdf_values *v, sdf_error **err)
{
    int rc = list_mark(l, SDF_ITEM_TUPLE, err);
    while (!rc) {
        for (; v->at < v->end && !rc; v->at++) {
            sdf_slice value = column_get(&v->batch.value, v->at);
            rc = list_item(l, v->value, &value, err);
        }
        rc = rc ? rc : cogroup_values(v);
    }
    return rc == SDF_END ? list_mark(l, SDF_ITEM_TUPLE_END, err) : rc;
}

static int list_emit(list *l, sdf_error **err)
{
    cogroup *g = l->group;
    sdf_slice key = cogroup_key(g), value = {l->bytes, l->used};
    sdf_column keys, values;
    int rc;
    out_enter(g->out);
    if (l->used > LIST_LENT) {
        column_set_const(&keys, key.data, key.size);
        column_set_const(&values, value.data, value.size);
        rc = out_emit_views(g->out, 1, &keys, &values);
    } else {
        rc = sdf_emit(g->out, &key, &value);
    }
    rc = out_leave(g->out, rc, NULL, err);
    if (l->capacity > LIST_KEPT)
        list_release(l);
    return rc;
}

int cogroup_lists(cogroup *g, sdf_error **err)
{
    list l = {.group = g};
    int rc;
    while (!(rc = cogroup_next(g))) {
        l.used = 0;
        rc = list_mark(&l, SDF_ITEM_TUPLE, err);
        for (uint32_t i = 0; i < g->count && !rc; i++)
            rc = list_source(&l, &g->sources[i], err);
        rc = rc ? rc : list_mark(&l, SDF_ITEM_TUPLE_END, err);
        rc = rc ? rc : list_emit(&l, err);
        if (rc)
            break;
    }
    list_release(&l);
    return rc == SDF_END ? out_flush(g->out, err) : rc;
}

/* ---- sets ---- */

static uint32_t sources_having(const cogroup *g)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->count; i++)
        n += g->sources[i].has;
    return n;
}

/* The records as they lie in the source's batches. */
static int subtract_emit(cogroup *g, sdf_values *v, sdf_error **err)
{
    int rc = SDF_OK;
    while (!rc) {
        for (; v->at < v->end && !rc; v->at++) {
            sdf_slice key = column_get(&v->batch.key, v->at), value = column_get(&v->batch.value, v->at);
            rc = out_keep(g->out, &key, &value);
        }
        rc = rc ? out_flush(g->out, err) : cogroup_values(v);
    }
    return rc == SDF_END ? SDF_OK : rc;
}

int cogroup_subtract(cogroup *g, sdf_error **err)
{
    int rc;
    g->calling = true; /* what is pending points into batches */
    while (!(rc = cogroup_next(g)))
        if (g->sources[0].has && sources_having(g) == 1 && (rc = subtract_emit(g, &g->sources[0], err)))
            break;
    return rc == SDF_END ? out_flush(g->out, err) : rc;
}

int cogroup_intersect(cogroup *g, sdf_error **err)
{
    static const sdf_slice none = {NULL, 0};
    int rc;
    while (!(rc = cogroup_next(g))) {
        if (sources_having(g) != g->count)
            continue;
        sdf_slice key = cogroup_key(g);
        out_enter(g->out);
        if ((rc = out_leave(g->out, sdf_emit(g->out, &key, &none), NULL, err)))
            break;
    }
    return rc == SDF_END ? out_flush(g->out, err) : rc;
}
