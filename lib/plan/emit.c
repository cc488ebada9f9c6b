/* Stages: a segment and an output. Ids are given out here, so stages come in the order of their ids, producers first.
 */
#include <stdlib.h>
#include <string.h>

#include <sdf/key.h>

#include "base/error.h"
#include "plan/builder.h"

#define STAGE_TEXT 400 /* bytes of JSON around a stage and its output */

static int set_text(char **field, const char *text)
{
    *field = strdup(text);
    return *field ? SDF_OK : SDF_E_NO_MEMORY;
}

/* ---- the stage ---- */

static int check_limits(builder *b, const node *at, const segment *s, sdf_error **err)
{
    if (b->out->plan->stage_count == PLAN_STAGES_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: a job of more than %u stages is not supported", at->label, PLAN_STAGES_MAX);
        error_hint(err, "run it in several jobs: sdf_persist a collection on the way and count it");
        return SDF_E_LIMIT;
    }
    b->text += STAGE_TEXT + s->text;
    if (b->text > PLAN_BYTES_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: the plan would take more than %u bytes", at->label, PLAN_BYTES_MAX);
        error_hint(err, "give less as arguments of functions, or run it in several jobs");
        return SDF_E_LIMIT;
    }
    return SDF_OK;
}

/* Room for the pieces and bytes of one more stage. */
static int grow(planned *p)
{
    uint32_t count = p->plan->stage_count;
    if (count & (count - 1)) /* capacities are the powers of two */
        return SDF_OK;
    size_t room = count ? (size_t)count * 2 : 1;
    stage_pieces *pieces = realloc(p->pieces, room * sizeof *pieces);
    if (pieces)
        p->pieces = pieces;
    uint64_t *bytes = realloc(p->input_bytes, room * sizeof *bytes);
    if (bytes)
        p->input_bytes = bytes;
    return pieces && bytes ? SDF_OK : SDF_E_NO_MEMORY;
}

static int move_branches(plan_stage *stage, segment *s)
{
    for (uint32_t i = 0; i < s->branch_count; i++) {
        plan_branch *to = plan_add_branch(stage);
        if (!to)
            return SDF_E_NO_MEMORY;
        *to = s->branches[i].plan;
        s->branches[i].plan = (plan_branch){0};
        plan_number_leaves(to);
    }
    return SDF_OK;
}

static int set_label(plan_stage *stage, const char *remark)
{
    buf label = BUF_EMPTY;
    int rc = buf_printf(&label, "stage %u: %s", stage->id, stage->branches[0].input.label);
    if (!rc && stage->branch_count > 1)
        rc = buf_printf(&label, " and %u more", stage->branch_count - 1);
    if (!rc)
        rc = buf_text(&label, remark);
    if (!rc)
        stage->label = buf_take_text(&label);
    buf_free(&label);
    return stage->label ? SDF_OK : SDF_E_NO_MEMORY;
}

int emit_stage(builder *b, const node *at, segment *s, const char *remark, plan_stage **out, sdf_error **err)
{
    planned *p = b->out;
    uint32_t i = p->plan->stage_count;
    int rc = check_limits(b, at, s, err);
    if (rc)
        return rc;
    plan_stage *stage = grow(p) ? NULL : plan_add_stage(p->plan);
    if (!stage)
        return error_no_memory(err);
    p->pieces[i] = (stage_pieces){s->pieces, s->first};
    p->input_bytes[i] = s->bytes;
    s->pieces = NULL;
    s->first = NULL;
    stage->id = b->next_stage++;
    stage->tasks = s->tasks;
    stage->sides = s->sides;
    stage->side_count = s->side_count;
    s->sides = NULL;
    s->side_count = 0;
    stage->bound_by = s->bound_by;
    rc = move_branches(stage, s) || set_label(stage, remark) ? error_no_memory(err) : SDF_OK;
    segment_clear(s);
    *out = stage;
    return rc;
}

/* ---- outputs ---- */

static int output_set(plan_stage *s, plan_output_kind kind, const char *label, const char *key, const char *value)
{
    plan_output *o = &s->output;
    o->kind = kind;
    return set_text(&o->label, label) || set_text(&o->key_type, key) || set_text(&o->value_type, value)
               ? SDF_E_NO_MEMORY
               : SDF_OK;
}

