/* Segments as data: branches, pieces and sides, made, copied, appended, merged. */
#include "plan/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define INPUT_TEXT 240 /* bytes of JSON around an input's strings, and around an operator's */
#define OP_TEXT    120

/* ---- memory ---- */

static void pieces_free(plan_piece *pieces, uint32_t count)
{
    for (uint32_t i = 0; pieces && i < count; i++) {
        free(pieces[i].split.path);
        free(pieces[i].split.version);
    }
    free(pieces);
}

static uint32_t piece_count(const segment *s)
{
    return s->first ? s->first[s->tasks] : 0;
}

void segment_clear(segment *s)
{
    for (uint32_t i = 0; i < s->branch_count; i++)
        plan_release_branch(&s->branches[i].plan);
    free(s->branches);
    pieces_free(s->pieces, piece_count(s));
    free(s->first);
    for (uint32_t i = 0; i < s->side_count; i++) {
        free(s->sides[i].label);
        free(s->sides[i].key_type);
        free(s->sides[i].value_type);
    }
    free(s->sides);
    *s = (segment){0};
}

segment segment_move(segment *from)
{
    segment s = *from;
    *from = (segment){0};
    return s;
}

static int copy_text(char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? SDF_E_NO_MEMORY : SDF_OK;
}

static int copy_pieces(segment *to, const segment *from)
{
    uint32_t count = piece_count(from);
    plan_piece *pieces = calloc(count ? count : 1, sizeof *pieces);
    uint32_t *first = malloc((from->tasks + (size_t)1) * sizeof *first);
    int rc = pieces && first ? SDF_OK : SDF_E_NO_MEMORY;
    for (uint32_t i = 0; i < count && !rc; i++) {
        const task_split *split = &from->pieces[i].split;
        pieces[i] = from->pieces[i];
        pieces[i].split.path = pieces[i].split.version = NULL;
        rc = copy_text(&pieces[i].split.path, split->path) || copy_text(&pieces[i].split.version, split->version)
                 ? SDF_E_NO_MEMORY
                 : SDF_OK;
    }
    if (rc) {
        pieces_free(pieces, count);
        free(first);
        return rc;
    }
    memcpy(first, from->first, (from->tasks + (size_t)1) * sizeof *first);
    to->pieces = pieces;
    to->first = first;
    return SDF_OK;
}

static plan_side *side_append(segment *s, const plan_side *side)
{
    plan_side *sides = realloc(s->sides, (s->side_count + 1) * sizeof *sides);
    if (!sides)
        return NULL;
    s->sides = sides;
    plan_side *new = &sides[s->side_count++];
    *new = (plan_side){.source = side->source};
    return copy_text(&new->label, side->label) || copy_text(&new->key_type, side->key_type) ||
                   copy_text(&new->value_type, side->value_type)
               ? NULL
               : new;
}

static segment_branch *branch_append(segment *s)
{
    if (s->branch_count == s->branch_room) {
        uint32_t room = s->branch_room ? s->branch_room * 2 : 1;
        segment_branch *branches = realloc(s->branches, room * sizeof *branches);
        if (!branches)
            return NULL;
        s->branches = branches;
        s->branch_room = room;
    }
    segment_branch *b = &s->branches[s->branch_count++];
    *b = (segment_branch){0};
    return b;
}

int segment_copy(segment *to, const segment *from)
{
    *to = *from;
    to->branches = NULL;
    to->pieces = NULL;
    to->first = NULL;
    to->sides = NULL;
    to->branch_count = to->branch_room = to->side_count = 0;
    int rc = from->first ? copy_pieces(to, from) : SDF_OK;
    for (uint32_t i = 0; i < from->branch_count && !rc; i++) {
        segment_branch *b = branch_append(to);
        rc = b ? plan_copy_branch(&b->plan, &from->branches[i].plan) : SDF_E_NO_MEMORY;
        if (b)
            b->rows = from->branches[i].rows;
    }
    for (uint32_t i = 0; i < from->side_count && !rc; i++)
        rc = side_append(to, &from->sides[i]) ? SDF_OK : SDF_E_NO_MEMORY;
    if (rc)
        segment_clear(to);
    return rc;
}

