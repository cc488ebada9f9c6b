/* A plan from lineage. The nodes that lead to the target are gone through once, parents first: each makes its segment
 * of those of its parents, and hands it to its consumers; wide nodes, indexes and kept collections end segments in
 * stages. What is there already of earlier plans is read instead, and nothing behind it is looked at. */
#include "plan/planner.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plan/builder.h"

/* ---- what the other files use ---- */

int builder_take(builder *b, const node *parent, segment *s, sdf_error **err)
{
    node_info *info = info_of(b, parent);
    if (--info->uses)
        return segment_copy(s, &info->seg) ? error_no_memory(err) : SDF_OK;
    *s = segment_move(&info->seg);
    return SDF_OK;
}

/* An array of `count` elements, grown by one; capacities are the powers of two. */
static void *grown(void *array, uint32_t count, size_t element)
{
    return count & (count - 1) ? array : realloc(array, (count ? (size_t)count * 2 : 1) * element);
}

int builder_note(builder *b, planned_node to_note, sdf_error **err)
{
    planned *p = b->out;
    planned_node *nodes = grown(p->nodes, p->node_count, sizeof *nodes);
    if (!nodes)
        return error_no_memory(err);
    p->nodes = nodes;
    nodes[p->node_count++] = to_note;
    return SDF_OK;
}

int builder_note_reused(builder *b, uint32_t stage, sdf_error **err)
{
    planned *p = b->out;
    for (uint32_t i = 0; i < p->reused_count; i++)
        if (p->reused[i] == stage)
            return SDF_OK;
    uint32_t *reused = grown(p->reused, p->reused_count, sizeof *reused);
    if (!reused)
        return error_no_memory(err);
    p->reused = reused;
    reused[p->reused_count++] = stage;
    return SDF_OK;
}

int builder_choice(builder *b, const node *n, const char *what, const char *format, ...)
{
    planned *p = b->out;
    planned_choice *choices = grown(p->choices, p->choice_count, sizeof *choices);
    if (!choices)
        return SDF_E_NO_MEMORY;
    p->choices = choices;
    buf why = BUF_EMPTY;
    va_list args;
    va_start(args, format);
    int rc = buf_vprintf(&why, format, args);
    va_end(args);
    planned_choice *c = &choices[p->choice_count];
    *c = (planned_choice){strdup(n->label), strdup(what), rc ? NULL : buf_take_text(&why)};
    buf_free(&why);
    p->choice_count++;
    return c->label && c->what && c->why ? SDF_OK : SDF_E_NO_MEMORY;
}

/* ---- what is needed ---- */

/* Does this plan read parent i of the node? Not if what the node makes of it is there already. */
static bool reads_parent(const node *n, uint32_t i)
{
    if (n->persist && n->cache_stage)
        return false;
    if (n->kind == NODE_INDEX)
        return !n->aux_stage;
    return !node_is_wide(n) || !n->stages[i];
}

static void find_needed(builder *b)
{
    b->info[b->count - 1].needed = true;
    b->info[b->count - 1].uses = 1; /* the action's */
    for (uint32_t k = b->count; k-- > 0;) {
        const node *n = b->order[k];
        for (uint32_t i = 0; b->info[k].needed && i < n->parent_count; i++) {
            if (!reads_parent(n, i))
                continue;
            info_of(b, n->parents[i])->needed = true;
            info_of(b, n->parents[i])->uses++;
        }
    }
}

/* ---- partitions ---- */

/* How many a wide node has: what it was made with, what was asked for, those of a parent that has its keys in place
 * already, or the default. */
static uint32_t partitions_of(const builder *b, const node *n)
{
    uint32_t partitions = n->made_partitions ? n->made_partitions : n->partitions;
    bool by_key = n->kind == NODE_AGGREGATE || n->kind == NODE_COGROUP || n->kind == NODE_PARTITION;
    uint32_t inherited = 0;
    for (uint32_t i = 0; i < n->parent_count && by_key; i++) {
        uint32_t hash = info_of(b, n->parents[i])->hash;
        inherited = hash > inherited ? hash : inherited;
    }
    if (!partitions)
        partitions = inherited ? inherited : b->config->partitions;
    return partitions ? partitions : 1;
}

