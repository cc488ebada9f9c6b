/* Records with their sides left out, exchanged, packed into an element or taken out of one. Where columns only change
 * places nothing is touched; tuples are built in a buffer of the operator's own, in as many batches as it takes. */
#include <stdlib.h>

#include "base/error.h"
#include "exec/chain.h"
#include "exec/gather.h"
#include "exec/item.h"

#define PROJECT_BYTES (64u << 10) /* of the buffer, unless one record needs more */

/* Where a side of what goes out comes from. */
typedef enum side_from { FROM_NOTHING, FROM_KEY, FROM_VALUE } side_from;

typedef struct project project;
/* Makes a record's key and value in `to`; returns bytes used, or an error below 0. */
typedef int64_t (*project_make)(const project *p, const sdf_slice *key, const sdf_slice *value, uint8_t *to,
                                sdf_slice *new_key, sdf_slice *new_value, sdf_error **err);
typedef size_t (*project_need)(const project *p, const sdf_slice *key, const sdf_slice *value);

struct project {
    op base;
    op_types in, to;
    type_kind key, value; /* that come out */
    side_from key_from, value_from;
    project_make make; /* NULL: columns change places */
    project_need need;
    gathered *made;
    uint8_t *bytes;
    size_t used, capacity;
};

/* ---- columns that change places ---- */

static sdf_column column_from_side(const sdf_batch *batch, side_from from)
{
    sdf_column c;
    if (from != FROM_NOTHING)
        return from == FROM_KEY ? batch->key : batch->value;
    column_set_null(&c);
    return c;
}

static int move_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    const project *p = (const project *)self;
    sdf_batch moved = {.count = batch->count, .offsets = batch->offsets};
    moved.key = column_from_side(batch, p->key_from);
    moved.value = column_from_side(batch, p->value_from);
    return op_push(self->next, &moved, err);
}

/* ---- tuples ---- */

static size_t pack_need(const project *p, const sdf_slice *key, const sdf_slice *value)
{
    return element_room(p->in, key, value);
}

static int64_t pack_make(const project *p, const sdf_slice *key, const sdf_slice *value, uint8_t *to,
                         sdf_slice *new_key, sdf_slice *new_value, sdf_error **err)
{
    *new_key = (sdf_slice){to, element_write(to, p->in, key, value)};
    *new_value = (sdf_slice){NULL, 0};
    return (int64_t)new_key->size;
}

static size_t unpack_need(const project *p, const sdf_slice *key, const sdf_slice *value)
{
    return (p->key_from == FROM_KEY ? key : value)->size + ELEMENT_NUMBERS;
}

static int64_t unpack_make(const project *p, const sdf_slice *key, const sdf_slice *value, uint8_t *to,
                           sdf_slice *new_key, sdf_slice *new_value, sdf_error **err)
{
    const sdf_slice *element = p->key_from == FROM_KEY ? key : value;
    int rc = element_split(p->to, element, to, new_key, new_value, err);
    return rc ? rc : (int64_t)(element->size + ELEMENT_NUMBERS);
}

static size_t exchange_need(const project *p, const sdf_slice *key, const sdf_slice *value)
{
    return value->size;
}

/* Items are whole in themselves, so it is enough to know where the first one ends. */
static int64_t exchange_make(const project *p, const sdf_slice *key, const sdf_slice *value, uint8_t *to,
                             sdf_slice *new_key, sdf_slice *new_value, sdf_error **err)
{
    static const op_types whole = {SDF_ANY, SDF_ANY};
    sdf_slice left, right;
    int rc = element_split(whole, value, NULL, &left, &right, err);
    if (rc)
        return rc;
    to[0] = SDF_ITEM_TUPLE;
    memcpy(to + 1, right.data, right.size);
    memcpy(to + 1 + right.size, left.data, left.size);
    to[1 + right.size + left.size] = SDF_ITEM_TUPLE_END;
    *new_key = *key;
    *new_value = (sdf_slice){to, left.size + right.size + 2};
    return (int64_t)new_value->size;
}

/* Hands on records [first, first + count) of a batch, as they were made. */
static int made_push(project *p, const sdf_batch *batch, size_t first, size_t count, sdf_error **err)
{
    sdf_batch made = gathered_batch(p->made, p->key, p->value, count);
    if (batch->offsets)
        made.offsets = batch->offsets + first;
    int rc = count ? op_push(p->base.next, &made, err) : SDF_OK;
    poison(p->bytes, p->used);
    p->used = 0;
    return rc;
}

/* Nothing refers to the buffer when it is asked to grow. */
static int bytes_grow(project *p, size_t size, sdf_error **err)
{
    budget *b = p->base.env->budget;
    free(p->bytes);
    budget_give(b, p->capacity);
    p->bytes = NULL;
    p->capacity = 0;
    size = size < PROJECT_BYTES ? PROJECT_BYTES : size;
    int rc = budget_take(b, size, NULL, err);
    if (rc)
        return rc;
    p->capacity = size;
    p->bytes = malloc(size);
    return p->bytes ? SDF_OK : error_no_memory(err);
}

