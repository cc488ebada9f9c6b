/* Structs that grow. See versioned.h. */
#include "base/versioned.h"

#include <string.h>

#include "base/error.h"

#define STRUCT_BYTES_MAX 4096 /* no honest struct is larger */

int versioned_copy(void *to, size_t size, size_t least, const void *from, const char *what, sdf_error **err)
{
    size_t given = 0;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given < least || given > STRUCT_BYTES_MAX) {
        error_set(err, SDF_E_INVALID, "%s has the struct_size %zu", what, given);
        error_hint(err, "set it to the struct's size, or call the struct's init function first");
        return SDF_E_INVALID;
    }
    for (size_t i = size; i < given; i++)
        if (((const char *)from)[i]) {
            error_set(err, SDF_E_VERSION, "%s uses fields that this version of the library doesn't know", what);
            error_hint(err, "run it with the version of the library that it was compiled for");
            return SDF_E_VERSION;
        }
    memset(to, 0, size);
    memcpy(to, from, given < size ? given : size);
    memcpy(to, &size, sizeof size);
    return SDF_OK;
}
