/* Random lineages, planned again and again as a host would: whatever the operators, plans hold together. Every shuffle
 * that is read has been written, in as many partitions, of the same types and in the right order; nothing is read twice
 * or left out; what is shared is written once. */
#include "planning.h"

#define NODES  30
#define STAGES 20000

static uint64_t seed;

static uint32_t pick(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((seed >> 33) % n);
}

/* What all plans so far have written, by id. */
static struct written {
    plan_output output; /* strings of their own */
    uint32_t tasks;
    bool there, indexed;
} written[STAGES];

static void forget_all(void)
{
    for (uint32_t i = 0; i < STAGES; i++) {
        free(written[i].output.key_type);
        free(written[i].output.value_type);
        free(written[i].output.combine.function);
    }
    memset(written, 0, sizeof written);
}

static void note_output(uint32_t id, uint32_t tasks, const plan_output *o)
{
    assert_true(id < STAGES && !written[id].there);
    struct written *w = &written[id];
    w->output = *o;
    w->output.key_type = strdup(o->key_type);
    w->output.value_type = strdup(o->value_type);
    w->output.combine = (plan_call){.function = o->combine.function ? strdup(o->combine.function) : NULL};
    w->tasks = tasks;
    w->there = true;
}

/* ---- checks ---- */

static const plan_output *find(uint32_t reader, uint32_t source)
{
    assert_true(source && source < reader && written[source].there);
    assert_int_equal(written[source].output.kind, PLAN_OUTPUT_SHUFFLE);
    return &written[source].output;
}

static void check_shuffle(uint32_t reader, const plan_input *in, bool exchange)
{
    const plan_output *o = find(reader, in->source);
    assert_string_equal(o->key_type, in->stored_key_type);
    assert_string_equal(o->value_type, in->stored_value_type);
    assert_int_equal(o->spread != 0, exchange);
    if (in->read == PLAN_READ_MERGE)
        assert_int_equal(o->order, in->descending ? PLAN_ORDER_DESCENDING : PLAN_ORDER_ASCENDING);
    if (in->read == PLAN_READ_AGGREGATE)
        assert_string_equal(o->combine.function, in->call.function);
    else if (!exchange)
        assert_null(o->combine.function);
    if (in->read != PLAN_READ_AGGREGATE) {
        assert_string_equal(in->key_type, in->stored_key_type);
        assert_string_equal(in->value_type, in->stored_value_type);
    }
}

/* Partitions that the branch's shuffles have, which must be as many in all; UINT32_MAX: it reads none. */
static uint32_t check_branch(const plan_stage *s, const plan_branch *b, bool exchange, uint32_t *leaves)
{
    const plan_input *in = &b->input;
    uint32_t partitions = UINT32_MAX;
    if (in->kind == PLAN_INPUT_SHUFFLE) {
        assert_int_equal(in->leaf, (*leaves)++);
        check_shuffle(s->id, in, exchange);
        partitions = written[in->source].output.partitions;
    }
    for (uint32_t i = 0; i < in->source_count; i++) {
        uint32_t more = check_branch(s, &in->sources[i], false, leaves);
        assert_true(more != UINT32_MAX && (partitions == UINT32_MAX || partitions == more));
        partitions = more;
    }
    for (uint32_t i = 0; i < b->op_count; i++) {
        const plan_op *op = &b->ops[i];
        if (op->kind == PLAN_OP_LOOKUP)
            assert_true(op->side < s->side_count);
        if (op->kind == PLAN_OP_INDEX) {
            const plan_output *o = find(s->id, s->bound_by);
            assert_int_equal(o->partitioner, PLAN_PARTITION_FORWARD);
            assert_int_equal(in->source, s->bound_by);
            assert_int_equal(i, 0);
        }
    }
    return partitions;
}

/* Every branch's partitions are read once each, in order within the branch. */
static void check_pieces(const plan_stage *s, const stage_pieces *pieces, const uint32_t *partitions)
{
    if (!pieces->first) {
        assert_int_equal(s->branch_count, 1);
        assert_int_equal(s->tasks, partitions[0]);
        return;
    }
    uint32_t *next = calloc(s->branch_count, sizeof *next);
    for (uint32_t i = 0; i < pieces->first[s->tasks]; i++) {
        const plan_piece *p = &pieces->pieces[i];
        assert_true(p->branch < s->branch_count);
        assert_int_equal(p->partition, next[p->branch]++);
        assert_int_equal(p->from + p->to, 0);
        assert_int_equal(p->split.path != NULL, s->branches[p->branch].input.kind == PLAN_INPUT_FILES);
    }
    for (uint32_t k = 0; k < s->branch_count; k++)
        if (partitions[k] != UINT32_MAX)
            assert_int_equal(next[k], partitions[k]);
    for (uint32_t t = 0; t < s->tasks; t++)
        assert_true(pieces->first[t] < pieces->first[t + 1]);
    free(next);
}

