/* The store conformance suite, on the stores that are there, on one that a host registers, and on broken ones. */
#include "scratch.h"

#include <sdf/sys/conformance.h>
#include <sdf/sys/store.h>

#include "list_store.h"
#include "store/store.h"

typedef struct tally {
    int ok, failed;
    char first[512];
} tally;

static void count(const char *line, void *user)
{
    tally *t = user;
    if (strncmp(line, "ok ", 3) == 0) {
        t->ok++;
        return;
    }
    if (t->failed++ == 0)
        snprintf(t->first, sizeof t->first, "%s", line);
}

static void passes(const char *uri)
{
    tally t = {0, 0, ""};
    sdf_error *err = NULL;
    int failed = sdf_store_conformance(uri, count, &t, &err);
    if (failed < 0)
        fail_msg("%s: %s", uri, sdf_error_text(err));
    if (failed > 0)
        fail_msg("%s: %d failed, first %s", uri, failed, t.first);
    assert_true(t.ok >= 20);
}

static void test_mem(void **state)
{
    passes("mem:");
    passes("mem:cap=64M");
}

static void test_file(void **state)
{
    char uri[600];
    snprintf(uri, sizeof uri, "file:%s", in_scratch("plain"));
    passes(uri);
    assert_false(exists(in_scratch("plain/sdf-conformance")));
    snprintf(uri, sizeof uri, "file:%s?fsync=data&shared=1", in_scratch("deep/er/synced"));
    passes(uri);
    snprintf(uri, sizeof uri, "file://%s/", in_scratch("odd %%41 [name]"));
    passes(uri);
}

static void test_fault_without_faults(void **state)
{
    char uri[600];
    passes("fault::mem:");
    passes("fault:seed=7,read_error=0:fault:seed=8:mem:");
    snprintf(uri, sizeof uri, "fault:seed=3:file:%s", in_scratch("fault"));
    passes(uri);
}

static void test_host_store(void **state)
{
    OK(list_store_register("list-store", LIST_STORE_RIGHT, &err));
    passes("list-store:anything");
    passes("fault::list-store:");
}

/* A suite that passes everything shows nothing: it must find what is wrong. */
static void test_finds_defects(void **state)
{
    static const list_store_defect defects[] = {LIST_STORE_EARLY, LIST_STORE_LENIENT, LIST_STORE_REPLACES,
                                                LIST_STORE_SHORT, LIST_STORE_KEEPS};
    for (size_t i = 0; i < sizeof defects / sizeof defects[0]; i++) {
        char scheme[32], uri[40];
        snprintf(scheme, sizeof scheme, "list-defect-%zu", i);
        snprintf(uri, sizeof uri, "%s:", scheme);
        OK(list_store_register(scheme, defects[i], &err));
        tally t = {0, 0, ""};
        int failed = sdf_store_conformance(uri, count, &t, NULL);
        if (failed <= 0)
            fail_msg("defect %zu is not found", i);
        assert_int_equal(failed, t.failed);
    }
}

static void test_faults_are_seen(void **state)
{
    assert_true(sdf_store_conformance("fault:read_flip=1:mem:", NULL, NULL, NULL) > 0);
    assert_true(sdf_store_conformance("fault:commit_error=0.5:mem:", NULL, NULL, NULL) > 0);
}

static void test_refuses_to_start(void **state)
{
    char uri[600];
    store *s;
    FAILS(SDF_E_INVALID, "nowhere", sdf_store_conformance("nowhere:", NULL, NULL, &err));
    snprintf(uri, sizeof uri, "file:%s", in_scratch("used"));
    OK(store_open(uri, &s, &err));
    OK(store_put(s, "sdf-conformance/mine", "x", 1, &err));
    store_unref(s);
    FAILS(SDF_E_EXISTS, "sdf-conformance", sdf_store_conformance(uri, NULL, NULL, &err));
    assert_true(exists(in_scratch("used/sdf-conformance/mine")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_fault_without_faults),
        cmocka_unit_test(test_host_store),
        cmocka_unit_test(test_finds_defects),
        cmocka_unit_test(test_faults_are_seen),
        cmocka_unit_test(test_refuses_to_start),
    };
    return cmocka_run_group_tests_name("store/conformance", tests, scratch_make, scratch_remove);
}
