/* Every fault of fault: before a store: it happens, as often as asked, repeatably, and leaves the store as it should.
 */
#include "scratch.h"

#include "base/timebase.h"
#include "store/store.h"

static store *open_fault(const char *options)
{
    char uri[200];
    store *s;
    snprintf(uri, sizeof uri, "fault:%s:mem:", options);
    OK(store_open(uri, &s, &err));
    return s;
}

static uint64_t size_of(store *s, const char *name)
{
    uint64_t size = UINT64_MAX;
    sdf_error *err = NULL;
    s->ops->head(s->self, name, &size, &err);
    sdf_error_free(err);
    return size;
}

static int count_one(const sdf_object_info *info, void *user)
{
    ++*(int *)user;
    return 0;
}

static int count(store *s)
{
    int n = 0;
    OK(s->ops->list(s->self, "", count_one, &n, &err));
    return n;
}

static void test_read_faults(void **state)
{
    static const struct {
        const char *option;
        int code;
    } faults[] = {{"read_error=1", SDF_E_IO}, {"read_missing=1", SDF_E_NOT_FOUND}, {"read_short=1", SDF_E_CORRUPT}};
    for (size_t i = 0; i < 3; i++) {
        store *s = open_fault(faults[i].option);
        sdf_view view;
        uint64_t size;
        OK(store_put(s, "x", "0123", 4, &err));
        FAILS(faults[i].code, "injected", store_get_range(s, "x", 0, 4, NULL, &view, &err));
        if (faults[i].code == SDF_E_CORRUPT)
            OK(s->ops->head(s->self, "x", &size, &err));
        else
            FAILS(faults[i].code, "injected", s->ops->head(s->self, "x", &size, &err));
        assert_int_equal(count(s), 1);
        OK(store_remove_prefix(s, "x", &err));
        assert_int_equal(count(s), 0);
        store_unref(s);
    }
}

static int bits_that_differ(const uint8_t *a, const uint8_t *b, size_t size)
{
    int bits = 0;
    for (size_t i = 0; i < size; i++)
        bits += __builtin_popcount((unsigned)(a[i] ^ b[i]));
    return bits;
}

/* One bit, in a copy: the object itself stays right, as other views of it show. */
static void test_flip(void **state)
{
    store *s = open_fault("read_flip=0.5,seed=2");
    uint8_t bytes[300];
    int flipped = 0;
    memset(bytes, 0x5a, sizeof bytes);
    OK(store_put(s, "x", bytes, sizeof bytes, &err));
    OK(store_put(s, "none", bytes, 0, &err));
    for (int i = 0; i < 200; i++) {
        sdf_view view;
        OK(store_get(s, "x", 1000, &view, &err));
        int bits = bits_that_differ(view.data, bytes, sizeof bytes);
        assert_in_range(bits, 0, 1);
        flipped += bits;
        store_release(&view);
        OK(store_get(s, "none", 0, &view, &err));
        store_release(&view);
    }
    assert_in_range(flipped, 60, 140);
    store_unref(s);
}

static void test_throttle(void **state)
{
    store *s = open_fault("throttle=1");
    void *writer;
    sdf_view view;
    uint64_t size;
    FAILS(SDF_E_THROTTLED, "injected", s->ops->writer_open(s->self, "x", 0, &writer, &err));
    FAILS(SDF_E_THROTTLED, "injected", s->ops->head(s->self, "x", &size, &err));
    FAILS(SDF_E_THROTTLED, "injected", store_get_range(s, "x", 0, 1, NULL, &view, &err));
    store_unref(s);
}

static void test_write_faults(void **state)
{
    store *s = open_fault("write_error=1");
    FAILS(SDF_E_IO, "write error", store_put(s, "x", "0123", 4, &err));
    assert_int_equal(size_of(s, "x"), UINT64_MAX);
    store_unref(s);

    s = open_fault("commit_error=1");
    FAILS(SDF_E_IO, "commit error", store_put(s, "x", "0123", 4, &err));
    assert_int_equal(size_of(s, "x"), UINT64_MAX);
    assert_int_equal(store_memory(s), 0); /* aborted, nothing is left */
    store_unref(s);

    s = open_fault("commit_lost_reply=1");
    FAILS(SDF_E_IO, "reply", store_put(s, "x", "0123", 4, &err));
    assert_int_equal(size_of(s, "x"), 4); /* it is there all the same */
    store_unref(s);

    s = open_fault("no_space_after=1K");
    char bytes[400] = "";
    OK(store_put(s, "a", bytes, sizeof bytes, &err));
    OK(store_put(s, "b", bytes, sizeof bytes, &err));
    FAILS(SDF_E_NO_SPACE, "injected", store_put(s, "c", bytes, sizeof bytes, &err));
    FAILS(SDF_E_NO_SPACE, "injected", store_put(s, "d", bytes, 1, &err));
    assert_int_equal(count(s), 2);
    store_unref(s);
}

