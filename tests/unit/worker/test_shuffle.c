/* Two stages through one worker: words counted through a shuffle, against a serial count; side objects; what a bad
 * object means. */
#include "fixture.h"

#include "base/timebase.h"
#include "shuffle/object.h"

#define PARTITIONS 3
#define TASKS      4
#define WORDS      500

/* Stage 1: lines -> words -> combined by key -> PARTITIONS; stage 2: summed -> result. */
static void word_plan(fixture *f)
{
    plan_stage *s = fixture_text_stage(f, 1);
    s->tasks = TASKS;
    fixture_op(s, PLAN_OP_FLAT_MAP, "sdf.words", "bytes", "i64");
    fixture_output(s, PLAN_OUTPUT_SHUFFLE, "bytes", "i64");
    s->output.partitions = PARTITIONS;
    s->output.partitioner = PLAN_PARTITION_HASH;
    plan_call_set(&s->output.combine, "sdf.sum", 1, "reduce#3");
    s = plan_add_stage(f->plan);
    s->id = 2;
    s->label = own("stage: counts");
    s->tasks = PARTITIONS;
    plan_input *in = &plan_add_branch(s)->input;
    in->kind = PLAN_INPUT_SHUFFLE;
    in->label = own("reduce#3");
    in->key_type = own("bytes");
    in->value_type = own("i64");
    in->source = 1;
    in->read = PLAN_READ_AGGREGATE;
    in->stored_key_type = own("bytes");
    in->stored_value_type = own("i64");
    plan_call_set(&in->call, "sdf.sum", 1, "reduce#3");
    fixture_output(s, PLAN_OUTPUT_RESULT, "bytes", "i64");
    fixture_plan(f);
}

/* Extents of one partition over all producers, in order: what the driver makes of the indexes. */
typedef struct exchange {
    task_extent extents[PARTITIONS][TASKS * 64];
    uint32_t count[PARTITIONS];
    uint64_t fingerprint;
} exchange;

static void exchange_add(exchange *x, fixture *f)
{
    shuffle_index index;
    sdf_slice encoded = f->reply.index;
    sdf_view view = {0};
    if (f->reply.index_name && *f->reply.index_name) {
        assert_int_equal(encoded.size, 0);
        assert_int_equal(store_get_sealed(f->store, f->reply.index_name, 1 << 20, &view, NULL), SDF_OK);
        encoded = (sdf_slice){view.data, view.size};
    }
    assert_int_equal(shuffle_index_decode(encoded.data, encoded.size, &index, NULL), SDF_OK);
    assert_int_equal(index.partitions, PARTITIONS);
    for (uint32_t i = 0; i < index.count; i++) {
        const index_extent *e = &index.extents[i];
        x->extents[e->partition][x->count[e->partition]++] = (task_extent){
            f->reply.task, f->reply.leg, f->reply.attempt, e->offset, e->stored, e->raw, e->records, e->max_raw};
    }
    x->fingerprint ^= f->reply.fingerprint * (f->reply.task + 1);
    shuffle_index_clear(&index);
    store_release(&view);
}

static void produce(fixture *f, exchange *x, size_t size)
{
    memset(x, 0, sizeof *x);
    f->request.stage = 1;
    for (uint32_t task = 0; task < TASKS; task++) {
        f->request.task = task;
        f->request.attempt++;
        f->piece.split.offset = size * task / TASKS;
        f->piece.split.length = size * (task + 1) / TASKS - f->piece.split.offset;
        fixture_run_ok(f);
        assert_true(f->reply.object_bytes > 0);
        exchange_add(x, f);
    }
}

