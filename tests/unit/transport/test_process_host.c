/* process: in hosts that ignore SIGCHLD, reap everything, have closed descriptors, or die. */
#include "process_bench.h"

#include <sys/resource.h>

/* Where not we but the system or a handler reaps, a process may be seen for a moment longer. */
static void no_children(void)
{
    for (int i = 0; i < 2000 && children(NULL, 0, false) > 0; i++)
        nap_ms(1);
    assert_int_equal(children(NULL, 0, false), 0);
}

static void test_sigchld_ignored(void **state)
{
    char text[2000];
    signal(SIGCHLD, SIG_IGN);
    bench b;
    open_bench(&b, "process:2?stderr=capture");
    good(&b, bench_round(&b, "one") && bench_calls(&b, 1) && bench_probe(&b, 0, "x", 10000, 0) &&
                 bench_submit(&b, 0, 100) && bench_wait(&b, 1, 5000));
    timed_out(&b, 0);
    good(&b, bench_round(&b, "after") && bench_close(&b));
    open_bench(&b, mode_uri("exit3"));
    assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_LOST);
    assert_non_null(strstr(text, "ignores SIGCHLD"));
    good(&b, bench_close(&b));
    no_children();
    signal(SIGCHLD, SIG_DFL);
}

static void reap_all(int number)
{
    int saved = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = saved;
}

static void test_host_reaps(void **state)
{
    char text[2000];
    signal(SIGCHLD, reap_all);
    for (int i = 0; i < 5; i++) {
        bench b;
        open_bench(&b, mode_uri(i % 2 ? "exit3" : "segv"));
        assert_int_equal(call_status(&b, 0, text, sizeof(text)), SDF_E_LOST);
        good(&b, bench_close(&b));
    }
    no_children();
    signal(SIGCHLD, SIG_DFL);
}

static void test_no_leaks(void **state)
{
    const char *uris[] = {"process:2?stderr=capture", NULL};
    size_t fds = count_fds();
    for (int i = 0; i < 3; i++) {
        bench b;
        open_bench(&b, uris[0]);
        good(&b, bench_round(&b, "x") && bench_calls(&b, 2) && bench_probe(&b, 0, "x", 10000, 0) &&
                     bench_probe(&b, 1, "x", 10000, 0) && bench_submit(&b, 0, 0) && bench_submit(&b, 1, 0) &&
                     bench_poll(&b, 10));
        b.transport->ops->cancel(b.transport->self, b.calls[0].id);
        good(&b, bench_wait(&b, 1, 5000) && bench_close(&b));
        expect("exit3", SDF_E_LOST, "");
        expect("exit7", SDF_E_PROGRAM, "");
    }
    assert_int_equal(count_fds(), fds);
    assert_int_equal(children(NULL, 0, true), 0);
}

/* No descriptor of the host's is open in a worker, close-on-exec or not. */
static void test_fds_of_worker(void **state)
{
    int fds[20];
    char path[64];
    size_t n = 0;
    for (size_t i = 0; i < 20; i++)
        fds[i] = open("/dev/zero", O_RDONLY);
    bench b;
    open_bench(&b, "process:1");
    good(&b, bench_round(&b, "x"));
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)only_child());
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char link[400], target[100];
        snprintf(link, sizeof(link), "%s/%s", path, e->d_name);
        ssize_t size = readlink(link, target, sizeof(target) - 1);
        if (e->d_name[0] == '.' || size < 0)
            continue;
        target[size] = 0;
        n++;
        assert_string_not_equal(target, "/dev/zero");
        if (!strcmp(e->d_name, "0"))
            assert_string_equal(target, "/dev/null");
    }
    closedir(d);
    assert_int_equal(n, 4); /* stdin, stdout, stderr, socket */
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    good(&b, bench_close(&b));
}

/* A host that has closed 0, 1 and 2: our descriptors must not take their places. */
static void test_closed_standard_fds(void **state)
{
    int saved[3];
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
        close(i);
    }
    bench b = {.uri = "process:1?stderr=capture", .store_uri = "mem:", .store = memory_store};
    bool ok = bench_open(&b) && bench_round(&b, "x") && bench_close(&b);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    good(&b, ok);
}

