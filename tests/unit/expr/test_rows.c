/* Fields of delimited rows: every form against a splitter that looks at one byte after the other. */
#include "exprs.h"

#include "expr/rows.h"

#define FIELDS_MOST 64
#define ROW_MOST    600

typedef struct oracle_field {
    char text[ROW_MOST];
    size_t size, at, raw; /* raw: as it stands, from `at` */
} oracle_field;

/* Returns the number of whole fields; *state: why it ended. */
static size_t oracle_split(const plan_format *f, const char *p, size_t size, oracle_field *fields, row_state *state)
{
    size_t i = 0, n = 0;
    for (;; i++) {
        oracle_field *x = &fields[n];
        x->size = 0;
        x->at = i;
        if (f->quote && i < size && (uint8_t)p[i] == f->quote) {
            bool open = true;
            for (i++; i < size && open; i++) {
                uint8_t c = (uint8_t)p[i];
                if (f->escape && f->escape != f->quote && c == f->escape && i + 1 < size)
                    x->text[x->size++] = p[++i];
                else if (c != f->quote)
                    x->text[x->size++] = p[i];
                else if ((!f->escape || f->escape == f->quote) && i + 1 < size && (uint8_t)p[i + 1] == f->quote)
                    x->text[x->size++] = p[++i];
                else
                    open = false;
            }
            *state = open ? ROW_UNCLOSED : ROW_BEHIND;
            if (open || (i < size && (uint8_t)p[i] != f->delimiter))
                return n;
        } else {
            for (; i < size && (uint8_t)p[i] != f->delimiter; i++)
                x->text[x->size++] = p[i];
        }
        x->raw = i - x->at;
        n++;
        *state = ROW_SHORT;
        if (i == size)
            return n;
    }
}

static void check_row(const plan_format *f, const char *row, size_t size, const row_ops *ops, uint64_t *seed)
{
    static oracle_field expected[ROW_MOST + 1];
    row_state end, states[FIELDS_MOST];
    size_t count = oracle_split(f, row, size, expected, &end), n = 0;
    uint32_t columns[FIELDS_MOST];
    sdf_slice values[FIELDS_MOST], whole = {row, size};
    size_t at[2 * FIELDS_MOST];
    budget b;
    arena memory;
    row_fields fields;
    uint64_t dense = random_next(seed) % 4;
    for (uint32_t c = 0; c < FIELDS_MOST; c++)
        if (random_next(seed) % (1 + dense) == 0)
            columns[n++] = c;
    if (!n)
        columns[n++] = (uint32_t)(random_next(seed) % 20);
    budget_init(&b, 1u << 20);
    arena_init(&memory, &b, 4096, 65536);
    assert_int_equal(row_fields_new(&fields, f, columns, n, &memory), SDF_OK);
    assert_int_equal(row_extract(&fields, ops, &whole, at, &memory, values, states), SDF_OK);
    for (size_t i = 0; i < n; i++) {
        row_state want = columns[i] < count ? ROW_OK : end;
        if (states[i] != want)
            fail_msg("%s: field %u of <%.*s>: state %d, not %d", ops->name, columns[i], (int)size, row, states[i],
                     want);
        if (want != ROW_OK)
            continue;
        const oracle_field *x = &expected[columns[i]];
        if (values[i].size != x->size || (x->size && memcmp(values[i].data, x->text, x->size)))
            fail_msg("%s: field %u of <%.*s> is <%.*s>, not <%.*s>", ops->name, columns[i], (int)size, row,
                     (int)values[i].size, (char *)values[i].data, (int)x->size, x->text);
    }
    arena_free(&memory);
}

static void check_split(const plan_format *f, const char *row, size_t size)
{
    static oracle_field expected[ROW_MOST + 1];
    static sdf_slice fields[ROW_MOST + 1];
    row_state end;
    size_t count = oracle_split(f, row, size, expected, &end);
    sdf_slice whole = {row, size};
    int64_t got = row_split(f, &whole, fields, ROW_MOST + 1);
    assert_int_equal(row_split(f, &whole, NULL, 0), got);
    if (end != ROW_SHORT) {
        assert_int_equal(got, SDF_E_CORRUPT);
        return;
    }
    assert_int_equal(got, count);
    for (size_t i = 0; i < count; i++) {
        uint8_t scratch[ROW_MOST];
        sdf_slice text = row_unquote(f, &fields[i], scratch);
        assert_ptr_equal(fields[i].data, row + expected[i].at);
        assert_int_equal(fields[i].size, expected[i].raw);
        assert_int_equal(text.size, expected[i].size);
        assert_memory_equal(text.data, expected[i].text, text.size);
    }
}

static void check_dialect(const plan_format *f, const char *alphabet, int cases)
{
    uint64_t seed = 99;
    size_t letters = strlen(alphabet);
    for (int i = 0; i < cases; i++) {
        size_t size = random_next(&seed) % (i % 10 ? 80 : ROW_MOST);
        char *row = malloc(size + 1); /* of the very size: nothing behind it may be read */
        for (size_t k = 0; k < size; k++)
            row[k] = alphabet[random_next(&seed) % letters];
        char *exact = malloc(size ? size : 1);
        memcpy(exact, row, size);
        for (size_t form = 0; row_ops_form(form); form++)
            check_row(f, exact, size, row_ops_form(form), &seed);
        check_split(f, exact, size);
        free(exact);
        free(row);
    }
}

static void test_dialects(void **state)
{
    (void)state;
    plan_format plain = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ','};
    plan_format quoted = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"'};
    plan_format same = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .escape = '"'};
    plan_format escaped = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = '\t', .quote = '\'', .escape = '\\'};
    plan_format zero = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = 0};
    check_dialect(&plain, "abcdefghij,", 3000);
    check_dialect(&plain, ",,,\"a", 1000);
    check_dialect(&quoted, "abcdefgh,,", 1000);
    check_dialect(&quoted, "abc,,\"", 4000);
    check_dialect(&quoted, "a,\"\"", 3000);
    check_dialect(&same, "a,\"\"", 1000);
    check_dialect(&escaped, "ab\t''\\", 3000);
    check_dialect(&zero, "abcdefg\x01", 500);
}

/* Zero bytes are bytes, also where they are the delimiter. */
static void test_zero_bytes(void **state)
{
    (void)state;
    plan_format f = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = 0};
    uint64_t seed = 1;
    for (size_t size = 0; size < 200; size++) {
        char *row = malloc(size ? size : 1);
        for (size_t i = 0; i < size; i++)
            row[i] = random_next(&seed) % 5 ? 'x' : 0;
        for (size_t form = 0; row_ops_form(form); form++)
            check_row(&f, row, size, row_ops_form(form), &seed);
        check_split(&f, row, size);
        free(row);
    }
}

static void test_empty_row(void **state)
{
    (void)state;
    expr_input in = delimited_input("a\nb");
    assert_string_equal(evaluate_record("$a", &in, (sdf_slice){NULL, 0}, (sdf_slice){NULL, 0}), "");
    assert_string_equal(evaluate_record("$b", &in, (sdf_slice){NULL, 0}, (sdf_slice){NULL, 0}),
                        "bad: $b: the row has 1 field, this would be number 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_empty_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
