/* Finding and reading input files. */
#include "scratch.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "store/input.h"

/* The names found, relative to the scratch folder, with spaces between them. */
static const char *listed(const char *uris)
{
    static char text[2000];
    input_file *files;
    size_t count, n = strlen(scratch) + 1;
    OK(input_list(uris, &files, &count, NULL, &err));
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(files[i].name, scratch, n - 1);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", files[i].name + n);
    }
    input_list_free(files, count);
    return text;
}

static int open_input(const char *path, uint64_t size, int64_t mtime_ns, input **in, sdf_error **err)
{
    task_split split = {.path = (char *)path, .length = UINT64_MAX, .file_size = size, .file_mtime_ns = mtime_ns};
    return input_open(&split, in, err);
}

static const char *const odd_names[] = {
    "d/b.txt", "d/a.txt", "d/B.txt",    "d/_skip",    "d/.skip", "d/a,b",       "d/a b", "d/a{1,2}", "d/[x]",
    "d/a*b",   "d/q?",    "d/b\\slash", "d/\xff\xfe", "d/z",     "d/sub/inner", "e/1",   "e/2",      "e/_SUCCESS",
};

static int make_tree(void **state)
{
    scratch_make(state);
    mkdir(in_scratch("d"), 0777);
    mkdir(in_scratch("d/sub"), 0777);
    mkdir(in_scratch("e"), 0777);
    mkdir(in_scratch("empty"), 0777);
    mkdir(in_scratch("hidden"), 0777);
    for (size_t i = 0; i < sizeof odd_names / sizeof odd_names[0]; i++)
        write_file(in_scratch("%s", odd_names[i]), odd_names[i]);
    write_file(in_scratch("hidden/.a"), "x");
    write_file(in_scratch("hidden/_b"), "x");
    return 0;
}

static void test_files_and_folders(void **state)
{
    char uris[600];
    assert_string_equal(listed(in_scratch("d/a.txt")), "d/a.txt");
    assert_string_equal(listed(in_scratch("d/_skip")), "d/_skip"); /* named, so meant */
    const char *all = "d/B.txt d/[x] d/a b d/a*b d/a,b d/a.txt d/a{1,2} d/b.txt d/b\\slash d/q? d/z d/\xff\xfe";
    assert_string_equal(listed(in_scratch("d")), all);
    assert_string_equal(listed(in_scratch("d///")), all);
    snprintf(uris, sizeof uris, "file:%s\nfile://%s\n\n%s\n", in_scratch("d/z"), in_scratch("e"), in_scratch("d/z"));
    assert_string_equal(listed(uris), "d/z e/1 e/2 d/z");
}

static void test_globs(void **state)
{
    assert_string_equal(listed(in_scratch("d/*.txt")), "d/B.txt d/a.txt d/b.txt");
    assert_string_equal(listed(in_scratch("d/?.txt")), "d/B.txt d/a.txt d/b.txt");
    assert_string_equal(listed(in_scratch("d/[a-z].txt")), "d/a.txt d/b.txt");
    assert_string_equal(listed(in_scratch("d/[!a].txt")), "d/B.txt d/b.txt");
    assert_string_equal(listed(in_scratch("?/[12]")), "e/1 e/2");
    assert_string_equal(listed(in_scratch("e*")), "e/1 e/2");  /* "empty" has none, "e" is a folder */
    assert_string_equal(listed(in_scratch("e/*")), "e/1 e/2"); /* without _SUCCESS */
    assert_string_equal(listed(in_scratch("e/_*")), "e/_SUCCESS");
    assert_string_equal(listed(in_scratch("d/.*ip")), "d/.skip");
    assert_string_equal(listed(in_scratch("d/a{*")), "d/a{1,2}"); /* no braces */
    assert_string_equal(listed(in_scratch("d/\xff*")), "d/\xff\xfe");
}

/* A name that is there is taken as it stands; what is escaped is no pattern. */
static void test_names_that_look_like_globs(void **state)
{
    assert_string_equal(listed(in_scratch("d/[x]")), "d/[x]");
    assert_string_equal(listed(in_scratch("d/a*b")), "d/a*b");
    assert_string_equal(listed(in_scratch("d/q?")), "d/q?");
    assert_string_equal(listed(in_scratch("d/a{1,2}")), "d/a{1,2}");
    assert_string_equal(listed(in_scratch("d/\\[x*")), "d/[x]");
}

