/* Programs: made of bound bytes, run on batches. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "expr/program.h"

#define MEMORY_FIRST (4u << 10)
#define TEXT_FIRST   (16u << 10)
#define CHUNK_MOST   (1u << 20)

/* ---- making ---- */

int expr_program_new(expr_program **program, budget *b, const sdf_slice *bytes, const expr_tables *tables,
                     sdf_error **err)
{
    expr_program *p = calloc(1, sizeof *p);
    if (!p)
        return error_no_memory(err);
    p->budget = b;
    arena_init(&p->memory, b, MEMORY_FIRST, CHUNK_MOST);
    arena_init(&p->text, b, TEXT_FIRST, CHUNK_MOST);
    uint64_t charge = sizeof *p + 8 * (uint64_t)bytes->size; /* a node is a few bytes there and about a hundred here */
    int rc = budget_take(b, charge, NULL, err);
    if (!rc) {
        p->charged = charge;
        rc = bound_decode(bytes, &p->bound, err);
    }
    if (!rc) {
        expr_input in = bound_input(&p->bound);
        rc = expr_check_input(&in, err);
    }
    rc = rc ? rc : program_compile(p, tables, err);
    if (rc) {
        expr_program_free(p);
        return rc;
    }
    *program = p;
    return SDF_OK;
}

void expr_program_free(expr_program *p)
{
    if (!p)
        return;
    for (resource *x = p->resources; x; x = x->next) {
        table_free(x->table);
        regex_free(x->regex);
    }
    arena_free(&p->text);
    arena_free(&p->memory);
    expr_type_pool_free(&p->types);
    bound_release(&p->bound);
    budget_give(p->budget, p->charged);
    free(p);
}

size_t expr_program_outputs(const expr_program *p)
{
    return p->bound.count;
}

const char *expr_program_type(const expr_program *p, size_t output)
{
    return p->outputs[output]->type.text;
}

/* ---- instructions ---- */

/* The rows where no argument is null or bad; in the others the result is what the worst argument is. */
static void narrow(const insn *in, const row_list *rows, uint8_t *good, row_list *narrowed)
{
    size_t n = 0;
    for (size_t k = 0; k < rows->count; k++) {
        size_t i = rows->at[k];
        uint8_t worst = EXPR_OK;
        for (uint32_t a = 0; a < in->count; a++) {
            uint8_t state = reg_state(in->args[a], i);
            worst = state > worst ? state : worst;
        }
        if (worst == EXPR_OK)
            good[n++] = (uint8_t)i;
        else
            reg_mark(in->dst, i, worst);
    }
    *narrowed = (row_list){n, good};
}

int insn_run(expr_program *p, const insn *in, const row_list *rows)
{
    uint8_t good[ROWS];
    row_list narrowed;
    if (in->dst)
        in->dst->clean = true;
    if (!in->loose)
        for (uint32_t i = 0; i < in->count; i++)
            if (!in->args[i]->clean) {
                narrow(in, rows, good, &narrowed);
                return in->run(p, in, &narrowed);
            }
    return in->run(p, in, rows);
}

/* ---- input ---- */

static void count_rows(expr_program *p, size_t count, const uint8_t *skip)
{
    scope *s = p->root;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        s->rows[n] = (uint8_t)i;
        n += !skip || !skip[i];
    }
    s->count = n;
}

/* A number of another size than 8 bytes is none. */
static void load_numbers(const sdf_column *c, reg *r, const scope *rows)
{
    for (size_t k = 0; k < rows->count; k++) {
        size_t i = rows->rows[k];
        sdf_slice x = column_get(c, i);
        if (x.size == 8)
            memcpy((uint8_t *)r->own + 8 * i, x.data, 8);
        else
            reg_mark(r, i, EXPR_BAD);
    }
}

