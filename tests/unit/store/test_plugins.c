/* Sources and sinks: their tables, the conformance suites on files, on what a host registers and on broken ones, and
 * the library's way through a host's. */
#include "scratch.h"

#include <sys/wait.h>

#include <sdf/sys/conformance.h>

#include "codec/codec.h"
#include "mem_files.h"
#include "store/input.h"
#include "store/output.h"

/* The one that most tests use, as "memfiles:", and whom the reports of a suite go to. */
static mem_files shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

typedef struct tally {
    void *files; /* a mem_files, or NULL: those of the machine */
    int ok, failed;
    char first[700];
} tally;

static void count(const char *line, void *user)
{
    tally *t = user;
    if (strncmp(line, "ok ", 3) == 0)
        t->ok++;
    else if (t->failed++ == 0)
        snprintf(t->first, sizeof t->first, "%s", line);
}

static int put(const char *name, const void *data, size_t size, void *user)
{
    const tally *t = user;
    if (t->files != NULL)
        return mem_files_put(name, data, size, t->files);
    name += strncmp(name, "file:", 5) == 0 ? 5 : 0;
    path_make_parent(name, NULL);
    FILE *f = fopen(name, "w");
    if (f == NULL || fwrite(data, 1, size, f) != size)
        return SDF_E_IO;
    return fclose(f) == 0 ? SDF_OK : SDF_E_IO;
}

static int64_t get(const char *name, void *data, size_t capacity, void *user)
{
    const tally *t = user;
    if (t->files != NULL)
        return mem_files_get(name, data, capacity, t->files);
    name += strncmp(name, "file:", 5) == 0 ? 5 : 0;
    FILE *f = fopen(name, "r");
    if (f == NULL)
        return SDF_E_NOT_FOUND;
    size_t n = capacity > 0 ? fread(data, 1, capacity, f) : 0;
    fseek(f, 0, SEEK_END);
    int64_t size = ftell(f);
    fclose(f);
    return size > (int64_t)capacity || size == (int64_t)n ? size : SDF_E_IO;
}

static void source_passes(const char *prefix, void *files)
{
    tally t = {files, 0, 0, ""};
    sdf_error *err = NULL;
    int failed = sdf_source_conformance(prefix, put, count, &t, &err);
    if (failed != 0)
        fail_msg("%s: %d failed, first %s", prefix, failed, failed > 0 ? t.first : sdf_error_text(err));
    assert_int_equal(t.ok, 10);
}

static void sink_passes(const char *prefix, void *files)
{
    tally t = {files, 0, 0, ""};
    sdf_error *err = NULL;
    int failed = sdf_sink_conformance(prefix, get, count, &t, &err);
    if (failed != 0)
        fail_msg("%s: %d failed, first %s", prefix, failed, failed > 0 ? t.first : sdf_error_text(err));
    assert_int_equal(t.ok, 9);
}

static void test_files_pass(void **state)
{
    char prefix[600];
    source_passes(in_scratch("in/"), NULL);
    sink_passes(in_scratch("out/"), NULL);
    snprintf(prefix, sizeof prefix, "file:%s", in_scratch("odd %%41 ,x/y-"));
    source_passes(prefix, NULL);
    sink_passes(prefix, NULL);
}

static void test_hosts_pass(void **state)
{
    source_passes("memfiles:", &shared);
    sink_passes("memfiles:", &shared);
    source_passes("memfiles:some/where/", &shared);
    sink_passes("memfiles:some/where/", &shared);
    assert_int_equal(shared.opened, 2); /* as source, as sink: not more */
}

/* A suite that passes everything shows nothing: it must find what is wrong. */
static void test_finds_defects(void **state)
{
    for (mem_files_defect defect = MEM_SOURCE_HIDDEN; defect <= MEM_SINK_QUIET; defect++) {
        mem_files *m = calloc(1, sizeof *m); /* the library keeps it to the end of the process */
        char scheme[32], prefix[40];
        m->defect = defect;
        pthread_mutex_init(&m->lock, NULL);
        snprintf(scheme, sizeof scheme, "mem-defect-%d", (int)defect);
        snprintf(prefix, sizeof prefix, "%s:", scheme);
        OK(sdf_source_register(scheme, &mem_source_ops, mem_files_open, m, &err));
        OK(sdf_sink_register(scheme, &mem_sink_ops, mem_files_open, m, &err));
        tally t = {m, 0, 0, ""};
        int failed = defect < MEM_SINK_EARLY ? sdf_source_conformance(prefix, put, count, &t, NULL)
                                             : sdf_sink_conformance(prefix, get, count, &t, NULL);
        if (failed <= 0)
            fail_msg("defect %d is not found", (int)defect);
        assert_int_equal(failed, t.failed);
    }
}

/* ---- the tables ---- */

