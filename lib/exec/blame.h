/* An error that no operator has claimed yet gets the label of the one at hand. */
#ifndef EXEC_BLAME_H
#define EXEC_BLAME_H

#include "base/error.h"

static inline int blame(int rc, const char *label, sdf_error **err)
{
    if (rc < 0 && err && *err && !*sdf_error_operator(*err))
        error_at(err, NULL, label);
    return rc;
}

#endif
