/* Splits: they cover every byte once, in order, whatever the sizes. */
#include "support.h"

static void check_cover(const char *folder, size_t size, uint64_t split, uint32_t expected)
{
    task_split *splits = NULL;
    uint32_t count = 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/f", folder);
    write_file(folder, "f", size);
    node *n = make_text(path, split);
    assert_int_equal(splits_make(n, 1, &splits, &count, NULL), SDF_OK);
    assert_int_equal(count, expected);
    uint64_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(splits[i].path, path);
        assert_int_equal(splits[i].offset, at);
        assert_int_equal(splits[i].file_size, size);
        at += splits[i].length;
    }
    assert_int_equal(at, size);
    splits_free(splits, count);
    node_unref(n, NULL, NULL);
}

static void test_cover(void **state)
{
    char *folder = make_folder();
    check_cover(folder, 0, 100, 1);
    check_cover(folder, 1, 100, 1);
    check_cover(folder, 100, 100, 1);
    check_cover(folder, 109, 100, 1); /* a small rest goes with the split before */
    check_cover(folder, 110, 100, 2);
    check_cover(folder, 200, 100, 2);
    check_cover(folder, 209, 100, 2);
    check_cover(folder, 210, 100, 3);
    check_cover(folder, 57, 1, 57);
    check_cover(folder, 57, 3, 19);
    check_cover(folder, 57, UINT64_MAX, 1);
    drop_folder(folder);
}

static void test_many_files(void **state)
{
    char *folder = make_folder();
    task_split *splits = NULL;
    uint32_t count = 0;
    write_file(folder, "b", 25);
    write_file(folder, "a", 10);
    write_file(folder, "empty", 0);
    write_file(folder, "_hidden", 10);
    node *n = make_text(folder, 0);
    assert_int_equal(splits_make(n, 10, &splits, &count, NULL), SDF_OK);
    assert_int_equal(count, 4); /* a, b in three; none for the empty file */
    assert_non_null(strstr(splits[0].path, "/a"));
    for (uint32_t i = 1; i < 4; i++)
        assert_non_null(strstr(splits[i].path, "/b"));
    splits_free(splits, count);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_binary(void **state)
{
    char *folder = make_folder();
    task_split *splits = NULL;
    uint32_t count = 0;
    sdf_error *err = NULL;
    write_file(folder, "r", 70);
    node_spec spec = {NODE_BINARY,    .id = 1,           .operation = "binary_file",
                      .uris = folder, .record_bytes = 7, .split_bytes = 20};
    node *n = node_new(&spec);
    assert_int_equal(splits_make(n, 1, &splits, &count, NULL), SDF_OK);
    assert_int_equal(count, 5);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(splits[i].offset % 7 + splits[i].length % 7, 0);
    splits_free(splits, count);
    node_unref(n, NULL, NULL);
    spec.split_bytes = 3; /* less than a record */
    n = node_new(&spec);
    assert_int_equal(splits_make(n, 1, &splits, &count, NULL), SDF_OK);
    assert_int_equal(count, 10);
    splits_free(splits, count);
    node_unref(n, NULL, NULL);
    spec.record_bytes = 8;
    n = node_new(&spec);
    assert_int_equal(splits_make(n, 1, &splits, &count, &err), SDF_E_CORRUPT);
    assert_non_null(strstr(sdf_error_message(err), "6 bytes are over"));
    sdf_error_free(err);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_too_many(void **state)
{
    char *folder = make_folder(), path[4096];
    task_split *splits = NULL;
    uint32_t count = 0;
    sdf_error *err = NULL;
    snprintf(path, sizeof path, "%s/huge", folder);
    FILE *f = fopen(path, "w");
    assert_int_equal(ftruncate(fileno(f), 1 << 30), 0); /* sparse */
    fclose(f);
    node *n = make_text(path, 1);
    assert_int_equal(splits_make(n, 1, &splits, &count, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_hint(err), "split_bytes"));
    sdf_error_free(err);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests_name("plan/splits", tests, NULL, NULL);
}
