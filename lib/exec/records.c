/* Filling the buffer, and the order of keys that go on beyond their entries. */
#include "exec/records.h"

#include "base/error.h"
#include "base/wire.h"

#define STEP_LEAST (64u << 10)
#define STEP_MOST  (2u << 20)
#define ROOM_MOST  (UINT64_C(8) << 32) /* what 32 bits of 8-byte units reach */

void records_init(records *r, budget *b, uint64_t room, type_kind key, bool descending)
{
    memset(r, 0, sizeof *r);
    room = room < STEP_LEAST ? STEP_LEAST : room > ROOM_MOST ? ROOM_MOST : room;
    uint64_t step = room / 16 < STEP_LEAST ? STEP_LEAST : room / 16 > STEP_MOST ? STEP_MOST : room / 16;
    r->budget = b;
    r->step = step & ~UINT64_C(63);
    r->room = room - room % r->step; /* whole steps, so that what is charged is never more than there is */
    r->key = key;
    r->descending = descending;
}

/* Bytes in use when `count` records take `used` bytes: two entries each. */
static uint64_t records_need(uint64_t used, uint64_t count)
{
    return used + 2 * count * sizeof(record_entry);
}

int records_begin(records *r, budget_spiller *me, sdf_error **err)
{
    if (r->base)
        return SDF_OK;
    int rc = budget_take(r->budget, r->step, me, err);
    if (rc)
        return rc;
    if (!(r->base = pages_map(r->room))) {
        budget_give(r->budget, r->step);
        return error_no_memory(err);
    }
    r->charged = r->step;
    return SDF_OK;
}

void records_clear(records *r)
{
    r->used = 0;
    r->count = 0;
}

void records_release(records *r)
{
    if (r->base) {
        pages_unmap(r->base, r->room);
        budget_give(r->budget, r->charged);
    }
    r->base = NULL;
    r->charged = 0;
    records_clear(r);
}

static bool records_charge(records *r, uint64_t need)
{
    if (need > r->room || r->count == UINT32_MAX)
        return false;
    while (need > r->charged) {
        if (!budget_try(r->budget, r->step))
            return false;
        r->charged += r->step;
    }
    return true;
}

/* The key's bytes from `from` on, as an entry orders them. */
static inline void entry_load(record_entry *e, const uint8_t *key, size_t size, size_t from, bool descending,
                              uint32_t ref)
{
    size_t left = size > from ? size - from : 0;
    uint64_t high = key_word_ordered(key + from, left);
    uint64_t rest = left > 8 ? key_word_ordered(key + from + 8, left - 8 < 3 ? left - 8 : 3) >> 32 : 0;
    rest |= left < ENTRY_MORE ? left : ENTRY_MORE;
    e->high = descending ? ~high : high;
    e->low = (descending ? ~rest << 32 : rest << 32) | ref;
}

int records_add(records *r, const sdf_slice *key, const sdf_slice *value, uint32_t partition)
{
    uint64_t size = (sizeof(record_head) + key->size + value->size + 7) & ~UINT64_C(7);
    if (key->size > UINT32_MAX || value->size > UINT32_MAX || !r->base)
        return 0;
    uint64_t need = records_need(r->used + size, (uint64_t)r->count + 1);
    if (need > r->charged && !records_charge(r, need))
        return 0;
    record_head *h = (record_head *)(void *)(r->base + r->used);
    *h = (record_head){(uint32_t)key->size, (uint32_t)value->size, partition};
    uint8_t *to = (uint8_t *)(h + 1);
    if (key->size)
        memcpy(to, key->data, key->size);
    if (value->size)
        memcpy(to + key->size, value->data, value->size);
    r->count++;
    record_entry *e = records_entries(r);
    uint32_t ref = (uint32_t)(r->used / 8);
    if (prefix_decides(r->key)) {
        uint64_t prefix = key_prefix(r->key, to, key->size);
        *e = (record_entry){ref, r->descending ? ~prefix : prefix};
    } else {
        entry_load(e, to, key->size, 0, r->descending, ref);
    }
    r->used += size;
    return 1;
}

#define TIES_FEW 24 /* so many keys with a common front are sorted by comparing them */

static int tie_compare(const records *r, const record_entry *a, const record_entry *b, size_t from)
{
    sdf_slice x = record_key(record_at(r, a)), y = record_key(record_at(r, b));
    int d = key_compare_from(x.data, x.size, y.data, y.size, from);
    return r->descending ? -d : d;
}

/* Bytes from `from` on that all keys have in common; *equal: they are one key. */
static size_t ties_common(const records *r, const record_entry *e, size_t count, size_t from, bool *equal)
{
    sdf_slice first = record_key(record_at(r, &e[0]));
    size_t common = first.size;
    *equal = true;
    for (size_t i = 1; i < count; i++) {
        sdf_slice k = record_key(record_at(r, &e[i]));
        const uint8_t *a = first.data, *b = k.data;
        size_t n = k.size < common ? k.size : common, at = from;
        if (k.size == first.size && n == first.size && !memcmp(a + at, b + at, n - at))
            continue;
        while (at < n && a[at] == b[at])
            at++;
        common = at;
        *equal = false;
    }
    return common;
}

static void ties_insertion(const records *r, record_entry *e, size_t count, size_t from)
{
    for (size_t i = 1; i < count; i++) {
        record_entry v = e[i];
        size_t j = i;
        for (; j && tie_compare(r, &v, &e[j - 1], from) < 0; j--)
            e[j] = e[j - 1];
        e[j] = v;
    }
}

static bool entries_tie(const records *r, const record_entry *a, const record_entry *b)
{
    if (a->high != b->high || a->low >> 32 != b->low >> 32)
        return false;
    uint64_t rest = r->descending ? ~a->low >> 32 : a->low >> 32;
    return (rest & 255) == ENTRY_MORE;
}

/* Entries sorted as far as they reach: finds those that agree although their keys go on after `from` bytes, and
 * sorts each such group by what follows its common front. Each level shortens the keys, so the depth is bounded by
 * what fits the buffer. */
static void ties_resolve(const records *r, record_entry *e, record_entry *spare, size_t count, size_t from)
{
    for (size_t i = 0, end; i + 1 < count; i = end) {
        for (end = i + 1; end < count && entries_tie(r, &e[i], &e[end]); end++)
            ;
        size_t n = end - i;
        bool equal;
        if (n == 1)
            continue;
        if (n <= TIES_FEW) {
            ties_insertion(r, e + i, n, from);
            continue;
        }
        size_t common = ties_common(r, e + i, n, from, &equal);
        if (equal)
            continue;
        for (size_t k = i; k < end; k++) {
            sdf_slice key = record_key(record_at(r, &e[k]));
            entry_load(&e[k], key.data, key.size, common, r->descending, (uint32_t)e[k].low);
        }
        radix_sort(e + i, spare, n);
        ties_resolve(r, e + i, spare, n, common + ENTRY_KEY_BYTES);
    }
}

void records_sort(const records *r, record_entry *entries, record_entry *spare, size_t count)
{
    radix_sort(entries, spare, count);
    if (!prefix_decides(r->key))
        ties_resolve(r, entries, spare, count, ENTRY_KEY_BYTES);
}
