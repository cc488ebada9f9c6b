/* Folding in place (PLAN_OP_FOLD) against a serial fold: kinds of aggregators and keys, budgets, other operators in
 * need of memory, failures. */
#include "sources.h"

typedef struct folding {
    harness h;
    plan_op spec;
    op *fold;
    keeper k;
} folding;

/* An order-sensitive digest in a fixed state, that merges only what is next to each other: the state is a product and a
 * sum of an affine map. */
typedef struct affine {
    uint64_t a, b;
} affine;

static int affine_init(void *state, sdf_memory *memory, void *user)
{
    *(affine *)state = (affine){1, 0};
    return SDF_OK;
}
static int affine_update(void *state, const sdf_slice *value, sdf_memory *memory, void *user)
{
    affine *s = state;
    uint64_t v = (uint64_t)sdf_slice_i64(value) * 2 + 1;
    *s = (affine){s->a * v, s->b * v + 7};
    return SDF_OK;
}
static int affine_merge(void *state, const sdf_slice *shuffled, sdf_memory *memory, void *user)
{
    affine *s = state, o;
    memcpy(&o, shuffled->data, sizeof o);
    *s = (affine){s->a * o.a, s->b * o.a + o.b};
    return SDF_OK;
}
static int affine_finish(const void *state, sdf_out *out, void *user)
{
    const affine *s = state;
    return sdf_emit_i64(out, NULL, (int64_t)(s->a ^ s->b * 3));
}

static int reduce_concat(const sdf_slice *a, const sdf_slice *b, sdf_out *out, void *state)
{
    uint8_t text[4096];
    if (a->size + b->size > sizeof text)
        return sdf_fail(out, "too long");
    if (a->size)
        memcpy(text, a->data, a->size);
    if (b->size)
        memcpy(text + a->size, b->data, b->size);
    return sdf_emit(out, NULL, &(sdf_slice){text, a->size + b->size});
}

static int setup(void **state)
{
    sdf_aggregator a;
    sdf_function f;
    sdf_error *err = NULL;
    assert_int_equal(exec_register_builtins(&err), SDF_OK);
    sdf_aggregator_init(&a);
    a.state_size = sizeof(affine);
    a.init = affine_init;
    a.update = affine_update;
    a.merge = affine_merge;
    a.finish = affine_finish;
    sdf_function_init(&f);
    f.name = "affine";
    f.version = 1;
    f.in_value = f.out_value = "i64";
    f.aggregator = &a;
    assert_int_equal(sdf_register(&f, &err), SDF_OK);
    register_fold("concat", NULL, reduce_concat, "bytes");
    return 0;
}

static int folding_open(folding *f, uint64_t memory, const char *name, const char *key, const char *value,
                        const char *result, sdf_error **err)
{
    harness_init(&f->h, memory);
    f->h.env.scratch_dir = "/tmp";
    f->spec = (plan_op){.kind = PLAN_OP_FOLD,
                        .key_type = (char *)key,
                        .value_type = (char *)result,
                        .call = {.function = (char *)name, .version = 1, .label = "fold#3"}};
    keeper_init(&f->k);
    f->k.base.env = &f->h.env;
    return fold_op_new(&f->h.env, &f->spec, (op_types){key, value}, &f->k.base, &f->fold, err);
}

static void folding_end(folding *f)
{
    f->fold->close(f->fold);
    assert_int_equal(f->h.budget.used, 0);
    assert_null(f->h.budget.spillers);
    assert_true(f->h.budget.peak <= f->h.budget.limit + EXCHANGE_SLACK);
    table_free(&f->k.table);
}

/* The result of one key's values. */
static void fold_serially(const char *name, const table_of *t, const size_t *index, size_t count, buf *to)
{
    int64_t sum = 0;
    affine s = {1, 0};
    buf_clear(to);
    for (size_t i = 0; i < count; i++) {
        const sdf_slice *v = &t->values[index[i]];
        if (!strcmp(name, "concat"))
            assert_int_equal(buf_append(to, v->data, v->size), SDF_OK);
        else if (!strcmp(name, "affine"))
            affine_update(&s, v, NULL, NULL);
        else
            sum += !strcmp(name, "sdf.count") ? 1 : sdf_slice_i64(v);
    }
    if (!strcmp(name, "affine"))
        sum = (int64_t)(s.a ^ s.b * 3);
    if (strcmp(name, "concat"))
        assert_int_equal(buf_append(to, &sum, 8), SDF_OK);
}