static void test_registration(void **state)
{
    sdf_source_ops bad = mem_source_ops;
    sdf_sink_ops worse = mem_sink_ops;
    static const char *const names[] = {"", "x", "Upper", "with space", "a:b", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        FAILS(SDF_E_INVALID, "scheme", sdf_source_register(names[i], &bad, mem_files_open, NULL, &err));
        FAILS(SDF_E_INVALID, "scheme", sdf_sink_register(names[i], &worse, mem_files_open, NULL, &err));
    }
    OK(sdf_source_register("memfiles", &mem_source_ops, mem_files_open, &shared, &err)); /* the same again */
    OK(sdf_sink_register("memfiles", &mem_sink_ops, mem_files_open, &shared, &err));
    FAILS(SDF_E_EXISTS, "taken", sdf_source_register("memfiles", &bad, mem_files_open, &shared, &err));
    FAILS(SDF_E_EXISTS, "taken", sdf_source_register("memfiles", &mem_source_ops, mem_files_open, NULL, &err));
    FAILS(SDF_E_EXISTS, "taken", sdf_source_register("file", &bad, mem_files_open, NULL, &err));
    FAILS(SDF_E_EXISTS, "taken", sdf_source_register("manifest", &bad, mem_files_open, NULL, &err));
    FAILS(SDF_E_EXISTS, "taken", sdf_sink_register("file", &worse, mem_files_open, NULL, &err));
    FAILS(SDF_E_INVALID, "open function", sdf_source_register("other", &bad, NULL, NULL, &err));
    FAILS(SDF_E_INVALID, "no ops", sdf_source_register("other", NULL, mem_files_open, NULL, &err));
    bad.close = NULL;
    worse.part_abort = NULL;
    FAILS(SDF_E_INVALID, "op close", sdf_source_register("other", &bad, mem_files_open, NULL, &err));
    FAILS(SDF_E_INVALID, "op part_abort", sdf_sink_register("other", &worse, mem_files_open, NULL, &err));
    bad = mem_source_ops;
    worse = mem_sink_ops;
    bad.list = NULL;
    worse.destroy = NULL;
    FAILS(SDF_E_INVALID, "op list", sdf_source_register("other", &bad, mem_files_open, NULL, &err));
    FAILS(SDF_E_INVALID, "op destroy", sdf_sink_register("other", &worse, mem_files_open, NULL, &err));
    bad = mem_source_ops;
    worse = mem_sink_ops;
    bad.version = 2;
    worse.scope = 0;
    FAILS(SDF_E_INVALID, "contract version 2", sdf_source_register("other", &bad, mem_files_open, NULL, &err));
    FAILS(SDF_E_INVALID, "scope", sdf_sink_register("other", &worse, mem_files_open, NULL, &err));
    bad = mem_source_ops;
    bad.struct_size = 24;
    FAILS(SDF_E_INVALID, "source \"other\"", sdf_source_register("other", &bad, mem_files_open, NULL, &err));
    FAILS(SDF_E_INVALID, "prefix", sdf_source_conformance(NULL, put, NULL, NULL, &err));
    FAILS(SDF_E_INVALID, "prefix", sdf_sink_conformance("x:", NULL, NULL, NULL, &err));
}

static int refuse_open(void *user, void **self, sdf_error **err)
{
    ++*(int *)user;
    *err = sdf_error_new(SDF_E_ACCESS, "no credentials", NULL);
    return SDF_E_ACCESS;
}

/* One that can't be opened is asked again the next time. */
static void test_open_fails(void **state)
{
    static int asked;
    input_file *files;
    size_t n;
    output *out;
    output_part *part;
    OK(sdf_source_register("locked", &mem_source_ops, refuse_open, &asked, &err));
    OK(sdf_sink_register("locked", &mem_sink_ops, refuse_open, &asked, &err));
    assert_int_equal(asked, 0);
    for (int i = 0; i < 2; i++) {
        FAILS(SDF_E_ACCESS, "no credentials", input_list("locked:x", &files, &n, NULL, &err));
        FAILS(SDF_E_ACCESS, "no credentials", output_begin("locked:x", "t", false, &out, &err));
        FAILS(SDF_E_ACCESS, "no credentials", output_part_open("locked:x", "t", false, "a", "p", &part, &err));
    }
    assert_int_equal(asked, 6);
}

static int destroy_pipe[2];

static void tell_destroyed(void *self)
{
    assert_int_equal(write(destroy_pipe[1], "d", 1), 1);
}

static int use_and_end(void)
{
    static mem_files own = {.lock = PTHREAD_MUTEX_INITIALIZER};
    static sdf_source_ops ops;
    input_file *files;
    size_t n;
    int status;
    ops = mem_source_ops;
    ops.destroy = tell_destroyed;
    if (sdf_source_register("own", &ops, mem_files_open, &own, NULL) != SDF_OK ||
        mem_files_put("own:x", "x", 1, &own) != SDF_OK)
        return 1;
    for (int i = 0; i < 3; i++) {
        if (input_list("own:x", &files, &n, NULL, NULL) != SDF_OK)
            return 2;
        input_list_free(files, n);
    }
    pid_t child = fork();
    if (child == 0)
        return 0;
    return waitpid(child, &status, 0) == child && own.opened == 1 ? 0 : 3;
}

