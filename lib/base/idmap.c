/* The map from ids to values. */
#include "base/idmap.h"

#include <stdlib.h>

#include "base/hash.h"

#define ROOM_MIN 64

static uint32_t home_of(const idmap *m, uint64_t key)
{
    return (uint32_t)hash_mix(key, 1) & (m->room - 1);
}

static void place(idmap *m, uint64_t key, uint64_t value)
{
    uint32_t i = home_of(m, key);
    while (m->slots[i].key)
        i = (i + 1) & (m->room - 1);
    m->slots[i] = (idmap_slot){key, value};
}

static bool resize(idmap *m, uint32_t room)
{
    idmap other = {room ? calloc(room, sizeof *other.slots) : NULL, room, m->count};
    if (!other.slots)
        return false;
    for (uint32_t i = 0; i < m->room; i++)
        if (m->slots[i].key)
            place(&other, m->slots[i].key, m->slots[i].value);
    free(m->slots);
    *m = other;
    return true;
}

bool idmap_put(idmap *m, uint64_t key, uint64_t value)
{
    if (m->count >= m->room / 2 && !resize(m, m->room ? m->room * 2 : ROOM_MIN))
        return false;
    place(m, key, value);
    m->count++;
    return true;
}

uint64_t *idmap_find(const idmap *m, uint64_t key)
{
    if (m->room == 0 || key == 0)
        return NULL;
    for (uint32_t i = home_of(m, key); m->slots[i].key; i = (i + 1) & (m->room - 1))
        if (m->slots[i].key == key)
            return &m->slots[i].value;
    return NULL;
}

void idmap_remove(idmap *m, uint64_t key)
{
    uint32_t mask = m->room - 1, hole = home_of(m, key);
    while (m->slots[hole].key != key)
        hole = (hole + 1) & mask;
    /* Whatever probed past the hole moves into it. */
    for (uint32_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        uint32_t home = home_of(m, m->slots[i].key);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole].key = 0;
    m->count--;
}

void idmap_free(idmap *m)
{
    free(m->slots);
    *m = (idmap){0};
}
