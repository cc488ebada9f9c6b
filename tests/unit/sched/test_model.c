/* The scheduler under random histories, held against a simple model of what may be: a world of attempts that write
 * objects, answer late, twice or never, read bad objects, or give other data the second time. The model checks each
 * action when it comes, and the world at its end. TRACE=1 tells the seeds as they come, SEED=N runs only one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/timebase.h"
#include "sched/sched.h"

#define STAGES   7
#define TASKS    8
#define LEGS     4
#define ATTEMPTS 20000
#define JOBS     4
#define LEASE    1000
#define GRACE    100

typedef enum fate { WILL_COMMIT, WILL_FAIL, WILL_BE_REFUSED, WILL_BE_SILENT } fate;

typedef struct trial { /* an attempt, as the world knows it */
    uint32_t stage, task, leg;
    int64_t launched, answers_at;
    fate fate;
    bool answered, twice, committed, refused, discarded, recorded, journaled, stopped;
    bool object; /* it has written something that is there */
    bool zombie; /* it writes (again) at the end of its lease */
    failure_class failure;
    uint64_t fingerprint, inputs;
    bool cut;
} trial;

typedef struct place {              /* a leg */
    uint64_t visible, pending, old; /* attempts; old: visible before, being made again */
    uint64_t fingerprint;
    bool cut;
} place;

typedef struct model_stage {
    sched_stage spec;
    uint32_t parents[STAGES];
    bool bound, dropped, asked;
    place places[TASKS][LEGS];
} model_stage;

typedef struct world {
    sched *s;
    sched_config config;
    rng rng;
    int64_t now, timer;
    model_stage stages[STAGES + 1]; /* by id, from 1 */
    uint32_t stage_count;
    trial *trials;
    uint64_t trial_count;
    uint32_t cap;
    struct {
        bool wanted, ended, cancelled;
        uint32_t stage;
    } jobs[JOBS + 1];
    uint64_t records[ATTEMPTS / 10];
    uint32_t record_count;
    uint64_t digest;  /* of all actions */
    uint32_t journal; /* in 1000: how soon records are answered */
    uint32_t faults;  /* in 1000; 0 towards the end, so that it ends */
    bool deterministic;
} world;

static uint32_t chance(world *w, uint32_t in_1000)
{
    return rng_below(&w->rng, 1000) < in_1000;
}

static bool task_is_done(const model_stage *st, uint32_t t)
{
    for (uint32_t l = 0; l < LEGS; l++) {
        const place *p = &st->places[t][l];
        if (!p->visible)
            return false;
        if (!p->cut)
            return true;
    }
    return false;
}

static bool stage_is_done(const model_stage *st)
{
    if (st->spec.done)
        return true;
    for (uint32_t t = 0; t < st->spec.tasks; t++)
        if (!task_is_done(st, t))
            return false;
    return true;
}

/* What a task of the stage reads, as one number. A leg that is made again stands for its data until a rerun
 * differs. */
static uint64_t inputs_of(world *w, const model_stage *st)
{
    uint64_t h = 1;
    for (uint32_t i = 0; i < st->spec.parent_count; i++) {
        const model_stage *p = &w->stages[st->parents[i]];
        for (uint32_t t = 0; !p->spec.done && t < p->spec.tasks; t++)
            for (uint32_t l = 0; l < LEGS && (p->places[t][l].visible || p->places[t][l].old); l++)
                h = hash_mix(h, p->places[t][l].fingerprint);
    }
    return h;
}

static bool in_flight(const world *w, const trial *a)
{
    return !a->answered && a->launched + LEASE + GRACE > w->now;
}

static void choose_fate(world *w, trial *a)
{
    a->answers_at = w->now + (int64_t)rng_below(&w->rng, 300);
    a->fate = WILL_COMMIT;
    a->cut = a->leg + 1 < LEGS && hash_mix(hash_mix(a->stage, a->task), a->leg) % 5 == 0;
    a->fingerprint = hash_mix(hash_mix(a->inputs, a->stage * 1000 + a->task), a->leg);
    if (!chance(w, w->faults))
        return;
    switch (rng_below(&w->rng, w->deterministic ? 7 : 8)) {
    case 0:
        a->fate = WILL_BE_REFUSED;
        a->answers_at = w->now;
        break;
    case 1:
        a->fate = WILL_BE_SILENT;
        a->zombie = chance(w, 500);
        break;
    case 2: /* late: before or after it counts as lost */
        a->answers_at = w->now + LEASE - 100 + (int64_t)rng_below(&w->rng, 600);
        a->fate = chance(w, 300) ? WILL_FAIL : WILL_COMMIT;
        a->failure = FAILURE_LOST;
        break;
    case 7:
        a->fingerprint ^= rng_next(&w->rng);
        if (a->leg + 1 < LEGS)
            a->cut = chance(w, 300);
        break;
    default:
        a->fate = WILL_FAIL;
        a->failure = chance(w, 600) ? FAILURE_UPSTREAM : (failure_class)(1 + rng_below(&w->rng, 6)); /* not fatal */
        a->zombie = chance(w, 500);
        break;
    }
    a->twice = chance(w, 200);
}