static bool keeps_keys(const node *n)
{
    switch (n->op) {
    case PLAN_OP_FILTER:
    case PLAN_OP_FILTER_EXPR:
    case PLAN_OP_MAP_VALUES:
    case PLAN_OP_FLAT_MAP_VALUES:
    case PLAN_OP_SAMPLE:
        return true;
    case PLAN_OP_PROJECT:
        return n->call.arg.size == 1 && n->call.arg.data[0] == PLAN_PROJECT_KEY_ONLY;
    default:
        return false;
    }
}

static uint32_t hash_of(const builder *b, const node *n)
{
    const node_info *info = info_of(b, n);
    switch (n->kind) {
    case NODE_AGGREGATE:
    case NODE_PARTITION:
        return info->partitions;
    case NODE_COGROUP: /* with a table: as the other side has them */
        if (info->join >= JOIN_BROADCAST_LEFT)
            return info_of(b, n->parents[info->join == JOIN_BROADCAST_LEFT])->hash;
        return n->how == PLAN_COGROUP_CALL ? 0 : info->partitions;
    case NODE_NARROW:
        return keeps_keys(n) ? info_of(b, n->parents[0])->hash : 0;
    default:
        return 0;
    }
}

/* ---- one node ---- */

/* Ends the segment in a stage that keeps its records, and goes on reading them. */
static int keep(builder *b, const node *n, const char *remark, segment *s, uint32_t *stage, sdf_error **err)
{
    uint32_t tasks = s->tasks;
    uint64_t estimate = s->estimate;
    bool known = s->known;
    int rc = emit_forward(b, n, s, n->key_type, n->value_type, 0, remark, stage, err);
    segment_clear(s);
    if (!rc && segment_read(s, n, n->key_type, n->value_type, *stage, tasks))
        rc = error_no_memory(err);
    s->estimate = estimate;
    s->known = known;
    return rc;
}

static int cached(builder *b, const node *n, segment *s, sdf_error **err)
{
    if (segment_read(s, n, n->key_type, n->value_type, n->cache_stage, n->cache_tasks))
        return error_no_memory(err);
    s->estimate = n->data_bytes;
    s->known = n->data_bytes > 0;
    return builder_note_reused(b, n->cache_stage, err);
}

static int keep_cached(builder *b, node *n, segment *s, sdf_error **err)
{
    planned_node to_note = {.node = n, .cache_tasks = s->tasks, .data_bytes = s->known ? s->estimate : 0};
    int rc = keep(b, n, " (kept)", s, &to_note.cache_stage, err);
    return rc ? rc : builder_note(b, to_note, err);
}

/* The same for this job alone. */
static int keep_for_job(builder *b, const node *n, const char *remark, segment *s, sdf_error **err)
{
    planned *p = b->out;
    uint32_t *scratch = grown(p->scratch, p->scratch_count, sizeof *scratch);
    if (!scratch)
        return error_no_memory(err);
    p->scratch = scratch;
    int rc = keep(b, n, remark, s, &scratch[p->scratch_count], err);
    p->scratch_count += !rc;
    return rc;
}

/* The records before are written down first: their numbers follow from how many each partition has. */
static int index_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    const node *parent = n->parents[0];
    uint32_t stage = n->aux_stage;
    int rc;
    if (stage) {
        rc = builder_note_reused(b, stage, err);
        if (!rc && segment_read(s, parent, parent->key_type, parent->value_type, stage, n->cache_tasks))
            rc = error_no_memory(err);
    } else {
        rc = builder_take(b, parent, s, err);
        planned_node to_note = {.node = n, .cache_tasks = s->tasks};
        rc = rc ? rc : keep(b, parent, " (counted)", s, &stage, err);
        to_note.aux_stage = stage;
        rc = rc ? rc : builder_note(b, to_note, err);
    }
    if (rc)
        return rc;
    s->bound_by = stage;
    s->branches[0].rows = NULL;
    s->known = false;
    return segment_add_op(s, 0, PLAN_OP_INDEX, &n->call, n->key_type, n->value_type) ? SDF_OK : error_no_memory(err);
}

/* One behind the other. Those that are counted have their counts from one stage each, and a stage takes only one's: the
 * others are written down first. */
static int union_segment(builder *b, const node *n, segment *s, sdf_error **err)
{
    int rc = builder_take(b, n->parents[0], s, err);
    for (uint32_t i = 1; i < n->parent_count && !rc; i++) {
        segment more = {0};
        rc = builder_take(b, n->parents[i], &more, err);
        if (!rc && more.bound_by && s->bound_by && more.bound_by != s->bound_by)
            rc = keep_for_job(b, n->parents[i], " (numbered)", &more, err);
        rc = rc ? rc : segment_append(s, &more, n, err);
        segment_clear(&more);
    }
    return rc;
}

