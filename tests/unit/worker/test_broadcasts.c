/* Values that tasks read by name: fetched once for a process, checked, shared, let go with the plans that asked. */
#include "fixture.h"

#include <sdf/shared.h>

#include <pthread.h>

#include "worker/broadcasts.h"
#include "worker/internal.h"

#define CONTEXT 99

/* One worker's view: a plan with broadcasts, and what it holds of them. */
typedef struct reader {
    task_env env;
    task_request request;
    broadcasts held;
} reader;

static plan *plan_of(const sdf_slice *values, uint32_t count)
{
    plan *p = plan_new();
    for (uint32_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "value-%u", i);
        plan_broadcast *b = plan_add_broadcast(p);
        *b = (plan_broadcast){own(name), i + 1, values[i].size, hash_xxh3(values[i].data, values[i].size)};
    }
    return p;
}

static void reader_init(reader *r, const plan *p, store *s)
{
    memset(r, 0, sizeof *r);
    r->request.context = CONTEXT;
    r->env = (task_env){.request = &r->request, .plan = p, .store = s, .broadcasts = &r->held};
}

static void put_value(store *s, uint32_t id, const void *data, size_t size)
{
    char name[TASK_NAME_MAX];
    task_name_broadcast(name, CONTEXT, id);
    assert_int_equal(store_put(s, name, data, size, NULL), SDF_OK);
}

static void remove_value(store *s, uint32_t id)
{
    char name[TASK_NAME_MAX];
    task_name_broadcast(name, CONTEXT, id);
    assert_int_equal(s->ops->remove(s->self, (const char *const[]){name}, 1, NULL), SDF_OK);
}

static void assert_value(reader *r, const char *name, const char *expected)
{
    sdf_slice bytes;
    sdf_error *err = NULL;
    if (broadcasts_get(&r->env, name, &bytes, &err))
        fail_msg("%s", sdf_error_text(err));
    assert_int_equal(bytes.size, strlen(expected));
    if (bytes.size)
        assert_memory_equal(bytes.data, expected, bytes.size);
}