static void on_launch(world *w, const sched_action *x)
{
    model_stage *st = &w->stages[x->stage];
    assert_int_equal(x->attempt, w->trial_count + 1); /* in order, none used twice */
    assert_true(x->attempt < ATTEMPTS);
    trial *a = &w->trials[++w->trial_count];
    *a = (trial){.stage = x->stage, .task = x->task, .leg = x->leg, .launched = w->now};
    uint32_t flying = 0;
    for (uint64_t i = 1; i < w->trial_count; i++)
        flying += in_flight(w, &w->trials[i]);
    assert_true(flying < w->cap);
    assert_false(st->dropped);
    assert_true(x->task < st->spec.tasks && x->leg < LEGS);
    for (uint32_t i = 0; i < st->spec.parent_count; i++)
        assert_true(stage_is_done(&w->stages[st->parents[i]]));
    assert_true(!st->spec.bind || st->bound);
    place *p = &st->places[x->task][x->leg];
    assert_int_equal(p->pending, 0);
    if (x->rerun && p->visible) {
        p->old = p->visible;
        p->visible = 0;
    }
    assert_int_equal(p->visible, 0);
    assert_int_equal(x->rerun, p->old != 0);
    for (uint32_t l = 0; l < x->leg; l++) { /* the legs before ended with a cut; one of them may be at it again */
        const place *q = &st->places[x->task][l];
        assert_true((q->visible || q->old || q->pending) && q->cut);
    }
    a->inputs = inputs_of(w, st);
    choose_fate(w, a);
}

static void on_discard(world *w, const sched_action *x)
{
    trial *a = &w->trials[x->attempt];
    assert_true(x->attempt && x->attempt <= w->trial_count);
    assert_true(a->stage == x->stage && a->task == x->task && a->leg == x->leg);
    assert_false(a->discarded);
    assert_false(a->refused);
    place *p = &w->stages[a->stage].places[a->task][a->leg];
    assert_true(p->visible != x->attempt || w->stages[a->stage].dropped);
    assert_int_not_equal(p->pending, x->attempt);
    /* Whatever may still write has its lease behind it. */
    assert_true(a->committed || w->now >= a->launched + LEASE);
    if (p->old == x->attempt)
        p->old = 0;
    a->discarded = true;
    a->object = false;
}

static void on_unpublish(world *w, const sched_action *x)
{
    model_stage *st = &w->stages[x->stage];
    place *p = &st->places[x->task][x->leg];
    trial *a = &w->trials[x->attempt];
    assert_true(a->journaled);
    assert_false(st->spec.publishes && p->visible == x->attempt);
    if (p->visible == x->attempt || p->old == x->attempt)
        p->visible = p->old = 0;
    if (p->pending == x->attempt)
        p->pending = 0;
}

static void on_journal(world *w, const sched_action *x)
{
    place *p = &w->stages[x->stage].places[x->task][x->leg];
    trial *a = &w->trials[x->attempt];
    assert_true(a->committed && !a->discarded && !a->recorded);
    assert_int_equal(p->visible, 0);
    /* One that was rolled back may be pending still: its record has not come, and will not count. */
    a->recorded = true;
    p->pending = x->attempt;
    w->records[w->record_count++] = x->record;
    assert_int_equal(x->record, x->attempt);
}

