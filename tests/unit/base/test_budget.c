/* Budgets that spill, and arenas that never pass them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/budget.h"
#include "base/error.h"
#include "base/timebase.h"

typedef struct holder {
    budget_spiller spiller;
    budget *budget;
    uint64_t held, each; /* bytes; freed by one spill */
    int spills, fail;
    uint64_t wants; /* takes so much while it spills */
} holder;

static uint64_t holder_held(void *self)
{
    return ((holder *)self)->held;
}

static int holder_spill(void *self, sdf_error **err)
{
    holder *h = self;
    h->spills++;
    if (h->fail)
        return error_set(err, h->fail, "the disk is full");
    if (h->wants && budget_take(h->budget, h->wants, &h->spiller, NULL) == SDF_OK)
        budget_give(h->budget, h->wants);
    uint64_t n = h->each < h->held ? h->each : h->held;
    h->held -= n;
    budget_give(h->budget, n);
    return SDF_OK;
}

static void hold(holder *h, budget *b, uint64_t bytes, uint64_t each)
{
    *h = (holder){
        .spiller = {holder_spill, holder_held, h, NULL, false, false}, .budget = b, .held = bytes, .each = each};
    assert_int_equal(budget_try(b, bytes), 1);
    budget_add_spiller(b, &h->spiller);
}

static void the_fattest_spills_first_and_only_as_needed(void **state)
{
    budget b;
    holder thin, fat;
    budget_init(&b, 1000);
    hold(&fat, &b, 600, 600);
    hold(&thin, &b, 300, 300);
    assert_int_equal(budget_take(&b, 100, NULL, NULL), SDF_OK);
    assert_int_equal(fat.spills + thin.spills, 0);
    assert_int_equal(budget_try(&b, 1), 0);
    assert_int_equal(budget_take(&b, 1, NULL, NULL), SDF_OK);
    assert_int_equal(fat.spills, 1);
    assert_int_equal(thin.spills, 0);
    assert_int_equal(b.used, 401);
    assert_int_equal(b.peak, 1000);
    assert_int_equal(budget_left(&b), 599);
    sdf_error *err = NULL;
    assert_int_equal(budget_take(&b, 800, &thin.spiller, &err), SDF_E_NO_MEMORY); /* never itself */
    assert_int_equal(thin.spills, 0);
    assert_true(strstr(sdf_error_message(err), "800") && strstr(sdf_error_message(err), "1000"));
    assert_true(*sdf_error_hint(err) != '\0');
    sdf_error_free(err);
    budget_remove_spiller(&b, &fat.spiller);
    budget_remove_spiller(&b, &fat.spiller);
    assert_int_equal(budget_take(&b, 800, NULL, NULL), SDF_OK);
    assert_int_equal(thin.spills, 1);
    budget_give(&b, 100000);
    assert_int_equal(b.used, 0);
}

static void spillers_that_do_not_help_end_the_search(void **state)
{
    budget b;
    holder stuck, failing, slow, nested;
    budget_init(&b, 1000);
    hold(&stuck, &b, 500, 0);
    hold(&slow, &b, 400, 50);
    assert_int_equal(budget_take(&b, 300, NULL, NULL), SDF_OK);
    assert_int_equal(stuck.spills, 1);
    assert_int_equal(slow.spills, 4);
    assert_int_equal(budget_take(&b, 999, NULL, NULL), SDF_E_NO_MEMORY);
    assert_int_equal(stuck.spills, 2);
    assert_int_equal(budget_take(&b, 1001, NULL, NULL), SDF_E_NO_MEMORY); /* hopeless: nobody is troubled */
    assert_int_equal(stuck.spills, 2);
    budget_init(&b, 1000);
    hold(&failing, &b, 900, 0);
    failing.fail = SDF_E_NO_SPACE;
    sdf_error *err = NULL;
    assert_int_equal(budget_take(&b, 200, NULL, &err), SDF_E_NO_SPACE);
    assert_int_equal(sdf_error_code(err), SDF_E_NO_SPACE);
    sdf_error_free(err);
    budget_init(&b, 1000);
    hold(&nested, &b, 700, 700);
    hold(&slow, &b, 250, 50);
    nested.wants = 100;
    slow.wants = 500; /* while both spill neither is asked again */
    assert_int_equal(budget_take(&b, 600, NULL, NULL), SDF_OK);
}

static void pages_are_zero_and_aligned(void **state)
{
    uint8_t *p = pages_map(5000000);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (2 << 20), 0);
    assert_int_equal(p[0] | p[4999999], 0);
    memset(p, 1, 5000000);
    pages_unmap(p, 5000000);
    p = pages_map(1);
    assert_int_equal(*p, 0);
    pages_unmap(p, 1);
    assert_null(pages_map(0));
    assert_null(pages_map(SIZE_MAX));
    pages_unmap(NULL, 10);
}

static void an_arena_stays_within_its_budget(void **state)
{
    static const uint8_t zeros[100000];
    rng r = {3};
    for (int round = 0; round < 20; round++) {
        budget b;
        arena a;
        uint8_t *kept[2000];
        size_t sizes[2000], n = 0;
        budget_init(&b, 100000 + rng_below(&r, 2000000));
        arena_init(&a, &b, 1024, 256 << 10);
        for (; n < 2000; n++) {
            sizes[n] = rng_below(&r, rng_below(&r, 100) ? 300 : 100000);
            kept[n] = n & 1 ? arena_alloc(&a, sizes[n]) : arena_copy(&a, zeros, sizes[n]);
            if (!kept[n])
                break;
            if (n & 1)
                assert_int_equal((uintptr_t)kept[n] % 8, 0);
            if (sizes[n])
                memset(kept[n], (int)(n & 0xff), sizes[n]);
            assert_true(b.used <= b.limit);
            assert_true(a.charged == b.used);
        }
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(kept[i][k], i & 0xff);
        arena_reset(&a);
        assert_true(b.used <= 1024 || n == 0);
        assert_non_null(arena_alloc(&a, 8));
        assert_true(b.used <= 1024);
        arena_free(&a);
        assert_int_equal(b.used, 0);
        assert_int_equal(a.charged, 0);
    }
}

static void a_large_request_leaves_the_current_chunk_in_use(void **state)
{
    budget b;
    arena a;
    budget_init(&b, 1 << 20);
    arena_init(&a, &b, 4096, 65536);
    uint8_t *x = arena_alloc(&a, 16);
    assert_non_null(arena_alloc(&a, 100000));
    uint8_t *y = arena_alloc(&a, 16);
    assert_ptr_equal(y, x + 16);
    assert_null(arena_alloc(&a, 1 << 20));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 100));
    assert_non_null(arena_copy(&a, NULL, 0));
    arena_reset(&a);
    assert_int_equal(b.used, 4096);
    assert_ptr_equal(arena_alloc(&a, 16), x);
    arena_free(&a);
    arena_free(&a);
    assert_non_null(arena_alloc(&a, 1)); /* a freed arena may go on */
    arena_free(&a);
    assert_int_equal(b.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fattest_spills_first_and_only_as_needed),
        cmocka_unit_test(spillers_that_do_not_help_end_the_search),
        cmocka_unit_test(pages_are_zero_and_aligned),
        cmocka_unit_test(an_arena_stays_within_its_budget),
        cmocka_unit_test(a_large_request_leaves_the_current_chunk_in_use),
    };
    return cmocka_run_group_tests_name("base/budget", tests, NULL, NULL);
}
