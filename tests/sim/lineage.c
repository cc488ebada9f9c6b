/* A pipeline as the lineage that a host's calls would make. */
#include <stdio.h>
#include <string.h>

#include "shuffle/object.h"
#include "sim.h"
#include "spec/type.h"

static int put_records(object_writer *x, const step *s, sdf_error **err)
{
    uint64_t n = s->out.count;
    for (uint32_t i = 0; i < s->partitions; i++) {
        uint64_t end = n * (i + 1) / s->partitions;
        for (uint64_t r = n * i / s->partitions; r < end; r++) {
            const rec *one = &s->out.at[r];
            sdf_slice key = {one->key, one->key_size}, value = {&one->value, sizeof one->value};
            int rc = object_writer_add_one(x, i, &key, &value, err);
            if (rc)
                return rc;
        }
    }
    return SDF_OK;
}

/* The object that a parallelize node stands for. */
static void fill_memory(world *w, const step *s, node *n, uint32_t stage)
{
    task_request request = {.context = SIM_CONTEXT, .stage = stage};
    plan empty = {.compression = (char *)"lz4"};
    budget memory;
    task_env env = {
        .request = &request, .plan = &empty, .store = disk_store(w->disk), .clock = &w->clock, .budget = &memory};
    object_ids ids = {.context = SIM_CONTEXT, .stage = stage};
    shuffle_index index = {0};
    uint64_t size = 0;
    object_writer *x;
    sdf_error *err = NULL;
    budget_init(&memory, 16 << 20);
    int rc = object_writer_open(&x, &env, &ids, s->partitions, TYPE_BYTES, TYPE_I64, UINT64_MAX, &err);
    if (!rc) {
        rc = put_records(x, s, &err);
        if (rc)
            object_writer_abort(x);
        else
            rc = object_writer_commit(x, &index, &n->data, &size, &err);
        shuffle_index_clear(&index);
    }
    if (rc)
        world_wrong(w, "can't make the source: %s", sdf_error_message(err));
    sdf_error_free(err);
    n->stages[0] = stage;
}

/* ---- nodes ---- */

typedef struct maker {
    world *w;
    pipeline *p;
    uint32_t id, *next_stage;
} maker;

/* A node of these parents; it holds them, so `mine` (NULL: none) is let go. */
static node *make(maker *m, node_spec spec, node *a, node *b, node *mine)
{
    node *parents[2] = {a, b};
    spec.parents = parents;
    spec.parent_count = (a != NULL) + (b != NULL);
    spec.id = m->id++;
    node *n = node_new(&spec);
    node_unref(mine, NULL, NULL);
    if (n == NULL || n->error)
        world_wrong(m->w, "the lineage is refused: %s", n ? sdf_error_text(n->error) : "no memory");
    return n;
}

static node *then(maker *m, node *before, node_spec spec)
{
    return make(m, spec, before, NULL, before);
}

static node *project(maker *m, node *before, plan_project how)
{
    uint8_t which = (uint8_t)how;
    bool back = how == PLAN_PROJECT_UNELEMENT;
    node_spec spec = {.kind = NODE_NARROW,
                      .operation = "project",
                      .op = PLAN_OP_PROJECT,
                      .arg = {&which, 1},
                      .key_type = back ? SDF_BYTES : NULL,
                      .value_type = back ? SDF_I64 : NULL};
    return make(m, spec, before, NULL, NULL);
}

static node *map(maker *m, node *before, const char *function)
{
    return then(m, before,
                (node_spec){.kind = NODE_NARROW, .operation = "map", .op = PLAN_OP_MAP, .function = function});
}

