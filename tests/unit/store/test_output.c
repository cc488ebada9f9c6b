/* Output folders: the protocol, its idempotence, and processes that die between its steps. */
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>

#include "store/output.h"

static int part_open(const char *uri, const char *attempt, output_part **part, sdf_error **err)
{
    return output_part_open(uri, "j", false, attempt, "part-00000", part, err);
}

/* The ticket; it lives until the eighth next call. */
static const char *write_part(const char *uri, bool single, const char *attempt, const char *text)
{
    static char tickets[8][OUTPUT_TICKET_MAX];
    static int next;
    output_part *part;
    char *ticket = tickets[next++ % 8];
    OK(output_part_open(uri, "j", single, attempt, single ? "" : "part-00000", &part, &err));
    OK(output_part_write(part, text, strlen(text), &err));
    OK(output_part_close(part, ticket, &err));
    return ticket;
}

static char *read_text(const char *path)
{
    static char text[4096];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
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

static void check_part(const cJSON *parts, int i, const char *name, double bytes, double records)
{
    const cJSON *p = cJSON_GetArrayItem(parts, i);
    assert_string_equal(cJSON_GetObjectItem(p, "name")->valuestring, name);
    assert_true(cJSON_GetObjectItem(p, "bytes")->valuedouble == bytes);
    assert_true(cJSON_GetObjectItem(p, "records")->valuedouble == records);
}

static void test_whole(void **state)
{
    output *out;
    const char *folder = in_scratch("new/whole");
    char uri[600];
    snprintf(uri, sizeof uri, "file:%s/", folder);
    OK(output_begin(uri, "j", false, &out, &err));
    assert_true(exists(in_scratch("new/whole/_temporary")));
    const char *one = write_part(uri, false, "t1.a1", "b\n"), *two = write_part(folder, false, "t0.a2", "a\nb\n");
    write_part(folder, false, "t0.a3", "loser\n");
    OK(output_publish(out, one, "part-00001", 2, 1, &err));
    OK(output_publish(out, two, "part-00000", 4, 2, &err));
    assert_false(exists(in_scratch("new/whole/_SUCCESS")));
    OK(output_finish(out, &err));
    assert_int_equal(entries(folder), 3);
    assert_string_equal(read_text(in_scratch("new/whole/part-00000")), "a\nb\n");
    cJSON *manifest = cJSON_Parse(read_text(in_scratch("new/whole/_SUCCESS")));
    assert_string_equal(cJSON_GetObjectItem(manifest, "format")->valuestring, "sdf-manifest");
    assert_true(cJSON_GetObjectItem(manifest, "version")->valuedouble == 1);
    const cJSON *parts = cJSON_GetObjectItem(manifest, "parts");
    assert_int_equal(cJSON_GetArraySize(parts), 2);
    check_part(parts, 0, "part-00000", 4, 2);
    check_part(parts, 1, "part-00001", 2, 1);
    cJSON_Delete(manifest);
}

static void test_no_parts(void **state)
{
    output *out;
    OK(output_begin(in_scratch("none"), "j", false, &out, &err));
    OK(output_finish(out, &err));
    cJSON *manifest = cJSON_Parse(read_text(in_scratch("none/_SUCCESS")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(manifest, "parts")), 0);
    cJSON_Delete(manifest);
    assert_int_equal(entries(in_scratch("none")), 1);
}

static void test_nested(void **state)
{
    output *out;
    const char *folder = in_scratch("nested");
    OK(output_begin(folder, "j", false, &out, &err));
    OK(output_publish(out, write_part(folder, false, "a1", "one"), "part-00000", 3, 1, &err));
    const char *error = write_part(folder, false, "e1", "bad\n");
    for (int i = 0; i < 2; i++)
        OK(output_publish(out, error, "_errors/part-00000.jsonl", 4, 1, &err));
    OK(output_publish(out, write_part(folder, false, "e2", "x"), "a/b/c", 1, 1, &err));
    OK(output_finish(out, &err));
    assert_string_equal(read_text(in_scratch("nested/_errors/part-00000.jsonl")), "bad\n");
    cJSON *manifest = cJSON_Parse(read_text(in_scratch("nested/_SUCCESS")));
    const cJSON *parts = cJSON_GetObjectItem(manifest, "parts");
    assert_int_equal(cJSON_GetArraySize(parts), 3);
    check_part(parts, 0, "_errors/part-00000.jsonl", 4, 1);
    check_part(parts, 1, "a/b/c", 1, 1);
    cJSON_Delete(manifest);
    /* Aborted, the folders go too, but not what somebody else has put there. */
    folder = in_scratch("unnested");
    OK(output_begin(folder, "j", false, &out, &err));
    OK(output_publish(out, write_part(folder, false, "e1", "x"), "_errors/x", 1, 1, &err));
    OK(output_publish(out, write_part(folder, false, "e2", "x"), "a/b/c", 1, 1, &err));
    write_file(in_scratch("unnested/a/mine"), "x");
    output_abort(out);
    assert_int_equal(entries(folder), 1);
    assert_int_equal(entries(in_scratch("unnested/a")), 1);
}

static void test_begin_refused(void **state)
{
    output *out;
    mkdir(in_scratch("there"), 0777);
    write_file(in_scratch("afile"), "x");
    assert_int_equal(symlink("nowhere", in_scratch("dangling")), 0);
    for (int single = 0; single < 2; single++) {
        FAILS(SDF_E_EXISTS, "does not exist yet", output_begin(in_scratch("there"), "j", single, &out, &err));
        FAILS(SDF_E_EXISTS, "afile", output_begin(in_scratch("afile"), "j", single, &out, &err));
        FAILS(SDF_E_EXISTS, "dangling", output_begin(in_scratch("dangling"), "j", single, &out, &err));
        FAILS(SDF_E_INVALID, "afile/out", output_begin(in_scratch("afile/out"), "j", single, &out, &err));
        FAILS(SDF_E_EXISTS, "\"/\"", output_begin("/", "j", single, &out, &err));
        FAILS(SDF_E_UNSUPPORTED, "s3:", output_begin("s3://bucket/out", "j", single, &out, &err));
        FAILS(SDF_E_INVALID, "empty", output_begin("", "j", single, &out, &err));
        FAILS(SDF_E_INVALID, "name", output_begin(in_scratch("x"), "../j", single, &out, &err));
        FAILS(SDF_E_INVALID, "name", output_begin(in_scratch("x"), "", single, &out, &err));
    }
    assert_int_equal(entries(in_scratch("there")), 0);
}

static void test_in_use(void **state)
{
    output *first, *second;
    OK(output_begin(in_scratch("used"), "j", false, &first, &err));
    FAILS(SDF_E_EXISTS, "in use by another job", output_begin(in_scratch("used"), "k", false, &second, &err));
    OK(output_finish(first, &err));
    FAILS(SDF_E_EXISTS, "exists already", output_begin(in_scratch("used"), "k", false, &second, &err));
}

static void test_names(void **state)
{
    output *out;
    output_part *part;
    static const char *const attempts[] = {"", "../x", "a/b", "/etc/passwd", ".x", "a b", "a\nb"};
    static const char *const tickets[] = {"",     "j",    "j-",     "k-a1",        "_temporary/j-a1",
                                          "../x", "j-/x", "j-../x", "j-a/../../b", "/etc/passwd"};
    static const char *const finals[] = {"",    "_SUCCESS", "../x", "a/../b",       ".",          ".x",
                                         "a b", "/x",       "a//b", "_temporary/x", "_SUCCESS/x", "_errors"};
    const char *folder = in_scratch("names");
    OK(output_begin(folder, "j", false, &out, &err));
    const char *good = write_part(folder, false, "ok", "x");
    for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
        FAILS(SDF_E_INVALID, "attempt", part_open(folder, attempts[i], &part, &err));
    for (size_t i = 0; i < sizeof tickets / sizeof tickets[0]; i++)
        FAILS(SDF_E_INVALID, "temporary", output_publish(out, tickets[i], "part", 1, 1, &err));
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++) {
        FAILS(SDF_E_INVALID, "part of an output", output_publish(out, good, finals[i], 1, 1, &err));
        FAILS(SDF_E_INVALID, "part of an output", output_part_open(folder, "j", false, "a", finals[i], &part, &err));
    }
    FAILS(SDF_E_INVALID, "part of an output", output_part_open(folder, "j", true, "a", "part", &part, &err));
    FAILS(SDF_E_INVALID, "output job", output_part_open(folder, "/j", false, "a", "part", &part, &err));
    output_abort(out);
    assert_false(exists(folder));
}

