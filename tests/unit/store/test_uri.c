/* Opening stores by URI, registering schemes, names, whole-object helpers. */
#include "scratch.h"

#include <sdf/sys/store.h>

#include "list_store.h"
#include "store/local.h"
#include "store/store.h"

static void test_bad_uris(void **state)
{
    store *s = NULL;
    char longer[5000];
    FAILS(SDF_E_INVALID, "empty", store_open(NULL, &s, &err));
    FAILS(SDF_E_INVALID, "empty", store_open("", &s, &err));
    FAILS(SDF_E_INVALID, "file:/tmp/x", store_open("/tmp/x", &s, &err));
    FAILS(SDF_E_INVALID, "did you mean \"file:\"", store_open("fiel:/tmp/x", &s, &err));
    FAILS(SDF_E_INVALID, "no store scheme", store_open("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz:x", &s, &err));
    FAILS(SDF_E_INVALID, "no store scheme", store_open(":x", &s, &err));
    FAILS(SDF_E_INVALID, "did you mean \"cap\"", store_open("mem:cup=1G", &s, &err));
    FAILS(SDF_E_INVALID, "a size", store_open("mem:cap=much", &s, &err));
    FAILS(SDF_E_INVALID, "names no folder", store_open("file:", &s, &err));
    FAILS(SDF_E_INVALID, "names no folder", store_open("file:?fsync=none", &s, &err));
    FAILS(SDF_E_INVALID, "names a host", store_open("file://server/dir", &s, &err));
    FAILS(SDF_E_INVALID, "none|data", store_open("file:/tmp/x?fsync=maybe", &s, &err));
    FAILS(SDF_E_INVALID, "did you mean \"fsync\"", store_open("file:/tmp/x?fsnc=none", &s, &err));
    FAILS(SDF_E_INVALID, "fault:key=value", store_open("fault:", &s, &err));
    FAILS(SDF_E_INVALID, "no URI", store_open("fault::", &s, &err));
    FAILS(SDF_E_INVALID, "key=value", store_open("fault:mem:", &s, &err));
    FAILS(SDF_E_INVALID, "\"mem\"", store_open("fault:mem:mem:", &s, &err));
    FAILS(SDF_E_INVALID, "did you mean \"read_error\"", store_open("fault:read_eror=1:mem:", &s, &err));
    FAILS(SDF_E_INVALID, "before a store", store_open("fault:lost_reply_of_a_worker=1:mem:", &s, &err));
    FAILS(SDF_E_INVALID, "probability", store_open("fault:read_error=2:mem:", &s, &err));
    FAILS(SDF_E_INVALID, "delay_ms", store_open("fault:delay_ms=9999999:mem:", &s, &err));
    memset(longer, 'f', sizeof longer);
    memcpy(longer, "file:/", 6);
    longer[4999] = 0;
    FAILS(SDF_E_LIMIT, "longer than", store_open(longer, &s, &err));
    longer[4000] = 0;
    FAILS(SDF_E_LIMIT, "longer than", store_open(longer, &s, &err));
    for (size_t i = 0; i + 7 < 4000; i++)
        longer[i] = "fault::"[i % 7];
    longer[3990] = 0;
    FAILS(SDF_E_INVALID, "no URI", store_open(longer, &s, &err)); /* wrappers in wrappers end somewhere */
    assert_null(s);
}

/* A worker may have another working folder, so relative paths become absolute when the store is opened. */
static void test_absolute_uri(void **state)
{
    char before[4096], expected[600];
    store *s;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch), 0);
    OK(store_open("file:rel/ative/?fsync=none", &s, &err));
    snprintf(expected, sizeof expected, "file:%s?fsync=none", in_scratch("rel/ative"));
    assert_string_equal(s->uri, expected);
    assert_int_equal(store_scope(s), SDF_SCOPE_HOST);
    store_unref(s);
    OK(store_open("fault:seed=4,read_error=0.5:fault::file:./x?shared=1", &s, &err));
    snprintf(expected, sizeof expected, "fault:seed=4,read_error=0.5:fault::file:%s?shared=1", in_scratch("./x"));
    assert_string_equal(s->uri, expected);
    assert_int_equal(store_scope(s), SDF_SCOPE_NETWORK);
    store_unref(s);
    OK(store_open("mem:cap=1M", &s, &err));
    assert_string_equal(s->uri, "mem:cap=1M");
    assert_int_equal(store_scope(s), SDF_SCOPE_PROCESS);
    store_unref(s);
    assert_int_equal(chdir(before), 0);
}

