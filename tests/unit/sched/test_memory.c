/* The scheduler when memory runs out: each allocation of a small job fails in turn, and it says so and stays whole
 * enough to be freed. (The C library's allocator is replaced, which the sanitizers don't allow: nothing fails there.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "sched/sched.h"

static long left = -1; /* allocations until one fails; < 0: none does */

#ifndef SDF_SANITIZE
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool refuse(void)
{
    return left >= 0 && left-- == 0;
}

void *calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return refuse() ? NULL : __libc_realloc(old, size);
}
#endif

#define WAITING 512

/* Two stages of 40 tasks; some tasks fail once, some go on in a second leg. SDF_OK: the job was done. */
static int run_job(sched *s)
{
    static const uint32_t parent = 1;
    uint64_t waiting[WAITING];
    uint32_t head = 0, tail = 0;
    sched_event e = {.kind = SCHED_JOB, .job = 1, .stage = 2};
    int rc = sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 40});
    rc = rc ? rc : sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 40, .parents = &parent, .parent_count = 1});
    for (int64_t now = 0; !rc; now += 10) {
        const sched_action *actions;
        size_t count;
        rc = sched_on_event(s, &e, now, &actions, &count);
        e = (sched_event){.kind = SCHED_TICK};
        for (size_t i = 0; i < count; i++) {
            const sched_action *x = &actions[i];
            if (x->kind == SCHED_JOB_DONE)
                return SDF_OK;
            if (x->kind == SCHED_LAUNCH || x->kind == SCHED_JOURNAL)
                waiting[tail++ % WAITING] = x->kind == SCHED_LAUNCH ? x->attempt : x->record | UINT64_C(1) << 40;
        }
        if (head == tail)
            continue;
        uint64_t a = waiting[head++ % WAITING];
        if (a >> 40)
            e = (sched_event){.kind = SCHED_JOURNALED, .record = a & 0xffff};
        else if (a % 7 == 0)
            e = (sched_event){.kind = SCHED_FAILED, .attempt = a, .failure = FAILURE_TRANSIENT};
        else
            e = (sched_event){.kind = SCHED_COMMITTED, .attempt = a, .cut = a % 5 == 0};
    }
    return rc;
}

static void test_memory(void **state)
{
    (void)state;
    sched_config c;
    sched_config_init(&c);
    c.concurrency = 100;
    int rc = SDF_E_NO_MEMORY;
    for (long n = 0; rc != SDF_OK; n++) {
        assert_true(n < 10000);
        left = n;
        sched *s = sched_new(&c);
        rc = s ? run_job(s) : SDF_E_NO_MEMORY;
        left = -1;
        assert_true(rc == SDF_OK || rc == SDF_E_NO_MEMORY);
        if (rc && s) { /* and it stays so */
            const sched_action *actions;
            size_t count;
            sched_event tick = {.kind = SCHED_TICK};
            if (sched_on_event(s, &tick, 0, &actions, &count) != SDF_OK)
                assert_int_equal(count, 0);
        }
        sched_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests_name("sched: out of memory", tests, NULL, NULL);
}