static int make_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    int rc;
    switch (n->kind) {
    case NODE_PARALLELIZE:
    case NODE_FILES:
    case NODE_RANGE:
        return source_segment(b, n, s, err);
    case NODE_UNION:
        return union_segment(b, n, s, err);
    case NODE_INDEX:
        return index_segment(b, n, s, err);
    case NODE_NARROW:
        rc = builder_take(b, n->parents[0], s, err);
        return rc ? rc : narrow_apply(b, n, s, err);
    case NODE_COALESCE:
        rc = builder_take(b, n->parents[0], s, err);
        return !rc && segment_coalesce(s, n->partitions) ? error_no_memory(err) : rc;
    case NODE_SORT:
        return sort_segment(b, n, s, err);
    case NODE_COGROUP:
        return info_of(b, n)->join >= JOIN_BROADCAST_LEFT ? join_segment(b, n, s, err) : cogroup_segment(b, n, s, err);
    default:
        return wide_segment(b, n, s, err);
    }
}

/* Does somebody else need it, too, who would count, and divert, the same bad records once more? Rows of several sources
 * that can't be told apart when they are read back stay as they are. */
static bool is_shared(builder *b, const node *n)
{
    const node_info *info = info_of(b, n);
    const node *source;
    sdf_error *why = NULL;
    if (info->uses < 2 || !segment_spares(&info->seg))
        return false;
    int rc = n->rows && info->seg.branch_count > 1 ? rows_source(b, n, &source, &why) : SDF_OK;
    sdf_error_free(why);
    return !rc;
}

static int build_node(builder *b, node *n, sdf_error **err)
{
    node_info *info = info_of(b, n);
    bool is_cached = n->persist && n->cache_stage;
    int rc = n->kind == NODE_COGROUP ? join_choose(b, n, err) : SDF_OK;
    if (rc)
        return rc;
    if (node_is_wide(n))
        info->partitions = partitions_of(b, n);
    info->hash = hash_of(b, n);
    if (!info->needed)
        return SDF_OK;
    rc = is_cached ? cached(b, n, &info->seg, err) : make_segment(b, n, &info->seg, err);
    if (rc || is_cached || segment_stored(&info->seg))
        return rc;
    if (n->persist)
        return keep_cached(b, n, &info->seg, err);
    return is_shared(b, n) ? keep_for_job(b, n, " (shared)", &info->seg, err) : SDF_OK;
}

/* ---- the action ---- */

/* All partitions in one task, in order; computed by many tasks before, unless a stage has them already. */
static int gather(builder *b, node *target, segment *s, sdf_error **err)
{
    int rc = SDF_OK;
    if (s->tasks > 1 && !segment_stored(s))
        rc = keep_for_job(b, target, " (gathered)", s, err);
    return !rc && segment_coalesce(s, 1) ? error_no_memory(err) : rc;
}

static bool diverts(const plan_branch *branch, const char **label)
{
    const plan_input *in = &branch->input;
    *label = in->label;
    if (in->errors == PLAN_ERRORS_DIVERT)
        return true;
    for (uint32_t i = 0; i < branch->op_count; i++) {
        *label = branch->ops[i].call.label;
        if (branch->ops[i].errors == PLAN_ERRORS_DIVERT)
            return true;
    }
    for (uint32_t i = 0; i < in->source_count; i++)
        if (diverts(&in->sources[i], label))
            return true;
    return false;
}

/* Where diverted records go: beside the output of the job, which must be a folder then. */
static int set_errors_uri(const builder *b, sdf_error **err)
{
    plan *p = b->out->plan;
    const planner_action *a = b->action;
    const char *label = NULL;
    bool found = false;
    for (uint32_t i = 0; i < p->stage_count && !found; i++)
        for (uint32_t k = 0; k < p->stages[i].branch_count && !found; k++)
            found = diverts(&p->stages[i].branches[k], &label);
    if (!found)
        return SDF_OK;
    if (a->output != PLAN_OUTPUT_FILE || a->single) {
        error_set(err, SDF_E_INVALID, "%s diverts records that it can't make sense of, and %s", label,
                  a->single ? "a single file has no folder beside it for them" : "this action has no output for them");
        error_at(err, NULL, label);
        error_hint(err, "%s, or let it skip them (SDF_ERRORS_SKIP): they are counted all the same",
                   a->single ? "save into a folder" : "save the collection with sdf_save");
        return SDF_E_INVALID;
    }
    p->errors_uri = strdup(a->uri);
    return p->errors_uri ? SDF_OK : error_no_memory(err);
}

