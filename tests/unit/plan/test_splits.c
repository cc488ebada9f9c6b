/* Splits: they cover every byte once, in order, whatever the sizes; small files share tasks; columns of a header. */
#include <sdf/sys/store.h>

#include "codec/codec.h"
#include "support.h"

static planner_config config = {.split_bytes = 1, .concurrency = 1};

typedef struct made {
    stage_pieces pieces;
    uint32_t tasks, count;
} made;

static made make_splits(const node *n)
{
    made m;
    sdf_error *err = NULL;
    if (splits_make(n, &config, &m.pieces, &m.tasks, &err))
        fail_msg("%s", sdf_error_text(err));
    m.count = m.pieces.first[m.tasks];
    assert_int_equal(m.pieces.first[0], 0);
    for (uint32_t t = 0; t < m.tasks; t++)
        assert_true(m.pieces.first[t] < m.pieces.first[t + 1]); /* no task without a piece */
    for (uint32_t i = 0; i < m.count; i++) {
        assert_int_equal(m.pieces.pieces[i].partition, i);
        assert_int_equal(m.pieces.pieces[i].branch, 0);
    }
    return m;
}

static void clear(made *m)
{
    stage_pieces_clear(&m->pieces, m->tasks);
}

static void check_cover(const char *folder, size_t size, uint64_t split, uint32_t expected)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/f", folder);
    write_file(folder, "f", size);
    node *n = make_text(path, split);
    made m = make_splits(n);
    assert_int_equal(m.tasks, expected);
    assert_int_equal(m.count, expected);
    uint64_t at = 0;
    for (uint32_t i = 0; i < m.count; i++) {
        const task_split *s = &m.pieces.pieces[i].split;
        assert_string_equal(s->path, path);
        assert_int_equal(s->offset, at);
        assert_int_equal(s->file_size, size);
        at += s->length;
    }
    assert_int_equal(at, size);
    clear(&m);
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
    write_file(folder, "b", 25);
    write_file(folder, "a", 10);
    write_file(folder, "empty", 0);
    write_file(folder, "_hidden", 10);
    node *n = make_text(folder, 10);
    made m = make_splits(n);
    assert_int_equal(m.tasks, 4); /* a, b in three; none for the empty file */
    assert_non_null(strstr(m.pieces.pieces[0].split.path, "/a"));
    for (uint32_t i = 1; i < 4; i++)
        assert_non_null(strstr(m.pieces.pieces[i].split.path, "/b"));
    clear(&m);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

/* Files 000, 001 ... of so many bytes. */
static void write_many(const char *folder, const char *suffix, int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%03d%s", i, suffix);
        write_file(folder, name, size);
    }
}

