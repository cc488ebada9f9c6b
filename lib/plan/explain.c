/* What a plan says of itself: text for people, or a JSON document. Both read the same `planned`; neither changes it. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plan/planner.h"

#define EXPLAIN_VERSION 1

static const char *const read_words[] = {
    [PLAN_READ_CONCAT] = "in producer order",
    [PLAN_READ_AGGREGATE] = "merging states by key",
    [PLAN_READ_MERGE] = "merging sorted runs",
    [PLAN_READ_GROUP] = "streaming groups by key",
};
static const char *const read_names[] = {
    [PLAN_READ_CONCAT] = "concat",
    [PLAN_READ_AGGREGATE] = "aggregate",
    [PLAN_READ_MERGE] = "merge",
    [PLAN_READ_GROUP] = "group",
};
static const char *const op_names[] = {
    [PLAN_OP_MAP] = "map",
    [PLAN_OP_FLAT_MAP] = "flat_map",
    [PLAN_OP_FILTER] = "filter",
    [PLAN_OP_BATCH] = "map_batches",
};
static const char *const output_names[] = {
    [PLAN_OUTPUT_SHUFFLE] = "shuffle", [PLAN_OUTPUT_RESULT] = "result", [PLAN_OUTPUT_COUNT] = "count",
    [PLAN_OUTPUT_NONE] = "none",       [PLAN_OUTPUT_FILE] = "file",     [PLAN_OUTPUT_SAMPLE] = "sample",
};
static const char *const partitioner_names[] = {
    [PLAN_PARTITION_HASH] = "hash",
    [PLAN_PARTITION_RANGE] = "range",
    [PLAN_PARTITION_FORWARD] = "forward",
};
static const char *const order_names[] = {
    [PLAN_ORDER_NONE] = "none",
    [PLAN_ORDER_ASCENDING] = "ascending",
    [PLAN_ORDER_DESCENDING] = "descending",
};

static uint64_t total_input(const planned *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        sum += p->input_bytes[i];
    return sum;
}

static uint64_t total_tasks(const planned *p)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        sum += p->plan->stages[i].tasks;
    return sum;
}

/* ---- text ---- */

static int text_bytes(buf *b, uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024)
        return buf_printf(b, "%u bytes", (unsigned)bytes);
    int unit = 0;
    uint64_t tenths = bytes / 1024 * 10 + bytes % 1024 * 10 / 1024; /* no double: no locale */
    while (tenths >= 10240 && units[unit + 1]) {
        tenths /= 1024;
        unit++;
    }
    return buf_printf(b, "%llu.%u %ciB", (unsigned long long)(tenths / 10), (unsigned)(tenths % 10), units[unit]);
}

static int text_input(buf *b, const planned *p, uint32_t i)
{
    const plan_stage *s = &p->plan->stages[i];
    const plan_input *in = &s->input;
    int rc;
    if (in->kind != PLAN_INPUT_SHUFFLE) {
        rc = buf_printf(b, "  read    %s in %s, ", in->kind == PLAN_INPUT_TEXT ? "lines" : "records", in->label);
        rc = rc ? rc : text_bytes(b, p->input_bytes[i]);
    } else if (p->parallelize && in->source == p->parallelize->stage) {
        rc = buf_printf(b, "  read    %s, from memory", in->label);
    } else {
        rc = buf_printf(b, "  read    shuffle of stage %u%s, %s%s%s", in->source,
                        in->source == p->reused ? " (reused)" : "", read_words[in->read], in->call.label ? ": " : "",
                        in->call.label ? in->call.label : "");
    }
    return rc ? rc : buf_printf(b, " -> %s, %s\n", in->key_type, in->value_type);
}

