/* Stages from lineage. The path from the source (or from the last shuffle that is there already) to the target is cut
 * into segments: a head that reads (a source or a wide node) and the narrow nodes fused behind it. */
#include "plan/planner.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SAMPLE_KEYS_PER_PARTITION 64   /* over all tasks: partitions then differ by about a quarter at most */
#define SAMPLE_KEYS_MIN           16   /* of a task: it may be the only one with data */
#define SAMPLE_KEYS_MAX           4096 /* of a task */

typedef struct builder {
    const planner_config *config;
    const planner_action *action;
    planned *out;
    uint32_t next_stage;
    node **path; /* path[0] is the source */
    uint32_t path_count;
} builder;

static uint32_t partitions_of(const builder *b, const node *n)
{
    uint32_t partitions = n->partitions ? n->partitions : b->config->partitions;
    return partitions ? partitions : 1;
}

/* ---- a stage's strings ---- */

static int set_text(char **field, const char *text)
{
    *field = strdup(text);
    return *field ? SDF_OK : SDF_E_NO_MEMORY;
}

static int set_types(char **key_field, char **value_field, const char *key, const char *value)
{
    return set_text(key_field, key) || set_text(value_field, value) ? SDF_E_NO_MEMORY : SDF_OK;
}

static int set_call(plan_call *to, const plan_call *from)
{
    to->version = from->version;
    if (set_text(&to->function, from->function) || set_text(&to->label, from->label))
        return SDF_E_NO_MEMORY;
    return buf_append(&to->arg, from->arg.data, from->arg.size);
}

/* ---- input and operators ---- */

/* How the stage behind a wide node reads what the stage before it wrote. */
static int read_shuffle(plan_input *in, const node *n, uint32_t source)
{
    const char *stored_key = n->key_type, *stored_value = n->value_type;
    in->kind = PLAN_INPUT_SHUFFLE;
    in->source = source;
    in->read = PLAN_READ_CONCAT;
    in->descending = n->descending;
    if (n->parent) {
        stored_key = n->parent->key_type;
        stored_value = n->kind == NODE_AGGREGATE ? n->state_type : n->parent->value_type;
    }
    if (n->kind == NODE_AGGREGATE)
        in->read = PLAN_READ_AGGREGATE;
    else if (n->kind == NODE_MAP_GROUPS)
        in->read = PLAN_READ_GROUP;
    else if (n->kind == NODE_SORT)
        in->read = PLAN_READ_MERGE;
    if ((n->kind == NODE_AGGREGATE || n->kind == NODE_MAP_GROUPS) && set_call(&in->call, &n->call))
        return SDF_E_NO_MEMORY;
    return set_types(&in->stored_key_type, &in->stored_value_type, stored_key, stored_value);
}

static void read_files(plan_input *in, const node *n)
{
    in->kind = n->kind == NODE_TEXT ? PLAN_INPUT_TEXT : PLAN_INPUT_BINARY;
    in->max_line = n->max_line;
    in->record_bytes = n->record_bytes;
    in->key_bytes = n->key_bytes;
}

static int add_op(plan_stage *s, plan_op_kind kind, const plan_call *call, const char *key, const char *value)
{
    plan_op *op = plan_add_op(s);
    if (!op)
        return SDF_E_NO_MEMORY;
    op->kind = kind;
    return set_call(&op->call, call) || set_types(&op->key_type, &op->value_type, key, value) ? SDF_E_NO_MEMORY
                                                                                              : SDF_OK;
}

/* Appends an empty stage, with its id, label and place for splits. NULL: no memory. */
static plan_stage *stage_add(builder *b, const node *head, const char *remark)
{
    planned *p = b->out;
    uint32_t i = p->plan->stage_count;
    task_split **splits = realloc(p->splits, (i + 1) * sizeof *splits);
    if (splits)
        p->splits = splits;
    uint64_t *bytes = realloc(p->input_bytes, (i + 1) * sizeof *bytes);
    if (bytes)
        p->input_bytes = bytes;
    plan_stage *s = splits && bytes ? plan_add_stage(p->plan) : NULL;
    if (!s)
        return NULL;
    splits[i] = NULL;
    bytes[i] = 0;
    s->id = b->next_stage++;
    buf label = BUF_EMPTY;
    if (buf_printf(&label, "stage %u: %s%s", s->id, head->label, remark) == SDF_OK)
        s->label = buf_take_text(&label);
    buf_free(&label);
    return s->label ? s : NULL;
}