/* ---- branches ---- */

static uint64_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

static uint64_t op_text(const plan_op *op)
{
    return OP_TEXT + length(op->call.function) + length(op->call.label) + length(op->key_type) +
           length(op->value_type) + op->call.arg.size * 4 / 3;
}

/* Counts a branch and the sources of its cogroup (which are at most PLAN_NESTED_MAX deep). */
static void weigh(const plan_branch *b, uint32_t depth, segment *sum)
{
    const plan_input *in = &b->input;
    sum->weight++;
    sum->text += INPUT_TEXT + length(in->label) + 2 * (length(in->key_type) + length(in->value_type)) +
                 length(in->format.columns) + length(in->call.function) + length(in->call.label) +
                 in->call.arg.size * 4 / 3;
    for (uint32_t i = 0; i < b->op_count; i++)
        sum->text += op_text(&b->ops[i]);
    if (in->kind == PLAN_INPUT_COGROUP && depth + 1 > sum->depth)
        sum->depth = depth + 1;
    for (uint32_t i = 0; i < in->source_count; i++)
        weigh(&in->sources[i], depth + 1, sum);
}

static int check_text(const segment *s, const node *at, sdf_error **err)
{
    if (s->text <= PLAN_BYTES_MAX)
        return SDF_OK;
    error_set(err, SDF_E_LIMIT, "%s: the operators of its stage would take more than the %u bytes of a plan", at->label,
              PLAN_BYTES_MAX);
    error_hint(err, "give less as arguments (sdf_broadcast carries large ones), or unite fewer collections");
    return SDF_E_LIMIT;
}

int segment_weigh(segment *s, const node *at, sdf_error **err)
{
    s->weight = s->depth = 0;
    s->text = 0;
    for (uint32_t i = 0; i < s->branch_count; i++)
        weigh(&s->branches[i].plan, 0, s);
    return check_text(s, at, err);
}

segment_branch *segment_add_branch(segment *s, const char *label, const char *key_type, const char *value_type)
{
    segment_branch *b = branch_append(s);
    if (!b || copy_text(&b->plan.input.label, label) || copy_text(&b->plan.input.key_type, key_type) ||
        copy_text(&b->plan.input.value_type, value_type))
        return NULL;
    return b;
}

int segment_read(segment *s, const node *n, const char *stored_key, const char *stored_value, uint32_t stage,
                 uint32_t tasks)
{
    *s = (segment){.tasks = tasks, .weight = 1, .text = INPUT_TEXT};
    segment_branch *b = segment_add_branch(s, n->label, n->key_type, n->value_type);
    if (!b)
        return SDF_E_NO_MEMORY;
    plan_input *in = &b->plan.input;
    in->kind = PLAN_INPUT_SHUFFLE;
    in->read = PLAN_READ_CONCAT;
    in->source = stage;
    b->rows = n->rows ? n : NULL;
    return copy_text(&in->stored_key_type, stored_key) || copy_text(&in->stored_value_type, stored_value)
               ? SDF_E_NO_MEMORY
               : SDF_OK;
}

uint32_t segment_stored(const segment *s)
{
    const plan_branch *b = &s->branches[0].plan;
    bool stored = s->branch_count == 1 && !s->first && !b->op_count && b->input.kind == PLAN_INPUT_SHUFFLE &&
                  b->input.read == PLAN_READ_CONCAT;
    return stored ? b->input.source : 0;
}

