/* The file: store and output folders on a file system that behaves like NFS: no rename without replacing, answers that
 * are lost after the deed, stale handles, errors that close tells. The system calls are replaced here, in this program.
 */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "store/output.h"
#include "store/store.h"

/* ---- the file system ---- */

typedef enum answer { HONEST, LOST /* done, then it fails */, REFUSED /* not done */ } answer;

static struct {
    answer renameat2, link, rename;
    int renameat2_errno, link_errno, rename_errno;
    int stale_opens, stale_reads;
    int close_errno;    /* of the next close */
    int links, renames; /* calls seen */
} nfs;

static int answer_as(answer a, int number, long done)
{
    if (a == HONEST)
        return (int)done;
    errno = number;
    return -1;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    long done = nfs.renameat2 != REFUSED ? syscall(SYS_renameat2, from_fd, from, to_fd, to, flags) : -1;
    return answer_as(nfs.renameat2, nfs.renameat2_errno, done);
}

int link(const char *from, const char *to)
{
    nfs.links++;
    long done = nfs.link != REFUSED ? syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0) : -1;
    return answer_as(nfs.link, nfs.link_errno, done);
}

int rename(const char *from, const char *to)
{
    nfs.renames++;
    long done = nfs.rename != REFUSED ? syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) : -1;
    return answer_as(nfs.rename, nfs.rename_errno, done);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
    va_end(args);
    if (nfs.stale_opens > 0) {
        nfs.stale_opens--;
        errno = ESTALE;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    if (nfs.stale_reads > 0) {
        nfs.stale_reads--;
        errno = ESTALE;
        return -1;
    }
    return syscall(SYS_pread64, fd, data, size, offset);
}

int close(int fd)
{
    int rc = (int)syscall(SYS_close, fd);
    if (nfs.close_errno == 0)
        return rc;
    errno = nfs.close_errno;
    nfs.close_errno = 0;
    return -1;
}

static void nfs_reset(void)
{
    memset(&nfs, 0, sizeof nfs);
    nfs.renameat2 = REFUSED;
    nfs.renameat2_errno = EINVAL;
}

/* ---- the store ---- */

static store *open_store(void)
{
    char uri[600];
    store *s;
    nfs_reset();
    snprintf(uri, sizeof uri, "file:%s?shared=1", in_scratch("mount"));
    OK(store_open(uri, &s, &err));
    return s;
}

static int put_if_absent(store *s, const char *name, const char *text, sdf_error **err)
{
    void *writer;
    sdf_slice part = {text, strlen(text)};
    int rc = s->ops->writer_open(s->self, name, 1, &writer, err);
    if (rc != SDF_OK)
        return rc;
    rc = s->ops->writer_append(s->self, writer, &part, 1, err);
    assert_int_equal(rc, SDF_OK);
    return s->ops->writer_commit(s->self, writer, err);
}

static void holds(store *s, const char *name, const char *text)
{
    sdf_view view;
    OK(store_get(s, name, 100, &view, &err));
    assert_int_equal(view.size, strlen(text));
    assert_memory_equal(view.data, text, view.size);
    store_release(&view);
}

