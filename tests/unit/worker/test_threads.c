/* Workers on several threads share a store, the registry and nothing else; one worker refuses a second caller. */
#include "fixture.h"

#include <pthread.h>

#define THREADS 3
#define ROUNDS  60

static int slow_down(const sdf_record *in, sdf_out *out, void *state)
{
    usleep(200000);
    return 1;
}

static void plan_of(fixture *f, bool slow)
{
    plan_stage *s = fixture_text_stage(f, 1);
    fixture_op(s, slow ? PLAN_OP_FILTER : PLAN_OP_FLAT_MAP, slow ? "slow_down" : "sdf.words", slow ? "null" : "bytes",
               slow ? "bytes" : "i64");
    fixture_output(s, PLAN_OUTPUT_COUNT, "bytes", "i64");
    fixture_plan(f);
}

typedef struct caller {
    pthread_t thread;
    store *store;
    buf request;
    int failures;
} caller;

static void *call_many(void *arg)
{
    caller *c = arg;
    sdf_worker *w = NULL;
    worker_config config = {.store = c->store, .memory = 1 << 20};
    c->failures = worker_new(&config, &w, NULL) != SDF_OK;
    for (int i = 0; i < ROUNDS && w; i++) {
        sdf_slice request = buf_slice(&c->request), response;
        task_reply reply;
        if (sdf_worker_invoke(w, &request, 0, &response, NULL) ||
            task_reply_decode(response.data, response.size, &reply, NULL)) {
            c->failures++;
            continue;
        }
        c->failures += reply.failure != FAILURE_NONE || reply.records != 4;
        task_reply_clear(&reply);
    }
    sdf_worker_close(w);
    return NULL;
}

static void workers_do_not_meet(void **state)
{
    fixture f;
    caller callers[THREADS];
    fixture_open(&f, 0);
    fixture_file(&f, "one two\nthree\nfour", 18);
    plan_of(&f, false);
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (caller){.store = f.store};
        assert_int_equal(task_request_encode(&f.request, &callers[i].request), SDF_OK);
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].failures, 0);
        buf_free(&callers[i].request);
    }
    fixture_close(&f);
}

typedef struct busy_caller {
    sdf_worker *worker;
    sdf_slice request;
    int status;
} busy_caller;

static void *call_once(void *arg)
{
    busy_caller *c = arg;
    sdf_slice response;
    c->status = sdf_worker_invoke(c->worker, &c->request, 0, &response, NULL);
    return NULL;
}

static void a_busy_worker_says_so(void **state)
{
    fixture f;
    buf bytes = BUF_EMPTY;
    pthread_t thread;
    fixture_open(&f, 0);
    fixture_file(&f, "one\n", 4);
    plan_of(&f, true);
    assert_int_equal(task_request_encode(&f.request, &bytes), SDF_OK);
    busy_caller first = {f.worker, buf_slice(&bytes), -100}, second = first;
    assert_int_equal(pthread_create(&thread, NULL, call_once, &first), 0);
    usleep(50000);
    call_once(&second);
    pthread_join(thread, NULL);
    /* Either may have come first, or, on a slow machine, one after the other. */
    assert_true(first.status == SDF_OK || second.status == SDF_OK);
    assert_true(first.status == SDF_OK || first.status == SDF_E_BUSY);
    assert_true(second.status == SDF_OK || second.status == SDF_E_BUSY);
    buf_free(&bytes);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_do_not_meet),
        cmocka_unit_test(a_busy_worker_says_so),
    };
    SDF_REGISTER(slow_down, .filter = slow_down, .version = 1);
    return cmocka_run_group_tests_name("worker/threads", tests, NULL, NULL);
}