/* ---- the whole ---- */

static int copy_broadcasts(const planner_config *c, plan *p)
{
    for (uint32_t i = 0; i < c->broadcast_count; i++) {
        plan_broadcast *to = plan_add_broadcast(p);
        if (!to)
            return SDF_E_NO_MEMORY;
        *to = c->broadcasts[i];
        to->name = strdup(c->broadcasts[i].name);
        if (!to->name)
            return SDF_E_NO_MEMORY;
    }
    return SDF_OK;
}

static int begin(builder *b, sdf_error **err)
{
    const planner_config *c = b->config;
    plan *p = b->out->plan = plan_new();
    if (!p || !(p->program_id = strdup(c->program_id)) || !(p->compression = strdup(c->compression)) ||
        copy_broadcasts(c, p) || !(b->info = calloc(b->count, sizeof *b->info)))
        return error_no_memory(err);
    return SDF_OK;
}

static int build(builder *b, node *target, bool dry, sdf_error **err)
{
    int rc = begin(b, err);
    if (rc)
        return rc;
    find_needed(b);
    for (uint32_t k = 0; k < b->count && !rc; k++)
        rc = build_node(b, b->order[k], err);
    if (rc)
        return rc;
    segment s = {0};
    rc = builder_take(b, target, &s, err);
    if (!rc && b->action->single)
        rc = gather(b, target, &s, err);
    rc = rc ? rc : emit_action(b, target, &s, err);
    segment_clear(&s);
    return rc || dry ? rc : set_errors_uri(b, err);
}

int builder_plan(node *target, const planner_action *action, const planner_config *config, bool dry, planned *out,
                 sdf_error **err)
{
    memset(out, 0, sizeof *out);
    if (target->error) {
        if (err)
            *err = error_copy(target->error);
        return sdf_error_code(target->error);
    }
    builder b = {.config = config, .action = action, .out = out, .next_stage = *config->next_stage};
    if (node_walk(target, &b.order, &b.count))
        return error_no_memory(err);
    int rc = build(&b, target, dry, err);
    for (uint32_t i = 0; i < b.count && b.info; i++) {
        segment_clear(&b.info[i].seg);
        free(b.info[i].columns);
    }
    free(b.info);
    node_walk_end(b.order, b.count);
    if (rc)
        planned_clear(out);
    else if (!dry)
        *config->next_stage = b.next_stage;
    return rc;
}

int planner_plan(node *target, const planner_action *action, const planner_config *config, planned *out,
                 sdf_error **err)
{
    return builder_plan(target, action, config, false, out, err);
}

static void set_stage(uint32_t *field, uint32_t value)
{
    if (value)
        *field = value;
}

void planned_commit(const planned *p)
{
    for (uint32_t i = 0; i < p->node_count; i++) {
        const planned_node *from = &p->nodes[i];
        node *n = from->node;
        set_stage(&n->stages[from->parent], from->stage);
        set_stage(&n->middles[from->parent], from->middle);
        set_stage(&n->aux_stage, from->aux_stage);
        set_stage(&n->cache_stage, from->cache_stage);
        set_stage(&n->cache_tasks, from->cache_tasks);
        set_stage(&n->made_partitions, from->partitions);
        if (from->data_bytes)
            n->data_bytes = from->data_bytes;
        if (from->join)
            n->made_join = from->join;
    }
}

void planned_clear(planned *p)
{
    for (uint32_t i = 0; p->plan && p->pieces && i < p->plan->stage_count; i++)
        stage_pieces_clear(&p->pieces[i], p->plan->stages[i].tasks);
    plan_free(p->plan);
    free(p->pieces);
    free(p->input_bytes);
    free(p->reused);
    free(p->scratch);
    free(p->parallelize);
    free(p->nodes);
    for (uint32_t i = 0; i < p->choice_count; i++) {
        free(p->choices[i].label);
        free(p->choices[i].what);
        free(p->choices[i].why);
    }
    free(p->choices);
    memset(p, 0, sizeof *p);
}
