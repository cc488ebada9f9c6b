/* The index of an object that lies in the store, without its blocks: two small reads. Not here: objects in memory. */
#include "shuffle/object_format.h"

#include <time.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/wire.h"

#define TAIL_BYTES 4096 /* read first: trailer and, mostly, the whole index */
#define TRIES_MAX  4    /* where the store fails for no lasting reason, or what came was damaged on its way */
#define BACKOFF_MS 5    /* before the second try; four times as long before each next one */

static int cut_short(const char *name, sdf_error **err)
{
    return error_set(err, SDF_E_CORRUPT, "shuffle object %s is damaged at its end, or was cut short", name);
}

static int read_range(store *s, const char *name, uint64_t offset, uint64_t length, sdf_view *view, sdf_error **err)
{
    int rc = store_get_range(s, name, offset, length, NULL, view, err);
    if (rc)
        error_prefix(err, "shuffle object %s", name);
    return rc;
}

static int decode(const char *name, const uint8_t *bytes, uint32_t length, uint64_t offset, uint32_t crc,
                  shuffle_index *x, sdf_error **err)
{
    if (hash_crc32c(0, bytes, length) != crc)
        return cut_short(name, err);
    int rc = shuffle_index_decode(bytes, length, x, err);
    bool fits = true;
    for (uint32_t i = 0; !rc && i < x->count; i++)
        fits = fits && x->extents[i].offset <= offset && x->extents[i].stored <= offset - x->extents[i].offset;
    if (rc || fits)
        return rc;
    shuffle_index_clear(x);
    return cut_short(name, err);
}

static int fetch_once(store *s, const char *name, uint64_t size, shuffle_index *x, sdf_error **err)
{
    if (size < OBJECT_HEADER_BYTES + OBJECT_TRAILER_BYTES)
        return cut_short(name, err);
    uint64_t tail = size < TAIL_BYTES ? size : TAIL_BYTES, offset = 0;
    uint32_t length = 0, crc = 0;
    sdf_view view, index;
    int rc = read_range(s, name, size - tail, tail, &view, err);
    if (rc)
        return rc;
    uint64_t at = size - OBJECT_TRAILER_BYTES;
    const uint8_t *trailer = (const uint8_t *)view.data + (tail - OBJECT_TRAILER_BYTES);
    if (!object_trailer_read(trailer, &offset, &length, &crc) || offset < OBJECT_HEADER_BYTES || offset > at ||
        at - offset != length) {
        rc = cut_short(name, err);
    } else if (length <= tail - OBJECT_TRAILER_BYTES) {
        rc = decode(name, trailer - length, length, offset, crc, x, err);
    } else if ((rc = read_range(s, name, offset, length, &index, err)) == SDF_OK) {
        rc = decode(name, index.data, length, offset, crc, x, err);
        store_release(&index);
    }
    store_release(&view);
    return rc;
}

static bool may_pass(int code)
{
    return code == SDF_E_IO || code == SDF_E_THROTTLED || code == SDF_E_TIMEOUT || code == SDF_E_CORRUPT;
}

int object_fetch_index(store *s, const object_ids *ids, uint64_t size, shuffle_index *x, sdf_error **err)
{
    char name[TASK_NAME_MAX];
    task_name_object(name, ids->context, ids->stage, ids->task, ids->leg, ids->attempt);
    *x = (shuffle_index){0};
    long ms = BACKOFF_MS;
    for (int try = 1;; try++, ms *= 4) {
        sdf_error *why = NULL;
        int rc = fetch_once(s, name, size, x, &why);
        if (!rc)
            return SDF_OK;
        if (try == TRIES_MAX || !may_pass(rc)) {
            error_move(err, &why);
            return rc;
        }
        sdf_error_free(why);
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    }
}