plan_op *segment_add_op(segment *s, uint32_t i, plan_op_kind kind, const plan_call *call, const char *key_type,
                        const char *value_type)
{
    plan_op *op = plan_add_op(&s->branches[i].plan);
    if (!op)
        return NULL;
    op->kind = kind;
    if (plan_copy_call(&op->call, call) || copy_text(&op->key_type, key_type) || copy_text(&op->value_type, value_type))
        return NULL;
    s->text += op_text(op);
    return op;
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

bool segment_has_op(const segment *s, plan_op_kind kind)
{
    for (uint32_t i = 0; i < s->branch_count; i++)
        if (branch_has_op(&s->branches[i].plan, kind))
            return true;
    return false;
}

static bool branch_spares(const plan_branch *b)
{
    if (b->input.errors != PLAN_ERRORS_FAIL)
        return true;
    for (uint32_t i = 0; i < b->op_count; i++)
        if (b->ops[i].errors != PLAN_ERRORS_FAIL)
            return true;
    for (uint32_t i = 0; i < b->input.source_count; i++)
        if (branch_spares(&b->input.sources[i]))
            return true;
    return false;
}

bool segment_spares(const segment *s)
{
    for (uint32_t i = 0; i < s->branch_count; i++)
        if (branch_spares(&s->branches[i].plan))
            return true;
    return false;
}

int segment_add_side(segment *s, const node *at, const plan_side *side, uint32_t *number, sdf_error **err)
{
    for (*number = 0; *number < s->side_count; ++*number)
        if (s->sides[*number].source == side->source)
            return SDF_OK;
    if (s->side_count == PLAN_SIDES_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: more than %u tables in one stage", at->label, PLAN_SIDES_MAX);
        error_hint(err, "use SDF_JOIN_PARTITIONED for some of the joins, or sdf_persist between them");
        return SDF_E_LIMIT;
    }
    return side_append(s, side) ? SDF_OK : error_no_memory(err);
}

/* ---- pieces ---- */

/* The pieces written out, which until then are as a matter of course one partition for each task. */
static int pieces_write(segment *s)
{
    if (s->first)
        return SDF_OK;
    plan_piece *pieces = calloc(s->tasks ? s->tasks : 1, sizeof *pieces);
    uint32_t *first = malloc((s->tasks + (size_t)1) * sizeof *first);
    if (!pieces || !first) {
        free(pieces);
        free(first);
        return SDF_E_NO_MEMORY;
    }
    for (uint32_t i = 0; i <= s->tasks; i++)
        first[i] = i;
    for (uint32_t i = 0; i < s->tasks; i++)
        pieces[i].partition = i;
    s->pieces = pieces;
    s->first = first;
    return SDF_OK;
}

/* Room for `more` behind the first `count` elements; capacities are the powers of two, so many small steps are cheap.
 */
static void *extend(void *array, size_t count, size_t more, size_t element)
{
    size_t room = 1;
    while (room < count + more)
        room *= 2;
    return realloc(array, room * element);
}

int segment_coalesce(segment *s, uint32_t tasks)
{
    if (s->tasks <= tasks)
        return SDF_OK;
    if (pieces_write(s))
        return SDF_E_NO_MEMORY;
    uint32_t had = s->tasks, count = piece_count(s);
    for (uint32_t t = 0; t < tasks; t++)
        s->first[t] = s->first[(uint64_t)t * had / tasks]; /* never read behind what is written: t <= t * had / tasks */
    s->first[tasks] = count;
    s->tasks = tasks;
    return SDF_OK;
}

int segment_split(segment *s, uint32_t times)
{
    uint32_t tasks = s->tasks * times;
    s->tasks = tasks;
    if (pieces_write(s))
        return SDF_E_NO_MEMORY;
    for (uint32_t t = 0; t < tasks; t++)
        s->pieces[t].partition = t / times;
    return SDF_OK;
}

void segment_keep(segment *s, uint32_t first, uint32_t count)
{
    if (s->first) {
        uint32_t from = s->first[first], to = s->first[first + count], all = piece_count(s);
        for (uint32_t i = 0; i < all; i++)
            if (i < from || i >= to) {
                free(s->pieces[i].split.path);
                free(s->pieces[i].split.version);
            }
        memmove(s->pieces, s->pieces + from, (to - from) * sizeof *s->pieces);
        for (uint32_t t = 0; t <= count; t++)
            s->first[t] = s->first[first + t] - from;
    }
    s->tasks = count;
}

/* ---- one behind the other ---- */

static int check_append(const segment *to, const segment *from, const node *at, sdf_error **err)
{
    uint64_t pieces =
        (uint64_t)(to->first ? piece_count(to) : to->tasks) + (from->first ? piece_count(from) : from->tasks);
    if ((uint64_t)to->branch_count + from->branch_count > PLAN_BRANCHES_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: more than %u collections in one stage", at->label, PLAN_BRANCHES_MAX);
        error_hint(err, "name the files of one source instead of uniting sources, or sdf_persist some of the unions");
        return SDF_E_LIMIT;
    }
    if ((uint64_t)to->tasks + from->tasks > PLAN_TASKS_MAX || pieces > PLAN_TASKS_MAX) {
        error_set(err, SDF_E_LIMIT, "%s: more than %u tasks in one stage", at->label, PLAN_TASKS_MAX);
        error_hint(err, "use fewer partitions, larger splits, or sdf_coalesce");
        return SDF_E_LIMIT;
    }
    return SDF_OK;
}

static void renumber_sides(plan_branch *b, const uint32_t *number)
{
    for (uint32_t i = 0; i < b->op_count; i++)
        if (b->ops[i].kind == PLAN_OP_LOOKUP)
            b->ops[i].side = number[b->ops[i].side];
    for (uint32_t i = 0; i < b->input.source_count; i++)
        renumber_sides(&b->input.sources[i], number);
}

int segment_adopt_sides(segment *to, segment *from, const node *at, sdf_error **err)
{
    uint32_t number[PLAN_SIDES_MAX];
    for (uint32_t i = 0; i < from->side_count; i++) {
        int rc = segment_add_side(to, at, &from->sides[i], &number[i], err);
        if (rc)
            return rc;
    }
    for (uint32_t i = 0; i < from->branch_count && from->side_count; i++)
        renumber_sides(&from->branches[i].plan, number);
    return SDF_OK;
}

static int append_pieces(segment *to, segment *from)
{
    if (pieces_write(to) || pieces_write(from))
        return SDF_E_NO_MEMORY;
    uint32_t before = piece_count(to), count = piece_count(from);
    plan_piece *pieces = extend(to->pieces, before, count, sizeof *pieces);
    if (pieces)
        to->pieces = pieces;
    uint32_t *first = extend(to->first, to->tasks + (size_t)1, from->tasks, sizeof *first);
    if (first)
        to->first = first;
    if (!pieces || !first)
        return SDF_E_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        pieces[before + i] = from->pieces[i];
        pieces[before + i].branch += to->branch_count;
    }
    for (uint32_t t = 1; t <= from->tasks; t++)
        first[to->tasks + t] = before + from->first[t];
    to->tasks += from->tasks;
    free(from->pieces);
    free(from->first);
    from->pieces = NULL;
    from->first = NULL;
    return SDF_OK;
}

int segment_append(segment *to, segment *from, const node *at, sdf_error **err)
{
    int rc = check_append(to, from, at, err);
    rc = rc ? rc : segment_adopt_sides(to, from, at, err);
    if (rc)
        return rc;
    segment_branch *branches = extend(to->branches, to->branch_count, from->branch_count, sizeof *branches);
    if (!branches)
        return error_no_memory(err);
    to->branches = branches;
    to->branch_room = to->branch_count + from->branch_count; /* at least */
    if (append_pieces(to, from))
        return error_no_memory(err);
    memcpy(branches + to->branch_count, from->branches, from->branch_count * sizeof *branches);
    to->branch_count += from->branch_count;
    from->branch_count = 0;
    to->bytes += from->bytes;
    to->estimate += from->estimate;
    to->known = to->known && from->known;
    to->bound_by = to->bound_by ? to->bound_by : from->bound_by;
    to->weight += from->weight;
    to->depth = to->depth > from->depth ? to->depth : from->depth;
    to->text += from->text;
    segment_clear(from);
    return check_text(to, at, err);
}