/* destroy comes once, at an orderly end, and not in a child that has the parent's. */
static void test_destroyed_at_exit(void **state)
{
    char told[10];
    int status;
    assert_int_equal(pipe(destroy_pipe), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        exit(use_and_end());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(destroy_pipe[1]);
    assert_int_equal(read(destroy_pipe[0], told, sizeof told), 1);
    close(destroy_pipe[0]);
}

/* ---- through the library ---- */

static void test_lists_hosts(void **state)
{
    input_file *files;
    size_t n;
    uint32_t scope;
    char uris[700];
    mem_files_put("memfiles:logs/b", "bb", 2, &shared);
    mem_files_put("memfiles:logs/a.gz", "a", 1, &shared);
    mem_files_put("memfiles:logs/_SUCCESS", "x", 1, &shared);
    write_file(in_scratch("local"), "123");
    snprintf(uris, sizeof uris, "memfiles:logs\n%s\nmemfiles:logs/b", in_scratch("local"));
    OK(input_list(uris, &files, &n, &scope, &err));
    assert_int_equal(n, 4);
    assert_int_equal(scope, SDF_SCOPE_PROCESS);
    assert_string_equal(files[0].name, "memfiles:logs/a.gz");
    assert_string_equal(files[1].name, "memfiles:logs/b");
    assert_string_equal(files[2].name, in_scratch("local"));
    assert_null(files[2].version);
    assert_int_equal(files[1].size, 2);
    assert_string_equal(files[1].version, files[3].version);
    input_list_free(files, n);
    OK(input_list(in_scratch("local"), &files, &n, &scope, &err));
    assert_int_equal(scope, SDF_SCOPE_HOST);
    input_list_free(files, n);
    FAILS(SDF_E_NOT_FOUND, "memfiles:nothing", input_list("memfiles:nothing", &files, &n, &scope, &err));
    static mem_files strange = {.lock = PTHREAD_MUTEX_INITIALIZER, .defect = MEM_SOURCE_STRANGE};
    OK(sdf_source_register("strange", &mem_source_ops, mem_files_open, &strange, &err));
    mem_files_put("strange:x", "x", 1, &strange);
    FAILS(SDF_E_INVALID, "not of its scheme", input_list("strange:x", &files, &n, NULL, &err));
}

static void test_reads_hosts(void **state)
{
    input_file *files;
    input *in;
    size_t n, got;
    char data[10];
    mem_files_put("memfiles:r", "0123456789", 10, &shared);
    OK(input_list("memfiles:r", &files, &n, NULL, &err));
    task_split split = {.path = files[0].name, .file_size = files[0].size, .version = files[0].version};
    OK(input_open(&split, &in, &err));
    OK(input_read(in, data, 10, 7, &got, &err));
    assert_int_equal(got, 3);
    assert_memory_equal(data, "789", 3);
    input_close(in);
    mem_files_put("memfiles:r", "9876543210", 10, &shared); /* same size, another tag */
    FAILS(SDF_E_CORRUPT, "changed", input_open(&split, &in, &err));
    split.version = (char *)"";
    OK(input_open(&split, &in, &err));
    input_close(in);
    input_list_free(files, n);
}

static void test_writes_hosts(void **state)
{
    output *out;
    output_part *part;
    char *name, ticket[OUTPUT_TICKET_MAX], data[500];
    uint32_t scope;
    OK(output_absolute("memfiles:out", &name, &scope, &err));
    assert_string_equal(name, "memfiles:out");
    assert_int_equal(scope, SDF_SCOPE_PROCESS);
    free(name);
    OK(output_begin("memfiles:out", "t", false, &out, &err));
    OK(output_part_open("memfiles:out", "t", false, "a1", "part-00000", &part, &err));
    OK(output_part_write(part, "text", 4, &err));
    OK(output_part_close(part, ticket, &err));
    OK(output_publish(out, ticket, "part-00000", 4, 1, &err));
    OK(output_finish(out, &err));
    assert_int_equal(mem_files_get("memfiles:out/part-00000", data, sizeof data, &shared), 4);
    int64_t size = mem_files_get("memfiles:out/_SUCCESS", data, sizeof data - 1, &shared);
    assert_true(size > 0);
    data[size] = 0;
    assert_non_null(strstr(data, "{\"name\":\"part-00000\",\"bytes\":4,\"records\":1}"));
    FAILS(SDF_E_EXISTS, "memfiles:out", output_begin("memfiles:out", "u", false, &out, &err));
}

static int make(void **state)
{
    return scratch_make(state) ||
           sdf_source_register("memfiles", &mem_source_ops, mem_files_open, &shared, NULL) != SDF_OK ||
           sdf_sink_register("memfiles", &mem_sink_ops, mem_files_open, &shared, NULL) != SDF_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_pass),    cmocka_unit_test(test_hosts_pass),
        cmocka_unit_test(test_finds_defects), cmocka_unit_test(test_registration),
        cmocka_unit_test(test_open_fails),    cmocka_unit_test(test_destroyed_at_exit),
        cmocka_unit_test(test_lists_hosts),   cmocka_unit_test(test_reads_hosts),
        cmocka_unit_test(test_writes_hosts),
    };
    return cmocka_run_group_tests_name("store/plugins", tests, make, scratch_remove);
}
