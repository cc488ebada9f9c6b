/* threads: where tasks hang (in a store whose reads block until the test lets them go), wait, or are cancelled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <sdf/sdf.h>
#include <sdf/sys/store.h>

#include "base/error.h"
#include "transport/conformance.h"
#include "transport/threads.h"

/* ---- a store that hangs ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moves = PTHREAD_COND_INITIALIZER;
static int gate_open, waiting, destroyed;

static int hang_read(void *self, sdf_read *const *reads, size_t count, sdf_error **err)
{
    pthread_mutex_lock(&gate_lock);
    waiting++;
    pthread_cond_broadcast(&gate_moves);
    while (!gate_open)
        pthread_cond_wait(&gate_moves, &gate_lock);
    waiting--;
    pthread_cond_broadcast(&gate_moves);
    pthread_mutex_unlock(&gate_lock);
    for (size_t i = 0; i < count; i++)
        reads[i]->status = SDF_E_NOT_FOUND;
    return SDF_OK;
}

static int hang_head(void *self, const char *name, uint64_t *size, sdf_error **err)
{
    hang_read(self, NULL, 0, err);
    return error_set(err, SDF_E_NOT_FOUND, "nothing here");
}

static int no_writer(void *self, const char *name, int if_absent, void **writer, sdf_error **err)
{
    return error_set(err, SDF_E_UNSUPPORTED, "no");
}
static int no_append(void *self, void *writer, const sdf_slice *parts, size_t count, sdf_error **err)
{
    return SDF_E_UNSUPPORTED;
}
static int no_commit(void *self, void *writer, sdf_error **err)
{
    return SDF_E_UNSUPPORTED;
}
static void no_abort(void *self, void *writer)
{
}
static int no_list(void *self, const char *prefix, sdf_list_fn callback, void *user, sdf_error **err)
{
    return SDF_OK;
}
static int no_remove(void *self, const char *const *names, size_t count, sdf_error **err)
{
    return SDF_OK;
}
static void count_destroy(void *self)
{
    pthread_mutex_lock(&gate_lock);
    destroyed++;
    pthread_cond_broadcast(&gate_moves);
    pthread_mutex_unlock(&gate_lock);
}
static int hang_open(const char *rest, void *user, void **self, sdf_error **err)
{
    *self = NULL;
    return SDF_OK;
}
static const sdf_store_ops hang_ops = {.struct_size = sizeof(hang_ops),
                                       .version = SDF_STORE_VERSION,
                                       .scope = SDF_SCOPE_PROCESS,
                                       .writer_open = no_writer,
                                       .writer_append = no_append,
                                       .writer_commit = no_commit,
                                       .writer_abort = no_abort,
                                       .read = hang_read,
                                       .head = hang_head,
                                       .list = no_list,
                                       .remove = no_remove,
                                       .destroy = count_destroy};

static void set_gate(int open)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = open;
    pthread_cond_broadcast(&gate_moves);
    pthread_mutex_unlock(&gate_lock);
}

/* Until *counter is value; it must not take long. */
static void await(const int *counter, int value)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&gate_lock);
    int rc = 0;
    while (*counter != value && !rc)
        rc = pthread_cond_timedwait(&gate_moves, &gate_lock, &until);
    pthread_mutex_unlock(&gate_lock);
    assert_int_equal(rc, 0);
}

/* ---- helpers ---- */

static void open_bench(bench *b, const char *uri)
{
    *b = (bench){.uri = uri, .store_uri = "hang:"};
    assert_int_equal(store_open("hang:", &b->store, NULL), SDF_OK);
    if (!bench_open(b))
        fail_msg("%s: %s", uri, b->why);
}

static void good(bench *b, bool ok)
{
    if (!ok || b->why[0])
        fail_msg("%s: %s", b->uri, b->why);
}

