/* The map from ids, held against a plain array. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/idmap.h"
#include "base/timebase.h"

#define IDS 3000

static void test_empty(void **state)
{
    idmap m = {0};
    assert_null(idmap_find(&m, 1));
    assert_null(idmap_find(&m, 0));
    assert_true(idmap_put(&m, 7, 70));
    assert_null(idmap_find(&m, 0));
    assert_null(idmap_find(&m, 8));
    assert_int_equal(*idmap_find(&m, 7), 70);
    idmap_remove(&m, 7);
    assert_null(idmap_find(&m, 7));
    idmap_free(&m);
    assert_null(idmap_find(&m, 7));
}

/* Ids far apart and close together, put and removed at random. */
static void test_against_an_array(void **state)
{
    static uint64_t values[IDS];
    idmap m = {0};
    rng r = {11};
    uint32_t count = 0;
    for (int step = 0; step < 200000; step++) {
        uint32_t i = (uint32_t)rng_below(&r, IDS);
        uint64_t key = i % 2 ? i : (uint64_t)(i + 2) << 40;
        uint64_t *found = idmap_find(&m, key);
        assert_int_equal(found != NULL, values[i] != 0);
        if (found) {
            assert_int_equal(*found, values[i]);
            idmap_remove(&m, key);
            values[i] = 0;
            count--;
        } else {
            values[i] = rng_next(&r) | 1;
            assert_true(idmap_put(&m, key, values[i]));
            count++;
        }
        assert_int_equal(m.count, count);
    }
    assert_true(m.room <= 4 * IDS);
    idmap_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_against_an_array),
    };
    return cmocka_run_group_tests_name("idmap", tests, NULL, NULL);
}