/* Finds the splits of a source and keeps those the action wants: [first, first + count). */
static int source_splits(builder *b, const node *head, plan_stage *s, sdf_error **err)
{
    uint32_t i = b->out->plan->stage_count - 1;
    int rc = splits_make(head, b->config->split_bytes, &b->out->splits[i], &s->tasks, err);
    if (rc) {
        error_at(err, NULL, head->label);
        return rc;
    }
    for (uint32_t t = 0; t < s->tasks; t++)
        b->out->input_bytes[i] += b->out->splits[i][t].length;
    return SDF_OK;
}

/* The stage of one segment, path[from .. to), without output. *out is valid until the next stage is made. */
static int segment_begin(builder *b, uint32_t from, uint32_t to, const char *remark, plan_stage **out, sdf_error **err)
{
    const node *head = b->path[from];
    if (b->out->plan->stage_count + 2 > PLAN_STAGES_MAX) /* a sort adds one more */
        return error_set(err, SDF_E_LIMIT, "%s: a job of more than %u stages is not supported", head->label,
                         PLAN_STAGES_MAX);
    if (to - from > PLAN_OPS_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: more than %u operators in one stage", b->path[to - 1]->label, PLAN_OPS_MAX);
        error_hint(err, "put several steps into one function");
        return SDF_E_LIMIT;
    }
    plan_stage *s = stage_add(b, head, remark);
    if (!s || set_text(&s->input.label, head->label) ||
        set_types(&s->input.key_type, &s->input.value_type, head->key_type, head->value_type))
        return error_no_memory(err);
    if (head->kind == NODE_TEXT || head->kind == NODE_BINARY) {
        read_files(&s->input, head);
        int rc = source_splits(b, head, s, err);
        if (rc)
            return rc;
    } else {
        s->tasks = partitions_of(b, head);
        if (read_shuffle(&s->input, head, head->stage ? head->stage : b->out->nodes[b->out->node_count - 1].stage))
            return error_no_memory(err);
    }
    for (uint32_t i = from + 1; i < to; i++) {
        const node *n = b->path[i];
        if (add_op(s, n->op, &n->call, n->key_type, n->value_type))
            return error_no_memory(err);
    }
    *out = s;
    return SDF_OK;
}

/* ---- outputs ---- */

static uint32_t sample_keys(uint32_t partitions, uint32_t tasks)
{
    uint64_t keys = (uint64_t)partitions * SAMPLE_KEYS_PER_PARTITION / (tasks ? tasks : 1);
    return keys < SAMPLE_KEYS_MIN ? SAMPLE_KEYS_MIN : keys > SAMPLE_KEYS_MAX ? SAMPLE_KEYS_MAX : (uint32_t)keys;
}

static int output_set(plan_stage *s, plan_output_kind kind, const char *label, const char *key, const char *value)
{
    s->output.kind = kind;
    return set_text(&s->output.label, label) || set_types(&s->output.key_type, &s->output.value_type, key, value)
               ? SDF_E_NO_MEMORY
               : SDF_OK;
}

/* Ends a stage with the shuffle that `wide` reads. */
static int output_shuffle(builder *b, plan_stage *s, const node *wide)
{
    const char *value = wide->kind == NODE_AGGREGATE ? wide->state_type : wide->parent->value_type;
    plan_output *o = &s->output;
    if (output_set(s, PLAN_OUTPUT_SHUFFLE, wide->label, wide->parent->key_type, value))
        return SDF_E_NO_MEMORY;
    o->partitions = partitions_of(b, wide);
    o->partitioner = PLAN_PARTITION_HASH;
    if (wide->kind == NODE_AGGREGATE)
        return set_call(&o->combine, &wide->call);
    if (wide->kind == NODE_MAP_GROUPS)
        o->order = PLAN_ORDER_ASCENDING;
    if (wide->kind == NODE_SORT) {
        o->order = wide->descending ? PLAN_ORDER_DESCENDING : PLAN_ORDER_ASCENDING;
        if (o->partitions > 1)
            o->partitioner = PLAN_PARTITION_RANGE;
    }
    return SDF_OK;
}

