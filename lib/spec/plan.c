/* The plan as structs: making, finding, copying, freeing. JSON is in plan_encode.c and plan_decode.c, what holds across
 * fields in plan_check.c. */
#include "spec/plan.h"

#include <stdlib.h>
#include <string.h>

plan *plan_new(void)
{
    return calloc(1, sizeof(plan));
}

/* Adds a zeroed element and gives it. Capacities are the powers of two, so the count says when an array is full. */
static void *append(void *array_at, uint32_t *count, size_t element)
{
    uint8_t *array;
    memcpy(&array, array_at, sizeof array);
    if (!(*count & (*count - 1))) {
        size_t capacity = *count ? (size_t)*count * 2 : 1;
        array = realloc(array, capacity * element);
        if (!array)
            return NULL;
        memcpy(array_at, &array, sizeof array);
    }
    return memset(array + (*count)++ * element, 0, element);
}

plan_stage *plan_add_stage(plan *p)
{
    return append(&p->stages, &p->stage_count, sizeof *p->stages);
}

plan_branch *plan_add_branch(plan_stage *s)
{
    return append(&s->branches, &s->branch_count, sizeof *s->branches);
}

plan_op *plan_add_op(plan_branch *b)
{
    return append(&b->ops, &b->op_count, sizeof *b->ops);
}

plan_branch *plan_add_source(plan_input *cogroup)
{
    return append(&cogroup->sources, &cogroup->source_count, sizeof *cogroup->sources);
}

plan_side *plan_add_side(plan_stage *s)
{
    return append(&s->sides, &s->side_count, sizeof *s->sides);
}

plan_broadcast *plan_add_broadcast(plan *p)
{
    return append(&p->broadcasts, &p->broadcast_count, sizeof *p->broadcasts);
}

const plan_stage *plan_find(const plan *p, uint32_t id)
{
    for (uint32_t i = 0; i < p->stage_count; i++)
        if (p->stages[i].id == id)
            return &p->stages[i];
    return NULL;
}

/* ---- the shuffle inputs of a branch ---- */

static void number_leaves(plan_branch *b, uint32_t *next)
{
    plan_input *in = &b->input;
    uint32_t first = *next;
    if (in->kind == PLAN_INPUT_SHUFFLE)
        in->leaf = (*next)++;
    else if (in->kind == PLAN_INPUT_COGROUP)
        for (uint32_t i = 0; i < in->source_count; i++)
            number_leaves(&in->sources[i], next);
    b->leaves = *next - first;
}

void plan_number_leaves(plan_branch *b)
{
    uint32_t next = 0;
    number_leaves(b, &next);
}

const plan_input *plan_leaf(const plan_branch *b, uint32_t leaf)
{
    const plan_input *in = &b->input;
    if (in->kind == PLAN_INPUT_SHUFFLE)
        return in->leaf == leaf ? in : NULL;
    if (in->kind != PLAN_INPUT_COGROUP)
        return NULL;
    for (uint32_t i = 0; i < in->source_count; i++) {
        const plan_input *found = plan_leaf(&in->sources[i], leaf);
        if (found)
            return found;
    }
    return NULL;
}

static bool branch_has_op(const plan_branch *b, plan_op_kind kind)
{
    for (uint32_t i = 0; i < b->op_count; i++)
        if (b->ops[i].kind == kind)
            return true;
    for (uint32_t i = 0; i < b->input.source_count; i++)
        if (branch_has_op(&b->input.sources[i], kind))
            return true;
    return false;
}

bool plan_has_op(const plan_stage *s, plan_op_kind kind)
{
    for (uint32_t i = 0; i < s->branch_count; i++)
        if (branch_has_op(&s->branches[i], kind))
            return true;
    return false;
}

/* ---- copies ---- */

static int copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? SDF_E_NO_MEMORY : SDF_OK;
}

int plan_copy_format(plan_format *to, const plan_format *from)
{
    *to = *from;
    return copy_text(&to->columns, from->columns);
}

