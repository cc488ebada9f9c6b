/* Each allocation of a job's life fails in turn, and only that one: the job ends once, well or with an error, and
 * nothing leaks or crashes. This program has its own malloc, which sanitizers have too: there the test is skipped. */
#include <errno.h>
#include <limits.h>

#include "rig.h"

#if !defined(SDF_SANITIZE) && defined(__GLIBC__)

/* Volatile: compilers take it for granted that malloc and free touch no variable of the program. */
static volatile long countdown = -1; /* allocations until one fails; below zero: none does */
static volatile bool armed;          /* the driver is at work */
static volatile long live;           /* blocks */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

#pragma GCC visibility push(default) /* so that the C library's own calls come here too */

static bool refused(void)
{
    if (!armed || rig_busy || countdown < 0 || countdown-- > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    void *p = refused() ? NULL : __libc_malloc(size);
    live += p != NULL;
    return p;
}

void *calloc(size_t count, size_t size)
{
    void *p = refused() ? NULL : __libc_calloc(count, size);
    live += p != NULL;
    return p;
}

void *realloc(void *block, size_t size)
{
    void *p = refused() ? NULL : __libc_realloc(block, size);
    live += p && !block;
    return p;
}

void free(void *block)
{
    live -= block != NULL;
    __libc_free(block);
}

#pragma GCC visibility pop

/* Two maps, cogrouped with a table at their side; numbered. */
static plan *make_plan(void)
{
    plan *p = rig_plan();
    plan_stage *s = rig_stage(p, 1, 2, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 2, PLAN_PARTITION_HASH);
    s = rig_stage(p, 2, 1, PLAN_OUTPUT_SHUFFLE);
    rig_files(s);
    rig_shuffles(s, 2, PLAN_PARTITION_HASH);
    s = rig_stage(p, 3, 2, PLAN_OUTPUT_RESULT);
    plan_branch *b = plan_add_branch(s);
    rig_branch_types(b, 3);
    b->input.kind = PLAN_INPUT_COGROUP;
    b->input.how = PLAN_COGROUP_LISTS;
    b->input.call.label = strdup("cogroup#9");
    rig_reads_into(plan_add_source(&b->input), 3, 1);
    rig_reads_into(plan_add_source(&b->input), 3, 2);
    rig_op(b, PLAN_OP_INDEX);
    s->bound_by = 1;
    *plan_add_side(s) = (plan_side){2, strdup("side"), strdup("null"), strdup("bytes")};
    return p;
}

static void answer(rig *r, rig_call *c)
{
    buf index = BUF_EMPTY;
    task_reply reply = rig_reply(c);
    reply.counters = (task_counter[]){{(char *)"hits", 1}};
    reply.counter_count = 1;
    if (c->request.stage < 3) {
        rig_put(r, c, NULL);
        rig_index(2, &index);
        reply.index = buf_slice(&index);
        reply.object_bytes = OBJECT_HEADER_BYTES + 200;
    } else {
        reply.result = (sdf_slice){"x", 1};
    }
    rig_answer_reply(r, c, &reply);
    buf_free(&index);
}

/* True: an allocation was refused on the way. */
static bool run(long fails)
{
    rig *r = rig_new();
    r->limits.max_request = 2200;
    rig_start_driver(r);
    plan *p = make_plan();
    stage_pieces *pieces = calloc(3, sizeof *pieces);
    pieces[0] = rig_splits(2);
    pieces[1] = rig_splits(1);
    countdown = fails;
    armed = true;
    int rc = driver_add_plan(r->driver, p, pieces, NULL);
    if (rc) {
        armed = false;
        stage_pieces_clear(&pieces[0], 2);
        stage_pieces_clear(&pieces[1], 1);
        free(pieces);
        plan_free(p);
        armed = true;
    }
    rc = rc ? rc : rig_wish(r, 1, 3, NULL, NULL);
    for (uint32_t answered = 0; !rc && !r->jobs[1].over;) {
        rc = driver_step(r->driver, 0, NULL);
        armed = false;
        while (answered < r->call_count)
            answer(r, &r->calls[answered++]);
        r->now += 500;
        assert_true(r->now < 10000000);
        armed = true;
    }
    armed = false;
    bool refused_one = countdown < 0;
    if (!refused_one)
        assert_true(r->jobs[1].over && !r->jobs[1].status);
    rig_free(r);
    countdown = -1;
    return refused_one;
}

/* Blocks that are left of it; one that malloc has not given (posix_memalign's) makes it one less, each time. */
static long left_by(long fails, bool *refused_one)
{
    long before = live;
    *refused_one = run(fails);
    return live - before;
}

static void test_each_allocation(void **state)
{
    bool more = true;
    left_by(LONG_MAX, &more); /* what the library keeps for the process's life is there then */
    long usual = left_by(LONG_MAX, &more), n = 0;
    assert_false(more);
    for (;; n++) {
        long left = left_by(n, &more);
        if (left != usual)
            fail_msg("%ld blocks are left, not %ld, when allocation %ld fails", left, usual, n);
        if (!more)
            break;
    }
    assert_true(n > 100);
}

#else

static void test_each_allocation(void **state)
{
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    return cmocka_run_group_tests_name("driver: without memory", tests, NULL, NULL);
}