static void test_publish_again(void **state)
{
    output *out;
    const char *folder = in_scratch("again");
    OK(output_begin(folder, "j", false, &out, &err));
    const char *one = write_part(folder, false, "a1", "one"), *two = write_part(folder, false, "a2", "three");
    FAILS(SDF_E_CORRUPT, "3 bytes", output_publish(out, one, "part-00000", 4, 1, &err));
    OK(output_publish(out, one, "part-00000", 3, 1, &err));
    OK(output_publish(out, one, "part-00000", 3, 1, &err));
    FAILS(SDF_E_CORRUPT, "reported 7", output_publish(out, one, "part-00000", 7, 1, &err));
    FAILS(SDF_E_NOT_FOUND, "same output folder", output_publish(out, "j-a9", "part-00001", 3, 1, &err));
    /* The scheduler's last word on a task wins. */
    OK(output_publish(out, two, "part-00000", 5, 2, &err));
    assert_string_equal(read_text(in_scratch("again/part-00000")), "three");
    OK(output_finish(out, &err));
    cJSON *manifest = cJSON_Parse(read_text(in_scratch("again/_SUCCESS")));
    check_part(cJSON_GetObjectItem(manifest, "parts"), 0, "part-00000", 5, 2);
    cJSON_Delete(manifest);
}