static void test_local_paths(void **state)
{
    static const char *const same[][2] = {{"/a/b", "/a/b"},  {"/a/b///", "/a/b"}, {"/", "/"},
                                          {"file:/a", "/a"}, {"file:///a", "/a"}, {"file:/a%20b", "/a%20b"},
                                          {"/x:y", "/x:y"},  {"//", "/"},         {"/a?b", "/a?b"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char *path;
        OK(local_path(same[i][0], &path, &err));
        assert_string_equal(path, same[i][1]);
        free(path);
    }
    char *path = NULL;
    FAILS(SDF_E_UNSUPPORTED, "s3:", local_path("s3://bucket/key", &path, &err));
    FAILS(SDF_E_INVALID, "host", local_path("file://host/x", &path, &err));
    FAILS(SDF_E_INVALID, "empty", local_path("", &path, &err));
    FAILS(SDF_E_INVALID, "empty", local_path("file:", &path, &err));
}

static int open_never(const char *rest, void *user, void **self, sdf_error **err)
{
    *err = sdf_error_new(SDF_E_ACCESS, "this store never opens", NULL);
    return SDF_E_ACCESS;
}

static void test_register(void **state)
{
    sdf_store_ops ops = LIST_STORE_OPS(list_writer_open), other = ops;
    store *s;
    FAILS(SDF_E_INVALID, "scheme", sdf_store_register(NULL, &ops, open_never, NULL, &err));
    FAILS(SDF_E_INVALID, "scheme", sdf_store_register("x", &ops, open_never, NULL, &err));
    FAILS(SDF_E_INVALID, "scheme", sdf_store_register("Upper", &ops, open_never, NULL, &err));
    FAILS(SDF_E_INVALID, "scheme", sdf_store_register("a:b", &ops, open_never, NULL, &err));
    FAILS(SDF_E_INVALID, "open", sdf_store_register("good", &ops, NULL, NULL, &err));
    FAILS(SDF_E_INVALID, "no ops", sdf_store_register("good", NULL, open_never, NULL, &err));
    FAILS(SDF_E_EXISTS, "mem:", sdf_store_register("mem", &ops, open_never, NULL, &err));
    ops.struct_size = 16;
    FAILS(SDF_E_INVALID, "struct_size", sdf_store_register("good", &ops, open_never, NULL, &err));
    ops = other;
    ops.version = 2;
    FAILS(SDF_E_INVALID, "version 2", sdf_store_register("good", &ops, open_never, NULL, &err));
    ops = other;
    ops.scope = 0;
    FAILS(SDF_E_INVALID, "scope", sdf_store_register("good", &ops, open_never, NULL, &err));
    ops = other;
    ops.remove = NULL;
    FAILS(SDF_E_INVALID, "lacks the mandatory op remove", sdf_store_register("good", &ops, open_never, NULL, &err));
    static sdf_store_ops kept;
    kept = other;
    OK(sdf_store_register("good", &kept, open_never, NULL, &err));
    OK(sdf_store_register("good", &kept, open_never, NULL, &err));
    FAILS(SDF_E_EXISTS, "good", sdf_store_register("good", &kept, open_never, &kept, &err));
    FAILS(SDF_E_ACCESS, "never opens", store_open("good:x", &s, &err));
    FAILS(SDF_E_ACCESS, "never opens", store_open("fault::good:x", &s, &err));
}

/* Ops of an older header are shorter, those of a newer one longer. */
static void test_struct_sizes(void **state)
{
    static const list_store_defect right = LIST_STORE_RIGHT;
    static struct {
        sdf_store_ops ops;
        void *more[2];
    } newer = {LIST_STORE_OPS(list_writer_open), {NULL, NULL}};
    static sdf_store_ops older = LIST_STORE_OPS(list_writer_open);
    store *s;
    older.struct_size = offsetof(sdf_store_ops, get_scope);
    older.memory = (uint64_t(*)(void *))abort; /* beyond its size: never looked at */
    OK(sdf_store_register("older", &older, list_store_open, (void *)(uintptr_t)&right, &err));
    OK(store_open("older:", &s, &err));
    assert_int_equal(store_memory(s), 0);
    OK(store_put(s, "a/b", "text", 4, &err));
    OK(store_remove_prefix(s, "a/", &err));
    store_unref(s);

    newer.ops.struct_size = sizeof newer;
    newer.more[1] = &newer;
    FAILS(SDF_E_VERSION, "doesn't know", sdf_store_register("newer", &newer.ops, list_store_open, NULL, &err));
    newer.more[1] = NULL;
    OK(sdf_store_register("newer", &newer.ops, list_store_open, (void *)(uintptr_t)&right, &err));
    OK(store_open("newer:", &s, &err));
    store_unref(s);
}

static void test_helpers(void **state)
{
    store *s;
    sdf_view view;
    OK(store_open("mem:", &s, &err));
    assert_ptr_equal(store_ref(s), s);
    OK(store_put(s, "a", "hello", 5, &err));
    OK(store_get(s, "a", 5, &view, &err));
    assert_int_equal(view.size, 5);
    assert_memory_equal(view.data, "hello", 5);
    store_release(&view);
    store_release(&view); /* the second time nothing is left to do */
    FAILS(SDF_E_LIMIT, "5 bytes", store_get(s, "a", 4, &view, &err));
    FAILS(SDF_E_NOT_FOUND, "\"b\"", store_get(s, "b", 4, &view, &err));
    FAILS(SDF_E_CORRUPT, "too few", store_get_range(s, "a", 3, 3, NULL, &view, &err));
    OK(store_get_range(s, "a", 3, 2, NULL, &view, &err));
    assert_memory_equal(view.data, "lo", 2);
    store_release(&view);
    OK(store_put_sealed(s, "sealed", "hello", 5, &err));
    OK(store_get_sealed(s, "sealed", 5, &view, &err));
    assert_int_equal(view.size, 5);
    assert_memory_equal(view.data, "hello", 5);
    store_release(&view);
    FAILS(SDF_E_LIMIT, "sealed", store_get_sealed(s, "sealed", 4, &view, &err));
    FAILS(SDF_E_CORRUPT, "checksum", store_get_sealed(s, "a", 5, &view, &err));
    OK(store_put(s, "empty", NULL, 0, &err));
    OK(store_get(s, "empty", 0, &view, &err));
    assert_int_equal(view.size, 0);
    store_release(&view);
    store_unref(s);
    store_unref(s);
    store_unref(NULL);
}

/* More objects than one round takes. */
static void test_remove_prefix(void **state)
{
    store *s;
    char name[64];
    uint64_t size;
    OK(store_open("mem:", &s, &err));
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "job/%d/x%d", i % 7, i);
        OK(store_put(s, name, name, 10, &err));
    }
    OK(store_put(s, "jobs", "kept", 4, &err));
    OK(store_remove_prefix(s, "job/", &err));
    FAILS(SDF_E_NOT_FOUND, "job/6", s->ops->head(s->self, "job/6/x2498", &size, &err));
    OK(s->ops->head(s->self, "jobs", &size, &err));
    OK(store_remove_prefix(s, "", &err));
    assert_int_equal(store_memory(s), 0);
    FAILS(SDF_E_INVALID, "..", store_remove_prefix(s, "../", &err));
    store_unref(s);
}