static int text_output(buf *b, const plan_stage *s)
{
    const plan_output *o = &s->output;
    switch (o->kind) {
    case PLAN_OUTPUT_RESULT:
        return buf_text(b, "  return  the records to the host\n");
    case PLAN_OUTPUT_COUNT:
        return buf_text(b, "  return  the number of records\n");
    case PLAN_OUTPUT_NONE:
        return buf_text(b, "  return  nothing\n");
    case PLAN_OUTPUT_FILE:
        return buf_printf(b, "  write   %s files in %s\n", o->format == PLAN_FILE_TEXT ? "text" : "binary", o->uri);
    case PLAN_OUTPUT_SAMPLE:
        return buf_printf(b,
                          "  return  a sample of %u keys per task for %s (this stage reads its input a first time)\n",
                          o->sample, o->label);
    default:
        break;
    }
    int rc = buf_printf(b, "  write   shuffle, %u partition%s ", o->partitions, o->partitions == 1 ? "" : "s");
    if (!rc && o->partitioner == PLAN_PARTITION_FORWARD)
        rc =
            buf_printf(b, "as they come: materialised, with a sample of %u keys per task, for %s", o->sample, o->label);
    else if (!rc && o->partitioner == PLAN_PARTITION_RANGE)
        rc = buf_printf(b, "by range (splitters from stage %u)", s->sampled_by);
    else if (!rc)
        rc = buf_text(b, "by hash of the key");
    if (!rc && o->order)
        rc = buf_printf(b, ", sorted %s", order_names[o->order]);
    if (!rc && o->combine.label)
        rc = buf_printf(b, ", combined with %s", o->combine.label);
    return rc ? rc : buf_printf(b, " -> %s, %s\n", o->key_type, o->value_type);
}

static int text_stage(buf *b, const planned *p, uint32_t i)
{
    const plan_stage *s = &p->plan->stages[i];
    int rc = buf_printf(b, "%s (%u task%s)\n", s->label, s->tasks, s->tasks == 1 ? "" : "s");
    if (!rc)
        rc = text_input(b, p, i);
    for (uint32_t k = 0; k < s->op_count && !rc; k++)
        rc = buf_printf(b, "  %-7s %s -> %s, %s\n", "run", s->ops[k].call.label, s->ops[k].key_type,
                        s->ops[k].value_type);
    return rc ? rc : text_output(b, s);
}

static char *explain_text(const planned *p)
{
    buf b = BUF_EMPTY;
    uint64_t tasks = total_tasks(p);
    int rc = buf_printf(&b, "%u stage%s, %llu task%s, reads ", p->plan->stage_count,
                        p->plan->stage_count == 1 ? "" : "s", (unsigned long long)tasks, tasks == 1 ? "" : "s");
    if (!rc)
        rc = text_bytes(&b, total_input(p));
    if (!rc && p->reused)
        rc = buf_printf(&b, ", reuses stage %u", p->reused);
    if (!rc)
        rc = buf_text(&b, "\n");
    for (uint32_t i = 0; i < p->plan->stage_count && !rc; i++)
        rc = text_stage(&b, p, i);
    if (!rc)
        return buf_take_text(&b);
    buf_free(&b);
    return NULL;
}

/* ---- JSON; a cJSON call that runs out of memory yields NULL, which the calls around it pass on ---- */

static void json_types(cJSON *o, const char *key, const char *value)
{
    cJSON_AddStringToObject(o, "key_type", key);
    cJSON_AddStringToObject(o, "value_type", value);
}

static void json_input(cJSON *stage, const planned *p, uint32_t i)
{
    const plan_input *in = &p->plan->stages[i].input;
    cJSON *o = cJSON_AddObjectToObject(stage, "input");
    cJSON_AddStringToObject(o, "label", in->label);
    if (in->kind != PLAN_INPUT_SHUFFLE) {
        cJSON_AddStringToObject(o, "kind", in->kind == PLAN_INPUT_TEXT ? "text" : "binary");
        cJSON_AddNumberToObject(o, "bytes", (double)p->input_bytes[i]);
    } else {
        cJSON_AddStringToObject(o, "kind", "shuffle");
        cJSON_AddNumberToObject(o, "stage", in->source);
        cJSON_AddBoolToObject(o, "reused", in->source == p->reused);
        cJSON_AddBoolToObject(o, "memory", p->parallelize && in->source == p->parallelize->stage);
        cJSON_AddStringToObject(o, "read", read_names[in->read]);
        if (in->call.label)
            cJSON_AddStringToObject(o, "function", in->call.function);
    }
    json_types(o, in->key_type, in->value_type);
}

