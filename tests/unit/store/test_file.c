/* What is particular to file: what lies in the folder, leftovers, limits of the system, processes that die. */
#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/store.h"

static store *open_file(const char *folder)
{
    char uri[600];
    store *s;
    snprintf(uri, sizeof uri, "file:%s", folder);
    OK(store_open(uri, &s, &err));
    return s;
}

/* Runs a function in a child process: its result, or -1 if it did not return. */
static int in_child(int (*run)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int count_one(const sdf_object_info *info, void *user)
{
    ++*(int *)user;
    return 0;
}

static int count(store *s, const char *prefix)
{
    int n = 0;
    OK(s->ops->list(s->self, prefix, count_one, &n, &err));
    return n;
}

/* ---- the folder ---- */

static void test_layout(void **state)
{
    store *s = open_file(in_scratch("layout"));
    void *writer;
    sdf_slice part = {"content", 7};
    OK(s->ops->writer_open(s->self, "job/s1/t0", 1, &writer, &err));
    OK(s->ops->writer_append(s->self, writer, &part, 1, &err));
    assert_false(exists(in_scratch("layout/job/s1/t0")));
    OK(s->ops->writer_commit(s->self, writer, &err));
    char text[8] = "";
    FILE *f = fopen(in_scratch("layout/job/s1/t0"), "r");
    assert_int_equal(fread(text, 1, 8, f), 7);
    fclose(f);
    assert_string_equal(text, "content");
    /* Another opening, as of another process, sees it; and it outlives the store. */
    store_unref(s);
    s = open_file(in_scratch("layout"));
    assert_int_equal(count(s, ""), 1);
    OK(store_remove_prefix(s, "job/", &err));
    assert_false(exists(in_scratch("layout/job")));
    assert_true(exists(in_scratch("layout")));
    store_unref(s);
}

/* What others put there is not shown, not followed, and does no harm. */
static void test_foreign_things(void **state)
{
    store *s = open_file(in_scratch("foreign"));
    sdf_view view;
    uint64_t size;
    OK(store_put(s, "a/real", "x", 1, &err));
    write_file(in_scratch("foreign/a/with space"), "x");
    write_file(in_scratch("foreign/a/.hidden"), "x");
    assert_int_equal(symlink("real", in_scratch("foreign/a/link")), 0);
    assert_int_equal(symlink("..", in_scratch("foreign/a/loop")), 0);
    assert_int_equal(mkfifo(in_scratch("foreign/a/fifo"), 0600), 0);
    assert_int_equal(count(s, ""), 1);
    FAILS(SDF_E_NOT_FOUND, "fifo", store_get(s, "a/fifo", 10, &view, &err));
    FAILS(SDF_E_NOT_FOUND, "fifo", store_get_range(s, "a/fifo", 0, 1, NULL, &view, &err));
    FAILS(SDF_E_NOT_FOUND, "link", store_get_range(s, "a/link", 0, 1, NULL, &view, &err));
    FAILS(SDF_E_NOT_FOUND, "loop", s->ops->head(s->self, "a/loop", &size, &err));
    FAILS(SDF_E_NOT_FOUND, "\"a\"", store_get_range(s, "a", 0, 0, NULL, &view, &err));
    OK(store_remove_prefix(s, "a/", &err)); /* takes ours, leaves theirs */
    assert_false(exists(in_scratch("foreign/a/real")));
    assert_true(exists(in_scratch("foreign/a/with space")));
    store_unref(s);
}

/* A name that is the folder of another can't be an object here, whichever came first. */
static void test_name_and_folder(void **state)
{
    store *s = open_file(in_scratch("clash"));
    void *writer;
    OK(store_put(s, "a/b", "x", 1, &err));
    OK(store_put(s, "c", "x", 1, &err));
    FAILS(SDF_E_INVALID, "folder", store_put(s, "a", "x", 1, &err));
    FAILS(SDF_E_INVALID, "folder", store_put(s, "c/d", "x", 1, &err));
    FAILS(SDF_E_INVALID, "folder", store_put(s, "c/d/e", "x", 1, &err));
    OK(s->ops->writer_open(s->self, "a", 1, &writer, &err));
    assert_true(s->ops->writer_commit(s->self, writer, NULL) < 0);
    OK(s->ops->sweep(s->self, "", &err));
    assert_int_equal(count(s, ""), 2);
    store_unref(s);
}

static void test_cannot_open(void **state)
{
    store *s;
    char uri[600];
    write_file(in_scratch("plain-file"), "x");
    snprintf(uri, sizeof uri, "file:%s", in_scratch("plain-file"));
    assert_true(store_open(uri, &s, NULL) < 0);
    snprintf(uri, sizeof uri, "file:%s", in_scratch("plain-file/below"));
    FAILS(SDF_E_INVALID, "plain-file/below", store_open(uri, &s, &err));
}

/* ---- leftovers ---- */

static int die_while_writing(void)
{
    char uri[600];
    store *s;
    void *writer;
    static char bytes[200000];
    sdf_slice part = {bytes, sizeof bytes};
    snprintf(uri, sizeof uri, "file:%s", in_scratch("died"));
    if (store_open(uri, &s, NULL) != SDF_OK || s->ops->writer_open(s->self, "job/x", 1, &writer, NULL) != SDF_OK ||
        s->ops->writer_append(s->self, writer, &part, 1, NULL) != SDF_OK)
        return 1;
    _exit(42);
}

static int entries(const char *folder)
{
    char command[700];
    int n = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *f = popen(command, "r");
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void test_killed_writer(void **state)
{
    assert_int_equal(in_child(die_while_writing), 42);
    store *s = open_file(in_scratch("died"));
    assert_int_equal(entries(in_scratch("died/job")), 1); /* the temporary file */
    assert_int_equal(count(s, ""), 0);
    OK(store_put(s, "job/x", "again", 5, &err));
    OK(store_put(s, "other/y", "again", 5, &err));
    assert_int_equal(in_child(die_while_writing), 42);
    /* Only what is under the prefix goes. */
    OK(s->ops->sweep(s->self, "other/", &err));
    assert_int_equal(entries(in_scratch("died/job")), 3);
    OK(s->ops->sweep(s->self, "job/x", &err));
    assert_int_equal(entries(in_scratch("died/job")), 1);
    assert_int_equal(count(s, ""), 2);
    assert_int_equal(mkdir(in_scratch("died/job/empty"), 0777), 0);
    assert_int_equal(mkdir(in_scratch("died/job/empty/too"), 0777), 0);
    OK(s->ops->sweep(s->self, "job/", &err));
    assert_false(exists(in_scratch("died/job/empty")));
    store_unref(s);
}

/* A zombie that commits after the sweep fails, and says why; one that starts anew makes its folder again. */
static void test_commit_after_sweep(void **state)
{
    store *s = open_file(in_scratch("zombie"));
    void *writer;
    OK(s->ops->writer_open(s->self, "job/s1/x", 1, &writer, &err));
    OK(store_remove_prefix(s, "job/", &err));
    assert_false(exists(in_scratch("zombie/job")));
    FAILS(SDF_E_IO, "cleanup", s->ops->writer_commit(s->self, writer, &err));
    OK(s->ops->writer_open(s->self, "job/s1/x", 0, &writer, &err));
    OK(store_remove_prefix(s, "job/", &err));
    FAILS(SDF_E_IO, "cleanup", s->ops->writer_commit(s->self, writer, &err));
    OK(store_put(s, "job/s1/x", "x", 1, &err));
    store_unref(s);
}

/* ---- reading ---- */

static int open_descriptors(void)
{
    int n = 0;
    DIR *fds = opendir("/proc/self/fd");
    assert_non_null(fds);
    while (readdir(fds) != NULL)
        n++;
    closedir(fds);
    return n;
}

/* Descriptors stay open for ranged reads, a bounded number of them, and not for what is removed or replaced. */
static void test_descriptor_cache(void **state)
{
    store *s = open_file(in_scratch("cache")), *other = open_file(in_scratch("cache"));
    char name[16];
    sdf_view view;
    int before = open_descriptors();
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "o%d", i);
        OK(store_put(s, name, name, sizeof name, &err));
        OK(store_get(s, name, 100, &view, &err));
        store_release(&view);
    }
    assert_in_range(open_descriptors() - before, 1, 64);
    /* The other opening replaces and removes what this one has open. */
    OK(store_get(s, "o1", 100, &view, &err));
    store_release(&view);
    OK(store_put(other, "o1", "new", 3, &err));
    OK(store_get(s, "o1", 100, &view, &err));
    assert_int_equal(view.size, 3);
    store_release(&view);
    OK(store_remove_prefix(other, "o1", &err));
    FAILS(SDF_E_NOT_FOUND, "o1", store_get_range(s, "o1", 0, 1, NULL, &view, &err));
    store_unref(s);
    store_unref(other);
    assert_true(open_descriptors() <= before);
}

