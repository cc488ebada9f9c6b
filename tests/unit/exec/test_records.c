/* The sort buffer: whatever its size, records and both sets of entries never meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exec/records.h"

/* Fills a buffer of about `room` bytes with records of `value_size` and sorts them: all must come out as they went in.
 */
static void fill_and_sort(uint64_t room, size_t value_size)
{
    budget b;
    records r;
    uint8_t key[10] = {0}, value[100] = {0};
    budget_init(&b, 64 << 20);
    records_init(&r, &b, room, TYPE_BYTES, false);
    assert_int_equal(records_begin(&r, NULL, NULL), SDF_OK);
    uint32_t count = 0;
    for (sdf_slice k = {key, sizeof key}, v = {value, value_size};; count++) {
        uint32_t mixed = count * 2654435761u;
        memcpy(key, &mixed, 4);
        memcpy(key + 4, &count, 4);
        if (!records_add(&r, &k, &v, count))
            break;
    }
    assert_int_equal(r.count, count);
    assert_true(count > 0 && r.charged <= r.room && r.used + 2 * count * sizeof(record_entry) <= r.room);
    record_entry *entries = records_entries(&r);
    records_sort(&r, entries, entries - count, count);
    for (uint32_t i = 0; i < count; i++) {
        const record_head *h = record_at(&r, &entries[i]);
        assert_int_equal(h->key_size, sizeof key);
        assert_int_equal(h->value_size, value_size);
        assert_memory_equal(record_value(h).data, value, value_size);
        if (i)
            assert_true(memcmp(record_key(record_at(&r, &entries[i - 1])).data, record_key(h).data, sizeof key) < 0);
    }
    records_release(&r);
    assert_int_equal(b.used, 0);
}

static void test_a_full_buffer_of_any_size(void **state)
{
    static const size_t values[] = {0, 3, 90};
    for (uint64_t room = 0; room < (3 << 20); room = room * 5 / 4 + 41003)
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            fill_and_sort(room, values[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_buffer_of_any_size),
    };
    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
