/* Random expressions over random rows against an evaluator that walks the tree for one row at a time. */
#include "oracle.h"

/* ---- random expressions of a type ---- */

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    return random_next(&seed) % n;
}

static expr *call(const char *name, expr **args, size_t count)
{
    expr *e = expr_make_call(name, args, count);
    for (size_t i = 0; i < count; i++)
        expr_unref(args[i]);
    return e;
}

static expr *make(oracle_type type, int depth);

static expr *leaf(oracle_type type)
{
    static const int64_t numbers[] = {0, 1, -1, 2, 3, 10, 12, INT64_MAX, INT64_MIN, 9007199254740993};
    static const double doubles[] = {0, -0.0, 1, 2.5, -1.5, 1e300, 9007199254740992.0, 9223372036854775808.0};
    static const char *const texts[] = {"", "1", "a", "ab", "12", "2.5", "it's"};
    if (below(12) == 0)
        return expr_make_null();
    expr *field = expr_make_field(below(3) == 0 ? "a" : below(2) ? "b" : "c");
    if (type == O_BYTES && below(3))
        return field;
    if (type == O_I64 && below(2))
        return call("i64", &field, 1);
    if (type == O_F64 && below(2))
        return call("f64", &field, 1);
    expr_unref(field);
    if (type == O_BOOL)
        return expr_make_call(below(2) ? "true" : "false", NULL, 0);
    if (type == O_I64)
        return expr_make_i64(numbers[below(10)]);
    if (type == O_F64)
        return below(20) ? expr_make_f64(doubles[below(8)]) : expr_make_f64(below(2) ? NAN : INFINITY);
    const char *text = texts[below(7)];
    return expr_make_bytes(text, strlen(text));
}

static oracle_type any_type(void)
{
    return (oracle_type)below(4);
}

static expr *make_bool(int depth)
{
    static const char *const comparisons[] = {"=", "!=", "<", "<=", ">", ">="};
    expr *args[10];
    size_t count = 2;
    oracle_type type = any_type();
    switch (below(7)) {
    case 0:
    case 1:
        count = 2 + below(3);
        for (size_t i = 0; i < count; i++)
            args[i] = make(O_BOOL, depth);
        return call(below(2) ? "and" : "or", args, count);
    case 2:
        args[0] = make(O_BOOL, depth);
        return call("not", args, 1);
    case 3:
        args[0] = make(type, depth);
        return call("is_null", args, 1);
    case 4:
        count = below(3) ? 2 + below(3) : 10;
        args[0] = make(type, depth);
        for (size_t i = 1; i < count; i++)
            args[i] = count == 10 ? leaf(type) : make(type, depth - 1);
        return call("in", args, count);
    case 5:
        args[0] = make(O_BYTES, depth);
        args[1] = make(O_BYTES, depth);
        return call(below(2) ? "contains" : "starts_with", args, 2);
    default:
        args[0] = make(type, depth);
        args[1] = make((type == O_I64 || type == O_F64) && below(3) == 0 ? (below(2) ? O_I64 : O_F64) : type, depth);
        return call(comparisons[below(6)], args, 2);
    }
}

static expr *make_bytes(int depth)
{
    expr *args[4];
    size_t count = 2 + below(2);
    switch (below(4)) {
    case 0:
        args[0] = make(O_BYTES, depth);
        args[1] = make(O_I64, depth);
        args[2] = make(O_I64, depth);
        if (count == 2)
            expr_unref(args[2]);
        return call("substr", args, count);
    case 1:
        for (size_t i = 0; i < count; i++)
            args[i] = make(O_BYTES, depth);
        return call("concat", args, count);
    case 2:
        args[0] = make(O_BYTES, depth);
        return call("upper", args, 1);
    default:
        args[0] = make(below(2) ? O_I64 : O_F64, depth);
        return call("bytes", args, 1);
    }
}

static expr *make_number(oracle_type type, int depth)
{
    static const char *const operators[] = {"+", "-", "*", "/", "%", "min", "max"};
    expr *args[2];
    oracle_type other = type == O_F64 && below(2) ? O_I64 : type;
    switch (below(6)) {
    case 0:
        args[0] = make(O_BYTES, depth);
        return call(type == O_I64 ? (below(2) ? "len" : "i64") : "f64", args, 1);
    case 1:
        args[0] = make(type == O_I64 ? O_F64 : O_I64, depth);
        return call(type == O_I64 ? "i64" : "f64", args, 1);
    case 2:
        args[0] = make(type, depth);
        return call(below(2) ? "-" : "abs", args, 1);
    default:
        args[0] = make(type, depth);
        args[1] = make(other, depth);
        return call(operators[below(7)], args, 2);
    }
}

static expr *make(oracle_type type, int depth)
{
    expr *args[3];
    if (depth <= 0 || below(8) == 0)
        return leaf(type);
    depth--;
    if (below(8) == 0) {
        args[0] = make(O_BOOL, depth);
        args[1] = make(type, depth);
        args[2] = make(type, depth);
        return call("if", args, 3);
    }
    if (below(8) == 0) {
        for (int i = 0; i < 3; i++)
            args[i] = make(type, depth);
        return call("coalesce", args, 3);
    }
    return type == O_BOOL ? make_bool(depth) : type == O_BYTES ? make_bytes(depth) : make_number(type, depth);
}