/* A stage that can stop near its deadline and go on in another leg: it reads a split in order, and what each leg
 * writes stands for itself. (A state made by `open` is made anew for each leg.) A sample stands for a whole task. */
static bool is_resumable(const plan_stage *s)
{
    return s->input.kind != PLAN_INPUT_SHUFFLE && s->output.kind != PLAN_OUTPUT_SAMPLE && !s->output.sample;
}

/* What the segment before a global sort yields is written as it comes, task by task, and sampled on the way;
 * a second stage reads it back to range-partition it. */
static int sort_materialise(builder *b, uint32_t from, uint32_t to, plan_stage **out, uint32_t *sampled_by,
                            sdf_error **err)
{
    const node *sort = b->path[to], *last = b->path[to - 1];
    plan_stage *s;
    int rc = segment_begin(b, from, to, "", &s, err);
    if (rc)
        return rc;
    if (output_set(s, PLAN_OUTPUT_SHUFFLE, sort->label, last->key_type, last->value_type))
        return error_no_memory(err);
    uint32_t tasks = s->tasks, source = s->id;
    s->output.partitions = tasks;
    s->output.partitioner = PLAN_PARTITION_FORWARD;
    s->output.sample = sample_keys(partitions_of(b, sort), tasks);
    s = stage_add(b, sort, " (range)");
    if (!s || set_text(&s->input.label, last->label) ||
        set_types(&s->input.key_type, &s->input.value_type, last->key_type, last->value_type) ||
        set_types(&s->input.stored_key_type, &s->input.stored_value_type, last->key_type, last->value_type))
        return error_no_memory(err);
    s->tasks = tasks;
    s->input.kind = PLAN_INPUT_SHUFFLE;
    s->input.read = PLAN_READ_CONCAT;
    s->input.source = *sampled_by = source;
    *out = s;
    return SDF_OK;
}

/* The segment is cheap to read again: once for a sample of its keys, once to range-partition it. */
static int sort_resample(builder *b, uint32_t from, uint32_t to, plan_stage **out, uint32_t *sampled_by,
                         sdf_error **err)
{
    const node *sort = b->path[to], *last = b->path[to - 1];
    plan_stage *s;
    int rc = segment_begin(b, from, to, " (sample)", &s, err);
    if (rc)
        return rc;
    if (output_set(s, PLAN_OUTPUT_SAMPLE, sort->label, last->key_type, last->value_type))
        return error_no_memory(err);
    s->output.sample = sample_keys(partitions_of(b, sort), s->tasks);
    *sampled_by = s->id;
    return segment_begin(b, from, to, "", out, err);
}

static int note_node(builder *b, node *n, uint32_t stage, uint32_t aux_stage)
{
    planned *p = b->out;
    planned_node *nodes = realloc(p->nodes, (p->node_count + 1) * sizeof *nodes);
    if (!nodes)
        return SDF_E_NO_MEMORY;
    p->nodes = nodes;
    nodes[p->node_count++] = (planned_node){n, stage, aux_stage};
    return SDF_OK;
}

/* Segment path[from .. to), ended by the shuffle that path[to] reads. */
static int segment_shuffle(builder *b, uint32_t from, uint32_t to, sdf_error **err)
{
    node *wide = b->path[to];
    uint32_t sampled_by = 0;
    plan_stage *s;
    int rc;
    if (wide->kind != NODE_SORT || partitions_of(b, wide) == 1)
        rc = segment_begin(b, from, to, "", &s, err);
    else if (node_is_source(b->path[from]))
        rc = sort_resample(b, from, to, &s, &sampled_by, err);
    else
        rc = sort_materialise(b, from, to, &s, &sampled_by, err);
    if (rc)
        return rc;
    s->sampled_by = sampled_by;
    if (output_shuffle(b, s, wide) || note_node(b, wide, s->id, sampled_by))
        return error_no_memory(err);
    s->resumable = is_resumable(s);
    return SDF_OK;
}

