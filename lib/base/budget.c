/* The byte budget of a task slot: charging, and asking spillers for memory. Arenas are in arena.c. */
#include "base/budget.h"

#include "base/error.h"

void budget_init(budget *b, uint64_t limit)
{
    *b = (budget){.limit = limit};
}

int budget_try(budget *b, uint64_t bytes)
{
    if (bytes > budget_left(b))
        return 0;
    budget_force(b, bytes);
    return 1;
}

void budget_force(budget *b, uint64_t bytes)
{
    b->used += bytes;
    if (b->used > b->peak)
        b->peak = b->used;
}

void budget_give(budget *b, uint64_t bytes)
{
    b->used -= bytes < b->used ? bytes : b->used;
}

/* The spiller that holds most of those that may be asked now. */
static budget_spiller *fattest(budget *b, const budget_spiller *me)
{
    budget_spiller *best = NULL;
    uint64_t most = 0;
    for (budget_spiller *s = b->spillers; s; s = s->next) {
        if (s == me || s->busy || s->stuck)
            continue;
        uint64_t held = s->held(s->self);
        if (held > most) {
            most = held;
            best = s;
        }
    }
    return best;
}

static int refuse(const budget *b, uint64_t bytes, sdf_error **err)
{
    error_set(err, SDF_E_NO_MEMORY,
              "%llu bytes more are needed, but %llu of the task's %llu bytes of memory are in use",
              (unsigned long long)bytes, (unsigned long long)b->used, (unsigned long long)b->limit);
    error_hint(err,
               "give each task more memory (the memory option), or use more partitions so that each task has less");
    return SDF_E_NO_MEMORY;
}

int budget_take(budget *b, uint64_t bytes, budget_spiller *me, sdf_error **err)
{
    if (budget_try(b, bytes))
        return SDF_OK;
    if (bytes > b->limit)
        return refuse(b, bytes, err);
    for (budget_spiller *s = b->spillers; s; s = s->next)
        s->stuck = false;
    for (;;) {
        budget_spiller *s = fattest(b, me);
        if (!s)
            return refuse(b, bytes, err);
        uint64_t before = b->used;
        s->busy = true;
        int rc = s->spill(s->self, err);
        s->busy = false;
        if (rc)
            return rc;
        if (budget_try(b, bytes))
            return SDF_OK;
        s->stuck = b->used >= before; /* asking it again would go on for ever */
    }
}

void budget_add_spiller(budget *b, budget_spiller *s)
{
    s->busy = s->stuck = false;
    s->next = b->spillers;
    b->spillers = s;
}

void budget_remove_spiller(budget *b, budget_spiller *s)
{
    for (budget_spiller **at = &b->spillers; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            s->next = NULL;
            return;
        }
}
