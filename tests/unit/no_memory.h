/* A malloc of the test's own whose allocations fail on demand, and which counts the blocks that are held. For programs
 * that let each allocation of something fail in turn. Sanitizers have a malloc too: without COUNTED, skip the tests. */
#ifndef TESTS_NO_MEMORY_H
#define TESTS_NO_MEMORY_H

#include <errno.h>
#include <stddef.h>

#if !defined(SDF_SANITIZE) && defined(__GLIBC__)
#define COUNTED 1

/* Volatile: compilers take it for granted that malloc and free touch no variable of the program. */
static volatile long countdown = -1; /* allocations that still succeed; below zero: all */
static volatile long live;           /* blocks since counting began */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

#pragma GCC visibility push(default) /* so that the C library's own calls come here too */

static int refused(void)
{
    if (countdown > 0)
        countdown--;
    else if (countdown == 0) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
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
#else
static long countdown, live;
#endif

#endif
