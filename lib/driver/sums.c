/* Counters of tasks, summed over the commits that stand: accumulators, and counts of record errors. A commit holds
 * pointers to those it counts in, so one is never freed before the driver is. */
#include <stdlib.h>

#include "driver/internal.h"

#define SUMS_MAX 10000 /* names in a context */

/* Where it is, or would be. */
static uint32_t sum_place(const driver *d, const char *name, bool *found)
{
    uint32_t low = 0, high = d->counter_count;
    *found = false;
    while (low < high && !*found) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(d->counters[middle]->name, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
        if (order == 0)
            *found = true;
    }
    return *found ? high : low;
}

static int reserve(driver *d, const char *name, sdf_error **err)
{
    if (d->counter_count == SUMS_MAX) {
        error_set(err, SDF_E_LIMIT, "there is no room for the accumulator \"%s\": there are %d already", name,
                  SUMS_MAX);
        error_hint(err, "use few, fixed names; count by a key with sdf_count_by_key or an aggregator instead");
        return SDF_E_LIMIT;
    }
    if (d->counter_count < d->counter_room)
        return SDF_OK;
    uint32_t room = d->counter_room ? d->counter_room * 2 : 16;
    counter **grown = realloc(d->counters, room * sizeof *grown);
    if (!grown)
        return error_no_memory(err);
    d->counters = grown;
    d->counter_room = room;
    return SDF_OK;
}

int sum_named(driver *d, const char *name, counter **out, sdf_error **err)
{
    bool found;
    uint32_t at = sum_place(d, name, &found);
    if (found) {
        *out = d->counters[at];
        return SDF_OK;
    }
    int rc = reserve(d, name, err);
    if (rc)
        return rc;
    size_t size = strlen(name) + 1;
    counter *c = calloc(1, sizeof *c + size);
    if (!c)
        return error_no_memory(err);
    memcpy(c->name, name, size);
    memmove(d->counters + at + 1, d->counters + at, (d->counter_count++ - at) * sizeof *d->counters);
    d->counters[at] = c;
    *out = c;
    return SDF_OK;
}

/* A sum that leaves the range goes round, so that taking back stays exact. */
void driver_counters_add(const commit *c, bool take_back)
{
    for (uint32_t i = 0; i < c->counter_count; i++) {
        counter *of = c->counters[i].of;
        uint64_t value = (uint64_t)c->counters[i].value;
        of->value = (int64_t)((uint64_t)of->value + (take_back ? -value : value));
        of->commits += take_back ? UINT64_MAX : 1;
    }
}

void driver_counters_free(driver *d)
{
    for (uint32_t i = 0; i < d->counter_count; i++)
        free(d->counters[i]);
    free(d->counters);
}

int driver_counter(const driver *d, const char *name, int64_t *value)
{
    bool found;
    uint32_t at = sum_place(d, name, &found);
    found = found && d->counters[at]->commits;
    *value = found ? d->counters[at]->value : 0;
    return found ? SDF_OK : SDF_E_NOT_FOUND;
}

int driver_counter_at(const driver *d, size_t i, const char **name, int64_t *value)
{
    for (uint32_t at = 0; at < d->counter_count; at++) {
        const counter *c = d->counters[at];
        if (!c->commits || i--)
            continue;
        *name = c->name;
        *value = c->value;
        return SDF_OK;
    }
    return SDF_END;
}