/* Each read of one call has its own luck, and its own object. */
static void test_many_reads(void **state)
{
    store *s = open_fault("read_missing=0.3,read_error=0.3,seed=5");
    sdf_read reads[100], *list[100];
    int ok = 0, missing = 0, failed = 0;
    memset(reads, 0, sizeof reads);
    OK(store_put(s, "x", "0123456789", 10, &err));
    for (int i = 0; i < 100; i++) {
        reads[i].struct_size = sizeof reads[i];
        reads[i].name = i % 10 == 9 ? "absent" : "x";
        reads[i].offset = (uint64_t)i % 10;
        reads[i].length = 1;
        list[i] = &reads[i];
    }
    OK(s->ops->read(s->self, list, 100, &err));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sdf_error_code(reads[i].err), reads[i].status);
        missing += reads[i].status == SDF_E_NOT_FOUND;
        failed += reads[i].status == SDF_E_IO;
        sdf_error_free(reads[i].err);
        if (reads[i].status != SDF_OK)
            continue;
        ok++;
        assert_true(i % 10 != 9);
        assert_int_equal(*(const char *)reads[i].view.data, '0' + i % 10);
        store_release(&reads[i].view);
    }
    assert_in_range(ok, 20, 70);
    assert_in_range(missing, 15, 60);
    assert_in_range(failed, 10, 50);
    store_unref(s);
}

/* Which of 64 reads fail, as bits. */
static uint64_t history(const char *options)
{
    store *s = open_fault(options);
    uint64_t bits = 0;
    OK(store_put(s, "x", "0", 1, &err));
    for (int i = 0; i < 64; i++) {
        sdf_view view;
        sdf_error *err = NULL;
        int rc = store_get_range(s, "x", 0, 1, NULL, &view, &err);
        bits = bits << 1 | (rc != SDF_OK);
        if (rc == SDF_OK)
            store_release(&view);
        sdf_error_free(err);
    }
    store_unref(s);
    return bits;
}

static void test_seeds(void **state)
{
    assert_true(history("seed=9,read_error=0.5") == history("seed=9,read_error=0.5"));
    assert_true(history("seed=9,read_error=0.5") != history("seed=10,read_error=0.5"));
    assert_true(history("seed=9") == 0);
    assert_true(history("seed=9,read_error=0") == 0);
    assert_true(history("seed=9,read_error=1") == UINT64_MAX);
}

static void test_delay(void **state)
{
    store *s = open_fault("delay_ms=4,seed=3");
    int64_t start = timebase_monotonic_us();
    for (int i = 0; i < 10; i++)
        OK(store_put(s, "x", "0", 1, &err));
    int64_t took = timebase_monotonic_us() - start;
    assert_true(took > 5000); /* 20 delays of 2 ms on average */
    store_unref(s);
}

/* Wrappers stack: faults of both happen. */
static void test_stacked(void **state)
{
    store *s;
    sdf_view view;
    OK(store_open("fault:commit_lost_reply=1:fault:read_missing=1:mem:cap=1M", &s, &err));
    FAILS(SDF_E_IO, "reply", store_put(s, "x", "0", 1, &err));
    FAILS(SDF_E_NOT_FOUND, "injected", store_get(s, "x", 1, &view, &err));
    assert_int_equal(count(s), 1);
    store_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_faults),  cmocka_unit_test(test_flip),       cmocka_unit_test(test_throttle),
        cmocka_unit_test(test_write_faults), cmocka_unit_test(test_many_reads), cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_delay),        cmocka_unit_test(test_stacked),
    };
    return cmocka_run_group_tests_name("store/fault", tests, NULL, NULL);
}