/* A stage that can stop near its deadline and go on in another leg: it reads splits in order, and what each leg writes
 * stands for itself. (A state made by `open` is made anew for each leg.) A sample stands for a whole task, one file is
 * written by one leg, and numbers, in-place folds and draws go on from what was before. */
static bool is_resumable(const plan_stage *s)
{
    for (uint32_t i = 0; i < s->branch_count; i++) {
        plan_input_kind kind = s->branches[i].input.kind;
        if (kind != PLAN_INPUT_FILES && kind != PLAN_INPUT_RANGE)
            return false;
    }
    return s->output.kind != PLAN_OUTPUT_SAMPLE && !s->output.sample && !s->output.single &&
           !plan_has_op(s, PLAN_OP_SAMPLE) && !plan_has_op(s, PLAN_OP_FOLD) && !plan_has_op(s, PLAN_OP_INDEX);
}

int emit_shuffle(builder *b, segment *s, const shuffle_spec *spec, const char *remark, uint32_t *stage, sdf_error **err)
{
    plan_stage *to;
    int rc = emit_stage(b, spec->at, s, remark, &to, err);
    if (rc)
        return rc;
    plan_output *o = &to->output;
    if (output_set(to, PLAN_OUTPUT_SHUFFLE, spec->at->label, spec->key_type, spec->value_type) ||
        (spec->combine && plan_copy_call(&o->combine, spec->combine)))
        return error_no_memory(err);
    o->partitions = spec->partitions;
    o->spread = spec->spread;
    o->partitioner = spec->partitioner;
    o->order = spec->order;
    o->merging = spec->merging;
    o->sample = spec->sample;
    if (spec->bound_by)
        to->bound_by = spec->bound_by;
    to->resumable = is_resumable(to);
    *stage = to->id;
    return SDF_OK;
}

int emit_forward(builder *b, const node *at, segment *s, const char *key_type, const char *value_type, uint32_t sample,
                 const char *remark, uint32_t *stage, sdf_error **err)
{
    shuffle_spec spec = {.at = at,
                         .key_type = key_type,
                         .value_type = value_type,
                         .partitions = s->tasks,
                         .partitioner = PLAN_PARTITION_FORWARD,
                         .sample = sample};
    return emit_shuffle(b, s, &spec, remark, stage, err);
}

int emit_sample(builder *b, const node *at, segment *s, const char *key_type, const char *value_type, uint32_t sample,
                uint32_t *stage, sdf_error **err)
{
    plan_stage *to;
    int rc = emit_stage(b, at, s, " (sample)", &to, err);
    if (rc)
        return rc;
    if (output_set(to, PLAN_OUTPUT_SAMPLE, at->label, key_type, value_type))
        return error_no_memory(err);
    to->output.sample = sample;
    *stage = to->id;
    return SDF_OK;
}

/* ---- the last one ---- */

/* Keeps of the tasks those that the action wants, and returns the first one's number. */
static uint32_t limit_tasks(builder *b, const node *target, segment *s)
{
    const planner_action *a = b->action;
    uint32_t hash = info_of(b, target)->hash;
    b->out->partitions = s->tasks;
    if (a->key && hash == s->tasks) {
        uint32_t at = sdf_partition_of(sdf_partition_hash(target->key_type, a->key), hash);
        segment_keep(s, at, 1);
        return at;
    }
    if (!a->tasks)
        return 0;
    uint32_t first = a->first_task < s->tasks ? a->first_task : s->tasks;
    segment_keep(s, first, s->tasks - first < a->tasks ? s->tasks - first : a->tasks);
    return first;
}

static int action_file(plan_output *o, const planner_action *a)
{
    o->codec = a->codec;
    o->single = a->single;
    return plan_copy_format(&o->format, &a->format) || set_text(&o->uri, a->uri) ? SDF_E_NO_MEMORY : SDF_OK;
}

int emit_action(builder *b, const node *target, segment *s, sdf_error **err)
{
    const planner_action *a = b->action;
    uint32_t first = limit_tasks(b, target, s);
    plan_stage *to;
    int rc = emit_stage(b, target, s, "", &to, err);
    if (rc)
        return rc;
    if (output_set(to, a->output, target->label, target->key_type, target->value_type) ||
        (a->output == PLAN_OUTPUT_FILE && action_file(&to->output, a)))
        return error_no_memory(err);
    to->first_task = first;
    to->resumable = is_resumable(to);
    b->out->target = to->id;
    return SDF_OK;
}
