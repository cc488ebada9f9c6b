/* Joins with a side that is held in a table, against nested loops. */
#include "sources.h"

typedef struct lookup_case {
    const char *key, *value, *side_value;
    size_t lefts, rights;
    uint64_t distinct, memory;
    plan_cogroup how;
    uint64_t hoarded; /* bytes that another operator holds, and gives when it is asked */
} lookup_case;

typedef struct hoard {
    budget *b;
    uint64_t held;
} hoard;

static int hoard_spill(void *self, sdf_error **err)
{
    hoard *h = self;
    budget_give(h->b, h->held);
    h->held = 0;
    return SDF_OK;
}

static uint64_t hoard_held(void *self)
{
    return ((hoard *)self)->held;
}

/* Runs the operator over all of `left`, in order, into `to`. */
static int run_lookup(const lookup_case *w, const table_of *left, const table_of *right, op *to, sdf_error **err)
{
    exchange x;
    exchange_init(&x, w->key, w->side_value, 1);
    exchange_write_all(&x, right, 3);
    task_leaf leaf = exchange_leaf(&x, 0);
    plan_side side = {1, "side#4", (char *)w->key, (char *)w->side_value};
    plan_op spec = {.kind = PLAN_OP_LOOKUP, .how = w->how, .call = {.label = "join#5"}};
    x.reads.sides = &side;
    x.reads.side_count = 1;
    task_request q = {.context = 7, .stage = 2, .limit = UINT64_MAX, .sides = &leaf, .side_count = 1};
    budget b;
    budget_init(&b, w->memory);
    task_env env = {
        .request = &q, .plan = &x.plan, .stage = &x.reads, .budget = &b, .store = x.store, .clock = &timebase_real};
    op *lookup;
    hoard other = {.b = &b, .held = w->hoarded};
    budget_spiller spiller = {hoard_spill, hoard_held, &other, NULL, false, false};
    budget_add_spiller(&b, &spiller);
    budget_force(&b, other.held);
    to->env = &env;
    int rc = lookup_op_new(&env, &spec, (op_types){w->key, w->value}, to, &lookup, err);
    if (!rc) {
        rc = exchange_push_all(lookup, left->keys, left->values, left->count, err);
        if (rc == OP_STOP)
            rc = op_finish(lookup, err);
        lookup->close(lookup);
    }
    budget_remove_spiller(&b, &spiller);
    assert_int_equal(b.used, other.held);
    assert_true(b.peak <= b.limit + EXCHANGE_SLACK);
    free(leaf.extents);
    exchange_free(&x);
    return rc;
}

static void check_lookup(const lookup_case *w, const table_of *left, const table_of *right, const table_of *got)
{
    order_fn order = order_of(w->key);
    buf pair = BUF_EMPTY;
    size_t at = 0;
    for (size_t i = 0; i < left->count; i++) {
        uint64_t room;
        sdf_slice key = canonical_key(w->key, &left->keys[i], &room);
        size_t before = at;
        for (size_t k = 0; k <= right->count; k++) {
            bool missing = k == right->count;
            if (missing ? at > before || w->how == PLAN_COGROUP_INNER : order(&left->keys[i], &right->keys[k]) != 0)
                continue;
            put_pair(&pair, w->value, &left->values[i], w->side_value, missing ? NULL : &right->values[k]);
            assert_true(at < got->count);
            assert_slices_equal(got->keys[at], key);
            assert_slices_equal(got->values[at++], buf_slice(&pair));
        }
    }
    assert_int_equal(at, got->count);
    buf_free(&pair);
}

static void run_case(const lookup_case *w, uint64_t seed)
{
    table_of left, right;
    keeper k;
    sdf_error *err = NULL;
    typed_table(&left, w->key, w->value, w->lefts, w->distinct, seed);
    typed_table(&right, w->key, w->side_value, w->rights, w->distinct, seed + 1);
    keeper_init(&k);
    int rc = run_lookup(w, &left, &right, &k.base, &err);
    if (rc)
        print_error("%s\n", sdf_error_text(err));
    assert_int_equal(rc, SDF_OK);
    assert_int_equal(k.finished, 1);
    check_lookup(w, &left, &right, &k.table);
    table_free(&k.table);
    table_free(&left);
    table_free(&right);
}

