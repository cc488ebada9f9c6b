/* Settings: the table, the order of layers, what is refused and how it is said. */
#include "support.h"

#include "api/internal.h"

static void expect_refused(sdf_config *c, const char *name, const char *value, const char *part)
{
    sdf_error *err = NULL;
    assert_int_equal(sdf_config_set(c, name, value, &err), SDF_E_INVALID);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    sdf_error_free(err);
}

static void test_table(void **state)
{
    const char *name, *value, *text;
    sdf_config *c = sdf_config_new();
    size_t i = 0;
    for (; sdf_property(i, &name, &value, &text) == SDF_OK; i++) {
        assert_string_equal(sdf_config_get(c, name), value);
        assert_int_equal(sdf_config_set(c, name, value, NULL), SDF_OK); /* each default is a good value */
        assert_true(strlen(text) > 10);
    }
    assert_in_range(i, 10, 100);
    assert_int_equal(sdf_property(i, NULL, NULL, NULL), SDF_END);
    assert_int_equal(sdf_property(0, NULL, NULL, NULL), SDF_OK);
    sdf_config_free(c);
}

static void test_refused(void **state)
{
    sdf_config *c = sdf_config_new();
    expect_refused(c, "memoyr", "1M", "did you mean \"memory\"");
    expect_refused(c, "qqqqqqqqqqqq", "1", "sdf_property");
    expect_refused(c, "memory", "lots", "64M");
    expect_refused(c, "memory", "0", "must be");
    expect_refused(c, "memory", "-1M", "memory");
    expect_refused(c, "retries", "two", "whole number");
    expect_refused(c, "retries", "-1", "retries");
    expect_refused(c, "retries", "1001", "must be 0 to 1000");
    expect_refused(c, "retries", "99999999999999999999999", "retries");
    expect_refused(c, "task_timeout", "soon", "30s");
    expect_refused(c, "compression", "zip", "auto|lz4|none");
    expect_refused(c, "compression", "lz", "auto|lz4|none");
    expect_refused(c, "compression", "", "auto|lz4|none");
    assert_string_equal(sdf_config_get(c, "memory"), "512M"); /* none took effect */
    assert_null(sdf_config_get(c, "memoyr"));
    assert_null(sdf_config_get(NULL, "memory"));
    assert_int_equal(sdf_config_set(NULL, "memory", "1M", NULL), SDF_E_INVALID);
    assert_int_equal(sdf_config_set(c, NULL, "1M", NULL), SDF_E_INVALID);
    assert_int_equal(sdf_config_set(c, "memory", NULL, NULL), SDF_E_INVALID);
    sdf_config_free(c);
    sdf_config_free(NULL);
}

static void test_layers(void **state)
{
    char *folder = make_folder(), *path = in_folder(folder, "conf");
    write_text(folder, "conf",
               "# a comment\n\n memory =  64M \t# enough\r\nretries=5\n  # more\nstore=file:/a#b\nsplit_bytes = 1M");
    setenv("SDF_CONFIG", path, 1);
    setenv("SDF_RETRIES", "6", 1);
    setenv("SDF_SPLIT_BYTES", "2M", 1);
    sdf_config *c = sdf_config_new();
    assert_string_equal(sdf_config_get(c, "memory"), "64M");
    assert_string_equal(sdf_config_get(c, "retries"), "6");
    assert_int_equal(sdf_config_set(c, "split_bytes", "3M", NULL), SDF_OK);
    assert_int_equal(sdf_config_load(c, path, NULL), SDF_OK); /* lower in rank, though later */
    assert_string_equal(sdf_config_get(c, "split_bytes"), "3M");
    assert_string_equal(sdf_config_get(c, "retries"), "6");
    assert_string_equal(sdf_config_get(c, "store"), "file:/a#b");
    assert_string_equal(sdf_config_get(c, "transport"), "threads:");
    sdf_config_free(c);
    unsetenv("SDF_CONFIG");
    unsetenv("SDF_RETRIES");
    unsetenv("SDF_SPLIT_BYTES");
    free(path);
    drop_folder(folder);
}

static void expect_open_fails(const char *part, int code)
{
    sdf_error *err = NULL;
    assert_null(sdf_context_open("threads:1", "mem:", NULL, &err));
    assert_int_equal(sdf_error_code(err), code);
    if (!strstr(sdf_error_text(err), part))
        fail_msg("\"%s\" lacks \"%s\"", sdf_error_text(err), part);
    sdf_error_free(err);
}

static void test_bad_files(void **state)
{
    char *folder = make_folder(), *path = in_folder(folder, "conf");
    sdf_error *err = NULL;
    sdf_config *c = sdf_config_new();
    assert_int_equal(sdf_config_load(c, path, &err), SDF_E_NOT_FOUND);
    assert_non_null(strstr(sdf_error_message(err), path));
    sdf_error_free(err);
    write_text(folder, "conf", "memory = 1M\nretreis = 2\n");
    err = NULL;
    assert_int_equal(sdf_config_load(c, path, &err), SDF_E_INVALID);
    assert_non_null(strstr(sdf_error_message(err), "conf:2"));
    assert_non_null(strstr(sdf_error_hint(err), "retries"));
    sdf_error_free(err);
    write_text(folder, "conf", "just words\n");
    assert_int_equal(sdf_config_load(c, path, NULL), SDF_E_INVALID);
    assert_int_equal(sdf_config_load(c, folder, NULL), SDF_E_INVALID);
    sdf_config_free(c);
    setenv("SDF_CONFIG", path, 1);
    expect_open_fails("conf:1", SDF_E_INVALID);
    unsetenv("SDF_CONFIG");
    setenv("SDF_MEMORY", "much", 1);
    expect_open_fails("SDF_MEMORY", SDF_E_INVALID);
    unsetenv("SDF_MEMORY");
    free(path);
    drop_folder(folder);
}

/* "auto" compresses where bytes leave this process. */
static void test_compression_by_store(void **state)
{
    char *folder = make_folder();
    char uri[4096];
    const struct {
        const char *set, *store, *expect;
    } cases[] = {{"auto", "mem:", "none"}, {"auto", uri, "lz4"}, {"lz4", "mem:", "lz4"}, {"none", uri, "none"}};
    snprintf(uri, sizeof uri, "file:%s", folder);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sdf_config *c = sdf_config_new();
        assert_int_equal(sdf_config_set(c, "compression", cases[i].set, NULL), SDF_OK);
        sdf_context *context = sdf_context_open("threads:1", cases[i].store, c, NULL);
        assert_non_null(context);
        assert_string_equal(context_planner(context).compression, cases[i].expect);
        sdf_context_close(context);
        sdf_config_free(c);
    }
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_compression_by_store),
    };
    return cmocka_run_group_tests_name("api/config", tests, NULL, NULL);
}