static void test_small_files_share_tasks(void **state)
{
    char *folder = make_folder();
    write_many(folder, "", 100, 30);
    node *n = make_text(folder, 0);
    config.split_bytes = 1 << 20; /* 3000 bytes are less than a task's least share: one task */
    made m = make_splits(n);
    assert_int_equal(m.tasks, 1);
    assert_int_equal(m.count, 100);
    for (uint32_t i = 0; i < 100; i++) { /* in order */
        char name[8];
        snprintf(name, sizeof name, "/%03u", i);
        assert_string_equal(strrchr(m.pieces.pieces[i].split.path, '/'), name);
    }
    clear(&m);
    config.split_bytes = 95; /* three of them fit a split */
    m = make_splits(n);
    assert_int_equal(m.tasks, 34);
    assert_int_equal(m.count, 100);
    assert_int_equal(m.pieces.first[1], 3);
    assert_int_equal(m.pieces.first[33], 99);
    clear(&m);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_share_follows_concurrency(void **state)
{
    char *folder = make_folder();
    write_many(folder, "", 24, 1 << 20);
    node *n = make_text(folder, 0);
    config.split_bytes = 64 << 20;
    const struct {
        uint32_t concurrency, tasks;
    } cases[] = {{1, 2}, {2, 4}, {3, 6}, {100, 6}, {0, 2}}; /* a task has 4 MiB at least */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        config.concurrency = cases[i].concurrency;
        made m = make_splits(n);
        assert_int_equal(m.tasks, cases[i].tasks);
        clear(&m);
    }
    config.concurrency = 1;
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void check_whole(const char *folder, plan_format format, uint32_t pieces, uint64_t length, int codec)
{
    node *n = make_files(format, folder, 10);
    assert_null(n->error);
    made m = make_splits(n);
    assert_int_equal(m.count, pieces);
    assert_int_equal(m.tasks, pieces);
    for (uint32_t i = 0; i < pieces; i++) {
        assert_int_equal(m.pieces.pieces[i].split.offset, 0);
        assert_int_equal(m.pieces.pieces[i].split.length, length);
        assert_int_equal(m.pieces.pieces[i].split.codec, codec);
        assert_int_equal(m.pieces.pieces[i].split.file_size, 100);
    }
    clear(&m);
    node_unref(n, NULL, NULL);
}

static void test_what_is_not_cut(void **state)
{
    char *folder = make_folder();
    write_many(folder, "", 3, 100);
    plan_format csv = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .multiline = true};
    check_whole(folder, csv, 3, 100, CODEC_NONE);
    check_whole(folder, (plan_format){.kind = PLAN_FORMAT_WHOLE}, 3, 100, CODEC_NONE);
    drop_folder(folder);
    folder = make_folder();
    write_many(folder, ".GZ", 3, 100);
    check_whole(folder, (plan_format){.kind = PLAN_FORMAT_TEXT}, 3, UINT64_MAX, CODEC_GZIP);
    check_whole(folder, (plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 7}, 3, UINT64_MAX, CODEC_GZIP);
    check_whole(folder, (plan_format){.kind = PLAN_FORMAT_WHOLE}, 3, UINT64_MAX, CODEC_GZIP);
    drop_folder(folder);
}