/* ---- random rows ---- */

static const char *const words[] = {"",
                                    "1",
                                    "2",
                                    "12",
                                    "-3",
                                    "a",
                                    "ab",
                                    "abc",
                                    "2.5",
                                    "1e3",
                                    " 7",
                                    "x ",
                                    "A B",
                                    "1e400",
                                    "0.10",
                                    "-0.0",
                                    "9223372036854775807",
                                    "B"};

typedef struct rows_made {
    oracle_row rows[SDF_BATCH_MAX];
    char text[SDF_BATCH_MAX][128];
    sdf_slice slices[SDF_BATCH_MAX];
} rows_made;

static void make_rows(rows_made *m, size_t count, bool json)
{
    for (size_t i = 0; i < count; i++) {
        char *at = m->text[i];
        if (json)
            at += sprintf(at, "{\"z\":[1,{\"a\":2}]");
        for (int f = 0; f < 3; f++) {
            const char *word = words[below(sizeof words / sizeof *words)];
            uint64_t how = json ? below(5) : 5;
            m->rows[i].fields[f] = how < 2 ? NULL : word;
            if (how == 0)
                continue; /* missing */
            if (how == 5)
                at += sprintf(at, below(4) ? "%s%s" : "%s\"%s\"", f ? "," : "", word);
            else
                at += sprintf(at, how == 1 ? ",\"%c\":null" : ",\"%c\":\"%s\"", 'a' + f, word);
        }
        if (json)
            at += sprintf(at, "}");
        m->slices[i] = (sdf_slice){m->text[i], (size_t)(at - m->text[i])};
    }
}

/* ---- the comparison ---- */

static void check_row(const expr *e, const expr_program *p, const expr_result *r, size_t i, const oracle_row *row)
{
    static oracle_value v;
    const char *type = expr_program_type(p, 0);
    sdf_slice got = column_get(&r->column, i);
    int state = r->state ? r->state[i] : EXPR_OK;
    walk(e, row, &v);
    if (!strcmp(type, SDF_NULL)) {
        assert_int_equal(v.state, EXPR_NULL);
        return;
    }
    bool good = state == v.state;
    if (good && state == EXPR_OK && !strcmp(type, SDF_BYTES)) {
        good = v.type == O_BYTES && (v.size == sizeof v.text ? got.size >= v.size : got.size == v.size) &&
               !memcmp(got.data, v.text, v.size);
    } else if (good && state == EXPR_OK && !strcmp(type, SDF_F64)) {
        double d = sdf_slice_f64(&got), want = v.type == O_I64 ? (double)v.i64 : v.f64;
        good = (isnan(d) && isnan(want)) || (d == want && signbit(d) == signbit(want));
    } else if (good && state == EXPR_OK) {
        good = sdf_slice_i64(&got) == v.i64;
    }
    if (!good)
        fail_msg("%s of \"%s\" \"%s\" \"%s\": state %d and not %d, or another value (%s; %.*s)", expr_text(e),
                 row->fields[0], row->fields[1], row->fields[2], state, v.state, result_text(p, 0, r, i), (int)v.size,
                 v.text);
    if (state == EXPR_BAD) {
        char why[300];
        expr_program_why(p, i, why, sizeof why);
        assert_null(strstr(why, "nothing is wrong"));
    }
}

static void check_random(const expr_input *in, bool json)
{
    static rows_made m;
    sdf_error *err = NULL;
    buf bound = BUF_EMPTY;
    budget b;
    expr_program *p;
    expr *e = make(any_type(), (int)below(6));
    if (expr_error(e)) /* too deep, perhaps */
        goto done;
    if (expr_bind(&e, 1, in, &bound, &err))
        fail_msg("%s: %s", expr_text(e), sdf_error_text(err));
    sdf_slice bytes = buf_slice(&bound);
    budget_init(&b, MEMORY);
    assert_int_equal(expr_program_new(&p, &b, &bytes, NULL, &err), SDF_OK);
    for (int run = 0; run < 2; run++) {
        size_t count = below(2) ? SDF_BATCH_MAX : below(SDF_BATCH_MAX);
        uint8_t skip[SDF_BATCH_MAX];
        make_rows(&m, count, json);
        for (size_t i = 0; i < count; i++)
            skip[i] = run && below(2);
        sdf_batch batch = {.count = count};
        expr_result r;
        column_set_null(&batch.key);
        column_set_slices(&batch.value, m.slices);
        assert_int_equal(expr_program_run(p, &batch, run ? skip : NULL, &r, &err), SDF_OK);
        for (size_t i = 0; i < count; i++)
            if (!run || !skip[i])
                check_row(e, p, &r, i, &m.rows[i]);
    }
    expr_program_free(p);
    assert_int_equal(b.used, 0);
done:
    buf_free(&bound);
    expr_unref(e);
}

static void test_random(void **state)
{
    (void)state;
    expr_input rows = delimited_input("a\nb\nc"), json = json_input();
    int cases = getenv("SDF_SOAK") ? 200000 : 4000;
    for (int i = 0; i < cases; i++) {
        seed = (uint64_t)i * 1000003 + 17;
        check_random(i & 1 ? &json : &rows, i & 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