/* Keeps of the last stage's tasks those that the action wants. */
static void limit_tasks(builder *b, plan_stage *s)
{
    const planner_action *a = b->action;
    b->out->partitions = s->tasks;
    if (!a->tasks)
        return;
    uint32_t first = a->first_task < s->tasks ? a->first_task : s->tasks;
    uint32_t count = s->tasks - first < a->tasks ? s->tasks - first : a->tasks;
    uint32_t last = b->out->plan->stage_count - 1;
    task_split *splits = b->out->splits[last];
    if (splits) {
        for (uint32_t i = 0; i < s->tasks; i++)
            if (i < first || i >= first + count)
                free(splits[i].path);
        memmove(splits, splits + first, count * sizeof *splits);
    }
    s->first_task = first;
    s->tasks = count;
}

static int segment_action(builder *b, uint32_t from, sdf_error **err)
{
    const planner_action *a = b->action;
    const node *last = b->path[b->path_count - 1];
    plan_stage *s;
    int rc = segment_begin(b, from, b->path_count, "", &s, err);
    if (rc)
        return rc;
    limit_tasks(b, s);
    if (output_set(s, a->output, last->label, last->key_type, last->value_type))
        return error_no_memory(err);
    if (a->output == PLAN_OUTPUT_FILE) {
        s->output.format = a->format;
        if (set_text(&s->output.uri, a->uri))
            return error_no_memory(err);
    }
    s->resumable = is_resumable(s);
    b->out->target = s->id;
    return SDF_OK;
}

/* ---- the whole ---- */

static int path_make(builder *b, node *target)
{
    for (const node *n = target; n; n = n->parent)
        b->path_count++;
    b->path = malloc(b->path_count * sizeof *b->path);
    if (!b->path)
        return SDF_E_NO_MEMORY;
    uint32_t i = b->path_count;
    for (node *n = target; n; n = n->parent)
        b->path[--i] = n;
    return SDF_OK;
}

static int build(builder *b, node *target, sdf_error **err)
{
    planned *p = b->out;
    const planner_config *c = b->config;
    p->plan = plan_new();
    if (!p->plan || path_make(b, target) || set_text(&p->plan->program_id, c->program_id) ||
        set_text(&p->plan->compression, c->compression))
        return error_no_memory(err);
    uint32_t from = b->path_count - 1;
    while (from && !(node_is_wide(b->path[from]) && b->path[from]->stage))
        from--;
    if (node_is_wide(b->path[from]))
        p->reused = b->path[from]->stage;
    else if (b->path[from]->kind == NODE_PARALLELIZE)
        p->parallelize = b->path[from];
    for (uint32_t to = from + 1; to < b->path_count; to++) {
        if (!node_is_wide(b->path[to]))
            continue;
        int rc = segment_shuffle(b, from, to, err);
        if (rc)
            return rc;
        from = to;
    }
    return segment_action(b, from, err);
}

int planner_plan(node *target, const planner_action *action, const planner_config *config, planned *out,
                 sdf_error **err)
{
    memset(out, 0, sizeof *out);
    if (target->error) {
        if (err)
            *err = error_copy(target->error);
        return sdf_error_code(target->error);
    }
    builder b = {.config = config, .action = action, .out = out, .next_stage = *config->next_stage};
    int rc = build(&b, target, err);
    free(b.path);
    if (rc) {
        planned_clear(out);
        return rc;
    }
    *config->next_stage = b.next_stage;
    return SDF_OK;
}

void planned_commit(const planned *p)
{
    for (uint32_t i = 0; i < p->node_count; i++) {
        p->nodes[i].node->stage = p->nodes[i].stage;
        p->nodes[i].node->aux_stage = p->nodes[i].aux_stage;
    }
}

void planned_clear(planned *p)
{
    for (uint32_t i = 0; p->plan && p->splits && i < p->plan->stage_count; i++)
        splits_free(p->splits[i], p->plan->stages[i].tasks);
    plan_free(p->plan);
    free(p->splits);
    free(p->input_bytes);
    free(p->nodes);
    memset(p, 0, sizeof *p);
}
