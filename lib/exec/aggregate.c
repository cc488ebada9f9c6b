/* The uniform aggregator: calls of a registered aggregator, or a reduce function dressed as one.
 *
 * A reduce function's state is the value so far: a number's 8 bytes, or the bytes in accounted memory. */
#include "exec/aggregate.h"

#include <stdio.h>

#include "base/error.h"
#include "base/wire.h"

/* State of a reduce function whose values are no numbers. */
typedef struct held_value {
    uint8_t *data;
    uint32_t size, capacity;
} held_value;

void *sdf_memory_alloc(sdf_memory *memory, size_t size)
{
    return memory && memory->arena ? arena_alloc(memory->arena, size) : NULL;
}

/* The library's own aggregators that have loops in fold.c; others are called. */
static aggregate_kernel builtin_kernel(const function *fn, bool merging)
{
    static const struct {
        const char *name;
        aggregate_kernel update, merge;
    } kernels[] = {
        {"sdf.sum.i64", KERNEL_ADD_I64, KERNEL_ADD_I64}, {"sdf.sum.f64", KERNEL_ADD_F64, KERNEL_ADD_F64},
        {"sdf.count", KERNEL_COUNT, KERNEL_ADD_I64},     {"sdf.min.i64", KERNEL_MANY, KERNEL_MANY},
        {"sdf.max.i64", KERNEL_MANY, KERNEL_MANY},       {"sdf.min.f64", KERNEL_MANY, KERNEL_MANY},
        {"sdf.max.f64", KERNEL_MANY, KERNEL_MANY},
    };
    for (size_t i = 0; fn->builtin && i < sizeof kernels / sizeof kernels[0]; i++)
        if (!strcmp(kernels[i].name, fn->def.name))
            return merging ? kernels[i].merge : kernels[i].update;
    return fn->kind == FUNCTION_AGGREGATOR && !merging && fn->aggregator.update_many && !fn->aggregator.variable
               ? KERNEL_MANY
               : KERNEL_EACH;
}

static int aggregate_shape(aggregate *a, const plan_call *spec, sdf_error **err)
{
    const function *fn = a->call.fn;
    if (fn->kind == FUNCTION_REDUCE) {
        a->variable = !type_is_number(a->state);
        a->state_size = a->variable ? sizeof(held_value) : 8;
        return SDF_OK;
    }
    a->vtable = &fn->aggregator;
    a->variable = fn->aggregator.variable;
    a->state_size = fn->aggregator.state_size;
    if (a->variable || !type_is_number(a->state) || a->state_size == 8)
        return SDF_OK;
    error_set(err, SDF_E_TYPE, "aggregator \"%s\" has a fixed state of %u bytes, but its state type is a number of 8",
              spec->function, a->state_size);
    error_hint(err, "declare the state type \"bytes\"");
    error_at(err, spec->function, spec->label);
    return SDF_E_TYPE;
}

static int aggregate_collectors(aggregate *a, bool finishes, sdf_error **err)
{
    if (!(a->shuffled = out_value_new(a->env, a->state, err)))
        return SDF_E_NO_MEMORY;
    if (finishes && !(a->finished = out_value_new(a->env, a->result, err)))
        return SDF_E_NO_MEMORY;
    return SDF_OK;
}

int aggregate_open(aggregate *a, task_env *env, const plan_call *spec, const char *value, const char *state,
                   const char *result, sdf_error **err)
{
    memset(a, 0, sizeof *a);
    a->env = env;
    int rc = call_open(&a->call, env, spec, value, err);
    if (rc)
        return rc;
    function_kind kind = a->call.fn->kind;
    if (!state)
        state = kind == FUNCTION_AGGREGATOR ? a->call.fn->aggregator.state_type : value;
    a->value = type_of(value);
    a->state = type_of(state);
    a->result = type_of(result ? result : state);
    if (kind != FUNCTION_REDUCE && kind != FUNCTION_AGGREGATOR) {
        rc = error_set(err, SDF_E_TYPE, "function \"%s\" neither reduces nor aggregates", spec->function);
        error_at(err, spec->function, spec->label);
    }
    if (!rc && !(rc = aggregate_shape(a, spec, err)))
        rc = aggregate_collectors(a, result != NULL, err);
    if (rc) {
        aggregate_close(a);
        return rc;
    }
    a->update = builtin_kernel(a->call.fn, false);
    a->merge = builtin_kernel(a->call.fn, true);
    return SDF_OK;
}

void aggregate_close(aggregate *a)
{
    out_free(a->shuffled);
    out_free(a->finished);
    call_close(&a->call);
    memset(a, 0, sizeof *a);
}

void aggregate_use(aggregate *a, arena *memory)
{
    a->memory.arena = memory;
}

int aggregate_overflow(aggregate *a, sdf_error **err)
{
    int rc = call_failed(&a->call, SDF_E_LIMIT, "the sum overflows a 64-bit integer", err);
    error_hint(err, "sum as f64, or smaller numbers");
    return rc;
}