static void test_abort(void **state)
{
    output *out;
    const char *folder = in_scratch("above/aborted");
    OK(output_begin(folder, "j", false, &out, &err));
    const char *one = write_part(folder, false, "a1", "one");
    write_part(folder, false, "a2", "two");
    OK(output_publish(out, one, "part-00000", 3, 1, &err));
    output_abort(out);
    assert_false(exists(folder));
    assert_true(exists(in_scratch("above")));
    output_abort(NULL);
    /* What somebody else put there stays. */
    OK(output_begin(folder, "j", false, &out, &err));
    write_file(in_scratch("above/aborted/precious"), "x");
    output_abort(out);
    assert_int_equal(entries(folder), 1);
    assert_true(exists(in_scratch("above/aborted/precious")));
}

/* ---- single files ---- */

static void test_single(void **state)
{
    output *out;
    const char *file = in_scratch("one/deep/result.csv");
    OK(output_begin(file, "j", true, &out, &err));
    const char *lost = write_part(file, true, "a1", "lost\n"), *won = write_part(file, true, "a2", "won\n");
    FAILS(SDF_E_CORRUPT, "reported 9", output_publish(out, won, "", 9, 1, &err));
    FAILS(SDF_E_NOT_FOUND, "same output folder", output_publish(out, "j-a9", "", 4, 1, &err));
    OK(output_publish(out, lost, "", 5, 1, &err));
    OK(output_publish(out, won, "", 4, 1, &err));
    OK(output_publish(out, won, "", 4, 1, &err));
    assert_false(exists(file)); /* not before all is done */
    OK(output_finish(out, &err));
    assert_string_equal(read_text(file), "won\n");
    assert_int_equal(entries(in_scratch("one/deep")), 1);
}

static void test_single_aborted(void **state)
{
    output *out;
    output_part *late;
    const char *file = in_scratch("onlyone/f");
    OK(output_begin(file, "j", true, &out, &err));
    OK(output_publish(out, write_part(file, true, "a1", "x"), "", 1, 1, &err));
    OK(output_part_open(file, "j", true, "a2", "", &late, &err));
    output_abort(out);
    assert_int_equal(entries(in_scratch("onlyone")), 0);
    char ticket[OUTPUT_TICKET_MAX];
    OK(output_part_close(late, ticket, &err));
    FAILS(SDF_E_NOT_FOUND, "gone", output_part_open(file, "j", true, "a3", "", &late, &err));
    assert_int_equal(entries(in_scratch("onlyone")), 0);
    /* Nothing published: there is nothing to show. */
    OK(output_begin(file, "j", true, &out, &err));
    FAILS(SDF_E_INTERNAL, "nothing was published", output_finish(out, &err));
    assert_int_equal(entries(in_scratch("onlyone")), 0);
}

