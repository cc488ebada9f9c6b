/* Histories of the scheduler, told as text: what happens, and what it must answer, action by action.
 * The table and its language: histories.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histories.h"
#include "sched/sched.h"

/* ---- telling them ---- */

static const char *const classes[] = {"NONE", "TRANSIENT", "THROTTLED", "TIMEOUT", "MEMORY",
                                      "LOST", "USER",      "UPSTREAM",  "FATAL"};

static void add_stages(sched *s, const char *text)
{
    while (*text) {
        uint32_t parents[8];
        sched_stage st = {.parents = parents};
        char *at;
        st.id = (uint32_t)strtoul(text, &at, 10);
        st.tasks = (uint32_t)strtoul(at + 1, &at, 10);
        for (; *at && *at != ' ';) {
            char c = *at++;
            if (c == '<' || c == ',')
                parents[st.parent_count++] = (uint32_t)strtoul(at, &at, 10);
            else if (c == '~')
                st.bind = (uint32_t)strtoul(at, &at, 10);
            else if (c == '!')
                st.publishes = true;
            else
                st.done = true;
        }
        assert_int_equal(sched_add_stage(s, &st), SDF_OK);
        text = *at ? at + 1 : at;
    }
}

/* True: its record's JOURNALED follows. */
static bool parse_event(const char *text, sched_event *e)
{
    char verb[16], class[16];
    unsigned a = 0, b = 0, t = 0, l = 0;
    unsigned long long bad = 0;
    memset(e, 0, sizeof *e);
    assert_true(sscanf(text, "%15s %u %u", verb, &a, &b) >= 1);
    char *now = strchr(verb, '!');
    if (now)
        *now = 0;
    if (!strcmp(verb, "job") || !strcmp(verb, "cancel")) {
        e->kind = verb[0] == 'j' ? SCHED_JOB : SCHED_CANCEL;
        e->job = a;
        e->stage = b;
    } else if (!strcmp(verb, "ok") || !strcmp(verb, "cut") || !strcmp(verb, "slow")) {
        e->kind = SCHED_COMMITTED;
        e->attempt = a;
        e->fingerprint = b;
        e->cut = verb[0] == 'c';
        e->throttled = verb[0] == 's';
    } else if (!strcmp(verb, "fail")) {
        e->kind = SCHED_FAILED;
        e->attempt = a;
        assert_int_equal(sscanf(text, "%*s %*u %15s", class), 1);
        for (unsigned i = 0; i < sizeof classes / sizeof *classes; i++)
            if (!strcmp(class, classes[i]))
                e->failure = (failure_class)i;
        assert_int_not_equal(e->failure, FAILURE_NONE);
    } else if (!strcmp(verb, "bad")) {
        assert_int_equal(sscanf(text, "%*s %*u %u.%u.%u %llu", &b, &t, &l, &bad), 4);
        *e = (sched_event){.kind = SCHED_FAILED,
                           .attempt = a,
                           .failure = FAILURE_UPSTREAM,
                           .bad_stage = b,
                           .bad_task = t,
                           .bad_leg = l,
                           .bad_attempt = bad};
    } else if (!strcmp(verb, "jrn")) {
        e->kind = SCHED_JOURNALED;
        e->record = a;
    } else if (!strcmp(verb, "bound") || !strcmp(verb, "drop")) {
        e->kind = verb[0] == 'b' ? SCHED_BOUND : SCHED_DROP;
        e->stage = a;
    } else if (!strcmp(verb, "cap")) {
        e->kind = SCHED_CONCURRENCY;
        e->value = a;
    } else if (!strcmp(verb, "refused")) {
        e->kind = SCHED_REFUSED;
        e->attempt = a;
    } else {
        assert_string_equal(verb, "tick");
        e->kind = SCHED_TICK;
    }
    return now != NULL;
}