/* The second level reads every group of every producer once. */
static void check_exchange(const plan_stage *s, const stage_pieces *pieces)
{
    uint32_t source = s->branches[0].input.source, groups = written[source].output.partitions;
    uint32_t group = 0, at = 0;
    assert_int_equal(written[source].output.spread, s->output.partitions);
    for (uint32_t t = 0; t < s->tasks; t++) {
        const plan_piece *p = &pieces->pieces[t];
        assert_int_equal(p->partition, group);
        assert_int_equal(p->from, at);
        assert_true(p->to > at && p->to <= written[source].tasks);
        at = p->to;
        if (at == written[source].tasks) {
            group++;
            at = 0;
        }
    }
    assert_int_equal(group, groups);
    assert_int_equal(at, 0);
}

static void check_stage(const planned *p, uint32_t i)
{
    const plan_stage *s = &p->plan->stages[i];
    const plan_output *o = &s->output;
    bool exchange = strstr(s->label, "(exchange)") != NULL;
    uint32_t *partitions = calloc(s->branch_count, sizeof *partitions);
    if (i)
        assert_true(s->id > p->plan->stages[i - 1].id);
    for (uint32_t k = 0; k < s->branch_count; k++) {
        uint32_t leaves = 0;
        const plan_branch *b = &s->branches[k];
        const plan_op *last = b->op_count ? &b->ops[b->op_count - 1] : NULL;
        partitions[k] = check_branch(s, b, exchange, &leaves);
        assert_int_equal(b->leaves, leaves);
        assert_string_equal(last ? last->key_type : b->input.key_type, o->key_type);
        if (!o->combine.function)
            assert_string_equal(last ? last->value_type : b->input.value_type, o->value_type);
    }
    if (exchange)
        check_exchange(s, &p->pieces[i]);
    else
        check_pieces(s, &p->pieces[i], partitions);
    for (uint32_t k = 0; k < s->side_count; k++)
        assert_int_equal(find(s->id, s->sides[k].source)->partitions, 1);
    if (o->kind == PLAN_OUTPUT_SHUFFLE && o->partitioner == PLAN_PARTITION_RANGE)
        assert_true(s->bound_by < s->id && written[s->bound_by].output.sample > 0);
    if (o->partitioner == PLAN_PARTITION_FORWARD)
        assert_int_equal(o->partitions, s->tasks);
    free(partitions);
    note_output(s->id, s->tasks, o);
}

static void check_plan(const planned *p, const node *target)
{
    for (uint32_t i = 0; i < p->plan->stage_count; i++)
        check_stage(p, i);
    const plan_stage *last = &p->plan->stages[p->plan->stage_count - 1];
    assert_int_equal(p->target, last->id);
    assert_string_equal(last->output.key_type, target->key_type);
    assert_string_equal(last->output.value_type, target->value_type);
    for (uint32_t i = 0; i < p->node_count; i++) /* each thing is made once */
        for (uint32_t k = 0; k < i; k++)
            if (p->nodes[i].node == p->nodes[k].node && p->nodes[i].parent == p->nodes[k].parent) {
                assert_false(p->nodes[i].stage && p->nodes[k].stage);
                assert_false(p->nodes[i].cache_stage && p->nodes[k].cache_stage);
            }
}

/* ---- lineages of (bytes, i64) ---- */

static node *random_narrow(node *n)
{
    switch (pick(6)) {
    case 0:
        return make_op(PLAN_OP_FILTER, n, "filter", "keep");
    case 1:
        return make_op(PLAN_OP_MAP, n, "map", "same");
    case 2:
        return make_op(PLAN_OP_SAMPLE, n, "sample", NULL);
    case 3:
        return make_op(PLAN_OP_FLAT_MAP_VALUES, n, "flat_map_values", "same");
    case 4:
        return make_op(PLAN_OP_BATCH, n, "map_batches", "batches");
    default:
        return make_op(PLAN_OP_MAP_VALUES, n, "map_values", "ones");
    }
}

/* Two nodes at once: the operator, and what makes (bytes, i64) of it again. */
static node *and_back(node *n, node *back)
{
    node_unref(n, NULL, NULL);
    return back;
}

static node *random_wide(node *n, uint32_t partitions)
{
    node *index;
    switch (pick(7)) {
    case 0:
        return make_wide(NODE_AGGREGATE, n, "reduce_by_key", "sum", partitions);
    case 1:
        return make_wide(NODE_PARTITION, n, "partition_by", NULL, partitions);
    case 2:
        return make_wide(NODE_REPARTITION, n, "repartition", NULL, partitions);
    case 3:
        return make_spec(
            (node_spec){NODE_SORT, .operation = "sort_by_key", .partitions = partitions, .descending = pick(2)}, n,
            NULL);
    case 4:
        return make_wide(NODE_COALESCE, n, "coalesce", NULL, 1 + pick(4));
    case 5:
        index = make_wide(NODE_INDEX, n, "zip_with_index", NULL, 0);
        return and_back(index, make_project(PLAN_PROJECT_UNELEMENT, index, "bytes", "i64"));
    default:
        return make_cogroup(PLAN_COGROUP_CALL, n, n, "map_cogroups", "bring", partitions);
    }
}