static node *source(maker *m, const step *s)
{
    uint32_t number = (uint32_t)(s - m->p->steps);
    plan_format format = {.kind = s->kind == STEP_WORDS ? PLAN_FORMAT_TEXT : PLAN_FORMAT_BINARY};
    node_spec files = {.kind = NODE_FILES,
                       .operation = "files",
                       .uris = m->p->uris[number],
                       .format = &format,
                       .split_bytes = m->p->split_bytes};
    switch (s->kind) {
    case STEP_MEMORY: {
        node_spec memory = {.kind = NODE_PARALLELIZE,
                            .operation = "parallelize",
                            .key_type = SDF_BYTES,
                            .value_type = SDF_I64,
                            .partitions = s->partitions};
        node *n = make(m, memory, NULL, NULL, NULL);
        fill_memory(m->w, s, n, (*m->next_stage)++);
        return n;
    }
    case STEP_NUMBERS: {
        node_spec range = {.kind = NODE_RANGE,
                           .operation = "range",
                           .start = 0,
                           .step = 1,
                           .count = s->out.count,
                           .partitions = s->partitions};
        return map(m, make(m, range, NULL, NULL, NULL), "sim.name");
    }
    case STEP_WORDS:
        return then(
            m, make(m, files, NULL, NULL, NULL),
            (node_spec){.kind = NODE_NARROW, .operation = "flat_map", .op = PLAN_OP_FLAT_MAP, .function = "sim.words"});
    default:
        format.record_bytes = BINARY_KEY + 8;
        format.key_bytes = BINARY_KEY;
        return map(m, make(m, files, NULL, NULL, NULL), "sim.load");
    }
}

/* Steps that are one node. */
static node *simple(maker *m, const step *s, node *a, node *b)
{
    static const struct {
        node_kind kind;
        const char *operation, *function;
        uint32_t detail; /* plan_op_kind, plan_cogroup */
        node_join join;
    } made[STEP_KINDS] = {
        [STEP_SHIFT] = {NODE_NARROW, "map", "sim.shift", PLAN_OP_MAP, 0},
        [STEP_ODD] = {NODE_NARROW, "filter", "sim.odd", PLAN_OP_FILTER, 0},
        [STEP_EXPAND] = {NODE_NARROW, "flat_map", "sim.expand", PLAN_OP_FLAT_MAP, 0},
        [STEP_VALUES] = {NODE_NARROW, "map_values", "sim.values", PLAN_OP_MAP_VALUES, 0},
        [STEP_FLAKY] = {NODE_NARROW, "map", "sim.flaky", PLAN_OP_MAP, 0},
        [STEP_COUNTED] = {NODE_NARROW, "map", "sim.counted", PLAN_OP_MAP, 0},
        [STEP_PICKY] = {NODE_NARROW, "map", "sim.picky", PLAN_OP_MAP, 0},
        [STEP_BONUS] = {NODE_NARROW, "map", "sim.bonus", PLAN_OP_MAP, 0},
        [STEP_UNSTABLE] = {NODE_NARROW, "map", "sim.unstable", PLAN_OP_MAP, 0},
        [STEP_COALESCE] = {NODE_COALESCE, "coalesce", NULL, 0, 0},
        [STEP_UNION] = {NODE_UNION, "union", NULL, 0, 0},
        [STEP_SUM] = {NODE_AGGREGATE, "reduce_by_key", "sdf.sum", 0, 0},
        [STEP_COUNT] = {NODE_AGGREGATE, "aggregate_by_key", "sdf.count", 0, 0},
        [STEP_FOLD] = {NODE_COGROUP, "map_groups", "sim.fold", PLAN_COGROUP_CALL, 0},
        [STEP_SORT] = {NODE_SORT, "sort_by_key", NULL, 0, 0},
        [STEP_SORT_DOWN] = {NODE_SORT, "sort_by_key", NULL, 0, 0},
        [STEP_PARTITION] = {NODE_PARTITION, "partition_by", NULL, 0, 0},
        [STEP_REPARTITION] = {NODE_REPARTITION, "repartition", NULL, 0, 0},
        [STEP_INDEX] = {NODE_INDEX, "zip_with_index", NULL, 0, 0},
        [STEP_MEET] = {NODE_COGROUP, "map_cogroups", "sim.meet", PLAN_COGROUP_CALL, 0},
        [STEP_JOIN] = {NODE_COGROUP, "join", NULL, PLAN_COGROUP_INNER, JOIN_AUTO},
        [STEP_JOIN_LEFT] = {NODE_COGROUP, "join", NULL, PLAN_COGROUP_LEFT, JOIN_PARTITIONED},
        [STEP_JOIN_FULL] = {NODE_COGROUP, "join", NULL, PLAN_COGROUP_FULL, JOIN_AUTO},
        [STEP_TABLE] = {NODE_COGROUP, "join", NULL, PLAN_COGROUP_INNER, JOIN_BROADCAST_RIGHT},
        [STEP_TABLE_LEFT] = {NODE_COGROUP, "join", NULL, PLAN_COGROUP_LEFT, JOIN_BROADCAST_RIGHT},
        [STEP_SUBTRACT] = {NODE_COGROUP, "subtract_by_key", NULL, PLAN_COGROUP_SUBTRACT, 0},
        [STEP_DISTINCT] = {NODE_AGGREGATE, "distinct", "sdf.none", 0, 0},
        [STEP_INTERSECT] = {NODE_COGROUP, "intersection", NULL, PLAN_COGROUP_INTERSECT, 0},
    };
    char name[16];
    snprintf(name, sizeof name, "n%u", (uint32_t)(s - m->p->steps));
    bool wide = s->kind >= STEP_SUM && s->kind != STEP_INDEX && s->kind != STEP_TABLE && s->kind != STEP_TABLE_LEFT;
    node_spec spec = {.kind = made[s->kind].kind,
                      .operation = made[s->kind].operation,
                      .function = made[s->kind].function,
                      .join = made[s->kind].join,
                      .partitions = wide || s->kind == STEP_COALESCE ? s->partitions : 0,
                      .descending = s->kind == STEP_SORT_DOWN};
    if (s->kind == STEP_COUNTED)
        spec.arg = (sdf_slice){name, strlen(name)};
    if (spec.kind == NODE_COGROUP)
        spec.how = (plan_cogroup)made[s->kind].detail;
    else
        spec.op = (plan_op_kind)made[s->kind].detail;
    return make(m, spec, a, b, NULL);
}

