/* Paths: joined, made, removed (links not followed), read and written whole. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"

static char root[] = "/tmp/sdf-path-XXXXXX";

static int set_up(void **state)
{
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    return path_remove_tree(root, NULL);
}

static char *at(const char *name)
{
    char *path = path_join(root, name);
    assert_non_null(path);
    return path;
}

static void write_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(path_write_all(fd, "0123456789", 10), 0);
    close(fd);
}

static void names_join_with_one_slash(void **state)
{
    static const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "a/b"}, {"", "b", "b"},
                                           {"", "/b", "/b"},  {"/", "b", "/b"},   {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = path_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        free(path);
    }
}

static void folders_are_made_with_their_parents(void **state)
{
    char *deep = at("a/b//c/"), *file = at("x/y/file"), *blocked = at("a/b/c/plain"), *below = at("a/b/c/plain/d");
    struct stat st;
    sdf_error *err = NULL;
    assert_int_equal(path_make_dirs(deep, &err), SDF_OK);
    assert_int_equal(path_make_dirs(deep, &err), SDF_OK);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(path_make_parent(file, &err), SDF_OK);
    assert_int_equal(stat(file, &st), -1);
    write_file(file);
    assert_int_equal(path_make_parent("no-slash", &err), SDF_OK);
    assert_int_equal(path_make_dirs("/", &err), SDF_OK);
    write_file(blocked);
    assert_true(path_make_dirs(blocked, &err) < 0);
    assert_true(strstr(sdf_error_message(err), blocked) != NULL);
    sdf_error_free(err);
    assert_true(path_make_dirs(below, NULL) < 0);
    free(deep);
    free(file);
    free(blocked);
    free(below);
}

static void *make_some(void *arg)
{
    for (int i = 0; i < 200; i++) {
        char *path = path_join(arg, "p/q/r/s/t");
        if (path_make_dirs(path, NULL))
            abort();
        free(path);
    }
    return NULL;
}

static void many_may_make_the_same_folder(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_some, root), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void a_tree_goes_but_not_what_links_point_to(void **state)
{
    char *kept = at("kept/file"), *tree = at("tree/sub/file"), *link = at("tree/sub/link"), *top = at("tree"),
         *loose = at("loose"), *slashed = at("loose/"), *kept_dir = at("kept");
    struct stat st;
    assert_int_equal(path_make_parent(kept, NULL), SDF_OK);
    assert_int_equal(path_make_parent(tree, NULL), SDF_OK);
    write_file(kept);
    write_file(tree);
    assert_int_equal(symlink(kept_dir, link), 0);
    assert_int_equal(path_remove_tree(top, NULL), SDF_OK);
    assert_int_equal(lstat(top, &st), -1);
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(symlink(kept_dir, loose), 0);
    assert_int_equal(path_remove_tree(slashed, NULL), SDF_OK); /* the link, not the folder */
    assert_int_equal(lstat(loose, &st), -1);
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(path_remove_tree(kept, NULL), SDF_OK); /* a file is a tree too */
    assert_int_equal(path_remove_tree(top, NULL), SDF_OK);  /* nothing there is fine */
    free(kept);
    free(tree);
    free(link);
    free(top);
    free(loose);
    free(slashed);
    free(kept_dir);
}

static void a_tree_with_many_names_goes(void **state)
{
    char *dir = at("many"), name[64];
    assert_int_equal(path_make_dirs(dir, NULL), SDF_OK);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "many/file-%d", i);
        char *path = at(name);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
        free(path);
    }
    assert_int_equal(path_remove_tree(dir, NULL), SDF_OK);
    assert_int_equal(access(dir, F_OK), -1);
    free(dir);
}

static void reads_stop_at_the_end(void **state)
{
    char *path = at("read"), bytes[16];
    size_t got;
    write_file(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(path_read_at(fd, bytes, 4, 3, &got), 0);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "3456", 4);
    assert_int_equal(path_read_at(fd, bytes, 16, 8, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(path_read_at(fd, bytes, 16, 1000, &got), 0);
    assert_int_equal(got, 0);
    assert_int_not_equal(path_read_at(fd, bytes, 16, UINT64_MAX - 3, &got), 0);
    close(fd);
    assert_int_equal(path_read_at(fd, bytes, 16, 0, &got), EBADF);
    assert_int_equal(path_write_all(fd, bytes, 1), EBADF);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_join_with_one_slash),     cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(many_may_make_the_same_folder), cmocka_unit_test(a_tree_goes_but_not_what_links_point_to),
        cmocka_unit_test(a_tree_with_many_names_goes),   cmocka_unit_test(reads_stop_at_the_end),
    };
    return cmocka_run_group_tests_name("base/path", tests, set_up, tear_down);
}