/* An object cut short by somebody, while it is open and before. */
static void test_cut_object(void **state)
{
    store *s = open_file(in_scratch("cut"));
    sdf_view view;
    OK(store_put(s, "x", "0123456789", 10, &err));
    OK(store_get(s, "x", 10, &view, &err));
    store_release(&view);
    assert_int_equal(truncate(in_scratch("cut/x"), 6), 0);
    FAILS(SDF_E_CORRUPT, "too few", store_get_range(s, "x", 2, 8, NULL, &view, &err));
    OK(store_get_range(s, "x", 2, 4, NULL, &view, &err));
    assert_memory_equal(view.data, "2345", 4);
    store_release(&view);
    store_unref(s);
    s = open_file(in_scratch("cut"));
    FAILS(SDF_E_CORRUPT, "6 bytes", store_get_range(s, "x", 2, 8, NULL, &view, &err));
    FAILS(SDF_E_CORRUPT, "6 bytes", store_get_range(s, "x", 0, UINT64_C(1) << 60, NULL, &view, &err));
    store_unref(s);
}

/* ---- limits of the system, in children ---- */

/* 0 if the error has the code and says the text; frees it. */
static int said(sdf_error *err, int code, const char *text)
{
    int good = sdf_error_code(err) == code && strstr(sdf_error_text(err), text) != NULL;
    if (!good)
        fprintf(stderr, "%s\n", sdf_error_text(err));
    sdf_error_free(err);
    return !good;
}