static node *random_pair(node *a, node *b, uint32_t partitions)
{
    static const plan_cogroup hows[] = {PLAN_COGROUP_INNER, PLAN_COGROUP_LEFT, PLAN_COGROUP_RIGHT, PLAN_COGROUP_FULL};
    plan_cogroup how = hows[pick(4)];
    node_join join = how == PLAN_COGROUP_INNER && pick(2)  ? (node_join)(JOIN_BROADCAST_LEFT + pick(2))
                     : how == PLAN_COGROUP_LEFT && pick(2) ? JOIN_BROADCAST_RIGHT
                                                           : (node_join)pick(2);
    node *n;
    switch (pick(3)) {
    case 0:
        return make_union(a, b);
    case 1:
        return make_cogroup(PLAN_COGROUP_SUBTRACT, a, b, "subtract_by_key", NULL, partitions);
    default:
        n = make_join(how, join, a, b, partitions);
        return and_back(n, make_op(PLAN_OP_MAP_VALUES, n, "map_values", "ones"));
    }
}

static uint32_t random_lineage(node **all, node **sources)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        all[count++] = i ? make_memory("bytes", 1 + pick(5)) : words();
        sources[i] = all[i];
        if (!i)
            continue;
        all[i]->data_bytes = pick(2) ? 10 : 1000;
        plan_output o = {
            .kind = PLAN_OUTPUT_SHUFFLE, .key_type = "bytes", .value_type = "i64", .partitions = all[i]->partitions};
        note_output(all[i]->stages[0], 1, &o);
    }
    while (count < NODES) {
        node *a = all[pick(count)], *b = all[pick(count)];
        uint32_t kind = pick(10), partitions = pick(3) ? 0 : 1 + pick(6);
        node *n = kind < 4 ? random_narrow(a) : kind < 7 ? random_wide(a, partitions) : random_pair(a, b, partitions);
        if (n->error)
            fail_msg("%s", sdf_error_text(n->error));
        if (!pick(6))
            node_set_persist(n, true, NULL, NULL);
        all[count++] = n;
    }
    return count;
}

static void random_job(node *target, const node *const *all)
{
    planner_action action = {.output = pick(2) ? PLAN_OUTPUT_RESULT : PLAN_OUTPUT_COUNT};
    if (!pick(4))
        action = (planner_action){
            .output = PLAN_OUTPUT_FILE, .format = {.kind = PLAN_FORMAT_TEXT}, .uri = "out", .single = pick(2)};
    planned p;
    sdf_error *err = NULL;
    uint32_t before = next_stage;
    int rc = planner_plan(target, &action, &config, &p, &err);
    for (uint32_t i = 0; i < NODES; i++)
        assert_int_equal(all[i]->slot, 0);
    if (rc) { /* a lineage may grow past what a stage holds; then it says so */
        assert_int_equal(rc, SDF_E_LIMIT);
        assert_int_equal(next_stage, before);
        sdf_error_free(err);
        return;
    }
    planned_clear(&p);
    next_stage = before;
    p = plan_of(target, &action); /* the same again, through the document */
    check_plan(&p, target);
    bool told = !pick(3);
    char *text = told ? planner_explain(target, &config, pick(2), NULL) : NULL;
    assert_int_equal(text != NULL, told);
    free(text);
    planned_commit(&p);
    planned_clear(&p);
}

static uint32_t forgotten;

static void on_drop(void *user, uint32_t stage)
{
    forgotten++;
}

static void test_random_lineages(void **state)
{
    uint32_t rounds = getenv("SDF_TEST_ROUNDS") ? (uint32_t)atoi(getenv("SDF_TEST_ROUNDS")) : 200;
    for (uint32_t round = 0; round < rounds; round++) {
        seed = round;
        node *all[NODES], *sources[3];
        next_id = next_stage = 1;
        config.exchange = pick(3);
        config.broadcast_bytes = pick(2) ? 100 : 0;
        uint32_t count = random_lineage(all, sources);
        for (uint32_t job = 0; job < 6; job++) {
            node *target = all[pick(count)];
            random_job(target, (const node *const *)all);
            uint32_t lost = 1 + pick(next_stage);
            if (pick(2) && lost != all[1]->stages[0] && lost != all[2]->stages[0])
                assert_int_equal(node_forget(target, &lost, 1, on_drop, NULL), SDF_OK);
        }
        release(all, count);
        forget_all();
    }
    assert_true(forgotten > 0);
    config.exchange = 1;
    config.broadcast_bytes = 0;
}

int main(void)
{
    register_functions();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lineages)};
    return cmocka_run_group_tests_name("plan/random", tests, setup, teardown);
}
