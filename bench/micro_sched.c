/* How fast and how small the scheduler is: a stage of many tasks through launch, commit and journal.
 * Prints one JSON line per size. */
#include <stdio.h>
#include <stdlib.h>

#include "base/timebase.h"
#include "sched/sched.h"

#define IN_FLIGHT 256

typedef struct run {
    sched *s;
    uint64_t events;
    uint64_t waiting[IN_FLIGHT * 2]; /* launched attempts, a ring */
    uint32_t head, count;
    uint64_t peak_bytes;
    int64_t now_ms;
    int done;
} run;

static void feed(run *r, const sched_event *first)
{
    sched_event queue[IN_FLIGHT * 2] = {*first};
    uint32_t n = 1;
    while (n) {
        const sched_action *actions;
        size_t count;
        sched_event e = queue[--n];
        if (sched_on_event(r->s, &e, r->now_ms, &actions, &count) != SDF_OK) {
            fprintf(stderr, "out of memory\n");
            exit(1);
        }
        r->events++;
        for (size_t i = 0; i < count; i++) {
            if (actions[i].kind == SCHED_LAUNCH)
                r->waiting[(r->head + r->count++) % (IN_FLIGHT * 2)] = actions[i].attempt;
            else if (actions[i].kind == SCHED_JOURNAL)
                queue[n++] = (sched_event){.kind = SCHED_JOURNALED, .record = actions[i].record};
            else if (actions[i].kind == SCHED_JOB_DONE)
                r->done = 1;
        }
    }
}

static void measure(uint32_t tasks)
{
    sched_config c;
    sched_config_init(&c);
    c.concurrency = IN_FLIGHT;
    run r = {.s = sched_new(&c)};
    sched_stage st = {.id = 1, .tasks = tasks};
    if (r.s == NULL || sched_add_stage(r.s, &st) != SDF_OK)
        exit(1);
    int64_t began = timebase_monotonic_us();
    feed(&r, &(sched_event){.kind = SCHED_JOB, .job = 1, .stage = 1});
    while (r.count) {
        uint64_t a = r.waiting[r.head % (IN_FLIGHT * 2)];
        r.head = (r.head + 1) % (IN_FLIGHT * 2);
        r.count--;
        if (a % 64 == 0)
            r.now_ms++;
        feed(&r, &(sched_event){.kind = SCHED_COMMITTED, .attempt = a, .fingerprint = a});
        if (a % 65536 == 1 && sched_bytes(r.s) > r.peak_bytes)
            r.peak_bytes = sched_bytes(r.s);
    }
    int64_t us = timebase_monotonic_us() - began;
    printf("{\"bench\":\"sched\",\"tasks\":%u,\"done\":%d,\"events\":%llu,\"seconds\":%.3f,\"events_per_second\":%.0f,"
           "\"bytes_per_task\":%.1f}\n",
           tasks, r.done, (unsigned long long)r.events, (double)us / 1e6, (double)r.events * 1e6 / (double)(us + 1),
           (double)r.peak_bytes / tasks);
    sched_free(r.s);
}

int main(void)
{
    measure(1000);
    measure(100000);
    measure(1000000);
    return 0;
}
