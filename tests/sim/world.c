/* Virtual time and chance: a clock that only moves from event to event, and the seeded dice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "sim.h"

void *sim_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (p == NULL) {
        fprintf(stderr, "sdf-sim: out of memory\n");
        exit(2);
    }
    return p;
}

void *sim_grow(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (p == NULL) {
        fprintf(stderr, "sdf-sim: out of memory\n");
        exit(2);
    }
    return p;
}

static int64_t world_time(void *self)
{
    return ((world *)self)->now;
}

void world_begin(world *w, uint64_t seed, bool trace, const char *folder)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->trace = trace;
    w->shape.state = seed * 2;
    w->chance.state = seed * 2 + 1;
    w->now = INT64_C(1000000000000);
    w->clock = (timebase){world_time, w};
    snprintf(w->folder, sizeof w->folder, "%s", folder);
}

void world_end(world *w)
{
    free(w->events);
}

uint32_t world_pick(rng *r, uint32_t bound)
{
    return (uint32_t)rng_below(r, bound);
}

void world_say(world *w, const char *format, ...)
{
    if (!w->trace)
        return;
    va_list args;
    va_start(args, format);
    printf("%10.3f  ", (double)(w->now - INT64_C(1000000000000)) / 1000);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void world_wrong(world *w, const char *format, ...)
{
    if (w->wrong[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(w->wrong, sizeof w->wrong, format, args);
    va_end(args);
    world_say(w, "WRONG: %s", w->wrong);
}

bool world_fault(world *w, uint32_t in_1000, const char *what)
{
    if (in_1000 == 0 || world_pick(&w->chance, 1000) >= in_1000)
        return false;
    w->injected++;
    world_say(w, "fault: %s", what);
    return true;
}

/* ---- events ---- */

static bool before(const event *a, const event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void world_schedule(world *w, int64_t at, event_kind kind, call *c)
{
    if (w->event_count == w->event_room) {
        w->event_room = w->event_room ? w->event_room * 2 : 64;
        w->events = sim_grow(w->events, w->event_room * sizeof *w->events);
    }
    event e = {at < w->now ? w->now : at, w->event_order++, kind, c};
    uint32_t i = w->event_count++;
    for (; i && before(&e, &w->events[(i - 1) / 2]); i = (i - 1) / 2)
        w->events[i] = w->events[(i - 1) / 2];
    w->events[i] = e;
    c->refs++;
}

bool world_next(world *w, int64_t until, event *e)
{
    if (w->event_count == 0 || w->events[0].at > until)
        return false;
    *e = w->events[0];
    w->digest = hash_mix(w->digest ^ (uint64_t)e->at, e->order * 2 + e->kind) ^ e->call->id;
    event last = w->events[--w->event_count];
    uint32_t i = 0, n = w->event_count;
    for (uint32_t c = 1; c < n; c = 2 * i + 1) {
        if (c + 1 < n && before(&w->events[c + 1], &w->events[c]))
            c++;
        if (!before(&w->events[c], &last))
            break;
        w->events[i] = w->events[c];
        i = c;
    }
    if (n)
        w->events[i] = last;
    return true;
}
