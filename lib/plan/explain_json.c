/* A plan as a JSON document for programs. A cJSON call that runs out of memory yields NULL, which the calls around it
 * pass on. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "plan/explain.h"

#define EXPLAIN_VERSION 2

static void add_types(cJSON *o, const char *key, const char *value)
{
    cJSON_AddStringToObject(o, "key_type", key);
    cJSON_AddStringToObject(o, "value_type", value);
}

static void add_branches(cJSON *to, const char *name, const planned *p, const plan_branch *branches, uint32_t count);

static void add_input(cJSON *branch, const planned *p, const plan_input *in)
{
    cJSON *o = cJSON_AddObjectToObject(branch, "input");
    cJSON_AddStringToObject(o, "label", in->label);
    cJSON_AddStringToObject(o, "kind", explain_input(in));
    if (in->kind == PLAN_INPUT_SHUFFLE) {
        cJSON_AddNumberToObject(o, "stage", in->source);
        cJSON_AddBoolToObject(o, "reused", explain_is_reused(p, in->source));
        cJSON_AddBoolToObject(o, "memory", explain_is_memory(p, in->source));
        cJSON_AddStringToObject(o, "read", explain_read(in->read));
    } else if (in->kind == PLAN_INPUT_COGROUP) {
        cJSON_AddStringToObject(o, "how", explain_how(in->how));
        add_branches(o, "sources", p, in->sources, in->source_count);
    } else if (in->kind == PLAN_INPUT_FILES) {
        cJSON_AddStringToObject(o, "errors", explain_errors(in->errors));
    }
    if (in->call.function)
        cJSON_AddStringToObject(o, "function", in->call.function);
    add_types(o, in->key_type, in->value_type);
}

static void add_ops(cJSON *branch, const plan_branch *b)
{
    cJSON *list = cJSON_AddArrayToObject(branch, "operators");
    for (uint32_t k = 0; k < b->op_count; k++) {
        const plan_op *op = &b->ops[k];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "label", op->call.label);
        cJSON_AddStringToObject(o, "kind", explain_op(op->kind));
        if (op->call.function)
            cJSON_AddStringToObject(o, "function", op->call.function);
        if (op->kind == PLAN_OP_LOOKUP) {
            cJSON_AddNumberToObject(o, "side", op->side);
            cJSON_AddStringToObject(o, "how", explain_how(op->how));
        }
        cJSON_AddStringToObject(o, "errors", explain_errors(op->errors));
        add_types(o, op->key_type, op->value_type);
        cJSON_AddItemToArray(list, o);
    }
}

/* Nested no deeper than PLAN_NESTED_MAX. */
static void add_branches(cJSON *to, const char *name, const planned *p, const plan_branch *branches, uint32_t count)
{
    cJSON *list = cJSON_AddArrayToObject(to, name);
    for (uint32_t i = 0; i < count; i++) {
        cJSON *o = cJSON_CreateObject();
        add_input(o, p, &branches[i].input);
        add_ops(o, &branches[i]);
        cJSON_AddItemToArray(list, o);
    }
}

static void add_sides(cJSON *stage, const planned *p, const plan_stage *s)
{
    cJSON *list = cJSON_AddArrayToObject(stage, "sides");
    for (uint32_t i = 0; i < s->side_count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "label", s->sides[i].label);
        cJSON_AddNumberToObject(o, "stage", s->sides[i].source);
        cJSON_AddBoolToObject(o, "reused", explain_is_reused(p, s->sides[i].source));
        add_types(o, s->sides[i].key_type, s->sides[i].value_type);
        cJSON_AddItemToArray(list, o);
    }
}

static void add_output(cJSON *stage, const plan_stage *s)
{
    const plan_output *out = &s->output;
    cJSON *o = cJSON_AddObjectToObject(stage, "output");
    cJSON_AddStringToObject(o, "label", out->label);
    cJSON_AddStringToObject(o, "kind", explain_output(out->kind));
    if (out->kind == PLAN_OUTPUT_SHUFFLE) {
        cJSON_AddNumberToObject(o, "partitions", out->partitions);
        if (out->spread)
            cJSON_AddNumberToObject(o, "spread", out->spread);
        cJSON_AddStringToObject(o, "partitioner", explain_partitioner(out->partitioner));
        cJSON_AddStringToObject(o, "order", explain_order(out->order));
        if (out->combine.label)
            cJSON_AddStringToObject(o, "combine", out->combine.function);
    }
    if (out->kind == PLAN_OUTPUT_FILE) {
        cJSON_AddStringToObject(o, "format", explain_format(out->format.kind));
        cJSON_AddBoolToObject(o, "single", out->single);
        cJSON_AddStringToObject(o, "uri", out->uri);
    }
    if (out->sample)
        cJSON_AddNumberToObject(o, "sample", out->sample);
    add_types(o, out->key_type, out->value_type);
}

static cJSON *stage_json(const planned *p, uint32_t i)
{
    const plan_stage *s = &p->plan->stages[i];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", s->id);
    cJSON_AddStringToObject(o, "label", s->label);
    cJSON_AddNumberToObject(o, "tasks", s->tasks);
    cJSON_AddNumberToObject(o, "input_bytes", (double)p->input_bytes[i]);
    add_branches(o, "branches", p, s->branches, s->branch_count);
    add_sides(o, p, s);
    add_output(o, s);
    if (s->bound_by)
        cJSON_AddNumberToObject(o, "bound_by", s->bound_by);
    cJSON_AddBoolToObject(o, "resumable", s->resumable);
    return o;
}

static void add_choices(cJSON *o, const planned *p)
{
    cJSON *list = cJSON_AddArrayToObject(o, "choices");
    for (uint32_t i = 0; i < p->choice_count; i++) {
        cJSON *c = cJSON_CreateObject();
        cJSON_AddStringToObject(c, "operator", p->choices[i].label);
        cJSON_AddStringToObject(c, "choice", p->choices[i].what);
        cJSON_AddStringToObject(c, "why", p->choices[i].why);
        cJSON_AddItemToArray(list, c);
    }
}

char *explain_json(const planned *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "version", EXPLAIN_VERSION);
    cJSON_AddNumberToObject(o, "tasks", (double)explain_tasks(p));
    cJSON_AddNumberToObject(o, "input_bytes", (double)explain_bytes(p));
    cJSON *reused = cJSON_AddArrayToObject(o, "reused");
    for (uint32_t i = 0; i < p->reused_count; i++)
        cJSON_AddItemToArray(reused, cJSON_CreateNumber(p->reused[i]));
    cJSON *stages = cJSON_AddArrayToObject(o, "stages");
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        cJSON_AddItemToArray(stages, stage_json(p, i));
    add_choices(o, p);
    char *printed = o ? cJSON_PrintUnformatted(o) : NULL;
    char *text = printed ? strdup(printed) : NULL; /* the host may have given cJSON an allocator of its own */
    cJSON_free(printed);
    cJSON_Delete(o);
    return text;
}