static int files_in_mount(void)
{
    char command[600];
    int n = -1;
    snprintf(command, sizeof command, "find '%s' -type f | wc -l", in_scratch("mount"));
    FILE *f = popen(command, "r");
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void finish(store *s)
{
    nfs_reset();
    OK(store_remove_prefix(s, "", &err));
    assert_int_equal(files_in_mount(), 0);
    store_unref(s);
}

static void test_links(void **state)
{
    store *s = open_store();
    OK(put_if_absent(s, "a", "one", &err));
    assert_int_equal(nfs.links, 1);
    FAILS(SDF_E_EXISTS, "already", put_if_absent(s, "a", "two", &err));
    holds(s, "a", "one");
    assert_int_equal(files_in_mount(), 1);
    finish(s);
}

/* link(2) did it, but the answer was lost and the second sending found the name taken; or it timed out. */
static void test_link_lies(void **state)
{
    static const int numbers[] = {EEXIST, EIO, ETIMEDOUT};
    store *s = open_store();
    for (size_t i = 0; i < 3; i++) {
        char name[8] = {(char)('a' + i)};
        nfs.link = LOST;
        nfs.link_errno = numbers[i];
        OK(put_if_absent(s, name, "mine", &err));
        nfs.link = HONEST;
        holds(s, name, "mine");
    }
    assert_int_equal(files_in_mount(), 3);
    finish(s);
}

static void test_link_refused(void **state)
{
    store *s = open_store();
    nfs.link = REFUSED;
    nfs.link_errno = EPERM;
    FAILS(SDF_E_UNSUPPORTED, "another file system", put_if_absent(s, "a", "x", &err));
    nfs.link_errno = EACCES;
    FAILS(SDF_E_ACCESS, "\"a\"", put_if_absent(s, "a", "x", &err));
    assert_int_equal(files_in_mount(), 0);
    finish(s);
}

/* The same lie from a file system that has renameat2. */
static void test_rename_flags_lie(void **state)
{
    store *s = open_store();
    nfs.renameat2 = LOST;
    nfs.renameat2_errno = EEXIST;
    OK(put_if_absent(s, "a", "mine", &err));
    assert_int_equal(nfs.links, 0);
    holds(s, "a", "mine");
    finish(s);
}

static void test_rename_lies(void **state)
{
    store *s = open_store();
    nfs.rename = LOST;
    nfs.rename_errno = ENOENT; /* the second sending finds no temporary name */
    OK(store_put(s, "a", "mine", 4, &err));
    holds(s, "a", "mine");
    nfs.rename = REFUSED;
    nfs.rename_errno = EIO;
    FAILS(SDF_E_IO, "\"a\"", store_put(s, "a", "other", 5, &err));
    holds(s, "a", "mine");
    assert_int_equal(files_in_mount(), 1);
    finish(s);
}

static void test_stale(void **state)
{
    store *s = open_store();
    OK(store_put(s, "a", "text", 4, &err));
    nfs.stale_opens = 1;
    holds(s, "a", "text");
    nfs.stale_reads = 1; /* the cached descriptor went stale */
    holds(s, "a", "text");
    nfs.stale_opens = nfs.stale_reads = 1;
    holds(s, "a", "text");
    nfs.stale_reads = 1000;
    sdf_view view;
    FAILS(SDF_E_IO, "\"a\"", store_get_range(s, "a", 0, 4, NULL, &view, &err));
    nfs.stale_reads = 0;
    holds(s, "a", "text");
    nfs.stale_opens = 1;
    OK(store_put(s, "b", "text", 4, &err));
    finish(s);
}

/* The server had no room for what it had taken. */
static void test_close_fails(void **state)
{
    store *s = open_store();
    void *writer;
    sdf_slice part = {"text", 4};
    uint64_t size;
    OK(s->ops->writer_open(s->self, "a", 0, &writer, &err));
    OK(s->ops->writer_append(s->self, writer, &part, 1, &err));
    nfs.close_errno = ENOSPC;
    FAILS(SDF_E_NO_SPACE, "free some space", s->ops->writer_commit(s->self, writer, &err));
    FAILS(SDF_E_NOT_FOUND, "\"a\"", s->ops->head(s->self, "a", &size, &err));
    assert_int_equal(files_in_mount(), 0);
    finish(s);
}

/* ---- output folders ---- */

static void test_output(void **state)
{
    output *out;
    output_part *part;
    char ticket[OUTPUT_TICKET_MAX];
    nfs_reset();
    const char *folder = in_scratch("out");
    OK(output_begin(folder, "job", false, &out, &err));
    OK(output_part_open(folder, "job", false, "1", "part-00000", &part, &err));
    OK(output_part_write(part, "text\n", 5, &err));
    OK(output_part_close(part, ticket, &err));
    nfs.rename = LOST;
    nfs.rename_errno = ENOENT;
    OK(output_publish(out, ticket, "part-00000", 5, 1, &err));
    nfs_reset();
    OK(output_part_open(folder, "job", false, "2", "part-00000", &part, &err));
    OK(output_part_write(part, "text\n", 5, &err));
    nfs.close_errno = EDQUOT;
    FAILS(SDF_E_NO_SPACE, "free some space", output_part_close(part, ticket, &err));
    assert_false(exists(in_scratch("out/_temporary/job-2")));
    nfs.rename = REFUSED;
    nfs.rename_errno = EIO;
    FAILS(SDF_E_IO, "finish", output_finish(out, &err));
    assert_false(exists(folder));
}

/* A single file gets its name by link(2), whose answer may be lost; where it fails for good nothing is left. */
static void test_single_output(void **state)
{
    static const answer answers[] = {HONEST, LOST, REFUSED};
    for (int i = 0; i < 3; i++) {
        output *out;
        output_part *part;
        char ticket[OUTPUT_TICKET_MAX];
        const char *file = in_scratch("single/%d", i);
        nfs_reset();
        OK(output_begin(file, "job", true, &out, &err));
        OK(output_part_open(file, "job", true, "1", "", &part, &err));
        OK(output_part_write(part, "text\n", 5, &err));
        OK(output_part_close(part, ticket, &err));
        OK(output_publish(out, ticket, "", 5, 1, &err));
        nfs.link = answers[i];
        nfs.link_errno = i == 1 ? EEXIST : EIO;
        if (i < 2)
            OK(output_finish(out, &err));
        else
            FAILS(SDF_E_IO, "finish", output_finish(out, &err));
        assert_int_equal(exists(file), i < 2);
        assert_int_equal(nfs.links, 1);
    }
    assert_false(exists(in_scratch("single/.2.job._temporary")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),         cmocka_unit_test(test_link_lies),
        cmocka_unit_test(test_link_refused),  cmocka_unit_test(test_rename_flags_lie),
        cmocka_unit_test(test_rename_lies),   cmocka_unit_test(test_stale),
        cmocka_unit_test(test_close_fails),   cmocka_unit_test(test_output),
        cmocka_unit_test(test_single_output),
    };
    return cmocka_run_group_tests_name("store/file_nfs", tests, scratch_make, scratch_remove);
}