static char big[1 << 20];

/* A write of a megabyte fails for want of space, leaves nothing, and a small one works after it. */
static int fills_up(const char *folder, const char *text)
{
    char uri[600];
    store *s;
    sdf_error *err = NULL;
    int n = 0;
    snprintf(uri, sizeof uri, "file:%s", folder);
    if (store_open(uri, &s, &err) != SDF_OK)
        return 2;
    store_put(s, "big", big, sizeof big, &err);
    if (said(err, SDF_E_NO_SPACE, text))
        return 3;
    err = NULL;
    s->ops->list(s->self, "", count_one, &n, NULL);
    if (n != 0 || store_put(s, "small", "x", 1, &err) != SDF_OK)
        return 4;
    store_unref(s);
    return entries(folder) == 1 ? 0 : 5;
}

static int file_size_limit(void)
{
    struct rlimit limit = {100000, 100000};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    return fills_up(in_scratch("fsize"), "ulimit -f");
}

static int full_disk(void)
{
    const char *folder = in_scratch("full");
    mkdir(folder, 0777);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0)
        return 77;
    return fills_up(folder, "free some space");
}

static void test_no_space(void **state)
{
    assert_int_equal(in_child(file_size_limit), 0);
    int rc = in_child(full_disk);
    if (rc == 77)
        print_message("no right to mount: the full disk is not tested\n");
    else
        assert_int_equal(rc, 0);
}

static int no_descriptors(void)
{
    char uri[600], name[16];
    store *s;
    sdf_error *err = NULL;
    sdf_view view;
    int fds[64], n = 0;
    snprintf(uri, sizeof uri, "file:%s", in_scratch("emfile"));
    if (store_open(uri, &s, &err) != SDF_OK)
        return 2;
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "o%d", i);
        if (store_put(s, name, "x", 1, NULL) != SDF_OK || store_get(s, name, 1, &view, NULL) != SDF_OK)
            return 3;
        store_release(&view);
    }
    struct rlimit limit = {40, 40};
    setrlimit(RLIMIT_NOFILE, &limit);
    while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    /* The store gives its idle descriptors back before it gives up. */
    if (store_put(s, "y", "x", 1, &err) != SDF_OK || store_get(s, "o3", 1, &view, &err) != SDF_OK)
        return 4;
    store_release(&view);
    while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    void *writers[64];
    int opened = 0, rc;
    while (opened < 64 && (rc = s->ops->writer_open(s->self, "z", 0, &writers[opened], &err)) == SDF_OK)
        opened++;
    if (opened == 64 || said(err, SDF_E_IO, "ulimit -n"))
        return 5;
    while (opened > 0)
        s->ops->writer_abort(s->self, writers[--opened]);
    return 0;
}