static void test_empty_whole_files_count(void **state)
{
    char *folder = make_folder();
    write_many(folder, "", 5, 0);
    node *n = make_files((plan_format){.kind = PLAN_FORMAT_WHOLE}, folder, 10);
    made m = make_splits(n);
    assert_int_equal(m.count, 5); /* each is a record */
    assert_int_equal(m.tasks, 1);
    clear(&m);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_binary(void **state)
{
    char *folder = make_folder();
    sdf_error *err = NULL;
    write_file(folder, "r", 70);
    node *n = make_files((plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 7}, folder, 20);
    made m = make_splits(n);
    assert_int_equal(m.tasks, 5);
    for (uint32_t i = 0; i < m.count; i++)
        assert_int_equal(m.pieces.pieces[i].split.offset % 7 + m.pieces.pieces[i].split.length % 7, 0);
    clear(&m);
    node_unref(n, NULL, NULL);
    n = make_files((plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 7}, folder, 3); /* less than a record */
    m = make_splits(n);
    assert_int_equal(m.tasks, 10);
    clear(&m);
    node_unref(n, NULL, NULL);
    n = make_files((plan_format){.kind = PLAN_FORMAT_BINARY, .record_bytes = 8}, folder, 3);
    assert_int_equal(splits_make(n, &config, &m.pieces, &m.tasks, &err), SDF_E_CORRUPT);
    assert_non_null(strstr(sdf_error_message(err), "6 bytes are over"));
    sdf_error_free(err);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_too_many(void **state)
{
    char *folder = make_folder(), path[4096];
    sdf_error *err = NULL;
    made m;
    snprintf(path, sizeof path, "%s/huge", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(ftruncate(fileno(f), 1L << 30), 0); /* sparse */
    fclose(f);
    node *n = make_text(path, 1);
    assert_int_equal(splits_make(n, &config, &m.pieces, &m.tasks, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_hint(err), "split_bytes"));
    sdf_error_free(err);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_scope(void **state)
{
    char *folder = make_folder();
    write_file(folder, "a", 10);
    node *n = make_text(folder, 0);
    planner_config elsewhere = config;
    sdf_error *err = NULL;
    made m;
    elsewhere.scope = SDF_SCOPE_HOST;
    assert_int_equal(splits_make(n, &elsewhere, &m.pieces, &m.tasks, NULL), SDF_OK);
    clear(&m);
    elsewhere.scope = SDF_SCOPE_NETWORK;
    assert_int_equal(splits_make(n, &elsewhere, &m.pieces, &m.tasks, &err), SDF_E_SCOPE);
    assert_non_null(strstr(sdf_error_message(err), "this machine"));
    sdf_error_free(err);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

/* ---- columns ---- */

static void check_columns(plan_format format, const char *text, const char *expected)
{
    char *folder = make_folder(), *columns = NULL;
    sdf_error *err = NULL;
    write_text(folder, "a", ""); /* a file without a row says nothing */
    write_text(folder, "b", text);
    write_text(folder, "c", "x,y,z\n");
    node *n = make_files(format, folder, 0);
    if (splits_columns(n, &columns, &err))
        fail_msg("%s", sdf_error_text(err));
    if (expected)
        assert_string_equal(columns, expected);
    else
        assert_null(columns);
    free(columns);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

static void test_columns(void **state)
{
    plan_format csv = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true};
    check_columns(csv, "id,name\n1,2\n", "id\nname");
    check_columns(csv, "id,name\r\n1,2\r\n", "id\nname");
    check_columns(csv, "id,name", "id\nname");
    check_columns(csv, "\xef\xbb\xbfid,name\n", "id\nname");
    check_columns(csv, "\"id\",\"full name\"\n", "id\nfull name");
    check_columns(csv, "one\n", "one");
    check_columns(csv, "", "x\ny\nz");
    csv.header = false;
    check_columns(csv, "a,b,c,d\n", NULL);
    csv.columns = "mine\nyours";
    check_columns(csv, "a,b,c,d\n", "mine\nyours");
    check_columns((plan_format){.kind = PLAN_FORMAT_JSON}, "{}\n", NULL);
    check_columns((plan_format){.kind = PLAN_FORMAT_TEXT}, "a,b\n", NULL);
}

static void test_columns_that_are_none(void **state)
{
    char *folder = make_folder(), *columns = NULL;
    plan_format csv = {.kind = PLAN_FORMAT_DELIMITED, .delimiter = ',', .quote = '"', .header = true};
    node *n = make_files(csv, folder, 0);
    sdf_error *err = NULL;
    char path[4096], *large = malloc((17 << 20) + 1);
    memset(large, 'a', 17 << 20);
    large[17 << 20] = 0;
    write_text(folder, "a", "");
    assert_int_equal(splits_columns(n, &columns, NULL), SDF_OK);
    assert_null(columns);
    write_text(folder, "a", large); /* no end of a row for 17 MiB: no text */
    assert_int_equal(splits_columns(n, &columns, &err), SDF_E_LIMIT);
    assert_non_null(strstr(sdf_error_hint(err), "columns"));
    sdf_error_free(err);
    memset(large, ',', 70000);
    large[70000] = 0;
    write_text(folder, "a", large);
    assert_int_equal(splits_columns(n, &columns, NULL), SDF_E_LIMIT);
    free(large);
    snprintf(path, sizeof path, "%s/a", folder);
    unlink(path);
    assert_int_equal(splits_columns(n, &columns, NULL), SDF_E_NOT_FOUND);
    node_unref(n, NULL, NULL);
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_small_files_share_tasks),
        cmocka_unit_test(test_share_follows_concurrency),
        cmocka_unit_test(test_what_is_not_cut),
        cmocka_unit_test(test_empty_whole_files_count),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_columns_that_are_none),
    };
    return cmocka_run_group_tests_name("plan/splits", tests, NULL, NULL);
}