static void check_folded(const char *name, const char *key, const table_of *t, const table_of *got)
{
    order_fn order = order_of(key);
    size_t *index = stable_order(t->keys, t->count, order, false);
    size_t *found = stable_order(got->keys, got->count, order, false), n = 0;
    buf want = BUF_EMPTY;
    for (size_t i = 0, end; i < t->count; i = end) {
        uint64_t room;
        for (end = i; end < t->count && !order(&t->keys[index[i]], &t->keys[index[end]]); end++)
            ;
        fold_serially(name, t, index + i, end - i, &want);
        assert_true(n < got->count);
        assert_slices_equal(got->keys[found[n]], canonical_key(key, &t->keys[index[i]], &room));
        assert_slices_equal(got->values[found[n++]], buf_slice(&want));
    }
    assert_int_equal(n, got->count);
    buf_free(&want);
    free(found);
    free(index);
}

static void run_fold(const char *name, const char *key, const char *value, size_t count, uint64_t distinct,
                     uint64_t memory, bool asked)
{
    folding f;
    table_of t;
    sdf_error *err = NULL;
    typed_table(&t, key, value, count, distinct, count + distinct);
    assert_int_equal(folding_open(&f, memory, name, key, value, strcmp(name, "concat") ? "i64" : "bytes", &err),
                     SDF_OK);
    for (size_t at = 0; at < t.count; at += SDF_BATCH_MAX) {
        sdf_batch batch = {.count = t.count - at < SDF_BATCH_MAX ? t.count - at : SDF_BATCH_MAX};
        column_set_slices(&batch.key, t.keys + at);
        column_set_slices(&batch.value, t.values + at);
        int rc = op_push(f.fold, &batch, &err);
        if (rc)
            print_error("%s\n", sdf_error_text(err));
        assert_int_equal(rc, SDF_OK);
        if (asked && at / SDF_BATCH_MAX % 50 == 30) { /* an operator before this one */
            assert_int_equal(budget_take(&f.h.budget, memory / 2, NULL, &err), SDF_OK);
            budget_give(&f.h.budget, memory / 2);
        }
    }
    assert_int_equal(op_finish(f.fold, &err), SDF_OK);
    assert_int_equal(f.k.finished, 1);
    check_folded(name, key, &t, &f.k.table);
    folding_end(&f);
    table_free(&t);
}

static void test_against_a_serial_fold(void **state)
{
    static const struct {
        const char *name, *value;
    } calls[] = {{"sdf.sum.i64", "i64"}, {"sdf.count", "i64"}, {"affine", "i64"}, {"concat", "bytes"}};
    static const char *const keys[] = {"bytes", "i64", "f64", "tuple(bytes,i64)"};
    for (uint64_t i = 0; i < 32; i++) {
        if (i % 16 == 14)
            continue; /* five keys of f64 have most of the values: too long to concatenate */
        uint64_t distinct = i % 4 == 0 ? KEY_STYLES * 4000 + KEYS_DISTINCT : 30000;
        run_fold(calls[i / 4 % 4].name, keys[i % 4], calls[i / 4 % 4].value, i % 8 == 7 ? 0 : 30000, distinct,
                 i < 16 ? 64u << 20 : 1u << 20, i % 3 == 0);
    }
}

static void test_failures_and_stops(void **state)
{
    folding f;
    table_of t;
    sdf_error *err = NULL;
    typed_table(&t, "i64", "bytes", 3000, 2, 1);
    assert_int_equal(folding_open(&f, 1u << 20, "concat", "i64", "bytes", "bytes", &err), SDF_OK);
    assert_int_equal(exchange_push_all(f.fold, t.keys, t.values, t.count, &err), SDF_E_USER);
    assert_non_null(strstr(sdf_error_message(err), "too long"));
    assert_string_equal(sdf_error_operator(err), "fold#3");
    sdf_error_free(err);
    err = NULL;
    folding_end(&f);
    table_free(&t);
    typed_table(&t, "i64", "i64", 3000, 2000, 1);
    assert_int_equal(folding_open(&f, 1u << 20, "sdf.count", "i64", "i64", "i64", &err), SDF_OK);
    f.k.stop_after = 1;
    assert_int_equal(exchange_push_all(f.fold, t.keys, t.values, t.count, &err), SDF_OK);
    assert_int_equal(f.k.finished, 1);
    assert_true(f.k.table.count < 1000);
    folding_end(&f);
    assert_int_equal(folding_open(&f, 1u << 20, "no_such", "i64", "i64", "i64", &err), SDF_E_NOT_FOUND);
    sdf_error_free(err);
    assert_int_equal(f.h.budget.used, 0);
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_serial_fold),
        cmocka_unit_test(test_failures_and_stops),
    };
    return cmocka_run_group_tests_name("exec/fold", tests, setup, NULL);
}