/* Two jobs with one name: the first to finish has it, the other one leaves it alone. */
static void test_single_race(void **state)
{
    output *one, *two;
    output_part *part;
    char ticket[OUTPUT_TICKET_MAX];
    const char *file = in_scratch("race");
    OK(output_begin(file, "j", true, &one, &err));
    OK(output_begin(file, "k", true, &two, &err));
    OK(output_publish(one, write_part(file, true, "a1", "first"), "", 5, 1, &err));
    OK(output_part_open(file, "k", true, "a1", "", &part, &err));
    OK(output_part_write(part, "second", 6, &err));
    OK(output_part_close(part, ticket, &err));
    OK(output_publish(two, ticket, "", 6, 1, &err));
    OK(output_finish(one, &err));
    FAILS(SDF_E_EXISTS, "while the job ran", output_finish(two, &err));
    assert_string_equal(read_text(file), "first");
    output *three;
    FAILS(SDF_E_EXISTS, "a file that does not exist yet", output_begin(file, "l", true, &three, &err));
}

/* ---- attempts that are late, doubled, or outlive their job ---- */

static void test_zombies(void **state)
{
    output *out;
    output_part *part, *other;
    char ticket[OUTPUT_TICKET_MAX];
    const char *folder = in_scratch("zombies");
    FAILS(SDF_E_NOT_FOUND, "gone", part_open(folder, "a1", &part, &err));
    OK(output_begin(folder, "j", false, &out, &err));
    OK(part_open(folder, "a1", &part, &err));
    FAILS(SDF_E_EXISTS, "j-a1", part_open(folder, "a1", &other, &err));
    OK(part_open(folder, "a2", &other, &err));
    OK(output_part_write(other, "late", 4, &err));
    output_part_abort(part);
    output_part_abort(NULL);
    assert_false(exists(in_scratch("zombies/_temporary/j-a1")));
    OK(output_finish(out, &err));
    OK(output_part_write(other, "late", 4, &err));
    OK(output_part_close(other, ticket, &err)); /* into a file that has no name any more */
    FAILS(SDF_E_NOT_FOUND, "gone", part_open(folder, "a3", &other, &err));
    assert_int_equal(entries(folder), 1);
}

/* ---- limits and deaths, in children ---- */

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

static int too_large(void)
{
    output *out;
    output_part *part;
    static char bytes[300000];
    struct rlimit limit = {100000, 100000};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    if (output_begin(in_scratch("large"), "j", false, &out, NULL) != SDF_OK ||
        part_open(in_scratch("large"), "1", &part, NULL) != SDF_OK)
        return 2;
    if (output_part_write(part, bytes, sizeof bytes, NULL) != SDF_E_NO_SPACE ||
        output_part_write(part, bytes, 1, NULL) != SDF_E_NO_SPACE)
        return 3;
    char ticket[OUTPUT_TICKET_MAX];
    if (output_part_close(part, ticket, NULL) != SDF_E_NO_SPACE || exists(in_scratch("large/_temporary/j-1")))
        return 4;        /* a file that could not be written whole is not closed well */
    limit.rlim_cur = 10; /* the manifest does not fit either */
    setrlimit(RLIMIT_FSIZE, &limit);
    if (output_finish(out, NULL) != SDF_E_NO_SPACE || exists(in_scratch("large")))
        return 5;
    return 0;
}

static void test_no_space(void **state)
{
    assert_int_equal(in_child(too_large), 0);
}

static int as_nobody(void)
{
    output *out;
    sdf_error *err = NULL;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 77;
    int rc = output_begin(in_scratch("readonly/out"), "j", false, &out, &err);
    return rc == SDF_E_ACCESS && strstr(sdf_error_text(err), "readonly/out") != NULL ? 0 : 1;
}