/* A task whose plan is in the store, where it hangs. */
static bool hanging(bench *b, size_t i)
{
    task_piece nothing = {0};
    const task_request q = {.kind = TASK_RUN,
                            .context = 1,
                            .stage = 1,
                            .attempt = b->calls[i].id,
                            .plan_hash = "0123456789abcdef0123456789abcdef",
                            .store_uri = (char *)(uintptr_t) "hang:",
                            .scratch_dir = (char *)(uintptr_t) "",
                            .program_id = (char *)(uintptr_t)sdf_program_id(),
                            .memory = 1 << 20,
                            .limit = UINT64_MAX,
                            .pieces = &nothing,
                            .piece_count = 1};
    buf_clear(&b->calls[i].request);
    return task_request_encode(&q, &b->calls[i].request) == SDF_OK;
}

static size_t thread_count(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* ---- the tests ---- */

static void test_hung_then_replaced(void **state)
{
    bench b;
    set_gate(0);
    open_bench(&b, "threads:1");
    good(&b, bench_round(&b, "warm") && bench_calls(&b, 1) && hanging(&b, 0) && bench_submit(&b, 0, 100) &&
                 bench_wait(&b, 1, 5000));
    assert_int_equal(b.calls[0].status, SDF_E_TIMEOUT);
    assert_non_null(memmem(b.calls[0].response.data, b.calls[0].response.size, "(100 ms)", 8));
    await(&waiting, 1);
    good(&b, bench_round(&b, "another thread") && bench_round(&b, "and again"));
    set_gate(1); /* the hung one comes back: there is no place for it any more, and its answer is nobody's */
    await(&waiting, 0);
    good(&b, bench_round(&b, "after"));
    store_unref(b.store);
    good(&b, bench_close(&b));
    await(&destroyed, 1);
}

static void test_hung_at_stop(void **state)
{
    bench b;
    set_gate(0);
    destroyed = 0;
    open_bench(&b, "threads:2");
    good(&b, bench_calls(&b, 2) && hanging(&b, 0) && hanging(&b, 1) && bench_submit(&b, 0, 50) &&
                 bench_submit(&b, 1, 50) && bench_wait(&b, 2, 5000));
    await(&waiting, 2);
    store_unref(b.store);
    int64_t start = bench_now_ms();
    assert_int_equal(b.transport->ops->stop(b.transport->self), 2);
    assert_true(bench_now_ms() - start < 1500); /* they have had their time */
    b.stopped = true;
    transport_close(b.transport);
    b.transport = NULL;
    bench_close(&b);
    assert_int_equal(destroyed, 0); /* they still use it */
    set_gate(1);
    await(&destroyed, 1); /* the last one out frees what it stood on */
}

/* One transport is stopped while a task hangs in it; of another such a task is cancelled. Both have their time. */
static void test_stop_and_cancel_hung(void **state)
{
    bench stopped, b;
    set_gate(0);
    destroyed = 0;
    open_bench(&b, "threads:1");
    good(&b, bench_calls(&b, 1) && hanging(&b, 0) && bench_submit(&b, 0, 0));
    open_bench(&stopped, "threads:2");
    good(&stopped, bench_calls(&stopped, 3) && hanging(&stopped, 0) && bench_probe(&stopped, 1, "x", 10000, 0) &&
                       bench_probe(&stopped, 2, "queued", 0, 0) && bench_submit(&stopped, 0, 0) &&
                       bench_submit(&stopped, 1, 0) && bench_submit(&stopped, 2, 0));
    await(&waiting, 2);
    b.transport->ops->cancel(b.transport->self, b.calls[0].id);
    store_unref(stopped.store);
    /* The probe sees that it is cancelled. */
    assert_int_equal(stopped.transport->ops->stop(stopped.transport->self), 1);
    stopped.stopped = true;
    transport_close(stopped.transport);
    stopped.transport = NULL;
    bench_close(&stopped);
    good(&b, bench_wait(&b, 1, 5000));
    assert_int_equal(b.calls[0].status, SDF_E_CANCELLED);
    assert_int_equal(destroyed, 0);
    set_gate(1);
    await(&destroyed, 1);
    store_unref(b.store);
    await(&waiting, 0);
    good(&b, bench_close(&b));
}

static void test_too_many_hung(void **state)
{
    bench b;
    sdf_error *err = NULL;
    set_gate(0);
    open_bench(&b, "threads:1");
    good(&b, bench_calls(&b, 10 * THREADS_HUNG_MAX)); /* on a busy machine some are over before a thread has them */
    size_t i = 0;
    int rc = SDF_OK;
    for (; i < 10 * THREADS_HUNG_MAX; i++) {
        assert_true(hanging(&b, i));
        sdf_slice request = buf_slice(&b.calls[i].request);
        rc = b.transport->ops->submit(b.transport->self, b.calls[i].id, &request, 1, &err);
        if (rc)
            break;
        good(&b, bench_wait(&b, i + 1, 5000));
        assert_int_equal(b.calls[i].status, SDF_E_TIMEOUT);
    }
    assert_int_equal(rc, SDF_E_LIMIT);
    await(&waiting, THREADS_HUNG_MAX + 1);
    assert_non_null(strstr(sdf_error_hint(err), "process:"));
    sdf_error_free(err);
    set_gate(1);
    await(&waiting, 0);
    int64_t until = bench_now_ms() + 5000;
    while (thread_count() > 2 && bench_now_ms() < until) /* they leave, but for the one that there is a place for */
        usleep(1000);
    good(&b, bench_round(&b, "works again"));
    store_unref(b.store);
    good(&b, bench_close(&b));
}

static size_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(f, "%llu", &pages), 1);
    fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Threads that come back late, and find their places taken, leave nothing behind: not their stacks either. */
