/* What is particular to mem: lending, the cap, growth of large objects, accounting. */
#include "scratch.h"

#include <pthread.h>

#include "base/hash.h"
#include "store/store.h"

static store *open_mem(const char *uri)
{
    store *s;
    OK(store_open(uri, &s, &err));
    return s;
}

/* Views point into the object itself: no copies. */
static void test_lends(void **state)
{
    store *s = open_mem("mem:");
    sdf_view all, part;
    char buffer[100];
    OK(store_put(s, "x", "0123456789", 10, &err));
    OK(store_get(s, "x", 10, &all, &err));
    OK(store_get_range(s, "x", 4, 3, buffer, &part, &err));
    assert_ptr_equal((const char *)all.data + 4, part.data);
    store_release(&all);
    store_release(&part);
    store_unref(s);
}

/* Even the store may go first. */
static void test_view_outlives_store(void **state)
{
    store *s = open_mem("mem:");
    sdf_view view;
    OK(store_put(s, "x", "0123456789", 10, &err));
    OK(store_get(s, "x", 10, &view, &err));
    store_unref(s);
    assert_memory_equal(view.data, "0123456789", 10);
    store_release(&view);
}

/* Grows through the heap into a mapping, moving, and stays in one piece. */
static void test_large(void **state)
{
    enum { CHUNK = 100003, CHUNKS = 170 };
    store *s = open_mem("mem:");
    uint8_t *chunk = malloc(CHUNK);
    void *writer;
    OK(s->ops->writer_open(s->self, "large", 1, &writer, &err));
    for (int i = 0; i < CHUNKS; i++) {
        memset(chunk, i, CHUNK);
        sdf_slice parts[2] = {{chunk, 10}, {chunk + 10, CHUNK - 10}};
        OK(s->ops->writer_append(s->self, writer, parts, 2, &err));
    }
    OK(s->ops->writer_commit(s->self, writer, &err));
    sdf_view view;
    OK(store_get(s, "large", UINT64_MAX, &view, &err));
    assert_int_equal(view.size, (size_t)CHUNK * CHUNKS);
    for (int i = 0; i < CHUNKS; i++) {
        memset(chunk, i, CHUNK);
        assert_memory_equal((const uint8_t *)view.data + (size_t)i * CHUNK, chunk, CHUNK);
    }
    assert_in_range(store_memory(s), (size_t)CHUNK * CHUNKS, (size_t)CHUNK * CHUNKS + 4096);
    store_release(&view);
    free(chunk);
    store_unref(s);
}

static void test_cap(void **state)
{
    store *s = open_mem("mem:cap=100K");
    static char bytes[60000];
    sdf_view view;
    OK(store_put(s, "a", bytes, sizeof bytes, &err));
    FAILS(SDF_E_NO_SPACE, "mem:cap=SIZE", store_put(s, "b", bytes, sizeof bytes, &err));
    assert_in_range(store_memory(s), 60000, 61000); /* the failed one holds nothing */
    FAILS(SDF_E_NOT_FOUND, "b", store_get(s, "b", 10, &view, &err));
    /* What is lent counts until it is released. */
    OK(store_get(s, "a", sizeof bytes, &view, &err));
    OK(store_remove_prefix(s, "a", &err));
    FAILS(SDF_E_NO_SPACE, "full", store_put(s, "b", bytes, sizeof bytes, &err));
    store_release(&view);
    OK(store_put(s, "b", bytes, sizeof bytes, &err));
    store_unref(s);
    s = open_mem("mem:cap=0");
    FAILS(SDF_E_NO_SPACE, "full", store_put(s, "b", NULL, 0, &err));
    store_unref(s);
}

/* A refused append leaves the writer as it was. */
static void test_cap_while_writing(void **state)
{
    store *s = open_mem("mem:cap=10K");
    static char bytes[9000];
    sdf_slice big = {bytes, 9000}, small = {"abc", 3};
    void *writer;
    sdf_view view;
    OK(s->ops->writer_open(s->self, "w", 0, &writer, &err));
    OK(s->ops->writer_append(s->self, writer, &small, 1, &err));
    OK(s->ops->writer_append(s->self, writer, &big, 1, &err));
    FAILS(SDF_E_NO_SPACE, "\"w\"", s->ops->writer_append(s->self, writer, &big, 1, &err));
    OK(s->ops->writer_append(s->self, writer, &small, 1, &err));
    OK(s->ops->writer_commit(s->self, writer, &err));
    OK(store_get(s, "w", 20000, &view, &err));
    assert_int_equal(view.size, 9006);
    assert_memory_equal((const char *)view.data + 9003, "abc", 3);
    store_release(&view);
    store_unref(s);
}

static void test_many_objects(void **state)
{
    store *s = open_mem("mem:");
    char name[40];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "many/%d", i);
        OK(store_put(s, name, &i, sizeof i, &err));
    }
    for (int i = 0; i < 20000; i += 7) {
        sdf_view view;
        snprintf(name, sizeof name, "many/%d", i);
        OK(store_get(s, name, 4, &view, &err));
        assert_memory_equal(view.data, &i, sizeof i);
        store_release(&view);
    }
    OK(store_remove_prefix(s, "many/", &err));
    assert_int_equal(store_memory(s), 0);
    store_unref(s);
}

/* Writers, readers and removers of the same few names at once; the accounting comes out even. */
static void *churn(void *user)
{
    store *s = user;
    uint64_t random = (uintptr_t)&random;
    for (int i = 0; i < 3000; i++) {
        char name[16];
        sdf_view view;
        random = hash_mix(random, (uint64_t)i);
        snprintf(name, sizeof name, "n%d", (int)(random % 8));
        const char *names[1] = {name};
        if (random >> 32 & 1)
            store_put(s, name, &random, sizeof random, NULL);
        else if (random >> 33 & 1)
            s->ops->remove(s->self, names, 1, NULL);
        else if (store_get(s, name, 100, &view, NULL) == SDF_OK)
            store_release(&view);
    }
    return NULL;
}

static void test_churn(void **state)
{
    store *s = open_mem("mem:");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, s), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    OK(store_remove_prefix(s, "", &err));
    assert_int_equal(store_memory(s), 0);
    store_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lends), cmocka_unit_test(test_view_outlives_store), cmocka_unit_test(test_large),
        cmocka_unit_test(test_cap),   cmocka_unit_test(test_cap_while_writing),   cmocka_unit_test(test_many_objects),
        cmocka_unit_test(test_churn),
    };
    return cmocka_run_group_tests_name("store/mem", tests, NULL, NULL);
}