/* Both sides as elements, and the records that come out of them. */
static node *by_elements(maker *m, const step *s, node *a, node *b)
{
    node *left = project(m, a, PLAN_PROJECT_ELEMENT), *right = b ? project(m, b, PLAN_PROJECT_ELEMENT) : NULL;
    node *n = simple(m, s, left, right);
    node_unref(left, NULL, NULL);
    node_unref(right, NULL, NULL);
    node *back = project(m, n, PLAN_PROJECT_UNELEMENT);
    node_unref(n, NULL, NULL);
    return back;
}

static node *step_node(maker *m, const step *s)
{
    if (step_parents(s->kind) == 0)
        return source(m, s);
    node *a = m->p->steps[s->parents[0]].node;
    node *b = step_parents(s->kind) > 1 ? m->p->steps[s->parents[1]].node : NULL;
    if (s->kind == STEP_DISTINCT || s->kind == STEP_INTERSECT)
        return by_elements(m, s, a, b);
    node *n = simple(m, s, a, b);
    if (s->kind == STEP_INDEX)
        return map(m, n, "sim.number");
    if (s->kind >= STEP_JOIN && s->kind <= STEP_TABLE_LEFT)
        return map(m, n, "sim.pair");
    if (s->kind == STEP_PICKY)
        node_set_errors(n, s->divert ? PLAN_ERRORS_DIVERT : PLAN_ERRORS_SKIP);
    return n;
}

void lineage_make(world *w, pipeline *p, uint32_t *next_stage)
{
    maker m = {w, p, 1, next_stage};
    for (uint32_t i = 0; i < p->count && !w->wrong[0]; i++) {
        step *s = &p->steps[i];
        s->first_id = m.id;
        s->node = step_node(&m, s);
        s->last_id = m.id - 1;
        if (s->persist && s->node)
            node_set_persist(s->node, true, NULL, NULL);
    }
}
