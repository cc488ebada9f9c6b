/* Files in and out through the public functions: delimited and JSON rows with expressions, whole files, manifests,
 * formats and compressions of outputs, single files, records that were diverted. */
#include "shown.h"

#include <dirent.h>

static sdf_context *c;
static char *folder;

static int setup(void **state)
{
    register_functions();
    c = plain_context();
    folder = make_folder();
    return 0;
}

static int teardown(void **state)
{
    sdf_context_close(c);
    drop_folder(folder);
    return 0;
}

static char *path(const char *name)
{
    static char at[4][512];
    static int turn;
    char *p = at[turn++ % 4];
    snprintf(p, sizeof at[0], "%s/%s", folder, name);
    return p;
}

static char *read_whole(const char *name)
{
    char *text = calloc(1, 65536);
    FILE *f = fopen(path(name), "r");
    if (!f)
        fail_msg("no %s", name);
    assert_true(fread(text, 1, 65535, f) < 65535);
    fclose(f);
    return text;
}

static void expect_file(const char *name, const char *want)
{
    char *got = read_whole(name);
    assert_string_equal(got, want);
    free(got);
}

static void save(sdf_rdd *rdd, const char *name, const sdf_save_options *o)
{
    sdf_error *err = NULL;
    if (sdf_save(rdd, path(name), o, &err))
        fail_msg("%s", sdf_error_text(err));
}

static void test_delimited_in(void **state)
{
    write_text(folder, "trips.csv", "id,fare,\"the note\"\n1,2.5,\"a, b\"\n2,10,plain\n3,7.5,\"say \"\"hi\"\"\"\n");
    sdf_rdd *rows = sdf_delimited_file(c, path("trips.csv"), NULL);
    expect_rdd(sdf_select(sdf_where(rows, "f64($fare) > 5"), "i64($id)", "${the note}"), "2:plain 3:say \"hi\"");
    expect_rdd(sdf_aggregate_by_key(sdf_select(rows, "1", "tuple(f64($fare), i64($id))"), "sdf.each", "mean max", 8, 1),
               "1:6.666666666666667,3");
    sdf_result *r;
    sdf_error *err = NULL;
    assert_true(sdf_collect(sdf_where(rows, "f64($fair) > 5"), &r, &err) < 0);
    expect_error(err, SDF_E_NOT_FOUND, "fare");
    sdf_error_free(err);
    sdf_delimited_options o;
    sdf_delimited_options_init(&o);
    write_text(folder, "bare.tsv", "x\t1\ny\t2\n");
    o.delimiter = '\t';
    o.header = 0;
    o.columns = "name, n";
    expect_rdd(sdf_select(sdf_delimited_file(c, path("bare.tsv"), &o), "$name", "i64($n)"), "x:1 y:2");
    o.columns = NULL;
    expect_rdd(sdf_select(sdf_delimited_file(c, path("bare.tsv"), &o), "$1", "$2"), "x:1 y:2");
}

static void test_json_in(void **state)
{
    write_text(folder, "events.json",
               "{\"user\":{\"name\":\"ann\"},\"n\":3}\n\n{\"n\":4,\"user\":{\"name\":\"bob\"}}\n");
    sdf_rdd *rows = sdf_json_file(c, path("events.json"), NULL);
    expect_rdd(sdf_select(rows, "$user.name", "i64($n)"), "ann:3 bob:4");
}

static void test_whole_files_and_manifests(void **state)
{
    write_text(folder, "one.txt", "1\n2\n");
    write_text(folder, "two.txt", "3");
    write_text(folder, "list", "# of mine\ntwo.txt\none.txt\n");
    char manifest[600];
    snprintf(manifest, sizeof manifest, "manifest:%s", path("list"));
    expect_rdd(sdf_text_file(c, manifest, NULL), "~:1 :2 :3");
    assert_int_equal(count_of(sdf_whole_files(c, path("*.txt"), NULL)), 2);
    sdf_result *r;
    write_text(folder, "bad", "gone.txt\n");
    snprintf(manifest, sizeof manifest, "manifest:%s", path("bad"));
    sdf_error *err = NULL;
    assert_int_equal(sdf_collect(sdf_text_file(c, manifest, NULL), &r, &err), SDF_E_NOT_FOUND);
    expect_error(err, SDF_E_NOT_FOUND, "gone.txt");
    sdf_error_free(err);
}