/* What a call of the vtable answered. */
static int aggregate_answer(aggregate *a, int status, const char *what, sdf_error **err)
{
    if (!status)
        return SDF_OK;
    if (status == SDF_E_NO_MEMORY)
        return AGGREGATE_FULL;
    char message[64];
    if (a->call.fn->builtin && status == SDF_E_LIMIT)
        return aggregate_overflow(a, err);
    snprintf(message, sizeof message, "its %s returned %d (%s)", what, status, sdf_status_name(status));
    return call_failed(&a->call, status, message, err);
}

int aggregate_init(aggregate *a, void *state, sdf_error **err)
{
    if (!a->vtable || !a->vtable->init)
        return SDF_OK;
    return aggregate_answer(a, a->vtable->init(state, &a->memory, a->call.state), "init", err);
}

/* Keeps a copy of `value` in the state, in the memory it has if that is enough. */
static int held_set(aggregate *a, held_value *h, const sdf_slice *value, sdf_error **err)
{
    if (value->size > UINT32_MAX)
        return call_failed(&a->call, SDF_E_LIMIT, "a value of 4 GiB or more can't be reduced", err);
    if (value->size > h->capacity) {
        size_t capacity = value->size + (h->data ? value->size / 2 : 0);
        capacity = capacity > UINT32_MAX ? UINT32_MAX : capacity;
        uint8_t *data = arena_alloc(a->memory.arena, capacity);
        if (!data && !(data = arena_alloc(a->memory.arena, capacity = value->size)))
            return AGGREGATE_FULL;
        h->data = data;
        h->capacity = (uint32_t)capacity;
    }
    if (value->size)
        memmove(h->data, value->data, value->size);
    h->size = (uint32_t)value->size;
    return SDF_OK;
}

static int reduce_fold(aggregate *a, void *state, bool fresh, const sdf_slice *value, sdf_error **err)
{
    sdf_slice sum = *value, held = {state, 8};
    if (a->variable)
        held = (sdf_slice){((held_value *)state)->data, ((held_value *)state)->size};
    if (!fresh) {
        out_value_reset(a->shuffled);
        int rc = a->call.fn->def.reduce(&held, value, a->shuffled, a->call.state);
        if (out_value_short(a->shuffled))
            return AGGREGATE_FULL;
        if ((rc = out_leave(a->shuffled, rc, a->call.spec, err)) ||
            (rc = out_value_take(a->shuffled, a->call.spec, &sum, err)))
            return rc;
    }
    if (a->variable)
        return held_set(a, state, &sum, err);
    memmove(state, sum.data, 8);
    return SDF_OK;
}

/* The block's own type check can't know the size of a state of type bytes. */
static int aggregate_mismatch(aggregate *a, size_t size, sdf_error **err)
{
    error_set(err, SDF_E_CORRUPT, "a shuffled state of %zu bytes came for an aggregator whose states have %u", size,
              a->state_size);
    error_hint(err, "raise the function's version when its state changes");
    error_at(err, a->call.spec->function, a->call.spec->label);
    return SDF_E_CORRUPT;
}

int aggregate_fold(aggregate *a, void *state, bool fresh, bool merging, const sdf_slice *value, sdf_error **err)
{
    if (!a->vtable)
        return reduce_fold(a, state, fresh, value, err);
    if (!merging)
        return aggregate_answer(a, a->vtable->update(state, value, &a->memory, a->call.state), "update", err);
    if (!a->variable && value->size != a->state_size)
        return aggregate_mismatch(a, value->size, err);
    return aggregate_answer(a, a->vtable->merge(state, value, &a->memory, a->call.state), "merge", err);
}

int aggregate_fold_many(aggregate *a, void *const *states, const sdf_column *values, size_t count, sdf_error **err)
{
    int rc = aggregate_answer(a, a->vtable->update_many(states, values, count, a->call.state), "update_many", err);
    if (rc != AGGREGATE_FULL)
        return rc;
    return call_failed(&a->call, SDF_E_NO_MEMORY, "update_many may not run out of memory: fixed states need none", err);
}

bool aggregate_plain(const aggregate *a)
{
    return !a->variable && a->state_size == 8 && (!a->vtable || !a->vtable->finish) && a->result == a->state;
}

int aggregate_encode(aggregate *a, const void *state, sdf_slice *shuffled, sdf_error **err)
{
    if (!a->variable) {
        *shuffled = (sdf_slice){state, a->state_size};
        return SDF_OK;
    }
    if (!a->vtable) {
        const held_value *h = state;
        *shuffled = (sdf_slice){h->data, h->size};
        return SDF_OK;
    }
    out_value_reset(a->shuffled);
    int rc = a->vtable->encode(state, a->shuffled, a->call.state);
    if ((rc = out_leave(a->shuffled, rc, a->call.spec, err)))
        return rc;
    return out_value_take(a->shuffled, a->call.spec, shuffled, err);
}

int aggregate_finish(aggregate *a, const void *state, sdf_slice *result, sdf_error **err)
{
    if (!a->vtable || !a->vtable->finish)
        return aggregate_encode(a, state, result, err);
    out_value_reset(a->finished);
    int rc = a->vtable->finish(state, a->finished, a->call.state);
    if ((rc = out_leave(a->finished, rc, a->call.spec, err)))
        return rc;
    return out_value_take(a->finished, a->call.spec, result, err);
}