/* All that job j's result is made of fits together. */
static void check_consistent(world *w, uint32_t target)
{
    bool marked[STAGES + 1] = {false};
    marked[target] = true;
    for (uint32_t i = w->stage_count; i > 0; i--) {
        model_stage *st = &w->stages[i];
        if (!marked[i] || st->spec.done || st->dropped)
            continue;
        assert_true(stage_is_done(st));
        for (uint32_t t = 0; t < st->spec.tasks; t++)
            for (uint32_t l = 0; l < LEGS && st->places[t][l].visible; l++)
                assert_int_equal(w->trials[st->places[t][l].visible].inputs, inputs_of(w, st));
        for (uint32_t p = 0; p < st->spec.parent_count; p++)
            marked[st->parents[p]] = marked[st->parents[p]] || stage_is_done(&w->stages[st->parents[p]]);
    }
}

static void on_job_end(world *w, const sched_action *x)
{
    assert_true(w->jobs[x->job].wanted && !w->jobs[x->job].ended && !w->jobs[x->job].cancelled);
    w->jobs[x->job].ended = true;
    if (x->kind == SCHED_JOB_FAILED) {
        assert_true(x->status < 0);
        assert_true(x->status != SDF_E_NONDETERMINISTIC || !w->deterministic);
        return;
    }
    assert_int_equal(x->stage, w->jobs[x->job].stage);
    assert_true(stage_is_done(&w->stages[x->stage]));
    if (!w->stages[x->stage].spec.publishes)
        check_consistent(w, x->stage);
}

static void take(world *w, const sched_action *x)
{
    uint64_t fields[] = {x->kind,
                         x->job,
                         x->stage,
                         x->task,
                         x->leg,
                         x->attempt,
                         x->record,
                         x->number,
                         x->rerun,
                         (uint64_t)x->lease_ms,
                         (uint64_t)x->at_ms,
                         (uint64_t)x->status};
    w->digest = hash_mix(w->digest, hash_xxh3(fields, sizeof fields));
    switch (x->kind) {
    case SCHED_LAUNCH:
        on_launch(w, x);
        break;
    case SCHED_STOP:
        assert_false(w->trials[x->attempt].answered);
        assert_false(w->trials[x->attempt].stopped);
        w->trials[x->attempt].stopped = true;
        break;
    case SCHED_DISCARD:
        on_discard(w, x);
        break;
    case SCHED_UNPUBLISH:
        on_unpublish(w, x);
        break;
    case SCHED_JOURNAL:
        on_journal(w, x);
        break;
    case SCHED_BIND:
        assert_true(stage_is_done(&w->stages[w->stages[x->stage].spec.bind]));
        assert_false(w->stages[x->stage].bound);
        w->stages[x->stage].asked = true;
        break;
    case SCHED_TASK_DONE:
        assert_true(task_is_done(&w->stages[x->stage], x->task));
        break;
    case SCHED_STAGE_DONE:
        assert_true(stage_is_done(&w->stages[x->stage]));
        break;
    case SCHED_JOB_DONE:
    case SCHED_JOB_FAILED:
        on_job_end(w, x);
        break;
    case SCHED_TIMER:
        assert_true(x->at_ms > w->now);
        w->timer = x->at_ms < w->timer ? x->at_ms : w->timer;
        break;
    case SCHED_STAGE_STARTED:
        break;
    case SCHED_TASK_UNDONE:
        assert_true(task_is_done(&w->stages[x->stage], x->task));
        break;
    }
}

/* The model takes a record as visible when it comes, unless the scheduler undoes it in the same breath. */
static void journaled(world *w, uint64_t record, const sched_action *actions, size_t count)
{
    trial *a = &w->trials[record];
    if (a->journaled)
        return;
    a->journaled = true;
    for (size_t i = 0; i < count; i++)
        if (actions[i].kind == SCHED_UNPUBLISH && actions[i].attempt == record)
            return;
    place *p = &w->stages[a->stage].places[a->task][a->leg];
    assert_int_equal(p->pending, record);
    p->pending = 0;
    p->visible = record;
    p->fingerprint = a->fingerprint;
    p->cut = a->cut;
}

static void feed(world *w, const sched_event *e)
{
    const sched_action *actions;
    size_t count;
    assert_int_equal(sched_on_event(w->s, e, w->now, &actions, &count), SDF_OK);
    if (e->kind == SCHED_JOURNALED)
        journaled(w, e->record, actions, count);
    for (size_t i = 0; i < count; i++)
        take(w, &actions[i]);
}

