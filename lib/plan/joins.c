/* Joins with a table: one side is small enough for every task to hold it whole, so the other side is not shuffled at
 * all. Which side it is, and whether, is chosen once for a join: what later plans find must agree with it. */
#include <stdlib.h>

#include "base/error.h"
#include "plan/builder.h"

#define LEFT  0
#define RIGHT 1

static bool is_join(const node *n)
{
    return n->kind == NODE_COGROUP && n->how >= PLAN_COGROUP_INNER && n->how <= PLAN_COGROUP_FULL;
}

/* May that side be the table? The other one's records without a match may be wanted, its own not. */
static bool can_hold(const node *n, uint32_t side)
{
    return n->how == PLAN_COGROUP_INNER || n->how == (side == LEFT ? PLAN_COGROUP_RIGHT : PLAN_COGROUP_LEFT);
}

/* Has every branch of the other side room for a lookup and what goes with it? */
static bool has_room(const segment *big)
{
    for (uint32_t i = 0; i < big->branch_count; i++)
        if (big->branches[i].plan.op_count + 2 > PLAN_OPS_MAX)
            return false;
    return true;
}

static bool is_small(const builder *b, const node *n, uint32_t side)
{
    const segment *small = &info_of(b, n->parents[side])->seg, *big = &info_of(b, n->parents[!side])->seg;
    return can_hold(n, side) && small->known && small->estimate <= b->config->broadcast_bytes &&
           (!b->config->table_bytes || small->estimate <= b->config->table_bytes) &&
           big->side_count < PLAN_SIDES_MAX && has_room(big);
}

/* By sizes: the smaller one of those that are small and may be held. */
static node_join choose_by_size(builder *b, const node *n, sdf_error **err)
{
    const segment *sides[2] = {&info_of(b, n->parents[LEFT])->seg, &info_of(b, n->parents[RIGHT])->seg};
    bool small[2] = {is_small(b, n, LEFT), is_small(b, n, RIGHT)};
    uint32_t held = small[RIGHT] && (!small[LEFT] || sides[RIGHT]->estimate <= sides[LEFT]->estimate) ? RIGHT : LEFT;
    int rc;
    if (small[held]) {
        rc = builder_choice(b, n, held == LEFT ? "broadcast_left" : "broadcast_right",
                            "%s has about %llu bytes, within broadcast_bytes = %llu", n->parents[held]->label,
                            (unsigned long long)sides[held]->estimate, (unsigned long long)b->config->broadcast_bytes);
    } else {
        const char *why = n->how == PLAN_COGROUP_FULL ? "a full join can hold neither side as a table"
                          : sides[LEFT]->known || sides[RIGHT]->known
                              ? "no side that could be held as a table is known to be within broadcast_bytes and a task's memory"
                              : "the size of neither side is known";
        rc = builder_choice(b, n, "partitioned", "%s", why);
    }
    if (rc)
        error_no_memory(err);
    return rc ? JOIN_AUTO : !small[held] ? JOIN_PARTITIONED : held == LEFT ? JOIN_BROADCAST_LEFT : JOIN_BROADCAST_RIGHT;
}

int join_choose(builder *b, node *n, sdf_error **err)
{
    node_info *info = info_of(b, n);
    static const char *const words[] = {"", "partitioned", "broadcast_left", "broadcast_right"};
    if (!is_join(n)) {
        info->join = JOIN_PARTITIONED;
        return SDF_OK;
    }
    if (n->join == JOIN_AUTO && n->made_join == JOIN_AUTO && info->needed) {
        info->join = choose_by_size(b, n, err);
        return info->join == JOIN_AUTO ? SDF_E_NO_MEMORY
                                       : builder_note(b, (planned_node){.node = n, .join = info->join}, err);
    }
    info->join = n->join ? n->join : n->made_join ? n->made_join : JOIN_PARTITIONED;
    if (info->needed && builder_choice(b, n, words[info->join], "%s", n->join ? "as asked for" : "as chosen before"))
        return error_no_memory(err);
    return SDF_OK;
}

/* The table: all of a side in one partition. */
static int table_feed(builder *b, node *n, uint32_t side, uint32_t *stage, sdf_error **err)
{
    const node *parent = n->parents[side];
    shuffle_spec spec = {.at = n,
                         .key_type = parent->key_type,
                         .value_type = parent->value_type,
                         .partitions = 1,
                         .partitioner = PLAN_PARTITION_HASH};
    return wide_feed(b, n, side, &spec, stage, err);
}

/* tuple(big, table) from the lookup, with the table optional where records go on without a match. */
static int lookup_type(const node *n, uint32_t side, char **type, sdf_error **err)
{
    const char *big = n->parents[!side]->value_type, *table = n->parents[side]->value_type;
    buf b = BUF_EMPTY;
    int rc = buf_printf(&b, n->how == PLAN_COGROUP_INNER ? "tuple(%s,%s)" : "tuple(%s,optional(%s))", big, table);
    rc = rc || buf_append(&b, "", 1) ? error_no_memory(err) : fit_set(type, (const char *)b.data, err);
    buf_free(&b);
    return rc;
}

static int check_ops(const node *n, const segment *s, sdf_error **err)
{
    if (has_room(s))
        return SDF_OK;
    error_set(err, SDF_E_LIMIT, "%s: more than %u operators in one stage", n->label, PLAN_OPS_MAX);
    error_hint(err, "sdf_persist a collection on the way, or use SDF_JOIN_PARTITIONED");
    return SDF_E_LIMIT;
}

/* The lookup behind every branch, and if the table is the left side, the sides of the pair swapped. */
static int add_lookup(const node *n, uint32_t side, uint32_t number, const char *type, segment *s)
{
    plan_call lookup = {.label = n->label}, swap = {.label = n->label};
    uint8_t swaps = PLAN_PROJECT_SWAP_SIDES;
    swap.arg = (buf){&swaps, 1, 1}; /* lent: it is only copied */
    for (uint32_t i = 0; i < s->branch_count; i++) {
        plan_op *op = segment_add_op(s, i, PLAN_OP_LOOKUP, &lookup, n->key_type, type);
        if (!op)
            return SDF_E_NO_MEMORY;
        op->side = number;
        op->how = n->how == PLAN_COGROUP_INNER ? PLAN_COGROUP_INNER : PLAN_COGROUP_LEFT;
        if (side == LEFT && !segment_add_op(s, i, PLAN_OP_PROJECT, &swap, n->key_type, n->value_type))
            return SDF_E_NO_MEMORY;
        s->branches[i].rows = NULL;
    }
    return SDF_OK;
}

int join_segment(builder *b, node *n, segment *s, sdf_error **err)
{
    uint32_t side = info_of(b, n)->join == JOIN_BROADCAST_LEFT ? LEFT : RIGHT, number;
    const node *parent = n->parents[side];
    plan_side table = {.label = parent->label, .key_type = parent->key_type, .value_type = parent->value_type};
    char *type = NULL;
    int rc = table_feed(b, n, side, &table.source, err);
    rc = rc ? rc : builder_take(b, n->parents[!side], s, err);
    rc = rc ? rc : check_ops(n, s, err);
    rc = rc ? rc : segment_add_side(s, n, &table, &number, err);
    rc = rc ? rc : lookup_type(n, side, &type, err);
    if (!rc && add_lookup(n, side, number, type, s))
        rc = error_no_memory(err);
    free(type);
    s->known = false;
    return rc;
}