static void consume(fixture *f, exchange *x, int64_t counts[WORDS])
{
    char name[] = "sdf-000000000000004d/pieces";
    f->request.stage = 2;
    for (uint32_t task = 0; task < PARTITIONS; task++) {
        buf list = BUF_EMPTY;
        f->request.task = task;
        f->request.attempt++;
        fixture_extents(f, 1, x->extents[task], x->count[task]);
        if (task == 1) { /* as an object of its own */
            assert_int_equal(task_pieces_encode(&f->request, &list), SDF_OK);
            assert_int_equal(store_put_sealed(f->store, name, list.data, list.size, NULL), SDF_OK);
            f->request.pieces_name = name;
        }
        fixture_run_ok(f);
        f->request.pieces_name = (char *)"";
        buf_free(&list);
        task_env env = {.request = &f->request, .store = f->store};
        budget memory;
        budget_init(&memory, 8 << 20);
        env.budget = &memory;
        object_ids ids = {77, 2, task, 0, f->request.attempt};
        run *r = NULL;
        sdf_batch batch;
        sdf_slice bytes = f->reply.result;
        assert_int_equal(run_open_bytes(&r, &env, bytes.data, bytes.size, &ids, 0, TYPE_BYTES, TYPE_I64, NULL), SDF_OK);
        while (run_next(r, &batch, NULL) == SDF_OK)
            for (size_t i = 0; i < batch.count; i++) {
                sdf_slice k = column_get(&batch.key, i), v = column_get(&batch.value, i);
                char text[16] = "";
                assert_true(k.size > 1 && k.size < sizeof text);
                memcpy(text, k.data, k.size);
                counts[atoi(text + 1)] += sdf_slice_i64(&v);
            }
        run_close(r);
    }
}

static size_t make_words(fixture *f, int64_t expected[WORDS])
{
    buf text = BUF_EMPTY;
    rng r = {77};
    for (int i = 0; i < 20000; i++) {
        uint64_t word = rng_below(&r, 1 + rng_below(&r, WORDS));
        expected[word]++;
        buf_printf(&text, "w%d%s", (int)word, rng_below(&r, 8) ? " " : "\n");
    }
    fixture_file(f, text.data, text.size);
    size_t size = text.size;
    buf_free(&text);
    return size;
}

static void words_are_counted(void **state)
{
    uint64_t fingerprints[2];
    for (int side = 0; side < 2; side++) {
        fixture f;
        static exchange x;
        int64_t expected[WORDS] = {0}, counts[WORDS] = {0};
        fixture_open(&f, 0);
        size_t size = make_words(&f, expected);
        word_plan(&f);
        f.request.inline_limit = side ? 0 : 1 << 20;
        produce(&f, &x, size);
        assert_int_equal(fixture_objects(&f), side ? 2 * TASKS : TASKS);
        f.request.inline_limit = 1 << 20;
        consume(&f, &x, counts);
        assert_memory_equal(counts, expected, sizeof counts);
        fingerprints[side] = x.fingerprint;
        fixture_close(&f);
    }
    assert_int_equal(fingerprints[0], fingerprints[1]);
}

static int drop_first(const sdf_object_info *info, void *user)
{
    if (strstr(info->name, "/s1/"))
        snprintf(user, TASK_NAME_MAX, "%s", info->name);
    return 0;
}

static void a_missing_object_is_the_producers_fault(void **state)
{
    fixture f;
    static exchange x;
    int64_t expected[WORDS] = {0};
    char name[TASK_NAME_MAX] = "";
    fixture_open(&f, 0);
    size_t size = make_words(&f, expected);
    word_plan(&f);
    produce(&f, &x, size);
    assert_int_equal(f.store->ops->list(f.store->self, "sdf-", drop_first, name, NULL), SDF_OK);
    assert_int_equal(f.store->ops->remove(f.store->self, (const char *const[]){name}, 1, NULL), SDF_OK);
    f.request.stage = 2;
    f.request.task = 0;
    f.request.attempt = 99;
    fixture_extents(&f, 1, x.extents[0], x.count[0]);
    fixture_run_fails(&f, FAILURE_UPSTREAM, SDF_E_NOT_FOUND, "");
    assert_int_equal(f.reply.bad_stage, 1);
    char bad[TASK_NAME_MAX];
    task_name_object(bad, 77, f.reply.bad_stage, f.reply.bad_task, f.reply.bad_leg, f.reply.bad_attempt);
    assert_string_equal(bad, name);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_counted),
        cmocka_unit_test(a_missing_object_is_the_producers_fault),
    };
    return cmocka_run_group_tests_name("worker/shuffle", tests, NULL, NULL);
}
