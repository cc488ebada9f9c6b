/* What the tests of expressions share: rows run through an expression, results as text. */
#ifndef TESTS_EXPRS_H
#define TESTS_EXPRS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "expr/expr.h"

#define MEMORY (64u << 20)

static plan_format delimited_format = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true};
static plan_format json_format = {.kind = PLAN_FORMAT_JSON};

static inline expr_input plain_input(const char *key_type, const char *value_type)
{
    return (expr_input){.key_type = key_type, .value_type = value_type};
}
static inline expr_input delimited_input(const char *columns)
{
    return (expr_input){.key_type = SDF_NULL, .value_type = SDF_BYTES, .format = &delimited_format, .columns = columns};
}
static inline expr_input json_input(void)
{
    return (expr_input){.key_type = SDF_NULL, .value_type = SDF_BYTES, .format = &json_format};
}

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The error's whole text, or NULL if it is good. */
static inline const char *parse_error(const char *text)
{
    static char kept[1024];
    expr *e = expr_parse(text);
    const sdf_error *err = expr_error(e);
    if (err)
        snprintf(kept, sizeof kept, "%s", sdf_error_text(err));
    expr_unref(e);
    return err ? kept : NULL;
}

typedef struct fixture {
    budget budget;
    expr_program *program;
} fixture;

static inline int tables_get(void *self, const char *name, sdf_slice *bytes, sdf_error **err)
{
    if (strcmp(name, "colours"))
        return error_set(err, SDF_E_NOT_FOUND, "no broadcast %s", name);
    *bytes = (sdf_slice){self, strlen(self)};
    return SDF_OK;
}

static inline void fixture_open(fixture *f, const char *const *texts, size_t count, const expr_input *in)
{
    static char colours[] = "red\tFF0000\ngreen\t00FF00\r\nred\tagain\nbare\n\tempty key";
    sdf_error *err = NULL;
    buf bound = BUF_EMPTY;
    expr *e[8];
    expr_tables tables = {tables_get, colours};
    for (size_t i = 0; i < count; i++) {
        e[i] = expr_parse(texts[i]);
        if (expr_error(e[i]))
            fail_msg("%s: %s", texts[i], sdf_error_text(expr_error(e[i])));
    }
    if (expr_bind(e, count, in, &bound, &err))
        fail_msg("%s: %s", texts[0], sdf_error_text(err));
    sdf_slice bytes = buf_slice(&bound);
    budget_init(&f->budget, MEMORY);
    if (expr_program_new(&f->program, &f->budget, &bytes, &tables, &err))
        fail_msg("%s: %s", texts[0], sdf_error_text(err));
    for (size_t i = 0; i < count; i++)
        expr_unref(e[i]);
    buf_free(&bound);
}

static inline void fixture_close(fixture *f)
{
    expr_program_free(f->program);
    assert_int_equal(f->budget.used, 0);
}

/* A result as text: the value, "(null)", or "bad: why". */
static inline const char *result_text(const expr_program *p, size_t output, const expr_result *r, size_t row)
{
    static char text[600];
    int state = r->state ? r->state[row] : EXPR_OK;
    const char *type = expr_program_type(p, output);
    if (state == EXPR_BAD) {
        strcpy(text, "bad: ");
        expr_program_why(p, row, text + 5, sizeof text - 5);
        return text;
    }
    sdf_slice value = column_get(&r->column, row);
    if (state == EXPR_NULL || !strcmp(type, SDF_NULL))
        return "(null)";
    if (!strcmp(type, "bool")) {
        assert_int_equal(value.size, 8);
        return sdf_slice_i64(&value) ? "true" : "false";
    }
    assert_true(sdf_format(type, &value, text, sizeof text) >= 0);
    return text;
}

/* The expression over one record. */
static inline const char *evaluate_record(const char *text, const expr_input *in, sdf_slice key, sdf_slice value)
{
    fixture f;
    expr_result r;
    sdf_error *err = NULL;
    fixture_open(&f, &text, 1, in);
    sdf_batch batch = {.count = 1};
    column_set_const(&batch.key, key.data, key.size);
    column_set_slices(&batch.value, &value);
    assert_int_equal(expr_program_run(f.program, &batch, NULL, &r, &err), SDF_OK);
    const char *result = result_text(f.program, 0, &r, 0);
    fixture_close(&f);
    return result;
}

static inline const char *evaluate(const char *text, const expr_input *in, const char *row)
{
    return evaluate_record(text, in, (sdf_slice){NULL, 0}, (sdf_slice){row, strlen(row)});
}

#endif