/* The folder a relative name starts from is no part of the pattern. */
static void test_relative(void **state)
{
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    mkdir(in_scratch("w[o]rk*\\"), 0777);
    write_file(in_scratch("w[o]rk*\\/one"), "1");
    write_file(in_scratch("w[o]rk*\\/two"), "2");
    assert_int_equal(chdir(in_scratch("w[o]rk*\\")), 0);
    assert_string_equal(listed("*"), "w[o]rk*\\/one w[o]rk*\\/two");
    assert_string_equal(listed("file:t?o"), "w[o]rk*\\/two");
    assert_string_equal(listed("one"), "w[o]rk*\\/one");
    assert_string_equal(listed("."), "w[o]rk*\\/./one w[o]rk*\\/./two");
    assert_int_equal(chdir(before), 0);
}

static void test_deep_globs(void **state)
{
    mkdir(in_scratch("deep"), 0777);
    mkdir(in_scratch("deep/a"), 0777);
    mkdir(in_scratch("deep/a/b"), 0777);
    mkdir(in_scratch("deep/a/logs"), 0777);
    mkdir(in_scratch("deep/_skip"), 0777);
    mkdir(in_scratch("deep/.skip"), 0777);
    write_file(in_scratch("deep/0.csv"), "x");
    write_file(in_scratch("deep/a/1.csv"), "x");
    write_file(in_scratch("deep/a/1.txt"), "x");
    write_file(in_scratch("deep/a/b/2.csv"), "x");
    write_file(in_scratch("deep/a/b/_2.csv"), "x");
    write_file(in_scratch("deep/a/logs/3.csv"), "x");
    write_file(in_scratch("deep/_skip/4.csv"), "x");
    write_file(in_scratch("deep/.skip/5.csv"), "x");
    assert_int_equal(symlink("../..", in_scratch("deep/a/up")), 0); /* round and round, if links were followed */
    const char *all = "deep/0.csv deep/a/1.csv deep/a/b/2.csv deep/a/logs/3.csv";
    assert_string_equal(listed(in_scratch("deep/**/*.csv")), all);
    assert_string_equal(listed(in_scratch("deep/**/**/*.csv")), all);
    assert_string_equal(listed(in_scratch("deep/**/[0-3].csv")), all);
    assert_string_equal(listed(in_scratch("deep/**")),
                        "deep/0.csv deep/a/1.csv deep/a/1.txt deep/a/b/2.csv deep/a/logs/3.csv");
    assert_string_equal(listed(in_scratch("deep/**/*")),
                        "deep/0.csv deep/a/1.csv deep/a/1.txt deep/a/b/2.csv deep/a/logs/3.csv");
    assert_string_equal(listed(in_scratch("deep/a/**/")), "deep/a/1.csv deep/a/1.txt deep/a/b/2.csv deep/a/logs/3.csv");
    assert_string_equal(listed(in_scratch("deep/**/logs")), "deep/a/logs/3.csv");
    assert_string_equal(listed(in_scratch("deep/**/logs/*")), "deep/a/logs/3.csv");
    assert_string_equal(listed(in_scratch("deep/**/b/**/2*")), "deep/a/b/2.csv");
    assert_string_equal(listed(in_scratch("deep/a/**/1.*")), "deep/a/1.csv deep/a/1.txt");
    assert_string_equal(listed(in_scratch("deep/**/_2.csv")), "deep/a/b/_2.csv");
    assert_string_equal(listed(in_scratch("deep/_skip/**/*.csv")), "deep/_skip/4.csv"); /* spelled */
    assert_string_equal(listed(in_scratch("deep/*/*.csv")), "deep/_skip/4.csv deep/a/1.csv");
    input_file *files;
    size_t n;
    FAILS(SDF_E_NOT_FOUND, "matches", input_list(in_scratch("deep/**/*.none"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "matches", input_list(in_scratch("none/**"), &files, &n, NULL, &err));
}

/* ---- manifests ---- */

/* The manifest's name, with "manifest:" in front of it. */
static const char *manifest(const char *text)
{
    static char name[600];
    mkdir(in_scratch("m"), 0777);
    write_file(in_scratch("m/list.txt"), text);
    snprintf(name, sizeof name, "manifest:%s", in_scratch("m/list.txt"));
    return name;
}

static void test_manifests(void **state)
{
    char text[3000];
    snprintf(text, sizeof text, "# what to read\n../d/z\r\n\n%s\nfile:%s\n../d/*.txt\none\n../e\n[z]*",
             in_scratch("d/q?"), in_scratch("e/1"));
    mkdir(in_scratch("m"), 0777);
    write_file(in_scratch("m/one"), "1");
    write_file(in_scratch("m/z1"), "1");
    write_file(in_scratch("m/z0"), "1");
    assert_string_equal(listed(manifest(text)), "m/../d/z d/q? e/1 m/../d/B.txt m/../d/a.txt m/../d/b.txt m/one "
                                                "m/../e/1 m/../e/2 m/z0 m/z1");
    snprintf(text, sizeof text, "%s\n%s", in_scratch("d/z"), manifest("one"));
    assert_string_equal(listed(text), "d/z m/one");
    char plain[600];
    assert_string_equal(listed(manifest("\xef\xbb\xbfone\r\n")), "m/one");
    snprintf(plain, sizeof plain, "manifest:file:%s", in_scratch("m/list.txt"));
    assert_string_equal(listed(plain), "m/one");
}

/* A folder of odd letters, whose globs are not its own. */
static void test_manifest_in_odd_folder(void **state)
{
    char name[600];
    mkdir(in_scratch("m[a-z]*\\"), 0777);
    write_file(in_scratch("m[a-z]*\\/b1"), "x");
    write_file(in_scratch("m[a-z]*\\/b2"), "x");
    write_file(in_scratch("m[a-z]*\\/list"), "b*\nb1\n");
    snprintf(name, sizeof name, "manifest:%s", in_scratch("m[a-z]*\\/list"));
    assert_string_equal(listed(name), "m[a-z]*\\/b1 m[a-z]*\\/b2 m[a-z]*\\/b1");
}

static void test_manifests_refused(void **state)
{
    input_file *files;
    size_t n;
    char name[700];
    FAILS(SDF_E_NOT_FOUND, "line 3: ", input_list(manifest("../d/z\n#\nnowhere\n../d/z"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "m/nowhere", input_list(manifest("nowhere"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "m/list.txt\", line 1", input_list(manifest("nowhere"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "matches", input_list(manifest("no*where"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "names no files", input_list(manifest(""), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "names no files", input_list(manifest("#a\n\r\n"), &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "manifest itself", input_list(manifest("manifest:other"), &files, &n, NULL, &err));
    FAILS(SDF_E_UNSUPPORTED, "line 1", input_list(manifest("s3://bucket/x"), &files, &n, NULL, &err));
    snprintf(name, sizeof name, "manifest:%s", in_scratch("none"));
    FAILS(SDF_E_NOT_FOUND, "manifest", input_list(name, &files, &n, NULL, &err));
    snprintf(name, sizeof name, "manifest:%s", in_scratch("e"));
    FAILS(SDF_E_INVALID, "stands for 2 files", input_list(name, &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "twice", input_list("manifest:manifest:x", &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "empty", input_list("manifest:", &files, &n, NULL, &err));
    char *lines = calloc(1, 10002);
    memset(lines, 'x', 10000);
    FAILS(SDF_E_LIMIT, "longer than", input_list(manifest(lines), &files, &n, NULL, &err));
    free(lines);
    FILE *f = fopen(in_scratch("m/list.txt"), "w");
    fwrite("../d/z\n../d\0/z\n", 1, 15, f);
    fclose(f);
    snprintf(name, sizeof name, "manifest:%s", in_scratch("m/list.txt"));
    FAILS(SDF_E_INVALID, "line 2: a name has a NUL", input_list(name, &files, &n, NULL, &err));
    write_file(in_scratch("m/list.gz"), "../d/z\n");
    snprintf(name, sizeof name, "manifest:%s", in_scratch("m/list.gz"));
    FAILS(SDF_E_CORRUPT, "no gzip data", input_list(name, &files, &n, NULL, &err));
}

static void test_symlinks(void **state)
{
    mkdir(in_scratch("links"), 0777);
    assert_int_equal(symlink("../d/z", in_scratch("links/file")), 0);
    assert_int_equal(symlink("../e", in_scratch("links/folder")), 0);
    assert_string_equal(listed(in_scratch("links")), "links/file");
    assert_string_equal(listed(in_scratch("links/folder")), "links/folder/1 links/folder/2");
    assert_string_equal(listed(in_scratch("links/f*")), "links/file links/folder/1 links/folder/2");
    assert_int_equal(symlink("nowhere", in_scratch("links/broken")), 0);
    input_file *files;
    size_t n;
    FAILS(SDF_E_NOT_FOUND, "links/broken", input_list(in_scratch("links"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "links/broken", input_list(in_scratch("links/b*"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "links/broken", input_list(in_scratch("links/broken"), &files, &n, NULL, &err));
    assert_int_equal(symlink("loop", in_scratch("links/loop")), 0);
    FAILS(SDF_E_INVALID, "links/loop", input_list(in_scratch("links/loop"), &files, &n, NULL, &err));
}

/* Order and ranges are of bytes, whatever the host has set. */
static void test_locale(void **state)
{
    static const char *const locales[] = {"en_US.UTF-8", "de_DE.UTF-8", "C.UTF-8"};
    for (size_t i = 0; i < 3; i++) {
        if (setlocale(LC_ALL, locales[i]) == NULL)
            continue;
        test_globs(state);
        test_files_and_folders(state);
    }
    setlocale(LC_ALL, "C");
}

static void test_nothing_found(void **state)
{
    input_file *files;
    size_t n;
    char uris[600];
    FAILS(SDF_E_NOT_FOUND, "missing.txt", input_list(in_scratch("missing.txt"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "missing/x", input_list(in_scratch("missing/x"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "d/z/x", input_list(in_scratch("d/z/x"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "matches", input_list(in_scratch("d/*.csv"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "matches", input_list(in_scratch("no/such/*"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "has no files", input_list(in_scratch("empty"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "left out", input_list(in_scratch("hidden"), &files, &n, NULL, &err));
    FAILS(SDF_E_NOT_FOUND, "left out", input_list(in_scratch("hidden/*"), &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "no input", input_list("", &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "no input", input_list("\n\n", &files, &n, NULL, &err));
    FAILS(SDF_E_UNSUPPORTED, "s3:", input_list("s3://bucket/logs/*.gz", &files, &n, NULL, &err));
    snprintf(uris, sizeof uris, "%s\n%s", in_scratch("d/z"), in_scratch("missing"));
    FAILS(SDF_E_NOT_FOUND, "missing", input_list(uris, &files, &n, NULL, &err));
}

static void test_special_files(void **state)
{
    input_file *files;
    size_t n;
    mkdir(in_scratch("special"), 0777);
    assert_int_equal(mkfifo(in_scratch("special/fifo"), 0600), 0);
    write_file(in_scratch("special/file"), "x");
    FAILS(SDF_E_INVALID, "neither a file", input_list("/dev/null", &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "fifo", input_list(in_scratch("special/fifo"), &files, &n, NULL, &err));
    FAILS(SDF_E_INVALID, "fifo", input_list(in_scratch("special/*"), &files, &n, NULL, &err));
    assert_string_equal(listed(in_scratch("special")), "special/file");
    input *in;
    FAILS(SDF_E_INVALID, "fifo", open_input(in_scratch("special/fifo"), 0, 0, &in, &err));
}

/* 0 if the input is refused and the error names it. */
static int denied(const char *uri, const char *text)
{
    input_file *files;
    size_t n;
    sdf_error *err = NULL;
    int rc = input_list(uri, &files, &n, NULL, &err);
    int good = rc == SDF_E_ACCESS && strstr(sdf_error_text(err), text) != NULL;
    if (!good)
        fprintf(stderr, "%s: %s\n", uri, sdf_error_text(err));
    return !good;
}

static int as_nobody(void)
{
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 77;
    return denied(in_scratch("locked/secret"), "secret") | denied(in_scratch("locked"), "secret") << 1 |
           denied(in_scratch("locked/s*"), "secret") << 2 | denied(in_scratch("closed"), "closed") << 3 |
           denied(in_scratch("closed/*"), "closed") << 4 | denied(in_scratch("closed/x"), "closed/x") << 5;
}

static void test_permission(void **state)
{
    assert_int_equal(chmod(scratch, 0755), 0);
    mkdir(in_scratch("locked"), 0755);
    mkdir(in_scratch("closed"), 0755);
    write_file(in_scratch("locked/secret"), "x");
    write_file(in_scratch("closed/x"), "x");
    assert_int_equal(chmod(in_scratch("locked/secret"), 0), 0);
    assert_int_equal(chmod(in_scratch("closed"), 0), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(as_nobody());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(chmod(in_scratch("closed"), 0755), 0);
    if (WEXITSTATUS(status) == 77)
        print_message("can't become another user: permissions are not tested\n");
    else
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- reading ---- */

static void test_reading(void **state)
{
    input_file *files;
    input *in;
    size_t n, got;
    char data[100];
    write_file(in_scratch("text"), "0123456789");
    OK(input_list(in_scratch("text"), &files, &n, NULL, &err));
    assert_int_equal(n, 1);
    assert_int_equal(files[0].size, 10);
    assert_true(files[0].mtime_ns != 0);
    OK(open_input(files[0].name, files[0].size, files[0].mtime_ns, &in, &err));
    OK(input_read(in, data, 4, 3, &got, &err));
    assert_int_equal(got, 4);
    assert_memory_equal(data, "3456", 4);
    OK(input_read(in, data, 100, 8, &got, &err));
    assert_int_equal(got, 2);
    assert_memory_equal(data, "89", 2);
    OK(input_read(in, data, 100, 10, &got, &err));
    assert_int_equal(got, 0);
    OK(input_read(in, data, 100, UINT64_MAX, &got, &err));
    assert_int_equal(got, 0);
    OK(input_read(in, data, 0, 0, &got, &err));
    assert_int_equal(got, 0);
    /* What is appended later was not planned. */
    FILE *f = fopen(in_scratch("text"), "a");
    fputs("more", f);
    fclose(f);
    OK(input_read(in, data, 100, 5, &got, &err));
    assert_int_equal(got, 5);
    assert_int_equal(truncate(in_scratch("text"), 7), 0);
    FAILS(SDF_E_CORRUPT, "changed", input_read(in, data, 100, 5, &got, &err));
    FAILS(SDF_E_CORRUPT, "changed", input_read(in, data, 1, 9, &got, &err));
    OK(input_read(in, data, 2, 5, &got, &err));
    assert_int_equal(got, 2);
    input_close(in);
    input_close(NULL);
    input_list_free(files, n);
}

static void test_changed(void **state)
{
    input_file *files;
    input *in;
    size_t n;
    struct timespec times[2] = {{1, 0}, {1000, 5}};
    write_file(in_scratch("time"), "0123456789");
    OK(input_list(in_scratch("time"), &files, &n, NULL, &err));
    FAILS(SDF_E_CORRUPT, "changed", open_input(files[0].name, 9, 0, &in, &err));
    FAILS(SDF_E_CORRUPT, "changed", open_input(files[0].name, 11, files[0].mtime_ns, &in, &err));
    OK(open_input(files[0].name, 10, 0, &in, &err));
    input_close(in);
    assert_int_equal(utimensat(AT_FDCWD, files[0].name, times, 0), 0);
    FAILS(SDF_E_CORRUPT, "run the job again", open_input(files[0].name, 10, files[0].mtime_ns, &in, &err));
    OK(open_input(files[0].name, 10, INT64_C(1000000000005), &in, &err));
    input_close(in);
    assert_int_equal(unlink(files[0].name), 0);
    FAILS(SDF_E_NOT_FOUND, "time", open_input(files[0].name, 10, 0, &in, &err));
    input_list_free(files, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_and_folders),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_names_that_look_like_globs),
        cmocka_unit_test(test_relative),
        cmocka_unit_test(test_deep_globs),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_manifest_in_odd_folder),
        cmocka_unit_test(test_manifests_refused),
        cmocka_unit_test(test_symlinks),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_nothing_found),
        cmocka_unit_test(test_special_files),
        cmocka_unit_test(test_permission),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_changed),
    };
    return cmocka_run_group_tests_name("store/input", tests, make_tree, scratch_remove);
}
