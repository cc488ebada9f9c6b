/* Growth, insertion and hashing of the table; the search itself is inline in the header. */
#include "exec/hashtable.h"

#include "base/error.h"
#include "base/wire.h"

#define TABLE_FIRST  4096 /* slots; small, so that tiny tasks cost nothing */
#define TABLE_LAST   (UINT64_C(1) << 31)
#define TABLE_GROWTH 4 /* times at once, if memory allows: fresh pages cost more than the slots that stay empty */

static uint64_t table_room(uint64_t capacity)
{
    return capacity * 5 / 8;
}

static uint64_t table_bytes(uint64_t capacity)
{
    return capacity * sizeof(table_slot) + table_room(capacity) * sizeof(uint32_t);
}

/* Lays out slots in pages that were charged; the old ones stay the caller's. */
static void table_place(hashtable *t, uint64_t capacity, uint8_t *pages)
{
    t->slots = (table_slot *)pages;
    t->order = (uint32_t *)(pages + capacity * sizeof(table_slot));
    t->capacity = capacity;
    t->mask = capacity - 1;
    t->room = table_room(capacity);
    t->charged = table_bytes(capacity);
}

static bool table_map(hashtable *t, uint64_t capacity)
{
    uint64_t bytes = table_bytes(capacity);
    if (!budget_try(t->budget, bytes))
        return false;
    uint8_t *pages = pages_map(bytes);
    if (!pages) {
        budget_give(t->budget, bytes);
        return false;
    }
    table_place(t, capacity, pages);
    return true;
}

static void table_unmap(hashtable *t, table_slot *slots, uint64_t bytes)
{
    if (!slots)
        return;
    pages_unmap(slots, bytes);
    budget_give(t->budget, bytes);
}

int hashtable_open(hashtable *t, budget *b, type_kind key, uint32_t state_size, uint64_t most, sdf_error **err)
{
    memset(t, 0, sizeof *t);
    t->budget = b;
    t->state_size = state_size;
    t->most = most;
    t->canonical = key == TYPE_F64;
    arena_init(&t->arena, b, 4096, 1u << 20);
    /* Let a spiller make room for the first slots, then take them. */
    int rc = budget_take(b, table_bytes(TABLE_FIRST), NULL, err);
    if (rc)
        return rc;
    budget_give(b, table_bytes(TABLE_FIRST));
    return table_map(t, TABLE_FIRST) ? SDF_OK : error_no_memory(err);
}

void hashtable_close(hashtable *t)
{
    if (!t->budget)
        return;
    table_unmap(t, t->slots, t->charged);
    arena_free(&t->arena);
    memset(t, 0, sizeof *t);
}

static bool table_grow(hashtable *t, uint64_t capacity)
{
    hashtable old = *t;
    if (capacity > TABLE_LAST || table_bytes(capacity) + t->arena.charged > t->most || !table_map(t, capacity))
        return false;
    for (uint64_t i = 0; t->used && i < old.capacity; i++) {
        const table_slot *s = &old.slots[i];
        if (!s->length1)
            continue;
        uint64_t j = s->tag & t->mask;
        while (t->slots[j].length1)
            j = (j + 1) & t->mask;
        t->slots[j] = *s;
    }
    table_unmap(t, old.slots, old.charged);
    return true;
}

bool hashtable_room(hashtable *t, size_t count)
{
    if (t->used && hashtable_bytes(t) > t->most)
        return false;
    while (t->used + count > t->room)
        if (!table_grow(t, t->capacity * TABLE_GROWTH) && !table_grow(t, t->capacity * 2))
            return false;
    return true;
}

void hashtable_expect(hashtable *t, uint64_t count)
{
    uint64_t capacity = t->capacity;
    while (capacity < TABLE_LAST && table_room(capacity) < count)
        capacity *= 2;
    for (; capacity > t->capacity; capacity /= 2)
        if (table_grow(t, capacity))
            return;
}

void hashtable_clear(hashtable *t)
{
    memset(t->slots, 0, t->capacity * sizeof *t->slots);
    t->used = 0;
    arena_reset(&t->arena);
}

