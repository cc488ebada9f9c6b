/* A buffer of copied records with a 16-byte entry each to sort by. Records fill it from the bottom, entries from the
 * top, and the free middle always has room for a second set of entries, so that sorting needs no memory of its own.
 * Not here: what becomes of the sorted records (sorter.c). */
#ifndef EXEC_RECORDS_H
#define EXEC_RECORDS_H

#include "base/batch.h"
#include "base/budget.h"
#include "exec/prefix.h"

/* Ordered as one 128-bit number: by key as far as 11 bytes reach, then by arrival. */
typedef struct record_entry {
    uint64_t low;  /* 3 more key bytes, then min(bytes of the key from there on, 12), then where the record lies / 8 */
    uint64_t high; /* the key's prefix; both key parts inverted for a descending order */
} record_entry;

#define ENTRY_KEY_BYTES 11
#define ENTRY_MORE      12 /* the count of a key that goes on after these bytes */

/* In front of each record's key and value. */
typedef struct record_head {
    uint32_t key_size, value_size;
    uint32_t partition;
} record_head;

typedef struct records {
    budget *budget;
    uint8_t *base;          /* NULL: no memory is held */
    uint64_t room, charged; /* bytes mapped, and how many of them are charged */
    uint64_t used;          /* bytes of records */
    uint64_t step;          /* charged at a time */
    uint32_t count;
    type_kind key;
    bool descending;
} records;

void records_init(records *r, budget *b, uint64_t room, type_kind key, bool descending);
/* Copies one record. 1: done; 0: full as things stand, or larger than the buffer. */
int records_add(records *r, const sdf_slice *key, const sdf_slice *value, uint32_t partition);
/* Makes sure of memory for a first few records, asking others to spill. */
int records_begin(records *r, budget_spiller *me, sdf_error **err);
void records_clear(records *r);   /* keeps the memory */
void records_release(records *r); /* gives it back */

/* The entries, newest first, with as much free room below them. */
static inline record_entry *records_entries(const records *r)
{
    return (record_entry *)(void *)(r->base + r->room) - r->count;
}
static inline const record_head *record_at(const records *r, const record_entry *e)
{
    return (const record_head *)(const void *)(r->base + (e->low & UINT32_MAX) * 8);
}
static inline sdf_slice record_key(const record_head *h)
{
    return (sdf_slice){h + 1, h->key_size};
}
static inline sdf_slice record_value(const record_head *h)
{
    return (sdf_slice){(const uint8_t *)(h + 1) + h->key_size, h->value_size};
}

/* Sorts `count` entries of r by key, then arrival; `spare` has room for as many. */
void records_sort(const records *r, record_entry *entries, record_entry *spare, size_t count);

/* ---- radix.c ---- */
/* Sorts by (high, low); no two are equal. */
void radix_sort(record_entry *entries, record_entry *spare, size_t count);

#endif