/* The driver is killed: idle and busy workers end by themselves. */
static void test_driver_dies(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t driver = fork();
    if (driver == 0) {
        bench b;
        open_bench(&b, "process:2?stderr=capture");
        bool ok = bench_round(&b, "x") && bench_calls(&b, 2) && bench_probe(&b, 0, "x", 20000, 0) &&
                  bench_probe(&b, 1, "x", 20000, 0) && bench_submit(&b, 0, 0) && bench_submit(&b, 1, 0) &&
                  bench_poll(&b, 100);
        pid_t pids[2] = {0, 0};
        ok = ok && children(pids, 2, false) == 2;
        if (!ok || write(ends[1], pids, sizeof(pids)) != sizeof(pids))
            _exit(1);
        nap_ms(20000);
    }
    pid_t pids[2];
    assert_int_equal(read(ends[0], pids, sizeof(pids)), sizeof(pids));
    kill(driver, SIGKILL);
    waitpid(driver, NULL, 0);
    for (int i = 0; i < 400 && (!kill(pids[0], 0) || !kill(pids[1], 0)); i++) {
        char path[64], line[300] = "";
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pids[0]);
        FILE *f = fopen(path, "r");
        bool zombie = f && fgets(line, sizeof(line), f) && strstr(line, ") Z");
        if (f)
            fclose(f);
        if (zombie)
            break; /* ended; nobody reaps orphans here */
        nap_ms(10);
        assert_true(i < 399);
    }
    close(ends[0]);
    close(ends[1]);
}

/* The limit of open files leaves room for one worker: it does all the work. */
static void test_few_descriptors(void **state)
{
    bench b;
    struct rlimit before, few;
    open_bench(&b, "process:8?stderr=capture");
    good(&b, bench_calls(&b, 20) && bench_probe(&b, 0, "x", 0, 0) && bench_submit(&b, 0, 0)); /* not ready yet */
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = (rlim_t)open("/dev/null", O_RDONLY) + 2;
    close((int)few.rlim_cur - 2);
    setrlimit(RLIMIT_NOFILE, &few);
    bool ok = true;
    for (size_t i = 1; i < 20; i++)
        ok = ok && bench_probe(&b, i, "x", 0, 0) && bench_submit(&b, i, 0);
    ok = ok && bench_wait(&b, 20, 10000);
    setrlimit(RLIMIT_NOFILE, &before);
    good(&b, ok);
    for (size_t i = 0; i < 20; i++)
        good(&b, bench_check_echo(&b, i, "x", 0));
    good(&b, bench_close(&b));
}

/* Many workers at once: all are in the poll set, and each is answered. */
static void test_many_workers(void **state)
{
#ifdef SDF_SANITIZE
    const size_t count = 24; /* each takes long to start */
#else
    const size_t count = 160;
#endif
    bench b;
    open_bench(&b, "process:200?stderr=capture");
    good(&b, bench_calls(&b, count));
    for (size_t i = 0; i < count; i++)
        good(&b, bench_probe(&b, i, "x", 50, 0) && bench_submit(&b, i, 0));
    assert_int_equal(children(NULL, 0, false), count);
    good(&b, bench_wait(&b, count, 20000));
    for (size_t i = 0; i < count; i++)
        good(&b, bench_check_echo(&b, i, "x", 0));
    good(&b, bench_close(&b));
    assert_int_equal(children(NULL, 0, false), 0);
}

/* One process serves all tasks that come one after the other. */
static void test_cold_and_warm(void **state)
{
    bench b;
    open_bench(&b, "process:1");
    int64_t start = bench_now_ms();
    good(&b, bench_round(&b, "cold"));
    assert_true(bench_now_ms() - start < 5000);
    pid_t first = only_child();
    for (int i = 0; i < 200; i++)
        good(&b, bench_round(&b, "warm"));
    assert_int_equal(only_child(), first);
    good(&b, bench_close(&b));
}

int main(int argc, char **argv)
{
    int worker = process_test_main(argc, argv);
    if (worker >= 0)
        return worker;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigchld_ignored),
        cmocka_unit_test(test_host_reaps),
        cmocka_unit_test(test_no_leaks),
        cmocka_unit_test(test_fds_of_worker),
        cmocka_unit_test(test_closed_standard_fds),
        cmocka_unit_test(test_driver_dies),
        cmocka_unit_test(test_few_descriptors),
        cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_cold_and_warm),
    };
    int rc = cmocka_run_group_tests_name("transport process in its host", tests, NULL, NULL);
    store_unref(memory_store);
    return rc;
}
