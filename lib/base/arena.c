/* Pages from the system, and arenas: bump allocation out of charged chunks. Nothing is freed one by one.
 * Sanitizer builds poison what is not handed out, so that a use after reset shows. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/budget.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(data, size)   ASAN_POISON_MEMORY_REGION(data, size)
#define UNPOISON(data, size) ASAN_UNPOISON_MEMORY_REGION(data, size)
#elif defined(SDF_SANITIZE)
#define POISON(data, size)   memset(data, 0xdd, size)
#define UNPOISON(data, size) ((void)0)
#else
#define POISON(data, size)   ((void)0)
#define UNPOISON(data, size) ((void)0)
#endif

#define HUGE_PAGE ((size_t)2 << 20)
#define MAP_FROM  ((size_t)64 << 10) /* chunks from here up are pages of their own, which go back at once when freed */

static size_t page_round(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) & ~(page - 1);
}

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* A mapping that begins at a multiple of the huge page: a longer one with both ends cut off. */
static void *map_aligned(size_t size)
{
    if (size > SIZE_MAX - HUGE_PAGE)
        return NULL;
    uint8_t *p = map(size + HUGE_PAGE);
    if (!p)
        return NULL;
    size_t front = (size_t)(-(uintptr_t)p & (HUGE_PAGE - 1));
    if (front)
        munmap(p, front);
    if (HUGE_PAGE - front)
        munmap(p + front + size, HUGE_PAGE - front);
    return p + front;
}

void *pages_map(size_t size)
{
    if (!size || size > SIZE_MAX / 2)
        return NULL;
    size = page_round(size);
    if (size < HUGE_PAGE)
        return map(size);
    void *p = map_aligned(size);
    if (p)
        madvise(p, size, MADV_HUGEPAGE); /* advice: small pages do as well */
    return p;
}

void pages_unmap(void *pages, size_t size)
{
    if (!pages)
        return;
    size = page_round(size);
    UNPOISON(pages, size);
    munmap(pages, size);
}

struct arena_chunk {
    arena_chunk *next; /* older */
    size_t size;       /* with this head; what was charged */
    bool own;          /* holds one large request alone */
};

#define HEAD ((sizeof(arena_chunk) + 15) & ~(size_t)15)

void arena_init(arena *a, budget *b, size_t first, size_t most)
{
    *a = (arena){.budget = b, .chunk_bytes = first, .first = first, .most = most > first ? most : first};
}

static arena_chunk *chunk_new(arena *a, size_t size)
{
    size = size >= MAP_FROM ? page_round(size) : size;
    if (!budget_try(a->budget, size))
        return NULL;
    arena_chunk *c = size >= MAP_FROM ? pages_map(size) : malloc(size);
    if (!c) {
        budget_give(a->budget, size);
        return NULL;
    }
    *c = (arena_chunk){.size = size};
    a->charged += size;
    POISON((uint8_t *)c + HEAD, size - HEAD);
    return c;
}

static void chunk_free(arena *a, arena_chunk *c)
{
    size_t size = c->size;
    if (size >= MAP_FROM) {
        pages_unmap(c, size);
    } else {
        UNPOISON(c, size);
        free(c);
    }
    budget_give(a->budget, size);
    a->charged -= size;
}

/* A chunk for one large request, put behind the current one, whose free end stays in use. */
static void *alloc_own(arena *a, size_t size)
{
    arena_chunk *c = chunk_new(a, HEAD + size);
    if (!c)
        return NULL;
    c->own = true;
    if (a->chunks) {
        c->next = a->chunks->next;
        a->chunks->next = c;
    } else {
        a->chunks = c; /* with no free end: at == end */
    }
    UNPOISON((uint8_t *)c + HEAD, size);
    return (uint8_t *)c + HEAD;
}

/* Makes room for `size` bytes at `at`; takes a smaller chunk than planned where the budget is nearly spent. */
static bool grow(arena *a, size_t size)
{
    arena_chunk *c = NULL;
    size_t least = HEAD + size > a->first ? HEAD + size : a->first;
    for (size_t want = a->chunk_bytes > least ? a->chunk_bytes : least;; want = want / 2 > least ? want / 2 : least) {
        c = chunk_new(a, want);
        if (c || want == least)
            break;
    }
    if (!c)
        return false;
    c->next = a->chunks;
    a->chunks = c;
    a->at = (uint8_t *)c + HEAD;
    a->end = (uint8_t *)c + c->size;
    a->chunk_bytes = a->chunk_bytes < a->most / 2 ? a->chunk_bytes * 2 : a->most;
    return true;
}

/* Bytes at the front of the free space, which is made if there is none; NULL: none. */
static uint8_t *bump(arena *a, size_t size, size_t align)
{
    size_t pad = (size_t)(-(uintptr_t)a->at & (align - 1));
    size_t left = (size_t)(a->end - a->at);
    if (left < pad || left - pad < size) {
        if (size > SIZE_MAX / 4)
            return NULL;
        if (size > a->chunk_bytes / 4)
            return alloc_own(a, size);
        if (!grow(a, size))
            return NULL;
        pad = 0; /* chunks are aligned */
    }
    uint8_t *p = a->at + pad;
    a->at = p + size;
    UNPOISON(p, size);
    return p;
}

void *arena_alloc(arena *a, size_t size)
{
    return bump(a, size ? size : 1, 8);
}

void *arena_copy(arena *a, const void *data, size_t size)
{
    if (!size)
        return (void *)"";
    uint8_t *p = bump(a, size, 1);
    if (p)
        memcpy(p, data, size);
    return p;
}

void arena_reset(arena *a)
{
    arena_chunk *kept = NULL;
    for (arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        arena_chunk *spare = c->own ? c : kept; /* newest first: the last ordinary one stays */
        if (!c->own)
            kept = c;
        if (spare)
            chunk_free(a, spare);
    }
    a->chunks = kept;
    if (kept)
        kept->next = NULL;
    a->at = a->end = NULL;
    a->chunk_bytes = a->first;
    if (kept) {
        a->at = (uint8_t *)kept + HEAD;
        a->end = (uint8_t *)kept + kept->size;
        POISON(a->at, kept->size - HEAD);
        a->chunk_bytes = a->first < a->most / 2 ? a->first * 2 : a->most;
    }
}

void arena_free(arena *a)
{
    for (arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        chunk_free(a, c);
    }
    a->chunks = NULL;
    a->at = a->end = NULL;
    a->chunk_bytes = a->first;
}
