/* Open addressing; a slot has the key's place and length, a part of its hash, and where its value ends. */
#include "expr/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

typedef struct slot {
    const uint8_t *key; /* NULL: free */
    uint64_t size;
    const uint8_t *end; /* of the value, which begins behind the tab; of a key without a value: of the key */
    uint64_t hash;
} slot;

struct table {
    budget *budget;
    uint64_t charged, mask;
    size_t bytes;
    slot *slots;
};

static int table_new(table **t, budget *b, size_t keys, sdf_error **err)
{
    size_t slots = 16;
    while (slots < keys * 2)
        slots *= 2;
    table *x = calloc(1, sizeof *x);
    if (!x)
        return error_no_memory(err);
    x->budget = b;
    x->mask = slots - 1;
    x->bytes = slots * sizeof(slot);
    int rc = budget_take(b, x->bytes, NULL, err);
    if (!rc) {
        x->charged = x->bytes;
        x->slots = pages_map(x->bytes);
        rc = x->slots ? SDF_OK : error_no_memory(err);
    }
    if (rc) {
        table_free(x);
        return rc;
    }
    *t = x;
    return SDF_OK;
}

void table_free(table *t)
{
    if (!t)
        return;
    if (t->slots)
        pages_unmap(t->slots, t->bytes);
    budget_give(t->budget, t->charged);
    free(t);
}

/* The slot that has the key, or the free one where it belongs. */
static slot *find(const table *t, const uint8_t *key, size_t size, uint64_t hash)
{
    for (uint64_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        slot *s = &t->slots[i];
        if (!s->key || (s->hash == hash && s->size == size && (!size || !memcmp(s->key, key, size))))
            return s;
    }
}

static void add(table *t, const uint8_t *key, size_t size, const uint8_t *end)
{
    uint64_t hash = hash_xxh3(key, size);
    slot *s = find(t, key, size, hash);
    if (!s->key)
        *s = (slot){key, size, end, hash};
}

int table_new_lines(table **t, budget *b, const sdf_slice *text, sdf_error **err)
{
    const uint8_t *at = text->data, *end = at + text->size;
    size_t lines = 0;
    for (const uint8_t *p = at; p < end; lines++) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        p = stop ? stop + 1 : end;
    }
    int rc = table_new(t, b, lines, err);
    while (!rc && at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at)), *next = stop ? stop + 1 : end;
        stop = stop ? stop : end;
        if (stop > at && stop[-1] == '\r')
            stop--;
        const uint8_t *tab = memchr(at, '\t', (size_t)(stop - at));
        add(*t, at, (size_t)((tab ? tab : stop) - at), stop);
        at = next;
    }
    return rc;
}

int table_new_keys(table **t, budget *b, const sdf_slice *keys, size_t count, sdf_error **err)
{
    static const uint8_t none;
    int rc = table_new(t, b, count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        const uint8_t *key = keys[i].size ? keys[i].data : &none;
        add(*t, key, keys[i].size, key + keys[i].size);
    }
    return rc;
}

bool table_get(const table *t, const sdf_slice *key, sdf_slice *value)
{
    const slot *s = find(t, key->data, key->size, hash_xxh3(key->data, key->size));
    if (!s->key)
        return false;
    const uint8_t *start = s->key + s->size;
    start += start < s->end; /* the tab */
    *value = (sdf_slice){start, (size_t)(s->end - start)};
    return true;
}
