/* Small whole objects with a checksum: side objects of a task that no other check would cover. After the content come
 * its CRC-32C and a mark, four bytes each. */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/wire.h"
#include "store/store.h"

#define SEAL_BYTES 8
#define SEAL_MARK  UINT32_C(0x53464453) /* "SDFS" */

int store_put_sealed(store *s, const char *name, const void *data, size_t size, sdf_error **err)
{
    uint8_t seal[SEAL_BYTES];
    store_u32(seal, hash_crc32c(0, data, size));
    store_u32(seal + 4, SEAL_MARK);
    const sdf_slice parts[] = {{data, size}, {seal, sizeof seal}};
    return store_put_parts(s, name, parts, 2, err);
}

static int unseal(const char *name, sdf_view *view, sdf_error **err)
{
    size_t content = view->size < SEAL_BYTES ? 0 : view->size - SEAL_BYTES;
    const uint8_t *seal = (const uint8_t *)view->data + content;
    if (view->size >= SEAL_BYTES && load_u32(seal + 4) == SEAL_MARK &&
        load_u32(seal) == hash_crc32c(0, view->data, content)) {
        view->size = content;
        return SDF_OK;
    }
    store_release(view);
    return error_set(err, SDF_E_CORRUPT, "object \"%s\" does not match its checksum", name);
}

int store_get_sealed(store *s, const char *name, uint64_t limit, sdf_view *view, sdf_error **err)
{
    int rc = SDF_E_CORRUPT;
    for (int tries = 0; tries < 2 && rc == SDF_E_CORRUPT; tries++) { /* the first may have been damaged on its way */
        sdf_error *why = NULL;
        rc = store_get(s, name, limit < UINT64_MAX - SEAL_BYTES ? limit + SEAL_BYTES : limit, view, &why);
        rc = rc ? rc : unseal(name, view, &why);
        if (rc != SDF_E_CORRUPT || tries)
            error_move(err, &why);
        else
            sdf_error_free(why);
    }
    return rc;
}