static void test_against_nested_loops(void **state)
{
    static const char *const keys[] = {"bytes", "i64", "f64", "tuple(bytes,i64)", "null", "any"};
    static const char *const values[] = {"bytes", "i64", "f64", "null", "bytes"};
    for (uint64_t i = 0; i < 60; i++) {
        bool null = i % 6 == 4;
        lookup_case w = {.key = keys[i % 6],
                         .value = values[i % 5],
                         .side_value = values[i % 4],
                         .lefts = i % 7 == 6 ? 0 : 1500,
                         .rights = i % 8 == 7 ? 0
                                   : null     ? 20
                                              : 700,
                         .distinct = 200 + i * 13,
                         .memory = i % 2 ? 64u << 20 : 2u << 20,
                         .how = i % 3 ? PLAN_COGROUP_INNER : PLAN_COGROUP_LEFT};
        if (i % 6 == 0 && (w.distinct % KEY_STYLES == KEYS_EQUAL || w.distinct % KEY_STYLES == KEYS_SHORT))
            w.rights = 30;
        run_case(&w, i);
    }
}

/* Many values of one key: they all come, in order. */
static void test_one_key(void **state)
{
    lookup_case w = {"null", "i64", "bytes", 50, 9000, 1, 8u << 20, PLAN_COGROUP_LEFT, 0};
    run_case(&w, 3);
}

/* The table needs what others hold. */
static void test_others_make_room(void **state)
{
    lookup_case w = {.key = "i64",
                     .value = "i64",
                     .side_value = "bytes",
                     .lefts = 500,
                     .rights = 9000,
                     .distinct = 9000,
                     .memory = 2u << 20,
                     .how = PLAN_COGROUP_LEFT,
                     .hoarded = 1700000};
    run_case(&w, 11);
}

static void test_what_does_not_fit(void **state)
{
    lookup_case w = {
        "bytes", "i64", "bytes", 10, 90000, KEY_STYLES * 30000 + KEYS_DISTINCT, 2u << 20, PLAN_COGROUP_INNER, 0};
    table_of left, right;
    keeper k;
    sdf_error *err = NULL;
    typed_table(&left, w.key, w.value, w.lefts, w.distinct, 1);
    typed_table(&right, w.key, w.side_value, w.rights, w.distinct, 2);
    keeper_init(&k);
    assert_int_equal(run_lookup(&w, &left, &right, &k.base, &err), SDF_E_NO_MEMORY);
    assert_non_null(strstr(sdf_error_message(err), "of its 90000 records"));
    assert_non_null(strstr(sdf_error_hint(err), "partitioned join"));
    assert_string_equal(sdf_error_operator(err), "join#5");
    sdf_error_free(err);
    err = NULL;
    w.memory = 64u << 20;
    k.stop_after = 1; /* and a stop downstream */
    assert_int_equal(run_lookup(&w, &left, &right, &k.base, &err), SDF_OK);
    assert_int_equal(k.finished, 1);
    table_free(&k.table);
    table_free(&left);
    table_free(&right);
}

static void test_bad_plans(void **state)
{
    harness h;
    collector c;
    op *out;
    plan_op spec = {.kind = PLAN_OP_LOOKUP, .how = PLAN_COGROUP_INNER};
    plan_side side = {1, "side#4", "i64", "i64"};
    task_leaf leaf = {1, NULL, 0};
    sdf_error *err = NULL;
    harness_init(&h, 1u << 20);
    collector_init(&c, &h);
    assert_int_equal(lookup_op_new(&h.env, &spec, (op_types){"i64", "i64"}, &c.base, &out, NULL), SDF_E_INTERNAL);
    h.stage.sides = &side;
    h.stage.side_count = 1;
    h.request.sides = &leaf;
    h.request.side_count = 1;
    spec.how = PLAN_COGROUP_FULL;
    assert_int_equal(lookup_op_new(&h.env, &spec, (op_types){"i64", "i64"}, &c.base, &out, NULL), SDF_E_INTERNAL);
    spec.how = PLAN_COGROUP_LEFT;
    assert_int_equal(lookup_op_new(&h.env, &spec, (op_types){"f64", "i64"}, &c.base, &out, &err), SDF_E_INTERNAL);
    assert_non_null(strstr(sdf_error_message(err), "f64"));
    sdf_error_free(err);
    assert_int_equal(lookup_op_new(&h.env, &spec, (op_types){"i64", "i64"}, &c.base, &out, NULL), SDF_OK);
    assert_int_equal(op_finish(out, NULL), SDF_OK);
    out->close(out);
    assert_int_equal(c.finished, 1);
    assert_int_equal(h.budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_nested_loops),
        cmocka_unit_test(test_one_key),
        cmocka_unit_test(test_others_make_room),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_bad_plans),
    };
    return cmocka_run_group_tests_name("exec/lookup", tests, NULL, NULL);
}