static void test_no_descriptors(void **state)
{
    assert_int_equal(in_child(no_descriptors), 0);
}

/* As somebody who may not: root is none, so it becomes another user. */
static int no_permission(void)
{
    char uri[600];
    store *s = NULL;
    sdf_error *err = NULL;
    sdf_view view;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 77;
    snprintf(uri, sizeof uri, "file:%s", in_scratch("locked"));
    store_open(uri, &s, &err);
    if (said(err, SDF_E_ACCESS, "locked"))
        return 2;
    err = NULL;
    snprintf(uri, sizeof uri, "file:%s", in_scratch("locked/below"));
    store_open(uri, &s, &err);
    if (said(err, SDF_E_ACCESS, "locked/below"))
        return 3;
    err = NULL;
    snprintf(uri, sizeof uri, "file:%s", in_scratch("open"));
    if (store_open(uri, &s, NULL) != SDF_OK)
        return 4;
    store_get_range(s, "secret", 0, 1, NULL, &view, &err);
    if (said(err, SDF_E_ACCESS, "owner and mode"))
        return 5;
    err = NULL;
    store_put(s, "closed/x", "x", 1, &err);
    return said(err, SDF_E_ACCESS, "closed/x") ? 6 : 0;
}

static void test_no_permission(void **state)
{
    assert_int_equal(chmod(scratch, 0755), 0);
    assert_int_equal(mkdir(in_scratch("locked"), 0555), 0);
    assert_int_equal(mkdir(in_scratch("open"), 0777), 0);
    assert_int_equal(chmod(in_scratch("open"), 0777), 0);
    assert_int_equal(mkdir(in_scratch("open/closed"), 0555), 0);
    write_file(in_scratch("open/secret"), "x");
    assert_int_equal(chmod(in_scratch("open/secret"), 0), 0);
    int rc = in_child(no_permission);
    if (rc == 77)
        print_message("can't become another user: permissions are not tested\n");
    else
        assert_int_equal(rc, 0);
}

/* ---- processes ---- */

/* Children race for one name; exactly one wins. */
static int race(void)
{
    char uri[600];
    store *s;
    snprintf(uri, sizeof uri, "file:%s", in_scratch("race"));
    if (store_open(uri, &s, NULL) != SDF_OK)
        return 100;
    int won = 0;
    for (int i = 0; i < 20; i++) {
        char name[32];
        void *writer;
        sdf_slice part = {uri, 50};
        snprintf(name, sizeof name, "f%d/x%d", i % 3, i);
        if (s->ops->writer_open(s->self, name, 1, &writer, NULL) != SDF_OK ||
            s->ops->writer_append(s->self, writer, &part, 1, NULL) != SDF_OK)
            return 101;
        int rc = s->ops->writer_commit(s->self, writer, NULL);
        if (rc != SDF_OK && rc != SDF_E_EXISTS)
            return 102;
        won += rc == SDF_OK;
    }
    store_unref(s);
    return won;
}

static void test_process_race(void **state)
{
    pid_t pids[4];
    int sum = 0;
    fflush(NULL);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(race());
    }
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 100);
        sum += WEXITSTATUS(status);
    }
    assert_int_equal(sum, 20);
    assert_int_equal(entries(in_scratch("race/f0")), 7); /* and no temporary files */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),           cmocka_unit_test(test_foreign_things),
        cmocka_unit_test(test_name_and_folder),  cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_killed_writer),    cmocka_unit_test(test_commit_after_sweep),
        cmocka_unit_test(test_descriptor_cache), cmocka_unit_test(test_cut_object),
        cmocka_unit_test(test_no_space),         cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_no_permission),    cmocka_unit_test(test_process_race),
    };
    return cmocka_run_group_tests_name("store/file", tests, scratch_make, scratch_remove);
}