int plan_copy_call(plan_call *to, const plan_call *from)
{
    *to = (plan_call){.version = from->version};
    if (copy_text(&to->function, from->function) || copy_text(&to->label, from->label))
        return SDF_E_NO_MEMORY;
    return from->arg.size ? buf_append(&to->arg, from->arg.data, from->arg.size) : SDF_OK;
}

/* Everything of an input but its sources. */
static int copy_input(plan_input *to, const plan_input *from)
{
    *to = *from;
    to->label = to->key_type = to->value_type = to->stored_key_type = to->stored_value_type = NULL;
    to->format.columns = NULL;
    to->call = (plan_call){0};
    to->sources = NULL;
    to->source_count = 0;
    if (copy_text(&to->label, from->label) || copy_text(&to->key_type, from->key_type) ||
        copy_text(&to->value_type, from->value_type) || copy_text(&to->stored_key_type, from->stored_key_type) ||
        copy_text(&to->stored_value_type, from->stored_value_type) || plan_copy_format(&to->format, &from->format))
        return SDF_E_NO_MEMORY;
    return plan_copy_call(&to->call, &from->call);
}

static int copy_op(plan_op *to, const plan_op *from)
{
    *to = *from;
    to->key_type = to->value_type = NULL;
    if (plan_copy_call(&to->call, &from->call) || copy_text(&to->key_type, from->key_type))
        return SDF_E_NO_MEMORY;
    return copy_text(&to->value_type, from->value_type);
}

int plan_copy_branch(plan_branch *to, const plan_branch *from)
{
    *to = (plan_branch){.leaves = from->leaves};
    int rc = copy_input(&to->input, &from->input);
    for (uint32_t i = 0; i < from->op_count && !rc; i++) {
        plan_op *op = plan_add_op(to);
        rc = op ? copy_op(op, &from->ops[i]) : SDF_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i < from->input.source_count && !rc; i++) {
        plan_branch *source = plan_add_source(&to->input);
        rc = source ? plan_copy_branch(source, &from->input.sources[i]) : SDF_E_NO_MEMORY;
    }
    return rc;
}

/* ---- freeing ---- */

static void release_call(plan_call *c)
{
    free(c->function);
    free(c->label);
    buf_free(&c->arg);
}

static void release_input(plan_input *in)
{
    free(in->label);
    free(in->key_type);
    free(in->value_type);
    free(in->format.columns);
    free(in->stored_key_type);
    free(in->stored_value_type);
    release_call(&in->call);
    for (uint32_t i = 0; i < in->source_count; i++)
        plan_release_branch(&in->sources[i]);
    free(in->sources);
}

void plan_release_branch(plan_branch *b)
{
    release_input(&b->input);
    for (uint32_t i = 0; i < b->op_count; i++) {
        release_call(&b->ops[i].call);
        free(b->ops[i].key_type);
        free(b->ops[i].value_type);
    }
    free(b->ops);
    *b = (plan_branch){0};
}

static void release_output(plan_output *o)
{
    free(o->label);
    free(o->key_type);
    free(o->value_type);
    release_call(&o->combine);
    free(o->format.columns);
    free(o->uri);
}

static void release_stage(plan_stage *s)
{
    free(s->label);
    for (uint32_t i = 0; i < s->branch_count; i++)
        plan_release_branch(&s->branches[i]);
    free(s->branches);
    for (uint32_t i = 0; i < s->side_count; i++) {
        free(s->sides[i].label);
        free(s->sides[i].key_type);
        free(s->sides[i].value_type);
    }
    free(s->sides);
    release_output(&s->output);
}

void plan_free(plan *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->stage_count; i++)
        release_stage(&p->stages[i]);
    free(p->stages);
    for (uint32_t i = 0; i < p->broadcast_count; i++)
        free(p->broadcasts[i].name);
    free(p->broadcasts);
    free(p->program_id);
    free(p->compression);
    free(p->errors_uri);
    free(p);
}