static size_t tell(char *out, size_t room, const sched_action *x, bool timers)
{
    unsigned long long a = x->attempt;
    switch (x->kind) {
    case SCHED_LAUNCH: {
        char number[16] = "";
        if (x->number)
            snprintf(number, sizeof number, "#%u", x->number);
        return (size_t)snprintf(out, room, "go %u.%u.%u a%llu%s%s ", x->stage, x->task, x->leg, a, number,
                                x->rerun ? "r" : "");
    }
    case SCHED_STOP:
        return (size_t)snprintf(out, room, "stop %llu ", a);
    case SCHED_JOURNAL:
        assert_true(x->record != 0);
        return (size_t)snprintf(out, room, "jrn %llu ", a);
    case SCHED_DISCARD:
        return (size_t)snprintf(out, room, "del %llu ", a);
    case SCHED_UNPUBLISH:
        return (size_t)snprintf(out, room, "undo %llu ", a);
    case SCHED_BIND:
        return (size_t)snprintf(out, room, "bind %u ", x->stage);
    case SCHED_STAGE_STARTED:
        return (size_t)snprintf(out, room, "open %u ", x->stage);
    case SCHED_STAGE_DONE:
        return (size_t)snprintf(out, room, "full %u ", x->stage);
    case SCHED_TASK_DONE:
        return (size_t)snprintf(out, room, "task %u.%u/%u ", x->stage, x->task, x->leg + 1);
    case SCHED_TASK_UNDONE:
        return (size_t)snprintf(out, room, "again %u.%u ", x->stage, x->task);
    case SCHED_JOB_DONE:
        return (size_t)snprintf(out, room, "done %u ", x->job);
    case SCHED_JOB_FAILED:
        return (size_t)snprintf(out, room, a ? "lost %u %s %u a%llu " : "lost %u %s %u ", x->job,
                                sdf_status_name(x->status), x->stage, a);
    case SCHED_TIMER:
        return timers ? (size_t)snprintf(out, room, "at %lld ", (long long)x->at_ms) : 0;
    }
    fail_msg("unknown action %d", (int)x->kind);
    return 0;
}

static int32_t setting(int32_t given, int32_t usual)
{
    return given < 0 ? 0 : given ? given : usual;
}

static sched *begin(const history *h)
{
    sched_config c;
    sched_config_init(&c);
    c.seed = 3;
    c.concurrency = (uint32_t)setting(h->concurrency, 100);
    c.retries = (uint32_t)setting(h->retries, 1);
    c.reruns = (uint32_t)setting(h->reruns, 1);
    c.task_timeout_ms = setting(h->lease, 1000);
    c.lease_grace_ms = setting(h->grace, 100);
    c.backoff_ms = 100;
    c.backoff_max_ms = 400;
    c.legs_max = (uint32_t)setting(h->legs_max, 9);
    sched *s = sched_new(&c);
    assert_non_null(s);
    add_stages(s, h->stages);
    return s;
}

typedef struct answer {
    char text[4096];
    size_t size;
} answer;

static void feed(sched *s, const sched_event *e, int64_t now, bool timers, answer *said)
{
    const sched_action *actions;
    size_t count;
    assert_int_equal(sched_on_event(s, e, now, &actions, &count), SDF_OK);
    for (size_t k = 0; k < count; k++)
        said->size += tell(said->text + said->size, sizeof said->text - said->size, &actions[k], timers);
}

/* False: said so. */
static bool run_history(const history *h)
{
    bool good = true;
    sched *s = begin(h);
    int64_t now = 0;
    for (size_t i = 0; i < STEPS && h->steps[i][0] && good; i++) {
        const char *text = h->steps[i][0];
        answer said = {"", 0};
        if (*text == '@') {
            char *end;
            now = strtoll(text + 1, &end, 10);
            text = end + 1;
        }
        sched_event e;
        bool journaled = parse_event(text, &e);
        feed(s, &e, now, h->timers, &said);
        if (journaled)
            feed(s, &(sched_event){.kind = SCHED_JOURNALED, .record = e.attempt}, now, h->timers, &said);
        if (said.size)
            said.text[said.size - 1] = 0;
        good = strcmp(said.text, h->steps[i][1]) == 0;
        if (!good)
            print_error("%s: step %zu \"%s\"\n  said      %s\n  should be %s\n", h->name, i, h->steps[i][0], said.text,
                        h->steps[i][1]);
    }
    sched_free(s);
    return good;
}

static void test_histories(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++)
        failed += !run_history(&histories[i]);
    assert_int_equal(failed, 0);
}

static void test_stages_refused(void **state)
{
    (void)state;
    sched_config c;
    sched_config_init(&c);
    sched *s = sched_new(&c);
    uint32_t unknown = 9;
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 1}), SDF_OK);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 1}), SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 0, .tasks = 1}), SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 1, .parents = &unknown, .parent_count = 1}),
                     SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 1, .bind = 9}), SDF_E_INVALID);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 2, .tasks = 1}), SDF_OK);
    sched_counts counts;
    assert_false(sched_stage_counts(s, 9, &counts));
    assert_true(sched_stage_counts(s, 2, &counts));
    assert_int_equal(counts.tasks, 1);
    sched_free(s);
    sched_free(NULL);
}

typedef struct patience {
    sched *s;
    const sched_action *actions;
    size_t count;
    int64_t now;
} patience;

static void tell_sched(patience *p, sched_event e)
{
    assert_int_equal(sched_on_event(p->s, &e, p->now, &p->actions, &p->count), SDF_OK);
}

