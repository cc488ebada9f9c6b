/* Requests whose pieces or sides don't fit the plan are refused before anything is read; pieces in an object. */
#include "fixture.h"

/* Stage 1 reads a file in branch 0, and in branch 1 a join of stages 8 and 9; its table is stage 7. */
static void two_branches(fixture *f)
{
    plan_stage *s = fixture_text_stage(f, 1);
    plan_branch *b = plan_add_branch(s);
    b->input.kind = PLAN_INPUT_COGROUP;
    b->input.how = PLAN_COGROUP_SUBTRACT;
    b->input.label = own("subtract#4");
    b->input.key_type = own("null");
    b->input.value_type = own("bytes");
    for (uint32_t i = 0; i < 2; i++) {
        plan_input *in = &plan_add_source(&b->input)->input;
        in->kind = PLAN_INPUT_SHUFFLE;
        in->source = 8 + i;
        in->read = PLAN_READ_MERGE;
        in->label = own("subtract#4");
        in->key_type = own("null");
        in->value_type = own("bytes");
        in->stored_key_type = own("null");
        in->stored_value_type = own("bytes");
    }
    plan_side *side = plan_add_side(s);
    *side = (plan_side){7, own("table#5"), own("null"), own("bytes")};
    fixture_output(s, PLAN_OUTPUT_COUNT, "null", "bytes");
    fixture_plan(f);
}

static void pieces_must_fit_the_plan(void **state)
{
    task_leaf leaves[3] = {{.stage = 8}, {.stage = 9}, {.stage = 10}}, crossed[2] = {{.stage = 9}, {.stage = 8}};
    task_leaf tables[2] = {{.stage = 7}, {.stage = 7}}, other = {.stage = 8};
    const struct {
        task_piece piece;
        task_leaf *sides;
        uint32_t side_count;
        const char *says; /* NULL: fits */
    } cases[] = {
        {{.branch = 1, .leaves = leaves, .leaf_count = 2}, tables, 1, NULL},
        {{.branch = 2, .leaves = leaves, .leaf_count = 2}, tables, 1, "piece 0"},
        {{.branch = 1, .leaves = leaves, .leaf_count = 1}, tables, 1, "piece 0"},
        {{.branch = 1, .leaves = leaves, .leaf_count = 3}, tables, 1, "piece 0"},
        {{.branch = 1, .leaves = crossed, .leaf_count = 2}, tables, 1, "piece 0"},
        {{.branch = 0, .leaves = leaves, .leaf_count = 1}, tables, 1, "piece 0"},
        {{.branch = 0, .split.length = 1}, tables, 1, "piece 0"},
        {{.branch = 1, .leaves = leaves, .leaf_count = 2}, tables, 0, "side 0"},
        {{.branch = 1, .leaves = leaves, .leaf_count = 2}, tables, 2, "side 2"},
        {{.branch = 1, .leaves = leaves, .leaf_count = 2}, &other, 1, "side 0"},
    };
    fixture f;
    fixture_open(&f, 0);
    two_branches(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f.piece = cases[i].piece;
        f.request.sides = cases[i].sides;
        f.request.side_count = cases[i].side_count;
        f.request.attempt = i + 1;
        if (cases[i].says)
            fixture_run_fails(&f, FAILURE_FATAL, SDF_E_INVALID, cases[i].says);
        else
            fixture_run_ok(&f);
    }
    fixture_close(&f);
}

static void a_list_of_pieces_comes_from_the_store(void **state)
{
    static const char name[] = "sdf-000000000000004d/pieces";
    fixture f;
    buf list = BUF_EMPTY;
    fixture_open(&f, 0);
    fixture_file(&f, "one\ntwo\n", 8);
    plan_stage *s = fixture_text_stage(&f, 1);
    fixture_output(s, PLAN_OUTPUT_COUNT, "null", "bytes");
    fixture_plan(&f);
    task_piece pieces[3] = {f.piece, f.piece, f.piece};
    f.request.pieces = pieces;
    f.request.piece_count = 3;
    f.request.pieces_name = (char *)name;
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_NOT_FOUND, "list of pieces");
    assert_int_equal(task_pieces_encode(&f.request, &list), SDF_OK);
    assert_int_equal(store_put(f.store, name, list.data, list.size, NULL), SDF_OK); /* not sealed */
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_CORRUPT, "list of pieces");
    assert_int_equal(store_put_sealed(f.store, name, list.data, list.size - 1, NULL), SDF_OK);
    fixture_run_fails(&f, FAILURE_TRANSIENT, SDF_E_CORRUPT, "cut short");
    assert_int_equal(store_put_sealed(f.store, name, list.data, list.size, NULL), SDF_OK);
    fixture_run_ok(&f);
    assert_int_equal(f.reply.records, 6);
    buf_free(&list);
    fixture_close(&f);
}

/* Pieces of both branches, extents of objects that are not there, a table: every bit wrong once. Each is answered. */
static void flipped_bits_are_answered(void **state)
{
    fixture f;
    buf bytes = BUF_EMPTY;
    task_extent x = {.task = 1, .attempt = 3, .offset = 48, .stored = 40, .raw = 16, .records = 1, .max_raw = 16};
    task_leaf leaves[2] = {{8, &x, 1}, {9, &x, 1}}, table = {7, NULL, 0};
    fixture_open(&f, 1 << 20);
    two_branches(&f);
    fixture_file(&f, "one\nline2\nthree\n", 16);
    task_piece pieces[2] = {f.piece, {.branch = 1, .leaves = leaves, .leaf_count = 2}};
    f.request.pieces = pieces;
    f.request.piece_count = 2;
    f.request.sides = &table;
    f.request.side_count = 1;
    assert_int_equal(task_request_encode(&f.request, &bytes), SDF_OK);
    size_t from = bytes.size - 200; /* what comes before is tried in test_worker.c */
    for (size_t i = from; i < bytes.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (uint8_t)(1 << bit);
            fixture_send(&f, bytes.data, bytes.size);
            bytes.data[i] ^= (uint8_t)(1 << bit);
        }
    fixture_send(&f, bytes.data, bytes.size);
    assert_int_equal(f.reply.failure, FAILURE_UPSTREAM);
    assert_int_equal(f.reply.bad_stage, 8);
    buf_free(&bytes);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_must_fit_the_plan),
        cmocka_unit_test(flipped_bits_are_answered),
        cmocka_unit_test(a_list_of_pieces_comes_from_the_store),
    };
    return cmocka_run_group_tests_name("worker/pieces", tests, NULL, NULL);
}