static void load_side(expr_program *p, const sdf_column *c, reg *r)
{
    bool number = r->type.class == CLASS_I64 || r->type.class == CLASS_F64;
    r->clean = true;
    r->step = 1;
    r->data = r->own;
    if (number && c->layout == SDF_LAYOUT_FIXED && c->width == 8) {
        r->data = (void *)(uintptr_t)c->data;
    } else if (number) {
        load_numbers(c, r, p->root);
    } else if (c->layout == SDF_LAYOUT_SLICES) {
        r->data = (void *)(uintptr_t)c->slices;
    } else {
        sdf_slice *to = r->own;
        for (size_t k = 0; k < p->root->count; k++)
            to[p->root->rows[k]] = column_get(c, p->root->rows[k]);
    }
}

static int load_row(expr_program *p, const sdf_slice *row)
{
    return row_extract(&p->row_fields, p->row_ops, row, p->at, &p->text, p->values, p->row_states);
}

static int load_fields(expr_program *p)
{
    const scope *s = p->root;
    for (size_t f = 0; f < p->field_count; f++)
        p->fields[f]->clean = true;
    for (size_t k = 0; k < s->count; k++) {
        size_t i = s->rows[k];
        sdf_slice row = column_get(&p->batch->value, i);
        int rc = p->rows_read ? load_row(p, &row) : json_extract(p->json, &row, &p->text, p->values, p->json_states);
        if (rc)
            return rc;
        for (size_t f = 0; f < p->field_count; f++) {
            uint8_t state = p->rows_read ? (p->row_states[f] ? EXPR_BAD : EXPR_OK) : p->json_states[f];
            ((sdf_slice *)p->fields[f]->own)[i] = p->values[f];
            if (state != EXPR_OK)
                reg_mark(p->fields[f], i, state);
        }
    }
    return SDF_OK;
}

/* ---- results ---- */

static void widen_bools(const reg *r, size_t count, uint64_t *to)
{
    const uint8_t *from = r->data;
    for (size_t i = 0; i < count; i++)
        to[i] = from[i * r->step];
}

/* A register of one value as a column of them. */
static void repeat(const reg *r, size_t count, void *to)
{
    size_t width = class_width(r->type.class);
    for (size_t i = 0; i < count; i++)
        memcpy((uint8_t *)to + i * width, r->data, width);
}

static void give(expr_program *p, size_t output, expr_result *result)
{
    reg *r = p->outputs[output];
    void *room = p->widened[output];
    const void *data = r->data;
    size_t count = p->batch->count;
    result->state = NULL;
    column_set_null(&result->column);
    if (r->type.class == CLASS_NULL) /* nothing else can be expected of it */
        return;
    if (!r->clean && r->step)
        result->state = r->state;
    else if (!r->clean)
        result->state = memset((uint8_t *)room + ROWS * sizeof(sdf_slice), *r->state, ROWS);
    if (r->type.class == CLASS_BOOL) {
        widen_bools(r, count, room);
        data = room;
    } else if (!r->step) {
        repeat(r, count, room);
        data = room;
    }
    if (r->type.class == CLASS_BYTES || r->type.class == CLASS_ENCODED)
        column_set_slices(&result->column, data);
    else
        column_set_fixed(&result->column, data, 8);
}

int expr_program_run(expr_program *p, const sdf_batch *batch, const uint8_t *skip, expr_result *results,
                     sdf_error **err)
{
    int rc = SDF_OK;
    p->batch = batch;
    arena_reset(&p->text);
    count_rows(p, batch->count, skip);
    if (p->sides[SDF_KEY] && !p->sides[SDF_KEY]->constant)
        load_side(p, &batch->key, p->sides[SDF_KEY]);
    if (p->sides[SDF_VALUE] && !p->sides[SDF_VALUE]->constant)
        load_side(p, &batch->value, p->sides[SDF_VALUE]);
    if (p->field_count)
        rc = load_fields(p);
    for (const insn *in = p->first; in && !rc; in = in->next) {
        row_list rows = {in->scope->count, in->scope->rows};
        rc = insn_run(p, in, &rows);
    }
    if (rc)
        return error_set(err, SDF_E_NO_MEMORY,
                         "what expressions make of a batch of %zu records does not fit the memory "
                         "of the task",
                         batch->count);
    for (size_t i = 0; i < p->bound.count; i++)
        give(p, i, &results[i]);
    return SDF_OK;
}
