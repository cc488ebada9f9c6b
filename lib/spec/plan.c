/* The plan as structs: making, finding, freeing. JSON is in plan_encode.c and plan_decode.c. */
#include "spec/plan.h"

#include <stdlib.h>
#include <string.h>

plan *plan_new(void)
{
    return calloc(1, sizeof(plan));
}

/* Room for one more element: capacities are the powers of two, so the count says when one is full. */
static void *grow(void *array, uint32_t count, size_t element)
{
    if (count & (count - 1))
        return array;
    size_t capacity = count ? (size_t)count * 2 : 1;
    return realloc(array, capacity * element);
}

plan_stage *plan_add_stage(plan *p)
{
    plan_stage *stages = grow(p->stages, p->stage_count, sizeof *stages);
    if (!stages)
        return NULL;
    p->stages = stages;
    plan_stage *s = &stages[p->stage_count++];
    memset(s, 0, sizeof *s);
    return s;
}

plan_op *plan_add_op(plan_stage *s)
{
    plan_op *ops = grow(s->ops, s->op_count, sizeof *ops);
    if (!ops)
        return NULL;
    s->ops = ops;
    plan_op *op = &ops[s->op_count++];
    memset(op, 0, sizeof *op);
    return op;
}

const plan_stage *plan_find(const plan *p, uint32_t id)
{
    for (uint32_t i = 0; i < p->stage_count; i++)
        if (p->stages[i].id == id)
            return &p->stages[i];
    return NULL;
}

static void free_call(plan_call *c)
{
    free(c->function);
    free(c->label);
    buf_free(&c->arg);
}

static void free_stage(plan_stage *s)
{
    free(s->label);
    free(s->input.label);
    free(s->input.key_type);
    free(s->input.value_type);
    free(s->input.stored_key_type);
    free(s->input.stored_value_type);
    free_call(&s->input.call);
    for (uint32_t i = 0; i < s->op_count; i++) {
        free_call(&s->ops[i].call);
        free(s->ops[i].key_type);
        free(s->ops[i].value_type);
    }
    free(s->ops);
    free(s->output.label);
    free(s->output.key_type);
    free(s->output.value_type);
    free_call(&s->output.combine);
    free(s->output.uri);
}

void plan_free(plan *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->stage_count; i++)
        free_stage(&p->stages[i]);
    free(p->stages);
    free(p->program_id);
    free(p->compression);
    free(p);
}