static void test_unwritable_parent(void **state)
{
    assert_int_equal(chmod(scratch, 0755), 0);
    assert_int_equal(mkdir(in_scratch("readonly"), 0555), 0);
    int rc = in_child(as_nobody);
    if (rc == 77)
        print_message("can't become another user: permissions are not tested\n");
    else
        assert_int_equal(rc, 0);
}

/* The steps of a job; the process dies before the step `die_at`. */
static int die_at;
static bool die_single;

static int job(void)
{
    output *out;
    output_part *part;
    char ticket[OUTPUT_TICKET_MAX];
    const char *name = in_scratch("died/%d-%d", die_single, die_at), *final = die_single ? "" : "part-00000";
    for (int step = 0; step < 7; step++) {
        if (step == die_at)
            _exit(42);
        int rc = step == 0   ? output_begin(name, "j", die_single, &out, NULL)
                 : step == 1 ? output_part_open(name, "j", die_single, "1", final, &part, NULL)
                 : step == 2 ? output_part_write(part, "text\n", 5, NULL)
                 : step == 3 ? output_part_close(part, ticket, NULL)
                 : step == 4 ? output_publish(out, ticket, final, 5, 1, NULL)
                 : step == 5 ? output_publish(out, ticket, final, 5, 1, NULL)
                             : output_finish(out, NULL);
        if (rc != SDF_OK)
            return 1;
    }
    return 0;
}

/* At whatever step it ends: either the output is whole, or there is no _SUCCESS and the next job is told so. */
static void test_killed_between_steps(void **state)
{
    die_single = false;
    for (die_at = 0; die_at <= 7; die_at++) {
        const char *folder = in_scratch("died/0-%d", die_at);
        output *out;
        assert_int_equal(in_child(job), die_at < 7 ? 42 : 0);
        assert_int_equal(exists(in_scratch("died/0-%d/_SUCCESS", die_at)), die_at == 7);
        if (die_at == 0)
            OK(output_begin(folder, "j2", false, &out, &err));
        else
            FAILS(SDF_E_EXISTS, die_at < 7 ? "left unfinished" : "does not exist yet",
                  output_begin(folder, "j2", false, &out, &err));
        if (die_at == 0)
            output_abort(out);
    }
    assert_int_equal(entries(in_scratch("died/0-7")), 2);
    /* In the middle of the last step: the parts lie there, the manifest has no name yet. */
    output *out;
    assert_int_equal(mkdir(in_scratch("died/late"), 0777), 0);
    write_file(in_scratch("died/late/part-00000"), "text\n");
    write_file(in_scratch("died/late/._SUCCESS"), "{}");
    FAILS(SDF_E_EXISTS, "left unfinished", output_begin(in_scratch("died/late"), "j2", false, &out, &err));
}

/* A single file is there, whole, or not at all; a dead job is in nobody's way. */
static void test_single_killed_between_steps(void **state)
{
    die_single = true;
    for (die_at = 0; die_at <= 7; die_at++) {
        const char *file = in_scratch("died/1-%d", die_at);
        output *out;
        assert_int_equal(in_child(job), die_at < 7 ? 42 : 0);
        assert_int_equal(exists(file), die_at == 7);
        if (die_at == 7) {
            assert_string_equal(read_text(file), "text\n");
            continue;
        }
        OK(output_begin(file, "j2", true, &out, &err));
        output_abort(out);
    }
}

static void test_absolute(void **state)
{
    char *name;
    uint32_t scope = 0;
    OK(output_absolute("file:x/y/", &name, &scope, &err));
    assert_true(*name == '/' && strcmp(name + strlen(name) - 4, "/x/y") == 0);
    assert_int_equal(scope, 2);
    free(name);
    FAILS(SDF_E_UNSUPPORTED, "s3:", output_absolute("s3://bucket/out", &name, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_no_parts),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_begin_refused),
        cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_publish_again),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_single_aborted),
        cmocka_unit_test(test_single_race),
        cmocka_unit_test(test_zombies),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_unwritable_parent),
        cmocka_unit_test(test_killed_between_steps),
        cmocka_unit_test(test_single_killed_between_steps),
        cmocka_unit_test(test_absolute),
    };
    return cmocka_run_group_tests_name("store/output", tests, scratch_make, scratch_remove);
}