static void assert_fails(reader *r, const char *name, int code, const char *part)
{
    sdf_slice bytes;
    sdf_error *err = NULL;
    assert_int_equal(broadcasts_get(&r->env, name, &bytes, &err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    sdf_error_free(err);
}

static void fetched_once_and_let_go(void **state)
{
    static const sdf_slice values[] = {{"first", 5}, {"", 0}, {"third", 5}};
    plan *p = plan_of(values, 3);
    reader a, b;
    store *s;
    assert_int_equal(store_open("mem:", &s, NULL), SDF_OK);
    for (uint32_t i = 0; i < 3; i++)
        put_value(s, i + 1, values[i].data, values[i].size);
    reader_init(&a, p, s);
    reader_init(&b, p, s);
    assert_value(&a, "value-0", "first");
    assert_value(&a, "value-1", "");
    assert_int_equal(a.env.metrics.store_reads, 2);
    assert_int_equal(broadcasts_held(), 2);
    remove_value(s, 1); /* whoever asks now gets what is held */
    assert_value(&a, "value-0", "first");
    assert_value(&b, "value-0", "first");
    assert_int_equal(a.env.metrics.store_reads, 2);
    assert_int_equal(b.env.metrics.store_reads, 0);
    broadcasts_clear(&a.held);
    assert_int_equal(broadcasts_held(), 1);
    assert_value(&b, "value-0", "first");
    assert_value(&b, "value-2", "third");
    broadcasts_clear(&b.held);
    broadcasts_clear(&b.held);
    assert_int_equal(broadcasts_held(), 0);
    assert_fails(&b, "value-0", SDF_E_NOT_FOUND, "broadcast \"value-0\"");
    assert_true(b.held.failed);
    broadcasts_clear(&b.held);
    plan_free(p);
    store_unref(s);
}

static void a_store_lives_as_long_as_what_it_lends(void **state)
{
    static const sdf_slice value = {"lent", 4};
    plan *p = plan_of(&value, 1);
    reader a;
    store *s;
    assert_int_equal(store_open("mem:", &s, NULL), SDF_OK);
    put_value(s, 1, "lent", 4);
    reader_init(&a, p, s);
    assert_value(&a, "value-0", "lent");
    store_unref(s);
    assert_value(&a, "value-0", "lent");
    broadcasts_clear(&a.held);
    plan_free(p);
}

static void what_is_wrong_is_not_handed_out(void **state)
{
    static const sdf_slice value = {"right", 5};
    plan *p = plan_of(&value, 1);
    reader a;
    store *s;
    assert_int_equal(store_open("mem:", &s, NULL), SDF_OK);
    reader_init(&a, p, s);
    assert_fails(&a, "value-O", SDF_E_NOT_FOUND, "did you mean \"value-0\"?");
    assert_fails(&a, "quite another", SDF_E_NOT_FOUND, "sdf_broadcast");
    assert_fails(&a, "", SDF_E_NOT_FOUND, "");
    assert_fails(&a, NULL, SDF_E_INVALID, "name");
    assert_false(a.held.failed); /* trying again won't help */
    put_value(s, 1, "wrong", 5);
    assert_fails(&a, "value-0", SDF_E_CORRUPT, "digest");
    put_value(s, 1, "righ", 4);
    assert_fails(&a, "value-0", SDF_E_CORRUPT, "4 bytes");
    put_value(s, 1, "right!", 6);
    assert_fails(&a, "value-0", SDF_E_LIMIT, "value-0");
    assert_true(a.held.failed);
    put_value(s, 1, "right", 5);
    assert_value(&a, "value-0", "right");
    broadcasts_clear(&a.held);
    assert_int_equal(broadcasts_held(), 0);
    plan_free(p);
    store_unref(s);
}

/* Another context's value of the same number is another value. */
static void contexts_do_not_meet(void **state)
{
    static const sdf_slice one = {"one", 3}, two = {"two", 3};
    plan *p = plan_of(&one, 1), *q = plan_of(&two, 1);
    reader a, b;
    store *s;
    char name[TASK_NAME_MAX];
    assert_int_equal(store_open("mem:", &s, NULL), SDF_OK);
    put_value(s, 1, "one", 3);
    task_name_broadcast(name, CONTEXT + 1, 1);
    assert_int_equal(store_put(s, name, "two", 3, NULL), SDF_OK);
    reader_init(&a, p, s);
    reader_init(&b, q, s);
    b.request.context = CONTEXT + 1;
    assert_value(&a, "value-0", "one");
    assert_value(&b, "value-0", "two");
    broadcasts_clear(&a.held);
    broadcasts_clear(&b.held);
    plan_free(p);
    plan_free(q);
    store_unref(s);
}

/* ---- threads ---- */

#define THREADS 4
#define ROUNDS  300
#define VALUES  5

typedef struct asker {
    pthread_t thread;
    store *store;
    const plan *plan;
    const sdf_slice *values;
    uint64_t reads;
    int failures;
} asker;

static void *ask(void *arg)
{
    asker *me = arg;
    for (int i = 0; i < ROUNDS; i++) {
        reader r;
        reader_init(&r, me->plan, me->store);
        for (int n = 0; n < VALUES; n++) {
            char name[24];
            sdf_slice bytes = {NULL, 0};
            snprintf(name, sizeof name, "value-%d", (i + n) % VALUES);
            const sdf_slice *expected = &me->values[(i + n) % VALUES];
            me->failures += broadcasts_get(&r.env, name, &bytes, NULL) || bytes.size != expected->size ||
                            memcmp(bytes.data, expected->data, bytes.size);
        }
        me->reads += r.env.metrics.store_reads;
        broadcasts_clear(&r.held);
    }
    return NULL;
}

static void threads_share(void **state)
{
    static const sdf_slice values[VALUES] = {{"a", 1}, {"bb", 2}, {"ccc", 3}, {"dddd", 4}, {"eeeee", 5}};
    plan *p = plan_of(values, VALUES);
    asker askers[THREADS];
    reader keeper;
    store *s;
    assert_int_equal(store_open("mem:", &s, NULL), SDF_OK);
    for (uint32_t i = 0; i < VALUES; i++)
        put_value(s, i + 1, values[i].data, values[i].size);
    reader_init(&keeper, p, s);
    assert_value(&keeper, "value-0", "a"); /* held by one: nobody fetches it */
    remove_value(s, 1);
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (asker){.store = s, .plan = p, .values = values};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].failures, 0);
        assert_true(askers[i].reads <= ROUNDS * (VALUES - 1));
    }
    broadcasts_clear(&keeper.held);
    assert_int_equal(broadcasts_held(), 0);
    plan_free(p);
    store_unref(s);
}

