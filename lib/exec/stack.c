/* Recognises memory of the calling thread's stack, so that a view of a local variable is refused before it dangles.
 * Not for stacks that the host made itself (coroutines): those are not known here. */
#include <pthread.h>

#include "exec/out.h"

static _Thread_local uintptr_t stack_low, stack_high;

/* Once per thread: asking may read a file of the system. An unknown stack holds nothing. */
static void stack_learn(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &low, &size);
        pthread_attr_destroy(&attributes);
    }
    stack_low = (uintptr_t)low;
    stack_high = low ? stack_low + size : 1;
}

bool stack_holds(const void *p)
{
    if (!stack_high)
        stack_learn();
    return (uintptr_t)p >= stack_low && (uintptr_t)p < stack_high && stack_low;
}
