/* The table of attempts in flight, by id: open addressing with backward-shift deletion. */
#include <stdlib.h>

#include "driver/internal.h"

static uint32_t attempt_slot(const driver *d, uint64_t id)
{
    return (uint32_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (d->attempt_capacity - 1);
}

static void attempt_place(driver *d, attempt *a)
{
    uint32_t i = attempt_slot(d, a->id);
    while (d->attempts[i])
        i = (i + 1) & (d->attempt_capacity - 1);
    d->attempts[i] = a;
}

static int attempts_grow(driver *d)
{
    uint32_t old_capacity = d->attempt_capacity;
    uint32_t capacity = old_capacity ? old_capacity * 2 : 64;
    attempt **table = calloc(capacity, sizeof *table), **old = d->attempts;
    if (!table)
        return SDF_E_NO_MEMORY;
    d->attempts = table;
    d->attempt_capacity = capacity;
    for (uint32_t i = 0; i < old_capacity; i++)
        if (old[i])
            attempt_place(d, old[i]);
    free(old);
    return SDF_OK;
}

attempt *attempt_add(driver *d, uint64_t id)
{
    if (d->attempt_count * 2 >= d->attempt_capacity && attempts_grow(d))
        return NULL;
    attempt *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->id = id;
    attempt_place(d, a);
    d->attempt_count++;
    return a;
}

attempt *attempt_find(const driver *d, uint64_t id)
{
    if (!d->attempt_capacity)
        return NULL;
    for (uint32_t i = attempt_slot(d, id); d->attempts[i]; i = (i + 1) & (d->attempt_capacity - 1))
        if (d->attempts[i]->id == id)
            return d->attempts[i];
    return NULL;
}

void attempt_remove(driver *d, attempt *a)
{
    uint32_t mask = d->attempt_capacity - 1, hole = attempt_slot(d, a->id);
    while (d->attempts[hole] != a)
        hole = (hole + 1) & mask;
    for (uint32_t i = (hole + 1) & mask; d->attempts[i]; i = (i + 1) & mask) {
        uint32_t home = attempt_slot(d, d->attempts[i]->id);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            d->attempts[hole] = d->attempts[i];
            hole = i;
        }
    }
    d->attempts[hole] = NULL;
    d->attempt_count--;
    if (a->extents_name)
        garbage_add(d, a->extents_name);
    buf_free(&a->request);
    free(a->extents_name);
    free(a->candidate);
    free(a);
}
