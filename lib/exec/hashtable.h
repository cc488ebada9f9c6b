/* An open-addressing table of keys with a state each, in 32-byte slots: keys up to 16 bytes and states up to 8 lie
 * in the slot, larger ones in the table's arena. It grows while it may; then its owner writes it out and clears it.
 * Not here: what the states mean (aggregate.h). The order of its slots depends on nothing but the keys and their
 * order. */
#ifndef EXEC_HASHTABLE_H
#define EXEC_HASHTABLE_H

#include "base/batch.h"
#include "base/budget.h"
#include "base/hash.h"
#include "exec/prefix.h"

#define TABLE_INLINE 16 /* bytes of a key that fit a slot */

typedef struct table_slot {
    uint64_t k0, k1;  /* the key, zero-padded; longer than TABLE_INLINE: its first 8 bytes, and a pointer to all */
    uint32_t length1; /* length + 1; 0: the slot is empty */
    uint32_t tag;     /* upper half of the private hash; its low bits say where the slot belongs */
    union {
        uint64_t word;
        int64_t i64;
        double f64;
        void *pointer;
    } state;
} table_slot;

/* A key on its way into the table. */
typedef struct table_probe {
    uint64_t k0, k1; /* as in a slot; a long key points to the caller's bytes */
    uint32_t length1, tag;
} table_probe;

typedef struct hashtable {
    budget *budget;
    arena arena; /* long keys, large states, and what states allocate */
    table_slot *slots;
    uint32_t *order; /* room for the index of every used slot, for the one who writes the table out */
    uint64_t capacity, mask, used, room; /* room: used slots at which it grows */
    uint64_t charged;                    /* bytes of slots and order */
    uint64_t most;                       /* bytes that the table may hold in all */
    uint32_t state_size;
    bool canonical; /* f64 keys: -0 and NaNs are made one */
} hashtable;

/* A small table, charged; `most` bounds its growth besides the budget. */
int hashtable_open(hashtable *t, budget *b, type_kind key, uint32_t state_size, uint64_t most, sdf_error **err);
void hashtable_close(hashtable *t); /* a zeroed one is fine */
/* Makes room for `count` more keys; false: the table is full and must be cleared. An empty table always has some. */
bool hashtable_room(hashtable *t, size_t count);
/* About so many keys will come: grows at once, as far as it may. */
void hashtable_expect(hashtable *t, uint64_t count);
/* Forgets all keys; keeps the slots, gives back the arena. */
void hashtable_clear(hashtable *t);
/* The same, and gives back the slots as well but for a first few, if there are more. */
void hashtable_shrink(hashtable *t);
bool hashtable_can_shrink(const hashtable *t);
static inline uint64_t hashtable_bytes(const hashtable *t)
{
    return t->charged + t->arena.charged;
}

/* Reads `count` (at most SDF_BATCH_MAX) keys from `first` on, hashes them and fetches their slots ahead. */
void hashtable_prepare(const hashtable *t, const sdf_column *keys, size_t first, size_t count, table_probe *probes);
/* A new slot for a key that is not there, where the search for it ended. Its state is zeros. NULL: no memory as
 * things stand. */
table_slot *hashtable_insert(hashtable *t, table_slot *empty, const table_probe *p);
/* Takes back the last insertion. */
void hashtable_retract(hashtable *t, table_slot *last);
/* The whole 64 bits of the private hash of a slot's key. */
uint64_t hashtable_hash(const table_slot *s);

static inline sdf_slice slot_key(const table_slot *s)
{
    uint32_t length = s->length1 - 1;
    return (sdf_slice){length <= TABLE_INLINE ? (const void *)&s->k0 : (const void *)(uintptr_t)s->k1, length};
}
static inline void *slot_state(const hashtable *t, table_slot *s)
{
    return t->state_size <= sizeof s->state ? (void *)&s->state : s->state.pointer;
}

static inline bool slot_is(const table_slot *s, const table_probe *p)
{
    if (s->k0 != p->k0 || s->length1 != p->length1)
        return false;
    if (s->k1 == p->k1)
        return true;
    return p->length1 > TABLE_INLINE + 1 && s->tag == p->tag &&
           !memcmp((const void *)(uintptr_t)s->k1, (const void *)(uintptr_t)p->k1, p->length1 - 1);
}
/* The slot of a key, or the empty one where it would go. */
static inline table_slot *hashtable_find(const hashtable *t, const table_probe *p)
{
    for (uint64_t i = p->tag & t->mask;; i = (i + 1) & t->mask) {
        table_slot *s = &t->slots[i];
        if (slot_is(s, p) || !s->length1)
            return s;
    }
}

#endif