static const sched_action *said(const patience *p, sched_action_kind kind)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->actions[i].kind == kind)
            return &p->actions[i];
    return NULL;
}

/* Answers every launch of a job of one stage with the event until the job has failed; returns how often. */
static uint32_t answer_all(patience *p, sched_event e, int *status)
{
    uint32_t launched = 0;
    tell_sched(p, (sched_event){.kind = SCHED_JOB, .job = 1, .stage = 1});
    while (!said(p, SCHED_JOB_FAILED)) {
        const sched_action *go = said(p, SCHED_LAUNCH);
        assert_true(launched < 10000 && p->now < 100000000);
        if (go) {
            launched++;
            e.attempt = go->attempt;
            tell_sched(p, e);
        } else {
            p->now += 1000;
            tell_sched(p, (sched_event){.kind = SCHED_TICK});
        }
    }
    *status = said(p, SCHED_JOB_FAILED)->status;
    return launched;
}

/* A platform that never does anything but throttle, or refuse, ends the job: nothing waits for ever. */
static void test_patience_ends(void **state)
{
    sched_config c;
    sched_config_init(&c);
    c.task_timeout_ms = 0;
    c.concurrency = 1;
    patience p = {.s = sched_new(&c)};
    int status;
    assert_int_equal(sched_add_stage(p.s, &(sched_stage){.id = 1, .tasks = 1}), SDF_OK);
    uint32_t n = answer_all(&p, (sched_event){.kind = SCHED_FAILED, .failure = FAILURE_THROTTLED}, &status);
    assert_int_equal(n, c.throttles + c.retries + 1);
    assert_int_equal(status, SDF_E_THROTTLED);
    int64_t began = p.now;
    n = answer_all(&p, (sched_event){.kind = SCHED_REFUSED}, &status);
    assert_int_equal(n, c.throttles + 1);
    assert_int_equal(status, SDF_E_BUSY);
    assert_true(p.now - began > 1000000); /* it asked less and less often */
    /* A later job tries again from the beginning; what was taken starts the count anew. */
    tell_sched(&p, (sched_event){.kind = SCHED_JOB, .job = 2, .stage = 1});
    for (uint32_t i = 0; i < 5 * c.throttles; i++) {
        while (!said(&p, SCHED_LAUNCH)) {
            p.now += 30000;
            tell_sched(&p, (sched_event){.kind = SCHED_TICK});
        }
        uint64_t attempt = said(&p, SCHED_LAUNCH)->attempt;
        if (i % c.throttles == 7)
            tell_sched(&p, (sched_event){.kind = SCHED_STARTED, .attempt = attempt});
        tell_sched(&p, (sched_event){.kind = SCHED_REFUSED, .attempt = attempt});
        assert_null(said(&p, SCHED_JOB_FAILED));
    }
    sched_free(p.s);
}

static void test_size(void **state)
{
    (void)state;
    sched_config c;
    sched_config_init(&c);
    sched *s = sched_new(&c);
    const sched_action *actions;
    size_t count;
    uint64_t before = sched_bytes(s);
    assert_int_equal(sched_add_stage(s, &(sched_stage){.id = 1, .tasks = 1000000}), SDF_OK);
    assert_true(sched_bytes(s) - before < 100ull * 1000000);
    sched_on_event(s, &(sched_event){.kind = SCHED_JOB, .job = 1, .stage = 1}, 0, &actions, &count);
    for (uint64_t a = 1; a <= 1000000; a++) {
        sched_on_event(s, &(sched_event){.kind = SCHED_COMMITTED, .attempt = a}, 0, &actions, &count);
        sched_on_event(s, &(sched_event){.kind = SCHED_JOURNALED, .record = a}, 0, &actions, &count);
    }
    assert_int_equal(actions[count - 1].kind, SCHED_JOB_DONE);
    assert_true(sched_bytes(s) - before < 100ull * 1000000);
    sched_counts counts;
    sched_stage_counts(s, 1, &counts);
    assert_int_equal(counts.done, 1000000);
    assert_int_equal(counts.running, 0);
    assert_int_equal(counts.attempts, 1000000);
    sched_on_event(s, &(sched_event){.kind = SCHED_DROP, .stage = 1}, 0, &actions, &count);
    assert_int_equal(count, 1000000);
    sched_on_event(s, &(sched_event){.kind = SCHED_TICK}, 0, &actions, &count);
    assert_true(sched_bytes(s) < before + 100000); /* nothing stays behind */
    sched_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_stages_refused),
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests_name("sched: histories", tests, NULL, NULL);
}
