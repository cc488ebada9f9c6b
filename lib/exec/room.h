/* Asking those who can spill for memory before planning with what is left. */
#ifndef EXEC_ROOM_H
#define EXEC_ROOM_H

#include "base/budget.h"
#include "base/error.h"

/* Has others spill until `bytes` are left, as far as they can; a failure is one of writing. */
static inline int make_room(budget *b, uint64_t bytes, sdf_error **err)
{
    sdf_error *why = NULL;
    if (budget_left(b) >= bytes)
        return SDF_OK;
    int rc = budget_take(b, bytes, NULL, &why);
    if (!rc) {
        budget_give(b, bytes);
    } else if (rc != SDF_E_NO_MEMORY) {
        error_move(err, &why);
        return rc;
    }
    sdf_error_free(why);
    return SDF_OK;
}

#endif
