/* A map from ids (not 0) to 64-bit values: an index, a pointer. Open addressing with linear probing; removal closes
 * the gap, so the table never fills up with what was removed. Zeroed memory is an empty map. */
#ifndef BASE_IDMAP_H
#define BASE_IDMAP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct idmap_slot {
    uint64_t key; /* 0: free */
    uint64_t value;
} idmap_slot;

typedef struct idmap {
    idmap_slot *slots;
    uint32_t room, count; /* room: a power of two, or 0 */
} idmap;

/* The key must not be there yet. false: no memory, nothing changed. */
bool idmap_put(idmap *m, uint64_t key, uint64_t value);
/* NULL: not there. Valid until the next put or remove. */
uint64_t *idmap_find(const idmap *m, uint64_t key);
void idmap_remove(idmap *m, uint64_t key); /* the key must be there */
void idmap_free(idmap *m);

#endif
