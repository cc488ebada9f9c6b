/* Memory charged to a task's budget, allocated and freed in one step.
 * A NULL budget charges nobody (tools that read an object outside a task). */
#ifndef SHUFFLE_CHARGE_H
#define SHUFFLE_CHARGE_H

#include <stdlib.h>

#include "base/budget.h"
#include "base/error.h"

/* NULL and *err when the budget (after asking its spillers) or the system has no more. */
static inline void *charge_alloc(budget *b, size_t size, sdf_error **err)
{
    if (b && budget_take(b, size, NULL, err) != SDF_OK)
        return NULL;
    void *p = malloc(size ? size : 1);
    if (!p) {
        if (b)
            budget_give(b, size);
        error_no_memory(err);
    }
    return p;
}

/* As things stand: nobody is asked to spill, and there is no error object. */
static inline void *charge_try(budget *b, size_t size)
{
    if (b && !budget_try(b, size))
        return NULL;
    void *p = malloc(size ? size : 1);
    if (!p && b)
        budget_give(b, size);
    return p;
}

static inline void charge_free(budget *b, void *p, size_t size)
{
    if (!p)
        return;
    free(p);
    if (b)
        budget_give(b, size);
}

#endif