static int remove_nothing(void *self, const char *const *names, size_t count, sdf_error **err)
{
    return SDF_OK;
}

/* A store that gives fewer bytes than asked for is caught before anybody looks behind them; one that removes nothing
 * is not asked for ever. */
static void test_defective_stores(void **state)
{
    static const list_store_defect brief = LIST_STORE_SHORT;
    static sdf_store_ops ops = LIST_STORE_OPS(list_writer_open);
    store *s;
    sdf_view view;
    char name[64];
    ops.remove = remove_nothing;
    OK(sdf_store_register("defective", &ops, list_store_open, (void *)(uintptr_t)&brief, &err));
    OK(store_open("defective:", &s, &err));
    OK(store_put(s, "a", "hello", 5, &err));
    FAILS(SDF_E_CORRUPT, "gave 2 bytes", store_get_range(s, "a", 3, 100, NULL, &view, &err));
    for (int i = 0; i < 1001; i++) {
        snprintf(name, sizeof name, "job/%d", i);
        OK(store_put(s, name, "x", 1, &err));
    }
    OK(store_remove_prefix(s, "job/", &err));
    store_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_uris),      cmocka_unit_test(test_absolute_uri),
        cmocka_unit_test(test_local_paths),   cmocka_unit_test(test_register),
        cmocka_unit_test(test_struct_sizes),  cmocka_unit_test(test_helpers),
        cmocka_unit_test(test_remove_prefix), cmocka_unit_test(test_defective_stores),
    };
    return cmocka_run_group_tests_name("store/uri", tests, scratch_make, scratch_remove);
}