/* ---- through a worker ---- */

static int greet_open(const sdf_task *task, const sdf_slice *arg, void **state, sdf_error **err)
{
    char name[32] = "";
    sdf_slice bytes;
    memcpy(name, arg->data, arg->size);
    int rc = sdf_task_broadcast(task, name, &bytes, err);
    if (!rc && (bytes.size != 5 || memcmp(bytes.data, "hello", 5)))
        rc = SDF_E_USER;
    *state = NULL;
    return rc;
}

static int greet(const sdf_record *in, sdf_out *out, void *state)
{
    return 1;
}

/* Lines through a filter that asks for the value of that name; NULL: that asks for none. */
static void greeting_plan(fixture *f, const char *name, uint32_t tasks)
{
    static const sdf_slice value = {"hello", 5};
    plan_free(f->plan);
    f->plan = plan_of(&value, 1);
    f->plan->program_id = own(sdf_program_id());
    f->plan->compression = own("lz4");
    plan_stage *s = fixture_text_stage(f, 1);
    s->tasks = tasks;
    if (name) {
        fixture_op(s, PLAN_OP_FILTER, "greet", "null", "bytes");
        assert_int_equal(buf_text(&s->branches[0].ops[0].call.arg, name), SDF_OK);
    }
    fixture_output(s, PLAN_OUTPUT_COUNT, "null", "bytes");
    fixture_plan(f);
}

static void a_workers_tasks_read_them(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    f.request.context = CONTEXT;
    fixture_file(&f, "one\n", 4);
    greeting_plan(&f, "value-1", 1);
    fixture_run_fails(&f, FAILURE_USER, SDF_E_USER, "\"value-0\""); /* the hint */
    assert_string_equal(sdf_error_function(f.reply.error), "greet");
    greeting_plan(&f, "value-0", 1);
    fixture_run_fails(&f, FAILURE_USER, SDF_E_USER, "broadcast"); /* tried again: it may come yet */
    put_value(f.store, 1, "hello", 5);
    fixture_run_ok(&f);
    assert_int_equal(broadcasts_held(), 1);
    remove_value(f.store, 1);
    fixture_run_ok(&f);
    /* It goes with its plan, which others push out. */
    for (int i = 0; i < WORKER_PLANS; i++) {
        assert_int_equal(broadcasts_held(), 1);
        greeting_plan(&f, NULL, 2 + (uint32_t)i);
        fixture_run_ok(&f);
    }
    assert_int_equal(broadcasts_held(), 0);
    fixture_close(&f);
}

static void they_go_with_the_worker(void **state)
{
    fixture f;
    fixture_open(&f, 0);
    f.request.context = CONTEXT;
    fixture_file(&f, "one\n", 4);
    greeting_plan(&f, "value-0", 1);
    put_value(f.store, 1, "hello", 5);
    fixture_run_ok(&f);
    assert_int_equal(broadcasts_held(), 1);
    fixture_close(&f);
    assert_int_equal(broadcasts_held(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetched_once_and_let_go),
        cmocka_unit_test(a_store_lives_as_long_as_what_it_lends),
        cmocka_unit_test(what_is_wrong_is_not_handed_out),
        cmocka_unit_test(contexts_do_not_meet),
        cmocka_unit_test(threads_share),
        cmocka_unit_test(a_workers_tasks_read_them),
        cmocka_unit_test(they_go_with_the_worker),
    };
    SDF_REGISTER(greet, .filter = greet, .open = greet_open, .version = 1);
    return cmocka_run_group_tests_name("worker/broadcasts", tests, NULL, NULL);
}