static void test_formats_out(void **state)
{
    sdf_rdd *n = sdf_select(sdf_range(c, 1, 4, 1, 1), "concat('k,', bytes(value))", "tuple(value, f64(value) / 2)");
    sdf_save_options o;
    sdf_save_options_init(&o);
    o.single = 1;
    save(n, "plain.txt", &o);
    expect_file("plain.txt", "k,1\t1\t0.5\nk,2\t2\t1\nk,3\t3\t1.5\n");
    o.format = "delimited";
    o.columns = "key, n, half";
    save(n, "out.csv", &o);
    expect_file("out.csv", "key,n,half\n\"k,1\",1,0.5\n\"k,2\",2,1\n\"k,3\",3,1.5\n");
    o.format = "json";
    save(n, "out.json", &o);
    expect_file("out.json", "{\"key\":\"k,1\",\"n\":1,\"half\":0.5}\n{\"key\":\"k,2\",\"n\":2,\"half\":1}\n"
                            "{\"key\":\"k,3\",\"n\":3,\"half\":1.5}\n");
    o.columns = NULL;
    save(n, "names.json", &o);
    char *text = read_whole("names.json");
    assert_non_null(strstr(text, "{\"key\":\"k,1\",\"value_1\":1,\"value_2\":0.5}"));
    free(text);
    assert_int_equal(sdf_save(n, path("names.json"), &o, NULL), SDF_E_EXISTS);
}

/* What was written with any compression reads back, from one file and from parts. */
static void test_round_trips(void **state)
{
    static const char *const names[] = {"gzip", "zstd", "lz4", "bzip2", "none"};
    static const char *const ends[] = {".gz", ".zst", ".lz4", ".bz2", ""};
    sdf_rdd *n = sdf_range(c, 0, 5000, 1, 3);
    for (int by_name = 0; by_name < 2; by_name++)
        for (size_t i = 0; i < 5; i++) {
            char file[64], out[64];
            sdf_save_options o;
            sdf_save_options_init(&o);
            o.single = 1;
            snprintf(file, sizeof file, "n%d%s", by_name, ends[i]);
            o.compression = by_name ? names[i] : NULL;
            save(n, file, &o);
            sdf_rdd *back = sdf_select(sdf_text_file(c, path(file), NULL), NULL, "i64(value)");
            pairs p = collect_pairs(back);
            assert_int_equal(p.count, 5000);
            for (size_t k = 0; k < p.count; k++)
                assert_int_equal(p.at[k].value, k);
            free(p.at);
            o.single = 0;
            o.compression = names[i];
            snprintf(out, sizeof out, "parts%d-%s", by_name, names[i]);
            save(n, out, &o);
            assert_int_equal(count_of(sdf_text_file(c, path(out), NULL)), 5000);
        }
}

static void test_diverted(void **state)
{
    write_text(folder, "numbers.txt", "1\ntwo\n3\n");
    sdf_rdd *n = sdf_rdd_on_error(sdf_select(sdf_text_file(c, path("numbers.txt"), NULL), NULL, "i64(value) * 2"),
                                  SDF_ERRORS_DIVERT);
    save(n, "doubled", NULL);
    expect_rdd(sdf_text_file(c, path("doubled"), NULL), "~:2 :6");
    sdf_rdd *errors = sdf_json_file(c, path("doubled/_errors"), NULL);
    sdf_result *r;
    sdf_error *err = NULL;
    if (sdf_collect(sdf_select(errors, "i64($offset)", "$record"), &r, &err))
        fail_msg("%s", sdf_error_text(err));
    char *got = shown(r, 0);
    assert_string_equal(got, "2:two");
    free(got);
    uint64_t count;
    sdf_rdd *fails = sdf_select(sdf_text_file(c, path("numbers.txt"), NULL), NULL, "i64(value)");
    assert_true(sdf_count(fails, &count, &err) < 0);
    if (!strstr(sdf_error_text(err), "two"))
        fail_msg("%s", sdf_error_text(err));
    sdf_error_free(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delimited_in),
        cmocka_unit_test(test_json_in),
        cmocka_unit_test(test_whole_files_and_manifests),
        cmocka_unit_test(test_formats_out),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_diverted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