static int make_push(op *self, const sdf_batch *batch, sdf_error **err)
{
    project *p = (project *)self;
    size_t first = 0;
    int rc = SDF_OK;
    for (size_t i = 0; i < batch->count && !rc; i++) {
        sdf_slice key = column_get(&batch->key, i), value = column_get(&batch->value, i), new_key, new_value;
        size_t need = p->need(p, &key, &value);
        if (need > p->capacity - p->used) {
            rc = made_push(p, batch, first, i - first, err);
            first = i;
            if (!rc && need > p->capacity)
                rc = bytes_grow(p, need, err);
            if (rc)
                return rc;
        }
        int64_t used = p->make(p, &key, &value, p->bytes + p->used, &new_key, &new_value, err);
        if (used < 0)
            return (int)used;
        gathered_set(&p->made->keys, type_is_number(p->key), i - first, new_key);
        gathered_set(&p->made->values, type_is_number(p->value), i - first, new_value);
        p->used += (size_t)used;
    }
    return rc ? rc : made_push(p, batch, first, batch->count - first, err);
}

/* ---- the operator ---- */

static int project_finish(op *self, sdf_error **err)
{
    return op_finish(self->next, err);
}

static void project_close(op *self)
{
    project *p = (project *)self;
    free(p->made);
    free(p->bytes);
    budget_give(self->env->budget, p->capacity);
    free(p);
}

static void project_moves(project *p, side_from key, side_from value)
{
    p->key_from = key;
    p->value_from = value;
}

static void project_makes(project *p, side_from element, project_need need, project_make make)
{
    p->key_from = element;
    p->need = need;
    p->make = make;
    p->base.push = make_push;
}

/* An element on one side becomes a record of types `to`. */
static void project_unpacks(project *p, side_from element)
{
    if (p->key == TYPE_NULL)
        project_moves(p, FROM_NOTHING, element);
    else if (p->value == TYPE_NULL)
        project_moves(p, element, FROM_NOTHING);
    else
        project_makes(p, element, unpack_need, unpack_make);
}

static int project_plan(project *p, plan_project kind, sdf_error **err)
{
    switch (kind) {
    case PLAN_PROJECT_VALUE:
        project_moves(p, FROM_NOTHING, FROM_VALUE);
        return SDF_OK;
    case PLAN_PROJECT_KEY:
        project_moves(p, FROM_NOTHING, FROM_KEY);
        return SDF_OK;
    case PLAN_PROJECT_KEY_ONLY:
        project_moves(p, FROM_KEY, FROM_NOTHING);
        return SDF_OK;
    case PLAN_PROJECT_SWAP:
        project_moves(p, FROM_VALUE, FROM_KEY);
        return SDF_OK;
    case PLAN_PROJECT_ELEMENT:
        if (element_is_tuple(p->in))
            project_makes(p, FROM_NOTHING, pack_need, pack_make);
        else
            project_moves(p, type_of(p->in.key) == TYPE_NULL ? FROM_VALUE : FROM_KEY, FROM_NOTHING);
        return SDF_OK;
    case PLAN_PROJECT_UNELEMENT:
        project_unpacks(p, FROM_KEY);
        return SDF_OK;
    case PLAN_PROJECT_UNVALUE:
        project_unpacks(p, FROM_VALUE);
        return SDF_OK;
    case PLAN_PROJECT_SWAP_SIDES:
        project_makes(p, FROM_VALUE, exchange_need, exchange_make);
        return SDF_OK;
    }
    return error_set(err, SDF_E_INVALID, "records can't be projected in way %d", (int)kind);
}

int project_open(task_env *env, plan_project kind, op_types in, op_types to, op *next, op **out, sdf_error **err)
{
    project *p = calloc(1, sizeof *p);
    if (!p)
        return error_no_memory(err);
    p->base = (op){.push = move_push, .finish = project_finish, .close = project_close, .next = next, .env = env};
    p->base.origins = next->origins;
    p->in = in;
    p->to = to;
    p->key = type_of(to.key);
    p->value = type_of(to.value);
    int rc = project_plan(p, kind, err);
    if (!rc && p->make && !(p->made = malloc(sizeof *p->made)))
        rc = error_no_memory(err);
    if (rc) {
        project_close(&p->base);
        return rc;
    }
    *out = &p->base;
    return SDF_OK;
}

int project_new(task_env *env, const plan_op *spec, op_types in, op *next, op **out, sdf_error **err)
{
    if (spec->call.arg.size != 1)
        return error_set(err, SDF_E_INVALID, "the plan does not say what \"%s\" makes of a record", spec->call.label);
    return project_open(env, (plan_project)spec->call.arg.data[0], in, (op_types){spec->key_type, spec->value_type},
                        next, out, err);
}
