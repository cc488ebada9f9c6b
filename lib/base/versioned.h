/* Structs that grow: taking one from a host whose header may be older or newer than this library. */
#ifndef BASE_VERSIONED_H
#define BASE_VERSIONED_H

#include <sdf/base.h>

/* Copies a struct that begins with its struct_size into `to`, which has `size` bytes and the same beginning: fields
 * that an older host lacks are zero, those of a newer one must be (else SDF_E_VERSION). to's struct_size becomes
 * `size`. One of fewer than `least` bytes, or absurdly many, was not initialised: SDF_E_INVALID. `what` begins the
 * messages. */
int versioned_copy(void *to, size_t size, size_t least, const void *from, const char *what, sdf_error **err);

#endif