static void test_late_threads_leave(void **state)
{
    bench b;
    size_t before = 0, late = 0;
    size_t threads = thread_count();
    open_bench(&b, "threads:1");
    for (int i = 0; i < 14; i++) {
        set_gate(0);
        good(&b, bench_calls(&b, 1) && hanging(&b, 0) && bench_submit(&b, 0, 1) && bench_wait(&b, 1, 5000) &&
                     bench_round(&b, "in its place"));
        set_gate(1);
        await(&waiting, 0);
        for (int k = 0; thread_count() > threads + 1 && k < 10000; k++)
            usleep(100);
        good(&b, bench_poll(&b, 0));
        if (i == 3)
            before = address_space();
        late = address_space();
    }
#ifdef SDF_SANITIZE
    before = late; /* its own mappings are many */
#endif
    assert_true(late < before + (40 << 20));
    store_unref(b.store);
    good(&b, bench_close(&b));
}

/* Calls that wait behind a hung one are not lost with it. */
static void test_queue_behind_hung(void **state)
{
    bench b;
    set_gate(0);
    open_bench(&b, "threads:1");
    good(&b, bench_calls(&b, 4) && hanging(&b, 0) && bench_submit(&b, 0, 100));
    for (size_t i = 1; i < 4; i++)
        good(&b, bench_probe(&b, i, "behind", 0, 0) && bench_submit(&b, i, 0));
    good(&b, bench_wait(&b, 4, 5000));
    assert_int_equal(b.calls[0].status, SDF_E_TIMEOUT);
    for (size_t i = 1; i < 4; i++)
        good(&b, bench_check_echo(&b, i, "behind", 0));
    set_gate(1);
    store_unref(b.store);
    await(&waiting, 0);
    bench_close(&b);
}