static void json_ops(cJSON *stage, const plan_stage *s)
{
    cJSON *list = cJSON_AddArrayToObject(stage, "operators");
    for (uint32_t k = 0; k < s->op_count; k++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "label", s->ops[k].call.label);
        cJSON_AddStringToObject(o, "kind", op_names[s->ops[k].kind]);
        cJSON_AddStringToObject(o, "function", s->ops[k].call.function);
        json_types(o, s->ops[k].key_type, s->ops[k].value_type);
        cJSON_AddItemToArray(list, o);
    }
}

static void json_output(cJSON *stage, const plan_stage *s)
{
    const plan_output *out = &s->output;
    cJSON *o = cJSON_AddObjectToObject(stage, "output");
    cJSON_AddStringToObject(o, "label", out->label);
    cJSON_AddStringToObject(o, "kind", output_names[out->kind]);
    if (out->kind == PLAN_OUTPUT_SHUFFLE) {
        cJSON_AddNumberToObject(o, "partitions", out->partitions);
        cJSON_AddStringToObject(o, "partitioner", partitioner_names[out->partitioner]);
        cJSON_AddStringToObject(o, "order", order_names[out->order]);
        if (out->combine.label)
            cJSON_AddStringToObject(o, "combine", out->combine.function);
    }
    if (out->sample)
        cJSON_AddNumberToObject(o, "sample", out->sample);
    if (out->uri)
        cJSON_AddStringToObject(o, "uri", out->uri);
    json_types(o, out->key_type, out->value_type);
}

static cJSON *json_stage(const planned *p, uint32_t i)
{
    const plan_stage *s = &p->plan->stages[i];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "id", s->id);
    cJSON_AddStringToObject(o, "label", s->label);
    cJSON_AddNumberToObject(o, "tasks", s->tasks);
    json_input(o, p, i);
    json_ops(o, s);
    json_output(o, s);
    if (s->sampled_by)
        cJSON_AddNumberToObject(o, "sampled_by", s->sampled_by);
    cJSON_AddBoolToObject(o, "resumable", s->resumable);
    return o;
}

static char *explain_json(const planned *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "version", EXPLAIN_VERSION);
    cJSON_AddNumberToObject(o, "tasks", (double)total_tasks(p));
    cJSON_AddNumberToObject(o, "input_bytes", (double)total_input(p));
    cJSON *reused = cJSON_AddArrayToObject(o, "reused");
    if (p->reused)
        cJSON_AddItemToArray(reused, cJSON_CreateNumber(p->reused));
    cJSON *stages = cJSON_AddArrayToObject(o, "stages");
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        cJSON_AddItemToArray(stages, json_stage(p, i));
    char *printed = o ? cJSON_PrintUnformatted(o) : NULL;
    char *text = printed ? strdup(printed) : NULL; /* the host may have given cJSON an allocator of its own */
    cJSON_free(printed);
    cJSON_Delete(o);
    return text;
}

char *planner_explain(node *target, const planner_config *config, bool json, sdf_error **err)
{
    uint32_t next = *config->next_stage;
    planner_config dry = *config;
    dry.next_stage = &next;
    planner_action action = {.output = PLAN_OUTPUT_RESULT};
    planned p;
    if (planner_plan(target, &action, &dry, &p, err))
        return NULL;
    char *text = json ? explain_json(&p) : explain_text(&p);
    planned_clear(&p);
    if (!text)
        error_no_memory(err);
    return text;
}