bool hashtable_can_shrink(const hashtable *t)
{
    return t->capacity > TABLE_FIRST;
}

void hashtable_shrink(hashtable *t)
{
    uint8_t *pages = hashtable_can_shrink(t) ? pages_map(table_bytes(TABLE_FIRST)) : NULL;
    if (!pages) {
        hashtable_clear(t);
        return;
    }
    table_unmap(t, t->slots, t->charged);
    table_place(t, TABLE_FIRST, pages);
    budget_force(t->budget, t->charged); /* less than what was just given back */
    t->used = 0;
    arena_reset(&t->arena);
}

static inline uint64_t short_hash(uint64_t k0, uint64_t k1)
{
    /* The sum keeps keys apart that zero one factor of the product. */
    return hash_mix(k0, k1) + (k0 ^ k1) * UINT64_C(0x9e3779b97f4a7c15);
}

uint64_t hashtable_hash(const table_slot *s)
{
    uint32_t length = s->length1 - 1;
    return length <= TABLE_INLINE ? short_hash(s->k0, s->k1) : hash_xxh3((const void *)(uintptr_t)s->k1, length);
}

static inline void probe_bytes(table_probe *p, const uint8_t *data, size_t size)
{
    uint64_t hash;
    p->length1 = size < UINT32_MAX - 1 ? (uint32_t)size + 1 : UINT32_MAX;
    if (size <= 8) {
        p->k0 = key_word(data, size);
        p->k1 = 0;
        hash = short_hash(p->k0, 0);
    } else if (size <= TABLE_INLINE) {
        /* The last 8 bytes are there to be read: shift out what the first word has. */
        p->k0 = load_u64(data);
        p->k1 = load_u64(data + size - 8) >> (8 * (TABLE_INLINE - size));
        hash = short_hash(p->k0, p->k1);
    } else {
        p->k0 = load_u64(data);
        p->k1 = (uint64_t)(uintptr_t)data;
        hash = hash_xxh3(data, size);
    }
    p->tag = (uint32_t)(hash >> 32);
}

static void prepare_words(const hashtable *t, const uint64_t *words, size_t count, table_probe *probes)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t w = load_u64(&words[i]);
        w = t->canonical ? type_canonical_f64(w) : w;
        probes[i] = (table_probe){w, 0, 9, (uint32_t)(short_hash(w, 0) >> 32)};
        __builtin_prefetch(&t->slots[probes[i].tag & t->mask], 1);
    }
}

void hashtable_prepare(const hashtable *t, const sdf_column *keys, size_t first, size_t count, table_probe *probes)
{
    if (keys->layout == SDF_LAYOUT_FIXED && keys->width == 8) {
        prepare_words(t, (const uint64_t *)keys->data + first, count, probes);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        sdf_slice key = column_get(keys, first + i);
        uint64_t canonical;
        if (t->canonical && key.size == 8) {
            canonical = type_canonical_f64(load_u64(key.data));
            key.data = &canonical;
        }
        probe_bytes(&probes[i], key.data, key.size);
        __builtin_prefetch(&t->slots[probes[i].tag & t->mask], 1);
    }
}

table_slot *hashtable_insert(hashtable *t, table_slot *empty, const table_probe *p)
{
    uint64_t k1 = p->k1;
    void *state = NULL;
    if (p->length1 > TABLE_INLINE + 1) {
        if (p->length1 == UINT32_MAX)
            return NULL; /* no block could carry it either */
        void *copy = arena_copy(&t->arena, (const void *)(uintptr_t)p->k1, p->length1 - 1);
        if (!copy)
            return NULL;
        k1 = (uint64_t)(uintptr_t)copy;
    }
    if (t->state_size > sizeof empty->state) {
        if (!(state = arena_alloc(&t->arena, t->state_size)))
            return NULL;
        memset(state, 0, t->state_size);
    }
    empty->k0 = p->k0;
    empty->k1 = k1;
    empty->length1 = p->length1;
    empty->tag = p->tag;
    empty->state.pointer = state;
    t->used++;
    return empty;
}

void hashtable_retract(hashtable *t, table_slot *last)
{
    last->length1 = 0;
    last->k0 = last->k1 = 0;
    t->used--;
}