static void test_queue_limits(void **state)
{
    bench b;
    set_gate(0);
    open_bench(&b, "threads:1");
    good(&b, bench_calls(&b, 5) && hanging(&b, 0) && bench_submit(&b, 0, 0));
    await(&waiting, 1);
    for (size_t i = 1; i < 5; i++)
        good(&b, bench_probe(&b, i, "behind", 0, 0));
    good(&b, bench_submit(&b, 1, 30) && bench_submit(&b, 2, 0) && bench_submit(&b, 3, INT64_MAX));
    sdf_slice request = buf_slice(&b.calls[4].request);
    assert_int_equal(b.transport->ops->submit(b.transport->self, b.calls[4].id, &request, 0, NULL), SDF_E_BUSY);
    b.transport->ops->cancel(b.transport->self, b.calls[2].id);
    good(&b, bench_wait(&b, 1, 1000));
    assert_int_equal(b.calls[2].status, SDF_E_CANCELLED); /* at once: it didn't run */
    good(&b, bench_wait(&b, 2, 1000));
    assert_int_equal(b.calls[1].status, SDF_E_TIMEOUT);
    set_gate(1);
    good(&b, bench_wait(&b, 4, 5000) && bench_check_echo(&b, 3, "behind", 0));
    assert_int_not_equal(bench_failure(&b, 0), FAILURE_NONE);
    store_unref(b.store);
    good(&b, bench_close(&b));
}

/* Threads are made when they are needed, and no more of them. */
static void test_lazy_threads(void **state)
{
    bench b;
    size_t before = thread_count();
    open_bench(&b, "threads:1024");
    assert_int_equal(thread_count(), before);
    for (int i = 0; i < 50; i++)
        good(&b, bench_round(&b, "one at a time"));
    assert_true(thread_count() <= before + 2); /* it may be slow to see that it is free */
    store_unref(b.store);
    good(&b, bench_close(&b));
    assert_int_equal(thread_count(), before);
}

static transport *waked;

static void on_alarm(int number)
{
    waked->ops->wake(waked->self);
}

static void test_wake_in_signal_handler(void **state)
{
    bench b;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    const struct itimerval timer = {.it_value = {0, 50000}};
    open_bench(&b, "threads:1");
    waked = b.transport;
    sigaction(SIGALRM, &action, NULL);
    int64_t start = bench_now_ms();
    setitimer(ITIMER_REAL, &timer, NULL);
    errno = 99;
    good(&b, bench_poll(&b, 10000));
    assert_true(bench_now_ms() - start < 5000);
    store_unref(b.store);
    good(&b, bench_close(&b));
}

/* The host's signals are not delivered to worker threads. */
static pthread_t handled_by;
static volatile sig_atomic_t handled;

static void on_signal(int number)
{
    handled_by = pthread_self();
    handled = 1;
}

static void test_signals_stay_with_host(void **state)
{
    bench b;
    open_bench(&b, "threads:4");
    good(&b, bench_calls(&b, 4));
    for (size_t i = 0; i < 4; i++)
        good(&b, bench_probe(&b, i, "x", 100, 0) && bench_submit(&b, i, 0));
    signal(SIGUSR1, on_signal);
    kill(getpid(), SIGUSR1);
    good(&b, bench_wait(&b, 4, 5000));
    assert_true(handled);
    assert_true(pthread_equal(handled_by, pthread_self()));
    store_unref(b.store);
    good(&b, bench_close(&b));
}

int main(void)
{
    if (sdf_store_register("hang", &hang_ops, hang_open, NULL, NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hung_then_replaced),     cmocka_unit_test(test_hung_at_stop),
        cmocka_unit_test(test_stop_and_cancel_hung),   cmocka_unit_test(test_too_many_hung),
        cmocka_unit_test(test_late_threads_leave),     cmocka_unit_test(test_queue_behind_hung),
        cmocka_unit_test(test_queue_limits),           cmocka_unit_test(test_lazy_threads),
        cmocka_unit_test(test_wake_in_signal_handler), cmocka_unit_test(test_signals_stay_with_host),
    };
    return cmocka_run_group_tests_name("transport threads", tests, NULL, NULL);
}