/* Says that some object it read is bad: mostly one that is visible. The object's place is a rerun's from now on. */
static void blame(world *w, const trial *a, sched_event *e)
{
    model_stage *st = &w->stages[a->stage];
    e->failure = FAILURE_TRANSIENT;
    if (st->spec.parent_count == 0)
        return;
    uint32_t parent = st->parents[rng_below(&w->rng, st->spec.parent_count)];
    model_stage *p = &w->stages[parent];
    if (p->spec.done || p->spec.tasks == 0)
        return;
    e->failure = FAILURE_UPSTREAM;
    e->bad_stage = parent;
    e->bad_task = (uint32_t)rng_below(&w->rng, p->spec.tasks);
    e->bad_leg = chance(w, 800) ? 0 : (uint32_t)rng_below(&w->rng, LEGS);
    place *bad = &p->places[e->bad_task][e->bad_leg];
    e->bad_attempt = chance(w, 900) ? bad->visible : rng_below(&w->rng, w->trial_count + 1);
}

static void answer(world *w, uint64_t id)
{
    trial *a = &w->trials[id];
    sched_event e = {.attempt = id};
    a->answered = true;
    if (a->fate == WILL_BE_REFUSED) {
        e.kind = SCHED_REFUSED;
        a->refused = true;
    } else if (a->fate == WILL_FAIL) {
        e.kind = SCHED_FAILED;
        e.failure = a->failure;
        a->object = chance(w, 500) && w->now < a->launched + LEASE; /* after its commit, before its reply */
        if (e.failure == FAILURE_UPSTREAM)
            blame(w, a, &e);
    } else {
        e.kind = SCHED_COMMITTED;
        e.fingerprint = a->fingerprint;
        e.cut = a->cut;
        e.throttled = chance(w, 20);
        a->committed = true;
        a->object = !a->discarded; /* written within its lease, so before any discard of it */
    }
    feed(w, &e);
    if (a->twice && !a->refused)
        feed(w, &e);
}

/* Does one thing that is due, or lets time pass. */
static void step(world *w)
{
    if (w->record_count && chance(w, w->journal)) {
        uint32_t i = (uint32_t)rng_below(&w->rng, w->record_count);
        uint64_t record = w->records[i];
        w->records[i] = w->records[--w->record_count];
        feed(w, &(sched_event){.kind = SCHED_JOURNALED, .record = record});
        return;
    }
    for (uint32_t i = 1; i <= w->stage_count; i++) {
        if (!w->stages[i].asked || w->stages[i].bound || !chance(w, 500))
            continue;
        w->stages[i].bound = true;
        feed(w, &(sched_event){.kind = SCHED_BOUND, .stage = i});
        return;
    }
    int64_t next = w->record_count ? w->now + 1 : w->timer;
    uint64_t first = 0;
    for (uint64_t i = 1; i <= w->trial_count; i++) {
        trial *a = &w->trials[i];
        if (a->zombie && !a->discarded && w->now < a->launched + LEASE && w->now + 50 >= a->launched + LEASE)
            a->object = true;
        if (a->answered || a->fate == WILL_BE_SILENT)
            continue;
        if (a->answers_at < next || (!first && a->answers_at <= next)) {
            next = a->answers_at;
            first = i;
        }
    }
    if (next == INT64_MAX)
        next = w->now + 10;
    if (next > w->now)
        w->now = next;
    if (w->timer <= w->now)
        w->timer = INT64_MAX;
    if (first)
        answer(w, first);
    else
        feed(w, &(sched_event){.kind = SCHED_TICK});
}

static void build(world *w)
{
    w->stage_count = 1 + (uint32_t)rng_below(&w->rng, STAGES);
    bool published[STAGES + 1] = {false};
    for (uint32_t i = 1; i <= w->stage_count; i++) {
        model_stage *st = &w->stages[i];
        st->spec.id = i;
        st->spec.tasks = (uint32_t)rng_below(&w->rng, TASKS + 1);
        st->spec.parents = st->parents;
        for (uint32_t p = 1; p < i; p++)
            if (!published[p] && chance(w, p + 1 == i ? 800 : 200))
                st->parents[st->spec.parent_count++] = p;
        if (i > 1 && chance(w, 150))
            st->spec.bind = 1 + (uint32_t)rng_below(&w->rng, i - 1);
        st->spec.done = i == 1 && chance(w, 200);
        published[i] = st->spec.publishes = !st->spec.done && chance(w, i == w->stage_count ? 500 : 100);
        assert_int_equal(sched_add_stage(w->s, &st->spec), SDF_OK);
    }
}

