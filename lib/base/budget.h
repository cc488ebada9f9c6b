/* The byte budget of one task slot, and arenas that draw on it. One thread's at a time.
 * Every allocation that grows with the data goes through here. */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sdf/base.h>

/* An operator that can give memory back by writing what it holds elsewhere. */
typedef struct budget_spiller {
    /* Frees what it can; called when someone else (never itself) needs memory. SDF_OK, or an error with *err.
     * It must not remove spillers; it may take memory, from others than those that are spilling already. */
    int (*spill)(void *self, sdf_error **err);
    uint64_t (*held)(void *self); /* bytes it could free now */
    void *self;
    struct budget_spiller *next; /* this and the rest are the budget's */
    bool busy;                   /* in the middle of a spill */
    bool stuck;                  /* freed nothing when last asked */
} budget_spiller;

typedef struct budget {
    uint64_t limit, used, peak;
    budget_spiller *spillers;
} budget;

void budget_init(budget *b, uint64_t limit);
/* Charges bytes. When they don't fit, asks the spiller that holds most (not `me`, may be NULL) until they do.
 * SDF_OK; SDF_E_NO_MEMORY (err set, saying how much was wanted of how much); or what a spill failed with. */
int budget_take(budget *b, uint64_t bytes, budget_spiller *me, sdf_error **err);
/* Charges if it fits as things stand; never spills. 1: charged. */
int budget_try(budget *b, uint64_t bytes);
/* Charges even past the limit: for the small things without which memory could not be given back. */
void budget_force(budget *b, uint64_t bytes);
void budget_give(budget *b, uint64_t bytes);
static inline uint64_t budget_left(const budget *b)
{
    return b->used < b->limit ? b->limit - b->used : 0;
}
void budget_add_spiller(budget *b, budget_spiller *s);
void budget_remove_spiller(budget *b, budget_spiller *s);

/* Pages from the system, zeroed and charged by the caller; huge pages (and their alignment) asked for from 2 MiB up.
 * NULL: none. Unmap with the same size. */
void *pages_map(size_t size);
void pages_unmap(void *pages, size_t size);

/* Bump allocation in chunks, each charged when taken, head included: never over the budget. Chunks double in size
 * from `first` to `most`, and are smaller (not below `first`) where the budget is nearly spent. */
typedef struct arena_chunk arena_chunk;
typedef struct arena {
    budget *budget;
    arena_chunk *chunks;
    uint8_t *at, *end;
    size_t chunk_bytes; /* of the next chunk */
    size_t first, most;
    uint64_t charged;
} arena;

void arena_init(arena *a, budget *b, size_t first, size_t most);
/* 8-aligned; NULL: the budget (as things stand, no spilling) or the system has no more. Large requests get a chunk of
 * their own. */
void *arena_alloc(arena *a, size_t size);
void *arena_copy(arena *a, const void *data,
                 size_t size); /* not aligned; size 0 gives a valid pointer, charged nothing */
void arena_reset(
    arena *a); /* frees and gives back all but the first chunk (that one too if it holds one large request) */
void arena_free(arena *a);

#endif