static void begin(world *w, uint64_t seed)
{
    trial *trials = w->trials;
    memset(w, 0, sizeof *w);
    w->trials = trials;
    w->rng.state = seed;
    w->now = 1000000;
    w->timer = INT64_MAX;
    w->deterministic = chance(w, 600);
    w->faults = chance(w, 200) ? 0 : (uint32_t)rng_below(&w->rng, 600);
    w->journal = 50 + (uint32_t)rng_below(&w->rng, 900);
    w->cap = 1 + (uint32_t)rng_below(&w->rng, 8);
    sched_config_init(&w->config);
    w->config.seed = seed;
    w->config.concurrency = w->cap;
    w->config.retries = (uint32_t)rng_below(&w->rng, 12);
    w->config.reruns = (uint32_t)rng_below(&w->rng, 12);
    w->config.task_timeout_ms = LEASE;
    w->config.lease_grace_ms = GRACE;
    w->config.backoff_ms = 50;
    w->config.backoff_max_ms = 500;
    w->config.legs_max = LEGS;
    w->s = sched_new(&w->config);
    assert_non_null(w->s);
    build(w);
}

static bool jobs_open(const world *w)
{
    for (uint32_t j = 1; j <= JOBS; j++)
        if (w->jobs[j].wanted && !w->jobs[j].ended && !w->jobs[j].cancelled)
            return true;
    return false;
}

static void disturb(world *w, uint32_t j)
{
    if (chance(w, 100) && w->jobs[j].wanted && !w->jobs[j].ended && !w->jobs[j].cancelled) {
        w->jobs[j].cancelled = true;
        feed(w, &(sched_event){.kind = SCHED_CANCEL, .job = j});
    }
    if (chance(w, 30)) {
        uint32_t cap = 1 + (uint32_t)rng_below(&w->rng, 8);
        w->cap = w->cap > cap ? w->cap : cap; /* what runs already may be more than a smaller cap */
        feed(w, &(sched_event){.kind = SCHED_CONCURRENCY, .value = cap});
    }
}

/* Everything dropped, answered and over: nothing may be left. */
static void check_end(world *w)
{
    for (uint32_t i = w->stage_count; i > 0; i--) {
        w->stages[i].dropped = true;
        feed(w, &(sched_event){.kind = SCHED_DROP, .stage = i});
    }
    while (w->record_count)
        feed(w, &(sched_event){.kind = SCHED_JOURNALED, .record = w->records[--w->record_count]});
    for (uint64_t i = 1; i <= w->trial_count; i++)
        if (!w->trials[i].answered && w->trials[i].fate != WILL_BE_SILENT)
            answer(w, i);
    w->now += LEASE + GRACE;
    feed(w, &(sched_event){.kind = SCHED_TICK});
    for (uint64_t i = 1; i <= w->trial_count; i++) {
        assert_int_equal(w->trials[i].discarded, !w->trials[i].refused);
        assert_false(w->trials[i].object);
    }
}

static uint64_t run(world *w, uint64_t seed)
{
    begin(w, seed);
    uint32_t steps = 0;
    for (uint32_t j = 1; j <= JOBS; j++) {
        w->jobs[j].wanted = true;
        w->jobs[j].stage = 1 + (uint32_t)(chance(w, 500) ? w->stage_count - 1 : rng_below(&w->rng, w->stage_count));
        feed(w, &(sched_event){.kind = SCHED_JOB, .job = j, .stage = w->jobs[j].stage});
        for (uint32_t n = (uint32_t)rng_below(&w->rng, 200); n > 0; n--) {
            step(w);
            disturb(w, (uint32_t)rng_below(&w->rng, j) + 1);
        }
    }
    w->faults = 0;
    for (; jobs_open(w); steps++) {
        assert_true(steps < 20000); /* it ends */
        step(w);
    }
    check_end(w);
    sched_free(w->s);
    return w->digest;
}

static void test_model(void **state)
{
    (void)state;
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->trials = calloc(ATTEMPTS, sizeof *w->trials);
    assert_non_null(w->trials);
    const char *only = getenv("SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, last = only ? first : 10000;
    for (uint64_t seed = first; seed <= last; seed++) {
        if (getenv("TRACE"))
            print_message("seed %llu\n", (unsigned long long)seed);
        uint64_t once = run(w, seed);
        if (seed % 8 == 0)
            assert_int_equal(once, run(w, seed));
    }
    free(w->trials);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests_name("sched: random histories against a model", tests, NULL, NULL);
}
